//! Received messages: stored before they are acknowledged, then processed once, in each person's order.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio::time::Instant;

use super::gestures::{is_overheard, whole};
use super::lost::listed;
use super::meaning::{listed_as, meaning};
use super::{
    ComparedUpTo, Conversation, Gesture, IncomingMessage, Inserted, Mailbox, SHOWN_WITHIN,
    WaitingMessage,
};
use crate::command_tx::{CommandError, Rejection};
use crate::commands::person_of;
use crate::domain::card::ButtonAction;
use crate::domain::form::FieldError;
use crate::domain::mention;
use crate::domain::person::SlackMember;
use crate::domain::reply;
use crate::limits::{Limit, LogThrottle};
use crate::store::messages::{self, MessageDraft};
use crate::store::{StoreError, Wake, people, slack_events};
use crate::verbs::Command;

/// How many messages of one person may wait (P8): one answer goes out a second, so this is minutes of them.
const HEARD_MAX: i64 = 100;

/// While Slack takes no posts, each message would otherwise be a log line.
static ANSWER_NOT_SHOWN: LogThrottle = LogThrottle::new();

/// What became of a message or a gesture that was handed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acceptance {
    /// It is stored, or need not be.
    Taken(Inserted),
    /// A form with these errors, which only the store shows. Nothing was stored.
    Faulty(Vec<FieldError>),
}

/// The waiting messages, for the listener.
#[async_trait]
pub trait Inbound: Send + Sync + 'static {
    /// The oldest unhandled message of up to `at_most` senders, oldest first.
    async fn waiting(&self, at_most: usize) -> Result<Vec<WaitingMessage>, StoreError>;
    /// Resolves when a message was stored since the last call. For one listener.
    async fn something_heard(&self);
    /// Processes a stored message, once: answers it or stores its operations, in the transaction that marks it handled.
    /// `member` is the sender's Slack account, `team` our workspace. If an earlier message of the sender was stored in
    /// the meantime, that goes first (P3), and this one keeps waiting.
    async fn act(
        &self,
        waiting: &WaitingMessage,
        member: &SlackMember,
        team: &str,
    ) -> Result<(), StoreError>;
}

#[async_trait]
impl Inbound for Mailbox {
    async fn waiting(&self, at_most: usize) -> Result<Vec<WaitingMessage>, StoreError> {
        let store = &self.inner.store;
        store
            .read_short(move |db| slack_events::waiting(db, at_most))
            .await
    }

    async fn something_heard(&self) {
        self.inner.store.signals().heard.notified().await;
    }

    async fn act(
        &self,
        waiting: &WaitingMessage,
        member: &SlackMember,
        team: &str,
    ) -> Result<(), StoreError> {
        let found = match &waiting.heard.gesture {
            Gesture::Signed { task: None, .. } => self.found(&waiting.heard).await?,
            _ => Some(waiting.heard.clone()),
        };
        let Some(heard) = &found else {
            return self.nothing_to_do(waiting).await;
        };
        let may = self.may_act(member, team);
        let is_typed_by_a_person = may.is_ok() && heard.gesture == Gesture::Said;
        if may.is_ok() {
            self.inner.commands.introduce(member, team).await?;
        }
        if heard.gesture == Gesture::OpenedHome {
            return self.opened_home(waiting, member, may.err()).await;
        }
        if heard.gesture == Gesture::OpenedDm {
            return self.opened_dm(waiting, member, may.err()).await;
        }
        let may_command = may.is_ok();
        let (asked, left) = match may {
            Ok(()) => meaning(heard, self.inner.settings.get().thread_replies),
            Err(why) => {
                if !is_overheard(heard) {
                    self.note_stranger(member, &why);
                    // What is asked for in a form or by a command of Slack's is answered to them alone, without a post.
                    let is_typed = matches!(heard.gesture, Gesture::Said | Gesture::Replied);
                    let strangers = &self.inner.strangers;
                    let now = self.inner.clock.now();
                    if is_typed && !strangers.is_answered(&member.id, &why, now) {
                        return self.nothing_to_do(waiting).await;
                    }
                }
                (Err(why.words(false)), None)
            }
        };
        let asked = match asked {
            Ok(mut command) => {
                if let Some(Ok(thread)) = &waiting.thread {
                    command.add(std::slice::from_ref(thread));
                }
                let command = self.with_names(waiting, command).await?;
                let commands = &self.inner.commands;
                match commands.found_out_for(member, team, command).await {
                    Ok(command) => Ok(command),
                    Err(CommandError::Rejected(rejection)) => Err(rejection),
                    Err(CommandError::Store(trouble)) => return Err(trouble),
                }
            }
            Err(hint) => Err(Rejection::Unfit(hint)),
        };
        if let Ok(asked) = &asked
            && (asked.depends_on_what_was_shown() || is_offered(heard))
        {
            // A person who types a slash command anywhere has seen the messages in their DM.
            let channel = match heard.gesture {
                Gesture::Slash { .. } => None,
                _ => Some(heard.channel.as_str()),
            };
            self.until_answers_are_shown(member, channel).await?;
        }
        let (name, doubted) = (member.name.clone(), waiting.doubted);
        let unread = match &waiting.thread {
            Some(Err(why)) => Some(why.clone()),
            _ => None,
        };
        let (id, heard, member) = (waiting.id, heard.clone(), member.clone());
        let acted = self.write(move |mail| {
            let tx = mail.db;
            if !slack_events::handle_in_order(tx, id, mail.now)? {
                return Ok(None);
            }
            let command = mail.answer(&heard, &member, asked, (may_command, doubted))?;
            if let Some(left) = left {
                mail.say_besides(&heard, left, command.is_some())?;
            }
            if let (Some(unread), Some(_)) = (unread, command) {
                mail.say_besides(&heard, unread, true)?;
            }
            Ok(command)
        });
        if let Some(command) = acted.await? {
            self.inner.commands.tell_if_it_takes_long(command);
        }
        if is_typed_by_a_person {
            self.wrote(&name);
        }
        Ok(())
    }
}

impl Mailbox {
    /// Stores a received message; it is committed when this returns (P1), and known under all its keys. A message that
    /// concerns nothing of ours is not stored. If its author has too many waiting, it is rejected with a notice and not
    /// processed.
    ///
    /// A form with errors that only the store shows is returned, and not stored. This needs `may_act`: its author is known
    /// to be one who may give commands. For others the command itself has the errors.
    pub async fn keep(
        &self,
        heard: IncomingMessage,
        raw: String,
        may_act: bool,
    ) -> Result<Acceptance, StoreError> {
        let replies = self.inner.settings.get().thread_replies;
        self.write(move |mail| {
            let tx = mail.db;
            let Some(heard) = whole(tx, heard, replies)? else {
                return Ok(Acceptance::Taken(Inserted::NotForUs));
            };
            let faults = match may_act {
                true => mail.faults(&heard)?,
                false => Vec::new(),
            };
            if !faults.is_empty() {
                return Ok(Acceptance::Faulty(faults));
            }
            let (kept, waiting) = slack_events::keep(tx, &heard, &raw, mail.now)?;
            if kept == Inserted::Duplicate {
                return Ok(Acceptance::Taken(kept));
            }
            if waiting < HEARD_MAX {
                tx.wake(Wake::Heard);
                return Ok(Acceptance::Taken(kept));
            }
            Limit::Heard.reached(format_args!(
                "one person has {waiting} waiting messages; further ones are rejected"
            ));
            mail.turn_away(&heard, reply::too_many_messages(waiting, &heard.text))?;
            if let Some(id) = slack_events::known(tx, &heard.keys)? {
                slack_events::handle(tx, id, mail.now)?;
            }
            Ok(Acceptance::Taken(kept))
        })
        .await
    }

    /// The Slack ids of `[[people]]`: mentions of them are written in each source's form.
    pub async fn known_in_slack(&self) -> Result<Vec<String>, StoreError> {
        let present = self.inner.store.read(people::present).await?;
        Ok(present.iter().filter_map(|one| one.slack.clone()).collect())
    }

    /// The command of a message, with the names of mentioned people who are not known here. Forms have no mentions.
    async fn with_names(
        &self,
        waiting: &WaitingMessage,
        command: Command,
    ) -> Result<Command, StoreError> {
        let is_typed = matches!(
            waiting.heard.gesture,
            Gesture::Said | Gesture::Slash { .. } | Gesture::Replied
        ) || is_offered(&waiting.heard);
        if !is_typed || mention::mentioned(&waiting.heard.text).is_empty() {
            return Ok(command);
        }
        let people = self.known_in_slack().await?;
        let name_of = |id: &str| {
            let known = waiting.names.iter().find(|(of, _)| of == id);
            known.map(|(_, name)| name.clone())
        };
        Ok(command.with_names(&|id| people.iter().any(|one| one == id), &name_of))
    }

    /// Waits until pending answers, which may change the meaning of `done`, are posted, or for a limited time.
    async fn until_answers_are_shown(
        &self,
        member: &SlackMember,
        channel: Option<&str>,
    ) -> Result<(), StoreError> {
        let mut settled = self.inner.store.signals().settled();
        let shown = async {
            loop {
                settled.mark_unchanged();
                let (member, channel) = (member.clone(), channel.map(str::to_owned));
                let owed = self
                    .inner
                    .store
                    .read(move |connection| match person_of(connection, &member)? {
                        Some(person) => messages::owed(connection, person.id, channel.as_deref()),
                        None => Ok(false),
                    })
                    .await?;
                if !owed || settled.changed().await.is_err() {
                    return Ok(());
                }
            }
        };
        match tokio::time::timeout(SHOWN_WITHIN, shown).await {
            Ok(shown) => shown,
            Err(_) => {
                match ANSWER_NOT_SHOWN.pass(Instant::now()) {
                    Some(suppressed) => tracing::warn!(
                        channel,
                        suppressed,
                        "an answer is still not posted; going on without it"
                    ),
                    None => tracing::debug!(
                        channel,
                        "an answer is still not posted; going on without it"
                    ),
                }
                Ok(())
            }
        }
    }
}

/// Recovery of messages that were sent while there was no link.
impl Mailbox {
    /// Every DM that a person has written in, and the time of the last message, by Slack's clock.
    pub async fn dms(&self) -> Result<Vec<(String, Option<DateTime<Utc>>)>, StoreError> {
        self.inner.store.read(slack_events::dms).await
    }

    /// Records when this store was first connected to Slack, unless that is known. Earlier DM messages do not count. The
    /// operators get one message, which introduces Ivan.
    pub async fn slack_begins(&self, at: DateTime<Utc>) -> Result<(), StoreError> {
        let store = &self.inner.store;
        match store.read(slack_events::since).await? {
            Some(_) => Ok(()),
            None => self.begin_in_slack(at).await,
        }
    }

    /// How far the received messages of a DM are known to be complete.
    pub async fn compared_up_to(&self, channel: &str) -> Result<ComparedUpTo, StoreError> {
        let channel = channel.to_owned();
        self.inner
            .store
            .read(move |connection| slack_events::compared_up_to(connection, &channel))
            .await
    }

    /// Records that the received messages of a DM are complete up to there; writes only changes.
    pub async fn compared(&self, channel: &str, up_to: DateTime<Utc>) -> Result<(), StoreError> {
        if self.compared_up_to(channel).await?.up_to >= Some(up_to) {
            return Ok(());
        }
        let channel = channel.to_owned();
        self.inner
            .store
            .write(move |tx| slack_events::compared(tx, &channel, up_to))
            .await
    }

    /// The messages that are not stored under any of their keys.
    pub async fn unknown<T: Send + 'static>(
        &self,
        heard: Vec<(IncomingMessage, T)>,
    ) -> Result<Vec<(IncomingMessage, T)>, StoreError> {
        self.inner
            .store
            .read(move |connection| {
                let mut unknown = Vec::new();
                for (heard, rest) in heard {
                    if slack_events::known(connection, &heard.keys)?.is_none() {
                        unknown.push((heard, rest));
                    }
                }
                Ok(unknown)
            })
            .await
    }

    /// Lists commands and comments of a DM that were sent long before they were received, or edited since. New ones are
    /// listed there, and not run.
    pub async fn ask_about(
        &self,
        channel: &str,
        old: Vec<(IncomingMessage, String)>,
    ) -> Result<(), StoreError> {
        let channel = channel.to_owned();
        let replies = self.inner.settings.get().thread_replies;
        self.write(move |mail| {
            let mut sent = Vec::new();
            for (heard, raw) in &old {
                if mail.keep_handled(heard, raw)?
                    && let Some(text) = listed_as(heard, replies)
                {
                    sent.push((text, mail.inner.lost.covers(heard)));
                }
            }
            for words in listed(&sent) {
                mail.post(&MessageDraft {
                    channel: channel.clone(),
                    words: Some(words),
                    ..MessageDraft::default()
                })?;
            }
            Ok(())
        })
        .await
    }
}

/// Whether it is the press of a button that gives a command as text.
fn is_offered(heard: &IncomingMessage) -> bool {
    matches!(heard.gesture, Gesture::Pressed(ButtonAction::Say(_)))
}

/// The conversation for the answer to a message: the same one, in channels a thread below it.
pub fn conversation_of(heard: &IncomingMessage) -> Conversation {
    Conversation {
        channel: heard.channel.clone(),
        thread: match heard.direct {
            true => heard.thread.clone(),
            false => Some(heard.thread.clone().unwrap_or_else(|| heard.ts.clone())),
        },
    }
}
