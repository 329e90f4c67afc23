//! Reads tables of the store for `ivan export`, beside a running daemon or without one. Nothing is written to the store.
//!
//! A table is read in pages, each through a connection of its own that can only read. So a reader that stops in the middle
//! holds no transaction open, which would keep the daemon from shortening its log, and memory does not grow with the
//! table. Each row is as it was when its page was read.

#![allow(clippy::disallowed_types)] // it reads a store that is not opened here

use std::fs::OpenOptions;
use std::io::{BufWriter, Write};
use std::path::Path;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, Row, params};

use super::backup::{Partial, is_writable, of_sqlite, version};
use super::checkup::{self, with_end};
use super::columns::{micros, millis};
use super::log::entry;
use super::migrate::MIGRATIONS;
use super::pool::StoreError;
use super::tasks::{COLUMNS, FOLLOWED, stored};
use crate::domain::export::{ExportTable, ExportValue};
use crate::domain::task::{Account, Source};

/// The rows that are read at once.
const PAGE: i64 = 200;

/// Why an export ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The store is not as it has to be, or cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file must not or cannot be written.
    #[error("{path}: {why}")]
    File {
        /// The file.
        path: String,
        /// The reason, as part of a sentence.
        why: String,
    },
    /// The rows cannot be written.
    #[error("cannot write the rows: {0}")]
    Output(#[from] std::io::Error),
}

/// A row, and the number after which the next one is looked for.
type NumberedRow = (i64, Vec<ExportValue>);

/// Hands each row of a table to `each`, oldest first, with the columns of [`ExportTable::columns`]; only rows of the time
/// since then, if there is one. Returns their number.
///
/// # Errors
/// There is no store of this version, it cannot be read, or `each` fails.
pub fn export(
    path: &Path,
    table: ExportTable,
    since: Option<DateTime<Utc>>,
    each: &mut dyn FnMut(&[ExportValue]) -> std::io::Result<()>,
) -> Result<u64, ExportError> {
    let failed = |why: String| StoreError {
        path: path.display().to_string(),
        why,
    };
    if !path.is_file() {
        return Err(failed("there is no such file".to_owned()).into());
    }
    let (mut reached, mut count) = (0, 0);
    loop {
        let rows = page(path, table, since, reached).map_err(failed)?;
        let Some((last, _)) = rows.last() else {
            return Ok(count);
        };
        reached = *last;
        for (_, row) in &rows {
            each(row)?;
            count += 1;
        }
    }
}

/// Writes a file of mode 0600 by `fill`. It gets its name when it is whole; a file of this name is replaced only with
/// `replace`. `path` is the store, whose files it must not be.
///
/// # Errors
/// The file must not or cannot be written, or `fill` fails. A file of this name is then as it was.
pub fn export_to_file<T>(
    path: &Path,
    file: &Path,
    replace: bool,
    fill: impl FnOnce(&mut dyn Write) -> Result<T, ExportError>,
) -> Result<T, ExportError> {
    let failed = |why: String| ExportError::File {
        path: file.display().to_string(),
        why,
    };
    is_writable(path, file, replace).map_err(failed)?;
    let made = Partial::of(file).map_err(failed)?;
    let open = OpenOptions::new().write(true).open(made.path())?;
    let mut out = BufWriter::new(open);
    let filled = fill(&mut out)?;
    out.flush()?;
    drop(out);
    made.becomes(file).map_err(failed)?;
    Ok(filled)
}

/// The next rows. Without a log beside it no daemon runs, and the file is read as it is: SQLite would make one otherwise.
fn page(
    path: &Path,
    table: ExportTable,
    since: Option<DateTime<Utc>>,
    reached: i64,
) -> Result<Vec<NumberedRow>, String> {
    let has_log = || with_end(path, "-wal").exists();
    let had_log = has_log();
    let found = read(path, !had_log, table, since, reached);
    match (had_log, has_log()) {
        // A daemon has started meanwhile, and has changed pages below this look.
        (false, true) => read(path, false, table, since, reached),
        // It has ended, and its log may have gone before it was opened.
        (true, false) if found.is_err() => read(path, true, table, since, reached),
        _ => found,
    }
}

fn read(
    path: &Path,
    immutable: bool,
    table: ExportTable,
    since: Option<DateTime<Utc>>,
    reached: i64,
) -> Result<Vec<NumberedRow>, String> {
    let connection = checkup::open(path, immutable).map_err(|e| of_sqlite(&e))?;
    let found = version(&connection)?;
    if found < MIGRATIONS.len() {
        return Err(format!(
            "it was written by an older Ivan (schema version {found}, this binary reads {}); start `ivan serve` of this \
             version once, or use the older binary",
            MIGRATIONS.len()
        ));
    }
    let rows = match table {
        ExportTable::Tasks => rows(&connection, &of_tasks(), since, reached, task),
        ExportTable::Operations => rows(&connection, OPERATIONS, since, reached, operation),
        ExportTable::Log => rows(&connection, LOG, since, reached, logged),
    };
    rows.map_err(|e| of_sqlite(&e))
}

fn rows(
    connection: &Connection,
    sql: &str,
    since: Option<DateTime<Utc>>,
    reached: i64,
    read: fn(&Row<'_>) -> rusqlite::Result<NumberedRow>,
) -> rusqlite::Result<Vec<NumberedRow>> {
    let since = since.map(|since| since.timestamp_millis());
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map(params![reached, since, PAGE], read)?;
    rows.collect()
}

fn of_tasks() -> String {
    format!(
        "SELECT {COLUMNS},
             (SELECT name FROM containers c WHERE c.source = tasks.source AND c.source_key = tasks.container) AS place
         FROM tasks
         WHERE id > ?1 AND {FOLLOWED} AND (?2 IS NULL OR max(seen_ms, ifnull(commented_ms, 0)) >= ?2)
         ORDER BY id LIMIT ?3"
    )
}

fn task(row: &Row<'_>) -> rusqlite::Result<NumberedRow> {
    let found = stored(row)?;
    let (number, task) = (found.row.0, found.task);
    let last_activity = task.last_activity();
    let name = |account: Account| account.name;
    let (closed_at, closed_by) = match task.closed {
        Some(closed) => (closed.at, closed.by.map(name)),
        None => (None, None),
    };
    let due = match task.due {
        Some(due) => match due.day {
            Some(day) => ExportValue::Text(day.to_string()),
            None => ExportValue::Time(due.at),
        },
        None => ExportValue::Nothing,
    };
    let values = vec![
        ExportValue::Text(task.id.to_string()),
        ExportValue::Text(task.key.source().as_str().to_owned()),
        row.get::<_, Option<String>>("place")?.into(),
        ExportValue::text(task.title),
        ExportValue::Text(task.status.as_str().to_owned()),
        ExportValue::text(task.source_status),
        ExportValue::Texts(task.assignees.into_iter().map(name).collect()),
        ExportValue::Texts(task.labels),
        task.entity.into(),
        task.milestone.into(),
        task.task_type.into(),
        task.priority.map(|priority| priority.as_str()).into(),
        due,
        task.creator.map(name).into(),
        ExportValue::Time(task.created_at),
        ExportValue::Time(task.updated_at),
        ExportValue::Time(last_activity),
        closed_at.into(),
        closed_by.into(),
        ExportValue::text(task.url),
    ];
    Ok((number, values))
}

/// The trace of a creation is the key of its task. A text that a person wrote is in the source, or waits to be; the log has
/// its beginning.
const OPERATIONS: &str = "SELECT o.seq, o.id, c.typed_us, o.created_ms, p.name, ifnull(c.via, c.surface), c.token, c.verb, o.kind, o.source,
         t.task_id, ifnull(t.title, json_extract(o.write, '$.title')),
         CASE WHEN o.state = 'pending' AND o.set_aside THEN 'set_aside' ELSE o.state END, o.attempts, o.ended_ms, o.why
     FROM operations o JOIN commands c ON c.id = o.command_id JOIN people p ON p.id = c.person_id
         LEFT JOIN tasks t ON t.source = o.source
             AND t.source_key = CASE o.kind WHEN 'create' THEN o.trace ELSE o.task_key END
     WHERE o.seq > ?1 AND (?2 IS NULL OR o.created_ms >= ?2)
     ORDER BY o.seq LIMIT ?3";

fn operation(row: &Row<'_>) -> rusqlite::Result<NumberedRow> {
    let text = |column: usize| row.get::<_, Option<String>>(column);
    let time = |column: usize| {
        let ms = row.get::<_, Option<i64>>(column)?;
        Ok::<_, rusqlite::Error>(ExportValue::from(ms.map(millis)))
    };
    let values = vec![
        text(1)?.into(),
        ExportValue::Time(micros(row.get(2)?)),
        time(3)?,
        text(4)?.into(),
        text(5)?.into(),
        text(6)?.into(),
        text(7)?.into(),
        text(8)?.into(),
        text(9)?.into(),
        text(10)?.into(),
        text(11)?.into(),
        text(12)?.into(),
        ExportValue::Number(row.get::<_, u32>(13)?.into()),
        time(14)?,
        text(15)?.into(),
    ];
    Ok((row.get(0)?, values))
}

const LOG: &str = "SELECT log.id, at_ms, people.name, account, surface, verb, outcome, source, task, title, url, before, after, text, detail,
         log.token, kept_ms
     FROM log LEFT JOIN people ON people.id = log.person_id
     WHERE log.id > ?1 AND (?2 IS NULL OR at_ms >= ?2)
     ORDER BY log.id LIMIT ?3";

fn logged(row: &Row<'_>) -> rusqlite::Result<NumberedRow> {
    let number = row.get(0)?;
    let recorded_at = millis(row.get(16)?);
    let entry = entry(row)?;
    let values = vec![
        ExportValue::Number(u64::try_from(number).unwrap_or_default()),
        ExportValue::Time(entry.at),
        ExportValue::Time(recorded_at),
        entry.person.into(),
        entry.account.into(),
        ExportValue::Text(entry.via.as_str().to_owned()),
        entry.token.into(),
        ExportValue::text(entry.verb),
        ExportValue::Text(entry.came.as_str().to_owned()),
        entry.source.map(Source::as_str).into(),
        entry.task.into(),
        ExportValue::text(entry.title),
        entry.change.before.into(),
        entry.change.after.into(),
        entry.change.text.into(),
        entry.detail.into(),
        ExportValue::text(entry.url),
    ];
    Ok((number, values))
}

#[cfg(test)]
mod tests {
    use super::super::migrate::migrate;
    use super::*;
    use std::path::PathBuf;

    /// A store on the disk with so many entries of the log, the first at second 1.
    fn store(entries: i64) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ivan.db");
        let mut connection = Connection::open(&path).unwrap();
        migrate(&mut connection, MIGRATIONS).unwrap();
        connection
            .execute(
                "INSERT INTO log (kept_ms, at_ms, surface, verb, outcome, title)
                 WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ?1)
                 SELECT n * 1000 + 7, n * 1000, 'cli', 'done', 'done', '=entry ' || n FROM n",
                [entries],
            )
            .unwrap();
        (folder, path)
    }

    fn exported(
        path: &Path,
        table: ExportTable,
        since: Option<DateTime<Utc>>,
    ) -> Vec<Vec<ExportValue>> {
        let mut rows = Vec::new();
        let count = export(path, table, since, &mut |row| {
            assert_eq!(row.len(), table.columns().len());
            rows.push(row.to_vec());
            Ok(())
        });
        assert_eq!(count.unwrap(), rows.len() as u64);
        rows
    }

    #[test]
    fn pages_follow_each_other_and_nothing_is_left_beside_the_store() {
        let (folder, path) = store(2 * PAGE + 1);
        let rows = exported(&path, ExportTable::Log, None);
        let ids: Vec<_> = rows.iter().map(|row| row[0].clone()).collect();
        let wanted: Vec<_> = (1..=2 * PAGE.unsigned_abs() + 1)
            .map(ExportValue::Number)
            .collect();
        assert_eq!(ids, wanted);
        assert_eq!(rows[0][2], ExportValue::Time(millis(1_007)));
        assert_eq!(rows[0][11], ExportValue::Text("=entry 1".to_owned()));
        assert!(exported(&path, ExportTable::Tasks, None).is_empty());
        assert!(exported(&path, ExportTable::Operations, None).is_empty());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_begin_leaves_older_rows_out() {
        let (_folder, path) = store(10);
        let since = exported(&path, ExportTable::Log, Some(millis(9_000)));
        assert_eq!(since.len(), 2);
    }

    #[test]
    fn another_database_is_refused() {
        let (folder, path) = store(1);
        let mut none = |_: &[ExportValue]| Ok(());
        let mut why = |path: &Path| {
            let failed = export(path, ExportTable::Log, None, &mut none);
            failed.unwrap_err().to_string()
        };
        assert!(why(&folder.path().join("none.db")).ends_with("there is no such file"));
        let other = folder.path().join("other.db");
        Connection::open(&other)
            .unwrap()
            .execute_batch("CREATE TABLE log (id INTEGER)")
            .unwrap();
        assert!(why(&other).ends_with("it is no store of Ivan's"));
        let older = Connection::open(&path).unwrap();
        older.pragma_update(None, "user_version", 3).unwrap();
        drop(older);
        assert!(why(&path).contains("an older Ivan (schema version 3"));
    }

    #[test]
    fn a_file_is_private_and_gets_its_name_when_it_is_whole() {
        let (folder, path) = store(1);
        let file = folder.path().join("rows.csv");
        let write = |replace: bool, text: &str| {
            export_to_file(&path, &file, replace, |out| {
                Ok(out.write_all(text.as_bytes())?)
            })
        };
        write(false, "one").unwrap();
        assert!(write(false, "two").is_err());
        let failed = export_to_file(&path, &file, true, |out| {
            out.write_all(b"half")?;
            Err::<(), _>(ExportError::Output(std::io::Error::other("no")))
        });
        assert!(failed.is_err());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "one");
        write(true, "two").unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "two");
        assert_eq!(super::super::mode_for_others(&file), None);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
        let own = export_to_file(&path, &path, true, |_| Ok(()));
        assert!(
            own.unwrap_err()
                .to_string()
                .contains("belongs to the store")
        );
    }
}
