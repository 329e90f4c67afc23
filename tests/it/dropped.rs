//! Messages that Slack drops while the link is up: found in the DM's history, then acted on once or asked about.

use ivan::sandbox::fault_server::{Fault, FaultKind};
use rstest::rstest;

use crate::harness::*;

/// DMs are compared with their history all the time.
fn often(setup: Setup) -> Setup {
    setup.config("slack.compare_every = \"300ms\"")
}

/// Only a hint of a lost message leads to a read of the history.
fn on_signs_alone(setup: Setup) -> Setup {
    setup.config("slack.compare_every = \"10h\"")
}

/// The errand is made once, and its person is told.
async fn makes_the_errand(ivan: &Ivan, asked: Asked<'_>) {
    asked
        .settles()
        .await
        .replies("✓ Task created in ClickUp: Errand");
    assert_eq!(ivan.clickup().tasks_named("Errand").len(), 1);
}

#[tokio::test]
async fn what_slack_drops_is_found_in_the_history_and_acts_once() {
    ivan_test(often(two_tasks()), async |ivan| {
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        ivan.slack().drop_next(2);
        let comment = ivan.says(ANA, "comment on its way");
        let done = ivan.says(ANA, "done");
        comment
            .settles()
            .await
            .replies("✓ Comment added in ClickUp: Renew cert");
        done.settles()
            .await
            .replies("✓ Task completed in ClickUp: Renew cert. Next: Write the runbook");
        // Slack sends them after all, with new ids.
        for ts in ivan.slack().dropped() {
            let dm = ivan.slack().dm(ANA);
            for event in ivan.slack().events_of(&dm, &ts) {
                ivan.slack().send_event(event);
            }
        }
        ivan.acknowledges().await;
        ivan.dm(ANA, "status").await;
        ivan.clickup()
            .task("Renew cert")
            .is("complete")
            .has_comments(["on its way"]);
        ivan.clickup().task("Write the runbook").is("to do");
        ivan.logs("found messages that Slack did not deliver").await;
    })
    .await;
}

#[tokio::test]
async fn the_next_message_leads_to_the_one_before_and_waits_for_nothing() {
    ivan_test(on_signs_alone(two_tasks()), async |ivan| {
        ivan.slack().drop_next(1);
        let dropped = ivan
            .slack()
            .says(ANA, &ivan.slack().dm(ANA), "create Errand");
        let gate = ivan::sandbox::fault_server::Gate::new();
        let read = Fault::new(FaultKind::Wait(gate.clone())).on("GET", "conversations.history");
        ivan.slack().front().fault(read);
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        assert_eq!(ivan.slack().dropped(), [dropped]);
        gate.open();
        makes_the_errand(ivan, ivan.is_told(ANA)).await;
    })
    .await;
}

#[tokio::test]
async fn a_link_that_ended_leads_to_what_was_dropped_before() {
    ivan_test(on_signs_alone(two_tasks()), async |ivan| {
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        ivan.asks(ivan.slack().front(), "GET", "conversations.history", 1)
            .await;
        ivan.slack().drop_next(1);
        let dropped = ivan.says(ANA, "create Errand");
        ivan.slack().cut();
        makes_the_errand(ivan, dropped).await;
    })
    .await;
}

#[tokio::test]
async fn what_was_dropped_before_a_newer_message_survives_a_kill() {
    ivan_test(often(two_tasks()), async |ivan| {
        // No history is read before the kill.
        let unread = Fault::new(FaultKind::Hang).on("GET", "conversations.history");
        ivan.slack().front().fault(unread.always());
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        ivan.slack().drop_next(1);
        let dm = ivan.slack().dm(ANA);
        ivan.slack().says(ANA, &dm, "create Errand");
        ivan.dm(ANA, "help").await.mentions("create");
        ivan.kill().await;
        ivan.slack().front().clear_faults();
        ivan.start().await;
        makes_the_errand(ivan, ivan.is_told(ANA)).await;
        ivan.kill_and_restart().await;
        ivan.dm(ANA, "status").await;
        assert_eq!(ivan.clickup().tasks_named("Errand").len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_reply_in_a_thread_is_found_as_well() {
    ivan_test(often(two_tasks()), async |ivan| {
        let shown = ivan.dm(ANA, "current").await;
        let root = shown.ts();
        ivan.slack().drop_next(1);
        ivan.says_under(ANA, &root, "comment in here")
            .settles()
            .await
            .replies("✓ Comment added in ClickUp: Renew cert");
        ivan.clickup().task("Renew cert").has_comments(["in here"]);
    })
    .await;
}

#[tokio::test]
async fn what_was_changed_is_asked_about_and_what_was_deleted_is_gone() {
    ivan_test(often(two_tasks()), async |ivan| {
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        let (slack, dm) = (ivan.slack(), ivan.slack().dm(ANA));
        slack.drop_next(3);
        let deleted = slack.says(ANA, &dm, "create Deleted");
        slack.deletes(&dm, &deleted);
        let changed = slack.says(ANA, &dm, "create Cahnged");
        slack.edits(ANA, &dm, &changed, "create Changed");
        // This message is unchanged: it is answered as if it had arrived.
        slack.says(ANA, &dm, "lovely weather");
        let (first, second) = (ivan.is_told(ANA), ivan.is_told(ANA));
        let mut told = [first.answers().await, second.answers().await];
        told.sort_by_key(|told| told.text().starts_with("That is no command"));
        let [asked, answered] = told;
        answered.mentions("Make this a task?");
        asked.mentions("I did not act on it");
        asked.mentions("create Changed");
        assert!(!asked.text().contains("Deleted"), "{}", asked.text());
        // A message of another bot there is not a command.
        slack.other_bot_says(&dm, "ci", "create By a bot");
        let again = ivan.slack().front().journal().len();
        let read = ivan.slack().front().until(move |journal| {
            let since = journal.iter().skip(again);
            since
                .filter(|seen| seen.is("GET", "conversations.history"))
                .count()
                >= 2
        });
        ivan.within("it is compared again", read).await;
        ivan.dm(ANA, "status").await;
        for title in ["Deleted", "Cahnged", "Changed", "By a bot"] {
            assert!(ivan.clickup().tasks_named(title).is_empty(), "{title}");
        }
    })
    .await;
}

/// Ana is told that a message with these words was not acted on.
async fn asks_about(ivan: &Ivan, words: &str) {
    let asked = ivan.is_told(ANA).answers().await;
    asked.mentions("I did not act on it").mentions(words);
}

/// Most of them are commands only by the thread or the file.
#[tokio::test]
async fn changed_comments_are_asked_about_like_commands() {
    let setup = often(two_tasks()).config("slack.thread_replies = \"comment\"");
    ivan_test(setup, async |ivan| {
        let root = ivan.dm(ANA, "current").await.ts();
        let (slack, dm) = (ivan.slack(), ivan.slack().dm(ANA));
        slack.drop_next(1);
        let reply = slack.says_in_thread(ANA, &dm, &root, "the vendor calls bakc");
        slack.edits(ANA, &dm, &reply, "the vendor calls back");
        asks_about(ivan, "the vendor calls back").await;
        slack.drop_next(1);
        let shared = slack.try_shares(ANA, &dm, &["shot.png"], "comment on #1:", None);
        slack.edits(ANA, &dm, &shared.unwrap(), "comment on #2:");
        asks_about(ivan, "comment on #2:").await;
        // The file alone.
        slack.drop_next(1);
        let shared = slack.try_shares(ANA, &dm, &["draft.png"], "look", Some(&root));
        slack.edits(ANA, &dm, &shared.unwrap(), "");
        asks_about(ivan, "draft.png").await;
        // A command with an error would have had a hint.
        slack.drop_next(1);
        let command = slack.says(ANA, &dm, "coment");
        slack.edits(ANA, &dm, &command, "comment");
        asks_about(ivan, "comment").await;
        ivan.dm(ANA, "status").await;
        ivan.clickup().task("Renew cert").has_comments([]);
    })
    .await;
}

/// Bo has never written before, so only the start leads to his DM.
#[tokio::test]
async fn a_found_message_makes_its_dm_active() {
    ivan_test(often(two_tasks()), async |ivan| {
        ivan.stop().await;
        ivan.slack().drop_next(1);
        ivan.says(BO, "create Errand");
        ivan.start().await;
        makes_the_errand(ivan, ivan.answer(BO, 0)).await;
        ivan.slack().drop_next(1);
        ivan.says(BO, "create Second of two")
            .settles()
            .await
            .replies("✓ Task created in ClickUp: Second of two");
    })
    .await;
}

/// Nothing was written there for hours.
#[rstest]
#[case::a_button(None)]
#[case::a_reaction(Some("white_check_mark"))]
#[tokio::test]
async fn a_dm_is_active_without_a_message(#[case] reaction: Option<&str>) {
    ivan_test(often(two_tasks()), async |ivan| {
        let shown = ivan.dm(ANA, "current").await;
        let (card, button) = (shown.ts(), shown.action("Next"));
        ivan.stop().await;
        let hours_ago = "UPDATE slack_events SET said_us = said_us - 7200000000";
        ivan.store().execute(hours_ago, []).unwrap();
        let before = ivan.slack().front().journal().len();
        ivan.start().await;
        // The start itself leads to a comparison.
        let read = ivan.slack().front().until(move |journal| {
            let mut since = journal.iter().skip(before);
            since.any(|seen| seen.is("GET", "conversations.history"))
        });
        ivan.within("it is compared", read).await;
        let used = ivan.hears(ANA, |slack, dm| match reaction {
            Some(name) => {
                slack.reacts(ANA, dm, &card, name);
                card.clone()
            }
            None => slack.clicks(ANA, dm, &card, &button),
        });
        used.settles().await.mentions("Write the runbook");
        ivan.slack().drop_next(1);
        makes_the_errand(ivan, ivan.says(ANA, "create Errand")).await;
    })
    .await;
}

#[tokio::test]
async fn a_history_that_cannot_be_read_is_read_later() {
    ivan_test(often(two_tasks()), async |ivan| {
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        ivan.slack().limits("conversations.history", 1, 1);
        let broken = Fault::new(FaultKind::answer(502, "")).on("GET", "conversations.history");
        ivan.slack().front().fault(broken.times(2));
        ivan.slack().drop_next(1);
        makes_the_errand(ivan, ivan.says(ANA, "create Errand")).await;
        let log = ivan.log();
        let said = "cannot compare DMs with their history yet";
        assert_eq!(log.matches(said).count(), 1, "{log}");
    })
    .await;
}
