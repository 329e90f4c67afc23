//! What is said in Slack, each message a place in its conversation from the moment that it is owed.

use std::collections::BTreeSet;

use chrono::{DateTime, Duration, Utc};
use rusqlite::{Connection, OptionalExtension, params};

use super::columns::{corrupt, from_json, json, micros, millis};
use super::slack_events::{ReplyUrl, dm_of};
use super::{operations, people};
use crate::domain::card::{Part, card_of, told, undo_button};
use crate::domain::person::PersonId;
use crate::domain::reply::Words;

/// Cards of a task are made again in so many of its newest messages; older ones say what was true then.
const REDRAWN_MAX: i64 = 20;
/// So often they are made again by one address: the answer to the press that brought it needs it, too.
const REDRAWN_BY_ADDRESS: i64 = 2;

/// A message that is owed; its words may not be known yet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Draft {
    pub channel: String,
    pub thread: Option<String>,
    pub person: Option<PersonId>,
    pub command: Option<i64>,
    /// A pin that people see with this message.
    pub pin: Option<i64>,
    pub list: Option<i64>,
    /// The task that it is about.
    pub about: Option<i64>,
    pub words: Option<Words>,
    /// What stands there besides the words.
    pub parts: Vec<Part>,
    /// Only the person sees it, by this address.
    pub reply_url: Option<ReplyUrl>,
    /// The Slack id of the one who sees it so.
    pub whisper_to: Option<String>,
    /// What it says of something made is for the whole channel.
    pub in_channel: bool,
    /// The Slack id of the one whom it answers.
    pub asked_by: Option<String>,
    /// Said by an address, a good outcome takes the place of what was pressed.
    pub replaces: bool,
    /// The `uid` of what was pressed, if its place is taken and we know it.
    pub instead_of: Option<String>,
}

/// How a message is said so that only one person sees it: by an address, a few times, never found again, and changed only
/// by the address that a press on it brings (contract slack 2.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whisper {
    /// `None`: it was forgotten, for it is too old.
    pub url: Option<ReplyUrl>,
    /// How often the address was used.
    pub uses: u32,
    /// What is said now is for the whole channel all the same.
    pub public: bool,
    /// What is said now takes the place of what was pressed.
    pub replaces: bool,
    pub since: DateTime<Utc>,
}

/// Where an answer goes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Conversation {
    pub channel: String,
    /// The root of the thread to answer in.
    pub thread: Option<String>,
}

/// A message to post, or to bring up to date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    pub id: i64,
    /// Goes into the message's metadata: by it an ambiguous post is looked for before it is sent again.
    pub uid: String,
    pub conversation: Conversation,
    pub words: Words,
    pub parts: Vec<Part>,
    /// Counts the texts of this message; hand it back to `posted`.
    pub version: i64,
    /// Already posted under this `ts`: update it.
    pub ts: Option<String>,
    /// A post of it was begun, last then, and its answer never recorded: look for it in the history first (contract
    /// slack 3.4).
    pub begun_at: Option<DateTime<Utc>>,
    /// Only its cards are to be made again: nobody waits for it.
    pub redraw: bool,
    /// Only one person sees it.
    pub whisper: Option<Whisper>,
}

/// Takes the next place in a conversation.
pub fn add(tx: &Connection, draft: &Draft, uid: &str, now: DateTime<Utc>) -> rusqlite::Result<i64> {
    tx.execute(
        "INSERT INTO messages (uid, channel, thread, person_id, command_id, pin_id, list_id, about, words, version, created_ms,
             parts, reply_url, whisper_to, in_channel, shows_version, replaces, asked_by, instead_of)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?10, ?16, ?17, ?18)",
        params![
            uid,
            draft.channel,
            draft.thread,
            draft.person.map(|person| person.0),
            draft.command,
            draft.pin,
            draft.list,
            draft.about,
            draft.words.as_ref().map(json).transpose()?,
            i64::from(draft.words.is_some()),
            now.timestamp_millis(),
            some_json(&draft.parts)?,
            draft.reply_url.as_ref().map(ReplyUrl::as_str),
            draft.whisper_to,
            draft.in_channel,
            draft.replaces,
            draft.asked_by,
            draft.instead_of,
        ],
    )?;
    let id = tx.last_insert_rowid();
    stands(tx, id, &draft.parts)?;
    Ok(id)
}

fn some_json(parts: &[Part]) -> rusqlite::Result<Option<String>> {
    (!parts.is_empty()).then(|| json(&parts)).transpose()
}

/// Remembers whose cards a message shows.
fn stands(tx: &Connection, id: i64, parts: &[Part]) -> rusqlite::Result<()> {
    tx.prepare_cached("DELETE FROM message_cards WHERE message_id = ?1")?
        .execute([id])?;
    let mut insert = tx.prepare_cached(
        "INSERT INTO message_cards (task_id, message_id) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
    )?;
    for part in parts {
        if let Part::Card(card) = part {
            insert.execute([card.task, id])?;
        }
    }
    Ok(())
}

/// A message in which a card of a task stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub id: i64,
    /// Who reads it, if it is one person.
    pub person: Option<PersonId>,
    pub parts: Vec<Part>,
}

/// The newest messages in which a card of this task stands, and which can be changed.
pub fn with_card_of(connection: &Connection, task: i64) -> rusqlite::Result<Vec<Standing>> {
    connection
        .prepare_cached(
            "SELECT id, person_id, parts FROM messages
             WHERE id IN (SELECT message_id FROM message_cards WHERE task_id = ?1)
               AND dropped IS NULL AND parts IS NOT NULL
               AND (whisper_to IS NULL OR (addressed_ms IS NOT NULL AND reply_url IS NOT NULL))
             ORDER BY id DESC LIMIT ?2",
        )?
        .query_map([task, REDRAWN_MAX], |row| {
            Ok(Standing {
                id: row.get(0)?,
                person: row.get::<_, Option<i64>>(1)?.map(PersonId),
                parts: from_json(row, 2)?,
            })
        })?
        .collect()
}

/// Something that one person alone sees, or that stands where we cannot change it, in which they pressed a button.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pressed {
    pub id: i64,
    pub uid: String,
    pub parts: Vec<Part>,
    /// No answer takes its place, now or soon.
    pub stays: bool,
}

/// What was said by an address under that `uid` to that person, all of it.
pub fn whispered(
    connection: &Connection,
    uid: &str,
    to: &str,
) -> rusqlite::Result<Option<Pressed>> {
    connection
        .prepare_cached(
            "SELECT id, uid, parts, NOT EXISTS (
                 SELECT 1 FROM messages answer LEFT JOIN commands c ON c.id = answer.command_id
                 WHERE answer.instead_of = whispered.uid
                   AND (c.settled_ms IS NULL OR json_extract(c.report, '$.state') = 'done'))
             FROM messages AS whispered
             WHERE uid = ?1 AND whisper_to = ?2 AND ts IS NOT NULL AND parts IS NOT NULL AND version = posted_version
               AND dropped IS NULL
               AND NOT EXISTS (SELECT 1 FROM commands c WHERE c.id = command_id AND c.settled_ms IS NULL)",
        )?
        .query_row([uid, to], |row| {
            Ok(Pressed {
                id: row.get(0)?,
                uid: row.get(1)?,
                parts: from_json(row, 2)?,
                stays: row.get(3)?,
            })
        })
        .optional()
}

/// It can be changed by this address, for a while.
pub fn addressed(
    tx: &Connection,
    id: i64,
    url: &ReplyUrl,
    now: DateTime<Utc>,
) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE messages SET reply_url = ?2, addressed_ms = ?3, whispers = 0 WHERE id = ?1",
        params![id, url.as_str(), now.timestamp_millis()],
    )?;
    Ok(())
}

/// The cards of one task are another's now.
pub fn cards_succeed(tx: &Connection, old: i64, new: i64) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE OR REPLACE message_cards SET task_id = ?2 WHERE task_id = ?1",
        params![old, new],
    )?;
    Ok(())
}

/// The cards of a message are others now, and so are its words where they say no more than the cards. Nobody waits for
/// that.
pub fn redraw(tx: &Connection, id: i64, parts: &[Part]) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "UPDATE messages SET parts = ?2, words = ifnull(?3, words), redraw = CASE WHEN version > posted_version THEN redraw ELSE 1 END,
             version = version + 1
         WHERE id = ?1",
    )?
    .execute(params![
        id,
        some_json(parts)?,
        told(parts).as_ref().map(json).transpose()?
    ])?;
    Ok(())
}

/// Whether the answer to a command has a button to undo it: from now on it has, or has not. What one person alone sees
/// stays as it is. Whether anything is to be changed there.
pub fn offers_undo(tx: &Connection, command: i64, offers: bool) -> rusqlite::Result<bool> {
    let answer: Option<(i64, Vec<Part>)> = tx
        .query_row(
            "SELECT id, parts FROM messages
             WHERE command_id = ?1 AND dropped IS NULL AND parts IS NOT NULL AND whisper_to IS NULL",
            [command],
            |row| Ok((row.get(0)?, from_json(row, 1)?)),
        )
        .optional()?;
    let Some((id, mut parts)) = answer else {
        return Ok(false);
    };
    let button = undo_button(&operations::uid(tx, command)?);
    if parts.contains(&button) == offers {
        return Ok(false);
    }
    match offers {
        true => parts.push(button),
        false => parts.retain(|part| *part != button),
    }
    redraw(tx, id, &parts)?;
    Ok(true)
}

/// Tells somebody something unasked. A notice about the same task that still stands last in its conversation, and is
/// younger than `within`, says both; else it is a message of its own.
pub fn notify(
    tx: &Connection,
    draft: &Draft,
    uid: &str,
    now: DateTime<Utc>,
    within: Duration,
) -> rusqlite::Result<()> {
    let standing: Option<(i64, String)> = tx
        .query_row(
            "SELECT id, words FROM messages AS standing
             WHERE notice = 1 AND person_id IS ?1 AND about IS ?2 AND about IS NOT NULL AND dropped IS NULL
               AND words IS NOT NULL AND created_ms >= ?3 AND channel = ?4 AND thread IS ?5
               AND NOT EXISTS (SELECT 1 FROM messages later WHERE later.channel = standing.channel
                                   AND later.thread IS standing.thread AND later.id > standing.id)
             ORDER BY id DESC LIMIT 1",
            params![
                draft.person.map(|person| person.0),
                draft.about,
                (now - within).timestamp_millis(),
                draft.channel,
                draft.thread,
            ],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    if let (Some((id, said)), Some(words)) = (standing, &draft.words) {
        let said: Words = serde_json::from_str(&said).map_err(|_| corrupt(1))?;
        let both = said.text("\n").then(words.clone());
        tx.execute(
            "UPDATE messages SET words = ?2, version = version + 1, redraw = 0 WHERE id = ?1",
            params![id, json(&both)?],
        )?;
        return Ok(());
    }
    let id = add(tx, draft, uid, now)?;
    tx.execute("UPDATE messages SET notice = 1 WHERE id = ?1", [id])?;
    Ok(())
}

/// Gives the message of a command its words, new or instead of earlier ones; a pin that they show goes with them.
pub fn say(
    tx: &Connection,
    command: i64,
    words: &Words,
    parts: &[Part],
    pin: Option<i64>,
    about: Option<i64>,
) -> rusqlite::Result<()> {
    let message: Option<i64> = tx
        .query_row(
            "UPDATE messages SET words = ?2, parts = ?5, version = version + 1, redraw = 0, pin_id = ifnull(?3, pin_id),
                 shows_version = CASE WHEN ?3 IS NULL THEN shows_version ELSE version + 1 END, about = ifnull(?4, about)
             WHERE command_id = ?1 RETURNING id",
            params![command, json(words)?, pin, about, some_json(parts)?],
            |row| row.get(0),
        )
        .optional()?;
    match message {
        Some(message) => stands(tx, message, parts),
        None => Ok(()),
    }
}

/// What is to be done next in so many conversations: an update of what stands there, else its next message; and beside
/// that a card to be made again. A message whose words are not known yet keeps those behind it waiting. What one person
/// alone sees is a conversation of its own; once it has said that something waits, it has to say only how that ends.
///
/// It costs as much as what it returns, however many messages wait behind them.
pub fn outgoing(connection: &Connection, at_most: usize) -> rusqlite::Result<Vec<Outgoing>> {
    let mut statement = connection.prepare_cached(OUTGOING)?;
    let mut rows = statement.query([])?;
    let mut taken = BTreeSet::new();
    let mut outgoing = Vec::new();
    while let Some(row) = rows.next()? {
        let conversation = Conversation {
            channel: row.get(2)?,
            thread: row.get(3)?,
        };
        let redraw = row.get::<_, bool>(9)? && row.get::<_, Option<String>>(6)?.is_some();
        let whisper_to: Option<String> = row.get(11)?;
        if !taken.insert((conversation.clone(), whisper_to.clone(), redraw)) {
            continue;
        }
        if outgoing.len() >= at_most {
            break;
        }
        let whisper = match whisper_to {
            None => None,
            Some(_) => Some(Whisper {
                url: row.get::<_, Option<String>>(10)?.map(ReplyUrl::new),
                uses: row.get(12)?,
                since: millis(row.get(13)?),
                public: row.get::<_, Option<bool>>(14)?.unwrap_or_default(),
                replaces: row.get::<_, Option<bool>>(15)?.unwrap_or_default(),
            }),
        };
        let Some(words) = row.get::<_, Option<String>>(4)? else {
            continue;
        };
        outgoing.push(Outgoing {
            id: row.get(0)?,
            uid: row.get(1)?,
            conversation,
            words: serde_json::from_str(&words).map_err(|_| corrupt(4))?,
            version: row.get(5)?,
            ts: row.get(6)?,
            begun_at: row.get::<_, Option<i64>>(7)?.map(micros),
            parts: match row.get::<_, Option<String>>(8)? {
                Some(parts) => serde_json::from_str(&parts).map_err(|_| corrupt(8))?,
                None => Vec::new(),
            },
            redraw,
            whisper,
        });
    }
    Ok(outgoing)
}

/// In the order of the index `messages_ready`.
const OUTGOING: &str = "
    SELECT m.id, m.uid, m.channel, m.thread, m.words, m.version, m.ts, m.begun_us, m.parts, m.redraw, m.reply_url,
        m.whisper_to, m.whispers, ifnull(m.addressed_ms, m.created_ms),
        m.in_channel AND c.settled_ms IS NOT NULL AND json_extract(c.report, '$.state') = 'done',
        m.addressed_ms IS NOT NULL
            OR m.replaces AND (c.id IS NULL OR c.settled_ms IS NOT NULL AND json_extract(c.report, '$.state') = 'done')
    FROM messages m INDEXED BY messages_ready LEFT JOIN commands c ON c.id = m.command_id
    WHERE m.dropped IS NULL AND m.words IS NOT NULL AND (m.ts IS NULL OR m.version > m.posted_version)
        AND (m.whisper_to IS NULL OR m.ts IS NULL OR c.id IS NULL OR c.settled_ms IS NOT NULL)
        AND (m.ts IS NOT NULL OR NOT EXISTS
            (SELECT 1 FROM messages before INDEXED BY messages_by_ts
             WHERE before.channel = m.channel AND before.ts IS NULL AND before.id < m.id AND before.words IS NULL
                 AND before.dropped IS NULL AND before.thread IS m.thread AND before.whisper_to IS m.whisper_to))
    ORDER BY CASE WHEN m.ts IS NULL THEN 1 WHEN m.redraw THEN 2 ELSE 0 END, m.id";

/// A first post of that version is about to be sent.
pub fn posting(tx: &Connection, id: i64, version: i64, now: DateTime<Utc>) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE messages SET begun_us = ?2, begun_version = ?3 WHERE id = ?1",
        params![id, now.timestamp_micros(), version],
    )?;
    Ok(())
}

/// A post whose outcome was unknown stands under `ts` since `shown_at`, as its version was then: the pin or list of that
/// version counts from then on, whatever the message shows by now. The message is brought up to date afterwards.
pub fn found(tx: &Connection, id: i64, ts: &str, shown_at: DateTime<Utc>) -> rusqlite::Result<()> {
    let version: Option<i64> = tx
        .query_row(
            "SELECT begun_version FROM messages
             WHERE id = ?1 AND ts IS NULL AND begun_us IS NOT NULL AND begun_version > 0",
            [id],
            |row| row.get(0),
        )
        .optional()?;
    let Some(version) = version else {
        return Ok(());
    };
    posted(tx, id, version, ts, shown_at)?;
    tx.execute(
        "UPDATE messages SET redraw = 1 WHERE id = ?1 AND version = posted_version AND parts IS NOT NULL",
        [id],
    )?;
    Ok(())
}

/// The message of that uid, if its post has begun and its outcome is unknown.
pub fn unrecorded(connection: &Connection, uid: &str) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached(
            "SELECT id FROM messages WHERE uid = ?1 AND ts IS NULL AND begun_us IS NOT NULL",
        )?
        .query_row([uid], |row| row.get(0))
        .optional()
}

/// The post was certainly not taken.
pub fn not_posted(tx: &Connection, id: i64) -> rusqlite::Result<()> {
    tx.execute("UPDATE messages SET begun_us = NULL WHERE id = ?1", [id])?;
    Ok(())
}

/// The address of a whisper is about to be used.
pub fn whispering(tx: &Connection, id: i64) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE messages SET whispers = whispers + 1 WHERE id = ?1",
        [id],
    )?;
    Ok(())
}

/// A whisper that cannot be said is said in the DM of the one whom it is for.
pub fn say_in_dm(tx: &Connection, id: i64) -> rusqlite::Result<()> {
    let to: Option<Option<String>> = tx
        .query_row(
            "SELECT whisper_to FROM messages WHERE id = ?1",
            [id],
            |row| row.get(0),
        )
        .optional()?;
    let Some(user) = to.flatten() else {
        return Ok(());
    };
    moved_to_dm(tx, id, &user)
}

/// An answer in a channel that Slack does not take there is said in the DM of the one who asked. `false`: it is none.
pub fn say_to_its_asker(tx: &Connection, id: i64) -> rusqlite::Result<bool> {
    let asker: Option<Option<String>> = tx
        .query_row(
            "SELECT asked_by FROM messages WHERE id = ?1 AND channel GLOB '[CG]*'",
            [id],
            |row| row.get(0),
        )
        .optional()?;
    let Some(user) = asker.flatten() else {
        return Ok(false);
    };
    moved_to_dm(tx, id, &user)?;
    Ok(true)
}

fn moved_to_dm(tx: &Connection, id: i64, user: &str) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE messages SET channel = ?2, thread = NULL, ts = NULL, begun_us = NULL, reply_url = NULL, whisper_to = NULL,
             in_channel = 0
         WHERE id = ?1",
        params![id, dm_of(tx, user)?],
    )?;
    Ok(())
}

/// Slack calls the conversation that a message stands in by this id: what goes to a person goes to their DM. That is
/// remembered, and what else is to go to them goes there as well, in its turn.
pub fn stands_in(tx: &Connection, id: i64, channel: &str) -> rusqlite::Result<()> {
    tx.execute(
        "INSERT INTO dms (user_id, channel)
         SELECT channel, ?2 FROM messages WHERE id = ?1 AND substr(channel, 1, 1) IN ('U', 'W')
         ON CONFLICT (user_id) DO UPDATE SET channel = excluded.channel",
        params![id, channel],
    )?;
    tx.execute(
        "UPDATE messages SET channel = ?2
         WHERE id = ?1 OR (channel = (SELECT user_id FROM dms WHERE channel = ?2) AND dropped IS NULL)",
        params![id, channel],
    )?;
    Ok(())
}

/// People see `version` of the message since `shown_at`, and with it the pin or the list that it shows.
pub fn posted(
    tx: &Connection,
    id: i64,
    version: i64,
    ts: &str,
    shown_at: DateTime<Utc>,
) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE messages SET ts = ?3, posted_version = ?2, begun_us = NULL,
             redraw = CASE WHEN version = ?2 THEN 0 ELSE redraw END,
             reply_url = CASE WHEN version = ?2 AND NOT EXISTS
                     (SELECT 1 FROM commands c WHERE c.id = command_id AND c.settled_ms IS NULL)
                     AND (addressed_ms IS NULL OR whispers >= ?4)
                 THEN NULL ELSE reply_url END
         WHERE id = ?1",
        params![id, version, ts, REDRAWN_BY_ADDRESS],
    )?;
    let shown: Option<(Option<i64>, Option<i64>)> = tx
        .query_row(
            "SELECT pin_id, list_id FROM messages WHERE id = ?1 AND posted_version >= shows_version",
            [id],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    let (pin, list) = shown.unwrap_or_default();
    if let Some(pin) = pin {
        people::pin_shown(tx, pin, shown_at)?;
    }
    if let Some(list) = list {
        people::list_shown(tx, list, shown_at)?;
    }
    Ok(())
}

/// It is said outside of the thread that it was meant for.
pub fn without_thread(tx: &Connection, id: i64) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE messages SET thread = NULL, begun_us = NULL WHERE id = ?1",
        [id],
    )?;
    Ok(())
}

/// What stands there cannot be changed, and is forgotten: it is said anew, as another message.
pub fn say_anew(tx: &Connection, id: i64, uid: &str) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE messages SET ts = NULL, begun_us = NULL, uid = ?2, posted_version = 0, redraw = 0 WHERE id = ?1",
        params![id, uid],
    )?;
    Ok(())
}

/// Its cards cannot be made again: what stands there stays, and is left alone from now on. Only where it says that
/// something waits, how that ends is still to be said. Another press on what one person alone sees brings another address.
pub fn stays(tx: &Connection, id: i64, version: i64, why: &str) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE messages SET posted_version = max(posted_version, ?2),
             redraw = CASE WHEN version = ?2 THEN 0 ELSE redraw END,
             dropped = CASE WHEN whisper_to IS NOT NULL OR EXISTS
                     (SELECT 1 FROM commands c WHERE c.id = command_id AND c.settled_ms IS NULL)
                 THEN NULL ELSE ?3 END,
             reply_url = CASE WHEN whisper_to IS NULL THEN reply_url END
         WHERE id = ?1",
        params![id, version, why],
    )?;
    Ok(())
}

/// Slack refuses it for good.
pub fn dropped(tx: &Connection, id: i64, why: &str) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE messages SET dropped = ?2 WHERE id = ?1",
        params![id, why],
    )?;
    Ok(())
}

/// The person that a message is for.
pub fn person(connection: &Connection, id: i64) -> rusqlite::Result<Option<PersonId>> {
    let person: Option<Option<i64>> = connection
        .query_row(
            "SELECT person_id FROM messages WHERE id = ?1",
            [id],
            |row| row.get(0),
        )
        .optional()?;
    Ok(person.flatten().map(PersonId))
}

/// Whether an answer to somebody is still on its way, and with it perhaps a new current task; in one channel, or in any.
/// What goes to them by their own id goes to their DM, whatever that is called.
pub fn owed(
    connection: &Connection,
    person: PersonId,
    channel: Option<&str>,
) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM messages
             WHERE dropped IS NULL AND (ts IS NULL OR (version > posted_version AND NOT redraw
                   AND (whisper_to IS NULL OR NOT EXISTS
                       (SELECT 1 FROM commands c WHERE c.id = command_id AND c.settled_ms IS NULL))))
               AND person_id = ?1
               AND (?2 IS NULL OR channel = ?2 OR substr(channel, 1, 1) IN ('U', 'W')))",
        )?
        .query_row(params![person.0, channel], |row| row.get(0))
}

/// Whether a message tells, or is going to tell, the outcome of a command.
pub fn tells(connection: &Connection, command: i64) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM messages WHERE command_id = ?1)")?
        .query_row([command], |row| row.get(0))
}

/// The root of the thread in which a person is told more about a task: under the newest message about it that stands
/// in their DM. What one person alone sees is no root: it has no id of Slack's. `None`: there is none.
pub fn thread_about(
    connection: &Connection,
    channel: &str,
    task: i64,
) -> rusqlite::Result<Option<String>> {
    connection
        .prepare_cached(
            "SELECT ifnull(thread, ts) FROM messages
             WHERE about = ?2 AND channel = ?1 AND ts GLOB '*.*' AND dropped IS NULL
             ORDER BY id DESC LIMIT 1",
        )?
        .query_row(params![channel, task], |row| row.get(0))
        .optional()
}

/// A message of ours that stands somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stood {
    /// The root of the thread that it is in.
    pub thread: Option<String>,
    /// The task of this message: the one that it is about, else the only one that it shows. Words under it mean that task.
    pub task: Option<i64>,
    /// The same task, if the message is its card. Reactions mean a task on its card only.
    pub card: Option<i64>,
    /// It tells of one task and shows the card of another.
    pub shows_another: bool,
}

/// Our message at this place. A notice to somebody who had never spoken to us was sent to their id, which is `user`.
pub fn standing_at(
    connection: &Connection,
    channel: &str,
    user: &str,
    ts: &str,
) -> rusqlite::Result<Option<Stood>> {
    connection
        .prepare_cached(
            "SELECT thread, about, parts, list_id IS NOT NULL FROM messages
             WHERE ts = ?3 AND (channel = ?1 OR (channel = ?2 AND ?1 GLOB 'D*'))",
        )?
        .query_row(params![channel, user, ts], |row| {
            let about: Option<i64> = row.get(1)?;
            let parts: Vec<Part> = match row.get::<_, Option<String>>(2)? {
                Some(_) => from_json(row, 2)?,
                None => Vec::new(),
            };
            let is_list: bool = row.get(3)?;
            let cards = || {
                parts.iter().filter_map(|part| match part {
                    Part::Card(card) => Some(card.task),
                    _ => None,
                })
            };
            let only = cards().next().filter(|_| cards().count() == 1);
            Ok(Stood {
                thread: row.get(0)?,
                task: about.or(only),
                card: card_of(&parts)
                    .filter(|task| !is_list && about.is_none_or(|about| about == *task)),
                shows_another: !is_list
                    && about.is_some_and(|about| cards().any(|task| task != about)),
            })
        })
        .optional()
}

/// Whether a post is under way there, whose `ts` is not recorded yet; `user` as in [`standing_at`].
pub fn is_posting(connection: &Connection, channel: &str, user: &str) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM messages
             WHERE dropped IS NULL AND ts IS NULL AND begun_us IS NOT NULL
               AND (channel = ?1 OR (channel = ?2 AND ?1 GLOB 'D*')))",
        )?
        .query_row([channel, user], |row| row.get(0))
}

/// The first task that our answers in a thread are about: under a channel's `create`, what it made.
pub fn first_about(
    connection: &Connection,
    channel: &str,
    thread: &str,
) -> rusqlite::Result<Option<i64>> {
    connection
        .query_row(
            "SELECT about FROM messages WHERE channel = ?1 AND thread = ?2 AND about IS NOT NULL ORDER BY id LIMIT 1",
            params![channel, thread],
            |row| row.get(0),
        )
        .optional()
}
