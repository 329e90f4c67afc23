//! `reopen REF`: reopen a task. In the thread of a task's message REF may be left out.

use clap::Args;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::grammar::{ParseError, optional_ref};
use super::line::{Call, CommandLine, Line, REF_HELP};
use super::{Http, Info, ShownContext, Verb, body};
use crate::command_tx::{CommandTx, Context, Decided, Rejection};
use crate::domain::command::Ref;
use crate::domain::operation::Write;
use crate::domain::person::Person;
use crate::domain::reply::Text;

/// Reopens it in its source: in the status before it was completed here, or in the source's first one. Open already:
/// success, and `conflict`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reopen {
    /// The task to open
    #[serde(rename = "ref", default, deserialize_with = "body::task")]
    #[schema(required, value_type = Ref)]
    pub task: Option<Ref>,
}

impl Verb for Reopen {
    const INFO: &'static Info = &Info {
        name: "reopen",
        usage: "reopen [REF]",
        effect: "reopen REF with the status it had before",
        examples: &["reopen #12"],
        writes: true,
        shown: ShownContext::WithoutRef,
        http: Http::both("reopen", "reopen"),
        line: Some(CommandLine::of::<ReopenWords>(&["ivan reopen '#12'"])),
        ..Info::SHOWS
    };

    fn read(rest: &str) -> Result<Reopen, ParseError> {
        optional_ref("reopen", rest).map(|task| Reopen { task })
    }

    /// REF may be left out only in the thread of a task's message, because the current task is open.
    fn decide(self, tx: &CommandTx<'_>, person: &Person, context: &Context) -> Decided {
        if self.task.is_none() && context.under.is_none() {
            return Err(Rejection::Unfit(reopen_which()).into());
        }
        let target = tx.target(person, self.task, context)?;
        tx.end_snooze(person, &target)?;
        let reopen = Write::Reopen { task: target.key };
        tx.accept(person, context, "reopen", vec![reopen])
    }

    takes_ref!();
}

/// The words after `ivan reopen`.
#[derive(Debug, Args)]
#[command(after_help = REF_HELP)]
struct ReopenWords {
    /// The task to reopen
    #[arg(value_name = "REF")]
    task: String,
}

impl Line for ReopenWords {
    fn call(self, info: &Info) -> Call {
        Call::effect(info, json!({ "ref": self.task }))
    }
}

pub(crate) fn reopen_which() -> Text {
    Text::new().text(
        "Reopen which task? `reopen #12`, or paste its link. `undo` reverts your last action.",
    )
}
