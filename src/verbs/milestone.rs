//! `milestone [REF] 2.1|none`: put an issue in a milestone, by its title. ClickUp's tasks have none.

use clap::Args;
use serde::Deserialize;
use serde::de::Deserializer;
use utoipa::ToSchema;

use super::grammar::ParseError;
use super::line::{Call, CommandLine, Line, REF_HELP};
use super::{Http, Info, ShownContext, Verb, body, named};
use crate::command_tx::{CommandTx, Context, Decided, Rejection};
use crate::domain::change::TaskChange;
use crate::domain::command::Ref;
use crate::domain::person::Person;
use crate::domain::reply::Text;
use crate::domain::source::Source;

/// Puts it in this milestone of its repository, which has to be there, or in none. Already so: success, and `conflict`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Milestone {
    /// A task other than the current one
    #[serde(rename = "ref", default, deserialize_with = "body::task")]
    pub task: Option<Ref>,
    /// The milestone's title, in any case, or `none`
    #[serde(rename = "milestone", deserialize_with = "title")]
    #[schema(required, value_type = String, min_length = 1)]
    pub title: Option<String>,
}

impl Verb for Milestone {
    const INFO: &'static Info = &Info {
        name: "milestone",
        usage: "milestone [REF] NAME|none",
        effect: "put the current issue, or REF, in a milestone in GitHub",
        examples: &["milestone 2.1", "milestone #12 2.1", "milestone 2-4 none"],
        writes: true,
        many: true,
        shown: ShownContext::WithoutRef,
        http: Http::both("milestone", "milestone"),
        line: Some(CommandLine::of::<MilestoneWords>(&[
            "ivan milestone 2.1",
            "ivan milestone '#12' none",
        ])),
        ..Info::SHOWS
    };

    fn read(rest: &str) -> Result<Milestone, ParseError> {
        let (task, title) = named::read("milestone", rest, WHICH)?;
        Ok(Milestone { task, title })
    }

    fn decide(self, tx: &CommandTx<'_>, person: &Person, context: &Context) -> Decided {
        let title = self.title;
        tx.change(person, self.task, context, "milestone", |source| {
            if !source.profile().milestones {
                return Err(Rejection::Unfit(no_milestones(source)));
            }
            let said = in_milestone(title.as_deref());
            Ok((TaskChange::Milestone(title), said))
        })
    }

    takes_ref!();
}

/// The words after `ivan milestone`.
#[derive(Debug, Args)]
#[command(after_help = REF_HELP, override_usage = "ivan milestone [OPTIONS] [REF] NAME|none")]
struct MilestoneWords {
    /// A task other than the current one, and the title of a milestone
    #[arg(required = true, value_name = "[REF] NAME")]
    words: Vec<String>,
}

impl Line for MilestoneWords {
    fn call(self, info: &Info) -> Call {
        named::call::<Milestone>(&self.words, info, "milestone")
    }
}

/// The hint for `milestone` without a title, with commands in backticks.
pub const WHICH: &str = "Which milestone? `milestone 2.1`, or `milestone 2 2.1` for number 2 of your list; `none` for no milestone.";

fn title<'de, D: Deserializer<'de>>(json: D) -> Result<Option<String>, D::Error> {
    named::member(json, "milestone")
}

/// A source without milestones.
pub(crate) fn no_milestones(source: Source) -> Text {
    Text::new().text(format!(
        "{} {}s have no milestones. Use `label` for a {} instead.",
        source.name(),
        source.noun(),
        source.profile().label
    ))
}

/// Its milestone, as a phrase about the task.
fn in_milestone(title: Option<&str>) -> String {
    match title {
        Some(title) => format!("in the milestone {title}"),
        None => "without a milestone".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::{Command, parse};
    use super::*;

    #[rstest]
    #[case("milestone 2.1", None, Some("2.1"))]
    #[case("Milestone 2 2.1", Some(Ref::Nth(2)), Some("2.1"))]
    #[case("milestone #12 none", Some(Ref::Issue(12)), None)]
    #[case("milestone Spring  release", None, Some("Spring release"))]
    #[case("milestone 1 3", Some(Ref::Nth(1)), Some("3"))]
    #[case("milestone 1 \"3 weeks\"", Some(Ref::Nth(1)), Some("3 weeks"))]
    #[case("milestone \"none\"", None, Some("none"))]
    fn a_title_follows_a_ref(
        #[case] text: &str,
        #[case] task: Option<Ref>,
        #[case] title: Option<&str>,
    ) {
        let title = title.map(str::to_owned);
        assert_eq!(
            parse(text),
            Ok(Command::from(Milestone { task, title })),
            "{text}"
        );
    }

    #[rstest]
    #[case("milestone")]
    #[case("milestone 2")]
    #[case("milestone #12")]
    fn a_title_is_needed(#[case] text: &str) {
        assert_eq!(parse(text), Err(ParseError::Slip(WHICH.to_owned())));
    }

    #[rstest]
    #[case("milestone 1 3 2.1")]
    #[case("milestone 1, 3 and 5 2.1")]
    #[case("milestone 2-4 2.1")]
    #[case("milestone overdue 2.1")]
    fn several_tasks_are_not_a_part_of_the_title(#[case] text: &str) {
        assert!(matches!(parse(text), Ok(Command::Many(_))), "{text}");
    }
}
