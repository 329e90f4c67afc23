//! `comment TEXT`, `comment on REF: TEXT`: comment on a task.

use clap::Args;
use serde::Deserialize;
use serde::de::{Deserializer, Error};
use serde_json::json;
use utoipa::ToSchema;

use super::grammar::{
    ParseError, at_boundary, excerpt, parse_ref, quoted, skip_spaces, split_word, trim,
};
use super::line::{Call, CommandLine, Line, REF_HELP};
use super::texts::{fits, signed};
use super::{Http, Info, Names, ShownContext, Verb, body};
use crate::command_tx::{CommandTx, Context, Decided, Rejection};
use crate::domain::command::Ref;
use crate::domain::operation::Write;
use crate::domain::person::Person;
use crate::domain::reply::Text;
use crate::domain::shared_file::{SharedFile, linked};

/// Newlines are kept.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Comment {
    /// A task other than the current one
    #[serde(rename = "ref", default, deserialize_with = "body::task")]
    pub task: Option<Ref>,
    /// The comment, as typed.
    #[serde(deserialize_with = "text")]
    #[schema(min_length = 1)]
    pub text: String,
    /// Whether it is a plain text in the thread of a task's message, which names the task.
    #[serde(skip)]
    pub in_thread: bool,
    /// The files to link to below the text, or instead of it
    #[serde(skip)]
    pub files: Vec<SharedFile>,
}

impl Comment {
    /// The comment for a plain text in the thread of a task's message.
    pub fn in_thread(text: impl Into<String>) -> Comment {
        Comment {
            text: text.into(),
            in_thread: true,
            ..Comment::default()
        }
    }
}

impl Verb for Comment {
    const INFO: &'static Info = &Info {
        name: "comment",
        usage: "comment TEXT · comment on REF: TEXT",
        effect: "comment on the current task, or on REF",
        examples: &["comment waiting for review", "comment on #12: looks good"],
        writes: true,
        text: true,
        shown: ShownContext::WithoutRef,
        http: Http::both("comment", "comment"),
        line: Some(
            CommandLine::of::<CommentWords>(&[
                "ivan comment waiting for the order",
                "ivan comment 'on 2: waiting for the order'",
                "ivan comment -- '- an item of a list'",
            ])
            .about("comment on the current task, or with `on REF: TEXT` on another"),
        ),
        ..Info::SHOWS
    };

    /// Split at the first colon before a space after a REF that parses.
    fn read(rest: &str) -> Result<Comment, ParseError> {
        let rest = trim(rest);
        let (task, text) = match on_ref(rest) {
            Some((task, text)) => (Some(task), trim(text)),
            None => (None, rest),
        };
        if text.is_empty() {
            return Err(ParseError::EmptyComment);
        }
        if let Some((named, after)) = without_colon(rest).filter(|_| task.is_none()) {
            return Err(no_colon(named, after));
        }
        let text = match (task.is_none(), quoted(text, None)) {
            // Quotes confirm a text that would otherwise lead to a question.
            (true, Some((inside, ""))) if without_colon(trim(inside)).is_some() => trim(inside),
            _ => text,
        };
        Ok(Comment {
            task,
            text: text.to_owned(),
            ..Comment::default()
        })
    }

    fn decide(self, tx: &CommandTx<'_>, person: &Person, context: &Context) -> Decided {
        let Comment {
            task, text, files, ..
        } = match self.in_thread {
            true => under_its_message(self, context)?,
            false => self,
        };
        fits(&text, &files)?;
        let target = tx.target(person, task, context)?;
        let source = target.key.source();
        let comment = Write::Comment {
            text: signed(tx, person, source, &text, &files, context.surface)?,
            files: linked(&files),
            task: target.key,
        };
        tx.accept(person, context, "comment", vec![comment])
    }

    takes_ref!();

    fn changes_what_was_shown(&self) -> bool {
        // The thread names the task.
        !self.in_thread && super::names_no_task(self.task())
    }

    fn with_names(self, names: &Names<'_>) -> Comment {
        Comment {
            text: names.named(&self.text),
            ..self
        }
    }

    fn add(&mut self, pieces: &[String]) -> bool {
        super::add_lines(&mut self.text, "\n", pieces)
    }

    fn add_files(&mut self, files: &[SharedFile]) -> bool {
        self.files.extend_from_slice(files);
        true
    }
}

/// The words after `ivan comment`.
#[derive(Debug, Args)]
#[command(after_help = REF_HELP)]
struct CommentWords {
    /// The comment; text that begins with a hyphen goes after `--`
    #[arg(required = true, value_name = "TEXT")]
    text: Vec<String>,
}

impl Line for CommentWords {
    fn call(self, info: &Info) -> Call {
        let (task, text) = split_comment(&self.text.join(" "));
        Call::effect(info, json!({ "ref": task, "text": text }))
    }
}

/// The task named in `on REF: TEXT`, and the text; otherwise all is text for the current task.
fn split_comment(text: &str) -> (Option<String>, String) {
    match split_on(text.trim_start()) {
        Some((task, comment)) => (Some(task.trim().to_owned()), comment.trim().to_owned()),
        None => (None, text.to_owned()),
    }
}

/// A comment on the task of the message in whose thread it was typed.
fn under_its_message(comment: Comment, context: &Context) -> Result<Comment, Rejection> {
    let text = comment.text.trim().to_owned();
    let Some(row) = context.under else {
        let words = match super::parse(&text) {
            Err(hint) if !text.is_empty() => Text::new().text(hint.to_string()),
            _ => no_task_here(),
        };
        return Err(Rejection::Unfit(words));
    };
    Ok(Comment {
        task: Some(Ref::Row(row)),
        text,
        in_thread: false,
        ..comment
    })
}

fn text<'de, D: Deserializer<'de>>(json: D) -> Result<String, D::Error> {
    body::written("text", String::deserialize(json)?).map_err(D::Error::custom)
}

/// `on REF TEXT`, whose colon was forgotten, and `on REF`. A number before words may be prose: `on 7 August`.
fn without_colon(text: &str) -> Option<(&str, &str)> {
    let (on, rest) = split_word(text);
    if !on.eq_ignore_ascii_case("on") {
        return None;
    }
    let rest = trim(rest);
    let bare = rest.trim_end_matches(['.', '!', '?', ',', ';', '-']);
    if parse_ref(bare).is_some() {
        return Some((trim(bare), ""));
    }
    let (word, _) = split_word(rest);
    let named = match word.split_once(':') {
        // The space after the colon was forgotten.
        Some((named, _)) if parse_ref(named).is_some() => named,
        _ => word.trim_end_matches(['.', '!', '?', ',', ';', '-']),
    };
    let task = parse_ref(named)?;
    let after = rest.strip_prefix(named)?;
    if matches!(task, Ref::Nth(_)) && !skip_spaces(after).starts_with('\n') {
        return None;
    }
    let is_mark =
        |c: char| c.is_whitespace() || matches!(c, ':' | '.' | '!' | '?' | ',' | ';' | '-');
    Some((named, after.trim_start_matches(is_mark)))
}

fn no_colon(task: &str, text: &str) -> ParseError {
    let (task, text) = (excerpt(task), said_so(text));
    ParseError::Slip(format!(
        "Is this a comment on `{task}`? Add a colon: `comment on {task}: {text}`. If it is for the current task, \
             put the text in quotes."
    ))
}

/// The text of a comment as a hint repeats it.
fn said_so(text: &str) -> String {
    match text {
        "" => "TEXT".to_owned(),
        text => excerpt(text),
    }
}

fn on_ref(text: &str) -> Option<(Ref, &str)> {
    let (task, after) = split_on(text)?;
    Some((parse_ref(task)?, after))
}

/// Splits `on REF: TEXT` at the first colon that a space or a line break follows, if a REF is before it. A colon at the
/// very end counts, so that a forgotten text does not become a comment.
pub fn split_on(text: &str) -> Option<(&str, &str)> {
    let (on, rest) = split_word(text);
    if !on.eq_ignore_ascii_case("on") {
        return None;
    }
    let (task, after) = rest
        .char_indices()
        .filter(|&(_, c)| c == ':')
        .find_map(|(at, _)| {
            let (before, colon) = rest.split_at_checked(at)?;
            let after = colon.strip_prefix(':')?;
            at_boundary(after).then_some((before, after))
        })?;
    parse_ref(task).map(|_| (task, after))
}

/// A text in the thread of a message about no task.
pub(crate) fn no_task_here() -> Text {
    Text::new().text("I don't know which task this is about. Name it: `comment on REF: TEXT`.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("on 2: yes", Some("2"), "yes")]
    #[case("on 2:", Some("2"), "")]
    #[case("On #12: one: two", Some("#12"), "one: two")]
    #[case("on github:acme/widgets#7: yes", Some("github:acme/widgets#7"), "yes")]
    #[case(
        "on https://app.clickup.com/t/86a: yes",
        Some("https://app.clickup.com/t/86a"),
        "yes"
    )]
    #[case("on time: yes", None, "on time: yes")]
    #[case("on 2:yes", None, "on 2:yes")]
    #[case("on 2", None, "on 2")]
    #[case("only 2: yes", None, "only 2: yes")]
    #[case("", None, "")]
    fn a_comment_may_name_its_task(
        #[case] typed: &str,
        #[case] task: Option<&str>,
        #[case] text: &str,
    ) {
        let split = split_comment(typed);
        assert_eq!((split.0.as_deref(), split.1.as_str()), (task, text));
    }
}
