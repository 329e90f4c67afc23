//! `assign`, `claim`, `due` and `prio`: set in the source once, and undone only if the task is still as Ivan left it.
//!
//! | situation                        | outcome                                                   |
//! |----------------------------------|-----------------------------------------------------------|
//! | plain                            | changed                                                   |
//! | already so                       | success, reported as such, and nothing is sent            |
//! | answer lost after it was applied | changed, by one request                                   |
//! | source down                      | queued, and changed when it is back                       |
//! | refused by the source            | refused with its reason, nothing changed                  |
//! | source lacks the concept         | refused before anything is asked                          |
//! | undone                           | as before, unless another person changed it since         |

use ivan::sandbox::fault_server::{Fault, FaultKind};
use rstest::rstest;
use serde_json::{Value, json};

use crate::harness::*;

/// One task and one issue of Ana's, and an unassigned one in each source.
fn of_two() -> Setup {
    Setup::new()
        .people()
        .clickup_tasks([
            json!({"name": "Renew cert", "assignees": [ANA_CLICKUP], "priority": 3}),
            json!({"name": "Nobody's"}),
        ])
        .github_issues([
            json!({"title": "Login fails", "assignees": ["ana"], "labels": ["P1"]}),
            json!({"title": "Update the docs"}),
        ])
        .before(|sandbox| {
            for label in ["P0", "P1"] {
                sandbox.github.add_label(REPO, label);
            }
        })
}

fn assigned_in_clickup(ivan: &Ivan, task: &str) -> Vec<i64> {
    let json = ivan.clickup().task(task).json();
    let assignees = json["assignees"].as_array().unwrap().iter();
    assignees.map(|user| user["id"].as_i64().unwrap()).collect()
}

fn in_github(ivan: &Ivan, number: u64, what: &str, name: &str) -> Vec<String> {
    let issues = ivan.github().issues(REPO);
    let issue = issues
        .iter()
        .find(|issue| issue["number"] == number)
        .unwrap();
    let items = issue[what].as_array().unwrap().iter();
    items
        .map(|item| item[name].as_str().unwrap().to_owned())
        .collect()
}

fn priority(ivan: &Ivan) -> Value {
    ivan.clickup().task("Renew cert").json()["priority"]["priority"].clone()
}

fn due(ivan: &Ivan) -> Value {
    ivan.clickup().task("Renew cert").json()["due_date"].clone()
}

/// The number of writes sent.
fn writes(ivan: &Ivan) -> usize {
    let seen = [
        ivan.clickup().front().journal(),
        ivan.github().front().journal(),
    ];
    seen.iter()
        .flatten()
        .filter(|seen| seen.method != "GET")
        .count()
}

#[tokio::test]
async fn a_task_is_given_to_somebody_else_and_taken_back() {
    ivan_test(of_two(), async |ivan| {
        let cert = cert(ivan);
        ivan.says_wire(ANA, &format!("assign {cert} <@{BO}>"))
            .settles()
            .await
            .replies("✓ Now assigned to Bo in ClickUp: Renew cert");
        ivan.is_told(BO)
            .answers()
            .await
            .begins("Renew cert was assigned to you in ClickUp by Ana, ");
        assert_eq!(assigned_in_clickup(ivan, "Renew cert"), [BO_CLICKUP]);
        ivan.dm(BO, "mute").await;
        ivan.dm(BO, "list").await.begins("1. Renew cert");
        ivan.dm(ANA, "undo")
            .await
            .replies("✓ Undone: Renew cert is as it was before in ClickUp");
        assert_eq!(assigned_in_clickup(ivan, "Renew cert"), [ANA_CLICKUP]);
        ivan.dm(ANA, "assign #1 @bo")
            .await
            .replies("✓ Now assigned to Bo in GitHub: Login fails");
        assert_eq!(in_github(ivan, 1, "assignees", "login"), ["bo"]);
        ivan.dm(ANA, "undo")
            .await
            .replies("✓ Undone: Login fails is as it was before in GitHub");
        assert_eq!(in_github(ivan, 1, "assignees", "login"), ["ana"]);
    })
    .await;
}

#[tokio::test]
async fn whoever_claims_has_it_too() {
    ivan_test(of_two(), async |ivan| {
        ivan.dm(BO, "claim #1")
            .await
            .replies("✓ Now assigned to you in GitHub: Login fails");
        assert_eq!(in_github(ivan, 1, "assignees", "login"), ["ana", "bo"]);
        ivan.dm(BO, "claim #1")
            .await
            .replies("✓ Already assigned to you in GitHub: Login fails");
        let id = ivan.clickup().task("Nobody's").id().to_owned();
        let ran = ivan
            .cli(&["--as", "Bo", "claim", &format!("clickup:{id}")])
            .await;
        assert_eq!(
            (ran.exit, ran.out.trim()),
            (0, "✓ Now assigned to you in ClickUp: Nobody's")
        );
        assert_eq!(assigned_in_clickup(ivan, "Nobody's"), [BO_CLICKUP]);
        assert_eq!(writes(ivan), 2);
    })
    .await;
}

/// ClickUp is not known to do so: an answer with the task as it was.
#[rstest]
#[case::assignees(
    "assign @bo",
    "Not assigned: Renew cert. ClickUp did not change the assignees"
)]
#[case::due(
    "due tomorrow 17:00",
    "Due date not changed: Renew cert. ClickUp did not change the due date"
)]
#[case::day(
    "due 1 dec",
    "Due date not changed: Renew cert. ClickUp did not change the due date"
)]
#[case::priority(
    "prio urgent",
    "Priority not changed: Renew cert. ClickUp did not change the priority"
)]
#[tokio::test]
async fn what_clickup_drops_without_a_word_is_said(#[case] typed: &str, #[case] said: &str) {
    ivan_test(of_two(), async |ivan| {
        let cert = ivan.clickup().task("Renew cert");
        let dropped = FaultKind::Answer {
            status: 200,
            headers: Vec::new(),
            body: cert.json().to_string(),
        };
        ivan.clickup()
            .front()
            .fault(Fault::new(dropped).on("PUT", "/task/"));
        let (verb, rest) = typed.split_once(' ').unwrap();
        let typed = format!("{verb} clickup:{} {rest}", cert.id());
        ivan.dm(ANA, &typed).await.begins(&format!("✗ {said}"));
        // Nothing is to be undone, and the same command works.
        ivan.dm(ANA, &typed).await.begins("✓ ");
    })
    .await;
}

#[tokio::test]
async fn a_due_date_is_set_in_the_persons_zone_and_taken_away() {
    ivan_test(of_two(), async |ivan| {
        let cert = cert(ivan);
        let typed = format!("due {cert} tomorrow 17:00");
        let answer = ivan.dm(ANA, &typed).await;
        answer.begins("✓ Due date is now ");
        answer.mentions(" 17:00: Renew cert");
        let set: i64 = due(ivan).as_str().unwrap().parse().unwrap();
        // Madrid is ahead of UTC by an hour or two.
        let hour = set / 3_600_000 % 24;
        assert!((15..=16).contains(&hour), "{hour}");
        let path = format!("/tasks/{}/due", cert.replace(':', "%3A"));
        let (status, answer) = ivan
            .http_with(
                "POST",
                &path,
                Some(json!({"due": "none"})),
                &[("X-Ivan-Actor", "Ana")],
            )
            .await;
        assert_eq!(
            (status, &answer["success"]),
            (200, &json!(true)),
            "{answer}"
        );
        assert_eq!(due(ivan), Value::Null);
        ivan.dm(ANA, "undo")
            .await
            .begins("✓ Undone: Renew cert is as it was");
        assert_eq!(due(ivan), json!(set.to_string()));
        ivan.dm(ANA, "due #1 fri").await.begins(
            "✗ GitHub has no due dates for issues. Put the date into its milestone in GitHub",
        );
        ivan.dm(ANA, "due 1 jan 2020")
            .await
            .begins("✗ Due date not changed: 1 Jan 2020 is in the past");
        // A day without a time is a day in ClickUp too: 04:00 in the zone of the token's owner.
        ivan.dm(ANA, &format!("due {cert} 1 dec"))
            .await
            .begins("✓ Due date is now ")
            .mentions(" 1 Dec 20");
        let day = due(ivan).as_str().unwrap().parse::<i64>().unwrap();
        assert_eq!(day / 3_600_000 % 24, 3);
        ivan.dm(ANA, &format!("due {cert} 1 dec"))
            .await
            .begins("✓ Already due ");
        ivan.dm(ANA, &format!("due {cert} 2 dec 4:00"))
            .await
            .begins("✓ Due date is now ");
        ivan.dm(ANA, "undo")
            .await
            .begins("✓ Undone: Renew cert is as it was");
        assert_eq!(due(ivan), json!(day.to_string()));
    })
    .await;
}

#[tokio::test]
async fn a_day_without_a_time_is_the_same_day_wherever_somebody_is() {
    // 1 December in the zone of the token's owner, which is 22:00 of the day before in New York; and an evening there.
    let setup = Setup::new().people().clickup_tasks([
        json!({"name": "Renew cert", "assignees": [BO_CLICKUP], "priority": 1, "due_date": 1_953_860_400_000_i64}),
        json!({"name": "Call home", "assignees": [BO_CLICKUP], "due_date": 1_953_864_000_000_i64}),
    ]);
    ivan_test(setup, async |ivan| {
        ivan.slack().moves_to(BO, "America/New_York");
        let list = ivan.dm(BO, "list").await;
        list.mentions("1. Renew cert · ClickUp · to do · due 1 Dec 2031");
        list.mentions("2. Call home · ClickUp · to do · due 30 Nov 2031");
        let bo: &[(&str, &str)] = &[("X-Ivan-Actor", "Bo")];
        let (_, tasks) = ivan.http_with("GET", "/tasks", None, bo).await;
        let days: Vec<&Value> = tasks["tasks"]
            .as_array()
            .unwrap()
            .iter()
            .map(|task| &task["due_day"])
            .collect();
        assert_eq!(days, [&json!("2031-12-01"), &Value::Null]);
        let cli = ivan.cli(&["--as", "Bo", "current"]).await;
        assert!(cli.out.contains("due 1 Dec 2031"), "{}", cli.out);
        // He sets the day that he names, in any zone of the owner.
        let cert = cert(ivan);
        ivan.slack().moves_to(BO, "Pacific/Auckland");
        ivan.dm(BO, &format!("due {cert} tomorrow"))
            .await
            .begins("✓ Due date is now ");
        ivan.dm(BO, "list")
            .await
            .begins("1. Renew cert · ClickUp · to do · due tomorrow");
    })
    .await;
}

#[tokio::test]
async fn a_priority_is_set_and_taken_back() {
    ivan_test(of_two(), async |ivan| {
        let cert = cert(ivan);
        ivan.dm(ANA, &format!("prio {cert} urgent"))
            .await
            .replies("✓ Priority is now urgent: Renew cert");
        assert_eq!(priority(ivan), "urgent");
        ivan.dm(ANA, "undo")
            .await
            .begins("✓ Undone: Renew cert is as it was");
        assert_eq!(priority(ivan), "normal");
        ivan.dm(ANA, &format!("prio {cert} none"))
            .await
            .replies("✓ Priority removed: Renew cert");
        assert_eq!(priority(ivan), Value::Null);
        ivan.dm(ANA, "prio #1 urgent")
            .await
            .replies("✓ Priority is now urgent: Login fails");
        assert_eq!(in_github(ivan, 1, "labels", "name"), ["P0"]);
        let ran = ivan.cli(&["--as", "Ana", "undo"]).await;
        assert_eq!(ran.exit, 0, "{}", ran.err);
        assert_eq!(in_github(ivan, 1, "labels", "name"), ["P1"]);
        ivan.dm(ANA, "prio #1 normal")
            .await
            .replies("✓ Priority removed: Login fails");
        assert_eq!(in_github(ivan, 1, "labels", "name"), Vec::<String>::new());
        ivan.dm(ANA, "prio #1 low")
            .await
            .begins("✗ GitHub issues can't have");
    })
    .await;
}

/// An issue of Ana's with these labels, in a repository with two labels for urgent and one for high.
fn with_labels(labels: &[&str]) -> Setup {
    Setup::new()
        .config("github.priority_labels.urgent = [\"P0\", \"critical\"]")
        .people()
        .github_issues([json!({"title": "Login fails", "assignees": ["ana"], "labels": labels})])
        .before(|sandbox| {
            for label in ["P0", "critical", "P1", "bug"] {
                sandbox.github.add_label(REPO, label);
            }
        })
}

fn labels(ivan: &Ivan) -> Vec<String> {
    let mut labels = in_github(ivan, 1, "labels", "name");
    labels.sort();
    labels
}

const AS_BEFORE: &str = "✓ Undone: Login fails is as it was before in GitHub";

#[rstest]
#[case::the_second_label_of_a_level(&["critical"], "prio #1 high", &["P1"])]
#[case::both_labels_of_a_level(&["P0", "critical"], "prio #1 high", &["P1"])]
#[case::two_levels(&["P0", "P1"], "prio #1 high", &["P1"])]
#[case::none_of_two_levels(&["P0", "P1"], "prio #1 none", &[])]
#[case::beside_another_label(&["bug", "critical"], "prio #1 none", &["bug"])]
#[tokio::test]
async fn the_labels_of_a_priority_are_put_back(
    #[case] before: &[&str],
    #[case] typed: &str,
    #[case] after: &[&str],
) {
    ivan_test(with_labels(before), async |ivan| {
        ivan.dm(ANA, typed).await.begins("✓ Priority ");
        assert_eq!(labels(ivan), after);
        ivan.dm(ANA, "undo").await.replies(AS_BEFORE);
        assert_eq!(labels(ivan), before);
    })
    .await;
}

#[tokio::test]
async fn a_priority_by_a_field_counts_again_without_our_label() {
    let setup = with_labels(&[]).before(|sandbox| {
        let low = json!([{"issue_field_id": 1, "issue_field_name": "Priority", "data_type": "single_select",
            "value": "Low", "single_select_option": {"id": 3, "name": "Low", "color": "red"}}]);
        sandbox.github.set_fields(REPO, 1, low);
    });
    ivan_test(setup, async |ivan| {
        ivan.dm(ANA, "prio #1 high")
            .await
            .begins("✓ Priority is now high");
        assert_eq!(labels(ivan), ["P1"]);
        ivan.dm(ANA, "undo").await.replies(AS_BEFORE);
        assert_eq!(labels(ivan), Vec::<String>::new());
    })
    .await;
}

/// The labels that Bo gives the issue after Ana's `prio #1 urgent`.
#[rstest]
#[case::another_level(&["P1"])]
#[case::another_label_of_the_same_level(&["critical"])]
#[case::one_more(&["P0", "P1"])]
#[case::none(&[])]
#[tokio::test]
async fn the_labels_of_a_priority_that_somebody_changed_since_stay(#[case] given: &[&str]) {
    ivan_test(with_labels(&["P1", "critical"]), async |ivan| {
        ivan.dm(ANA, "prio #1 high").await.begins("✓ Priority ");
        ivan.dm(ANA, "prio #1 urgent").await.begins("✓ Priority ");
        assert_eq!(labels(ivan), ["P0"]);
        ivan.github().label_as(REPO, 1, "bo", given);
        let undone = ivan.dm(ANA, "undo").await;
        match given {
            // So it was before.
            ["P1"] => undone.begins("✓ Already undone: Login fails is as it was before in GitHub"),
            _ => undone.replies(
                "✗ Not undone: Login fails. It changed in GitHub since (its priority labels changed), so I left it as it is.",
            ),
        };
        assert_eq!(labels(ivan), given);
    })
    .await;
}

/// The request of `prio #1 high` at which the daemon is killed, applied or not.
#[rstest]
#[case::the_first_was_applied("DELETE", FaultKind::ApplyThenHang)]
#[case::the_first_never_arrived("DELETE", FaultKind::Hang)]
#[case::the_second_was_applied("POST", FaultKind::ApplyThenHang)]
#[case::the_second_never_arrived("POST", FaultKind::Hang)]
#[tokio::test]
async fn the_labels_before_a_kill_are_put_back(#[case] method: &str, #[case] kind: FaultKind) {
    ivan_test(with_labels(&["critical"]), async |ivan| {
        let front = ivan.github().front().clone();
        front.fault(Fault::new(kind.clone()).on(method, "/issues/1/labels"));
        ivan.says(ANA, "prio #1 high");
        match kind {
            FaultKind::Hang => ivan.asks(&front, method, "/issues/1/labels", 1).await,
            _ => ivan.applies(&front, method, "/issues/1/labels", 1).await,
        };
        ivan.kill_and_restart().await;
        let first = ivan.answer(ANA, 0).settles().await;
        first.begins("✓ Priority is now high");
        assert_eq!(labels(ivan), ["P1"]);
        // The answers to both requests of the undo are lost.
        for method in ["POST", "DELETE"] {
            front.fault(Fault::new(FaultKind::ApplyThenDrop).on(method, "/issues/1/labels"));
        }
        ivan.dm(ANA, "undo").await.begins("✓ Undone: ");
        assert_eq!(labels(ivan), ["critical"]);
    })
    .await;
}

/// For each verb in each source that has the concept: the command, and how often its write is sent.
#[rstest]
#[case::assign_in_clickup("assign CERT Bo", "PUT", "/task/")]
#[case::claim_in_clickup("claim NOBODYS", "PUT", "/task/")]
#[case::due("due CERT 1 dec", "PUT", "/task/")]
#[case::prio_in_clickup("prio CERT high", "PUT", "/task/")]
#[case::assign_in_github("assign #2 Bo", "POST", "/assignees")]
#[case::prio_in_github("prio #2 urgent", "POST", "/labels")]
#[tokio::test]
async fn a_lost_answer_is_looked_for_and_a_source_that_is_down_is_waited_for(
    #[case] typed: &str,
    #[case] method: &str,
    #[case] path: &str,
) {
    ivan_test(of_two(), async |ivan| {
        ivan.dm(BO, "mute").await;
        let nobodys = format!("clickup:{}", ivan.clickup().task("Nobody's").id());
        let typed = typed
            .replace("CERT", &cert(ivan))
            .replace("NOBODYS", &nobodys);
        let of_github = typed.contains('#');
        let front = match of_github {
            true => ivan.github().front().clone(),
            false => ivan.clickup().front().clone(),
        };
        front.fault(Fault::new(FaultKind::ApplyThenDrop).on(method, path));
        ivan.dm(ANA, &typed).await.begins("✓ ");
        let sent = front.journal();
        let sent = sent.iter().filter(|seen| seen.method == method).count();
        assert_eq!(sent, 1, "sent once");
        // Undone while the source does not answer: carried out when it does.
        front.down();
        let undo = ivan.says(ANA, "undo").answers().await;
        undo.begins("… Undo for ");
        front.up();
        undo.settles().await.begins("✓ Undone: ");
        front.down();
        let again = ivan.says(ANA, &typed).answers().await;
        again.begins("… ");
        front.up();
        again.settles().await.begins("✓ ");
    })
    .await;
}

#[tokio::test]
async fn what_somebody_changed_since_is_left_as_it_is() {
    ivan_test(of_two(), async |ivan| {
        let cert = cert(ivan);
        ivan.dm(ANA, &format!("prio {cert} urgent")).await.begins("✓ Priority is now urgent");
        ivan.clickup()
            .as_person("Renew cert", BO_CLICKUP, &json!({"priority": 4}));
        ivan.dm(ANA, "undo").await.replies(
            "✗ Not undone: Renew cert. It changed in ClickUp since (its priority changed), so I left it as it is.",
        );
        assert_eq!(priority(ivan), "low");
    })
    .await;
}

#[tokio::test]
async fn what_github_drops_without_a_word_is_said() {
    let setup = of_two().before(|sandbox| {
        sandbox.github.permit(REPO, false, false);
    });
    ivan_test(setup, async |ivan| {
        let may_not = "GitHub does not let me say to whom acme/widgets#1 is assigned. Give the account of github.token write access";
        ivan.dm(BO, "claim #1")
            .await
            .begins(&format!("✗ Not assigned: Login fails. {may_not}"));
        assert_eq!(in_github(ivan, 1, "assignees", "login"), ["ana"]);
        // GitHub allows assigning it, and the permission is gone before the undo.
        ivan.github().permit(REPO, true, false);
        ivan.dm(BO, "claim #1").await.begins("✓ Now assigned to you");
        ivan.github().permit(REPO, false, false);
        ivan.dm(BO, "undo").await.begins("✗ ").mentions(may_not);
        assert_eq!(in_github(ivan, 1, "assignees", "login"), ["ana", "bo"]);
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_what_to_do() {
    let setup =
        of_two().config("[[people]]\nname = \"Cem\"\nslack = \"U0CEM01\"\ngithub = \"stranger\"");
    ivan_test(setup, async |ivan| {
        for (typed, begins) in [
            (format!("assign {} @Dee", cert(ivan)), "✗ I don't know `Dee`. People here: Ana, Bo, Cem."),
            (
                format!("assign {} Cem", cert(ivan)),
                "✗ I don't know Cem's ClickUp account. Cem can type `link clickup",
            ),
            (
                "assign #2 Cem".into(),
                "✗ Not assigned: Update the docs. GitHub doesn't let me assign acme/widgets#2 to stranger. They need",
            ),
        ] {
            ivan.dm(ANA, &typed).await.begins(begins);
        }
        assert_eq!(assigned_in_clickup(ivan, "Renew cert"), [ANA_CLICKUP]);
    })
    .await;
}
