//! The spans of a command. Attributes name verbs, sources, kinds, outcomes and ids of operations, and nothing that a person
//! wrote.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use opentelemetry::trace::{
    SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use sha2::{Digest, Sha256};

use crate::store::traces::{TracedCommand, TracedWrite};
use crate::telemetry::{AttemptFact, DeliveryFact, Errand, RequestFact};

/// Outcomes of an attempt that are no errors.
const WELL: [&str; 4] = ["already_so", "applied", "cancelled", "overtaken"];

/// A command, from the moment when it was typed until its answer was final; `None` before that.
pub(super) fn command(command: &TracedCommand) -> Option<SpanData> {
    let mut span = Draft {
        id: of_command(&command.uid),
        parent: command.whole.as_deref().map_or(SpanId::INVALID, of_command),
        kind: SpanKind::Server,
        name: command.verb.clone().into(),
        begun: command.typed_at,
        ended: command.settled_at?,
        well: true,
        attributes: Vec::new(),
    };
    span.say("ivan.verb", command.verb.clone());
    span.say("ivan.surface", command.surface.clone());
    Some(span.of(command))
}

/// An attempt at a write.
pub(super) fn attempt(command: &TracedCommand, attempt: &AttemptFact) -> SpanData {
    let mut span = Draft {
        id: of_write(&command.uid, &attempt.operation, attempt.number),
        parent: of_command(&command.uid),
        kind: SpanKind::Internal,
        name: format!("{} {}", attempt.kind, attempt.source.as_str()).into(),
        begun: attempt.begun,
        ended: attempt.ended,
        well: WELL.contains(&attempt.outcome),
        attributes: Vec::new(),
    };
    span.say("ivan.source", attempt.source.as_str());
    span.say("ivan.kind", attempt.kind);
    span.say("ivan.operation.id", attempt.operation.clone());
    span.say("ivan.outcome", attempt.outcome);
    span.say("ivan.attempt", i64::from(attempt.number));
    span.of(command)
}

/// A request over HTTP: below its write, or below the command whose answer it brings to Slack.
pub(super) fn request(command: &TracedCommand, request: &RequestFact) -> SpanData {
    let begun = request.begun.timestamp_micros().to_string();
    let (parent, errand) = match &request.errand {
        Errand::Write {
            operation, number, ..
        } => (
            of_write(&command.uid, operation, *number),
            operation.clone(),
        ),
        Errand::Message(id) => (of_command(&command.uid), format!("message {id}")),
        Errand::Reaction(id) => (of_command(&command.uid), format!("reaction {id}")),
    };
    let id = span_id(&[&command.uid, "request", &errand, &request.method, &begun]);
    let mut span = Draft {
        id,
        parent,
        kind: SpanKind::Client,
        name: request.method.clone().into(),
        begun: request.begun,
        ended: request.ended,
        well: request.well,
        attributes: Vec::new(),
    };
    match &request.errand {
        Errand::Write { .. } => span.say("http.request.method", request.method.clone()),
        Errand::Message(_) | Errand::Reaction(_) => {
            span.say("ivan.slack.method", request.method.clone());
        }
    }
    if let Some(status) = request.status {
        span.say("http.response.status_code", i64::from(status));
    }
    span.of(command)
}

/// A webhook that shows a write, from its arrival until it was applied.
pub(super) fn echo(
    command: &TracedCommand,
    write: &TracedWrite,
    delivery: &DeliveryFact,
    arrived: DateTime<Utc>,
) -> SpanData {
    let id = delivery.delivery.to_string();
    let mut span = Draft {
        id: span_id(&[&command.uid, "webhook", &write.operation, &id]),
        parent: of_write(&command.uid, &write.operation, write.number),
        kind: SpanKind::Consumer,
        name: format!("webhook {}", delivery.source.as_str()).into(),
        begun: arrived,
        ended: delivery.applied,
        well: true,
        attributes: Vec::new(),
    };
    span.say("ivan.source", delivery.source.as_str());
    span.say("ivan.operation.id", write.operation.clone());
    span.of(command)
}

/// A span without its trace.
struct Draft {
    id: SpanId,
    parent: SpanId,
    kind: SpanKind,
    name: Cow<'static, str>,
    begun: DateTime<Utc>,
    ended: DateTime<Utc>,
    well: bool,
    attributes: Vec<KeyValue>,
}

impl Draft {
    fn say(&mut self, key: &'static str, value: impl Into<opentelemetry::Value>) {
        self.attributes.push(KeyValue::new(key, value));
    }

    fn of(self, command: &TracedCommand) -> SpanData {
        let whole = command.whole.as_deref().unwrap_or(&command.uid);
        SpanData {
            span_context: SpanContext::new(
                trace_id(whole),
                self.id,
                TraceFlags::SAMPLED,
                false,
                TraceState::NONE,
            ),
            parent_span_id: self.parent,
            parent_span_is_remote: false,
            span_kind: self.kind,
            name: self.name,
            start_time: system(self.begun),
            // Slack's clock may be ahead of ours.
            end_time: system(self.ended.max(self.begun)),
            attributes: self.attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: match self.well {
                true => Status::Unset,
                false => Status::error(""),
            },
            instrumentation_scope: InstrumentationScope::builder("ivan")
                .with_version(env!("CARGO_PKG_VERSION"))
                .build(),
        }
    }
}

fn of_command(uid: &str) -> SpanId {
    span_id(&[uid, "command"])
}

fn of_write(uid: &str, operation: &str, number: u32) -> SpanId {
    span_id(&[uid, "write", operation, &number.to_string()])
}

fn trace_id(uid: &str) -> TraceId {
    TraceId::from_bytes(first(&[uid, "trace"]))
}

fn span_id(parts: &[&str]) -> SpanId {
    SpanId::from_bytes(first(parts))
}

/// The first bytes of the parts' hash.
fn first<const N: usize>(parts: &[&str]) -> [u8; N] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
        hash.update([0]);
    }
    let hash: [u8; 32] = hash.finalize().into();
    std::array::from_fn(|at| hash.get(at).copied().unwrap_or_default())
}

fn system(at: DateTime<Utc>) -> SystemTime {
    let us = u64::try_from(at.timestamp_micros()).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_micros(us)
}
