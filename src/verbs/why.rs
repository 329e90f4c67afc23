//! `why [REF]`: the place of a task in its person's queue, and the points for it.

use chrono_tz::Tz;
use clap::Args;
use serde::Deserialize;
use utoipa::ToSchema;

use super::grammar::{ParseError, optional_ref};
use super::line::{AnswerKind, Call, CommandLine, Line, REF_HELP, encoded};
use super::{Info, ShownContext, Verb, body};
use crate::command_tx::{CommandTx, Context, Decided, Handled, Reply, Scored, Stop};
use crate::completion::{points, queue};
use crate::domain::command::Ref;
use crate::domain::ids::TaskRow;
use crate::domain::person::Person;
use crate::domain::reply::{
    Hidden, Rank, Text, children, joined, place, snoozed_until, task_names, waits_for,
};
use crate::domain::score::Score;
use crate::domain::task::{Task, TaskStatus};
use crate::store::operations::{self, Surface};
use crate::store::tasks::StoredTask;
use crate::store::{DbResult, open_tasks, people, snoozes};

/// `why`: the task whose place is explained, or the current one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Why {
    /// A task other than the current one
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
        shown: ShownContext::WithoutRef,
        line: Some(CommandLine::of::<WhyWords>(&["ivan why", "ivan why 3"])),
        ..Info::SHOWS
    };

    fn read(rest: &str) -> Result<Why, ParseError> {
        optional_ref("why", rest).map(|task| Why { task })
    }

    fn decide(self, tx: &CommandTx<'_>, person: &Person, context: &Context) -> Decided {
        let (explained, reply) = explain(tx, person, self.task, context)?;
        Ok(Handled::Replied(Reply {
            words: explained.message,
            ..reply
        }))
    }

    takes_ref!();

    fn changes_what_was_shown(&self) -> bool {
        false
    }
}

/// The words after `ivan why`.
#[derive(Debug, Args)]
#[command(after_help = REF_HELP)]
struct WhyWords {
    /// A task other than the current one
    #[arg(value_name = "REF")]
    task: Option<String>,
}

impl Line for WhyWords {
    fn call(self, _info: &Info) -> Call {
        let query = self.task.map(|task| format!("?ref={}", encoded(&task)));
        Call::get(
            format!("/why{}", query.unwrap_or_default()),
            AnswerKind::Why,
        )
    }
}

/// The answer to `GET /why`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// The same as text.
    pub message: Text,
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
            tx.pin_shown(pin)?;
        }
        said.pin = pin;
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
    let (_, waits) = open_tasks::waits(tx.db, tx.now)?;
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
            let blockers = tx.tasks(person, &waits.blockers_of(stored.row))?;
            let hidden = hidden(tx, person, &stored, blockers)?;
            Rank::Hidden(hidden_because(&hidden, person.zone))
        }
    };
    let current = people::current_pin(tx.db, person.id)?.and_then(|pin| pin.task);
    let first = ranked
        .first()
        .map(|(_, task, score): &(TaskRow, Task, Score)| (task, score.total));
    let circle = tx.tasks(person, &waits.in_a_circle_with(stored.row))?;
    let message = why_here(
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
    stored: &StoredTask,
    blockers: Vec<Task>,
) -> DbResult<Vec<Hidden>> {
    if stored.gone {
        return Ok(vec![Hidden::Gone]);
    }
    if stored.task.status == TaskStatus::Done {
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

fn nothing(message: Text) -> Explained {
    Explained {
        message,
        task: None,
        points: Vec::new(),
        place: None,
        of: 0,
        hidden: None,
    }
}

/// All reasons why a task is not in a person's queue.
pub(crate) fn hidden_because(hidden: &[Hidden], zone: Tz) -> Text {
    let reasons = hidden.iter().map(|one| hidden_by(one, zone));
    joined(reasons, ", and ")
}

/// The explanation of a task's rank: its points, which add up to its score, and its place.
pub(crate) fn why_here(
    task: &Task,
    score: &Score,
    rank: &Rank,
    is_current: bool,
    first: Option<(&Task, i64)>,
    circle: &[&Task],
) -> Text {
    let points: Vec<String> = score
        .points()
        .into_iter()
        .map(|(reason, points)| format!("{reason} {points}"))
        .collect();
    let words = Text::new()
        .link(&task.title, &task.url)
        .text(format!(" · {}", place(task)))
        .text(match children(task) {
            Some(children) => format!(" · {children}"),
            None => String::new(),
        })
        .text(format!("\n{} points: {}.", score.total, points.join(" + ")));
    let words = match rank {
        Rank::At {
            place: 1, of: 1, ..
        } => words.text("\nIt is the only task in your queue."),
        Rank::At { place: 1, of, tie } => {
            let words = words.text(format!("\nIt is first of {of} in your queue"));
            match tie {
                Some(tie) => words.text(format!(
                    ", ahead of one with the same points because {tie}."
                )),
                None => words.text("."),
            }
        }
        Rank::At { place, of, .. } => {
            let words = words.text(format!("\nIt is number {place} of {of} in your queue"));
            match first {
                Some((first, points)) => words
                    .text("; first is ")
                    .link(&first.title, &first.url)
                    .text(format!(" with {points} points.")),
                None => words.text("."),
            }
        }
        Rank::Hidden(why) => words
            .text("\nIt is not in your queue: it ")
            .then(why.clone())
            .text("."),
    };
    let words = match circle {
        [] => words,
        circle => words.text(format!(
            " It and {} block each other in a circle, so none of them is hidden.",
            task_names(circle)
        )),
    };
    let leads = matches!(rank, Rank::At { place: 1, .. });
    match is_current && !leads {
        true => words
            .text(" It is still your current task because I showed it to you; `next` moves on."),
        false => words,
    }
}

fn hidden_by(hidden: &Hidden, zone: Tz) -> Text {
    let words = Text::new();
    match hidden {
        Hidden::Blocked(by) => words.text(waits_for(&by.iter().collect::<Vec<_>>())),
        Hidden::Snoozed(until) => words.text("is ").then(snoozed_until(*until, zone)),
        Hidden::Done(word) => words.text(format!("is {word}")),
        Hidden::BeingCompleted => words.text("is being completed"),
        Hidden::Gone => words.text("was deleted"),
        Hidden::Away => words.text("is in a place that I don't follow"),
        Hidden::NotTheirs => words.text("is not assigned to you"),
    }
}
