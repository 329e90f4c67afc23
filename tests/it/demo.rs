//! `ivan demo`: what a newcomer sees first, with lines piped in as the README shows it.

use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::harness::{Ran, Took};

/// `printf LINES | ivan demo`, in an empty folder and without anything of ours in the environment.
async fn demo(lines: &str) -> Ran {
    let _took = Took::begin();
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_ivan"))
        .arg("demo")
        .current_dir(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(lines.as_bytes()).await.unwrap();
    drop(stdin);
    let output = tokio::time::timeout(std::time::Duration::from_secs(60), child.wait_with_output());
    let output = output.await.expect("it ends").unwrap();
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert!(left.is_empty(), "it leaves something behind: {left:?}");
    Ran {
        exit: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Without the days and times that are others tomorrow, and what the network calls its failure.
fn any_day(out: &str) -> String {
    let mut text = String::new();
    let mut slow = false;
    for line in out.lines() {
        // That a source has not answered yet is told on a busy machine alone.
        slow = line.contains(" has not answered yet") || (slow && line.starts_with("       "));
        if slow {
            continue;
        }
        let line = match line.split_once("due since ").or(line.split_once("due ")) {
            Some((before, day)) if !day.starts_with("today") => {
                let pressed = day.split_once("  [").map(|(_, row)| format!("  [{row}"));
                format!("{before}due [day]{}", pressed.unwrap_or_default())
            }
            _ => line.to_owned(),
        };
        let line = match line.split_once(" by Bo, ") {
            Some((before, after)) => {
                let rest = after.split_once(". ").map_or("", |(_, rest)| rest);
                format!("{before} by Bo, [time]. {rest}")
            }
            None => line,
        };
        let line = match line.split_once(", by Bo on ") {
            Some((before, after)) => {
                let rest = after.split_once(" (").map_or("", |(_, rest)| rest);
                format!("{before}, by Bo on [time] ({rest}")
            }
            None => line,
        };
        let line = match line.split_once(" queued: Login fails on Safari. ") {
            Some((before, _)) => format!("{before} queued: Login fails on Safari. [why]"),
            None => line,
        };
        text.push_str(&line);
        text.push('\n');
    }
    text
}

#[tokio::test]
async fn a_newcomer_sees_each_command_and_what_it_did() {
    let demo = demo(
        "current\ndone\ncomment shipped in 2.1\ncreate Buy milk\ncreate Fix login -s github -e acme\nlist\n",
    )
    .await;
    insta::assert_snapshot!(any_day(&demo.out), @r"
    Sandbox on loopback: Slack, ClickUp (Inbox, 6 tasks), GitHub (acme/widgets, 5 issues). You are Ana.
    Type what Ana would type to Ivan; `help` lists the commands, `#general create …` speaks in a channel,
    `press 1` presses a button, `react zzz` reacts to what was said last, `thread …` speaks under it, `home` and
    `shortcut new_task` open what they say, `!help` makes the world move, Ctrl-D ends.

    Ana  › current
    Ivan › Renew the certificate
           ClickUp · in review · due today
           The wildcard of acme.test; the order is in the shared mailbox.
           why: client 1000, due today 400
           [1 Done] [2 Next] [3 Comment] [4 Snooze] [5 Open]
    Ana  › done
    Ivan › ✓ Task completed in ClickUp: Renew the certificate
           Next:
           Login fails on Safari
           GitHub acme/widgets#7 · open
           Since the update of last week. Works in a private window.
           why: client 1000
           [1 Done] [2 Next] [3 Comment] [4 Snooze] [5 Open]
           [6 Undo]
             ClickUp  PUT /task/86tst0001 → complete
    Ana  › comment shipped in 2.1
    Ivan › ✓ Comment added in GitHub: Login fails on Safari
           [1 Undo]
             GitHub   POST /repos/acme/widgets/issues/7/comments → 201
    Ana  › create Buy milk
    Ivan › ✓ Task created in ClickUp: Buy milk
           [1 Undo]
             ClickUp  POST /list/901100000001/task → 200
    Ana  › create Fix login -s github -e acme
    Ivan › ✓ Issue created in GitHub: [CLIENT:acme] Fix login (acme/widgets#12)
           [1 Undo]
             GitHub   POST /repos/acme/widgets/issues → 201
    Ana  › list
    Ivan › 1. Login fails on Safari · GitHub acme/widgets#7 · open  [1 Done]
           2. [CLIENT:acme] Fix login · GitHub acme/widgets#12 · open  [2 Done]
           3. Update the base image · GitHub acme/widgets#5 · open  [3 Done]
           4. Send the quarterly invoice · ClickUp · to do · overdue [day]  [4 Done]
           5. Write the runbook for the new cluster · ClickUp · to do · due [day]  [5 Done]
           6. Buy milk · ClickUp · to do  [6 Done]
           7. Tidy the team wiki · ClickUp · to do  [7 Done]
           8. Explain the retry settings in the docs · GitHub acme/widgets#8 · open  [8 Done]
           9. Order a new label printer · ClickUp · to do · due [day]  [9 Done]
           10. Book the room for the review · ClickUp · to do  [10 Done]
           1 more: `list 11`

    What has changed in ClickUp and GitHub:
      ClickUp Inbox            complete   Renew the certificate  #client:acme
      ClickUp Inbox            to do      Buy milk
      GitHub acme/widgets#7    open       Login fails on Safari
          “shipped in 2.1”
      GitHub acme/widgets#12   open       [CLIENT:acme] Fix login
    ");
    assert_eq!(demo.err, "");
    assert_eq!(demo.exit, 0);
}

#[tokio::test]
async fn what_is_shown_can_be_pressed_and_spoken_under() {
    let demo =
        demo("press 1\ncurrent\npress 9\npress open\npress 1\npress undo\ncurrent\nthread comment nearly\n")
            .await;
    insta::assert_snapshot!(any_day(&demo.out), @r"
    Sandbox on loopback: Slack, ClickUp (Inbox, 6 tasks), GitHub (acme/widgets, 5 issues). You are Ana.
    Type what Ana would type to Ivan; `help` lists the commands, `#general create …` speaks in a channel,
    `press 1` presses a button, `react zzz` reacts to what was said last, `thread …` speaks under it, `home` and
    `shortcut new_task` open what they say, `!help` makes the world move, Ctrl-D ends.

    Ana  › press 1
           (there is nothing to press yet)
    Ana  › current
    Ivan › Renew the certificate
           ClickUp · in review · due today
           The wildcard of acme.test; the order is in the shared mailbox.
           why: client 1000, due today 400
           [1 Done] [2 Next] [3 Comment] [4 Snooze] [5 Open]
    Ana  › press 9
           (there is no such button there, or not any more)
    Ana  › press open
           (opens https://app.clickup.com/t/86tst0001)
    Ana  › press 1
    Ivan › ✓ Task completed in ClickUp: Renew the certificate
           Next:
           Login fails on Safari
           GitHub acme/widgets#7 · open
           Since the update of last week. Works in a private window.
           why: client 1000
           [1 Done] [2 Next] [3 Comment] [4 Snooze] [5 Open]
           [6 Undo]
             ClickUp  PUT /task/86tst0001 → complete
    Ana  › press undo
    Ivan › ✓ Undone: Renew the certificate is in review again in ClickUp. It is your current task again
             ClickUp  PUT /task/86tst0001 → in review
    Ana  › current
    Ivan › Renew the certificate
           ClickUp · in review · due today
           The wildcard of acme.test; the order is in the shared mailbox.
           why: client 1000, due today 400, active today 1
           [1 Done] [2 Next] [3 Comment] [4 Snooze] [5 Open]
    Ana  › thread comment nearly
    Ivan › ✓ Comment added in ClickUp: Renew the certificate  (in a thread under it)
           [1 Undo]
             ClickUp  POST /task/86tst0001/comment → 200

    What has changed in ClickUp and GitHub:
      ClickUp Inbox            in review  Renew the certificate  #client:acme
          “nearly”
    ");
    assert_eq!(demo.exit, 0);
}

#[tokio::test]
async fn forms_open_as_text_and_can_be_filled_in() {
    let demo = demo(
        "submit\nshortcut new_task\nsubmit\nfill title Fix login\nfill 3 acme/widgets\nfill due 2031-12-01\nsubmit\n\
         fill place nowhere\nfill due\nsubmit\ncurrent\npress comment\nfill text nearly\nsubmit\n\
         #random The door squeaks\nshortcut message\nsubmit\nshortcut message\nshortcut new_task\ncancel\ncancel\n",
    )
    .await;
    insta::assert_snapshot!(any_day(&demo.out), @r"
    Sandbox on loopback: Slack, ClickUp (Inbox, 6 tasks), GitHub (acme/widgets, 5 issues). You are Ana.
    Type what Ana would type to Ivan; `help` lists the commands, `#general create …` speaks in a channel,
    `press 1` presses a button, `react zzz` reacts to what was said last, `thread …` speaks under it, `home` and
    `shortcut new_task` open what they say, `!help` makes the world move, Ctrl-D ends.

    Ana  › submit
           (no form is open: `shortcut new_task`, or press Comment on a card)
    Ana  › shortcut new_task
           ── New task ──
           1 title:
           2 description:
           3 place: Inbox  (Inbox, acme/widgets)
           4 due:  (YYYY-MM-DD)
           5 entity:
           `fill 1 …` or `fill title …`, then `submit` or `cancel`
    Ana  › submit
           ── New task ──
           1 title:
             ✗ A task needs a title.
           2 description:
           3 place: Inbox  (Inbox, acme/widgets)
           4 due:  (YYYY-MM-DD)
           5 entity:
           `fill 1 …` or `fill title …`, then `submit` or `cancel`
    Ana  › fill title Fix login
           ── New task ──
           1 title: Fix login
           2 description:
           3 place: Inbox  (Inbox, acme/widgets)
           4 due:  (YYYY-MM-DD)
           5 entity:
           `fill 1 …` or `fill title …`, then `submit` or `cancel`
    Ana  › fill 3 acme/widgets
           ── New task ──
           1 title: Fix login
           2 description:
           3 place: acme/widgets  (Inbox, acme/widgets)
           4 due:  (YYYY-MM-DD)
           5 entity:
           `fill 1 …` or `fill title …`, then `submit` or `cancel`
    Ana  › fill due [day]
           ── New task ──
           1 title: Fix login
           2 description:
           3 place: acme/widgets  (Inbox, acme/widgets)
           4 due: 2031-12-01  (YYYY-MM-DD)
           5 entity:
           `fill 1 …` or `fill title …`, then `submit` or `cancel`
    Ana  › submit
           ── New task ──
           1 title: Fix login
           2 description:
           3 place: acme/widgets  (Inbox, acme/widgets)
           4 due: 2031-12-01  (YYYY-MM-DD)
             ✗ An issue in GitHub has no due [day]
           5 entity:
           `fill 1 …` or `fill title …`, then `submit` or `cancel`
    Ana  › fill place nowhere
           (that cannot be chosen there  (Inbox, acme/widgets))
    Ana  › fill due
           ── New task ──
           1 title: Fix login
           2 description:
           3 place: acme/widgets  (Inbox, acme/widgets)
           4 due:  (YYYY-MM-DD)
           5 entity:
           `fill 1 …` or `fill title …`, then `submit` or `cancel`
    Ana  › submit
    Ivan › ✓ Issue created in GitHub: Fix login (acme/widgets#12)
           [1 Undo]
             GitHub   POST /repos/acme/widgets/issues → 201
    Ana  › current
    Ivan › Renew the certificate
           ClickUp · in review · due today
           The wildcard of acme.test; the order is in the shared mailbox.
           why: client 1000, due today 400
           [1 Done] [2 Next] [3 Comment] [4 Snooze] [5 Open]
    Ana  › press comment
           ── Comment ──
           Renew the certificate · ClickUp · in review
           1 text:
           `fill 1 …` or `fill title …`, then `submit` or `cancel`
    Ana  › fill text nearly
           ── Comment ──
           Renew the certificate · ClickUp · in review
           1 text: nearly
           `fill 1 …` or `fill title …`, then `submit` or `cancel`
    Ana  › submit
    Ivan › ✓ Comment added in ClickUp: Renew the certificate
           [1 Undo]
             ClickUp  POST /task/86tst0001/comment → 200
    Ana  › #random The door squeaks
           (not for Ivan: in channels it hears mentions, and `create`)
    Ana  › shortcut message
           ── New task ──
           1 title: The door squeaks
           2 description:
           3 place: Inbox  (Inbox, acme/widgets)
           4 due:  (YYYY-MM-DD)
           5 entity:
           `fill 1 …` or `fill title …`, then `submit` or `cancel`
    Ana  › submit
    Ivan › ✓ Task created in ClickUp: The door squeaks  (only you see this)
           [1 Undo]
             ClickUp  POST /list/901100000001/task → 200
    Ana  › shortcut message
    Ivan › ✓ This message is a task already: The door squeaks · ClickUp · to do  (only you see this)
    Ana  › shortcut new_task
           ── New task ──
           1 title:
           2 description:
           3 place: Inbox  (Inbox, acme/widgets)
           4 due:  (YYYY-MM-DD)
           5 entity:
           `fill 1 …` or `fill title …`, then `submit` or `cancel`
    Ana  › cancel
           (closed; nothing was done)
    Ana  › cancel
           (no form is open: `shortcut new_task`, or press Comment on a card)

    What has changed in ClickUp and GitHub:
      ClickUp Inbox            in review  Renew the certificate  #client:acme
          “nearly”
      ClickUp Inbox            to do      The door squeaks
      GitHub acme/widgets#12   open       Fix login
    ");
    assert_eq!((demo.exit, demo.err.as_str()), (0, ""));
}

#[tokio::test]
async fn reactions_slash_commands_and_the_home_tab_can_be_tried() {
    let demo = demo(
        "current\nreact tada\nreact white_check_mark\nunreact x\ncurrent\nreact eyes\n/ivan why\nhome\n\
         press briefing 8:15\nhome\npress Mute 8:15\npress briefing\npress 1\n/ivan undo\n\
         /ivan comment nearly\npress undo\npress undo\n",
    )
    .await;
    assert_eq!((demo.exit, demo.err.as_str()), (0, ""));
    let mut rest = demo.out.as_str();
    for words in [
        "(that asks for nothing)",
        "Ivan › ✓ Task completed in ClickUp: Renew the certificate\n       Next:\n       Login fails on Safari\n       GitHub",
        "(there is no such reaction of yours)",
        "Ivan › ✓ Issue started in GitHub: Login fails on Safari. It is your current task",
        "Ivan › Login fails on Safari · GitHub acme/widgets#7 · open  (only you see this)\n       1101 points: ",
        "Ana  › home\n       9 open · 1 completed today\n       Current\n       Login fails on Safari\n",
        "       [1 Done] [2 Next] [3 Comment] [4 Snooze] [5 Open]\n       Queue\n",
        "       [6 Done] [7 Comment] [8 Snooze] [9 Open]\n",
        "       Settings\n",
        "       Briefing: off, as for everybody here. Choose a time to get one on working days (Europe/Madrid).\n       [39 Briefing at … ▾]\n",
        "Ivan › ✓ Briefing at 8:15 on working days (Europe/Madrid)",
        "[39 Briefing at 08:15 ▾] [40 No briefing] [41 As for everybody]\n",
        "(no time is chosen there)",
        "(a time is chosen there: `press 2 08:30`)",
        "Ana  › press 1\nIvan › ✓ Issue closed in GitHub: Login fails on Safari\n       Next:\n       Update the base image\n",
        "Ivan › ✓ Undone: Login fails on Safari is open again in GitHub",
        "Ivan › ✓ Comment added in GitHub: Login fails on Safari  (only you see this)\n       [1 Undo]\n",
        "Ivan › ✓ Undone: your comment on Login fails on Safari was deleted in GitHub  (only you see this)\n",
        "(there is no such button there, or not any more)",
    ] {
        let found = rest.split_once(words);
        (_, rest) = found.unwrap_or_else(|| panic!("`{words}` does not follow in:\n{}", demo.out));
    }
}

#[tokio::test]
async fn a_check_mark_can_be_taken_away_again() {
    let demo = demo("current\nreact white_check_mark\nunreact white_check_mark\ncurrent\n").await;
    assert_eq!((demo.exit, demo.err.as_str()), (0, ""));
    let undone = "Ana  › unreact white_check_mark\nIvan › ✓ Undone: Renew the certificate is in review again in ClickUp";
    assert!(demo.out.contains(undone), "{}", demo.out);
    assert!(
        demo.out
            .ends_with("Nothing has changed in ClickUp and GitHub.\n"),
        "{}",
        demo.out
    );
}

#[tokio::test]
async fn trouble_can_be_made_and_is_told_as_it_goes() {
    let demo = demo(
        "current\n!close renew\n!close renew the cert\ndone\n!down github\ndone\n!up github\n!clickup away\n#random hello\n\
         #general create Fix login\nexit\nnever read\n",
    )
    .await;
    let out = any_day(&demo.out);
    insta::assert_snapshot!(out, @r"
    Sandbox on loopback: Slack, ClickUp (Inbox, 6 tasks), GitHub (acme/widgets, 5 issues). You are Ana.
    Type what Ana would type to Ivan; `help` lists the commands, `#general create …` speaks in a channel,
    `press 1` presses a button, `react zzz` reacts to what was said last, `thread …` speaks under it, `home` and
    `shortcut new_task` open what they say, `!help` makes the world move, Ctrl-D ends.

    Ana  › current
    Ivan › Renew the certificate
           ClickUp · in review · due today
           The wildcard of acme.test; the order is in the shared mailbox.
           why: client 1000, due today 400
           [1 Done] [2 Next] [3 Comment] [4 Snooze] [5 Open]
    Ana  › !close renew
           (Bo has completed: Renew the certificate)
    Ivan › Renew the certificate was completed in ClickUp by Bo, [time]. It stays your current task until you type `done` or `next`
    Ana  › !close renew the cert
           (nothing open has these words in its title)
    Ana  › done
    Ivan › ✓ Note: Renew the certificate was already complete in ClickUp, by Bo on [time] (completed externally)
           Next:
           Login fails on Safari
           GitHub acme/widgets#7 · open
           Since the update of last week. Works in a private window.
           why: client 1000
           [1 Done] [2 Next] [3 Comment] [4 Snooze] [5 Open]
    Ana  › !down github
           (GitHub no longer answers; what you ask of it is queued)
    Ana  › done
    Ivan › … Completion queued: Login fails on Safari. [why]
           Next:
           Update the base image
           GitHub acme/widgets#5 · open
           Blocks #2
           why: blocks 1 person 500, high priority 100
           [1 Done] [2 Next] [3 Comment] [4 Snooze] [5 Open]
    Ana  › !up github
           (GitHub answers again)
    Ivan › ✓ Issue closed in GitHub: Login fails on Safari
           Next:
           Update the base image
           GitHub acme/widgets#5 · open
           Blocks #2
           why: blocks 1 person 500, high priority 100
           [1 Done] [2 Next] [3 Comment] [4 Snooze] [5 Open]
           [6 Undo]
             GitHub   PATCH /repos/acme/widgets/issues/7 → closed
    Ana  › !clickup away
           !close WORDS           Bo completes the task with these words in its title, behind your back
           !comment WORDS: TEXT   Bo comments on it
           !lose · !poll          the next webhook gets lost · what webhooks missed is read
           !down clickup · !up …  it answers nothing · it answers again; `github` likewise
           !clickup lost          it does the next thing that it is asked, and its answer gets lost
    Ana  › #random hello
           (not for Ivan: in channels it hears mentions, and `create`)
    Ana  › #general create Fix login
    Ivan › ✓ Task created in ClickUp: Fix login  (in a thread under it)
           [1 Undo]
             ClickUp  POST /list/901100000001/task → 200
    Ana  › exit

    What has changed in ClickUp and GitHub:
      ClickUp Inbox            complete   Renew the certificate  #client:acme
      ClickUp Inbox            to do      Fix login
      GitHub acme/widgets#7    closed     Login fails on Safari
    ");
    assert_eq!(demo.err, "");
    assert_eq!(demo.exit, 0);
}

/// Each answer is one line to read; whoever comes back to a lost answer finds the task made once.
#[tokio::test]
async fn a_lost_answer_and_a_source_that_stays_down_are_shown() {
    let demo =
        demo("!clickup lost\ncreate Buy milk\n!down github\ncreate Fix login -s github").await;
    assert_eq!((demo.exit, demo.err.as_str()), (0, ""));
    let lines: Vec<&str> = demo.out.lines().collect();
    let at = |words: &str| {
        let found = lines.iter().position(|line| line.contains(words));
        found.unwrap_or_else(|| panic!("`{words}` is not in:\n{}", demo.out))
    };
    let queued = at("Ivan › … Creation queued: Buy milk");
    assert!(at("POST /list/901100000001/task → connection lost") > queued);
    assert!(at("Ivan › ✓ Task created in ClickUp: Buy milk") > queued);
    assert!(at("Ivan › … Creation queued: Fix login") > queued);
    at("(1 command still queued;");
    let made = lines
        .iter()
        .filter(|line| line.starts_with("  ClickUp Inbox"));
    assert_eq!(made.count(), 1, "{}", demo.out);
    assert!(!demo.out.contains('\u{1b}'), "colours in a pipe");
}

#[tokio::test]
async fn without_input_it_ends_at_once() {
    let demo = demo("").await;
    assert_eq!((demo.exit, demo.err.as_str()), (0, ""));
    assert!(demo.out.starts_with(
        "Sandbox on loopback: Slack, ClickUp (Inbox, 6 tasks), GitHub (acme/widgets, 5 issues)."
    ));
    assert!(
        demo.out
            .ends_with("\nNothing has changed in ClickUp and GitHub.\n")
    );
}
