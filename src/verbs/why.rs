//! `why [REF]`: where a task is in its person's queue, and the points that put it there.

use serde::Deserialize;

use super::grammar::{ParseError, optional_ref};
use super::{Info, Shown, Verb, body};
use crate::command_tx::{CommandTx, Context, Handled, Reply, Scored, Stop};
use crate::domain::command::Ref;
use crate::domain::ids::TaskRow;
use crate::domain::person::Person;
use crate::domain::reply::{self, Hidden, Rank, Words};
use crate::domain::score::Score;
use crate::domain::task::{Status, Task};
use crate::settle::{points, queue};
use crate::store::operations::{self, Surface};
use crate::store::tasks::Stored;
use crate::store::{DbResult, blocking, people, snoozes};

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Why {
    /// Another task than the current one
    #[serde(rename = "ref", default, deserialize_with = "body::task")]
    pub task: Option<Ref>,
}

impl Verb for Why {
    const INFO: &'static Info = &Info {
        name: "why",
        aliases: &["why?"],
        usage: "why [REF]",
        effect: "show why the current task, or REF, is where it is in your queue",
        examples: &["why", "why #12"],
        shown: Shown::WithoutRef,
        ..Info::SHOWS
    };

    fn read(rest: &str) -> Result<Why, ParseError> {
        optional_ref("why", rest).map(|task| Why { task })
    }

    fn decide(
        self,
        tx: &CommandTx<'_>,
        person: &Person,
        context: &Context,
    ) -> Result<Handled, Stop> {
        let (explained, reply) = explain(tx, person, self.task, context)?;
        Ok(Handled::Replied(Reply {
            words: explained.message,
            ..reply
        }))
    }

    fn task(&self) -> Option<&Ref> {
        self.task.as_ref()
    }

    fn about(self, task: Ref) -> Why {
        Why { task: Some(task) }
    }

    fn changes_what_was_shown(&self) -> bool {
        false
    }
}

/// The answer to `GET /why`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// The same as text.
    pub message: Words,
    /// `None`: the queue is empty.
    pub task: Option<Scored>,
    /// They add up to the task's score.
    pub points: Vec<(String, i64)>,
    /// Its place in the queue, from 1; `None` for a task outside of it.
    pub place: Option<usize>,
    /// The number of tasks in the queue.
    pub of: usize,
    /// Why it is not in the queue.
    pub hidden: Option<String>,
}

/// The explanation, and the content of a message with it.
pub fn explain(
    tx: &CommandTx<'_>,
    person: &Person,
    task: Option<Ref>,
    context: &Context,
) -> Result<(Explained, Reply), Stop> {
    let mut said = Reply::default();
    let stored = if task.is_none() && context.under.is_none() {
        let (pin, current) = tx.show_current(person)?;
        if context.surface == Surface::Api {
            people::pin_shown(tx.db, pin, tx.now)?;
        }
        said.pin = Some(pin);
        match current {
            Some(stored) => stored,
            None => return Ok((nothing(tx.empty(person)?), said)),
        }
    } else {
        tx.known(person, task, context)?
    };
    said.about = Some(stored.row);
    let weights = &tx.settings.weights;
    let ranked = queue(tx.db, person, tx.now, weights)?;
    let points = points(tx.db, &stored, person, tx.now, weights)?;
    let waits = blocking::waits(tx.db)?;
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
            let blockers = tx.tasks(&waits.blockers_of(stored.row))?;
            let hidden = hidden(tx, person, &stored, blockers)?;
            Rank::Hidden(reply::hidden_because(&hidden, person.zone))
        }
    };
    let current = people::pins(tx.db, person.id)?
        .last()
        .and_then(|pin| pin.task);
    let first = ranked
        .first()
        .map(|(_, task, score): &(TaskRow, Task, Score)| (task, score.total));
    let circle = tx.tasks(&waits.in_a_circle_with(stored.row))?;
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
            snoozed_until: snoozes::until(tx.db, person.id, stored.row, tx.now)?,
            ..Scored::from((stored.task, points))
        }),
    };
    Ok((explained, said))
}

/// Why a task is not in the queue.
fn hidden(
    tx: &CommandTx<'_>,
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
    if let Some(until) = snoozes::until(tx.db, person.id, stored.row, tx.now)? {
        hidden.push(Hidden::Snoozed(until));
    }
    if !blockers.is_empty() {
        hidden.push(Hidden::Blocked(blockers));
    }
    if operations::being_completed(tx.db)?.contains(&stored.row) {
        hidden.push(Hidden::BeingCompleted);
    }
    if hidden.is_empty() {
        hidden.push(Hidden::Away);
    }
    Ok(hidden)
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
