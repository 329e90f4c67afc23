//! A connection to the store. Every statement goes through [`Db`]: it is prepared once in the life of its connection,
//! and counted.
//!
//! Statements have parameters for their values, so the number of different texts is small. The counters are plain
//! additions; `GET /metrics` shows them.

#![allow(clippy::disallowed_types)] // the one place that may prepare a statement

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use rusqlite::config::DbConfig;
use rusqlite::{CachedStatement, Connection, OpenFlags, Params, Row, Rows, StatementStatus};

use super::key::StoreKey;
use crate::domain::access::TaskAccess;
use crate::domain::ids::TaskRow;
use crate::runtime::{Reloadable, lock};

/// Prepared statements kept per connection: more than there are texts.
const STATEMENTS: usize = 512;

/// The work of one kind of connection since the start.
#[derive(Debug, Default)]
pub struct Counts {
    /// Statements that SQLite parsed and planned.
    prepared: AtomicU64,
    /// Statements that ran, with those that begin and end transactions.
    executed: AtomicU64,
    /// Write transactions that changed rows and were committed. Each syncs the log once.
    committed: AtomicU64,
}

impl Counts {
    /// Statements that SQLite parsed and planned.
    pub fn prepared(&self) -> u64 {
        self.prepared.load(Ordering::Relaxed)
    }

    /// Statements that ran, with those that begin and end transactions.
    pub fn executed(&self) -> u64 {
        self.executed.load(Ordering::Relaxed)
    }

    /// Write transactions that changed rows and were committed.
    pub fn committed(&self) -> u64 {
        self.committed.load(Ordering::Relaxed)
    }
}

/// What all connections of a store share.
pub(super) struct Shared {
    /// The tasks that people may name.
    pub(super) access: Reloadable<TaskAccess>,
    /// The Slack ids of people to tell about links.
    pub(super) operators: Reloadable<Vec<String>>,
    /// The key of the secrets.
    pub(super) key: StoreKey,
}

/// A connection that reads, or that writes within the writer's transaction.
pub struct Db {
    connection: Connection,
    counts: Arc<Counts>,
    /// Only for a connection through which all changes pass.
    cached: Option<RefCell<Box<dyn Any + Send>>>,
    changes: Arc<Mutex<RowChanges>>,
    /// Answers that hold until a row of `people`, `links` or `containers` changes. Only where `cached` is, too.
    remembered: RefCell<Remembered>,
    /// The number of write transactions so far.
    transactions: Cell<u64>,
    /// SQLite's count of the changes that came through other connections: a command beside the daemon, or a person.
    outside: Cell<i64>,
    /// The transaction in which that count was read last.
    outside_read_in: Cell<Option<u64>>,
    /// Shared by the connections of a store.
    shared: Arc<Shared>,
}

/// Answers by question and subject.
type Remembered = HashMap<(&'static str, String), Box<dyn Any + Send>>;

/// Answers that are remembered at most.
const REMEMBERED_MAX: usize = 20_000;

/// Changed rows that are reported one by one. With more, `all` is set.
const ROWS_MAX: usize = 1_000;

/// The changes of a connection since they were last taken, as far as a cache needs to know them.
#[derive(Debug, Default)]
pub(super) struct RowChanges {
    /// Changed rows of `tasks`.
    pub(super) tasks: HashSet<TaskRow>,
    /// Whether a row of `containers` has changed.
    pub(super) containers: bool,
    /// Whether a row of `people` or `links` has changed.
    pub(super) people: bool,
    /// Whether a row of `operations` has changed.
    pub(super) operations: bool,
    /// Whether anything may have changed: a rollback, too many rows, or another connection.
    pub(super) all: bool,
    /// Whether a row of `people`, `links` or `containers` may have changed since [`Db::remembered`] was last used.
    forget: bool,
}

impl RowChanges {
    fn add(&mut self, table: &str, row: TaskRow) {
        match table {
            "tasks" if self.all => {}
            "tasks" => {
                self.tasks.insert(row);
                if self.tasks.len() > ROWS_MAX {
                    self.lose();
                }
            }
            "containers" => {
                self.containers = true;
                self.forget = true;
            }
            "people" | "links" => {
                self.people = true;
                self.forget = true;
            }
            "operations" => self.operations = true,
            _ => {}
        }
    }

    fn lose(&mut self) {
        self.all = true;
        self.forget = true;
        self.tasks.clear();
    }
}

impl Db {
    /// Opens the file. Its first use by a daemon is [`migrate`](super::migrate::migrate).
    pub(super) fn open(
        path: &Path,
        query_only: bool,
        counts: Arc<Counts>,
        shared: &Arc<Shared>,
    ) -> rusqlite::Result<Db> {
        Db::of(
            Db::connect(path, query_only)?,
            !query_only,
            counts,
            Arc::clone(shared),
        )
    }

    /// Opens the file, before its key is known.
    pub(super) fn connect(path: &Path, query_only: bool) -> rusqlite::Result<Connection> {
        let connection = Connection::open_with_flags(
            path,
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?;
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "query_only", query_only)?;
        Ok(connection)
    }

    /// A connection that is counted, and shares this with the others of its store.
    pub(super) fn of(
        mut connection: Connection,
        writes: bool,
        counts: Arc<Counts>,
        shared: Arc<Shared>,
    ) -> rusqlite::Result<Db> {
        // A plan does not depend on the values of its parameters: otherwise SQLite would plan again for each.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        let changes = Arc::new(Mutex::new(RowChanges::default()));
        let cached: Option<RefCell<Box<dyn Any + Send>>> = match writes {
            true => {
                report(&mut connection, &changes)?;
                Some(RefCell::new(Box::new(())))
            }
            false => None,
        };
        Ok(Db {
            connection,
            counts,
            cached,
            changes,
            remembered: RefCell::default(),
            transactions: Cell::new(0),
            outside: Cell::new(0),
            outside_read_in: Cell::new(None),
            shared,
        })
    }

    /// The tasks that people may name.
    pub(super) fn access(&self) -> Arc<TaskAccess> {
        self.shared.access.get()
    }

    /// The Slack ids of people to tell about links.
    pub fn operators(&self) -> Arc<Vec<String>> {
        self.shared.operators.get()
    }

    /// The key of the secrets.
    pub(super) fn key(&self) -> &StoreKey {
        &self.shared.key
    }

    /// Runs `work` on the value that this connection derives from its rows, which begins as the default; `None` on a
    /// connection that only reads. The value follows the rows by [`Db::take_changes`].
    pub(super) fn with_cache<C: Default + Send + 'static, T>(
        &self,
        work: impl FnOnce(&mut C) -> T,
    ) -> Option<T> {
        let mut cached = self.cached.as_ref()?.borrow_mut();
        if !cached.is::<C>() {
            *cached = Box::new(C::default());
        }
        cached.downcast_mut().map(work)
    }

    /// The answer of `read` about `of`, which depends only on `people`, `links` and `containers`. In the writer's
    /// connection it is read once until one of these tables changes. `what` names the question.
    pub(super) fn remembered<T: Clone + Send + 'static>(
        &self,
        what: &'static str,
        of: impl Into<String>,
        read: impl FnOnce() -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        if self.cached.is_none() {
            return read();
        }
        self.note_changes_outside()?;
        let key = (what, of.into());
        {
            let mut remembered = self.remembered.borrow_mut();
            let forget = std::mem::take(&mut lock(&self.changes).forget);
            if forget || remembered.len() >= REMEMBERED_MAX {
                remembered.clear();
            }
            if let Some(answer) = remembered.get(&key).and_then(|one| one.downcast_ref::<T>()) {
                return Ok(answer.clone());
            }
        }
        let answer = read()?;
        let mut remembered = self.remembered.borrow_mut();
        remembered.insert(key, Box::new(answer.clone()));
        Ok(answer)
    }

    /// The changes since the last call.
    pub(super) fn take_changes(&self) -> rusqlite::Result<RowChanges> {
        self.note_changes_outside()?;
        let mut changes = lock(&self.changes);
        let forget = changes.forget;
        let taken = std::mem::take(&mut *changes);
        changes.forget = forget;
        Ok(taken)
    }

    /// Notes that anything may have changed if another connection has written. No other connection writes while a write
    /// transaction is open: one look is enough for all of it.
    fn note_changes_outside(&self) -> rusqlite::Result<()> {
        let transaction = self.transaction();
        if transaction.is_some() && transaction == self.outside_read_in.get() {
            return Ok(());
        }
        let now = self.query_row("PRAGMA data_version", [], |row| row.get(0))?;
        if self.outside.replace(now) != now {
            lock(&self.changes).lose();
        }
        self.outside_read_in.set(transaction);
        Ok(())
    }

    /// The number of the open write transaction; `None` outside of one.
    fn transaction(&self) -> Option<u64> {
        (!self.is_autocommit()).then(|| self.transactions.get())
    }

    /// Rolls a savepoint back. An error means that the whole transaction has ended.
    pub(super) fn roll_back_to_savepoint(&self) {
        lock(&self.changes).lose();
        let _ = self.execute("ROLLBACK TO job", []);
        let _ = self.execute("RELEASE job", []);
    }

    /// Runs a statement that returns no rows. Returns the number of rows that it changed.
    #[cfg_attr(test, track_caller)]
    pub fn execute<P: Params>(&self, sql: &str, params: P) -> rusqlite::Result<usize> {
        self.statement(sql)?.execute(params)
    }

    /// The first row of a query. Without one: `QueryReturnedNoRows`.
    #[cfg_attr(test, track_caller)]
    pub fn query_row<T, P, F>(&self, sql: &str, params: P, read: F) -> rusqlite::Result<T>
    where
        P: Params,
        F: FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    {
        self.statement(sql)?.query_row(params, read)
    }

    /// All rows of a query.
    #[cfg_attr(test, track_caller)]
    pub fn query_map<T, C, P, F>(&self, sql: &str, params: P, read: F) -> rusqlite::Result<C>
    where
        C: FromIterator<T>,
        P: Params,
        F: FnMut(&Row<'_>) -> rusqlite::Result<T>,
    {
        self.statement(sql)?.query_map(params, read)?.collect()
    }

    /// The rows of a query, one after the other, as far as `read` asks for them.
    #[cfg_attr(test, track_caller)]
    pub fn query<T, P, F>(&self, sql: &str, params: P, read: F) -> rusqlite::Result<T>
    where
        P: Params,
        F: FnOnce(&mut Rows<'_>) -> rusqlite::Result<T>,
    {
        read(&mut self.statement(sql)?.query(params)?)
    }

    /// The id of the row that was inserted last, as an id of its kind.
    pub fn inserted<T>(&self, make: fn(i64) -> T) -> T {
        make(self.connection.last_insert_rowid())
    }

    /// Whether no transaction is open.
    pub(super) fn is_autocommit(&self) -> bool {
        self.connection.is_autocommit()
    }

    /// Begins a write transaction.
    pub(super) fn begin(&self) -> rusqlite::Result<Transaction<'_>> {
        self.execute("BEGIN IMMEDIATE", [])?;
        self.transactions.set(self.transactions.get() + 1);
        Ok(Transaction {
            db: self,
            changes_before: self.connection.total_changes(),
        })
    }

    /// A statement that is to run once. It is prepared if this connection never ran it, or if the schema has changed.
    #[cfg_attr(test, track_caller)]
    fn statement(&self, sql: &str) -> rusqlite::Result<CachedStatement<'_>> {
        let statement = self.connection.prepare_cached(sql)?;
        self.counts.executed.fetch_add(1, Ordering::Relaxed);
        let is_new = statement.get_status(StatementStatus::Run) == 0;
        let again = statement.reset_status(StatementStatus::RePrepare);
        let prepared = u64::from(is_new) + u64::try_from(again).unwrap_or_default();
        if prepared > 0 {
            tracing::trace!(sql, "prepared");
            #[cfg(test)]
            plans::check(&self.connection, sql, std::panic::Location::caller());
            self.counts.prepared.fetch_add(prepared, Ordering::Relaxed);
        }
        Ok(statement)
    }
}

/// Has SQLite report the changes of a connection.
fn report(connection: &mut Connection, changes: &Arc<Mutex<RowChanges>>) -> rusqlite::Result<()> {
    let (changed, lost) = (Arc::clone(changes), Arc::clone(changes));
    connection.update_hook(Some(move |_, _: &str, table: &str, row| {
        lock(&changed).add(table, TaskRow(row));
    }))?;
    connection.rollback_hook(Some(move || lock(&lost).lose()))
}

/// The open write transaction of a connection. Dropped without a commit, it is rolled back.
pub(super) struct Transaction<'a> {
    db: &'a Db,
    changes_before: u64,
}

impl Transaction<'_> {
    /// When it returns `Ok`, all changes are on the disk.
    pub(super) fn commit(self) -> rusqlite::Result<()> {
        self.db.execute("COMMIT", [])?;
        if self.db.connection.total_changes() > self.changes_before {
            self.db.counts.committed.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        // SQLite ends a transaction by itself after some errors.
        if !self.db.is_autocommit()
            && let Err(error) = self.db.execute("ROLLBACK", [])
        {
            tracing::error!(%error, "a transaction of the store was not rolled back");
        }
    }
}

#[cfg(test)]
impl Shared {
    /// All tasks may be named; the key is no secret.
    pub(super) fn of_tests() -> Arc<Shared> {
        Arc::new(Shared {
            access: Reloadable::default(),
            operators: Reloadable::default(),
            key: StoreKey::of(&[7; 32]).unwrap(),
        })
    }
}

#[cfg(test)]
impl Db {
    /// For migrations, whose statements run once.
    pub(super) fn raw(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// A new store in memory.
    pub fn in_memory() -> Db {
        let mut connection = Connection::open_in_memory().unwrap();
        super::migrate::migrate(&mut connection, super::migrate::MIGRATIONS).unwrap();
        Db::of(connection, true, Arc::default(), Shared::of_tests()).unwrap()
    }

    /// Runs statements that are not cached: pragmas and migrations.
    pub fn execute_batch(&self, sql: &str) -> rusqlite::Result<()> {
        self.connection.execute_batch(sql)
    }

    /// The counters, shared by the connections of one store.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }
}

/// Every statement that runs in a unit test has its plan checked: none reads a whole table that grows.
#[cfg(test)]
mod plans {
    use std::panic::Location;

    use rusqlite::Connection;

    /// Tables that do not grow with people, tasks or time.
    const SMALL: [&str; 8] = [
        "alarms",
        "begun_work",
        "containers",
        "log_horizon",
        "pauses",
        "reply_urls",
        "rhythm_defaults",
        "slack_since",
    ];
    /// Statements that may read a whole table, by how they begin, with the reason.
    const MAY_SCAN: [(&str, &str); 17] = [
        (
            "SELECT name, slack_id, github, clickup_id, alone FROM people WHERE present",
            "at the start",
        ),
        ("UPDATE people SET present = 0", "at the start"),
        ("DELETE FROM links WHERE origin", "at the start"),
        ("UPDATE messages SET dropped = 'its person", "at the start"),
        (
            "SELECT id, name, slack_id, github, clickup_id, zone, alone, github_id, clickup_name FROM linked_people \
             WHERE present = 1 ORDER BY id",
            "lists all people",
        ),
        (
            "SELECT people.name FROM links JOIN people",
            "once for each `link`",
        ),
        (
            "SELECT people.id FROM people LEFT JOIN rhythms",
            "only if bot.toml has a briefing for all",
        ),
        (
            "SELECT own.briefing, own.no_briefing, own.briefed_on, own.quiet, own.no_quiet, usual.briefing, usual.quiet, people.id",
            "only if bot.toml has a briefing for all",
        ),
        ("SELECT source_key, talk_news_ms", "once for each poll"),
        (
            "SELECT log.id, at_ms",
            "newest first, until the page is full",
        ),
        (
            "SELECT EXISTS (SELECT 1 FROM slack_events WHERE handled_ms IS NULL) OR",
            "for the demo",
        ),
        (
            "DELETE FROM slack_events WHERE id IN",
            "only the oldest rows",
        ),
        ("DELETE FROM deliveries WHERE id IN", "only the oldest rows"),
        ("DELETE FROM messages WHERE id IN", "only the oldest rows"),
        (
            "DELETE FROM operations WHERE seq IN",
            "only the oldest rows",
        ),
        ("DELETE FROM reactions WHERE id IN", "only the oldest rows"),
        ("DELETE FROM commands WHERE id IN", "only the oldest rows"),
    ];

    pub(super) fn check(connection: &Connection, sql: &str, from: &Location<'_>) {
        if let Some(step) = scan(connection, sql).filter(|_| !is_in_a_test(from)) {
            panic!("{from}: a whole table is read ({step}) by {sql}");
        }
    }

    /// The step of a statement that reads a whole table, unless it may.
    pub(super) fn scan(connection: &Connection, sql: &str) -> Option<String> {
        let sql = sql.split_whitespace().collect::<Vec<_>>().join(" ");
        if MAY_SCAN.iter().any(|(begin, _)| sql.starts_with(begin)) {
            return None;
        }
        let steps = plan(connection, &sql);
        steps.into_iter().find(|step| scans(connection, &sql, step))
    }

    /// The table that a statement calls by this name, which may be an alias.
    fn table<'a>(connection: &Connection, sql: &'a str, name: &'a str) -> Option<&'a str> {
        let is_table = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?1";
        let is_table = |name: &str| -> bool {
            let count: i64 = connection
                .query_row(is_table, [name], |row| row.get(0))
                .unwrap();
            count > 0
        };
        let words: Vec<&str> = sql
            .split(|letter: char| !letter.is_alphanumeric() && letter != '_')
            .filter(|word| !word.is_empty() && *word != "AS")
            .collect();
        let mut pairs = words.windows(2);
        let mut aliased = || pairs.find(|pair| pair[1] == name && is_table(pair[0]));
        match is_table(name) {
            true => Some(name),
            false => aliased().map(|pair| pair[0]),
        }
    }

    /// Statements of the tests themselves are not checked.
    fn is_in_a_test(from: &Location<'_>) -> bool {
        let source = std::fs::read_to_string(from.file()).unwrap();
        let tests = source
            .lines()
            .position(|line| line.starts_with("mod tests {"));
        let line = usize::try_from(from.line()).unwrap();
        from.file().ends_with("tests.rs") || tests.is_some_and(|begin| line > begin)
    }

    fn plan(connection: &Connection, sql: &str) -> Vec<String> {
        // BEGIN, COMMIT and the like have no plan.
        let Ok(mut explain) = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")) else {
            return Vec::new();
        };
        let mut rows = explain.raw_query();
        let mut steps = Vec::new();
        while let Ok(Some(row)) = rows.next() {
            steps.push(row.get(3).unwrap());
        }
        steps
    }

    /// Whether a step reads all rows of a table that grows. A partial index has only the rows that wait.
    fn scans(connection: &Connection, sql: &str, step: &str) -> bool {
        let mut words = step.split(' ');
        let (Some("SCAN"), Some(name)) = (words.next(), words.next()) else {
            return false;
        };
        // A search in the full text is no walk through it.
        if step.contains(" VIRTUAL TABLE INDEX ") && !step.ends_with(':') {
            return false;
        }
        let Some(table) = table(connection, sql, name) else {
            return false;
        };
        let is_partial =
            "SELECT count(*) FROM sqlite_master WHERE name = ?1 AND sql LIKE '% WHERE %'";
        let count =
            |sql, name| -> i64 { connection.query_row(sql, [name], |row| row.get(0)).unwrap() };
        let index = words.skip_while(|word| *word != "INDEX").nth(1);
        !SMALL.contains(&table) && index.is_none_or(|index| count(is_partial, index) == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_prepared_once_and_again_if_the_schema_changes() {
        let db = Db::in_memory();
        let read = || -> Vec<i64> {
            let sql = "SELECT id FROM people WHERE id > ?1";
            db.query_map(sql, [0], |row| row.get(0)).unwrap()
        };
        let counts = || (db.counts().prepared(), db.counts().executed());
        for _ in 0..10 {
            assert!(read().is_empty());
        }
        assert_eq!(counts(), (1, 10));
        db.execute_batch("CREATE TABLE more (id INTEGER)").unwrap();
        // SQLite notices when it runs the statement, and the counter when it is next asked for.
        read();
        read();
        assert_eq!(counts(), (2, 12));
    }

    #[test]
    fn a_statement_that_reads_a_whole_table_is_found() {
        let db = Db::in_memory();
        let scan = |sql| plans::scan(&db.connection, sql);
        let planted = scan("SELECT id FROM tasks WHERE title = ?1");
        assert_eq!(planted.as_deref(), Some("SCAN tasks"));
        let by_index = "SELECT count(*) FROM tasks";
        assert!(scan(by_index).is_some_and(|step| step.contains("INDEX")));
        assert!(scan("SELECT t.id FROM tasks AS t WHERE t.title = ?1").is_some());
        assert!(scan("SELECT t.id FROM people p, tasks t WHERE t.title = p.name").is_some());
        // A search, and the rows that wait.
        assert_eq!(scan("SELECT title FROM tasks WHERE id = ?1"), None);
        let pending = "SELECT lane FROM operations WHERE state = 'pending'";
        assert_eq!(scan(pending), None);
    }

    #[test]
    fn the_cache_holds_more_statements_than_are_in_use() {
        let db = Db::in_memory();
        for _ in 0..3 {
            for n in 0..STATEMENTS {
                db.execute(&format!("DELETE FROM people WHERE id = {n}"), [])
                    .unwrap();
            }
        }
        assert_eq!(db.counts().prepared(), STATEMENTS as u64);
    }

    /// The names of the people with this GitHub login, through the memory of the connection.
    fn called(db: &Db, login: &str) -> Vec<String> {
        let read = || {
            let sql = "SELECT name FROM people WHERE github = ?1 COLLATE NOCASE";
            db.query_map(sql, [login], |row| row.get(0))
        };
        db.remembered("called", login, read).unwrap()
    }

    fn add(db: &Db, name: &str, login: &str) {
        let sql = "INSERT INTO people (name, github) VALUES (?1, ?2)";
        db.execute(sql, [name, login]).unwrap();
    }

    #[test]
    fn an_answer_is_remembered_until_a_row_changes() {
        let db = Db::in_memory();
        let transaction = db.begin().unwrap();
        add(&db, "Ana", "ana");
        assert_eq!(called(&db, "ana"), ["Ana"]);
        let before = db.counts().executed();
        assert_eq!(called(&db, "ana"), ["Ana"]);
        assert_eq!(db.counts().executed(), before);
        db.execute("UPDATE people SET name = 'Anna'", []).unwrap();
        assert_eq!(called(&db, "ana"), ["Anna"]);
        assert_eq!(called(&db, "bo"), [""; 0]);
        drop(transaction);
        assert_eq!(called(&db, "ana"), [""; 0], "it was rolled back");
    }

    #[test]
    fn a_savepoint_that_is_rolled_back_is_forgotten() {
        let db = Db::in_memory();
        let transaction = db.begin().unwrap();
        db.execute("SAVEPOINT job", []).unwrap();
        add(&db, "Ana", "ana");
        assert_eq!(called(&db, "ana"), ["Ana"]);
        db.roll_back_to_savepoint();
        assert_eq!(called(&db, "ana"), [""; 0]);
        transaction.commit().unwrap();
    }

    #[test]
    fn another_connection_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ivan.db");
        std::fs::File::create(&path).unwrap();
        let open = || Db::open(&path, false, Arc::default(), &Shared::of_tests()).unwrap();
        let (mut ours, theirs) = (open(), open());
        super::super::migrate::migrate(ours.raw(), super::super::migrate::MIGRATIONS).unwrap();
        assert_eq!(called(&ours, "ana"), [""; 0]);
        add(&theirs, "Ana", "ana");
        let transaction = ours.begin().unwrap();
        assert_eq!(called(&ours, "ana"), ["Ana"]);
        transaction.commit().unwrap();
    }
}
