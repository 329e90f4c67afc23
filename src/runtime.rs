//! Tools for long-lived tasks: a shutdown token, a supervisor of named tasks, a back-off, a rate limiter, a lock, a value
//! that a reload replaces, a log throttle for what is tried again and again.
//!
//! There is one of each, our own where no crate fits: see [`Backoff`], [`RateLimiter`] and [`lock`].

mod failing;
pub mod fence;

use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep, sleep_until};
pub use tokio_util::sync::CancellationToken;

pub use failing::LastingFailure;

/// Sleeps; returns `false` if the shutdown begins first.
pub async fn slept(wait: Duration, shutdown: &CancellationToken) -> bool {
    let sleeps = shutdown.run_until_cancelled(sleep(wait));
    sleeps.await.is_some()
}

/// Locks a mutex even after another holder panicked. A panic ends its own task only, and must not end the others.
///
/// Every value behind a lock here is consistent between two statements. `parking_lot` would be one more crate for this.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

// ---------------------------------------------------------------- the reload

/// Settings that a reload of `bot.toml` replaces. Clones share them; each reader has the settings of one moment.
///
/// `arc-swap` would save the lock, which is held for one addition.
#[derive(Debug)]
pub struct Reloadable<T>(Arc<RwLock<Arc<T>>>);

impl<T> Reloadable<T> {
    pub fn new(value: T) -> Reloadable<T> {
        Reloadable(Arc::new(RwLock::new(Arc::new(value))))
    }

    /// The present settings. They stay as they are for their holder.
    pub fn get(&self) -> Arc<T> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn set(&self, value: T) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(value);
    }
}

impl<T> Clone for Reloadable<T> {
    fn clone(&self) -> Reloadable<T> {
        Reloadable(Arc::clone(&self.0))
    }
}

impl<T: Default> Default for Reloadable<T> {
    fn default() -> Reloadable<T> {
        Reloadable::new(T::default())
    }
}

// ---------------------------------------------------------------- the supervisor

/// Named tasks that may end only after the shutdown. Dropping it aborts the running ones.
pub struct Supervisor<E> {
    shutdown: CancellationToken,
    tasks: JoinSet<Result<(), E>>,
    /// The names of running tasks in the order of their start.
    names: BTreeMap<Id, &'static str>,
}

/// A task that failed, or ended before the shutdown.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{task} stopped unexpectedly: {why}. The daemon stops too")]
pub struct TaskEnded<E> {
    pub task: &'static str,
    pub why: EndReason<E>,
}

/// The reason for a task's end.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndReason<E> {
    #[error("{0}")]
    Failed(E),
    #[error("it panicked ({0})")]
    Panicked(String),
    #[error("no reason given")]
    Returned,
}

impl<E: Display + Send + 'static> Supervisor<E> {
    /// `shutdown` makes its tasks end.
    pub fn new(shutdown: CancellationToken) -> Supervisor<E> {
        Supervisor {
            shutdown,
            tasks: JoinSet::new(),
            names: BTreeMap::new(),
        }
    }

    pub fn start(
        &mut self,
        name: &'static str,
        task: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        let id = self.tasks.spawn(task).id();
        self.names.insert(id, name);
    }

    /// Waits until all tasks have ended. Returns an error for the first that fails, panics or ends before the shutdown.
    /// The others continue and can be watched again.
    pub async fn watch(&mut self) -> Result<(), TaskEnded<E>> {
        while let Some(joined) = self.tasks.join_next_with_id().await {
            let (id, why) = match joined {
                Ok((id, Ok(()))) if self.shutdown.is_cancelled() => (id, None),
                Ok((id, Ok(()))) => (id, Some(EndReason::Returned)),
                Ok((id, Err(error))) => (id, Some(EndReason::Failed(error))),
                Err(crash) => (crash.id(), Some(EndReason::Panicked(panic_text(crash)))),
            };
            let task = self.names.remove(&id).unwrap_or("a task");
            if let Some(why) = why {
                return Err(TaskEnded { task, why });
            }
        }
        Ok(())
    }

    /// Watches until `stop` resolves or a task ends by itself. Then shuts all down, waits for at most `within`, and
    /// logs the reason last. No task is restarted: the cause of its end would persist, and the next process starts from
    /// all committed data.
    pub async fn run(
        mut self,
        stop: impl Future<Output = ()>,
        within: Duration,
    ) -> Result<(), TaskEnded<E>> {
        // If this future is dropped, other tasks with the token end too.
        let _guard = self.shutdown.clone().drop_guard();
        let early = tokio::select! {
            () = stop => None,
            watched = self.watch() => watched.err(),
        };
        self.shutdown.cancel();
        tracing::info!("stopping: finishing work in progress");
        let mut result = early.map_or(Ok(()), Err);
        let rest = async {
            while let Err(ended) = self.watch().await {
                if result.is_ok() {
                    result = Err(ended);
                }
            }
        };
        if tokio::time::timeout(within, rest).await.is_err() {
            let unfinished: Vec<&str> = self.names.values().copied().collect();
            let unfinished = unfinished.join(", ");
            tracing::warn!(
                unfinished,
                within_s = within.as_secs_f32(),
                "stopped before everything finished; accepted work is stored and goes on at the next start"
            );
        }
        match &result {
            Ok(()) => tracing::info!("stopped"),
            // The last line, so that it is found at the end of the log.
            Err(ended) => tracing::error!("stopped: {ended}"),
        }
        result
    }
}

/// The message of a panic.
pub fn panic_text(crash: JoinError) -> String {
    match crash.try_into_panic() {
        Ok(payload) => match payload.downcast::<String>() {
            Ok(text) => *text,
            Err(payload) => payload
                .downcast::<&'static str>()
                .map_or_else(|_| "no words".to_owned(), |text| (*text).to_owned()),
        },
        Err(aborted) => aborted.to_string(),
    }
}

// ---------------------------------------------------------------- the back-off

/// Doubling delays with jitter. Each is between half and all of its step, which keeps tasks from retrying at the same
/// time. No delay exceeds the maximum.
///
/// `backon` repeats a closure. Here the caller decides after each failure whether to repeat, and may have to wait
/// longer because the server requested it.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    max: Duration,
    failures: u32,
}

impl Backoff {
    pub const fn new(first: Duration, max: Duration) -> Backoff {
        Backoff {
            first,
            max,
            failures: 0,
        }
    }

    /// The delay after one more failure.
    pub fn next(&mut self) -> Duration {
        let wait = self.after(self.failures);
        self.failures = self.failures.saturating_add(1);
        wait
    }

    /// The delay after a failure that follows `failures` others, for callers that store the count.
    pub fn after(&self, failures: u32) -> Duration {
        let step = self.first.saturating_mul(1 << failures.min(20));
        step.min(self.max).mul_f64(0.5 + fastrand::f64() / 2.0)
    }

    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

// ---------------------------------------------------------------- the rate limiter

/// The number of stored keys above which keys without a wait are removed.
const KEYS_MAX: usize = 1_000;

/// One call per `every` and key, after an initial burst. With an `every` of zero, only pauses limit.
///
/// `governor` can neither pause a key until a time nor return a slot, and uses its own clock instead of tokio's.
#[derive(Debug)]
pub struct RateLimiter {
    every: Duration,
    /// How far calls may be ahead of even spacing.
    ahead: Duration,
    keys: Mutex<HashMap<String, Slots>>,
}

#[derive(Debug)]
struct Slots {
    /// The due time of the next call with even spacing.
    due: Instant,
    /// `due` at the end of the last pause: returned slots do not shorten the pause.
    paused: Option<Instant>,
}

impl RateLimiter {
    pub fn new(every: Duration, burst: u32) -> RateLimiter {
        RateLimiter {
            every,
            ahead: every * burst.saturating_sub(1),
            keys: Mutex::default(),
        }
    }

    /// Waits for the key's next slot.
    pub async fn turn(&self, key: &str) {
        let turn = self.take(key, Instant::now());
        sleep_until(turn).await;
    }

    /// Takes the key's next slot; returns its time.
    pub fn take(&self, key: &str, now: Instant) -> Instant {
        let mut keys = lock(&self.keys);
        if keys.len() >= KEYS_MAX {
            keys.retain(|_, slots| slots.due > now);
        }
        let slots = Slots::of(&mut keys, key, now);
        let turn = slots.due.checked_sub(self.ahead).unwrap_or(now).max(now);
        slots.due = slots.due.max(now) + self.every;
        turn
    }

    /// Takes the key's next slot if that is now.
    pub fn take_now(&self, key: &str, now: Instant) -> bool {
        let is_now = self.take(key, now) <= now;
        if !is_now {
            self.give_back(key);
        }
        is_now
    }

    /// Returns an unused slot to the next caller.
    pub fn give_back(&self, key: &str) {
        if let Some(slots) = lock(&self.keys).get_mut(key)
            && let Some(due) = slots.due.checked_sub(self.every)
        {
            slots.due = slots.paused.map_or(due, |paused| paused.max(due));
        }
    }

    /// Pauses a key at the server's request: it has no slot before `until`, and no burst after it.
    pub fn pause(&self, key: &str, until: Instant) {
        let mut keys = lock(&self.keys);
        let slots = Slots::of(&mut keys, key, until);
        slots.paused = slots.paused.max(Some(until + self.ahead));
        slots.due = slots
            .paused
            .map_or(slots.due, |paused| paused.max(slots.due));
    }
}

impl Slots {
    fn of<'a>(keys: &'a mut HashMap<String, Slots>, key: &str, due: Instant) -> &'a mut Slots {
        keys.entry(key.to_owned())
            .or_insert(Slots { due, paused: None })
    }
}

#[cfg(test)]
mod tests;
