//! Filters of a list: `list overdue github`.
//!
//! Words of different kinds narrow the list further; two sources, or two clients, match either. The verb `list` resolves
//! clients, blocked tasks and snoozes.

use std::collections::BTreeSet;
use std::fmt;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::score::is_overdue;
use super::task::{Source, Task};

/// The filter of a list.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only tasks whose due time or day has passed.
    pub overdue: bool,
    /// Tasks that wait for others, which the queue leaves out.
    pub blocked: bool,
    /// Snoozed tasks, which the queue leaves out.
    pub snoozed: bool,
    /// Only tasks of these sources; empty for all.
    pub sources: BTreeSet<Source>,
    /// Clients, in lower case.
    pub entities: BTreeSet<String>,
    /// The text as it was typed, for an answer about it.
    pub typed: String,
}

/// Filters are equal if they match the same tasks.
impl PartialEq for Filter {
    fn eq(&self, other: &Filter) -> bool {
        let fits = |filter: &Filter| (filter.overdue, filter.blocked, filter.snoozed);
        fits(self) == fits(other)
            && self.sources == other.sources
            && self.entities == other.entities
    }
}

impl Eq for Filter {}

impl Filter {
    /// The words that are no names of clients.
    pub const WORDS: [&str; 5] = ["overdue", "blocked", "snoozed", "clickup", "github"];

    /// Reads words separated by spaces or commas. A word outside [`Filter::WORDS`] may be a client.
    pub fn read(text: &str) -> Filter {
        let mut filter = Filter {
            typed: text.trim().to_owned(),
            ..Filter::default()
        };
        let words = text.split(|c: char| c.is_whitespace() || c == ',');
        for word in words.filter(|word| !word.is_empty()) {
            filter.narrow(word);
        }
        filter
    }

    fn narrow(&mut self, word: &str) {
        let word = word.to_lowercase();
        match word.as_str() {
            "overdue" => self.overdue = true,
            "blocked" => self.blocked = true,
            "snoozed" => self.snoozed = true,
            _ => match Source::parse(&word) {
                Some(source) => {
                    self.sources.insert(source);
                }
                None => {
                    self.entities.insert(word);
                }
            },
        }
    }

    /// Whether it narrows nothing: every task of the queue matches.
    pub fn is_empty(&self) -> bool {
        *self == Filter::default()
    }

    /// Whether it asks for tasks that the queue leaves out.
    pub fn is_of_what_is_held_back(&self) -> bool {
        self.blocked || self.snoozed
    }

    /// Whether the task's own fields match.
    pub fn fits(&self, task: &Task, now: DateTime<Utc>, zone: Tz) -> bool {
        let of_client = || {
            let entity = task.entity.as_ref().map(|entity| entity.to_lowercase());
            entity.is_some_and(|entity| self.entities.contains(&entity))
        };
        (!self.overdue || is_overdue(task, now, zone))
            && (self.sources.is_empty() || self.sources.contains(&task.key.source()))
            && (self.entities.is_empty() || of_client())
    }
}

impl fmt::Display for Filter {
    /// A form that can be typed again: `overdue github acme`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = [
            (self.overdue, "overdue"),
            (self.blocked, "blocked"),
            (self.snoozed, "snoozed"),
        ];
        let plain = plain
            .into_iter()
            .filter_map(|(is, word)| is.then_some(word));
        let sources = self.sources.iter().map(|source| source.as_str());
        let entities = self.entities.iter().map(String::as_str);
        let words: Vec<&str> = plain.chain(sources).chain(entities).collect();
        f.write_str(&words.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("", "")]
    #[case("overdue", "overdue")]
    #[case("GitHub Overdue", "overdue github")]
    #[case("acme, snoozed,blocked", "blocked snoozed acme")]
    #[case("github clickup Globex acme", "clickup github acme globex")]
    fn words_are_read_in_any_order(#[case] typed: &str, #[case] shown: &str) {
        let filter = Filter::read(typed);
        assert_eq!(filter.to_string(), shown);
        assert_eq!(Filter::read(shown), filter);
        assert_eq!(filter.is_empty(), shown.is_empty());
    }

    #[test]
    fn every_word_narrows() {
        for word in Filter::WORDS {
            let filter = Filter::read(word);
            assert!(filter.entities.is_empty(), "{word}");
            assert_eq!(filter.to_string(), word);
        }
    }
}
