//! `undo`: the person's own last effect is reverted, once, if its source still is as Ivan left it.

use ivan::sandbox::fault_server::{Fault, FaultKind, FaultServer, Gate};
use rstest::rstest;
use serde_json::json;

use crate::harness::*;

/// Two tasks and two issues: `Renew cert` is first, then `Login fails`.
fn both() -> Setup {
    two_tasks().github_issues([
        json!({"title": "Login fails", "labels": ["P0"]}),
        json!({"title": "Update the docs", "labels": ["P1"]}),
    ])
}

const NOTHING_MORE: &str =
    "✗ Nothing more to undo in the last 15 minutes. To redo something, type the command again.";
const NOTHING: &str = "✗ Nothing to undo in the last 15 minutes.";

/// A list that is followed if `clickup.lists` names it.
const OTHER_LIST: &str = "901100000002";

fn writes(front: &FaultServer) -> usize {
    let seen = front.journal();
    seen.iter()
        .filter(|one| one.method != "GET" && one.applied)
        .count()
}

// ------------------------------------------------------------ each effect

#[tokio::test]
async fn a_completion_is_taken_back_to_the_status_before() {
    let setup = Setup::new()
        .clickup_tasks([
            json!({"name": "Renew cert", "priority": 1, "status": "in review"}),
            json!({"name": "Write the runbook"}),
        ])
        .github_issues([json!({"title": "Login fails", "labels": ["bug"]})]);
    ivan_test(setup, async |ivan| {
        ivan.dm(ANA, "current").await;
        ivan.dm(ANA, "done").await.begins("✓ Task completed");
        ivan.dm(ANA, "undo").await.replies(
            "✓ Undone: Renew cert is in review again in ClickUp. It's your current task again.",
        );
        ivan.clickup().task("Renew cert").is("in review");
        ivan.dm(BO, "done #1").await.begins("✓ Issue closed");
        ivan.dm(BO, "undo")
            .await
            .replies("✓ Undone: Login fails is open again in GitHub");
        let issue = ivan.github().issue(REPO, 1);
        issue.is("open");
        assert_eq!(issue.labels(), ["bug"]);
        // The pin is where it was, and `done` is about it.
        ivan.dm(BO, "done")
            .await
            .begins("✓ Task completed in ClickUp: Renew cert. Next: ");
    })
    .await;
}

#[tokio::test]
async fn a_comment_is_deleted() {
    ivan_test(both(), async |ivan| {
        ivan.dm(ANA, "current").await;
        ivan.clickup()
            .comment_by("Renew cert", BO_CLICKUP, "shipped");
        ivan.dm(ANA, "comment shipped").await.begins("✓ Comment");
        ivan.dm(ANA, "undo")
            .await
            .replies("✓ Undone: your comment on Renew cert was deleted in ClickUp");
        // Bo's comment with the same text stays.
        ivan.clickup().task("Renew cert").has_comments(["shipped"]);
        ivan.dm(BO, "comment on #1: a\n\nb & c")
            .await
            .begins("✓ Comment");
        ivan.dm(BO, "undo")
            .await
            .replies("✓ Undone: your comment on Login fails was deleted in GitHub");
        ivan.github().issue(REPO, 1).has_comments([]);
    })
    .await;
}

/// A text with many mentions is compared without a request for each, and 50 of them are mentions.
#[tokio::test]
async fn a_comment_of_thousands_of_mentions_is_deleted() {
    ivan_test(both().people(), async |ivan| {
        let key = format!("clickup:{}", ivan.clickup().task("Renew cert").id());
        let ask = |times: usize| "@Bo, please! ".repeat(times);
        // 60,000 characters over HTTP.
        let path = format!("/tasks/{key}/comment");
        let body = json!({"text": ask(60_000 / 13)});
        let as_ana = [("X-Ivan-Actor", "Ana")];
        let (status, answer) = ivan.http_with("POST", &path, Some(body), &as_ana).await;
        assert_eq!(status, 200, "{answer}");
        let mentions = ivan.clickup().task("Renew cert").mentions();
        assert_eq!(mentions, [BO_CLICKUP; 50]);
        let (status, answer) = ivan.http_with("POST", "/undo", None, &as_ana).await;
        assert_eq!(status, 200, "{answer}");
        ivan.clickup().task("Renew cert").has_comments([]);
        // 40,000 by Slack, to each source.
        for at in [key.as_str(), "#1"] {
            let text = format!("comment on {at}: {}", ask(40_000 / 13 - 5));
            ivan.dm(ANA, &text).await.begins("✓ Comment added");
            ivan.dm(ANA, "undo")
                .await
                .begins("✓ Undone: your comment on ");
        }
        ivan.clickup().task("Renew cert").has_comments([]);
        ivan.github().issue(REPO, 1).has_comments([]);
        ivan.counts("ivan_bounds_reached_total{bound=\"mentions\"} 3")
            .await;
    })
    .await;
}

#[tokio::test]
async fn a_creation_is_deleted_or_closed() {
    ivan_test(both(), async |ivan| {
        ivan.dm(ANA, "create Buy milk -e acme\ntwo litres")
            .await
            .begins("✓ Task created");
        ivan.dm(ANA, "undo")
            .await
            .replies("✓ Undone: Buy milk was deleted in ClickUp");
        assert!(ivan.clickup().tasks_named("Buy milk").is_empty());
        ivan.dm(BO, "create Fix login -s github")
            .await
            .begins("✓ Issue created");
        ivan.dm(BO, "undo")
            .await
            .replies("✓ Undone: Fix login was closed in GitHub as not planned");
        let issue = ivan.github().issue(REPO, 3);
        issue.is("closed");
        assert_eq!(issue.json()["state_reason"], "not_planned");
        // Neither is offered any more.
        ivan.dm(BO, "list").await.replies(
            "1. Renew cert · ClickUp · to do\n2. Login fails · GitHub acme/widgets#1 · open\n\
             3. Update the docs · GitHub acme/widgets#2 · open\n4. Write the runbook · ClickUp · to do",
        );
    })
    .await;
}

/// If others have worked on the created task, its undo would lose their work.
#[rstest]
#[case::a_comment("someone has commented on it", |ivan: &Ivan| {
    ivan.github().comment_as(REPO, 3, "bo", "on it");
})]
#[case::an_assignee("its assignees changed", |ivan: &Ivan| {
    ivan.github().assign_as(REPO, 3, "bo", &["bo"]);
})]
#[case::a_label("its labels changed", |ivan: &Ivan| {
    ivan.github().label_as(REPO, 3, "bo", &["bug"]);
})]
#[case::a_dependency("its dependencies changed", |ivan: &Ivan| {
    ivan.github().wait_for((REPO, 3), (REPO, 1), true);
})]
#[case::a_parent("its parent changed", |ivan: &Ivan| {
    ivan.github().put_under((REPO, 3), Some((REPO, 1)));
})]
#[tokio::test]
async fn a_new_issue_that_somebody_has_gone_on_with_stays_open(
    #[case] how: &str,
    #[case] goes_on: fn(&Ivan),
) {
    ivan_test(both(), async |ivan| {
        ivan.dm(ANA, "create Fix login -s github")
            .await
            .begins("✓ Issue created");
        goes_on(ivan);
        let refused = ivan.dm(ANA, "undo").await;
        refused.begins("✗ ").mentions(&format!(
            "It changed in GitHub since ({how}), so I left it as it is"
        ));
        ivan.github().issue(REPO, 3).is("open");
    })
    .await;
}

#[tokio::test]
async fn a_start_is_taken_back_with_its_pin() {
    let mut ivan = both().start().await;
    ivan.start().await;
    ivan.dm(ANA, "current").await.mentions("Renew cert");
    let runbook = ivan.clickup().task("Write the runbook");
    ivan.dm(ANA, &format!("start clickup:{}", runbook.id()))
        .await
        .begins("✓ Task started");
    ivan.dm(BO, "start #2").await.begins("✓ Issue started");
    ivan.dm(BO, "undo").await.replies(
        "✓ Undone: Update the docs is no longer in progress in GitHub. Next: Write the runbook",
    );
    assert_eq!(ivan.github().issue(REPO, 2).labels(), ["P1"]);
    runbook.is("in review");
    ivan.dm(ANA, "undo")
        .await
        .replies("✓ Undone: Write the runbook is to do again in ClickUp. Next: Renew cert");
    runbook.is("to do");
    ivan.finish().await;
}

#[tokio::test]
async fn a_reopening_is_taken_back() {
    let setup = Setup::new()
        .clickup_tasks([json!({"name": "Renew cert", "status": "shipped"})])
        .github_issues([json!({"title": "Login fails", "state": "closed"})]);
    ivan_test(setup, async |ivan| {
        let cert = ivan.clickup().task("Renew cert");
        ivan.dm(ANA, &format!("reopen clickup:{}", cert.id()))
            .await
            .begins("✓ Task reopened");
        ivan.dm(ANA, "undo")
            .await
            .replies("✓ Undone: Renew cert is shipped again in ClickUp");
        cert.is("shipped");
        ivan.dm(BO, "reopen #1").await.begins("✓ Issue reopened");
        ivan.dm(BO, "undo")
            .await
            .replies("✓ Undone: Login fails is closed again in GitHub");
        ivan.github().issue(REPO, 1).is("closed");
    })
    .await;
}

/// The reason for which the issue is closed, and its words in the answer.
#[rstest]
#[case::completed("completed", "")]
#[case::not_planned("not_planned", " as not planned")]
#[case::duplicate("duplicate", " as a duplicate")]
#[tokio::test]
async fn a_reopened_issue_is_closed_again_for_the_same_reason(
    #[case] reason: &str,
    #[case] said: &str,
    #[values(false, true)] lost: bool,
) {
    let setup = Setup::new().github_issues([
        json!({"title": "Login fails", "state": "closed", "state_reason": reason}),
    ]);
    ivan_test(setup, async |ivan| {
        let github = ivan.github();
        if lost {
            let fault = Fault::new(FaultKind::ApplyThenDrop);
            github.front().fault(fault.on("PATCH", "/issues/1"));
        }
        ivan.dm(ANA, "reopen #1").await.begins("✓ Issue reopened");
        github.issue(REPO, 1).is("open");
        if lost {
            let fault = Fault::new(FaultKind::ApplyThenDrop);
            github.front().fault(fault.on("PATCH", "/issues/1"));
        }
        ivan.dm(ANA, "undo").await.replies(&format!(
            "✓ Undone: Login fails is closed again in GitHub{said}"
        ));
        let issue = github.issue(REPO, 1);
        issue.is("closed");
        assert_eq!(issue.json()["state_reason"], reason);
        assert_eq!(writes(github.front()), 2);
    })
    .await;
}

#[tokio::test]
async fn an_issue_that_somebody_closed_otherwise_since_is_left_so() {
    let setup = Setup::new().github_issues([json!({"title": "Login fails", "state": "closed"})]);
    ivan_test(setup, async |ivan| {
        let github = ivan.github();
        ivan.dm(ANA, "reopen #1").await.begins("✓ Issue reopened");
        github.close_with_reason(REPO, 1, "bo", "not_planned");
        ivan.dm(ANA, "undo")
            .await
            .replies("✓ Already undone: Login fails is closed again in GitHub as not planned");
        let issue = github.issue(REPO, 1);
        assert_eq!(issue.json()["state_reason"], "not_planned");
        assert_eq!(writes(github.front()), 1);
    })
    .await;
}

#[tokio::test]
async fn a_completion_goes_back_with_its_comment() {
    ivan_test(both(), async |ivan| {
        ivan.dm(ANA, "current").await;
        ivan.dm(ANA, "done -c shipped").await.begins("✓ Task completed");
        ivan.dm(ANA, "undo").await.replies(
            "✓ Undone: Renew cert is to do again in ClickUp, and your comment was deleted. It's your current task \
             again.",
        );
        ivan.clickup().task("Renew cert").is("to do").has_comments([]);
        ivan.dm(BO, "done #1 -c shipped").await.begins("✓ Issue closed");
        ivan.dm(BO, "undo")
            .await
            .replies("✓ Undone: Login fails is open again in GitHub, and your comment was deleted");
        ivan.github().issue(REPO, 1).is("open").has_comments([]);
    })
    .await;
}

// ------------------------------------------------------------ the order of undos

#[tokio::test]
async fn undo_after_undo_takes_back_the_one_before_and_then_nothing() {
    ivan_test(both(), async |ivan| {
        ivan.dm(ANA, "undo").await.replies(NOTHING);
        ivan.dm(BO, "current").await;
        ivan.dm(ANA, "comment on #1: shipped").await.begins("✓ ");
        ivan.dm(BO, "done").await.begins("✓ Task completed");
        ivan.dm(ANA, "undo")
            .await
            .begins("✓ Undone: Renew cert is to do again");
        ivan.dm(BO, "undo")
            .await
            .replies("✓ Undone: your comment on Login fails was deleted in GitHub");
        ivan.dm(ANA, "undo").await.replies(NOTHING_MORE);
        ivan.dm(BO, "undo").await.replies(NOTHING_MORE);
    })
    .await;
}

#[tokio::test]
async fn two_undo_in_a_row_are_two() {
    ivan_test(both(), async |ivan| {
        ivan.dm(ANA, "comment on #1: first").await;
        ivan.dm(ANA, "comment on #1: second").await;
        let (one, other) = (ivan.says(ANA, "undo"), ivan.says(ANA, "undo"));
        one.settles()
            .await
            .begins("✓ Undone: your comment on Login fails");
        other
            .settles()
            .await
            .begins("✓ Undone: your comment on Login fails");
        ivan.github().issue(REPO, 1).has_comments([]);
        let seen = ivan.github().front().journal();
        let deleted = seen.iter().filter(|one| one.method == "DELETE");
        assert_eq!(deleted.count(), 2);
    })
    .await;
}

#[tokio::test]
async fn what_changed_nothing_is_passed_over() {
    ivan_test(both(), async |ivan| {
        ivan.dm(ANA, "list").await;
        ivan.dm(ANA, "comment on #2: shipped").await.begins("✓ ");
        ivan.github().close_as(REPO, 1, "bo");
        ivan.dm(BO, "done #1").await.begins("✓ Note: ");
        ivan.dm(BO, "done #99").await.begins("✗ Not completed");
        ivan.dm(ANA, "next").await;
        ivan.dm(ANA, "undo")
            .await
            .replies("✓ Undone: your comment on Update the docs was deleted in GitHub");
        ivan.github().issue(REPO, 1).is("closed");
    })
    .await;
}

#[tokio::test]
async fn undo_reaches_fifteen_minutes_back() {
    ivan_test(both(), async |ivan| {
        ivan.dm(ANA, "comment on #1: first").await;
        ivan.minutes_pass(2);
        ivan.dm(ANA, "comment on #1: second").await;
        ivan.minutes_pass(14);
        ivan.dm(ANA, "undo").await.begins("✓ Undone: ");
        ivan.github().issue(REPO, 1).has_comments(["first"]);
        ivan.minutes_pass(2);
        ivan.dm(BO, "undo").await.replies(NOTHING_MORE);
        ivan.minutes_pass(15);
        ivan.dm(BO, "undo").await.replies(
            "✗ Nothing to undo: your last action was more than 15 minutes ago. `reopen REF` reopens a task.",
        );
        ivan.github().issue(REPO, 1).has_comments(["first"]);
    })
    .await;
}

#[tokio::test]
async fn another_persons_effects_are_not_ones_own() {
    let setup = Setup::new().people().clickup_tasks([
        json!({"name": "Renew cert", "assignees": [ANA_CLICKUP, BO_CLICKUP]}),
        json!({"name": "Write the runbook", "assignees": [ANA_CLICKUP, BO_CLICKUP]}),
    ]);
    ivan_test(setup, async |ivan| {
        ivan.dm(ANA, "current").await;
        ivan.dm(ANA, "comment shipped").await.begins("✓ ");
        ivan.is_told(BO)
            .answers()
            .await
            .replies("Ana commented on Renew cert in ClickUp: “shipped”");
        ivan.dm(BO, "undo").await.replies(NOTHING);
        let (status, problem) = ivan
            .http_with("POST", "/undo", None, &[("X-Ivan-Actor", "Bo")])
            .await;
        assert_eq!(
            (status, &problem["type"]),
            (409, &json!("urn:ivan:problem:nothing-to-undo"))
        );
        ivan.clickup()
            .task("Renew cert")
            .has_comments(["shipped\n\n— Ana"]);
        let (status, answer) = ivan
            .http_with("POST", "/undo", None, &[("X-Ivan-Actor", "Ana")])
            .await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(
            answer["message"],
            "Undone: your comment on Renew cert was deleted in ClickUp"
        );
        ivan.clickup().task("Renew cert").has_comments([]);
    })
    .await;
}

#[tokio::test]
async fn who_has_moved_on_since_stays_there() {
    ivan_test(both(), async |ivan| {
        ivan.dm(ANA, "current").await;
        ivan.dm(ANA, "done").await.mentions("Next: Login fails");
        ivan.dm(ANA, "next").await.begins("Next: Update the docs");
        ivan.dm(ANA, "undo")
            .await
            .replies("✓ Undone: Renew cert is to do again in ClickUp");
        ivan.dm(BO, "current").await.begins("Update the docs");
    })
    .await;
}

// ------------------------------------------------------------ changed since

#[tokio::test]
async fn what_others_changed_since_is_said_and_left_alone() {
    ivan_test(both(), async |ivan| {
        let (clickup, github) = (ivan.clickup(), ivan.github());
        ivan.dm(ANA, "current").await;
        ivan.dm(ANA, "done").await.begins("✓ Task completed");
        clickup.set_status("Renew cert", "shipped", BO_CLICKUP);
        ivan.dm(ANA, "undo").await.replies(
            "✗ Not undone: Renew cert. It changed in ClickUp since (it is now shipped), so I left it as it is.",
        );
        clickup.task("Renew cert").is("shipped");
        // The person's own effect is still the last one.
        clickup.set_status("Renew cert", "complete", BO_CLICKUP);
        ivan.dm(BO, "undo").await.begins(
            "✗ Not undone: Renew cert. It changed in ClickUp since (it was completed again)",
        );
        ivan.dm(BO, "comment on #1: shipped").await.begins("✓ ");
        let comment = github.issue(REPO, 1).json()["comments"].as_u64();
        assert_eq!(comment, Some(1));
        let id = ivan.sql::<String>("SELECT trace FROM operations WHERE kind = 'comment'");
        github.edit_comment_as(id.parse().unwrap(), "bo", "shipped, I think");
        ivan.dm(ANA, "undo").await.replies(
            "✗ Not undone: Login fails. It changed in GitHub since (the comment was edited), so I left it as it is.",
        );
        github.issue(REPO, 1).has_comments(["shipped, I think"]);
    })
    .await;
}

#[rstest]
#[case::commented(|ivan: &Ivan| drop(ivan.clickup().comment_by("Buy milk", BO_CLICKUP, "two?")), "someone has commented on it")]
#[case::renamed(|ivan: &Ivan| ivan.clickup().rename_task("Buy milk", "Buy oat milk"), "its title changed")]
#[case::assigned(|ivan: &Ivan| ivan.clickup().as_person("Buy milk", BO_CLICKUP, &json!({"assignees": {"add": [BO_CLICKUP]}})), "its assignees changed")]
#[case::tagged(|ivan: &Ivan| ivan.clickup().tag("Buy milk", "ops", true, BO_CLICKUP), "its tags changed")]
#[case::completed(|ivan: &Ivan| ivan.clickup().set_status("Buy milk", "complete", BO_CLICKUP), "it is now complete")]
#[case::divided(|ivan: &Ivan| { let id = ivan.clickup().task("Buy milk").id().to_owned(); ivan.clickup().add_task(json!({"name": "Pay", "parent": id})); }, "it now has subtasks")]
#[case::moved(|ivan: &Ivan| ivan.clickup().move_task("Buy milk", OTHER_LIST), "it was moved to another list")]
#[case::put_under_another(|ivan: &Ivan| { let id = ivan.clickup().task("Renew cert").id().to_owned(); ivan.clickup().as_person("Buy milk", BO_CLICKUP, &json!({"parent": id})); }, "its parent changed")]
#[case::waiting(|ivan: &Ivan| ivan.clickup().wait_for("Buy milk", "Renew cert", true), "its dependencies changed")]
#[case::waited_for(|ivan: &Ivan| ivan.clickup().wait_for("Renew cert", "Buy milk", true), "its dependencies changed")]
#[case::with_a_file(|ivan: &Ivan| ivan.clickup().attach_by("Buy milk", BO_CLICKUP, "shop.png"), "someone has attached a file to it")]
#[case::with_a_checklist(|ivan: &Ivan| ivan.clickup().add_checklist("Buy milk", BO_CLICKUP, "Shops"), "it now has a checklist")]
#[tokio::test]
async fn a_task_that_others_have_touched_is_not_deleted(
    #[case] touch: fn(&Ivan),
    #[case] how: &str,
) {
    let setup = both().config(&format!("clickup.lists = [\"{OTHER_LIST}\"]"));
    ivan_test(setup, async |ivan| {
        ivan.dm(ANA, "create Buy milk")
            .await
            .begins("✓ Task created");
        let id = ivan.clickup().task("Buy milk").id().to_owned();
        touch(ivan);
        let answer = ivan.dm(ANA, "undo").await;
        answer.begins("✗ Not undone: ");
        answer.mentions(&format!(
            ". It changed in ClickUp since ({how}), so I left it as it is."
        ));
        assert!(!ivan.clickup().task(&id).json().is_null());
        let seen = ivan.clickup().front().journal();
        assert!(!seen.iter().any(|one| one.method == "DELETE"), "{seen:#?}");
    })
    .await;
}

#[tokio::test]
async fn a_comment_with_replies_is_not_deleted() {
    ivan_test(both(), async |ivan| {
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        ivan.dm(ANA, "comment shipped").await.begins("✓ Comment");
        let cert = ivan.clickup().task("Renew cert");
        let comment = cert.comment_ids().remove(0);
        ivan.clickup().reply_by(&comment, BO_CLICKUP, "to both?");
        ivan.dm(ANA, "undo").await.replies(
            "✗ Not undone: Renew cert. It changed in ClickUp since (someone has replied to the comment), so I left it \
             as it is.",
        );
        cert.has_comments(["shipped"]);
    })
    .await;
}

/// The mirror has the first 4,000 characters of a description.
#[tokio::test]
async fn a_long_description_is_compared_to_its_end() {
    ivan_test(both(), async |ivan| {
        let (clickup, github) = (ivan.clickup(), ivan.github());
        let long = "two litres, please\n".repeat(300);
        let create = |title: &str| format!("create {title}\n{long}");
        ivan.dm(ANA, &create("Buy milk"))
            .await
            .begins("✓ Task created");
        ivan.dm(ANA, "undo")
            .await
            .replies("✓ Undone: Buy milk was deleted in ClickUp");
        ivan.dm(BO, &create("Call home"))
            .await
            .begins("✓ Task created");
        let task = clickup.task("Call home");
        let text = task.json()["description"].as_str().unwrap().to_owned();
        assert!(text.len() > 5_000, "{text}");
        let more = format!("{text}and oats");
        clickup.as_person("Call home", BO_CLICKUP, &json!({"description": more}));
        let changed = |source: &str| {
            format!("It changed in {source} since (its description changed), so I left it as it is")
        };
        ivan.dm(BO, "undo").await.mentions(&changed("ClickUp"));
        assert!(!task.json().is_null());
        ivan.dm(ANA, &create("Fix login -s github"))
            .await
            .begins("✓ Issue created");
        ivan.dm(ANA, "undo")
            .await
            .begins("✓ Undone: Fix login was closed");
        ivan.dm(BO, &create("Test logout -s github"))
            .await
            .begins("✓ Issue created");
        let body = github.issue(REPO, 4).json()["body"]
            .as_str()
            .unwrap()
            .to_owned();
        let more = body.replacen("\n\n<!--", "\nand oats\n\n<!--", 1);
        assert_ne!(body, more);
        github.edit_issue_as(REPO, 4, "bo", &more);
        ivan.dm(BO, "undo").await.mentions(&changed("GitHub"));
        github.issue(REPO, 4).is("open");
    })
    .await;
}

#[tokio::test]
async fn what_others_took_back_already_is_a_success() {
    ivan_test(both(), async |ivan| {
        let (clickup, github) = (ivan.clickup(), ivan.github());
        ivan.dm(ANA, "current").await;
        ivan.dm(ANA, "done").await.begins("✓ Task completed");
        clickup.set_status("Renew cert", "in review", BO_CLICKUP);
        ivan.dm(ANA, "undo")
            .await
            .begins("✓ Already undone: Renew cert is in review again in ClickUp");
        ivan.dm(BO, "create Buy milk").await.begins("✓ ");
        clickup.delete_task("Buy milk");
        ivan.dm(BO, "undo")
            .await
            .replies("✓ Already undone: Buy milk is deleted in ClickUp");
        ivan.dm(ANA, "comment on #1: shipped").await.begins("✓ ");
        let id = ivan.sql::<String>("SELECT trace FROM operations WHERE kind = 'comment'");
        github.delete_comment_as(id.parse().unwrap(), "bo");
        let (status, answer) = ivan.http("POST", "/undo", None).await;
        assert_eq!((status, &answer["conflict"]), (200, &json!(true)));
        assert_eq!(
            answer["message"],
            "Already undone: your comment on Login fails is gone from GitHub"
        );
        // A completion, a creation, a comment, and nothing else.
        assert_eq!((writes(clickup.front()), writes(github.front())), (2, 1));
    })
    .await;
}

// ------------------------------------------------------------ queued, and under way

#[tokio::test]
async fn what_was_never_sent_is_cancelled() {
    ivan_test(both(), async |ivan| {
        ivan.dm(ANA, "current").await;
        ivan.clickup().front().down();
        let done = ivan.says(ANA, "done -c shipped").answers().await;
        done.begins("… Completion of Renew cert");
        ivan.dm(ANA, "undo").await.replies(
            "✓ Undone in time: Renew cert. Nothing changed in ClickUp. It's your current task again.",
        );
        done.becomes(
            "✗ Not completed: Renew cert. You undid it in time, so nothing changed. Your comment was not added either.",
        )
        .await;
        let create = ivan.says(BO, "create Buy milk").answers().await;
        create.begins("… Creation of Buy milk");
        // The request for this one broke: only the source can show whether it arrived.
        let undo = ivan.says(BO, "undo").answers().await;
        undo.begins("… Undo for Buy milk is waiting: ");
        ivan.clickup().front().up();
        undo.settles()
            .await
            .replies("✓ Undone in time: Buy milk. Nothing changed in ClickUp");
        create
            .settles()
            .await
            .begins("✗ Not created: Buy milk. You undid it in time");
        ivan.until_nothing_is_queued().await;
        ivan.dm(ANA, "current").await.begins("Renew cert");
        assert_eq!(writes(ivan.clickup().front()), 0);
        ivan.clickup().task("Renew cert").is("to do").has_comments([]);
    })
    .await;
}

/// The outbox has read the task, or is about to, while the undo is typed.
#[rstest]
#[case::it_was_open(false)]
#[case::it_was_done_by_another(true)]
#[tokio::test]
async fn what_is_cancelled_while_its_task_is_read_is_not_sent(#[case] done: bool) {
    ivan_test(both(), async |ivan| {
        let (cert, front) = (ivan.clickup().task("Renew cert"), ivan.clickup().front());
        if done {
            ivan.clickup().set_status(cert.id(), "complete", BO_CLICKUP);
        }
        let gate = Gate::new();
        front.fault(Fault::new(FaultKind::Wait(gate.clone())).on("GET", cert.id()));
        let asked = ivan.says(ANA, &format!("done clickup:{}", cert.id()));
        ivan.asks(front, "GET", cert.id(), 1).await;
        let (status, answer) = ivan.http("POST", "/undo", None).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(
            answer["message"],
            "Undone in time: Renew cert. Nothing changed in ClickUp"
        );
        let cancelled = "✗ Not completed: Renew cert. You undid it in time, so nothing changed.";
        asked.answers().await.replies(cancelled);
        // The read ends, and the lane goes on to the next.
        gate.open();
        ivan.dm(ANA, &format!("comment on clickup:{}: shipped", cert.id()))
            .await
            .begins("✓ Comment added");
        ivan.answer(ANA, 0).answers().await.replies(cancelled);
        assert_eq!(
            ivan.sql::<String>("SELECT state FROM operations WHERE kind = 'complete'"),
            "cancelled"
        );
        assert_eq!(writes(front), 1);
        cert.is(if done { "complete" } else { "to do" });
    })
    .await;
}

/// The request is sent and gets no answer: applied or not, its effect is searched for, and reverted if found.
#[rstest]
#[case::done("done clickup:{}", FaultKind::ApplyThenHang, "PUT", "/task/", true)]
#[case::done_in_vain("done clickup:{}", FaultKind::Hang, "PUT", "/task/", false)]
#[case::comment(
    "comment on clickup:{}: shipped",
    FaultKind::ApplyThenHang,
    "POST",
    "/comment",
    true
)]
#[case::comment_in_vain(
    "comment on clickup:{}: shipped",
    FaultKind::Hang,
    "POST",
    "/comment",
    false
)]
#[case::create("create Buy milk", FaultKind::ApplyThenHang, "POST", "/list/", true)]
#[case::create_in_vain("create Buy milk", FaultKind::Hang, "POST", "/list/", false)]
#[case::close("done #1", FaultKind::ApplyThenHang, "PATCH", "/issues/1", true)]
#[case::close_in_vain("done #1", FaultKind::Hang, "PATCH", "/issues/1", false)]
#[tokio::test]
async fn what_is_under_way_is_looked_for_and_taken_back(
    #[case] typed: &str,
    #[case] what: FaultKind,
    #[case] method: &str,
    #[case] path: &str,
    #[case] applied: bool,
    #[values(false, true)] killed: bool,
) {
    ivan_test(both(), async |ivan| {
        let cert = ivan.clickup().task("Renew cert");
        let on_github = typed.contains('#');
        let front = match on_github {
            true => ivan.github().front(),
            false => ivan.clickup().front(),
        };
        front.fault(Fault::new(what).on(method, path));
        ivan.says(ANA, &typed.replace("{}", cert.id()));
        ivan.asks(front, method, path, 1).await;
        if applied {
            ivan.applies(front, method, path, 1).await;
        }
        let (status, queued) = ivan.http("POST", "/undo?wait=0", None).await;
        assert_eq!(status, 202, "{queued}");
        match killed {
            true => ivan.kill_and_restart().await,
            false => front.cut(),
        }
        ivan.until_nothing_is_queued().await;
        let operation = queued["operation_id"].as_str().unwrap();
        let (_, undo) = ivan
            .http("GET", &format!("/operations/{operation}"), None)
            .await;
        let said = undo["answer"]["message"].as_str().unwrap();
        let says = match applied {
            true => "Undone: ",
            false => "Undone in time: ",
        };
        assert!(said.starts_with(says), "{undo}");
        let first = ivan.answer(ANA, 0).settles().await;
        match applied {
            true => first.begins("✓ "),
            false => first.begins("✗ ").mentions("You undid it in time"),
        };
        cert.is("to do").has_comments([]);
        ivan.github().issue(REPO, 1).is("open");
        assert!(ivan.clickup().tasks_named("Buy milk").is_empty());
        let front = match on_github {
            true => ivan.github().front(),
            false => ivan.clickup().front(),
        };
        assert_eq!(writes(front), if applied { 2 } else { 0 });
    })
    .await;
}

// ------------------------------------------------------------ exactly once

/// One effect to undo: its command, and the request that reverts it.
const UNDOS: [(&str, bool, &str, &str); 6] = [
    ("done clickup:{}", true, "PUT", "/task/"),
    (
        "comment on clickup:{}: shipped",
        true,
        "DELETE",
        "/comment/",
    ),
    ("create Buy milk", true, "DELETE", "/task/"),
    ("done #1", false, "PATCH", "/issues/1"),
    (
        "comment on #1: shipped",
        false,
        "DELETE",
        "/issues/comments/",
    ),
    ("create Fix login -s github", false, "PATCH", "/issues/3"),
];

#[rstest]
#[case::lost(FaultKind::ApplyThenDrop, false)]
#[case::a_proxy_answers(FaultKind::ApplyThenAnswer { status: 502, headers: Vec::new(), body: "<html>Bad Gateway</html>".into() }, false)]
#[case::never_arrived(FaultKind::Drop, false)]
#[case::killed(FaultKind::ApplyThenHang, true)]
#[tokio::test]
async fn an_undo_happens_once(
    #[case] what: FaultKind,
    #[case] killed: bool,
    #[values(0, 1, 2, 3, 4, 5)] deed: usize,
) {
    let (typed, on_clickup, method, path) = UNDOS[deed];
    ivan_test(both(), async |ivan| {
        let typed = typed.replace("{}", ivan.clickup().task("Renew cert").id());
        ivan.dm(ANA, &typed).await.begins("✓ ");
        let front = match on_clickup {
            true => ivan.clickup().front(),
            false => ivan.github().front(),
        };
        let applied = |front: &FaultServer| {
            let seen = front.journal();
            let seen = seen
                .iter()
                .filter(|one| one.applied && one.is(method, path));
            seen.count()
        };
        let before = applied(front);
        front.fault(Fault::new(what.clone()).on(method, path));
        ivan.says(ANA, "undo");
        if killed {
            ivan.applies(front, method, path, before + 1).await;
            ivan.kill_and_restart().await;
        }
        ivan.answer(ANA, 1).settles().await.begins("✓ Undone: ");
        let front = match on_clickup {
            true => ivan.clickup().front(),
            false => ivan.github().front(),
        };
        assert_eq!(applied(front), before + 1);
        ivan.clickup()
            .task("Renew cert")
            .is("to do")
            .has_comments([]);
        assert!(ivan.clickup().tasks_named("Buy milk").is_empty());
        ivan.github().issue(REPO, 1).is("open").has_comments([]);
        let made = ivan.github().issues_titled(REPO, "Fix login");
        assert!(
            made.iter().all(|issue| issue["state"] == "closed"),
            "{made:#?}"
        );
    })
    .await;
}

#[tokio::test]
async fn an_undo_waits_for_its_turn_on_its_task() {
    ivan_test(both(), async |ivan| {
        let front = ivan.github().front();
        ivan.dm(ANA, "done #1").await.begins("✓ Issue closed");
        // A comment of Bo, who shares this person here, is on its way to the same issue.
        ivan.dm(BO, "comment on #2: shipped").await.begins("✓ ");
        front.fault(Fault::new(FaultKind::Hang).on("DELETE", "/issues/comments/"));
        let first = ivan.says(BO, "undo");
        ivan.asks(front, "DELETE", "/issues/comments/", 1).await;
        // An undo on another task is not delayed.
        ivan.dm(ANA, "undo")
            .await
            .begins("✓ Undone: Login fails is open again");
        front.cut();
        first
            .settles()
            .await
            .begins("✓ Undone: your comment on Update the docs");
    })
    .await;
}

#[tokio::test]
async fn an_undo_of_a_down_source_is_queued_and_happens_later() {
    ivan_test(both(), async |ivan| {
        ivan.dm(ANA, "done #1").await.begins("✓ Issue closed");
        ivan.github().front().down();
        let undo = ivan.says(ANA, "undo").answers().await;
        undo.begins("… Undo for Login fails is waiting: GitHub ");
        ivan.dm(BO, "undo").await.replies(NOTHING_MORE);
        ivan.github().front().up();
        undo.settles()
            .await
            .replies("✓ Undone: Login fails is open again in GitHub");
        ivan.github().issue(REPO, 1).is("open");
    })
    .await;
}

#[tokio::test]
async fn a_repeated_request_undoes_once() {
    ivan_test(both(), async |ivan| {
        let key = [("Idempotency-Key", "once")];
        let (status, nothing) = ivan.http_with("POST", "/undo", None, &key).await;
        assert_eq!(status, 409, "{nothing}");
        ivan.dm(ANA, "comment on #1: first").await;
        ivan.dm(ANA, "comment on #1: second").await;
        // A request that found nothing keeps that answer after later commands.
        assert_eq!(
            ivan.http_with("POST", "/undo", None, &key).await,
            (409, nothing)
        );
        let key = [("Idempotency-Key", "another")];
        let (status, first) = ivan.http_with("POST", "/undo", None, &key).await;
        assert_eq!(status, 200, "{first}");
        assert_eq!(
            ivan.http_with("POST", "/undo", None, &key).await,
            (200, first)
        );
        ivan.github().issue(REPO, 1).has_comments(["first"]);
        let ran = ivan.cli(&["undo"]).await;
        assert_eq!(
            (ran.exit, ran.out.as_str()),
            (
                0,
                "✓ Undone: your comment on Login fails was deleted in GitHub\n"
            ),
            "{ran:?}"
        );
        let ran = ivan.cli(&["undo"]).await;
        assert_eq!(ran.exit, 1, "{ran:?}");
        assert!(ran.err.starts_with("✗ Nothing more to undo"), "{ran:?}");
    })
    .await;
}
