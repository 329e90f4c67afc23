//! `/ivan …`: every verb has an ephemeral answer; a creation in a channel is announced in the channel.

use std::time::Duration;

use ivan::sandbox::fault_server::{Fault, FaultKind};
use ivan::sandbox::slack::{EnvelopeKind, SandboxSlack};
use rstest::rstest;
use serde_json::json;

use crate::gestures::*;
use crate::harness::*;

/// A channel of people alone: the bot is not a member.
const RANDOM: &str = "C0RND01";
const GENERAL: &str = "C0GEN01";

#[tokio::test]
async fn every_verb_is_answered_to_its_author_alone() {
    ivan_test(two_tasks(), async |ivan| {
        let nothing = ivan.slash(ANA, RANDOM, "done").await;
        assert!(
            nothing
                .starts_with("✗ No current task, so nothing changed. Current now: Renew cert"),
            "{nothing}"
        );
        // A task in an ephemeral answer counts as shown.
        assert_eq!(
            ivan.slash(ANA, RANDOM, "done -c shipped").await,
            "✓ Task completed in ClickUp: Renew cert, with your comment. Next: Write the runbook"
        );
        ivan.clickup().task("Renew cert").is("complete");
        assert!(
            ivan.slash(ANA, RANDOM, "")
                .await
                .contains("Commands:")
        );
        assert!(
            ivan.slash(ANA, GENERAL, "status")
                .await
                .contains("Slack: connected")
        );
        assert!(
            ivan.slash(ANA, GENERAL, "dnoe")
                .await
                .starts_with("✗ I don't know `dnoe`. Did you mean `done`?")
        );
        for channel in [RANDOM, GENERAL] {
            assert!(ivan.slack().bot_messages(channel).is_empty());
        }
        assert!(ivan.slack().bot_messages(&ivan.slack().dm(ANA)).is_empty());
        // The addresses are secrets, and used up: no copy is kept.
        let known = "SELECT (SELECT count(*) FROM messages WHERE reply_url IS NOT NULL)
            + (SELECT count(*) FROM slack_events WHERE heard LIKE '%/resp/%' OR raw LIKE '%/resp/%')";
        ivan.within("they are forgotten", async {
            while ivan.sql::<i64>(known) != 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        assert!(!ivan.log().contains("/resp/"));
    })
    .await;
}

#[tokio::test]
async fn numbers_of_a_whispered_list_count() {
    ivan_test(two_tasks(), async |ivan| {
        let dm = ivan.slack().dm(ANA);
        ivan.slash(ANA, &dm, "list").await;
        let done = ivan.slash(ANA, &dm, "done 2").await;
        assert!(
            done.starts_with("✓ Task completed in ClickUp: Write the runbook"),
            "{done}"
        );
        ivan.clickup().task("Renew cert").is("to do");
        // A later command in the DM continues from there.
        ivan.dm(ANA, "current").await.mentions("Renew cert");
    })
    .await;
}

#[tokio::test]
async fn what_is_made_in_a_channel_is_seen_there() {
    ivan_test(Setup::new(), async |ivan| {
        ivan.slack()
            .commands(ANA, RANDOM, "/ivan", "create Fix login -s github -e acme");
        assert_eq!(
            ivan.settles_in(RANDOM, 0).await,
            "✓ Issue created in GitHub: [CLIENT:acme] Fix login (acme/widgets#1)"
        );
        // Errors are ephemeral.
        let long = format!("create {} -s github", "x".repeat(300));
        let refused = ivan.slash(ANA, RANDOM, &long).await;
        assert!(
            refused.starts_with("✗ The title is too long for GitHub"),
            "{refused}"
        );
        assert_eq!(ivan.slack().bot_messages(RANDOM).len(), 1);
        // A DM has no other readers either.
        let dm = ivan.slack().dm(ANA);
        let made = ivan.slash(ANA, &dm, "create Call Bo").await;
        assert_eq!(made, "✓ Task created in ClickUp: Call Bo");
    })
    .await;
}

#[tokio::test]
async fn a_channel_says_what_create_means_there() {
    let setup = Setup::new()
        .config("[[slack.channels]]\nid = \"C0RND01\"\nrepo = \"acme/widgets\"\nentity = \"acme\"");
    ivan_test(setup, async |ivan| {
        let dm = ivan.slack().dm(ANA);
        ivan.slack().join(RANDOM, ivan.slack().bot_user());
        ivan.says_in("random", ANA, "create Fix login")
            .settles()
            .await
            .replies("✓ Issue created in GitHub: [CLIENT:acme] Fix login (acme/widgets#1)");
        ivan.says_in("random", ANA, "create Call Bo -s clickup -e bolt")
            .settles()
            .await
            .replies("✓ Task created in ClickUp: Call Bo");
        ivan.says_in("general", ANA, "create Call Cy")
            .settles()
            .await
            .replies("✓ Task created in ClickUp: Call Cy");
        ivan.slash(ANA, &dm, "create Call Di").await;
        ivan.clickup().task("Call Di").is("to do");
        ivan.slack()
            .commands(ANA, RANDOM, "/ivan", "create Fix logout");
        let said = |slack: &SandboxSlack| {
            let said = slack.bot_messages(RANDOM).into_iter();
            said.map(|posted| shown(&posted.text))
                .any(|text| text.contains("[CLIENT:acme] Fix logout"))
        };
        ivan.within("it is said there", ivan.slack().until(said))
            .await;
    })
    .await;
}

#[tokio::test]
async fn a_repeated_command_is_done_once() {
    ivan_test(Setup::new(), async |ivan| {
        let dm = ivan.slack().dm(ANA);
        let before = whispers(ivan.slack(), ANA).len();
        let envelope = ivan.slack().commands(ANA, &dm, "/ivan", "create Call Bo");
        ivan.slack().repeat(&envelope);
        ivan.is_whispered(ANA, before, |text| text.starts_with('✓'))
            .await;
        ivan.until_all_is_acked().await;
        ivan.slash(ANA, &dm, "status").await;
        assert_eq!(whispers(ivan.slack(), ANA).len(), 2);
        assert_eq!(ivan.sql::<i64>("SELECT count(*) FROM operations"), 1);
    })
    .await;
}

#[tokio::test]
async fn a_kill_right_after_the_acknowledgement_loses_nothing() {
    ivan_test(two_tasks(), async |ivan| {
        let dm = ivan.slack().dm(ANA);
        ivan.slash(ANA, &dm, "current").await;
        // The time of an ephemeral answer cannot be found out later.
        ivan.until_messages_are_recorded().await;
        let envelope = ivan.slack().commands(ANA, &dm, "/ivan", "comment shipped");
        ivan.answered(&envelope).await;
        ivan.kill_and_restart().await;
        ivan.is_whispered(ANA, 1, |text| text.starts_with("✓ Comment added"))
            .await;
        ivan.clickup().task("Renew cert").has_comments(["shipped"]);
    })
    .await;
}

#[tokio::test]
async fn what_waits_is_whispered_once_and_so_is_how_it_ends() {
    ivan_test(two_tasks(), async |ivan| {
        let dm = ivan.slack().dm(ANA);
        ivan.slash(ANA, &dm, "current").await;
        ivan.clickup().front().down();
        let envelope = ivan.slack().commands(ANA, &dm, "/ivan", "comment shipped");
        ivan.answered(&envelope).await;
        let queued = ivan
            .is_whispered(ANA, 1, |text| text.starts_with('…'))
            .await;
        assert!(queued.contains("Comment on Renew cert"), "{queued}");
        // Another reason alone causes no further message.
        ivan.clickup().front().up();
        ivan.clickup()
            .front()
            .fault(Fault::new(FaultKind::answer(503, "{}")).times(3));
        ivan.is_whispered(ANA, 2, |text| text.starts_with("✓ Comment added"))
            .await;
        assert_eq!(whispers(ivan.slack(), ANA).len(), 3);
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_whispered_is_said_in_the_dm() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.slack()
            .front()
            .fault(Fault::new(FaultKind::answer(404, "no")).on("POST", "/resp/"));
        let told = ivan.is_told(ANA);
        ivan.slack().commands(ANA, RANDOM, "/ivan", "current");
        let told = told.answers().await;
        told.begins("Renew cert");
        // It is an ordinary message: it shows the current task, and is updated.
        ivan.dm(ANA, "done")
            .await
            .begins("✓ Task completed in ClickUp: Renew cert");
        told.becomes_struck().await;
        let asked = ivan.slack().front().journal();
        assert_eq!(
            asked.iter().filter(|one| one.is("POST", "/resp/")).count(),
            1
        );
        assert!(whispers(ivan.slack(), ANA).is_empty());
        assert!(ivan.slack().bot_messages(RANDOM).is_empty());
    })
    .await;
}

#[tokio::test]
async fn an_outcome_after_half_an_hour_comes_to_the_dm() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.slash(ANA, RANDOM, "current").await;
        ivan.clickup().front().down();
        ivan.slack()
            .commands(ANA, RANDOM, "/ivan", "comment shipped");
        ivan.is_whispered(ANA, 1, |text| text.starts_with('…'))
            .await;
        let told = ivan.is_told(ANA);
        ivan.store()
            .execute("UPDATE messages SET created_ms = created_ms - 1800000", [])
            .unwrap();
        ivan.clickup().front().up();
        told.settles()
            .await
            .replies("✓ Comment added in ClickUp: Renew cert");
        assert_eq!(whispers(ivan.slack(), ANA).len(), 2);
    })
    .await;
}

#[rstest]
#[case::guest(GUEST)]
#[case::stranger(STRANGER)]
#[tokio::test]
async fn whoever_may_not_act_learns_so_alone(#[case] who: &'static str) {
    ivan_test(two_tasks(), async |ivan| {
        let refused = ivan.slash(who, GENERAL, "create Mine").await;
        assert!(refused.starts_with("✗ I only take commands"), "{refused}");
        let refused = ivan.slash(who, GENERAL, "create").await;
        assert!(refused.starts_with("✗ I only take commands"), "{refused}");
        assert!(modals(ivan.slack()).is_empty());
        assert!(ivan.slack().bot_messages(GENERAL).is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_store_that_takes_nothing_is_told_with_the_acknowledgement() {
    ivan_test(two_tasks(), async |ivan| {
        let held = ivan.holds_the_store();
        let envelope = ivan.slack().commands(ANA, GENERAL, "/ivan", "current");
        let said = ivan.answered(&envelope).await;
        assert_eq!(said["response_type"], "ephemeral");
        assert!(
            said["text"]
                .as_str()
                .unwrap()
                .starts_with("… I'm not sure that was saved")
        );
        drop(held);
        // It was begun, and is finished.
        ivan.is_whispered(ANA, 0, |text| text.starts_with("Renew cert"))
            .await;
    })
    .await;
}

#[tokio::test]
async fn a_trigger_that_is_too_old_opens_nothing_and_that_is_told() {
    ivan_test(Setup::new(), async |ivan| {
        let dm = ivan.slack().dm(ANA);
        let envelope = ivan.slack().commands(ANA, &dm, "/ivan", "help");
        ivan.is_whispered(ANA, 0, |text| text.starts_with("Commands:"))
            .await;
        let sent = ivan.slack().envelopes();
        let mut late = sent
            .iter()
            .find(|one| one.id == envelope)
            .unwrap()
            .payload
            .clone();
        late["text"] = json!("create");
        late["trigger_id"] = json!(ivan.slack().trigger());
        ivan.slack().age_triggers(Duration::from_secs(4));
        ivan.slack().send_payload(EnvelopeKind::SlashCommands, late);
        let told = ivan.is_whispered(ANA, 1, |_| true).await;
        assert!(told.starts_with("✗ The form opened too late"), "{told}");
        assert!(told.ends_with("Press the button again."), "{told}");
        assert!(modals(ivan.slack()).is_empty());
    })
    .await;
}
