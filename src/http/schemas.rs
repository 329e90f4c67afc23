//! How words of the domain look in JSON, for the API's description: the domain itself knows nothing of OpenAPI.

use std::borrow::Cow;

use serde_json::Value;
use utoipa::openapi::{Object, ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::commands::{EmptyList, WantedStatus};
use crate::domain::command::Ref;
use crate::domain::link::Origin;
use crate::domain::log::{Came, Via};
use crate::domain::queue::EmptyQueue;
use crate::domain::receipts::Receipts;
use crate::domain::task::{Priority, Source, Status, TaskId};
use crate::domain::when::{DueWhen, WHEN_HELP, When};

macro_rules! describe {
    ($($type:ty as $name:literal: $schema:expr;)*) => {$(
        impl PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                $schema.into()
            }
        }

        impl ToSchema for $type {
            fn name() -> Cow<'static, str> {
                $name.into()
            }
        }
    )*};
}

describe! {
    TaskId as "TaskId": text(
        "`clickup:<id>`, `github:<owner>/<repo>#<number>`, or `github:<number>` for the default repository.",
        &["clickup:86tst0001", "github:acme/widgets#7"],
    );
    Ref as "Ref": text(
        "A number of the queue as last shown, `#12` for an issue of the default repository, a task id, or the address \
         of a task's page.",
        &["2", "#12", "clickup:86tst0001"],
    );
    When as "When": text(
        &format!("{WHEN_HELP}, in the person's time zone; or an RFC 3339 time. Ahead, and within a year."),
        &["2h", "tomorrow 14:00", "mon", "2026-12-01T10:00:00+01:00"],
    );
    DueWhen as "DueWhen": text(
        &format!("{WHEN_HELP}, in the person's time zone; an RFC 3339 time; or `none`."),
        &["2h", "tomorrow 14:00", "mon", "2026-12-01T10:00:00+01:00", "none"],
    );
    Source as "Source": words(Source::ALL.map(Source::as_str));
    Status as "TaskStatus": words([Status::Todo, Status::InProgress, Status::Done].map(Status::as_str));
    Priority as "Priority": words(PRIORITIES.map(Priority::as_str));
    Receipts as "ReceiptsBy": words([Receipts::Message, Receipts::Reactions].map(Receipts::as_str));
    Origin as "Origin": words(Origin::ALL.map(Origin::as_str));
    Via as "Surface": words(Via::all().map(Via::as_str));
    Came as "Outcome": words(Came::ALL.into_iter().filter(|came| *came != Came::Pending).map(Came::as_str));
    WantedStatus as "WantedStatus": words(["open", "todo", "in_progress", "done", "all"])
        .default(Some("open".into()));
    EmptyQueue as "NoCurrentReason": words(EMPTY);
    EmptyList as "NoTasksReason": words(EMPTY.into_iter().chain(["no_match"]));
}

const PRIORITIES: [Priority; 4] = [
    Priority::Urgent,
    Priority::High,
    Priority::Normal,
    Priority::Low,
];

/// The words of [`EmptyQueue::word`].
const EMPTY: [&str; 6] = [
    "not_read",
    "not_linked",
    "all_wait",
    "all_snoozed",
    "all_held_back",
    "empty",
];

fn text(description: &str, examples: &[&str]) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(description))
        .examples(examples.iter().copied().map(Value::from))
}

fn words(words: impl IntoIterator<Item = &'static str>) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(words))
}

/// A priority as a body has it, with the word that takes it away.
pub(super) fn priority_or_none() -> Object {
    let priorities = PRIORITIES.map(Priority::as_str);
    words(priorities.into_iter().chain(["none"])).build()
}

/// A field that has one value where it is there.
fn only(value: impl Into<Value>, kind: Type, description: &str) -> Object {
    ObjectBuilder::new()
        .schema_type(kind)
        .enum_values(Some([value]))
        .description(Some(description))
        .build()
}

pub(super) fn queued() -> Object {
    only(
        true,
        Type::Boolean,
        "The source has not taken it yet; GET /operations/{operation_id} says what becomes of it. Only there when true.",
    )
}

pub(super) fn goes_on() -> Object {
    only(true, Type::Boolean, "It goes on. Only there when true.")
}

pub(super) fn succeeded() -> Object {
    only(true, Type::Boolean, "It is tried again.")
}

pub(super) fn failed() -> Object {
    only(false, Type::Boolean, "Of a write that its source refused.")
}

pub(super) fn alive() -> Object {
    only("ok", Type::String, "The process answers.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_for_an_empty_queue_is_described() {
        let held_back = |blocked, snoozed| EmptyQueue::HeldBack { blocked, snoozed };
        for why in [
            EmptyQueue::NotRead(Vec::new()),
            EmptyQueue::NotLinked(Vec::new()),
            held_back(1, 0),
            held_back(0, 1),
            held_back(1, 1),
            EmptyQueue::Done,
            EmptyQueue::NothingAssigned(Vec::new()),
        ] {
            assert!(EMPTY.contains(&why.word()), "{why:?}");
        }
    }
}
