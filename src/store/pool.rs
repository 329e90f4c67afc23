//! One writer thread that commits waiting jobs together, and readers that never block it.
//!
//! - SQLite allows one writer at a time anyway. A thread with a queue means that no caller ever meets `SQLITE_BUSY`.
//!   Jobs that arrive during one fsync share the next, so a commit under load costs a fraction of one.
//! - Each job of a batch runs in a savepoint, so a failed one rolls back alone. A failed COMMIT fails every job of its batch: no
//!   caller is told "done" before the data is on the disk (P1).
//! - `synchronous=FULL` in WAL mode syncs the log at every commit.
//! - A write that may be lost with the process ([`Store::write_soon`]) shares the commit of the next one, or has its own
//!   after a moment.
//! - Readers are connections of their own with `query_only`: in WAL mode they see the last commit and block no one.
//! - A lock on a file beside the store keeps a second daemon out. The system releases it when the process ends.
//! - After a failed commit (disk full, no permission, I/O error) the store refuses writes visibly ([`StoreHealth`]). Callers
//!   wait with [`Store::until_well`], and a small write every second finds the end of the trouble. A file that is
//!   damaged, replaced or removed ends the process: later answers would be lost.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions, TryLockError};
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, Semaphore, mpsc, oneshot, watch};
use tokio::time::Instant;

use super::db::{Counts, Db, Shared};
use super::generation::{self, Generation};
use super::key::{self, Rekeyed};
use super::migrate::{MIGRATIONS, migrate};
use super::set_aside::Suspects;
use super::unsent::{BegunRequests, UnsentRequests};
use super::{gauges, private};
use crate::domain::access::TaskAccess;
use crate::domain::ids::{CommandId, MessageId, OperationSeq};
use crate::domain::task::Source;
use crate::limits::Limit;
use crate::runtime::{self, CancellationToken, RateLimiter, Reloadable};
#[cfg(feature = "otel")]
use crate::telemetry::{self, Fact};

/// The error of a failed store access: disk full, or a database that is damaged or not ours. Nothing was stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the store at {path}: {why}")]
pub struct StoreError {
    /// The database file.
    pub path: String,
    /// The reason, as part of a sentence.
    pub why: String,
}

/// The health of the store.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum StoreHealth {
    /// It accepts writes.
    #[default]
    Well,
    /// It refuses writes, mostly because the disk is full. It may recover.
    Refusing {
        /// The time of the first refusal.
        since: Instant,
        /// The reason for that refusal, as part of a sentence.
        why: String,
    },
    /// The writer has ended. Only a restart with a sound file helps.
    Lost {
        /// The reason, as part of a sentence.
        why: String,
    },
}

/// How often a store that refuses writes is tried.
const TRY_EVERY: Duration = Duration::from_secs(1);
/// How many test writes callers may cause at once; after that one for each [`TRY_EVERY`].
const TRIES_MAX: u32 = 10;
/// Jobs that may wait for the writer. Further callers wait.
const QUEUE: usize = 1024;
/// Jobs per commit at most, so that the first of them does not wait long.
const BATCH: usize = 256;
/// Reading connections at most.
const READERS: usize = 4;
/// How long a write of [`Store::write_soon`] waits for another one whose commit it can share.
const SOON: Duration = Duration::from_millis(50);

/// The parts of the daemon to wake after a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wake {
    /// A person's message was stored.
    Heard,
    /// A webhook delivery was stored.
    Delivered,
    /// An operation was committed.
    Operations,
    /// Operations that were committed earlier may run now.
    Released,
    /// A message is to be posted or updated.
    Messages,
    /// A command has a new report, or a message was posted.
    Settled,
    /// A reaction of ours is to be added or removed.
    Reactions,
    /// The content of Home tabs may have changed, or one was opened.
    Homes,
    /// The briefing or quiet-hours schedule changed.
    Rhythms,
    /// People were added.
    Newcomers,
    /// This command has its final report, for traces.
    #[cfg(feature = "otel")]
    Ended(CommandId),
}

/// The wake-up signals of the store. No part of Ivan polls a table on a timer.
#[derive(Debug, Default)]
pub struct Signals {
    /// For the dispatcher: a message of a person is stored.
    pub heard: Notify,
    /// For the inbox: a webhook delivery is stored.
    pub delivered: Notify,
    /// For the outbox: an operation is committed.
    pub operations: Notify,
    /// For the poster: a message is to be posted or updated.
    pub messages: Notify,
    /// For the reactor: a reaction is to be added or removed.
    pub reactions: Notify,
    /// For the publisher of Home tabs: one may have to be published.
    pub homes: Notify,
    /// For the schedule: a briefing or quiet hours have changed.
    pub rhythms: Notify,
    /// For the look-up of time zones: people were added.
    pub newcomers: Notify,
    released: AtomicBool,
    settled: watch::Sender<u64>,
    progress: watch::Sender<u64>,
}

impl Signals {
    fn fire(&self, wake: Wake) {
        match wake {
            Wake::Heard => self.heard.notify_one(),
            Wake::Delivered => self.delivered.notify_one(),
            Wake::Operations => self.operations.notify_one(),
            Wake::Released => {
                self.released.store(true, Ordering::Release);
                self.operations.notify_one();
            }
            Wake::Messages => self.messages.notify_one(),
            Wake::Reactions => self.reactions.notify_one(),
            Wake::Homes => self.homes.notify_one(),
            Wake::Newcomers => self.newcomers.notify_one(),
            Wake::Rhythms => self.rhythms.notify_one(),
            #[cfg(feature = "otel")]
            Wake::Ended(command) => telemetry::note(|| Some(Fact::Settled(command))),
            Wake::Settled => self
                .settled
                .send_modify(|count| *count = count.wrapping_add(1)),
        }
    }

    /// Whether operations were released since the last call. For the outbox.
    pub fn operations_were_released(&self) -> bool {
        self.released.swap(false, Ordering::AcqRel)
    }

    /// Changes each time that a command or a message makes progress.
    pub fn settled(&self) -> watch::Receiver<u64> {
        self.settled.subscribe()
    }

    /// Changes after each commit, and after each call of [`Signals::progressed`].
    pub fn progress(&self) -> watch::Receiver<u64> {
        self.progress.subscribe()
    }

    /// Signals the end of work that is not in the store.
    pub fn progressed(&self) {
        self.progress
            .send_modify(|count| *count = count.wrapping_add(1));
    }
}

/// The parts of `bot.toml` that the store follows. They are needed to open it, so that no command runs under others.
#[derive(Debug, Clone, Default)]
pub struct StoreSettings {
    /// The tasks that people may name.
    pub access: TaskAccess,
    /// The Slack ids of people to tell about links.
    pub operators: Vec<String>,
    /// The file with the key of the secrets; `None`: beside the database, made at the first start.
    pub key_file: Option<PathBuf>,
    /// The time of the start, UTC; `None`: by the system's clock.
    pub now: Option<DateTime<Utc>>,
}

/// The SQLite file. Clones share it.
#[derive(Clone)]
pub struct Store {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    path: PathBuf,
    jobs: mpsc::Sender<Box<dyn Job>>,
    /// Jobs that wait for the next commit.
    deferred: Arc<Deferred>,
    /// Requests that are stored as begun and were never sent.
    pub(super) unsent: Arc<UnsentRequests>,
    readers: Mutex<Vec<Db>>,
    reading: Semaphore,
    /// The work of the writer, and that of all readers.
    written: Arc<Counts>,
    read: Arc<Counts>,
    signals: Arc<Signals>,
    health: Arc<watch::Sender<StoreHealth>>,
    pub(super) suspects: Suspects,
    shared: Arc<Shared>,
    /// The file with the key, if that is beside the database.
    key_beside: Option<PathBuf>,
    /// The result of the last test write for a caller, and how often callers may cause one.
    tried: tokio::sync::Mutex<Option<Result<(), StoreError>>>,
    tries: RateLimiter,
}

type Deferred = Mutex<Vec<Box<dyn Job>>>;

/// A write transaction. Its wake-ups are sent after the commit.
pub struct Tx<'a> {
    connection: &'a Db,
    wakes: RefCell<BTreeSet<Wake>>,
    unsent: &'a UnsentRequests,
    /// The requests that this transaction stores as begun.
    begun: RefCell<BegunRequests>,
}

impl Tx<'_> {
    /// Requests a wake-up after the commit. A repeated request has no effect.
    pub fn wake(&self, wake: Wake) {
        self.wakes.borrow_mut().insert(wake);
    }

    /// Whether a first post may be stored as begun in this transaction, before the poster has it.
    pub(super) fn may_begin_post(&self) -> bool {
        self.unsent.posts.has_room()
    }

    /// Notes that this version of a message is stored as begun, though it was never sent.
    pub(super) fn begins_post(&self, message: MessageId, version: i64) {
        self.unsent.posts.add(message, version);
        self.begun.borrow_mut().posts.push(message);
    }

    /// Notes a command that was typed before a start after an unclean end.
    pub(super) fn note_command(&self, command: CommandId, typed_at: DateTime<Utc>) {
        self.unsent.note_command(command, typed_at);
    }

    /// Whether a command was typed before a start after an unclean end.
    pub(super) fn is_typed_before_start(&self, command: CommandId) -> bool {
        self.unsent.is_typed_before(command)
    }

    /// Whether a creation at a source may be stored as begun in this transaction, before the outbox has it.
    pub(super) fn may_begin_operation(&self) -> bool {
        self.unsent.operations.has_room()
    }

    /// Notes that an operation is stored as begun, though it was never sent.
    pub(super) fn begins_operation(&self, operation: OperationSeq, command: CommandId) {
        self.unsent.operations.add(operation, command);
        self.begun.borrow_mut().operations.push(operation);
    }

    /// The operations of a command that are stored as begun and were never sent. The outbox does not send them without a
    /// look at the store from now on.
    pub(super) fn takes_back_operations(&self, command: CommandId) -> Vec<OperationSeq> {
        self.unsent.operations.take_where(|of| *of == command)
    }

    /// The same for all commands, because the daemon stops. No more operations are stored as begun.
    pub(super) fn takes_back_all_operations(&self) -> Vec<OperationSeq> {
        self.unsent.operations.close()
    }
}

impl std::ops::Deref for Tx<'_> {
    type Target = Db;

    fn deref(&self) -> &Db {
        self.connection
    }
}

impl Store {
    /// Opens or creates the file (mode 0600), migrates it, and starts its writer.
    ///
    /// Fails if another daemon has it, if it is of a newer Ivan, or if it cannot be written.
    pub fn open(path: &Path, settings: StoreSettings) -> Result<Store, StoreError> {
        let lock = lock(path).map_err(|why| StoreError {
            path: path.display().to_string(),
            why,
        })?;
        Store::opened(path, settings, Some(lock))
    }

    /// Opens the file beside a daemon that may be using it, for a command that writes a row and ends. SQLite serializes
    /// the two.
    pub fn beside(path: &Path, settings: StoreSettings) -> Result<Store, StoreError> {
        Store::opened(path, settings, None)
    }

    /// Whether a daemon has the file.
    pub fn is_held(path: &Path) -> bool {
        let file = OpenOptions::new().read(true).open(beside(path, ".lock"));
        file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    /// Encrypts the secrets in the file with a new key. The key goes to the file `to`, or replaces the old one. With `lost`,
    /// secrets of a key that is not there are removed.
    ///
    /// Fails if a daemon has the file, or if the old key does not fit.
    pub fn rekey(
        path: &Path,
        settings: &StoreSettings,
        to: Option<&Path>,
        lost: bool,
    ) -> Result<Rekeyed, StoreError> {
        let trouble = |why: String| StoreError {
            path: path.display().to_string(),
            why,
        };
        if !path.exists() {
            return Err(trouble("there is no such file".to_owned()));
        }
        let _held = lock(path).map_err(trouble)?;
        let mut connection = Db::connect(path, false).map_err(|e| trouble(e.to_string()))?;
        migrate(&mut connection, MIGRATIONS).map_err(trouble)?;
        key::rekey(
            &mut connection,
            path,
            settings.key_file.as_deref(),
            to,
            lost,
        )
        .map_err(trouble)
    }

    fn opened(
        path: &Path,
        settings: StoreSettings,
        lock: Option<File>,
    ) -> Result<Store, StoreError> {
        let trouble = |why: String| StoreError {
            path: path.display().to_string(),
            why,
        };
        make_private(path).map_err(|e| trouble(format!("it cannot be created: {e}")))?;
        for file in ["", "-wal", "-shm"] {
            private::keep_private(&beside(path, file));
        }
        let written = Arc::new(Counts::default());
        let mut connection = Db::connect(path, false).map_err(|e| trouble(e.to_string()))?;
        let is_new = generation::is_empty(&connection).map_err(|e| trouble(e.to_string()))?;
        migrate(&mut connection, MIGRATIONS).map_err(trouble)?;
        let StoreSettings {
            access,
            operators,
            key_file,
            now,
        } = settings;
        // Only the daemon changes the mark: another process has no lock.
        let generation = match &lock {
            Some(_) => {
                let now = now.map_or_else(|| generation::system_time(&connection), Ok);
                let now = now.map_err(|e| trouble(e.to_string()))?;
                Some(Generation::of(&mut connection, path, is_new, now).map_err(trouble)?)
            }
            None => None,
        };
        let unlocked = key::unlock(&mut connection, path, key_file.as_deref()).map_err(trouble)?;
        let (key, key_beside) = (unlocked.key, unlocked.beside);
        let shared = Arc::new(Shared {
            access: Reloadable::new(access),
            operators: Reloadable::new(operators),
            key,
        });
        let connection = Db::of(connection, true, Arc::clone(&written), Arc::clone(&shared))
            .map_err(|e| trouble(e.to_string()))?;
        let signals = Arc::new(Signals::default());
        let health = Arc::new(watch::Sender::default());
        let (jobs, queue) = mpsc::channel(QUEUE);
        let (deferred, unsent) = (Arc::<Deferred>::default(), Arc::<UnsentRequests>::default());
        let writer = Writer {
            connection,
            deferred: Arc::clone(&deferred),
            unsent: Arc::clone(&unsent),
            signals: Arc::clone(&signals),
            health: Arc::clone(&health),
            path: path.to_owned(),
            file: Identity::of(path).map_err(|e| trouble(e.to_string()))?,
            generation,
            _lock: lock,
        };
        std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || watched(writer, queue))
            .map_err(|e| trouble(format!("its writer cannot start: {e}")))?;
        Ok(Store {
            inner: Arc::new(Inner {
                path: path.to_owned(),
                jobs,
                deferred,
                unsent,
                readers: Mutex::default(),
                reading: Semaphore::new(READERS),
                written,
                read: Arc::default(),
                signals,
                health,
                suspects: Suspects::default(),
                shared,
                key_beside,
                tried: tokio::sync::Mutex::default(),
                tries: RateLimiter::new(TRY_EVERY, TRIES_MAX),
            }),
        })
    }

    /// Follows other rules and operators from the next transaction on.
    pub fn follow(&self, access: TaskAccess, operators: Vec<String>) {
        self.tell_operators(operators.clone());
        let shared = &self.inner.shared;
        shared.access.set(access);
        shared.operators.set(operators);
    }

    /// The file with the key of the secrets, if that is beside the database: a copy of the folder has both.
    pub fn key_beside(&self) -> Option<&Path> {
        self.inner.key_beside.as_deref()
    }

    /// The wake-up signals, shared by all clones.
    pub fn signals(&self) -> &Signals {
        &self.inner.signals
    }

    /// Brings the counters of statements and commits in `GET /metrics` up to date. They are kept apart until then, so
    /// that a statement costs one addition. Numbers that are read from the store are counted only then, too.
    pub async fn show_counts(
        &self,
        sources: Vec<Source>,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let read = self.read(move |connection| gauges::read(connection, &sources));
        read.await?.show(now);
        let bytes = ["", "-wal", "-shm"].map(|file| {
            let file = std::fs::metadata(beside(&self.inner.path, file));
            file.map_or(0, |file| file.len())
        });
        metrics::gauge!("ivan_store_bytes").set(bytes.iter().sum::<u64>() as f64);
        let inner = &self.inner;
        for (connection, counts) in [("writer", &inner.written), ("reader", &inner.read)] {
            metrics::counter!("ivan_store_statements_total", "connection" => connection)
                .absolute(counts.executed());
            metrics::counter!("ivan_store_prepared_total", "connection" => connection)
                .absolute(counts.prepared());
        }
        metrics::counter!("ivan_store_commits_total").absolute(inner.written.committed());
        Ok(())
    }

    pub(super) fn suspects(&self) -> &Suspects {
        &self.inner.suspects
    }

    /// The database file, as it was opened.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// The current health and its changes.
    pub fn health(&self) -> watch::Receiver<StoreHealth> {
        self.inner.health.subscribe()
    }

    /// Resolves when the store accepts writes; usually at once.
    pub async fn until_well(&self) {
        let well = |health: &StoreHealth| *health == StoreHealth::Well;
        // `self` holds the sender, so the channel is open.
        let _ = self.health().wait_for(well).await;
    }

    /// Tests whether a write reaches the disk, with one that changes nothing.
    pub async fn try_out(&self) -> Result<(), StoreError> {
        // Writes the file's version again: its first page goes to the log, and the log is synced.
        self.write(|tx| {
            let version: i64 = tx.query_row("PRAGMA user_version", [], |row| row.get(0))?;
            tx.execute(&format!("PRAGMA user_version = {version}"), [])
                .map(drop)
        })
        .await?;
        self.inner.health.send_if_modified(|health| {
            let over = matches!(health, StoreHealth::Refusing { .. });
            if let StoreHealth::Refusing { since, .. } = health {
                let ms = since.elapsed().as_millis();
                tracing::warn!(ms, "the store accepts writes again");
                *health = StoreHealth::Well;
            }
            over
        });
        Ok(())
    }

    /// As [`Store::try_out`], for callers that may be many: they share a write of the last second if they ask more often
    /// than that for long.
    pub async fn try_out_for_callers(&self) -> Result<(), StoreError> {
        let mut last = self.inner.tried.lock().await;
        if let Some(result) = &*last
            && !self.inner.tries.take_now("", Instant::now())
        {
            return result.clone();
        }
        let result = self.try_out().await;
        *last = Some(result.clone());
        result
    }

    /// Tests a store that refuses writes until it accepts them; runs until `shutdown`.
    ///
    /// # Errors
    /// The writer has ended.
    pub async fn watch_over(&self, shutdown: CancellationToken) -> Result<(), StoreError> {
        let mut health = self.health();
        loop {
            let now = health.borrow_and_update().clone();
            metrics::gauge!("ivan_store_writable")
                .set(f64::from(u8::from(now == StoreHealth::Well)));
            let try_it = async {
                match &now {
                    StoreHealth::Refusing { .. } => tokio::time::sleep(TRY_EVERY).await,
                    StoreHealth::Well | StoreHealth::Lost { .. } => std::future::pending().await,
                }
            };
            if let StoreHealth::Lost { why } = &now {
                return Err(self.trouble(why));
            }
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                _ = health.changed() => {}
                () = try_it => {
                    if let Err(trouble) = self.try_out().await {
                        tracing::debug!(error = %trouble, "the store still rejects writes");
                    }
                }
            }
        }
    }

    /// Runs `work` in a transaction; when this returns `Ok`, it is committed and synced.
    pub async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Tx<'_>) -> rusqlite::Result<T> + Send + 'static,
    {
        let (job, answered) = Work::job(work);
        self.hand_over(job).await?;
        self.answer(answered).await
    }

    /// The same for a write that may be lost with the process, because its effect is found again after a start. It
    /// shares the next commit, and has one of its own if no other write comes soon. Later writes follow it.
    pub async fn write_soon<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Tx<'_>) -> rusqlite::Result<T> + Send + 'static,
    {
        let (job, answered) = Work::job(work);
        runtime::lock(&self.inner.deferred).push(job);
        let mut answer = std::pin::pin!(self.answer(answered));
        match tokio::time::timeout(SOON, &mut answer).await {
            Ok(answer) => answer,
            Err(_) => {
                self.hand_over(Box::new(Nudge)).await?;
                answer.await
            }
        }
    }

    /// Puts a job in the writer's queue.
    async fn hand_over(&self, job: Box<dyn Job>) -> Result<(), StoreError> {
        if let Err(full) = self.inner.jobs.try_send(job) {
            if let TrySendError::Full(_) = &full {
                Limit::StoreQueue.reached(format_args!(
                    "{QUEUE} writes wait for the store; the next one waits for room"
                ));
            }
            let job = full.into_inner();
            self.inner
                .jobs
                .send(job)
                .await
                .map_err(|_| self.has_stopped())?;
        }
        Ok(())
    }

    async fn answer<T>(
        &self,
        answered: oneshot::Receiver<Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        answered.await.map_err(|_| self.has_stopped())?
    }

    fn has_stopped(&self) -> StoreError {
        self.trouble("its writer has stopped; see the log")
    }

    /// Runs `work` on a reading connection, which sees everything committed before.
    pub async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Db) -> rusqlite::Result<T> + Send + 'static,
    {
        let inner = Arc::clone(&self.inner);
        let _turn = self
            .inner
            .reading
            .acquire()
            .await
            .map_err(|_| self.trouble("it is closed"))?;
        tokio::task::spawn_blocking(move || inner.read_with(work))
            .await
            .map_err(|e| self.trouble(&format!("a reader stopped: {e}")))?
            .map_err(|e| self.trouble(&e.to_string()))
    }

    /// The same for some rows that an index finds. It runs on the caller's thread, so no other thread has to be woken
    /// twice; a long read would hold up other tasks.
    pub async fn read_short<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Db) -> rusqlite::Result<T> + Send + 'static,
    {
        let Ok(_turn) = self.inner.reading.try_acquire() else {
            return self.read(work).await;
        };
        // A panic is an error of this read, as on another thread.
        let read = std::panic::catch_unwind(AssertUnwindSafe(|| self.inner.read_with(work)));
        read.map_err(|_| self.trouble("a reader panicked"))?
            .map_err(|e| self.trouble(&e.to_string()))
    }

    fn trouble(&self, why: &str) -> StoreError {
        StoreError {
            path: self.inner.path.display().to_string(),
            why: why.to_owned(),
        }
    }
}

impl Inner {
    /// Runs `work` on a free reading connection, or on a new one.
    fn read_with<T>(&self, work: impl FnOnce(&Db) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        let pooled = readers(self).pop();
        let connection = match pooled {
            Some(connection) => connection,
            None => Db::open(&self.path, true, Arc::clone(&self.read), &self.shared)?,
        };
        let result = work(&connection);
        readers(self).push(connection);
        result
    }
}

fn readers(inner: &Inner) -> MutexGuard<'_, Vec<Db>> {
    runtime::lock(&inner.readers)
}

/// Takes the lock of the store for the life of the process.
pub(super) fn lock(path: &Path) -> Result<File, String> {
    let name = beside(path, ".lock");
    let file = open_private(&name)
        .map_err(|e| format!("its lock {} cannot be created: {e}", name.display()))?;
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

/// The path with `end` appended.
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

/// The identity of the open file: its path can come to point at another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity(u64, u64);

impl Identity {
    #[cfg(unix)]
    fn of(path: &Path) -> std::io::Result<Identity> {
        use std::os::unix::fs::MetadataExt;
        let file = std::fs::metadata(path)?;
        Ok(Identity(file.dev(), file.ino()))
    }

    /// On other systems an open file cannot be removed or replaced.
    #[cfg(not(unix))]
    fn of(path: &Path) -> std::io::Result<Identity> {
        std::fs::metadata(path).map(|_| Identity(0, 0))
    }
}

/// Runs the writer to its end, and publishes the reason if the store is still in use.
fn watched(writer: Writer, queue: mpsc::Receiver<Box<dyn Job>>) {
    let health = Arc::clone(&writer.health);
    let ended = std::panic::catch_unwind(AssertUnwindSafe(|| writer.run(queue)));
    let why = match ended {
        Ok(None) => return,
        Ok(Some(why)) => why,
        Err(panic) => format!("its writer panicked: {}", words_of(panic.as_ref())),
    };
    health.send_replace(StoreHealth::Lost { why });
}

fn words_of(panic: &(dyn std::any::Any + Send)) -> &str {
    match panic.downcast_ref::<String>() {
        Some(text) => text,
        None => panic.downcast_ref::<&'static str>().unwrap_or(&"no words"),
    }
}

/// Why a batch was not committed.
enum Failed {
    /// It may pass.
    Refused(String),
    /// The file is damaged or replaced, and only a person can repair that.
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
                "the file is damaged ({error}). Move it away and restore a backup, or start with an empty store"
            )),
            false => Failed::Refused(error.to_string()),
        }
    }
}

/// Whether SQLite reports that the file is no valid database.
fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    let code = error.sqlite_error_code();
    matches!(code, Some(DatabaseCorrupt | NotADatabase))
}

struct Writer {
    connection: Db,
    deferred: Arc<Deferred>,
    unsent: Arc<UnsentRequests>,
    signals: Arc<Signals>,
    health: Arc<watch::Sender<StoreHealth>>,
    path: PathBuf,
    /// The identity of the opened file.
    file: Identity,
    generation: Option<Generation>,
    /// Dropped after the connection, so that no other process writes before.
    _lock: Option<File>,
}

impl Writer {
    /// Runs until every [`Store`] is dropped and the queue is empty, or until the file is ruined: returns why.
    fn run(mut self, mut queue: mpsc::Receiver<Box<dyn Job>>) -> Option<String> {
        let path = self.path.display().to_string();
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let is_last = queue.blocking_recv_many(&mut batch, BATCH) == 0;
            // Those that were deferred came before the others.
            batch.splice(0..0, runtime::lock(&self.deferred).drain(..));
            if batch.is_empty() {
                return None;
            }
            let committed = self.commit(&mut batch);
            match &committed {
                Ok(()) => {}
                Err(Failed::Refused(why)) => self.refuses(why, batch.len()),
                Err(Failed::Ruined(why)) => {
                    // `watch_over` reports it at a higher level while the daemon runs.
                    tracing::debug!(path = %path, error = why, "the store is lost");
                }
            }
            let answer = match &committed {
                Ok(()) => Ok(()),
                Err(failed) => Err(StoreError {
                    path: path.clone(),
                    why: failed.why().to_owned(),
                }),
            };
            let wakes = batch
                .drain(..)
                .flat_map(|job| job.finish(answer.clone(), &path, &self.unsent))
                .collect::<BTreeSet<Wake>>();
            wakes.into_iter().for_each(|wake| self.signals.fire(wake));
            self.signals.progressed();
            if let Err(Failed::Ruined(why)) = committed {
                return Some(why);
            }
            if is_last {
                return None;
            }
        }
    }

    fn commit(&mut self, batch: &mut [Box<dyn Job>]) -> Result<(), Failed> {
        self.is_in_place()?;
        let db = &self.connection;
        let mut open = None;
        for job in batch.iter_mut().filter(|job| !job.is_empty()) {
            // The first needs no savepoint: without it the transaction is empty, and another can be begun.
            let (tx, is_first) = match open.take() {
                Some(tx) => (tx, false),
                None => (db.begin()?, true),
            };
            if !is_first {
                db.execute("SAVEPOINT job", [])?;
            }
            match job.run(db, &self.unsent) {
                Ran::Well if is_first => {}
                Ran::Well => drop(db.execute("RELEASE job", [])?),
                Ran::Failed if is_first => continue,
                Ran::Failed => db.roll_back_to_savepoint(),
                Ran::Ruined(why) => return Err(Failed::Ruined(why)),
            }
            // On a full disk SQLite may end the whole transaction instead of the statement. Later jobs would then
            // commit by themselves and yet be answered as failed.
            if db.is_autocommit() {
                return Err(Failed::Refused(
                    "no disk space or an I/O error during a write".to_owned(),
                ));
            }
            open = Some(tx);
        }
        let Some(tx) = open else {
            return Ok(());
        };
        let now = Instant::now();
        let mark = self.generation.as_mut().and_then(|mark| mark.next(now));
        if let Some(mark) = &mark {
            db.execute(generation::SET_MARK, [mark])?;
        }
        tx.commit()?;
        if let (Some(generation), Some(mark)) = (&mut self.generation, mark) {
            generation.is_committed(&mark, now);
        }
        Ok(())
    }

    /// Checks that the path still names this file. Writes to a file without a name are lost with the process.
    fn is_in_place(&self) -> Result<(), Failed> {
        match Identity::of(&self.path) {
            Ok(file) if file == self.file => Ok(()),
            Ok(_) => Err(Failed::Ruined(
                "the file was replaced while in use. Stop Ivan before you replace it".to_owned(),
            )),
            Err(gone) if gone.kind() == std::io::ErrorKind::NotFound => Err(Failed::Ruined(
                "the file was removed while in use. Restore it, or start with an empty store"
                    .to_owned(),
            )),
            Err(other) => Err(Failed::Refused(format!("it cannot be inspected: {other}"))),
        }
    }

    /// Logs the first refusal. Those that follow until it is over have the same cause.
    fn refuses(&self, why: &str, jobs: usize) {
        let is_news = self.health.send_if_modified(|health| {
            let is_news = *health == StoreHealth::Well;
            if is_news {
                *health = StoreHealth::Refusing {
                    since: Instant::now(),
                    why: why.to_owned(),
                };
            }
            is_news
        });
        metrics::counter!("ivan_store_refused_total").increment(jobs as u64);
        let path = self.path.display();
        match is_news {
            true => {
                tracing::error!(jobs, path = %path, error = why, "the store rejects writes: nothing of a batch was saved; free disk space or check the permissions of \
                 the file; trying again every second")
            }
            false => {
                tracing::debug!(jobs, path = %path, error = why, "the store still rejects writes")
            }
        }
    }
}

/// The result of a job.
enum Ran {
    /// Its effects are to be committed.
    Well,
    Failed,
    /// It found damage in the file.
    Ruined(String),
}

/// A write that waits for its turn.
trait Job: Send {
    /// Whether it writes nothing.
    fn is_empty(&self) -> bool {
        false
    }
    /// Runs it.
    fn run(&mut self, connection: &Db, unsent: &UnsentRequests) -> Ran;
    /// Answers the caller; returns the wake-ups.
    fn finish(
        self: Box<Self>,
        committed: Result<(), StoreError>,
        path: &str,
        unsent: &UnsentRequests,
    ) -> BTreeSet<Wake>;
}

/// Wakes the writer for the jobs that were deferred.
struct Nudge;

impl Job for Nudge {
    fn is_empty(&self) -> bool {
        true
    }

    fn run(&mut self, _: &Db, _: &UnsentRequests) -> Ran {
        Ran::Well
    }

    fn finish(
        self: Box<Self>,
        _: Result<(), StoreError>,
        _: &str,
        _: &UnsentRequests,
    ) -> BTreeSet<Wake> {
        BTreeSet::new()
    }
}

struct Work<T, F> {
    work: Option<F>,
    result: Option<Result<(T, BTreeSet<Wake>), String>>,
    /// The requests that it has stored as begun.
    begun: BegunRequests,
    answer: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Work<T, F>
where
    T: Send + 'static,
    F: FnOnce(&Tx<'_>) -> rusqlite::Result<T> + Send + 'static,
{
    /// A job, and the receiver of its answer.
    #[allow(clippy::type_complexity)]
    fn job(work: F) -> (Box<dyn Job>, oneshot::Receiver<Result<T, StoreError>>) {
        let (answer, answered) = oneshot::channel();
        let job = Box::new(Work {
            work: Some(work),
            result: None,
            begun: BegunRequests::default(),
            answer,
        });
        (job, answered)
    }
}

impl<T, F> Job for Work<T, F>
where
    T: Send,
    F: FnOnce(&Tx<'_>) -> rusqlite::Result<T> + Send,
{
    fn run(&mut self, connection: &Db, unsent: &UnsentRequests) -> Ran {
        let Some(work) = self.work.take() else {
            return Ran::Failed;
        };
        let tx = Tx {
            connection,
            wakes: RefCell::default(),
            unsent,
            begun: RefCell::default(),
        };
        // A panic in one job must not stop the writer for all others.
        let result = std::panic::catch_unwind(AssertUnwindSafe(|| work(&tx)));
        self.begun = tx.begun.take();
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

    fn finish(
        self: Box<Self>,
        committed: Result<(), StoreError>,
        path: &str,
        unsent: &UnsentRequests,
    ) -> BTreeSet<Wake> {
        if committed.is_err() || !matches!(self.result, Some(Ok(_))) {
            self.begun.are_none(unsent);
        }
        let failed = |why: String| StoreError {
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
        // The caller may have gone away; committed data stays.
        let _ = self.answer.send(answer);
        wakes
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::super::unsent::UNSENT_MAX;
    use super::*;

    fn open(folder: &tempfile::TempDir) -> Result<Store, StoreError> {
        Store::open(&folder.path().join("ivan.db"), StoreSettings::default())
    }

    /// The writer releases the file once its queue is closed.
    async fn opened_again(folder: &tempfile::TempDir) -> Store {
        loop {
            match open(folder) {
                Ok(store) => return store,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    }

    async fn names(store: &Store) -> Vec<String> {
        store
            .read(|connection| {
                connection.query_map("SELECT name FROM people ORDER BY name", [], |row| {
                    row.get(0)
                })
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

    fn commits(store: &Store) -> u64 {
        store.inner.written.committed()
    }

    #[tokio::test]
    async fn a_write_that_may_wait_shares_the_commit_of_the_next_one_and_comes_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder).unwrap();
        let before = commits(&store);
        let soon = store.write_soon(add("a".into()));
        let next = async {
            // Polled second: the first waits already.
            store
                .write(|tx| {
                    let seen: i64 =
                        tx.query_row("SELECT count(*) FROM people", [], |row| row.get(0))?;
                    add(format!("{seen} before"))(tx)
                })
                .await
        };
        let (soon, next) = tokio::join!(soon, next);
        soon.unwrap();
        next.unwrap();
        assert_eq!(names(&store).await, ["1 before", "a"]);
        assert_eq!(commits(&store) - before, 1);
    }

    #[tokio::test]
    async fn a_write_that_may_wait_is_committed_alone_if_no_other_comes() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder).unwrap();
        store.write_soon(add("a".into())).await.unwrap();
        assert_eq!(names(&store).await, ["a"]);
        let failed = store.write_soon(|tx| {
            tx.execute("INSERT INTO people (name) VALUES (NULL)", [])
                .map(drop)
        });
        assert!(failed.await.is_err());
        store.write(add("b".into())).await.unwrap();
        assert_eq!(names(&store).await, ["a", "b"]);
    }

    #[tokio::test]
    async fn a_write_that_may_wait_outlives_its_caller_and_the_store() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder).unwrap();
        let given_up = store.write_soon(add("a".into()));
        assert!(given_up.now_or_never().is_none());
        drop(store);
        let again = opened_again(&folder).await;
        assert_eq!(names(&again).await, ["a"]);
    }

    #[tokio::test]
    async fn requests_begun_by_a_write_that_fails_are_none() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder).unwrap();
        let begin = async |number: i64, fails: bool| {
            let begun = store.write(move |tx| {
                assert!(tx.may_begin_post() && tx.may_begin_operation());
                tx.begins_post(MessageId(number), 1);
                tx.begins_operation(OperationSeq(number), CommandId(7));
                match fails {
                    true => Err(rusqlite::Error::QueryReturnedNoRows),
                    false => Ok(()),
                }
            });
            begun.await
        };
        let unsent = &store.inner.unsent;
        assert!(begin(1, true).await.is_err());
        assert!(!unsent.posts.has(MessageId(1)));
        assert!(!unsent.operations.has(OperationSeq(1)));
        begin(2, false).await.unwrap();
        let post = unsent.posts.take(MessageId(2));
        assert_eq!(post.map(|(version, _)| version), Some(1));
        assert!(unsent.posts.take(MessageId(2)).is_none(), "it is sent once");
        let taken =
            |command: i64| store.write(move |tx| Ok(tx.takes_back_operations(CommandId(command))));
        assert_eq!(taken(8).await.unwrap(), []);
        assert_eq!(taken(7).await.unwrap(), [OperationSeq(2)]);
        assert!(unsent.operations.take(OperationSeq(2)).is_none());
        for number in 0..UNSENT_MAX {
            begin(i64::try_from(number).unwrap(), false).await.unwrap();
        }
        let full = store.write(|tx| Ok(tx.may_begin_post() || tx.may_begin_operation()));
        assert!(!full.await.unwrap(), "a start would have many to look up");
    }

    #[tokio::test]
    async fn what_was_answered_is_there_after_opening_again() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder).unwrap();
        store.write(add("Ana".into())).await.unwrap();
        drop(store);
        assert_eq!(names(&opened_again(&folder).await).await, ["Ana"]);
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

    /// It reads at once on the caller's thread, elsewhere while all connections are taken, and a panic ends only itself.
    #[tokio::test]
    async fn a_short_read_needs_no_other_thread() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder).unwrap();
        store.write(add("a".into())).await.unwrap();
        let here = std::thread::current().id();
        let read = || {
            let read = |db: &Db| -> rusqlite::Result<(String, std::thread::ThreadId)> {
                let name = db.query_row("SELECT name FROM people", [], |row| row.get(0))?;
                Ok((name, std::thread::current().id()))
            };
            store.read_short(read)
        };
        let at_once = read().now_or_never().unwrap().unwrap();
        assert_eq!(at_once, ("a".to_owned(), here));
        let panics = store.read_short(|_| -> rusqlite::Result<()> { panic!("on purpose") });
        assert!(panics.await.unwrap_err().why.contains("panicked"));
        let permits = u32::try_from(READERS).unwrap();
        let taken = store.inner.reading.acquire_many(permits).await.unwrap();
        let mut waits = std::pin::pin!(read());
        assert!(waits.as_mut().now_or_never().is_none());
        drop(taken);
        let (name, thread) = waits.await.unwrap();
        assert_eq!(name, "a");
        assert_ne!(thread, here);
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

    /// Fills the file until SQLite itself finds no more room, as on a full disk.
    async fn fill(store: &Store) {
        let no_more = |tx: &Tx<'_>| {
            let pages: i64 = tx.query_row("PRAGMA page_count", [], |row| row.get(0))?;
            tx.execute_batch(&format!("PRAGMA max_page_count = {pages}"))
        };
        store.write(no_more).await.unwrap();
    }

    fn add_much(name: String) -> impl FnOnce(&Tx<'_>) -> rusqlite::Result<()> + Send {
        // One row at once: then SQLite ends the whole transaction, with the earlier writes of others.
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
            .write(|tx| tx.execute_batch("PRAGMA busy_timeout = 10"))
            .await
            .unwrap();
        let other = Db::open(
            &folder.path().join("ivan.db"),
            false,
            Arc::default(),
            &Shared::of_tests(),
        )
        .unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let trouble = store.write(add("Ana".into())).await.unwrap_err();
        assert!(trouble.why.contains("locked"), "{trouble}");
        assert!(matches!(
            *store.health().borrow(),
            StoreHealth::Refusing { .. }
        ));
        let waits = tokio::time::timeout(Duration::from_millis(50), store.until_well());
        assert!(waits.await.is_err());
        other.execute_batch("ROLLBACK").unwrap();
        // It recovers by itself, without any caller's write.
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
        let before = Limit::StoreQueue.times();
        let rest = async {
            has_begun.await.unwrap();
            let writes = (0..QUEUE + 10).map(|n| store.write(add(format!("{n:05}"))));
            let mut writes = Box::pin(futures_util::future::join_all(writes));
            assert!(futures_util::poll!(writes.as_mut()).is_pending());
            assert!(Limit::StoreQueue.times() >= before + 10);
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
        /// A job whose caller cannot be answered.
        struct Bomb;
        impl Job for Bomb {
            fn run(&mut self, _: &Db, _: &UnsentRequests) -> Ran {
                Ran::Failed
            }
            fn finish(
                self: Box<Self>,
                _: Result<(), StoreError>,
                _: &str,
                _: &UnsentRequests,
            ) -> BTreeSet<Wake> {
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

    #[tokio::test]
    async fn many_callers_share_a_test_write() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder).unwrap();
        let before = store.inner.written.executed();
        for _ in 0..200 {
            store.try_out_for_callers().await.unwrap();
        }
        // Each write is two statements and more. Ten are made at once, and one more for each second that it took.
        let statements = store.inner.written.executed() - before;
        assert!((20..300).contains(&statements), "{statements} statements");
    }
}
