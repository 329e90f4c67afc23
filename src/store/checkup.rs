//! Looks at the store for `ivan doctor`, beside a running daemon or without one. Nothing is written, and no file is made.

#![allow(clippy::disallowed_types)] // a store that cannot be opened is looked at too

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OpenFlags};

use super::columns::millis;
use super::db::{Counts, Db, Shared};
use super::migrate::MIGRATIONS;
use super::{DbResult, StoreSettings, deliveries, key, links, people, private, set_aside};
use crate::domain::link::AccountLink;
use crate::domain::person::Person;
use crate::domain::set_aside::SetAside;
use crate::domain::source::Source;
use crate::runtime::Reloadable;

/// The lines of the report about damage that are read.
const DAMAGE_MAX: usize = 5;

/// The store, its files and its folder.
#[derive(Debug)]
pub struct StoreFacts {
    /// The folder of the database.
    pub folder: PathBuf,
    /// Why nothing can be written in the folder; `None` if it can.
    pub not_writable: Option<String>,
    /// The bytes that are left on its disk; `None` if the system does not tell.
    pub free: Option<u64>,
    /// The bytes of the database and its log.
    pub bytes: u64,
    /// The network file system that it is on, as a warning.
    pub network: Option<String>,
    /// Its files that others can read or write, with their modes.
    pub open_files: Vec<(PathBuf, u32)>,
    /// Its content; `None` if the database does not exist yet.
    pub content: Option<Result<StoreContent, String>>,
}

/// The content of a database that can be opened.
#[derive(Debug)]
pub struct StoreContent {
    /// The number of its migrations, and that of this binary.
    pub version: i64,
    /// The number of migrations of this binary.
    pub newest: i64,
    /// The damage that SQLite finds.
    pub damage: Vec<String>,
    /// Why its secrets cannot be decrypted.
    pub locked: Option<String>,
    /// Its rows; `None` if the schema is another one, or the key is missing. The error is SQLite's.
    pub rows: Option<Result<StoreRows, String>>,
}

/// The rows that a checkup is about.
#[derive(Debug)]
pub struct StoreRows {
    /// The people, with their accounts as far as they are known.
    pub people: Vec<(Person, Vec<AccountLink>)>,
    /// The number of writes without an outcome, and the time of the oldest.
    pub waiting: (i64, Option<DateTime<Utc>>),
    /// Work that ended the process twice.
    pub set_aside: Vec<SetAside>,
    /// The webhooks that were registered from here: source, id, address and secret.
    pub webhooks: Vec<(Source, String, String, String)>,
    /// Whether somebody chose reactions for outcomes.
    pub wants_reactions: bool,
    /// When each source was read last.
    pub read_at: Vec<(Source, Option<DateTime<Utc>>)>,
}

/// Looks at the store at `path`.
pub fn look(path: &Path, settings: &StoreSettings, sources: &[Source]) -> StoreFacts {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    let files = ["", "-wal", "-shm", ".key"].map(|end| with_end(path, end));
    let size = |file: &PathBuf| std::fs::metadata(file).map_or(0, |file| file.len());
    StoreFacts {
        not_writable: private::not_writable(&folder),
        free: private::free_bytes(&folder),
        bytes: files.iter().take(2).map(size).sum(),
        network: private::on_a_network(path),
        open_files: files
            .into_iter()
            .chain([path.with_file_name("api-token")])
            .filter_map(|file| {
                let mode = private::mode_for_others(&file)?;
                Some((file, mode))
            })
            .collect(),
        content: path.exists().then(|| content(path, settings, sources)),
        folder,
    }
}

/// The name of a file beside the database.
pub(super) fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

/// Reads the database. Without a log beside it no daemon runs, and it is read as it is: SQLite would make one otherwise.
fn content(
    path: &Path,
    settings: &StoreSettings,
    sources: &[Source],
) -> Result<StoreContent, String> {
    let has_log = || with_end(path, "-wal").exists();
    let had_log = has_log();
    let found = read(path, settings, sources, !had_log);
    let is_sound = found.as_ref().is_ok_and(|found| found.damage.is_empty());
    match !had_log && has_log() && !is_sound {
        // A daemon has started meanwhile, and has changed pages below the first look.
        true => read(path, settings, sources, false),
        false => found,
    }
}

fn read(
    path: &Path,
    settings: &StoreSettings,
    sources: &[Source],
    immutable: bool,
) -> Result<StoreContent, String> {
    let connection = open(path, immutable).map_err(|e| e.to_string())?;
    let application = integer(&connection, "PRAGMA application_id").map_err(|e| e.to_string())?;
    let version = integer(&connection, "PRAGMA user_version").map_err(|e| e.to_string())?;
    if application != super::migrate::APPLICATION_ID && version > 0 {
        return Err(format!(
            "it belongs to another program (application_id {application})"
        ));
    }
    let damage = damage(&connection).unwrap_or_else(|e| vec![e.to_string()]);
    let newest = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    let mut found = StoreContent {
        version,
        newest,
        damage,
        locked: None,
        rows: None,
    };
    if version != newest || !found.damage.is_empty() {
        return Ok(found);
    }
    match key::fitting(&connection, path, settings.key_file.as_deref()) {
        Ok(key) => {
            let shared = Arc::new(Shared {
                access: Reloadable::new(settings.access.clone()),
                operators: Reloadable::new(settings.operators.clone()),
                key,
            });
            let rows = Db::of(connection, false, Arc::<Counts>::default(), shared)
                .and_then(|connection| rows(&connection, sources));
            found.rows = Some(rows.map_err(|e| e.to_string()));
        }
        Err(why) => found.locked = Some(why),
    }
    Ok(found)
}

fn integer(connection: &Connection, sql: &str) -> rusqlite::Result<i64> {
    connection.query_row(sql, [], |row| row.get(0))
}

/// A connection that only reads. `immutable`: no daemon has the store open.
pub(super) fn open(path: &Path, immutable: bool) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let connection = match url::Url::from_file_path(&absolute) {
        Ok(mut url) => {
            if immutable {
                url.set_query(Some("immutable=1"));
            }
            Connection::open_with_flags(url.as_str(), flags)?
        }
        Err(()) => Connection::open_with_flags(path, flags)?,
    };
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    Ok(connection)
}

/// SQLite's own words about damage; empty if there is none.
fn damage(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut rows = connection.prepare("PRAGMA quick_check")?;
    let rows = rows.query_map([], |row| row.get::<_, String>(0))?;
    let rows: Vec<String> = rows.take(DAMAGE_MAX).collect::<rusqlite::Result<_>>()?;
    Ok(rows.into_iter().filter(|row| row != "ok").collect())
}

fn rows(connection: &Db, sources: &[Source]) -> DbResult<StoreRows> {
    let present = people::present(connection)?;
    let mut with_links = Vec::new();
    for person in present.iter() {
        let mut accounts = Vec::new();
        for source in Source::ALL {
            accounts.extend(links::of(connection, person.id, source)?);
        }
        with_links.push((person.clone(), accounts));
    }
    let mut webhooks = Vec::new();
    let mut read_at = Vec::new();
    for source in sources {
        let hooks = deliveries::registered(connection, *source)?.into_iter();
        webhooks.extend(hooks.map(|(hook, url, secret)| (*source, hook, url, secret)));
        read_at.push((*source, super::tasks::synced_at(connection, *source)?));
    }
    Ok(StoreRows {
        people: with_links,
        waiting: connection.query_row(
            "SELECT count(*), min(created_ms) FROM operations WHERE state = 'pending'",
            [],
            |row| Ok((row.get(0)?, row.get::<_, Option<i64>>(1)?.map(millis))),
        )?,
        set_aside: set_aside::all(connection)?,
        webhooks,
        wants_reactions: people::somebody_wants_reactions(connection)?,
        read_at,
    })
}
