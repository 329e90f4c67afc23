//! Text that is no command gets a hint of one line and changes nothing; `help` lists the commands, `status` the state.

use crate::harness::*;
use insta::assert_snapshot;
use ivan::sandbox::slack::EnvelopeKind;
use serde_json::json;

const OLDER: &str = "✗ That button is from an older version. Type `current`.";

#[tokio::test]
async fn what_is_no_command_gets_a_hint_and_no_effect() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.dm(ANA, "current").await;
        let hints = [
            (
                "Hello! :wave:",
                "Hi. Your current task is Renew cert. Type `list`, `done` or `help`.",
            ),
            ("dnoe", "I don't know `dnoe`. Did you mean `done`?"),
            (
                "thanks @ivan",
                "You're welcome. Your current task is Renew cert.",
            ),
            (
                "@ivan",
                "Type a command, such as `done`, `comment TEXT` or `create TITLE`.",
            ),
            (
                "done with the cert",
                "✗ `with` is not a task. After `done`, type a number of your last list, `#12`, a task id or a task's \
                 link. For a comment: `done -c TEXT`. Or make this a task?",
            ),
            (
                "done 1 shipped",
                "✗ `1` is the task, but what is `shipped`? For a comment: `done 1 -c TEXT`. Or make this a task?",
            ),
            ("done -c", "✗ `-c` needs a value after it: `-c TEXT`."),
            (
                "next week",
                "✗ Type `next` alone, without `week`. Or make this a task?",
            ),
            (
                "list all",
                "✗ I can't filter by `all`. Filters: overdue, blocked, snoozed, clickup, github, label:NAME, milestone:NAME, type:NAME. Clients: acme.",
            ),
        ];
        for ((typed, hint), who) in hints.into_iter().zip(IN_TURN.into_iter().cycle()) {
            ivan.dm(who, typed).await.replies(hint);
        }
        ivan.dm(BO, "current").await.mentions("Renew cert");
        ivan.clickup()
            .task("Renew cert")
            .is("to do")
            .has_comments([]);
        let writes = ivan.clickup().front().journal();
        assert!(writes.iter().all(|seen| seen.method == "GET"));
    })
    .await;
}

#[tokio::test]
async fn a_malformed_id_changes_nothing() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.dm(ANA, "current").await;
        let names = [
            "clickup:",
            "clickup:../../team",
            "github:acme/widgets",
            "github:acme/widgets#0",
            "jira:OPS-1",
            "#0",
            "-1",
            "https://github.com/acme/widgets/pull/1",
            "https://example.test/t/86tst0001",
        ];
        for (name, who) in names.into_iter().zip([BO, ANA].into_iter().cycle()) {
            let typed = format!("done {name}");
            let answer = ivan.dm(who, &typed).await;
            let text = answer.text();
            assert!(text.starts_with("✗ "), "{name}: {text}");
            assert!(!text.contains('\n'), "{name}: {text}");
        }
        ivan.clickup().task("Renew cert").is("to do");
        let writes = ivan.clickup().front().journal();
        assert!(writes.iter().all(|seen| seen.method == "GET"));
    })
    .await;
}

#[tokio::test]
async fn help_lists_every_verb() {
    ivan_test(Setup::new(), async |ivan| {
        let help = ivan.dm(ANA, "help").await;
        assert_eq!(help.buttons(), ["More", "Link accounts"]);
        assert_eq!(help.text().lines().count(), 10, "{}", help.text());
        for typed in ["?", "Commands!", "what can you do"] {
            ivan.dm(ANA, typed).await.replies(&help.text());
        }
        let done = ivan.dm(ANA, "help done").await;
        done.begins("`done [REF] [-c TEXT]`: complete the current task, or REF; -c adds a comment.");
        done.mentions("\nFor example: `done` · `done ");
        ivan.dm(ANA, "done --help").await.replies(&done.text());
        ivan.presses(ANA, &help, "Link accounts")
            .answers()
            .await
            .mentions("Everyone here shares one queue");
        let help = ivan.presses(ANA, &help, "More").answers().await.text();
        assert_snapshot!(help, @r"
        Commands:
        • `done [REF] [-c TEXT]`: complete the current task, or REF; -c adds a comment
        • `comment TEXT` or `comment on REF: TEXT`: comment on the current task, or on REF
        • `create TITLE [-s clickup|github] [-e ENTITY] [-d TEXT] [-a PERSON|nobody] [-r owner/repo | -l LIST] [--under REF]`: create a task, assigned to you unless you name someone; further lines are its description
        • `current`: show the current task
        • `next`: skip to the next task without completing this one
        • `start [REF]`: make the task current and mark it as in progress
        • `pause [REF]`: put the current task, or REF, back to its status before `start`
        • `snooze [REF] WHEN`: hide the current task, or REF, from your queue until then
        • `reopen [REF]`: reopen REF with the status it had before
        • `assign [REF] @PERSON`: assign the current task, or REF, to someone else
        • `claim [REF]`: assign the current task, or REF, to yourself
        • `due [REF] WHEN|none`: set the due date of the current task, or REF, in ClickUp
        • `prio [REF] urgent|high|normal|low|none`: set the priority of the current task, or of REF
        • `label [REF] +NAME -NAME`: add labels to the current task, or REF, and remove others; in ClickUp tags
        • `milestone [REF] NAME|none`: put the current issue, or REF, in a milestone in GitHub
        • `type [REF] NAME|none`: set the type of the current task, or REF: an issue type in GitHub, a task type in ClickUp
        • `attach REF`: link this Slack thread to REF: comments here go to it, and its comments appear here
        • `undo`: undo your last action, within 15 minutes
        • `confirm ID`: do what I asked you about before acting on many tasks
        • `why [REF]`: show why the current task, or REF, is where it is in your queue
        • `list [N] [FILTER]`: show your tasks in order; use their numbers as REF until the next list
        • `find WORDS [FILTER] [-n N]`: find tasks by words in their title, description and comments; their numbers work as REF
        • `morning`: show your briefing: top three tasks, due dates, people waiting, stuck items
        • `briefing 8:30` or `briefing off` or `briefing default`: get your briefing on working days at that time, turn it off, or follow the team default
        • `quiet 20:00-8:00` or `quiet off` or `quiet default`: hold notices in those hours and sum them up afterwards
        • `receipts reactions` or `receipts messages` or `receipts default`: choose how I confirm: reactions, messages, or the team default
        • `log [N] [REF]`: show your last actions, or the history of REF
        • `stats [week|month]`: show your figures of 7 or 30 days: done, created, comments, time to ✓, age of your tasks
        • `status`: show connections, last sync and queued work
        • `whoami`: show your linked accounts and settings
        • `link github LOGIN` or `link clickup NAME-OR-EMAIL`: link your account, so its tasks are in your queue
        • `unlink github` or `unlink clickup`: unlink your account
        • `token` or `token new NAME [read-only]` or `token allow CODE` or `token revoke NAME`: your own tokens for the command line and the HTTP API
        • `mute`: turn notices off
        • `unmute`: turn notices on
        • `help [VERB]`: show the verbs, or one with examples; `help all` shows every form
        REF is a number of your last list, `#12`, a task id or a task's link. In a thread about a task you can leave it out.
        WHEN is `2h`, `3d`, `1w`, `15:30`, `tomorrow`, `tomorrow 14:00`, `mon 9:00`, `1 dec` or `2026-12-01`.
        FILTER is overdue, blocked, snoozed, clickup, github, label:NAME, milestone:NAME, type:NAME or a client; combine them as you like.
        React to a card with ✅ for `done`, 💤 for `snooze` or 👀 for `start`.
        ");
    })
    .await;
}

#[tokio::test]
async fn status_tells_what_is_connected_and_read() {
    ivan_test(two_tasks(), async |ivan| {
        let status = ivan.dm(ANA, "status").await.text();
        let lines: Vec<&str> = status.lines().collect();
        assert_eq!(lines.len(), 4, "{status}");
        assert_eq!(lines[0], "Slack: connected");
        assert!(
            lines[1].starts_with("ClickUp: 2 open, last read "),
            "{status}"
        );
        assert!(
            lines[2].starts_with("GitHub: 0 open, last read "),
            "{status}"
        );
        assert_eq!(lines[3], "Queued: nothing");
    })
    .await;
}

#[tokio::test]
async fn before_the_first_read_an_empty_queue_says_why() {
    let setup = two_tasks()
        .without_github()
        .without_waiting_for_the_first_read();
    let mut ivan = setup.start().await;
    ivan.clickup().front().down();
    ivan.start().await;
    ivan.dm(ANA, "current").await.replies(
        "I'm still reading ClickUp. Try again in a minute; `status` shows the connection.",
    );
    ivan.logs("poll … source=clickup").await;
    let status = ivan.dm(ANA, "status").await.text();
    assert!(
        status.contains("ClickUp: 0 open, not read yet; ✗ "),
        "{status}"
    );
    ivan.clickup().front().up();
    ivan.finish().await;
}

/// Texts that are no command are offered, and done only by a press.
#[tokio::test]
async fn what_is_no_command_is_offered() {
    ivan_test(two_tasks(), async |ivan| {
        let hello = ivan.dm(ANA, "Hi Ivan!").await;
        hello.begins("Hi. Your current task: Renew cert");
        assert_eq!(
            hello.buttons(),
            ["Done", "Next", "Comment", "Snooze", "Open"]
        );
        ivan.dm(ANA, "what\u{2019}s next?")
            .await
            .mentions("Renew cert");
        let typo = ivan.dm(ANA, "dnoe").await;
        assert_eq!(typo.buttons(), ["done"]);
        ivan.presses(ANA, &typo, "done")
            .settles()
            .await
            .begins("✓ Task completed in ClickUp: Renew cert");
        let list = ivan.dm(ANA, "list overdu").await;
        list.mentions("Did you mean `list overdue`?");
        ivan.presses(ANA, &list, "list overdue")
            .answers()
            .await
            .replies("No task in your queue is overdue.");
        let offered = ivan.dm(ANA, "todo: Call the bank tomorrow").await;
        offered.replies("That is no command of mine. Make this a task? `help` shows what I know.");
        assert_eq!(offered.buttons(), ["New task", "Help"]);
        let dm = ivan.slack().dm(ANA);
        ivan.slack()
            .clicks(ANA, &dm, &offered.posted().ts, &offered.action("New task"));
        let form = ivan.form(1).await;
        assert_eq!(form.holds("title"), "Call the bank tomorrow");
        let told = ivan.is_told(ANA);
        assert!(form.submits(ANA, &[]).await.is_null());
        told.settles()
            .await
            .begins("✓ Task created in ClickUp: Call the bank tomorrow");
        assert_eq!(
            ivan.clickup().tasks_named("Call the bank tomorrow").len(),
            1
        );
        assert_eq!(ivan.dm(ANA, "create").await.buttons(), ["New task"]);
    })
    .await;
}

#[tokio::test]
async fn stop_asks_what_to_stop() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        ivan.dm(ANA, "start").await.begins("✓ ");
        let asked = ivan.dm(ANA, "unsubscribe").await;
        asked.replies(
            "Stop what? Without notices I tell you nothing of what others do, until you type `unmute`. Pausing puts \
             Renew cert back to its status before `start`, which takes it up again.",
        );
        assert_eq!(asked.buttons(), ["Mute notices", "Pause this task"]);
        ivan.presses(ANA, &asked, "Pause this task").settles().await.begins("✓ ");
        ivan.clickup().task("Renew cert").is("to do");
        ivan.presses(ANA, &asked, "Mute notices")
            .answers()
            .await
            .begins("✓ Notices are off");
    })
    .await;
}

/// Ana presses a button of an earlier answer, which may be gone by now.
async fn presses_old(ivan: &Ivan, ts: &str, action: &str) -> String {
    let told = ivan.is_told(ANA);
    let dm = ivan.slack().dm(ANA);
    let payload = json!({"type": "block_actions", "team": {"id": "T0TEAM1", "domain": "acme"}, "user": {"id": ANA},
        "trigger_id": ivan.slack().trigger(), "channel": {"id": dm, "name": "directmessage"},
        "container": {"type": "message", "message_ts": ts, "channel_id": dm, "is_ephemeral": false},
        "actions": [{"type": "button", "action_id": action, "action_ts": "1963800710.000100"}]});
    ivan.slack()
        .send_payload(EnvelopeKind::Interactive, payload);
    told.settles().await.text()
}

#[tokio::test]
async fn an_offered_number_is_of_the_list_before_the_offer() {
    let setup = Setup::new().clickup_tasks([
        json!({"name": "Renew cert", "priority": 1}),
        json!({"name": "Write the runbook", "priority": 2}),
        json!({"name": "Order labels", "priority": 3}),
    ]);
    ivan_test(setup, async |ivan| {
        ivan.dm(ANA, "list").await.mentions("2. Write the runbook");
        let offer = ivan.dm(ANA, "dnoe 2").await;
        let (ts, action) = (offer.ts(), offer.action("done 2"));
        ivan.dm(ANA, "snooze 1 1w").await.begins("✓ ");
        ivan.dm(ANA, "list").await.mentions("2. Order labels");
        let told = presses_old(ivan, &ts, &action).await;
        assert!(
            told.starts_with("✓ Task completed in ClickUp: Write the runbook"),
            "{told}"
        );
        offer
            .until(|posted| !posted.blocks.to_string().contains("say:"))
            .await
            .replies("I don't know `dnoe`. Did you mean `done 2`?");
        assert_eq!(presses_old(ivan, &ts, &action).await, OLDER);
        ivan.clickup().task("Renew cert").is("to do");
        ivan.clickup().task("Order labels").is("to do");
    })
    .await;
}

#[tokio::test]
async fn an_offer_means_the_task_that_was_current_then() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        let skip = ivan.dm(ANA, "nxet").await;
        let offer = ivan.dm(ANA, "dnoe").await;
        let (ts, action) = (offer.ts(), offer.action("done"));
        ivan.dm(ANA, "done")
            .await
            .mentions("Next: Write the runbook");
        ivan.presses(ANA, &skip, "next")
            .settles()
            .await
            .begins("That is no longer your current task. Current: Write the runbook");
        let told = presses_old(ivan, &ts, &action).await;
        assert!(told.contains("Renew cert"), "{told}");
        assert_eq!(presses_old(ivan, &ts, &action).await, OLDER);
        ivan.clickup().task("Write the runbook").is("to do");
    })
    .await;
}

#[tokio::test]
async fn an_offered_undo_means_the_last_action_before_the_offer() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.dm(ANA, "current").await;
        ivan.dm(ANA, "comment first").await.begins("✓ ");
        let offer = ivan.dm(ANA, "undoo").await;
        let (ts, action) = (offer.ts(), offer.action("undo"));
        ivan.dm(ANA, "comment second").await.begins("✓ ");
        let told = presses_old(ivan, &ts, &action).await;
        assert!(told.starts_with("✓ "), "{told}");
        assert_eq!(presses_old(ivan, &ts, &action).await, OLDER);
        ivan.clickup().task("Renew cert").has_comments(["second"]);
    })
    .await;
}
