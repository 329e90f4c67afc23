//! Tasks that are not mirrored and are known to be deleted, or to live elsewhere (P4).
//!
//! Deliveries and pages of listings arrive in any order. The report of a deletion may come before that of the creation.
//! A mirrored task has its own marks (`tasks::mark_gone`); this table has the others.

use super::db::Db;
use chrono::{DateTime, Duration, Utc};
use rusqlite::{OptionalExtension, params};

use crate::domain::task::TaskKey;

/// GitHub lists failed deliveries for three days (docs/contracts/github.md#delivery). This outranks a shorter `store.retention`.
const AT_LEAST: Duration = Duration::days(4);

/// The known fate of a task that is not mirrored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tombstone {
    /// Our clock.
    pub known_us: i64,
    /// Deleted; otherwise it lives in a container that is not followed.
    pub gone: bool,
}

/// Records that a task that is not mirrored is gone, or away. A deletion outweighs a move.
pub(super) fn bury(
    tx: &Db,
    key: &TaskKey,
    gone: bool,
    known_at: DateTime<Utc>,
) -> rusqlite::Result<()> {
    tx.execute(
        "INSERT INTO tombstones (source, source_key, known_us, gone) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (source, source_key) DO UPDATE SET
             known_us = max(known_us, excluded.known_us), gone = max(gone, excluded.gone)",
        params![
            key.source().as_str(),
            key.as_str(),
            known_at.timestamp_micros(),
            gone
        ],
    )?;
    Ok(())
}

/// Whether a task that is not mirrored is known to be gone or away.
pub fn is_buried(connection: &Db, key: &TaskKey) -> rusqlite::Result<bool> {
    connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM tombstones WHERE source = ?1 AND source_key = ?2)",
        params![key.source().as_str(), key.as_str()],
        |row| row.get(0),
    )
}

/// Takes the tombstone of a task that is about to be mirrored; its row has that information from now on.
pub(super) fn take(tx: &Db, key: &TaskKey) -> rusqlite::Result<Option<Tombstone>> {
    tx.query_row(
        "DELETE FROM tombstones WHERE source = ?1 AND source_key = ?2 RETURNING known_us, gone",
        params![key.source().as_str(), key.as_str()],
        |row| {
            Ok(Tombstone {
                known_us: row.get(0)?,
                gone: row.get(1)?,
            })
        },
    )
    .optional()
}

/// Removes tombstones that no older report can contradict any more; returns their number.
pub(super) fn prune(
    tx: &Db,
    now: DateTime<Utc>,
    retention: Duration,
    step: i64,
) -> rusqlite::Result<usize> {
    let old = now - retention.max(AT_LEAST);
    tx.execute(
        "DELETE FROM tombstones WHERE (source, source_key) IN
             (SELECT source, source_key FROM tombstones WHERE known_us < ?1 ORDER BY known_us LIMIT ?2)",
        params![old.timestamp_micros(), step],
    )
}

#[cfg(test)]
mod tests {
    use super::super::prune;
    use super::super::tasks::{self, StoredTask};
    use super::*;
    use crate::domain::task::{RepoName, Task, TaskId, TaskStatus};

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_767_225_600 + second, 0).unwrap()
    }

    fn store() -> Db {
        Db::in_memory()
    }

    fn key() -> TaskKey {
        TaskKey::github(1001, 7)
    }

    /// The issue as it was at that second, by its source's clock.
    fn task(second: i64) -> Task {
        Task {
            key: key(),
            id: TaskId::github(RepoName::parse("acme/widgets"), 7).unwrap(),
            container: "1001".into(),
            home: None,
            milestone: None,
            task_type: None,
            parent: None,
            children: None,
            title: format!("As of {second}"),
            description: String::new(),
            url: String::new(),
            status: TaskStatus::Todo,
            source_status: "open".into(),
            assignees: Vec::new(),
            labels: Vec::new(),
            entity: None,
            priority: None,
            due: None,
            created_at: at(0),
            updated_at: at(second),
            closed: None,
            commented_at: None,
            reopened: false,
            custom_id: None,
            creator: None,
            links: Vec::new(),
        }
    }

    fn kept(store: &Db) -> StoredTask {
        tasks::by_key(store, &key()).unwrap().unwrap()
    }

    #[test]
    fn an_account_that_was_asked_for_earlier_opens_nothing_and_a_later_one_does() {
        let store = store();
        tasks::mark_gone(&store, &key(), at(10)).unwrap();
        assert!(is_buried(&store, &key()).unwrap());
        let (_, changed) = tasks::keep_anew(&store, &task(5), at(9)).unwrap();
        assert!(kept(&store).gone && !changed);
        assert!(!is_buried(&store, &key()).unwrap(), "its row has it now");
        // A report that is newer by the source's clock but was requested earlier does not either.
        tasks::keep_anew(&store, &task(8), at(9)).unwrap();
        assert!(kept(&store).gone);
        tasks::keep_anew(&store, &task(8), at(11)).unwrap();
        assert!(!kept(&store).gone, "it was put back");
        assert_eq!(kept(&store).task.title, "As of 8");
    }

    #[test]
    fn a_task_that_was_put_back_needs_no_row_of_before() {
        let store = store();
        tasks::mark_gone(&store, &key(), at(10)).unwrap();
        let (_, changed) = tasks::keep_anew(&store, &task(5), at(11)).unwrap();
        assert!(changed && !kept(&store).gone && !kept(&store).away);
        assert!(!is_buried(&store, &key()).unwrap());
    }

    #[test]
    fn a_deletion_outweighs_a_move_in_either_order() {
        for gone_first in [true, false] {
            let store = store();
            for gone in [gone_first, !gone_first] {
                match gone {
                    true => tasks::mark_gone(&store, &key(), at(10)).unwrap(),
                    false => tasks::mark_away(&store, &key(), at(12)).unwrap(),
                }
            }
            tasks::keep_anew(&store, &task(5), at(11)).unwrap();
            assert!(kept(&store).gone, "known until 12");
        }
    }

    #[test]
    fn what_moved_away_stays_away() {
        let store = store();
        tasks::mark_away(&store, &key(), at(10)).unwrap();
        tasks::keep_anew(&store, &task(5), at(9)).unwrap();
        let known = kept(&store);
        assert!(known.away && !known.gone);
    }

    #[test]
    fn it_is_forgotten_after_the_retention_and_not_before_four_days() {
        let store = store();
        for (number, day) in [(1, 0), (2, 3), (3, 20)] {
            let key = TaskKey::github(1001, number);
            tasks::mark_gone(&store, &key, at(day * 86_400)).unwrap();
        }
        let left = |now: i64, days: i64| {
            let now = at(now * 86_400);
            while prune::step(&store, now, Duration::days(days)).unwrap() > 0 {}
            let count = "SELECT count(*) FROM tombstones";
            store.query_row(count, [], |row| row.get::<_, i64>(0))
        };
        assert_eq!(left(5, 1).unwrap(), 2);
        assert_eq!(left(25, 30).unwrap(), 2);
        assert_eq!(left(35, 30).unwrap(), 1);
    }
}
