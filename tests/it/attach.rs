//! `attach REF` in a thread: its replies and the task's comments follow each other, as below a card.

use ivan::sandbox::Sandbox;
use ivan::sandbox::fault_server::{Fault, FaultKind};
use rstest::rstest;
use serde_json::json;

use crate::harness::*;

const GENERAL: &str = "C0GEN01";
const DONE: &str = "white_check_mark";

/// An issue of Ana's, one of Bo's and a task of nobody.
fn world() -> Setup {
    world_with("")
}

fn world_with(config: &str) -> Setup {
    Setup::new()
        .webhooks()
        .config("slack.thread_replies = \"comment\"")
        .config(config)
        .people()
        .github_issues([
            json!({"title": "Login fails", "assignees": ["ana"], "user": "ivan-bot"}),
            json!({"title": "Update the docs", "assignees": ["bo"], "user": "bo"}),
        ])
        .before(|sandbox: &Sandbox| sandbox.github.add_user("carol", 77))
        .clickup_tasks([json!({"name": "Renew cert"})])
}

fn discussion(ivan: &Ivan) -> String {
    ivan.slack().says(BO, GENERAL, "Login is broken since noon")
}

/// Waits until Ivan's message number `n` (from 0) in a thread of #general has these words.
async fn appears(ivan: &Ivan, root: &str, n: usize, words: &str) {
    let there = |slack: &ivan::sandbox::slack::SandboxSlack| {
        let replies = slack.replies_to(GENERAL, root);
        replies.get(n).is_some_and(|one| one.text.contains(words))
    };
    ivan.within(words, ivan.slack().until(there)).await;
}

fn attached_messages(ivan: &Ivan) -> i64 {
    ivan.sql(
        "SELECT count(*) FROM messages m JOIN commands c ON c.id = m.command_id
         WHERE c.verb = 'attach' AND m.about IS NOT NULL",
    )
}

#[tokio::test]
async fn replies_become_comments_and_comments_appear_in_the_thread() {
    ivan_test(world(), async |ivan| {
        ivan.hook_up();
        let root = discussion(ivan);
        ivan.says_in_thread("general", ANA, &root, "@ivan attach #1")
            .settles()
            .await
            .replies(
                "✓ Thread attached to Login fails: its comments appear here, and replies here become comments on it",
            );
        // A reply becomes a comment, and is not repeated in its thread.
        let ts = ivan
            .slack()
            .says_in_thread(BO, GENERAL, &root, "Only on Safari");
        ivan.carries(GENERAL, &ts, &[DONE]).await;
        ivan.github()
            .issue(REPO, 1)
            .has_comments(["Only on Safari\n\n— Bo"]);
        // A command without REF means the task.
        ivan.says_in_thread("general", BO, &root, "@ivan why")
            .settles()
            .await
            .mentions("Login fails");
        // Comments from the source and through Ivan appear.
        ivan.github().comment_as(REPO, 1, "carol", "Seen on 17.4 too");
        appears(ivan, &root, 2, "carol commented on ").await;
        appears(ivan, &root, 2, "Seen on 17.4 too").await;
        ivan.is_told(ANA).answers().await.mentions("Seen on 17.4 too");
        ivan.dm(ANA, "comment on #1: fixed in 2.1")
            .await
            .begins("✓ Comment added");
        appears(ivan, &root, 2, "Ana commented on ").await;
        appears(ivan, &root, 2, "fixed in 2.1").await;
        ivan.until_deliveries_are_applied().await;
        ivan.is_silent_after(BO, |_, _| {}).await;
        assert_eq!(ivan.slack().replies_to(GENERAL, &root).len(), 3);
    })
    .await;
}

#[tokio::test]
async fn undo_unlinks_the_thread() {
    ivan_test(world(), async |ivan| {
        ivan.hook_up();
        let root = discussion(ivan);
        let asked = ivan.says_in_thread("general", BO, &root, "@ivan attach #2");
        let attached = asked.settles().await;
        attached.begins("✓ Thread attached to Update the docs");
        assert_eq!(attached.buttons(), ["Undo"]);
        ivan.says_in_thread("general", BO, &root, "@ivan undo")
            .settles()
            .await
            .replies("✓ Undone: the thread is no longer attached to Update the docs");
        assert_eq!(attached_messages(ivan), 0);
        ivan.slack().says_in_thread(BO, GENERAL, &root, "At noon?");
        ivan.github().comment_as(REPO, 2, "carol", "Which ones?");
        ivan.until_deliveries_are_applied().await;
        ivan.is_told(BO).answers().await.mentions("Which ones?");
        ivan.is_silent_after(ANA, |_, _| {}).await;
        ivan.github().issue(REPO, 2).has_comments(["Which ones?"]);
        assert_eq!(ivan.slack().replies_to(GENERAL, &root).len(), 2);
        // It can be attached again, to another one too.
        ivan.says_in_thread("general", BO, &root, "@ivan attach #1")
            .settles()
            .await
            .begins("✓ Thread attached to Login fails");
    })
    .await;
}

#[tokio::test]
async fn in_the_dm_the_comments_come_to_who_attached_it() {
    ivan_test(world(), async |ivan| {
        ivan.hook_up();
        let asked = ivan.says(ANA, "the docs of the login page are wrong");
        let root = asked.ts.clone();
        asked.settles().await;
        ivan.says_under(ANA, &root, "attach #2")
            .settles()
            .await
            .begins("✓ Thread attached to Update the docs");
        // It is Bo's issue.
        ivan.github().comment_as(REPO, 2, "carol", "Which page?");
        let told = ivan.is_told(ANA).answers().await;
        told.mentions("Which page?");
        assert_eq!(told.posted().thread_ts, Some(root.clone()));
        ivan.is_told(BO).answers().await.mentions("Which page?");
        let dm = ivan.slack().dm(ANA);
        let ts = ivan
            .slack()
            .says_in_thread(ANA, &dm, &root, "The login page");
        ivan.carries(&dm, &ts, &[DONE]).await;
        ivan.github()
            .issue(REPO, 2)
            .has_comments(["Which page?", "The login page\n\n— Ana"]);
        ivan.is_told(BO).answers().await.mentions("The login page");
        ivan.until_deliveries_are_applied().await;
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_attached_is_answered_and_nothing_changes() {
    ivan_test(world(), async |ivan| {
        let root = discussion(ivan);
        let says = |who, text| ivan.says_in_thread("general", who, &root, text);
        says(ANA, "@ivan attach").settles().await.replies(
            "✗ Attach this thread to which task? `attach #12`, or paste its link.",
        );
        says(ANA, "@ivan attach #99").settles().await.begins("✗ ");
        ivan.github().close_as(REPO, 2, "bo");
        ivan.sync().await;
        says(ANA, "@ivan attach #2")
            .settles()
            .await
            .begins("✗ Not attached: Update the docs is already closed in GitHub.");
        assert_eq!(attached_messages(ivan), 0);
        says(ANA, "@ivan attach #1")
            .settles()
            .await
            .begins("✓ Thread attached to Login fails");
        says(BO, "@ivan attach #1")
            .settles()
            .await
            .replies("✓ This thread is already attached to Login fails");
        let cert = format!("@ivan attach clickup:{}", ivan.clickup().task("Renew cert").id());
        says(BO, &cert).settles().await.begins(
            "✗ This thread already belongs to Login fails (GitHub ",
        );
        assert_eq!(attached_messages(ivan), 1);
        // A thread in which a task was created belongs to that task.
        let made = ivan.says_in("general", ANA, "create Buy milk");
        let other = made.ts.clone();
        made.settles().await.begins("✓ Task created");
        ivan.says_in_thread("general", ANA, &other, "@ivan attach #1")
            .settles()
            .await
            .begins("✗ This thread already belongs to Buy milk");
        ivan.says_in_thread("general", ANA, &other, "@ivan attach clickup:nosuch")
            .settles()
            .await
            .begins("✗ ");
        // And one below a card to the task of the card.
        let card = ivan.dm(ANA, "current").await.ts();
        ivan.says_under(ANA, &card, &cert.replace("@ivan ", ""))
            .settles()
            .await
            .begins("✗ This thread already belongs to ");
        // Outside of threads there is nothing to attach.
        ivan.dm(ANA, "attach #1")
            .await
            .replies("✗ `attach` links a thread: type it in that thread, in a channel as `@ivan attach REF`.");
        ivan.says_in("general", ANA, "@ivan attach #1")
            .settles()
            .await
            .begins("✗ `attach` links a thread");
        assert_eq!(attached_messages(ivan), 1);
    })
    .await;
}

#[tokio::test]
async fn outside_of_slack_it_is_refused_with_the_reason() {
    ivan_test(world(), async |ivan| {
        let asked = ivan
            .http_with(
                "POST",
                "/attach",
                Some(json!({"ref": "#1"})),
                &[("x-ivan-actor", "Ana")],
            )
            .await;
        assert_eq!(asked.0, 422, "{}", asked.1);
        let detail = asked.1["detail"].as_str().unwrap();
        assert!(detail.contains("it works in Slack only"), "{detail}");
        let ran = ivan.cli(&["--as", "Ana", "attach", "#1"]).await;
        assert_eq!(ran.exit, 1, "{}{}", ran.out, ran.err);
        assert!(ran.err.contains("it works in Slack only"), "{}", ran.err);
        let told = ivan.slash(ANA, GENERAL, "attach #1").await;
        assert!(told.starts_with("✗ `attach` links a thread"), "{told}");
        assert_eq!(attached_messages(ivan), 0);
    })
    .await;
}

#[tokio::test]
async fn a_task_that_a_person_may_not_name_cannot_be_attached_or_shown() {
    let setup = world_with("access.tasks = \"own\"");
    ivan_test(setup, async |ivan| {
        ivan.hook_up();
        let root = discussion(ivan);
        ivan.says_in_thread("general", ANA, &root, "@ivan attach #2")
            .settles()
            .await
            .replies("✗ I don't know a task github:acme/widgets#2");
        ivan.says_in_thread("general", ANA, &root, "@ivan attach #1")
            .settles()
            .await
            .begins("✓ Thread attached to Login fails");
        // Bo may not hear to what the thread belongs.
        ivan.says_in_thread("general", BO, &root, "@ivan attach #2")
            .settles()
            .await
            .replies("✗ This thread already belongs to another task, so nothing changed. Attach the task in another thread.");
        // Once Ana may not name it any more, its comments appear no longer.
        ivan.github().assign_as(REPO, 1, "bo", &["bo"]);
        ivan.until_deliveries_are_applied().await;
        ivan.is_told(ANA).answers().await;
        ivan.github().comment_as(REPO, 1, "carol", "a secret");
        ivan.until_deliveries_are_applied().await;
        ivan.is_told(BO).answers().await;
        let said = ivan.slack().replies_to(GENERAL, &root);
        assert!(said.iter().all(|one| !one.text.contains("secret")), "{said:?}");
    })
    .await;
}

#[rstest]
#[case::lost_answer(FaultKind::ApplyThenDrop)]
#[case::never_arrived(FaultKind::Drop)]
#[tokio::test]
async fn through_a_lost_answer_it_is_attached_and_said_once(#[case] what: FaultKind) {
    ivan_test(world(), async |ivan| {
        let root = discussion(ivan);
        ivan.slack()
            .front()
            .fault(Fault::new(what).on("POST", "/api/chat.postMessage"));
        ivan.says_in_thread("general", ANA, &root, "@ivan attach #1")
            .settles()
            .await
            .begins("✓ Thread attached to Login fails");
        ivan.is_silent_after(ANA, |_, _| {}).await;
        assert_eq!(ivan.slack().replies_to(GENERAL, &root).len(), 1);
        assert_eq!(attached_messages(ivan), 1);
    })
    .await;
}

#[tokio::test]
async fn through_kills_it_is_attached_once_and_every_comment_appears_once() {
    ivan_test(world(), async |ivan| {
        ivan.hook_up();
        let root = discussion(ivan);
        let front = ivan.slack().front();
        front.fault(Fault::new(FaultKind::ApplyThenHang).on("POST", "/api/chat.postMessage"));
        let asked = ivan.says_in_thread("general", ANA, &root, "@ivan attach #1");
        ivan.applies(front, "POST", "/api/chat.postMessage", 1)
            .await;
        drop(asked);
        ivan.kill_and_restart().await;
        appears(ivan, &root, 0, "Thread attached to ").await;
        // Killed while a comment is shown in the thread.
        let front = ivan.slack().front();
        let posts = ivan.slack().bot_posts();
        front.fault(Fault::new(FaultKind::ApplyThenHang).on("POST", "/api/chat.postMessage"));
        ivan.github()
            .comment_as(REPO, 1, "carol", "Seen on 17.4 too");
        ivan.applies(front, "POST", "/api/chat.postMessage", posts + 1)
            .await;
        ivan.kill_and_restart().await;
        appears(ivan, &root, 1, "Seen on 17.4 too").await;
        ivan.is_told(ANA)
            .answers()
            .await
            .mentions("Seen on 17.4 too");
        // A reply whose comment's answer is lost, and a kill.
        let github = ivan.github().front();
        github.fault(Fault::new(FaultKind::ApplyThenHang).on("POST", "/comments"));
        ivan.slack()
            .says_in_thread(BO, GENERAL, &root, "Only on Safari");
        ivan.applies(github, "POST", "/comments", 1).await;
        ivan.kill_and_restart().await;
        ivan.until_nothing_is_queued().await;
        ivan.until_deliveries_are_applied().await;
        ivan.github()
            .issue(REPO, 1)
            .has_comments(["Seen on 17.4 too", "Only on Safari\n\n— Bo"]);
        ivan.until_reactions_are_placed().await;
        assert_eq!(ivan.slack().replies_to(GENERAL, &root).len(), 2);
        assert_eq!(attached_messages(ivan), 1);
    })
    .await;
}

#[tokio::test]
async fn a_poll_finds_the_comments_of_an_attached_task_of_nobody() {
    ivan_test(world(), async |ivan| {
        let root = discussion(ivan);
        let cert = format!(
            "@ivan attach clickup:{}",
            ivan.clickup().task("Renew cert").id()
        );
        ivan.says_in_thread("general", ANA, &root, &cert)
            .settles()
            .await
            .begins("✓ Thread attached to Renew cert");
        ivan.sync().await;
        ivan.clickup()
            .comment_by("Renew cert", BO_CLICKUP, "It ends on Friday");
        ivan.sync().await;
        appears(ivan, &root, 1, "It ends on Friday").await;
    })
    .await;
}
