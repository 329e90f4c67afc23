//! What people put off: out of their own queue until then, and out of nobody else's.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, params};

use super::columns::millis;
use crate::domain::person::PersonId;

/// Puts a task off for somebody; or no longer, without a time.
pub fn set(
    tx: &Connection,
    person: PersonId,
    task: i64,
    until: Option<DateTime<Utc>>,
) -> rusqlite::Result<()> {
    match until {
        Some(until) => tx.execute(
            "INSERT INTO snoozes (person_id, task_id, until_ms) VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET until_ms = excluded.until_ms",
            params![person.0, task, until.timestamp_millis()],
        )?,
        None => tx.execute(
            "DELETE FROM snoozes WHERE person_id = ?1 AND task_id = ?2",
            params![person.0, task],
        )?,
    };
    Ok(())
}

/// Until when somebody has put a task off, if that is still ahead.
pub fn until(
    connection: &Connection,
    person: PersonId,
    task: i64,
    now: DateTime<Utc>,
) -> rusqlite::Result<Option<DateTime<Utc>>> {
    connection
        .prepare_cached(
            "SELECT until_ms FROM snoozes WHERE person_id = ?1 AND task_id = ?2 AND until_ms > ?3",
        )?
        .query_row(params![person.0, task, now.timestamp_millis()], |row| {
            Ok(millis(row.get(0)?))
        })
        .optional()
}

/// What somebody has put off for now.
pub fn hidden(
    connection: &Connection,
    person: PersonId,
    now: DateTime<Utc>,
) -> rusqlite::Result<BTreeSet<i64>> {
    connection
        .prepare_cached("SELECT task_id FROM snoozes WHERE person_id = ?1 AND until_ms > ?2")?
        .query_map(params![person.0, now.timestamp_millis()], |row| row.get(0))?
        .collect()
}

/// Forgets what is over.
pub fn forget(tx: &Connection, old_ms: i64, at_most: i64) -> rusqlite::Result<usize> {
    tx.execute(
        "DELETE FROM snoozes WHERE (person_id, task_id) IN
             (SELECT person_id, task_id FROM snoozes WHERE until_ms < ?1 LIMIT ?2)",
        params![old_ms, at_most],
    )
}
