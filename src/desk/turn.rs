//! One command's turn: what it means, what is asked of a source for it, what is said at once.
//!
//! Everything that is decided here is read and written in one transaction, so that a command has happened whole or
//! not at all (P1, P2).

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::gestures::is_overheard;
use super::stop::{Rejection, Stop};
use super::{
    Answer, Asked, Brief, Gesture, Heard, Inner, OUTBOX_MAX, Once, Receipts, Report, ReportState,
    Scored, health_of_sources, person_of, report_of,
};
use crate::bounds::Bound;
use crate::domain::card::{Part, Press, card, is_card_alone, item, undo_button};
use crate::domain::command::{self, Command, CommandRef, Create, ParseError, Ref};
use crate::domain::entity::Entities;
use crate::domain::filter::Filter;
use crate::domain::form::{Origin, is_entity, with_what_was_filled_in};
use crate::domain::log::Via;
use crate::domain::operation::{GITHUB_TITLE_MAX, NewTask, Place, Refusal, TEXT_MAX, Write};
use crate::domain::person::{Member, NotAllowed, Person};
use crate::domain::queue::{EmptyQueue, following, meant};
use crate::domain::reply::{self, LIST_MAX, Words};
use crate::domain::rhythm::{Quiet, RhythmChange, Setting};
use crate::domain::set_aside;
use crate::domain::sign;
use crate::domain::task::{RepoName, Source, Task, TaskId, TaskKey};
use crate::settle::{Occasion, Ranked, first_of_queue, open, points, queue, settle, shown};
use crate::store::messages::{self, Draft};
use crate::store::operations::{self, NewCommand, Surface};
use crate::store::reactions::{self, NewReaction};
use crate::store::set_aside as store_set_aside;
use crate::store::tasks::{self, Stored};
use crate::store::{
    Db, DbResult, Tx, Wake, blocking, deliveries, people, rhythms, slack_events, snoozes,
};

/// Tasks that `list` shows where no number is given.
const LIST: usize = 10;

/// A task that a command is about; one that is not mirrored yet is only known by its key.
pub(super) struct Target {
    pub(super) key: TaskKey,
    pub(super) stored: Option<Stored>,
}

/// What a command came to within its transaction.
pub(super) enum Done {
    /// Operations are in the outbox.
    Accepted { command: i64, operation_id: String },
    /// Words at once; with the pin and the list that they show, and the task that they are about.
    Said(Said),
    /// An effect that asked nothing of a source, with its report and its words.
    Settled { said: Said, report: Box<Report> },
}

#[derive(Default)]
pub(super) struct Said {
    /// Nothing was done.
    pub(super) refused: bool,
    pub(super) words: Words,
    pub(super) parts: Vec<Part>,
    pub(super) pin: Option<i64>,
    pub(super) list: Option<i64>,
    pub(super) about: Option<i64>,
    /// The command that it is the answer to, if that can be undone.
    pub(super) command: Option<i64>,
}

impl From<Words> for Said {
    fn from(words: Words) -> Said {
        Said {
            words,
            ..Said::default()
        }
    }
}

/// Where and when a command was typed.
pub(super) struct Typed {
    pub(super) surface: Surface,
    /// By which of its ways.
    pub(super) via: Via,
    pub(super) at: DateTime<Utc>,
    /// The task of the message under which it was typed.
    pub(super) under: Option<i64>,
    pub(super) once: Option<Once>,
    /// The channel, whose defaults count for what is not said.
    pub(super) channel: Option<String>,
    /// The message that a task is to be made from.
    pub(super) from: Option<Origin>,
    /// In Slack: whether it shows the person's e-mail address.
    pub(super) email: Option<bool>,
}

impl Typed {
    /// A request over HTTP without an `Idempotency-Key`.
    pub(super) fn over_http(at: DateTime<Utc>) -> Typed {
        Typed {
            surface: Surface::Api,
            via: Via::Http,
            at,
            under: None,
            once: None,
            channel: None,
            from: None,
            email: None,
        }
    }
}

/// One command's turn: everything that it decides is read and written in one transaction.
pub(super) struct Turn<'a> {
    pub(super) inner: &'a Inner,
    pub(super) tx: &'a Tx<'a>,
    pub(super) now: DateTime<Utc>,
}

impl Turn<'_> {
    /// Answers a kept message; the id of the command if it made one.
    pub(super) fn answer_message(
        &self,
        heard: &Heard,
        member: &Member,
        asked: Result<Command, Rejection>,
    ) -> DbResult<Option<i64>> {
        let mut person = person_of(self.tx, member)?;
        let mut creates = false;
        if is_overheard(heard) && (person.is_none() || asked.is_err()) {
            tracing::debug!(
                person = member.id,
                "not acted on: whoever did that in a channel may not act"
            );
            return Ok(None);
        }
        let receipts = match &person {
            Some(person) => people::receipts(self.tx, person.id)?,
            None => None,
        };
        let reactions_too = receipts.unwrap_or(self.inner.settings.receipts) == Receipts::Reactions;
        let (is_own, alone) = told_by_reaction(heard, &asked, reactions_too);
        let done = match (&mut person, asked) {
            (_, Err(rejection)) => Err(rejection.into()),
            (None, Ok(_)) => {
                self.tell_of_a_stranger(member)?;
                let words = Words::new().text(NotAllowed::Unknown.to_string());
                Err(Rejection::Unfit(words).into())
            }
            (Some(person), Ok(command)) => {
                creates = matches!(command, Command::Create(_));
                if let Some(zone) = member.zone
                    && zone != person.zone
                {
                    people::moved_to_zone(self.tx, person.id, zone)?;
                    self.tx.wake(Wake::Rhythms);
                    person.zone = zone;
                }
                if heard.direct && people::spoke_in(self.tx, person.id, &heard.channel)? {
                    // Whoever can be told has a briefing, if bot.toml gives one to everybody.
                    self.tx.wake(Wake::Rhythms);
                }
                let under = under(self.tx, heard)?;
                let typed = Typed {
                    surface: Surface::Slack,
                    via: via(heard),
                    at: heard.said_at,
                    under,
                    once: None,
                    // A form says what it says: where it was opened counted when it was laid out.
                    channel: match &heard.gesture {
                        Gesture::Submitted { .. } => None,
                        _ => Some(heard.channel.clone()),
                    },
                    from: match &heard.gesture {
                        Gesture::Submitted { filled, .. } => filled.origin().cloned(),
                        _ => None,
                    },
                    email: Some(member.email.is_some()),
                };
                self.do_it(person, command, &typed)
            }
        };
        let (command, said) = match done {
            Ok(Done::Accepted { command, .. }) => (Some(command), None),
            Ok(Done::Said(said) | Done::Settled { said, .. }) => (None, Some(said)),
            Err(stop) => {
                let mut said = self.turn_down(person.as_ref(), stop.rejection()?)?;
                said.words = with_what_was_filled_in(said.words, heard.gesture.filled());
                (None, Some(said))
            }
        };
        let refused = command.is_none() && said.as_ref().is_some_and(|said| said.refused);
        let pressed = self.pressed_alone(heard)?;
        let replaces = !refused && self.replaces_what_was_pressed(heard, pressed.as_ref())?;
        if let Some(pressed) = pressed.as_ref().filter(|one| one.stays && !replaces) {
            self.bring_up_to_date(heard, pressed, person.as_ref(), refused)?;
        }
        let said = said.unwrap_or_default();
        let place = self.place(heard)?;
        self.tx.wake(Wake::Homes);
        if is_own && (command.is_some() && (alone || reactions_too) || refused && reactions_too) {
            let new = NewReaction {
                channel: heard.channel.clone(),
                ts: heard.ts.clone(),
                thread: place.thread.clone(),
                person: person.as_ref().map(|person| person.id),
                command,
                alone,
                refusals: reactions_too,
                wanted: refused.then_some(sign::REFUSED),
            };
            reactions::add(self.tx, &new, self.now)?;
            self.tx.wake(Wake::Reactions);
        }
        if alone && command.is_some() {
            return Ok(command);
        }
        let draft = Draft {
            channel: place.channel,
            thread: place.thread,
            in_channel: place.public && creates,
            asked_by: Some(heard.user.clone()),
            replaces,
            instead_of: pressed.filter(|_| replaces).map(|one| one.uid),
            whisper_to: place.reply_url.is_some().then(|| heard.user.clone()),
            reply_url: place.reply_url,
            person: person.map(|person| person.id),
            command: command.or(said.command),
            pin: said.pin,
            list: said.list,
            about: said.about,
            words: command.is_none().then_some(said.words),
            parts: said.parts,
        };
        self.post(&draft)?;
        Ok(command)
    }

    /// What was pressed, if only its person sees it and it is known.
    fn pressed_alone(&self, heard: &Heard) -> DbResult<Option<messages::Pressed>> {
        match &heard.gesture {
            Gesture::PressedAlone { of: Some(uid), .. } => {
                messages::whispered(self.tx, uid, &heard.user)
            }
            _ => Ok(None),
        }
    }

    /// Whether a good answer takes the place of what was pressed: an Undo that only one person sees, or that stands where we
    /// cannot change it, goes with what it took back; and a card that is all that stands there, with what was to be done
    /// about it. In a list, or under an outcome that can be undone, the rest is still wanted.
    fn replaces_what_was_pressed(
        &self,
        heard: &Heard,
        pressed: Option<&messages::Pressed>,
    ) -> DbResult<bool> {
        let Gesture::PressedAlone { press, .. } = &heard.gesture else {
            return Ok(false);
        };
        Ok(match press {
            Press::Undo(_) => true,
            Press::Done(task) | Press::Next(task) | Press::Snooze(task) => {
                match (pressed, self.pressed_task(&task.named())?) {
                    (Some(one), Some(stored)) => one.stays && is_card_alone(&one.parts, stored.row),
                    _ => false,
                }
            }
            _ => false,
        })
    }

    /// The task of a button or a form, if the mirror has it.
    fn pressed_task(&self, task: &Ref) -> DbResult<Option<Stored>> {
        match task {
            Ref::Key(key) => tasks::by_key(self.tx, key),
            Ref::Row(row) => tasks::by_row(self.tx, *row),
            Ref::Nth(_) | Ref::Issue(_) | Ref::Id(_) => Ok(None),
        }
    }

    /// What was pressed stays, and can be changed by the address that came with it: its cards say what is true now and
    /// follow what becomes of them. An Undo that can undo nothing goes.
    fn bring_up_to_date(
        &self,
        heard: &Heard,
        pressed: &messages::Pressed,
        person: Option<&Person>,
        refused: bool,
    ) -> DbResult<()> {
        let Gesture::PressedAlone {
            press, reply_url, ..
        } = &heard.gesture
        else {
            return Ok(());
        };
        messages::addressed(self.tx, pressed.id, reply_url, self.now)?;
        let zone = person.map_or(chrono_tz::Tz::UTC, |person| person.zone);
        let mut parts = pressed.parts.clone();
        for part in &mut parts {
            if let Part::Card(card) = part
                && let Some(stored) = tasks::by_row(self.tx, card.task)?
            {
                let gone = stored.gone || stored.away;
                *card = card.again(&stored.task, gone, self.now, zone);
            }
        }
        if let (Press::Undo(CommandRef::Uid(command)), true) = (press, refused) {
            parts.retain(|part| *part != undo_button(command));
        }
        if parts != pressed.parts {
            messages::redraw(self.tx, pressed.id, &parts)?;
            self.tx.wake(Wake::Messages);
        }
        Ok(())
    }

    /// Says that something is not acted on, where it would have been answered. What was done among people in a channel,
    /// or is no question at all, is not spoken of.
    pub(super) fn turn_away(&self, heard: &Heard, why: Words) -> DbResult<()> {
        if is_overheard(heard) || heard.gesture == Gesture::OpenedHome {
            return Ok(());
        }
        let place = self.place(heard)?;
        let draft = Draft {
            channel: place.channel,
            thread: place.thread,
            whisper_to: place.reply_url.is_some().then(|| heard.user.clone()),
            reply_url: place.reply_url,
            words: Some(with_what_was_filled_in(
                reply::refusal(why),
                heard.gesture.filled(),
            )),
            ..Draft::default()
        };
        self.post(&draft)
    }

    /// Says something besides the answer, where that stands. Where nobody was answered, for it was said among people in a
    /// channel, nothing is said.
    pub(super) fn say_besides(&self, heard: &Heard, words: Words, answered: bool) -> DbResult<()> {
        if is_overheard(heard) && !answered {
            return Ok(());
        }
        let place = self.place(heard)?;
        let draft = Draft {
            channel: place.channel,
            thread: place.thread,
            asked_by: Some(heard.user.clone()),
            words: Some(words),
            ..Draft::default()
        };
        self.post(&draft)
    }

    /// Has a message posted.
    pub(super) fn post(&self, draft: &Draft) -> DbResult<()> {
        messages::add(self.tx, draft, &self.ulid(), self.now)?;
        self.tx.wake(Wake::Messages);
        Ok(())
    }

    /// Has the operators told, each in their DM.
    pub(super) fn tell_operators(&self, words: &Words, but: Option<&str>) -> DbResult<()> {
        let operators = self.inner.settings.operators.iter();
        for operator in operators.filter(|id| but != Some(id.as_str())) {
            self.post(&Draft {
                channel: slack_events::dm_of(self.tx, operator)?,
                words: Some(words.clone()),
                ..Draft::default()
            })?;
        }
        Ok(())
    }

    /// The words of a refusal. Without a current task the first of the queue becomes it, and is shown (design 4).
    fn turn_down(&self, person: Option<&Person>, why: Rejection) -> DbResult<Said> {
        let shows_current = matches!(why, Rejection::NoCurrent(_));
        let mut said = Said {
            words: reply::refusal(why.words()),
            refused: true,
            ..Said::default()
        };
        if let Some(person) = person.filter(|_| shows_current)
            && let Some(pin) = people::pins(self.tx, person.id)?.last()
        {
            said.pin = Some(pin.id);
            said.about = pin.task;
            if let Some(row) = pin.task
                && let Some(stored) = tasks::by_row(self.tx, row)?
            {
                let lead = reply::refusal(reply::no_current(Words::new()));
                said.parts = vec![Part::Text(lead), self.whole_card(&stored, person)?];
            }
        }
        Ok(said)
    }

    pub(super) fn answer_request(&self, asked: Asked) -> Result<Answer, Stop> {
        let person = &asked.person;
        if let Some(once) = &asked.once
            && let Some((command, fingerprint)) = operations::once(self.tx, person.id, &once.key)?
        {
            if fingerprint != once.fingerprint {
                return Err(Rejection::KeyReused.into());
            }
            return self.answered_before(person, command);
        }
        let typed = Typed {
            via: asked.via,
            once: asked.once,
            ..Typed::over_http(self.now)
        };
        let moving = matches!(asked.command, Command::Next);
        let before = people::pins(self.tx, person.id)?
            .last()
            .and_then(|pin| pin.task);
        let done = self.do_it(person, asked.command, &typed);
        if let Err(Stop::Rejected(Rejection::NoCurrent(words))) = &done {
            self.shown_by_the_answer(person)?;
            if let Some(once) = &typed.once {
                self.remember_refusal(person, once.clone(), Refusal::Other, words)?;
            }
        }
        Ok(match done? {
            Done::Accepted {
                command,
                operation_id,
            } => Answer::Accepted {
                command,
                operation_id,
            },
            Done::Settled { report, .. } => Answer::Settled(report),
            Done::Said(mut said) => {
                self.shown_by_the_answer(person)?;
                let mut current = match said.about {
                    Some(row) => tasks::by_row(self.tx, row)?
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
                if moving && let Some(once) = typed.once {
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
        match people::pins(self.tx, person.id)?.last() {
            Some(pin) => people::pin_shown(self.tx, pin.id, self.now),
            None => Ok(()),
        }
    }

    /// A `next` that is repeated under its key must not skip twice.
    fn remember_move(&self, person: &Person, once: Once, said: &Said) -> DbResult<()> {
        let next = match said.about {
            Some(row) => tasks::by_row(self.tx, row)?.map(|stored| Brief::from(&stored.task)),
            None => None,
        };
        let report = Report {
            emptied: next.is_none(),
            next,
            ..local(said.words.clone(), None)
        };
        self.remember(person, once, "next", &report)
    }

    /// A request without a current task pins one and shows it. Repeated by a client that never got that answer, it must
    /// not be carried out on a task that nobody has read about. Likewise an `undo` that found nothing must not, when it is
    /// repeated, find what was done since.
    pub(super) fn remember_refusal(
        &self,
        person: &Person,
        once: Once,
        why: Refusal,
        words: &Words,
    ) -> DbResult<()> {
        let report = Report {
            state: ReportState::Refused(why),
            ..local(words.clone(), None)
        };
        self.remember(person, once, "none", &report)
    }

    /// Keeps the answer to a request that asked nothing of a source, under its key.
    fn remember(
        &self,
        person: &Person,
        once: Once,
        verb: &'static str,
        report: &Report,
    ) -> DbResult<()> {
        let command = NewCommand {
            person: person.id,
            surface: Surface::Api,
            verb,
            typed_at: self.now,
            once: Some((once.key, once.fingerprint)),
        };
        let command = operations::add_command(self.tx, &command, self.now)?;
        let json = tasks::json(report)?;
        operations::report(self.tx, command, &json, true, self.now)
    }

    fn answered_before(&self, person: &Person, command: i64) -> Result<Answer, Stop> {
        let first = operations::of_command(self.tx, command)?.into_iter().next();
        if let Some(first) = first {
            return Ok(Answer::Accepted {
                command,
                operation_id: first.operation.id,
            });
        }
        let row = operations::command(self.tx, command)?;
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

    fn do_it(&self, person: &Person, command: Command, typed: &Typed) -> Result<Done, Stop> {
        if asks_a_source(&command) {
            let waiting = operations::count_pending_of(self.tx, person.id)?;
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
                let target = self.target(person, task, typed)?;
                self.end_snooze(person, &target)?;
                let mut writes = vec![Write::Complete {
                    task: target.key.clone(),
                }];
                let source = target.key.source();
                let signed = comment.map(|text| self.signed(person, source, &text, typed.surface));
                writes.extend(signed.transpose()?.map(|text| Write::Comment {
                    task: target.key.clone(),
                    text,
                }));
                return self.accept(person, typed, "done", writes);
            }
            Command::Comment { task, text } => {
                fits(&text)?;
                let target = self.target(person, task, typed)?;
                let comment = Write::Comment {
                    text: self.signed(person, target.key.source(), &text, typed.surface)?,
                    task: target.key,
                };
                return self.accept(person, typed, "comment", vec![comment]);
            }
            Command::Reply(text) => {
                let text = text.trim().to_owned();
                let Some(row) = typed.under else {
                    let words = match command::parse(&text) {
                        Ok(_) => reply::no_task_here(),
                        Err(hint) => Words::new().text(hint.to_string()),
                    };
                    return Err(Rejection::Unfit(words).into());
                };
                let task = Some(Ref::Row(row));
                return self.do_it(person, Command::Comment { task, text }, typed);
            }
            Command::Create(create) => return self.create(person, create, typed),
            Command::Start { task } => return self.start(person, task, typed),
            Command::Snooze { task, until } => return self.snooze(person, task, &until, typed),
            Command::Reopen { task } => return self.reopen(person, task, typed),
            Command::Assign { task, to } => return self.assign(person, task, &to, typed),
            Command::Claim { task } => return self.claim(person, task, typed),
            Command::Due { task, at } => return self.due(person, task, at.as_ref(), typed),
            Command::Prioritise { task, priority } => {
                return self.prioritise(person, task, priority, typed);
            }
            Command::Undo { of } => return self.undo(person, of.as_ref(), typed),
            Command::NotDone(row) => return self.not_done(person, row, typed),
            Command::Linked { source, account } => {
                return self.link(person, source, &account, typed);
            }
            Command::Unlink { source } => return self.unlink(person, source, typed),
            // Not looked up, for it cannot be.
            Command::Link { source, .. } => {
                self.own_link(person, source)?;
                return Err(Rejection::NoAnswer(reply::not_confirmed(source, "")).into());
            }
            Command::Current => self.show(person)?,
            Command::Next => self.next(person)?,
            Command::NextFrom(task) => self.next_from(person, &task)?,
            Command::Why { task } => self.why(person, task, typed)?,
            Command::Log { task, limit } => self.log(person, task, limit, typed)?,
            Command::Morning => self.gather_morning(person)?.1,
            Command::List { limit, filter } => self.list(person, limit, &filter)?,
            Command::Status => self.status(person)?,
            Command::Whoami => self.whoami(person, typed)?,
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
                people::mute(self.tx, person.id, muted)?;
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
        Ok(Done::Said(said))
    }

    /// Those that somebody has, of which one end is to be another; else those of the night.
    fn quiet_hours(&self, person: &Person) -> DbResult<Quiet> {
        let rhythm = rhythms::of(self.tx, person.id)?;
        Ok(rhythm.quiet.unwrap_or(Quiet::NIGHT))
    }

    /// Makes the writes of a command durable, in one lane and in order (P3).
    pub(super) fn accept(
        &self,
        person: &Person,
        typed: &Typed,
        verb: &'static str,
        writes: Vec<Write>,
    ) -> Result<Done, Stop> {
        let command = self.command(person, typed, verb)?;
        let mut first = None;
        for write in writes {
            let id = self.ulid();
            operations::add(
                self.tx,
                command,
                &id,
                &lane(person, &write),
                &write,
                self.now,
            )?;
            first.get_or_insert(id);
        }
        self.tx.wake(Wake::Operations);
        Ok(Done::Accepted {
            command,
            operation_id: first.unwrap_or_default(),
        })
    }

    /// The task that a command is about (design 4: REF, the thread, the pin that its author saw).
    pub(super) fn target(
        &self,
        person: &Person,
        task: Option<Ref>,
        typed: &Typed,
    ) -> Result<Target, Stop> {
        let row = match task {
            Some(Ref::Nth(number)) => match people::numbered(self.tx, person.id, number, typed.at)?
            {
                Some(row) => Some(row),
                None => {
                    let seen = people::has_seen_a_list(self.tx, person.id, typed.at)?;
                    return Err(Rejection::UnknownTask(match seen {
                        true => reply::not_in_list(number),
                        false => reply::no_list_yet(),
                    })
                    .into());
                }
            },
            Some(Ref::Issue(number)) => return self.issue(None, number),
            Some(Ref::Id(id)) => return self.by_id(&id),
            Some(named @ (Ref::Key(_) | Ref::Row(_))) => return self.by_press(&named),
            None => match typed.under {
                Some(row) => Some(row),
                None => {
                    let pins = people::pins(self.tx, person.id)?;
                    meant(&pins, typed.at).and_then(|pin| pin.task)
                }
            },
        };
        let stored = match row {
            Some(row) => tasks::by_row(self.tx, row)?,
            None => None,
        };
        match stored {
            Some(stored) => Ok(Target {
                key: stored.task.key.clone(),
                stored: Some(stored),
            }),
            None => Err(self.no_current(person)?.into()),
        }
    }

    /// Nothing was shown before: nothing is changed, and the first of the queue is shown now.
    fn no_current(&self, person: &Person) -> DbResult<Rejection> {
        let (_, current) = self.show_current(person)?;
        Ok(Rejection::NoCurrent(match current {
            Some(stored) => reply::no_current(self.card(&stored, person)?),
            None => reply::no_current_in(self.empty(person)?),
        }))
    }

    pub(super) fn by_id(&self, id: &TaskId) -> Result<Target, Stop> {
        if let Some((repo, number)) = id.issue() {
            return self.issue(repo, number);
        }
        let Some(clickup_id) = id.clickup_id() else {
            return Err(Rejection::UnknownTask(reply::names_no_task(id)).into());
        };
        if !self.inner.settings.has(Source::ClickUp) {
            return Err(not_configured(Source::ClickUp).into());
        }
        let key = TaskKey::clickup(clickup_id);
        if tasks::by_key(self.tx, &key)?.is_none()
            && let Some(own) = tasks::called(self.tx, clickup_id)?
        {
            // One task by two names is one lane (P3).
            return self.by_key(own);
        }
        self.by_key(key)
    }

    fn issue(&self, repo: Option<&RepoName>, number: u64) -> Result<Target, Stop> {
        let settings = &self.inner.settings;
        let Some(repo) = repo.or(settings.repos.first()) else {
            return Err(not_configured(Source::GitHub).into());
        };
        match tasks::repository(self.tx, repo)? {
            Some(repository) => self.by_key(TaskKey::github(repository, number)),
            None if settings.repos.iter().any(|configured| configured.is(repo)) => {
                Err(Rejection::UnknownTask(reply::not_read_yet(repo)).into())
            }
            None => Err(Rejection::UnknownTask(reply::repo_not_followed(repo)).into()),
        }
    }

    /// The task of a button, a form or a message of ours. It may be gone since, or this store may never have had it.
    pub(super) fn by_press(&self, task: &Ref) -> Result<Target, Stop> {
        match self.pressed_task(task)? {
            Some(stored) => self.by_key(stored.task.key),
            None => Err(Rejection::UnknownTask(reply::not_a_button()).into()),
        }
    }

    fn by_key(&self, key: TaskKey) -> Result<Target, Stop> {
        let stored = tasks::by_key(self.tx, &key)?;
        if let Some(gone) = stored.as_ref().filter(|stored| stored.gone) {
            return Err(Rejection::Deleted {
                row: gone.row,
                words: reply::deleted(&gone.task),
            }
            .into());
        }
        Ok(Target { key, stored })
    }

    pub(super) fn new_task(&self, create: Create) -> Result<NewTask, Stop> {
        let settings = &self.inner.settings;
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
        let lists = &self.inner.settings.lists;
        let Some(default) = lists.first() else {
            return Err(not_configured(Source::ClickUp).into());
        };
        let asked = list.unwrap_or(default);
        let mut archived = None;
        for list in lists {
            let name = tasks::container_name(self.tx, Source::ClickUp, list)?;
            let is_it = |name: &String| name.eq_ignore_ascii_case(asked);
            if list != asked && !name.as_ref().is_some_and(is_it) {
                continue;
            }
            // Another may be called alike, and not be archived.
            if tasks::is_archived(self.tx, Source::ClickUp, list)? {
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
        let repos = &self.inner.settings.repos;
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

    /// The current task's pin and task; with nothing pinned the first of the queue is pinned.
    pub(super) fn show_current(&self, person: &Person) -> DbResult<(i64, Option<Stored>)> {
        let pins = people::pins(self.tx, person.id)?;
        if let Some(pin) = pins.last()
            && let Some(row) = pin.task
            && let Some(stored) = tasks::by_row(self.tx, row)?
            && !stored.gone
        {
            return Ok((pin.id, Some(stored)));
        }
        let first = first_of_queue(
            self.tx,
            person,
            None,
            self.now,
            &self.inner.settings.weights,
        )?;
        let row = first.map(|(row, ..)| row);
        let pin = match (pins.last(), row) {
            (Some(pin), None) if pin.task.is_none() => pin.id,
            _ => people::pin(self.tx, person.id, row, self.now, None)?,
        };
        let stored = match row {
            Some(row) => tasks::by_row(self.tx, row)?,
            None => None,
        };
        Ok((pin, stored))
    }

    fn show(&self, person: &Person) -> DbResult<Said> {
        let (pin, current) = self.show_current(person)?;
        Ok(Said {
            words: match &current {
                Some(stored) => self.card(stored, person)?,
                None => self.empty(person)?,
            },
            parts: current
                .iter()
                .map(|stored| self.whole_card(stored, person))
                .collect::<DbResult<_>>()?,
            pin: Some(pin),
            about: current.map(|stored| stored.row),
            ..Said::default()
        })
    }

    fn whole_card(&self, stored: &Stored, person: &Person) -> DbResult<Part> {
        let weights = &self.inner.settings.weights;
        shown(self.tx, stored, person, self.now, weights).map(Part::Card)
    }

    /// `next` from a card: it moves on from what is current, and from nothing else.
    fn next_from(&self, person: &Person, task: &Ref) -> Result<Said, Stop> {
        let Some(stored) = self.pressed_task(task)? else {
            return Err(Rejection::UnknownTask(reply::not_a_button()).into());
        };
        let current = people::pins(self.tx, person.id)?
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
    fn next(&self, person: &Person) -> DbResult<Said> {
        let ranked = queue(self.tx, person, self.now, &self.inner.settings.weights)?;
        let rows: Vec<i64> = ranked.iter().map(|(row, ..)| *row).collect();
        let current = people::pins(self.tx, person.id)?
            .last()
            .and_then(|pin| pin.task);
        let Some(next) = following(&rows, current) else {
            if rows.is_empty() && current.is_some() {
                // What is pinned is nothing to do any more: it is left, for nothing.
                people::pin(self.tx, person.id, None, self.now, None)?;
            }
            let mut said = self.show(person)?;
            if said.about.is_some() {
                said.words = reply::no_other(said.words);
                said.parts
                    .insert(0, Part::Text(reply::no_other(Words::new())));
            }
            return Ok(said);
        };
        let pin = people::pin(self.tx, person.id, Some(next), self.now, None)?;
        let (words, card) = match ranked.iter().find(|(row, ..)| *row == next) {
            Some((row, task, score)) => (
                reply::card(task, score, self.now, person.zone),
                Some(card(*row, task, score, self.now, person.zone)),
            ),
            None => (Words::new(), None),
        };
        let lead = Part::Text(reply::moved_on(Words::new()));
        Ok(Said {
            words: reply::moved_on(words),
            parts: [lead].into_iter().chain(card.map(Part::Card)).collect(),
            pin: Some(pin),
            about: Some(next),
            ..Said::default()
        })
    }

    /// `list [N] [FILTER…]`
    fn list(&self, person: &Person, limit: Option<usize>, filter: &Filter) -> Result<Said, Stop> {
        let ranked = self.filtered(person, filter)?;
        let limit = limit.unwrap_or(LIST).min(LIST_MAX);
        let rows: Vec<i64> = ranked.iter().take(limit).map(|(row, ..)| *row).collect();
        let list = people::list(self.tx, person.id, &rows, None)?;
        let notes = self.notes(person, &rows, filter)?;
        let note = |row: &i64| notes.get(row);
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
        Ok(Said {
            words,
            parts,
            list: Some(list),
            ..Said::default()
        })
    }

    /// A person's tasks in order, narrowed: the queue, or what it leaves out if that is asked for.
    pub(super) fn filtered(&self, person: &Person, filter: &Filter) -> Result<Ranked, Stop> {
        let filter = with_clients(self.tx, &self.inner.settings.entities, filter)?;
        let open = open(self.tx, person, self.now, &self.inner.settings.weights)?;
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
        rows: &[i64],
        filter: &Filter,
    ) -> DbResult<BTreeMap<i64, Words>> {
        let mut notes = BTreeMap::new();
        if !filter.is_of_what_is_held_back() {
            return Ok(notes);
        }
        let waits = blocking::waits(self.tx)?;
        for &row in rows {
            let blockers = self.tasks(&waits.blockers_of(row))?;
            let until = snoozes::until(self.tx, person.id, row, self.now)?;
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

    fn status(&self, person: &Person) -> DbResult<Said> {
        let (mut sources, queued) = health_of_sources(self.tx, &self.inner.settings)?;
        let health = self.inner.lock_health();
        health.add_errors(&mut sources);
        let status = reply::status(health.slack.as_ref(), &sources, queued, person.zone);
        let aside = set_aside::listed(&store_set_aside::all(self.tx)?, person.zone);
        let status = aside.into_iter().fold(status, Words::then);
        let missing = &health.missing_scopes;
        let reactions = health.reactions.as_deref();
        let trouble = reactions.map(reply::no_reactions).into_iter();
        let trouble = trouble.chain(reply::missing_scopes(missing));
        let given_up = deliveries::lately_given_up(self.tx, self.now)?;
        let trouble = trouble.chain(reply::lately_given_up(&given_up, person.zone));
        let others = health.other_links;
        let trouble = trouble.chain((others > 0).then(|| reply::app_is_shared(others)));
        Ok(Said {
            words: trouble.fold(status, |words, trouble| words.text("\n").then(trouble)),
            ..Said::default()
        })
    }

    fn card(&self, stored: &Stored, person: &Person) -> DbResult<Words> {
        let weights = &self.inner.settings.weights;
        let points = points(self.tx, stored, person, self.now, weights)?;
        Ok(reply::card(&stored.task, &points, self.now, person.zone))
    }

    pub(super) fn scored(&self, stored: Stored, person: &Person) -> DbResult<Scored> {
        let weights = &self.inner.settings.weights;
        let points = points(self.tx, &stored, person, self.now, weights)?;
        Ok(Scored::from((stored.task, points)))
    }

    pub(super) fn settle(&self, command: i64, occasion: Occasion) -> DbResult<()> {
        let weights = &self.inner.settings.weights;
        settle(self.tx, command, occasion, self.now, weights)
    }

    pub(super) fn ulid(&self) -> String {
        ulid::Ulid::from_datetime(self.now.into()).to_string()
    }
}

/// The task of the message under which something was typed.
pub(super) fn under(connection: &Db, heard: &Heard) -> DbResult<Option<i64>> {
    let Some(root) = &heard.thread else {
        return Ok(None);
    };
    let answered = messages::first_about(connection, &heard.channel, root)?;
    // In a channel the thread's root is a person's; what we answered it is about the task.
    if !heard.direct {
        return Ok(answered);
    }
    let stood = messages::standing_at(connection, &heard.channel, &heard.user, root)?;
    Ok(stood.and_then(|stood| stood.task).or(answered))
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

/// Whether what was heard is a message of its author's, which can carry a reaction; and whether that is to be the whole
/// answer if all goes well.
fn told_by_reaction(
    heard: &Heard,
    asked: &Result<Command, Rejection>,
    reactions_too: bool,
) -> (bool, bool) {
    let is_own = matches!(heard.gesture, Gesture::Said | Gesture::Replied);
    let needs_no_words = match asked {
        Ok(Command::Reply(_)) => true,
        Ok(Command::Comment { .. }) => reactions_too,
        _ => false,
    };
    (is_own, is_own && needs_no_words)
}

/// By which way something was asked for in Slack.
fn via(heard: &Heard) -> Via {
    match &heard.gesture {
        Gesture::Said | Gesture::Replied | Gesture::InUnknownThread | Gesture::OpenedHome => {
            match heard.direct {
                true => Via::Dm,
                false => Via::Channel,
            }
        }
        Gesture::Slash { .. } => Via::Slash,
        Gesture::Pressed(_) | Gesture::PressedAlone { .. } => Via::Button,
        Gesture::Submitted { .. } => Via::Form,
        Gesture::Signed { .. } | Gesture::SignedOutcome => Via::Reaction,
    }
}

/// The report of a command that asks nothing of a source.
pub(super) fn local(message: Words, task: Option<&Task>) -> Report {
    Report {
        state: ReportState::Done,
        message,
        task: task.map(Brief::from),
        current_state: task.map(|task| task.source_status.clone()),
        conflict: false,
        completed: false,
        operation_id: None,
        next: None,
        emptied: false,
    }
}

/// One person's commands on one task take effect in the order of typing (P3); their creations in one place likewise.
pub(super) fn lane(person: &Person, write: &Write) -> String {
    match (write, write.task()) {
        (_, Some(task)) => format!("{}/{}:{}", person.id.0, task.source(), task.as_str()),
        (Write::Create(new), None) => match &new.place {
            Place::List(list) => format!("{}/new/clickup:{list}", person.id.0),
            Place::Repo(repo) => format!("{}/new/github:{repo}", person.id.0),
        },
        (write, None) => format!("{}/new/{}", person.id.0, write.source()),
    }
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

fn fits(text: &str) -> Result<(), Rejection> {
    match text.chars().count() {
        length if length > TEXT_MAX => Err(Rejection::Unfit(reply::text_too_long(length))),
        _ => Ok(()),
    }
}

fn not_configured(source: Source) -> Rejection {
    Rejection::Unfit(reply::not_connected(source))
}
