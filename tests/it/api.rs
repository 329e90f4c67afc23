//! The HTTP API: each route's answer, field by field, and its effect in the source.

use std::collections::BTreeSet;

use ivan::sandbox::fault_server::{Fault, FaultKind, FaultServer};
use rstest::rstest;
use serde_json::{Value, json};

use crate::harness::*;

/// One of the two sources, with two tasks; the first is current. Each story runs at both.
struct At {
    source: &'static str,
    first: &'static str,
    second: &'static str,
    open: &'static str,
    complete: &'static str,
    setup: fn() -> Setup,
}

const CLICKUP: At = At {
    source: "clickup",
    first: "Renew cert",
    second: "Write the runbook",
    open: "to do",
    complete: "complete",
    setup: two_tasks,
};

const GITHUB: At = At {
    source: "github",
    first: "Login fails",
    second: "Update the docs",
    open: "open",
    complete: "closed",
    setup: two_issues,
};

impl At {
    fn number(&self, title: &str) -> u64 {
        if title == self.first { 1 } else { 2 }
    }

    fn id(&self, ivan: &Ivan, title: &str) -> String {
        match self.source {
            "clickup" => format!("clickup:{}", ivan.clickup().task(title).id()),
            _ => format!("github:{REPO}#{}", self.number(title)),
        }
    }

    fn path(&self, ivan: &Ivan, title: &str) -> String {
        let id = self.id(ivan, title);
        format!(
            "/tasks/{}",
            id.replace('%', "%25")
                .replace('/', "%2F")
                .replace('#', "%23")
        )
    }

    fn url(&self, ivan: &Ivan, title: &str) -> Value {
        match self.source {
            "clickup" => ivan.clickup().task(title).json()["url"].clone(),
            _ => ivan.github().issue(REPO, self.number(title)).json()["html_url"].clone(),
        }
    }

    #[track_caller]
    fn is(&self, ivan: &Ivan, title: &str, state: &str) {
        match self.source {
            "clickup" => drop(ivan.clickup().task(title).is(state)),
            _ => drop(ivan.github().issue(REPO, self.number(title)).is(state)),
        }
    }

    fn comments(&self, ivan: &Ivan, title: &str) -> Vec<String> {
        match self.source {
            "clickup" => ivan.clickup().task(title).comments(),
            _ => ivan.github().issue(REPO, self.number(title)).comments(),
        }
    }

    fn bo_completes(&self, ivan: &Ivan, title: &str) {
        match self.source {
            "clickup" => ivan.clickup().set_status(title, self.complete, BO_CLICKUP),
            _ => ivan.github().close_as(REPO, self.number(title), "bo"),
        }
    }

    fn front<'a>(&self, ivan: &'a Ivan) -> &'a FaultServer {
        match self.source {
            "clickup" => ivan.clickup().front(),
            _ => ivan.github().front(),
        }
    }

    /// The number of requests that change something in the source.
    fn writes(&self, ivan: &Ivan) -> usize {
        let journal = self.front(ivan).journal();
        journal.iter().filter(|seen| seen.method != "GET").count()
    }

    fn next(&self, ivan: &Ivan, title: &str) -> Value {
        json!({
            "task_id": self.id(ivan, title),
            "title": title,
            "url": self.url(ivan, title),
            "source": self.source,
        })
    }
}

/// Removes a member whose value differs each time from an answer; the value must be a text.
#[track_caller]
fn take(answer: &mut Value, member: &str) -> String {
    match answer.as_object_mut().and_then(|all| all.remove(member)) {
        Some(Value::String(text)) => text,
        other => panic!("`{member}` is {other:?} in {answer}"),
    }
}

/// Waits for the end of an operation as an API client would: asks again with each new log line.
async fn ended(ivan: &Ivan, operation: &str) -> Value {
    ivan.until_nothing_is_queued().await;
    let (status, answer) = ivan
        .http("GET", &format!("/operations/{operation}"), None)
        .await;
    assert_eq!(status, 200, "{answer}");
    assert_ne!(answer["state"], "pending", "{answer}");
    answer
}

// ---------------------------------------------------------------- the current task

#[rstest]
#[case(CLICKUP)]
#[case(GITHUB)]
#[tokio::test]
async fn the_current_task_has_all_its_fields(#[case] at: At) {
    ivan_test((at.setup)(), async |ivan| {
        let (status, mut current) = ivan.http("GET", "/current", None).await;
        assert_eq!(status, 200);
        let updated = take(&mut current, "updated_at");
        assert_eq!(take(&mut current, "last_activity"), updated);
        assert!(
            chrono::DateTime::parse_from_rfc3339(&updated).is_ok(),
            "{updated}"
        );
        let id = at.id(ivan, at.first);
        let entity = (at.source == "clickup").then_some("acme");
        let label = match at.source {
            "clickup" => "client:acme",
            _ => "client",
        };
        let source_id = match at.source {
            "clickup" => id.trim_start_matches("clickup:"),
            _ => "1",
        };
        assert_eq!(
            current,
            json!({
                "task_id": id,
                "source": at.source,
                "source_id": source_id,
                "title": at.first,
                "status": "todo",
                "source_status": at.open,
                "url": at.url(ivan, at.first),
                "assignees": [],
                "labels": [label],
                "milestone": null,
                "type": null,
                "children": null,
                "due": null,
                "due_day": null,
                "priority": null,
                "entity": entity,
                "score": 1101,
                "reasons": [
                    { "reason": "client", "points": 1000 },
                    { "reason": "active today", "points": 1 },
                    { "reason": "due later or never", "points": 100 },
                ],
            })
        );
    })
    .await;
}

#[tokio::test]
async fn without_a_task_the_current_one_is_all_null() {
    ivan_test(Setup::new(), async |ivan| {
        let (status, current) = ivan.http("GET", "/current", None).await;
        assert_eq!(status, 200);
        let members = current.as_object().unwrap();
        for member in ["task_id", "title", "url", "source", "status", "score"] {
            assert_eq!(members.get(member), Some(&Value::Null), "{member}");
        }
        assert!(members.values().all(Value::is_null), "{current}");
    })
    .await;
}

#[tokio::test]
async fn next_moves_on_round_the_queue_and_asks_nothing_of_a_source() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.http("GET", "/current", None).await;
        let expected = |title| {
            json!({
                "success": true,
                "message": "Moved on",
                "completed_task_id": null,
                "conflict": false,
                "current_state": null,
                "operation_id": null,
                "task_id": null,
                "next_task": CLICKUP.next(ivan, title),
            })
        };
        for title in [CLICKUP.second, CLICKUP.first] {
            let moved = ivan.http("POST", "/next", None).await;
            assert_eq!(moved, (200, expected(title)));
            let (_, current) = ivan.http("GET", "/current", None).await;
            assert_eq!(current["title"], title);
        }
        assert_eq!(CLICKUP.writes(ivan), 0);
    })
    .await;
}

// ---------------------------------------------------------------- done

#[rstest]
#[case(CLICKUP, "Task completed in ClickUp: Renew cert")]
#[case(GITHUB, "Issue closed in GitHub: Login fails")]
#[tokio::test]
async fn done_completes_what_is_current(#[case] at: At, #[case] message: &str) {
    ivan_test((at.setup)(), async |ivan| {
        ivan.http("GET", "/current", None).await;
        let (status, mut answer) = ivan.http("POST", "/done", None).await;
        assert_eq!(status, 200, "{answer}");
        let operation = take(&mut answer, "operation_id");
        let id = at.id(ivan, at.first);
        assert_eq!(
            answer,
            json!({
                "success": true,
                "message": message,
                "completed_task_id": id,
                "conflict": false,
                "current_state": at.complete,
                "task_id": id,
                "next_task": at.next(ivan, at.second),
            })
        );
        at.is(ivan, at.first, at.complete);
        at.is(ivan, at.second, at.open);
        let (_, operation) = ivan
            .http("GET", &format!("/operations/{operation}"), None)
            .await;
        assert_eq!(operation["state"], "applied");
        assert_eq!(operation["kind"], "complete");
        assert_eq!(operation["answer"]["message"], message);
    })
    .await;
}

#[tokio::test]
async fn done_goes_through_the_queue_until_nothing_is_left() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.http("GET", "/current", None).await;
        ivan.http("POST", "/done", None).await;
        let (status, answer) = ivan.http("POST", "/done", None).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(
            answer["completed_task_id"],
            CLICKUP.id(ivan, CLICKUP.second)
        );
        assert_eq!(answer["next_task"], Value::Null);
        let (status, problem) = ivan.http("POST", "/done", None).await;
        assert_eq!(status, 404, "{problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.starts_with("No current task"), "{detail}");
        assert_eq!(CLICKUP.writes(ivan), 2);
    })
    .await;
}

/// Design 4: a task that was not shown is not completed. The answer shows it, and the next request can complete it.
#[rstest]
#[case("/done", json!({}))]
#[case("/comment", json!({ "text": "looking at it" }))]
#[tokio::test]
async fn nothing_happens_to_a_task_that_was_never_shown(#[case] path: &str, #[case] body: Value) {
    ivan_test(two_tasks(), async |ivan| {
        let (status, problem) = ivan.http("POST", path, Some(body.clone())).await;
        assert_eq!(status, 404, "{problem}");
        assert_eq!(problem["type"], "urn:ivan:problem:unknown-task");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.starts_with("No current task"), "{detail}");
        assert!(detail.contains("Renew cert"), "{detail}");
        assert_eq!(CLICKUP.writes(ivan), 0);
        let (status, answer) = ivan.http("POST", path, Some(body)).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer["task_id"], CLICKUP.id(ivan, CLICKUP.first));
    })
    .await;
}

#[rstest]
#[case(CLICKUP)]
#[case(GITHUB)]
#[tokio::test]
async fn a_task_is_completed_by_its_id_with_a_comment(#[case] at: At) {
    ivan_test((at.setup)(), async |ivan| {
        let path = format!("{}/complete", at.path(ivan, at.second));
        let body = json!({ "comment": "Done & dusted <ok>\nsee *you*" });
        let (status, answer) = ivan.http("POST", &path, Some(body)).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer["completed_task_id"], at.id(ivan, at.second));
        assert_eq!(answer["success"], true);
        assert_eq!(answer["next_task"]["title"], at.first);
        at.is(ivan, at.second, at.complete);
        at.is(ivan, at.first, at.open);
        assert_eq!(
            at.comments(ivan, at.second),
            ["Done & dusted <ok>\nsee *you*"]
        );
    })
    .await;
}

#[rstest]
#[case(CLICKUP, "Note: Renew cert was already complete in ClickUp")]
#[case(GITHUB, "Note: Login fails was already closed in GitHub, by bo on ")]
#[tokio::test]
async fn a_task_that_somebody_else_completed_is_a_conflict_and_a_success(
    #[case] at: At,
    #[case] message: &str,
) {
    ivan_test((at.setup)(), async |ivan| {
        ivan.http("GET", "/current", None).await;
        at.bo_completes(ivan, at.first);
        let (status, mut answer) = ivan.http("POST", "/done", None).await;
        assert_eq!(status, 200, "{answer}");
        let said = take(&mut answer, "message");
        assert!(said.starts_with(message), "{said}");
        assert!(said.ends_with("(completed externally)"), "{said}");
        take(&mut answer, "operation_id");
        let id = at.id(ivan, at.first);
        assert_eq!(
            answer,
            json!({
                "success": true,
                "completed_task_id": id,
                "conflict": true,
                "current_state": at.complete,
                "task_id": id,
                "next_task": at.next(ivan, at.second),
            })
        );
        assert_eq!(at.writes(ivan), 0, "what is so already is not written");
    })
    .await;
}

// ---------------------------------------------------------------- comment and create

#[rstest]
#[case(CLICKUP, "Comment added in ClickUp: Renew cert")]
#[case(GITHUB, "Comment added in GitHub: Login fails")]
#[tokio::test]
async fn a_comment_is_added_by_id_and_to_what_is_current(#[case] at: At, #[case] message: &str) {
    ivan_test((at.setup)(), async |ivan| {
        let by_id = format!("{}/comment", at.path(ivan, at.first));
        let text = "tried `a < b`,\nthen it worked";
        let (status, mut answer) = ivan
            .http("POST", &by_id, Some(json!({ "text": text })))
            .await;
        assert_eq!(status, 200, "{answer}");
        take(&mut answer, "operation_id");
        assert_eq!(
            answer,
            json!({
                "success": true,
                "message": message,
                "completed_task_id": null,
                "conflict": false,
                "current_state": at.open,
                "task_id": at.id(ivan, at.first),
                "next_task": null,
            })
        );
        ivan.http("GET", "/current", None).await;
        let (status, answer) = ivan
            .http("POST", "/comment", Some(json!({ "text": "and again" })))
            .await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(at.comments(ivan, at.first), [text, "and again"]);
        at.is(ivan, at.first, at.open);
    })
    .await;
}

#[tokio::test]
async fn a_task_is_created_in_clickup_with_its_client_as_a_tag() {
    ivan_test(Setup::new(), async |ivan| {
        let body = json!({ "title": "Buy milk", "description": "two litres", "entity_id": "acme" });
        let (status, mut answer) = ivan.http("POST", "/tasks", Some(body)).await;
        assert_eq!(status, 200, "{answer}");
        take(&mut answer, "operation_id");
        let task = ivan.clickup().task("Buy milk");
        assert_eq!(
            answer,
            json!({
                "success": true,
                "message": "Task created in ClickUp: Buy milk",
                "completed_task_id": null,
                "conflict": false,
                "current_state": "to do",
                "task_id": format!("clickup:{}", task.id()),
                "url": task.json()["url"],
                "next_task": null,
            })
        );
        assert_eq!(task.tags(), ["client:acme"]);
        let description = task.json()["description"].clone();
        assert_eq!(description.as_str().map(str::trim_end), Some("two litres"));
        // The id from the answer works at once.
        let (status, known) = ivan
            .http("GET", &format!("/tasks/clickup:{}", task.id()), None)
            .await;
        assert_eq!((status, &known["entity"]), (200, &json!("acme")));
    })
    .await;
}

#[tokio::test]
async fn an_issue_is_created_in_github_with_its_client_in_the_title() {
    ivan_test(Setup::new(), async |ivan| {
        let body = json!({
            "title": "Fix login", "source": "github", "entity_id": "acme", "description": "since Monday",
        });
        let (status, mut answer) = ivan.http("POST", "/tasks", Some(body)).await;
        assert_eq!(status, 200, "{answer}");
        take(&mut answer, "operation_id");
        let issue = ivan.github().issue(REPO, 1).json();
        assert_eq!(
            answer,
            json!({
                "success": true,
                "message": "Issue created in GitHub: [CLIENT:acme] Fix login (acme/widgets#1)",
                "completed_task_id": null,
                "conflict": false,
                "current_state": "open",
                "task_id": "github:acme/widgets#1",
                "url": issue["html_url"],
                "next_task": null,
            })
        );
        assert_eq!(issue["title"], "[CLIENT:acme] Fix login");
        assert!(issue["body"].as_str().unwrap().starts_with("since Monday"));
    })
    .await;
}

// ---------------------------------------------------------------- a source that is down

#[rstest]
#[case(CLICKUP)]
#[case(GITHUB)]
#[tokio::test]
async fn what_a_source_that_is_down_does_not_take_is_queued_and_then_done(#[case] at: At) {
    ivan_test((at.setup)(), async |ivan| {
        ivan.http("GET", "/current", None).await;
        at.front(ivan).down();
        let (status, mut answer) = ivan.http("POST", "/done?wait=0", None).await;
        assert_eq!(status, 202, "{answer}");
        let operation = take(&mut answer, "operation_id");
        let said = take(&mut answer, "message");
        assert!(said.starts_with("Completion of "), "{said}");
        // An answer over HTTP cannot be updated later, so it must not promise an update here.
        assert!(!said.contains("here"), "{said}");
        let id = at.id(ivan, at.first);
        assert_eq!(
            answer,
            json!({
                "success": false,
                "queued": true,
                "completed_task_id": null,
                "conflict": false,
                "current_state": null,
                "task_id": id,
                "next_task": at.next(ivan, at.second),
            })
        );
        let path = format!("/operations/{operation}");
        let (status, mut pending) = ivan.http("GET", &path, None).await;
        assert_eq!(status, 200, "{pending}");
        take(&mut pending, "created_at");
        assert_eq!(pending["operation_id"], operation);
        assert_eq!(pending["kind"], "complete");
        assert_eq!(pending["source"], at.source);
        assert_eq!(pending["task_id"], id);
        assert_eq!(pending["state"], "pending");
        assert_eq!(pending["answer"]["queued"], true);
        at.is(ivan, at.first, at.open);

        at.front(ivan).up();
        let applied = ended(ivan, &operation).await;
        assert_eq!(applied["state"], "applied", "{applied}");
        assert_eq!(applied["next_attempt_at"], Value::Null);
        assert_eq!(applied["answer"]["success"], true);
        assert_eq!(applied["answer"]["completed_task_id"], id);
        assert!(applied["answer"].get("queued").is_none(), "{applied}");
        at.is(ivan, at.first, at.complete);
    })
    .await;
}

/// The client chooses the wait, and it ends as soon as there is an outcome.
#[tokio::test]
async fn a_write_that_comes_through_while_it_is_waited_for_is_answered_with_its_outcome() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.http("GET", "/current", None).await;
        ivan.clickup().front().fault(
            Fault::new(FaultKind::answer(503, ""))
                .on("GET", "/task/")
                .times(2),
        );
        let (status, answer) = ivan.http("POST", "/done?wait=20", None).await;
        assert_eq!(
            (status, &answer["success"]),
            (200, &json!(true)),
            "{answer}"
        );
        ivan.clickup().task("Renew cert").is("complete");
    })
    .await;
}

// ---------------------------------------------------------------- refusals

#[derive(Clone, Copy)]
enum Obstacle {
    Locked,
    Archived,
    InvisibleRepo,
    InvisibleTask,
}

#[rstest]
#[case::locked(GITHUB, Obstacle::Locked, "locked")]
#[case::archived(GITHUB, Obstacle::Archived, "archived")]
#[case::invisible_repo(GITHUB, Obstacle::InvisibleRepo, "acme/widgets")]
#[case::invisible_task(CLICKUP, Obstacle::InvisibleTask, "ClickUp")]
#[tokio::test]
async fn what_the_source_refuses_is_a_502_with_its_reason(
    #[case] at: At,
    #[case] obstacle: Obstacle,
    #[case] reason: &str,
) {
    ivan_test((at.setup)(), async |ivan| {
        match obstacle {
            Obstacle::Locked => ivan.github().lock_issue(REPO, 1, true),
            Obstacle::Archived => ivan.github().archive_repo(REPO, true),
            Obstacle::InvisibleRepo => ivan.github().hide_repo(REPO, true),
            Obstacle::InvisibleTask => ivan.clickup().hide_task(at.first, true),
        }
        let path = format!("{}/comment", at.path(ivan, at.first));
        let body = json!({ "text": "anybody here?" });
        let (status, mut problem) = ivan.http("POST", &path, Some(body)).await;
        assert_eq!(status, 502, "{problem}");
        let operation = take(&mut problem, "operation_id");
        let detail = take(&mut problem, "detail");
        assert!(detail.starts_with("Comment not added: "), "{detail}");
        assert!(
            detail.to_lowercase().contains(&reason.to_lowercase()),
            "{detail}"
        );
        assert_eq!(
            problem,
            json!({
                "type": "urn:ivan:problem:source-refused",
                "title": "Refused by the source",
                "status": 502,
                "success": false,
                "task_id": at.id(ivan, at.first),
                "current_state": null,
            })
        );
        assert_eq!(at.comments(ivan, at.first), Vec::<String>::new());
        assert_eq!(ended(ivan, &operation).await["state"], "refused");
    })
    .await;
}

#[rstest]
#[case(CLICKUP)]
#[case(GITHUB)]
#[tokio::test]
async fn a_task_that_is_gone_from_its_source_is_a_404_that_says_so(#[case] at: At) {
    ivan_test((at.setup)(), async |ivan| {
        let path = at.path(ivan, at.first);
        match at.source {
            "clickup" => ivan.clickup().delete_task(at.first),
            _ => ivan.github().delete_issue(REPO, 1),
        }
        let (status, problem) = ivan.http("POST", &format!("{path}/complete"), None).await;
        assert_eq!(status, 404, "{problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("deleted"), "{detail}");
        // From then on the task is known.
        let (status, problem) = ivan.http("GET", &path, None).await;
        assert_eq!(status, 404, "{problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("deleted"), "{detail}");
        let (_, tasks) = ivan.http("GET", "/tasks?status=all", None).await;
        assert_eq!(titles(&tasks), [at.second]);
    })
    .await;
}

#[rstest]
#[case::of_no_source("nonsense")]
#[case::of_another_source("jira:1")]
#[case::without_number("github:acme%2Fwidgets")]
#[case::no_number("github:acme%2Fwidgets%23seven")]
#[case::zero("github:acme%2Fwidgets%230")]
#[case::empty("clickup:")]
#[case::climbing("clickup:..%2F..%2Fteam")]
#[case::query("clickup:86a%3Fteam=1")]
#[case::not_utf8("clickup:%FF")]
#[case::with_a_space("clickup:86%2086")]
#[case::long("github:acme%2Fwidgets%23999999999999999999999999")]
#[tokio::test]
async fn a_malformed_task_id_is_a_400_everywhere(#[case] id: &str) {
    ivan_test(Setup::new(), async |ivan| {
        let (get, _) = ivan.http("GET", &format!("/tasks/{id}"), None).await;
        let (complete, _) = ivan
            .http("POST", &format!("/tasks/{id}/complete"), None)
            .await;
        let text = Some(json!({ "text": "hello" }));
        let (comment, problem) = ivan
            .http("POST", &format!("/tasks/{id}/comment"), text)
            .await;
        assert_eq!((get, complete, comment), (400, 400, 400), "{problem}");
        assert_eq!(problem["type"], "urn:ivan:problem:malformed-task-id");
        assert!(problem["detail"].as_str().unwrap().len() > 20, "{problem}");
    })
    .await;
}

#[tokio::test]
async fn an_issue_can_be_named_in_several_ways() {
    ivan_test(two_issues(), async |ivan| {
        for id in [
            "github:acme%2Fwidgets%231",
            "github%3Aacme%2fwidgets%231",
            "github:ACME%2FWidgets%231",
            "github:1",
        ] {
            let (status, task) = ivan.http("GET", &format!("/tasks/{id}"), None).await;
            assert_eq!(status, 200, "{id}: {task}");
            assert_eq!(task["task_id"], "github:acme/widgets#1", "{id}");
        }
    })
    .await;
}

/// A task that its source does not return is "not found". A place that is not followed is not asked.
#[rstest]
#[case::clickup("clickup:86nosuch", "task 86nosuch")]
#[case::github("github:acme%2Fwidgets%2399", "issue acme/widgets#99")]
#[case::repo_that_is_not_followed("github:torvalds%2Flinux%231", "torvalds/linux")]
#[tokio::test]
async fn an_unknown_task_is_not_found(#[case] id: &str, #[case] named: &str) {
    ivan_test(two_tasks(), async |ivan| {
        let (status, problem) = ivan.http("GET", &format!("/tasks/{id}"), None).await;
        assert_eq!(status, 404, "{problem}");
        for (write, body) in [
            ("complete", None),
            ("comment", Some(json!({"text": "shipped"}))),
            ("reopen", None),
            ("start", None),
        ] {
            let path = format!("/tasks/{id}/{write}");
            let (status, problem) = ivan.http("POST", &path, body).await;
            assert_eq!(
                (status, &problem["status"]),
                (404, &json!(404)),
                "{problem}"
            );
            assert_eq!(
                problem["type"], "urn:ivan:problem:unknown-task",
                "{problem}"
            );
            let detail = problem["detail"].as_str().unwrap();
            assert!(detail.contains(named), "{detail}");
        }
        assert_eq!(CLICKUP.writes(ivan) + GITHUB.writes(ivan), 0);
    })
    .await;
}

/// Design 4: a well-formed id in a configured place that is not mirrored yet is read from its source, then acted on.
#[rstest]
#[case(CLICKUP)]
#[case(GITHUB)]
#[tokio::test]
async fn a_task_that_is_not_mirrored_yet_is_read_and_acted_on(#[case] at: At) {
    ivan_test((at.setup)(), async |ivan| {
        let id = match at.source {
            "clickup" => format!(
                "clickup:{}",
                ivan.clickup().add_task(json!({ "name": "New" }))
            ),
            _ => {
                let number = ivan.github().add_issue(REPO, json!({ "title": "New" }));
                format!("github:acme%2Fwidgets%23{number}")
            }
        };
        let (status, answer) = ivan
            .http("POST", &format!("/tasks/{id}/complete"), None)
            .await;
        assert_eq!(status, 200, "{answer}");
        assert!(
            answer["message"].as_str().unwrap().ends_with(": New"),
            "{answer}"
        );
        let (status, task) = ivan.http("GET", &format!("/tasks/{id}"), None).await;
        assert_eq!((status, &task["status"]), (200, &json!("done")));
    })
    .await;
}

// ---------------------------------------------------------------- bodies, tokens, paths

#[rstest]
#[case::not_json("/tasks", "application/json", "title=Buy milk", 422)]
#[case::half("/tasks", "application/json", r#"{"title": "Buy"#, 422)]
#[case::an_array("/tasks", "application/json", "[]", 422)]
#[case::empty("/tasks", "application/json", "", 422)]
#[case::of_another_type("/tasks", "text/plain", r#"{"title": "Buy milk"}"#, 415)]
#[case::without_a_type("/tasks", "", r#"{"title": "Buy milk"}"#, 415)]
#[case::a_number("/tasks", "application/json", r#"{"title": 7}"#, 422)]
#[case::misspelt(
    "/tasks",
    "application/json",
    r#"{"title": "Buy", "entity": "acme"}"#,
    422
)]
#[case::blank("/tasks", "application/json", r#"{"title": " \u00a0 "}"#, 422)]
#[case::two_lines("/tasks", "application/json", r#"{"title": "a\nb"}"#, 422)]
#[case::no_source(
    "/tasks",
    "application/json",
    r#"{"title": "a", "source": "jira"}"#,
    422
)]
#[case::no_text("/tasks/clickup:86a/comment", "application/json", "{}", 422)]
#[case::blank_text(
    "/tasks/clickup:86a/comment",
    "application/json",
    r#"{"text": " \n"}"#,
    422
)]
#[case::no_ref("/done", "application/json", r#"{"ref": "somewhere"}"#, 422)]
#[case::unwanted("/next", "application/json", r#"{"to": 2}"#, 422)]
#[case::not_utf8_query("/done?wait=soon", "application/json", "{}", 400)]
#[tokio::test]
async fn a_bad_body_changes_nothing_and_is_explained(
    #[case] path: &str,
    #[case] content_type: &str,
    #[case] body: &'static str,
    #[case] expected: u16,
) {
    ivan_test(two_tasks(), async |ivan| {
        let mut request = client()
            .post(format!("{}{path}", ivan.api_url()))
            .bearer_auth(TOKEN)
            .body(body);
        if !content_type.is_empty() {
            request = request.header("content-type", content_type);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status().as_u16(), expected);
        assert_eq!(
            response.headers()["content-type"],
            "application/problem+json"
        );
        let problem: Value = response.json().await.unwrap();
        assert_eq!(problem["status"], expected);
        assert!(problem["detail"].as_str().unwrap().len() > 10, "{problem}");
        assert_eq!(CLICKUP.writes(ivan), 0);
        assert_eq!(ivan.clickup().tasks().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_title_over_githubs_limit_is_refused_before_it_is_sent() {
    ivan_test(two_issues(), async |ivan| {
        let title = "ä".repeat(257);
        let body = json!({ "title": title, "source": "github" });
        let (status, problem) = ivan.http("POST", "/tasks", Some(body)).await;
        assert_eq!(status, 422, "{problem}");
        assert!(
            problem["detail"].as_str().unwrap().contains("256"),
            "{problem}"
        );
        assert_eq!(GITHUB.writes(ivan), 0);
        let body = json!({ "title": "ä".repeat(256), "source": "github" });
        let (status, answer) = ivan.http("POST", "/tasks", Some(body)).await;
        assert_eq!(status, 200, "{answer}");
    })
    .await;
}

#[rstest]
#[case::none(None)]
#[case::wrong(Some("Bearer another-token-of-the-tests"))]
#[case::empty(Some("Bearer "))]
#[case::a_prefix(Some("Bearer a-token-of-the-test"))]
#[case::another_scheme(Some("Basic a-token-of-the-tests"))]
#[tokio::test]
async fn without_the_token_there_is_no_api(#[case] authorization: Option<&str>) {
    ivan_test(two_tasks(), async |ivan| {
        for (method, path) in [
            ("GET", "/current"),
            ("POST", "/done"),
            ("POST", "/next"),
            ("POST", "/tasks/clickup:86a/complete"),
            ("POST", "/sync"),
            ("GET", "/openapi.json"),
            ("GET", "/status"),
            ("POST", "/ops"),
            ("GET", "/no-such-path"),
        ] {
            let method: reqwest::Method = method.parse().unwrap();
            let mut request = client().request(method, format!("{}{path}", ivan.api_url()));
            if let Some(authorization) = authorization {
                request = request.header("authorization", authorization);
            }
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), 401, "{path}");
            assert_eq!(response.headers()["www-authenticate"], "Bearer");
            assert_eq!(
                response.headers()["content-type"],
                "application/problem+json"
            );
        }
        assert_eq!(CLICKUP.writes(ivan), 0);
    })
    .await;
}

#[tokio::test]
async fn whoever_has_no_token_learns_that_it_lives_and_whether_it_is_ready() {
    ivan_test(two_tasks(), async |ivan| {
        let ask = async |path: &str| {
            let response = client()
                .get(format!("{}{path}", ivan.api_url()))
                .send()
                .await
                .unwrap();
            (
                response.status().as_u16(),
                response.json::<Value>().await.unwrap(),
            )
        };
        assert_eq!(ask("/healthz").await, (200, json!({ "status": "ok" })));
        assert_eq!(
            ask("/readyz").await,
            (
                200,
                json!({
                    "ready": true,
                    "store": "writable",
                    "slack": "connected",
                    "leader": null,
                    "sources": {
                        "clickup": { "synced": true, "ok": true },
                        "github": { "synced": true, "ok": true },
                    },
                })
            )
        );
    })
    .await;
}

/// Design 5: readiness reports the sources, and does not depend on them.
#[tokio::test]
async fn a_source_that_is_down_does_not_make_it_unready() {
    let mut ivan = two_issues()
        .without_waiting_for_the_first_read()
        .start()
        .await;
    ivan.clickup().front().down();
    ivan.start().await;
    ivan.logs("poll … source=clickup").await;
    ivan.logs("poll … source=github").await;
    let (status, ready) = ivan.http("GET", "/readyz", None).await;
    assert_eq!(status, 200, "{ready}");
    assert_eq!(
        ready["sources"]["clickup"],
        json!({ "synced": false, "ok": false })
    );
    assert_eq!(
        ready["sources"]["github"],
        json!({ "synced": true, "ok": true })
    );
    let (status, current) = ivan.http("GET", "/current", None).await;
    assert_eq!((status, &current["title"]), (200, &json!("Login fails")));
    ivan.finish().await;
}

#[tokio::test]
async fn without_its_link_to_slack_it_is_not_ready() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.slack().front().down();
        let unready = async {
            let mut asked = 0;
            loop {
                let (status, ready) = ivan.http("GET", "/readyz", None).await;
                if status == 503 {
                    return ready;
                }
                asked += 1;
                // The daemon notices its closed socket only when the kernel reports it.
                assert!(asked < 3000, "{ready}");
                tokio::task::yield_now().await;
            }
        };
        let problem = ivan.within("it is not ready", unready).await;
        assert_eq!(problem["ready"], false);
        // Either already reconnecting, or after a first attempt that failed.
        let slack = problem["slack"].as_str();
        assert!(matches!(slack, Some("connecting" | "trouble")), "{problem}");
        assert_eq!(problem["type"], "urn:ivan:problem:not-ready");
        ivan.slack().front().up();
        ivan.within(
            "the socket is up again",
            ivan.slack().until(|slack| slack.links() > 0),
        )
        .await;
    })
    .await;
}

#[tokio::test]
async fn what_is_no_route_is_a_problem_document() {
    ivan_test(Setup::new(), async |ivan| {
        let (status, problem) = ivan.http("GET", "/nothing/here", None).await;
        assert_eq!((status, &problem["status"]), (404, &json!(404)));
        assert_eq!(problem["type"], "urn:ivan:problem:no-such-path");
        let (status, problem) = ivan.http("DELETE", "/tasks", None).await;
        assert_eq!((status, &problem["status"]), (405, &json!(405)));
        // An id that is not encoded is another path; the answer explains the encoding.
        let (status, problem) = ivan
            .http("GET", "/tasks/github:acme/widgets%231", None)
            .await;
        assert_eq!(status, 404);
        assert!(
            problem["detail"].as_str().unwrap().contains("%2F"),
            "{problem}"
        );
        let (status, problem) = ivan.http("GET", "/operations/none", None).await;
        assert_eq!(status, 404);
        assert_eq!(problem["type"], "urn:ivan:problem:unknown-operation");
    })
    .await;
}

// ---------------------------------------------------------------- idempotency

#[rstest]
#[case(CLICKUP)]
#[case(GITHUB)]
#[tokio::test]
async fn a_repeated_request_is_the_same_operation_with_one_effect(#[case] at: At) {
    ivan_test((at.setup)(), async |ivan| {
        let path = format!("{}/comment", at.path(ivan, at.first));
        let key = [("idempotency-key", "7d1f")];
        let body = Some(json!({ "text": "once" }));
        let first = ivan.http_with("POST", &path, body.clone(), &key).await;
        assert_eq!(first.0, 200, "{first:?}");
        // The wait is not part of the request.
        let again = format!("{path}?wait=3");
        for path in [&path, &again] {
            let repeated = ivan.http_with("POST", path, body.clone(), &key).await;
            assert_eq!(repeated, first);
        }
        assert_eq!(at.comments(ivan, at.first), ["once"]);
        let other = Some(json!({ "text": "twice" }));
        let (status, problem) = ivan.http_with("POST", &path, other.clone(), &key).await;
        assert_eq!(status, 422, "{problem}");
        assert_eq!(problem["type"], "urn:ivan:problem:key-reused");
        assert_eq!(at.comments(ivan, at.first), ["once"]);
        // Another key is another request.
        let (status, _) = ivan
            .http_with("POST", &path, body, &[("idempotency-key", "7d20")])
            .await;
        assert_eq!(status, 200);
        assert_eq!(at.comments(ivan, at.first), ["once", "once"]);
    })
    .await;
}

#[tokio::test]
async fn requests_that_race_under_one_key_create_one_task() {
    ivan_test(Setup::new(), async |ivan| {
        let body = || Some(json!({ "title": "Buy milk" }));
        let key = [("idempotency-key", "race")];
        let requests = (0..8).map(|_| ivan.http_with("POST", "/tasks", body(), &key));
        let answers = futures_util::future::join_all(requests).await;
        let ids: BTreeSet<String> = answers
            .iter()
            .map(|(status, answer)| {
                assert_eq!(*status, 200, "{answer}");
                answer["task_id"].as_str().unwrap().to_owned()
            })
            .collect();
        assert_eq!(ids.len(), 1, "{ids:?}");
        assert_eq!(ivan.clickup().tasks_named("Buy milk").len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_request_that_is_repeated_after_a_crash_is_the_same_operation() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.http("GET", "/current", None).await;
        let key = [("idempotency-key", "crash")];
        ivan.clickup().front().down();
        let (status, queued) = ivan.http_with("POST", "/done?wait=0", None, &key).await;
        assert_eq!(status, 202, "{queued}");
        ivan.kill().await;
        ivan.clickup().front().up();
        ivan.start().await;
        let (status, answer) = ivan.http_with("POST", "/done", None, &key).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer["operation_id"], queued["operation_id"]);
        assert_eq!(answer["completed_task_id"], CLICKUP.id(ivan, CLICKUP.first));
        ivan.clickup().task("Renew cert").is("complete");
        ivan.clickup().task("Write the runbook").is("to do");
    })
    .await;
}

#[tokio::test]
async fn a_repeated_next_skips_once() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.http("GET", "/current", None).await;
        let key = [("idempotency-key", "skip")];
        let first = ivan.http_with("POST", "/next", None, &key).await;
        assert_eq!(first.1["next_task"]["title"], "Write the runbook");
        let repeated = ivan.http_with("POST", "/next", None, &key).await;
        assert_eq!(repeated, first);
        let (_, current) = ivan.http("GET", "/current", None).await;
        assert_eq!(current["title"], "Write the runbook");
    })
    .await;
}

/// The first request found no shown task, was rejected, and showed the current one. A client that missed that answer
/// repeats it: the task must not be completed, because its person has not read it.
#[tokio::test]
async fn a_repeated_request_that_was_turned_down_is_turned_down_again() {
    ivan_test(two_tasks(), async |ivan| {
        let key = [("idempotency-key", "lost")];
        let first = ivan.http_with("POST", "/done", None, &key).await;
        assert_eq!(first.0, 404, "{first:?}");
        let repeated = ivan.http_with("POST", "/done", None, &key).await;
        assert_eq!(repeated, first);
        ivan.clickup().task("Renew cert").is("to do");
        // Another key means that the client has read the answer.
        let (status, answer) = ivan.http("POST", "/done", None).await;
        assert_eq!(status, 200, "{answer}");
    })
    .await;
}

// ---------------------------------------------------------------- people

/// One task for Ana in each source, one for Bo in ClickUp.
fn two_peoples_tasks() -> Setup {
    Setup::new()
        .clickup_tasks([
            json!({"name": "Ana's", "assignees": [ANA_CLICKUP]}),
            json!({"name": "Bo's", "assignees": [BO_CLICKUP]}),
        ])
        .people()
}

#[rstest]
#[case::name("Ana", "Ana's")]
#[case::in_any_case("ana", "Ana's")]
#[case::slack_id(ANA, "Ana's")]
#[case::login("bo", "Bo's")]
#[case::slack_id_of_the_other(BO, "Bo's")]
#[tokio::test]
async fn of_several_people_the_one_who_is_named_acts(#[case] actor: &str, #[case] title: &str) {
    ivan_test(two_peoples_tasks(), async |ivan| {
        let named = [("x-ivan-actor", actor)];
        let (status, current) = ivan.http_with("GET", "/current", None, &named).await;
        assert_eq!((status, &current["title"]), (200, &json!(title)));
        let (status, answer) = ivan.http_with("POST", "/done", None, &named).await;
        assert_eq!(status, 200, "{answer}");
        ivan.clickup().task(title).is("complete");
        assert_eq!(CLICKUP.writes(ivan), 1);
    })
    .await;
}

#[tokio::test]
async fn of_several_people_somebody_must_be_named() {
    ivan_test(two_peoples_tasks(), async |ivan| {
        for path in ["/done", "/next"] {
            let (status, problem) = ivan.http("POST", path, None).await;
            assert_eq!(status, 422, "{path}: {problem}");
            assert_eq!(problem["type"], "urn:ivan:problem:no-actor");
        }
        for named in ["Zoe", GUEST] {
            let named = [("x-ivan-actor", named)];
            let (status, problem) = ivan.http_with("POST", "/done", None, &named).await;
            assert_eq!(status, 422, "{problem}");
            assert!(problem["detail"].as_str().unwrap().contains(named[0].1));
        }
        assert_eq!(CLICKUP.writes(ivan), 0);
    })
    .await;
}

#[tokio::test]
async fn the_default_person_acts_where_nobody_is_named() {
    let setup = Setup::new()
        .clickup_tasks([
            json!({"name": "Ana's", "assignees": [ANA_CLICKUP]}),
            json!({"name": "Bo's", "assignees": [BO_CLICKUP]}),
        ])
        .config("api.default_person = \"Bo\"")
        .people();
    ivan_test(setup, async |ivan| {
        let (_, current) = ivan.http("GET", "/current", None).await;
        assert_eq!(current["title"], "Bo's");
        let ana = [("x-ivan-actor", "Ana")];
        let (_, current) = ivan.http_with("GET", "/current", None, &ana).await;
        assert_eq!(current["title"], "Ana's");
    })
    .await;
}

#[tokio::test]
async fn each_person_has_a_key_space_of_their_own() {
    ivan_test(two_peoples_tasks(), async |ivan| {
        let body = || Some(json!({ "title": "Same words" }));
        let ana = [("idempotency-key", "k"), ("x-ivan-actor", "Ana")];
        let bo = [("idempotency-key", "k"), ("x-ivan-actor", "Bo")];
        // Two names of one person count as one actor.
        let slack = [("idempotency-key", "k"), ("x-ivan-actor", ANA)];
        let first = ivan.http_with("POST", "/tasks", body(), &ana).await;
        assert_eq!(
            ivan.http_with("POST", "/tasks", body(), &slack).await,
            first
        );
        let (status, other) = ivan.http_with("POST", "/tasks", body(), &bo).await;
        assert_eq!(status, 200, "{other}");
        assert_ne!(other["operation_id"], first.1["operation_id"]);
        assert_eq!(ivan.clickup().tasks_named("Same words").len(), 2);
    })
    .await;
}

// ---------------------------------------------------------------- listing

fn titles(tasks: &Value) -> Vec<&str> {
    tasks["tasks"]
        .as_array()
        .unwrap_or_else(|| panic!("no tasks in {tasks}"))
        .iter()
        .map(|task| task["title"].as_str().unwrap())
        .collect()
}

fn one_of_each() -> Setup {
    Setup::new()
        .clickup_tasks([
            json!({"name": "c todo"}),
            json!({"name": "c busy", "status": "in review"}),
            json!({"name": "c done", "status": "shipped"}),
        ])
        .github_issues([
            json!({"title": "g todo"}),
            json!({"title": "g busy", "labels": ["in progress"]}),
            json!({"title": "g done", "state": "closed"}),
        ])
}

#[tokio::test]
async fn tasks_are_filtered_by_status_and_source() {
    ivan_test(one_of_each(), async |ivan| {
        // A closed issue that was never open here is not read at the start. It is closed now.
        let (status, answer) = ivan.http("POST", "/tasks/github:3/complete", None).await;
        assert_eq!(status, 200, "{answer}");
        let all = ["c busy", "c done", "c todo", "g busy", "g done", "g todo"];
        let open = ["c busy", "c todo", "g busy", "g todo"];
        for (query, expected) in [
            ("", &open[..]),
            ("?status=open", &open),
            ("?status=all", &all),
            ("?status=todo", &["c todo", "g todo"]),
            ("?status=in_progress", &["c busy", "g busy"]),
            ("?status=done", &["c done", "g done"]),
            ("?source=github", &["g busy", "g todo"]),
            (
                "?source=clickup&status=all",
                &["c busy", "c done", "c todo"],
            ),
            ("?source=github&status=done", &["g done"]),
        ] {
            let (status, tasks) = ivan.http("GET", &format!("/tasks{query}"), None).await;
            assert_eq!(status, 200, "{query}: {tasks}");
            let mut found = titles(&tasks);
            found.sort_unstable();
            assert_eq!(found, expected, "{query}");
            assert_eq!(tasks["next_cursor"], Value::Null, "{query}");
        }
        for query in [
            "?status=closed",
            "?source=jira",
            "?limit=0",
            "?limit=201",
            "?limit=x",
            "?state=open",
        ] {
            let (status, problem) = ivan.http("GET", &format!("/tasks{query}"), None).await;
            assert_eq!(status, 400, "{query}: {problem}");
            assert_eq!(problem["type"], "urn:ivan:problem:bad-query", "{query}");
        }
        let (status, problem) = ivan.http("GET", "/tasks?cursor=nonsense", None).await;
        assert!(matches!(status, 400 | 422), "{problem}");
    })
    .await;
}

#[tokio::test]
async fn pages_have_every_task_once_even_while_tasks_change() {
    let names: Vec<String> = (0..7).map(|n| format!("task {n}")).collect();
    let mut setup = Setup::new();
    for name in &names {
        setup = setup.clickup_tasks([json!({ "name": name })]);
    }
    ivan_test(setup, async |ivan| {
        let mut seen = Vec::new();
        let mut cursor = String::new();
        let mut sizes = Vec::new();
        loop {
            let (status, page) = ivan
                .http("GET", &format!("/tasks?limit=3{cursor}"), None)
                .await;
            assert_eq!(status, 200, "{page}");
            let found = titles(&page);
            sizes.push(found.len());
            seen.extend(found.into_iter().map(str::to_owned));
            // A task of the first page leaves the list meanwhile: the later pages still miss nothing.
            if sizes.len() == 1 {
                let done = seen.first().unwrap().clone();
                let id = ivan.clickup().task(&done).id().to_owned();
                ivan.http("POST", &format!("/tasks/clickup:{id}/complete"), None)
                    .await;
            }
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(sizes, [3, 3, 1]);
        seen.sort_unstable();
        assert_eq!(seen, names);
    })
    .await;
}

#[tokio::test]
async fn the_queue_is_numbered_and_its_numbers_are_refs() {
    ivan_test(two_tasks(), async |ivan| {
        let (status, queue) = ivan.http("GET", "/queue", None).await;
        assert_eq!(status, 200);
        assert_eq!(titles(&queue), ["Renew cert", "Write the runbook"]);
        assert_eq!(queue["tasks"][1]["number"], 2);
        let (status, answer) = ivan
            .http("POST", "/done", Some(json!({ "ref": "2" })))
            .await;
        assert_eq!(status, 200, "{answer}");
        ivan.clickup().task("Write the runbook").is("complete");
        let (status, problem) = ivan
            .http("POST", "/done", Some(json!({ "ref": "3" })))
            .await;
        assert_eq!(status, 404, "{problem}");
    })
    .await;
}

// ---------------------------------------------------------------- sync

#[rstest]
#[case(CLICKUP)]
#[case(GITHUB)]
#[tokio::test]
async fn a_sync_picks_up_what_changed_in_the_source(#[case] at: At) {
    ivan_test((at.setup)(), async |ivan| {
        at.bo_completes(ivan, at.first);
        match at.source {
            "clickup" => drop(ivan.clickup().add_task(json!({ "name": "New" }))),
            _ => drop(ivan.github().add_issue(REPO, json!({ "title": "New" }))),
        }
        let other = if at.source == "clickup" {
            "github"
        } else {
            "clickup"
        };
        let (status, synced) = ivan.http("POST", "/sync", None).await;
        assert_eq!(status, 200, "{synced}");
        assert_eq!(
            synced,
            json!({ "sources": {
                (at.source): { "changed": 2, "error": null },
                (other): { "changed": 0, "error": null },
            } })
        );
        let (_, tasks) = ivan.http("GET", "/tasks", None).await;
        let mut open = titles(&tasks);
        open.sort_unstable();
        assert_eq!(open, ["New", at.second]);
        let (_, synced) = ivan
            .http("POST", "/sync", Some(json!({ "full": true })))
            .await;
        assert_eq!(synced["sources"][at.source]["changed"], 0, "{synced}");
    })
    .await;
}

#[rstest]
#[case(CLICKUP, GITHUB)]
#[case(GITHUB, CLICKUP)]
#[tokio::test]
async fn a_source_that_is_down_says_so_in_a_sync_and_holds_no_other_back(
    #[case] down: At,
    #[case] up: At,
) {
    ivan_test((up.setup)(), async |ivan| {
        up.bo_completes(ivan, up.first);
        down.front(ivan).down();
        let (status, synced) = ivan.http("POST", "/sync", None).await;
        assert_eq!(status, 200, "{synced}");
        assert_eq!(
            synced["sources"][up.source],
            json!({ "changed": 1, "error": null })
        );
        let error = synced["sources"][down.source]["error"].as_str().unwrap();
        assert!(error.to_lowercase().contains(down.source), "{error}");
        let (_, status) = ivan.http("GET", "/status", None).await;
        assert_eq!(status["sources"][down.source]["error"], error);
        assert_eq!(status["sources"][up.source]["error"], Value::Null);
        down.front(ivan).up();
        let (_, synced) = ivan.http("POST", "/sync", None).await;
        assert_eq!(synced["sources"][down.source]["error"], Value::Null);
        let (_, status) = ivan.http("GET", "/status", None).await;
        assert_eq!(status["sources"][down.source]["error"], Value::Null);
    })
    .await;
}

#[tokio::test]
async fn a_sync_that_outlasts_its_wait_goes_on() {
    ivan_test(two_issues(), async |ivan| {
        ivan.github().close_as(REPO, 1, "bo");
        let front = ivan.github().front();
        front.fault(
            Fault::new(FaultKind::Delay(std::time::Duration::from_millis(300)))
                .on("GET", "/issues"),
        );
        let (status, answer) = ivan.http("POST", "/sync?wait=0", None).await;
        assert_eq!(
            (status, answer),
            (202, json!({ "sources": {}, "queued": true }))
        );
        // A second one waits for the first.
        let (status, _) = ivan.http("POST", "/sync", None).await;
        assert_eq!(status, 200);
        let (_, task) = ivan.http("GET", "/tasks/github:1", None).await;
        assert_eq!(task["status"], "done");
    })
    .await;
}

// ---------------------------------------------------------------- the OpenAPI document

/// Answers of every route, successes and errors, match /openapi.json.
#[tokio::test]
async fn answers_are_as_the_api_describes_itself() {
    ivan_test(two_tasks(), async |ivan| {
        let (status, document) = ivan.http("GET", "/openapi.json", None).await;
        assert_eq!(status, 200);
        assert_eq!(document["openapi"], "3.1.0");
        let task = CLICKUP.path(ivan, CLICKUP.first);
        let id = task.trim_start_matches("/tasks/").to_owned();
        let (_, queued) = {
            ivan.clickup().front().down();
            let body = Some(json!({ "text": "later" }));
            let answer = ivan
                .http("POST", &format!("{task}/comment?wait=0"), body)
                .await;
            ivan.clickup().front().up();
            answer
        };
        let operation = queued["operation_id"].as_str().unwrap().to_owned();
        ivan.until_nothing_is_queued().await;
        // As if this operation had ended the process twice before.
        let aside = "INSERT INTO begun_work (kind, item, ends, set_aside_ms, about) VALUES ('operation', ?1, 2, 1, 'x')";
        ivan.store().execute(aside, [&operation]).unwrap();
        let (_, status) = ivan.http("GET", "/status", None).await;
        assert_eq!(status["set_aside"][0]["id"], operation.as_str());
        let status_schema = &document["paths"]["/status"]["get"]["responses"]["200"]["content"];
        let (_, content) = status_schema.as_object().unwrap().iter().next().unwrap();
        fits(&document, &content["schema"], &status, "GET /status");
        let mut told = BTreeSet::new();
        for (method, path, body, expected) in [
            ("GET", "/current", None, 200),
            ("GET", "/queue", None, 200),
            ("GET", "/find?words=a", None, 200),
            ("GET", "/find?words=", None, 400),
            ("GET", "/tasks", None, 200),
            ("GET", "/tasks?limit=x", None, 400),
            ("GET", "/tasks/{task_id}", None, 200),
            (
                "POST",
                "/tasks/{task_id}/comment",
                Some(json!({ "text": "a" })),
                200,
            ),
            ("POST", "/tasks/{task_id}/comment", Some(json!({})), 422),
            ("POST", "/tasks/{task_id}/complete", None, 200),
            ("POST", "/comment", Some(json!({ "text": "b" })), 200),
            ("POST", "/tasks", Some(json!({ "title": "c" })), 200),
            ("POST", "/next", None, 200),
            ("POST", "/done", None, 200),
            ("POST", "/done", Some(json!({ "ref": "9" })), 404),
            ("POST", "/undo", None, 200),
            ("POST", "/confirm", Some(json!({ "id": "01J" })), 422),
            ("POST", "/reopen", Some(json!({ "ref": "1" })), 200),
            ("POST", "/tasks/{task_id}/reopen", None, 200),
            ("POST", "/tasks/{task_id}/start", None, 200),
            ("POST", "/start", None, 200),
            ("POST", "/tasks/{task_id}/pause", None, 200),
            ("POST", "/pause", None, 200),
            (
                "POST",
                "/tasks/{task_id}/due",
                Some(json!({ "due": "tomorrow" })),
                200,
            ),
            ("POST", "/due", Some(json!({ "due": "soon" })), 422),
            (
                "POST",
                "/tasks/{task_id}/priority",
                Some(json!({ "priority": "high" })),
                200,
            ),
            (
                "POST",
                "/priority",
                Some(json!({ "priority": "none" })),
                200,
            ),
            (
                "POST",
                "/tasks/{task_id}/label",
                Some(json!({ "labels": "+no such label" })),
                502,
            ),
            ("POST", "/label", Some(json!({ "labels": "bug" })), 422),
            (
                "POST",
                "/tasks/{task_id}/milestone",
                Some(json!({ "milestone": "2.1" })),
                422,
            ),
            ("POST", "/milestone", Some(json!({ "milestone": " " })), 422),
            (
                "POST",
                "/tasks/{task_id}/type",
                Some(json!({ "type": "no such type" })),
                502,
            ),
            ("POST", "/type", Some(json!({ "type": " " })), 422),
            ("POST", "/attach", Some(json!({ "ref": "1" })), 422),
            ("POST", "/assign", Some(json!({ "person": "bo" })), 422),
            ("POST", "/claim", Some(json!({ "ref": "9" })), 404),
            (
                "POST",
                "/tasks/{task_id}/assign",
                Some(json!({ "person": "bo" })),
                422,
            ),
            ("POST", "/tasks/{task_id}/claim", None, 422),
            ("GET", "/why", None, 200),
            ("GET", "/why?ref=9", None, 404),
            ("GET", "/log", None, 200),
            ("GET", "/log?task=9", None, 404),
            ("GET", "/log?cursor=x", None, 422),
            ("GET", "/stats", None, 200),
            ("GET", "/stats?period=month", None, 200),
            ("GET", "/stats?period=year", None, 400),
            ("GET", "/morning", None, 200),
            ("GET", "/rhythm", None, 200),
            ("POST", "/briefing", Some(json!({ "at": "off" })), 200),
            ("POST", "/briefing", Some(json!({ "at": "soon" })), 422),
            ("POST", "/quiet", Some(json!({ "hours": "off" })), 200),
            ("GET", "/receipts", None, 200),
            ("POST", "/receipts", Some(json!({ "by": "reactions" })), 200),
            ("GET", "/people", None, 200),
            ("GET", "/current?peek=true", None, 200),
            ("GET", "/current?peek=1", None, 400),
            ("GET", "/queue?peek=true", None, 200),
            ("GET", "/whoami", None, 200),
            (
                "POST",
                "/link",
                Some(json!({ "source": "github", "account": "ana" })),
                422,
            ),
            ("POST", "/unlink", Some(json!({ "source": "github" })), 422),
            ("POST", "/snooze", Some(json!({ "until": "2h" })), 200),
            (
                "POST",
                "/tasks/{task_id}/snooze",
                Some(json!({ "until": "tomorrow" })),
                200,
            ),
            (
                "POST",
                "/tasks/{task_id}/snooze",
                Some(json!({ "until": "x" })),
                422,
            ),
            ("GET", "/tasks/{task_id}", None, 200),
            ("GET", "/operations/{operation_id}", None, 200),
            ("POST", "/operations/{operation_id}/retry", None, 200),
            ("POST", "/operations/{operation_id}/retry", None, 404),
            ("POST", "/sync", None, 200),
            ("POST", "/config/reload", None, 200),
            ("GET", "/status", None, 200),
            ("GET", "/healthz", None, 200),
            ("GET", "/readyz", None, 200),
            ("GET", "/openapi.json", None, 200),
            (
                "POST",
                "/login",
                Some(json!({ "hash": format!("sha256:{}", "00".repeat(32)), "name": "notebook" })),
                200,
            ),
            ("POST", "/ops", None, 200),
            ("POST", "/login", Some(json!({ "name": "notebook" })), 422),
            ("GET", "/login", None, 403),
            ("POST", "/logout", None, 403),
        ] {
            let asked = path
                .replace("{task_id}", &id)
                .replace("{operation_id}", &operation);
            let (status, answer) = ivan.http(method, &asked, body).await;
            assert_eq!(status, expected, "{method} {path}: {answer}");
            let path = path.split('?').next().unwrap();
            let described = &document["paths"][path][method.to_lowercase()];
            let response = resolved(&document, &described["responses"][status.to_string()]);
            let content = response["content"].as_object();
            let (_, content) = content
                .and_then(|content| content.iter().next())
                .unwrap_or_else(|| panic!("{method} {path} does not describe {status}"));
            fits(
                &document,
                &content["schema"],
                &answer,
                &format!("{method} {path}"),
            );
            told.insert((method.to_lowercase(), path.to_owned()));
        }
        // Not JSON; other stories read them.
        for path in ["/metrics", "/", "/docs", "/ops/{code}", "/style.css"] {
            told.insert(("get".to_owned(), path.to_owned()));
        }
        let described: BTreeSet<(String, String)> = document["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, item)| {
                let methods = item.as_object().unwrap().keys();
                let methods = methods.filter(|name| *name != "parameters");
                methods.map(move |method| (method.clone(), path.clone()))
            })
            .collect();
        assert_eq!(told, described);
    })
    .await;
}

fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(to) => document
            .pointer(to.trim_start_matches('#'))
            .unwrap_or_else(|| panic!("{to} leads nowhere")),
        None => schema,
    }
}

/// The part of JSON Schema that the document uses. A member that the schema does not describe is an error.
#[track_caller]
fn fits(document: &Value, schema: &Value, value: &Value, place: &str) {
    let mut known = BTreeSet::new();
    describes(document, schema, value, place, &mut known);
}

#[track_caller]
fn describes(
    document: &Value,
    schema: &Value,
    value: &Value,
    place: &str,
    known: &mut BTreeSet<String>,
) {
    let schema = resolved(document, schema);
    describes_some(document, schema, value, place, known);
    let open = schema.get("additionalProperties").is_some()
        || (schema == &json!({ "type": "object" }))
        || known.is_empty();
    if let Some(members) = value.as_object().filter(|_| !open) {
        for name in members.keys() {
            assert!(
                known.contains(name),
                "{place}.{name} is not described: {value}"
            );
        }
    }
}

#[track_caller]
fn describes_some(
    document: &Value,
    schema: &Value,
    value: &Value,
    place: &str,
    known: &mut BTreeSet<String>,
) {
    let schema = resolved(document, schema);
    for part in schema["allOf"].as_array().into_iter().flatten() {
        describes_some(document, part, value, place, known);
    }
    for any in ["anyOf", "oneOf"]
        .map(|kind| schema[kind].as_array())
        .into_iter()
        .flatten()
    {
        let null = any.iter().any(|schema| schema["type"] == "null");
        if !(null && value.is_null()) {
            let other = any.iter().find(|schema| schema["type"] != "null").unwrap();
            describes(document, other, value, place, &mut BTreeSet::new());
        }
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    match &schema["type"] {
        Value::String(only) => assert_eq!(only, kind, "{place}: {value}"),
        Value::Array(several) => assert!(several.contains(&json!(kind)), "{place}: {value}"),
        _ => {}
    }
    if let Some(words) = schema["enum"].as_array() {
        assert!(words.contains(value), "{place}: {value}");
    }
    if let Some(word) = schema.get("const") {
        assert_eq!(word, value, "{place}");
    }
    if schema["format"] == "date-time"
        && let Some(text) = value.as_str()
    {
        assert!(
            chrono::DateTime::parse_from_rfc3339(text).is_ok(),
            "{place}: {text}"
        );
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        let name = name.as_str().unwrap();
        assert!(value.get(name).is_some(), "{place} lacks {name}: {value}");
    }
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        known.insert(name.clone());
        if let Some(member) = value.get(name) {
            fits(document, schema, member, &format!("{place}.{name}"));
        }
    }
    if let Some(items) = schema.get("items") {
        for item in value.as_array().into_iter().flatten() {
            fits(document, items, item, &format!("{place}[]"));
        }
    }
    if let Some(others) = schema.get("additionalProperties").filter(|s| s.is_object()) {
        for (name, member) in value.as_object().into_iter().flatten() {
            fits(document, others, member, &format!("{place}.{name}"));
        }
    }
}

/// Wherever a score is shown, its reasons add up to it.
#[tokio::test]
async fn reasons_add_up_to_the_score() {
    let setup = Setup::new().clickup_tasks([
        json!({"name": "Plain", "updated_days_ago": 9, "created_days_ago": 9}),
        json!({"name": "[CLIENT:acme] Urgent", "priority": 1, "due_in_days": 3}),
        json!({"name": "Late", "due_in_days": -2, "priority": 2}),
    ]);
    ivan_test(setup, async |ivan| {
        let adds_up = |task: &Value| {
            let reasons = task["reasons"].as_array().unwrap();
            let sum: i64 = reasons
                .iter()
                .map(|one| one["points"].as_i64().unwrap())
                .sum();
            assert_eq!(json!(sum), task["score"], "{task}");
            assert!(!reasons.is_empty(), "{task}");
        };
        let (_, queue) = ivan.http("GET", "/queue", None).await;
        let tasks = queue["tasks"].as_array().unwrap();
        assert_eq!((tasks.len(), &queue["total"]), (3, &json!(3)));
        tasks.iter().for_each(adds_up);
        let (_, current) = ivan.http("GET", "/current", None).await;
        adds_up(&current);
        let (_, why) = ivan.http("GET", "/why", None).await;
        adds_up(&why["task"]);
        let (_, morning) = ivan.http("GET", "/morning", None).await;
        morning["top"].as_array().unwrap().iter().for_each(adds_up);
        // The total counts the tasks that match the request.
        let (_, first) = ivan.http("GET", "/queue?limit=1", None).await;
        assert_eq!(
            (first["tasks"].as_array().unwrap().len(), &first["total"]),
            (1, &json!(3))
        );
        let (_, late) = ivan.http("GET", "/queue?filter=overdue", None).await;
        assert_eq!(late["total"], 1, "{late}");
    })
    .await;
}

#[tokio::test]
async fn next_with_one_task_has_no_next_task() {
    let one = Setup::new().clickup_tasks([json!({"name": "Renew cert"})]);
    ivan_test(one, async |ivan| {
        ivan.http("GET", "/current", None).await;
        let key = [("idempotency-key", "skip")];
        let moved = ivan.http_with("POST", "/next", None, &key).await;
        assert_eq!(
            (moved.0, &moved.1["message"], &moved.1["next_task"]),
            (
                200,
                &json!("No other task in your queue. Still: Renew cert"),
                &Value::Null
            )
        );
        let repeated = ivan.http_with("POST", "/next", None, &key).await;
        assert_eq!(repeated, moved);
        let (_, current) = ivan.http("GET", "/current", None).await;
        assert_eq!(current["title"], "Renew cert");
        let told = ivan.cli(&["next"]).await;
        assert_eq!(
            told.out,
            "✓ No other task in your queue. Still: Renew cert\n"
        );
    })
    .await;
}
