//! One command in its transaction: the reads and writes that several verbs share, and the errors that stop a command.
//!
//! Everything that a command decides is read and written in one transaction, so that it happens completely or not at
//! all (P1, P2). Each verb's own decisions are in its file; the shared parts are here.

mod health;
mod logins;
mod settings;
mod stop;

use std::cell::Cell;
use std::sync::{Arc, Mutex};

use chrono::{DateTime, SecondsFormat, Utc};
use sha2::{Digest, Sha256};

use crate::completion::pins::PinMover;
use crate::completion::several;
use crate::completion::{
    self, CompletionTrigger, OpenTasks, first_of_queue, parts, points, record, shown,
};
use crate::domain::address;
use crate::domain::card::{CardPart, link_buttons, question_buttons};
use crate::domain::change;
use crate::domain::command::{AskedCommand, Ref};
use crate::domain::form::SourceMessage;
use crate::domain::ids::{CommandId, ListId, PinId, TaskRow, TokenId};
use crate::domain::log::{LoggedChange, Via};
use crate::domain::operation::{Place, Refusal, Write};
use crate::domain::person::Person;
use crate::domain::profile::ContainerKind;
use crate::domain::queue::{EmptyQueue, FirstRead, HeldBack, QueueSource, READ_COUNTED, meant};
use crate::domain::reply::{self, Report, ReportState, TaskBrief, Text};
use crate::domain::score::Score;
use crate::domain::task::{RepoName, Source, Task, TaskId, TaskKey};
use crate::store::messages::Conversation;
use crate::store::operations::{self, NewCommand, Surface};
use crate::store::tasks::{self, StoredTask};
use crate::store::{Db, DbResult, Tx, Wake, access, effects, people, questions, snoozes};

pub use health::LiveHealth;
pub use logins::{CodeAnswer, LOGIN_VALID, LoginRequest, Logins, NoLogin};
pub use settings::{ChannelDefaults, CommandSettings};
pub use stop::{CommandError, Rejection, Stop, WhoActs};

/// The transaction of one command, with its context beside the store.
pub struct CommandTx<'a> {
    /// The settings from `bot.toml`.
    pub settings: Arc<CommandSettings>,
    /// The state of the connections, shared with Slack and the polls.
    pub health: &'a Mutex<LiveHealth>,
    /// Logins that wait, and tokens that are to be shown.
    pub logins: &'a Logins,
    /// The write transaction.
    pub db: &'a Tx<'a>,
    /// The time of the transaction, UTC.
    pub now: DateTime<Utc>,
    /// Whether the person sees the answer.
    pub shows: Shows,
    /// The number of operations that this transaction has accepted.
    pub accepted: Cell<u32>,
}

/// Who sees an answer. A task that a person sees is their current one from then on, and the numbers of a list count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shows {
    /// The person, so it is recorded.
    Person,
    /// A reader that may change nothing.
    Nobody,
}

/// The `Idempotency-Key` of a request and a fingerprint of the rest of it: a repeated request is the same operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// The header's value.
    pub key: String,
    /// SHA-256 in hex of the method, path, actor and body.
    pub fingerprint: String,
}

/// A task that a command is about. One that is not mirrored yet has only its key.
pub struct Target {
    /// The key at its source.
    pub key: TaskKey,
    /// The task in the mirror; `None` if it is not mirrored.
    pub stored: Option<StoredTask>,
}

impl Target {
    /// The task in the mirror. Fails if it is not mirrored.
    pub fn mirrored(self) -> Result<StoredTask, Stop> {
        let Target { key, stored } = self;
        Ok(stored.ok_or_else(|| {
            let called = match key.github_parts() {
                Some((_, number)) => format!("#{number}"),
                None => key.as_str().to_owned(),
            };
            Rejection::UnknownTask(reply::not_mirrored(key.source(), &called))
        })?)
    }
}

/// The result of a command within its transaction.
pub enum Handled {
    /// Operations are in the outbox.
    Accepted {
        /// The stored command.
        command: CommandId,
        /// The ULID of its first operation.
        operation_id: String,
    },
    /// An immediate reply; with the pin and the list that it shows, and the task that it is about.
    Replied(Reply),
    /// An effect without a request to a source, with its report and its reply.
    Settled {
        /// The message in Slack.
        reply: Reply,
        /// The answer over HTTP.
        report: Box<Report>,
    },
}

/// The decision of a verb.
pub type Decided = Result<Handled, Stop>;

/// The content of an immediate answer, and the things that it shows.
#[derive(Default)]
pub struct Reply {
    /// Whether nothing was done.
    pub refused: bool,
    /// Plain words with links, complete without `parts`.
    pub words: Text,
    /// Cards and texts for Slack; empty if the words are enough.
    pub parts: Vec<CardPart>,
    /// The pin that it shows.
    pub pin: Option<PinId>,
    /// The list whose numbers it shows.
    pub list: Option<ListId>,
    /// The row of the task that it is about.
    pub about: Option<TaskRow>,
    /// The command that it answers, if that can be undone.
    pub command: Option<CommandId>,
    /// The new token that it shows.
    pub token: Option<TokenId>,
    /// The uid of the command that asks before it acts.
    pub asks: Option<String>,
}

impl From<Text> for Reply {
    fn from(words: Text) -> Reply {
        Reply {
            words,
            ..Reply::default()
        }
    }
}

/// The place and time at which a command was typed.
#[derive(Clone)]
pub struct Context {
    /// The side that it came from: Slack or the API.
    pub surface: Surface,
    /// The way in which it was given.
    pub via: Via,
    /// The name of the API's token; `None` in Slack, and for the single token.
    pub token: Option<String>,
    /// The time of typing, UTC, by the clock of its surface.
    pub at: DateTime<Utc>,
    /// The time of the message whose button offered it, UTC; `None` if no offer was pressed.
    pub offered_at: Option<DateTime<Utc>>,
    /// The task of the message in whose thread it was typed.
    pub under: Option<TaskRow>,
    /// In Slack: the thread in which it was typed.
    pub thread: Option<Conversation>,
    /// In Slack: the channel and `ts` of the message that it was typed in; `None` for buttons, forms and slash commands.
    pub message: Option<String>,
    /// `None` in Slack, and in requests without the header.
    pub once: Option<IdempotencyKey>,
    /// The channel whose defaults apply to missing options.
    pub channel: Option<String>,
    /// The message that a task is to be made from.
    pub from: Option<SourceMessage>,
    /// In Slack: whether it shows the person's e-mail address.
    pub email: Option<bool>,
    /// In Slack: the id of the member, if nobody else reads the conversation.
    pub alone_with: Option<String>,
    /// The command for several tasks that it is a part of.
    pub part_of: Option<CommandId>,
}

impl Context {
    /// A request over HTTP without an `Idempotency-Key`.
    pub fn over_http(at: DateTime<Utc>) -> Context {
        Context {
            surface: Surface::Api,
            via: Via::Http,
            token: None,
            at,
            offered_at: None,
            under: None,
            thread: None,
            message: None,
            once: None,
            channel: None,
            from: None,
            email: None,
            alone_with: None,
            part_of: None,
        }
    }

    /// The time until which its author had seen messages: numbers and the current task are those of then.
    pub fn seen_at(&self) -> DateTime<Utc> {
        self.offered_at.unwrap_or(self.at)
    }
}

/// A task with its points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scored {
    /// The task as mirrored.
    pub task: Task,
    /// The sum of its points.
    pub score: i64,
    /// The reasons for its points, most first.
    pub reasons: Vec<(String, i64)>,
    /// The end of its snooze, for a single requested task.
    pub snoozed_until: Option<DateTime<Utc>>,
    /// Why the queue leaves it out, in a list of such tasks.
    pub hidden: Option<String>,
}

impl From<(Task, Score)> for Scored {
    fn from((task, score): (Task, Score)) -> Scored {
        Scored {
            task,
            score: score.total,
            reasons: score.points(),
            snoozed_until: None,
            hidden: None,
        }
    }
}

impl CommandTx<'_> {
    /// The task that a command is about (REF, the thread, or the pin that its author saw).
    pub fn target(
        &self,
        person: &Person,
        task: Option<Ref>,
        context: &Context,
    ) -> Result<Target, Stop> {
        let mut number_of_list = None;
        let row = match task {
            Some(Ref::Nth(number)) => {
                number_of_list = Some(number);
                match people::numbered(self.db, person.id, number, context.seen_at())? {
                    Some(row) => Some(row),
                    None => {
                        let seen = people::has_seen_a_list(self.db, person.id, context.seen_at())?;
                        return Err(Rejection::UnknownTask(match seen {
                            true => reply::not_in_list(number),
                            false => reply::no_list_yet(),
                        })
                        .into());
                    }
                }
            }
            Some(named) => return self.named(Some(person), &named),
            None => match context.under {
                Some(row) => Some(row),
                None => self.current_at(person, context.seen_at())?,
            },
        };
        let stored = match row {
            Some(row) => tasks::by_row(self.db, row)?,
            None => None,
        };
        match (access::shown(self.db, person, stored)?, number_of_list) {
            (Some(stored), _) => Ok(Target {
                key: stored.task.key.clone(),
                stored: Some(stored),
            }),
            (None, Some(number)) => Err(Rejection::UnknownTask(reply::not_in_list(number)).into()),
            (None, None) => Err(self.no_current(person)?.into()),
        }
    }

    /// The task that the person saw as their current one at this time.
    pub fn current_at(&self, person: &Person, at: DateTime<Utc>) -> DbResult<Option<TaskRow>> {
        let pins = people::pins(self.db, person.id)?;
        Ok(meant(&pins, at).and_then(|pin| pin.task))
    }

    /// Stores a change of a task, with the words for the task after it.
    pub fn change(
        &self,
        person: &Person,
        task: Option<Ref>,
        context: &Context,
        verb: &'static str,
        what: impl FnOnce(Source) -> Result<(change::TaskChange, String), Rejection>,
    ) -> Result<Handled, Stop> {
        let target = self.target(person, task, context)?;
        let (change, said) = what(target.key.source())?;
        let write = Write::Change {
            task: target.key,
            change,
            said,
        };
        self.accept(person, context, verb, vec![write])
    }

    /// Rejects a command before which no task was shown. Nothing changes, and the first task of the queue is shown now.
    pub fn no_current(&self, person: &Person) -> DbResult<Rejection> {
        let (_, current) = self.show_current(person)?;
        Ok(Rejection::NoCurrent(match current {
            Some(stored) => reply::no_current(self.card(&stored, person)?),
            None => reply::no_current_in(self.empty(person)?),
        }))
    }

    /// The task of a REF that means the same task to everyone. Without a person every task may be named.
    pub fn named(&self, person: Option<&Person>, task: &Ref) -> Result<Target, Stop> {
        match task {
            Ref::Nth(number) => Err(Rejection::UnknownTask(reply::not_in_list(*number)).into()),
            Ref::Issue(number) => self.issue(person, None, *number),
            Ref::Id(id) => self.by_id(person, id),
            Ref::Page(host, id) => self.by_page(person, host, id),
            Ref::Key(_) | Ref::Row(_) => self.by_press(person, task),
        }
    }

    /// The task with this id. Fails if the id names none that this person may name, its source is not configured, or the
    /// task was deleted.
    pub fn by_id(&self, person: Option<&Person>, id: &TaskId) -> Result<Target, Stop> {
        if let Some((repo, number)) = id.issue() {
            return self.issue(person, repo, number);
        }
        let Some(clickup_id) = id.clickup_id() else {
            return Err(Rejection::UnknownTask(reply::names_no_task(id)).into());
        };
        if !self.settings.has(id.source()) {
            return Err(not_configured(id.source()).into());
        }
        let key = TaskKey::clickup(clickup_id);
        if tasks::by_key(self.db, &key)?.is_none()
            && let Some(own) = tasks::called(self.db, clickup_id)?
        {
            // One task by two names is one lane (P3).
            return self.by_key(person, own, || reply::names_no_task(id));
        }
        self.by_key(person, key, || reply::names_no_task(id))
    }

    /// The issue of a link. On another GitHub it is another issue, even if the repository has the same name.
    fn by_page(&self, person: Option<&Person>, host: &str, id: &TaskId) -> Result<Target, Stop> {
        let pages = &self.settings.github_url;
        if self.settings.has(id.source()) && !address::has_pages(host, pages) {
            let words = reply::another_github(host, address::host_of(pages));
            return Err(Rejection::UnknownTask(words).into());
        }
        self.by_id(person, id)
    }

    /// An issue, by default of the first configured repository. Fails if that is unknown, if the person may not name the
    /// issue, or if it was deleted.
    fn issue(
        &self,
        person: Option<&Person>,
        repo: Option<&RepoName>,
        number: u64,
    ) -> Result<Target, Stop> {
        let settings = &self.settings;
        let Some(repo) = repo.or(settings.repos.first()) else {
            return Err(not_configured(ContainerKind::Repositories.source()).into());
        };
        match tasks::repository(self.db, repo)? {
            Some(repository) => {
                let key = TaskKey::github(repository, number);
                let id = TaskId::github(Some(repo.clone()), number);
                let unknown =
                    || id.map_or_else(reply::not_a_button, |id| reply::names_no_task(&id));
                self.by_key(person, key, unknown)
            }
            None if settings.repos.iter().any(|configured| configured.is(repo)) => {
                Err(Rejection::UnknownTask(reply::not_read_yet(repo)).into())
            }
            None => Err(Rejection::UnknownTask(reply::repo_not_followed(repo)).into()),
        }
    }

    /// The task of a button, a form or a message of ours. It may be gone since, or this store may never have had it.
    pub fn by_press(&self, person: Option<&Person>, task: &Ref) -> Result<Target, Stop> {
        match self.pressed_task(task)? {
            Some(stored) => self.by_key(person, stored.task.key, reply::not_a_button),
            None => Err(Rejection::UnknownTask(reply::not_a_button()).into()),
        }
    }

    /// The task with this key, mirrored or not. Fails if it was deleted at its source. A task that the person may not
    /// name is answered with the words for an unknown one, and its title is not shown.
    fn by_key(
        &self,
        person: Option<&Person>,
        key: TaskKey,
        unknown: impl FnOnce() -> Text,
    ) -> Result<Target, Stop> {
        let stored = tasks::by_key(self.db, &key)?;
        let may = match (person, &stored) {
            (None, _) => true,
            (Some(person), Some(stored)) => access::may_name(self.db, person, stored)?,
            (Some(person), None) => access::may_name_unread(self.db, person, &key)?,
        };
        if !may {
            return Err(Rejection::UnknownTask(unknown()).into());
        }
        if let Some(gone) = stored.as_ref().filter(|stored| stored.gone) {
            return Err(Rejection::Deleted {
                row: gone.row,
                words: reply::deleted(&gone.task),
            }
            .into());
        }
        Ok(Target { key, stored })
    }

    /// The task of a button or a form, if the mirror has it.
    pub fn pressed_task(&self, task: &Ref) -> DbResult<Option<StoredTask>> {
        match task {
            Ref::Key(key) => tasks::by_key(self.db, key),
            Ref::Row(row) => tasks::by_row(self.db, *row),
            Ref::Nth(_) | Ref::Issue(_) | Ref::Id(_) | Ref::Page(..) => Ok(None),
        }
    }

    /// The current task's pin and task; without a pin the first task of the queue is pinned, if the person sees it.
    pub fn show_current(&self, person: &Person) -> DbResult<(Option<PinId>, Option<StoredTask>)> {
        let current = people::current_pin(self.db, person.id)?;
        if let Some(pin) = current
            && let Some(row) = pin.task
            && let Some(stored) = access::shown(self.db, person, tasks::by_row(self.db, row)?)?
            && !stored.gone
        {
            return Ok((Some(pin.id), Some(stored)));
        }
        let first = first_of_queue(self.db, person, None, self.now, &self.settings.weights)?;
        let row = first.map(|(row, ..)| row);
        let pin = match (current, row) {
            (Some(pin), None) if pin.task.is_none() => Some(pin.id),
            _ if self.shows == Shows::Nobody => None,
            _ => Some(people::pin(self.db, person.id, row, self.now, None)?),
        };
        let stored = match row {
            Some(row) => tasks::by_row(self.db, row)?,
            None => None,
        };
        Ok((pin, stored))
    }

    /// Records that the person has seen this pin.
    pub fn pin_shown(&self, pin: Option<PinId>) -> DbResult<()> {
        match (pin, self.shows) {
            (Some(pin), Shows::Person) => people::pin_shown(self.db, pin, self.now),
            _ => Ok(()),
        }
    }

    /// The same transaction, whose answers this reader sees.
    pub fn that_shows(&self, shows: Shows) -> CommandTx<'_> {
        CommandTx {
            shows,
            settings: Arc::clone(&self.settings),
            accepted: self.accepted.clone(),
            ..*self
        }
    }

    /// Replies with the current task and its card, or the reason for an empty queue.
    pub fn show(&self, person: &Person) -> DbResult<Reply> {
        let (pin, current) = self.show_current(person)?;
        let (words, parts) = match &current {
            Some(stored) => (
                self.card(stored, person)?,
                vec![self.whole_card(stored, person)?],
            ),
            None => {
                let why = self.why_empty(person)?;
                let words = reply::empty(&why);
                let parts = with_link_buttons(&words, why.unlinked());
                (words, parts)
            }
        };
        Ok(Reply {
            words,
            parts,
            pin,
            about: current.map(|stored| stored.row),
            ..Reply::default()
        })
    }

    /// The card of a task as text, with its points for this person.
    pub fn card(&self, stored: &StoredTask, person: &Person) -> DbResult<Text> {
        let weights = &self.settings.weights;
        let points = points(self.db, stored, person, self.now, weights)?;
        Ok(reply::card(&stored.task, &points, self.now, person.zone))
    }

    /// The card of a task with its buttons.
    pub fn whole_card(&self, stored: &StoredTask, person: &Person) -> DbResult<CardPart> {
        let weights = &self.settings.weights;
        shown(self.db, stored, person, self.now, weights).map(CardPart::Card)
    }

    /// A task with its points for this person.
    pub fn scored(&self, stored: StoredTask, person: &Person) -> DbResult<Scored> {
        let weights = &self.settings.weights;
        let points = points(self.db, &stored, person, self.now, weights)?;
        Ok(Scored::from((stored.task, points)))
    }

    /// Stores the writes of a command, in one lane and in order (P3).
    pub fn accept(
        &self,
        person: &Person,
        context: &Context,
        verb: &'static str,
        writes: Vec<Write>,
    ) -> Result<Handled, Stop> {
        let command = self.command(person, context, verb)?;
        let mut first = None;
        for write in writes {
            let id = self.operation_id(context, &write);
            operations::add_and_begin(
                self.db,
                command,
                &id,
                &lane(person, &write),
                &write,
                self.now,
            )?;
            first.get_or_insert(id);
        }
        self.db.wake(Wake::Operations);
        Ok(Handled::Accepted {
            command,
            operation_id: first.unwrap_or_default(),
        })
    }

    /// Stores a refusal under its key. A request without a current task pins one and shows it. If a client that never
    /// got that answer repeats it, it must not act on a task that the client has not seen. Likewise the repetition of
    /// an `undo` that found nothing must not undo a later command.
    pub fn remember_refusal(
        &self,
        person: &Person,
        once: IdempotencyKey,
        why: Refusal,
        words: &Text,
    ) -> DbResult<()> {
        let report = Report {
            state: ReportState::Refused(why),
            ..local(words.clone(), None)
        };
        self.remember(person, once, "none", &report)
    }

    /// Stores the answer to a request that sent nothing to a source, under its key.
    pub fn remember(
        &self,
        person: &Person,
        once: IdempotencyKey,
        verb: &'static str,
        report: &Report,
    ) -> DbResult<()> {
        let command = NewCommand {
            person: person.id,
            surface: Surface::Api,
            verb,
            via: None,
            token: None,
            typed_at: self.now,
            once: Some((once.key, once.fingerprint)),
        };
        let command = operations::add_command(self.db, &command, self.now)?;
        let json = tasks::json(report)?;
        operations::report(self.db, command, &json, true, self.now)
    }

    /// Updates a command's report, its message and its author's pin.
    pub fn settle(&self, command: CommandId, occasion: CompletionTrigger) -> DbResult<()> {
        let weights = &self.settings.weights;
        completion::settle(self.db, command, occasion, self.now, weights)
    }

    /// The id of a new operation. It follows from the message that asks for it. So if the message is carried out by a
    /// store, and again by an older copy of that, the copy finds the marker of the first.
    fn operation_id(&self, context: &Context, write: &Write) -> String {
        let Some(message) = &context.message else {
            return self.ulid();
        };
        let number = self.accepted.get();
        self.accepted.set(number + 1);
        let (kind, task) = (write.kind(), write.task().map_or("", TaskKey::as_str));
        ulid_named(&format!("{message} {number} {kind} {task}"), context.at)
    }

    /// A new ULID with the time of the transaction.
    pub fn ulid(&self) -> String {
        ulid::Ulid::from_datetime(self.now.into()).to_string()
    }

    /// A task that a command is about and that the mirror has.
    pub fn known(
        &self,
        person: &Person,
        task: Option<Ref>,
        context: &Context,
    ) -> Result<StoredTask, Stop> {
        self.target(person, task, context)?.mirrored()
    }

    /// Ends the person's snooze of a task that they act on.
    pub fn end_snooze(&self, person: &Person, target: &Target) -> DbResult<()> {
        match &target.stored {
            Some(stored) => snoozes::set(self.db, person.id, stored.row, None),
            None => Ok(()),
        }
    }

    /// The reason why a person's queue is empty.
    pub fn why_empty(&self, person: &Person) -> DbResult<EmptyQueue> {
        let open = completion::open(self.db, person, self.now, &self.settings.weights)?;
        why_empty(self.db, person, &open, self.settings.sources())
    }

    /// Tasks by their rows, to be shown to a person: those that they may not name have no title.
    pub fn tasks(&self, person: &Person, rows: &[TaskRow]) -> DbResult<Vec<Task>> {
        let mut found = Vec::new();
        for &row in rows {
            let Some(stored) = tasks::by_row(self.db, row)? else {
                continue;
            };
            found.push(match access::may_name(self.db, person, &stored)? {
                true => stored.task,
                false => reply::untold(stored.task),
            });
        }
        Ok(found)
    }

    /// The same as text.
    pub fn empty(&self, person: &Person) -> DbResult<Text> {
        Ok(reply::empty(&self.why_empty(person)?))
    }

    /// Moves a person's pin for one of their commands.
    pub fn mover<'a>(
        &'a self,
        person: &'a Person,
        command: CommandId,
        context: &Context,
    ) -> PinMover<'a> {
        PinMover {
            tx: self.db,
            person,
            command,
            surface: context.surface,
            now: self.now,
            weights: &self.settings.weights,
        }
    }

    /// A command that sends nothing to a source, or not yet.
    pub fn command(
        &self,
        person: &Person,
        context: &Context,
        verb: &'static str,
    ) -> DbResult<CommandId> {
        let command = NewCommand {
            person: person.id,
            surface: context.surface,
            verb,
            via: Some(context.via),
            token: context.token.clone(),
            typed_at: context.at,
            once: context
                .once
                .clone()
                .map(|once| (once.key, once.fingerprint)),
        };
        let command = operations::add_command(self.db, &command, self.now)?;
        if let Some(whole) = context.part_of {
            operations::is_part(self.db, command, whole)?;
        }
        Ok(command)
    }

    /// The context of the parts of a command for several tasks, which is `whole`.
    pub fn part_of(whole: CommandId, context: &Context) -> Context {
        Context {
            once: None,
            part_of: Some(whole),
            ..context.clone()
        }
    }

    /// Asks a person before a command acts on these tasks, in the lines of the question.
    pub fn ask(
        &self,
        person: &Person,
        context: &Context,
        asked: &AskedCommand,
        lines: &[Text],
    ) -> Decided {
        /// The lines in one block of a message.
        const LINES_A_BLOCK: usize = 8;
        let command = self.command(person, context, "none")?;
        questions::ask(self.db, command, asked)?;
        let words = reply::joined(lines.iter().cloned(), "\n");
        let json = tasks::json(&local(words.clone(), None))?;
        operations::report(self.db, command, &json, true, self.now)?;
        let uid = operations::uid(self.db, command)?;
        let block = |lines: &[Text]| CardPart::Text(reply::joined(lines.iter().cloned(), "\n"));
        let mut parts: Vec<CardPart> = lines.chunks(LINES_A_BLOCK).map(block).collect();
        parts.push(question_buttons(&uid));
        Ok(Handled::Replied(Reply {
            words,
            parts,
            command: Some(command),
            asks: Some(uid),
            ..Reply::default()
        }))
    }

    /// A part of a command for several tasks that is rejected: a line of the receipt, and nothing else.
    pub fn rejected_part(
        &self,
        person: &Person,
        context: &Context,
        words: Text,
        task: Option<&Task>,
    ) -> DbResult<()> {
        let command = self.command(person, context, "none")?;
        let report = Report {
            state: ReportState::Refused(Refusal::Other),
            current_state: None,
            ..local(words, task)
        };
        let json = tasks::json(&report)?;
        operations::report(self.db, command, &json, true, self.now)
    }

    /// Ends the decision of a command for several tasks, whose parts are stored. `first` is their first operation.
    /// Without one, nothing is sent to a source, and the receipt is complete.
    pub fn accept_parts(
        &self,
        person: &Person,
        whole: CommandId,
        first: Option<String>,
    ) -> Result<Handled, Stop> {
        if let Some(operation_id) = first {
            self.db.wake(Wake::Operations);
            return Ok(Handled::Accepted {
                command: whole,
                operation_id,
            });
        }
        let weights = &self.settings.weights;
        let receipt = several::conclude(self.db, person, whole, self.now, weights)?;
        let reply = Reply {
            refused: receipt
                .report
                .parts
                .iter()
                .all(|part| part.state != ReportState::Done),
            words: receipt.report.words(),
            parts: receipt.parts,
            pin: receipt.pin,
            command: Some(whole),
            ..Reply::default()
        };
        Ok(Handled::Settled {
            reply,
            report: Box::new(receipt.report),
        })
    }

    /// A command whose whole effect is local.
    pub fn settled(
        &self,
        person: &Person,
        command: CommandId,
        report: Report,
        pin: Option<PinId>,
        about: Option<TaskRow>,
    ) -> Result<Handled, Stop> {
        let json = tasks::json(&report)?;
        operations::report(self.db, command, &json, true, self.now)?;
        let snoozed = effects::of(self.db, person.id, command)?.and_then(|doing| doing.snoozed);
        let change = snoozed.as_ref().map(|snoozed| LoggedChange {
            before: snoozed.before.map(rfc3339),
            after: Some(rfc3339(snoozed.until)),
            text: None,
        });
        let row = operations::command(self.db, command)?;
        if let Some(row) = &row {
            let change = (change.unwrap_or_default(), false);
            record(self.db, row, &report, change, about, self.now)?;
        }
        let can_undo = snoozed.is_some() || row.as_ref().is_some_and(|row| row.verb == "attach");
        let uid = row.map(|row| row.uid).filter(|_| can_undo);
        let said = Reply {
            words: report.words(),
            parts: parts(
                self.db,
                &report,
                uid.as_deref(),
                person,
                self.now,
                &self.settings.weights,
            )?,
            pin,
            about,
            command: Some(command),
            ..Reply::default()
        };
        Ok(Handled::Settled {
            reply: said,
            report: Box::new(report),
        })
    }
}

/// The parts of an answer with buttons to link accounts at these sources; none without such a source.
pub fn with_link_buttons(words: &Text, unlinked: &[Source]) -> Vec<CardPart> {
    match unlinked {
        [] => Vec::new(),
        unlinked => vec![
            CardPart::Text(words.clone()),
            CardPart::Buttons(link_buttons(unlinked)),
        ],
    }
}

/// Why these sources offer nothing to a person who has these tasks open.
pub fn why_empty(
    connection: &Db,
    person: &Person,
    open: &OpenTasks,
    sources: impl Iterator<Item = Source>,
) -> DbResult<EmptyQueue> {
    let mut facts = Vec::new();
    for source in sources {
        let reading = match tasks::synced_at(connection, source)? {
            Some(_) => None,
            None => Some(FirstRead {
                source,
                tasks: tasks::count_up_to(connection, source, READ_COUNTED)?,
            }),
        };
        facts.push(QueueSource {
            source,
            reading,
            linked: person.alone || person.account(source).is_some(),
        });
    }
    Ok(EmptyQueue::of(&facts, open.left_out(), person.alone))
}

/// The report of a command that sends nothing to a source.
pub fn local(message: Text, task: Option<&Task>) -> Report {
    Report {
        state: ReportState::Done,
        message,
        task: task.map(TaskBrief::from),
        current_state: task.map(|task| task.source_status.clone()),
        conflict: false,
        completed: false,
        operation_id: None,
        next: None,
        emptied: false,
        held_back: HeldBack::default(),
        parts: Vec::new(),
    }
}

/// The ULID of the thing with this name at this time: the same in every copy of the store.
pub fn ulid_named(name: &str, at: DateTime<Utc>) -> String {
    let digest = Sha256::digest(name);
    let random = digest
        .iter()
        .take(10)
        .fold(0_u128, |all, byte| all << 8 | u128::from(*byte));
    let ms = u64::try_from(at.timestamp_millis()).unwrap_or_default();
    ulid::Ulid::from_parts(ms, random).to_string()
}

/// One person's commands on one task take effect in the order of typing (P3); so do their creations in one place.
pub fn lane(person: &Person, write: &Write) -> String {
    match (write, write.task()) {
        (_, Some(task)) => operations::lane_of(person.id, task),
        (Write::Create(new), None) => match &new.place {
            Place::List(list) => format!("{}/new/clickup:{list}", person.id),
            Place::Repo(repo) => format!("{}/new/github:{repo}", person.id),
        },
        (write, None) => format!("{}/new/{}", person.id, write.source()),
    }
}

/// Rejects a command about a source that is not configured.
pub fn not_configured(source: Source) -> Rejection {
    Rejection::Unfit(reply::not_connected(source))
}

/// A time in the form of the log.
fn rfc3339(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// The newest report of a command.
pub fn report_of(command: &operations::CommandRow) -> Option<Report> {
    serde_json::from_str(command.report.as_deref()?).ok()
}
