//! A write to a source: what is asked, and how it can end.
//!
//! The desk makes [`Operation`]s, the outbox carries them out (`carry_out.rs`), and each source translates them
//! (`source.rs`).

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::change::Change;
use super::prose::Prose;
use super::task::{Account, RepoName, Source, Status, Task, TaskKey};
use super::undo::{Effect, ToUndo, Undo, Undoes};

/// The longest title that GitHub takes (design 10).
pub const GITHUB_TITLE_MAX: usize = 256;
/// The longest body that we send: under GitHub's 65 536, with room for the marker (contract github 4.3).
pub const TEXT_MAX: usize = 60_000;

/// What a command asks of a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Write {
    Complete {
        task: TaskKey,
    },
    Comment {
        task: TaskKey,
        text: Prose,
    },
    Create(NewTask),
    /// Make it a task that is being worked on, where the source has a word for that.
    Start {
        task: TaskKey,
    },
    /// Open again: as it was before we finished it, or as the source begins its tasks.
    Reopen {
        task: TaskKey,
    },
    /// Make one thing about it otherwise: whose it is, when it is due, how urgent.
    Change {
        task: TaskKey,
        change: Change,
        /// As it is said of the task when it is so: `assigned to Bo`.
        said: String,
    },
    /// Take back what an earlier operation did.
    Undo(Undo),
}

/// A task that is to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewTask {
    pub place: Place,
    /// As the person typed it: the source adds the entity in its own way.
    pub title: String,
    pub description: Option<String>,
    pub entity: Option<String>,
    /// The day it is due; GitHub has no such thing.
    #[serde(default)]
    pub due: Option<NaiveDate>,
    /// Who is to do it. A source that cannot assign it to them makes the task all the same.
    #[serde(default)]
    pub assignee: Option<Account>,
}

/// Where a task is to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// A ClickUp list, by id.
    List(String),
    /// A GitHub repository, by its name as configured; the writer checks that the name still is that repository.
    Repo(RepoName),
}

impl Place {
    pub fn source(&self) -> Source {
        match self {
            Place::List(_) => Source::ClickUp,
            Place::Repo(_) => Source::GitHub,
        }
    }
}

impl NewTask {
    /// The title as GitHub gets it, with the client in front (design 4).
    pub fn github_title(&self) -> String {
        match &self.entity {
            Some(entity) => format!("[CLIENT:{entity}] {}", self.title),
            None => self.title.clone(),
        }
    }

    /// Whether the task that was made is assigned as it was to be.
    pub fn is_assigned_in(&self, made: &Task) -> bool {
        self.assignee.is_none() || self.assigned_in(made).is_some()
    }

    /// Whom it was to be assigned to, as the task that was made has them.
    pub fn assigned_in<'a>(&self, made: &'a Task) -> Option<&'a Account> {
        let wanted = self.assignee.as_ref()?;
        made.assignees.iter().find(|account| {
            account.id == wanted.id
                || (wanted.id.is_empty() && account.name.eq_ignore_ascii_case(&wanted.name))
        })
    }

    /// The tag that ClickUp gets for the client (design 4).
    pub fn clickup_tag(&self) -> Option<String> {
        self.entity
            .as_ref()
            .map(|entity| format!("client:{entity}"))
    }
}

impl Write {
    pub fn source(&self) -> Source {
        match self {
            Write::Complete { task }
            | Write::Comment { task, .. }
            | Write::Start { task }
            | Write::Reopen { task }
            | Write::Change { task, .. } => task.source(),
            Write::Create(new) => new.place.source(),
            Write::Undo(undo) => undo.source,
        }
    }

    /// The task that is written to; a creation has none yet, nor has what takes back one that is still under way.
    pub fn task(&self) -> Option<&TaskKey> {
        match self {
            Write::Complete { task }
            | Write::Comment { task, .. }
            | Write::Start { task }
            | Write::Reopen { task }
            | Write::Change { task, .. } => Some(task),
            Write::Create(_) => None,
            Write::Undo(undo) => undo.task.as_ref(),
        }
    }

    /// Whether the task, as the source has it now, already is what this write would make it.
    pub fn holds_in(&self, task: &Task) -> bool {
        match self {
            Write::Complete { .. } => task.status == Status::Done,
            Write::Start { .. } => task.status == Status::InProgress,
            Write::Reopen { .. } => task.status != Status::Done,
            Write::Change { change, .. } => change.holds_in(task),
            Write::Comment { .. } | Write::Create(_) | Write::Undo(_) => false,
        }
    }

    /// Why it makes no sense for the task as the source has it now.
    pub(super) fn unfit_for(&self, task: &Task) -> Option<WriteError> {
        let is_over = matches!(self, Write::Start { .. }) && task.status == Status::Done;
        is_over.then(|| WriteError::Refused {
            what: Refusal::Changed,
            why: format!(
                "It is {} in {}. `reopen` opens it again",
                task.source_status,
                self.source().name()
            ),
        })
    }

    /// Sending it twice has the effect of sending it once, so that a lost answer needs no search.
    pub fn is_repeatable(&self) -> bool {
        !matches!(self, Write::Comment { .. } | Write::Create(_))
    }

    /// Whether its answer describes the task after it. A comment's does not, nor does that of deleting one.
    pub fn is_answered_with_its_task(&self) -> bool {
        match self {
            Write::Comment { .. } => false,
            Write::Undo(undo) => undo.what != Undoes::Comment,
            Write::Complete { .. }
            | Write::Create(_)
            | Write::Start { .. }
            | Write::Reopen { .. }
            | Write::Change { .. } => true,
        }
    }

    /// What an undo of it takes back; an undo itself is not undone.
    pub fn undoes(&self) -> Option<Undoes> {
        Some(match self {
            Write::Complete { .. } => Undoes::Completion,
            Write::Comment { .. } => Undoes::Comment,
            Write::Create(_) => Undoes::Creation,
            Write::Start { .. } => Undoes::Start,
            Write::Reopen { .. } => Undoes::Reopening,
            Write::Change { .. } => Undoes::Change,
            Write::Undo(_) => return None,
        })
    }

    /// What it has left in its source, now that it was applied there.
    pub fn effect(
        &self,
        operation: &str,
        before: Option<&str>,
        written: &Written,
        since: DateTime<Utc>,
    ) -> Option<Effect> {
        let (before, task) = (before.map(str::to_owned), &written.task);
        let left = task.source_status.clone();
        Some(match self {
            Write::Complete { .. } => Effect::Completed {
                before,
                left,
                at: task.closed.as_ref().and_then(|closed| closed.at),
            },
            Write::Reopen { .. } => Effect::Reopened { before, left },
            Write::Start { .. } => Effect::Started { before, left },
            Write::Comment { text, .. } => Effect::Commented {
                id: written.trace.clone()?,
                text: text.clone(),
                operation: operation.to_owned(),
                since,
            },
            Write::Create(_) => Effect::Created {
                left: Box::new(task.clone()),
            },
            // What it was before stands beside it, and not in the task.
            Write::Change { .. } | Write::Undo(_) => return None,
        })
    }

    /// Done, the task is not there any more. GitHub keeps what it has; ours is closed there.
    pub fn removes(&self) -> bool {
        matches!(self, Write::Undo(undo) if undo.what == Undoes::Creation && undo.source == Source::ClickUp)
    }

    /// The word in metrics and logs.
    pub fn kind(&self) -> &'static str {
        match self {
            Write::Complete { .. } => "complete",
            Write::Comment { .. } => "comment",
            Write::Create(_) => "create",
            Write::Start { .. } => "start",
            Write::Reopen { .. } => "reopen",
            Write::Change { change, .. } => change.kind(),
            Write::Undo(_) => "undo",
        }
    }
}

/// A write that a command asked for, durable in the outbox until it has an outcome (design 1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// A ULID: the marker in what we write to GitHub, `operation_id` in the API.
    pub id: String,
    pub write: Write,
    /// When it was first about to be sent: where a search for its trace begins. `None` before the first attempt, and
    /// for the completion of a task that had been reopened before already.
    pub begun_at: Option<DateTime<Utc>>,
    /// It may have been sent before without an answer: look before sending (P2).
    pub interrupted: bool,
    /// How often its trace was looked for, and not found, since it was last sent.
    pub looks: u32,
    /// Ids of comments and tasks that other operations have recorded as theirs: never this one's trace (design 10).
    pub claimed: BTreeSet<String>,
    pub past: Past,
}

/// What other operations, and this one's earlier attempts, mean for it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Past {
    /// What the source called the task's state right before this was last sent.
    pub before: Option<String>,
    /// Of a reopening: how we finished the task.
    pub finished: Option<Finished>,
    /// Of an undo: what is to be taken back.
    pub to_undo: Option<ToUndo>,
}

/// A completion of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// The state that it ended.
    pub before: String,
    /// When it was, as the source says: a task that was finished at another time was finished anew.
    pub at: Option<DateTime<Utc>>,
}

impl Operation {
    /// The state to which a task goes back that is opened again, in the source's words; `None`: as it begins its tasks.
    pub fn reopens_as(&self, now: &Task) -> Option<&str> {
        let finished = self.past.finished.as_ref()?;
        let at = now.closed.as_ref().and_then(|closed| closed.at);
        (finished.at == at).then_some(finished.before.as_str())
    }
}

/// What a source said about a write that it took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// The task after the write (for a comment: as it was read just before).
    pub task: Task,
    /// The id of what was made: the comment's id, or the created task's key. `None` for a change of state.
    pub trace: Option<String>,
}

/// How a write ended well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Outcome {
    Applied(Written),
    /// The source already was so, by another hand: success, and `conflict` in the API (P5).
    AlreadySo {
        task: Task,
    },
    /// Our interrupted write may have landed, and somebody changed it since: theirs stands (design 10).
    Overtaken {
        task: Task,
    },
}

impl Outcome {
    pub fn task(&self) -> &Task {
        match self {
            Outcome::Applied(written) => &written.task,
            Outcome::AlreadySo { task } | Outcome::Overtaken { task } => task,
        }
    }

    pub fn task_mut(&mut self) -> &mut Task {
        match self {
            Outcome::Applied(written) => &mut written.task,
            Outcome::AlreadySo { task } | Outcome::Overtaken { task } => task,
        }
    }

    /// The word in the store, metrics and logs.
    pub fn word(&self) -> &'static str {
        match self {
            Outcome::Applied(_) => "applied",
            Outcome::AlreadySo { .. } => "already_so",
            Outcome::Overtaken { .. } => "overtaken",
        }
    }
}

/// How else a request to a source ended. Variants differ in what may be done next, and in nothing else.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The source says no, and would again. The text names the system, the reason and what to do next.
    #[error("{why}")]
    Refused { what: Refusal, why: String },
    /// Certainly not applied: rate limit, no connection, or a read that failed. Send it again, not before `retry_after`.
    #[error("{why}")]
    NotTaken {
        why: String,
        retry_after: Option<Duration>,
    },
    /// Perhaps applied: time-out, lost connection, 5xx after sending a write. Look before sending again.
    #[error("{why}")]
    Unknown { why: String },
}

impl WriteError {
    /// One error for all places that failed: what may pass by itself goes before what an operator has to mend, for the
    /// whole is asked again then.
    pub fn together(errors: Vec<WriteError>) -> Option<WriteError> {
        let why = errors.iter().map(WriteError::to_string);
        let why = why.collect::<Vec<_>>().join("; ");
        let (refused, passing): (Vec<_>, Vec<_>) = errors
            .into_iter()
            .partition(|error| matches!(error, WriteError::Refused { .. }));
        let worst = passing.into_iter().chain(refused).next()?;
        Some(match worst {
            WriteError::Refused { what, .. } => WriteError::Refused { what, why },
            WriteError::NotTaken { retry_after, .. } => WriteError::NotTaken { why, retry_after },
            WriteError::Unknown { .. } => WriteError::Unknown { why },
        })
    }
}

/// What kind of no it was; the API's status depends on it (design 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// It was there and has been deleted: 404.
    Gone,
    /// No such thing, or not visible to the token: 404 for what was never mirrored, else 502.
    Invisible,
    /// It exists, in a list or repository that is not configured here.
    NotMirrored,
    /// It is not any more as what was asked takes it to be: nothing was changed, and what changed is said.
    Changed,
    /// Anything else: permission, validation, locked, archived.
    Other,
}
