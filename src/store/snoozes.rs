//! Snoozed tasks. A snooze hides a task from one person's queue until then, and from no other queue.

use std::collections::BTreeSet;

use super::db::Db;
use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, params};

use super::columns::millis;
use crate::domain::ids::TaskRow;
use crate::domain::person::PersonId;

/// Snoozes a task for a person; without a time, ends the snooze.
pub fn set(
    tx: &Db,
    person: PersonId,
    task: TaskRow,
    until: Option<DateTime<Utc>>,
) -> rusqlite::Result<()> {
    match until {
        Some(until) => tx.execute(
            "INSERT INTO snoozes (person_id, task_id, until_ms) VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET until_ms = excluded.until_ms",
            params![person, task, until.timestamp_millis()],
        )?,
        None => tx.execute(
            "DELETE FROM snoozes WHERE person_id = ?1 AND task_id = ?2",
            params![person, task],
        )?,
    };
    Ok(())
}

/// The end of a person's snooze of a task, if it is still ahead.
pub fn until(
    connection: &Db,
    person: PersonId,
    task: TaskRow,
    now: DateTime<Utc>,
) -> rusqlite::Result<Option<DateTime<Utc>>> {
    connection
        .query_row(
            "SELECT until_ms FROM snoozes WHERE person_id = ?1 AND task_id = ?2 AND until_ms > ?3",
            params![person, task, now.timestamp_millis()],
            |row| Ok(millis(row.get(0)?)),
        )
        .optional()
}

/// The tasks that a person has snoozed now.
pub fn hidden(
    connection: &Db,
    person: PersonId,
    now: DateTime<Utc>,
) -> rusqlite::Result<BTreeSet<TaskRow>> {
    connection.query_map(
        "SELECT task_id FROM snoozes WHERE person_id = ?1 AND until_ms > ?2",
        params![person, now.timestamp_millis()],
        |row| row.get(0),
    )
}

/// Removes expired snoozes.
pub fn forget(tx: &Db, old_ms: i64, at_most: i64) -> rusqlite::Result<usize> {
    tx.execute(
        "DELETE FROM snoozes WHERE (person_id, task_id) IN
             (SELECT person_id, task_id FROM snoozes WHERE until_ms < ?1 LIMIT ?2)",
        params![old_ms, at_most],
    )
}
