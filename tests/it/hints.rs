//! Text that is no command gets a hint of one line and changes nothing; `help` lists the commands, `status` the state.

use crate::harness::*;
use insta::assert_snapshot;

#[tokio::test]
async fn what_is_no_command_gets_a_hint_and_no_effect() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.dm(ANA, "current").await;
        let hints = [
            (
                "hello",
                "✗ I do not know `hello`. Try `done`, `comment TEXT` or `create TITLE`. `help` lists them all.",
            ),
            (
                "thanks @ivan",
                "✗ I do not know `thanks`. Try `done`, `comment TEXT` or `create TITLE`. `help` lists them all.",
            ),
            (
                "@ivan",
                "✗ Type a command: `done`, `comment TEXT` or `create TITLE`. `help` lists them all.",
            ),
            (
                "done with the cert",
                "✗ `with` does not name a task. After `done` comes a number of the last list, a task id, `#12` or \
                 the link of a task; a comment goes after `-c`: `done -c TEXT`.",
            ),
            (
                "done 1 shipped",
                "✗ I read `1` as the task, and do not know what `shipped` after it means. \
                 A comment goes after `-c`: `done 1 -c TEXT`.",
            ),
            ("done -c", "✗ `-c` needs a value after it: `-c TEXT`."),
            (
                "next week",
                "✗ `next` takes nothing after it, but I read `week`. Type only `next`.",
            ),
            (
                "list all",
                "✗ I cannot narrow the list to `all`. It can be overdue, blocked, snoozed, clickup, github, or a client: acme.",
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
        let help = ivan.dm(ANA, "help").await.text();
        assert_snapshot!(help, @r"
        What I understand:
        • `done [REF] [-c TEXT]`: complete the current task, or REF, with a comment if you like
        • `comment TEXT` or `comment on REF: TEXT`: comment on the current task, or on REF
        • `create TITLE [-s clickup|github] [-e ENTITY] [-d TEXT] [-a PERSON|nobody] [-r owner/repo | -l LIST]`: create a task, yours unless you say whose; the lines after the first are its description
        • `current`: show the current task
        • `next`: move on to the next task without completing this one
        • `start [REF]`: make REF current and, where the source has such a status, in progress
        • `pause [REF]`: put the current task, or REF, back to its status before `start`; it stays yours
        • `snooze [REF] WHEN`: hide the current task, or REF, from your queue until then
        • `reopen [REF]`: open REF again, as it was before it was completed
        • `assign [REF] @PERSON`: give the current task, or REF, to somebody else
        • `claim [REF]`: assign the current task, or REF, to yourself
        • `due [REF] WHEN|none`: set when the current task, or REF, is due in ClickUp
        • `prio [REF] urgent|high|normal|low|none`: set the priority of the current task, or of REF
        • `undo`: take back what you did last, within 15 minutes
        • `why [REF]`: show why the current task, or REF, is where it is in your queue
        • `list [N] [FILTER]`: show your tasks in order; their numbers work as REF until the next list
        • `morning`: show your first three tasks, what is due, who waits for you and what is stuck
        • `briefing 8:30` or `briefing off` or `briefing default`: have `morning` sent to you on working days at that time, or no more, or as everybody has it
        • `quiet 20:00-8:00` or `quiet off` or `quiet default`: hold notices in those hours and tell them in one message when they end
        • `receipts reactions` or `receipts messages` or `receipts default`: have outcomes stand on your own messages as reactions too, or in words alone, or as everybody has it
        • `log [N] [REF]`: show what you did last, or what was done to REF
        • `status`: show connections, the last sync and what is queued
        • `whoami`: show which accounts are yours, and what is missing
        • `link github LOGIN` or `link clickup NAME-OR-EMAIL`: make that account yours, so that what is assigned to it is in your queue
        • `unlink github` or `unlink clickup`: make the account you linked there nobody's again
        • `mute`: tell me nothing unasked
        • `unmute`: tell me again what others do to my tasks
        • `help`: show this
        REF is a number of the last list, a task id, `#12` or the link of a task; in a thread under a task's message it can be left out.
        ✅, 💤 or 👀 on a card is `done`, `snooze` or `start` for its task; on any other message it does nothing.
        WHEN is `2h`, `3d`, `1w`, `15:30`, `tomorrow`, `tomorrow 14:00`, `mon 9:00`, `1 dec` or `2026-12-01`.
        FILTER is overdue, blocked, snoozed, clickup, github, or a client; several narrow further.
        ");
        for typed in ["?", "Commands!"] {
            ivan.dm(ANA, typed).await.replies(&help);
        }
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
    ivan.dm(ANA, "current")
        .await
        .replies("I have not been able to read ClickUp yet. `status` tells how that goes.");
    ivan.logs("read clickup").await;
    let status = ivan.dm(ANA, "status").await.text();
    assert!(
        status.contains("ClickUp: 0 open, not read yet; ✗ "),
        "{status}"
    );
    ivan.clickup().front().up();
    ivan.finish().await;
}
