//! Publishes the Home tabs that people have open, and again after their content changed.
//!
//! It is a task of its own, so that no answer waits for it. A tab that was just opened is published at once. Changes
//! are collected for a moment and published together, and only if the view differs.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use slack_morphism::api::SlackApiViewsPublishRequest;
use slack_morphism::blocks::{SlackBlock, SlackHomeView, SlackView};
use tokio::time::{Instant, sleep_until};

use super::cards::layout_within;
use super::dispatch::{Members, member_of};
use super::web::{Web, WebError, count_refusal, is_about_blocks, unclear};
use super::wire::Published;
use super::{SlackError, Timings, millis};
use crate::domain::card::CardPart;
use crate::domain::reply;
use crate::domain::set_aside::Work;
use crate::mailbox::{HomeTab, Mailbox, StoreError};
use crate::runtime::{Backoff, CancellationToken, RateLimiter, slept};

const PUBLISH: &str = "views.publish";
/// How many are published at once before they are spaced.
const BURST: u32 = 10;
/// Blocks of a Home tab (docs/contracts/slack.md#limits).
const BLOCKS_MAX: usize = 100;

impl Web {
    /// `views.publish`; returns the hash of the new view. With the `hash` of the expected earlier view, it is refused
    /// if another view is there.
    async fn publish(
        &self,
        user: &str,
        blocks: Vec<SlackBlock>,
        hash: Option<&str>,
    ) -> Result<Option<String>, WebError> {
        let view = SlackView::Home(SlackHomeView::new(blocks));
        let request = SlackApiViewsPublishRequest::new(user.into(), view)
            .opt_hash(hash.map(ToOwned::to_owned));
        let published: Published = self.send(PUBLISH, &request).await?;
        match published.ok {
            true => Ok(published.view.hash),
            false => Err(unclear(PUBLISH)),
        }
    }
}

/// Publishes until told to stop. The rest is published after the next start.
pub async fn run(
    mailbox: Mailbox,
    web: Web,
    members: Arc<Members>,
    team: String,
    timings: Arc<Timings>,
    shutdown: CancellationToken,
) -> Result<(), SlackError> {
    let mut publisher = Publisher {
        limiter: RateLimiter::new(timings.home_every, BURST),
        web,
        members,
        team,
        timings,
        mailbox,
        failing: HashMap::new(),
        refused: HashSet::new(),
    };
    let mut store_backoff =
        Backoff::new(publisher.timings.retry_first, publisher.timings.retry_max);
    // At the start all are checked: earlier changes may not have been published.
    let mut look_at = Some(Instant::now());
    loop {
        let now = Instant::now();
        let all = look_at.is_some_and(|at| at <= now)
            || publisher.retries_at().is_some_and(|at| at <= now);
        if all {
            look_at = None;
        }
        let homes = match publisher.bring_suspects(&shutdown).await {
            Ok(true) => publisher.mailbox.homes(all).await,
            Ok(false) => return Ok(()),
            Err(trouble) => Err(trouble),
        };
        match homes {
            Ok(homes) => {
                store_backoff.reset();
                for home in homes {
                    let brings = publisher.bring(home);
                    if shutdown.run_until_cancelled(brings).await.is_none() {
                        return Ok(());
                    }
                }
            }
            Err(trouble) => {
                let wait = store_backoff.next();
                tracing::error!(wait_ms = millis(wait), error = %trouble, "cannot read Home tabs");
                look_at = Some(Instant::now());
                if !slept(wait, &shutdown).await {
                    return Ok(());
                }
                continue;
            }
        }
        let next = look_at.into_iter().chain(publisher.retries_at()).min();
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(()),
            () = publisher.mailbox.signals().homes.notified() => {
                // An opened tab is published at once; other changes are collected for a moment.
                look_at.get_or_insert(Instant::now() + publisher.timings.home_within);
            }
            () = sleep_until(next.unwrap_or(now)), if next.is_some() => {}
        }
    }
}

struct Publisher {
    mailbox: Mailbox,
    web: Web,
    members: Arc<Members>,
    team: String,
    timings: Arc<Timings>,
    limiter: RateLimiter,
    /// The people whose publication failed, and the time of the next attempt.
    failing: HashMap<String, (Backoff, Instant)>,
    /// The people whose tab Slack refuses: left alone until they open it again.
    refused: HashSet<String>,
}

/// The reason why an attempt was not recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Web(#[from] WebError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Publisher {
    /// The time of the next retry.
    fn retries_at(&self) -> Option<Instant> {
        self.failing.values().map(|(_, at)| *at).min()
    }

    /// Publishes suspect tabs, which may have ended the process, one by one; `false` if told to stop.
    async fn bring_suspects(&mut self, shutdown: &CancellationToken) -> Result<bool, StoreError> {
        for user in self.mailbox.suspect_homes() {
            let begun = self
                .mailbox
                .attempts()
                .begin(&Work::Home(user.clone()))
                .await?;
            if let Some(home) = self.mailbox.home(&user).await? {
                let brings = self.bring(home);
                if shutdown.run_until_cancelled(brings).await.is_none() {
                    return Ok(false);
                }
            }
            let done = !self.failing.contains_key(&user);
            self.mailbox.attempts().is_over(begun, done).await;
        }
        Ok(true)
    }

    /// Publishes a Home tab if it changed, or notes the time of the next attempt.
    async fn bring(&mut self, home: HomeTab) {
        let waits = self
            .failing
            .get(&home.user)
            .is_some_and(|(_, at)| *at > Instant::now());
        if waits || (self.refused.contains(&home.user) && !home.due) {
            return;
        }
        let user = home.user.clone();
        let failed = match self.publish(home).await {
            Ok(()) => {
                self.failing.remove(&user);
                return;
            }
            Err(failed) => failed,
        };
        let (first, max) = (self.timings.retry_first, self.timings.retry_max);
        let (backoff, _) = self
            .failing
            .entry(user.clone())
            .or_insert_with(|| (Backoff::new(first, max), Instant::now()));
        let wait = match &failed {
            Failed::Web(WebError::Limited {
                after: Some(after), ..
            }) => (*after).max(first),
            Failed::Web(WebError::Credentials { .. }) => self.timings.alarm_retry,
            Failed::Web(_) | Failed::Store(_) => backoff.next(),
        };
        let at = Instant::now() + wait;
        if let Some((_, tried_at)) = self.failing.get_mut(&user) {
            *tried_at = at;
        }
        if matches!(&failed, Failed::Web(WebError::Limited { method, .. }) if *method == PUBLISH) {
            self.limiter.pause(PUBLISH, at);
        }
        tracing::warn!(person = user, wait_ms = millis(wait), error = %failed, "cannot publish the Home tab yet");
    }

    async fn publish(&mut self, home: HomeTab) -> Result<(), Failed> {
        let is_shown =
            |home: &HomeTab, digest: &String| !home.due && home.digest.as_ref() == Some(digest);
        let blocks = layout_within(&home.parts, BLOCKS_MAX);
        if is_shown(&home, &digest(&blocks)) {
            return Ok(());
        }
        // They may have left since they opened it.
        let member = member_of(&self.web, &self.members, &home.user).await?;
        let home = self.mailbox.home_for(home, &member, &self.team);
        let blocks = layout_within(&home.parts, BLOCKS_MAX);
        let digest = digest(&blocks);
        if is_shown(&home, &digest) {
            return Ok(());
        }
        let mut published = self.try_once(&home, &blocks, home.hash.as_deref()).await;
        if matches!(&published, Err(WebError::Refused { code, .. }) if code == "hash_conflict") {
            // Our last publication was not recorded; no other app publishes here.
            published = self.try_once(&home, &blocks, None).await;
        }
        let (digest, hash) = match published {
            Ok(hash) => {
                self.refused.remove(&home.user);
                (Some(digest), hash)
            }
            Err(error @ WebError::Refused { .. }) => {
                tracing::warn!(person = home.user, %error, "Slack rejected the Home tab; it waits until it is opened again");
                count_refusal(error.code(), "given_up");
                self.refused.insert(home.user.clone());
                (None, self.say_instead(&home, error.code()).await)
            }
            Err(error) => return Err(error.into()),
        };
        let recorded = self
            .mailbox
            .home_published(&home.user, home.version, digest, hash);
        Ok(recorded.await?)
    }

    /// Publishes an error text instead of an outdated view, if Slack refuses the blocks only. Returns its hash.
    async fn say_instead(&mut self, home: &HomeTab, code: &str) -> Option<String> {
        if !is_about_blocks(code) {
            return None;
        }
        let instead = [CardPart::Text(reply::home_refused(code))];
        let blocks = layout_within(&instead, BLOCKS_MAX);
        let said = self.try_once(home, &blocks, None).await;
        said.ok().flatten()
    }

    async fn try_once(
        &mut self,
        home: &HomeTab,
        blocks: &[SlackBlock],
        hash: Option<&str>,
    ) -> Result<Option<String>, WebError> {
        self.limiter.turn(PUBLISH).await;
        self.web.publish(&home.user, blocks.to_vec(), hash).await
    }
}

/// The digest that shows whether a Home tab changed.
fn digest(blocks: &[SlackBlock]) -> String {
    let json = serde_json::to_vec(blocks).unwrap_or_default();
    let digest = Sha256::digest(json);
    hex::encode(digest).chars().take(32).collect()
}
