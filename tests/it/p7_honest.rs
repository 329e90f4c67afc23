//! P7: the person always learns the real outcome, in one message that is true at any time.

use std::time::Duration;

use ivan::sandbox::fault_server::{Fault, FaultKind, Gate};
use serde_json::json;

use crate::deeds::*;
use crate::harness::*;

// ------------------------------------------------------------ queued, and later

#[tokio::test]
async fn a_down_source_is_said_at_once_and_the_outcome_later_in_the_same_message() {
    let world = two_tasks().github_issues([json!({"title": "Login fails"})]);
    ivan_test(world, async |ivan| {
        let cert = ivan.clickup().task("Renew cert");
        ivan.clickup().front().down();
        let queued = ivan
            .says(ANA, &format!("done clickup:{}", cert.id()))
            .answers()
            .await;
        queued.begins("… Completion of Renew cert is waiting: ClickUp ");
        queued.mentions(" I'll keep trying and update this message. Next: ");
        // The other source is as quick as ever.
        ivan.dm(ANA, "comment on #1: shipped")
            .await
            .replies("✓ Comment added in GitHub: Login fails");
        let history = queued.history();
        assert!(
            history.iter().all(|text| text.starts_with("… ")),
            "{history:?}"
        );
        ivan.clickup().front().up();
        let done = queued.settles().await;
        done.begins("✓ Task completed in ClickUp: Renew cert. Next: ");
        cert.is("complete");
    })
    .await;
}

#[tokio::test]
async fn what_waits_is_taken_up_as_soon_as_its_source_answers_somebody() {
    let world = two_tasks().config("outbox.retry_max = \"60s\"\noutbox.retry_initial = \"60s\"");
    ivan_test(world, async |ivan| {
        let (cert, runbook) = (
            ivan.clickup().task("Renew cert"),
            ivan.clickup().task("Write the runbook"),
        );
        ivan.clickup().front().down();
        let first = ivan
            .says(ANA, &format!("comment on clickup:{}: first", cert.id()))
            .answers()
            .await;
        first.begins("… ");
        ivan.clickup().front().up();
        // The second does not wait out the minute of the first.
        ivan.dm(ANA, &format!("comment on clickup:{}: second", runbook.id()))
            .await
            .begins("✓ ");
        first.settles().await.begins("✓ ");
        cert.has_comments(["first"]);
    })
    .await;
}

#[tokio::test]
async fn a_slow_source_is_said_to_be_slow_and_the_outcome_follows() {
    ivan_test(six_deeds(), async |ivan| {
        let [_, done, _, comment, ..] = DEEDS;
        let gate = Gate::new();
        for deed in [&done, &comment] {
            deed.goes_wrong(ivan, FaultKind::Wait(gate.clone()));
            deed.is_typed(ivan);
        }
        for place in [0, 1] {
            ivan.answer(ANA, place).answers().await.begins("… ");
        }
        gate.open();
        for (place, deed) in [done, comment].iter().enumerate() {
            let history = deed.happens_once(ivan, place).await.history();
            let [slow, _] = history.as_slice() else {
                panic!("once that it is slow, once how it ended: {history:#?}");
            };
            assert!(slow.starts_with("… "), "{slow}");
            assert!(slow.contains(" has not answered yet."), "{slow}");
        }
    })
    .await;
}

#[tokio::test]
async fn nothing_is_claimed_before_the_source_has_it() {
    ivan_test(six_deeds(), async |ivan| {
        for deed in &DEEDS {
            deed.goes_wrong(ivan, FaultKind::Hang);
        }
        all_are_typed(ivan);
        for place in 0..DEEDS.len() {
            let answer = ivan.answer(ANA, place).answers().await;
            answer.begins("… ").mentions(" has not answered yet.");
        }
        ivan.clickup().task("Renew cert").is("to do");
        ivan.clickup().task("Write the runbook").has_comments([]);
        ivan.clickup().front().cut();
        ivan.github().front().cut();
        all_happen_once(ivan).await;
        for place in 0..DEEDS.len() {
            let history = ivan.answer(ANA, place).answers().await.history();
            let claims = history.iter().filter(|text| text.contains('✓')).count();
            assert_eq!(claims, 1, "{history:#?}");
        }
    })
    .await;
}

#[tokio::test]
async fn the_message_says_why_it_waits_once_that_is_known() {
    ivan_test(two_tasks(), async |ivan| {
        let front = ivan.clickup().front();
        let cert = ivan.clickup().task("Renew cert");
        front.fault(Fault::new(FaultKind::Hang).on("GET", cert.id()));
        ivan.says(ANA, &format!("done clickup:{}", cert.id()));
        let slow = ivan.answer(ANA, 0).answers().await;
        slow.mentions("ClickUp has not answered yet");
        ivan.clickup().revoke_token();
        front.cut();
        let dead = slow
            .until(|answer| answer.text.contains("clickup.token"))
            .await;
        dead.begins("… Completion of Renew cert is waiting: ClickUp rejects the token");
        ivan.clickup().accept_token();
        ivan.http("POST", "/sync", None).await;
        dead.settles().await.begins("✓ Task completed");
    })
    .await;
}

// ------------------------------------------------------------ refused and given up

#[tokio::test]
async fn a_refusal_says_why_and_that_nothing_was_done() {
    ivan_test(six_deeds(), async |ivan| {
        for deed in &DEEDS {
            deed.goes_wrong(
                ivan,
                FaultKind::answer(400, r#"{"err": "No such luck", "message": "No such luck"}"#),
            );
        }
        all_are_typed(ivan);
        for place in 0..DEEDS.len() {
            let answer = ivan.answer(ANA, place).settles().await;
            answer.begins("✗ ").mentions("No such luck");
            assert!(
                !answer.text().contains("may have worked"),
                "{}",
                answer.text()
            );
        }
        // It is still to do, and listed as such.
        let list = ivan.dm(ANA, "list").await;
        list.mentions("Renew cert").mentions("Login fails");
    })
    .await;
}

#[tokio::test]
async fn what_is_given_up_says_why_and_that_nothing_was_changed() {
    let world = six_deeds().config("outbox.give_up_after = \"1s\"");
    ivan_test(world, async |ivan| {
        ivan.forgive("operation given up");
        // Nothing is even sent: both sources are down when they are read.
        ivan.clickup().front().fault(
            Fault::new(FaultKind::answer(503, "{}"))
                .on("GET", "")
                .always(),
        );
        ivan.github().front().fault(
            Fault::new(FaultKind::answer(503, "{}"))
                .on("GET", "")
                .always(),
        );
        let cert = ivan.clickup().task("Renew cert");
        ivan.says(ANA, &format!("done clickup:{}", cert.id()));
        ivan.says(ANA, "comment on #2: shipped");
        for place in 0..2 {
            let answer = ivan.answer(ANA, place).settles().await;
            answer.begins("✗ ").mentions("I gave up: ");
            answer.mentions("Nothing changed. Repeat the command to try again.");
        }
        ivan.clickup().front().clear_faults();
        ivan.github().front().clear_faults();
        cert.is("to do");
        ivan.dm(ANA, "list").await.mentions("Renew cert");
    })
    .await;
}

#[tokio::test]
async fn what_is_given_up_after_a_lost_answer_may_have_been_applied() {
    let world = six_deeds().config("outbox.give_up_after = \"1s\"");
    ivan_test(world, async |ivan| {
        ivan.forgive("operation given up");
        let fronts = [ivan.clickup().front(), ivan.github().front()];
        for deed in &DEEDS {
            deed.goes_wrong(ivan, FaultKind::ApplyThenHang);
        }
        all_are_typed(ivan);
        for deed in &DEEDS {
            deed.is_applied(ivan).await;
        }
        for front in fronts {
            front.fault(Fault::new(FaultKind::answer(503, "{}")).always());
            front.cut();
        }
        for place in 0..DEEDS.len() {
            let answer = ivan.answer(ANA, place).settles().await;
            answer.begins("✗ ").mentions("I gave up: ");
            answer.mentions("It may have worked: check");
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_refused_after_a_lost_answer_may_have_been_applied() {
    ivan_test(six_deeds(), async |ivan| {
        for deed in &DEEDS {
            deed.goes_wrong(ivan, FaultKind::ApplyThenHang);
        }
        all_are_typed(ivan);
        for deed in &DEEDS {
            deed.is_applied(ivan).await;
        }
        // It is no longer possible to check whether they arrived.
        ivan.clickup().move_task("Renew cert", "901100000002");
        ivan.clickup().delete_task("Write the runbook");
        ivan.github().hide_repo(REPO, true);
        ivan.clickup().front().cut();
        ivan.github().front().cut();
        for place in [0, 1, 3, 4, 5] {
            let answer = ivan.answer(ANA, place).settles().await;
            answer.begins("✗ ");
            answer.mentions("An earlier attempt may have worked");
        }
    })
    .await;
}

#[tokio::test]
async fn what_waits_for_a_source_that_is_no_longer_configured_is_given_up() {
    let world = six_deeds();
    ivan_test(world, async |ivan| {
        let [comment, done, ..] = DEEDS;
        // One may have worked; the other cannot have.
        comment.goes_wrong(ivan, FaultKind::ApplyThenHang);
        ivan.clickup()
            .front()
            .fault(Fault::new(FaultKind::Hang).on("GET", ivan.clickup().task("Renew cert").id()));
        comment.is_typed(ivan);
        done.is_typed(ivan);
        comment.is_applied(ivan).await;
        ivan.acknowledges().await;
        ivan.answer(ANA, 1).answers().await;
        ivan.kill().await;
        ivan.reconfigure(Setup::without_clickup);
        ivan.start().await;
        let perhaps = ivan.answer(ANA, 0).settles().await;
        perhaps.begins(
            "✗ Comment not added: Write the runbook. I gave up: ClickUp is no longer connected",
        );
        perhaps.mentions("may have worked");
        let never = ivan.answer(ANA, 1).settles().await;
        never.begins("✗ Not completed: Renew cert. I gave up: ClickUp is no longer connected");
        never.mentions("Nothing changed");
    })
    .await;
}

// ------------------------------------------------------------ Slack

#[tokio::test]
async fn a_reply_whose_answer_is_lost_is_posted_once() {
    ivan_test(two_tasks(), async |ivan| {
        let front = ivan.slack().front();
        front.fault(Fault::new(FaultKind::ApplyThenDrop).on("POST", "chat.postMessage"));
        ivan.dm(ANA, "create Buy milk")
            .await
            .replies("✓ Task created in ClickUp: Buy milk");
        // It was looked for before the next message is posted.
        ivan.dm(ANA, "create Buy bread")
            .await
            .replies("✓ Task created in ClickUp: Buy bread");
    })
    .await;
}

#[tokio::test]
async fn an_outcome_that_comes_while_slack_is_down_is_told_later() {
    ivan_test(two_tasks(), async |ivan| {
        let front = ivan.clickup().front();
        front.fault(Fault::new(FaultKind::Hang).on("POST", "/list/"));
        ivan.says(ANA, "create Buy milk");
        ivan.asks(front, "POST", "/list/", 1).await;
        ivan.answer(ANA, 0).answers().await.begins("… ");
        ivan.slack().front().down();
        front.cut();
        ivan.applies(front, "POST", "/list/", 1).await;
        ivan.until_nothing_is_queued().await;
        ivan.slack().front().up();
        ivan.answer(ANA, 0)
            .answers()
            .await
            .becomes("✓ Task created in ClickUp: Buy milk")
            .await;
    })
    .await;
}

// ------------------------------------------------------------ shutdown

#[tokio::test]
async fn what_is_under_way_at_a_shutdown_ends_and_is_told() {
    ivan_test(two_tasks(), async |ivan| {
        let [_, _, create, ..] = DEEDS;
        create.goes_wrong(ivan, FaultKind::Delay(Duration::from_millis(700)));
        create.is_typed(ivan);
        ivan.asks(ivan.clickup().front(), "POST", "/list/", 1).await;
        assert!(ivan.stop().await.success());
        ivan.answer(ANA, 0)
            .settles()
            .await
            .replies("✓ Task created in ClickUp: Buy milk");
        ivan.start().await;
        create.happens_once(ivan, 0).await;
    })
    .await;
}
