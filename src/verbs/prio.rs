//! `prio [REF] urgent|high|normal|low|none`: set the priority of a task. GitHub has only the levels of its labels.

use clap::Args;
use serde::Deserialize;
use serde::de::{Deserializer, Error};
use serde_json::json;
use utoipa::ToSchema;

use super::body::{self, start_of};
use super::grammar::{ParseError, excerpt, is_none, parse_ref, trim};
use super::line::{Call, CommandLine, Line, REF_HELP};
use super::{Http, Info, ShownContext, Verb, many, schema};
use crate::command_tx::{CommandTx, Context, Decided, Rejection};
use crate::domain::change::TaskChange;
use crate::domain::command::Ref;
use crate::domain::person::Person;
use crate::domain::reply::Text;
use crate::domain::task::Priority;

/// Sets its priority in ClickUp, or in GitHub its label of `github.priority_labels`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Prio {
    /// A task other than the current one
    #[serde(rename = "ref", default, deserialize_with = "body::task")]
    pub task: Option<Ref>,
    /// urgent, high, normal, low or none
    #[serde(deserialize_with = "priority")]
    #[schema(required, schema_with = schema::priority_or_none)]
    pub priority: Option<Priority>,
}

impl Verb for Prio {
    const INFO: &'static Info = &Info {
        name: "prio",
        aliases: &["priority"],
        usage: "prio [REF] urgent|high|normal|low|none",
        effect: "set the priority of the current task, or of REF",
        examples: &["prio high", "prio 2 urgent", "prio #12 none", "prio 2-4 high"],
        writes: true,
        many: true,
        shown: ShownContext::WithoutRef,
        http: Http::both("priority", "priority"),
        line: Some(CommandLine::of::<PrioWords>(&["ivan prio high", "ivan prio 2 none"]).about(
            "set the priority of the current task, or of REF: urgent, high, normal, low or none",
        )),
        ..Info::SHOWS
    };

    fn read(rest: &str) -> Result<Prio, ParseError> {
        let rest = trim(rest).trim_end_matches(['.', '!']);
        let (before, level) = match rest.rsplit_once(char::is_whitespace) {
            Some((before, level)) => (trim(before), level),
            None => ("", rest),
        };
        if before.is_empty() && (level.is_empty() || parse_ref(level).is_some()) {
            return Err(ParseError::Slip(WHICH.to_owned()));
        }
        let priority = match is_none(level) {
            true => None,
            false => Some(Priority::parse(&level.to_lowercase()).ok_or_else(|| {
                ParseError::Prose(format!(
                    "`{}` is not a priority. Try urgent, high, normal, low or none.",
                    excerpt(level)
                ))
            })?),
        };
        let task = match before {
            "" => None,
            named => Some(parse_ref(named).ok_or_else(|| ParseError::NotARefOf {
                verb: "prio",
                found: named.to_owned(),
            })?),
        };
        Ok(Prio { task, priority })
    }

    fn decide(self, tx: &CommandTx<'_>, person: &Person, context: &Context) -> Decided {
        let priority = self.priority;
        tx.change(person, self.task, context, "prio", |source| {
            let wanted = match (source.profile().priority_labels, priority) {
                (true, Some(Priority::Normal)) => None,
                (true, Some(low @ Priority::Low)) => {
                    let words = no_such_priority_in_github(low);
                    return Err(Rejection::Unfit(words));
                }
                (_, priority) => priority,
            };
            Ok((TaskChange::Priority(wanted), of_priority(wanted)))
        })
    }

    takes_ref!();
}

/// The words after `ivan prio`.
#[derive(Debug, Args)]
#[command(after_help = REF_HELP, override_usage = "ivan prio [REF] LEVEL")]
struct PrioWords {
    /// A task other than the current one, and its priority
    #[arg(required = true, value_name = "[REF] LEVEL")]
    words: Vec<String>,
}

impl Line for PrioWords {
    fn call(self, info: &Info) -> Call {
        let words = self.words.join(" ");
        if let Some(body) = many::of_line::<Prio>(&words, "priority") {
            return Call::effect(info, body);
        }
        let (task, level) = match words.rsplit_once(' ') {
            Some((task, level)) => (Some(task), level),
            None => (None, words.as_str()),
        };
        Call::effect(info, json!({ "ref": task, "priority": level }))
    }
}

/// The hint for `prio` without a level, with commands in backticks.
pub const WHICH: &str = "Which priority? `prio high`, or `prio 2 high` for number 2 of your list.";

fn priority<'de, D: Deserializer<'de>>(json: D) -> Result<Option<Priority>, D::Error> {
    let text = String::deserialize(json)?;
    if is_none(&text) {
        return Ok(None);
    }
    Priority::parse(&text).map(Some).ok_or_else(|| {
        D::Error::custom(format_args!(
            "`{}` is not a priority. Give urgent, high, normal, low or none",
            start_of(&text)
        ))
    })
}

pub(crate) fn no_such_priority_in_github(priority: Priority) -> Text {
    Text::new().text(format!(
        "GitHub issues can't have {} priority here. Try urgent, high or none.",
        priority.as_str()
    ))
}

/// Its priority, as a phrase about the task.
fn of_priority(priority: Option<Priority>) -> String {
    match priority {
        Some(priority) => format!("of {} priority", priority.as_str()),
        None => "without a priority".to_owned(),
    }
}
