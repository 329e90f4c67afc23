//! One-time links to the pages, and the sessions that they begin. Both are in memory, as SHA-256 only: a restart ends
//! them, and no copy of the store has any.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};

use crate::limits::Limit;
use crate::runtime::lock;

/// How long a link is good.
pub(in crate::http) const LINK_VALID: TimeDelta = TimeDelta::minutes(2);
/// How long a session lasts, used or not.
pub(in crate::http) const SESSION_VALID: TimeDelta = TimeDelta::hours(8);
/// The most links, and the most sessions: the oldest one ends for the next.
pub(in crate::http) const SESSIONS_MAX: usize = 100;

type Hash = [u8; 32];

/// The links and sessions of this process. Clones share them.
#[derive(Clone, Default)]
pub(in crate::http) struct PageSessions(Arc<Mutex<Kept>>);

/// Each with the time of its end.
#[derive(Default)]
struct Kept {
    links: HashMap<Hash, DateTime<Utc>>,
    sessions: HashMap<Hash, DateTime<Utc>>,
}

impl PageSessions {
    /// The code of a new link.
    pub fn link(&self, now: DateTime<Utc>) -> Result<String, getrandom::Error> {
        let code = random()?;
        add(&mut self.at(now).links, &code, now + LINK_VALID);
        Ok(code)
    }

    /// Uses a link up, and begins a session: its secret for the cookie. `None` if the link was used or is over.
    pub fn begin(
        &self,
        code: &str,
        now: DateTime<Utc>,
    ) -> Result<Option<String>, getrandom::Error> {
        let secret = random()?;
        let mut kept = self.at(now);
        if kept.links.remove(&hash(code)).is_none() {
            return Ok(None);
        }
        add(&mut kept.sessions, &secret, now + SESSION_VALID);
        Ok(Some(secret))
    }

    /// Whether this is the secret of a session that is not over. Its hash is looked up: the time tells nothing that leads
    /// to a secret.
    pub fn is_session(&self, secret: &str, now: DateTime<Utc>) -> bool {
        self.at(now).sessions.contains_key(&hash(secret))
    }

    /// All that is not over at a time.
    fn at(&self, now: DateTime<Utc>) -> MutexGuard<'_, Kept> {
        let mut kept = lock(&self.0);
        kept.links.retain(|_, ends| now < *ends);
        kept.sessions.retain(|_, ends| now < *ends);
        kept
    }
}

fn add(kept: &mut HashMap<Hash, DateTime<Utc>>, secret: &str, ends: DateTime<Utc>) {
    if kept.len() >= SESSIONS_MAX {
        Limit::PageSessions.reached(format_args!(
            "{SESSIONS_MAX} links to the status page, or sessions of it; the oldest one ends"
        ));
        let oldest = kept.iter().min_by_key(|(_, ends)| **ends);
        if let Some(oldest) = oldest.map(|(hash, _)| *hash) {
            kept.remove(&oldest);
        }
    }
    kept.insert(hash(secret), ends);
}

fn hash(secret: &str) -> Hash {
    Sha256::digest(secret.as_bytes()).into()
}

/// 32 random bytes, as text.
fn random() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(hex::encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const THEN: DateTime<Utc> = DateTime::UNIX_EPOCH;

    #[test]
    fn a_link_works_once() {
        let pages = PageSessions::default();
        let link = pages.link(THEN).unwrap();
        assert_eq!(link.len(), 64);
        assert_eq!(pages.begin("another", THEN).unwrap(), None);
        let session = pages.begin(&link, THEN).unwrap().unwrap();
        assert_eq!(pages.begin(&link, THEN).unwrap(), None);
        assert_ne!(session, link);
        assert!(pages.is_session(&session, THEN));
        for other in ["", "another", &link] {
            assert!(!pages.is_session(other, THEN), "{other}");
        }
    }

    #[test]
    fn a_link_and_a_session_end_with_time() {
        let pages = PageSessions::default();
        let (early, late) = (pages.link(THEN).unwrap(), pages.link(THEN).unwrap());
        let end = THEN + LINK_VALID;
        assert_eq!(pages.begin(&late, end).unwrap(), None);
        let moment = TimeDelta::milliseconds(1);
        assert_eq!(
            pages.begin(&early, end - moment).unwrap(),
            None,
            "it is forgotten"
        );
        let link = pages.link(end).unwrap();
        let begun = end + LINK_VALID - moment;
        let session = pages.begin(&link, begun).unwrap().unwrap();
        // A use does not make it longer.
        let end = begun + SESSION_VALID;
        assert!(pages.is_session(&session, end - moment));
        assert!(!pages.is_session(&session, end));
    }

    #[test]
    fn of_too_many_links_and_sessions_the_oldest_end() {
        let pages = PageSessions::default();
        let at = |number: usize| THEN + TimeDelta::milliseconds(i64::try_from(number).unwrap());
        let links: Vec<String> = (0..=SESSIONS_MAX)
            .map(|number| pages.link(at(number)).unwrap())
            .collect();
        let now = at(SESSIONS_MAX);
        assert_eq!(pages.begin(&links[0], now).unwrap(), None);
        let first = pages.begin(&links[1], now).unwrap().unwrap();
        let mut newest = String::new();
        for number in 0..SESSIONS_MAX {
            let later = at(SESSIONS_MAX + 1 + number);
            let link = pages.link(later).unwrap();
            newest = pages.begin(&link, later).unwrap().unwrap();
        }
        assert!(!pages.is_session(&first, now));
        assert!(pages.is_session(&newest, now));
        assert!(Limit::PageSessions.times() >= 2);
    }
}
