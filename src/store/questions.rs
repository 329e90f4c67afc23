//! Questions to people: commands that ask before they act on many tasks. Each is answered once.

use chrono::{DateTime, Utc};
use rusqlite::OptionalExtension;

use super::columns::{from_json, json, micros, millis};
use super::db::Db;
use crate::domain::command::AskedCommand;
use crate::domain::ids::CommandId;
use crate::domain::person::PersonId;

/// A question that waits for its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The person who is asked.
    pub person: PersonId,
    /// The time at which they typed the command, by the clock of its surface.
    pub typed_at: DateTime<Utc>,
    /// The time at which they were asked.
    pub asked_at: DateTime<Utc>,
    /// The command, and the tasks that they were shown.
    pub asked: AskedCommand,
}

/// Stores the question of a command.
pub fn ask(tx: &Db, command: CommandId, asked: &AskedCommand) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE commands SET asks = ?2 WHERE id = ?1",
        rusqlite::params![command, json(asked)?],
    )?;
    Ok(())
}

/// The question of a command; `None` if it has none, or was answered.
pub fn of(connection: &Db, command: CommandId) -> rusqlite::Result<Option<Question>> {
    connection
        .query_row(
            "SELECT person_id, typed_us, created_ms, asks FROM commands WHERE id = ?1 AND asks IS NOT NULL",
            [command],
            |row| {
                Ok(Question {
                    person: row.get(0)?,
                    typed_at: micros(row.get(1)?),
                    asked_at: millis(row.get(2)?),
                    asked: from_json(row, 3)?,
                })
            },
        )
        .optional()
}

/// Records that a question was answered.
pub fn answered(tx: &Db, command: CommandId) -> rusqlite::Result<()> {
    tx.execute("UPDATE commands SET asks = NULL WHERE id = ?1", [command])?;
    Ok(())
}
