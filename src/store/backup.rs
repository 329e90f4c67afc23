//! Copies of the store, made beside a running daemon, and put back.
//!
//! A copy is written under another name, verified, synced and renamed: at any instant its name means the old file or the
//! whole new one. SQLite's backup API copies in one read transaction, so the daemon's writes neither wait for it nor
//! restart it.

#![allow(clippy::disallowed_types)] // it works on files that are no open store

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::migrate::{APPLICATION_ID, MIGRATIONS, migrate};
use super::pool::{StoreError, StoreSettings, lock};
use super::private;
use super::{generation, key};

/// How long SQLite waits for another process, such as a checkpoint of the daemon.
const BUSY: Duration = Duration::from_secs(10);
/// A copy that was not written to for this long was left by a process that died.
const LEFT_AFTER: Duration = Duration::from_secs(600);
/// The damage that is named.
const DAMAGE_MAX: usize = 3;

/// A copy that was made and verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreCopy {
    /// The size of the copy.
    pub bytes: u64,
    /// The number of its migrations.
    pub version: usize,
    /// The file with the key of its secrets, which is not in the copy; `None` if it has no secrets.
    pub key: Option<PathBuf>,
}

/// A store that was put back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoredStore {
    /// The copy as it was put in place.
    pub copy: StoreCopy,
    /// The former store; `None` if there was none.
    pub kept: Option<PathBuf>,
    /// Why the secrets of the copy cannot be decrypted with the present key.
    pub locked: Option<String>,
}

/// Copies the store at `path` to `file`, which is replaced only with `replace`.
///
/// # Errors
/// There is no store, the file cannot be written, or the copy is damaged. The file is then as it was before.
pub fn back_up(
    path: &Path,
    settings: &StoreSettings,
    file: &Path,
    replace: bool,
) -> Result<StoreCopy, StoreError> {
    let failed = |why: String| StoreError {
        path: path.display().to_string(),
        why,
    };
    if !path.is_file() {
        return Err(failed("there is no such file".to_owned()));
    }
    let to = |why: String| StoreError {
        path: file.display().to_string(),
        why,
    };
    is_writable(path, file, replace).map_err(to)?;
    let made = Partial::of(file).map_err(to)?;
    let source = open(path).map_err(|e| failed(e.to_string()))?;
    let copy = made.copy(&source).map_err(|why| match why {
        CopyError::Source(why) => failed(why),
        CopyError::Copy(why) => to(why),
    })?;
    let copy = StoreCopy {
        key: copy.secrets.then(|| key_file(path, settings)),
        bytes: copy.bytes,
        version: copy.version,
    };
    made.becomes(file).map_err(to)?;
    Ok(copy)
}

/// Puts a verified copy in the place of the store at `path`, which is kept under another name.
///
/// # Errors
/// A daemon has the store, or the copy is damaged, of another program or of a newer Ivan. The store is then as it was.
pub fn restore(
    path: &Path,
    settings: &StoreSettings,
    from: &Path,
    now: DateTime<Utc>,
) -> Result<RestoredStore, StoreError> {
    let failed = |why: String| StoreError {
        path: path.display().to_string(),
        why,
    };
    let of_copy = |why: String| StoreError {
        path: from.display().to_string(),
        why,
    };
    if !from.is_file() {
        return Err(of_copy("there is no such file".to_owned()));
    }
    let _held = lock(path).map_err(failed)?;
    if is_same(path, from) {
        return Err(of_copy("it is the store itself".to_owned()));
    }
    let made = Partial::of(path).map_err(failed)?;
    let source = open_copy(from).map_err(|e| of_copy(of_sqlite(&e)))?;
    let copied = made.copy(&source).map_err(|why| match why {
        CopyError::Source(why) | CopyError::Copy(why) => of_copy(why),
    })?;
    // Secrets of earlier versions may not be encrypted.
    let locked = match copied.secrets && copied.version == MIGRATIONS.len() {
        true => made
            .connect()
            .map_err(|e| e.to_string())
            .and_then(|copy| key::fitting(&copy, path, settings.key_file.as_deref()).map(drop)),
        false => Ok(()),
    };
    let kept = set_apart(path, now).map_err(|e| failed(format!("it cannot be set apart: {e}")))?;
    // Before the copy is in its place: at worst the former store is taken as put back.
    generation::is_restored(path)
        .map_err(|e| failed(format!("the next start cannot be told of it: {e}")))?;
    made.becomes(path).map_err(failed)?;
    Ok(RestoredStore {
        copy: StoreCopy {
            key: copied.secrets.then(|| key_file(path, settings)),
            bytes: copied.bytes,
            version: copied.version,
        },
        kept,
        locked: locked.err(),
    })
}

fn key_file(path: &Path, settings: &StoreSettings) -> PathBuf {
    let configured = settings.key_file.clone();
    configured.unwrap_or_else(|| key::file_beside(path))
}

/// Refuses a file that must not or cannot become a copy, or an export.
pub(super) fn is_writable(path: &Path, file: &Path, replace: bool) -> Result<(), String> {
    let of_the_store = ["", "-wal", "-shm", ".lock", ".key", ".generation", ".lease"]
        .map(|end| with_end(path, end));
    if of_the_store.iter().any(|own| is_same(own, file)) {
        return Err("it belongs to the store itself; name another file".to_owned());
    }
    let folder = private::folder_of(file);
    if !folder.is_dir() {
        return Err(format!("the folder {} does not exist", folder.display()));
    }
    match std::fs::symlink_metadata(file) {
        Err(_) => Ok(()),
        Ok(found) if !found.is_file() => Err("it is no regular file".to_owned()),
        Ok(_) if replace => Ok(()),
        Ok(_) => {
            Err("it exists already; name another file, or add --force to replace it".to_owned())
        }
    }
}

/// Whether two names mean the same file.
fn is_same(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}

fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

/// Opens a store that a daemon may be using.
fn open(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    Ok(connection)
}

/// Opens a copy. Without a log beside it nobody uses it, and it may be on a disk that takes no writes.
fn open_copy(file: &Path) -> rusqlite::Result<Connection> {
    if with_end(file, "-wal").exists() {
        return open(file);
    }
    let mut address = "file:".to_owned();
    for byte in file.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
                address.push(char::from(*byte));
            }
            byte => address.push_str(&format!("%{byte:02X}")),
        }
    }
    address.push_str("?immutable=1");
    Connection::open_with_flags(
        address,
        OpenFlags::SQLITE_OPEN_READ_ONLY
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_URI,
    )
}

pub(super) fn of_sqlite(error: &rusqlite::Error) -> String {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    match error.sqlite_error_code() {
        Some(NotADatabase) => "it is no SQLite database".to_owned(),
        Some(DatabaseCorrupt) => format!("it is damaged ({error})"),
        _ => error.to_string(),
    }
}

/// Why there is no copy.
enum CopyError {
    /// The database that was to be copied.
    Source(String),
    /// The copy.
    Copy(String),
}

/// What was found in a copy.
struct Verified {
    bytes: u64,
    version: usize,
    secrets: bool,
}

/// A file under a temporary name; removed unless it becomes another one.
pub(super) struct Partial {
    path: PathBuf,
}

impl Partial {
    /// Makes an empty file beside `file` that only its owner can read, and removes those of processes that died.
    pub(super) fn of(file: &Path) -> Result<Partial, String> {
        remove_left(file);
        let path = with_end(file, &format!(".{}.partial", std::process::id()));
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let made = options.open(&path);
        made.map_err(|e| format!("{} cannot be made: {e}", path.display()))?;
        Ok(Partial { path })
    }

    /// Its temporary name.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn connect(&self) -> rusqlite::Result<Connection> {
        let connection = open(&self.path)?;
        // Temporary data must not need room elsewhere.
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        Ok(connection)
    }

    /// Copies a database and verifies the copy.
    fn copy(&self, source: &Connection) -> Result<Verified, CopyError> {
        let of_copy = |e: rusqlite::Error| CopyError::Copy(of_sqlite(&e));
        // A damaged or foreign source is not worth a copy.
        version(source).map_err(CopyError::Source)?;
        let mut copy = self.connect().map_err(of_copy)?;
        {
            let backup = Backup::new(source, &mut copy).map_err(of_copy)?;
            // All in one step: one read transaction, in which nobody is held up.
            loop {
                match backup.step(-1).map_err(of_copy)? {
                    StepResult::Done => break,
                    StepResult::More => {}
                    _ => {
                        let why = "another process holds it; try again";
                        return Err(CopyError::Source(why.to_owned()));
                    }
                }
            }
        }
        // One file, which can be read anywhere.
        copy.pragma_update(None, "journal_mode", "DELETE")
            .map_err(of_copy)?;
        // It has the pages of its source, so damage is the source's.
        let found = verified(&copy).map_err(CopyError::Source)?;
        copy.close().map_err(|(_, e)| of_copy(e))?;
        let bytes = std::fs::metadata(&self.path).map_or(0, |file| file.len());
        Ok(Verified { bytes, ..found })
    }

    /// Syncs the file and gives it its name.
    pub(super) fn becomes(self, file: &Path) -> Result<(), String> {
        let moved = File::open(&self.path)
            .and_then(|made| made.sync_all())
            .and_then(|()| std::fs::rename(&self.path, file));
        moved.map_err(|e| format!("the new file cannot be moved there: {e}"))?;
        private::sync_folder(file);
        Ok(())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        for end in ["", "-journal", "-wal", "-shm"] {
            let _ = std::fs::remove_file(with_end(&self.path, end));
        }
    }
}

/// Removes copies to this file that were never finished.
fn remove_left(file: &Path) {
    let Some(name) = file.file_name() else {
        return;
    };
    let begin = format!("{}.", name.to_string_lossy());
    let folder = private::folder_of(file);
    for found in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let called = found.file_name();
        let called = called.to_string_lossy();
        let Some(rest) = called.strip_prefix(&begin) else {
            continue;
        };
        let number = rest.split('.').next().unwrap_or_default();
        let is_ours = rest
            .strip_prefix(number)
            .is_some_and(|end| end.starts_with(".partial"))
            && number.parse::<u32>().is_ok();
        let age = found.metadata().and_then(|found| found.modified());
        let is_left = age.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > LEFT_AFTER));
        if is_ours && is_left {
            let _ = std::fs::remove_file(found.path());
        }
    }
}

/// The number of migrations of a database of ours.
pub(super) fn version(connection: &Connection) -> Result<usize, String> {
    let pragma = |name: &str| -> Result<i64, String> {
        let read = connection.pragma_query_value(None, name, |row| row.get(0));
        read.map_err(|e| of_sqlite(&e))
    };
    let found = pragma("user_version")?;
    let application = pragma("application_id")?;
    if application != APPLICATION_ID {
        return Err(match application {
            0 => "it is no store of Ivan's".to_owned(),
            other => format!("it belongs to another program (application_id {other})"),
        });
    }
    match usize::try_from(found) {
        Ok(found) if found > 0 && found <= MIGRATIONS.len() => Ok(found),
        _ => Err(format!(
            "it was written by a newer Ivan (schema version {found}, this binary knows {}); use the newer binary",
            MIGRATIONS.len()
        )),
    }
}

/// Reads all of a copy: it is whole, and has the tables of its version.
fn verified(copy: &Connection) -> Result<Verified, String> {
    let version = version(copy)?;
    let damage = texts(copy, "PRAGMA integrity_check").map_err(|e| of_sqlite(&e))?;
    if damage != ["ok"] {
        let some: Vec<String> = damage.into_iter().take(DAMAGE_MAX).collect();
        return Err(format!("it is damaged: {}", some.join("; ")));
    }
    let dangling: i64 = copy
        .query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| {
            row.get(0)
        })
        .map_err(|e| of_sqlite(&e))?;
    if dangling > 0 {
        return Err(format!(
            "it is damaged: {dangling} rows refer to others that are missing"
        ));
    }
    let missing = lacks(copy, version).map_err(|e| of_sqlite(&e))?;
    if let Some(first) = missing.first() {
        return Err(format!("it is damaged: it lacks {first}"));
    }
    let secrets = copy
        .query_row("SELECT EXISTS (SELECT 1 FROM hooks)", [], |row| row.get(0))
        .map_err(|e| of_sqlite(&e))?;
    Ok(Verified {
        bytes: 0,
        version,
        secrets,
    })
}

/// The tables and indices that a database of this version has, and this one lacks.
fn lacks(copy: &Connection, version: usize) -> rusqlite::Result<Vec<String>> {
    const NAMES: &str =
        "SELECT type || ' ' || name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY 1";
    let mut model = Connection::open_in_memory()?;
    // Our own migrations run on an empty database, as a unit test shows.
    if migrate(&mut model, MIGRATIONS.get(..version).unwrap_or_default()).is_err() {
        return Ok(Vec::new());
    }
    let there = texts(copy, NAMES)?;
    let wanted = texts(&model, NAMES)?.into_iter();
    Ok(wanted.filter(|name| !there.contains(name)).collect())
}

fn texts(connection: &Connection, sql: &str) -> rusqlite::Result<Vec<String>> {
    let mut rows = connection.prepare(sql)?;
    let rows = rows.query_map([], |row| row.get(0))?;
    rows.collect()
}

/// Gives the store another name, together with a log that cannot be merged into it; returns that name. The store keeps its
/// old name as well, until the copy takes it.
fn set_apart(path: &Path, now: DateTime<Utc>) -> std::io::Result<Option<PathBuf>> {
    if !path.exists() {
        // A log without its database would be applied to the copy.
        for end in ["-wal", "-shm"] {
            remove(&with_end(path, end))?;
        }
        return Ok(None);
    }
    let name = format!(".replaced-{}", now.format("%Y%m%dT%H%M%S%.3fZ"));
    let kept = with_end(path, &name);
    // The last connection merges the log into the database, and removes it.
    let merged = open(path).and_then(|store| {
        let _: i64 = store.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        store.close().map_err(|(_, e)| e)
    });
    if let Err(error) = merged {
        tracing::debug!(%error, "the former store cannot be read");
    }
    if std::fs::hard_link(path, &kept).is_err() {
        std::fs::copy(path, &kept)?;
        private::keep_private(&kept);
        File::open(&kept)?.sync_all()?;
    }
    let log = with_end(path, "-wal");
    if log.exists() {
        std::fs::rename(&log, with_end(&kept, "-wal"))?;
    }
    remove(&with_end(path, "-shm"))?;
    private::sync_folder(path);
    Ok(Some(kept))
}

fn remove(file: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(file) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}
