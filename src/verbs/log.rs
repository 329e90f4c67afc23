//! `log [N] [REF]`: what a person did last, and what was done to a task that they may see.
//!
//! A person sees their own doings; of a task that is theirs, what everybody did to it; of one that is not, only what
//! they did to it themselves. The API without an actor is the operator's, who sees everything.

use serde::Deserialize;

use super::grammar::{ParseError, digits, is_mere_punctuation, optional_ref, split_word, trim};
use super::{Info, Shown, Verb, body};
use crate::command_tx::{CommandTx, Context, Handled, Rejection, Reply, Stop};
use crate::domain::card::Part;
use crate::domain::command::Ref;
use crate::domain::log::{Came, Change, Entry};
use crate::domain::operation::Write;
use crate::domain::person::Person;
use crate::domain::reply::{self, LIST_MAX, Words};
use crate::domain::task::Source;
use crate::settle::called;
use crate::store::log::{Wanted, listed};
use crate::store::operations;
use crate::store::tasks::{self, Stored};
use crate::store::{DbResult, people};

/// The default number of entries of `log`.
const LOG: usize = 10;
/// Entries that share one block of a message, so that none is cut off.
const BLOCK: usize = 10;

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    #[serde(rename = "ref", default, deserialize_with = "body::task")]
    pub task: Option<Ref>,
    pub limit: Option<usize>,
}

impl Verb for Log {
    const INFO: &'static Info = &Info {
        name: "log",
        usage: "log [N] [REF]",
        effect: "show what you did last, or what was done to REF",
        examples: &["log", "log 5", "log #12"],
        shown: Shown::WithoutRef,
        ..Info::SHOWS
    };

    /// A bare number is how many; an issue of the default repo is `#12`.
    fn read(rest: &str) -> Result<Log, ParseError> {
        let (limit, task) = split_log(rest);
        let task = match is_mere_punctuation(task) {
            true => None,
            false => optional_ref("log", task)?,
        };
        Ok(Log { task, limit })
    }

    /// In a thread under a task's message it is that task's.
    fn decide(
        self,
        tx: &CommandTx<'_>,
        person: &Person,
        context: &Context,
    ) -> Result<Handled, Stop> {
        let limit = self.limit.unwrap_or(LOG).min(LIST_MAX);
        let task = self.task.or(context.under.map(Ref::Row));
        let of_task = task.is_some();
        let mut wanted = Wanted {
            limit: limit + 1,
            ..Wanted::default()
        };
        let deleted = narrow(tx, person, task, context, &mut wanted)?;
        let mut entries = match of_task {
            // Pending entries are in their person's own log.
            true => Vec::new(),
            false => without_outcome(tx, person, limit)?,
        };
        entries.extend(listed(tx.db, &wanted)?);
        let more = entries.len() > limit;
        entries.truncate(limit);
        let lines: Vec<Words> = entries
            .iter()
            .map(|entry| reply::log_line(entry, of_task, person.zone))
            .collect();
        let lead = reply::log_lead(lines.is_empty(), of_task, deleted);
        if lines.is_empty() {
            return Ok(Handled::Replied(Reply {
                words: lead,
                about: wanted.task,
                ..Reply::default()
            }));
        }
        let blocks = lines.chunks(BLOCK).enumerate().map(|(number, lines)| {
            let last = (number + 1) * BLOCK >= entries.len();
            Part::Text(reply::log(lines, more && last))
        });
        let words = lead.clone().text("\n").then(reply::log(&lines, more));
        Ok(Handled::Replied(Reply {
            words,
            parts: [Part::Text(lead)].into_iter().chain(blocks).collect(),
            about: wanted.task,
            ..Reply::default()
        }))
    }

    fn task(&self) -> Option<&Ref> {
        self.task.as_ref()
    }

    fn about(self, task: Ref) -> Log {
        Log {
            task: Some(task),
            ..self
        }
    }

    fn changes_what_was_shown(&self) -> bool {
        false
    }
}

/// Splits `[N] [REF]`.
pub fn split_log(text: &str) -> (Option<usize>, &str) {
    let text = trim(text);
    let (word, after) = split_word(text);
    match digits(word.trim_end_matches(['.', '!'])).and_then(|number| usize::try_from(number).ok())
    {
        Some(number) => (Some(number), trim(after)),
        None => (None, text),
    }
}

/// Narrows the filter to entries that this person may see; returns the source of a deleted task.
pub fn narrow(
    tx: &CommandTx<'_>,
    person: &Person,
    task: Option<Ref>,
    context: &Context,
    wanted: &mut Wanted,
) -> Result<Option<Source>, Stop> {
    let Some(task) = task else {
        wanted.person = Some(person.id);
        return Ok(None);
    };
    let stored = remembered(tx, person, task, context)?;
    wanted.task = Some(stored.row);
    let deleted = stored.gone.then(|| stored.task.key.source());
    if is_theirs(tx, person, &stored)? {
        return Ok(deleted);
    }
    wanted.person = Some(person.id);
    let own = Wanted {
        limit: 1,
        ..wanted.clone()
    };
    match listed(tx.db, &own)?.is_empty() {
        true => Err(Rejection::UnknownTask(reply::not_your_history()).into()),
        false => Ok(deleted),
    }
}

/// A task that the mirror has, deleted or not: its history stays.
fn remembered(
    tx: &CommandTx<'_>,
    person: &Person,
    task: Ref,
    context: &Context,
) -> Result<Stored, Stop> {
    match tx.known(person, Some(task), context) {
        Err(Stop::Rejected(Rejection::Deleted { row, words })) => {
            Ok(tasks::by_row(tx.db, row)?.ok_or(Rejection::UnknownTask(words))?)
        }
        known => known,
    }
}

/// Whether a person may see a task's history: it is assigned to them, their current one, or created by them.
fn is_theirs(tx: &CommandTx<'_>, person: &Person, stored: &Stored) -> DbResult<bool> {
    Ok(person.is_concerned(&stored.task)
        || people::pinned_by(tx.db, stored.row)?.contains(&person.id)
        || operations::creator(tx.db, &stored.task.key)? == Some(person.id))
}

/// The task of a REF without a person: a list number needs one.
pub fn whose(tx: &CommandTx<'_>, task: Ref) -> Result<Stored, Stop> {
    let present = people::present(tx.db)?;
    match (&task, present.as_slice()) {
        (Ref::Nth(_), [only]) => remembered(tx, only, task, &Context::over_http(tx.now)),
        (Ref::Nth(_), _) => Err(Rejection::Unfit(reply::whose_list()).into()),
        (_, [anybody, ..]) => remembered(tx, anybody, task, &Context::over_http(tx.now)),
        (_, []) => Err(Rejection::UnknownTask(reply::not_your_history()).into()),
    }
}

/// A person's commands without an outcome, newest first.
fn without_outcome(tx: &CommandTx<'_>, person: &Person, limit: usize) -> DbResult<Vec<Entry>> {
    let (rows, _) = operations::pending_of(tx.db, person.id, limit)?;
    let mut entries = Vec::new();
    for row in rows.iter().rev() {
        let Some(command) = operations::command(tx.db, row.command)? else {
            continue;
        };
        let write = &row.operation.write;
        let known = match write.task() {
            Some(key) => tasks::by_key(tx.db, key)?,
            None => None,
        };
        let title = match (&known, write) {
            (Some(stored), _) => stored.task.title.clone(),
            (None, Write::Create(new)) => new.title.clone(),
            (None, _) => called(tx.db, row)?,
        };
        entries.push(Entry {
            id: None,
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
