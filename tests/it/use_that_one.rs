//! **Undo, use that one**: a creation that nearly repeats an open task is undone, once, and its author goes on with that one.

use ivan::sandbox::fault_server::{Fault, FaultKind};
use rstest::rstest;
use serde_json::json;

use crate::harness::*;

const USE: &str = "Undo, use that one";

/// Ana's current task is `Write the runbook`.
async fn created<'a>(ivan: &'a Ivan, typed: &'a str) -> Answer<'a> {
    starts_the_other(ivan).await;
    let made = ivan.dm(ANA, typed).await;
    made.mentions("There already is ");
    assert_eq!(made.buttons(), ["Undo", USE]);
    made
}

async fn starts_the_other(ivan: &Ivan) {
    let id = ivan.clickup().task("Write the runbook").id().to_owned();
    let start = format!("start clickup:{id}");
    let started = ivan.dm(ANA, &start).await;
    started.mentions("Write the runbook");
}

fn world() -> Setup {
    world_with(Setup::new())
}

fn world_with(setup: Setup) -> Setup {
    setup
        .people()
        .clickup_tasks([
            json!({"name": "Renew cert", "creator": BO_CLICKUP, "assignees": [BO_CLICKUP]}),
            json!({"name": "Write the runbook", "assignees": [ANA_CLICKUP]}),
        ])
        .github_issues([
            json!({"title": "Login fails on Safari", "user": "bo", "assignees": ["bo"]}),
        ])
}

async fn is_current(ivan: &Ivan, title: &str) {
    let json = ivan.dm(ANA, "current").await;
    json.begins(title);
}

/// Waits until an answer has no button any more.
async fn has_no_buttons(made: Answer<'_>) {
    made.until(|posted| !posted.blocks.to_string().contains("action_id"))
        .await;
}

#[rstest]
#[case::deleted(
    "create renew cert!",
    "✓ Undone: renew cert! was deleted in ClickUp. The other one is now your current task. Next: Renew cert",
    "Renew cert"
)]
#[case::closed(
    "create Login fails on safari -s github",
    "✓ Undone: Login fails on safari was closed in GitHub as not planned. The other one is now your current task. \
     Next: Login fails on Safari",
    "Login fails on Safari"
)]
#[tokio::test]
async fn the_new_one_goes_and_that_one_is_current(
    #[case] typed: &'static str,
    #[case] undone: &'static str,
    #[case] title: &'static str,
) {
    ivan_test(world(), async |ivan| {
        let made = created(ivan, typed).await;
        // Pressed twice, before it has gone.
        let (first, second) = (ivan.presses(ANA, &made, USE), ivan.presses(ANA, &made, USE));
        let answer = first.settles().await;
        answer.replies(undone);
        assert!(answer.shows("Next:"), "{:#?}", answer.posted());
        is_current(ivan, title).await;
        assert!(ivan.clickup().tasks_named("renew cert!").is_empty());
        has_no_buttons(made).await;
        second
            .settles()
            .await
            .replies("✗ Already undone. To redo it, type the command again.");
        is_current(ivan, title).await;
    })
    .await;
}

#[tokio::test]
async fn it_is_for_the_creator_and_has_the_time_limit_of_undo() {
    ivan_test(world(), async |ivan| {
        let general = ivan.slack().channel("general");
        starts_the_other(ivan).await;
        let asked = ivan.says_in("general", ANA, "create renew cert!");
        let root = asked.ts.clone();
        let made = asked.settles().await;
        let (posted, action) = (made.posted(), made.action(USE));
        let answered = async |replies: usize, begins: &str| {
            let event = ivan.slack().until(|slack| {
                let said = slack.replies_to(&general, &root);
                said.len() == replies && shown(&said[replies - 1].text).starts_with(begins)
            });
            ivan.within(begins, event).await;
        };
        ivan.slack().clicks(BO, &general, &posted.ts, &action);
        answered(2, "✗ Nothing to undo: it changed nothing, or wasn't yours.").await;
        assert_eq!(made.buttons(), ["Undo", USE]);
        ivan.clickup().task("renew cert!").is("to do");
        ivan.minutes_pass(16);
        ivan.slack().clicks(ANA, &general, &posted.ts, &action);
        answered(3, "✗ That was more than 15 minutes ago, too late to undo.").await;
        has_no_buttons(made).await;
        ivan.clickup().task("renew cert!").is("to do");
        is_current(ivan, "Write the runbook").await;
    })
    .await;
}

#[tokio::test]
async fn after_an_undo_there_is_nothing_more_to_undo() {
    ivan_test(world(), async |ivan| {
        let made = created(ivan, "create renew cert!").await;
        // Pressed before the button has gone.
        let (undone, pressed) = (ivan.says(ANA, "undo"), ivan.presses(ANA, &made, USE));
        undone.settles().await.begins("✓ Undone: renew cert!");
        pressed.settles().await.begins("✗ Already undone.");
        has_no_buttons(made).await;
        is_current(ivan, "Write the runbook").await;
    })
    .await;
}

#[tokio::test]
async fn a_new_one_that_somebody_has_gone_on_with_stays_and_both_buttons_come_back() {
    ivan_test(world(), async |ivan| {
        let made = created(ivan, "create renew cert!").await;
        ivan.clickup()
            .comment_by("renew cert!", BO_CLICKUP, "On it");
        let answer = ivan.presses(ANA, &made, USE).settles().await;
        answer.begins("✗ Not undone: renew cert!.");
        answer.mentions("someone has commented on it");
        made.until(|posted| posted.blocks.to_string().contains("instead:"))
            .await;
        ivan.clickup().task("renew cert!").is("to do");
        is_current(ivan, "Write the runbook").await;
    })
    .await;
}

#[tokio::test]
async fn that_one_has_to_be_open_still() {
    ivan_test(world_with(Setup::new().webhooks()), async |ivan| {
        ivan.hook_up();
        let made = created(ivan, "create renew cert!").await;
        ivan.clickup().set_status("Renew cert", "complete", BO_CLICKUP);
        ivan.until_deliveries_are_applied().await;
        let answer = ivan.presses(ANA, &made, USE).settles().await;
        answer.replies(
            "✗ Renew cert is complete in ClickUp by now, so nothing was undone. `undo` takes the new one back.",
        );
        ivan.clickup().task("renew cert!").is("to do");
        assert_eq!(made.buttons(), ["Undo", USE]);
        ivan.presses(ANA, &made, "Undo")
            .settles()
            .await
            .replies("✓ Undone: renew cert! was deleted in ClickUp");
    })
    .await;
}

/// ClickUp deletes the task, and the daemon is killed before it has the answer.
#[rstest]
#[case::killed(FaultKind::ApplyThenHang, true)]
#[case::lost(FaultKind::ApplyThenDrop, false)]
#[tokio::test]
async fn it_happens_once(#[case] fault: FaultKind, #[case] killed: bool) {
    ivan_test(world(), async |ivan| {
        let made = created(ivan, "create renew cert!").await;
        let fault = Fault::new(fault).on("DELETE", "/task/");
        ivan.clickup().front().fault(fault);
        let answers = ivan.slack().bot_messages(&ivan.slack().dm(ANA)).len();
        drop(ivan.presses(ANA, &made, USE));
        if killed {
            ivan.applies(ivan.clickup().front(), "DELETE", "/task/", 1)
                .await;
            ivan.kill_and_restart().await;
        }
        ivan.answer(ANA, answers).settles().await.begins(
            "✓ Undone: renew cert! was deleted in ClickUp. The other one is now your current task.",
        );
        is_current(ivan, "Renew cert").await;
        let seen = ivan.clickup().front().journal();
        let deleted = seen
            .iter()
            .filter(|one| one.method == "DELETE" && one.applied);
        assert_eq!(deleted.count(), 1);
    })
    .await;
}

/// The press is stored and its work waits while ClickUp is down; a plain `undo` over HTTP finds nothing more.
#[tokio::test]
async fn it_waits_for_a_source_that_is_down() {
    ivan_test(world(), async |ivan| {
        let made = created(ivan, "create renew cert!").await;
        ivan.clickup().front().down();
        let answer = ivan.presses(ANA, &made, USE).answers().await;
        answer.begins("… Undo for renew cert! is waiting");
        is_current(ivan, "Write the runbook").await;
        ivan.clickup().front().up();
        answer
            .until(|posted| {
                posted
                    .text
                    .contains("The other one is now your current task.")
            })
            .await;
        is_current(ivan, "Renew cert").await;
    })
    .await;
}

/// An ephemeral answer is replaced by the outcome.
#[tokio::test]
async fn an_ephemeral_answer_offers_it_too() {
    ivan_test(world(), async |ivan| {
        let dm = ivan.slack().dm(ANA);
        starts_the_other(ivan).await;
        let told = ivan.slash(ANA, &dm, "create renew cert!").await;
        assert!(told.contains("There already is Renew cert"), "{told}");
        let of_ana = || {
            let all = ivan.slack().whispers().into_iter();
            let mut made =
                all.filter(|one| one.user == ANA && one.blocks.to_string().contains("instead:"));
            made.next()
        };
        let made = of_ana().unwrap();
        let blocks = made.blocks.to_string();
        let action = blocks
            .split('"')
            .find(|text| text.starts_with("instead:"))
            .unwrap();
        ivan.slack().clicks_whisper(&made.ts, action);
        let event = ivan.slack().until(|slack| {
            let mut all = slack.whispers().into_iter();
            all.any(|one| one.ts == made.ts && one.text.contains("The other one is now"))
        });
        ivan.within("it is replaced", event).await;
        assert!(of_ana().is_none());
        is_current(ivan, "Renew cert").await;
    })
    .await;
}
