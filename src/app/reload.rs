//! Changes of `bot.toml` that apply while the daemon runs: on SIGHUP, and for `ivan config reload`.
//!
//! The file is read as at a start, and refused as a whole if it has a mistake. People are written in one transaction; then
//! each part gets its new settings. Work that is under way ends with those that it began with.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::{Mutex, Notify};

use super::{
    Ages, ages, command_settings, mailbox_settings, operators, outbox_settings, roster,
    slack_choices, sync_settings,
};
use crate::commands::Commands;
use crate::config::{Config, ConfigChange, ConfigErrors, ConfigKeys, needs_restart};
use crate::domain::score::Weights;
use crate::http::{ChangedKey, Reload, ReloadRefusal, ReloadReport};
use crate::mailbox::Mailbox;
use crate::outbox::Outbox;
use crate::reconcile::Reconciler;
use crate::recovery::Alerts;
use crate::runtime::{CancellationToken, Reloadable};
use crate::slack::SlackChoices;
use crate::store::{Store, StoreError, Wake, people, schedules};

/// Reads the configuration again, from the same file and environment.
pub type LoadConfig = Arc<dyn Fn() -> Result<Config, ConfigErrors> + Send + Sync>;
/// Changes the level of the log.
pub type SetLogLevel = Box<dyn Fn(&str) + Send + Sync>;

/// The means of a reload that only the binary has.
pub struct Reloading {
    /// Reads the configuration.
    pub load: LoadConfig,
    /// Changes the level of the log.
    pub level: SetLogLevel,
    /// Notified to ask for a reload: by SIGHUP.
    pub asked: Arc<Notify>,
}

/// The parts whose settings are replaced.
#[derive(Clone)]
pub(super) struct Live {
    pub store: Store,
    pub commands: Commands,
    pub mailbox: Mailbox,
    pub outbox: Outbox,
    pub reconciler: Reconciler,
    pub alerts: Alerts,
    pub weights: Reloadable<Weights>,
    pub ages: Reloadable<Ages>,
    pub slack: Option<Reloadable<SlackChoices>>,
}

/// The names of people before and after they were written.
pub(super) struct Enlisted {
    before: Vec<String>,
    after: Vec<String>,
}

impl Enlisted {
    fn added(&self) -> Vec<String> {
        let is_new = |name: &&String| !self.before.contains(name);
        self.after.iter().filter(is_new).cloned().collect()
    }

    fn removed(&self) -> Vec<String> {
        let is_gone = |name: &&String| !self.after.contains(name);
        self.before.iter().filter(is_gone).cloned().collect()
    }
}

/// Writes the people of `bot.toml`, and the usual times of briefings and quiet hours, in one transaction.
pub(super) async fn enlist(store: &Store, config: &Config) -> Result<Enlisted, StoreError> {
    let roster = roster(config);
    let slack = config.slack.as_ref();
    let defaults = slack.map(|slack| slack.rhythm).unwrap_or_default();
    store
        .write(move |tx| {
            let names = || {
                let present = people::present(tx)?;
                let names = present.iter().map(|person| person.name.clone());
                Ok::<Vec<String>, crate::store::DbError>(names.collect())
            };
            let before = names()?;
            schedules::set_defaults(tx, &defaults)?;
            people::enlist(tx, &roster)?;
            tx.wake(Wake::Homes);
            tx.wake(Wake::Newcomers);
            Ok(Enlisted {
                before,
                after: names()?,
            })
        })
        .await
}

impl Live {
    /// Gives each part its settings of this configuration, from the next piece of work on.
    fn follow(&self, config: &Config) {
        let running = self.commands.settings();
        let mut settings = command_settings(config);
        // The sources read the lists and repositories that they began with.
        settings.lists.clone_from(&running.lists);
        settings.repos.clone_from(&running.repos);
        settings.slack = running.slack;
        self.store.follow(config.access.clone(), operators(config));
        self.commands.follow(settings);
        self.mailbox.follow(mailbox_settings(config));
        self.outbox
            .follow(outbox_settings(config), config.queue.score);
        self.reconciler.follow(sync_settings(config));
        self.alerts.follow(operators(config));
        self.weights.set(config.queue.score);
        self.ages.set(ages(config));
        if let (Some(choices), Some(slack)) = (&self.slack, &config.slack) {
            choices.set(slack_choices(slack));
        }
    }
}

/// Reloads one at a time.
pub(super) struct Reloader {
    live: Live,
    with: Reloading,
    keys: Mutex<KnownKeys>,
}

/// The keys of two configurations: of the start, and in force.
struct KnownKeys {
    started: ConfigKeys,
    applied: ConfigKeys,
}

impl Reloader {
    pub(super) fn new(live: Live, config: &Config, with: Reloading) -> Reloader {
        let keys = KnownKeys {
            started: ConfigKeys::of(config),
            applied: ConfigKeys::of(config),
        };
        Reloader {
            live,
            with,
            keys: Mutex::new(keys),
        }
    }

    /// Reloads on each request by signal, until told to stop.
    pub(super) async fn run(&self, stopping: CancellationToken) {
        while stopping
            .run_until_cancelled(self.with.asked.notified())
            .await
            .is_some()
        {
            // The log has the outcome.
            let _logged = self.reloaded().await;
        }
    }

    /// Reloads, and logs the outcome.
    async fn reloaded(&self) -> Result<ReloadReport, ReloadRefusal> {
        let reloaded = self.apply().await;
        match &reloaded {
            Ok(report) => {
                let (changed, restart) = (keys_of(&report.applied), keys_of(&report.restart));
                tracing::info!(
                    changed,
                    people_added = report.people_added.len(),
                    people_removed = report.people_removed.len(),
                    ms = report.ms,
                    "configuration reloaded"
                );
                if !restart.is_empty() {
                    tracing::warn!(keys = restart, "restart Ivan to apply these keys");
                }
            }
            Err(refusal) => {
                let error = refusal.to_string().replace("\n  ", " ");
                tracing::error!(
                    error,
                    "configuration not reloaded; the former stays in force"
                );
            }
        }
        reloaded
    }

    async fn apply(&self) -> Result<ReloadReport, ReloadRefusal> {
        let begun = tokio::time::Instant::now();
        let mut keys = self.keys.lock().await;
        let load = Arc::clone(&self.with.load);
        // Files are read, maybe from a slow disk.
        let loaded = tokio::task::spawn_blocking(move || {
            load().map_err(|errors| ReloadRefusal::Refused(errors.located()))
        });
        let config = loaded
            .await
            .unwrap_or_else(|panic| Err(ReloadRefusal::Failed(panic.to_string())))?;
        let enlisted = enlist(&self.live.store, &config).await;
        let enlisted = enlisted.map_err(|error| ReloadRefusal::Failed(error.to_string()))?;
        self.live.follow(&config);
        (self.with.level)(&config.log.level);
        let newer = ConfigKeys::of(&config);
        let applied = keys.applied.changes(&newer);
        let restart = keys.started.changes(&newer);
        keys.applied = newer;
        Ok(ReloadReport {
            file: config.file().map(|file| file.display().to_string()),
            applied: shown(applied.filter(|change| !needs_restart(&change.key))),
            restart: shown(restart.filter(|change| needs_restart(&change.key))),
            people_added: enlisted.added(),
            people_removed: enlisted.removed(),
            ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        })
    }
}

fn shown(changes: impl Iterator<Item = ConfigChange>) -> Vec<ChangedKey> {
    let shown = |change: ConfigChange| ChangedKey {
        key: change.key,
        from: change.from,
        to: change.to,
    };
    changes.map(shown).collect()
}

fn keys_of(changes: &[ChangedKey]) -> String {
    let keys: Vec<&str> = changes.iter().map(|change| change.key.as_str()).collect();
    keys.join(", ")
}

#[async_trait]
impl Reload for Reloader {
    async fn reload(&self) -> Result<ReloadReport, ReloadRefusal> {
        self.reloaded().await
    }
}
