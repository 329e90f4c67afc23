//! GitHub's own dependencies and issue fields: blocked issues are not offered; priority and due day are read.

use ivan::sandbox::Sandbox;
use rstest::rstest;
use serde_json::{Value, json};

use crate::harness::*;

const GADGETS: &str = "acme/gadgets";

/// Number 1 waits for number 2, by a GitHub dependency.
fn one_waits_for_two() -> Setup {
    three().before(|sandbox: &Sandbox| sandbox.github.wait_for((REPO, 1), (REPO, 2), true))
}

/// Three issues, and another in a second repository that is followed.
fn three() -> Setup {
    Setup::new()
        .github_issues([
            json!({"title": "Deploy", "labels": ["client"], "updated_days_ago": 9}),
            json!({"title": "Fix the build", "updated_days_ago": 3}),
            json!({"title": "Update the docs", "labels": ["P0"], "updated_days_ago": 3}),
        ])
        .config("github.repos = [\"acme/gadgets\"]")
        .before(|sandbox: &Sandbox| {
            sandbox.github.add_repo(GADGETS, 6001);
            let far = json!({"title": "Order parts", "updated_days_ago": 3});
            sandbox.github.add_issue(GADGETS, far);
        })
}

/// Whether #1 is held back, by `list blocked` and by `list`.
async fn is_blocked(ivan: &Ivan, who: &str) -> bool {
    let blocked = ivan.dm(who, "list blocked").await.text().contains("Deploy");
    let listed = ivan.dm(who, "list").await.text().contains("Deploy");
    assert_ne!(blocked, listed, "it is offered, or it waits");
    blocked
}

/// The number of requests for dependencies.
fn asked(ivan: &Ivan) -> usize {
    let seen = ivan.github().front().journal();
    seen.iter()
        .filter(|seen| seen.path.contains("/dependencies/"))
        .count()
}

#[tokio::test]
async fn what_waits_by_a_dependency_is_not_offered() {
    ivan_test(one_waits_for_two(), async |ivan| {
        ivan.dm(ANA, "current").await.begins("Fix the build");
        assert!(is_blocked(ivan, BO).await);
        ivan.dm(BO, "why #1")
            .await
            .mentions("It is not in your queue: it waits for Fix the build (acme/widgets#2).");
        ivan.dm(ANA, "done")
            .await
            .mentions("✓ Issue closed in GitHub: Fix the build");
        assert!(!is_blocked(ivan, BO).await);
    })
    .await;
}

#[tokio::test]
async fn reads_of_dependencies_are_made_for_what_changed_alone() {
    ivan_test(one_waits_for_two(), async |ivan| {
        let before = asked(ivan);
        assert_eq!(before, 1, "one issue waits");
        ivan.sync().await;
        assert_eq!(asked(ivan), before, "nothing has changed");
        ivan.github().edit_issue_as(REPO, 3, "bo", "More words.");
        ivan.sync().await;
        assert_eq!(asked(ivan), before, "number 3 waits for nothing");
        assert!(is_blocked(ivan, BO).await);
    })
    .await;
}

/// The issue that #1 waits for; webhooks add and remove the dependency.
#[rstest]
#[case::here(REPO, 2)]
#[case::in_another_repository(GADGETS, 1)]
#[tokio::test]
async fn webhooks_bring_dependencies(#[case] repo: &str, #[case] number: u64) {
    ivan_test(three().webhooks(), async |ivan| {
        ivan.hook_up();
        assert!(!is_blocked(ivan, ANA).await);
        ivan.github().wait_for((REPO, 1), (repo, number), true);
        ivan.until_deliveries_are_applied().await;
        assert!(is_blocked(ivan, BO).await);
        ivan.github().wait_for((REPO, 1), (repo, number), false);
        ivan.until_deliveries_are_applied().await;
        assert!(!is_blocked(ivan, ANA).await);
    })
    .await;
}

/// Changes to the issues, and whether #1 still waits.
#[rstest]
#[case::the_other_is_closed(|ivan: &Ivan| ivan.github().close_as(REPO, 2, "bo"), false)]
#[case::closed_and_opened_again(|ivan: &Ivan| {
    ivan.github().close_as(REPO, 2, "bo");
    ivan.github().reopen_as(REPO, 2, "bo");
}, true)]
#[case::the_other_is_deleted(|ivan: &Ivan| ivan.github().delete_issue(REPO, 2), false)]
#[case::the_other_is_transferred(|ivan: &Ivan| { ivan.github().transfer_issue(REPO, 2, GADGETS); }, true)]
#[case::it_is_edited(|ivan: &Ivan| ivan.github().edit_issue_as(REPO, 1, "bo", "New words."), true)]
#[case::it_is_labelled(|ivan: &Ivan| ivan.github().label_as(REPO, 1, "bo", &["client", "P1"]), true)]
#[tokio::test]
async fn it_waits_as_long_as_github_says_so(
    #[case] happens: fn(&Ivan),
    #[case] waits: bool,
    #[values(true, false)] payloads_tell_all: bool,
) {
    ivan_test(one_waits_for_two().webhooks(), async |ivan| {
        ivan.dm(ANA, "mute").await;
        ivan.hook_up();
        ivan.github().payloads_tell_all(payloads_tell_all);
        happens(ivan);
        ivan.until_deliveries_are_applied().await;
        assert_eq!(is_blocked(ivan, BO).await, waits);
    })
    .await;
}

/// Commands on #1 leave it waiting.
#[rstest]
#[case::a_comment("comment on #1: soon")]
#[case::a_priority("prio #1 urgent")]
#[case::assigned("assign #1 bo")]
#[tokio::test]
async fn our_own_writes_leave_it_waiting(#[case] typed: &str) {
    ivan_test(one_waits_for_two().people(), async |ivan| {
        ivan.github().add_label(REPO, "P0");
        ivan.dm(ANA, "mute").await;
        ivan.dm(BO, typed).await.begins("✓");
        let blocked: i64 = ivan.sql(
            "SELECT json_array_length(links) FROM tasks WHERE task_id = 'github:acme/widgets#1'",
        );
        assert_eq!(blocked, 1);
    })
    .await;
}

/// A *Priority* and a *Target date* in GitHub's wire form.
fn fields(priority: &str, day: &str) -> Value {
    json!([
        {"issue_field_id": 1, "issue_field_name": "Priority", "node_id": "IFSS_1", "data_type": "single_select",
         "value": priority, "single_select_option": {"id": 3, "name": priority, "color": "red"}},
        {"issue_field_id": 2, "issue_field_name": "Target date", "node_id": "IFD_2", "data_type": "date", "value": day},
        {"issue_field_id": 4, "issue_field_name": "Start date", "node_id": "IFD_4", "data_type": "date",
         "value": "2020-01-01"},
    ])
}

async fn task(ivan: &Ivan, number: u64) -> Value {
    let path = format!("/tasks/github%3Aacme%2Fwidgets%23{number}");
    ivan.http("GET", &path, None).await.1
}

#[tokio::test]
async fn issue_fields_say_priority_and_due_day_where_no_label_does() {
    let setup = Setup::new()
        .github_issues([
            json!({"title": "By field", "issue_field_values": fields("High", "2031-05-06")}),
            json!({"title": "By label", "labels": ["P0"], "issue_field_values": fields("Low", "2031-05-07")}),
            json!({"title": "Without"}),
        ])
        .webhooks();
    ivan_test(setup, async |ivan| {
        ivan.dm(ANA, "mute").await;
        let of = |task: &Value| (task["priority"].clone(), task["due_day"].clone());
        assert_eq!(
            of(&task(ivan, 1).await),
            (json!("high"), json!("2031-05-06"))
        );
        assert_eq!(
            of(&task(ivan, 2).await),
            (json!("urgent"), json!("2031-05-07"))
        );
        assert_eq!(of(&task(ivan, 3).await), (Value::Null, Value::Null));
        // A payload without fields removes nothing; a payload with fields counts.
        ivan.hook_up();
        ivan.github().payloads_tell_all(false);
        ivan.github().edit_issue_as(REPO, 1, "bo", "More words.");
        ivan.until_deliveries_are_applied().await;
        assert_eq!(
            of(&task(ivan, 1).await),
            (json!("high"), json!("2031-05-06"))
        );
        ivan.github().payloads_tell_all(true);
        ivan.github()
            .set_fields(REPO, 3, fields("Urgent", "2031-05-08"));
        ivan.github().set_fields(REPO, 1, json!([]));
        ivan.until_deliveries_are_applied().await;
        assert_eq!(
            of(&task(ivan, 3).await),
            (json!("urgent"), json!("2031-05-08"))
        );
        assert_eq!(of(&task(ivan, 1).await), (Value::Null, Value::Null));
        // Ivan's own label wins; without it the field counts again.
        ivan.github().add_label(REPO, "P1");
        ivan.dm(ANA, "prio #3 high").await.begins("✓");
        assert_eq!(task(ivan, 3).await["priority"], "high");
        ivan.dm(ANA, "comment on #3: noted").await.begins("✓");
        assert_eq!(task(ivan, 3).await["due_day"], "2031-05-08");
        ivan.github()
            .set_fields(REPO, 1, fields("Urgent", "2031-05-08"));
        ivan.until_deliveries_are_applied().await;
        ivan.dm(ANA, "prio #1 none")
            .await
            .mentions("gets its priority from the field Priority in GitHub");
    })
    .await;
}
