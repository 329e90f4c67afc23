//! In a thread under a message about a task, that task is the default REF.

use crate::harness::*;

#[tokio::test]
async fn a_thread_means_the_task_of_its_message() {
    ivan_test(two_tasks(), async |ivan| {
        let shown = ivan.dm(ANA, "current").await.ts();
        ivan.dm(ANA, "next").await.mentions("Write the runbook");
        ivan.says_under(ANA, &shown, "comment nearly")
            .settles()
            .await
            .replies("✓ Comment added in ClickUp: Renew cert");
        ivan.says_under(ANA, &shown, "done")
            .settles()
            .await
            .replies("✓ Task completed in ClickUp: Renew cert. Next: Write the runbook");
        ivan.clickup()
            .task("Renew cert")
            .is("complete")
            .has_comments(["nearly"]);
        ivan.clickup().task("Write the runbook").is("to do");
    })
    .await;
}

#[tokio::test]
async fn a_thread_under_an_outcome_means_what_was_acted_on() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.dm(ANA, "current").await;
        let outcome = ivan.dm(ANA, "done").await.ts();
        ivan.says_under(ANA, &outcome, "comment it took a while")
            .settles()
            .await
            .replies("✓ Comment added in ClickUp: Renew cert");
        let made = ivan.dm(ANA, "create Fix login -s github").await.ts();
        ivan.says_under(ANA, &made, "comment only on Safari")
            .settles()
            .await
            .replies("✓ Comment added in GitHub: Fix login");
        ivan.clickup()
            .task("Renew cert")
            .has_comments(["it took a while"]);
        ivan.github()
            .issue(REPO, 1)
            .has_comments(["only on Safari"]);
    })
    .await;
}

#[tokio::test]
async fn a_thread_under_a_refusal_that_shows_a_task_means_that_task() {
    ivan_test(two_tasks(), async |ivan| {
        let refusal = ivan
            .dm(ANA, "done")
            .await
            .mentions("✗ No current task")
            .ts();
        ivan.dm(ANA, "next").await.mentions("Write the runbook");
        ivan.says_under(ANA, &refusal, "comment seen")
            .settles()
            .await
            .replies("✓ Comment added in ClickUp: Renew cert");
    })
    .await;
}

#[tokio::test]
async fn a_ref_in_a_thread_wins() {
    ivan_test(two_tasks(), async |ivan| {
        let shown = ivan.dm(ANA, "current").await.ts();
        let other = ivan.clickup().task("Write the runbook").id().to_owned();
        ivan.says_under(ANA, &shown, &format!("done clickup:{other}"))
            .settles()
            .await
            .replies("✓ Task completed in ClickUp: Write the runbook. Next: Renew cert");
        ivan.clickup().task("Renew cert").is("to do");
    })
    .await;
}

#[tokio::test]
async fn a_thread_under_a_message_about_no_task_means_the_current_one() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.dm(ANA, "current").await;
        let list = ivan.dm(ANA, "list").await.ts();
        ivan.says_under(ANA, &list, "done")
            .settles()
            .await
            .replies("✓ Task completed in ClickUp: Renew cert. Next: Write the runbook");
    })
    .await;
}
