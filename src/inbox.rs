//! Processes webhook deliveries: reads their events, applies them, and sends notices.
//!
//! A delivery is stored before it is answered (P1) and processed later. If its payload lacks data, or arrives beside
//! another of the same time, the task is read; several deliveries about one task share a read. Each source has its own
//! loop, so a source without an answer delays only deliveries that need reads from it. Those wait with a back-off, or
//! until the source answers another request, and are not read again meanwhile. While deliveries flood in, storing them
//! goes first, and the loops wait a little (`inbox/flood.rs`).

mod flood;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use futures_util::future::{join, join_all};
use futures_util::stream;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::domain::event::{Activity, ActivityKind, SourceEvent};
use crate::domain::ids::DeliveryId;
use crate::domain::operation::{Refusal, WriteError};
use crate::domain::set_aside::Work;
use crate::domain::source::SourceWriter;
use crate::domain::source::{Delivery, UnreadablePayload, WebhookReader};
use crate::domain::task::{Source, Task, TaskKey};
use crate::ingest::{self, Applied, ReportOrigin};
use crate::limits::{Limit, ReasonThrottle};
use crate::linking;
use crate::runtime::{Backoff, CancellationToken, lock};
use crate::store::deliveries::{self, PageLimits, WaitingDelivery};
use crate::store::{Store, StoreError, Tx, Wake, tasks};
use crate::telemetry::{self, DeliveryFact, Fact};
use flood::Flood;

pub use crate::store::slack_events::Inserted;

/// The limit of waiting deliveries: beyond it senders are asked to retry (P8).
const WAITING_MAX: i64 = 20_000;
/// The waiting deliveries beyond which they are processed at full speed, even while more flood in.
const FLOOD_MAX: i64 = WAITING_MAX / 4 * 3;
/// The deliveries processed together, and the tasks read at once for them.
const TOGETHER: PageLimits = PageLimits {
    deliveries: 64,
    bytes: 8 * 1024 * 1024,
};
const READS: usize = 8;
/// How long secrets are used from memory. A delivery that fits none of them has them read again at once.
pub const SECRETS_FOR: Duration = Duration::from_secs(60);
/// The most activities on one task that deliveries report together; of more, the newest are used.
const ACTS_MAX: usize = 256;
/// The first delay after a source did not answer, or the store failed.
const RETRY_INITIAL: Duration = Duration::from_secs(1);
const RETRY: Backoff = Backoff::new(RETRY_INITIAL, Duration::from_secs(60));

/// A source that breaks its contract would otherwise fill the log with every delivery.
static UNREADABLE: ReasonThrottle = ReasonThrottle::new();

/// See the module.
#[derive(Clone)]
pub struct Inbox {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    clock: Clock,
    readers: BTreeMap<Source, Arc<dyn WebhookReader>>,
    /// Used for reads only, to complete hints.
    sources: BTreeMap<Source, Arc<dyn SourceWriter>>,
    /// The secrets from bot.toml.
    secrets: BTreeMap<Source, String>,
    /// The secrets of registered webhooks, as the store had them.
    registered: Mutex<BTreeMap<Source, Registered>>,
    /// The waiting deliveries, and how fast they come in.
    flood: Flood,
    /// Changes when a delivery was stored.
    kept: watch::Sender<u64>,
    /// Changes when a source answered.
    answers: BTreeMap<Source, watch::Sender<u64>>,
    /// The source of the last delivery.
    arrivals: watch::Sender<Option<Source>>,
}

/// The reason why a delivery was not stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotKept {
    /// Too many deliveries wait to be processed.
    #[error("{waiting} deliveries are waiting, which is the limit")]
    Full {
        /// The number of deliveries that wait.
        waiting: i64,
    },
    /// The store refuses writes.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The secrets of a source's registered webhooks, by the webhook's id, and when they were read.
struct Registered {
    secrets: Vec<(String, String)>,
    read_at: Instant,
}

/// A delivery and its events.
struct Read {
    waiting: WaitingDelivery,
    events: Result<Vec<SourceEvent>, UnreadablePayload>,
}

/// The result of a read, and the time of the request.
type Looked = (DateTime<Utc>, Result<Task, WriteError>);

impl Inbox {
    /// An inbox for the sources with a reader. Deliveries are stored at once, and processed by `run`.
    pub fn new(
        store: Store,
        clock: Clock,
        readers: Vec<Arc<dyn WebhookReader>>,
        sources: Vec<Arc<dyn SourceWriter>>,
        secrets: BTreeMap<Source, String>,
    ) -> Inbox {
        Inbox {
            inner: Arc::new(Inner {
                store,
                clock,
                readers: readers
                    .into_iter()
                    .map(|reader| (reader.source(), reader))
                    .collect(),
                sources: sources
                    .into_iter()
                    .map(|writer| (writer.source(), writer))
                    .collect(),
                secrets,
                registered: Mutex::default(),
                flood: Flood::default(),
                kept: watch::Sender::default(),
                answers: Source::ALL
                    .into_iter()
                    .map(|source| (source, watch::Sender::default()))
                    .collect(),
                arrivals: watch::Sender::default(),
            }),
        }
    }

    /// The readers of the configured sources.
    pub fn readers(&self) -> Vec<Arc<dyn WebhookReader>> {
        self.inner.readers.values().cloned().collect()
    }

    /// Stores a delivery with a valid signature; it is committed when this returns (P1). A duplicate of a stored one
    /// changes nothing: the stored one was processed or will be.
    ///
    /// # Errors
    /// No part of it was stored: too many deliveries wait, or the store refuses writes.
    pub async fn keep(&self, delivery: Delivery) -> Result<Inserted, NotKept> {
        let Inner { store, flood, .. } = &*self.inner;
        let waiting = self.inner.count_waiting().await?;
        if waiting >= WAITING_MAX {
            Limit::Inbox.reached(format_args!("{waiting} deliveries are waiting; {} is told to retry, and the next poll finds the rest", delivery.source));
            return Err(NotKept::Full { waiting });
        }
        let now = self.inner.clock.now();
        let kept = store.write(move |tx| {
            tx.wake(Wake::Delivered);
            deliveries::keep(tx, &delivery, now)
        });
        let kept = kept.await?;
        if kept == Inserted::New {
            flood.one_arrived(Instant::now());
        }
        Ok(kept)
    }

    /// Records that a webhook of the source has delivered.
    pub fn has_delivered(&self, source: Source) {
        self.inner.arrivals.send_replace(Some(source));
    }

    /// Changes with each delivery from a webhook; the value is its source.
    pub fn arrivals(&self) -> watch::Receiver<Option<Source>> {
        self.inner.arrivals.subscribe()
    }

    /// The secrets that may sign a delivery: the one from bot.toml, and the one of the webhook `hook`, if the store has it;
    /// for `None` those of all webhooks, newest first. If empty, the source has no route (P6).
    pub async fn secrets(
        &self,
        source: Source,
        hook: Option<&str>,
    ) -> Result<Vec<String>, StoreError> {
        let is_fresh = |of: &Registered| of.read_at.elapsed() < SECRETS_FOR;
        if !self.inner.registered().get(&source).is_some_and(is_fresh) {
            self.learn_secrets(source).await?;
        }
        let registered = self.inner.registered();
        let all = registered.get(&source).into_iter();
        let fitting = all
            .flat_map(|of| &of.secrets)
            .filter(|(id, _)| hook.is_none_or(|hook| hook == id));
        let configured = self.inner.secrets.get(&source).cloned();
        let secrets = configured.into_iter();
        Ok(secrets
            .chain(fitting.map(|(_, secret)| secret.clone()))
            .collect())
    }

    /// Reads the secrets of a source's registered webhooks: `ivan webhooks` stores them beside a running daemon.
    pub async fn learn_secrets(&self, source: Source) -> Result<(), StoreError> {
        let read_at = Instant::now();
        let store = &self.inner.store;
        let secrets = store.read(move |connection| deliveries::secrets_by_hook(connection, source));
        let secrets = secrets.await?;
        let registered = Registered { secrets, read_at };
        self.inner.registered().insert(source, registered);
        Ok(())
    }

    /// Stores the secret of a registered webhook.
    pub async fn remember_hook(
        &self,
        source: Source,
        hook: &str,
        url: &str,
        secret: &str,
    ) -> Result<(), StoreError> {
        let (hook, url, secret) = (hook.to_owned(), url.to_owned(), secret.to_owned());
        let now = self.inner.clock.now();
        self.inner
            .store
            .write(move |tx| deliveries::keep_hook(tx, source, &hook, &url, &secret, now))
            .await?;
        self.inner.registered().remove(&source);
        Ok(())
    }

    /// Retries deliveries that wait for a source, because the source has answered.
    pub fn source_answers(&self, source: Source) {
        if let Some(answers) = self.inner.answers.get(&source) {
            answers.send_modify(|count| *count = count.wrapping_add(1));
        }
    }

    /// Processes stored deliveries until `shutdown`.
    pub async fn run(&self, shutdown: CancellationToken) {
        let sources = Source::ALL.map(|source| self.keep_up(source, shutdown.clone()));
        join(join_all(sources), self.pass_on(shutdown)).await;
    }

    /// Wakes the loops of all sources when a delivery was stored.
    async fn pass_on(&self, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            tokio::select! {
                () = self.inner.store.signals().delivered.notified() => {
                    self.inner.kept.send_modify(|count| *count = count.wrapping_add(1));
                }
                () = shutdown.cancelled() => {}
            }
        }
    }

    /// Processes the stored deliveries of one source until `shutdown`.
    async fn keep_up(&self, source: Source, shutdown: CancellationToken) {
        let inner = &self.inner;
        let mut work = Progress::of(source);
        let mut kept = inner.kept.subscribe();
        let mut retried = inner.store.retried();
        let mut answers = inner.answers.get(&source).map(watch::Sender::subscribe);
        while !shutdown.is_cancelled() {
            kept.mark_unchanged();
            if let Some(answers) = &mut answers {
                answers.mark_unchanged();
            }
            let calm = inner.flood.is_over(FLOOD_MAX);
            if shutdown.run_until_cancelled(calm).await.is_none() {
                return;
            }
            let worked_off = inner.work_off(&mut work).await;
            if let Err(trouble) = &worked_off {
                tracing::error!(error = %trouble, "deliveries are waiting for the store");
            }
            let hears = worked_off.is_err() || work.hears();
            let held_until = work.held.as_ref().map(|held| held.until);
            let again = async {
                match (&worked_off, held_until) {
                    // The store signals when it works again.
                    (Err(_), _) => {
                        tokio::time::sleep(RETRY_INITIAL).await;
                        inner.store.until_well().await;
                    }
                    (Ok(()), Some(until)) => tokio::time::sleep_until(until).await,
                    (Ok(()), None) => std::future::pending().await,
                }
            };
            let answered = async {
                match &mut answers {
                    Some(answers) if held_until.is_some() => answers.changed().await.is_ok(),
                    _ => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = kept.changed(), if hears => {}
                () = again => {}
                _ = answered => work.release(),
                Ok(()) = retried.changed() => work.release(),
                () = shutdown.cancelled() => {}
            }
        }
    }
}

/// How far the deliveries of one source are processed.
struct Progress {
    source: Source,
    /// Its reader is prepared.
    prepared: bool,
    /// Set while deliveries wait for the source.
    held: Option<Held>,
    /// While some wait: all deliveries up to this one are processed, or wait for the source.
    up_to: Option<DeliveryId>,
}

/// A source that did not answer.
struct Held {
    /// The time of the next request to it.
    until: Instant,
    /// Failed attempts in a row.
    attempts: u32,
}

/// One pass over the waiting deliveries.
struct Walk {
    /// Whether requests to the source are allowed.
    asks: bool,
    /// Whether it answered any request, and its last error.
    answered: bool,
    trouble: Option<WriteError>,
    /// Whether a delivery waits for it.
    left: bool,
}

impl Progress {
    fn of(source: Source) -> Progress {
        Progress {
            source,
            prepared: false,
            held: None,
            up_to: None,
        }
    }

    /// Whether a new delivery can be processed now.
    fn hears(&self) -> bool {
        self.prepared || self.held.is_none()
    }

    fn release(&mut self) {
        if let Some(held) = &mut self.held {
            held.until = Instant::now();
        }
    }

    fn is_held(&self) -> bool {
        self.held
            .as_ref()
            .is_some_and(|held| Instant::now() < held.until)
    }

    /// Stops requests to the source for a while. Logged once until it answers again.
    fn hold(&mut self, why: &WriteError) {
        let source = self.source;
        let attempts = self.held.as_ref().map_or(0, |held| held.attempts);
        let asked_for = match why {
            WriteError::NotTaken { retry_after, .. } => *retry_after,
            _ => None,
        };
        let wait = asked_for.unwrap_or_else(|| RETRY.after(attempts));
        self.held = Some(Held {
            until: Instant::now() + wait,
            attempts: attempts.saturating_add(1),
        });
        let seconds = wait.as_secs_f32();
        if attempts == 0 {
            tracing::warn!(%source, wait_s = seconds, error = %why, "deliveries are waiting for their source");
        } else {
            tracing::debug!(%source, wait_s = seconds, error = %why, "deliveries are still waiting for their source");
        }
    }

    fn is_done(&mut self) {
        if self.held.take().is_some() {
            let source = self.source;
            tracing::info!(%source, "the source responds again; processing its deliveries");
        }
        self.up_to = None;
    }
}

/// Why the reader of a source is not ready.
#[derive(Debug, thiserror::Error)]
enum Unprepared {
    #[error(transparent)]
    Source(#[from] WriteError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Inner {
    fn registered(&self) -> MutexGuard<'_, BTreeMap<Source, Registered>> {
        lock(&self.registered)
    }

    /// The number of waiting deliveries, counted in memory. The store counts at first, and when they seem to be too many.
    async fn count_waiting(&self) -> Result<i64, StoreError> {
        match self.flood.count_waiting(WAITING_MAX) {
            Some(waiting) => Ok(waiting),
            None => {
                let waiting = self.store.read(deliveries::count_waiting).await?;
                self.flood.counted(waiting);
                Ok(waiting)
            }
        }
    }

    /// Processes a source's waiting deliveries, oldest first. While some wait for the source, only newer ones; such a pass
    /// sends nothing, so it does not end the waiting.
    async fn work_off(&self, work: &mut Progress) -> Result<(), StoreError> {
        let mut walk = Walk {
            asks: !work.is_held(),
            answered: false,
            trouble: None,
            left: false,
        };
        if walk.asks {
            work.up_to = None;
        }
        if !work.prepared {
            // Without waiting deliveries the source gets no requests.
            if self.waiting(work.source, work.up_to).await?.is_empty() {
                work.is_done();
                return Ok(());
            }
            if !walk.asks {
                return Ok(());
            }
            match self.prepare(work.source).await {
                Ok(()) => work.prepared = true,
                Err(Unprepared::Source(why)) => {
                    work.hold(&why);
                    return Ok(());
                }
                Err(Unprepared::Store(trouble)) => return Err(trouble),
            }
        }
        let is_whole = walk.asks;
        if walk.asks {
            self.suspects(work.source, &mut walk).await?;
        }
        let mut page = self.read(work.source, work.up_to).await?;
        while let Some(last) = page.last() {
            let last = last.waiting.id;
            page = match self.page(work.source, page, &mut walk, true).await {
                Ok(next) => next,
                Err(trouble) => {
                    work.up_to = None;
                    return Err(trouble);
                }
            };
            work.up_to = Some(last);
            self.flood.is_over(FLOOD_MAX).await;
        }
        match &walk.trouble {
            Some(why) => work.hold(why),
            None if is_whole && !walk.left => work.is_done(),
            None => {}
        }
        Ok(())
    }

    /// Prepares the reader of a source, unless that has ended the process twice.
    async fn prepare(&self, source: Source) -> Result<(), Unprepared> {
        let Some(reader) = self.readers.get(&source) else {
            return Ok(());
        };
        let (work, now) = (Work::Payloads(source), self.clock.now());
        if let Some(until) = self.store.rests(&work, now) {
            return Err(Unprepared::Source(WriteError::NotTaken {
                why: format!("{work} is set aside; `ivan retry {work}` retries it"),
                retry_after: (until - now).to_std().ok(),
            }));
        }
        let begun = self.store.begin(&work).await?;
        let prepared = reader.prepare().await;
        let now = self.clock.now();
        self.store.is_over(begun, prepared.is_ok(), now).await;
        Ok(prepared?)
    }

    /// Processes suspect deliveries one by one. Each attempt is committed before it starts.
    async fn suspects(&self, source: Source, walk: &mut Walk) -> Result<(), StoreError> {
        for id in self.store.suspect_deliveries() {
            let next = self
                .store
                .read(move |connection| deliveries::waiting_one(connection, source, id))
                .await?;
            let Some(waiting) = next else {
                continue;
            };
            let begun = self.store.begin(&Work::Delivery(id)).await?;
            let left_before = std::mem::take(&mut walk.left);
            let page = self.understood(source, vec![waiting]);
            let worked_off = self.page(source, page, walk, false).await;
            let done = worked_off.is_ok() && !walk.left;
            walk.left |= left_before;
            self.store.is_over(begun, done, self.clock.now()).await;
            worked_off?;
        }
        Ok(())
    }

    async fn waiting(
        &self,
        source: Source,
        after: Option<DeliveryId>,
    ) -> Result<Vec<WaitingDelivery>, StoreError> {
        self.store
            .read(move |connection| deliveries::waiting(connection, source, after, TOGETHER))
            .await
    }

    /// Reads the next deliveries, without those that are processed one by one.
    async fn read(
        &self,
        source: Source,
        mut after: Option<DeliveryId>,
    ) -> Result<Vec<Read>, StoreError> {
        loop {
            let mut page = self.waiting(source, after).await?;
            let Some(last) = page.last() else {
                return Ok(Vec::new());
            };
            after = Some(last.id);
            page.retain(|waiting| !self.store.is_suspect(&Work::Delivery(waiting.id)));
            if !page.is_empty() {
                return Ok(self.understood(source, page));
            }
        }
    }

    /// Parses the events of deliveries; their payloads are dropped afterwards.
    fn understood(&self, source: Source, page: Vec<WaitingDelivery>) -> Vec<Read> {
        let reader = self.readers.get(&source);
        let read = page.into_iter().map(|mut waiting| {
            let events = match reader {
                Some(reader) => reader.read(&waiting.delivery),
                None => Ok(Vec::new()),
            };
            waiting.delivery.payload = Vec::new();
            Read { waiting, events }
        });
        read.collect()
    }

    /// Processes a page. With `beside`, activities of the next page are used too, and that page is returned.
    async fn page(
        &self,
        source: Source,
        page: Vec<Read>,
        walk: &mut Walk,
        beside: bool,
    ) -> Result<Vec<Read>, StoreError> {
        let last = page.last().map(|last| last.waiting.id);
        let (mut understood, mut left_alone) = (Vec::new(), Vec::new());
        for Read { waiting, events } in page {
            match events {
                Ok(events)
                    if !walk.asks && events.iter().any(|event| to_be_read(event).is_some()) =>
                {
                    walk.left = true;
                }
                Ok(events) => understood.push((waiting, events)),
                Err(unreadable) => {
                    let reason = format!("{source}: {unreadable}");
                    match UNREADABLE.pass(&reason, Instant::now()) {
                        Some(suppressed) => {
                            tracing::warn!(delivery = %waiting.delivery.dedupe_key, %source, suppressed, error = %unreadable, "unreadable delivery skipped");
                        }
                        None => {
                            tracing::debug!(delivery = %waiting.delivery.dedupe_key, %source, error = %unreadable, "unreadable delivery skipped");
                        }
                    }
                    left_alone.push((waiting.id, format!("unreadable: {}", unreadable.why)));
                }
            }
        }
        let wanted = understood
            .iter()
            .flat_map(|(_, events)| events.iter().filter_map(to_be_read));
        let looked = self.look(wanted.cloned().collect()).await;
        walk.heard(looked.values().map(|(_, read)| read));
        let looked = Arc::new(looked);
        let mut told = Told::default();
        for (_, events) in &understood {
            told.add(events);
        }
        let next = match beside {
            true => self.told_since(source, last, &mut told).await?,
            false => Vec::new(),
        };
        let told = Arc::new(told);
        // Started in order, and run together so that they share a commit.
        let handled = left_alone
            .into_iter()
            .map(|(id, result)| self.handled(id, result));
        let asks = walk.asks;
        let applied = understood.into_iter().map(|(waiting, events)| {
            self.delivery(
                waiting,
                events,
                Arc::clone(&looked),
                Arc::clone(&told),
                asks,
            )
        });
        let (handled, applied) = join(join_all(handled), join_all(applied)).await;
        handled.into_iter().collect::<Result<(), StoreError>>()?;
        for applied in applied {
            match applied? {
                Ended::Applied => {}
                Ended::Waits(why) => {
                    walk.left = true;
                    walk.trouble = walk.trouble.take().or(why);
                }
            }
        }
        Ok(next)
    }

    /// Adds the activities of later deliveries, which a read may already show; returns those deliveries.
    async fn told_since(
        &self,
        source: Source,
        after: Option<DeliveryId>,
        told: &mut Told,
    ) -> Result<Vec<Read>, StoreError> {
        let next = self.read(source, after).await?;
        for events in next.iter().filter_map(|read| read.events.as_ref().ok()) {
            told.add(events);
        }
        Ok(next)
    }

    /// Reads each of the tasks once.
    async fn look(&self, keys: BTreeSet<TaskKey>) -> BTreeMap<TaskKey, Looked> {
        stream::iter(keys)
            .map(|key| async move {
                let asked_at = self.clock.now();
                let read = match self.sources.get(&key.source()) {
                    Some(source) => source.read(&key).await,
                    None => Err(WriteError::Refused {
                        what: Refusal::NotMirrored,
                        why: format!("{} is not connected", key.source().name()),
                    }),
                };
                (key, (asked_at, read))
            })
            .buffer_unordered(READS)
            .collect()
            .await
    }

    /// Applies one delivery and marks it as handled in one transaction.
    async fn delivery(
        &self,
        waiting: WaitingDelivery,
        events: Vec<SourceEvent>,
        looked: Arc<BTreeMap<TaskKey, Looked>>,
        told: Arc<Told>,
        asks: bool,
    ) -> Result<Ended, StoreError> {
        let failed = events
            .iter()
            .filter_map(to_be_read)
            .find_map(|key| match looked.get(key) {
                Some((
                    _,
                    Err(error @ (WriteError::NotTaken { .. } | WriteError::Unknown { .. })),
                )) => Some(error.clone()),
                _ => None,
            });
        if let Some(error) = failed {
            let why = error.to_string();
            tracing::debug!(delivery = %waiting.delivery.dedupe_key, error = why, "delivery is waiting for its source");
            let id = waiting.id;
            self.store
                .write(move |tx| deliveries::failed(tx, id, &why))
                .await?;
            return Ok(Ended::Waits(Some(error)));
        }
        let (id, now) = (waiting.id, self.clock.now());
        count_lag(waiting.delivery.source, &events, now);
        let (again, reads) = (events.clone(), Arc::clone(&looked));
        let by_all = Arc::clone(&told);
        let wanted = self
            .store
            .write(move |tx| {
                let mut wanted = Vec::new();
                for event in events {
                    wanted.extend(one(tx, by_all.join(event), &reads, now)?);
                }
                if wanted.is_empty() {
                    deliveries::handle(tx, id, "applied", now)?;
                }
                Ok(wanted)
            })
            .await?;
        if wanted.is_empty() {
            self.flood.one_left();
            telemetry::note(|| {
                let fact = DeliveryFact::of(id, waiting.delivery.source, &again, self.clock.now());
                fact.map(Fact::Delivery)
            });
            return Ok(Ended::Applied);
        }
        if !asks {
            return Ok(Ended::Waits(None));
        }
        // Two reports of the same instant: the source is asked, and its answer is applied instead.
        let mut looked = BTreeMap::clone(&looked);
        looked.extend(self.look(wanted.into_iter().collect()).await);
        let asked = again.into_iter().map(as_look).collect();
        let mut told = Told::clone(&told);
        let _read_again_later = self
            .told_since(waiting.delivery.source, Some(id), &mut told)
            .await?;
        Box::pin(self.delivery(waiting, asked, Arc::new(looked), Arc::new(told), asks)).await
    }

    async fn handled(&self, id: DeliveryId, result: String) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.store
            .write(move |tx| deliveries::handle(tx, id, &result, now).map(drop))
            .await?;
        self.flood.one_left();
        Ok(())
    }
}

/// The current result of a delivery.
enum Ended {
    Applied,
    /// It waits for its source; has the source's error if it was asked.
    Waits(Option<WriteError>),
}

impl Walk {
    /// Records the results of reads. If no read got an answer, this pass sends no further requests to the source.
    fn heard<'a>(&mut self, reads: impl Iterator<Item = &'a Result<Task, WriteError>>) {
        let mut trouble = None;
        for read in reads {
            match read {
                Err(error @ (WriteError::NotTaken { .. } | WriteError::Unknown { .. })) => {
                    trouble = Some(error.clone());
                }
                Ok(_) | Err(_) => self.answered = true,
            }
        }
        if let Some(why) = trouble {
            self.asks = self.answered;
            self.trouble = Some(why);
        }
    }
}

/// The activities on a task in all waiting deliveries. A read for one of them shows changes of the others too, so that
/// their authors are known. Comments and deletions are excluded: each comes only from its own delivery.
#[derive(Clone, Default)]
struct Told(BTreeMap<TaskKey, Vec<Activity>>);

impl Told {
    fn add(&mut self, events: &[SourceEvent]) {
        for event in events {
            let (key, acts) = match event {
                SourceEvent::Seen { task, acts, .. } => (&task.key, acts),
                SourceEvent::Look { key, acts } => (key, acts),
                SourceEvent::Moved { .. } | SourceEvent::Renamed { .. } => continue,
            };
            let acts = acts.iter().filter(|act| !is_of_one_delivery(act)).cloned();
            let told = self.0.entry(key.clone()).or_default();
            told.extend(acts);
            told.drain(..told.len().saturating_sub(ACTS_MAX));
        }
    }

    /// The event, with the activities on its task from all deliveries.
    fn join(&self, mut event: SourceEvent) -> SourceEvent {
        let (key, acts) = match &mut event {
            SourceEvent::Seen { task, acts, .. } => (&task.key, acts),
            SourceEvent::Look { key, acts } => (&*key, acts),
            SourceEvent::Moved { .. } | SourceEvent::Renamed { .. } => return event,
        };
        if let Some(told) = self.0.get(key) {
            acts.retain(is_of_one_delivery);
            acts.extend(told.iter().cloned());
        }
        event
    }
}

fn is_of_one_delivery(act: &Activity) -> bool {
    matches!(
        act.what,
        ActivityKind::Commented { .. } | ActivityKind::Deleted
    )
}

/// Measures how long events took to get here, by both clocks.
fn count_lag(source: Source, events: &[SourceEvent], now: DateTime<Utc>) {
    for event in events {
        let (SourceEvent::Seen { acts, .. }
        | SourceEvent::Look { acts, .. }
        | SourceEvent::Moved { acts, .. }) = event
        else {
            continue;
        };
        for act in acts {
            let lag = (now - act.at).to_std().unwrap_or_default();
            metrics::histogram!("ivan_event_lag_seconds", "source" => source.as_str())
                .record(lag.as_secs_f64());
        }
    }
}

/// The task that an event needs to be read.
fn to_be_read(event: &SourceEvent) -> Option<&TaskKey> {
    match event {
        SourceEvent::Look { key, .. } => Some(key),
        SourceEvent::Moved { to, .. } => to.as_ref(),
        SourceEvent::Seen { .. } | SourceEvent::Renamed { .. } => None,
    }
}

fn as_look(event: SourceEvent) -> SourceEvent {
    match event {
        SourceEvent::Seen { task, acts, .. } => SourceEvent::Look {
            key: task.key,
            acts,
        },
        other => other,
    }
}

/// Applies one event; returns the task that has to be read first, if any.
fn one(
    tx: &Tx<'_>,
    event: SourceEvent,
    looked: &BTreeMap<TaskKey, Looked>,
    now: DateTime<Utc>,
) -> crate::store::DbResult<Option<TaskKey>> {
    let told = match &event {
        SourceEvent::Seen { task, acts, .. } => Some((task.key.source(), acts)),
        SourceEvent::Look { key, acts } => Some((key.source(), acts)),
        _ => None,
    };
    for (source, act) in told
        .into_iter()
        .flat_map(|(source, acts)| acts.iter().map(move |act| (source, act)))
    {
        linking::commented(tx, source, act, now)?;
    }
    match event {
        SourceEvent::Seen { task, acts, lacks } => {
            let applied = ingest::seen(tx, &task, ReportOrigin::Payload(lacks), acts, now)?;
            Ok((applied == Applied::Ask).then_some(task.key))
        }
        SourceEvent::Look { key, acts } => found(tx, &key, acts, looked, now).map(|()| None),
        SourceEvent::Moved { key, to, acts } => {
            if let Some((asked_at, Ok(task))) = to.as_ref().and_then(|to| looked.get(to)) {
                return ingest::moved(tx, &key, task, *asked_at, acts, now).map(|_| None);
            }
            ingest::away(tx, &key, now)?;
            match to {
                Some(to) => found(tx, &to, acts, looked, now).map(|()| None),
                None => Ok(None),
            }
        }
        SourceEvent::Renamed { container, name } => {
            tasks::rename_repository(tx, &container, &name).map(|()| None)
        }
    }
}

fn found(
    tx: &Tx<'_>,
    key: &TaskKey,
    acts: Vec<Activity>,
    looked: &BTreeMap<TaskKey, Looked>,
    now: DateTime<Utc>,
) -> crate::store::DbResult<()> {
    match looked.get(key) {
        Some((asked_at, Ok(task))) => {
            ingest::seen(tx, task, ReportOrigin::Asked(*asked_at), acts, now).map(drop)
        }
        Some((asked_at, Err(WriteError::Refused { what, .. }))) => match what {
            Refusal::Gone => ingest::gone(tx, key, acts, *asked_at).map(drop),
            Refusal::NotMirrored => ingest::away(tx, key, *asked_at).map(drop),
            // Hidden does not mean deleted (docs/contracts/clickup.md#errors): the reconciler decides later.
            Refusal::Invisible | Refusal::Changed | Refusal::Other => Ok(()),
        },
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreSettings;

    const GITHUB: Source = Source::GitHub;

    fn inbox(folder: &tempfile::TempDir) -> Inbox {
        let store = Store::open(&folder.path().join("ivan.db"), StoreSettings::default()).unwrap();
        let configured = BTreeMap::from([(GITHUB, "of bot.toml".to_owned())]);
        Inbox::new(store, Clock::system(), vec![], vec![], configured)
    }

    /// `ivan webhooks` stores a secret beside the daemon.
    async fn stores(inbox: &Inbox, hook: &'static str, secret: &'static str) {
        let store = &inbox.inner.store;
        let now = DateTime::UNIX_EPOCH;
        store
            .write(move |tx| deliveries::keep_hook(tx, GITHUB, hook, "https://a", secret, now))
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn secrets_are_used_from_memory_until_they_are_learned_again() {
        let folder = tempfile::tempdir().unwrap();
        let inbox = inbox(&folder);
        let known = async |hook| inbox.secrets(GITHUB, hook).await.unwrap();
        stores(&inbox, "1", "first").await;
        assert_eq!(known(Some("1")).await, ["of bot.toml", "first"]);
        stores(&inbox, "2", "second").await;
        assert_eq!(known(Some("2")).await, ["of bot.toml"]);
        inbox.learn_secrets(GITHUB).await.unwrap();
        assert_eq!(known(Some("2")).await, ["of bot.toml", "second"]);
        assert_eq!(known(None).await, ["of bot.toml", "second", "first"]);
        inbox
            .remember_hook(GITHUB, "1", "https://a", "third")
            .await
            .unwrap();
        assert_eq!(known(Some("1")).await, ["of bot.toml", "third"]);
    }

    #[tokio::test]
    async fn a_full_inbox_takes_nothing_until_there_is_room() {
        let folder = tempfile::tempdir().unwrap();
        let inbox = inbox(&folder);
        let delivery = |key: &str| Delivery {
            source: GITHUB,
            dedupe_key: key.into(),
            event: "issues".into(),
            payload: b"{}".to_vec(),
        };
        assert_eq!(inbox.keep(delivery("a")).await, Ok(Inserted::New));
        assert_eq!(inbox.keep(delivery("a")).await, Ok(Inserted::Duplicate));
        assert_eq!(inbox.inner.count_waiting().await, Ok(1));
        let fill = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
             INSERT INTO deliveries (source, dedupe_key, event, payload, kept_ms)
             SELECT 'github', 'full-' || i, 'issues', x'7b7d', 0 FROM n";
        let store = &inbox.inner.store;
        let filled = store.write(move |tx| tx.execute(fill, [WAITING_MAX - 1]));
        filled.await.unwrap();
        inbox.inner.flood.counted(WAITING_MAX);
        let full = NotKept::Full {
            waiting: WAITING_MAX,
        };
        assert_eq!(inbox.keep(delivery("b")).await, Err(full));
        // Others made room: the store counts again.
        let emptied = "DELETE FROM deliveries WHERE dedupe_key LIKE 'full-%'";
        let emptied = store.write(move |tx| tx.execute(emptied, []));
        emptied.await.unwrap();
        assert_eq!(inbox.keep(delivery("b")).await, Ok(Inserted::New));
        assert_eq!(inbox.keep(delivery("c")).await, Ok(Inserted::New));
        assert_eq!(inbox.inner.count_waiting().await, Ok(3));
    }
}
