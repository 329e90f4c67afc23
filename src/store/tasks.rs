//! The mirror: containers and tasks in their last known state at the sources.

use std::collections::BTreeSet;

use super::db::Db;
use chrono::{DateTime, NaiveDate, Utc};
use rusqlite::{OptionalExtension, Row, params};

pub use super::columns::json;
use super::columns::{corrupt, from_json, millis};
use super::{links, tombstones};
use crate::domain::ids::TaskRow;
use crate::domain::source::Container;
use crate::domain::task::{
    Children, DueDate, Priority, RepoName, Source, Task, TaskId, TaskKey, TaskStatus,
};

/// A task with the number of its row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTask {
    /// The number of the row.
    pub row: TaskRow,
    /// The last known state.
    pub task: Task,
    /// Deleted at its source.
    pub gone: bool,
    /// In a container that is not followed, or not visible to us.
    pub away: bool,
}

/// The filter of a listing by status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusFilter {
    /// Every task that is not done.
    Open,
    /// Tasks in this status.
    Is(TaskStatus),
    /// Tasks in every status.
    All,
}

/// A page of a listing, in the order of the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskListing {
    /// Open, one status, or all.
    pub status: StatusFilter,
    /// Empty: every source.
    pub sources: BTreeSet<Source>,
    /// In lower case.
    pub entities: BTreeSet<String>,
    /// Due before this time; all-day tasks, before this day.
    pub due_before: Option<(DateTime<Utc>, NaiveDate)>,
    /// Only these rows.
    pub rows: Option<BTreeSet<TaskRow>>,
    /// Rows after this one.
    pub after: Option<TaskRow>,
    /// The largest number of tasks.
    pub limit: usize,
}

pub(super) const COLUMNS: &str = "tasks.id, source, source_key, task_id, container, title, description, url, status, source_status, \
     assignees, labels, entity, priority, due_ms, created_ms, seen_ms, closed, reopened, gone, away, custom_id, commented_ms, \
     creator, links, due_day, home, milestone, parent, children, task_type";

/// Tasks of containers that are no longer followed, or archived, are not open here.
pub(super) const FOLLOWED: &str = "gone = 0 AND away = 0 AND EXISTS (SELECT 1 FROM containers c
     WHERE c.source = tasks.source AND c.source_key = tasks.container AND c.followed = 1 AND c.archived = 0)";

/// Stores a source's report about a task, unless the stored one is newer by the source's own clock (P4).
///
/// `read_at` is the time of the request, by our clock: among equal times of the source, the later request wins. A task
/// stays gone or away for reports that were requested before. `before` is the stored task. Returns the task as it is
/// stored now, and whether anything changed.
pub fn keep(
    tx: &Db,
    task: &Task,
    read_at: DateTime<Utc>,
    before: Option<&StoredTask>,
) -> rusqlite::Result<(StoredTask, bool)> {
    for account in &task.assignees {
        links::seen(tx, task.key.source(), account)?;
    }
    let read_us = read_at.timestamp_micros();
    let buried = match before {
        None => tombstones::take(tx, &task.key)?,
        Some(_) => None,
    };
    let buried = buried.filter(|known| known.known_us > read_us);
    let (gone, away) = match buried {
        Some(known) => (known.gone, !known.gone),
        None => (false, false),
    };
    let children = children(tx, task, before)?;
    let stored = tx
        .query_row(&format!("INSERT INTO tasks (source, source_key, task_id, container, title, description, url, status, source_status,
                            assignees, labels, entity, priority, due_ms, created_ms, seen_ms, read_us, closed, reopened, custom_id,
                            creator, links, due_day, home, gone, away, milestone, parent, children, task_type)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24,
                 ?25, ?26, ?27, ?28, ?29, ?30)
         ON CONFLICT (source, source_key) DO UPDATE SET
             task_id = excluded.task_id, container = excluded.container, title = excluded.title,
             description = excluded.description, url = excluded.url, status = excluded.status,
             source_status = excluded.source_status, assignees = excluded.assignees, labels = excluded.labels,
             entity = excluded.entity, priority = excluded.priority, due_ms = excluded.due_ms,
             created_ms = excluded.created_ms, seen_ms = excluded.seen_ms, read_us = excluded.read_us,
             closed = excluded.closed, reopened = excluded.reopened, custom_id = excluded.custom_id,
             creator = excluded.creator, links = excluded.links, due_day = excluded.due_day, home = excluded.home,
             milestone = excluded.milestone, parent = excluded.parent, children = excluded.children,
             task_type = excluded.task_type,
             gone = 0, away = 0, missed = 0, successor = NULL
         WHERE (excluded.seen_ms, excluded.read_us) >= (tasks.seen_ms, tasks.read_us)
             AND ((tasks.gone = 0 AND tasks.away = 0) OR excluded.read_us >= tasks.read_us)
         RETURNING {COLUMNS}"),
        params![
            task.key.source().as_str(),
            task.key.as_str(),
            task.id.to_string(),
            task.container,
            task.title,
            task.description,
            task.url,
            task.status.as_str(),
            task.source_status,
            json(&task.assignees)?,
            json(&task.labels)?,
            task.entity,
            task.priority.map(Priority::as_str),
            task.due.map(|due| due.at.timestamp_millis()),
            task.created_at.timestamp_millis(),
            task.updated_at.timestamp_millis(),
            buried.map_or(read_us, |known| known.known_us),
            task.closed.as_ref().map(json).transpose()?,
            task.reopened,
            task.custom_id,
            task.creator.as_ref().map(json).transpose()?,
            json(&task.links)?,
            task.due
                .and_then(|due| due.day)
                .map(|day| day.to_string()),
            task.home.as_deref().unwrap_or_default(),
            gone,
            away,
            task.milestone,
            task.parent.as_ref().map(TaskKey::as_str),
            children.as_ref().map(json).transpose()?,
            task.task_type,
        ], stored)
        .optional()?;
    let (after, changed) = match (stored, before) {
        (Some(stored), _) => (stored, true),
        (None, Some(before)) => (before.clone(), false),
        // Only a stored task can be newer.
        (None, None) => return Err(rusqlite::Error::QueryReturnedNoRows),
    };
    let differs = before.is_none_or(|before| {
        // The reports do not contain the time of the last comment.
        let commented_at = before.task.commented_at;
        let task = Task {
            commented_at,
            children,
            ..task.clone()
        };
        before.gone || before.task != task
    });
    Ok((after, changed && differs && buried.is_none()))
}

/// The number of a reported task's parts, as it is stored. That of a stored task follows its parts, so it is counted again
/// only if the report says otherwise.
pub fn children(
    connection: &Db,
    task: &Task,
    before: Option<&StoredTask>,
) -> rusqlite::Result<Option<Children>> {
    let reported = task.children.unwrap_or(NO_CHILDREN);
    match before.map(|before| before.task.children) {
        Some(known)
            if !task.key.source().profile().reports_children
                || task.children.is_none()
                || known.unwrap_or(NO_CHILDREN) == reported =>
        {
            Ok(known)
        }
        _ => count_children(connection, &task.key, task.children),
    }
}

const NO_CHILDREN: Children = Children { open: 0, all: 0 };

/// Counts the parts of a task. Those in the mirror count, because a part changes without its parent; but if the source
/// reports more of them, some are not mirrored, and its own count is better.
fn count_children(
    connection: &Db,
    key: &TaskKey,
    reported: Option<Children>,
) -> rusqlite::Result<Option<Children>> {
    let known = connection.query_row(
        "SELECT count(*) FILTER (WHERE status <> 'done'), count(*) FROM tasks
         WHERE source = ?1 AND parent = ?2 AND gone = 0 AND away = 0",
        params![key.source().as_str(), key.as_str()],
        |row| {
            let count = |column: usize| {
                row.get(column)
                    .map(|n: i64| usize::try_from(n).unwrap_or(0))
            };
            Ok(Children {
                open: count(0)?,
                all: count(1)?,
            })
        },
    )?;
    let reported = reported.filter(|_| key.source().profile().reports_children);
    let best = reported
        .filter(|reported| reported.all > known.all)
        .unwrap_or(known);
    Ok((best.all > 0).then_some(best))
}

/// Counts the parts of a task again, after one of them was stored, or `left`. Returns the task if their number changed.
pub fn recount(tx: &Db, key: &TaskKey, left: bool) -> rusqlite::Result<Option<StoredTask>> {
    let Some(mut stored) = by_key(tx, key)? else {
        return Ok(None);
    };
    let counted = count_children(tx, key, None)?;
    let with_it = counted.map_or(0, |counted| counted.all) + 1;
    let now = match stored.task.children {
        // The part that left was counted here: the stored number is no report of more parts than are mirrored.
        Some(known) if left && known.all == with_it => counted,
        known => count_children(tx, key, known)?,
    };
    if now == stored.task.children {
        return Ok(None);
    }
    tx.execute(
        "UPDATE tasks SET children = ?2 WHERE id = ?1",
        params![stored.row, now.as_ref().map(json).transpose()?],
    )?;
    stored.task.children = now;
    Ok(Some(stored))
}

/// The same for a test that does not hold the stored task.
#[cfg(test)]
pub fn keep_anew(
    tx: &Db,
    task: &Task,
    read_at: DateTime<Utc>,
) -> rusqlite::Result<(TaskRow, bool)> {
    let before = by_key(tx, &task.key)?;
    let (stored, changed) = keep(tx, task, read_at, before.as_ref())?;
    Ok((stored.row, changed))
}

/// Marks a task as deleted, as its source reported at `known_at` (our clock). Reports that were requested earlier do
/// not revive it. A task that is not mirrored leaves a tombstone.
pub fn mark_gone(tx: &Db, key: &TaskKey, known_at: DateTime<Utc>) -> rusqlite::Result<()> {
    let marked = tx.execute(
        "UPDATE tasks SET gone = 1, read_us = max(read_us, ?3) WHERE source = ?1 AND source_key = ?2",
        params![key.source().as_str(), key.as_str(), known_at.timestamp_micros()],
    )?;
    match marked {
        0 => tombstones::bury(tx, key, true, known_at),
        _ => Ok(()),
    }
}

/// Marks a task as moved to a container that is not followed or not visible: it is not open here.
pub fn mark_away(tx: &Db, key: &TaskKey, known_at: DateTime<Utc>) -> rusqlite::Result<()> {
    let marked = tx.execute(
        "UPDATE tasks SET away = 1, read_us = max(read_us, ?3) WHERE source = ?1 AND source_key = ?2",
        params![key.source().as_str(), key.as_str(), known_at.timestamp_micros()],
    )?;
    match marked {
        0 => tombstones::bury(tx, key, false, known_at),
        _ => Ok(()),
    }
}

/// Replaces `old` by `new` everywhere: as current task, in lists, in messages, in snoozes. Reports about `old` then
/// apply to `new`.
pub fn succeed(tx: &Db, old: TaskRow, new: TaskRow) -> rusqlite::Result<()> {
    tx.execute("UPDATE tasks SET successor = NULL WHERE id = ?1", [new])?;
    for sql in [
        "UPDATE tasks SET successor = ?2 WHERE (id = ?1 OR successor = ?1) AND id <> ?2",
        "UPDATE OR REPLACE snoozes SET task_id = ?2 WHERE task_id = ?1",
        "UPDATE pins SET task_id = ?2 WHERE task_id = ?1",
        "UPDATE list_items SET task_id = ?2 WHERE task_id = ?1",
        "UPDATE messages SET about = ?2 WHERE about = ?1",
        "UPDATE log SET task_id = ?2 WHERE task_id = ?1",
        "UPDATE held SET task_id = ?2 WHERE task_id = ?1",
        "UPDATE OR REPLACE mentions SET task_id = ?2 WHERE task_id = ?1",
    ] {
        tx.execute(sql, params![old, new])?;
    }
    Ok(())
}

/// Records that a full walk found this task.
pub fn met(tx: &Db, key: &TaskKey, walk: DateTime<Utc>) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE tasks SET walk_us = ?3, missed = 0 WHERE source = ?1 AND source_key = ?2",
        params![key.source().as_str(), key.as_str(), walk.timestamp_micros()],
    )?;
    Ok(())
}

/// Tasks of a container that its complete full walk did not find.
#[derive(Debug, PartialEq, Eq)]
pub struct Unmet {
    /// Their number.
    pub count: usize,
    /// The first of them, each with the number of full walks that missed it.
    pub first: Vec<(TaskKey, i64)>,
}

/// Counts a missed walk for each task of a container that its complete full walk did not find, and returns at most so
/// many of them.
pub fn unmet(
    tx: &Db,
    container: &Container,
    walk: DateTime<Utc>,
    at_most: usize,
) -> rusqlite::Result<Unmet> {
    let (source, walk) = (container.source.as_str(), walk.timestamp_micros());
    let count = tx.execute(
        "UPDATE tasks SET missed = missed + 1
         WHERE source = ?1 AND container = ?2 AND walk_us < ?3 AND gone = 0 AND away = 0",
        params![source, container.id, walk],
    )?;
    let first = match count {
        0 => Vec::new(),
        _ => tx.query_map(
            "SELECT source_key, missed FROM tasks
             WHERE source = ?1 AND container = ?2 AND walk_us < ?3 AND gone = 0 AND away = 0 LIMIT ?4",
            params![
                source,
                container.id,
                walk,
                i64::try_from(at_most).unwrap_or(i64::MAX)
            ],
            |row| {
                let key = TaskKey::stored(container.source, row.get::<_, String>(0)?);
                Ok((key, row.get(1)?))
            },
        )?,
    };
    Ok(Unmet { count, first })
}

/// Renames a repository; the ids that people see follow.
pub fn rename_repository(tx: &Db, container: &str, name: &RepoName) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE containers SET name = ?2 WHERE source = 'github' AND source_key = ?1",
        params![container, name.to_string()],
    )?;
    tx.execute(
        "UPDATE tasks SET task_id = 'github:' || ?2 || '#' || substr(source_key, instr(source_key, ':') + 1)
         WHERE source = 'github' AND container = ?1",
        params![container, name.to_string()],
    )?;
    Ok(())
}

/// Finds a task by its key; also one that was deleted or moved away.
pub fn by_key(connection: &Db, key: &TaskKey) -> rusqlite::Result<Option<StoredTask>> {
    connection
        .query_row(
            &format!("SELECT {COLUMNS} FROM tasks WHERE source = ?1 AND source_key = ?2"),
            params![key.source().as_str(), key.as_str()],
            stored,
        )
        .optional()
}

/// The key of the only ClickUp task with this custom id, if the mirror has it.
pub fn called(connection: &Db, custom_id: &str) -> rusqlite::Result<Option<TaskKey>> {
    let mut keys: Vec<String> = connection.query_map(
        "SELECT source_key FROM tasks
             WHERE source = 'clickup' AND custom_id = ?1 COLLATE NOCASE AND gone = 0 LIMIT 2",
        [custom_id],
        |row| row.get(0),
    )?;
    // Two tasks can share it for a while after ids were reassigned. Then only ClickUp can decide.
    Ok(keys.pop().filter(|_| keys.is_empty()).map(TaskKey::clickup))
}

/// Finds a task by its row; also one that was deleted or moved away.
pub fn by_row(connection: &Db, row: TaskRow) -> rusqlite::Result<Option<StoredTask>> {
    connection
        .query_row(
            &format!("SELECT {COLUMNS} FROM tasks WHERE id = ?1"),
            [row],
            stored,
        )
        .optional()
}

/// Finds a task by the id that people see.
pub fn by_shown_id(connection: &Db, id: &TaskId) -> rusqlite::Result<Option<StoredTask>> {
    connection
        .query_row(
            &format!("SELECT {COLUMNS} FROM tasks WHERE task_id = ?1 ORDER BY gone, id DESC"),
            [id.to_string()],
            stored,
        )
        .optional()
}

/// Every task that is not done, in followed containers.
pub fn open(connection: &Db) -> rusqlite::Result<Vec<StoredTask>> {
    connection
        .query_map(&format!(
            "SELECT {COLUMNS} FROM tasks INDEXED BY tasks_to_do WHERE status <> 'done' AND {FOLLOWED} ORDER BY id"
        ), [], stored)
}

/// The tasks in these rows, in their order.
pub(super) fn by_rows(
    connection: &Db,
    rows: BTreeSet<TaskRow>,
) -> rusqlite::Result<Vec<StoredTask>> {
    connection.query_map(
        &format!(
            "SELECT {COLUMNS} FROM tasks WHERE id IN (SELECT value FROM json_each(?1)) ORDER BY id"
        ),
        [json(&rows.iter().map(|row| row.0).collect::<Vec<_>>())?],
        stored,
    )
}

/// The columns that a queue needs, in the places of [`COLUMNS`].
const LIGHT: &str = "tasks.id, source, source_key, task_id, '', '', '', '', status, '', assignees, labels, entity, priority, \
     due_ms, created_ms, seen_ms, NULL, 0, gone, away, NULL, commented_ms, NULL, links, due_day, '', milestone, NULL, NULL, task_type";

/// Passes every open task, with only what a queue needs, one by one.
pub(super) fn each_open_light(
    connection: &Db,
    mut pass: impl FnMut(TaskRow, Task),
) -> rusqlite::Result<()> {
    let sql = format!(
        "SELECT {LIGHT} FROM tasks INDEXED BY tasks_to_do WHERE status <> 'done' AND {FOLLOWED}"
    );
    connection.query(&sql, [], |rows| {
        while let Some(row) = rows.next()? {
            let open = stored(row)?;
            pass(open.row, open.task);
        }
        Ok(())
    })
}

/// Whether more tasks than `most` are open.
pub(super) fn more_are_open_than(connection: &Db, most: usize) -> rusqlite::Result<bool> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    connection.query_row(
        &format!(
            "SELECT count(*) > ?1 FROM (SELECT 1 FROM tasks INDEXED BY tasks_to_do
                                        WHERE status <> 'done' AND {FOLLOWED} LIMIT ?1 + 1)"
        ),
        [most],
        |row| row.get(0),
    )
}

/// The same for one task; `None` if it is not open.
pub(super) fn open_one(connection: &Db, row: TaskRow) -> rusqlite::Result<Option<Task>> {
    connection
        .query_row(
            &format!("SELECT {LIGHT} FROM tasks WHERE id = ?1 AND status <> 'done' AND {FOLLOWED}"),
            [row],
            |row| stored(row).map(|stored| stored.task),
        )
        .optional()
}

/// A page of tasks; those that were deleted or moved away are left out.
pub fn listed(connection: &Db, wanted: &TaskListing) -> rusqlite::Result<Vec<StoredTask>> {
    let (open, status) = match wanted.status {
        StatusFilter::Open => (true, None),
        StatusFilter::Is(status) => (false, Some(status.as_str())),
        StatusFilter::All => (false, None),
    };
    connection.query_map(
        &format!(
            "SELECT {COLUMNS} FROM tasks
             WHERE {FOLLOWED} AND id > ifnull(?1, 0)
               AND (?2 = 0 OR status <> 'done') AND (?3 IS NULL OR status = ?3)
               AND (?4 IS NULL OR source IN (SELECT value FROM json_each(?4)))
               AND (?6 IS NULL OR lower(entity) IN (SELECT value FROM json_each(?6)))
               AND (?7 IS NULL OR iif(due_day IS NULL, due_ms < ?7, due_day < ?9))
               AND (?8 IS NULL OR id IN (SELECT value FROM json_each(?8)))
             ORDER BY id LIMIT ?5"
        ),
        params![
            wanted.after,
            open,
            status,
            some(&wanted.sources).map(json).transpose()?,
            i64::try_from(wanted.limit).unwrap_or(i64::MAX),
            some(&wanted.entities).map(json).transpose()?,
            wanted
                .due_before
                .map(|(before, _)| before.timestamp_millis()),
            wanted.rows.as_ref().map(json).transpose()?,
            wanted.due_before.map(|(_, day)| day.to_string()),
        ],
        stored,
    )
}

/// A set to filter by; an empty one filters nothing.
fn some<T>(set: &BTreeSet<T>) -> Option<&BTreeSet<T>> {
    Some(set).filter(|set| !set.is_empty())
}

/// The clients that tasks are for, by their names at the sources.
pub fn entities(connection: &Db) -> rusqlite::Result<Vec<String>> {
    connection
        .query_map(&format!(
            "SELECT DISTINCT entity FROM tasks WHERE entity IS NOT NULL AND {FOLLOWED} ORDER BY lower(entity), entity"
        ), [], |row| row.get(0))
}

/// The number of open tasks of a source.
pub fn count_open(connection: &Db, source: Source) -> rusqlite::Result<i64> {
    connection.query_row(
        &format!(
            "SELECT count(*) FROM tasks WHERE status <> 'done' AND source = ?1 AND {FOLLOWED}"
        ),
        [source.as_str()],
        |row| row.get(0),
    )
}

/// The times at which open followed tasks were created, of so many at most.
pub fn open_since(connection: &Db, at_most: i64) -> rusqlite::Result<Vec<DateTime<Utc>>> {
    connection.query_map(
        &format!("SELECT created_ms FROM tasks WHERE status <> 'done' AND {FOLLOWED} LIMIT ?1"),
        [at_most],
        |row| Ok(millis(row.get(0)?)),
    )
}

/// Stores a container under its stable id; its name follows the source. Whether it was archived or restored since.
pub fn keep_container(tx: &Db, container: &Container) -> rusqlite::Result<bool> {
    let key = params![container.source.as_str(), container.id];
    let before: Option<bool> = tx
        .query_row(
            "SELECT archived FROM containers WHERE source = ?1 AND source_key = ?2",
            key,
            |row| row.get(0),
        )
        .optional()?;
    tx.execute(
        "INSERT INTO containers (source, source_key, name, configured, archived) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (source, source_key) DO UPDATE SET
             name = excluded.name, configured = excluded.configured, archived = excluded.archived, followed = 1",
        params![
            container.source.as_str(),
            container.id,
            container.name,
            container.configured,
            container.archived,
        ],
    )?;
    Ok(before.is_some_and(|before| before != container.archived))
}

/// The names of a source's lists or repositories that are followed and archived.
pub fn archived(connection: &Db, source: Source) -> rusqlite::Result<Vec<String>> {
    connection
        .query_map("SELECT name FROM containers WHERE source = ?1 AND followed = 1 AND archived = 1 ORDER BY id", [source.as_str()], |row| row.get(0))
}

/// The ids of tasks that also stand in a list that is not their home.
pub fn guests(connection: &Db, source: Source) -> rusqlite::Result<Vec<String>> {
    connection.query_map(
        "SELECT source_key FROM tasks WHERE source = ?1 AND home <> '' AND gone = 0 AND away = 0",
        [source.as_str()],
        |row| row.get(0),
    )
}

/// Every list and repository that was ever followed, as last seen.
pub fn containers(connection: &Db) -> rusqlite::Result<Vec<Container>> {
    connection.query_map(
        "SELECT source, source_key, name, configured, archived FROM containers ORDER BY id",
        [],
        |row| {
            Ok(Container {
                source: Source::parse(&row.get::<_, String>(0)?).ok_or_else(|| corrupt(0))?,
                id: row.get(1)?,
                name: row.get(2)?,
                configured: row.get(3)?,
                archived: row.get(4)?,
            })
        },
    )
}

/// Stops following containers that are no longer in `bot.toml`.
pub fn follow_only(tx: &Db, source: Source, configured: &[String]) -> rusqlite::Result<()> {
    let configured = json(&configured)?;
    tx.execute(
        "UPDATE containers SET followed = EXISTS (SELECT 1 FROM json_each(?2) WHERE lower(value) = lower(configured))
         WHERE source = ?1",
        params![source.as_str(), configured],
    )?;
    forget_unfollowed(tx, source)
}

/// Stops following the comments of unfollowed containers. Those written until they are followed again are no news.
fn forget_unfollowed(tx: &Db, source: Source) -> rusqlite::Result<()> {
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

/// Records the end of a complete walk through a container; `cursor` is the newest change it saw, by the source's clock.
pub fn walked(
    tx: &Db,
    container: &Container,
    cursor: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE containers SET synced_at = ?3, cursor_ms = max(ifnull(cursor_ms, 0), ifnull(?4, 0))
         WHERE source = ?1 AND source_key = ?2",
        params![
            container.source.as_str(),
            container.id,
            now.timestamp_millis(),
            cursor.map(|at| at.timestamp_millis()),
        ],
    )?;
    Ok(())
}

/// Records that a full walk is complete.
pub fn walked_full(tx: &Db, container: &Container, now: DateTime<Utc>) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE containers SET walked_full_ms = ?3 WHERE source = ?1 AND source_key = ?2",
        params![
            container.source.as_str(),
            container.id,
            now.timestamp_millis()
        ],
    )?;
    Ok(())
}

/// The end of the oldest last full walk through a source's containers; `None` while one never had any.
pub fn walked_full_at(connection: &Db, source: Source) -> rusqlite::Result<Option<DateTime<Utc>>> {
    let (never, oldest): (i64, Option<i64>) = connection.query_row(
        "SELECT count(*) - count(walked_full_ms), min(walked_full_ms) FROM containers WHERE source = ?1 AND followed = 1",
        [source.as_str()],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    Ok(oldest.filter(|_| never == 0).map(millis))
}

/// The point where the next walk through a container can begin.
pub fn cursor(connection: &Db, container: &Container) -> rusqlite::Result<Option<DateTime<Utc>>> {
    let ms: Option<Option<i64>> = connection
        .query_row(
            "SELECT cursor_ms FROM containers WHERE source = ?1 AND source_key = ?2 AND synced_at IS NOT NULL",
            params![container.source.as_str(), container.id],
            |row| row.get(0),
        )
        .optional()?;
    Ok(ms.flatten().filter(|&ms| ms > 0).map(millis))
}

/// The end of the oldest last walk through a source's containers; `None` while one was never walked.
pub fn synced_at(connection: &Db, source: Source) -> rusqlite::Result<Option<DateTime<Utc>>> {
    let (walked, never, oldest): (i64, i64, Option<i64>) = connection.query_row(
        "SELECT count(synced_at), count(*) - count(synced_at), min(synced_at)
         FROM containers WHERE source = ?1 AND followed = 1",
        [source.as_str()],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    Ok(oldest.filter(|_| walked > 0 && never == 0).map(millis))
}

/// The number of tasks of a source in the mirror, counted up to a limit.
pub fn count_up_to(connection: &Db, source: Source, limit: usize) -> rusqlite::Result<usize> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    connection.query_row(
        "SELECT count(*) FROM (SELECT 1 FROM tasks WHERE source = ?1 LIMIT ?2)",
        params![source.as_str(), limit],
        |row| {
            row.get::<_, i64>(0)
                .map(|found| usize::try_from(found).unwrap_or_default())
        },
    )
}

/// The repository with this name: its current one, or the one in `bot.toml`.
pub fn repository(connection: &Db, name: &RepoName) -> rusqlite::Result<Option<u64>> {
    let name = name.to_string();
    connection.remembered("repository", name.clone(), || {
        let key: Option<String> = connection
            .query_row(
                "SELECT source_key FROM containers
                 WHERE source = 'github' AND followed = 1 AND (lower(name) = lower(?1) OR lower(configured) = lower(?1))
                 ORDER BY lower(name) = lower(?1) DESC LIMIT 1",
                [name],
                |row| row.get(0),
            )
            .optional()?;
        Ok(key.and_then(|key| key.parse().ok()))
    })
}

/// Whether a container is archived at its source.
pub fn is_archived(connection: &Db, source: Source, key: &str) -> rusqlite::Result<bool> {
    connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM containers
                        WHERE source = ?1 AND (source_key = ?2 OR configured = ?2) AND archived = 1)",
        params![source.as_str(), key],
        |row| row.get(0),
    )
}

/// The name of a container, for messages.
pub fn container_name(
    connection: &Db,
    source: Source,
    key: &str,
) -> rusqlite::Result<Option<String>> {
    connection.remembered("container_name", format!("{source} {key}"), || {
        connection
            .query_row(
                "SELECT name FROM containers WHERE source = ?1 AND (source_key = ?2 OR configured = ?2)",
                params![source.as_str(), key],
                |row| row.get(0),
            )
            .optional()
    })
}

pub(super) fn stored(row: &Row<'_>) -> rusqlite::Result<StoredTask> {
    let source = Source::parse(&row.get::<_, String>(1)?).ok_or_else(|| corrupt(1))?;
    Ok(StoredTask {
        row: row.get(0)?,
        gone: row.get(19)?,
        away: row.get(20)?,
        task: Task {
            key: TaskKey::stored(source, row.get::<_, String>(2)?),
            id: TaskId::parse(&row.get::<_, String>(3)?).map_err(|_| corrupt(3))?,
            container: row.get(4)?,
            title: row.get(5)?,
            description: row.get(6)?,
            url: row.get(7)?,
            status: TaskStatus::parse(&row.get::<_, String>(8)?).ok_or_else(|| corrupt(8))?,
            source_status: row.get(9)?,
            assignees: from_json(row, 10)?,
            labels: from_json(row, 11)?,
            entity: row.get(12)?,
            priority: row
                .get::<_, Option<String>>(13)?
                .and_then(|word| Priority::parse(&word)),
            due: match row.get::<_, Option<i64>>(14)?.map(millis) {
                Some(at) => Some(DueDate {
                    at,
                    day: row
                        .get::<_, Option<String>>(25)?
                        .and_then(|day| day.parse().ok()),
                }),
                None => None,
            },
            created_at: millis(row.get(15)?),
            updated_at: millis(row.get(16)?),
            closed: row
                .get::<_, Option<String>>(17)?
                .map(|text| serde_json::from_str(&text).map_err(|_| corrupt(17)))
                .transpose()?,
            commented_at: row.get::<_, Option<i64>>(22)?.map(millis),
            reopened: row.get(18)?,
            custom_id: row.get(21)?,
            creator: row
                .get::<_, Option<String>>(23)?
                .map(|text| serde_json::from_str(&text).map_err(|_| corrupt(23)))
                .transpose()?,
            links: from_json(row, 24)?,
            home: Some(row.get::<_, String>(26)?).filter(|home| !home.is_empty()),
            milestone: row.get(27)?,
            parent: row
                .get::<_, Option<String>>(28)?
                .map(|key| TaskKey::stored(source, key)),
            children: row
                .get::<_, Option<String>>(29)?
                .map(|text| serde_json::from_str(&text).map_err(|_| corrupt(29)))
                .transpose()?,
            task_type: row.get(30)?,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_that_a_walk_missed_are_counted_and_only_the_first_are_returned() {
        let store = Db::in_memory();
        store
            .execute(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30)
                 INSERT INTO tasks (source, source_key, task_id, container, title, created_ms, seen_ms, read_us, walk_us, gone)
                 SELECT 'github', '1001:' || i, 'github:acme/widgets#' || i, '1001', 'T', 0, 0, 0, iif(i <= 20, 0, 5), i > 25
                 FROM n",
                [],
            )
            .unwrap();
        let widgets = Container {
            source: Source::GitHub,
            id: "1001".into(),
            name: "acme/widgets".into(),
            configured: "acme/widgets".into(),
            archived: false,
        };
        let walk = DateTime::from_timestamp_micros(5).unwrap();
        for walks in 1..=2 {
            let found = unmet(&store, &widgets, walk, 7).unwrap();
            assert_eq!((found.count, found.first.len()), (20, 7));
            assert!(found.first.iter().all(|(_, missed)| *missed == walks));
        }
        let earlier = DateTime::from_timestamp_micros(0).unwrap();
        let none = unmet(&store, &widgets, earlier, 7).unwrap();
        assert_eq!((none.count, none.first), (0, Vec::new()));
    }

    /// Two tasks due at the same time, 04:00 of the 24th in Madrid. One of them is due on that whole day.
    #[test]
    fn a_day_is_over_when_its_day_is_and_a_time_when_it_is() {
        let store = Db::in_memory();
        store
            .execute_batch(
                "INSERT INTO containers (source, source_key, name, configured) VALUES ('clickup', '901', 'Inbox', '901');
                 INSERT INTO tasks (source, source_key, task_id, container, title, due_ms, due_day, created_ms, seen_ms, read_us)
                 VALUES ('clickup', 'day', 'clickup:day', '901', 'Day', 1795489200000, '2026-11-24', 0, 0, 0),
                        ('clickup', 'time', 'clickup:time', '901', 'Time', 1795489200000, NULL, 0, 0, 0),
                        ('clickup', 'never', 'clickup:never', '901', 'Never', NULL, NULL, 0, 0, 0);",
            )
            .unwrap();
        let overdue = |begins: &str, day: &str| {
            let wanted = TaskListing {
                status: StatusFilter::Open,
                sources: BTreeSet::new(),
                entities: BTreeSet::new(),
                due_before: Some((begins.parse().unwrap(), day.parse().unwrap())),
                rows: None,
                after: None,
                limit: 10,
            };
            let found = listed(&store, &wanted).unwrap();
            let titles = found.into_iter().map(|stored| stored.task.title);
            titles.collect::<Vec<_>>()
        };
        // In New York the 24th begins at 05:00 UTC.
        assert_eq!(overdue("2026-11-23T05:00:00Z", "2026-11-23"), [""; 0]);
        assert_eq!(overdue("2026-11-24T05:00:00Z", "2026-11-24"), ["Time"]);
        assert_eq!(
            overdue("2026-11-25T05:00:00Z", "2026-11-25"),
            ["Day", "Time"]
        );
    }
}
