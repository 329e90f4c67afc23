//! `snooze [REF] WHEN`: hide a task from the person's queue until then.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use clap::Args;
use serde::Deserialize;
use serde::de::{Deserializer, Error};
use serde_json::json;
use utoipa::ToSchema;

use super::body::{self, start_of};
use super::grammar::{ParseError, excerpt, is_mere_punctuation, parse_ref, split_when};
use super::line::{Call, CommandLine, Line, WHEN_AND_REF_HELP};
use super::{Http, Info, ShownContext, Verb, many};
use crate::command_tx::{CommandTx, Context, Decided, Rejection, local};
use crate::domain::command::Ref;
use crate::domain::person::Person;
use crate::domain::reply::{Text, not_then};
use crate::domain::task::{Task, TaskStatus};
use crate::domain::when::{NotThen, WHEN_HELP, When};
use crate::store::effects::{self, Snoozed};
use crate::store::snoozes;

/// Hides it from the person's own queue until then, and from no other queue. It sends nothing to the source.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Snooze {
    /// A task other than the current one
    #[serde(rename = "ref", default, deserialize_with = "body::task")]
    pub task: Option<Ref>,
    /// The end of the snooze
    #[serde(deserialize_with = "until")]
    pub until: When,
}

impl Verb for Snooze {
    const INFO: &'static Info = &Info {
        name: "snooze",
        usage: "snooze [REF] WHEN",
        effect: "hide the current task, or REF, from your queue until then",
        examples: &[
            "snooze tomorrow",
            "snooze 2 mon 9:00",
            "snooze #12 2h",
            "snooze 2-4 mon",
        ],
        many: true,
        shown: ShownContext::WithoutRef,
        http: Http::both("snooze", "snooze"),
        line: Some(
            CommandLine::of::<SnoozeWords>(&["ivan snooze tomorrow 9:00", "ivan snooze 2 3d"])
                .about("hide the current task, or REF, from your queue until WHEN"),
        ),
        ..Info::SHOWS
    };

    fn read(rest: &str) -> Result<Snooze, ParseError> {
        let (task, when) = split_when(rest);
        if is_mere_punctuation(when) {
            return Err(ParseError::Slip("Until when? Try `snooze 2h`, `snooze tomorrow`, `snooze mon 9:00` or `snooze 1 dec`.".to_owned()));
        }
        let not_a_when = || {
            ParseError::Prose(format!(
                "I can't read `{}` as a time. Try `2h`, `tomorrow`, `mon 9:00` or `2026-12-01`.",
                excerpt(when)
            ))
        };
        Ok(Snooze {
            task: task.and_then(parse_ref),
            until: When::parse(when).ok_or_else(not_a_when)?,
        })
    }

    fn decide(self, tx: &CommandTx<'_>, person: &Person, context: &Context) -> Decided {
        let unfit = |words| Err(Rejection::Unfit(words).into());
        let until = match self.until.after(context.at, person.zone) {
            Ok(until) if until <= tx.now => return unfit(cannot_snooze(&NotThen::NoTime)),
            Ok(until) => until,
            Err(why) => return unfit(cannot_snooze(&why)),
        };
        let stored = tx.known(person, self.task, context)?;
        if stored.task.status == TaskStatus::Done {
            return unfit(nothing_to_snooze(&stored.task));
        }
        let snoozed = Snoozed {
            task: stored.row,
            until,
            before: snoozes::until(tx.db, person.id, stored.row, tx.now)?,
        };
        snoozes::set(tx.db, person.id, stored.row, Some(until))?;
        let command = tx.command(person, context, "snooze")?;
        effects::snoozed(tx.db, command, &snoozed)?;
        let words = put_off(&stored.task, until, person.zone);
        let mut report = local(words, Some(&stored.task));
        let mover = tx.mover(person, command, context);
        let pin = mover.leave(stored.row, &mut report)?;
        tx.settled(person, command, report, pin, Some(stored.row))
    }

    takes_ref!();
}

/// The words after `ivan snooze`.
#[derive(Debug, Args)]
#[command(after_help = WHEN_AND_REF_HELP, override_usage = "ivan snooze [REF] WHEN")]
struct SnoozeWords {
    /// A task other than the current one, and the end of the snooze
    #[arg(required = true, value_name = "[REF] WHEN")]
    words: Vec<String>,
}

impl Line for SnoozeWords {
    fn call(self, info: &Info) -> Call {
        let words = self.words.join(" ");
        if let Some(body) = many::of_line::<Snooze>(&words, "until") {
            return Call::effect(info, body);
        }
        let (task, until) = split_when(&words);
        Call::effect(info, json!({ "ref": task, "until": until }))
    }
}

fn until<'de, D: Deserializer<'de>>(json: D) -> Result<When, D::Error> {
    let text = String::deserialize(json)?;
    When::parse(&text).ok_or_else(|| {
        D::Error::custom(format_args!(
            "`{}` is not a time. Try {WHEN_HELP}, or an RFC 3339 time with its offset",
            start_of(&text)
        ))
    })
}

pub(crate) fn cannot_snooze(why: &NotThen) -> Text {
    Text::new()
        .text("Not snoozed: ")
        .then(not_then(why))
        .text(". Try `snooze tomorrow`, `snooze mon 9:00` or `snooze 1 dec`.")
}

pub(crate) fn nothing_to_snooze(task: &Task) -> Text {
    Text::new()
        .text("Not snoozed: ")
        .link(&task.title, &task.url)
        .text(format!(
            " is already {} in {}.",
            task.source_status,
            task.key.source().name()
        ))
}

/// After a `snooze`.
pub(crate) fn put_off(task: &Task, until: DateTime<Utc>, zone: Tz) -> Text {
    Text::new()
        .text("Snoozed until ")
        .date(until, zone)
        .text(": ")
        .link(&task.title, &task.url)
}
