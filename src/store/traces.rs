//! Reads what spans need to know about commands (cargo feature `otel`). All reads find their rows by an index.

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, params};

use super::columns::{json, micros, millis};
use super::db::Db;
use super::operations::earliest;
use crate::domain::ids::{CommandId, DeliveryId, MessageId, ReactionId};
use crate::domain::task::Source;
use crate::telemetry::WriteSign;

/// A command of a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TracedCommand {
    /// Its uid.
    pub uid: String,
    /// The uid of the command for several tasks that this one is a part of.
    pub whole: Option<String>,
    /// `done`.
    pub verb: String,
    /// `slack` or `api`.
    pub surface: String,
    /// UTC, when the person gave it; in Slack by Slack's clock.
    pub typed_at: DateTime<Utc>,
    /// UTC, when its report was final; `None` before.
    pub settled_at: Option<DateTime<Utc>>,
}

/// A write of a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TracedWrite {
    /// The ULID of the operation.
    pub operation: String,
    /// Its command.
    pub command: CommandId,
    /// The attempt under way, or the last one; 1 for the first.
    pub number: u32,
}

/// A command; `None` if it is gone, or so old that it has no uid.
pub fn command(connection: &Db, id: CommandId) -> rusqlite::Result<Option<TracedCommand>> {
    connection
        .query_row(
            "SELECT c.uid, whole.uid, c.verb, c.surface, c.typed_us, c.settled_ms
             FROM commands c LEFT JOIN commands whole ON whole.id = c.part_of
             WHERE c.id = ?1 AND c.uid <> ''",
            [id],
            |row| {
                Ok(TracedCommand {
                    uid: row.get(0)?,
                    whole: row.get(1)?,
                    verb: row.get(2)?,
                    surface: row.get(3)?,
                    typed_at: micros(row.get(4)?),
                    settled_at: row.get::<_, Option<i64>>(5)?.map(millis),
                })
            },
        )
        .optional()
}

/// The command that a message answers; `None` for a notice.
pub fn of_message(connection: &Db, id: MessageId) -> rusqlite::Result<Option<CommandId>> {
    let sql = "SELECT command_id FROM messages WHERE id = ?1";
    let found = connection.query_row(sql, [id], |row| row.get(0)).optional();
    found.map(Option::flatten)
}

/// The command whose outcome a reaction shows.
pub fn of_reaction(connection: &Db, id: ReactionId) -> rusqlite::Result<Option<CommandId>> {
    let sql = "SELECT command_id FROM reactions WHERE id = ?1";
    let found = connection.query_row(sql, [id], |row| row.get(0)).optional();
    found.map(Option::flatten)
}

/// When a delivery arrived.
pub fn arrived_at(connection: &Db, id: DeliveryId) -> rusqlite::Result<Option<DateTime<Utc>>> {
    let sql = "SELECT kept_ms FROM deliveries WHERE id = ?1";
    let found = connection.query_row(sql, [id], |row| row.get::<_, i64>(0));
    Ok(found.optional()?.map(millis))
}

/// The columns of a write.
const WRITE: &str = "SELECT id, command_id, attempts + looks + (state = 'pending') FROM operations";

/// The write that a delivery shows, which was applied at `applied`; `None` if the sign is of others.
pub fn write(
    connection: &Db,
    source: Source,
    sign: &WriteSign,
    applied: DateTime<Utc>,
) -> rusqlite::Result<Option<TracedWrite>> {
    let of = source.as_str();
    let found = |row: &rusqlite::Row<'_>| {
        Ok(TracedWrite {
            operation: row.get(0)?,
            command: row.get(1)?,
            number: row.get(2)?,
        })
    };
    match sign {
        WriteSign::Marker(operation) => connection.query_row(
            &format!("{WRITE} WHERE id = ?1 AND source = ?2"),
            params![operation, of],
            found,
        ),
        WriteSign::Comment(id) => connection.query_row(
            &format!("{WRITE} WHERE source = ?1 AND kind = 'comment' AND trace = ?2"),
            params![of, id],
            found,
        ),
        WriteSign::Action { task, kinds, at } => connection.query_row(
            &format!(
                "{WRITE} WHERE source = ?1 AND task_key = ?2 AND kind IN (SELECT value FROM json_each(?3))
                   AND ((state = 'applied' AND ended_ms >= ?4) OR (state = 'pending' AND begun_us IS NOT NULL))
                 ORDER BY seq DESC LIMIT 1"
            ),
            params![of, task.as_str(), json(kinds)?, earliest(*at).timestamp_millis()],
            found,
        ),
        WriteSign::Task(task) => connection.query_row(
            &format!(
                "{WRITE} WHERE source = ?1 AND kind = 'create' AND trace = ?2 AND ended_ms >= ?3"
            ),
            params![of, task.as_str(), earliest(applied).timestamp_millis()],
            found,
        ),
    }
    .optional()
}

/// Whether a write to this source is under way that a sign could not name yet: its task or comment has no id before the
/// source's answer.
pub fn awaits_an_id(connection: &Db, source: Source) -> rusqlite::Result<bool> {
    connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM operations
             WHERE state = 'pending' AND begun_us IS NOT NULL AND source = ?1 AND kind IN ('comment', 'create'))",
        [source.as_str()],
        |row| row.get(0),
    )
}
