//! Work that ended the process twice: begun so that an end is counted, and tried again where somebody says so.

use tokio::sync::watch;

use super::{Desk, StoreTrouble};
use crate::domain::reply::Words;
use crate::domain::set_aside::{self as words, Work};
use crate::settle::{Occasion, settle};
use crate::store::{Wake, operations};

pub use crate::domain::set_aside::SetAside;
pub use crate::store::set_aside::Begun;

impl Desk {
    /// This work begins; of suspect work that is committed when this returns.
    pub async fn begin(&self, work: &Work) -> Result<Begun, StoreTrouble> {
        self.inner.store.begin(work).await
    }

    /// An attempt is over; `done` if nothing is left of the work.
    pub async fn is_over(&self, begun: Begun, done: bool) {
        let now = self.inner.clock.now();
        self.inner.store.is_over(begun, done, now).await;
    }

    /// Whether work that comes again by itself is left alone for now.
    pub fn rests(&self, work: &Work) -> bool {
        self.inner
            .store
            .rests(work, self.inner.clock.now())
            .is_some()
    }

    /// Changes when something that was set aside is tried again.
    pub fn retried(&self) -> watch::Receiver<u64> {
        self.inner.store.retried()
    }

    /// Has work that is set aside begun again, by its id; `None` if nothing of that id is set aside.
    pub async fn retry(&self, id: &str) -> Result<Option<Words>, StoreTrouble> {
        let Some(work) = Work::parse(id.trim()) else {
            return Ok(None);
        };
        let (now, weights) = (self.inner.clock.now(), self.inner.settings.weights);
        let again = work.clone();
        let retried = self.inner.store.retry(&work, move |tx| {
            for wake in [
                Wake::Heard,
                Wake::Delivered,
                Wake::Operations,
                Wake::Messages,
                Wake::Reactions,
                Wake::Homes,
                Wake::Rhythms,
            ] {
                tx.wake(wake);
            }
            match &again {
                Work::Operation(id) => match operations::by_id(tx, id)? {
                    Some(row) => settle(tx, row.command, Occasion::Waits, now, &weights),
                    None => Ok(()),
                },
                _ => Ok(()),
            }
        });
        let about = retried.await?;
        if let Some(about) = &about {
            tracing::info!(%work, "{work} is tried again: {about}");
        }
        Ok(about.map(|about| words::tried_again(&about)))
    }
}
