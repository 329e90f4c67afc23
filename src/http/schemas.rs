//! The JSON form of words of the domain, for the API's description: the domain itself does not use OpenAPI.

use serde_json::Value;
use utoipa::openapi::{Object, ObjectBuilder, Type};

use crate::commands::{EmptyList, WantedStatus};
use crate::domain::link::Origin;
use crate::domain::log::{Came, Via};
use crate::domain::queue::EmptyQueue;
use crate::domain::receipts::Receipts;
use crate::domain::task::{Status, TaskId};
use crate::verbs::schema::{describe, text, words};

describe! {
    TaskId as "TaskId": text(
        "`clickup:<id>`, `github:<owner>/<repo>#<number>`, or `github:<number>` for the default repository.",
        &["clickup:86tst0001", "github:acme/widgets#7"],
    );
    Status as "TaskStatus": words([Status::Todo, Status::InProgress, Status::Done].map(Status::as_str));
    Receipts as "ReceiptsBy": words([Receipts::Message, Receipts::Reactions].map(Receipts::as_str));
    Origin as "Origin": words(Origin::ALL.map(Origin::as_str));
    Via as "Surface": words(Via::all().map(Via::as_str));
    Came as "Outcome": words(Came::ALL.into_iter().filter(|came| *came != Came::Pending).map(Came::as_str));
    WantedStatus as "WantedStatus": words(["open", "todo", "in_progress", "done", "all"])
        .default(Some("open".into()));
    EmptyQueue as "NoCurrentReason": words(EMPTY);
    EmptyList as "NoTasksReason": words(EMPTY.into_iter().chain(["no_match"]));
}

/// The words of [`EmptyQueue::word`].
const EMPTY: [&str; 6] = [
    "not_read",
    "not_linked",
    "all_wait",
    "all_snoozed",
    "all_held_back",
    "empty",
];

/// A field that has one possible value when it is present.
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
