//! The vocabulary of the stories: people, the sandbox's world, and the real binary as its own process.
//!
//! A story gets a connected [`Ivan`] that has read both sources. When it returns, the harness checks the end: nothing
//! is queued, there is no unexpected message, no unexpected `error!` is in the log, and SIGTERM ends the daemon with 0.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{TcpStream, UdpSocket};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chrono::{DateTime, Timelike, Utc};
use chrono_tz::Tz;
use ivan::clock::Clock;
use ivan::sandbox::clickup::SandboxClickUp;
use ivan::sandbox::fault_server::{FaultServer, RequestRecord};
use ivan::sandbox::github::SandboxGitHub;
use ivan::sandbox::slack::{PostedMessage, SandboxSlack};
use ivan::sandbox::{Sandbox, Seed};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

use crate::canaries::Canaries;

pub const ANA: &str = "U0ANN01";
pub const BO: &str = "U0BOB01";
/// Two people who share everything without `[[people]]`. In each DM five answers go at once, and then one a second: in
/// a story with many questions they take turns.
pub const IN_TURN: [&str; 2] = [ANA, BO];
pub const GUEST: &str = "U0GST01";
pub const STRANGER: &str = "U0STR01";
pub const ANA_CLICKUP: i64 = 4242;
pub const BO_CLICKUP: i64 = 4243;
pub const REPO: &str = "acme/widgets";
pub const TOKEN: &str = "a-token-of-the-tests";
/// The file with the private key of a GitHub App, in the daemon's folder.
pub const APP_KEY: &str = "app-key.pem";
pub const HOOK_SECRET: &str = "a-webhook-secret-of-the-tests";

/// The time limit of any wait before a story fails. A passing story never waits this long, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Slack's limit for an acknowledgement (docs/contracts/slack.md#acknowledging). Stories hold all work until every acknowledgement has
/// come: that shows that none waits for work. Speed beyond that depends on the machine alone.
const ACK_WITHIN_MS: i64 = 3_000;
/// No story begins this many seconds before a midnight: several depend on the date, and are over by then.
const BEFORE_MIDNIGHT: i64 = 45;
/// The zones of the stories' people.
const ZONES: [Tz; 4] = [
    Tz::UTC,
    chrono_tz::Europe::Madrid,
    chrono_tz::America::New_York,
    chrono_tz::Pacific::Auckland,
];

/// Two ClickUp tasks, of which `Renew cert` is first.
pub fn two_tasks() -> Setup {
    Setup::new().clickup_tasks([
        json!({"name": "Renew cert", "tags": ["client:acme"]}),
        json!({"name": "Write the runbook"}),
    ])
}

/// Two GitHub issues, of which `Login fails` is first: numbers 1 and 2.
pub fn two_issues() -> Setup {
    Setup::new().github_issues([
        json!({"title": "Login fails", "labels": ["client"]}),
        json!({"title": "Update the docs"}),
    ])
}

/// The header that makes a request Ana's.
pub const AS_ANA: &[(&str, &str)] = &[("X-Ivan-Actor", "Ana")];

/// The id of the task `Renew cert`, as people type it.
pub fn cert(ivan: &Ivan) -> String {
    format!("clickup:{}", ivan.clickup().task("Renew cert").id())
}

/// The initial state of a story.
pub struct Setup {
    tasks: Vec<Value>,
    issues: Vec<Value>,
    config: String,
    clickup: bool,
    github: bool,
    /// GitHub is used as a GitHub App, without a token.
    app: bool,
    server: bool,
    slack: bool,
    wait_for_sync: bool,
    token: bool,
    /// The port of the webhook listener.
    webhooks: Option<u16>,
    changed: Vec<(&'static str, String)>,
    /// The size of its files can be limited.
    disk_can_fill: bool,
    /// The daemon finds a store without rows instead of making one.
    store_made: bool,
    /// Further changes to the sandbox's world.
    world: Vec<fn(&Sandbox)>,
}

impl Setup {
    /// No tasks, no people configured, everything connected.
    pub fn new() -> Setup {
        Setup {
            tasks: Vec::new(),
            issues: Vec::new(),
            config: String::new(),
            clickup: true,
            github: true,
            app: false,
            server: false,
            slack: true,
            wait_for_sync: true,
            token: true,
            webhooks: None,
            changed: Vec::new(),
            disk_can_fill: false,
            store_made: true,
            world: Vec::new(),
        }
    }

    /// Tasks of the Inbox, as `add_task` of the sandbox takes them.
    pub fn clickup_tasks<const N: usize>(mut self, tasks: [Value; N]) -> Setup {
        self.tasks.extend(tasks);
        self
    }

    /// Issues of acme/widgets, as `add_issue` of the sandbox takes them; their numbers start at 1.
    pub fn github_issues<const N: usize>(mut self, issues: [Value; N]) -> Setup {
        self.issues.extend(issues);
        self
    }

    /// Changes the sandbox's world before the daemon starts.
    pub fn before(mut self, change: fn(&Sandbox)) -> Setup {
        self.world.push(change);
        self
    }

    /// Appends lines to bot.toml. `[section]`s that the harness writes cannot be repeated: give their keys as
    /// `section.key = value` lines instead.
    pub fn config(mut self, lines: &str) -> Setup {
        self.config.push_str(lines);
        self.config.push('\n');
        self
    }

    /// Changes the value of a key that the harness sets in bot.toml.
    pub fn set(mut self, key: &'static str, value: &str) -> Setup {
        self.changed.push((key, value.to_owned()));
        self
    }

    /// Ana and Bo as `[[people]]`, each with their own queue.
    pub fn people(self) -> Setup {
        self.config(
            "[[people]]\nname = \"Ana\"\nslack = \"U0ANN01\"\ngithub = \"ana\"\nclickup = \"4242\"\n\
             [[people]]\nname = \"Bo\"\nslack = \"U0BOB01\"\ngithub = \"bo\"\nclickup = \"4243\"",
        )
    }

    /// Ana and Bo; Ana's task `Renew cert`, which is first, and her issues `Login fails` and `Update the docs`, numbers 1
    /// and 2. The first of both sources have a tag and a label.
    pub fn work_of_ana(self) -> Setup {
        self.people()
            .clickup_tasks([json!({
                "name": "Renew cert", "assignees": [ANA_CLICKUP], "priority": 1, "tags": ["stale"],
            })])
            .github_issues([
                json!({"title": "Login fails", "assignees": ["ana"], "labels": ["wontfix"]}),
                json!({"title": "Update the docs", "assignees": ["ana"]}),
            ])
    }

    /// The webhook listener, on a port that stays the same over restarts; [`Ivan::hook_up`] makes the webhooks.
    pub fn webhooks(self) -> Setup {
        self.webhooks_without_secrets().config(&format!(
            "clickup.webhook_secret = \"{HOOK_SECRET}\"\ngithub.webhook_secret = \"{HOOK_SECRET}\""
        ))
    }

    /// The listener alone: the story registers the webhooks.
    pub fn webhooks_without_secrets(mut self) -> Setup {
        let port = lasting_port();
        self.webhooks = Some(port);
        self.config(&format!("webhooks.bind = \"127.0.0.1:{port}\""))
    }

    pub fn without_clickup(mut self) -> Setup {
        self.clickup = false;
        self
    }

    pub fn without_github(mut self) -> Setup {
        self.github = false;
        self
    }

    /// GitHub as a GitHub App, which is installed for `acme`, instead of a token.
    pub fn github_app(mut self) -> Setup {
        self.app = true;
        self
    }

    /// GitHub is a GitHub Enterprise Server, which `github.url` alone names.
    pub fn github_server(mut self) -> Setup {
        self.server = true;
        self
    }

    pub fn without_slack(mut self) -> Setup {
        self.slack = false;
        self
    }

    /// Starts the story once the daemon listens, before it has read the sources: for sources that are down.
    pub fn without_waiting_for_the_first_read(mut self) -> Setup {
        self.wait_for_sync = false;
        self
    }

    /// No `api.token`: the daemon makes one at its first start.
    pub fn without_token(mut self) -> Setup {
        self.token = false;
        self
    }

    /// Lets the daemon survive a write past the limit of [`Ivan::fills_the_disk`] as on a full disk: by an error of the
    /// write, not by a signal.
    pub fn disk_can_fill(mut self) -> Setup {
        self.disk_can_fill = true;
        self
    }

    /// The daemon makes its store at its first start.
    pub fn without_a_store(mut self) -> Setup {
        self.store_made = false;
        self
    }

    /// Starts everything and returns it; most stories want [`ivan_test`].
    pub async fn start(self) -> Ivan {
        let took = Took::begin();
        let midnight = to_wait_for_midnight(Clock::system().now());
        tokio::time::sleep(midnight).await;
        let sandbox = Sandbox::start(seed_of_its_own()).await.unwrap();
        for task in &self.tasks {
            sandbox.clickup.add_task(task.clone());
        }
        for (number, issue) in (1_u64..).zip(&self.issues) {
            let mut issue = issue.clone();
            issue["number"] = json!(number);
            assert_eq!(sandbox.github.add_issue(REPO, issue), number);
        }
        sandbox.github.enforce_secondary(false);
        if self.server {
            sandbox.github.become_server();
        }
        if self.app {
            sandbox.github.install_app("acme");
        }
        self.world.iter().for_each(|change| change(&sandbox));
        let folder = tempfile::tempdir().unwrap();
        let store_made = self.store_made;
        let ivan = Ivan {
            config: self.bot_toml(&sandbox),
            introduced: false,
            setup: self,
            sandbox,
            folder,
            daemon: None,
            expected: Mutex::default(),
            threads: Mutex::default(),
            forgiven: Mutex::default(),
            env: Vec::new(),
            past: Vec::new(),
            leaked: Mutex::default(),
            _took: took,
        };
        std::fs::write(ivan.config_path(), &ivan.config).unwrap();
        if ivan.setup.app {
            ivan.writes_app_key(ivan.github().app_key());
        }
        if store_made {
            std::fs::write(ivan.folder.path().join("ivan.db"), empty_store()).unwrap();
        }
        ivan
    }

    /// Retries are quick, to keep their stories quick.
    fn bot_toml(&self, sandbox: &Sandbox) -> String {
        let mut text = String::from(
            "log.format = \"json\"\nlog.level = \"info\"\nstore.path = \"ivan.db\"\napi.bind = \"127.0.0.1:0\"\n",
        );
        if self.webhooks.is_none() {
            text.push_str("webhooks.bind = \"127.0.0.1:0\"\n");
        }
        if self.token {
            let _ = writeln!(text, "api.token = \"{TOKEN}\"");
        }
        for (key, value) in [
            ("outbox.retry_initial", "100ms"),
            ("outbox.retry_max", "400ms"),
        ] {
            if !self.config.contains(key) {
                let _ = writeln!(text, "{key} = \"{value}\"");
            }
        }
        if self.slack {
            let slack = &sandbox.slack;
            let _ = writeln!(
                text,
                "slack.app_token = \"{}\"\nslack.bot_token = \"{}\"\nslack.api_url = \"{}\"",
                slack.app_token(),
                slack.bot_token(),
                slack.api_url()
            );
            let has_people = self.config.contains("[[people]]");
            if !has_people && !self.config.contains("slack.allowed_users") {
                text.push_str("slack.allowed_users = [\"*\"]\n");
            }
        }
        if self.clickup {
            let clickup = &sandbox.clickup;
            let _ = writeln!(
                text,
                "clickup.token = \"{}\"\nclickup.team_id = \"{}\"\nclickup.list_id = \"{}\"\nclickup.api_url = \"{}\"",
                clickup.token(),
                clickup.team_id(),
                clickup.list_id(),
                clickup.api_url()
            );
        }
        if self.github {
            let github = &sandbox.github;
            let access = match self.app {
                true => format!(
                    "github.app_id = \"{}\"\ngithub.app_key_file = \"{APP_KEY}\"",
                    github.app_id()
                ),
                false => format!("github.token = \"{}\"", github.token()),
            };
            let address = match self.server {
                true => format!("github.url = \"{}\"", github.url()),
                false => format!("github.api_url = \"{}\"", github.api_url()),
            };
            let _ = writeln!(
                text,
                "{access}\ngithub.repo = \"{REPO}\"\n{address}\ngithub.writes_per_second = 0",
            );
        }
        for (key, value) in &self.changed {
            let usual = text.lines().find(|line| line.starts_with(key));
            let usual = usual.map(ToOwned::to_owned).expect("the harness sets it");
            text = text.replace(&usual, &format!("{key} = {value}"));
        }
        text.push_str(&self.config);
        text
    }
}

/// A daemon of its own with a sandbox of its own.
pub struct Ivan {
    pub sandbox: Sandbox,
    setup: Setup,
    /// Whether the operators got their first message.
    introduced: bool,
    config: String,
    folder: TempDir,
    daemon: Option<Daemon>,
    /// The number of expected answers in each DM, by channel.
    expected: Mutex<BTreeMap<String, usize>>,
    /// The place of the next answer in each thread, by channel and root.
    threads: Mutex<BTreeMap<(String, String), usize>>,
    /// Texts that an `error!` in the log may contain.
    forgiven: Mutex<Vec<String>>,
    /// The daemon's further environment variables.
    env: Vec<(String, PathBuf)>,
    /// The logs of killed daemons.
    past: Vec<Arc<Log>>,
    /// Secrets that were found in answers.
    leaked: Mutex<Vec<String>>,
    _took: Took,
}

/// Runs a story against a daemon that is ready, and finishes it.
pub async fn ivan_test(setup: Setup, story: impl AsyncFnOnce(&mut Ivan)) {
    let mut ivan = setup.start().await;
    ivan.start().await;
    story(&mut ivan).await;
    ivan.finish().await;
}

impl Ivan {
    pub fn clickup(&self) -> &SandboxClickUp {
        &self.sandbox.clickup
    }

    pub fn github(&self) -> &SandboxGitHub {
        &self.sandbox.github
    }

    pub fn slack(&self) -> &SandboxSlack {
        &self.sandbox.slack
    }

    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Replaces the file with the GitHub App's private key.
    pub fn writes_app_key(&self, pem: &str) {
        let path = self.folder.path().join(APP_KEY);
        let _ = std::fs::remove_file(&path);
        std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .unwrap()
            .write_all(pem.as_bytes())
            .unwrap();
    }

    fn config_path(&self) -> PathBuf {
        self.folder.path().join("bot.toml")
    }

    // ------------------------------------------------------------ the process

    /// Starts the daemon and waits until it is ready.
    pub async fn start(&mut self) {
        self.launch().await;
        let daemon = self.daemon();
        if self.setup.wait_for_sync {
            for (source, configured) in [
                ("clickup", self.setup.clickup),
                ("github", self.setup.github),
            ] {
                if configured {
                    daemon
                        .log
                        .until("it has read its sources", |line| {
                            line.says(&format!("poll done … source={source}"))
                                && line.field("error").is_none()
                        })
                        .await;
                }
            }
        }
        if self.setup.slack {
            self.within(
                "the socket is up",
                self.slack().until(|slack| slack.links() > 0),
            )
            .await;
            self.until_operators_are_introduced().await;
        }
    }

    /// At its first connection, Ivan introduces itself to the operators of bot.toml.
    async fn until_operators_are_introduced(&mut self) {
        if std::mem::replace(&mut self.introduced, true) {
            return;
        }
        for operator in self.operators() {
            let channel = self.slack().dm(&operator);
            let place = self.owes(&channel);
            let said = self
                .slack()
                .until(|slack| slack.bot_messages(&channel).len() > place);
            self.within("an operator is introduced to Ivan", said).await;
        }
    }

    /// The Slack ids in `slack.operators`.
    fn operators(&self) -> Vec<String> {
        let mut lines = self.config.lines();
        let line = lines
            .find(|line| line.starts_with("slack.operators") || line.starts_with("operators = "));
        let listed = line
            .and_then(|line| line.split_once('['))
            .map_or("", |(_, listed)| listed);
        listed
            .split('"')
            .filter(|id| id.starts_with('U'))
            .map(str::to_owned)
            .collect()
    }

    /// The content of bot.toml.
    pub fn config_text(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("bot.toml")).unwrap()
    }

    /// SIGKILL, as a crash or a power cut would.
    pub async fn kill(&mut self) {
        let mut daemon = self.daemon.take().expect("it runs");
        daemon.child.kill().await.unwrap();
        self.past.push(daemon.log);
        let gone = self.slack().until(|slack| slack.links() == 0);
        self.within("Slack has noticed", gone).await;
    }

    /// SIGABRT, as after a stack overflow.
    pub async fn aborts(&mut self) {
        use std::os::unix::process::ExitStatusExt;
        self.signal("-ABRT").await;
        // A frozen process ends when it continues.
        self.signal("-CONT").await;
        let status = self.ends().await;
        assert_eq!(status.signal(), Some(6), "{status}");
        let gone = self.slack().until(|slack| slack.links() == 0);
        self.within("Slack has noticed", gone).await;
    }

    pub async fn kill_and_restart(&mut self) {
        self.kill().await;
        self.start().await;
    }

    /// SIGTERM; waits for the end.
    pub async fn stop(&mut self) -> ExitStatus {
        self.signal("-TERM").await;
        self.ends().await
    }

    /// SIGSTOP: when this returns, no thread of the daemon runs until it gets SIGCONT.
    pub async fn freezes(&self) {
        self.signal("-STOP").await;
        let pid = self.daemon().child.id().expect("it runs");
        let stat = format!("/proc/{pid}/stat");
        self.within("it is frozen", async {
            // The state is the field after the name in parentheses. Without /proc the signal alone must do.
            while std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") T ")) {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    /// Sends a signal: `-TERM`, `-INT`.
    pub async fn signal(&self, signal: &str) {
        let pid = self.daemon().child.id().expect("it runs").to_string();
        let sent = Command::new("kill").args([signal, &pid]).status().await;
        assert!(sent.unwrap().success());
    }

    /// Waits for the end of a daemon that has got a signal.
    pub async fn ends(&mut self) -> ExitStatus {
        let mut daemon = self.daemon.take().expect("it runs");
        self.past.push(Arc::clone(&daemon.log));
        let status = tokio::time::timeout(PATIENCE, daemon.child.wait())
            .await
            .expect("it ends when it is told to")
            .unwrap();
        // Otherwise the next start would take the old link for its own, and messages would go there.
        let gone = self.slack().until(|slack| slack.links() == 0);
        self.within("Slack has noticed", gone).await;
        status
    }

    fn daemon(&self) -> &Daemon {
        self.daemon.as_ref().expect("the daemon runs")
    }

    /// Allows an `error!` that contains these words.
    pub fn forgive(&self, words: &str) {
        self.forgiven.lock().unwrap().push(words.to_owned());
    }

    /// Waits until the log has a line whose message and fields contain `words`, in pieces with ` … ` between them.
    pub async fn logs(&self, words: &str) {
        self.daemon()
            .log
            .until(words, |line| line.says(words))
            .await;
    }

    /// The message of every log line so far.
    pub fn messages_logged(&self) -> Vec<String> {
        let lines = self.daemon().log.lines();
        lines.iter().map(Line::message).collect()
    }

    /// Every log line so far, as text.
    pub fn log(&self) -> String {
        self.daemon().log.text()
    }

    /// Whether a line up to now has these pieces, as for [`Ivan::logs`].
    pub fn has_logged(&self, words: &str) -> bool {
        self.daemon()
            .log
            .lines()
            .iter()
            .any(|line| line.says(words))
    }

    /// Checks the end: no work is left, no unexpected message was sent, and no error is in the log.
    pub async fn finish(mut self) {
        if self.daemon.is_none() {
            return;
        }
        self.until_nothing_is_queued().await;
        let owed = self.expected.lock().unwrap().clone();
        // A story need not wait for every answer itself.
        let all_said = self.slack().until(|slack| {
            let mut owed = owed.iter();
            owed.all(|(channel, owed)| slack.bot_messages(channel).len() >= *owed)
        });
        self.within("everything that is owed is said", all_said)
            .await;
        for (channel, expected) in owed {
            let said = self.slack().bot_messages(&channel);
            assert_eq!(
                said.len(),
                expected,
                "Ivan said more or less than the story asked for in {channel}: {said:#?}"
            );
        }
        let forgiven = self.forgiven.lock().unwrap().clone();
        let errors: Vec<String> = self
            .daemon()
            .log
            .lines()
            .into_iter()
            .filter(|line| line.0["level"] == "ERROR")
            .map(|line| line.0.to_string())
            .filter(|line| !forgiven.iter().any(|words| line.contains(words.as_str())))
            .collect();
        assert!(
            errors.is_empty(),
            "unexpected errors in the log: {errors:#?}"
        );
        let status = self.stop().await;
        assert!(status.success(), "SIGTERM is a success, not {status}");
        self.sandbox.close().await;
    }

    /// Waits until the store has recorded every post and update.
    pub async fn until_messages_are_recorded(&self) {
        let open = "SELECT count(*) FROM messages WHERE ts IS NULL OR version > posted_version";
        self.within("messages are recorded", async {
            while self.sql::<i64>(open) != 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    }

    /// The ids of work that `ivan status` lists as set aside.
    pub async fn set_aside(&self) -> Vec<String> {
        let (_, status) = self.http("GET", "/status", None).await;
        let listed = status["set_aside"].as_array().unwrap();
        let ids = listed.iter().map(|one| one["id"].as_str().unwrap());
        ids.map(ToOwned::to_owned).collect()
    }

    /// Waits for a link to Slack. A DM may be compared, and answered, before that.
    pub async fn until_there_is_a_link(&self) {
        let linked = self.slack().until(|slack| slack.links() > 0);
        self.within("there is a link", linked).await;
    }

    /// Waits until every operation has an outcome.
    pub async fn until_nothing_is_queued(&self) {
        let mut log = self.daemon().log.changed.subscribe();
        let empty = async {
            loop {
                log.mark_unchanged();
                let (_, status) = self.http("GET", "/status", None).await;
                if status["queued_operations"] == 0 {
                    return;
                }
                // Each end of an operation is logged; a read now and then covers one that was logged just before.
                let _ = tokio::time::timeout(Duration::from_millis(200), log.changed()).await;
            }
        };
        self.within("nothing is queued", empty).await;
    }

    /// Waits for a necessary event; on time-out shows the conversation and the log.
    #[track_caller]
    pub fn within<'a, T>(
        &'a self,
        what: &'a str,
        event: impl Future<Output = T> + 'a,
    ) -> impl Future<Output = T> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            match tokio::time::timeout(PATIENCE, event).await {
                Ok(value) => value,
                Err(_) => panic!(
                    "{caller}: not within {PATIENCE:?}: {what}\n{}",
                    self.everything()
                ),
            }
        }
    }

    fn everything(&self) -> String {
        let mut text = String::new();
        for user in [ANA, BO] {
            let channel = self.slack().dm(user);
            for message in self.slack().messages(&channel) {
                let _ = writeln!(text, "{channel} {}: {}", message["user"], message["text"]);
            }
        }
        if let Some(daemon) = &self.daemon {
            text.push_str(&daemon.log.text());
        }
        text
    }

    // ------------------------------------------------------------ Slack

    /// Sends a message in the DM and waits for the outcome: an answer that does not begin with `…`.
    #[track_caller]
    pub fn dm<'a>(&'a self, who: &'a str, text: &'a str) -> impl Future<Output = Answer<'a>> + 'a {
        let asked = self.says(who, text);
        async move { asked.settles().await }
    }

    /// Sends a message in the DM; the methods of the return value await the answer.
    pub fn says<'a>(&'a self, who: &str, text: &str) -> Asked<'a> {
        let channel = self.slack().dm(who);
        let place = {
            let mut expected = self.expected.lock().unwrap();
            let answers = expected.entry(channel.clone()).or_default();
            *answers += 1;
            *answers - 1
        };
        let ts = self.slack().says(who, &channel, text);
        Asked {
            ivan: self,
            channel,
            ts,
            place: Place::Dm(place),
        }
    }

    /// Waits until the bot's message number `n` (from 0) in a channel is an outcome; returns its text as people see it.
    pub async fn settles_in(&self, channel: &str, n: usize) -> String {
        let settled = |slack: &SandboxSlack| {
            let said = slack.bot_messages(channel).into_iter().nth(n);
            said.filter(|posted| !posted.text.starts_with('…'))
        };
        let event = self.slack().until(|slack| settled(slack).is_some());
        self.within("it is said in the channel", event).await;
        shown(&settled(self.slack()).unwrap().text)
    }

    /// Sends a message in a thread of the DM.
    pub fn says_under<'a>(&'a self, who: &str, root: &str, text: &str) -> Asked<'a> {
        let channel = self.slack().dm(who);
        *self
            .expected
            .lock()
            .unwrap()
            .entry(channel.clone())
            .or_default() += 1;
        let place = self.place_in_thread(&channel, root);
        let ts = self.slack().says_in_thread(who, &channel, root, text);
        Asked {
            ivan: self,
            channel,
            ts,
            place,
        }
    }

    /// The place of the next answer in a thread, after the posted and the expected ones.
    fn place_in_thread(&self, channel: &str, root: &str) -> Place {
        let there = self.slack().replies_to(channel, root).len();
        let mut threads = self.threads.lock().unwrap();
        let next = threads
            .entry((channel.to_owned(), root.to_owned()))
            .or_default();
        let place = there.max(*next);
        *next = place + 1;
        Place::Thread(root.to_owned(), place)
    }

    /// Sends a message in a channel; the answer is expected in a thread under it.
    pub fn says_in<'a>(&'a self, channel: &str, who: &str, text: &str) -> Asked<'a> {
        let channel = self.slack().channel(channel);
        let ts = self.slack().says(who, &channel, text);
        Asked {
            ivan: self,
            place: self.place_in_thread(&channel, &ts),
            channel,
            ts,
        }
    }

    /// Does something that must not be answered in the DM. Waits for all acknowledgements, and then for the answer to a
    /// harmless question after it, which proves the silence.
    pub async fn is_silent_after(&self, who: &str, something: impl FnOnce(&SandboxSlack, &str)) {
        let channel = self.slack().dm(who);
        something(self.slack(), &channel);
        self.within(
            "everything is acknowledged",
            self.slack().until(|slack| slack.unacked().is_empty()),
        )
        .await;
        // Its answer is the next message: an answer to anything else would be in its place.
        self.dm(who, "status").await.begins("Slack: connected");
    }

    /// An event of a person arrives in their DM and is answered once; `something` returns its `ts`.
    pub fn hears<'a>(
        &'a self,
        who: &str,
        something: impl FnOnce(&SandboxSlack, &str) -> String,
    ) -> Asked<'a> {
        let channel = self.slack().dm(who);
        let place = {
            let mut expected = self.expected.lock().unwrap();
            let answers = expected.entry(channel.clone()).or_default();
            *answers += 1;
            *answers - 1
        };
        let ts = something(self.slack(), &channel);
        Asked {
            ivan: self,
            channel,
            ts,
            place: Place::Dm(place),
        }
    }

    /// Expects an unrequested message in the DM, after all messages sent and expected so far.
    pub fn is_told<'a>(&'a self, who: &str) -> Asked<'a> {
        let channel = self.slack().dm(who);
        let place = Place::Dm(self.owes(&channel));
        Asked {
            ivan: self,
            channel,
            ts: String::new(),
            place,
        }
    }

    /// Makes the webhooks of both sources by hand, with the secrets of [`Setup::webhooks`].
    pub fn hook_up(&self) {
        self.clickup()
            .add_hook(&self.hook_url("clickup"), HOOK_SECRET);
        self.github()
            .add_hook(&self.hook_url("github"), HOOK_SECRET);
    }

    /// The address for a source's webhooks.
    pub fn hook_url(&self, source: &str) -> String {
        let port = self.setup.webhooks.expect("Setup::webhooks");
        format!("http://127.0.0.1:{port}/webhooks/{source}")
    }

    /// Waits until every webhook delivery has been answered and processed.
    pub async fn until_deliveries_are_applied(&self) {
        self.within("deliveries are answered", async {
            self.clickup().settled().await;
            self.github().settled().await;
        })
        .await;
        let mut log = self.daemon().log.changed.subscribe();
        let empty = async {
            loop {
                log.mark_unchanged();
                if self.sql::<i64>("SELECT count(*) FROM deliveries WHERE handled_ms IS NULL") == 0
                {
                    return;
                }
                let _ = tokio::time::timeout(Duration::from_millis(50), log.changed()).await;
            }
        };
        self.within("deliveries are worked off", empty).await;
    }

    /// One value from the store's file.
    pub fn sql<T: rusqlite::types::FromSql>(&self, query: &str) -> T {
        self.store().query_row(query, [], |row| row.get(0)).unwrap()
    }

    /// Waits until Slack has an acknowledgement for every delivery of every event.
    #[track_caller]
    pub fn until_all_is_acked(&self) -> impl Future<Output = ()> + '_ {
        let acked = |slack: &SandboxSlack| {
            let acks = slack.acks();
            slack.envelopes().iter().all(|envelope| {
                let of_it = acks.iter().filter(|ack| ack.envelope_id == envelope.id);
                of_it.count() >= envelope.links.len().max(1)
            })
        };
        self.within("everything is acknowledged", self.slack().until(acked))
    }

    /// Every acknowledgement came within the time that Slack waits for it.
    #[track_caller]
    pub fn all_was_acked_in_time(&self) {
        let acks = self.slack().acks().into_iter();
        let late: Vec<_> = acks.filter(|ack| ack.after_ms >= ACK_WITHIN_MS).collect();
        assert!(late.is_empty(), "{late:?}");
    }

    /// A second connection to the daemon's database.
    pub fn store(&self) -> rusqlite::Connection {
        let store = rusqlite::Connection::open(self.folder.path().join("ivan.db")).unwrap();
        store.busy_timeout(PATIENCE).unwrap();
        store
    }

    // ------------------------------------------------------------ the process, step by step

    /// Sets an environment variable of the daemon from the next start on.
    pub fn env(&mut self, name: &str, value: impl Into<PathBuf>) {
        self.env.push((name.to_owned(), value.into()));
    }

    /// Starts the daemon and waits only until it listens.
    pub async fn launch(&mut self) {
        self.spawn();
        self.until_it_listens().await;
    }

    pub async fn until_it_listens(&self) {
        let log = Arc::clone(&self.daemon().log);
        log.until("it listens", |line| line.field("api").is_some())
            .await;
    }

    pub fn pid(&self) -> u32 {
        self.daemon().child.id().expect("it runs")
    }

    /// Starts the daemon without waiting.
    pub fn spawn(&mut self) {
        self.daemon = Some(Daemon::spawn(
            &self.config_path(),
            self.folder.path(),
            &self.env,
            self.setup.disk_can_fill,
        ));
    }

    /// Whether the daemon that was started last is still running.
    pub fn is_running(&mut self) -> bool {
        let daemon = self.daemon.as_mut();
        daemon.is_some_and(|daemon| matches!(daemon.child.try_wait(), Ok(None)))
    }

    /// The `error!` lines of this daemon and those before it.
    pub fn errors(&self) -> Vec<String> {
        let logs = self
            .past
            .iter()
            .chain(self.daemon.iter().map(|daemon| &daemon.log));
        logs.flat_map(|log| log.lines())
            .filter(|line| line.0["level"] == "ERROR")
            .map(|line| line.message().to_owned())
            .collect()
    }

    /// The logs of this daemon and those before it.
    pub fn logs_of_all(&self) -> String {
        let logs = self
            .past
            .iter()
            .chain(self.daemon.iter().map(|daemon| &daemon.log));
        logs.map(|log| log.text())
            .collect::<Vec<_>>()
            .join("-------- killed --------\n")
    }

    // ------------------------------------------------------------ HTTP and the command line

    pub fn api_url(&self) -> String {
        format!("http://{}", self.daemon().address())
    }

    /// A request with the token; the status and the JSON of the answer (`null` if it has none).
    pub async fn http(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        self.http_with(method, path, body, &[]).await
    }

    pub async fn http_with(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> (u16, Value) {
        let mut request = client()
            .request(method.parse().unwrap(), format!("{}{path}", self.api_url()))
            .bearer_auth(self.token());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        self.shows(&format!("the answer to {method} {path}"), &text);
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// The answer of `GET /metrics`.
    pub async fn metrics(&self) -> String {
        let request = client().get(format!("{}/metrics", self.api_url()));
        let answer = request.bearer_auth(self.token()).send().await.unwrap();
        let text = answer.text().await.unwrap();
        self.shows("GET /metrics", &text);
        text
    }

    /// Waits until `GET /metrics` has this line.
    #[track_caller]
    pub fn counts<'a>(&'a self, line: &'a str) -> impl Future<Output = ()> + 'a {
        let counted = async move {
            while !self.metrics().await.lines().any(|counted| counted == line) {
                // Changed numbers cause no event.
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        self.within("it is counted", counted)
    }

    /// Reads the sources again: changes made there are known when this returns.
    pub async fn sync(&self) {
        let (status, answer) = self.http("POST", "/sync", None).await;
        assert_eq!(status, 200, "{answer}");
    }

    /// Runs `ivan ARGS` against the daemon.
    pub async fn cli(&self, args: &[&str]) -> Ran {
        self.shows_ran(ran(&mut self.command(args)).await)
    }

    /// `ivan ARGS`, to be run against the daemon.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = binary();
        command
            .args(["--api-url", &self.api_url(), "--api-token", &self.token()])
            .args(args)
            .current_dir(self.folder.path());
        command
    }

    /// The text of bot.toml.
    pub fn bot_toml(&self) -> &str {
        &self.config
    }

    /// Runs another `ivan serve` with this bot.toml, in the same folder, until it ends.
    pub async fn another_serve(&self, bot_toml: &str) -> Ran {
        let path = self.folder.path().join("another.toml");
        std::fs::write(&path, bot_toml).unwrap();
        let ran = ran(binary()
            .args(["--config", "another.toml", "serve"])
            .current_dir(self.folder.path())
            .env("XDG_RUNTIME_DIR", self.folder.path()))
        .await;
        self.shows_ran(ran)
    }

    /// `api.token`, or the token that the daemon made.
    pub fn token(&self) -> String {
        if self.setup.token {
            return TOKEN.to_owned();
        }
        let text = std::fs::read_to_string(self.folder.path().join("api-token")).unwrap();
        text.trim().to_owned()
    }

    /// Runs `ivan ARGS` in the folder of bot.toml, without other settings that lead to the daemon.
    pub async fn cli_at_home(&self, args: &[&str]) -> Ran {
        // The daemon got port 0, which no client can connect to.
        let found = self.config.replace(
            "api.bind = \"127.0.0.1:0\"",
            &format!("api.bind = \"{}\"", self.daemon().address()),
        );
        std::fs::write(self.config_path(), found).unwrap();
        let ran = ran(binary().args(args).current_dir(self.folder.path())).await;
        self.shows_ran(ran)
    }

    // ------------------------------------------------------------ further ways to speak

    /// Counts one more expected answer in a channel; returns the number before.
    fn owes(&self, channel: &str) -> usize {
        let mut expected = self.expected.lock().unwrap();
        let answers = expected.entry(channel.to_owned()).or_default();
        *answers += 1;
        *answers - 1
    }

    /// Sends exactly this wire text in the DM.
    pub fn says_wire<'a>(&'a self, who: &str, wire: &str) -> Asked<'a> {
        let channel = self.slack().dm(who);
        let place = Place::Dm(self.owes(&channel));
        let ts = self.slack().says_wire(who, &channel, wire);
        Asked {
            ivan: self,
            channel,
            ts,
            place,
        }
    }

    /// This message event arrives in the DM of `whose`, where it is answered.
    pub fn hears_event<'a>(&'a self, whose: &str, mut event: Value) -> Asked<'a> {
        let channel = self.slack().dm(whose);
        let place = Place::Dm(self.owes(&channel));
        event["channel"] = json!(channel);
        self.slack().send_event(event);
        Asked {
            ivan: self,
            channel,
            ts: String::new(),
            place,
        }
    }

    /// Sends a message in the thread under a channel's message, where it is answered.
    pub fn says_in_thread<'a>(
        &'a self,
        channel: &str,
        who: &str,
        root: &str,
        text: &str,
    ) -> Asked<'a> {
        let channel = self.slack().channel(channel);
        let place = self.place_in_thread(&channel, root);
        let ts = self.slack().says_in_thread(who, &channel, root, text);
        Asked {
            ivan: self,
            channel,
            ts,
            place,
        }
    }

    /// Sends messages in a channel that must not be answered there. A later question of `who` in the DM is answered
    /// first, which proves the silence.
    pub async fn says_in_vain<const N: usize>(&self, channel: &str, who: &str, texts: [&str; N]) {
        let channel = self.slack().channel(channel);
        let before = self.slack().bot_messages(&channel).len();
        self.is_silent_after(who, |slack, _| {
            for text in texts {
                slack.says(who, &channel, text);
            }
        })
        .await;
        let said = self.slack().bot_messages(&channel);
        assert_eq!(said.len(), before, "not in vain: {said:#?}");
    }
}

/// Secrets: the daemon shows none (canaries.rs).
impl Ivan {
    /// The secrets of this story.
    pub fn canaries(&self) -> Canaries {
        let made = std::fs::read_to_string(self.folder.path().join("api-token")).ok();
        Canaries::of(&self.sandbox, made.as_deref().map(str::trim))
    }

    /// Looks for the secrets in a text; those found fail the story at its end.
    pub fn shows(&self, place: &str, text: &str) {
        let leaks = self.canaries().leaks(place, text);
        self.leaked.lock().unwrap().extend(leaks);
    }

    fn shows_ran(&self, ran: Ran) -> Ran {
        self.shows("the output of a command", &ran.out);
        self.shows("the errors of a command", &ran.err);
        ran
    }

    /// The secrets in answers, in the log, in Slack, and in the daemon's files.
    pub fn leaks(&self) -> Vec<String> {
        let all = self.canaries();
        let mut leaks = self.leaked.lock().unwrap().clone();
        leaks.extend(all.leaks("the log", &self.logs_of_all()));
        for sent in self.slack().front().journal() {
            leaks.extend(all.leaks("a request to Slack", &sent.body));
        }
        leaks.extend(all.leaks_of_folder(self.folder.path()));
        leaks
    }
}

impl Drop for Ivan {
    /// At the end of each story, and of each part of it.
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let leaks = self.leaks();
        assert!(leaks.is_empty(), "secrets are shown: {leaks:#?}");
    }
}

/// Verbs of the promises: crashes, faults, and the answers after them.
impl Ivan {
    /// The answer to message number `n` (from 0) of this DM: for stories with a restart in between.
    pub fn answer(&self, who: &str, n: usize) -> Asked<'_> {
        Asked {
            ivan: self,
            channel: self.slack().dm(who),
            ts: String::new(),
            place: Place::Dm(n),
        }
    }

    /// Waits until Slack has every acknowledgement.
    pub async fn acknowledges(&self) {
        self.within(
            "everything is acknowledged",
            self.slack().until(|slack| slack.unacked().is_empty()),
        )
        .await;
    }

    /// Does something, and waits until a service has got a further request of this method to a path with this text,
    /// with any outcome. Earlier requests are counted first.
    #[track_caller]
    pub fn asks_anew<'a, T>(
        &'a self,
        front: &'a FaultServer,
        method: &'a str,
        path: &'a str,
        act: impl AsyncFnOnce() -> T + 'a,
    ) -> impl Future<Output = T> + 'a {
        let count =
            move |seen: &[RequestRecord]| seen.iter().filter(|one| one.is(method, path)).count();
        let before = count(&front.journal());
        let asked = self.within("it asks", front.until(move |seen| count(seen) > before));
        async move {
            let done = act().await;
            asked.await;
            done
        }
    }

    /// Waits until a service has got this many requests of this method to paths with this text, with any outcome.
    #[track_caller]
    pub fn asks<'a>(
        &'a self,
        front: &'a FaultServer,
        method: &'a str,
        path: &'a str,
        times: usize,
    ) -> impl Future<Output = ()> + 'a {
        let asked = move |seen: &[RequestRecord]| {
            seen.iter().filter(|one| one.is(method, path)).count() >= times
        };
        self.within("it asks", front.until(asked))
    }

    /// Waits until a service has applied this many requests of this method to paths with this text.
    #[track_caller]
    pub fn applies<'a>(
        &'a self,
        front: &'a FaultServer,
        method: &'a str,
        path: &'a str,
        times: usize,
    ) -> impl Future<Output = ()> + 'a {
        let applied = move |seen: &[RequestRecord]| {
            let seen = seen.iter().filter(|one| one.applied);
            seen.filter(|one| one.is(method, path)).count() >= times
        };
        self.within("it is applied", front.until(applied))
    }

    /// Waits until this many lines of the log contain `words`.
    pub async fn logs_times(&self, words: &str, times: usize) {
        let log = &self.daemon().log;
        let counted = || log.lines().iter().filter(|line| line.says(words)).count();
        log.until(words, |_| counted() >= times).await;
    }

    /// Another process writes: nothing can be committed to the store while this is held.
    pub fn holds_the_store(&self) -> rusqlite::Connection {
        let other = rusqlite::Connection::open(self.folder().join("ivan.db")).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        other
    }

    /// Limits the daemon's writable memory to this many bytes.
    #[cfg(target_os = "linux")]
    pub fn limits_memory(&self, bytes: u64) {
        use rustix::process::{Pid, Resource, Rlimit, prlimit};
        let limit = Rlimit {
            current: Some(bytes),
            maximum: None,
        };
        let pid = Pid::from_raw(i32::try_from(self.pid()).unwrap());
        prlimit(pid, Resource::Data, limit).unwrap();
    }

    /// Limits the size of each file of the daemon to this many bytes.
    #[cfg(target_os = "linux")]
    pub fn fills_the_disk(&self, at: u64) {
        assert!(self.setup.disk_can_fill);
        // Whatever is under way then is logged: polls and alerts too, which no story times.
        for words in [
            "rejects writes",
            "not stored",
            "could not be stored",
            "lane paused",
            "deliveries are waiting",
            "cannot process a message yet",
            "alert to operators not stored",
            "cannot report that the command is queued",
        ] {
            self.forgive(words);
        }
        self.limits_files(Some(at));
    }

    /// There is room again.
    #[cfg(target_os = "linux")]
    pub fn frees_the_disk(&self) {
        self.limits_files(None);
    }

    /// Sets the soft limit alone, which may be raised again.
    #[cfg(target_os = "linux")]
    fn limits_files(&self, bytes: Option<u64>) {
        use rustix::process::{Pid, Resource, Rlimit, prlimit};
        let pid = Pid::from_raw(i32::try_from(self.pid()).unwrap());
        let limit = Rlimit {
            current: bytes,
            maximum: None,
        };
        prlimit(pid, Resource::Fsize, limit).unwrap();
    }

    /// Waits until the daemon ends by itself; returns its status and its last log line.
    pub async fn ends_by_itself(&mut self) -> (ExitStatus, String) {
        let log = Arc::clone(&self.daemon().log);
        let status = self.ends().await;
        log.until("its last words are read", |line| line.0["ended"] == true)
            .await;
        let lines = log.lines();
        let last = lines.iter().rfind(|line| !line.message().is_empty());
        let last = last.expect("it said something");
        assert_eq!(last.0["level"], "ERROR", "{}", log.text());
        (status, last.message())
    }

    /// Another bot.toml, for the next start.
    pub fn reconfigure(&mut self, change: impl FnOnce(Setup) -> Setup) {
        self.setup = change(std::mem::replace(&mut self.setup, Setup::new()));
        self.config = self.setup.bot_toml(&self.sandbox);
        std::fs::write(self.config_path(), &self.config).unwrap();
    }
}

/// Proofs of accounts.
impl Ivan {
    /// A person links an account of GitHub, and proves it with the bio. Returns the answer to the second `link`.
    pub async fn links_by_bio(&self, who: &str, login: &str) -> Answer<'_> {
        let typed = format!("link github {login}");
        let asked = self.dm(who, &typed).await;
        asked.begins("✗ Not linked yet.");
        let login = login.trim_start_matches('@').to_lowercase();
        self.github()
            .write_bio(&login, &format!("Hi. {}", code_in(&asked.text())));
        let linked = self
            .within("it is linked", self.says(who, &typed).settles())
            .await;
        self.github().write_bio(&login, "");
        linked
    }

    /// A person links an account, and proves it with a comment. Returns what they are told then.
    pub async fn links_by_comment(
        &self,
        who: &str,
        typed: &str,
        comment: impl FnOnce(&str),
    ) -> Answer<'_> {
        let asked = self.dm(who, typed).await;
        asked.begins("✗ Not linked yet.");
        let told = self.is_told(who);
        comment(&code_in(&asked.text()));
        told.answers().await
    }
}

/// The code in an answer of `link`.
pub fn code_in(text: &str) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let mut words = text.split(|c| !is_part(c));
    let code = words.find(|word| word.starts_with("ivan-link-"));
    code.unwrap_or_else(|| panic!("no code: {text}")).to_owned()
}

/// Verbs of hands: buttons.
impl Ivan {
    /// A person presses a button of an answer in a DM; the next answer comes there.
    #[track_caller]
    pub fn presses<'a>(&'a self, who: &str, on: &Answer<'_>, label: &str) -> Asked<'a> {
        let posted = on.posted();
        let action = on.action(label);
        let channel = on.asked.channel.clone();
        let place = Place::Dm(self.owes(&channel));
        self.slack().clicks(who, &channel, &posted.ts, &action);
        Asked {
            ivan: self,
            channel,
            ts: posted.ts,
            place,
        }
    }
}

/// Verbs of hands: reactions, and the Home tab.
impl Ivan {
    /// A person reacts to an answer; the reply comes in the same DM.
    #[track_caller]
    pub fn signs<'a>(&'a self, who: &str, on: &Answer<'_>, reaction: &str) -> Asked<'a> {
        let channel = on.asked.channel.clone();
        let place = Place::Dm(self.owes(&channel));
        let ts = on.ts();
        self.slack().reacts(who, &channel, &ts, reaction);
        Asked {
            ivan: self,
            channel,
            ts,
            place,
        }
    }

    /// A person removes their reaction to an answer; the reply comes in the same DM.
    #[track_caller]
    pub fn unsigns<'a>(&'a self, who: &str, on: &Answer<'_>, reaction: &str) -> Asked<'a> {
        let channel = on.asked.channel.clone();
        let place = Place::Dm(self.owes(&channel));
        let ts = on.ts();
        self.slack().unreacts(who, &channel, &ts, reaction);
        Asked {
            ivan: self,
            channel,
            ts,
            place,
        }
    }

    /// Moves everything done so far this many minutes into the past.
    pub fn minutes_pass(&self, minutes: i64) {
        let sql = "UPDATE commands SET settled_ms = settled_ms - ?1, created_ms = created_ms - ?1";
        self.store().execute(sql, [minutes * 60_000]).unwrap();
    }

    /// Ivan's reactions on a message.
    pub fn our_reactions(&self, channel: &str, ts: &str) -> Vec<String> {
        let all = self.slack().reactions(channel, ts);
        let ours = all.into_iter();
        ours.filter(|(user, _)| user == self.slack().bot_user())
            .map(|(_, name)| name)
            .collect()
    }

    /// Waits until Ivan's reactions on a message are exactly these.
    #[track_caller]
    pub fn carries<'a>(
        &'a self,
        channel: &'a str,
        ts: &'a str,
        reactions: &'a [&str],
    ) -> impl Future<Output = ()> + 'a {
        let carried = move |_: &SandboxSlack| self.our_reactions(channel, ts) == reactions;
        self.within("its reactions are these", self.slack().until(carried))
    }

    /// Waits until no reaction is left to be placed.
    pub async fn until_reactions_are_placed(&self) {
        let placed = async {
            while self.sql::<i64>(
                "SELECT count(*) FROM reactions WHERE dropped IS NULL AND version > placed",
            ) > 0
            {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        self.within("reactions are placed", placed).await;
    }

    /// The published Home tab of a person.
    pub fn home(&self, who: &str) -> Option<Value> {
        let mut views = self.slack().views().into_iter();
        views.find(|view| view["id"] == format!("V0HOME{who}"))
    }

    /// Opens the Home tab, and waits until one is published.
    pub async fn opens_home(&self, who: &str) -> String {
        let before = self.home(who).map(|view| view["hash"].clone());
        self.slack().opens_tab(who, "home");
        let published = |_: &SandboxSlack| {
            self.home(who)
                .is_some_and(|view| Some(&view["hash"]) != before.as_ref())
        };
        self.within("the Home tab is published", self.slack().until(published))
            .await;
        self.at_home(who)
    }

    /// The whole Home tab as a person sees it, a line each; buttons in brackets.
    pub fn at_home(&self, who: &str) -> String {
        let view = self.home(who).unwrap_or_default();
        let mut text = String::new();
        for block in view["blocks"].as_array().into_iter().flatten() {
            if let Some(words) = block["text"]["text"].as_str() {
                text.push_str(&shown(words));
                text.push('\n');
            }
            let mut line = Vec::new();
            for element in block["elements"].as_array().into_iter().flatten() {
                match element["type"].as_str() {
                    Some("button") => line.push(format!(
                        "[{}]",
                        element["text"]["text"].as_str().unwrap_or_default()
                    )),
                    Some("timepicker") => line.push(format!(
                        "[{} {}]",
                        element["placeholder"]["text"].as_str().unwrap_or_default(),
                        element["initial_time"].as_str().unwrap_or("…")
                    )),
                    _ => line.push(shown(element["text"].as_str().unwrap_or_default())),
                }
            }
            if !line.is_empty() {
                text.push_str(&line.join(" "));
                text.push('\n');
            }
        }
        text
    }

    /// Waits until a Home tab contains this text.
    #[track_caller]
    pub fn shows_at_home<'a>(
        &'a self,
        who: &'a str,
        words: &'a str,
    ) -> impl Future<Output = ()> + 'a {
        let shows = move |_: &SandboxSlack| self.at_home(who).contains(words);
        self.within(words, self.slack().until(shows))
    }

    /// A person presses button number `n` (from 0) with this label in their Home tab; the answer comes in their DM.
    #[track_caller]
    pub fn presses_at_home<'a>(&'a self, who: &str, label: &str, n: usize) -> Asked<'a> {
        let blocks = self.home(who).unwrap_or_default()["blocks"].clone();
        let of_label = buttons_in(&blocks)
            .into_iter()
            .filter(|(name, _)| name == label);
        let (_, action) = of_label
            .clone()
            .nth(n)
            .unwrap_or_else(|| panic!("no button {label} in {blocks:#}"));
        let channel = self.slack().dm(who);
        let place = Place::Dm(self.owes(&channel));
        self.slack().clicks_home(who, &action);
        Asked {
            ivan: self,
            channel,
            ts: String::new(),
            place,
        }
    }
}

impl Ivan {
    /// A person chooses a time in their Home tab, by its label; the answer comes in their DM.
    #[track_caller]
    pub fn picks_at_home<'a>(&'a self, who: &str, label: &str, time: Option<&str>) -> Asked<'a> {
        let blocks = self.home(who).unwrap_or_default()["blocks"].clone();
        let rows = blocks.as_array().into_iter().flatten();
        let mut elements = rows.flat_map(|row| row["elements"].as_array().into_iter().flatten());
        let picker = elements
            .find(|one| one["type"] == "timepicker" && one["placeholder"]["text"] == label)
            .unwrap_or_else(|| panic!("no time {label} in {blocks:#}"));
        let channel = self.slack().dm(who);
        let place = Place::Dm(self.owes(&channel));
        let action = picker["action_id"].as_str().unwrap();
        self.slack().picks_at_home(who, action, time);
        Asked {
            ivan: self,
            channel,
            ts: String::new(),
            place,
        }
    }
}

/// The buttons of a message, by label and action.
fn posted_buttons(posted: &PostedMessage) -> Vec<(String, String)> {
    buttons_in(&posted.blocks)
}

fn buttons_in(blocks: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for block in blocks.as_array().into_iter().flatten() {
        let rows = block["elements"].as_array().into_iter().flatten();
        for element in rows.chain(std::iter::once(&block["accessory"])) {
            if element["type"] == "button" {
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                found.push((text(&element["text"]["text"]), text(&element["action_id"])));
            }
        }
    }
    found
}

/// Runs a command to its end.
pub async fn ran(command: &mut Command) -> Ran {
    let output = command
        .stdin(Stdio::null())
        .env_remove("IVAN_API_URL")
        .env_remove("IVAN_API_TOKEN")
        .env_remove("IVAN_AS")
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(PATIENCE, output)
        .await
        .expect("the command ends")
        .unwrap();
    Ran {
        exit: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The output of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    pub exit: i32,
    pub out: String,
    pub err: String,
}

/// An empty world with tokens of its own. A daemon that outlives its test run goes on connecting to its ports, which later
/// sandboxes may get: there it is refused.
pub fn seed_of_its_own() -> Seed {
    let mut seed = Seed::empty();
    let own = ulid::Ulid::from_datetime(Clock::system().now().into()).to_string();
    let give = |world: &mut Value, place: &str| {
        let token = world.pointer_mut(place).unwrap();
        *token = format!("{}{own}", token.as_str().unwrap()).into();
    };
    give(&mut seed.slack, "/app/app_token");
    give(&mut seed.slack, "/app/bot_token");
    give(&mut seed.clickup, "/token");
    give(&mut seed.github, "/token");
    seed
}

/// A store without rows: made once, so that the hundreds of daemons in the stories need not make theirs. Stories of the
/// demo, and those [`Setup::without_a_store`], make their own.
fn empty_store() -> &'static [u8] {
    static EMPTY: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    EMPTY.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ivan.db");
        let store = ivan::store::Store::open(&path, ivan::store::StoreSettings::default()).unwrap();
        let beside = rusqlite::Connection::open(&path).unwrap();
        beside.busy_timeout(PATIENCE).unwrap();
        // Moves everything into the one file that is copied.
        let busy: i64 = beside
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
            .unwrap();
        assert_eq!(busy, 0, "nobody else uses it");
        drop(store);
        std::fs::read(&path).unwrap()
    })
}

/// The time until midnight, if that is near.
fn to_wait_for_midnight(now: DateTime<Utc>) -> Duration {
    let left =
        ZONES.map(|zone| 86_400 - i64::from(now.with_timezone(&zone).num_seconds_from_midnight()));
    let near = left.into_iter().filter(|left| *left <= BEFORE_MIDNIGHT);
    Duration::from_secs(near.max().unwrap_or_default().unsigned_abs())
}

#[test]
fn no_story_begins_right_before_a_midnight() {
    let wait = |now: &str| to_wait_for_midnight(now.parse().unwrap()).as_secs();
    assert_eq!(wait("2026-11-28T12:00:00Z"), 0);
    assert_eq!(wait("2026-11-28T23:59:14Z"), 0);
    assert_eq!(wait("2026-11-28T23:59:15Z"), 45);
    assert_eq!(wait("2026-11-28T00:00:00Z"), 0);
    // Madrid, in winter and in summer.
    assert_eq!(wait("2026-11-28T22:59:59Z"), 1);
    assert_eq!(wait("2026-07-28T21:59:30Z"), 30);
}

/// Notes a story's duration, from its beginning until the drop, as a line in a file that `.ci/run` reads.
pub struct Took(Instant);

impl Took {
    pub fn begin() -> Took {
        Took(Instant::now())
    }
}

impl Drop for Took {
    fn drop(&mut self) {
        // A test's thread has its name; a story's other threads are within the story's own time.
        let thread = std::thread::current();
        let Some(name) = thread.name().filter(|name| name.contains("::")) else {
            return;
        };
        let line = format!("{:.1} {name}\n", self.0.elapsed().as_secs_f32());
        let noted = concat!(env!("CARGO_TARGET_TMPDIR"), "/stories");
        let noted = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(noted);
        // In one write: other processes append too.
        let _ = noted.and_then(|mut noted| noted.write_all(line.as_bytes()));
    }
}

/// A free port below the range of outgoing connections, so that the system gives it to no other process while its
/// daemon is down. This process owns it until it ends, also among other test runs on the machine.
pub fn lasting_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // A port of UDP of the same number stands for the port. Unlike files, such locks leave nothing behind.
    static OURS: Mutex<Vec<UdpSocket>> = Mutex::new(Vec::new());
    const FIRST: u16 = 12_000;
    const COUNT: u16 = 20_000;
    let start = u16::try_from(std::process::id() % u32::from(COUNT)).unwrap();
    loop {
        let nth = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_add(start);
        let port = FIRST + nth % COUNT;
        let Ok(lock) = UdpSocket::bind(("127.0.0.1", port)) else {
            continue;
        };
        // A look without listening: a copy of the socket would stay open in processes that are just started.
        if TcpStream::connect(("127.0.0.1", port)).is_err() {
            OURS.lock().unwrap().push(lock);
            return port;
        }
    }
}

/// A client for the tests' own requests: loopback only, so that no certificates are read.
pub fn client() -> reqwest::Client {
    static CLIENT: std::sync::OnceLock<()> = std::sync::OnceLock::new();
    CLIENT.get_or_init(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap()
}

/// A sent message; its answer may be on the way.
pub struct Asked<'a> {
    ivan: &'a Ivan,
    channel: String,
    pub ts: String,
    place: Place,
}

enum Place {
    /// The bot's message number n in the DM: answers keep the order of the questions.
    Dm(usize),
    /// Answer number n in a thread.
    Thread(String, usize),
}

impl<'a> Asked<'a> {
    fn posted(&self) -> Option<PostedMessage> {
        let slack = self.ivan.slack();
        let (messages, place) = match &self.place {
            Place::Dm(place) => (slack.bot_messages(&self.channel), *place),
            Place::Thread(root, place) => (slack.replies_to(&self.channel, root), *place),
        };
        messages.get(place).cloned()
    }

    /// Waits until the answer satisfies `what`.
    #[track_caller]
    pub fn until(
        self,
        what: impl Fn(&PostedMessage) -> bool + 'a,
    ) -> impl Future<Output = Answer<'a>> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            let event = self
                .ivan
                .slack()
                .until(|_| self.posted().is_some_and(|posted| what(&posted)));
            if tokio::time::timeout(PATIENCE, event).await.is_err() {
                panic!(
                    "{caller}: not answered as expected within {PATIENCE:?}; it stands at {:#?}\n{}",
                    self.posted(),
                    self.ivan.everything()
                );
            }
            Answer { asked: self }
        }
    }

    /// Waits for the first answer, with any text.
    #[track_caller]
    pub fn answers(self) -> impl Future<Output = Answer<'a>> + 'a {
        self.until(|_| true)
    }

    /// Waits for the outcome: an answer that does not begin with `…`.
    #[track_caller]
    pub fn settles(self) -> impl Future<Output = Answer<'a>> + 'a {
        self.until(|posted| !posted.text.starts_with('…'))
    }
}

impl Asked<'_> {
    /// The channel of the message.
    pub fn channel(&self) -> &str {
        &self.channel
    }
}

/// An answer that was posted; it may change later.
pub struct Answer<'a> {
    asked: Asked<'a>,
}

impl<'a> Answer<'a> {
    /// As a person sees it: links by their titles, entities decoded.
    pub fn text(&self) -> String {
        shown(&self.wire())
    }

    /// As it is on the wire.
    pub fn wire(&self) -> String {
        self.posted().text
    }

    pub fn posted(&self) -> PostedMessage {
        self.asked.posted().expect("it was posted")
    }

    /// Its `ts`, to open a thread under it.
    pub fn ts(&self) -> String {
        self.posted().ts
    }

    /// Every text that this message ever had, as a person saw it.
    pub fn history(&self) -> Vec<String> {
        self.posted()
            .history
            .iter()
            .map(|text| shown(text))
            .fold(Vec::new(), |mut said, text| {
                // A card that was updated has the same text.
                if said.last() != Some(&text) {
                    said.push(text);
                }
                said
            })
    }

    /// The labels of its buttons, in order.
    pub fn buttons(&self) -> Vec<String> {
        let buttons = posted_buttons(&self.posted());
        buttons.into_iter().map(|(label, _)| label).collect()
    }

    /// The action id of one of its buttons.
    #[track_caller]
    pub fn action(&self, label: &str) -> String {
        let posted = self.posted();
        let found = posted_buttons(&posted)
            .into_iter()
            .find_map(|(name, action)| (name == label).then_some(action));
        found.unwrap_or_else(|| panic!("no button {label} on {posted:#?}"))
    }

    /// Whether its blocks contain these words, as a person sees them.
    pub fn shows(&self, words: &str) -> bool {
        let blocks = self.posted().blocks;
        let texts = blocks.as_array().into_iter().flatten();
        texts
            .filter_map(|block| block["text"]["text"].as_str())
            .any(|text| shown(text).contains(words))
    }

    /// Waits until its card is struck through and has no buttons.
    #[track_caller]
    pub fn becomes_struck(self) -> impl Future<Output = Answer<'a>> + 'a {
        self.until(|posted| {
            posted.blocks.to_string().contains("~<") && posted_buttons(posted).is_empty()
        })
    }

    /// Asserts its current text.
    #[track_caller]
    pub fn replies(&self, text: &str) -> &Self {
        assert_eq!(self.text(), text, "\n{}", self.asked.ivan.everything());
        self
    }

    /// Asserts that its current text contains these words.
    #[track_caller]
    pub fn mentions(&self, words: &str) -> &Self {
        let text = self.text();
        assert!(
            text.contains(words),
            "`{words}` is not in `{text}`\n{}",
            self.asked.ivan.everything()
        );
        self
    }

    /// Asserts the beginning of its current text.
    #[track_caller]
    pub fn begins(&self, words: &str) -> &Self {
        let text = self.text();
        assert!(
            text.starts_with(words),
            "`{text}` does not begin with `{words}`\n{}",
            self.asked.ivan.everything()
        );
        self
    }

    /// Waits until its text is this.
    #[track_caller]
    pub fn becomes(self, text: &'a str) -> impl Future<Output = Answer<'a>> + 'a {
        self.asked.until(move |posted| shown(&posted.text) == text)
    }

    /// Waits until it satisfies `what`.
    #[track_caller]
    pub fn until(
        self,
        what: impl Fn(&PostedMessage) -> bool + 'a,
    ) -> impl Future<Output = Answer<'a>> + 'a {
        self.asked.until(what)
    }

    /// Waits for the outcome.
    #[track_caller]
    pub fn settles(self) -> impl Future<Output = Answer<'a>> + 'a {
        self.asked.settles()
    }
}

/// Whether a text only reports that there is no answer yet: posted after two seconds, which a busy machine takes.
pub fn is_slow(text: &str) -> bool {
    text.starts_with('…') && text.contains(" has not answered yet")
}

/// Slack's wire form → a person's view.
pub fn shown(wire: &str) -> String {
    let mut text = String::new();
    let mut rest = wire;
    while let Some((before, after)) = rest.split_once('<') {
        let (link, after) = after.split_once('>').expect("a link ends");
        text.push_str(before);
        text.push_str(link.split_once('|').map_or(link, |(_, label)| label));
        rest = after;
    }
    text.push_str(rest);
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

/// `ivan`, to be run with the variables of [`program`].
pub fn binary() -> Command {
    program(env!("CARGO_BIN_EXE_ivan"))
}

/// A program that does not see the variables of whoever runs the tests: colours, editors, proxies and tokens are theirs.
pub fn program(name: &str) -> Command {
    let mut command = Command::new(name);
    command.env_clear();
    for kept in ["PATH", "HOME", "TMPDIR"] {
        if let Some(value) = std::env::var_os(kept) {
            command.env(kept, value);
        }
    }
    command
}

/// The binary, running.
struct Daemon {
    child: Child,
    log: Arc<Log>,
}

impl Daemon {
    fn spawn(
        config: &std::path::Path,
        folder: &std::path::Path,
        env: &[(String, PathBuf)],
        disk_can_fill: bool,
    ) -> Daemon {
        let mut command = match disk_can_fill {
            false => binary(),
            // A write over the file size limit is then an error, as on a full disk, and no deadly signal.
            true => {
                let mut shell = program("sh");
                shell
                    .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
                    .arg(env!("CARGO_BIN_EXE_ivan"));
                shell
            }
        };
        let mut child = command
            .arg("--config")
            .arg(config)
            .arg("serve")
            .current_dir(folder)
            .env("XDG_RUNTIME_DIR", folder)
            .envs(env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let stderr = child.stderr.take().unwrap();
        let log = Arc::new(Log {
            lines: Mutex::default(),
            changed: watch::Sender::default(),
        });
        let sink = Arc::clone(&log);
        tokio::spawn(async move {
            let mut lines = BufReader::new(stderr).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let value = serde_json::from_str(&line).unwrap_or_else(|_| json!({"text": line}));
                sink.lines.lock().unwrap().push(Line(value));
                sink.changed.send_modify(|lines| *lines += 1);
            }
            sink.lines.lock().unwrap().push(Line(
                json!({"text": "(the process has ended)", "ended": true}),
            ));
            sink.changed.send_modify(|lines| *lines += 1);
        });
        Daemon { child, log }
    }

    fn address(&self) -> String {
        self.log
            .lines()
            .iter()
            .find_map(|line| {
                line.field("api")
                    .map(|api| api.as_str().unwrap_or_default().to_owned())
            })
            .expect("it has said where it listens")
    }
}

/// The daemon's standard error.
struct Log {
    lines: Mutex<Vec<Line>>,
    changed: watch::Sender<u64>,
}

#[derive(Clone)]
struct Line(Value);

impl Line {
    /// The message with the fields behind it: `poll done changed=2 source=clickup`.
    fn message(&self) -> String {
        let mut text = self.0["fields"]["message"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let fields = self.0["fields"].as_object().into_iter().flatten();
        for (name, value) in fields.filter(|(name, _)| *name != "message") {
            let value = value.as_str().map_or(value.to_string(), str::to_owned);
            text.push_str(&format!(" {name}={value}"));
        }
        text
    }

    /// Whether all pieces of `words`, with ` … ` between them, are in the message or its fields.
    fn says(&self, words: &str) -> bool {
        let message = self.message();
        words.split(" … ").all(|piece| message.contains(piece))
    }

    fn field(&self, name: &str) -> Option<&Value> {
        self.0["fields"].get(name).filter(|value| !value.is_null())
    }
}

impl Log {
    fn lines(&self) -> Vec<Line> {
        self.lines.lock().unwrap().clone()
    }

    fn text(&self) -> String {
        self.lines()
            .iter()
            .map(|line| format!("{}\n", line.0))
            .collect()
    }

    /// Waits for a line; a daemon that ends first ends the story with its last lines.
    async fn until(&self, what: &str, is_it: impl Fn(&Line) -> bool) {
        let mut changed = self.changed.subscribe();
        let mut seen = 0;
        let found = async {
            loop {
                changed.mark_unchanged();
                let new: Vec<Line> = self.lines.lock().unwrap()[seen..].to_vec();
                seen += new.len();
                if new.iter().any(&is_it) {
                    return;
                }
                assert!(
                    !new.iter().any(|line| line.0["ended"] == true),
                    "the daemon ended before {what}:\n{}",
                    self.text()
                );
                changed.changed().await.unwrap();
            }
        };
        if tokio::time::timeout(PATIENCE, found).await.is_err() {
            panic!("not within {PATIENCE:?}: {what}\n{}", self.text());
        }
    }
}
