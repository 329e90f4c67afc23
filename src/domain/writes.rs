//! The writes of a source, one method for each kind, and the choice among them.
//!
//! A source implements [`Writes`]; its `SourceWriter` passes `send`, `find` and `still_as_left` on to the functions here.
//! A new kind of write is a method of the trait and an arm of [`send`]: the compiler then names both sources.

use std::borrow::Cow;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::change::TaskChange;
use super::mention_text::MentionText;
use super::operation::{NewTask, Operation, Refusal, Write, WriteError, WriteReceipt};
use super::shared_file::SharedFile;
use super::source::SourceWriter;
use super::task::{Task, TaskKey};
use super::undo::{Effect, EffectState, OwnCreation, UndoTarget};

/// The comment to delete in an undo.
pub struct OwnComment<'a> {
    /// The source's id of it, as text.
    pub id: &'a str,
    /// Its text with the mentions and the signature, without a marker.
    pub text: &'a MentionText,
    /// The operation that wrote it, which its marker names.
    pub operation: &'a str,
    /// It is not older than that.
    pub since: DateTime<Utc>,
}

/// Each method sends its write once: no retry, no check. `now` is the task as it was just read; returned is the task after
/// the write.
#[async_trait]
pub trait Writes: SourceWriter {
    /// Finishes a task: sets ClickUp's finishing status, or closes the issue.
    async fn complete(&self, now: &Task) -> Result<Task, WriteError>;

    /// Puts a task in progress, with ClickUp's status or GitHub's label.
    async fn start(&self, now: &Task) -> Result<Task, WriteError>;

    /// Opens a task again: as `before`, if there still is such a status.
    async fn reopen(&self, now: &Task, before: Option<&str>) -> Result<Task, WriteError>;

    /// Changes one property of a task.
    async fn change(&self, now: &Task, change: &TaskChange) -> Result<Task, WriteError>;

    /// Returns the comment's id.
    async fn comment(
        &self,
        op: &Operation,
        now: &Task,
        text: &MentionText,
    ) -> Result<String, WriteError>;

    /// Creates a task. GitHub's text gets a marker with the id of `op`.
    async fn create(&self, op: &Operation, new: &NewTask) -> Result<Task, WriteError>;

    /// Takes back a start: the task is as `before` again.
    async fn stop(&self, now: &Task, before: Option<&str>) -> Result<Task, WriteError>;

    /// Takes back a reopening: the task is finished again, as `before`.
    async fn finish_again(&self, now: &Task, before: Option<&str>) -> Result<Task, WriteError>;

    /// Takes back a comment. A comment that is not there any more is no failure.
    async fn delete_comment(&self, now: &Task, comment: &OwnComment<'_>) -> Result<(), WriteError>;

    /// Takes back a creation: deletes the task, or closes it where tasks are not deleted.
    async fn discard(&self, now: &Task) -> Result<Task, WriteError>;

    /// The id of the comment that a lost write has left since `begun_at`; none of `op.claimed`.
    async fn find_comment(
        &self,
        op: &Operation,
        now: &Task,
        text: &MentionText,
        begun_at: DateTime<Utc>,
    ) -> Result<Option<String>, WriteError>;

    /// The task that a lost creation has left since `begun_at`; none of `op.claimed`.
    async fn find_created(
        &self,
        op: &Operation,
        new: &NewTask,
        begun_at: DateTime<Utc>,
    ) -> Result<Option<Task>, WriteError>;

    /// The state of a comment that is to be deleted.
    async fn comment_stands(
        &self,
        now: &Task,
        comment: &OwnComment<'_>,
    ) -> Result<EffectState, WriteError>;

    /// Whether a task that is to be discarded has contributions of others.
    async fn is_bare(&self, now: &Task, own: &OwnCreation) -> Result<EffectState, WriteError>;

    /// Copies a file to a task, and returns the id of the copy. A source that takes no files is never asked.
    async fn upload(&self, _now: &Task, _file: &SharedFile) -> Result<String, WriteError> {
        Err(WriteError::Refused {
            what: Refusal::Other,
            why: format!("{} takes no files", self.source().name()),
        })
    }

    /// The id of the copy that a lost write has left since `begun_at`; none of `op.claimed`.
    async fn find_upload(
        &self,
        _op: &Operation,
        _now: &Task,
        _file: &SharedFile,
        _begun_at: DateTime<Utc>,
    ) -> Result<Option<String>, WriteError> {
        Ok(None)
    }
}

/// `SourceWriter::send` of a source with [`Writes`].
pub async fn send<S: Writes + ?Sized>(
    source: &S,
    op: &Operation,
    now: Option<&Task>,
) -> Result<WriteReceipt, WriteError> {
    let mut trace = None;
    let task = match &op.write {
        Write::Complete { task } => {
            let now = present(source, task, now).await?;
            source.complete(&now).await?
        }
        Write::Start { task } => {
            let now = present(source, task, now).await?;
            source.start(&now).await?
        }
        Write::Reopen { task } => {
            let now = present(source, task, now).await?;
            source.reopen(&now, op.reopens_as(&now)).await?
        }
        Write::Change { task, change, .. } => {
            let now = present(source, task, now).await?;
            source.change(&now, change).await?
        }
        Write::Comment { task, text, .. } => {
            let now = present(source, task, now).await?;
            trace = Some(source.comment(op, &now, text).await?);
            now.into_owned()
        }
        Write::Upload { task, file } => {
            let now = present(source, task, now).await?;
            trace = Some(source.upload(&now, file).await?);
            now.into_owned()
        }
        Write::Create(new) => return Ok(created(source.create(op, new).await?)),
        Write::Undo(_) => undo(source, op, now).await?,
    };
    Ok(WriteReceipt { task, trace })
}

/// The task as it was just read, or read now.
async fn present<'a, S: Writes + ?Sized>(
    source: &S,
    key: &TaskKey,
    now: Option<&'a Task>,
) -> Result<Cow<'a, Task>, WriteError> {
    Ok(match now {
        Some(task) => Cow::Borrowed(task),
        None => Cow::Owned(source.read(key).await?),
    })
}

/// Sends the opposite of a write.
async fn undo<S: Writes + ?Sized>(
    source: &S,
    op: &Operation,
    now: Option<&Task>,
) -> Result<Task, WriteError> {
    let (Some(UndoTarget::Effect(effect)), Some(now)) = (&op.past.to_undo, now) else {
        return Err(WriteError::Refused {
            what: Refusal::Other,
            why: format!("there is nothing to undo in {}", source.source().name()),
        });
    };
    match effect {
        Effect::Completed { before, .. } => source.reopen(now, before.as_deref()).await,
        Effect::Started { before, .. } => source.stop(now, before.as_deref()).await,
        Effect::Reopened { before, .. } => source.finish_again(now, before.as_deref()).await,
        Effect::Changed { back, .. } => source.change(now, back).await,
        Effect::Created { .. } => source.discard(now).await,
        Effect::Commented { .. } => {
            if let Some(comment) = own_comment(op) {
                source.delete_comment(now, &comment).await?;
            }
            Ok(now.clone())
        }
    }
}

fn own_comment(op: &Operation) -> Option<OwnComment<'_>> {
    match &op.past.to_undo {
        Some(UndoTarget::Effect(Effect::Commented {
            id,
            text,
            operation,
            since,
        })) => Some(OwnComment {
            id,
            text,
            operation,
            since: *since,
        }),
        _ => None,
    }
}

/// `SourceWriter::still_as_left` of a source with [`Writes`].
pub async fn still_as_left<S: Writes + ?Sized>(
    source: &S,
    op: &Operation,
    now: &Task,
) -> Result<EffectState, WriteError> {
    if let Some(comment) = own_comment(op) {
        return source.comment_stands(now, &comment).await;
    }
    match &op.past.to_undo {
        Some(UndoTarget::Effect(Effect::Created { own, .. })) => source.is_bare(now, own).await,
        _ => Ok(EffectState::AsLeft),
    }
}

/// `SourceWriter::find` of a source with [`Writes`].
pub async fn find<S: Writes + ?Sized>(
    source: &S,
    op: &Operation,
) -> Result<Option<WriteReceipt>, WriteError> {
    let Some(begun_at) = op.begun_at else {
        return Ok(None);
    };
    match &op.write {
        Write::Comment { task, text, .. } => {
            let task = source.read(task).await?;
            let trace = source.find_comment(op, &task, text, begun_at).await?;
            Ok(trace.map(|trace| WriteReceipt {
                task,
                trace: Some(trace),
            }))
        }
        Write::Upload { task, file } => {
            let task = source.read(task).await?;
            let trace = source.find_upload(op, &task, file, begun_at).await?;
            Ok(trace.map(|trace| WriteReceipt {
                task,
                trace: Some(trace),
            }))
        }
        Write::Create(new) => {
            let task = source.find_created(op, new, begun_at).await?;
            Ok(task.map(created))
        }
        Write::Complete { .. }
        | Write::Start { .. }
        | Write::Reopen { .. }
        | Write::Change { .. }
        | Write::Undo(_) => Ok(None),
    }
}

/// A creation leaves the task itself as its trace.
fn created(task: Task) -> WriteReceipt {
    WriteReceipt {
        trace: Some(task.key.as_str().to_owned()),
        task,
    }
}
