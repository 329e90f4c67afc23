//! `why`: where a task is in its person's queue, and the points that put it there.

use super::{Desk, Scored};
use crate::command_tx::{CommandError, Stop};
use crate::command_tx::{CommandTx, Context, Reply};
use crate::domain::command::Ref;
use crate::domain::ids::TaskRow;
use crate::domain::person::Person;
use crate::domain::reply::{self, Hidden, Rank, Words};
use crate::domain::score::Score;
use crate::domain::task::{Status, Task};
use crate::settle::{points, queue};
use crate::store::operations::{self, Surface};
use crate::store::tasks::{self, Stored};
use crate::store::{DbResult, blocking, people, snoozes};

/// What `GET /why` answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// The same in words.
    pub message: Words,
    /// `None`: there is nothing in the queue.
    pub task: Option<Scored>,
    /// They add up to the task's score.
    pub points: Vec<(String, i64)>,
    /// Its place in the queue, from 1; `None` for a task that is not in it.
    pub place: Option<usize>,
    /// How many tasks are in the queue.
    pub of: usize,
    /// Why it is not in the queue.
    pub hidden: Option<String>,
}

impl Desk {
    /// Why the current task, or the one that is named, is where it is. With nothing pinned the first of the queue is
    /// pinned, as showing does.
    pub async fn why(&self, person: &Person, task: Option<Ref>) -> Result<Explained, CommandError> {
        let person = person.clone();
        self.decide(move |turn| {
            let (explained, _) = turn.explain(&person, task, &Context::over_http(turn.now))?;
            Ok(explained)
        })
        .await
    }
}

impl CommandTx<'_> {
    /// `why [REF]`
    pub(super) fn why(
        &self,
        person: &Person,
        task: Option<Ref>,
        context: &Context,
    ) -> Result<Reply, Stop> {
        let (explained, said) = self.explain(person, task, context)?;
        Ok(Reply {
            words: explained.message,
            ..said
        })
    }

    /// The explanation; and what a message with it shows.
    fn explain(
        &self,
        person: &Person,
        task: Option<Ref>,
        context: &Context,
    ) -> Result<(Explained, Reply), Stop> {
        let mut said = Reply::default();
        let stored = if task.is_none() && context.under.is_none() {
            let (pin, current) = self.show_current(person)?;
            if context.surface == Surface::Api {
                people::pin_shown(self.db, pin, self.now)?;
            }
            said.pin = Some(pin);
            match current {
                Some(stored) => stored,
                None => return Ok((nothing(self.empty(person)?), said)),
            }
        } else {
            self.known(person, task, context)?
        };
        said.about = Some(stored.row);
        let weights = &self.settings.weights;
        let ranked = queue(self.db, person, self.now, weights)?;
        let points = points(self.db, &stored, person, self.now, weights)?;
        let waits = blocking::waits(self.db)?;
        let place = ranked.iter().position(|(row, ..)| *row == stored.row);
        let rank = match place {
            Some(place) => Rank::At {
                place: place + 1,
                of: ranked.len(),
                tie: ranked
                    .get(place + 1)
                    .filter(|(_, _, behind)| behind.total == points.total)
                    .map(|(_, behind, _)| tie(&stored.task, behind)),
            },
            None => {
                let blockers = self.tasks(&waits.blockers_of(stored.row))?;
                let hidden = self.hidden(person, &stored, blockers)?;
                Rank::Hidden(reply::hidden_because(&hidden, person.zone))
            }
        };
        let current = people::pins(self.db, person.id)?
            .last()
            .and_then(|pin| pin.task);
        let first = ranked
            .first()
            .map(|(_, task, score): &(TaskRow, Task, Score)| (task, score.total));
        let circle = self.tasks(&waits.in_a_circle_with(stored.row))?;
        let message = reply::why_here(
            &stored.task,
            &points,
            &rank,
            current == Some(stored.row),
            first,
            &circle.iter().collect::<Vec<_>>(),
        );
        let explained = Explained {
            message,
            points: points.points(),
            place: place.map(|place| place + 1),
            of: ranked.len(),
            hidden: match rank {
                Rank::Hidden(why) => Some(why.plain()),
                Rank::At { .. } => None,
            },
            task: Some(Scored {
                snoozed_until: snoozes::until(self.db, person.id, stored.row, self.now)?,
                ..Scored::from((stored.task, points))
            }),
        };
        Ok((explained, said))
    }

    /// Why a task is not in the queue.
    fn hidden(
        &self,
        person: &Person,
        stored: &Stored,
        blockers: Vec<Task>,
    ) -> DbResult<Vec<Hidden>> {
        if stored.gone {
            return Ok(vec![Hidden::Gone]);
        }
        if stored.task.status == Status::Done {
            return Ok(vec![Hidden::Done(stored.task.source_status.clone())]);
        }
        if !person.is_concerned(&stored.task) {
            return Ok(vec![Hidden::NotTheirs]);
        }
        let mut hidden = Vec::new();
        if let Some(until) = snoozes::until(self.db, person.id, stored.row, self.now)? {
            hidden.push(Hidden::Snoozed(until));
        }
        if !blockers.is_empty() {
            hidden.push(Hidden::Blocked(blockers));
        }
        if operations::being_completed(self.db)?.contains(&stored.row) {
            hidden.push(Hidden::BeingCompleted);
        }
        if hidden.is_empty() {
            hidden.push(Hidden::Away);
        }
        Ok(hidden)
    }

    /// Tasks by their rows.
    pub(super) fn tasks(&self, rows: &[TaskRow]) -> DbResult<Vec<Task>> {
        rows.iter()
            .filter_map(|&row| tasks::by_row(self.db, row).transpose())
            .map(|stored| stored.map(|stored| stored.task))
            .collect()
    }
}

/// Equal points go by age, then by id.
fn tie(ahead: &Task, behind: &Task) -> String {
    match ahead.created_at < behind.created_at {
        true => "it is older".to_owned(),
        false => "its id comes first".to_owned(),
    }
}

fn nothing(message: Words) -> Explained {
    Explained {
        message,
        task: None,
        points: Vec::new(),
        place: None,
        of: 0,
        hidden: None,
    }
}
