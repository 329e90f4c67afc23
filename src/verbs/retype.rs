//! `type [REF] bug|none`: give a task another type, by its name: an issue type of GitHub, a task type of ClickUp. The file
//! cannot be named as the verb, which is a keyword of Rust.

use clap::Args;
use serde::Deserialize;
use serde::de::Deserializer;
use utoipa::ToSchema;

use super::grammar::ParseError;
use super::line::{Call, CommandLine, Line, REF_HELP};
use super::{Http, Info, ShownContext, Verb, body, named};
use crate::command_tx::{CommandTx, Context, Decided};
use crate::domain::change::TaskChange;
use crate::domain::command::Ref;
use crate::domain::labels::same_label;
use crate::domain::person::Person;
use crate::domain::source::Source;

/// Gives it this type, which its source has to know, or none. Already so: success, and `conflict`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Retype {
    /// A task other than the current one
    #[serde(rename = "ref", default, deserialize_with = "body::task")]
    pub task: Option<Ref>,
    /// The name of an issue type in GitHub, or of a task type in ClickUp, in any case; or `none`
    #[serde(rename = "type", deserialize_with = "name")]
    #[schema(required, value_type = String, min_length = 1)]
    pub name: Option<String>,
}

impl Verb for Retype {
    const INFO: &'static Info = &Info {
        name: "type",
        usage: "type [REF] NAME|none",
        effect: "set the type of the current task, or REF: an issue type in GitHub, a task type in ClickUp",
        examples: &["type bug", "type #12 feature", "type 2-4 none"],
        writes: true,
        many: true,
        shown: ShownContext::WithoutRef,
        http: Http::both("type", "type"),
        line: Some(CommandLine::of::<TypeWords>(&[
            "ivan type bug",
            "ivan type '#12' none",
        ])),
        ..Info::SHOWS
    };

    fn read(rest: &str) -> Result<Retype, ParseError> {
        let (task, name) = named::read("type", rest, WHICH)?;
        Ok(Retype { task, name })
    }

    fn decide(self, tx: &CommandTx<'_>, person: &Person, context: &Context) -> Decided {
        let name = self.name;
        tx.change(person, self.task, context, "type", |source| {
            let name = name.filter(|name| !is_plain(source, name));
            let said = of_type(source, name.as_deref());
            Ok((TaskChange::Type(name), said))
        })
    }

    takes_ref!();
}

/// The words after `ivan type`.
#[derive(Debug, Args)]
#[command(after_help = REF_HELP, override_usage = "ivan type [OPTIONS] [REF] NAME|none")]
struct TypeWords {
    /// A task other than the current one, and the name of a type
    #[arg(required = true, value_name = "[REF] NAME")]
    words: Vec<String>,
}

impl Line for TypeWords {
    fn call(self, info: &Info) -> Call {
        named::call::<Retype>(&self.words, info, "type")
    }
}

/// The hint for `type` without a name, with commands in backticks.
pub const WHICH: &str =
    "Which type? `type bug`, or `type 2 bug` for number 2 of your list; `none` for no type.";

fn name<'de, D: Deserializer<'de>>(json: D) -> Result<Option<String>, D::Error> {
    named::member(json, "type")
}

/// Whether the source has this name for a task without a type.
fn is_plain(source: Source, name: &str) -> bool {
    let plain = source.profile().plain_type;
    plain.is_some_and(|plain| same_label(plain, name))
}

/// Its type, as a phrase about the task.
fn of_type(source: Source, name: Option<&str>) -> String {
    match name.or(source.profile().plain_type) {
        Some(name) => format!("of the type {name}"),
        None => "without a type".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::{Command, parse};
    use super::*;

    #[rstest]
    #[case("type bug", None, Some("bug"))]
    #[case("Type 2 Bug", Some(Ref::Nth(2)), Some("Bug"))]
    #[case("type #12 none", Some(Ref::Issue(12)), None)]
    #[case("type Feature  request", None, Some("Feature request"))]
    #[case("type \"none\"", None, Some("none"))]
    fn a_name_follows_a_ref(
        #[case] text: &str,
        #[case] task: Option<Ref>,
        #[case] name: Option<&str>,
    ) {
        let name = name.map(str::to_owned);
        assert_eq!(
            parse(text),
            Ok(Command::from(Retype { task, name })),
            "{text}"
        );
    }

    #[rstest]
    #[case("type")]
    #[case("type 2")]
    fn a_name_is_needed(#[case] text: &str) {
        assert_eq!(parse(text), Err(ParseError::Slip(WHICH.to_owned())));
    }

    #[rstest]
    #[case("type 1 3 bug")]
    #[case("type 2-4 none")]
    #[case("type type:task bug")]
    fn several_tasks_are_not_a_part_of_the_name(#[case] text: &str) {
        assert!(matches!(parse(text), Ok(Command::Many(_))), "{text}");
    }

    #[rstest]
    #[case(Source::ClickUp, "Task", true)]
    #[case(Source::ClickUp, "Bug", false)]
    #[case(Source::GitHub, "Task", false)]
    fn a_plain_task_of_clickup_has_a_name(
        #[case] source: Source,
        #[case] name: &str,
        #[case] is: bool,
    ) {
        assert_eq!(is_plain(source, name), is);
    }
}
