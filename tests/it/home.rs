//! The Home tab: the queue with its buttons, waiting work, one's accounts, and the settings.

use ivan::sandbox::fault_server::{Fault, FaultKind};
use serde_json::json;

use crate::harness::*;

fn publications(ivan: &Ivan) -> usize {
    let calls = ivan.slack().front().journal().into_iter();
    calls
        .filter(|seen| seen.is("POST", "/api/views.publish"))
        .count()
}

#[tokio::test]
async fn home_shows_the_queue_the_accounts_and_the_settings() {
    let setup = two_tasks().without_github();
    ivan_test(setup, async |ivan| {
        ivan.dm(ANA, "current").await;
        let home = ivan.opens_home(ANA).await;
        insta::assert_snapshot!(home, @r#"
        2 open · 0 completed today
        Current
        Renew cert
        ClickUp · to do
        why: client 1000, active today 1
        [Done] [Next] [Comment] [Snooze] [Open]
        Queue
        Write the runbook
        ClickUp · to do
        why: active today 1
        [Done] [Comment] [Snooze] [Open]
        Accounts
        Slack: connected. Everyone here shares one queue of all open tasks.
        ClickUp: connected
        GitHub is not connected. Ask an Ivan operator to connect it.
        Settings
        Notices: on (what others do to your tasks)
        [Mute]
        Briefing: off (team default)
        [Briefing at …]
        Quiet hours: none (team default)
        [Quiet at night]
        Receipts: messages (team default)
        [Add reactions]
        "#);
    })
    .await;
}

#[tokio::test]
async fn what_is_pressed_at_home_is_answered_in_the_dm_and_home_follows() {
    ivan_test(two_tasks(), async |ivan| {
        // She has never written to Ivan.
        ivan.opens_home(ANA).await;
        ivan.presses_at_home(ANA, "Done", 1)
            .settles()
            .await
            .begins("✓ Task completed in ClickUp: Write the runbook");
        ivan.shows_at_home(ANA, "1 open · 1 completed today").await;
        assert!(!ivan.at_home(ANA).contains("Write the runbook"));
        ivan.presses_at_home(ANA, "Mute", 0)
            .settles()
            .await
            .begins("✓ Notices are off");
        ivan.shows_at_home(ANA, "Notices: off").await;
        ivan.presses_at_home(ANA, "Unmute", 0)
            .settles()
            .await
            .begins("✓ Notices are on");
        ivan.shows_at_home(ANA, "Notices: on").await;
    })
    .await;
}

#[tokio::test]
async fn what_was_taken_back_is_not_completed_today() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.opens_home(ANA).await;
        ivan.dm(ANA, "current").await;
        ivan.dm(ANA, "done").await.begins("✓ Task completed");
        ivan.shows_at_home(ANA, "1 open · 1 completed today").await;
        ivan.dm(ANA, "undo").await.begins("✓ Undone: ");
        ivan.shows_at_home(ANA, "2 open · 0 completed today").await;
    })
    .await;
}

#[tokio::test]
async fn everybody_is_answered_in_their_own_dm() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.opens_home(ANA).await;
        ivan.opens_home(BO).await;
        // Without [[people]] they are one person, whose last message is in Bo's DM.
        ivan.dm(BO, "status").await;
        ivan.presses_at_home(ANA, "Done", 0)
            .settles()
            .await
            .begins("✓ Task completed in ClickUp: Renew cert");
    })
    .await;
}

#[tokio::test]
async fn home_follows_what_others_do_and_what_is_typed() {
    ivan_test(two_tasks().webhooks(), async |ivan| {
        ivan.hook_up();
        ivan.opens_home(ANA).await;
        ivan.clickup()
            .rename_task("Write the runbook", "Write the big runbook");
        ivan.shows_at_home(ANA, "Write the big runbook").await;
        ivan.dm(ANA, "current").await;
        ivan.shows_at_home(ANA, "Current\nRenew cert").await;
        ivan.clickup().front().down();
        ivan.says(ANA, "done").answers().await;
        ivan.shows_at_home(ANA, "Waiting\n… Completion of Renew cert")
            .await;
        ivan.clickup().front().up();
        ivan.shows_at_home(ANA, "1 completed today").await;
        assert!(!ivan.at_home(ANA).contains("Waiting"));
        ivan.answer(ANA, 1).settles().await;
    })
    .await;
}

#[tokio::test]
async fn a_home_that_looks_the_same_is_not_published_again_and_one_that_nobody_opened_never() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.dm(ANA, "current").await;
        ivan.dm(ANA, "next").await;
        let welcome = ivan.hears(ANA, |slack, _| slack.opens_tab(ANA, "messages"));
        welcome.answers().await.begins("Hi, I'm Ivan.");
        ivan.dm(ANA, "status").await;
        assert_eq!(publications(ivan), 0);
        ivan.opens_home(ANA).await;
        let before = publications(ivan);
        ivan.dm(ANA, "status").await;
        ivan.dm(ANA, "help").await;
        ivan.dm(ANA, "next").await;
        ivan.shows_at_home(ANA, "Current\nRenew cert").await;
        assert_eq!(publications(ivan), before + 1);
    })
    .await;
}

#[tokio::test]
async fn who_may_not_command_or_is_unknown_reads_why() {
    let setup =
        two_tasks().config("[[people]]\nname = \"Ana\"\nslack = \"U0ANN01\"\ngithub = \"ana\"\n");
    ivan_test(setup, async |ivan| {
        for (who, why) in [
            (STRANGER, "I only take commands from full members"),
            (GUEST, "I only take commands from full members"),
            (BO, "You're not set up yet"),
        ] {
            let home = ivan.opens_home(who).await;
            assert!(home.contains(why), "{home}");
            assert!(
                !home.contains("Renew cert") && !home.contains("[Done]"),
                "{home}"
            );
        }
        let home = ivan.opens_home(ANA).await;
        assert!(home.contains("GitHub: ana"), "{home}");
        assert!(home.contains("ClickUp: Ana"), "{home}");
    })
    .await;
}

#[tokio::test]
async fn slack_refusing_a_home_costs_nothing_but_the_home() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.slack().tabs(true, false);
        ivan.slack().opens_tab(ANA, "home");
        ivan.logs("Slack rejected the Home tab").await;
        ivan.dm(ANA, "current").await;
        ivan.dm(ANA, "done").await.begins("✓ Task completed");
        assert_eq!(publications(ivan), 1, "it is left alone");
        ivan.slack().tabs(true, true);
        let home = ivan.opens_home(ANA).await;
        assert!(home.contains("Write the runbook"), "{home}");
    })
    .await;
}

#[tokio::test]
async fn limits_lost_answers_and_conflicts_end_in_the_right_home() {
    ivan_test(two_tasks(), async |ivan| {
        let front = ivan.slack().front();
        ivan.slack().limits("views.publish", 1, 1);
        ivan.opens_home(ANA).await;
        // The published tab differs from the recorded one: the next publication meets a conflict.
        front.fault(Fault::new(FaultKind::ApplyThenDrop).on("POST", "/api/views.publish"));
        ivan.dm(ANA, "current").await;
        ivan.shows_at_home(ANA, "Current\nRenew cert").await;
        ivan.dm(ANA, "next").await;
        ivan.shows_at_home(ANA, "Current\nWrite the runbook").await;
        let recorded = "SELECT count(*) FROM homes WHERE hash IS NOT NULL AND published = wanted";
        ivan.within("it is recorded", async {
            while ivan.sql::<i64>(recorded) != 1 {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn an_answer_does_not_wait_for_a_home_and_a_crash_leaves_none_behind() {
    ivan_test(two_tasks(), async |ivan| {
        let front = ivan.slack().front();
        front.fault(Fault::new(FaultKind::Hang).on("POST", "/api/views.publish"));
        ivan.slack().opens_tab(ANA, "home");
        ivan.asks(front, "POST", "/api/views.publish", 1).await;
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        ivan.kill_and_restart().await;
        ivan.shows_at_home(ANA, "Current\nRenew cert").await;
    })
    .await;
}

#[tokio::test]
async fn a_button_at_home_that_is_pressed_before_a_crash_counts_once() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.opens_home(ANA).await;
        ivan.clickup().front().down();
        let asked = ivan.presses_at_home(ANA, "Done", 0);
        ivan.within(
            "it is acknowledged",
            ivan.slack().until(|slack| {
                let sent = slack.envelopes();
                sent.iter().all(|envelope| envelope.acked)
            }),
        )
        .await;
        drop(asked);
        ivan.kill().await;
        ivan.clickup().front().up();
        ivan.start().await;
        ivan.answer(ANA, 0)
            .settles()
            .await
            .begins("✓ Task completed in ClickUp: Renew cert");
        ivan.clickup().task("Renew cert").is("complete");
    })
    .await;
}

#[tokio::test]
async fn a_hundred_tasks_with_odd_titles_are_within_slacks_limits() {
    let setup = Setup::new();
    let mut ivan = setup.start().await;
    for number in 0..100 {
        let title = match number % 4 {
            0 => format!("<!channel> & `co` *{number}* {}", "x".repeat(1_000)),
            1 => format!("מבחן مرحبا {number}"),
            2 => format!("👩‍👩‍👧‍👦 {number}"),
            _ => format!("Plain {number}"),
        };
        ivan.clickup()
            .add_task(json!({"name": title, "description": "\n\n"}));
    }
    ivan.start().await;
    let home = ivan.opens_home(ANA).await;
    assert!(home.contains("100 open"), "{home}");
    assert!(home.contains("and 85 more"), "{home}");
    assert!(home.contains("Settings"), "{home}");
    ivan.finish().await;
}
