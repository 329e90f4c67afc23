//! `current`: show the current task.

use clap::Args;
use serde::Deserialize;
use utoipa::ToSchema;

use super::grammar::{ParseError, nothing_after};
use super::line::{AnswerKind, Call, CommandLine, Line};
use super::line_format::LineFormat;
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
            "ivan current --format '{title} · {due}'",
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

/// The words after `ivan current`.
#[derive(Debug, Args)]
#[command(after_help = FORMAT_HELP)]
struct CurrentWords {
    /// Print one line in this form, for prompts and status bars: '{title} {due}'
    #[arg(long, value_name = "FORMAT", conflicts_with_all = ["json", "jq"])]
    format: Option<LineFormat>,
}

const FORMAT_HELP: &str = "FORMAT is text with {title}, {id}, {place}, {source}, {status}, {due}, {priority}, {client} or {url}; {{ and }} are \
                           braces. It pins nothing, and prints nothing without a task.";

impl Line for CurrentWords {
    fn call(self, _info: &Info) -> Call {
        match self.format {
            // A prompt is no look at the task: `done` must not complete what only a prompt has shown.
            Some(format) => Call::get("/current?peek=true", AnswerKind::Line(format)),
            None => Call::get("/current", AnswerKind::Current),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verbs::line_format::LineField;

    #[test]
    fn the_help_names_every_placeholder() {
        for (name, _) in LineField::ALL {
            assert!(FORMAT_HELP.contains(&format!("{{{name}}}")), "{name}");
        }
    }
}
