//! Stores restored from an older copy. They lack messages that people have seen in Slack.
//!
//! Each of our posts carries the uid of its message, committed before it is sent. A post with another uid was sent by
//! another store, or by this one in a time that was lost. When people type `done` or `2`, they may mean such a post.

use super::db::Db;
use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, params};

use super::columns::micros;
use super::messages::Conversation;
use crate::domain::ids::{CommandId, MessageId};
use crate::domain::person::PersonId;

/// Statements that have all waiting work looked for before it is done: in a lost time it may have been done. The
/// parameter is the time of the start in microseconds.
///
/// A completion has no time from which its trace is searched: the task may have been reopened before.
pub(super) const DOUBTS: [&str; 2] = [
    "UPDATE operations SET interrupted = 1, looks = 0, sent_ms = ifnull(sent_ms, min(created_ms, ?1 / 1000)),
         begun_us = iif(kind IN ('comment', 'create'), ifnull(begun_us, created_ms * 1000), begun_us)
     WHERE state = 'pending'",
    "UPDATE messages SET begun_us = ifnull(begun_us, ?1), begun_version = max(version, 1)
     WHERE ts IS NULL AND dropped IS NULL AND whisper_to IS NULL",
];

/// The end of the time that was lost, by our clock; `None` if this store was never put back.
pub fn lost_until(connection: &Db) -> rusqlite::Result<Option<DateTime<Utc>>> {
    let found: Option<Option<i64>> = connection
        .query_row("SELECT lost_until_us FROM generation", [], |row| row.get(0))
        .optional()?;
    Ok(found.flatten().map(micros))
}

/// Whether the store may lack what happened at `at`, because it was put back later.
pub fn is_lost(connection: &Db, at: DateTime<Utc>) -> rusqlite::Result<bool> {
    Ok(lost_until(connection)?.is_some_and(|until| at <= until))
}

/// Records that this store was put back before `now`, and doubts its waiting work.
pub fn lost(tx: &Db, now: DateTime<Utc>) -> rusqlite::Result<()> {
    tx.execute(
        "INSERT INTO generation (one, mark, lost_until_us) VALUES (1, '', ?1)
         ON CONFLICT (one) DO UPDATE SET lost_until_us = excluded.lost_until_us",
        [now.timestamp_micros()],
    )?;
    for sql in DOUBTS {
        tx.execute(sql, [now.timestamp_micros()])?;
    }
    Ok(())
}

/// The DMs, and threads in them, of work that waits in this store: unhandled messages, and commands without an outcome,
/// also those that came over HTTP.
pub fn places_of_work(connection: &Db, at_most: usize) -> rusqlite::Result<Vec<Conversation>> {
    connection.query_map(
        "SELECT channel, thread FROM messages WHERE command_id IN
                 (SELECT command_id FROM operations WHERE state = 'pending')
             AND channel GLOB 'D*' AND whisper_to IS NULL AND dropped IS NULL
         UNION SELECT dm, NULL FROM people WHERE dm IS NOT NULL AND id IN
                 (SELECT person_id FROM commands WHERE id IN
                     (SELECT command_id FROM operations WHERE state = 'pending'))
         UNION SELECT channel, heard ->> '$.thread' FROM slack_events
             WHERE handled_ms IS NULL AND channel GLOB 'D*'
         LIMIT ?1",
        [i64::try_from(at_most).unwrap_or(i64::MAX)],
        |row| {
            Ok(Conversation {
                channel: row.get(0)?,
                thread: row.get(1)?,
            })
        },
    )
}

/// The command that waits in this store and whose answer is this message.
pub fn waiting_command(
    connection: &Db,
    uid: &str,
) -> rusqlite::Result<Option<(CommandId, MessageId)>> {
    connection
        .query_row(
            "SELECT command_id, id FROM messages WHERE uid = ?1 AND EXISTS
                 (SELECT 1 FROM operations WHERE command_id = messages.command_id AND state = 'pending')",
            [uid],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()
}

/// Whether a command waits in this store, or a part of it, whose answer is this message.
pub fn waits(connection: &Db, uid: &str) -> rusqlite::Result<bool> {
    connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM messages JOIN operations ON operations.command_id = messages.command_id
                 WHERE messages.uid = ?1 AND operations.state = 'pending')
             OR EXISTS (SELECT 1 FROM messages JOIN commands ON commands.part_of = messages.command_id
                     JOIN operations ON operations.command_id = commands.id
                 WHERE messages.uid = ?1 AND operations.state = 'pending')",
        [uid],
        |row| row.get(0),
    )
}

/// Ends the waiting operations of a command that had its outcome in the lost time. They may have been applied.
pub fn ended_in_lost_time(
    tx: &Db,
    command: CommandId,
    why: &str,
    now: DateTime<Utc>,
) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE operations SET state = 'given_up', interrupted = 1, why = ?2, ended_ms = ?3, set_aside = 0
         WHERE command_id = ?1 AND state = 'pending'",
        params![command, why, now.timestamp_millis()],
    )?;
    Ok(())
}

/// Leaves a message as it stands in Slack: its words there are newer than ours.
pub fn stays_as_posted(tx: &Db, message: MessageId, ts: &str) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE messages SET ts = ?2, posted_version = version, begun_us = NULL, redraw = 0,
             dropped = 'its words are of a time that was lost' WHERE id = ?1",
        params![message, ts],
    )?;
    Ok(())
}

/// Whether this store has sent a post with this uid.
pub fn knows(connection: &Db, uid: &str) -> rusqlite::Result<bool> {
    connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM messages WHERE uid = ?1 AND (ts IS NOT NULL OR begun_us IS NOT NULL))
                 OR EXISTS (SELECT 1 FROM left_posts WHERE uid = ?1)",
        [uid],
        |row| row.get(0),
    )
}

/// Remembers the uid of a message that is about to get another, since its earlier post may exist.
pub fn leaves(tx: &Db, message: MessageId, now: DateTime<Utc>) -> rusqlite::Result<()> {
    tx.execute(
        "INSERT INTO left_posts (uid, left_ms) SELECT uid, ?2 FROM messages WHERE id = ?1 ON CONFLICT DO NOTHING",
        params![message, now.timestamp_millis()],
    )?;
    Ok(())
}

/// Records that another store showed things to a person until then. Tasks and numbers that this store showed them
/// earlier are invalid until they are shown again.
pub fn shown_elsewhere(tx: &Db, person: PersonId, until: DateTime<Utc>) -> rusqlite::Result<()> {
    let until = until.timestamp_micros();
    tx.execute(
        "INSERT INTO shown_elsewhere (person_id, until_us) VALUES (?1, ?2)
         ON CONFLICT (person_id) DO UPDATE SET until_us = max(until_us, excluded.until_us)",
        params![person, until],
    )?;
    // A redrawn card does not show its pin again.
    tx.execute(
        "UPDATE messages SET pin_id = NULL
         WHERE pin_id IN (SELECT id FROM pins WHERE person_id = ?1 AND shown_us <= ?2)",
        params![person, until],
    )?;
    tx.execute(
        "UPDATE pins SET shown_us = NULL WHERE person_id = ?1 AND shown_us <= ?2",
        params![person, until],
    )?;
    tx.execute(
        "DELETE FROM lists WHERE person_id = ?1 AND shown_us <= ?2",
        params![person, until],
    )?;
    Ok(())
}

/// The time until which another store showed things to a person, if one did.
pub fn until(connection: &Db, person: PersonId) -> rusqlite::Result<Option<DateTime<Utc>>> {
    connection
        .query_row(
            "SELECT until_us FROM shown_elsewhere WHERE person_id = ?1",
            [person],
            |row| row.get(0).map(micros),
        )
        .optional()
}

/// Removes old remembered uids.
pub fn prune(tx: &Db, before_ms: i64, step: i64) -> rusqlite::Result<usize> {
    tx.execute(
        "DELETE FROM left_posts WHERE uid IN (SELECT uid FROM left_posts WHERE left_ms < ?1 ORDER BY left_ms LIMIT ?2)",
        params![before_ms, step],
    )
}

#[cfg(test)]
mod tests {
    use super::super::{messages, people};
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    #[test]
    fn what_was_shown_before_counts_no_more_and_what_is_shown_after_does() {
        let connection = Db::in_memory();
        people::configure(&connection, &[]).unwrap();
        let me = people::present(&connection).unwrap()[0].id;
        let early = people::pin(&connection, me, None, at(1), Some(at(1))).unwrap();
        people::list(&connection, me, &[], Some(at(1))).unwrap();
        people::pin(&connection, me, None, at(9), Some(at(9))).unwrap();
        connection
            .execute(
                "INSERT INTO messages (uid, channel, pin_id, created_ms) VALUES ('A', 'D', ?1, 0)",
                [early],
            )
            .unwrap();
        assert_eq!(until(&connection, me).unwrap(), None);
        shown_elsewhere(&connection, me, at(5)).unwrap();
        // Found again at the next start, and an older one.
        shown_elsewhere(&connection, me, at(5)).unwrap();
        shown_elsewhere(&connection, me, at(3)).unwrap();
        assert_eq!(until(&connection, me).unwrap(), Some(at(5)));
        let shown: Vec<_> = people::pins(&connection, me).unwrap();
        let shown: Vec<_> = shown.iter().map(|pin| pin.shown_at).collect();
        assert_eq!(shown, [None, Some(at(9))]);
        assert!(!people::has_seen_a_list(&connection, me, at(99)).unwrap());
        let pinned: Option<i64> = connection
            .query_row("SELECT pin_id FROM messages", [], |row| row.get(0))
            .unwrap();
        assert_eq!(pinned, None);
    }

    #[test]
    fn a_command_waits_as_long_as_an_operation_of_it_or_of_a_part() {
        let connection = Db::in_memory();
        connection
            .execute_batch(
                "INSERT INTO people (id, name) VALUES (101, 'Ana');
                 INSERT INTO commands (id, person_id, surface, verb, typed_us, created_ms, part_of) VALUES
                     (1, 101, 'slack', 'done', 1, 1, NULL), (2, 101, 'slack', 'done', 1, 1, NULL), (3, 101, 'slack', 'done', 1, 1, 2);
                 INSERT INTO operations (id, command_id, lane, source, kind, write, created_ms) VALUES
                     ('A', 1, 'a', 'github', 'complete', '{}', 1), ('B', 3, 'b', 'github', 'complete', '{}', 1);
                 INSERT INTO messages (uid, channel, command_id, created_ms) VALUES ('ONE', 'D', 1, 1), ('WHOLE', 'D', 2, 1);",
            )
            .unwrap();
        let all = || ["ONE", "WHOLE", "OTHER"].map(|uid| waits(&connection, uid).unwrap());
        assert_eq!(all(), [true, true, false]);
        let end = |id: &str| {
            connection
                .execute(
                    "UPDATE operations SET state = 'applied' WHERE id = ?1",
                    [id],
                )
                .unwrap();
        };
        end("A");
        assert_eq!(all(), [false, true, false]);
        end("B");
        assert_eq!(all(), [false, false, false]);
    }

    #[test]
    fn a_post_that_was_said_anew_is_ours() {
        let connection = Db::in_memory();
        connection
            .execute_batch(
                "INSERT INTO messages (id, uid, channel, created_ms) VALUES (1, 'A', 'D', 0)",
            )
            .unwrap();
        assert!(!knows(&connection, "A").unwrap(), "it was never sent here");
        messages::posting(&connection, MessageId(1), (0, true), at(7)).unwrap();
        assert!(knows(&connection, "A").unwrap() && !knows(&connection, "B").unwrap());
        leaves(&connection, MessageId(1), at(7)).unwrap();
        super::super::messages::say_anew(&connection, MessageId(1), "B").unwrap();
        assert!(knows(&connection, "A").unwrap() && !knows(&connection, "B").unwrap());
        messages::posting(&connection, MessageId(1), (0, true), at(7)).unwrap();
        assert!(knows(&connection, "A").unwrap() && knows(&connection, "B").unwrap());
        assert_eq!(prune(&connection, at(7).timestamp_millis(), 9).unwrap(), 0);
        assert_eq!(prune(&connection, at(8).timestamp_millis(), 9).unwrap(), 1);
    }

    #[test]
    fn what_a_found_post_showed_counts_since_it_stands_there() {
        let connection = Db::in_memory();
        people::configure(&connection, &[]).unwrap();
        let me = people::present(&connection).unwrap()[0].id;
        let shown = |connection: &Db, pin| {
            let pins = people::pins(connection, me).unwrap();
            pins.iter().find(|seen| seen.id == pin).unwrap().shown_at
        };
        let add = |uid: &str, version: i64, shows: i64, begun: Option<i64>| {
            let pin = people::pin(&connection, me, None, at(1), None).unwrap();
            connection
                .execute(
                    "INSERT INTO messages (uid, channel, pin_id, version, shows_version, begun_us, begun_version, created_ms)
                     VALUES (?1, 'D', ?2, ?3, ?4, ?5, ifnull(?5, 0), 0)",
                    params![uid, pin, version, shows, begun],
                )
                .unwrap();
            (connection.inserted(MessageId), pin)
        };
        // The pin is in the version that was posted, or in a later one; or no post has begun.
        for (uid, version, shows, begun, since) in [
            ("A", 1, 1, Some(1), Some(at(5))),
            ("B", 2, 1, Some(1), Some(at(5))),
            ("C", 2, 2, Some(1), None),
            ("D", 1, 1, None, None),
        ] {
            let (message, pin) = add(uid, version, shows, begun);
            let unrecorded = messages::unrecorded(&connection, uid).unwrap();
            assert_eq!(unrecorded, begun.map(|_| message), "{uid}");
            messages::found(&connection, message, "5.000000", at(5)).unwrap();
            assert_eq!(shown(&connection, pin), since, "{uid}");
            assert_eq!(messages::unrecorded(&connection, uid).unwrap(), None);
        }
    }
}
