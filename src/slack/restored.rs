//! Reads the author's DM, once after a start, before a command that depends on the messages they were shown.
//!
//! A store restored from an older copy lacks the messages posted since. Each post in the DM carries the uid of its
//! message; `mailbox/shown.rs` compares them. If Slack does not answer, commands are delayed only briefly.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

use super::web::{Web, WebError};
use super::{Timings, millis, wait_after};
use crate::mailbox::{Conversation, Gesture, Mailbox, WaitingMessage};
use crate::runtime::{Backoff, lock};

/// How long a command waits for Slack to return the messages in its author's DM.
const LOOK_WITHIN: Duration = Duration::from_secs(15);

/// How many DMs are remembered as read before all are read again.
const DMS_MAX: usize = 10_000;

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
        let until = Instant::now() + LOOK_WITHIN;
        let mut backoff = Backoff::new(timings.retry_first, timings.retry_max);
        let posts = loop {
            let error = match web.own_posts(&place.channel, place.thread.as_deref()).await {
                Ok(posts) => break posts,
                Err(error) => error,
            };
            let wait = wait_after(&error, &mut backoff, timings);
            let is_final = matches!(
                error,
                WebError::Refused { .. } | WebError::Credentials { .. }
            );
            if is_final || Instant::now() + wait > until {
                tracing::warn!(person = next.heard.user, wait_ms = millis(wait), %error, "cannot compare the DM with the store yet");
                return false;
            }
            tokio::time::sleep(wait).await;
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
