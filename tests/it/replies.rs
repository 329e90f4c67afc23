//! Replies under a message about a task become comments where bot.toml says so, and comments become replies.

use ivan::sandbox::fault_server::{Fault, FaultKind};
use serde_json::json;

use crate::harness::*;

const QUEUED: &str = "hourglass_flowing_sand";
const DONE: &str = "white_check_mark";

fn commenting() -> Setup {
    two_tasks().config("slack.thread_replies = \"comment\"")
}

/// Replies to a message of the DM; the answer is a reaction or none. Returns its `ts`.
fn replies(ivan: &Ivan, who: &str, root: &str, text: &str) -> String {
    let channel = ivan.slack().dm(who);
    ivan.slack().says_in_thread(who, &channel, root, text)
}

#[tokio::test]
async fn a_plain_reply_becomes_a_comment_and_carries_a_check_mark() {
    ivan_test(commenting(), async |ivan| {
        let card = ivan.dm(ANA, "current").await.ts();
        let dm = ivan.slack().dm(ANA);
        let text = "Nearly there,\nsee *the wiki*";
        let ts = replies(ivan, ANA, &card, text);
        ivan.carries(&dm, &ts, &[DONE]).await;
        ivan.clickup()
            .task("Renew cert")
            .is("to do")
            .has_comments([text]);
        // A second one is another comment, and neither gets a message.
        let ts = replies(ivan, ANA, &card, "and tested");
        ivan.carries(&dm, &ts, &[DONE]).await;
        ivan.clickup()
            .task("Renew cert")
            .has_comments([text, "and tested"]);
    })
    .await;
}

#[tokio::test]
async fn unless_bot_toml_says_so_a_plain_reply_gets_a_hint() {
    ivan_test(two_tasks(), async |ivan| {
        let card = ivan.dm(ANA, "current").await.ts();
        ivan.says_under(ANA, &card, "Nearly there")
            .settles()
            .await
            .begins("✗ I don't know `Nearly`");
        ivan.clickup().task("Renew cert").has_comments([]);
    })
    .await;
}

#[tokio::test]
async fn a_sentence_that_begins_like_a_command_is_a_comment_and_a_command_is_a_command() {
    ivan_test(commenting(), async |ivan| {
        let card = ivan.dm(ANA, "current").await.ts();
        let dm = ivan.slack().dm(ANA);
        let said = ["done with the first half", "next week I am away"];
        for text in said {
            let ts = replies(ivan, ANA, &card, text);
            ivan.carries(&dm, &ts, &[DONE]).await;
        }
        ivan.clickup()
            .task("Renew cert")
            .is("to do")
            .has_comments(said);
        for slip in ["comment", "create -s jira it"] {
            ivan.says_under(ANA, &card, slip)
                .settles()
                .await
                .begins("✗ ");
        }
        ivan.says_under(ANA, &card, "done")
            .settles()
            .await
            .begins("✓ Task completed in ClickUp: Renew cert");
        ivan.clickup().task("Renew cert").has_comments(said);
    })
    .await;
}

#[tokio::test]
async fn under_a_message_about_no_task_a_plain_reply_gets_a_hint() {
    ivan_test(commenting(), async |ivan| {
        ivan.dm(ANA, "current").await;
        let help = ivan.dm(ANA, "help").await.ts();
        ivan.says_under(ANA, &help, "Thanks!")
            .settles()
            .await
            .begins("✗ I don't know `Thanks!`");
        ivan.clickup().task("Renew cert").has_comments([]);
    })
    .await;
}

#[tokio::test]
async fn a_comment_that_waits_carries_an_hourglass_until_it_is_there() {
    ivan_test(commenting(), async |ivan| {
        let card = ivan.dm(ANA, "current").await.ts();
        let dm = ivan.slack().dm(ANA);
        ivan.clickup().front().down();
        let ts = replies(ivan, ANA, &card, "Nearly there");
        ivan.carries(&dm, &ts, &[QUEUED]).await;
        ivan.clickup().front().up();
        ivan.carries(&dm, &ts, &[DONE]).await;
        ivan.clickup()
            .task("Renew cert")
            .has_comments(["Nearly there"]);
    })
    .await;
}

#[tokio::test]
async fn a_comment_that_is_refused_is_answered_in_words_in_its_thread() {
    ivan_test(commenting(), async |ivan| {
        let card = ivan.dm(ANA, "current").await.ts();
        let refusal = FaultKind::answer(400, r#"{"err":"Comment is invalid","ECODE":"COMM_001"}"#);
        ivan.clickup()
            .front()
            .fault(Fault::new(refusal).on("POST", "/comment"));
        let asked = ivan.says_under(ANA, &card, "Nearly there");
        let (dm, ts) = (asked.channel().to_owned(), asked.ts.clone());
        asked
            .settles()
            .await
            .begins("✗ Comment not added: Renew cert");
        ivan.until_reactions_are_placed().await;
        assert!(ivan.our_reactions(&dm, &ts).is_empty());
        ivan.clickup().task("Renew cert").has_comments([]);
    })
    .await;
}

#[tokio::test]
async fn a_crash_between_the_comment_and_its_reaction_leaves_one_of_each() {
    ivan_test(commenting(), async |ivan| {
        let card = ivan.dm(ANA, "current").await.ts();
        let dm = ivan.slack().dm(ANA);
        let front = ivan.slack().front();
        front.fault(Fault::new(FaultKind::ApplyThenHang).on("POST", "/api/reactions.add"));
        let ts = replies(ivan, ANA, &card, "Nearly there");
        ivan.applies(front, "POST", "/api/reactions.add", 1).await;
        ivan.kill_and_restart().await;
        ivan.asks(ivan.slack().front(), "POST", "/api/reactions.add", 2)
            .await;
        ivan.until_reactions_are_placed().await;
        assert_eq!(ivan.our_reactions(&dm, &ts), [DONE]);
        ivan.clickup()
            .task("Renew cert")
            .has_comments(["Nearly there"]);
    })
    .await;
}

#[tokio::test]
async fn an_hourglass_that_a_crash_left_behind_goes() {
    ivan_test(commenting(), async |ivan| {
        let card = ivan.dm(ANA, "current").await.ts();
        let dm = ivan.slack().dm(ANA);
        ivan.clickup().front().down();
        let front = ivan.slack().front();
        front.fault(Fault::new(FaultKind::ApplyThenHang).on("POST", "/api/reactions.add"));
        let ts = replies(ivan, ANA, &card, "Nearly there");
        ivan.applies(front, "POST", "/api/reactions.add", 1).await;
        ivan.kill().await;
        assert_eq!(ivan.our_reactions(&dm, &ts), [QUEUED]);
        // The outcome is there before the hourglass could be placed and recorded again.
        ivan.slack()
            .errors("reactions.add", "service_unavailable", 1);
        ivan.clickup().front().up();
        ivan.start().await;
        ivan.carries(&dm, &ts, &[DONE]).await;
        ivan.clickup()
            .task("Renew cert")
            .has_comments(["Nearly there"]);
    })
    .await;
}

#[tokio::test]
async fn without_the_scope_a_message_says_what_a_reaction_would() {
    ivan_test(commenting(), async |ivan| {
        ivan.slack().revoke_scope("reactions:write");
        let card = ivan.dm(ANA, "current").await.ts();
        ivan.says_under(ANA, &card, "Nearly there")
            .settles()
            .await
            .replies("✓ Comment added in ClickUp: Renew cert");
        let status = ivan.dm(ANA, "status").await;
        status.mentions("Off without the Slack scope reactions:write: ");
        assert!(!status.text().contains('✗'), "{}", status.text());
        // Once the scope is granted, reactions are back, and `status` reports no problem.
        ivan.slack().grant_scope("reactions:write");
        let dm = ivan.slack().dm(ANA);
        let ts = replies(ivan, ANA, &card, "and tested");
        ivan.carries(&dm, &ts, &[DONE]).await;
        ivan.until_reactions_are_placed().await;
        assert!(!ivan.dm(ANA, "status").await.text().contains('✗'));
    })
    .await;
}

#[tokio::test]
async fn a_reply_that_was_deleted_is_a_comment_all_the_same() {
    ivan_test(commenting(), async |ivan| {
        let card = ivan.dm(ANA, "current").await.ts();
        let dm = ivan.slack().dm(ANA);
        ivan.clickup().front().down();
        let ts = replies(ivan, ANA, &card, "Nearly there");
        ivan.carries(&dm, &ts, &[QUEUED]).await;
        ivan.until_reactions_are_placed().await;
        ivan.slack().deletes(&dm, &ts);
        ivan.clickup().front().up();
        ivan.logs("the reaction's message is gone").await;
        ivan.clickup()
            .task("Renew cert")
            .has_comments(["Nearly there"]);
    })
    .await;
}

#[tokio::test]
async fn in_a_channel_only_the_threads_that_ivan_answered_in_are_his() {
    let setup = Setup::new()
        .config("slack.thread_replies = \"comment\"")
        .people();
    ivan_test(setup, async |ivan| {
        let general = ivan.slack().channel("general");
        let made = ivan.says_in("general", ANA, "create Fix login");
        let root = made.ts.clone();
        made.settles().await.begins("✓ Task created in ClickUp");
        let elsewhere = ivan.slack().says(ANA, &general, "Lunch?");
        let kept = || ivan.sql::<i64>("SELECT count(*) FROM slack_events");
        let before = kept();
        for (who, thread, text) in [
            (BO, &elsewhere, "At noon"),
            // In a channel a bare verb is not read, and `status` in Ivan's thread is not a comment.
            (BO, &root, "done"),
            (BO, &root, "status"),
        ] {
            ivan.slack().says_in_thread(who, &general, thread, text);
        }
        let ts = ivan
            .slack()
            .says_in_thread(BO, &general, &root, "Only on Safari");
        ivan.carries(&general, &ts, &[DONE]).await;
        let also = ivan
            .slack()
            .says_in_thread(BO, &general, &root, "comment and on iOS");
        ivan.carries(&general, &also, &[DONE]).await;
        // People without the right to command talk to the others: nothing is done, and nothing answered.
        for who in [GUEST, STRANGER] {
            ivan.slack().says_in_thread(who, &general, &root, "Me too");
        }
        ivan.is_silent_after(ANA, |_, _| {}).await;
        ivan.clickup()
            .task("Fix login")
            .is("to do")
            .has_comments(["Only on Safari\n\n— Bo", "and on iOS\n\n— Bo"]);
        assert_eq!(ivan.slack().replies_to(&general, &root).len(), 1);
        // The two comments, two messages of people who may not act, and the question behind them.
        assert_eq!(kept() - before, 5);
    })
    .await;
}

#[tokio::test]
async fn a_repeated_reply_is_one_comment() {
    ivan_test(commenting(), async |ivan| {
        let card = ivan.dm(ANA, "current").await.ts();
        let dm = ivan.slack().dm(ANA);
        let ts = replies(ivan, ANA, &card, "Nearly there");
        ivan.carries(&dm, &ts, &[DONE]).await;
        let sent = ivan.slack().envelopes().pop().unwrap();
        ivan.slack().redeliver(&sent.id);
        for event in ivan.slack().events_of(&dm, &ts) {
            ivan.slack().send_event(event);
        }
        ivan.is_silent_after(ANA, |_, _| {}).await;
        ivan.clickup()
            .task("Renew cert")
            .has_comments(["Nearly there"]);
    })
    .await;
}

// ---------------------------------------------------------------- from the source

#[tokio::test]
async fn what_others_say_about_a_task_arrives_under_its_card() {
    ivan_test(two_issues().webhooks(), async |ivan| {
        ivan.hook_up();
        let card = ivan.dm(ANA, "current").await.ts();
        ivan.github().repeat_next(1);
        ivan.github().comment_as(REPO, 1, "bo", "Seen on 17.4 too");
        let told = ivan.is_told(ANA).answers().await;
        told.replies("bo commented on Login fails in GitHub: “Seen on 17.4 too”");
        assert_eq!(told.posted().thread_ts, Some(card));
        // A further comment within minutes is in the same message.
        ivan.github().comment_as(REPO, 1, "bo", "And on 18");
        told.until(|posted| posted.text.contains("And on 18"))
            .await
            .mentions("Seen on 17.4 too");
        ivan.until_deliveries_are_applied().await;
    })
    .await;
}

#[tokio::test]
async fn a_comment_under_the_newest_message_about_its_task() {
    ivan_test(two_issues().webhooks(), async |ivan| {
        ivan.hook_up();
        ivan.dm(ANA, "current").await;
        ivan.github().close_as(REPO, 1, "bo");
        let notice = ivan.is_told(ANA).answers().await.ts();
        ivan.dm(ANA, "status").await;
        ivan.github().comment_as(REPO, 1, "bo", "Fixed in 2.1");
        let told = ivan.is_told(ANA).answers().await;
        told.mentions("Fixed in 2.1");
        assert_eq!(told.posted().thread_ts, Some(notice.clone()));
        // And a reply there means that task.
        ivan.says_under(ANA, &notice, "comment thanks")
            .settles()
            .await
            .replies("✓ Comment added in GitHub: Login fails");
        ivan.until_deliveries_are_applied().await;
    })
    .await;
}

#[tokio::test]
async fn a_comment_under_a_card_that_was_deleted_is_a_message_of_its_own() {
    ivan_test(two_issues().webhooks(), async |ivan| {
        ivan.hook_up();
        let card = ivan.dm(ANA, "current").await.ts();
        ivan.dm(ANA, "status").await;
        let dm = ivan.slack().dm(ANA);
        ivan.slack().deletes(&dm, &card);
        ivan.github().comment_as(REPO, 1, "bo", "Seen on 17.4 too");
        let told = |slack: &ivan::sandbox::slack::SandboxSlack| {
            let said = slack.bot_messages(&dm);
            said.len() == 2 && said[1].text.contains("Seen on 17.4 too")
        };
        ivan.within("it is told", ivan.slack().until(told)).await;
        ivan.until_deliveries_are_applied().await;
    })
    .await;
}

#[tokio::test]
async fn who_never_spoke_to_ivan_is_told_all_the_same() {
    let setup = Setup::new()
        .webhooks()
        .people()
        .github_issues([json!({"title": "Hers", "assignees": ["ana"]})]);
    ivan_test(setup, async |ivan| {
        ivan.hook_up();
        ivan.github().close_as(REPO, 1, "bo");
        let notice = ivan.is_told(ANA).answers().await;
        // The update happens in her DM, whose id no message of hers had given.
        ivan.github().reopen_as(REPO, 1, "bo");
        let notice = notice
            .until(|posted| posted.text.contains("was reopened"))
            .await
            .ts();
        ivan.github().comment_as(REPO, 1, "bo", "Not fixed");
        let told = ivan.is_told(ANA).answers().await;
        assert_eq!(told.posted().thread_ts, Some(notice.clone()));
        ivan.says_under(ANA, &notice, "comment indeed")
            .settles()
            .await
            .replies("✓ Comment added in GitHub: Hers");
        ivan.until_deliveries_are_applied().await;
    })
    .await;
}

#[tokio::test]
async fn a_comment_on_a_task_that_stands_nowhere_is_a_message_of_its_own() {
    let setup = Setup::new().webhooks().people().github_issues([
        json!({"title": "Hers", "assignees": ["ana"]}),
        json!({"title": "Also hers", "assignees": ["ana"]}),
    ]);
    ivan_test(setup, async |ivan| {
        ivan.hook_up();
        ivan.dm(ANA, "status").await;
        ivan.github().comment_as(REPO, 2, "bo", "Still?");
        let told = ivan.is_told(ANA).answers().await;
        told.mentions("bo commented on Also hers");
        assert_eq!(told.posted().thread_ts, None);
    })
    .await;
}
