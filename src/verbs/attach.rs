//! `attach REF`, in a thread of Slack: link the thread to a task that exists. Replies and comments follow each other then.
//!
//! The link is the answer to the command: a message in the thread that is about the task, as the answer to a `create`
//! there is (`store::messages::first_about`).

use clap::Args;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::grammar::{ParseError, optional_ref};
use super::line::{Call, CommandLine, Line, REF_HELP};
use super::{Http, Info, ShownContext, Verb, body};
use crate::command_tx::{CommandTx, Context, Decided, Handled, Rejection, Reply, local};
use crate::domain::command::Ref;
use crate::domain::ids::TaskRow;
use crate::domain::person::Person;
use crate::domain::reply::{self, Text};
use crate::domain::task::{Task, TaskStatus};
use crate::store::messages::{self, Conversation, ThreadTask};
use crate::store::operations::Surface;
use crate::store::{DbResult, access, tasks};

/// Links a thread of Slack to a task, so it works in Slack only: over HTTP it is always refused, with 422.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Attach {
    /// The task
    #[serde(rename = "ref", default, deserialize_with = "body::task")]
    #[schema(required, value_type = Ref)]
    pub task: Option<Ref>,
}

impl Verb for Attach {
    const INFO: &'static Info = &Info {
        name: "attach",
        usage: "attach REF",
        effect: "link this Slack thread to REF: comments here go to it, and its comments appear here",
        examples: &["attach #12"],
        shown: ShownContext::WithoutRef,
        http: Http::post("attach"),
        line: Some(
            CommandLine::of::<AttachWords>(&["ivan attach '#12'"])
                .about("link a Slack thread to REF; it works in Slack only, in that thread"),
        ),
        ..Info::SHOWS
    };

    fn read(rest: &str) -> Result<Attach, ParseError> {
        match optional_ref("attach", rest)? {
            Some(task) => Ok(Attach { task: Some(task) }),
            None => Err(ParseError::Slip(
                "Attach this thread to which task? `attach #12`, or paste its link.".to_owned(),
            )),
        }
    }

    fn decide(self, tx: &CommandTx<'_>, person: &Person, context: &Context) -> Decided {
        let unfit = |words| Err(Rejection::Unfit(words).into());
        let Some(thread) = &context.thread else {
            return unfit(match context.surface {
                Surface::Slack => only_in_a_thread(),
                Surface::Api => only_in_slack(),
            });
        };
        let stored = tx.known(person, self.task, context)?;
        let about = stored.row;
        match belongs_to(tx, person, thread)? {
            Some(of) if of.task != about => {
                let other = access::shown(tx.db, person, tasks::by_row(tx.db, of.task)?)?;
                return unfit(thread_taken(other.as_ref().map(|other| &other.task)));
            }
            Some(ThreadTask { attached: true, .. }) => {
                return Ok(Handled::Replied(Reply {
                    words: attached_already(&stored.task),
                    about: Some(about),
                    ..Reply::default()
                }));
            }
            Some(_) | None => {}
        }
        if stored.task.status == TaskStatus::Done {
            return unfit(is_finished(&stored.task));
        }
        let command = tx.command(person, context, "attach")?;
        let in_channel = !thread.channel.starts_with('D');
        let words = attached(&stored.task, tx.settings.replies_comment, in_channel);
        let report = local(words, Some(&stored.task));
        tx.settled(person, command, report, None, Some(about))
    }

    takes_ref!();
}

/// The words after `ivan attach`.
#[derive(Debug, Args)]
#[command(after_help = REF_HELP)]
struct AttachWords {
    /// The task
    #[arg(value_name = "REF")]
    task: String,
}

impl Line for AttachWords {
    fn call(self, info: &Info) -> Call {
        Call::effect(info, json!({ "ref": self.task }))
    }
}

/// The task that a thread belongs to: attached, created in it, or of the message at its root.
fn belongs_to(
    tx: &CommandTx<'_>,
    person: &Person,
    thread: &Conversation,
) -> DbResult<Option<ThreadTask>> {
    if let Some(of) = messages::task_of_thread(tx.db, thread)? {
        return Ok(Some(of));
    }
    let user = person.slack.as_deref().unwrap_or_default();
    let root = thread.thread.as_deref().unwrap_or_default();
    let standing = messages::standing_at(tx.db, &thread.channel, user, root)?;
    let of = |task: TaskRow| ThreadTask {
        task,
        attached: false,
    };
    Ok(standing.and_then(|root| root.task).map(of))
}

/// After an `attach`. `comments`: any reply is a comment, not only the command `comment`.
pub(crate) fn attached(task: &Task, comments: bool, in_channel: bool) -> Text {
    let words = Text::new()
        .text("Thread attached to ")
        .link(&task.title, &task.url)
        .text(": its comments appear here, and ");
    match (comments, in_channel) {
        (true, _) => words.text("replies here become comments on it"),
        (false, true) => words
            .text("after mentioning me ")
            .code("comment TEXT")
            .text(" comments on it"),
        (false, false) => words.code("comment TEXT").text(" comments on it"),
    }
}

/// An `attach` of a thread that is attached to the same task.
pub(crate) fn attached_already(task: &Task) -> Text {
    Text::new()
        .text("✓ This thread is already attached to ")
        .link(&task.title, &task.url)
}

/// After the undo of an `attach`.
pub(crate) fn detached(task: Option<&Task>) -> Text {
    let words = Text::new().text("Undone: the thread is no longer attached to ");
    match task {
        Some(task) => words.link(&task.title, &task.url),
        None => words.text("its task"),
    }
}

/// An `attach` of a thread that belongs to another task; `None` if the person may not name that one.
pub(crate) fn thread_taken(other: Option<&Task>) -> Text {
    let words = Text::new().text("This thread already belongs to ");
    let words = match other {
        Some(task) => words
            .link(&task.title, &task.url)
            .text(format!(" ({})", reply::place(task))),
        None => words.text("another task"),
    };
    words.text(", so nothing changed. Attach the task in another thread.")
}

/// An `attach` to a finished task.
pub(crate) fn is_finished(task: &Task) -> Text {
    Text::new()
        .text("Not attached: ")
        .link(&task.title, &task.url)
        .text(format!(
            " is already {} in {}. To reopen it, type ",
            task.source_status,
            task.key.source().name()
        ))
        .code(format!("reopen {}", task.id))
        .text(".")
}

/// An `attach` outside of threads.
pub(crate) fn only_in_a_thread() -> Text {
    Text::new()
        .text("`attach` links a thread: type it in that thread, in a channel as ")
        .code("@ivan attach REF")
        .text(".")
}

/// An `attach` from the command line or over HTTP.
pub(crate) fn only_in_slack() -> Text {
    Text::new().text(
        "`attach` links a thread of Slack to a task, so it works in Slack only. Type it in that thread.",
    )
}
