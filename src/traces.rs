//! Exports traces to an OpenTelemetry collector (cargo feature `otel`, `telemetry.otlp_url`).
//!
//! One trace shows the way of one command: the command itself, its writes with their requests, its answer in Slack, and
//! the webhooks that show its writes. Ids of traces and spans are hashes of the command's uid, so a restart goes on with
//! the same trace and nothing has to be stored.
//!
//! Facts come from [`telemetry`]. Here they become spans in the background, so no command waits: the commands' rows are
//! read, and the spans go to a bounded batch with a thread of its own. A collector that is down costs the spans that do
//! not fit.

mod collector;
mod spans;

use std::collections::VecDeque;
use std::time::Duration;

use opentelemetry_sdk::trace::{BatchSpanProcessor, SpanData, SpanProcessor};
use tokio::task::JoinHandle;

use crate::domain::ids::CommandId;
use crate::runtime::CancellationToken;
use crate::store::traces::{self as rows, TracedCommand, TracedWrite};
use crate::store::{Store, StoreError};
use crate::telemetry::{self, DeliveryFact, Errand, Fact, FactQueue, RequestFact, WriteSign};

/// How long a stop waits for the last spans.
const FLUSH_WITHIN: Duration = Duration::from_secs(1);
/// Deliveries that wait for the end of a write that they may show.
const EARLY_MAX: usize = 64;
/// How many created tasks are remembered, so that only the first delivery about one shows its creation.
const CREATED_MAX: usize = 256;

/// The exporter, before it runs.
pub struct TraceExporter(BatchSpanProcessor);

impl TraceExporter {
    /// An exporter to the collector at this address. It needs the runtime of the daemon.
    ///
    /// # Errors
    /// The address, or an `OTEL_…` variable of the environment, is invalid.
    pub fn new(otlp_url: &str) -> Result<TraceExporter, String> {
        collector::processor(otlp_url).map(TraceExporter)
    }

    /// Begins to export.
    pub fn start(self, store: Store) -> Exporting {
        let stop = CancellationToken::new();
        let facts = telemetry::listen();
        let exporter = Exporter {
            store,
            spans: self.0,
            early: VecDeque::new(),
            created: VecDeque::new(),
        };
        let worker = facts.map(|facts| tokio::spawn(exporter.run(facts, stop.clone())));
        Exporting { stop, worker }
    }
}

/// The exporter at work.
pub struct Exporting {
    stop: CancellationToken,
    worker: Option<JoinHandle<()>>,
}

impl Exporting {
    /// Exports the last spans, as far as the collector takes them within a second.
    pub async fn finish(self) {
        self.stop.cancel();
        let Some(worker) = self.worker else {
            return;
        };
        if tokio::time::timeout(FLUSH_WITHIN, worker).await.is_err() {
            tracing::debug!("the collector did not take the last spans in time");
        }
    }
}

struct Exporter {
    store: Store,
    spans: BatchSpanProcessor,
    /// Deliveries that came before the answer to the write that they may show, oldest first.
    early: VecDeque<DeliveryFact>,
    /// Operations whose created task a delivery has shown.
    created: VecDeque<String>,
}

impl Exporter {
    async fn run(mut self, mut facts: FactQueue, stop: CancellationToken) {
        while let Some(Some(fact)) = stop.run_until_cancelled(facts.recv()).await {
            self.take(fact).await;
        }
        while let Ok(fact) = facts.try_recv() {
            self.take(fact).await;
        }
        let spans = self.spans;
        let flush = move || spans.shutdown_with_timeout(FLUSH_WITHIN).is_ok();
        let flushed = tokio::task::spawn_blocking(flush).await.unwrap_or(false);
        tracing::debug!(flushed, "traces ended");
    }

    async fn take(&mut self, fact: Fact) {
        let taken = match fact {
            Fact::Settled(command) => self.settled(command).await,
            Fact::Attempt(attempt) => match self.command(attempt.command).await {
                Ok(Some(command)) => {
                    self.export(spans::attempt(&command, &attempt));
                    Ok(())
                }
                other => other.map(drop),
            },
            Fact::Request(request) => self.request(request).await,
            Fact::Delivery(delivery) => self.delivery(delivery).await,
        };
        if let Err(trouble) = taken {
            tracing::debug!(error = %trouble, "a span was lost: its command could not be read");
        }
    }

    fn export(&self, span: SpanData) {
        self.spans.on_end(span);
    }

    async fn command(&self, id: CommandId) -> Result<Option<TracedCommand>, StoreError> {
        self.store.read(move |db| rows::command(db, id)).await
    }

    async fn settled(&mut self, id: CommandId) -> Result<(), StoreError> {
        if let Some(command) = self.command(id).await?
            && let Some(span) = spans::command(&command)
        {
            self.export(span);
        }
        // The task or comment of one of them may have its id now.
        for delivery in std::mem::take(&mut self.early) {
            self.delivery(delivery).await?;
        }
        Ok(())
    }

    async fn request(&self, request: RequestFact) -> Result<(), StoreError> {
        let command = match request.errand {
            Errand::Write { command, .. } => Some(command),
            Errand::Message(id) => self.store.read(move |db| rows::of_message(db, id)).await?,
            Errand::Reaction(id) => self.store.read(move |db| rows::of_reaction(db, id)).await?,
        };
        if let Some(id) = command
            && let Some(command) = self.command(id).await?
        {
            self.export(spans::request(&command, &request));
        }
        Ok(())
    }

    /// Exports a span for each write that a delivery shows. A delivery without one waits if a write is under way whose task
    /// or comment has no id yet.
    async fn delivery(&mut self, delivery: DeliveryFact) -> Result<(), StoreError> {
        let (source, applied, signs) = (delivery.source, delivery.applied, delivery.signs.clone());
        let (found, awaits, arrived) = self
            .store
            .read({
                let id = delivery.delivery;
                move |db| {
                    let mut found: Vec<(TracedWrite, bool)> = Vec::new();
                    for sign in &signs {
                        if let Some(write) = rows::write(db, source, sign, applied)?
                            && !found.iter().any(|(known, _)| *known == write)
                        {
                            found.push((write, matches!(sign, WriteSign::Task(_))));
                        }
                    }
                    let awaits = found.is_empty() && rows::awaits_an_id(db, source)?;
                    Ok((found, awaits, rows::arrived_at(db, id)?))
                }
            })
            .await?;
        for (write, by_task) in found {
            if by_task && !self.is_first_of(&write) {
                continue;
            }
            if let Some(command) = self.command(write.command).await? {
                let arrived = arrived.unwrap_or(applied);
                self.export(spans::echo(&command, &write, &delivery, arrived));
            }
        }
        if awaits {
            if self.early.len() >= EARLY_MAX {
                self.early.pop_front();
            }
            self.early.push_back(delivery);
        }
        Ok(())
    }

    /// Whether no delivery has shown this creation before.
    fn is_first_of(&mut self, write: &TracedWrite) -> bool {
        if self.created.contains(&write.operation) {
            return false;
        }
        if self.created.len() >= CREATED_MAX {
            self.created.pop_front();
        }
        self.created.push_back(write.operation.clone());
        true
    }
}
