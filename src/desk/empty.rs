//! Why a queue, or a list that is narrowed, has nothing in it: one reason for every surface.

use super::CommandSettings;
use crate::command_tx::{CommandTx, why_empty};
use crate::domain::filter::Filter;
use crate::domain::person::Person;
use crate::domain::queue::EmptyQueue;
use crate::domain::reply::{self, Words};
use crate::domain::task::Source;
use crate::settle;
use crate::store::DbResult;

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

/// The sources that a list shows.
fn shown(settings: &CommandSettings, filter: &Filter) -> Vec<Source> {
    let fits = |source: &Source| filter.sources.is_empty() || filter.sources.contains(source);
    settings.sources().filter(fits).collect()
}

impl CommandTx<'_> {
    /// Why a list has nothing in it.
    pub(super) fn nothing_listed(&self, person: &Person, filter: &Filter) -> DbResult<EmptyList> {
        let open = settle::open(self.db, person, self.now, &self.settings.weights)?;
        let sources = shown(self.settings, filter);
        let why = why_empty(self.db, person, &open, sources.into_iter())?;
        Ok(match filter.is_empty() || why.is_unknown() {
            true => EmptyList::Queue(why),
            false => EmptyList::NoMatch(reply::nothing_to_list(filter)),
        })
    }
}
