//! Why a queue, or a list that is narrowed, has nothing in it: one reason for every surface.

use super::DeskSettings;
use super::turn::Turn;
use crate::domain::filter::Filter;
use crate::domain::person::Person;
use crate::domain::queue::EmptyQueue;
use crate::domain::reply::{self, Words};
use crate::domain::task::Source;
use crate::settle::{self, Open};
use crate::store::{Db, DbResult, tasks};

/// Why a list has nothing in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EmptyList {
    Queue(EmptyQueue),
    /// No task fits what the list is narrowed to. The sentence says so.
    NoMatch(Words),
}

impl EmptyList {
    /// The word in the HTTP API.
    pub fn word(&self) -> &'static str {
        match self {
            EmptyList::Queue(why) => why.word(),
            EmptyList::NoMatch(_) => "no_match",
        }
    }

    /// The sentence beside the word; none if it would add nothing.
    pub fn message(&self) -> Option<Words> {
        match self {
            EmptyList::Queue(why) if why.is_plain() => None,
            empty => Some(empty.words()),
        }
    }

    pub(super) fn words(&self) -> Words {
        match self {
            EmptyList::Queue(why) => reply::empty(why),
            EmptyList::NoMatch(words) => words.clone(),
        }
    }
}

/// Why nothing of these sources is offered to a person who has these tasks open.
pub(super) fn why_empty(
    connection: &Db,
    person: &Person,
    open: &Open,
    sources: impl Iterator<Item = Source>,
) -> DbResult<EmptyQueue> {
    let (mut unread, mut unlinked, mut linked) = (Vec::new(), Vec::new(), false);
    for source in sources {
        if tasks::synced_at(connection, source)?.is_none() {
            unread.push(source);
        }
        match person.alone || person.account(source).is_some() {
            true => linked = true,
            false => unlinked.push(source),
        }
    }
    let (blocked, snoozed) = (open.blocked.len(), open.snoozed.len());
    Ok(match (unread.is_empty(), linked) {
        (false, _) => EmptyQueue::NotRead(unread),
        (true, false) if !unlinked.is_empty() => EmptyQueue::NotLinked(unlinked),
        _ if blocked + snoozed > 0 => EmptyQueue::HeldBack { blocked, snoozed },
        _ if person.alone => EmptyQueue::Done,
        _ => EmptyQueue::NothingAssigned(unlinked),
    })
}

/// The sources that a list shows.
fn shown(settings: &DeskSettings, filter: &Filter) -> Vec<Source> {
    let fits = |source: &Source| filter.sources.is_empty() || filter.sources.contains(source);
    settings.sources().filter(fits).collect()
}

impl Turn<'_> {
    pub(super) fn why_empty(&self, person: &Person) -> DbResult<EmptyQueue> {
        let inner = self.inner;
        let open = settle::open(self.tx, person, self.now, &inner.settings.weights)?;
        why_empty(self.tx, person, &open, inner.settings.sources())
    }

    /// The same in words.
    pub(super) fn empty(&self, person: &Person) -> DbResult<Words> {
        Ok(reply::empty(&self.why_empty(person)?))
    }

    /// Why a list has nothing in it.
    pub(super) fn nothing_listed(&self, person: &Person, filter: &Filter) -> DbResult<EmptyList> {
        let inner = self.inner;
        let open = settle::open(self.tx, person, self.now, &inner.settings.weights)?;
        let sources = shown(&inner.settings, filter);
        let why = why_empty(self.tx, person, &open, sources.into_iter())?;
        Ok(match filter.is_empty() || why.is_unknown() {
            true => EmptyList::Queue(why),
            false => EmptyList::NoMatch(reply::nothing_to_list(filter)),
        })
    }
}
