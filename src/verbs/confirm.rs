//! `confirm ID`: do what Ivan asked about before it acts on many tasks. The buttons below the question are the same, or say
//! no.

use chrono::Duration;
use clap::Args;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::grammar::{ParseError, trim};
use super::line::{Call, CommandLine, Line};
use super::{Http, Info, Verb, many};
use crate::command_tx::{CommandTx, Context, Decided, Handled, Rejection, Reply};
use crate::domain::card::is_uid;
use crate::domain::person::Person;
use crate::domain::reply;
use crate::store::{Wake, messages, operations, questions};

/// How long a question can be answered.
const ANSWERED_WITHIN: Duration = Duration::hours(1);

/// Carries out a command that asked before it acts, on exactly the tasks that the question named, once.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Confirm {
    /// `confirm` of the question
    pub id: String,
    /// Whether to do it. Only a button says no.
    #[serde(skip, default = "yes")]
    pub yes: bool,
}

fn yes() -> bool {
    true
}

impl Verb for Confirm {
    const INFO: &'static Info = &Info {
        name: "confirm",
        usage: "confirm ID",
        effect: "do what I asked you about before acting on many tasks",
        examples: &["confirm 01JDQ2Z0Y5T8V6W4X3N1M9K7BC"],
        writes: true,
        http: Http::post("confirm"),
        line: Some(CommandLine::of::<ConfirmWords>(&[
            "ivan confirm 01JDQ2Z0Y5T8V6W4X3N1M9K7BC",
        ])),
        ..Info::SHOWS
    };

    fn read(rest: &str) -> Result<Confirm, ParseError> {
        let id = trim(rest).trim_end_matches(['.', '!']).to_uppercase();
        match is_uid(&id) {
            true => Ok(Confirm { id, yes: true }),
            false => Err(ParseError::Prose(
                "Press *Do it* below the question, or type `confirm` with the id in it.".to_owned(),
            )),
        }
    }

    fn decide(self, tx: &CommandTx<'_>, person: &Person, context: &Context) -> Decided {
        let unfit = |words| Err(Rejection::Unfit(words).into());
        let found = match operations::by_uid(tx.db, &self.id)? {
            Some(command) => questions::of(tx.db, command)?.map(|found| (command, found)),
            None => None,
        };
        let Some((command, question)) = found else {
            return unfit(reply::question_is_over());
        };
        if question.person != person.id {
            return unfit(reply::not_your_question());
        }
        questions::answered(tx.db, command)?;
        if messages::loses_buttons(tx.db, command)? {
            tx.db.wake(Wake::Messages);
        }
        if tx.now - question.asked_at > ANSWERED_WITHIN {
            return unfit(reply::question_is_over());
        }
        if !self.yes {
            return Ok(Handled::Replied(Reply::from(reply::nothing_was_done())));
        }
        // A time counts from when it was typed, as the question said.
        let context = Context {
            at: question.typed_at,
            offered_at: None,
            ..context.clone()
        };
        many::carry_out(&question.asked, tx, person, &context)
    }
}

/// The words after `ivan confirm`.
#[derive(Debug, Args)]
struct ConfirmWords {
    /// The id that the question gave
    #[arg(value_name = "ID")]
    id: String,
}

impl Line for ConfirmWords {
    fn call(self, info: &Info) -> Call {
        Call::effect(info, json!({ "id": self.id }))
    }
}
