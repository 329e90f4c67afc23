//! Labels of issues, and tags of tasks: a change of them, and its words.

use serde::{Deserialize, Serialize};

use super::profile::Source;
use super::spelling::similar;
use super::task::Task;

/// Labels to add and to remove, by their names. No name is in both.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LabelChange {
    /// Names to add.
    pub add: Vec<String>,
    /// Names to remove.
    pub remove: Vec<String>,
}

/// Compares names of labels without case, as the sources do.
pub fn same_label(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

/// The label of a task with this name, in the source's spelling.
pub fn on_task<'a>(task: &'a Task, name: &str) -> Option<&'a String> {
    task.labels.iter().find(|label| same_label(label, name))
}

impl LabelChange {
    /// Whether the task is so.
    pub fn holds_in(&self, task: &Task) -> bool {
        let has = |name: &String| on_task(task, name).is_some();
        self.add.iter().all(has) && !self.remove.iter().any(has)
    }

    /// The names that the task does not have. They may be misspelled.
    pub fn unseen_in(&self, task: &Task) -> Vec<&str> {
        let names = self.add.iter().chain(&self.remove);
        names
            .filter(|name| on_task(task, name).is_none())
            .map(String::as_str)
            .collect()
    }

    /// The names to add that the task does not have.
    pub fn missing_in(&self, task: &Task) -> Vec<&str> {
        let names = self.add.iter();
        names
            .filter(|name| on_task(task, name).is_none())
            .map(String::as_str)
            .collect()
    }

    /// The labels of the task to remove, in the source's spelling.
    pub fn to_take_off<'a>(&self, task: &'a Task) -> Vec<&'a str> {
        let names = self.remove.iter();
        names
            .filter_map(|name| on_task(task, name))
            .map(String::as_str)
            .collect()
    }

    /// The state of all its names on the task: those that the task has, and those that it lacks.
    pub(super) fn as_in(&self, task: &Task) -> LabelChange {
        let mut state = LabelChange::default();
        for name in self.add.iter().chain(&self.remove) {
            match on_task(task, name) {
                Some(label) => state.add.push(label.clone()),
                None => state.remove.push(name.clone()),
            }
        }
        state
    }

    /// Both changes together. They agree on the names that are in both.
    pub(super) fn with(mut self, other: LabelChange) -> LabelChange {
        let all = [(&mut self.add, other.add), (&mut self.remove, other.remove)];
        for (names, more) in all {
            for name in more {
                if !names.iter().any(|known| same_label(known, &name)) {
                    names.push(name);
                }
            }
        }
        self
    }

    /// The result as a phrase about a task: `with the label “bug” and without “wontfix”`.
    pub fn result(&self, source: Source) -> String {
        let phrase = |word: &str, names: &[String], named: bool| {
            let kind = match (named, names) {
                (false, _) => String::new(),
                (true, [_]) => format!(" the {}", source.profile().label),
                (true, _) => format!(" the {}", source.profile().labels),
            };
            (!names.is_empty()).then(|| format!("{word}{kind} {}", listed(names)))
        };
        let with = phrase("with", &self.add, true);
        let without = phrase("without", &self.remove, with.is_none());
        let both: Vec<String> = with.into_iter().chain(without).collect();
        both.join(" and ")
    }
}

/// `“a”, “b” and “c”`
fn listed<N: AsRef<str>>(names: &[N]) -> String {
    joined(names, "and")
}

fn joined<N: AsRef<str>>(names: &[N], word: &str) -> String {
    let quoted = |name: &N| format!("“{}”", name.as_ref());
    match names {
        [] => String::new(),
        [one] => quoted(one),
        [first @ .., last] => {
            let first: Vec<String> = first.iter().map(quoted).collect();
            format!("{} {word} {}", first.join(", "), quoted(last))
        }
    }
}

/// The refusal of names that a place (a repository, a space) does not have, with the nearest names that it has.
pub fn unknown(place: &str, source: Source, names: &[&str], known: &[&str]) -> String {
    let kinds = (source.profile().label, source.profile().labels);
    not_there(place, source, kinds, names, known)
}

/// The same for names of another kind, which is given for one and for several.
pub fn not_there(
    place: &str,
    source: Source,
    (label, labels): (&str, &str),
    names: &[&str],
    known: &[&str],
) -> String {
    /// How many names an answer lists.
    const SHOWN: usize = 12;
    let name = source.name();
    let kind = if names.len() == 1 { label } else { labels };
    let mut near: Vec<&str> = Vec::new();
    for one in names.iter().flat_map(|name| similar(name, known)) {
        if !near.contains(&one) {
            near.push(one);
        }
    }
    let advice = match (near.as_slice(), known) {
        ([], []) => format!("It has no {labels} yet, so make one there first"),
        ([], known) => {
            let shown: Vec<&str> = known.iter().copied().take(SHOWN).collect();
            let more = if known.len() > SHOWN { ", …" } else { "" };
            format!("Its {labels}: {}{more}", shown.join(", "))
        }
        (near, _) => format!("Did you mean {}?", joined(near, "or")),
    };
    format!(
        "{place} has no {kind} {} in {name}. {advice}",
        listed(names)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn change(add: &[&str], remove: &[&str]) -> LabelChange {
        let all = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        LabelChange {
            add: all(add),
            remove: all(remove),
        }
    }

    #[rstest]
    #[case(change(&["bug"], &[]), "with the label “bug”")]
    #[case(change(&["bug", "p1"], &["ops"]), "with the labels “bug” and “p1” and without “ops”")]
    #[case(change(&[], &["a", "b", "c"]), "without the labels “a”, “b” and “c”")]
    fn a_change_is_said(#[case] change: LabelChange, #[case] said: &str) {
        assert_eq!(change.result(Source::GitHub), said);
        assert_eq!(change.result(Source::ClickUp), said.replace("label", "tag"));
    }

    #[rstest]
    #[case(&["bgu"], &["bug", "ops"], "acme/widgets has no label “bgu” in GitHub. Did you mean “bug”?")]
    #[case(&["op"], &["bug", "ops"], "acme/widgets has no label “op” in GitHub. Its labels: bug, ops")]
    #[case(&["bgu", "opss"], &["bug", "ops"],
        "acme/widgets has no labels “bgu” and “opss” in GitHub. Did you mean “bug” or “ops”?")]
    #[case(&["bug"], &[], "acme/widgets has no label “bug” in GitHub. It has no labels yet, so make one there first")]
    fn an_unknown_name_is_refused_with_near_ones(
        #[case] names: &[&str],
        #[case] known: &[&str],
        #[case] said: &str,
    ) {
        assert_eq!(unknown("acme/widgets", Source::GitHub, names, known), said);
    }
}
