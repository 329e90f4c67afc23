//! `create` in a thread: the thread's text becomes the description, once, or the answer says why it is missing.

use ivan::sandbox::fault_server::{Fault, FaultKind};
use rstest::rstest;
use serde_json::json;

use crate::harness::*;

const GENERAL: &str = "C0GEN01";
const ADDRESS: &str = "From a thread in Slack: https://acme.slack.com/archives/C0GEN01/p";

fn body(ivan: &Ivan, number: u64) -> String {
    let issue = ivan.github().issue(REPO, number).json();
    issue["body"].as_str().unwrap_or_default().to_owned()
}

/// These pieces are in the text, in this order.
#[track_caller]
fn has_in_order(text: &str, pieces: &[&str]) {
    let mut rest = text;
    for piece in pieces {
        let Some((_, after)) = rest.split_once(piece) else {
            panic!("no `{piece}` in its place:\n{text}");
        };
        rest = after;
    }
}

#[tokio::test]
async fn a_task_that_is_created_in_a_thread_has_its_text() {
    ivan_test(two_issues().people(), async |ivan| {
        let slack = ivan.slack();
        let alert = json!({"bot_id": "B0OTHER", "subtype": "bot_message", "username": "Grafana",
            "attachments": [{"title": "[FIRING] login", "text": "errors at 97 %"}]});
        let root = slack.says_with(BO, GENERAL, "", alert);
        slack.says_in_thread(BO, GENERAL, &root, "Broken since *noon*,\nask <@U0ANN01>");
        ivan.says_in_thread("general", BO, &root, "@ivan why #1")
            .settles()
            .await
            .mentions("Login fails");
        slack.says_in_thread(ANA, GENERAL, &root, "Only on Safari");
        ivan.says_in_thread(
            "general",
            ANA,
            &root,
            "create Fix login -s github -d seen by three people",
        )
        .settles()
        .await
        .replies("✓ Issue created in GitHub: Fix login (acme/widgets#3)");
        let body = body(ivan, 3);
        assert!(body.starts_with("seen by three people\n\n"), "{body}");
        has_in_order(
            &body,
            &[
                ADDRESS,
                &root.replace('.', ""),
                "Grafana:",
                "> [FIRING] login",
                "> errors at 97 %",
                "bo:",
                "> Broken since *noon*,",
                "> ask @\u{2060}ana",
                "ana:",
                "> Only on Safari",
            ],
        );
        // Neither the commands nor what Ivan said.
        for left_out in ["create", "why", "Ivan", "ivan why"] {
            let words = body.split("<!--").next().unwrap_or_default();
            assert!(!words.contains(left_out), "{left_out}: {body}");
        }
        assert_eq!(slack.replies_to(GENERAL, &root).len(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_file_in_a_thread_has_its_name() {
    ivan_test(two_issues().people(), async |ivan| {
        let slack = ivan.slack();
        let root = slack.shares_file(BO, GENERAL, "login @all.png", "It looks like this");
        ivan.says_in_thread("general", ANA, &root, "create Fix login -s github")
            .settles()
            .await
            .replies("✓ Issue created in GitHub: Fix login (acme/widgets#3)");
        has_in_order(
            &body(ivan, 3),
            &[
                "bo:\n> It looks like this\n> login @\u{2060}all.png: https://acme.slack.com/files/",
                "/login__all.png",
            ],
        );
    })
    .await;
}

#[tokio::test]
async fn in_clickup_and_in_a_private_channel_too() {
    ivan_test(Setup::new(), async |ivan| {
        let slack = ivan.slack();
        slack.add_channel("C0SEC01", "plans", true, &[ANA, BO, "U0BOT01"]);
        let root = slack.says(BO, "C0SEC01", "The certificate ends on Friday");
        ivan.says_in_thread("plans", ANA, &root, "@ivan create Renew it")
            .settles()
            .await
            .replies("✓ Task created in ClickUp: Renew it");
        let task = ivan.clickup().task("Renew it");
        has_in_order(
            &task.json()["description"]
                .as_str()
                .unwrap()
                .replace("\\n", "\n"),
            &[
                "archives/C0SEC01/p",
                "bo:\n> The certificate ends on Friday",
            ],
        );
    })
    .await;
}

#[tokio::test]
async fn in_the_dm_the_words_of_a_thread_that_were_no_command_are_taken() {
    ivan_test(two_issues(), async |ivan| {
        let asked = ivan.says(ANA, "the login page hangs since noon");
        let root = asked.ts.clone();
        asked.settles().await;
        ivan.says_under(ANA, &root, "why #1").settles().await;
        ivan.says_under(ANA, &root, "create Fix login -s github")
            .settles()
            .await
            .begins("✓ Issue created in GitHub: Fix login");
        let body = body(ivan, 3);
        has_in_order(&body, &["ana:", "> the login page hangs since noon"]);
        assert!(!body.contains("> why"), "{body}");
    })
    .await;
}

#[tokio::test]
async fn of_a_long_thread_the_first_and_the_newest_messages_are_taken() {
    ivan_test(Setup::new(), async |ivan| {
        let slack = ivan.slack();
        let root = slack.says(BO, GENERAL, "message 0");
        for number in 1..62 {
            slack.says_in_thread(BO, GENERAL, &root, &format!("message {number}."));
        }
        ivan.says_in_thread("general", ANA, &root, "create Fix login -s github")
            .settles()
            .await
            .begins("✓ Issue created in GitHub");
        let body = body(ivan, 1);
        has_in_order(
            &body,
            &[
                "> message 0",
                "… 12 messages are left out …",
                "> message 13.",
                "> message 61.",
            ],
        );
        assert!(!body.contains("message 12."), "{body}");
        assert_eq!(body.matches("\n> message ").count(), 50);
    })
    .await;
}

#[rstest]
#[case::scope("missing_scope", "the Slack app lacks a scope to read it")]
#[case::no_member("not_in_channel", "I'm not a member of this channel.")]
#[case::gone("thread_not_found", "Slack refused (`thread_not_found`).")]
#[case::crowded("ratelimited", "Slack doesn't let me read more right now.")]
#[case::fails("internal_error", "Slack didn't give it to me.")]
#[tokio::test]
async fn without_the_thread_the_task_is_created_and_the_answer_says_why(
    #[case] error: &str,
    #[case] why: &str,
) {
    ivan_test(Setup::new(), async |ivan| {
        let slack = ivan.slack();
        let root = slack.says(BO, GENERAL, "Login is broken");
        slack.errors("conversations.replies", error, 1);
        ivan.says_in_thread("general", ANA, &root, "create Fix login -s github -d soon")
            .settles()
            .await
            .replies("✓ Issue created in GitHub: Fix login (acme/widgets#1)");
        let told = ivan.settles_in(GENERAL, 1).await;
        let wanted = format!("The text of this thread was not added: {why}");
        assert!(told.starts_with(&wanted), "{told}");
        let body = body(ivan, 1);
        assert!(
            body.starts_with("soon") && !body.contains("broken"),
            "{body}"
        );
    })
    .await;
}

#[rstest]
#[case::slack_breaks_off(FaultKind::Drop)]
#[case::slack_limits(FaultKind::answer(429, "{}"))]
#[tokio::test]
async fn a_refused_command_says_nothing_of_its_thread(#[case] what: FaultKind) {
    ivan_test(Setup::new(), async |ivan| {
        let slack = ivan.slack();
        let root = slack.says(BO, GENERAL, "Login is broken");
        slack
            .front()
            .fault(Fault::new(what).on("GET", "/api/conversations.replies"));
        ivan.says_in_thread("general", ANA, &root, "create Fix login -r acme/unknown")
            .settles()
            .await
            .begins("✗ ");
        ivan.is_silent_after(ANA, |_, _| {}).await;
        assert_eq!(slack.replies_to(GENERAL, &root).len(), 1);
    })
    .await;
}

/// The text is part of what is stored before the task is created: later words in the thread do not change it.
#[rstest]
#[case::lost_answer(FaultKind::ApplyThenDrop)]
#[case::never_arrived(FaultKind::Drop)]
#[tokio::test]
async fn through_a_lost_answer_there_is_one_task_with_one_text(#[case] what: FaultKind) {
    ivan_test(Setup::new(), async |ivan| {
        let slack = ivan.slack();
        let root = slack.says(BO, GENERAL, "Login is broken");
        let front = ivan.github().front();
        front.fault(Fault::new(what).on("POST", "/issues"));
        let asked = ivan.says_in_thread("general", ANA, &root, "create Fix login -s github");
        ivan.asks(front, "POST", "/issues", 1).await;
        slack.says_in_thread(BO, GENERAL, &root, "It works again");
        asked.settles().await.begins("✓ Issue created in GitHub");
        assert_eq!(ivan.github().issues(REPO).len(), 1);
        let body = body(ivan, 1);
        assert!(
            body.contains("> Login is broken") && !body.contains("again"),
            "{body}"
        );
        let read = slack.front().journal();
        let read = read
            .iter()
            .filter(|one| one.is("GET", "/api/conversations.replies"));
        // The search for a lost answer of ours has metadata in its query.
        let read = read.filter(|one| !one.query.contains("include_all_metadata"));
        assert_eq!(read.count(), 1);
    })
    .await;
}

#[tokio::test]
async fn through_a_kill_there_is_one_task_with_one_text() {
    ivan_test(Setup::new(), async |ivan| {
        let root = ivan.slack().says(BO, GENERAL, "Login is broken");
        // Killed while the thread is read: it is read again.
        let slack = ivan.slack().front();
        slack.fault(Fault::new(FaultKind::Hang).on("GET", "/api/conversations.replies"));
        let asked = ivan.says_in_thread("general", ANA, &root, "create Fix login -s github");
        let ts = asked.ts.clone();
        ivan.asks(slack, "GET", "/api/conversations.replies", 1)
            .await;
        drop(asked);
        ivan.kill().await;
        ivan.slack()
            .says_in_thread(BO, GENERAL, &root, "It works again");
        // Killed again while the issue is created.
        let github = ivan.github().front();
        github.fault(Fault::new(FaultKind::ApplyThenHang).on("POST", "/issues"));
        ivan.start().await;
        ivan.applies(ivan.github().front(), "POST", "/issues", 1)
            .await;
        ivan.kill_and_restart().await;
        let said = ivan.settles_in(GENERAL, 0).await;
        assert!(
            said.starts_with("✓ Issue created in GitHub: Fix login"),
            "{said}"
        );
        assert_eq!(ivan.github().issues(REPO).len(), 1);
        let body = body(ivan, 1);
        assert!(
            body.contains("> Login is broken") && !body.contains("again"),
            "{ts}: {body}"
        );
    })
    .await;
}
