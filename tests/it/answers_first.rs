//! Notices wait: however many mentions, comments and messages of strangers come in, a person's own answer goes first.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::*;

const MENTIONS: u64 = 40;
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);

/// Ana's issue, and as many others as there are mentions.
fn many_issues() -> Setup {
    let issues: [Value; 41] = std::array::from_fn(|n| match n {
        0 => json!({"title": "Login fails", "assignees": ["ana"]}),
        n => json!({"title": format!("Issue {n}"), "assignees": ["bo"]}),
    });
    Setup::new().webhooks().people().github_issues(issues)
}

/// Mentions Ana in all the other issues.
async fn mentions_everywhere(ivan: &Ivan, login: &str) {
    for number in 2..=MENTIONS + 1 {
        ivan.github()
            .comment_as(REPO, number, login, "@ana, have a look");
    }
    ivan.until_deliveries_are_applied().await;
}

/// Ana's messages of Ivan.
fn told(ivan: &Ivan) -> Vec<String> {
    let posted = ivan.slack().bot_messages(&ivan.slack().dm(ANA));
    posted.into_iter().map(|one| one.text).collect()
}

async fn is_answered_at_once(ivan: &Ivan) {
    let begun = Instant::now();
    let channel = ivan.slack().dm(ANA);
    ivan.slack().says(ANA, &channel, "done #1 -c shipped");
    let answered = ivan
        .slack()
        .until(|_| told(ivan).iter().any(|text| text.starts_with('✓')));
    ivan.within("the answer is there", answered).await;
    let took = begun.elapsed();
    println!("answered after {took:?}");
    assert!(took < ANSWERED_WITHIN, "{took:?}");
}

/// The end of a story whose notices have no fixed number of messages.
async fn ends(mut ivan: Ivan) {
    ivan.until_nothing_is_queued().await;
    assert_eq!(ivan.errors(), Vec::<String>::new());
    ivan.stop().await;
}

#[tokio::test]
async fn mentions_by_people_from_outside_wait_for_a_digest() {
    let mut ivan = many_issues().start().await;
    ivan.start().await;
    ivan.hook_up();
    ivan.dm(ANA, "current").await.mentions("Login fails");
    ivan.github().add_outsider("zoe", 77);
    mentions_everywhere(&ivan, "zoe").await;
    is_answered_at_once(&ivan).await;
    assert_eq!(ivan.sql::<i64>("SELECT count(*) FROM held"), 40);
    let before = told(&ivan).len();
    // An hour later.
    ivan.stop().await;
    ivan.store()
        .execute("UPDATE held SET until_ms = 1", [])
        .unwrap();
    ivan.start().await;
    let digest = "People from outside mentioned you:\n• zoe commented on ";
    let has_come = ivan
        .slack()
        .until(|_| told(&ivan).iter().any(|text| text.starts_with(digest)));
    ivan.within("the digest comes", has_come).await;
    assert_eq!(told(&ivan).len(), before + 1);
    assert_eq!(ivan.sql::<i64>("SELECT count(*) FROM held"), 0);
    ends(ivan).await;
}

#[tokio::test]
async fn notices_of_a_minute_share_messages_and_delay_no_answer() {
    let mut ivan = many_issues().start().await;
    ivan.start().await;
    ivan.hook_up();
    ivan.dm(ANA, "current").await.mentions("Login fails");
    mentions_everywhere(&ivan, "bo").await;
    is_answered_at_once(&ivan).await;
    let all_are_told = ivan.slack().until(|_| {
        let told = told(&ivan).join("\n");
        (1..=MENTIONS).all(|n| told.contains(&format!("Issue {n}")))
    });
    ivan.within("all notices are there", all_are_told).await;
    // Five of their own, and then messages of some thousand characters.
    let notices = told(&ivan);
    let notices = notices.iter().filter(|text| text.contains("bo commented"));
    let notices = notices.count();
    assert!((6..=12).contains(&notices), "{:#?}", told(&ivan));
    ends(ivan).await;
}

#[tokio::test]
async fn a_guest_who_floods_is_refused_once() {
    ivan_test(two_tasks(), async |ivan| {
        let slack = ivan.slack().clone();
        let channel = slack.dm(GUEST);
        let before = ivan.sql::<i64>("SELECT count(*) FROM messages");
        for n in 0..30 {
            slack.says(GUEST, &channel, &format!("create Flood {n}"));
        }
        ivan.acknowledges().await;
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        ivan.within(
            "the guest is refused",
            slack.until(|slack| !slack.bot_messages(&channel).is_empty()),
        )
        .await;
        let handled = async {
            while ivan.sql::<i64>("SELECT count(*) FROM slack_events WHERE handled_ms IS NULL") > 0
            {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        ivan.within("all are handled", handled).await;
        let posted = slack.bot_messages(&channel);
        assert_eq!(posted.len(), 1, "{posted:#?}");
        assert_eq!(ivan.sql::<i64>("SELECT count(*) FROM messages"), before + 2);
        assert!(ivan.clickup().tasks_named("Flood 0").is_empty());
    })
    .await;
}
