//! Messages to Slack. Each takes its place in its conversation as soon as it is owed.

use std::collections::BTreeSet;

use super::db::Db;
use chrono::{DateTime, Duration, Utc};
use rusqlite::{OptionalExtension, params};

use super::columns::{corrupt, from_json, json, micros, millis};
use super::slack_events::{ReplyUrl, dm_of};
use super::{Store, Tx, Wake, operations, people};
use crate::domain::card::{ButtonAction, CardPart, are_undo_buttons, card_of, told};
use crate::domain::ids::{CommandId, ListId, MessageId, PinId, TaskRow};
use crate::domain::person::PersonId;
use crate::domain::reply::Text;

/// The cards of a task are redrawn in this many of its newest messages. Older ones keep their last state.
const REDRAWN_MAX: i64 = 20;
/// Comments of a task are posted in this many of the threads that are attached to it, the newest.
const ATTACHED_MAX: i64 = 20;
/// How often one `response_url` is used for a redraw: the answer to the press needs posts of it, too.
const REDRAWN_BY_ADDRESS: i64 = 2;

/// A message that is owed. Its words may not be known yet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MessageDraft {
    /// The Slack id of a channel or DM, or of a user, which opens the DM.
    pub channel: String,
    /// The `ts` of the thread's root; `None` outside of threads.
    pub thread: Option<String>,
    /// The person of ours that the message answers or notifies.
    pub person: Option<PersonId>,
    /// The command whose outcome the message reports.
    pub command: Option<CommandId>,
    /// The pin that people see with this message.
    pub pin: Option<PinId>,
    /// The list whose numbers people see with this message.
    pub list: Option<ListId>,
    /// The task that it is about.
    pub about: Option<TaskRow>,
    /// `None` until the command has an outcome or a report.
    pub words: Option<Text>,
    /// Its content besides the words.
    pub parts: Vec<CardPart>,
    /// The `response_url` of an ephemeral message.
    pub reply_url: Option<ReplyUrl>,
    /// The Slack id of the only person who sees it.
    pub whisper_to: Option<String>,
    /// Whether a successful creation is announced to the whole channel.
    pub in_channel: bool,
    /// The Slack id of the person who asked.
    pub asked_by: Option<String>,
    /// Whether a successful outcome replaces the pressed message, if it is sent through a `response_url`.
    pub replaces: bool,
    /// The `uid` of the pressed message, if that is replaced and known.
    pub instead_of: Option<String>,
}

/// The state of an ephemeral message. Its `response_url` takes a few posts and cannot be looked up later. Only the
/// `response_url` of a later press can change the message (docs/contracts/slack.md#answers-through-response_url).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ephemeral {
    /// `None` if it was removed because it had expired.
    pub url: Option<ReplyUrl>,
    /// How often the `response_url` was used.
    pub uses: u32,
    /// Whether the current words are for the whole channel.
    pub public: bool,
    /// Whether the current words replace the pressed message.
    pub replaces: bool,
    /// The time at which the `response_url` came, UTC.
    pub since: DateTime<Utc>,
}

/// The place that an answer goes to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Conversation {
    /// The Slack id of a channel or DM, or of a user, which opens the DM.
    pub channel: String,
    /// The root of the thread to answer in.
    pub thread: Option<String>,
}

/// A message to post or to update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The row.
    pub id: MessageId,
    /// Part of the message's metadata. An ambiguous post is looked up by it before it is sent again.
    pub uid: String,
    /// The channel or DM, and the thread.
    pub conversation: Conversation,
    /// The plain text, which notifications show.
    pub words: Text,
    /// The content in blocks; empty: only the words.
    pub parts: Vec<CardPart>,
    /// Counts the texts of this message; to be passed to `posted`.
    pub version: i64,
    /// The `ts` of a posted message, which is to be updated.
    pub ts: Option<String>,
    /// The time of the last post whose answer was never recorded. The history is searched for it first (docs/contracts/slack.md#no-idempotency-key).
    pub begun_at: Option<DateTime<Utc>>,
    /// Whether only its cards are to be redrawn, which has low priority.
    pub redraw: bool,
    /// Set if it is ephemeral.
    pub ephemeral: Option<Ephemeral>,
    /// Whether a person asked for it, who can be answered in their DM.
    pub has_asker: bool,
    /// Whether it is a notice, which nobody waits for. Answers overtake it.
    pub notice: bool,
}

/// Adds a message at the end of its conversation.
pub fn add(
    tx: &Db,
    draft: &MessageDraft,
    uid: &str,
    now: DateTime<Utc>,
) -> rusqlite::Result<MessageId> {
    add_with(tx, draft, uid, now, None)
}

/// The same for a message that the poster sends soon. In a DM its post is stored as begun at once, if few are: that
/// saves the poster a commit.
pub fn post(
    tx: &Tx<'_>,
    draft: &MessageDraft,
    uid: &str,
    now: DateTime<Utc>,
) -> rusqlite::Result<MessageId> {
    let begins =
        draft.words.is_some() && draft.channel.starts_with('D') && draft.whisper_to.is_none();
    let begun = (begins && tx.may_begin_post()).then_some(now);
    let id = add_with(tx, draft, uid, now, begun)?;
    if begun.is_some() {
        tx.begins_post(id, FIRST);
    }
    Ok(id)
}

/// Says something to each operator but this one, in their DM.
pub fn tell_operators(
    tx: &Tx<'_>,
    words: &Text,
    parts: &[CardPart],
    but: Option<&str>,
    now: DateTime<Utc>,
) -> rusqlite::Result<()> {
    for operator in tx.operators().iter().filter(|id| but != Some(id.as_str())) {
        let draft = MessageDraft {
            channel: dm_of(tx, operator)?,
            words: Some(words.clone()),
            parts: parts.to_vec(),
            ..MessageDraft::default()
        };
        tell(tx, &draft, now)?;
    }
    Ok(())
}

/// Adds a message that is to be posted now.
pub fn tell(tx: &Tx<'_>, draft: &MessageDraft, now: DateTime<Utc>) -> rusqlite::Result<()> {
    let uid = ulid::Ulid::from_datetime(now.into()).to_string();
    post(tx, draft, &uid, now)?;
    tx.wake(Wake::Messages);
    Ok(())
}

/// The version of the first words of a message.
pub const FIRST: i64 = 1;

fn add_with(
    tx: &Db,
    draft: &MessageDraft,
    uid: &str,
    now: DateTime<Utc>,
    begun: Option<DateTime<Utc>>,
) -> rusqlite::Result<MessageId> {
    tx.execute(
        "INSERT INTO messages (uid, channel, thread, person_id, command_id, pin_id, list_id, about, words, version, created_ms,
             parts, reply_url, whisper_to, in_channel, shows_version, replaces, asked_by, instead_of, begun_us, begun_version)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?10, ?16, ?17, ?18, ?19, iif(?19 IS NULL, 0, ?10))",
        params![
            uid,
            draft.channel,
            draft.thread,
            draft.person,
            draft.command,
            draft.pin,
            draft.list,
            draft.about,
            draft.words.as_ref().map(json).transpose()?,
            draft.words.as_ref().map_or(0, |_| FIRST),
            now.timestamp_millis(),
            some_json(&draft.parts)?,
            draft.reply_url.as_ref().map(ReplyUrl::as_str),
            draft.whisper_to,
            draft.in_channel,
            draft.replaces,
            draft.asked_by,
            draft.instead_of,
            begun.map(|at| at.timestamp_micros()),
        ],
    )?;
    let id = tx.inserted(MessageId);
    shows(tx, id, &draft.parts)?;
    Ok(id)
}

fn some_json(parts: &[CardPart]) -> rusqlite::Result<Option<String>> {
    (!parts.is_empty()).then(|| json(&parts)).transpose()
}

/// Replaces the tasks whose cards a message shows.
fn stands(tx: &Db, id: MessageId, parts: &[CardPart]) -> rusqlite::Result<()> {
    tx.execute("DELETE FROM message_cards WHERE message_id = ?1", [id])?;
    shows(tx, id, parts)
}

/// Stores the tasks whose cards a new text of a message shows.
fn shows(tx: &Db, id: MessageId, parts: &[CardPart]) -> rusqlite::Result<()> {
    for part in parts {
        if let CardPart::Card(card) = part {
            tx.execute("INSERT INTO message_cards (task_id, message_id) VALUES (?1, ?2) ON CONFLICT DO NOTHING", params![card.task, id])?;
        }
    }
    Ok(())
}

/// A message that shows the card of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardMessage {
    /// The row.
    pub id: MessageId,
    /// Its reader, if that is one person.
    pub person: Option<PersonId>,
    /// All content of the message, not only the card.
    pub parts: Vec<CardPart>,
}

/// The newest messages that show a card of this task and can be changed.
pub fn with_card_of(connection: &Db, task: TaskRow) -> rusqlite::Result<Vec<CardMessage>> {
    connection.query_map(
        "SELECT id, person_id, parts FROM messages
             WHERE id IN (SELECT message_id FROM message_cards WHERE task_id = ?1)
               AND dropped IS NULL AND parts IS NOT NULL
               AND (whisper_to IS NULL OR (addressed_ms IS NOT NULL AND reply_url IS NOT NULL))
             ORDER BY id DESC LIMIT ?2",
        params![task, REDRAWN_MAX],
        |row| {
            Ok(CardMessage {
                id: row.get(0)?,
                person: row.get(1)?,
                parts: from_json(row, 2)?,
            })
        },
    )
}

/// An ephemeral message, or one that we cannot update, in which a person pressed a button.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PressedMessage {
    /// The row.
    pub id: MessageId,
    /// The ULID that marks it in Slack.
    pub uid: String,
    /// The content in blocks.
    pub parts: Vec<CardPart>,
    /// Whether no answer replaces it, now or soon.
    pub stays: bool,
}

/// The ephemeral message with this `uid` to this person, if it is posted completely.
pub fn whispered(connection: &Db, uid: &str, to: &str) -> rusqlite::Result<Option<PressedMessage>> {
    connection
        .query_row("SELECT id, uid, parts, NOT EXISTS (
                 SELECT 1 FROM messages answer LEFT JOIN commands c ON c.id = answer.command_id
                 WHERE answer.instead_of = whispered.uid
                   AND (c.settled_ms IS NULL OR json_extract(c.report, '$.state') = 'done'))
             FROM messages AS whispered
             WHERE uid = ?1 AND whisper_to = ?2 AND ts IS NOT NULL AND parts IS NOT NULL AND version = posted_version
               AND dropped IS NULL
               AND NOT EXISTS (SELECT 1 FROM commands c WHERE c.id = command_id AND c.settled_ms IS NULL)", [uid, to], |row| {
            Ok(PressedMessage {
                id: row.get(0)?,
                uid: row.get(1)?,
                parts: from_json(row, 2)?,
                stays: row.get(3)?,
            })
        })
        .optional()
}

/// Stores the `response_url` of a press, by which the message can be changed for a while.
pub fn addressed(
    tx: &Db,
    id: MessageId,
    url: &ReplyUrl,
    now: DateTime<Utc>,
) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE messages SET reply_url = ?2, addressed_ms = ?3, whispers = 0 WHERE id = ?1",
        params![id, url.as_str(), now.timestamp_millis()],
    )?;
    Ok(())
}

/// Moves the cards of one task to its successor.
pub fn cards_succeed(tx: &Db, old: TaskRow, new: TaskRow) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE OR REPLACE message_cards SET task_id = ?2 WHERE task_id = ?1",
        params![old, new],
    )?;
    Ok(())
}

/// Replaces the cards of a message, and its words if they only repeat the cards. The update has low priority.
pub fn redraw(tx: &Db, id: MessageId, parts: &[CardPart]) -> rusqlite::Result<()> {
    tx.execute("UPDATE messages SET parts = ?2, words = ifnull(?3, words), redraw = CASE WHEN version > posted_version THEN redraw ELSE 1 END,
             version = version + 1
         WHERE id = ?1", params![
        id,
        some_json(parts)?,
        told(parts).as_ref().map(json).transpose()?
    ])?;
    Ok(())
}

/// Adds these undo buttons to the answer to a command, or removes its own; ephemeral answers stay as they are. Returns
/// whether anything changed.
pub fn offers_undo(
    tx: &Db,
    command: CommandId,
    offers: Option<CardPart>,
) -> rusqlite::Result<bool> {
    let answer: Option<(MessageId, Vec<CardPart>)> = tx
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
    let uid = operations::uid(tx, command)?;
    let offered = parts.iter().any(|part| are_undo_buttons(part, &uid));
    if offered == offers.is_some() {
        return Ok(false);
    }
    match offers {
        Some(buttons) => parts.push(buttons),
        None => parts.retain(|part| !are_undo_buttons(part, &uid)),
    }
    redraw(tx, id, &parts)?;
    Ok(true)
}

/// Removes the buttons from the answer to a command; ephemeral answers stay as they are. Returns whether anything changed.
pub fn loses_buttons(tx: &Db, command: CommandId) -> rusqlite::Result<bool> {
    let answer: Option<(MessageId, Vec<CardPart>)> = tx
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
    let all = parts.len();
    parts.retain(|part| !matches!(part, CardPart::Buttons(_)));
    if parts.len() == all {
        return Ok(false);
    }
    redraw(tx, id, &parts)?;
    Ok(true)
}

/// Our message at this place, if it still has this button; `user` as in [`standing_at`].
pub fn with_button(
    connection: &Db,
    (channel, user, ts): (&str, &str, &str),
    press: &ButtonAction,
) -> rusqlite::Result<Option<MessageId>> {
    let found: Option<(MessageId, Vec<CardPart>)> = connection
        .query_row(
            "SELECT id, parts FROM messages
             WHERE ts = ?3 AND (channel = ?1 OR (channel = ?2 AND ?1 GLOB 'D*')) AND parts IS NOT NULL",
            params![channel, user, ts],
            |row| Ok((row.get(0)?, from_json(row, 1)?)),
        )
        .optional()?;
    let has_it = |part: &CardPart| match part {
        CardPart::Buttons(buttons) => buttons.iter().any(|button| button.press == *press),
        _ => false,
    };
    let found = found.filter(|(_, parts)| parts.iter().any(has_it));
    Ok(found.map(|(id, _)| id))
}

/// Removes this button from a message.
pub fn loses_button(tx: &Db, id: MessageId, press: &ButtonAction) -> rusqlite::Result<()> {
    let parts: Option<Vec<CardPart>> = tx
        .query_row(
            "SELECT parts FROM messages WHERE id = ?1 AND parts IS NOT NULL",
            [id],
            |row| from_json(row, 0),
        )
        .optional()?;
    let mut parts = parts.unwrap_or_default();
    for part in &mut parts {
        if let CardPart::Buttons(buttons) = part {
            buttons.retain(|button| button.press != *press);
        }
    }
    parts.retain(|part| !matches!(part, CardPart::Buttons(buttons) if buttons.is_empty()));
    redraw(tx, id, &parts)
}

/// A notice of this many bytes is not joined by others.
const JOINED_MAX: i64 = 4_000;

/// So many notices to a person within the second time of `within` are messages of their own: Slack takes them at once.
const APART_MAX: i64 = 5;

/// Adds a notice. It joins a notice that is last in its conversation, and younger than `within`: the first time counts for
/// one about the same task, the second for others, after the first few.
pub fn notify(
    tx: &Db,
    draft: &MessageDraft,
    uid: &str,
    now: DateTime<Utc>,
    within: (Duration, Duration),
) -> rusqlite::Result<()> {
    let (same_within, any_within) = within;
    let standing: Option<(MessageId, String, Option<TaskRow>)> = tx
        .query_row(
            "SELECT id, words, about FROM messages AS standing
             WHERE notice = 1 AND person_id IS ?1 AND dropped IS NULL
               AND words IS NOT NULL AND channel = ?4 AND thread IS ?5
               AND length(words) < ?7
               AND (about = ?2 AND created_ms >= ?3
                   OR created_ms >= ?6 AND (SELECT count(*) FROM messages AS lately
                       WHERE lately.notice = 1 AND lately.person_id IS ?1 AND lately.channel = ?4
                         AND lately.created_ms >= ?6) >= ?8)
               AND NOT EXISTS (SELECT 1 FROM messages later WHERE later.channel = standing.channel
                                   AND later.thread IS standing.thread AND later.id > standing.id)
             ORDER BY id DESC LIMIT 1",
            params![
                draft.person,
                draft.about,
                (now - same_within).timestamp_millis(),
                draft.channel,
                draft.thread,
                (now - any_within).timestamp_millis(),
                JOINED_MAX,
                APART_MAX,
            ],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .optional()?;
    if let (Some((id, said, about)), Some(words)) = (standing, &draft.words) {
        let said: Text = serde_json::from_str(&said).map_err(|_| corrupt(1))?;
        let both = said.text("\n").then(words.clone());
        // Replies to a message about several tasks mean none of them.
        let about = about.filter(|_| about == draft.about);
        tx.execute(
            "UPDATE messages SET words = ?2, about = ?3, version = version + 1, redraw = 0 WHERE id = ?1",
            params![id, json(&both)?, about],
        )?;
        return Ok(());
    }
    let id = add(tx, draft, uid, now)?;
    tx.execute("UPDATE messages SET notice = 1 WHERE id = ?1", [id])?;
    Ok(())
}

/// Sets or replaces the words of a command's message, together with the pin that they show. A first post in a DM is
/// stored as begun, as by [`post`].
pub fn say(
    tx: &Tx<'_>,
    command: CommandId,
    words: &Text,
    parts: &[CardPart],
    (pin, about): (Option<PinId>, Option<TaskRow>),
    now: DateTime<Utc>,
) -> rusqlite::Result<()> {
    let begun = tx.may_begin_post().then(|| now.timestamp_micros());
    let message: Option<(MessageId, i64, bool)> = tx
        .query_row(
            "UPDATE messages SET words = ?2, parts = ?5, version = version + 1, redraw = 0, pin_id = ifnull(?3, pin_id),
                 shows_version = CASE WHEN ?3 IS NULL THEN shows_version ELSE version + 1 END, about = ifnull(?4, about),
                 begun_us = CASE WHEN ts IS NULL AND whisper_to IS NULL AND channel GLOB 'D*' THEN ifnull(begun_us, ?6)
                     ELSE begun_us END,
                 begun_version = CASE WHEN ts IS NULL AND whisper_to IS NULL AND channel GLOB 'D*' AND begun_us IS NULL
                     AND ?6 IS NOT NULL THEN version + 1 ELSE begun_version END
             WHERE command_id = ?1
             RETURNING id, version, ts IS NULL AND begun_us IS ?6 AND begun_version = version",
            params![command, json(words)?, pin, about, some_json(parts)?, begun],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .optional()?;
    let Some((message, version, begins)) = message else {
        return Ok(());
    };
    if begins && begun.is_some() {
        tx.begins_post(message, version);
    }
    match version {
        // A message without words has shown no cards yet.
        FIRST => shows(tx, message, parts),
        _ => stands(tx, message, parts),
    }
}

/// Whether the post of a message is stored as begun, but was not sent by this process yet.
pub fn is_unsent(store: &Store, id: MessageId) -> bool {
    store.inner.unsent.posts.has(id)
}

/// Notes that a post is sent now; returns its version that was stored as begun before.
pub fn version_begun(store: &Store, id: MessageId) -> Option<i64> {
    let taken = store.inner.unsent.posts.take(id);
    taken.map(|(version, _)| version)
}

/// The posts that were stored as begun and never sent, because the daemon stops. They count as sent from now on.
pub fn unsent(store: &Store) -> Vec<MessageId> {
    store.inner.unsent.posts.take_where(|_| true)
}

/// Messages to post or to update.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OutgoingPage {
    /// One of each conversation, in order.
    pub messages: Vec<Outgoing>,
    /// Whether more wait behind these.
    pub more: bool,
}

/// The next step of up to `at_most` conversations: an update of a posted message, else the next post. A redraw counts
/// separately. A message without words yet holds back those after it. The ephemeral messages to a person are a
/// conversation of their own; after a "waiting" message only the final outcome follows.
///
/// The cost depends on the number of results, not on the messages that wait behind them.
pub fn outgoing(connection: &Db, at_most: usize) -> rusqlite::Result<OutgoingPage> {
    connection.query(OUTGOING, [], |rows| {
        let mut taken = BTreeSet::new();
        let mut page = OutgoingPage::default();
        while let Some(row) = rows.next()? {
            let conversation = Conversation {
                channel: row.get(2)?,
                thread: row.get(3)?,
            };
            let redraw = row.get::<_, bool>(9)? && row.get::<_, Option<String>>(6)?.is_some();
            let whisper_to: Option<String> = row.get(11)?;
            let notice: bool = row.get(17)?;
            let of = match notice {
                // One at a time, in all threads of a channel.
                true => Conversation {
                    thread: None,
                    ..conversation.clone()
                },
                false => conversation.clone(),
            };
            if !taken.insert((of, whisper_to.clone(), redraw, notice)) {
                page.more = true;
                continue;
            }
            if page.messages.len() >= at_most {
                page.more = true;
                break;
            }
            let ephemeral = match whisper_to {
                None => None,
                Some(_) => Some(Ephemeral {
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
            page.messages.push(Outgoing {
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
                ephemeral,
                has_asker: row.get(16)?,
                notice,
            });
        }
        Ok(page)
    })
}

/// In the order of the index `messages_ready`.
const OUTGOING: &str = "
    SELECT m.id, m.uid, m.channel, m.thread, m.words, m.version, m.ts, m.begun_us, m.parts, m.redraw, m.reply_url,
        m.whisper_to, m.whispers, ifnull(m.addressed_ms, m.created_ms),
        m.in_channel AND c.settled_ms IS NOT NULL AND json_extract(c.report, '$.state') = 'done',
        m.addressed_ms IS NOT NULL
            OR m.replaces AND (c.id IS NULL OR c.settled_ms IS NOT NULL AND json_extract(c.report, '$.state') = 'done'),
        m.asked_by IS NOT NULL, m.notice = 1 AND m.command_id IS NULL
    FROM messages m INDEXED BY messages_ready LEFT JOIN commands c ON c.id = m.command_id
    WHERE m.dropped IS NULL AND m.words IS NOT NULL AND (m.ts IS NULL OR m.version > m.posted_version)
        AND (m.whisper_to IS NULL OR m.ts IS NULL OR c.id IS NULL OR c.settled_ms IS NOT NULL)
        AND (m.ts IS NOT NULL OR NOT EXISTS
            (SELECT 1 FROM messages before INDEXED BY messages_by_ts
             WHERE before.channel = m.channel AND before.ts IS NULL AND before.id < m.id AND before.words IS NULL
                 AND before.dropped IS NULL AND before.thread IS m.thread AND before.whisper_to IS m.whisper_to))
    ORDER BY CASE WHEN m.ts IS NULL THEN 1 WHEN m.redraw THEN 2 ELSE 0 END, m.id";

/// Records that the first post of a message is about to be sent, with this version; `false` if there is a newer one, it is
/// posted, or it was begun and not `looked` for.
pub fn posting(
    tx: &Db,
    id: MessageId,
    (version, looked): (i64, bool),
    now: DateTime<Utc>,
) -> rusqlite::Result<bool> {
    let rows = tx.execute(
        "UPDATE messages SET begun_us = ?2, begun_version = ?3
         WHERE id = ?1 AND version = ?3 AND ts IS NULL AND (begun_us IS NULL OR ?4)",
        params![id, now.timestamp_micros(), version, looked],
    )?;
    Ok(rows > 0)
}

/// Records a post that was found under `ts` after its outcome was unknown, visible since `shown_at`. The pin or list of
/// the version that was sent counts from then on. The message is updated afterwards.
pub fn found(tx: &Db, id: MessageId, ts: &str, shown_at: DateTime<Utc>) -> rusqlite::Result<()> {
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

/// The message with this `uid`, if its post has begun and its outcome is unknown.
pub fn unrecorded(connection: &Db, uid: &str) -> rusqlite::Result<Option<MessageId>> {
    connection
        .query_row(
            "SELECT id FROM messages WHERE uid = ?1 AND ts IS NULL AND begun_us IS NOT NULL",
            [uid],
            |row| row.get(0),
        )
        .optional()
}

/// Records that the post was certainly not accepted.
pub fn not_posted(tx: &Db, id: MessageId) -> rusqlite::Result<()> {
    tx.execute("UPDATE messages SET begun_us = NULL WHERE id = ?1", [id])?;
    Ok(())
}

/// Counts a use of the `response_url` before it is used with this version; `false` if there is a newer one.
pub fn whispering(tx: &Db, id: MessageId, version: i64) -> rusqlite::Result<bool> {
    let rows = tx.execute(
        "UPDATE messages SET whispers = whispers + 1 WHERE id = ?1 AND version = ?2",
        params![id, version],
    )?;
    Ok(rows > 0)
}

/// Moves an ephemeral message that cannot be sent to the DM of its reader.
pub fn move_to_dm(tx: &Db, id: MessageId) -> rusqlite::Result<()> {
    let to: Option<Option<String>> = tx
        .query_row(
            "SELECT ifnull(whisper_to, asked_by) FROM messages WHERE id = ?1",
            [id],
            |row| row.get(0),
        )
        .optional()?;
    let Some(user) = to.flatten() else {
        return Ok(());
    };
    tx.execute(
        "UPDATE messages SET channel = ?2, thread = NULL, ts = NULL, begun_us = NULL, reply_url = NULL, whisper_to = NULL,
             in_channel = 0
         WHERE id = ?1",
        params![id, dm_of(tx, &user)?],
    )?;
    Ok(())
}

/// Stores Slack's id of the conversation of a message. If the message was addressed to a person's id, it now belongs to
/// their DM, and so do their other messages.
pub fn stands_in(tx: &Db, id: MessageId, channel: &str) -> rusqlite::Result<()> {
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

/// Records that `version` of a message is visible since `shown_at`, with the pin or list that it shows.
pub fn posted(
    tx: &Db,
    id: MessageId,
    version: i64,
    ts: &str,
    shown_at: DateTime<Utc>,
) -> rusqlite::Result<()> {
    let shown: Option<(Option<PinId>, Option<ListId>)> = tx
        .query_row(
            "UPDATE messages SET ts = ?3, posted_version = ?2, begun_us = NULL,
                 redraw = CASE WHEN version = ?2 THEN 0 ELSE redraw END,
                 reply_url = CASE WHEN version = ?2 AND NOT EXISTS
                         (SELECT 1 FROM commands c WHERE c.id = command_id AND c.settled_ms IS NULL)
                         AND (addressed_ms IS NULL OR whispers >= ?4)
                     THEN NULL ELSE reply_url END
             WHERE id = ?1
             RETURNING iif(posted_version >= shows_version,
                     (SELECT id FROM pins WHERE id = pin_id AND ifnull(shown_us, ?5 + 1) > ?5), NULL),
                 iif(posted_version >= shows_version, list_id, NULL)",
            params![id, version, ts, REDRAWN_BY_ADDRESS, shown_at.timestamp_micros()],
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

/// Moves a message out of its thread.
pub fn without_thread(tx: &Db, id: MessageId) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE messages SET thread = NULL, begun_us = NULL WHERE id = ?1",
        [id],
    )?;
    Ok(())
}

/// Has a message posted again under a new `uid`, because the posted one cannot be changed.
pub fn say_anew(tx: &Db, id: MessageId, uid: &str) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE messages SET ts = NULL, begun_us = NULL, uid = ?2, posted_version = 0, redraw = 0 WHERE id = ?1",
        params![id, uid],
    )?;
    Ok(())
}

/// Gives a message other words, which it shows from then on. An ephemeral one stays as it is; returns whether it changes.
pub fn reword(tx: &Db, id: MessageId, words: &Text) -> rusqlite::Result<bool> {
    let changed = tx.execute(
        "UPDATE messages SET words = ?2, version = version + 1
         WHERE id = ?1 AND whisper_to IS NULL AND dropped IS NULL",
        params![id, json(words)?],
    )?;
    Ok(changed > 0)
}

/// Gives up the redraw of a message whose posted version cannot be changed. If that says that a command waits, the
/// outcome is still sent. For an ephemeral message, another press brings another `response_url`.
pub fn stays(tx: &Db, id: MessageId, version: i64, why: &str) -> rusqlite::Result<()> {
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

/// Drops a message that Slack refuses for good.
pub fn dropped(tx: &Db, id: MessageId, why: &str) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE messages SET dropped = ?2 WHERE id = ?1",
        params![id, why],
    )?;
    Ok(())
}

/// The person that a message is for.
pub fn person(connection: &Db, id: MessageId) -> rusqlite::Result<Option<PersonId>> {
    let person: Option<Option<PersonId>> = connection
        .query_row(
            "SELECT person_id FROM messages WHERE id = ?1",
            [id],
            |row| row.get(0),
        )
        .optional()?;
    Ok(person.flatten())
}

/// Whether an answer to a person, and with it perhaps a new current task, is still to be sent, in one channel or in
/// any. Messages addressed to the person's own id count as messages to the DM.
pub fn owed(connection: &Db, person: PersonId, channel: Option<&str>) -> rusqlite::Result<bool> {
    connection
        .query_row("SELECT EXISTS (SELECT 1 FROM messages
             WHERE dropped IS NULL AND (ts IS NULL OR (version > posted_version AND NOT redraw
                   AND (whisper_to IS NULL OR NOT EXISTS
                       (SELECT 1 FROM commands c WHERE c.id = command_id AND c.settled_ms IS NULL))))
               AND person_id = ?1 AND notice = 0
               AND (?2 IS NULL OR channel = ?2 OR substr(channel, 1, 1) IN ('U', 'W')))", params![person, channel], |row| row.get(0))
}

/// Whether a command has a message for its outcome.
pub fn tells(connection: &Db, command: CommandId) -> rusqlite::Result<bool> {
    connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM messages WHERE command_id = ?1)",
        [command],
        |row| row.get(0),
    )
}

/// The root of the thread for news about a task: an attached one, or else the newest message about it in the person's DM,
/// or its thread. An ephemeral message is no root, because it has no `ts`. `None` if there is none.
pub fn thread_about(
    connection: &Db,
    channel: &str,
    task: TaskRow,
) -> rusqlite::Result<Option<String>> {
    connection
        .query_row(
            "SELECT ifnull(m.thread, m.ts) FROM messages m LEFT JOIN commands c ON c.id = m.command_id
             WHERE m.about = ?2 AND m.channel = ?1 AND m.ts GLOB '*.*' AND m.dropped IS NULL
             ORDER BY c.verb IS 'attach' AND m.thread IS NOT NULL DESC, m.id DESC LIMIT 1",
            params![channel, task],
            |row| row.get(0),
        )
        .optional()
}

/// A posted message of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnMessage {
    /// The root of its thread.
    pub thread: Option<String>,
    /// The task that it is about, or else the only one that it shows. Words in its thread mean this task.
    pub task: Option<TaskRow>,
    /// The same task, if the message is its card. Reactions count only on the card of a task.
    pub card: Option<TaskRow>,
    /// Whether it is about one task and shows the card of another.
    pub shows_another: bool,
    /// Whether it is a message of notices about several tasks.
    pub several: bool,
}

/// Our message at this place. A notice to a person without a known DM was sent to their id, `user`.
pub fn standing_at(
    connection: &Db,
    channel: &str,
    user: &str,
    ts: &str,
) -> rusqlite::Result<Option<OwnMessage>> {
    connection
        .query_row(
            "SELECT thread, about, parts, list_id IS NOT NULL, notice = 1 AND about IS NULL FROM messages
             WHERE ts = ?3 AND (channel = ?1 OR (channel = ?2 AND ?1 GLOB 'D*'))",
            params![channel, user, ts],
            |row| {
                let about: Option<TaskRow> = row.get(1)?;
                let parts: Vec<CardPart> = match row.get::<_, Option<String>>(2)? {
                    Some(_) => from_json(row, 2)?,
                    None => Vec::new(),
                };
                let is_list: bool = row.get(3)?;
                let cards = || {
                    parts.iter().filter_map(|part| match part {
                        CardPart::Card(card) => Some(card.task),
                        _ => None,
                    })
                };
                let only = cards().next().filter(|_| cards().count() == 1);
                Ok(OwnMessage {
                    thread: row.get(0)?,
                    task: about.or(only),
                    card: card_of(&parts)
                        .filter(|task| !is_list && about.is_none_or(|about| about == *task)),
                    shows_another: !is_list
                        && about.is_some_and(|about| cards().any(|task| task != about)),
                    several: row.get(4)?,
                })
            },
        )
        .optional()
}

/// Whether a post is under way there whose `ts` is not recorded yet; `user` as in [`standing_at`].
pub fn is_posting(connection: &Db, channel: &str, user: &str) -> rusqlite::Result<bool> {
    connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM messages
             WHERE dropped IS NULL AND ts IS NULL AND begun_us IS NOT NULL
               AND (channel = ?1 OR (channel = ?2 AND ?1 GLOB 'D*')))",
        [channel, user],
        |row| row.get(0),
    )
}

/// The task that a thread is attached to, or else the first one that our answers in it are about. Below a channel's
/// `create` it is the created task.
pub fn first_about(
    connection: &Db,
    channel: &str,
    thread: &str,
) -> rusqlite::Result<Option<TaskRow>> {
    connection
        .query_row(
            "SELECT m.about FROM messages m LEFT JOIN commands c ON c.id = m.command_id
             WHERE m.channel = ?1 AND m.thread = ?2 AND m.about IS NOT NULL
             ORDER BY c.verb IS 'attach' DESC, m.id LIMIT 1",
            params![channel, thread],
            |row| row.get(0),
        )
        .optional()
}

/// The task that a thread belongs to: it was attached, or the task was created there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThreadTask {
    /// The row of the task.
    pub task: TaskRow,
    /// Whether the thread was attached to it.
    pub attached: bool,
}

/// The task that a thread belongs to. Other answers in it, such as to `why #12`, do not count.
pub fn task_of_thread(
    connection: &Db,
    place: &Conversation,
) -> rusqlite::Result<Option<ThreadTask>> {
    connection
        .query_row(
            "SELECT m.about, c.verb = 'attach' FROM messages m JOIN commands c ON c.id = m.command_id
             WHERE m.channel = ?1 AND m.thread = ?2 AND m.about IS NOT NULL AND c.undone_by IS NULL
               AND c.verb IN ('attach', 'create')
             ORDER BY c.verb = 'attach' DESC, m.id LIMIT 1",
            params![place.channel, place.thread],
            |row| {
                Ok(ThreadTask {
                    task: row.get(0)?,
                    attached: row.get(1)?,
                })
            },
        )
        .optional()
}

/// A thread that a person attached to a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachedThread {
    /// The conversation, with the root of the thread.
    pub place: Conversation,
    /// The person who attached it.
    pub person: PersonId,
}

impl AttachedThread {
    /// Whether it is in its person's DM.
    pub fn is_direct(&self) -> bool {
        self.place.channel.starts_with('D')
    }
}

/// The newest threads that are attached to a task.
pub fn attached_to(connection: &Db, task: TaskRow) -> rusqlite::Result<Vec<AttachedThread>> {
    connection.query_map(
        "SELECT m.channel, m.thread, m.person_id FROM messages m JOIN commands c ON c.id = m.command_id
         WHERE m.about = ?1 AND c.verb = 'attach' AND m.thread IS NOT NULL AND m.person_id IS NOT NULL
           AND m.dropped IS NULL
         ORDER BY m.id DESC LIMIT ?2",
        params![task, ATTACHED_MAX],
        |row| {
            Ok(AttachedThread {
                place: Conversation {
                    channel: row.get(0)?,
                    thread: row.get(1)?,
                },
                person: row.get(2)?,
            })
        },
    )
}

/// The task to which this command attached a thread; `None` if it attached none, or was undone.
pub fn attached_by(connection: &Db, command: CommandId) -> rusqlite::Result<Option<TaskRow>> {
    let about: Option<Option<TaskRow>> = connection
        .query_row(
            "SELECT about FROM messages WHERE command_id = ?1 AND thread IS NOT NULL",
            [command],
            |row| row.get(0),
        )
        .optional()?;
    Ok(about.flatten())
}

/// Unlinks the thread that this command attached: our answers there from then on are no longer about its task.
pub fn detach(tx: &Db, command: CommandId) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE messages SET about = NULL WHERE id IN
             (SELECT later.id FROM messages link JOIN messages later ON later.channel = link.channel
                  AND later.thread = link.thread AND later.about = link.about AND later.id >= link.id
              WHERE link.command_id = ?1)",
        [command],
    )?;
    Ok(())
}

/// The threads in which a command was given.
pub fn given_in(connection: &Db, command: CommandId) -> rusqlite::Result<Vec<Conversation>> {
    connection.query_map(
        "SELECT channel, thread FROM messages WHERE command_id = ?1 AND thread IS NOT NULL
         UNION SELECT channel, thread FROM reactions WHERE command_id = ?1 AND thread IS NOT NULL",
        [command],
        |row| {
            Ok(Conversation {
                channel: row.get(0)?,
                thread: row.get(1)?,
            })
        },
    )
}
