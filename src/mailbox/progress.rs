//! Whether received messages still have consequences to come. The demo waits for this instead of a time-out.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::watch;

use super::{Inner, Mailbox};
use crate::domain::task::Source;
use crate::store::{StoreError, idle};

/// Work of the Slack surface that is not in the store: a form that is being opened. It ends when this is dropped.
pub struct ProgressGuard {
    inner: Arc<Inner>,
}

impl Drop for ProgressGuard {
    fn drop(&mut self) {
        self.inner.under_way.fetch_sub(1, Ordering::SeqCst);
        self.inner.store.signals().progressed();
    }
}

impl Mailbox {
    /// Begins such work.
    pub fn under_way(&self) -> ProgressGuard {
        self.inner.under_way.fetch_add(1, Ordering::SeqCst);
        ProgressGuard {
            inner: Arc::clone(&self.inner),
        }
    }

    /// Whether received messages will cause no further message until a new one arrives or a queued operation ends.
    /// Deliveries of the sources in `without` do not count.
    pub async fn is_idle(&self, without: Vec<Source>) -> Result<bool, StoreError> {
        // In this order: such work stores its messages before it ends.
        if self.inner.under_way.load(Ordering::SeqCst) > 0 {
            return Ok(false);
        }
        self.inner
            .store
            .read(move |connection| idle::is_idle(connection, &without))
            .await
    }

    /// Changes whenever [`Mailbox::is_idle`] may change.
    pub fn progress(&self) -> watch::Receiver<u64> {
        self.inner.store.signals().progress()
    }
}
