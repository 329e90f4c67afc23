//! Open forms, and the messages that tasks were made from.

use super::db::Db;
use chrono::{DateTime, Duration, Utc};
use rusqlite::{OptionalExtension, params};

use super::operations;
use super::slack_events::ReplyUrl;
use super::tasks::{self, StoredTask};
use crate::domain::form::SourceMessage;
use crate::domain::ids::{CommandId, TaskRow};
use crate::domain::operation::Write;

/// How long Slack accepts posts to a `response_url` (docs/contracts/slack.md#answers-through-response_url), less a minute for differing clocks.
pub const URL_LIFE: Duration = Duration::minutes(29);

/// Stores the `response_url` that a form is answered through.
pub fn keep_url(
    tx: &Db,
    id: &str,
    user: &str,
    url: &ReplyUrl,
    now: DateTime<Utc>,
) -> rusqlite::Result<()> {
    tx.execute(
        "INSERT INTO reply_urls (id, user_id, url, kept_ms) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
        params![id, user, url.as_str(), now.timestamp_millis()],
    )?;
    Ok(())
}

/// Takes the `response_url` of this person's form, once; `None` if it is unknown or expired.
pub fn take_url(
    tx: &Db,
    id: &str,
    user: &str,
    now: DateTime<Utc>,
) -> rusqlite::Result<Option<ReplyUrl>> {
    tx.query_row(
        "DELETE FROM reply_urls WHERE id = ?1 AND user_id = ?2 AND kept_ms >= ?3 RETURNING url",
        params![id, user, (now - URL_LIFE).timestamp_millis()],
        |row| row.get::<_, String>(0).map(ReplyUrl::new),
    )
    .optional()
}

/// The state of a message that a task was made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CreationState {
    /// The task exists.
    Task(Box<StoredTask>),
    /// The task was requested; its title.
    Asked(String),
}

/// The task made from this message; `None` if there is none, or not any more.
pub fn made(connection: &Db, channel: &str, ts: &str) -> rusqlite::Result<Option<CreationState>> {
    let row: Option<(Option<TaskRow>, Option<CommandId>)> = connection
        .query_row(
            "SELECT task_id, command_id FROM made_from WHERE channel = ?1 AND ts = ?2",
            params![channel, ts],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    let Some((task, command)) = row else {
        return Ok(None);
    };
    if let Some(row) = task {
        let stored = tasks::by_row(connection, row)?.filter(|stored| !stored.gone);
        return Ok(stored.map(|stored| CreationState::Task(Box::new(stored))));
    }
    let Some(command) = command else {
        return Ok(None);
    };
    let first = operations::of_command(connection, command)?
        .into_iter()
        .next();
    Ok(
        first.and_then(|row| match (row.state, row.operation.write) {
            (operations::OperationState::Pending, Write::Create(new)) => {
                Some(CreationState::Asked(new.title))
            }
            _ => None,
        }),
    )
}

/// Records that a task is being made from this message.
pub fn making(tx: &Db, of: &SourceMessage, command: CommandId) -> rusqlite::Result<()> {
    tx.execute(
        "INSERT INTO made_from (channel, ts, command_id) VALUES (?1, ?2, ?3)
         ON CONFLICT (channel, ts) DO UPDATE SET command_id = excluded.command_id, task_id = NULL",
        params![of.channel, of.ts, command],
    )?;
    Ok(())
}

/// Records the task that a command made, if it was requested from a message.
pub fn is_made(tx: &Db, command: CommandId, task: TaskRow) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE made_from SET task_id = ?2 WHERE command_id = ?1",
        params![command, task],
    )?;
    Ok(())
}

/// Removes expired URLs, and messages whose command made no task.
pub fn prune(tx: &Db, now: DateTime<Utc>) -> rusqlite::Result<usize> {
    let old = (now - URL_LIFE).timestamp_millis();
    let mut taken = tx.execute("DELETE FROM reply_urls WHERE kept_ms < ?1", [old])?;
    taken += tx.execute(
        "UPDATE messages SET reply_url = NULL WHERE reply_url IS NOT NULL AND ifnull(addressed_ms, created_ms) < ?1",
        [old],
    )?;
    taken += tx.execute(
        "DELETE FROM made_from WHERE command_id IS NULL AND task_id IS NULL",
        [],
    )?;
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> Db {
        Db::in_memory()
    }

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + Duration::minutes(minutes)
    }

    #[test]
    fn an_address_is_given_once_to_whom_it_belongs_while_it_is_good() {
        let connection = store();
        let url = ReplyUrl::new("https://hooks.slack.test/x");
        for id in ["A", "B"] {
            keep_url(&connection, id, "U0ANN01", &url, at(0)).unwrap();
        }
        let take = |id: &str, user: &str, now| take_url(&connection, id, user, now).unwrap();
        assert_eq!(take("A", "U0BOB01", at(1)), None);
        assert_eq!(take("A", "U0ANN01", at(1)), Some(url));
        assert_eq!(take("A", "U0ANN01", at(1)), None);
        assert_eq!(take("B", "U0ANN01", at(30)), None);
    }

    #[test]
    fn what_is_over_is_forgotten() {
        let connection = store();
        let url = ReplyUrl::new("https://hooks.slack.test/x");
        keep_url(&connection, "A", "U0ANN01", &url, at(0)).unwrap();
        connection
            .execute_batch(
                "INSERT INTO messages (uid, channel, reply_url, whisper_to, created_ms) VALUES ('m', 'C', 'https://x', 'U', 0);
                 INSERT INTO made_from (channel, ts) VALUES ('C', '1.000001');",
            )
            .unwrap();
        let left = || -> (i64, i64, i64) {
            connection
                .query_row(
                    "SELECT (SELECT count(*) FROM reply_urls), (SELECT count(reply_url) FROM messages),
                         (SELECT count(*) FROM made_from)",
                    [],
                    |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
                )
                .unwrap()
        };
        prune(&connection, at(28)).unwrap();
        assert_eq!(left(), (1, 1, 0));
        prune(&connection, at(30)).unwrap();
        assert_eq!(left(), (0, 0, 0));
    }
}
