//! The only decision about sending a write, or the reversal of one (P2, P5).
//!
//! Each source knows which request a write needs. This module decides the next step.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::operation::{Operation, Outcome, Refusal, Write, WriteError, WriteReceipt};
use super::source::SourceWriter;
use super::task::Task;
use super::undo::{Effect, EffectState, UndoTarget};

/// The next step for an operation that [`carry_out`] did not finish.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NextStep {
    /// The attempt failed; the error shows whether a retry makes sense.
    #[error(transparent)]
    Failed(#[from] WriteError),
    /// Its trace was searched for and not found. Listings lag behind writes: look once more before sending again
    /// (docs/contracts/github.md#lost-answers, docs/contracts/clickup.md#lost-answers).
    #[error("not found at the first look")]
    LookAgain,
    /// It was taken back before it was sent, and was certainly not applied: it has ended.
    #[error("undone before it was sent")]
    TakenBack,
    /// Meanwhile it is doubted: it may have been applied in a time that the store does not know. Begin again.
    #[error("it may have been applied before")]
    Doubted,
}

/// The wait between the two searches for a lost write (docs/contracts/github.md#lost-answers).
pub const SECOND_LOOK_AFTER: Duration = Duration::from_secs(5);
/// How long a source may still apply a write after the connection is gone; GitHub takes ten seconds (docs/contracts/github.md#requests). A search that is to prove absence runs after that.
pub const MAY_STILL_ARRIVE: Duration = Duration::from_secs(10);

/// The facts to commit right before a request goes out.
#[derive(Debug, Clone, Copy)]
pub struct SendingFacts<'a> {
    /// Whether a search for its trace begins here, unless an earlier attempt has set that.
    pub begins: bool,
    /// The task as it was just read; `None` for a creation.
    pub now: Option<&'a Task>,
}

/// Advances one operation: looks for its trace if it was interrupted or waited through an unclean end, reads the present
/// state, sends.
///
/// `about_to_send` is awaited right before the request goes out. It must commit that the request may have been sent,
/// with the facts in [`SendingFacts`]. It fails with [`NextStep::TakenBack`] for an operation that must not be sent any
/// more, and with [`NextStep::Doubted`] for one that is to be looked for first.
pub async fn carry_out<F>(
    writer: &dyn SourceWriter,
    op: &Operation,
    about_to_send: F,
) -> Result<Outcome, NextStep>
where
    F: AsyncFnOnce(SendingFacts<'_>) -> Result<(), NextStep>,
{
    if let Write::Undo(_) = &op.write {
        return take_back(writer, op, about_to_send).await;
    }
    if op.interrupted && !op.write.is_repeatable() {
        match writer.find(op).await? {
            Some(written) => return Ok(Outcome::Applied(written)),
            None if op.looks == 0 => return Err(NextStep::LookAgain),
            None => {}
        }
    } else if op.looks_first
        && let Some(written) = writer.find(op).await?
    {
        return Ok(Outcome::Applied(written));
    }
    if let Write::Create(new) = &op.write
        && let Some(parent) = &new.under
    {
        let parent = writer.read(&parent.task).await?;
        if let Some(unfit) = new.unfit_under(&parent) {
            return Err(unfit.into());
        }
    }
    let mut now = None;
    if let Some(key) = op.write.task() {
        let task = writer.read(key).await?;
        if op.write.holds_in(&task) {
            if !op.interrupted {
                writer.check_names(op, &task).await?;
            }
            // An interrupted write whose effect holds is our own, unless the source names another author.
            let by_another = task.closed.as_ref().and_then(|closed| closed.by_us) == Some(false);
            return Ok(if op.interrupted && !by_another {
                Outcome::Applied(WriteReceipt { task, trace: None })
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
    // If the task was reopened before, a later "reopened" proves nothing.
    let reopened_before = now.as_ref().is_some_and(|task| task.reopened);
    let completes = matches!(op.write, Write::Complete { .. });
    about_to_send(SendingFacts {
        begins: !(completes && reopened_before),
        now: now.as_ref(),
    })
    .await?;
    Ok(Outcome::Applied(writer.send(op, now.as_ref()).await?))
}

/// Whether another person did the opposite after we began. The source's clock counts whole seconds, ours does not.
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

/// Advances an undo: reads the current state, and sends the opposite only if it is as we left it.
///
/// If the effect is gone after an interrupted attempt, it was undone by that. Deleting an absent item succeeds.
async fn take_back<F>(
    writer: &dyn SourceWriter,
    op: &Operation,
    about_to_send: F,
) -> Result<Outcome, NextStep>
where
    F: AsyncFnOnce(SendingFacts<'_>) -> Result<(), NextStep>,
{
    let effect = match &op.past.to_undo {
        Some(UndoTarget::Effect(effect)) => effect,
        Some(UndoTarget::NotSent) => return Err(NextStep::TakenBack),
        Some(UndoTarget::Nothing(why)) => return Err(refused((*why).to_owned()).into()),
        None => return Err(refused("I no longer know what it did".to_owned()).into()),
    };
    let gone = |task: Task| match op.interrupted {
        true => Outcome::Applied(WriteReceipt { task, trace: None }),
        false => Outcome::AlreadySo { task },
    };
    let key = match (effect, op.write.task()) {
        (Effect::Created { left, .. }, _) => &left.key,
        (_, Some(key)) => key,
        (_, None) => return Err(refused("I don't know its task".to_owned()).into()),
    };
    let now = match (writer.read(key).await, effect) {
        (Ok(now), _) => now,
        (
            Err(WriteError::Refused {
                what: Refusal::Gone,
                ..
            }),
            Effect::Created { left, .. },
        ) => return Ok(gone((**left).clone())),
        (Err(error), _) => return Err(error.into()),
    };
    let standing = match effect.stands(&now) {
        EffectState::AsLeft => writer.still_as_left(op, &now).await?,
        // A part of it was put back by that attempt; the rest is still to be sent.
        EffectState::Changed(_) if op.interrupted && effect.has_parts() => EffectState::AsLeft,
        other => other,
    };
    match standing {
        EffectState::AsLeft => {}
        EffectState::Gone => return Ok(gone(now)),
        EffectState::Changed(how) => {
            return Err(refused(format!(
                "It changed in {} since ({how}), so I left it as it is",
                op.write.source().name()
            ))
            .into());
        }
    }
    about_to_send(SendingFacts {
        begins: true,
        now: Some(&now),
    })
    .await?;
    Ok(Outcome::Applied(writer.send(op, Some(&now)).await?))
}

fn refused(why: String) -> WriteError {
    WriteError::Refused {
        what: Refusal::Changed,
        why,
    }
}
