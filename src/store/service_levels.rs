//! The times of the newest writes, for the service levels that `GET /status` shows.

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, params};

use super::DbResult;
use super::columns::millis;
use super::db::Db;
use crate::domain::service_levels::{ServiceLevels, WINDOW, WRITES_MAX, WriteTimes};

/// The newest rows by their number, so that a look is short however many there are. Those that were taken back before they
/// were sent are left out: nobody waits for them.
const NEWEST: &str = "SELECT command_id, lane, created_ms, ended_ms, max(ifnull(not_before_ms, turn_ms), ifnull(turn_ms, not_before_ms)),
            state = 'given_up'
        FROM operations NOT INDEXED
        WHERE seq > (SELECT ifnull(max(seq), 0) FROM operations) - ?1 AND created_ms >= ?2 AND state <> 'cancelled'
        ORDER BY seq";

/// When the first of the newest rows was added; no row unless there are older ones.
const OLDEST_IF_MORE: &str = "SELECT created_ms FROM operations NOT INDEXED
        WHERE seq > (SELECT max(seq) FROM operations) - ?1 AND (SELECT max(seq) FROM operations) > ?1
        ORDER BY seq LIMIT 1";

/// The service levels of the last days. With more than [`WRITES_MAX`] writes, the window begins with the oldest of these.
pub fn read(connection: &Db, now: DateTime<Utc>) -> DbResult<ServiceLevels> {
    newest(connection, WRITES_MAX, now)
}

fn newest(connection: &Db, most: i64, now: DateTime<Utc>) -> DbResult<ServiceLevels> {
    let begin = now - WINDOW;
    let writes: Vec<WriteTimes> =
        connection.query_map(NEWEST, params![most, begin.timestamp_millis()], |row| {
            Ok(WriteTimes {
                command: row.get(0)?,
                lane: row.get(1)?,
                accepted_at: millis(row.get(2)?),
                ended_at: row.get::<_, Option<i64>>(3)?.map(millis),
                due_at: row.get::<_, Option<i64>>(4)?.map(millis),
                given_up: row.get(5)?,
            })
        })?;
    let oldest: Option<i64> = connection
        .query_row(OLDEST_IF_MORE, [most], |row| row.get(0))
        .optional()?;
    let since = oldest.map_or(begin, |ms| begin.max(millis(ms)));
    Ok(ServiceLevels::of(since, &writes, now))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        millis(1_767_225_600_000)
    }

    /// A store with one applied comment for each of these ages in seconds, oldest first; each took a second.
    fn with_comments(ages: &[i64]) -> Db {
        let db = Db::in_memory();
        db.execute_batch("INSERT INTO people (id, name) VALUES (101, 'Ana')")
            .unwrap();
        for (number, age) in (1..).zip(ages) {
            let accepted = now().timestamp_millis() - age * 1000;
            db.execute(
                "INSERT INTO commands (id, person_id, surface, verb, typed_us, created_ms) VALUES (?1, 101, 'api', 'comment', 1, ?2)",
                [number, accepted],
            )
            .unwrap();
            db.execute(
                "INSERT INTO operations (id, command_id, lane, source, kind, write, state, created_ms, ended_ms)
                 VALUES ('op' || ?1, ?1, 'lane' || ?1, 'github', 'comment', '{}', 'applied', ?2, ?2 + 1000)",
                [number, accepted],
            )
            .unwrap();
        }
        db
    }

    #[test]
    fn older_writes_than_the_window_do_not_count() {
        let week = WINDOW.num_seconds();
        let levels = newest(&with_comments(&[week + 1, week - 1, 60]), 10, now()).unwrap();
        assert_eq!((levels.commands, levels.soon), (2, 2));
        assert_eq!(levels.since, now() - WINDOW);
    }

    #[test]
    fn with_many_writes_the_window_begins_with_the_oldest_that_counts() {
        let levels = newest(&with_comments(&[300, 200, 100]), 2, now()).unwrap();
        assert_eq!(levels.commands, 2);
        assert_eq!(levels.since, now() - chrono::Duration::seconds(200));
    }

    #[test]
    fn waits_and_ends_are_read() {
        let db = with_comments(&[60, 50, 40]);
        let change = |sql: &str| db.execute_batch(sql).unwrap();
        change("UPDATE operations SET state = 'cancelled' WHERE id = 'op1'");
        change("UPDATE operations SET state = 'given_up' WHERE id = 'op2'");
        change(
            "UPDATE operations SET ended_ms = created_ms + 3000000, turn_ms = 1, not_before_ms = created_ms + 2999000 WHERE id = 'op3'",
        );
        let levels = read(&db, now()).unwrap();
        let counts = (levels.commands, levels.soon, levels.late, levels.given_up);
        assert_eq!(counts, (2, 0, 0, 1));
        change("UPDATE operations SET not_before_ms = NULL WHERE id = 'op3'");
        assert_eq!(read(&db, now()).unwrap().late, 1);
        assert_eq!(read(&Db::in_memory(), now()).unwrap().commands, 0);
    }
}
