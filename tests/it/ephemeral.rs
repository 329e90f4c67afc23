//! Buttons of ephemeral messages. `chat.update` cannot change those: the press itself brings the address for the
//! update.

use ivan::sandbox::fault_server::{Fault, FaultKind};
use ivan::sandbox::slack::{EphemeralPost, SandboxSlack};
use serde_json::Value;

use crate::harness::*;

const RANDOM: &str = "C0RND01";

/// The ephemeral messages of Ana, in their current state.
fn shown_to_ana(slack: &SandboxSlack) -> Vec<EphemeralPost> {
    let all = slack.whispers().into_iter();
    all.filter(|one| one.user == ANA && one.from == "response_url" && !is_slow(&one.text))
        .collect()
}

/// The action ids of a message's buttons.
fn actions(blocks: &Value) -> Vec<String> {
    let text = blocks.to_string();
    let found = text.split("\"action_id\":\"").skip(1);
    found
        .filter_map(|after| after.split('"').next())
        .map(str::to_owned)
        .collect()
}

fn action(whisper: &EphemeralPost, verb: &str) -> String {
    let mut all = actions(&whisper.blocks).into_iter();
    all.find(|action| action.starts_with(verb))
        .unwrap_or_else(|| panic!("no {verb} in {}", whisper.blocks))
}

impl Ivan {
    async fn until_whispers(
        &self,
        what: &str,
        is_so: impl Fn(&[EphemeralPost]) -> bool,
    ) -> Vec<EphemeralPost> {
        let event = self.slack().until(|slack| is_so(&shown_to_ana(slack)));
        self.within(what, event).await;
        shown_to_ana(self.slack())
    }
}

#[tokio::test]
async fn an_outcome_takes_the_place_of_the_card_alone() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.slash(ANA, RANDOM, "current").await;
        let card = shown_to_ana(ivan.slack())[0].clone();
        let done = action(&card, "done:");
        // Twice: the second has no effect, and an ephemeral message says so.
        ivan.slack().clicks_whisper(&card.ts, &done);
        ivan.slack().clicks_whisper(&card.ts, &done);
        ivan.is_whispered(ANA, 1, |text| {
            text.contains("Already complete in ClickUp: Renew cert")
        })
        .await;
        let is_replaced = |now: &[EphemeralPost]| {
            shown(&now[0].text).starts_with("✓ Task completed in ClickUp: Renew cert. Next: ")
        };
        let now = ivan.until_whispers("it is replaced", is_replaced).await;
        assert_eq!(now.len(), 2, "{now:?}");
        assert!(!actions(&now[0].blocks).contains(&done));
        action(&now[0], "undo:");
        ivan.clickup().task("Renew cert").is("complete");
    })
    .await;
}

#[tokio::test]
async fn the_receipt_takes_the_place_of_a_question() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.slash(ANA, RANDOM, "done clickup").await;
        let question = shown_to_ana(ivan.slack())[0].clone();
        let yes = action(&question, "confirm:");
        // Twice: the second has no effect, and an ephemeral message says so.
        ivan.slack().clicks_whisper(&question.ts, &yes);
        ivan.slack().clicks_whisper(&question.ts, &yes);
        ivan.is_whispered(ANA, 1, |text| text.contains("That question was answered"))
            .await;
        let is_replaced =
            |now: &[EphemeralPost]| shown(&now[0].text).starts_with("✓ 2 of 2 tasks:\n");
        let now = ivan.until_whispers("it is replaced", is_replaced).await;
        assert_eq!(now.len(), 2, "{now:?}");
        assert!(!actions(&now[0].blocks).contains(&yes));
        action(&now[0], "undo:");
        ivan.clickup().task("Renew cert").is("complete");
        ivan.clickup().task("Write the runbook").is("complete");
    })
    .await;
}

#[tokio::test]
async fn next_and_snooze_turn_the_card_over() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.slash(ANA, RANDOM, "current").await;
        let card = shown_to_ana(ivan.slack())[0].clone();
        ivan.slack()
            .clicks_whisper(&card.ts, &action(&card, "next:"));
        let is_next =
            |now: &[EphemeralPost]| shown(&now[0].text).starts_with("Next: Write the runbook · ");
        let now = ivan.until_whispers("it is the next card", is_next).await;
        ivan.slack()
            .clicks_whisper(&card.ts, &action(&now[0], "snooze:"));
        let is_snoozed =
            |now: &[EphemeralPost]| shown(&now[0].text).starts_with("✓ Snoozed until ");
        let now = ivan.until_whispers("it is snoozed", is_snoozed).await;
        assert_eq!(now.len(), 1, "{now:?}");
        action(&now[0], "undo:");
    })
    .await;
}

#[tokio::test]
async fn in_a_list_only_what_was_pressed_is_struck() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.slash(ANA, RANDOM, "list").await;
        let list = shown_to_ana(ivan.slack())[0].clone();
        let buttons = actions(&list.blocks);
        assert_eq!(buttons.len(), 2);
        ivan.slack().clicks_whisper(&list.ts, &buttons[1]);
        ivan.is_whispered(ANA, 1, |text| {
            text.starts_with("✓ Task completed in ClickUp: Write the runbook")
        })
        .await;
        let is_struck = |now: &[EphemeralPost]| actions(&now[0].blocks).len() == 1;
        let now = ivan.until_whispers("it is struck", is_struck).await;
        let blocks = now[0].blocks.to_string();
        assert!(
            blocks.contains("2. ~<") && !blocks.contains("1. ~<"),
            "{blocks}"
        );
        // The other is updated by an address of its own.
        ivan.slack().clicks_whisper(&list.ts, &buttons[0]);
        let are_struck = |now: &[EphemeralPost]| actions(&now[0].blocks).is_empty();
        let now = ivan.until_whispers("both are struck", are_struck).await;
        assert!(now[0].blocks.to_string().contains("1. ~<"));
        ivan.until_whispers("both are told", |now| now.len() == 3)
            .await;
    })
    .await;
}

#[tokio::test]
async fn a_refused_press_leaves_the_card_where_it_is() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.slash(ANA, RANDOM, "current").await;
        let card = shown_to_ana(ivan.slack())[0].clone();
        let done = action(&card, "done:");
        ivan.clickup().front().fault(
            Fault::new(FaultKind::answer(
                400,
                r#"{"err":"Status not found","ECODE":"CRTSK_001"}"#,
            ))
            .on("PUT", "/task/"),
        );
        ivan.slack().clicks_whisper(&card.ts, &done);
        ivan.is_whispered(ANA, 1, |text| text.starts_with("✗ Not completed"))
            .await;
        assert_eq!(
            shown_to_ana(ivan.slack())[0],
            card,
            "it can be pressed again"
        );
        ivan.slack().clicks_whisper(&card.ts, &done);
        let is_replaced =
            |now: &[EphemeralPost]| shown(&now[0].text).starts_with("✓ Task completed in ClickUp");
        ivan.until_whispers("it is replaced", is_replaced).await;
    })
    .await;
}

#[tokio::test]
async fn an_undo_that_is_too_late_or_was_used_goes() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.slash(ANA, RANDOM, "current").await;
        ivan.slash(ANA, RANDOM, "done").await;
        let done = shown_to_ana(ivan.slack())[1].clone();
        let undo = action(&done, "undo:");
        ivan.slash(ANA, RANDOM, "undo").await;
        ivan.slack().clicks_whisper(&done.ts, &undo);
        ivan.is_whispered(ANA, 3, |text| text.starts_with("✗ Already undone"))
            .await;
        let is_gone = |now: &[EphemeralPost]| !actions(&now[1].blocks).contains(&undo);
        let now = ivan.until_whispers("the button is gone", is_gone).await;
        assert_eq!(now[1].text, done.text, "what it said stays");
        assert!(
            now[1].blocks.to_string().contains("\"done:"),
            "and the next card"
        );
        ivan.slash(ANA, RANDOM, "comment shipped").await;
        let comment = shown_to_ana(ivan.slack())[4].clone();
        let undo = action(&comment, "undo:");
        ivan.minutes_pass(16);
        ivan.slack().clicks_whisper(&comment.ts, &undo);
        ivan.is_whispered(ANA, 5, |text| text.contains("more than 15 minutes ago"))
            .await;
        let is_gone = |now: &[EphemeralPost]| actions(&now[4].blocks).is_empty();
        ivan.until_whispers("the button is gone", is_gone).await;
    })
    .await;
}

#[tokio::test]
async fn an_address_that_is_over_costs_no_outcome() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.slash(ANA, RANDOM, "current").await;
        ivan.slash(ANA, RANDOM, "list").await;
        let all = shown_to_ana(ivan.slack());
        let (card, list) = (all[0].clone(), all[1].clone());
        ivan.clickup().front().down();
        ivan.slack()
            .clicks_whisper(&list.ts, &actions(&list.blocks)[1]);
        ivan.is_whispered(ANA, 2, |text| text.starts_with("… Completion of "))
            .await;
        ivan.slack().clicks_whisper(&card.ts, &action(&card, "done:"));
        ivan.is_whispered(ANA, 3, |text| text.starts_with("… Completion of "))
            .await;
        let aged = "UPDATE messages SET created_ms = created_ms - 1860000, addressed_ms = addressed_ms - 1860000";
        ivan.store().execute(aged, []).unwrap();
        let dm = ivan.slack().dm(ANA);
        ivan.clickup().front().up();
        let told = |slack: &SandboxSlack| slack.bot_messages(&dm).len() == 2;
        ivan.within("both are told in the DM", ivan.slack().until(told))
            .await;
        for title in ["Renew cert", "Write the runbook"] {
            ivan.clickup().task(title).is("complete");
            let said = ivan.slack().bot_messages(&dm);
            let outcome = format!("✓ Task completed in ClickUp: {title}");
            assert!(
                said.iter().any(|one| shown(&one.text).starts_with(&outcome)),
                "{said:?}"
            );
        }
        let now = shown_to_ana(ivan.slack());
        assert_eq!((&now[0], &now[1]), (&card, &list), "they stay as they are");
        // They are not posted again: the next message comes right after the outcomes.
        ivan.slack().says(ANA, &dm, "status");
        let is_answered = |slack: &SandboxSlack| {
            let said = slack.bot_messages(&dm);
            said.iter().any(|one| one.text.starts_with("Slack: connected"))
        };
        ivan.within("it is answered", ivan.slack().until(is_answered))
            .await;
        assert_eq!(ivan.slack().bot_messages(&dm).len(), 3);
    })
    .await;
}
