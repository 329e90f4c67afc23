//! Deliveries → source events → apply → notices.
//!
//! A delivery is kept before it is answered (P1) and worked off after. Where its payload says too little, or arrives
//! beside another of the same time, the task is read; reads of one task that several deliveries ask for are one. Each
//! source has a loop of its own, so that one that does not answer holds up only what has to be read from it. That waits
//! with a back-off, or until the source answers something else, and is neither walked nor asked for meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use futures_util::future::{join, join_all};
use futures_util::stream;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::apply::{self, Account, Applied};
use crate::bounds::Bound;
use crate::clock::Clock;
use crate::domain::event::{Act, SourceEvent, What};
use crate::domain::operation::{Refusal, WriteError};
use crate::domain::set_aside::Work;
use crate::domain::source::SourceWriter;
use crate::domain::source::{Delivery, HookReader, Unreadable};
use crate::domain::task::{Source, Task, TaskKey};
use crate::runtime::{Backoff, CancellationToken};
use crate::store::deliveries::{self, Page, Waiting};
use crate::store::{Store, StoreTrouble, Tx, Wake, tasks};

pub use crate::store::slack_events::Kept;

/// Deliveries that may wait: past that, senders are told to come again (P8).
const WAITING_MAX: i64 = 20_000;
/// Deliveries that are worked off together, and tasks read at once for them.
const TOGETHER: Page = Page {
    deliveries: 64,
    bytes: 8 * 1024 * 1024,
};
const READS: usize = 8;
/// A suspect delivery is read by itself.
const ALONE: Page = Page {
    deliveries: 1,
    bytes: TOGETHER.bytes,
};
/// Acts on one task that deliveries tell together; of more the newest.
const ACTS_MAX: usize = 256;
/// Waits after a source did not answer, or the store failed.
const RETRY_INITIAL: Duration = Duration::from_secs(1);
const RETRY: Backoff = Backoff::new(RETRY_INITIAL, Duration::from_secs(60));

/// See the module.
#[derive(Clone)]
pub struct Inbox {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    clock: Clock,
    readers: BTreeMap<Source, Arc<dyn HookReader>>,
    /// Read from only: what a hint is completed with.
    sources: BTreeMap<Source, Arc<dyn SourceWriter>>,
    /// The secrets of bot.toml.
    secrets: BTreeMap<Source, String>,
    /// Changes when a delivery was kept.
    kept: watch::Sender<u64>,
    /// Changes when a source has answered.
    answers: BTreeMap<Source, watch::Sender<u64>>,
    /// Where the last delivery came from.
    arrivals: watch::Sender<Option<Source>>,
}

/// Why a delivery is not kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotKept {
    #[error("{waiting} deliveries wait to be worked off, which is all that is taken")]
    Full { waiting: i64 },
    #[error(transparent)]
    Store(#[from] StoreTrouble),
}

/// A delivery, and what it says.
struct Read {
    waiting: Waiting,
    events: Result<Vec<SourceEvent>, Unreadable>,
}

/// What a read for a hint came to.
type Looked = (DateTime<Utc>, Result<Task, WriteError>);

impl Inbox {
    pub fn new(
        store: Store,
        clock: Clock,
        readers: Vec<Arc<dyn HookReader>>,
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
    pub fn readers(&self) -> Vec<Arc<dyn HookReader>> {
        self.inner.readers.values().cloned().collect()
    }

    /// Keeps a delivery whose signature holds; it is committed when this returns (P1). A duplicate of one that is kept
    /// changes nothing: that one is worked off, or will be.
    ///
    /// # Errors
    /// Nothing of it was kept: too many wait, or the store takes nothing.
    pub async fn keep(&self, delivery: Delivery) -> Result<Kept, NotKept> {
        let store = &self.inner.store;
        let waiting = store.read(deliveries::count_waiting).await?;
        if waiting >= WAITING_MAX {
            Bound::Inbox.reached(format_args!(
                "{waiting} deliveries wait to be worked off; {} is told to come again, and the next poll finds what it \
                 does not send again",
                delivery.source
            ));
            return Err(NotKept::Full { waiting });
        }
        let now = self.inner.clock.now();
        let kept = store.write(move |tx| {
            tx.wake(Wake::Delivered);
            deliveries::keep(tx, &delivery, now)
        });
        Ok(kept.await?)
    }

    /// A webhook of the source has delivered something.
    pub fn has_delivered(&self, source: Source) {
        self.inner.arrivals.send_replace(Some(source));
    }

    /// Changes with each delivery that comes by itself, and says whose it was.
    pub fn arrivals(&self) -> watch::Receiver<Option<Source>> {
        self.inner.arrivals.subscribe()
    }

    /// The secrets that may have signed a delivery: of the webhook `hook`, where the store knows it, and the one of
    /// bot.toml. Empty: there is no route for the source (P6).
    pub async fn secrets(
        &self,
        source: Source,
        hook: Option<&str>,
    ) -> Result<Vec<String>, StoreTrouble> {
        let hook = hook.map(str::to_owned);
        let mut secrets = self
            .inner
            .store
            .read(move |connection| deliveries::secrets(connection, source, hook.as_deref()))
            .await?;
        secrets.extend(self.inner.secrets.get(&source).cloned());
        Ok(secrets)
    }

    /// Remembers the secret of a webhook that was registered.
    pub async fn remember_hook(
        &self,
        source: Source,
        hook: &str,
        url: &str,
        secret: &str,
    ) -> Result<(), StoreTrouble> {
        let (hook, url, secret) = (hook.to_owned(), url.to_owned(), secret.to_owned());
        let now = self.inner.clock.now();
        self.inner
            .store
            .write(move |tx| deliveries::keep_hook(tx, source, &hook, &url, &secret, now))
            .await
    }

    /// A source has answered: what waits for it is tried again now.
    pub fn source_answers(&self, source: Source) {
        if let Some(answers) = self.inner.answers.get(&source) {
            answers.send_modify(|count| *count = count.wrapping_add(1));
        }
    }

    /// Works off what is kept, until `shutdown`.
    pub async fn run(&self, shutdown: CancellationToken) {
        let sources = Source::ALL.map(|source| self.keep_up(source, shutdown.clone()));
        join(join_all(sources), self.pass_on(shutdown)).await;
    }

    /// Tells the loops of all sources that something was kept.
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

    /// Works off what is kept of one source, until `shutdown`.
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
            let worked_off = inner.work_off(&mut work).await;
            if let Err(trouble) = &worked_off {
                tracing::error!("deliveries wait: {trouble}");
            }
            let hears = worked_off.is_err() || work.hears();
            let held_until = work.held.as_ref().map(|held| held.until);
            let again = async {
                match (&worked_off, held_until) {
                    // The store says itself when it is well again.
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

/// How far the deliveries of one source are worked off.
struct Progress {
    source: Source,
    /// Its reader knows what it needs.
    prepared: bool,
    /// Some deliveries wait for the source.
    held: Option<Held>,
    /// While some wait: everything up to this delivery is worked off, or waits for the source.
    up_to: i64,
}

/// The source did not answer.
struct Held {
    /// It is asked again then.
    until: Instant,
    /// Attempts without an answer, one after the other.
    attempts: u32,
}

/// One walk over the deliveries that wait.
struct Walk {
    /// Whether the source may be asked.
    asks: bool,
    /// Whether it answered anything, and what it said instead of an answer.
    answered: bool,
    trouble: Option<WriteError>,
    /// Something waits for it.
    left: bool,
}

impl Progress {
    fn of(source: Source) -> Progress {
        Progress {
            source,
            prepared: false,
            held: None,
            up_to: 0,
        }
    }

    /// Whether anything can be done with a delivery that arrives now.
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

    /// Nothing is asked of the source for a while. Said once, until it answers again.
    fn hold(&mut self, why: &WriteError) {
        let (source, name) = (self.source, self.source.name());
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
            tracing::warn!(%source, "deliveries of {name} wait: {why}. {name} is asked again in {seconds:.1} s, \
                and then less often");
        } else {
            tracing::debug!(%source, "deliveries of {name} still wait; it is asked again in {seconds:.1} s: {why}");
        }
    }

    fn is_done(&mut self) {
        if self.held.take().is_some() {
            let (source, name) = (self.source, self.source.name());
            tracing::info!(%source, "{name} answers again: its deliveries are worked off");
        }
        self.up_to = 0;
    }
}

/// Why the reader of a source is not ready.
#[derive(Debug, thiserror::Error)]
enum Unprepared {
    #[error(transparent)]
    Source(#[from] WriteError),
    #[error(transparent)]
    Store(#[from] StoreTrouble),
}

impl Inner {
    /// What waits of a source, oldest first. While some of it waits for the source, only what was kept since.
    async fn work_off(&self, work: &mut Progress) -> Result<(), StoreTrouble> {
        let mut walk = Walk {
            asks: !work.is_held(),
            answered: false,
            trouble: None,
            left: false,
        };
        if walk.asks {
            work.up_to = 0;
        }
        if !work.prepared {
            // It is asked for nothing while nothing waits.
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
        let from_the_start = work.up_to == 0;
        if walk.asks {
            self.suspects(work.source, &mut walk).await?;
        }
        let mut page = self.read(work.source, work.up_to).await?;
        while let Some(last) = page.last() {
            let last = last.waiting.id;
            page = match self.page(work.source, page, &mut walk, true).await {
                Ok(next) => next,
                Err(trouble) => {
                    work.up_to = 0;
                    return Err(trouble);
                }
            };
            work.up_to = last;
        }
        match &walk.trouble {
            Some(why) => work.hold(why),
            None if from_the_start && !walk.left => work.is_done(),
            None => {}
        }
        Ok(())
    }

    /// Has the reader of a source find out what it needs, unless that has ended the process twice.
    async fn prepare(&self, source: Source) -> Result<(), Unprepared> {
        let Some(reader) = self.readers.get(&source) else {
            return Ok(());
        };
        let (work, now) = (Work::Payloads(source), self.clock.now());
        if let Some(until) = self.store.rests(&work, now) {
            return Err(Unprepared::Source(WriteError::NotTaken {
                why: format!("{work} is set aside; `ivan retry {work}` tries it again"),
                retry_after: (until - now).to_std().ok(),
            }));
        }
        let begun = self.store.begin(&work).await?;
        let prepared = reader.prepare().await;
        let now = self.clock.now();
        self.store.is_over(begun, prepared.is_ok(), now).await;
        Ok(prepared?)
    }

    /// Works off the deliveries that may have ended the process, one by one; an attempt at one is committed before.
    async fn suspects(&self, source: Source, walk: &mut Walk) -> Result<(), StoreTrouble> {
        for id in self.store.suspect_deliveries() {
            let next = self
                .store
                .read(move |connection| deliveries::waiting(connection, source, id - 1, ALONE))
                .await?;
            let Some(waiting) = next.into_iter().find(|waiting| waiting.id == id) else {
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

    async fn waiting(&self, source: Source, after: i64) -> Result<Vec<Waiting>, StoreTrouble> {
        self.store
            .read(move |connection| deliveries::waiting(connection, source, after, TOGETHER))
            .await
    }

    /// What the next deliveries say, without those that are worked off one by one.
    async fn read(&self, source: Source, mut after: i64) -> Result<Vec<Read>, StoreTrouble> {
        loop {
            let mut page = self.waiting(source, after).await?;
            let Some(last) = page.last() else {
                return Ok(Vec::new());
            };
            after = last.id;
            page.retain(|waiting| !self.store.is_suspect(&Work::Delivery(waiting.id)));
            if !page.is_empty() {
                return Ok(self.understood(source, page));
            }
        }
    }

    /// What deliveries say; their payloads are not needed any more then.
    fn understood(&self, source: Source, page: Vec<Waiting>) -> Vec<Read> {
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

    /// Works a page off; the page behind it, which had to be read for it. One that is worked off `beside` no other tells
    /// alone what it tells.
    async fn page(
        &self,
        source: Source,
        page: Vec<Read>,
        walk: &mut Walk,
        beside: bool,
    ) -> Result<Vec<Read>, StoreTrouble> {
        let last = page.last().map_or(0, |last| last.waiting.id);
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
                    tracing::warn!(delivery = %waiting.delivery.dedupe_key, %source,
                        "a delivery of {source} is left alone: {unreadable}");
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
        // Together, so that they share a commit; begun in their order.
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
        handled.into_iter().collect::<Result<(), StoreTrouble>>()?;
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

    /// What deliveries tell that came after that one, which are returned: what was read meanwhile may show it already.
    async fn told_since(
        &self,
        source: Source,
        after: i64,
        told: &mut Told,
    ) -> Result<Vec<Read>, StoreTrouble> {
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

    /// Applies what one delivery says, and marks it handled, together.
    async fn delivery(
        &self,
        waiting: Waiting,
        events: Vec<SourceEvent>,
        looked: Arc<BTreeMap<TaskKey, Looked>>,
        told: Arc<Told>,
        asks: bool,
    ) -> Result<Ended, StoreTrouble> {
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
            tracing::debug!(delivery = %waiting.delivery.dedupe_key, "a delivery waits for its source: {why}");
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
            return Ok(Ended::Applied);
        }
        if !asks {
            return Ok(Ended::Waits(None));
        }
        // Two accounts of the same instant: the source is asked, and its answer applied instead.
        let mut looked = BTreeMap::clone(&looked);
        looked.extend(self.look(wanted.into_iter().collect()).await);
        let asked = again.into_iter().map(as_look).collect();
        let mut told = Told::clone(&told);
        let _read_again_later = self
            .told_since(waiting.delivery.source, id, &mut told)
            .await?;
        Box::pin(self.delivery(waiting, asked, Arc::new(looked), Arc::new(told), asks)).await
    }

    async fn handled(&self, id: i64, result: String) -> Result<(), StoreTrouble> {
        let now = self.clock.now();
        self.store
            .write(move |tx| deliveries::handle(tx, id, &result, now).map(drop))
            .await
    }
}

/// What became of a delivery for now.
enum Ended {
    Applied,
    /// It waits for its source, which said this if it was asked.
    Waits(Option<WriteError>),
}

impl Walk {
    /// Takes note of what reads came to. A source of which no read got an answer is asked no more in this walk.
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

/// What the deliveries that wait say that somebody did to a task. One of them has the task read, which shows what the
/// others tell: whoever did it is known all the same. Comments are left to their own, which alone brings them.
#[derive(Clone, Default)]
struct Told(BTreeMap<TaskKey, Vec<Act>>);

impl Told {
    fn add(&mut self, events: &[SourceEvent]) {
        for event in events {
            let (key, acts) = match event {
                SourceEvent::Seen { task, acts, .. } => (&task.key, acts),
                SourceEvent::Look { key, acts } => (key, acts),
                SourceEvent::Gone { .. }
                | SourceEvent::Moved { .. }
                | SourceEvent::Renamed { .. } => continue,
            };
            let acts = acts.iter().filter(|act| !is_comment(act)).cloned();
            let told = self.0.entry(key.clone()).or_default();
            told.extend(acts);
            told.drain(..told.len().saturating_sub(ACTS_MAX));
        }
    }

    /// The event, with what all of them tell of its task.
    fn join(&self, mut event: SourceEvent) -> SourceEvent {
        let (key, acts) = match &mut event {
            SourceEvent::Seen { task, acts, .. } => (&task.key, acts),
            SourceEvent::Look { key, acts } => (&*key, acts),
            SourceEvent::Gone { .. } | SourceEvent::Moved { .. } | SourceEvent::Renamed { .. } => {
                return event;
            }
        };
        if let Some(told) = self.0.get(key) {
            acts.retain(is_comment);
            acts.extend(told.iter().cloned());
        }
        event
    }
}

fn is_comment(act: &Act) -> bool {
    matches!(act.what, What::Commented { .. })
}

/// How long what happened took to get here, by both clocks.
fn count_lag(source: Source, events: &[SourceEvent], now: DateTime<Utc>) {
    for event in events {
        let (SourceEvent::Seen { acts, .. }
        | SourceEvent::Look { acts, .. }
        | SourceEvent::Gone { acts, .. }
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

/// The task that an event wants read.
fn to_be_read(event: &SourceEvent) -> Option<&TaskKey> {
    match event {
        SourceEvent::Look { key, .. } => Some(key),
        SourceEvent::Moved { to, .. } => to.as_ref(),
        SourceEvent::Seen { .. } | SourceEvent::Gone { .. } | SourceEvent::Renamed { .. } => None,
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

/// Applies one event; the task that has to be read first, if that turns out.
fn one(
    tx: &Tx<'_>,
    event: SourceEvent,
    looked: &BTreeMap<TaskKey, Looked>,
    now: DateTime<Utc>,
) -> crate::store::DbResult<Option<TaskKey>> {
    match event {
        SourceEvent::Seen { task, acts, lacks } => {
            let applied = apply::seen(tx, &task, Account::Payload(lacks), acts, now)?;
            Ok((applied == Applied::Ask).then_some(task.key))
        }
        SourceEvent::Look { key, acts } => found(tx, &key, acts, looked, now).map(|()| None),
        SourceEvent::Gone { key, acts } => apply::gone(tx, &key, acts, now).map(|_| None),
        SourceEvent::Moved { key, to, acts } => {
            if let Some((asked_at, Ok(task))) = to.as_ref().and_then(|to| looked.get(to)) {
                return apply::moved(tx, &key, task, *asked_at, acts, now).map(|_| None);
            }
            apply::away(tx, &key, now)?;
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
    acts: Vec<Act>,
    looked: &BTreeMap<TaskKey, Looked>,
    now: DateTime<Utc>,
) -> crate::store::DbResult<()> {
    match looked.get(key) {
        Some((asked_at, Ok(task))) => {
            apply::seen(tx, task, Account::Asked(*asked_at), acts, now).map(drop)
        }
        Some((asked_at, Err(WriteError::Refused { what, .. }))) => match what {
            Refusal::Gone => apply::gone(tx, key, acts, *asked_at).map(drop),
            Refusal::NotMirrored => apply::away(tx, key, *asked_at).map(drop),
            // Out of sight is not deleted (contract clickup 4): the reconciler decides in time.
            Refusal::Invisible | Refusal::Changed | Refusal::Other => Ok(()),
        },
        _ => Ok(()),
    }
}
