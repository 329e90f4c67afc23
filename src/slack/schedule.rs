//! Waits until a person is to get an unasked message: a briefing, or notices held in quiet hours.
//!
//! The mailbox decides and stores the message. This module waits, and asks Slack for the person's account: they may have
//! left, or have travelled, and then get the briefing at their new time.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::Instant;

use super::dispatch::{Members, member_now};
use super::membership::{hidden, member};
use super::web::{Web, WebError};
use super::{SlackError, Timings, millis};
use crate::clock::Clock;
use crate::domain::person::{Membership, SlackMember};
use crate::domain::set_aside::Work;
use crate::mailbox::{Mailbox, Schedules, StoreError};
use crate::runtime::{Backoff, CancellationToken, slept};

/// The longest wait, because the machine's clock may be set, or stop while it sleeps.
const LOOK_AGAIN: Duration = Duration::from_secs(300);
/// The wait before the next check, if a person became due during this one. Changes within this time after a check share
/// the next one: many people may write for the first time at once.
const LOOK_SOON: Duration = Duration::from_secs(1);

/// Sends due messages until told to stop. Those due while no daemon ran are sent at the next start, if it is not too
/// late.
pub async fn run(
    mailbox: Mailbox,
    web: Web,
    members: Arc<Members>,
    team: String,
    clock: Clock,
    timings: Arc<Timings>,
    shutdown: CancellationToken,
) -> Result<(), SlackError> {
    let mut backoff = Backoff::new(timings.retry_first, timings.retry_max);
    let mut asking = Backoff::new(timings.retry_first, timings.retry_max);
    loop {
        let looked = Instant::now();
        let (left, all_are_known) = match tell_all(&mailbox, &web, &members, &team).await {
            Ok(told) => {
                backoff.reset();
                told
            }
            Err(trouble) => {
                let wait = backoff.next();
                tracing::error!(wait_ms = millis(wait), error = %trouble, "briefings and held notices are waiting for the store");
                if !slept(wait, &shutdown).await {
                    return Ok(());
                }
                continue;
            }
        };
        // People whose account Slack did not return stay due, and are looked up again.
        let again = match all_are_known {
            true => {
                asking.reset();
                None
            }
            false => Some(asking.next()),
        };
        let wait = until_the_next_look(&left, clock.now())
            .into_iter()
            .chain(again)
            .min();
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(()),
            () = changed(&mailbox, looked) => {}
            () = tokio::time::sleep(wait.unwrap_or_default()), if wait.is_some() => {}
        }
    }
}

/// Resolves after a change, but not soon after the last check.
async fn changed(mailbox: &Mailbox, looked: Instant) {
    mailbox.signals().rhythms.notified().await;
    tokio::time::sleep_until(looked + LOOK_SOON).await;
}

/// Looks up the time zones of people who have not written yet, until told to stop. Their messages are then in their
/// local time from the start. When all are known, it waits for people who are added.
pub async fn learn_zones(
    mailbox: Mailbox,
    web: Web,
    timings: Arc<Timings>,
    shutdown: CancellationToken,
) -> Result<(), SlackError> {
    let mut backoff = Backoff::new(timings.retry_first, timings.retry_max);
    // A person in UTC counts as unknown, and is looked up once.
    let mut asked_about = HashSet::new();
    loop {
        let learning = learn_from_slack(&mailbox, &web, &mut asked_about);
        let Some(learned) = shutdown.run_until_cancelled(learning).await else {
            return Ok(());
        };
        match learned {
            Ok(true) => {
                backoff.reset();
                let added = mailbox.signals().newcomers.notified();
                match shutdown.run_until_cancelled(added).await {
                    Some(()) => continue,
                    None => return Ok(()),
                }
            }
            Ok(false) => {}
            Err(trouble) => tracing::warn!(error = %trouble, "cannot read time zones yet"),
        }
        if !slept(backoff.next(), &shutdown).await {
            return Ok(());
        }
    }
}

/// Looks up the remaining people in Slack, one by one; `false` if it does not return all of them now.
async fn learn_from_slack(
    mailbox: &Mailbox,
    web: &Web,
    asked_about: &mut HashSet<String>,
) -> Result<bool, StoreError> {
    let mut all = true;
    for (person, id) in mailbox.without_zone().await? {
        if asked_about.contains(&id) {
            continue;
        }
        let member = match web.user(&id).await {
            Ok(user) => member(&id, &user),
            Err(WebError::Refused { .. }) => hidden(&id),
            Err(error) => {
                tracing::debug!(person = id, %error, "Slack does not give the person's time zone");
                all = false;
                continue;
            }
        };
        // Uncertain accounts are looked up again. The right to act does not matter here, and is not stored.
        if let Membership::Uncertain(_) = member.standing {
            all = false;
            continue;
        }
        if let Some(zone) = member.zone {
            mailbox.learn_zone(person, zone).await?;
        }
        asked_about.insert(id);
    }
    Ok(all)
}

/// How long to wait; `None`: until a change. Times between the two checks of [`tell_all`] are due in the second, and
/// ahead in neither.
fn until_the_next_look(left: &Schedules, now: DateTime<Utc>) -> Option<Duration> {
    if !left.due.is_empty() {
        return Some(LOOK_SOON);
    }
    let until = (left.next? - now).to_std().unwrap_or_default();
    Some(until.min(LOOK_AGAIN))
}

/// Sends all due messages. Returns the people due after that with the next time, and whether Slack returned every
/// account. People without one are left out, as are those whose briefing is set aside for now.
async fn tell_all(
    mailbox: &Mailbox,
    web: &Web,
    members: &Members,
    team: &str,
) -> Result<(Schedules, bool), StoreError> {
    let mut unknown = Vec::new();
    for due in mailbox.rhythms().await?.due {
        let work = Work::Briefing(due.person);
        if mailbox.attempts().rests(&work) {
            unknown.push(due.person);
            continue;
        }
        let begun = mailbox.attempts().begin(&work).await?;
        let member = match &due.slack {
            Some(id) => match asked(web, members, id).await {
                Some(member) => Some((member, team.to_owned())),
                None => {
                    unknown.push(due.person);
                    mailbox.attempts().is_over(begun, false).await;
                    continue;
                }
            },
            None => None,
        };
        let told = mailbox.tell_due(due.person, member).await;
        mailbox.attempts().is_over(begun, told.is_ok()).await;
        told?;
    }
    let mut left = mailbox.rhythms().await?;
    left.due.retain(|due| !unknown.contains(&due.person));
    Ok((left, unknown.is_empty()))
}

/// A person's current account, or a recent one. `None` if Slack returns no certain answer; they get no message until it
/// does.
async fn asked(web: &Web, members: &Members, id: &str) -> Option<SlackMember> {
    match member_now(web, members, id).await {
        Ok(member) => Some(member).filter(|one| !matches!(one.standing, Membership::Uncertain(_))),
        Err(error) => {
            let fresh = members.fresh(id);
            if fresh.is_none() {
                tracing::info!(person = id, %error, "briefing waits until Slack identifies the person");
            }
            fresh
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::domain::person::PersonId;
    use crate::mailbox::DuePerson;

    #[test]
    fn whoever_becomes_due_between_two_looks_is_not_forgotten() {
        let now: DateTime<Utc> = "2026-12-09T08:30:00Z".parse().unwrap();
        let in_s = |s| Some(now + TimeDelta::seconds(s));
        let ana = DuePerson {
            person: PersonId(1),
            slack: None,
        };
        let wait = |due: &[DuePerson], next| {
            let left = Schedules {
                due: due.to_vec(),
                next,
            };
            until_the_next_look(&left, now)
        };
        assert_eq!(wait(&[], None), None);
        assert_eq!(wait(&[], in_s(7)), Some(Duration::from_secs(7)));
        assert_eq!(wait(&[], in_s(-7)), Some(Duration::ZERO));
        assert_eq!(wait(&[], in_s(7_000)), Some(LOOK_AGAIN));
        // No time is ahead, and Ana's has come.
        assert_eq!(wait(std::slice::from_ref(&ana), None), Some(LOOK_SOON));
        // Not only when the next one is due.
        assert_eq!(wait(&[ana], in_s(7_000)), Some(LOOK_SOON));
    }
}
