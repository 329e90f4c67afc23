//! A write to a source: what is asked, how it can end, and the one decision about sending it (P2, P5).
//!
//! The desk makes [`Operation`]s, the outbox carries them out with [`carry_out`], and each source translates them
//! behind [`SourceWriter`]. Which request that is, only the source knows; what follows from the answer is decided here.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::change::Change;
use super::event::Act;
use super::prose::Prose;
use super::task::{Account, RepoName, Source, Status, Task, TaskKey};
use super::undo::{Stands, ToUndo, Undo, Undoes, take_back};

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
    fn unfit_for(&self, task: &Task) -> Option<WriteError> {
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

/// One of the two sources, as the outbox writes to it.
#[async_trait]
pub trait SourceWriter: Send + Sync {
    fn source(&self) -> Source;

    /// The task as the source has it now.
    ///
    /// Fails `Refused` if it is gone, invisible or outside of what is configured; `NotTaken` for everything that may
    /// pass; never `Unknown`, for a read changes nothing.
    async fn read(&self, task: &TaskKey) -> Result<Task, WriteError>;

    /// Sends the write once: no retry, no check and no following of redirects in here.
    ///
    /// `now` is the task as it was just read; `None` for a creation.
    async fn send(&self, op: &Operation, now: Option<&Task>) -> Result<Written, WriteError>;

    /// Looks once for the trace of a write whose answer was lost, by marker or by author, words and time since
    /// `op.begun_at`, leaving out `op.claimed`. `None` only if it was searched for and is not there; a write that
    /// leaves no trace ([`Write::is_repeatable`]) has none. Fails as `read` does.
    async fn find(&self, op: &Operation) -> Result<Option<Written>, WriteError>;

    /// Of an undo: how what is to be taken back stands, as far as the task itself does not show it (a comment, what
    /// hangs on a task that is to be deleted). `now` is the task as it was just read. Fails as `read` does.
    async fn still_as_left(&self, op: &Operation, now: &Task) -> Result<Stands, WriteError>;

    /// Takes the next place in the source's line of writes: how long until it comes up, where the source asks for
    /// writes to be spread. One that is not used is to be given back ([`SourceWriter::give_back`]).
    fn take_turn(&self) -> Duration {
        Duration::ZERO
    }

    /// A place in the line was not used: nothing was sent.
    fn give_back(&self) {}

    /// How the source stands to us, as its last answers told.
    fn standing(&self) -> Standing {
        Standing::default()
    }

    /// Nothing is sent before then: an earlier run was told to wait, and who goes on all the same may be banned.
    fn pause_until(&self, _until: DateTime<Utc>) {}
}

/// How a source stands to us, as its answers told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// Its rate limit is used up: nothing is sent before.
    pub paused_until: Option<DateTime<Utc>>,
    pub token: TokenStanding,
    /// The token ends soon, and when: somebody has to make another before.
    pub token_ends: Option<DateTime<Utc>>,
    /// By account (an organization) whose rules were seen: why they refuse us, if they do.
    pub rules: BTreeMap<String, Option<String>>,
}

/// What a source thinks of the token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum TokenStanding {
    /// It was not asked yet.
    #[default]
    Unknown,
    Taken,
    /// It is invalid or was revoked. What is queued waits; nobody but a poll asks again before `until`.
    Refused {
        why: String,
        until: DateTime<Utc>,
    },
}

/// What a source last said about how much it will take, for metrics, `status`, and how far polls may go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// Requests in a window, of all there are for the token.
    pub limit: Option<u64>,
    /// Requests that are left in this window.
    pub remaining: Option<u64>,
    /// When the window ends.
    pub reset_at: Option<DateTime<Utc>>,
    /// The source refused for its rate limit: nothing is sent to it before.
    pub refused_until: Option<DateTime<Utc>>,
}

impl Limits {
    /// Of how many requests of a window one is kept for people: polls do not use the last tenth.
    const RESERVE: u64 = 10;

    /// When what can wait goes on, while only the reserve is left of this window.
    pub fn rest_until(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let (limit, remaining) = (self.limit?, self.remaining?);
        let reset_at = self.reset_at.filter(|at| *at > now)?;
        (remaining.saturating_mul(Self::RESERVE) < limit).then_some(reset_at)
    }
}

/// A list or a repository that is mirrored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    pub source: Source,
    /// The stable id: ClickUp's list id; GitHub's repository id, as text.
    pub id: String,
    /// `Inbox`; `acme/widgets`.
    pub name: String,
    /// What the configuration calls it (a list id, `owner/name`): stays when the name changes.
    pub configured: String,
    /// People do not find its tasks at the source any more: they are kept, and not offered.
    #[serde(default)]
    pub archived: bool,
}

/// A part of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    pub tasks: Vec<Task>,
    /// Where to go on, in the source's own terms; `None` at the end.
    pub next: Option<String>,
}

/// How a source lists comments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// Those of a whole container together.
    ByContainer,
    /// Those of one task at a time.
    ByTask,
}

/// Whose comments are asked for; which of them a source can be asked for, its [`Listing`] says.
#[derive(Debug, Clone, Copy)]
pub enum Of<'a> {
    Container(&'a Container),
    Task(&'a TaskKey),
}

/// A comment as a listing has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    pub task: TaskKey,
    /// Who wrote it, when, and what: always `What::Commented`.
    pub act: Act,
}

/// A part of a listing of comments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommentPage {
    pub comments: Vec<Comment>,
    /// The newest change of any of them, of those on pull requests too: by the source's clock.
    pub newest: Option<DateTime<Utc>>,
    /// Where to go on, in the source's own terms; `None` at the end.
    pub next: Option<String>,
}

/// The reading twin of [`SourceWriter`]: what a mirror needs. Requests are repeated by the caller, never in here.
#[async_trait]
pub trait SourceReader: Send + Sync {
    fn source(&self) -> Source;

    /// The configured lists or repositories, resolved to their stable ids. One that cannot be had fails on its own.
    async fn containers(&self) -> Vec<Result<Container, WriteError>>;

    /// One page of a container's tasks, finished ones and pull-request-free, oldest change first; changed since
    /// `since` (inclusive, the caller overlaps), or all of them. `page` is `None` or what the last page said.
    async fn page(
        &self,
        container: &Container,
        since: Option<DateTime<Utc>>,
        page: Option<&str>,
    ) -> Result<Page, WriteError>;

    /// All pages of a walk through the container were read and are kept: what they said need not be said again.
    fn walked(&self, _container: &Container) {}

    fn comments_are_listed(&self) -> Listing;

    /// One page of comments, none of pull requests. Of a container: what changed since `since` (inclusive, the caller
    /// overlaps), oldest change first; without a `since` the newest page alone, newest change first. Of a task: what was
    /// written since `since`, newest first. `page` is `None` or what the last page said.
    async fn comments(
        &self,
        of: Of<'_>,
        since: Option<DateTime<Utc>>,
        page: Option<&str>,
    ) -> Result<CommentPage, WriteError>;

    /// All pages of changed comments of the container were read and are kept: what they said need not be said again.
    fn listened(&self, _container: &Container) {}

    /// The key under which a task lives on that is gone from where it was, if that place is mirrored: a GitHub issue
    /// that was transferred (contract github 8). Fails as a read does.
    async fn moved_to(&self, _key: &TaskKey) -> Result<Option<TaskKey>, WriteError> {
        Ok(None)
    }

    /// Until when polls are to leave what remains of the source's rate limit to people's writes; `None` while there is
    /// enough for both.
    fn rest_until(&self) -> Option<DateTime<Utc>> {
        None
    }
}

/// What to do about an operation after [`carry_out`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotYet {
    #[error(transparent)]
    Failed(#[from] WriteError),
    /// Its trace was searched for and is not there. Listings lag behind writes: look once more before sending again
    /// (contract github 7, clickup 6.4).
    #[error("not there at the first look")]
    LookAgain,
    /// It was taken back before it was sent, and certainly was not applied: it has ended.
    #[error("taken back before it was sent")]
    TakenBack,
}

/// How long to wait between the two looks for a lost write (contract github 7).
pub const SECOND_LOOK_AFTER: Duration = Duration::from_secs(5);
/// A source goes on with a write whose sender has left: GitHub for ten seconds (contract github 2). A search that is to
/// say that it never arrived comes after that.
pub const MAY_STILL_ARRIVE: Duration = Duration::from_secs(10);

/// What is made durable right before a request goes out.
#[derive(Debug, Clone, Copy)]
pub struct Sending<'a> {
    /// A search for its trace begins here, unless an earlier attempt has said that.
    pub begins: bool,
    /// The task as it was just read; `None` for a creation.
    pub now: Option<&'a Task>,
}

/// Brings one operation forward: looks for its trace if it was interrupted, reads the present state, sends.
///
/// `about_to_send` is awaited right before the request goes out and must make durable that it may have been sent, and
/// what [`Sending`] says. It fails with [`NotYet::TakenBack`] for an operation that is not to be sent any more.
pub async fn carry_out<F>(
    writer: &dyn SourceWriter,
    op: &Operation,
    about_to_send: F,
) -> Result<Outcome, NotYet>
where
    F: AsyncFnOnce(Sending<'_>) -> Result<(), NotYet>,
{
    if let Write::Undo(_) = &op.write {
        return take_back(writer, op, about_to_send).await;
    }
    if op.interrupted && !op.write.is_repeatable() {
        match writer.find(op).await? {
            Some(written) => return Ok(Outcome::Applied(written)),
            None if op.looks == 0 => return Err(NotYet::LookAgain),
            None => {}
        }
    }
    let mut now = None;
    if let Some(key) = op.write.task() {
        let task = writer.read(key).await?;
        if op.write.holds_in(&task) {
            // An interrupted write that holds is our own that landed, unless the source names another hand.
            let by_another = task.closed.as_ref().and_then(|closed| closed.by_us) == Some(false);
            return Ok(if op.interrupted && !by_another {
                Outcome::Applied(Written { task, trace: None })
            } else {
                Outcome::AlreadySo { task }
            });
        }
        if op.interrupted && undone_since(&op.write, &task, op.begun_at) {
            return Ok(Outcome::Overtaken { task });
        }
        if let Some(unfit) = op.write.unfit_for(&task) {
            return Err(unfit.into());
        }
        now = Some(task);
    }
    // That a task is reopened tells nothing later if it was so before.
    let reopened_before = now.as_ref().is_some_and(|task| task.reopened);
    let completes = matches!(op.write, Write::Complete { .. });
    about_to_send(Sending {
        begins: !(completes && reopened_before),
        now: now.as_ref(),
    })
    .await?;
    Ok(Outcome::Applied(writer.send(op, now.as_ref()).await?))
}

/// Somebody did the opposite after we began: the source's clock counts whole seconds, ours does not.
fn undone_since(write: &Write, task: &Task, begun_at: Option<DateTime<Utc>>) -> bool {
    let since = match write {
        Write::Complete { .. } => task.reopened.then_some(task.updated_at),
        Write::Reopen { .. } => task.closed.as_ref().and_then(|closed| closed.at),
        _ => None,
    };
    match (since, begun_at) {
        (Some(since), Some(begun)) => since.timestamp() >= begun.timestamp(),
        _ => false,
    }
}
