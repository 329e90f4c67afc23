//! Gestures that are no message to us: the facts that only the store has.
//!
//! `Mailbox::keep` calls [`whole`] before anything is stored, so that nothing people do among themselves is stored.

use super::{Gesture, IncomingMessage, Mailbox, SHOWN_WITHIN, ThreadReplies, WaitingMessage};
use crate::store::{
    Db, DbResult, StoreError, Wake, arrivals, homes, messages, people, slack_events,
};
use crate::verbs::gestures::asks;

/// Completes a gesture with facts from the store; `None` if it concerns nothing of ours.
pub(super) fn whole(
    tx: &Db,
    mut heard: IncomingMessage,
    replies: ThreadReplies,
) -> DbResult<Option<IncomingMessage>> {
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
                // It may be on a message whose post is not recorded yet: `found` checks again.
                let posting = messages::is_posting(tx, &heard.channel, &heard.user)?;
                return Ok(posting.then_some(heard));
            };
            heard.thread = place.thread;
            heard.gesture = match place.card {
                Some(row) if asks(&reaction, put) => Gesture::Signed {
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
        // A press on our own channel message is answered in its thread, and the message is updated. A message sent
        // through a `response_url` can only be changed through another one.
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
        // Slack reports each opening. Only those that are answered are stored.
        Gesture::OpenedDm => {
            let settled = match arrivals::of(tx, &heard.user)? {
                Some(one) if one.welcomed => true,
                Some(one) => one.asked && people::of_slack(tx, &heard.user)?.is_none(),
                None => false,
            };
            Ok((!settled).then_some(heard))
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

/// Whether it happened among people in a channel, and not towards us. Then a refusal is not shown.
pub(super) fn is_overheard(heard: &IncomingMessage) -> bool {
    let among_people = matches!(heard.gesture, Gesture::Replied | Gesture::Signed { .. });
    among_people && !heard.direct
}

impl Mailbox {
    /// Completes a reaction whose task was unknown when it was stored, because a message was being posted: once that is
    /// recorded, or after a time limit. `None`: it concerns nothing of ours.
    pub(super) async fn found(
        &self,
        heard: &IncomingMessage,
    ) -> Result<Option<IncomingMessage>, StoreError> {
        let replies = self.inner.settings.get().thread_replies;
        let mut settled = self.inner.store.signals().settled();
        let known = async {
            loop {
                settled.mark_unchanged();
                let asked = heard.clone();
                let store = &self.inner.store;
                let now = store.read(move |db| whole(db, asked, replies)).await?;
                match &now {
                    Some(IncomingMessage {
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

    /// Marks a stored message that turns out to request nothing as handled.
    pub(super) async fn nothing_to_do(&self, waiting: &WaitingMessage) -> Result<(), StoreError> {
        let id = waiting.id;
        self.write(move |mail| {
            mail.db.wake(Wake::Heard);
            slack_events::handle(mail.db, id, mail.now).map(|_| ())
        })
        .await
    }
}
