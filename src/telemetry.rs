//! Notes facts about commands for traces: the settled command, its writes, its requests, and the webhooks that show the
//! writes.
//!
//! Anyone may note a fact; it costs a place in a queue. `traces` (cargo feature `otel`) turns facts into spans in the
//! background. A build without the feature notes nothing: the closures that make the facts never run. A fact has ids and
//! times, and nothing that a person wrote.

use std::future::Future;

use chrono::{DateTime, Utc};

use crate::clock::Clock;
use crate::domain::event::{Activity, ActivityKind, SourceEvent, TaskField};
use crate::domain::ids::{CommandId, DeliveryId, MessageId, ReactionId};
use crate::domain::task::{Source, TaskKey};

#[cfg(feature = "otel")]
mod queue;

#[cfg(feature = "otel")]
pub use queue::{FactQueue, listen};

/// A part of a command's way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// A command has its final report. It is committed.
    Settled(CommandId),
    /// An attempt at a write has ended.
    Attempt(AttemptFact),
    /// A request over HTTP has ended.
    Request(RequestFact),
    /// A delivery of a webhook was applied.
    Delivery(DeliveryFact),
}

/// One attempt at an operation, from its begin to the source's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptFact {
    /// The ULID of the operation.
    pub operation: String,
    /// Its command.
    pub command: CommandId,
    /// The source that it writes to.
    pub source: Source,
    /// The kind of write: `complete`.
    pub kind: &'static str,
    /// 1 for the first.
    pub number: u32,
    /// Its result: `applied`, `refused`, `unknown`, …
    pub outcome: &'static str,
    /// UTC.
    pub begun: DateTime<Utc>,
    /// UTC.
    pub ended: DateTime<Utc>,
}

/// The work that a request is a part of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Errand {
    /// An attempt at a write.
    Write {
        /// The ULID of the operation.
        operation: String,
        /// Its command.
        command: CommandId,
        /// Which attempt; 1 for the first.
        number: u32,
    },
    /// A message of Ivan's.
    Message(MessageId),
    /// A reaction of Ivan's.
    Reaction(ReactionId),
}

/// One request over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestFact {
    /// The work that it is a part of.
    pub errand: Errand,
    /// The HTTP method at a source, the API method in Slack: `PATCH`, `chat.update`.
    pub method: String,
    /// The status of the response; `None` if there was none, or if it was read by others.
    pub status: Option<u16>,
    /// Whether it was accepted.
    pub well: bool,
    /// UTC.
    pub begun: DateTime<Utc>,
    /// UTC.
    pub ended: DateTime<Utc>,
}

/// A delivery that may show writes of Ivan's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryFact {
    /// The row, which has the time of its arrival.
    pub delivery: DeliveryId,
    /// The source that sent it.
    pub source: Source,
    /// The signs of a write.
    pub signs: Vec<WriteSign>,
    /// UTC, when it was applied.
    pub applied: DateTime<Utc>,
}

/// A sign by which the store finds one of its writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteSign {
    /// The operation in the marker of a comment.
    Marker(String),
    /// The id of a comment.
    Comment(String),
    /// An action on a task, by the account that Ivan uses.
    Action {
        /// The task.
        task: TaskKey,
        /// The kinds of write that cause it.
        kinds: &'static [&'static str],
        /// The source's clock.
        at: DateTime<Utc>,
    },
    /// A report about a task, which may be the first one of a task that Ivan created.
    Task(TaskKey),
}

impl DeliveryFact {
    /// The signs in the events of a delivery; `None` if it shows nothing that Ivan could have written.
    pub fn of(
        delivery: DeliveryId,
        source: Source,
        events: &[SourceEvent],
        applied: DateTime<Utc>,
    ) -> Option<DeliveryFact> {
        let signs: Vec<WriteSign> = events.iter().flat_map(signs).collect();
        (!signs.is_empty()).then_some(DeliveryFact {
            delivery,
            source,
            signs,
            applied,
        })
    }
}

fn signs(event: &SourceEvent) -> Vec<WriteSign> {
    let (key, acts) = match event {
        SourceEvent::Seen { task, acts, .. } => (&task.key, acts),
        SourceEvent::Look { key, acts } => (key, acts),
        SourceEvent::Moved { .. } | SourceEvent::Renamed { .. } => return Vec::new(),
    };
    if acts.is_empty() {
        return vec![WriteSign::Task(key.clone())];
    }
    let by_us = |act: &&Activity| act.by.as_ref().is_none_or(|by| by.us);
    acts.iter()
        .filter(by_us)
        .map(|act| sign(key, act))
        .collect()
}

fn sign(key: &TaskKey, act: &Activity) -> WriteSign {
    let kinds: &'static [&'static str] = match &act.what {
        ActivityKind::Commented {
            operation: Some(operation),
            ..
        } => return WriteSign::Marker(operation.clone()),
        ActivityKind::Commented { id, .. } => return WriteSign::Comment(id.clone()),
        ActivityKind::Completed => &["complete", "undo"],
        ActivityKind::Reopened => &["reopen", "undo"],
        ActivityKind::Assigned { .. } | ActivityKind::Unassigned { .. } => &["assign", "undo"],
        ActivityKind::Deleted => &["undo"],
        ActivityKind::Changed { field } => match field {
            TaskField::Title => &[],
            TaskField::Due => &["due", "undo"],
            TaskField::Priority => &["priority", "label", "undo"],
        },
    };
    WriteSign::Action {
        task: key.clone(),
        kinds,
        at: act.at,
    }
}

/// Notes a fact, if traces are exported and there is room for it.
pub fn note(fact: impl FnOnce() -> Option<Fact>) {
    #[cfg(feature = "otel")]
    queue::add(fact);
    #[cfg(not(feature = "otel"))]
    drop(fact);
}

/// Runs a future whose requests are a part of this work.
pub fn on_errand<F: Future>(
    clock: &Clock,
    errand: impl FnOnce() -> Errand,
    work: F,
) -> impl Future<Output = F::Output> {
    #[cfg(feature = "otel")]
    {
        queue::on_errand(clock, errand, work)
    }
    #[cfg(not(feature = "otel"))]
    {
        let _ = (clock, errand);
        work
    }
}

/// A request under way that is a part of some work.
#[derive(Debug, Clone)]
pub struct OpenRequest {
    errand: Errand,
    clock: Clock,
    begun: DateTime<Utc>,
}

/// The request that begins now; `None` if no trace shows it.
pub fn request_begins() -> Option<OpenRequest> {
    #[cfg(feature = "otel")]
    {
        queue::errand().map(|(errand, clock)| OpenRequest {
            begun: clock.now(),
            errand,
            clock,
        })
    }
    #[cfg(not(feature = "otel"))]
    {
        None
    }
}

impl OpenRequest {
    /// Notes that it has ended.
    pub fn ends(self, method: &str, status: Option<u16>, well: bool) {
        note(|| {
            let request = RequestFact {
                errand: self.errand,
                method: method.to_owned(),
                status,
                well,
                begun: self.begun,
                ended: self.clock.now(),
            };
            Some(Fact::Request(request))
        });
    }
}
