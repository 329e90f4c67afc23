//! Turns the outcomes of a command's operations into its report, message and pin, in the same transaction (P7).
//!
//! The outbox settles a command after each outcome of its operations. `commands` settles it when the person has to learn
//! that it is queued. Messages are rendered here from committed state only.

pub mod pins;
pub mod several;

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use crate::domain::card::{Card, CardPart, card, undo_buttons};
use crate::domain::change::{TaskChange, is_one_of};
use crate::domain::event::{Activity, ActivityKind, Actor, TaskField};
use crate::domain::ids::{CommandId, PinId, TaskRow};
use crate::domain::log::{self as entry, ActivityResult, Via};
use crate::domain::markdown;
use crate::domain::operation::{Outcome, Refusal, Write, WriteReceipt};
use crate::domain::person::Person;
use crate::domain::queue::HeldBack;
use crate::domain::reply::{self, Report, ReportState, Step, StepState, TaskBrief};
use crate::domain::score::{Score, Weights, rank, score};
use crate::domain::set_aside;
use crate::domain::signature;
use crate::domain::spelling;
use crate::domain::task::{Account, Task, TaskKey, TaskStatus};
use crate::domain::undo::{Effect, UndoTarget};
use crate::notices;
use crate::store::messages::MessageDraft;
use crate::store::open_tasks::{self, Moment};
use crate::store::operations::{self, CommandRow, OperationRow, OperationState, Surface};
use crate::store::tasks::{self, StoredTask};
use crate::store::{
    Db, DbResult, Tx, Wake, access, effects, forms, log, messages, people, reactions, restored,
    search, snoozes,
};

/// The reason for settling a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompletionTrigger {
    /// One of its operations has ended.
    Ended,
    /// An attempt failed and will be retried, or there was no answer for a while. The person is informed, and again in
    /// the same message if the reason changes.
    Waits,
}

/// Updates a command's report, its message and its author's pin.
pub fn settle(
    tx: &Tx<'_>,
    command: CommandId,
    occasion: CompletionTrigger,
    now: DateTime<Utc>,
    weights: &Weights,
) -> DbResult<()> {
    match operations::command(tx, command)? {
        Some(command) => settle_with(tx, command, None, occasion, now, weights),
        None => Ok(()),
    }
}

/// The same for a command that was just read, with the stored task of its outcome. The whole of a part has the message.
pub fn settle_with(
    tx: &Tx<'_>,
    command: CommandRow,
    seen: Option<&StoredTask>,
    occasion: CompletionTrigger,
    now: DateTime<Utc>,
    weights: &Weights,
) -> DbResult<()> {
    if command.has_parts {
        return several::settle(tx, &command, true, occasion, now, weights);
    }
    let whole = command.part_of;
    let has_changed = settle_alone(tx, command, seen, occasion, now, weights)?;
    match whole.filter(|_| has_changed) {
        Some(whole) => several::settle_whole_of(tx, whole, occasion, now, weights),
        None => Ok(()),
    }
}

/// Settles one command that has no parts. Returns whether its report changed.
fn settle_alone(
    tx: &Tx<'_>,
    command: CommandRow,
    seen: Option<&StoredTask>,
    occasion: CompletionTrigger,
    now: DateTime<Utc>,
    weights: &Weights,
) -> DbResult<bool> {
    if command.settled {
        return Ok(false);
    }
    let mut rows = operations::of_command(tx, command.id)?;
    let ended = rows.iter().all(|row| row.state != OperationState::Pending);
    if !ended && occasion == CompletionTrigger::Ended && !command.queued {
        return Ok(false);
    }
    let person = people::by_id(tx, command.person)?;
    let by_key = |key: &TaskKey| match seen {
        Some(seen) if seen.task.key == *key => Ok(Some(seen.clone())),
        _ => tasks::by_key(tx, key),
    };
    let known = rows
        .iter()
        .map(|row| match (row.operation.write.task(), &row.outcome) {
            // A task addressed by its custom id is stored under its own id.
            (Some(_), Some(outcome)) => by_key(&outcome.task().key),
            (Some(key), None) => by_key(key),
            // An undo of a creation that was still under way learns its task only from its outcome.
            (None, Some(outcome)) if matches!(row.operation.write, Write::Undo(_)) => {
                by_key(&outcome.task().key)
            }
            (None, _) => Ok(None),
        })
        .collect::<DbResult<Vec<_>>>()?;
    let called = rows
        .iter()
        .map(|row| called(tx, row))
        .collect::<DbResult<Vec<_>>>()?;
    // An operation behind another in its lane waits for the same reason.
    for row in &mut rows {
        if row.state == OperationState::Pending
            && !row.set_aside
            && row.why.is_none()
            && row.turn.is_none()
        {
            (row.why, row.turn) = operations::ahead_in_lane(tx, &row.lane)?;
        }
    }
    let mut steps = Vec::with_capacity(rows.len());
    for ((row, known), called) in rows.iter().zip(&known).zip(&called) {
        steps.push(step(tx, row, known.as_ref(), called, now)?);
    }
    let Some(mut report) = reply::report(&steps, person.alone, person.zone) else {
        return Ok(false);
    };
    let acted_on = known
        .first()
        .and_then(Option::as_ref)
        .map(|stored| stored.row);
    let (pin, next, moved) = move_on(
        tx,
        &command,
        &rows,
        acted_on,
        &person,
        &mut report,
        now,
        weights,
    )?;
    let about = match (acted_on, &report.task, rows.first()) {
        (Some(row), ..) => Some(row),
        (None, Some(_), Some(row)) => match &row.outcome {
            Some(outcome) => by_key(&outcome.task().key)?.map(|stored| stored.row),
            None => None,
        },
        _ => None,
    };
    let mut other = None;
    if let (None, Some(made)) = (acted_on, about) {
        forms::is_made(tx, command.id, made)?;
        if let Some(twin) = twin(tx, &command, &person, made, rows.first())? {
            report.message = reply::with_twin(report.message, &twin);
            other = Some(twin.key);
        }
    }
    if ended && matches!(report.state, ReportState::Refused(_) | ReportState::GivenUp) {
        // Nothing was undone, so the undo can be tried again.
        if let Some(stands) = effects::give_back(tx, command.id)? {
            let buttons = given_back(tx, stands, &person)?;
            messages::offers_undo(tx, stands, buttons)?;
        }
    }
    let json = tasks::json(&report)?;
    if !ended && command.report.as_ref() == Some(&json) {
        if let Some(pin) = moved {
            operations::moved(tx, command.id, pin)?;
        }
        return Ok(false);
    }
    operations::report_and_move(tx, command.id, &json, ended, moved, now)?;
    if ended {
        let stored = match (known.first(), seen, about) {
            (Some(Some(known)), _, Some(row)) if known.row == row => Some(known.clone()),
            (_, Some(seen), Some(row)) if seen.row == row => Some(seen.clone()),
            (_, _, Some(row)) => tasks::by_row(tx, row)?,
            (_, _, None) => None,
        };
        let first = rows.first().zip(called.first().map(String::as_str));
        let change = changed_by(&rows);
        record_with(tx, &command, &report, change, (stored.as_ref(), first), now)?;
    }
    let changed = rows.first().is_some_and(|row| {
        row.state == OperationState::Applied && !matches!(row.operation.write, Write::Undo(_))
    });
    if ended {
        let rows = rows
            .iter()
            .zip(known.iter().map(|known| known.as_ref().or(seen)));
        tell_others(tx, &person, &command, rows, now)?;
    }
    if command.part_of.is_some() {
        return Ok(true);
    }
    let can_undo = ended && changed && report.state == ReportState::Done && !command.undone;
    let undo = can_undo.then(|| undo_buttons(&command.uid, other.as_ref()));
    let next = match next {
        Some((row, task, score)) => Some(card(row, &task, &score, now, person.zone)),
        None => shown_next(tx, &report, &person, now, weights)?,
    };
    let parts = with_next(&report, next, undo);
    if command.has_reaction {
        by_reaction(tx, command.id, &report, now)?;
    }
    let shown = (pin, about);
    messages::say(tx, command.id, &report.words(), &parts, shown, now)?;
    tx.wake(Wake::Messages);
    tx.wake(Wake::Settled);
    tx.wake(Wake::Homes);
    Ok(true)
}

/// An open task in the same place whose title is nearly that of a task just made. In a channel only if everybody may
/// name every task.
fn twin(
    tx: &Tx<'_>,
    command: &CommandRow,
    person: &Person,
    made: TaskRow,
    row: Option<&OperationRow>,
) -> DbResult<Option<Task>> {
    let is_new = row.is_some_and(|row| {
        row.state == OperationState::Applied && matches!(row.operation.write, Write::Create(_))
    });
    if !is_new || command.undone || (command.via == Via::Channel && !access::is_open(tx)) {
        return Ok(None);
    }
    let Some(made) = tasks::by_row(tx, made)? else {
        return Ok(None);
    };
    let title = &made.task.title;
    if !spelling::is_compared(title) {
        return Ok(None);
    }
    let place = (made.task.key.source(), made.task.container.as_str());
    let (words, halves) = (spelling::words_of(title), spelling::halves_of(title));
    for (row, other) in search::titled(tx, place, &words, &halves)? {
        if row == made.row || !spelling::is_alike(title, &other) {
            continue;
        }
        if let Some(other) = tasks::by_row(tx, row)?
            && access::may_name(tx, person, &other)?
        {
            return Ok(Some(other.task));
        }
    }
    Ok(None)
}

/// The undo buttons of a command whose undo failed.
fn given_back(tx: &Tx<'_>, command: CommandId, person: &Person) -> DbResult<Option<CardPart>> {
    let Some(command) = operations::command(tx, command)? else {
        return Ok(None);
    };
    let rows = operations::of_command(tx, command.id)?;
    let made = rows.first().and_then(|row| row.outcome.as_ref());
    let other = match made {
        Some(outcome) => match tasks::by_key(tx, &outcome.task().key)? {
            Some(made) => twin(tx, &command, person, made.row, rows.first())?,
            None => None,
        },
        None => None,
    };
    let other = other.map(|other| other.key);
    Ok(Some(undo_buttons(&command.uid, other.as_ref())))
}

/// Logs the result of a command, in the transaction with its outcome.
pub fn record(
    tx: &Tx<'_>,
    command: &CommandRow,
    report: &Report,
    (change, cancelled): (entry::LoggedChange, bool),
    about: Option<TaskRow>,
    now: DateTime<Utc>,
) -> DbResult<()> {
    let stored = match about {
        Some(row) => tasks::by_row(tx, row)?,
        None => None,
    };
    let first = operations::of_command(tx, command.id)?.into_iter().next();
    let named = match &first {
        Some(row) => called(tx, row)?,
        None => String::new(),
    };
    let first = first.as_ref().map(|row| (row, named.as_str()));
    let change = (change, cancelled);
    record_with(tx, command, report, change, (stored.as_ref(), first), now)
}

/// The same with the stored task, and with the first operation and the display name of its task.
fn record_with(
    tx: &Tx<'_>,
    command: &CommandRow,
    report: &Report,
    (change, cancelled): (entry::LoggedChange, bool),
    (stored, first): (Option<&StoredTask>, Option<(&OperationRow, &str)>),
    now: DateTime<Utc>,
) -> DbResult<()> {
    let came = ActivityResult::of(report, cancelled);
    let (title, source) = match first {
        Some((row, called)) => (
            match &row.operation.write {
                Write::Create(new) => new.title.clone(),
                Write::Undo(undo) => undo.title.clone(),
                _ => called.to_owned(),
            },
            Some(row.operation.write.source()),
        ),
        None => (String::new(), None),
    };
    let task = stored.map(|stored| &stored.task);
    let detail = report.message.plain();
    let entry = log::NewEntry {
        at: command.typed_at,
        person: Some(command.person),
        account: None,
        via: command.via,
        token: command.token.as_deref(),
        verb: &command.verb,
        came,
        source: task.map(|task| task.key.source()).or(source),
        row: stored.map(|stored| stored.row),
        title: &title,
        task,
        change,
        detail: matches!(came, ActivityResult::Refused | ActivityResult::GivenUp)
            .then_some(detail.as_str()),
    };
    log::keep(tx, &entry, now)
}

/// The change that a command's operations made, and whether it was undone before it was sent.
fn changed_by(rows: &[OperationRow]) -> (entry::LoggedChange, bool) {
    let Some((first, rest)) = rows.split_first() else {
        return (entry::LoggedChange::default(), false);
    };
    let of = |row: &OperationRow| {
        entry::change(
            &row.operation.write,
            row.operation.past.before.as_deref(),
            row.outcome.as_ref(),
        )
    };
    let mut changed = of(first);
    // The comment of a `done -c`, if it was applied.
    for row in rest
        .iter()
        .filter(|row| row.state == OperationState::Applied)
    {
        changed.text = changed.text.or(of(row).text);
    }
    (changed, first.state == OperationState::Cancelled)
}

/// Notifies other people concerned by a colleague's writes, which come back from the source as our own.
fn tell_others<'a>(
    tx: &Tx<'_>,
    author: &Person,
    command: &CommandRow,
    rows: impl Iterator<Item = (&'a OperationRow, Option<&'a StoredTask>)>,
    now: DateTime<Utc>,
) -> DbResult<()> {
    for (row, known) in rows {
        let Some(Outcome::Applied(written)) = &row.outcome else {
            continue;
        };
        let stored = match known.filter(|known| known.task.key == written.task.key) {
            Some(known) => Some(known.clone()),
            None => tasks::by_key(tx, &written.task.key)?,
        };
        let Some(stored) = stored else {
            continue;
        };
        let account = author.account(stored.task.key.source());
        let by = Actor {
            account: Account {
                id: account.map(|account| account.id).unwrap_or_default(),
                name: author.name.clone(),
            },
            bot: false,
            us: false,
            outside: false,
        };
        let news: Vec<Activity> = deeds(tx, author, row, written)?
            .into_iter()
            .map(|what| Activity {
                by: Some(by.clone()),
                at: now,
                what,
            })
            .collect();
        let is_comment = matches!(row.operation.write, Write::Comment { .. });
        // The people of a channel read its comments there.
        if !is_comment || command.via != Via::Channel {
            notices::tell(tx, None, &stored, &news, Some(author.id), now)?;
        }
        if is_comment {
            let whole = command.part_of.unwrap_or(command.id);
            let written_in = messages::given_in(tx, whole)?;
            notices::tell_threads(tx, &stored, &news, &written_in, now)?;
        }
    }
    Ok(())
}

/// The activities to report for an applied operation.
fn deeds(
    tx: &Tx<'_>,
    author: &Person,
    row: &OperationRow,
    written: &WriteReceipt,
) -> DbResult<Vec<ActivityKind>> {
    let task = &written.task;
    Ok(match &row.operation.write {
        Write::Complete { .. } => vec![ActivityKind::Completed],
        Write::Reopen { .. } => vec![ActivityKind::Reopened],
        Write::Comment { text, .. } => {
            let account = author.account(task.key.source());
            let names = [
                Some(author.name.clone()),
                account.map(|account| account.name),
            ];
            let text = names
                .iter()
                .flatten()
                .fold(text.clone(), |text, name| signature::unsigned(text, name));
            let text = match task.key.source().profile().markdown {
                // The text as typed, because notices are read in Slack.
                true => markdown::plain(&text.to_string()).into(),
                false => text,
            };
            vec![ActivityKind::Commented {
                id: written.trace.clone().unwrap_or_default(),
                text,
                operation: None,
            }]
        }
        Write::Create(new) => {
            let given = new.assigned_in(task).into_iter();
            given
                .map(|to| ActivityKind::Assigned { to: to.clone() })
                .collect()
        }
        Write::Change { change, .. } => changed(tx, task, change)?,
        Write::Undo(undo) => match operations::to_undo(tx, &undo.operation)? {
            UndoTarget::Effect(Effect::Completed { .. }) => vec![ActivityKind::Reopened],
            UndoTarget::Effect(Effect::Reopened { .. }) => vec![ActivityKind::Completed],
            UndoTarget::Effect(Effect::Changed { back, .. }) => changed(tx, task, &back)?,
            _ => Vec::new(),
        },
        Write::Start { .. } | Write::Upload { .. } => Vec::new(),
    })
}

fn changed(tx: &Tx<'_>, task: &Task, change: &TaskChange) -> DbResult<Vec<ActivityKind>> {
    let source = task.key.source();
    Ok(match change {
        TaskChange::Assign { add, remove } => {
            let assignees = task.assignees.iter();
            let given = assignees.filter(|account| is_one_of(source, account, add));
            let given = given.map(|to| ActivityKind::Assigned { to: to.clone() });
            let assigned: Vec<Account> = remove
                .iter()
                .map(|handle| Account {
                    id: handle.clone(),
                    name: handle.clone(),
                })
                .collect();
            let people = people::among(tx, &[], source, &assigned.iter().collect::<Vec<_>>())?;
            let taken = people.iter().filter_map(|person| person.account(source));
            let taken = taken
                .filter(|account| is_one_of(source, account, remove))
                .map(|from| ActivityKind::Unassigned { from });
            given.chain(taken).collect()
        }
        TaskChange::Due(_) | TaskChange::DueOn(_) => vec![ActivityKind::Changed {
            field: TaskField::Due,
        }],
        // People are told of no other change.
        _ => Vec::new(),
    })
}

/// Sets the command's reaction to its current state, if it has one. Adds a message if the state needs words and no
/// message has them.
fn by_reaction(
    tx: &Tx<'_>,
    command: CommandId,
    report: &Report,
    now: DateTime<Utc>,
) -> DbResult<()> {
    let Some(telling) = reactions::of_command(tx, command)? else {
        return Ok(());
    };
    let refused = matches!(
        report.state,
        ReportState::Refused(_) | ReportState::GivenUp | ReportState::SetAside
    );
    if refused && telling.alone && !messages::tells(tx, command)? {
        let draft = MessageDraft {
            channel: telling.channel,
            thread: telling.thread,
            person: telling.person,
            command: Some(command),
            ..MessageDraft::default()
        };
        let uid = ulid::Ulid::from_datetime(now.into()).to_string();
        messages::add(tx, &draft, &uid, now)?;
    }
    let wanted = (!refused || telling.refusals).then(|| report.state.sign());
    if reactions::want(tx, telling.id, wanted)? {
        tx.wake(Wake::Reactions);
    }
    Ok(())
}

/// The card of the next task that a report names.
fn shown_next(
    connection: &Db,
    report: &Report,
    person: &Person,
    now: DateTime<Utc>,
    weights: &Weights,
) -> DbResult<Option<Card>> {
    let next = match &report.next {
        Some(next) => tasks::by_shown_id(connection, &next.task_id)?,
        None => None,
    };
    next.map(|next| shown(connection, &next, person, now, weights))
        .transpose()
}

/// The result, the next task as a card, and the button that undoes the command with the uid `undo`.
pub fn parts(
    connection: &Db,
    report: &Report,
    undo: Option<&str>,
    person: &Person,
    now: DateTime<Utc>,
    weights: &Weights,
) -> DbResult<Vec<CardPart>> {
    let next = shown_next(connection, report, person, now, weights)?;
    let undo = undo.map(|uid| undo_buttons(uid, None));
    Ok(with_next(report, next, undo))
}

fn with_next(report: &Report, next: Option<Card>, undo: Option<CardPart>) -> Vec<CardPart> {
    let told = match next {
        Some(next) => vec![
            CardPart::Text(report.lead().text("\nNext:")),
            CardPart::Card(next),
        ],
        None if undo.is_some() => vec![CardPart::Text(report.words())],
        None => Vec::new(),
    };
    told.into_iter().chain(undo).collect()
}

/// A task as currently shown to a person.
pub fn shown(
    connection: &Db,
    stored: &StoredTask,
    person: &Person,
    now: DateTime<Utc>,
    weights: &Weights,
) -> DbResult<Card> {
    let points = points(connection, stored, person, now, weights)?;
    Ok(card(stored.row, &stored.task, &points, now, person.zone))
}

/// The points of one task.
pub fn points(
    connection: &Db,
    stored: &StoredTask,
    person: &Person,
    now: DateTime<Utc>,
    weights: &Weights,
) -> DbResult<Score> {
    let (_, waits) = open_tasks::waits(connection, now)?;
    let waiting = waits.people_waiting_for(stored.row);
    Ok(score(&stored.task, waiting, now, person.zone, weights))
}

fn step<'a>(
    tx: &Tx<'_>,
    row: &'a OperationRow,
    known: Option<&'a StoredTask>,
    called: &'a str,
    now: DateTime<Utc>,
) -> DbResult<Step<'a>> {
    let why = row.why.as_deref();
    let completed_here = match row.operation.write.task() {
        Some(key) if row.state == OperationState::AlreadySo && !by_another(row) => {
            operations::completed_here(tx, key)? || closed_in_lost_time(tx, row)?
        }
        _ => false,
    };
    Ok(Step {
        operation_id: &row.operation.id,
        write: &row.operation.write,
        known: known.map(|stored| &stored.task),
        called,
        completed_here,
        end: match (row.state, &row.outcome) {
            (OperationState::Pending, _) if row.set_aside => StepState::SetAside {
                why: why.unwrap_or(set_aside::BEHIND),
                perhaps_applied: row.operation.interrupted,
            },
            (OperationState::Pending, _) => StepState::Pending {
                why,
                turn: row.turn.filter(|at| *at > now),
            },
            (OperationState::Refused, _) => StepState::Refused(
                row.refusal.unwrap_or(Refusal::Other),
                why.unwrap_or("No reason was given"),
            ),
            (OperationState::GivenUp, _) => StepState::GivenUp {
                why: why.unwrap_or("It never answered"),
                perhaps_applied: row.operation.interrupted,
            },
            (
                OperationState::Applied | OperationState::AlreadySo | OperationState::Overtaken,
                Some(outcome),
            ) => StepState::Well(outcome),
            (OperationState::Cancelled, _)
            | (
                OperationState::Applied | OperationState::AlreadySo | OperationState::Overtaken,
                None,
            ) => StepState::Cancelled,
        },
    })
}

/// Whether it was completed in a time that a restored store does not know: perhaps by Ivan.
fn closed_in_lost_time(tx: &Tx<'_>, row: &OperationRow) -> DbResult<bool> {
    let task = row.outcome.as_ref().map(Outcome::task);
    match task.and_then(|task| task.closed.as_ref()?.at) {
        Some(at) => restored::is_lost(tx, at),
        None => Ok(false),
    }
}

/// Whether the source says that another person completed it.
fn by_another(row: &OperationRow) -> bool {
    let closed = row
        .outcome
        .as_ref()
        .and_then(|outcome| outcome.task().closed.as_ref());
    closed.and_then(|closed| closed.by_us) == Some(false)
}

/// The display name of an operation's task, which the mirror may not have; empty for a task to be created.
pub fn called(connection: &Db, row: &OperationRow) -> DbResult<String> {
    let Some(key) = row.operation.write.task() else {
        return Ok(String::new());
    };
    let Some((repository, number)) = key.github_parts() else {
        return Ok(key.as_str().to_owned());
    };
    let name = tasks::container_name(connection, key.source(), &repository.to_string())?;
    Ok(format!("{}#{number}", name.unwrap_or_default()))
}

/// A task of a queue, with its row and points.
type RankedTask = (TaskRow, Task, Score);

/// After a completion, done or queued, moves the person on to the next task; also from a task that is gone. Returns the
/// pin that the message shows, the next task if it was read, and the pin if it moved for this command, which is still to
/// be recorded.
#[expect(
    clippy::too_many_arguments,
    reason = "the pieces of one decision, read from one transaction"
)]
fn move_on(
    tx: &Tx<'_>,
    command: &CommandRow,
    rows: &[OperationRow],
    acted_on: Option<TaskRow>,
    person: &Person,
    report: &mut Report,
    now: DateTime<Utc>,
    weights: &Weights,
) -> DbResult<(Option<PinId>, Option<RankedTask>, Option<PinId>)> {
    let asked_to_complete = rows
        .first()
        .is_some_and(|row| matches!(row.operation.write, Write::Complete { .. }));
    let moves = matches!(
        report.state,
        ReportState::Done
            | ReportState::Queued
            | ReportState::Refused(Refusal::Gone | Refusal::NotMirrored)
    );
    let taken_back = rows.first().is_some_and(|row| {
        row.state == OperationState::Cancelled && !matches!(row.operation.write, Write::Undo(_))
    });
    if taken_back {
        // The command was undone: the undo's reply has the current task.
        return Ok((None, None, None));
    }
    if command.moved {
        // The message has already announced the next task, which stays for any outcome.
        if let Some(Ok(said)) = command
            .report
            .as_deref()
            .map(serde_json::from_str::<Report>)
        {
            report.next = said.next;
            report.emptied = said.emptied;
            report.held_back = said.held_back;
        }
        return Ok((None, None, None));
    }
    let mover = pins::PinMover {
        tx,
        person,
        command: command.id,
        surface: command.surface,
        now,
        weights,
    };
    match rows.first().map(|row| &row.operation.write) {
        Some(Write::Start { .. }) => return Ok((mover.start(acted_on, report)?, None, None)),
        Some(Write::Undo(_)) if report.state == ReportState::Done => {
            return match effects::undone_by(tx, command.id)? {
                Some(undone) => {
                    let instead = rows.first().and_then(|row| match &row.operation.write {
                        Write::Undo(undo) => undo.instead.as_ref(),
                        _ => None,
                    });
                    let pin = match instead {
                        Some(other) => mover.instead(other, &undone, acted_on, report)?,
                        None => mover.back(&undone, acted_on, report)?,
                    };
                    Ok((pin, None, None))
                }
                None => Ok((None, None, None)),
            };
        }
        _ => {}
    }
    if !asked_to_complete || !moves {
        return Ok((None, None, None));
    }
    let current = people::current_pin(tx, person.id)?;
    let elsewhere = current
        .filter(|pin| pin.task.is_some() && pin.task != acted_on)
        .and_then(|pin| Some((pin.id, pin.task?)));
    if let Some((pin, task)) = elsewhere {
        let well = matches!(report.state, ReportState::Done | ReportState::Queued);
        if well
            && let Some(stored) = access::shown(tx, person, tasks::by_row(tx, task)?)?
            && stored.task.status != TaskStatus::Done
            && !stored.gone
        {
            report.next = Some(TaskBrief::from(&stored.task));
            let points = points(tx, &stored, person, now, weights)?;
            return Ok((Some(pin), Some((task, stored.task, points)), None));
        }
        return Ok((None, None, None));
    }
    let next = first_of_queue(tx, person, acted_on, now, weights)?;
    let shown_at = (command.surface == Surface::Api).then_some(now);
    let pin = people::pin(
        tx,
        person.id,
        next.as_ref().map(|(row, ..)| *row),
        now,
        shown_at,
    )?;
    report.emptied = next.is_none();
    if report.emptied {
        report.held_back = left_out(tx, person, acted_on, now, weights)?;
    }
    report.next = next.as_ref().map(|(_, task, _)| TaskBrief::from(task));
    Ok((Some(pin), next, Some(pin)))
}

/// A person's queue in order, without tasks being completed, blocked tasks, and snoozed ones.
pub fn queue(
    connection: &Db,
    person: &Person,
    now: DateTime<Utc>,
    weights: &Weights,
) -> DbResult<Ranked> {
    Ok(open(connection, person, now, weights)?.offered)
}

/// Tasks in their order, with their rows and points.
pub type Ranked = Vec<(TaskRow, Task, Score)>;

/// A person's open tasks, in order.
#[derive(Debug, Default)]
pub struct OpenTasks {
    /// Their queue.
    pub offered: Ranked,
    /// Tasks that are not offered because they are blocked or snoozed.
    pub held_back: Ranked,
    /// Rows of `held_back`; a task may be in both.
    pub blocked: BTreeSet<TaskRow>,
    /// Rows of `held_back` that the person has snoozed.
    pub snoozed: BTreeSet<TaskRow>,
}

impl OpenTasks {
    /// The numbers of tasks that are not offered.
    pub fn left_out(&self) -> HeldBack {
        HeldBack {
            blocked: self.blocked.len(),
            snoozed: self.snoozed.len(),
        }
    }
}

/// The tasks that a person's empty queue leaves out, but for one.
pub fn left_out(
    connection: &Db,
    person: &Person,
    besides: Option<TaskRow>,
    now: DateTime<Utc>,
    weights: &Weights,
) -> DbResult<HeldBack> {
    let mut open = open(connection, person, now, weights)?;
    if let Some(row) = besides {
        open.blocked.remove(&row);
        open.snoozed.remove(&row);
    }
    Ok(open.left_out())
}

/// A person's open tasks, offered or not, without those being completed.
pub fn open(
    connection: &Db,
    person: &Person,
    now: DateTime<Utc>,
    weights: &Weights,
) -> DbResult<OpenTasks> {
    let put_off = snoozes::hidden(connection, person.id, now)?;
    let (leaving, waits) = open_tasks::waits(connection, now)?;
    let mut rows = std::collections::BTreeMap::new();
    let mut found = Vec::new();
    let mut open = OpenTasks::default();
    let at = Moment {
        now,
        weights,
        waits: &waits,
    };
    for stored in open_tasks::of(connection, person, at)? {
        if leaving.contains(&stored.row) {
            continue;
        }
        if waits.is_blocked(stored.row) {
            open.blocked.insert(stored.row);
        }
        if put_off.contains(&stored.row) {
            open.snoozed.insert(stored.row);
        }
        rows.insert(stored.task.key.clone(), stored.row);
        found.push((stored.task, waits.people_waiting_for(stored.row)));
    }
    let ranked = rank(found, now, person.zone, weights)
        .into_iter()
        .filter_map(|(task, score)| Some((*rows.get(&task.key)?, task, score)));
    (open.held_back, open.offered) =
        ranked.partition(|(row, ..)| open.blocked.contains(row) || open.snoozed.contains(row));
    Ok(open)
}

/// The first of a person's queue that is not `besides`.
pub fn first_of_queue(
    connection: &Db,
    person: &Person,
    besides: Option<TaskRow>,
    now: DateTime<Utc>,
    weights: &Weights,
) -> DbResult<Option<(TaskRow, Task, Score)>> {
    next_in_queue(connection, person, (None, besides), now, weights)
}

/// The task behind `after` in a person's queue that is not `besides`; the end leads back to the first.
pub fn next_in_queue(
    connection: &Db,
    person: &Person,
    (after, besides): (Option<TaskRow>, Option<TaskRow>),
    now: DateTime<Utc>,
    weights: &Weights,
) -> DbResult<Option<(TaskRow, Task, Score)>> {
    let put_off = snoozes::hidden(connection, person.id, now)?;
    let (leaving, waits) = open_tasks::waits(connection, now)?;
    let offers = |row: TaskRow| {
        Some(row) != besides
            && !leaving.contains(&row)
            && !put_off.contains(&row)
            && !waits.is_blocked(row)
    };
    let at = Moment {
        now,
        weights,
        waits: &waits,
    };
    let Some(row) = open_tasks::next(connection, person, at, after, &offers)? else {
        return Ok(None);
    };
    Ok(tasks::by_row(connection, row)?.map(|stored| {
        let waiting = waits.people_waiting_for(row);
        let points = score(&stored.task, waiting, now, person.zone, weights);
        (row, stored.task, points)
    }))
}
