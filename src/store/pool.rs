//! One writer that commits what is waiting together; readers that never block it.
//!
//! - SQLite has one writer at a time anyway. Giving it a thread and a queue means that nobody ever meets `SQLITE_BUSY`,
//!   and that everything which piled up during one fsync shares the next: under load a commit costs a fraction of one.
//! - Each job runs in a savepoint: one that fails takes nothing with it. A failed COMMIT fails every job of its batch:
//!   nobody hears "done" of what is not on the disk (P1).
//! - `synchronous=FULL` in WAL mode syncs the log at every commit.
//! - Readers are connections of their own with `query_only`: in WAL mode they see the last commit and block nobody.
//! - A lock on a file beside the store keeps a second daemon out; it goes with the process, however that ends.
//! - A commit that fails (no room, no right, an I/O error) makes the store refuse, visibly ([`Health`]): whoever has to
//!   wait for it waits for [`Store::until_well`], and a small write every second finds out when it is over. A file that
//!   is damaged, or that was replaced or removed beneath us, is the end: what would be answered from then on is lost.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions, TryLockError};
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, Semaphore, mpsc, oneshot, watch};
use tokio::time::Instant;

use super::migrate::{MIGRATIONS, migrate};
use super::private;
use super::set_aside::Suspects;
use crate::bounds::Bound;
use crate::runtime::{self, CancellationToken};

/// The store could not take or give something: disk full, database damaged or not ours. Nothing of it was kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the store at {path}: {why}")]
pub struct StoreTrouble {
    pub path: String,
    pub why: String,
}

/// How the store is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Health {
    #[default]
    Well,
    /// It takes no writes: no room, mostly. It may pass.
    Refusing { since: Instant, why: String },
    /// There is no writer any more. Only a start with a sound file helps.
    Lost { why: String },
}

/// How often a store that takes no writes is tried.
const TRY_EVERY: Duration = Duration::from_secs(1);
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
    /// When somebody is told what they have not just asked for may be another time now.
    Rhythms,
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
    pub rhythms: Notify,
    settled: watch::Sender<u64>,
    progress: watch::Sender<u64>,
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
            Wake::Rhythms => self.rhythms.notify_one(),
            Wake::Settled => self
                .settled
                .send_modify(|count| *count = count.wrapping_add(1)),
        }
    }

    /// Changes each time that a command or a message got further.
    pub fn settled(&self) -> watch::Receiver<u64> {
        self.settled.subscribe()
    }

    /// Changes after each commit, and after each call of [`Signals::progressed`].
    pub fn progress(&self) -> watch::Receiver<u64> {
        self.progress.subscribe()
    }

    /// Work that is not in the store has ended.
    pub fn progressed(&self) {
        self.progress
            .send_modify(|count| *count = count.wrapping_add(1));
    }
}

/// The SQLite file. Clones share it.
#[derive(Clone)]
pub struct Store {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    path: PathBuf,
    jobs: mpsc::Sender<Box<dyn Job>>,
    readers: Mutex<Vec<Connection>>,
    reading: Semaphore,
    signals: Arc<Signals>,
    health: Arc<watch::Sender<Health>>,
    pub(super) suspects: Suspects,
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
        for file in ["", "-wal", "-shm"] {
            private::keep_private(&beside(path, file));
        }
        let mut connection = connect(path, false).map_err(|e| trouble(e.to_string()))?;
        migrate(&mut connection, MIGRATIONS).map_err(trouble)?;
        let signals = Arc::new(Signals::default());
        let health = Arc::new(watch::Sender::default());
        let (jobs, queue) = mpsc::channel(QUEUE);
        let writer = Writer {
            connection,
            signals: Arc::clone(&signals),
            health: Arc::clone(&health),
            path: path.to_owned(),
            file: Identity::of(path).map_err(|e| trouble(e.to_string()))?,
            _lock: lock,
        };
        std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || watched(writer, queue))
            .map_err(|e| trouble(format!("its writer cannot be started: {e}")))?;
        Ok(Store {
            inner: Arc::new(Inner {
                path: path.to_owned(),
                jobs,
                readers: Mutex::default(),
                reading: Semaphore::new(READERS),
                signals,
                health,
                suspects: Suspects::default(),
            }),
        })
    }

    pub fn signals(&self) -> &Signals {
        &self.inner.signals
    }

    pub(super) fn suspects(&self) -> &Suspects {
        &self.inner.suspects
    }

    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// How it is, and each change of that.
    pub fn health(&self) -> watch::Receiver<Health> {
        self.inner.health.subscribe()
    }

    /// Resolves when it takes writes; at once, mostly.
    pub async fn until_well(&self) {
        let well = |health: &Health| *health == Health::Well;
        // This store has the sender: it is not gone.
        let _ = self.health().wait_for(well).await;
    }

    /// Whether a write reaches the disk: makes one that changes nothing.
    pub async fn try_out(&self) -> Result<(), StoreTrouble> {
        // The version that the file has, written once more: its first page goes to the log, and the log is synced.
        self.write(|tx| {
            let version: i64 = tx.query_row("PRAGMA user_version", [], |row| row.get(0))?;
            tx.pragma_update(None, "user_version", version)
        })
        .await?;
        self.inner.health.send_if_modified(|health| {
            let over = matches!(health, Health::Refusing { .. });
            if let Health::Refusing { since, .. } = health {
                let ms = since.elapsed().as_millis();
                tracing::warn!(ms, "the store takes writes again, after {ms} ms");
                *health = Health::Well;
            }
            over
        });
        Ok(())
    }

    /// Tries a store that takes no writes until it does, until `shutdown`.
    ///
    /// # Errors
    /// There is no writer any more.
    pub async fn watch_over(&self, shutdown: CancellationToken) -> Result<(), StoreTrouble> {
        let mut health = self.health();
        loop {
            let now = health.borrow_and_update().clone();
            metrics::gauge!("ivan_store_writable").set(f64::from(u8::from(now == Health::Well)));
            let try_it = async {
                match &now {
                    Health::Refusing { .. } => tokio::time::sleep(TRY_EVERY).await,
                    Health::Well | Health::Lost { .. } => std::future::pending().await,
                }
            };
            if let Health::Lost { why } = &now {
                return Err(self.trouble(why));
            }
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                _ = health.changed() => {}
                () = try_it => {
                    if let Err(trouble) = self.try_out().await {
                        tracing::debug!("the store still takes no writes: {trouble}");
                    }
                }
            }
        }
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
        if let Err(full) = self.inner.jobs.try_send(job) {
            if let TrySendError::Full(_) = &full {
                Bound::StoreQueue.reached(format_args!(
                    "{QUEUE} writes wait for the store, and the next waits until there is room"
                ));
            }
            let job = full.into_inner();
            self.inner.jobs.send(job).await.map_err(|_| stopped(()))?;
        }
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

fn readers(inner: &Inner) -> MutexGuard<'_, Vec<Connection>> {
    runtime::lock(&inner.readers)
}

/// Takes the lock of the store for the life of the process.
fn lock(path: &Path) -> Result<File, String> {
    let name = beside(path, ".lock");
    let file = open_private(&name)
        .map_err(|e| format!("its lock {} cannot be made: {e}", name.display()))?;
    private::keep_private(&name);
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

/// The file of that name with this at its end.
fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
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

/// Which file it is: a path can come to mean another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity(u64, u64);

impl Identity {
    #[cfg(unix)]
    fn of(path: &Path) -> std::io::Result<Identity> {
        use std::os::unix::fs::MetadataExt;
        let file = std::fs::metadata(path)?;
        Ok(Identity(file.dev(), file.ino()))
    }

    /// Elsewhere an open file cannot be removed or replaced.
    #[cfg(not(unix))]
    fn of(path: &Path) -> std::io::Result<Identity> {
        std::fs::metadata(path).map(|_| Identity(0, 0))
    }
}

/// Runs the writer to its end, and says what that was, unless nobody needs it any more.
fn watched(writer: Writer, queue: mpsc::Receiver<Box<dyn Job>>) {
    let health = Arc::clone(&writer.health);
    let ended = std::panic::catch_unwind(AssertUnwindSafe(|| writer.run(queue)));
    let why = match ended {
        Ok(None) => return,
        Ok(Some(why)) => why,
        Err(panic) => format!("its writer panicked: {}", words_of(panic.as_ref())),
    };
    health.send_replace(Health::Lost { why });
}

fn words_of(panic: &(dyn std::any::Any + Send)) -> &str {
    match panic.downcast_ref::<String>() {
        Some(text) => text,
        None => panic.downcast_ref::<&'static str>().unwrap_or(&"no words"),
    }
}

/// Why a batch was not kept.
enum Failed {
    /// It may pass.
    Refused(String),
    /// The file is not what it was, and nothing will mend that but a person.
    Ruined(String),
}

impl Failed {
    fn why(&self) -> &str {
        match self {
            Failed::Refused(why) | Failed::Ruined(why) => why,
        }
    }
}

impl From<rusqlite::Error> for Failed {
    fn from(error: rusqlite::Error) -> Failed {
        match is_damage(&error) {
            true => Failed::Ruined(format!(
                "the file is damaged ({error}). Put it aside, and a backup or nothing in its place"
            )),
            false => Failed::Refused(error.to_string()),
        }
    }
}

/// SQLite says that what it reads cannot be a database.
fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    let code = error.sqlite_error_code();
    matches!(code, Some(DatabaseCorrupt | NotADatabase))
}

struct Writer {
    connection: Connection,
    signals: Arc<Signals>,
    health: Arc<watch::Sender<Health>>,
    path: PathBuf,
    /// The file that was opened.
    file: Identity,
    /// Let go of after the connection: nobody else may write before.
    _lock: Option<File>,
}

impl Writer {
    /// Until every [`Store`] is dropped and the queue is empty, or the file is ruined: then, why.
    fn run(mut self, mut queue: mpsc::Receiver<Box<dyn Job>>) -> Option<String> {
        let path = self.path.display().to_string();
        let mut batch = Vec::with_capacity(BATCH);
        while queue.blocking_recv_many(&mut batch, BATCH) > 0 {
            let committed = self.commit(&mut batch);
            match &committed {
                Ok(()) => {}
                Err(Failed::Refused(why)) => self.refuses(why, batch.len()),
                Err(Failed::Ruined(why)) => {
                    // Whoever watches over the store says it, where there is somebody left to hear it.
                    tracing::debug!("the store at {path} is lost: {why}");
                }
            }
            let answer = match &committed {
                Ok(()) => Ok(()),
                Err(failed) => Err(StoreTrouble {
                    path: path.clone(),
                    why: failed.why().to_owned(),
                }),
            };
            let wakes = batch
                .drain(..)
                .flat_map(|job| job.finish(answer.clone(), &path))
                .collect::<BTreeSet<Wake>>();
            wakes.into_iter().for_each(|wake| self.signals.fire(wake));
            self.signals.progressed();
            if let Err(Failed::Ruined(why)) = committed {
                return Some(why);
            }
        }
        None
    }

    fn commit(&mut self, batch: &mut [Box<dyn Job>]) -> Result<(), Failed> {
        self.is_in_place()?;
        let mut tx = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        for job in batch {
            let savepoint = tx.savepoint()?;
            match job.run(&savepoint) {
                Ran::Well => savepoint.commit()?,
                Ran::Failed => drop(savepoint),
                Ran::Ruined(why) => return Err(Failed::Ruined(why)),
            }
            // Where there is no room SQLite may end the whole transaction, not the statement alone. What came after
            // would be committed by itself, and answered as if it were not.
            if tx.is_autocommit() {
                return Err(Failed::Refused(
                    "there is no room, or an I/O error, in the middle of a write".to_owned(),
                ));
            }
        }
        Ok(tx.commit()?)
    }

    /// What is written to a file that has no name any more is lost with the process, however well it was synced.
    fn is_in_place(&self) -> Result<(), Failed> {
        match Identity::of(&self.path) {
            Ok(file) if file == self.file => Ok(()),
            Ok(_) => Err(Failed::Ruined(
                "another file has been put in its place while it was in use. Stop Ivan before you do that".to_owned(),
            )),
            Err(gone) if gone.kind() == std::io::ErrorKind::NotFound => Err(Failed::Ruined(
                "its file has been removed while it was in use. Put it back, or start with an empty one".to_owned(),
            )),
            Err(other) => Err(Failed::Refused(format!("it cannot be looked at: {other}"))),
        }
    }

    /// Says the first refusal; those that follow until it is over are of the same trouble.
    fn refuses(&self, why: &str, jobs: usize) {
        let is_news = self.health.send_if_modified(|health| {
            let is_news = *health == Health::Well;
            if is_news {
                *health = Health::Refusing {
                    since: Instant::now(),
                    why: why.to_owned(),
                };
            }
            is_news
        });
        metrics::counter!("ivan_store_refused_total").increment(jobs as u64);
        let path = self.path.display();
        match is_news {
            true => tracing::error!(
                jobs,
                "the store at {path} takes no writes, nothing of a batch of writes was kept: {why}. Nothing new is \
                 accepted until it does; it is tried every second. Free disk space, or look at the rights of the file"
            ),
            false => tracing::debug!(jobs, "the store at {path} still takes no writes: {why}"),
        }
    }
}

/// How a job went.
enum Ran {
    /// Its effects are to be kept.
    Well,
    Failed,
    /// It met damage in the file.
    Ruined(String),
}

/// A write that waits for its turn.
trait Job: Send {
    /// Runs it.
    fn run(&mut self, connection: &Connection) -> Ran;
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
    fn run(&mut self, connection: &Connection) -> Ran {
        let Some(work) = self.work.take() else {
            return Ran::Failed;
        };
        let tx = Tx {
            connection,
            wakes: RefCell::default(),
        };
        // A panic in one job must not take the writer, and with it everybody, down.
        let result = std::panic::catch_unwind(AssertUnwindSafe(|| work(&tx)));
        let (result, ran) = match result {
            Ok(Ok(value)) => (Ok((value, tx.wakes.into_inner())), Ran::Well),
            Ok(Err(error)) => {
                let why = error.to_string();
                match Failed::from(error) {
                    Failed::Ruined(ruined) => (Err(why), Ran::Ruined(ruined)),
                    Failed::Refused(_) => (Err(why), Ran::Failed),
                }
            }
            Err(_) => (Err("a write panicked; see the log".to_owned()), Ran::Failed),
        };
        self.result = Some(result);
        ran
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

    /// Fills the file up to where SQLite itself finds no more room, as on a full disk.
    async fn fill(store: &Store) {
        let no_more = |tx: &Tx<'_>| {
            let pages: i64 = tx.query_row("PRAGMA page_count", [], |row| row.get(0))?;
            tx.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
        };
        store.write(no_more).await.unwrap();
    }

    fn add_much(name: String) -> impl FnOnce(&Tx<'_>) -> rusqlite::Result<()> + Send {
        // One row at once: there SQLite ends the whole transaction, and with it what others wrote before.
        move |tx| {
            let zone = "x".repeat(64 * 1024);
            tx.execute(
                "INSERT INTO people (name, zone) VALUES (?1, ?2)",
                [name, zone],
            )
            .map(drop)
        }
    }

    #[tokio::test]
    async fn where_there_is_no_room_what_is_answered_is_true_of_every_write() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder).unwrap();
        store.write(add("Ana".into())).await.unwrap();
        fill(&store).await;
        let writes = (0..40).map(|n| {
            let store = store.clone();
            async move {
                let name = format!("{n:02}");
                match n % 8 {
                    5 => store.write(add_much(name)).await,
                    _ => store.write(add(name)).await,
                }
            }
        });
        let results = futures_util::future::join_all(writes).await;
        let kept = names(&store).await;
        for (n, result) in results.iter().enumerate() {
            let is_kept = kept.contains(&format!("{n:02}"));
            assert_eq!(result.is_ok(), is_kept, "{n}: {result:?}");
            assert!(n % 8 != 5 || !is_kept, "{n} has no room");
        }
    }

    #[tokio::test]
    async fn a_store_that_refuses_says_so_until_it_is_well_and_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder).unwrap();
        let shutdown = CancellationToken::new();
        let watch = {
            let store = store.clone();
            tokio::spawn(async move { store.watch_over(shutdown).await })
        };
        store
            .write(|tx| tx.busy_timeout(Duration::from_millis(10)))
            .await
            .unwrap();
        let other = Connection::open(folder.path().join("ivan.db")).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let trouble = store.write(add("Ana".into())).await.unwrap_err();
        assert!(trouble.why.contains("locked"), "{trouble}");
        assert!(matches!(*store.health().borrow(), Health::Refusing { .. }));
        let waits = tokio::time::timeout(Duration::from_millis(50), store.until_well());
        assert!(waits.await.is_err());
        other.execute_batch("ROLLBACK").unwrap();
        // By itself: nobody writes.
        tokio::time::timeout(Duration::from_secs(60), store.until_well())
            .await
            .unwrap();
        store.write(add("Ana".into())).await.unwrap();
        assert_eq!(names(&store).await, ["Ana"]);
        watch.abort();
    }

    #[tokio::test]
    async fn a_write_that_finds_the_queue_full_waits_for_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder).unwrap();
        let (let_go, held) = std::sync::mpsc::channel::<()>();
        let (begun, has_begun) = oneshot::channel();
        let first = store.write(move |_| {
            let _ = begun.send(());
            let _ = held.recv();
            Ok(())
        });
        let before = Bound::StoreQueue.times();
        let rest = async {
            has_begun.await.unwrap();
            let writes = (0..QUEUE + 10).map(|n| store.write(add(format!("{n:05}"))));
            let mut writes = Box::pin(futures_util::future::join_all(writes));
            assert!(futures_util::poll!(writes.as_mut()).is_pending());
            assert!(Bound::StoreQueue.times() >= before + 10);
            let_go.send(()).unwrap();
            writes.await
        };
        let (first, rest) = tokio::join!(first, rest);
        first.unwrap();
        rest.into_iter().for_each(|written| written.unwrap());
        assert_eq!(names(&store).await.len(), QUEUE + 10);
    }

    #[tokio::test]
    async fn a_writer_that_panics_is_not_a_deaf_store() {
        /// A job whose answer nobody can be given.
        struct Bomb;
        impl Job for Bomb {
            fn run(&mut self, _: &Connection) -> Ran {
                Ran::Failed
            }
            fn finish(self: Box<Self>, _: Result<(), StoreTrouble>, _: &str) -> BTreeSet<Wake> {
                panic!("answered badly")
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder).unwrap();
        let shutdown = CancellationToken::new();
        store.inner.jobs.send(Box::new(Bomb)).await.ok().unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(60), store.watch_over(shutdown));
        let ended = ended.await.expect("it is noticed").unwrap_err();
        assert_eq!(ended.why, "its writer panicked: answered badly");
        let refused = store.write(add("Ana".into())).await.unwrap_err();
        assert!(refused.why.contains("its writer has stopped"), "{refused}");
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
