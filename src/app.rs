//! Wiring: [`Config`] → [`App`] → run until told to stop. The only module that uses all others.
//!
//! `build` opens the store and binds the listener, so that errors show before any work is accepted. `run` starts one
//! task per part and watches them: a part that ends by itself, or crashes, ends the daemon with its name (P8: a daemon
//! must not run on without one of its parts). `serve`, `demo` and the tests all start here.

mod reload;
pub mod services;
pub mod standby;
mod systemd;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use tokio::net::TcpListener;
use zeroize::Zeroizing;

use crate::cli;
use crate::cli::export::{ExportForm, ExportWriter};
use crate::cli::look::StreamLook;
use crate::clickup::{ClickUp, ClickUpSettings};
use crate::clock::Clock;
use crate::commands::{ChannelDefaults, CommandSettings, Commands, ReceiptMode};
use crate::config::{self, Config, GitHubAccessConfig};
use crate::doctor::{self, CheckedSource, Patient};
use crate::domain::address;
use crate::domain::checkup::SourceCheckup;
use crate::domain::entity::Entities;
use crate::domain::finding::{CheckupReport, Finding, FindingArea};
use crate::domain::link::Accounts;
use crate::domain::person::AllowedUsers;
use crate::domain::reason::for_operators;
use crate::domain::shared_file::FileReader;
use crate::domain::source::{Container, SourceReader, SourceStanding, SourceWriter, TokenStanding};
use crate::domain::source::{WebhookKeeper, WebhookReader};
use crate::domain::task::Source;
use crate::github::{AppSettings, GitHub, GitHubAccess, GitHubSettings, PriorityLabels};
use crate::http::{self, ApiState, SyncOutcome, Synchronize};
use crate::inbox::Inbox;
use crate::mailbox::{Mailbox, MailboxSettings, SlackNews, ThreadReplies};
use crate::outbox::{Outbox, OutboxSettings};
use crate::reconcile::{Mirror, Reconciler, SyncSettings};
use crate::recovery::{Alerts, Recovery};
use crate::runtime::{CancellationToken, Reloadable, Supervisor, TaskEnded, slept};
use crate::set_aside;
use crate::slack::{self, ChannelCommands, SlackChoices, SlackSettings, Timings};
use crate::store::export::ExportError;
use crate::store::people::{Configured, Roster};
use crate::store::{
    Db, DbResult, Store, StoreError, StoreSettings, deliveries, log, pauses, people, prune, tasks,
};
use crate::tls;

use reload::{Live, Reloader};
pub use reload::{LoadConfig, Reloading, SetLogLevel};

/// The time limit for committed work after the signal to stop. The process is to end within 10 s.
const FINISH_WITHIN: Duration = Duration::from_secs(9);
/// The time limit after it for notices that are being stored.
const NOTICES_WITHIN: Duration = Duration::from_millis(500);
/// The time between two removals of old rows.
const PRUNE_EVERY: Duration = Duration::from_secs(3600);

/// Keeps secrets out of core dumps, and other processes of the same user from reading this one's memory.
pub fn forbid_core_dumps() -> Result<(), String> {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(|e| e.to_string())?;
    }
    Ok(())
}

/// Errors that keep the daemon from starting, or end it.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The store cannot be opened, read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A listener's address cannot be bound.
    #[error(
        "{what} cannot listen on {address} ({key}): {why}. Stop the other program, or set another address"
    )]
    Bind {
        /// The listener, as the first words of a sentence: `The API`.
        what: &'static str,
        /// The key of bot.toml that sets the address: `api.bind`.
        key: &'static str,
        /// The address and port, as configured.
        address: SocketAddr,
        /// The system's error text.
        why: String,
    },
    /// The token of the API cannot be read or created, or is empty.
    #[error("the API's token file {path}: {why}")]
    TokenFile {
        /// The `api-token` file beside the store.
        path: PathBuf,
        /// The end of the sentence: `cannot be read: …`.
        why: String,
    },
    /// The settings of a source are invalid.
    #[error("{system} cannot be set up: {why}")]
    Source {
        /// `ClickUp` or `GitHub`.
        system: &'static str,
        /// The invalid key and its error; never the token.
        why: String,
    },
    /// The certificates of `tls.ca_file` cannot be used. The text names the file.
    #[error("{0}")]
    Certificates(String),
    /// The exporter of traces cannot be set up.
    #[cfg(feature = "otel")]
    #[error("telemetry.otlp_url: {0}")]
    Traces(String),
    /// This daemon cannot lead, or cannot restore the newest store.
    #[error("the standby: {0}")]
    Standby(String),
    /// A task of the daemon failed, crashed or returned before the stop.
    #[error(transparent)]
    Part(#[from] TaskEnded<PartError>),
}

/// The error of a part.
type PartError = Box<dyn std::error::Error + Send + Sync>;

/// A daemon that is ready to run.
pub struct App {
    store: Store,
    commands: Commands,
    mailbox: Mailbox,
    outbox: Outbox,
    syncs: Arc<Syncs>,
    inbox: Inbox,
    gaps: Recovery,
    listener: TcpListener,
    hooks: TcpListener,
    is_proxy: http::IsProxy,
    api: ApiState,
    slack: Option<SlackSettings>,
    clock: Clock,
    ages: Reloadable<Ages>,
    set_aside: set_aside::SetAsideContext,
    /// `bot.toml`, or that there is none.
    config_file: String,
    /// The names of the services, with commas.
    connects: String,
    live: Live,
    reload: Option<Arc<Reloader>>,
    #[cfg(feature = "otel")]
    traces: Option<crate::traces::TraceExporter>,
    /// Logged once, at the start.
    warnings: Vec<String>,
    key_beside: Option<String>,
}

impl App {
    /// Opens the store, binds the API's listener, and connects the parts; nothing runs yet.
    ///
    /// Boxed, as [`App::run`]: the code of an `async fn` is compiled again in each crate that awaits it.
    #[inline(never)]
    pub fn build(config: &Config, clock: Clock) -> BoxFuture<'_, Result<App, AppError>> {
        Box::pin(App::built(config, clock))
    }

    async fn built(config: &Config, clock: Clock) -> Result<App, AppError> {
        trust(config)?;
        // Meanwhile the store is opened, which waits for the disk.
        if uses_https(config) {
            tls::read_ahead();
        }
        let mut settings = store_settings(config);
        settings.now = Some(clock.now());
        let store = Store::open(&config.store.path, settings)?;
        reload::enlist(&store, config).await?;
        let tokens = api_tokens(config)?;
        let listener = bind("The API", "api.bind", config.api.bind).await?;
        let hooks = bind(
            "The webhook listener",
            "webhooks.bind",
            config.webhooks.bind,
        )
        .await?;
        let known = store.read(known).await?;
        let sources = sources(config, known, &clock)?;
        let commands = Commands::new(
            store.clone(),
            command_settings(config),
            sources.accounts.clone(),
            clock.clone(),
        );
        let pauses = store.read(pauses::all).await?;
        for (source, until) in pauses {
            let mut writers = sources.writers.iter();
            if let Some(writer) = writers.find(|writer| writer.source() == source) {
                writer.pause_until(until);
            }
        }
        let outbox = Outbox::new(
            store.clone(),
            sources.writers.clone(),
            outbox_settings(config),
            config.queue.score,
            clock.clone(),
        );
        let reconciler = Reconciler::new(
            store.clone(),
            clock.clone(),
            sync_settings(config),
            sources.mirrors,
            {
                let outbox = outbox.clone();
                Arc::new(move |source| outbox.is_writing(source))
            },
        );
        reconciler.tells({
            let commands = commands.clone();
            Box::new(move |source, reading| commands.is_reading(source, reading))
        });
        let writers = sources.writers.clone();
        let inbox = Inbox::new(
            store.clone(),
            clock.clone(),
            sources.hook_readers,
            sources.writers,
            hook_secrets(config),
        );
        let standings = writers
            .into_iter()
            .map(|writer| (writer.source(), (writer, tokio::sync::Mutex::default())))
            .collect();
        let operators = operators(config);
        let mailbox = Mailbox::new(
            store.clone(),
            commands.clone(),
            mailbox_settings(config),
            clock.clone(),
        );
        mailbox.revoke_lost_tokens().await?;
        let set_aside = set_aside::SetAsideContext {
            store: store.clone(),
            clock: clock.clone(),
            operators: operators.clone(),
            weights: Reloadable::new(config.queue.score),
        };
        let alarms = Alerts::new(store.clone(), clock.clone(), operators);
        let gaps = Recovery::new(
            store.clone(),
            clock.clone(),
            inbox.clone(),
            reconciler.clone(),
            sources.hook_keepers,
            alarms.clone(),
        );
        let syncs = Arc::new(Syncs {
            reconciler: reconciler.clone(),
            commands: commands.clone(),
            outbox: outbox.clone(),
            inbox: inbox.clone(),
            gaps: gaps.clone(),
            watched: Watched {
                alarms,
                reconciler,
                standings,
            },
        });
        let api = ApiState::new(
            commands.clone(),
            tokens,
            Arc::clone(&syncs) as Arc<dyn Synchronize>,
            clock.clone(),
            env!("CARGO_PKG_VERSION"),
        );
        let slack = config.slack.as_ref().map(|slack| SlackSettings {
            store_dir: store_dir(&config.store.path),
            ..slack_settings(slack)
        });
        let ages = Reloadable::new(ages(config));
        let live = Live {
            store: store.clone(),
            commands: commands.clone(),
            mailbox: mailbox.clone(),
            outbox: outbox.clone(),
            reconciler: syncs.reconciler.clone(),
            alerts: syncs.watched.alarms.clone(),
            weights: set_aside.weights.clone(),
            ages: ages.clone(),
            slack: slack.as_ref().map(|slack| slack.choices.clone()),
        };
        let warnings = warnings(config);
        let key_beside = store.key_beside().map(key_is_beside);
        Ok(App {
            store,
            commands,
            mailbox,
            outbox,
            syncs,
            inbox,
            gaps,
            listener,
            hooks,
            is_proxy: is_proxy(config),
            api,
            slack,
            clock,
            ages,
            config_file: config.file().map_or_else(
                || "the environment".to_owned(),
                |file| file.display().to_string(),
            ),
            connects: connects(config),
            live,
            reload: None,
            #[cfg(feature = "otel")]
            traces: match &config.otlp_url {
                Some(url) => {
                    Some(crate::traces::TraceExporter::new(url).map_err(AppError::Traces)?)
                }
                None => None,
            },
            set_aside,
            warnings,
            key_beside,
        })
    }

    /// Keeps the lock of the Slack app in `folder` instead of the place shared by all daemons of this machine. It is
    /// for sandboxes, which all have the same app.
    pub fn with_slack_lock_in(mut self, folder: PathBuf) -> App {
        if let Some(slack) = &mut self.slack {
            slack.singleton_dir = Some(folder);
        }
        self
    }

    /// Applies changes of `bot.toml` while it runs: on [`Reloading::asked`], and when the API is asked to. `config` is the
    /// one that this was built with.
    pub fn reloading(mut self, config: &Config, with: Reloading) -> App {
        let reloader = Arc::new(Reloader::new(self.live.clone(), config, with));
        self.api = self.api.with_reload(Arc::clone(&reloader) as _);
        self.reload = Some(reloader);
        self
    }

    /// Shows who leads: this daemon.
    pub fn leading(mut self, leading: &standby::Leading) -> App {
        self.api = self.api.with_leader(leading.status());
        self
    }

    /// The address of the API. If `api.bind` has port 0, the port is the one that the system chose.
    pub fn api_address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The address of the webhook listener.
    pub fn hooks_address(&self) -> std::io::Result<SocketAddr> {
        self.hooks.local_addr()
    }

    /// Reads the sources, as `POST /sync` does.
    pub fn sync(&self) -> Arc<dyn Synchronize> {
        Arc::clone(&self.syncs) as Arc<dyn Synchronize>
    }

    /// The commands of this daemon. Clones share its state.
    pub fn commands(&self) -> Commands {
        self.commands.clone()
    }

    /// The mailbox of this daemon, for Slack. Clones share its state.
    pub fn mailbox(&self) -> Mailbox {
        self.mailbox.clone()
    }

    /// The first events in Slack, for `ivan init`.
    pub fn news(&self) -> tokio::sync::watch::Receiver<SlackNews> {
        self.mailbox.news()
    }

    /// Runs until `shutdown` resolves; then accepts no new work, finishes work under way within 10 s, and returns.
    ///
    /// Fails if a part ended before, naming it.
    #[inline(never)]
    pub fn run(self, shutdown: BoxFuture<'static, ()>) -> BoxFuture<'static, Result<(), AppError>> {
        Box::pin(self.run_until(shutdown))
    }

    /// The one line about the start, and one when commands are taken from everywhere.
    async fn says_it_started(&self) -> Result<(), AppError> {
        let begun = tokio::time::Instant::now();
        let people = self.store.read(people::present).await?.len();
        let address = |address: std::io::Result<SocketAddr>| {
            address.map_or_else(|error| error.to_string(), |address| address.to_string())
        };
        let settings = self.commands.settings();
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            config = self.config_file,
            store = %self.store.path().display(),
            api = address(self.listener.local_addr()),
            webhooks = address(self.hooks.local_addr()),
            connects = self.connects,
            people,
            lists = settings.lists.len(),
            repositories = settings.repos.len(),
            "started"
        );
        let (mut news, slack) = (self.mailbox.news(), self.slack.is_some());
        // Ends with the mailbox.
        tokio::spawn(async move {
            if !slack || news.wait_for(|now| now.connected).await.is_ok() {
                let ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
                tracing::info!(ms, "ready");
            }
        });
        Ok(())
    }

    async fn run_until(self, shutdown: impl Future<Output = ()>) -> Result<(), AppError> {
        // Installed before anything is counted.
        http::metrics::install();
        // Before any work begins, so that work which ended the process twice is not begun again.
        self.set_aside.starts().await?;
        let stopping = CancellationToken::new();
        let mut parts = Supervisor::new(stopping.clone());
        self.says_it_started().await?;
        #[cfg(feature = "otel")]
        let exporting = self.traces.map(|traces| traces.start(self.store.clone()));
        for warning in &self.warnings {
            tracing::warn!("{warning}");
        }
        // The usual place, and a choice.
        if let Some(remark) = &self.key_beside {
            tracing::info!("{remark}");
        }
        for source in self.syncs.reconciler.sources() {
            if self.inbox.secrets(source, None).await?.is_empty() {
                // Many have no address that the source could reach.
                tracing::info!(%source, "no webhooks: changes are seen every sync.interval; `ivan webhooks register --url URL` sets one up");
            }
        }
        // Operations that finish during the shutdown are still reported. The guard cancels this in every case.
        let settled = CancellationToken::new();
        let looked = CancellationToken::new();
        parts.start("the outbox", {
            let (outbox, stopping) = (self.outbox.clone(), stopping.clone());
            let over = settled.clone().drop_guard();
            let (looked, within) = (looked.clone(), look_within(&self.store).await?);
            async move {
                let looking = tokio::time::timeout(within, looked.cancelled());
                let _ = stopping.run_until_cancelled(looking).await;
                let ended = outbox.run(stopping).await;
                drop(over);
                Ok(ended?)
            }
        });
        parts.start("the HTTP API", {
            let (router, stopping) = (http::router(self.api), stopping.clone());
            let is_proxy = Arc::clone(&self.is_proxy);
            async move { Ok(http::serve(self.listener, router, is_proxy, stopping).await?) }
        });
        let news = self.slack.is_some().then(|| self.mailbox.news());
        if self.slack.is_none() {
            looked.cancel();
        }
        if let Some(settings) = self.slack {
            let (mailbox, clock, stopping) = (self.mailbox, self.clock.clone(), stopping.clone());
            parts.start("Slack", async move {
                Ok(slack::run(settings, mailbox, clock, stopping, (looked, settled)).await?)
            });
        }
        parts.start("the store", {
            let (store, stopping) = (self.store.clone(), stopping.clone());
            async move { Ok(store.watch_over(stopping).await?) }
        });
        parts.start("housekeeping", {
            let (store, clock, stopping) =
                (self.store.clone(), self.clock.clone(), stopping.clone());
            let set_aside = self.set_aside.clone();
            async move {
                housekeeping(store, clock, self.ages, set_aside, stopping).await;
                Ok(())
            }
        });
        parts.start("the webhook listener", {
            let (inbox, clock) = (self.inbox.clone(), self.clock.clone());
            let router = http::hooks::hooks_router(inbox.clone(), inbox.readers(), clock);
            let (is_proxy, stopping) = (self.is_proxy, stopping.clone());
            async move { Ok(http::serve_hooks(self.hooks, router, is_proxy, stopping).await?) }
        });
        parts.start("the inbox", {
            let (inbox, stopping) = (self.inbox, stopping.clone());
            async move {
                inbox.run(stopping).await;
                Ok(())
            }
        });
        parts.start("the reconciler", {
            let (syncs, stopping) = (Arc::clone(&self.syncs), stopping.clone());
            async move {
                syncs.keep_up(stopping).await;
                Ok(())
            }
        });
        if let Some(reload) = self.reload {
            let stopping = stopping.clone();
            parts.start("the reload of bot.toml", async move {
                reload.run(stopping).await;
                Ok(())
            });
        }
        parts.start("the watch over webhooks", {
            let (gaps, stopping) = (self.gaps, stopping.clone());
            async move {
                gaps.run(stopping).await;
                Ok(())
            }
        });
        parts.start("the reports to systemd", {
            let (store, stopping) = (self.store.clone(), stopping.clone());
            async move {
                systemd::report(store, news, stopping).await;
                Ok(())
            }
        });
        self.commands.tell_the_untold().await?;
        let ended = parts.run(shutdown, FINISH_WITHIN).await;
        let noticed = tokio::time::timeout(NOTICES_WITHIN, self.commands.end()).await;
        if noticed.is_err() {
            tracing::warn!("the store is slow: a notice may come after the next start");
        }
        // The last spans come from the parts that have just ended.
        #[cfg(feature = "otel")]
        if let Some(exporting) = exporting {
            exporting.finish().await;
        }
        ended?;
        if let Err(trouble) = self.set_aside.stops().await {
            tracing::warn!(error = %trouble, "clean stop not recorded");
        }
        Ok(())
    }
}

/// The names of the configured services.
fn connects(config: &Config) -> String {
    let services = [
        ("Slack", config.slack.is_some()),
        ("ClickUp", config.clickup.is_some()),
        ("GitHub", config.github.is_some()),
    ];
    let names = services.iter().filter(|(_, is_there)| *is_there);
    names.map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

/// The addresses to which no bound per address applies.
fn is_proxy(config: &Config) -> http::IsProxy {
    let proxies = config.http.trusted_proxies.clone();
    Arc::new(move |address| proxies.iter().any(|proxy| proxy.contains(address)))
}

/// Reads the sources, and passes the result to the alerts and the parts that depend on it.
struct Syncs {
    reconciler: Reconciler,
    commands: Commands,
    outbox: Outbox,
    inbox: Inbox,
    gaps: Recovery,
    watched: Watched,
}

/// Watches the status of the sources and reports its changes.
struct Watched {
    alarms: Alerts,
    reconciler: Reconciler,
    /// Each source, with its status when last checked.
    standings: BTreeMap<Source, (Arc<dyn SourceWriter>, tokio::sync::Mutex<SourceStanding>)>,
}

impl Syncs {
    /// Reports the result of reading a source. The caller waits for it, so that no part of it runs unwatched.
    async fn went(&self, source: Source, synced: crate::reconcile::SyncResult) {
        self.commands.source_is(source, synced.error.clone());
        if synced.error.is_none() {
            self.outbox.source_answers(source);
            self.inbox.source_answers(source);
        }
        if synced.changed > 0 {
            // No webhook had reported the change yet.
            self.gaps.look_at(source);
        }
        self.watched.look(source).await;
        let alarms = &self.watched.alarms;
        for told in [
            alarms.polled(source, &synced).await,
            alarms.found(&synced.containers).await,
        ] {
            if let Err(trouble) = told {
                tracing::error!(%source, error = %trouble, "alert to operators not stored");
            }
        }
    }

    /// Polls every source until told to stop.
    async fn keep_up(&self, stopping: CancellationToken) {
        let polls = self.reconciler.sources().into_iter().map(|source| {
            let went = |source, synced| self.went(source, synced);
            self.reconciler.keep_up(source, went, stopping.clone())
        });
        let recoveries = self
            .reconciler
            .sources()
            .into_iter()
            .map(|source| self.poll_after_outages(source, stopping.clone()));
        let news = self
            .reconciler
            .sources()
            .into_iter()
            .map(|source| self.look_at_news(source, stopping.clone()));
        tokio::join!(
            futures_util::future::join_all(polls),
            futures_util::future::join_all(recoveries),
            futures_util::future::join_all(news)
        );
    }

    /// Checks a source after write attempts, which are the first to learn a new status.
    async fn look_at_news(&self, source: Source, stopping: CancellationToken) {
        let Some(mut news) = self.outbox.news(source) else {
            return;
        };
        while !stopping.is_cancelled() {
            tokio::select! {
                changed = news.changed() => match changed {
                    Ok(()) => self.watched.look(source).await,
                    Err(_) => return,
                },
                () = stopping.cancelled() => {}
            }
        }
    }

    /// Polls a source after an outage, since it may have changed meanwhile.
    async fn poll_after_outages(&self, source: Source, stopping: CancellationToken) {
        let Some(mut recovered) = self.outbox.recoveries(source) else {
            return;
        };
        while !stopping.is_cancelled() {
            tokio::select! {
                changed = recovered.changed() => match changed {
                    Ok(()) => {
                        self.reconciler.want(source);
                        self.gaps.look_at(source);
                    }
                    Err(_) => return,
                },
                () = stopping.cancelled() => {}
            }
        }
    }
}

impl Watched {
    /// Checks the status of a source. On a change it stores the pause, alerts the operators about a rejected token, and
    /// lets polls test for its recovery.
    async fn look(&self, source: Source) {
        let Some((writer, seen)) = self.standings.get(&source) else {
            return;
        };
        // One check at a time, so that the last report is about the last state.
        let mut seen = seen.lock().await;
        let now = writer.standing();
        let refused =
            |standing: &SourceStanding| matches!(standing.token, TokenStanding::Refused { .. });
        fn ruled(standing: &SourceStanding) -> impl Iterator<Item = (&String, bool)> {
            standing
                .rules
                .iter()
                .map(|(account, rule)| (account, rule.is_some()))
        }
        let same = now.paused_until == seen.paused_until
            && refused(&now) == refused(&seen)
            && now.token_ends == seen.token_ends
            && ruled(&now).eq(ruled(&seen))
            && (now.token == TokenStanding::Unknown) == (seen.token == TokenStanding::Unknown);
        if same {
            return;
        }
        if refused(&now) && !refused(&seen) {
            self.reconciler.want(source);
        }
        match self.alarms.stands(source, &now).await {
            Ok(()) => *seen = now,
            Err(trouble) => {
                tracing::error!(%source, error = %trouble, "status of the source not stored");
            }
        }
    }
}

#[async_trait]
impl Synchronize for Syncs {
    async fn sync(&self, full: bool) -> BTreeMap<Source, SyncOutcome> {
        let mut all = BTreeMap::new();
        for (source, synced) in self.reconciler.sync(full).await {
            self.went(source, synced.clone()).await;
            let synced = SyncOutcome {
                changed: synced.changed,
                error: synced.error.as_deref().map(for_operators),
            };
            all.insert(source, synced);
        }
        all
    }
}

/// Converts a duration to at most 1000 years, which chrono's range can hold.
fn at_most_ages(time: Duration) -> chrono::Duration {
    const AGES: chrono::Duration = chrono::Duration::days(365 * 1000);
    chrono::Duration::from_std(time).map_or(AGES, |time| time.min(AGES))
}

/// How long data is kept.
#[derive(Debug, Clone, Copy)]
struct Ages {
    retention: chrono::Duration,
    log_retention: chrono::Duration,
}

fn ages(config: &Config) -> Ages {
    Ages {
        retention: at_most_ages(config.store.retention),
        log_retention: at_most_ages(config.store.log_retention),
    }
}

async fn housekeeping(
    store: Store,
    clock: Clock,
    ages: Reloadable<Ages>,
    set_aside: set_aside::SetAsideContext,
    stopping: CancellationToken,
) {
    while !stopping.is_cancelled() {
        let now = clock.now();
        let Ages {
            retention,
            log_retention,
        } = *ages.get();
        if let Err(trouble) = set_aside.give_up_old(retention).await {
            tracing::error!(error = %trouble, "cannot retry work that is set aside");
        }
        let step = store
            .write(move |tx| {
                let done_with = prune::step(tx, now, retention)?;
                Ok(done_with + log::forget(tx, now - log_retention, prune::STEP)?)
            })
            .await;
        match step {
            Ok(0) => {}
            Ok(rows) => {
                tracing::info!(
                    rows,
                    "deleted rows older than store.retention or store.log_retention"
                );
                continue;
            }
            Err(trouble) => {
                tracing::error!(error = %trouble, "cannot delete old rows");
            }
        }
        slept(PRUNE_EVERY, &stopping).await;
    }
}

/// The configured sources, in each of their roles.
#[derive(Default)]
struct Sources {
    writers: Vec<Arc<dyn SourceWriter>>,
    mirrors: Vec<Mirror>,
    hook_readers: Vec<Arc<dyn WebhookReader>>,
    hook_keepers: Vec<Arc<dyn WebhookKeeper>>,
    accounts: Vec<Arc<dyn Accounts>>,
    checked: Vec<CheckedSource>,
}

impl Sources {
    /// `configured` are its lists or repositories, `places` those that have webhooks of their own.
    fn add<S>(&mut self, source: Arc<S>, configured: Vec<String>, places: Vec<String>)
    where
        S: SourceWriter
            + SourceReader
            + WebhookReader
            + WebhookKeeper
            + Accounts
            + SourceCheckup
            + 'static,
    {
        self.checked.push(CheckedSource {
            checkup: Arc::clone(&source) as _,
            keeper: Arc::clone(&source) as _,
            accounts: Arc::clone(&source) as _,
            places,
        });
        self.writers.push(Arc::clone(&source) as _);
        self.hook_readers.push(Arc::clone(&source) as _);
        self.hook_keepers.push(Arc::clone(&source) as _);
        self.accounts.push(Arc::clone(&source) as _);
        self.mirrors.push(Mirror {
            writer: Arc::clone(&source) as _,
            reader: source,
            configured,
        });
    }
}

async fn bind(
    what: &'static str,
    key: &'static str,
    address: SocketAddr,
) -> Result<TcpListener, AppError> {
    TcpListener::bind(address)
        .await
        .map_err(|e| AppError::Bind {
            what,
            key,
            address,
            why: e.to_string(),
        })
}

/// Runs `ivan webhooks …`, beside a running daemon or without one; returns the exit status.
#[inline(never)]
pub fn webhooks(
    config: &Config,
    command: cli::webhooks::WebhooksCommand,
    json: bool,
    clock: Clock,
) -> BoxFuture<'_, Result<cli::print::Printed, AppError>> {
    Box::pin(run_webhooks(config, command, json, clock))
}

async fn run_webhooks(
    config: &Config,
    command: cli::webhooks::WebhooksCommand,
    json: bool,
    clock: Clock,
) -> Result<cli::print::Printed, AppError> {
    let store = Store::beside(&config.store.path, store_settings(config))?;
    let known = store.read(known).await?;
    let keepers = sources(config, known, &clock)?.hook_keepers;
    let book = HookBook {
        secrets: hook_secrets(config),
        store,
        clock,
    };
    Ok(cli::webhooks::webhooks(command, keepers, &book, json).await)
}

/// Runs `ivan doctor` on a valid configuration, beside a running daemon or without one. `api_url` is the daemon's.
#[inline(never)]
pub fn doctor(
    config: &Config,
    args: cli::doctor::DoctorArgs,
    api_url: String,
    clock: Clock,
) -> BoxFuture<'_, CheckupReport> {
    Box::pin(run_doctor(config, args, api_url, clock))
}

async fn run_doctor(
    config: &Config,
    args: cli::doctor::DoctorArgs,
    api_url: String,
    clock: Clock,
) -> CheckupReport {
    let sources = match sources(config, Known::default(), &clock) {
        Ok(sources) => sources.checked,
        Err(error) => {
            let mut findings = doctor::configuration_findings(config);
            findings.push(Finding::broken(
                FindingArea::Configuration,
                "config.source",
                error.to_string(),
                "Ivan does not start with it",
                "Correct that key in bot.toml",
            ));
            return CheckupReport {
                findings,
                ..CheckupReport::default()
            };
        }
    };
    let patient = Patient {
        config,
        store: store_settings(config),
        sources,
        api_url,
        webhook_secrets: hook_secrets(config),
        live: args.live,
        clock,
    };
    let report = doctor::check_up(&patient).await;
    if !args.fix || report.fixable() == 0 {
        return report;
    }
    let mended = doctor::mend(&report, &patient.sources, &HookMender { patient: &patient }).await;
    CheckupReport {
        mended: mended.done,
        not_mended: mended.failed,
        ..doctor::check_up(&patient).await
    }
}

/// Repairs webhooks for `ivan doctor --fix`, with the store as `ivan webhooks repair` opens it.
struct HookMender<'a> {
    patient: &'a Patient<'a>,
}

#[async_trait]
impl doctor::WebhookRepair for HookMender<'_> {
    async fn repair(&self, source: Source) -> Result<Vec<String>, String> {
        let patient = self.patient;
        let mut sources = patient.sources.iter();
        let Some(of) = sources.find(|of| of.keeper.source() == source) else {
            return Ok(Vec::new());
        };
        let store = Store::beside(&patient.config.store.path, patient.store.clone());
        let book = HookBook {
            secrets: patient.webhook_secrets.clone(),
            store: store.map_err(|error| error.to_string())?,
            clock: patient.clock.clone(),
        };
        cli::webhooks::repaired(of.keeper.as_ref(), &book).await
    }
}

/// Runs `ivan store rekey` while no daemon has the store.
pub fn rekey(
    config: &Config,
    to: Option<&std::path::Path>,
    lost: bool,
) -> Result<crate::store::Rekeyed, AppError> {
    let settings = store_settings(config);
    Ok(Store::rekey(&config.store.path, &settings, to, lost)?)
}

/// Copies the store to a file, beside a running daemon or without one.
pub fn back_up(
    config: &Config,
    file: &std::path::Path,
    replace: bool,
) -> Result<crate::store::StoreCopy, AppError> {
    let settings = store_settings(config);
    Ok(crate::store::back_up(
        &config.store.path,
        &settings,
        file,
        replace,
    )?)
}

/// Writes tables of the store, beside a running daemon or without one: into the file of the options, or to `printed`.
/// Returns the number of rows.
pub fn export(
    config: &Config,
    options: &cli::export::ExportOptions,
    form: ExportForm<'_>,
    printed: (&mut dyn std::io::Write, StreamLook),
) -> Result<u64, ExportError> {
    let path = &config.store.path;
    let write = |out: &mut dyn std::io::Write, look: StreamLook| -> Result<u64, ExportError> {
        let mut writer = ExportWriter::new(out, form, look);
        let mut rows = 0;
        for table in options.tables() {
            writer.begin(table)?;
            rows += crate::store::export::export(path, table, options.since, &mut |row| {
                writer.row(table, row)
            })?;
        }
        writer.end()?;
        Ok(rows)
    };
    match &options.out {
        Some(file) => crate::store::export::export_to_file(path, file, options.force, |out| {
            write(out, StreamLook::default())
        }),
        None => write(printed.0, printed.1),
    }
}

/// Puts a copy in the place of the store; no daemon may run.
pub fn restore(
    config: &Config,
    file: &std::path::Path,
    clock: &Clock,
) -> Result<crate::store::RestoredStore, AppError> {
    let (path, settings) = (&config.store.path, store_settings(config));
    Ok(crate::store::restore(path, &settings, file, clock.now())?)
}

/// How long waiting operations wait for the look into Slack at a start, which may show that the store was put back.
async fn look_within(store: &Store) -> Result<std::time::Duration, AppError> {
    let (pending, lost) = store
        .read(|db| {
            let pending = crate::store::operations::count_pending(db)?;
            Ok((pending, crate::store::restored::lost_until(db)?))
        })
        .await?;
    Ok(std::time::Duration::from_secs(match (pending, lost) {
        (0, _) => 0,
        (_, None) => 3,
        (_, Some(_)) => 60,
    }))
}

/// Webhook data from bot.toml and the store.
struct HookBook {
    secrets: BTreeMap<Source, String>,
    store: Store,
    clock: Clock,
}

#[async_trait]
impl cli::webhooks::WebhookRecords for HookBook {
    fn configured(&self, source: Source) -> Option<config::Secret> {
        self.secrets.get(&source).map(config::Secret::new)
    }

    async fn secrets(&self, source: Source, hook: &str) -> Result<Vec<config::Secret>, String> {
        let hook = hook.to_owned();
        let kept = self
            .store
            .read(move |connection| deliveries::secrets(connection, source, Some(&hook)))
            .await
            .map_err(|trouble| trouble.to_string())?;
        Ok(kept.into_iter().map(config::Secret::new).collect())
    }

    async fn registered(&self, source: Source) -> Result<Vec<(String, config::Secret)>, String> {
        let kept = self
            .store
            .read(move |connection| deliveries::hook_urls(connection, source))
            .await
            .map_err(|trouble| trouble.to_string())?;
        let secret = |(url, secret): (String, String)| (url, config::Secret::new(secret));
        Ok(kept.into_iter().map(secret).collect())
    }

    async fn remember(
        &self,
        source: Source,
        hook: &str,
        url: &str,
        secret: &config::Secret,
    ) -> Result<(), String> {
        let (hook, url, secret) = (hook.to_owned(), url.to_owned(), secret.expose().to_owned());
        let now = self.clock.now();
        self.store
            .write(move |tx| deliveries::keep_hook(tx, source, &hook, &url, &secret, now))
            .await
            .map_err(|trouble| trouble.to_string())
    }
}

/// The secrets in bot.toml for webhooks that were created by hand.
fn hook_secrets(config: &Config) -> BTreeMap<Source, String> {
    let clickup = config
        .clickup
        .as_ref()
        .and_then(|clickup| clickup.webhook_secret.as_ref());
    let github = config
        .github
        .as_ref()
        .and_then(|github| github.webhook_secret.as_ref());
    [(Source::ClickUp, clickup), (Source::GitHub, github)]
        .into_iter()
        .filter_map(|(source, secret)| Some((source, secret?.expose().to_owned())))
        .collect()
}

/// Facts that earlier runs learned from the sources.
#[derive(Default)]
struct Known {
    containers: Vec<Container>,
    /// ClickUp's tasks that are followed in a list that is not their home.
    guests: Vec<String>,
}

fn known(connection: &Db) -> DbResult<Known> {
    Ok(Known {
        containers: tasks::containers(connection)?,
        guests: tasks::guests(connection, Source::ClickUp)?,
    })
}

/// Whether any service is reached over TLS, so that the system's certificates are needed.
fn uses_https(config: &Config) -> bool {
    let slack = config.slack.as_ref().map(|slack| &slack.api_url);
    let clickup = config.clickup.as_ref().map(|clickup| &clickup.api_url);
    let github = config.github.as_ref().map(|github| &github.api_url);
    let addresses = [slack, clickup, github];
    let mut addresses = addresses.into_iter().flatten();
    addresses.any(|address| address.starts_with("https:"))
}

/// Lets the clients of this process trust `tls.ca_file`.
fn trust(config: &Config) -> Result<(), AppError> {
    match &config.ca_file {
        Some(file) => tls::also_trust(file).map_err(AppError::Certificates),
        None => Ok(()),
    }
}

fn github_access(access: &GitHubAccessConfig) -> GitHubAccess {
    match access {
        GitHubAccessConfig::Token(token) => GitHubAccess::Token(token.expose().to_owned()),
        GitHubAccessConfig::App(app) => GitHubAccess::App(AppSettings {
            app_id: app.app_id.clone(),
            key: Zeroizing::new(app.key.expose().to_owned()),
            installation_id: app.installation_id,
        }),
    }
}

/// Reads the files that people share in Slack.
fn files(slack: &config::SlackConfig) -> Result<Arc<dyn FileReader>, AppError> {
    let token = slack::SlackToken::new(slack.bot_token.expose());
    let files = slack::files::SlackFiles::new(&slack.api_url, &token);
    let files = files.map_err(|error| AppError::Source {
        system: "Slack",
        why: error.to_string(),
    })?;
    Ok(Arc::new(files))
}

fn sources(config: &Config, known: Known, clock: &Clock) -> Result<Sources, AppError> {
    trust(config)?;
    let mut sources = Sources::default();
    if let Some(clickup) = &config.clickup {
        let settings = ClickUpSettings {
            token: clickup.token.expose().to_owned(),
            team_id: clickup.team_id.clone(),
            list_id: clickup.list_id.clone(),
            lists: clickup.lists.clone(),
            complete_status: clickup.complete_status.clone(),
            in_progress_status: clickup.in_progress_status.clone(),
            api_url: clickup.api_url.clone(),
        };
        let source = ClickUp::new(settings, clock.clone()).map_err(|e| AppError::Source {
            system: "ClickUp",
            why: e.to_string(),
        })?;
        source.remember(known.guests);
        let source = match &config.slack {
            Some(slack) => source.with_files(files(slack)?),
            None => source,
        };
        let lists = clickup.all_lists().into_iter().map(str::to_owned);
        let places = vec![clickup.team_id.clone()];
        sources.add(Arc::new(source), lists.collect(), places);
    }
    if let Some(github) = &config.github {
        let settings = GitHubSettings {
            access: github_access(&github.access),
            repo: github.repo.clone(),
            repos: github.repos.clone(),
            url: github.url.clone(),
            api_url: github.api_url.clone(),
            in_progress_label: github.in_progress_label.clone(),
            priority_labels: PriorityLabels {
                urgent: github.priority_labels.urgent.clone(),
                high: github.priority_labels.high.clone(),
            },
            writes_per_second: f64::from(github.writes_per_second),
        };
        let source = GitHub::new(settings, clock.clone()).map_err(|e| AppError::Source {
            system: "GitHub",
            why: e.to_string(),
        })?;
        source.remember(&known.containers);
        let repos = github.all_repos().into_iter().map(ToString::to_string);
        let repos: Vec<String> = repos.collect();
        sources.add(Arc::new(source), repos.clone(), repos);
    }
    Ok(sources)
}

/// The defaults of `create` in each channel that has some.
fn channels(config: &Config) -> BTreeMap<String, ChannelDefaults> {
    let channels = config.slack.iter().flat_map(|slack| &slack.channels);
    channels
        .map(|channel| {
            let defaults = ChannelDefaults {
                source: channel.source,
                list: channel.list.clone(),
                repo: channel.repo.clone(),
                entity: channel.entity.clone(),
            };
            (channel.id.clone(), defaults)
        })
        .collect()
}

fn command_settings(config: &Config) -> CommandSettings {
    CommandSettings {
        channels: channels(config),
        default_source: config.queue.default_source,
        lists: config
            .clickup
            .iter()
            .flat_map(config::ClickUpConfig::all_lists)
            .map(str::to_owned)
            .collect(),
        repos: config
            .github
            .iter()
            .flat_map(config::GitHubConfig::all_repos)
            .cloned()
            .collect(),
        github_url: config
            .github
            .as_ref()
            .map_or_else(|| address::GITHUB.to_owned(), |github| github.url.clone()),
        weights: config.queue.score,
        default_person: config.api.default_person.clone(),
        slack: config.slack.is_some(),
        receipts: match config.slack.as_ref().map(|slack| slack.receipts) {
            Some(config::ReceiptsConfig::Reactions) => ReceiptMode::Reactions,
            Some(config::ReceiptsConfig::Message) | None => ReceiptMode::Message,
        },
        replies_comment: config
            .slack
            .as_ref()
            .is_some_and(|slack| thread_replies(slack) == ThreadReplies::Comment),
        signature: config.outbox.signature,
        link: config.link,
        entities: Entities::new(config.entities.clone()),
    }
}

/// The people of bot.toml, and its operators, unless everybody shares one queue.
fn roster(config: &Config) -> Roster {
    let slack = config.slack.as_ref();
    let operators = slack.filter(|slack| slack.operators_add);
    Roster {
        people: config.people.iter().map(configured).collect(),
        operators: operators.map_or_else(Vec::new, |slack| slack.operators.clone()),
        shared: config.is_shared(),
    }
}

/// The Slack ids of people to alert.
fn operators(config: &Config) -> Vec<String> {
    let slack = config.slack.as_ref();
    slack.map_or_else(Vec::new, |slack| slack.operators.clone())
}

fn outbox_settings(config: &Config) -> OutboxSettings {
    OutboxSettings {
        retry_initial: config.outbox.retry_initial,
        retry_max: config.outbox.retry_max,
        give_up_after: config.outbox.give_up_after,
    }
}

fn sync_settings(config: &Config) -> SyncSettings {
    SyncSettings {
        interval: config.sync.interval,
        full_interval: config.sync.full_interval,
    }
}

fn mailbox_settings(config: &Config) -> MailboxSettings {
    let slack = config.slack.as_ref();
    MailboxSettings {
        allowed_users: slack
            .map_or_else(AllowedUsers::default, |slack| slack.allowed_users.clone()),
        operators: operators(config),
        thread_replies: slack.map_or(ThreadReplies::Hint, thread_replies),
        finds_by_email: config.finds_by_email(),
    }
}

fn store_settings(config: &Config) -> StoreSettings {
    StoreSettings {
        access: config.access.clone(),
        operators: operators(config),
        key_file: config.store.key_file.clone(),
        now: None,
    }
}

/// The folder that the store is in.
fn store_dir(store: &std::path::Path) -> Option<PathBuf> {
    let parent = store.parent()?;
    Some(match parent.as_os_str().is_empty() {
        true => PathBuf::from("."),
        false => parent.to_owned(),
    })
}

fn slack_settings(slack: &config::SlackConfig) -> SlackSettings {
    SlackSettings {
        app_token: slack::SlackToken::new(slack.app_token.expose()),
        bot_token: slack::SlackToken::new(slack.bot_token.expose()),
        api_url: slack.api_url.clone(),
        choices: Reloadable::new(slack_choices(slack)),
        catch_up_after: slack.catch_up_after,
        store_dir: None,
        singleton_dir: None,
        timings: Timings {
            compare_every: slack.compare_every,
            ..Timings::default()
        },
    }
}

/// The settings of Slack that a reload replaces.
fn slack_choices(slack: &config::SlackConfig) -> SlackChoices {
    SlackChoices {
        channel_commands: match slack.channel_commands {
            config::ChannelCommandsConfig::Bare => ChannelCommands::Bare,
            config::ChannelCommandsConfig::Mention => ChannelCommands::Mention,
            config::ChannelCommandsConfig::Off => ChannelCommands::Off,
        },
        operators: slack.operators.clone(),
        thread_replies: thread_replies(slack),
    }
}

fn thread_replies(slack: &config::SlackConfig) -> ThreadReplies {
    match slack.thread_replies {
        config::ThreadRepliesConfig::Hint => ThreadReplies::Hint,
        config::ThreadRepliesConfig::Comment => ThreadReplies::Comment,
    }
}

fn configured(person: &config::PersonConfig) -> Configured {
    Configured {
        name: person.name.clone(),
        slack: person.slack.clone(),
        github: person.github.clone(),
        clickup: person.clickup.clone(),
    }
}

/// Warnings about the configuration that do not keep the daemon from starting.
fn warnings(config: &Config) -> Vec<String> {
    let remarks = config.remarks();
    let mut warnings = Vec::new();
    let untouched = remarks.untouched();
    if !untouched.is_empty() {
        warnings.push(format!(
            "the configuration still has example values: {}",
            untouched.join(", ")
        ));
    }
    warnings.extend(remarks.exposed());
    warnings.extend_from_slice(remarks.risks());
    warnings.extend(crate::store::on_a_network(&config.store.path));
    warnings
}

/// A warning about a key that is stored with the secrets which it encrypts.
fn key_is_beside(file: &std::path::Path) -> String {
    format!(
        "the key of the secrets in the store is beside it, in {}: a copy of the folder has both. store.key_file keeps it \
             elsewhere",
        file.display()
    )
}

/// The tokens of the API: those of `[[api.tokens]]`, and `api.token`, or else the content of the `api-token` file, which the first start creates.
fn api_tokens(config: &Config) -> Result<http::ApiTokens, AppError> {
    let path = config.api_token_path();
    let trouble = |why: String| AppError::TokenFile {
        path: path.clone(),
        why,
    };
    let text = match &config.api.token {
        Some(token) => token.expose().to_owned(),
        None => match std::fs::read_to_string(&path) {
            Ok(text) => {
                crate::store::keep_private(&path);
                text
            }
            Err(missing) if missing.kind() == std::io::ErrorKind::NotFound => {
                make_token(&path).map_err(trouble)?
            }
            Err(e) => return Err(trouble(format!("cannot be read: {e}"))),
        },
    };
    let single = http::ApiTokens::new(&text).ok_or_else(|| {
        trouble("is empty; delete it and start again to create a new one".to_owned())
    })?;
    let named = config.api.tokens.iter().map(|token| http::NamedToken {
        name: token.name.clone(),
        person: token.person.clone(),
        read_only: token.read_only,
        digest: token.hash.bytes(),
    });
    Ok(single.with(named.collect()))
}

/// Writes 32 random bytes of the system to a file that only its owner can read.
fn make_token(path: &std::path::Path) -> Result<String, String> {
    use std::io::Write;
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|e| format!("no random numbers from the system: {e}"))?;
    let token = hex::encode(bytes);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
        .open(path)
        .and_then(|mut file| {
            writeln!(file, "{token}")?;
            file.sync_all()
        })
        .map_err(|e| format!("cannot be created: {e}"))?;
    tracing::info!(path = %path.display(), "created an API token");
    Ok(token)
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
    use rstest::rstest;

    use super::*;
    use crate::domain::event::SourceEvent;
    use crate::domain::operation::{Operation, Write, WriteError, WriteReceipt};
    use crate::domain::score::Weights;
    use crate::domain::source::{CommentPage, CommentsOf, Listing, Page};
    use crate::domain::source::{
        Delivery, DeliveryRefusal, Headers, Places, SignatureCheck, SignedDelivery,
        UnreadablePayload, Webhook, WebhookFacts, WebhookRules,
    };
    use crate::domain::task::{Task, TaskKey};
    use crate::domain::undo::EffectState;
    use crate::store::operations::{self, NewCommand, Surface};

    #[cfg(target_os = "linux")]
    #[test]
    fn there_are_no_core_dumps() {
        use rustix::process::{DumpableBehavior, dumpable_behavior};
        forbid_core_dumps().unwrap();
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    }

    /// Runs a part that dies, and returns the error that ends the daemon.
    async fn dies(
        part: &'static str,
        how: impl Future<Output = Result<(), PartError>> + Send + 'static,
    ) -> String {
        let mut parts = Supervisor::new(CancellationToken::new());
        parts.start(part, how);
        let ends = parts.run(std::future::pending(), Duration::from_millis(200));
        let ended = tokio::time::timeout(Duration::from_secs(60), ends).await;
        let ended = ended.expect("the daemon went on without the part");
        AppError::from(ended.unwrap_err()).to_string()
    }

    /// A source that panics on every call.
    struct Bomb;

    #[async_trait]
    impl SourceWriter for Bomb {
        fn source(&self) -> Source {
            Source::GitHub
        }
        async fn read(&self, _: &TaskKey) -> Result<Task, WriteError> {
            panic!("boom")
        }
        async fn send(&self, _: &Operation, _: Option<&Task>) -> Result<WriteReceipt, WriteError> {
            panic!("boom")
        }
        async fn find(&self, _: &Operation) -> Result<Option<WriteReceipt>, WriteError> {
            panic!("boom")
        }
        async fn still_as_left(&self, _: &Operation, _: &Task) -> Result<EffectState, WriteError> {
            panic!("boom")
        }
    }

    #[async_trait]
    impl SourceReader for Bomb {
        fn source(&self) -> Source {
            Source::GitHub
        }
        async fn containers(&self) -> Vec<Result<Container, WriteError>> {
            panic!("boom")
        }
        async fn page(
            &self,
            _: &Container,
            _: Option<DateTime<Utc>>,
            _: Option<&str>,
        ) -> Result<Page, WriteError> {
            panic!("boom")
        }
        fn comments_are_listed(&self) -> Listing {
            panic!("boom")
        }
        async fn comments(
            &self,
            _: CommentsOf<'_>,
            _: Option<DateTime<Utc>>,
            _: Option<&str>,
        ) -> Result<CommentPage, WriteError> {
            panic!("boom")
        }
    }

    #[async_trait]
    impl WebhookReader for Bomb {
        fn source(&self) -> Source {
            Source::GitHub
        }
        fn terms(&self) -> WebhookRules {
            panic!("boom")
        }
        fn has_signature(&self, _: &Headers<'_>) -> bool {
            panic!("boom")
        }
        fn hook_id(&self, _: &Headers<'_>, _: &[u8]) -> Option<String> {
            panic!("boom")
        }
        fn check(&self, _: &Headers<'_>, _: &str) -> Box<dyn SignatureCheck> {
            panic!("boom")
        }
        fn delivery(
            &self,
            _: &Headers<'_>,
            _: Vec<u8>,
            _: DateTime<Utc>,
        ) -> Result<Delivery, DeliveryRefusal> {
            panic!("boom")
        }
        async fn prepare(&self) -> Result<(), WriteError> {
            Ok(())
        }
        fn read(&self, _: &Delivery) -> Result<Vec<SourceEvent>, UnreadablePayload> {
            panic!("boom")
        }
    }

    #[async_trait]
    impl WebhookKeeper for Bomb {
        fn source(&self) -> Source {
            Source::GitHub
        }
        fn facts(&self) -> WebhookFacts {
            panic!("boom")
        }
        async fn list(&self) -> Places<Webhook> {
            panic!("boom")
        }
        async fn register(&self, _: &str, _: &str) -> Places<Webhook> {
            panic!("boom")
        }
        async fn reactivate(&self, _: &Webhook) -> Result<(), WriteError> {
            panic!("boom")
        }
        async fn remove(&self, _: &Webhook) -> Result<(), WriteError> {
            panic!("boom")
        }
        fn test_delivery(&self, _: &Webhook, _: &str) -> SignedDelivery {
            panic!("boom")
        }
        async fn missed(&self, _: &Webhook, _: DateTime<Utc>) -> Result<Vec<Delivery>, WriteError> {
            panic!("boom")
        }
    }

    /// A store with work for every part.
    async fn full_of_work(folder: &tempfile::TempDir) -> Store {
        let store = Store::open(&folder.path().join("ivan.db"), StoreSettings::default()).unwrap();
        let now = Clock::system().now();
        store
            .write(move |tx| {
                people::configure(tx, &[])?;
                let command = NewCommand {
                    person: people::present(tx)?[0].id,
                    surface: Surface::Api,
                    verb: "done",
                    via: None,
                    token: None,
                    typed_at: now,
                    once: None,
                };
                let command = operations::add_command(tx, &command, now)?;
                let task = TaskKey::github(1001, 7);
                operations::add(tx, command, "op", "lane", &Write::Complete { task }, now)?;
                let delivery = Delivery {
                    source: Source::GitHub,
                    dedupe_key: "k".into(),
                    event: "issues".into(),
                    payload: b"{}".to_vec(),
                };
                deliveries::keep(tx, &delivery, now)?;
                deliveries::keep_hook(tx, Source::GitHub, "42", "https://x.example", "s", now)
            })
            .await
            .unwrap();
        store
    }

    /// A panic deep inside any of the real parts ends the daemon: none of them hides it and runs on without that part.
    #[rstest]
    #[case::the_outbox("the outbox")]
    #[case::the_inbox("the inbox")]
    #[case::the_reconciler("the reconciler")]
    #[case::the_watch("the watch over webhooks")]
    #[tokio::test]
    async fn a_panic_anywhere_in_a_part_reaches_the_top(#[case] part: &'static str) {
        let folder = tempfile::tempdir().unwrap();
        let store = full_of_work(&folder).await;
        let (clock, bomb) = (Clock::system(), Arc::new(Bomb));
        let stopping = CancellationToken::new();
        let inbox = Inbox::new(
            store.clone(),
            clock.clone(),
            vec![bomb.clone()],
            vec![bomb.clone()],
            BTreeMap::new(),
        );
        let mirror = Mirror {
            reader: bomb.clone(),
            writer: bomb.clone(),
            configured: vec!["acme/widgets".into()],
        };
        let settings = SyncSettings {
            interval: Duration::from_secs(60),
            full_interval: Duration::from_secs(60),
        };
        let yields = Arc::new(|_| false);
        let reconciler =
            Reconciler::new(store.clone(), clock.clone(), settings, vec![mirror], yields);
        let why = match part {
            "the outbox" => {
                let settings = OutboxSettings {
                    retry_initial: Duration::from_secs(1),
                    retry_max: Duration::from_secs(1),
                    give_up_after: Duration::from_secs(60),
                };
                let outbox = Outbox::new(store, vec![bomb], settings, Weights::default(), clock);
                dies(part, async move { Ok(outbox.run(stopping).await?) }).await
            }
            "the inbox" => {
                let run = async move {
                    inbox.run(stopping).await;
                    Ok(())
                };
                dies(part, run).await
            }
            "the reconciler" => {
                let run = async move {
                    reconciler
                        .keep_up(Source::GitHub, |_, _| std::future::ready(()), stopping)
                        .await;
                    Ok(())
                };
                dies(part, run).await
            }
            _ => {
                let alarms = Alerts::new(store.clone(), clock.clone(), vec![]);
                let keepers: Vec<Arc<dyn WebhookKeeper>> = vec![bomb];
                let gaps = Recovery::new(store, clock, inbox, reconciler, keepers, alarms);
                let run = async move {
                    gaps.run(stopping).await;
                    Ok(())
                };
                dies(part, run).await
            }
        };
        assert!(
            why.starts_with(&format!("{part} stopped unexpectedly: ")),
            "{why}"
        );
        assert!(why.contains("boom"), "{why}");
    }
}
