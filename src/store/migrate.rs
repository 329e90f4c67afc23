//! Numbered migrations, embedded in the binary and applied when a store is opened.

#![allow(clippy::disallowed_types)] // each statement of a migration runs once

use std::time::{Duration, Instant};

use rusqlite::{Connection, Transaction, TransactionBehavior};

/// `migrations/NNNN_name.sql`, in order, without gaps, never edited once released.
pub(super) const MIGRATIONS: &[&str] = &[
    include_str!("../../migrations/0001_schema.sql"),
    include_str!("../../migrations/0002_lookups.sql"),
    include_str!("../../migrations/0003_no_scans.sql"),
    include_str!("../../migrations/0004_mentions.sql"),
    include_str!("../../migrations/0005_api_tokens.sql"),
    include_str!("../../migrations/0006_sealed_secrets.sql"),
    include_str!("../../migrations/0007_link_requests.sql"),
    include_str!("../../migrations/0008_held_until.sql"),
    include_str!("../../migrations/0009_delivery_parts.sql"),
    include_str!("../../migrations/0010_arrivals.sql"),
    include_str!("../../migrations/0011_personal_tokens.sql"),
    include_str!("../../migrations/0012_generation.sql"),
    include_str!("../../migrations/0013_search.sql"),
    include_str!("../../migrations/0014_parts.sql"),
    include_str!("../../migrations/0015_questions.sql"),
    include_str!("../../migrations/0016_milestones.sql"),
    include_str!("../../migrations/0017_children.sql"),
    include_str!("../../migrations/0018_types.sql"),
];

/// The result of all of them. A new store begins with it: each `ALTER TABLE` lets SQLite read the whole schema anew.
const SCHEMA: &str = include_str!("schema.sql");

/// `application_id` in the header of every store: "Ivan" in ASCII. Stores from before the first schema lack it.
pub(super) const APPLICATION_ID: i64 = 0x4976_616e;

/// The time between two lines about a migration that goes on.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);
/// The virtual instructions of SQLite between two looks at the time.
const LOOK_EVERY: std::ffi::c_int = 100_000;

/// Brings a database up to date. `user_version` is the number of migrations that have run.
///
/// All missing migrations share one commit, and so one wait for the disk. A migration that fails midway is rolled back;
/// earlier ones stay. A database of a newer Ivan, of an Ivan from before the first release, or of another program is
/// refused and left unchanged.
pub(super) fn migrate(connection: &mut Connection, migrations: &[&str]) -> Result<(), String> {
    let found: usize = connection
        .query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0))
        .map_err(|e| e.to_string())?
        .try_into()
        .map_err(|_| "its user_version is negative; this is not Ivan's database".to_owned())?;
    let application: i64 = connection
        .query_row("PRAGMA application_id", [], |row| row.get(0))
        .map_err(|e| e.to_string())?;
    if application != 0 && application != APPLICATION_ID {
        return Err(format!(
            "it belongs to another program (application_id {application}); set another store.path"
        ));
    }
    if found > 0 && application == 0 {
        return Err(format!(
            "it is from before the first release (schema version {found}), and this binary cannot read it; move \
                 it away, or set another store.path. Tasks are read again from ClickUp and GitHub, but links, \
                 snoozes, settings, the log and queued writes exist only in the old file"
        ));
    }
    let Some(missing) = migrations.get(found..) else {
        return Err(format!(
            "it was written by a newer Ivan (schema version {found}, this binary knows {}); run the newer binary, \
                 or set another store.path",
            migrations.len()
        ));
    };
    if missing.is_empty() {
        return Ok(());
    }
    let whole = |e: rusqlite::Error| format!("it cannot be migrated: {e}");
    let begun = Instant::now();
    let to = migrations.len();
    // A new store is made in a moment.
    let is_news = found > 0;
    if is_news {
        tracing::info!(from = found, to, "migrating the store");
        let mut said = begun;
        let goes_on = move || {
            if said.elapsed() >= PROGRESS_EVERY {
                said = Instant::now();
                tracing::info!(
                    seconds = begun.elapsed().as_secs(),
                    "still migrating the store"
                );
            }
            false
        };
        connection
            .progress_handler(LOOK_EVERY, Some(goes_on))
            .map_err(whole)?;
    }
    let mut tx = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(whole)?;
    tx.pragma_update(None, "application_id", APPLICATION_ID)
        .map_err(whole)?;
    let mut done = Ok(());
    let is_whole = found == 0 && migrations == MIGRATIONS;
    let steps: &[&str] = if is_whole { &[SCHEMA] } else { missing };
    let first = if is_whole { to } else { found + 1 };
    for (number, sql) in (first..).zip(steps) {
        if let Err(e) = step(&mut tx, number, sql) {
            done = Err(format!(
                "migration {number} failed and was rolled back: {e}"
            ));
            break;
        }
    }
    tx.commit().map_err(whole)?;
    if is_news {
        connection
            .progress_handler(0, None::<fn() -> bool>)
            .map_err(whole)?;
        if done.is_ok() {
            let ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            tracing::info!(ms, "store migrated");
        }
    }
    done
}

/// Runs one migration and sets its number, both or neither.
fn step(tx: &mut Transaction<'_>, number: usize, sql: &str) -> rusqlite::Result<()> {
    let step = tx.savepoint()?;
    step.execute_batch(sql)?;
    let number = i64::try_from(number).unwrap_or(i64::MAX);
    step.pragma_update(None, "user_version", number)?;
    step.commit()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(connection: &Connection, sql: &str) -> Vec<String> {
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    }

    /// Everything in a database, as SQL that makes it.
    fn dumped(connection: &Connection) -> String {
        let mut sql = String::new();
        let things = texts(
            connection,
            "SELECT sql FROM sqlite_schema
             WHERE sql IS NOT NULL AND name NOT GLOB 'sqlite_*'
                 AND name NOT IN (SELECT name FROM pragma_table_list WHERE type = 'shadow')
             ORDER BY type <> 'table', type <> 'view', rowid",
        );
        for thing in things {
            sql += &format!("{thing};\n\n");
        }
        let tables = "SELECT name FROM pragma_table_list
                      WHERE type = 'table' AND schema = 'main' AND name <> 'sqlite_schema' ORDER BY name";
        for table in texts(connection, tables) {
            let columns = format!("SELECT name FROM pragma_table_info('{table}')");
            let quoted: Vec<String> = texts(connection, &columns)
                .iter()
                .map(|name| format!("quote(\"{name}\")"))
                .collect();
            let rows = format!("SELECT {} FROM \"{table}\"", quoted.join(" || ', ' || "));
            for row in texts(connection, &rows) {
                sql += &format!("INSERT INTO {table} VALUES ({row});\n");
            }
        }
        sql
    }

    /// `IVAN_SCHEMA=write` writes the file anew.
    #[test]
    fn the_schema_of_a_new_store_is_that_of_all_migrations() {
        let head = "-- The store as all migrations leave it: what a new one begins with. A test writes it\n\
                    -- (IVAN_SCHEMA=write cargo test --lib migrate::); a change is a migration.\n\n";
        let mut grown = Connection::open_in_memory().unwrap();
        migrate(&mut grown, MIGRATIONS.get(..1).unwrap()).unwrap();
        migrate(&mut grown, MIGRATIONS).unwrap();
        let file = format!("{head}{}", dumped(&grown));
        if std::env::var_os("IVAN_SCHEMA").is_some() {
            let path =
                std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/schema.sql");
            std::fs::write(path, &file).unwrap();
        }
        assert_eq!(SCHEMA, file, "IVAN_SCHEMA=write cargo test --lib migrate::");
        let mut new = Connection::open_in_memory().unwrap();
        migrate(&mut new, MIGRATIONS).unwrap();
        assert_eq!(dumped(&new), dumped(&grown));
        assert_eq!(version(&new), version(&grown));
        let check = texts(&new, "PRAGMA integrity_check");
        assert_eq!(check, ["ok"]);
    }

    fn version(connection: &Connection) -> i64 {
        connection
            .query_row("PRAGMA user_version", [], |row| row.get(0))
            .unwrap()
    }

    #[test]
    fn a_new_database_gets_all_and_a_current_one_none() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, MIGRATIONS).unwrap();
        assert_eq!(version(&connection), MIGRATIONS.len() as i64);
        migrate(&mut connection, MIGRATIONS).unwrap();
        assert_eq!(version(&connection), MIGRATIONS.len() as i64);
    }

    #[test]
    fn a_newer_database_is_refused_and_left_alone() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, MIGRATIONS).unwrap();
        let newer = MIGRATIONS.len() as i64 + 1;
        connection
            .pragma_update(None, "user_version", newer)
            .unwrap();
        let refusal = migrate(&mut connection, MIGRATIONS).unwrap_err();
        assert!(refusal.contains("newer Ivan"), "{refusal}");
        assert_eq!(version(&connection), newer);
    }

    #[rstest::rstest]
    #[case::with_31_migrations(31, 0, "from before the first release")]
    #[case::with_as_many_as_now(1, 0, "exist only in the old file")]
    #[case::of_another_program(3, 0x4d4c_5439, "belongs to another program")]
    #[case::of_another_program_without_a_version(0, 0x4d4c_5439, "belongs to another program")]
    fn a_database_that_is_not_ours_or_too_old_is_refused_and_left_alone(
        #[case] before: i64,
        #[case] application: i64,
        #[case] why: &str,
    ) {
        let mut connection = Connection::open_in_memory().unwrap();
        let pragma = |name, value| connection.pragma_update(None, name, value).unwrap();
        pragma("user_version", before);
        pragma("application_id", application);
        let refusal = migrate(&mut connection, MIGRATIONS).unwrap_err();
        for words in [why, "set another store.path"] {
            assert!(refusal.contains(words), "{refusal}");
        }
        assert_eq!(version(&connection), before);
        let kept: i64 = connection
            .query_row("PRAGMA application_id", [], |row| row.get(0))
            .unwrap();
        assert_eq!(kept, application);
        let tables: i64 = connection
            .query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))
            .unwrap();
        assert_eq!(tables, 0);
    }

    /// Later migrations: the machinery adds the missing parts and keeps existing rows.
    #[test]
    fn a_later_migration_runs_once_on_a_store_with_rows() {
        let mut connection = Connection::open_in_memory().unwrap();
        let later = "ALTER TABLE alarms ADD COLUMN told INTEGER NOT NULL DEFAULT 0;
                     UPDATE alarms SET told = told + 1;";
        let with_later = [MIGRATIONS, &[later]].concat();
        migrate(&mut connection, MIGRATIONS).unwrap();
        connection
            .execute(
                "INSERT INTO alarms (about, since_ms) VALUES ('github failing', 5)",
                [],
            )
            .unwrap();
        for _ in 0..2 {
            migrate(&mut connection, &with_later).unwrap();
            assert_eq!(version(&connection), with_later.len() as i64);
            let row: (i64, i64) = connection
                .query_row("SELECT since_ms, told FROM alarms", [], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })
                .unwrap();
            assert_eq!(row, (5, 1));
        }
    }

    #[test]
    fn a_migration_that_fails_halfway_loses_nothing() {
        let mut connection = Connection::open_in_memory().unwrap();
        let good = "CREATE TABLE kept (id INTEGER); INSERT INTO kept VALUES (1);";
        let bad =
            "DELETE FROM kept; CREATE TABLE half (id INTEGER); CREATE TABLE kept (id INTEGER);";
        let failure = migrate(&mut connection, &[good, bad]).unwrap_err();
        assert!(failure.contains("migration 2"), "{failure}");
        assert_eq!(version(&connection), 1);
        let kept: i64 = connection
            .query_row("SELECT count(*) FROM kept", [], |row| row.get(0))
            .unwrap();
        assert_eq!(kept, 1);
        assert!(connection.prepare("SELECT * FROM half").is_err());
    }

    /// Rows as they looked when each migration was new survive all later ones (`fixtures/migrations`).
    #[test]
    fn rows_of_every_age_survive() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/migrations");
        let mut names: Vec<_> =
            std::fs::read_dir(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations"))
                .unwrap()
                .map(|entry| entry.unwrap().file_name())
                .collect();
        names.sort();
        assert_eq!(names.len(), MIGRATIONS.len(), "every file is embedded");
        let mut connection = Connection::open_in_memory().unwrap();
        for (number, name) in (1..).zip(&names) {
            migrate(&mut connection, MIGRATIONS.get(..number).unwrap()).unwrap();
            let rows = folder.join(name);
            let sql = std::fs::read_to_string(&rows)
                .unwrap_or_else(|e| panic!("{}: {e}", rows.display()));
            connection
                .execute_batch(&sql)
                .unwrap_or_else(|e| panic!("{}: {e}", rows.display()));
        }
        let broken: i64 = connection
            .query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| {
                row.get(0)
            })
            .unwrap();
        assert_eq!(broken, 0);
    }
}
