//! Slack refuses to change a message, open a form, post an answer in a channel, or wait. The person learns the outcome
//! all the same.

use ivan::sandbox::fault_server::{Fault, FaultKind, Gate};
use ivan::sandbox::slack::{EphemeralPost, SandboxSlack};
use rstest::rstest;
use serde_json::{Value, json};

use crate::gestures::*;
use crate::harness::*;

const RANDOM: &str = "C0RND01";
const GENERAL: &str = "C0GEN01";

// ------------------------------------------------------------ messages that cannot be changed

#[rstest]
#[case::gone("message_not_found")]
#[case::not_ours_any_more("cant_update_message")]
#[case::too_old("edit_window_closed")]
#[tokio::test]
async fn an_outcome_that_cannot_replace_what_waits_is_said_anew(#[case] code: &'static str) {
    ivan_test(two_tasks(), async |ivan| {
        ivan.dm(ANA, "current").await;
        ivan.clickup().front().down();
        let queued = ivan.says(ANA, "comment shipped").answers().await;
        queued.begins("… Comment on Renew cert");
        ivan.slack().errors("chat.update", code, 1);
        let told = ivan.is_told(ANA);
        ivan.clickup().front().up();
        let told = told.settles().await;
        told.replies("✓ Comment added in ClickUp: Renew cert");
        assert_eq!(told.buttons(), ["Undo"]);
        queued.begins("… ");
        ivan.clickup().task("Renew cert").has_comments(["shipped"]);
        // From now on the new message is the one that is updated.
        ivan.presses(ANA, &told, "Undo")
            .settles()
            .await
            .begins("✓ Undone: your comment");
        told.until(|posted| !posted.blocks.to_string().contains("undo:"))
            .await;
    })
    .await;
}

#[tokio::test]
async fn an_outcome_whose_message_was_deleted_is_said_anew_also_after_a_crash() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.dm(ANA, "current").await;
        ivan.clickup().front().down();
        let queued = ivan.says(ANA, "comment shipped").answers().await;
        queued.begins("… ");
        let dm = ivan.slack().dm(ANA);
        ivan.slack().deletes(&dm, &queued.ts());
        ivan.kill().await;
        ivan.clickup().front().up();
        ivan.start().await;
        let told = |slack: &SandboxSlack| {
            let said = slack.bot_messages(&dm);
            said.len() == 2 && said[1].text.starts_with("✓ Comment added")
        };
        ivan.within("it is said anew", ivan.slack().until(told))
            .await;
        ivan.clickup().task("Renew cert").has_comments(["shipped"]);
    })
    .await;
}

#[tokio::test]
async fn what_is_said_anew_stands_there_once_whatever_became_of_its_posting() {
    ivan_test(two_tasks(), async |ivan| {
        let card = ivan.dm(ANA, "current").await;
        ivan.clickup().front().down();
        // A search in a thread finds the oldest first.
        let queued = ivan.says_under(ANA, &card.ts(), "comment shipped");
        let queued = queued.answers().await;
        queued.begins("… ");
        // The old message cannot be changed, and must not be taken for the new one.
        ivan.slack().errors("chat.update", "edit_window_closed", 9);
        let front = ivan.slack().front();
        front.fault(Fault::new(FaultKind::ApplyThenDrop).on("POST", "/api/chat.postMessage"));
        let told = ivan.is_told(ANA);
        ivan.clickup().front().up();
        told.settles()
            .await
            .replies("✓ Comment added in ClickUp: Renew cert");
        ivan.until_messages_are_recorded().await;
    })
    .await;
}

#[tokio::test]
async fn a_card_that_cannot_be_made_again_does_not_cost_the_outcome_under_it() {
    let setup = Setup::new()
        .github_issues([json!({"title": "Login fails", "labels": ["client"]})])
        .clickup_tasks([json!({"name": "Renew cert"})])
        .webhooks();
    ivan_test(setup, async |ivan| {
        ivan.hook_up();
        ivan.dm(ANA, "current").await.begins("Login fails");
        ivan.github().front().down();
        let queued = ivan
            .says(ANA, "done")
            .until(|posted| posted.blocks.to_string().contains("Renew cert"))
            .await;
        queued.begins("… Completion of Login fails");
        ivan.slack().errors("chat.update", "cant_update_message", 1);
        let front = ivan.slack().front();
        ivan.asks_anew(front, "POST", "/api/chat.update", async || {
            ivan.clickup().rename_task("Renew cert", "Renew the cert");
            ivan.until_deliveries_are_applied().await;
        })
        .await;
        ivan.github().front().up();
        queued
            .settles()
            .await
            .begins("✓ Issue closed in GitHub: Login fails");
    })
    .await;
}

// ------------------------------------------------------------ blocks that Slack refuses

#[rstest]
#[case::invalid("invalid_blocks")]
#[case::too_long("msg_blocks_too_long")]
#[case::of_another_format("invalid_blocks_format")]
#[tokio::test]
async fn an_answer_whose_blocks_slack_refuses_is_said_as_text(#[case] code: &'static str) {
    ivan_test(two_tasks(), async |ivan| {
        ivan.dm(ANA, "current").await;
        ivan.slack().refuse_blocks(Some(code));
        let done = ivan.dm(ANA, "done").await;
        done.begins("✓ Task completed in ClickUp: Renew cert");
        assert_eq!(done.buttons(), Vec::<String>::new());
        ivan.logs(code).await;
        let counted =
            format!("ivan_slack_refusals_total{{code=\"{code}\",result=\"said_plainly\"}}");
        let metrics = ivan.metrics().await;
        assert!(metrics.contains(&counted), "{metrics}");
        // A waiting answer becomes its outcome in the same way.
        ivan.clickup().front().down();
        let queued = ivan.says(ANA, "comment shipped").answers().await;
        queued.begins("… ");
        ivan.clickup().front().up();
        queued.settles().await.begins("✓ Comment added in ClickUp");
        ivan.slack().refuse_blocks(None);
        assert!(!ivan.dm(ANA, "list").await.buttons().is_empty());
    })
    .await;
}

/// Too long even without its blocks: only the beginning is posted.
#[tokio::test]
async fn an_answer_that_is_too_long_for_slack_is_cut() {
    let tasks = std::array::from_fn::<Value, 9, _>(|n| match n {
        0 => json!({"name": "Renew cert"}),
        n => json!({"name": format!("Task {n}{}", " certificate".repeat(15))}),
    });
    ivan_test(Setup::new().clickup_tasks(tasks), async |ivan| {
        ivan.dm(ANA, "list").await;
        // With its blocks, and without them.
        ivan.slack().errors("chat.postMessage", "msg_too_long", 2);
        let list = ivan.dm(ANA, "list").await;
        list.mentions("Renew cert");
        let shown = list.text().chars().count();
        assert!(list.text().ends_with(" …") && shown < 1_010, "{shown}");
        // A text that fits only loses its blocks.
        ivan.slack().errors("chat.postMessage", "msg_too_long", 1);
        let current = ivan.dm(ANA, "current").await;
        current.begins("Renew cert");
        assert_eq!(current.buttons(), Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn what_is_whispered_and_not_taken_is_whispered_as_text() {
    ivan_test(two_tasks(), async |ivan| {
        let refused = || Fault::new(FaultKind::answer(400, "invalid_blocks")).on("POST", "/resp/");
        let front = ivan.slack().front();
        front.fault(refused());
        ivan.slack().commands(ANA, RANDOM, "/ivan", "current");
        ivan.is_whispered(ANA, 0, |text| text.starts_with("Renew cert"))
            .await;
        // If the channel refuses every post, the answer goes to the DM.
        front.fault(refused().always());
        ivan.slack().refuse_blocks(Some("invalid_blocks"));
        let told = ivan.is_told(ANA);
        ivan.slack().commands(ANA, RANDOM, "/ivan", "current");
        told.answers().await.begins("Renew cert");
    })
    .await;
}

#[tokio::test]
async fn a_home_tab_that_slack_does_not_take_says_so() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.slack().errors("views.publish", "invalid_blocks", 1);
        let shown = ivan.opens_home(ANA).await;
        assert!(
            shown.starts_with("✗ Slack rejected this page (invalid_blocks)"),
            "{shown}"
        );
        ivan.counts("ivan_slack_refusals_total{code=\"invalid_blocks\",result=\"given_up\"} 1")
            .await;
        assert!(ivan.opens_home(ANA).await.contains("Renew cert"));
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_slack_takes_in_no_way_is_logged_counted_and_told_to_operators() {
    let setup = Setup::new()
        .clickup_tasks([json!({"name": "Renew cert", "assignees": [4242]})])
        .config("slack.operators = [\"U0BOB01\"]")
        .people();
    ivan_test(setup, async |ivan| {
        ivan.dm(ANA, "current").await;
        ivan.slack()
            .errors("chat.postMessage", "messages_tab_disabled", 1);
        let told = ivan.is_told(BO);
        let dm = ivan.slack().dm(ANA);
        ivan.slack().says(ANA, &dm, "done");
        ivan.until_nothing_is_queued().await;
        told.answers().await.begins(
            "✗ Slack rejected a message of mine to Ana (messages_tab_disabled), so it was dropped.",
        );
        ivan.logs("message given up … messages_tab_disabled").await;
        ivan.counts(
            "ivan_slack_refusals_total{code=\"messages_tab_disabled\",result=\"given_up\"} 1",
        )
        .await;
        ivan.until_nothing_is_queued().await;
        ivan.clickup().task("Renew cert").is("complete");
        ivan.dm(BO, "status")
            .await
            .mentions("✗ Slack has rejected messages of mine (messages_tab_disabled)");
        let (_, status) = ivan.http("GET", "/status", None).await;
        let detail = status["slack"]["detail"].as_str().unwrap_or_default();
        assert!(detail.contains("messages_tab_disabled"), "{status}");
        // At most once a day.
        ivan.slack()
            .errors("chat.postMessage", "messages_tab_disabled", 1);
        ivan.slack().says(ANA, &dm, "status");
        ivan.counts(
            "ivan_slack_refusals_total{code=\"messages_tab_disabled\",result=\"given_up\"} 2",
        )
        .await;
        ivan.dm(BO, "current").await;
        let of_bo = ivan.slack().bot_messages(&ivan.slack().dm(BO));
        let alarms = of_bo
            .iter()
            .filter(|said| said.text.contains("so it was dropped"));
        assert_eq!(alarms.count(), 1);
    })
    .await;
}

#[rstest]
#[case::closed("restricted_action")]
#[case::over("is_archived")]
#[case::thrown_out("not_in_channel")]
#[case::its_thread_is_gone("cannot_reply_to_message")]
#[tokio::test]
async fn an_answer_that_a_channel_does_not_take_comes_to_whoever_asked(#[case] code: &'static str) {
    // One queue for all: the DM is not simply the person's.
    ivan_test(two_tasks(), async |ivan| {
        ivan.dm(BO, "status").await;
        ivan.slack().errors("chat.postMessage", code, 1);
        let told = ivan.is_told(ANA);
        ivan.slack().says(ANA, GENERAL, "create Fix login");
        told.settles()
            .await
            .replies("✓ Task created in ClickUp: Fix login");
        assert!(ivan.slack().bot_messages(GENERAL).is_empty());
    })
    .await;
}

// ------------------------------------------------------------ ephemeral messages

fn to(slack: &SandboxSlack, who: &str) -> Vec<EphemeralPost> {
    let all = slack.whispers().into_iter();
    all.filter(|one| one.user == who && one.from == "response_url" && !is_slow(&one.text))
        .collect()
}

fn undo_of(blocks: &Value) -> Option<String> {
    let text = blocks.to_string();
    let (_, after) = text.split_once("\"action_id\":\"undo:")?;
    Some(format!("undo:{}", after.split('"').next()?))
}

#[tokio::test]
async fn an_undo_that_was_whispered_takes_the_place_of_what_it_took_back() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.slash(ANA, RANDOM, "current").await;
        ivan.slash(ANA, RANDOM, "done").await;
        let done = to(ivan.slack(), ANA)[1].clone();
        let undo = undo_of(&done.blocks).expect("it can be undone");
        ivan.slack().clicks_whisper(&done.ts, &undo);
        ivan.slack().clicks_whisper(&done.ts, &undo);
        // The second press has no effect, and an ephemeral message says so.
        ivan.is_whispered(ANA, 2, |text| text.starts_with("✗ Already undone"))
            .await;
        let replaced = |slack: &SandboxSlack| {
            let now = &to(slack, ANA)[1];
            shown(&now.text).starts_with("✓ Undone: Renew cert is to do again in ClickUp")
        };
        ivan.within("it is replaced", ivan.slack().until(replaced))
            .await;
        assert_eq!(undo_of(&to(ivan.slack(), ANA)[1].blocks), None);
        assert_eq!(to(ivan.slack(), ANA).len(), 3);
        ivan.clickup().task("Renew cert").is("to do");
    })
    .await;
}

#[tokio::test]
async fn an_undo_that_was_whispered_and_refused_can_be_pressed_again() {
    ivan_test(two_tasks(), async |ivan| {
        let dm = ivan.slack().dm(ANA);
        ivan.slash(ANA, &dm, "create Buy milk").await;
        let made = to(ivan.slack(), ANA)[0].clone();
        let undo = undo_of(&made.blocks).expect("it can be undone");
        ivan.clickup()
            .set_status("Buy milk", "in review", BO_CLICKUP);
        ivan.slack().clicks_whisper(&made.ts, &undo);
        ivan.is_whispered(ANA, 1, |text| text.contains("It changed in ClickUp since"))
            .await;
        assert_eq!(to(ivan.slack(), ANA)[0], made, "it stays, with its button");
        ivan.clickup().set_status("Buy milk", "to do", BO_CLICKUP);
        ivan.slack().clicks_whisper(&made.ts, &undo);
        let replaced = |slack: &SandboxSlack| {
            shown(&to(slack, ANA)[0].text) == "✓ Undone: Buy milk was deleted in ClickUp"
        };
        ivan.within("it is replaced", ivan.slack().until(replaced))
            .await;
    })
    .await;
}

#[tokio::test]
async fn what_stands_in_a_channel_without_the_bot_is_undone_there() {
    ivan_test(Setup::new().people(), async |ivan| {
        ivan.slack()
            .commands(ANA, RANDOM, "/ivan", "create Fix login");
        ivan.settles_in(RANDOM, 0).await;
        let made = ivan.slack().bot_messages(RANDOM).remove(0);
        let undo = undo_of(&made.blocks).expect("it can be undone");
        // Bo cannot undo it, and only he reads the refusal.
        ivan.slack().clicks(BO, RANDOM, &made.ts, &undo);
        ivan.is_whispered(BO, 0, |text| text.starts_with("✗ Nothing to undo: it"))
            .await;
        ivan.clickup().task("Fix login").is("to do");
        ivan.slack().clicks(ANA, RANDOM, &made.ts, &undo);
        let undone = |slack: &SandboxSlack| {
            let said = slack.bot_messages(RANDOM);
            said.len() == 1
                && shown(&said[0].text) == "✓ Undone: Fix login was deleted in ClickUp"
                && undo_of(&said[0].blocks).is_none()
        };
        ivan.within("it is undone there", ivan.slack().until(undone))
            .await;
        assert!(to(ivan.slack(), ANA).is_empty());
    })
    .await;
}

// ------------------------------------------------------------ expired triggers

#[tokio::test]
async fn every_way_to_a_form_tells_when_its_trigger_is_over() {
    ivan_test(two_tasks(), async |ivan| {
        let slack = ivan.slack();
        let over = || slack.errors("views.open", "expired_trigger_id", 1);
        let told = |text: &str| text.starts_with("✗ The form opened too late");
        let card = ivan.dm(ANA, "current").await;
        let dm = slack.dm(ANA);
        let comment = card.action("Comment");
        over();
        slack.clicks(ANA, &dm, &card.ts(), &comment);
        ivan.is_whispered(ANA, 0, told).await;
        let asked = ivan.says_in("general", ANA, "@ivan current");
        let in_channel = asked.settles().await;
        over();
        slack.clicks(ANA, GENERAL, &in_channel.ts(), &comment);
        ivan.is_whispered(ANA, 1, told).await;
        ivan.slash(ANA, RANDOM, "current").await;
        let whisper = to(slack, ANA).pop().unwrap();
        over();
        slack.clicks_whisper(&whisper.ts, &comment);
        ivan.is_whispered(ANA, 3, told).await;
        over();
        slack.commands(ANA, RANDOM, "/ivan", "create");
        ivan.is_whispered(ANA, 4, told).await;
        let door = slack.says(BO, GENERAL, "The door squeaks");
        over();
        slack.message_action(ANA, GENERAL, &door, "create_task");
        ivan.is_whispered(ANA, 5, told).await;
        // Where no ephemeral message is possible, it goes to the DM.
        ivan.opens_home(ANA).await;
        over();
        ivan.presses_at_home(ANA, "Comment", 0)
            .settles()
            .await
            .begins("✗ The form opened too late");
        over();
        let answer = ivan.is_told(ANA);
        slack.shortcut(ANA, "new_task");
        answer.settles().await.begins("✗ The form opened too late");
        assert!(modals(slack).is_empty());
        assert!(slack.replies_to(GENERAL, &door).is_empty());
        // Pressed again, it opens.
        slack.clicks(ANA, &dm, &card.ts(), &comment);
        ivan.form(1).await;
    })
    .await;
}

// ------------------------------------------------------------ three seconds

#[tokio::test]
async fn every_gesture_is_acknowledged_while_the_sources_are_stuck() {
    ivan_test(
        two_tasks().github_issues([json!({"title": "Login fails"})]),
        async |ivan| {
            let slack = ivan.slack();
            let dm = slack.dm(ANA);
            let card = ivan.dm(ANA, "current").await;
            ivan.opens_home(ANA).await;
            let door = slack.says(BO, GENERAL, "The door squeaks");
            // The sources stay stuck until everything is acknowledged.
            let gate = Gate::new();
            for front in [ivan.clickup().front(), ivan.github().front()] {
                front.fault(Fault::new(FaultKind::Wait(gate.clone())).always());
            }
            let pressed = ivan.presses(ANA, &card, "Done");
            let at_home = ivan.presses_at_home(ANA, "Done", 1);
            slack.commands(ANA, &dm, "/ivan", "create Buy milk");
            let by_shortcut = ivan.is_told(ANA);
            slack.shortcut(ANA, "new_task");
            let form = ivan.form(1).await;
            assert!(form.submits(ANA, &[("title", "Call Bo")]).await.is_null());
            slack.message_action(ANA, GENERAL, &door, "create_task");
            let form = ivan.form(1).await;
            assert!(form.submits(ANA, &[]).await.is_null());
            slack.reacts(ANA, &dm, &card.ts(), "eyes");
            let signed = ivan.is_told(ANA);
            ivan.until_all_is_acked().await;
            ivan.all_was_acked_in_time();
            gate.open();
            for answer in [pressed, at_home, by_shortcut] {
                answer.settles().await.begins("✓ ");
            }
            signed
                .settles()
                .await
                .begins("✗ Not started: Renew cert. It is complete in ClickUp");
            ivan.is_whispered(ANA, 0, |text| text == "✓ Task created in ClickUp: Buy milk")
                .await;
            ivan.is_whispered(ANA, 0, |text| {
                text == "✓ Task created in ClickUp: The door squeaks"
            })
            .await;
        },
    )
    .await;
}
