//! Waits until somebody is to be told something that they have not just asked for: a briefing, or what quiet hours held.
//!
//! The desk decides and writes down what is said; here is the waiting, and the question to Slack who they are now, for
//! whoever has travelled gets their briefing at their new time.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::watch;

use super::listen::{member, nobody};
use super::pace::Backoff;
use super::web::{Web, WebError};
use super::{SlackError, Timings, millis, slept, told_to_stop};
use crate::clock::Clock;
use crate::desk::{Desk, Due, StoreTrouble};
use crate::domain::person::Member;

/// A wait is no longer than this, for the clock of the machine may be set, or stand still while it sleeps.
const LOOK_AGAIN: Duration = Duration::from_secs(300);

/// Tells those who are due until told to stop. Who was due while nobody was running is told at the next start, if it is
/// not too late then.
pub async fn run(
    desk: Desk,
    web: Web,
    team: String,
    clock: Clock,
    timings: Arc<Timings>,
    mut shutdown: watch::Receiver<bool>,
) -> Result<(), SlackError> {
    let mut backoff = Backoff::new(timings.retry_first, timings.retry_max);
    loop {
        let next = match tell_all(&desk, &web, &team).await {
            Ok(next) => {
                backoff.reset();
                next
            }
            Err(trouble) => {
                let wait = backoff.next();
                tracing::error!(
                    wait_ms = millis(wait),
                    "briefings and held notices wait for the store: {trouble}"
                );
                if !slept(wait, &mut shutdown).await {
                    return Ok(());
                }
                continue;
            }
        };
        let wait = next.map(|next| {
            let until = (next - clock.now()).to_std().unwrap_or_default();
            until.min(LOOK_AGAIN)
        });
        tokio::select! {
            biased;
            () = told_to_stop(&mut shutdown) => return Ok(()),
            () = desk.something_in_rhythms() => {}
            () = tokio::time::sleep(wait.unwrap_or_default()), if wait.is_some() => {}
        }
    }
}

/// Tells everybody who is due, and says when the next are.
async fn tell_all(
    desk: &Desk,
    web: &Web,
    team: &str,
) -> Result<Option<DateTime<Utc>>, StoreTrouble> {
    for due in desk.rhythms().await?.due {
        let member = match &due {
            Due {
                slack: Some(id), ..
            } => asked(web, id, team).await,
            Due { slack: None, .. } => None,
        };
        desk.tell_due(due.person, member).await?;
    }
    Ok(desk.rhythms().await?.next)
}

/// Who somebody is now. What Slack does not tell at the moment stays as it was: nothing waits for it.
async fn asked(web: &Web, id: &str, team: &str) -> Option<(Member, String)> {
    match web.user(id).await {
        Ok(user) => Some((member(id, user), team.to_owned())),
        Err(error) => {
            tracing::info!(
                person = id,
                "somebody is told by the zone that is known of them: {error}"
            );
            match error {
                // Slack does not show them to us: they are told nothing.
                WebError::Refused { .. } => Some((nobody(id), team.to_owned())),
                _ => None,
            }
        }
    }
}
