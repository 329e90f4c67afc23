//! Rate limits and the pace of writes (docs/contracts/github.md#rate-limits, docs/contracts/clickup.md#rate-limits): kept without a refusal where possible, over
//! restarts too; a waiting person learns the time.

use ivan::sandbox::fault_server::{Fault, FaultKind, FaultServer, RequestRecord};
use ivan::sandbox::now;
use serde_json::{Value, json};
use std::time::Duration;

use crate::harness::*;

/// `N` issues, numbered from 1.
fn issues<const N: usize>() -> Setup {
    Setup::new().github_issues::<N>(std::array::from_fn(
        |n| json!({"title": format!("Errand {}", n + 1)}),
    ))
}

fn refuses(status: u16, retry_after: u64) -> FaultKind {
    FaultKind::Answer {
        status,
        headers: vec![("Retry-After".to_owned(), retry_after.to_string())],
        body: r#"{"message": "You have exceeded a secondary rate limit"}"#.to_owned(),
    }
}

/// Comments on the issues from 1 to `n` at once, each in a lane of its own; returns the answers in that order.
async fn comments_on(ivan: &Ivan, n: u64, wait: u64) -> Vec<(u16, Value)> {
    let asked = (1..=n).map(|number| {
        let path = format!("/tasks/github%3Aacme%2Fwidgets%23{number}/comment?wait={wait}");
        async move {
            ivan.http("POST", &path, Some(json!({"text": "shipped"})))
                .await
        }
    });
    futures_util::future::join_all(asked).await
}

fn posts(front: &FaultServer) -> Vec<RequestRecord> {
    let mut seen = front.journal();
    seen.retain(|one| one.method == "POST");
    seen
}

/// The moment in an answer in Slack, in milliseconds.
fn moment(answer: &Answer<'_>) -> i64 {
    let wire = answer.wire();
    let date = wire.split("<!date^").nth(1).unwrap_or_else(|| {
        panic!("no moment is named in `{wire}`");
    });
    let (epoch, format) = date.split_once('^').unwrap();
    assert!(format.starts_with("{time_secs}|"), "{wire}");
    epoch.parse::<i64>().unwrap() * 1_000
}

// ------------------------------------------------------------ the pace of writes

#[tokio::test]
async fn ten_writes_go_at_once_and_the_rest_one_after_the_other() {
    let world = issues::<16>().set("github.writes_per_second", "5");
    ivan_test(world, async |ivan| {
        let begun = now();
        for (status, answer) in comments_on(ivan, 16, 30).await {
            assert_eq!(status, 200, "{answer}");
        }
        let posts = posts(ivan.github().front());
        assert_eq!(posts.len(), 16);
        for (place, post) in (0..).zip(&posts).skip(10) {
            let earliest = begun + (place - 9) * 200;
            assert!(
                post.at_ms >= earliest,
                "the {place}th {} ms too early",
                earliest - post.at_ms
            );
        }
    })
    .await;
}

#[tokio::test]
async fn a_single_write_does_not_wait_and_neither_do_ten() {
    let world = issues::<10>().set("github.writes_per_second", "1");
    ivan_test(world, async |ivan| {
        // A command without a write takes no turn: the issue is closed already.
        ivan.github().close_as(REPO, 1, "bo");
        for _ in 0..12 {
            let path = "/tasks/github%3Aacme%2Fwidgets%231/complete";
            let (status, answer) = ivan.http("POST", path, None).await;
            assert_eq!(
                (status, &answer["conflict"]),
                (200, &json!(true)),
                "{answer}"
            );
        }
        for (status, answer) in comments_on(ivan, 10, 30).await {
            assert_eq!(status, 200, "{answer}");
        }
        let waited = ivan.sql::<i64>("SELECT count(*) FROM operations WHERE turn_ms IS NOT NULL");
        assert_eq!(waited, 0);
    })
    .await;
}

#[tokio::test]
async fn whoever_stands_in_the_line_is_told_when_the_turn_comes() {
    let world = issues::<30>().set("github.writes_per_second", "1");
    ivan_test(world, async |ivan| {
        // The last of them has its turn in twenty seconds.
        let answers = comments_on(ivan, 29, 1).await;
        let queued: Vec<&Value> = answers
            .iter()
            .filter(|(status, _)| *status == 202)
            .map(|(_, answer)| answer)
            .collect();
        // A command that still waited when its turn came reports that there is no answer yet.
        let words = "GitHub takes one write at a time. It is sent at ";
        let told = queued.iter().filter(|answer| {
            let message = answer["message"].as_str().unwrap();
            message.contains(words) && message.trim_end_matches('.').ends_with("UTC")
        });
        assert!(told.count() >= 1, "{answers:#?}");
        let asked = ivan.says(ANA, "comment on #30: shipped").answers().await;
        asked.begins("… Comment on Errand 30 is waiting: GitHub takes one write at a time");
        let turn = moment(&asked);
        assert!((now()..now() + 25_000).contains(&turn), "{turn}");
        // Without a limit, the writes go out at once.
        ivan.kill().await;
        ivan.reconfigure(|setup| setup.set("github.writes_per_second", "0"));
        ivan.start().await;
        ivan.answer(ANA, 0)
            .settles()
            .await
            .replies("✓ Comment added in GitHub: Errand 30");
        ivan.until_nothing_is_queued().await;
        for number in 1..=29 {
            ivan.github().issue(REPO, number).has_comments(["shipped"]);
        }
    })
    .await;
}

// ------------------------------------------------------------ limits

#[tokio::test]
async fn who_meets_a_rate_limit_is_told_when_it_is_over() {
    let world = two_issues().clickup_tasks([json!({"name": "Renew cert"})]);
    ivan_test(world, async |ivan| {
        let cert = ivan.clickup().task("Renew cert");
        for front in [ivan.clickup().front(), ivan.github().front()] {
            front.fault(Fault::new(refuses(429, 8)).on("POST", "/comment"));
        }
        let texts = [
            format!("comment on clickup:{}: one", cert.id()),
            format!("comment on clickup:{}: two", cert.id()),
            "comment on #1: one".to_owned(),
            "comment on #1: two".to_owned(),
        ];
        let begun = now();
        for text in &texts {
            ivan.says(ANA, text);
        }
        // Commands behind it wait for the same.
        for place in 0..4 {
            let told = ivan.answer(ANA, place).answers().await;
            told.begins("… Comment on ")
                .mentions("rate limit is reached")
                .mentions("Next try at ");
            let turn = moment(&told);
            assert!((begun + 7_000..now() + 11_000).contains(&turn), "{turn}");
        }
        for place in 0..4 {
            ivan.answer(ANA, place)
                .settles()
                .await
                .begins("✓ Comment added");
        }
        cert.has_comments(["one", "two"]);
        ivan.github().issue(REPO, 1).has_comments(["one", "two"]);
    })
    .await;
}

#[tokio::test]
async fn what_is_left_of_a_window_is_believed_and_not_overdrawn() {
    let world = two_issues().clickup_tasks([json!({"name": "Renew cert"})]);
    ivan_test(world, async |ivan| {
        let cert = ivan.clickup().task("Renew cert");
        let window = Duration::from_secs(2);
        ivan.clickup().rate_limit_for(4, window);
        ivan.github().rate_limit_for(6, window);
        let fronts = [ivan.clickup().front(), ivan.github().front()];
        let before = fronts.map(|front| front.journal().len());
        for text in ["one", "two", "three"] {
            ivan.says(ANA, &format!("comment on clickup:{}: {text}", cert.id()));
            ivan.says(ANA, &format!("comment on #1: {text}"));
        }
        for place in 0..6 {
            ivan.answer(ANA, place)
                .settles()
                .await
                .begins("✓ Comment added");
        }
        for (front, before) in fronts.into_iter().zip(before) {
            let seen = front.journal();
            let seen: Vec<_> = seen.iter().skip(before).collect();
            assert!(
                seen.iter().all(|one| one.status.unwrap_or(0) < 400),
                "nothing was refused: {seen:#?}"
            );
            let (first, last) = (seen[0], seen[seen.len() - 1]);
            assert!(last.at_ms - first.at_ms >= 1_000, "{seen:#?}");
        }
        cert.has_comments(["one", "two", "three"]);
    })
    .await;
}

#[tokio::test]
async fn a_restart_does_not_ask_a_source_that_wants_to_be_left_alone() {
    let world = two_issues().clickup_tasks([json!({"name": "Renew cert"})]);
    ivan_test(world, async |ivan| {
        ivan.github()
            .front()
            .fault(Fault::new(refuses(403, 3_000)).on("POST", "/comments"));
        let told = ivan.says(ANA, "comment on #1: shipped").answers().await;
        let turn = moment(&told);
        assert!((now() + 2_990_000..now() + 3_002_000).contains(&turn));
        ivan.within("the pause is kept", async {
            while ivan.sql::<i64>("SELECT count(*) FROM pauses WHERE source = 'github'") == 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        ivan.kill().await;
        let before = ivan.github().front().journal().len();
        ivan.launch().await;
        ivan.logs("poll … source=clickup").await;
        // The poll and the queued writes know the pause by now.
        ivan.logs("poll … source=github").await;
        ivan.logs("operation not accepted; will retry").await;
        let again = ivan.says(ANA, "done #2").answers().await;
        again
            .begins("… Completion of Update the docs")
            .mentions("Next try at ");
        assert!((moment(&again) - turn).abs() <= 2_000);
        assert_eq!(ivan.github().front().journal().len(), before);
        // An operator may set another value.
        ivan.kill().await;
        ivan.store().execute("DELETE FROM pauses", []).unwrap();
        ivan.start().await;
        ivan.answer(ANA, 0)
            .settles()
            .await
            .replies("✓ Comment added in GitHub: Login fails");
        ivan.answer(ANA, 1)
            .settles()
            .await
            .begins("✓ Issue closed in GitHub");
    })
    .await;
}
