//! A store that was put back: its people and Ivan went on since its copy, and only Slack shows how.
//!
//! The answer to a message of a DM carries a uid that follows from the message. So a look at the DM shows whether a
//! message was answered, also by a store that is gone. A message from the lost time that was answered is not acted on
//! again. One without a final answer is asked about, because its effect may be in the source.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Utc};

use super::{
    Conversation, Gesture, IncomingMessage, Inserted, MailTx, Mailbox, Post, StoreError,
    WaitingMessage,
};
use crate::command_tx::ulid_named;
use crate::completion::{CompletionTrigger, settle};
use crate::domain::ids::MessageId;
use crate::domain::reply;
use crate::store::messages::{self, MessageDraft};
use crate::store::{DbResult, Wake, restored, slack_events};
use crate::verbs;

/// The conversations that are compared before waiting work begins.
const PLACES_MAX: usize = 50;
/// A post of another store counts as a sign of a lost time if it is younger than this. Rows of older ones may have been
/// forgotten.
const SIGN_FOR: chrono::Duration = chrono::Duration::hours(24);
/// The reason of operations whose outcome people have read in a message of the lost time.
const ENDED: &str = "I was restored from a backup older than its answer, which still counts";

/// The end of the lost time, in microseconds of our clock; the least number: nothing was lost.
#[derive(Debug)]
pub(super) struct LostTime(AtomicI64);

impl Default for LostTime {
    fn default() -> LostTime {
        LostTime(AtomicI64::new(i64::MIN))
    }
}

impl LostTime {
    /// Whether a message is from before the end of the lost time.
    pub(super) fn covers(&self, heard: &IncomingMessage) -> bool {
        heard.said_at.timestamp_micros() <= self.0.load(Ordering::Acquire)
    }

    /// Its end; `None` if nothing was lost.
    fn until(&self) -> Option<DateTime<Utc>> {
        match self.0.load(Ordering::Acquire) {
            i64::MIN => None,
            us => DateTime::from_timestamp_micros(us),
        }
    }

    fn ends(&self, at: Option<DateTime<Utc>>) {
        if let Some(at) = at {
            self.0.fetch_max(at.timestamp_micros(), Ordering::AcqRel);
        }
    }
}

/// What stands in a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Traces {
    /// Our posts.
    pub posts: Vec<Post>,
    /// The `ts` of people's messages with a reaction that shows a final outcome.
    pub marked: BTreeSet<String>,
}

impl Traces {
    /// Whether a message has its final answer.
    pub fn answers(&self, heard: &IncomingMessage) -> bool {
        let uid = answer_uid(heard);
        let is_it = |post: &Post| post.is_final && Some(&post.uid) == uid.as_ref();
        self.posts.iter().any(is_it) || self.marked.contains(&heard.ts)
    }
}

/// The channel and `ts` of a message, which are the same in every copy of the store; `None` for buttons and the like.
pub(super) fn message_of(heard: &IncomingMessage) -> Option<String> {
    let is_typed = matches!(
        heard.gesture,
        Gesture::Said | Gesture::Replied | Gesture::InUnknownThread
    );
    is_typed.then(|| format!("{} {}", heard.channel, heard.ts))
}

/// The uid of the answer to a message; `None` for gestures, whose answers cannot be found by it.
pub(super) fn answer_uid(heard: &IncomingMessage) -> Option<String> {
    if !heard.direct || heard.gesture == Gesture::Replied {
        return None;
    }
    Some(ulid_named(&message_of(heard)?, heard.said_at))
}

impl Mailbox {
    /// Reads whether this store was put back.
    pub async fn know_lost_time(&self) -> Result<(), StoreError> {
        let until = self.inner.store.read(restored::lost_until).await?;
        self.inner.lost.ends(until);
        Ok(())
    }

    /// Whether this store is known to be put back.
    pub fn was_put_back(&self) -> bool {
        self.lost_until().is_some()
    }

    /// The end of the lost time that is known; `None` if nothing was lost.
    pub fn lost_until(&self) -> Option<DateTime<Utc>> {
        self.inner.lost.until()
    }

    /// Whether a message may have been answered in a time that this store does not know.
    pub fn is_of_lost_time(&self, heard: &IncomingMessage) -> bool {
        self.inner.lost.covers(heard)
    }

    /// The DMs, and threads in them, with work that waits in this store.
    pub async fn places_of_work(&self) -> Result<Vec<Conversation>, StoreError> {
        let read = |db: &crate::store::Db| restored::places_of_work(db, PLACES_MAX);
        self.inner.store.read(read).await
    }

    /// Compares our posts in a DM with this store. It was put back if it lacks a recent post, or if a command waits in it
    /// whose answer there says that it is done: an outcome is stored before anybody is told. Posts from a lost time that
    /// is known are no news. Commands that wait here and have their final answer there have ended.
    pub async fn compare_posts(&self, posts: Vec<Post>) -> Result<(), StoreError> {
        let found = self
            .inner
            .store
            .read(move |db| {
                let (mut unknown, mut told, mut ended) = (None, None, Vec::new());
                for post in posts {
                    if post.is_done && restored::waits(db, &post.uid)? {
                        told = told.max(Some(post.at));
                    }
                    if !restored::knows(db, &post.uid)? {
                        unknown = unknown.max(Some(post.at));
                    }
                    // Perhaps its message was never begun in this copy.
                    if post.is_final
                        && let Some((command, message)) = restored::waiting_command(db, &post.uid)?
                    {
                        ended.push((command, message, post.ts));
                    }
                }
                Ok((unknown, told, ended))
            })
            .await?;
        let (unknown, told, ended) = found;
        let now = self.inner.clock.now();
        let unknown = unknown.filter(|at| now - *at < SIGN_FOR);
        let sign = told.max(unknown);
        // `None` is before any time.
        if sign > self.lost_until() {
            tracing::warn!(
                "a direct message has answers that the store lacks, so it is an older copy: waiting work is looked for \
                 before it is done"
            );
            self.inner
                .store
                .write(move |tx| restored::lost(tx, now))
                .await?;
            // A message of the copy that was given words since this start may have been posted in the lost time, too.
            let _doubted = messages::unsent(&self.inner.store);
            self.inner.lost.ends(Some(now));
        }
        if !self.was_put_back() || ended.is_empty() {
            return Ok(());
        }
        self.write(move |mail| {
            for (command, message, ts) in ended {
                restored::ended_in_lost_time(mail.db, command, ENDED, mail.now)?;
                let weights = &mail.inner.commands.settings().weights;
                settle(
                    mail.db,
                    command,
                    CompletionTrigger::Ended,
                    mail.now,
                    weights,
                )?;
                restored::stays_as_posted(mail.db, message, &ts)?;
            }
            mail.db.wake(Wake::Released);
            mail.db.wake(Wake::Messages);
            Ok(())
        })
        .await
    }

    /// Leaves a stored message that was answered in the lost time.
    pub async fn was_answered(&self, waiting: &WaitingMessage) -> Result<(), StoreError> {
        self.nothing_to_do(waiting).await
    }

    /// Stores a message that was answered in the lost time, so that it is known.
    pub async fn keep_answered(
        &self,
        heard: IncomingMessage,
        raw: String,
    ) -> Result<(), StoreError> {
        self.write(move |mail| mail.keep_handled(&heard, &raw).map(drop))
            .await
    }
}

impl MailTx<'_> {
    /// Stores a message as handled; `false` if it was known.
    pub(super) fn keep_handled(&self, heard: &IncomingMessage, raw: &str) -> DbResult<bool> {
        if slack_events::keep(self.db, heard, raw, self.now)?.0 == Inserted::Duplicate {
            return Ok(false);
        }
        if let Some(id) = slack_events::known(self.db, &heard.keys)? {
            slack_events::handle(self.db, id, self.now)?;
        }
        Ok(true)
    }

    /// Posts the answer to a message. If that may have been answered, the post is searched for first.
    pub(super) fn post_answer(
        &self,
        draft: &MessageDraft,
        heard: &IncomingMessage,
        doubted: bool,
    ) -> DbResult<MessageId> {
        let uid = answer_uid(heard).filter(|_| draft.whisper_to.is_none());
        let uid = uid.unwrap_or_else(|| self.ulid());
        let id = match doubted && draft.words.is_some() {
            true => {
                let id = messages::add(self.db, draft, &uid, self.now)?;
                messages::posting(self.db, id, (messages::FIRST, true), self.now)?;
                id
            }
            false => messages::post(self.db, draft, &uid, self.now)?,
        };
        if draft.words.is_some() {
            self.db.wake(Wake::Messages);
        }
        Ok(id)
    }
}

/// Lists commands of a DM that were not carried out: they were received late, or may have been done in the lost time.
pub(super) fn listed(sent: &[(String, bool)]) -> Vec<reply::Text> {
    let of = |lost: bool| -> Vec<&str> {
        let of = sent.iter().filter(|(_, of_lost)| *of_lost == lost);
        of.map(|(text, _)| text.as_str()).collect()
    };
    let (late, lost) = (of(false), of(true));
    let mut words = Vec::new();
    if !late.is_empty() {
        words.push(reply::received_late(&late));
    }
    if !lost.is_empty() {
        words.push(reply::typed_in_lost_time(&lost));
    }
    words
}

/// Whether carrying this out twice would matter.
pub(super) fn has_effect(command: &verbs::Command) -> bool {
    let info = command.info();
    info.writes || info.http != verbs::Http::NONE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mailbox::Attachments;

    fn heard(ts: &str) -> IncomingMessage {
        IncomingMessage {
            keys: vec![],
            user: "U0ANN01".into(),
            channel: "D0ANN01".into(),
            direct: true,
            text: "done".into(),
            ts: ts.into(),
            said_at: DateTime::from_timestamp(1_763_800_000, 0).unwrap(),
            thread: None,
            gesture: Gesture::Said,
            attached: Attachments::default(),
        }
    }

    #[test]
    fn the_answer_to_a_message_is_known_by_its_uid_or_by_its_reaction() {
        let message = heard("1763800000.000100");
        let uid = answer_uid(&message).unwrap();
        assert_eq!(answer_uid(&message), Some(uid.clone()));
        assert_ne!(answer_uid(&heard("1763800000.000200")), Some(uid.clone()));
        let in_channel = IncomingMessage {
            direct: false,
            ..message.clone()
        };
        assert_eq!(answer_uid(&in_channel), None);
        let post = |is_final| Post {
            uid: uid.clone(),
            ts: "1763800001.000100".into(),
            at: message.said_at,
            edited: false,
            is_final,
            is_done: is_final,
        };
        let traces = |posts: Vec<Post>, marked: &[&str]| Traces {
            posts,
            marked: marked.iter().map(|ts| (*ts).to_owned()).collect(),
        };
        assert!(traces(vec![post(true)], &[]).answers(&message));
        assert!(!traces(vec![post(false)], &[]).answers(&message));
        assert!(traces(vec![], &["1763800000.000100"]).answers(&message));
        assert!(!traces(vec![], &["1763800000.000200"]).answers(&message));
    }

    #[test]
    fn commands_of_a_lost_time_are_listed_apart() {
        let words = listed(&[("done".into(), false), ("create Buy milk".into(), true)]);
        let words: Vec<String> = words.iter().map(|text| text.plain()).collect();
        assert!(
            words[0].contains("did not reach me") && words[0].ends_with("• done"),
            "{words:?}"
        );
        assert!(
            words[1].contains("restored") && words[1].ends_with("• create Buy milk"),
            "{words:?}"
        );
        assert!(listed(&[]).is_empty());
    }
}
