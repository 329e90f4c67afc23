//! Checks, before a command that depends on shown messages, whether this store has sent those messages.
//!
//! A store restored from an older copy has that time's task as current, while the DM shows another. `slack/restored.rs`
//! reads the DM. This module compares it with the store, and invalidates what was shown before.

use super::answer::under;
use super::{
    Conversation, Fate, Gesture, IncomingMessage, Mailbox, Outbound, StoreError, WaitingMessage,
};
use crate::store::slack_events::dm_of;
use crate::store::{Db, DbResult, messages, people, restored};
use crate::verbs::{self, Command};
use chrono::{DateTime, Utc};

/// One of our posts in Slack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// From its metadata.
    pub uid: String,
    /// Slack's id of it.
    pub ts: String,
    /// The time of the post, UTC, from its `ts`.
    pub at: DateTime<Utc>,
    /// Whether it was edited, so that its original content is unknown.
    pub edited: bool,
    /// Whether its text is final: it waits for nothing, and is not set aside.
    pub is_final: bool,
    /// Whether its text says that a command succeeded, with all of its operations.
    pub is_done: bool,
}

impl Mailbox {
    /// The places where the author of a message may have seen its subject: their DM, and the thread that it was typed
    /// in, if that is unknown. Empty if the message names its task.
    pub async fn to_look_at(
        &self,
        waiting: &WaitingMessage,
    ) -> Result<Vec<Conversation>, StoreError> {
        let typed = matches!(waiting.heard.gesture, Gesture::Said | Gesture::Slash { .. });
        let Some(command) = typed
            .then(|| verbs::parse(&waiting.heard.text).ok())
            .flatten()
        else {
            return Ok(Vec::new());
        };
        if !command.changes_what_was_shown() {
            return Ok(Vec::new());
        }
        let heard = waiting.heard.clone();
        let in_thread = !matches!(command, Command::Undo(_));
        self.inner
            .store
            .read(move |connection| to_look_at(connection, &heard, in_thread))
            .await
    }

    /// Compares our posts in a conversation. Whether it is a thread in which this store did not post them all.
    pub async fn stand_there(
        &self,
        waiting: &WaitingMessage,
        conversation: &Conversation,
        posts: Vec<Post>,
    ) -> Result<bool, StoreError> {
        let (newest, unrecorded) = self
            .inner
            .store
            .read(move |connection| {
                let (mut newest, mut unrecorded) = (None, Vec::new());
                for post in posts {
                    if !restored::knows(connection, &post.uid)? {
                        newest = newest.max(Some(post.at));
                    } else if !post.edited
                        && let Some(message) = messages::unrecorded(connection, &post.uid)?
                    {
                        unrecorded.push((message, post));
                    }
                }
                Ok((newest, unrecorded))
            })
            .await?;
        // Its author may have read it, even if the poster looks it up later, or has set it aside.
        for (message, post) in unrecorded {
            let Post { ts, at, .. } = post;
            self.record(message, Fate::Found { ts, at }).await?;
        }
        let Some(until) = newest else {
            return Ok(false);
        };
        if conversation.thread.is_some() {
            return Ok(true);
        }
        tracing::warn!(
            person = waiting.heard.user,
            "a direct message has answers that this store lacks (an older copy?); list numbers and cards from before \
             no longer count"
        );
        let user = waiting.heard.user.clone();
        self.inner
            .store
            .write(move |tx| match people::of_slack(tx, &user)? {
                Some(person) => restored::shown_elsewhere(tx, person.id, until),
                None => Ok(()),
            })
            .await?;
        Ok(false)
    }
}

fn to_look_at(
    connection: &Db,
    heard: &IncomingMessage,
    in_thread: bool,
) -> DbResult<Vec<Conversation>> {
    let mut places = Vec::new();
    let dm = match heard.direct {
        true => heard.channel.clone(),
        false => dm_of(connection, &heard.user)?,
    };
    // Without a DM, nothing was shown there.
    if dm.starts_with('D') {
        places.push(Conversation {
            channel: dm,
            thread: None,
        });
    }
    if let (Some(root), true) = (&heard.thread, in_thread)
        && under(connection, heard)?.is_none()
    {
        places.push(Conversation {
            channel: heard.channel.clone(),
            thread: Some(root.clone()),
        });
    }
    Ok(places)
}
