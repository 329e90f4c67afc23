//! Keeps the mirror equal to the sources without webhooks: polls read tasks and apply them as webhooks do.
//!
//! A walk reads a list or repository page by page: the changes since the last walk, or everything. It takes the memory of
//! one page, however many tasks there are. Each page is committed separately, and a report older than the stored one
//! changes nothing (P4). A walk that fails halfway keeps its pages but no cursor, so the next one starts at the same
//! point. It never takes absence for deletion.
//!
//! People have priority: each request waits a short time for a person's write at the source, and the last tenth of the
//! rate limit is reserved for them. Only the first walk uses the reserve too: before it there is no task to write to.

mod comments;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::{Mutex, Notify};

use crate::clock::Clock;
use crate::domain::operation::{Refusal, WriteError};
use crate::domain::reason::{self, for_operators, for_owner};
use crate::domain::reply::ReadingProgress;
use crate::domain::set_aside::Work;
use crate::domain::source::{Container, SourceReader, SourceWriter};
use crate::domain::task::{Source, TaskKey};
use crate::ingest::{self, Applied, ReportOrigin};
use crate::limits::Limit;
use crate::runtime::{Backoff, CancellationToken, LastingFailure, Reloadable, lock};
use crate::store::{Store, StoreError, Wake, tasks};

/// How far before the newest known change a walk begins, because clocks and listings of sources lag
/// (docs/contracts/clickup.md#polling: 5 minutes; docs/contracts/github.md#conditional-requests-and-polling: 2 minutes).
const OVERLAP: chrono::Duration = chrono::Duration::minutes(5);
/// The most pages of one walk: a million tasks. Each is committed, which takes time in a test.
const PAGES: usize = if cfg!(test) { 12 } else { 10_000 };
/// The most tasks missing in a full walk that are requested one by one, per walk.
const ASKED_FOR: usize = 100;
/// How many full walks must miss a task before its absence counts, if the source does not give a reason for hiding it.
const MISSED_WALKS: i64 = 2;
/// The first delay after a failed poll.
const RETRY_INITIAL: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(60);

/// The longest sleep before the clock is checked again.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// The longest wait of a request for people's writes, so that a busy source does not stop the mirror.
const GIVES_WAY: Duration = Duration::from_secs(2);
/// The period of checking for people's writes. They last about as long, and each needs no signal.
const LOOKS_EVERY: Duration = Duration::from_millis(50);

/// Whether a person's write is under way at a source.
pub type WriteUnderWay = Arc<dyn Fn(Source) -> bool + Send + Sync>;

/// Told how far a full read of a source is, and `None` when it ends.
pub type ProgressTold = Box<dyn Fn(Source, Option<ReadingProgress>) + Send + Sync>;

/// The time between two log lines about a long read.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

/// A read of a source that is under way.
struct Reading {
    progress: ReadingProgress,
    /// Only full reads are reported: others take a moment.
    full: bool,
    said: tokio::time::Instant,
}

/// The result of a sync of one source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SyncResult {
    /// The number of tasks that changed.
    pub changed: u64,
    /// The reason of its failure; data read before it is kept.
    pub error: Option<String>,
    /// The lists or repositories that were found.
    pub containers: Vec<Container>,
}

/// The periods of polls (`[sync]` of bot.toml).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyncSettings {
    /// The time from a successful poll to the next, plus or minus 10 %.
    pub interval: Duration,
    /// A poll reads everything once the last full read is this old.
    pub full_interval: Duration,
}

/// See the module.
#[derive(Clone)]
pub struct Reconciler {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    clock: Clock,
    settings: Reloadable<SyncSettings>,
    sources: BTreeMap<Source, Mirrored>,
    yields: WriteUnderWay,
    told: OnceLock<ProgressTold>,
}

/// A source to mirror.
pub struct Mirror {
    /// Lists the tasks of the source.
    pub reader: Arc<dyn SourceReader>,
    /// Reads single tasks that a listing no longer shows.
    pub writer: Arc<dyn SourceWriter>,
    /// Lists or repositories as bot.toml names them.
    pub configured: Vec<String>,
}

struct Mirrored {
    mirror: Mirror,
    /// Allows one walk through a source at a time; holds the tasks whose comments are still to be read.
    walking: Mutex<comments::CommentRound>,
    /// The ids of lists or repositories that were archived at the last read.
    archived: std::sync::Mutex<BTreeSet<String>>,
    /// Signals that tasks are left in the round.
    unasked: Notify,
    /// Requests a poll now: after an outage, or when a webhook was found silent.
    wanted: Notify,
    /// Whether a poll of this run has ended.
    polled: AtomicBool,
    /// The state of logging failed polls.
    failing: std::sync::Mutex<LastingFailure>,
}

impl Reconciler {
    /// `yields` says whether polls must wait for people's writes at a source.
    pub fn new(
        store: Store,
        clock: Clock,
        settings: SyncSettings,
        mirrors: Vec<Mirror>,
        yields: WriteUnderWay,
    ) -> Reconciler {
        let sources = mirrors
            .into_iter()
            .map(|mirror| {
                let mirrored = Mirrored {
                    mirror,
                    walking: Mutex::default(),
                    archived: std::sync::Mutex::default(),
                    unasked: Notify::new(),
                    wanted: Notify::new(),
                    polled: AtomicBool::new(false),
                    failing: std::sync::Mutex::default(),
                };
                (mirrored.mirror.reader.source(), mirrored)
            })
            .collect();
        Reconciler {
            inner: Arc::new(Inner {
                store,
                clock,
                settings: Reloadable::new(settings),
                sources,
                yields,
                told: OnceLock::new(),
            }),
        }
    }

    /// Tells this how far full reads are. Only the first counts.
    pub fn tells(&self, told: ProgressTold) {
        let _first = self.inner.told.set(told);
    }

    /// Follows other periods. The present waits end, so that a shorter period counts at once.
    pub fn follow(&self, settings: SyncSettings) {
        if *self.inner.settings.get() == settings {
            return;
        }
        self.inner.settings.set(settings);
        for source in self.sources() {
            self.want(source);
        }
    }

    /// The mirrored sources, in the order of `Source`.
    pub fn sources(&self) -> Vec<Source> {
        self.inner.sources.keys().copied().collect()
    }

    /// Requests a poll of a source, because an event may have been missed.
    pub fn want(&self, source: Source) {
        if let Some(mirrored) = self.inner.sources.get(&source) {
            mirrored.wanted.notify_one();
        }
    }

    /// Reads every source separately: the changes since the last complete walk, or everything.
    pub async fn sync(&self, full: bool) -> BTreeMap<Source, SyncResult> {
        let walks = self
            .inner
            .sources
            .keys()
            .map(|&source| async move { (source, self.sync_source(source, full).await) });
        futures_util::future::join_all(walks)
            .await
            .into_iter()
            .collect()
    }

    /// Reads one source.
    pub async fn sync_source(&self, source: Source, full: bool) -> SyncResult {
        match self.inner.sources.get(&source) {
            Some(mirrored) => self.inner.sync(source, mirrored, full).await,
            None => SyncResult::default(),
        }
    }

    /// Polls one source until `shutdown`: at once, then every `sync.interval` with jitter, everything every
    /// `sync.full_interval`, and sooner on request or after a failure. `after` receives each result and is awaited.
    pub async fn keep_up<F: Future<Output = ()>>(
        &self,
        source: Source,
        after: impl Fn(Source, SyncResult) -> F,
        shutdown: CancellationToken,
    ) {
        let Some(mirrored) = self.inner.sources.get(&source) else {
            return;
        };
        let mut retry = Backoff::new(RETRY_INITIAL, RETRY_MAX);
        while !shutdown.is_cancelled() {
            // A poll is useless if its result cannot be stored.
            tokio::select! {
                () = self.inner.store.until_well() => {}
                () = shutdown.cancelled() => continue,
            }
            tokio::select! {
                () = self.inner.has_rested(Work::Poll(source)) => {}
                () = shutdown.cancelled() => continue,
            }
            let synced = self
                .inner
                .sync(source, mirrored, self.inner.full_is_due(source).await)
                .await;
            after(source, synced.clone()).await;
            let wait = match synced.error {
                None => {
                    retry.reset();
                    self.inner
                        .settings
                        .get()
                        .interval
                        .mul_f64(0.9 + fastrand::f64() / 5.0)
                }
                Some(_) => retry.next(),
            };
            let until = tokio::time::Instant::now() + wait;
            loop {
                tokio::select! {
                    () = tokio::time::sleep_until(until) => break,
                    () = mirrored.wanted.notified() => break,
                    () = shutdown.cancelled() => break,
                    () = mirrored.goes_on() => self.inner.go_on(source, mirrored).await,
                }
            }
        }
    }
}

impl Inner {
    /// The end of the oldest last full walk; `None` if a container never had one, or it is unknown.
    async fn full_at(&self, source: Source) -> Option<DateTime<Utc>> {
        self.store
            .read(move |connection| tasks::walked_full_at(connection, source))
            .await
            .ok()
            .flatten()
    }

    /// Whether the last complete full walk is too long ago.
    async fn full_is_due(&self, source: Source) -> bool {
        let full_at = self.full_at(source).await;
        let age = full_at.and_then(|at| (self.clock.now() - at).to_std().ok());
        age.is_none_or(|age| age >= self.settings.get().full_interval)
    }

    /// Waits until work that ended the process twice may begin again.
    async fn has_rested(&self, work: Work) {
        let mut retried = self.store.retried();
        loop {
            retried.mark_unchanged();
            let Some(until) = self.store.rests(&work, self.clock.now()) else {
                return;
            };
            let wait = (until - self.clock.now()).to_std().unwrap_or_default();
            // Clocks can be set, so it is checked regularly. An error means that the store is gone.
            let _woken = tokio::time::timeout(wait.min(LOOK_AGAIN), retried.changed()).await;
        }
    }

    /// Reads a source. If an unclean end may be its fault, a mark that it is being read is committed before.
    async fn sync(&self, source: Source, mirrored: &Mirrored, full: bool) -> SyncResult {
        let failed = |trouble: StoreError| SyncResult {
            error: Some(trouble.to_string()),
            ..SyncResult::default()
        };
        let work = match self.store.begin(&Work::Poll(source)).await {
            Ok(work) => work,
            Err(trouble) => return failed(trouble),
        };
        let begun = tokio::time::Instant::now();
        let synced = self.read(source, mirrored, full).await;
        let done = synced.error.is_none();
        self.store.is_over(work, done, self.clock.now()).await;
        metrics::gauge!("ivan_source_readable", "source" => source.as_str())
            .set(f64::from(u8::from(done)));
        metrics::histogram!("ivan_sync_seconds").record(begun.elapsed().as_secs_f64());
        metrics::counter!("ivan_sync_changes_total", "source" => source.as_str())
            .increment(synced.changed);
        let ms = begun.elapsed().as_millis();
        self.log_poll(source, mirrored, full, ms, &synced);
        synced
    }

    /// Logs a poll. Lasting failures are logged at growing intervals.
    fn log_poll(
        &self,
        source: Source,
        mirrored: &Mirrored,
        full: bool,
        ms: u128,
        synced: &SyncResult,
    ) {
        let changed = synced.changed;
        let first = !mirrored.polled.swap(true, Ordering::Relaxed);
        let mut failing = lock(&mirrored.failing);
        let now = self.clock.now() - DateTime::UNIX_EPOCH;
        // The details say where a poll met an outage. Each poll may meet the same one somewhere else.
        let why = synced.error.as_deref().map(for_owner);
        let lasted = failing.went(now.to_std().unwrap_or_default(), why.as_deref());
        match (&synced.error, lasted) {
            // Without news it is no event.
            (None, None) if changed == 0 && !full && !first => {
                tracing::debug!(%source, ms, "poll done");
            }
            (None, None) => {
                tracing::info!(%source, changed, full, ms, "poll done");
            }
            (None, Some(lasted)) => {
                tracing::info!(%source, changed, full, ms, failed = lasted, "poll done after failures");
            }
            (Some(why), Some(lasted)) => {
                let why = why.trim_end_matches('.');
                tracing::warn!(%source, failing = lasted, error = for_operators(why), "poll failed");
            }
            (Some(why), None) => {
                tracing::debug!(%source, full, ms, error = for_operators(why), "poll failed again");
            }
        }
    }

    async fn read(&self, source: Source, mirrored: &Mirrored, full: bool) -> SyncResult {
        let mut round = mirrored.walking.lock().await;
        let mut synced = SyncResult::default();
        let mut errors = Vec::new();
        let configured = mirrored.mirror.configured.clone();
        let followed = self
            .store
            .write(move |tx| tasks::follow_only(tx, source, &configured))
            .await;
        errors.extend(followed.err().map(|trouble| trouble.to_string()));
        let first = self.full_at(source).await.is_none();
        let containers = match self.turn(mirrored, first).await {
            Ok(()) => mirrored.mirror.reader.containers().await,
            Err(rests) => {
                errors.push(rests);
                Vec::new()
            }
        };
        let found = containers.iter().flatten().cloned().collect::<Vec<_>>();
        // A task in several lists may now count as being in another one of them.
        let full = match self.keep_containers(mirrored, found.clone()).await {
            Ok(changed) => full || changed,
            Err(trouble) => {
                errors.push(trouble.to_string());
                full
            }
        };
        synced.containers = found;
        round.begin(self.clock.now());
        let mut reading = self
            .reading(source, full || first, first, containers.len())
            .await;
        for container in containers {
            reading.progress.container += 1;
            let begun = self.clock.now();
            let walked = match container {
                Ok(container) => {
                    let walked = self.walk(
                        mirrored,
                        &container,
                        full,
                        &mut synced.changed,
                        &mut reading,
                    );
                    match walked.await {
                        Ok(()) => self.comments(mirrored, &container, begun).await,
                        failed => failed,
                    }
                }
                Err(error) => Err(error.why().to_owned()),
            };
            errors.extend(walked.err());
        }
        if let (true, Some(told)) = (reading.full, self.told.get()) {
            told(source, None);
        }
        if errors.is_empty() {
            errors.extend(self.conversations(mirrored, &mut round).await.err());
        }
        if !errors.is_empty() {
            synced.error = Some(reason::together(errors.iter().map(String::as_str)));
        }
        synced
    }

    /// A read that begins. The tasks known before say about how many there are.
    async fn reading(&self, source: Source, full: bool, first: bool, containers: usize) -> Reading {
        let expected = match full && !first {
            true => {
                let known = move |db: &crate::store::Db| tasks::count_up_to(db, source, usize::MAX);
                self.store.read(known).await.ok()
            }
            false => None,
        };
        Reading {
            progress: ReadingProgress {
                tasks: 0,
                expected: expected.map(|known| known as u64),
                container: 0,
                containers,
            },
            full,
            said: tokio::time::Instant::now(),
        }
    }

    /// Reports a page of a full read: each to `status`, and one every few seconds to the log.
    fn has_read(&self, container: &Container, reading: &mut Reading) {
        if !reading.full {
            return;
        }
        let (source, progress) = (container.source, reading.progress);
        if let Some(told) = self.told.get() {
            told(source, Some(progress));
        }
        if reading.said.elapsed() < PROGRESS_EVERY {
            return;
        }
        reading.said = tokio::time::Instant::now();
        let left = progress
            .expected
            .map(|all| all.saturating_sub(progress.tasks));
        let of = format!("{}/{}", progress.container, progress.containers);
        tracing::info!(%source, tasks = progress.tasks, about_left = left, name = container.name, container = of, "reading");
    }

    /// Stores the current state of lists and repositories; returns whether one was archived or restored since. An
    /// archived one is logged when a run first finds it.
    async fn keep_containers(
        &self,
        mirrored: &Mirrored,
        found: Vec<Container>,
    ) -> Result<bool, StoreError> {
        for container in &found {
            let mut archived = lock(&mirrored.archived);
            match container.archived {
                false => {
                    archived.remove(&container.id);
                }
                true if archived.insert(container.id.clone()) => {
                    tracing::warn!(source = %container.source, name = container.name, id = container.configured, "the {} is archived, so its tasks are hidden", container.source.container());
                }
                true => {}
            }
        }
        self.store
            .write(move |tx| {
                let mut changed = false;
                for container in &found {
                    changed |= tasks::keep_container(tx, container)?;
                }
                if changed {
                    tx.wake(Wake::Homes);
                }
                Ok(changed)
            })
            .await
    }

    /// Reads the comments of further tasks between two polls.
    async fn go_on(&self, source: Source, mirrored: &Mirrored) {
        let work = Work::Comments(source);
        if self.store.rests(&work, self.clock.now()).is_some() {
            return;
        }
        let begun = match self.store.begin(&work).await {
            Ok(begun) => begun,
            Err(trouble) => {
                tracing::warn!(%source, error = %trouble, "comments not read");
                return;
            }
        };
        let mut round = mirrored.walking.lock().await;
        let read = self.conversations(mirrored, &mut round).await;
        self.store
            .is_over(begun, read.is_ok(), self.clock.now())
            .await;
        if let Err(why) = read {
            tracing::warn!(%source, error = for_operators(&why), "comments not read; the next poll tries again");
        }
    }

    /// Waits until a request may go out: people's writes go first, for a limited time. Fails if only their reserve of
    /// the rate limit is left, unless this is a first walk.
    async fn turn(&self, mirrored: &Mirrored, first: bool) -> Result<(), String> {
        let reader = &mirrored.mirror.reader;
        let source = reader.source();
        give_way(|| (self.yields)(source), GIVES_WAY).await;
        match reader.rest_until().filter(|_| !first) {
            None => Ok(()),
            Some(until) => Err(format!(
                "{}'s rate limit is nearly reached, so I'm saving the rest for commands. Reading resumes at {}",
                source.name(),
                until.format("%Y-%m-%d %H:%M:%S UTC")
            )),
        }
    }

    async fn walk(
        &self,
        mirrored: &Mirrored,
        container: &Container,
        full: bool,
        changed: &mut u64,
        reading: &mut Reading,
    ) -> Result<(), String> {
        let walked = container.clone();
        let cursor = self
            .store
            .read(move |connection| tasks::cursor(connection, &walked))
            .await
            .map_err(in_words)?;
        let first = cursor.is_none();
        // The first walk through a container reads everything.
        let since = cursor.filter(|_| !full).map(|cursor| cursor - OVERLAP);
        let walk = self.clock.now();
        let mut newest: Option<DateTime<Utc>> = None;
        let mut place: Option<String> = None;
        for _ in 0..PAGES {
            self.turn(mirrored, first).await?;
            let asked_at = self.clock.now();
            let page = mirrored
                .mirror
                .reader
                .page(container, since, place.as_deref())
                .await
                .map_err(|error: WriteError| error.why().to_owned())?;
            newest = newest.max(page.tasks.iter().map(|task| task.updated_at).max());
            let tasks = page.tasks;
            reading.progress.tasks += tasks.len() as u64;
            self.has_read(container, reading);
            *changed += self
                .store
                .write(move |tx| {
                    let mut changed = 0;
                    for task in &tasks {
                        let applied = ingest::seen(
                            tx,
                            task,
                            ReportOrigin::Asked(asked_at),
                            Vec::new(),
                            asked_at,
                        )?;
                        changed += u64::from(applied == Applied::Changed);
                        tasks::met(tx, &task.key, walk)?;
                    }
                    Ok(changed)
                })
                .await
                .map_err(in_words)?;
            place = page.next;
            if place.is_none() {
                if since.is_none() {
                    *changed += self
                        .ask_for_the_unmet(mirrored, container, walk, first)
                        .await?;
                }
                let (walked, now) = (container.clone(), self.clock.now());
                self.store
                    .write(move |tx| {
                        if since.is_none() {
                            tasks::walked_full(tx, &walked, now)?;
                        }
                        tasks::walked(tx, &walked, newest, now)
                    })
                    .await
                    .map_err(in_words)?;
                mirrored.mirror.reader.walked(container);
                return Ok(());
            }
        }
        Limit::Pages.reached(format_args!(
            "{} has more than {PAGES} pages; the poll counts as failed",
            container.name
        ));
        Err(format!("{} has more than {PAGES} pages", container.name))
    }

    /// Requests tasks missing in a complete full walk one by one: they may have been moved, deleted or hidden
    /// (docs/contracts/clickup.md#polling, docs/contracts/github.md#conditional-requests-and-polling). Returns the number of tasks that are no longer open here.
    async fn ask_for_the_unmet(
        &self,
        mirrored: &Mirrored,
        container: &Container,
        walk: DateTime<Utc>,
        first: bool,
    ) -> Result<u64, String> {
        let walked = container.clone();
        let unmet = self
            .store
            .write(move |tx| tasks::unmet(tx, &walked, walk, ASKED_FOR))
            .await
            .map_err(in_words)?;
        let mut changed = 0;
        if unmet.count > ASKED_FOR {
            Limit::Unmet.reached(format_args!("{} tasks are no longer listed in {}; {ASKED_FOR} are looked up now, the rest after the next full poll", unmet.count, container.name));
        }
        for (key, missed) in unmet.first {
            self.turn(mirrored, first).await?;
            let asked_at = self.clock.now();
            let read = mirrored.mirror.writer.read(&key).await;
            if let Err(WriteError::Refused {
                what: Refusal::Gone,
                ..
            }) = &read
                && let Some(to) = self.successor(mirrored, &key).await
            {
                changed += u64::from(self.moved(mirrored, key, &to, first).await?);
                continue;
            }
            changed +=
                u64::from(self.unmet(key, missed, asked_at, read).await? == Applied::Changed);
        }
        Ok(changed)
    }

    /// The new key of a task that is gone. If it cannot be determined now, the task counts as gone; it is mirrored
    /// under its new key in any case.
    async fn successor(&self, mirrored: &Mirrored, key: &TaskKey) -> Option<TaskKey> {
        let found = mirrored.mirror.reader.moved_to(key).await;
        let why = |why: &WriteError| tracing::debug!(task = key.as_str(), %why, "not followed");
        found.inspect_err(why).ok().flatten()
    }

    /// Applies the move of a task to another key; returns whether it was applied.
    async fn moved(
        &self,
        mirrored: &Mirrored,
        from: TaskKey,
        to: &TaskKey,
        first: bool,
    ) -> Result<bool, String> {
        self.turn(mirrored, first).await?;
        let asked_at = self.clock.now();
        let task = match mirrored.mirror.writer.read(to).await {
            Ok(task) => task,
            // It is requested again after the next full walk.
            Err(_) => return Ok(false),
        };
        self.store
            .write(move |tx| ingest::moved(tx, &from, &task, asked_at, Vec::new(), asked_at))
            .await
            .map_err(in_words)?;
        Ok(true)
    }

    async fn unmet(
        &self,
        key: TaskKey,
        missed: i64,
        asked_at: DateTime<Utc>,
        read: Result<crate::domain::task::Task, WriteError>,
    ) -> Result<Applied, String> {
        self.store
            .write(move |tx| match read {
                Ok(task) => ingest::seen(
                    tx,
                    &task,
                    ReportOrigin::Asked(asked_at),
                    Vec::new(),
                    asked_at,
                ),
                Err(WriteError::Refused { what, .. }) => match what {
                    Refusal::Gone => ingest::gone(tx, &key, Vec::new(), asked_at),
                    Refusal::NotMirrored => ingest::away(tx, &key, asked_at),
                    Refusal::Invisible | Refusal::Other if missed >= MISSED_WALKS => {
                        ingest::away(tx, &key, asked_at)
                    }
                    Refusal::Invisible | Refusal::Changed | Refusal::Other => Ok(Applied::Same),
                },
                // It is requested again after the next full walk.
                Err(WriteError::NotTaken { .. } | WriteError::Unknown { .. }) => Ok(Applied::Same),
            })
            .await
            .map_err(in_words)
    }
}

/// Waits while `busy`, at most `longest`.
async fn give_way(busy: impl Fn() -> bool, longest: Duration) {
    let wait = async {
        while busy() {
            tokio::time::sleep(LOOKS_EVERY).await;
        }
    };
    // After the longest wait it continues in any case.
    let _ended = tokio::time::timeout(longest, wait).await;
}

fn in_words(trouble: StoreError) -> String {
    trouble.to_string()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex as StdMutex;
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

    use async_trait::async_trait;

    use crate::domain::event::{Activity, ActivityKind};
    use crate::domain::operation::{Operation, WriteReceipt};
    use crate::domain::source::{CommentPage, CommentsOf, Listing, Page, SourceComment};
    use crate::domain::task::{RepoName, Task, TaskId, TaskStatus};
    use crate::domain::undo::EffectState;

    use super::*;
    use crate::store::StoreSettings;

    /// A repository with one or more issues, and how often it was listed.
    #[derive(Default)]
    struct Fake {
        /// Each page announces another one.
        endless: AtomicBool,
        /// It lists nothing, and finds no requested task.
        empty: AtomicBool,
        read: AtomicU32,
        issues: AtomicU32,
        /// The comments that are listed for the repository, one page each; `None`: they are listed by task.
        comments: StdMutex<Option<Vec<CommentPage>>>,
        /// The tasks whose comments were requested, and their `since`.
        asked: StdMutex<Vec<String>>,
        rests: StdMutex<Option<DateTime<Utc>>>,
        named: AtomicU32,
        listed: AtomicU32,
        walked: AtomicU32,
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_767_225_600 + seconds, 0).unwrap()
    }

    fn widgets() -> Container {
        Container {
            source: Source::GitHub,
            id: "1001".into(),
            name: "acme/widgets".into(),
            configured: "acme/widgets".into(),
            archived: false,
        }
    }

    fn task(number: u64) -> Task {
        Task {
            key: TaskKey::github(1001, number),
            id: TaskId::github(RepoName::parse("acme/widgets"), number).unwrap(),
            container: "1001".into(),
            title: "Polish the widgets".into(),
            description: String::new(),
            url: "https://github.com/acme/widgets/issues/1".into(),
            status: TaskStatus::Todo,
            source_status: "open".into(),
            assignees: Vec::new(),
            labels: Vec::new(),
            entity: None,
            priority: None,
            due: None,
            created_at: at(0),
            updated_at: at(0),
            closed: None,
            commented_at: None,
            reopened: false,
            custom_id: None,
            creator: None,
            links: Vec::new(),
            home: None,
            milestone: None,
            task_type: None,
            parent: None,
            children: None,
        }
    }

    #[async_trait]
    impl SourceReader for Fake {
        fn source(&self) -> Source {
            Source::GitHub
        }

        async fn containers(&self) -> Vec<Result<Container, WriteError>> {
            self.named.fetch_add(1, Ordering::SeqCst);
            vec![Ok(widgets())]
        }

        async fn page(
            &self,
            _: &Container,
            _: Option<DateTime<Utc>>,
            _: Option<&str>,
        ) -> Result<Page, WriteError> {
            self.listed.fetch_add(1, Ordering::SeqCst);
            let listed = !self.empty.load(Ordering::SeqCst);
            Ok(Page {
                tasks: (1..=self.issues.load(Ordering::SeqCst).max(1))
                    .filter(|_| listed)
                    .map(|number| task(number.into()))
                    .collect(),
                next: self
                    .endless
                    .load(Ordering::SeqCst)
                    .then(|| "more".to_owned()),
            })
        }

        fn comments_are_listed(&self) -> Listing {
            match *self.comments.lock().unwrap() {
                Some(_) => Listing::ByContainer,
                None => Listing::ByTask,
            }
        }

        async fn comments(
            &self,
            of: CommentsOf<'_>,
            since: Option<DateTime<Utc>>,
            page: Option<&str>,
        ) -> Result<CommentPage, WriteError> {
            let whose = match of {
                CommentsOf::Task(key) => key.as_str().to_owned(),
                CommentsOf::Container(_) => format!("{since:?}"),
            };
            self.asked.lock().unwrap().push(whose);
            let number: usize = page.map_or(0, |page| page.parse().unwrap());
            let pages = self.comments.lock().unwrap();
            let pages = pages.as_deref().unwrap_or_default();
            let none = CommentPage {
                comments: Vec::new(),
                newest: None,
                next: None,
            };
            let mut page = pages.get(number).cloned().unwrap_or(none);
            page.next = (number + 1 < pages.len()).then(|| (number + 1).to_string());
            Ok(page)
        }

        fn walked(&self, container: &Container) {
            assert_eq!(*container, widgets());
            self.walked.fetch_add(1, Ordering::SeqCst);
        }

        fn rest_until(&self) -> Option<DateTime<Utc>> {
            *self.rests.lock().unwrap()
        }
    }

    #[async_trait]
    impl SourceWriter for Fake {
        fn source(&self) -> Source {
            Source::GitHub
        }

        async fn read(&self, key: &TaskKey) -> Result<Task, WriteError> {
            self.read.fetch_add(1, Ordering::SeqCst);
            match key.github_parts() {
                _ if self.empty.load(Ordering::SeqCst) => Err(WriteError::Refused {
                    what: Refusal::Gone,
                    why: "it is gone".into(),
                }),
                Some((1001, 2)) => Ok(task(2)),
                _ => Err(WriteError::Refused {
                    what: Refusal::Invisible,
                    why: "a pull request".into(),
                }),
            }
        }

        async fn send(&self, _: &Operation, _: Option<&Task>) -> Result<WriteReceipt, WriteError> {
            panic!("the reconciler writes nothing")
        }

        async fn find(&self, _: &Operation) -> Result<Option<WriteReceipt>, WriteError> {
            panic!("the reconciler writes nothing")
        }

        async fn still_as_left(&self, _: &Operation, _: &Task) -> Result<EffectState, WriteError> {
            panic!("the reconciler undoes nothing")
        }
    }

    fn reconciler(
        folder: &tempfile::TempDir,
        fake: &Arc<Fake>,
        yields: WriteUnderWay,
    ) -> Reconciler {
        let mirror = Mirror {
            reader: fake.clone(),
            writer: fake.clone(),
            configured: vec!["acme/widgets".into()],
        };
        let settings = SyncSettings {
            interval: Duration::from_secs(60),
            full_interval: Duration::from_secs(3600),
        };
        let store = Store::open(&folder.path().join("ivan.db"), StoreSettings::default()).unwrap();
        Reconciler::new(store, Clock::system(), settings, vec![mirror], yields)
    }

    #[tokio::test]
    async fn the_reserve_is_for_people_and_for_the_first_walk() {
        let folder = tempfile::tempdir().unwrap();
        let fake = Arc::new(Fake::default());
        let reconciler = reconciler(&folder, &fake, Arc::new(|_| false));
        *fake.rests.lock().unwrap() = Some(at(0));
        let counts = || {
            let counts = [&fake.named, &fake.listed, &fake.walked];
            counts.map(|count| count.load(Ordering::SeqCst))
        };
        let first = reconciler.sync_source(Source::GitHub, false).await;
        assert_eq!((first.changed, first.error), (1, None));
        assert_eq!(counts(), [1, 1, 1]);
        for full in [false, true] {
            let rests = reconciler.sync_source(Source::GitHub, full).await;
            let why = rests.error.unwrap();
            assert!(why.contains("GitHub's rate limit"), "{why}");
            assert!(why.ends_with("at 2026-01-01 00:00:00 UTC"), "{why}");
            assert_eq!(counts(), [1, 1, 1], "nothing is asked");
        }
        *fake.rests.lock().unwrap() = None;
        let again = reconciler.sync_source(Source::GitHub, false).await;
        assert_eq!((again.changed, again.error), (0, None));
        assert_eq!(counts(), [2, 2, 2]);
    }

    #[tokio::test]
    async fn a_request_waits_for_the_writes_of_people() {
        let folder = tempfile::tempdir().unwrap();
        let fake = Arc::new(Fake::default());
        let looks = Arc::new(AtomicU32::new(0));
        let (seen, listed) = (looks.clone(), fake.clone());
        // Busy at the first check of each request: containers, then the page.
        let yields: WriteUnderWay = Arc::new(move |source| {
            assert_eq!(source, Source::GitHub);
            let look = seen.fetch_add(1, Ordering::SeqCst);
            assert_eq!(listed.listed.load(Ordering::SeqCst), 0);
            look % 2 == 0
        });
        let synced = reconciler(&folder, &fake, yields)
            .sync_source(Source::GitHub, false)
            .await;
        assert_eq!(synced.error, None);
        assert_eq!(looks.load(Ordering::SeqCst), 4);
        assert_eq!(fake.listed.load(Ordering::SeqCst), 1);
    }

    fn value(reconciler: &Reconciler, sql: &'static str) -> impl Future<Output = i64> + use<> {
        let store = reconciler.inner.store.clone();
        async move {
            let value = move |db: &crate::store::Db| db.query_row(sql, [], |row| row.get(0));
            store.read(value).await.unwrap()
        }
    }

    #[tokio::test]
    async fn comments_of_single_tasks_are_asked_for_some_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let fake = Arc::new(Fake::default());
        fake.issues.store(45, Ordering::SeqCst);
        let reconciler = reconciler(&folder, &fake, Arc::new(|_| false));
        let configured = |tx: &crate::store::Tx<'_>| crate::store::people::configure(tx, &[]);
        reconciler.inner.store.write(configured).await.unwrap();
        let asked = || std::mem::take(&mut *fake.asked.lock().unwrap());
        let sync = || reconciler.sync_source(Source::GitHub, false);
        assert_eq!(sync().await.error, None);
        assert_eq!(asked(), Vec::<String>::new(), "nothing is news yet");
        let pin = |tx: &crate::store::Tx<'_>| {
            let sql = "INSERT INTO pins (person_id, task_id, pinned_us)
                SELECT people.id, tasks.id, 0 FROM people, tasks WHERE source_key = '1001:40'";
            tx.execute(sql, [])
        };
        reconciler.inner.store.write(pin).await.unwrap();
        sync().await;
        let first = asked();
        assert_eq!((first.len(), first[0].as_str()), (20, "1001:40"));
        // Between two polls the rest is requested, each once, until none is left.
        let mirrored = &reconciler.inner.sources[&Source::GitHub];
        let mut all = first;
        for expected in [20, 5, 0] {
            reconciler.inner.go_on(Source::GitHub, mirrored).await;
            let more = asked();
            assert_eq!(more.len(), expected);
            all.extend(more);
        }
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 45);
        // The rest of the rate limit is reserved for people.
        *fake.rests.lock().unwrap() = Some(at(0));
        let mut round = mirrored.walking.lock().await;
        round.begin(Clock::system().now() + chrono::Duration::seconds(1));
        let rests = reconciler.inner.conversations(mirrored, &mut round).await;
        assert_eq!((rests, asked().len()), (Ok(()), 0));
    }

    fn said(number: u64, id: &str, at: DateTime<Utc>) -> SourceComment {
        SourceComment {
            task: TaskKey::github(1001, number),
            edited: false,
            act: Activity {
                by: None,
                at,
                what: ActivityKind::Commented {
                    id: id.into(),
                    text: "Seen on 17.4 too".into(),
                    operation: None,
                },
            },
        }
    }

    fn listed(comments: Vec<SourceComment>, newest: DateTime<Utc>) -> CommentPage {
        CommentPage {
            comments,
            newest: Some(newest),
            next: None,
        }
    }

    #[tokio::test]
    async fn comments_that_were_there_before_are_no_news() {
        let folder = tempfile::tempdir().unwrap();
        let fake = Arc::new(Fake::default());
        let now = Clock::system().now();
        let old = said(1, "899", now - chrono::Duration::minutes(1));
        let newest = said(1, "900", now);
        let page = listed(vec![newest.clone(), old.clone()], now);
        *fake.comments.lock().unwrap() = Some(vec![page]);
        let reconciler = reconciler(&folder, &fake, Arc::new(|_| false));
        let sync = || reconciler.sync_source(Source::GitHub, false);
        assert_eq!(sync().await.error, None);
        // A comment of the same second, which the first poll did not see.
        let new = said(1, "901", now);
        let page = listed(vec![old, newest, new], now);
        *fake.comments.lock().unwrap() = Some(vec![page]);
        assert_eq!(sync().await.error, None);
        let heard = value(
            &reconciler,
            "SELECT count(*) * 10000 + min(comment_id) FROM comments",
        );
        assert_eq!(
            heard.await,
            20_900,
            "the newest one at the first poll, and the new one"
        );
    }

    #[tokio::test]
    async fn a_comment_on_a_task_that_is_not_known_yet_brings_the_task() {
        let folder = tempfile::tempdir().unwrap();
        let fake = Arc::new(Fake::default());
        *fake.comments.lock().unwrap() = Some(Vec::new());
        let reconciler = reconciler(&folder, &fake, Arc::new(|_| false));
        let sync = || reconciler.sync_source(Source::GitHub, false);
        assert_eq!(sync().await.error, None);
        let now = Clock::system().now();
        let old = now - chrono::Duration::days(15);
        let comments = vec![
            said(1, "900", old),
            said(2, "901", now),
            said(9, "902", now),
        ];
        *fake.comments.lock().unwrap() = Some(vec![listed(comments, now)]);
        assert_eq!(sync().await.error, None);
        let known = value(
            &reconciler,
            "SELECT count(*) FROM tasks WHERE source_key = '1001:2'",
        );
        assert_eq!(known.await, 1);
        let heard = value(
            &reconciler,
            "SELECT CAST(group_concat(comment_id) AS INTEGER) FROM comments",
        );
        assert_eq!(
            heard.await,
            901,
            "and nothing of a pull request, nor what is too old"
        );
    }

    #[tokio::test]
    async fn more_comments_than_a_poll_reads_are_read_by_the_next_ones() {
        let folder = tempfile::tempdir().unwrap();
        let fake = Arc::new(Fake::default());
        *fake.comments.lock().unwrap() = Some(Vec::new());
        let reconciler = reconciler(&folder, &fake, Arc::new(|_| false));
        let sync = || reconciler.sync_source(Source::GitHub, false);
        sync().await;
        let begin = Clock::system().now() - chrono::Duration::days(1);
        let minutes = |n: i64| begin + chrono::Duration::minutes(n);
        // A page per minute; the last has a comment written at the beginning and edited since.
        let mut pages: Vec<_> = (0..60).map(|n| listed(Vec::new(), minutes(n))).collect();
        pages[59].comments.push(said(1, "901", minutes(0)));
        *fake.comments.lock().unwrap() = Some(pages.clone());
        let before = Limit::Pages.times();
        fake.asked.lock().unwrap().clear();
        sync().await;
        assert_eq!(fake.asked.lock().unwrap().len(), 50);
        assert!(Limit::Pages.times() > before);
        let heard = || value(&reconciler, "SELECT count(*) FROM comments");
        assert_eq!(heard().await, 0);
        *fake.comments.lock().unwrap() = Some(pages.split_off(44));
        sync().await;
        let asked = fake.asked.lock().unwrap()[50].clone();
        assert_eq!(asked, format!("{:?}", Some(since_of(minutes(49)))));
        assert_eq!(heard().await, 1);
        // A comment written before everything read so far is an edit.
        let old = said(1, "902", minutes(0));
        *fake.comments.lock().unwrap() = Some(vec![listed(vec![old], minutes(61))]);
        sync().await;
        assert_eq!(heard().await, 1);
    }

    /// The stored `since`: in ms, with the overlap.
    fn since_of(read: DateTime<Utc>) -> DateTime<Utc> {
        let kept = DateTime::from_timestamp_millis(read.timestamp_millis()).unwrap();
        kept - OVERLAP
    }

    #[tokio::test]
    async fn a_listing_without_end_is_given_up_and_what_was_read_stays() {
        let folder = tempfile::tempdir().unwrap();
        let fake = Arc::new(Fake::default());
        fake.endless.store(true, Ordering::SeqCst);
        let reconciler = reconciler(&folder, &fake, Arc::new(|_| false));
        let before = Limit::Pages.times();
        let synced = reconciler.sync_source(Source::GitHub, false).await;
        let why = format!("acme/widgets has more than {PAGES} pages");
        assert_eq!((synced.changed, synced.error), (1, Some(why)));
        assert!(Limit::Pages.times() > before);
        fake.endless.store(false, Ordering::SeqCst);
        let synced = reconciler.sync_source(Source::GitHub, false).await;
        assert_eq!((synced.changed, synced.error), (0, None));
    }

    #[tokio::test]
    async fn of_many_tasks_that_are_listed_no_more_some_are_asked_for_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let fake = Arc::new(Fake::default());
        let reconciler = reconciler(&folder, &fake, Arc::new(|_| false));
        let synced = reconciler.sync_source(Source::GitHub, true).await;
        assert_eq!(synced.error, None);
        reconciler
            .inner
            .store
            .write(|tx| {
                for number in 2..=ASKED_FOR as u64 + 20 {
                    tasks::keep_anew(tx, &task(number), at(0))?;
                }
                Ok(())
            })
            .await
            .unwrap();
        fake.empty.store(true, Ordering::SeqCst);
        let before = Limit::Unmet.times();
        for (asked, reached) in [(ASKED_FOR, 1), (ASKED_FOR + 20, 1)] {
            reconciler.sync_source(Source::GitHub, true).await;
            let asked_for = usize::try_from(fake.read.load(Ordering::SeqCst)).unwrap();
            assert_eq!(asked_for, asked);
            assert!(Limit::Unmet.times() >= before + reached);
        }
    }

    #[tokio::test]
    async fn nobody_gives_way_for_ever() {
        let looks = AtomicU32::new(0);
        let busy = || {
            looks.fetch_add(1, Ordering::SeqCst);
            true
        };
        let ended = tokio::time::timeout(GIVES_WAY, give_way(busy, LOOKS_EVERY * 3));
        assert!(ended.await.is_ok());
        assert!(looks.load(Ordering::SeqCst) > 1);
    }
}
