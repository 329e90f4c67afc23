//! Everything that has a bound (P8), by name: reaching one is counted and said, wherever in the house that is.
//!
//! What happens then is each room's own: it refuses with a reason, or lets the next one wait. Nothing that was accepted
//! is lost for it. `docs/reliability.md` has the table, with the values and what senders and people meet.

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::runtime::lock;

/// How often one bound is said in the log, at most: whoever reaches it reaches it often.
const SAY_EVERY: Duration = Duration::from_secs(60);

/// One bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bound {
    /// Webhook deliveries that wait to be worked off.
    Inbox,
    /// Messages of one person that wait to be acted on.
    Heard,
    /// Writes of one person without an outcome.
    Outbox,
    /// Writes under way at one source at once.
    Attempts,
    /// Writes that wait for the store's writer.
    StoreQueue,
    /// Connections to the API at once.
    ApiConnections,
    /// Connections to the webhook listener at once.
    HookConnections,
    /// The body of a request to the API.
    ApiBody,
    /// `POST /sync` at once.
    Syncs,
    /// A frame of Slack.
    Frame,
    /// Bytes of Slack's envelopes that wait to be committed.
    Envelopes,
    /// People whose messages are acted on at once.
    PeopleAtOnce,
    /// Conversations that are posted to at once.
    ConversationsAtOnce,
    /// Forms that are being opened at once.
    Forms,
    /// People whose name and standing are remembered.
    Members,
    /// The body of a source's answer.
    Answer,
    /// Pages of one walk, one listing or one search.
    Pages,
    /// Failed deliveries that are fetched at one look.
    Missed,
    /// Tasks that a full walk did not meet and that are asked for one by one.
    Unmet,
    /// Webhooks put back to work within an hour.
    Reactivations,
    /// Mentions in one text that is written to a source.
    Mentions,
    /// Items of one list in JSON that a source or Slack wrote.
    Items,
    /// Values in a frame of Slack.
    FrameValues,
}

/// How often a bound was reached, and its line in the log.
struct Reached {
    times: AtomicU64,
    said: LogThrottle,
}

/// Lets one log line through in a minute, and counts the others.
#[derive(Debug)]
pub struct LogThrottle(Mutex<Option<(Instant, u64)>>);

static REACHED: [Reached; Bound::ALL.len()] = [const {
    Reached {
        times: AtomicU64::new(0),
        said: LogThrottle::new(),
    }
}; Bound::ALL.len()];

impl Bound {
    /// All of them.
    pub const ALL: [Bound; 23] = [
        Bound::Inbox,
        Bound::Heard,
        Bound::Outbox,
        Bound::Attempts,
        Bound::StoreQueue,
        Bound::ApiConnections,
        Bound::HookConnections,
        Bound::ApiBody,
        Bound::Syncs,
        Bound::Frame,
        Bound::Envelopes,
        Bound::PeopleAtOnce,
        Bound::ConversationsAtOnce,
        Bound::Forms,
        Bound::Members,
        Bound::Answer,
        Bound::Pages,
        Bound::Missed,
        Bound::Unmet,
        Bound::Reactivations,
        Bound::Mentions,
        Bound::Items,
        Bound::FrameValues,
    ];

    /// The word in metrics and logs.
    pub fn word(self) -> &'static str {
        match self {
            Bound::Inbox => "inbox",
            Bound::Heard => "heard",
            Bound::Outbox => "outbox",
            Bound::Attempts => "attempts",
            Bound::StoreQueue => "store_queue",
            Bound::ApiConnections => "api_connections",
            Bound::HookConnections => "hook_connections",
            Bound::ApiBody => "api_body",
            Bound::Syncs => "syncs",
            Bound::Frame => "frame",
            Bound::Envelopes => "envelopes",
            Bound::PeopleAtOnce => "people_at_once",
            Bound::ConversationsAtOnce => "conversations_at_once",
            Bound::Forms => "forms",
            Bound::Members => "members",
            Bound::Answer => "answer",
            Bound::Pages => "pages",
            Bound::Missed => "missed",
            Bound::Unmet => "unmet",
            Bound::Reactivations => "reactivations",
            Bound::Mentions => "mentions",
            Bound::Items => "items",
            Bound::FrameValues => "frame_values",
        }
    }

    /// It was reached: counts that, and says what follows, seldom enough that nobody can fill the log with it.
    pub fn reached(self, what_follows: impl fmt::Display) {
        let bound = self.word();
        metrics::counter!("ivan_bounds_reached_total", "bound" => bound).increment(1);
        let Some(reached) = REACHED.get(self as usize) else {
            return;
        };
        reached.times.fetch_add(1, Ordering::Relaxed);
        if let Some(unsaid) = reached.said.pass(Instant::now()) {
            tracing::warn!(
                bound,
                unsaid,
                "the bound `{bound}` is reached: {what_follows} ({unsaid} more since the last such line)"
            );
        }
    }

    /// How often this process has reached it.
    pub fn times(self) -> u64 {
        let reached = REACHED.get(self as usize);
        reached.map_or(0, |reached| reached.times.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
impl Bound {
    /// Waits until it was reached so often in all; a bound that is not there fails the test.
    pub(crate) async fn until_reached(self, times: u64) {
        let reached = async {
            while self.times() < times {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let reached = tokio::time::timeout(Duration::from_secs(60), reached).await;
        assert!(
            reached.is_ok(),
            "the bound `{}` is not reached",
            self.word()
        );
    }
}

impl LogThrottle {
    pub const fn new() -> LogThrottle {
        LogThrottle(Mutex::new(None))
    }

    /// `Some`: write the line, and how many were left out since the last one.
    pub fn pass(&self, now: Instant) -> Option<u64> {
        let mut said = lock(&self.0);
        match said.as_mut() {
            Some((at, unsaid)) if now.duration_since(*at) < SAY_EVERY => {
                *unsaid = unsaid.saturating_add(1);
                None
            }
            before => {
                let unsaid = before.map_or(0, |(_, unsaid)| *unsaid);
                *said = Some((now, 0));
                Some(unsaid)
            }
        }
    }
}

impl Default for LogThrottle {
    fn default() -> LogThrottle {
        LogThrottle::new()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_has_a_word_and_a_place_of_its_own() {
        let words: BTreeSet<&str> = Bound::ALL.iter().map(|bound| bound.word()).collect();
        assert_eq!(words.len(), Bound::ALL.len());
        for (place, bound) in Bound::ALL.into_iter().enumerate() {
            assert_eq!(bound as usize, place);
        }
    }

    #[test]
    fn reaching_one_is_counted() {
        let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
        let before = Bound::Members.times();
        metrics::with_local_recorder(&recorder, || {
            Bound::Members.reached("those who were not seen lately are forgotten");
            Bound::Members.reached("those who were not seen lately are forgotten");
        });
        assert!(Bound::Members.times() >= before + 2);
        let text = recorder.handle().render();
        let line = "ivan_bounds_reached_total{bound=\"members\"} 2";
        assert!(text.contains(line), "{text}");
    }

    #[test]
    fn nobody_fills_the_log_with_it() {
        let throttle = LogThrottle::new();
        let begin = Instant::now();
        let said = [0, 1, 59, 60, 62, 200].map(|seconds| {
            let now = begin + Duration::from_secs(seconds);
            throttle.pass(now)
        });
        assert_eq!(said, [Some(0), None, None, Some(2), None, Some(1)]);
    }
}
