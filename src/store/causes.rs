//! The writes that were under way when a source got a request, and the places in Slack that show their outcome: for the
//! page of the demo. It reads the store beside a running daemon, and writes nothing.

#![allow(clippy::disallowed_types)] // one look, on a connection that no daemon uses

use std::path::Path;

use rusqlite::{Connection, params};
use serde::Serialize;

use super::{DbResult, checkup};
use crate::domain::ids::CommandId;

/// A write that a command asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CommandWrite {
    /// The id of the operation, which is also the marker in texts.
    pub operation: String,
    /// As stored: `complete`, `comment`.
    pub kind: String,
    /// The source's key of its task; `None` for a creation.
    pub task_key: Option<String>,
    /// The title of a task to create.
    pub title: Option<String>,
    /// The name of the person.
    pub person: String,
    /// The verb of the command.
    pub verb: String,
    /// The places that show its outcome.
    pub shown: Vec<OutcomePlace>,
}

/// A place in Slack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum OutcomePlace {
    /// Ivan's message, by the id in its metadata.
    Message {
        /// That id.
        uid: String,
    },
    /// An ephemeral message, which has no id.
    Ephemeral {
        /// The id of its channel.
        channel: String,
        /// The id of its only reader.
        reader: String,
        /// It is posted after this time, in milliseconds.
        since: i64,
    },
    /// The person's own message, which gets a reaction and no other answer.
    Reaction {
        /// The id of its channel.
        channel: String,
        /// Slack's id of the message.
        ts: String,
    },
}

/// The writes to a source that were under way at a time, in the order of typing. `source` is as stored: `github`.
pub fn under_way(path: &Path, source: &str, at_ms: i64) -> DbResult<Vec<CommandWrite>> {
    let connection = checkup::open(path, false)?;
    let mut statement = connection.prepare(
        "SELECT o.id, o.kind, o.task_key, o.write ->> '$.title', p.name, c.verb, ifnull(c.part_of, c.id)
         FROM operations o JOIN commands c ON c.id = o.command_id JOIN people p ON p.id = c.person_id
         WHERE o.source = ?1 AND o.created_ms <= ?2 AND (o.state = 'pending' OR o.ended_ms >= ?2) ORDER BY o.seq",
    )?;
    let found = statement.query_map(params![source, at_ms], |row| {
        let write = CommandWrite {
            operation: row.get(0)?,
            kind: row.get(1)?,
            task_key: row.get(2)?,
            title: row.get(3)?,
            person: row.get(4)?,
            verb: row.get(5)?,
            shown: Vec::new(),
        };
        Ok((write, row.get(6)?))
    })?;
    let found: Vec<(CommandWrite, CommandId)> = found.collect::<DbResult<_>>()?;
    let with_places = found.into_iter().map(|(write, command)| {
        let shown = places(&connection, command)?;
        Ok(CommandWrite { shown, ..write })
    });
    with_places.collect()
}

/// The messages of a command; without one, the person's message that gets a reaction.
fn places(connection: &Connection, command: CommandId) -> DbResult<Vec<OutcomePlace>> {
    let mut statement = connection.prepare(
        "SELECT uid, channel, whisper_to, ifnull(addressed_ms, created_ms) FROM messages WHERE command_id = ?1 ORDER BY id",
    )?;
    let messages = statement.query_map([command], |row| {
        Ok(match row.get::<_, Option<String>>(2)? {
            Some(reader) => OutcomePlace::Ephemeral {
                channel: row.get(1)?,
                reader,
                since: row.get(3)?,
            },
            None => OutcomePlace::Message { uid: row.get(0)? },
        })
    })?;
    let messages: Vec<OutcomePlace> = messages.collect::<DbResult<_>>()?;
    if !messages.is_empty() {
        return Ok(messages);
    }
    let mut statement = connection
        .prepare("SELECT channel, ts FROM reactions WHERE command_id = ?1 ORDER BY id")?;
    let reactions = statement.query_map([command], |row| {
        Ok(OutcomePlace::Reaction {
            channel: row.get(0)?,
            ts: row.get(1)?,
        })
    })?;
    reactions.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A store with one command of Ana for two tasks; the first part is done, the second waits.
    fn store(path: &Path) -> Connection {
        let connection = Connection::open(path).unwrap();
        let migrations = crate::store::migrate::MIGRATIONS.join("\n");
        connection.execute_batch(&migrations).unwrap();
        connection
            .execute_batch(
                "PRAGMA journal_mode = wal;
                 INSERT INTO people (id, name) VALUES (101, 'Ana');
                 INSERT INTO commands (id, person_id, surface, verb, typed_us, created_ms, part_of) VALUES
                    (1, 101, 'slack', 'done', 1, 1000, NULL), (2, 101, 'slack', 'done', 1, 1000, 1),
                    (3, 101, 'slack', 'done', 1, 1000, 1);
                 INSERT INTO operations (seq, id, command_id, lane, source, kind, task_key, write, state, created_ms, ended_ms)
                 VALUES (1, 'op-a', 2, 'l', 'clickup', 'complete', '86tst0001', '{}', 'applied', 1000, 1500),
                    (2, 'op-b', 3, 'm', 'clickup', 'complete', '86tst0002', '{}', 'pending', 1000, NULL);
                 INSERT INTO messages (id, uid, channel, command_id, created_ms) VALUES (1, 'u1', 'D1', 1, 1000);",
            )
            .unwrap();
        connection
    }

    #[test]
    fn a_write_is_under_way_from_its_command_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ivan.db");
        let _open = store(&path);
        let at = |source: &str, at_ms: i64| -> Vec<String> {
            let writes = under_way(&path, source, at_ms).unwrap().into_iter();
            writes.map(|write| write.operation).collect()
        };
        assert!(at("clickup", 999).is_empty());
        assert_eq!(at("clickup", 1000), ["op-a", "op-b"]);
        assert_eq!(at("clickup", 1500), ["op-a", "op-b"]);
        assert_eq!(at("clickup", 1501), ["op-b"]);
        assert!(at("github", 1200).is_empty());
    }

    #[test]
    fn the_places_are_those_of_the_whole_command() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ivan.db");
        let connection = store(&path);
        let shown = || under_way(&path, "clickup", 2000).unwrap().remove(0).shown;
        let uid = "u1".to_owned();
        assert_eq!(shown(), [OutcomePlace::Message { uid }]);
        let changes = "UPDATE messages SET whisper_to = 'U1', addressed_ms = 1200";
        connection.execute(changes, []).unwrap();
        let (channel, reader) = ("D1".to_owned(), "U1".to_owned());
        let ephemeral = OutcomePlace::Ephemeral {
            channel: channel.clone(),
            reader,
            since: 1200,
        };
        assert_eq!(shown(), [ephemeral]);
        connection
            .execute_batch(
                "DELETE FROM messages;
                 INSERT INTO reactions (channel, ts, command_id, created_ms) VALUES ('D1', '7.1', 1, 1000);",
            )
            .unwrap();
        let ts = "7.1".to_owned();
        assert_eq!(shown(), [OutcomePlace::Reaction { channel, ts }]);
    }
}
