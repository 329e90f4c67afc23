//! Messages that bypass the store while it refuses writes: to operators, and to people whose messages are not stored.
//!
//! All other messages are stored before they are sent. These cannot be, so each is sent at most once per outage and
//! forgotten with the process: a restart during the outage sends it again.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::blocks::mrkdwn;
use super::catch_up::Outage;
use super::web::{Web, WebError};
use super::{SlackChoices, SlackError, Timings};
use crate::clock::Clock;
use crate::domain::reply::{self, Text};
use crate::mailbox::{Conversation, StoreHealth};
use crate::runtime::{Backoff, CancellationToken, Reloadable, slept};

/// Conversations that wait for a notice, and those that get one per outage.
pub const UNKEPT_MAX: usize = 64;
/// Attempts at one such message: Slack may be down as well.
const ATTEMPTS_MAX: u32 = 5;

/// A person's message that could not be stored.
pub struct UnstoredMessage {
    pub conversation: Conversation,
    pub at: Instant,
}

/// The parts needed to send notices.
pub struct DegradedNotices {
    pub health: watch::Receiver<StoreHealth>,
    pub web: Web,
    /// With the operators.
    pub choices: Reloadable<SlackChoices>,
    pub outage: Arc<Outage>,
    pub clock: Clock,
    pub timings: Arc<Timings>,
}

/// Sends notices until `shutdown`.
pub async fn run(
    mut trouble: DegradedNotices,
    mut unkept: mpsc::Receiver<UnstoredMessage>,
    shutdown: CancellationToken,
) -> Result<(), SlackError> {
    let mut told = BTreeSet::new();
    // The start of the outage, while it lasts; and the end of the last one.
    let (mut since, mut over) = (None, None);
    loop {
        let health = trouble.health.borrow_and_update().clone();
        match (&health, since) {
            (StoreHealth::Refusing { since: begun, why }, None) => {
                since = Some(*begun);
                trouble
                    .operators(&reply::store_refuses(why), &shutdown)
                    .await;
            }
            (StoreHealth::Well, Some(begun)) => {
                since = None;
                over = Some(Instant::now());
                told.clear();
                trouble.outage.nothing_was_kept_since(begun);
                trouble.operators(&reply::store_well(), &shutdown).await;
            }
            _ => {}
        }
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(()),
            changed = trouble.health.changed() => if changed.is_err() {
                // The store is gone, and the daemon ends for that.
                shutdown.cancelled().await;
                return Ok(());
            },
            Some(UnstoredMessage { conversation, at }) = unkept.recv() => {
                // A notice that waited until there was room again would be outdated.
                let is_past = over.is_some_and(|over| at < over);
                let is_news = !is_past && told.len() < UNKEPT_MAX && told.insert(conversation.clone());
                if is_news {
                    let words = reply::not_stored();
                    trouble.say(&conversation, &words, &shutdown).await;
                }
            }
        }
    }
}

impl DegradedNotices {
    async fn operators(&self, words: &Text, shutdown: &CancellationToken) {
        for operator in &self.choices.get().operators {
            let conversation = Conversation {
                channel: operator.clone(),
                thread: None,
            };
            self.say(&conversation, words, shutdown).await;
        }
    }

    /// Sends it once: a post with an unknown outcome is not repeated.
    async fn say(
        &self,
        Conversation { channel, thread }: &Conversation,
        words: &Text,
        shutdown: &CancellationToken,
    ) {
        let text = mrkdwn(words);
        let mut backoff = Backoff::new(self.timings.retry_first, self.timings.retry_max);
        for _ in 0..ATTEMPTS_MAX {
            // It belongs to no store, so no store recognizes it.
            let uid = format!(
                "unkept-{}",
                ulid::Ulid::from_datetime(self.clock.now().into())
            );
            let posted = self
                .web
                .post(channel, thread.as_deref(), &text, Vec::new(), &uid)
                .await;
            let error = match posted {
                Ok(_) => return,
                Err(error) => error,
            };
            tracing::warn!(channel, %error, "cannot tell people that the store is unavailable");
            let again = match &error {
                WebError::Limited { after, .. } => after.unwrap_or_else(|| backoff.next()),
                WebError::NotTaken { .. } => backoff.next(),
                WebError::Unknown { .. }
                | WebError::Refused { .. }
                | WebError::Credentials { .. } => return,
            };
            if !slept(again, shutdown).await {
                return;
            }
        }
    }
}
