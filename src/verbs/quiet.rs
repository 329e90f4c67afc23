//! `quiet 20:00-8:00`, `quiet off`, `quiet default`: the hours in which notices are held; alone it shows the setting.

use chrono::NaiveTime;
use chrono_tz::Tz;
use clap::Args;
use serde::Deserialize;
use serde::de::{Deserializer, Error};
use serde_json::json;
use utoipa::ToSchema;

use super::body::start_of;
use super::grammar::{ParseError, excerpt, trim};
use super::line::{AnswerKind, Call, CommandLine, Line};
use super::{Info, Verb, schedule};
use crate::command_tx::{CommandTx, Context, Decided, Handled};
use crate::domain::person::Person;
use crate::domain::reply::Text;
use crate::domain::schedule::{DEFAULT, QuietHours, ScheduleChange};
use crate::store::{DbResult, schedules};

/// The person's quiet hours, in which notices are held; without a change it shows them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Quiet {
    /// Hours of the day in the person's zone, `off`, or `default`: those of `slack.quiet`
    #[serde(rename = "hours", deserialize_with = "hours")]
    #[schema(value_type = String, examples("20:00-8:00", "off", "default"))]
    pub change: Option<QuietChange>,
}

/// A change of quiet hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuietChange {
    /// Hold notices in these local hours.
    Hours(QuietHours),
    /// No quiet hours, even if bot.toml has some.
    Off,
    /// Follow bot.toml from now on.
    Default,
    /// Another start or end. Only in the Home tab: the typed form has both.
    From(NaiveTime),
    /// Another end; only in the Home tab.
    Until(NaiveTime),
}

impl Verb for Quiet {
    const INFO: &'static Info = &Info {
        name: "quiet",
        usage: "quiet 20:00-8:00 · quiet off · quiet default",
        effect: "hold notices in those hours and sum them up afterwards",
        examples: &["quiet", "quiet 20:00-8:00", "quiet off", "quiet default"],
        line: Some(
            CommandLine::of::<QuietWords>(&[
                "ivan quiet",
                "ivan quiet 20:00-8:00",
                "ivan quiet default",
            ])
            .about("hold notices during quiet hours; without arguments: show the setting"),
        ),
        ..Info::SHOWS
    };

    fn read(rest: &str) -> Result<Quiet, ParseError> {
        let rest = trim(rest).trim_end_matches(['.', '!']);
        let change = match rest.to_lowercase().as_str() {
            "" => None,
            "off" | "never" => Some(QuietChange::Off),
            DEFAULT => Some(QuietChange::Default),
            _ => Some(QuietHours::parse(rest).map(QuietChange::Hours).ok_or_else(|| {
                ParseError::Prose(format!(
                    "`{}` are not hours. Try `quiet 20:00-8:00`, `quiet off` or `quiet default`.",
                    excerpt(rest)
                ))
            })?),
        };
        Ok(Quiet { change })
    }

    fn decide(self, tx: &CommandTx<'_>, person: &Person, _context: &Context) -> Decided {
        let Some(change) = self.change else {
            return Ok(Handled::Replied(quiet_is(tx, person)?.into()));
        };
        let change = match change {
            QuietChange::Hours(hours) => ScheduleChange::Quiet(Some(hours)),
            QuietChange::Off => ScheduleChange::Quiet(None),
            QuietChange::Default => ScheduleChange::UsualQuiet,
            QuietChange::From(from) => {
                let until = present_hours(tx, person)?.until();
                ScheduleChange::Quiet(QuietHours::between(from, until))
            }
            QuietChange::Until(until) => {
                let from = present_hours(tx, person)?.from();
                ScheduleChange::Quiet(QuietHours::between(from, until))
            }
        };
        Ok(Handled::Replied(
            schedule::change(tx, person, change)?.into(),
        ))
    }
}

/// The words after `ivan quiet`.
#[derive(Debug, Args)]
struct QuietWords {
    /// 20:00-8:00, off, or default: the team default
    #[arg(value_name = "HOURS")]
    hours: Option<String>,
}

impl Line for QuietWords {
    fn call(self, info: &Info) -> Call {
        match self.hours {
            None => Call::get("/rhythm", AnswerKind::Words),
            hours => Call::effect(info, json!({ "hours": hours })).answered(AnswerKind::Words),
        }
    }
}

/// The current setting.
pub fn quiet_is(tx: &CommandTx<'_>, person: &Person) -> DbResult<Text> {
    let chosen = schedules::of(tx.db, person.id)?;
    let held = schedules::count_held(tx.db, person.id)?;
    Ok(hours_are(chosen.quiet, chosen.own_quiet, held, person.zone))
}

/// The person's quiet hours, of which one end is to change; else the usual night.
fn present_hours(tx: &CommandTx<'_>, person: &Person) -> DbResult<QuietHours> {
    let chosen = schedules::of(tx.db, person.id)?;
    Ok(chosen.quiet.unwrap_or(QuietHours::NIGHT))
}

fn hours<'de, D: Deserializer<'de>>(json: D) -> Result<Option<QuietChange>, D::Error> {
    let text = String::deserialize(json)?;
    match text.trim() {
        "off" => Ok(Some(QuietChange::Off)),
        DEFAULT => Ok(Some(QuietChange::Default)),
        hours => match QuietHours::parse(hours) {
            Some(hours) => Ok(Some(QuietChange::Hours(hours))),
            None => Err(D::Error::custom(format_args!(
                "`{}` are not hours. Try 20:00-8:00, 8pm-8am, off or default",
                start_of(hours)
            ))),
        },
    }
}

/// The answer to `quiet` alone; `own`: whether it is the person's own choice.
pub(crate) fn hours_are(quiet: Option<QuietHours>, own: bool, held: i64, zone: Tz) -> Text {
    let words = match quiet {
        Some(quiet) if !own => Text::new()
            .text(format!(
                "Quiet hours {quiet} ({}), the team default. ",
                zone.name()
            ))
            .code("quiet off")
            .text(" turns them off for you."),
        Some(quiet) => Text::new()
            .text(format!("Quiet hours {quiet} ({}). ", zone.name()))
            .code("quiet off")
            .text(" turns them off."),
        None => Text::new()
            .text("Quiet hours are off. ")
            .code("quiet 20:00-8:00")
            .text(" sets them."),
    };
    match held {
        0 => words,
        1 => words.text(" 1 notice is held."),
        held => words.text(format!(" {held} notices are held.")),
    }
}
