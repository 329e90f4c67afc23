//! Reads the author's DM, once after a start, before a command that depends on the messages they were shown.
//!
//! A store restored from an older copy lacks the messages posted since. Each post in the DM carries the uid of its
//! message; `mailbox/shown.rs` compares them. If Slack does not answer, commands are delayed only briefly.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::web::{Web, WebError};
use super::{Timings, millis, wait_after};
use crate::domain::set_aside::Work;
use crate::mailbox::{Conversation, Gesture, Mailbox, Post, Traces, WaitingMessage};
use crate::runtime::{Backoff, lock};

/// How long a command waits for Slack to return the messages in its author's DM.
const LOOK_WITHIN: Duration = Duration::from_secs(15);

/// How many DMs are remembered as read before all are read again.
const DMS_MAX: usize = 10_000;

/// Compares the DMs of waiting work with the store, before any of it begins: the store may have been put back.
pub async fn look_before_work(web: &Web, mailbox: &Mailbox, timings: &Timings) {
    if let Err(error) = mailbox.know_lost_time().await {
        tracing::debug!(%error, "cannot read whether the store was put back");
    }
    let within = match mailbox.was_put_back() {
        true => LOOK_WITHIN * 4,
        // The sign of a copy that nothing else has shown is not worth a long wait at every start.
        false => LOOK_WITHIN / 5,
    };
    if !look_at_places(web, mailbox, timings, Instant::now() + within).await {
        tracing::warn!(
            "Slack does not return the DMs of waiting work; it begins without a look at them"
        );
    }
}

/// Returns `false` if the time was over before all were looked at. Each start of a read is committed before: a history
/// that ends the process twice is left alone for a while.
async fn look_at_places(web: &Web, mailbox: &Mailbox, timings: &Timings, until: Instant) -> bool {
    let places = match mailbox.places_of_work().await {
        Ok(places) => places,
        // The work itself meets the same error.
        Err(_) => return true,
    };
    let known = mailbox.lost_until();
    let mut read = Vec::new();
    let mut in_time = true;
    for place in places {
        let work = Work::History(place.channel.clone());
        if mailbox.attempts().rests(&work) {
            continue;
        }
        let Ok(begun) = mailbox.attempts().begin(&work).await else {
            break;
        };
        let looked = timeout_at(until, traces(web, timings, &place)).await;
        let done = matches!(looked, Ok(Some(_)));
        mailbox.attempts().is_over(begun, done).await;
        let traces = match looked {
            Ok(Some(traces)) => traces,
            Ok(None) => continue,
            Err(_) => {
                in_time = false;
                break;
            }
        };
        compare(mailbox, traces.posts.clone()).await;
        read.push(traces.posts);
    }
    // The sign may have been in the last of them: answers in the others count, too.
    if mailbox.lost_until() != known {
        for posts in read {
            compare(mailbox, posts).await;
        }
    }
    in_time
}

async fn compare(mailbox: &Mailbox, posts: Vec<Post>) {
    if let Err(error) = mailbox.compare_posts(posts).await {
        tracing::warn!(%error, "cannot compare the DM with the store yet");
    }
}

/// Reads a conversation; `None` if Slack does not return it within a limited time.
async fn traces(web: &Web, timings: &Timings, place: &Conversation) -> Option<Traces> {
    let read = || web.traces(&place.channel, place.thread.as_deref());
    patiently(timings, place, read).await
}

/// What `read` reads of a conversation, with some attempts; `None` if Slack does not return it within a limited time.
async fn patiently<T, F>(timings: &Timings, place: &Conversation, read: impl Fn() -> F) -> Option<T>
where
    F: Future<Output = Result<T, WebError>>,
{
    let until = Instant::now() + LOOK_WITHIN;
    let mut backoff = Backoff::new(timings.retry_first, timings.retry_max);
    loop {
        let error = match read().await {
            Ok(read) => return Some(read),
            Err(error) => error,
        };
        let wait = wait_after(&error, &mut backoff, timings);
        let is_final = matches!(
            error,
            WebError::Refused { .. } | WebError::Credentials { .. }
        );
        if is_final || Instant::now() + wait > until {
            tracing::warn!(channel = place.channel, wait_ms = millis(wait), %error, "cannot compare the DM with the store yet");
            return None;
        }
        tokio::time::sleep(wait).await;
    }
}

/// Whether a message from a lost time was answered then. If it may have been, it is doubted.
pub async fn was_answered(
    web: &Web,
    mailbox: &Mailbox,
    timings: &Timings,
    next: &mut WaitingMessage,
) -> bool {
    if !mailbox.is_of_lost_time(&next.heard) {
        return false;
    }
    next.doubted = true;
    if !next.heard.direct {
        return false;
    }
    let place = Conversation {
        channel: next.heard.channel.clone(),
        thread: next.heard.thread.clone(),
    };
    let traces = traces(web, timings, &place).await;
    traces.is_some_and(|traces| traces.answers(&next.heard))
}

/// The DMs that were read since the start.
#[derive(Default)]
pub struct ReadDms {
    at: Mutex<HashSet<String>>,
}

impl ReadDms {
    /// Reads the places where the author of this message may have seen its subject.
    pub async fn look(
        &self,
        web: &Web,
        mailbox: &Mailbox,
        timings: &Timings,
        next: &mut WaitingMessage,
    ) {
        let places = match mailbox.to_look_at(next).await {
            Ok(places) => places,
            // The command itself meets the same error, and is processed when that passes.
            Err(_) => return,
        };
        for place in places {
            if place.thread.is_none() && self.looked_at().contains(&place.channel) {
                continue;
            }
            if self.look_at(web, mailbox, timings, next, &place).await {
                next.heard.gesture = Gesture::InUnknownThread;
            }
        }
    }

    /// Whether it is a thread in which the store did not post everything.
    async fn look_at(
        &self,
        web: &Web,
        mailbox: &Mailbox,
        timings: &Timings,
        next: &WaitingMessage,
        place: &Conversation,
    ) -> bool {
        let read = || web.own_posts(&place.channel, place.thread.as_deref());
        let Some(posts) = patiently(timings, place, read).await else {
            return false;
        };
        match mailbox.stand_there(next, place, posts).await {
            Ok(unknown) => {
                if place.thread.is_none() {
                    let mut looked_at = self.looked_at();
                    if looked_at.len() >= DMS_MAX {
                        looked_at.clear();
                    }
                    looked_at.insert(place.channel.clone());
                }
                unknown
            }
            Err(_) => false,
        }
    }

    fn looked_at(&self) -> MutexGuard<'_, HashSet<String>> {
        lock(&self.at)
    }
}
