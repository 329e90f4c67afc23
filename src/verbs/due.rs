//! `due [REF] WHEN|none`: set when a task is due.

use chrono::NaiveTime;
use chrono_tz::Tz;
use clap::Args;
use serde::Deserialize;
use serde::de::{Deserializer, Error};
use serde_json::json;
use utoipa::ToSchema;

use super::body::{self, start_of};
use super::grammar::{ParseError, excerpt, is_mere_punctuation, is_none, parse_ref, split_when};
use super::line::{Call, CommandLine, Line, WHEN_AND_REF_HELP};
use super::{Http, Info, ShownContext, Verb, many};
use crate::command_tx::{CommandTx, Context, Decided, Rejection};
use crate::domain::change::TaskChange;
use crate::domain::command::Ref;
use crate::domain::person::Person;
use crate::domain::reply::{Text, not_then, when_due};
use crate::domain::task;
use crate::domain::when::{DueThen, DueWhen, NotThen, WHEN_HELP, When};

/// Sets when it is due in ClickUp; `none`: never. GitHub has no due dates for issues, and 422 says so.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Due {
    /// A task other than the current one
    #[serde(rename = "ref", default, deserialize_with = "body::task")]
    pub task: Option<Ref>,
    /// The due date; `none`: never
    #[serde(rename = "due", deserialize_with = "at")]
    #[schema(value_type = DueWhen)]
    pub at: Option<DueWhen>,
}

impl Verb for Due {
    const INFO: &'static Info = &Info {
        name: "due",
        usage: "due [REF] WHEN|none",
        effect: "set the due date of the current task, or REF, in ClickUp",
        examples: &["due fri", "due 2 1 dec 17:00", "due none", "due 1 3 fri"],
        writes: true,
        many: true,
        shown: ShownContext::WithoutRef,
        http: Http::both("due", "due"),
        line: Some(CommandLine::of::<DueWords>(&[
            "ivan due fri 17:00",
            "ivan due 2 none",
        ])),
        ..Info::SHOWS
    };

    fn read(rest: &str) -> Result<Due, ParseError> {
        let (task, when) = split_when(rest);
        if is_mere_punctuation(when) {
            return Err(ParseError::Slip(
                "When is it due? Try `due fri`, `due tomorrow 17:00`, `due 1 dec` or `due none`."
                    .to_owned(),
            ));
        }
        let not_a_due = || {
            ParseError::Prose(format!(
                "I can't read `{}` as a date. Try `due fri`, `due tomorrow 17:00`, `due 1 dec` or `due none`.",
                excerpt(when)
            ))
        };
        Ok(Due {
            task: task.and_then(parse_ref),
            at: match is_none(when) {
                true => None,
                false => Some(When::parse_due(when).ok_or_else(not_a_due)?),
            },
        })
    }

    fn decide(self, tx: &CommandTx<'_>, person: &Person, context: &Context) -> Decided {
        let at = self.at.map(|at| at.after(context.at, person.zone));
        let due = at
            .transpose()
            .map_err(|why| Rejection::Unfit(not_due_then(&why)))?;
        let (change, due) = match due {
            None => (TaskChange::Due(None), None),
            Some(DueThen::At(at)) => (TaskChange::Due(Some(at)), Some(task::DueDate::at(at))),
            Some(DueThen::Day(day)) => (
                TaskChange::DueOn(day),
                Some(task::DueDate {
                    at: day.and_time(NaiveTime::MIN).and_utc(),
                    day: Some(day),
                }),
            ),
        };
        tx.change(person, self.task, context, "due", |source| {
            if !source.profile().due_dates {
                return Err(Rejection::Unfit(no_due_in_github()));
            }
            Ok((change, due_on(due, person.zone)))
        })
    }

    takes_ref!();
}

/// The words after `ivan due`.
#[derive(Debug, Args)]
#[command(after_help = WHEN_AND_REF_HELP, override_usage = "ivan due [REF] WHEN|none")]
struct DueWords {
    /// A task other than the current one, and its due date
    #[arg(required = true, value_name = "[REF] WHEN")]
    words: Vec<String>,
}

impl Line for DueWords {
    fn call(self, info: &Info) -> Call {
        let words = self.words.join(" ");
        if let Some(body) = many::of_line::<Due>(&words, "due") {
            return Call::effect(info, body);
        }
        let (task, due) = split_when(&words);
        Call::effect(info, json!({ "ref": task, "due": due }))
    }
}

fn at<'de, D: Deserializer<'de>>(json: D) -> Result<Option<DueWhen>, D::Error> {
    let text = String::deserialize(json)?;
    if is_none(&text) {
        return Ok(None);
    }
    When::parse_due(&text).map(Some).ok_or_else(|| {
        D::Error::custom(format_args!(
            "`{}` is not a time. Try {WHEN_HELP}, an RFC 3339 time with its offset, or none",
            start_of(&text)
        ))
    })
}

/// When it is due, as a phrase about the task.
fn due_on(due: Option<task::DueDate>, zone: Tz) -> String {
    match due {
        Some(due) => format!("due {}", when_due(due, zone).plain()),
        None => "without a due date".to_owned(),
    }
}

pub(crate) fn no_due_in_github() -> Text {
    Text::new().text(
        "GitHub has no due dates for issues. Put the date into its milestone in GitHub, or `snooze` the issue for \
             yourself.",
    )
}

pub(crate) fn not_due_then(why: &NotThen) -> Text {
    Text::new()
        .text("Due date not changed: ")
        .then(not_then(why))
        .text(". Try `due fri`, `due tomorrow 17:00`, `due 1 dec` or `due none`.")
}
