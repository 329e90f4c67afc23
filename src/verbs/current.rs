//! `current`: show the current task.

use clap::Args;
use serde::Deserialize;
use utoipa::ToSchema;

use super::grammar::{ParseError, nothing_after};
use super::line::{AnswerKind, Call, CommandLine, Line};
use super::{Info, ShownContext, Verb};
use crate::command_tx::{CommandTx, Context, Decided, Handled};
use crate::domain::person::Person;

/// Shows the current task; it has no arguments.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Current {}

impl Verb for Current {
    const INFO: &'static Info = &Info {
        name: "current",
        aliases: &[
            "what should I work on?",
            "what should I do?",
            "what should I do next?",
            "what's next?",
            "whats next?",
            "what is next?",
            "what next?",
            "what now?",
        ],
        usage: "current",
        effect: "show the current task",
        examples: &["current"],
        shown: ShownContext::Always,
        line: Some(CommandLine::of::<CurrentWords>(&[
            "ivan current",
            "ivan current --json",
        ])),
        ..Info::SHOWS
    };

    fn read(rest: &str) -> Result<Current, ParseError> {
        nothing_after("current", rest, Current {})
    }

    fn decide(self, tx: &CommandTx<'_>, person: &Person, _context: &Context) -> Decided {
        Ok(Handled::Replied(tx.show(person)?))
    }
}

/// `ivan current` has no further words.
#[derive(Debug, Args)]
struct CurrentWords {}

impl Line for CurrentWords {
    fn call(self, _info: &Info) -> Call {
        Call::get("/current", AnswerKind::Current)
    }
}
