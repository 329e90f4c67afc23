//! Works off what was heard: each kept message → who says it → the desk acts.
//!
//! One message of a person at a time, in the order they were said; people do not wait for each other. A message stays
//! kept until the desk has acted on it, so that whatever fails here is simply tried again, after a restart too.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::pace::Backoff;
use super::web::{Web, WebError};
use super::wire::User;
use super::{SlackError, Timings, millis, panicked, slept, told_to_stop, wait_after};
use crate::bounds::Bound;
use crate::desk::{Desk, Gesture, StoreTrouble, Waiting};
use crate::domain::command;
use crate::domain::form::{Filled, QUIET_AT};
use crate::domain::person::Member;

/// So many people's messages are acted on at once; the others wait their turn.
const PEOPLE_AT_ONCE: usize = 32;
/// So many people are asked about for one message.
const MENTIONS_MAX: usize = 10;
/// So many people are remembered.
const MEMBERS_MAX: usize = 10_000;

/// The part of the desk that acts on what was heard; the promises of each are [`Desk`]'s.
#[async_trait]
pub trait Actor: Send + Sync + 'static {
    /// The next message of so many people, of those who have any that waits.
    async fn waiting(&self, at_most: usize) -> Result<Vec<Waiting>, StoreTrouble>;
    async fn something_heard(&self);
    async fn act(&self, next: &Waiting, member: &Member, team: &str) -> Result<(), StoreTrouble>;
    /// Slack ids of those whom the desk knows: in texts it wants their ids.
    async fn known_in_slack(&self) -> Result<Vec<String>, StoreTrouble>;
    async fn until_the_store_is_well(&self);
}

#[async_trait]
impl Actor for Desk {
    async fn waiting(&self, at_most: usize) -> Result<Vec<Waiting>, StoreTrouble> {
        Desk::waiting(self, at_most).await
    }
    async fn something_heard(&self) {
        Desk::something_heard(self).await;
    }
    async fn act(&self, next: &Waiting, member: &Member, team: &str) -> Result<(), StoreTrouble> {
        Desk::act(self, next, member, team).await
    }
    async fn known_in_slack(&self) -> Result<Vec<String>, StoreTrouble> {
        Desk::known_in_slack(self).await
    }
    async fn until_the_store_is_well(&self) {
        Desk::until_the_store_is_well(self).await;
    }
}

/// Who people are, as Slack said not long ago (`users.info`).
pub struct Members {
    keep_for: Duration,
    known: Mutex<HashMap<String, (Member, Instant)>>,
}

impl Members {
    pub fn new(keep_for: Duration) -> Members {
        Members {
            keep_for,
            known: Mutex::default(),
        }
    }

    /// The name of a person who was seen here, however long ago.
    pub fn name_of(&self, id: &str) -> Option<String> {
        self.known().get(id).map(|(member, _)| member.name.clone())
    }

    /// Who somebody was when Slack last said so, however long ago.
    pub fn last_known(&self, id: &str) -> Option<Member> {
        self.known().get(id).map(|(member, _)| member.clone())
    }

    fn get(&self, id: &str, now: Instant) -> Option<Member> {
        let known = self.known();
        let (member, since) = known.get(id)?;
        (now.duration_since(*since) < self.keep_for).then(|| member.clone())
    }

    fn learn(&self, member: Member, now: Instant) {
        let mut known = self.known();
        if known.len() >= MEMBERS_MAX {
            Bound::Members.reached(format_args!(
                "{MEMBERS_MAX} people are remembered; who was not seen lately is asked about again"
            ));
            known.retain(|_, (_, since)| now.duration_since(*since) < self.keep_for);
        }
        if known.len() >= MEMBERS_MAX {
            known.clear();
        }
        known.insert(member.id.clone(), (member, now));
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<String, (Member, Instant)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Has kept messages acted on until told to stop; then finishes those that are being acted on.
///
/// # Errors
/// A panic while a message was acted on.
pub async fn run(
    actor: Arc<dyn Actor>,
    web: Web,
    members: Arc<Members>,
    team: String,
    timings: Arc<Timings>,
    mut shutdown: watch::Receiver<bool>,
) -> Result<(), SlackError> {
    let ear = Arc::new(Ear {
        actor,
        web,
        members,
        team,
        timings,
    });
    let mut backoff = Backoff::new(ear.timings.retry_first, ear.timings.retry_max);
    let mut busy: HashSet<String> = HashSet::new();
    let mut acting: JoinSet<String> = JoinSet::new();
    loop {
        // Asked anew after every wake: messages of a start before this one are among them. Those who are being acted for
        // may be the first of them, and one more tells whether somebody has to wait.
        let at_most = match PEOPLE_AT_ONCE - acting.len() {
            0 => 0,
            room => acting.len() + room + 1,
        };
        let waiting = match at_most {
            0 => Ok(Vec::new()),
            at_most => ear.actor.waiting(at_most).await,
        };
        match waiting {
            Ok(waiting) => {
                backoff.reset();
                for next in waiting {
                    if acting.len() >= PEOPLE_AT_ONCE {
                        if !busy.contains(&next.heard.user) {
                            Bound::PeopleAtOnce.reached(format_args!(
                                "the messages of {PEOPLE_AT_ONCE} people are being acted on, and the next wait"
                            ));
                            break;
                        }
                        continue;
                    }
                    if busy.insert(next.heard.user.clone()) {
                        acting.spawn(Arc::clone(&ear).act(next, shutdown.clone()));
                    }
                }
            }
            Err(trouble) => {
                let wait = backoff.next();
                tracing::error!(
                    wait_ms = millis(wait),
                    "what was heard cannot be read: {trouble}"
                );
                if !slept(wait, &mut shutdown).await {
                    break;
                }
                continue;
            }
        }
        tokio::select! {
            biased;
            () = told_to_stop(&mut shutdown) => break,
            Some(acted) = acting.join_next() => {
                busy.remove(&acted.map_err(|error| panicked("listen", error))?);
            }
            () = ear.actor.something_heard() => {}
        }
    }
    while let Some(acted) = acting.join_next().await {
        acted.map_err(|error| panicked("listen", error))?;
    }
    Ok(())
}

struct Ear {
    actor: Arc<dyn Actor>,
    web: Web,
    members: Arc<Members>,
    team: String,
    timings: Arc<Timings>,
}

impl Ear {
    /// Has the desk act on one message, as often as it takes; returns whose it was.
    async fn act(
        self: Arc<Self>,
        mut next: Waiting,
        mut shutdown: watch::Receiver<bool>,
    ) -> String {
        let mut backoff = Backoff::new(self.timings.retry_first, self.timings.retry_max);
        loop {
            let asked = tokio::select! {
                biased;
                () = told_to_stop(&mut shutdown) => return next.heard.user,
                asked = self.member(&next.heard.user) => asked,
            };
            if asked.is_ok() {
                next.heard.text = self.with_names(&next.heard.text).await;
                self.complete(&mut next.heard.gesture).await;
            }
            let wait = match asked {
                Ok(member) => match self.actor.act(&next, &member, &self.team).await {
                    Ok(()) => return next.heard.user,
                    Err(trouble) => {
                        let wait = backoff.next();
                        tracing::error!(
                            wait_ms = millis(wait),
                            "a message could not be acted on and will be again: {trouble}"
                        );
                        // A store that takes nothing says itself when it does again.
                        if self
                            .actor
                            .until_the_store_is_well()
                            .now_or_never()
                            .is_none()
                        {
                            backoff.reset();
                            tokio::select! {
                                biased;
                                () = told_to_stop(&mut shutdown) => return next.heard.user,
                                () = self.actor.until_the_store_is_well() => {}
                            }
                            continue;
                        }
                        wait
                    }
                },
                Err(error) => {
                    let wait = wait_after(&error, &mut backoff, &self.timings);
                    tracing::warn!(
                        wait_ms = millis(wait),
                        person = next.heard.user,
                        "a message waits for Slack to say who sent it: {error}"
                    );
                    wait
                }
            };
            if !slept(wait, &mut shutdown).await {
                return next.heard.user;
            }
        }
    }

    /// With the names of those whom the gate knew by their id only, unless the desk knows them. A name that cannot be had
    /// now stays an id: nothing waits for it.
    async fn with_names(&self, text: &str) -> String {
        let mut named = text.to_owned();
        if command::names_a_person(text) {
            return named;
        }
        let ids = mentioned(text);
        let known = match ids.is_empty() {
            true => Vec::new(),
            false => self.actor.known_in_slack().await.unwrap_or_default(),
        };
        for id in ids {
            if !known.iter().any(|known| known == id)
                && let Ok(member) = self.member(id).await
            {
                named = named.replace(&format!("@{id}"), &format!("@{}", member.name));
            }
        }
        named
    }

    /// Who somebody is; an error is one that may pass.
    async fn member(&self, id: &str) -> Result<Member, WebError> {
        member_of(&self.web, &self.members, id).await
    }

    /// Whose message a task is made from, whom it names, and where it can be read, as far as Slack tells it now: nothing
    /// waits for it.
    async fn complete(&self, gesture: &mut Gesture) {
        let Gesture::Submitted {
            filled:
                Filled::Create {
                    create,
                    from: Some(origin),
                },
            ..
        } = gesture
        else {
            return;
        };
        let texts = [Some(&mut create.title), create.description.as_mut()];
        for text in texts.into_iter().flatten() {
            // Mentions in it are quiet already, and stay so.
            let loud = text.replace(QUIET_AT, "@");
            for id in mentioned(&loud) {
                if let Ok(member) = self.member(id).await {
                    *text = text.replace(
                        &format!("{QUIET_AT}{id}"),
                        &format!("{QUIET_AT}{}", member.name),
                    );
                }
            }
        }
        if let Some(user) = &origin.user
            && let Ok(member) = self.member(user).await
        {
            origin.author = Some(member.name);
        }
        match self.web.permalink(&origin.channel, &origin.ts).await {
            Ok(link) => origin.link = Some(link),
            Err(error) => {
                tracing::info!(
                    "a message's address is as it usually is, for Slack does not tell it: {error}"
                );
            }
        }
    }
}

/// Who somebody is; an error is one that may pass.
pub async fn member_of(web: &Web, members: &Members, id: &str) -> Result<Member, WebError> {
    if let Some(member) = members.get(id, Instant::now()) {
        return Ok(member);
    }
    match web.user(id).await {
        Ok(user) => {
            let member = member(id, user);
            members.learn(member.clone(), Instant::now());
            Ok(member)
        }
        // Somebody whom Slack does not let us see may not act, and learns so.
        Err(error @ WebError::Refused { .. }) => {
            tracing::warn!(person = id, "a sender is not known to Slack: {error}");
            Ok(nobody(id))
        }
        Err(error) => Err(error),
    }
}

/// The ids after an `@` that are a person's in Slack, the longest first; no more than a message is worth asking for.
fn mentioned(text: &str) -> Vec<&str> {
    let is_of_an_id = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit();
    let mut ids: Vec<&str> = text
        .split('@')
        .skip(1)
        .filter_map(|after| {
            let end = after.find(|c| !is_of_an_id(c)).unwrap_or(after.len());
            after.get(..end)
        })
        .filter(|id| id.starts_with(['U', 'W']) && id.len() >= 7)
        .take(MENTIONS_MAX)
        .collect();
    ids.sort_by_key(|id| std::cmp::Reverse(id.len()));
    ids.dedup();
    ids
}

/// Slack's words about a person → ours (contract slack 3.2).
pub(super) fn member(id: &str, user: User) -> Member {
    let yes = |flag: Option<bool>| flag == Some(true);
    let name = [
        user.profile.display_name,
        user.profile.real_name,
        user.real_name,
        user.name,
    ]
    .into_iter()
    .flatten()
    .find(|name| !name.trim().is_empty());
    Member {
        id: id.to_owned(),
        name: name.unwrap_or_else(|| id.to_owned()),
        email: user
            .profile
            .email
            .filter(|_| user.is_email_confirmed != Some(false)),
        zone: user.tz.and_then(|zone| zone.parse().ok()),
        deactivated: yes(user.deleted),
        bot: yes(user.is_bot),
        guest: yes(user.is_restricted)
            || yes(user.is_ultra_restricted)
            // A stranger is known by their team; where Slack names none, nobody takes them for a full member.
            || (yes(user.is_stranger) && user.team_id.is_none()),
        team: user.team_id,
    }
}

/// A member that may not act, whoever is named in the configuration.
pub(super) fn nobody(id: &str) -> Member {
    Member {
        id: id.to_owned(),
        team: None,
        name: id.to_owned(),
        email: None,
        zone: None,
        deactivated: true,
        bot: false,
        guest: true,
    }
}

#[cfg(test)]
mod tests;
