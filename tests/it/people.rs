//! People: each has a queue and a pin of their own, and no one else is served.

use crate::harness::*;
use serde_json::json;

/// Ana and Bo, with a task and an issue each, and one task of both.
fn shared() -> Setup {
    Setup::new()
        .people()
        .clickup_tasks([
            json!({"name": "Renew cert", "assignees": [ANA_CLICKUP], "priority": 1}),
            json!({"name": "Pay the rent", "assignees": [BO_CLICKUP], "priority": 1}),
            json!({"name": "Plan the party", "assignees": [ANA_CLICKUP, BO_CLICKUP], "priority": 4}),
            json!({"name": "Nobody's"}),
        ])
        .github_issues([
            json!({"title": "Login fails", "assignees": ["ana"], "labels": ["P1"]}),
            json!({"title": "Update the docs", "assignees": ["bo"], "labels": ["P1"]}),
        ])
}

#[tokio::test]
async fn a_queue_is_what_is_assigned() {
    ivan_test(shared(), async |ivan| {
        ivan.dm(ANA, "list").await.replies(
            "1. Renew cert · ClickUp · to do\n\
             2. Login fails · GitHub acme/widgets#1 · open\n\
             3. Plan the party · ClickUp · to do",
        );
        ivan.dm(BO, "list").await.replies(
            "1. Pay the rent · ClickUp · to do\n\
             2. Update the docs · GitHub acme/widgets#2 · open\n\
             3. Plan the party · ClickUp · to do",
        );
    })
    .await;
}

#[tokio::test]
async fn each_has_their_own_pin_and_numbers() {
    ivan_test(shared(), async |ivan| {
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        ivan.dm(BO, "current").await.mentions("Pay the rent");
        ivan.dm(BO, "next").await.mentions("Update the docs");
        ivan.dm(ANA, "done")
            .await
            .replies("✓ Task completed in ClickUp: Renew cert. Next: Login fails");
        ivan.dm(BO, "done")
            .await
            .replies("✓ Issue closed in GitHub: Update the docs. Next: Pay the rent");
        ivan.dm(BO, "list").await;
        ivan.dm(ANA, "done 1")
            .await
            .replies("✗ You haven't seen a list yet. Type `list`, then use its numbers. Did you mean `done #1` (Login fails)?");
        ivan.clickup().task("Pay the rent").is("to do");
        ivan.github().issue(REPO, 1).is("open");
    })
    .await;
}

#[tokio::test]
async fn one_task_of_two_people_is_done_once() {
    ivan_test(shared(), async |ivan| {
        for who in [ANA, BO] {
            ivan.dm(who, "list").await;
        }
        ivan.dm(ANA, "done 3")
            .await
            .mentions("✓ Task completed in ClickUp: Plan the party");
        ivan.is_told(BO)
            .answers()
            .await
            .begins("Plan the party was completed in ClickUp by Ana, ");
        ivan.dm(BO, "done 3")
            .await
            .mentions("✓ Already complete in ClickUp: Plan the party");
        let puts = ivan.clickup().front().journal();
        assert_eq!(puts.iter().filter(|seen| seen.method == "PUT").count(), 1);
    })
    .await;
}

#[tokio::test]
async fn somebody_with_nothing_assigned_has_an_empty_queue() {
    let setup = Setup::new()
        .people()
        .clickup_tasks([json!({"name": "Renew cert", "assignees": [ANA_CLICKUP]})]);
    ivan_test(setup, async |ivan| {
        let empty = "Your queue is empty: no open tasks are assigned to you.";
        for typed in ["current", "list"] {
            ivan.dm(BO, typed).await.replies(empty);
        }
        ivan.dm(BO, "done")
            .await
            .replies(&format!("✗ No current task. {empty}"));
        ivan.clickup().task("Renew cert").is("to do");
    })
    .await;
}

#[tokio::test]
async fn somebody_who_is_not_configured_is_refused_politely() {
    let setup = two_tasks().config("[[people]]\nname = \"Ana\"\nslack = \"U0ANN01\"");
    ivan_test(setup, async |ivan| {
        let id = ivan.clickup().task("Renew cert").id().to_owned();
        for typed in [
            "current".to_owned(),
            format!("done clickup:{id}"),
            "create Buy milk".into(),
        ] {
            ivan.dm(BO, &typed)
                .await
                .replies("✗ You're not set up yet. Ask an Ivan operator to add you.");
        }
        ivan.clickup().task("Renew cert").is("to do");
        assert_eq!(ivan.clickup().tasks().len(), 2);
    })
    .await;
}

const FULL_MEMBERS_ONLY: &str = "✗ I only take commands from full members of this workspace. Ask an Ivan operator to allow you.";

#[tokio::test]
async fn guests_and_strangers_are_refused_politely() {
    ivan_test(two_tasks(), async |ivan| {
        for who in [GUEST, STRANGER] {
            let id = ivan.clickup().task("Renew cert").id().to_owned();
            ivan.dm(who, &format!("done clickup:{id}"))
                .await
                .replies(FULL_MEMBERS_ONLY);
            // Further messages within the hour get no answer, and an ephemeral one is no post.
            let general = ivan.slack().channel("general");
            let told = ivan.slash(who, &general, "create Buy milk").await;
            assert_eq!(told, FULL_MEMBERS_ONLY);
        }
        ivan.clickup().task("Renew cert").is("to do");
        assert_eq!(ivan.clickup().tasks().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_deactivated_account_has_no_effect() {
    let setup = two_tasks().config("slack.allowed_users = [\"U0OLD01\", \"U0ANN01\"]");
    ivan_test(setup, async |ivan| {
        let event = json!({
            "type": "message", "channel_type": "im", "user": "U0OLD01", "text": "create Buy milk",
            "ts": "1763800000.000900", "event_ts": "1763800000.000900", "team": "T0TEAM1",
        });
        ivan.hears_event(ANA, event)
            .settles()
            .await
            .replies(FULL_MEMBERS_ONLY);
        assert_eq!(ivan.clickup().tasks().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn allowed_users_are_all_who_may_act() {
    let setup = two_tasks().config("slack.allowed_users = [\"U0BOB01\", \"U0GST01\"]");
    ivan_test(setup, async |ivan| {
        ivan.dm(ANA, "create Buy milk").await.replies(
            "✗ You're not on the list of people who may use Ivan here. Ask an Ivan operator to add you.",
        );
        assert_eq!(ivan.clickup().tasks().len(), 2);
        ivan.dm(BO, "create Buy bread")
            .await
            .replies("✓ Task created in ClickUp: Buy bread");
        ivan.dm(GUEST, "create Buy butter")
            .await
            .replies("✓ Task created in ClickUp: Buy butter");
    })
    .await;
}

/// `*` is every full member; ids beside it add guests and people of other workspaces.
#[tokio::test]
async fn every_member_and_a_guest_may_act() {
    let setup = two_tasks().config("slack.allowed_users = [\"*\", \"U0GST01\"]");
    ivan_test(setup, async |ivan| {
        ivan.dm(BO, "create Buy bread")
            .await
            .replies("✓ Task created in ClickUp: Buy bread");
        ivan.dm(GUEST, "create Buy butter")
            .await
            .replies("✓ Task created in ClickUp: Buy butter");
        ivan.dm(STRANGER, "create Buy milk")
            .await
            .replies(FULL_MEMBERS_ONLY);
    })
    .await;
}

#[tokio::test]
async fn without_people_everybody_shares_one_queue() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        ivan.dm(ANA, "done").await.mentions("✓ Task completed");
        ivan.dm(BO, "current").await.mentions("Write the runbook");
    })
    .await;
}
