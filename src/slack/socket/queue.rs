//! Envelopes between the reader of a link and their commit: bounded by bytes over all links, commands and forms first.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::Job;
use crate::runtime::lock;

/// Bytes of envelopes that wait to be committed, over all links: tens of thousands of messages of usual length. Any
/// more are left unacknowledged.
pub(super) const ENVELOPES_MAX: usize = 32 << 20;
/// The part that is reserved for commands, buttons and forms, because Slack does not deliver them again.
pub(super) const GESTURES_RESERVE: usize = 4 << 20;
/// The memory of a job besides its texts: ids, keys, and its place in the queue.
pub(super) const JOB_BYTES: usize = 1_024;

/// Memory for envelopes. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    all: Arc<Semaphore>,
    gestures: Arc<Semaphore>,
}

impl Budget {
    /// A budget of `bytes` in all, of which `reserve` is for gestures only.
    pub(super) fn new(bytes: usize, reserve: usize) -> Budget {
        Budget {
            all: Arc::new(Semaphore::new(bytes.saturating_sub(reserve))),
            gestures: Arc::new(Semaphore::new(reserve)),
        }
    }

    /// Reserves room for a job, if there is any.
    fn take(&self, job: &Job) -> Option<OwnedSemaphorePermit> {
        let bytes = u32::try_from(job.bytes()).ok()?;
        let common = || Arc::clone(&self.all).try_acquire_many_owned(bytes).ok();
        match job.goes_first() {
            false => common(),
            true => {
                let reserve = Arc::clone(&self.gestures);
                reserve.try_acquire_many_owned(bytes).ok().or_else(common)
            }
        }
    }
}

/// An envelope, and the room that it takes until it is acknowledged.
pub(super) struct Held {
    pub(super) job: Job,
    pub(super) room: Option<OwnedSemaphorePermit>,
}

/// The waiting jobs of one link, between its reader and its keeper.
pub(super) struct JobQueue {
    budget: Budget,
    waiting: Mutex<Waiting>,
    changed: Notify,
}

#[derive(Default)]
struct Waiting {
    /// Begun before all others, even while others are being committed.
    first: VecDeque<Held>,
    events: VecDeque<Held>,
    closed: bool,
}

impl JobQueue {
    pub(super) fn new(budget: &Budget) -> JobQueue {
        JobQueue {
            budget: budget.clone(),
            waiting: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// Adds a job for the keeper; returns it if there is no room.
    pub(super) fn push(&self, job: Job) -> Option<Job> {
        let Some(room) = self.budget.take(&job) else {
            return Some(job);
        };
        let room = Some(room);
        self.waiting().push(Held { job, room });
        self.changed.notify_one();
        None
    }

    /// Adds a job that is only an acknowledgement.
    pub(super) fn push_small(&self, job: Job) {
        self.waiting().push(Held { job, room: None });
        self.changed.notify_one();
    }

    /// Marks the end of the queue.
    pub(super) fn close(&self) {
        self.waiting().closed = true;
        self.changed.notify_one();
    }

    /// The next job; events only if `events`. `None` at the end. It is cancel safe.
    pub(super) async fn next(&self, events: bool) -> Option<Held> {
        loop {
            {
                let mut waiting = self.waiting();
                if let Some(held) = waiting.pop(events) {
                    return Some(held);
                }
                if waiting.closed && waiting.events.is_empty() {
                    return None;
                }
            }
            self.changed.notified().await;
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        lock(&self.waiting)
    }
}

impl Waiting {
    fn push(&mut self, held: Held) {
        if !held.job.goes_first() {
            self.events.push_back(held);
            return;
        }
        // A person's own messages go before their command (P3).
        let user = held.job.user();
        if user.is_some() && self.events.iter().any(|event| event.job.user() == user) {
            let (theirs, others) = self
                .events
                .drain(..)
                .partition(|event| event.job.user() == user);
            self.events = others;
            let theirs: VecDeque<Held> = theirs;
            self.first.extend(theirs);
        }
        self.first.push_back(held);
    }

    fn pop(&mut self, events: bool) -> Option<Held> {
        let first = self.first.pop_front();
        first.or_else(|| events.then(|| self.events.pop_front()).flatten())
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::mailbox::{Gesture, IncomingMessage};

    fn job(kind: &str, user: &str, text: &str) -> Job {
        let heard = IncomingMessage {
            keys: Vec::new(),
            user: user.to_owned(),
            channel: "D0DM001".to_owned(),
            direct: true,
            text: text.to_owned(),
            ts: "1763800000.000100".to_owned(),
            said_at: chrono::DateTime::from_timestamp(1_763_800_000, 0).unwrap(),
            thread: None,
            gesture: Gesture::Said,
            attached: crate::mailbox::Attachments::default(),
        };
        Job {
            arrived: Instant::now(),
            envelope_id: Some("e".to_owned()),
            kind: kind.to_owned(),
            keep: Some((heard, String::new())),
            response: None,
            instead: None,
        }
    }

    fn queue(bytes: usize, reserve: usize) -> JobQueue {
        JobQueue::new(&Budget::new(bytes, reserve))
    }

    /// The jobs that come out, by their text.
    async fn drained(queue: &JobQueue) -> Vec<String> {
        queue.close();
        let mut texts = Vec::new();
        while let Some(held) = queue.next(true).await {
            texts.push(held.job.keep.unwrap().0.text);
        }
        texts
    }

    #[tokio::test]
    async fn commands_go_first_and_take_their_person_s_messages_with_them() {
        let queue = queue(ENVELOPES_MAX, GESTURES_RESERVE);
        for (kind, user, text) in [
            ("events_api", "U1", "one"),
            ("events_api", "U2", "two"),
            ("events_api", "U1", "three"),
            ("events_api", "U3", "four"),
            ("slash_commands", "U2", "command of U2"),
            ("interactive", "U1", "form of U1"),
            ("events_api", "U2", "after it"),
            ("interactive", "U4", "button of U4"),
        ] {
            assert!(queue.push(job(kind, user, text)).is_none());
        }
        let order = [
            "two",
            "command of U2",
            "one",
            "three",
            "form of U1",
            "button of U4",
            "four",
            "after it",
        ];
        assert_eq!(drained(&queue).await, order);
    }

    #[tokio::test]
    async fn a_command_does_not_wait_until_an_event_may_be_begun() {
        let queue = queue(ENVELOPES_MAX, GESTURES_RESERVE);
        assert!(queue.push(job("events_api", "U1", "event")).is_none());
        assert!(queue.push(job("slash_commands", "U2", "command")).is_none());
        let held = queue.next(false).await.unwrap();
        assert_eq!(held.job.user(), Some("U2"));
        let nothing = tokio::time::timeout(std::time::Duration::ZERO, queue.next(false)).await;
        assert!(nothing.is_err(), "the event waits, and the queue is no end");
        assert_eq!(drained(&queue).await, ["event"]);
    }

    #[tokio::test]
    async fn events_leave_the_reserve_to_commands_and_room_comes_back() {
        let one = JOB_BYTES + "x".len();
        let queue = queue(3 * one, one);
        assert!(queue.push(job("events_api", "U1", "x")).is_none());
        assert!(queue.push(job("events_api", "U2", "x")).is_none());
        assert!(queue.push(job("events_api", "U3", "x")).is_some());
        assert!(queue.push(job("slash_commands", "U4", "x")).is_none());
        assert!(queue.push(job("slash_commands", "U5", "x")).is_some());
        let held = queue.next(true).await.unwrap();
        assert!(queue.push(job("interactive", "U6", "x")).is_some());
        drop(held);
        assert!(queue.push(job("interactive", "U6", "x")).is_none());
    }

    #[tokio::test]
    async fn two_links_share_one_budget() {
        let budget = Budget::new(2 * (JOB_BYTES + 1), 0);
        let (one, other) = (JobQueue::new(&budget), JobQueue::new(&budget));
        assert!(one.push(job("events_api", "U1", "x")).is_none());
        assert!(other.push(job("events_api", "U2", "x")).is_none());
        assert!(one.push(job("events_api", "U3", "x")).is_some());
        // A link that ends releases its room.
        drop(other);
        assert!(one.push(job("events_api", "U3", "x")).is_none());
    }
}
