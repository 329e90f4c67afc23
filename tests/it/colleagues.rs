//! A change made through Ivan is news for the others concerned, as if made in the source. They are told once, although
//! the change comes back by webhook and poll.

use ivan::sandbox::fault_server::{Fault, FaultKind};
use rstest::rstest;
use serde_json::json;

use crate::harness::*;

#[derive(Clone, Copy)]
struct At {
    source: &'static str,
    title: &'static str,
}

const CLICKUP: At = At {
    source: "ClickUp",
    title: "Renew cert",
};
const GITHUB: At = At {
    source: "GitHub",
    title: "Login fails",
};

impl At {
    fn task(self, ivan: &Ivan) -> String {
        match self.source {
            "ClickUp" => format!("clickup:{}", ivan.clickup().task(self.title).id()),
            _ => "#1".to_owned(),
        }
    }
}

/// A task and an issue shared by Ana and Bo, and one of each that is Ana's alone.
fn shared() -> Setup {
    Setup::new()
        .webhooks()
        .people()
        .clickup_tasks([
            json!({"name": "Renew cert", "assignees": [ANA_CLICKUP, BO_CLICKUP]}),
            json!({"name": "Pay the rent", "assignees": [ANA_CLICKUP]}),
        ])
        .github_issues([
            json!({"title": "Login fails", "assignees": ["ana", "bo"]}),
            json!({"title": "Update the docs", "assignees": ["ana"]}),
        ])
}

/// Every webhook about it has been delivered and processed.
async fn it_comes_back(ivan: &Ivan) {
    ivan.until_deliveries_are_applied().await;
    ivan.sync().await;
}

/// Bo has been told of exactly this many changes by others.
fn heard_of<'a>(told: &Answer<'a>, times: usize) {
    let text = told.text();
    assert_eq!(text.lines().count(), times, "{text}");
}

#[rstest]
#[case(CLICKUP)]
#[case(GITHUB)]
#[tokio::test]
async fn a_completion_and_its_undo_are_told_once_each(#[case] at: At) {
    ivan_test(shared(), async |ivan| {
        ivan.hook_up();
        let task = at.task(ivan);
        ivan.dm(BO, "list").await.mentions(at.title);
        let dm = ivan.slack().dm(ANA);
        let front = match at.source {
            "ClickUp" => ivan.clickup().front(),
            _ => ivan.github().front(),
        };
        // Also if its answer is lost.
        front.fault(Fault::new(FaultKind::ApplyThenDrop).on(
            if at.source == "ClickUp" {
                "PUT"
            } else {
                "PATCH"
            },
            "",
        ));
        let done = ivan.says(ANA, &format!("done {task}"));
        done.settles().await.begins("✓ ");
        let told = ivan.is_told(BO).answers().await;
        told.begins(&format!(
            "{} was completed in {} by Ana, ",
            at.title, at.source
        ));
        it_comes_back(ivan).await;
        heard_of(&told, 1);
        ivan.slack().says(ANA, &dm, "undo");
        ivan.is_told(ANA).settles().await.begins("✓ Undone: ");
        let again = format!("{} was reopened in {} by Ana, ", at.title, at.source);
        let told = told
            .until(|posted| shown(&posted.text).contains(&again))
            .await;
        it_comes_back(ivan).await;
        ivan.dm(BO, "status").await;
        heard_of(&told, 2);
    })
    .await;
}

/// A task already in that state is not changed, and no notice is sent.
#[tokio::test]
async fn what_was_so_already_is_not_told() {
    ivan_test(shared(), async |ivan| {
        ivan.dm(BO, "list").await;
        ivan.github().close_as(REPO, 1, "bo");
        ivan.dm(ANA, "done #1")
            .await
            .begins("✓ Note: Login fails was already closed in GitHub, by bo on ");
        ivan.dm(BO, "status").await;
    })
    .await;
}

#[tokio::test]
async fn whoever_is_muted_or_not_concerned_hears_nothing() {
    ivan_test(shared(), async |ivan| {
        ivan.dm(BO, "list").await;
        let rent = ivan.clickup().task("Pay the rent").id().to_owned();
        ivan.dm(ANA, &format!("done clickup:{rent}"))
            .await
            .begins("✓ ");
        ivan.dm(BO, "mute").await;
        ivan.dm(ANA, &format!("comment on {}: shipped", CLICKUP.task(ivan)))
            .await
            .begins("✓ ");
        ivan.dm(BO, "status").await;
    })
    .await;
}

/// The quoted comment has no signature, and the task need not be theirs.
#[rstest]
#[case::clickup("Pay the rent", "ClickUp", "@Bo")]
#[case::github("Update the docs", "GitHub", "@bo")]
#[tokio::test]
async fn whom_a_comment_mentions_hears_of_it(
    #[case] title: &str,
    #[case] source: &str,
    #[case] called: &str,
) {
    ivan_test(shared(), async |ivan| {
        ivan.hook_up();
        ivan.dm(BO, "list").await;
        let task = match source {
            "ClickUp" => format!("clickup:{}", ivan.clickup().task(title).id()),
            _ => "#2".to_owned(),
        };
        ivan.dm(ANA, &format!("comment on {task}: nobody in particular"))
            .await
            .begins("✓ ");
        let text = format!("comment on {task}: <@U0BOB01>, how far?");
        ivan.says_wire(ANA, &text).settles().await.begins("✓ ");
        let said = format!("Ana commented on {title} in {source}: “{called}, how far?”");
        let told = ivan.is_told(BO).answers().await;
        told.replies(&said);
        it_comes_back(ivan).await;
        ivan.dm(BO, "status").await;
        told.replies(&said);
    })
    .await;
}

/// The same for a comment made in the source itself.
#[tokio::test]
async fn whom_a_comment_of_others_mentions_hears_of_it() {
    ivan_test(shared(), async |ivan| {
        ivan.hook_up();
        ivan.dm(BO, "list").await;
        ivan.github()
            .comment_as(REPO, 2, "ana", "@bob and `@bo` are not @BO.");
        let told = ivan.is_told(BO).answers().await;
        told.begins("ana commented on Update the docs in GitHub: ");
        ivan.github().comment_as(REPO, 2, "ana", "Nor is @bobby.");
        it_comes_back(ivan).await;
        ivan.dm(BO, "status").await;
        heard_of(&told, 1);
    })
    .await;
}

#[tokio::test]
async fn a_new_day_and_a_reopening_are_told() {
    ivan_test(shared(), async |ivan| {
        ivan.hook_up();
        let task = CLICKUP.task(ivan);
        ivan.dm(BO, "list").await;
        ivan.dm(ANA, &format!("due {task} tomorrow"))
            .await
            .begins("✓ ");
        let told = ivan.is_told(BO).answers().await;
        told.begins("Ana changed the due date of Renew cert in ClickUp to ");
        it_comes_back(ivan).await;
        heard_of(&told, 1);
        ivan.dm(ANA, &format!("done {task}")).await.begins("✓ ");
        ivan.dm(ANA, &format!("reopen {task}")).await.begins("✓ ");
        let told = told
            .until(|posted| {
                shown(&posted.text).contains("Renew cert was reopened in ClickUp by Ana, ")
            })
            .await;
        it_comes_back(ivan).await;
        ivan.dm(BO, "status").await;
        heard_of(&told, 3);
    })
    .await;
}

#[tokio::test]
async fn whose_a_task_was_for_a_moment_hears_that_it_is_not_any_more() {
    ivan_test(shared(), async |ivan| {
        ivan.hook_up();
        ivan.dm(BO, "list").await;
        let rent = ivan.clickup().task("Pay the rent").id().to_owned();
        ivan.dm(ANA, &format!("assign clickup:{rent} Bo"))
            .await
            .begins("✓ ");
        let told = ivan.is_told(BO).answers().await;
        told.begins("Pay the rent was assigned to you in ClickUp by Ana, ");
        it_comes_back(ivan).await;
        ivan.dm(ANA, "undo").await.begins("✓ Undone: ");
        let told = told
            .until(|posted| {
                shown(&posted.text).contains("Ana unassigned you from Pay the rent in ClickUp, ")
            })
            .await;
        it_comes_back(ivan).await;
        ivan.dm(BO, "status").await;
        heard_of(&told, 2);
    })
    .await;
}
