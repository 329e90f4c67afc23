//! The JSON form of words of the domain, for the API's description: the domain itself does not use OpenAPI.

use serde_json::Value;
use utoipa::openapi::{Object, ObjectBuilder, Type};

use crate::commands::{EmptyList, StatusFilter};
use crate::domain::link::LinkOrigin;
use crate::domain::log::{ActivityResult, Via};
use crate::domain::queue::EmptyQueue;
use crate::domain::receipts::ReceiptMode;
use crate::domain::stats::StatsPeriod;
use crate::domain::task::{TaskId, TaskStatus};
use crate::verbs::schema::{describe, text, words};

describe! {
    TaskId as "TaskId": text(
        "`clickup:<id>`, `github:<owner>/<repo>#<number>`, or `github:<number>` for the default repository.",
        &["clickup:86tst0001", "github:acme/widgets#7"],
    );
    TaskStatus as "TaskStatus": words([TaskStatus::Todo, TaskStatus::InProgress, TaskStatus::Done].map(TaskStatus::as_str));
    ReceiptMode as "ReceiptsBy": words([ReceiptMode::Message, ReceiptMode::Reactions].map(ReceiptMode::as_str));
    LinkOrigin as "Origin": words(LinkOrigin::ALL.map(LinkOrigin::as_str));
    Via as "Surface": words(Via::all().map(Via::as_str));
    ActivityResult as "Outcome": words(ActivityResult::ALL.into_iter().filter(|came| *came != ActivityResult::Pending).map(ActivityResult::as_str));
    StatusFilter as "WantedStatus": words(["open", "todo", "in_progress", "done", "all"])
        .default(Some("open".into()));
    StatsPeriod as "StatsPeriod": words([StatsPeriod::Week, StatsPeriod::Month].map(StatsPeriod::as_str))
        .default(Some("week".into()));
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
        "The source has not accepted it yet; GET /operations/{operation_id} shows its outcome. Only present when true.",
    )
}

pub(super) fn goes_on() -> Object {
    only(
        true,
        Type::Boolean,
        "Still running. Only present when true.",
    )
}

pub(super) fn succeeded() -> Object {
    only(true, Type::Boolean, "Retrying.")
}

pub(super) fn failed() -> Object {
    only(
        false,
        Type::Boolean,
        "Only for a write that its source refused.",
    )
}

pub(super) fn alive() -> Object {
    only("ok", Type::String, "The process runs.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::queue::HeldBack;

    #[test]
    fn every_reason_for_an_empty_queue_is_described() {
        let held_back = |blocked, snoozed| EmptyQueue::HeldBack(HeldBack { blocked, snoozed });
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
