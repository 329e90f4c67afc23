//! Reactions of ours on people's own messages: on each what is to stand there, and what may.
//!
//! A reaction can be asked for again and taken away again without harm, so that nothing has to be looked for after a
//! crash: before a call goes out, [`placing`] makes durable what may stand there from now on, and that is taken away
//! when something else is wanted.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::columns::{from_json, json};
use crate::domain::person::PersonId;

/// A message of a person that is to carry a reaction.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NewReaction {
    pub channel: String,
    pub ts: String,
    /// Where words go, should any be needed.
    pub thread: Option<String>,
    pub person: Option<PersonId>,
    /// Whose outcome it tells.
    pub command: Option<i64>,
    /// No message says it as well.
    pub alone: bool,
    /// A refusal is marked too.
    pub refusals: bool,
    /// What is to stand there at once.
    pub wanted: Option<&'static str>,
}

/// The reaction that tells the outcome of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Telling {
    pub id: i64,
    pub channel: String,
    pub thread: Option<String>,
    pub person: Option<PersonId>,
    pub command: Option<i64>,
    pub alone: bool,
    pub refusals: bool,
}

/// A message on which something else is to stand than does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    pub id: i64,
    pub channel: String,
    pub ts: String,
    pub wanted: Option<String>,
    /// Hand it back to [`placed`].
    pub version: i64,
    /// Reactions of ours that may be there.
    pub may_stand: BTreeSet<String>,
}

/// Has a message carry our reaction; a second time changes nothing.
pub fn add(tx: &Connection, new: &NewReaction, now: DateTime<Utc>) -> rusqlite::Result<()> {
    tx.execute(
        "INSERT INTO reactions (channel, ts, thread, person_id, command_id, alone, refusals, wanted, version, created_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO NOTHING",
        params![
            new.channel,
            new.ts,
            new.thread,
            new.person.map(|person| person.0),
            new.command,
            new.alone,
            new.refusals,
            new.wanted,
            i64::from(new.wanted.is_some()),
            now.timestamp_millis(),
        ],
    )?;
    Ok(())
}

/// The reaction that tells the outcome of this command, if one does.
pub fn of_command(connection: &Connection, command: i64) -> rusqlite::Result<Option<Telling>> {
    telling(connection, "command_id", command)
}

pub fn by_id(connection: &Connection, id: i64) -> rusqlite::Result<Option<Telling>> {
    telling(connection, "id", id)
}

fn telling(
    connection: &Connection,
    column: &'static str,
    value: i64,
) -> rusqlite::Result<Option<Telling>> {
    connection
        .prepare_cached(&format!(
            "SELECT id, channel, thread, person_id, command_id, alone, refusals FROM reactions WHERE {column} = ?1"
        ))?
        .query_row([value], |row| {
            Ok(Telling {
                id: row.get(0)?,
                channel: row.get(1)?,
                thread: row.get(2)?,
                person: row.get::<_, Option<i64>>(3)?.map(PersonId),
                command: row.get(4)?,
                alone: row.get(5)?,
                refusals: row.get(6)?,
            })
        })
        .optional()
}

/// This is to stand there from now on; `false` if it is what was wanted before.
pub fn want(tx: &Connection, id: i64, wanted: Option<&str>) -> rusqlite::Result<bool> {
    let changed = tx.execute(
        "UPDATE reactions SET wanted = ?2, version = version + 1 WHERE id = ?1 AND wanted IS NOT ?2",
        params![id, wanted],
    )?;
    Ok(changed > 0)
}

/// The messages on which something is to change, oldest first.
pub fn due(connection: &Connection, most: usize) -> rusqlite::Result<Vec<Due>> {
    connection
        .prepare_cached(
            "SELECT id, channel, ts, wanted, version, may_stand FROM reactions
             WHERE dropped IS NULL AND version > placed ORDER BY id LIMIT ?1",
        )?
        .query_map([i64::try_from(most).unwrap_or(i64::MAX)], due_row)?
        .collect()
}

fn due_row(row: &Row<'_>) -> rusqlite::Result<Due> {
    Ok(Due {
        id: row.get(0)?,
        channel: row.get(1)?,
        ts: row.get(2)?,
        wanted: row.get(3)?,
        version: row.get(4)?,
        may_stand: from_json(row, 5)?,
    })
}

/// From now on these may stand there.
pub fn placing(tx: &Connection, id: i64, may_stand: &BTreeSet<String>) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE reactions SET may_stand = ?2 WHERE id = ?1",
        params![id, json(may_stand)?],
    )?;
    Ok(())
}

/// What `version` wanted stands there, and nothing else of ours.
pub fn placed(
    tx: &Connection,
    id: i64,
    version: i64,
    stands: &BTreeSet<String>,
) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE reactions SET placed = ?2, may_stand = ?3 WHERE id = ?1",
        params![id, version, json(stands)?],
    )?;
    Ok(())
}

/// It cannot be placed.
pub fn dropped(tx: &Connection, id: i64, why: &str) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE reactions SET dropped = ?2 WHERE id = ?1",
        params![id, why],
    )?;
    Ok(())
}
