//! `log`: a person's last activity, and the history of a task that they may see.
//!
//! People see their own activity, and everyone's activity on tasks that are assigned to them or that they created. On
//! other tasks they see only their own.
//! The API without an actor belongs to the operator, who sees everything.

use super::{Commands, not_a_cursor};
use crate::command_tx::{CommandError, Context};
use crate::domain::command::Ref;
use crate::domain::log::Entry;
use crate::domain::person::Person;
use crate::store::log::{LogFilter, is_entry, listed};
use crate::verbs;

/// The request of `GET /log`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRequest {
    /// The person whose log it is; `None` for the operator's, of everyone.
    pub person: Option<Person>,
    /// The task whose history it is; `None` for all tasks.
    pub task: Option<Ref>,
    /// The most entries on a page.
    pub limit: usize,
    /// As returned with the last page.
    pub cursor: Option<String>,
}

/// A page of the log, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPage {
    /// The entries of this page, newest first.
    pub entries: Vec<Entry>,
    /// The cursor of the next page; `None` on the last one.
    pub next_cursor: Option<String>,
}

impl Commands {
    /// The log, page by page.
    pub async fn log(&self, asked: LogRequest) -> Result<LogPage, CommandError> {
        let before = match &asked.cursor {
            None => None,
            Some(cursor) => {
                let read = cursor
                    .split_once('~')
                    .and_then(|(id, at)| Some((id.parse().ok()?, at.parse().ok()?)));
                Some(read.ok_or_else(|| not_a_cursor("log"))?)
            }
        };
        self.decide(move |turn| {
            if let Some((id, at)) = before
                && !is_entry(turn.db, id, at)?
            {
                return Err(not_a_cursor("log").into());
            }
            let mut wanted = LogFilter {
                before: before.map(|(id, _)| id),
                limit: asked.limit + 1,
                ..LogFilter::default()
            };
            match (&asked.person, asked.task) {
                (Some(person), task) => {
                    verbs::log::narrow(
                        turn,
                        person,
                        task,
                        &Context::over_http(turn.now),
                        &mut wanted,
                    )?;
                }
                (None, Some(task)) => wanted.task = Some(verbs::log::whose(turn, task)?.row),
                (None, None) => {}
            }
            let mut entries = listed(turn.db, &wanted)?;
            let more = entries.len() > asked.limit;
            entries.truncate(asked.limit);
            let last = entries.last().filter(|_| more);
            Ok(LogPage {
                next_cursor: last
                    .and_then(|last| Some(format!("{}~{}", last.id?, last.at.timestamp_millis()))),
                entries,
            })
        })
        .await
    }
}
