//! Recovery of DM messages that never arrived. No link was open for longer than Slack repeats events (docs/contracts/slack.md#redelivery), or Slack lost events while one was. They are read from the DMs' history. Recent commands are processed like
//! any message; older ones are listed for confirmation. `compare` decides which DM is read when.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::compare::{Compare, DueDm};
use super::filter::{self, BotIdentity};
use super::text::instant;
use super::web::{Web, WebError};
use super::wire::Callback;
use super::{ChannelCommands, SlackError, Timings, millis};
use crate::clock::Clock;
use crate::domain::reply::SlackHealth;
use crate::domain::set_aside::Work;
use crate::limits::LogThrottle;
use crate::mailbox::{IncomingMessage, Mailbox, StoreError, Traces};
use crate::runtime::{Backoff, CancellationToken, lock, slept};

/// The age beyond which a command is not processed without asking.
const STILL_MEANT: chrono::Duration = chrono::Duration::minutes(10);
/// How far before the last compared message a history is read again.
const OVERLAP: chrono::Duration = chrono::Duration::minutes(1);
/// How far before the last received message the history of a never compared DM is read.
const LOOK_BACK: chrono::Duration = chrono::Duration::hours(1);
/// The furthest back that a history is read.
const AT_MOST: chrono::Duration = chrono::Duration::hours(24);
/// The minimum time between comparisons of all DMs because a message was found missing.
const SWEEP_PAUSE: Duration = Duration::from_secs(600);
/// The wait before a DM whose history is set aside is tried again.
const RESTS_AGAIN: Duration = Duration::from_secs(60);

/// Detects outages of the link that are long enough for lost events.
pub struct Outage {
    longer_than: Duration,
    /// The last received message of each DM before the first link. Messages over that link must not hide earlier gaps.
    before: BTreeMap<String, DateTime<Utc>>,
    state: Mutex<Link>,
    over: Notify,
}

#[derive(Debug, Clone, Copy)]
enum Link {
    /// Not since the start: the length of the outage before is unknown.
    Never,
    Up,
    Down(Instant),
}

impl Outage {
    pub fn new(longer_than: Duration, before: BTreeMap<String, DateTime<Utc>>) -> Outage {
        Outage {
            longer_than,
            before,
            state: Mutex::new(Link::Never),
            over: Notify::new(),
        }
    }

    /// Reports that the store refused writes since then and accepts them again. Messages of that time were not stored.
    pub fn nothing_was_kept_since(&self, since: Instant) {
        if since.elapsed() > self.longer_than {
            self.over.notify_one();
        }
    }

    /// Slack reported that it left out events.
    pub fn events_are_left_out(&self) {
        self.over.notify_one();
    }

    /// Reports whether the link is up. The end of a long outage triggers a comparison.
    pub fn now(&self, health: &SlackHealth, at: Instant) {
        let mut state = lock(&self.state);
        let connected = *health == SlackHealth::Connected;
        let long = match *state {
            Link::Never => true,
            Link::Up => false,
            Link::Down(since) => at.duration_since(since) > self.longer_than,
        };
        match (connected, *state) {
            (true, _) => {
                *state = Link::Up;
                if long {
                    self.over.notify_one();
                }
            }
            (false, Link::Up) => *state = Link::Down(at),
            (false, _) => {}
        }
    }
}

/// Compares DMs with their history.
pub struct CatchUp {
    pub outage: Arc<Outage>,
    pub compare: Arc<Compare>,
    pub mailbox: Mailbox,
    pub web: Web,
    pub own: BotIdentity,
    pub clock: Clock,
    /// The start of the daemon.
    pub started: DateTime<Utc>,
    pub timings: Arc<Timings>,
}

/// The result of a comparison.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    /// Messages that are processed.
    kept: usize,
    /// Messages that need confirmation.
    asked: usize,
    /// Whether some were too recent to count as missing.
    young: bool,
}

/// Compares each DM that is due, until `shutdown`.
pub async fn run(catch_up: CatchUp, shutdown: CancellationToken) -> Result<(), SlackError> {
    let (failures, mut backoff) = (LogThrottle::new(), catch_up.backoff());
    let mut swept: Option<Instant> = None;
    // When the DMs without any received message are listed.
    let mut list_at: Option<Instant> = None;
    let mut lacks_scope = false;
    // DMs whose history ended the process twice: they are left alone for a while.
    let mut rest: BTreeMap<String, DueDm> = BTreeMap::new();
    let mut retried = catch_up.mailbox.attempts().retried();
    loop {
        let next = tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(()),
            Ok(()) = retried.changed() => {
                for look in std::mem::take(&mut rest).into_values() {
                    catch_up.compare.not_compared(&look, false, Instant::now());
                }
                continue;
            }
            () = catch_up.outage.over.notified() => Next::All,
            next = catch_up.next(list_at) => next,
        };
        let look = match next {
            Next::All => {
                swept = Some(Instant::now());
                list_at = swept;
                if let Err(trouble) = catch_up.all().await {
                    tracing::error!(error = %trouble, "cannot read which DMs to catch up on");
                    catch_up.outage.over.notify_one();
                    if !slept(backoff.next(), &shutdown).await {
                        return Ok(());
                    }
                }
                continue;
            }
            Next::Unheard => {
                let listing = shutdown.run_until_cancelled(catch_up.unheard());
                let Some(listed) = listing.await else {
                    return Ok(());
                };
                list_at = match listed {
                    Ok(()) => None,
                    Err(Failed::Web(error)) if error.lacks_scope() => {
                        if !lacks_scope {
                            tracing::info!(
                                "the app lacks the scope im:read: first messages of people who wrote while Ivan was \
                                 offline are not found; see docs/slack.md"
                            );
                        }
                        lacks_scope = true;
                        None
                    }
                    Err(error) => {
                        let wait = match &error {
                            Failed::Web(WebError::Limited { after, .. }) => {
                                after.unwrap_or_else(|| backoff.next())
                            }
                            Failed::Web(
                                WebError::Credentials { .. } | WebError::Refused { .. },
                            ) => catch_up.timings.alarm_retry,
                            Failed::Web(WebError::NotTaken { .. } | WebError::Unknown { .. })
                            | Failed::Store(_) => backoff.next(),
                        };
                        tracing::debug!(wait_ms = millis(wait), %error, "cannot list the app's DMs yet");
                        Some(Instant::now() + wait)
                    }
                };
                continue;
            }
            Next::Dm(look) => look,
        };
        let channel = look.channel.clone();
        if catch_up
            .mailbox
            .attempts()
            .rests(&Work::History(channel.clone()))
        {
            let again = Instant::now() + RESTS_AGAIN;
            catch_up.compare.not_compared(&look, false, again);
            rest.insert(channel, look);
            continue;
        }
        let comparing = shutdown.run_until_cancelled(catch_up.compare(&look));
        let Some(compared) = comparing.await else {
            return Ok(());
        };
        let now = Instant::now();
        let error = match compared {
            Ok(found) => {
                backoff.reset();
                let is_any_found = found.kept + found.asked > 0;
                if is_any_found {
                    catch_up.compare.used(&channel, now);
                }
                catch_up.compare.compared(&channel, found.young, now);
                if found.young && look.far_back {
                    catch_up.compare.far_back_again(&channel);
                }
                if is_any_found {
                    found.is_said(&channel);
                    catch_up.compare.doubts(now);
                    if swept.is_none_or(|last| now.duration_since(last) > SWEEP_PAUSE) {
                        catch_up.outage.over.notify_one();
                    }
                }
                continue;
            }
            Err(error) => error,
        };
        // The limit, the token and the store are the same for all DMs; other failures may affect this one alone.
        let (wait, of_all) = match &error {
            Failed::Web(WebError::Limited { after, .. }) => {
                (after.unwrap_or_else(|| backoff.next()), true)
            }
            Failed::Web(WebError::Credentials { .. }) => (catch_up.timings.alarm_retry, true),
            Failed::Store(_) => (backoff.next(), true),
            Failed::Web(WebError::NotTaken { .. } | WebError::Unknown { .. }) => {
                (backoff.next(), false)
            }
            // A final refusal: there is no history to compare with.
            Failed::Web(WebError::Refused { .. }) => {
                tracing::warn!(channel, %error, "history not read");
                catch_up.compare.compared(&channel, false, now);
                continue;
            }
        };
        catch_up.compare.not_compared(&look, of_all, now + wait);
        if let Some(unsaid) = failures.pass(now) {
            tracing::warn!(channel, suppressed = unsaid, wait_ms = millis(wait), %error, "cannot compare DMs with their history yet");
        }
        if of_all && !slept(wait, &shutdown).await {
            return Ok(());
        }
    }
}

/// The next step.
enum Next {
    /// All DMs are due.
    All,
    /// List the DMs without any received message.
    Unheard,
    Dm(DueDm),
}

/// The reason why a DM was not compared.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Web(#[from] WebError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Found {
    /// Logs and counts the messages that Slack did not deliver.
    fn is_said(&self, channel: &str) {
        let Found { kept, asked, .. } = self;
        for (result, count) in [("acted_on", *kept), ("asked_about", *asked)] {
            let count = u64::try_from(count).unwrap_or(u64::MAX);
            metrics::counter!("ivan_slack_found_in_history_total", "result" => result)
                .increment(count);
        }
        tracing::warn!(
            channel,
            acted_on = kept,
            asked_about = asked,
            "found messages that Slack did not deliver"
        );
    }
}

impl CatchUp {
    fn backoff(&self) -> Backoff {
        Backoff::new(self.timings.retry_first, self.timings.retry_max)
    }

    /// The next DM that is due, or the listing if it is. Neither delays the other for long.
    async fn next(&self, list_at: Option<Instant>) -> Next {
        let listing = async {
            match list_at {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            look = self.compare.next() => Next::Dm(look),
            () = listing => Next::Unheard,
        }
    }

    /// Makes every DM of the app that is not in the store due as well, since it may hold a person's first message.
    async fn unheard(&self) -> Result<(), Failed> {
        let listed = self.web.dms().await?;
        let known = self.mailbox.dms().await?;
        let known: BTreeSet<String> = known.into_iter().map(|(channel, _)| channel).collect();
        let unheard = listed
            .into_iter()
            .filter(|channel| !known.contains(channel));
        self.compare.unheard(unheard, Instant::now());
        Ok(())
    }

    /// Makes every DM due, those with the newest messages first.
    async fn all(&self) -> Result<(), StoreError> {
        if let Err(trouble) = self.mailbox.slack_begins(self.started).await {
            tracing::debug!(error = %trouble, "the start of the store's time is not recorded yet");
        }
        let mut dms = self.mailbox.dms().await?;
        dms.sort_by_key(|(_, last)| std::cmp::Reverse(*last));
        let now = self.clock.now();
        let known = dms.into_iter().map(|(channel, last)| {
            let quiet_for = last.map(|last| (now - last).to_std().unwrap_or_default());
            (channel, quiet_for)
        });
        self.compare.all(known, Instant::now());
        Ok(())
    }

    /// The time from which a DM's history is read.
    async fn since(&self, channel: &str) -> Result<DateTime<Utc>, StoreError> {
        let known = self.mailbox.compared_up_to(channel).await?;
        let since = match (known.up_to, self.outage.before.get(channel)) {
            (Some(up_to), _) => Some(up_to - OVERLAP),
            // Messages over the new link must not hide earlier gaps.
            (None, Some(last)) => Some(*last - LOOK_BACK),
            // Messages from before this store was connected to Slack do not count.
            (None, None) => {
                let begins = [known.first_heard, known.since].into_iter().flatten();
                Some(begins.fold(self.started, |first, one| first.min(one)))
            }
        };
        let floor = self.clock.now() - AT_MOST;
        Ok(since.map_or(floor, |since| since.max(floor)))
    }

    /// Reads the history of a DM, and processes or lists the missing messages. Its start is committed before.
    async fn compare(&self, look: &DueDm) -> Result<Found, Failed> {
        let work = Work::History(look.channel.clone());
        let begun = self.mailbox.attempts().begin(&work).await?;
        let found = self.compare_now(&look.channel, look.far_back).await;
        self.mailbox.attempts().is_over(begun, found.is_ok()).await;
        found
    }

    async fn compare_now(&self, channel: &str, far_back: bool) -> Result<Found, Failed> {
        let since = self.since(channel).await?;
        let messages = self.web.said_since(channel, since, far_back).await?;
        let now = self.clock.now();
        let newest = messages.iter().filter_map(said_at).max();
        let heard = messages
            .into_iter()
            .filter_map(|message| self.heard(channel, message));
        let missing = self.mailbox.unknown(heard.collect()).await?;
        if !missing.is_empty() {
            // A post that the store lacks shows that it was put back.
            let posts = self.web.own_posts(channel, None).await?;
            self.mailbox.compare_posts(posts).await?;
        }
        let mut found = Found::default();
        let (mut old, mut up_to) = (Vec::new(), newest);
        let mut read: BTreeMap<Option<String>, Traces> = BTreeMap::new();
        for (heard, raw) in missing {
            let age = now - heard.said_at;
            // In a lost time it may have been answered, by a state of the store that is gone.
            if self.mailbox.is_of_lost_time(&heard) {
                if !read.contains_key(&heard.thread) {
                    let traces = self.web.traces(channel, heard.thread.as_deref()).await?;
                    read.insert(heard.thread.clone(), traces);
                }
                if read
                    .get(&heard.thread)
                    .is_some_and(|traces| traces.answers(&heard))
                {
                    self.mailbox.keep_answered(heard, raw.text).await?;
                    continue;
                }
            }
            // It may still be on its way, and the following ones are more recent.
            if age < self.in_flight_for() {
                found.young = true;
                up_to = Some(heard.said_at - chrono::Duration::microseconds(1));
                break;
            }
            // The original text of an edited message is unknown.
            if age > STILL_MEANT || raw.edited {
                old.push((heard, raw.text));
            } else {
                self.mailbox.keep(heard, raw.text, false).await?;
                found.kept += 1;
            }
        }
        found.asked = old.len();
        if !old.is_empty() {
            self.mailbox.ask_about(channel, old).await?;
        }
        if let Some(up_to) = up_to {
            self.mailbox.compared(channel, up_to).await?;
        }
        Ok(found)
    }

    fn in_flight_for(&self) -> chrono::Duration {
        let timings = &self.timings;
        let limit = timings.in_flight_for.min(timings.compare_every);
        chrono::Duration::from_std(limit).unwrap_or(OVERLAP)
    }

    /// A message of the history, converted to the event that was lost.
    fn heard(&self, channel: &str, mut message: Value) -> Option<(IncomingMessage, RawMessage)> {
        let event = message.as_object_mut()?;
        let edited = event.contains_key("edited");
        event.insert("channel".to_owned(), json!(channel));
        event.insert("channel_type".to_owned(), json!("im"));
        let payload = json!({"type": "event_callback", "event": message});
        let text = payload.to_string();
        let callback = Callback::read(payload);
        let heard = filter::pass(&callback, &self.own, ChannelCommands::Off).ok()?;
        Some((heard, RawMessage { text, edited }))
    }
}

/// A message of the history, as it is stored.
#[derive(Debug, Clone)]
pub struct RawMessage {
    pub text: String,
    /// Whether it was edited since it was sent.
    pub edited: bool,
}

/// Slack's time of a message.
fn said_at(message: &Value) -> Option<DateTime<Utc>> {
    instant(message.get("ts")?.as_str()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn is_over(outage: &Outage) -> bool {
        tokio::time::timeout(Duration::ZERO, outage.over.notified())
            .await
            .is_ok()
    }

    #[tokio::test]
    async fn a_store_that_took_nothing_for_long_is_an_outage_too() {
        let outage = Outage::new(Duration::from_millis(20), BTreeMap::new());
        outage.nothing_was_kept_since(Instant::now());
        assert!(
            !is_over(&outage).await,
            "Slack still repeats what was not kept"
        );
        let since = Instant::now();
        tokio::time::sleep(Duration::from_millis(30)).await;
        outage.nothing_was_kept_since(since);
        assert!(is_over(&outage).await);
    }

    #[tokio::test]
    async fn only_a_long_outage_is_looked_into() {
        let outage = Outage::new(Duration::from_secs(300), BTreeMap::new());
        let trouble = SlackHealth::Trouble("away".into());
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        outage.now(&SlackHealth::Connecting, at(0));
        assert!(!is_over(&outage).await);
        outage.now(&SlackHealth::Connected, at(1));
        assert!(
            is_over(&outage).await,
            "the first link: the time before it is unknown"
        );
        outage.now(&SlackHealth::Connecting, at(100));
        outage.now(&SlackHealth::Connected, at(399));
        assert!(
            !is_over(&outage).await,
            "Slack still repeats what was missed"
        );
        outage.now(&trouble, at(1_000));
        outage.now(&SlackHealth::Connecting, at(1_200));
        outage.now(&SlackHealth::Connected, at(1_400));
        assert!(is_over(&outage).await);
    }
}
