//! P2: a command has its effect in the source once: through lost answers, refusals, crashes at any instant, and
//! duplicate requests. After each story there is one effect and one answer, and the answer is true.

use std::time::Duration;

use ivan::sandbox::fault_server::{Fault, FaultKind, Gate, RequestRecord};
use rstest::rstest;
use serde_json::json;

use crate::deeds::*;
use crate::harness::*;

fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> FaultKind {
    FaultKind::Answer {
        status,
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        body: body.to_owned(),
    }
}

// ------------------------------------------------------------ lost answers and refusals

#[rstest]
#[case::the_connection_breaks(FaultKind::ApplyThenDrop)]
#[case::a_proxy_answers(FaultKind::ApplyThenAnswer { status: 502, headers: Vec::new(), body: "<html>Bad Gateway</html>".into() })]
#[tokio::test]
async fn a_write_whose_answer_is_lost_happens_once(#[case] what: FaultKind) {
    ivan_test(six_deeds(), async |ivan| {
        for deed in &DEEDS {
            deed.goes_wrong(ivan, what.clone());
        }
        all_are_typed(ivan);
        all_happen_once(ivan).await;
    })
    .await;
}

/// Ivan cannot distinguish these from the above: it searches the source twice before it writes again.
#[rstest]
#[case::the_connection_breaks(FaultKind::Drop)]
#[case::it_is_overloaded(FaultKind::answer(503, "{}"))]
#[tokio::test]
async fn a_write_that_never_arrived_happens_once(#[case] what: FaultKind) {
    ivan_test(six_deeds(), async |ivan| {
        for deed in &DEEDS {
            deed.goes_wrong(ivan, what.clone());
        }
        all_are_typed(ivan);
        all_happen_once(ivan).await;
    })
    .await;
}

#[tokio::test]
async fn a_write_that_meets_a_rate_limit_happens_once_when_that_is_over() {
    ivan_test(six_deeds(), async |ivan| {
        // Longer than the notice takes on a busy machine.
        let window = Duration::from_secs(4);
        // ClickUp gives the end of the window; GitHub the time to wait, with the 403 of its secondary limit.
        ivan.clickup().rate_limit_for(0, window);
        ivan.github().secondary_limit(1, Some(4));
        all_are_typed(ivan);
        let first = ivan.answer(ANA, 0).answers().await;
        assert!(first.history()[0].contains("ClickUp's rate limit is reached"));
        all_happen_once(ivan).await;
    })
    .await;
}

#[tokio::test]
async fn while_a_source_asks_to_wait_nobody_asks_it_anything() {
    ivan_test(six_deeds(), async |ivan| {
        let [on_clickup, done, create, on_github, close, open] = DEEDS;
        for deed in [&on_clickup, &on_github] {
            let body = r#"{"message": "You have exceeded a secondary rate limit"}"#;
            deed.goes_wrong(ivan, answer(429, &[("Retry-After", "4")], body));
            let queued = deed.is_typed(ivan).answers().await;
            queued.begins("… Comment on ").mentions("rate limit");
        }
        for deed in [&done, &create, &close, &open] {
            deed.is_typed(ivan);
        }
        let in_order = [on_clickup, on_github, done, create, close, open];
        for (place, deed) in in_order.iter().enumerate() {
            deed.happens_once(ivan, place).await;
        }
        for front in [ivan.clickup().front(), ivan.github().front()] {
            let seen = front.journal();
            let mut seen = seen.iter().skip_while(|one| one.status != Some(429));
            let refused = seen.next().unwrap().at_ms;
            let next = seen.next().unwrap().at_ms;
            assert!(next >= refused + 4000, "after {} ms", next - refused);
        }
    })
    .await;
}

#[tokio::test]
async fn a_listing_that_lags_behind_makes_nothing_twice() {
    ivan_test(six_deeds(), async |ivan| {
        ivan.clickup().lag(true);
        ivan.github().lag(true);
        for deed in &DEEDS {
            deed.goes_wrong(ivan, FaultKind::ApplyThenDrop);
        }
        all_are_typed(ivan);
        // The four with a marker are searched for, and not listed yet.
        ivan.logs_times("looking once more", 4).await;
        ivan.clickup().lag(false);
        ivan.github().lag(false);
        all_happen_once(ivan).await;
    })
    .await;
}

/// The second look waits its whole time after a restart, whatever the wall clock says meanwhile.
#[tokio::test]
async fn a_clock_put_forward_between_two_looks_makes_nothing_twice() {
    ivan_test(six_deeds(), async |ivan| {
        let [on_clickup, _, _, on_github, ..] = DEEDS;
        ivan.clickup().lag(true);
        ivan.github().lag(true);
        for deed in [&on_clickup, &on_github] {
            deed.goes_wrong(ivan, FaultKind::ApplyThenDrop);
            deed.is_typed(ivan);
        }
        ivan.logs_times("looking once more", 2).await;
        ivan.kill().await;
        let waiting = "UPDATE operations SET not_before_ms = not_before_ms - 60000
             WHERE not_before_ms IS NOT NULL";
        assert_eq!(ivan.store().execute(waiting, []).unwrap(), 2);
        let started = ivan::clock::Clock::system().now().timestamp_millis();
        ivan.start().await;
        ivan.clickup().lag(false);
        ivan.github().lag(false);
        on_clickup.happens_once(ivan, 0).await;
        on_github.happens_once(ivan, 1).await;
        let ended = ivan.sql::<i64>("SELECT min(ended_ms) FROM operations");
        assert!(ended >= started + 9_000, "{} ms", ended - started);
    })
    .await;
}

/// A source applies a request after its sender has left: long after the connection broke or the process died. (A
/// completion may arrive twice: that changes nothing.)
#[rstest]
#[case::the_connection_broke(false)]
#[case::the_process_died(true)]
#[tokio::test]
async fn a_write_that_arrives_late_makes_nothing_twice(#[case] dies: bool) {
    ivan_test(six_deeds(), async |ivan| {
        let [on_clickup, _, create, on_github, _, open] = DEEDS;
        let deeds = [on_clickup, create, on_github, open];
        for deed in &deeds {
            deed.goes_wrong(ivan, FaultKind::Delay(Duration::from_secs(8)));
        }
        for deed in &deeds {
            deed.is_typed(ivan);
        }
        for deed in &deeds {
            deed.arrives(ivan).await;
        }
        if dies {
            ivan.kill_and_restart().await;
        } else {
            ivan.clickup().front().cut();
            ivan.github().front().cut();
        }
        for (place, deed) in deeds.iter().enumerate() {
            deed.happens_once(ivan, place).await;
        }
        // Every request has arrived by now.
        for front in [ivan.clickup().front(), ivan.github().front()] {
            let posts = |seen: &[RequestRecord]| {
                let mut posts = seen.iter().filter(|one| one.method == "POST");
                posts.all(|one| one.applied)
            };
            ivan.within("all has arrived", front.until(posts)).await;
        }
        for (place, deed) in deeds.iter().enumerate() {
            deed.happens_once(ivan, place).await;
        }
    })
    .await;
}

// ------------------------------------------------------------ crashes

#[tokio::test]
async fn a_crash_between_commit_and_write_loses_nothing() {
    ivan_test(six_deeds(), async |ivan| {
        for front in [ivan.clickup().front(), ivan.github().front()] {
            front.fault(Fault::new(FaultKind::Hang).always());
        }
        let asked =
            [ivan.clickup().front(), ivan.github().front()].map(|front| front.journal().len());
        all_are_typed(ivan);
        ivan.acknowledges().await;
        for (front, before) in [ivan.clickup().front(), ivan.github().front()]
            .into_iter()
            .zip(asked)
        {
            // At least one request of each lane.
            ivan.within(
                "all lanes ask",
                front.until(|seen| seen.len() >= before + 3),
            )
            .await;
        }
        ivan.kill().await;
        ivan.clickup().front().clear_faults();
        ivan.github().front().clear_faults();
        ivan.start().await;
        all_happen_once(ivan).await;
    })
    .await;
}

#[tokio::test]
async fn a_crash_between_write_and_recording_makes_nothing_twice() {
    ivan_test(six_deeds(), async |ivan| {
        for deed in &DEEDS {
            deed.goes_wrong(ivan, FaultKind::ApplyThenHang);
        }
        all_are_typed(ivan);
        for deed in &DEEDS {
            deed.is_applied(ivan).await;
        }
        ivan.kill_and_restart().await;
        all_happen_once(ivan).await;
        // Slack got no acknowledgement, or repeats as if it had got none.
        for envelope in ivan.slack().envelopes() {
            ivan.slack().redeliver(&envelope.id);
        }
        ivan.dm(ANA, "status").await;
        all_happen_once(ivan).await;
    })
    .await;
}

#[tokio::test]
async fn a_crash_during_the_search_makes_nothing_twice() {
    ivan_test(six_deeds(), async |ivan| {
        for deed in &DEEDS {
            deed.goes_wrong(ivan, FaultKind::ApplyThenHang);
        }
        all_are_typed(ivan);
        for deed in &DEEDS {
            deed.is_applied(ivan).await;
        }
        let (clickup, github) = (ivan.clickup().front(), ivan.github().front());
        // GitHub's listing of issues shows the new one normally; the other three searches get no answer.
        let searches = [
            (clickup, "/comment"),
            (clickup, "/list/901100000001/task"),
            (github, "/issues/2/comments"),
        ];
        let searches = searches.map(|(front, path)| {
            let seen = front.journal();
            front.fault(Fault::new(FaultKind::Hang).on("GET", path).always());
            let before = seen.iter().filter(|one| one.is("GET", path)).count();
            (front, path, before)
        });
        clickup.cut();
        github.cut();
        for (front, path, before) in searches {
            ivan.asks(front, "GET", path, before + 1).await;
        }
        ivan.kill().await;
        ivan.clickup().front().clear_faults();
        ivan.github().front().clear_faults();
        ivan.start().await;
        all_happen_once(ivan).await;
    })
    .await;
}

#[rstest]
#[case::it_was_not_posted(FaultKind::Hang)]
#[case::it_was_posted(FaultKind::ApplyThenHang)]
#[tokio::test]
async fn a_crash_between_recording_and_reply_says_it_once(#[case] what: FaultKind) {
    ivan_test(six_deeds(), async |ivan| {
        ivan.slack()
            .front()
            .fault(Fault::new(what).on("POST", "chat.postMessage"));
        let [comment, ..] = DEEDS;
        comment.is_typed(ivan);
        ivan.asks(ivan.slack().front(), "POST", "chat.postMessage", 1)
            .await;
        ivan.kill_and_restart().await;
        comment.happens_once(ivan, 0).await;
    })
    .await;
}

#[tokio::test]
async fn a_reply_that_is_posted_after_the_crash_of_its_sender_stands_there_once() {
    ivan_test(six_deeds(), async |ivan| {
        let gate = Gate::new();
        let slack = ivan.slack().front().clone();
        slack.fault(Fault::new(FaultKind::Wait(gate.clone())).on("POST", "chat.postMessage"));
        let [comment, ..] = DEEDS;
        comment.is_typed(ivan);
        ivan.asks(&slack, "POST", "chat.postMessage", 1).await;
        ivan.kill_and_restart().await;
        let looked = slack.until(|seen| {
            seen.iter()
                .any(|one| one.done && one.query.contains("include_all_metadata=true"))
        });
        ivan.within("it looks for its reply", looked).await;
        gate.open();
        comment.happens_once(ivan, 0).await;
        let posts = slack.journal();
        let posts = posts
            .iter()
            .filter(|one| one.is("POST", "chat.postMessage"));
        assert_eq!(posts.count(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_disk_that_fails_when_the_answer_is_recorded_makes_nothing_twice() {
    ivan_test(six_deeds(), async |ivan| {
        ivan.forgive("nothing of a batch was saved");
        ivan.forgive("lane paused");
        for deed in &DEEDS {
            deed.goes_wrong(ivan, FaultKind::Delay(Duration::from_millis(500)));
        }
        all_are_typed(ivan);
        for deed in &DEEDS {
            deed.arrives(ivan).await;
        }
        let held = ivan.holds_the_store();
        ivan.logs("nothing of a batch was saved").await;
        drop(held);
        all_happen_once(ivan).await;
    })
    .await;
}

// ------------------------------------------------------------ effects of others

#[tokio::test]
async fn what_is_said_twice_on_purpose_is_there_twice() {
    ivan_test(six_deeds(), async |ivan| {
        let (clickup, github) = (ivan.clickup().front(), ivan.github().front());
        for deed in DEEDS {
            deed.is_typed(ivan);
        }
        all_happen_once(ivan).await;
        // The second of each is searched for, and the first is found: it does not belong to the second.
        for (front, path) in [
            (clickup, "/comment"),
            (clickup, "/list/"),
            (github, "/comments"),
            (github, "/issues"),
        ] {
            front.fault(Fault::new(FaultKind::Drop).on("POST", path));
        }
        let runbook = ivan.clickup().task("Write the runbook");
        let again = [
            ivan.says(
                ANA,
                &format!("comment on clickup:{}: shipped", runbook.id()),
            ),
            ivan.says(ANA, "create Buy milk"),
            ivan.says(ANA, "comment on #2: shipped"),
            ivan.says(ANA, "create Fix login -s github"),
        ];
        for asked in again {
            asked.settles().await.begins("✓ ");
        }
        runbook.has_comments(["shipped", "shipped"]);
        assert_eq!(ivan.clickup().tasks_named("Buy milk").len(), 2);
        ivan.github()
            .issue(REPO, 2)
            .has_comments(["shipped", "shipped"]);
        assert_eq!(ivan.github().issues_titled(REPO, "Fix login").len(), 2);
    })
    .await;
}

#[tokio::test]
async fn what_others_write_is_not_taken_for_ours() {
    ivan_test(six_deeds(), async |ivan| {
        // Otherwise she would be told of Bo's as soon as a poll finds them.
        ivan.dm(ANA, "mute").await;
        for deed in &DEEDS {
            deed.goes_wrong(ivan, FaultKind::Drop);
        }
        all_are_typed(ivan);
        ivan.asks(ivan.github().front(), "POST", "/issues/2/comments", 1)
            .await;
        ivan.asks(ivan.clickup().front(), "POST", "/comment", 1)
            .await;
        ivan.asks(ivan.clickup().front(), "POST", "/list/", 1).await;
        // Bo does exactly the same by hand, marker included.
        let lost = ivan.github().front().journal();
        let lost = lost
            .iter()
            .find(|one| one.is("POST", "/issues/2/comments"))
            .unwrap();
        let lost: serde_json::Value = serde_json::from_str(&lost.body).unwrap();
        let lost = lost["body"].as_str().unwrap();
        assert!(lost.contains("<!-- ivan:op="), "{lost}");
        ivan.github().comment_as(REPO, 2, "bo", lost);
        ivan.clickup()
            .comment_by("Write the runbook", BO_CLICKUP, "shipped");
        ivan.clickup()
            .add_task(json!({"name": "Buy milk", "creator": BO_CLICKUP}));
        // Ana quotes the marker to Ivan, which writes it under the same account.
        let marker = lost.rsplit("\n\n").next().unwrap();
        ivan.says(ANA, &format!("comment on #1: as in {marker}"))
            .settles()
            .await
            .begins("✓ ");
        for place in 1..=DEEDS.len() {
            ivan.answer(ANA, place).settles().await.begins("✓ ");
        }
        ivan.clickup()
            .task("Write the runbook")
            .has_comments(["shipped", "shipped"]);
        assert_eq!(ivan.clickup().tasks_named("Buy milk").len(), 2);
        ivan.github()
            .issue(REPO, 2)
            .has_comments(["shipped", "shipped"]);
        assert_eq!(ivan.github().issues_titled(REPO, "Fix login").len(), 1);
    })
    .await;
}

#[tokio::test]
async fn two_people_who_say_the_same_are_both_heard() {
    // With signatures the texts would differ.
    let world = Setup::new()
        .config("outbox.signature = false")
        .people()
        .clickup_tasks([json!({"name": "Renew cert", "assignees": [ANA_CLICKUP, BO_CLICKUP]})]);
    ivan_test(world, async |ivan| {
        let cert = ivan.clickup().task("Renew cert");
        let text = format!("comment on clickup:{}: shipped", cert.id());
        // Ana's never arrives, and Bo's does: the search for hers finds his.
        let front = ivan.clickup().front();
        front.fault(Fault::new(FaultKind::Drop).on("POST", "/comment"));
        let anas = ivan.says(ANA, &text);
        ivan.asks(front, "POST", "/comment", 1).await;
        front.fault(Fault::new(FaultKind::ApplyThenDrop).on("POST", "/comment"));
        let bos = ivan.says(BO, &text);
        anas.settles()
            .await
            .replies("✓ Comment added in ClickUp: Renew cert");
        bos.settles()
            .await
            .replies("✓ Comment added in ClickUp: Renew cert");
        cert.has_comments(["shipped", "shipped"]);
        // Each is told of the other's.
        for (who, by) in [(ANA, "Bo"), (BO, "Ana")] {
            let said = format!("{by} commented on Renew cert in ClickUp: “shipped”");
            ivan.is_told(who).answers().await.replies(&said);
        }
    })
    .await;
}

/// ClickUp shows the text without Markdown's marks. It is recognized after a lost answer and when it comes back by
/// webhook, and can be undone.
#[rstest]
#[case::code("run `make test`")]
#[case::emphasis("**Stop**, ~~wait~~ go on")]
#[case::a_list("Left:\n- [ ] one\n- two\n1. three")]
#[case::a_quotation("> we ship on friday\nagreed")]
#[case::a_link("see [the docs](https://docs.example/x) first")]
#[case::a_block("it says\n```\nValueError: x\n```")]
#[tokio::test]
async fn a_comment_that_comes_back_without_its_signs_is_written_once(#[case] text: &str) {
    ivan_test(two_tasks().webhooks(), async |ivan| {
        ivan.hook_up();
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        ivan.clickup().shows_formatted(true);
        let front = ivan.clickup().front();
        front.fault(Fault::new(FaultKind::ApplyThenDrop).on("POST", "/comment"));
        ivan.dm(ANA, &format!("comment {text}"))
            .await
            .replies("✓ Comment added in ClickUp: Renew cert");
        ivan.until_deliveries_are_applied().await;
        ivan.sync().await;
        let cert = ivan.clickup().task("Renew cert");
        assert_eq!(cert.comments().len(), 1, "{:?}", cert.comments());
        ivan.dm(ANA, "undo").await.begins("✓ ");
        cert.has_comments([]);
    })
    .await;
}

#[tokio::test]
async fn a_task_whose_description_comes_back_without_its_signs_is_made_once() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.clickup().shows_formatted(true);
        let front = ivan.clickup().front();
        front.fault(Fault::new(FaultKind::ApplyThenDrop).on("POST", "/task"));
        let body = json!({"title": "Order labels", "description": "- **A4**\n- see `stock`", "source": "clickup"});
        let (status, made) = ivan.http("POST", "/tasks?wait=60", Some(body)).await;
        assert_eq!(status, 200, "{made}");
        assert_eq!(ivan.clickup().tasks_named("Order labels").len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_comment_on_a_task_by_its_other_id_is_not_taken_for_this_one() {
    let world = Setup::new().clickup_tasks([json!({"name": "Renew cert", "custom_id": "OPS-12"})]);
    ivan_test(world, async |ivan| {
        let cert = ivan.clickup().task("Renew cert");
        ivan.dm(ANA, "comment on clickup:OPS-12: shipped")
            .await
            .begins("✓ Comment added");
        let front = ivan.clickup().front();
        front.fault(Fault::new(FaultKind::ApplyThenDrop).on("POST", "/comment"));
        ivan.dm(ANA, &format!("comment on clickup:{}: shipped", cert.id()))
            .await
            .begins("✓ Comment added");
        cert.has_comments(["shipped", "shipped"]);
        // It was found at the first search.
        assert_eq!(ivan.sql::<i64>("SELECT max(looks) FROM operations"), 0);
    })
    .await;
}
