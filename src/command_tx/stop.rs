//! The reasons to stop a command: a rejection is an answer, a database error is not.

use crate::domain::ids::TaskRow;
use crate::domain::reply::Text;
use crate::store::{DbError, DbResult, StoreError};

/// The reason why a command was rejected before any request to a source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// No task was pinned, so the command had no subject; the words show the task that is current now: 404.
    #[error("{}", .0.plain())]
    NoCurrent(Text),
    /// A REF or a task id that is unknown here: 404.
    #[error("{}", .0.plain())]
    UnknownTask(Text),
    /// A task that was deleted in its source: 404. Its row still exists.
    #[error("{}", .words.plain())]
    Deleted {
        /// Its row, which still exists.
        row: TaskRow,
        /// The answer to the person.
        words: Text,
    },
    /// An `undo` without anything of the person's to undo: 409.
    #[error("{}", .0.plain())]
    NothingToUndo(Text),
    /// It is not possible as requested: an over-long title, a source that is not configured: 422.
    #[error("{}", .0.plain())]
    Unfit(Text),
    /// A source that has to confirm it does not answer: 503.
    #[error("{}", .0.plain())]
    NoAnswer(Text),
    /// Too much of this person waits for an outcome: 503.
    #[error("{}", .0.plain())]
    Full(Text),
    /// The same `Idempotency-Key` came with another request: 422.
    #[error("This Idempotency-Key was used for another request. Use a new key")]
    KeyReused,
    /// The actor is not clear: 422.
    #[error(transparent)]
    Actor(#[from] WhoActs),
}

/// The reason why the actor is not clear.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WhoActs {
    /// The request names no person, and no default person is configured. The names to choose from.
    #[error("Who is acting? {}", name_one(.0))]
    NotNamed(Vec<String>),
    /// No configured person has this name. It is cut to 80 characters.
    #[error("I don't know `{0}`. Use a name, Slack id or GitHub login of [[people]]")]
    NotKnown(String),
}

/// The reason why a request has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// The command was rejected.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The store failed; nothing was stored.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The reason why a transaction stops.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// An answer: the transaction is committed.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The transaction is rolled back.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl Rejection {
    /// The answer to the person.
    pub fn words(self) -> Text {
        match self {
            Rejection::NoCurrent(words)
            | Rejection::UnknownTask(words)
            | Rejection::Deleted { words, .. }
            | Rejection::NothingToUndo(words)
            | Rejection::Unfit(words)
            | Rejection::NoAnswer(words)
            | Rejection::Full(words) => words,
            Rejection::KeyReused | Rejection::Actor(_) => Text::new().text(self.to_string()),
        }
    }
}

impl Stop {
    /// The rejection, so that the transaction can go on with it.
    pub fn rejection(self) -> DbResult<Rejection> {
        match self {
            Stop::Rejected(rejection) => Ok(rejection),
            Stop::Db(error) => Err(error),
        }
    }
}

/// The advice to name one of these people.
fn name_one(people: &[String]) -> String {
    const FEW: usize = 5;
    let options: Vec<String> = people
        .iter()
        .take(FEW)
        .map(|name| match name.contains(char::is_whitespace) {
            true => format!("--as \"{name}\""),
            false => format!("--as {name}"),
        })
        .collect();
    let more = if people.len() > FEW {
        " or another name"
    } else {
        ""
    };
    match options.as_slice() {
        [] => "Use --as NAME (X-Ivan-Actor over HTTP).".to_owned(),
        options => format!(
            "Use {}{more} (X-Ivan-Actor over HTTP).",
            options.join(" or ")
        ),
    }
}
