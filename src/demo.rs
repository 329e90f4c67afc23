//! `ivan demo`: the real daemon against a sandbox Slack, ClickUp and GitHub on loopback, with the terminal as a DM, or
//! with all of it as a page in the browser ([`run_page`]).
//!
//! Typed lines go to the sandbox's Slack as messages, and its replies are printed. The socket, the store and the
//! requests are the real ones. The requests to ClickUp and GitHub are printed below each answer.
//!
//! The demo waits for an answer until it arrives or until the daemon is idle (`Commands::is_idle`). Ctrl-C ends a wait.

#![expect(
    clippy::indexing_slicing,
    reason = "what is indexed is JSON, which answers null where there is nothing"
)]

mod blocks;
mod complete;
mod daemon;
mod forms;
mod terminal;
mod web;
mod world;
mod wrap;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use serde_json::Value;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::app::{App, AppError};
use crate::clock::Clock;
use crate::commands::{Commands, SlackHealth};
use crate::config::{Config, ConfigErrors};
use crate::domain::task::Source;
use crate::http::Synchronize;
use crate::mailbox::Mailbox;
use crate::sandbox::fault_server::{FaultKind, RequestRecord};
use crate::sandbox::slack::{EphemeralPost, PostedMessage, SandboxEvent};
use crate::sandbox::{Sandbox, Seed};
use crate::verbs::is_bare_create;
use blocks::{DemoButton, Look, button_called, buttons_in, called, tame};
use complete::Known;
use forms::Form;
use terminal::{Input, Interrupt, Interrupts, Screen};
use world::{ANA, BO, DemoPerson, REPO, SECRET};

pub use web::run as run_page;

/// The time limit for the daemon to become ready, and for an answer if the daemon never becomes idle.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the demo waits for the outcome of an answer that says `…`, when input is piped.
const OUTCOME_WITHIN: Duration = Duration::from_secs(8);
/// The delay of a write at a slow source. It is longer than the delay before Ivan says that it waits.
const SLOW: Duration = Duration::from_secs(6);
/// How many buttons an error message lists.
const BUTTONS_NAMED: usize = 10;

/// Errors that keep the demo from starting.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The folder of the store, a port on loopback or the signals failed, or the daemon crashed.
    #[error("the demo needs a folder for its store and ports on loopback: {0}")]
    Io(#[from] std::io::Error),
    /// The demo's own configuration is invalid: a defect.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// The daemon did not start, or ended by itself.
    #[error(transparent)]
    App(#[from] AppError),
    /// The page's port cannot be used.
    #[error("the page cannot listen on 127.0.0.1:{0}: {1}. Choose another --port")]
    Port(u16, std::io::Error),
    /// The daemon behind the page ended before it was ready.
    #[error("the daemon ended at its start: {0}")]
    Ended(String),
    /// The daemon was not ready within the time limit.
    #[error("the daemon was not ready within {} s; please report this bug with the output of `RUST_BACKTRACE=1`", PATIENCE.as_secs())]
    NotReady,
}

/// Starts the sandbox and the daemon, reads lines until the end of input, and prints the changes at the end.
#[inline(never)]
pub fn run() -> LocalBoxFuture<'static, Result<(), DemoError>> {
    Box::pin(talk())
}

async fn talk() -> Result<(), DemoError> {
    let folder = tempfile::Builder::new().prefix("ivan-demo-").tempdir()?;
    let mut stops = Interrupts::listen()?;
    // Opened before the slow steps, so that text typed from now on is the first line.
    let (input, screen) = Input::open();
    let sandbox = Sandbox::start(Seed::demo()).await?;
    let config = config(&sandbox, folder.path())?;
    let app = App::build(&config, Clock::system()).await?;
    let app = app.with_slack_lock_in(folder.path().to_owned());
    let (commands, mailbox) = (app.commands(), app.mailbox());
    let sync = app.sync();
    let hooks = app.hooks_address()?;
    let url = |source: &str| format!("http://{hooks}/webhooks/{source}");
    sandbox.clickup.add_hook(&url("clickup"), SECRET);
    sandbox.github.add_hook(&url("github"), SECRET);
    let (stop, stopped) = oneshot::channel::<()>();
    let mut daemon = tokio::spawn(app.run(Box::pin(async {
        let _ = stopped.await;
    })));
    tokio::select! {
        in_time = tokio::time::timeout(PATIENCE, ready(&commands, &sandbox)) => {
            in_time.map_err(|_| DemoError::NotReady)?;
        }
        ended = &mut daemon => return Ok(ended.map_err(std::io::Error::other)??),
        _ = stops.next() => return Ok(()),
    }
    let mut dm = Dm::new(sandbox.clone(), mailbox, sync, screen, stops);
    dm.greet();
    dm.talk(input).await?;
    dm.part();
    let _ = stop.send(());
    let is_over = async {
        if dm.stopped.is_none() {
            dm.stops.next().await;
        }
    };
    tokio::select! {
        biased;
        () = is_over => {
            // Its current work is not worth waiting for: the store is removed with the demo.
            daemon.abort();
            let _ = daemon.await;
            commands.end().await;
        }
        ended = &mut daemon => ended.map_err(std::io::Error::other)??,
    }
    sandbox.close().await;
    Ok(())
}

/// The configuration that points at the sandbox.
fn config(sandbox: &Sandbox, folder: &Path) -> Result<Config, ConfigErrors> {
    let text = world::bot_toml(sandbox, folder);
    Config::read(Some((Path::new("the demo"), &text)), std::iter::empty())
}

/// Waits until the socket is connected and both sources were read.
async fn ready(commands: &Commands, sandbox: &Sandbox) {
    let (clickup, github) = (sandbox.clickup.front(), sandbox.github.front());
    let (mut at_clickup, mut at_github) = (clickup.subscribe(), github.subscribe());
    let mut at_slack = sandbox.slack.subscribe();
    loop {
        let health = commands.health().await;
        let read = health
            .sources
            .values()
            .all(|source| source.last_sync.is_some());
        if read && health.slack == Some(SlackHealth::Connected) {
            return;
        }
        // The commit follows the answer a moment later: check again soon, or at the next event.
        tokio::select! {
            _ = at_clickup.recv() => {}
            _ = at_github.recv() => {}
            _ = at_slack.recv() => {}
            () = tokio::time::sleep(Duration::from_millis(20)) => {}
        }
    }
}

/// One person's conversations with Ivan.
struct Side {
    /// The Slack id.
    id: &'static str,
    name: &'static str,
    dm: String,
    /// The last message shown: the target of `press`, `react` and `thread`.
    last: Option<Shown>,
    /// The person's own message in a channel that was not for Ivan, if nothing was shown since: the target of `thread`.
    said: Option<(String, String)>,
    /// The open Home tab. `press` tries its buttons first.
    home: Option<Home>,
    /// The open form.
    form: Option<Form>,
    /// Reactions that were added: conversation, message and name.
    reactions: Vec<(String, PostedMessage, String)>,
    /// The conversation of the person's last message.
    place: String,
}

impl Side {
    fn of(person: DemoPerson, sandbox: &Sandbox) -> Side {
        let dm = sandbox.slack.dm(person.slack);
        Side {
            id: person.slack,
            name: person.name,
            last: None,
            said: None,
            home: None,
            form: None,
            reactions: Vec::new(),
            place: dm.clone(),
            dm,
        }
    }
}

/// The sides of the people in the conversation, and the view behind it.
struct Dm {
    /// The person who types.
    me: Side,
    other: Side,
    sandbox: Sandbox,
    mailbox: Mailbox,
    clickup: Receiver<RequestRecord>,
    github: Receiver<RequestRecord>,
    slack: Receiver<SandboxEvent>,
    before: Holdings,
    /// Answers with `…` that have no outcome yet.
    pending: Vec<Pending>,
    /// The number of ephemeral answers with `…` that have no outcome yet.
    pending_whispers: usize,
    /// Messages from Ivan that were shown or are older than the demo: by conversation and `ts`, with their texts.
    known: BTreeMap<(String, String), String>,
    known_whispers: Vec<EphemeralPost>,
    /// The sources that are set to fail.
    down: BTreeSet<Source>,
    /// The webhooks of the next change get lost, so Ivan does not report that change.
    lost: bool,
    /// Reads the sources, as `ivan sync` does.
    sync: Arc<dyn Synchronize>,
    screen: Screen,
    stops: Interrupts,
    /// The signal that ends the demo.
    stopped: Option<Interrupt>,
}

/// Every task and issue, each as one line.
type Holdings = BTreeMap<(Source, String), String>;

/// A message that said `…` and will change.
struct Pending {
    channel: String,
    ts: String,
    shown: String,
}

/// A message or gesture whose answer comes later in the conversation.
#[derive(Clone)]
struct Asked {
    channel: String,
    /// The answer's `ts` is greater.
    after: String,
    /// In a channel: the root of the answer's thread.
    thread: Option<String>,
}

/// A message from Ivan that was shown.
#[derive(Clone)]
enum Shown {
    Message {
        channel: String,
        posted: PostedMessage,
    },
    Whisper(EphemeralPost),
}

/// The Home tab as it was shown.
struct Home {
    buttons: Vec<DemoButton>,
    /// A message was shown since then: its buttons are numbered after those of the tab.
    answered: bool,
}

/// The place of a button.
#[derive(Clone)]
enum Place {
    Home,
    In(Shown),
}

/// The result of a wait.
enum Waited<T> {
    Came(T),
    /// The daemon is idle: nothing more will come.
    Nothing,
    /// Ctrl-C.
    Interrupted,
}

impl Dm {
    fn new(
        sandbox: Sandbox,
        mailbox: Mailbox,
        sync: Arc<dyn Synchronize>,
        screen: Screen,
        stops: Interrupts,
    ) -> Dm {
        let mut dm = Dm {
            clickup: sandbox.clickup.front().subscribe(),
            github: sandbox.github.front().subscribe(),
            slack: sandbox.slack.subscribe(),
            before: holdings(&sandbox),
            pending: Vec::new(),
            pending_whispers: 0,
            known: BTreeMap::new(),
            known_whispers: Vec::new(),
            me: Side::of(ANA, &sandbox),
            other: Side::of(BO, &sandbox),
            down: BTreeSet::new(),
            lost: false,
            sync,
            screen,
            stops,
            stopped: None,
            mailbox,
            sandbox,
        };
        for (channel, posted) in dm.messages() {
            dm.knows(&channel, &posted);
        }
        dm
    }

    fn greet(&mut self) {
        self.print(
            "You are Ana, and this is your DM with Ivan. Slack, ClickUp and GitHub are simulated on this \
                 machine.\nTry `current`, then `done`. `as bo current` types as Bo. `help` shows the rest, \
                 `!help` breaks things, Ctrl-D ends.\n",
        );
    }

    /// Reads lines until the end of input; fails if reading fails.
    async fn talk(&mut self, mut input: Input) -> std::io::Result<()> {
        loop {
            if self.stopped.is_some() {
                return Ok(());
            }
            // News that came with an answer; later ones arrive as events.
            self.catch_up();
            self.screen.at_prompt(!input.has_more());
            input.prompt(self.me.name);
            input.completes(|| self.known_names());
            let line = tokio::select! {
                biased;
                line = input.line() => line,
                () = something(&mut self.slack) => {
                    self.screen.gather();
                    self.catch_up();
                    self.screen.print_gathered();
                    continue;
                }
                stop = self.stops.next() => {
                    self.stopped = Some(stop);
                    continue;
                }
            };
            self.screen.at_prompt(false);
            let Some((line, is_shown)) = line? else {
                self.settle().await;
                return Ok(());
            };
            let line = line.trim();
            if line.is_empty() {
                continue;
            }
            if !is_shown {
                let name = self.paint(BOLD, &prompt(self.me.name));
                self.print(&format!("{name}{}", tame(line)));
            }
            if matches!(line, "exit" | "quit" | "!exit" | "!quit") {
                self.settle().await;
                return Ok(());
            }
            if matches!(self.act(line).await, Waited::Interrupted) {
                input.forget();
            }
        }
    }

    /// What Tab completes at the moment.
    fn known_names(&self) -> Known {
        let places = self.me.home.iter().map(|_| Place::Home);
        let places = places.chain(self.me.last.clone().map(Place::In));
        let buttons = places.flat_map(|place| self.buttons_at(&place));
        let tasks = self.sandbox.clickup.tasks().into_iter();
        let tasks = tasks.filter_map(|task| task["id"].as_str().map(str::to_owned));
        let issues = self.sandbox.github.issues(REPO).into_iter();
        let issues = issues.filter_map(|issue| Some(format!("#{}", issue["number"].as_u64()?)));
        Known {
            buttons: buttons.map(|button| tame(&button.label)).collect(),
            fields: self.me.form.as_ref().map(Form::names).unwrap_or_default(),
            channels: CHANNELS.map(|name| format!("#{name}")).to_vec(),
            people: [ANA.name, BO.name, "ivan"].map(str::to_lowercase).to_vec(),
            refs: issues.chain(tasks).collect(),
        }
    }

    /// Runs a line and shows the result. `as bo LINE` runs it as Bo, `as bo` all lines from now on.
    async fn act(&mut self, line: &str) -> Waited<()> {
        let acted = match line.split_once(' ') {
            Some(("as", rest)) => self.act_as(rest.trim()).await,
            _ if line == "as" => self.note(AS_WHOM),
            _ => self.gesture(line).await,
        };
        if let Waited::Interrupted = acted {
            self.print("       (interrupted)");
            return acted;
        }
        if !self.screen.echoes {
            // No prompt waits for later answers: show them below their question.
            return self.rest().await;
        }
        acted
    }

    async fn act_as(&mut self, rest: &str) -> Waited<()> {
        let (name, line) = rest.split_once(' ').unwrap_or((rest, ""));
        let is = |side: &Side| side.name.eq_ignore_ascii_case(name.trim_start_matches('@'));
        let change = is(&self.other);
        if !change && !is(&self.me) {
            return self.note(AS_WHOM);
        }
        if change {
            std::mem::swap(&mut self.me, &mut self.other);
        }
        if line.trim().is_empty() {
            let (me, other) = (self.me.name, self.other.name.to_lowercase());
            return self.note(&format!("(you are {me} now; `as {other}` changes that)"));
        }
        let acted = self.gesture(line.trim()).await;
        if change {
            std::mem::swap(&mut self.me, &mut self.other);
        }
        acted
    }

    /// Runs a line of the person who types.
    async fn gesture(&mut self, line: &str) -> Waited<()> {
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
            (None, ("file", rest)) => self.share(rest.trim()).await,
            (None, _) => self.say(line).await,
        }
    }

    /// Waits until `came` finds something, until the daemon is idle, or for Ctrl-C.
    async fn wait<T>(&mut self, came: impl Fn(&Dm) -> Option<T>) -> Waited<T> {
        let mut progress = self.mailbox.progress();
        let (clickup, github) = (self.sandbox.clickup.clone(), self.sandbox.github.clone());
        let deadline = Instant::now() + PATIENCE;
        loop {
            // Events from here on end the wait below.
            drain(&mut self.slack);
            progress.mark_unchanged();
            if let Some(found) = came(self) {
                return Waited::Came(found);
            }
            if self.is_idle().await {
                return came(self).map_or(Waited::Nothing, Waited::Came);
            }
            tokio::select! {
                () = something(&mut self.slack) => {}
                _ = progress.changed() => {}
                () = clickup.settled(), if !clickup.is_settled() => {}
                () = github.settled(), if !github.is_settled() => {}
                () = tokio::time::sleep_until(deadline) => return Waited::Nothing,
                stop = self.stops.next() => {
                    // In a pipe no further line depends on the user.
                    if stop == Interrupt::End || !self.screen.echoes {
                        self.stopped = Some(stop);
                    }
                    return Waited::Interrupted;
                }
            }
        }
    }

    /// Whether the daemon has received all input and has nothing left to process or send. Work for a source that is
    /// down is ignored.
    async fn is_idle(&self) -> bool {
        let arrived = || {
            self.sandbox.slack.is_settled()
                && self.sandbox.clickup.is_settled()
                && self.sandbox.github.is_settled()
        };
        let down = self.down.iter().copied().collect();
        // A store that cannot be read has no more output.
        arrived() && self.mailbox.is_idle(down).await.unwrap_or(true) && arrived()
    }

    /// Shows all remaining output.
    async fn rest(&mut self) -> Waited<()> {
        let waited = self.wait(|_| None::<()>).await;
        self.catch_up();
        self.show_requests();
        waited
    }

    /// Posts one line in the DM or in a channel and shows the answer. `\n` in a line is a line break.
    async fn say(&mut self, line: &str) -> Waited<()> {
        self.post(line, None).await
    }

    /// Posts a file with that line: `file shot.png create Fix login`.
    async fn share(&mut self, rest: &str) -> Waited<()> {
        match rest.split_once(' ').unwrap_or((rest, "")) {
            ("", _) => self.note("(try `file shot.png create Fix login`)"),
            (file, line) => self.post(line.trim(), Some(file)).await,
        }
    }

    async fn post(&mut self, line: &str, file: Option<&str>) -> Waited<()> {
        let (name, channel, text) = match channel_of(line) {
            Some((name, text)) => (Some(name), self.sandbox.slack.channel(name), text),
            None => (None, self.me.dm.clone(), line),
        };
        let text = text.replace("\\n", "\n");
        if text.trim().is_empty() && file.is_none() {
            return self.note("(empty message)");
        }
        let asked = match file {
            Some(file) => (self.sandbox.slack).shares_file(self.me.id, &channel, file, &text),
            None => self.sandbox.slack.says(self.me.id, &channel, &text),
        };
        self.me.place.clone_from(&channel);
        self.me.home = None;
        self.me.said = None;
        if let Some(name) = name {
            if !is_heard(&text) {
                self.me.said = Some((channel, asked));
                return self.note(NOT_FOR_IVAN);
            }
            if !self.sandbox.slack.has_bot(&channel) {
                return self.note(&format!("(Ivan is not in #{name})"));
            }
        }
        let asked = Asked {
            thread: name.is_some().then(|| asked.clone()),
            after: asked,
            channel,
        };
        self.show_answer(asked, NO_ANSWER).await
    }

    /// Presses a button of the last message shown, by its number or its name.
    async fn press(&mut self, which: &str) -> Waited<()> {
        if self.me.home.is_none() && self.me.last.is_none() {
            return self.note("(no buttons yet)");
        }
        let (which, time) = match which.rsplit_once(' ') {
            Some((which, time)) if time.contains(':') => (which, Some(time)),
            _ => (which, None),
        };
        let (button, place) = match self.pressable(which) {
            Ok(found) => found,
            Err(why) => return self.note(&why),
        };
        match (button.is_time, time) {
            (true, None) => return self.note("(add a time: `press 2 08:30`)"),
            (false, Some(_)) => return self.note("(that button takes no time)"),
            (true, Some(time)) if !is_time_of_day(time) => {
                return self.note("(not a time; try `press 2 08:30`)");
            }
            _ => {}
        }
        if let Some(url) = &button.url {
            return self.note(&format!("(opens {})", tame(url)));
        }
        let slack = self.sandbox.slack.clone();
        let before = self.before();
        match &place {
            Place::Home => {
                let dm = self.me.dm.clone();
                let asked = self.behind_all(dm, None);
                match time {
                    Some(time) => {
                        // Slack sends two digits of the hour.
                        let time = format!("{time:0>5}");
                        slack.picks_at_home(self.me.id, &button.action, Some(&time))
                    }
                    None => slack.clicks_home(self.me.id, &button.action),
                };
                match opens_a_form(&button) {
                    true => self.show_what_comes(before).await,
                    false => self.show_answer(asked, NO_ANSWER).await,
                }
            }
            Place::In(Shown::Message { channel, posted }) => {
                let asked = self.behind_all(channel.clone(), Some(posted));
                slack.clicks(self.me.id, channel, &posted.ts, &button.action);
                match opens_a_form(&button) {
                    true => self.show_what_comes(before).await,
                    false => self.show_answer(asked, NO_ANSWER).await,
                }
            }
            Place::In(Shown::Whisper(whisper)) => {
                slack.clicks_whisper(&whisper.ts, &button.action);
                self.show_what_comes(before).await
            }
        }
    }

    /// Finds a button that still exists, by its number as shown or by its name; else says why it cannot be pressed.
    fn pressable(&self, which: &str) -> Result<(DemoButton, Place), String> {
        let shown = self.buttons_shown();
        let labels: Vec<&DemoButton> = shown.iter().map(|(button, _)| button).collect();
        let found = called(&labels, which).and_then(|at| shown.get(at));
        if let Some((button, place)) = found
            && self
                .buttons_at(place)
                .iter()
                .any(|now| now.action == button.action)
        {
            return Ok((button.clone(), place.clone()));
        }
        // The message may have changed since then. Names are looked up as they are now, numbers as they were shown.
        if which.parse::<usize>().is_err() {
            let places = self.me.home.iter().map(|_| Place::Home);
            for place in places.chain(self.me.last.clone().map(Place::In)) {
                if let Some(button) = button_called(&self.buttons_at(&place), which) {
                    return Ok((button.clone(), place));
                }
            }
        }
        if found.is_some() {
            return Err(match self.me.home.is_some() {
                true => format!("(button {which} is gone; `home` shows the tab again)"),
                false => format!("(button {which} is gone)"),
            });
        }
        if shown.is_empty() {
            return Err("(that message has no buttons)".to_owned());
        }
        let mut names: Vec<String> = (1..)
            .zip(&shown)
            .take(BUTTONS_NAMED)
            .map(|(number, (button, _))| format!("{number} {}", tame(&button.label)))
            .collect();
        if shown.len() > BUTTONS_NAMED {
            names.push("…".to_owned());
        }
        let names = names.join(", ");
        Err(format!("(no button {which}; there are: {names})"))
    }

    /// All buttons as they were shown, in the order of their numbers.
    fn buttons_shown(&self) -> Vec<(DemoButton, Place)> {
        let mut shown = Vec::new();
        if let Some(home) = &self.me.home {
            shown.extend(
                home.buttons
                    .iter()
                    .map(|button| (button.clone(), Place::Home)),
            );
        }
        if self.me.home.as_ref().is_none_or(|home| home.answered)
            && let Some(last) = &self.me.last
        {
            let blocks = match last {
                Shown::Message { posted, .. } => &posted.blocks,
                Shown::Whisper(whisper) => &whisper.blocks,
            };
            let buttons = buttons_in(blocks).into_iter();
            shown.extend(buttons.map(|button| (button, Place::In(last.clone()))));
        }
        shown
    }

    /// The buttons that exist now.
    fn buttons_at(&self, place: &Place) -> Vec<DemoButton> {
        let slack = &self.sandbox.slack;
        let blocks = match place {
            Place::Home => self.home_view().map(|view| view["blocks"].clone()),
            Place::In(Shown::Message { channel, posted }) => {
                let said = slack.bot_messages(channel).into_iter();
                let mut standing = said.filter(|one| one.ts == posted.ts);
                standing.next().map(|posted| posted.blocks)
            }
            Place::In(Shown::Whisper(whisper)) => {
                let whispers = slack.whispers().into_iter();
                let mut standing = whispers.filter(|one| one.ts == whisper.ts);
                standing.next().map(|whisper| whisper.blocks)
            }
        };
        buttons_in(&blocks.unwrap_or_default())
    }

    /// The last message shown; an error if there is none.
    fn message(&self, or: &str) -> Result<(String, PostedMessage), String> {
        match &self.me.last {
            Some(Shown::Message { channel, posted }) => Ok((channel.clone(), posted.clone())),
            Some(Shown::Whisper(_)) => {
                Err("(a message that only you see has no thread and no reactions)".to_owned())
            }
            None => Err(or.to_owned()),
        }
    }

    /// Adds a reaction to the last message shown.
    async fn react(&mut self, name: &str) -> Waited<()> {
        const WITH_WHAT: &str = "(try `react white_check_mark` after a message of Ivan)";
        let name = name.trim_matches(':');
        let found = match name.is_empty() {
            true => Err(WITH_WHAT.to_owned()),
            false => self.message(WITH_WHAT),
        };
        let (channel, shown) = match found {
            Ok(found) => found,
            Err(why) => return self.note(&why),
        };
        let slack = &self.sandbox.slack;
        let stands = slack.reactions(&channel, &shown.ts);
        if stands.contains(&(self.me.id.to_owned(), name.to_owned())) {
            return self.note("(you already reacted with that)");
        }
        let asked = self.behind_all(channel, Some(&shown));
        slack.reacts(self.me.id, &asked.channel, &shown.ts, name);
        let put = (asked.channel.clone(), shown, name.to_owned());
        self.me.reactions.push(put);
        self.show_answer(asked, IGNORED).await
    }

    /// Removes the newest added reaction of that name.
    async fn unreact(&mut self, name: &str) -> Waited<()> {
        let name = name.trim_matches(':');
        let of_name = |(_, _, put): &(String, PostedMessage, String)| put == name;
        let Some(at) = self.me.reactions.iter().rposition(of_name) else {
            return self.note("(you have no such reaction)");
        };
        let (channel, shown, name) = self.me.reactions.remove(at);
        let asked = self.behind_all(channel, Some(&shown));
        let slack = &self.sandbox.slack;
        slack.unreacts(self.me.id, &asked.channel, &shown.ts, &name);
        self.show_answer(asked, IGNORED).await
    }

    /// Replies in the thread of the last message shown.
    async fn say_under(&mut self, text: &str) -> Waited<()> {
        const UNDER_WHAT: &str = "(try `thread TEXT` after a message of Ivan)";
        let text = text.replace("\\n", "\n");
        let found = match (text.trim().is_empty(), &self.me.said) {
            (true, _) => Err(UNDER_WHAT.to_owned()),
            (false, Some(said)) => Ok(said.clone()),
            (false, None) => self.message(UNDER_WHAT).map(|(channel, shown)| {
                let root = shown.thread_ts.as_ref().unwrap_or(&shown.ts);
                (channel, root.clone())
            }),
        };
        let (channel, root) = match found {
            Ok(found) => found,
            Err(why) => return self.note(&why),
        };
        let slack = &self.sandbox.slack;
        let after = slack.says_in_thread(self.me.id, &channel, &root, &text);
        self.me.home = None;
        if !channel.starts_with('D') && !is_heard(&text) {
            return self.note(NOT_FOR_IVAN);
        }
        let asked = Asked {
            channel,
            after,
            thread: Some(root),
        };
        self.show_answer(asked, NO_ANSWER).await
    }

    /// Expects an answer after the newest message, in the thread of `shown` if it is in a channel.
    fn behind_all(&self, channel: String, shown: Option<&PostedMessage>) -> Asked {
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

    /// Waits for an answer and shows it with the requests to the sources. Shows `instead` if none comes.
    async fn show_answer(&mut self, asked: Asked, instead: &str) -> Waited<()> {
        let answer = match self.wait(|dm| dm.answer_to(&asked)).await {
            Waited::Came(answer) => answer,
            Waited::Nothing => return self.note(instead),
            Waited::Interrupted => return Waited::Interrupted,
        };
        self.show(&asked.channel, &answer);
        self.show_requests();
        if waits(&answer.text) && !self.screen.echoes {
            // Piped lines would run on: show the outcome below its question.
            self.settle().await;
        }
        Waited::Came(())
    }

    /// Causes a fault of a source or of the network.
    async fn make(&mut self, trouble: &str) -> Waited<()> {
        let (who, what) = match trouble.split_once(' ').unwrap_or((trouble, "")) {
            (turned @ ("down" | "up"), source) => (source.trim(), turned),
            as_said => as_said,
        };
        let (source, front) = match who {
            // Names a source: each has its own half of the sandbox.
            "clickup" => (Source::ClickUp, self.sandbox.clickup.front().clone()),
            "github" => (Source::GitHub, self.sandbox.github.front().clone()),
            "close" | "comment" if !what.trim().is_empty() => {
                return self.have_bo(who, what.trim()).await;
            }
            "lose" => {
                self.lost = true;
                return self.note(
                    "(the webhooks of Bo's next change will be lost; `!poll` finds the change)",
                );
            }
            "poll" => return self.poll().await,
            _ => return self.help(),
        };
        let now = match what.trim() {
            "down" => {
                front.down();
                self.down.insert(source);
                "is down; your commands for it are queued"
            }
            "up" => {
                front.up();
                self.down.remove(&source);
                "is back"
            }
            "lost" => {
                front.spoil_next_write(FaultKind::ApplyThenDrop);
                "will do the next write, but the response will be lost"
            }
            "slow" => {
                front.spoil_next_write(FaultKind::Delay(SLOW));
                "will take 6 s for the next write"
            }
            _ => return self.help(),
        };
        self.print(&format!("       ({} {now})", source.name()));
        if what.trim() == "up" && !self.screen.echoes {
            self.settle().await;
        }
        Waited::Came(())
    }

    fn help(&mut self) -> Waited<()> {
        self.print(HELP);
        Waited::Came(())
    }

    /// Changes something in ClickUp or GitHub as Bo, and shows Ivan's notice.
    async fn have_bo(&mut self, does: &str, what: &str) -> Waited<()> {
        let (clickup, github) = (self.sandbox.clickup.clone(), self.sandbox.github.clone());
        if self.lost {
            clickup.hold();
            github.hold();
        }
        let said = match does {
            "close" => self
                .bo_completes(what)
                .map(|title| format!("(Bo has completed: {})", tame(&title))),
            _ => self
                .bo_comments(what)
                .map(|title| format!("(Bo has commented on: {})", tame(&title))),
        };
        let lost = self.lost && said.is_some();
        if lost {
            self.lost = false;
            clickup.lose_held();
            github.lose_held();
        } else if self.lost {
            clickup.release();
            github.release();
        }
        let Some(said) = said else {
            return self.note("(no open task has these words in its title)");
        };
        self.print(&format!("       {said}"));
        self.show_notice(match lost {
            true => "(no notice: the webhooks were lost)",
            false => "(no notice)",
        })
        .await
    }

    /// Reads both sources and shows Ivan's notices.
    async fn poll(&mut self) -> Waited<()> {
        let sync = Arc::clone(&self.sync);
        let synced = tokio::select! {
            synced = sync.sync(false) => synced,
            stop = self.stops.next() => {
                if stop == Interrupt::End || !self.screen.echoes {
                    self.stopped = Some(stop);
                }
                return Waited::Interrupted;
            }
        };
        let changed: u64 = synced.values().map(|synced| synced.changed).sum();
        let failed: Vec<&str> = synced
            .iter()
            .filter(|(_, synced)| synced.error.is_some())
            .map(|(source, _)| source.name())
            .collect();
        let read = match failed.as_slice() {
            [] => format!("(polled both: {changed} changed)"),
            [one] => format!("({one} is down; polled the other: {changed} changed)"),
            _ => "(both are down)".to_owned(),
        };
        self.print(&format!("       {read}"));
        match changed {
            0 => Waited::Came(()),
            _ => self.show_notice("(no notice)").await,
        }
    }

    /// Bo, who does not use Ivan, completes the task with these words in its title.
    fn bo_completes(&self, words: &str) -> Option<String> {
        let found = world::with_words(&self.sandbox, words, |task| task.open)?;
        world::complete(&self.sandbox, &found.task, BO);
        Some(found.title)
    }

    /// Bo comments on the task whose title has the words before the colon.
    fn bo_comments(&self, what: &str) -> Option<String> {
        let (words, text) = what.split_once(':')?;
        let found = world::with_words(&self.sandbox, words.trim(), |_| true)?;
        world::comment(&self.sandbox, &found.task, BO, text.trim());
        Some(found.title)
    }

    /// All messages from Ivan that one of the people can read.
    fn messages(&self) -> Vec<(String, PostedMessage)> {
        let slack = &self.sandbox.slack;
        let channels = CHANNELS.map(|name| slack.channel(name));
        let dms = [self.me.dm.clone(), self.other.dm.clone()];
        let places = dms.into_iter().chain(channels);
        places
            .flat_map(|place| {
                let said = slack.bot_messages(&place).into_iter();
                said.map(move |posted| (place.clone(), posted))
            })
            .collect()
    }

    /// A message from Ivan that is new, or says more than when it was shown.
    fn news(&self) -> Option<(String, PostedMessage)> {
        let mut said = self.messages().into_iter();
        said.find(|(channel, posted)| {
            let known = self.known.get(&(channel.clone(), posted.ts.clone()));
            known.is_none_or(|known| tells_more(known, &posted.text))
        })
    }

    /// An ephemeral message that is new, or says more than when it was shown.
    fn whispered_news(&self) -> Option<EphemeralPost> {
        let sides = [&self.me, &self.other].into_iter();
        let mut whispers = sides.flat_map(|side| self.whispers_to(side));
        whispers.find(|whisper| !self.known_whispers.contains(whisper))
    }

    fn knows(&mut self, channel: &str, posted: &PostedMessage) {
        let key = (channel.to_owned(), posted.ts.clone());
        self.known.insert(key, posted.text.clone());
    }

    /// Shows Ivan's notice, or `instead` if none comes.
    async fn show_notice(&mut self, instead: &str) -> Waited<()> {
        match self.wait(Dm::news).await {
            Waited::Came((channel, posted)) => {
                self.show(&channel, &posted);
                Waited::Came(())
            }
            Waited::Nothing => self.note(instead),
            Waited::Interrupted => Waited::Interrupted,
        }
    }

    /// Shows the outcomes of answers that said `…`, and Ivan's other new messages.
    fn catch_up(&mut self) {
        let mut ended = false;
        let said = self.messages();
        for pending in std::mem::take(&mut self.pending) {
            let is_it = |(channel, posted): &&(String, PostedMessage)| {
                *channel == pending.channel && posted.ts == pending.ts
            };
            match said.iter().find(is_it) {
                Some((channel, posted)) if posted.text != pending.shown => {
                    ended = ended || !waits(&posted.text);
                    self.show(channel, posted);
                    self.show_requests();
                }
                _ => self.pending.push(pending),
            }
        }
        while let Some(whisper) = self.whispered_news() {
            self.show_whisper(&whisper);
            self.show_requests();
            if !waits(&whisper.text) && self.pending_whispers > 0 {
                self.pending_whispers -= 1;
                ended = true;
            }
        }
        while let Some((channel, posted)) = self.news() {
            self.show(&channel, &posted);
            self.show_requests();
        }
        if ended && self.pending_count() == 0 {
            self.sandbox.clickup.front().clear_faults();
            self.sandbox.github.front().clear_faults();
        }
    }

    /// The number of commands without an outcome.
    fn pending_count(&self) -> usize {
        self.pending.len() + self.pending_whispers
    }

    /// Waits a limited time for the pending outcomes, unless a source is down.
    async fn settle(&mut self) {
        let deadline = Instant::now() + OUTCOME_WITHIN;
        loop {
            self.catch_up();
            if self.pending_count() == 0 || !self.down.is_empty() {
                return;
            }
            tokio::select! {
                () = something(&mut self.slack) => {}
                // They stay pending and are shown when they come.
                () = tokio::time::sleep_until(deadline) => return,
                stop = self.stops.next() => {
                    self.stopped = Some(stop);
                    return;
                }
            }
        }
    }

    /// The answer: the first message after `asked.after`, in its thread if that is known.
    fn answer_to(&self, asked: &Asked) -> Option<PostedMessage> {
        let said = self.sandbox.slack.bot_messages(&asked.channel);
        said.into_iter().find(|posted| {
            posted.ts > asked.after && (asked.thread.is_none() || posted.thread_ts == asked.thread)
        })
    }

    fn show(&mut self, channel: &str, posted: &PostedMessage) {
        let place = posted.thread_ts.as_ref().map(|_| "in a thread under it");
        let to_other = channel == self.other.dm;
        self.speak(to_other, &posted.text, &posted.blocks, place);
        self.knows(channel, posted);
        if waits(&posted.text) {
            self.pending.push(Pending {
                channel: channel.to_owned(),
                ts: posted.ts.clone(),
                shown: posted.text.clone(),
            });
        }
        let side = self.side(to_other);
        side.said = None;
        side.last = Some(Shown::Message {
            channel: channel.to_owned(),
            posted: posted.clone(),
        });
    }

    /// Prints a note instead of an answer.
    fn note(&mut self, what: &str) -> Waited<()> {
        self.print(&format!("       {what}"));
        Waited::Came(())
    }

    /// Prints the changes requested from ClickUp and GitHub since the last call.
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

    /// Prints at the end how ClickUp and GitHub differ from the start.
    fn part(&mut self) {
        if self.pending_count() > 0 {
            let (n, s) = match self.pending_count() {
                1 => (1, ""),
                n => (n, "s"),
            };
            self.print(&format!(
                "       ({n} command{s} still queued; a real daemon would carry on)"
            ));
        }
        let now = holdings(&self.sandbox);
        let changed: Vec<String> = now
            .iter()
            .filter(|(key, line)| self.before.get(key) != Some(line))
            .map(|(_, line)| line.clone())
            .collect();
        if changed.is_empty() {
            self.print("\nNothing has changed in ClickUp and GitHub.");
        } else {
            self.print("\nWhat has changed in ClickUp and GitHub:");
        }
        for line in changed {
            self.print(&format!("  {line}"));
        }
        self.print(REAL_ONES);
    }

    /// The side of the person who types, or of the other.
    fn side(&mut self, other: bool) -> &mut Side {
        match other {
            true => &mut self.other,
            false => &mut self.me,
        }
    }

    /// Prints a message as Slack shows it: its blocks, or its text if it has none, and its place.
    fn speak(&mut self, to_other: bool, text: &str, blocks: &Value, place: Option<&str>) {
        // Numbers continue after those of the open Home tab.
        let home = self.side(to_other).home.as_mut();
        let first = home.map_or(1, |home| {
            home.answered = true;
            home.buttons.len() + 1
        });
        let paint = |look, text: &str| self.look(look, text);
        let mut lines = blocks::shown(blocks, first, &paint);
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
        let reader = self.side(to_other).name;
        let name = match reader == ANA.name {
            true => "Ivan › ".to_owned(),
            false => format!("Ivan to {reader} › "),
        };
        let name = self.paint(BOLD, &name);
        self.print(&format!("{name}{first}{}", place.unwrap_or_default()));
        for line in lines {
            self.print(format!("       {line}").trim_end());
        }
    }

    /// Formats a piece of text for this terminal.
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

// Display attributes (SGR) of ECMA-48.
const BOLD: &str = "1";
const DIM: &str = "2";
const UNDERLINED: &str = "4";
const STRUCK: &str = "9";
const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";

/// Whether a message has new text at its end. A message whose cards alone were rendered again has not.
fn tells_more(known: &str, text: &str) -> bool {
    known != text && text.starts_with(known)
}

const NO_ANSWER: &str = "(Ivan says nothing to that)";
const AS_WHOM: &str =
    "(you can be Ana or Bo: `as bo current`, or `as bo` for all lines from then on)";
const IGNORED: &str = "(Ivan ignores that reaction)";
const NOT_FOR_IVAN: &str = "(not for Ivan: in channels it reads mentions and `create`)";

/// The last line of the demo.
const REAL_ONES: &str = "\nConnect the real ones: `ivan init`";

const HELP: &str = "       as bo LINE             a line as Bo, in his DM; `as bo` for all lines, `as ana` goes back\n       \
                              press 1 · press open   a button of the last message; `press 2 08:30` sets a time\n       \
                       react eyes · unreact … a reaction on the last message; also zzz and white_check_mark\n       \
                       thread TEXT            a reply in the thread under the last message\n       \
                       file shot.png LINE     a line with a file\n       \
                       #general create TITLE  in a channel; `@ivan done` mentions Ivan\n       \
                       /ivan TEXT             the slash command\n       \
                       home                   the Home tab; `press` works there too\n       \
                       shortcut new_task      a form: `fill 1 TEXT`, then `submit` or `cancel`; also `shortcut message`\n       \
                       !close WORDS           Bo completes the task with these words in its title, without Ivan\n       \
                       !comment WORDS: TEXT   Bo comments on it\n       \
                       !lose · !poll          lose the webhooks of Bo's next change · poll both sources\n       \
                       !down clickup · !up …  ClickUp goes down · comes back; `github` likewise\n       \
                       !clickup lost · slow   ClickUp's next write succeeds, but the response is lost · takes 6 s";

/// The prompt of a person.
fn prompt(name: &str) -> String {
    format!("{name:<4} › ")
}

/// Whether an answer will change.
fn waits(text: &str) -> bool {
    text.starts_with('…')
}

/// Whether Ivan reacts to it in a channel.
fn is_heard(text: &str) -> bool {
    text.contains("@ivan") || is_bare_create(text)
}

fn opens_a_form(button: &DemoButton) -> bool {
    let forms = ["comment:", "create:", "draft:", "account:"];
    forms.iter().any(|form| button.action.starts_with(form))
}

/// Whether it is a time of day in Slack's picker format: `8:30` or `08:30`.
fn is_time_of_day(time: &str) -> bool {
    let Some((hours, minutes)) = time.split_once(':') else {
        return false;
    };
    let number = |text: &str, below: u8| text.parse::<u8>().is_ok_and(|number| number < below);
    minutes.len() == 2 && number(hours, 24) && number(minutes, 60)
}

/// The channels of the sandbox.
const CHANNELS: [&str; 2] = ["general", "random"];

/// `#general create …`: the channel and the text, if the sandbox has that channel.
fn channel_of(line: &str) -> Option<(&str, &str)> {
    let line = line.strip_prefix('#')?;
    let (name, text) = line.split_once(' ').unwrap_or((line, ""));
    CHANNELS.contains(&name).then_some((name, text))
}

/// Discards past events in Slack: the caller reads the state itself.
fn drain(slack: &mut Receiver<SandboxEvent>) {
    while !matches!(
        slack.try_recv(),
        Err(TryRecvError::Empty | TryRecvError::Closed)
    ) {}
}

/// Resolves at the next event in Slack.
async fn something(slack: &mut Receiver<SandboxEvent>) {
    if let Err(RecvError::Closed) = slack.recv().await {
        std::future::pending::<()>().await;
    }
}

/// `ClickUp  PUT /task/86tst0001 → complete`; reads are left out.
fn request(system: &str, seen: &RequestRecord) -> Option<String> {
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
        // Names a source: each has its own half of the sandbox.
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
        // Names a source: each has its own half of the sandbox.
        holdings.insert((Source::GitHub, format!("{number:09}")), line);
    }
    holdings
}

fn line(place: &str, state: &str, title: &str, tags: &[&str], comments: &[String]) -> String {
    let tags: String = tags.iter().map(|tag| format!("  #{tag}")).collect();
    let comments: String = comments
        .iter()
        .map(|comment| {
            let comment = tame(comment.trim());
            // Ivan's signature stands below an empty line.
            let lines = comment.lines().filter(|line| !line.trim().is_empty());
            format!("\n      “{}”", lines.collect::<Vec<_>>().join("\n       "))
        })
        .collect();
    format!("{place:<24} {state:<10} {}{tags}{comments}", tame(title))
}
