//! How people learn what became of what they asked.

use serde::{Deserialize, Serialize};

/// How people learn what became of what they asked (`slack.receipts`; each may choose otherwise).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Receipts {
    /// By a message.
    #[default]
    Message,
    /// By a reaction on their own message as well; a comment that arrived, by that alone.
    Reactions,
}

impl Receipts {
    /// As bot.toml, buttons and the store have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Receipts::Message => "message",
            Receipts::Reactions => "reactions",
        }
    }

    /// The one of that name.
    pub fn of(name: &str) -> Option<Receipts> {
        [Receipts::Message, Receipts::Reactions]
            .into_iter()
            .find(|one| one.as_str() == name)
    }

    /// The one that somebody means who types `reactions`, `messages` or how bot.toml has it.
    pub fn typed(text: &str) -> Option<Receipts> {
        match text.trim().to_lowercase().as_str() {
            "messages" => Some(Receipts::Message),
            name => Receipts::of(name),
        }
    }
}
