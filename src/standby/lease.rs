//! The lease itself: taken, renewed, released and watched through conditional writes.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::runtime::fence::since_boot;

/// The content of the lease's object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseRecord {
    /// The name of the daemon that has it, or had it last.
    pub holder: String,
    /// A random name of that daemon's process.
    pub process: String,
    /// Grows each time that it is taken. A leader's replica has it in its path.
    pub term: u64,
    /// The last term whose leader began to serve, so that the newest replica is its; 0 before the first.
    pub replica: u64,
    /// Grows with each renewal, so that no two contents are equal.
    pub renewal: u64,
    /// How long the lease lasts from a renewal, in milliseconds.
    pub ttl_ms: u64,
    /// Its holder has ended, and may be followed at once.
    pub released: bool,
}

/// The object with the lease. A version of it has a tag, which the store makes.
#[async_trait]
pub trait LeaseStore: Send + Sync {
    /// The content and its tag; `None`: there is no such object.
    ///
    /// # Errors
    /// There was no answer, or a refusal. The text is for operators.
    async fn read(&self) -> Result<Option<(LeaseRecord, String)>, String>;

    /// Replaces the version with that tag; `None`: makes the object. Returns the new tag.
    ///
    /// # Errors
    /// It was not, or perhaps not, written.
    async fn write(&self, record: &LeaseRecord, over: Option<&str>) -> Result<String, NotWritten>;
}

/// Why a version was not written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotWritten {
    /// The object has another version meanwhile.
    Changed,
    /// Perhaps it was: there was no answer, or an unclear one.
    Unclear(String),
}

/// A lease that is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The newest version that was written.
    pub record: LeaseRecord,
    tag: String,
    /// It is valid until then, by `since_boot`.
    pub until: Duration,
}

/// The outcome of a renewal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Renewal {
    /// It is valid for another ttl.
    Renewed,
    /// Another daemon has it.
    Lost {
        /// Its name.
        leader: String,
    },
    /// It may be tried again until its end.
    Failed(String),
}

/// How long a follower waits beyond the ttl: requests of a leader that has just ended arrive within it, and clocks that run
/// differently are far from it.
pub fn grace(ttl: Duration) -> Duration {
    ttl / 3
}

/// A process that wants the lease.
pub struct Tenant {
    store: Box<dyn LeaseStore>,
    holder: String,
    process: String,
    ttl: Duration,
}

/// The outcome of a write whose answer may have been lost.
enum Put {
    Written { tag: String, until: Duration },
    Found(Option<(LeaseRecord, String)>),
    Unclear(String),
}

impl Tenant {
    /// `process` is a random name.
    pub fn new(
        store: Box<dyn LeaseStore>,
        holder: String,
        process: String,
        ttl: Duration,
    ) -> Tenant {
        Tenant {
            store,
            holder,
            process,
            ttl,
        }
    }

    /// The random name of this process.
    pub fn process(&self) -> &str {
        &self.process
    }

    /// The present version; `None`: there is none.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn look(&self) -> Result<Option<(LeaseRecord, String)>, String> {
        self.store.read().await
    }

    /// Takes the lease over from the version that was seen. `None`: another daemon was faster.
    ///
    /// # Errors
    /// It is not clear whether it was taken. The next look shows it.
    pub async fn take(
        &self,
        seen: Option<&(LeaseRecord, String)>,
        first_term: u64,
    ) -> Result<Option<Lease>, String> {
        let (term, replica) = match seen {
            Some((seen, _)) => (seen.term + 1, seen.replica),
            None => (first_term, first_term.saturating_sub(1)),
        };
        let record = LeaseRecord {
            holder: self.holder.clone(),
            process: self.process.clone(),
            term,
            replica,
            renewal: 0,
            ttl_ms: u64::try_from(self.ttl.as_millis()).unwrap_or(u64::MAX),
            released: false,
        };
        match self.put(&record, seen.map(|(_, tag)| tag.as_str())).await {
            Put::Written { tag, until } => Ok(Some(Lease { record, tag, until })),
            Put::Found(_) => Ok(None),
            Put::Unclear(why) => Err(why),
        }
    }

    /// Renews the lease, with a change of its content.
    pub async fn renew(&self, lease: &mut Lease, change: impl FnOnce(&mut LeaseRecord)) -> Renewal {
        change(&mut lease.record);
        // A renewal whose answer was lost may have been written: the second try is based on it.
        for _ in 0..2 {
            lease.record.renewal += 1;
            match self.put(&lease.record, Some(&lease.tag)).await {
                Put::Written { tag, until } => {
                    lease.tag = tag;
                    lease.until = until;
                    return Renewal::Renewed;
                }
                Put::Found(Some((found, tag)))
                    if found.process == self.process && found.term == lease.record.term =>
                {
                    lease.record.renewal = found.renewal.max(lease.record.renewal);
                    lease.tag = tag;
                }
                Put::Found(found) => {
                    return Renewal::Lost {
                        leader: found
                            .map_or_else(|| "nobody".to_owned(), |(found, _)| found.holder),
                    };
                }
                Put::Unclear(why) => return Renewal::Failed(why),
            }
        }
        Renewal::Failed("its object changes all the time".to_owned())
    }

    async fn put(&self, record: &LeaseRecord, over: Option<&str>) -> Put {
        // The time before the request: nobody can have seen the new version earlier.
        let until = since_boot() + self.ttl;
        let failed = match self.store.write(record, over).await {
            Ok(tag) => return Put::Written { tag, until },
            Err(failed) => failed,
        };
        match (self.store.read().await, failed) {
            (Ok(Some((found, tag))), _) if found == *record => Put::Written { tag, until },
            (Ok(found), NotWritten::Changed) => Put::Found(found),
            (Err(why), NotWritten::Changed) => Put::Unclear(why),
            // The request may still arrive.
            (_, NotWritten::Unclear(why)) => Put::Unclear(why),
        }
    }
}

/// A follower's view of the lease.
#[derive(Debug, Default)]
pub struct LeaseWatch {
    seen: Option<(String, Duration)>,
}

/// What a follower may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Take it.
    Free,
    /// Wait: this daemon leads.
    Led(String),
}

impl LeaseWatch {
    /// Judges a version that was read. `own` are this process, and the one that led with the store of this machine and
    /// has ended.
    pub fn look(&mut self, found: Option<&(LeaseRecord, String)>, own: &[&str]) -> Standing {
        self.look_at(found, own, since_boot())
    }

    fn look_at(
        &mut self,
        found: Option<&(LeaseRecord, String)>,
        own: &[&str],
        now: Duration,
    ) -> Standing {
        let Some((record, tag)) = found else {
            return Standing::Free;
        };
        let since = match &self.seen {
            Some((seen, since)) if seen == tag => *since,
            _ => {
                self.seen = Some((tag.clone(), now));
                now
            }
        };
        let ttl = Duration::from_millis(record.ttl_ms);
        let is_over = now.saturating_sub(since) >= ttl + grace(ttl);
        match record.released || is_over || own.contains(&record.process.as_str()) {
            true => Standing::Free,
            false => Standing::Led(record.holder.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use rstest::rstest;

    use super::*;

    const TTL: Duration = Duration::from_secs(15);

    /// The outcome of the next write.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Fault {
        /// It is written, and the answer is lost.
        AnswerLost,
        /// It is not written, and there is no answer.
        RequestLost,
        /// Answered with 409: another write was under way.
        Conflict,
    }

    #[derive(Default)]
    struct Shelf {
        object: Mutex<Option<(LeaseRecord, String)>>,
        faults: Mutex<Vec<Fault>>,
        versions: Mutex<u32>,
    }

    struct OnShelf(Arc<Shelf>);

    #[async_trait]
    impl LeaseStore for OnShelf {
        async fn read(&self) -> Result<Option<(LeaseRecord, String)>, String> {
            Ok(self.0.object.lock().unwrap().clone())
        }

        async fn write(
            &self,
            record: &LeaseRecord,
            over: Option<&str>,
        ) -> Result<String, NotWritten> {
            let fault = self.0.faults.lock().unwrap().pop();
            if fault == Some(Fault::RequestLost) {
                return Err(NotWritten::Unclear("no answer".to_owned()));
            }
            if fault == Some(Fault::Conflict) {
                return Err(NotWritten::Unclear("another write is under way".to_owned()));
            }
            let mut object = self.0.object.lock().unwrap();
            if object.as_ref().map(|(_, tag)| tag.as_str()) != over {
                return Err(NotWritten::Changed);
            }
            let mut versions = self.0.versions.lock().unwrap();
            *versions += 1;
            let tag = format!("\"{versions}\"");
            *object = Some((record.clone(), tag.clone()));
            match fault {
                Some(_) => Err(NotWritten::Unclear("no answer".to_owned())),
                None => Ok(tag),
            }
        }
    }

    fn tenant(shelf: &Arc<Shelf>, name: &str) -> Tenant {
        let store = Box::new(OnShelf(Arc::clone(shelf)));
        Tenant::new(store, name.to_owned(), format!("process-of-{name}"), TTL)
    }

    #[tokio::test]
    async fn one_of_two_takes_it() {
        let shelf = Arc::default();
        let (a, b) = (tenant(&shelf, "a"), tenant(&shelf, "b"));
        let held = a.take(None, 1).await.unwrap().unwrap();
        assert_eq!((held.record.term, held.record.replica), (1, 0));
        assert_eq!(b.take(None, 1).await, Ok(None));
        let seen = b.look().await.unwrap();
        let taken = b.take(seen.as_ref(), 1).await.unwrap().unwrap();
        assert_eq!(taken.record.term, 2);
        let mut held = held;
        let renewed = a.renew(&mut held, |_| ()).await;
        assert_eq!(
            renewed,
            Renewal::Lost {
                leader: "b".to_owned()
            }
        );
    }

    #[rstest]
    #[case::written(&[Fault::AnswerLost], &[Renewal::Renewed])]
    #[case::not_written(&[Fault::RequestLost], &[Renewal::Failed("no answer".into()), Renewal::Renewed])]
    #[case::conflict(&[Fault::Conflict], &[Renewal::Failed("another write is under way".into()), Renewal::Renewed])]
    #[tokio::test]
    async fn a_lost_answer_loses_no_lease(#[case] faults: &[Fault], #[case] outcomes: &[Renewal]) {
        let shelf: Arc<Shelf> = Arc::default();
        let a = tenant(&shelf, "a");
        let mut held = a.take(None, 1).await.unwrap().unwrap();
        *shelf.faults.lock().unwrap() = faults.to_vec();
        for outcome in outcomes {
            let until = held.until;
            let renewed = a.renew(&mut held, |_| ()).await;
            assert_eq!(renewed, *outcome);
            assert_eq!(held.until > until, renewed == Renewal::Renewed);
        }
    }

    /// The write arrived, and so did nobody's answer to the look that followed.
    #[tokio::test]
    async fn a_renewal_that_arrived_late_is_ones_own() {
        let shelf: Arc<Shelf> = Arc::default();
        let a = tenant(&shelf, "a");
        let mut held = a.take(None, 1).await.unwrap().unwrap();
        let mut late = held.clone();
        assert_eq!(a.renew(&mut late, |_| ()).await, Renewal::Renewed);
        assert_eq!(a.renew(&mut held, |_| ()).await, Renewal::Renewed);
    }

    #[tokio::test]
    async fn a_lease_whose_take_over_had_no_answer_is_held() {
        let shelf: Arc<Shelf> = Arc::default();
        shelf.faults.lock().unwrap().push(Fault::AnswerLost);
        let a = tenant(&shelf, "a");
        assert!(a.take(None, 7).await.unwrap().is_some());
    }

    fn version(tag: &str, released: bool) -> (LeaseRecord, String) {
        let record = LeaseRecord {
            holder: "a".to_owned(),
            process: "one".to_owned(),
            term: 1,
            replica: 1,
            renewal: 4,
            ttl_ms: 15_000,
            released,
        };
        (record, tag.to_owned())
    }

    #[test]
    fn a_follower_waits_from_the_last_change_that_it_saw() {
        let mut watch = LeaseWatch::default();
        let led = Standing::Led("a".to_owned());
        let at = Duration::from_secs;
        assert_eq!(watch.look_at(None, &[], at(5)), Standing::Free);
        let first = version("1", false);
        assert_eq!(watch.look_at(Some(&first), &[], at(10)), led);
        assert_eq!(watch.look_at(Some(&first), &[], at(29)), led);
        let second = version("2", false);
        assert_eq!(watch.look_at(Some(&second), &[], at(31)), led);
        assert_eq!(watch.look_at(Some(&second), &[], at(50)), led);
        assert_eq!(watch.look_at(Some(&second), &[], at(51)), Standing::Free);
        assert_eq!(
            watch.look_at(Some(&version("3", true)), &[], at(52)),
            Standing::Free
        );
        assert_eq!(
            watch.look_at(Some(&first), &["one"], at(53)),
            Standing::Free
        );
        assert_eq!(watch.look_at(Some(&first), &["two"], at(54)), led);
    }

    /// The last request of a leader, and the end of its process, come before anybody may follow.
    #[tokio::test]
    async fn a_leader_has_ended_before_another_may_begin() {
        let shelf: Arc<Shelf> = Arc::default();
        let a = tenant(&shelf, "a");
        let held = a.take(None, 1).await.unwrap().unwrap();
        let seen_at = since_boot();
        let mut watch = LeaseWatch::default();
        let found = a.look().await.unwrap();
        assert_eq!(
            watch.look_at(found.as_ref(), &[], seen_at),
            Standing::Led("a".into())
        );
        let before = held.until + grace(TTL) - Duration::from_millis(1);
        assert_eq!(
            watch.look_at(found.as_ref(), &[], before),
            Standing::Led("a".into())
        );
    }
}
