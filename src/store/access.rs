//! Whether a person may name a task, and the mentions of people in comments, which give them access.
//!
//! The rules are those of `bot.toml`, given to the store at the start. Where every task is open to all, nothing is read.

use rusqlite::{OptionalExtension, params};

use super::db::Db;
use super::operations;
use super::tasks::StoredTask;
use crate::domain::access::{Access, Relations, has_created, is_own};
use crate::domain::ids::TaskRow;
use crate::domain::person::{Person, PersonId};
use crate::domain::task::{Source, TaskKey};

/// Whether every person may name every task.
pub fn is_open(connection: &Db) -> bool {
    connection.access().is_open()
}

/// Whether a person may name this task, and read its title.
pub fn may_name(connection: &Db, person: &Person, stored: &StoredTask) -> rusqlite::Result<bool> {
    if is_open(connection) || person.alone {
        return Ok(true);
    }
    let (source, container) = (stored.task.key.source(), &stored.task.container);
    let access = match stored.away {
        // Its last known place does not say where it is.
        true => connection.access().strictest(source),
        false => of_container(connection, source, container)?,
    };
    match access {
        Access::All => Ok(true),
        Access::Own => {
            let relations = Relations {
                creator: operations::creator(connection, &stored.task.key)?,
                mentioned: is_mentioned(connection, stored.row, person.id)?,
            };
            Ok(is_own(person, &stored.task, relations))
        }
    }
}

/// Whether a person may name a task that is not mirrored: its assignees are unknown.
pub fn may_name_unread(connection: &Db, person: &Person, key: &TaskKey) -> rusqlite::Result<bool> {
    if is_open(connection) || person.alone {
        return Ok(true);
    }
    let source = key.source();
    let access = match key.github_parts() {
        Some((repository, _)) => of_container(connection, source, &repository.to_string())?,
        None => connection.access().strictest(source),
    };
    Ok(access == Access::All)
}

/// The same task, if the person may name it.
pub fn shown(
    connection: &Db,
    person: &Person,
    stored: Option<StoredTask>,
) -> rusqlite::Result<Option<StoredTask>> {
    match stored {
        Some(stored) if may_name(connection, person, &stored)? => Ok(Some(stored)),
        _ => Ok(None),
    }
}

/// Whether a task is assigned to a person or was created by them.
pub fn is_theirs(connection: &Db, person: &Person, stored: &StoredTask) -> rusqlite::Result<bool> {
    let creator = operations::creator(connection, &stored.task.key)?;
    Ok(person.is_concerned(&stored.task) || has_created(person, &stored.task, creator))
}

fn of_container(connection: &Db, source: Source, key: &str) -> rusqlite::Result<Access> {
    let configured: Option<String> = connection
        .query_row(
            "SELECT configured FROM containers WHERE source = ?1 AND source_key = ?2 AND followed = 1",
            params![source.as_str(), key],
            |row| row.get(0),
        )
        .optional()?;
    let rules = connection.access();
    Ok(match configured {
        Some(configured) => rules.of(source, &configured),
        None => rules.strictest(source),
    })
}

/// Records that a comment on a task mentioned a person.
pub fn mentioned(tx: &Db, task: TaskRow, person: PersonId) -> rusqlite::Result<()> {
    tx.execute(
        "INSERT INTO mentions (task_id, person_id) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
        params![task, person],
    )?;
    Ok(())
}

fn is_mentioned(connection: &Db, task: TaskRow, person: PersonId) -> rusqlite::Result<bool> {
    connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM mentions WHERE task_id = ?1 AND person_id = ?2)",
        params![task, person],
        |row| row.get(0),
    )
}
