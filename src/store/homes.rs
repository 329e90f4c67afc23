//! Home tabs: the people who have opened theirs, and the state that was published last.

use super::db::Db;
use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, params};

/// A stored Home tab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredHome {
    /// The Slack id of the person.
    pub user: String,
    /// Why this person may not give commands.
    pub refusal: Option<String>,
    /// Whether it is to be published even if its content is unchanged.
    pub due: bool,
    /// The version to pass to [`published`].
    pub version: i64,
    /// The digest of the view that was published last.
    pub digest: Option<String>,
    /// Slack's hash of the same view.
    pub hash: Option<String>,
}

/// Records that a person opened their Home tab.
pub fn opened(
    tx: &Db,
    user: &str,
    dm: &str,
    refusal: Option<&str>,
    at: DateTime<Utc>,
) -> rusqlite::Result<()> {
    tx.execute(
        "INSERT INTO homes (user_id, dm, refusal, opened_ms) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (user_id) DO UPDATE SET dm = excluded.dm, refusal = excluded.refusal,
             opened_ms = excluded.opened_ms, wanted = wanted + 1",
        params![user, dm, refusal, at.timestamp_millis()],
    )?;
    Ok(())
}

/// The DM of a person who has opened their Home tab.
pub fn dm(connection: &Db, user: &str) -> rusqlite::Result<Option<String>> {
    let dm = connection
        .query_row("SELECT dm FROM homes WHERE user_id = ?1", [user], |row| {
            row.get::<_, Option<String>>(0)
        })
        .optional()?;
    Ok(dm.flatten())
}

/// The Home tabs that were opened since then.
pub fn since(connection: &Db, since: DateTime<Utc>) -> rusqlite::Result<Vec<StoredHome>> {
    connection.query_map(
        "SELECT user_id, refusal, wanted > published, wanted, digest, hash FROM homes
             WHERE opened_ms >= ?1 ORDER BY opened_ms",
        [since.timestamp_millis()],
        |row| {
            Ok(StoredHome {
                user: row.get(0)?,
                refusal: row.get(1)?,
                due: row.get(2)?,
                version: row.get(3)?,
                digest: row.get(4)?,
                hash: row.get(5)?,
            })
        },
    )
}

/// Records that the tab is published up to `version`. Without a digest it is empty, because Slack refuses it.
pub fn published(
    tx: &Db,
    user: &str,
    version: i64,
    digest: Option<&str>,
    hash: Option<&str>,
) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE homes SET published = ?2, digest = ?3, hash = ?4 WHERE user_id = ?1",
        params![user, version, digest, hash],
    )?;
    Ok(())
}
