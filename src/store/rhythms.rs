//! When people are told what they have not just asked for, and the notices that wait for the end of quiet hours.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::tasks::{from_json, json};
use crate::domain::person::PersonId;
use crate::domain::reply::Words;
use crate::domain::rhythm::Quiet;

/// How a time of day is kept.
const TIME: &str = "%H:%M";

/// What somebody has chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rhythm {
    /// At what time of theirs they want a briefing on working days.
    pub briefing: Option<NaiveTime>,
    /// The last day of theirs that is over with.
    pub briefed_on: Option<NaiveDate>,
    pub quiet: Option<Quiet>,
}

pub fn of(connection: &Connection, person: PersonId) -> rusqlite::Result<Rhythm> {
    let found = connection
        .prepare_cached("SELECT briefing, briefed_on, quiet FROM rhythms WHERE person_id = ?1")?
        .query_row([person.0], rhythm)
        .optional()?;
    Ok(found.unwrap_or_default())
}

fn rhythm(row: &Row<'_>) -> rusqlite::Result<Rhythm> {
    let text = |column| row.get::<_, Option<String>>(column);
    Ok(Rhythm {
        briefing: text(0)?.and_then(|time| NaiveTime::parse_from_str(&time, TIME).ok()),
        briefed_on: text(1)?.and_then(|day| day.parse().ok()),
        quiet: text(2)?.and_then(|hours| Quiet::parse(&hours)),
    })
}

pub fn set(tx: &Connection, person: PersonId, rhythm: &Rhythm) -> rusqlite::Result<()> {
    tx.execute(
        "INSERT INTO rhythms (person_id, briefing, briefed_on, quiet) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET briefing = excluded.briefing, briefed_on = excluded.briefed_on, quiet = excluded.quiet",
        params![
            person.0,
            rhythm.briefing.map(|time| time.format(TIME).to_string()),
            rhythm.briefed_on.map(|day| day.to_string()),
            rhythm.quiet.map(|quiet| quiet.to_string()),
        ],
    )?;
    Ok(())
}

/// This day's briefing is sent, or will not be; `false` if it was already.
pub fn claim(tx: &Connection, person: PersonId, day: NaiveDate) -> rusqlite::Result<bool> {
    let claimed = tx.execute(
        "UPDATE rhythms SET briefed_on = ?2
         WHERE person_id = ?1 AND briefing IS NOT NULL AND (briefed_on IS NULL OR briefed_on < ?2)",
        params![person.0, day.to_string()],
    )?;
    Ok(claimed > 0)
}

/// Those who want a briefing, or for whom something is held.
pub fn concerned(connection: &Connection) -> rusqlite::Result<Vec<PersonId>> {
    connection
        .prepare_cached(
            "SELECT id FROM people WHERE present = 1
               AND (id IN (SELECT person_id FROM rhythms WHERE briefing IS NOT NULL) OR id IN (SELECT person_id FROM held))
             ORDER BY id",
        )?
        .query_map([], |row| Ok(PersonId(row.get(0)?)))?
        .collect()
}

/// A notice that is told when it is not quiet any more.
pub fn hold(
    tx: &Connection,
    person: PersonId,
    task: Option<i64>,
    words: &Words,
    now: DateTime<Utc>,
) -> rusqlite::Result<()> {
    tx.execute(
        "INSERT INTO held (person_id, task_id, words, held_ms) VALUES (?1, ?2, ?3, ?4)",
        params![person.0, task, json(words)?, now.timestamp_millis()],
    )?;
    Ok(())
}

/// How many notices are held for somebody.
pub fn count_held(connection: &Connection, person: PersonId) -> rusqlite::Result<i64> {
    connection
        .prepare_cached("SELECT count(*) FROM held WHERE person_id = ?1")?
        .query_row([person.0], |row| row.get(0))
}

/// Takes what is held for somebody, oldest first: whoever takes it tells it in the same transaction.
pub fn take_held(tx: &Connection, person: PersonId) -> rusqlite::Result<Vec<Words>> {
    let held = tx
        .prepare_cached("SELECT words FROM held WHERE person_id = ?1 ORDER BY id")?
        .query_map([person.0], |row| from_json(row, 0))?
        .collect::<rusqlite::Result<_>>()?;
    tx.execute("DELETE FROM held WHERE person_id = ?1", [person.0])?;
    Ok(held)
}

/// Forgets what was held for those who are not here any more.
pub fn forget(tx: &Connection, old_ms: i64, at_most: i64) -> rusqlite::Result<usize> {
    tx.execute(
        "DELETE FROM held WHERE id IN (SELECT id FROM held WHERE held_ms < ?1 ORDER BY held_ms LIMIT ?2)",
        params![old_ms, at_most],
    )
}
