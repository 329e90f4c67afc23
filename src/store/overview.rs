//! The facts of the operator's page, read for each view of it. Each query is bounded, and uses an index.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::db::Db;
use super::log::LogFilter;
use super::operations::{self, OperationRow};
use super::{DbResult, deliveries, log, pauses, people, tasks};
use crate::domain::log::Entry;
use crate::domain::operation::Write;
use crate::domain::overview::{DayFigures, SourceWebhooks, WaitingWrite};
use crate::domain::task::Source;

/// The waiting writes that are shown: the oldest.
pub const WAITING_SHOWN: usize = 10;
/// The entries of the log that are shown: the newest.
pub const ENTRIES_SHOWN: usize = 20;
/// The entries of the log from which the figures are made at most: the newest.
const ENTRIES_COUNTED: i64 = 20_000;

/// The facts that no other answer has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreOverview {
    /// The oldest writes that wait.
    pub waiting: Vec<WaitingWrite>,
    /// The webhooks of each configured source.
    pub webhooks: Vec<SourceWebhooks>,
    /// The names of the people without an account at each configured source.
    pub unlinked: BTreeMap<Source, Vec<String>>,
    /// Problems that operators were told about and that are not over, with their beginning.
    pub alarms: Vec<(String, DateTime<Utc>)>,
    /// The figures of the last hours.
    pub day: DayFigures,
    /// Whether the log has more entries of these hours than are counted.
    pub cut: bool,
    /// The newest entries of the log.
    pub entries: Vec<Entry>,
}

/// Reads them at a time.
pub fn read(connection: &Db, sources: &[Source], now: DateTime<Utc>) -> DbResult<StoreOverview> {
    let mut unlinked = BTreeMap::new();
    let mut webhooks = Vec::new();
    for &source in sources {
        unlinked.insert(source, people::unlinked(connection, source)?);
        webhooks.push(SourceWebhooks {
            source,
            hooks: deliveries::webhooks(connection, source)?,
            last_delivery: deliveries::newest_of_late(connection, source)?,
        });
    }
    let (ended, cut) = log::ended_since(connection, DayFigures::begin(now), ENTRIES_COUNTED)?;
    let newest = LogFilter {
        limit: ENTRIES_SHOWN,
        ..LogFilter::default()
    };
    Ok(StoreOverview {
        waiting: waiting(connection)?,
        webhooks,
        unlinked,
        alarms: deliveries::alarms(connection)?,
        day: DayFigures::of(&ended, now),
        cut,
        entries: log::listed(connection, &newest)?,
    })
}

fn waiting(connection: &Db) -> DbResult<Vec<WaitingWrite>> {
    let pauses = pauses::all(connection)?;
    let most = i64::try_from(WAITING_SHOWN).unwrap_or(i64::MAX);
    let rows = operations::oldest_pending(connection, most)?;
    rows.iter()
        .map(|row| waiting_write(connection, row, &pauses))
        .collect()
}

fn waiting_write(
    connection: &Db,
    row: &OperationRow,
    pauses: &[(Source, DateTime<Utc>)],
) -> DbResult<WaitingWrite> {
    let write = &row.operation.write;
    let source = write.source();
    let task = match write.task() {
        Some(key) => tasks::by_key(connection, key)?,
        None => None,
    };
    let (title, url) = match (task, write) {
        (Some(stored), _) => (stored.task.title, stored.task.url),
        (None, Write::Create(new)) => (new.title.clone(), String::new()),
        (None, _) => (String::new(), String::new()),
    };
    let person = match operations::command(connection, row.command)? {
        Some(command) => people::by_id(connection, command.person)?.name,
        None => String::new(),
    };
    // One behind another in its lane was not tried: the first one's reason is its reason.
    let (why, turn) = match (&row.why, row.attempts) {
        (None, 0) => operations::ahead_in_lane(connection, &row.lane)?,
        (why, _) => (why.clone(), row.turn),
    };
    let pause = pauses.iter().find(|(paused, _)| *paused == source);
    Ok(WaitingWrite {
        id: row.operation.id.clone(),
        kind: write.kind(),
        source,
        person,
        title,
        url,
        since: row.created_at,
        attempts: row.attempts,
        why,
        next_attempt_at: turn.or(row.not_before),
        set_aside: row.set_aside,
        paused_until: pause.map(|(_, until)| *until),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The log grows with the months; a view of the page reads only its end.
    #[test]
    fn an_empty_store_has_an_overview() {
        let now = "2026-03-03T12:30:00Z".parse().unwrap();
        let found = read(&Db::in_memory(), &Source::ALL, now).unwrap();
        assert!(found.waiting.is_empty() && found.entries.is_empty() && found.alarms.is_empty());
        assert_eq!(found.webhooks.len(), Source::ALL.len());
        assert!(found.webhooks.iter().all(|one| one.hooks.is_empty()));
        assert_eq!((found.day.all.commands, found.cut), (0, false));
    }
}
