//! How people learn the outcome of their requests.

use serde::{Deserialize, Serialize};

/// How people learn the outcome of their requests (`slack.receipts`; each person may choose otherwise).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReceiptMode {
    /// By a message.
    #[default]
    Message,
    /// By a reaction on their own message as well; a delivered comment, by that alone.
    Reactions,
}

impl ReceiptMode {
    /// The name in bot.toml, in buttons and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            ReceiptMode::Message => "message",
            ReceiptMode::Reactions => "reactions",
        }
    }

    /// Finds one by that name.
    pub fn of(name: &str) -> Option<ReceiptMode> {
        [ReceiptMode::Message, ReceiptMode::Reactions]
            .into_iter()
            .find(|one| one.as_str() == name)
    }

    /// Reads the typed form: `reactions`, `messages` or the name in bot.toml.
    pub fn typed(text: &str) -> Option<ReceiptMode> {
        match text.trim().to_lowercase().as_str() {
            "messages" => Some(ReceiptMode::Message),
            name => ReceiptMode::of(name),
        }
    }
}
