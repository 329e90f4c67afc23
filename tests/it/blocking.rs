//! Tasks that wait for others are not offered, and tasks that others wait for come first; `why` names both.

use ivan::sandbox::Sandbox;
use rstest::rstest;
use serde_json::json;

use crate::harness::*;

/// Number 1 waits for number 2. It has a client's label, so without the wait it would be first.
fn one_waits_for_two() -> Setup {
    Setup::new().github_issues([
        json!({"title": "Deploy", "labels": ["client"], "body": "Blocked by #2\n", "updated_days_ago": 3}),
        json!({"title": "Fix the build", "updated_days_ago": 3}),
        json!({"title": "Update the docs", "labels": ["P0"], "updated_days_ago": 3}),
    ])
}

const OFFERED: &str = "1. Fix the build · GitHub acme/widgets#2 · open\n\
                       2. Update the docs · GitHub acme/widgets#3 · open";

#[tokio::test]
async fn what_is_blocked_is_not_offered_and_what_blocks_comes_first() {
    ivan_test(one_waits_for_two(), async |ivan| {
        ivan.dm(ANA, "current")
            .await
            .replies("Fix the build · GitHub acme/widgets#2 · open    why: blocks 1 person 500");
        ivan.dm(ANA, "list").await.replies(OFFERED);
        ivan.dm(ANA, "next").await.begins("Next: Update the docs");
        ivan.dm(ANA, "next").await.begins("Next: Fix the build");
        // Completing it frees the other, which is then first.
        ivan.dm(ANA, "done")
            .await
            .replies("✓ Issue closed in GitHub: Fix the build. Next: Deploy");
        ivan.dm(ANA, "list").await.begins("1. Deploy");
    })
    .await;
}

#[tokio::test]
async fn why_says_for_what_a_task_waits_and_adds_up() {
    ivan_test(one_waits_for_two(), async |ivan| {
        ivan.dm(ANA, "why #1").await.replies(
            "Deploy · GitHub acme/widgets#1 · open\n\
             1100 points: client 1000 + due later or never 100.\n\
             It is not in your queue: it waits for Fix the build (acme/widgets#2).",
        );
        ivan.dm(ANA, "why #2").await.replies(
            "Fix the build · GitHub acme/widgets#2 · open\n600 points: blocks 1 person 500 + due later or never \
             100.\nIt is first of 2 in your queue.",
        );
        ivan.dm(BO, "snooze #1 3d").await.begins("✓ Snoozed until");
        ivan.dm(BO, "why #1")
            .await
            .mentions(", and waits for Fix the build (acme/widgets#2).");
        for number in 1..=3 {
            let (_, why) = ivan
                .http("GET", &format!("/why?ref=%23{number}"), None)
                .await;
            let points = why["points"].as_array().unwrap().iter();
            let sum: i64 = points.map(|one| one["points"].as_i64().unwrap()).sum();
            assert_eq!(why["task"]["score"], sum, "{why}");
        }
    })
    .await;
}

#[tokio::test]
async fn slack_cli_and_http_agree() {
    ivan_test(one_waits_for_two(), async |ivan| {
        ivan.dm(ANA, "list").await.replies(OFFERED);
        let (_, queue) = ivan.http("GET", "/queue", None).await;
        let scores: Vec<_> = queue["tasks"]
            .as_array()
            .unwrap()
            .iter()
            .map(|task| (task["title"].clone(), task["score"].clone()))
            .collect();
        assert_eq!(
            scores,
            [
                (json!("Fix the build"), json!(600)),
                (json!("Update the docs"), json!(300))
            ]
        );
        let ran = ivan.cli(&["list"]).await;
        assert_eq!(
            ran.out,
            "1. Fix the build · GitHub acme/widgets#2 · open\n2. Update the docs · GitHub acme/widgets#3 · open\n"
        );
        let path = "/tasks/github%3Aacme%2Fwidgets%232";
        let (_, task) = ivan.http("GET", path, None).await;
        assert_eq!(task["score"], 600);
        let (_, tasks) = ivan.http("GET", "/tasks?filter=blocked", None).await;
        assert_eq!(tasks["tasks"].as_array().unwrap().len(), 1, "{tasks}");
        assert_eq!(tasks["tasks"][0]["title"], "Deploy");
        let (_, current) = ivan.http("GET", "/current", None).await;
        assert_eq!(current["title"], "Fix the build");
        let ran = ivan.cli(&["why", "#1"]).await;
        assert!(
            ran.out
                .contains("It is not in your queue: it waits for Fix the build (acme/widgets#2)."),
            "{}",
            ran.out
        );
    })
    .await;
}

/// Changes to the blocking issue or to the waiting issue's text, and whether it still waits.
#[rstest]
#[case::the_other_was_closed(|ivan: &Ivan| ivan.github().close_as(REPO, 2, "bo"), false)]
#[case::the_other_was_deleted(|ivan: &Ivan| ivan.github().delete_issue(REPO, 2), false)]
#[case::it_says_so_no_longer(|ivan: &Ivan| ivan.github().edit_issue_as(REPO, 1, "bo", "Ready."), false)]
#[case::it_waits_for_another(|ivan: &Ivan| ivan.github().edit_issue_as(REPO, 1, "bo", "Blocked by acme/widgets#3"), true)]
#[case::the_other_moved_to_a_repo_that_is_followed(|ivan: &Ivan| {
    ivan.github().transfer_issue(REPO, 2, "acme/gadgets");
}, true)]
#[case::the_other_moved_out_of_sight(|ivan: &Ivan| {
    ivan.github().add_repo("other/place", 6002);
    ivan.github().transfer_issue(REPO, 2, "other/place");
}, false)]
#[tokio::test]
async fn it_waits_as_long_as_its_source_says_so(
    #[case] happens: fn(&Ivan),
    #[case] waits: bool,
    #[values(true, false)] told: bool,
) {
    let setup = one_waits_for_two()
        .webhooks()
        .config("github.repos = [\"acme/gadgets\"]")
        .before(|sandbox: &Sandbox| sandbox.github.add_repo("acme/gadgets", 6001));
    ivan_test(setup, async |ivan| {
        ivan.dm(ANA, "mute").await;
        if told {
            ivan.hook_up();
        }
        happens(ivan);
        if told {
            ivan.until_deliveries_are_applied().await;
        } else {
            let full = ivan.http("POST", "/sync", Some(json!({"full": true})));
            assert_eq!(full.await.0, 200);
        }
        let (_, why) = ivan.http("GET", "/why?ref=%231", None).await;
        assert_eq!(why["place"].is_null(), waits, "{why}");
        assert_eq!(
            why["hidden"].to_string().contains("waits for"),
            waits,
            "{why}"
        );
    })
    .await;
}

#[tokio::test]
async fn it_waits_over_repositories_in_either_words() {
    let setup = Setup::new()
        .config("github.repos = [\"acme/api\"]")
        .before(|sandbox: &Sandbox| {
            sandbox.github.add_repo("acme/api", 6001);
            sandbox.github.add_issue(
                "acme/api",
                json!({"title": "New endpoint", "body": "Blocks https://github.com/acme/widgets/issues/1"}),
            );
        })
        .github_issues([
            json!({"title": "Use the endpoint", "labels": ["client"]}),
            json!({"title": "Test the endpoint", "labels": ["client"], "body": "**Blocked by:**\n- [ ] acme/api#1"}),
        ]);
    ivan_test(setup, async |ivan| {
        ivan.dm(ANA, "list")
            .await
            .replies("1. New endpoint · GitHub acme/api#1 · open");
        ivan.dm(ANA, "why #1")
            .await
            .mentions("it waits for New endpoint (acme/api#1).");
        ivan.github().rename_repo("acme/api", "acme/backend");
        ivan.sync().await;
        ivan.dm(BO, "why #2")
            .await
            .mentions("it waits for New endpoint");
    })
    .await;
}

#[tokio::test]
async fn a_dependency_in_clickup_comes_and_goes_with_the_next_poll() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.dm(ANA, "list").await.begins("1. Renew cert");
        ivan.clickup()
            .wait_for("Renew cert", "Write the runbook", true);
        ivan.sync().await;
        ivan.dm(ANA, "current").await.begins("Write the runbook");
        ivan.dm(ANA, "list blocked")
            .await
            .mentions("1. Renew cert · ClickUp · to do · waits for Write the runbook");
        ivan.clickup()
            .wait_for("Renew cert", "Write the runbook", false);
        ivan.sync().await;
        ivan.dm(BO, "list").await.begins("1. Renew cert");
    })
    .await;
}

#[tokio::test]
async fn each_person_who_waits_counts_once() {
    let waits_for_one = |title: &str, assignees: &[&str]| json!({"title": title, "assignees": assignees, "body": "blocked by #1", "updated_days_ago": 3});
    let setup = Setup::new().people().github_issues([
        json!({"title": "Fix the build", "assignees": ["ana"], "updated_days_ago": 3}),
        waits_for_one("Deploy", &["bo"]),
        waits_for_one("Test", &["bo", "ana"]),
        json!({"title": "Announce", "user": "acme", "body": "blocked by #1", "updated_days_ago": 3}),
    ]);
    ivan_test(setup, async |ivan| {
        // Ana, Bo, and the unassigned ones.
        ivan.dm(ANA, "current")
            .await
            .mentions("why: blocks 3 people 1500");
        ivan.dm(BO, "list")
            .await
            .replies("Nothing to work on right now: 2 tasks are blocked (`list blocked`).");
        ivan.dm(BO, "current").await.mentions("2 tasks are blocked");
        let (_, queue) = ivan
            .http_with("GET", "/queue", None, &[("X-Ivan-Actor", "Bo")])
            .await;
        assert_eq!(queue["tasks"], json!([]));
        assert!(
            queue["message"].to_string().contains("2 tasks are blocked"),
            "{queue}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_circle_hides_nothing_and_is_told() {
    let setup = Setup::new().github_issues([
        json!({"title": "Chicken", "body": "Blocked by #2", "updated_days_ago": 3}),
        json!({"title": "Egg", "body": "Blocked by #1", "updated_days_ago": 3}),
        json!({"title": "Omelette", "labels": ["P0"], "body": "Blocked by #2", "updated_days_ago": 3}),
    ]);
    ivan_test(setup, async |ivan| {
        ivan.dm(ANA, "list").await.replies(
            "1. Egg · GitHub acme/widgets#2 · open\n2. Chicken · GitHub acme/widgets#1 · open",
        );
        ivan.dm(ANA, "why #1").await.replies(
            "Chicken · GitHub acme/widgets#1 · open\n100 points: due later or never 100.\nIt is number 2 of 2 in your \
             queue; first is Egg with 600 points. It and Egg (acme/widgets#2) block each other in a circle, so none \
             of them is hidden.",
        );
    })
    .await;
}

#[tokio::test]
async fn what_is_being_finished_blocks_nothing_any_more() {
    ivan_test(one_waits_for_two(), async |ivan| {
        ivan.dm(ANA, "current").await.begins("Fix the build");
        ivan.github().front().down();
        let done = ivan.says(ANA, "done").answers().await;
        done.mentions("Next: Deploy");
        ivan.github().front().up();
        done.settles().await.begins("✓ Issue closed");
        ivan.github().issue(REPO, 2).is("closed");
    })
    .await;
}

#[tokio::test]
async fn what_a_person_names_is_done_though_it_waits() {
    ivan_test(one_waits_for_two(), async |ivan| {
        ivan.dm(ANA, "done #1")
            .await
            .begins("✓ Issue closed in GitHub: Deploy");
        ivan.dm(ANA, "list").await.begins("1. Update the docs");
    })
    .await;
}

#[tokio::test]
async fn a_transferred_issue_stays_put_off() {
    let setup = two_issues()
        .webhooks()
        .config("github.repos = [\"acme/gadgets\"]")
        .before(|sandbox: &Sandbox| sandbox.github.add_repo("acme/gadgets", 6001));
    ivan_test(setup, async |ivan| {
        ivan.hook_up();
        ivan.dm(ANA, "snooze #1 3d").await.begins("✓ Snoozed until");
        ivan.github().transfer_issue(REPO, 1, "acme/gadgets");
        ivan.until_deliveries_are_applied().await;
        ivan.dm(ANA, "list")
            .await
            .replies("1. Update the docs · GitHub acme/widgets#2 · open");
    })
    .await;
}
