//! `pause [REF]`: the opposite of `start`. The task stays assigned, in the status that it had before.

use serde::Deserialize;
use utoipa::ToSchema;

use super::grammar::{ParseError, optional_ref};
use super::line::{CommandLine, RefWords};
use super::{Http, Info, ShownContext, Verb, body};
use crate::command_tx::{CommandTx, Context, Decided};
use crate::domain::change::TaskChange;
use crate::domain::command::Ref;
use crate::domain::operation::Write;
use crate::domain::person::Person;
use crate::domain::task::TaskStatus;
use crate::store::operations;

/// Puts it back to its status before `start`; in GitHub the label for work in progress goes. It stays assigned and current.
/// Not in progress: success, and `conflict`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Pause {
    /// A task other than the current one
    #[serde(rename = "ref", default, deserialize_with = "body::task")]
    pub task: Option<Ref>,
}

impl Verb for Pause {
    const INFO: &'static Info = &Info {
        name: "pause",
        usage: "pause [REF]",
        effect: "put the current task, or REF, back to its status before `start`",
        examples: &["pause", "pause 2", "pause #12"],
        writes: true,
        shown: ShownContext::WithoutRef,
        http: Http::both("pause", "pause").may_conflict(),
        line: Some(CommandLine::of::<RefWords>(&[
            "ivan pause",
            "ivan pause '#12'",
        ])),
        ..Info::SHOWS
    };

    fn read(rest: &str) -> Result<Pause, ParseError> {
        optional_ref("pause", rest).map(|task| Pause { task })
    }

    fn decide(self, tx: &CommandTx<'_>, person: &Person, context: &Context) -> Decided {
        let target = tx.target(person, self.task, context)?;
        let known = target.stored.as_ref().map(|stored| &stored.task);
        let status = match known {
            // A `start` may still wait for its turn.
            Some(task) if task.status == TaskStatus::Todo => Some(task.source_status.clone()),
            _ => operations::last(tx.db, &target.key, "start")?.map(|(before, _)| before),
        };
        let pause = Write::Change {
            task: target.key,
            change: TaskChange::Pause { status },
            said: "paused".to_owned(),
        };
        tx.accept(person, context, "pause", vec![pause])
    }

    takes_ref!();
}
