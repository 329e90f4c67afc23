//! What was said in DMs while no link was open for longer than Slack repeats events (contract slack 1.6): it is read from
//! their history. Young commands go the way of every message; older ones are listed and asked about.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::gate::{self, Own};
use super::web::{Web, WebError};
use super::wire::Callback;
use super::{ChannelCommands, SlackError, told_to_stop};
use crate::clock::Clock;
use crate::desk::{Desk, Heard, SlackHealth};

/// A command that is older than this is not acted on without asking.
const STILL_MEANT: chrono::Duration = chrono::Duration::minutes(10);
/// How far Slack's clock and ours may be apart; what is read twice is known by its keys.
const CLOCKS_APART: chrono::Duration = chrono::Duration::minutes(2);
/// Where nothing is known of a DM, its history is read this far back.
const AT_MOST: chrono::Duration = chrono::Duration::hours(24);

/// Whether the time without a link was long enough for events to be lost.
pub struct Outage {
    longer_than: Duration,
    /// What was heard last in each DM before the first link: what comes over it must not hide what was missed.
    before: BTreeMap<String, DateTime<Utc>>,
    state: Mutex<Link>,
    /// When the last long one began; `None` for the time before the first link.
    began: Mutex<Option<Instant>>,
    over: Notify,
}

#[derive(Debug, Clone, Copy)]
enum Link {
    /// Since the start: how long nobody was connected before is not known.
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
            began: Mutex::default(),
            over: Notify::new(),
        }
    }

    /// The store took nothing since then, and does again: what Slack delivered meanwhile was not kept.
    pub fn nothing_was_kept_since(&self, since: Instant) {
        if since.elapsed() > self.longer_than {
            *self.began.lock().unwrap_or_else(PoisonError::into_inner) = Some(since);
            self.over.notify_one();
        }
    }

    /// The link is up or not; a long outage that ends here is worth a look.
    pub fn now(&self, health: &SlackHealth, at: Instant) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let connected = *health == SlackHealth::Connected;
        let long = match *state {
            Link::Never => true,
            Link::Up => false,
            Link::Down(since) => at.duration_since(since) > self.longer_than,
        };
        match (connected, *state) {
            (true, before) => {
                *state = Link::Up;
                if long {
                    *self.began.lock().unwrap_or_else(PoisonError::into_inner) = match before {
                        Link::Down(since) => Some(since),
                        Link::Never | Link::Up => None,
                    };
                    self.over.notify_one();
                }
            }
            (false, Link::Up) => *state = Link::Down(at),
            (false, _) => {}
        }
    }
}

/// Reads what was missed whenever a long outage has ended, until `shutdown`.
pub async fn run(
    outage: Arc<Outage>,
    desk: Desk,
    web: Web,
    own: Own,
    clock: Clock,
    mut shutdown: watch::Receiver<bool>,
) -> Result<(), SlackError> {
    loop {
        tokio::select! {
            biased;
            () = told_to_stop(&mut shutdown) => return Ok(()),
            () = outage.over.notified() => {}
        }
        let dms = match desk.dms().await {
            Ok(dms) => dms,
            Err(trouble) => {
                tracing::error!(error = %trouble, "what was said meanwhile is not read: {trouble}");
                continue;
            }
        };
        let now = clock.now();
        let began = *outage.began.lock().unwrap_or_else(PoisonError::into_inner);
        for (channel, _) in dms {
            let since = match began {
                Some(began) => {
                    let away = chrono::Duration::from_std(began.elapsed()).unwrap_or(AT_MOST);
                    now - away.min(AT_MOST) - CLOCKS_APART
                }
                None => outage
                    .before
                    .get(&channel)
                    .copied()
                    .unwrap_or(now - AT_MOST),
            };
            let read = tokio::select! {
                biased;
                () = told_to_stop(&mut shutdown) => return Ok(()),
                read = web.said_since(&channel, since) => read,
            };
            match read {
                Ok(messages) => take(&desk, &own, &channel, messages, clock.now()).await,
                Err(WebError::Credentials { code, .. }) => {
                    tracing::warn!(
                        code,
                        "DMs' history may not be read: what was said while I was away is lost unless Slack repeats it"
                    );
                    break;
                }
                Err(error) => {
                    tracing::warn!(channel, "the history of {channel} was not read: {error}");
                }
            }
        }
    }
}

async fn take(desk: &Desk, own: &Own, channel: &str, messages: Vec<Value>, now: DateTime<Utc>) {
    let mut old = Vec::new();
    for message in messages {
        let Some((heard, raw)) = heard(own, channel, message) else {
            continue;
        };
        if now - heard.said_at > STILL_MEANT {
            old.push((heard, raw));
        } else if let Err(trouble) = desk.keep(heard, raw).await {
            tracing::error!(error = %trouble, "what was said meanwhile was not kept: {trouble}");
        }
    }
    if !old.is_empty()
        && let Err(trouble) = desk.ask_about(channel, old).await
    {
        tracing::error!(error = %trouble, "what was said long ago was not asked about: {trouble}");
    }
}

/// A message of the history as the event that it would have been.
fn heard(own: &Own, channel: &str, mut message: Value) -> Option<(Heard, String)> {
    let event = message.as_object_mut()?;
    event.insert("channel".to_owned(), json!(channel));
    event.insert("channel_type".to_owned(), json!("im"));
    let payload = json!({"type": "event_callback", "event": message});
    let raw = payload.to_string();
    let callback = Callback::read(payload);
    let heard = gate::pass(&callback, own, ChannelCommands::Off).ok()?;
    Some((heard, raw))
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
