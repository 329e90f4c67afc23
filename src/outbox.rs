//! Carries out operations: one lane per person and task, started at once, retried if that is safe, given up visibly.
//!
//! Commands commit operations. A commit wakes the outbox, which starts a task for every lane with work. [`carry_out`]
//! decides about answers; this module has the waiting, the recording and the order. Each attempt starts from the
//! store's state, so that a restart continues exactly where the last process stopped.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::cards;
use crate::clock::Clock;
use crate::completion::{CompletionTrigger, settle, settle_with};
use crate::domain::carry_out::{MAY_STILL_ARRIVE, NextStep, SECOND_LOOK_AFTER, carry_out};
use crate::domain::change::TaskChange;
use crate::domain::controls::one_line;
use crate::domain::ids::OperationSeq;
use crate::domain::operation::{Outcome, Refusal, Write, WriteError};
use crate::domain::reason::for_operators;
use crate::domain::reply;
use crate::domain::score::Weights;
use crate::domain::set_aside::Work;
use crate::domain::source::{SourceWriter, TokenStanding};
use crate::domain::task::Source;
use crate::ingest;
use crate::limits::Limit;
use crate::runtime::{Backoff, CancellationToken, Reloadable};
use crate::store::operations::{
    self, LaneWork, OperationEnd, OperationRow, OperationState, Sendable,
};
use crate::store::{Store, StoreError, Wake, people, tasks};
use crate::telemetry::{self, AttemptFact, Errand, Fact};

/// Concurrent attempts at one source: far below GitHub's limit of 100 concurrent requests (docs/contracts/github.md#rate-limits).
const AT_ONCE: usize = 32;
/// The pause of a lane after a failure of the store, which cannot record a wait.
const STORE_REST: Duration = Duration::from_secs(1);

/// The settings of retries (`[outbox]` of bot.toml).
#[derive(Debug, Clone, Copy)]
pub struct OutboxSettings {
    /// The first step of the back-off; it doubles with each failure.
    pub retry_initial: Duration,
    /// The longest step of the back-off.
    pub retry_max: Duration,
    /// The age of an operation at which a failed attempt is its last.
    pub give_up_after: Duration,
}

impl OutboxSettings {
    fn backoff(&self) -> Backoff {
        Backoff::new(self.retry_initial, self.retry_max)
    }
}

/// A lane ended unexpectedly. The daemon has to end too, because it would otherwise miss that lane's work.
#[derive(Debug, thiserror::Error)]
#[error("the outbox stopped: a lane panicked: {0}")]
pub struct OutboxStopped(String);

/// See the module.
#[derive(Clone)]
pub struct Outbox {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    sources: BTreeMap<Source, AtSource>,
    settings: Reloadable<OutboxSettings>,
    weights: Reloadable<Weights>,
    clock: Clock,
}

/// The state of one source, shared by all lanes that write to it.
struct AtSource {
    writer: Arc<dyn SourceWriter>,
    turns: Semaphore,
    /// The last attempt of any lane failed.
    troubled: AtomicBool,
    /// Changes when a source answers again after a failure, which wakes all waiting lanes.
    answers: watch::Sender<u64>,
    /// Changes after each attempt: the standing of the source may have changed.
    news: watch::Sender<u64>,
}

/// The line about a write that is done.
struct DoneLine {
    title: String,
    person: String,
}

impl DoneLine {
    fn log(&self, row: &OperationRow, outcome: &str, ms: i64) {
        let write = &row.operation.write;
        let (id, attempts) = (&row.operation.id, row.attempts + 1);
        let (kind, source) = (log_word(write.kind()), write.source());
        tracing::info!(person = self.person, op = %id, outcome, attempts, ms, "{kind} \"{}\" in {source}", self.title);
    }
}

/// The past tense of a kind of write: the commands' own words.
fn log_word(kind: &str) -> &str {
    match kind {
        "complete" => "done",
        "comment" => "commented on",
        "create" => "created",
        "upload" => "attached a file to",
        other => other,
    }
}

/// The result of an attempt in traces; `None` if it is begun anew at once.
fn outcome_word(result: &Result<Outcome, NextStep>) -> Option<&'static str> {
    Some(match result {
        Ok(Outcome::Applied(_)) => OperationState::Applied.as_str(),
        Ok(Outcome::AlreadySo { .. }) => OperationState::AlreadySo.as_str(),
        Ok(Outcome::Overtaken { .. }) => OperationState::Overtaken.as_str(),
        Err(NextStep::TakenBack) => OperationState::Cancelled.as_str(),
        Err(NextStep::Failed(WriteError::Refused { .. })) => OperationState::Refused.as_str(),
        Err(NextStep::Failed(WriteError::NotTaken { .. })) => "not_taken",
        Err(NextStep::Failed(WriteError::Unknown { .. })) | Err(NextStep::LookAgain) => "unknown",
        Err(NextStep::Doubted) => return None,
    })
}

impl OperationRow {
    /// Logs that an attempt has failed: the first one of it, or of its source. The failed polls of the source have their
    /// own line.
    fn waits(&self, what: &'static str, why: &str, is_news: bool) {
        let (id, error) = (&self.operation.id, for_operators(why));
        let (source, kind) = (self.operation.write.source(), self.operation.write.kind());
        match is_news || self.attempts == 0 {
            true => tracing::info!(operation = %id, %source, kind, error, "{what}"),
            false => tracing::debug!(operation = %id, %source, kind, error, "{what}"),
        }
    }
}

/// The next step of a lane after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// Continue at once from the store's state.
    GoOn,
    /// The operation has ended. Continue with the next of its lane.
    Ended,
    /// Wait until the operation's time, or until its source answers again. During a rate limit each source itself
    /// withholds requests, so there are no answers.
    Retry,
    /// Wait until the operation's time, regardless of other answers: a second look needs the time.
    Obliged,
    /// No operation is left, or the daemon stops.
    Over,
}

/// The pending operations that a lane has when it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pending {
    One,
    Any,
}

impl Outbox {
    /// An outbox for the sources with a writer. Nothing is sent before `run`.
    pub fn new(
        store: Store,
        writers: Vec<Arc<dyn SourceWriter>>,
        settings: OutboxSettings,
        weights: Weights,
        clock: Clock,
    ) -> Outbox {
        let sources = writers
            .into_iter()
            .map(|writer| {
                let at = AtSource {
                    turns: Semaphore::new(AT_ONCE),
                    troubled: AtomicBool::new(false),
                    answers: watch::Sender::default(),
                    news: watch::Sender::default(),
                    writer,
                };
                (at.writer.source(), at)
            })
            .collect();
        Outbox {
            inner: Arc::new(Inner {
                store,
                sources,
                settings: Reloadable::new(settings),
                weights: Reloadable::new(weights),
                clock,
            }),
        }
    }

    /// Follows other settings from the next attempt on.
    pub fn follow(&self, settings: OutboxSettings, weights: Weights) {
        self.inner.settings.set(settings);
        self.inner.weights.set(weights);
    }

    /// Retries waiting operations of a source, because the source has answered.
    pub fn source_answers(&self, source: Source) {
        if let Some(at) = self.inner.sources.get(&source) {
            at.answers();
        }
    }

    /// Whether a write to a source is under way or waits for its turn. Writes that wait for a retry do not count.
    pub fn is_writing(&self, source: Source) -> bool {
        let at = self.inner.sources.get(&source);
        at.is_some_and(|at| at.turns.available_permits() < AT_ONCE)
    }

    /// Changes each time that a source answers again after a failure.
    pub fn recoveries(&self, source: Source) -> Option<watch::Receiver<u64>> {
        Some(self.inner.sources.get(&source)?.answers.subscribe())
    }

    /// Changes after each attempt: the standing of the source may have changed.
    pub fn news(&self, source: Source) -> Option<watch::Receiver<u64>> {
        Some(self.inner.sources.get(&source)?.news.subscribe())
    }

    /// Runs until `shutdown`; then lanes finish their current attempt, but for transfers of files, which are cut off.
    pub async fn run(&self, shutdown: CancellationToken) -> Result<(), OutboxStopped> {
        let mut lanes = JoinSet::new();
        let mut under_way = BTreeSet::new();
        // Lanes that got work while they were under way, perhaps after they had seen that none was left.
        let mut again = BTreeSet::new();
        // All operations up to this one were seen; `None`: not since the start, or since operations were released.
        let mut seen: Option<OperationSeq> = None;
        let mut is_woken = true;
        let begin = |lanes: &mut JoinSet<String>, work: LaneWork, has: Pending| {
            let (inner, shutdown) = (Arc::clone(&self.inner), shutdown.clone());
            lanes.spawn(async move {
                let LaneWork { lane, new } = work;
                inner.lane(&lane, new, has, shutdown).await;
                lane
            });
        };
        let signals = self.inner.store.signals();
        while !shutdown.is_cancelled() {
            if std::mem::take(&mut is_woken) {
                if signals.operations_were_released() {
                    seen = None;
                }
                let (store, known) = (&self.inner.store, self.inner.store.clone());
                let work = move |db: &crate::store::Db| operations::lanes(db, &known, seen);
                let read = match seen {
                    Some(_) => store.read_short(work).await,
                    None => store.read(work).await,
                };
                match read {
                    Ok((pending, up_to)) => {
                        // A lane that is not under way had none. A second new one is in `again`.
                        let has = match seen.replace(up_to) {
                            Some(_) => Pending::One,
                            None => Pending::Any,
                        };
                        for work in pending {
                            match under_way.insert(work.lane.clone()) {
                                true => begin(&mut lanes, work, has),
                                false => drop(again.insert(work.lane)),
                            }
                        }
                    }
                    Err(trouble) => {
                        tracing::error!(error = %trouble, "the outbox cannot read pending operations");
                        (seen, is_woken) = (None, true);
                        self.inner.rest(&shutdown).await;
                        continue;
                    }
                }
            }
            tokio::select! {
                () = signals.operations.notified() => is_woken = true,
                Some(ended) = lanes.join_next() => {
                    let lane = ended.map_err(|e| OutboxStopped(e.to_string()))?;
                    match again.remove(&lane) {
                        true => begin(&mut lanes, LaneWork { lane, new: None }, Pending::Any),
                        false => drop(under_way.remove(&lane)),
                    }
                }
                () = shutdown.cancelled() => {}
            }
        }
        for at in self.inner.sources.values() {
            at.writer.stops();
        }
        while let Some(ended) = lanes.join_next().await {
            ended.map_err(|e| OutboxStopped(e.to_string()))?;
        }
        if let Err(trouble) = self.inner.store.write(operations::stops).await {
            tracing::debug!(error = %trouble, "unsent operations stay marked as sent");
        }
        Ok(())
    }
}

impl AtSource {
    fn answers(&self) {
        if self.troubled.swap(false, Ordering::AcqRel) {
            self.answers
                .send_modify(|times| *times = times.wrapping_add(1));
            self.news
                .send_modify(|times| *times = times.wrapping_add(1));
        }
    }

    /// Records that an attempt failed temporarily. Returns whether the one before did not.
    fn fails(&self) -> bool {
        let before = self.troubled.swap(true, Ordering::AcqRel);
        self.stands_otherwise();
        !before
    }

    /// Why the source refuses the token, and for how long lanes do not ask. The next answer wakes them then, even if
    /// only a poll has met the refusal, as after a restart.
    fn token_refused(&self, now: DateTime<Utc>) -> Option<(String, Duration)> {
        let refused = || match self.writer.standing().token {
            TokenStanding::Refused { why, until } => Some((why, (until - now).to_std().ok()?)),
            _ => None,
        };
        refused()?;
        self.fails();
        // An answer before that has woken nobody, but it has changed the standing.
        refused()
    }

    /// Reports that the standing may have changed: a successful write ends conditions that only a write can show.
    fn stands_otherwise(&self) {
        self.news
            .send_modify(|times| *times = times.wrapping_add(1));
    }
}

impl Inner {
    /// Carries out the pending operations of a lane one after the other (P3). `first` is the first of them, if it was read.
    async fn lane(
        &self,
        lane: &str,
        mut first: Option<OperationRow>,
        has: Pending,
        shutdown: CancellationToken,
    ) {
        loop {
            match self.advance(lane, first.take(), has, &shutdown).await {
                Ok(Next::Over) => return,
                Ok(_) => {}
                Err(trouble) => {
                    tracing::error!(lane, error = %trouble, "lane paused");
                    self.rest(&shutdown).await;
                }
            }
        }
    }

    /// Pauses until the store works again.
    async fn rest(&self, shutdown: &CancellationToken) {
        let well = async {
            tokio::time::sleep(STORE_REST).await;
            self.store.until_well().await;
        };
        tokio::select! {
            () = well => {}
            () = shutdown.cancelled() => {}
        }
    }

    async fn next_in(&self, lane: &str) -> Result<Option<OperationRow>, StoreError> {
        let (wanted, store) = (lane.to_owned(), self.store.clone());
        let read = move |connection: &crate::store::Db| {
            operations::next_in_lane(connection, &store, &wanted)
        };
        self.store.read_short(read).await
    }

    /// Attempts one operation of the lane until it has ended.
    async fn advance(
        &self,
        lane: &str,
        mut first: Option<OperationRow>,
        has: Pending,
        shutdown: &CancellationToken,
    ) -> Result<Next, StoreError> {
        let mut next = Next::GoOn;
        let mut answers: Option<watch::Receiver<u64>> = None;
        loop {
            if shutdown.is_cancelled() {
                return Ok(Next::Over);
            }
            let read = match first.take() {
                Some(row) => Some(row),
                None => self.next_in(lane).await?,
            };
            let Some(row) = read else {
                return Ok(Next::Over);
            };
            let source = row.operation.write.source();
            let Some(at) = self.sources.get(&source) else {
                self.not_connected(&row, source).await?;
                continue;
            };
            let wait = row
                .not_before
                .and_then(|time| (time - self.clock.now()).to_std().ok())
                .filter(|wait| !wait.is_zero());
            let wait = match answers {
                Some(_) => wait,
                // A restart may have fixed the reason of an earlier wait. Only a second look needs its time. If that is
                // over, the clock may have been put forward since: the whole time is waited again.
                None => (row.operation.looks > 0)
                    .then(|| wait.unwrap_or(MAY_STILL_ARRIVE).min(MAY_STILL_ARRIVE)),
            };
            if let Some(wait) = wait {
                let woken = async {
                    match answers.as_mut().filter(|_| next == Next::Retry) {
                        Some(answers) => answers.changed().await.is_ok(),
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    _ = woken => {}
                    () = shutdown.cancelled() => return Ok(Next::Over),
                }
            }
            answers = Some(at.answers.subscribe());
            if let Some((why, wait)) = at.token_refused(self.clock.now()) {
                // Polls notice when the token is accepted again. Requests from every lane would be a nuisance.
                let interrupted = row.operation.interrupted;
                next = self
                    .failed(&row, interrupted, why, Some(wait), None)
                    .await?;
                continue;
            }
            let turn = at.writer.take_turn();
            if !turn.is_zero() {
                let (seq, at_time) = (row.seq, self.clock.now() + turn);
                let interrupted = row.operation.interrupted;
                operations::is_not_sent(&self.store, seq);
                self.store
                    .write(move |tx| operations::has_turn(tx, seq, interrupted, at_time))
                    .await?;
                tokio::select! {
                    () = tokio::time::sleep(turn) => {}
                    () = shutdown.cancelled() => {}
                }
            }
            if shutdown.is_cancelled() {
                at.writer.give_back();
                return Ok(Next::Over);
            }
            next = self.attempt(at, row, shutdown).await?;
            if (next, has) == (Next::Ended, Pending::One) {
                return Ok(Next::Over);
            }
        }
    }

    /// Gives up the operations of a source that was removed from bot.toml, and says so. Without the source it is
    /// unknown whether an interrupted one was applied.
    async fn not_connected(&self, row: &OperationRow, source: Source) -> Result<(), StoreError> {
        let why = format!(
            "{} is no longer connected\nIts section is missing in bot.toml",
            source.name()
        );
        let ended = OperationEnd {
            state: OperationState::GivenUp,
            outcome: None,
            why: Some(why),
            refusal: None,
        };
        self.end(row, ended, self.clock.now()).await.map(drop)
    }

    /// One attempt at an operation, recorded with all of its effects.
    async fn attempt(
        &self,
        at: &AtSource,
        row: OperationRow,
        shutdown: &CancellationToken,
    ) -> Result<Next, StoreError> {
        let _turn = match at.turns.try_acquire() {
            Ok(turn) => turn,
            Err(_) => {
                Limit::Attempts.reached(format_args!(
                    "{AT_ONCE} writes to {} are in progress; further ones wait",
                    at.writer.source()
                ));
                match at.turns.acquire().await {
                    Ok(turn) => turn,
                    Err(_) => return Ok(Next::Over),
                }
            }
        };
        if shutdown.is_cancelled() {
            return Ok(Next::Over);
        }
        let work = Work::Operation(row.operation.id.clone());
        let begun = self.store.begin(&work).await?;
        let next = self.begun(at, row, shutdown).await;
        let done = matches!(next, Ok(Next::GoOn | Next::Ended));
        self.store.is_over(begun, done, self.clock.now()).await;
        next
    }

    /// An attempt after its begin was recorded.
    async fn begun(
        &self,
        at: &AtSource,
        row: OperationRow,
        shutdown: &CancellationToken,
    ) -> Result<Next, StoreError> {
        let begun = self.clock.now();
        let sent = AtomicBool::new(false);
        let number = row.attempts + row.operation.looks + 1;
        let errand = || Errand::Write {
            operation: row.operation.id.clone(),
            command: row.command,
            number,
        };
        let work = carry_out(at.writer.as_ref(), &row.operation, async |sending| {
            // The transaction that stored it has stored this, perhaps too long ago.
            let begun = operations::is_begun(&self.store, row.seq);
            if begun == Some(true) {
                sent.store(true, Ordering::Release);
                return Ok(());
            }
            let (begins, now) = (sending.begins, self.clock.now());
            let read = (row.seq, row.operation.interrupted || begun.is_some());
            let before = sending.now.map(|now| match &row.operation.write {
                Write::Change { change, .. } => {
                    let earlier = operations::back_of_earlier(&row.operation);
                    let back = at.writer.back_to(change, now);
                    operations::back(&back.with_earlier(earlier))
                }
                Write::Reopen { .. } => now.state_with_reason(),
                _ => now.source_status.clone(),
            });
            let may = self
                .store
                .write(move |tx| {
                    operations::about_to_send(tx, read, begins, before.as_deref(), now)
                })
                .await
                .map_err(|trouble| WriteError::NotTaken {
                    why: trouble.to_string(),
                    retry_after: None,
                })?;
            match may {
                Sendable::Yes => {}
                Sendable::TakenBack => return Err(NextStep::TakenBack),
                Sendable::Doubted => return Err(NextStep::Doubted),
            }
            sent.store(true, Ordering::Release);
            Ok(())
        });
        let result = telemetry::on_errand(&self.clock, errand, work).await;
        telemetry::note(|| {
            let attempt = AttemptFact {
                operation: row.operation.id.clone(),
                command: row.command,
                source: row.operation.write.source(),
                kind: row.operation.write.kind(),
                number,
                outcome: outcome_word(&result)?,
                begun,
                ended: self.clock.now(),
            };
            Some(Fact::Attempt(attempt))
        });
        let sent = sent.load(Ordering::Acquire);
        if !sent {
            at.writer.give_back();
        }
        let (id, kind, source) = (
            row.operation.id.clone(),
            row.operation.write.kind(),
            row.operation.write.source(),
        );
        match result {
            Ok(outcome) => {
                at.answers();
                at.stands_otherwise();
                self.well(&row, outcome, begun).await
            }
            Err(NextStep::LookAgain) => {
                at.answers();
                tracing::info!(operation = %id, %source, kind, "operation's answer was lost and it has not arrived; looking once more");
                let (seq, now) = (row.seq, self.clock.now());
                let arrived = row.sent_at.map_or(now, |sent| sent + MAY_STILL_ARRIVE);
                // Even if the clock was shifted meanwhile, the wait is no longer than that.
                let not_before = arrived
                    .min(now + MAY_STILL_ARRIVE)
                    .max(now + SECOND_LOOK_AFTER);
                self.store
                    .write(move |tx| operations::looked(tx, seq, not_before))
                    .await?;
                Ok(Next::Obliged)
            }
            Err(NextStep::Doubted) => Ok(Next::GoOn),
            Err(NextStep::TakenBack) => {
                at.answers();
                tracing::info!(operation = %id, %source, kind, "operation cancelled before it was sent");
                let ended = OperationEnd {
                    state: OperationState::Cancelled,
                    outcome: None,
                    why: None,
                    refusal: None,
                };
                self.end(&row, ended, self.clock.now()).await
            }
            Err(NextStep::Failed(WriteError::Refused { what, why })) => {
                at.answers();
                tracing::warn!(operation = %id, %source, kind, error = for_operators(&why), "operation refused");
                // If it was sent again, its trace had been searched before and was not there.
                let perhaps_applied = row.operation.interrupted && !sent;
                let ended = OperationEnd {
                    state: OperationState::Refused,
                    outcome: None,
                    why: Some(match perhaps_applied {
                        true => reply::perhaps_applied_before(&why, source),
                        false => why,
                    }),
                    refusal: Some(what),
                };
                self.end(&row, ended, self.clock.now()).await
            }
            Err(NextStep::Failed(error))
                if shutdown.is_cancelled()
                    && matches!(row.operation.write, Write::Upload { .. }) =>
            {
                tracing::info!(operation = %id, %source, kind, "file cut off by the end of the daemon; the next start goes on with it");
                let was_sent = !matches!(error, WriteError::NotTaken { .. });
                if !was_sent && !row.operation.interrupted {
                    let seq = row.seq;
                    self.store
                        .write(move |tx| operations::not_sent(tx, seq))
                        .await?;
                }
                Ok(Next::Over)
            }
            Err(NextStep::Failed(WriteError::NotTaken { why, retry_after })) => {
                let is_news = at.fails();
                row.waits("operation not accepted; will retry", &why, is_news);
                // An interruption before this attempt still counts; this attempt was certainly not applied.
                let interrupted = row.operation.interrupted;
                let paused_until = at.writer.standing().paused_until;
                self.failed(&row, interrupted, why, retry_after, paused_until)
                    .await
            }
            Err(NextStep::Failed(WriteError::Unknown { why })) => {
                let is_news = at.fails();
                row.waits("operation got no answer; will look for it", &why, is_news);
                let interrupted = sent || row.operation.interrupted;
                self.failed(&row, interrupted, why, None, None).await
            }
        }
    }

    async fn well(
        &self,
        row: &OperationRow,
        outcome: Outcome,
        begun: DateTime<Utc>,
    ) -> Result<Next, StoreError> {
        let state = match outcome {
            Outcome::Applied(_) => OperationState::Applied,
            Outcome::AlreadySo { .. } => OperationState::AlreadySo,
            Outcome::Overtaken { .. } => OperationState::Overtaken,
        };
        // An answer to a change describes the task after it. A task that was only read is as old as its request.
        let known_at = match (&outcome, row.operation.write.is_answered_with_its_task()) {
            (Outcome::Applied(_), true) => self.clock.now(),
            _ => begun,
        };
        let ended = OperationEnd {
            state,
            outcome: Some(outcome),
            why: None,
            refusal: None,
        };
        self.end(row, ended, known_at).await
    }

    /// Records an end, its effect on the task, and the message to the person, in one transaction.
    async fn end(
        &self,
        row: &OperationRow,
        mut ended: OperationEnd,
        known_at: DateTime<Utc>,
    ) -> Result<Next, StoreError> {
        let (seq, command, weights, now) =
            (row.seq, row.command, *self.weights.get(), self.clock.now());
        let (task, interrupted) = (
            row.operation.write.task().cloned(),
            row.operation.interrupted,
        );
        let (removes, write) = (row.operation.write.removes(), row.operation.write.clone());
        let again = now + self.settings.get().backoff().after(row.attempts);
        let outcome = ended.state.as_str();
        let (has_ended, cancelled, done) = self
            .store
            .write(move |tx| {
                let Some(asked) = operations::pending_command(tx, seq)? else {
                    // It was undone while this was under way.
                    return Ok((false, Vec::new(), None));
                };
                let person = asked.person;
                let mut written = None;
                if let Some(outcome) = &mut ended.outcome {
                    let known = tasks::by_key(tx, &outcome.task().key)?;
                    if let Some(known) = &known {
                        outcome.task_mut().remember(&known.task);
                    }
                    let task = outcome.task();
                    match removes {
                        true => ingest::removed(tx, &task.key, now)?,
                        false => {
                            let after = ingest::answered(
                                tx,
                                known.as_ref(),
                                task,
                                known_at,
                                asked.person,
                                now,
                            )?;
                            written = Some(after);
                        }
                    }
                }
                match (ended.refusal, &task) {
                    (Some(Refusal::Gone), Some(key)) => {
                        ingest::gone(tx, key, Vec::new(), now)?;
                    }
                    (Some(Refusal::NotMirrored), Some(key)) => {
                        ingest::away(tx, key, now)?;
                    }
                    _ => {}
                }
                if !operations::end(tx, seq, &ended, now)? {
                    // The found trace belongs to another operation: the search for this one continues.
                    operations::failed(
                        tx,
                        seq,
                        true,
                        "its trace belongs to another operation",
                        again,
                        None,
                    )?;
                    return Ok((false, Vec::new(), None));
                }
                if ended.state == OperationState::GivenUp {
                    operations::perhaps_applied(tx, seq, interrupted)?;
                }
                // The files follow their text in the transaction that knows its task.
                if let Some(Outcome::Applied(written)) = &ended.outcome
                    && !asked.undone
                    && operations::add_uploads(
                        tx,
                        (command, person),
                        &write,
                        &written.task.key,
                        now,
                    )?
                {
                    tx.wake(Wake::Operations);
                }
                let is_upload = matches!(write, Write::Upload { .. });
                let cancelled = match ended.state {
                    // The copies of other files do not depend on this one.
                    OperationState::Refused | OperationState::GivenUp if !is_upload => {
                        operations::cancel_rest(tx, command, now)?
                    }
                    _ => Vec::new(),
                };
                let touched = match (&ended.outcome, &task) {
                    (Some(outcome), _) => Some(&outcome.task().key),
                    (None, task) => task.as_ref(),
                };
                let touched = match (written, touched) {
                    (Some(written), _) => Some(written),
                    (None, Some(key)) => tasks::by_key(tx, key)?,
                    (None, None) => None,
                };
                if let Some(stored) = &touched {
                    cards::refresh(tx, stored, now)?;
                }
                settle_with(
                    tx,
                    asked,
                    touched.as_ref(),
                    CompletionTrigger::Ended,
                    now,
                    &weights,
                )?;
                let done = match &ended.outcome {
                    Some(outcome) => Some(DoneLine {
                        title: one_line(&outcome.task().title),
                        person: people::by_id(tx, person)?.name,
                    }),
                    None => None,
                };
                Ok((true, cancelled, done))
            })
            .await?;
        if !has_ended {
            return Ok(Next::GoOn);
        }
        if let Some(done) = done {
            let ms = (now - row.created_at).num_milliseconds();
            done.log(row, outcome, ms);
        }
        self.count(row, outcome, &cancelled);
        Ok(Next::Ended)
    }

    /// Counts an ended operation, and the operations of its command that are cancelled because of it.
    fn count(&self, row: &OperationRow, outcome: &'static str, cancelled: &[Write]) {
        let total = |write: &Write, outcome: &'static str| {
            let (source, kind) = (write.source().as_str(), write.kind());
            // Each series begins with zero (http/metrics.rs).
            debug_assert!(
                Write::KINDS.contains(&kind) || TaskChange::KINDS.contains(&kind),
                "{kind}"
            );
            metrics::counter!(
                "ivan_operations_total", "source" => source, "kind" => kind, "outcome" => outcome
            )
            .increment(1);
        };
        total(&row.operation.write, outcome);
        for write in cancelled {
            total(write, OperationState::Cancelled.as_str());
        }
        let lasted = (self.clock.now() - row.created_at).to_std();
        metrics::histogram!("ivan_operation_seconds").record(lasted.unwrap_or_default());
    }

    /// Records a failed attempt, which ends the operation after `give_up_after`. `paused_until` is the end of the
    /// source's rate limit, if that is the reason.
    async fn failed(
        &self,
        row: &OperationRow,
        interrupted: bool,
        why: String,
        retry_after: Option<Duration>,
        paused_until: Option<DateTime<Utc>>,
    ) -> Result<Next, StoreError> {
        operations::is_not_sent(&self.store, row.seq);
        let now = self.clock.now();
        let deadline = row.created_at + self.settings.get().give_up_after;
        let (seq, command, weights) = (row.seq, row.command, *self.weights.get());
        if now >= deadline {
            tracing::error!(operation = %row.operation.id, error = for_operators(&why), "operation given up");
            let cancelled = self
                .store
                .write(move |tx| {
                    let ended = OperationEnd {
                        state: OperationState::GivenUp,
                        outcome: None,
                        why: Some(why),
                        refusal: None,
                    };
                    operations::end(tx, seq, &ended, now)?;
                    operations::perhaps_applied(tx, seq, interrupted)?;
                    let cancelled = operations::cancel_rest(tx, command, now)?;
                    settle(tx, command, CompletionTrigger::Ended, now, &weights)?;
                    Ok(cancelled)
                })
                .await?;
            self.count(row, OperationState::GivenUp.as_str(), &cancelled);
            return Ok(Next::GoOn);
        }
        let wait = retry_after.unwrap_or_else(|| self.settings.get().backoff().after(row.attempts));
        let not_before = (now + wait).min(deadline);
        let turn = paused_until.map(|_| not_before);
        self.store
            .write(move |tx| {
                operations::failed(tx, seq, interrupted, &why, not_before, turn)?;
                settle(tx, command, CompletionTrigger::Waits, now, &weights)
            })
            .await?;
        Ok(Next::Retry)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::AtomicUsize;

    use async_trait::async_trait;

    use super::*;
    use crate::domain::operation::{Operation, WriteReceipt};
    use crate::domain::source::SourceStanding;
    use crate::domain::task::{Task, TaskKey};
    use crate::domain::undo::EffectState;
    use crate::runtime::lock;
    use crate::store::operations::{NewCommand, Surface};
    use crate::store::{StoreSettings, people};

    /// A source whose reads each need a permit, and whose writes panic on request.
    struct Slow {
        reads: Semaphore,
        under_way: AtomicUsize,
        most: AtomicUsize,
        panics: bool,
        token: Mutex<TokenStanding>,
    }

    #[async_trait]
    impl SourceWriter for Slow {
        fn source(&self) -> Source {
            Source::ClickUp
        }
        fn standing(&self) -> SourceStanding {
            SourceStanding {
                token: lock(&self.token).clone(),
                ..SourceStanding::default()
            }
        }
        async fn read(&self, _: &TaskKey) -> Result<Task, WriteError> {
            assert!(!self.panics, "read badly");
            let now = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(now, Ordering::SeqCst);
            self.reads.acquire().await.unwrap().forget();
            self.under_way.fetch_sub(1, Ordering::SeqCst);
            Err(WriteError::Refused {
                what: Refusal::Other,
                why: "no".into(),
            })
        }
        async fn send(&self, _: &Operation, _: Option<&Task>) -> Result<WriteReceipt, WriteError> {
            panic!("nothing is there to be written to")
        }
        async fn find(&self, _: &Operation) -> Result<Option<WriteReceipt>, WriteError> {
            Ok(None)
        }
        async fn still_as_left(&self, _: &Operation, _: &Task) -> Result<EffectState, WriteError> {
            panic!("nothing is taken back")
        }
    }

    async fn outbox(
        folder: &tempfile::TempDir,
        writes: usize,
        panics: bool,
    ) -> (Outbox, Arc<Slow>) {
        let store = Store::open(&folder.path().join("ivan.db"), StoreSettings::default()).unwrap();
        let clock = Clock::system();
        let now = clock.now();
        store
            .write(move |tx| {
                people::configure(tx, &[])?;
                let person = people::present(tx)?[0].id;
                let command = NewCommand {
                    person,
                    surface: Surface::Api,
                    verb: "done",
                    via: None,
                    token: None,
                    typed_at: now,
                    once: None,
                };
                for n in 0..writes {
                    let command = operations::add_command(tx, &command, now)?;
                    let task = TaskKey::clickup(format!("86a{n}"));
                    let (id, lane) = (format!("op-{n}"), format!("lane-{n}"));
                    operations::add(tx, command, &id, &lane, &Write::Complete { task }, now)?;
                }
                Ok(())
            })
            .await
            .unwrap();
        let slow = Arc::new(Slow {
            reads: Semaphore::new(0),
            under_way: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            panics,
            token: Mutex::default(),
        });
        let settings = OutboxSettings {
            retry_initial: Duration::from_secs(1),
            retry_max: Duration::from_secs(60),
            give_up_after: Duration::from_secs(3600),
        };
        let writers: Vec<Arc<dyn SourceWriter>> = vec![slow.clone()];
        let outbox = Outbox::new(store, writers, settings, Weights::default(), clock);
        (outbox, slow)
    }

    /// Waits until all operations have ended.
    async fn none_is_pending(outbox: &Outbox) -> Result<(), tokio::time::error::Elapsed> {
        let all_end = async {
            let count = || outbox.inner.store.read(operations::count_pending);
            while count().await.unwrap() > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), all_end).await
    }

    #[tokio::test]
    async fn so_many_attempts_are_under_way_at_a_source_and_the_others_wait() {
        let folder = tempfile::tempdir().unwrap();
        let all = AT_ONCE + 8;
        let before = Limit::Attempts.times();
        let (outbox, slow) = outbox(&folder, all, false).await;
        let stop = CancellationToken::new();
        let stopping = stop.clone();
        let running = tokio::spawn({
            let outbox = outbox.clone();
            async move { outbox.run(stopping).await }
        });
        Limit::Attempts.until_reached(before + 8).await;
        slow.reads.add_permits(all);
        let ended = none_is_pending(&outbox).await;
        assert!(ended.is_ok(), "those that waited got no turn");
        assert_eq!(slow.most.load(Ordering::SeqCst), AT_ONCE);
        stop.cancel();
        running.await.unwrap().unwrap();
    }

    /// After a restart, a poll may meet the refusal before any lane does.
    #[tokio::test]
    async fn a_token_that_only_a_poll_saw_refused_wakes_the_lanes_when_it_is_accepted() {
        let folder = tempfile::tempdir().unwrap();
        let (outbox, slow) = outbox(&folder, 2, false).await;
        *lock(&slow.token) = TokenStanding::Refused {
            why: "no such token".to_owned(),
            until: Clock::system().now() + chrono::Duration::hours(1),
        };
        let stop = CancellationToken::new();
        let (running, stopping) = (outbox.clone(), stop.clone());
        let running = tokio::spawn(async move { running.run(stopping).await });
        let waiting = |db: &crate::store::Db| {
            db.query_row("SELECT count(not_before_ms) FROM operations", [], |row| {
                row.get::<_, i64>(0)
            })
        };
        while outbox.inner.store.read(waiting).await.unwrap() < 2 {
            tokio::task::yield_now().await;
        }
        *lock(&slow.token) = TokenStanding::Taken;
        slow.reads.add_permits(2);
        outbox.source_answers(Source::ClickUp);
        let ended = none_is_pending(&outbox).await;
        assert!(ended.is_ok(), "nobody woke the lanes");
        stop.cancel();
        running.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_lane_that_panics_ends_the_outbox_and_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let (outbox, _) = outbox(&folder, 1, true).await;
        let stopping = CancellationToken::new();
        let ended = outbox.run(stopping).await.unwrap_err().to_string();
        assert!(ended.contains("a lane panicked"), "{ended}");
        assert!(ended.contains("read badly"), "{ended}");
    }

    /// A panic in a part of the daemon ends the process like a crash.
    #[tokio::test]
    async fn an_operation_whose_lane_panics_in_two_lives_is_not_begun_in_the_third() {
        use crate::set_aside::SetAsideContext;
        use crate::store::set_aside;
        let folder = tempfile::tempdir().unwrap();
        let (outbox, _) = outbox(&folder, 2, true).await;
        let store = outbox.inner.store.clone();
        let setting = SetAsideContext {
            store: store.clone(),
            clock: Clock::system(),
            operators: vec!["U1".to_owned()],
            weights: Reloadable::default(),
        };
        let only =
            |tx: &crate::store::Tx<'_>| tx.execute("UPDATE operations SET lane = 'lane'", []);
        store.write(move |tx| only(tx)).await.unwrap();
        let stopping = CancellationToken::new();
        for _ in 0..2 {
            setting.starts().await.unwrap();
            outbox.run(stopping.clone()).await.unwrap_err();
        }
        setting.starts().await.unwrap();
        let all = store.read(set_aside::all).await.unwrap();
        let ids: Vec<String> = all.iter().map(|one| one.work.to_string()).collect();
        assert_eq!(
            ids,
            ["op-0"],
            "the first of the lane, and not the one behind it"
        );
        let known = store.clone();
        let next = move |db: &crate::store::Db| operations::next_in_lane(db, &known, "lane");
        let next = store.read(next).await.unwrap().unwrap();
        assert_eq!(next.operation.id, "op-1");
        let told = |db: &crate::store::Db| {
            db.query_row("SELECT words FROM messages", [], |row| {
                row.get::<_, String>(0)
            })
        };
        let told = store.read(told).await.unwrap();
        assert!(told.contains("ivan retry op-0"), "{told}");
    }

    #[tokio::test]
    async fn waits_double_up_to_the_longest() {
        let folder = tempfile::tempdir().unwrap();
        let (outbox, _) = outbox(&folder, 0, false).await;
        for (attempts, seconds) in [(0, 1.0), (1, 2.0), (3, 8.0), (6, 60.0), (40, 60.0)] {
            let wait = outbox
                .inner
                .settings
                .get()
                .backoff()
                .after(attempts)
                .as_secs_f64();
            assert!(
                (0.5 * seconds..=seconds).contains(&wait),
                "{attempts}: {wait}"
            );
        }
    }
}
