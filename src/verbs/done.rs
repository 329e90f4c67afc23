//! `done [REF] [-c TEXT]`: complete a task, with a comment if there is one.

use clap::Args;
use serde::Deserialize;
use serde::de::{Deserializer, Error};
use serde_json::json;
use utoipa::ToSchema;

use super::grammar::{
    Flag, ParseError, REF_HELP, excerpt, flag, is_mere_punctuation, labelled, parse_ref, quoted,
    split_word, trim,
};
use super::line::{self, Call, CommandLine, Line};
use super::texts::{fits, signed};
use super::{Http, Info, Names, ShownContext, Verb, body, many};
use crate::command_tx::{CommandTx, Context, Decided};
use crate::domain::command::Ref;
use crate::domain::operation::Write;
use crate::domain::person::Person;
use crate::domain::shared_file::{SharedFile, linked};

/// Completes it in its source, with a comment if one is given. Already done there: success, and `conflict`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Done {
    /// A task other than the current one
    #[serde(rename = "ref", default, deserialize_with = "body::task")]
    pub task: Option<Ref>,
    /// Add a comment, too
    #[serde(default, deserialize_with = "comment")]
    #[schema(min_length = 1)]
    pub comment: Option<String>,
    /// The files to link to below the comment
    #[serde(skip)]
    pub files: Vec<SharedFile>,
}

const COMMENT: Flag = Flag::new("-c", "--comment", "TEXT");

impl Verb for Done {
    const INFO: &'static Info = &Info {
        name: "done",
        aliases: &["finished", "completed", "finish", "complete", "close"],
        usage: "done [REF] [-c TEXT]",
        effect: "complete the current task, or REF; -c adds a comment",
        examples: &["done", "done 2", "done #12 -c shipped in 2.1", "done 1 3-5"],
        writes: true,
        many: true,
        shown: ShownContext::WithoutRef,
        http: Http::both("done", "complete"),
        line: Some(CommandLine::of::<DoneWords>(&[
            "ivan done",
            "ivan done 2 -c 'shipped in 2.1'",
            "ivan done github:acme/widgets#7",
            "ivan done 1 3-5",
        ])),
        ..Info::SHOWS
    };

    /// With the text in quotes, as in a shell, REF may follow it.
    fn read(rest: &str) -> Result<Done, ParseError> {
        let rest = trim(rest);
        let (mut task, mut comment, mut after) = (None, None, rest);
        if !is_mere_punctuation(rest) && flag(rest, &[COMMENT]).is_none() {
            let (word, then) = split_word(rest);
            let (named, then) = match parse_ref(word) {
                Some(named) => (named, then),
                None => labelled(rest).ok_or_else(|| not_a_ref(word))?,
            };
            task = Some(named);
            after = trim(then);
        }
        if let Some((_, text)) = flag(after, &[COMMENT]) {
            let mut text = trim(text);
            if let Some((quoted, then)) = quoted(text, Some(&[])) {
                let then = trim(then);
                if then.is_empty() {
                    text = trim(quoted);
                } else if task.is_none()
                    && let Some(named) = parse_ref(then)
                {
                    task = Some(named);
                    text = trim(quoted);
                }
            }
            if text.is_empty() {
                return Err(COMMENT.no_value());
            }
            comment = Some(text.to_owned());
        } else if !is_mere_punctuation(after) {
            return Err(after_ref(split_word(rest).0, after));
        }
        Ok(Done {
            task,
            comment,
            ..Done::default()
        })
    }

    fn decide(self, tx: &CommandTx<'_>, person: &Person, context: &Context) -> Decided {
        if let Some(comment) = &self.comment {
            fits(comment, &self.files)?;
        }
        let target = tx.target(person, self.task, context)?;
        tx.end_snooze(person, &target)?;
        let mut writes = vec![Write::Complete {
            task: target.key.clone(),
        }];
        if let Some(comment) = &self.comment {
            let source = target.key.source();
            writes.push(Write::Comment {
                text: signed(tx, person, source, comment, &self.files, context.surface)?,
                files: linked(&self.files),
                task: target.key,
            });
        }
        tx.accept(person, context, "done", writes)
    }

    takes_ref!();

    fn with_names(self, names: &Names<'_>) -> Done {
        Done {
            comment: self.comment.map(|text| names.named(&text)),
            ..self
        }
    }

    fn add(&mut self, pieces: &[String]) -> bool {
        match &mut self.comment {
            Some(comment) => super::add_lines(comment, "\n", pieces),
            None => pieces.is_empty(),
        }
    }

    fn add_files(&mut self, files: &[SharedFile]) -> bool {
        if self.comment.is_some() {
            self.files.extend_from_slice(files);
        }
        self.comment.is_some() || files.is_empty()
    }
}

/// The words after `ivan done`.
#[derive(Debug, Args)]
#[command(after_help = line::REF_HELP)]
struct DoneWords {
    /// Tasks other than the current one
    #[arg(value_name = "REF")]
    tasks: Vec<String>,
    /// Add a comment
    #[arg(short, long, value_name = "TEXT")]
    comment: Option<String>,
}

impl Line for DoneWords {
    fn call(self, info: &Info) -> Call {
        let words = self.tasks.join(" ");
        match many::of_line::<Done>(&words, "comment") {
            Some(mut body) => {
                if let (Some(members), Some(comment)) = (body.as_object_mut(), self.comment) {
                    members.insert("comment".to_owned(), comment.into());
                }
                Call::effect(info, body)
            }
            None => {
                let task = (!words.is_empty()).then_some(words);
                Call::effect(info, json!({ "ref": task, "comment": self.comment }))
            }
        }
    }
}

fn comment<'de, D: Deserializer<'de>>(json: D) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(json)?;
    let written = text.map(|text| body::written("comment", text));
    written.transpose().map_err(D::Error::custom)
}

fn not_a_ref(word: &str) -> ParseError {
    ParseError::Prose(format!(
        "`{}` is not a task. After `done`, type {REF_HELP}. For a comment: `done -c TEXT`.",
        excerpt(word)
    ))
}

fn after_ref(task: &str, found: &str) -> ParseError {
    let (task, found) = (excerpt(task), excerpt(found));
    ParseError::Prose(format!(
        "`{task}` is the task, but what is `{found}`? For a comment: `done {task} -c TEXT`."
    ))
}
