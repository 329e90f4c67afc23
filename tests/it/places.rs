//! Archived lists and repositories, and tasks in several lists.

use ivan::sandbox::Sandbox;
use rstest::rstest;
use serde_json::json;

use crate::harness::*;

const INBOX: &str = "901100000001";
const ROADMAP: &str = "901100000002";

/// A task of the Inbox and one of the Roadmap; both lists are followed, and Ana is an operator.
fn two_lists() -> Setup {
    Setup::new()
        .without_github()
        .clickup_tasks([
            json!({"name": "Renew cert", "updated_days_ago": 3}),
            json!({"name": "Plan the year", "list": ROADMAP, "updated_days_ago": 3}),
        ])
        .config("clickup.lists = [\"901100000002\"]\nslack.operators = [\"U0ANN01\"]")
}

const TOLD: &str = "✗ The list Roadmap is archived in ClickUp, so its tasks are hidden. Restore it there, or remove 901100000002 from \
 clickup.list_id or clickup.lists.";

#[tokio::test]
async fn tasks_of_an_archived_list_are_not_offered_and_that_is_said() {
    let setup = two_lists().before(|sandbox| sandbox.clickup.archive_list(ROADMAP, true));
    ivan_test(setup, async |ivan| {
        ivan.is_told(ANA).answers().await.replies(TOLD);
        ivan.logs("the list is archived, so its tasks are hidden id=901100000002 name=Roadmap")
            .await;
        ivan.dm(BO, "list")
            .await
            .replies("1. Renew cert · ClickUp · to do");
        ivan.dm(BO, "status")
            .await
            .mentions("ClickUp: 1 open, ")
            .mentions("; ✗ the list Roadmap is archived, so its tasks are hidden");
        let ran = ivan.cli(&["status"]).await;
        assert!(ran.out.contains("; ✗ Roadmap is archived"), "{}", ran.out);
        let (_, status) = ivan.http("GET", "/status", None).await;
        assert_eq!(status["sources"]["clickup"]["archived"], json!(["Roadmap"]));
        // No task is made in a place that is hidden.
        ivan.dm(BO, "create Dream -l roadmap")
            .await
            .begins("✗ The list Roadmap is archived in ClickUp");
        assert!(ivan.clickup().tasks_named("Dream").is_empty());
        // The archiving and its end are reported once each; then the tasks are back at once.
        ivan.sync().await;
        ivan.kill_and_restart().await;
        let told = ivan.is_told(ANA);
        ivan.clickup().archive_list(ROADMAP, false);
        ivan.sync().await;
        told.answers()
            .await
            .replies("✓ The list Roadmap is no longer archived in ClickUp; its tasks are back.");
        ivan.dm(BO, "list").await.mentions("Plan the year");
    })
    .await;
}

/// The list that is archived while the daemon runs, the task that is left, and whether a full read finds it.
#[rstest]
#[case::further(ROADMAP, "Renew cert", false)]
#[case::further_in_full(ROADMAP, "Renew cert", true)]
#[case::the_default_one(INBOX, "Plan the year", false)]
#[tokio::test]
async fn a_list_that_is_archived_meanwhile_is_found_by_the_next_read(
    #[case] list: &str,
    #[case] left: &str,
    #[case] full: bool,
) {
    ivan_test(two_lists(), async |ivan| {
        ivan.dm(BO, "list").await.mentions("2. ");
        let told = ivan.is_told(ANA);
        ivan.clickup().archive_list(list, true);
        let body = Some(json!({"full": full}));
        assert_eq!(ivan.http("POST", "/sync", body).await.0, 200);
        told.answers()
            .await
            .mentions("is archived in ClickUp, so its tasks are hidden");
        let listed = ivan.dm(BO, "list").await;
        listed.begins(&format!("1. {left}"));
        assert!(!listed.text().contains("2. "), "{}", listed.text());
        // A hidden task can still be completed by its name.
        let hidden = match list {
            ROADMAP => "Plan the year",
            _ => "Renew cert",
        };
        let id = ivan.clickup().task(hidden).id().to_owned();
        ivan.dm(BO, &format!("done clickup:{id}"))
            .await
            .begins(&format!("✓ Task completed in ClickUp: {hidden}"));
    })
    .await;
}

#[tokio::test]
async fn the_default_list_archived_creates_nothing_and_forms_leave_it_out() {
    let setup = two_lists().before(|sandbox| sandbox.clickup.archive_list(INBOX, true));
    ivan_test(setup, async |ivan| {
        ivan.is_told(ANA).answers().await.begins("✗ The list Inbox");
        ivan.dm(BO, "create Dream")
            .await
            .begins("✗ The list Inbox is archived in ClickUp");
        ivan.dm(BO, "create Dream -l Roadmap")
            .await
            .begins("✓ Task created in ClickUp: Dream");
    })
    .await;
}

#[tokio::test]
async fn issues_of_an_archived_repository_are_not_offered() {
    let setup = two_issues()
        .without_clickup()
        .config("github.repos = [\"acme/gadgets\"]\nslack.operators = [\"U0ANN01\"]")
        .before(|sandbox: &Sandbox| {
            sandbox.github.add_repo("acme/gadgets", 6001);
            sandbox
                .github
                .add_issue("acme/gadgets", json!({"title": "Old news"}));
            sandbox.github.archive_repo("acme/gadgets", true);
        });
    ivan_test(setup, async |ivan| {
        ivan.is_told(ANA).answers().await.replies(
            "✗ The repository acme/gadgets is archived in GitHub, so its tasks are hidden. Restore it there, or \
             remove acme/gadgets from github.repo or github.repos.",
        );
        let listed = ivan.dm(BO, "list").await;
        listed.mentions("2. ");
        assert!(!listed.text().contains("Old news"), "{}", listed.text());
    })
    .await;
}

/// Only the Inbox is followed; `Plan the year` lives in the Roadmap and was added to the Inbox.
fn a_guest() -> Setup {
    Setup::new()
        .clickup_tasks([
            json!({"name": "Plan the year", "list": ROADMAP, "priority": 1, "updated_days_ago": 3}),
            json!({"name": "Not ours", "list": ROADMAP, "updated_days_ago": 3}),
            json!({"name": "Renew cert", "updated_days_ago": 3}),
        ])
        .before(|sandbox| {
            sandbox.clickup.add_to_list("Plan the year", INBOX, true);
        })
}

#[tokio::test]
async fn a_task_that_was_added_to_a_followed_list_is_followed() {
    ivan_test(a_guest(), async |ivan| {
        ivan.dm(ANA, "list")
            .await
            .replies("1. Plan the year · ClickUp · backlog\n2. Renew cert · ClickUp · to do");
        let id = ivan.clickup().task("Plan the year").id().to_owned();
        // Its statuses are those of its home list, which has neither `in review` nor `complete`.
        ivan.dm(ANA, &format!("start clickup:{id}"))
            .await
            .begins("✓");
        ivan.clickup().task(&id).is("doing");
        ivan.dm(ANA, &format!("done https://app.clickup.com/t/{id}"))
            .await
            .begins("✓ Task completed in ClickUp: Plan the year");
        ivan.clickup().task(&id).is("closed");
        ivan.dm(ANA, "undo").await.begins("✓ Undone: Plan the year");
        // A task in no followed list stays out.
        let other = ivan.clickup().task("Not ours").id().to_owned();
        ivan.dm(ANA, &format!("done clickup:{other}"))
            .await
            .mentions("I don't follow the list of ");
        ivan.clickup().task(&other).is("backlog");
    })
    .await;
}

/// Its webhooks name its home list alone; the daemon may have been restarted since it read the task.
#[rstest]
#[case::at_once(false)]
#[case::after_a_restart(true)]
#[tokio::test]
async fn webhooks_of_a_guest_count(#[case] restarted: bool) {
    ivan_test(a_guest().webhooks(), async |ivan| {
        ivan.hook_up();
        ivan.dm(ANA, "current").await.mentions("Plan the year");
        if restarted {
            ivan.kill_and_restart().await;
        }
        let told = ivan.is_told(ANA);
        ivan.clickup()
            .set_status("Plan the year", "closed", BO_CLICKUP);
        told.answers().await.mentions("Plan the year");
        ivan.until_deliveries_are_applied().await;
        let listed = ivan.dm(BO, "list").await;
        listed.replies("1. Renew cert · ClickUp · to do");
    })
    .await;
}

#[tokio::test]
async fn a_guest_that_leaves_the_list_is_not_offered_any_more() {
    ivan_test(a_guest(), async |ivan| {
        ivan.dm(BO, "list").await.mentions("Plan the year");
        let id = ivan.clickup().task("Plan the year").id().to_owned();
        ivan.clickup().add_to_list(&id, INBOX, false);
        let body = Some(json!({"full": true}));
        assert_eq!(ivan.http("POST", "/sync", body).await.0, 200);
        ivan.dm(BO, "list")
            .await
            .replies("1. Renew cert · ClickUp · to do");
        ivan.dm(BO, &format!("done clickup:{id}"))
            .await
            .mentions("I don't follow the list of ");
        // It is back with the next full read after it was added again.
        ivan.clickup().add_to_list(&id, INBOX, true);
        let body = Some(json!({"full": true}));
        assert_eq!(ivan.http("POST", "/sync", body).await.0, 200);
        ivan.dm(BO, "list").await.mentions("Plan the year");
    })
    .await;
}

/// Both lists are followed, and one is archived: the task counts as in the other.
#[rstest]
#[case::its_home_at_the_start(ROADMAP, true)]
#[case::its_home_meanwhile(ROADMAP, false)]
#[case::the_other_at_the_start(INBOX, true)]
#[case::the_other_meanwhile(INBOX, false)]
#[tokio::test]
async fn a_task_in_two_lists_is_offered_while_one_of_them_is_not_archived(
    #[case] list: &str,
    #[case] before: bool,
) {
    let mut ivan = a_guest()
        .config("clickup.lists = [\"901100000002\"]")
        .start()
        .await;
    if before {
        ivan.clickup().archive_list(list, true);
    }
    ivan.start().await;
    if !before {
        ivan.dm(BO, "list").await.mentions("Plan the year");
        ivan.clickup().archive_list(list, true);
        ivan.sync().await;
    }
    ivan.dm(BO, "list").await.begins("1. Plan the year");
    ivan.finish().await;
}
