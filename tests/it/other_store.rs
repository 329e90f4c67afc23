//! Slack keeps messages when the store is replaced by an older copy, or removed. Buttons, forms, numbers and threads
//! from the lost time then keep their meaning, or have none; they never mean another task.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ivan::sandbox::fault_server::{Fault, FaultKind, Gate};
use ivan::sandbox::slack::PostedMessage;
use rstest::rstest;
use serde_json::{Value, json};

use crate::gestures::*;
use crate::harness::*;

const TOLD: &str = "✗ That button is from an older version. Type `current`.";
const GENERAL: &str = "C0GEN01";

fn three_tasks() -> Setup {
    Setup::new().clickup_tasks([
        json!({"name": "Renew cert", "priority": 1}),
        json!({"name": "Write the runbook", "priority": 2}),
        json!({"name": "Order labels", "priority": 3}),
    ])
}

/// Copies the store while the daemon runs.
fn copied(ivan: &Ivan) -> PathBuf {
    let copy = ivan.folder().join("copy.db");
    let _ = std::fs::remove_file(&copy);
    let into = copy.to_str().unwrap().to_owned();
    ivan.store().execute("VACUUM INTO ?1", [into]).unwrap();
    copy
}

/// The file with the marks of the store.
fn marks_of(ivan: &Ivan) -> PathBuf {
    ivan.folder().join("ivan.db.generation")
}

/// Copies the store and its marks, both of the same instant, as a snapshot of the machine would.
fn snapshot(ivan: &Ivan) -> (PathBuf, Vec<u8>) {
    loop {
        let marks = std::fs::read(marks_of(ivan)).unwrap();
        let copy = copied(ivan);
        // Each commit changes the marks.
        if std::fs::read(marks_of(ivan)).unwrap() == marks {
            return (copy, marks);
        }
    }
}

/// Puts a snapshot back in the place of the store.
fn puts_back(ivan: &Ivan, (copy, marks): (PathBuf, Vec<u8>)) {
    for name in ["ivan.db", "ivan.db-wal", "ivan.db-shm"] {
        let _ = std::fs::remove_file(ivan.folder().join(name));
    }
    std::fs::rename(copy, ivan.folder().join("ivan.db")).unwrap();
    std::fs::write(marks_of(ivan), marks).unwrap();
}

/// People delete their messages from after the copy. Messages that stay in the DMs' history are processed again, which
/// is another story: here only the answers stay.
fn takes_back_what_it_does_not_know(ivan: &Ivan, copy: &Path) {
    let copy = rusqlite::Connection::open(copy).unwrap();
    let knows = |ts: &str| -> bool {
        let sql =
            "SELECT EXISTS (SELECT 1 FROM slack_events WHERE json_extract(heard, '$.ts') = ?1)";
        copy.query_row(sql, [ts], |row| row.get(0)).unwrap()
    };
    for who in [ANA, BO] {
        let dm = ivan.slack().dm(who);
        for message in ivan.slack().messages(&dm) {
            let ts = message["ts"].as_str().unwrap();
            if message["user"] == who && !knows(ts) {
                ivan.slack().deletes(&dm, ts);
            }
        }
    }
}

/// Stops the daemon and replaces its store by `copy`, or removes it.
async fn loses_the_store(ivan: &mut Ivan, copy: Option<PathBuf>) {
    assert!(ivan.stop().await.success());
    for name in ["ivan.db", "ivan.db-wal", "ivan.db-shm"] {
        let _ = std::fs::remove_file(ivan.folder().join(name));
    }
    if let Some(copy) = copy {
        takes_back_what_it_does_not_know(ivan, &copy);
        std::fs::copy(copy, ivan.folder().join("ivan.db")).unwrap();
    }
}

/// A message of Ivan's as last seen.
struct Old {
    posted: PostedMessage,
}

impl Old {
    fn of(answer: &Answer<'_>) -> Old {
        Old {
            posted: answer.posted(),
        }
    }

    /// The action id of button number `nth` with that label.
    fn action(&self, label: &str, nth: usize) -> String {
        let blocks = self.posted.blocks.as_array().unwrap().iter();
        let elements = blocks.flat_map(|block| {
            let rows = block["elements"].as_array().cloned().unwrap_or_default();
            rows.into_iter().chain([block["accessory"].clone()])
        });
        let mut named = elements.filter(|element| element["text"]["text"] == label);
        let found = named
            .nth(nth)
            .unwrap_or_else(|| panic!("{label}: {:#?}", self.posted));
        found["action_id"].as_str().unwrap().to_owned()
    }

    async fn pressed(&self, ivan: &Ivan, label: &str, nth: usize) -> String {
        let told = ivan.is_told(ANA);
        let dm = ivan.slack().dm(ANA);
        ivan.slack()
            .clicks(ANA, &dm, &self.posted.ts, &self.action(label, nth));
        told.settles().await.text()
    }
}

fn row(ivan: &Ivan, title: &str) -> i64 {
    ivan.sql(&format!(
        "SELECT ifnull(max(id), 0) FROM tasks WHERE title = '{title}'"
    ))
}

fn wrote(ivan: &Ivan) -> usize {
    let of = |front: &ivan::sandbox::fault_server::FaultServer| {
        let seen = front.journal().into_iter();
        seen.filter(|one| one.method != "GET").count()
    };
    of(ivan.clickup().front()) + of(ivan.github().front())
}

/// Messages in the DM from the lost time.
struct Lost {
    /// A list of all tasks.
    list: Old,
    /// A message with an Undo button.
    commented: Old,
    /// The task whose row belongs to another task after the restore.
    title: String,
}

/// Makes tasks whose records are lost. They are deleted, and another is made, before the daemon sees either change.
async fn with_rows_that_differ(ivan: &mut Ivan) -> Lost {
    ivan.dm(ANA, "current").await;
    let copy = copied(ivan);
    let mut made = Vec::new();
    for n in 0..6 {
        let title = format!("Lost {n}");
        let body = json!({"title": title});
        let (status, _) = ivan.http("POST", "/tasks", Some(body)).await;
        assert_eq!(status, 200);
        made.push((title.clone(), row(ivan, &title)));
    }
    let commented = Old::of(&ivan.dm(ANA, "comment nearly").await);
    let list = Old::of(&ivan.dm(ANA, "list").await);
    loses_the_store(ivan, Some(copy)).await;
    for (title, _) in &made {
        ivan.clickup().delete_task(title);
    }
    ivan.clickup()
        .add_task(json!({"name": "Call Bo", "priority": 1}));
    ivan.start().await;
    let call = row(ivan, "Call Bo");
    let same = made.iter().find(|(_, row)| *row == call);
    let (title, _) = same.unwrap_or_else(|| panic!("no row is two tasks: {made:?}, {call}"));
    Lost {
        list,
        commented,
        title: title.clone(),
    }
}

impl Lost {
    /// The line of the list for a task.
    fn line_of(&self, title: &str) -> usize {
        let blocks = self.list.posted.blocks.as_array().unwrap();
        let is_of = |block: &Value| block["text"]["text"].to_string().contains(title);
        blocks.iter().position(is_of).unwrap()
    }
}

#[tokio::test]
async fn a_button_of_a_list_from_a_time_that_was_lost_completes_no_other_task() {
    ivan_test(three_tasks(), async |ivan| {
        let lost = with_rows_that_differ(ivan).await;
        let line = lost.line_of(&lost.title);
        assert_eq!(lost.list.pressed(ivan, "Done", line).await, TOLD);
        for title in ["Call Bo", "Renew cert", "Write the runbook", "Order labels"] {
            ivan.clickup().task(title).is("to do");
        }
        // A row of both times keeps its meaning.
        let line = lost.line_of("Write the runbook");
        let told = lost.list.pressed(ivan, "Done", line).await;
        assert!(
            told.starts_with("✓ Task completed in ClickUp: Write the runbook"),
            "{told}"
        );
        ivan.clickup().task("Call Bo").is("to do");
    })
    .await;
}

#[tokio::test]
async fn an_undo_from_a_time_that_was_lost_takes_back_nothing_newer() {
    ivan_test(three_tasks(), async |ivan| {
        let lost = with_rows_that_differ(ivan).await;
        let call = ivan.clickup().task("Call Bo").id().to_owned();
        // As many commands as in the lost time.
        let path = format!("/tasks/clickup%3A{call}/comment");
        let texts = ["1", "2", "3", "4", "5", "6", "7", "8", "9"];
        for text in texts {
            let (status, _) = ivan.http("POST", &path, Some(json!({"text": text}))).await;
            assert_eq!(status, 200);
        }
        assert_eq!(lost.commented.pressed(ivan, "Undo", 0).await, TOLD);
        ivan.clickup().task("Call Bo").has_comments(texts);
        ivan.clickup().task("Renew cert").has_comments(["nearly"]);
    })
    .await;
}

#[tokio::test]
async fn every_button_of_a_card_whose_task_is_not_there_any_more_is_answered_and_does_nothing() {
    ivan_test(three_tasks(), async |ivan| {
        ivan.dm(ANA, "current").await;
        let copy = copied(ivan);
        ivan.dm(ANA, "create Buy milk").await.begins("✓ ");
        let milk = ivan.clickup().task("Buy milk").id().to_owned();
        let card = Old::of(&ivan.dm(ANA, &format!("start clickup:{milk}")).await);
        assert!(card.posted.text.starts_with('✓'));
        let card = Old::of(&ivan.dm(ANA, "current").await);
        ivan.opens_home(ANA).await;
        let home = ivan.home(ANA).unwrap()["blocks"].clone();
        loses_the_store(ivan, Some(copy)).await;
        ivan.clickup().delete_task(&milk);
        ivan.clickup().add_task(json!({"name": "Call Bo"}));
        ivan.start().await;
        let before = wrote(ivan);
        for label in ["Done", "Next", "Snooze"] {
            assert_eq!(card.pressed(ivan, label, 0).await, TOLD, "{label}");
        }
        // A form that does not open causes an ephemeral notice at its place.
        let (dm, told) = (ivan.slack().dm(ANA), whispers(ivan.slack(), ANA).len());
        ivan.slack()
            .clicks(ANA, &dm, &card.posted.ts, &card.action("Comment", 0));
        ivan.is_whispered(ANA, told, |text| text == TOLD).await;
        for sign in ["white_check_mark", "zzz", "eyes"] {
            ivan.is_silent_after(ANA, |slack, _| {
                slack.reacts(ANA, &dm, &card.posted.ts, sign)
            })
            .await;
        }
        // The Home tab is still the one published last.
        let action = home.to_string();
        let action = action.split(&format!("\"done:clickup:{milk}")).count();
        assert!(action > 1, "it was there: {home:#}");
        let told = ivan.is_told(ANA);
        ivan.slack()
            .clicks_home(ANA, &format!("done:clickup:{milk}"));
        told.settles().await.replies(TOLD);
        assert_eq!(wrote(ivan), before);
        assert_eq!(ivan.sql::<i64>("SELECT count(*) FROM snoozes"), 0);
        assert!(modals(ivan.slack()).is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_removed_store_knows_the_tasks_of_old_buttons_and_no_commands() {
    ivan_test(three_tasks(), async |ivan| {
        let list = Old::of(&ivan.dm(ANA, "list").await);
        ivan.dm(ANA, "done 3")
            .await
            .begins("✓ Task completed in ClickUp: Order labels");
        let commented = Old::of(&ivan.dm(ANA, "comment on 1: nearly").await);
        let first = row(ivan, "Write the runbook");
        loses_the_store(ivan, None).await;
        // Row ids follow the order of reading.
        ivan.clickup().add_task(json!({"name": "Call Bo"}));
        ivan.clickup().delete_task("Renew cert");
        ivan.start().await;
        assert_ne!(row(ivan, "Write the runbook"), first);
        assert_eq!(
            list.pressed(ivan, "Done", 0).await,
            TOLD,
            "Renew cert is gone from ClickUp"
        );
        assert_eq!(commented.pressed(ivan, "Undo", 0).await, TOLD);
        let told = list.pressed(ivan, "Done", 1).await;
        assert!(
            told.starts_with("✓ Task completed in ClickUp: Write the runbook"),
            "{told}"
        );
        ivan.clickup().task("Call Bo").is("to do");
        // Numbers of a list that this store never showed.
        ivan.dm(ANA, "done 1").await.begins("✗ ");
        ivan.clickup().task("Call Bo").is("to do");
    })
    .await;
}

#[tokio::test]
async fn a_form_that_was_open_means_its_task_and_its_person() {
    let people = |first: &str, second: &str| {
        let one = |name: &str| match name {
            "Ana" => {
                "[[people]]\nname = \"Ana\"\nslack = \"U0ANN01\"\ngithub = \"ana\"\nclickup = \"4242\"\n"
            }
            _ => {
                "[[people]]\nname = \"Bo\"\nslack = \"U0BOB01\"\ngithub = \"bo\"\nclickup = \"4243\"\n"
            }
        };
        format!("{}{}", one(first), one(second))
    };
    let setup = Setup::new().clickup_tasks([
        json!({"name": "Renew cert", "priority": 1, "assignees": [ANA_CLICKUP]}),
        json!({"name": "Write the runbook", "assignees": [ANA_CLICKUP]}),
    ]);
    let setup = setup.config(&people("Ana", "Bo"));
    ivan_test(setup, async |ivan| {
        let card = Old::of(&ivan.dm(ANA, "current").await);
        let dm = ivan.slack().dm(ANA);
        let action = card.action("Comment", 0);
        ivan.slack().clicks(ANA, &dm, &card.posted.ts, &action);
        ivan.form(1).await;
        ivan.slack().shortcut(ANA, "new_task");
        ivan.form(2).await;
        let called = |name: &str| {
            let mut open = modals(ivan.slack()).into_iter();
            open.find(|view| view["callback_id"] == name).unwrap()
        };
        let (comment, create) = (called("ivan_comment"), called("ivan_create"));
        loses_the_store(ivan, None).await;
        // In another order they have each other's rows.
        ivan.reconfigure(|_| Setup::new().config(&people("Bo", "Ana")));
        ivan.clickup()
            .add_task(json!({"name": "Call Bo", "assignees": [ANA_CLICKUP]}));
        ivan.start().await;
        let create = Form::of(ivan, create);
        let told = ivan.is_told(ANA);
        let fields = [("title", "Fix login"), ("assignee", "Bo")];
        assert!(create.submits(ANA, &fields).await.is_null());
        told.settles()
            .await
            .begins("✓ Task created in ClickUp: Fix login");
        let made = ivan.clickup().task("Fix login").json();
        assert_eq!(made["assignees"][0]["id"], BO_CLICKUP, "{made:#}");
        let comment = Form::of(ivan, comment);
        let told = ivan.is_told(ANA);
        assert!(comment.submits(ANA, &[("text", "shipped")]).await.is_null());
        told.settles()
            .await
            .replies("✓ Comment added in ClickUp: Renew cert");
    })
    .await;
}

// ------------------------------------------------------------ typed commands

#[tokio::test]
async fn what_was_shown_in_a_time_that_was_lost_is_not_completed_by_guess() {
    ivan_test(three_tasks(), async |ivan| {
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        ivan.dm(ANA, "comment nearly").await.begins("✓ ");
        let copy = copied(ivan);
        ivan.dm(ANA, "next").await.mentions("Write the runbook");
        ivan.dm(ANA, "comment started").await.begins("✓ ");
        loses_the_store(ivan, Some(copy)).await;
        ivan.start().await;
        // She means the runbook; the store has the certificate.
        ivan.dm(ANA, "undo")
            .await
            .begins("✗ I was restored from a backup older than your last actions");
        ivan.clickup().task("Renew cert").has_comments(["nearly"]);
        ivan.dm(ANA, "done")
            .await
            .begins("✗ No current task, so nothing changed");
        for title in ["Renew cert", "Write the runbook", "Order labels"] {
            ivan.clickup().task(title).is("to do");
        }
        // A task shown since then is meant; after a restart too.
        ivan.dm(ANA, "done")
            .await
            .begins("✓ Task completed in ClickUp: Renew cert");
        ivan.dm(ANA, "undo").await.begins("✓ Undone: ");
        ivan.kill_and_restart().await;
        ivan.dm(ANA, "done")
            .await
            .begins("✓ Task completed in ClickUp: Renew cert");
        ivan.clickup().task("Write the runbook").is("to do");
    })
    .await;
}

#[tokio::test]
async fn a_number_of_a_list_from_a_time_that_was_lost_completes_nothing() {
    ivan_test(three_tasks(), async |ivan| {
        ivan.dm(ANA, "list").await.mentions("2. Write the runbook");
        let copy = copied(ivan);
        let labels = ivan.clickup().task("Order labels").id().to_owned();
        ivan.dm(ANA, &format!("prio clickup:{labels} urgent"))
            .await
            .begins("✓ ");
        ivan.dm(ANA, "list").await.mentions("2. Order labels");
        loses_the_store(ivan, Some(copy)).await;
        ivan.start().await;
        ivan.dm(ANA, "done 2").await.begins("✗ ");
        // The same with a slash command: its author has seen the messages in their DM.
        let told = ivan.slash(ANA, GENERAL, "done 2").await;
        assert!(told.starts_with('✗'), "{told}");
        for title in ["Renew cert", "Write the runbook", "Order labels"] {
            ivan.clickup().task(title).is("to do");
        }
        ivan.dm(ANA, "list").await.begins("1. ");
        ivan.dm(ANA, "done 1")
            .await
            .begins("✓ Task completed in ClickUp: ");
    })
    .await;
}

#[tokio::test]
async fn an_offer_from_a_time_that_was_lost_changes_nothing() {
    ivan_test(three_tasks(), async |ivan| {
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        ivan.dm(ANA, "list").await;
        let copy = copied(ivan);
        ivan.dm(ANA, "next").await;
        let current = Old::of(&ivan.dm(ANA, "dnoe").await);
        let number = Old::of(&ivan.dm(ANA, "dnoe 2").await);
        loses_the_store(ivan, Some(copy)).await;
        ivan.start().await;
        let before = wrote(ivan);
        assert_eq!(current.pressed(ivan, "done", 0).await, TOLD);
        assert_eq!(number.pressed(ivan, "done 2", 0).await, TOLD);
        assert_eq!(wrote(ivan), before);
    })
    .await;
}

#[tokio::test]
async fn a_thread_under_a_message_that_the_store_does_not_know_is_not_the_current_task() {
    ivan_test(three_tasks(), async |ivan| {
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        let copy = copied(ivan);
        let lost = ivan.dm(ANA, "next").await.ts();
        let asked = ivan.says_in("general", ANA, "create Buy milk");
        let root = asked.ts.clone();
        asked.settles().await.begins("✓ ");
        loses_the_store(ivan, Some(copy)).await;
        ivan.start().await;
        const TOLD: &str =
            "✗ I don't remember which task this thread is about, so nothing changed.";
        // So that this store has shown the current task.
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        for text in ["done", "comment seen", "start"] {
            ivan.says_under(ANA, &lost, text)
                .settles()
                .await
                .begins(TOLD);
        }
        let general = ivan.slack().channel("general");
        let mention = format!("<@{}> done", ivan.slack().bot_user());
        ivan.slack().says_in_thread(ANA, &general, &root, &mention);
        let answered = |slack: &ivan::sandbox::slack::SandboxSlack| {
            slack
                .replies_to(&general, &root)
                .iter()
                .any(|reply| shown(&reply.text).starts_with(TOLD))
        };
        ivan.within("it is answered", ivan.slack().until(answered))
            .await;
        for title in ["Renew cert", "Write the runbook", "Buy milk"] {
            ivan.clickup().task(title).is("to do");
        }
        // With a REF, a command works there as well.
        let cert = ivan.clickup().task("Renew cert").id().to_owned();
        ivan.says_under(ANA, &lost, &format!("done clickup:{cert}"))
            .settles()
            .await
            .begins("✓ Task completed in ClickUp: Renew cert");
    })
    .await;
}

#[tokio::test]
async fn a_page_of_another_store_is_not_gone_on_with() {
    ivan_test(three_tasks(), async |ivan| {
        let (_, page) = ivan.http("GET", "/tasks?limit=2", None).await;
        let of_tasks = page["next_cursor"].as_str().unwrap().to_owned();
        let (status, rest) = ivan
            .http("GET", &format!("/tasks?limit=2&cursor={of_tasks}"), None)
            .await;
        assert_eq!(
            (status, rest["tasks"].as_array().unwrap().len()),
            (200, 1),
            "{rest}"
        );
        for n in 0..3 {
            ivan.dm(ANA, &format!("create Task {n}")).await.begins("✓ ");
        }
        let (_, page) = ivan.http("GET", "/log?limit=1", None).await;
        let of_log = page["next_cursor"].as_str().unwrap().to_owned();
        let (status, rest) = ivan
            .http("GET", &format!("/log?limit=1&cursor={of_log}"), None)
            .await;
        assert_eq!(
            (status, rest["entries"].as_array().unwrap().len()),
            (200, 1),
            "{rest}"
        );
        let named: Value = json!(["Renew cert", "Write the runbook", "Order labels"]);
        loses_the_store(ivan, None).await;
        for title in named.as_array().unwrap() {
            ivan.clickup().delete_task(title.as_str().unwrap());
        }
        ivan.start().await;
        for n in 0..3 {
            ivan.dm(ANA, &format!("create Other {n}"))
                .await
                .begins("✓ ");
        }
        for path in [
            format!("/tasks?limit=2&cursor={of_tasks}"),
            format!("/log?limit=1&cursor={of_log}"),
            "/tasks?cursor=2".to_owned(),
            "/log?cursor=2".to_owned(),
        ] {
            let (status, problem) = ivan.http("GET", &path, None).await;
            assert_eq!(status, 422, "{path}: {problem}");
            let detail = problem["detail"].as_str().unwrap();
            assert!(detail.contains("Start with the first page"), "{detail}");
        }
    })
    .await;
}

/// A snapshot of the whole machine is put back, with the file of the marks: only the answer in the DM shows that the store
/// is an older copy. A command that waits in it was done since, and its person was told.
#[rstest]
#[case::comment("comment on #1: shipped", "✓ Comment added")]
#[case::create("create Order paper -s github", "✓ Issue created")]
#[case::done("done #1", "✓ Issue closed")]
#[case::several("done #1 #2", "✓ 2 of 2 tasks")]
#[tokio::test]
async fn a_command_of_a_snapshot_that_was_done_since_is_not_done_again(
    #[case] typed: &str,
    #[case] done: &str,
) {
    ivan_test(two_issues(), async |ivan| {
        ivan.dm(ANA, "current").await.mentions("Login fails");
        ivan.github().front().down();
        ivan.says(ANA, typed).answers().await.begins("…");
        ivan.until_messages_are_recorded().await;
        let snapshot = snapshot(ivan);
        ivan.github().front().up();
        ivan.answer(ANA, 1).settles().await.begins(done);
        ivan.until_messages_are_recorded().await;
        ivan.kill().await;
        let written = wrote(ivan);
        puts_back(ivan, snapshot);
        ivan.start().await;
        ivan.logs("a direct message has answers that the store lacks")
            .await;
        ivan.until_nothing_is_queued().await;
        ivan.until_messages_are_recorded().await;
        assert_eq!(wrote(ivan), written, "{}", ivan.log());
        let answer = ivan.answer(ANA, 1).settles().await;
        answer.begins(done);
        assert!(!answer.text().contains("externally"), "{}", answer.text());
    })
    .await;
}

/// A second snapshot, of a store that was put back before, is noticed like the first: the answer said in it that the comment
/// waits, or there was none yet.
#[rstest]
#[case::told_that_it_waits(true)]
#[case::not_told_yet(false)]
#[tokio::test]
async fn each_snapshot_that_is_put_back_is_noticed(#[case] told: bool) {
    ivan_test(two_issues(), async |ivan| {
        ivan.dm(ANA, "current").await.mentions("Login fails");
        for (place, text) in (1..).zip(["shipped", "tested", "announced"]) {
            let gate = Gate::new();
            let held = Fault::new(FaultKind::Wait(gate.clone())).on("GET", "/issues/1");
            match told {
                true => ivan.github().front().down(),
                false => ivan.github().front().fault(held),
            }
            let typed = ivan.says(ANA, &format!("comment on #1: {text}"));
            if told {
                typed.answers().await.begins("…");
                ivan.until_messages_are_recorded().await;
            }
            ivan.within("the comment waits", async {
                let waits = "SELECT count(*) FROM operations WHERE state = 'pending'";
                while ivan.sql::<i64>(waits) == 0 {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            })
            .await;
            let snapshot = snapshot(ivan);
            gate.open();
            ivan.github().front().up();
            let done = "✓ Comment added";
            ivan.answer(ANA, place).settles().await.begins(done);
            ivan.until_messages_are_recorded().await;
            ivan.kill().await;
            let written = wrote(ivan);
            puts_back(ivan, snapshot);
            ivan.start().await;
            ivan.logs("a direct message has answers that the store lacks")
                .await;
            ivan.until_nothing_is_queued().await;
            ivan.until_messages_are_recorded().await;
            assert_eq!(wrote(ivan), written, "{}", ivan.log());
            ivan.answer(ANA, place).settles().await.begins(done);
        }
        assert_eq!(ivan.github().issue(REPO, 1).comments().len(), 3);
    })
    .await;
}

/// The answer was posted after the snapshot, and says that the comment waits. So it is found, although the store has never
/// begun to post it and may give it its words before the DM is compared.
#[tokio::test]
async fn an_answer_that_a_snapshot_lacks_is_not_posted_again() {
    ivan_test(two_issues(), async |ivan| {
        ivan.dm(ANA, "current").await.mentions("Login fails");
        let gate = Gate::new();
        let held = Fault::new(FaultKind::Wait(gate.clone())).on("GET", "/issues/1");
        ivan.github().front().fault(held);
        let typed = ivan.says(ANA, "comment on #1: shipped");
        ivan.within("the comment waits", async {
            let waits = "SELECT count(*) FROM operations WHERE state = 'pending'";
            while ivan.sql::<i64>(waits) == 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        let snapshot = snapshot(ivan);
        ivan.github().front().down();
        gate.open();
        typed.answers().await.begins("…");
        ivan.until_messages_are_recorded().await;
        ivan.kill().await;
        puts_back(ivan, snapshot);
        ivan.launch().await;
        ivan.logs("a direct message has answers that the store lacks")
            .await;
        ivan.github().front().up();
        ivan.answer(ANA, 1)
            .settles()
            .await
            .begins("✓ Comment added");
        assert_eq!(ivan.github().issue(REPO, 1).comments().len(), 1);
    })
    .await;
}

/// The same, and nobody was told: the command came over HTTP. Its trace in the source is searched for.
#[rstest]
#[case::comment_in_github("/comment", json!({"ref": "#1", "text": "shipped"}))]
#[case::comment_in_clickup("/comment", json!({"ref": "Order labels", "text": "shipped"}))]
#[case::create_in_github("/tasks", json!({"title": "Order paper", "source": "github"}))]
#[case::create_in_clickup("/tasks", json!({"title": "Order paper", "source": "clickup"}))]
#[tokio::test]
async fn a_write_of_a_snapshot_that_nobody_was_told_of_is_not_sent_again(
    #[case] path: &str,
    #[case] mut body: Value,
) {
    let world = three_tasks().github_issues([json!({"title": "Login fails"})]);
    ivan_test(world, async |ivan| {
        if body["ref"] == "Order labels" {
            let id = ivan.clickup().task("Order labels").id().to_owned();
            body["ref"] = format!("clickup:{id}").into();
        }
        ivan.github().front().down();
        ivan.clickup().front().down();
        let (status, answer) = ivan
            .http("POST", &format!("{path}?wait=0"), Some(body))
            .await;
        assert_eq!(status, 202, "{answer}");
        let snapshot = snapshot(ivan);
        ivan.github().front().up();
        ivan.clickup().front().up();
        ivan.until_nothing_is_queued().await;
        let written = wrote(ivan);
        ivan.kill().await;
        puts_back(ivan, snapshot);
        ivan.start().await;
        ivan.until_nothing_is_queued().await;
        assert_eq!(wrote(ivan), written, "{}", ivan.log());
        let (applied, attempts): (i64, i64) = (
            ivan.sql("SELECT count(*) FROM operations WHERE state = 'applied'"),
            ivan.sql("SELECT count(*) FROM operations"),
        );
        assert_eq!((applied, attempts), (1, 1));
    })
    .await;
}

/// The snapshot lacks a message. It was carried out since, and the daemon was killed before it answered. So Slack shows
/// nothing of it, and the history of the DM brings it as new.
#[rstest]
#[case::comment_in_github("comment on #1: shipped")]
#[case::comment_in_clickup("comment on clickup:86tst0003: shipped")]
#[case::create_in_github("create Order paper -s github")]
#[case::create_in_clickup("create Order paper -s clickup")]
#[case::done_with_comment("done #1 -c shipped")]
#[tokio::test]
async fn a_message_that_a_snapshot_lacks_and_nobody_answered_is_not_carried_out_again(
    #[case] typed: &str,
) {
    let world = three_tasks().github_issues([json!({"title": "Login fails"})]);
    ivan_test(world, async |ivan| {
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        ivan.until_messages_are_recorded().await;
        let snapshot = snapshot(ivan);
        let slack = ivan.slack().front();
        slack.fault(
            Fault::new(FaultKind::answer(503, "busy"))
                .on("POST", "chat.postMessage")
                .always(),
        );
        ivan.says(ANA, typed);
        ivan.within("it is carried out", async {
            let applied = "SELECT count(*) FROM operations WHERE state = 'applied'";
            let pending = "SELECT count(*) FROM operations WHERE state = 'pending'";
            while ivan.sql::<i64>(applied) == 0 || ivan.sql::<i64>(pending) > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        ivan.kill().await;
        let written = wrote(ivan);
        assert!(written > 0);
        puts_back(ivan, snapshot);
        ivan.slack().front().clear_faults();
        ivan.start().await;
        let answer = ivan.answer(ANA, 1).settles().await;
        answer.begins("✓ ");
        ivan.until_nothing_is_queued().await;
        assert_eq!(wrote(ivan), written, "{}", ivan.log());
    })
    .await;
}
