//! Removes rows that were finished longer than `store.retention` ago, in small steps that keep no one waiting (P8).
//!
//! Unfinished rows are never removed, however old they are. Each step looks at the oldest rows only, so that it costs the
//! same in a large table.

use super::db::Db;
use chrono::{DateTime, Duration, Utc};
use rusqlite::params;

use super::forms;
use super::{restored, schedules, snoozes, tombstones};

/// Rows of one table that one step removes at most.
pub const STEP: i64 = 500;
/// Slack may deliver an event again within this time, even if `store.retention` is shorter (docs/contracts/slack.md#redelivery).
const EVENTS_AT_LEAST: Duration = Duration::hours(48);

/// Comments are remembered for longer than a poll may report them (`reconcile::comments::OLD_NEWS`), even if
/// `store.retention` is shorter.
const COMMENTS_AT_LEAST: Duration = Duration::days(15);

/// Runs one step and returns the number of removed rows; 0 if nothing old is left.
pub fn step(tx: &Db, now: DateTime<Utc>, retention: Duration) -> rusqlite::Result<usize> {
    let old = (now - retention).timestamp_millis();
    let old_event = (now - retention.max(EVENTS_AT_LEAST)).timestamp_millis();
    let mut taken = 0;
    let mut forget = |table: &'static str, sql: &str, before_ms: i64| {
        let rows = tx.execute(sql, params![before_ms, STEP])?;
        if rows > 0 {
            metrics::counter!("ivan_rows_forgotten_total", "table" => table).increment(rows as u64);
        }
        taken += rows;
        Ok::<(), rusqlite::Error>(())
    };
    forget(
        "slack_events",
        "DELETE FROM slack_events WHERE id IN
             (SELECT id FROM (SELECT id, handled_ms FROM slack_events ORDER BY id LIMIT 4 * ?2)
              WHERE handled_ms < ?1 LIMIT ?2)",
        old_event,
    )?;
    forget(
        "messages",
        "DELETE FROM messages WHERE id IN
             (SELECT m.id FROM (SELECT * FROM messages ORDER BY id LIMIT 4 * ?2) m
                  LEFT JOIN commands c ON c.id = m.command_id
              WHERE m.created_ms < ?1 AND (m.dropped IS NOT NULL OR m.version = m.posted_version)
                AND (c.id IS NULL OR c.settled_ms IS NOT NULL)
              ORDER BY m.id LIMIT ?2)",
        old,
    )?;
    forget(
        "operations",
        "DELETE FROM operations WHERE seq IN
             (SELECT o.seq FROM (SELECT seq, command_id FROM operations ORDER BY seq LIMIT 4 * ?2) o
                  JOIN commands c ON c.id = o.command_id
              WHERE c.settled_ms < ?1 AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.command_id = c.id)
              ORDER BY o.seq LIMIT ?2)",
        old,
    )?;
    forget(
        "reactions",
        "DELETE FROM reactions WHERE id IN
             (SELECT r.id FROM (SELECT * FROM reactions ORDER BY id LIMIT 4 * ?2) r
                  LEFT JOIN commands c ON c.id = r.command_id
              WHERE r.created_ms < ?1 AND (r.dropped IS NOT NULL OR r.version = r.placed)
                AND (c.id IS NULL OR c.settled_ms IS NOT NULL)
              ORDER BY r.id LIMIT ?2)",
        old,
    )?;
    forget(
        "homes",
        "DELETE FROM homes WHERE user_id IN
             (SELECT user_id FROM homes WHERE opened_ms < ?1 ORDER BY opened_ms LIMIT ?2)",
        old,
    )?;
    forget(
        "commands",
        "DELETE FROM commands WHERE id IN
             (SELECT c.id FROM (SELECT id, settled_ms FROM commands ORDER BY id LIMIT 4 * ?2) c
              WHERE c.settled_ms < ?1
                AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.command_id = c.id)
                AND NOT EXISTS (SELECT 1 FROM operations o WHERE o.command_id = c.id)
              ORDER BY c.id LIMIT ?2)",
        old,
    )?;
    forget(
        "deliveries",
        "DELETE FROM deliveries WHERE id IN
             (SELECT id FROM (SELECT id, handled_ms FROM deliveries ORDER BY id LIMIT 4 * ?2)
              WHERE handled_ms < ?1 LIMIT ?2)",
        old,
    )?;
    forget(
        "comments",
        "DELETE FROM comments WHERE (source, comment_id) IN
             (SELECT source, comment_id FROM comments WHERE heard_ms < ?1 LIMIT ?2)",
        (now - retention.max(COMMENTS_AT_LEAST)).timestamp_millis(),
    )?;
    taken += forms::prune(tx, now)?;
    taken += snoozes::forget(tx, old, STEP)?;
    taken += schedules::forget(tx, old, STEP)?;
    taken += restored::prune(tx, old, STEP)?;
    taken += tombstones::prune(tx, now, retention, STEP)?;
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(connection: &Db, table: &str) -> i64 {
        connection
            .query_row(&format!("SELECT count(*) FROM {table}"), [], |row| {
                row.get(0)
            })
            .unwrap()
    }

    #[test]
    fn what_is_done_and_old_goes_and_what_is_pending_stays() {
        let connection = Db::in_memory();
        connection
            .execute_batch(
                "INSERT INTO people (id, name) VALUES (101, 'Ana');
                 INSERT INTO commands (id, person_id, surface, verb, typed_us, created_ms, settled_ms) VALUES
                     (1, 101, 'slack', 'done', 0, 0, 1000), (2, 101, 'slack', 'done', 0, 0, NULL);
                 INSERT INTO operations (id, command_id, lane, source, kind, write, state, created_ms) VALUES
                     ('a', 1, 'x', 'github', 'complete', '{}', 'applied', 0),
                     ('b', 2, 'x', 'github', 'complete', '{}', 'pending', 0);
                 INSERT INTO messages (uid, channel, command_id, words, version, posted_version, ts, created_ms) VALUES
                     ('m1', 'D', 1, '[]', 1, 1, '1.0', 0), ('m2', 'D', 2, NULL, 0, 0, NULL, 0);
                 INSERT INTO slack_events (user_id, channel, said_us, heard, raw, kept_ms, handled_ms) VALUES
                     ('U', 'D', 0, '{}', '{}', 0, 0), ('U', 'D', 0, '{}', '{}', 0, NULL);
                 INSERT INTO slack_event_keys (key, event_id) VALUES ('k', 1);
                 INSERT INTO reactions (channel, ts, command_id, version, placed, created_ms) VALUES
                     ('D', '1.0', 1, 1, 1, 0), ('D', '2.0', 2, 1, 1, 0), ('D', '3.0', NULL, 1, 0, 0);
                 INSERT INTO homes (user_id, opened_ms) VALUES ('U', 0), ('V', 3456000000);",
            )
            .unwrap();
        let now = DateTime::from_timestamp(40 * 24 * 3600, 0).unwrap();
        while step(&connection, now, Duration::days(30)).unwrap() > 0 {}
        for (table, left) in [
            ("commands", 1),
            ("operations", 1),
            ("messages", 1),
            ("slack_events", 1),
            ("slack_event_keys", 0),
            ("reactions", 2),
            ("homes", 1),
        ] {
            assert_eq!(count(&connection, table), left, "{table}");
        }
    }

    #[test]
    fn it_goes_in_small_steps_and_is_counted() {
        let connection = Db::in_memory();
        let all = STEP * 2 + 20;
        connection
            .execute(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
                 INSERT INTO deliveries (source, dedupe_key, event, payload, kept_ms, handled_ms)
                 SELECT 'github', 'k' || i, 'issues', x'7b7d', 0, CASE WHEN i > 10 THEN 0 END FROM n",
                [all],
            )
            .unwrap();
        let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
        let now = DateTime::from_timestamp(40 * 24 * 3600, 0).unwrap();
        let steps = metrics::with_local_recorder(&recorder, || {
            let step = || step(&connection, now, Duration::days(30)).unwrap();
            [step(), step(), step(), step()]
        });
        assert_eq!(steps, [500, 500, 10, 0]);
        // Unprocessed rows stay, however old they are.
        assert_eq!(count(&connection, "deliveries"), 10);
        let text = recorder.handle().render();
        let line = "ivan_rows_forgotten_total{table=\"deliveries\"} 1010";
        assert!(text.contains(line), "{text}");
    }

    #[test]
    fn events_outlive_slacks_redeliveries() {
        let connection = Db::in_memory();
        connection
            .execute_batch(
                "INSERT INTO slack_events (user_id, channel, said_us, heard, raw, kept_ms, handled_ms)
                 VALUES ('U', 'D', 0, '{}', '{}', 0, 0);",
            )
            .unwrap();
        let at = |hours: i64| DateTime::from_timestamp(hours * 3600, 0).unwrap();
        assert_eq!(step(&connection, at(47), Duration::hours(1)).unwrap(), 0);
        assert_eq!(step(&connection, at(49), Duration::hours(1)).unwrap(), 1);
    }

    #[test]
    fn comments_are_known_for_longer_than_they_are_news() {
        let connection = Db::in_memory();
        connection
            .execute_batch(
                "INSERT INTO comments (source, comment_id, heard_ms) VALUES ('github', '900', 0);",
            )
            .unwrap();
        let at = |days: i64| DateTime::from_timestamp(days * 24 * 3600 + 1, 0).unwrap();
        for (days, retention, taken) in [(14, 1, 0), (15, 30, 0), (15, 1, 1)] {
            let step = step(&connection, at(days), Duration::days(retention)).unwrap();
            assert_eq!(step, taken, "after {days} days, kept for {retention}");
        }
    }
}
