//! Runs a history: people type, faults occur, and SIGKILL comes, all from outside of the daemon.
//!
//! The named instants are held open by the sandbox (a request or an answer waits at a gate), by another process that
//! writes to the store, or by a missing acknowledgement of Slack's. The daemon has no hook for any of them.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Mutex;
use std::time::Duration;

use fastrand::Rng;
use ivan::sandbox::fault_server::{Fault, FaultKind, FaultServer, Gate, RequestRecord};
use ivan::sandbox::slack::SandboxSlack;
use rusqlite::Connection;
use serde_json::{Value, json};

use super::everyday::{self, Everyday, ForEach};
use super::files::{self, SentFiles};
use super::history::{Asks, Command, History, Instant, On, Step, Surface, System, Who, Wrong, ms};
use super::threads::{self, Thread};
use super::{drops, gone};
use crate::harness::*;

/// The longest wait for an event that need not happen.
const SOON: Duration = Duration::from_millis(1500);
/// The time limit for everything to settle after the last fault: several searches, one after the other.
const SETTLED_WITHIN: Duration = Duration::from_secs(90);
/// The longest delay of a post after its command: shorter than the daemon waits for a post.
const POSTED_WITHIN: Duration = Duration::from_millis(1500);
/// The pause between two reads of the store, which announces no changes; and the longer one while it settles.
const LOOK: Duration = Duration::from_millis(15);
const SETTLING_LOOK: Duration = Duration::from_millis(60);
/// The latest moment at which a write is applied after its sender's death. With the time before, it is shorter than the
/// daemon's wait until it takes a write for lost. Where its clock is corrected, that wait is shorter.
const APPLIED_WITHIN_MS: u64 = 7000;
const APPLIED_WITHIN_MS_OF_ANOTHER_CLOCK: u64 = 800;

/// Counts of the things done to the daemon, over all histories.
#[derive(Debug, Default)]
pub struct Tally {
    kills: Mutex<BTreeMap<&'static str, u64>>,
    faults: Mutex<BTreeMap<String, u64>>,
    commands: Mutex<u64>,
}

impl Tally {
    fn killed(&self, when: &'static str) {
        *self.kills.lock().unwrap().entry(when).or_default() += 1;
    }

    pub fn fault(&self, what: impl Into<String>, times: u64) {
        *self.faults.lock().unwrap().entry(what.into()).or_default() += times;
    }

    fn typed(&self) {
        *self.commands.lock().unwrap() += 1;
    }

    /// The counts as lines of text.
    pub fn words(&self) -> String {
        let lines = |title: &str, counts: Vec<(String, u64)>| {
            let total: u64 = counts.iter().map(|(_, count)| count).sum();
            let lines = counts
                .iter()
                .map(|(what, count)| format!("  {count:7} {what}\n"));
            format!("{total} {title}\n{}", lines.collect::<String>())
        };
        let kills = self.kills.lock().unwrap();
        let kills = kills.iter().map(|(what, n)| ((*what).to_owned(), *n));
        let faults = self.faults.lock().unwrap();
        let faults = faults.iter().map(|(what, n)| (what.clone(), *n));
        format!(
            "{} commands\n{}{}",
            self.commands.lock().unwrap(),
            lines("kills", kills.collect()),
            lines("faults", faults.collect())
        )
    }
}

/// A command that was typed.
#[derive(Debug)]
pub struct Typed {
    pub command: Command,
    /// The text as typed; empty over HTTP.
    pub words: String,
    /// Slack's id of the message; empty over HTTP.
    pub ts: String,
    /// The number of commands typed before its first answer over HTTP; `None` until then, and in Slack.
    pub accepted: Option<usize>,
    /// Its operation, over HTTP.
    pub operation: Option<String>,
    /// Its outcome over HTTP: `GET /operations/{id}`.
    pub outcome: Value,
}

/// A change made by hand in a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ByHand {
    Commented(On, String),
    Completed(On),
}

pub struct Drive<'a> {
    pub ivan: &'a mut Ivan,
    history: &'a History,
    tally: &'a Tally,
    /// For pauses, which are not part of the plan.
    rng: Rng,
    client: reqwest::Client,
    gates: Vec<Gate>,
    pub typed: Vec<Typed>,
    pub by_hand: Vec<ByHand>,
    /// Commands in threads of a channel.
    pub threads: Vec<Thread>,
    /// Messages with files in a channel.
    pub files: Vec<SentFiles>,
    /// The number of times the store was unwritable. Its errors and notices are then part of the story.
    pub store_failed: usize,
    /// Times in the store were moved.
    pub put_right: bool,
    /// Commands that were set aside for a while: later ones may have gone first.
    pub set_aside: BTreeSet<usize>,
}

impl<'a> Drive<'a> {
    pub fn new(ivan: &'a mut Ivan, history: &'a History, tally: &'a Tally) -> Drive<'a> {
        Drive {
            ivan,
            history,
            tally,
            rng: Rng::with_seed(history.seed ^ 0x5eed),
            client: client(),
            gates: Vec::new(),
            typed: Vec::new(),
            by_hand: Vec::new(),
            threads: Vec::new(),
            files: Vec::new(),
            store_failed: 0,
            put_right: false,
            set_aside: BTreeSet::new(),
        }
    }

    /// Runs all steps, then waits for quiet.
    pub async fn happens(&mut self) {
        // Notices about changes by hand are another story.
        self.ivan
            .store()
            .execute("UPDATE people SET muted = 1", [])
            .unwrap();
        if self.history.hooks {
            self.ivan.hook_up();
        }
        for step in &self.history.steps {
            assert!(self.ivan.is_running(), "the daemon ended by itself");
            if self.history.app {
                self.ivan.github().expire_app_tokens();
                self.tally.fault("GitHub: the App's token ended", 1);
            }
            self.step(step).await;
        }
        self.settles().await;
    }

    async fn step(&mut self, step: &Step) {
        let slack = self.ivan.slack().clone();
        match step {
            Step::Types(command) => {
                self.types(command, None).await;
                self.pauses(40).await;
            }
            Step::DiesAt(command, instant) => self.dies_at(command, *instant).await,
            Step::Aborts(command, abort) => self.aborts_twice(command, *abort).await,
            Step::Dies { after_ms, again_ms } => {
                tokio::time::sleep(ms(*after_ms)).await;
                self.dies("at a random instant").await;
                if let Some(again) = again_ms {
                    self.ivan.spawn();
                    tokio::time::sleep(ms(*again)).await;
                    self.dies("while it starts").await;
                }
                self.starts().await;
            }
            Step::GoesWrong {
                system,
                method,
                path,
                what,
                times,
            } => self.goes_wrong(*system, method, path, *what, *times),
            Step::Redelivers => {
                let envelopes = slack.envelopes();
                for envelope in envelopes.iter().rev().take(4).rev() {
                    slack.redeliver(&envelope.id);
                    self.tally.fault("Slack: envelope redelivered", 1);
                }
            }
            Step::Twins => {
                if let Some(envelope) = slack.envelopes().last() {
                    slack.repeat(&envelope.id);
                    self.tally.fault("Slack: envelope twinned", 1);
                }
            }
            Step::LosesEnvelopes(n) => {
                slack.lose_next(*n);
                self.tally
                    .fault("Slack: envelope lost, retried later", (*n).into());
            }
            Step::DropsMessages(n) => drops::next(&slack, *n, self.tally),
            Step::LosesAcks(for_ms) => {
                slack.lose_acks(true);
                self.tally.fault("Slack: acknowledgements lost", 1);
                self.later(*for_ms, move || slack.lose_acks(false));
            }
            Step::LinkDrops => {
                slack.cut();
                self.tally.fault("Slack: link dropped", 1);
            }
            Step::LinkCloses => {
                slack.close_frame();
                self.tally.fault("Slack: link closed", 1);
            }
            Step::LinkRefreshes(reason) => {
                slack.disconnect(reason);
                self.tally.fault(format!("Slack: disconnect {reason}"), 1);
            }
            Step::LosesHooks => self.hooks("lost", |ivan| {
                ivan.clickup().lose_next(2);
                ivan.github().lose_next(2);
            }),
            Step::RepeatsHooks => self.hooks("doubled", |ivan| {
                ivan.clickup().repeat_next(2);
                ivan.github().repeat_next(2);
            }),
            Step::HoldsHooks => self.hooks("held", |ivan| {
                ivan.clickup().hold();
                ivan.github().hold();
            }),
            Step::ReversesHooks => self.hooks("reversed", |ivan| {
                ivan.clickup().release_reversed();
                ivan.github().release_reversed();
            }),
            Step::DeletesFirst(system) => gone::first(self.ivan, *system, self.tally),
            Step::Lags(system) => self.lags(*system),
            Step::RefusesBlocks(for_ms) => {
                slack.refuse_blocks(Some("invalid_blocks"));
                self.tally.fault("Slack: invalid_blocks", 1);
                self.later(*for_ms, move || slack.refuse_blocks(None));
            }
            Step::Down(system, for_ms) => {
                let front = self.front(*system);
                front.down();
                self.tally.fault(format!("{system:?}: down"), 1);
                self.later(*for_ms, move || front.up());
            }
            Step::Limits(system) => {
                self.tally
                    .fault(format!("{system:?}: rate limit used up"), 1);
                match system {
                    System::ClickUp => self.ivan.clickup().rate_limit_for(0, ms(1000)),
                    System::GitHub => self.ivan.github().secondary_limit(1, Some(1)),
                    System::Slack => slack.limits("chat.postMessage", 1, 1),
                }
            }
            Step::DiskFills {
                back,
                command,
                for_ms,
            } => {
                let longest = ["ivan.db", "ivan.db-wal"]
                    .iter()
                    .filter_map(|name| std::fs::metadata(self.ivan.folder().join(name)).ok())
                    .map(|file| file.len())
                    .max();
                let at = longest.unwrap_or_default().saturating_sub(*back);
                self.ivan.fills_the_disk(at);
                self.store_failed += 1;
                self.tally.fault("disk full", 1);
                self.types(command, None).await;
                tokio::time::sleep(ms(*for_ms)).await;
                self.ivan.frees_the_disk();
            }
            Step::Clock(system, ahead_s) => {
                self.tally.fault(format!("{system:?}: clock moved"), 1);
                match system {
                    System::Slack => slack.clock_is_ahead(ahead_s * 1000),
                    System::ClickUp => self.ivan.clickup().clock_is_ahead(ahead_s * 1000),
                    System::GitHub => self.ivan.github().clock_is_ahead(ahead_s * 1000),
                }
            }
            Step::OwnClock(ahead_s) => self.puts_right(*ahead_s).await,
            Step::CommentsByHand(who, on, text) => {
                match on {
                    On::Task(_) => drop(self.ivan.clickup().comment_by(
                        on.title(),
                        who.clickup(),
                        text,
                    )),
                    On::Issue(place) => drop(self.ivan.github().comment_as(
                        REPO,
                        number(*place),
                        who.github(),
                        text,
                    )),
                }
                self.by_hand.push(ByHand::Commented(*on, text.clone()));
            }
            Step::CompletesByHand(who, on) => {
                match on {
                    On::Task(_) => {
                        self.ivan
                            .clickup()
                            .set_status(on.title(), "complete", who.clickup());
                    }
                    On::Issue(place) => {
                        self.ivan
                            .github()
                            .close_as(REPO, number(*place), who.github());
                    }
                }
                self.by_hand.push(ByHand::Completed(*on));
            }
            Step::InThread(who, what) => {
                let number = self.threads.len();
                let thread = threads::typed(self.ivan, number, *who, *what, self.tally);
                self.threads.push(thread);
                self.pauses(40).await;
            }
            Step::WithFiles(who, what) => {
                let number = self.files.len();
                let sent = files::sent(self.ivan, number, *who, *what, self.tally);
                self.files.push(sent);
                self.pauses(40).await;
            }
            Step::Reads => drop(self.request("POST", "/sync?wait=0", None, &[], SOON).await),
            Step::Stops => {
                self.lets_go();
                let status = self.ivan.stop().await;
                assert!(status.success(), "SIGTERM is a success, not {status}");
                self.starts().await;
            }
            Step::Pauses(for_ms) => tokio::time::sleep(ms(*for_ms)).await,
            Step::Settles => self.settles().await,
        }
    }

    fn hooks(&self, what: &str, how: impl FnOnce(&Ivan)) {
        how(self.ivan);
        self.tally.fault(format!("webhooks {what}"), 1);
    }

    async fn pauses(&mut self, most_ms: u64) {
        let pause = ms(self.rng.u64(..most_ms));
        tokio::time::sleep(pause).await;
    }

    /// Runs in the background while the history goes on.
    fn later(&self, after_ms: u64, what: impl FnOnce() + Send + 'static) {
        tokio::spawn(async move {
            tokio::time::sleep(ms(after_ms)).await;
            what();
        });
    }

    pub(super) fn front(&self, system: System) -> FaultServer {
        match system {
            System::Slack => self.ivan.slack().front().clone(),
            System::ClickUp => self.ivan.clickup().front().clone(),
            System::GitHub => self.ivan.github().front().clone(),
        }
    }

    fn fronts(&self) -> [FaultServer; 3] {
        [System::Slack, System::ClickUp, System::GitHub].map(|system| self.front(system))
    }

    // ------------------------------------------------------------ commands

    /// Types a command. Over HTTP its client may leave after `patience`, and asks again later.
    pub(super) async fn types(&mut self, command: &Command, patience: Option<Duration>) -> usize {
        self.tally.typed();
        let place = self.typed.len();
        let mut typed = Typed {
            command: command.clone(),
            words: String::new(),
            ts: String::new(),
            accepted: None,
            operation: None,
            outcome: Value::Null,
        };
        if command.by == Surface::Dm {
            let channel = self.ivan.slack().dm(command.who.slack());
            let words = match &command.what {
                Asks::Everyday(asks) => self.everyday(command.who, asks).await,
                other => self.words(other),
            };
            typed.words.clone_from(&words);
            typed.ts = self
                .ivan
                .slack()
                .says(command.who.slack(), &channel, &words);
        }
        self.typed.push(typed);
        if command.by == Surface::Http {
            let patience = patience.unwrap_or_else(|| match self.rng.u8(..3) {
                0 => ms(self.rng.u64(1..30)),
                _ => ms(800),
            });
            self.asks(place, patience).await;
        }
        place
    }

    fn reference(&self, on: On) -> String {
        match on {
            On::Task(_) => format!("clickup:{}", self.ivan.clickup().task(on.title()).id()),
            On::Issue(place) => format!("#{}", number(place)),
        }
    }

    /// A command of every day as text for Slack. Numbers are those of the list that the person has just been shown;
    /// without one the tasks are named.
    async fn everyday(&self, who: Who, asks: &Everyday) -> String {
        let channel = self.ivan.slack().dm(who.slack());
        let is_listed = |slack: &SandboxSlack| {
            let newest = slack.bot_messages(&channel).pop();
            newest.is_some_and(|newest| everyday::numbered(&newest.text).len() > 1)
        };
        let numbers = asks.is_by_number() && soon(self.ivan.slack().until(is_listed)).await;
        if numbers {
            self.tally.fault("several tasks by their numbers", 1);
        }
        asks.words(|on| self.reference(on), numbers)
    }

    /// The command as text for Slack.
    fn words(&self, what: &Asks) -> String {
        match what {
            Asks::Comment { on, text } => format!("comment on {}: {text}", self.reference(*on)),
            Asks::Done { on, comment: None } => format!("done {}", self.reference(*on)),
            Asks::Done {
                on,
                comment: Some(text),
            } => format!("done {} -c {text}", self.reference(*on)),
            Asks::Create {
                system,
                title,
                description,
            } => {
                let source = match system {
                    System::GitHub => " -s github",
                    _ => "",
                };
                match description {
                    Some(text) => format!("create {title}{source}\n{text}"),
                    None => format!("create {title}{source}"),
                }
            }
            Asks::Current => "current".to_owned(),
            Asks::Next => "next".to_owned(),
            Asks::CommentHere { text } => format!("comment {text}"),
            Asks::DoneHere { comment: None } => "done".to_owned(),
            Asks::DoneHere {
                comment: Some(text),
            } => format!("done -c {text}"),
            Asks::Everyday(asks) => asks.words(|on| self.reference(on), false),
        }
    }

    /// One request for a command, with the command's own idempotency key.
    async fn asks(&mut self, place: usize, patience: Duration) {
        let Some(typed) = self.typed.get(place) else {
            return;
        };
        let id = |on: On| {
            let id = match on {
                On::Task(_) => format!("clickup:{}", self.ivan.clickup().task(on.title()).id()),
                On::Issue(place) => format!("github:{REPO}#{}", number(place)),
            };
            id.replace(':', "%3A")
                .replace('/', "%2F")
                .replace('#', "%23")
        };
        let (path, body) = match &typed.command.what {
            Asks::Comment { on, text } => {
                (format!("/tasks/{}/comment", id(*on)), json!({"text": text}))
            }
            Asks::Done { on, comment } => (
                format!("/tasks/{}/complete", id(*on)),
                json!({"comment": comment}),
            ),
            Asks::Create {
                system,
                title,
                description,
            } => (
                "/tasks".to_owned(),
                json!({"title": title, "description": description,
                    "source": match system { System::GitHub => "github", _ => "clickup" }}),
            ),
            Asks::Everyday(asks @ Everyday::Label { on, .. }) => {
                (format!("/tasks/{}/label", id(*on)), everyday::body(asks))
            }
            Asks::Everyday(asks @ Everyday::Type { on, .. }) => {
                (format!("/tasks/{}/type", id(*on)), everyday::body(asks))
            }
            other => panic!("{other:?} is not asked over HTTP"),
        };
        let key = format!("key-{place}");
        let headers = [
            ("Idempotency-Key", key.as_str()),
            ("X-Ivan-Actor", typed.command.who.name()),
        ];
        let path = format!("{path}?wait=0");
        let answer = self
            .request("POST", &path, Some(body), &headers, patience)
            .await;
        let Some((status, answer)) = answer else {
            return;
        };
        // Only the store may cause a refusal.
        assert!(
            matches!(status, 200 | 202 | 500..),
            "{path}: {status} {answer}"
        );
        let all = self.typed.len();
        if let (Some(operation), Some(typed)) =
            (answer["operation_id"].as_str(), self.typed.get_mut(place))
        {
            typed.operation = Some(operation.to_owned());
            typed.accepted.get_or_insert(all);
        }
    }

    /// A request to the API; `None` without an answer in time.
    pub(super) async fn request(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
        patience: Duration,
    ) -> Option<(u16, Value)> {
        let url = format!("{}{path}", self.ivan.api_url());
        let mut request = self
            .client
            .request(method.parse().unwrap(), url)
            .bearer_auth(TOKEN)
            .timeout(patience);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.ok()?;
        let status = response.status().as_u16();
        Some((status, response.json().await.ok()?))
    }

    // ------------------------------------------------------------ faults

    fn goes_wrong(&self, system: System, method: &str, path: &str, what: Wrong, times: u32) {
        let front = self.front(system);
        let breaks = |after_ms: u64| {
            let front = front.clone();
            self.later(after_ms, move || front.cut());
        };
        let answered = |status: u16, headers: &[(&str, &str)]| FaultKind::Answer {
            status,
            headers: headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            body: "{}".to_owned(),
        };
        let what = match what {
            Wrong::Dropped => FaultKind::Drop,
            Wrong::AppliedThenDropped => FaultKind::ApplyThenDrop,
            Wrong::Answered(status) => answered(status, &[]),
            Wrong::AppliedThenAnswered(status) => FaultKind::ApplyThenAnswer {
                status,
                headers: Vec::new(),
                body: "<html>Bad Gateway</html>".to_owned(),
            },
            Wrong::Hangs(for_ms) => {
                breaks(for_ms);
                FaultKind::Hang
            }
            Wrong::AppliedThenHangs(for_ms) => {
                breaks(for_ms);
                FaultKind::ApplyThenHang
            }
            Wrong::Late(by_ms) => FaultKind::Delay(ms(by_ms)),
            Wrong::Limited => answered(429, &[("Retry-After", "1")]),
            Wrong::InBetween => {
                self.tally
                    .fault(format!("{system:?}: a firewall answers"), 1);
                FaultKind::page_in_between()
            }
            Wrong::AppliedThenInBetween => {
                self.tally
                    .fault(format!("{system:?}: applied, and a firewall answers"), 1);
                FaultKind::page_in_between().once_applied()
            }
            Wrong::TooQuick => {
                self.tally.fault("GitHub: 422 submitted too quickly", 1);
                let said = json!({"message": "Validation Failed", "errors": [{"resource": "Issue", "code": "custom",
                    "field": "body", "message": "was submitted too quickly"}]});
                FaultKind::answer(422, said.to_string())
            }
        };
        front.fault(Fault::new(what).on(method, path).times(times));
    }

    /// Listings are stale for less than the time to the second look.
    fn lags(&self, system: System) {
        self.tally.fault(format!("{system:?}: listings lag"), 1);
        let (clickup, github) = (self.ivan.clickup().clone(), self.ivan.github().clone());
        match system {
            System::ClickUp => clickup.lag(true),
            _ => github.lag(true),
        }
        self.later(2500, move || match system {
            System::ClickUp => clickup.lag(false),
            _ => github.lag(false),
        });
    }

    /// Corrects the daemon's clock, which was ahead by this much: its stored times are then in the future or the past.
    async fn puts_right(&mut self, ahead_s: i64) {
        const MS: [(&str, &[&str]); 5] = [
            ("operations", &["created_ms", "ended_ms", "not_before_ms"]),
            ("commands", &["created_ms", "queued_ms", "settled_ms"]),
            ("messages", &["created_ms"]),
            ("slack_events", &["kept_ms", "handled_ms"]),
            ("containers", &["synced_at", "walked_full_ms"]),
        ];
        const US: [(&str, &[&str]); 5] = [
            ("operations", &["begun_us"]),
            ("messages", &["begun_us"]),
            ("pins", &["pinned_us"]),
            ("tasks", &["read_us", "walk_us"]),
            ("tombstones", &["known_us"]),
        ];
        self.dies("at a random instant").await;
        let store = self.ivan.store();
        for (columns, by) in [(&MS[..], ahead_s * 1000), (&US[..], ahead_s * 1_000_000)] {
            for (table, columns) in columns {
                let moved: Vec<String> = columns
                    .iter()
                    .map(|column| format!("{column} = {column} + {by}"))
                    .collect();
                let moved = format!("UPDATE {table} SET {}", moved.join(", "));
                store.execute(&moved, []).unwrap();
            }
        }
        drop(store);
        self.put_right = true;
        self.tally.fault("the daemon's clock put right", 1);
        self.starts().await;
    }

    // ------------------------------------------------------------ SIGKILL

    async fn dies(&mut self, when: &'static str) {
        assert!(self.ivan.is_running(), "the daemon ended by itself");
        self.ivan.kill().await;
        self.tally.killed(when);
    }

    pub(super) async fn aborts(&mut self, when: &'static str) {
        assert!(self.ivan.is_running(), "the daemon ended by itself");
        self.ivan.aborts().await;
        self.tally.killed(when);
    }

    pub(super) async fn starts_at_once(&mut self) {
        self.ivan.launch().await;
    }

    pub(super) fn coin(&mut self) -> bool {
        self.rng.bool()
    }

    pub(super) fn tally(&self, what: String) {
        self.tally.fault(what, 1);
    }

    /// Starts the daemon; the next step may come before it is connected.
    async fn starts(&mut self) {
        self.ivan.launch().await;
        if self.rng.u8(..4) > 0 {
            self.connected().await;
            if self.rng.bool() {
                self.ivan.slack().redeliver_unacked();
            }
        }
    }

    pub(super) async fn connected(&self) -> bool {
        soon(self.ivan.slack().until(|slack| slack.links() > 0)).await
    }

    /// Another process writes to the store: nothing can be committed until the return value is dropped.
    fn holds_the_store(&mut self) -> Connection {
        self.store_failed += 1;
        self.ivan.holds_the_store()
    }

    async fn dies_at(&mut self, command: &Command, instant: Instant) {
        // An instant that involves Slack needs a daemon that is connected.
        self.connected().await;
        let reached = match instant {
            Instant::BeforeCommit => {
                let held = self.holds_the_store();
                let delivered = self.is_delivered_in_vain(command).await;
                self.dies_if(delivered, instant).await;
                drop(held);
                return self.starts().await;
            }
            Instant::AfterCommit => self.after_commit(command).await,
            Instant::AfterAcknowledge => self.after_acknowledge(command).await,
            Instant::RequestSent => {
                self.at_the_source(command, FaultKind::Hang, |seen| !seen.done)
                    .await
            }
            Instant::AppliedLate => {
                let gate = self.gate();
                let reached = self
                    .at_the_source(command, FaultKind::Wait(gate.clone()), |seen| !seen.done)
                    .await;
                let most = match self.history.puts_right() {
                    true => APPLIED_WITHIN_MS_OF_ANOTHER_CLOCK,
                    false => APPLIED_WITHIN_MS,
                };
                let after = match self.rng.bool() {
                    true => self.rng.u64(20..800),
                    false => self.rng.u64(20..most),
                };
                self.later(after, move || gate.open());
                reached
            }
            Instant::AppliedUnanswered => {
                self.at_the_source(command, FaultKind::ApplyThenHang, |seen| {
                    seen.applied && !seen.done
                })
                .await
            }
            Instant::AnsweredUnrecorded => {
                let gate = self.gate();
                let what = FaultKind::ApplyThenWait(gate.clone());
                let before = self.before(command);
                if self
                    .at_the_source(command, what, |seen| seen.applied && !seen.done)
                    .await
                {
                    let held = self.holds_the_store();
                    gate.open();
                    let answered = self
                        .happens_there(command, before, |seen| {
                            seen.applied && seen.status.is_some()
                        })
                        .await;
                    self.pauses(15).await;
                    self.dies_if(answered, instant).await;
                    drop(held);
                    return self.starts().await;
                }
                false
            }
            Instant::Searching => self.searching(command).await,
            Instant::RecordedUnposted => {
                self.at_slack(command, POST, FaultKind::Hang, |seen| !seen.done)
                    .await
            }
            Instant::PostedLate => {
                let (gate, began) = (self.gate(), tokio::time::Instant::now());
                let reached = self
                    .at_slack(command, POST, FaultKind::Wait(gate.clone()), |seen| {
                        !seen.done
                    })
                    .await;
                let at_most = POSTED_WITHIN.saturating_sub(began.elapsed());
                let after = match self.rng.bool() {
                    true => at_most.min(ms(self.rng.u64(20..800))),
                    false => at_most,
                };
                let slack = self.front(System::Slack);
                let before = slack.journal().len();
                tokio::spawn(async move {
                    // Between two looks, if the next daemon looks at all by then.
                    let looked = slack.until(|journal| {
                        let mut since = journal.iter().skip(before);
                        since.any(|seen| {
                            let looks = seen.query.contains("include_all_metadata");
                            seen.done && looks && seen.is("GET", "conversations.history")
                        })
                    });
                    let _ = tokio::time::timeout(after, looked).await;
                    gate.open();
                });
                reached
            }
            Instant::PostedUnanswered => {
                self.at_slack(command, POST, FaultKind::ApplyThenHang, |seen| {
                    seen.applied && !seen.done
                })
                .await
            }
            Instant::PostedUnrecorded => {
                let gate = self.gate();
                let what = FaultKind::ApplyThenWait(gate.clone());
                let slack = self.front(System::Slack);
                let before = slack.journal().len();
                if self
                    .at_slack(command, POST, what, |seen| seen.applied && !seen.done)
                    .await
                {
                    let held = self.holds_the_store();
                    gate.open();
                    let posted = seen_soon(&slack, before, "POST", POST, |seen| {
                        seen.applied && seen.status.is_some()
                    })
                    .await;
                    self.pauses(15).await;
                    self.dies_if(posted, instant).await;
                    drop(held);
                    return self.starts().await;
                }
                false
            }
            Instant::Updating => {
                self.loses_the_first_answer(command);
                self.at_slack(command, UPDATE, FaultKind::Hang, |seen| !seen.done)
                    .await
            }
            Instant::UpdatedUnanswered => {
                self.loses_the_first_answer(command);
                self.at_slack(command, UPDATE, FaultKind::ApplyThenHang, |seen| {
                    seen.applied && !seen.done
                })
                .await
            }
        };
        self.dies_if(reached, instant).await;
        for gate in &self.gates {
            // Late gates open by themselves.
            if !matches!(instant, Instant::AppliedLate | Instant::PostedLate) {
                gate.open();
            }
        }
        self.ivan.slack().lose_acks(false);
        self.pauses(30).await;
        self.starts().await;
    }

    async fn dies_if(&mut self, reached: bool, instant: Instant) {
        self.dies(match reached {
            true => instant.words(),
            false => "at a random instant",
        })
        .await;
        if !reached {
            for front in self.fronts() {
                front.clear_faults();
            }
        }
    }

    fn gate(&mut self) -> Gate {
        let gate = Gate::new();
        self.gates.push(gate.clone());
        gate
    }

    /// Delivers a message that cannot be committed: it must not be acknowledged.
    async fn is_delivered_in_vain(&mut self, command: &Command) -> bool {
        let place = self.types(command, None).await;
        let ts = self.typed[place].ts.clone();
        let delivered = soon(
            self.ivan
                .slack()
                .until(|slack| envelope(slack, &ts).is_some_and(|one| !one.links.is_empty())),
        )
        .await;
        self.pauses(30).await;
        let acked = envelope(self.ivan.slack(), &ts).is_some_and(|one| one.acked);
        assert!(!acked, "acknowledged and not committed: {command}");
        delivered
    }

    async fn after_commit(&mut self, command: &Command) -> bool {
        self.ivan.slack().lose_acks(true);
        let place = self.types(command, None).await;
        let ts = self.typed[place].ts.clone();
        let kept = self
            .store_has(&format!(
                "SELECT count(*) FROM slack_events WHERE json_extract(heard, '$.ts') = '{ts}'"
            ))
            .await;
        kept && envelope(self.ivan.slack(), &ts).is_some_and(|one| !one.acked)
    }

    async fn after_acknowledge(&mut self, command: &Command) -> bool {
        let place = self.types(command, None).await;
        let ts = self.typed[place].ts.clone();
        soon(
            self.ivan
                .slack()
                .until(|slack| envelope(slack, &ts).is_some_and(|one| one.acked)),
        )
        .await
    }

    /// The write request of a command: system, method, and a part of its path.
    pub(super) fn write_of(&self, command: &Command) -> Option<(System, &'static str, String)> {
        let comment = |on: On| match on {
            On::Task(_) => {
                let id = self.ivan.clickup().task(on.title()).id().to_owned();
                (System::ClickUp, "POST", format!("/task/{id}/comment"))
            }
            On::Issue(place) => (
                System::GitHub,
                "POST",
                format!("/issues/{}/comments", number(place)),
            ),
        };
        Some(match &command.what {
            Asks::Comment { on, .. } => comment(*on),
            Asks::Done { on, comment: None } => match on {
                On::Task(_) => (System::ClickUp, "PUT", "/task/".to_owned()),
                On::Issue(place) => (
                    System::GitHub,
                    "PATCH",
                    format!("/issues/{}", number(*place)),
                ),
            },
            // The second of its two.
            Asks::Done { on, .. } => comment(*on),
            Asks::Create {
                system: System::GitHub,
                ..
            } => (System::GitHub, "POST", format!("/{REPO}/issues")),
            Asks::Create { .. } => (System::ClickUp, "POST", "/list/".to_owned()),
            Asks::Everyday(asks) => return self.everyday_write_of(asks),
            Asks::Current | Asks::Next | Asks::CommentHere { .. } | Asks::DoneHere { .. } => {
                return None;
            }
        })
    }

    /// The first write of a command of every day. Numbers may mean any task.
    fn everyday_write_of(&self, asks: &Everyday) -> Option<(System, &'static str, String)> {
        let of_label = |on: On, adds: bool| {
            let method = if adds { "POST" } else { "DELETE" };
            match on {
                On::Task(_) => {
                    let id = self.ivan.clickup().task(on.title()).id().to_owned();
                    (System::ClickUp, method, format!("/task/{id}/tag/"))
                }
                On::Issue(place) => {
                    let path = format!("/issues/{}/labels", number(place));
                    (System::GitHub, method, path)
                }
            }
        };
        match asks {
            Everyday::List | Everyday::Find(_) => None,
            Everyday::Label { on, add, .. } => Some(of_label(*on, add.is_some())),
            Everyday::Type { on, .. } => Some(match on {
                On::Task(_) => {
                    let id = self.ivan.clickup().task(on.title()).id().to_owned();
                    (System::ClickUp, "PUT", format!("/task/{id}"))
                }
                On::Issue(place) => (
                    System::GitHub,
                    "PATCH",
                    format!("/issues/{}", number(*place)),
                ),
            }),
            Everyday::Part { on, second, .. } => Some(match (on, second) {
                (On::Task(_), _) => (System::ClickUp, "POST", "/list/".to_owned()),
                (On::Issue(place), true) => {
                    let path = format!("/issues/{}/sub_issues", number(*place));
                    (System::GitHub, "POST", path)
                }
                (On::Issue(_), false) => (System::GitHub, "POST", format!("/{REPO}/issues")),
            }),
            Everyday::Several {
                by_number: true, ..
            } => None,
            Everyday::Several { tasks, each, .. } => Some(match (*tasks.first()?, each) {
                (On::Task(_), _) => (System::ClickUp, "PUT", "/task/".to_owned()),
                (on @ On::Issue(_), ForEach::High) => of_label(on, true),
                (On::Issue(place), ForEach::Done) => (
                    System::GitHub,
                    "PATCH",
                    format!("/issues/{}", number(place)),
                ),
            }),
        }
    }

    fn before(&self, command: &Command) -> usize {
        self.write_of(command)
            .map_or(0, |(system, ..)| self.front(system).journal().len())
    }

    async fn happens_there(
        &self,
        command: &Command,
        before: usize,
        what: impl Fn(&RequestRecord) -> bool,
    ) -> bool {
        let Some((system, method, path)) = self.write_of(command) else {
            return false;
        };
        seen_soon(&self.front(system), before, method, &path, what).await
    }

    /// Types a command whose write meets a fault; returns whether the write got as far as needed.
    async fn at_the_source(
        &mut self,
        command: &Command,
        fault: FaultKind,
        what: impl Fn(&RequestRecord) -> bool,
    ) -> bool {
        let before = self.before(command);
        if let Some((system, method, path)) = self.write_of(command) {
            self.front(system)
                .fault(Fault::new(fault).on(method, &path));
        }
        self.types(command, Some(SOON)).await;
        self.happens_there(command, before, what).await
    }

    /// Types a command whose answer meets a fault in Slack.
    async fn at_slack(
        &mut self,
        command: &Command,
        method: &str,
        fault: FaultKind,
        what: impl Fn(&RequestRecord) -> bool,
    ) -> bool {
        let slack = self.front(System::Slack);
        let before = slack.journal().len();
        slack.fault(Fault::new(fault).on("POST", method));
        self.types(command, None).await;
        seen_soon(&slack, before, "POST", method, what).await
    }

    /// Loses the source's answer to the command's write, so that its person is told that it waits.
    fn loses_the_first_answer(&self, command: &Command) {
        if let Some((system, method, path)) = self.write_of(command) {
            let what = FaultKind::ApplyThenAnswer {
                status: 502,
                headers: Vec::new(),
                body: "<html>Bad Gateway</html>".to_owned(),
            };
            self.front(system).fault(Fault::new(what).on(method, &path));
        }
    }

    async fn searching(&mut self, command: &Command) -> bool {
        let Some((system, _, path)) = self.write_of(command) else {
            self.types(command, None).await;
            return false;
        };
        self.loses_the_first_answer(command);
        let front = self.front(system);
        let before = front.journal().len();
        let search = match command.what {
            Asks::Done { comment: None, .. } => "/task/".to_owned(),
            _ => path,
        };
        self.types(command, Some(SOON)).await;
        // Not the read before the write.
        if !self
            .happens_there(command, before, |seen| seen.applied)
            .await
        {
            return false;
        }
        let after = front.journal().len();
        front.fault(Fault::new(FaultKind::Hang).on("GET", &search));
        seen_soon(&front, after, "GET", &search, |seen| !seen.done).await
    }

    /// Reads the store until a count is there. It is closed between reads: no lock is held when the daemon dies.
    async fn store_has(&self, count: &str) -> bool {
        soon(async {
            while self.ivan.sql::<i64>(count) == 0 {
                tokio::time::sleep(LOOK).await;
            }
        })
        .await
    }

    // ------------------------------------------------------------ quiet

    /// Removes all faults.
    fn lets_go(&mut self) {
        for gate in self.gates.drain(..) {
            gate.open();
        }
        let (slack, clickup, github) = (
            self.ivan.slack().clone(),
            self.ivan.clickup().clone(),
            self.ivan.github().clone(),
        );
        slack.lose_acks(false);
        slack.lose_next(0);
        slack.drop_next(0);
        clickup.lag(false);
        github.lag(false);
        for front in self.fronts() {
            front.clear_faults();
            front.up();
            if front.journal().iter().any(|seen| !seen.done) {
                front.cut();
            }
        }
        clickup.release();
        github.release();
    }

    /// Waits until everything typed so far has its outcome.
    async fn settles(&mut self) {
        self.lets_go();
        let began = tokio::time::Instant::now();
        let settled = tokio::time::timeout(SETTLED_WITHIN, self.until_settled()).await;
        assert!(
            settled.is_ok(),
            "not settled after {:?}: {}",
            began.elapsed(),
            pending(&self.ivan.store())
        );
    }

    async fn until_settled(&mut self) {
        let store = self.ivan.store();
        loop {
            assert!(self.ivan.is_running(), "the daemon ended by itself");
            self.connected().await;
            self.tries_again().await;
            for place in 0..self.typed.len() {
                let typed = &self.typed[place];
                if typed.command.by == Surface::Http && typed.operation.is_none() {
                    self.asks(place, SOON).await;
                }
            }
            let slack = self.ivan.slack();
            if is_unacked(slack) {
                slack.redeliver_unacked();
                soon(slack.until(|slack| !is_unacked(slack))).await;
            }
            let asked = self
                .typed
                .iter()
                .all(|typed| typed.command.by == Surface::Dm || typed.operation.is_some());
            let heard = drops::are_heard(self.ivan.slack(), &store);
            if asked && heard && pending(&store) == "nothing" && !is_unacked(self.ivan.slack()) {
                break;
            }
            self.a_minute_passes().await;
            tokio::time::sleep(SETTLING_LOOK).await;
        }
        drop(store);
        self.ivan.clickup().settled().await;
        self.ivan.github().settled().await;
        for place in 0..self.typed.len() {
            if let Some(operation) = self.typed[place].operation.clone() {
                let path = format!("/operations/{operation}");
                self.typed[place].outcome = loop {
                    if let Some((_, seen)) = self.request("GET", &path, None, &[], SOON).await {
                        break seen;
                    }
                };
            }
        }
    }

    /// GitHub asks for pauses of a minute: at the next start that time is over.
    async fn a_minute_passes(&mut self) {
        let waits = {
            let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis();
            let later = i64::try_from(now).unwrap() + 20_000;
            let long = "SELECT count(*) FROM pauses WHERE until_ms > ?1";
            let store = self.ivan.store();
            store
                .query_row(long, [later], |row| row.get::<_, i64>(0))
                .unwrap()
                > 0
        };
        if waits {
            self.dies("while a limit holds").await;
            self.ivan.store().execute("DELETE FROM pauses", []).unwrap();
            self.starts().await;
        }
    }

    /// Adds the faults that requests have met to the tally.
    pub fn counts_faults(&self) {
        for system in [System::Slack, System::ClickUp, System::GitHub] {
            for seen in self.front(system).journal() {
                if let Some(fault) = seen.fault {
                    self.tally.fault(format!("{system:?}: {fault}"), 1);
                }
            }
        }
    }
}

const POST: &str = "chat.postMessage";
const UPDATE: &str = "chat.update";

/// The daemon's remaining work, by its own store.
pub fn pending(store: &Connection) -> String {
    let counts = [
        (
            "operations",
            "SELECT count(*) FROM operations WHERE state = 'pending'",
        ),
        (
            "messages heard",
            "SELECT count(*) FROM slack_events WHERE handled_ms IS NULL",
        ),
        (
            "messages to post",
            "SELECT count(*) FROM messages WHERE dropped IS NULL AND (ts IS NULL OR version > posted_version)",
        ),
        (
            "deliveries",
            "SELECT count(*) FROM deliveries WHERE handled_ms IS NULL",
        ),
        (
            "set aside",
            "SELECT count(*) FROM begun_work WHERE set_aside_ms IS NOT NULL",
        ),
    ];
    let mut pending = Vec::new();
    for (what, count) in counts {
        let count: i64 = store.query_row(count, [], |row| row.get(0)).unwrap();
        if count > 0 {
            pending.push(format!("{count} {what}"));
        }
    }
    match pending.as_slice() {
        [] => "nothing".to_owned(),
        some => some.join(", "),
    }
}

fn is_unacked(slack: &SandboxSlack) -> bool {
    !slack.unacked().is_empty()
}

/// The number of an issue by its place.
pub fn number(place: usize) -> u64 {
    u64::try_from(place).unwrap() + 1
}

async fn soon(what: impl Future<Output = ()>) -> bool {
    tokio::time::timeout(SOON, what).await.is_ok()
}

pub(super) async fn seen_soon(
    front: &FaultServer,
    before: usize,
    method: &str,
    path: &str,
    what: impl Fn(&RequestRecord) -> bool,
) -> bool {
    soon(front.until(|journal| {
        journal
            .iter()
            .skip(before)
            .any(|seen| seen.is(method, path) && what(seen))
    }))
    .await
}

/// The envelope that contained a message.
pub fn envelope(slack: &SandboxSlack, ts: &str) -> Option<ivan::sandbox::slack::Envelope> {
    let envelopes = slack.envelopes();
    envelopes
        .into_iter()
        .find(|envelope| envelope.payload["event"]["ts"] == ts)
}

/// The person whose lane it is; with everything shared there is one person.
pub fn lane(history: &History, who: Who) -> Who {
    match history.people {
        true => who,
        false => Who::Ana,
    }
}
