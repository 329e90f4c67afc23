//! Numbered migrations, embedded in the binary and applied when a store is opened (design 6).

use rusqlite::{Connection, Transaction, TransactionBehavior};

/// `migrations/NNNN_name.sql`, in order, without gaps, never edited once released.
pub(super) const MIGRATIONS: &[&str] = &[
    include_str!("../../migrations/0001_tasks.sql"),
    include_str!("../../migrations/0002_people.sql"),
    include_str!("../../migrations/0003_slack_events.sql"),
    include_str!("../../migrations/0004_outbox.sql"),
    include_str!("../../migrations/0005_messages.sql"),
    include_str!("../../migrations/0006_deliveries.sql"),
    include_str!("../../migrations/0007_notices.sql"),
    include_str!("../../migrations/0008_comments.sql"),
    include_str!("../../migrations/0009_waits.sql"),
    include_str!("../../migrations/0010_undo.sql"),
    include_str!("../../migrations/0011_cards.sql"),
    include_str!("../../migrations/0012_forms.sql"),
    include_str!("../../migrations/0013_gestures.sql"),
    include_str!("../../migrations/0014_log.sql"),
    include_str!("../../migrations/0015_rhythms.sql"),
    include_str!("../../migrations/0016_links.sql"),
    include_str!("../../migrations/0017_blocking.sql"),
    include_str!("../../migrations/0018_dms.sql"),
    include_str!("../../migrations/0019_settings.sql"),
    include_str!("../../migrations/0020_own_rhythms.sql"),
    include_str!("../../migrations/0021_due_days.sql"),
    include_str!("../../migrations/0022_whispers.sql"),
    include_str!("../../migrations/0023_floods.sql"),
    include_str!("../../migrations/0024_uids.sql"),
    include_str!("../../migrations/0025_people.sql"),
    include_str!("../../migrations/0026_compared.sql"),
    include_str!("../../migrations/0027_set_aside.sql"),
    include_str!("../../migrations/0028_begun_version.sql"),
    include_str!("../../migrations/0029_archived.sql"),
    include_str!("../../migrations/0030_tombstones.sql"),
    include_str!("../../migrations/0031_slack_since.sql"),
];

/// Brings a database up to date; `user_version` says how many migrations have run.
///
/// What is missing shares one commit, and with it one wait for the disk. One that fails halfway has not happened, and
/// those before it have. A database that is newer than this binary is refused and not touched.
pub(super) fn migrate(connection: &mut Connection, migrations: &[&str]) -> Result<(), String> {
    let found: usize = connection
        .query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0))
        .map_err(|e| e.to_string())?
        .try_into()
        .map_err(|_| "its user_version is negative; this is not a database of Ivan".to_owned())?;
    let Some(missing) = migrations.get(found..) else {
        return Err(format!(
            "it was written by a newer Ivan (version {found} of the schema, this binary knows {}); \
             start that newer binary, or give another store.path",
            migrations.len()
        ));
    };
    if missing.is_empty() {
        return Ok(());
    }
    let whole = |e: rusqlite::Error| format!("it cannot be brought up to date: {e}");
    let mut tx = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(whole)?;
    let mut done = Ok(());
    for (number, sql) in (found + 1..).zip(missing) {
        if let Err(e) = step(&mut tx, number, sql) {
            done = Err(format!(
                "migration {number} failed, nothing of it was kept: {e}"
            ));
            break;
        }
    }
    tx.commit().map_err(whole)?;
    done
}

/// One migration and its number: both or neither.
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
