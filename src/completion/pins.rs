//! Moves the pin after a `start`, and back after an undo.

use chrono::{DateTime, Utc};

use super::{first_of_queue, left_out};
use crate::domain::ids::{CommandId, PinId, TaskRow};
use crate::domain::person::Person;
use crate::domain::reply::{self, Report, ReportState, TaskBrief};
use crate::domain::score::Weights;
use crate::domain::task::{TaskKey, TaskStatus};
use crate::store::effects::RecentCommand;
use crate::store::operations::{self, Surface};
use crate::store::{DbResult, Tx, access, people, tasks};

/// Moves one person's pin for one of their commands.
pub struct PinMover<'a> {
    /// The transaction that moves the pin.
    pub tx: &'a Tx<'a>,
    /// The person whose pin moves.
    pub person: &'a Person,
    /// The command that moves it.
    pub command: CommandId,
    /// The side that shows the pin: over HTTP it counts as shown at once.
    pub surface: Surface,
    /// The time of the transaction, UTC.
    pub now: DateTime<Utc>,
    /// The weights that rank the queue.
    pub weights: &'a Weights,
}

impl PinMover<'_> {
    /// Makes a task the current one, and stores that this command did so.
    fn pin(&self, task: Option<TaskRow>) -> DbResult<PinId> {
        // An HTTP client sees the answer now; in Slack the time of the message counts.
        let shown_at = (self.surface == Surface::Api).then_some(self.now);
        let pin = people::pin(self.tx, self.person.id, task, self.now, shown_at)?;
        operations::moved(self.tx, self.command, pin)?;
        Ok(pin)
    }

    /// After a `start`, done or queued, makes its task the current one.
    pub fn start(&self, task: Option<TaskRow>, report: &Report) -> DbResult<Option<PinId>> {
        let Some(task) = task else {
            return Ok(None);
        };
        if !matches!(report.state, ReportState::Done | ReportState::Queued) {
            return Ok(None);
        }
        match people::current_pin(self.tx, self.person.id)? {
            Some(pin) if pin.task == Some(task) => Ok(Some(pin.id)),
            _ => self.pin(Some(task)).map(Some),
        }
    }

    /// Moves on from a snoozed or missing task if it is the current one, and reports the next task.
    pub fn leave(&self, task: TaskRow, report: &mut Report) -> DbResult<Option<PinId>> {
        let current = people::current_pin(self.tx, self.person.id)?;
        if current.and_then(|pin| pin.task) != Some(task) {
            return Ok(None);
        }
        let next = first_of_queue(self.tx, self.person, Some(task), self.now, self.weights)?;
        let pin = self.pin(next.as_ref().map(|(row, ..)| *row))?;
        report.emptied = next.is_none();
        if report.emptied {
            // The task itself is among them after a `snooze`.
            report.held_back = left_out(self.tx, self.person, None, self.now, self.weights)?;
        }
        report.next = next.map(|(_, task, _)| TaskBrief::from(&task));
        Ok(Some(pin))
    }

    /// After the undo of a creation that nearly repeats another task, makes that task the current one. If it is finished
    /// or gone by now, it is as after any other undo.
    pub fn instead(
        &self,
        other: &TaskKey,
        undone: &RecentCommand,
        task: Option<TaskRow>,
        report: &mut Report,
    ) -> DbResult<Option<PinId>> {
        if report.state != ReportState::Done {
            return Ok(None);
        }
        let stored = access::shown(self.tx, self.person, tasks::by_key(self.tx, other)?)?;
        let Some(stored) = stored.filter(|one| one.task.status != TaskStatus::Done && !one.gone)
        else {
            return self.back(undone, task, report);
        };
        report.message = reply::other_is_current(std::mem::take(&mut report.message));
        report.next = Some(TaskBrief::from(&stored.task));
        match people::current_pin(self.tx, self.person.id)? {
            Some(pin) if pin.task == Some(stored.row) => Ok(Some(pin.id)),
            _ => self.pin(Some(stored.row)).map(Some),
        }
    }

    /// After an undo, moves back to the earlier task unless the person has moved on. `task` is the undone command's.
    pub fn back(
        &self,
        undone: &RecentCommand,
        task: Option<TaskRow>,
        report: &mut Report,
    ) -> DbResult<Option<PinId>> {
        if report.state != ReportState::Done {
            return Ok(None);
        }
        if let (Some(task), "create") = (task, undone.verb.as_str()) {
            return self.leave(task, report);
        }
        let pins = people::pins(self.tx, self.person.id)?;
        let moved = pins.iter().position(|pin| Some(pin.id) == undone.next_pin);
        let (Some(moved), Some(current), Some(task)) = (moved, pins.last(), task) else {
            return Ok(None);
        };
        let to = pins.get(moved).and_then(|pin| pin.task);
        let from = moved.checked_sub(1).and_then(|from| pins.get(from));
        let Some(before) = from.and_then(|pin| pin.task) else {
            return Ok(None);
        };
        if current.task != to {
            return Ok(None);
        }
        if undone.verb != "start" {
            let open = tasks::by_row(self.tx, task)?
                .is_some_and(|stored| stored.task.status != TaskStatus::Done && !stored.gone);
            if !open || before != task {
                return Ok(None);
            }
            report.message = reply::current_again(std::mem::take(&mut report.message));
            return self.pin(Some(task)).map(Some);
        }
        let before_it = tasks::by_row(self.tx, before)?;
        match access::shown(self.tx, self.person, before_it)? {
            Some(stored) if stored.task.status != TaskStatus::Done && !stored.gone => {
                report.next = Some(TaskBrief::from(&stored.task));
                self.pin(Some(before)).map(Some)
            }
            _ => self.leave(task, report),
        }
    }
}
