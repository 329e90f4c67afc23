//! Reactions on Ivan's cards: a check mark is `done`.

use serde_json::json;

use crate::harness::*;

const DONE: &str = "white_check_mark";

fn completions(ivan: &Ivan) -> usize {
    let puts = ivan.clickup().front().journal().into_iter();
    puts.filter(|seen| seen.is("PUT", "/task/")).count()
}

#[tokio::test]
async fn a_check_mark_on_a_card_completes_its_task() {
    ivan_test(two_tasks(), async |ivan| {
        let card = ivan.dm(ANA, "current").await;
        ivan.signs(ANA, &card, DONE)
            .settles()
            .await
            .replies("✓ Task completed in ClickUp: Renew cert. Next: Write the runbook");
        ivan.clickup().task("Renew cert").is("complete");
        card.becomes_struck().await;
    })
    .await;
}

#[tokio::test]
async fn every_check_mark_in_every_skin_tone_counts_and_nothing_else() {
    ivan_test(two_tasks(), async |ivan| {
        let card = ivan.dm(ANA, "current").await;
        let (dm, ts) = (ivan.slack().dm(ANA), card.ts());
        for other in ["tada", "x", "hourglass_flowing_sand", "+1::skin-tone-2"] {
            ivan.slack().reacts(ANA, &dm, &ts, other);
        }
        ivan.is_silent_after(ANA, |_, _| {}).await;
        assert_eq!(completions(ivan), 0);
        ivan.signs(ANA, &card, "heavy_check_mark::skin-tone-5")
            .settles()
            .await
            .begins("✓ Task completed in ClickUp: Renew cert");
        ivan.signs(ANA, &card, "ballot_box_with_check")
            .settles()
            .await
            .begins("✓ Already complete in ClickUp: Renew cert");
        assert_eq!(completions(ivan), 1);
    })
    .await;
}

#[tokio::test]
async fn a_repeated_reaction_acts_once() {
    ivan_test(two_tasks(), async |ivan| {
        let card = ivan.dm(ANA, "current").await;
        ivan.signs(ANA, &card, DONE)
            .settles()
            .await
            .begins("✓ Task completed");
        let of_the_reaction = |kind: &str| {
            let sent = ivan.slack().envelopes().into_iter();
            let mut sent = sent.filter(|one| one.payload["event"]["type"] == kind);
            sent.next().unwrap()
        };
        let sent = of_the_reaction("reaction_added");
        ivan.slack().redeliver(&sent.id);
        ivan.slack().repeat(&sent.id);
        // Slack may give the same event another id.
        ivan.slack().send_event(sent.payload["event"].clone());
        ivan.is_silent_after(ANA, |_, _| {}).await;
        assert_eq!(completions(ivan), 1);
    })
    .await;
}

const TWO_TASKS: &str = "✗ That message shows two tasks, so a reaction on it does nothing. Press a button there, or type `current` and react \
 to the card.";

#[tokio::test]
async fn a_reaction_to_an_outcome_with_the_next_card_under_it_changes_nothing_and_is_told_why() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.dm(ANA, "current").await;
        let outcome = ivan.dm(ANA, "done").await;
        for reaction in [DONE, "zzz", "eyes"] {
            ivan.signs(ANA, &outcome, reaction)
                .settles()
                .await
                .replies(TWO_TASKS);
        }
        let (dm, ts) = (ivan.slack().dm(ANA), outcome.ts());
        ivan.is_silent_after(ANA, |slack, _| slack.unreacts(ANA, &dm, &ts, DONE))
            .await;
        ivan.clickup().task("Write the runbook").is("to do");
        assert_eq!(completions(ivan), 1);
        assert_eq!(ivan.sql::<i64>("SELECT count(*) FROM snoozes"), 0);
        // A reply under it means the task of its text.
        ivan.says_under(ANA, &ts, "comment it took a while")
            .settles()
            .await
            .replies("✓ Comment added in ClickUp: Renew cert");
        // A requested card has one task.
        let card = ivan.dm(ANA, "current").await;
        ivan.signs(ANA, &card, DONE)
            .settles()
            .await
            .begins("✓ Task completed in ClickUp: Write the runbook");
    })
    .await;
}

#[tokio::test]
async fn an_outcome_that_waits_and_one_of_a_snooze_are_no_cards_of_the_next_task_either() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.dm(ANA, "current").await;
        let snoozed = ivan.dm(ANA, "snooze 2h").await;
        snoozed.mentions("Next: Write the runbook");
        ivan.signs(ANA, &snoozed, DONE)
            .settles()
            .await
            .replies(TWO_TASKS);
        ivan.dm(ANA, "undo").await.begins("✓ ");
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        ivan.clickup().front().down();
        let waits = ivan.says(ANA, "done").answers().await;
        waits.begins("… ").mentions("Next: Write the runbook");
        ivan.signs(ANA, &waits, DONE)
            .settles()
            .await
            .replies(TWO_TASKS);
        ivan.clickup().front().up();
        waits.settles().await.begins("✓ Task completed");
        ivan.clickup().task("Write the runbook").is("to do");
        assert_eq!(completions(ivan), 1);
    })
    .await;
}

/// Adds each reaction to a message, removes the check mark again, and expects no effect.
async fn asks_for_nothing(ivan: &Ivan, answer: &Answer<'_>) {
    let (dm, ts, text) = (ivan.slack().dm(ANA), answer.ts(), answer.text());
    let before = completions(ivan);
    ivan.is_silent_after(ANA, |slack, _| {
        for sign in [DONE, "zzz", "eyes"] {
            slack.reacts(ANA, &dm, &ts, sign);
        }
        slack.unreacts(ANA, &dm, &ts, DONE);
    })
    .await;
    let snoozed = ivan.sql::<i64>("SELECT count(*) FROM snoozes");
    assert_eq!((completions(ivan) - before, snoozed), (0, 0), "{text}");
}

#[tokio::test]
async fn what_is_about_one_task_and_no_card_of_it_asks_for_nothing() {
    let setup = Setup::new().clickup_tasks([json!({"name": "Renew cert"})]);
    ivan_test(setup, async |ivan| {
        ivan.dm(ANA, "current").await;
        for text in [
            "comment nearly",
            "prio high",
            "why",
            "log 1",
            "create Buy milk",
            "snooze never",
            "morning",
        ] {
            let answer = ivan.dm(ANA, text).await;
            asks_for_nothing(ivan, &answer).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_list_and_a_briefing_of_one_task_are_no_cards_of_it() {
    let setup = Setup::new().clickup_tasks([json!({"name": "Renew cert"})]);
    ivan_test(setup, async |ivan| {
        for text in ["list", "morning"] {
            let answer = ivan.dm(ANA, text).await;
            answer.mentions("Renew cert");
            asks_for_nothing(ivan, &answer).await;
        }
        // A reply under it still means its one task.
        let list = ivan.dm(ANA, "list").await.ts();
        ivan.says_under(ANA, &list, "comment seen")
            .settles()
            .await
            .replies("✓ Comment added in ClickUp: Renew cert");
    })
    .await;
}

#[tokio::test]
async fn cards_that_follow_a_few_words_are_cards() {
    ivan_test(two_tasks(), async |ivan| {
        // No task was shown before: the refusal shows the first.
        let refusal = ivan.dm(ANA, "done").await;
        refusal.mentions("✗ No current task").mentions("Renew cert");
        ivan.signs(ANA, &refusal, DONE)
            .settles()
            .await
            .begins("✓ Task completed in ClickUp: Renew cert");
        let only = ivan.dm(ANA, "next").await;
        only.mentions("No other task in your queue. Still: Write the runbook");
        ivan.signs(ANA, &only, "eyes")
            .settles()
            .await
            .begins("✓ Task started in ClickUp: Write the runbook");
    })
    .await;
}

#[tokio::test]
async fn a_list_and_what_is_about_no_task_ask_for_nothing() {
    ivan_test(two_tasks(), async |ivan| {
        let dm = ivan.slack().dm(ANA);
        let list = ivan.dm(ANA, "list").await.ts();
        let asked = ivan.says(ANA, "help");
        let own = asked.ts.clone();
        let help = asked.settles().await.ts();
        // A reaction to a message that may be ours is kept until that is known.
        ivan.until_messages_are_recorded().await;
        let kept = || ivan.sql::<i64>("SELECT count(*) FROM slack_events");
        let before = kept();
        for ts in [&list, &help, &own] {
            ivan.slack().reacts(ANA, &dm, ts, DONE);
        }
        // Slack may leave out the message's author.
        ivan.slack()
            .send_event(json!({"type": "reaction_added", "user": ANA, "reaction": DONE,
            "item": {"type": "message", "channel": dm, "ts": own}, "event_ts": "1763800800.000900"}));
        ivan.is_silent_after(ANA, |_, _| {}).await;
        assert_eq!(completions(ivan), 0);
        assert_eq!(kept() - before, 1, "nothing is kept but the question");
    })
    .await;
}

#[tokio::test]
async fn our_own_reactions_ask_for_nothing() {
    ivan_test(
        two_tasks().config("slack.receipts = \"reactions\""),
        async |ivan| {
            ivan.dm(ANA, "current").await;
            let asked = ivan.says(ANA, "done");
            let (dm, ts) = (asked.channel().to_owned(), asked.ts.clone());
            let outcome = asked.settles().await.ts();
            ivan.carries(&dm, &ts, &[DONE]).await;
            let bot = ivan.slack().bot_user().to_owned();
            ivan.slack().reacts(&bot, &dm, &outcome, DONE);
            ivan.is_silent_after(ANA, |_, _| {}).await;
            assert_eq!(completions(ivan), 1);
        },
    )
    .await;
}

/// Two people, and a task of Ana's.
fn hers() -> Setup {
    Setup::new()
        .people()
        .clickup_tasks([json!({"name": "Fix login", "assignees": [ANA_CLICKUP]})])
}

#[tokio::test]
async fn in_a_channel_whoever_may_act_can_and_the_answer_is_in_the_thread() {
    ivan_test(hers(), async |ivan| {
        let general = ivan.slack().channel("general");
        let asked = ivan.says_in("general", ANA, "@ivan current");
        let root = asked.ts.clone();
        let shown = asked.settles().await.ts();
        // In a channel a check mark of a person without the right to command has no meaning for Ivan.
        for who in [GUEST, STRANGER] {
            ivan.slack().reacts(who, &general, &shown, DONE);
        }
        ivan.is_silent_after(ANA, |_, _| {}).await;
        ivan.clickup().task("Fix login").is("to do");
        assert_eq!(ivan.slack().replies_to(&general, &root).len(), 1);
        ivan.slack().reacts(BO, &general, &shown, DONE);
        let answered = |slack: &ivan::sandbox::slack::SandboxSlack| {
            let replies = slack.replies_to(&general, &root);
            replies.len() == 2 && replies[1].text.starts_with('✓')
        };
        ivan.within("it is answered", ivan.slack().until(answered))
            .await;
        ivan.clickup().task("Fix login").is("complete");
        ivan.is_told(ANA)
            .answers()
            .await
            .begins("Fix login was completed in ClickUp by Bo, ");
    })
    .await;
}

#[tokio::test]
async fn in_a_channel_a_check_mark_on_what_was_created_or_completed_is_just_that() {
    ivan_test(hers(), async |ivan| {
        let general = ivan.slack().channel("general");
        let asked = ivan.says_in("general", ANA, "create Buy milk");
        let made = asked.settles().await.ts();
        let done = ivan.says_in("general", ANA, "@ivan current");
        done.settles().await;
        let done = ivan.says_in("general", ANA, "@ivan done");
        let root = done.ts.clone();
        let done = done.settles().await;
        done.mentions("Next: Buy milk");
        for ts in [&made, &done.ts()] {
            ivan.slack().reacts(ANA, &general, ts, DONE);
        }
        ivan.is_silent_after(ANA, |_, _| {}).await;
        ivan.clickup().task("Buy milk").is("to do");
        assert_eq!(ivan.slack().replies_to(&general, &root).len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_reaction_to_a_message_that_is_deleted_by_now_still_counts() {
    ivan_test(two_tasks(), async |ivan| {
        let card = ivan.dm(ANA, "current").await;
        let (dm, ts) = (ivan.slack().dm(ANA), card.ts());
        ivan.slack().lose_next(1);
        ivan.slack().reacts(ANA, &dm, &ts, DONE);
        ivan.slack().deletes(&dm, &ts);
        ivan.slack().redeliver_unacked();
        // The card is gone, so one message is left: the answer.
        let answered = |slack: &ivan::sandbox::slack::SandboxSlack| {
            let said = slack.bot_messages(&dm);
            said.len() == 1 && said[0].text.starts_with("✓ Task completed")
        };
        ivan.within("it is answered", ivan.slack().until(answered))
            .await;
        ivan.clickup().task("Renew cert").is("complete");
    })
    .await;
}

#[tokio::test]
async fn a_check_mark_on_a_notice_says_that_it_was_seen_and_no_more() {
    let setup = Setup::new()
        .webhooks()
        .people()
        .github_issues([json!({"title": "Hers", "assignees": ["ana"]})]);
    ivan_test(setup, async |ivan| {
        ivan.hook_up();
        // She has never written to Ivan: the notice goes to her own id.
        ivan.github().comment_as(REPO, 1, "bo", "Still?");
        let told = ivan.is_told(ANA).answers().await;
        told.begins("bo commented on Hers");
        asks_for_nothing(ivan, &told).await;
        ivan.github().issue(REPO, 1).is("open");
        // A reply under it means its task.
        ivan.says_under(ANA, &told.ts(), "comment yes")
            .settles()
            .await
            .begins("✓ Comment added in GitHub: Hers");
        ivan.until_deliveries_are_applied().await;
    })
    .await;
}

// ------------------------------------------------------------ removed reactions

#[tokio::test]
async fn taking_the_check_mark_away_takes_the_completion_back() {
    ivan_test(two_tasks(), async |ivan| {
        let card = ivan.dm(ANA, "current").await;
        ivan.signs(ANA, &card, DONE)
            .settles()
            .await
            .begins("✓ Task completed in ClickUp: Renew cert");
        ivan.unsigns(ANA, &card, DONE).settles().await.replies(
            "✓ Undone: Renew cert is to do again in ClickUp. It's your current task again.",
        );
        ivan.clickup().task("Renew cert").is("to do");
        let sent = ivan.slack().envelopes().into_iter();
        let mut sent = sent.filter(|one| one.payload["event"]["type"] == "reaction_removed");
        ivan.slack().repeat(&sent.next().unwrap().id);
        ivan.is_silent_after(ANA, |_, _| {}).await;
        let card = card
            .until(|posted| !posted.blocks.to_string().contains("~<"))
            .await;
        assert_eq!(
            card.buttons(),
            ["Done", "Next", "Comment", "Snooze", "Open"]
        );
        // Added once more, it completes the task once more.
        ivan.signs(BO, &card, DONE)
            .settles()
            .await
            .begins("✓ Task completed in ClickUp: Renew cert");
        assert_eq!(completions(ivan), 3);
    })
    .await;
}

#[tokio::test]
async fn a_check_mark_that_is_taken_away_too_late_leaves_the_task_complete() {
    ivan_test(two_tasks(), async |ivan| {
        let card = ivan.dm(ANA, "current").await;
        ivan.signs(ANA, &card, DONE).settles().await.begins("✓ ");
        ivan.minutes_pass(16);
        let cert = ivan.clickup().task("Renew cert");
        ivan.unsigns(ANA, &card, DONE).settles().await.replies(&format!(
            "✗ Renew cert stays complete in ClickUp: you completed it more than 15 minutes ago. Type `reopen \
             clickup:{}` to reopen it.",
            cert.id()
        ));
        cert.is("complete");
        assert_eq!(completions(ivan), 1);
    })
    .await;
}

#[tokio::test]
async fn a_check_mark_on_what_another_completed_takes_nothing_back() {
    ivan_test(hers(), async |ivan| {
        let general = ivan.slack().channel("general");
        let asked = ivan.says_in("general", ANA, "@ivan current");
        let root = asked.ts.clone();
        let made = asked.settles().await.ts();
        let answered = async |replies: usize, begins: &str| {
            let said =
                |slack: &ivan::sandbox::slack::SandboxSlack| slack.replies_to(&general, &root);
            let event = ivan.slack().until(|slack| {
                let said = said(slack);
                said.len() == replies && shown(&said[replies - 1].text).starts_with(begins)
            });
            ivan.within(begins, event).await;
        };
        ivan.slack().reacts(ANA, &general, &made, DONE);
        answered(2, "✓ Task completed in ClickUp: Fix login").await;
        ivan.slack().reacts(BO, &general, &made, DONE);
        answered(3, "✓ Already complete in ClickUp: Fix login").await;
        ivan.slack().unreacts(BO, &general, &made, DONE);
        answered(
            4,
            "✗ Fix login stays complete in ClickUp: someone else completed it. Type `reopen ",
        )
        .await;
        ivan.clickup().task("Fix login").is("complete");
        // Her own does.
        ivan.slack().unreacts(ANA, &general, &made, DONE);
        answered(5, "✓ Undone: Fix login is to do again").await;
        ivan.clickup().task("Fix login").is("to do");
    })
    .await;
}

#[tokio::test]
async fn a_check_mark_taken_off_what_has_changed_since_changes_nothing() {
    let setup = Setup::new()
        .clickup_tasks([
            json!({"name": "Renew cert", "priority": 1}),
            json!({"name": "Write the runbook"}),
        ])
        .github_issues([json!({"title": "Login fails"})]);
    ivan_test(setup, async |ivan| {
        let card = ivan.dm(ANA, "current").await;
        ivan.signs(ANA, &card, DONE).settles().await.begins("✓ ");
        // Bo has completed it with another status since.
        ivan.clickup()
            .set_status("Renew cert", "shipped", BO_CLICKUP);
        ivan.unsigns(ANA, &card, DONE)
            .settles()
            .await
            .mentions("It changed in ClickUp since (it is now shipped), so I left it as it is");
        ivan.clickup().task("Renew cert").is("shipped");
        let (card, dm) = (ivan.dm(BO, "current").await, ivan.slack().dm(BO));
        ivan.signs(BO, &card, DONE).settles().await.begins("✓ ");
        let title = card.text();
        ivan.dm(BO, "undo").await.begins("✓ Undone: ");
        // A completion that `undo` has reverted is not undone again by the check mark.
        ivan.unsigns(BO, &card, DONE)
            .settles()
            .await
            .begins("✓ Nothing to undo: ");
        assert!(
            ivan.slack().reactions(&dm, &card.ts()).is_empty(),
            "{title}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_check_mark_is_taken_away_while_its_completion_waits() {
    ivan_test(two_issues(), async |ivan| {
        let card = ivan.dm(ANA, "current").await;
        ivan.github().front().down();
        let waits = ivan.signs(ANA, &card, DONE).answers().await;
        waits.begins("… ");
        ivan.unsigns(ANA, &card, DONE)
            .settles()
            .await
            .begins("✓ Undone in time: Login fails. Nothing changed in GitHub");
        ivan.github().front().up();
        waits.settles().await.mentions("You undid it in time");
        ivan.github().issue(REPO, 1).is("open");
    })
    .await;
}

// ------------------------------------------------------------ other reactions

#[tokio::test]
async fn a_zzz_puts_a_task_off_until_tomorrow_and_taking_it_away_asks_for_nothing() {
    ivan_test(two_tasks(), async |ivan| {
        let card = ivan.dm(ANA, "current").await;
        let answer = ivan.signs(ANA, &card, "zzz").settles().await;
        answer.begins("✓ Snoozed until ");
        answer.mentions(": Renew cert. Next: Write the runbook");
        let until: i64 = ivan.sql("SELECT until_ms FROM snoozes");
        let hours = |ms: i64| (until - ms) / 3_600_000;
        let now: i64 = ivan.sql("SELECT max(created_ms) FROM commands");
        assert!((1..48).contains(&hours(now)), "{} hours", hours(now));
        let (dm, ts) = (ivan.slack().dm(ANA), card.ts());
        ivan.slack().unreacts(ANA, &dm, &ts, "zzz");
        ivan.is_silent_after(ANA, |_, _| {}).await;
        assert_eq!(ivan.sql::<i64>("SELECT count(*) FROM snoozes"), 1);
        let seen = ivan.clickup().front().journal();
        assert!(seen.iter().all(|one| one.method == "GET"), "{seen:#?}");
    })
    .await;
}

#[tokio::test]
async fn eyes_start_a_task_and_taking_them_away_asks_for_nothing() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.dm(ANA, "current").await;
        // `next` changes no task: its answer is the card of one task.
        let outcome = ivan.dm(ANA, "next").await;
        ivan.signs(ANA, &outcome, "eyes")
            .settles()
            .await
            .begins("✓ Task started in ClickUp: Write the runbook");
        ivan.clickup().task("Write the runbook").is("in review");
        let (dm, ts) = (ivan.slack().dm(ANA), outcome.ts());
        ivan.slack().unreacts(ANA, &dm, &ts, "eyes");
        ivan.is_silent_after(ANA, |_, _| {}).await;
        ivan.clickup().task("Write the runbook").is("in review");
        ivan.dm(BO, "current").await.mentions("Write the runbook");
    })
    .await;
}
