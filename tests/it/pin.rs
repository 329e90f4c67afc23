//! The current task is pinned: `done` never completes a task that its author has not seen.

use std::time::Duration;

use crate::harness::*;
use ivan::sandbox::fault_server::{Fault, FaultKind, Gate};
use serde_json::json;

/// Slack's delay of an answer in stories with a slow Slack.
const SLOW: Duration = Duration::from_millis(300);

fn three_tasks() -> Setup {
    two_tasks().clickup_tasks([json!({"name": "Tidy the wiki", "priority": 4})])
}

/// Delays the next answer.
fn slack_is_slow(ivan: &Ivan) {
    ivan.slack()
        .front()
        .fault(Fault::new(FaultKind::Delay(SLOW)).on("POST", "/chat.postMessage"));
}

#[tokio::test]
async fn before_anything_was_shown_done_changes_nothing_and_shows() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.dm(ANA, "done").await.replies(
            "✗ No current task, so nothing changed. Current now: Renew cert · ClickUp · to do    why: client 1000, \
             active today 1",
        );
        ivan.clickup().task("Renew cert").is("to do");
        ivan.dm(ANA, "done")
            .await
            .replies("✓ Task completed in ClickUp: Renew cert. Next: Write the runbook");
    })
    .await;
}

#[tokio::test]
async fn two_done_before_anything_was_shown_complete_nothing() {
    ivan_test(two_tasks(), async |ivan| {
        let (first, second) = (ivan.says(ANA, "done"), ivan.says(ANA, "done"));
        first.settles().await.mentions("✗ No current task");
        second
            .settles()
            .await
            .mentions("✗ No current task, so nothing changed. Current now: Renew cert");
        ivan.clickup().task("Renew cert").is("to do");
        ivan.clickup().task("Write the runbook").is("to do");
    })
    .await;
}

#[tokio::test]
async fn two_done_in_a_row_complete_one_task() {
    ivan_test(three_tasks(), async |ivan| {
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        let (first, second) = (ivan.says(ANA, "done"), ivan.says(ANA, "done"));
        first
            .settles()
            .await
            .replies("✓ Task completed in ClickUp: Renew cert. Next: Write the runbook");
        second
            .settles()
            .await
            .replies("✓ Already complete in ClickUp: Renew cert. Next: Write the runbook");
        ivan.clickup().task("Write the runbook").is("to do");
        ivan.dm(ANA, "done")
            .await
            .replies("✓ Task completed in ClickUp: Write the runbook. Next: Tidy the wiki");
    })
    .await;
}

#[tokio::test]
async fn a_done_typed_while_the_next_task_is_on_its_way_means_the_old_one() {
    ivan_test(three_tasks(), async |ivan| {
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        slack_is_slow(ivan);
        let first = ivan.says(ANA, "done");
        ivan.within(
            "ClickUp has it",
            ivan.clickup()
                .front()
                .until(|journal| journal.iter().any(|seen| seen.method == "PUT" && seen.done)),
        )
        .await;
        let second = ivan.says(ANA, "done");
        first.settles().await.mentions("Next: Write the runbook");
        second
            .settles()
            .await
            .mentions("✓ Already complete in ClickUp: Renew cert.");
        ivan.clickup().task("Write the runbook").is("to do");
    })
    .await;
}

#[tokio::test]
async fn a_done_under_an_answer_that_is_not_known_to_stand_means_what_it_shows() {
    ivan_test(three_tasks(), async |ivan| {
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        ivan.slack()
            .front()
            .fault(Fault::new(FaultKind::ApplyThenDrop).on("POST", "/chat.postMessage"));
        let first = ivan.says(ANA, "done");
        first.settles().await.mentions("Next: Write the runbook");
        // Ana reads it; Ivan has no confirmation from Slack that it is there.
        ivan.dm(ANA, "done")
            .await
            .replies("✓ Task completed in ClickUp: Write the runbook. Next: Tidy the wiki");
    })
    .await;
}

/// Bo completes the task of a card before Ivan finds out that the card was posted; Ana answers the updated card.
#[tokio::test]
async fn a_done_under_a_card_that_changed_before_it_was_found_means_that_card() {
    ivan_test(three_tasks(), async |ivan| {
        ivan.dm(ANA, "current").await;
        // Her DM is read now, and not again.
        ivan.dm(ANA, "done")
            .await
            .mentions("Next: Write the runbook");
        let slack = ivan.slack().front().clone();
        let gate = Gate::new();
        slack.fault(Fault::new(FaultKind::ApplyThenDrop).on("POST", "/chat.postMessage"));
        slack.fault(Fault::new(FaultKind::Wait(gate.clone())).on("GET", "/conversations.history"));
        let next = ivan.says(ANA, "next");
        next.answers().await.mentions("Tidy the wiki");
        ivan.clickup()
            .set_status("Tidy the wiki", "complete", BO_CLICKUP);
        ivan.sync().await;
        let notice = ivan.is_told(ANA);
        let done = ivan.says(ANA, "done");
        gate.open();
        notice.answers().await.begins("Tidy the wiki was completed");
        done.settles()
            .await
            .mentions("✓ Note: Tidy the wiki was already complete in ClickUp");
        ivan.clickup().task("Write the runbook").is("to do");
    })
    .await;
}

#[tokio::test]
async fn a_done_typed_while_next_is_on_its_way_means_the_old_one() {
    ivan_test(three_tasks(), async |ivan| {
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        let (next, done) = (ivan.says(ANA, "next"), ivan.says(ANA, "done"));
        next.settles().await.mentions("Next: Write the runbook");
        done.settles()
            .await
            .replies("✓ Task completed in ClickUp: Renew cert. Next: Write the runbook");
        ivan.clickup().task("Write the runbook").is("to do");
    })
    .await;
}

#[tokio::test]
async fn a_task_that_becomes_first_does_not_become_current() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.dm(ANA, "next").await;
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        ivan.clickup()
            .add_task(json!({"name": "Burning", "priority": 1, "tags": ["client:acme"]}));
        ivan.sync().await;
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        ivan.dm(ANA, "done")
            .await
            .replies("✓ Task completed in ClickUp: Renew cert. Next: Burning");
    })
    .await;
}

#[tokio::test]
async fn done_with_a_ref_does_not_move_the_pin() {
    ivan_test(three_tasks(), async |ivan| {
        ivan.dm(ANA, "current").await;
        ivan.dm(ANA, "next").await.mentions("Write the runbook");
        ivan.dm(ANA, "list").await;
        ivan.dm(ANA, "done 3")
            .await
            .replies("✓ Task completed in ClickUp: Tidy the wiki. Next: Write the runbook");
        ivan.dm(ANA, "done")
            .await
            .replies("✓ Task completed in ClickUp: Write the runbook. Next: Renew cert");
    })
    .await;
}

#[tokio::test]
async fn a_pin_survives_a_restart() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.dm(ANA, "current").await;
        ivan.dm(ANA, "next").await.mentions("Write the runbook");
        ivan.kill_and_restart().await;
        ivan.dm(ANA, "done")
            .await
            .replies("✓ Task completed in ClickUp: Write the runbook. Next: Renew cert");
    })
    .await;
}

#[tokio::test]
async fn a_pinned_task_that_was_completed_elsewhere_stays_until_done() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        ivan.clickup()
            .set_status("Renew cert", "complete", BO_CLICKUP);
        ivan.sync().await;
        ivan.is_told(ANA)
            .answers()
            .await
            .mentions("Renew cert was completed in ClickUp");
        ivan.dm(ANA, "current").await.replies(
            "Renew cert · ClickUp · complete (completed externally). `done` or `next` moves on.",
        );
        let answer = ivan.dm(ANA, "done").await;
        answer
            .mentions("✓ Note: Renew cert was already complete in ClickUp, on ")
            .mentions(" (completed externally). Next: Write the runbook");
        ivan.clickup().task("Write the runbook").is("to do");
    })
    .await;
}

#[tokio::test]
async fn a_pinned_issue_that_was_closed_elsewhere_is_noted_with_its_closer() {
    ivan_test(two_issues(), async |ivan| {
        ivan.dm(ANA, "current").await.mentions("Login fails");
        ivan.github().close_as(REPO, 1, "bo");
        // No webhook has told Ivan: it reads the task before it writes.
        ivan.dm(ANA, "done")
            .await
            .mentions("✓ Note: Login fails was already closed in GitHub, by bo on ")
            .mentions(" (completed externally). Next: Update the docs");
        ivan.github().issue(REPO, 2).is("open");
        let patches = ivan.github().front().journal();
        assert!(!patches.iter().any(|seen| seen.method == "PATCH"));
    })
    .await;
}

#[tokio::test]
async fn next_leaves_a_task_that_was_completed_elsewhere() {
    let one = Setup::new().clickup_tasks([json!({"name": "Renew cert"})]);
    ivan_test(one, async |ivan| {
        ivan.dm(ANA, "current").await;
        ivan.clickup()
            .set_status("Renew cert", "complete", BO_CLICKUP);
        ivan.sync().await;
        ivan.is_told(ANA)
            .answers()
            .await
            .mentions("Renew cert was completed in ClickUp");
        ivan.dm(ANA, "next")
            .await
            .replies("Your queue is empty. `create TITLE` adds a task.");
        ivan.dm(ANA, "current")
            .await
            .replies("Your queue is empty. `create TITLE` adds a task.");
    })
    .await;
}
