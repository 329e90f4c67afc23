//! `list [N] [FILTER]`: show the person's tasks in order, or filtered.

use std::collections::BTreeMap;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use clap::Args;
use serde::Deserialize;
use utoipa::ToSchema;

use super::grammar::{ParseError, digits, excerpt, is_mere_punctuation, trim};
use super::line::{AnswerKind, Call, CommandLine, Line, encoded};
use super::{Info, ShownContext, Verb};
use crate::command_tx::{
    CommandSettings, CommandTx, Context, Decided, Handled, Rejection, Reply, Stop, why_empty,
    with_link_buttons,
};
use crate::completion::{self, Ranked, open};
use crate::domain::card::{CardPart, item};
use crate::domain::entity::Entities;
use crate::domain::filter::Filter;
use crate::domain::ids::TaskRow;
use crate::domain::person::Person;
use crate::domain::queue::EmptyQueue;
use crate::domain::reply::{self, LIST_MAX, Text};
use crate::domain::task::{Source, Task};
use crate::store::{Db, DbResult, access, open_tasks, people, snoozes, tasks};

/// The default number of tasks in `list`.
const LIST: usize = 10;

/// Shows the first tasks of the queue, or of those that match a filter.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// The number of tasks, at most 50. Default: 10.
    pub limit: Option<usize>,
    /// Empty: all tasks of the queue.
    #[serde(skip)]
    pub filter: Filter,
}

impl Verb for List {
    const INFO: &'static Info = &Info {
        name: "list",
        aliases: &["tasks", "show my tasks", "my tasks", "ls"],
        usage: "list [N] [FILTER]",
        effect: "show your tasks in order; use their numbers as REF until the next list",
        examples: &["list", "list 5", "list overdue github", "list label:bug"],
        shown: ShownContext::Always,
        line: Some(CommandLine::of::<ListWords>(&[
            "ivan list",
            "ivan list 5 overdue",
            "ivan list github acme",
            "ivan list blocked --json",
        ])),
        ..Info::SHOWS
    };

    /// In any order. The store decides which words are clients.
    fn read(rest: &str) -> Result<List, ParseError> {
        let rest = trim(rest);
        let unclear = || not_a_filter(rest);
        let (mut limit, mut words) = (None, String::new());
        if !is_mere_punctuation(rest) {
            for word in Filter::split(rest.trim_end_matches(['.', '!'])) {
                match digits(word) {
                    Some(number) if limit.is_none() => {
                        limit = Some(usize::try_from(number).map_err(|_| unclear())?);
                    }
                    Some(_) => return Err(unclear()),
                    None if word.bytes().all(|b| b.is_ascii_digit()) => return Err(unclear()),
                    None => {
                        words.push_str(word);
                        words.push(' ');
                    }
                }
            }
        }
        let filter = Filter::read(&words);
        Ok(List { limit, filter })
    }

    fn decide(self, tx: &CommandTx<'_>, person: &Person, _context: &Context) -> Decided {
        let List { limit, filter } = self;
        let ranked = filtered(tx, person, &filter)?;
        let limit = limit.unwrap_or(LIST).min(LIST_MAX);
        let rows: Vec<_> = ranked.iter().take(limit).map(|(row, ..)| *row).collect();
        let list = people::list(tx.db, person.id, &rows, None)?;
        let notes = notes(tx, person, &rows, &filter)?;
        let note = |row: &TaskRow| notes.get(row);
        let listed: Vec<(&Task, Option<&Text>)> = ranked
            .iter()
            .take(limit)
            .map(|(row, task, _)| (task, note(row)))
            .collect();
        let (words, empty) = match listed.is_empty() {
            true => {
                let why = nothing_listed(tx, person, &filter)?;
                (why.words(), with_link_buttons(&why.words(), why.unlinked()))
            }
            false => {
                let words = listing(&listed, ranked.len(), &filter, tx.now, person.zone);
                (words, Vec::new())
            }
        };
        let mut parts: Vec<CardPart> = (1..)
            .zip(ranked.iter().take(limit))
            .map(|(number, (row, task, _))| {
                let mut item = item(number, *row, task, tx.now, person.zone);
                item.note = note(row).cloned();
                CardPart::Card(item)
            })
            .collect();
        parts.extend(empty);
        parts.extend(reply::more_of(ranked.len(), listed.len(), &filter).map(CardPart::Text));
        Ok(Handled::Replied(Reply {
            words,
            parts,
            list: Some(list),
            ..Reply::default()
        }))
    }

    fn takes_any_word(&self) -> bool {
        !self.filter.entities.is_empty()
    }
}

/// The words after `ivan list`.
#[derive(Debug, Args)]
struct ListWords {
    /// The number of tasks, and filters: overdue, blocked, snoozed, clickup, github, label:NAME, milestone:NAME, type:NAME, or a client
    #[arg(value_name = "N|FILTER")]
    words: Vec<ListWord>,
}

/// A word after `ivan list`.
#[derive(Debug, Clone)]
enum ListWord {
    Limit(u16),
    Filter(String),
}

impl FromStr for ListWord {
    type Err = String;

    fn from_str(text: &str) -> Result<ListWord, String> {
        match text.parse::<i64>() {
            Err(_) => Ok(ListWord::Filter(text.to_owned())),
            Ok(number) => u16::try_from(number)
                .ok()
                .filter(|number| (1..=200).contains(number))
                .map(ListWord::Limit)
                .ok_or_else(|| format!("{number} is not in 1..=200")),
        }
    }
}

impl Line for ListWords {
    fn call(self, _info: &Info) -> Call {
        let mut limit = None;
        let mut filters = Vec::new();
        for word in self.words {
            match word {
                ListWord::Limit(number) => limit = limit.or(Some(format!("limit={number}"))),
                ListWord::Filter(word) => filters.push(word),
            }
        }
        let filter = filters.join(" ");
        let filtered = (!filter.is_empty()).then(|| format!("filter={}", encoded(&filter)));
        let query: Vec<String> = limit.into_iter().chain(filtered).collect();
        let path = format!("/queue?{}", query.join("&"));
        Call::get(path.trim_end_matches('?'), AnswerKind::List { filter })
    }
}

fn not_a_filter(typed: &str) -> ParseError {
    ParseError::Prose(format!(
        "I can't filter by `{}`. Type `list`, `list 5`, or a filter: {}, or a client.",
        excerpt(typed),
        Filter::FORMS.join(", ")
    ))
}

/// A person's tasks in order, filtered: the queue, or the tasks that it leaves out if the filter asks for them.
pub fn filtered(tx: &CommandTx<'_>, person: &Person, filter: &Filter) -> Result<Ranked, Stop> {
    let filter = with_clients(tx.db, &tx.settings.entities, filter)?;
    let open = open(tx.db, person, tx.now, &tx.settings.weights)?;
    let mut ranked = match filter.is_of_what_is_held_back() {
        true => open.held_back,
        false => open.offered,
    };
    ranked.retain(|(row, task, _)| {
        (!filter.blocked || open.blocked.contains(row))
            && (!filter.snoozed || open.snoozed.contains(row))
            && filter.fits(task, tx.now, person.zone)
    });
    Ok(ranked)
}

/// The notes for tasks that the queue leaves out: their blockers, or the end of the snooze.
pub fn notes(
    tx: &CommandTx<'_>,
    person: &Person,
    rows: &[TaskRow],
    filter: &Filter,
) -> DbResult<BTreeMap<TaskRow, Text>> {
    let mut notes = BTreeMap::new();
    if !filter.is_of_what_is_held_back() {
        return Ok(notes);
    }
    let (_, waits) = open_tasks::waits(tx.db, tx.now)?;
    for &row in rows {
        let blockers = tx.tasks(person, &waits.blockers_of(row))?;
        let until = snoozes::until(tx.db, person.id, row, tx.now)?;
        let note = [
            (!blockers.is_empty())
                .then(|| reply::waits_for(&blockers.iter().collect::<Vec<_>>()))
                .map(|waits| Text::new().text(waits)),
            until.map(|until| reply::snoozed_until(until, person.zone)),
        ];
        notes.insert(row, reply::joined(note.into_iter().flatten(), " · "));
    }
    Ok(notes)
}

/// The reason for an empty list.
pub fn nothing_listed(tx: &CommandTx<'_>, person: &Person, filter: &Filter) -> DbResult<EmptyList> {
    let open = completion::open(tx.db, person, tx.now, &tx.settings.weights)?;
    let sources = shown(&tx.settings, filter);
    let why = why_empty(tx.db, person, &open, sources.into_iter())?;
    Ok(match filter.is_empty() || why.is_unknown() {
        true => EmptyList::Queue(why),
        false => EmptyList::NoMatch(nothing_to_list(filter)),
    })
}

/// The sources that a list shows.
fn shown(settings: &CommandSettings, filter: &Filter) -> Vec<Source> {
    let fits = |source: &Source| filter.sources.is_empty() || filter.sources.contains(source);
    settings.sources().filter(fits).collect()
}

/// The reason for an empty list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EmptyList {
    /// The person's queue has no task.
    Queue(EmptyQueue),
    /// No task matches the filter. The sentence says so.
    NoMatch(Text),
}

impl EmptyList {
    /// The name in the HTTP API.
    pub fn word(&self) -> &'static str {
        match self {
            EmptyList::Queue(why) => why.word(),
            EmptyList::NoMatch(_) => "no_match",
        }
    }

    /// The sentence beside the name; none if it would add nothing.
    pub fn message(&self) -> Option<Text> {
        match self {
            EmptyList::Queue(why) if why.is_plain() => None,
            empty => Some(empty.words()),
        }
    }

    /// The sources at which the person's account is not known.
    pub fn unlinked(&self) -> &[Source] {
        match self {
            EmptyList::Queue(why) => why.unlinked(),
            EmptyList::NoMatch(_) => &[],
        }
    }

    /// The sentence for a person.
    pub fn words(&self) -> Text {
        match self {
            EmptyList::Queue(why) => reply::empty(why),
            EmptyList::NoMatch(words) => words.clone(),
        }
    }
}

/// The same filter with clients as tasks name them; an unknown word is refused.
pub fn with_clients(connection: &Db, entities: &Entities, filter: &Filter) -> Result<Filter, Stop> {
    let mut known = filter.clone();
    known.entities.clear();
    if filter.entities.is_empty() {
        return Ok(known);
    }
    let clients = tasks::entities(connection)?;
    let is_known =
        |word: &String| entities.resolve(word).is_some() || client_called(word, &clients).is_some();
    if filter.entities.len() > 1 && !filter.entities.iter().any(is_known) {
        // It is prose, and no filter at all.
        let hint = not_a_filter(&filter.typed);
        return Err(Rejection::Unfit(Text::new().text(hint.to_string())).into());
    }
    for word in &filter.entities {
        let entity = entities.resolve(word).map(|entity| &entity.id);
        match entity.or_else(|| client_called(word, &clients)) {
            Some(client) => known.entities.insert(client.to_lowercase()),
            None => {
                // The clients of tasks that the person may not name are not listed.
                let named = match access::is_open(connection) {
                    true => clients.as_slice(),
                    false => &[],
                };
                let words = no_client(word, named);
                return Err(Rejection::Unfit(words).into());
            }
        };
    }
    Ok(known)
}

/// The client that a word means, as tasks name it.
fn client_called<'a>(word: &str, clients: &'a [String]) -> Option<&'a String> {
    clients
        .iter()
        .find(|client| client.to_lowercase() == word.to_lowercase())
}

/// The queue, numbered.
pub(crate) fn listing(
    ranked: &[(&Task, Option<&Text>)],
    total: usize,
    filter: &Filter,
    now: DateTime<Utc>,
    zone: Tz,
) -> Text {
    let mut words = Text::new();
    for (number, (task, note)) in (1..).zip(ranked) {
        let due = reply::due(task, now, zone).map(|due| format!(" · {due}"));
        words = words
            .text(format!("{}{number}. ", if number == 1 { "" } else { "\n" }))
            .link(&task.title, &task.url)
            .text(format!(
                " · {}{}",
                reply::place(task),
                due.unwrap_or_default()
            ));
        if let Some(note) = note {
            words = words.text(" · ").then((*note).clone());
        }
    }
    match reply::more_of(total, ranked.len(), filter) {
        Some(more) => words.text("\n").then(more),
        None => words,
    }
}

/// An unknown filter word, and the possible ones.
pub(crate) fn no_client(word: &str, clients: &[String]) -> Text {
    const FEW: usize = 12;
    let clients: Vec<&str> = clients.iter().take(FEW).map(String::as_str).collect();
    let clients = match clients.as_slice() {
        [] => String::new(),
        clients => format!(" Clients: {}.", clients.join(", ")),
    };
    Text::new().text(format!(
        "I can't filter by `{word}`. Filters: {}.{clients}",
        Filter::FORMS.join(", ")
    ))
}

/// No task matches the filter of a list.
pub(crate) fn nothing_to_list(filter: &Filter) -> Text {
    let sources: Vec<&str> = filter.sources.iter().map(|source| source.name()).collect();
    let entities: Vec<&str> = filter.entities.iter().map(String::as_str).collect();
    let labels: Vec<String> = filter
        .labels
        .iter()
        .map(|label| format!("“{label}”"))
        .collect();
    let milestones: Vec<&str> = filter.milestones.iter().map(String::as_str).collect();
    let types: Vec<&str> = filter.types.iter().map(String::as_str).collect();
    let said = [
        filter.overdue.then(|| "overdue".to_owned()),
        filter.blocked.then(|| "blocked".to_owned()),
        filter.snoozed.then(|| "snoozed".to_owned()),
        (!sources.is_empty()).then(|| format!("in {}", sources.join(" or "))),
        (!entities.is_empty()).then(|| format!("for {}", entities.join(" or "))),
        (!labels.is_empty()).then(|| format!("labelled {}", labels.join(" and "))),
        (!milestones.is_empty()).then(|| format!("in the milestone {}", milestones.join(" or "))),
        (!types.is_empty()).then(|| format!("of the type {}", types.join(" or "))),
    ];
    let said: Vec<String> = said.into_iter().flatten().collect();
    let of = match filter.is_of_what_is_held_back() {
        true => "None of your tasks is",
        false => "No task in your queue is",
    };
    Text::new().text(format!("{of} {}.", said.join(" and ")))
}
