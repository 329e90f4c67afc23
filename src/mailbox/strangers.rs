//! Members of the workspace who write and may not give commands: logged, and reported to operators.

use std::collections::HashMap;
use std::sync::Mutex;

use chrono::{DateTime, TimeDelta, Utc};

use super::MailTx;
use crate::domain::person::{NotAllowed, SlackMember};
use crate::domain::reply;
use crate::runtime::lock;
use crate::store::{DbResult, deliveries};

/// The minimum time between two log lines about one of them.
const LOGGED_EVERY: TimeDelta = TimeDelta::hours(1);

/// When each was logged; only those of the last hour are kept.
#[derive(Debug, Default)]
pub(super) struct Strangers(Mutex<HashMap<String, DateTime<Utc>>>);

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
        let mut logged = lock(&self.0);
        logged.retain(|_, at| now - *at < LOGGED_EVERY);
        if logged.contains_key(id) {
            return false;
        }
        logged.insert(id.to_owned(), now);
        tracing::info!(person = id, "rejected a person who {is}");
        true
    }
}

impl MailTx<'_> {
    /// Whether an operator other than the member is told of them.
    pub(super) fn tells_operators(&self, member: &SlackMember) -> bool {
        let mut operators = self.inner.settings.operators.iter();
        operators.any(|id| *id != member.id)
    }

    /// Tells operators, once per person, of a full member outside of [[people]] who used Ivan.
    pub(super) fn tell_of_a_stranger(&self, member: &SlackMember) -> DbResult<()> {
        self.inner
            .strangers
            .refused(&member.id, &NotAllowed::Unknown, self.now);
        if !deliveries::alarm(self.db, &format!("stranger {}", member.id), self.now)? {
            return Ok(());
        }
        let words = reply::stranger(&member.name, &member.id);
        self.tell_operators(&words, Some(&member.id))
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
}
