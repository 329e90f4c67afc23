//! Comments: the known ones, so that each is reported once, and the progress of the polls for them.

use super::db::Db;
use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, params};

use super::columns::millis;
use super::tasks::FOLLOWED;
use crate::domain::source::Container;
use crate::domain::task::{Source, TaskKey};

/// Records a comment; `false` if it was known already, from a webhook or a poll.
pub fn hear(tx: &Db, source: Source, comment: &str, now: DateTime<Utc>) -> rusqlite::Result<bool> {
    let heard = tx.execute(
        "INSERT INTO comments (source, comment_id, heard_ms) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        params![source.as_str(), comment, now.timestamp_millis()],
    )?;
    Ok(heard > 0)
}

/// Records that a task was commented on at `at`, by the source's clock.
pub fn commented_on(tx: &Db, key: &TaskKey, at: DateTime<Utc>) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE tasks SET commented_ms = max(ifnull(commented_ms, ?3), ?3) WHERE source = ?1 AND source_key = ?2",
        params![key.source().as_str(), key.as_str(), at.timestamp_millis()],
    )?;
    Ok(())
}

// ---------------------------------------------------------------- a container's comments

/// The progress of the comment polls of a container, by the source's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommentProgress {
    /// Every change up to this time was read.
    pub read: DateTime<Utc>,
    /// Older comments are no news: they were read, or are older than Ivan.
    pub news: DateTime<Utc>,
}

/// `None` until the first poll has begun.
pub fn place(connection: &Db, container: &Container) -> rusqlite::Result<Option<CommentProgress>> {
    let place: Option<(Option<i64>, Option<i64>)> = connection
        .query_row(
            "SELECT comments_ms, comments_news_ms FROM containers WHERE source = ?1 AND source_key = ?2",
            params![container.source.as_str(), container.id],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    Ok(match place {
        Some((Some(read), Some(news))) => Some(CommentProgress {
            read: millis(read),
            news: millis(news),
        }),
        _ => None,
    })
}

/// Moves the polls' progress forward, never back.
pub fn move_place(tx: &Db, container: &Container, to: CommentProgress) -> rusqlite::Result<()> {
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

// ---------------------------------------------------------------- one task's comments

/// Begins to follow the new tasks of a container after a full walk that began at `begun`. On a task that is new since
/// the walk before, comments since `overlap` before that walk are news. After the first walk no comment is news.
pub fn follow(
    tx: &Db,
    container: &Container,
    begun: DateTime<Utc>,
    overlap: chrono::Duration,
) -> rusqlite::Result<()> {
    let here = params![container.source.as_str(), container.id];
    let news_ms: Option<i64> = tx.query_row(
        "SELECT comments_news_ms FROM containers WHERE source = ?1 AND source_key = ?2",
        here,
        |row| row.get(0),
    )?;
    let begun = begun.timestamp_millis();
    match news_ms {
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

/// A task whose comments are to be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommentedTask {
    /// The key at its source.
    pub key: TaskKey,
    /// Older comments are no news, by the source's clock.
    pub news: DateTime<Utc>,
    /// The source's time of the task's last known change.
    pub seen: DateTime<Utc>,
}

/// Tasks with a person or an attached thread to notify that were not polled since `round`: current ones first, then changed ones, then the
/// longest unpolled. Finished tasks are included only if they changed since `lately`.
pub fn due(
    connection: &Db,
    source: Source,
    round: DateTime<Utc>,
    lately: DateTime<Utc>,
    limit: usize,
) -> rusqlite::Result<Vec<CommentedTask>> {
    const PINNED: &str = "EXISTS (SELECT 1 FROM pins pin WHERE pin.task_id = tasks.id
         AND pin.id = (SELECT max(id) FROM pins WHERE person_id = pin.person_id))";
    connection
        .query_map(&format!(
            "SELECT source_key, talk_news_ms, seen_ms, {PINNED} AS pinned FROM tasks
             WHERE source = ?1 AND {FOLLOWED} AND talk_news_ms IS NOT NULL AND talk_asked_ms < ?2
               AND (pinned OR status <> 'done' OR max(seen_ms, ifnull(commented_ms, 0)) >= ?3)
               AND (pinned
                    OR EXISTS (SELECT 1 FROM people WHERE present = 1 AND alone = 1)
                    OR EXISTS (SELECT 1 FROM json_each(tasks.assignees) assignee
                               JOIN linked_people linked ON linked.present = 1 AND linked.clickup_id = assignee.value ->> '$.id')
                    OR EXISTS (SELECT 1 FROM messages thread JOIN commands attach ON attach.id = thread.command_id
                               WHERE thread.about = tasks.id AND thread.thread IS NOT NULL AND attach.verb = 'attach')
                    OR EXISTS (SELECT 1 FROM operations made
                               WHERE made.source = tasks.source AND made.kind = 'create' AND made.trace = tasks.source_key))
             ORDER BY pinned DESC, seen_ms > talk_seen_ms DESC, talk_asked_ms, id LIMIT ?4"
        ), params![
                source.as_str(),
                round.timestamp_millis(),
                lately.timestamp_millis(),
                i64::try_from(limit).unwrap_or(i64::MAX)
            ],
            |row| {
                Ok(CommentedTask {
                    key: TaskKey::stored(source, row.get::<_, String>(0)?),
                    news: millis(row.get(1)?),
                    seen: millis(row.get(2)?),
                })
            })
}

/// Records that the comments of a task were fetched at `now`; those older than `news` have been read.
pub fn asked(
    tx: &Db,
    conversation: &CommentedTask,
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

#[cfg(test)]
mod tests {
    use super::super::tasks;
    use super::*;

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_767_225_600 + minutes * 60, 0).unwrap()
    }

    fn list(source: Source) -> Container {
        Container {
            source,
            id: "901".into(),
            name: "Inbox".into(),
            configured: "901".into(),
            archived: false,
        }
    }

    /// A list with tasks of these ids: assigned to Bo, pinned by Ana, made by her through Ivan, and unassigned.
    fn inbox() -> Db {
        let connection = Db::in_memory();
        tasks::keep_container(&connection, &list(Source::ClickUp)).unwrap();
        connection
            .execute_batch(
                "INSERT INTO people (id, name, clickup_id) VALUES (101, 'Ana', '4242'), (102, 'Bo', '4243');
                 INSERT INTO tasks (source, source_key, task_id, container, title, assignees, created_ms, seen_ms, read_us)
                 VALUES ('clickup', 'bos', 'clickup:bos', '901', 'T', '[{\"id\":\"4243\",\"name\":\"Bo\"}]', 0, 0, 0),
                        ('clickup', 'pinned', 'clickup:pinned', '901', 'T', '[]', 0, 0, 0),
                        ('clickup', 'made', 'clickup:made', '901', 'T', '[]', 0, 0, 0),
                        ('clickup', 'strange', 'clickup:strange', '901', 'T', '[{\"id\":\"1\",\"name\":\"X\"}]', 0, 0, 0);
                 INSERT INTO pins (person_id, task_id, pinned_us) SELECT 101, id, 0 FROM tasks WHERE source_key = 'pinned';
                 INSERT INTO commands (id, person_id, surface, verb, typed_us, created_ms) VALUES (1, 101, 'api', 'create', 0, 0);
                 INSERT INTO operations (id, command_id, lane, source, kind, write, trace, created_ms)
                 VALUES ('a', 1, 'x', 'clickup', 'create', '{}', 'made', 0);",
            )
            .unwrap();
        connection
    }

    fn asked_for(connection: &Db, round: i64) -> Vec<String> {
        let due = due(connection, Source::ClickUp, at(round), at(0), 10).unwrap();
        due.iter().map(|one| one.key.as_str().to_owned()).collect()
    }

    #[test]
    fn asked_for_are_tasks_that_somebody_would_be_told_about() {
        let store = inbox();
        let overlap = chrono::Duration::minutes(5);
        assert_eq!(
            asked_for(&store, 0),
            Vec::<String>::new(),
            "not followed yet"
        );
        follow(&store, &list(Source::ClickUp), at(0), overlap).unwrap();
        assert_eq!(
            asked_for(&store, 0),
            Vec::<String>::new(),
            "nothing is news yet"
        );
        assert_eq!(asked_for(&store, 1), ["pinned", "bos", "made"]);
        let change = |sql| store.execute_batch(sql).unwrap();
        // A changed task goes before a waiting one, and after a current one.
        change("UPDATE tasks SET seen_ms = 1 WHERE source_key = 'made'");
        assert_eq!(asked_for(&store, 1), ["pinned", "made", "bos"]);
        let due = due(&store, Source::ClickUp, at(1), at(0), 10).unwrap();
        asked(&store, &due[1], at(0), at(1)).unwrap();
        assert_eq!(asked_for(&store, 1), ["pinned", "bos"]);
        assert_eq!(asked_for(&store, 2), ["pinned", "bos", "made"]);
        // Finished long ago: only the current task is left.
        change("UPDATE tasks SET status = 'done'");
        assert_eq!(asked_for(&store, 2), ["pinned"]);
        commented_on(&store, &TaskKey::clickup("bos"), at(1)).unwrap();
        assert_eq!(asked_for(&store, 2), ["pinned", "bos"]);
    }

    #[test]
    fn a_task_that_is_new_here_has_news_since_the_walk_before() {
        let store = inbox();
        let overlap = chrono::Duration::minutes(5);
        follow(&store, &list(Source::ClickUp), at(0), overlap).unwrap();
        let add = "INSERT INTO tasks (source, source_key, task_id, container, title, assignees, created_ms, seen_ms, read_us)
             VALUES ('clickup', 'new', 'clickup:new', '901', 'T', '[{\"id\":\"4243\",\"name\":\"Bo\"}]', 0, 9, 0)";
        store.execute_batch(add).unwrap();
        follow(&store, &list(Source::ClickUp), at(60), overlap).unwrap();
        let due = due(&store, Source::ClickUp, at(60), at(0), 10).unwrap();
        let news: Vec<_> = due.iter().map(|one| (one.key.as_str(), one.news)).collect();
        assert_eq!(
            news,
            [
                ("pinned", at(0)),
                ("new", at(-5)),
                ("bos", at(0)),
                ("made", at(0))
            ]
        );
    }

    #[test]
    fn what_was_written_where_nobody_looked_is_no_news() {
        let store = inbox();
        let (clickup, github) = (list(Source::ClickUp), list(Source::GitHub));
        tasks::keep_container(&store, &github).unwrap();
        follow(&store, &clickup, at(0), chrono::Duration::zero()).unwrap();
        let to = CommentProgress {
            read: at(1),
            news: at(0),
        };
        move_place(&store, &github, to).unwrap();
        assert_eq!(place(&store, &github), Ok(Some(to)));
        for configured in [vec![], vec!["901".to_owned()]] {
            tasks::follow_only(&store, Source::ClickUp, &configured).unwrap();
            tasks::follow_only(&store, Source::GitHub, &configured).unwrap();
        }
        assert_eq!(place(&store, &github), Ok(None));
        follow(&store, &clickup, at(60), chrono::Duration::zero()).unwrap();
        assert_eq!(asked_for(&store, 60), Vec::<String>::new());
        let due = due(&store, Source::ClickUp, at(61), at(0), 1).unwrap();
        assert_eq!(due[0].news, at(60));
    }
}
