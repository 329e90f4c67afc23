//! Messages from the time when Ivan was away: in threads under older messages, and from first-time writers.

use ivan::sandbox::fault_server::{Fault, FaultKind};
use ivan::sandbox::slack::SandboxSlack;
use rstest::rstest;
use serde_json::Value;

use crate::harness::*;

const DAY: i64 = 86_400_000;

/// A daemon whose Slack clock is behind by `by_ms` until a story corrects it: messages before that are old.
async fn long_ago(setup: Setup, by_ms: i64) -> Ivan {
    let mut ivan = setup.start().await;
    ivan.slack().clock_is_ahead(-by_ms);
    ivan.start().await;
    ivan
}

/// Slack never delivers these messages.
fn says_in_vain(slack: &SandboxSlack, say: impl FnOnce(&SandboxSlack)) {
    slack.drop_next(10);
    say(slack);
    slack.drop_next(0);
}

/// Waits until ClickUp has got `count` requests for comments and no work is left.
async fn comments_are_asked_for(ivan: &Ivan, count: usize) {
    ivan.asks(ivan.clickup().front(), "POST", "/comment", count)
        .await;
    ivan.until_nothing_is_queued().await;
}

#[rstest]
#[case::of_now(0)]
#[case::of_three_days_ago(3)]
#[case::of_ten_days_ago(10)]
#[tokio::test]
async fn a_reply_under_an_older_card_is_found_and_acts_once(#[case] days: i64) {
    let mut ivan = long_ago(two_tasks(), days * DAY).await;
    let card = ivan.dm(ANA, "current").await;
    card.mentions("Renew cert");
    let root = card.ts();
    ivan.stop().await;
    ivan.slack().clock_is_ahead(0);
    says_in_vain(ivan.slack(), |_| {
        ivan.says_under(ANA, &root, "comment hello");
    });
    ivan.start().await;
    comments_are_asked_for(&ivan, 1).await;
    ivan.clickup().task("Renew cert").has_comments(["hello"]);
    ivan.kill_and_restart().await;
    ivan.dm(ANA, "status").await;
    ivan.clickup().task("Renew cert").has_comments(["hello"]);
    ivan.finish().await;
}

/// The card is on the second page of the history, which has no other news.
#[tokio::test]
async fn a_reply_under_a_card_behind_many_messages_is_found() {
    let mut ivan = long_ago(two_tasks(), 2 * DAY).await;
    let root = ivan.dm(ANA, "current").await.ts();
    let dm = ivan.slack().dm(ANA);
    for n in 0..210 {
        ivan.slack()
            .other_bot_says(&dm, "ci", &format!("build {n}"));
    }
    ivan.until_all_is_acked().await;
    ivan.slack().clock_is_ahead(0);
    ivan.dm(ANA, "status").await;
    ivan.stop().await;
    says_in_vain(ivan.slack(), |_| {
        ivan.says_under(ANA, &root, "comment hello");
    });
    ivan.start().await;
    comments_are_asked_for(&ivan, 1).await;
    ivan.clickup().task("Renew cert").has_comments(["hello"]);
    ivan.finish().await;
}

/// Several threads, of several tasks, and the DM itself.
#[tokio::test]
async fn replies_in_several_threads_are_about_their_own_tasks() {
    let mut ivan = long_ago(two_tasks(), 2 * DAY).await;
    let first = ivan.dm(ANA, "current").await.ts();
    let second = ivan.dm(ANA, "next").await;
    second.mentions("Write the runbook");
    let second = second.ts();
    ivan.stop().await;
    ivan.slack().clock_is_ahead(0);
    says_in_vain(ivan.slack(), |_| {
        ivan.says_under(ANA, &first, "comment about the cert");
        ivan.says_under(ANA, &second, "comment about the runbook");
        ivan.says(ANA, "create Errand");
    });
    ivan.start().await;
    comments_are_asked_for(&ivan, 2).await;
    let clickup = ivan.clickup();
    clickup.task("Renew cert").has_comments(["about the cert"]);
    clickup
        .task("Write the runbook")
        .has_comments(["about the runbook"]);
    assert_eq!(clickup.tasks_named("Errand").len(), 1);
    ivan.finish().await;
}

/// The same while the daemon runs and the link is down.
#[tokio::test]
async fn a_reply_under_an_older_card_is_found_after_an_outage_of_the_link() {
    let setup = two_tasks().config("slack.catch_up_after = \"1s\"");
    let ivan = long_ago(setup, 3 * DAY).await;
    let root = ivan.dm(ANA, "current").await.ts();
    ivan.until_all_is_acked().await;
    ivan.slack().clock_is_ahead(0);
    let slack = ivan.slack();
    let unavailable = Fault::new(FaultKind::answer(503, "")).on("POST", "apps.connections.open");
    slack.front().fault(unavailable.always());
    slack.drop_next(2);
    slack.cut();
    let gone = slack.until(|slack| slack.links() == 0);
    ivan.within("the link is gone", gone).await;
    let went = ivan::sandbox::now();
    ivan.says_under(ANA, &root, "comment hello");
    // Bo has never written before.
    ivan.says(BO, "create Errand");
    let tried = slack.front().until(|seen| {
        let mut opens = seen.iter().filter(|one| one.is("POST", "connections.open"));
        opens
            .next_back()
            .is_some_and(|last| last.at_ms >= went + 1_100)
    });
    ivan.within("the outage has lasted", tried).await;
    slack.front().clear_faults();
    comments_are_asked_for(&ivan, 1).await;
    ivan.asks(ivan.clickup().front(), "POST", "/task", 2).await;
    ivan.until_nothing_is_queued().await;
    ivan.clickup().task("Renew cert").has_comments(["hello"]);
    assert_eq!(ivan.clickup().tasks_named("Errand").len(), 1);
    ivan.finish().await;
}

/// The people who have written before.
#[derive(Debug, Clone, Copy)]
enum Known {
    Nobody,
    /// A colleague.
    Another,
}

#[rstest]
#[case::nobody_ever_wrote(Known::Nobody)]
#[case::only_a_colleague_wrote(Known::Another)]
#[tokio::test]
async fn the_first_words_of_somebody_are_found_and_act_once(#[case] known: Known) {
    ivan_test(two_tasks(), async |ivan| {
        match known {
            Known::Nobody => {}
            Known::Another => {
                ivan.dm(ANA, "current").await.mentions("Renew cert");
            }
        }
        ivan.stop().await;
        says_in_vain(ivan.slack(), |_| {
            ivan.says(BO, "create Errand");
        });
        ivan.start().await;
        ivan.answer(BO, 0)
            .settles()
            .await
            .replies("✓ Task created in ClickUp: Errand");
        ivan.kill_and_restart().await;
        ivan.dm(BO, "status").await;
        assert_eq!(ivan.clickup().tasks_named("Errand").len(), 1);
    })
    .await;
}

/// Messages from before the first start with this store are ignored.
#[tokio::test]
async fn what_was_said_before_the_first_start_is_left_alone() {
    let setup = two_tasks().before(|sandbox| {
        let slack = &sandbox.slack;
        says_in_vain(slack, |slack| {
            slack.says(BO, &slack.dm(BO), "create Early");
        });
    });
    ivan_test(setup, async |ivan| {
        ivan.asks(ivan.slack().front(), "GET", "users.conversations", 1)
            .await;
        ivan.asks(ivan.slack().front(), "GET", "conversations.history", 1)
            .await;
        ivan.kill_and_restart().await;
        ivan.asks(ivan.slack().front(), "GET", "conversations.history", 2)
            .await;
        ivan.dm(BO, "status").await.begins("Slack: connected");
        assert!(ivan.clickup().tasks_named("Early").is_empty());
    })
    .await;
}

async fn missing(ivan: &Ivan) -> Vec<Value> {
    let (_, status) = ivan.http("GET", "/status", None).await;
    let missing = status["slack"]["missing_scopes"].as_array().unwrap();
    missing.iter().map(|one| one["scope"].clone()).collect()
}

#[tokio::test]
async fn without_the_scope_known_dms_are_read_and_status_names_it() {
    let setup = two_tasks().before(|sandbox| sandbox.slack.revoke_scope("im:read"));
    ivan_test(setup, async |ivan| {
        ivan.logs("features are off without optional scopes; … scopes=im:read").await;
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        ivan.stop().await;
        says_in_vain(ivan.slack(), |slack| {
            slack.says(BO, &slack.dm(BO), "create Lost");
            ivan.says(ANA, "create Errand");
        });
        ivan.start().await;
        ivan.answer(ANA, 1)
            .settles()
            .await
            .replies("✓ Task created in ClickUp: Errand");
        ivan.logs("the app lacks the scope im:read").await;
        assert_eq!(missing(ivan).await, ["im:read"]);
        ivan.dm(ANA, "status").await.mentions(
            "Off without the Slack scope im:read: I miss a person's first message if they write it while I am offline.",
        );
        assert!(ivan.clickup().tasks_named("Lost").is_empty());
        let said = ivan.messages_logged();
        let said = said
            .iter()
            .filter(|line| line.contains("first messages of people who wrote"));
        assert_eq!(said.count(), 1);
    })
    .await;
}

#[rstest]
#[case::broken(FaultKind::answer(502, ""))]
#[case::limited(FaultKind::Answer { status: 429, headers: vec![("Retry-After".into(), "1".into())], body: String::new() })]
#[case::refused(FaultKind::answer(200, r#"{"ok":false,"error":"service_unavailable"}"#))]
#[tokio::test]
async fn a_list_of_dms_that_cannot_be_read_is_read_later(#[case] what: FaultKind) {
    ivan_test(two_tasks(), async |ivan| {
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        ivan.stop().await;
        let fault = Fault::new(what).on("GET", "users.conversations");
        ivan.slack().front().fault(fault.times(2));
        says_in_vain(ivan.slack(), |_| {
            ivan.says(BO, "create Errand");
        });
        ivan.start().await;
        ivan.answer(BO, 0)
            .settles()
            .await
            .replies("✓ Task created in ClickUp: Errand");
        assert_eq!(ivan.clickup().tasks_named("Errand").len(), 1);
    })
    .await;
}

/// A first message that is too old to be acted on without asking.
#[tokio::test]
async fn old_first_words_are_asked_about() {
    let mut ivan = long_ago(two_tasks(), DAY / 24).await;
    // The store was connected to Slack more than an hour ago.
    ivan.stop().await;
    ivan.store()
        .execute(
            "UPDATE slack_since SET since_us = since_us - 7200000000",
            [],
        )
        .unwrap();
    says_in_vain(ivan.slack(), |_| {
        ivan.says(BO, "create Errand");
    });
    ivan.slack().clock_is_ahead(0);
    ivan.start().await;
    let asked = ivan.answer(BO, 0).answers().await;
    asked.mentions("I did not act on it");
    asked.mentions("create Errand");
    assert!(ivan.clickup().tasks_named("Errand").is_empty());
    ivan.finish().await;
}
