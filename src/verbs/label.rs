//! `label [REF] +bug -wontfix`: add labels to a task, and remove others. In ClickUp they are tags.
//!
//! A name may have several words: it ends before the next word that begins with a sign. Quotation marks keep a sign in it.

use clap::Args;
use serde::Deserialize;
use serde::de::{Deserializer, Error};
use serde_json::json;
use utoipa::ToSchema;

use super::grammar::{ParseError, excerpt, is_quote, parse_ref, quoted, split_word, trim};
use super::line::{Call, CommandLine, Line, REF_HELP};
use super::{Http, Info, ShownContext, Verb, body, many};
use crate::command_tx::{CommandTx, Context, Decided};
use crate::domain::change::TaskChange;
use crate::domain::command::Ref;
use crate::domain::labels::{LabelChange, same_label};
use crate::domain::person::Person;

/// The most names of one command. A longer text is prose.
const NAMES_MAX: usize = 20;

/// Phones make a long dash of a short one.
const MINUS: [char; 4] = ['-', '–', '—', '−'];

/// Adds and removes GitHub's labels or ClickUp's tags, which have to be there already. Already so: success, and `conflict`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Relabel {
    /// A task other than the current one
    #[serde(rename = "ref", default, deserialize_with = "body::task")]
    pub task: Option<Ref>,
    /// `+NAME` adds, `-NAME` removes; several with spaces between them: `+bug -good first issue`
    #[serde(deserialize_with = "labels")]
    #[schema(required, value_type = String, min_length = 2)]
    pub labels: LabelChange,
}

impl Verb for Relabel {
    const INFO: &'static Info = &Info {
        name: "label",
        aliases: &["labels", "tag", "tags"],
        usage: "label [REF] +NAME -NAME",
        effect: "add labels to the current task, or REF, and remove others; in ClickUp tags",
        examples: &[
            "label +bug",
            "label 2 +bug -wontfix",
            "label #12 -good first issue",
            "label 2-4 +bug",
        ],
        writes: true,
        many: true,
        shown: ShownContext::WithoutRef,
        http: Http::both("label", "label"),
        line: Some(CommandLine::of::<LabelWords>(&[
            "ivan label +bug",
            "ivan label 2 +bug -wontfix",
            "ivan label '#12' '-good first issue'",
        ])),
        ..Info::SHOWS
    };

    fn read(rest: &str) -> Result<Relabel, ParseError> {
        let rest = trim(rest).trim_end_matches(['.', '!']);
        let (task, names) = split_names(rest);
        if names.is_empty() && (task.is_empty() || parse_ref(task).is_some()) {
            return Err(ParseError::Slip(WHICH.to_owned()));
        }
        if names.is_empty() {
            return Err(ParseError::Prose(WHICH.to_owned()));
        }
        let labels = read_names(names).map_err(ParseError::Slip)?;
        let task = match task {
            "" => None,
            named => Some(parse_ref(named).ok_or_else(|| ParseError::NotARefOf {
                verb: "label",
                found: named.to_owned(),
            })?),
        };
        Ok(Relabel { task, labels })
    }

    fn decide(self, tx: &CommandTx<'_>, person: &Person, context: &Context) -> Decided {
        let labels = self.labels;
        tx.change(person, self.task, context, "label", |source| {
            let said = labels.result(source);
            Ok((TaskChange::Labels(labels), said))
        })
    }

    takes_ref!();
}

/// The words after `ivan label`.
#[derive(Debug, Args)]
#[command(after_help = REF_HELP, override_usage = "ivan label [OPTIONS] [REF] +NAME -NAME")]
struct LabelWords {
    /// A task other than the current one, and names of labels: +bug adds, -bug removes
    #[arg(
        required = true,
        value_name = "[REF] +NAME -NAME",
        allow_hyphen_values = true
    )]
    words: Vec<String>,
}

impl Line for LabelWords {
    fn call(self, info: &Info) -> Call {
        let words = self.words.join(" ");
        if let Some(body) = many::of_line::<Relabel>(&words, "labels") {
            return Call::effect(info, body);
        }
        let (task, names) = split_names(&words);
        let task = Some(task).filter(|task| !task.is_empty());
        let (task, names) = match (task, names) {
            // The daemon refuses it with a reason.
            (Some(task), "") => (None, task),
            other => other,
        };
        Call::effect(info, json!({ "ref": task, "labels": names }))
    }
}

/// The hint for `label` without names, with commands in backticks.
pub const WHICH: &str =
    "Which label? `label +bug` adds one, `label 2 -bug` takes one off number 2 of your list.";

fn labels<'de, D: Deserializer<'de>>(json: D) -> Result<LabelChange, D::Error> {
    let text = String::deserialize(json)?;
    read_names(trim(&text)).map_err(D::Error::custom)
}

/// The sign of a word, and the text after it. A sign alone is no name.
fn sign(text: &str) -> Option<(bool, &str)> {
    let (adds, rest) = match text.strip_prefix('+') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix(MINUS)?),
    };
    let next = rest.chars().next()?;
    (!next.is_whitespace()).then_some((adds, rest))
}

/// Splits before the first word with a sign.
fn split_names(text: &str) -> (&str, &str) {
    let text = trim(text);
    match next_name(text, 0) {
        Some(at) => match text.split_at_checked(at) {
            Some((before, names)) => (trim(before), names),
            None => (text, ""),
        },
        None => (text, ""),
    }
}

/// Where the first word with a sign begins, from there on.
fn next_name(text: &str, from: usize) -> Option<usize> {
    let mut was_space = from == 0;
    for (at, c) in text.char_indices() {
        let begins = was_space && at >= from;
        if begins && text.get(at..).and_then(sign).is_some() {
            return Some(at);
        }
        was_space = c.is_whitespace() || c == ',';
    }
    None
}

/// Reads `+bug -good first issue`. The error is a hint.
fn read_names(text: &str) -> Result<LabelChange, String> {
    let mut change = LabelChange::default();
    let mut rest = text;
    // Once a mark is unclosed, no later one is tried: a line of marks would be searched over and over.
    let mut quotes_close = true;
    while !rest.is_empty() {
        let Some((adds, after)) = sign(rest) else {
            return Err(format!(
                "`{}` has no sign. `+bug` adds a label, `-bug` removes one.",
                excerpt(split_word(rest).0)
            ));
        };
        let quotation = if quotes_close {
            quoted(after, None)
        } else {
            None
        };
        quotes_close &= quotation.is_some() || !after.starts_with(is_quote);
        let (name, next) = match quotation {
            Some(found) => found,
            None => {
                let end = next_name(after, 1).unwrap_or(after.len());
                after.split_at_checked(end).unwrap_or((after, ""))
            }
        };
        let name = trim(trim(name).trim_end_matches(','));
        if name.is_empty() || name.starts_with(MINUS) {
            // `--json` after the names.
            let typed = split_word(rest).0;
            return Err(format!(
                "`{}` is not a label. Options come before the names.",
                excerpt(typed)
            ));
        }
        let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
        let is_in = |names: &[String]| names.iter().any(|known| same_label(known, &name));
        let (wanted, opposite) = match adds {
            true => (&mut change.add, &change.remove),
            false => (&mut change.remove, &change.add),
        };
        if is_in(opposite) {
            return Err(format!("`{}` is there with both signs.", excerpt(&name)));
        }
        if !is_in(wanted) {
            wanted.push(name);
        }
        if change.add.len() + change.remove.len() > NAMES_MAX {
            return Err(format!("I change at most {NAMES_MAX} labels at once."));
        }
        rest = next.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
    }
    match change == LabelChange::default() {
        true => Err(WHICH.to_owned()),
        false => Ok(change),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::{Command, parse};
    use super::*;

    fn names(add: &[&str], remove: &[&str]) -> LabelChange {
        let all = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        LabelChange {
            add: all(add),
            remove: all(remove),
        }
    }

    #[rstest]
    #[case("label +bug", None, &["bug"], &[])]
    #[case("Label 2 +bug -wontfix.", Some(Ref::Nth(2)), &["bug"], &["wontfix"])]
    #[case("labels #12 +bug, +ops, –p1", Some(Ref::Issue(12)), &["bug", "ops"], &["p1"])]
    #[case("tag 2 -good first issue +help wanted", Some(Ref::Nth(2)), &["help wanted"], &["good first issue"])]
    #[case("label +\"a -b\" -“c +d”", None, &["a -b"], &["c +d"])]
    #[case("label +bug +BUG", None, &["bug"], &[])]
    #[case("label +size: a - b", None, &["size: a - b"], &[])]
    #[case("label +:bug: bug", None, &[":bug: bug"], &[])]
    #[case("label +in-progress", None, &["in-progress"], &[])]
    fn names_have_signs(
        #[case] text: &str,
        #[case] task: Option<Ref>,
        #[case] add: &[&str],
        #[case] remove: &[&str],
    ) {
        let labels = names(add, remove);
        assert_eq!(
            parse(text),
            Ok(Command::from(Relabel { task, labels })),
            "{text}"
        );
    }

    #[rstest]
    #[case("label", false)]
    #[case("label 2", false)]
    #[case("label +", true)]
    #[case("label 2 bug", true)]
    #[case("label the boxes", true)]
    #[case("label the boxes -x", true)]
    #[case("label +bug -bug", false)]
    #[case("label 2 +bug --json", false)]
    fn others_are_hints(#[case] text: &str, #[case] is_prose: bool) {
        let error = parse(text).unwrap_err();
        assert_eq!(error.is_prose(), is_prose, "{error:?}");
    }

    #[rstest]
    #[case(r#"{"labels": "+bug -wontfix"}"#, Ok(names(&["bug"], &["wontfix"])))]
    #[case(r#"{"labels": "bug"}"#, Err("`bug` has no sign"))]
    #[case(r#"{"labels": " "}"#, Err("Which label?"))]
    #[case(r#"{}"#, Err("missing field `labels`"))]
    fn a_body_names_labels(#[case] json: &str, #[case] read: Result<LabelChange, &str>) {
        let body = serde_json::from_str::<Relabel>(json);
        match read {
            Ok(labels) => assert_eq!(body.unwrap().labels, labels),
            Err(why) => {
                let error = body.unwrap_err().to_string();
                assert!(error.starts_with(why), "{error}");
            }
        }
    }
}
