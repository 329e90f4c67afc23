//! Which account at a source is whose, and how that is found out: [`Accounts`] is what a source tells of its accounts.
//!
//! `bot.toml` gives links, an e-mail address that both sides know makes one, people type them; the desk confirms each
//! with its source before it is kept. From then on ids decide, and names are only shown.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::operation::WriteError;
use super::task::{Account, Source};

/// Where a link comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// `[[people]]` says so, which wins over everything else.
    Config,
    /// Slack and ClickUp know the person by the same e-mail address.
    Email,
    /// Somebody typed `link`.
    Typed,
    /// Somebody typed `unlink`: no other way makes a link any more.
    Unlinked,
}

impl Origin {
    pub const ALL: [Origin; 4] = [
        Origin::Config,
        Origin::Email,
        Origin::Typed,
        Origin::Unlinked,
    ];

    /// The word in the store and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Origin::Config => "bot.toml",
            Origin::Email => "email",
            Origin::Typed => "typed",
            Origin::Unlinked => "unlinked",
        }
    }

    pub fn parse(text: &str) -> Option<Origin> {
        Origin::ALL
            .into_iter()
            .find(|origin| origin.as_str() == text)
    }
}

/// A person's account at a source, or that they want none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub source: Source,
    pub origin: Origin,
    /// The source's own id; not known yet of a login that only bot.toml tells.
    pub id: Option<String>,
    /// GitHub's login, ClickUp's name, as the source showed it last.
    pub name: Option<String>,
    /// The name of whoever typed it.
    pub by: Option<String>,
    pub at: Option<DateTime<Utc>>,
    /// When the source last answered about it.
    pub seen_at: Option<DateTime<Utc>>,
    /// It then had no such account any more.
    pub gone: bool,
}

impl Link {
    /// What people call the account.
    pub fn shown(&self) -> &str {
        let known = self.name.as_deref().or(self.id.as_deref());
        known.unwrap_or_default()
    }
}

/// What a source tells of its accounts. Nothing in here writes.
#[async_trait]
pub trait Accounts: Send + Sync {
    fn source(&self) -> Source;

    /// The account that somebody calls theirs: GitHub by login, ClickUp by name, e-mail address or member id. Fails
    /// `Refused` where there is none, several, or one that cannot be given any of our tasks; as a read does otherwise.
    async fn confirm(&self, called: &str) -> Result<Account, WriteError>;

    /// The account with this id, or, where that is not known, of this name, as it is called now. `None`: there is none.
    async fn look_up(&self, id: Option<&str>, name: &str) -> Result<Option<Account>, WriteError>;

    /// The one account that has this e-mail address confirmed. Always `None` where a source does not show addresses.
    async fn by_email(&self, email: &str) -> Result<Option<Account>, WriteError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_read_back() {
        for origin in Origin::ALL {
            assert_eq!(Origin::parse(origin.as_str()), Some(origin));
        }
        assert_eq!(Origin::parse("guessed"), None);
    }
}
