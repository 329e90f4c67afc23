//! Deliveries → source events → apply → notices.
//!
//! A delivery is kept before it is answered (P1) and worked off after. Where its payload says too little, or arrives
//! beside another of the same time, the task is read; reads of one task that several deliveries ask for are one. A
//! source that does not answer holds up only what has to be read from it, and that waits.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use futures_util::future::{join, join_all};
use futures_util::stream;
use tokio::sync::watch;

use crate::apply::{self, Account, Applied};
use crate::bounds::Bound;
use crate::clock::Clock;
use crate::domain::event::{Act, Delivery, HookReader, SourceEvent, What};
use crate::domain::operation::{Refusal, SourceWriter, WriteError};
use crate::domain::task::{Source, Task, TaskKey};
use crate::store::deliveries::{self, Waiting};
use crate::store::{Store, StoreTrouble, Tx, Wake, tasks};

pub use crate::store::slack_events::Kept;

/// Deliveries that may wait: past that, senders are told to come again (P8).
const WAITING_MAX: i64 = 20_000;
/// Deliveries that are worked off together, and tasks read at once for them.
const TOGETHER: usize = 64;
const READS: usize = 8;
/// Waits after a source did not answer, or the store failed.
const RETRY_INITIAL: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(60);

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
    /// Readers that know what they need.
    prepared: Mutex<BTreeSet<Source>>,
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
                prepared: Mutex::default(),
                arrivals: watch::Sender::default(),
            }),
        }
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

    /// Works off what is kept, until `shutdown`.
    pub async fn run(&self, mut shutdown: watch::Receiver<bool>) {
        let mut wait = RETRY_INITIAL;
        while !*shutdown.borrow_and_update() {
            let worked_off = self.work_off().await;
            if let Err(trouble) = &worked_off {
                tracing::error!(error = %trouble, "deliveries wait: {trouble}");
            }
            let pause = wait;
            let again = async {
                match &worked_off {
                    Ok(true) => std::future::pending().await,
                    Ok(false) => tokio::time::sleep(pause).await,
                    // The store says itself when it is well again.
                    Err(_) => {
                        tokio::time::sleep(RETRY_INITIAL).await;
                        self.inner.store.until_well().await;
                    }
                }
            };
            wait = match worked_off {
                Ok(false) => (wait * 2).min(RETRY_MAX),
                Ok(true) | Err(_) => RETRY_INITIAL,
            };
            tokio::select! {
                () = self.inner.store.signals().delivered.notified() => {}
                () = again => {}
                _ = shutdown.changed() => {}
            }
        }
    }

    /// Everything that waits, oldest first; whether nothing is left.
    async fn work_off(&self) -> Result<bool, StoreTrouble> {
        let mut all = true;
        let mut after = 0;
        loop {
            let page = self
                .inner
                .store
                .read(move |connection| deliveries::waiting(connection, after, TOGETHER))
                .await?;
            let Some(last) = page.last() else {
                return Ok(all);
            };
            after = last.id;
            all &= self.inner.page(page).await?;
        }
    }
}

impl Inner {
    async fn page(&self, page: Vec<Waiting>) -> Result<bool, StoreTrouble> {
        let mut all = true;
        let last = page.last().map_or(0, |last| last.id);
        let (mut understood, mut left_alone) = (Vec::new(), Vec::new());
        for waiting in page {
            if !self.is_prepared(waiting.delivery.source).await {
                all = false;
                continue;
            }
            let events = match self.readers.get(&waiting.delivery.source) {
                Some(reader) => reader.read(&waiting.delivery),
                None => Ok(Vec::new()),
            };
            match events {
                Ok(events) => understood.push((waiting, events)),
                Err(unreadable) => {
                    tracing::warn!(delivery = %waiting.delivery.dedupe_key, source = %waiting.delivery.source,
                        "a delivery of {} is left alone: {unreadable}", waiting.delivery.source);
                    left_alone.push((waiting.id, format!("unreadable: {}", unreadable.why)));
                }
            }
        }
        let wanted = understood
            .iter()
            .flat_map(|(_, events)| events.iter().filter_map(to_be_read));
        let looked = Arc::new(self.look(wanted.cloned().collect()).await);
        let mut told = Told::default();
        for (_, events) in &understood {
            told.add(events);
        }
        self.told_since(last, &mut told).await?;
        let told = Arc::new(told);
        // Together, so that they share a commit; begun in their order.
        let handled = left_alone
            .into_iter()
            .map(|(id, result)| self.handled(id, result));
        let applied = understood.into_iter().map(|(waiting, events)| {
            self.delivery(waiting, events, Arc::clone(&looked), Arc::clone(&told))
        });
        let (handled, applied) = join(join_all(handled), join_all(applied)).await;
        handled.into_iter().collect::<Result<(), StoreTrouble>>()?;
        for applied in applied {
            all &= applied?;
        }
        Ok(all)
    }

    /// Whether a source's payloads can be read with everything known that they are read with.
    async fn is_prepared(&self, source: Source) -> bool {
        let prepared = || self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        if prepared().contains(&source) {
            return true;
        }
        let Some(reader) = self.readers.get(&source) else {
            return true;
        };
        match reader.prepare().await {
            Ok(()) => prepared().insert(source),
            Err(why) => {
                tracing::warn!(%source, %why, "deliveries of {source} wait: {why}");
                false
            }
        }
    }

    /// What deliveries tell that came after that one: what was read meanwhile may show it already.
    async fn told_since(&self, after: i64, told: &mut Told) -> Result<(), StoreTrouble> {
        let newer = self
            .store
            .read(move |connection| deliveries::waiting(connection, after, TOGETHER))
            .await?;
        for waiting in newer {
            let source = waiting.delivery.source;
            if let Some(reader) = self.readers.get(&source)
                && self.is_prepared(source).await
                && let Ok(events) = reader.read(&waiting.delivery)
            {
                told.add(&events);
            }
        }
        Ok(())
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

    /// Applies what one delivery says, and marks it handled, together; `false` if it has to wait.
    async fn delivery(
        &self,
        waiting: Waiting,
        events: Vec<SourceEvent>,
        looked: Arc<BTreeMap<TaskKey, Looked>>,
        told: Arc<Told>,
    ) -> Result<bool, StoreTrouble> {
        let failed = events
            .iter()
            .filter_map(to_be_read)
            .find_map(|key| match looked.get(key) {
                Some((
                    _,
                    Err(error @ (WriteError::NotTaken { .. } | WriteError::Unknown { .. })),
                )) => Some(error.to_string()),
                _ => None,
            });
        if let Some(why) = failed {
            tracing::warn!(delivery = %waiting.delivery.dedupe_key, %why, "a delivery waits for its source: {why}");
            let id = waiting.id;
            self.store
                .write(move |tx| deliveries::failed(tx, id, &why))
                .await?;
            return Ok(false);
        }
        let (id, now) = (waiting.id, self.clock.now());
        count_lag(waiting.delivery.source, &events, now);
        let (again, reads) = (events.clone(), Arc::clone(&looked));
        let by_all = Arc::clone(&told);
        let asks = self
            .store
            .write(move |tx| {
                let mut asks = Vec::new();
                for event in events {
                    asks.extend(one(tx, by_all.join(event), &reads, now)?);
                }
                if asks.is_empty() {
                    deliveries::handle(tx, id, "applied", now)?;
                }
                Ok(asks)
            })
            .await?;
        if asks.is_empty() {
            return Ok(true);
        }
        // Two accounts of the same instant: the source is asked, and its answer applied instead.
        let mut looked = BTreeMap::clone(&looked);
        looked.extend(self.look(asks.into_iter().collect()).await);
        let asked = again.into_iter().map(as_look).collect();
        let mut told = Told::clone(&told);
        self.told_since(id, &mut told).await?;
        Box::pin(self.delivery(waiting, asked, Arc::new(looked), Arc::new(told))).await
    }

    async fn handled(&self, id: i64, result: String) -> Result<(), StoreTrouble> {
        let now = self.clock.now();
        self.store
            .write(move |tx| deliveries::handle(tx, id, &result, now).map(drop))
            .await
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
                SourceEvent::Seen { task, acts } => (&task.key, acts),
                SourceEvent::Look { key, acts } => (key, acts),
                SourceEvent::Gone { .. }
                | SourceEvent::Moved { .. }
                | SourceEvent::Renamed { .. } => continue,
            };
            let acts = acts.iter().filter(|act| !is_comment(act)).cloned();
            self.0.entry(key.clone()).or_default().extend(acts);
        }
    }

    /// The event, with what all of them tell of its task.
    fn join(&self, mut event: SourceEvent) -> SourceEvent {
        let (key, acts) = match &mut event {
            SourceEvent::Seen { task, acts } => (&task.key, acts),
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
        SourceEvent::Seen { task, acts } => SourceEvent::Look {
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
        SourceEvent::Seen { task, acts } => {
            let applied = apply::seen(tx, &task, Account::Payload, acts, now)?;
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
