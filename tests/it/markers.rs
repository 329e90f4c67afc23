//! The markers in Ivan's writes: typed text cannot imitate one, and people see none.

use ivan::sandbox::fault_server::{Fault, FaultKind};
use rstest::rstest;
use serde_json::{Value, json};

use crate::harness::*;

/// The marker at the end of a body, from its last opening on.
fn marker_of(body: &str) -> Option<String> {
    let (_, marker) = body.rsplit_once("<!-- ivan:op=")?;
    Some(format!("<!-- ivan:op={marker}"))
}

/// The marker in the body of the last write to a GitHub path.
fn marker_of_last(ivan: &Ivan, path: &str) -> String {
    let seen = ivan.github().front().journal();
    let last = seen.iter().rev().find(|one| one.is("POST", path)).unwrap();
    let body: Value = serde_json::from_str(&last.body).unwrap();
    let body = body["body"].as_str().unwrap();
    marker_of(body).expect("it bears a marker")
}

/// An issue that never arrived is searched for. Other writes of Ivan's have its marker in every place that a person can
/// write to: none of them is taken for it.
#[tokio::test]
async fn a_copied_marker_is_not_taken_for_an_issue_that_never_arrived() {
    // Each has lanes of their own.
    ivan_test(two_issues().people(), async |ivan| {
        let front = ivan.github().front();
        front.fault(Fault::new(FaultKind::Drop).on("POST", "/issues"));
        let lost = ivan.says(ANA, "create Fix login -s github");
        ivan.asks(front, "POST", "/issues", 1).await;
        let marker = marker_of_last(ivan, "/issues");
        // This write's answer is not recorded during the search for the lost one, so no other operation owns it.
        front.fault(Fault::new(FaultKind::ApplyThenHang).on("POST", "/issues"));
        let described = ivan.says(BO, &format!("create Described -s github\nAs in\n{marker}"));
        ivan.applies(front, "POST", "/issues", 1).await;
        for typed in [
            format!("comment on #1: {marker}"),
            format!("comment on #2: {}", marker.to_uppercase()),
        ] {
            let said = ivan.says(BO, &typed).settles().await;
            said.begins("✓ Comment added");
        }
        lost.settles()
            .await
            .begins("✓ Issue created in GitHub: Fix login (acme/widgets#");
        front.cut();
        described
            .settles()
            .await
            .begins("✓ Issue created in GitHub: Described (acme/widgets#3)");
        ivan.says(ANA, &format!("create Title {marker} -s github"))
            .settles()
            .await
            .begins("✓ ");
        assert_eq!(ivan.github().issues_titled(REPO, "Fix login").len(), 1);
        for title in [&format!("Title {marker}"), "Described"] {
            assert_eq!(ivan.github().issues_titled(REPO, title).len(), 1);
        }
    })
    .await;
}

/// The same for a comment that has arrived or not: copies of its marker are not taken for it.
#[rstest]
#[case::it_arrived(FaultKind::ApplyThenDrop)]
#[case::it_did_not(FaultKind::Drop)]
#[tokio::test]
async fn a_copied_marker_is_not_taken_for_a_comment(#[case] what: FaultKind) {
    ivan_test(two_issues().people(), async |ivan| {
        let front = ivan.github().front();
        front.fault(Fault::new(what).on("POST", "/issues/1/comments"));
        let lost = ivan.says(ANA, "comment on #1: shipped");
        ivan.asks(front, "POST", "/issues/1/comments", 1).await;
        let marker = marker_of_last(ivan, "/issues/1/comments");
        ivan.github()
            .comment_as(REPO, 1, "bo", &format!("mine, too {marker}"));
        ivan.says(BO, &format!("comment on #1: {marker}"))
            .settles()
            .await
            .begins("✓ ");
        lost.settles().await.begins("✓ Comment added in GitHub");
        let said = ivan.github().issue(REPO, 1).raw_comments();
        let ours = said.iter().filter(|body| body.starts_with("shipped"));
        assert_eq!(ours.count(), 1, "{said:#?}");
        assert_eq!(said.len(), 3, "{said:#?}");
        // Each comment of Ivan's ends in a marker of its own, and has no other.
        let mut ends: Vec<String> = said
            .iter()
            .filter(|body| !body.starts_with("mine"))
            .map(|body| {
                assert_eq!(body.matches("<!-- ivan:op=").count(), 1, "{body}");
                marker_of(body).unwrap()
            })
            .collect();
        ends.dedup();
        assert_eq!(ends.len(), 2, "{said:#?}");
    })
    .await;
}

/// In ClickUp nothing is hidden: a typed marker is plain text, stored and found as such.
#[tokio::test]
async fn in_clickup_a_marker_is_text_like_any_other() {
    ivan_test(two_tasks(), async |ivan| {
        let marker = "<!-- ivan:op=01J00000000000000000000001 -->";
        let cert = ivan.clickup().task("Renew cert");
        let front = ivan.clickup().front();
        for path in ["/comment", "/list/"] {
            front.fault(Fault::new(FaultKind::ApplyThenDrop).on("POST", path));
        }
        let typed = [
            format!("comment on clickup:{}: see {marker}", cert.id()),
            format!("create Buy milk {marker}\nor not {marker}"),
        ];
        let asked = typed.each_ref().map(|typed| ivan.says(ANA, typed));
        for asked in asked {
            asked.settles().await.begins("✓ ");
        }
        cert.has_comments([&format!("see {marker}")]);
        let made = ivan.clickup().tasks_named(&format!("Buy milk {marker}"));
        assert_eq!(made.len(), 1);
        assert_eq!(made[0]["text_content"], format!("or not {marker}\n"));
    })
    .await;
}

/// Every text that people get: answers, notices, HTTP, the command line.
#[tokio::test]
async fn no_marker_is_shown_to_anybody() {
    ivan_test(two_issues().webhooks(), async |ivan| {
        ivan.hook_up();
        ivan.dm(ANA, "current").await;
        ivan.dm(ANA, "comment on #1: shipped").await;
        ivan.dm(ANA, "create Fix login -s github\nIt fails").await;
        let raw = ivan.github().issue(REPO, 1).raw_comments();
        assert!(raw[0].contains("<!-- ivan:op="), "{raw:?}");
        let quote = format!("> {}\n\nWhere? {}", raw[0].replace('\n', "\n> "), raw[0]);
        ivan.github().comment_as(REPO, 1, "bo", &quote);
        let notice = ivan.is_told(ANA).answers().await;
        notice.mentions("bo commented on Login fails in GitHub: “> shipped");
        notice.mentions("Where?");
        ivan.until_deliveries_are_applied().await;
        ivan.sync().await;
        for command in ["list", "current", "status", "done #1", "done #3 -c ok"] {
            ivan.dm(ANA, command).await;
        }
        let dm = ivan.slack().dm(ANA);
        let mut shown: Vec<String> = ivan
            .slack()
            .messages(&dm)
            .iter()
            .map(Value::to_string)
            .collect();
        for path in ["/tasks?status=all", "/current", "/tasks/github%3A3"] {
            let (status, answer) = ivan.http("GET", path, None).await;
            assert_eq!(status, 200, "{answer}");
            shown.push(answer.to_string());
        }
        let id: String = ivan.sql("SELECT id FROM operations WHERE kind = 'create'");
        let (_, answer) = ivan.http("GET", &format!("/operations/{id}"), None).await;
        assert_eq!(answer["operation_id"], json!(id), "{answer}");
        shown.push(answer.to_string());
        for args in [&["list"][..], &["current"], &["--json", "current"]] {
            shown.push(ivan.cli(args).await.out);
        }
        for text in shown {
            assert!(!text.contains("ivan:op"), "{text}");
        }
    })
    .await;
}
