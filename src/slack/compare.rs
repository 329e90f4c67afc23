//! The schedule of comparing DMs with their history: Slack has lost events while the link was up (docs/contracts/slack.md#redelivery),
//! and then only the history has the message.
//!
//! A DM is compared soon after a person writes there, at once on a sign of a gap, and every few minutes for an hour
//! after it was last used: by a message, a button, a form or a reaction. If no DM is active, nothing is due and no
//! timer runs. `catch_up` does the reading.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::Timings;
use crate::runtime::lock;

/// How long a DM stays active after it was last used.
const ACTIVE_FOR: Duration = Duration::from_secs(3_600);

/// The DMs that are active or due.
pub struct Compare {
    dms: Mutex<HashMap<String, Dm>>,
    changed: Notify,
    /// The time between two comparisons of an active DM.
    every: Duration,
    /// The delay after a message or a sign of a gap, in which messages on their way can arrive.
    soon: Duration,
    /// The minimum time between two comparisons because of messages.
    pause: Duration,
}

#[derive(Debug, Default)]
struct Dm {
    /// Slack's time of the newest message that was received there.
    newest: Option<DateTime<Utc>>,
    active_until: Option<Instant>,
    compared: Option<Instant>,
    due: Option<Due>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    /// The priority.
    rank: DueReason,
    at: Instant,
    /// After an outage: threads with older roots are read, too.
    far_back: bool,
}

/// A DM that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueDm {
    pub channel: String,
    pub rank: DueReason,
    /// Whether threads with older roots are read, too.
    pub far_back: bool,
}

/// The reason why a DM is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DueReason {
    /// There is a sign of a gap in this very DM.
    Sign,
    Routine,
    /// No message was ever received there: most such DMs are empty.
    Unheard,
}

/// The next comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Next {
    Dm(DueDm),
    /// Not before then.
    At(Instant),
    Nothing,
}

impl Dm {
    fn is_due(&mut self, rank: DueReason, at: Instant) {
        self.is_due_as(Due {
            rank,
            at,
            far_back: false,
        });
    }

    fn is_due_as(&mut self, wanted: Due) {
        self.due = Some(match self.due {
            None => wanted,
            Some(due) => Due {
                rank: due.rank.min(wanted.rank),
                at: due.at.min(wanted.at),
                far_back: due.far_back || wanted.far_back,
            },
        });
    }
}

impl Compare {
    pub fn new(timings: &Timings) -> Compare {
        let every = timings.compare_every;
        Compare {
            dms: Mutex::default(),
            changed: Notify::new(),
            every,
            soon: timings.compare_soon.min(every),
            pause: timings.compare_pause.min(every),
        }
    }

    /// Records a message that arrived in a DM; `said_at` is Slack's time.
    pub fn heard(&self, channel: &str, said_at: DateTime<Utc>, now: Instant) {
        let mut dms = self.dms();
        let dm = dms.entry(channel.to_owned()).or_default();
        dm.active_until = Some(now + ACTIVE_FOR);
        let soon = now + self.soon;
        // Out of order: messages in between may be missing as well.
        let rank = match dm.newest {
            Some(newest) if said_at < newest => DueReason::Sign,
            _ => DueReason::Routine,
        };
        dm.newest = dm.newest.max(Some(said_at));
        let at = match dm.compared {
            Some(compared) if rank == DueReason::Routine => soon.max(compared + self.pause),
            _ => soon,
        };
        dm.is_due(rank, at);
        drop(dms);
        self.changed.notify_one();
    }

    /// Records that a person used this DM, though no message arrived: a button, a form, a reaction, or a message that
    /// only the history had. Their next message may not arrive either.
    pub fn used(&self, channel: &str, now: Instant) {
        let mut dms = self.dms();
        let dm = dms.entry(channel.to_owned()).or_default();
        dm.active_until = Some(now + ACTIVE_FOR);
        if dm.due.is_none() {
            dm.is_due(DueReason::Routine, now + self.every);
        }
        drop(dms);
        self.changed.notify_one();
    }

    /// Records a sign that a message in this DM did not arrive: an envelope was dropped, or had to be repeated.
    pub fn missed(&self, channel: &str, now: Instant) {
        let mut dms = self.dms();
        let dm = dms.entry(channel.to_owned()).or_default();
        dm.active_until = Some(now + ACTIVE_FOR);
        dm.is_due(DueReason::Sign, now + self.soon);
        drop(dms);
        self.changed.notify_one();
    }

    /// Records a sign that messages may not have arrived: a link ended, or a message was found missing.
    pub fn doubts(&self, now: Instant) {
        let soon = now + self.soon;
        let mut dms = self.dms();
        for dm in dms.values_mut() {
            if dm.active_until.is_some_and(|until| until > now) {
                dm.is_due(DueReason::Routine, soon);
            }
        }
        drop(dms);
        self.changed.notify_one();
    }

    /// Makes all of these due, in this order, and far back; each with the time since its last message.
    pub fn all(&self, known: impl IntoIterator<Item = (String, Option<Duration>)>, now: Instant) {
        let mut dms = self.dms();
        let mut at = now;
        for (channel, quiet_for) in known {
            let dm = dms.entry(channel).or_default();
            if let Some(left) = quiet_for.and_then(|quiet| ACTIVE_FOR.checked_sub(quiet)) {
                dm.active_until = dm.active_until.max(Some(now + left));
            }
            dm.is_due_as(Due {
                rank: DueReason::Routine,
                at,
                far_back: true,
            });
            at += Duration::from_nanos(1);
        }
        drop(dms);
        self.changed.notify_one();
    }

    /// The next DM that is due, once it is. If none is due, it waits for a message only.
    pub async fn next(&self) -> DueDm {
        loop {
            let changed = self.changed.notified();
            match self.take(Instant::now()) {
                Next::Dm(look) => return look,
                Next::At(at) => tokio::select! {
                    () = changed => {}
                    () = sleep_until(at) => {}
                },
                Next::Nothing => changed.await,
            }
        }
    }

    /// Takes a DM that is due by now off the list: those with a sign of a gap first, and the longest due of them.
    fn take(&self, now: Instant) -> Next {
        let mut dms = self.dms();
        let due = || {
            dms.iter()
                .filter_map(|(channel, dm)| Some((dm.due?, channel)))
        };
        let next = due().filter(|(due, _)| due.at <= now).min();
        let next = next.map(|(due, channel)| DueDm {
            channel: channel.clone(),
            rank: due.rank,
            far_back: due.far_back,
        });
        let earliest = due().map(|(due, _)| due.at).min();
        match (next, earliest) {
            (Some(look), _) => {
                if let Some(dm) = dms.get_mut(&look.channel) {
                    dm.due = None;
                }
                Next::Dm(look)
            }
            (None, Some(at)) => Next::At(at),
            (None, None) => Next::Nothing,
        }
    }

    /// Records a comparison. `again`: the DM has a message that was too recent to count as missing.
    pub fn compared(&self, channel: &str, again: bool, now: Instant) {
        let mut dms = self.dms();
        let Some(dm) = dms.get_mut(channel) else {
            return;
        };
        dm.compared = Some(now);
        let is_active = dm.active_until.is_some_and(|until| until > now);
        if again {
            dm.is_due(DueReason::Routine, now + self.soon);
        } else if is_active {
            dm.is_due(DueReason::Routine, now + self.every);
        } else if dm.due.is_none() {
            dms.remove(channel);
        }
    }

    /// Makes DMs without any received message due, after all others.
    pub fn unheard(&self, channels: impl IntoIterator<Item = String>, now: Instant) {
        let mut dms = self.dms();
        for channel in channels {
            dms.entry(channel).or_default().is_due_as(Due {
                rank: DueReason::Unheard,
                at: now,
                far_back: true,
            });
        }
        drop(dms);
        self.changed.notify_one();
    }

    /// Makes the next comparison of a DM read far back again.
    pub fn far_back_again(&self, channel: &str) {
        let mut dms = self.dms();
        if let Some(due) = dms.get_mut(channel).and_then(|dm| dm.due.as_mut()) {
            due.far_back = true;
        }
    }

    /// Records a failed comparison; the DM is due again then. It goes `first` if the failure affects all DMs.
    pub fn not_compared(&self, look: &DueDm, first: bool, again_at: Instant) {
        let rank = match look.rank {
            DueReason::Unheard => DueReason::Unheard,
            DueReason::Sign | DueReason::Routine if first => DueReason::Sign,
            DueReason::Sign | DueReason::Routine => DueReason::Routine,
        };
        let mut dms = self.dms();
        let dm = dms.entry(look.channel.clone()).or_default();
        dm.is_due_as(Due {
            rank,
            at: again_at,
            far_back: look.far_back,
        });
    }

    fn dms(&self) -> MutexGuard<'_, HashMap<String, Dm>> {
        lock(&self.dms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare() -> Compare {
        Compare::new(&Timings::default())
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_763_800_000 + seconds, 0).unwrap()
    }

    /// A clock that the test advances.
    struct Passing {
        compare: Compare,
        begin: Instant,
        now: Instant,
    }

    impl Passing {
        fn new() -> Passing {
            let now = Instant::now();
            Passing {
                compare: compare(),
                begin: now,
                now,
            }
        }

        fn seconds(&self) -> u64 {
            self.now.duration_since(self.begin).as_secs()
        }

        fn heard(&self, channel: &str, second: i64) {
            self.compare.heard(channel, at(second), self.now);
        }

        /// Advances by so many seconds; returns the compared DMs, each with its second.
        fn compared_within(&mut self, seconds: u64) -> Vec<(String, u64)> {
            let until = self.now + Duration::from_secs(seconds);
            let mut compared = Vec::new();
            loop {
                match self.compare.take(self.now) {
                    Next::Dm(look) => {
                        self.compare.compared(&look.channel, false, self.now);
                        compared.push((look.channel, self.seconds()));
                    }
                    Next::At(at) if at <= until => self.now = at,
                    Next::At(_) | Next::Nothing => {
                        self.now = until;
                        return compared;
                    }
                }
            }
        }
    }

    fn times(compared: &[(String, u64)]) -> Vec<u64> {
        compared.iter().map(|(_, at)| *at).collect()
    }

    #[test]
    fn an_active_dm_is_compared_soon_every_few_minutes_and_not_after_an_hour() {
        let mut passing = Passing::new();
        passing.heard("D1", 0);
        let due = times(&passing.compared_within(20_000));
        assert_eq!(due.first(), Some(&3));
        assert!(due.windows(2).all(|two| two[1] - two[0] == 180), "{due:?}");
        let last = due.last().unwrap();
        assert!((3_600..3_800).contains(last), "{due:?}");
        assert_eq!(passing.compare.take(passing.now), Next::Nothing, "no timer");
        assert!(passing.compare.dms().is_empty(), "it is forgotten");
    }

    #[test]
    fn a_dm_in_which_only_buttons_are_used_is_active_for_an_hour_too() {
        let mut passing = Passing::new();
        passing.compare.used("D1", passing.now);
        // Further presses do not put the comparison off.
        let mut due = times(&passing.compared_within(100));
        passing.compare.used("D1", passing.now);
        due.extend(times(&passing.compared_within(20_000)));
        assert_eq!(due.first(), Some(&180));
        assert!(due.windows(2).all(|two| two[1] - two[0] == 180), "{due:?}");
        let last = due.last().unwrap();
        assert!((3_700..3_900).contains(last), "{due:?}");
        assert!(passing.compare.dms().is_empty(), "it is forgotten");
    }

    #[test]
    fn a_dm_with_a_found_message_becomes_active() {
        let mut passing = Passing::new();
        // Nobody was heard there yet.
        passing.compare.unheard(["D1".to_owned()], passing.now);
        let Next::Dm(look) = passing.compare.take(passing.now) else {
            panic!("it is due");
        };
        passing.compare.used(&look.channel, passing.now);
        passing.compare.compared(&look.channel, false, passing.now);
        let due = times(&passing.compared_within(400));
        assert_eq!(due, [180, 360]);
        // A comparison that is due already keeps its time.
        passing.compare.missed("D1", passing.now);
        passing.compare.used("D1", passing.now);
        assert_eq!(times(&passing.compared_within(10)), [403]);
    }

    #[test]
    fn many_messages_in_a_row_are_compared_once_a_minute() {
        let mut passing = Passing::new();
        let mut due = Vec::new();
        for second in 0..120 {
            passing.heard("D1", second);
            due.extend(times(&passing.compared_within(1)));
        }
        assert_eq!(due, [3, 63]);
    }

    #[test]
    fn signs_of_a_gap_wait_for_no_pause_and_go_first() {
        let mut passing = Passing::new();
        for channel in ["D1", "D2", "D3"] {
            passing.heard(channel, 10);
        }
        assert_eq!(passing.compared_within(4).len(), 3);
        // One in order; an older one after a newer one; a repeated one.
        passing.heard("D3", 20);
        passing.heard("D2", 5);
        passing.compare.missed("D1", passing.now);
        let due = passing.compared_within(30);
        let mut channels: Vec<&str> = due.iter().map(|(channel, _)| channel.as_str()).collect();
        channels.sort_unstable();
        assert_eq!((channels, times(&due)), (vec!["D1", "D2"], vec![7, 7]));
        // The same with many that are long due; those keep their order.
        let all = (0..50).map(|n| (format!("D{}", 100 + n), None));
        passing.compare.all(all, passing.now);
        passing.compare.missed("D9", passing.now);
        passing.now += Duration::from_secs(60);
        let due = passing.compared_within(0);
        // The routine comparison of D3, whose pause is over, comes last.
        assert_eq!(due.len(), 52);
        assert_eq!((due[0].0.as_str(), due[1].0.as_str()), ("D9", "D100"));
        assert_eq!((due[50].0.as_str(), due[51].0.as_str()), ("D149", "D3"));
    }

    #[test]
    fn only_an_outage_leads_far_back_and_a_failure_forgets_nothing_of_it() {
        let compare = compare();
        let now = Instant::now();
        let after = |seconds| now + Duration::from_secs(seconds);
        compare.heard("D1", at(0), now);
        compare.all([("D1".to_owned(), None)], now);
        compare.unheard(["D2".to_owned()], now);
        let take = |second| match compare.take(after(second)) {
            Next::Dm(look) => look,
            other => panic!("{other:?}"),
        };
        for _ in 0..2 {
            let looks = [take(10), take(10)];
            let seen = looks
                .each_ref()
                .map(|look| (look.channel.as_str(), look.rank, look.far_back));
            let due = [
                ("D1", DueReason::Routine, true),
                ("D2", DueReason::Unheard, true),
            ];
            assert_eq!(seen, due);
            for look in &looks {
                compare.not_compared(look, false, after(10));
            }
        }
        for look in [take(10), take(10)] {
            compare.compared(&look.channel, false, after(10));
        }
        let look = take(1_000);
        assert!(look.channel == "D1" && !look.far_back);
        // One message was too recent.
        compare.compared("D1", true, after(1_000));
        compare.far_back_again("D1");
        assert!(take(1_003).far_back);
    }

    /// However long they have been due.
    #[test]
    fn dms_in_which_nobody_was_heard_wait_for_all_others() {
        let mut passing = Passing::new();
        let unheard = (0..5).map(|n| format!("D{}", 900 + n));
        passing.compare.unheard(unheard, passing.now);
        passing.now += Duration::from_secs(60);
        passing.compare.all([("D1".to_owned(), None)], passing.now);
        // One of them turns out to be known.
        passing.compare.missed("D904", passing.now);
        passing.now += Duration::from_secs(10);
        let due = passing.compared_within(0);
        let channels: Vec<&str> = due.iter().map(|(channel, _)| channel.as_str()).collect();
        assert_eq!(channels[..2], ["D904", "D1"]);
        assert_eq!(channels.len(), 6);
    }

    #[test]
    fn a_link_that_ended_leads_to_those_that_are_active() {
        let mut passing = Passing::new();
        passing.heard("D1", 0);
        let quiet = [("D2".to_owned(), Some(ACTIVE_FOR * 2))];
        passing.compare.all(quiet, passing.now);
        passing.compared_within(10);
        passing.compare.doubts(passing.now);
        assert_eq!(passing.compared_within(10), [("D1".to_owned(), 13)]);
    }

    #[test]
    fn what_failed_and_what_was_too_young_is_compared_again() {
        let compare = compare();
        let now = Instant::now();
        let after = |seconds| now + Duration::from_secs(seconds);
        compare.missed("D1", now);
        let look = DueDm {
            channel: "D1".to_owned(),
            rank: DueReason::Sign,
            far_back: false,
        };
        let due = Next::Dm(look.clone());
        assert_eq!(compare.take(after(3)), due);
        compare.not_compared(&look, true, after(7));
        assert_eq!(compare.take(after(3)), Next::At(after(7)));
        assert_eq!(compare.take(after(7)), due);
        compare.compared("D1", true, after(7));
        assert_eq!(compare.take(after(7)), Next::At(after(10)));
    }

    #[tokio::test]
    async fn it_wakes_for_a_message_and_when_something_is_due() {
        let compare = Compare::new(&Timings {
            compare_soon: Duration::from_millis(20),
            ..Timings::default()
        });
        let next = compare.next();
        tokio::pin!(next);
        let waits = tokio::time::timeout(Duration::from_millis(30), &mut next).await;
        assert!(waits.is_err(), "nothing is due");
        compare.heard("D1", at(0), Instant::now());
        let due = tokio::time::timeout(Duration::from_secs(10), next).await;
        let due = due.unwrap();
        assert_eq!((due.channel.as_str(), due.rank), ("D1", DueReason::Routine));
    }
}
