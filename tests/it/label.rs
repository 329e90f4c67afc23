//! `label`: GitHub's labels and ClickUp's tags, changed once, and undone only if they are still as Ivan left them.
//!
//! | situation                              | outcome                                                    |
//! |----------------------------------------|------------------------------------------------------------|
//! | plain                                  | changed                                                    |
//! | already so                             | success and `conflict`, nothing is sent                    |
//! | unknown name, to add or to take off    | refused with the nearest names, nothing is sent            |
//! | answer lost after it was applied       | changed, each request once                                 |
//! | killed between the two requests of one | the rest is sent, and `undo` restores both                 |
//! | source down                            | queued, and changed when it is back                        |
//! | changed by others since                | `undo` leaves it                                           |
//! | dropped by GitHub without a word       | refused                                                    |

use ivan::sandbox::fault_server::{Fault, FaultKind, FaultServer, Gate};
use rstest::rstest;
use serde_json::json;

use crate::harness::*;

/// A task and an issue of Ana's with one label each, and the labels of both places.
fn of_two() -> Setup {
    with_both(Setup::new())
}

fn with_both(setup: Setup) -> Setup {
    setup.work_of_ana().before(|sandbox| {
        for label in ["Bug", "good first issue", "P1", "ops"] {
            sandbox.github.add_label(REPO, label);
        }
        for tag in ["ops", "needs review"] {
            sandbox.clickup.add_tag(tag);
        }
    })
}

fn tags(ivan: &Ivan) -> Vec<String> {
    ivan.clickup().task("Renew cert").tags()
}

fn labels(ivan: &Ivan, number: u64) -> Vec<String> {
    ivan.github().issue(REPO, number).labels()
}

/// The writes that a source was sent, by method.
fn sent(front: &FaultServer, method: &str) -> usize {
    let seen = front.journal();
    seen.iter().filter(|seen| seen.method == method).count()
}

fn writes(ivan: &Ivan) -> usize {
    let fronts = [ivan.clickup().front(), ivan.github().front()];
    let count = |front: &&FaultServer| sent(front, "POST") + sent(front, "DELETE");
    fronts.iter().map(count).sum()
}

#[tokio::test]
async fn labels_and_tags_are_changed_and_put_back_from_every_surface() {
    ivan_test(of_two(), async |ivan| {
        let cert = cert(ivan);
        ivan.dm(ANA, "label #1 +bug +Good First Issue -wontfix")
            .await
            .replies("✓ Now with the labels “bug” and “Good First Issue” and without “wontfix” in GitHub: Login fails");
        // In the repository's spelling.
        assert_eq!(labels(ivan, 1), ["Bug", "good first issue"]);
        ivan.dm(ANA, "undo")
            .await
            .replies("✓ Undone: Login fails is as it was before in GitHub");
        assert_eq!(labels(ivan, 1), ["wontfix"]);
        ivan.dm(ANA, &format!("tag {cert} +needs review, -stale"))
            .await
            .replies("✓ Now with the tag “needs review” and without “stale” in ClickUp: Renew cert");
        assert_eq!(tags(ivan), ["needs review"]);
        let ran = ivan.cli(&["--as", "Ana", "undo"]).await;
        assert_eq!(ran.exit, 0, "{}", ran.err);
        assert_eq!(tags(ivan), ["stale"]);
        let ran = ivan
            .cli(&["--as", "Ana", "label", "#2", "+ops", "-wontfix"])
            .await;
        let said = "✓ Now with the label “ops” and without “wontfix” in GitHub: Update the docs";
        assert_eq!((ran.exit, ran.out.lines().next()), (0, Some(said)));
        let path = format!("/tasks/{}/label", cert.replace(':', "%3A"));
        let body = json!({"labels": "-stale"});
        let (status, answer) = ivan.http_with("POST", &path, Some(body.clone()), AS_ANA).await;
        assert_eq!((status, &answer["conflict"]), (200, &json!(false)), "{answer}");
        assert_eq!(tags(ivan), Vec::<String>::new());
        let (_, listed) = ivan.http_with("GET", "/tasks", None, AS_ANA).await;
        let of = |title: &str| {
            let mut tasks = listed["tasks"].as_array().unwrap().iter();
            tasks.find(|task| task["title"] == title).unwrap()["labels"].clone()
        };
        assert_eq!((of("Update the docs"), of("Renew cert")), (json!(["ops"]), json!([])));
        // Another time there is nothing to send.
        let before = writes(ivan);
        let (status, answer) = ivan.http_with("POST", &path, Some(body), AS_ANA).await;
        assert_eq!((status, &answer["conflict"]), (200, &json!(true)), "{answer}");
        ivan.dm(ANA, "label #2 +OPS")
            .await
            .replies("✓ Already with the label “OPS” in GitHub: Update the docs");
        assert_eq!(writes(ivan), before);
        ivan.dm(ANA, "log")
            .await
            .mentions(" · label: Login fails (now with the labels “bug” and “Good First Issue”");
    })
    .await;
}

#[tokio::test]
async fn a_label_opens_no_closed_issue() {
    ivan_test(of_two(), async |ivan| {
        ivan.dm(ANA, "done #1").await.begins("✓ Issue closed");
        ivan.dm(ANA, "label #1 +bug")
            .await
            .begins("✓ Now with the label “bug”");
        let path = "/tasks/github%3Aacme%2Fwidgets%231";
        let (_, task) = ivan.http_with("GET", path, None, AS_ANA).await;
        assert_eq!(task["status"], "done", "{task}");
        ivan.github().issue(REPO, 1).is("closed");
        ivan.dm(ANA, "undo").await.begins("✓ Undone: ");
        ivan.github().issue(REPO, 1).is("closed");
    })
    .await;
}

#[tokio::test]
async fn an_unknown_name_is_refused_with_the_nearest_ones() {
    ivan_test(of_two(), async |ivan| {
        let cert = cert(ivan);
        for (typed, refusal) in [
            (
                "label #1 +bgu -wontfix",
                "✗ Labels not changed: Login fails. acme/widgets has no label “bgu” in GitHub. Did you mean “Bug”?",
            ),
            // To take off a misspelled name would seem done.
            (
                "label #2 -wontfixx",
                "✗ Labels not changed: Update the docs. acme/widgets has no label “wontfixx” in GitHub. Did you mean “wontfix”?",
            ),
            (
                "label #1 +security",
                "✗ Labels not changed: Login fails. acme/widgets has no label “security” in GitHub. Its labels: ",
            ),
            (
                format!("label {cert} +review").as_str(),
                "✗ Tags not changed: Renew cert. The space ",
            ),
            (
                format!("label {cert} -opps").as_str(),
                "✗ Tags not changed: Renew cert. The space ",
            ),
        ] {
            ivan.dm(ANA, typed).await.begins(refusal);
        }
        ivan.dm(ANA, &format!("label {cert} +review"))
            .await
            .mentions("has no tag “review” in ClickUp. Did you mean “needs review”?");
        assert_eq!(labels(ivan, 1), ["wontfix"]);
        assert_eq!(tags(ivan), ["stale"]);
        assert_eq!(writes(ivan), 0);
        let ran = ivan.cli(&["--as", "Ana", "label", "#1", "bug"]).await;
        assert_eq!(ran.exit, 1);
        assert!(ran.err.contains("`+bug` adds a label"), "{}", ran.err);
    })
    .await;
}

/// The command, and the requests of it whose answers are lost.
#[rstest]
#[case::added_in_github("label #1 +bug", &[("POST", "/labels")])]
#[case::taken_off_in_github("label #1 -wontfix", &[("DELETE", "/labels/")])]
#[case::both_in_github("label #1 +bug -wontfix", &[("POST", "/labels"), ("DELETE", "/labels/")])]
#[case::the_second_of_both("label #1 +bug -wontfix", &[("DELETE", "/labels/")])]
#[case::tagged("label CERT +ops", &[("POST", "/tag/")])]
#[case::untagged("label CERT -stale", &[("DELETE", "/tag/")])]
#[case::both_in_clickup("label CERT +ops -stale", &[("POST", "/tag/"), ("DELETE", "/tag/")])]
#[tokio::test]
async fn a_lost_answer_is_looked_for_and_a_source_that_is_down_is_waited_for(
    #[case] typed: &str,
    #[case] lost: &[(&str, &str)],
) {
    ivan_test(of_two(), async |ivan| {
        let typed = typed.replace("CERT", &cert(ivan));
        let before = (labels(ivan, 1), tags(ivan));
        let front = match typed.contains('#') {
            true => ivan.github().front().clone(),
            false => ivan.clickup().front().clone(),
        };
        for (method, path) in lost {
            front.fault(Fault::new(FaultKind::ApplyThenDrop).on(method, path));
        }
        ivan.dm(ANA, &typed).await.begins("✓ Now with");
        for (method, _) in lost {
            assert_eq!(sent(&front, method), 1, "{method} is sent once");
        }
        let after = (labels(ivan, 1), tags(ivan));
        assert_ne!(after, before);
        // The undo restores what the interrupted attempts had made too, although its own answers are lost.
        for (method, path) in lost {
            let opposite = if *method == "POST" { "DELETE" } else { "POST" };
            let path = path.trim_end_matches('/');
            front.fault(Fault::new(FaultKind::ApplyThenDrop).on(opposite, path));
        }
        ivan.dm(ANA, "undo").await.begins("✓ Undone: ");
        assert_eq!((labels(ivan, 1), tags(ivan)), before);
        front.down();
        let again = ivan.says(ANA, &typed).answers().await;
        again.begins("… Change of ");
        front.up();
        again.settles().await.begins("✓ Now with");
        assert_eq!((labels(ivan, 1), tags(ivan)), after);
    })
    .await;
}

/// The request after which the daemon is killed, applied or not.
#[rstest]
#[case::the_first_was_applied("POST", FaultKind::ApplyThenHang)]
#[case::the_first_never_arrived("POST", FaultKind::Hang)]
#[case::the_second_was_applied("DELETE", FaultKind::ApplyThenHang)]
#[case::the_second_never_arrived("DELETE", FaultKind::Hang)]
#[tokio::test]
async fn a_kill_at_any_instant_loses_and_doubles_nothing(
    #[case] method: &str,
    #[case] kind: FaultKind,
) {
    ivan_test(of_two(), async |ivan| {
        let cert = cert(ivan);
        for (typed, front, path) in [
            (
                "label #1 +bug -wontfix".to_owned(),
                ivan.github().front().clone(),
                "/label",
            ),
            (
                format!("label {cert} +ops -stale"),
                ivan.clickup().front().clone(),
                "/tag/",
            ),
        ] {
            front.fault(Fault::new(kind.clone()).on(method, path));
            ivan.says(ANA, &typed);
            match kind {
                FaultKind::Hang => ivan.asks(&front, method, path, 1).await,
                _ => ivan.applies(&front, method, path, 1).await,
            };
            ivan.kill_and_restart().await;
            let place = usize::from(path == "/tag/");
            ivan.answer(ANA, place)
                .settles()
                .await
                .begins("✓ Now with the ");
        }
        assert_eq!(
            (labels(ivan, 1), tags(ivan)),
            (vec!["Bug".to_owned()], vec!["ops".to_owned()])
        );
        for _ in 0..2 {
            ivan.dm(ANA, "undo").await.begins("✓ Undone: ");
        }
        assert_eq!(labels(ivan, 1), ["wontfix"]);
        assert_eq!(tags(ivan), ["stale"]);
    })
    .await;
}

#[tokio::test]
async fn what_somebody_changed_is_left_as_it_is() {
    ivan_test(of_two(), async |ivan| {
        let cert = cert(ivan);
        // Bo had done a part of it before: only the rest is sent, and only that is undone.
        ivan.github().label_as(REPO, 1, "bo", &["wontfix", "Bug"]);
        ivan.dm(ANA, "label #1 +bug +ops").await.begins("✓ Now with");
        ivan.dm(ANA, "undo").await.begins("✓ Undone: ");
        assert_eq!(labels(ivan, 1), ["wontfix", "Bug"]);
        // Bo puts one of two back.
        ivan.dm(ANA, "label #1 +ops -wontfix").await.begins("✓ Now with");
        ivan.github().label_as(REPO, 1, "bo", &["Bug", "ops", "wontfix"]);
        ivan.dm(ANA, "undo").await.replies(
            "✗ Not undone: Login fails. It changed in GitHub since (its labels changed), so I left it as it is.",
        );
        assert_eq!(labels(ivan, 1), ["Bug", "ops", "wontfix"]);
        ivan.dm(ANA, &format!("label {cert} +ops -stale"))
            .await
            .begins("✓ Now with");
        ivan.clickup().tag("Renew cert", "ops", false, BO_CLICKUP);
        ivan.dm(ANA, "undo").await.replies(
            "✗ Not undone: Renew cert. It changed in ClickUp since (its tags changed), so I left it as it is.",
        );
        // Other labels are no conflict.
        ivan.dm(ANA, "label #2 +ops").await.begins("✓ Now with");
        ivan.github().label_as(REPO, 2, "bo", &["ops", "wontfix"]);
        ivan.dm(ANA, "undo").await.begins("✓ Undone: ");
        assert_eq!(labels(ivan, 2), ["wontfix"]);
    })
    .await;
}

#[tokio::test]
async fn what_another_person_does_in_the_same_moment_counts() {
    ivan_test(of_two(), async |ivan| {
        // Bo takes it off between Ivan's read and its request, which GitHub then answers with 404.
        let gate = Gate::new();
        let front = ivan.github().front();
        front.fault(Fault::new(FaultKind::Wait(gate.clone())).on("DELETE", "/labels/"));
        ivan.says(ANA, "label #1 -wontfix");
        ivan.asks(front, "DELETE", "/labels/", 1).await;
        ivan.github().label_as(REPO, 1, "bo", &["ops"]);
        gate.open();
        ivan.answer(ANA, 0)
            .settles()
            .await
            .replies("✓ Now without the label “wontfix” in GitHub: Login fails");
        assert_eq!(labels(ivan, 1), ["ops"]);
    })
    .await;
}

#[tokio::test]
async fn without_rights_the_refusal_says_so_even_if_github_says_nothing() {
    let setup = of_two().before(|sandbox| sandbox.github.permit(REPO, false, false));
    ivan_test(setup, async |ivan| {
        ivan.dm(ANA, "label #1 +bug")
            .await
            .begins("✗ Labels not changed: Login fails. ");
        assert_eq!(labels(ivan, 1), ["wontfix"]);
        // As for assignees: an answer without the label that was asked for.
        let dropped = FaultKind::Answer {
            status: 200,
            headers: Vec::new(),
            body: json!([{"name": "wontfix"}]).to_string(),
        };
        ivan.github()
            .front()
            .fault(Fault::new(dropped).on("POST", "/labels"));
        ivan.dm(ANA, "label #1 +bug").await.begins(
            "✗ Labels not changed: Login fails. GitHub did not change the labels of acme/widgets#1. Give the account of \
             github.token write access",
        );
    })
    .await;
}

#[tokio::test]
async fn a_label_of_the_priority_is_no_change_by_others() {
    ivan_test(with_both(Setup::new().webhooks()), async |ivan| {
        ivan.hook_up();
        ivan.dm(BO, "label #2 +P1")
            .await
            .replies("✓ Now with the label “P1” in GitHub: Update the docs");
        ivan.until_deliveries_are_applied().await;
        let path = "/tasks/github%3Aacme%2Fwidgets%232";
        let (_, task) = ivan.http_with("GET", path, None, AS_ANA).await;
        assert_eq!(task["priority"], "high", "{task}");
    })
    .await;
}

#[tokio::test]
async fn several_tasks_get_it_at_once() {
    ivan_test(of_two(), async |ivan| {
        ivan.dm(ANA, "list").await.begins("1. Renew cert");
        ivan.dm(ANA, "label 1-3 +ops").await.replies(
            "✓ 3 of 3 tasks:\n✓ Now with the tag “ops” in ClickUp: Renew cert\n\
             ✓ Now with the label “ops” in GitHub: Login fails\n\
             ✓ Now with the label “ops” in GitHub: Update the docs",
        );
        ivan.dm(ANA, "undo")
            .await
            .begins("✓ 3 of 3 tasks:\n✓ Undone: ");
        assert_eq!(
            (labels(ivan, 2), tags(ivan)),
            (Vec::new(), vec!["stale".to_owned()])
        );
        let ran = ivan
            .cli(&["--as", "Ana", "label", "2", "3", "+good first issue"])
            .await;
        assert_eq!(ran.exit, 0, "{}", ran.err);
        assert_eq!(labels(ivan, 2), ["good first issue"]);
        let question = ivan
            .dm(ANA, "label label:\"good first issue\" -good first issue")
            .await;
        question.begins("`label -good first issue` for these 2 tasks?");
        ivan.presses(ANA, &question, "Do it")
            .answers()
            .await
            .begins("✓ 2 of 2 tasks:");
        assert_eq!(labels(ivan, 2), Vec::<String>::new());
        let body = json!({"refs": ["#1", "#2"], "labels": "+ops"});
        let (status, answer) = ivan.http_with("POST", "/label", Some(body), AS_ANA).await;
        assert_eq!(
            (status, &answer["success"]),
            (200, &json!(true)),
            "{answer}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_list_is_narrowed_by_labels_however_they_came() {
    ivan_test(with_both(Setup::new().webhooks()), async |ivan| {
        ivan.hook_up();
        ivan.dm(ANA, "list label:WontFix")
            .await
            .begins("1. Login fails");
        ivan.dm(ANA, "list label:wontfix label:bug")
            .await
            .replies("No task in your queue is labelled “bug” and “wontfix”.");
        // By webhooks.
        ivan.github().label_as(REPO, 2, "bo", &["good first issue"]);
        ivan.clickup()
            .tag("Renew cert", "needs review", true, BO_CLICKUP);
        ivan.until_deliveries_are_applied().await;
        ivan.dm(ANA, "list label:\"good first issue\"")
            .await
            .begins("1. Update the docs");
        let ran = ivan
            .cli(&["--as", "Ana", "list", "label:\"needs review\""])
            .await;
        assert!(ran.out.contains("Renew cert"), "{}{}", ran.out, ran.err);
        // By a poll.
        ivan.github().hold();
        ivan.github().label_as(REPO, 1, "bo", &["ops"]);
        ivan.sync().await;
        for path in ["/queue?filter=label%3Aops", "/tasks?filter=tag%3Aops"] {
            let (status, answer) = ivan.http_with("GET", path, None, AS_ANA).await;
            assert_eq!(status, 200, "{answer}");
            let titles: Vec<&str> = answer["tasks"]
                .as_array()
                .unwrap()
                .iter()
                .filter_map(|task| task["title"].as_str())
                .collect();
            assert_eq!(titles, ["Login fails"], "{answer}");
        }
        ivan.github().release();
        ivan.until_deliveries_are_applied().await;
        ivan.dm(ANA, "find docs label:ops")
            .await
            .begins("No task of `label:ops` has");
        ivan.dm(ANA, "find login label:ops")
            .await
            .begins("1. Login fails");
    })
    .await;
}
