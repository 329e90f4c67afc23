//! Links between people and their accounts at a source, and the trait [`Accounts`] for looking accounts up.
//!
//! Links come from `bot.toml`, from an e-mail address that both sides have, or from `link`. `commands` confirms each with
//! its source before storing it. From then on ids decide, and names are only shown.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::operation::WriteError;
use super::task::{Account, Source};

/// The origin of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkOrigin {
    /// From `[[people]]`, which outranks all others.
    Config,
    /// Slack and ClickUp have the same e-mail address for the person.
    Email,
    /// A person typed `link`.
    Typed,
    /// A person typed `unlink`: no link is made automatically any more.
    Unlinked,
}

impl LinkOrigin {
    /// Every origin, for parsing and the API's description.
    pub const ALL: [LinkOrigin; 4] = [
        LinkOrigin::Config,
        LinkOrigin::Email,
        LinkOrigin::Typed,
        LinkOrigin::Unlinked,
    ];

    /// The name in the store and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            LinkOrigin::Config => "bot.toml",
            LinkOrigin::Email => "email",
            LinkOrigin::Typed => "typed",
            LinkOrigin::Unlinked => "unlinked",
        }
    }

    /// The origin with this stored name; `None` if there is no such name.
    pub fn parse(text: &str) -> Option<LinkOrigin> {
        LinkOrigin::ALL
            .into_iter()
            .find(|origin| origin.as_str() == text)
    }
}

/// A person's account at a source, or that they want none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountLink {
    /// The source of the account.
    pub source: Source,
    /// The reason for the link; with [`LinkOrigin::Unlinked`] there is no account.
    pub origin: LinkOrigin,
    /// The source's own id; `None` while only a login from bot.toml is known.
    pub id: Option<String>,
    /// GitHub's login, ClickUp's name, as the source showed it last.
    pub name: Option<String>,
    /// The name of the person who typed it.
    pub by: Option<String>,
    /// UTC, when it was linked or unlinked; `None` for an account from bot.toml.
    pub at: Option<DateTime<Utc>>,
    /// When the source last answered about it.
    pub seen_at: Option<DateTime<Utc>>,
    /// Whether the account no longer existed then.
    pub gone: bool,
}

impl AccountLink {
    /// The account's name for people.
    pub fn shown(&self) -> &str {
        let known = self.name.as_deref().or(self.id.as_deref());
        known.unwrap_or_default()
    }
}

/// Account look-ups at a source. They only read.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// The source whose accounts it looks up.
    fn source(&self) -> Source;

    /// The account with this handle: GitHub by login, ClickUp by name, e-mail address or member id. Fails `Refused` if
    /// there is none, several, or one that cannot be assigned any of our tasks; otherwise as a read does.
    async fn confirm(&self, called: &str) -> Result<Account, WriteError>;

    /// The account with this id, or with this name if the id is unknown, as it is now. `None` if there is none.
    async fn look_up(&self, id: Option<&str>, name: &str) -> Result<Option<Account>, WriteError>;

    /// The only account with this confirmed e-mail address. Always `None` if the source hides addresses.
    async fn by_email(&self, email: &str) -> Result<Option<Account>, WriteError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_read_back() {
        for origin in LinkOrigin::ALL {
            assert_eq!(LinkOrigin::parse(origin.as_str()), Some(origin));
        }
        assert_eq!(LinkOrigin::parse("guessed"), None);
    }
}
