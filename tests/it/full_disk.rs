//! A full disk (P1, P2, P7, P8): nothing accepted is lost, and a message that cannot be stored is refused with a
//! notice. When there is room again all work continues by itself, once.
//!
//! The disk is a soft limit on the size of the daemon's files, set and lifted while it runs: SQLite's writes fail in
//! the middle, as they do without room.

use ivan::sandbox::fault_server::{Fault, FaultKind, Gate};
use ivan::sandbox::slack::SandboxSlack;
use ivan::sandbox::webhook_sender::AttemptEnd;
use rstest::rstest;
use serde_json::{Value, json};

use crate::deeds::*;
use crate::harness::*;

/// A message that Slack delivered twice was stored neither time; the log reports it once a minute.
const NOT_KEPT_TWICE: &str =
    "ivan_slack_envelopes_total{type=\"events_api\",result=\"not_kept\"} 2";

const FULL: &str = "ivan_store_writable 0";
const WELL: &str = "ivan_store_writable 1";

async fn on_a_small_disk(setup: Setup, story: impl AsyncFnOnce(&mut Ivan)) {
    let mut ivan = setup.disk_can_fill().start().await;
    ivan.start().await;
    story(&mut ivan).await;
    ivan.finish().await;
}

/// The answer of the readiness probe.
async fn readiness(ivan: &Ivan) -> (u16, Value) {
    ivan.http("GET", "/readyz", None).await
}

async fn until_it_is_well(ivan: &Ivan) {
    ivan.counts(WELL).await;
    assert_eq!(readiness(ivan).await.0, 200);
}

#[tokio::test]
async fn what_cannot_be_kept_is_refused_and_said_and_goes_on_when_there_is_room() {
    let setup = two_issues()
        .webhooks()
        .config("slack.operators = [\"U0BOB01\"]");
    on_a_small_disk(setup, async |ivan| {
        ivan.hook_up();
        ivan.dm(ANA, "current").await.mentions("Login fails");
        assert_eq!(readiness(ivan).await.0, 200);
        ivan.fills_the_disk(1);
        // It shows at the first probe, before any command.
        let (status, ready) = readiness(ivan).await;
        assert_eq!((status, &ready["ready"]), (503, &json!(false)), "{ready}");
        let detail = ready["detail"].as_str().unwrap();
        assert!(detail.contains("the store is not writable"), "{detail}");
        ivan.counts(FULL).await;
        // The operator.
        let told = ivan.is_told(BO).answers().await;
        told.begins("✗ I can't write to disk (");
        told.mentions("Free disk space");
        // The API, directly and through the command line.
        let body = json!({"title": "Buy milk", "source": "github"});
        let key = [("Idempotency-Key", "7")];
        let refused = client()
            .post(format!("{}/tasks", ivan.api_url()))
            .bearer_auth(ivan.token())
            .header("Idempotency-Key", "7")
            .json(&body)
            .send()
            .await
            .unwrap();
        assert_eq!(refused.status().as_u16(), 503);
        assert!(refused.headers().contains_key("retry-after"));
        let problem: Value = refused.json().await.unwrap();
        assert_eq!(problem["type"], "urn:ivan:problem:store", "{problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("check disk space"), "{detail}");
        let ran = ivan.cli(&["create", "Buy bread"]).await;
        assert_eq!((ran.exit, ran.out.as_str()), (1, ""), "{ran:?}");
        assert!(ran.err.contains("check disk space"), "{ran:?}");
        // A webhook.
        ivan.github().close_as(REPO, 2, "bo");
        ivan.within("the delivery is answered", ivan.github().settled())
            .await;
        let delivered = ivan.github().deliveries();
        let ended = &delivered.last().unwrap().ended;
        assert!(matches!(ended, AttemptEnd::Answered(503, _)), "{ended:?}");
        // A person: told, and not acknowledged, so that Slack sends it again.
        let refused = ivan.says(ANA, "comment shipped").answers().await;
        refused.begins("✗ I can't save anything right now");
        assert!(!ivan.slack().unacked().is_empty());
        // Told once, however often Slack repeats.
        ivan.slack().redeliver_unacked();
        ivan.counts(NOT_KEPT_TWICE).await;
        for table in ["commands", "operations", "deliveries"] {
            let rows = ivan.sql::<i64>(&format!("SELECT count(*) FROM {table}"));
            assert_eq!(rows, 0, "{table}");
        }

        ivan.frees_the_disk();
        until_it_is_well(ivan).await;
        ivan.is_told(BO)
            .answers()
            .await
            .begins("✓ Disk is writable again");
        ivan.slack().redeliver_unacked();
        ivan.is_told(ANA)
            .settles()
            .await
            .replies("✓ Comment added in GitHub: Login fails");
        ivan.acknowledges().await;
        let (status, answer) = ivan.http_with("POST", "/tasks", Some(body), &key).await;
        assert_eq!(status, 200, "{answer}");
        ivan.sync().await;
        ivan.is_told(ANA)
            .answers()
            .await
            .mentions("Update the docs was completed in GitHub by bo");
        let done = "SELECT status FROM tasks WHERE source_key LIKE '%:2'";
        assert_eq!(ivan.sql::<String>(done), "done");
        ivan.github().issue(REPO, 1).has_comments(["shipped"]);
        assert_eq!(ivan.github().issues_titled(REPO, "Buy milk").len(), 1);
        assert_eq!(ivan.github().issues_titled(REPO, "Buy bread").len(), 0);
    })
    .await;
}

/// Slack does not send a command again, so its author is told in the acknowledgement.
#[tokio::test]
async fn each_command_that_cannot_be_kept_is_answered_and_the_log_has_a_line_a_minute() {
    const COMMANDS: usize = 60;
    on_a_small_disk(two_issues(), async |ivan| {
        ivan.dm(ANA, "current").await.mentions("Login fails");
        ivan.fills_the_disk(1);
        let dm = ivan.slack().dm(ANA);
        for n in 0..COMMANDS {
            let text = format!("create Milk {n}");
            ivan.slack().commands(ANA, &dm, "/ivan", &text);
        }
        let told = |slack: &SandboxSlack| {
            let told = slack.whispers().into_iter();
            told.filter(|whisper| whisper.from == "ack").count() >= COMMANDS
        };
        ivan.within("each is answered", ivan.slack().until(told))
            .await;
        ivan.logs("interaction not stored; its person is told")
            .await;
        for words in ["interaction not stored", "the store is slow"] {
            let logged = ivan.messages_logged();
            let lines = logged.iter().filter(|line| line.starts_with(words));
            // It may take longer than a minute.
            assert!(lines.count() <= 2, "{logged:#?}");
        }
        ivan.frees_the_disk();
        until_it_is_well(ivan).await;
    })
    .await;
}

/// The sources have applied the writes, and then there is no room for their answers.
#[tokio::test]
async fn what_could_not_be_said_until_there_was_room_is_not_said_any_more() {
    on_a_small_disk(two_issues(), async |ivan| {
        ivan.dm(ANA, "current").await.mentions("Login fails");
        let gate = Gate::new();
        let post = Fault::new(FaultKind::Wait(gate.clone())).on("POST", "chat.postMessage");
        ivan.slack().front().fault(post);
        ivan.fills_the_disk(1);
        let said = ivan.says(ANA, "comment shipped");
        ivan.within(
            "the first is being said",
            ivan.slack().front().until(|journal| {
                let posts = journal
                    .iter()
                    .filter(|seen| seen.is("POST", "chat.postMessage"));
                posts.count() == 2
            }),
        )
        .await;
        // It comes again, and waits behind that one.
        ivan.slack().redeliver_unacked();
        ivan.counts(NOT_KEPT_TWICE).await;
        ivan.frees_the_disk();
        until_it_is_well(ivan).await;
        gate.open();
        said.answers()
            .await
            .begins("✗ I can't save anything right now");
        ivan.slack().redeliver_unacked();
        ivan.is_told(ANA)
            .settles()
            .await
            .replies("✓ Comment added in GitHub: Login fails");
        ivan.acknowledges().await;
    })
    .await;
}

#[rstest]
#[case::answered(false)]
#[case::and_the_answer_is_lost(true)]
#[tokio::test]
async fn a_disk_that_is_full_when_the_answers_come_doubles_and_loses_nothing(#[case] lost: bool) {
    on_a_small_disk(six_deeds(), async |ivan| {
        let gate = Gate::new();
        for deed in &DEEDS {
            let what = match lost {
                true => FaultKind::ApplyThenHang,
                false => FaultKind::Wait(gate.clone()),
            };
            deed.goes_wrong(ivan, what);
        }
        all_are_typed(ivan);
        for deed in &DEEDS {
            deed.arrives(ivan).await;
        }
        ivan.fills_the_disk(1);
        gate.open();
        for deed in &DEEDS {
            deed.is_applied(ivan).await;
        }
        for front in [ivan.clickup().front(), ivan.github().front()] {
            front.clear_faults();
            front.cut();
        }
        ivan.logs_times("lane paused", DEEDS.len()).await;
        ivan.frees_the_disk();
        all_happen_once(ivan).await;
        until_it_is_well(ivan).await;
    })
    .await;
}

#[tokio::test]
async fn deliveries_that_were_accepted_are_worked_off_when_there_is_room() {
    on_a_small_disk(two_issues().webhooks(), async |ivan| {
        ivan.hook_up();
        ivan.dm(ANA, "current").await.mentions("Login fails");
        // Accepted, and the source's answer takes long.
        let gate = Gate::new();
        let slow = Fault::new(FaultKind::Wait(gate.clone()));
        ivan.clickup().front().fault(slow.on("GET", "/task/"));
        ivan.clickup()
            .add_task(json!({"name": "Renew cert", "assignees": [ANA_CLICKUP]}));
        ivan.within("the delivery is answered", ivan.clickup().settled())
            .await;
        let delivered = ivan.clickup().deliveries();
        assert!(
            delivered.iter().all(|one| one.ended.is_ok()),
            "{delivered:?}"
        );
        ivan.fills_the_disk(1);
        gate.open();
        ivan.logs("deliveries are waiting for the store").await;
        ivan.frees_the_disk();
        ivan.until_deliveries_are_applied().await;
        let found = "SELECT count(*) FROM tasks WHERE title = 'Renew cert' AND gone = 0";
        assert_eq!(ivan.sql::<i64>(found), 1);
        until_it_is_well(ivan).await;
    })
    .await;
}

#[tokio::test]
async fn without_any_room_it_does_not_start_and_says_why() {
    let ivan = two_tasks().start().await;
    std::fs::write(ivan.folder().join("another.toml"), ivan.bot_toml()).unwrap();
    let ran = ran(program("sh")
        .args([
            "-c",
            "trap '' XFSZ; ulimit -S -f 0; exec \"$0\" --config another.toml serve",
        ])
        .arg(env!("CARGO_BIN_EXE_ivan"))
        .current_dir(ivan.folder())
        .env("XDG_RUNTIME_DIR", ivan.folder()))
    .await;
    assert_eq!((ran.exit, ran.out.as_str()), (1, ""), "{ran:?}");
    let last = ran.err.lines().last().unwrap();
    assert!(last.starts_with("✗ the store at ivan.db: "), "{last}");
}
