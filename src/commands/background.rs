//! Work that nobody waits for: a notice that a command waits, the use of a token. The end of the daemon waits for what has
//! begun, and begins no more: afterwards the store may be closed or removed.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::RwLock;

use super::Commands;

/// Whether such work may begin. It is read as long as some is under way.
#[derive(Debug)]
pub(super) struct Background(RwLock<bool>);

impl Default for Background {
    fn default() -> Background {
        Background(RwLock::new(true))
    }
}

impl Commands {
    /// Does this after a while, unless the daemon ends before.
    pub(super) fn later<F>(
        &self,
        after: Duration,
        work: impl FnOnce(Commands) -> F + Send + 'static,
    ) where
        F: Future<Output = ()> + Send,
    {
        // A weak reference: what waits does not keep the store open.
        let inner = Arc::downgrade(&self.inner);
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            let Some(inner) = inner.upgrade() else {
                return;
            };
            let commands = Commands { inner };
            let may_begin = commands.inner.background.0.read().await;
            if *may_begin {
                work(commands.clone()).await;
            }
        });
    }

    /// Ends the work that nobody waits for: waits for what is under way, and lets no more begin.
    pub async fn end(&self) {
        *self.inner.background.0.write().await = false;
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Poll;

    use tokio::sync::oneshot;

    use super::super::CommandSettings;
    use super::*;
    use crate::clock::Clock;
    use crate::domain::task::Source;
    use crate::store::{Store, StoreSettings};

    fn commands(folder: &tempfile::TempDir) -> Commands {
        let store = Store::open(&folder.path().join("ivan.db"), StoreSettings::default()).unwrap();
        let settings = CommandSettings::new(Source::GitHub);
        Commands::new(store, settings, Vec::new(), Clock::system())
    }

    #[tokio::test]
    async fn nothing_begins_after_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let commands = commands(&folder);
        let begins = |commands: &Commands| {
            let (begins, begun) = oneshot::channel();
            commands.later(Duration::ZERO, move |_| async move {
                let _ = begins.send(());
            });
            begun
        };
        begins(&commands).await.unwrap();
        let waits = begins(&commands);
        commands.end().await;
        assert!(waits.await.is_err());
        assert!(begins(&commands).await.is_err());
    }

    #[tokio::test]
    async fn the_end_waits_for_what_has_begun() {
        let folder = tempfile::tempdir().unwrap();
        let commands = commands(&folder);
        let (begins, begun) = oneshot::channel();
        let (goes_on, held) = oneshot::channel::<()>();
        let (done, is_done) = oneshot::channel();
        commands.later(Duration::ZERO, move |_| async move {
            let _ = begins.send(());
            let _ = held.await;
            let _ = done.send(());
        });
        begun.await.unwrap();
        let mut ending = std::pin::pin!(commands.end());
        let is_pending = poll_fn(|context| Poll::Ready(ending.as_mut().poll(context).is_pending()));
        assert!(is_pending.await);
        goes_on.send(()).unwrap();
        ending.await;
        is_done.await.unwrap();
    }
}
