//! Links between people and their accounts at a source, and the trait [`Accounts`] for looking accounts up.
//!
//! Links come from `bot.toml`, from an e-mail address that both sides have, or from `link`. `commands` confirms each with
//! its source before storing it. From then on ids decide, and names are only shown.

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use super::operation::WriteError;
use super::person::PersonId;
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

/// How long a code to prove an account is valid. A poll may need `sync.interval` to see it.
pub const CODE_VALID: TimeDelta = TimeDelta::hours(24);
/// How often a person may ask to link an account within that time.
pub const TRIES_MAX: u32 = 10;
/// The first letters of a code, by which people recognise it.
const CODE_BEGINS: &str = "ivan-link-";
/// The random bytes of a code.
pub const CODE_BYTES: usize = 10;

/// How accounts are linked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LinkRule {
    /// By a proof: the confirmed e-mail address, a code that the account wrote, or an operator's approval.
    #[default]
    Proof,
    /// By an operator's approval only.
    Operators,
}

/// Why an account is a person's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkProof {
    /// Slack and the source have confirmed the same e-mail address.
    Email,
    /// The account's profile has the person's code.
    Profile,
    /// The account wrote the person's code in a comment.
    Comment,
    /// An operator approved it.
    Operator,
}

impl LinkProof {
    /// The name in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            LinkProof::Email => "email",
            LinkProof::Profile => "profile",
            LinkProof::Comment => "comment",
            LinkProof::Operator => "operator",
        }
    }
}

/// An account that a person wants to link, until it is proved to be theirs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkRequest {
    /// The person.
    pub person: PersonId,
    /// The source of the account.
    pub source: Source,
    /// The account, as its source has confirmed it.
    pub account: Account,
    /// The text that the account has to write.
    pub code: String,
    /// The id in the buttons of operators.
    pub uid: String,
    /// When the code was made.
    pub asked_at: DateTime<Utc>,
    /// The time since which tries are counted.
    pub since: DateTime<Utc>,
    /// The number of tries since then.
    pub tries: u32,
}

impl LinkRequest {
    /// The code of these random bytes.
    pub fn code_of(random: &[u8; CODE_BYTES]) -> String {
        let digits = random.iter().map(|byte| format!("{byte:02x}"));
        format!("{CODE_BEGINS}{}", digits.collect::<String>())
    }

    /// Whether its code still counts.
    pub fn is_valid(&self, now: DateTime<Utc>) -> bool {
        now < self.asked_at + CODE_VALID
    }

    /// Whether a text has its code, as a word of its own.
    pub fn is_in(&self, text: &str) -> bool {
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        text.split(|c| !is_part(c)).any(|word| word == self.code)
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

    /// Whether the account's own profile has this text. Always false if the source has no such text, or one that others
    /// can write.
    async fn profile_has(&self, account: &Account, code: &str) -> Result<bool, WriteError>;

    /// The only account with this confirmed e-mail address. Always `None` if the source hides addresses.
    async fn by_email(&self, email: &str) -> Result<Option<Account>, WriteError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_counts_as_a_whole_word_and_for_a_day() {
        let then = DateTime::from_timestamp(1_767_225_600, 0).unwrap();
        let request = LinkRequest {
            person: PersonId(1),
            source: Source::GitHub,
            account: Account {
                id: "31".into(),
                name: "ana".into(),
            },
            code: LinkRequest::code_of(&[0, 0x1f, 2, 3, 4, 5, 6, 7, 8, 0xff]),
            uid: String::new(),
            asked_at: then,
            since: then,
            tries: 1,
        };
        let code = "ivan-link-001f02030405060708ff";
        assert_eq!(request.code, code);
        for text in [code, &format!("it is `{code}`."), &format!("> {code}\nyes")] {
            assert!(request.is_in(text), "{text}");
        }
        for text in [
            "",
            "ivan-link-",
            &format!("{code}0"),
            &format!("x{code}"),
            code.trim_end_matches('f'),
            &code.to_uppercase(),
        ] {
            assert!(!request.is_in(text), "{text}");
        }
        assert!(request.is_valid(then + CODE_VALID - TimeDelta::seconds(1)));
        assert!(!request.is_valid(then + CODE_VALID));
    }

    #[test]
    fn origins_are_read_back() {
        for origin in LinkOrigin::ALL {
            assert_eq!(LinkOrigin::parse(origin.as_str()), Some(origin));
        }
        assert_eq!(LinkOrigin::parse("guessed"), None);
    }
}
