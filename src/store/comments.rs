//! Comments: which were heard of, so that each is told once, and how far polls of them have come.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, params};

use super::tasks::{FOLLOWED, millis};
use crate::domain::operation::Container;
use crate::domain::task::{Source, TaskKey};

/// A comment is heard of; `false` if it was before, by whichever way.
pub fn hear(
    tx: &Connection,
    source: Source,
    comment: &str,
    now: DateTime<Utc>,
) -> rusqlite::Result<bool> {
    let heard = tx.execute(
        "INSERT INTO comments (source, comment_id, heard_ms) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        params![source.as_str(), comment, now.timestamp_millis()],
    )?;
    Ok(heard > 0)
}

/// A task was commented on at `at`, by the source's clock.
pub fn commented_on(tx: &Connection, key: &TaskKey, at: DateTime<Utc>) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE tasks SET commented_ms = max(ifnull(commented_ms, ?3), ?3) WHERE source = ?1 AND source_key = ?2",
        params![key.source().as_str(), key.as_str(), at.timestamp_millis()],
    )?;
    Ok(())
}

// ---------------------------------------------------------------- a whole container's

/// How far the polls of a container's comments have come, by the source's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Every change up to then was read.
    pub read: DateTime<Utc>,
    /// What was written before is no news: it was read, or was there before Ivan.
    pub news: DateTime<Utc>,
}

/// `None` while no poll has begun.
pub fn place(connection: &Connection, container: &Container) -> rusqlite::Result<Option<Place>> {
    let place: Option<(Option<i64>, Option<i64>)> = connection
        .query_row(
            "SELECT comments_ms, comments_news_ms FROM containers WHERE source = ?1 AND source_key = ?2",
            params![container.source.as_str(), container.id],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    Ok(match place {
        Some((Some(read), Some(news))) => Some(Place {
            read: millis(read),
            news: millis(news),
        }),
        _ => None,
    })
}

/// Polls have come this far; never back.
pub fn move_place(tx: &Connection, container: &Container, to: Place) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE containers SET comments_ms = max(ifnull(comments_ms, ?3), ?3),
             comments_news_ms = max(ifnull(comments_news_ms, ?4), ?4)
         WHERE source = ?1 AND source_key = ?2",
        params![
            container.source.as_str(),
            container.id,
            to.read.timestamp_millis(),
            to.news.timestamp_millis()
        ],
    )?;
    Ok(())
}

// ---------------------------------------------------------------- one task's

/// A walk that began at `begun` has met all tasks of a container. On those that are new here since the walk before, what
/// was written since `overlap` before that walk is news. After the first walk nothing is: they have been asked for.
pub fn follow(
    tx: &Connection,
    container: &Container,
    begun: DateTime<Utc>,
    overlap: chrono::Duration,
) -> rusqlite::Result<()> {
    let here = params![container.source.as_str(), container.id];
    let before: Option<i64> = tx.query_row(
        "SELECT comments_news_ms FROM containers WHERE source = ?1 AND source_key = ?2",
        here,
        |row| row.get(0),
    )?;
    let begun = begun.timestamp_millis();
    match before {
        None => tx.execute(
            "UPDATE tasks SET talk_news_ms = ?3, talk_asked_ms = ?3, talk_seen_ms = seen_ms
             WHERE source = ?1 AND container = ?2 AND talk_news_ms IS NULL",
            params![container.source.as_str(), container.id, begun],
        )?,
        Some(before) => tx.execute(
            "UPDATE tasks SET talk_news_ms = ?3 WHERE source = ?1 AND container = ?2 AND talk_news_ms IS NULL",
            params![
                container.source.as_str(),
                container.id,
                before - overlap.num_milliseconds()
            ],
        )?,
    };
    tx.execute(
        "UPDATE containers SET comments_news_ms = ?3 WHERE source = ?1 AND source_key = ?2",
        params![container.source.as_str(), container.id, begun],
    )?;
    Ok(())
}

/// Comments of containers that are not followed are not: what was written there until they are again is no news.
pub fn forget_unfollowed(tx: &Connection, source: Source) -> rusqlite::Result<()> {
    let left = tx.execute(
        "UPDATE containers SET comments_ms = NULL, comments_news_ms = NULL
         WHERE source = ?1 AND followed = 0 AND comments_news_ms IS NOT NULL",
        [source.as_str()],
    )?;
    if left > 0 {
        tx.execute(
            "UPDATE tasks SET talk_news_ms = NULL WHERE source = ?1 AND container IN
                 (SELECT source_key FROM containers WHERE source = ?1 AND followed = 0)",
            [source.as_str()],
        )?;
    }
    Ok(())
}

/// A task whose comments are to be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    pub key: TaskKey,
    /// What was written before is no news, by the source's clock.
    pub news: DateTime<Utc>,
    /// The source's clock for the task's last change, as it is known now.
    pub seen: DateTime<Utc>,
}

/// Tasks that somebody would be told about, not asked for since `round`: current ones first, then those that changed,
/// then whoever waited longest. Of finished ones those in which something happened since `lately`.
pub fn due(
    connection: &Connection,
    source: Source,
    round: DateTime<Utc>,
    lately: DateTime<Utc>,
    limit: usize,
) -> rusqlite::Result<Vec<Conversation>> {
    const PINNED: &str = "EXISTS (SELECT 1 FROM pins pin WHERE pin.task_id = tasks.id
         AND pin.id = (SELECT max(id) FROM pins WHERE person_id = pin.person_id))";
    connection
        .prepare_cached(&format!(
            "SELECT source_key, talk_news_ms, seen_ms, {PINNED} AS pinned FROM tasks
             WHERE source = ?1 AND {FOLLOWED} AND talk_news_ms IS NOT NULL AND talk_asked_ms < ?2
               AND (pinned OR status <> 'done' OR max(seen_ms, ifnull(commented_ms, 0)) >= ?3)
               AND (pinned
                    OR EXISTS (SELECT 1 FROM people WHERE present = 1 AND alone = 1)
                    OR EXISTS (SELECT 1 FROM json_each(tasks.assignees) assignee
                               JOIN people ON people.present = 1 AND people.clickup_id = assignee.value ->> '$.id')
                    OR EXISTS (SELECT 1 FROM operations made
                               WHERE made.source = tasks.source AND made.kind = 'create' AND made.trace = tasks.source_key))
             ORDER BY pinned DESC, seen_ms > talk_seen_ms DESC, talk_asked_ms, id LIMIT ?4"
        ))?
        .query_map(
            params![
                source.as_str(),
                round.timestamp_millis(),
                lately.timestamp_millis(),
                i64::try_from(limit).unwrap_or(i64::MAX)
            ],
            |row| {
                Ok(Conversation {
                    key: TaskKey::stored(source, row.get::<_, String>(0)?),
                    news: millis(row.get(1)?),
                    seen: millis(row.get(2)?),
                })
            },
        )?
        .collect()
}

/// The comments of a task were asked for at `now`; what was written before `news` has been read.
pub fn asked(
    tx: &Connection,
    conversation: &Conversation,
    news: DateTime<Utc>,
    now: DateTime<Utc>,
) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE tasks SET talk_news_ms = max(talk_news_ms, ?3), talk_asked_ms = ?4, talk_seen_ms = ?5
         WHERE source = ?1 AND source_key = ?2 AND talk_news_ms IS NOT NULL",
        params![
            conversation.key.source().as_str(),
            conversation.key.as_str(),
            news.timestamp_millis(),
            now.timestamp_millis(),
            conversation.seen.timestamp_millis()
        ],
    )?;
    Ok(())
}
