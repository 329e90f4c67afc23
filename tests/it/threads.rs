//! In a thread under a message about a task, that task is the default REF.

use serde_json::json;

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

/// Within a minute the sixth notice joins the fifth message, which then is about two tasks.
#[tokio::test]
async fn a_thread_under_notices_of_several_tasks_means_none_of_them() {
    let further = [3, 4, 5, 6]
        .map(|number| json!({"title": format!("Issue {number}"), "assignees": ["ana"]}));
    let setup = Setup::new().webhooks().work_of_ana().github_issues(further);
    ivan_test(setup, async |ivan| {
        ivan.hook_up();
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        let mut newest = None;
        for number in 1..=5 {
            let told = ivan.is_told(ANA);
            ivan.github().close_as(REPO, number, "bo");
            newest = Some(told.answers().await);
        }
        ivan.github().close_as(REPO, 6, "bo");
        let joined = newest
            .unwrap()
            .until(|posted| posted.text.contains("Issue 6"))
            .await;
        let root = joined.mentions("Issue 5").ts();
        const TOLD: &str =
            "✗ I don't remember which task this thread is about, so nothing changed.";
        for text in ["done", "comment seen", "start"] {
            ivan.says_under(ANA, &root, text)
                .settles()
                .await
                .begins(TOLD);
        }
        ivan.clickup()
            .task("Renew cert")
            .is("to do")
            .has_comments([]);
        // With a REF, a command works there as well. The thread is not about its task from then on.
        ivan.says_under(ANA, &root, &format!("done {}", cert(ivan)))
            .settles()
            .await
            .begins("✓ Task completed in ClickUp: Renew cert");
        ivan.says_under(ANA, &root, "comment seen")
            .settles()
            .await
            .begins(TOLD);
        ivan.clickup().task("Renew cert").has_comments([]);
    })
    .await;
}
