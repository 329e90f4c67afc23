//! Cards: a message in Slack shows the true state, and its buttons work.

use ivan::sandbox::slack::PostedMessage;
use serde_json::{Value, json};

use crate::harness::*;

#[tokio::test]
async fn a_card_is_done_by_its_button() {
    ivan_test(two_tasks(), async |ivan| {
        let card = ivan.dm(ANA, "current").await;
        assert_eq!(
            card.buttons(),
            ["Done", "Next", "Comment", "Snooze", "Open"]
        );
        ivan.presses(ANA, &card, "Done")
            .settles()
            .await
            .replies("✓ Task completed in ClickUp: Renew cert. Next: Write the runbook");
        ivan.clickup().task("Renew cert").is("complete");
        card.becomes_struck().await;
    })
    .await;
}

#[tokio::test]
async fn whoever_sees_no_blocks_is_told_what_the_cards_say() {
    ivan_test(two_tasks(), async |ivan| {
        let list = ivan.dm(ANA, "list").await;
        let card = ivan.dm(ANA, "current").await;
        let done = ivan.presses(ANA, &card, "Done").settles().await;
        card.becomes("~Renew cert~ · ClickUp · complete").await;
        list.becomes(
            "1. ~Renew cert~ · ClickUp · complete\n2. Write the runbook · ClickUp · to do",
        )
        .await;
        // An outcome says more than its card, and keeps its text.
        let second = ivan.presses(ANA, &done, "Done").settles().await;
        second.begins("✓ Task completed in ClickUp: Write the runbook");
        let is_struck = |posted: &PostedMessage| posted.blocks.to_string().contains("~<");
        let done = done.until(is_struck).await;
        done.replies("✓ Task completed in ClickUp: Renew cert. Next: Write the runbook");
    })
    .await;
}

#[tokio::test]
async fn a_button_that_is_pressed_twice_has_one_effect() {
    ivan_test(two_tasks(), async |ivan| {
        let card = ivan.dm(ANA, "current").await;
        let (first, second) = (
            ivan.presses(ANA, &card, "Done"),
            ivan.presses(ANA, &card, "Done"),
        );
        first
            .settles()
            .await
            .begins("✓ Task completed in ClickUp: Renew cert");
        second
            .settles()
            .await
            .replies("✓ Already complete in ClickUp: Renew cert. Next: Write the runbook");
        ivan.clickup().task("Write the runbook").is("to do");
    })
    .await;
}

#[tokio::test]
async fn next_on_a_card_that_is_not_current_any_more_moves_nothing() {
    ivan_test(two_tasks(), async |ivan| {
        let card = ivan.dm(ANA, "current").await;
        let next = ivan.presses(ANA, &card, "Next").settles().await;
        next.begins("Next: Write the runbook");
        ivan.presses(ANA, &card, "Next")
            .settles()
            .await
            .begins("That is no longer your current task. Current: Write the runbook");
        ivan.presses(ANA, &next, "Next")
            .settles()
            .await
            .begins("Next: Renew cert");
    })
    .await;
}

#[tokio::test]
async fn a_list_follows_what_others_do() {
    ivan_test(two_tasks().webhooks(), async |ivan| {
        ivan.hook_up();
        let list = ivan.dm(ANA, "list").await;
        assert_eq!(list.buttons(), ["Done", "Done"]);
        ivan.clickup()
            .set_status("Write the runbook", "complete", BO_CLICKUP);
        ivan.is_told(ANA).answers().await;
        let list = list
            .until(|posted| posted.blocks.to_string().contains('~'))
            .await;
        assert_eq!(list.buttons(), ["Done"]);
        assert!(list.shows("~Write the runbook~ · ClickUp · complete"));
    })
    .await;
}

/// Titles from people, from scripts and from mischief.
fn odd_titles() -> Vec<String> {
    vec![
        "<!channel> & <@U0BOB01> \"quoted\" `code` *bold* ~struck~".to_owned(),
        "a|b>c <https://evil.example|click here>".to_owned(),
        "תיקון הכניסה \u{202e}של המשתמש".to_owned(),
        "👩‍👩‍👧‍👦🎉".repeat(100),
        "é".repeat(2_000),
        "&".repeat(1_500),
        "```\n# one\n- two".to_owned(),
        "~".repeat(300),
        "\u{200b}".to_owned() + "zero\u{2028}width",
    ]
}

#[tokio::test]
async fn whatever_a_task_is_called_its_cards_are_within_slacks_limits() {
    ivan_test(Setup::new(), async |ivan| {
        for (number, title) in odd_titles().iter().cycle().take(99).enumerate() {
            let described = if number % 2 == 0 { title.as_str() } else { "" };
            ivan.clickup()
                .add_task(json!({"name": format!("{number} {title}"), "description": described}));
        }
        let (status, synced) = ivan.http("POST", "/sync", None).await;
        assert_eq!(
            (status, &synced["sources"]["clickup"]["error"]),
            (200, &Value::Null)
        );
        let list = ivan.dm(ANA, "list 50").await;
        assert_eq!(list.buttons().len(), 50);
        for _ in 0..odd_titles().len() {
            let card = ivan.dm(IN_TURN[0], "next").await;
            assert_eq!(
                card.buttons(),
                ["Done", "Next", "Comment", "Snooze", "Open"]
            );
            let blocks = card.posted().blocks.to_string();
            assert!(!blocks.contains("<!") && !blocks.contains("<@"), "{blocks}");
        }
        ivan.presses(ANA, &list, "Done").settles().await.begins("✓");
        // A notification or a screen reader, which has no blocks, gets the same content.
        for message in ivan.slack().bot_messages(&ivan.slack().dm(ANA)) {
            assert!(!message.text.trim().is_empty(), "{message:#?}");
        }
        list.until(|posted| posted.blocks.to_string().contains("~<"))
            .await;
    })
    .await;
}

#[tokio::test]
async fn a_button_in_a_channel_acts_for_whoever_presses_it_if_they_may() {
    let task = json!({"name": "Renew cert", "assignees": [ANA_CLICKUP, BO_CLICKUP]});
    let setup = Setup::new().people().clickup_tasks([task]);
    ivan_test(setup, async |ivan| {
        let general = ivan.slack().channel("general");
        let asked = ivan.says_in("general", ANA, "@ivan current");
        let root = asked.ts.clone();
        let card = asked.settles().await;
        let press = |who: &str| {
            let (posted, action) = (card.posted(), card.action("Done"));
            ivan.slack().clicks(who, &general, &posted.ts, &action);
        };
        let answered = async |replies: usize, begins: &str| {
            let event = ivan.slack().until(|slack| {
                let said = slack.replies_to(&general, &root);
                said.len() == replies && shown(&said[replies - 1].text).starts_with(begins)
            });
            ivan.within(begins, event).await;
        };
        press(GUEST);
        answered(
            2,
            "✗ I only take commands from full members of this workspace.",
        )
        .await;
        ivan.clickup().task("Renew cert").is("to do");
        press(BO);
        answered(3, "✓ Task completed in ClickUp: Renew cert").await;
        ivan.clickup().task("Renew cert").is("complete");
        ivan.is_told(ANA)
            .answers()
            .await
            .begins("Renew cert was completed in ClickUp by Bo, ");
        // It is Bo's: Ana has nothing to undo.
        ivan.dm(ANA, "undo").await.begins("✗ Nothing to undo in");
        card.becomes_struck().await;
    })
    .await;
}

#[tokio::test]
async fn a_card_that_was_deleted_holds_nothing_up() {
    ivan_test(two_tasks(), async |ivan| {
        let card = ivan.dm(ANA, "current").await;
        let (dm, ts) = (ivan.slack().dm(ANA), card.ts());
        ivan.slack().deletes(&dm, &ts);
        // One of the two messages is gone; the answer is the one that is left.
        ivan.slack().says(ANA, &dm, "done");
        let answered = |slack: &ivan::sandbox::slack::SandboxSlack| {
            let said = slack.bot_messages(&dm);
            said.len() == 1 && said[0].text.starts_with("✓ Task completed")
        };
        ivan.within("it is answered", ivan.slack().until(answered))
            .await;
        ivan.asks(ivan.slack().front(), "POST", "/api/chat.update", 1)
            .await;
        ivan.dm(BO, "current").await.begins("Write the runbook");
    })
    .await;
}

#[tokio::test]
async fn a_card_that_slack_does_not_change_holds_nothing_up() {
    ivan_test(two_tasks(), async |ivan| {
        let card = ivan.dm(ANA, "current").await;
        ivan.slack().errors("chat.update", "cant_update_message", 1);
        ivan.presses(ANA, &card, "Done")
            .settles()
            .await
            .replies("✓ Task completed in ClickUp: Renew cert. Next: Write the runbook");
        ivan.asks(ivan.slack().front(), "POST", "/api/chat.update", 1)
            .await;
        // It kept its text; a press updates it to the current state.
        ivan.presses(ANA, &card, "Done")
            .settles()
            .await
            .begins("✓ Already complete in ClickUp: Renew cert");
        ivan.clickup().task("Write the runbook").is("to do");
    })
    .await;
}

// ------------------------------------------------------------ buttons of an outcome

#[tokio::test]
async fn undo_is_one_button_away_and_goes_once_it_is_pressed() {
    ivan_test(two_tasks(), async |ivan| {
        let card = ivan.dm(ANA, "current").await;
        let done = ivan.presses(ANA, &card, "Done").settles().await;
        assert_eq!(
            done.buttons(),
            ["Done", "Next", "Comment", "Snooze", "Open", "Undo"]
        );
        // Pressed twice, before it has gone.
        let (first, second) = (
            ivan.presses(ANA, &done, "Undo"),
            ivan.presses(ANA, &done, "Undo"),
        );
        first.settles().await.replies(
            "✓ Undone: Renew cert is to do again in ClickUp. It's your current task again.",
        );
        second
            .settles()
            .await
            .begins("✗ Already undone. To redo it, type the command again.");
        ivan.clickup().task("Renew cert").is("to do");
        let done = offers_no_undo(done).await;
        done.begins("✓ Task completed in ClickUp: Renew cert");
    })
    .await;
}

#[tokio::test]
async fn an_undo_in_words_takes_the_button_away_too() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.dm(ANA, "current").await;
        let said = ivan.dm(ANA, "comment shipped").await;
        assert_eq!(said.buttons(), ["Undo"]);
        ivan.dm(ANA, "undo").await.begins("✓ Undone: your comment");
        offers_no_undo(said)
            .await
            .replies("✓ Comment added in ClickUp: Renew cert");
    })
    .await;
}

#[tokio::test]
async fn an_undo_button_that_is_pressed_too_late_says_so_and_goes() {
    ivan_test(two_tasks(), async |ivan| {
        let made = ivan.dm(ANA, "create Buy milk").await;
        ivan.minutes_pass(16);
        ivan.presses(ANA, &made, "Undo")
            .settles()
            .await
            .replies("✗ That was more than 15 minutes ago, too late to undo.");
        offers_no_undo(made).await;
        ivan.clickup().task("Buy milk").is("to do");
    })
    .await;
}

#[tokio::test]
async fn an_undo_that_was_refused_can_be_pressed_again() {
    ivan_test(two_tasks(), async |ivan| {
        let made = ivan.dm(ANA, "create Buy milk").await;
        ivan.clickup()
            .set_status("Buy milk", "in review", BO_CLICKUP);
        ivan.presses(ANA, &made, "Undo")
            .settles()
            .await
            .mentions("It changed in ClickUp since (it is now in review)");
        let made = made
            .until(|posted| posted.blocks.to_string().contains("undo:"))
            .await;
        ivan.clickup().set_status("Buy milk", "to do", BO_CLICKUP);
        ivan.presses(ANA, &made, "Undo")
            .settles()
            .await
            .replies("✓ Undone: Buy milk was deleted in ClickUp");
        offers_no_undo(made).await;
    })
    .await;
}

#[tokio::test]
async fn an_undo_button_is_for_whoever_did_it() {
    ivan_test(Setup::new().people(), async |ivan| {
        let general = ivan.slack().channel("general");
        let asked = ivan.says_in("general", ANA, "create Fix login");
        let root = asked.ts.clone();
        let made = asked.settles().await;
        let press = |who: &str| {
            let (posted, action) = (made.posted(), made.action("Undo"));
            ivan.slack().clicks(who, &general, &posted.ts, &action);
        };
        let answered = async |replies: usize, begins: &str| {
            let event = ivan.slack().until(|slack| {
                let said = slack.replies_to(&general, &root);
                said.len() == replies && shown(&said[replies - 1].text).starts_with(begins)
            });
            ivan.within(begins, event).await;
        };
        press(BO);
        answered(2, "✗ Nothing to undo: it changed nothing, or wasn't yours.").await;
        assert_eq!(made.buttons().last().unwrap(), "Undo");
        ivan.clickup().task("Fix login").is("to do");
        press(ANA);
        answered(3, "✓ Undone: Fix login was deleted in ClickUp").await;
        assert!(ivan.clickup().tasks_named("Fix login").is_empty());
        offers_no_undo(made).await;
    })
    .await;
}

#[tokio::test]
async fn the_snooze_button_puts_its_task_off_until_tomorrow_for_whoever_presses_it() {
    ivan_test(two_tasks(), async |ivan| {
        let card = ivan.dm(ANA, "current").await;
        let answer = ivan.presses(ANA, &card, "Snooze").settles().await;
        answer.begins("✓ Snoozed until ");
        answer.mentions(": Renew cert. Next: Write the runbook");
        assert_eq!(answer.buttons().last().unwrap(), "Undo");
        ivan.dm(BO, "list")
            .await
            .replies("1. Write the runbook · ClickUp · to do");
        ivan.presses(ANA, &answer, "Undo")
            .settles()
            .await
            .mentions("Renew cert");
        offers_no_undo(answer).await;
        ivan.dm(BO, "list").await.begins("1. Renew cert");
    })
    .await;
}

/// Waits until an answer has no Undo any more.
async fn offers_no_undo(answer: Answer<'_>) -> Answer<'_> {
    answer
        .until(|posted| !posted.blocks.to_string().contains("undo:"))
        .await
}
