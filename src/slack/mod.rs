//! Slack, a surface: messages to Ivan → commands, Ivan's answers → messages.
//!
//! In: `socket` holds the Socket Mode link, `gate` selects the messages for us, the mailbox stores them, and only then are
//! they acknowledged; `listen` has stored messages processed. Reactions and the Home tab come the same way, through
//! `gestures`. Out: `post` posts and updates messages, `react` places reactions, `home` publishes Home tabs. `wire`,
//! `text` and `blocks` translate, `standing` reads a person's account status, `web` calls the Web API.

mod attached;
mod blocks;
mod cards;
mod catch_up;
mod chart;
pub mod checkup;
mod compare;
mod degraded;
pub mod directory;
mod dispatch;
mod ephemeral;
mod exchange;
pub mod files;
mod filter;
mod forms;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod gestures;
mod home;
mod membership;
mod modals;
mod pictures;
mod post;
mod proxy;
mod react;
mod restored;
mod schedule;
mod scopes;
mod socket;
mod text;
mod thread;
mod web;
mod wire;

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio::task::JoinError;

use crate::clock::Clock;
use crate::domain::form::SubmittedForm;
use crate::domain::reply::SlackHealth;
use crate::mailbox::{
    Acceptance, Gesture, IncomingMessage, Mailbox, StoreError, ThreadReplies, conversation_of,
};
use crate::runtime::{
    Backoff, CancellationToken, EndReason, LastingFailure, Reloadable, Supervisor, TaskEnded,
    panic_text, slept,
};
use catch_up::{CatchUp, Outage};
use compare::Compare;
use dispatch::Members;
use filter::BotIdentity;
use modals::Opener;
use web::{Web, WebError};

/// A token of the app: a secret that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct SlackToken(String);

impl SlackToken {
    /// Takes the token as it is: `xapp-…` or `xoxb-…`.
    pub fn new(token: impl Into<String>) -> SlackToken {
        SlackToken(token.into())
    }
}

impl fmt::Debug for SlackToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// The messages that are read in channels (`slack.channel_commands`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ChannelCommands {
    /// Mentions of us, and `create` without a mention.
    #[default]
    Bare,
    /// Mentions of us.
    Mention,
    /// Nothing, mentions included.
    Off,
}

/// The settings of this module.
#[derive(Debug, Clone)]
pub struct SlackSettings {
    /// `xapp-…`
    pub app_token: SlackToken,
    /// `xoxb-…`
    pub bot_token: SlackToken,
    /// `https://slack.com/api`
    pub api_url: String,
    /// The settings that a reload replaces.
    pub choices: Reloadable<SlackChoices>,
    /// An outage longer than this is followed by reading the DMs' history.
    pub catch_up_after: Duration,
    /// The folder of the store, the fallback place for the lock of the app token.
    pub store_dir: Option<PathBuf>,
    /// The folder for the lock of the app token; `None`: `$XDG_RUNTIME_DIR`, else the directory for temporary files.
    pub singleton_dir: Option<PathBuf>,
    /// The time limits; `Timings::default()` outside tests.
    pub timings: Timings,
}

/// The settings of this module that a reload replaces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SlackChoices {
    /// The messages that are read in channels.
    pub channel_commands: ChannelCommands,
    /// The people to alert when the store refuses writes, which cannot go through the store.
    pub operators: Vec<String>,
    /// The effect of a text in the thread of a task's message.
    pub thread_replies: ThreadReplies,
}

/// Every time limit, interval and wait of this module; tests shorten them.
#[derive(Debug, Clone)]
pub struct Timings {
    /// `apps.connections.open`.
    pub open_limit: Duration,
    /// TCP, TLS and the WebSocket upgrade together.
    pub upgrade_limit: Duration,
    /// From the upgrade to `hello`.
    pub hello_limit: Duration,
    /// The wait until Slack counts the app's links again, after it counted more than this process holds.
    pub recount: Duration,
    /// The same wait after the second such count.
    pub recount_again: Duration,
    /// Our own pings.
    pub ping_every: Duration,
    /// A link without any frame for this long is dead (docs/contracts/slack.md#pings-and-time-outs).
    pub dead_after: Duration,
    /// One frame written.
    pub write_limit: Duration,
    /// How long the old link is still read and acknowledged after the new one's `hello` (docs/contracts/slack.md#disconnects-and-several-connections).
    pub overlap: Duration,
    /// The time for commits under way when a link ends, so that they can still be acknowledged.
    pub drain_limit: Duration,
    /// The Close handshake; Slack may leave TCP open after it.
    pub close_limit: Duration,
    /// The first wait after a failure; it doubles with each further one.
    pub retry_first: Duration,
    /// The longest such wait.
    pub retry_max: Duration,
    /// Between attempts that will fail until a person repairs the token or the app.
    pub alarm_retry: Duration,
    /// After `too_many_websockets`.
    pub crowded_retry: Duration,
    /// A link that lasted this long is replaced at once when it ends.
    pub settled: Duration,
    /// Each call of the Web API.
    pub call_limit: Duration,
    /// Between two posts, or two updates, in one channel, once a burst is used up.
    pub post_every: Duration,
    /// How many of either go out at once.
    pub post_burst: u32,
    /// Between two reactions, once a burst is used up: Slack allows 50 a minute.
    pub react_every: Duration,
    /// Between two publications of Home tabs, once a burst is used up: Slack allows 100 a minute.
    pub home_every: Duration,
    /// Changes within this time are published together.
    pub home_within: Duration,
    /// How long after sending a post may still appear in Slack, although its sender is gone.
    pub arrives_within: Duration,
    /// How long a person's account is cached.
    pub member_for: Duration,
    /// Between two checks of the app's scopes; while one is missing, `alarm_retry`.
    pub scopes_every: Duration,
    /// Between two comparisons of an active DM with its history.
    pub compare_every: Duration,
    /// From a message, or a sign that one is missing, to such a comparison.
    pub compare_soon: Duration,
    /// The minimum time between two comparisons of a DM because of messages.
    pub compare_pause: Duration,
    /// A message in the history that is no older than this may still arrive by itself.
    pub in_flight_for: Duration,
    /// After the stop: for the remaining posts.
    pub finish_limit: Duration,
}

impl Default for Timings {
    fn default() -> Timings {
        let seconds = Duration::from_secs;
        Timings {
            open_limit: seconds(10),
            upgrade_limit: seconds(10),
            hello_limit: seconds(10),
            recount: seconds(20),
            recount_again: seconds(300),
            ping_every: seconds(10),
            dead_after: seconds(35),
            write_limit: seconds(5),
            overlap: seconds(10),
            drain_limit: seconds(5),
            close_limit: seconds(1),
            retry_first: seconds(1),
            retry_max: seconds(60),
            alarm_retry: seconds(300),
            crowded_retry: seconds(30),
            settled: seconds(30),
            call_limit: seconds(10),
            post_every: seconds(1),
            post_burst: 5,
            react_every: Duration::from_millis(1_200),
            home_every: Duration::from_millis(600),
            home_within: Duration::from_millis(500),
            arrives_within: seconds(2),
            member_for: seconds(300),
            scopes_every: seconds(3_600),
            compare_every: seconds(180),
            compare_soon: seconds(3),
            compare_pause: seconds(60),
            in_flight_for: seconds(5),
            finish_limit: seconds(8),
        }
    }
}

/// The errors that end this module. Failures of Slack are not among them: it waits for Slack to recover.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SlackError {
    /// Another process on this machine holds the lock of the app token.
    #[error(
        "another daemon uses this Slack app token (lock {}): two would take each other's messages. Stop the other \
             one, or give this one its own app",
        .path.display()
    )]
    AlreadyRunning {
        /// The lock file that the other process holds.
        path: PathBuf,
    },
    /// An invalid `slack.api_url`, no usable TLS, or an unreadable store.
    #[error("cannot set up Slack: {why}")]
    Setup {
        /// The invalid key or the missing part, as a sentence for the operator.
        why: String,
    },
    /// A task of this module panicked.
    #[error("Slack's `{task}` task panicked: {why}")]
    Panicked {
        /// The name of the task: `socket`.
        task: &'static str,
        /// The panic's text.
        why: String,
    },
    /// A task of this module returned before the stop.
    #[error("Slack's `{task}` task stopped unexpectedly")]
    Ended {
        /// The name of the task: `socket`.
        task: &'static str,
    },
}

/// Receives and posts until `shutdown`. Then it accepts nothing new, finishes its work, closes the link, and posts
/// until `settled` signals that work under way elsewhere has ended. It signals `looked` once the DMs of waiting work were
/// compared with the store, before which no such work should begin.
///
/// An outage of Slack or a refused token is no error: it is reported by `Commands::slack_is`, logged, and retried.
///
/// # Errors
/// A second daemon with the same app token, an invalid `api_url`, or a panic in one of the tasks.
pub async fn run(
    settings: SlackSettings,
    mailbox: Mailbox,
    clock: Clock,
    shutdown: CancellationToken,
    (looked, settled): (CancellationToken, CancellationToken),
) -> Result<(), SlackError> {
    let _lock = lock(&settings.app_token, &lock_folders(&settings))?;
    let timings = Arc::new(settings.timings);
    let web = Web::new(
        &settings.api_url,
        &settings.app_token,
        &settings.bot_token,
        timings.call_limit,
    )?;
    if let Some(proxy) = web.way.by(&settings.api_url) {
        tracing::info!(proxy, "reaching Slack through a proxy");
    }
    slack_is(&mailbox, SlackHealth::Connecting);
    let Some(own) = introduce(&web, &mailbox, &timings, shutdown.clone()).await else {
        return Ok(());
    };
    tracing::debug!(team = own.team, user = own.user, "Slack authenticated");
    let looking = restored::look_before_work(&web, &mailbox, &timings);
    if shutdown.run_until_cancelled(looking).await.is_none() {
        return Ok(());
    }
    looked.cancel();

    let members = Arc::new(Members::new(timings.member_for));
    mailbox.admits_by(Arc::new(dispatch::MemberLookup {
        web: web.clone(),
        members: Arc::clone(&members),
        team: own.team.clone(),
        mailbox: mailbox.clone(),
    }));
    let heard_before = match mailbox.dms().await {
        Ok(dms) => dms
            .into_iter()
            .filter_map(|(channel, last)| Some((channel, last?)))
            .collect(),
        Err(trouble) => {
            return Err(SlackError::Setup {
                why: trouble.to_string(),
            });
        }
    };
    let outage = Arc::new(Outage::new(settings.catch_up_after, heard_before));
    let compare = Arc::new(Compare::new(&timings));
    let (unkept, to_be_told) = mpsc::channel(degraded::UNKEPT_MAX);
    let intake = Arc::new(MailboxEvents {
        unkept,
        mailbox: mailbox.clone(),
        own: own.clone(),
        choices: settings.choices.clone(),
        members: Arc::clone(&members),
        web: web.clone(),
        outage: Arc::clone(&outage),
        compare: Arc::clone(&compare),
        clock: clock.clone(),
        opener: Arc::new(Opener {
            mailbox: mailbox.clone(),
            web: web.clone(),
            members: Arc::clone(&members),
            team: own.team.clone(),
            clock: clock.clone(),
            seen: std::sync::Mutex::default(),
            opening: tokio::sync::Semaphore::new(modals::AT_ONCE),
        }),
    });
    let mut tasks = Supervisor::new(shutdown.clone());
    tasks.start(
        "socket",
        socket::run(web.clone(), intake, Arc::clone(&timings), shutdown.clone()),
    );
    tasks.start(
        "catch-up",
        catch_up::run(
            CatchUp {
                outage: Arc::clone(&outage),
                compare,
                mailbox: mailbox.clone(),
                web: web.clone(),
                own: own.clone(),
                clock: clock.clone(),
                started: clock.now(),
                timings: Arc::clone(&timings),
            },
            shutdown.clone(),
        ),
    );
    tasks.start(
        "trouble",
        degraded::run(
            degraded::DegradedNotices {
                health: mailbox.attempts().store_health(),
                web: web.clone(),
                choices: settings.choices.clone(),
                outage,
                clock: clock.clone(),
                timings: Arc::clone(&timings),
            },
            to_be_told,
            shutdown.clone(),
        ),
    );
    tasks.start(
        "rhythm",
        schedule::run(
            mailbox.clone(),
            web.clone(),
            Arc::clone(&members),
            own.team.clone(),
            clock.clone(),
            Arc::clone(&timings),
            shutdown.clone(),
        ),
    );
    tasks.start(
        "zones",
        schedule::learn_zones(
            mailbox.clone(),
            web.clone(),
            Arc::clone(&timings),
            shutdown.clone(),
        ),
    );
    let stop_posting = CancellationToken::new();
    let listening = dispatch::run(
        Arc::new(mailbox.clone()),
        mailbox.clone(),
        web.clone(),
        Arc::clone(&members),
        own.clone(),
        Arc::clone(&timings),
        shutdown.clone(),
    );
    tasks.start(
        "listen",
        then_posting_stops(listening, shutdown.clone(), settled, stop_posting.clone()),
    );
    tasks.start(
        "home",
        home::run(
            mailbox.clone(),
            web.clone(),
            Arc::clone(&members),
            own.team.clone(),
            Arc::clone(&timings),
            shutdown.clone(),
        ),
    );
    tasks.start(
        "scopes",
        scopes::run(
            mailbox.clone(),
            web.clone(),
            settings.choices,
            Arc::clone(&timings),
            shutdown.clone(),
        ),
    );
    tasks.start(
        "react",
        react::run(
            mailbox.clone(),
            web.clone(),
            clock.clone(),
            Arc::clone(&timings),
            stop_posting.clone(),
        ),
    );
    tasks.start(
        "post",
        post::run(
            Arc::new(mailbox.clone()),
            mailbox.attempts().clone(),
            web,
            clock,
            timings,
            stop_posting,
        ),
    );
    let ended = tasks.watch().await.map_err(SlackError::from);
    slack_is(
        &mailbox,
        match &ended {
            Ok(()) => SlackHealth::Connecting,
            Err(error) => SlackHealth::Trouble(error.to_string()),
        },
    );
    ended
}

/// Receives messages. The last ones are processed, and writes under way at a source have their outcome, before posting
/// stops, so that the answers still go out.
async fn then_posting_stops(
    listening: impl Future<Output = Result<(), SlackError>>,
    shutdown: CancellationToken,
    settled: CancellationToken,
    stop_posting: CancellationToken,
) -> Result<(), SlackError> {
    listening.await?;
    // An early end is an error: then it waits for nothing.
    if shutdown.is_cancelled() {
        settled.cancelled().await;
        stop_posting.cancel();
    }
    Ok(())
}

/// Reports the state of Slack to people and as a metric.
fn slack_is(mailbox: &Mailbox, health: SlackHealth) {
    let connected = health == SlackHealth::Connected;
    metrics::gauge!("ivan_slack_connected").set(f64::from(u8::from(connected)));
    mailbox.slack_is(health);
}

/// Asks Slack for our identity until it answers; `None` if the daemon is told to stop before.
async fn introduce(
    web: &Web,
    mailbox: &Mailbox,
    timings: &Timings,
    shutdown: CancellationToken,
) -> Option<BotIdentity> {
    let mut backoff = Backoff::new(timings.retry_first, timings.retry_max);
    let (begun, mut failing) = (tokio::time::Instant::now(), LastingFailure::default());
    loop {
        let error = match shutdown.run_until_cancelled(web.who_am_i()).await? {
            Ok(own) => return Some(own),
            Err(error) => error,
        };
        let wait = wait_after(&error, &mut backoff, timings);
        slack_is(mailbox, SlackHealth::Trouble(error.to_string()));
        let wait_ms = millis(wait);
        let lasted = failing.went(begun.elapsed(), Some(&error.to_string()));
        match (&error, lasted) {
            (_, None) => tracing::debug!(wait_ms, %error, "still cannot reach Slack (auth.test)"),
            // Nothing will change until a person repairs it.
            (WebError::Credentials { .. } | WebError::Refused { .. }, Some(failing)) => {
                tracing::error!(wait_ms, failing, %error, "cannot reach Slack (auth.test); retrying");
            }
            (
                WebError::Limited { .. } | WebError::NotTaken { .. } | WebError::Unknown { .. },
                Some(failing),
            ) => {
                tracing::warn!(wait_ms, failing, %error, "cannot reach Slack (auth.test); retrying");
            }
        }
        if !slept(wait, &shutdown).await {
            return None;
        }
    }
}

/// The wait before a failed call is repeated.
fn wait_after(error: &WebError, backoff: &mut Backoff, timings: &Timings) -> Duration {
    match error {
        WebError::Limited {
            after: Some(after), ..
        } => (*after).max(timings.retry_first),
        WebError::Credentials { .. } => timings.alarm_retry,
        WebError::Limited { after: None, .. }
        | WebError::NotTaken { .. }
        | WebError::Unknown { .. }
        | WebError::Refused { .. } => backoff.next(),
    }
}

/// For log fields.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The socket's connection to the mailbox.
struct MailboxEvents {
    mailbox: Mailbox,
    unkept: mpsc::Sender<degraded::UnstoredMessage>,
    own: BotIdentity,
    choices: Reloadable<SlackChoices>,
    members: Arc<Members>,
    web: Web,
    outage: Arc<Outage>,
    compare: Arc<Compare>,
    clock: Clock,
    opener: Arc<Opener>,
}

#[async_trait::async_trait]
impl socket::EventHandler for MailboxEvents {
    fn judge(&self, callback: &wire::Callback) -> Result<IncomingMessage, filter::Ignored> {
        let choices = self.choices.get();
        let judged = match callback.event.kind.as_deref() {
            Some("reaction_added" | "reaction_removed") => gestures::reacted(callback, &self.own),
            Some("user_change" | "team_join") => {
                let changed = callback.changed_user.as_deref();
                self.members.forget(changed);
                self.mailbox.person_changed(changed);
                Err(filter::Ignored::PersonChanged)
            }
            Some("app_home_opened") => gestures::opened(callback),
            _ => match filter::pass(callback, &self.own, choices.channel_commands) {
                Err(filter::Ignored::NotForUs)
                    if choices.thread_replies == ThreadReplies::Comment
                        && choices.channel_commands != ChannelCommands::Off =>
                {
                    filter::replied(callback, &self.own)
                }
                judged => judged,
            },
        };
        if let Ok(heard) = &judged
            && heard.direct
        {
            let now = tokio::time::Instant::now();
            match heard.gesture {
                Gesture::Said => self.compare.heard(&heard.channel, heard.said_at, now),
                Gesture::Signed { .. } => self.compare.used(&heard.channel, now),
                // Other events do not show that a person acts there.
                _ => {}
            }
        }
        judged
    }

    fn missed(&self, heard: &IncomingMessage) {
        if heard.direct && heard.channel.starts_with('D') {
            let now = tokio::time::Instant::now();
            self.compare.missed(&heard.channel, now);
        }
    }

    fn events_are_left_out(&self) {
        self.outage.events_are_left_out();
    }

    async fn keep(&self, heard: IncomingMessage, raw: String) -> Result<Acceptance, StoreError> {
        // For an unacknowledged command or button Slack itself shows an error to the person.
        let is_said = heard.gesture == Gesture::Said;
        if is_said && heard.direct {
            self.members.look_ahead(&self.web, &heard.user);
        }
        let conversation = conversation_of(&heard);
        // Nothing waits for Slack here: of a person who was not looked up lately, the answer has the errors of a form.
        let member = self.members.fresh(&heard.user);
        let may_act =
            member.is_some_and(|member| self.mailbox.may_act(&member, &self.own.team).is_ok());
        let kept = self.mailbox.keep(heard, raw, may_act).await;
        if kept.is_err() && is_said {
            // If the queue is full no notice is sent: Slack delivers the message again.
            let _ = self.unkept.try_send(degraded::UnstoredMessage {
                conversation,
                at: tokio::time::Instant::now(),
            });
        }
        kept
    }

    fn understand(
        &self,
        kind: &str,
        payload: serde_json::Value,
    ) -> Result<forms::GestureRequest, filter::Ignored> {
        let speaks = self.choices.get().channel_commands != ChannelCommands::Off;
        let name_of = |id: &str| self.members.name_of(id);
        let faults = |filled: &SubmittedForm| self.mailbox.faults(filled);
        let now = self.clock.now();
        let asked = forms::understand(kind, payload, &self.own, name_of, faults, speaks, now)?;
        if let Some(dm) = asked.dm() {
            self.compare.used(dm, tokio::time::Instant::now());
        }
        Ok(asked)
    }

    fn open(&self, opening: forms::FormRequest) {
        let under_way = self.mailbox.under_way();
        let opens = Arc::clone(&self.opener).open(opening);
        tokio::spawn(async move {
            opens.await;
            drop(under_way);
        });
    }

    fn slack_is(&self, health: SlackHealth) {
        let now = tokio::time::Instant::now();
        self.outage.now(&health, now);
        // A link that ended may have lost messages.
        self.compare.doubts(now);
        // Without a link no changes of people are reported.
        self.members.forget(None);
        slack_is(&self.mailbox, health);
    }

    async fn others_are(&self, others: u32, sure: bool) {
        if let Err(trouble) = self.mailbox.app_is_shared(others, sure).await {
            tracing::warn!(error = %trouble, "alert to operators not stored");
        }
    }
}

impl From<TaskEnded<SlackError>> for SlackError {
    fn from(TaskEnded { task, why }: TaskEnded<SlackError>) -> SlackError {
        match why {
            EndReason::Failed(error) => error,
            EndReason::Panicked(why) => SlackError::Panicked { task, why },
            EndReason::Returned => SlackError::Ended { task },
        }
    }
}

/// Turns a panic or an abort into an error.
fn panicked(task: &'static str, crash: JoinError) -> SlackError {
    let why = panic_text(crash);
    SlackError::Panicked { task, why }
}

/// Locks the app token for this process: two daemons with one would steal each other's events (docs/contracts/slack.md#disconnects-and-several-connections).
///
/// The lock is in the first of these directories that allows it. If none does (`None`), the daemon runs without one:
/// its store cannot be opened twice anyway.
fn lock(token: &SlackToken, folders: &[PathBuf]) -> Result<Option<File>, SlackError> {
    // The name reveals nothing about the token; 64 bits are enough to distinguish tokens.
    let digest = hex::encode(Sha256::digest(token.0.as_bytes()));
    let name: String = digest.chars().take(16).collect();
    for folder in folders {
        let path = folder.join(format!("ivan-slack-{name}.lock"));
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            // Another user's file, in a directory that all write to: it can still be locked.
            .or_else(|_| File::open(&path));
        let locked = match file {
            Ok(file) => file.try_lock().map(|()| file),
            Err(why) => Err(TryLockError::Error(why)),
        };
        match locked {
            Ok(file) => return Ok(Some(file)),
            Err(TryLockError::WouldBlock) => return Err(SlackError::AlreadyRunning { path }),
            Err(TryLockError::Error(why)) => {
                tracing::warn!(path = %path.display(), error = %why, "cannot lock the Slack app token: a second daemon with this token would go unnoticed")
            }
        }
    }
    Ok(None)
}

/// The folders for the lock of the app token: the one common to all daemons of this machine, then the store's.
fn lock_folders(settings: &SlackSettings) -> Vec<PathBuf> {
    let shared = settings.singleton_dir.clone().unwrap_or_else(|| {
        std::env::var_os("XDG_RUNTIME_DIR")
            .map(PathBuf::from)
            .filter(|dir| dir.is_dir())
            .unwrap_or_else(std::env::temp_dir)
    });
    let mut folders = vec![shared];
    folders.extend(settings.store_dir.clone());
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_does_not_print() {
        let token = SlackToken::new("xapp-1-secret");
        assert_eq!(format!("{token:?}"), "Token(…)");
    }

    #[test]
    fn one_daemon_per_token() {
        let dir = tempfile::tempdir().unwrap();
        let (one, other) = (
            SlackToken::new("xapp-1-one"),
            SlackToken::new("xapp-1-other"),
        );
        let here = [dir.path().to_owned()];
        let held = lock(&one, &here).unwrap();
        let second = lock(&one, &here).unwrap_err();
        assert!(matches!(second, SlackError::AlreadyRunning { .. }));
        assert!(!second.to_string().contains("xapp"), "{second}");
        assert!(lock(&other, &here).unwrap().is_some());
        drop(held);
        assert!(lock(&one, &here).unwrap().is_some());
    }

    /// If a folder is not writable, the next one is used; if none is, the daemon runs without a lock.
    #[test]
    fn a_lock_that_cannot_be_made_is_made_beside_the_store() {
        let store = tempfile::tempdir().unwrap();
        let token = SlackToken::new("xapp-1-one");
        let nowhere = PathBuf::from("/nowhere/at/all");
        let folders = [nowhere.clone(), store.path().to_owned()];
        let held = lock(&token, &folders).unwrap();
        assert!(held.is_some());
        assert_eq!(std::fs::read_dir(store.path()).unwrap().count(), 1);
        let second = lock(&token, &folders).unwrap_err();
        assert!(matches!(second, SlackError::AlreadyRunning { .. }));
        assert!(lock(&token, &[nowhere]).unwrap().is_none());
    }

    #[tokio::test]
    async fn posting_stops_after_listening_and_after_what_was_under_way() {
        let tokens = [(); 3].map(|()| CancellationToken::new());
        let [shutdown, settled, stop_posting] = tokens.clone();
        let listening = {
            let shutdown = shutdown.clone();
            async move {
                shutdown.cancelled().await;
                Ok(())
            }
        };
        let mut tasks = Supervisor::<SlackError>::new(shutdown.clone());
        let [stop, over, stopped] = tokens;
        tasks.start(
            "listen",
            then_posting_stops(listening, shutdown, settled, stop_posting),
        );
        let posting = stopped.clone();
        tasks.start("post", async move {
            posting.cancelled().await;
            Ok(())
        });
        stop.cancel();
        let early = tokio::time::timeout(Duration::from_millis(20), tasks.watch());
        assert!(
            early.await.is_err(),
            "it did not wait for what is under way"
        );
        assert!(!stopped.is_cancelled());
        over.cancel();
        assert_eq!(tasks.watch().await, Ok(()));
    }

    #[tokio::test]
    async fn listening_that_ends_early_waits_for_nothing() {
        let [shutdown, settled, stop_posting] = [(); 3].map(|()| CancellationToken::new());
        let listening = std::future::ready(Ok(()));
        let ended = then_posting_stops(listening, shutdown, settled, stop_posting.clone());
        let ended = tokio::time::timeout(Duration::from_secs(60), ended);
        assert_eq!(ended.await.expect("it waits"), Ok(()));
        assert!(!stop_posting.is_cancelled());
    }

    #[test]
    fn a_task_that_dies_is_named() {
        let said = |why| {
            SlackError::from(TaskEnded {
                task: "listen",
                why,
            })
            .to_string()
        };
        assert_eq!(
            said(EndReason::Panicked("the ear is down".to_owned())),
            "Slack's `listen` task panicked: the ear is down"
        );
        assert_eq!(
            said(EndReason::Returned),
            "Slack's `listen` task stopped unexpectedly"
        );
        let setup = SlackError::Setup {
            why: "no air".to_owned(),
        };
        assert_eq!(
            said(EndReason::Failed(setup)),
            "cannot set up Slack: no air"
        );
    }
}
