//! `help`: every verb in short, from the table that parses them.

use serde::Deserialize;
use utoipa::ToSchema;

use super::grammar::{ParseError, REF_HELP};
use super::{Info, VERBS, Verb};
use crate::command_tx::{CommandTx, Context, Decided, Handled};
use crate::domain::filter::Filter;
use crate::domain::person::Person;
use crate::domain::reply::Text;
use crate::domain::when::WHEN_HELP;

/// `help`: it has no arguments.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Help {}

impl Verb for Help {
    const INFO: &'static Info = &Info {
        name: "help",
        aliases: &["?", "commands"],
        usage: "help",
        effect: "show this list",
        examples: &["help"],
        ..Info::SHOWS
    };

    /// Any text after `help` is ignored.
    fn read(_rest: &str) -> Result<Help, ParseError> {
        Ok(Help {})
    }

    fn decide(self, _tx: &CommandTx<'_>, _person: &Person, _context: &Context) -> Decided {
        Ok(Handled::Replied(help().into()))
    }
}

pub(crate) fn help() -> Text {
    let mut words = Text::new().text("Commands:");
    for row in VERBS {
        for (place, usage) in row.info.usage.split(" · ").enumerate() {
            words = words
                .text(if place == 0 { "\n• " } else { " or " })
                .code(usage);
        }
        words = words.text(format!(": {}", row.info.effect));
    }
    words.text(format!(
        "\nREF is {REF_HELP}. In a thread about a task you can leave it out.\n\
         WHEN is {WHEN_HELP}.\n\
         FILTER is {} or a client; combine them as you like.\n\
         React to a card with ✅ for `done`, 💤 for `snooze` or 👀 for `start`.",
        Filter::WORDS.join(", ")
    ))
}
