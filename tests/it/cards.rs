//! Cards: what stands in Slack says what is true, and can be pressed.

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
            .replies("✓ Note: Renew cert is already complete in ClickUp. Next: Write the runbook");
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
            .begins("That is not your current task any more. Current: Write the runbook");
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

/// Titles as people, scripts and mischief make them.
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
        list.until(|posted| posted.blocks.to_string().contains("~<"))
            .await;
    })
    .await;
}
