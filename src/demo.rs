//! `ivan demo`: the real daemon against a sandbox Slack, ClickUp and GitHub on loopback, with the terminal as a DM.
//!
//! What is typed is said in the sandbox's Slack, and what is printed is what stands there afterwards: the same socket,
//! store and requests as in earnest. Beneath each answer stands what ClickUp and GitHub were asked to do for it.

#![expect(
    clippy::indexing_slicing,
    reason = "what is indexed is JSON, which answers null where there is nothing"
)]

mod blocks;
mod forms;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustyline::ExternalPrinter;
use rustyline::error::ReadlineError;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines, Stdin};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{mpsc, oneshot};

use crate::app::{App, AppError};
use crate::clock::Clock;
use crate::config::{Config, ConfigErrors};
use crate::desk::{Desk, SlackHealth};
use crate::domain::command::is_bare_create;
use crate::domain::sign;
use crate::domain::task::Source;
use crate::http::Synchronize;
use crate::sandbox::front::{Fault, Seen, What};
use crate::sandbox::slack::{Happening, Posted, Whisper};
use crate::sandbox::{Sandbox, Seed};
use blocks::{Button, Look, button_called, buttons_in, tame};
use forms::Form;

/// Whose DM the terminal is.
const ANA: &str = "U0ANN01";
/// What both sources sign their webhooks with.
const SECRET: &str = "a-secret-of-the-demo";
/// Bo's account in ClickUp.
const BO: i64 = 4243;
const REPO: &str = "acme/widgets";
const LIST: &str = "Inbox";
/// How long the daemon may take to be ready, and an answer to come.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long an answer that says `…` is given to become an outcome, where nobody waits at a prompt for it.
const OUTCOME_WITHIN: Duration = Duration::from_secs(8);

/// How long a notice may take.
const NOTICE_WITHIN: Duration = Duration::from_secs(5);

/// Why there is no demo.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    #[error("the demo needs a folder for its store and ports on loopback: {0}")]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    #[error(transparent)]
    App(#[from] AppError),
    #[error("the daemon was not ready within {} s; `RUST_BACKTRACE=1` and a bug report would help", PATIENCE.as_secs())]
    NotReady,
}

/// Starts the sandbox and the daemon, reads lines until the end of input, and shows what has changed.
pub async fn run() -> Result<(), DemoError> {
    let folder = tempfile::Builder::new().prefix("ivan-demo-").tempdir()?;
    let sandbox = Sandbox::start(Seed::demo()).await?;
    let config = config(&sandbox, folder.path())?;
    let app = App::build(&config, Clock::system()).await?;
    let app = app.with_slack_lock_in(folder.path().to_owned());
    let desk = app.desk();
    let sync = app.sync();
    let hooks = app.hooks_address()?;
    let url = |source: &str| format!("http://{hooks}/webhooks/{source}");
    sandbox.clickup.add_hook(&url("clickup"), SECRET);
    sandbox.github.add_hook(&url("github"), SECRET);
    let (stop, stopped) = oneshot::channel::<()>();
    let mut daemon = tokio::spawn(app.run(async {
        let _ = stopped.await;
    }));
    let (input, screen) = Input::open();
    let mut dm = Dm::new(sandbox.clone(), sync, screen);
    tokio::select! {
        in_time = tokio::time::timeout(PATIENCE, ready(&desk, &sandbox)) => {
            in_time.map_err(|_| DemoError::NotReady)?;
        }
        ended = &mut daemon => return ended_well(ended),
    }
    dm.greet(&desk).await;
    dm.talk(input).await?;
    dm.part();
    let _ = stop.send(());
    ended_well(daemon.await)?;
    sandbox.close().await;
    Ok(())
}

fn ended_well(
    ended: Result<Result<(), AppError>, tokio::task::JoinError>,
) -> Result<(), DemoError> {
    match ended {
        Ok(result) => Ok(result?),
        Err(crash) => Err(std::io::Error::other(crash).into()),
    }
}

/// The sandbox as `bot.toml` would name it.
fn config(sandbox: &Sandbox, folder: &Path) -> Result<Config, ConfigErrors> {
    let text = format!(
        "[slack]\napp_token = \"{}\"\nbot_token = \"{}\"\napi_url = \"{}\"\n\
         [clickup]\ntoken = \"{}\"\nteam_id = \"{}\"\nlist_id = \"{}\"\napi_url = \"{}\"\nwebhook_secret = \"{SECRET}\"\n\
         [github]\ntoken = \"{}\"\nrepo = \"{REPO}\"\napi_url = \"{}\"\nwebhook_secret = \"{SECRET}\"\n\
         [outbox]\nretry_max = \"2s\"\n[store]\npath = '{}'\n[api]\nbind = \"127.0.0.1:0\"\n\
         [webhooks]\nbind = \"127.0.0.1:0\"\n",
        sandbox.slack.app_token(),
        sandbox.slack.bot_token(),
        sandbox.slack.api_url(),
        sandbox.clickup.token(),
        sandbox.clickup.team_id(),
        sandbox.clickup.list_id(),
        sandbox.clickup.api_url(),
        sandbox.github.token(),
        sandbox.github.api_url(),
        folder.join("ivan.db").display(),
    );
    Config::read(Some((Path::new("the demo"), &text)), std::iter::empty())
}

/// Until the socket is up and both sources have been read.
async fn ready(desk: &Desk, sandbox: &Sandbox) {
    let (clickup, github) = (sandbox.clickup.front(), sandbox.github.front());
    let (mut at_clickup, mut at_github) = (clickup.subscribe(), github.subscribe());
    let mut at_slack = sandbox.slack.subscribe();
    loop {
        let health = desk.health().await;
        let read = health
            .sources
            .values()
            .all(|source| source.last_sync.is_some());
        if read && health.slack == Some(SlackHealth::Connected) {
            return;
        }
        // What was answered is committed a moment after the answer: look again soon, or at the next event.
        tokio::select! {
            _ = at_clickup.recv() => {}
            _ = at_github.recv() => {}
            _ = at_slack.recv() => {}
            () = tokio::time::sleep(Duration::from_millis(20)) => {}
        }
    }
}

/// Ana's side of the conversation, and the view behind it.
struct Dm {
    sandbox: Sandbox,
    clickup: Receiver<Seen>,
    github: Receiver<Seen>,
    slack: Receiver<Happening>,
    before: Holdings,
    /// What was answered with `…`, and has no outcome yet.
    pending: Vec<Pending>,
    /// What `press`, `react` and `thread` are about: the message that was shown last, and where it stands.
    last: Option<(String, Posted)>,
    /// The Home tab was shown last: `press` is about that.
    at_home: bool,
    /// What only Ana sees was shown last: `press` is about that.
    whispered: Option<Whisper>,
    /// The form that is open.
    form: Option<Form>,
    /// Reactions that were put, where and which.
    reactions: Vec<(String, Posted, String)>,
    /// The conversation that Ana spoke in last.
    place: String,
    /// Who was told not to answer.
    down: BTreeSet<String>,
    /// The next webhook gets lost, so that nothing is told of what it would have said.
    lost: bool,
    /// Reads the sources, as `ivan sync` does.
    sync: Arc<dyn Synchronize>,
    screen: Screen,
}

/// Every task and issue, as one line each.
type Holdings = BTreeMap<(Source, String), String>;

/// An answer that will change.
struct Pending {
    asked: Asked,
    shown: String,
}

/// Something that was said or done, whose answer comes behind it.
#[derive(Clone)]
struct Asked {
    channel: String,
    /// The answer is younger.
    after: String,
    /// In a channel: the root of the thread that the answer is in.
    thread: Option<String>,
}

impl Dm {
    fn new(sandbox: Sandbox, sync: Arc<dyn Synchronize>, screen: Screen) -> Dm {
        Dm {
            clickup: sandbox.clickup.front().subscribe(),
            github: sandbox.github.front().subscribe(),
            slack: sandbox.slack.subscribe(),
            before: holdings(&sandbox),
            pending: Vec::new(),
            last: None,
            at_home: false,
            whispered: None,
            form: None,
            reactions: Vec::new(),
            place: sandbox.slack.dm(ANA),
            down: BTreeSet::new(),
            lost: false,
            sync,
            screen,
            sandbox,
        }
    }

    async fn greet(&mut self, desk: &Desk) {
        let health = desk.health().await;
        let open = |source| health.sources.get(&source).map_or(0, |at| at.tasks);
        self.print(&format!(
            "Sandbox on loopback: Slack, ClickUp ({LIST}, {} tasks), GitHub ({REPO}, {} issues). You are Ana.\n\
             Type what Ana would type to Ivan; `help` lists the commands, `#general create …` speaks in a channel,\n\
             `press 1` presses a button, `react zzz` reacts to what was said last, `thread …` speaks under it, `home` and\n\
             `shortcut new_task` open what they say, `!help` makes the world move, Ctrl-D ends.\n",
            open(Source::ClickUp),
            open(Source::GitHub),
        ));
    }

    /// Until the end of input; fails if reading fails.
    async fn talk(&mut self, mut input: Input) -> std::io::Result<()> {
        loop {
            let line = tokio::select! {
                line = input.line() => line?,
                () = something(&mut self.slack), if !self.pending.is_empty() => {
                    self.catch_up();
                    continue;
                }
                _ = tokio::signal::ctrl_c() => None,
            };
            let Some(line) = line else {
                self.settle().await;
                return Ok(());
            };
            let line = line.trim();
            if line.is_empty() {
                continue;
            }
            if !self.screen.echoes {
                let name = self.paint(BOLD, "Ana  › ");
                self.print(&format!("{name}{}", tame(line)));
            }
            if matches!(line, "exit" | "quit") {
                self.settle().await;
                return Ok(());
            }
            let gesture = line.split_once(' ').unwrap_or((line, ""));
            match (line.strip_prefix('!'), gesture) {
                (Some(trouble), _) => self.make(trouble).await,
                (None, ("press", button)) => self.press(button.trim()).await,
                (None, ("react", name)) => self.react(name.trim()).await,
                (None, ("unreact", name)) => self.unreact(name.trim()).await,
                (None, ("shortcut", which)) => self.shortcut(which.trim()).await,
                (None, ("fill", what)) => self.fill(what.trim()),
                (None, ("submit", "")) => self.submit().await,
                (None, ("cancel", "")) => self.cancel(),
                (None, ("home", "")) => self.show_home().await,
                (None, ("/ivan", text)) => self.slash(text.trim()).await,
                (None, ("thread", text)) => self.say_under(text.trim()).await,
                (None, _) => self.say(line).await,
            }
        }
    }

    /// Says one line, in the DM or in a channel, and shows what comes back. `\n` in a line is a line break.
    async fn say(&mut self, line: &str) {
        let (channel, text) = match channel_of(line) {
            Some((name, text)) => (self.sandbox.slack.channel(name), text),
            None => (self.sandbox.slack.dm(ANA), line),
        };
        let direct = channel.starts_with('D');
        let text = text.replace("\\n", "\n");
        if text.trim().is_empty() {
            return self.print("       (nothing was said)");
        }
        let heard = direct || text.contains("@ivan") || is_bare_create(&text);
        let asked = self.sandbox.slack.says(ANA, &channel, &text);
        self.place.clone_from(&channel);
        if !heard {
            return self
                .print("       (not for Ivan: in channels it hears mentions, and `create`)");
        }
        let asked = Asked {
            thread: (!direct).then(|| asked.clone()),
            after: asked,
            channel,
        };
        self.show_answer(asked).await;
    }

    /// Presses a button of the message that was shown last, by its number or its name.
    async fn press(&mut self, which: &str) {
        if let Some(whisper) = self.whispered.clone() {
            return self.press_whisper(&whisper, which).await;
        }
        let Some((channel, shown)) = self.stood() else {
            return self.print("       (there is nothing to press yet)");
        };
        let buttons = match &shown {
            Some(shown) => self.buttons_now(&channel, &shown.ts),
            None => buttons_in(&self.home_view().unwrap_or_default()["blocks"]),
        };
        let (which, time) = match which.rsplit_once(' ') {
            Some((which, time)) if time.contains(':') => (which, Some(time)),
            _ => (which, None),
        };
        let Some(button) = button_called(&buttons, which) else {
            return self.print("       (there is no such button there, or not any more)");
        };
        if button.is_time != time.is_some() {
            return self.print(match button.is_time {
                true => "       (a time is chosen there: `press 2 08:30`)",
                false => "       (no time is chosen there)",
            });
        }
        if let Some(url) = &button.url {
            return self.print(&format!("       (opens {url})"));
        }
        if button.action.starts_with("comment:") {
            let ts = shown.as_ref().map(|shown| shown.ts.as_str());
            return self.press_for_a_form(&channel, ts, &button.action).await;
        }
        let asked = self.behind_all(channel, shown.as_ref());
        let slack = &self.sandbox.slack;
        match (&shown, time) {
            (Some(shown), _) => slack.clicks(ANA, &asked.channel, &shown.ts, &button.action),
            (None, None) => slack.clicks_home(ANA, &button.action),
            (None, Some(_)) => slack.picks_at_home(ANA, &button.action, time),
        };
        self.show_answer(asked).await;
    }

    /// Where something was shown last: a message and its conversation, or the Home tab, whose answers come in the DM.
    fn stood(&self) -> Option<(String, Option<Posted>)> {
        match self.at_home {
            true => Some((self.sandbox.slack.dm(ANA), None)),
            false => {
                let (channel, shown) = self.last.clone()?;
                Some((channel, Some(shown)))
            }
        }
    }

    /// Puts a reaction on the message that was shown last.
    async fn react(&mut self, name: &str) {
        let name = name.trim_matches(':');
        let Some((channel, shown)) = self.last.clone().filter(|_| !name.is_empty()) else {
            return self.print("       (react to what, and with what? `react white_check_mark`)");
        };
        let slack = &self.sandbox.slack;
        let stands = slack.reactions(&channel, &shown.ts);
        if stands.contains(&(ANA.to_owned(), name.to_owned())) {
            return self.print("       (it stands there already)");
        }
        let asked = self.behind_all(channel, Some(&shown));
        slack.reacts(ANA, &asked.channel, &shown.ts, name);
        let put = (asked.channel.clone(), shown, name.to_owned());
        self.reactions.push(put);
        self.show_answer_to_sign(asked, name, true).await;
    }

    /// Takes away the reaction of that name that was put somewhere last.
    async fn unreact(&mut self, name: &str) {
        let name = name.trim_matches(':');
        let of_name = |(_, _, put): &(String, Posted, String)| put == name;
        let Some(at) = self.reactions.iter().rposition(of_name) else {
            return self.print("       (there is no such reaction of yours)");
        };
        let (channel, shown, name) = self.reactions.remove(at);
        let asked = self.behind_all(channel, Some(&shown));
        let slack = &self.sandbox.slack;
        slack.unreacts(ANA, &asked.channel, &shown.ts, &name);
        self.show_answer_to_sign(asked, &name, false).await;
    }

    async fn show_answer_to_sign(&mut self, asked: Asked, name: &str, put: bool) {
        if sign::command(name, put, 0).is_none() {
            return self.print("       (that asks for nothing)");
        }
        self.show_answer(asked).await;
    }

    /// Says something in the thread under the message that was shown last.
    async fn say_under(&mut self, text: &str) {
        let Some((channel, shown)) = self.last.clone().filter(|_| !text.is_empty()) else {
            return self.print("       (say what, under which message?)");
        };
        let root = shown.thread_ts.as_ref().unwrap_or(&shown.ts).clone();
        let slack = &self.sandbox.slack;
        let after = slack.says_in_thread(ANA, &channel, &root, &text.replace("\\n", "\n"));
        let asked = Asked {
            channel,
            after,
            thread: Some(root),
        };
        self.show_answer(asked).await;
    }

    /// What comes from now on, where a message stands.
    fn behind_all(&self, channel: String, shown: Option<&Posted>) -> Asked {
        let newest = self.sandbox.slack.messages(&channel).pop();
        let newest = newest.and_then(|message| message["ts"].as_str().map(str::to_owned));
        Asked {
            after: newest.unwrap_or_default(),
            thread: shown
                .filter(|_| !channel.starts_with('D'))
                .map(|shown| shown.thread_ts.as_ref().unwrap_or(&shown.ts).clone()),
            channel,
        }
    }

    /// The buttons that a message has by now.
    fn buttons_now(&self, channel: &str, ts: &str) -> Vec<Button> {
        let said = self.sandbox.slack.bot_messages(channel);
        let standing = said.iter().find(|posted| posted.ts == ts);
        standing
            .map(|posted| buttons_in(&posted.blocks))
            .unwrap_or_default()
    }

    /// Waits for an answer and shows it, with what the sources were asked for it.
    async fn show_answer(&mut self, asked: Asked) {
        let answer = async {
            loop {
                match self.answer_to(&asked) {
                    Some(posted) => return posted,
                    None => something(&mut self.slack).await,
                }
            }
        };
        let Ok(answer) = tokio::time::timeout(PATIENCE, answer).await else {
            let waited = PATIENCE.as_secs();
            return self.print(&format!("       (no answer within {waited} s)"));
        };
        self.show(&asked.channel, &answer);
        self.show_requests();
        if waits(&answer) {
            self.pending.push(Pending {
                asked,
                shown: answer.text,
            });
            if !self.screen.echoes {
                // Lines that are piped in do not wait for anybody to read: the outcome is to stand under its question.
                self.settle().await;
            }
        }
    }

    /// Makes trouble: something that the people at the other end, or the network, might do.
    async fn make(&mut self, trouble: &str) {
        let (who, what) = match trouble.split_once(' ').unwrap_or((trouble, "")) {
            (turned @ ("down" | "up"), source) => (source.trim(), turned),
            as_said => as_said,
        };
        let front = match who {
            "clickup" => self.sandbox.clickup.front(),
            "github" => self.sandbox.github.front(),
            "close" | "comment" if !what.trim().is_empty() => {
                let known = self.messages();
                let said = match who {
                    "close" => self
                        .bo_completes(what.trim())
                        .map(|title| format!("       (Bo has completed: {})", tame(&title))),
                    _ => self
                        .bo_comments(what.trim())
                        .map(|title| format!("       (Bo has commented on: {})", tame(&title))),
                };
                let Some(said) = said else {
                    return self.print("       (nothing open has these words in its title)");
                };
                self.print(&said);
                return self.show_notice(known).await;
            }
            "lose" => {
                self.sandbox.clickup.lose_next(1);
                self.sandbox.github.lose_next(1);
                self.lost = true;
                return self.print(
                    "       (the next webhook gets lost; `!poll` reads what it would have said)",
                );
            }
            "poll" => {
                let known = self.messages();
                self.lost = false;
                let synced = self.sync.sync(false).await;
                let changed: u64 = synced.values().map(|synced| synced.changed).sum();
                self.print(&format!("       (both were read: {changed} changed)"));
                return match changed {
                    0 => {}
                    _ => self.show_notice(known).await,
                };
            }
            _ => return self.print(TROUBLE),
        };
        match what.trim() {
            "down" => {
                front.down();
                self.down.insert(who.to_owned());
            }
            "up" => {
                front.up();
                self.down.remove(who);
            }
            "lost" => {
                front.clear_faults();
                for method in ["POST", "PUT", "PATCH", "DELETE"] {
                    front.fault(Fault::new(What::ApplyThenDrop).on(method, "/"));
                }
            }
            _ => return self.print(TROUBLE),
        }
        let now = match what.trim() {
            "down" => "no longer answers; what you ask of it is queued",
            "up" => "answers again",
            _ => "will do the next thing it is asked, and its answer will get lost",
        };
        let name = if who == "clickup" {
            "ClickUp"
        } else {
            "GitHub"
        };
        self.print(&format!("       ({name} {now})"));
        if what.trim() == "up" && !self.screen.echoes {
            self.settle().await;
        }
    }

    /// Bo, who does not use Ivan, completes what has these words in its title.
    fn bo_completes(&self, words: &str) -> Option<String> {
        let words = words.to_lowercase();
        let fits = |title: &Value| {
            let title = title.as_str().unwrap_or_default();
            title.to_lowercase().contains(&words)
        };
        for task in self.sandbox.clickup.tasks() {
            let open = !matches!(task["status"]["type"].as_str(), Some("closed" | "done"));
            if open && fits(&task["name"]) {
                let (id, title) = (task["id"].as_str()?, task["name"].as_str()?);
                self.sandbox.clickup.set_status(id, "complete", BO);
                return Some(title.to_owned());
            }
        }
        for issue in self.sandbox.github.issues(REPO) {
            if issue["state"] == "open" && fits(&issue["title"]) {
                let (number, title) = (issue["number"].as_u64()?, issue["title"].as_str()?);
                self.sandbox.github.close_as(REPO, number, "bo");
                return Some(title.to_owned());
            }
        }
        None
    }

    /// Bo comments on what has the words before the colon in its title.
    fn bo_comments(&self, what: &str) -> Option<String> {
        let (words, text) = what.split_once(':')?;
        let words = words.trim().to_lowercase();
        let fits = |title: &str| title.to_lowercase().contains(&words);
        for task in self.sandbox.clickup.tasks() {
            if let (Some(id), Some(title)) = (task["id"].as_str(), task["name"].as_str())
                && fits(title)
            {
                self.sandbox.clickup.comment_by(id, BO, text.trim());
                return Some(title.to_owned());
            }
        }
        for issue in self.sandbox.github.issues(REPO) {
            if let (Some(number), Some(title)) = (issue["number"].as_u64(), issue["title"].as_str())
                && fits(title)
            {
                self.sandbox
                    .github
                    .comment_as(REPO, number, "bo", text.trim());
                return Some(title.to_owned());
            }
        }
        None
    }

    /// What Ivan has said in the DM so far.
    fn messages(&self) -> Vec<Posted> {
        let dm = self.sandbox.slack.dm(ANA);
        self.sandbox.slack.bot_messages(&dm)
    }

    /// Shows what Ivan tells unasked: a message that is new, or says more than before.
    async fn show_notice(&mut self, known: Vec<Posted>) {
        if std::mem::take(&mut self.lost) {
            return;
        }
        let told = async {
            loop {
                let new = self
                    .messages()
                    .into_iter()
                    .find(|posted| !known.iter().any(|known| says_the_same(known, posted)));
                match new {
                    Some(posted) => return posted,
                    None => something(&mut self.slack).await,
                }
            }
        };
        match tokio::time::timeout(NOTICE_WITHIN, told).await {
            Ok(posted) => {
                let dm = self.sandbox.slack.dm(ANA);
                self.show(&dm, &posted);
            }
            Err(_) => self.print("       (Ivan tells nothing of it)"),
        }
    }

    /// Shows what has become of answers that said `…`.
    fn catch_up(&mut self) {
        for mut pending in std::mem::take(&mut self.pending) {
            let Some(posted) = self
                .answer_to(&pending.asked)
                .filter(|posted| posted.text != pending.shown)
            else {
                self.pending.push(pending);
                continue;
            };
            self.show(&pending.asked.channel, &posted);
            self.show_requests();
            if waits(&posted) {
                pending.shown = posted.text;
                self.pending.push(pending);
            }
        }
        if self.pending.is_empty() {
            self.sandbox.clickup.front().clear_faults();
            self.sandbox.github.front().clear_faults();
        }
    }

    /// Gives what is pending some time to come to its end, unless it cannot.
    async fn settle(&mut self) {
        if !self.down.is_empty() {
            return self.catch_up();
        }
        let settled = async {
            while !self.pending.is_empty() {
                self.catch_up();
                if !self.pending.is_empty() {
                    something(&mut self.slack).await;
                }
            }
        };
        // On time-out it stays pending, and is shown when it comes.
        let _ = tokio::time::timeout(OUTCOME_WITHIN, settled).await;
    }

    /// The answer to what was said: the first message behind it, in its thread where that is known.
    fn answer_to(&self, asked: &Asked) -> Option<Posted> {
        let said = self.sandbox.slack.bot_messages(&asked.channel);
        said.into_iter().find(|posted| {
            posted.ts > asked.after && (asked.thread.is_none() || posted.thread_ts == asked.thread)
        })
    }

    fn show(&mut self, channel: &str, posted: &Posted) {
        let place = posted.thread_ts.as_ref().map(|_| "in a thread under it");
        self.speak(&posted.text, &posted.blocks, place);
        self.last = Some((channel.to_owned(), posted.clone()));
        self.at_home = false;
        self.whispered = None;
    }

    /// What ClickUp and GitHub were asked to change since the last time.
    fn show_requests(&mut self) {
        let mut lines = Vec::new();
        while let Ok(seen) = self.clickup.try_recv() {
            lines.extend(request("ClickUp", &seen));
        }
        while let Ok(seen) = self.github.try_recv() {
            lines.extend(request("GitHub ", &seen));
        }
        for line in lines {
            let line = self.paint(DIM, &format!("         {line}"));
            self.print(&line);
        }
    }

    /// At the end: what is different in ClickUp and GitHub from what was there at the start.
    fn part(&mut self) {
        if !self.pending.is_empty() {
            let (n, s) = match self.pending.len() {
                1 => (1, ""),
                n => (n, "s"),
            };
            self.print(&format!(
                "       ({n} command{s} still queued; a daemon that is not a demo would carry on)"
            ));
        }
        let now = holdings(&self.sandbox);
        let changed: Vec<String> = now
            .iter()
            .filter(|(key, line)| self.before.get(key) != Some(line))
            .map(|(_, line)| line.clone())
            .collect();
        if changed.is_empty() {
            return self.print("\nNothing has changed in ClickUp and GitHub.");
        }
        self.print("\nWhat has changed in ClickUp and GitHub:");
        for line in changed {
            self.print(&format!("  {line}"));
        }
    }

    /// What Ivan says, as a person sees it in Slack: its blocks, or the text of what has none; and where it stands.
    fn speak(&mut self, text: &str, blocks: &Value, place: Option<&str>) {
        let paint = |look, text: &str| self.look(look, text);
        let mut lines = blocks::shown(blocks, &paint);
        if lines.is_empty() {
            lines = blocks::wrapped(text, &paint);
        }
        let mut lines = lines.into_iter();
        let first = lines.next().unwrap_or_default();
        let first = match first.chars().next() {
            Some(mark @ ('✓' | '✗' | '…')) => {
                let style = match mark {
                    '✓' => GREEN,
                    '✗' => RED,
                    _ => YELLOW,
                };
                let rest = first.strip_prefix(mark).unwrap_or_default();
                self.paint(style, &mark.to_string()) + rest
            }
            _ => first,
        };
        let place = place.map(|place| self.paint(DIM, &format!("  ({place})")));
        let name = self.paint(BOLD, "Ivan › ");
        self.print(&format!("{name}{first}{}", place.unwrap_or_default()));
        for line in lines {
            self.print(format!("       {line}").trim_end());
        }
    }

    /// How a piece of text looks here.
    fn look(&self, look: Look, text: &str) -> String {
        if !self.screen.color {
            return blocks::plain(look, text);
        }
        let style = match look {
            Look::Link => UNDERLINED,
            Look::Struck => STRUCK,
            Look::Heading => BOLD,
            Look::Aside => DIM,
        };
        self.paint(style, text)
    }

    fn paint(&self, style: &str, text: &str) -> String {
        let text = tame(text);
        match self.screen.color {
            true => format!("\u{1b}[{style}m{text}\u{1b}[0m"),
            false => text,
        }
    }

    fn print(&mut self, text: &str) {
        self.screen.print(text);
    }
}

// What ECMA-48 calls its ways to show text.
const BOLD: &str = "1";
const DIM: &str = "2";
const UNDERLINED: &str = "4";
const STRUCK: &str = "9";
const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";

/// Whether a message stands as it did, or was only made again with its cards: what tells more has it behind what it told
/// before.
fn says_the_same(known: &Posted, posted: &Posted) -> bool {
    let tells_more = known.text != posted.text && posted.text.starts_with(&known.text);
    known.ts == posted.ts && !tells_more
}

const TROUBLE: &str = "       !close WORDS           Bo completes the task with these words in its title, behind your back\n       \
                       !comment WORDS: TEXT   Bo comments on it\n       \
                       !lose · !poll          the next webhook gets lost · what webhooks missed is read\n       \
                       !down clickup · !up …  it answers nothing · it answers again; `github` likewise\n       \
                       !clickup lost          it does the next thing that it is asked, and its answer gets lost";

/// Whether an answer will change.
fn waits(posted: &Posted) -> bool {
    posted.text.starts_with('…')
}

/// `#general create …`: the channel and the text, if the sandbox has that channel.
fn channel_of(line: &str) -> Option<(&str, &str)> {
    let line = line.strip_prefix('#')?;
    let (name, text) = line.split_once(' ').unwrap_or((line, ""));
    ["general", "random"]
        .contains(&name)
        .then_some((name, text))
}

/// Resolves when something has happened in Slack.
async fn something(slack: &mut Receiver<Happening>) {
    if let Err(RecvError::Closed) = slack.recv().await {
        std::future::pending::<()>().await;
    }
}

// ---------------------------------------------------------------- the terminal

/// Where it is read.
struct Screen {
    color: bool,
    /// What is typed is on the screen already.
    echoes: bool,
    /// Prints above the prompt, and leaves what is being typed as it is.
    above: Option<Box<dyn ExternalPrinter + Send>>,
}

impl Screen {
    fn print(&mut self, text: &str) {
        // A closed pipe ends the reading too; there is nobody to tell.
        match &mut self.above {
            Some(above) => drop(above.print(format!("{text}\n"))),
            None => drop(writeln!(std::io::stdout(), "{text}")),
        }
    }
}

/// Where lines come from.
enum Input {
    Piped(Lines<BufReader<Stdin>>),
    Typed {
        lines: mpsc::Receiver<std::io::Result<Option<String>>>,
        wanted: std::sync::mpsc::Sender<()>,
        asked: bool,
    },
}

impl Input {
    /// Lines that are typed on a terminal, with the editing and the history that one expects there; or piped in.
    fn open() -> (Input, Screen) {
        let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        let color = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let mut screen = Screen {
            color,
            echoes: false,
            above: None,
        };
        if terminal && let Ok(mut editor) = rustyline::DefaultEditor::new() {
            screen.echoes = true;
            if let Ok(above) = editor.create_external_printer() {
                screen.above = Some(Box::new(above));
            }
            return (Input::typed(editor, color), screen);
        }
        let lines = BufReader::new(tokio::io::stdin()).lines();
        (Input::Piped(lines), screen)
    }

    /// The editor blocks while it reads: it has a thread of its own, and shows its prompt only when it is asked to.
    fn typed(mut editor: rustyline::DefaultEditor, color: bool) -> Input {
        let (wanted, asked) = std::sync::mpsc::channel::<()>();
        let (send, lines) = mpsc::channel(1);
        let prompt = match color {
            true => format!("\u{1b}[{BOLD}mAna  › \u{1b}[0m"),
            false => "Ana  › ".to_owned(),
        };
        std::thread::spawn(move || {
            while asked.recv().is_ok() {
                let line = match editor.readline(&prompt) {
                    Ok(line) => {
                        let _ = editor.add_history_entry(&line);
                        Ok(Some(line))
                    }
                    Err(ReadlineError::Eof | ReadlineError::Interrupted) => Ok(None),
                    Err(error) => Err(std::io::Error::other(error)),
                };
                if send.blocking_send(line).is_err() {
                    return;
                }
            }
        });
        Input::Typed {
            lines,
            wanted,
            asked: false,
        }
    }

    /// The next line; `None` at the end. Nothing is lost if this is dropped and called again.
    async fn line(&mut self) -> std::io::Result<Option<String>> {
        match self {
            Input::Piped(lines) => lines.next_line().await,
            Input::Typed {
                lines,
                wanted,
                asked,
            } => {
                if !*asked {
                    let _ = wanted.send(());
                    *asked = true;
                }
                let line = lines.recv().await;
                *asked = false;
                line.unwrap_or(Ok(None))
            }
        }
    }
}

/// `ClickUp  PUT /task/86tst0001 → complete`; reads are left out.
fn request(system: &str, seen: &Seen) -> Option<String> {
    if seen.method == "GET" {
        return None;
    }
    let body: Value = serde_json::from_str(&seen.body).unwrap_or_default();
    let asked = body["status"].as_str().or(body["state"].as_str());
    let outcome = match (seen.status, asked) {
        (None, _) => "connection lost".to_owned(),
        (Some(200), Some(state)) => state.to_owned(),
        (Some(status), _) => status.to_string(),
    };
    let path = seen.path.strip_prefix("/api/v2").unwrap_or(&seen.path);
    Some(format!("{system}  {} {path} → {outcome}", seen.method))
}

fn holdings(sandbox: &Sandbox) -> Holdings {
    let mut holdings = BTreeMap::new();
    for task in sandbox.clickup.tasks() {
        let Some(id) = task["id"].as_str() else {
            continue;
        };
        let status = task["status"]["status"].as_str().unwrap_or_default();
        let tags: Vec<&str> = task["tags"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|tag| tag["name"].as_str())
            .collect();
        let comments = sandbox.clickup.task(id).comments();
        let list = task["list"]["name"].as_str().unwrap_or_default();
        let title = task["name"].as_str().unwrap_or_default();
        let line = line(&format!("ClickUp {list}"), status, title, &tags, &comments);
        holdings.insert((Source::ClickUp, id.to_owned()), line);
    }
    for issue in sandbox.github.issues(REPO) {
        let Some(number) = issue["number"].as_u64() else {
            continue;
        };
        let state = issue["state"].as_str().unwrap_or_default();
        let comments = sandbox.github.issue(REPO, number).comments();
        let title = issue["title"].as_str().unwrap_or_default();
        let line = line(
            &format!("GitHub {REPO}#{number}"),
            state,
            title,
            &[],
            &comments,
        );
        holdings.insert((Source::GitHub, format!("{number:09}")), line);
    }
    holdings
}

fn line(place: &str, state: &str, title: &str, tags: &[&str], comments: &[String]) -> String {
    let tags: String = tags.iter().map(|tag| format!("  #{tag}")).collect();
    let comments: String = comments
        .iter()
        .map(|comment| {
            format!(
                "\n      “{}”",
                tame(comment.trim()).replace('\n', "\n       ")
            )
        })
        .collect();
    format!("{place:<24} {state:<10} {}{tags}{comments}", tame(title))
}
