//! `start`: the task is current, and in progress if its source has such a state. `reopen`: it is open again.

use ivan::sandbox::fault_server::{Fault, FaultKind};
use serde_json::json;

use crate::harness::*;

/// A task and an issue that are not first. The repository has the label for work in progress.
async fn labelled() -> Ivan {
    two_tasks()
        .github_issues([json!({"title": "Login fails"})])
        .start()
        .await
}

#[tokio::test]
async fn start_sets_in_progress_and_makes_it_current() {
    let mut ivan = labelled().await;
    ivan.start().await;
    ivan.dm(ANA, "current").await.mentions("Renew cert");
    let runbook = ivan.clickup().task("Write the runbook");
    ivan.dm(ANA, &format!("start clickup:{}", runbook.id()))
        .await
        .replies(
            "✓ Task started in ClickUp: Write the runbook (in review). It's your current task.",
        );
    runbook.is("in review");
    ivan.dm(BO, "start #1")
        .await
        .replies("✓ Issue started in GitHub: Login fails. It's your current task.");
    assert_eq!(ivan.github().issue(REPO, 1).labels(), ["in progress"]);
    // The shared pin is on it.
    ivan.dm(ANA, "done")
        .await
        .begins("✓ Issue closed in GitHub: Login fails. Next: Renew cert");
    ivan.finish().await;
}

#[tokio::test]
async fn what_is_in_progress_already_is_a_success() {
    let setup = Setup::new()
        .clickup_tasks([json!({"name": "Renew cert", "status": "in review"})])
        .github_issues([json!({"title": "Login fails", "labels": ["In Progress"]})]);
    ivan_test(setup, async |ivan| {
        let id = ivan.clickup().task("Renew cert").id().to_owned();
        ivan.dm(ANA, &format!("start clickup:{id}")).await.replies(
            "✓ Already in progress in ClickUp (in review): Renew cert. It's your current task.",
        );
        let (status, answer) = ivan
            .http("POST", "/tasks/github:acme%2Fwidgets%231/start", None)
            .await;
        assert_eq!(
            (status, &answer["conflict"], &answer["message"]),
            (
                200,
                &json!(true),
                &json!("Already in progress in GitHub: Login fails. It's your current task.")
            )
        );
        let (_, current) = ivan.http("GET", "/current", None).await;
        assert_eq!(current["title"], "Login fails");
        assert!(
            !ivan
                .clickup()
                .front()
                .journal()
                .iter()
                .any(|one| one.method == "PUT")
        );
        assert!(
            !ivan
                .github()
                .front()
                .journal()
                .iter()
                .any(|one| one.method == "POST")
        );
    })
    .await;
}

#[tokio::test]
async fn a_source_without_a_word_for_it_is_left_alone() {
    let mut ivan = two_issues()
        .clickup_tasks([json!({"name": "Renew cert"})])
        .config("github.in_progress_label = \"doing\"")
        .start()
        .await;
    let list = ivan.clickup().list_id().to_owned();
    ivan.clickup().set_statuses(
        &list,
        json!([
            {"status": "to do", "orderindex": 0, "color": "#d3d3d3", "type": "open"},
            {"status": "complete", "orderindex": 1, "color": "#6bc950", "type": "closed"},
        ]),
    );
    ivan.start().await;
    ivan.dm(ANA, "start #2").await.replies(
        "✓ Update the docs is now your current task. Its repository has no label for work in progress, so GitHub was not changed",
    );
    let id = ivan.clickup().task("Renew cert").id().to_owned();
    ivan.dm(BO, &format!("start clickup:{id}")).await.replies(
        "✓ Renew cert is now your current task. Its list has no status for work in progress, so ClickUp was not changed",
    );
    assert!(ivan.github().issue(REPO, 2).labels().is_empty());
    ivan.clickup().task("Renew cert").is("to do");
    // Undo also reverts a change of the current task alone.
    ivan.dm(ANA, "undo")
        .await
        .replies("✓ Undone: Renew cert is no longer your current task. Next: Update the docs");
    ivan.finish().await;
}

#[tokio::test]
async fn the_configured_words_are_taken() {
    let mut ivan = Setup::new()
        .clickup_tasks([json!({"name": "Renew cert"})])
        .github_issues([json!({"title": "Login fails"})])
        .config("clickup.in_progress_status = \"Doing\"\ngithub.in_progress_label = \"Being worked on / now\"")
        .start()
        .await;
    let list = ivan.clickup().list_id().to_owned();
    ivan.clickup().set_statuses(
        &list,
        json!([
            {"status": "to do", "orderindex": 0, "color": "#d3d3d3", "type": "open"},
            {"status": "in review", "orderindex": 1, "color": "#7C4DFF", "type": "custom"},
            {"status": "doing", "orderindex": 2, "color": "#7C4DFF", "type": "custom"},
            {"status": "complete", "orderindex": 3, "color": "#6bc950", "type": "closed"},
        ]),
    );
    ivan.github().add_label(REPO, "Being worked on / now");
    ivan.start().await;
    ivan.dm(ANA, "current").await;
    let cert = ivan.clickup().task("Renew cert");
    ivan.dm(ANA, &format!("start clickup:{}", cert.id()))
        .await
        .mentions("(doing)");
    cert.is("doing");
    ivan.dm(BO, "start #1").await.begins("✓ Issue started");
    let labels = ivan.github().issue(REPO, 1).labels();
    assert_eq!(labels, ["Being worked on / now"]);
    ivan.dm(BO, "undo")
        .await
        .begins("✓ Undone: Login fails is no longer in progress in GitHub");
    assert!(ivan.github().issue(REPO, 1).labels().is_empty());
    ivan.finish().await;
}

#[tokio::test]
async fn what_is_complete_is_not_started() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.dm(ANA, "current").await;
        ivan.clickup()
            .set_status("Renew cert", "complete", ANA_CLICKUP);
        ivan.dm(ANA, "start").await.replies(
            "✗ Not started: Renew cert. It is complete in ClickUp. `reopen` opens it again.",
        );
        ivan.clickup().task("Renew cert").is("complete");
    })
    .await;
}

#[tokio::test]
async fn starts_happen_once_and_in_order_through_lost_answers_and_crashes() {
    let mut ivan = labelled().await;
    ivan.start().await;
    let cert = ivan.clickup().task("Renew cert");
    let (clickup, github) = (ivan.clickup().front(), ivan.github().front());
    clickup.fault(Fault::new(FaultKind::ApplyThenHang).on("PUT", "/task/"));
    github.fault(Fault::new(FaultKind::ApplyThenHang).on("POST", "/labels"));
    ivan.says(ANA, &format!("start clickup:{}", cert.id()));
    ivan.says(ANA, "start #1");
    ivan.applies(clickup, "PUT", "/task/", 1).await;
    ivan.applies(github, "POST", "/labels", 1).await;
    ivan.kill_and_restart().await;
    ivan.answer(ANA, 0)
        .settles()
        .await
        .begins("✓ Task started in ClickUp: Renew cert (in review)");
    ivan.answer(ANA, 1)
        .settles()
        .await
        .begins("✓ Issue started in GitHub: Login fails");
    for (front, method) in [
        (ivan.clickup().front(), "PUT"),
        (ivan.github().front(), "POST"),
    ] {
        let seen = front.journal();
        let writes = seen.iter().filter(|one| one.method == method);
        assert_eq!(writes.count(), 1, "{seen:#?}");
    }
    ivan.finish().await;
}

// ------------------------------------------------------------ reopen

#[tokio::test]
async fn reopen_brings_back_what_it_was_before_we_completed_it() {
    let setup = Setup::new()
        .clickup_tasks([
            json!({"name": "Renew cert", "status": "in review", "priority": 1}),
            json!({"name": "Write the runbook", "priority": 2}),
        ])
        .github_issues([json!({"title": "Login fails", "labels": ["bug"]})]);
    ivan_test(setup, async |ivan| {
        let cert = ivan.clickup().task("Renew cert");
        let id = format!("clickup:{}", cert.id());
        ivan.dm(ANA, &format!("done {id}")).await.begins("✓ Task");
        ivan.dm(BO, "done #1").await.begins("✓ Issue closed");
        ivan.dm(ANA, &format!("reopen {id}"))
            .await
            .replies("✓ Task reopened in ClickUp: Renew cert (in review)");
        cert.is("in review");
        ivan.dm(BO, "reopen #1")
            .await
            .replies("✓ Issue reopened in GitHub: Login fails");
        let issue = ivan.github().issue(REPO, 1);
        issue.is("open");
        assert_eq!(issue.labels(), ["bug"]);
        // Both are offered again.
        ivan.dm(BO, "list").await.replies(
            "1. Renew cert · ClickUp · in review\n2. Write the runbook · ClickUp · to do\n\
             3. Login fails · GitHub acme/widgets#1 · open",
        );
    })
    .await;
}

#[tokio::test]
async fn what_others_completed_is_reopened_as_its_list_begins() {
    let setup = Setup::new().clickup_tasks([
        json!({"name": "Renew cert", "status": "in review"}),
        json!({"name": "Write the runbook", "status": "complete"}),
    ]);
    ivan_test(setup, async |ivan| {
        let (cert, runbook) = (
            ivan.clickup().task("Renew cert"),
            ivan.clickup().task("Write the runbook"),
        );
        let reopen = |task: &str| format!("reopen clickup:{task}");
        ivan.dm(ANA, &reopen(runbook.id()))
            .await
            .replies("✓ Task reopened in ClickUp: Write the runbook (to do)");
        runbook.is("to do");
        // Ivan's completion is not the last one: the status before the last one is unknown.
        ivan.dm(BO, &format!("done clickup:{}", cert.id())).await;
        ivan.clickup()
            .set_status(cert.id(), "in review", BO_CLICKUP);
        ivan.clickup().set_status(cert.id(), "complete", BO_CLICKUP);
        ivan.dm(BO, &reopen(cert.id()))
            .await
            .replies("✓ Task reopened in ClickUp: Renew cert (to do)");
    })
    .await;
}

#[tokio::test]
async fn what_is_open_already_is_a_success_and_left_alone() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.dm(ANA, "list").await;
        ivan.dm(ANA, "reopen 2")
            .await
            .replies("✓ Already open in ClickUp (to do): Write the runbook");
        ivan.dm(ANA, "reopen").await.replies(
            "✗ Reopen which task? `reopen #12`, or paste its link. `undo` reverts your last action.",
        );
        let (status, answer) = ivan
            .http("POST", "/reopen", Some(json!({"ref": "2"})))
            .await;
        assert_eq!((status, &answer["conflict"]), (200, &json!(true)));
        let seen = ivan.clickup().front().journal();
        assert!(!seen.iter().any(|one| one.method == "PUT"), "{seen:#?}");
    })
    .await;
}

#[tokio::test]
async fn under_its_message_a_task_is_reopened_without_its_name() {
    ivan_test(two_tasks(), async |ivan| {
        let card = ivan.dm(ANA, "current").await;
        ivan.dm(ANA, "done").await.begins("✓ Task completed");
        ivan.says_under(ANA, &card.ts(), "reopen")
            .settles()
            .await
            .replies("✓ Task reopened in ClickUp: Renew cert (to do)");
    })
    .await;
}

#[tokio::test]
async fn a_reopening_whose_answer_is_lost_does_not_undo_a_later_closing() {
    let setup = Setup::new()
        .github_issues([json!({"title": "Login fails", "state": "closed", "updated_days_ago": 2})]);
    ivan_test(setup, async |ivan| {
        let front = ivan.github().front();
        front.fault(Fault::new(FaultKind::ApplyThenHang).on("PATCH", "/issues/1"));
        let asked = ivan.says(ANA, "reopen #1");
        ivan.applies(front, "PATCH", "/issues/1", 1).await;
        ivan.github().close_as(REPO, 1, "bo");
        front.cut();
        asked
            .settles()
            .await
            .begins("✓ Note: Login fails was reopened, and completed in GitHub since (")
            .mentions("), so I left it closed");
        ivan.github().issue(REPO, 1).is("closed");
    })
    .await;
}

#[tokio::test]
async fn our_own_reopening_is_news_to_nobody() {
    let setup = Setup::new()
        .webhooks()
        .people()
        .github_issues([json!({"title": "Login fails", "assignees": ["ana", "bo"]})])
        .clickup_tasks([json!({"name": "Renew cert", "assignees": [ANA_CLICKUP, BO_CLICKUP]})]);
    ivan_test(setup, async |ivan| {
        ivan.hook_up();
        let id = ivan.clickup().task("Renew cert").id().to_owned();
        for text in [
            "done #1".to_owned(),
            format!("done clickup:{id}"),
            "reopen #1".to_owned(),
            "undo".to_owned(),
            format!("reopen clickup:{id}"),
        ] {
            ivan.dm(ANA, &text).await.begins("✓ ");
        }
        ivan.until_deliveries_are_applied().await;
        // Neither of them got a notice: the harness counts.
        ivan.clickup().set_status(&id, "complete", BO_CLICKUP);
        ivan.is_told(ANA)
            .answers()
            .await
            .begins("Renew cert was completed in ClickUp by Bo");
    })
    .await;
}
