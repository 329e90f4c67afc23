//! After a history an older copy of the store is restored, and the messages in the DMs are pressed and answered.
//!
//! The copy is taken at a random instant without a write under way. People go on, the daemon is killed, and the copy
//! replaces its store. Changes by hand in the sources make its rows mean other tasks than before. The check: buttons
//! and short commands then change no other task, and nothing in another person's DM. `stale.rs` has copies with work under
//! way, and the fate of commands from after the copy.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use fastrand::Rng;
use ivan::sandbox::slack::PostedMessage;
use rusqlite::Connection;
use serde_json::{Value, json};

use super::driver::{Tally, number, pending};
use super::history::{History, ISSUES, TASKS, Who};
use crate::harness::*;

/// Presses in one history: five answers go to a DM at once, and then one a second.
const PRESSES: usize = 5;
/// The time limit of one step.
const WITHIN: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(10);
const LABELS: [&str; 4] = ["Done", "Next", "Snooze", "Undo"];

/// Whether this follows a history: every eighth one, if people can go on after it.
pub fn follows(history: &History) -> bool {
    history.seed % 8 == 1 && history.ends_calmly()
}

/// A button in a DM.
#[derive(Debug, Clone)]
struct Button {
    who: Who,
    ts: String,
    label: String,
    action: String,
    /// The address of the task above it.
    url: String,
}

/// The state of the sources: by task address, whether the task is complete, and its comments.
pub type World = BTreeMap<String, (bool, Vec<String>)>;

/// Runs it; returns the violations.
pub async fn follow(ivan: &mut Ivan, history: &History, tally: &Tally) -> Vec<String> {
    let mut rng = Rng::with_seed(history.seed ^ 0xbac0);
    ivan.launch().await;
    for who in Who::ALL {
        asks(ivan, who, "list").await;
        asks(ivan, who, "current").await;
    }
    let steps = rng.usize(2..=4);
    let copied_at = rng.usize(..steps);
    let mut copy = None;
    for step in 0..steps {
        if step == copied_at {
            let (folder, after_ms) = (ivan.folder().to_path_buf(), rng.u64(..60));
            copy = Some(tokio::spawn(async move { copied(&folder, after_ms).await }));
        }
        let who = Who::ALL[rng.usize(..2)];
        let text = lost(ivan, history, &mut rng, step);
        asks(ivan, who, &text).await;
    }
    let copy = copy.expect("it was taken").await.unwrap();
    // In any case both people were shown another task, or the list again, after the copy.
    for who in Who::ALL {
        asks(ivan, who, if rng.bool() { "next" } else { "list" }).await;
    }
    let killed_at = newest(ivan);
    ivan.kill().await;
    let assignees = Who::ALL.map(Who::clickup);
    ivan.clickup()
        .add_task(json!({"name": "Made by hand", "assignees": assignees, "priority": 1}));
    let made = ivan.clickup().tasks_named("Lost milk");
    if rng.bool()
        && let Some(task) = made.first()
    {
        ivan.clickup().delete_task(task["id"].as_str().unwrap());
    }
    for name in ["ivan.db", "ivan.db-wal", "ivan.db-shm"] {
        let _ = std::fs::remove_file(ivan.folder().join(name));
    }
    std::fs::rename(copy, ivan.folder().join("ivan.db")).unwrap();
    tally.fault("store put back from an older copy", 1);
    ivan.launch().await;
    settled(ivan).await;
    let mut wrong = Vec::new();
    for who in Who::ALL {
        wrong.extend(done_by_guess(ivan, who, &killed_at).await);
    }
    for _ in 0..PRESSES {
        // A card that is updated after one press may have no buttons for the next.
        let buttons = buttons(ivan);
        let Some(button) = rng.choice(buttons) else {
            break;
        };
        tally.fault(format!("old button pressed: {}", button.label), 1);
        wrong.extend(pressed(ivan, &button).await);
    }
    let status = ivan.stop().await;
    if !status.success() {
        wrong.push(format!("SIGTERM is a success, not {status}"));
    }
    wrong
}

/// A step after the copy, usually a change.
fn lost(ivan: &Ivan, history: &History, rng: &mut Rng, step: usize) -> String {
    let task = TASKS[rng.usize(..history.tasks)];
    let issue = rng.usize(..history.issues);
    assert!(issue < ISSUES.len());
    let task = match rng.bool() {
        true => format!("clickup:{}", ivan.clickup().task(task).id()),
        false => format!("#{}", number(issue)),
    };
    match rng.u8(..6) {
        0 | 1 => "create Lost milk".to_owned(),
        2 => format!("comment on {task}: lost {step}"),
        3 => "next".to_owned(),
        4 => "list".to_owned(),
        _ => format!("start {task}"),
    }
}

/// Copies the store at an instant without work under way in it.
async fn copied(folder: &Path, after_ms: u64) -> PathBuf {
    tokio::time::sleep(Duration::from_millis(after_ms)).await;
    let copy = folder.join("copy.db");
    loop {
        let _ = std::fs::remove_file(&copy);
        let store = Connection::open(folder.join("ivan.db")).unwrap();
        store.busy_timeout(WITHIN).unwrap();
        store
            .execute("VACUUM INTO ?1", [copy.to_str().unwrap()])
            .unwrap();
        drop(store);
        let is_quiet = pending(&Connection::open(&copy).unwrap()) == "nothing";
        if is_quiet {
            return copy;
        }
        tokio::time::sleep(LOOK).await;
    }
}

pub fn said(ivan: &Ivan, who: Who) -> Vec<PostedMessage> {
    ivan.slack().bot_messages(&ivan.slack().dm(who.slack()))
}

/// The `ts` of Ivan's newest message.
fn newest(ivan: &Ivan) -> String {
    let all = Who::ALL.into_iter().flat_map(|who| said(ivan, who));
    all.map(|posted| posted.ts).max().unwrap_or_default()
}

/// Types something in a DM and waits for its outcome.
async fn asks(ivan: &Ivan, who: Who, text: &str) -> PostedMessage {
    let channel = ivan.slack().dm(who.slack());
    answered(ivan, who, || {
        ivan.slack().says(who.slack(), &channel, text);
    })
    .await
}

/// Waits for one more message in a DM, and for its outcome.
async fn answered(ivan: &Ivan, who: Who, what: impl FnOnce()) -> PostedMessage {
    let before = said(ivan, who).len();
    what();
    let answer = || said(ivan, who).get(before).cloned();
    let is_there = |_: &ivan::sandbox::slack::SandboxSlack| {
        answer().is_some_and(|posted| !posted.text.starts_with('…'))
    };
    let waited = tokio::time::timeout(WITHIN, ivan.slack().until(is_there)).await;
    assert!(waited.is_ok(), "{} was not answered", who.name());
    answer().unwrap()
}

/// Waits until the daemon has done its remaining work and has read the changes by hand.
async fn settled(ivan: &Ivan) {
    let settled = async {
        loop {
            ivan.slack().redeliver_unacked();
            let made: i64 = ivan.sql("SELECT count(*) FROM tasks WHERE title = 'Made by hand'");
            let waits = pending(&ivan.store());
            // The copy may hold work of two ends: it is set aside, and tried again as in the history.
            if waits.contains("set aside") {
                tries_again(ivan).await;
            }
            let quiet = ivan.slack().unacked().is_empty() && waits == "nothing";
            if made > 0 && quiet && has_heard_all(ivan) {
                return;
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    assert!(
        tokio::time::timeout(WITHIN, settled).await.is_ok(),
        "not settled after the store was put back: {}",
        pending(&ivan.store())
    );
}

/// Tries everything again that `status` lists as set aside.
pub async fn tries_again(ivan: &Ivan) {
    let (_, status) = ivan.http("GET", "/status", None).await;
    for one in status["set_aside"].as_array().into_iter().flatten() {
        let id = one["id"].as_str().unwrap_or_default();
        let path = format!("/operations/{id}/retry");
        let (answer, _) = ivan.http("POST", &path, None).await;
        // Its rest may have ended by itself meanwhile.
        assert!(answer == 200 || answer == 404, "{id}: {answer}");
    }
}

/// Whether messages typed after the copy have been read from the DMs' history.
pub fn has_heard_all(ivan: &Ivan) -> bool {
    let store = ivan.store();
    let mut heard = store
        .prepare("SELECT json_extract(heard, '$.ts') FROM slack_events")
        .unwrap();
    let heard = heard.query_map([], |row| row.get(0)).unwrap();
    let heard: BTreeSet<String> = heard.map(Result::unwrap).collect();
    Who::ALL.into_iter().all(|who| {
        let messages = ivan.slack().messages(&ivan.slack().dm(who.slack()));
        let mut own = messages.iter().filter(|one| one["user"] == who.slack());
        own.all(|one| heard.contains(one["ts"].as_str().unwrap_or_default()))
    })
}

pub fn world(ivan: &Ivan) -> World {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let tasks = ivan.clickup().tasks().into_iter().map(|task| {
        let done = ["done", "closed"].contains(&text(&task["status"]["type"]).as_str());
        let comments = ivan.clickup().task(&text(&task["id"])).comments();
        (text(&task["url"]), (done, comments))
    });
    let issues = ivan.github().issues(REPO).into_iter().map(|issue| {
        let number = issue["number"].as_u64().unwrap_or_default();
        let comments = ivan.github().issue(REPO, number).comments();
        (
            text(&issue["html_url"]),
            (issue["state"] == "closed", comments),
        )
    });
    tasks.chain(issues).collect()
}

/// The addresses of snoozed tasks.
fn put_off(ivan: &Ivan) -> BTreeSet<String> {
    let store = ivan.store();
    let mut urls = store
        .prepare("SELECT url FROM snoozes JOIN tasks ON tasks.id = snoozes.task_id")
        .unwrap();
    let urls = urls.query_map([], |row| row.get(0)).unwrap();
    urls.map(Result::unwrap).collect()
}

/// The addresses that a text links to.
pub fn addresses(text: &str) -> Vec<String> {
    let links = text.split('<').skip(1);
    let links = links.filter_map(|link| Some(link.split_once('|')?.0.to_owned()));
    // A moment has the same form.
    links.filter(|link| link.starts_with("http")).collect()
}

/// The first of them.
fn address(text: &str) -> Option<String> {
    addresses(text).into_iter().next()
}

/// All buttons in the DMs. A button belongs to the task in the text above it.
fn buttons(ivan: &Ivan) -> Vec<Button> {
    let mut found = Vec::new();
    for who in Who::ALL {
        for posted in said(ivan, who) {
            // The task that can be undone is at the top.
            let whole = address(&posted.text);
            let mut url = None;
            for block in posted.blocks.as_array().into_iter().flatten() {
                if let Some(text) = block["text"]["text"].as_str() {
                    url = address(text).or(url);
                }
                let row = block["elements"].as_array().into_iter().flatten();
                for element in row.chain([&block["accessory"]]) {
                    let label = element["text"]["text"].as_str().unwrap_or_default();
                    let about = match label {
                        "Undo" => whole.clone(),
                        _ => url.clone(),
                    };
                    if let (true, Some(url), Some(action)) = (
                        LABELS.contains(&label),
                        about,
                        element["action_id"].as_str(),
                    ) {
                        found.push(Button {
                            who,
                            ts: posted.ts.clone(),
                            label: label.to_owned(),
                            action: action.to_owned(),
                            url,
                        });
                    }
                }
            }
        }
    }
    found
}

/// A person types `done` after seeing a task that the store does not have.
async fn done_by_guess(ivan: &Ivan, who: Who, killed_at: &str) -> Vec<String> {
    let before = world(ivan);
    let answer = asks(ivan, who, "done").await;
    settled(ivan).await;
    let shown_since: BTreeSet<String> = Who::ALL
        .into_iter()
        .flat_map(|who| said(ivan, who))
        .filter(|posted| posted.ts.as_str() > killed_at && posted.ts != answer.ts)
        .flat_map(|posted| posted.history)
        .flat_map(|text| addresses(&text))
        .collect();
    let changed = differences(&before, &world(ivan));
    let unseen = changed.iter().filter(|url| !shown_since.contains(*url));
    unseen
        .map(|url| {
            format!(
                "{} typed `done` after the store was put back, was shown last what it does not know, and {url} changed: {}",
                who.name(),
                answer.text
            )
        })
        .collect()
}

/// The tasks whose state differs.
pub fn differences(before: &World, after: &World) -> BTreeSet<String> {
    let all = before.keys().chain(after.keys());
    all.filter(|url| before.get(*url) != after.get(*url))
        .cloned()
        .collect()
}

/// Presses a button and checks the outcome.
async fn pressed(ivan: &Ivan, button: &Button) -> Vec<String> {
    let other = match button.who {
        Who::Ana => Who::Bo,
        Who::Bo => Who::Ana,
    };
    let (before, off_before, told_before) = (world(ivan), put_off(ivan), said(ivan, other).len());
    let channel = ivan.slack().dm(button.who.slack());
    let answer = answered(ivan, button.who, || {
        ivan.slack()
            .clicks(button.who.slack(), &channel, &button.ts, &button.action);
    })
    .await;
    settled(ivan).await;
    let mut touched = differences(&before, &world(ivan));
    touched.extend(put_off(ivan).difference(&off_before).cloned());
    if button.label == "Next" && !touched.is_empty() {
        return vec![format!("Next changed {touched:?}: {button:?}")];
    }
    touched.remove(&button.url);
    let mut wrong: Vec<String> = touched
        .into_iter()
        .map(|url| format!("{url} changed for {button:?}: {}", answer.text))
        .collect();
    let about = address(answer.text.split("Next: ").next().unwrap_or_default());
    let is_of_another = about.is_some_and(|about| about != button.url);
    if button.label != "Next" && answer.text.starts_with('✓') && is_of_another {
        wrong.push(format!("{button:?} was answered `{}`", answer.text));
    }
    if said(ivan, other).len() != told_before {
        wrong.push(format!("{} was told what {button:?} came to", other.name()));
    }
    wrong
}
