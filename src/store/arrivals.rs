//! Members of the workspace who came to Ivan: the welcome, the operators' card about them, and its answer.

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, params};

use super::db::Db;

/// A member who came to Ivan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// The Slack id.
    pub slack: String,
    /// The name in Slack when they came.
    pub name: String,
    /// Whether they were welcomed.
    pub welcomed: bool,
    /// Whether the operators were asked to add them.
    pub asked: bool,
    /// The answer: `true` if they were added. `None` while there is none.
    pub added: Option<bool>,
    /// The name of the operator who answered.
    pub answered_by: Option<String>,
}

/// The arrival of a member; `None` if they never came.
pub fn of(connection: &Db, slack: &str) -> rusqlite::Result<Option<Arrival>> {
    connection
        .query_row(
            "SELECT slack_id, name, welcomed_ms IS NOT NULL, asked_ms IS NOT NULL, answer, answered_by
             FROM arrivals WHERE slack_id = ?1",
            [slack],
            |row| {
                let answer: Option<String> = row.get(4)?;
                Ok(Arrival {
                    slack: row.get(0)?,
                    name: row.get(1)?,
                    welcomed: row.get(2)?,
                    asked: row.get(3)?,
                    added: answer.map(|answer| answer == "added"),
                    answered_by: row.get(5)?,
                })
            },
        )
        .optional()
}

/// Whether a member was welcomed.
pub fn is_welcomed(connection: &Db, slack: &str) -> rusqlite::Result<bool> {
    Ok(of(connection, slack)?.is_some_and(|one| one.welcomed))
}

/// Records that a member was welcomed; `true` if they had not been before.
pub fn welcome(tx: &Db, slack: &str, name: &str, now: DateTime<Utc>) -> rusqlite::Result<bool> {
    came(tx, slack, name, now)?;
    Ok(tx.execute(
        "UPDATE arrivals SET welcomed_ms = ?2 WHERE slack_id = ?1 AND welcomed_ms IS NULL",
        params![slack, now.timestamp_millis()],
    )? > 0)
}

/// Records that the operators were asked to add a member; `true` if they had not been asked before.
pub fn ask(tx: &Db, slack: &str, name: &str, now: DateTime<Utc>) -> rusqlite::Result<bool> {
    came(tx, slack, name, now)?;
    Ok(tx.execute(
        "UPDATE arrivals SET asked_ms = ?2, name = ?3 WHERE slack_id = ?1 AND asked_ms IS NULL",
        params![slack, now.timestamp_millis(), name],
    )? > 0)
}

/// Records an operator's answer about a member.
pub fn answer(tx: &Db, slack: &str, added: bool, by: &str) -> rusqlite::Result<()> {
    let answer = if added { "added" } else { "refused" };
    tx.execute(
        "UPDATE arrivals SET answer = ?2, answered_by = ?3 WHERE slack_id = ?1",
        params![slack, answer, by],
    )?;
    Ok(())
}

/// The number of members about whom the operators were asked and gave no answer.
pub fn count_open(connection: &Db) -> rusqlite::Result<i64> {
    connection.query_row(
        "SELECT count(*) FROM arrivals WHERE asked_ms IS NOT NULL AND answer IS NULL",
        [],
        |row| row.get(0),
    )
}

fn came(tx: &Db, slack: &str, name: &str, now: DateTime<Utc>) -> rusqlite::Result<()> {
    tx.execute(
        "INSERT INTO arrivals (slack_id, name, came_ms) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        params![slack, name, now.timestamp_millis()],
    )?;
    Ok(())
}
