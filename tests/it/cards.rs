//! Cards: what stands in Slack says what is true, and can be pressed.

use crate::harness::*;

#[tokio::test]
async fn a_card_is_done_by_its_button() {
    ivan_test(two_tasks(), async |ivan| {
        let card = ivan.dm(ANA, "current").await;
        assert_eq!(card.buttons(), ["Done", "Next", "Comment", "Open"]);
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
