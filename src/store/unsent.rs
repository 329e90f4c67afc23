//! Requests that are stored as begun in the transaction that stores their work, and that nobody has sent yet: posts, and
//! creations at a source. This saves a commit before each. This process sends them without a look-up; another one looks
//! each up first. They are few, so that a start has few to look up.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::Instant;

use crate::domain::ids::{CommandId, MessageId, OperationSeq};
use crate::runtime;

/// Requests of one kind that may be stored as begun and unsent.
pub(super) const UNSENT_MAX: usize = 32;
/// A request that was not sent for so long is dropped, perhaps, or waits: it is looked up like others.
const UNSENT_FOR: Duration = Duration::from_secs(300);

/// Requests of one kind by the ids of their work, each with a value and with the time at which it was stored.
#[derive(Debug)]
pub(super) struct Unsent<K, V>(Mutex<Noted<K, V>>);

#[derive(Debug)]
struct Noted<K, V> {
    by_id: HashMap<K, (V, Instant)>,
    /// Whether no more are to be stored: the daemon stops.
    is_closed: bool,
}

impl<K, V> Default for Unsent<K, V> {
    fn default() -> Unsent<K, V> {
        Unsent(Mutex::new(Noted {
            by_id: HashMap::new(),
            is_closed: false,
        }))
    }
}

impl<K: Copy + Eq + Hash, V> Unsent<K, V> {
    pub(super) fn has_room(&self) -> bool {
        let mut noted = self.lock();
        let unsent = &mut noted.by_id;
        if unsent.len() >= UNSENT_MAX {
            unsent.retain(|_, (_, since)| since.elapsed() < UNSENT_FOR);
        }
        noted.by_id.len() < UNSENT_MAX && !noted.is_closed
    }

    pub(super) fn add(&self, id: K, value: V) {
        self.lock().by_id.insert(id, (value, Instant::now()));
    }

    /// Whether it is among these.
    pub(super) fn has(&self, id: K) -> bool {
        self.lock().by_id.contains_key(&id)
    }

    /// Removes one, because it is sent now, or was not committed. Returns its value and its age.
    pub(super) fn take(&self, id: K) -> Option<(V, Duration)> {
        let (value, since) = self.lock().by_id.remove(&id)?;
        Some((value, since.elapsed()))
    }

    /// Removes those with such a value.
    pub(super) fn take_where(&self, is_it: impl Fn(&V) -> bool) -> Vec<K> {
        let mut taken = Vec::new();
        self.lock().by_id.retain(|id, (value, _)| {
            let takes = is_it(value);
            if takes {
                taken.push(*id);
            }
            !takes
        });
        taken
    }

    /// Removes all of them, and has no room any more.
    pub(super) fn close(&self) -> Vec<K> {
        self.lock().is_closed = true;
        self.take_where(|_| true)
    }

    fn lock(&self) -> MutexGuard<'_, Noted<K, V>> {
        runtime::lock(&self.0)
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct UnsentRequests {
    /// Posts, with the version of the message that is stored as begun.
    pub(super) posts: Unsent<MessageId, i64>,
    /// Creations, with their command.
    pub(super) operations: Unsent<OperationSeq, CommandId>,
    /// The last operation from before an unclean end of the process before this one; 0 after a clean one.
    waited: AtomicI64,
    /// The start of this process after an unclean end, in microseconds of our clock; 0 after a clean one.
    started: AtomicI64,
    /// The commands that were typed before that start.
    typed_before: Mutex<HashSet<CommandId>>,
}

impl UnsentRequests {
    /// This process starts after an unclean end. The operations up to `last` are from before it.
    pub(super) fn starts_after(&self, last: Option<OperationSeq>, now: DateTime<Utc>) {
        if let Some(last) = last {
            self.waited.fetch_max(last.0, Ordering::AcqRel);
        }
        let now = now.timestamp_micros();
        self.started.fetch_max(now, Ordering::AcqRel);
    }

    /// Notes a command if it was typed before a start after an unclean end.
    pub(super) fn note_command(&self, command: CommandId, typed_at: DateTime<Utc>) {
        if typed_at.timestamp_micros() < self.started.load(Ordering::Acquire) {
            runtime::lock(&self.typed_before).insert(command);
        }
    }

    /// Whether a command was typed before a start after an unclean end, and is carried out since.
    pub(super) fn is_typed_before(&self, command: CommandId) -> bool {
        runtime::lock(&self.typed_before).contains(&command)
    }

    /// Whether an operation is from before an unclean end.
    pub(super) fn waited_at_start(&self, operation: OperationSeq) -> bool {
        operation.0 <= self.waited.load(Ordering::Acquire)
    }
}

/// The requests that one transaction stores as begun.
#[derive(Debug, Default)]
pub(super) struct BegunRequests {
    pub(super) posts: Vec<MessageId>,
    pub(super) operations: Vec<OperationSeq>,
}

impl BegunRequests {
    /// Removes them from the unsent ones, because they were not committed.
    pub(super) fn are_none(&self, unsent: &UnsentRequests) {
        for post in &self.posts {
            unsent.posts.take(*post);
        }
        for operation in &self.operations {
            unsent.operations.take(*operation);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::operations::{self, NewCommand, OperationRow, OperationState, Surface};
    use super::super::{Store, StoreSettings, effects, people};
    use crate::domain::ids::CommandId;
    use crate::domain::operation::{NewTask, Place, Write};
    use chrono::{DateTime, Utc};

    const LANE: &str = "1/new/clickup:901";

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000, 0).unwrap()
    }

    fn open(folder: &tempfile::TempDir) -> Store {
        let path = folder.path().join("ivan.db");
        Store::beside(&path, StoreSettings::default()).unwrap()
    }

    /// Accepts a `create` of one person, in their lane.
    async fn accept(store: &Store, id: &'static str) -> CommandId {
        let accepted = store.write(move |tx| {
            people::configure(tx, &[])?;
            let command = NewCommand {
                person: people::present(tx)?.first().map(|one| one.id).unwrap(),
                surface: Surface::Slack,
                verb: "create",
                via: None,
                token: None,
                typed_at: now(),
                once: None,
            };
            let command = operations::add_command(tx, &command, now())?;
            let new = NewTask {
                place: Place::List("901".into()),
                title: "Buy milk".into(),
                description: None,
                entity: None,
                due: None,
                assignee: None,
                under: None,
                files: Vec::new(),
            };
            operations::add_and_begin(tx, command, id, LANE, &Write::Create(new), now())?;
            Ok(command)
        });
        accepted.await.unwrap()
    }

    async fn next(store: &Store) -> OperationRow {
        let known = store.clone();
        let next = store.read(move |db| operations::next_in_lane(db, &known, LANE));
        next.await.unwrap().unwrap()
    }

    #[tokio::test]
    async fn the_first_creation_of_a_lane_is_begun_with_its_command() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder);
        accept(&store, "01A").await;
        accept(&store, "01B").await;
        let first = next(&store).await;
        assert!(!first.operation.interrupted, "it was not sent");
        let again = next(&open(&folder)).await;
        assert!(again.operation.interrupted && again.operation.begun_at == Some(now()));
        let taken = store.inner.unsent.operations.take(first.seq);
        assert_eq!(taken.map(|(command, _)| command), Some(first.command));
        assert_eq!(
            operations::is_begun(&store, first.seq),
            None,
            "it is sent once"
        );
        assert!(next(&store).await.operation.interrupted);

        let command = first.command;
        let ends = store.write(move |tx| operations::cancel_rest(tx, command, now()));
        ends.await.unwrap();
        let second = next(&store).await;
        assert_eq!(second.operation.id, "01B");
        assert!(
            operations::is_begun(&store, second.seq).is_none(),
            "it waited for another"
        );
    }

    #[tokio::test]
    async fn a_creation_that_was_not_sent_is_taken_back_and_survives_a_stop() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder);
        let command = accept(&store, "01A").await;
        let first = next(&store).await;
        let taken_back = store.write(move |tx| effects::withdraw(tx, command, now()));
        assert_eq!(taken_back.await.unwrap(), 1, "it is cancelled");
        assert_eq!(operations::is_begun(&store, first.seq), None);
        let rows = store.read(move |db| operations::of_command(db, command));
        let rows = rows.await.unwrap();
        assert_eq!(rows.first().unwrap().state, OperationState::Cancelled);

        accept(&store, "01B").await;
        store.write(operations::stops).await.unwrap();
        assert!(!next(&open(&folder)).await.operation.interrupted);
        // Nobody would take back the begin of later ones.
        let command = next(&store).await.command;
        let ends = store.write(move |tx| operations::cancel_rest(tx, command, now()));
        ends.await.unwrap();
        accept(&store, "01C").await;
        assert!(!next(&open(&folder)).await.operation.interrupted);
    }
}
