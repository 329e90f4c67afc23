//! Several tasks at once: `done 1 3 5`, `snooze 2-4 mon`. One receipt with a line for each, one undo, exactly once for
//! each, on every surface.

use ivan::sandbox::fault_server::{Fault, FaultKind, FaultServer, Gate};
use rstest::rstest;
use serde_json::{Value, json};

use crate::harness::*;

/// The list is 1. Renew cert, 2. Login fails, 3. Update the docs, 4. Write the runbook.
fn world() -> Setup {
    two_tasks().github_issues([
        json!({"title": "Login fails", "labels": ["P0"]}),
        json!({"title": "Update the docs", "labels": ["P1"]}),
    ])
}

const ALL_DONE: &str = "✓ 3 of 3 tasks:\n✓ Task completed in ClickUp: Renew cert\n\
    ✓ Issue closed in GitHub: Login fails\n✓ Issue closed in GitHub: Update the docs\nNext: Write the runbook";

fn writes(front: &FaultServer) -> usize {
    let seen = front.journal();
    let writes = seen.iter().filter(|one| one.method != "GET" && one.applied);
    writes.count()
}

/// The three tasks are done, by one request each.
fn are_done_once(ivan: &Ivan) {
    ivan.clickup().task("Renew cert").is("complete");
    ivan.clickup().task("Write the runbook").is("to do");
    ivan.github().issue(REPO, 1).is("closed");
    ivan.github().issue(REPO, 2).is("closed");
    assert_eq!(writes(ivan.clickup().front()), 1);
    assert_eq!(writes(ivan.github().front()), 2);
}

#[tokio::test]
async fn numbers_and_ranges_have_one_receipt_and_one_undo() {
    ivan_test(world(), async |ivan| {
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        ivan.dm(ANA, "list").await.begins("1. Renew cert");
        let receipt = ivan.dm(ANA, "done 1 2-3").await;
        receipt.replies(ALL_DONE);
        assert!(receipt.buttons().contains(&"Undo".to_owned()));
        are_done_once(ivan);
        // The next task is current now, and each task has an entry in the log.
        ivan.dm(ANA, "current").await.mentions("Write the runbook");
        let log = ivan.dm(ANA, "log").await.text();
        for title in ["Renew cert", "Login fails", "Update the docs"] {
            assert_eq!(log.matches(title).count(), 1, "{log}");
        }
        ivan.dm(ANA, "undo").await.replies(
            "✓ 3 of 3 tasks:\n✓ Undone: Renew cert is to do again in ClickUp. It's your current task again.\n\
             ✓ Undone: Login fails is open again in GitHub\n✓ Undone: Update the docs is open again in GitHub",
        );
        ivan.clickup().task("Renew cert").is("to do");
        ivan.github().issue(REPO, 1).is("open");
        ivan.github().issue(REPO, 2).is("open");
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        ivan.dm(ANA, "undo")
            .await
            .begins("✗ Nothing more to undo in the last 15 minutes.");
        // The button is gone from the receipt.
        ivan.within("the button goes", async {
            while receipt.buttons().contains(&"Undo".to_owned()) {
                tokio::task::yield_now().await;
            }
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn the_button_undoes_all_of_it_and_what_changed_since_stays() {
    ivan_test(world(), async |ivan| {
        ivan.dm(ANA, "list").await;
        let receipt = ivan.dm(ANA, "done 1-3 -c shipped").await;
        receipt
            .begins("✓ 3 of 3 tasks:\n✓ Task completed in ClickUp: Renew cert, with your comment\n")
            .mentions("\n✓ Issue closed in GitHub: Login fails, with your comment\n");
        ivan.clickup().set_status("Renew cert", "to do", BO_CLICKUP);
        ivan.clickup()
            .set_status("Renew cert", "complete", BO_CLICKUP);
        let undone = ivan.presses(ANA, &receipt, "Undo").settles().await;
        undone
            .begins(
                "✗ 2 of 3 tasks:\n✗ Not undone: Renew cert. It changed in ClickUp since (it was completed again)",
            )
            .mentions(
                "\n✓ Undone: Login fails is open again in GitHub, and your comment was deleted\n\
                 ✓ Undone: Update the docs is open again in GitHub, and your comment was deleted",
            );
        ivan.clickup()
            .task("Renew cert")
            .is("complete")
            .has_comments(["shipped"]);
        for number in [1, 2] {
            let issue = ivan.github().issue(REPO, number);
            issue.is("open").has_comments([]);
        }
    })
    .await;
}

#[tokio::test]
async fn each_of_the_verbs_takes_several_tasks() {
    let mine = |mut task: Value| {
        task["assignees"] = json!([ANA_CLICKUP]);
        task
    };
    let setup = Setup::new()
        .people()
        .clickup_tasks([
            mine(json!({"name": "Renew cert", "priority": 1})),
            mine(json!({"name": "Write the runbook", "priority": 2})),
        ])
        .github_issues([
            json!({"title": "Login fails", "assignees": ["ana"]}),
            json!({"title": "Update the docs", "assignees": ["ana"]}),
            // The repository has the label from here.
            json!({"title": "Old", "labels": ["P1"], "state": "closed"}),
        ]);
    ivan_test(setup, async |ivan| {
        ivan.dm(ANA, "list").await.begins("1. Renew cert");
        ivan.dm(ANA, "prio 1 3 high").await.replies(
            "✓ 2 of 2 tasks:\n✓ Priority is now high: Renew cert\n✓ Priority is now high: Login fails",
        );
        ivan.dm(ANA, "undo").await.replies(
            "✓ 2 of 2 tasks:\n✓ Undone: Renew cert is as it was before in ClickUp\n\
             ✓ Undone: Login fails is as it was before in GitHub",
        );
        let due = ivan.dm(ANA, "due 1, 2 and 3 1 dec").await;
        due.begins("✗ 2 of 3 tasks:\n✓ Due date is now ")
            .mentions(": Renew cert\n✓ Due date is now ")
            .mentions("\n✗ Login fails: GitHub has no due dates for issues.");
        ivan.dm(ANA, "due 3-4 fri")
            .await
            .begins("✗ GitHub has no due dates for issues.");
        ivan.dm(ANA, "snooze 3-4 tomorrow")
            .await
            .begins("✓ 2 of 2 tasks:\n✓ Snoozed until ")
            .mentions(": Login fails\n✓ Snoozed until ");
        ivan.dm(ANA, "list snoozed").await.mentions("Update the docs");
        ivan.dm(ANA, "undo").await.replies(
            "✓ 2 of 2 tasks:\n✓ Undone: Login fails is back in your queue\n\
             ✓ Undone: Update the docs is back in your queue",
        );
        ivan.dm(ANA, "list").await.mentions("Update the docs");
        ivan.dm(BO, "mute").await;
        ivan.dm(ANA, "assign 2-3 @Bo").await.replies(
            "✓ 2 of 2 tasks:\n✓ Now assigned to Bo in ClickUp: Write the runbook\n\
             ✓ Now assigned to Bo in GitHub: Login fails",
        );
        ivan.dm(ANA, "assign 1 4 @nobody-here")
            .await
            .begins("✗ I don't know `nobody-here`. ");
    })
    .await;
}

#[tokio::test]
async fn a_number_that_means_nothing_stops_all_of_it() {
    ivan_test(world(), async |ivan| {
        ivan.dm(ANA, "done 1 2").await.begins("✗ ");
        ivan.dm(ANA, "list").await;
        ivan.dm(ANA, "done 3-5").await.begins("✗ ").mentions("5");
        ivan.dm(ANA, "done 1 #99")
            .await
            .begins("✗ 1 of 2 tasks:\n✓ Task completed in ClickUp: Renew cert\n✗ Not completed: ");
        ivan.dm(ANA, "done 1-51")
            .await
            .replies("✗ That is 51 tasks. I take at most 50 at once, so nothing changed.");
        // A task that is named twice is done once; one task alone is answered as always.
        ivan.dm(ANA, "done 2 #1")
            .await
            .replies("✓ Issue closed in GitHub: Login fails. Next: Update the docs");
        assert_eq!(writes(ivan.github().front()), 1);
    })
    .await;
}

#[tokio::test]
async fn the_receipt_is_updated_in_place_as_each_task_ends() {
    ivan_test(world(), async |ivan| {
        ivan.dm(ANA, "list").await;
        let gate = Gate::new();
        let slow = Fault::new(FaultKind::Wait(gate.clone())).on("PUT", "/task/");
        ivan.clickup().front().fault(slow);
        let down = Fault::new(FaultKind::answer(503, "{}")).on("PATCH", "/issues/2");
        ivan.github().front().fault(down);
        let receipt = ivan.says(ANA, "done 1-3").answers().await;
        receipt.begins("… ").mentions("I'll update this message.");
        let receipt = receipt
            .until(|posted| {
                shown(&posted.text)
                    .contains("✓ Issue closed in GitHub: Login fails\n✓ Issue closed")
            })
            .await;
        receipt.begins("… 2 of 3 tasks:\n… Completion of Renew cert is waiting: ");
        gate.open();
        receipt.becomes(ALL_DONE).await;
        are_done_once(ivan);
    })
    .await;
}

#[tokio::test]
async fn a_conflict_and_a_refusal_stand_beside_a_success() {
    ivan_test(world(), async |ivan| {
        ivan.dm(ANA, "list").await;
        ivan.github().close_as(REPO, 1, "bo");
        let refusal = r#"{"message": "Must have admin rights to Repository."}"#;
        let refused = Fault::new(FaultKind::answer(403, refusal)).on("PATCH", "/issues/2");
        ivan.github().front().fault(refused);
        let receipt = ivan.dm(ANA, "done 1-3").await;
        receipt
            .begins(
                "✗ 2 of 3 tasks:\n✓ Task completed in ClickUp: Renew cert\n✓ Note: Login fails ",
            )
            .mentions("(completed externally)\n✗ Not completed: Update the docs. ")
            .mentions("Must have admin rights");
        // Only what Ivan did is undone.
        ivan.dm(ANA, "undo")
            .await
            .begins("✓ Undone: Renew cert is to do again in ClickUp");
        ivan.github().issue(REPO, 1).is("closed");
    })
    .await;
}

#[rstest]
#[case::lost(FaultKind::ApplyThenDrop)]
#[case::never_arrived(FaultKind::Drop)]
#[tokio::test]
async fn lost_answers_double_nothing(#[case] what: FaultKind) {
    ivan_test(world(), async |ivan| {
        ivan.dm(ANA, "list").await;
        for (front, method, path) in [
            (ivan.clickup().front(), "PUT", "/task/"),
            (ivan.github().front(), "PATCH", "/issues/1"),
            (ivan.github().front(), "PATCH", "/issues/2"),
        ] {
            front.fault(Fault::new(what.clone()).on(method, path));
        }
        ivan.says(ANA, "done 1-3").settles().await.replies(ALL_DONE);
        are_done_once(ivan);
    })
    .await;
}

/// Killed between the operations, and once more while the undo is between them.
#[tokio::test]
async fn a_kill_between_two_tasks_loses_and_doubles_nothing() {
    let mut ivan = world().start().await;
    ivan.start().await;
    ivan.dm(ANA, "current").await;
    ivan.dm(ANA, "list").await;
    let hold = |front: &FaultServer, method: &str, path: &str| {
        let gate = Gate::new();
        front.fault(Fault::new(FaultKind::Wait(gate)).on(method, path));
    };
    hold(ivan.clickup().front(), "PUT", "/task/");
    let before = ivan.slack().bot_messages(&ivan.slack().dm(ANA)).len();
    ivan.says(ANA, "done 1-3");
    ivan.within("the issues are closed", async {
        while writes(ivan.github().front()) < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    ivan.clickup().front().clear_faults();
    ivan.kill_and_restart().await;
    let receipt = ivan.answer(ANA, before).settles().await;
    receipt.replies(ALL_DONE);
    are_done_once(&ivan);
    hold(ivan.github().front(), "PATCH", "/issues/2");
    ivan.says(ANA, "undo");
    ivan.within("the others are open again", async {
        while writes(ivan.github().front()) < 3 || writes(ivan.clickup().front()) < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    ivan.github().front().clear_faults();
    ivan.kill_and_restart().await;
    ivan.answer(ANA, before + 1)
        .settles()
        .await
        .begins("✓ 3 of 3 tasks:\n✓ Undone: Renew cert");
    ivan.clickup().task("Renew cert").is("to do");
    ivan.github().issue(REPO, 1).is("open");
    ivan.github().issue(REPO, 2).is("open");
    assert_eq!(writes(ivan.github().front()), 4);
    ivan.finish().await;
}

/// `undo` while a task waits: that one is never sent, the others go back.
#[tokio::test]
async fn an_undo_takes_back_what_waits_in_time() {
    ivan_test(world(), async |ivan| {
        ivan.dm(ANA, "list").await;
        ivan.clickup()
            .front()
            .fault(Fault::new(FaultKind::answer(503, "{}")).always());
        let receipt = ivan.says(ANA, "done 1-2").answers().await;
        let receipt = receipt
            .until(|posted| posted.text.contains("✓ Issue closed"))
            .await;
        receipt.begins("… 1 of 2 tasks:\n… ");
        let undone = ivan.says(ANA, "undo").settles().await;
        undone
            .begins("✓ 2 of 2 tasks:\n")
            .mentions("✓ Undone in time: Renew cert. Nothing changed in ClickUp\n")
            .mentions("✓ Undone: Login fails is open again in GitHub");
        receipt
            .until(|posted| posted.text.contains("You undid it in time"))
            .await
            .begins("✗ 1 of 2 tasks:\n");
        ivan.clickup().front().clear_faults();
        ivan.clickup().task("Renew cert").is("to do");
        ivan.github().issue(REPO, 1).is("open");
    })
    .await;
}

#[tokio::test]
async fn a_slash_command_answers_its_author_alone() {
    ivan_test(world(), async |ivan| {
        let dm = ivan.slack().dm(ANA);
        ivan.slash(ANA, &dm, "list").await;
        assert_eq!(ivan.slash(ANA, &dm, "done 1-3").await, ALL_DONE);
        are_done_once(ivan);
        ivan.dm(ANA, "undo").await.begins("✓ 3 of 3 tasks:\n");
    })
    .await;
}

#[tokio::test]
async fn over_http_and_on_the_command_line_it_is_the_same() {
    ivan_test(world(), async |ivan| {
        ivan.http("GET", "/queue", None).await;
        let body = json!({"refs": ["1", "2-3"]});
        let key = [("Idempotency-Key", "once")];
        let ask = async || ivan.http_with("POST", "/done", Some(body.clone()), &key).await;
        let (status, answer) = ask().await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer["success"], true);
        assert_eq!(answer["operation_id"], Value::Null);
        assert_eq!(answer["next_task"]["title"], "Write the runbook");
        let results = answer["results"].as_array().unwrap();
        assert_eq!(results.len(), 3);
        assert_eq!(results[1]["task_id"], "github:acme/widgets#1");
        assert_eq!(results[1]["message"], "Issue closed in GitHub: Login fails");
        let operation = results[1]["operation_id"].as_str().unwrap();
        let (_, operation) = ivan.http("GET", &format!("/operations/{operation}"), None).await;
        assert_eq!(operation["state"], "applied", "{operation}");
        // The same request once more is the same command.
        assert_eq!(ask().await, (200, answer));
        are_done_once(ivan);

        let undone = ivan.cli(&["undo"]).await;
        assert_eq!(undone.exit, 0, "{undone:?}");
        assert!(undone.out.starts_with("✓ 3 of 3 tasks:\n✓ Undone: Renew cert"), "{undone:?}");
        ivan.cli(&["list"]).await;
        let refusal = r#"{"message": "Must have admin rights to Repository."}"#;
        let refused = Fault::new(FaultKind::answer(403, refusal)).on("PATCH", "/issues/2");
        ivan.github().front().fault(refused);
        let done = ivan.cli(&["done", "2-3", "-c", "shipped"]).await;
        assert_eq!(done.exit, 1, "{done:?}");
        assert!(
            done.out.starts_with(
                "✗ 1 of 2 tasks:\n✓ Issue closed in GitHub: Login fails, with your comment\n✗ Not completed: "
            ),
            "{done:?}"
        );
        for (body, why) in [
            (json!({"refs": ["1"], "ref": "2"}), "`ref` and `refs` exclude each other"),
            (json!({"refs": []}), "`refs` is empty. Name at least one task"),
        ] {
            let (status, problem) = ivan.http("POST", "/done", Some(body)).await;
            assert_eq!((status, &problem["detail"]), (422, &json!(why)));
        }
        let (status, _) = ivan
            .http("POST", "/tasks/github:acme%2Fwidgets%231/complete", Some(json!({"refs": ["1"]})))
            .await;
        assert_eq!(status, 422);
    })
    .await;
}

// ------------------------------------------------------------ asks first

/// Two tasks are overdue, one is not, and an issue has no date.
fn overdue() -> Setup {
    let late = |name: &str| json!({"name": name, "due_date": 1_700_000_000_000_i64});
    Setup::new()
        .clickup_tasks([
            late("Renew cert"),
            late("Write the runbook"),
            json!({"name": "Rotate keys"}),
        ])
        .github_issues([json!({"title": "Login fails"})])
}

#[tokio::test]
async fn a_filter_asks_first_and_acts_on_what_was_shown() {
    ivan_test(overdue(), async |ivan| {
        ivan.dm(ANA, "current").await;
        let question = ivan.dm(ANA, "done overdue").await;
        question.replies(
            "`done` for these 2 tasks? Nothing is done yet.\n• Renew cert\n• Write the runbook",
        );
        assert_eq!(question.buttons(), ["Do it", "No"]);
        assert_eq!(writes(ivan.clickup().front()), 0);
        // What matches by now does not count, and a stranger to the question cannot answer it.
        ivan.clickup()
            .add_task(json!({"name": "Late, too", "due_date": 1_700_000_000_000_i64}));
        ivan.sync().await;
        let action = question.action("Do it");
        let done = ivan.presses(ANA, &question, "Do it").settles().await;
        done.replies(
            "✓ 2 of 2 tasks:\n✓ Task completed in ClickUp: Renew cert\n\
             ✓ Task completed in ClickUp: Write the runbook\nNext: Late, too",
        );
        ivan.clickup().task("Late, too").is("to do");
        ivan.within("the buttons go", async {
            while !question.buttons().is_empty() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        // Once more, as a second press on the way.
        let uid = action.strip_prefix("confirm:").unwrap();
        ivan.dm(ANA, &format!("confirm {uid}")).await.replies(
            "✗ That question was answered, or is older than an hour. Type the command again.",
        );
        assert_eq!(writes(ivan.clickup().front()), 2);
        ivan.dm(ANA, "undo")
            .await
            .begins("✓ 2 of 2 tasks:\n✓ Undone: Renew cert");
    })
    .await;
}

#[tokio::test]
async fn two_presses_act_once_and_no_does_nothing() {
    ivan_test(overdue(), async |ivan| {
        let question = ivan.dm(ANA, "prio overdue high").await;
        question.begins("`prio high` for these 2 tasks?");
        let (one, other) = (
            ivan.presses(ANA, &question, "Do it"),
            ivan.presses(ANA, &question, "Do it"),
        );
        one.settles()
            .await
            .begins("✓ 2 of 2 tasks:\n✓ Priority is now high");
        other.settles().await.begins("✗ That question was answered");
        assert_eq!(writes(ivan.clickup().front()), 2);
        let question = ivan.dm(ANA, "snooze clickup overdue 2h").await;
        question.begins("`snooze 2h` for these 2 tasks?");
        ivan.presses(ANA, &question, "No")
            .answers()
            .await
            .replies("OK, nothing was done.");
        ivan.dm(ANA, "list snoozed")
            .await
            .replies("None of your tasks is snoozed.");
        ivan.dm(ANA, "done blocked").await.begins("✗ ");
        ivan.dm(ANA, "done overdue nobodys-client")
            .await
            .begins("✗ ");
    })
    .await;
}

#[tokio::test]
async fn another_person_cannot_answer_and_an_hour_is_the_limit() {
    let late = |who: i64| json!({"name": format!("Task of {who}"), "due_date": 1_700_000_000_000_i64, "assignees": [who]});
    let setup = Setup::new()
        .people()
        .clickup_tasks([late(ANA_CLICKUP), late(BO_CLICKUP)]);
    ivan_test(setup, async |ivan| {
        let question = ivan.dm(ANA, "done overdue").await;
        question.begins("`done` for this task? Nothing is done yet.");
        let action = question.action("Do it");
        let uid = action.strip_prefix("confirm:").unwrap();
        ivan.dm(BO, &format!("confirm {uid}"))
            .await
            .replies("✗ Only the person who was asked can answer that.");
        ivan.minutes_pass(61);
        ivan.presses(ANA, &question, "Do it")
            .settles()
            .await
            .begins("✗ That question was answered, or is older than an hour.");
        assert_eq!(writes(ivan.clickup().front()), 0);
    })
    .await;
}

#[tokio::test]
async fn more_than_ten_ask_first_through_each_surface() {
    let setup = Setup::new().before(|sandbox| {
        for number in 1..=12 {
            let title = format!("Issue {number:02}");
            sandbox.github.add_issue(REPO, json!({"title": title}));
        }
    });
    ivan_test(setup, async |ivan| {
        let dm = ivan.slack().dm(ANA);
        ivan.slash(ANA, &dm, "list 12").await;
        let question = ivan.slash(ANA, &dm, "done 1-11").await;
        assert!(
            question.starts_with("`done` for these 11 tasks? Nothing is done yet.\n• Issue 01\n"),
            "{question}"
        );
        ivan.cli(&["list", "12"]).await;
        let asked = ivan.cli(&["done", "1-11"]).await;
        assert_eq!(asked.exit, 1, "{asked:?}");
        let line = asked.out.lines().last().unwrap().to_owned();
        let id = line
            .split('`')
            .nth(1)
            .unwrap()
            .rsplit(' ')
            .next()
            .unwrap()
            .to_owned();
        let done = ivan.cli(&["confirm", &id]).await;
        assert!(
            done.exit == 0 && done.out.starts_with("✓ 11 of 11 tasks:\n"),
            "{done:?}"
        );
        assert_eq!(writes(ivan.github().front()), 11);
        let undone = ivan.cli(&["undo"]).await;
        assert!(
            undone
                .out
                .starts_with("✓ 11 of 11 tasks:\n✓ Undone: Issue 01"),
            "{undone:?}"
        );
        let body = json!({"filter": "github", "comment": "shipped"});
        let key = [("Idempotency-Key", "asks")];
        let (status, asked) = ivan
            .http_with("POST", "/done", Some(body.clone()), &key)
            .await;
        assert_eq!((status, &asked["success"]), (200, &json!(false)), "{asked}");
        let again = ivan.http_with("POST", "/done", Some(body), &key).await;
        assert_eq!(again, (200, asked.clone()));
        let body = json!({"id": asked["confirm"]});
        let (status, done) = ivan
            .http("POST", "/confirm?wait=60", Some(body.clone()))
            .await;
        assert_eq!(status, 200, "{done}");
        assert_eq!(done["results"].as_array().unwrap().len(), 12);
        let (status, _) = ivan.http("POST", "/confirm", Some(body)).await;
        assert_eq!(status, 422);
    })
    .await;
}

/// The question of `ivan done 1-11` at a terminal, and what follows when it is answered so.
#[cfg(target_os = "linux")]
#[rstest]
#[case::yes("y\r", 11, "✓ 11 of 11 tasks:")]
#[case::no("\r", 0, "✗ Nothing is done")]
#[case::the_end(crate::demo_terminal::CTRL_D, 0, "✗ Nothing is done")]
#[tokio::test]
async fn a_terminal_is_asked_at_once(
    #[case] typed: &str,
    #[case] writes_then: usize,
    #[case] said: &str,
) {
    let setup = Setup::new().before(|sandbox| {
        for number in 1..=11 {
            let title = format!("Issue {number:02}");
            sandbox.github.add_issue(REPO, json!({"title": title}));
        }
    });
    ivan_test(setup, async |ivan| {
        ivan.cli(&["list", "11"]).await;
        let variables = [
            ("IVAN_API_URL", ivan.api_url()),
            ("IVAN_API_TOKEN", ivan.token()),
        ];
        let folder = Some(ivan.folder());
        let mut terminal =
            crate::demo_terminal::Terminal::running(&["done", "1-11"], folder, &variables);
        terminal.shows("Do it? [y/N]").await;
        assert_eq!(writes(ivan.github().front()), 0);
        terminal.types(typed);
        let (exit, screen) = terminal.ends().await;
        assert!(screen.contains(said), "{screen}");
        assert!(!screen.contains("ivan confirm"), "{screen}");
        assert_eq!(exit.success(), writes_then > 0);
        assert_eq!(writes(ivan.github().front()), writes_then);
    })
    .await;
}
