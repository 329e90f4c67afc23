//! One command, one transaction: a rejection commits the writes before it, a database error rolls back.
//!
//! Inside of a transaction everything returns `Result<T, Stop>`. Only here is [`Stop`] split again.

use std::cell::Cell;
use std::sync::Arc;

use super::Commands;
use crate::command_tx::{CommandError, Stop};
use crate::command_tx::{CommandTx, Shows};
use crate::store::{Db, DbResult, StoreError};

impl Commands {
    /// Runs `work` in one transaction, which a rejection commits and a database error rolls back.
    pub(super) async fn decide<T, F>(&self, work: F) -> Result<T, CommandError>
    where
        T: Send + 'static,
        F: FnOnce(&CommandTx<'_>) -> Result<T, Stop> + Send + 'static,
    {
        let decided =
            self.turn(|turn| work(turn).map(Ok).or_else(|stop| stop.rejection().map(Err)));
        Ok(decided.await??)
    }

    /// Runs `work` on a reading connection.
    pub(super) async fn look<T, F>(&self, work: F) -> Result<T, CommandError>
    where
        T: Send + 'static,
        F: FnOnce(&Db) -> Result<T, Stop> + Send + 'static,
    {
        let found = self
            .inner
            .store
            .read(|db| work(db).map(Ok).or_else(|stop| stop.rejection().map(Err)));
        Ok(found.await??)
    }

    /// Runs `work`, which rejects nothing, in one transaction.
    pub(super) async fn turn<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&CommandTx<'_>) -> DbResult<T> + Send + 'static,
    {
        let inner = Arc::clone(&self.inner);
        self.inner
            .store
            .write(move |tx| {
                work(&CommandTx {
                    shows: Shows::Person,
                    accepted: Cell::default(),
                    settings: inner.settings.get(),
                    health: &inner.health,
                    logins: &inner.logins,
                    db: tx,
                    // The time of the commit, not of the request: there may be a queue.
                    now: inner.clock.now(),
                })
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::super::run::answer_request;
    use super::*;
    use crate::clock::Clock;
    use crate::commands::Rejection;
    use crate::commands::{CommandRequest, CommandSettings};
    use crate::domain::log::Via;
    use crate::domain::task::Source;
    use crate::store::{DbError, Store, StoreSettings, people};
    use crate::verbs::Done;

    #[tokio::test]
    async fn a_rejection_commits_its_pin_and_an_error_rolls_it_back() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("ivan.db"), StoreSettings::default()).unwrap();
        store.write(|tx| people::configure(tx, &[])).await.unwrap();
        let person = store.read(people::present).await.unwrap()[0].clone();
        let id = person.id;
        let pins = async || {
            let pins = store.read(move |db| people::pins(db, id));
            pins.await.unwrap().len()
        };
        let settings = CommandSettings::new(Source::ClickUp);
        let commands = Commands::new(store.clone(), settings, Vec::new(), Clock::system());
        let done = CommandRequest {
            person,
            command: Done::default().into(),
            once: None,
            via: Via::Http,
            token: None,
        };

        let asked = done.clone();
        let failed = commands.decide::<(), _>(move |turn| {
            let rejection = answer_request(turn, asked).unwrap_err().rejection()?;
            assert!(matches!(rejection, Rejection::NoCurrent(_)), "{rejection}");
            assert_eq!(people::pins(turn.db, id)?.len(), 1);
            Err(DbError::QueryReturnedNoRows.into())
        });
        let failed = failed.await.unwrap_err();
        assert!(matches!(failed, CommandError::Store(_)), "{failed}");
        assert_eq!(pins().await, 0);

        let rejected = commands.ask(done).await.unwrap_err();
        let is_no_current = matches!(rejected, CommandError::Rejected(Rejection::NoCurrent(_)));
        assert!(is_no_current, "{rejected}");
        assert_eq!(pins().await, 1);
    }
}
