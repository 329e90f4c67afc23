//! One writer that commits what is waiting together; readers that never block it.
//!
//! - SQLite has one writer at a time anyway. Giving it a thread and a queue means that nobody ever meets `SQLITE_BUSY`,
//!   and that everything which piled up during one fsync shares the next: under load a commit costs a fraction of one.
//! - Each job runs in a savepoint: one that fails takes nothing with it. A failed COMMIT fails every job of its batch:
//!   nobody hears "done" of what is not on the disk (P1).
//! - `synchronous=FULL` in WAL mode syncs the log at every commit.
//! - Readers are connections of their own with `query_only`: in WAL mode they see the last commit and block nobody.
//! - A lock on a file beside the store keeps a second daemon out; it goes with the process, however that ends.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions, TryLockError};
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use tokio::sync::{Notify, Semaphore, mpsc, oneshot, watch};

use super::migrate::{MIGRATIONS, migrate};

/// The store could not take or give something: disk full, database damaged or not ours. Nothing of it was kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the store at {path}: {why}")]
pub struct StoreTrouble {
    pub path: String,
    pub why: String,
}

/// Jobs that may wait for the writer; past that, whoever brings one waits.
const QUEUE: usize = 1024;
/// Jobs that share one commit at most, so that the first of them is not kept waiting.
const BATCH: usize = 256;
/// Reading connections at most.
const READERS: usize = 4;

/// Who is to be woken by a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wake {
    /// A message of a person was kept.
    Heard,
    /// A webhook delivery was kept.
    Delivered,
    /// An operation was committed.
    Operations,
    /// A message is to be posted or brought up to date.
    Messages,
    /// A command has something new to say, or a message was posted.
    Settled,
    /// A reaction of ours is to be placed or taken away.
    Reactions,
    /// What Home tabs show may have changed, or one was opened.
    Homes,
}

/// What wakes whom. Nothing in Ivan looks at a table on a timer.
#[derive(Debug, Default)]
pub struct Signals {
    pub heard: Notify,
    pub delivered: Notify,
    pub operations: Notify,
    pub messages: Notify,
    pub reactions: Notify,
    pub homes: Notify,
    settled: watch::Sender<u64>,
}

impl Signals {
    fn fire(&self, wake: Wake) {
        match wake {
            Wake::Heard => self.heard.notify_one(),
            Wake::Delivered => self.delivered.notify_one(),
            Wake::Operations => self.operations.notify_one(),
            Wake::Messages => self.messages.notify_one(),
            Wake::Reactions => self.reactions.notify_one(),
            Wake::Homes => self.homes.notify_one(),
            Wake::Settled => self
                .settled
                .send_modify(|count| *count = count.wrapping_add(1)),
        }
    }

    /// Changes each time that a command or a message got further.
    pub fn settled(&self) -> watch::Receiver<u64> {
        self.settled.subscribe()
    }
}

/// The SQLite file. Clones share it.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    jobs: mpsc::Sender<Box<dyn Job>>,
    readers: Mutex<Vec<Connection>>,
    reading: Semaphore,
    signals: Arc<Signals>,
}

/// A write transaction. What it wakes is woken once it is committed.
pub struct Tx<'a> {
    connection: &'a Connection,
    wakes: RefCell<BTreeSet<Wake>>,
}

impl Tx<'_> {
    pub fn wake(&self, wake: Wake) {
        self.wakes.borrow_mut().insert(wake);
    }
}

impl std::ops::Deref for Tx<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection
    }
}

impl Store {
    /// Opens or makes the file (mode 0600), brings it up to date, and starts its writer.
    ///
    /// Fails if another daemon has it, if it is of a newer Ivan, or if it cannot be written.
    pub fn open(path: &Path) -> Result<Store, StoreTrouble> {
        let lock = lock(path).map_err(|why| StoreTrouble {
            path: path.display().to_string(),
            why,
        })?;
        Store::opened(path, Some(lock))
    }

    /// Opens the file beside a daemon that may be using it: for a command that writes a row and ends. SQLite has the
    /// two take turns.
    pub fn beside(path: &Path) -> Result<Store, StoreTrouble> {
        Store::opened(path, None)
    }

    fn opened(path: &Path, lock: Option<File>) -> Result<Store, StoreTrouble> {
        let trouble = |why: String| StoreTrouble {
            path: path.display().to_string(),
            why,
        };
        make_private(path).map_err(|e| trouble(format!("it cannot be made: {e}")))?;
        let mut connection = connect(path, false).map_err(|e| trouble(e.to_string()))?;
        migrate(&mut connection, MIGRATIONS).map_err(trouble)?;
        let signals = Arc::new(Signals::default());
        let (jobs, queue) = mpsc::channel(QUEUE);
        let writer = Writer {
            connection,
            signals: Arc::clone(&signals),
            path: path.display().to_string(),
            _lock: lock,
        };
        std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || writer.run(queue))
            .map_err(|e| trouble(format!("its writer cannot be started: {e}")))?;
        Ok(Store {
            inner: Arc::new(Inner {
                path: path.to_owned(),
                jobs,
                readers: Mutex::default(),
                reading: Semaphore::new(READERS),
                signals,
            }),
        })
    }

    pub fn signals(&self) -> &Signals {
        &self.inner.signals
    }

    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// Runs `work` in a transaction; when this returns `Ok`, it is committed and synced.
    pub async fn write<T, F>(&self, work: F) -> Result<T, StoreTrouble>
    where
        T: Send + 'static,
        F: FnOnce(&Tx<'_>) -> rusqlite::Result<T> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job = Box::new(Work {
            work: Some(work),
            result: None,
            answer,
        });
        let stopped = |_| self.trouble("its writer has stopped; see the log for why");
        self.inner.jobs.send(job).await.map_err(|_| stopped(()))?;
        answered.await.map_err(|_| stopped(()))?
    }

    /// Runs `work` on a reading connection, which sees everything committed before.
    pub async fn read<T, F>(&self, work: F) -> Result<T, StoreTrouble>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let inner = Arc::clone(&self.inner);
        let _turn = self
            .inner
            .reading
            .acquire()
            .await
            .map_err(|_| self.trouble("it is closed"))?;
        tokio::task::spawn_blocking(move || {
            let pooled = readers(&inner).pop();
            let connection = match pooled {
                Some(connection) => connection,
                None => connect(&inner.path, true)?,
            };
            let result = work(&connection);
            readers(&inner).push(connection);
            result
        })
        .await
        .map_err(|e| self.trouble(&format!("a reader stopped: {e}")))?
        .map_err(|e| self.trouble(&e.to_string()))
    }

    fn trouble(&self, why: &str) -> StoreTrouble {
        StoreTrouble {
            path: self.inner.path.display().to_string(),
            why: why.to_owned(),
        }
    }
}

fn readers(inner: &Inner) -> std::sync::MutexGuard<'_, Vec<Connection>> {
    inner.readers.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes the lock of the store for the life of the process.
fn lock(path: &Path) -> Result<File, String> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let name = PathBuf::from(name);
    let file = open_private(&name)
        .map_err(|e| format!("its lock {} cannot be made: {e}", name.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(
            "another `ivan serve` is using it; stop that one, or give this one another store.path"
                .to_owned(),
        ),
        Err(TryLockError::Error(e)) => {
            Err(format!("its lock {} cannot be taken: {e}", name.display()))
        }
    }
}

/// SQLite gives the log and the index beside a database the database's own mode.
fn make_private(path: &Path) -> std::io::Result<()> {
    open_private(path).map(drop)
}

fn open_private(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn connect(path: &Path, query_only: bool) -> rusqlite::Result<Connection> {
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

struct Writer {
    connection: Connection,
    signals: Arc<Signals>,
    path: String,
    /// Let go of after the connection: nobody else may write before.
    _lock: Option<File>,
}

impl Writer {
    /// Until every [`Store`] is dropped and the queue is empty.
    fn run(mut self, mut queue: mpsc::Receiver<Box<dyn Job>>) {
        let mut batch = Vec::with_capacity(BATCH);
        while queue.blocking_recv_many(&mut batch, BATCH) > 0 {
            let committed = self.commit(&mut batch);
            if let Err(trouble) = &committed {
                tracing::error!(error = %trouble, jobs = batch.len(), "nothing of a batch of writes was kept: {trouble}");
            }
            let wakes = batch
                .drain(..)
                .flat_map(|job| job.finish(committed.clone(), &self.path))
                .collect::<BTreeSet<Wake>>();
            wakes.into_iter().for_each(|wake| self.signals.fire(wake));
        }
    }

    fn commit(&mut self, batch: &mut [Box<dyn Job>]) -> Result<(), StoreTrouble> {
        let path = self.path.clone();
        let trouble = |e: rusqlite::Error| StoreTrouble {
            path: path.clone(),
            why: e.to_string(),
        };
        let mut tx = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(trouble)?;
        for job in batch {
            let savepoint = tx.savepoint().map_err(trouble)?;
            if job.run(&savepoint) {
                savepoint.commit().map_err(trouble)?;
            }
        }
        tx.commit().map_err(trouble)
    }
}

/// A write that waits for its turn.
trait Job: Send {
    /// Runs it; whether its effects are to be kept.
    fn run(&mut self, connection: &Connection) -> bool;
    /// Tells whoever waits; returns whom to wake.
    fn finish(self: Box<Self>, committed: Result<(), StoreTrouble>, path: &str) -> BTreeSet<Wake>;
}

struct Work<T, F> {
    work: Option<F>,
    result: Option<Result<(T, BTreeSet<Wake>), String>>,
    answer: oneshot::Sender<Result<T, StoreTrouble>>,
}

impl<T, F> Job for Work<T, F>
where
    T: Send,
    F: FnOnce(&Tx<'_>) -> rusqlite::Result<T> + Send,
{
    fn run(&mut self, connection: &Connection) -> bool {
        let Some(work) = self.work.take() else {
            return false;
        };
        let tx = Tx {
            connection,
            wakes: RefCell::default(),
        };
        // A panic in one job must not take the writer, and with it everybody, down.
        let result = std::panic::catch_unwind(AssertUnwindSafe(|| work(&tx)));
        self.result = Some(match result {
            Ok(Ok(value)) => Ok((value, tx.wakes.into_inner())),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("a write panicked; see the log".to_owned()),
        });
        matches!(self.result, Some(Ok(_)))
    }

    fn finish(self: Box<Self>, committed: Result<(), StoreTrouble>, path: &str) -> BTreeSet<Wake> {
        let failed = |why: String| StoreTrouble {
            path: path.to_owned(),
            why,
        };
        let (answer, wakes) = match (committed, self.result) {
            (Err(trouble), _) => (Err(trouble), BTreeSet::new()),
            (Ok(()), Some(Ok((value, wakes)))) => (Ok(value), wakes),
            (Ok(()), Some(Err(why))) => (Err(failed(why)), BTreeSet::new()),
            (Ok(()), None) => (
                Err(failed("a write was not run".to_owned())),
                BTreeSet::new(),
            ),
        };
        // Whoever asked may have gone away; what is committed stays.
        let _ = self.answer.send(answer);
        wakes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(folder: &tempfile::TempDir) -> Result<Store, StoreTrouble> {
        Store::open(&folder.path().join("ivan.db"))
    }

    async fn names(store: &Store) -> Vec<String> {
        store
            .read(|connection| {
                connection
                    .prepare("SELECT name FROM people ORDER BY name")?
                    .query_map([], |row| row.get(0))?
                    .collect()
            })
            .await
            .unwrap()
    }

    fn add(name: String) -> impl FnOnce(&Tx<'_>) -> rusqlite::Result<()> + Send {
        move |tx| {
            tx.execute("INSERT INTO people (name) VALUES (?1)", [name])
                .map(drop)
        }
    }

    #[tokio::test]
    async fn one_that_fails_takes_nothing_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder).unwrap();
        let writes = (0..50).map(|n| {
            let store = store.clone();
            async move {
                store
                    .write(move |tx| {
                        add(format!("{n:02}"))(tx)?;
                        if n % 10 == 3 {
                            return Err(rusqlite::Error::QueryReturnedNoRows);
                        }
                        assert!(n % 10 != 7, "a panic is contained");
                        Ok(())
                    })
                    .await
            }
        });
        let results = futures_util::future::join_all(writes).await;
        let kept = names(&store).await;
        assert_eq!(kept.len(), 40);
        for (n, result) in results.iter().enumerate() {
            assert_eq!(
                result.is_ok(),
                kept.contains(&format!("{n:02}")),
                "{n}: {result:?}"
            );
        }
    }

    #[tokio::test]
    async fn what_was_answered_is_there_after_opening_again() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder).unwrap();
        store.write(add("Ana".into())).await.unwrap();
        drop(store);
        // The writer lets go of the file once its queue is closed.
        let mut reopened = open(&folder);
        while reopened.is_err() {
            tokio::task::yield_now().await;
            reopened = open(&folder);
        }
        assert_eq!(names(&reopened.unwrap()).await, ["Ana"]);
    }

    #[tokio::test]
    async fn a_second_daemon_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let _first = open(&folder).unwrap();
        let refusal = open(&folder).err().unwrap().to_string();
        assert!(refusal.contains("another `ivan serve`"), "{refusal}");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn the_file_is_the_owners_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder).unwrap();
        store.write(add("Ana".into())).await.unwrap();
        for name in ["ivan.db", "ivan.db-wal", "ivan.db.lock"] {
            let mode = std::fs::metadata(folder.path().join(name))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }

    #[tokio::test]
    async fn readers_cannot_write() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder).unwrap();
        let refusal = store
            .read(|connection| connection.execute("DELETE FROM people", []))
            .await
            .unwrap_err();
        assert!(refusal.why.contains("readonly"), "{refusal}");
    }

    #[tokio::test]
    async fn commits_are_synced_in_full() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder).unwrap();
        let (journal, synchronous): (String, i64) = store
            .write(|tx| {
                let journal = tx.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
                let synchronous = tx.query_row("PRAGMA synchronous", [], |row| row.get(0))?;
                Ok((journal, synchronous))
            })
            .await
            .unwrap();
        assert_eq!((journal.as_str(), synchronous), ("wal", 2));
    }
}
