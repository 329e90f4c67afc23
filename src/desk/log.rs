//! `log`: what a person did last, and what was done to a task that they may see.
//!
//! A person sees their own doings; of a task that is theirs, what everybody did to it; of one that is not, only what
//! they did to it themselves. The API without an actor is the operator's, who sees everything.

use super::{Desk, not_a_cursor};
use crate::command_tx::{CommandError, Rejection, Stop};
use crate::command_tx::{CommandTx, Context, Reply};
use crate::domain::card::Part;
use crate::domain::command::Ref;
use crate::domain::log::{Came, Change, Entry};
use crate::domain::operation::Write;
use crate::domain::person::Person;
use crate::domain::reply::{self, LIST_MAX, Words};
use crate::domain::task::Source;
use crate::settle::called;
use crate::store::log::{Wanted, is_entry, listed};
use crate::store::operations;
use crate::store::tasks::{self, Stored};
use crate::store::{DbResult, people};

/// Entries that `log` shows where no number is given.
const LOG: usize = 10;
/// Entries that share one block of a message, so that none is cut off.
const BLOCK: usize = 10;

/// What `GET /log` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogAsked {
    /// Whose log; `None` is the operator's, of everybody.
    pub person: Option<Person>,
    pub task: Option<Ref>,
    pub limit: usize,
    /// As the last answer gave it.
    pub cursor: Option<String>,
}

/// A page of it, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPage {
    pub entries: Vec<Entry>,
    pub next_cursor: Option<String>,
}

impl Desk {
    /// What was done, page by page.
    pub async fn log(&self, asked: LogAsked) -> Result<LogPage, CommandError> {
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
            let mut wanted = Wanted {
                before: before.map(|(id, _)| id),
                limit: asked.limit + 1,
                ..Wanted::default()
            };
            match (&asked.person, asked.task) {
                (Some(person), task) => {
                    turn.wanted(person, task, &Context::over_http(turn.now), &mut wanted)?;
                }
                (None, Some(task)) => wanted.task = Some(turn.whose(task)?.row),
                (None, None) => {}
            }
            let mut entries = listed(turn.db, &wanted)?;
            let more = entries.len() > asked.limit;
            entries.truncate(asked.limit);
            let last = entries.last().filter(|_| more);
            Ok(LogPage {
                next_cursor: last.map(|last| format!("{}~{}", last.id, last.at.timestamp_millis())),
                entries,
            })
        })
        .await
    }
}

impl CommandTx<'_> {
    /// `log [N] [REF]`; in a thread under a task's message it is that task's.
    pub(super) fn log(
        &self,
        person: &Person,
        task: Option<Ref>,
        limit: Option<usize>,
        context: &Context,
    ) -> Result<Reply, Stop> {
        let limit = limit.unwrap_or(LOG).min(LIST_MAX);
        let task = task.or(context.under.map(Ref::Row));
        let of_task = task.is_some();
        let mut wanted = Wanted {
            limit: limit + 1,
            ..Wanted::default()
        };
        let deleted = self.wanted(person, task, context, &mut wanted)?;
        let mut entries = match of_task {
            // What waits is in its person's own log.
            true => Vec::new(),
            false => self.without_outcome(person, limit)?,
        };
        entries.extend(listed(self.db, &wanted)?);
        let more = entries.len() > limit;
        entries.truncate(limit);
        let lines: Vec<Words> = entries
            .iter()
            .map(|entry| reply::log_line(entry, of_task, person.zone))
            .collect();
        let lead = reply::log_lead(lines.is_empty(), of_task, deleted);
        if lines.is_empty() {
            return Ok(Reply {
                words: lead,
                about: wanted.task,
                ..Reply::default()
            });
        }
        let blocks = lines.chunks(BLOCK).enumerate().map(|(number, lines)| {
            let last = (number + 1) * BLOCK >= entries.len();
            Part::Text(reply::log(lines, more && last))
        });
        let words = lead.clone().text("\n").then(reply::log(&lines, more));
        Ok(Reply {
            words,
            parts: [Part::Text(lead)].into_iter().chain(blocks).collect(),
            about: wanted.task,
            ..Reply::default()
        })
    }

    /// Narrows what is wanted to what this person may see; where the task was, if it was deleted.
    fn wanted(
        &self,
        person: &Person,
        task: Option<Ref>,
        context: &Context,
        wanted: &mut Wanted,
    ) -> Result<Option<Source>, Stop> {
        let Some(task) = task else {
            wanted.person = Some(person.id);
            return Ok(None);
        };
        let stored = self.remembered(person, task, context)?;
        wanted.task = Some(stored.row);
        let deleted = stored.gone.then(|| stored.task.key.source());
        if self.is_theirs(person, &stored)? {
            return Ok(deleted);
        }
        wanted.person = Some(person.id);
        let own = Wanted {
            limit: 1,
            ..wanted.clone()
        };
        match listed(self.db, &own)?.is_empty() {
            true => Err(Rejection::UnknownTask(reply::not_your_history()).into()),
            false => Ok(deleted),
        }
    }

    /// A task that the mirror has, deleted or not: its history stays.
    fn remembered(&self, person: &Person, task: Ref, context: &Context) -> Result<Stored, Stop> {
        match self.known(person, Some(task), context) {
            Err(Stop::Rejected(Rejection::Deleted { row, words })) => {
                Ok(tasks::by_row(self.db, row)?.ok_or(Rejection::UnknownTask(words))?)
            }
            known => known,
        }
    }

    /// Whether a task is this person's business: assigned to them, their current one, or made by them.
    fn is_theirs(&self, person: &Person, stored: &Stored) -> DbResult<bool> {
        Ok(person.is_concerned(&stored.task)
            || people::pinned_by(self.db, stored.row)?.contains(&person.id)
            || operations::creator(self.db, &stored.task.key)? == Some(person.id))
    }

    /// The task of a REF that nobody in particular names: a number of a list is somebody's.
    fn whose(&self, task: Ref) -> Result<Stored, Stop> {
        let present = people::present(self.db)?;
        match (&task, present.as_slice()) {
            (Ref::Nth(_), [only]) => self.remembered(only, task, &Context::over_http(self.now)),
            (Ref::Nth(_), _) => Err(Rejection::Unfit(reply::whose_list()).into()),
            (_, [anybody, ..]) => self.remembered(anybody, task, &Context::over_http(self.now)),
            (_, []) => Err(Rejection::UnknownTask(reply::not_your_history()).into()),
        }
    }

    /// What a person asked for that has no outcome yet, newest first.
    fn without_outcome(&self, person: &Person, limit: usize) -> DbResult<Vec<Entry>> {
        let (rows, _) = operations::pending_of(self.db, person.id, limit)?;
        let mut entries = Vec::new();
        for row in rows.iter().rev() {
            let Some(command) = operations::command(self.db, row.command)? else {
                continue;
            };
            let write = &row.operation.write;
            let known = match write.task() {
                Some(key) => tasks::by_key(self.db, key)?,
                None => None,
            };
            let title = match (&known, write) {
                (Some(stored), _) => stored.task.title.clone(),
                (None, Write::Create(new)) => new.title.clone(),
                (None, _) => called(self.db, row)?,
            };
            entries.push(Entry {
                id: 0,
                at: command.typed_at,
                person: Some(person.name.clone()),
                account: None,
                via: command.via,
                verb: match write {
                    // The comment of a `done -c`, which waits by itself.
                    Write::Comment { .. } => "comment".to_owned(),
                    _ => command.verb,
                },
                came: Came::Pending,
                source: Some(write.source()),
                task: known.as_ref().map(|stored| stored.task.id.to_string()),
                title,
                url: known.map(|stored| stored.task.url).unwrap_or_default(),
                change: Change::default(),
                detail: row.why.clone(),
            });
        }
        Ok(entries)
    }
}
