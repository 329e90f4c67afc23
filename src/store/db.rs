//! A connection to the store. Every statement goes through [`Db`]: it is prepared once in the life of its connection,
//! and counted.
//!
//! Statements have parameters for their values, so the number of different texts is small. The counters are plain
//! additions; `GET /metrics` shows them.

#![allow(clippy::disallowed_types)] // the one place that may prepare a statement

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::config::DbConfig;
use rusqlite::{CachedStatement, Connection, OpenFlags, Params, Row, Rows, StatementStatus};

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

/// A connection that reads, or that writes within the writer's transaction.
pub struct Db {
    connection: Connection,
    counts: Arc<Counts>,
}

impl Db {
    /// Opens the file. Its first use by a daemon is [`migrate`](super::migrate::migrate).
    pub(super) fn open(path: &Path, query_only: bool, counts: Arc<Counts>) -> rusqlite::Result<Db> {
        let connection = Connection::open_with_flags(
            path,
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?;
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "query_only", query_only)?;
        Db::of(connection, counts)
    }

    fn of(connection: Connection, counts: Arc<Counts>) -> rusqlite::Result<Db> {
        // A plan does not depend on the values of its parameters: otherwise SQLite would plan again for each.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        Ok(Db { connection, counts })
    }

    /// Runs a statement that returns no rows. Returns the number of rows that it changed.
    pub fn execute<P: Params>(&self, sql: &str, params: P) -> rusqlite::Result<usize> {
        self.statement(sql)?.execute(params)
    }

    /// The first row of a query. Without one: `QueryReturnedNoRows`.
    pub fn query_row<T, P, F>(&self, sql: &str, params: P, read: F) -> rusqlite::Result<T>
    where
        P: Params,
        F: FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    {
        self.statement(sql)?.query_row(params, read)
    }

    /// All rows of a query.
    pub fn query_map<T, C, P, F>(&self, sql: &str, params: P, read: F) -> rusqlite::Result<C>
    where
        C: FromIterator<T>,
        P: Params,
        F: FnMut(&Row<'_>) -> rusqlite::Result<T>,
    {
        self.statement(sql)?.query_map(params, read)?.collect()
    }

    /// The rows of a query, one after the other, as far as `read` asks for them.
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

    /// For migrations, whose statements run once.
    pub(super) fn raw(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// Begins a write transaction.
    pub(super) fn begin(&self) -> rusqlite::Result<Transaction<'_>> {
        self.execute("BEGIN IMMEDIATE", [])?;
        Ok(Transaction {
            db: self,
            changes_before: self.connection.total_changes(),
        })
    }

    /// A statement that is to run once. It is prepared if this connection never ran it, or if the schema has changed.
    fn statement(&self, sql: &str) -> rusqlite::Result<CachedStatement<'_>> {
        let statement = self.connection.prepare_cached(sql)?;
        self.counts.executed.fetch_add(1, Ordering::Relaxed);
        let is_new = statement.get_status(StatementStatus::Run) == 0;
        let again = statement.reset_status(StatementStatus::RePrepare);
        let prepared = u64::from(is_new) + u64::try_from(again).unwrap_or_default();
        if prepared > 0 {
            tracing::trace!(sql, "prepared");
            self.counts.prepared.fetch_add(prepared, Ordering::Relaxed);
        }
        Ok(statement)
    }
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
impl Db {
    /// A new store in memory.
    pub fn in_memory() -> Db {
        let mut connection = Connection::open_in_memory().unwrap();
        super::migrate::migrate(&mut connection, super::migrate::MIGRATIONS).unwrap();
        Db::of(connection, Arc::default()).unwrap()
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
}
