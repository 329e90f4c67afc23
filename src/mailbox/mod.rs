//! Messages in and out: people's messages to Ivan in Slack, and the messages that Ivan owes them.
//!
//! A received message is stored before it is acknowledged to Slack. It is processed once: one transaction marks it as
//! handled, runs its verb, and stores the reply as an outgoing message. Only [`Outbound::record`] writes the result of
//! a post.

mod answer;
mod arrivals;
mod attempts;
mod forms;
mod gestures;
mod home;
mod incoming;
mod lost;
mod meaning;
mod outgoing;
mod progress;
mod reactions;
mod schedule;
mod shown;
mod status;
mod strangers;
mod tokens;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::command_tx::CommandTx;
use crate::commands::Commands;
use crate::domain::card::CardPart;
use crate::domain::ids::MessageId;
use crate::domain::person::{AllowedUsers, NotAllowed, SlackMember, may_act};
use crate::domain::reply::Text;
use crate::runtime::Reloadable;
use crate::store::messages::{self, MessageDraft};
use crate::store::{DbResult, Signals, Store, Tx, Wake};

pub use crate::command_tx::CommandError;
pub use crate::commands::{Admission, Admitted};
pub use crate::domain::receipts::ReceiptMode;
pub use crate::store::forms::URL_LIFE;
pub use crate::store::messages::{Conversation, Ephemeral, Outgoing, OutgoingPage};
pub use crate::store::reactions::DueReaction;
pub use crate::store::slack_events::{
    Attachments, ComparedUpTo, Gesture, IncomingMessage, Inserted, ReplyUrl, WaitingMessage,
};
pub use crate::store::{StoreError, StoreHealth};
pub use attempts::{Attempts, WorkAttempt};
pub use forms::{CreateForm, PersonChoice, PlaceChoice};
pub use home::HomeTab;
pub use incoming::{Acceptance, Inbound, conversation_of};
pub use lost::Traces;
pub use outgoing::{Fate, Outbound};
pub use progress::ProgressGuard;
pub use reactions::ReactionFate;
pub use schedule::{DuePerson, Schedules};
pub use shown::Post;
pub use status::{ListenedChannels, SlackNews};

/// How long a command that depends on the current task waits until an earlier answer, which may change it, is posted.
const SHOWN_WITHIN: Duration = Duration::from_secs(15);

/// The meaning of a person's text in the thread of a task's message, if it is no command (`slack.thread_replies`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ThreadReplies {
    /// Not understood: a hint lists the commands.
    #[default]
    Hint,
    /// A comment on the task.
    Comment,
}

/// The settings from `bot.toml` that the mailbox uses.
#[derive(Debug, Clone, Default)]
pub struct MailboxSettings {
    /// The Slack accounts that may command.
    pub allowed_users: AllowedUsers,
    /// Slack ids of the people who are alerted.
    pub operators: Vec<String>,
    /// The meaning of texts that are no command in a task's thread.
    pub thread_replies: ThreadReplies,
    /// Whether any person's ClickUp account can be found by e-mail address only.
    pub finds_by_email: bool,
}

/// Messages in and out, for the surfaces. Clones share it.
#[derive(Clone)]
pub struct Mailbox {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    commands: Commands,
    settings: Reloadable<MailboxSettings>,
    clock: Clock,
    attempts: Attempts,
    strangers: strangers::Strangers,
    lost: lost::LostTime,
    /// The amount of work under way that is not in the store.
    under_way: AtomicUsize,
    /// How often a Home tab was opened in this process; begins at one.
    homes_opened: AtomicU64,
    /// The value of `homes_opened` at which no tab was to be kept up to date; none comes without being opened.
    no_home_since: AtomicU64,
    /// For `ivan init`.
    news: watch::Sender<SlackNews>,
}

/// One transaction of the mailbox.
struct MailTx<'a> {
    inner: &'a Inner,
    db: &'a Tx<'a>,
    now: DateTime<Utc>,
}

impl Mailbox {
    /// Creates the mailbox over the store and the commands.
    pub fn new(
        store: Store,
        commands: Commands,
        settings: MailboxSettings,
        clock: Clock,
    ) -> Mailbox {
        Mailbox {
            inner: Arc::new(Inner {
                attempts: Attempts::new(store.clone(), clock.clone()),
                store,
                commands,
                settings: Reloadable::new(settings),
                clock,
                strangers: strangers::Strangers::default(),
                lost: lost::LostTime::default(),
                under_way: AtomicUsize::default(),
                homes_opened: AtomicU64::new(1),
                no_home_since: AtomicU64::default(),
                news: watch::Sender::default(),
            }),
        }
    }

    /// Follows other settings from the next message on.
    pub fn follow(&self, settings: MailboxSettings) {
        self.inner.settings.set(settings);
    }

    /// Attempts at the work of this mailbox.
    pub fn attempts(&self) -> &Attempts {
        &self.inner.attempts
    }

    /// The wake-up signals for its readers.
    pub fn signals(&self) -> &Signals {
        self.inner.store.signals()
    }

    /// Says how to see whether members may act, for their own tokens of the API.
    pub fn admits_by(&self, admission: Arc<dyn Admission>) {
        self.inner.commands.admits_by(admission);
    }

    /// Records that a person changed in Slack: their tokens need a new confirmation. Without an id, those of everybody.
    pub fn person_changed(&self, slack: Option<&str>) {
        self.inner.commands.person_changed(slack);
    }

    /// Whether a person may give commands at all.
    pub fn may_act(&self, member: &SlackMember, team: &str) -> Result<(), NotAllowed> {
        may_act(member, team, &self.inner.settings.get().allowed_users)
    }

    /// Logs a refused command of a person who may give none.
    fn note_stranger(&self, member: &SlackMember, why: &NotAllowed) {
        let now = self.inner.clock.now();
        self.inner.strangers.refused(&member.id, why, now);
    }

    async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&MailTx<'_>) -> DbResult<T> + Send + 'static,
    {
        self.inner.store.write(self.in_mail(work)).await
    }

    /// The same for a write that may be lost with the process.
    async fn write_soon<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&MailTx<'_>) -> DbResult<T> + Send + 'static,
    {
        self.inner.store.write_soon(self.in_mail(work)).await
    }

    fn in_mail<T, F>(&self, work: F) -> impl FnOnce(&Tx<'_>) -> DbResult<T> + Send + 'static
    where
        F: FnOnce(&MailTx<'_>) -> DbResult<T> + Send + 'static,
    {
        let inner = Arc::clone(&self.inner);
        move |db| {
            // The time of the commit: there may be a queue.
            let now = inner.clock.now();
            work(&MailTx {
                inner: &inner,
                db,
                now,
            })
        }
    }
}

impl<'a> MailTx<'a> {
    /// The same transaction, for a command.
    fn command_tx(&self) -> CommandTx<'a> {
        self.inner.commands.command_tx(self.db, self.now)
    }

    /// Adds a message to be posted.
    fn post(&self, draft: &MessageDraft) -> DbResult<()> {
        self.post_new(draft).map(drop)
    }

    /// The same; returns its row.
    fn post_new(&self, draft: &MessageDraft) -> DbResult<MessageId> {
        let id = messages::post(self.db, draft, &self.ulid(), self.now)?;
        // Without words there is nothing to post yet.
        if draft.words.is_some() {
            self.db.wake(Wake::Messages);
        }
        Ok(id)
    }

    /// Adds a message to each operator's DM.
    fn tell_operators(&self, words: &Text, parts: &[CardPart], but: Option<&str>) -> DbResult<()> {
        messages::tell_operators(self.db, words, parts, but, self.now)
    }

    fn ulid(&self) -> String {
        ulid::Ulid::from_datetime(self.now.into()).to_string()
    }
}
