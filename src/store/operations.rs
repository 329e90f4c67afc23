//! Commands and their operations: the table of the outbox.

use std::collections::BTreeSet;

use super::db::Db;
use super::{Store, Tx};
use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, Row, params};

use super::columns::{corrupt, from_json, json, micros, millis};
use crate::domain::change::TaskChange;
use crate::domain::ids::{CommandId, OperationSeq, PinId, TaskRow};
use crate::domain::log::Via;
use crate::domain::mention_text::MentionText;
use crate::domain::operation::{
    Operation, OperationHistory, Outcome, OwnCompletion, Refusal, Write,
};
use crate::domain::person::PersonId;
use crate::domain::task::{Source, TaskKey};
use crate::domain::undo::{Effect, UndoTarget};

/// The side that a command came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surface {
    /// Slack, in any way: a message, a button, a form.
    Slack,
    /// The HTTP API, `ivan` on the command line included.
    Api,
}

impl Surface {
    fn as_str(self) -> &'static str {
        match self {
            Surface::Slack => "slack",
            Surface::Api => "api",
        }
    }
}

/// A command to be committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCommand {
    /// The person who gave it.
    pub person: PersonId,
    /// The side that it came from.
    pub surface: Surface,
    /// The verb's name: `done`.
    pub verb: &'static str,
    /// How it was given; `None` if nobody typed it.
    pub via: Option<Via>,
    /// The name of the API's token; `None` for the single one, and in Slack.
    pub token: Option<String>,
    /// UTC, when the person gave it; in Slack by Slack's clock.
    pub typed_at: DateTime<Utc>,
    /// The `Idempotency-Key`, and a fingerprint of its request.
    pub once: Option<(String, String)>,
}

/// A stored command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandRow {
    /// The row.
    pub id: CommandId,
    /// The person who gave it.
    pub person: PersonId,
    /// The side that it came from.
    pub surface: Surface,
    /// How it was given. Rows older than this column have the surface only.
    pub via: Via,
    /// The name of the API's token; `None` for the single one, and in Slack.
    pub token: Option<String>,
    /// The verb's name: `done`.
    pub verb: String,
    /// UTC, when the person gave it; in Slack by Slack's clock.
    pub typed_at: DateTime<Utc>,
    /// Whether a report without an outcome was ever stored.
    pub queued: bool,
    /// Whether the report is final.
    pub settled: bool,
    /// Whether it moved the person's pin.
    pub moved: bool,
    /// The newest report, as JSON.
    pub report: Option<String>,
    /// The id in buttons and forms.
    pub uid: String,
    /// Whether another command has undone it.
    pub undone: bool,
    /// Whether a reaction shows its outcome.
    pub has_reaction: bool,
    /// The command for several tasks that this one is a part of.
    pub part_of: Option<CommandId>,
    /// Whether it is for several tasks: its parts have the operations.
    pub has_parts: bool,
}

/// The state of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperationState {
    /// Without an outcome: waiting, under way, or set aside.
    Pending,
    /// The source accepted the write.
    Applied,
    /// Another author had done it already.
    AlreadySo,
    /// Perhaps applied, and then changed by another author.
    Overtaken,
    /// The source refused it, and would again.
    Refused,
    /// Ended without a result: too late, its source not configured, or set aside too long. Perhaps applied.
    GivenUp,
    /// An earlier operation of its command did not succeed, or it was taken back before it was sent.
    Cancelled,
}

impl OperationState {
    const ALL: [OperationState; 7] = [
        OperationState::Pending,
        OperationState::Applied,
        OperationState::AlreadySo,
        OperationState::Overtaken,
        OperationState::Refused,
        OperationState::GivenUp,
        OperationState::Cancelled,
    ];

    /// The name in the table, the API and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            OperationState::Pending => "pending",
            OperationState::Applied => "applied",
            OperationState::AlreadySo => "already_so",
            OperationState::Overtaken => "overtaken",
            OperationState::Refused => "refused",
            OperationState::GivenUp => "given_up",
            OperationState::Cancelled => "cancelled",
        }
    }
}

/// A stored operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationRow {
    /// The row; lower numbers of a lane go first.
    pub seq: OperationSeq,
    /// The row of its command.
    pub command: CommandId,
    /// The lane, in which operations run one after another: `<person>/<source>:<task>`.
    pub lane: String,
    /// The write, with the facts that it needs.
    pub operation: Operation,
    /// Whether it has an outcome, and which.
    pub state: OperationState,
    /// The number of attempts so far, without one under way.
    pub attempts: u32,
    /// UTC, no attempt before this time; `None` if any time is right.
    pub not_before: Option<DateTime<Utc>>,
    /// The last failure, as text.
    pub why: Option<String>,
    /// The kind of refusal; `None` unless refused.
    pub refusal: Option<Refusal>,
    /// The source's result; `None` unless successful.
    pub outcome: Option<Outcome>,
    /// UTC, when it was added.
    pub created_at: DateTime<Utc>,
    /// The time of its next attempt, if that is certain: after a rate limit, or by its place in the line.
    pub turn: Option<DateTime<Utc>>,
    /// The time just before it was last sent.
    pub sent_at: Option<DateTime<Utc>>,
    /// Whether it is set aside because it, or one that it depends on, ended the process twice.
    pub set_aside: bool,
}

/// The margin for searches, which begin a few minutes before their operation because clocks differ.
const CLAIMED_SINCE_BEFORE: chrono::Duration = chrono::Duration::hours(1);

const COLUMNS: &str = "seq, id, command_id, lane, write, state, attempts, begun_us, interrupted, looks, not_before_ms, \
                       why, refusal, outcome, created_ms, turn_ms, sent_ms, before, set_aside";

/// Inserts a command at `now`; returns its row. Fails if the person's `Idempotency-Key` exists already.
pub fn add_command(
    tx: &Tx<'_>,
    command: &NewCommand,
    now: DateTime<Utc>,
) -> rusqlite::Result<CommandId> {
    let (key, fingerprint) = command.once.clone().unzip();
    let uid = ulid::Ulid::from_datetime(now.into()).to_string();
    tx.execute(
        "INSERT INTO commands (person_id, surface, verb, typed_us, created_ms, once_key, fingerprint, uid, via, token)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        params![
            command.person,
            command.surface.as_str(),
            command.verb,
            command.typed_at.timestamp_micros(),
            now.timestamp_millis(),
            key,
            fingerprint,
            uid,
            command.via.map(Via::as_str),
            command.token,
        ],
    )?;
    let id = tx.inserted(CommandId);
    tx.note_command(id, command.typed_at);
    Ok(id)
}

/// The command with this uid, which undo buttons carry.
pub fn by_uid(connection: &Db, uid: &str) -> rusqlite::Result<Option<CommandId>> {
    connection
        .query_row(
            "SELECT id FROM commands WHERE uid = ?1 AND uid <> ''",
            [uid],
            |row| row.get(0),
        )
        .optional()
}

/// The uid of a command.
pub fn uid(connection: &Db, command: CommandId) -> rusqlite::Result<String> {
    connection.query_row("SELECT uid FROM commands WHERE id = ?1", [command], |row| {
        row.get(0)
    })
}

/// The command that came with this `Idempotency-Key`, and the fingerprint of its request.
pub fn once(
    connection: &Db,
    person: PersonId,
    key: &str,
) -> rusqlite::Result<Option<(CommandId, String)>> {
    connection
        .query_row(
            "SELECT id, fingerprint FROM commands WHERE person_id = ?1 AND once_key = ?2",
            params![person, key],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()
}

/// The columns of a command, `c`.
const OF_COMMAND: &str = "c.id, person_id, surface, queued_ms IS NOT NULL, settled_ms IS NOT NULL, moved, report, via, \
                          verb, typed_us, uid, undone_by IS NOT NULL, \
                          EXISTS (SELECT 1 FROM reactions WHERE command_id = c.id), token, part_of, \
                          EXISTS (SELECT 1 FROM commands part WHERE part.part_of = c.id)";

/// The command in this row; `None` if there is none.
pub fn command(connection: &Db, id: CommandId) -> rusqlite::Result<Option<CommandRow>> {
    connection
        .query_row(
            &format!("SELECT {OF_COMMAND} FROM commands c WHERE c.id = ?1"),
            [id],
            command_row,
        )
        .optional()
}

/// Whether a command has its final report; also if it is gone.
pub fn is_settled(connection: &Db, id: CommandId) -> rusqlite::Result<bool> {
    connection.query_row(
        "SELECT NOT EXISTS (SELECT 1 FROM commands WHERE id = ?1 AND settled_ms IS NULL)",
        [id],
        |row| row.get(0),
    )
}

/// The command of an operation, if that is still pending: it may have been taken back since it was read.
pub fn pending_command(connection: &Db, seq: OperationSeq) -> rusqlite::Result<Option<CommandRow>> {
    connection
        .query_row(
            &format!(
                "SELECT {OF_COMMAND} FROM operations o JOIN commands c ON c.id = o.command_id
                 WHERE o.seq = ?1 AND o.state = 'pending'"
            ),
            [seq],
            command_row,
        )
        .optional()
}

fn command_row(row: &Row<'_>) -> rusqlite::Result<CommandRow> {
    let surface = match row.get::<_, String>(2)?.as_str() {
        "slack" => Surface::Slack,
        _ => Surface::Api,
    };
    let via = row.get::<_, Option<String>>(7)?;
    Ok(CommandRow {
        id: row.get(0)?,
        person: row.get(1)?,
        surface,
        via: via
            .and_then(|word| Via::parse(&word))
            .unwrap_or(match surface {
                Surface::Slack => Via::Slack,
                Surface::Api => Via::Http,
            }),
        verb: row.get(8)?,
        typed_at: micros(row.get(9)?),
        queued: row.get(3)?,
        settled: row.get(4)?,
        moved: row.get(5)?,
        report: row.get(6)?,
        uid: row.get(10)?,
        undone: row.get(11)?,
        has_reaction: row.get(12)?,
        token: row.get(13)?,
        part_of: row.get(14)?,
        has_parts: row.get(15)?,
    })
}

/// Makes a command a part of the `whole` one, which is for several tasks.
pub fn is_part(tx: &Db, command: CommandId, whole: CommandId) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE commands SET part_of = ?2 WHERE id = ?1",
        [command, whole],
    )?;
    Ok(())
}

/// The parts of a command for several tasks, in the order in which they were stored.
pub fn parts(connection: &Db, whole: CommandId) -> rusqlite::Result<Vec<CommandRow>> {
    connection.query_map(
        &format!("SELECT {OF_COMMAND} FROM commands c WHERE c.part_of = ?1 ORDER BY c.id"),
        [whole],
        command_row,
    )
}

/// The id of the first operation of a command's parts; `None` if no part sends anything to a source.
pub fn first_of_parts(connection: &Db, whole: CommandId) -> rusqlite::Result<Option<String>> {
    connection
        .query_row(
            "SELECT o.id FROM commands part JOIN operations o ON o.command_id = part.id
             WHERE part.part_of = ?1 ORDER BY o.seq LIMIT 1",
            [whole],
            |row| row.get(0),
        )
        .optional()
}

/// Stores the current report of a command; `settled` if that is final.
pub fn report(
    tx: &Tx<'_>,
    command: CommandId,
    report: &str,
    settled: bool,
    now: DateTime<Utc>,
) -> rusqlite::Result<()> {
    report_and_move(tx, command, report, settled, None, now)
}

/// The same; and the person's pin has moved to `moved` for this command.
pub fn report_and_move(
    tx: &Tx<'_>,
    command: CommandId,
    report: &str,
    settled: bool,
    moved: Option<PinId>,
    now: DateTime<Utc>,
) -> rusqlite::Result<()> {
    let at = now.timestamp_millis();
    tx.execute(
        "UPDATE commands SET report = ?2,
             queued_ms = CASE WHEN ?3 THEN queued_ms ELSE ifnull(queued_ms, ?4) END,
             settled_ms = CASE WHEN ?3 THEN ?4 END,
             moved = moved OR ?5 IS NOT NULL, next_pin = ifnull(?5, next_pin)
         WHERE id = ?1",
        params![command, report, settled, at, moved],
    )?;
    #[cfg(feature = "otel")]
    if settled {
        tx.wake(super::Wake::Ended(command));
    }
    Ok(())
}

/// Records that the person's pin has moved to `pin` for this command.
pub fn moved(tx: &Db, command: CommandId, pin: PinId) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE commands SET moved = 1, next_pin = ?2 WHERE id = ?1",
        params![command, pin],
    )?;
    Ok(())
}

/// Commands without any report. After a restart their people are told that they wait.
pub fn untold(connection: &Db) -> rusqlite::Result<Vec<CommandId>> {
    connection.query_map(
        "SELECT id FROM commands WHERE settled_ms IS NULL AND queued_ms IS NULL ORDER BY id",
        [],
        |row| row.get(0),
    )
}

/// Adds an operation at the end of its lane.
pub fn add(
    tx: &Db,
    command: CommandId,
    id: &str,
    lane: &str,
    write: &Write,
    now: DateTime<Utc>,
) -> rusqlite::Result<()> {
    tx.execute(
        "INSERT INTO operations (id, command_id, lane, source, kind, task_key, write, created_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            id,
            command,
            lane,
            write.source().as_str(),
            write.kind(),
            write.task().map(TaskKey::as_str),
            json(write)?,
            now.timestamp_millis(),
        ],
    )?;
    Ok(())
}

/// The lane of a person's writes to a task.
pub fn lane_of(person: PersonId, task: &TaskKey) -> String {
    format!("{person}/{}:{}", task.source(), task.as_str())
}

/// Adds the copies of the files that a written text links to, if its source takes files. They are operations of the same
/// command, behind the text. Returns whether there are any.
pub fn add_uploads(
    tx: &Db,
    (command, person): (CommandId, PersonId),
    write: &Write,
    task: &TaskKey,
    now: DateTime<Utc>,
) -> rusqlite::Result<bool> {
    if !task.source().profile().takes_files {
        return Ok(false);
    }
    let lane = lane_of(person, task);
    for file in write.files() {
        let id = ulid::Ulid::from_datetime(now.into()).to_string();
        let upload = Write::Upload {
            task: task.clone(),
            file: file.clone(),
        };
        add(tx, command, &id, &lane, &upload, now)?;
    }
    Ok(!write.files().is_empty())
}

/// As [`add`]. A creation that is the first of its lane is stored as about to be sent, if there is room: its request needs
/// no look and no read before, so it follows this commit. One that was typed before the start is looked for
/// ([`looks_before_it_sends`]).
pub fn add_and_begin(
    tx: &Tx<'_>,
    command: CommandId,
    id: &str,
    lane: &str,
    write: &Write,
    now: DateTime<Utc>,
) -> rusqlite::Result<()> {
    let may_begin = matches!(write, Write::Create(_))
        && tx.may_begin_operation()
        && !tx.is_typed_before_start(command);
    if !may_begin {
        return add(tx, command, id, lane, write, now);
    }
    let (seq, begins) = tx.query_row(
        "INSERT INTO operations (id, command_id, lane, source, kind, task_key, write, created_ms,
             interrupted, begun_us, sent_ms)
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, first, iif(first, ?9, NULL), iif(first, ?10, NULL)
         FROM (SELECT NOT EXISTS (SELECT 1 FROM operations WHERE lane = ?3 AND state = 'pending') AS first)
         RETURNING seq, interrupted",
        params![
            id,
            command,
            lane,
            write.source().as_str(),
            write.kind(),
            write.task().map(TaskKey::as_str),
            json(write)?,
            now.timestamp_millis(),
            now.timestamp_micros(),
            (now + SENT_WITHIN).timestamp_millis(),
        ],
        |row| Ok((row.get(0)?, row.get::<_, bool>(1)?)),
    )?;
    if begins {
        tx.begins_operation(seq, command);
    }
    Ok(())
}

/// A request that is stored as begun is sent within this time, or its begin is stored again.
const SENT_WITHIN: std::time::Duration = std::time::Duration::from_secs(1);

/// Notes that the request of an operation is sent now. Returns whether its begin was stored not long ago; `None` if it is
/// not stored, or was sent before. No other process can have sent it, so it is not doubted.
pub fn is_begun(store: &Store, seq: OperationSeq) -> Option<bool> {
    let (_, age) = store.inner.unsent.operations.take(seq)?;
    Some(age < SENT_WITHIN)
}

/// Notes that the request of an operation is not sent now.
pub fn is_not_sent(store: &Store, seq: OperationSeq) {
    store.inner.unsent.operations.take(seq);
}

/// The last operation of the store; `None` if there was none yet.
pub fn last_one(connection: &Db) -> rusqlite::Result<Option<OperationSeq>> {
    connection.query_row("SELECT max(seq) FROM operations", [], |row| row.get(0))
}

/// Notes that the process before this one ended uncleanly: the comments and creations up to `last` that wait, and those
/// of commands typed before `now` that are carried out later, are searched for once before they are sent. A snapshot of
/// the whole machine looks like such an end, and they may have been sent since.
pub fn looks_before_it_sends(store: &Store, last: Option<OperationSeq>, now: DateTime<Utc>) {
    store.inner.unsent.starts_after(last, now);
}

/// Records that the operations which are stored as begun were not sent, because the daemon stops. Else a start would look
/// for each of them.
pub fn stops(tx: &Tx<'_>) -> rusqlite::Result<()> {
    let unsent = tx.takes_back_all_operations();
    unsent.into_iter().try_for_each(|seq| not_sent(tx, seq))
}

/// Records that an operation was certainly not sent.
pub fn not_sent(tx: &Db, seq: OperationSeq) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE operations SET interrupted = 0, begun_us = NULL, sent_ms = NULL WHERE seq = ?1 AND state = 'pending'",
        [seq],
    )?;
    Ok(())
}

/// A lane with work. After `seen` it comes with the operation itself, in the order of their adding.
#[derive(Debug)]
pub struct LaneWork {
    /// The lane.
    pub lane: String,
    /// The new operation; `None` if the store was asked for all lanes.
    pub new: Option<OperationRow>,
}

/// Lanes with pending operations after `seen`, or with any, and the last operation that this takes in.
pub fn lanes(
    connection: &Db,
    store: &Store,
    seen: Option<OperationSeq>,
) -> rusqlite::Result<(Vec<LaneWork>, OperationSeq)> {
    let Some(seen) = seen else {
        // Read first: an operation between the two reads is only seen twice.
        let last: Option<OperationSeq> =
            connection.query_row("SELECT max(seq) FROM operations", [], |row| row.get(0))?;
        let lanes = connection.query_map(
            "SELECT DISTINCT lane FROM operations WHERE state = 'pending' AND set_aside = 0",
            [],
            |row| {
                Ok(LaneWork {
                    lane: row.get(0)?,
                    new: None,
                })
            },
        )?;
        return Ok((lanes, last.unwrap_or(OperationSeq(0))));
    };
    // Few rows are newer, and many may be pending.
    let new: Vec<OperationRow> = connection.query_map(
        &format!(
            "SELECT {COLUMNS} FROM operations NOT INDEXED
             WHERE seq > ?1 AND state = 'pending' AND set_aside = 0 ORDER BY seq"
        ),
        [seen],
        operation,
    )?;
    let last = new.last().map_or(seen, |last| last.seq);
    let new = new.into_iter().map(|row| {
        Ok(LaneWork {
            lane: row.lane.clone(),
            new: Some(ready(connection, store, row)?),
        })
    });
    Ok((new.collect::<rusqlite::Result<_>>()?, last))
}

/// The first pending operation of a lane, with the traces that belong to others. One that is stored as begun and that
/// `store` knows as unsent was not interrupted.
pub fn next_in_lane(
    connection: &Db,
    store: &Store,
    lane: &str,
) -> rusqlite::Result<Option<OperationRow>> {
    let next = connection
        .query_row(&format!(
            "SELECT {COLUMNS} FROM operations WHERE lane = ?1 AND state = 'pending' AND set_aside = 0
             ORDER BY seq LIMIT 1"
        ), [lane], operation)
        .optional()?;
    next.map(|next| ready(connection, store, next)).transpose()
}

/// An operation with the facts that its attempt needs.
fn ready(connection: &Db, store: &Store, mut row: OperationRow) -> rusqlite::Result<OperationRow> {
    if row.operation.interrupted && store.inner.unsent.operations.has(row.seq) {
        row.operation.interrupted = false;
        row.operation.begun_at = None;
    }
    let is_searchable = matches!(
        row.operation.write,
        Write::Comment { .. } | Write::Create(_) | Write::Upload { .. }
    );
    let unsent = &store.inner.unsent;
    if is_searchable
        && !row.operation.interrupted
        && row.operation.begun_at.is_none()
        && (unsent.waited_at_start(row.seq) || unsent.is_typed_before(row.command))
    {
        row.operation.looks_first = true;
        // A state of the store that is gone may have carried it out before this one knew of it.
        let typed_at = typed_at(connection, row.command)?;
        row.operation.begun_at = Some(row.created_at.min(typed_at));
    }
    if row.operation.interrupted || row.operation.looks_first {
        row.operation.claimed = claimed(connection, &row.operation)?;
    }
    row.operation.past = past(connection, &row)?;
    Ok(row)
}

/// The time at which a command was typed, by the clock of its surface.
fn typed_at(connection: &Db, command: CommandId) -> rusqlite::Result<DateTime<Utc>> {
    connection.query_row(
        "SELECT typed_us FROM commands WHERE id = ?1",
        [command],
        |row| Ok(micros(row.get(0)?)),
    )
}

/// The facts about earlier operations that this one needs to be carried out.
fn past(connection: &Db, row: &OperationRow) -> rusqlite::Result<OperationHistory> {
    let mut past = row.operation.past.clone();
    match &row.operation.write {
        Write::Reopen { task } => past.finished = finished(connection, task)?,
        Write::Undo(undo) => past.to_undo = Some(to_undo(connection, &undo.operation)?),
        Write::Complete { .. }
        | Write::Comment { .. }
        | Write::Create(_)
        | Write::Start { .. }
        | Write::Upload { .. }
        | Write::Change { .. } => {}
    }
    Ok(past)
}

/// The source's status of a task before its last write of this kind, for any person, and the outcome of that write.
pub fn last(
    connection: &Db,
    task: &TaskKey,
    kind: &str,
) -> rusqlite::Result<Option<(String, Outcome)>> {
    connection
        .query_row(
            "SELECT before, outcome FROM operations
             WHERE source = ?1 AND task_key = ?2 AND kind = ?3 AND state = 'applied'
               AND before IS NOT NULL AND outcome IS NOT NULL
             ORDER BY seq DESC LIMIT 1",
            params![task.source().as_str(), task.as_str(), kind],
            |row| Ok((row.get(0)?, from_json(row, 1)?)),
        )
        .optional()
}

/// Our last completion of a task, for any person.
fn finished(connection: &Db, task: &TaskKey) -> rusqlite::Result<Option<OwnCompletion>> {
    let last = last(connection, task, "complete")?;
    Ok(last.map(|(before, outcome)| OwnCompletion {
        before,
        at: outcome.task().closed.as_ref().and_then(|closed| closed.at),
    }))
}

/// The answer for older operations, which may have been pruned.
const NOT_KNOWN: UndoTarget = UndoTarget::Nothing("I no longer know what it did");

/// The effect of an operation that is to be taken back.
pub fn to_undo(connection: &Db, operation: &str) -> rusqlite::Result<UndoTarget> {
    let Some(row) = by_id(connection, operation)? else {
        return Ok(NOT_KNOWN);
    };
    let written = match (&row.state, &row.outcome) {
        (OperationState::Applied, Some(Outcome::Applied(written))) => written,
        (OperationState::Cancelled, _) => return Ok(UndoTarget::NotSent),
        (OperationState::AlreadySo | OperationState::Overtaken, _) => {
            return Ok(UndoTarget::Nothing("It changed nothing"));
        }
        (OperationState::Refused, _) => {
            return Ok(UndoTarget::Nothing("It was refused, so it changed nothing"));
        }
        (OperationState::GivenUp, _) => {
            return Ok(UndoTarget::Nothing(
                "I gave up on it and don't know whether it took effect",
            ));
        }
        (OperationState::Pending | OperationState::Applied, _) => return Ok(NOT_KNOWN),
    };
    if let Write::Change { change, .. } = &row.operation.write {
        let before = row.operation.past.before.as_deref();
        let back = before.and_then(|before| serde_json::from_str(before).ok());
        return Ok(back.map_or(NOT_KNOWN, |back: TaskChange| {
            let left = change.as_left(&back, &written.task);
            UndoTarget::Effect(Effect::Changed { left, back })
        }));
    }
    let mut effect = row.operation.write.effect(
        &row.operation.id,
        row.operation.past.before.as_deref(),
        written,
        row.operation.begun_at.unwrap_or(row.created_at),
    );
    if let Some(Effect::Created { left, own }) = &mut effect {
        own.uploads = uploads(connection, &left.key)?;
    }
    Ok(effect.map_or(NOT_KNOWN, UndoTarget::Effect))
}

/// The source's ids of the files that we attached to a task, for any person.
fn uploads(connection: &Db, task: &TaskKey) -> rusqlite::Result<BTreeSet<String>> {
    connection.query_map(
        "SELECT trace FROM operations
             WHERE source = ?1 AND task_key = ?2 AND kind = 'upload' AND trace IS NOT NULL",
        params![task.source().as_str(), task.as_str()],
        |row| row.get(0),
    )
}

/// The traces of other operations of the same kind that ended after this one began, or a while before. None of them is
/// its own trace. Any task counts, because two keys can mean the same task.
fn claimed(connection: &Db, operation: &Operation) -> rusqlite::Result<BTreeSet<String>> {
    let since = operation
        .begun_at
        .map_or(0, |begun| (begun - CLAIMED_SINCE_BEFORE).timestamp_millis());
    connection.query_map(
        "SELECT trace FROM operations
             WHERE source = ?1 AND kind = ?2 AND trace IS NOT NULL AND ended_ms >= ?3 AND id <> ?4",
        params![
            operation.write.source().as_str(),
            operation.write.kind(),
            since,
            operation.id,
        ],
        |row| row.get(0),
    )
}

/// Encodes the change that restores a task, to be stored beside the operation.
pub fn back(change: &TaskChange) -> String {
    // A `TaskChange` has no maps and no foreign types, so JSON can encode all of it.
    json(change).unwrap_or_default()
}

/// The change that restores the task as it was before earlier attempts of an interrupted operation.
pub fn back_of_earlier(operation: &Operation) -> Option<TaskChange> {
    let before = operation.past.before.as_deref()?;
    let back = operation.interrupted.then(|| serde_json::from_str(before));
    back?.ok()
}

/// Whether a request may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sendable {
    /// It may take effect from now on.
    Yes,
    /// It was taken back, or has ended, and must not be sent.
    TakenBack,
    /// Since it was read, the store turned out to be an older copy: its trace is searched for first.
    Doubted,
}

/// Records that the request is about to be sent and may take effect from now on. If it `begins` here and no earlier
/// attempt did, the search for its trace begins here too. `before` is the source's current state of the task, and
/// `interrupted` says whether the operation was interrupted when it was read.
pub fn about_to_send(
    tx: &Db,
    (seq, interrupted): (OperationSeq, bool),
    begins: bool,
    before: Option<&str>,
    now: DateTime<Utc>,
) -> rusqlite::Result<Sendable> {
    let wanted = tx.execute(
        "UPDATE operations SET begun_us = ifnull(begun_us, ?2), sent_ms = ?3, interrupted = 1, looks = 0, before = ?4
         WHERE seq = ?1 AND state = 'pending' AND withdrawn = 0 AND interrupted <= ?5",
        params![
            seq,
            begins.then_some(now.timestamp_micros()),
            now.timestamp_millis(),
            before,
            interrupted,
        ],
    )?;
    if wanted > 0 {
        return Ok(Sendable::Yes);
    }
    let doubted = tx.query_row(
        "SELECT EXISTS (SELECT 1 FROM operations
             WHERE seq = ?1 AND state = 'pending' AND withdrawn = 0 AND interrupted)",
        [seq],
        |row| row.get(0),
    )?;
    Ok(match doubted {
        true => Sendable::Doubted,
        false => Sendable::TakenBack,
    })
}

/// Records a failed attempt. The next is not before `not_before`; `turn` is its time, if that is certain. `interrupted`
/// says whether any attempt so far may have been applied. If not, the next one counts as the first.
pub fn failed(
    tx: &Db,
    seq: OperationSeq,
    interrupted: bool,
    why: &str,
    not_before: DateTime<Utc>,
    turn: Option<DateTime<Utc>>,
) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE operations SET attempts = attempts + 1, interrupted = ?2, begun_us = iif(?2, begun_us, NULL), why = ?3,
             not_before_ms = ?4, turn_ms = ?5 WHERE seq = ?1 AND state = 'pending'",
        params![
            seq,
            interrupted,
            why,
            not_before.timestamp_millis(),
            turn.map(|at| at.timestamp_millis()),
        ],
    )?;
    Ok(())
}

/// Stores the time of its turn in the source's line of writes, and whether any attempt so far may have been applied.
pub fn has_turn(
    tx: &Db,
    seq: OperationSeq,
    interrupted: bool,
    at: DateTime<Utc>,
) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE operations SET turn_ms = ?2, interrupted = ?3, begun_us = iif(?3, begun_us, NULL) WHERE seq = ?1",
        params![seq, at.timestamp_millis(), interrupted],
    )?;
    Ok(())
}

/// Why the first operation of a lane waits, and its time if known: used for those behind it, which were not tried yet.
pub fn ahead_in_lane(
    connection: &Db,
    lane: &str,
) -> rusqlite::Result<(Option<String>, Option<DateTime<Utc>>)> {
    let first = connection
        .query_row("SELECT why, turn_ms FROM operations WHERE lane = ?1 AND state = 'pending' AND set_aside = 0 ORDER BY seq LIMIT 1", [lane], |row| Ok((row.get(0)?, row.get::<_, Option<i64>>(1)?)))
        .optional()?;
    let (why, turn) = first.unwrap_or_default();
    Ok((why, turn.map(millis)))
}

/// Records that its trace was looked for and not found.
pub fn looked(tx: &Db, seq: OperationSeq, not_before: DateTime<Utc>) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE operations SET looks = looks + 1, not_before_ms = ?2 WHERE seq = ?1",
        params![seq, not_before.timestamp_millis()],
    )?;
    Ok(())
}

/// The end of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationEnd {
    /// The final state.
    pub state: OperationState,
    /// The source's result; `None` unless successful.
    pub outcome: Option<Outcome>,
    /// The reason in words; `None` after a success or a cancellation.
    pub why: Option<String>,
    /// The kind of refusal; `None` unless refused.
    pub refusal: Option<Refusal>,
}

/// Records the end of an operation; `false` if its trace belongs to another operation.
pub fn end(
    tx: &Db,
    seq: OperationSeq,
    ended: &OperationEnd,
    now: DateTime<Utc>,
) -> rusqlite::Result<bool> {
    let trace = match &ended.outcome {
        Some(Outcome::Applied(written)) => written.trace.clone(),
        _ => None,
    };
    if let Some(trace) = &trace {
        let taken: bool = tx.query_row(
            "SELECT EXISTS (SELECT 1 FROM operations other JOIN operations own ON own.seq = ?1
                 WHERE other.source = own.source AND other.kind = own.kind AND other.trace = ?2 AND other.seq <> own.seq)",
            params![seq, trace],
            |row| row.get(0),
        )?;
        if taken {
            return Ok(false);
        }
    }
    tx.execute(
        "UPDATE operations SET state = ?2, outcome = ?3, trace = ?4, why = ?5, refusal = ?6, ended_ms = ?7,
             attempts = attempts + 1, interrupted = 0 WHERE seq = ?1 AND state = 'pending'",
        params![
            seq,
            ended.state.as_str(),
            ended.outcome.as_ref().map(json).transpose()?,
            trace,
            ended.why,
            ended.refusal.as_ref().map(json).transpose()?,
            now.timestamp_millis(),
        ],
    )?;
    Ok(true)
}

/// Records whether the last attempt of an operation that was given up may have been applied.
pub fn perhaps_applied(tx: &Db, seq: OperationSeq, perhaps: bool) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE operations SET interrupted = ?2 WHERE seq = ?1",
        params![seq, perhaps],
    )?;
    Ok(())
}

/// Cancels the operations that follow a failed one of the same command, and returns them.
pub fn cancel_rest(
    tx: &Db,
    command: CommandId,
    now: DateTime<Utc>,
) -> rusqlite::Result<Vec<Write>> {
    tx.query_map("UPDATE operations SET state = 'cancelled', ended_ms = ?2 WHERE command_id = ?1 AND state = 'pending'
         RETURNING write", params![command, now.timestamp_millis()], |row| from_json(row, 0))
}

/// All operations of a command, in the order of sending.
pub fn of_command(connection: &Db, command: CommandId) -> rusqlite::Result<Vec<OperationRow>> {
    connection.query_map(
        &format!("SELECT {COLUMNS} FROM operations WHERE command_id = ?1 ORDER BY seq"),
        [command],
        operation,
    )
}

/// The operation with this ULID; `None` if there is none.
pub fn by_id(connection: &Db, id: &str) -> rusqlite::Result<Option<OperationRow>> {
    connection
        .query_row(
            &format!("SELECT {COLUMNS} FROM operations WHERE id = ?1"),
            [id],
            operation,
        )
        .optional()
}

/// Tasks with a pending completion. They are left out of every queue.
pub fn being_completed(connection: &Db) -> rusqlite::Result<BTreeSet<TaskRow>> {
    connection
        .query_map("SELECT tasks.id FROM operations JOIN tasks
                 ON tasks.source = operations.source AND tasks.source_key = operations.task_key
             WHERE operations.state = 'pending' AND operations.kind = 'complete' AND operations.set_aside = 0", [], |row| row.get(0))
}

/// Whether Ivan completed this task and has not reopened it, so that "already complete" is no surprise. A completion
/// that is under way, or was given up with an unknown outcome, counts too.
pub fn completed_here(connection: &Db, key: &TaskKey) -> rusqlite::Result<bool> {
    connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM operations done
             WHERE source = ?1 AND task_key = ?2 AND kind = 'complete'
               AND (state = 'applied' OR (state = 'pending' AND begun_us IS NOT NULL)
                    OR (state = 'given_up' AND interrupted))
               AND NOT EXISTS (SELECT 1 FROM operations later
                   WHERE later.source = ?1 AND later.task_key = ?2 AND later.kind IN ('reopen', 'undo')
                     AND later.state = 'applied' AND later.seq > done.seq))",
        params![key.source().as_str(), key.as_str()],
        |row| row.get(0),
    )
}

/// The largest difference assumed between the source's clock and ours.
const CLOCKS_APART: chrono::Duration = chrono::Duration::minutes(10);

/// The earliest time of an event by our clock, if the source says that it was at `at`.
pub(super) fn earliest(at: DateTime<Utc>) -> DateTime<Utc> {
    at.checked_sub_signed(CLOCKS_APART).unwrap_or(at)
}

/// Whether a completion of this task at `at`, by the source's clock, is ours: done here around then, or under way.
pub fn completes(connection: &Db, key: &TaskKey, at: DateTime<Utc>) -> rusqlite::Result<bool> {
    connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM operations
             WHERE source = ?1 AND task_key = ?2
               AND (kind = 'complete'
                    OR (kind = 'undo' AND json_extract(write, '$.what') IN ('reopening', 'creation')))
               AND ((state = 'applied' AND ended_ms >= ?3) OR (state = 'pending' AND begun_us IS NOT NULL)))",
        params![
            key.source().as_str(),
            key.as_str(),
            earliest(at).timestamp_millis()
        ],
        |row| row.get(0),
    )
}

/// Whether a comment at the source is ours: by the operation in its marker, by its id, or by its text while the
/// response to its creation is not recorded.
pub fn commented(
    connection: &Db,
    key: &TaskKey,
    comment: &str,
    operation: Option<&str>,
    shown: &MentionText,
) -> rusqlite::Result<bool> {
    let known: bool = connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM operations
             WHERE source = ?1 AND kind = 'comment'
               AND (trace = ?4 OR (task_key = ?2 AND id = ?3 AND trace IS NULL)))",
        params![key.source().as_str(), key.as_str(), operation, comment],
        |row| row.get(0),
    )?;
    if known {
        return Ok(true);
    }
    let sql = "SELECT write FROM operations
         WHERE source = ?1 AND task_key = ?2 AND kind = 'comment' AND state = 'pending' AND begun_us IS NOT NULL";
    connection.query(sql, params![key.source().as_str(), key.as_str()], |sent| {
        while let Some(row) = sent.next()? {
            if let Write::Comment { text, .. } = from_json(row, 0)?
                && text.is_shown_as(shown)
            {
                return Ok(true);
            }
        }
        Ok(false)
    })
}

/// The person who had a task created through Ivan.
pub fn creator(connection: &Db, key: &TaskKey) -> rusqlite::Result<Option<PersonId>> {
    connection
        .query_row(
            "SELECT c.person_id FROM operations o JOIN commands c ON c.id = o.command_id
             WHERE o.source = ?1 AND o.kind = 'create' AND o.trace = ?2",
            params![key.source().as_str(), key.as_str()],
            |row| row.get(0),
        )
        .optional()
}

/// Why the oldest operation that waits for a source was not accepted.
pub fn trouble(connection: &Db, source: Source) -> rusqlite::Result<Option<String>> {
    connection
        .query_row(
            "SELECT why FROM operations
             WHERE state = 'pending' AND set_aside = 0 AND source = ?1 AND why IS NOT NULL ORDER BY seq LIMIT 1",
            [source.as_str()],
            |row| row.get(0),
        )
        .optional()
}

/// The number of a person's operations without an outcome, up to `at_most`. Their lanes begin with the person's id.
pub fn count_pending_of(connection: &Db, person: PersonId, at_most: i64) -> rusqlite::Result<i64> {
    connection.query_row(
        "SELECT count(*) FROM (SELECT 1 FROM operations INDEXED BY operations_pending
             WHERE state = 'pending' AND lane >= ?1 || '/' AND lane < ?1 || '0' LIMIT ?2)",
        params![person, at_most],
        |row| row.get(0),
    )
}

/// The number of operations without an outcome.
pub fn count_pending(connection: &Db) -> rusqlite::Result<i64> {
    connection.query_row(
        "SELECT count(*) FROM operations WHERE state = 'pending'",
        [],
        |row| row.get(0),
    )
}

/// A person's operations without an outcome, oldest first, and their total number.
pub fn pending_of(
    connection: &Db,
    person: PersonId,
    most: usize,
) -> rusqlite::Result<(Vec<OperationRow>, i64)> {
    let of_person =
        "state = 'pending' AND command_id IN (SELECT id FROM commands WHERE person_id = ?1)";
    let rows = connection.query_map(
        &format!("SELECT {COLUMNS} FROM operations WHERE {of_person} ORDER BY seq LIMIT ?2"),
        params![person, i64::try_from(most).unwrap_or(i64::MAX)],
        operation,
    )?;
    let count = connection.query_row(
        &format!("SELECT count(*) FROM operations WHERE {of_person}"),
        [person],
        |row| row.get(0),
    )?;
    Ok((rows, count))
}

/// The oldest operations without an outcome.
pub fn oldest_pending(connection: &Db, most: i64) -> rusqlite::Result<Vec<OperationRow>> {
    connection.query_map(
        &format!(
            "SELECT {COLUMNS} FROM operations INDEXED BY operations_pending
             WHERE state = 'pending' ORDER BY seq LIMIT ?1"
        ),
        [most],
        operation,
    )
}

/// The number of tasks that a person has completed here since then, without the undone ones.
pub fn count_completed_since(
    connection: &Db,
    person: PersonId,
    since: DateTime<Utc>,
) -> rusqlite::Result<i64> {
    connection
        .query_row("SELECT count(DISTINCT o.source || ':' || o.task_key) FROM commands c JOIN operations o ON o.command_id = c.id
             WHERE c.person_id = ?1 AND c.settled_ms >= ?2 AND o.kind = 'complete' AND o.state = 'applied'
               AND o.ended_ms >= ?2 AND c.undone_by IS NULL", params![person, since.timestamp_millis()], |row| row.get(0))
}

fn operation(row: &Row<'_>) -> rusqlite::Result<OperationRow> {
    let state: String = row.get(5)?;
    Ok(OperationRow {
        seq: row.get(0)?,
        command: row.get(2)?,
        lane: row.get(3)?,
        operation: Operation {
            id: row.get(1)?,
            write: from_json(row, 4)?,
            begun_at: row.get::<_, Option<i64>>(7)?.map(micros),
            interrupted: row.get(8)?,
            looks: row.get(9)?,
            looks_first: false,
            claimed: BTreeSet::new(),
            past: OperationHistory {
                before: row.get(17)?,
                ..OperationHistory::default()
            },
        },
        state: OperationState::ALL
            .into_iter()
            .find(|known| known.as_str() == state)
            .ok_or_else(|| corrupt(5))?,
        attempts: row.get(6)?,
        not_before: row.get::<_, Option<i64>>(10)?.map(millis),
        why: row.get(11)?,
        refusal: optional_json(row, 12)?,
        outcome: optional_json(row, 13)?,
        created_at: millis(row.get(14)?),
        turn: row.get::<_, Option<i64>>(15)?.map(millis),
        sent_at: row.get::<_, Option<i64>>(16)?.map(millis),
        set_aside: row.get(18)?,
    })
}

fn optional_json<T: serde::de::DeserializeOwned>(
    row: &Row<'_>,
    column: usize,
) -> rusqlite::Result<Option<T>> {
    row.get::<_, Option<String>>(column)?
        .map(|text| serde_json::from_str(&text).map_err(|_| corrupt(column)))
        .transpose()
}
