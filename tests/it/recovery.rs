//! Events from a time when the daemon or its webhooks were down: recovered once, with a notice where a person must act.

use axum::http::StatusCode;
use ivan::sandbox::fault_server::{Fault, FaultKind};
use serde_json::{Value, json};

use crate::harness::*;

const PUBLIC: &str = "https://bot.example";

/// The webhooks of both sources, as `ivan webhooks register` makes them.
pub async fn registers(ivan: &Ivan) {
    let here = ivan.hook_url("").trim_end_matches("/webhooks/").to_owned();
    ivan.github().tunnel(PUBLIC, &here);
    ivan.clickup().tunnel(PUBLIC, &here);
    let ran = ivan
        .cli_at_home(&["webhooks", "register", "--url", PUBLIC])
        .await;
    assert_eq!(ran.exit, 0, "{ran:?}");
}

#[tokio::test]
async fn what_was_typed_while_nobody_listened_is_acted_on_once() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        ivan.stop().await;
        // Slack's own repetitions get lost as well: only the history still has it.
        ivan.slack().lose_next(100);
        ivan.says(ANA, "comment on its way");
        ivan.says(ANA, "done");
        ivan.start().await;
        ivan.answer(ANA, 2).settles().await.mentions("Renew cert");
        ivan.clickup()
            .task("Renew cert")
            .is("complete")
            .has_comments(["on its way"]);
        ivan.until_there_is_a_link().await;
        ivan.slack().lose_next(0);
        ivan.slack().redeliver_unacked();
        ivan.acknowledges().await;
        ivan.dm(ANA, "status").await;
        ivan.clickup()
            .task("Renew cert")
            .has_comments(["on its way"]);
        ivan.clickup().task("Write the runbook").is("to do");
    })
    .await;
}

#[tokio::test]
async fn old_commands_are_listed_once_and_not_acted_on() {
    ivan_test(two_tasks(), async |ivan| {
        // No history is read until the story has filled it.
        let unread = Fault::new(FaultKind::Hang).on("GET", "conversations.history");
        ivan.slack().front().fault(unread.always());
        let first = ivan.says(ANA, "current");
        let ts: f64 = first.ts.parse().unwrap();
        first.settles().await.mentions("Renew cert");
        ivan.stop().await;
        ivan.slack().front().clear_faults();
        let message = |minutes: f64, text: &str| -> Value {
            json!({"type": "message", "user": ANA, "text": text,
                   "ts": format!("{:.6}", ts - minutes * 60.0)})
        };
        let page = json!({"ok": true, "has_more": false, "messages": [
            message(20.0, "done"),
            message(25.0, "lovely weather today"),
        ]});
        ivan.slack().front().fault(
            Fault::new(FaultKind::answer(200, page.to_string()))
                .on("GET", "conversations.history")
                .always(),
        );
        let _ = ivan.is_told(ANA);
        for _ in 0..2 {
            ivan.start().await;
            let answer = ivan.answer(ANA, 1).answers().await;
            answer.mentions("I did not act on it");
            answer.mentions("done");
            assert!(!answer.text().contains("weather"), "{}", answer.text());
            ivan.stop().await;
        }
        ivan.slack().front().clear_faults();
        ivan.start().await;
        ivan.dm(ANA, "status").await;
        assert_ne!(ivan.clickup().task("Renew cert").status(), "complete");
    })
    .await;
}

#[tokio::test]
async fn a_suspended_webhook_is_put_back_and_an_operator_hears_of_it_once() {
    let setup = two_tasks()
        .webhooks_without_secrets()
        .config("slack.operators = [\"U0ANN01\"]");
    ivan_test(setup, async |ivan| {
        registers(ivan).await;
        is_suspended(ivan, "Write the runbook").await;
        ivan.kill_and_restart().await;
        ivan.is_told(ANA)
            .answers()
            .await
            .mentions("I reactivated the webhook");
        assert_eq!(ivan.clickup().hooks()[0]["health"]["status"], "active");
        assert_eq!(
            ivan.sql::<String>("SELECT status FROM tasks WHERE title = 'Write the runbook'"),
            "done"
        );
    })
    .await;
}

/// This task changes while ClickUp's webhook meets a proxy that answers 401, and is suspended; then the proxy is gone.
pub async fn is_suspended(ivan: &Ivan, task: &str) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let refuses = format!("http://{}", listener.local_addr().unwrap());
    let app = axum::Router::new().fallback(|| async { StatusCode::UNAUTHORIZED });
    let proxy = tokio::spawn(async move { axum::serve(listener, app).await });
    ivan.clickup().tunnel(PUBLIC, &refuses);
    ivan.clickup().set_status(task, "complete", BO_CLICKUP);
    ivan.within("the delivery is answered", ivan.clickup().settled())
        .await;
    assert_eq!(ivan.clickup().hooks()[0]["health"]["status"], "suspended");
    proxy.abort();
    let here = ivan.hook_url("").trim_end_matches("/webhooks/").to_owned();
    ivan.clickup().tunnel(PUBLIC, &here);
}

#[tokio::test]
async fn operators_hear_at_once_of_a_webhook_that_is_suspended_while_the_daemon_runs() {
    let setup = two_tasks()
        .webhooks_without_secrets()
        .config("slack.operators = [\"U0ANN01\"]");
    ivan_test(setup, async |ivan| {
        registers(ivan).await;
        is_suspended(ivan, "Write the runbook").await;
        // A poll finds a change that no webhook reported: a reason to check.
        ivan.sync().await;
        ivan.is_told(ANA)
            .answers()
            .await
            .mentions("I reactivated the webhook");
        assert_eq!(ivan.clickup().hooks()[0]["health"]["status"], "active");
        // The next delivery shows that it works: a reason to check again.
        ivan.clickup()
            .set_status("Write the runbook", "to do", BO_CLICKUP);
        ivan.is_told(ANA)
            .answers()
            .await
            .mentions("ClickUp sends to https://bot.example/webhooks/clickup again");
        // Further deliveries are no reason: the harness fails on an extra message.
        ivan.clickup()
            .set_status("Write the runbook", "complete", BO_CLICKUP);
        ivan.until_deliveries_are_applied().await;
        ivan.sync().await;
        ivan.dm(ANA, "status").await;
    })
    .await;
}

#[tokio::test]
async fn a_repository_that_refuses_its_webhooks_keeps_nothing_from_the_others_and_is_named_once() {
    let setup = two_issues()
        .webhooks_without_secrets()
        .config("github.repos = [\"acme/gadgets\"]")
        .before(|sandbox| sandbox.github.add_repo("acme/gadgets", 1002));
    ivan_test(setup, async |ivan| {
        registers(ivan).await;
        ivan.dm(ANA, "current").await.mentions("Login fails");
        ivan.github().permit("acme/gadgets", true, false);
        // No poll shows a comment: only the lost delivery had it.
        ivan.github().lose_next(1);
        ivan.github().comment_as(REPO, 1, "bo", "Seen on 17.4 too");
        ivan.until_deliveries_are_applied().await;
        ivan.kill_and_restart().await;
        ivan.is_told(ANA)
            .answers()
            .await
            .mentions("bo commented on Login fails");
        let said = "cannot check webhooks";
        ivan.logs("cannot check webhooks … place=acme/gadgets")
            .await;
        // A reason to check once more; a known problem is not reported again.
        let (front, path) = (ivan.github().front(), "/repos/acme/gadgets/hooks");
        ivan.asks_anew(front, "GET", path, async || {
            ivan.github().lose_next(1);
            ivan.github().rename_issue(REPO, 2, "Update all the docs");
            ivan.sync().await;
        })
        .await;
        ivan.dm(ANA, "status").await;
        let log = ivan.log();
        assert_eq!(log.matches(said).count(), 1, "{log}");
    })
    .await;
}

#[tokio::test]
async fn a_token_without_the_right_to_hooks_is_said_once_and_breaks_nothing() {
    ivan_test(two_issues().webhooks_without_secrets(), async |ivan| {
        registers(ivan).await;
        ivan.github().front().fault(
            Fault::new(FaultKind::answer(
                403,
                r#"{"message":"Resource not accessible by personal access token"}"#,
            ))
            .on("GET", "/hooks")
            .always(),
        );
        ivan.kill_and_restart().await;
        let said = "cannot check webhooks";
        ivan.logs(said).await;
        ivan.dm(ANA, "done").await.mentions("Login fails");
        let lines = ivan.log();
        let warned: Vec<&str> = lines.lines().filter(|line| line.contains(said)).collect();
        assert_eq!(warned.len(), 1, "{warned:?}");
        assert!(warned[0].contains("WARN"), "{warned:?}");
    })
    .await;
}
