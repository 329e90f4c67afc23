//! Publishes the Home tabs that people have open, and again when what they show has changed.
//!
//! A task of its own, so that no answer waits for it. One that was just opened goes at once; what changes is gathered
//! for a moment and published together, and only where it looks otherwise than before.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use slack_morphism::api::SlackApiViewsPublishRequest;
use slack_morphism::blocks::{SlackBlock, SlackHomeView, SlackView};
use tokio::time::{Instant, sleep_until};

use super::cards::layout_within;
use super::listen::{Members, member_of};
use super::web::{Web, WebError, count_refusal, is_about_blocks, unclear};
use super::wire::Published;
use super::{SlackError, Timings, millis};
use crate::desk::{Desk, HomeTab, StoreTrouble};
use crate::domain::card::Part;
use crate::domain::reply;
use crate::domain::set_aside::Work;
use crate::runtime::{Backoff, CancellationToken, RateLimiter, slept};

const PUBLISH: &str = "views.publish";
/// So many go at once before they are spaced.
const BURST: u32 = 10;
/// Blocks of a Home tab (contract slack 3.3).
const BLOCKS_MAX: usize = 100;

impl Web {
    /// `views.publish`; returns the hash of what stands there now. With the `hash` of what should stand there before, it
    /// is refused if something else does.
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

/// Publishes until told to stop. What is not published then is after the next start.
pub async fn run(
    desk: Desk,
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
        desk,
        failing: HashMap::new(),
        refused: HashSet::new(),
    };
    let mut store_backoff =
        Backoff::new(publisher.timings.retry_first, publisher.timings.retry_max);
    // At the start everything is looked at: what changed before may not have been published.
    let mut look_at = Some(Instant::now());
    loop {
        let now = Instant::now();
        let all = look_at.is_some_and(|at| at <= now)
            || publisher.retries_at().is_some_and(|at| at <= now);
        if all {
            look_at = None;
        }
        let homes = match publisher.bring_suspects(&shutdown).await {
            Ok(true) => publisher.desk.homes(all).await,
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
                tracing::error!(
                    wait_ms = millis(wait),
                    "what Home tabs show cannot be read: {trouble}"
                );
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
            () = publisher.desk.something_at_home() => {
                // One that was opened is published with the next look; for what changed there may be more to come.
                look_at.get_or_insert(Instant::now() + publisher.timings.home_within);
            }
            () = sleep_until(next.unwrap_or(now)), if next.is_some() => {}
        }
    }
}

struct Publisher {
    desk: Desk,
    web: Web,
    members: Arc<Members>,
    team: String,
    timings: Arc<Timings>,
    limiter: RateLimiter,
    /// Whose publication failed, and when it is tried again.
    failing: HashMap<String, (Backoff, Instant)>,
    /// Whose Slack does not take at all: left alone until they open it again.
    refused: HashSet<String>,
}

/// Why an attempt did not end in a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Web(#[from] WebError),
    #[error(transparent)]
    Store(#[from] StoreTrouble),
}

impl Publisher {
    /// When the next of those that failed is tried again.
    fn retries_at(&self) -> Option<Instant> {
        self.failing.values().map(|(_, at)| *at).min()
    }

    /// Publishes those that may have ended the process, one by one; `false` if told to stop.
    async fn bring_suspects(&mut self, shutdown: &CancellationToken) -> Result<bool, StoreTrouble> {
        for user in self.desk.suspect_homes() {
            let begun = self.desk.begin(&Work::Home(user.clone())).await?;
            if let Some(home) = self.desk.home(&user).await? {
                let brings = self.bring(home);
                if shutdown.run_until_cancelled(brings).await.is_none() {
                    return Ok(false);
                }
            }
            let done = !self.failing.contains_key(&user);
            self.desk.is_over(begun, done).await;
        }
        Ok(true)
    }

    /// Publishes a Home tab, unless it stands there like this; or notes when to try again.
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
        tracing::warn!(
            person = user,
            wait_ms = millis(wait),
            "the Home tab of {user} is not published yet: {failed}"
        );
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
        let home = self.desk.home_for(home, &member, &self.team);
        let blocks = layout_within(&home.parts, BLOCKS_MAX);
        let digest = digest(&blocks);
        if is_shown(&home, &digest) {
            return Ok(());
        }
        let mut published = self.try_once(&home, &blocks, home.hash.as_deref()).await;
        if matches!(&published, Err(WebError::Refused { code, .. }) if code == "hash_conflict") {
            // What we published last was never recorded: nobody else publishes here.
            published = self.try_once(&home, &blocks, None).await;
        }
        let (digest, hash) = match published {
            Ok(hash) => {
                self.refused.remove(&home.user);
                (Some(digest), hash)
            }
            Err(error @ WebError::Refused { .. }) => {
                tracing::warn!(
                    person = home.user,
                    "Slack does not take the Home tab of {}; it is left until it is opened again: {error}",
                    home.user
                );
                count_refusal(error.code(), "given_up");
                self.refused.insert(home.user.clone());
                (None, self.say_instead(&home, error.code()).await)
            }
            Err(error) => return Err(error.into()),
        };
        let recorded = self
            .desk
            .home_published(&home.user, home.version, digest, hash);
        Ok(recorded.await?)
    }

    /// What stands there may be old: it says so instead, where Slack refuses only what is drawn. The hash of that.
    async fn say_instead(&mut self, home: &HomeTab, code: &str) -> Option<String> {
        if !is_about_blocks(code) {
            return None;
        }
        let instead = [Part::Text(reply::home_refused(code))];
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

/// By which it is known whether a Home tab looks otherwise.
fn digest(blocks: &[SlackBlock]) -> String {
    let json = serde_json::to_vec(blocks).unwrap_or_default();
    let digest = Sha256::digest(json);
    hex::encode(digest).chars().take(32).collect()
}
