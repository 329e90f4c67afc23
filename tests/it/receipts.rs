//! Receipts by reaction (`slack.receipts`): the outcome is also a reaction on the person's own message.

use ivan::sandbox::fault_server::{Fault, FaultKind};

use crate::harness::*;

const QUEUED: &str = "hourglass_flowing_sand";
const DONE: &str = "white_check_mark";
const REFUSED: &str = "x";

fn reacting() -> Setup {
    two_tasks().config("slack.receipts = \"reactions\"")
}

/// Sends a message in the DM that is answered by a reaction alone; returns the channel and its `ts`.
fn says(ivan: &Ivan, who: &str, text: &str) -> (String, String) {
    let channel = ivan.slack().dm(who);
    let ts = ivan.slack().says(who, &channel, text);
    (channel, ts)
}

#[tokio::test]
async fn an_outcome_stands_on_the_message_that_asked_for_it() {
    ivan_test(reacting(), async |ivan| {
        ivan.dm(ANA, "current").await;
        let asked = ivan.says(ANA, "done");
        let (dm, ts) = (asked.channel().to_owned(), asked.ts.clone());
        asked
            .settles()
            .await
            .replies("✓ Task completed in ClickUp: Renew cert. Next: Write the runbook");
        ivan.carries(&dm, &ts, &[DONE]).await;
        let asked = ivan.says(ANA, "done 99");
        let ts = asked.ts.clone();
        asked.settles().await.begins("✗ ");
        ivan.carries(&dm, &ts, &[REFUSED]).await;
        let asked = ivan.says_in("general", ANA, "create Fix login");
        let (general, ts) = (asked.channel().to_owned(), asked.ts.clone());
        asked.settles().await.begins("✓ Task created in ClickUp");
        ivan.carries(&general, &ts, &[DONE]).await;
    })
    .await;
}

#[tokio::test]
async fn a_comment_that_arrived_needs_no_words() {
    ivan_test(reacting(), async |ivan| {
        ivan.dm(ANA, "current").await;
        let (dm, ts) = says(ivan, ANA, "comment nearly there");
        ivan.carries(&dm, &ts, &[DONE]).await;
        ivan.clickup()
            .task("Renew cert")
            .has_comments(["nearly there"]);
    })
    .await;
}

#[tokio::test]
async fn by_default_nothing_is_reacted_to() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.dm(ANA, "current").await;
        ivan.dm(ANA, "comment nearly there")
            .await
            .replies("✓ Comment added in ClickUp: Renew cert");
        ivan.dm(ANA, "done 99").await.begins("✗ ");
        let reacted = ivan.slack().front().journal();
        assert!(!reacted.iter().any(|seen| seen.is("POST", "/api/reactions")));
    })
    .await;
}

#[tokio::test]
async fn what_is_queued_carries_an_hourglass_until_its_outcome() {
    ivan_test(reacting(), async |ivan| {
        ivan.dm(ANA, "current").await;
        ivan.clickup().front().down();
        let asked = ivan.says(ANA, "done");
        let (dm, ts) = (asked.channel().to_owned(), asked.ts.clone());
        let answer = asked.answers().await;
        answer.begins("… Completion of Renew cert");
        ivan.carries(&dm, &ts, &[QUEUED]).await;
        ivan.clickup().front().up();
        answer
            .settles()
            .await
            .begins("✓ Task completed in ClickUp: Renew cert");
        ivan.carries(&dm, &ts, &[DONE]).await;
    })
    .await;
}

#[tokio::test]
async fn a_comment_that_is_given_up_is_marked_and_explained() {
    let setup = reacting().config("outbox.give_up_after = \"1s\"");
    ivan_test(setup, async |ivan| {
        ivan.dm(ANA, "current").await;
        let unavailable = FaultKind::answer(503, "{}");
        ivan.clickup()
            .front()
            .fault(Fault::new(unavailable).on("POST", "/comment").always());
        let asked = ivan.says(ANA, "comment nearly there");
        let (dm, ts) = (asked.channel().to_owned(), asked.ts.clone());
        ivan.carries(&dm, &ts, &[QUEUED]).await;
        asked
            .settles()
            .await
            .begins("✗ Comment not added: Renew cert. I gave up");
        ivan.carries(&dm, &ts, &[REFUSED]).await;
        ivan.clickup().front().clear_faults();
        ivan.forgive("operation given up");
    })
    .await;
}

#[tokio::test]
async fn a_reaction_that_stands_there_already_is_a_success() {
    ivan_test(reacting(), async |ivan| {
        ivan.dm(ANA, "current").await;
        ivan.slack().errors("reactions.add", "already_reacted", 1);
        says(ivan, ANA, "comment one");
        ivan.asks(ivan.slack().front(), "POST", "/api/reactions.add", 1)
            .await;
        // So is the removal of a reaction that is not there.
        ivan.clickup().front().down();
        let (dm, ts) = says(ivan, ANA, "comment two");
        ivan.carries(&dm, &ts, &[QUEUED]).await;
        ivan.slack().errors("reactions.remove", "no_reaction", 1);
        ivan.clickup().front().up();
        ivan.asks(ivan.slack().front(), "POST", "/api/reactions.remove", 1)
            .await;
        ivan.until_reactions_are_placed().await;
        let added = ivan.slack().front().journal().into_iter();
        let added = added.filter(|seen| seen.is("POST", "/api/reactions.add"));
        // Each outcome, once.
        let added = added.filter(|seen| seen.body.contains(DONE));
        assert_eq!(added.count(), 2);
        let dropped = "SELECT count(*) FROM reactions WHERE dropped IS NOT NULL";
        assert_eq!(ivan.sql::<i64>(dropped), 0);
    })
    .await;
}

#[tokio::test]
async fn a_reaction_whose_answer_is_lost_stands_there_once() {
    ivan_test(reacting(), async |ivan| {
        ivan.dm(ANA, "current").await;
        let front = ivan.slack().front();
        for what in [
            FaultKind::ApplyThenDrop,
            FaultKind::answer(429, r#"{"ok":false,"error":"ratelimited"}"#),
        ] {
            front.fault(Fault::new(what).on("POST", "/api/reactions.add"));
        }
        let (dm, ts) = says(ivan, ANA, "comment nearly there");
        ivan.asks(front, "POST", "/api/reactions.add", 3).await;
        ivan.until_reactions_are_placed().await;
        assert_eq!(ivan.our_reactions(&dm, &ts), [DONE]);
    })
    .await;
}

#[tokio::test]
async fn an_answer_does_not_wait_for_a_reaction() {
    ivan_test(reacting(), async |ivan| {
        ivan.dm(ANA, "current").await;
        let front = ivan.slack().front();
        front.fault(Fault::new(FaultKind::Hang).on("POST", "/api/reactions.add"));
        let (dm, ts) = says(ivan, ANA, "comment nearly there");
        ivan.asks(front, "POST", "/api/reactions.add", 1).await;
        ivan.dm(ANA, "done")
            .await
            .begins("✓ Task completed in ClickUp: Renew cert");
        let hangs = front.journal().into_iter();
        let hangs = hangs.filter(|seen| seen.is("POST", "/api/reactions.add") && !seen.done);
        assert_eq!(hangs.count(), 1, "the answer came while the reaction hung");
        ivan.kill_and_restart().await;
        ivan.carries(&dm, &ts, &[DONE]).await;
    })
    .await;
}

#[tokio::test]
async fn a_message_that_cannot_be_reacted_to_is_answered_in_words() {
    ivan_test(reacting(), async |ivan| {
        ivan.dm(ANA, "current").await;
        ivan.slack()
            .errors("reactions.add", "too_many_reactions", 1);
        ivan.dm(ANA, "comment nearly there")
            .await
            .replies("✓ Comment added in ClickUp: Renew cert");
    })
    .await;
}
