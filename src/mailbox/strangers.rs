//! Members of the workspace who write and may not give commands: logged, and reported to operators.

use std::collections::HashMap;
use std::sync::Mutex;

use chrono::{DateTime, TimeDelta, Utc};

use super::MailTx;
use crate::domain::person::{NotAllowed, SlackMember};
use crate::runtime::lock;
use crate::store::DbResult;

/// The minimum time between two log lines about one of them.
const LOGGED_EVERY: TimeDelta = TimeDelta::hours(1);

/// After so many refusals in an hour a member who is no person yet floods: then one an hour. Others, such as guests, are
/// refused once an hour from the first.
const REFUSALS_MAX: u32 = 5;

/// When each was logged, and how often refused; only those of the last hour are kept.
#[derive(Debug, Default)]
pub(super) struct Strangers {
    logged: Mutex<HashMap<String, DateTime<Utc>>>,
    refused: Mutex<HashMap<String, Refused>>,
}

/// The refusals of a person who wrote in the last hour.
#[derive(Debug)]
struct Refused {
    times: u32,
    told_at: DateTime<Utc>,
    wrote_at: DateTime<Utc>,
}

impl Strangers {
    /// Logs a refusal, at most one line a person and hour; returns whether it did.
    pub fn refused(&self, id: &str, why: &NotAllowed, now: DateTime<Utc>) -> bool {
        let is = match why {
            NotAllowed::NotFullMember => "is no full member of the workspace",
            NotAllowed::NotNamed => "is not in slack.allowed_users",
            NotAllowed::Unknown => "is none of [[people]]",
            // The code that reads Slack's response logs the reason.
            NotAllowed::NotCertain => return false,
        };
        let mut logged = lock(&self.logged);
        logged.retain(|_, at| now - *at < LOGGED_EVERY);
        if logged.contains_key(id) {
            return false;
        }
        logged.insert(id.to_owned(), now);
        tracing::info!(person = id, "rejected a person who {is}");
        true
    }

    /// Whether a message is refused with an answer. Somebody who floods gets one an hour, so that the number of their
    /// messages causes no posts.
    pub fn is_answered(&self, id: &str, why: &NotAllowed, now: DateTime<Utc>) -> bool {
        // Slack may vouch for them the next time.
        if *why == NotAllowed::NotCertain {
            return true;
        }
        let mut refused = lock(&self.refused);
        refused.retain(|_, one| now - one.wrote_at < LOGGED_EVERY);
        let one = refused.entry(id.to_owned()).or_insert(Refused {
            times: 0,
            told_at: now,
            wrote_at: now,
        });
        one.wrote_at = now;
        let most = match why {
            NotAllowed::Unknown => REFUSALS_MAX,
            _ => 1,
        };
        let is_answered = one.times < most || now - one.told_at >= LOGGED_EVERY;
        if is_answered {
            one.times += 1;
            one.told_at = now;
        }
        is_answered
    }
}

impl MailTx<'_> {
    /// Whether an operator other than the member is told of them.
    pub(super) fn tells_operators(&self, member: &SlackMember) -> bool {
        let settings = self.inner.settings.get();
        settings.operators.iter().any(|id| *id != member.id)
    }

    /// Logs a full member who is no person and used Ivan, and asks operators, once, whether to add them. Returns whether
    /// they are asked.
    pub(super) fn tell_of_a_stranger(&self, member: &SlackMember) -> DbResult<bool> {
        self.inner
            .strangers
            .refused(&member.id, &NotAllowed::Unknown, self.now);
        self.ask_to_add(member)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_logged_once_an_hour() {
        let strangers = Strangers::default();
        let at = |minutes| DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes);
        let refused = |id, minutes| strangers.refused(id, &NotAllowed::Unknown, at(minutes));
        assert!(refused("U0CLEO1", 0));
        assert!(!refused("U0CLEO1", 59));
        assert!(refused("U0DAN01", 59));
        assert!(refused("U0CLEO1", 60));
        assert!(!refused("U0DAN01", 118));
        // A doubt is no refusal yet, and must not hide one.
        assert!(!strangers.refused("U0EVA01", &NotAllowed::NotCertain, at(0)));
        assert!(refused("U0EVA01", 1));
    }

    #[test]
    fn somebody_who_floods_is_refused_once_an_hour() {
        let strangers = Strangers::default();
        let answered = |id: &str, why, minutes| {
            let now = DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes);
            strangers.is_answered(id, &why, now)
        };
        let guest = |minutes| answered("U0GST01", NotAllowed::NotFullMember, minutes);
        let told = (0..180).filter(|&minute| guest(minute)).collect::<Vec<_>>();
        assert_eq!(told, [0, 60, 120]);
        let member = |minutes| answered("U0EVA01", NotAllowed::Unknown, minutes);
        let told = (0..180)
            .filter(|&minute| member(minute))
            .collect::<Vec<_>>();
        assert_eq!(told, [0, 1, 2, 3, 4, 64, 124]);
        assert!(answered("U0GST02", NotAllowed::NotNamed, 180));
        assert!(answered("U0GST01", NotAllowed::NotCertain, 180));
        // After an hour of silence everything is as at first.
        let told = (240..250).filter(|&minute| guest(minute)).count();
        assert_eq!(told, 1);
        let told = (240..250).filter(|&minute| member(minute)).count();
        assert_eq!(told, 5);
    }
}
