//! `briefing 8:30`, `briefing off`, `briefing default`: the briefing on working days; alone it shows the briefing now.

use chrono::NaiveTime;
use clap::Args;
use serde::Deserialize;
use serde::de::{Deserializer, Error};
use serde_json::json;
use utoipa::ToSchema;

use super::body::start_of;
use super::grammar::{ParseError, excerpt, trim};
use super::line::{AnswerKind, Call, CommandLine, Line};
use super::{Info, Morning, Verb, schedule};
use crate::command_tx::{CommandTx, Context, Decided, Handled};
use crate::domain::person::Person;
use crate::domain::schedule::{DEFAULT, ScheduleChange, time_of_day};

/// Chooses the time of the briefing. As a typed verb without a time it shows the briefing now.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Briefing {
    /// A time of day in the person's zone, `off`, or `default`: that of `slack.briefing`
    #[serde(deserialize_with = "at")]
    #[schema(value_type = String, examples("8:30", "9am", "off", "default"))]
    pub at: Option<BriefingAt>,
}

/// The time at which a person wants their briefing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BriefingAt {
    /// At this time of day in the person's zone.
    Time(NaiveTime),
    /// No briefing.
    Off,
    /// Follow bot.toml from now on.
    Default,
}

impl From<BriefingAt> for ScheduleChange {
    fn from(at: BriefingAt) -> ScheduleChange {
        match at {
            BriefingAt::Time(time) => ScheduleChange::Briefing(Some(time)),
            BriefingAt::Off => ScheduleChange::Briefing(None),
            BriefingAt::Default => ScheduleChange::UsualBriefing,
        }
    }
}

impl Verb for Briefing {
    const INFO: &'static Info = &Info {
        name: "briefing",
        usage: "briefing 8:30 · briefing off · briefing default",
        effect: "get your briefing on working days at that time, turn it off, or follow the team default",
        examples: &["briefing 8:30", "briefing off", "briefing default"],
        line: Some(CommandLine::of::<BriefingWords>(&["ivan briefing", "ivan briefing 8:30", "ivan briefing off"]).about("get the briefing in Slack on working days at that time, or turn it off; without arguments: show it now")),
        ..Info::SHOWS
    };

    fn read(rest: &str) -> Result<Briefing, ParseError> {
        let rest = trim(rest).trim_end_matches(['.', '!']);
        let at = match rest.to_lowercase().as_str() {
            "" => None,
            "off" | "never" => Some(BriefingAt::Off),
            DEFAULT => Some(BriefingAt::Default),
            _ => Some(time_of_day(rest).map(BriefingAt::Time).ok_or_else(|| {
                ParseError::Prose(format!(
                    "`{}` is not a time. Try `briefing 8:30`, `briefing off` or `briefing default`.",
                    excerpt(rest)
                ))
            })?),
        };
        Ok(Briefing { at })
    }

    fn decide(self, tx: &CommandTx<'_>, person: &Person, context: &Context) -> Decided {
        match self.at {
            None => Morning {}.decide(tx, person, context),
            Some(at) => Ok(Handled::Replied(
                schedule::change(tx, person, at.into())?.into(),
            )),
        }
    }

    fn depends_on_what_was_shown(&self) -> bool {
        self.at.is_none()
    }
}

/// The words after `ivan briefing`.
#[derive(Debug, Args)]
struct BriefingWords {
    /// 8:30, 9am, off, or default: the team default
    #[arg(value_name = "TIME")]
    at: Option<String>,
}

impl Line for BriefingWords {
    fn call(self, info: &Info) -> Call {
        match self.at {
            None => Call::get("/morning", AnswerKind::Words),
            at => Call::effect(info, json!({ "at": at })).answered(AnswerKind::Words),
        }
    }
}

fn at<'de, D: Deserializer<'de>>(json: D) -> Result<Option<BriefingAt>, D::Error> {
    let text = String::deserialize(json)?;
    match text.trim() {
        "off" => Ok(Some(BriefingAt::Off)),
        DEFAULT => Ok(Some(BriefingAt::Default)),
        time => match time_of_day(time) {
            Some(time) => Ok(Some(BriefingAt::Time(time))),
            None => Err(D::Error::custom(format_args!(
                "`{}` is not a time. Try 8:30, 9am, off or default",
                start_of(time)
            ))),
        },
    }
}
