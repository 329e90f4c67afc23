//! The queue between the places that note facts and the exporter. It is bounded: a fact without room is dropped, because
//! no command may wait for a trace.

use std::future::Future;
use std::sync::OnceLock;

use tokio::sync::mpsc;

use super::{Errand, Fact};
use crate::clock::Clock;

/// How many facts may wait. Each takes some hundred bytes.
const WAITING_MAX: usize = 4096;

/// The facts, in the order in which they were noted.
pub type FactQueue = mpsc::Receiver<Fact>;

static QUEUE: OnceLock<mpsc::Sender<Fact>> = OnceLock::new();

tokio::task_local! {
    static ERRAND: (Errand, Clock);
}

/// Begins to note facts, for the one exporter of this process. `None` if there is one already.
pub fn listen() -> Option<FactQueue> {
    let (queue, facts) = mpsc::channel(WAITING_MAX);
    QUEUE.set(queue).ok().map(|()| facts)
}

pub(super) fn add(fact: impl FnOnce() -> Option<Fact>) {
    let Some(queue) = QUEUE.get() else {
        return;
    };
    if let Some(fact) = fact()
        && queue.try_send(fact).is_err()
    {
        tracing::debug!("no room for a fact: its trace will lack a span");
    }
}

pub(super) async fn on_errand<F: Future>(
    clock: &Clock,
    errand: impl FnOnce() -> Errand,
    work: F,
) -> F::Output {
    match QUEUE.get() {
        Some(_) => ERRAND.scope((errand(), clock.clone()), work).await,
        None => work.await,
    }
}

pub(super) fn errand() -> Option<(Errand, Clock)> {
    ERRAND.try_with(Clone::clone).ok()
}
