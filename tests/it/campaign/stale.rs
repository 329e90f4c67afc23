//! After a history a copy of the store, taken at a random instant, is put back over a later state.
//!
//! People type while it is copied, and work may be under way. They go on, the daemon is killed at another random instant,
//! and the copy replaces its store: by `ivan restore`, as a file, or together with the file of its marks, as a snapshot
//! of the machine would. The check: nothing is done twice, no answer says what is not so, no answer waits for ever, and a
//! command without an effect is asked about.

use std::path::PathBuf;
use std::time::Duration;

use fastrand::Rng;
use ivan::sandbox::fault_server::{Fault, FaultKind};
use rusqlite::Connection;
use serde_json::json;

use super::driver::{Tally, pending};
use super::history::{History, Who};
use super::put_back::{has_heard_all, said, tries_again};
use crate::harness::*;

const WITHIN: Duration = Duration::from_secs(90);
const LOOK: Duration = Duration::from_millis(20);
/// The longest pause between two commands, in milliseconds.
const PAUSE_MS: u64 = 700;

/// How often this follows a history: as `IVAN_CAMPAIGN_STALE` says, if people can go on after it.
pub fn rounds(history: &History) -> u64 {
    match history.ends_calmly() {
        true => super::given("IVAN_CAMPAIGN_STALE").unwrap_or(0),
        false => 0,
    }
}

/// The effect that a command asks for, on a task of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    Comment,
    Done,
    Create,
}

/// How the copy is put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Restore,
    File,
    Snapshot,
}

#[derive(Debug, Clone)]
struct Asked {
    who: Who,
    effect: Effect,
    in_github: bool,
    /// The title of its task, which answers name.
    title: String,
    /// The REF of its task.
    on: String,
    text: String,
    by_http: bool,
}

impl Asked {
    /// How often its effect is in the source.
    fn times(&self, ivan: &Ivan) -> usize {
        match (self.effect, self.in_github) {
            (Effect::Create, true) => {
                let issues = ivan.github().issues(REPO).into_iter();
                issues
                    .filter(|one| one["title"] == self.title.as_str())
                    .count()
            }
            (Effect::Create, false) => ivan.clickup().tasks_named(&self.title).len(),
            (Effect::Comment, _) => {
                let comments = match self.number() {
                    Some(number) => ivan.github().issue(REPO, number).comments(),
                    None => ivan.clickup().task(&self.title).comments(),
                };
                comments
                    .iter()
                    .filter(|one| one.contains(&self.text))
                    .count()
            }
            (Effect::Done, _) => match self.number() {
                Some(number) => {
                    let mut issues = ivan.github().issues(REPO).into_iter();
                    let is_it = |one: &serde_json::Value| {
                        one["number"] == number && one["state"] == "closed"
                    };
                    usize::from(issues.any(|one| is_it(&one)))
                }
                None => {
                    let task = ivan.clickup().task(&self.title).json();
                    let kind = task["status"]["type"]
                        .as_str()
                        .unwrap_or_default()
                        .to_owned();
                    usize::from(["done", "closed"].contains(&kind.as_str()))
                }
            },
        }
    }

    fn number(&self) -> Option<u64> {
        self.on.strip_prefix('#')?.parse().ok()
    }

    fn line(&self) -> String {
        match self.effect {
            Effect::Comment => format!("comment on {}: {}", self.on, self.text),
            Effect::Done => format!("done {}", self.on),
            Effect::Create => {
                let source = if self.in_github { "github" } else { "clickup" };
                format!("create {} -s {source}", self.title)
            }
        }
    }
}

/// Runs it; returns the violations.
pub async fn follow(ivan: &mut Ivan, history: &History, tally: &Tally, round: u64) -> Vec<String> {
    let mut rng = Rng::with_seed(history.seed ^ 0x57a1e ^ (round << 32));
    let (before, after) = (rng.usize(1..=4), rng.usize(1..=4));
    let mut asked: Vec<Asked> = Vec::new();
    for n in 0..before + after {
        asked.push(drawn(ivan, &mut rng, &format!("{round}.{n}")));
    }
    let way = [Way::Restore, Way::File, Way::Snapshot][rng.usize(..3)];
    ivan.launch().await;
    ivan.sync().await;
    // Each person has a DM that Ivan knows.
    for who in Who::ALL {
        let (channel, told) = (ivan.slack().dm(who.slack()), said(ivan, who).len());
        ivan.slack().says(who.slack(), &channel, "status");
        let answered = ivan.slack().until(|_| said(ivan, who).len() > told);
        assert!(tokio::time::timeout(WITHIN, answered).await.is_ok());
    }
    let is_down = rng.u8(..3) == 0;
    if is_down {
        for front in [ivan.github().front(), ivan.clickup().front()] {
            front.fault(Fault::new(FaultKind::Drop).always());
        }
    }
    let copied_after = rng.u64(..PAUSE_MS * 2);
    let copying = {
        let folder = ivan.folder().to_path_buf();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(copied_after)).await;
            copied(folder).await
        })
    };
    for one in &asked[..before] {
        types(ivan, one, history.people).await;
        tokio::time::sleep(Duration::from_millis(rng.u64(..PAUSE_MS))).await;
    }
    copying.await.unwrap();
    if is_down && rng.bool() {
        ivan.github().front().clear_faults();
        ivan.clickup().front().clear_faults();
    }
    for one in &asked[before..] {
        types(ivan, one, history.people).await;
        tokio::time::sleep(Duration::from_millis(rng.u64(..PAUSE_MS))).await;
    }
    tokio::time::sleep(Duration::from_millis(rng.u64(..3 * PAUSE_MS))).await;
    ivan.kill().await;
    ivan.github().front().clear_faults();
    ivan.clickup().front().clear_faults();
    put_back(ivan, way).await;
    tally.fault(format!("an older store put back: {way:?}"), 1);
    ivan.launch().await;
    let mut wrong = Vec::new();
    if tokio::time::timeout(WITHIN, settled(ivan)).await.is_err() {
        wrong.push(format!("not settled: {}", pending(&ivan.store())));
    }
    // A post of the lost time is found and updated after the work is done.
    let is_told = ivan
        .slack()
        .until(|_| !asked.iter().any(|one| waits(ivan, one).is_some()));
    let _ = tokio::time::timeout(WITHIN, is_told).await;
    wrong.extend(asked.iter().flat_map(|one| violations(ivan, one)));
    for who in Who::ALL {
        for posted in said(ivan, who) {
            let is_of_these = asked.iter().any(|one| posted.text.contains(&one.title));
            if is_of_these && posted.text.contains("completed externally") {
                wrong.push(format!("nobody did that by hand: {}", posted.text));
            }
        }
    }
    if !wrong.is_empty() {
        wrong.push(format!(
            "{way:?}, copied after {copied_after} ms, down: {is_down}, {before} before: {asked:#?}"
        ));
    }
    let status = ivan.stop().await;
    if !status.success() {
        wrong.push(format!("SIGTERM is a success, not {status}"));
    }
    wrong
}

/// What is wrong about one command.
fn violations(ivan: &Ivan, one: &Asked) -> Vec<String> {
    let mut wrong = Vec::new();
    let times = one.times(ivan);
    if times > 1 {
        wrong.push(format!("{} is there {times} times", one.line()));
    }
    let posts = said(ivan, one.who);
    let about: Vec<&str> = posts
        .iter()
        // The next task that an answer shows is not what it is about.
        .map(|posted| posted.text.split("Next:").next().unwrap_or_default())
        .filter(|text| text.contains(&one.title))
        .collect();
    let well = about.iter().filter(|text| text.starts_with('✓')).count();
    if well > 1 {
        wrong.push(format!(
            "{} was answered {well} times: {about:?}",
            one.line()
        ));
    }
    if well > 0 && times == 0 {
        wrong.push(format!(
            "{} is not there, and its answer is {about:?}",
            one.line()
        ));
    }
    if let Some(waits) = waits(ivan, one) {
        wrong.push(format!("{} waits for ever: {waits}", one.line()));
    }
    let refused = about.iter().any(|text| text.starts_with('✗'));
    let is_asked = posts
        .iter()
        .any(|posted| posted.text.contains("restored from a backup"));
    if times == 0 && !one.by_http && !refused && !is_asked {
        wrong.push(format!("{} is not there, and nobody was asked", one.line()));
    }
    wrong
}

/// The answer to a command that says that it waits.
fn waits(ivan: &Ivan, one: &Asked) -> Option<String> {
    let posts = said(ivan, one.who).into_iter();
    let mut about = posts
        .map(|posted| posted.text)
        .filter(|text| text.contains(&one.title));
    about.find(|text| text.starts_with('…'))
}

fn drawn(ivan: &Ivan, rng: &mut Rng, n: &str) -> Asked {
    let effect = [
        Effect::Comment,
        Effect::Comment,
        Effect::Done,
        Effect::Create,
    ][rng.usize(..4)];
    let (who, in_github) = (Who::ALL[rng.usize(..2)], rng.bool());
    let title = format!("Stale {n}{}", ["a", "b"][rng.usize(..2)]);
    let on = match (effect, in_github) {
        (Effect::Create, _) => String::new(),
        (_, true) => format!(
            "#{}",
            ivan.github().add_issue(REPO, json!({"title": title}))
        ),
        (_, false) => format!(
            "clickup:{}",
            ivan.clickup().add_task(json!({"name": title}))
        ),
    };
    Asked {
        who,
        effect,
        in_github,
        title,
        on,
        text: format!("stale note {n}"),
        by_http: rng.u8(..6) == 0,
    }
}

/// Types a command, or sends it over HTTP, without waiting for its outcome.
async fn types(ivan: &Ivan, one: &Asked, people: bool) {
    if one.by_http && one.effect != Effect::Create {
        let id = match one.number() {
            Some(number) => format!("github:{REPO}#{number}"),
            None => one.on.clone(),
        };
        let id = id
            .replace(':', "%3A")
            .replace('/', "%2F")
            .replace('#', "%23");
        let (path, body) = match one.effect {
            Effect::Comment => ("comment", json!({"text": one.text})),
            _ => ("complete", json!({})),
        };
        let path = format!("/tasks/{id}/{path}?wait=0");
        let actor = [("X-Ivan-Actor", one.who.name())];
        let actor = if people { actor.as_slice() } else { &[] };
        let (status, answer) = ivan.http_with("POST", &path, Some(body), actor).await;
        assert!([200, 202].contains(&status), "{status}: {answer}");
        return;
    }
    let channel = ivan.slack().dm(one.who.slack());
    ivan.slack().says(one.who.slack(), &channel, &one.line());
}

/// Copies the store and its marks, whatever is under way.
async fn copied(folder: PathBuf) {
    let copied = tokio::task::spawn_blocking(move || {
        let copy = folder.join("stale.db");
        let _ = std::fs::remove_file(&copy);
        let store = Connection::open(folder.join("ivan.db")).unwrap();
        store.busy_timeout(WITHIN).unwrap();
        let into = copy.to_str().unwrap();
        store.execute("VACUUM INTO ?1", [into]).unwrap();
        std::fs::copy(
            folder.join("ivan.db.generation"),
            folder.join("stale.generation"),
        )
        .unwrap();
    });
    copied.await.unwrap();
}

async fn put_back(ivan: &Ivan, way: Way) {
    if way == Way::Restore {
        let mut command = binary();
        command
            .args(["restore", "stale.db"])
            .current_dir(ivan.folder());
        let restored = ran(&mut command).await;
        assert_eq!(restored.exit, 0, "{restored:?}");
        return;
    }
    for name in ["ivan.db", "ivan.db-wal", "ivan.db-shm"] {
        let _ = std::fs::remove_file(ivan.folder().join(name));
    }
    std::fs::rename(
        ivan.folder().join("stale.db"),
        ivan.folder().join("ivan.db"),
    )
    .unwrap();
    if way == Way::Snapshot {
        let marks = ivan.folder().join("ivan.db.generation");
        std::fs::rename(ivan.folder().join("stale.generation"), marks).unwrap();
    }
}

/// Waits until everything is heard and done, and all answers are final.
pub async fn settled(ivan: &Ivan) {
    loop {
        ivan.slack().redeliver_unacked();
        // Looked at before the work: a message heard between the two looks would be work that is not seen.
        let is_heard = ivan.slack().unacked().is_empty() && has_heard_all(ivan);
        let waits = pending(&ivan.store());
        if waits.contains("set aside") {
            tries_again(ivan).await;
        }
        if is_heard && waits == "nothing" && ivan.slack().links() > 0 {
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
}
