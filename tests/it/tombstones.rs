//! The deletion of a task arrives before its creation: the task stays gone (P4), until its source shows it.

use ivan::sandbox::fault_server::{Fault, FaultKind, Gate};
use rstest::rstest;
use serde_json::json;

use crate::harness::*;

const ISSUES: &str = "/repos/acme/widgets/issues";

/// The number of open tasks in the mirror under a title.
fn open(ivan: &Ivan, title: &str) -> i64 {
    ivan.sql(&format!(
        "SELECT count(*) FROM tasks WHERE title LIKE '{title}%' AND gone = 0 AND away = 0"
    ))
}

/// The late delivery about an issue that was deleted meanwhile.
#[derive(Debug, Clone, Copy)]
enum Late {
    Opened,
    Renamed,
    Commented,
    Assigned,
}

#[rstest]
#[case::opened(Late::Opened)]
#[case::renamed(Late::Renamed)]
#[case::commented(Late::Commented)]
#[case::assigned(Late::Assigned)]
#[tokio::test]
async fn what_arrives_late_does_not_open_an_issue_that_was_deleted(#[case] late: Late) {
    ivan_test(two_issues().webhooks(), async |ivan| {
        ivan.hook_up();
        if !matches!(late, Late::Opened) {
            ivan.github().lose_next(1);
        }
        ivan.github().hold();
        let number = ivan.github().add_issue(REPO, json!({"title": "Typo"}));
        match late {
            Late::Opened => {}
            Late::Renamed => ivan.github().rename_issue(REPO, number, "Typo, again"),
            Late::Commented => {
                ivan.github().comment_as(REPO, number, "bo", "Never mind");
            }
            Late::Assigned => ivan.github().assign_as(REPO, number, "bo", &["ana"]),
        }
        ivan.github().delete_issue(REPO, number);
        ivan.github().release_reversed();
        ivan.until_deliveries_are_applied().await;
        assert_eq!(open(ivan, "Typo"), 0);
        let list = ivan.dm(ANA, "list").await.text();
        assert!(!list.contains("Typo"), "{list}");
        // A poll finds the same.
        ivan.sync().await;
        assert_eq!(open(ivan, "Typo"), 0);
    })
    .await;
}

#[tokio::test]
async fn a_delivery_that_failed_and_is_fetched_does_not_open_what_was_deleted() {
    ivan_test(two_issues().webhooks_without_secrets(), async |ivan| {
        let base = "https://bot.example";
        let here = ivan.hook_url("").trim_end_matches("/webhooks/").to_owned();
        ivan.github().tunnel(base, &here);
        ivan.clickup().tunnel(base, &here);
        let ran = ivan
            .cli_at_home(&["webhooks", "register", "--url", base])
            .await;
        assert_eq!(ran.exit, 0, "{ran:?}");
        ivan.github().lose_next(1);
        let number = ivan.github().add_issue(REPO, json!({"title": "Typo"}));
        ivan.until_deliveries_are_applied().await;
        ivan.github().delete_issue(REPO, number);
        ivan.until_deliveries_are_applied().await;
        ivan.kill_and_restart().await;
        ivan.logs("fetched a failed delivery").await;
        ivan.until_deliveries_are_applied().await;
        assert_eq!(open(ivan, "Typo"), 0);
    })
    .await;
}

/// An issue that Ivan has not read moves to another repository, and its `opened` comes after that.
#[rstest]
#[case::where_nobody_looks("acme/attic", false)]
#[case::to_another_that_is_followed("acme/gadgets", true)]
#[tokio::test]
async fn a_transferred_issue_is_open_in_one_place_at_most(
    #[case] to: &str,
    #[case] is_followed: bool,
) {
    let setup = two_issues()
        .webhooks()
        .config("github.repos = [\"acme/gadgets\"]");
    let mut ivan = setup.start().await;
    ivan.github().add_repo("acme/gadgets", 6001);
    ivan.github().add_repo("acme/attic", 6002);
    ivan.start().await;
    ivan.hook_up();
    ivan.github().hold();
    let number = ivan.github().add_issue(REPO, json!({"title": "Typo"}));
    ivan.github().transfer_issue(REPO, number, to);
    ivan.github().release_reversed();
    ivan.until_deliveries_are_applied().await;
    assert_eq!(open(&ivan, "Typo"), i64::from(is_followed));
    ivan.sync().await;
    assert_eq!(open(&ivan, "Typo"), i64::from(is_followed));
    ivan.finish().await;
}

#[tokio::test]
async fn a_deleted_task_of_clickup_stays_gone_and_comes_back_when_it_is_restored() {
    ivan_test(two_tasks().webhooks(), async |ivan| {
        ivan.hook_up();
        ivan.clickup().hold();
        let id = ivan.clickup().add_task(json!({"name": "Order labels"}));
        ivan.clickup().delete_task(&id);
        ivan.clickup().release_reversed();
        ivan.until_deliveries_are_applied().await;
        assert_eq!(open(ivan, "Order labels"), 0);
        ivan.clickup().restore_task(&id);
        ivan.sync().await;
        assert_eq!(open(ivan, "Order labels"), 1);
    })
    .await;
}

/// The mirror's state of the issue when the poll's page was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mirrored {
    No,
    /// An older state, so that the page has a newer one.
    Older,
}

#[rstest]
#[case::not_mirrored(Mirrored::No)]
#[case::mirrored_as_it_was(Mirrored::Older)]
#[tokio::test]
async fn a_page_that_was_read_before_the_deletion_opens_nothing(#[case] mirrored: Mirrored) {
    ivan_test(two_issues().webhooks(), async |ivan| {
        ivan.hook_up();
        if mirrored == Mirrored::No {
            ivan.github().lose_next(1);
        }
        let number = ivan.github().add_issue(REPO, json!({"title": "Typo"}));
        ivan.until_deliveries_are_applied().await;
        if mirrored == Mirrored::Older {
            ivan.github().lose_next(1);
            ivan.github().rename_issue(REPO, number, "Typo, again");
            ivan.until_deliveries_are_applied().await;
        }
        let gate = Gate::new();
        let front = ivan.github().front();
        let before = front.journal().len();
        let held = Fault::new(FaultKind::ApplyThenWait(gate.clone())).on("GET", ISSUES);
        front.fault(held);
        let walk = ivan.http("POST", "/sync", Some(json!({"full": true})));
        let delete = async {
            let read = front.until(move |journal| {
                let mut since = journal.iter().skip(before);
                since.any(|seen| seen.is("GET", ISSUES))
            });
            ivan.within("the page is asked for", read).await;
            ivan.github().delete_issue(REPO, number);
            ivan.until_deliveries_are_applied().await;
            gate.open();
        };
        let ((status, synced), ()) = tokio::join!(walk, delete);
        assert_eq!(status, 200, "{synced}");
        assert_eq!(open(ivan, "Typo"), 0);
        let gone: i64 = ivan.sql("SELECT count(*) FROM tasks WHERE title LIKE 'Typo%' AND gone");
        assert_eq!(gone, 1, "its page was applied");
    })
    .await;
}

/// The same with ClickUp, where a task in the trash may have been read meanwhile.
#[tokio::test]
async fn a_page_of_clickup_that_was_read_before_the_deletion_opens_nothing() {
    ivan_test(two_tasks().webhooks(), async |ivan| {
        ivan.hook_up();
        ivan.clickup().hold();
        let id = ivan.clickup().add_task(json!({"name": "Order labels"}));
        let gate = Gate::new();
        let front = ivan.clickup().front();
        let before = front.journal().len();
        let path = format!("/list/{}/task", ivan.clickup().list_id());
        let held = Fault::new(FaultKind::ApplyThenWait(gate.clone())).on("GET", &path);
        front.fault(held);
        let walk = ivan.http("POST", "/sync", Some(json!({"full": true})));
        let delete = async {
            let read = front.until(move |journal| {
                let mut since = journal.iter().skip(before);
                since.any(|seen| seen.is("GET", &path))
            });
            ivan.within("the page is asked for", read).await;
            ivan.clickup().delete_task(&id);
            ivan.clickup().release_reversed();
            ivan.until_deliveries_are_applied().await;
            gate.open();
        };
        let ((status, synced), ()) = tokio::join!(walk, delete);
        assert_eq!(status, 200, "{synced}");
        assert_eq!(open(ivan, "Order labels"), 0);
        ivan.clickup().restore_task(&id);
        ivan.sync().await;
        assert_eq!(open(ivan, "Order labels"), 1);
    })
    .await;
}
