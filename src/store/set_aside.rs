//! Unclean ends of the process, and the work that may have been under way.
//!
//! Stored work needs no record of its first attempt: its own row serves as that, which saves a commit. After an unclean
//! end, the remaining work is *suspect*: each attempt at it is committed before it begins. A second unclean end during
//! an attempt sets the work aside. Recurring work has no row of its own, so each attempt at it is committed.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use super::db::Db;
use chrono::{DateTime, Utc};
use rusqlite::types::FromSql;
use rusqlite::{OptionalExtension, params};
use tokio::sync::{Semaphore, oneshot, watch};

use super::columns::millis;
use super::{Store, StoreError, Tx, Wake, homes, messages, slack_events};
use crate::domain::ids::{CommandId, DeliveryId, EventId, MessageId, OperationSeq, ReactionId};
use crate::domain::reply::Text;
use crate::domain::set_aside::{ENDS_MAX, SetAside, Work, went_well};
use crate::domain::task::Source;
use crate::runtime::lock;

/// Home tabs that were opened longer ago than this are not published by themselves.
const HOMES_SINCE: chrono::Duration = chrono::Duration::hours(24);
/// Unclean ends of recurring work are counted anew if the last was longer ago than this.
const ENDS_COUNT_FOR: chrono::Duration = chrono::Duration::hours(24);
/// How long suspect work waits for the previous one at most. It runs one at a time, so that an unclean end shows its
/// cause.
const ALONE_FOR: Duration = Duration::from_millis(100);

/// Marks the process as running; `true` if the one before it ended uncleanly.
pub fn starts(tx: &Db, now: DateTime<Utc>) -> rusqlite::Result<bool> {
    let was_running = tx.execute("DELETE FROM running", [])?;
    tx.execute(
        "INSERT INTO running (one, since_ms) VALUES (1, ?1)",
        [now.timestamp_millis()],
    )?;
    Ok(was_running > 0)
}

/// Marks a clean stop: the work under way has not ended the process.
pub fn stops(tx: &Db) -> rusqlite::Result<()> {
    tx.execute("DELETE FROM running", [])?;
    tx.execute("DELETE FROM begun_work WHERE ends = 0", [])?;
    tx.execute(
        "UPDATE begun_work SET under_way = 0 WHERE under_way = 1",
        [],
    )?;
    Ok(())
}

/// Counts an unclean end for the work that was marked as under way, and marks all other possible work as suspect.
/// Returns the work that has reached the limit and is to be set aside.
pub fn ended(tx: &Db, now: DateTime<Utc>) -> rusqlite::Result<Vec<(Work, i64)>> {
    forget_done(tx)?;
    let (at, lately) = (
        now.timestamp_millis(),
        (now - ENDS_COUNT_FOR).timestamp_millis(),
    );
    let mut again = Vec::new();
    for (work, ends, ended_ms) in marked(tx)? {
        let ends = match work.comes_again() && ended_ms < lately {
            true => 1,
            false => ends + 1,
        };
        tx.execute(
            "UPDATE begun_work SET ends = ?3, under_way = 0, ended_ms = ?4, set_aside_ms = NULL, until_ms = NULL
             WHERE kind = ?1 AND item = ?2",
            params![work.kind(), work.item(), ends, at],
        )?;
        if ends >= ENDS_MAX {
            again.push((work, ends));
        }
    }
    for work in may_be_begun(tx, now)? {
        tx.execute("INSERT INTO begun_work (kind, item, ended_ms) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING", params![work.kind(), work.item(), at])?;
    }
    Ok(again)
}

/// The work marked as under way, with the number and the last time of its earlier unclean ends.
fn marked(tx: &Db) -> rusqlite::Result<Vec<(Work, i64, i64)>> {
    let rows: Vec<(String, String, i64, i64)> = tx.query_map(
        "SELECT kind, item, ends, ended_ms FROM begun_work WHERE under_way = 1",
        [],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
    )?;
    Ok(rows
        .into_iter()
        .filter_map(|(kind, item, ends, at)| Some((Work::of(&kind, &item)?, ends, at)))
        .collect())
}

/// The stored work that a start begins at once: every delivery, and the first of each person, lane and conversation.
fn may_be_begun(tx: &Db, now: DateTime<Utc>) -> rusqlite::Result<Vec<Work>> {
    let messages = ids(
        tx,
        "SELECT id FROM slack_events AS first WHERE handled_ms IS NULL AND id =
             (SELECT id FROM slack_events WHERE handled_ms IS NULL AND user_id = first.user_id
              ORDER BY said_us, id LIMIT 1)",
    )?;
    let deliveries = ids(tx, "SELECT id FROM deliveries WHERE handled_ms IS NULL")?;
    let reactions = ids(
        tx,
        "SELECT id FROM reactions WHERE dropped IS NULL AND version > placed",
    )?;
    let operations: Vec<String> = tx
        .query_map("SELECT id FROM operations WHERE seq IN
                 (SELECT min(seq) FROM operations WHERE state = 'pending' AND set_aside = 0 GROUP BY lane)", [], |row| row.get(0))?;
    let posts = messages::outgoing(tx, usize::MAX)?.messages;
    let homes = homes::since(tx, now - HOMES_SINCE)?;
    Ok(messages
        .into_iter()
        .map(Work::Message)
        .chain(deliveries.into_iter().map(Work::Delivery))
        .chain(operations.into_iter().map(Work::Operation))
        .chain(posts.into_iter().map(|post| Work::Post(post.id)))
        .chain(reactions.into_iter().map(Work::Reaction))
        .chain(homes.into_iter().map(|home| Work::Home(home.user)))
        .collect())
}

fn ids<T: FromSql>(tx: &Db, sql: &str) -> rusqlite::Result<Vec<T>> {
    tx.query_map(sql, [], |row| row.get(0))
}

/// Removes the marks of work that has ended, or whose row is gone.
pub fn forget_done(tx: &Db) -> rusqlite::Result<()> {
    for sql in [
"DELETE FROM begun_work WHERE kind = 'message' AND NOT EXISTS (SELECT 1 FROM slack_events
             WHERE id = CAST(item AS INTEGER) AND (handled_ms IS NULL OR set_aside_ms IS NOT NULL))",
"DELETE FROM begun_work WHERE kind = 'delivery' AND NOT EXISTS (SELECT 1 FROM deliveries
             WHERE id = CAST(item AS INTEGER) AND (handled_ms IS NULL OR set_aside_ms IS NOT NULL))",
"DELETE FROM begun_work WHERE kind = 'operation' AND NOT EXISTS (SELECT 1 FROM operations
             WHERE id = item AND state = 'pending')",
"DELETE FROM begun_work WHERE kind = 'post' AND NOT EXISTS (SELECT 1 FROM messages
             WHERE id = CAST(item AS INTEGER)
               AND (set_aside_ms IS NOT NULL OR dropped IS NULL AND (ts IS NULL OR version > posted_version)))",
"DELETE FROM begun_work WHERE kind = 'reaction' AND NOT EXISTS (SELECT 1 FROM reactions
             WHERE id = CAST(item AS INTEGER) AND (set_aside_ms IS NOT NULL OR dropped IS NULL AND version > placed))",
"DELETE FROM begun_work WHERE kind = 'home' AND NOT EXISTS (SELECT 1 FROM homes WHERE user_id = item)",
] { tx.execute(sql, [])?; }
    Ok(())
}

/// Sets work aside: it is not begun any more, and all its data stays.
pub fn put_aside(tx: &Db, set_aside: &SetAside) -> rusqlite::Result<()> {
    let SetAside {
        work,
        about,
        since,
        until,
        ..
    } = set_aside;
    let at = since.timestamp_millis();
    tx.execute(
        "UPDATE begun_work SET set_aside_ms = ?3, until_ms = ?4, about = ?5 WHERE kind = ?1 AND item = ?2",
        params![
            work.kind(),
            work.item(),
            at,
            until.map(|until| until.timestamp_millis()),
            about
        ],
    )?;
    match work {
        Work::Message(id) => {
            tx.execute(
                "UPDATE slack_events SET handled_ms = ?2 WHERE id = ?1 AND handled_ms IS NULL",
                params![id, at],
            )?;
        }
        Work::Delivery(id) => {
            tx.execute(
                "UPDATE deliveries SET handled_ms = ?2, result = 'set aside' WHERE id = ?1 AND handled_ms IS NULL",
                params![id, at],
            )?;
        }
        Work::Post(id) => messages::dropped(tx, *id, DROPPED)?,
        Work::Reaction(id) => super::reactions::dropped(tx, *id, DROPPED)?,
        _ => {}
    }
    metrics::counter!("ivan_set_aside_total", "kind" => work.kind()).increment(1);
    Ok(())
}

/// The reason stored with a message or reaction of ours that is set aside.
const DROPPED: &str = "set aside";

/// Sets an operation and those behind it in its command aside; `why` is for its person. Returns the command.
pub fn put_operation_aside(tx: &Db, id: &str, why: &str) -> rusqlite::Result<Option<CommandId>> {
    let command = tx
        .query_row(
            "UPDATE operations SET set_aside = 1, why = ?2 WHERE id = ?1 AND state = 'pending' RETURNING command_id",
            [id, why],
            |row| row.get(0),
        )
        .optional()?;
    if let Some(command) = command {
        tx.execute(
            "UPDATE operations SET set_aside = 1 WHERE command_id = ?1 AND state = 'pending'",
            [command],
        )?;
        behind(tx)?;
    }
    Ok(command)
}

/// Sets aside each undo whose command is set aside, since its effect is not known yet.
pub fn behind(tx: &Db) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE operations SET set_aside = 1
         WHERE state = 'pending' AND kind = 'undo' AND json_extract(write, '$.operation') IN
             (SELECT id FROM operations WHERE state = 'pending' AND set_aside = 1)",
        [],
    )?;
    Ok(())
}

/// Releases work until one more unclean end. Returns its description; `None` if it was not set aside.
pub fn retry(tx: &Db, work: &Work) -> rusqlite::Result<Option<String>> {
    let about = tx
        .query_row(
            "UPDATE begun_work SET ends = ?3, under_way = 0, set_aside_ms = NULL, until_ms = NULL
             WHERE kind = ?1 AND item = ?2 AND set_aside_ms IS NOT NULL RETURNING about",
            params![work.kind(), work.item(), ENDS_MAX - 1],
            |row| row.get(0),
        )
        .optional()?;
    if about.is_none() {
        return Ok(None);
    }
    match work {
        Work::Message(id) => {
            tx.execute(
                "UPDATE slack_events SET handled_ms = NULL WHERE id = ?1",
                [id],
            )?;
        }
        Work::Delivery(id) => {
            tx.execute(
                "UPDATE deliveries SET handled_ms = NULL, result = NULL WHERE id = ?1",
                [id],
            )?;
        }
        Work::Operation(id) => {
            tx.execute(
                "UPDATE operations SET set_aside = 0, why = NULL WHERE state = 'pending' AND set_aside = 1 AND
                     (command_id = (SELECT command_id FROM operations WHERE id = ?1)
                      OR kind = 'undo' AND json_extract(write, '$.operation') IN
                          (SELECT id FROM operations WHERE command_id = (SELECT command_id FROM operations WHERE id = ?1)))",
                [id],
            )?;
        }
        Work::Post(id) => {
            tx.execute(
                "UPDATE messages SET dropped = NULL WHERE id = ?1 AND dropped = ?2",
                params![id, DROPPED],
            )?;
        }
        Work::Reaction(id) => {
            tx.execute(
                "UPDATE reactions SET dropped = NULL WHERE id = ?1 AND dropped = ?2",
                params![id, DROPPED],
            )?;
        }
        _ => {}
    }
    Ok(about)
}

/// All work set aside, oldest first.
pub fn all(connection: &Db) -> rusqlite::Result<Vec<SetAside>> {
    let rows: Vec<(String, String, String, i64, i64, Option<i64>)> = connection.query_map(
        "SELECT kind, item, about, ends, set_aside_ms, until_ms FROM begun_work
             WHERE set_aside_ms IS NOT NULL ORDER BY set_aside_ms, kind, item",
        [],
        |row| {
            Ok((
                row.get(0)?,
                row.get(1)?,
                row.get(2)?,
                row.get(3)?,
                row.get(4)?,
                row.get(5)?,
            ))
        },
    )?;
    Ok(rows
        .into_iter()
        .filter_map(|(kind, item, about, ends, since, until)| {
            Some(SetAside {
                work: Work::of(&kind, &item)?,
                about,
                ends,
                since: millis(since),
                until: until.map(millis),
            })
        })
        .collect())
}

/// Operations that were set aside before then and still are, with the ids of their commands.
pub fn operations_since_before(
    connection: &Db,
    then: DateTime<Utc>,
) -> rusqlite::Result<Vec<(OperationSeq, CommandId)>> {
    connection
        .query_map("SELECT seq, command_id FROM operations WHERE state = 'pending' AND set_aside = 1 AND command_id IN
                 (SELECT command_id FROM operations JOIN begun_work ON begun_work.kind = 'operation' AND item = operations.id
                  WHERE set_aside_ms < ?1)
             ORDER BY seq", [then.timestamp_millis()], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
}

/// A stored message: its author and its text.
pub fn heard(
    connection: &Db,
    id: EventId,
) -> rusqlite::Result<Option<slack_events::IncomingMessage>> {
    connection
        .query_row(
            "SELECT heard FROM slack_events WHERE id = ?1",
            [id],
            |row| super::columns::from_json(row, 0),
        )
        .optional()
}

/// The source of a delivery.
pub fn source_of_delivery(connection: &Db, id: DeliveryId) -> rusqlite::Result<Option<Source>> {
    let source: Option<String> = connection
        .query_row("SELECT source FROM deliveries WHERE id = ?1", [id], |row| {
            row.get(0)
        })
        .optional()?;
    Ok(source.and_then(|source| Source::parse(&source)))
}

/// The recipient of a message of ours: their name and place, and whether the message is about work set aside.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recipient {
    /// The person's name in bot.toml; `None` if they have no Slack id there.
    pub name: Option<String>,
    /// Their Slack id, if known.
    pub slack: Option<String>,
    /// The conversation that it is for, or stands in.
    pub channel: String,
    /// Whether the message itself reports work that was set aside.
    pub tells_set_aside: bool,
}

/// The recipient of a message of ours.
pub fn recipient_of_post(connection: &Db, id: MessageId) -> rusqlite::Result<Recipient> {
    let found = connection
        .query_row(
            "SELECT iif(people.slack_id IS NULL, NULL, people.name), coalesce(whisper_to, asked_by, people.slack_id),
                 tells_set_aside, channel
             FROM messages LEFT JOIN people ON people.id = person_id WHERE messages.id = ?1",
            [id],
            recipient,
        )
        .optional()?;
    Ok(found.unwrap_or_default())
}

/// The recipient of a reaction of ours.
pub fn recipient_of_reaction(connection: &Db, id: ReactionId) -> rusqlite::Result<Recipient> {
    let found = connection
        .query_row(
            "SELECT iif(people.slack_id IS NULL, NULL, people.name), people.slack_id, 0, channel
             FROM reactions LEFT JOIN people ON people.id = person_id
             WHERE reactions.id = ?1",
            [id],
            recipient,
        )
        .optional()?;
    Ok(found.unwrap_or_default())
}

fn recipient(row: &rusqlite::Row<'_>) -> rusqlite::Result<Recipient> {
    Ok(Recipient {
        name: row.get(0)?,
        slack: row.get(1)?,
        tells_set_aside: row.get(2)?,
        channel: row.get(3)?,
    })
}

fn begins(tx: &Db, work: &Work) -> rusqlite::Result<()> {
    let mark = match work.comes_again() {
        true => {
            "INSERT INTO begun_work (kind, item, ends, under_way) VALUES (?1, ?2, 0, 1)
             ON CONFLICT DO UPDATE SET under_way = 1"
        }
        false => "UPDATE begun_work SET under_way = 1 WHERE kind = ?1 AND item = ?2",
    };
    tx.execute(mark, params![work.kind(), work.item()])?;
    Ok(())
}

/// Records that an attempt is over. Finished work loses its mark. Recurring work stays suspect for as long as its last
/// unclean end counts. If it had been set aside, the operators are told that it went well.
fn is_over(
    tx: &Tx<'_>,
    work: &Work,
    done: bool,
    operators: &[String],
    now: DateTime<Utc>,
) -> rusqlite::Result<()> {
    let params = params![work.kind(), work.item()];
    let ended_before = match done && !work.comes_again() {
        true => tx.execute(
            "DELETE FROM begun_work WHERE kind = ?1 AND item = ?2",
            params,
        ),
        false => tx.execute(
            "DELETE FROM begun_work WHERE kind = ?1 AND item = ?2 AND ends = 0",
            params,
        ),
    }? == 0;
    if !ended_before {
        return Ok(());
    }
    let about: Option<String> = tx
        .query_row(
            "SELECT about FROM begun_work WHERE kind = ?1 AND item = ?2 AND about <> ''",
            params,
            |row| row.get(0),
        )
        .optional()?;
    tx.execute(
        "UPDATE begun_work SET under_way = 0 WHERE kind = ?1 AND item = ?2",
        params,
    )?;
    if !done {
        return Ok(());
    }
    tx.execute(
        "UPDATE begun_work SET set_aside_ms = NULL, until_ms = NULL, about = '' WHERE kind = ?1 AND item = ?2",
        params,
    )?;
    if let Some(about) = about {
        say_to(tx, operators, &went_well(&about), now)?;
    }
    Ok(())
}

/// Sends a message about work set aside to the DMs of these Slack ids.
pub fn say_to(
    tx: &Tx<'_>,
    to: &[String],
    words: &Text,
    now: DateTime<Utc>,
) -> rusqlite::Result<()> {
    for user in to {
        let channel = slack_events::dm_of(tx, user)?;
        say_in(tx, channel, None, words, now)?;
    }
    Ok(())
}

/// Sends a message about work set aside to a conversation.
pub fn say_in(
    tx: &Tx<'_>,
    channel: String,
    thread: Option<String>,
    words: &Text,
    now: DateTime<Utc>,
) -> rusqlite::Result<()> {
    let draft = messages::MessageDraft {
        channel,
        thread,
        words: Some(words.clone()),
        ..messages::MessageDraft::default()
    };
    let uid = ulid::Ulid::from_datetime(now.into()).to_string();
    let message = messages::add(tx, &draft, &uid, now)?;
    tx.execute(
        "UPDATE messages SET tells_set_aside = 1 WHERE id = ?1",
        [message],
    )?;
    tx.wake(Wake::Messages);
    Ok(())
}

/// The work that may have ended the process, cached in memory.
#[derive(Debug)]
pub(super) struct Suspects {
    known: Mutex<HashMap<Work, Standing>>,
    /// Slack ids of the operators.
    operators: Mutex<Vec<String>>,
    /// Lets one piece of suspect work begin at a time.
    turn: Arc<Semaphore>,
    /// Changes when work is released for another attempt.
    retried: watch::Sender<u64>,
}

impl Default for Suspects {
    fn default() -> Suspects {
        Suspects {
            known: Mutex::default(),
            operators: Mutex::default(),
            turn: Arc::new(Semaphore::new(1)),
            retried: watch::Sender::default(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// An attempt is committed before it begins.
    Suspect,
    /// It is not begun.
    SetAside,
    /// It is not begun before then.
    Rests(DateTime<Utc>),
}

impl Suspects {
    fn known(&self) -> MutexGuard<'_, HashMap<Work, Standing>> {
        lock(&self.known)
    }

    fn operators(&self) -> MutexGuard<'_, Vec<String>> {
        lock(&self.operators)
    }
}

/// An attempt at a piece of work, to be passed to [`Store::is_over`].
#[must_use]
#[derive(Debug, Default)]
pub struct WorkAttempt {
    work: Option<Work>,
    /// Lets the next suspect work begin when it is dropped.
    _alone: Option<oneshot::Sender<()>>,
}

impl Store {
    /// Sets the operators, by Slack id, who are told when work that was set aside goes well.
    pub fn tell_operators(&self, operators: Vec<String>) {
        *self.suspects().operators() = operators;
    }

    /// Reads at the start which work is suspect or set aside.
    pub async fn know_suspects(&self) -> Result<(), StoreError> {
        let rows: Vec<(String, String, bool, Option<i64>)> = self
            .read(|connection| {
                connection
                    .query_map("SELECT kind, item, set_aside_ms IS NOT NULL, until_ms FROM begun_work WHERE ends > 0", [], |row| {
                        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
                    })
            })
            .await?;
        let standings = rows.into_iter().filter_map(|(kind, item, aside, until)| {
            let standing = match (aside, until) {
                (true, Some(until)) => Standing::Rests(millis(until)),
                (true, None) => Standing::SetAside,
                (false, _) => Standing::Suspect,
            };
            Some((Work::of(&kind, &item)?, standing))
        });
        let mut known = self.suspects().known();
        *known = standings.collect();
        count(&known);
        Ok(())
    }

    /// Whether an attempt at this work has to be committed before it begins.
    pub fn is_suspect(&self, work: &Work) -> bool {
        self.suspects().known().contains_key(work)
    }

    /// Suspect deliveries, oldest first.
    pub fn suspect_deliveries(&self) -> Vec<DeliveryId> {
        let known = self.suspects().known();
        let suspect = known.iter().filter_map(|(work, standing)| match work {
            Work::Delivery(id) if *standing == Standing::Suspect => Some(*id),
            _ => None,
        });
        let mut suspect: Vec<DeliveryId> = suspect.collect();
        suspect.sort_unstable();
        suspect
    }

    /// The people whose Home tab is suspect, and those whose Home tab is set aside.
    pub fn suspect_homes(&self) -> (HashSet<String>, HashSet<String>) {
        let known = self.suspects().known();
        let homes = |set_aside: bool| {
            let of_kind = known.iter().filter_map(|(work, standing)| match work {
                Work::Home(user) if (*standing == Standing::SetAside) == set_aside => {
                    Some(user.clone())
                }
                _ => None,
            });
            of_kind.collect()
        };
        (homes(false), homes(true))
    }

    /// The time until which this work must wait; `None` if it may begin.
    pub fn rests(&self, work: &Work, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self.suspects().known().get(work) {
            Some(Standing::Rests(until)) if *until > now => Some(*until),
            _ => None,
        }
    }

    /// Changes when work that was set aside is tried again.
    pub fn retried(&self) -> watch::Receiver<u64> {
        self.suspects().retried.subscribe()
    }

    /// Begins an attempt. For suspect and recurring work the attempt is committed when this returns. Suspect work runs
    /// alone: the next waits until this one is over, or for a moment.
    pub async fn begin(&self, work: &Work) -> Result<WorkAttempt, StoreError> {
        if !self.is_suspect(work) {
            if !work.comes_again() {
                return Ok(WorkAttempt::default());
            }
            let marked = work.clone();
            self.write(move |tx| begins(tx, &marked)).await?;
            return Ok(WorkAttempt {
                work: Some(work.clone()),
                _alone: None,
            });
        }
        let turn = Arc::clone(&self.suspects().turn).acquire_owned().await;
        let marked = work.clone();
        self.write(move |tx| begins(tx, &marked)).await?;
        let (alone, over) = oneshot::channel::<()>();
        tokio::spawn(async move {
            // Until the attempt is over, in any way, or for this long.
            let _ended = tokio::time::timeout(ALONE_FOR, over).await;
            drop(turn);
        });
        Ok(WorkAttempt {
            work: Some(work.clone()),
            _alone: Some(alone),
        })
    }

    /// Ends an attempt without an unclean end; `done` if nothing is left of the work.
    pub async fn is_over(&self, begun: WorkAttempt, done: bool, now: DateTime<Utc>) {
        let Some(work) = begun.work.clone() else {
            return;
        };
        let (over, operators) = (work.clone(), self.suspects().operators().clone());
        let recorded = self
            .write(move |tx| is_over(tx, &over, done, &operators, now))
            .await;
        match recorded {
            Ok(()) => {
                let mut known = self.suspects().known();
                if done && work.comes_again() {
                    // It stays suspect, and may begin at once.
                    if let Some(standing) = known.get_mut(&work) {
                        *standing = Standing::Suspect;
                    }
                } else if done {
                    known.remove(&work);
                }
                count(&known);
            }
            Err(trouble) => {
                // It stays marked as under way for too long: at worst it is set aside too early.
                tracing::warn!(%work, error = %trouble, "the end of work not recorded");
            }
        }
    }

    /// Releases set-aside work for another attempt and runs `and` in the same transaction. Returns the work's
    /// description; `None` if it is not set aside.
    pub async fn retry<F>(&self, work: &Work, and: F) -> Result<Option<String>, StoreError>
    where
        F: FnOnce(&Tx<'_>) -> rusqlite::Result<()> + Send + 'static,
    {
        let (store, again) = (Arc::downgrade(&self.inner), work.clone());
        let retried = self
            .write(move |tx| {
                let Some(about) = retry(tx, &again)? else {
                    return Ok(None);
                };
                and(tx)?;
                // Before the commit wakes a worker, so that it treats the next attempt as suspect.
                if let Some(inner) = store.upgrade() {
                    let mut known = inner.suspects.known();
                    known.insert(again, Standing::Suspect);
                    count(&known);
                }
                Ok(Some(about))
            })
            .await;
        match &retried {
            Ok(Some(_)) => self
                .suspects()
                .retried
                .send_modify(|times| *times = times.wrapping_add(1)),
            Ok(None) => {}
            Err(_) => self.know_suspects().await?,
        }
        retried
    }
}

fn count(known: &HashMap<Work, Standing>) {
    let set_aside = known
        .values()
        .filter(|standing| **standing != Standing::Suspect)
        .count();
    // Exact up to 2^53.
    metrics::gauge!("ivan_set_aside").set(set_aside as f64);
}
