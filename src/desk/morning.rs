//! `morning`: the briefing, on demand; `desk/rhythm.rs` has it sent on working days.

use super::{Desk, Scored};
use crate::command_tx::{CommandTx, LiveHealth, Reply};
use crate::domain::blocking::Who;
use crate::domain::home::WAITING_MAX;
use crate::domain::ids::TaskRow;
use crate::domain::morning::{Morning, TOP, Waits, due};
use crate::domain::person::Person;
use crate::domain::reply::{self, Words};
use crate::domain::score::Score;
use crate::domain::task::Task;
use crate::runtime::lock;
use crate::settle::{called, queue};
use crate::store::{Db, DbResult, StoreTrouble, blocking, operations, people, tasks};

/// What `GET /morning` answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MorningView {
    /// The same in words.
    pub message: Words,
    pub morning: Morning,
    /// The first of the queue, numbered from 1; the numbers work as REF until the next list.
    pub top: Vec<Scored>,
}

impl Desk {
    /// The briefing now. With nothing pinned the first of the queue is pinned, as showing does.
    pub async fn morning(&self, person: &Person) -> Result<MorningView, StoreTrouble> {
        let person = person.clone();
        self.turn(move |turn| {
            let (morning, said) = turn.gather_morning(&person)?;
            if let Some(pin) = said.pin {
                people::pin_shown(turn.db, pin, turn.now)?;
            }
            if let Some(list) = said.list {
                people::list_shown(turn.db, list, turn.now)?;
            }
            let top = morning.top.iter().cloned();
            Ok(MorningView {
                message: said.words,
                top: top
                    .map(|(_, task, score)| Scored::from((task, score)))
                    .collect(),
                morning,
            })
        })
        .await
    }
}

impl CommandTx<'_> {
    /// The briefing, and the message that it is: it shows the current task, and its numbers are those of a list.
    pub(crate) fn gather_morning(&self, person: &Person) -> DbResult<(Morning, Reply)> {
        let (pin, current) = self.show_current(person)?;
        let ranked = queue(self.db, person, self.now, &self.settings.weights)?;
        let (overdue, due_today) = due(&ranked, self.now, person.zone);
        let is_in_top = |row| ranked.iter().take(TOP).any(|(other, ..)| *other == row);
        let current = current
            .filter(|current| !is_in_top(current.row))
            .map(|current| current.task);
        let waits = self.who_waits(person, &ranked)?;
        let (queued, queued_count) = waiting(self.db, person, WAITING_MAX)?;
        let open = ranked.len();
        let top: Vec<_> = ranked.into_iter().take(TOP).collect();
        let rows: Vec<TaskRow> = top.iter().map(|(row, ..)| *row).collect();
        let list = match rows.is_empty() {
            true => None,
            false => Some(people::list(self.db, person.id, &rows, None)?),
        };
        let morning = Morning {
            now: self.now,
            zone: person.zone,
            open,
            top,
            current,
            overdue,
            due_today,
            waits,
            queued,
            queued_count: usize::try_from(queued_count).unwrap_or_default(),
            troubles: troubles(&lock(self.health)),
            empty: self.empty(person)?,
        };
        let said = Reply {
            words: morning.words(),
            parts: morning.parts(),
            pin: Some(pin),
            list,
            ..Reply::default()
        };
        Ok((morning, said))
    }

    /// Who waits for tasks of a queue, but for the person themselves.
    fn who_waits(
        &self,
        person: &Person,
        ranked: &[(TaskRow, Task, Score)],
    ) -> DbResult<Vec<Waits>> {
        let waits = blocking::waits(self.db)?;
        let people = people::present(self.db)?;
        let named = |who: &Who| match who {
            Who::Person(id) if *id == person.id => None,
            Who::Person(id) => people
                .iter()
                .find(|one| one.id == *id)
                .map(|one| one.name.clone()),
            Who::Account(source, _) => Some(format!("Somebody in {}", source.name())),
        };
        let mut waiting = Vec::new();
        for (row, task, _) in ranked {
            waiting.extend(
                waits
                    .who_waits_for(*row)
                    .filter_map(named)
                    .map(|who| Waits {
                        who,
                        task: task.clone(),
                    }),
            );
        }
        Ok(waiting)
    }
}

/// What a person asked for and has no outcome yet, the oldest few; and how many those are in all.
pub(crate) fn waiting(
    connection: &Db,
    person: &Person,
    most: usize,
) -> DbResult<(Vec<Words>, i64)> {
    let (pending, count) = operations::pending_of(connection, person.id, most)?;
    let mut waiting = Vec::new();
    for row in &pending {
        let write = &row.operation.write;
        let known = match write.task() {
            Some(key) => tasks::by_key(connection, key)?,
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

/// Sources that cannot be read, and why.
pub(crate) fn troubles(health: &LiveHealth) -> Vec<Words> {
    let sources = health.sources.iter();
    sources
        .map(|(source, why)| reply::home_trouble(*source, why))
        .collect()
}
