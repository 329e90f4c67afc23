//! Filters of a list: `list overdue github label:bug`.
//!
//! Words of different kinds narrow the list further; two sources, or two clients, match either. A task has to have each of
//! several labels. The verb `list` resolves clients, blocked tasks and snoozes.

use std::collections::BTreeSet;
use std::fmt;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::labels::on_task;
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
    /// Labels or tags, in lower case. A task has all of them.
    pub labels: BTreeSet<String>,
    /// Titles of milestones, in lower case: a task is in one of them. `none`: it is in no milestone.
    pub milestones: BTreeSet<String>,
    /// Names of types, in lower case: a task has one of them. `none`: it has no type.
    pub types: BTreeSet<String>,
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
            && self.labels == other.labels
            && self.milestones == other.milestones
            && self.types == other.types
    }
}

impl Eq for Filter {}

impl Filter {
    /// The words that are no names of clients.
    pub const WORDS: [&str; 5] = ["overdue", "blocked", "snoozed", "clickup", "github"];

    /// The words, and the forms with a name, for hints.
    pub const FORMS: [&str; 8] = [
        "overdue",
        "blocked",
        "snoozed",
        "clickup",
        "github",
        "label:NAME",
        "milestone:NAME",
        "type:NAME",
    ];

    /// The beginnings of a filter by label.
    const LABEL: [&str; 2] = ["label:", "tag:"];
    /// The beginning of a filter by milestone.
    const MILESTONE: [&str; 1] = ["milestone:"];
    /// The beginning of a filter by type.
    const TYPE: [&str; 1] = ["type:"];

    /// Whether a word is a filter and no client.
    pub fn is_word(word: &str) -> bool {
        let word = word.to_lowercase();
        Filter::WORDS.contains(&word.as_str()) || is_named(&word)
    }

    /// Splits at white space. A name in quotation marks after a colon stays whole: `label:"good first issue"`.
    pub fn split(text: &str) -> Vec<&str> {
        split(text, char::is_whitespace)
    }

    /// The first of these words, and the text after it.
    pub fn split_first(text: &str) -> (&str, &str) {
        next_word(text, char::is_whitespace).unwrap_or((text, ""))
    }

    /// Reads words separated by spaces or commas. A word that is no [`Filter::is_word`] may be a client.
    pub fn read(text: &str) -> Filter {
        let mut filter = Filter {
            typed: text.trim().to_owned(),
            ..Filter::default()
        };
        for word in split(text, |c: char| c.is_whitespace() || c == ',') {
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
            _ => {
                if let Some(source) = Source::parse(&word) {
                    self.sources.insert(source);
                } else if let Some(label) = name_after(&Filter::LABEL, &word) {
                    self.labels.insert(label.to_owned());
                } else if let Some(milestone) = name_after(&Filter::MILESTONE, &word) {
                    self.milestones.insert(milestone.to_owned());
                } else if let Some(name) = name_after(&Filter::TYPE, &word) {
                    self.types.insert(name.to_owned());
                } else {
                    self.entities.insert(word);
                }
            }
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
            && self.is_marked(task)
    }

    /// Only the names of labels, milestones and types.
    #[must_use]
    pub fn of_marks(&self) -> Filter {
        Filter {
            labels: self.labels.clone(),
            milestones: self.milestones.clone(),
            types: self.types.clone(),
            ..Filter::default()
        }
    }

    /// Whether the task has all the labels, is in one of the milestones, and has one of the types.
    pub fn is_marked(&self, task: &Task) -> bool {
        let is_one_of = |names: &BTreeSet<String>, name: &Option<String>| {
            let name = name.as_ref().map(|name| name.to_lowercase());
            names.is_empty() || names.contains(name.as_deref().unwrap_or("none"))
        };
        // A task without a type may have a name for that: `type:task`.
        let is_plain = || {
            let plain = task.key.source().profile().plain_type;
            task.task_type.is_none() && plain.is_some_and(|plain| self.types.contains(plain))
        };
        let mut labels = self.labels.iter();
        labels.all(|label| on_task(task, label).is_some())
            && is_one_of(&self.milestones, &task.milestone)
            && (is_one_of(&self.types, &task.task_type) || is_plain())
    }
}

/// Whether a word is `label:NAME` or similar.
fn is_named(word: &str) -> bool {
    name_after(&Filter::LABEL, word)
        .or_else(|| name_after(&Filter::MILESTONE, word))
        .or_else(|| name_after(&Filter::TYPE, word))
        .is_some()
}

/// The name in `label:NAME`, without quotation marks. The word is in lower case.
fn name_after<'a>(begins: &[&str], word: &'a str) -> Option<&'a str> {
    let mut begins = begins.iter();
    let name = begins.find_map(|begin| word.strip_prefix(begin))?;
    let name = name.trim_matches(is_quote).trim();
    (!name.is_empty()).then_some(name)
}

fn is_quote(c: char) -> bool {
    matches!(c, '"' | '“' | '”' | '„')
}

/// Words between these characters, which count as letters within quotation marks.
fn split(text: &str, is_between: impl Fn(char) -> bool) -> Vec<&str> {
    let (mut words, mut rest) = (Vec::new(), text);
    while let Some((word, after)) = next_word(rest, &is_between) {
        words.push(word);
        rest = after;
    }
    words
}

fn next_word(text: &str, is_between: impl Fn(char) -> bool) -> Option<(&str, &str)> {
    let text = text.trim_start_matches(&is_between);
    let (mut before, mut is_quoted) = (' ', false);
    for (at, c) in text.char_indices() {
        match is_quoted {
            true => is_quoted = !is_quote(c),
            false => is_quoted = before == ':' && is_quote(c) && closes(text, at, c),
        }
        if !is_quoted && is_between(c) {
            return text.split_at_checked(at);
        }
        before = c;
    }
    (!text.is_empty()).then_some((text, ""))
}

/// Whether another mark follows the one at this place.
fn closes(text: &str, at: usize, mark: char) -> bool {
    let after = text.get(at + mark.len_utf8()..);
    after.is_some_and(|after| after.contains(is_quote))
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
        let mut words: Vec<String> = plain
            .chain(sources)
            .chain(entities)
            .map(str::to_owned)
            .collect();
        let named = [
            ("label", &self.labels),
            ("milestone", &self.milestones),
            ("type", &self.types),
        ];
        for (kind, names) in named {
            words.extend(names.iter().map(|name| match name.contains([' ', ',']) {
                true => format!("{kind}:\"{name}\""),
                false => format!("{kind}:{name}"),
            }));
        }
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
    #[case("label:Bug overdue", "overdue label:bug")]
    #[case("tag:ops,label:bug acme", "acme label:bug label:ops")]
    #[case(
        "label:\"Good first issue\" github",
        "github label:\"good first issue\""
    )]
    #[case("label:“phase 2”,x", "x label:\"phase 2\"")]
    #[case("label: bug", "bug label:")]
    #[case("milestone:2.1 label:x", "label:x milestone:2.1")]
    #[case("Type:Bug milestone:2.1 type:none", "milestone:2.1 type:bug type:none")]
    #[case("label:\"bug fix", "fix label:bug")]
    fn words_are_read_in_any_order(#[case] typed: &str, #[case] shown: &str) {
        let filter = Filter::read(typed);
        assert_eq!(filter.to_string(), shown);
        assert_eq!(Filter::read(shown), filter);
        assert_eq!(filter.is_empty(), shown.is_empty());
    }

    #[test]
    fn forms_are_the_words_and_a_label() {
        assert_eq!(Filter::FORMS[..5], Filter::WORDS);
        assert!(
            Filter::is_word("Overdue")
                && Filter::is_word("Label:x")
                && Filter::is_word("milestone:2")
                && Filter::is_word("TYPE:bug")
        );
        assert!(!Filter::is_word("label:") && !Filter::is_word("acme"));
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
