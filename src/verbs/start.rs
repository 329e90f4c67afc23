//! `start [REF]`: make a task current and, if its source has such a status, in progress.

use serde::Deserialize;
use utoipa::ToSchema;

use super::grammar::{ParseError, optional_ref};
use super::line::{CommandLine, RefWords};
use super::{Http, Info, ShownContext, Verb, body};
use crate::command_tx::{CommandTx, Context, Decided};
use crate::domain::command::Ref;
use crate::domain::operation::Write;
use crate::domain::person::Person;

/// Makes it the current task and, if its source has such a status or label, in progress. Already so: success, and
/// `conflict`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// A task other than the current one
    #[serde(rename = "ref", default, deserialize_with = "body::task")]
    pub task: Option<Ref>,
}

impl Verb for Start {
    const INFO: &'static Info = &Info {
        name: "start",
        usage: "start [REF]",
        effect: "make the task current and mark it as in progress",
        examples: &["start", "start #12"],
        writes: true,
        shown: ShownContext::WithoutRef,
        http: Http::both("start", "start").may_conflict(),
        line: Some(CommandLine::of::<RefWords>(&["ivan start", "ivan start 2"])),
        ..Info::SHOWS
    };

    fn read(rest: &str) -> Result<Start, ParseError> {
        optional_ref("start", rest).map(|task| Start { task })
    }

    fn decide(self, tx: &CommandTx<'_>, person: &Person, context: &Context) -> Decided {
        let target = tx.target(person, self.task, context)?;
        tx.end_snooze(person, &target)?;
        let start = Write::Start { task: target.key };
        tx.accept(person, context, "start", vec![start])
    }

    takes_ref!();
}
