//! P1: a message acknowledged to Slack, or a request answered 2xx over HTTP, is on the disk.

use std::time::Duration;

use ivan::sandbox::fault_server::{Fault, FaultKind};
use serde_json::json;

use crate::deeds::*;
use crate::harness::*;

/// Long enough for Ivan to do the forbidden thing, while no other event can be awaited.
const A_MOMENT: Duration = Duration::from_millis(300);

#[tokio::test]
async fn what_is_acknowledged_is_acted_on_after_a_crash() {
    ivan_test(six_deeds(), async |ivan| {
        for front in [ivan.clickup().front(), ivan.github().front()] {
            front.fault(Fault::new(FaultKind::Hang).always());
        }
        all_are_typed(ivan);
        ivan.acknowledges().await;
        // At this very moment.
        ivan.kill().await;
        ivan.clickup().front().clear_faults();
        ivan.github().front().clear_faults();
        ivan.start().await;
        all_happen_once(ivan).await;
        // Slack had no reason to send anything again.
        let envelopes = ivan.slack().envelopes();
        assert!(
            envelopes.iter().all(|one| one.attempt == 0),
            "{envelopes:#?}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_message_is_acknowledged_only_after_its_commit() {
    ivan_test(two_tasks(), async |ivan| {
        let held = ivan.holds_the_store();
        let asked = ivan.says(ANA, "create Buy milk");
        tokio::select! {
            () = ivan.acknowledges() => panic!("it is acknowledged and cannot have been committed"),
            () = tokio::time::sleep(A_MOMENT) => {}
        }
        drop(held);
        ivan.acknowledges().await;
        asked
            .settles()
            .await
            .replies("✓ Task created in ClickUp: Buy milk");
    })
    .await;
}

#[tokio::test]
async fn a_write_over_http_is_answered_only_after_its_commit() {
    ivan_test(two_tasks(), async |ivan| {
        let held = ivan.holds_the_store();
        let asked = ivan.http("POST", "/tasks?wait=0", Some(json!({"title": "Buy milk"})));
        tokio::pin!(asked);
        tokio::select! {
            (status, answer) = &mut asked => panic!("{status} {answer} and cannot have been committed"),
            () = tokio::time::sleep(A_MOMENT) => {}
        }
        drop(held);
        let (status, _) = ivan.within("it answers", asked).await;
        assert!(matches!(status, 200 | 202), "{status}");
    })
    .await;
}

#[tokio::test]
async fn a_write_that_was_answered_202_survives_a_crash() {
    ivan_test(six_deeds(), async |ivan| {
        for front in [ivan.clickup().front(), ivan.github().front()] {
            front.fault(Fault::new(FaultKind::Hang).always());
        }
        let runbook = ivan.clickup().task("Write the runbook");
        let on_clickup = format!("/tasks/clickup%3A{}/comment?wait=0", runbook.id());
        let on_github = "/tasks/github%3Aacme%2Fwidgets%232/comment?wait=0".to_owned();
        let mut operations = Vec::new();
        for path in [on_clickup, on_github] {
            let body = Some(json!({"text": "shipped"}));
            let (status, answer) = ivan.http("POST", &path, body).await;
            assert_eq!((status, &answer["queued"]), (202, &json!(true)), "{answer}");
            operations.push(answer["operation_id"].as_str().unwrap().to_owned());
        }
        ivan.kill().await;
        ivan.clickup().front().clear_faults();
        ivan.github().front().clear_faults();
        ivan.start().await;
        ivan.until_nothing_is_queued().await;
        for operation in operations {
            let (_, seen) = ivan
                .http("GET", &format!("/operations/{operation}"), None)
                .await;
            assert_eq!(seen["state"], "applied", "{seen}");
        }
        runbook.has_comments(["shipped"]);
        ivan.github().issue(REPO, 2).has_comments(["shipped"]);
    })
    .await;
}

#[tokio::test]
async fn a_write_that_was_answered_200_is_known_after_a_crash() {
    ivan_test(two_tasks(), async |ivan| {
        let body = json!({"title": "Buy milk"});
        let key = [("Idempotency-Key", "7")];
        let (status, first) = ivan
            .http_with("POST", "/tasks", Some(body.clone()), &key)
            .await;
        assert_eq!(status, 200, "{first}");
        ivan.kill_and_restart().await;
        // A client without an answer asks again.
        let (status, again) = ivan.http_with("POST", "/tasks", Some(body), &key).await;
        assert_eq!(
            (status, &again["task_id"]),
            (200, &first["task_id"]),
            "{again}"
        );
        assert_eq!(again["operation_id"], first["operation_id"]);
        assert_eq!(ivan.clickup().tasks_named("Buy milk").len(), 1);
    })
    .await;
}
