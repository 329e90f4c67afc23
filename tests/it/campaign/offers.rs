//! After a history people press buttons, and the daemon is killed during the work that a press asks for.
//!
//! **Do it** under a question acts on the tasks that it shows. **Undo, use that one** under a creation takes the new task
//! back and makes the other one current. Half of the presses are double ones. Slack never delivers a press again: if it
//! was lost, the button is still there, and it is pressed again. The check: each effect is in its source, nothing else has
//! changed, and one answer says so.

use std::collections::BTreeSet;
use std::time::Duration;

use fastrand::Rng;
use ivan::sandbox::fault_server::{Fault, FaultKind};
use ivan::sandbox::slack::{PostedMessage, SandboxSlack};
use serde_json::json;

use super::driver::{Tally, pending};
use super::history::{History, Who};
use super::put_back::{addresses, differences, said, world};
use super::stale::settled;
use super::threads::outcomes;
use crate::harness::*;

/// The label of the tasks that a question is about.
const LABEL: &str = "offered";
/// The time limit of one step.
const WITHIN: Duration = Duration::from_secs(90);
/// The square root of the longest time from a press to SIGKILL, in milliseconds. Most of the work is done in the first
/// tenth of that time.
const KILLED_WITHIN: u64 = 20;
/// The first presses of a button that are followed by SIGKILL, and all presses.
const KILLS: usize = 2;
const PRESSES: usize = 4;

/// Whether this follows a history: every eighth one, but not those that an older store follows.
pub fn follows(history: &History) -> bool {
    history.seed % 8 == 5 && history.ends_calmly()
}

/// A button, the message that it is in, and the outcome of pressing it.
struct Offer {
    who: Who,
    ts: String,
    label: &'static str,
    /// The method of its write in ClickUp.
    method: &'static str,
    /// How the only answer that tells of its effect begins, and what comes later in it.
    outcome: [&'static str; 2],
    /// The tasks that it changes.
    urls: BTreeSet<String>,
}

/// Runs it; returns the violations.
pub async fn follow(ivan: &mut Ivan, history: &History, tally: &Tally) -> Vec<String> {
    let mut rng = Rng::with_seed(history.seed ^ 0x0ffe_2ed0);
    // GitHub may have asked for a pause of a minute.
    ivan.store().execute("DELETE FROM pauses", []).unwrap();
    // The history's refusal may not have ended, and nothing can be pressed without blocks.
    ivan.slack().refuse_blocks(None);
    made_by_hand(ivan);
    ivan.launch().await;
    ivan.sync().await;
    let mut wrong = Vec::new();
    let mut asks_first = rng.bool();
    for _ in 0..2 {
        let who = Who::ALL[rng.usize(..2)];
        let offer = match asks_first {
            true => question(ivan, who).await,
            false => twin(ivan, who, ["clickup", "github"][rng.usize(..2)]).await,
        };
        wrong.extend(is_taken(ivan, &offer, &mut rng, tally).await);
        asks_first = !asks_first;
    }
    let status = ivan.stop().await;
    if !status.success() {
        wrong.push(format!("SIGTERM is a success, not {status}"));
    }
    wrong
}

/// Three tasks with the label, and one without it.
fn made_by_hand(ivan: &Ivan) {
    ivan.clickup().add_tag(LABEL);
    ivan.github().add_label(REPO, LABEL);
    let assignees = Who::ALL.map(Who::clickup);
    for (title, tags) in [
        ("Offered 1", vec![LABEL]),
        ("Offered 2", vec![LABEL]),
        ("Apart", Vec::new()),
    ] {
        ivan.clickup()
            .add_task(json!({"name": title, "assignees": assignees, "tags": tags}));
    }
    let assignees = Who::ALL.map(Who::github);
    ivan.github().add_issue(
        REPO,
        json!({"title": "Offered 3", "assignees": assignees, "labels": [LABEL]}),
    );
}

/// A filter asks before it completes the three tasks.
async fn question(ivan: &Ivan, who: Who) -> Offer {
    let asked = told(ivan, who, &format!("done label:{LABEL}"), |text| {
        text.starts_with("`done` for these 3 tasks?")
    })
    .await;
    Offer {
        who,
        label: "Do it",
        method: "PUT",
        outcome: ["✓ 3 of 3 tasks:", ""],
        urls: addresses(&asked.text).into_iter().collect(),
        ts: asked.ts,
    }
}

/// A creation that nearly repeats another one.
async fn twin(ivan: &Ivan, who: Who, source: &str) -> Offer {
    let is_made = |text: &str| text.starts_with('✓');
    told(
        ivan,
        who,
        &format!("create Plan the move -s {source}"),
        is_made,
    )
    .await;
    let typed = format!("create plan the move! -s {source}");
    let made = told(ivan, who, &typed, |text| {
        is_made(text) && text.contains("There already is ")
    })
    .await;
    Offer {
        who,
        label: "Undo, use that one",
        method: "DELETE",
        outcome: ["✓ Undone: ", "The other one is now your current task."],
        urls: addresses(&made.text).into_iter().take(1).collect(),
        ts: made.ts,
    }
}

/// Types something in a DM and waits for such an answer.
async fn told(ivan: &Ivan, who: Who, text: &str, is_it: impl Fn(&str) -> bool) -> PostedMessage {
    let before = said(ivan, who).len();
    let channel = ivan.slack().dm(who.slack());
    ivan.slack().says(who.slack(), &channel, text);
    let answer = || {
        let mut since = said(ivan, who).into_iter().skip(before);
        since.find(|posted| is_it(&posted.text))
    };
    let event = ivan.slack().until(|_| answer().is_some());
    let waited = tokio::time::timeout(WITHIN, event).await;
    assert!(
        waited.is_ok(),
        "`{text}` was answered by {:#?}",
        said(ivan, who).get(before..)
    );
    answer().unwrap()
}

/// Presses it through kills, and checks the outcome.
async fn is_taken(ivan: &mut Ivan, offer: &Offer, rng: &mut Rng, tally: &Tally) -> Vec<String> {
    let before = world(ivan);
    let mut wrong = pressed(ivan, offer, rng, tally).await;
    let after = world(ivan);
    let changed = differences(&before, &after);
    let is_open = |url: &&String| after.get(*url).is_some_and(|(is_done, _)| !is_done);
    let open: Vec<&String> = offer.urls.iter().filter(is_open).collect();
    if changed != offer.urls || !open.is_empty() {
        wrong.push(format!("changed: {changed:?}, still open: {open:?}"));
    }
    let [begin, later] = offer.outcome;
    let answers = said(ivan, offer.who);
    let since: Vec<&PostedMessage> = answers.iter().filter(|one| one.ts > offer.ts).collect();
    let outcomes = outcomes(&since);
    let (well, others): (Vec<&str>, Vec<&str>) = outcomes
        .iter()
        .partition(|text| text.starts_with(begin) && text.contains(later));
    // The second of two presses.
    let is_late = |text: &&str| {
        ["✗ That question was answered", "✗ Already undone."]
            .iter()
            .any(|begin| text.starts_with(begin))
    };
    if well.len() != 1 || !others.iter().all(is_late) {
        wrong.push(format!("the answers are {outcomes:#?}"));
    }
    if !wrong.is_empty() {
        wrong.push(format!("after {} on {:?}", offer.label, offer.urls));
    }
    wrong
}

/// Presses a button until it is gone.
async fn pressed(ivan: &mut Ivan, offer: &Offer, rng: &mut Rng, tally: &Tally) -> Vec<String> {
    let channel = ivan.slack().dm(offer.who.slack());
    for press in 0..PRESSES {
        let Some(action) = action(ivan, offer) else {
            return Vec::new();
        };
        if press < KILLS {
            holds(ivan, offer, rng);
        }
        // The second press of two must have no effect.
        let mut envelope = String::new();
        for _ in 0..rng.usize(1..=2) {
            envelope = ivan
                .slack()
                .clicks(offer.who.slack(), &channel, &offer.ts, &action);
            tally.fault(format!("{} pressed", offer.label), 1);
        }
        if press < KILLS {
            let after = rng.u64(..=KILLED_WITHIN);
            tokio::time::sleep(Duration::from_millis(after * after)).await;
            ivan.kill().await;
            tally.fault("SIGKILL after a press", 1);
            for front in [
                ivan.slack().front(),
                ivan.clickup().front(),
                ivan.github().front(),
            ] {
                front.clear_faults();
                front.cut();
            }
            ivan.launch().await;
        } else {
            let is_heard = |slack: &SandboxSlack| {
                let mut envelopes = slack.envelopes().into_iter();
                envelopes.any(|one| one.id == envelope && one.acked)
            };
            let heard = tokio::time::timeout(WITHIN, ivan.slack().until(is_heard)).await;
            assert!(heard.is_ok(), "a press of {} is not heard", offer.label);
        }
        if tokio::time::timeout(WITHIN, settled(ivan)).await.is_err() {
            return vec![format!("not settled: {}", pending(&ivan.store()))];
        }
    }
    match action(ivan, offer) {
        Some(_) => vec![format!("{} is there after {PRESSES} presses", offer.label)],
        None => Vec::new(),
    }
}

/// Perhaps holds a write or an answer that a press leads to, before or after it is applied.
fn holds(ivan: &Ivan, offer: &Offer, rng: &mut Rng) {
    let kind = match rng.bool() {
        true => FaultKind::Hang,
        false => FaultKind::ApplyThenHang,
    };
    let (front, method, path) = match rng.u8(..6) {
        0 => (ivan.clickup().front(), offer.method, "/task/"),
        1 => (ivan.github().front(), "PATCH", "/issues/"),
        2 => (ivan.slack().front(), "POST", "chat.postMessage"),
        3 => (ivan.slack().front(), "POST", "chat.update"),
        _ => return,
    };
    front.fault(Fault::new(kind).on(method, path));
}

/// The `action_id` of the button, as long as its message has it.
fn action(ivan: &Ivan, offer: &Offer) -> Option<String> {
    let messages = said(ivan, offer.who).into_iter();
    let mut messages = messages.filter(|posted| posted.ts == offer.ts);
    let blocks = messages.next()?.blocks;
    let rows = blocks.as_array()?.iter();
    let mut buttons = rows.flat_map(|row| row["elements"].as_array().into_iter().flatten());
    let button = buttons.find(|button| button["text"]["text"] == offer.label)?;
    Some(button["action_id"].as_str()?.to_owned())
}
