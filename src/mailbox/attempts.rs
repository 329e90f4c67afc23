//! Attempts at a message, a reaction, a Home tab or a briefing, counted to set work aside that ends the process twice.

use tokio::sync::watch;

use crate::clock::Clock;
use crate::domain::set_aside::Work;
use crate::store::{Store, StoreError, StoreHealth};

pub use crate::store::set_aside::WorkAttempt;

/// Begins and ends attempts.
#[derive(Clone)]
pub struct Attempts {
    store: Store,
    clock: Clock,
}

impl Attempts {
    /// Attempts recorded in this store, at times of this clock.
    pub fn new(store: Store, clock: Clock) -> Attempts {
        Attempts { store, clock }
    }

    /// Begins an attempt; for suspect work it is committed when this returns.
    pub async fn begin(&self, work: &Work) -> Result<WorkAttempt, StoreError> {
        self.store.begin(work).await
    }

    /// Ends an attempt; `done` if nothing is left of the work.
    pub async fn is_over(&self, begun: WorkAttempt, done: bool) {
        self.store.is_over(begun, done, self.clock.now()).await;
    }

    /// Whether recurring work is paused for now.
    pub fn rests(&self, work: &Work) -> bool {
        self.store.rests(work, self.clock.now()).is_some()
    }

    /// Changes when work that was set aside is tried again.
    pub fn retried(&self) -> watch::Receiver<u64> {
        self.store.retried()
    }

    /// Resolves when the store accepts writes; usually at once.
    pub async fn until_the_store_is_well(&self) {
        self.store.until_well().await;
    }

    /// The current health of the store and its changes.
    pub fn store_health(&self) -> watch::Receiver<StoreHealth> {
        self.store.health()
    }
}
