//! Writes to a source, and their possible outcomes.
//!
//! Verbs create [`Operation`]s, the outbox carries them out (`carry_out.rs`), and each source translates them
//! (`source.rs`).

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::change::TaskChange;
use super::mention_text::MentionText;
use super::profile::ContainerKind;
use super::reason::{self, for_operators};
use super::shared_file::SharedFile;
use super::task::{Account, RepoName, Source, Task, TaskKey, TaskStatus};
use super::undo::{Effect, OwnCreation, UndoKind, UndoRequest, UndoTarget};

/// The longest body that we send: under GitHub's 65 536, with room for the marker (docs/contracts/github.md#errors).
pub const TEXT_MAX: usize = 60_000;

/// A write that a command requests from a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Write {
    /// Complete the task.
    Complete {
        /// The task to complete.
        task: TaskKey,
    },
    /// Add a comment to the task.
    Comment {
        /// The task to comment on.
        task: TaskKey,
        /// The comment without a marker; ends with the author's name if people share an account.
        text: MentionText,
        /// The files that the text links to.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        files: Vec<SharedFile>,
    },
    /// Create a task.
    Create(NewTask),
    /// Mark the task as being worked on, if the source has a status for that.
    Start {
        /// The task to start.
        task: TaskKey,
    },
    /// Reopen it: in the status before we finished it, or in the source's first status.
    Reopen {
        /// The task to reopen.
        task: TaskKey,
    },
    /// Change one property: the assignees, the due date or the priority.
    Change {
        /// The task to change.
        task: TaskKey,
        /// The new value of the property.
        change: TaskChange,
        /// The result in words: `assigned to Bo`.
        said: String,
    },
    /// Copy a file to the task, where the source takes files.
    Upload {
        /// The task to copy it to.
        task: TaskKey,
        /// The file.
        file: SharedFile,
    },
    /// Undo an earlier operation.
    Undo(UndoRequest),
}

/// A task to create.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewTask {
    /// The list or repository to create it in.
    pub place: Place,
    /// The title as typed; the source adds the entity in its own way.
    pub title: String,
    /// Its description, Markdown in GitHub; `None` for none.
    pub description: Option<String>,
    /// The client's id; `None` for a task without one.
    pub entity: Option<String>,
    /// The due day; GitHub has none.
    #[serde(default)]
    pub due: Option<NaiveDate>,
    /// The assignee. A source that cannot assign the task to them creates it all the same.
    #[serde(default)]
    pub assignee: Option<Account>,
    /// The task that it is to be a part of, in the same place.
    #[serde(default)]
    pub under: Option<ParentTask>,
    /// The files that the description links to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<SharedFile>,
}

/// The task that a new task is to be a part of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParentTask {
    /// Its key.
    pub task: TaskKey,
    /// Its title when the new task was requested.
    pub title: String,
}

/// The place for a new task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// A ClickUp list, by id.
    List(String),
    /// A GitHub repository, by its name as configured; the writer checks that the name still is that repository.
    Repo(RepoName),
}

impl Place {
    /// The source that has this place.
    pub fn source(&self) -> Source {
        match self {
            Place::List(_) => ContainerKind::Lists.source(),
            Place::Repo(_) => ContainerKind::Repositories.source(),
        }
    }
}

impl NewTask {
    /// The title for GitHub, with the client as its prefix.
    pub fn github_title(&self) -> String {
        match &self.entity {
            Some(entity) => format!("[CLIENT:{entity}] {}", self.title),
            None => self.title.clone(),
        }
    }

    /// Whether the created task is assigned as requested.
    pub fn is_assigned_in(&self, made: &Task) -> bool {
        self.assignee.is_none() || self.assigned_in(made).is_some()
    }

    /// The requested assignee, if the created task has them.
    pub fn assigned_in<'a>(&self, made: &'a Task) -> Option<&'a Account> {
        let wanted = self.assignee.as_ref()?;
        made.assignees.iter().find(|account| {
            account.id == wanted.id
                || (wanted.id.is_empty() && account.name.eq_ignore_ascii_case(&wanted.name))
        })
    }

    /// Whether the created task is a part of the task that was requested.
    pub fn is_under_in(&self, made: &Task) -> bool {
        let parent = self.under.as_ref();
        parent.is_none_or(|parent| made.parent.as_ref() == Some(&parent.task))
    }

    /// Why nothing is created under this task, as just read: it is finished, or has moved to another place.
    pub(super) fn unfit_under(&self, parent: &Task) -> Option<WriteError> {
        let source = parent.key.source();
        let profile = source.profile();
        let moved = match &self.place {
            Place::List(list) => parent.home.as_ref().unwrap_or(&parent.container) != list,
            // Its key has the repository.
            Place::Repo(_) => false,
        };
        let title = &parent.title;
        let why = match (parent.status, moved) {
            (TaskStatus::Done, _) => format!(
                "{title} is {} in {}. `reopen` opens it again",
                parent.source_status,
                source.name()
            ),
            (_, true) => format!(
                "{title} is in another {} of {} by now. Type the command again",
                profile.home,
                source.name()
            ),
            (_, false) => return None,
        };
        Some(WriteError::Refused {
            what: Refusal::Changed,
            why,
        })
    }

    /// The tag for the client in ClickUp.
    pub fn clickup_tag(&self) -> Option<String> {
        self.entity
            .as_ref()
            .map(|entity| format!("client:{entity}"))
    }
}

impl Write {
    /// The source that it writes to.
    pub fn source(&self) -> Source {
        match self {
            Write::Complete { task }
            | Write::Comment { task, .. }
            | Write::Start { task }
            | Write::Reopen { task }
            | Write::Upload { task, .. }
            | Write::Change { task, .. } => task.source(),
            Write::Create(new) => new.place.source(),
            Write::Undo(undo) => undo.source,
        }
    }

    /// The task to write to. A creation has none yet, nor has the undo of one that is still under way.
    pub fn task(&self) -> Option<&TaskKey> {
        match self {
            Write::Complete { task }
            | Write::Comment { task, .. }
            | Write::Start { task }
            | Write::Reopen { task }
            | Write::Upload { task, .. }
            | Write::Change { task, .. } => Some(task),
            Write::Create(_) => None,
            Write::Undo(undo) => undo.task.as_ref(),
        }
    }

    /// Whether the task, as just read from the source, already has the result of this write.
    pub fn holds_in(&self, task: &Task) -> bool {
        match self {
            Write::Complete { .. } => task.status == TaskStatus::Done,
            Write::Start { .. } => task.status == TaskStatus::InProgress,
            Write::Reopen { .. } => task.status != TaskStatus::Done,
            Write::Change { change, .. } => change.holds_in(task),
            Write::Comment { .. } | Write::Create(_) | Write::Upload { .. } | Write::Undo(_) => {
                false
            }
        }
    }

    /// Why this write does not apply to the task as just read.
    pub(super) fn unfit_for(&self, task: &Task) -> Option<WriteError> {
        let needs_an_open_task = match self {
            Write::Start { .. } => true,
            Write::Change { change, .. } => change.needs_an_open_task(),
            _ => false,
        };
        let is_over = needs_an_open_task && task.status == TaskStatus::Done;
        is_over.then(|| WriteError::Refused {
            what: Refusal::Changed,
            why: format!(
                "It is {} in {}. `reopen` opens it again",
                task.source_status,
                self.source().name()
            ),
        })
    }

    /// Whether sending it twice has the effect of sending it once, so that a lost response needs no search.
    pub fn is_repeatable(&self) -> bool {
        !matches!(
            self,
            Write::Comment { .. } | Write::Create(_) | Write::Upload { .. }
        )
    }

    /// Whether its response describes the task afterwards. Those to a comment, a file and a deletion do not.
    pub fn is_answered_with_its_task(&self) -> bool {
        match self {
            Write::Comment { .. } | Write::Upload { .. } => false,
            Write::Undo(undo) => undo.what != UndoKind::Comment,
            Write::Complete { .. }
            | Write::Create(_)
            | Write::Start { .. }
            | Write::Reopen { .. }
            | Write::Change { .. } => true,
        }
    }

    /// The kind of undo for it. An undo itself cannot be undone, and a file stays with its task.
    pub fn undoes(&self) -> Option<UndoKind> {
        Some(match self {
            Write::Complete { .. } => UndoKind::Completion,
            Write::Comment { .. } => UndoKind::Comment,
            Write::Create(_) => UndoKind::Creation,
            Write::Start { .. } => UndoKind::Start,
            Write::Reopen { .. } => UndoKind::Reopening,
            Write::Change { .. } => UndoKind::Change,
            Write::Upload { .. } | Write::Undo(_) => return None,
        })
    }

    /// The effect that it left in its source, once it was applied.
    pub fn effect(
        &self,
        operation: &str,
        before: Option<&str>,
        written: &WriteReceipt,
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
            Write::Create(new) => Effect::Created {
                left: Box::new(task.clone()),
                own: OwnCreation {
                    description: new.description.clone().unwrap_or_default(),
                    operation: operation.to_owned(),
                    // The store knows them.
                    uploads: BTreeSet::new(),
                },
            },
            // The earlier value is stored beside it, and not in the task.
            Write::Change { .. } | Write::Upload { .. } | Write::Undo(_) => return None,
        })
    }

    /// Whether it deletes the task. Some sources close it instead when its creation is undone.
    pub fn removes(&self) -> bool {
        matches!(self, Write::Undo(undo) if undo.what == UndoKind::Creation && undo.source.profile().deletes_tasks)
    }

    /// The files that its text links to.
    pub fn files(&self) -> &[SharedFile] {
        match self {
            Write::Comment { files, .. } => files,
            Write::Create(new) => &new.files,
            _ => &[],
        }
    }

    /// All names of [`kind`](Write::kind), without those of changes.
    pub const KINDS: &[&str] = &[
        "complete", "comment", "create", "start", "reopen", "upload", "undo",
    ];

    /// The name in metrics and logs.
    pub fn kind(&self) -> &'static str {
        match self {
            Write::Complete { .. } => "complete",
            Write::Comment { .. } => "comment",
            Write::Create(_) => "create",
            Write::Start { .. } => "start",
            Write::Reopen { .. } => "reopen",
            Write::Change { change, .. } => change.kind(),
            Write::Upload { .. } => "upload",
            Write::Undo(_) => "undo",
        }
    }
}

/// A write that a command requested, stored in the outbox until it has an outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// A ULID: the marker in our texts at GitHub, `operation_id` in the API.
    pub id: String,
    /// The write itself.
    pub write: Write,
    /// The time just before it was first sent, from which its trace is searched for. `None` before the first attempt,
    /// and for the completion of a task that had been reopened before.
    pub begun_at: Option<DateTime<Utc>>,
    /// Whether it may have been sent before without a response: look before sending (P2).
    pub interrupted: bool,
    /// The number of searches without a result since it was last sent.
    pub looks: u32,
    /// Whether its trace is searched for once, although no attempt is known: it waited, or its message was sent, before the
    /// process before this one ended uncleanly, and the store may be an older copy.
    pub looks_first: bool,
    /// Ids of comments and tasks that other operations have recorded as theirs: never this one's trace.
    pub claimed: BTreeSet<String>,
    /// Earlier facts that the write depends on.
    pub past: OperationHistory,
}

/// Facts from other operations and from this one's earlier attempts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OperationHistory {
    /// The source's status of the task right before this was last sent.
    pub before: Option<String>,
    /// For a reopening: our completion of the task.
    pub finished: Option<OwnCompletion>,
    /// For an undo: the effect to undo.
    pub to_undo: Option<UndoTarget>,
}

/// A completion of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnCompletion {
    /// The status that it ended.
    pub before: String,
    /// Its time at the source. If the task's differs, the task was finished again since.
    pub at: Option<DateTime<Utc>>,
}

impl Operation {
    /// The status for a reopened task, in the source's words; `None` for the source's first status.
    pub fn reopens_as(&self, now: &Task) -> Option<&str> {
        let finished = self.past.finished.as_ref()?;
        let at = now.closed.as_ref().and_then(|closed| closed.at);
        (finished.at == at).then_some(finished.before.as_str())
    }
}

/// The source's response to a write that it accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteReceipt {
    /// The task after the write (for a comment: as it was read just before).
    pub task: Task,
    /// The id of the created item: the comment's id, or the task's key. `None` for a change of state.
    pub trace: Option<String>,
}

/// A successful end of a write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Outcome {
    /// The source has accepted the write.
    Applied(WriteReceipt),
    /// Another author had done it already: success, and `conflict` in the API (P5).
    AlreadySo {
        /// The task as the source has it.
        task: Task,
    },
    /// Our interrupted write may have taken effect, and another author changed it since: theirs stays.
    Overtaken {
        /// The task as the source has it.
        task: Task,
    },
}

impl Outcome {
    /// The task as its source last returned it.
    pub fn task(&self) -> &Task {
        match self {
            Outcome::Applied(written) => &written.task,
            Outcome::AlreadySo { task } | Outcome::Overtaken { task } => task,
        }
    }

    /// The same task, into which the mirror adds known facts before it is stored.
    pub fn task_mut(&mut self) -> &mut Task {
        match self {
            Outcome::Applied(written) => &mut written.task,
            Outcome::AlreadySo { task } | Outcome::Overtaken { task } => task,
        }
    }

    /// The name in the store, metrics and logs.
    pub fn word(&self) -> &'static str {
        match self {
            Outcome::Applied(_) => "applied",
            Outcome::AlreadySo { .. } => "already_so",
            Outcome::Overtaken { .. } => "overtaken",
        }
    }
}

/// Other ends of a request to a source. The variants differ only in the allowed next step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The source refuses, and would again. The text names the system, the reason and the next step.
    #[error("{}", for_operators(why))]
    Refused {
        /// The kind of refusal.
        what: Refusal,
        /// A text for the person: the system, the reason, the next step.
        why: String,
    },
    /// Certainly not applied: rate limit, no connection, or a failed read. Retry, not before `retry_after`.
    #[error("{}", for_operators(why))]
    NotTaken {
        /// The reason, for the person and the log.
        why: String,
        /// The source's own wait after a rate limit; `None` if it named none.
        retry_after: Option<Duration>,
    },
    /// Perhaps applied: time-out, lost connection, 5xx after sending a write. Look before sending again.
    #[error("{}", for_operators(why))]
    Unknown {
        /// The reason, for the person and the log.
        why: String,
    },
}

impl WriteError {
    /// The reason, with its details for operators (`reason.rs`).
    pub fn why(&self) -> &str {
        match self {
            WriteError::Refused { why, .. }
            | WriteError::NotTaken { why, .. }
            | WriteError::Unknown { why } => why,
        }
    }

    /// One error for all places that failed. A temporary one outranks one that an operator must fix, because all places
    /// are then read again.
    pub fn together(errors: Vec<WriteError>) -> Option<WriteError> {
        let why = reason::together(errors.iter().map(WriteError::why));
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

/// The kind of refusal; the API's status depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// It existed and has been deleted: 404.
    Gone,
    /// It does not exist, or the token cannot see it: 404 if it was never mirrored, else 502.
    Invisible,
    /// It exists, in a list or repository that is not configured here.
    NotMirrored,
    /// Its state is not the one that the command assumed. Nothing was changed, and the reply names the difference.
    Changed,
    /// Any other reason: permission, validation, locked, archived.
    Other,
}
