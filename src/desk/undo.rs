//! `start`, `snooze` and `reopen`; and `undo`, which finds out what a person did last and makes the opposite of it.
//!
//! As all of a turn, this is one transaction: what was certainly not sent yet is cancelled in it; for what was, or may
//! have been, an undo is put behind it in its own lane, and learns there what became of it.

use crate::command_tx::{CommandTx, Context, Handled, Reply, lane, local};
use crate::command_tx::{Rejection, Stop};
use crate::domain::command::{CommandRef, Ref};
use crate::domain::ids::TaskRow;
use crate::domain::operation::{Outcome, Refusal, Write};
use crate::domain::person::Person;
use crate::domain::reply::{self, Words};
use crate::domain::task::{Status, TaskKey};
use crate::domain::undo::{UNDO_WITHIN, Undo};
use crate::domain::when::{NotThen, When};
use crate::settle::Occasion;
use crate::store::effects::{self, Doing, Snoozed};
use crate::store::operations::{self, OperationRow, State};
use crate::store::{DbResult, Wake, messages, restored, set_aside, snoozes, tasks};

impl CommandTx<'_> {
    /// `start [REF]`
    pub(super) fn start(
        &self,
        person: &Person,
        task: Option<Ref>,
        context: &Context,
    ) -> Result<Handled, Stop> {
        let target = self.target(person, task, context)?;
        self.end_snooze(person, &target)?;
        let start = Write::Start { task: target.key };
        self.accept(person, context, "start", vec![start])
    }

    /// `reopen REF`; nothing but a thread under its message names a task without REF: the current one is open.
    pub(super) fn reopen(
        &self,
        person: &Person,
        task: Option<Ref>,
        context: &Context,
    ) -> Result<Handled, Stop> {
        if task.is_none() && context.under.is_none() {
            return Err(Rejection::Unfit(reply::reopen_which()).into());
        }
        let target = self.target(person, task, context)?;
        self.end_snooze(person, &target)?;
        let reopen = Write::Reopen { task: target.key };
        self.accept(person, context, "reopen", vec![reopen])
    }

    /// `snooze [REF] WHEN`
    pub(super) fn snooze(
        &self,
        person: &Person,
        task: Option<Ref>,
        until: &When,
        context: &Context,
    ) -> Result<Handled, Stop> {
        let unfit = |words| Err(Rejection::Unfit(words).into());
        let until = match until.after(context.at, person.zone) {
            Ok(until) if until <= self.now => {
                return unfit(reply::cannot_snooze(&NotThen::NoTime));
            }
            Ok(until) => until,
            Err(why) => return unfit(reply::cannot_snooze(&why)),
        };
        let stored = self.known(person, task, context)?;
        if stored.task.status == Status::Done {
            return unfit(reply::nothing_to_snooze(&stored.task));
        }
        let snoozed = Snoozed {
            task: stored.row,
            until,
            before: snoozes::until(self.db, person.id, stored.row, self.now)?,
        };
        snoozes::set(self.db, person.id, stored.row, Some(until))?;
        let command = self.command(person, context, "snooze")?;
        effects::snoozed(self.db, command, &snoozed)?;
        let words = reply::snoozed(&stored.task, until, person.zone);
        let mut report = local(words, Some(&stored.task));
        let pin = self
            .mover(person, command, context)
            .leave(stored.row, &mut report)?;
        self.settled(person, command, report, pin, Some(stored.row))
    }

    /// `undo`: the last effect of the person's commands that is not undone; or that of the command `of`.
    pub(super) fn undo(
        &self,
        person: &Person,
        of: Option<&CommandRef>,
        context: &Context,
    ) -> Result<Handled, Stop> {
        let command = match of {
            None => return self.take_back(person, self.last_effect(person), context),
            Some(CommandRef::Uid(uid)) => operations::by_uid(self.db, uid)?,
            Some(CommandRef::Row(row)) => Some(*row),
        };
        match command {
            Some(command) => self.take_back(person, self.named_effect(person, command), context),
            None => Err(Rejection::NothingToUndo(reply::not_a_button()).into()),
        }
    }

    fn take_back(
        &self,
        person: &Person,
        found: Result<Doing, Stop>,
        context: &Context,
    ) -> Result<Handled, Stop> {
        if let (Err(Stop::Rejected(why)), Some(once)) = (&found, &context.once) {
            let words = why.clone().words();
            self.remember_refusal(person, once.clone(), Refusal::Changed, &words)?;
        }
        let doing = found?;
        let command = self.command(person, context, "undo")?;
        effects::take(self.db, doing.command, command)?;
        self.take_button(doing.command)?;
        if let Some(snoozed) = &doing.snoozed {
            return self.unsnooze(person, context, command, &doing, snoozed);
        }
        let cancelled = effects::withdraw(self.db, doing.command, self.now)? > 0;
        let rows = operations::of_command(self.db, doing.command)?;
        if cancelled {
            self.settle(doing.command, Occasion::Ended)?;
        }
        let mut first = None;
        for row in rows.iter().filter(|row| leaves_something(row)) {
            let Some(undo) = self.opposite(row)? else {
                continue;
            };
            let id = self.ulid();
            let lane = match (&row.operation.write, &undo.task) {
                // A task has a lane of its own from its creation on.
                (Write::Create(_), Some(_)) => lane(person, &Write::Undo(undo.clone())),
                _ => row.lane.clone(),
            };
            operations::add(self.db, command, &id, &lane, &Write::Undo(undo), self.now)?;
            first.get_or_insert(id);
        }
        set_aside::behind(self.db)?;
        if let Some(operation_id) = first {
            self.db.wake(Wake::Operations);
            return Ok(Handled::Accepted {
                command,
                operation_id,
            });
        }
        self.undone_here(person, context, command, &doing, &rows)
    }

    /// A check mark is taken off a card: its person's completion of that task is taken back, while it can be.
    pub(super) fn not_done(
        &self,
        person: &Person,
        row: TaskRow,
        context: &Context,
    ) -> Result<Handled, Stop> {
        let target = self.by_press(&Ref::Row(row))?;
        let doing = effects::completion(self.db, person.id, &target.key)?;
        let too_old = doing.as_ref().is_some_and(|doing| !self.is_recent(doing));
        let undone = doing.as_ref().is_some_and(|doing| doing.undone);
        let words = match (doing, target.stored) {
            (Some(doing), _) if !too_old && !undone => {
                return self.take_back(person, self.named_effect(person, doing.command), context);
            }
            (_, Some(stored)) if stored.task.status != Status::Done => {
                return Ok(Handled::Replied(Reply {
                    words: reply::not_complete(&stored.task),
                    about: Some(stored.row),
                    ..Reply::default()
                }));
            }
            (Some(_), _) if undone => reply::undone_already(),
            (_, Some(stored)) => reply::stays_complete(&stored.task, too_old),
            (_, None) => reply::cannot_be_undone(too_old),
        };
        Err(Rejection::NothingToUndo(words).into())
    }

    /// The newest command of somebody's that had an effect, within the time.
    fn last_effect(&self, person: &Person) -> Result<Doing, Stop> {
        let mut too_old = false;
        let elsewhere = restored::until(self.db, person.id)?;
        for doing in effects::newest(self.db, person.id)? {
            if !self.has_effect(person, &doing)? {
                continue;
            }
            if elsewhere.is_some_and(|until| doing.typed_at <= until) {
                // They did something after it that this store does not know.
                return Err(Rejection::NothingToUndo(reply::last_is_not_known()).into());
            }
            if self.is_recent(&doing) {
                return Ok(doing);
            }
            too_old = true;
        }
        let undone_before = effects::has_undone(self.db, person.id, self.now - UNDO_WITHIN)?;
        let words = reply::nothing_to_undo(undone_before, too_old);
        Err(Rejection::NothingToUndo(words).into())
    }

    /// The command that a button names.
    fn named_effect(&self, person: &Person, command: i64) -> Result<Doing, Stop> {
        let Some(doing) = effects::of(self.db, person.id, command)? else {
            return Err(Rejection::NothingToUndo(reply::cannot_be_undone(false)).into());
        };
        let why_not = if doing.undone {
            reply::undone_already()
        } else if !self.has_effect(person, &doing)? {
            reply::cannot_be_undone(false)
        } else if !self.is_recent(&doing) {
            reply::cannot_be_undone(true)
        } else {
            return Ok(doing);
        };
        self.take_button(command)?;
        Err(Rejection::NothingToUndo(why_not).into())
    }

    /// The answer to a command offers no undo any more.
    fn take_button(&self, command: i64) -> DbResult<()> {
        if messages::offers_undo(self.db, command, false)? {
            self.db.wake(Wake::Messages);
        }
        Ok(())
    }

    fn is_recent(&self, doing: &Doing) -> bool {
        doing
            .settled_at
            .is_none_or(|settled| self.now - settled <= UNDO_WITHIN)
    }

    /// Whether there is anything left to take back, as far as it is known here.
    fn has_effect(&self, person: &Person, doing: &Doing) -> DbResult<bool> {
        if let Some(snoozed) = &doing.snoozed {
            let until = snoozes::until(self.db, person.id, snoozed.task, self.now)?;
            return Ok(until.map(|until| until.timestamp_millis())
                == Some(snoozed.until.timestamp_millis()));
        }
        let rows = operations::of_command(self.db, doing.command)?;
        Ok(rows
            .iter()
            .any(|row| matches!(row.state, State::Applied | State::Pending)))
    }

    /// The undo of one operation.
    fn opposite(&self, row: &OperationRow) -> DbResult<Option<Undo>> {
        let write = &row.operation.write;
        let Some(what) = write.undoes() else {
            return Ok(None);
        };
        let task = match &row.outcome {
            Some(outcome) => Some(outcome.task().key.clone()),
            None => write.task().cloned(),
        };
        Ok(Some(Undo {
            operation: row.operation.id.clone(),
            what,
            source: write.source(),
            title: self.title(row, task.as_ref())?,
            task,
        }))
    }

    fn title(&self, row: &OperationRow, task: Option<&TaskKey>) -> DbResult<String> {
        let stored = match task {
            Some(key) => tasks::by_key(self.db, key)?,
            None => None,
        };
        Ok(match (stored, &row.operation.write) {
            (Some(stored), _) => stored.task.title,
            (None, Write::Create(new)) => new.title.clone(),
            (None, write) => write.source().noun().to_owned(),
        })
    }

    fn unsnooze(
        &self,
        person: &Person,
        context: &Context,
        command: i64,
        doing: &Doing,
        snoozed: &Snoozed,
    ) -> Result<Handled, Stop> {
        let before = snoozed.before.filter(|before| *before > self.now);
        snoozes::set(self.db, person.id, snoozed.task, before)?;
        let stored = tasks::by_row(self.db, snoozed.task)?;
        let task = stored.as_ref().map(|stored| &stored.task);
        let words = match task {
            Some(task) => reply::unsnoozed(task, before, person.zone),
            None => Words::new(),
        };
        let mut report = local(words, task);
        let pin = match before {
            None => {
                let mover = self.mover(person, command, context);
                mover.back(doing, Some(snoozed.task), &mut report)?
            }
            Some(_) => None,
        };
        self.settled(person, command, report, pin, Some(snoozed.task))
    }

    /// Nothing had reached the source: what is to be put back is here.
    fn undone_here(
        &self,
        person: &Person,
        context: &Context,
        command: i64,
        doing: &Doing,
        rows: &[OperationRow],
    ) -> Result<Handled, Stop> {
        let Some(row) = rows.first() else {
            return self.settled(person, command, local(Words::new(), None), None, None);
        };
        let key = match &row.outcome {
            Some(outcome) => Some(outcome.task().key.clone()),
            None => row.operation.write.task().cloned(),
        };
        let stored = match &key {
            Some(key) => tasks::by_key(self.db, key)?,
            None => None,
        };
        let task = stored.as_ref().map(|stored| &stored.task);
        let words = match (row.state, task) {
            (State::Applied, Some(task)) => reply::not_started(task),
            (_, Some(task)) => {
                let subject = Words::new().link(&task.title, &task.url);
                reply::not_sent(subject, row.operation.write.source())
            }
            (_, None) => {
                let subject = Words::new().text(self.title(row, key.as_ref())?);
                reply::not_sent(subject, row.operation.write.source())
            }
        };
        let about = stored.as_ref().map(|stored| stored.row);
        let mut report = local(words, task);
        let mover = self.mover(person, command, context);
        let pin = mover.back(doing, about, &mut report)?;
        self.settled(person, command, report, pin, about)
    }
}

/// What is left to be taken back in a source: what was applied, and what may have been.
fn leaves_something(row: &OperationRow) -> bool {
    match (row.state, &row.operation.write, &row.outcome) {
        // Its source has no word for work in progress.
        (State::Applied, Write::Start { .. }, Some(Outcome::Applied(written))) => {
            written.task.status == Status::InProgress
        }
        (State::Applied | State::Pending, ..) => true,
        _ => false,
    }
}
