//! `morning`: the briefing, on demand. It is also sent on working days to people who want it.

use clap::Args;
use serde::Deserialize;
use utoipa::ToSchema;

use super::grammar::{ParseError, nothing_after};
use super::line::{AnswerKind, Call, CommandLine, Line};
use super::{Info, ShownContext, Verb};
use crate::command_tx::{CommandTx, Context, Decided, Handled, Reply, Shows};
use crate::completion::{called, queue};
use crate::domain::blocking::WaitingAccount;
use crate::domain::home::WAITING_MAX;
use crate::domain::ids::TaskRow;
use crate::domain::morning::{self, TOP, WaitingPerson, due};
use crate::domain::person::Person;
use crate::domain::reply::{self, Text};
use crate::domain::score::Score;
use crate::domain::task::Task;
use crate::runtime::lock;
use crate::store::{Db, DbResult, access, open_tasks, operations, people, tasks};

/// Shows the briefing now; it has no arguments.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Morning {}

impl Verb for Morning {
    const INFO: &'static Info = &Info {
        name: "morning",
        aliases: &["brief me"],
        usage: "morning",
        effect: "show your briefing: top three tasks, due dates, people waiting, stuck items",
        examples: &["morning"],
        shown: ShownContext::Always,
        line: Some(CommandLine::of::<MorningWords>(&["ivan morning"])),
        ..Info::SHOWS
    };

    fn read(rest: &str) -> Result<Morning, ParseError> {
        nothing_after("morning", rest, Morning {})
    }

    fn decide(self, tx: &CommandTx<'_>, person: &Person, _context: &Context) -> Decided {
        Ok(Handled::Replied(gather(tx, person)?.1))
    }
}

/// `ivan morning` has no further words.
#[derive(Debug, Args)]
struct MorningWords {}

impl Line for MorningWords {
    fn call(self, _info: &Info) -> Call {
        Call::get("/morning", AnswerKind::Words)
    }
}

/// The briefing, and its message: it shows the current task, and its numbers are those of a list.
pub fn gather(tx: &CommandTx<'_>, person: &Person) -> DbResult<(morning::BriefingContent, Reply)> {
    let (pin, current) = tx.show_current(person)?;
    let ranked = queue(tx.db, person, tx.now, &tx.settings.weights)?;
    let (overdue, due_today) = due(&ranked, tx.now, person.zone);
    let is_in_top = |row| ranked.iter().take(TOP).any(|(other, ..)| *other == row);
    let current = current
        .filter(|current| !is_in_top(current.row))
        .map(|current| current.task);
    let waits = who_waits(tx, person, &ranked)?;
    let (queued, queued_count) = waiting(tx.db, person, WAITING_MAX)?;
    let open = ranked.len();
    let top: Vec<_> = ranked.into_iter().take(TOP).collect();
    let rows: Vec<_> = top.iter().map(|(row, ..)| *row).collect();
    let list = match rows.is_empty() || tx.shows == Shows::Nobody {
        true => None,
        false => Some(people::list(tx.db, person.id, &rows, None)?),
    };
    let morning = morning::BriefingContent {
        now: tx.now,
        zone: person.zone,
        open,
        top,
        current,
        overdue,
        due_today,
        waits,
        queued,
        queued_count: usize::try_from(queued_count).unwrap_or_default(),
        troubles: lock(tx.health).troubles(),
        empty: tx.empty(person)?,
    };
    let said = Reply {
        words: morning.words(),
        parts: morning.parts(),
        pin,
        list,
        ..Reply::default()
    };
    Ok((morning, said))
}

/// The people who wait for tasks of a queue, except the person themselves.
fn who_waits(
    tx: &CommandTx<'_>,
    person: &Person,
    ranked: &[(TaskRow, Task, Score)],
) -> DbResult<Vec<WaitingPerson>> {
    let (_, waits) = open_tasks::waits(tx.db, tx.now)?;
    let people = people::present(tx.db)?;
    let named = |who: &WaitingAccount| match who {
        WaitingAccount::Person(id) if *id == person.id => None,
        WaitingAccount::Person(id) => people
            .iter()
            .find(|one| one.id == *id)
            .map(|one| one.name.clone()),
        WaitingAccount::Account(source, _) => Some(format!("Someone in {}", source.name())),
    };
    let mut waiting = Vec::new();
    for (row, task, _) in ranked {
        waiting.extend(
            waits
                .who_waits_for(*row)
                .filter_map(named)
                .map(|who| WaitingPerson {
                    who,
                    task: task.clone(),
                }),
        );
    }
    Ok(waiting)
}

/// A person's oldest commands without an outcome, and their total number.
pub fn waiting(connection: &Db, person: &Person, most: usize) -> DbResult<(Vec<Text>, i64)> {
    let (pending, count) = operations::pending_of(connection, person.id, most)?;
    let mut waiting = Vec::new();
    for row in &pending {
        let write = &row.operation.write;
        let known = match write.task() {
            Some(key) => access::shown(connection, person, tasks::by_key(connection, key)?)?,
            None => None,
        };
        let known = known.as_ref().map(|stored| &stored.task);
        let called = called(connection, row)?;
        waiting.push(reply::home_waiting(
            write,
            known,
            &called,
            row.why.as_deref(),
            row.turn,
            person.zone,
        ));
    }
    Ok((waiting, count))
}
