//! Every limit (P8) by name. Reaching a limit is counted and logged here.
//!
//! The module that reaches it decides the effect: it refuses with a reason, or makes the next request wait. Accepted
//! work is never lost. `docs/reliability.md` has the table with the values and their effects on senders and people.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::runtime::lock;

/// The minimum time between two log lines about the same limit, since one is often reached many times in a row.
const SAY_EVERY: Duration = Duration::from_secs(60);
/// How many reasons have a log line of their own at one place in the code.
const REASONS_MAX: usize = 8;

/// One bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Limit {
    /// Webhook deliveries that wait to be processed.
    Inbox,
    /// Messages of one person that wait to be processed.
    Heard,
    /// Writes of one person without an outcome.
    Outbox,
    /// Concurrent writes to one source.
    Attempts,
    /// Writes that wait for the store's writer thread.
    StoreQueue,
    /// Concurrent connections to the API.
    ApiConnections,
    /// Concurrent connections to the webhook listener.
    HookConnections,
    /// Concurrent connections from one address.
    AddressConnections,
    /// Bytes of one request body at the API.
    ApiBody,
    /// Concurrent `POST /sync` requests.
    Syncs,
    /// Bytes of one frame from Slack.
    Frame,
    /// Bytes of Slack envelopes that wait to be committed.
    Envelopes,
    /// People whose messages are processed concurrently.
    PeopleAtOnce,
    /// Conversations that are posted to concurrently.
    ConversationsAtOnce,
    /// Forms that are being opened concurrently.
    Forms,
    /// People whose name and account status are cached.
    Members,
    /// Bytes of one response body from a source or Slack.
    Answer,
    /// Pages of one walk, listing or search.
    Pages,
    /// Failed deliveries that are fetched in one check.
    Missed,
    /// Tasks that a full walk did not find and that are requested one by one.
    Unmet,
    /// Webhook reactivations per hour.
    Reactivations,
    /// Mentions in one text that is written to a source.
    Mentions,
    /// Items of one JSON list from a source or Slack.
    Items,
    /// JSON values in one frame from Slack, or in one part of an answer.
    FrameValues,
    /// Bytes of one text in the JSON of a source.
    Text,
    /// Requests of one person to link an account.
    LinkTries,
    /// Logins of command lines that wait for their person.
    Logins,
    /// Wrong codes of logins by one person.
    LoginCodes,
    /// Tokens of the API that one person made.
    PersonalTokens,
    /// Members whom operators have not answered about.
    Arrivals,
    /// Links to the status page, and sessions of it.
    PageSessions,
    /// Files of one message that are linked.
    Files,
}

/// How often a limit was reached, and the throttle of its log line.
struct Reached {
    times: AtomicU64,
    said: LogThrottle,
}

/// Passes one log line a minute and counts the others.
#[derive(Debug)]
pub struct LogThrottle(Mutex<Option<(Instant, u64)>>);

/// A [`LogThrottle`] for each reason, so that a frequent reason does not hide another. Reasons may come from outside:
/// those beyond the first few share a line.
#[derive(Debug)]
pub struct ReasonThrottle {
    of: Mutex<BTreeMap<String, LogThrottle>>,
    others: LogThrottle,
}

static REACHED: [Reached; Limit::ALL.len()] = [const {
    Reached {
        times: AtomicU64::new(0),
        said: LogThrottle::new(),
    }
}; Limit::ALL.len()];

impl Limit {
    /// All limits.
    pub const ALL: [Limit; 32] = [
        Limit::Inbox,
        Limit::Heard,
        Limit::Outbox,
        Limit::Attempts,
        Limit::StoreQueue,
        Limit::ApiConnections,
        Limit::HookConnections,
        Limit::AddressConnections,
        Limit::ApiBody,
        Limit::Syncs,
        Limit::Frame,
        Limit::Envelopes,
        Limit::PeopleAtOnce,
        Limit::ConversationsAtOnce,
        Limit::Forms,
        Limit::Members,
        Limit::Answer,
        Limit::Pages,
        Limit::Missed,
        Limit::Unmet,
        Limit::Reactivations,
        Limit::Mentions,
        Limit::Items,
        Limit::FrameValues,
        Limit::Text,
        Limit::LinkTries,
        Limit::Logins,
        Limit::LoginCodes,
        Limit::PersonalTokens,
        Limit::Arrivals,
        Limit::PageSessions,
        Limit::Files,
    ];

    /// The name in metrics and logs.
    pub fn word(self) -> &'static str {
        match self {
            Limit::Inbox => "inbox",
            Limit::Heard => "heard",
            Limit::Outbox => "outbox",
            Limit::Attempts => "attempts",
            Limit::StoreQueue => "store_queue",
            Limit::ApiConnections => "api_connections",
            Limit::HookConnections => "hook_connections",
            Limit::AddressConnections => "address_connections",
            Limit::ApiBody => "api_body",
            Limit::Syncs => "syncs",
            Limit::Frame => "frame",
            Limit::Envelopes => "envelopes",
            Limit::PeopleAtOnce => "people_at_once",
            Limit::ConversationsAtOnce => "conversations_at_once",
            Limit::Forms => "forms",
            Limit::Members => "members",
            Limit::Answer => "answer",
            Limit::Pages => "pages",
            Limit::Missed => "missed",
            Limit::Unmet => "unmet",
            Limit::Reactivations => "reactivations",
            Limit::Mentions => "mentions",
            Limit::Items => "items",
            Limit::FrameValues => "frame_values",
            Limit::Text => "text",
            Limit::LinkTries => "link_tries",
            Limit::Logins => "logins",
            Limit::LoginCodes => "login_codes",
            Limit::PersonalTokens => "personal_tokens",
            Limit::Arrivals => "arrivals",
            Limit::PageSessions => "page_sessions",
            Limit::Files => "files",
        }
    }

    /// Counts that the limit was reached and logs the effect, throttled so that no sender can fill the log.
    pub fn reached(self, what_follows: impl fmt::Display) {
        let bound = self.word();
        metrics::counter!("ivan_bounds_reached_total", "bound" => bound).increment(1);
        let Some(reached) = REACHED.get(self as usize) else {
            return;
        };
        reached.times.fetch_add(1, Ordering::Relaxed);
        if let Some(suppressed) = reached.said.pass(Instant::now()) {
            tracing::warn!(bound, suppressed, "limit reached: {what_follows}");
        }
    }

    /// How often this process reached the limit.
    pub fn times(self) -> u64 {
        let reached = REACHED.get(self as usize);
        reached.map_or(0, |reached| reached.times.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
impl Limit {
    /// Waits until the limit was reached `times` times in all; fails the test if that does not happen.
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
    /// A throttle that lets the first line pass.
    pub const fn new() -> LogThrottle {
        LogThrottle(Mutex::new(None))
    }

    /// Returns `Some` if the line is to be written, with the number of lines skipped since the last one.
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

impl LogThrottle {
    /// Whether a line would be skipped now.
    pub fn is_held(&self, now: Instant) -> bool {
        let said = lock(&self.0);
        said.is_some_and(|(at, _)| now.duration_since(at) < SAY_EVERY)
    }
}

impl Default for LogThrottle {
    fn default() -> LogThrottle {
        LogThrottle::new()
    }
}

impl ReasonThrottle {
    /// A throttle that lets the first line of each reason pass.
    pub const fn new() -> ReasonThrottle {
        ReasonThrottle {
            of: Mutex::new(BTreeMap::new()),
            others: LogThrottle::new(),
        }
    }

    /// As [`LogThrottle::pass`], for a line with this reason.
    pub fn pass(&self, reason: &str, now: Instant) -> Option<u64> {
        let mut of = lock(&self.of);
        if of.len() >= REASONS_MAX && !of.contains_key(reason) {
            of.retain(|_, throttle| throttle.is_held(now));
        }
        if of.len() >= REASONS_MAX && !of.contains_key(reason) {
            return self.others.pass(now);
        }
        of.entry(reason.to_owned()).or_default().pass(now)
    }
}

impl Default for ReasonThrottle {
    fn default() -> ReasonThrottle {
        ReasonThrottle::new()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_has_a_word_and_a_place_of_its_own() {
        let words: BTreeSet<&str> = Limit::ALL.iter().map(|bound| bound.word()).collect();
        assert_eq!(words.len(), Limit::ALL.len());
        for (place, bound) in Limit::ALL.into_iter().enumerate() {
            assert_eq!(bound as usize, place);
        }
    }

    #[test]
    fn reaching_one_is_counted() {
        let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
        let before = Limit::Members.times();
        metrics::with_local_recorder(&recorder, || {
            Limit::Members.reached("those who were not seen lately are forgotten");
            Limit::Members.reached("those who were not seen lately are forgotten");
        });
        assert!(Limit::Members.times() >= before + 2);
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

    #[test]
    fn each_reason_is_logged_and_many_of_them_share_a_line() {
        let throttle = ReasonThrottle::new();
        let begin = Instant::now();
        assert_eq!(throttle.pass("one", begin), Some(0));
        assert_eq!(throttle.pass("one", begin), None);
        assert_eq!(throttle.pass("another", begin), Some(0));
        // Six more have a line of their own, and the other 92 share one.
        let passed = (0..98)
            .filter(|n| throttle.pass(&format!("reason {n}"), begin).is_some())
            .count();
        assert_eq!(passed, 7);
        let later = begin + SAY_EVERY;
        assert_eq!(throttle.pass("one", later), Some(1));
        // Reasons of the past make room.
        assert_eq!(throttle.pass("new", later), Some(0));
        assert_eq!(throttle.pass("new", later), None);
    }
}
