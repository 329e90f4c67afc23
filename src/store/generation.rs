//! A mark outside of the database, by which a start notices that the database is an older copy.
//!
//! While the store is written to, its mark changes about every second. The file beside it has two places: one for the
//! mark in the database, one for the next. The next mark is written there, and synced, before it is committed. A database
//! whose mark is in neither place was put back. A copy of the whole folder is not noticed here; `slack/restored.rs`
//! compares the messages in Slack.

#![allow(clippy::disallowed_types)] // it works before there is a `Db`

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use tokio::time::Instant;

use super::columns::millis;
use super::restored::DOUBTS;

/// The time between two changes of the mark.
const CHANGES_EVERY: Duration = Duration::from_secs(1);
/// The length of a mark in bytes; a place has one more for the end of its line.
const MARK_LEN: usize = 32;
/// Stands for the mark of a database that has none yet.
const NONE: &str = "none";
/// In the file after `ivan restore`, so that the next start takes the database as put back.
const RESTORED: &str = "restored";

/// The mark of an open store. Its writer changes it.
pub(super) struct Generation {
    path: PathBuf,
    file: Option<File>,
    /// The place of the present mark, 0 or 1.
    place: u64,
    changed: Option<Instant>,
}

/// The file with the marks of a store.
pub(super) fn file_of(store: &Path) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push(".generation");
    PathBuf::from(name)
}

/// Has the next start take the database as put back.
pub(super) fn is_restored(store: &Path) -> std::io::Result<()> {
    let mut file = open(&file_of(store))?;
    for place in 0..2 {
        write(&mut file, place, RESTORED)?;
    }
    Ok(())
}

impl Generation {
    /// Compares the mark of a database with the file beside it. If it was put back, all work that waits in it is doubted
    /// from now on. `is_new`: the database was made just now.
    pub(super) fn of(
        connection: &mut Connection,
        store: &Path,
        is_new: bool,
        now: DateTime<Utc>,
    ) -> Result<Generation, String> {
        let path = file_of(store);
        let failed =
            |e: &dyn std::fmt::Display| format!("the file with its marks, {}: {e}", path.display());
        let mark: Option<String> = connection
            .query_row("SELECT mark FROM generation", [], |row| row.get(0))
            .optional()
            .map_err(|e| e.to_string())?;
        let known = match read(&path) {
            Ok(known) => Some(known),
            Err(e) if e.kind() == ErrorKind::NotFound => None,
            Err(e) => return Err(failed(&e)),
        };
        let present = mark.as_deref().unwrap_or(NONE);
        let is_put_back = match &known {
            _ if is_new => false,
            Some(known) => !known.iter().any(|one| one == present),
            None => mark.is_some(),
        };
        let mut place = known
            .iter()
            .flatten()
            .position(|one| one == present)
            .and_then(|place| u64::try_from(place).ok());
        let mut present = present.to_owned();
        if is_put_back {
            present = new_mark()?;
            doubt(connection, &present, now).map_err(|e| e.to_string())?;
            place = None;
            tracing::warn!(
                path = %store.display(),
                "the store is an older copy: waiting work is looked for before it is done, and messages that may have \
                 been answered are not acted on again"
            );
        }
        let file = match place {
            Some(_) => None,
            // The database has its mark already, so an end of the process in between is noticed as well.
            None => {
                let mut file = open(&path).map_err(|e| failed(&e))?;
                write(&mut file, 0, &present).map_err(|e| failed(&e))?;
                write(&mut file, 1, &present).map_err(|e| failed(&e))?;
                Some(file)
            }
        };
        Ok(Generation {
            path,
            file,
            place: place.unwrap_or_default(),
            changed: None,
        })
    }

    /// The next mark, if it is time for one. It stands in the file when this returns, and is to be committed now.
    pub(super) fn next(&mut self, now: Instant) -> Option<String> {
        let is_due = self
            .changed
            .is_none_or(|changed| now.duration_since(changed) >= CHANGES_EVERY);
        if !is_due {
            return None;
        }
        let mark = new_mark().ok()?;
        // On a full disk the present mark stays, in the other place.
        let written = match &mut self.file {
            Some(file) => write(file, 1 - self.place, &mark),
            None => open(&self.path).and_then(|mut file| {
                let written = write(&mut file, 1 - self.place, &mark);
                self.file = Some(file);
                written
            }),
        };
        if let Err(error) = written {
            tracing::debug!(path = %self.path.display(), %error, "the mark of the store is not changed");
            return None;
        }
        Some(mark)
    }

    /// The mark of [`Generation::next`] was committed.
    pub(super) fn is_committed(&mut self, now: Instant) {
        self.place = 1 - self.place;
        self.changed = Some(now);
    }
}

/// Gives a database that was put back a mark of its own, and doubts its waiting work.
fn doubt(connection: &mut Connection, mark: &str, now: DateTime<Utc>) -> rusqlite::Result<()> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    tx.execute(SET_MARK, [mark])?;
    tx.execute(
        "UPDATE generation SET lost_until_us = ?1",
        [now.timestamp_micros()],
    )?;
    for sql in DOUBTS {
        tx.execute(sql, params![now.timestamp_micros()])?;
    }
    tx.commit()
}

/// Whether a database has no table yet.
pub(super) fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    let sql = "SELECT NOT EXISTS (SELECT 1 FROM sqlite_master)";
    connection.query_row(sql, [], |row| row.get(0))
}

/// The time by the system's clock.
pub(super) fn system_time(connection: &Connection) -> rusqlite::Result<DateTime<Utc>> {
    let sql = "SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER)";
    connection.query_row(sql, [], |row| row.get(0).map(millis))
}

/// Stores the mark.
pub(super) const SET_MARK: &str = "INSERT INTO generation (one, mark) VALUES (1, ?1)
     ON CONFLICT (one) DO UPDATE SET mark = excluded.mark";

fn new_mark() -> Result<String, String> {
    let mut bytes = [0_u8; MARK_LEN / 2];
    getrandom::fill(&mut bytes).map_err(|e| format!("no random numbers: {e}"))?;
    Ok(hex::encode(bytes))
}

fn open(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn write(file: &mut File, place: u64, mark: &str) -> std::io::Result<()> {
    let line = format!("{mark:MARK_LEN$}\n");
    let len = u64::try_from(line.len()).unwrap_or_default();
    file.seek(SeekFrom::Start(place * len))?;
    file.write_all(line.as_bytes())?;
    file.sync_data()
}

/// The marks in the file, by their places.
fn read(path: &Path) -> std::io::Result<Vec<String>> {
    let mut text = Vec::new();
    let most = u64::try_from(4 * MARK_LEN).unwrap_or_default();
    File::open(path)?.take(most).read_to_end(&mut text)?;
    let text = String::from_utf8_lossy(&text);
    Ok(text.lines().map(|line| line.trim().to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::super::migrate::{MIGRATIONS, migrate};
    use super::*;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_767_229_410, 0).unwrap()
    }

    struct Life {
        store: PathBuf,
        connection: Connection,
    }

    impl Life {
        fn of(folder: &Path) -> Life {
            let store = folder.join("ivan.db");
            let mut connection = Connection::open(&store).unwrap();
            migrate(&mut connection, MIGRATIONS).unwrap();
            Life { store, connection }
        }

        fn starts(&mut self, is_new: bool) -> (Generation, bool) {
            self.connection
                .execute("UPDATE generation SET lost_until_us = NULL", [])
                .unwrap();
            let generation =
                Generation::of(&mut self.connection, &self.store, is_new, now()).unwrap();
            let lost: Option<i64> = self
                .connection
                .query_row("SELECT lost_until_us FROM generation", [], |row| row.get(0))
                .optional()
                .unwrap()
                .flatten();
            (generation, lost == Some(now().timestamp_micros()))
        }

        /// Changes the mark; `false`: the process ends before the commit.
        fn changes(&self, generation: &mut Generation, commits: bool) {
            generation.changed = None;
            let mark = generation.next(Instant::now()).unwrap();
            if commits {
                self.connection.execute(SET_MARK, [mark]).unwrap();
                generation.is_committed(Instant::now());
            }
        }
    }

    #[test]
    fn an_older_copy_is_noticed_and_a_continued_store_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let mut life = Life::of(folder.path());
        let (mut generation, put_back) = life.starts(true);
        assert!(!put_back);
        assert!(generation.next(Instant::now()).is_some(), "at once");
        generation.is_committed(Instant::now());
        assert!(
            generation.next(Instant::now()).is_none(),
            "not again at once"
        );
        let mut copies = Vec::new();
        for round in 0..6 {
            life.changes(&mut generation, round % 2 == 0);
            copies.push(std::fs::read(&life.store).unwrap());
            let (again, put_back) = life.starts(false);
            assert!(!put_back, "round {round}");
            generation = again;
        }
        life.changes(&mut generation, true);
        let whole = std::fs::read(&life.store).unwrap();
        // Killed between the commit and the next mark.
        assert!(!life.starts(false).1);
        let Life { connection, .. } = life;
        drop(connection);
        std::fs::write(folder.path().join("ivan.db"), &copies[0]).unwrap();
        let mut life = Life::of(folder.path());
        assert!(life.starts(false).1);
        assert!(!life.starts(false).1, "once");
        drop(life);
        // The newest state is older than that, too.
        std::fs::write(folder.path().join("ivan.db"), whole).unwrap();
        assert!(Life::of(folder.path()).starts(false).1);
    }

    #[test]
    fn a_restored_copy_is_noticed_even_if_it_is_the_newest_state() {
        let folder = tempfile::tempdir().unwrap();
        let mut life = Life::of(folder.path());
        let (mut generation, _) = life.starts(true);
        life.changes(&mut generation, true);
        is_restored(&life.store).unwrap();
        assert!(life.starts(false).1);
        assert!(!life.starts(false).1);
        // Moved to another machine without the file.
        std::fs::remove_file(file_of(&life.store)).unwrap();
        assert!(life.starts(false).1);
    }

    #[test]
    fn a_store_of_an_earlier_version_and_a_removed_one_are_not_put_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut life = Life::of(folder.path());
        let (mut generation, put_back) = life.starts(false);
        assert!(!put_back, "it never had a mark");
        life.changes(&mut generation, false);
        assert!(
            !life.starts(false).1,
            "killed before the first mark was committed"
        );
        std::fs::remove_file(&life.store).unwrap();
        assert!(!Life::of(folder.path()).starts(true).1);
    }
}
