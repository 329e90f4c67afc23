//! Changes by others in the sources reach the mirror, and the people concerned, within a moment of the delivery.

use ivan::sandbox::fault_server::{Fault, FaultKind, FaultServer};
use rstest::rstest;
use serde_json::json;

use crate::harness::*;

#[tokio::test]
async fn a_close_in_github_is_told_and_the_pin_stays() {
    ivan_test(two_issues().webhooks(), async |ivan| {
        ivan.hook_up();
        ivan.dm(ANA, "current").await.mentions("Login fails");
        ivan.github().close_as(REPO, 1, "bo");
        let notice = ivan.is_told(ANA).answers().await;
        notice.mentions("Login fails was completed in GitHub by bo");
        notice.mentions("It stays your current task");
        let (_, task) = ivan
            .http("GET", "/tasks/github:acme%2Fwidgets%231", None)
            .await;
        assert_eq!(task["status"], "done");
        let answer = ivan.dm(ANA, "done").await;
        answer.mentions("(completed externally)");
        answer.mentions("Next: Update the docs");
    })
    .await;
}

/// ClickUp reports one change twice (`taskStatusUpdated`, `taskUpdated`): one delivery is enough, and without any the
/// poll is. The notice comes once either way.
#[rstest]
#[case::the_first_is_lost(1)]
#[case::both_are_lost(2)]
#[tokio::test]
async fn a_completion_is_told_once_whichever_of_its_webhooks_is_lost(#[case] lost: u32) {
    ivan_test(two_tasks().webhooks(), async |ivan| {
        ivan.hook_up();
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        let sent = ivan.clickup().deliveries().len();
        ivan.clickup().lose_next(lost);
        ivan.clickup()
            .set_status("Renew cert", "complete", BO_CLICKUP);
        ivan.until_deliveries_are_applied().await;
        let ended: Vec<bool> = ivan.clickup().deliveries()[sent..]
            .iter()
            .map(|delivery| delivery.ended.is_ok())
            .collect();
        assert_eq!(ended, [false, lost < 2]);
        if lost == 2 {
            ivan.sync().await;
        }
        ivan.is_told(ANA)
            .answers()
            .await
            .mentions("Renew cert was completed in ClickUp");
        let told = ivan.slack().bot_messages(&ivan.slack().dm(ANA)).len();
        ivan.sync().await;
        ivan.dm(ANA, "status").await;
        let messages = ivan.slack().bot_messages(&ivan.slack().dm(ANA));
        assert_eq!(
            messages.len(),
            told + 1,
            "the answer to status alone: {messages:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_completion_in_clickup_is_told() {
    ivan_test(two_tasks().webhooks(), async |ivan| {
        ivan.hook_up();
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        ivan.clickup()
            .set_status("Renew cert", "complete", BO_CLICKUP);
        ivan.is_told(ANA)
            .answers()
            .await
            .mentions("Renew cert was completed in ClickUp by Bo");
        let (_, tasks) = ivan.http("GET", "/tasks?status=done", None).await;
        assert_eq!(tasks["tasks"][0]["title"], "Renew cert");
        // ClickUp's task does not name the actor; the webhook's is stored, and no poll removes it.
        ivan.sync().await;
        let answer = ivan.dm(ANA, "done").await;
        answer.begins("✓ Note: Renew cert was already complete in ClickUp, by Bo on ");
    })
    .await;
}

#[rstest]
#[case::told_by_webhook(true)]
#[case::found_by_a_full_walk(false)]
#[tokio::test]
async fn a_transferred_issue_stays_what_it_was_to_people(#[case] told: bool) {
    let setup = two_issues()
        .webhooks()
        .config("github.repos = [\"acme/gadgets\"]");
    let mut ivan = setup.start().await;
    ivan.github().add_repo("acme/gadgets", 6001);
    ivan.start().await;
    if told {
        ivan.hook_up();
    }
    ivan.dm(ANA, "list").await.mentions("2. Update the docs");
    let current = ivan.dm(ANA, "current").await;
    current.mentions("Login fails");
    let login = ivan.github().transfer_issue(REPO, 1, "acme/gadgets");
    let docs = ivan.github().transfer_issue(REPO, 2, "acme/gadgets");
    if told {
        ivan.until_deliveries_are_applied().await;
    } else {
        let full = ivan.http("POST", "/sync", Some(json!({"full": true})));
        assert_eq!(full.await.0, 200);
    }
    ivan.dm(ANA, "done 2").await.begins("✓ Issue closed");
    let current = current.until(|posted| posted.blocks.to_string().contains("gadgets#1"));
    let done = ivan.presses(ANA, &current.await, "Done").settles().await;
    done.begins("✓ Issue closed");
    for number in [login, docs] {
        ivan.github().issue("acme/gadgets", number).is("closed");
    }
    ivan.dm(ANA, "list").await.mentions("Your queue is empty");
    ivan.finish().await;
}

/// The number of requests to a source's path.
fn asked(front: &FaultServer, path: &str) -> usize {
    let seen = front.journal();
    seen.iter().filter(|one| one.is("GET", path)).count()
}

/// The number of log lines that begin with these words.
fn lines(ivan: &Ivan, words: &str) -> usize {
    let logged = ivan.messages_logged();
    logged.iter().filter(|line| line.starts_with(words)).count()
}

const ARRIVE: usize = 200;

/// While the source does not say who Ivan is there, its deliveries wait: it is neither asked for each delivery nor
/// walked, and the other source goes on.
#[rstest]
#[case::github("GitHub", "ClickUp")]
#[case::clickup("ClickUp", "GitHub")]
#[tokio::test]
async fn a_source_that_cannot_be_prepared_is_asked_now_and_then(
    #[case] source: &str,
    #[case] other: &str,
) {
    let setup = two_tasks()
        .github_issues([json!({"title": "Login fails"})])
        .webhooks()
        .without_waiting_for_the_first_read();
    let mut ivan = setup.start().await;
    let front = match source {
        "GitHub" => ivan.github().front().clone(),
        _ => ivan.clickup().front().clone(),
    };
    front.fault(
        Fault::new(FaultKind::answer(503, ""))
            .on("GET", "/user")
            .always(),
    );
    ivan.start().await;
    ivan.hook_up();
    let change = |ivan: &Ivan, source: &str, n: usize| match (source, n % 2) {
        ("GitHub", 0) => ivan.github().close_as(REPO, 1, "bo"),
        ("GitHub", _) => ivan.github().reopen_as(REPO, 1, "bo"),
        (_, 0) => ivan
            .clickup()
            .set_status("Renew cert", "complete", BO_CLICKUP),
        (_, _) => ivan.clickup().set_status("Renew cert", "to do", BO_CLICKUP),
    };
    let before = asked(&front, "/user");
    let begun = std::time::Instant::now();
    for n in 0..ARRIVE {
        change(&ivan, source, n);
        // One by one, so that each wakes the inbox by itself.
        ivan.within("the delivery is answered", async {
            ivan.github().settled().await;
            ivan.clickup().settled().await;
        })
        .await;
    }
    // Deliveries of the other source are processed meanwhile.
    change(&ivan, other, 0);
    let waits = |source: &str| {
        format!(
            "SELECT count(*) FROM deliveries WHERE handled_ms IS NULL AND source = '{}'",
            source.to_lowercase()
        )
    };
    ivan.within("the other goes on", async {
        while ivan.sql::<i64>(&waits(other)) > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
    let waiting = ivan.sql::<i64>(&waits(source));
    // ClickUp reports a change by two events.
    let waiting = usize::try_from(waiting).unwrap();
    assert!(waiting >= ARRIVE, "{waiting}");
    // Once a second at most, and the requests of the polls.
    let times = asked(&front, "/user") - before;
    let most = usize::try_from(begun.elapsed().as_secs()).unwrap() + 5;
    assert!(times <= most, "asked {times} times, more than {most}");
    assert_eq!(lines(&ivan, "deliveries are waiting for their source"), 1);
    front.clear_faults();
    ivan.until_deliveries_are_applied().await;
    ivan.logs("the source responds again; processing its deliveries")
        .await;
    ivan.finish().await;
}

/// The same where only the tasks cannot be read.
#[tokio::test]
async fn a_source_that_does_not_answer_is_not_asked_for_each_delivery() {
    let setup = two_tasks()
        .github_issues([json!({"title": "Login fails"})])
        .webhooks();
    ivan_test(setup, async |ivan| {
        ivan.hook_up();
        ivan.clickup()
            .set_status("Renew cert", "in review", BO_CLICKUP);
        ivan.until_deliveries_are_applied().await;
        let front = ivan.clickup().front();
        front.fault(
            Fault::new(FaultKind::answer(503, ""))
                .on("GET", "/task/")
                .always(),
        );
        let before = asked(front, "/task/");
        let begun = std::time::Instant::now();
        for n in 0..ARRIVE {
            let status = ["complete", "to do"][n % 2];
            ivan.clickup().set_status("Renew cert", status, BO_CLICKUP);
            ivan.within("the delivery is answered", ivan.clickup().settled())
                .await;
        }
        let times = asked(front, "/task/") - before;
        let most = usize::try_from(begun.elapsed().as_secs()).unwrap() + 5;
        assert!(times <= most, "asked {times} times, more than {most}");
        assert_eq!(lines(ivan, "deliveries are waiting for their source"), 1);
        assert_eq!(lines(ivan, "delivery is waiting"), 0);
        front.clear_faults();
        ivan.until_deliveries_are_applied().await;
        ivan.logs("the source responds again; processing its deliveries")
            .await;
    })
    .await;
}

#[tokio::test]
async fn our_own_writes_are_told_to_nobody() {
    ivan_test(two_tasks().webhooks(), async |ivan| {
        ivan.hook_up();
        ivan.dm(ANA, "current").await;
        ivan.dm(ANA, "comment on its way").await;
        ivan.dm(ANA, "done").await;
        ivan.dm(ANA, "create Fix login -s github -e acme").await;
        ivan.dm(ANA, "comment on #1: shipped").await;
        ivan.dm(ANA, "done #1").await;
        // The harness fails on an unexpected message.
        ivan.until_deliveries_are_applied().await;
    })
    .await;
}

#[tokio::test]
async fn what_happens_within_minutes_is_one_message() {
    ivan_test(two_issues().webhooks(), async |ivan| {
        ivan.hook_up();
        ivan.dm(ANA, "current").await;
        ivan.github().close_as(REPO, 1, "bo");
        let told = ivan.is_told(ANA).answers().await;
        ivan.github().reopen_as(REPO, 1, "bo");
        told.until(|posted| posted.text.contains("was reopened"))
            .await
            .mentions("Login fails was completed in GitHub by bo");
    })
    .await;
}

#[tokio::test]
async fn bots_are_not_heard_and_the_muted_hear_nothing() {
    ivan_test(two_issues().webhooks(), async |ivan| {
        ivan.hook_up();
        ivan.dm(ANA, "current").await;
        ivan.dm(ANA, "mute").await;
        ivan.github().close_as(REPO, 1, "bo");
        ivan.until_deliveries_are_applied().await;
        ivan.dm(ANA, "unmute").await;
        ivan.github().reopen_as(REPO, 1, "bo");
        ivan.is_told(ANA)
            .answers()
            .await
            .mentions("was reopened in GitHub by bo");
    })
    .await;
}

const ACTIONS: &str = "github-actions[bot]";
/// The actor of ClickUp's own automations: no member has a negative id.
const AUTOMATION: i64 = -1;

/// The way in which a change is found.
#[derive(Clone, Copy)]
enum Found {
    ByWebhook,
    ByPoll,
}

/// Runs one change of others so that this way finds it first. In case of a poll, the deliveries come after it.
async fn found(ivan: &Ivan, how: Found, change: impl FnOnce(&Ivan)) {
    if let Found::ByPoll = how {
        ivan.github().hold();
        ivan.clickup().hold();
    }
    change(ivan);
    if let Found::ByPoll = how {
        ivan.sync().await;
        ivan.github().release();
        ivan.clickup().release();
    }
    ivan.until_deliveries_are_applied().await;
}

/// A bot closes, reopens and assigns an issue and comments on it. Its changes cause notices, its comments do not.
#[rstest]
#[case::webhook(Found::ByWebhook)]
#[case::poll(Found::ByPoll)]
#[tokio::test]
async fn what_a_bot_does_in_github_is_told_and_what_it_says_is_not(#[case] how: Found) {
    let setup = Setup::new().webhooks().people().github_issues([
        json!({"title": "Login fails", "assignees": ["ana"]}),
        json!({"title": "Update the docs", "assignees": ["bo"]}),
    ]);
    ivan_test(setup, async |ivan| {
        ivan.github().add_bot(ACTIONS, 41_898_282);
        ivan.hook_up();
        ivan.dm(ANA, "current").await.mentions("Login fails");
        let told = ivan.is_told(ANA);
        found(ivan, how, |ivan| ivan.github().close_as(REPO, 1, ACTIONS)).await;
        let told = told.answers().await;
        told.mentions("Login fails was completed in GitHub by github-actions[bot]");
        told.mentions("It stays your current task");
        found(ivan, how, |ivan| {
            ivan.github()
                .comment_as(REPO, 1, ACTIONS, "Closed as stale");
        })
        .await;
        found(ivan, how, |ivan| {
            ivan.github().reopen_as(REPO, 1, ACTIONS);
        })
        .await;
        let told = told.until(|posted| posted.text.contains("was reopened in GitHub"));
        let told = told.await;
        assert!(!told.text().contains("stale"), "{}", told.text());
        found(ivan, how, |ivan| {
            ivan.github().assign_as(REPO, 2, ACTIONS, &["ana"]);
        })
        .await;
        ivan.is_told(ANA)
            .answers()
            .await
            .mentions("Update the docs was assigned to you in GitHub");
    })
    .await;
}

#[rstest]
#[case::webhook(Found::ByWebhook)]
#[case::poll(Found::ByPoll)]
#[tokio::test]
async fn what_an_automation_does_in_clickup_is_told(#[case] how: Found) {
    ivan_test(two_tasks().webhooks(), async |ivan| {
        ivan.hook_up();
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        let told = ivan.is_told(ANA);
        found(ivan, how, |ivan| {
            ivan.clickup()
                .set_status("Renew cert", "complete", AUTOMATION);
        })
        .await;
        let said = match how {
            Found::ByWebhook => "Renew cert was completed in ClickUp by ClickUp's automation, ",
            Found::ByPoll => "Renew cert was completed in ClickUp, ",
        };
        told.answers().await.mentions(said);
    })
    .await;
}

/// A poll does not say who moved the day, so only webhooks cause this notice.
#[tokio::test]
async fn a_day_that_an_automation_moves_is_told() {
    ivan_test(two_tasks().webhooks(), async |ivan| {
        ivan.hook_up();
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        let told = ivan.is_told(ANA);
        let later = json!({"due_date": 1_893_684_600_000_i64, "due_date_time": true});
        ivan.clickup().as_person("Renew cert", AUTOMATION, &later);
        told.answers()
            .await
            .begins("ClickUp's automation changed the due date of Renew cert in ClickUp to ");
    })
    .await;
}

#[tokio::test]
async fn only_those_concerned_are_told_and_nobody_of_what_they_did_themselves() {
    let setup = Setup::new().webhooks().people().github_issues([
        json!({"title": "Hers", "assignees": ["ana"]}),
        json!({"title": "His", "assignees": ["bo"]}),
    ]);
    ivan_test(setup, async |ivan| {
        ivan.hook_up();
        ivan.dm(ANA, "current").await.mentions("Hers");
        ivan.dm(BO, "current").await.mentions("His");
        ivan.github().close_as(REPO, 2, "bo");
        ivan.github().comment_as(REPO, 2, "ana", "Thanks");
        ivan.is_told(BO)
            .answers()
            .await
            .mentions("ana commented on His");
        ivan.github().assign_as(REPO, 1, "bo", &["bo"]);
        ivan.is_told(ANA)
            .answers()
            .await
            .mentions("bo unassigned you from Hers in GitHub, ");
        ivan.until_deliveries_are_applied().await;
    })
    .await;
}

#[tokio::test]
async fn a_lost_delivery_is_made_up_for_by_one_poll() {
    ivan_test(two_issues().webhooks(), async |ivan| {
        ivan.hook_up();
        ivan.dm(ANA, "current").await;
        ivan.github().lose_next(1);
        ivan.github().close_as(REPO, 1, "bo");
        ivan.until_deliveries_are_applied().await;
        let (status, synced) = ivan.http("POST", "/sync", Some(json!({}))).await;
        assert_eq!(
            (status, &synced["sources"]["github"]["changed"]),
            (200, &json!(1))
        );
        ivan.is_told(ANA)
            .answers()
            .await
            .mentions("Login fails was completed in GitHub");
    })
    .await;
}

#[tokio::test]
async fn late_and_repeated_deliveries_change_nothing_back() {
    ivan_test(two_issues().webhooks(), async |ivan| {
        ivan.hook_up();
        ivan.dm(ANA, "current").await;
        ivan.github().hold();
        ivan.github().rename_issue(REPO, 1, "Login fails on Safari");
        ivan.github().repeat_next(1);
        ivan.github().close_as(REPO, 1, "bo");
        ivan.github().release_reversed();
        ivan.is_told(ANA).answers().await.mentions("was completed");
        ivan.until_deliveries_are_applied().await;
        let (_, task) = ivan
            .http("GET", "/tasks/github:acme%2Fwidgets%231", None)
            .await;
        assert_eq!(task["status"], "done");
        assert_eq!(task["title"], "Login fails on Safari");
    })
    .await;
}

#[tokio::test]
async fn what_was_answered_takes_effect_after_a_crash() {
    ivan_test(two_issues().webhooks(), async |ivan| {
        ivan.hook_up();
        ivan.dm(ANA, "current").await;
        ivan.github().close_as(REPO, 1, "bo");
        ivan.within("the delivery is answered", ivan.github().settled())
            .await;
        ivan.kill_and_restart().await;
        ivan.until_deliveries_are_applied().await;
        let (_, task) = ivan
            .http("GET", "/tasks/github:acme%2Fwidgets%231", None)
            .await;
        assert_eq!(task["status"], "done");
        ivan.is_told(ANA).answers().await.mentions("was completed");
    })
    .await;
}

#[tokio::test]
async fn a_forged_delivery_leaves_nothing_and_burns_no_id() {
    ivan_test(two_issues().webhooks(), async |ivan| {
        ivan.hook_up();
        ivan.github().hold();
        ivan.github().close_as(REPO, 1, "bo");
        let body = r#"{"action":"closed"}"#;
        for (source, refused) in [("github", 401), ("clickup", 403)] {
            let answer = client()
                .post(ivan.hook_url(source))
                .header("X-GitHub-Event", "issues")
                .header("X-GitHub-Delivery", "5f2c0000-0000-4000-8000-000000000001")
                .header("X-Hub-Signature-256", format!("sha256={}", "0".repeat(64)))
                .header("X-Signature", "0".repeat(64))
                .header("Content-Type", "application/json")
                .body(body)
                .send()
                .await
                .unwrap();
            assert_eq!(answer.status().as_u16(), refused);
        }
        assert_eq!(ivan.sql::<i64>("SELECT count(*) FROM deliveries"), 0);
        ivan.github().release();
        ivan.until_deliveries_are_applied().await;
        assert_eq!(
            ivan.sql::<String>("SELECT status FROM tasks WHERE source_key LIKE '%:1'"),
            "done"
        );
    })
    .await;
}

#[tokio::test]
async fn webhooks_are_registered_once_and_work_at_once() {
    ivan_test(two_issues().webhooks_without_secrets(), async |ivan| {
        for source in ["clickup", "github"] {
            let answer = client().post(ivan.hook_url(source)).body("{}").send().await;
            assert_eq!(
                answer.unwrap().status().as_u16(),
                404,
                "no secret, no route"
            );
        }
        let base = "https://bot.example";
        let here = ivan.hook_url("").trim_end_matches("/webhooks/").to_owned();
        ivan.clickup().tunnel(base, &here);
        ivan.github().tunnel(base, &here);
        for _ in 0..2 {
            let ran = ivan
                .cli_at_home(&["webhooks", "register", "--url", base])
                .await;
            assert_eq!((ran.exit, ran.err.as_str()), (0, ""), "{ran:?}");
        }
        assert_eq!(ivan.clickup().hooks().len(), 1);
        ivan.dm(ANA, "current").await.mentions("Login fails");
        ivan.github().close_as(REPO, 1, "bo");
        ivan.is_told(ANA)
            .answers()
            .await
            .mentions("Login fails was completed in GitHub by bo");
        let list = ivan.cli_at_home(&["webhooks", "list"]).await;
        assert_eq!(list.exit, 0, "{list:?}");
        assert!(
            list.out.contains("https://bot.example/webhooks/github"),
            "{list:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_delivery_that_failed_is_fetched_after_a_restart() {
    ivan_test(two_issues().webhooks_without_secrets(), async |ivan| {
        let base = "https://bot.example";
        let here = ivan.hook_url("").trim_end_matches("/webhooks/").to_owned();
        ivan.github().tunnel(base, &here);
        ivan.clickup().tunnel(base, &here);
        let ran = ivan
            .cli_at_home(&["webhooks", "register", "--url", base])
            .await;
        assert_eq!(ran.exit, 0, "{ran:?}");
        ivan.dm(ANA, "current").await.mentions("Login fails");
        // The poll at the start finds it, too.
        ivan.github().lose_next(1);
        ivan.github().comment_as(REPO, 1, "bo", "Seen on 17.4 too");
        ivan.until_deliveries_are_applied().await;
        ivan.kill_and_restart().await;
        ivan.is_told(ANA)
            .answers()
            .await
            .mentions("bo commented on Login fails");
    })
    .await;
}

#[tokio::test]
async fn what_happens_is_counted() {
    ivan_test(two_issues().webhooks(), async |ivan| {
        ivan.hook_up();
        ivan.dm(ANA, "current").await;
        ivan.dm(ANA, "done").await;
        ivan.until_deliveries_are_applied().await;
        let metrics = client()
            .get(format!("{}/metrics", ivan.api_url()))
            .bearer_auth(ivan.token())
            .send()
            .await
            .unwrap();
        assert_eq!(metrics.status().as_u16(), 200);
        let metrics = metrics.text().await.unwrap();
        for counted in [
            "ivan_deliveries_total{source=\"github\",result=\"accepted\"}",
            "ivan_operations_total{source=\"github\",kind=\"complete\",outcome=\"applied\"} 1",
            "ivan_slack_connected 1",
            "ivan_sync_seconds_count",
        ] {
            assert!(metrics.contains(counted), "{counted} is not in:\n{metrics}");
        }
    })
    .await;
}
