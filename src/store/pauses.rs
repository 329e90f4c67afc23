//! The pauses that sources asked for. A restarted process must respect them (docs/contracts/github.md#rate-limits).

use super::db::Db;
use chrono::{DateTime, Utc};
use rusqlite::params;

use super::columns::{corrupt, millis};
use crate::domain::task::Source;

/// Stores a source's pause; `None` removes it.
pub fn keep(tx: &Db, source: Source, until: Option<DateTime<Utc>>) -> rusqlite::Result<()> {
    match until {
        Some(until) => tx.execute(
            "INSERT INTO pauses (source, until_ms) VALUES (?1, ?2)
             ON CONFLICT (source) DO UPDATE SET until_ms = excluded.until_ms",
            params![source.as_str(), until.timestamp_millis()],
        ),
        None => tx.execute("DELETE FROM pauses WHERE source = ?1", [source.as_str()]),
    }
    .map(drop)
}

/// All stored pauses, expired ones too.
pub fn all(connection: &Db) -> rusqlite::Result<Vec<(Source, DateTime<Utc>)>> {
    connection.query_map("SELECT source, until_ms FROM pauses", [], |row| {
        let source = Source::parse(&row.get::<_, String>(0)?).ok_or_else(|| corrupt(0))?;
        Ok((source, millis(row.get(1)?)))
    })
}
