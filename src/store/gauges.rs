//! Numbers of `GET /metrics` that are read from the store at each scrape.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::db::Db;
use super::{deliveries, operations, people, tasks};
use crate::domain::task::Source;

/// The numbers at one moment.
#[derive(Debug, Clone, Default)]
pub(super) struct Gauges {
    /// Operations without an outcome.
    pending: i64,
    /// UTC, when the oldest of them was accepted.
    oldest_pending: Option<DateTime<Utc>>,
    /// UTC, the end of the last complete read of each source.
    last_read: BTreeMap<Source, Option<DateTime<Utc>>>,
    /// Whether no registered webhook of a source is known to be broken.
    hooks_well: BTreeMap<Source, bool>,
    /// People without an account at a source.
    unlinked: BTreeMap<Source, usize>,
    /// Problems that operators were told about, and that are not over.
    alerts: i64,
}

pub(super) fn read(connection: &Db, sources: &[Source]) -> rusqlite::Result<Gauges> {
    let oldest: Option<i64> = connection.query_row(
        "SELECT min(created_ms) FROM operations WHERE state = 'pending' AND set_aside = 0",
        [],
        |row| row.get(0),
    )?;
    let mut found = Gauges {
        pending: operations::count_pending(connection)?,
        oldest_pending: oldest.and_then(DateTime::from_timestamp_millis),
        alerts: connection.query_row("SELECT count(*) FROM alarms", [], |row| row.get(0))?,
        ..Gauges::default()
    };
    for source in sources {
        let last = tasks::synced_at(connection, *source)?;
        found.last_read.insert(*source, last);
        let unlinked = people::unlinked(connection, *source)?.len();
        found.unlinked.insert(*source, unlinked);
        let hooks = deliveries::webhooks(connection, *source)?;
        let well = hooks.iter().all(|hook| hook.broken_since.is_none());
        found.hooks_well.insert(*source, well);
    }
    Ok(found)
}

impl Gauges {
    /// Gives them to the metrics. Numbers up to 2^53 are exact.
    pub(super) fn show(&self, now: DateTime<Utc>) {
        metrics::gauge!("ivan_operations_pending").set(self.pending as f64);
        let age = self
            .oldest_pending
            .map_or(0, |at| (now - at).num_milliseconds());
        metrics::gauge!("ivan_operations_oldest_seconds").set(age.max(0) as f64 / 1000.0);
        metrics::gauge!("ivan_alerts_open").set(self.alerts as f64);
        for (source, at) in &self.last_read {
            let at = at.map_or(0, |at| at.timestamp());
            metrics::gauge!("ivan_source_last_read_timestamp_seconds", "source" => source.as_str())
                .set(at as f64);
        }
        for (source, people) in &self.unlinked {
            metrics::gauge!("ivan_people_unlinked", "source" => source.as_str())
                .set(*people as f64);
        }
        for (source, well) in &self.hooks_well {
            metrics::gauge!("ivan_webhook_healthy", "source" => source.as_str())
                .set(f64::from(u8::from(*well)));
        }
    }
}
