//! P5: the source is right. Its current state decides, and the person learns it.

use ivan::sandbox::fault_server::{Fault, FaultKind, Gate};
use serde_json::{Value, json};

use crate::harness::*;

const OTHER_LIST: &str = "901100000002";

// ------------------------------------------------------------ tasks already in that state

#[tokio::test]
async fn a_task_completed_elsewhere_is_a_success_that_says_so() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        ivan.clickup()
            .set_status("Renew cert", "shipped", BO_CLICKUP);
        let answer = ivan.dm(ANA, "done").await;
        answer.begins("✓ Note: Renew cert was already shipped in ClickUp, on ");
        answer.mentions(" (completed externally). Next: Write the runbook");
        // It was not overwritten.
        ivan.clickup().task("Renew cert").is("shipped");
    })
    .await;
}

#[tokio::test]
async fn an_issue_closed_elsewhere_is_a_success_that_says_by_whom() {
    ivan_test(two_issues(), async |ivan| {
        ivan.dm(ANA, "current").await.mentions("Login fails");
        ivan.github().close_as(REPO, 1, "bo");
        let answer = ivan.dm(ANA, "done -c fixed in 2.1").await;
        answer.begins("✓ Note: Login fails was already closed in GitHub, by bo on ");
        answer.mentions(" (completed externally), with your comment. Next: Update the docs");
        ivan.github().issue(REPO, 1).has_comments(["fixed in 2.1"]);
        let seen = ivan.github().front().journal();
        assert!(!seen.iter().any(|one| one.method == "PATCH"), "{seen:#?}");
    })
    .await;
}

#[tokio::test]
async fn over_http_what_was_already_so_is_a_success_with_conflict() {
    ivan_test(two_issues(), async |ivan| {
        ivan.github().close_as(REPO, 1, "bo");
        let path = "/tasks/github%3Aacme%2Fwidgets%231/complete";
        let (status, answer) = ivan.http("POST", path, None).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer["success"], true);
        assert_eq!(answer["conflict"], true);
        assert_eq!(answer["current_state"], "closed");
    })
    .await;
}

#[tokio::test]
async fn closing_in_the_moment_of_a_lost_answer_is_told_apart_from_our_own() {
    ivan_test(two_issues(), async |ivan| {
        // Ivan's request never arrives, and Bo closes it before the retry.
        let front = ivan.github().front();
        front.fault(Fault::new(FaultKind::Hang).on("PATCH", "/issues/1"));
        ivan.says(ANA, "done #1");
        ivan.asks(front, "PATCH", "/issues/1", 1).await;
        ivan.github().close_as(REPO, 1, "bo");
        front.cut();
        let answer = ivan.answer(ANA, 0).settles().await;
        answer.begins("✓ Note: Login fails was already closed in GitHub, by bo on ");
    })
    .await;
}

// ------------------------------------------------------------ tasks reopened meanwhile

#[tokio::test]
async fn what_was_reopened_since_a_lost_answer_stays_open() {
    ivan_test(two_issues(), async |ivan| {
        let front = ivan.github().front();
        front.fault(Fault::new(FaultKind::ApplyThenHang).on("PATCH", "/issues/1"));
        ivan.says(ANA, "done #1");
        ivan.applies(front, "PATCH", "/issues/1", 1).await;
        ivan.github().reopen_as(REPO, 1, "bo");
        front.cut();
        let answer = ivan.answer(ANA, 0).settles().await;
        answer.begins("✓ Note: Login fails was completed, and reopened in GitHub since (");
        answer.mentions("), so I left it open");
        ivan.github().issue(REPO, 1).is("open");
    })
    .await;
}

#[tokio::test]
async fn what_had_been_reopened_before_is_closed_all_the_same() {
    ivan_test(two_issues(), async |ivan| {
        ivan.github().close_as(REPO, 1, "bo");
        ivan.github().reopen_as(REPO, 1, "bo");
        // The first attempt never arrives; a comment meanwhile reopens nothing.
        let front = ivan.github().front();
        front.fault(Fault::new(FaultKind::Hang).on("PATCH", "/issues/1"));
        ivan.says(ANA, "done #1");
        ivan.asks(front, "PATCH", "/issues/1", 1).await;
        ivan.github().comment_as(REPO, 1, "bo", "still there");
        front.cut();
        let answer = ivan.answer(ANA, 0).settles().await;
        answer.begins("✓ Issue closed in GitHub: Login fails");
        ivan.github().issue(REPO, 1).is("closed");
        ivan.sync().await;
        let notice = ivan.is_told(ANA).answers().await;
        notice.mentions("bo commented on Login fails in GitHub: “still there”");
    })
    .await;
}

// ------------------------------------------------------------ lists and tasks that changed

#[tokio::test]
async fn a_status_that_was_renamed_in_the_list_is_found_anew() {
    ivan_test(two_tasks(), async |ivan| {
        // Now the list's statuses are cached.
        let runbook = ivan.clickup().task("Write the runbook");
        ivan.dm(ANA, &format!("done clickup:{}", runbook.id()))
            .await
            .begins("✓ Task completed");
        let list = ivan.clickup().list_id().to_owned();
        ivan.clickup().set_statuses(
            &list,
            json!([
                {"status": "to do", "orderindex": 0, "color": "#d3d3d3", "type": "open"},
                {"status": "Archived", "orderindex": 1, "color": "#6bc950", "type": "closed"},
            ]),
        );
        ivan.dm(ANA, "done")
            .await
            .begins("✓ Task completed in ClickUp: Renew cert");
        ivan.clickup().task("Renew cert").is("Archived");
    })
    .await;
}

#[tokio::test]
async fn what_was_deleted_is_refused_and_the_next_is_shown() {
    let world = two_tasks().github_issues([json!({"title": "Login fails"})]);
    ivan_test(world, async |ivan| {
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        ivan.clickup().delete_task("Renew cert");
        let answer = ivan.dm(ANA, "done").await;
        answer.begins("✗ Not completed: Renew cert. ClickUp can't find ");
        answer.mentions("was deleted");
        answer.mentions(" Next: ");
        ivan.github().delete_issue(REPO, 1);
        let answer = ivan.dm(ANA, "comment on #1: shipped").await;
        answer.begins("✗ Comment not added: Login fails. GitHub can't find ");
        answer.mentions("was deleted");
        ivan.dm(ANA, "list")
            .await
            .replies("1. Write the runbook · ClickUp · to do");
    })
    .await;
}

#[tokio::test]
async fn what_moved_out_of_sight_is_refused_and_leaves_the_queue() {
    let world = two_tasks().github_issues([json!({"title": "Login fails"})]);
    ivan_test(world, async |ivan| {
        ivan.github().add_repo("other/place", 6001);
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        ivan.clickup().move_task("Renew cert", OTHER_LIST);
        let answer = ivan.dm(ANA, "done").await;
        answer.begins("✗ Not completed: Renew cert. I don't follow the list of ");
        answer.mentions("I don't follow the list of ");
        answer.mentions(". Next: ");
        let number = ivan.github().transfer_issue(REPO, 1, "other/place");
        let answer = ivan.dm(ANA, "done #1").await;
        answer.begins("✗ Not completed: Login fails. ");
        answer.mentions(&format!("github:other/place#{number}"));
        ivan.dm(ANA, "list")
            .await
            .replies("1. Write the runbook · ClickUp · to do");
        // Nothing was written to either.
        ivan.github().issue("other/place", number).is("open");
        assert_ne!(ivan.clickup().task("Renew cert").status(), "closed");
        // In a followed list again, it is work again.
        let inbox = ivan.clickup().list_id().to_owned();
        ivan.clickup().move_task("Renew cert", &inbox);
        let (status, answer) = ivan
            .http("POST", "/sync", Some(json!({"full": true})))
            .await;
        assert_eq!(status, 200, "{answer}");
        ivan.dm(ANA, "list").await.mentions("Renew cert");
    })
    .await;
}

#[tokio::test]
async fn what_is_locked_or_archived_is_refused_with_what_to_do() {
    ivan_test(two_issues(), async |ivan| {
        // People with push access may comment on locked issues.
        ivan.github().permit(REPO, false, false);
        ivan.github().lock_issue(REPO, 1, true);
        let answer = ivan.dm(ANA, "comment on #1: shipped").await;
        answer.begins("✗ Comment not added: Login fails. GitHub doesn't let me change ");
        answer.mentions("Unlock the conversation in GitHub first");
        ivan.github().archive_repo(REPO, true);
        for typed in [
            "done #2",
            "comment on #2: shipped",
            "create Fix login -s github",
        ] {
            let answer = ivan.dm(ANA, typed).await;
            answer
                .begins("✗ ")
                .mentions("Unarchive the repository in GitHub first");
        }
        ivan.github().issue(REPO, 1).has_comments([]);
        ivan.github().issue(REPO, 2).is("open").has_comments([]);
    })
    .await;
}

// ------------------------------------------------------------ renamed places

#[tokio::test]
async fn a_renamed_repository_goes_on_working() {
    ivan_test(two_issues(), async |ivan| {
        ivan.github().rename_repo(REPO, "acme/gears");
        ivan.dm(ANA, "done #1")
            .await
            .begins("✓ Issue closed in GitHub: Login fails");
        ivan.dm(ANA, "comment on github:acme/widgets#2: shipped")
            .await
            .begins("✓ Comment added in GitHub: Update the docs");
        ivan.dm(ANA, "create Fix login -s github")
            .await
            .begins("✓ Issue created in GitHub: Fix login (acme/gears#3)");
        ivan.github().issue("acme/gears", 1).is("closed");
        ivan.github()
            .issue("acme/gears", 2)
            .has_comments(["shipped"]);
    })
    .await;
}

#[tokio::test]
async fn a_name_that_a_stranger_took_gets_no_write() {
    ivan_test(two_issues(), async |ivan| {
        ivan.github().rename_repo(REPO, "acme/gears");
        ivan.github().add_repo(REPO, 6666);
        for title in ["Theirs", "Theirs too"] {
            ivan.github().add_issue(REPO, json!({"title": title}));
        }
        ivan.dm(ANA, "done #1")
            .await
            .begins("✓ Issue closed in GitHub: Login fails");
        let answer = ivan.dm(ANA, "create Fix login -s github").await;
        answer.begins(
            "✗ Not created: Fix login. acme/widgets is now a different repository in GitHub",
        );
        // Also by a daemon that has the new name in its store only.
        ivan.kill_and_restart().await;
        ivan.dm(ANA, "comment on #2: shipped")
            .await
            .begins("✓ Comment added in GitHub: Update the docs");
        ivan.dm(ANA, "create Fix login -s github")
            .await
            .begins("✗ ");
        ivan.github().issue("acme/gears", 1).is("closed");
        ivan.github()
            .issue("acme/gears", 2)
            .has_comments(["shipped"]);
        let theirs = ivan.github().issues(REPO);
        assert_eq!(theirs.len(), 2, "{theirs:#?}");
        assert!(
            theirs
                .iter()
                .all(|one| one["state"] == "open" && one["comments"] == 0)
        );
    })
    .await;
}

// ------------------------------------------------------------ a revoked token

#[tokio::test]
async fn with_a_revoked_token_nothing_is_lost_and_all_goes_on_once_it_works() {
    let world = two_tasks().github_issues([json!({"title": "Login fails"})]);
    ivan_test(world, async |ivan| {
        ivan.clickup().revoke_token();
        ivan.github().revoke_token();
        let cert = ivan.clickup().task("Renew cert");
        let comments = [
            (
                format!("comment on clickup:{}: shipped", cert.id()),
                "clickup.token",
            ),
            ("comment on #1: shipped".to_owned(), "github.token"),
        ];
        for (typed, key) in &comments {
            let answer = ivan.says(ANA, typed).answers().await;
            answer.begins("… Comment on ").mentions(key);
        }
        ivan.clickup().accept_token();
        ivan.github().accept_token();
        // A successful read wakes the waiting writes.
        let (_, answer) = ivan.http("POST", "/sync", None).await;
        assert_eq!(
            answer["sources"]["clickup"]["error"],
            Value::Null,
            "{answer}"
        );
        for place in 0..2 {
            ivan.answer(ANA, place)
                .settles()
                .await
                .begins("✓ Comment added");
        }
        cert.has_comments(["shipped"]);
        ivan.github().issue(REPO, 1).has_comments(["shipped"]);
    })
    .await;
}

#[tokio::test]
async fn a_restart_with_a_valid_token_carries_out_what_waited_at_once() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.clickup().revoke_token();
        let cert = ivan.clickup().task("Renew cert");
        let answer = ivan
            .says(ANA, &format!("done clickup:{}", cert.id()))
            .answers()
            .await;
        answer
            .begins("… Completion of Renew cert")
            .mentions("clickup.token");
        ivan.kill().await;
        ivan.clickup().accept_token();
        ivan.start().await;
        ivan.answer(ANA, 0)
            .settles()
            .await
            .begins("✓ Task completed in ClickUp: Renew cert");
        cert.is("complete");
    })
    .await;
}

#[tokio::test]
async fn what_ivan_has_just_done_for_somebody_else_is_not_called_external() {
    let world = Setup::new()
        .people()
        .github_issues([json!({"title": "Login fails", "assignees": ["ana", "bo"]})]);
    ivan_test(world, async |ivan| {
        // GitHub has closed it for Ana, and its answer is on the way.
        let gate = Gate::new();
        let front = ivan.github().front();
        front.fault(Fault::new(FaultKind::ApplyThenWait(gate.clone())).on("PATCH", "/issues/1"));
        let anas = ivan.says(ANA, "done #1");
        ivan.applies(front, "PATCH", "/issues/1", 1).await;
        ivan.dm(BO, "done #1")
            .await
            .begins("✓ Already closed in GitHub: Login fails");
        gate.open();
        anas.settles()
            .await
            .begins("✓ Issue closed in GitHub: Login fails");
        ivan.is_told(BO)
            .answers()
            .await
            .begins("Login fails was completed in GitHub by Ana, ");
    })
    .await;
}

#[tokio::test]
async fn what_somebody_else_did_after_ivan_is_called_theirs() {
    ivan_test(two_issues(), async |ivan| {
        ivan.dm(ANA, "done #1").await.begins("✓ Issue closed");
        ivan.github().reopen_as(REPO, 1, "bo");
        ivan.github().close_as(REPO, 1, "bo");
        ivan.dm(ANA, "done #1")
            .await
            .begins("✓ Note: Login fails was already closed in GitHub, by bo on ")
            .mentions("(completed externally)");
    })
    .await;
}
