//! Gestures that are no message to us: what the surface could not know of them.
//!
//! `Mailbox::keep` asks [`whole`] before anything is stored, so that nothing is stored of what people say or do among
//! themselves.

use super::{Gesture, Heard, Mailbox, SHOWN_WITHIN, ThreadReplies, Waiting};
use crate::store::{Db, DbResult, StoreTrouble, Wake, homes, messages, slack_events};
use crate::verbs::gestures::asks;

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
                // It may be on one whose post is not recorded yet: `found` asks again.
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

impl Mailbox {
    /// A reaction whose task was not known when it was kept, for a message was on its way: once that stands there, or
    /// the wait is too long, it is. `None`: it is about nothing of ours.
    pub(super) async fn found(&self, heard: &Heard) -> Result<Option<Heard>, StoreTrouble> {
        let replies = self.inner.settings.thread_replies;
        let mut settled = self.inner.store.signals().settled();
        let known = async {
            loop {
                settled.mark_unchanged();
                let asked = heard.clone();
                let store = &self.inner.store;
                let now = store.read(move |db| whole(db, asked, replies)).await?;
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
        let id = waiting.id;
        self.write(move |mail| {
            mail.db.wake(Wake::Heard);
            slack_events::handle(mail.db, id, mail.now).map(|_| ())
        })
        .await
    }
}
