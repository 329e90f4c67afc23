//! A command, run: in the turn of its person, within their bounds, and once for each `Idempotency-Key`.

use std::collections::BTreeMap;

use super::{Answer, Asked, OUTBOX_MAX, health_of_sources};
use crate::bounds::Bound;
use crate::command_tx::{
    CommandTx, Context, Handled, IdempotencyKey, Rejection, Reply, Stop, Target, fits, local,
    not_configured, report_of,
};
use crate::domain::card::{Part, card, item};
use crate::domain::command::{self, Command, Create, ParseError, Ref};
use crate::domain::entity::Entities;
use crate::domain::filter::Filter;
use crate::domain::form::is_entity;
use crate::domain::ids::TaskRow;
use crate::domain::operation::{GITHUB_TITLE_MAX, NewTask, Place, Refusal, Write};
use crate::domain::person::Person;
use crate::domain::queue::{EmptyQueue, following};
use crate::domain::reply::{self, Brief, LIST_MAX, Report, ReportState, Words};
use crate::domain::rhythm::{Quiet, RhythmChange, Setting};
use crate::domain::set_aside;
use crate::domain::task::{RepoName, Source, Task};
use crate::runtime::lock;
use crate::settle::{Ranked, open, queue};
use crate::store::set_aside as store_set_aside;
use crate::store::{
    Db, DbResult, blocking, deliveries, operations, people, rhythms, snoozes, tasks,
};

/// Tasks that `list` shows where no number is given.
const LIST: usize = 10;

impl CommandTx<'_> {
    pub(super) fn answer_request(&self, asked: Asked) -> Result<Answer, Stop> {
        let person = &asked.person;
        if let Some(once) = &asked.once
            && let Some((command, fingerprint)) = operations::once(self.db, person.id, &once.key)?
        {
            if fingerprint != once.fingerprint {
                return Err(Rejection::KeyReused.into());
            }
            return self.answered_before(person, command);
        }
        let context = Context {
            via: asked.via,
            once: asked.once,
            ..Context::over_http(self.now)
        };
        let moving = matches!(asked.command, Command::Next);
        let before = people::pins(self.db, person.id)?
            .last()
            .and_then(|pin| pin.task);
        let done = self.do_it(person, asked.command, &context);
        if let Err(Stop::Rejected(Rejection::NoCurrent(words))) = &done {
            self.shown_by_the_answer(person)?;
            if let Some(once) = &context.once {
                self.remember_refusal(person, once.clone(), Refusal::Other, words)?;
            }
        }
        Ok(match done? {
            Handled::Accepted {
                command,
                operation_id,
            } => Answer::Accepted {
                command,
                operation_id,
            },
            Handled::Settled { report, .. } => Answer::Settled(report),
            Handled::Replied(mut said) => {
                self.shown_by_the_answer(person)?;
                let mut current = match said.about {
                    Some(row) => tasks::by_row(self.db, row)?
                        .map(|stored| self.scored(stored, person))
                        .transpose()?,
                    None => None,
                };
                said.words = match &current {
                    Some(same) if said.about == before => reply::still(&same.task.title),
                    Some(_) => reply::moved(),
                    None => {
                        let why = self.why_empty(person)?;
                        let words = reply::nowhere_to_move(&why);
                        match why {
                            EmptyQueue::NotRead(_) => {
                                return Err(Rejection::NoAnswer(words).into());
                            }
                            EmptyQueue::NotLinked(_) => return Err(Rejection::Unfit(words).into()),
                            _ => words,
                        }
                    }
                };
                if said.about == before {
                    // Nothing is next: it is the current one, as before.
                    current = None;
                    said.about = None;
                }
                if moving && let Some(once) = context.once {
                    self.remember_move(person, once, &said)?;
                }
                Answer::Moved {
                    message: said.words,
                    current: current.map(Box::new),
                }
            }
        })
    }

    /// Whoever gets an answer over HTTP has been shown their current task with it.
    fn shown_by_the_answer(&self, person: &Person) -> DbResult<()> {
        match people::pins(self.db, person.id)?.last() {
            Some(pin) => people::pin_shown(self.db, pin.id, self.now),
            None => Ok(()),
        }
    }

    /// A `next` that is repeated under its key must not skip twice.
    fn remember_move(&self, person: &Person, once: IdempotencyKey, said: &Reply) -> DbResult<()> {
        let next = match said.about {
            Some(row) => tasks::by_row(self.db, row)?.map(|stored| Brief::from(&stored.task)),
            None => None,
        };
        let report = Report {
            emptied: next.is_none(),
            next,
            ..local(said.words.clone(), None)
        };
        self.remember(person, once, "next", &report)
    }

    fn answered_before(&self, person: &Person, command: i64) -> Result<Answer, Stop> {
        let first = operations::of_command(self.db, command)?.into_iter().next();
        if let Some(first) = first {
            return Ok(Answer::Accepted {
                command,
                operation_id: first.operation.id,
            });
        }
        let row = operations::command(self.db, command)?;
        let Some(report) = row.as_ref().and_then(report_of) else {
            return Err(Rejection::KeyReused.into());
        };
        if report.state == ReportState::Refused(Refusal::Other) {
            return Err(Rejection::NoCurrent(report.message).into());
        }
        if report.state == ReportState::Refused(Refusal::Changed) {
            return Err(Rejection::NothingToUndo(report.message).into());
        }
        if report.task.is_some() {
            return Ok(Answer::Settled(Box::new(report)));
        }
        let next = report.next.as_ref().map(|next| self.by_id(&next.task_id));
        let current = match next {
            Some(Ok(Target {
                stored: Some(stored),
                ..
            })) => Some(Box::new(self.scored(stored, person)?)),
            Some(Err(Stop::Db(error))) => return Err(error.into()),
            _ => None,
        };
        Ok(Answer::Moved {
            message: report.message,
            current,
        })
    }

    pub(crate) fn do_it(
        &self,
        person: &Person,
        command: Command,
        context: &Context,
    ) -> Result<Handled, Stop> {
        if asks_a_source(&command) {
            let waiting = operations::count_pending_of(self.db, person.id)?;
            if waiting >= OUTBOX_MAX {
                Bound::Outbox.reached(format_args!(
                    "{waiting} writes of one person wait for an outcome, and the next are turned down"
                ));
                return Err(Rejection::Full(reply::too_many_writes(waiting)).into());
            }
        }
        let said = match command {
            Command::Done { task, comment } => {
                if let Some(comment) = &comment {
                    fits(comment)?;
                }
                let target = self.target(person, task, context)?;
                self.end_snooze(person, &target)?;
                let mut writes = vec![Write::Complete {
                    task: target.key.clone(),
                }];
                let source = target.key.source();
                let signed =
                    comment.map(|text| self.signed(person, source, &text, context.surface));
                writes.extend(signed.transpose()?.map(|text| Write::Comment {
                    task: target.key.clone(),
                    text,
                }));
                return self.accept(person, context, "done", writes);
            }
            Command::Comment { task, text } => {
                fits(&text)?;
                let target = self.target(person, task, context)?;
                let comment = Write::Comment {
                    text: self.signed(person, target.key.source(), &text, context.surface)?,
                    task: target.key,
                };
                return self.accept(person, context, "comment", vec![comment]);
            }
            Command::Reply(text) => {
                let text = text.trim().to_owned();
                let Some(row) = context.under else {
                    let words = match command::parse(&text) {
                        Ok(_) => reply::no_task_here(),
                        Err(hint) => Words::new().text(hint.to_string()),
                    };
                    return Err(Rejection::Unfit(words).into());
                };
                let task = Some(Ref::Row(row));
                return self.do_it(person, Command::Comment { task, text }, context);
            }
            Command::Create(create) => return self.create(person, create, context),
            Command::Start { task } => return self.start(person, task, context),
            Command::Snooze { task, until } => return self.snooze(person, task, &until, context),
            Command::Reopen { task } => return self.reopen(person, task, context),
            Command::Assign { task, to } => return self.assign(person, task, &to, context),
            Command::Claim { task } => return self.claim(person, task, context),
            Command::Due { task, at } => return self.due(person, task, at.as_ref(), context),
            Command::Prioritise { task, priority } => {
                return self.prioritise(person, task, priority, context);
            }
            Command::Undo { of } => return self.undo(person, of.as_ref(), context),
            Command::NotDone(row) => return self.not_done(person, row, context),
            Command::Linked { source, account } => {
                return self.link(person, source, &account, context);
            }
            Command::Unlink { source } => return self.unlink(person, source, context),
            // Not looked up, for it cannot be.
            Command::Link { source, .. } => {
                self.own_link(person, source)?;
                return Err(Rejection::NoAnswer(reply::not_confirmed(source, "")).into());
            }
            Command::Current => self.show(person)?,
            Command::Next => self.next(person)?,
            Command::NextFrom(task) => self.next_from(person, &task)?,
            Command::Why { task } => self.why(person, task, context)?,
            Command::Log { task, limit } => self.log(person, task, limit, context)?,
            Command::Morning => self.gather_morning(person)?.1,
            Command::List { limit, filter } => self.list(person, limit, &filter)?,
            Command::Status => self.status(person)?,
            Command::Whoami => self.whoami(person, context)?,
            Command::Briefing(at) => self
                .change_rhythm(person, RhythmChange::Briefing(at))?
                .into(),
            Command::Quiet(hours) => self
                .change_rhythm(person, RhythmChange::Quiet(hours))?
                .into(),
            Command::QuietFrom(from) => {
                let hours = Quiet::between(from, self.quiet_hours(person)?.until());
                self.change_rhythm(person, RhythmChange::Quiet(hours))?
                    .into()
            }
            Command::QuietUntil(until) => {
                let hours = Quiet::between(self.quiet_hours(person)?.from(), until);
                self.change_rhythm(person, RhythmChange::Quiet(hours))?
                    .into()
            }
            Command::QuietHours => self.quiet_is(person)?.into(),
            Command::Mute(muted) => {
                people::mute(self.db, person.id, muted)?;
                reply::muted(muted).into()
            }
            Command::ReceiptsAre => self.receipts_are(person.id)?.into(),
            Command::Receipts(by) => self.change_receipts(person.id, Some(by))?.into(),
            Command::Usual(Setting::Briefing) => self
                .change_rhythm(person, RhythmChange::UsualBriefing)?
                .into(),
            Command::Usual(Setting::Quiet) => {
                self.change_rhythm(person, RhythmChange::UsualQuiet)?.into()
            }
            Command::Usual(Setting::Receipts) => self.change_receipts(person.id, None)?.into(),
            Command::Help => reply::help().into(),
        };
        Ok(Handled::Replied(said))
    }

    /// Those that somebody has, of which one end is to be another; else those of the night.
    fn quiet_hours(&self, person: &Person) -> DbResult<Quiet> {
        let rhythm = rhythms::of(self.db, person.id)?;
        Ok(rhythm.quiet.unwrap_or(Quiet::NIGHT))
    }

    pub(super) fn new_task(&self, create: Create) -> Result<NewTask, Stop> {
        let settings = &self.settings;
        let wanted = create
            .source
            .or(create.repo.as_ref().map(|_| Source::GitHub))
            .or(create.list.as_ref().map(|_| Source::ClickUp));
        let source = match wanted {
            Some(source) => source,
            None if settings.has(settings.default_source) => settings.default_source,
            None => settings.sources().next().unwrap_or(settings.default_source),
        };
        let place = match source {
            Source::ClickUp => self.place_in_clickup(create.list.as_deref())?,
            Source::GitHub => self.place_in_github(create.repo.as_ref())?,
        };
        if create.due.is_some() && source == Source::GitHub {
            return Err(Rejection::Unfit(reply::no_due_date()).into());
        }
        let new = NewTask {
            place,
            title: create.title,
            description: create.description,
            entity: create.entity,
            due: create.due,
            assignee: None,
        };
        fit(&new)?;
        Ok(new)
    }

    fn place_in_clickup(&self, list: Option<&str>) -> Result<Place, Stop> {
        let lists = &self.settings.lists;
        let Some(default) = lists.first() else {
            return Err(not_configured(Source::ClickUp).into());
        };
        let asked = list.unwrap_or(default);
        let mut archived = None;
        for list in lists {
            let name = tasks::container_name(self.db, Source::ClickUp, list)?;
            let is_it = |name: &String| name.eq_ignore_ascii_case(asked);
            if list != asked && !name.as_ref().is_some_and(is_it) {
                continue;
            }
            // Another may be called alike, and not be archived.
            if tasks::is_archived(self.db, Source::ClickUp, list)? {
                archived.get_or_insert(name.unwrap_or_else(|| list.clone()));
                continue;
            }
            return Ok(Place::List(list.clone()));
        }
        Err(Rejection::Unfit(match archived {
            Some(name) => reply::list_archived(&name),
            None => reply::list_not_followed(asked),
        })
        .into())
    }

    fn place_in_github(&self, repo: Option<&RepoName>) -> Result<Place, Rejection> {
        let repos = &self.settings.repos;
        let Some(default) = repos.first() else {
            return Err(not_configured(Source::GitHub));
        };
        let Some(asked) = repo else {
            return Ok(Place::Repo(default.clone()));
        };
        match repos.iter().find(|configured| configured.is(asked)) {
            Some(repo) => Ok(Place::Repo(repo.clone())),
            None => Err(Rejection::Unfit(reply::repo_not_followed(asked))),
        }
    }

    /// `next` from a card: it moves on from what is current, and from nothing else.
    fn next_from(&self, person: &Person, task: &Ref) -> Result<Reply, Stop> {
        let Some(stored) = self.pressed_task(task)? else {
            return Err(Rejection::UnknownTask(reply::not_a_button()).into());
        };
        let current = people::pins(self.db, person.id)?
            .last()
            .and_then(|pin| pin.task);
        if current == Some(stored.row) {
            return Ok(self.next(person)?);
        }
        let mut said = self.show(person)?;
        if said.about.is_some() {
            said.words = reply::not_current_any_more(said.words);
            said.parts
                .insert(0, Part::Text(reply::not_current_any_more(Words::new())));
        }
        Ok(said)
    }

    /// `next`: on to the task behind the current one, without completing it.
    fn next(&self, person: &Person) -> DbResult<Reply> {
        let ranked = queue(self.db, person, self.now, &self.settings.weights)?;
        let rows: Vec<TaskRow> = ranked.iter().map(|(row, ..)| *row).collect();
        let current = people::pins(self.db, person.id)?
            .last()
            .and_then(|pin| pin.task);
        let Some(next) = following(&rows, current) else {
            if rows.is_empty() && current.is_some() {
                // What is pinned is nothing to do any more: it is left, for nothing.
                people::pin(self.db, person.id, None, self.now, None)?;
            }
            let mut said = self.show(person)?;
            if said.about.is_some() {
                said.words = reply::no_other(said.words);
                said.parts
                    .insert(0, Part::Text(reply::no_other(Words::new())));
            }
            return Ok(said);
        };
        let pin = people::pin(self.db, person.id, Some(next), self.now, None)?;
        let (words, card) = match ranked.iter().find(|(row, ..)| *row == next) {
            Some((row, task, score)) => (
                reply::card(task, score, self.now, person.zone),
                Some(card(*row, task, score, self.now, person.zone)),
            ),
            None => (Words::new(), None),
        };
        let lead = Part::Text(reply::moved_on(Words::new()));
        Ok(Reply {
            words: reply::moved_on(words),
            parts: [lead].into_iter().chain(card.map(Part::Card)).collect(),
            pin: Some(pin),
            about: Some(next),
            ..Reply::default()
        })
    }

    /// `list [N] [FILTER…]`
    fn list(&self, person: &Person, limit: Option<usize>, filter: &Filter) -> Result<Reply, Stop> {
        let ranked = self.filtered(person, filter)?;
        let limit = limit.unwrap_or(LIST).min(LIST_MAX);
        let rows: Vec<TaskRow> = ranked.iter().take(limit).map(|(row, ..)| *row).collect();
        let list = people::list(self.db, person.id, &rows, None)?;
        let notes = self.notes(person, &rows, filter)?;
        let note = |row: &TaskRow| notes.get(row);
        let listed: Vec<(&Task, Option<&Words>)> = ranked
            .iter()
            .take(limit)
            .map(|(row, task, _)| (task, note(row)))
            .collect();
        let words = match listed.is_empty() {
            true => self.nothing_listed(person, filter)?.words(),
            false => reply::list(&listed, ranked.len(), filter, self.now, person.zone),
        };
        let mut parts: Vec<Part> = (1..)
            .zip(ranked.iter().take(limit))
            .map(|(number, (row, task, _))| {
                let mut item = item(number, *row, task, self.now, person.zone);
                item.note = note(row).cloned();
                Part::Card(item)
            })
            .collect();
        parts.extend(reply::more_of(ranked.len(), listed.len(), filter).map(Part::Text));
        Ok(Reply {
            words,
            parts,
            list: Some(list),
            ..Reply::default()
        })
    }

    /// A person's tasks in order, narrowed: the queue, or what it leaves out if that is asked for.
    pub(super) fn filtered(&self, person: &Person, filter: &Filter) -> Result<Ranked, Stop> {
        let filter = with_clients(self.db, &self.settings.entities, filter)?;
        let open = open(self.db, person, self.now, &self.settings.weights)?;
        let mut ranked = match filter.is_of_what_is_held_back() {
            true => open.held_back,
            false => open.offered,
        };
        ranked.retain(|(row, task, _)| {
            (!filter.blocked || open.blocked.contains(row))
                && (!filter.snoozed || open.snoozed.contains(row))
                && filter.fits(task, self.now, person.zone)
        });
        Ok(ranked)
    }

    /// What a list says beside what the queue leaves out: for what it waits, until when it is put off.
    pub(super) fn notes(
        &self,
        person: &Person,
        rows: &[TaskRow],
        filter: &Filter,
    ) -> DbResult<BTreeMap<TaskRow, Words>> {
        let mut notes = BTreeMap::new();
        if !filter.is_of_what_is_held_back() {
            return Ok(notes);
        }
        let waits = blocking::waits(self.db)?;
        for &row in rows {
            let blockers = self.tasks(&waits.blockers_of(row))?;
            let until = snoozes::until(self.db, person.id, row, self.now)?;
            let note = [
                (!blockers.is_empty())
                    .then(|| reply::waits_for(&blockers.iter().collect::<Vec<_>>()))
                    .map(|waits| Words::new().text(waits)),
                until.map(|until| reply::snoozed_until(until, person.zone)),
            ];
            notes.insert(row, reply::joined(note.into_iter().flatten(), " · "));
        }
        Ok(notes)
    }

    fn status(&self, person: &Person) -> DbResult<Reply> {
        let (mut sources, queued) = health_of_sources(self.db, self.settings)?;
        let health = lock(self.health);
        health.add_errors(&mut sources);
        let status = reply::status(health.slack.as_ref(), &sources, queued, person.zone);
        let aside = set_aside::listed(&store_set_aside::all(self.db)?, person.zone);
        let status = aside.into_iter().fold(status, Words::then);
        let missing = &health.missing_scopes;
        let reactions = health.reactions.as_deref();
        let trouble = reactions.map(reply::no_reactions).into_iter();
        let trouble = trouble.chain(reply::missing_scopes(missing));
        let given_up = deliveries::lately_given_up(self.db, self.now)?;
        let trouble = trouble.chain(reply::lately_given_up(&given_up, person.zone));
        let others = health.other_links;
        let trouble = trouble.chain((others > 0).then(|| reply::app_is_shared(others)));
        Ok(Reply {
            words: trouble.fold(status, |words, trouble| words.text("\n").then(trouble)),
            ..Reply::default()
        })
    }
}

/// The same, with clients as tasks name them; a word that is no client is refused.
pub(super) fn with_clients(
    connection: &Db,
    entities: &Entities,
    filter: &Filter,
) -> Result<Filter, Stop> {
    let mut known = filter.clone();
    known.entities.clear();
    if filter.entities.is_empty() {
        return Ok(known);
    }
    let clients = tasks::entities(connection)?;
    let is_known =
        |word: &String| entities.resolve(word).is_some() || client_called(word, &clients).is_some();
    if filter.entities.len() > 1 && !filter.entities.iter().any(is_known) {
        // Prose, and no filter at all.
        let hint = ParseError::NotAFilter(filter.typed.clone());
        return Err(Rejection::Unfit(Words::new().text(hint.to_string())).into());
    }
    for word in &filter.entities {
        let entity = entities.resolve(word).map(|entity| &entity.id);
        match entity.or_else(|| client_called(word, &clients)) {
            Some(client) => known.entities.insert(client.to_lowercase()),
            None => {
                let words = reply::not_a_filter(word, &clients);
                return Err(Rejection::Unfit(words).into());
            }
        };
    }
    Ok(known)
}

/// The client that a word means, as tasks name it.
fn client_called<'a>(word: &str, clients: &'a [String]) -> Option<&'a String> {
    clients
        .iter()
        .find(|client| client.to_lowercase() == word.to_lowercase())
}

/// Whether a command may make operations, more than there are effects to take back.
fn asks_a_source(command: &Command) -> bool {
    !matches!(
        command,
        Command::Current
            | Command::Next
            | Command::NextFrom(_)
            | Command::List { .. }
            | Command::Snooze { .. }
            | Command::Undo { .. }
            | Command::NotDone(_)
            | Command::Why { .. }
            | Command::Log { .. }
            | Command::Morning
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
            | Command::Help
    )
}

fn fit(new: &NewTask) -> Result<(), Rejection> {
    if let Some(entity) = &new.entity
        && !is_entity(entity)
    {
        return Err(Rejection::Unfit(reply::odd_entity()));
    }
    let length = new.github_title().chars().count();
    if new.place.source() == Source::GitHub && length > GITHUB_TITLE_MAX {
        return Err(Rejection::Unfit(reply::title_too_long(length)));
    }
    if let Some(description) = &new.description {
        fits(description)?;
    }
    fits(&new.title)
}
