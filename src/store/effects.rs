//! The effects of people's commands and the commands that were undone, for `undo`.

use super::Tx;
use super::db::Db;
use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, params};
use serde::{Deserialize, Serialize};

use super::columns::{from_json, json, micros, millis};
use super::operations;
use crate::domain::change::TaskChange;
use crate::domain::ids::{CommandId, PinId, TaskRow};
use crate::domain::operation::Write;
use crate::domain::person::PersonId;
use crate::domain::task::TaskKey;

/// How many of a person's newest commands are searched.
const LOOKED_THROUGH: i64 = 50;

/// A snooze, stored with its command for `undo`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snoozed {
    /// The row of the task.
    pub task: TaskRow,
    /// The end of the snooze.
    pub until: DateTime<Utc>,
    /// The end of the snooze that was set before.
    pub before: Option<DateTime<Utc>>,
}

/// A command that may have had an effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecentCommand {
    /// The row of the command.
    pub command: CommandId,
    /// The verb as stored: `done`, `snooze`.
    pub verb: String,
    /// The time at which it was given.
    pub typed_at: DateTime<Utc>,
    /// The time of its outcome; `None` while it has none.
    pub settled_at: Option<DateTime<Utc>>,
    /// The snooze that it set; `None` if it set none.
    pub snoozed: Option<Snoozed>,
    /// The pin that this command set.
    pub next_pin: Option<PinId>,
    /// Whether an `undo` has taken it back.
    pub undone: bool,
    /// Its newest report, as JSON.
    pub report: Option<String>,
    /// Whether it is for several tasks: its parts have the effects.
    pub has_parts: bool,
}

const COLUMNS: &str = "id, verb, settled_ms, snoozed, next_pin, undone_by IS NOT NULL, report, typed_us, \
     EXISTS (SELECT 1 FROM commands part WHERE part.part_of = commands.id)";

fn doing(row: &rusqlite::Row<'_>) -> rusqlite::Result<RecentCommand> {
    let snoozed = match row.get_ref(3)? {
        rusqlite::types::ValueRef::Null => None,
        _ => Some(from_json(row, 3)?),
    };
    Ok(RecentCommand {
        command: row.get(0)?,
        verb: row.get(1)?,
        settled_at: row.get::<_, Option<i64>>(2)?.map(millis),
        snoozed,
        next_pin: row.get(4)?,
        undone: row.get(5)?,
        report: row.get(6)?,
        typed_at: micros(row.get(7)?),
        has_parts: row.get(8)?,
    })
}

/// The parts of a command for several tasks, in the order in which they were stored.
pub fn parts(connection: &Db, whole: CommandId) -> rusqlite::Result<Vec<RecentCommand>> {
    connection.query_map(
        &format!("SELECT {COLUMNS} FROM commands WHERE part_of = ?1 ORDER BY id"),
        [whole],
        doing,
    )
}

/// Whether a part of a command for several tasks changed anything that an `undo` can take back.
pub fn parts_changed(connection: &Db, whole: CommandId) -> rusqlite::Result<bool> {
    connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM commands part WHERE part.part_of = ?1 AND part.snoozed IS NOT NULL)
             OR EXISTS (SELECT 1 FROM commands part JOIN operations o ON o.command_id = part.id
                        WHERE part.part_of = ?1 AND o.state = 'applied')",
        [whole],
        |row| row.get(0),
    )
}

/// A person's newest commands that are not undone, newest first. Those for several tasks come without their parts.
pub fn newest(connection: &Db, person: PersonId) -> rusqlite::Result<Vec<RecentCommand>> {
    connection.query_map(
        &format!(
            "SELECT {COLUMNS} FROM commands
             WHERE person_id = ?1 AND undone_by IS NULL AND part_of IS NULL AND verb NOT IN ('next', 'none', 'undo')
             ORDER BY id DESC LIMIT ?2"
        ),
        params![person, LOOKED_THROUGH],
        doing,
    )
}

/// One command of a person.
pub fn of(
    connection: &Db,
    person: PersonId,
    command: CommandId,
) -> rusqlite::Result<Option<RecentCommand>> {
    connection
        .query_row(
            &format!("SELECT {COLUMNS} FROM commands WHERE id = ?1 AND person_id = ?2"),
            params![command, person],
            doing,
        )
        .optional()
}

/// A person's last command that completed this task or is about to, undone or not.
pub fn completion(
    connection: &Db,
    person: PersonId,
    key: &TaskKey,
) -> rusqlite::Result<Option<RecentCommand>> {
    connection
        .query_row(
            &format!(
                "SELECT {COLUMNS} FROM commands
                 WHERE person_id = ?1 AND id IN
                     (SELECT command_id FROM operations
                      WHERE source = ?2 AND task_key = ?3 AND kind = 'complete' AND state IN ('applied', 'pending'))
                 ORDER BY id DESC LIMIT 1"
            ),
            params![person, key.source().as_str(), key.as_str()],
            doing,
        )
        .optional()
}

/// The command that this `undo` takes back.
pub fn undone_by(connection: &Db, undo: CommandId) -> rusqlite::Result<Option<RecentCommand>> {
    connection
        .query_row(
            &format!("SELECT {COLUMNS} FROM commands WHERE undone_by = ?1"),
            [undo],
            doing,
        )
        .optional()
}

/// Whether a person has undone anything since then.
pub fn has_undone(
    connection: &Db,
    person: PersonId,
    since: DateTime<Utc>,
) -> rusqlite::Result<bool> {
    connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM commands
             WHERE person_id = ?1 AND verb = 'undo' AND report IS NOT NULL AND created_ms >= ?2
               AND EXISTS (SELECT 1 FROM commands undone WHERE undone.undone_by = commands.id))",
        params![person, since.timestamp_millis()],
        |row| row.get(0),
    )
}

/// Marks `command` as undone by `undo`, so that the next `undo` skips it.
pub fn take(tx: &Db, command: CommandId, undo: CommandId) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE commands SET undone_by = ?2 WHERE id = ?1",
        [command, undo],
    )?;
    Ok(())
}

/// Clears that mark after an `undo` failed, and returns the command, if there was one.
pub fn give_back(tx: &Db, undo: CommandId) -> rusqlite::Result<Option<CommandId>> {
    tx.query_row(
        "UPDATE commands SET undone_by = NULL WHERE undone_by = ?1 RETURNING id",
        [undo],
        |row| row.get(0),
    )
    .optional()
}

/// Stores the snooze that a command set.
pub fn snoozed(tx: &Db, command: CommandId, snoozed: &Snoozed) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE commands SET snoozed = ?2 WHERE id = ?1",
        params![command, json(snoozed)?],
    )?;
    Ok(())
}

/// Cancels the operations of a command that were certainly never sent, and returns their number. Those that may have
/// been sent are only looked up from now on.
pub fn withdraw(tx: &Tx<'_>, command: CommandId, now: DateTime<Utc>) -> rusqlite::Result<usize> {
    for operation in tx.takes_back_operations(command) {
        operations::not_sent(tx, operation)?;
    }
    tx.execute(
        "UPDATE operations SET withdrawn = 1 WHERE command_id = ?1 AND state = 'pending' AND interrupted = 1",
        [command],
    )?;
    tx.execute(
        "UPDATE operations SET state = 'cancelled', withdrawn = 1, ended_ms = ?2
         WHERE command_id = ?1 AND state = 'pending' AND interrupted = 0",
        params![command, now.timestamp_millis()],
    )
}

/// Whether a change of this task at `at`, by the source's clock, is ours. It is if `is_it` accepts a change that was
/// made here around then or is under way, or the reversal of one.
pub fn changes(
    connection: &Db,
    key: &TaskKey,
    at: DateTime<Utc>,
    is_it: &dyn Fn(&TaskChange) -> bool,
) -> rusqlite::Result<bool> {
    let sql = "SELECT own.write, undone.before FROM operations own
         LEFT JOIN operations undone ON own.kind = 'undo' AND undone.id = json_extract(own.write, '$.operation')
         WHERE own.source = ?1 AND own.task_key = ?2 AND (own.kind = 'undo' OR json_extract(own.write, '$.kind') = 'change')
           AND ((own.state = 'applied' AND own.ended_ms >= ?3) OR (own.state = 'pending' AND own.begun_us IS NOT NULL))";
    let since = operations::earliest(at).timestamp_millis();
    connection.query(
        sql,
        params![key.source().as_str(), key.as_str(), since],
        |rows| {
            while let Some(row) = rows.next()? {
                let change = match from_json(row, 0)? {
                    Write::Change { change, .. } => Some(change),
                    // The reversal is stored beside the operation that it reverses.
                    _ => row
                        .get::<_, Option<String>>(1)?
                        .and_then(|back| serde_json::from_str(&back).ok()),
                };
                if change.as_ref().is_some_and(is_it) {
                    return Ok(true);
                }
            }
            Ok(false)
        },
    )
}

/// Whether the deletion of this task at `at` is ours: the undo of a creation.
pub fn deletes(connection: &Db, key: &TaskKey, at: DateTime<Utc>) -> rusqlite::Result<bool> {
    connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM operations
             WHERE source = ?1 AND task_key = ?2 AND kind = 'undo' AND json_extract(write, '$.what') = 'creation'
               AND ((state = 'applied' AND ended_ms >= ?3) OR (state = 'pending' AND begun_us IS NOT NULL)))",
        params![
            key.source().as_str(),
            key.as_str(),
            operations::earliest(at).timestamp_millis()
        ],
        |row| row.get(0),
    )
}

/// Whether a reopening of this task at `at`, by the source's clock, is ours: done here around then, or under way.
pub fn reopens(connection: &Db, key: &TaskKey, at: DateTime<Utc>) -> rusqlite::Result<bool> {
    connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM operations
             WHERE source = ?1 AND task_key = ?2
               AND (kind = 'reopen' OR (kind = 'undo' AND json_extract(write, '$.what') = 'completion'))
               AND ((state = 'applied' AND ended_ms >= ?3) OR (state = 'pending' AND begun_us IS NOT NULL)))",
        params![
            key.source().as_str(),
            key.as_str(),
            operations::earliest(at).timestamp_millis()
        ],
        |row| row.get(0),
    )
}
