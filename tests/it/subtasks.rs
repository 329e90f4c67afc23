//! Sub-issues in GitHub and subtasks in ClickUp: how many are open, and `create TITLE --under REF`.
//!
//! | situation                                   | outcome                                                 |
//! |---------------------------------------------|---------------------------------------------------------|
//! | plain, from every surface                   | created under REF, and counted there                    |
//! | an answer lost, of either request in GitHub | created once, and under REF                             |
//! | killed between or during the two requests   | created once, and under REF                             |
//! | GitHub refuses the second request           | created, and the answer says that it is not under REF   |
//! | parent finished, known or not yet known     | refused, nothing is created                             |
//! | another source, list or repository          | refused, nothing is created                             |
//! | `undo`                                      | closed or deleted, and the parent's count follows       |
//! | put under another, or taken out, in GitHub  | the webhook brings it, in either repository             |

use ivan::sandbox::fault_server::{Fault, FaultKind, FaultServer};
use rstest::rstest;
use serde_json::{Value, json};

use crate::harness::*;

/// The number of a task's parts, over HTTP.
async fn children(ivan: &Ivan, id: &str) -> Value {
    let id = id
        .replace(':', "%3A")
        .replace('/', "%2F")
        .replace('#', "%23");
    let path = format!("/tasks/{id}");
    let (status, task) = ivan.http_with("GET", &path, None, AS_ANA).await;
    assert_eq!(status, 200, "{task}");
    task["children"].clone()
}

const LOGIN: &str = "github:acme/widgets#1";

/// The issues with this title, each with the number of its parent.
fn issues(ivan: &Ivan, title: &str) -> Vec<Option<u64>> {
    let all = ivan.github().issues_titled(REPO, title);
    let number = |issue: &Value| issue["number"].as_u64().unwrap();
    let parent = |issue: &Value| ivan.github().issue(REPO, number(issue)).parent();
    all.iter().map(parent).collect()
}

/// The tasks with this name, each with the id of its parent.
fn tasks(ivan: &Ivan, name: &str) -> Vec<Value> {
    let all = ivan.clickup().tasks_named(name);
    all.iter().map(|task| task["parent"].clone()).collect()
}

fn sent(front: &FaultServer, path: &str) -> usize {
    let seen = front.journal();
    let sent = seen.iter().filter(|seen| seen.method == "POST");
    sent.filter(|seen| seen.path.ends_with(path)).count()
}

#[tokio::test]
async fn a_parent_shows_how_many_of_its_parts_are_open() {
    ivan_test(Setup::new().work_of_ana(), async |ivan| {
        let cert = cert(ivan);
        let id = cert.trim_start_matches("clickup:").to_owned();
        assert_eq!(children(ivan, &cert).await, Value::Null);
        assert_eq!(children(ivan, LOGIN).await, Value::Null);
        for (name, status) in [
            ("Order it", "to do"),
            ("Install it", "to do"),
            ("Ask", "complete"),
        ] {
            let part = json!({"name": name, "parent": id, "status": status});
            ivan.clickup().add_task(part);
        }
        for title in ["Write a test", "Fix it"] {
            let part = json!({"title": title, "assignees": ["bo"]});
            let number = ivan.github().add_issue(REPO, part);
            ivan.github().put_under((REPO, number), Some((REPO, 1)));
        }
        ivan.sync().await;
        assert_eq!(children(ivan, &cert).await, json!({"open": 2, "all": 3}));
        assert_eq!(children(ivan, LOGIN).await, json!({"open": 2, "all": 2}));
        let card = ivan.dm(ANA, "current").await;
        card.mentions("2 of 3 subtasks open");
        ivan.dm(ANA, "why #1")
            .await
            .mentions("GitHub acme/widgets#1 · open · 2 of 2 sub-issues open\n");
        let ran = ivan.cli(&["--as", "Ana", "list"]).await;
        assert!(
            ran.out.contains(" · 2 of 2 sub-issues open\n"),
            "{}",
            ran.out
        );
        // A part is finished elsewhere: its parent is not read for that, and its card follows.
        ivan.clickup()
            .set_status("Order it", "complete", BO_CLICKUP);
        ivan.github().close_as(REPO, 3, "bo");
        ivan.sync().await;
        assert_eq!(children(ivan, &cert).await, json!({"open": 1, "all": 3}));
        assert_eq!(children(ivan, LOGIN).await, json!({"open": 1, "all": 2}));
        card.until(|posted| posted.text.contains("1 of 3 subtasks open"))
            .await;
        // A deleted part counts no more.
        let install = ivan.clickup().task("Install it").id().to_owned();
        ivan.clickup().delete_task(&install);
        ivan.http("POST", "/sync", Some(json!({"full": true})))
            .await;
        ivan.http("POST", "/sync", Some(json!({"full": true})))
            .await;
        assert_eq!(children(ivan, &cert).await, json!({"open": 0, "all": 2}));
    })
    .await;
}

#[tokio::test]
async fn a_task_is_created_under_another_from_every_surface_and_taken_back() {
    ivan_test(Setup::new().work_of_ana(), async |ivan| {
        let cert = cert(ivan);
        let id = json!(cert.trim_start_matches("clickup:"));
        ivan.dm(ANA, "create Write a test --under #1")
            .await
            .begins("✓ Issue created in GitHub: Write a test (acme/widgets#3), under Login fails");
        assert_eq!(issues(ivan, "Write a test"), [Some(1)]);
        assert_eq!(children(ivan, LOGIN).await, json!({"open": 1, "all": 1}));
        ivan.dm(ANA, &format!("create Order it -u {cert} -a nobody"))
            .await
            .begins("✓ Task created in ClickUp: Order it, under Renew cert");
        assert_eq!(tasks(ivan, "Order it"), std::slice::from_ref(&id));
        assert_eq!(children(ivan, &cert).await, json!({"open": 1, "all": 1}));
        ivan.dm(ANA, "undo").await.begins("✓ Undone: ");
        assert_eq!(tasks(ivan, "Order it"), Vec::<Value>::new());
        assert_eq!(children(ivan, &cert).await, Value::Null);
        // By the number of a list.
        ivan.dm(ANA, "list").await.begins("1. Renew cert");
        ivan.dm(ANA, "create Call them --under 1")
            .await
            .begins("✓ Task created in ClickUp: Call them, under Renew cert");
        assert_eq!(tasks(ivan, "Call them"), std::slice::from_ref(&id));
        let ran = ivan
            .cli(&["--as", "Ana", "create", "Fix it", "--under", "#1"])
            .await;
        let said = "✓ Issue created in GitHub: Fix it (acme/widgets#4), under Login fails";
        assert_eq!((ran.exit, ran.err.lines().next()), (0, Some(said)));
        let body = json!({"title": "Install it", "under": cert});
        let (status, answer) = ivan.http_with("POST", "/tasks", Some(body), AS_ANA).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(tasks(ivan, "Install it"), [id]);
        assert_eq!(children(ivan, &cert).await, json!({"open": 2, "all": 2}));
        assert_eq!(children(ivan, LOGIN).await, json!({"open": 2, "all": 2}));
        let body = json!({"title": "Odd", "under": "not a task"});
        let (status, answer) = ivan.http_with("POST", "/tasks", Some(body), AS_ANA).await;
        assert_eq!(status, 422, "{answer}");
    })
    .await;
}

#[tokio::test]
async fn a_parent_that_does_not_fit_is_refused() {
    let setup = Setup::new()
        .config("clickup.lists = [\"901100000002\"]")
        .work_of_ana();
    ivan_test(setup, async |ivan| {
        let cert = cert(ivan);
        ivan.dm(ANA, "done #2").await.begins("✓ Issue closed");
        for (typed, refusal) in [
            (
                "create Odd --under #2".to_owned(),
                "✗ Update the docs is closed in GitHub, so nothing was created under it. `reopen` opens it again.",
            ),
            (
                "create Odd --under #1 -s clickup".to_owned(),
                "✗ Login fails is in the repository acme/widgets in GitHub, and a sub-issue is created where its parent is.",
            ),
            (
                "create Odd --under #1 -r acme/gadgets".to_owned(),
                "✗ Login fails is in the repository acme/widgets in GitHub, and a sub-issue is created where its parent is.",
            ),
            (
                format!("create Odd --under {cert} -l 901100000002"),
                "✗ Renew cert is in the list ",
            ),
            (
                format!("create Odd -r acme/widgets --under {cert}"),
                "✗ Renew cert is in the list ",
            ),
            ("create Odd --under #99".to_owned(), "✗ "),
            (
                "create Odd --under soon".to_owned(),
                "✗ `soon` is not a task. After `--under`, type a number of your list",
            ),
            ("create Odd --under".to_owned(), "✗ "),
        ] {
            ivan.dm(ANA, &typed).await.begins(refusal);
        }
        // It is finished at its source, and Ivan does not know that yet.
        ivan.github().close_as(REPO, 1, "bo");
        ivan.dm(ANA, "create Odd --under #1")
            .await
            .begins("✗ Not created: Odd. Login fails is closed in GitHub. `reopen` opens it again");
        assert_eq!(issues(ivan, "Odd"), Vec::<Option<u64>>::new());
        assert_eq!(tasks(ivan, "Odd"), Vec::<Value>::new());
        assert_eq!(sent(ivan.github().front(), "/issues"), 0);
    })
    .await;
}

#[tokio::test]
async fn a_task_that_a_person_may_not_name_is_no_parent() {
    let setup = Setup::new()
        .config("access.tasks = \"own\"")
        .work_of_ana()
        .github_issues([json!({"title": "Of Bo", "assignees": ["bo"], "user": "bo"})]);
    ivan_test(setup, async |ivan| {
        let refused = ivan.dm(ANA, "create Odd --under #3").await;
        refused.begins("✗ ");
        assert!(!refused.text().contains("Of Bo"), "{}", refused.text());
        ivan.dm(BO, "create Even --under #3")
            .await
            .begins("✓ Issue created in GitHub: Even (acme/widgets#4), under Of Bo");
        assert_eq!(issues(ivan, "Odd"), Vec::<Option<u64>>::new());
    })
    .await;
}

/// The request of which the answer is lost, and whether it was applied.
#[rstest]
#[case::created("/repos/acme/widgets/issues", FaultKind::ApplyThenDrop)]
#[case::never_created("/repos/acme/widgets/issues", FaultKind::Drop)]
#[case::put_under("/sub_issues", FaultKind::ApplyThenDrop)]
#[case::never_put_under("/sub_issues", FaultKind::Drop)]
#[case::limited("/sub_issues", FaultKind::Answer { status: 429, headers: vec![("retry-after".to_owned(), "1".to_owned())], body: "{}".to_owned() })]
#[case::failed("/sub_issues", FaultKind::answer(502, "{}"))]
#[tokio::test]
async fn an_issue_is_created_once_and_put_under_its_parent(
    #[case] path: &str,
    #[case] kind: FaultKind,
) {
    ivan_test(Setup::new().work_of_ana(), async |ivan| {
        let front = ivan.github().front().clone();
        front.fault(Fault::new(kind).on("POST", path));
        ivan.says(ANA, "create Write a test --under #1")
            .settles()
            .await
            .begins("✓ Issue created in GitHub: Write a test (acme/widgets#3), under Login fails");
        assert_eq!(issues(ivan, "Write a test"), [Some(1)]);
        assert_eq!(children(ivan, LOGIN).await, json!({"open": 1, "all": 1}));
    })
    .await;
}

/// The request during which the daemon is killed, and whether it is applied.
#[rstest]
#[case::created("/repos/acme/widgets/issues", FaultKind::ApplyThenHang)]
#[case::never_created("/repos/acme/widgets/issues", FaultKind::Hang)]
#[case::put_under("/sub_issues", FaultKind::ApplyThenHang)]
#[case::never_put_under("/sub_issues", FaultKind::Hang)]
#[tokio::test]
async fn a_kill_at_any_instant_makes_one_sub_issue(#[case] path: &str, #[case] kind: FaultKind) {
    ivan_test(Setup::new().work_of_ana(), async |ivan| {
        let front = ivan.github().front().clone();
        front.fault(Fault::new(kind.clone()).on("POST", path));
        ivan.says(ANA, "create Write a test --under #1");
        match kind {
            FaultKind::Hang => ivan.asks(&front, "POST", path, 1).await,
            _ => ivan.applies(&front, "POST", path, 1).await,
        };
        ivan.kill_and_restart().await;
        ivan.answer(ANA, 0)
            .settles()
            .await
            .begins("✓ Issue created in GitHub: Write a test (acme/widgets#3), under Login fails");
        assert_eq!(issues(ivan, "Write a test"), [Some(1)]);
    })
    .await;
}

#[rstest]
#[case::lost(FaultKind::ApplyThenDrop)]
#[case::never_arrived(FaultKind::Drop)]
#[tokio::test]
async fn a_subtask_is_created_once(#[case] kind: FaultKind) {
    ivan_test(Setup::new().work_of_ana(), async |ivan| {
        let cert = cert(ivan);
        // One of the same name, which is no subtask, is another task.
        ivan.dm(ANA, "create Order it -s clickup")
            .await
            .begins("✓ ");
        let front = ivan.clickup().front().clone();
        front.fault(Fault::new(kind).on("POST", "/list/"));
        ivan.says(ANA, &format!("create Order it --under {cert}"))
            .settles()
            .await
            .begins("✓ Task created in ClickUp: Order it, under Renew cert");
        let mut parents = tasks(ivan, "Order it");
        parents.sort_by_key(Value::is_null);
        let id = json!(cert.trim_start_matches("clickup:"));
        assert_eq!(parents, [id, Value::Null]);
    })
    .await;
}

#[tokio::test]
async fn an_issue_that_github_does_not_put_under_its_parent_stays_and_that_is_said() {
    ivan_test(Setup::new().work_of_ana(), async |ivan| {
        let refusal = json!({"message": "An error occurred while adding the sub-issue to the parent issue."});
        let refused = FaultKind::answer(422, refusal.to_string());
        ivan.github()
            .front()
            .fault(Fault::new(refused).on("POST", "/sub_issues"));
        ivan.dm(ANA, "create Write a test --under #1")
            .await
            .begins(
                "✓ Issue created in GitHub: Write a test (acme/widgets#3). GitHub did not put it under Login fails, so do \
                 that there",
            );
        assert_eq!(issues(ivan, "Write a test"), [None]);
        assert_eq!(children(ivan, LOGIN).await, Value::Null);
        ivan.dm(ANA, "undo").await.begins("✓ Undone: ");
        ivan.github().issue(REPO, 3).is("closed");
    })
    .await;
}

/// Payloads may have the parent and the number of sub-issues, or not.
#[rstest]
#[tokio::test]
async fn webhooks_lose_no_parent(#[values(true, false)] tells_all: bool) {
    ivan_test(Setup::new().webhooks().work_of_ana(), async |ivan| {
        ivan.hook_up();
        ivan.github().payloads_tell_all(tells_all);
        ivan.dm(ANA, "mute").await;
        ivan.dm(ANA, "create Write a test --under #1")
            .await
            .begins("✓ Issue created");
        ivan.github().settled().await;
        ivan.github().label_as(REPO, 3, "bo", &["seen"]);
        ivan.github().label_as(REPO, 1, "bo", &["seen"]);
        ivan.github().settled().await;
        ivan.within("the label arrives", async {
            let path = "/tasks/github%3Aacme%2Fwidgets%233";
            while ivan.http_with("GET", path, None, AS_ANA).await.1["labels"] != json!(["seen"]) {
                tokio::task::yield_now().await;
            }
        })
        .await;
        assert_eq!(children(ivan, LOGIN).await, json!({"open": 1, "all": 1}));
        ivan.github().close_as(REPO, 3, "bo");
        ivan.within("the count follows", async {
            while children(ivan, LOGIN).await != json!({"open": 0, "all": 1}) {
                tokio::task::yield_now().await;
            }
        })
        .await;
    })
    .await;
}

/// Waits for the number of an issue's parts, which a webhook brings.
async fn becomes(ivan: &Ivan, id: &str, expected: Value) {
    ivan.within("the count follows", async {
        while children(ivan, id).await != expected {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

const DOCS: &str = "github:acme/widgets#2";

/// No report of either issue has a newer `updated_at`, so the poll would not see any of it.
#[rstest]
#[tokio::test]
async fn webhooks_bring_sub_issues(#[values(true, false)] tells_all: bool) {
    let setup = Setup::new().webhooks().work_of_ana();
    ivan_test(setup, async |ivan| {
        ivan.dm(ANA, "mute").await;
        ivan.hook_up();
        ivan.github().payloads_tell_all(tells_all);
        ivan.dm(ANA, "why #1")
            .await
            .mentions("GitHub acme/widgets#1 · open\n");
        let part = ivan
            .github()
            .add_issue(REPO, json!({"title": "Write a test"}));
        ivan.until_deliveries_are_applied().await;
        ivan.github().put_under((REPO, part), Some((REPO, 1)));
        becomes(ivan, LOGIN, json!({"open": 1, "all": 1})).await;
        ivan.dm(BO, "why #1")
            .await
            .mentions("GitHub acme/widgets#1 · open · 1 of 1 sub-issue open\n");
        ivan.github().put_under((REPO, part), Some((REPO, 2)));
        becomes(ivan, DOCS, json!({"open": 1, "all": 1})).await;
        becomes(ivan, LOGIN, Value::Null).await;
        ivan.github().close_as(REPO, part, "bo");
        becomes(ivan, DOCS, json!({"open": 0, "all": 1})).await;
        ivan.github().put_under((REPO, part), None);
        becomes(ivan, DOCS, Value::Null).await;
        // A deleted part counts no more, and nothing tells of its parent.
        ivan.github().put_under((REPO, part), Some((REPO, 1)));
        becomes(ivan, LOGIN, json!({"open": 0, "all": 1})).await;
        ivan.github().delete_issue(REPO, part);
        becomes(ivan, LOGIN, Value::Null).await;
    })
    .await;
}

/// The part is in another repository than its parent. The webhook of either repository is enough.
#[rstest]
#[tokio::test]
async fn a_webhook_brings_parts_in_another_repository(#[values(0, 1)] lost: u32) {
    let setup = Setup::new()
        .webhooks()
        .config("github.repos = [\"acme/gadgets\"]")
        .work_of_ana()
        .before(|sandbox| sandbox.github.add_repo("acme/gadgets", 6001));
    ivan_test(setup, async |ivan| {
        ivan.hook_up();
        let part = json!({"title": "Order parts"});
        let part = ivan.github().add_issue("acme/gadgets", part);
        ivan.until_deliveries_are_applied().await;
        // The parent's repository tells it first.
        ivan.github().lose_next(lost);
        ivan.github()
            .put_under(("acme/gadgets", part), Some((REPO, 1)));
        becomes(ivan, LOGIN, json!({"open": 1, "all": 1})).await;
        ivan.github().put_under(("acme/gadgets", part), None);
        becomes(ivan, LOGIN, Value::Null).await;
    })
    .await;
}
