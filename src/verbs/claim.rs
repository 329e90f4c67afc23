//! `claim [REF]`: assign a task to the person who asks.

use serde::Deserialize;
use utoipa::ToSchema;

use super::grammar::{ParseError, optional_ref};
use super::line::{CommandLine, RefWords};
use super::{Http, Info, ShownContext, Verb, body};
use crate::command_tx::{CommandTx, Context, Decided, Rejection};
use crate::domain::change::TaskChange;
use crate::domain::command::Ref;
use crate::domain::person::Person;
use crate::domain::reply;

/// Adds the person who acts as assignee in its source.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// A task other than the current one
    #[serde(rename = "ref", default, deserialize_with = "body::task")]
    pub task: Option<Ref>,
}

impl Verb for Claim {
    const INFO: &'static Info = &Info {
        name: "claim",
        usage: "claim [REF]",
        effect: "assign the current task, or REF, to yourself",
        examples: &["claim", "claim 3", "claim #12"],
        writes: true,
        shown: ShownContext::WithoutRef,
        http: Http::both("claim", "claim"),
        line: Some(CommandLine::of::<RefWords>(&["ivan claim '#12'"])),
        ..Info::SHOWS
    };

    fn read(rest: &str) -> Result<Claim, ParseError> {
        optional_ref("claim", rest).map(|task| Claim { task })
    }

    fn decide(self, tx: &CommandTx<'_>, person: &Person, context: &Context) -> Decided {
        tx.change(person, self.task, context, "claim", |source| {
            let Some(add) = person.handle_at(source) else {
                return Err(Rejection::Unfit(reply::no_account(None, source)));
            };
            let change = TaskChange::Assign {
                add: vec![add],
                remove: Vec::new(),
            };
            Ok((change, reply::assigned_to("you")))
        })
    }

    takes_ref!();
}
