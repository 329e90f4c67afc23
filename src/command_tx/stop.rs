//! What stops a command: a rejection is an answer, a database error is none.

use crate::domain::ids::TaskRow;
use crate::domain::reply::Words;
use crate::store::{DbError, DbResult, StoreTrouble};

/// Why a command was rejected before a source was asked for anything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// Nothing was pinned, so that nothing could be meant; the words show what is current now: 404.
    #[error("{}", .0.plain())]
    NoCurrent(Words),
    /// A REF or a task id that names nothing here: 404.
    #[error("{}", .0.plain())]
    UnknownTask(Words),
    /// A task that was deleted in its source: 404. Its row is here still.
    #[error("{}", .words.plain())]
    Deleted { row: TaskRow, words: Words },
    /// An `undo`, and nothing of the person's that could be taken back: 409.
    #[error("{}", .0.plain())]
    NothingToUndo(Words),
    /// It cannot be done as asked: an over-long title, a source that is not configured: 422.
    #[error("{}", .0.plain())]
    Unfit(Words),
    /// A source that has to confirm it does not answer: 503.
    #[error("{}", .0.plain())]
    NoAnswer(Words),
    /// Too much of this person waits for an outcome: 503.
    #[error("{}", .0.plain())]
    Full(Words),
    /// The same `Idempotency-Key` came with another request: 422.
    #[error("this Idempotency-Key was used for another request; use a new key for a new request")]
    KeyReused,
    /// It is not clear who acts: 422.
    #[error(transparent)]
    Actor(#[from] WhoActs),
}

/// Why it is not clear who acts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WhoActs {
    #[error(
        "several people are configured: name the one who acts with X-Ivan-Actor (--as), by name, Slack id or GitHub login"
    )]
    NotNamed,
    #[error(
        "nobody of the name `{0}` is among [[people]]; X-Ivan-Actor (--as) takes a name, a Slack id or a GitHub login"
    )]
    NotKnown(String),
}

/// Why a request has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    #[error(transparent)]
    Rejected(#[from] Rejection),
    #[error(transparent)]
    Store(#[from] StoreTrouble),
}

/// Why a transaction goes no further.
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
    pub fn words(self) -> Words {
        match self {
            Rejection::NoCurrent(words)
            | Rejection::UnknownTask(words)
            | Rejection::Deleted { words, .. }
            | Rejection::NothingToUndo(words)
            | Rejection::Unfit(words)
            | Rejection::NoAnswer(words)
            | Rejection::Full(words) => words,
            Rejection::KeyReused | Rejection::Actor(_) => Words::new().text(self.to_string()),
        }
    }
}

impl Stop {
    /// The rejection, for the transaction to go on with.
    pub fn rejection(self) -> DbResult<Rejection> {
        match self {
            Stop::Rejected(rejection) => Ok(rejection),
            Stop::Db(error) => Err(error),
        }
    }
}
