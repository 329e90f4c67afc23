//! How people learn the outcome of their requests.

use serde::{Deserialize, Serialize};

/// How people learn the outcome of their requests (`slack.receipts`; each person may choose otherwise).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Receipts {
    /// By a message.
    #[default]
    Message,
    /// By a reaction on their own message as well; a delivered comment, by that alone.
    Reactions,
}

impl Receipts {
    /// The name in bot.toml, in buttons and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Receipts::Message => "message",
            Receipts::Reactions => "reactions",
        }
    }

    /// Finds one by that name.
    pub fn of(name: &str) -> Option<Receipts> {
        [Receipts::Message, Receipts::Reactions]
            .into_iter()
            .find(|one| one.as_str() == name)
    }

    /// Reads the typed form: `reactions`, `messages` or the name in bot.toml.
    pub fn typed(text: &str) -> Option<Receipts> {
        match text.trim().to_lowercase().as_str() {
            "messages" => Some(Receipts::Message),
            name => Receipts::of(name),
        }
    }
}
