//! `ivan <verb>`: the words of a command line, and the request to the API that they become.
//!
//! REFs and times stay as typed: the daemon parses them, so that they mean the same as in Slack, and refuses them with a
//! reason. Only the split between a REF and the rest is made here, by the grammar of the verb.

use clap::{ArgMatches, Args};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::Info;
use super::line_format::LineFormat;

/// The help below the arguments of a verb with a REF.
pub const REF_HELP: &str = "REF is a number of the last list, a task id (clickup:<id>, github:<owner>/<repo>#<number>), '#12' for an issue \
     of the default repository, or a task's link.";

/// The help below the arguments of a verb with a REF and a time.
pub const WHEN_AND_REF_HELP: &str = "WHEN is 2h, 3d, 1w, 15:30, tomorrow, tomorrow 14:00, mon 9:00, 1 dec or 2026-12-01, in \
                                     your time zone. REF is as for `ivan done`.";

/// The words of one verb's line. Attributes of the struct are its usage and the help below its arguments.
pub trait Line: Args {
    /// The request.
    fn call(self, info: &Info) -> Call;
}

/// A request to the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// With its query.
    pub path: String,
    /// The body of a `POST`; `None` is `GET`.
    pub body: Option<Value>,
    /// The form of the answer.
    pub answer: AnswerKind,
    /// Whether all further pages of the answer are requested.
    pub all_pages: bool,
}

impl Call {
    /// A `GET` of a path with its query.
    pub fn get(path: impl Into<String>, answer: AnswerKind) -> Call {
        Call {
            path: path.into(),
            body: None,
            answer,
            all_pages: false,
        }
    }

    /// A `POST` whose body leaves out options that were not given.
    pub fn post(path: &str, mut body: Value) -> Call {
        if let Some(members) = body.as_object_mut() {
            members.retain(|_, value| !value.is_null());
        }
        Call {
            body: Some(body),
            ..Call::get(path, AnswerKind::Write)
        }
    }

    /// The effect of a verb.
    pub(super) fn effect(info: &Info, body: Value) -> Call {
        Call::post(&format!("/{}", info.http.path.unwrap_or(info.name)), body)
    }

    pub(super) fn answered(self, answer: AnswerKind) -> Call {
        Call { answer, ..self }
    }
}

/// The form of an answer, which decides how it is printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerKind {
    /// A verb: the daemon's message and the next task, or that the write is queued.
    Write,
    /// The same for a task that is created; its address comes last.
    Created,
    /// The current task with its reasons, or why there is none.
    Current,
    /// The current task as one line, or nothing.
    Line(LineFormat),
    /// The address of a task, or why there is none.
    Address,
    /// The address of a page of the daemon itself.
    Page,
    /// Numbered tasks, or why there are none.
    List {
        /// The filter as typed.
        filter: String,
    },
    /// Numbered tasks that match, or why there are none.
    Found {
        /// The words and filters as typed.
        words: String,
    },
    /// The daemon's message, then the task's id and URL.
    Why,
    /// Entries of the activity log, one per line.
    Log,
    /// The daemon's own words, line by line.
    Words,
    /// The person's accounts, line by line.
    Whoami,
    /// One line per source, or that the synchronization goes on.
    Sync,
    /// The changes of a reload.
    Reload,
    /// The daemon's state, one row per part.
    Status,
    /// The same; a ✗ in it is a failure.
    Check,
}

/// A word as a value in a query.
pub fn encoded(word: &str) -> String {
    utf8_percent_encode(word, NON_ALPHANUMERIC).to_string()
}

/// How a verb is used on the command line. [`Info`] has its name, its other names and its effect.
#[derive(Debug, Clone, Copy)]
pub struct CommandLine {
    /// Its effect, where the command line differs from Slack.
    about: Option<&'static str>,
    /// Whole lines, as they are typed in a shell.
    examples: &'static [&'static str],
    args: fn(clap::Command) -> clap::Command,
    call: fn(&Info, &ArgMatches) -> Result<Call, clap::Error>,
}

impl CommandLine {
    /// The line of a verb whose words are `L`, with whole lines as examples.
    pub const fn of<L: Line>(examples: &'static [&'static str]) -> CommandLine {
        CommandLine {
            about: None,
            examples,
            args: L::augment_args,
            call: |info, matches| L::from_arg_matches(matches).map(|line| line.call(info)),
        }
    }

    /// The same with an effect of its own.
    pub const fn about(self, effect: &'static str) -> CommandLine {
        CommandLine {
            about: Some(effect),
            ..self
        }
    }

    /// Whole lines, as they are typed in a shell.
    pub fn examples(&self) -> &'static [&'static str] {
        self.examples
    }

    /// The subcommand of `ivan`.
    pub fn command(&self, info: &Info) -> clap::Command {
        let aliases = info.aliases.iter().copied();
        let words = aliases.filter(|alias| alias.chars().all(char::is_alphanumeric));
        (self.args)(clap::Command::new(info.name))
            .about(capitalized(self.about.unwrap_or(info.effect)))
            .visible_aliases(words)
    }

    /// The request of a line that matched [`CommandLine::command`]; its usage error otherwise.
    pub fn call(&self, info: &Info, matches: &ArgMatches) -> Result<Call, clap::Error> {
        (self.call)(info, matches)
    }
}

fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_uppercase().to_string());
    first.unwrap_or_default() + chars.as_str()
}

/// A verb without arguments.
#[derive(Debug, Args)]
pub struct NoWords {}

impl Line for NoWords {
    fn call(self, info: &Info) -> Call {
        Call::effect(info, json!({}))
    }
}

/// A verb about the current task or another one.
#[derive(Debug, Args)]
#[command(after_help = REF_HELP)]
pub struct RefWords {
    /// A task other than the current one
    #[arg(value_name = "REF")]
    task: Option<String>,
}

impl Line for RefWords {
    fn call(self, info: &Info) -> Call {
        Call::effect(info, json!({ "ref": self.task }))
    }
}
