//! `assign [REF] @PERSON`: assign a task to another person. Other assignees stay.
//!
//! People are named by their name in `[[people]]`, their Slack id or their GitHub login. An assignee must have a known
//! account at the task's source.

use clap::Args;
use serde::Deserialize;
use serde::de::{Deserializer, Error};
use serde_json::json;
use utoipa::ToSchema;

use super::claim::Claim;
use super::grammar::{ParseError, parse_ref, split_word, trim};
use super::line::{Call, CommandLine, Line, REF_HELP};
use super::many::Refs;
use super::{Http, Info, Names, ShownContext, Verb, body, many};
use crate::command_tx::{CommandTx, Context, Decided, Rejection};
use crate::domain::change::TaskChange;
use crate::domain::command::Ref;
use crate::domain::mention::QUIET_AT;
use crate::domain::person::{Person, called};
use crate::domain::reply::{self, Text};
use crate::store::people;

/// Assigns it in its source to `person`, who must have a known account there. A person who gives it away is removed;
/// other assignees stay. Already so: success, and `conflict`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Assign {
    /// A task other than the current one
    #[serde(rename = "ref", default, deserialize_with = "body::task")]
    pub task: Option<Ref>,
    /// A name of `[[people]]`, a Slack id or a GitHub login
    #[serde(rename = "person", deserialize_with = "person")]
    #[schema(min_length = 1)]
    pub to: String,
}

impl Verb for Assign {
    const INFO: &'static Info = &Info {
        name: "assign",
        usage: "assign [REF] @PERSON",
        effect: "assign the current task, or REF, to someone else",
        examples: &["assign @bo", "assign 2 to Ana Lima", "assign 2-4 @bo"],
        writes: true,
        many: true,
        shown: ShownContext::WithoutRef,
        http: Http::both("assign", "assign"),
        line: Some(CommandLine::of::<AssignWords>(&[
            "ivan assign bo",
            "ivan assign 2 Ana Lima",
        ])),
        ..Info::SHOWS
    };

    /// A single word is the person.
    fn read(rest: &str) -> Result<Assign, ParseError> {
        let rest = trim(rest).trim_end_matches(['.', '!']);
        let (task, to) = match rest.split_once('@') {
            Some((task, to)) => {
                // A quiet `@` stands before a group, which is nobody: it stays, so that no person has that name.
                let with_at = rest.get(task.len()..);
                let quiet = with_at.filter(|to| to.starts_with(QUIET_AT));
                (trim(task), quiet.unwrap_or(to))
            }
            None => match split_word(rest) {
                (to, after) if trim(after).is_empty() => ("", to),
                (task, to) => (task, to),
            },
        };
        let task = trim(task.strip_suffix(" to").unwrap_or(task));
        let to = trim(to.trim_start().strip_prefix("to ").unwrap_or(to));
        if to.is_empty() {
            let hint =
                "Assign it to whom? `assign @bo`, or `assign 2 @bo` for number 2 of your list.";
            return Err(ParseError::Slip(hint.to_owned()));
        }
        if !task.is_empty() && names_several(to) {
            // `assign 1 3 bo`: no person is called `3 bo`.
            return Err(ParseError::NotARefOf {
                verb: "assign",
                found: format!("{task} {to}"),
            });
        }
        let task = match task {
            "" | "to" => None,
            named => Some(parse_ref(named).ok_or_else(|| ParseError::NotARefOf {
                verb: "assign",
                found: named.to_owned(),
            })?),
        };
        let to = to.to_owned();
        Ok(Assign { task, to })
    }

    /// Adds the assignee, and removes the person who gives the task away.
    fn decide(self, tx: &CommandTx<'_>, person: &Person, context: &Context) -> Decided {
        let Assign { task, to } = self;
        if to.eq_ignore_ascii_case("me") {
            return Claim { task }.decide(tx, person, context);
        }
        let present = people::present(tx.db)?;
        let Some(other) = called(&present, &to) else {
            let known: Vec<String> = present
                .iter()
                .filter(|one| !one.alone)
                .map(|one| one.name.clone())
                .collect();
            return Err(Rejection::Unfit(no_such_person(&to, &known)).into());
        };
        if other.id == person.id {
            return Claim { task }.decide(tx, person, context);
        }
        tx.change(person, task, context, "assign", |source| {
            let Some(add) = other.handle_at(source) else {
                let words = reply::no_account(Some(&other.name), source);
                return Err(Rejection::Unfit(words));
            };
            let change = TaskChange::Assign {
                add: vec![add],
                remove: person.handle_at(source).into_iter().collect(),
            };
            Ok((change, reply::assigned_to(&other.name)))
        })
    }

    takes_ref!();

    fn takes_any_word(&self) -> bool {
        true
    }

    fn with_names(self, names: &Names<'_>) -> Assign {
        Assign {
            to: names.shown(&self.to),
            ..self
        }
    }
}

/// Whether a name of several words begins with a REF.
fn names_several(to: &str) -> bool {
    let (word, after) = split_word(to);
    !trim(after).is_empty() && Refs::parse(word.trim_end_matches(',')).is_some()
}

/// The words after `ivan assign`.
#[derive(Debug, Args)]
#[command(after_help = REF_HELP, override_usage = "ivan assign [REF] PERSON")]
struct AssignWords {
    /// A task other than the current one, and the new assignee
    #[arg(required = true, value_name = "[REF] PERSON")]
    words: Vec<String>,
}

impl Line for AssignWords {
    fn call(self, info: &Info) -> Call {
        if let Some(body) = many::of_line::<Assign>(&self.words.join(" "), "person") {
            return Call::effect(info, body);
        }
        let (task, person) = match self.words.as_slice() {
            // A name may be of several words; a REF is one.
            [task, person @ ..] if !person.is_empty() && parse_ref(task).is_some() => {
                (Some(task), person)
            }
            person => (None, person),
        };
        Call::effect(info, json!({ "ref": task, "person": person.join(" ") }))
    }
}

fn person<'de, D: Deserializer<'de>>(json: D) -> Result<String, D::Error> {
    let name = String::deserialize(json)?;
    let name = name.trim().trim_start_matches('@');
    body::written("person", name.to_owned()).map_err(D::Error::custom)
}

/// No person has that name.
pub(crate) fn no_such_person(name: &str, known: &[String]) -> Text {
    let words = Text::new().text(format!("I don't know `{name}`. "));
    match known {
        [] => words.text("Ask ").operators().text(" to add them."),
        known => words.text(format!("People here: {}.", known.join(", "))),
    }
}
