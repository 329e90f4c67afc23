//! The connection to Slack, for `status`: its health, missing scopes, and another daemon that seems to use the same
//! Slack app, which is reported to operators.

use tokio::sync::watch;

use super::{Mailbox, ReceiptMode, ThreadReplies};
use crate::commands::{SlackHealth, UnmetScope};
use crate::domain::reply;
use crate::domain::scope::{self, REACT, ScopeInputs};
use crate::store::{StoreError, deliveries, people};

/// The alarm's name for another daemon.
const ABOUT: &str = "slack app shared";

/// The channel messages that need scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenedChannels {
    /// Mentions.
    pub mentions: bool,
    /// `create` without a mention.
    pub bare: bool,
}

/// The first events of a process, which `ivan init` waits for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SlackNews {
    /// Slack was connected.
    pub connected: bool,
    /// Why it is not connected.
    pub trouble: Option<String>,
    /// The first person whose message was answered.
    pub wrote: Option<String>,
}

impl Mailbox {
    /// Sets the state of the connection to Slack, for `status` and `/readyz`.
    pub fn slack_is(&self, health: SlackHealth) {
        self.inner.news.send_if_modified(|news| {
            let before = news.clone();
            news.connected |= health == SlackHealth::Connected;
            news.trouble = match &health {
                SlackHealth::Trouble(why) => Some(why.clone()),
                SlackHealth::Connecting => before.trouble.clone(),
                SlackHealth::Connected => None,
            };
            *news != before
        });
        self.inner.commands.slack_is(health);
    }

    /// The first events of this process.
    pub fn news(&self) -> watch::Receiver<SlackNews> {
        self.inner.news.subscribe()
    }

    /// Notes that a member wrote; only the first one counts.
    pub(super) fn wrote(&self, name: &str) {
        self.inner.news.send_if_modified(|news| {
            let is_first = news.wrote.is_none();
            if is_first {
                news.wrote = Some(name.to_owned());
            }
            is_first
        });
    }

    /// Sets the missing scopes of the Slack app, for `status`.
    pub async fn scopes_are(
        &self,
        granted: impl Fn(&str) -> bool,
        listens: ListenedChannels,
    ) -> Result<Vec<UnmetScope>, StoreError> {
        let (settings, usual) = (
            self.inner.settings.get(),
            self.inner.commands.settings().receipts,
        );
        let somebody = self.inner.store.read(people::somebody_wants_reactions);
        let uses = ScopeInputs {
            mentions: listens.mentions,
            bare: listens.bare,
            reacts: usual == ReceiptMode::Reactions
                || settings.thread_replies == ThreadReplies::Comment
                || somebody.await?,
            emails: settings.finds_by_email,
        };
        let missing = scope::missing(granted, uses);
        self.inner
            .commands
            .live_health()
            .missing_scopes
            .clone_from(&missing);
        Ok(missing)
    }

    /// Records that Slack accepts no reaction of ours, because a scope is missing. Returns whether that is news.
    pub fn cannot_react(&self) -> bool {
        let mut health = self.inner.commands.live_health();
        let news = health.missing_scopes.iter().all(|one| one.scope != REACT);
        if news {
            health.missing_scopes.extend(scope::only(REACT));
        }
        news
    }

    /// Sets, for `status`, why reactions cannot be placed and the remedy; `None` if they can.
    pub fn reactions_are(&self, trouble: Option<String>) {
        let mut health = self.inner.commands.live_health();
        if trouble.is_none() {
            health.missing_scopes.retain(|one| one.scope != REACT);
        }
        health.reactions = trouble;
    }

    /// Records how many links of the app Slack counts beyond ours. Operators are told if it is `sure`, and of its end.
    pub async fn app_is_shared(&self, others: u32, sure: bool) -> Result<(), StoreError> {
        self.inner.commands.live_health().other_links = others;
        let known = self
            .inner
            .store
            .read(|connection| deliveries::is_alarm(connection, ABOUT))
            .await?;
        let (news, words) = match others {
            0 => (known, reply::app_is_ours()),
            others => (sure && !known, reply::app_is_shared(others)),
        };
        if !news {
            return Ok(());
        }
        self.write(move |mail| {
            match others {
                0 => drop(deliveries::all_well(mail.db, ABOUT)?),
                _ => drop(deliveries::alarm(mail.db, ABOUT, mail.now)?),
            }
            tracing::info!("told operators: {}", words.plain());
            mail.tell_operators(&words, &[], None)
        })
        .await
    }
}
