//! The daemon behind the page: `ivan serve` as a process of its own, so that it can be killed and started again.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::Mutex;

use serde_json::Value;
use tokio::sync::watch;

use super::world::{SECRET, bot_toml, store};
use crate::runtime::lock;
use crate::sandbox::Sandbox;

/// The public base of the webhooks' addresses. The sandbox leads it to the port of the running daemon.
const HOOKS: &str = "https://ivan.acme.test";
/// Variables that the daemon needs of this process. None of them configures Ivan.
const KEPT: [&str; 6] = ["PATH", "HOME", "TMPDIR", "TZ", "LANG", "SystemRoot"];

/// The state of the process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum DaemonState {
    #[default]
    Starting,
    /// Connected to Slack.
    Ready,
    /// Killed, or ended by itself.
    Gone,
}

/// The facts that its log has told.
#[derive(Debug, Clone, Default)]
pub(super) struct DaemonNews {
    /// The number of the start, from 1.
    pub(super) start: u64,
    pub(super) state: DaemonState,
    /// The address of its API.
    api: Option<String>,
    /// The sources that it has read.
    pub(super) read: BTreeSet<String>,
    /// The last line that is an error or no log line.
    pub(super) last_error: String,
}

/// Runs one daemon at a time. Dropping it kills the daemon.
pub(super) struct DaemonProcess {
    sandbox: Sandbox,
    program: PathBuf,
    folder: PathBuf,
    running: Mutex<Option<Child>>,
    news: watch::Sender<DaemonNews>,
}

impl DaemonProcess {
    /// Writes the configuration to the folder, and registers the webhooks.
    pub(super) fn new(sandbox: &Sandbox, folder: &Path) -> std::io::Result<DaemonProcess> {
        let log = "[log]\nformat = \"json\"\nlevel = \"info\"\n";
        let toml = format!("{log}{}", bot_toml(sandbox, folder));
        std::fs::write(folder.join("bot.toml"), toml)?;
        let hook = |source: &str| format!("{HOOKS}/webhooks/{source}");
        sandbox.clickup.add_hook(&hook("clickup"), SECRET);
        sandbox.github.add_hook(&hook("github"), SECRET);
        Ok(DaemonProcess {
            sandbox: sandbox.clone(),
            program: std::env::current_exe()?,
            folder: folder.to_owned(),
            running: Mutex::new(None),
            news: watch::Sender::default(),
        })
    }

    pub(super) fn news(&self) -> watch::Receiver<DaemonNews> {
        self.news.subscribe()
    }

    /// The file of its store.
    pub(super) fn store(&self) -> PathBuf {
        store(&self.folder)
    }

    /// Starts it; returns whether it was not running.
    pub(super) fn start(&self) -> std::io::Result<bool> {
        let mut running = lock(&self.running);
        if running.is_some() && self.news.borrow().state != DaemonState::Gone {
            return Ok(false);
        }
        if let Some(ended) = running.take() {
            end(ended);
        }
        let mut child = self
            .command(&["serve"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut start = 0;
        self.news.send_modify(|news| {
            start = news.start + 1;
            *news = DaemonNews {
                start,
                ..DaemonNews::default()
            };
        });
        if let Some(stderr) = child.stderr.take() {
            let (sandbox, news) = (self.sandbox.clone(), self.news.clone());
            std::thread::spawn(move || follow(stderr, &sandbox, &news, start));
        }
        *running = Some(child);
        Ok(true)
    }

    /// `kill -9`; returns whether it was running.
    pub(super) fn kill(&self) -> bool {
        let Some(child) = lock(&self.running).take() else {
            return false;
        };
        end(child);
        self.news.send_modify(|news| news.state = DaemonState::Gone);
        true
    }

    /// Runs `ivan sync` against it: reads both sources now. Returns its output; blocks until it ends.
    pub(super) fn sync(&self) -> std::io::Result<String> {
        let news = self.news.borrow().clone();
        let api = news.api.filter(|_| news.state != DaemonState::Gone);
        let Some(api) = api else {
            return Ok("The daemon is not running.".to_owned());
        };
        let ran = self
            .command(&["--api-url", &format!("http://{api}"), "sync"])
            .output()?;
        let text = [ran.stdout, ran.stderr].concat();
        Ok(String::from_utf8_lossy(&text).trim().to_owned())
    }

    /// `ivan` with the demo's configuration, in its folder, and without Ivan's environment variables.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .env_clear()
            // The lock of the Slack app.
            .env("XDG_RUNTIME_DIR", &self.folder)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .args(["--config", "bot.toml"])
            .args(arguments);
        for name in KEPT {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
    }
}

impl Drop for DaemonProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Its current work is not worth waiting for: the store is removed with the demo.
fn end(mut child: Child) {
    // It may have ended already.
    let _ = child.kill();
    let _ = child.wait();
}

/// Reads the log of one start until the process ends.
fn follow(stderr: ChildStderr, sandbox: &Sandbox, news: &watch::Sender<DaemonNews>, start: u64) {
    let of_this = |change: &dyn Fn(&mut DaemonNews)| {
        news.send_if_modified(|news| {
            let current = news.start == start && news.state != DaemonState::Gone;
            if current {
                change(news);
            }
            current
        });
    };
    for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line).into_owned();
        let logged: Value = serde_json::from_str(&line).unwrap_or_default();
        let fields = &logged["fields"];
        if let (Some(api), Some(hooks)) = (fields["api"].as_str(), fields["webhooks"].as_str()) {
            sandbox.clickup.tunnel(HOOKS, &format!("http://{hooks}"));
            sandbox.github.tunnel(HOOKS, &format!("http://{hooks}"));
            of_this(&|news| news.api = Some(api.to_owned()));
        }
        match fields["message"].as_str() {
            Some("ready") => of_this(&|news| news.state = DaemonState::Ready),
            Some(read) if read.starts_with("poll done") => {
                let source = fields["source"].as_str().unwrap_or_default().to_owned();
                of_this(&|news| {
                    news.read.insert(source.clone());
                });
            }
            None => of_this(&|news| news.last_error.clone_from(&line)),
            Some(error) if logged["level"] == "ERROR" => {
                of_this(&|news| error.clone_into(&mut news.last_error));
            }
            Some(_) => {}
        }
    }
    of_this(&|news| news.state = DaemonState::Gone);
}
