//! P3: one person's commands on one task take effect in the order they were typed; a slow source delays no one else.

use ivan::sandbox::fault_server::{Fault, FaultKind, FaultServer, Gate};
use serde_json::json;

use crate::harness::*;

/// Every fault that allows an immediate retry, on the comments of a task.
fn is_flaky(front: &FaultServer) {
    let bad_gateway = || FaultKind::ApplyThenAnswer {
        status: 502,
        headers: Vec::new(),
        body: String::new(),
    };
    for what in [FaultKind::Drop, FaultKind::answer(503, "{}")] {
        front.fault(Fault::new(what).on("GET", "").times(2));
    }
    for what in [
        FaultKind::ApplyThenDrop,
        bad_gateway(),
        FaultKind::ApplyThenDrop,
        bad_gateway(),
    ] {
        front.fault(Fault::new(what).on("POST", "/comment"));
    }
}

#[tokio::test]
async fn comments_arrive_in_the_order_of_typing_through_a_flaky_source() {
    let world = two_issues().clickup_tasks([json!({"name": "Renew cert"})]);
    ivan_test(world, async |ivan| {
        is_flaky(ivan.clickup().front());
        is_flaky(ivan.github().front());
        let cert = ivan.clickup().task("Renew cert");
        for number in 1..=5 {
            ivan.says(ANA, &format!("comment on clickup:{}: {number}", cert.id()));
            ivan.says(ANA, &format!("comment on #1: {number}"));
        }
        for place in 0..10 {
            let answer = ivan.answer(ANA, place).settles().await;
            answer.replies(match place % 2 {
                0 => "✓ Comment added in ClickUp: Renew cert",
                _ => "✓ Comment added in GitHub: Login fails",
            });
        }
        let in_order = ["1", "2", "3", "4", "5"];
        cert.has_comments(in_order);
        ivan.github().issue(REPO, 1).has_comments(in_order);
    })
    .await;
}

#[tokio::test]
async fn a_command_waits_for_the_one_before_it_on_the_same_task() {
    ivan_test(two_tasks(), async |ivan| {
        let front = ivan.clickup().front();
        front.fault(Fault::new(FaultKind::Hang).on("POST", "/comment"));
        let cert = ivan.clickup().task("Renew cert");
        ivan.says(ANA, &format!("comment on clickup:{}: before", cert.id()));
        ivan.asks(front, "POST", "/comment", 1).await;
        let done = ivan.says(ANA, &format!("done clickup:{}", cert.id()));
        // Queued behind the comment, which has no answer yet.
        done.answers().await.begins("… Completion of Renew cert");
        cert.is("to do");
        front.cut();
        ivan.answer(ANA, 1)
            .settles()
            .await
            .begins("✓ Task completed");
        let seen = front.journal();
        let place = |method, path| {
            seen.iter()
                .rposition(|one| one.is(method, path) && one.applied)
        };
        assert!(
            place("POST", "/comment") < place("PUT", "/task/"),
            "{seen:#?}"
        );
        cert.has_comments(["before"]);
    })
    .await;
}

#[tokio::test]
async fn a_hanging_source_delays_nobody_on_the_other() {
    let world = Setup::new()
        .people()
        .clickup_tasks([json!({"name": "Renew cert", "assignees": [ANA_CLICKUP]})])
        .github_issues([
            json!({"title": "Login fails", "assignees": ["bo"]}),
            json!({"title": "Update the docs", "assignees": ["ana"]}),
        ]);
    ivan_test(world, async |ivan| {
        let front = ivan.clickup().front();
        let cert = ivan.clickup().task("Renew cert");
        front.fault(Fault::new(FaultKind::Hang).always());
        let stuck = ivan.says(ANA, &format!("done clickup:{}", cert.id()));
        ivan.asks(front, "GET", cert.id(), 1).await;
        ivan.says(BO, "done #1")
            .settles()
            .await
            .begins("✓ Issue closed");
        // Nor her other task: its command takes effect before the stuck one.
        let anas = ivan.says(ANA, "done #2");
        ivan.applies(ivan.github().front(), "PATCH", "/issues/2", 1)
            .await;
        cert.is("to do");
        // Her answers keep the order of her commands.
        anas.settles()
            .await
            .begins("✓ Issue closed in GitHub: Update the docs");
        stuck.until(|answer| answer.text.starts_with('…')).await;
        front.clear_faults();
        front.cut();
        ivan.answer(ANA, 0)
            .settles()
            .await
            .begins("✓ Task completed");
        cert.is("complete");
    })
    .await;
}

#[tokio::test]
async fn a_stuck_lane_delays_no_second_person_even_on_the_same_task() {
    let both = [ANA_CLICKUP, BO_CLICKUP];
    let world = Setup::new().people().clickup_tasks([
        json!({"name": "Renew cert", "assignees": both}),
        json!({"name": "Write the runbook", "assignees": both}),
    ]);
    ivan_test(world, async |ivan| {
        let front = ivan.clickup().front();
        let cert = ivan.clickup().task("Renew cert");
        let runbook = ivan.clickup().task("Write the runbook");
        front.fault(Fault::new(FaultKind::Hang).on("GET", cert.id()));
        ivan.says(ANA, &format!("comment on clickup:{}: from Ana", cert.id()))
            .answers()
            .await
            .begins("… Comment on Renew cert");
        ivan.asks(front, "GET", cert.id(), 1).await;
        for (task, title) in [(&runbook, "Write the runbook"), (&cert, "Renew cert")] {
            ivan.says(BO, &format!("comment on clickup:{}: from Bo", task.id()))
                .settles()
                .await;
            // Ana's own answer is still outstanding.
            let said = format!("Bo commented on {title} in ClickUp: “from Bo”");
            ivan.is_told(ANA).answers().await.replies(&said);
        }
        runbook.has_comments(["from Bo\n\n— Bo"]);
        cert.has_comments(["from Bo\n\n— Bo"]);
        front.cut();
        ivan.answer(ANA, 0)
            .settles()
            .await
            .begins("✓ Comment added");
        cert.has_comments(["from Bo\n\n— Bo", "from Ana\n\n— Ana"]);
        ivan.is_told(BO)
            .answers()
            .await
            .replies("Ana commented on Renew cert in ClickUp: “from Ana”");
    })
    .await;
}

#[tokio::test]
async fn a_task_by_two_names_is_one_lane() {
    let world = Setup::new().clickup_tasks([
        json!({"name": "Renew cert", "custom_id": "OPS-12"}),
        json!({"name": "Write the runbook"}),
    ]);
    ivan_test(world, async |ivan| {
        let cert = ivan.clickup().task("Renew cert");
        let front = ivan.clickup().front();
        front.fault(Fault::new(FaultKind::Hang).on("POST", "/comment"));
        ivan.says(ANA, "comment on clickup:OPS-12: one");
        ivan.asks(front, "POST", "/comment", 1).await;
        ivan.says(ANA, &format!("comment on clickup:{}: two", cert.id()));
        ivan.says(ANA, "comment on clickup:ops-12: three");
        ivan.says(
            ANA,
            "comment on https://app.clickup.com/t/9001/OPS-12: four",
        );
        // Later commands wait for the first.
        ivan.answer(ANA, 3)
            .answers()
            .await
            .begins("… Comment on Renew cert");
        cert.has_comments([]);
        front.cut();
        for place in 0..4 {
            ivan.answer(ANA, place)
                .settles()
                .await
                .replies("✓ Comment added in ClickUp: Renew cert");
        }
        cert.has_comments(["one", "two", "three", "four"]);
    })
    .await;
}

#[tokio::test]
async fn what_was_typed_first_and_arrives_later_goes_first_while_that_is_possible() {
    ivan_test(two_issues(), async |ivan| {
        // Slack answers late who Ana is.
        let gate = Gate::new();
        let front = ivan.slack().front();
        front.fault(Fault::new(FaultKind::Wait(gate.clone())).on("GET", "users.info"));
        ivan.slack().lose_next(1);
        ivan.says(ANA, "comment on #1: first");
        ivan.says(ANA, "comment on #1: second");
        ivan.asks(front, "GET", "users.info", 1).await;
        ivan.slack().redeliver_unacked();
        ivan.acknowledges().await;
        gate.open();
        for place in [0, 1] {
            let answer = ivan.answer(ANA, place).settles().await;
            answer.replies("✓ Comment added in GitHub: Login fails");
        }
        ivan.github()
            .issue(REPO, 1)
            .has_comments(["first", "second"]);
    })
    .await;
}
