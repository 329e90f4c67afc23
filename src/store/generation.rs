//! A mark outside of the database, by which a start notices that the database is an older copy.
//!
//! The mark is the life of the store, a random name, and the number of commits in it. Each commit writes the next mark to
//! the first place of a file beside the store, commits it in the database, and writes it to the second place, before
//! anybody is answered. A database with another life, or with an older number than the second place, was put back. The
//! file is synced about once a second: after a power loss it may lag behind the database, which is no sign. A copy of the
//! whole folder is not noticed here; `slack/restored.rs` compares the messages in Slack.

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

/// The time between two syncs of the file.
const SYNCED_EVERY: Duration = Duration::from_secs(1);
/// The length of a mark in bytes; a place has one more for the end of its line.
const MARK_LEN: usize = 32;
/// The length of the random name of a life.
const LIFE_LEN: usize = 16;
/// Stands for the mark of a database that has none yet.
const NONE: &str = "none";
/// In the file after `ivan restore`, so that the next start takes the database as put back.
const RESTORED: &str = "restored";

/// The places in the file: the mark that is about to be committed, and the one that is.
const NEXT: u64 = 0;
const COMMITTED: u64 = 1;

/// A state of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mark {
    life: String,
    commits: u64,
}

impl Mark {
    fn first() -> Result<Mark, String> {
        let mut bytes = [0_u8; LIFE_LEN / 2];
        getrandom::fill(&mut bytes).map_err(|e| format!("no random numbers: {e}"))?;
        Ok(Mark {
            life: hex::encode(bytes),
            commits: 0,
        })
    }

    /// Marks of earlier versions were names alone.
    fn of(text: &str) -> Mark {
        let counted = text
            .split_once('-')
            .and_then(|(life, commits)| Some((life, commits.parse().ok()?)));
        let (life, commits) = counted.unwrap_or((text, 0));
        Mark {
            life: life.to_owned(),
            commits,
        }
    }

    /// The mark of the commit after this one.
    fn next(&self) -> Result<Mark, String> {
        // The name of an earlier version leaves no room for a number.
        match self.life.len() == LIFE_LEN {
            true => Ok(Mark {
                life: self.life.clone(),
                commits: self.commits + 1,
            }),
            false => Mark::first(),
        }
    }

    /// Whether a database with this mark is older than the state in the file.
    fn is_older_than(&self, file: &Places) -> bool {
        let known = [&file.committed, &file.next];
        let same = known.into_iter().find(|known| known.life == self.life);
        same.is_none_or(|known| self.commits < known.commits)
    }
}

impl std::fmt::Display for Mark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.commits {
            0 => write!(f, "{}", self.life),
            commits => write!(f, "{}-{commits}", self.life),
        }
    }
}

/// The marks in the file.
#[derive(Debug)]
struct Places {
    next: Mark,
    committed: Mark,
}

/// The mark of an open store. Its writer changes it.
pub(super) struct Generation {
    path: PathBuf,
    file: Option<File>,
    present: Mark,
    synced: Option<Instant>,
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
    for place in [NEXT, COMMITTED] {
        write(&mut file, place, RESTORED)?;
    }
    file.sync_data()
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
        let mut present = Mark::of(mark.as_deref().unwrap_or(NONE));
        let is_put_back = match &known {
            _ if is_new => false,
            Some(known) => present.is_older_than(known),
            None => mark.is_some(),
        };
        if is_put_back {
            present = Mark::first()?;
            doubt(connection, &present, now).map_err(|e| e.to_string())?;
            tracing::warn!(
                path = %store.display(),
                "the store is an older copy: waiting work is looked for before it is done, and messages that may have \
                 been answered are not acted on again"
            );
        }
        let is_there = known.is_some_and(|known| known.committed == present);
        let file = match is_there {
            true => None,
            // The database has its mark already, so an end of the process in between is noticed as well.
            false => {
                let written = open(&path).and_then(|mut file| {
                    write(&mut file, NEXT, &present.to_string())?;
                    write(&mut file, COMMITTED, &present.to_string())?;
                    file.sync_data()?;
                    Ok(file)
                });
                Some(written.map_err(|e| failed(&e))?)
            }
        };
        Ok(Generation {
            path,
            file,
            present,
            synced: None,
        })
    }

    /// The mark of the next commit. It stands in the file when this returns, and is to be committed now. `None`: the file
    /// cannot be written, and the present mark stays.
    pub(super) fn next(&mut self, now: Instant) -> Option<String> {
        let next = self.present.next().ok()?.to_string();
        if let Err(error) = self.write(NEXT, &next, now) {
            tracing::debug!(path = %self.path.display(), %error, "the mark of the store is not changed");
            return None;
        }
        Some(next)
    }

    /// The mark of [`Generation::next`] was committed.
    pub(super) fn is_committed(&mut self, mark: &str, now: Instant) {
        self.present = Mark::of(mark);
        if let Err(error) = self.write(COMMITTED, mark, now) {
            tracing::debug!(path = %self.path.display(), %error, "the mark of the store is not changed");
        }
    }

    fn write(&mut self, place: u64, mark: &str, now: Instant) -> std::io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(open(&self.path)?),
        };
        write(file, place, mark)?;
        let is_due = |synced| now.duration_since(synced) >= SYNCED_EVERY;
        if self.synced.is_none_or(is_due) {
            file.sync_data()?;
            self.synced = Some(now);
        }
        Ok(())
    }
}

/// Gives a database that was put back a mark of its own, and doubts its waiting work.
fn doubt(connection: &mut Connection, mark: &Mark, now: DateTime<Utc>) -> rusqlite::Result<()> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    tx.execute(SET_MARK, [mark.to_string()])?;
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
    file.write_all(line.as_bytes())
}

fn read(path: &Path) -> std::io::Result<Places> {
    let mut text = Vec::new();
    let most = u64::try_from(4 * MARK_LEN).unwrap_or_default();
    File::open(path)?.take(most).read_to_end(&mut text)?;
    let text = String::from_utf8_lossy(&text);
    let mut marks = text.lines().map(|line| Mark::of(line.trim()));
    let mut mark = || marks.next().unwrap_or_else(|| Mark::of(""));
    Ok(Places {
        next: mark(),
        committed: mark(),
    })
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
            let mark = generation.next(Instant::now()).unwrap();
            if commits {
                self.connection.execute(SET_MARK, [&mark]).unwrap();
                generation.is_committed(&mark, Instant::now());
            }
        }
    }

    #[test]
    fn an_older_copy_is_noticed_and_a_continued_store_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let mut life = Life::of(folder.path());
        let (mut generation, put_back) = life.starts(true);
        assert!(!put_back);
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
    fn a_copy_that_lacks_the_last_commit_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let mut life = Life::of(folder.path());
        let (mut generation, _) = life.starts(true);
        life.changes(&mut generation, true);
        let copy = std::fs::read(&life.store).unwrap();
        life.changes(&mut generation, true);
        drop(life);
        std::fs::write(folder.path().join("ivan.db"), copy).unwrap();
        assert!(Life::of(folder.path()).starts(false).1);
    }

    #[test]
    fn marks_that_a_power_loss_took_from_the_file_are_no_sign() {
        let folder = tempfile::tempdir().unwrap();
        let mut life = Life::of(folder.path());
        let (mut generation, _) = life.starts(true);
        life.changes(&mut generation, true);
        let synced = std::fs::read(file_of(&life.store)).unwrap();
        for _ in 0..3 {
            life.changes(&mut generation, true);
        }
        std::fs::write(file_of(&life.store), synced).unwrap();
        assert!(!life.starts(false).1);
    }

    #[test]
    fn a_store_with_a_mark_of_an_earlier_version_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let mut life = Life::of(folder.path());
        let old = "0123456789abcdef0123456789abcdef";
        life.connection.execute(SET_MARK, [old]).unwrap();
        std::fs::write(
            file_of(&life.store),
            format!("{}\n{old}\n", "f".repeat(MARK_LEN)),
        )
        .unwrap();
        let (mut generation, put_back) = life.starts(false);
        assert!(!put_back);
        for commits in [false, true, true] {
            life.changes(&mut generation, commits);
            let (again, put_back) = life.starts(false);
            assert!(!put_back);
            generation = again;
        }
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
