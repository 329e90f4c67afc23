//! Messages and gestures from Slack: stored, deduplicated by all their keys, and processed in each person's order.

use std::fmt;

use super::db::Db;
use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, params};
use serde::{Deserialize, Serialize};

use super::columns::{from_json, json, micros};
use crate::domain::card::ButtonAction;
use crate::domain::form::SubmittedForm;
use crate::domain::ids::{EventId, TaskRow};
use crate::domain::reply::Text;
use crate::domain::shared_file::SharedFile;

/// How a command was given.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gesture {
    /// A message, whose text may hold a command.
    #[default]
    Said,
    /// A slash command. The answer is ephemeral, or for the channel if it is `public` and something was created.
    Slash {
        /// The URL for the answer, usable for 30 minutes.
        reply_url: ReplyUrl,
        /// Whether the channel may see the answer if something was created.
        #[serde(default)]
        public: bool,
    },
    /// A button of ours.
    Pressed(ButtonAction),
    /// A button of an ephemeral answer. The answer to the press is ephemeral, too.
    PressedAlone {
        /// The action of the button.
        press: ButtonAction,
        /// The URL for the answer, usable for 30 minutes.
        reply_url: ReplyUrl,
        /// The `uid` of that answer, if the press names it.
        #[serde(default)]
        of: Option<String>,
    },
    /// A submitted form.
    Submitted {
        /// The content of the form.
        filled: SubmittedForm,
        /// The key of the `response_url` for the answer. Without one, the answer goes to the channel.
        reply: Option<String>,
        /// Whether the channel may see the answer if something was created.
        #[serde(default)]
        public: bool,
    },
    /// A message in a channel's thread that is not addressed to us. It becomes a comment if we have answered there.
    Replied,
    /// A reaction to a message of ours, added or removed.
    Signed {
        /// Slack's name of it.
        reaction: String,
        /// `true` if it was added, `false` if it was removed.
        put: bool,
        /// The task of that message, once it was looked up.
        task: Option<TaskRow>,
    },
    /// A reaction to an answer about one task that shows the card of another. It could mean either.
    SignedOutcome,
    /// A command without a task, in a thread whose answers this store knows only in part.
    InUnknownThread,
    /// The Home tab was opened.
    OpenedHome,
    /// The DM with Ivan was opened.
    OpenedDm,
}

impl Gesture {
    /// The submitted form, if it is one.
    pub fn filled(&self) -> Option<&SubmittedForm> {
        match self {
            Gesture::Submitted { filled, .. } => Some(filled),
            _ => None,
        }
    }
}

/// The `response_url` for ephemeral answers to one person. It is a bearer secret, so it is never printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReplyUrl(String);

impl ReplyUrl {
    /// Takes the URL as Slack sent it.
    pub fn new(url: impl Into<String>) -> ReplyUrl {
        ReplyUrl(url.into())
    }

    /// The plain URL, only for the store and the request.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ReplyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReplyUrl(…)")
    }
}

/// A message or gesture that passed the gate (docs/contracts/slack.md#messages) and may be a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncomingMessage {
    /// Every key under which the same gesture may arrive again (docs/contracts/slack.md#duplicates).
    pub keys: Vec<String>,
    /// Slack id of the author.
    pub user: String,
    /// Slack id of the conversation; the author's own id if there is none.
    pub channel: String,
    /// Whether it is a DM with the bot: every text is for us. In channels: mentions, and `create` where allowed.
    pub direct: bool,
    /// The text, unescaped and without the leading mention, otherwise unchanged.
    pub text: String,
    /// Slack's id of the message within its channel.
    pub ts: String,
    /// UTC, by Slack's clock.
    pub said_at: DateTime<Utc>,
    /// The root of the thread that the message was typed in.
    pub thread: Option<String>,
    /// The way it was given; a plain message if older rows have none.
    #[serde(default)]
    pub gesture: Gesture,
    /// Files and forwarded messages; empty for most.
    #[serde(default, skip_serializing_if = "Attachments::is_empty")]
    pub attached: Attachments,
}

/// The content of a message besides its text.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Attachments {
    /// Forwarded words, in a form to append to a text. An older version stored the URLs of files here as well.
    pub pieces: Vec<String>,
    /// The files' names.
    pub files: Vec<String>,
    /// The files to link to, a few at most.
    pub shared: Vec<SharedFile>,
    /// The number of further files.
    pub left_out: usize,
    /// Whether Slack did not describe a file because the app lacks the scope.
    #[serde(skip)]
    pub lacks_scope: bool,
    /// The name of the file that Slack made of a long text.
    pub snippet: Option<String>,
    /// Whether a message was forwarded.
    pub forwarded: bool,
}

impl Attachments {
    /// Whether it has neither pieces nor files.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty() && self.files.is_empty()
    }
}

/// The result of storing an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// Stored now.
    New,
    /// Stored before, under one of its keys.
    Duplicate,
    /// It concerns nothing of ours and was not stored.
    NotForUs,
}

/// A stored message that waits for its turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingMessage {
    /// The row.
    pub id: EventId,
    /// The message, as it was stored.
    pub heard: IncomingMessage,
    /// The display names of mentioned people by Slack id, as far as Slack has reported them.
    pub names: Vec<(String, String)>,
    /// The text of the thread that a task is to be created in, or why it could not be read; `None` if it is not wanted.
    pub thread: Option<Result<String, Text>>,
    /// Whether further messages of this person wait.
    pub more: bool,
    /// Whether it may have been carried out in a time that this store does not know; found out before it is processed.
    pub doubted: bool,
}

/// Stores a message unless one of its keys is known. A duplicate adds its new keys. Also returns the number of the
/// person's messages that waited before.
pub fn keep(
    tx: &Db,
    heard: &IncomingMessage,
    raw: &str,
    now: DateTime<Utc>,
) -> rusqlite::Result<(Inserted, i64)> {
    let keys = json(&heard.keys)?;
    let (waiting, known): (i64, Option<EventId>) = tx.query_row(
        &format!(
            "SELECT (SELECT count(*) FROM slack_events WHERE user_id = ?2 AND handled_ms IS NULL), ({KNOWN})"
        ),
        params![keys, heard.user],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let (event, kept) = match known {
        Some(event) => (event, Inserted::Duplicate),
        None => {
            tx.execute("INSERT INTO slack_events (user_id, channel, said_us, heard, raw, kept_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)", params![
                heard.user,
                heard.channel,
                heard.said_at.timestamp_micros(),
                json(heard)?,
                raw,
                now.timestamp_millis(),
            ])?;
            (tx.inserted(EventId), Inserted::New)
        }
    };
    tx.execute(
        "INSERT INTO slack_event_keys (key, event_id) SELECT value, ?2 FROM json_each(?1) WHERE true ON CONFLICT DO NOTHING",
        params![keys, event],
    )?;
    Ok((kept, waiting))
}

/// The oldest unhandled message, by Slack's clock, of up to `at_most` people, oldest first. The cost depends on the
/// number of results, not on how many people wait.
pub fn waiting(connection: &Db, at_most: usize) -> rusqlite::Result<Vec<WaitingMessage>> {
    connection.query_map(
        "SELECT id, heard, EXISTS (SELECT 1 FROM slack_events AS other INDEXED BY slack_events_waiting
                  WHERE other.handled_ms IS NULL AND other.user_id = first.user_id AND other.id <> first.id)
             FROM slack_events AS first INDEXED BY slack_events_unhandled
             WHERE handled_ms IS NULL AND id =
                 (SELECT id FROM slack_events INDEXED BY slack_events_waiting
                  WHERE handled_ms IS NULL AND user_id = first.user_id ORDER BY said_us, id LIMIT 1)
             ORDER BY id LIMIT ?1",
        [i64::try_from(at_most).unwrap_or(i64::MAX)],
        |row| {
            Ok(WaitingMessage {
                id: row.get(0)?,
                heard: from_json(row, 1)?,
                names: Vec::new(),
                thread: None,
                more: row.get(2)?,
                doubted: false,
            })
        },
    )
}

/// Marks a message as handled, like [`handle`], unless an earlier message of the same person is unhandled, too. That may
/// have arrived later: Slack redelivers unacknowledged ones.
pub fn handle_in_order(tx: &Db, id: EventId, now: DateTime<Utc>) -> rusqlite::Result<bool> {
    let handled = tx.execute(
        "UPDATE slack_events AS this SET handled_ms = ?2,
             heard = json_remove(heard, '$.gesture.slash.reply_url', '$.gesture.pressed_alone.reply_url')
         WHERE id = ?1 AND handled_ms IS NULL AND NOT EXISTS
             (SELECT 1 FROM slack_events AS other WHERE other.user_id = this.user_id AND other.handled_ms IS NULL
                 AND (other.said_us, other.id) < (this.said_us, this.id))",
        params![id, now.timestamp_millis()],
    )?;
    Ok(handled > 0)
}

/// Marks a message as handled; `false` if it already was and must have no further effect. Its `response_url` belongs to
/// the answer from now on.
pub fn handle(tx: &Db, id: EventId, now: DateTime<Utc>) -> rusqlite::Result<bool> {
    let handled = tx.execute(
        "UPDATE slack_events SET handled_ms = ?2,
             heard = json_remove(heard, '$.gesture.slash.reply_url', '$.gesture.pressed_alone.reply_url')
         WHERE id = ?1 AND handled_ms IS NULL",
        params![id, now.timestamp_millis()],
    )?;
    Ok(handled > 0)
}

/// Every DM that a person has written in, and the time of the last message, by Slack's clock.
pub fn dms(connection: &Db) -> rusqlite::Result<Vec<(String, Option<DateTime<Utc>>)>> {
    connection
        .query_map("SELECT dm, (SELECT max(said_us) FROM slack_events INDEXED BY slack_events_by_channel WHERE channel = dm) FROM
                 (SELECT dm FROM people WHERE dm IS NOT NULL
                  UNION SELECT channel FROM slack_events WHERE json_extract(heard, '$.direct')
                  UNION SELECT channel FROM compared)", [], |row| {
            Ok((row.get(0)?, row.get::<_, Option<i64>>(1)?.map(micros)))
        })
}

/// Records when this store was first connected to Slack, unless that is known.
pub fn begins(tx: &Db, at: DateTime<Utc>) -> rusqlite::Result<()> {
    tx.execute(
        "INSERT INTO slack_since (one, since_us) VALUES (1, ?1) ON CONFLICT DO NOTHING",
        [at.timestamp_micros()],
    )?;
    Ok(())
}

/// The time when this store was first connected to Slack, by our clock.
pub fn since(connection: &Db) -> rusqlite::Result<Option<DateTime<Utc>>> {
    connection
        .query_row("SELECT since_us FROM slack_since", [], |row| {
            row.get(0).map(micros)
        })
        .optional()
}

/// How far the received messages of a DM are known to be complete, by Slack's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ComparedUpTo {
    /// The messages up to here were compared with the DM's history.
    pub up_to: Option<DateTime<Utc>>,
    /// The first message in this store, from any person.
    pub first_heard: Option<DateTime<Utc>>,
    /// The time when this store was first connected to Slack, by our clock.
    pub since: Option<DateTime<Utc>>,
}

/// How far the received messages of a DM are known to be complete.
pub fn compared_up_to(connection: &Db, channel: &str) -> rusqlite::Result<ComparedUpTo> {
    let up_to = connection
        .query_row(
            "SELECT up_to_us FROM compared WHERE channel = ?1",
            [channel],
            |row| row.get(0),
        )
        .optional()?;
    let first_heard = connection
        .query_row(
            "SELECT said_us FROM slack_events ORDER BY id LIMIT 1",
            [],
            |row| row.get(0),
        )
        .optional()?;
    Ok(ComparedUpTo {
        up_to: up_to.map(micros),
        first_heard: first_heard.map(micros),
        since: since(connection)?,
    })
}

/// Records that the received messages of a DM are complete up to there. It never goes back.
pub fn compared(tx: &Db, channel: &str, up_to: DateTime<Utc>) -> rusqlite::Result<()> {
    tx.execute(
        "INSERT INTO compared (channel, up_to_us) VALUES (?1, ?2)
         ON CONFLICT DO UPDATE SET up_to_us = max(up_to_us, excluded.up_to_us)",
        params![channel, up_to.timestamp_micros()],
    )?;
    Ok(())
}

/// The DM with a person: the place of the last message in either direction, or else their Slack id, which opens one.
pub fn dm_of(connection: &Db, user: &str) -> rusqlite::Result<String> {
    let spoken = connection
        .query_row(
            "SELECT dm FROM people WHERE slack_id = ?1 AND dm IS NOT NULL
             UNION ALL
             SELECT channel FROM
                 (SELECT channel FROM slack_events
                  WHERE user_id = ?1 AND json_extract(heard, '$.direct') ORDER BY id DESC LIMIT 1)
             UNION ALL
             SELECT channel FROM dms WHERE user_id = ?1
             LIMIT 1",
            [user],
            |row| row.get(0),
        )
        .optional()?;
    Ok(spoken.unwrap_or_else(|| user.to_owned()))
}

/// The text of a person's stored message, by its key.
pub fn said_at(connection: &Db, key: &str, user: &str) -> rusqlite::Result<Option<String>> {
    let Some(id) = known(connection, &[key.to_owned()])? else {
        return Ok(None);
    };
    connection
        .query_row(
            "SELECT json_extract(heard, '$.text') FROM slack_events WHERE id = ?1 AND user_id = ?2",
            params![id, user],
            |row| row.get(0),
        )
        .optional()
}

/// The id of a stored message, by one of its keys.
pub fn known(connection: &Db, keys: &[String]) -> rusqlite::Result<Option<EventId>> {
    connection
        .query_row(KNOWN, [json(&keys)?], |row| row.get(0))
        .optional()
}

/// The message with one of the keys `?1`, the first of them first.
const KNOWN: &str =
    "SELECT event_id FROM json_each(?1) AS given CROSS JOIN slack_event_keys ON slack_event_keys.key = given.value
     ORDER BY given.key LIMIT 1";
