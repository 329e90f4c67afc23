//! A [`Command`] from a [`Person`] → an answer now, or a durable operation.
//!
//! The desk is all that surfaces know: Slack keeps what it hears here before it acknowledges, works it off in each
//! person's order, and fetches here what is to be posted; HTTP asks here and waits here. It knows no source: what a
//! source is to do is a row of the outbox.

mod answer;
mod change;
mod empty;
mod forms;
mod gestures;
mod home;
mod identity;
mod idle;
mod log;
mod looked_at;
mod morning;
mod rhythm;
mod run;
mod set_aside;
mod shared;
mod strangers;
mod transaction;
mod undo;
mod why;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::watch;

use crate::bounds::Bound;
use crate::clock::Clock;
use crate::command_tx::{LiveHealth, Target, report_of};
use crate::domain::command::{self, Command, ParseError, Ref};
use crate::domain::filter::Filter;
use crate::domain::ids::TaskRow;
use crate::domain::link::Accounts;
use crate::domain::log::Via;
use crate::domain::mention;
use crate::domain::person::{self, Member, Person, may_act};
use crate::domain::queue::EmptyQueue;
use crate::domain::reply::{self, Words};
use crate::domain::scope::{self, Uses};
use crate::domain::score::{day, day_begins, score};
use crate::domain::sign;
use crate::domain::task::{Source, TaskId, TaskKey};
use crate::runtime::lock;
use crate::settle::Occasion;
use crate::store::messages::Draft;
use crate::store::{
    Db, DbResult, Store, Wake, blocking, deliveries, messages, operations, people, restored,
    slack_events, snoozes, tasks,
};
use run::with_clients;

pub use crate::command_tx::{
    ChannelDefaults, CommandError, CommandSettings, IdempotencyKey, Rejection, Scored,
    ThreadReplies, WhoActs,
};
pub use crate::desk::forms::{CreateForm, PersonChoice, PlaceChoice};
pub use crate::domain::receipts::Receipts;
pub use crate::domain::reply::{Brief, Report, ReportState, SlackHealth, SourceHealth};
pub use crate::domain::rhythm::RhythmChange;
pub use crate::domain::scope::Missing;
pub use crate::store::forms::URL_LIFE;
pub use crate::store::messages::{Conversation, Outgoing, Whisper};
pub use crate::store::reactions::Due as ReactionDue;
pub use crate::store::slack_events::{
    Attached, ComparedUpTo, Gesture, Heard, Kept, ReplyUrl, Waiting,
};
pub use crate::store::tasks::WantedStatus;
pub use crate::store::{Health as StoreHealth, StoreTrouble};
pub use empty::EmptyList;
pub use home::HomeTab;
pub use identity::Identity;
pub use idle::UnderWay;
pub use log::{LogAsked, LogPage};
pub use looked_at::Post;
pub use morning::MorningView;
pub use rhythm::{Due, ReceiptsView, RhythmView, Rhythms};
pub use set_aside::{Begun, SetAside};
pub use why::Explained;

/// How long a person waits for an outcome before they are told that it is queued (design 4).
const TELL_AFTER: Duration = Duration::from_secs(2);
/// How long a command that needs to know the current task waits for an answer that may change it to be posted.
const SHOWN_WITHIN: Duration = Duration::from_secs(15);

/// Messages of one person that may wait to be acted on (P8): answers go out one a second, so this is minutes of them.
const HEARD_MAX: i64 = 100;
/// Writes of one person that may wait for their outcome (P8).
const OUTBOX_MAX: i64 = 500;

/// See the module.
#[derive(Clone)]
pub struct Desk {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    settings: CommandSettings,
    clock: Clock,
    health: Mutex<LiveHealth>,
    /// What the sources tell of people's accounts.
    accounts: BTreeMap<Source, Arc<dyn Accounts>>,
    introduced: identity::Introduced,
    strangers: strangers::Strangers,
    /// How much is under way that is not in the store.
    under_way: AtomicUsize,
}

impl Inner {
    fn lock_health(&self) -> MutexGuard<'_, LiveHealth> {
        lock(&self.health)
    }
}

/// Who asks over HTTP, and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub person: Person,
    pub command: Command,
    pub once: Option<IdempotencyKey>,
    /// Over HTTP itself, or by the command line.
    pub via: Via,
}

/// An answer to [`Desk::ask`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It is durable in the outbox; [`Desk::outcome`] waits for it.
    Accepted { command: i64, operation_id: String },
    /// It had its effect here; nothing had to be asked of a source (`snooze`, some an `undo`).
    Settled(Box<Report>),
    /// Nothing had to be asked of a source (`next`).
    Moved {
        message: Words,
        current: Option<Box<Scored>>,
    },
}

/// What `GET /current` answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Current {
    Task(Box<Scored>),
    /// Why the queue is empty.
    Nothing(EmptyQueue),
}

/// What `GET /queue` answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub tasks: Vec<Scored>,
    /// How many there are, with those that the limit leaves out.
    pub total: usize,
    /// Why there is none.
    pub empty: Option<EmptyList>,
}

/// Which tasks `GET /tasks` lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub status: WantedStatus,
    pub source: Option<Source>,
    pub filter: Filter,
    pub limit: usize,
    /// As the last answer gave it.
    pub cursor: Option<String>,
}

/// An operation as `GET /operations/{id}` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationView {
    pub id: String,
    pub kind: String,
    pub source: Source,
    pub task_id: Option<String>,
    /// pending, set_aside, applied, already_so, overtaken, refused, given_up, cancelled
    pub state: String,
    pub attempts: i64,
    pub created_at: DateTime<Utc>,
    pub next_attempt_at: Option<DateTime<Utc>>,
    /// The last failure.
    pub detail: Option<String>,
    /// What its command came to, as far as that is known.
    pub report: Option<Report>,
}

/// What is well and what is not, for `status` and `/readyz`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HealthView {
    pub store_writable: bool,
    /// `None`: not configured.
    pub slack: Option<SlackHealth>,
    pub sources: BTreeMap<Source, SourceHealth>,
    pub queued_operations: i64,
    /// What does not work in Slack for want of a scope.
    pub missing_scopes: Vec<Missing>,
    /// Links of the Slack app that are not held here, as Slack counts them: another daemon's, perhaps.
    pub other_links: u32,
    /// Work that ended the process twice.
    pub set_aside: Vec<SetAside>,
    /// Answers that were given up within a day, by Slack's code.
    pub given_up: Vec<(String, DateTime<Utc>)>,
}

/// What is read in channels, as far as scopes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listens {
    /// Mentions.
    pub mentions: bool,
    /// `create` without one.
    pub bare: bool,
}

/// Kept messages, worked off; messages owed, posted: for the Slack surface.
impl Desk {
    pub fn new(
        store: Store,
        settings: CommandSettings,
        accounts: Vec<Arc<dyn Accounts>>,
        clock: Clock,
    ) -> Desk {
        let slack = settings.slack.then_some(SlackHealth::Connecting);
        Desk {
            inner: Arc::new(Inner {
                store,
                settings,
                clock,
                health: Mutex::new(LiveHealth {
                    slack,
                    ..LiveHealth::default()
                }),
                accounts: accounts
                    .into_iter()
                    .map(|accounts| (accounts.source(), accounts))
                    .collect(),
                introduced: identity::Introduced::default(),
                strangers: strangers::Strangers::default(),
                under_way: AtomicUsize::default(),
            }),
        }
    }

    /// Keeps a heard message; it is committed when this returns (P1), and known under all its keys. Of what turns out to
    /// be about nothing of ours, nothing is kept; of one whose person has too many waiting already only that it was turned
    /// down, which they are told.
    pub async fn keep(&self, heard: Heard, raw: String) -> Result<Kept, StoreTrouble> {
        let replies = self.inner.settings.thread_replies;
        self.turn(move |turn| {
            let tx = turn.db;
            let Some(heard) = gestures::whole(tx, heard, replies)? else {
                return Ok(Kept::NotForUs);
            };
            let waiting = slack_events::count_waiting(tx, &heard.user)?;
            let kept = slack_events::keep(tx, &heard, &raw, turn.now)?;
            if kept == Kept::Duplicate {
                return Ok(kept);
            }
            if waiting < HEARD_MAX {
                tx.wake(Wake::Heard);
                return Ok(kept);
            }
            Bound::Heard.reached(format_args!(
                "{waiting} messages of one person wait to be acted on, and the next are turned down"
            ));
            turn.turn_away(&heard, reply::too_many_messages(waiting, &heard.text))?;
            if let Some(id) = slack_events::known(tx, &heard.keys)? {
                slack_events::handle(tx, id, turn.now)?;
            }
            Ok(kept)
        })
        .await
    }

    /// Resolves when the store takes writes: at once, mostly.
    pub async fn until_the_store_is_well(&self) {
        self.inner.store.until_well().await;
    }

    /// How the store is, and each change of that.
    pub fn store_health(&self) -> watch::Receiver<StoreHealth> {
        self.inner.store.health()
    }

    /// The oldest unhandled message of so many of those senders who have any, oldest first.
    pub async fn waiting(&self, at_most: usize) -> Result<Vec<Waiting>, StoreTrouble> {
        let store = &self.inner.store;
        store
            .read(move |connection| slack_events::waiting(connection, at_most))
            .await
    }

    /// Resolves when a message was kept since the last call. For one listener.
    pub async fn something_heard(&self) {
        self.inner.store.signals().heard.notified().await;
    }

    /// Acts on a kept message, once: answers it or makes its operations durable, in the transaction that marks it
    /// handled. `member` is what Slack says about the sender, `team` our workspace. If something that the sender said
    /// earlier was kept in the meantime, it goes first (P3): this one stays among those that wait.
    pub async fn act(
        &self,
        waiting: &Waiting,
        member: &Member,
        team: &str,
    ) -> Result<(), StoreTrouble> {
        let found = match &waiting.heard.gesture {
            Gesture::Signed { task: None, .. } => self.found(&waiting.heard).await?,
            _ => Some(waiting.heard.clone()),
        };
        let Some(heard) = &found else {
            return self.nothing_to_do(waiting).await;
        };
        let may = may_act(member, team, &self.inner.settings.allowed_users);
        if may.is_ok() {
            self.introduce(member).await?;
        }
        if heard.gesture == Gesture::OpenedHome {
            return self.opened_home(waiting, member, may.err()).await;
        }
        let (asked, left) = match may {
            Ok(()) => meaning(heard, self.inner.settings.thread_replies),
            Err(why) => {
                if !gestures::is_overheard(heard) {
                    let now = self.inner.clock.now();
                    self.inner.strangers.refused(&member.id, &why, now);
                }
                (Err(Words::new().text(why.to_string())), None)
            }
        };
        let asked = match asked {
            Ok(command) => {
                let command = self.with_names(waiting, command).await?;
                match self.found_out_for(member, command).await {
                    Ok(command) => Ok(command),
                    Err(CommandError::Rejected(rejection)) => Err(rejection),
                    Err(CommandError::Store(trouble)) => return Err(trouble),
                }
            }
            Err(hint) => Err(Rejection::Unfit(hint)),
        };
        if let Ok(asked) = &asked
            && depends_on_what_was_shown(asked)
        {
            // Somebody who types a slash command has seen what stands in their DM, wherever they type it.
            let channel = match heard.gesture {
                Gesture::Slash { .. } => None,
                _ => Some(heard.channel.as_str()),
            };
            self.until_answers_are_shown(member, channel).await?;
        }
        let (id, heard, member) = (waiting.id, heard.clone(), member.clone());
        let desk = self.clone();
        let acted = self.turn(move |turn| {
            let tx = turn.db;
            tx.wake(Wake::Heard);
            if slack_events::follows_another(tx, id)? || !slack_events::handle(tx, id, turn.now)? {
                return Ok(None);
            }
            let command = turn.answer_message(&desk.inner.strangers, &heard, &member, asked)?;
            if let Some(left) = left {
                turn.say_besides(&heard, left, command.is_some())?;
            }
            Ok(command)
        });
        if let Some(command) = acted.await? {
            self.tell_if_it_takes_long(command);
        }
        Ok(())
    }

    /// The command of a message, with those whom it mentions and who are nobody here by their names. What comes from a form
    /// has no mentions.
    async fn with_names(
        &self,
        waiting: &Waiting,
        command: Command,
    ) -> Result<Command, StoreTrouble> {
        let is_typed = matches!(
            waiting.heard.gesture,
            Gesture::Said | Gesture::Slash { .. } | Gesture::Replied
        );
        if !is_typed || mention::mentioned(&waiting.heard.text).is_empty() {
            return Ok(command);
        }
        let people = self.known_in_slack().await?;
        let name_of = |id: &str| {
            let known = waiting.names.iter().find(|(of, _)| of == id);
            known.map(|(_, name)| name.clone())
        };
        Ok(command.with_names(|id| people.iter().any(|one| one == id), name_of))
    }

    /// Every DM that somebody has spoken in, and when they last did, by Slack's clock.
    pub async fn dms(&self) -> Result<Vec<(String, Option<DateTime<Utc>>)>, StoreTrouble> {
        self.inner.store.read(slack_events::dms).await
    }

    /// This store is Slack's since then, unless it was before: what was said in a DM before is none of its business.
    pub async fn slack_begins(&self, at: DateTime<Utc>) -> Result<(), StoreTrouble> {
        let store = &self.inner.store;
        match store.read(slack_events::since).await? {
            Some(_) => Ok(()),
            None => store.write(move |tx| slack_events::begins(tx, at)).await,
        }
    }

    /// How far what was heard in a DM is known to be complete.
    pub async fn compared_up_to(&self, channel: &str) -> Result<ComparedUpTo, StoreTrouble> {
        let channel = channel.to_owned();
        self.inner
            .store
            .read(move |connection| slack_events::compared_up_to(connection, &channel))
            .await
    }

    /// What was heard in a DM is complete up to there; written only where that is news.
    pub async fn compared(&self, channel: &str, up_to: DateTime<Utc>) -> Result<(), StoreTrouble> {
        if self.compared_up_to(channel).await?.up_to >= Some(up_to) {
            return Ok(());
        }
        let channel = channel.to_owned();
        self.inner
            .store
            .write(move |tx| slack_events::compared(tx, &channel, up_to))
            .await
    }

    /// Those that are not kept, under any of their keys.
    pub async fn unknown<T: Send + 'static>(
        &self,
        heard: Vec<(Heard, T)>,
    ) -> Result<Vec<(Heard, T)>, StoreTrouble> {
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

    /// Commands of a DM that were typed long before we could hear them: those that are news are listed there, and not
    /// acted on.
    pub async fn ask_about(
        &self,
        channel: &str,
        old: Vec<(Heard, String)>,
    ) -> Result<(), StoreTrouble> {
        let channel = channel.to_owned();
        self.turn(move |turn| {
            let mut typed = Vec::new();
            for (heard, raw) in &old {
                if slack_events::keep(turn.db, heard, raw, turn.now)? == Kept::Duplicate {
                    continue;
                }
                if let Some(id) = slack_events::known(turn.db, &heard.keys)? {
                    slack_events::handle(turn.db, id, turn.now)?;
                }
                if command::parse(&heard.text).is_ok() {
                    typed.push(heard.text.as_str());
                }
            }
            if typed.is_empty() {
                return Ok(());
            }
            turn.post(&Draft {
                channel,
                words: Some(reply::typed_while_away(&typed)),
                ..Draft::default()
            })
        })
        .await
    }

    /// What is to be posted or updated next in so many conversations, in order.
    pub async fn outgoing(&self, at_most: usize) -> Result<Vec<Outgoing>, StoreTrouble> {
        let store = &self.inner.store;
        store
            .read(move |connection| messages::outgoing(connection, at_most))
            .await
    }

    /// Resolves when there may be something new in `outgoing` since the last call. For one poster.
    pub async fn something_to_post(&self) {
        self.inner.store.signals().messages.notified().await;
    }

    /// Makes durable that a first post is about to be sent.
    pub async fn posting(&self, id: i64, version: i64) -> Result<(), StoreTrouble> {
        let now = self.inner.clock.now();
        self.inner
            .store
            .write(move |tx| messages::posting(tx, id, version, now))
            .await
    }

    /// Records a post whose outcome was unknown: it stands under `ts` since `shown_at`, perhaps with an older text.
    pub async fn found_post(
        &self,
        id: i64,
        ts: &str,
        shown_at: DateTime<Utc>,
    ) -> Result<(), StoreTrouble> {
        let ts = ts.to_owned();
        self.inner
            .store
            .write(move |tx| {
                tx.wake(Wake::Messages);
                tx.wake(Wake::Settled);
                messages::found(tx, id, &ts, shown_at)
            })
            .await
    }

    /// Records that version `version` of the message is what people see, since `shown_at` (Slack's clock).
    pub async fn posted(
        &self,
        id: i64,
        version: i64,
        ts: &str,
        shown_at: DateTime<Utc>,
    ) -> Result<(), StoreTrouble> {
        let ts = ts.to_owned();
        self.inner
            .store
            .write(move |tx| {
                tx.wake(Wake::Messages);
                tx.wake(Wake::Settled);
                messages::posted(tx, id, version, &ts, shown_at)
            })
            .await
    }

    /// Slack refuses the message for good: it is left out, and those behind it go on.
    /// Operators are told of it once a day for each of Slack's codes.
    pub async fn unpostable(&self, id: i64, code: &str, why: &str) -> Result<(), StoreTrouble> {
        let (code, why) = (code.to_owned(), why.to_owned());
        self.turn(move |turn| {
            let tx = turn.db;
            tx.wake(Wake::Messages);
            tx.wake(Wake::Settled);
            messages::dropped(tx, id, &why)?;
            if !deliveries::given_up(tx, &code, turn.now)? {
                return Ok(());
            }
            let person = match messages::person(tx, id)? {
                Some(person) => Some(people::by_id(tx, person)?.name),
                None => None,
            };
            turn.tell_operators(&reply::unpostable(person.as_deref(), &code), None)
        })
        .await
    }

    /// Slack does not take an answer in its channel: it is said in the DM of the one who asked. `false`: it is no
    /// answer in a channel.
    pub async fn say_to_its_asker(&self, id: i64) -> Result<bool, StoreTrouble> {
        self.inner
            .store
            .write(move |tx| {
                tx.wake(Wake::Messages);
                messages::say_to_its_asker(tx, id)
            })
            .await
    }

    /// Slack does not change what stands there: it is said anew.
    pub async fn say_anew(&self, id: i64) -> Result<(), StoreTrouble> {
        let now = self.inner.clock.now();
        self.inner
            .store
            .write(move |tx| {
                tx.wake(Wake::Messages);
                let uid = ulid::Ulid::from_datetime(now.into()).to_string();
                restored::leaves(tx, id, now)?;
                messages::say_anew(tx, id, &uid)
            })
            .await
    }

    /// Slack does not change what stands there, and only its cards were to be made again: it stays.
    pub async fn stays(&self, id: i64, version: i64, why: &str) -> Result<(), StoreTrouble> {
        let why = why.to_owned();
        self.inner
            .store
            .write(move |tx| {
                tx.wake(Wake::Messages);
                messages::stays(tx, id, version, &why)
            })
            .await
    }

    /// The root of its thread is gone: it is said outside of it.
    pub async fn without_thread(&self, id: i64) -> Result<(), StoreTrouble> {
        self.inner
            .store
            .write(move |tx| {
                tx.wake(Wake::Messages);
                messages::without_thread(tx, id)
            })
            .await
    }

    /// A post that was certainly not taken may be sent again without looking for it.
    pub async fn not_posted(&self, id: i64) -> Result<(), StoreTrouble> {
        self.inner
            .store
            .write(move |tx| messages::not_posted(tx, id))
            .await
    }

    /// How the connection to Slack is, for `status` and `/readyz`.
    pub fn slack_is(&self, health: SlackHealth) {
        self.lock_health().slack = Some(health);
    }

    /// Which scopes the Slack app has, for `status`: those that are missed.
    pub async fn scopes_are(
        &self,
        granted: impl Fn(&str) -> bool,
        listens: Listens,
    ) -> Result<Vec<Missing>, StoreTrouble> {
        let settings = &self.inner.settings;
        let somebody = self.inner.store.read(people::somebody_wants_reactions);
        let uses = Uses {
            mentions: listens.mentions,
            bare: listens.bare,
            reacts: settings.receipts == Receipts::Reactions
                || settings.thread_replies == ThreadReplies::Comment
                || somebody.await?,
            emails: settings.finds_by_email,
        };
        let missing = scope::missing(granted, uses);
        self.lock_health().missing_scopes.clone_from(&missing);
        Ok(missing)
    }

    /// How the last sync of a source went, for `status`.
    pub fn source_is(&self, source: Source, error: Option<String>) {
        let mut health = self.lock_health();
        let before = match error.clone() {
            Some(error) => health.sources.insert(source, error),
            None => health.sources.remove(&source),
        };
        if before != error {
            self.inner.store.signals().homes.notify_one();
        }
    }

    fn lock_health(&self) -> MutexGuard<'_, LiveHealth> {
        self.inner.lock_health()
    }

    /// After a restart: commands whose authors have heard nothing yet are told that they wait.
    pub async fn tell_the_untold(&self) -> Result<(), StoreTrouble> {
        for command in self.inner.store.read(operations::untold).await? {
            self.tell_if_it_takes_long(command);
        }
        Ok(())
    }

    fn tell_if_it_takes_long(&self, command: i64) {
        // Nothing is held meanwhile: when the daemon has ended, nobody is told any more.
        let inner = Arc::downgrade(&self.inner);
        tokio::spawn(async move {
            tokio::time::sleep(TELL_AFTER).await;
            let Some(inner) = inner.upgrade() else {
                return;
            };
            let desk = Desk { inner };
            if let Err(trouble) = desk.tell_it_waits(command).await {
                tracing::error!(
                    command,
                    "nobody was told that command {command} is queued: {trouble}"
                );
            }
        });
    }

    async fn tell_it_waits(&self, command: i64) -> Result<(), StoreTrouble> {
        self.turn(move |turn| turn.settle(command, Occasion::Waits))
            .await
    }

    /// An answer that is on its way may change what `done` means: waits until it stands there, or for long enough.
    async fn until_answers_are_shown(
        &self,
        member: &Member,
        channel: Option<&str>,
    ) -> Result<(), StoreTrouble> {
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
                tracing::warn!(
                    channel,
                    "an answer is still not posted; going on without it"
                );
                Ok(())
            }
        }
    }
}

/// What HTTP asks.
impl Desk {
    /// Who acts: by name, Slack id or GitHub login; without a name the one person, or `api.default_person`.
    pub async fn who(&self, actor: Option<&str>) -> Result<Person, CommandError> {
        let present = self.inner.store.read(people::present).await?;
        let named = actor.or(self.inner.settings.default_person.as_deref());
        let person = match (present.as_slice(), named) {
            ([only], None) => Ok(only),
            ([only], Some(_)) if only.alone => Ok(only),
            (_, None) => Err(WhoActs::NotNamed),
            (people, Some(name)) => person::called(people, name)
                .ok_or_else(|| WhoActs::NotKnown(name.chars().take(80).collect())),
        };
        Ok(person.map_err(Rejection::from)?.clone())
    }

    /// Acts on a command; whatever it asks of a source is committed when this returns (P1).
    pub async fn ask(&self, mut asked: Asked) -> Result<Answer, CommandError> {
        asked.command = self.found_out(&asked.person, asked.command).await?;
        self.decide(move |turn| turn.answer_request(asked)).await
    }

    /// The command's report: final as soon as there is one, or `Queued` after `wait`.
    pub async fn outcome(&self, command: i64, wait: Duration) -> Result<Report, StoreTrouble> {
        let mut settled = self.inner.store.signals().settled();
        let until_settled = async {
            loop {
                settled.mark_unchanged();
                if let (true, Some(report)) = self.report(command).await? {
                    return Ok(report);
                }
                if settled.changed().await.is_err() {
                    return Err(self.no_report(command));
                }
            }
        };
        if let Ok(report) = tokio::time::timeout(wait, until_settled).await {
            return report;
        }
        self.tell_it_waits(command).await?;
        let (_, report) = self.report(command).await?;
        report.ok_or_else(|| self.no_report(command))
    }

    /// Whether a command is settled, and what there is to say about it.
    async fn report(&self, command: i64) -> Result<(bool, Option<Report>), StoreTrouble> {
        let row = self
            .inner
            .store
            .read(move |connection| operations::command(connection, command))
            .await?;
        Ok(row.map_or((false, None), |row| (row.settled, report_of(&row))))
    }

    fn no_report(&self, command: i64) -> StoreTrouble {
        StoreTrouble {
            path: self.inner.store.path().display().to_string(),
            why: format!("command {command} has no report"),
        }
    }

    /// The current task; with nothing pinned the first of the queue is pinned, as showing does.
    pub async fn current(&self, person: &Person) -> Result<Current, StoreTrouble> {
        let person = person.clone();
        self.turn(move |turn| {
            let (pin, current) = turn.show_current(&person)?;
            people::pin_shown(turn.db, pin, turn.now)?;
            Ok(match current {
                Some(stored) => Current::Task(Box::new(turn.scored(stored, &person)?)),
                None => Current::Nothing(turn.why_empty(&person)?),
            })
        })
        .await
    }

    /// The tasks of `GET /tasks`, and the cursor to go on with.
    pub async fn tasks(
        &self,
        person: &Person,
        wanted: &Wanted,
    ) -> Result<(Vec<Scored>, Option<String>), CommandError> {
        let cursor = wanted.cursor.as_deref().map(read_cursor).transpose()?;
        let limit = wanted.limit;
        let (inner, who, asked) = (Arc::clone(&self.inner), person.clone(), wanted.clone());
        let found = self.look(move |connection| {
            let now = inner.clock.now();
            let after = match cursor {
                None => None,
                // Of another store, or of an older copy, the row may be of another task.
                Some((row, key)) => match tasks::by_row(connection, row)? {
                    Some(stored) if stored.task.key == key => Some(row),
                    _ => return Err(not_a_cursor("tasks").into()),
                },
            };
            let filter = with_clients(connection, &inner.settings.entities, &asked.filter)?;
            let waits = blocking::waits(connection)?;
            let mut sources = filter.sources;
            if let Some(source) = asked.source {
                let fits = sources.is_empty() || sources.contains(&source);
                sources.clear();
                if !fits {
                    return Ok((Vec::new(), waits));
                }
                sources.insert(source);
            }
            let held_back = [
                filter.blocked.then(|| waits.blocked().collect()),
                match filter.snoozed {
                    true => Some(snoozes::hidden(connection, who.id, now)?),
                    false => None,
                },
            ];
            let query = tasks::Wanted {
                status: asked.status,
                sources,
                entities: filter.entities,
                due_before: filter
                    .overdue
                    .then(|| (day_begins(now, who.zone), day(now, who.zone))),
                rows: held_back
                    .into_iter()
                    .flatten()
                    .reduce(|one: BTreeSet<TaskRow>, other| &one & &other),
                after,
                limit: limit + 1,
            };
            Ok((tasks::listed(connection, &query)?, waits))
        });
        let (mut found, waits) = found.await?;
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found
            .last()
            .filter(|_| more)
            .map(|last| format!("{}~{}", last.row, last.task.key));
        let now = self.inner.clock.now();
        let scored = found
            .into_iter()
            .map(|stored| {
                let waiting = waits.people_waiting_for(stored.row);
                let weights = &self.inner.settings.weights;
                let points = score(&stored.task, waiting, now, person.zone, weights);
                Scored::from((stored.task, points))
            })
            .collect();
        Ok((scored, next))
    }

    /// The first `limit` of the queue in order, numbered from 1; the numbers work as REF until the next list.
    pub async fn list(
        &self,
        person: &Person,
        limit: usize,
        filter: &Filter,
    ) -> Result<Listed, CommandError> {
        let (person, filter) = (person.clone(), filter.clone());
        self.decide(move |turn| {
            let mut ranked = turn.filtered(&person, &filter)?;
            let total = ranked.len();
            ranked.truncate(limit);
            let rows: Vec<TaskRow> = ranked.iter().map(|(row, ..)| *row).collect();
            people::list(turn.db, person.id, &rows, Some(turn.now))?;
            let mut notes = turn.notes(&person, &rows, &filter)?;
            let empty = match rows.is_empty() {
                true => Some(turn.nothing_listed(&person, &filter)?),
                false => None,
            };
            let tasks = ranked
                .into_iter()
                .map(|(row, task, score)| Scored {
                    hidden: notes.remove(&row).map(|note| note.plain()),
                    ..Scored::from((task, score))
                })
                .collect();
            Ok(Listed {
                tasks,
                total,
                empty,
            })
        })
        .await
    }

    /// One task of the mirror.
    pub async fn task(&self, person: &Person, id: &TaskId) -> Result<Scored, CommandError> {
        let (person, id) = (person.clone(), id.clone());
        self.decide(move |turn| {
            let Target {
                stored: Some(stored),
                ..
            } = turn.by_id(&id)?
            else {
                return Err(Rejection::UnknownTask(reply::names_no_task(&id)).into());
            };
            Ok(Scored {
                snoozed_until: snoozes::until(turn.db, person.id, stored.row, turn.now)?,
                ..turn.scored(stored, &person)?
            })
        })
        .await
    }

    /// An operation by its id.
    pub async fn operation(&self, id: &str) -> Result<Option<OperationView>, StoreTrouble> {
        let id = id.to_owned();
        self.inner
            .store
            .read(move |connection| {
                let Some(row) = operations::by_id(connection, &id)? else {
                    return Ok(None);
                };
                let command = operations::command(connection, row.command)?;
                let report = command.as_ref().and_then(report_of);
                let task = match (row.operation.write.task(), &row.outcome) {
                    (_, Some(outcome)) => Some(outcome.task().id.to_string()),
                    (Some(key), None) => {
                        tasks::by_key(connection, key)?.map(|stored| stored.task.id.to_string())
                    }
                    (None, None) => None,
                };
                Ok(Some(OperationView {
                    kind: row.operation.write.kind().to_owned(),
                    source: row.operation.write.source(),
                    task_id: task,
                    state: match row.set_aside && row.state == operations::State::Pending {
                        true => "set_aside".to_owned(),
                        false => row.state.as_str().to_owned(),
                    },
                    attempts: row.attempts.into(),
                    created_at: row.created_at,
                    next_attempt_at: row
                        .not_before
                        .filter(|_| row.state == operations::State::Pending),
                    detail: row.why,
                    report,
                    id: row.operation.id,
                }))
            })
            .await
    }

    /// What is well and what is not.
    pub async fn health(&self) -> HealthView {
        let writable = self.inner.store.try_out().await;
        let inner = Arc::clone(&self.inner);
        let read = self
            .inner
            .store
            .read(move |connection| {
                let (sources, queued) = health_of_sources(connection, &inner.settings)?;
                let set_aside = crate::store::set_aside::all(connection)?;
                let given_up = deliveries::lately_given_up(connection, inner.clock.now())?;
                Ok((sources, queued, set_aside, given_up))
            })
            .await;
        let (mut sources, queued_operations, set_aside, given_up) =
            read.clone().unwrap_or_default();
        let health = self.lock_health();
        health.add_errors(&mut sources);
        HealthView {
            store_writable: writable.is_ok() && read.is_ok(),
            slack: health.slack.clone(),
            sources,
            queued_operations,
            missing_scopes: health.missing_scopes.clone(),
            other_links: health.other_links,
            set_aside,
            given_up,
        }
    }
}

/// A cursor of `GET /tasks`: the last row of a page, and its task.
fn read_cursor(cursor: &str) -> Result<(TaskRow, TaskKey), Rejection> {
    let read = cursor
        .split_once('~')
        .and_then(|(row, key)| Some((row.parse().ok()?, TaskKey::parse(key)?)));
    read.ok_or_else(|| not_a_cursor("tasks"))
}

fn not_a_cursor(listing: &str) -> Rejection {
    Rejection::Unfit(Words::new().text(format!(
        "cursor is not one that an answer of GET /{listing} gave as next_cursor, or it is from an older store. Begin with \
         the first page"
    )))
}

type Sources = BTreeMap<Source, SourceHealth>;

fn health_of_sources(connection: &Db, settings: &CommandSettings) -> DbResult<(Sources, i64)> {
    let mut sources = BTreeMap::new();
    for source in settings.sources() {
        sources.insert(
            source,
            SourceHealth {
                last_sync: tasks::synced_at(connection, source)?,
                error: operations::trouble(connection, source)?,
                tasks: tasks::count_open(connection, source)?,
                archived: tasks::archived(connection, source)?,
            },
        );
    }
    Ok((sources, operations::count_pending(connection)?))
}

/// Where something that was said is answered: there, in channels in a thread under it.
pub fn conversation_of(heard: &Heard) -> Conversation {
    Conversation {
        channel: heard.channel.clone(),
        thread: match heard.direct {
            true => heard.thread.clone(),
            false => Some(heard.thread.clone().unwrap_or_else(|| heard.ts.clone())),
        },
    }
}

/// Who a Slack member is here: the one person where nobody is configured, else whoever has their Slack id.
fn person_of(connection: &Db, member: &Member) -> DbResult<Option<Person>> {
    Ok(people::present(connection)?
        .into_iter()
        .find(|person| person.alone || person.slack.as_deref() == Some(member.id.as_str())))
}

/// What somebody asked for, or a hint at what they can ask for; and what came with it that this does not take.
fn meaning(heard: &Heard, replies: ThreadReplies) -> (Result<Command, Words>, Option<Words>) {
    let attached = &heard.attached;
    let (read, pieces) = read(heard, replies);
    match read {
        Ok(mut command) => {
            let added = command.add(pieces);
            let left = match added {
                true => reply::files_without_address(&attached.lost),
                false => reply::not_taken_over(&attached.files, attached.forwarded),
            };
            (Ok(command), left)
        }
        Err(hint) => (Err(hint), None),
    }
}

/// The same without what came with it, and what of that is still to be added.
fn read(heard: &Heard, replies: ThreadReplies) -> (Result<Command, Words>, &[String]) {
    let attached = &heard.attached;
    let said = matches!(heard.gesture, Gesture::Said | Gesture::Replied) && !attached.is_empty();
    let read = command::parse(&heard.text);
    let in_words = |hint: ParseError| Words::new().text(hint.to_string());
    match (read, attached.pieces.split_first()) {
        // What came with it is the comment.
        (Err(ParseError::EmptyComment), Some((first, rest))) if said => {
            let whole = format!("{} {first}", heard.text.trim_end());
            (command::parse(&whole).map_err(in_words), rest)
        }
        (Err(ParseError::Empty), Some((first, rest)))
            if said && heard.thread.is_some() && replies == ThreadReplies::Comment =>
        {
            (Ok(Command::Reply(first.clone())), rest)
        }
        (Err(ParseError::Empty), _) if said => (
            Err(reply::no_command_with(
                attached.snippet.as_deref(),
                &attached.files,
                attached.forwarded,
            )),
            &[],
        ),
        _ => (asked_for(heard, replies), &attached.pieces),
    }
}

/// What somebody asked for, or a hint at what they can ask for.
fn asked_for(heard: &Heard, replies: ThreadReplies) -> Result<Command, Words> {
    let in_thread = heard.thread.is_some() && replies == ThreadReplies::Comment;
    match &heard.gesture {
        Gesture::Said | Gesture::Slash { .. } => match command::parse(&heard.text) {
            Err(hint) if in_thread && hint.is_prose() => Ok(Command::Reply(heard.text.clone())),
            // Words that may be clients may be prose as well: under a task's message they are.
            Ok(Command::List { filter, .. }) if in_thread && filter.entities.len() > 1 => {
                Ok(Command::Reply(heard.text.clone()))
            }
            read => read.map_err(|hint| Words::new().text(hint.to_string())),
        },
        Gesture::Replied => Ok(Command::Reply(match command::parse(&heard.text) {
            Ok(Command::Comment { task: None, text }) => text,
            _ => heard.text.clone(),
        })),
        Gesture::Pressed(press) | Gesture::PressedAlone { press, .. } => {
            press.command().ok_or_else(reply::not_a_button)
        }
        Gesture::Submitted { filled, .. } => Ok(filled.command()),
        Gesture::Signed {
            reaction,
            put,
            task,
        } => task
            .and_then(|row| sign::command(reaction, *put, row))
            .ok_or_else(reply::not_a_button),
        Gesture::SignedOutcome => Err(reply::reaction_on_outcome()),
        Gesture::InUnknownThread => Err(reply::unknown_thread()),
        // It asks for no command, and is never asked for one.
        Gesture::OpenedHome => Err(reply::not_a_button()),
    }
}

/// Whether the meaning of a command depends on which task or list its author had been shown.
fn depends_on_what_was_shown(command: &Command) -> bool {
    match command {
        Command::Done { task, .. }
        | Command::Comment { task, .. }
        | Command::Start { task }
        | Command::Snooze { task, .. }
        | Command::Reopen { task }
        | Command::Log { task, .. }
        | Command::Assign { task, .. }
        | Command::Claim { task }
        | Command::Due { task, .. }
        | Command::Prioritise { task, .. }
        | Command::Why { task } => {
            matches!(task, None | Some(Ref::Nth(_)))
        }
        Command::Undo { .. } | Command::NotDone(_) => false,
        // Under which message it was typed may not be recorded yet.
        Command::Reply(_)
        | Command::Current
        | Command::Morning
        | Command::Next
        | Command::NextFrom(_)
        | Command::List { .. } => true,
        Command::Create(_)
        | Command::Briefing(_)
        | Command::QuietHours
        | Command::Quiet(_)
        | Command::Status
        | Command::Whoami
        | Command::Link { .. }
        | Command::Linked { .. }
        | Command::Unlink { .. }
        | Command::Mute(_)
        | Command::QuietFrom(_)
        | Command::QuietUntil(_)
        | Command::ReceiptsAre
        | Command::Receipts(_)
        | Command::Usual(_)
        | Command::Help => false,
    }
}
