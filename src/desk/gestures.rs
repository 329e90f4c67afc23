//! Gestures that are no message to us: what the surface could not know of them, and the reactions that answer.
//!
//! `Desk::keep` asks [`whole`] before anything is stored, so that of what people say or do among themselves nothing is.
//! What is to stand on people's messages is fetched here by `slack/react.rs`, as messages are by `slack/post.rs`.

use std::collections::BTreeSet;

use super::{Desk, Gesture, Heard, SHOWN_WITHIN, ThreadReplies, Waiting, report_of};
use crate::domain::scope::{self, REACT};
use crate::domain::sign;
use crate::store::messages::{self, Draft};
use crate::store::reactions::{self, Due};
use crate::store::{Db, DbResult, StoreTrouble, Wake, homes, operations, people, slack_events};

/// Messages that are given out at once.
const DUE_MAX: usize = 64;

/// A gesture with what only the store knows of it; `None` if it is not about anything of ours.
pub(super) fn whole(tx: &Db, mut heard: Heard, replies: ThreadReplies) -> DbResult<Option<Heard>> {
    match &heard.gesture {
        Gesture::Replied => {
            let about = match &heard.thread {
                Some(root) => messages::first_about(tx, &heard.channel, root)?,
                None => None,
            };
            Ok((about.is_some() && replies == ThreadReplies::Comment).then_some(heard))
        }
        Gesture::Signed { reaction, put, .. } => {
            let (reaction, put) = (reaction.clone(), *put);
            let Some(place) = messages::standing_at(tx, &heard.channel, &heard.user, &heard.ts)?
            else {
                // It may be on one whose post is not recorded yet: `Desk::found` asks again.
                let posting = messages::is_posting(tx, &heard.channel, &heard.user)?;
                return Ok(posting.then_some(heard));
            };
            heard.thread = place.thread;
            heard.gesture = match place.card {
                Some(row) if sign::command(&reaction, put, row).is_some() => Gesture::Signed {
                    reaction,
                    put,
                    task: Some(row),
                },
                // Among people in a channel a check mark is mostly meant for them.
                None if place.shows_another && put && heard.direct => Gesture::SignedOutcome,
                _ => return Ok(None),
            };
            Ok(Some(heard))
        }
        // The Home tab is no place to answer in.
        Gesture::Pressed(_) if heard.channel == heard.user => {
            if let Some(dm) = homes::dm(tx, &heard.user)? {
                heard.channel = dm;
            }
            Ok(Some(heard))
        }
        // What stands in a channel by our own hand is answered in its thread, and follows what becomes of it. What was
        // said there by an address is nothing that we can change or reach but by another one.
        Gesture::PressedAlone { press, .. } => {
            let press = press.clone();
            let (channel, user) = (&heard.channel, &heard.user);
            if messages::standing_at(tx, channel, user, &heard.ts)?.is_some()
                || messages::is_posting(tx, channel, user)?
            {
                heard.gesture = Gesture::Pressed(press);
            }
            Ok(Some(heard))
        }
        Gesture::Said
        | Gesture::Slash { .. }
        | Gesture::Pressed(_)
        | Gesture::Submitted { .. }
        | Gesture::SignedOutcome
        | Gesture::InUnknownThread
        | Gesture::OpenedHome => Ok(Some(heard)),
    }
}

/// Whether it was said or done among people in a channel, and not to us: nobody who may not act is told so.
pub(super) fn is_overheard(heard: &Heard) -> bool {
    let among_people = matches!(heard.gesture, Gesture::Replied | Gesture::Signed { .. });
    among_people && !heard.direct
}

impl Desk {
    /// A reaction whose task was not known when it was kept, for a message was on its way: once that stands there, or
    /// the wait is too long, it is. `None`: it is about nothing of ours.
    pub(super) async fn found(&self, heard: &Heard) -> Result<Option<Heard>, StoreTrouble> {
        let replies = self.inner.settings.thread_replies;
        let mut settled = self.inner.store.signals().settled();
        let known = async {
            loop {
                settled.mark_unchanged();
                let asked = heard.clone();
                let now = self
                    .inner
                    .store
                    .read(move |connection| whole(connection, asked, replies))
                    .await?;
                match &now {
                    Some(Heard {
                        gesture: Gesture::Signed { task: None, .. },
                        ..
                    }) => {}
                    _ => return Ok(now),
                }
                if settled.changed().await.is_err() {
                    return Ok(None);
                }
            }
        };
        tokio::time::timeout(SHOWN_WITHIN, known)
            .await
            .unwrap_or(Ok(None))
    }

    /// What was kept turns out to ask for nothing.
    pub(super) async fn nothing_to_do(&self, waiting: &Waiting) -> Result<(), StoreTrouble> {
        let (id, now) = (waiting.id, self.inner.clock.now());
        self.inner
            .store
            .write(move |tx| {
                tx.wake(Wake::Heard);
                slack_events::handle(tx, id, now).map(|_| ())
            })
            .await
    }
}

/// Where messages stand: for the Slack surface.
impl Desk {
    /// The conversation that a message was posted to is called so by Slack: the DM of a person, if it was sent to their id.
    /// That is where they are told more.
    pub async fn stands_in(&self, id: i64, channel: &str) -> Result<(), StoreTrouble> {
        let channel = channel.to_owned();
        self.inner
            .store
            .write(move |tx| {
                messages::stands_in(tx, id, &channel)?;
                people::reached_by(tx, id, &channel)
            })
            .await
    }
}

/// Reactions of ours: for the Slack surface.
impl Desk {
    /// The messages on which something is to change.
    pub async fn reactions_due(&self) -> Result<Vec<Due>, StoreTrouble> {
        self.inner
            .store
            .read(|connection| reactions::due(connection, DUE_MAX))
            .await
    }

    /// Resolves when there may be something new in `reactions_due` since the last call. For one listener.
    pub async fn something_to_react(&self) {
        self.inner.store.signals().reactions.notified().await;
    }

    /// Makes durable what may stand there from now on.
    pub async fn placing(&self, id: i64, may_stand: BTreeSet<String>) -> Result<(), StoreTrouble> {
        self.inner
            .store
            .write(move |tx| reactions::placing(tx, id, &may_stand))
            .await
    }

    /// Records that what `version` wanted stands there.
    pub async fn placed(
        &self,
        id: i64,
        version: i64,
        stands: BTreeSet<String>,
    ) -> Result<(), StoreTrouble> {
        self.inner
            .store
            .write(move |tx| reactions::placed(tx, id, version, &stands))
            .await
    }

    /// A reaction cannot be placed. Where it was to be the whole answer, that is said in a message, if `in_words`: the
    /// person may have deleted theirs, and then waits for nothing.
    pub async fn unplaceable(
        &self,
        id: i64,
        why: &str,
        in_words: bool,
    ) -> Result<(), StoreTrouble> {
        let why = why.to_owned();
        self.turn(move |turn| {
            let tx = turn.db;
            reactions::dropped(tx, id, &why)?;
            let Some(telling) = reactions::by_id(tx, id)?.filter(|one| one.alone && in_words)
            else {
                return Ok(());
            };
            let Some(command) = telling.command else {
                return Ok(());
            };
            let report = operations::command(tx, command)?
                .as_ref()
                .and_then(report_of);
            if messages::tells(tx, command)? {
                return Ok(());
            }
            turn.post(&Draft {
                channel: telling.channel,
                thread: telling.thread,
                person: telling.person,
                command: Some(command),
                words: report.map(|report| report.words()),
                ..Draft::default()
            })
        })
        .await
    }

    /// Slack takes no reaction of ours, for want of a scope.
    pub fn cannot_react(&self) {
        let mut health = self.lock_health();
        if health.missing_scopes.iter().all(|one| one.scope != REACT) {
            health.missing_scopes.extend(scope::only(REACT));
        }
    }

    /// Whether reactions can be placed, for `status`: why not, and what to do about it.
    pub fn reactions_are(&self, trouble: Option<String>) {
        let mut health = self.lock_health();
        if trouble.is_none() {
            health.missing_scopes.retain(|one| one.scope != REACT);
        }
        health.reactions = trouble;
    }
}
