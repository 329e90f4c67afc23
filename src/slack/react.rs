//! Places our reactions on people's messages, and removes earlier ones.
//!
//! It is a task of its own, so that no answer waits for a reaction. The store has the wanted reactions. Both calls can
//! be repeated, so after a crash they simply are.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use slack_morphism::api::{SlackApiReactionsAddRequest, SlackApiReactionsRemoveRequest};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::web::{Web, WebError, unclear};
use super::wire::Reacted;
use super::{SlackError, Timings, millis, panicked};
use crate::clock::Clock;
use crate::domain::ids::ReactionId;
use crate::domain::set_aside::Work;
use crate::mailbox::{DueReaction, Mailbox, ReactionFate, StoreError};
use crate::runtime::{Backoff, CancellationToken, RateLimiter, slept};
use crate::telemetry::{self, Errand};

const ADD: &str = "reactions.add";
const REMOVE: &str = "reactions.remove";
/// How many reactions go out at once before they are spaced.
const BURST: u32 = 10;
/// How many messages are processed at once.
const AT_ONCE: usize = 8;

impl Web {
    /// `reactions.add`; a reaction that is there already counts as success.
    async fn react(&self, channel: &str, ts: &str, name: &str) -> Result<(), WebError> {
        let request = SlackApiReactionsAddRequest::new(channel.into(), name.into(), ts.into());
        done(ADD, self.send(ADD, &request).await, "already_reacted")
    }

    /// `reactions.remove`; a reaction that is not there counts as success.
    async fn unreact(&self, channel: &str, ts: &str, name: &str) -> Result<(), WebError> {
        let request = SlackApiReactionsRemoveRequest::new(name.into())
            .with_channel(channel.into())
            .with_timestamp(ts.into());
        done(REMOVE, self.send(REMOVE, &request).await, "no_reaction")
    }
}

fn done(
    method: &'static str,
    answer: Result<Reacted, WebError>,
    as_good: &str,
) -> Result<(), WebError> {
    match answer {
        Ok(Reacted { ok: true }) => Ok(()),
        Ok(Reacted { ok: false }) => Err(unclear(method)),
        Err(WebError::Refused { code, .. }) if code == as_good => Ok(()),
        Err(error) => Err(error),
    }
}

/// Places reactions until told to stop; then the remaining ones still go out, if Slack accepts them at once.
///
/// # Errors
/// A panic while one was placed.
pub async fn run(
    mailbox: Mailbox,
    web: Web,
    clock: Clock,
    timings: Arc<Timings>,
    shutdown: CancellationToken,
) -> Result<(), SlackError> {
    let hand = Arc::new(Hand {
        mailbox,
        web,
        clock,
        limiter: RateLimiter::new(timings.react_every, BURST),
        timings,
    });
    let mut store_backoff = hand.backoff();
    let mut running: JoinSet<(ReactionId, bool)> = JoinSet::new();
    let mut at_work: HashSet<ReactionId> = HashSet::new();
    let mut backoffs: HashMap<ReactionId, Backoff> = HashMap::new();
    // Those that failed after the stop: not tried again.
    let mut given_up: HashSet<ReactionId> = HashSet::new();
    let mut finish_by: Option<Instant> = None;
    loop {
        match hand.mailbox.reactions_due().await {
            Ok(due) => {
                store_backoff.reset();
                let known: HashSet<ReactionId> = due.iter().map(|one| one.id).collect();
                backoffs.retain(|id, _| known.contains(id));
                for one in due {
                    if running.len() >= AT_ONCE {
                        break;
                    }
                    if given_up.contains(&one.id) || !at_work.insert(one.id) {
                        continue;
                    }
                    let backoff = backoffs.entry(one.id).or_insert_with(|| hand.backoff());
                    // Computed now, so that the attempt does not need this map; it counts only after a failure.
                    let wait = backoff.next();
                    running.spawn(Arc::clone(&hand).try_once(one, wait, shutdown.clone()));
                }
            }
            Err(trouble) => {
                let wait = store_backoff.next();
                tracing::error!(wait_ms = millis(wait), error = %trouble, "cannot read outgoing reactions");
                if !slept(wait, &shutdown).await {
                    break;
                }
                continue;
            }
        }
        let ended = if let Some(finish_by) = finish_by {
            match timeout_at(finish_by, running.join_next()).await {
                Ok(Some(ended)) => Some(ended),
                Ok(None) | Err(_) => break,
            }
        } else {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => {
                    finish_by = Some(Instant::now() + hand.timings.finish_limit);
                    None
                }
                Some(ended) = running.join_next() => Some(ended),
                () = hand.mailbox.signals().reactions.notified() => None,
            }
        };
        if let Some(ended) = ended {
            let (id, well) = ended.map_err(|error| panicked("react", error))?;
            at_work.remove(&id);
            if well {
                backoffs.remove(&id);
            } else if shutdown.is_cancelled() {
                given_up.insert(id);
            }
        }
    }
    Ok(())
}

struct Hand {
    mailbox: Mailbox,
    web: Web,
    clock: Clock,
    limiter: RateLimiter,
    timings: Arc<Timings>,
}

/// The reason why an attempt was not recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Web(#[from] WebError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Hand {
    fn backoff(&self) -> Backoff {
        Backoff::new(self.timings.retry_first, self.timings.retry_max)
    }

    /// One attempt, and the wait after it if it failed; whether it is recorded.
    async fn try_once(
        self: Arc<Self>,
        due: DueReaction,
        backoff: Duration,
        shutdown: CancellationToken,
    ) -> (ReactionId, bool) {
        let brought = match self.mailbox.attempts().begin(&Work::Reaction(due.id)).await {
            Ok(begun) => {
                let errand = || Errand::Reaction(due.id);
                let work = self.bring(&due);
                let brought = telemetry::on_errand(&self.clock, errand, work).await;
                self.mailbox
                    .attempts()
                    .is_over(begun, brought.is_ok())
                    .await;
                brought
            }
            Err(trouble) => Err(trouble.into()),
        };
        let failed = match brought {
            Ok(()) => return (due.id, true),
            Err(failed) => failed,
        };
        let wait = match &failed {
            Failed::Web(WebError::Limited { after, method }) => {
                let wait = after.map_or(backoff, |after| after.max(self.timings.retry_first));
                self.limiter.pause(method, Instant::now() + wait);
                wait
            }
            Failed::Web(WebError::Credentials { .. }) => self.timings.alarm_retry,
            Failed::Web(_) | Failed::Store(_) => backoff,
        };
        tracing::warn!(reaction = due.id.0, wait_ms = millis(wait), error = %failed, "cannot place the reaction yet");
        slept(wait, &shutdown).await;
        (due.id, false)
    }

    /// Places the wanted reaction, removes our others, and records that; or records that it is impossible.
    async fn bring(&self, due: &DueReaction) -> Result<(), Failed> {
        let error = match self.place(due).await {
            Ok(()) => {
                self.mailbox.reactions_are(None);
                return Ok(());
            }
            Err(Failed::Web(error)) if is_for_good(&error) => error,
            Err(failed) => return Err(failed),
        };
        let why = error.to_string();
        let is_gone =
            matches!(&error, WebError::Refused { code, .. } if code == "message_not_found");
        let lacks_scope = error.lacks_scope();
        if is_gone {
            tracing::info!(reaction = due.id.0, "the reaction's message is gone");
        } else if lacks_scope {
            // Optional: messages replace reactions.
            if self.mailbox.cannot_react() {
                tracing::info!(
                    "the app lacks the scope reactions:write: messages replace reactions; see docs/slack.md"
                );
            }
        } else {
            tracing::warn!(
                reaction = due.id.0,
                error = why,
                "reaction cannot be placed; if it was the whole answer, a message says so instead"
            );
        }
        if matches!(error, WebError::Credentials { .. }) && !lacks_scope {
            self.mailbox.reactions_are(Some(why.clone()));
        }
        self.record(
            due,
            ReactionFate::Dropped {
                why,
                in_words: !is_gone,
            },
        )
        .await
    }

    async fn place(&self, due: &DueReaction) -> Result<(), Failed> {
        let DueReaction { channel, ts, .. } = due;
        let mut stands = due.may_stand.clone();
        if let Some(wanted) = &due.wanted {
            if stands.insert(wanted.clone()) {
                self.record(due, ReactionFate::MayStand(stands.clone()))
                    .await?;
            }
            self.limiter.turn(ADD).await;
            self.web.react(channel, ts, wanted).await?;
        }
        for earlier in &due.may_stand {
            if Some(earlier) != due.wanted.as_ref() {
                self.limiter.turn(REMOVE).await;
                self.web.unreact(channel, ts, earlier).await?;
                stands.remove(earlier);
            }
        }
        let version = due.version;
        self.record(due, ReactionFate::Placed { version, stands })
            .await
    }

    async fn record(&self, due: &DueReaction, fate: ReactionFate) -> Result<(), Failed> {
        Ok(self.mailbox.record_reaction(due.id, fate).await?)
    }
}

/// Whether a retry is pointless until the app gets a scope, or at all. An invalid token is a different case: then
/// nothing works, and it will be repaired.
fn is_for_good(error: &WebError) -> bool {
    match error {
        WebError::Refused { .. } => true,
        WebError::Credentials { code, .. } => {
            matches!(
                code.as_str(),
                "missing_scope" | "no_permission" | "access_denied"
            )
        }
        WebError::Limited { .. } | WebError::NotTaken { .. } | WebError::Unknown { .. } => false,
    }
}
