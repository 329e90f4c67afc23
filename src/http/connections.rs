//! The open connections of a listener: their number, their addresses, and which of them wait for a request.
//!
//! A connection *waits* until a whole request has arrived, and again from its answer on. When all places are taken, the
//! one that has waited longest is closed for the next. So connections that idle, that send slowly, or that stay after
//! an answer keep nobody out.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::runtime::{CancellationToken, lock};

/// How long a new connection may wait for its first request before it can be closed for another. In a burst all
/// connections are accepted before the first one is read.
pub(super) const FIRST_WAIT: Duration = Duration::from_secs(1);

/// The open connections of one listener.
#[derive(Clone)]
pub(super) struct Connections {
    inner: Arc<Inner>,
}

struct Inner {
    /// The most connections at once, and the most from one address.
    max: usize,
    per_address: usize,
    table: Mutex<Table>,
    /// Signals that a connection was closed or waits.
    changed: Notify,
}

#[derive(Default)]
struct Table {
    next: u64,
    open: BTreeMap<u64, Open>,
}

struct Open {
    /// `None` for a proxy.
    address: Option<IpAddr>,
    /// Since when it has waited for a whole request; `None` while a request is answered.
    waits_since: Option<Instant>,
    /// Whether any of its requests was answered.
    answered: bool,
    close: CancellationToken,
}

/// A place for a connection, until it is dropped.
pub(super) struct OpenConnection {
    inner: Arc<Inner>,
    id: u64,
    close: CancellationToken,
}

/// The reason why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoPlace {
    /// All places of the address are taken.
    Address,
    /// All places are taken. One may be free at this time.
    All(Option<Instant>),
}

impl Connections {
    pub(super) fn new(max: usize, per_address: usize) -> Connections {
        Connections {
            inner: Arc::new(Inner {
                max,
                per_address,
                table: Mutex::default(),
                changed: Notify::new(),
            }),
        }
    }

    /// Whether all places are taken, so that the next connection takes another's place.
    pub(super) fn is_full(&self) -> bool {
        lock(&self.inner.table).open.len() >= self.inner.max
    }

    /// A place for a connection from this address; `None` is a proxy. The one that has waited longest may be closed.
    pub(super) fn admit(
        &self,
        address: Option<IpAddr>,
        now: Instant,
    ) -> Result<OpenConnection, NoPlace> {
        let inner = &self.inner;
        let mut table = lock(&inner.table);
        let Table { next, open } = &mut *table;
        if address.is_some() {
            let same = |one: &Open| one.address == address;
            let count = open.values().filter(|one| same(one)).count();
            if count >= inner.per_address && !make_room(open, now, same) {
                return Err(NoPlace::Address);
            }
        }
        if open.len() >= inner.max && !make_room(open, now, |_| true) {
            let first_waits = open.values().filter_map(|one| one.waits_since);
            let soonest = first_waits.min().map(|since| since + FIRST_WAIT);
            return Err(NoPlace::All(soonest));
        }
        let (id, close) = (*next, CancellationToken::new());
        *next += 1;
        let connection = Open {
            address,
            waits_since: Some(now),
            answered: false,
            close: close.clone(),
        };
        open.insert(id, connection);
        drop(table);
        Ok(OpenConnection {
            inner: Arc::clone(inner),
            id,
            close,
        })
    }

    /// Resolves when a connection was closed, or waits.
    pub(super) async fn changed(&self) {
        self.inner.changed.notified().await;
    }
}

/// Closes the connection that has waited longest; `false` if none can be closed.
fn make_room(open: &mut BTreeMap<u64, Open>, now: Instant, counts: impl Fn(&Open) -> bool) -> bool {
    let waiting = open.iter().filter(|(_, one)| counts(one));
    let waiting = waiting.filter_map(|(id, one)| {
        let since = one.waits_since?;
        let may_close = one.answered || now.duration_since(since) >= FIRST_WAIT;
        may_close.then_some((since, *id))
    });
    let Some((_, longest)) = waiting.min() else {
        return false;
    };
    if let Some(one) = open.remove(&longest) {
        one.close.cancel();
    }
    true
}

impl OpenConnection {
    /// Cancelled when the connection is to be closed.
    pub(super) fn close(&self) -> &CancellationToken {
        &self.close
    }

    /// A whole request has arrived; `false` if the connection was closed for another before, so that the request must not
    /// begin.
    #[must_use]
    pub(super) fn is_asked(&self) -> bool {
        self.change(|open| open.waits_since = None).is_some()
    }

    /// Whether a whole request has arrived and is not answered yet.
    pub(super) fn has_request(&self) -> bool {
        let table = lock(&self.inner.table);
        let open = table.open.get(&self.id);
        open.is_some_and(|open| open.waits_since.is_none())
    }

    /// The request is answered, and the connection waits for the next one.
    pub(super) fn is_answered(&self) {
        let _ = self.change(|open| {
            open.waits_since = Some(Instant::now());
            open.answered = true;
        });
        self.inner.changed.notify_one();
    }

    /// `None` if it was closed for another.
    fn change(&self, change: impl FnOnce(&mut Open)) -> Option<()> {
        lock(&self.inner.table).open.get_mut(&self.id).map(change)
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        lock(&self.inner.table).open.remove(&self.id);
        self.inner.changed.notify_one();
    }
}

/// The address for which connections are counted. A host with IPv6 usually has a whole /64.
pub(super) fn counted(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn at(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    fn host(last: u8) -> Option<IpAddr> {
        Some(IpAddr::from([192, 0, 2, last]))
    }

    #[test]
    fn the_one_that_has_waited_longest_makes_room() {
        let (start, connections) = (Instant::now(), Connections::new(3, 3));
        let places = [0, 10, 20].map(|ms| connections.admit(None, at(start, ms)).unwrap());
        assert!(connections.is_full());
        assert!(places[0].is_asked());
        let fourth = connections.admit(None, at(start, 1_100)).unwrap();
        let closed = places.each_ref().map(|place| place.close().is_cancelled());
        assert_eq!(closed, [false, true, false]);
        assert!(!fourth.close().is_cancelled());
        assert!(places[0].has_request() && !fourth.has_request());
        assert!(!places[1].is_asked(), "it is being closed");
    }

    #[test]
    fn no_request_is_closed_for_another_and_no_connection_before_its_first_wait() {
        let (start, connections) = (Instant::now(), Connections::new(2, 2));
        let asked = connections.admit(None, start).unwrap();
        assert!(asked.is_asked());
        let young = connections.admit(None, at(start, 100)).unwrap();
        let refused = connections.admit(None, at(start, 1_099)).err().unwrap();
        assert_eq!(refused, NoPlace::All(Some(at(start, 1_100))));
        assert!(young.is_asked());
        let refused = connections.admit(None, at(start, 9_000)).err().unwrap();
        assert_eq!(refused, NoPlace::All(None));
        // After its answer it can make room at once.
        young.is_answered();
        assert!(connections.admit(None, Instant::now()).is_ok());
        assert!(young.close().is_cancelled() && !asked.close().is_cancelled());
    }

    #[test]
    fn an_address_has_its_share_and_a_proxy_has_all() {
        let (start, connections) = (Instant::now(), Connections::new(5, 2));
        let theirs = [0, 1].map(|ms| connections.admit(host(1), at(start, ms)).unwrap());
        assert!(theirs.iter().all(OpenConnection::is_asked));
        let refused = connections.admit(host(1), at(start, 900)).err();
        assert_eq!(refused, Some(NoPlace::Address));
        let other = connections.admit(host(2), at(start, 900)).unwrap();
        let proxies = [900, 901].map(|ms| connections.admit(None, at(start, ms)).unwrap());
        // The places of an address are taken from its own connections only.
        theirs[1].is_answered();
        let later = Instant::now() + FIRST_WAIT * 4;
        let again = connections.admit(host(1), later);
        assert!(again.is_ok() && theirs[1].close().is_cancelled());
        let others = [&other, &proxies[0], &proxies[1], &theirs[0]];
        assert!(others.iter().all(|place| !place.close().is_cancelled()));
    }

    #[tokio::test]
    async fn a_closed_connection_leaves_its_place() {
        let connections = Connections::new(1, 1);
        let only = connections.admit(None, Instant::now()).unwrap();
        assert!(only.is_asked());
        assert!(connections.admit(None, Instant::now()).is_err());
        drop(only);
        connections.changed().await;
        assert!(connections.admit(None, Instant::now()).is_ok());
    }

    #[rstest]
    #[case("192.0.2.7", "192.0.2.7")]
    #[case("::ffff:192.0.2.7", "192.0.2.7")]
    #[case("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::")]
    #[case("::1", "::")]
    fn a_network_of_ipv6_counts_as_one_address(#[case] address: &str, #[case] expected: &str) {
        let address: IpAddr = address.parse().unwrap();
        assert_eq!(counted(address).to_string(), expected);
    }
}
