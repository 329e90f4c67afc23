//! `milestone`: an issue's milestone in GitHub, changed once, and undone only if it is still as Ivan left it.

use ivan::sandbox::fault_server::{Fault, FaultKind};
use rstest::rstest;
use serde_json::json;

use crate::harness::*;

/// Two issues and a task of Ana's, in a repository with three milestones, one of them closed.
fn of_two() -> Setup {
    with_both(Setup::new())
}

fn with_both(setup: Setup) -> Setup {
    setup.work_of_ana().before(|sandbox| {
        for (title, open) in [("2.0", false), ("2.1", true), ("Spring release", true)] {
            sandbox.github.add_milestone(REPO, title, open);
        }
    })
}

fn milestone(ivan: &Ivan, number: u64) -> Option<String> {
    ivan.github().issue(REPO, number).milestone()
}

fn patches(ivan: &Ivan) -> usize {
    let seen = ivan.github().front().journal();
    seen.iter().filter(|seen| seen.method == "PATCH").count()
}

#[tokio::test]
async fn an_issue_is_put_in_a_milestone_and_back_from_every_surface() {
    ivan_test(of_two(), async |ivan| {
        ivan.dm(ANA, "milestone #1 spring release")
            .await
            .replies("✓ Milestone is now spring release: Login fails");
        assert_eq!(milestone(ivan, 1).as_deref(), Some("Spring release"));
        ivan.dm(ANA, "undo")
            .await
            .replies("✓ Undone: Login fails is as it was before in GitHub");
        assert_eq!(milestone(ivan, 1), None);
        let ran = ivan.cli(&["--as", "Ana", "milestone", "#1", "2.1"]).await;
        let said = "✓ Milestone is now 2.1: Login fails";
        assert_eq!((ran.exit, ran.out.lines().next()), (0, Some(said)));
        let ana: &[(&str, &str)] = &[("X-Ivan-Actor", "Ana")];
        let path = "/tasks/github%3Aacme%2Fwidgets%231/milestone";
        let body = json!({"milestone": "none"});
        let (status, answer) = ivan.http_with("POST", path, Some(body.clone()), ana).await;
        assert_eq!(
            (status, &answer["conflict"]),
            (200, &json!(false)),
            "{answer}"
        );
        assert_eq!(milestone(ivan, 1), None);
        let before = patches(ivan);
        let (status, answer) = ivan.http_with("POST", path, Some(body), ana).await;
        assert_eq!(
            (status, &answer["conflict"]),
            (200, &json!(true)),
            "{answer}"
        );
        assert_eq!(patches(ivan), before);
        ivan.dm(ANA, "undo").await.begins("✓ Undone: ");
        assert_eq!(milestone(ivan, 1).as_deref(), Some("2.1"));
        ivan.dm(ANA, "milestone #1 #2 2.1")
            .await
            .begins("✓ 2 of 2 tasks:");
        assert_eq!(milestone(ivan, 2).as_deref(), Some("2.1"));
        // The API and the command line's JSON have it.
        let task = "/tasks/github%3Aacme%2Fwidgets%232";
        let (_, task) = ivan.http_with("GET", task, None, ana).await;
        assert_eq!(task["milestone"], "2.1", "{task}");
        let ran = ivan.cli(&["--as", "Ana", "list", "--json"]).await;
        assert!(ran.out.contains(r#""milestone":"2.1""#), "{}", ran.out);
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_a_next_step() {
    ivan_test(of_two(), async |ivan| {
        ivan.dm(ANA, "milestone #1 2.2").await.replies(
            "✗ Milestone not changed: Login fails. acme/widgets has no milestone “2.2” in GitHub. Did you mean “2.1”?",
        );
        ivan.dm(ANA, "milestone #1 winter").await.replies(
            "✗ Milestone not changed: Login fails. acme/widgets has no milestone “winter” in GitHub. Its milestones: \
             2.1, Spring release.",
        );
        let cert = ivan.clickup().task("Renew cert").id().to_owned();
        ivan.dm(ANA, &format!("milestone clickup:{cert} 2.1"))
            .await
            .replies("✗ ClickUp tasks have no milestones. Use `label` for a tag instead.");
        assert_eq!(patches(ivan), 0);
    })
    .await;
}

#[rstest]
#[case::lost(FaultKind::ApplyThenDrop)]
#[case::never_arrived(FaultKind::Drop)]
#[tokio::test]
async fn a_lost_answer_is_looked_for(#[case] kind: FaultKind) {
    ivan_test(of_two(), async |ivan| {
        let front = ivan.github().front();
        front.fault(Fault::new(kind.clone()).on("PATCH", "/issues/1"));
        ivan.dm(ANA, "milestone #1 2.1")
            .await
            .replies("✓ Milestone is now 2.1: Login fails");
        let sent = if matches!(kind, FaultKind::Drop) {
            2
        } else {
            1
        };
        assert_eq!(patches(ivan), sent);
        front.down();
        let undo = ivan.says(ANA, "undo").answers().await;
        undo.begins("… Undo for ");
        front.up();
        undo.settles().await.begins("✓ Undone: ");
        assert_eq!(milestone(ivan, 1), None);
    })
    .await;
}

#[rstest]
#[case::applied(FaultKind::ApplyThenHang)]
#[case::never_arrived(FaultKind::Hang)]
#[tokio::test]
async fn a_kill_loses_and_doubles_nothing(#[case] kind: FaultKind) {
    ivan_test(of_two(), async |ivan| {
        let front = ivan.github().front().clone();
        front.fault(Fault::new(kind.clone()).on("PATCH", "/issues/1"));
        ivan.says(ANA, "milestone #1 2.1");
        match kind {
            FaultKind::Hang => ivan.asks(&front, "PATCH", "/issues/1", 1).await,
            _ => ivan.applies(&front, "PATCH", "/issues/1", 1).await,
        }
        ivan.kill_and_restart().await;
        ivan.answer(ANA, 0)
            .settles()
            .await
            .replies("✓ Milestone is now 2.1: Login fails");
        assert_eq!(milestone(ivan, 1).as_deref(), Some("2.1"));
        ivan.dm(ANA, "undo").await.begins("✓ Undone: ");
        assert_eq!(milestone(ivan, 1), None);
    })
    .await;
}

#[tokio::test]
async fn what_somebody_changed_since_is_left_as_it_is() {
    ivan_test(of_two(), async |ivan| {
        ivan.dm(ANA, "milestone #1 2.1").await.begins("✓ Milestone is now");
        ivan.github()
            .milestone_as(REPO, 1, "bo", Some("Spring release"));
        ivan.dm(ANA, "undo").await.replies(
            "✗ Not undone: Login fails. It changed in GitHub since (its milestone changed), so I left it as it is.",
        );
        assert_eq!(milestone(ivan, 1).as_deref(), Some("Spring release"));
    })
    .await;
}

#[tokio::test]
async fn what_github_drops_without_a_word_is_said() {
    ivan_test(of_two(), async |ivan| {
        // The author may edit an issue without push access, but not its milestone.
        ivan.dm(ANA, "create Fix login -s github")
            .await
            .begins("✓ Issue created");
        ivan.github().permit(REPO, false, false);
        ivan.dm(ANA, "milestone #3 2.1").await.begins(
            "✗ Milestone not changed: Fix login. GitHub did not change the milestone of acme/widgets#3. Give the \
             account of github.token write access",
        );
        assert_eq!(milestone(ivan, 3), None);
    })
    .await;
}

#[tokio::test]
async fn a_list_is_narrowed_by_milestones_however_they_came() {
    ivan_test(with_both(Setup::new().webhooks()), async |ivan| {
        ivan.hook_up();
        ivan.dm(ANA, "list milestone:2.1")
            .await
            .replies("No task in your queue is in the milestone 2.1.");
        ivan.github().milestone_as(REPO, 2, "bo", Some("2.1"));
        ivan.until_deliveries_are_applied().await;
        ivan.dm(ANA, "list milestone:2.1")
            .await
            .begins("1. Update the docs");
        ivan.github().hold();
        ivan.github()
            .milestone_as(REPO, 1, "bo", Some("Spring release"));
        ivan.sync().await;
        ivan.dm(ANA, "list milestone:\"spring release\"")
            .await
            .begins("1. Login fails");
        let ran = ivan.cli(&["--as", "Ana", "list", "milestone:none"]).await;
        assert!(ran.out.contains("Renew cert"), "{}{}", ran.out, ran.err);
        assert!(!ran.out.contains("Login fails"), "{}", ran.out);
        ivan.github().release();
        ivan.until_deliveries_are_applied().await;
    })
    .await;
}

/// What is asked about over HTTP is what is done, also if the title would be read differently behind the verb.
#[rstest]
#[case("3 weeks")]
#[case("done!")]
#[case("2.1")]
#[tokio::test]
async fn a_confirmed_title_is_the_one_that_was_asked_for(#[case] title: &str) {
    ivan_test(of_two(), async |ivan| {
        for title in ["3 weeks", "weeks", "done!", "done"] {
            ivan.github().add_milestone(REPO, title, true);
        }
        let ana: &[(&str, &str)] = &[("X-Ivan-Actor", "Ana")];
        let body = json!({"filter": "github", "milestone": title});
        let (status, asked) = ivan.http_with("POST", "/milestone", Some(body), ana).await;
        assert_eq!((status, &asked["success"]), (200, &json!(false)), "{asked}");
        let body = json!({"id": asked["confirm"]});
        let (status, done) = ivan
            .http_with("POST", "/confirm?wait=60", Some(body), ana)
            .await;
        assert_eq!(status, 200, "{done}");
        assert_eq!(milestone(ivan, 1).as_deref(), Some(title), "{done}");
    })
    .await;
}
