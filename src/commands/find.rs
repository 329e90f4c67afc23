//! `find` over HTTP: tasks of the mirror by their words.

use super::{CommandError, Commands, Scored, Shows};
use crate::domain::person::Person;
use crate::domain::reply::Text;
use crate::store::people;
use crate::verbs::Find;
use crate::verbs::find::{FoundTasks, SEARCHED, found, nothing_found};

/// The answer to `GET /find`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundView {
    /// The best matches, up to the limit.
    pub tasks: Vec<Scored>,
    /// The number of matches, with those that the limit leaves out.
    pub total: usize,
    /// What was searched, or that nothing matches.
    pub message: Text,
}

impl Commands {
    /// The best matches, numbered from 1; the numbers work as REF until the next list.
    pub async fn find(
        &self,
        person: &Person,
        asked: Find,
        limit: usize,
        shows: Shows,
    ) -> Result<FoundView, CommandError> {
        let person = person.clone();
        self.decide(move |turn| {
            let FoundTasks {
                mut tasks, reading, ..
            } = found(turn, &person, &asked.words, &asked.filter)?;
            let total = tasks.len();
            tasks.truncate(limit);
            if shows == Shows::Person && total > 0 {
                let rows: Vec<_> = tasks.iter().map(|stored| stored.row).collect();
                people::list(turn.db, person.id, &rows, Some(turn.now))?;
            }
            let tasks = tasks
                .into_iter()
                .map(|stored| turn.scored(stored, &person))
                .collect::<Result<_, _>>()?;
            let message = match total {
                0 => nothing_found(&asked, &reading),
                _ => Text::new().text(SEARCHED),
            };
            Ok(FoundView {
                tasks,
                total,
                message,
            })
        })
        .await
    }
}
