//! `undo`: find the person's last effect and create the opposite.
//!
//! It is one transaction, like every command. An operation that was certainly not sent is cancelled in it. For one that
//! was, or may have been, an undo is added behind it in its lane, and finds its outcome there.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::Deserialize;
use utoipa::ToSchema;

use super::attach::detached;
use super::grammar::{ParseError, nothing_after};
use super::line::{CommandLine, NoWords};
use super::{Http, Info, Verb};
use crate::command_tx::{
    CommandTx, Context, Decided, Handled, Rejection, Reply, Stop, lane, local,
};
use crate::completion::CompletionTrigger;
use crate::domain::command::{CommandRef, Ref};
use crate::domain::ids::{CommandId, TaskRow};
use crate::domain::operation::{Outcome, Refusal, Write};
use crate::domain::person::Person;
use crate::domain::reply::{self, Text};
use crate::domain::task::{Task, TaskKey, TaskStatus};
use crate::domain::undo::{self, UNDO_WITHIN};
use crate::store::effects::{self, RecentCommand, Snoozed};
use crate::store::operations::{self, OperationRow, OperationState};
use crate::store::{DbResult, Wake, access, messages, restored, set_aside, snoozes, tasks};

/// Undoes the person's last effect of the last 15 minutes that is not undone, if its source still is as it was left;
/// else 409, and nothing changes. A queued operation is cancelled, or looked up and undone.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Undo {
    /// The effect that a button or a reaction names; without it the person's last one.
    #[serde(skip)]
    pub of: Option<Undone>,
    /// The task that becomes the current one, if a button undoes a creation that nearly repeats it.
    #[serde(skip)]
    pub instead: Option<TaskKey>,
}

/// A named effect, which has no typed form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undone {
    /// That of this command.
    Command(CommandRef),
    /// The person's completion of the task in this row: a check mark was removed from its card.
    Completion(TaskRow),
}

impl Verb for Undo {
    const INFO: &'static Info = &Info {
        name: "undo",
        usage: "undo",
        effect: "undo your last action, within 15 minutes",
        examples: &["undo"],
        http: Http::post("undo").may_conflict(),
        line: Some(CommandLine::of::<NoWords>(&["ivan undo"])),
        ..Info::SHOWS
    };

    fn read(rest: &str) -> Result<Undo, ParseError> {
        nothing_after("undo", rest, Undo::default())
    }

    fn decide(self, tx: &CommandTx<'_>, person: &Person, context: &Context) -> Decided {
        let command = match self.of {
            None => {
                let found = last_effect(tx, person, context.offered_at);
                return take_back(tx, person, found, None, context);
            }
            Some(Undone::Completion(row)) => return not_done(tx, person, row, context),
            Some(Undone::Command(CommandRef::Uid(uid))) => operations::by_uid(tx.db, &uid)?,
            Some(Undone::Command(CommandRef::Row(row))) => Some(row),
        };
        match command {
            Some(command) => {
                let found = named_effect(tx, person, command);
                let instead = match (&found, &self.instead) {
                    (Ok(doing), Some(other)) => Some(used_instead(tx, person, doing, other)?),
                    _ => None,
                };
                take_back(tx, person, found, instead.as_ref(), context)
            }
            None => Err(Rejection::NothingToUndo(reply::not_a_button()).into()),
        }
    }

    fn changes_what_was_shown(&self) -> bool {
        self.of.is_none()
    }
}

fn take_back(
    tx: &CommandTx<'_>,
    person: &Person,
    found: Result<RecentCommand, Stop>,
    instead: Option<&TaskKey>,
    context: &Context,
) -> Result<Handled, Stop> {
    if let (Err(Stop::Rejected(why)), Some(once)) = (&found, &context.once) {
        let words = why.clone().words();
        tx.remember_refusal(person, once.clone(), Refusal::Changed, &words)?;
    }
    let doing = found?;
    match doing.has_parts {
        true => take_back_parts(tx, person, &doing, context),
        false => take_back_alone(tx, person, &doing, instead, context),
    }
}

/// Takes back a command for several tasks: each part that still has an effect, guarded on its own. The last one goes
/// first, so that the pin goes back the way it came.
fn take_back_parts(
    tx: &CommandTx<'_>,
    person: &Person,
    doing: &RecentCommand,
    context: &Context,
) -> Result<Handled, Stop> {
    let whole = tx.command(person, context, "undo")?;
    effects::take(tx.db, doing.command, whole)?;
    take_button(tx, doing.command)?;
    let context = CommandTx::part_of(whole, context);
    let mut first = None;
    for part in effects::parts(tx.db, doing.command)?.iter().rev() {
        if part.undone || !has_effect(tx, person, part)? {
            continue;
        }
        if let Handled::Accepted { operation_id, .. } =
            take_back_alone(tx, person, part, None, &context)?
        {
            first.get_or_insert(operation_id);
        }
    }
    tx.accept_parts(person, whole, first)
}

/// Takes back a command that has no parts.
fn take_back_alone(
    tx: &CommandTx<'_>,
    person: &Person,
    doing: &RecentCommand,
    instead: Option<&TaskKey>,
    context: &Context,
) -> Result<Handled, Stop> {
    let command = tx.command(person, context, "undo")?;
    effects::take(tx.db, doing.command, command)?;
    take_button(tx, doing.command)?;
    if let Some(snoozed) = &doing.snoozed {
        return unsnooze(tx, person, context, command, doing, snoozed);
    }
    if attaches(doing)
        && let Some(row) = messages::attached_by(tx.db, doing.command)?
    {
        return detach(tx, person, command, doing, row);
    }
    let cancelled = effects::withdraw(tx.db, doing.command, tx.now)? > 0;
    let rows = operations::of_command(tx.db, doing.command)?;
    if cancelled {
        tx.settle(doing.command, CompletionTrigger::Ended)?;
    }
    let mut first = None;
    for row in rows.iter().filter(|row| leaves_something(row)) {
        let Some(mut undo) = opposite(tx, row, &rows)? else {
            continue;
        };
        undo.instead = instead.cloned();
        let id = tx.ulid();
        let lane = match (&row.operation.write, &undo.task) {
            // A task has a lane of its own from its creation on.
            (Write::Create(_), Some(_)) => lane(person, &Write::Undo(undo.clone())),
            _ => row.lane.clone(),
        };
        operations::add(tx.db, command, &id, &lane, &Write::Undo(undo), tx.now)?;
        first.get_or_insert(id);
    }
    set_aside::behind(tx.db)?;
    if let Some(operation_id) = first {
        tx.db.wake(Wake::Operations);
        return Ok(Handled::Accepted {
            command,
            operation_id,
        });
    }
    undone_here(tx, person, context, command, doing, &rows, instead)
}

/// The task that a person uses instead of the one that this command created.
fn used_instead(
    tx: &CommandTx<'_>,
    person: &Person,
    doing: &RecentCommand,
    other: &TaskKey,
) -> Result<TaskKey, Stop> {
    let target = tx.by_press(Some(person), &Ref::Key(other.clone()))?;
    match target.stored {
        _ if doing.verb != "create" => Err(Rejection::NothingToUndo(reply::not_a_button()).into()),
        Some(stored) if stored.task.status == TaskStatus::Done => {
            Err(Rejection::NothingToUndo(other_is_complete(&stored.task)).into())
        }
        _ => Ok(target.key),
    }
}

/// The removal of a check mark from a card: undoes the person's completion of that task, if still possible.
fn not_done(
    tx: &CommandTx<'_>,
    person: &Person,
    row: TaskRow,
    context: &Context,
) -> Result<Handled, Stop> {
    let target = tx.by_press(Some(person), &Ref::Row(row))?;
    let doing = effects::completion(tx.db, person.id, &target.key)?;
    let too_old = doing.as_ref().is_some_and(|doing| !is_recent(tx, doing));
    let undone = doing.as_ref().is_some_and(|doing| doing.undone);
    let words = match (doing, target.stored) {
        (Some(doing), _) if !too_old && !undone => {
            let found = named_effect(tx, person, doing.command);
            return take_back(tx, person, found, None, context);
        }
        (_, Some(stored)) if stored.task.status != TaskStatus::Done => {
            return Ok(Handled::Replied(Reply {
                words: not_complete(&stored.task),
                about: Some(stored.row),
                ..Reply::default()
            }));
        }
        (Some(_), _) if undone => undone_already(),
        (_, Some(stored)) => stays_complete(&stored.task, too_old),
        (_, None) => cannot_be_undone(too_old),
    };
    Err(Rejection::NothingToUndo(words).into())
}

/// The newest command of a person that had an effect, within the time limit. An offered `undo` means the newest one
/// before the offer.
fn last_effect(
    tx: &CommandTx<'_>,
    person: &Person,
    offered_at: Option<DateTime<Utc>>,
) -> Result<RecentCommand, Stop> {
    let mut too_old = false;
    let elsewhere = restored::until(tx.db, person.id)?;
    for doing in effects::newest(tx.db, person.id)? {
        let is_newer = offered_at.is_some_and(|at| doing.typed_at > at);
        if is_newer || !has_effect(tx, person, &doing)? {
            continue;
        }
        if elsewhere.is_some_and(|until| doing.typed_at <= until) {
            // They did something after it that this store does not have.
            return Err(Rejection::NothingToUndo(last_is_not_known()).into());
        }
        if is_recent(tx, &doing) {
            return Ok(doing);
        }
        too_old = true;
    }
    let undone_before = effects::has_undone(tx.db, person.id, tx.now - UNDO_WITHIN)?;
    let words = nothing_to_undo(undone_before, too_old);
    Err(Rejection::NothingToUndo(words).into())
}

/// The command that a button names.
fn named_effect(
    tx: &CommandTx<'_>,
    person: &Person,
    command: CommandId,
) -> Result<RecentCommand, Stop> {
    let Some(doing) = effects::of(tx.db, person.id, command)? else {
        return Err(Rejection::NothingToUndo(cannot_be_undone(false)).into());
    };
    let why_not = if doing.undone {
        undone_already()
    } else if !has_effect(tx, person, &doing)? {
        cannot_be_undone(false)
    } else if !is_recent(tx, &doing) {
        cannot_be_undone(true)
    } else {
        return Ok(doing);
    };
    take_button(tx, command)?;
    Err(Rejection::NothingToUndo(why_not).into())
}

/// Removes the undo button from the answer to a command.
fn take_button(tx: &CommandTx<'_>, command: CommandId) -> DbResult<()> {
    if messages::offers_undo(tx.db, command, None)? {
        tx.db.wake(Wake::Messages);
    }
    Ok(())
}

fn is_recent(tx: &CommandTx<'_>, doing: &RecentCommand) -> bool {
    doing
        .settled_at
        .is_none_or(|settled| tx.now - settled <= UNDO_WITHIN)
}

/// Whether anything is left to undo, as far as it is known here.
fn has_effect(tx: &CommandTx<'_>, person: &Person, doing: &RecentCommand) -> DbResult<bool> {
    if doing.has_parts {
        for part in effects::parts(tx.db, doing.command)? {
            if !part.undone && has_effect(tx, person, &part)? {
                return Ok(true);
            }
        }
        return Ok(false);
    }
    if let Some(snoozed) = &doing.snoozed {
        let until = snoozes::until(tx.db, person.id, snoozed.task, tx.now)?;
        return Ok(
            until.map(|until| until.timestamp_millis()) == Some(snoozed.until.timestamp_millis())
        );
    }
    if attaches(doing) {
        return Ok(messages::attached_by(tx.db, doing.command)?.is_some());
    }
    let rows = operations::of_command(tx.db, doing.command)?;
    Ok(rows
        .iter()
        .any(|row| matches!(row.state, OperationState::Applied | OperationState::Pending)))
}

/// The undo of one operation. `all` are those of its command.
fn opposite(
    tx: &CommandTx<'_>,
    row: &OperationRow,
    all: &[OperationRow],
) -> DbResult<Option<undo::UndoRequest>> {
    let write = &row.operation.write;
    let Some(what) = write.undoes() else {
        return Ok(None);
    };
    let task = match &row.outcome {
        Some(outcome) => Some(outcome.task().key.clone()),
        None => write.task().cloned(),
    };
    Ok(Some(undo::UndoRequest {
        operation: row.operation.id.clone(),
        what,
        source: write.source(),
        title: title(tx, row, task.as_ref())?,
        task,
        copies: match what {
            undo::UndoKind::Comment => copies(all),
            _ => Vec::new(),
        },
        instead: None,
    }))
}

/// The names of the files that were copied to the task, or are about to be.
fn copies(all: &[OperationRow]) -> Vec<String> {
    let there = |row: &&OperationRow| {
        matches!(row.state, OperationState::Applied | OperationState::Pending)
    };
    let name = |row: &OperationRow| match &row.operation.write {
        Write::Upload { file, .. } => Some(file.name.clone()),
        _ => None,
    };
    all.iter().filter(there).filter_map(name).collect()
}

fn title(tx: &CommandTx<'_>, row: &OperationRow, task: Option<&TaskKey>) -> DbResult<String> {
    let stored = match task {
        Some(key) => tasks::by_key(tx.db, key)?,
        None => None,
    };
    Ok(match (stored, &row.operation.write) {
        (Some(stored), _) => stored.task.title,
        (None, Write::Create(new)) => new.title.clone(),
        (None, write) => write.source().noun().to_owned(),
    })
}

fn unsnooze(
    tx: &CommandTx<'_>,
    person: &Person,
    context: &Context,
    command: CommandId,
    doing: &RecentCommand,
    snoozed: &Snoozed,
) -> Result<Handled, Stop> {
    let before = snoozed.before.filter(|before| *before > tx.now);
    snoozes::set(tx.db, person.id, snoozed.task, before)?;
    let stored = tasks::by_row(tx.db, snoozed.task)?;
    let task = stored.as_ref().map(|stored| &stored.task);
    let words = match task {
        Some(task) => unsnoozed(task, before, person.zone),
        None => Text::new(),
    };
    let mut report = local(words, task);
    let pin = match before {
        None => {
            let mover = tx.mover(person, command, context);
            mover.back(doing, Some(snoozed.task), &mut report)?
        }
        Some(_) => None,
    };
    tx.settled(person, command, report, pin, Some(snoozed.task))
}

/// Whether a command attached a thread to a task.
fn attaches(doing: &RecentCommand) -> bool {
    doing.verb == "attach"
}

/// Unlinks a thread from its task. The answer is not about the task, since it may stand in that thread.
fn detach(
    tx: &CommandTx<'_>,
    person: &Person,
    command: CommandId,
    doing: &RecentCommand,
    row: TaskRow,
) -> Result<Handled, Stop> {
    messages::detach(tx.db, doing.command)?;
    let stored = access::shown(tx.db, person, tasks::by_row(tx.db, row)?)?;
    let task = stored.as_ref().map(|stored| &stored.task);
    let report = local(detached(task), task);
    let mut handled = tx.settled(person, command, report, None, Some(row))?;
    if let Handled::Settled { reply, .. } = &mut handled {
        reply.about = None;
    }
    Ok(handled)
}

/// Undoes a command that had reached no source.
fn undone_here(
    tx: &CommandTx<'_>,
    person: &Person,
    context: &Context,
    command: CommandId,
    doing: &RecentCommand,
    rows: &[OperationRow],
    instead: Option<&TaskKey>,
) -> Result<Handled, Stop> {
    let Some(row) = rows.first() else {
        return tx.settled(person, command, local(Text::new(), None), None, None);
    };
    let key = match &row.outcome {
        Some(outcome) => Some(outcome.task().key.clone()),
        None => row.operation.write.task().cloned(),
    };
    let stored = match &key {
        Some(key) => tasks::by_key(tx.db, key)?,
        None => None,
    };
    let task = stored.as_ref().map(|stored| &stored.task);
    let words = match (row.state, task) {
        (OperationState::Applied, Some(task)) => not_started(task),
        (_, Some(task)) => {
            let subject = Text::new().link(&task.title, &task.url);
            reply::not_sent(subject, row.operation.write.source())
        }
        (_, None) => {
            let subject = Text::new().text(title(tx, row, key.as_ref())?);
            reply::not_sent(subject, row.operation.write.source())
        }
    };
    let about = stored.as_ref().map(|stored| stored.row);
    let mut report = local(words, task);
    let mover = tx.mover(person, command, context);
    let pin = match instead {
        Some(other) => mover.instead(other, doing, about, &mut report)?,
        None => mover.back(doing, about, &mut report)?,
    };
    tx.settled(person, command, report, pin, about)
}

/// Whether an operation left, or may have left, an effect in its source.
fn leaves_something(row: &OperationRow) -> bool {
    match (row.state, &row.operation.write, &row.outcome) {
        // Its source has no status for work in progress.
        (OperationState::Applied, Write::Start { .. }, Some(Outcome::Applied(written))) => {
            written.task.status == TaskStatus::InProgress
        }
        (OperationState::Applied | OperationState::Pending, ..) => true,
        _ => false,
    }
}

/// Why the command of an undo button has nothing to undo.
pub(crate) fn cannot_be_undone(too_old: bool) -> Text {
    Text::new().text(match too_old {
        true => "That was more than 15 minutes ago, too late to undo.",
        false => "Nothing to undo: it changed nothing, or wasn't yours.",
    })
}

/// An `undo` whose author's newest command is not in this store.
pub(crate) fn last_is_not_known() -> Text {
    Text::new().text(
        "I was restored from a backup older than your last actions, so `undo` could revert the wrong one. Nothing \
             changed. Change the task in its source, or type `reopen REF`.",
    )
}

/// A check mark was removed from the card of a task that is not complete.
pub(crate) fn not_complete(task: &Task) -> Text {
    Text::new()
        .text("✓ Nothing to undo: ")
        .link(&task.title, &task.url)
        .text(format!(
            " is {} in {}",
            task.source_status,
            task.key.source().name()
        ))
}

/// The task that was to be used instead of a new one is complete.
pub(crate) fn other_is_complete(other: &Task) -> Text {
    Text::new()
        .link(&other.title, &other.url)
        .text(format!(
            " is {} in {} by now, so nothing was undone. ",
            other.source_status,
            other.key.source().name()
        ))
        .code("undo")
        .text(" takes the new one back.")
}

/// The undo of a `start` that had changed nothing in the source.
pub(crate) fn not_started(task: &Task) -> Text {
    Text::new()
        .text("Undone: ")
        .link(&task.title, &task.url)
        .text(" is no longer your current task")
}

/// The person has nothing to undo.
pub(crate) fn nothing_to_undo(undone_before: bool, too_old: bool) -> Text {
    Text::new().text(match (undone_before, too_old) {
        (true, _) => {
            "Nothing more to undo in the last 15 minutes. To redo something, type the command again."
        }
        (false, true) => {
            "Nothing to undo: your last action was more than 15 minutes ago. `reopen REF` reopens a task."
        }
        (false, false) => "Nothing to undo in the last 15 minutes.",
    })
}

/// A check mark was removed from the card of a task that stays complete, and why.
pub(crate) fn stays_complete(task: &Task, too_old: bool) -> Text {
    let why = match too_old {
        true => "you completed it more than 15 minutes ago",
        false => "someone else completed it",
    };
    Text::new()
        .link(&task.title, &task.url)
        .text(format!(
            " stays {} in {}: {why}. Type ",
            task.source_status,
            task.key.source().name()
        ))
        .code(format!("reopen {}", task.id))
        .text(" to reopen it.")
}

/// The command of an undo button was undone before.
pub(crate) fn undone_already() -> Text {
    Text::new().text("Already undone. To redo it, type the command again.")
}

/// After the undo of a `snooze`; an earlier snooze is in force again.
pub(crate) fn unsnoozed(task: &Task, before: Option<DateTime<Utc>>, zone: Tz) -> Text {
    let words = Text::new().text("Undone: ").link(&task.title, &task.url);
    match before {
        Some(before) => words
            .text(" is snoozed until ")
            .date(before, zone)
            .text(" again"),
        None => words.text(" is back in your queue"),
    }
}
