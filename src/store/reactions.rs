//! Our reactions on people's own messages: for each message the wanted reaction, and those that may be there.
//!
//! Adding or removing a reaction twice does no harm, so nothing has to be looked up after a crash. Before a call goes
//! out, [`placing`] commits the reactions that may be there from now on. They are removed when another is wanted.

use std::collections::BTreeSet;

use super::db::Db;
use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, Row, ToSql, params};

use super::columns::{from_json, json};
use crate::domain::ids::{CommandId, ReactionId};
use crate::domain::person::PersonId;

/// A person's message that is to carry a reaction.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NewReaction {
    /// Slack's id of the conversation.
    pub channel: String,
    /// Slack's `ts` of the message.
    pub ts: String,
    /// The thread for a reply in words, should one be needed.
    pub thread: Option<String>,
    /// Its author; `None` if no configured person wrote it.
    pub person: Option<PersonId>,
    /// The command whose outcome it shows.
    pub command: Option<CommandId>,
    /// Whether no message says the same.
    pub alone: bool,
    /// Whether refusals get a reaction, too.
    pub refusals: bool,
    /// The reaction to add at once.
    pub wanted: Option<&'static str>,
}

/// The reaction that shows the outcome of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwedReaction {
    /// The row of the reaction.
    pub id: ReactionId,
    /// Slack's id of the conversation.
    pub channel: String,
    /// The thread for a reply in words; `None` to reply outside of a thread.
    pub thread: Option<String>,
    /// The author of the message; `None` if that is no configured person.
    pub person: Option<PersonId>,
    /// The command whose outcome it shows; `None` without one, or once it is pruned.
    pub command: Option<CommandId>,
    /// Whether no message says the same.
    pub alone: bool,
    /// Whether a refusal gets a reaction, too.
    pub refusals: bool,
}

/// A message whose wanted reaction differs from the present one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueReaction {
    /// The row of the reaction.
    pub id: ReactionId,
    /// Slack's id of the conversation.
    pub channel: String,
    /// Slack's `ts` of the message.
    pub ts: String,
    /// The name of the reaction, without colons; `None` for none.
    pub wanted: Option<String>,
    /// The version to pass to [`placed`].
    pub version: i64,
    /// Reactions of ours that may be there.
    pub may_stand: BTreeSet<String>,
}

/// Registers a message for our reaction; a second call changes nothing.
pub fn add(tx: &Db, new: &NewReaction, now: DateTime<Utc>) -> rusqlite::Result<()> {
    tx.execute(
        "INSERT INTO reactions (channel, ts, thread, person_id, command_id, alone, refusals, wanted, version, created_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO NOTHING",
        params![
            new.channel,
            new.ts,
            new.thread,
            new.person,
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

/// The reaction that shows the outcome of this command, if there is one.
pub fn of_command(connection: &Db, command: CommandId) -> rusqlite::Result<Option<OwedReaction>> {
    telling(connection, "command_id", command)
}

/// The reaction in this row; `None` if the row is gone.
pub fn by_id(connection: &Db, id: ReactionId) -> rusqlite::Result<Option<OwedReaction>> {
    telling(connection, "id", id)
}

fn telling(
    connection: &Db,
    column: &'static str,
    value: impl ToSql,
) -> rusqlite::Result<Option<OwedReaction>> {
    connection
        .query_row(&format!(
            "SELECT id, channel, thread, person_id, command_id, alone, refusals FROM reactions WHERE {column} = ?1"
        ), [value], |row| {
            Ok(OwedReaction {
                id: row.get(0)?,
                channel: row.get(1)?,
                thread: row.get(2)?,
                person: row.get(3)?,
                command: row.get(4)?,
                alone: row.get(5)?,
                refusals: row.get(6)?,
            })
        })
        .optional()
}

/// Sets the wanted reaction; `false` if it is unchanged.
pub fn want(tx: &Db, id: ReactionId, wanted: Option<&str>) -> rusqlite::Result<bool> {
    let changed = tx.execute(
        "UPDATE reactions SET wanted = ?2, version = version + 1 WHERE id = ?1 AND wanted IS NOT ?2",
        params![id, wanted],
    )?;
    Ok(changed > 0)
}

/// The messages whose reaction is to be changed, oldest first.
pub fn due(connection: &Db, most: usize) -> rusqlite::Result<Vec<DueReaction>> {
    connection.query_map(
        "SELECT id, channel, ts, wanted, version, may_stand FROM reactions
             WHERE dropped IS NULL AND version > placed ORDER BY id LIMIT ?1",
        [i64::try_from(most).unwrap_or(i64::MAX)],
        due_row,
    )
}

fn due_row(row: &Row<'_>) -> rusqlite::Result<DueReaction> {
    Ok(DueReaction {
        id: row.get(0)?,
        channel: row.get(1)?,
        ts: row.get(2)?,
        wanted: row.get(3)?,
        version: row.get(4)?,
        may_stand: from_json(row, 5)?,
    })
}

/// Records the reactions that may be there from now on.
pub fn placing(tx: &Db, id: ReactionId, may_stand: &BTreeSet<String>) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE reactions SET may_stand = ?2 WHERE id = ?1",
        params![id, json(may_stand)?],
    )?;
    Ok(())
}

/// Records that the reaction wanted by `version` is there, and no other of ours.
pub fn placed(
    tx: &Db,
    id: ReactionId,
    version: i64,
    stands: &BTreeSet<String>,
) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE reactions SET placed = ?2, may_stand = ?3 WHERE id = ?1",
        params![id, version, json(stands)?],
    )?;
    Ok(())
}

/// Records that the reaction cannot be placed.
pub fn dropped(tx: &Db, id: ReactionId, why: &str) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE reactions SET dropped = ?2 WHERE id = ?1",
        params![id, why],
    )?;
    Ok(())
}
