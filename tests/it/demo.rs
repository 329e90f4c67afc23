//! `ivan demo` as a newcomer first sees it, with piped lines as in the README.

use std::process::Stdio;

use tokio::io::AsyncWriteExt;

use crate::harness::{Ran, Took, binary};

/// `printf LINES | ivan demo`, in an empty folder and without Ivan's environment variables.
async fn demo(lines: &str) -> Ran {
    let _took = Took::begin();
    let folder = tempfile::tempdir().unwrap();
    let mut child = binary()
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

/// Replaces dates and times that change daily, and the network's own error text.
pub fn any_day(out: &str) -> String {
    let mut text = String::new();
    let mut slow = false;
    for line in out.lines() {
        // Only a busy machine reports a source that has not answered yet.
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
        let line = match line.split_once("Login fails on Safari is waiting: ") {
            Some((before, _)) => format!("{before}Login fails on Safari is waiting: [why]"),
            None => line,
        };
        text.push_str(&line);
        text.push('\n');
    }
    text
}

/// The first lines that the README has a reader type.
pub const README_LINES: [&str; 6] = [
    "current",
    "done",
    "comment shipped in 2.1",
    "create Buy milk",
    "create Fix login -s github -e acme",
    "list",
];

/// The output that the README shows for them.
pub fn from_the_readme() -> String {
    let readme = include_str!("../../README.md");
    let command = format!("$ printf '{}\\n' | ", README_LINES.join("\\n"));
    let (_, behind) = readme.split_once(&command).expect("the lines of the demo");
    let (_, printed) = behind.split_once('\n').unwrap();
    printed.split_once("```").unwrap().0.to_owned()
}

#[tokio::test]
async fn a_newcomer_sees_what_the_readme_shows() {
    let demo = demo(&format!("{}\n", README_LINES.join("\n"))).await;
    assert_eq!(any_day(&demo.out), any_day(&from_the_readme()));
    assert_eq!((demo.exit, demo.err.as_str()), (0, ""));
}

#[tokio::test]
async fn what_is_shown_can_be_pressed_and_spoken_under() {
    let demo =
        demo("press 1\ncurrent\npress 9\npress open\npress 1\npress undo\ncurrent\nthread comment nearly\n")
            .await;
    insta::assert_snapshot!(any_day(&demo.out), @r"
    You are Ana, and this is your DM with Ivan. Slack, ClickUp and GitHub are simulated on this machine.
    Try `current`, then `done`. `as bo current` types as Bo. `help` shows the rest, `!help` breaks things, Ctrl-D ends.

    Ana  › press 1
           (no buttons yet)
    Ana  › current
    Ivan › Renew the certificate
           ClickUp · in review · due today
           The wildcard of acme.test; the order is in the shared mailbox.
           why: client 1000, due today 400
           [1 Done] [2 Next] [3 Comment] [4 Snooze] [5 Open]
    Ana  › press 9
           (no button 9; there are: 1 Done, 2 Next, 3 Comment, 4 Snooze, 5 Open)
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
    Ivan › ✓ Undone: Renew the certificate is in review again in ClickUp. It's your current task again.
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
          “nearly
           — Ana”

    Connect the real ones: `ivan init`
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
    You are Ana, and this is your DM with Ivan. Slack, ClickUp and GitHub are simulated on this machine.
    Try `current`, then `done`. `as bo current` types as Bo. `help` shows the rest, `!help` breaks things, Ctrl-D ends.

    Ana  › submit
           (no form is open; try `shortcut new_task`, or press Comment on a card)
    Ana  › shortcut new_task
           ── New task ──
           1 title:
           2 description:
           3 place: Inbox  (Inbox, acme/widgets)
           4 assignee:  (Ana, Bo)
           5 due:  (YYYY-MM-DD)
           6 entity:
           7 under:
           `fill 1 …` or `fill title …`, then `submit` or `cancel`
    Ana  › submit
           ── New task ──
           1 title:
             ✗ A task needs a title.
           2 description:
           3 place: Inbox  (Inbox, acme/widgets)
           4 assignee:  (Ana, Bo)
           5 due:  (YYYY-MM-DD)
           6 entity:
           7 under:
           `fill 1 …` or `fill title …`, then `submit` or `cancel`
    Ana  › fill title Fix login
           ── New task ──
           1 title: Fix login
           2 description:
           3 place: Inbox  (Inbox, acme/widgets)
           4 assignee:  (Ana, Bo)
           5 due:  (YYYY-MM-DD)
           6 entity:
           7 under:
           `fill 1 …` or `fill title …`, then `submit` or `cancel`
    Ana  › fill 3 acme/widgets
           ── New task ──
           1 title: Fix login
           2 description:
           3 place: acme/widgets  (Inbox, acme/widgets)
           4 assignee:  (Ana, Bo)
           5 due:  (YYYY-MM-DD)
           6 entity:
           7 under:
           `fill 1 …` or `fill title …`, then `submit` or `cancel`
    Ana  › fill due [day]
           ── New task ──
           1 title: Fix login
           2 description:
           3 place: acme/widgets  (Inbox, acme/widgets)
           4 assignee:  (Ana, Bo)
           5 due: 2031-12-01  (YYYY-MM-DD)
           6 entity:
           7 under:
           `fill 1 …` or `fill title …`, then `submit` or `cancel`
    Ana  › submit
           ── New task ──
           1 title: Fix login
           2 description:
           3 place: acme/widgets  (Inbox, acme/widgets)
           4 assignee:  (Ana, Bo)
           5 due: 2031-12-01  (YYYY-MM-DD)
             ✗ GitHub issues have no due [day]
           6 entity:
           7 under:
           `fill 1 …` or `fill title …`, then `submit` or `cancel`
    Ana  › fill place nowhere
           (not one of the choices  (Inbox, acme/widgets))
    Ana  › fill due
           ── New task ──
           1 title: Fix login
           2 description:
           3 place: acme/widgets  (Inbox, acme/widgets)
           4 assignee:  (Ana, Bo)
           5 due:  (YYYY-MM-DD)
           6 entity:
           7 under:
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
           `fill 1 …` or `fill text …`, then `submit` or `cancel`
    Ana  › fill text nearly
           ── Comment ──
           Renew the certificate · ClickUp · in review
           1 text: nearly
           `fill 1 …` or `fill text …`, then `submit` or `cancel`
    Ana  › submit
    Ivan › ✓ Comment added in ClickUp: Renew the certificate
           [1 Undo]
             ClickUp  POST /task/86tst0001/comment → 200
    Ana  › #random The door squeaks
           (not for Ivan: in channels it reads mentions and `create`)
    Ana  › shortcut message
           ── New task ──
           1 title: The door squeaks
           2 description:
           3 place: Inbox  (Inbox, acme/widgets)
           4 assignee:  (Ana, Bo)
           5 due:  (YYYY-MM-DD)
           6 entity:
           7 under:
           `fill 1 …` or `fill title …`, then `submit` or `cancel`
    Ana  › submit
    Ivan › ✓ Task created in ClickUp: The door squeaks  (only you see this)
           [1 Undo]
             ClickUp  POST /list/901100000001/task → 200
    Ana  › shortcut message
    Ivan › ✓ Already a task: The door squeaks · ClickUp · to do  (only you see this)
    Ana  › shortcut new_task
           ── New task ──
           1 title:
           2 description:
           3 place: Inbox  (Inbox, acme/widgets)
           4 assignee:  (Ana, Bo)
           5 due:  (YYYY-MM-DD)
           6 entity:
           7 under:
           `fill 1 …` or `fill title …`, then `submit` or `cancel`
    Ana  › cancel
           (closed)
    Ana  › cancel
           (no form is open; try `shortcut new_task`, or press Comment on a card)

    What has changed in ClickUp and GitHub:
      ClickUp Inbox            in review  Renew the certificate  #client:acme
          “nearly
           — Ana”
      ClickUp Inbox            to do      The door squeaks
      GitHub acme/widgets#12   open       Fix login

    Connect the real ones: `ivan init`
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
        "(Ivan ignores that reaction)",
        "Ivan › ✓ Task completed in ClickUp: Renew the certificate\n       Next:\n       Login fails on Safari\n       GitHub",
        "(you have no such reaction)",
        "Ivan › ✓ Issue started in GitHub: Login fails on Safari. It's your current task.",
        "Ivan › Login fails on Safari · GitHub acme/widgets#7 · open  (only you see this)\n       1101 points: ",
        "Ana  › home\n       7 open · 1 completed today\n       Current\n       Login fails on Safari\n",
        "       [1 Done] [2 Next] [3 Comment] [4 Snooze] [5 Open]\n       Queue\n",
        "       [6 Done] [7 Comment] [8 Snooze] [9 Open]\n",
        "       Settings\n",
        "       Briefing: off (team default)\n       [31 \
         Briefing at … ▾]\n",
        "Ivan › ✓ Briefing on working days at 8:15 (Europe/Madrid)",
        "[31 Briefing at 08:15 ▾] [32 Turn off] [33 Use team default]\n",
        "(that button takes no time)",
        "(add a time: `press 2 08:30`)",
        "Ana  › press 1\nIvan › ✓ Issue closed in GitHub: Login fails on Safari\n       Next:\n       Update the base image\n",
        "Ivan › ✓ Undone: Login fails on Safari is open again in GitHub",
        "Ivan › ✓ Comment added in GitHub: Login fails on Safari  (only you see this)\n       [1 Undo]\n",
        "Ivan › ✓ Undone: your comment on Login fails on Safari was deleted in GitHub  (only you see this)\n",
        "(that message has no buttons)",
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
        demo.out.ends_with(
            "Nothing has changed in ClickUp and GitHub.\n\nConnect the real ones: `ivan init`\n"
        ),
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
    You are Ana, and this is your DM with Ivan. Slack, ClickUp and GitHub are simulated on this machine.
    Try `current`, then `done`. `as bo current` types as Bo. `help` shows the rest, `!help` breaks things, Ctrl-D ends.

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
           (no open task has these words in its title)
    Ana  › done
    Ivan › ✓ Note: Renew the certificate was already complete in ClickUp, by Bo on [time] (completed externally)
           Next:
           Login fails on Safari
           GitHub acme/widgets#7 · open
           Since the update of last week. Works in a private window.
           why: client 1000
           [1 Done] [2 Next] [3 Comment] [4 Snooze] [5 Open]
    Ana  › !down github
           (GitHub is down; your commands for it are queued)
    Ana  › done
    Ivan › … Completion of Login fails on Safari is waiting: [why]
           Next:
           Update the base image
           GitHub acme/widgets#5 · open
           Blocks #2
           why: blocks 1 person 500, high priority 100
           [1 Done] [2 Next] [3 Comment] [4 Snooze] [5 Open]
    Ana  › !up github
           (GitHub is back)
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
           as bo LINE             a line as Bo, in his DM; `as bo` for all lines, `as ana` goes back
           press 1 · press open   a button of the last message; `press 2 08:30` sets a time
           react eyes · unreact … a reaction on the last message; also zzz and white_check_mark
           thread TEXT            a reply in the thread under the last message
           file shot.png LINE     a line with a file
           #general create TITLE  in a channel; `@ivan done` mentions Ivan
           /ivan TEXT             the slash command
           home                   the Home tab; `press` works there too
           shortcut new_task      a form: `fill 1 TEXT`, then `submit` or `cancel`; also `shortcut message`
           !close WORDS           Bo completes the task with these words in its title, without Ivan
           !comment WORDS: TEXT   Bo comments on it
           !lose · !poll          lose the webhooks of Bo's next change · poll both sources
           !down clickup · !up …  ClickUp goes down · comes back; `github` likewise
           !clickup lost · slow   ClickUp's next write succeeds, but the response is lost · takes 6 s
    Ana  › #random hello
           (not for Ivan: in channels it reads mentions and `create`)
    Ana  › #general create Fix login
    Ivan › ✓ Task created in ClickUp: Fix login  (in a thread under it)
           [1 Undo]
             ClickUp  POST /list/901100000001/task → 200
    Ana  › exit

    What has changed in ClickUp and GitHub:
      ClickUp Inbox            complete   Renew the certificate  #client:acme
      ClickUp Inbox            to do      Fix login
      GitHub acme/widgets#7    closed     Login fails on Safari

    Connect the real ones: `ivan init`
    ");
    assert_eq!(demo.err, "");
    assert_eq!(demo.exit, 0);
}

/// Each answer is one line; after a lost answer the task is found, made once.
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
    let queued = at("Ivan › … Creation of Buy milk");
    assert!(at("POST /list/901100000001/task → connection lost") > queued);
    assert!(at("Ivan › ✓ Task created in ClickUp: Buy milk") > queued);
    assert!(at("Ivan › … Creation of Fix login") > queued);
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
    let begins = "You are Ana, and this is your DM with Ivan.";
    assert!(demo.out.starts_with(begins), "{}", demo.out);
    assert!(demo.out.ends_with(
        "\nNothing has changed in ClickUp and GitHub.\n\nConnect the real ones: `ivan init`\n"
    ));
}

/// Expects these texts in this order.
#[track_caller]
fn follow(out: &str, all: &[&str]) {
    let mut rest = out;
    for words in all {
        let found = rest.split_once(words);
        (_, rest) = found.unwrap_or_else(|| panic!("`{words}` does not follow in:\n{out}"));
    }
}

#[tokio::test]
async fn a_thread_in_a_channel_becomes_a_task_and_a_thread_is_attached() {
    let demo = demo(
        "#general The login page hangs since noon\nthread It is only on Safari\n\
         thread create Fix the login -s github -d seen by three\nthread attach #1\nthread @ivan attach #2\n\
         #general Who knows the docs?\nthread @ivan attach #2\nthread @ivan undo\n",
    )
    .await;
    assert_eq!((demo.exit, demo.err.as_str()), (0, ""));
    follow(
        &demo.out,
        &[
            "Ana  › thread It is only on Safari\n       (not for Ivan: in channels it reads mentions and `create`)\n",
            "Ivan › ✓ Issue created in GitHub: Fix the login",
            "Ana  › thread attach #1\n       (not for Ivan: in channels it reads mentions and `create`)\n",
            "Ivan › ✗ This thread already belongs to Fix the login",
            "Ivan › ✓ Thread attached to Export to CSV loses the time zone: its comments appear here, and after mentioning me",
            "Ivan › ✓ Undone: the thread is no longer attached to Export to CSV loses the time zone",
        ],
    );
}

#[tokio::test]
async fn a_file_goes_along_as_a_link() {
    let demo = demo(
        "file\nfile shot.png\nfile shot.png create Fix login -s github\n\
         file a.png #general @ivan comment on #2: see there\nfile a.png #general hello\n",
    )
    .await;
    assert_eq!((demo.exit, demo.err.as_str()), (0, ""));
    follow(
        &demo.out,
        &[
            "Ana  › file\n       (try `file shot.png create Fix login`)\n",
            "Ivan › ✗ This is a file (`shot.png`) without a command.",
            "Ivan › ✓ Issue created in GitHub: Fix login",
            "with a link to shot.png",
            "Ivan › ✓ Comment added in GitHub: Export to CSV loses the time zone",
            "with a link to a.png",
            "(not for Ivan: in channels it reads mentions and `create`)\n",
        ],
    );
}

/// The demo sees that each gets no answer; waiting for them would take minutes.
#[tokio::test]
async fn what_nobody_answers_is_not_waited_for() {
    let demo = demo(
        "list\nreact zzz\nreact tada\nunreact zzz\ndone 2\nreact eyes\ncomment nearly\nreact zzz\n#random create x\n\
         #random @ivan done\nthread\nhome\npress briefing 25:00\n/ivan why\nthread hello\nreact eyes\npress 1\n\
         #general create Fix login\nthread comment nearly\nthread  \\n \n!close Book the room\nshortcut message 99\n",
    )
    .await;
    assert_eq!((demo.exit, demo.err.as_str()), (0, ""));
    follow(
        &demo.out,
        &[
            "Ana  › react zzz\n       (Ivan ignores that reaction)\n",
            "Ana  › react tada\n       (Ivan ignores that reaction)\n",
            "Ana  › unreact zzz\n       (Ivan ignores that reaction)\n",
            "Ana  › react eyes\nIvan › ✗ That message shows two tasks",
            "Ana  › react zzz\n       (Ivan ignores that reaction)\n",
            "Ana  › #random create x\n       (Ivan is not in #random)\n",
            "Ana  › #random @ivan done\n       (Ivan is not in #random)\n",
            "Ana  › thread\n       (try `thread TEXT` after a message of Ivan)\n",
            "Ana  › press briefing 25:00\n       (not a time; try `press 2 08:30`)\n",
            "Ana  › thread hello\n       (a message that only you see has no thread and no reactions)\n",
            "Ana  › react eyes\n       (a message that only you see has no thread and no reactions)\n",
            "Ana  › press 1\n       (that message has no buttons)\n",
            "Ivan › ✓ Task created in ClickUp: Fix login  (in a thread under it)\n",
            "Ana  › thread comment nearly\n       (not for Ivan: in channels it reads mentions and `create`)\n",
            "(try `thread TEXT` after a message of Ivan)\n",
            "(Bo has completed: Book the room for the review)\n",
            "(there are not that many messages)\n",
        ],
    );
    let unanswered = demo.out.matches("(Ivan says nothing to that)").count();
    assert_eq!(unanswered, 0, "{}", demo.out);
}

/// While ClickUp is down: a queued answer, one that only Ana sees, a change that cannot be read, a poll.
#[tokio::test]
async fn a_source_that_is_down_holds_nothing_up() {
    let demo = demo(
        "current\n!down clickup\ndone\n/ivan create Buy milk\n!close invoice\n!poll\nhome\n!down github\n!poll\n!up github\n\
         !up clickup\n",
    )
    .await;
    assert_eq!((demo.exit, demo.err.as_str()), (0, ""));
    follow(
        &demo.out,
        &[
            "Ivan › … Completion of Renew the certificate",
            "Ana  › /ivan create Buy milk\nIvan › … Creation of Buy milk",
            "(only you see this)\n",
            "(Bo has completed: Send the quarterly invoice)\n",
            "Ana  › !poll\n       (ClickUp is down; polled the other: 0 changed)\n",
            "Ana  › home\n",
            "Ana  › !poll\n       (both are down)\n",
            "Ana  › !up github\n       (GitHub is back)\n",
            "Ana  › !up clickup\n       (ClickUp is back)\n",
            "Ivan › ✓ Task completed in ClickUp: Renew the certificate",
            "What has changed in ClickUp and GitHub:\n",
        ],
    );
    for changed in ["complete   Renew the certificate", "to do      Buy milk"] {
        let changed = format!("  ClickUp Inbox            {changed}");
        assert!(demo.out.contains(&changed), "{}", demo.out);
    }
    assert!(
        demo.out
            .contains("Ivan › ✓ Task created in ClickUp: Buy milk  (only you see this)"),
        "{}",
        demo.out
    );
}

/// ClickUp reports one change in two webhooks, GitHub in one; a comment is found by a poll of its own.
#[tokio::test]
async fn what_lost_webhooks_would_have_said_is_told_by_a_poll() {
    let demo = demo(
        "current\n!lose\n!close nothing of that name\n!close Renew\n!poll\n!poll\n!lose\n!close Safari\n!poll\n\
         !close invoice\n!lose\n!comment runbook: seen again\n!poll\n",
    )
    .await;
    assert_eq!((demo.exit, demo.err.as_str()), (0, ""));
    let closed = |title: &str| {
        format!(
            "(Bo has completed: {title})\n       (no notice: the webhooks were lost)\nAna  › !poll\n       (polled \
             both: 1 changed)\nIvan › {title} was "
        )
    };
    follow(
        &demo.out,
        &[
            "(no open task has these words in its title)\n",
            &closed("Renew the certificate"),
            "Ana  › !poll\n       (polled both: 0 changed)\nAna  › !lose\n",
            &closed("Login fails on Safari"),
            "(Bo has completed: Send the quarterly invoice)\nIvan › Send the quarterly invoice was completed in ClickUp by Bo",
            "(Bo has commented on: Write the runbook for the new cluster)\n       (no notice: the webhooks were lost)\n",
            "Ana  › !poll\n       (polled both: ",
            "Ivan › Bo commented on Write the runbook for the new cluster in ClickUp: “seen again”\n",
        ],
    );
}

/// The Home tab stays open behind answers in the DM, and its numbers keep their meaning.
#[tokio::test]
async fn every_button_of_the_home_tab_works_after_one_was_pressed() {
    let demo = demo(
        "home\npress mute\npress 5\npress briefing 8:20\npress 1\npress 42\npress 10\nfill 1 nearly\nsubmit\npress 99\n\
         press 12\nhome\npress unmute\ncurrent\npress 5\n",
    )
    .await;
    assert_eq!((demo.exit, demo.err.as_str()), (0, ""));
    follow(
        &demo.out,
        &[
            "Ana  › home\n       8 open · 0 completed today\n",
            "       [5 Done] [6 Comment] [7 Snooze] [8 Open]\n",
            "Ana  › press mute\nIvan › ✓ Notices are off",
            "Ana  › press 5\nIvan › ✓ Issue closed in GitHub: Login fails on Safari\n",
            "Ana  › press briefing 8:20\nIvan › ✓ Briefing on working days at 8:20",
            "Ana  › press 1\nIvan › ✓ Task completed in ClickUp: Renew the certificate\n",
            // Its numbers continue those of the tab.
            "       [37 Done] [38 Next] [39 Comment] [40 Snooze] [41 Open]\n       [42 Undo]\n",
            "Ana  › press 42\nIvan › ✓ Undone: Renew the certificate is in review again in ClickUp",
            "Ana  › press 10\n       ── Comment ──\n       Update the base image · GitHub",
            "Ana  › submit\nIvan › ✓ Comment added in GitHub: Update the base image\n",
            "Ana  › press 99\n       (no button 99; there are: 1 Done, 2 Comment, 3 Snooze, 4 Open, 5 Done, 6 Comment, 7 Snooze, 8 Open, 9 Done, 10 Comment, …)\n",
            "Ana  › press 12\n       (opens https://github.com/acme/widgets/issues/5)\n",
            "Ana  › press unmute\nIvan › ✓ Notices are on",
            "Ana  › current\nIvan › ",
            "       [1 Done] [2 Next] [3 Comment] [4 Snooze] [5 Open]\nAna  › press 5\n       (opens https://",
        ],
    );
}

/// Bo has his own queue, his answers have his name, and Ana's card stays the one that she presses.
#[tokio::test]
async fn two_people_talk_with_ivan() {
    let demo = demo(
        "as\nas sol current\nlist\nas bo list\ncurrent\nas bo current\npress comment\nfill 1 nearly\nas bo press done\n\
         submit\nassign @bo\nas bo\nlist\n/ivan whoami\nas @Ana\n!lose\n!close Bump\nwhoami\n!quit\nlist\n",
    )
    .await;
    assert_eq!((demo.exit, demo.err.as_str()), (0, ""));
    follow(
        &demo.out,
        &[
            "Ana  › as\n       (you can be Ana or Bo: ",
            "Ana  › as sol current\n       (you can be Ana or Bo: ",
            "Ana  › list\nIvan › 1. Renew the certificate",
            "Ana  › as bo list\nIvan to Bo › 1. ",
            "Ana  › current\nIvan › Renew the certificate\n",
            "Ana  › as bo current\nIvan to Bo › ",
            "Ana  › press comment\n       ── Comment ──\n       Renew the certificate · ",
            "Ana  › as bo press done\nIvan to Bo › ✓ Task completed in ClickUp: Order a new label printer\n",
            "Ana  › submit\nIvan › ✓ Comment added in ClickUp: Renew the certificate\n",
            "Ana  › assign @bo\nIvan › ✓ ",
            "Ivan to Bo › Renew the certificate was assigned to you in ClickUp by Ana",
            "Ana  › as bo\n       (you are Bo now; `as ana` changes that)\n",
            "Bo   › list\nIvan to Bo › 1. Renew the certificate",
            "Bo   › /ivan whoami\nIvan to Bo › ",
            "Bo   › as @Ana\n       (you are Ana now; `as bo` changes that)\n",
            "Ana  › !quit\n\nWhat has changed",
            "\nConnect the real ones: `ivan init`\n",
        ],
    );
}
