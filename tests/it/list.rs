//! `list`: the queue in order; its numbers keep their meaning until the next list is shown.

use std::time::Duration;

use crate::harness::*;
use ivan::sandbox::fault_server::{Fault, FaultKind};
use serde_json::json;

#[tokio::test]
async fn a_list_shows_the_queue_with_both_sources() {
    let setup = two_tasks().github_issues([json!({"title": "Login fails", "labels": ["P1"]})]);
    ivan_test(setup, async |ivan| {
        ivan.dm(ANA, "list").await.replies(
            "1. Renew cert · ClickUp · to do\n\
             2. Login fails · GitHub acme/widgets#1 · open\n\
             3. Write the runbook · ClickUp · to do",
        );
        ivan.dm(ANA, "tasks 2").await.replies(
            "1. Renew cert · ClickUp · to do\n\
             2. Login fails · GitHub acme/widgets#1 · open\n\
             1 more: `list 3` shows all",
        );
    })
    .await;
}

#[tokio::test]
async fn a_list_does_not_pin() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.dm(ANA, "show my tasks").await;
        ivan.dm(ANA, "done").await.mentions("✗ No current task");
        ivan.clickup().task("Renew cert").is("to do");
    })
    .await;
}

#[tokio::test]
async fn an_empty_list_says_so() {
    ivan_test(Setup::new(), async |ivan| {
        ivan.dm(ANA, "list")
            .await
            .replies("Your queue is empty. `create TITLE` adds a task.");
    })
    .await;
}

#[tokio::test]
async fn a_number_means_what_it_meant_when_it_was_shown() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.dm(ANA, "list").await;
        // The order changes without the person seeing it.
        ivan.clickup()
            .add_task(json!({"name": "Burning", "priority": 1, "tags": ["client:acme"]}));
        ivan.sync().await;
        ivan.dm(ANA, "comment on 1: still the first")
            .await
            .replies("✓ Comment added in ClickUp: Renew cert");
        ivan.dm(ANA, "list").await.mentions("1. Burning");
        ivan.dm(ANA, "comment on 1: the new first")
            .await
            .replies("✓ Comment added in ClickUp: Burning");
    })
    .await;
}

#[tokio::test]
async fn a_number_typed_before_the_new_list_was_shown_means_the_old_one() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.dm(ANA, "list").await;
        ivan.clickup()
            .add_task(json!({"name": "Burning", "priority": 1, "tags": ["client:acme"]}));
        ivan.sync().await;
        ivan.slack().front().fault(
            Fault::new(FaultKind::Delay(Duration::from_millis(200)))
                .on("POST", "/chat.postMessage"),
        );
        let (list, done) = (ivan.says(ANA, "list"), ivan.says(ANA, "done 1"));
        list.settles().await.mentions("1. Burning");
        done.settles()
            .await
            .mentions("✓ Task completed in ClickUp: Renew cert");
        ivan.clickup().task("Burning").is("to do");
    })
    .await;
}

#[tokio::test]
async fn a_number_that_was_not_shown_names_nothing() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.dm(ANA, "done 1")
            .await
            .replies("✗ You haven't seen a list yet. Type `list`, then use its numbers.");
        ivan.dm(ANA, "list").await;
        ivan.dm(ANA, "done 3")
            .await
            .replies("✗ Your last list has no number 3. Type `list` to see it again.");
        ivan.clickup().task("Renew cert").is("to do");
        ivan.clickup().task("Write the runbook").is("to do");
    })
    .await;
}

#[tokio::test]
async fn a_number_that_only_an_issue_has_is_offered_and_not_done() {
    ivan_test(two_issues(), async |ivan| {
        let offered = ivan.dm(ANA, "done 2").await;
        offered.replies(
            "✗ You haven't seen a list yet. Type `list`, then use its numbers. Did you mean `done #2` (Update the docs)?",
        );
        ivan.github().issue(REPO, 2).is("open");
        ivan.presses(ANA, &offered, "done #2")
            .settles()
            .await
            .begins("✓ Issue closed in GitHub: Update the docs");
        ivan.dm(ANA, "done 7")
            .await
            .replies("✗ You haven't seen a list yet. Type `list`, then use its numbers.");
    })
    .await;
}
