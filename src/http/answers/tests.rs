//! The answers, field by field.

use std::collections::{BTreeMap, BTreeSet};

use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::commands::{HealthView, ServiceLevels, SlackHealth, SourceHealth};
use crate::domain::queue::{EmptyQueue, FirstRead, HeldBack};
use crate::domain::reply::Text;
use crate::domain::task::{Account, Children, DueDate, Priority, TaskKey, TaskStatus};
use crate::http::openapi;

pub(in crate::http) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

pub(in crate::http) fn certificate() -> Scored {
    Scored {
        task: Task {
            key: TaskKey::clickup("86tst0001"),
            id: TaskId::parse("clickup:86tst0001").unwrap(),
            container: "901100000001".into(),
            title: "Renew the certificate".into(),
            description: "Before Friday.".into(),
            url: "https://app.clickup.com/t/86tst0001".into(),
            status: TaskStatus::InProgress,
            source_status: "in review".into(),
            assignees: vec![Account {
                id: "4242".into(),
                name: "Ana".into(),
            }],
            labels: vec!["client:acme".into()],
            entity: Some("acme".into()),
            priority: Some(Priority::Urgent),
            due: Some(DueDate {
                at: at("2026-03-03T03:00:00Z"),
                day: chrono::NaiveDate::from_ymd_opt(2026, 3, 3),
            }),
            created_at: at("2026-02-01T08:00:00Z"),
            updated_at: at("2026-03-01T09:30:00.250Z"),
            closed: None,
            commented_at: None,
            reopened: false,
            custom_id: None,
            creator: None,
            links: Vec::new(),
            home: None,
            milestone: None,
            task_type: None,
            parent: None,
            children: None,
        },
        score: 1400,
        reasons: vec![("client".into(), 1000), ("due today".into(), 400)],
        snoozed_until: None,
        hidden: None,
    }
}

pub(in crate::http) fn login() -> Scored {
    let certificate = certificate();
    Scored {
        task: Task {
            key: TaskKey::github(1001, 7),
            id: TaskId::parse("github:acme/widgets#7").unwrap(),
            title: "Login fails on Safari".into(),
            url: "https://github.com/acme/widgets/issues/7".into(),
            milestone: Some("2.1".into()),
            task_type: Some("Bug".into()),
            children: Some(Children { open: 1, all: 3 }),
            ..certificate.task
        },
        ..certificate
    }
}

fn brief(scored: &Scored) -> TaskBrief {
    TaskBrief {
        task_id: scored.task.id.clone(),
        title: scored.task.title.clone(),
        url: scored.task.url.clone(),
        source: scored.task.key.source(),
        status: scored.task.status,
    }
}

pub(in crate::http) fn completed() -> Report {
    Report {
        state: ReportState::Done,
        message: Text::new().text("Task completed in ClickUp: ").link(
            "Renew the certificate",
            "https://app.clickup.com/t/86tst0001",
        ),
        task: Some(brief(&certificate())),
        current_state: Some("complete".into()),
        conflict: false,
        completed: true,
        operation_id: Some("01JOP".into()),
        emptied: false,
        held_back: HeldBack::default(),
        parts: Vec::new(),
        next: Some(brief(&login())),
    }
}

#[test]
fn moving_on_names_the_task_that_is_current_now() {
    let moved = WriteAnswer::moved("Moved on".into(), Some(&login()));
    let body = serde_json::to_value(moved).unwrap();
    assert_eq!(body["next_task"]["task_id"], "github:acme/widgets#7");
    assert_eq!(body["success"], true);
    assert_eq!(body["completed_task_id"], Value::Null);
}

#[test]
fn a_task_has_the_fields_of_the_design() {
    let task = serde_json::to_value(TaskJson::of(&certificate())).unwrap();
    assert_eq!(
        task,
        json!({
            "task_id": "clickup:86tst0001",
            "source": "clickup",
            "source_id": "86tst0001",
            "title": "Renew the certificate",
            "status": "in_progress",
            "url": "https://app.clickup.com/t/86tst0001",
            "assignees": ["Ana"],
            "labels": ["client:acme"],
            "milestone": null,
            "type": null,
            "children": null,
            "due": "2026-03-03T03:00:00Z",
            "due_day": "2026-03-03",
            "priority": "urgent",
            "entity": "acme",
            "score": 1400,
            "updated_at": "2026-03-01T09:30:00.250Z",
            "last_activity": "2026-03-01T09:30:00.250Z",
        })
    );
    let issue = serde_json::to_value(TaskJson::of(&login())).unwrap();
    assert_eq!(issue["source_id"], "7");
    assert_eq!(issue["milestone"], "2.1");
    assert_eq!(issue["type"], "Bug");
    assert_eq!(issue["children"], json!({"open": 1, "all": 3}));
}

#[test]
fn an_empty_queue_has_a_current_task_of_nulls() {
    let nothing = serde_json::to_value(CurrentJson::without(&EmptyQueue::Done)).unwrap();
    let members = nothing.as_object().unwrap();
    assert!(members.contains_key("task_id") && members.contains_key("title"));
    assert!(members.values().all(Value::is_null), "{nothing}");
}

/// The sentence explains the word, and says more than that the queue is empty.
#[rstest]
#[case(EmptyQueue::NotRead(vec![FirstRead { source: Source::GitHub, tasks: 1_234 }]), "not_read", "still reading GitHub (1,200 tasks so far)")]
#[case(EmptyQueue::NotLinked(vec![Source::ClickUp, Source::GitHub]), "not_linked", "your ClickUp or GitHub account yet")]
#[case(EmptyQueue::NotLinked(vec![Source::GitHub]), "not_linked", "Type `link github LOGIN`.")]
#[case(EmptyQueue::HeldBack(HeldBack { blocked: 2, snoozed: 0 }), "all_wait", "2 tasks are blocked")]
#[case(EmptyQueue::HeldBack(HeldBack { blocked: 0, snoozed: 1 }), "all_snoozed", "1 task is snoozed")]
#[case(EmptyQueue::HeldBack(HeldBack { blocked: 1, snoozed: 1 }), "all_held_back", "1 task is blocked (`list blocked`) and 1")]
#[case(EmptyQueue::NothingAssigned(vec![Source::ClickUp]), "empty", "no open tasks are assigned to you. I don't know your ClickUp")]
fn without_a_current_task_it_is_said_why(
    #[case] why: EmptyQueue,
    #[case] word: &str,
    #[case] says: &str,
) {
    let json = serde_json::to_value(CurrentJson::without(&why)).unwrap();
    assert_eq!(
        (&json["task_id"], &json["reason"]),
        (&Value::Null, &json!(word))
    );
    assert!(json["message"].as_str().unwrap().contains(says), "{json}");
}

/// Our answers have exactly the members that the description requires.
#[test]
fn answers_are_as_described() {
    let document = json!(openapi::document("1"));
    let described = |name: &str| -> BTreeSet<String> {
        let schema = &document["components"]["schemas"][name];
        let required = schema["required"].as_array().unwrap();
        required
            .iter()
            .map(|m| m.as_str().unwrap().to_owned())
            .collect()
    };
    let members =
        |value: Value| -> BTreeSet<String> { value.as_object().unwrap().keys().cloned().collect() };
    let task = serde_json::to_value(TaskJson::of(&certificate())).unwrap();
    assert_eq!(members(task), described("Task"));
    let done = serde_json::to_value(WriteAnswer::of(&completed())).unwrap();
    assert_eq!(members(done["next_task"].clone()), described("NextTask"));
    assert_eq!(members(done), described("Answer"));
    let now = at("2026-03-03T12:00:00Z");
    let status = json!(StatusAnswer::of(&HealthView::default(), None, "1", now));
    assert_eq!(members(status), described("Status"));
    assert_eq!(
        members(json!(OperationAnswer::from(pending()))),
        described("Operation")
    );
}

fn pending() -> OperationView {
    OperationView {
        id: "01JOP".into(),
        kind: "comment".into(),
        source: Source::GitHub,
        task_id: Some("github:acme/widgets#7".into()),
        state: "pending".into(),
        attempts: 2,
        created_at: at("2026-03-03T12:00:00Z"),
        next_attempt_at: Some(at("2026-03-03T12:00:04Z")),
        detail: Some("GitHub does not answer".into()),
        report: None,
    }
}

#[test]
fn an_operation_tells_when_it_is_tried_again() {
    let operation = json!(OperationAnswer::from(pending()));
    assert_eq!(operation["operation_id"], "01JOP");
    assert_eq!(operation["next_attempt_at"], "2026-03-03T12:00:04Z");
    assert_eq!(operation["answer"], Value::Null);
    let ended = OperationView {
        report: Some(completed()),
        ..pending()
    };
    assert_eq!(
        json!(OperationAnswer::from(ended))["answer"]["success"],
        true
    );
}

pub(in crate::http) fn health(store_writable: bool, slack: Option<SlackHealth>) -> HealthView {
    let trouble = SourceHealth {
        last_sync: None,
        error: Some("GitHub refuses github.token".into()),
        tasks: 0,
        archived: Vec::new(),
        reading: None,
        server: None,
    };
    HealthView {
        missing_scopes: Vec::new(),
        given_up: Vec::new(),
        other_links: 0,
        store_writable,
        slack,
        slack_since: Some(at("2026-03-03T11:00:00Z")),
        sources: BTreeMap::from([(Source::GitHub, trouble)]),
        queued_operations: 3,
        set_aside: Vec::new(),
    }
}

#[test]
fn status_tells_what_is_wrong() {
    let health = health(true, Some(SlackHealth::Trouble("Slack refuses".into())));
    let levels = ServiceLevels {
        since: at("2026-02-24T12:00:00Z"),
        commands: 1_204,
        soon: 1_203,
        late: 0,
        given_up: 1,
    };
    let status = json!(StatusAnswer::of(
        &health,
        Some(&levels),
        "0.1.0",
        at("2026-03-03T12:00:00Z")
    ));
    assert_eq!(
        status["slack"],
        json!({
            "state": "trouble",
            "since": "2026-03-03T11:00:00Z",
            "detail": "Slack refuses",
            "missing_scopes": [],
            "other_links": 0,
        })
    );
    assert_eq!(
        status["sources"]["github"]["error"],
        "GitHub refuses github.token"
    );
    assert_eq!(status["queued_operations"], 3);
    assert_eq!(
        status["service_levels"],
        json!({ "since": "2026-02-24T12:00:00Z", "commands": 1204, "within_2s": 1203, "late": 0, "given_up": 1 })
    );
    assert_eq!(status["now"], "2026-03-03T12:00:00Z");
}
