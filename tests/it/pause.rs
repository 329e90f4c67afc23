//! `pause`: the opposite of `start`. The task stays its person's, in the status before.

use serde_json::json;

use crate::harness::*;

/// A task in its list's second open status, and an issue. The repository has the label for work in progress.
fn setup() -> Setup {
    Setup::new()
        .clickup_tasks([json!({"name": "Renew cert"})])
        .github_issues([json!({"title": "Login fails", "assignees": ["ana"]})])
}

#[tokio::test]
async fn a_task_goes_back_to_its_status_before_it_was_started() {
    ivan_test(setup(), async |ivan| {
        let task = ivan.clickup().task("Renew cert");
        let id = task.id().to_owned();
        ivan.dm(ANA, &format!("start clickup:{id}"))
            .await
            .begins("✓ Task started in ClickUp: Renew cert (in review)");
        ivan.dm(ANA, "pause")
            .await
            .replies("✓ Paused in ClickUp: Renew cert");
        task.is("to do");
        // It is still the current one.
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        ivan.dm(ANA, "pause")
            .await
            .replies("✓ Already not in progress in ClickUp: Renew cert");
        ivan.dm(ANA, "undo")
            .await
            .replies("✓ Undone: Renew cert is as it was before in ClickUp");
        task.is("in review");
    })
    .await;
}

#[tokio::test]
async fn an_issue_loses_its_label_and_nothing_else() {
    ivan_test(setup(), async |ivan| {
        let issue = ivan.github().issue(REPO, 1);
        ivan.dm(ANA, "start #1")
            .await
            .begins("✓ Issue started in GitHub: Login fails");
        assert_eq!(issue.labels(), ["in progress"]);
        let (status, answer) = ivan
            .http("POST", "/tasks/github:acme%2Fwidgets%231/pause", None)
            .await;
        assert_eq!(
            (status, &answer["message"]),
            (200, &json!("Paused in GitHub: Login fails"))
        );
        assert!(issue.labels().is_empty());
        assert_eq!(issue.json()["assignees"][0]["login"], "ana");
        let (status, answer) = ivan.http("POST", "/undo", None).await;
        assert_eq!(
            (status, &answer["message"]),
            (
                200,
                &json!("Undone: Login fails is as it was before in GitHub")
            )
        );
        assert_eq!(issue.labels(), ["in progress"]);
    })
    .await;
}

#[tokio::test]
async fn what_is_complete_cannot_be_paused() {
    ivan_test(setup(), async |ivan| {
        let task = ivan.clickup().task("Renew cert");
        let id = task.id().to_owned();
        ivan.dm(ANA, &format!("done clickup:{id}"))
            .await
            .begins("✓ Task completed");
        ivan.dm(ANA, &format!("pause clickup:{id}")).await.replies(
            "✗ Not paused: Renew cert. It is complete in ClickUp. `reopen` opens it again.",
        );
        task.is("complete");
    })
    .await;
}

/// Others have moved it since: theirs stays, and the answer says so.
#[tokio::test]
async fn an_undo_leaves_what_others_changed_since() {
    ivan_test(setup(), async |ivan| {
        let task = ivan.clickup().task("Renew cert");
        let id = task.id().to_owned();
        ivan.dm(ANA, &format!("start clickup:{id}"))
            .await
            .begins("✓ Task started");
        ivan.dm(ANA, "pause").await.begins("✓ Paused");
        ivan.clickup()
            .set_status("Renew cert", "complete", BO_CLICKUP);
        ivan.dm(ANA, "undo").await.mentions("its status changed");
        task.is("complete");
    })
    .await;
}
