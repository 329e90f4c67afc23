//! Outgoing messages, and their results.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{MailTx, Mailbox, Outgoing, OutgoingPage};
use crate::domain::ids::MessageId;
use crate::domain::reply;
use crate::store::{DbResult, StoreError, Wake, deliveries, messages, people, restored};

/// The result of a post, or of an update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// This version of the message is visible since `at` (Slack's clock).
    Posted {
        /// The version of the message that was posted.
        version: i64,
        /// Slack's `ts` of the post.
        ts: String,
        /// The time since which it is visible; our own clock if Slack returned none.
        at: DateTime<Utc>,
    },
    /// An earlier post of unknown outcome was found: it is visible since `at`, perhaps with an older text.
    Found {
        /// Slack's `ts` of the post.
        ts: String,
        /// The time since which it is visible, by Slack's clock.
        at: DateTime<Utc>,
    },
    /// Slack certainly did not accept it: it may be sent again without a look-up.
    NotPosted,
    /// Slack's id of its conversation: the DM of a person, if it was addressed to their id.
    StandsIn {
        /// Slack's id of that conversation.
        channel: String,
    },
    /// Slack refuses it for good. It is dropped, and later ones go on. Operators are told once a day for each of
    /// Slack's error codes.
    Dropped {
        /// Slack's error code: `msg_too_long`.
        code: String,
        /// The reason, for the row and the log.
        why: String,
    },
    /// Slack does not change the posted message: it is posted again, as another message.
    Replaced,
    /// Slack does not change the posted message, and only its cards were to be redrawn: it stays as it is.
    Stays {
        /// The version of the message that is not shown.
        version: i64,
        /// The reason, for the row.
        why: String,
    },
    /// The root of its thread is gone: it is posted outside of the thread.
    WithoutThread,
    /// Its conversation refuses it: it goes to the DM of the person who asked.
    ToDm,
}

/// The outgoing messages, for the poster.
#[async_trait]
pub trait Outbound: Send + Sync + 'static {
    /// The next message to post or update in up to `at_most` conversations, in order.
    async fn outgoing(&self, at_most: usize) -> Result<OutgoingPage, StoreError>;
    /// Resolves when `outgoing` may have changed since the last call. For one poster.
    async fn something_to_post(&self);
    /// Records that a first post, or a call of its `response_url`, is about to be sent. `false` if the message has changed
    /// since it was read, and is to be read again instead.
    async fn about_to_send(&self, message: &Outgoing) -> Result<bool, StoreError>;
    /// Records the result of a message.
    async fn record(&self, id: MessageId, fate: Fate) -> Result<(), StoreError>;
    /// Records that the other messages were not sent, because the daemon stops.
    async fn stops(&self) -> Result<(), StoreError>;
}

#[async_trait]
impl Outbound for Mailbox {
    async fn outgoing(&self, at_most: usize) -> Result<OutgoingPage, StoreError> {
        let store = &self.inner.store;
        let mut page = store
            .read_short(move |db| messages::outgoing(db, at_most))
            .await?;
        let operators = &self.inner.settings.get().operators;
        for message in &mut page.messages {
            // It is stored as begun, but nobody has sent it yet: nothing can be found.
            message.begun_at = message
                .begun_at
                .filter(|_| !messages::is_unsent(store, message.id));
            let words = std::mem::take(&mut message.words).mentioning(operators);
            // Its text is nowhere in the store.
            message.words = words.revealing(|token| self.inner.commands.logins().plain(token));
            for part in &mut message.parts {
                part.mention(operators);
            }
        }
        Ok(page)
    }

    async fn something_to_post(&self) {
        self.inner.store.signals().messages.notified().await;
    }

    async fn about_to_send(&self, message: &Outgoing) -> Result<bool, StoreError> {
        let (id, version, is_ephemeral) =
            (message.id, message.version, message.ephemeral.is_some());
        // The transaction that gave it its words has stored this.
        let begun = messages::version_begun(&self.inner.store, id);
        if begun == Some(version) {
            return Ok(true);
        }
        // An older version that was stored as begun was not sent either.
        let looked = message.begun_at.is_some() || begun.is_some();
        self.write(move |mail| {
            if is_ephemeral {
                return messages::whispering(mail.db, id, version);
            }
            let may = messages::posting(mail.db, id, (version, looked), mail.now)?;
            if !may {
                mail.db.wake(Wake::Messages);
            }
            Ok(may)
        })
        .await
    }

    async fn record(&self, id: MessageId, fate: Fate) -> Result<(), StoreError> {
        let token = match &fate {
            Fate::Posted { .. } | Fate::Found { .. } | Fate::Dropped { .. } => {
                self.inner.commands.logins().shown_by(id)
            }
            _ => None,
        };
        match fate {
            // If this is lost, the post is found again by its `uid`, or updated once more.
            Fate::Posted { .. } => self.write_soon(move |mail| mail.record(id, fate)).await?,
            _ => self.write(move |mail| mail.record(id, fate)).await?,
        }
        if let Some(token) = token {
            self.inner.commands.logins().forget(token);
        }
        Ok(())
    }

    async fn stops(&self) -> Result<(), StoreError> {
        let unsent = messages::unsent(&self.inner.store);
        if unsent.is_empty() {
            return Ok(());
        }
        self.write(move |mail| {
            let mut unsent = unsent.into_iter();
            unsent.try_for_each(|id| messages::not_posted(mail.db, id))
        })
        .await
    }
}

impl MailTx<'_> {
    pub(super) fn record(&self, id: MessageId, fate: Fate) -> DbResult<()> {
        let db = self.db;
        match fate {
            Fate::NotPosted => return messages::not_posted(db, id),
            Fate::StandsIn { channel } => {
                messages::stands_in(db, id, &channel)?;
                // Further messages to the person go there.
                return people::reached_by(db, id, &channel);
            }
            Fate::Posted { version, ts, at } => {
                messages::posted(db, id, version, &ts, at)?;
                self.token_is_shown(id)?;
                db.wake(Wake::Settled);
                // A newer version has woken the poster itself.
                return Ok(());
            }
            Fate::Found { ts, at } => {
                messages::found(db, id, &ts, at)?;
                self.token_is_shown(id)?;
                db.wake(Wake::Settled);
            }
            Fate::Dropped { code, why } => {
                messages::dropped(db, id, &why)?;
                self.token_is_not_shown(id)?;
                db.wake(Wake::Settled);
                self.tell_of_dropped(id, &code)?;
            }
            Fate::Replaced => {
                restored::leaves(db, id, self.now)?;
                messages::say_anew(db, id, &self.ulid())?;
            }
            Fate::Stays { version, why } => messages::stays(db, id, version, &why)?,
            Fate::WithoutThread => messages::without_thread(db, id)?,
            Fate::ToDm => messages::move_to_dm(db, id)?,
        }
        db.wake(Wake::Messages);
        Ok(())
    }

    fn tell_of_dropped(&self, id: MessageId, code: &str) -> DbResult<()> {
        if !deliveries::given_up(self.db, code, self.now)? {
            return Ok(());
        }
        let person = match messages::person(self.db, id)? {
            Some(person) => Some(people::by_id(self.db, person)?.name),
            None => None,
        };
        self.tell_operators(&reply::unpostable(person.as_deref(), code), &[], None)
    }
}
