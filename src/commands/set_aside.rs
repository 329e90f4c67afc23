//! `retry`: another attempt at work that ended the process twice.

use super::{Commands, StoreError};
use crate::completion::{CompletionTrigger, settle};
use crate::domain::reply::Text;
use crate::domain::set_aside::{self as words, Work};
use crate::store::{Wake, operations};

pub use crate::domain::set_aside::SetAside;

impl Commands {
    /// Retries set-aside work by its id; `None` if no such work is set aside.
    pub async fn retry(&self, id: &str) -> Result<Option<Text>, StoreError> {
        let Some(work) = Work::parse(id.trim()) else {
            return Ok(None);
        };
        let (now, weights) = (self.inner.clock.now(), self.settings().weights);
        let again = work.clone();
        let retried = self.inner.store.retry(&work, move |tx| {
            for wake in [
                Wake::Heard,
                Wake::Delivered,
                Wake::Released,
                Wake::Messages,
                Wake::Reactions,
                Wake::Homes,
                Wake::Rhythms,
            ] {
                tx.wake(wake);
            }
            match &again {
                Work::Operation(id) => match operations::by_id(tx, id)? {
                    Some(row) => settle(tx, row.command, CompletionTrigger::Waits, now, &weights),
                    None => Ok(()),
                },
                _ => Ok(()),
            }
        });
        let about = retried.await?;
        if let Some(about) = &about {
            tracing::info!(%work, about, "retrying work that was set aside");
        }
        Ok(about.map(|about| words::tried_again(&about)))
    }
}
