//! `find WORDS [FILTER] [-n N]`: tasks of the mirror by their words, best first, finished ones too.

use std::collections::BTreeMap;

use clap::Args;
use serde::Deserialize;
use utoipa::ToSchema;

use super::grammar::{Flag, ParseError, digits, flag, skip_spaces, split_word, trim};
use super::line::{AnswerKind, Call, CommandLine, Line, encoded};
use super::list::{listing, with_clients};
use super::{Info, ShownContext, Verb};
use crate::command_tx::{CommandTx, Context, Decided, Handled, Reply, Stop, why_empty};
use crate::completion;
use crate::domain::card::{Button, ButtonAction, CardPart, item};
use crate::domain::filter::Filter;
use crate::domain::ids::TaskRow;
use crate::domain::person::Person;
use crate::domain::queue::FirstRead;
use crate::domain::reply::{LIST_MAX, Text};
use crate::domain::task::{Task, TaskStatus};
use crate::store::tasks::StoredTask;
use crate::store::{access, open_tasks, people, search, snoozes};

/// The default number of tasks in an answer.
const FOUND: usize = 10;
/// The most words of one search. A longer text is prose.
const WORDS_MAX: usize = 12;
/// The most characters of the words of one search.
const LETTERS_MAX: usize = 3_000;

const NUMBER: Flag = Flag::new("-n", "--number", "20");

/// Shows tasks with these words, best first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Find {
    /// The most tasks to show, at most 50. Default: 10.
    pub limit: Option<usize>,
    /// Each counts by its beginning, in any order.
    pub words: Vec<String>,
    /// Empty: every task of the mirror.
    #[serde(skip)]
    pub filter: Filter,
}

impl Verb for Find {
    const INFO: &'static Info = &Info {
        name: "find",
        aliases: &["search"],
        usage: "find WORDS [FILTER] [-n N]",
        effect: "find tasks by words in their title, description and comments; their numbers work as REF",
        examples: &["find login safari", "find invoice clickup -n 20"],
        shown: ShownContext::Never,
        line: Some(CommandLine::of::<FindWords>(&[
            "ivan find login",
            "ivan find invoice clickup -n 20",
            "ivan find 'staging host' --json",
        ])),
        ..Info::SHOWS
    };

    /// Filters and the option stand anywhere. A client is found by its name, like any word. Without other words the
    /// filters themselves are searched for.
    fn read(rest: &str) -> Result<Find, ParseError> {
        let mut rest = skip_spaces(rest);
        let (mut limit, mut words, mut filters) = (None, Vec::new(), Vec::new());
        while !trim(rest).is_empty() {
            rest = trim(rest);
            if let Some((_, after)) = flag(rest, &[NUMBER]) {
                let (value, after) = split_word(skip_spaces(after));
                let number = digits(value).ok_or_else(|| NUMBER.no_value())?;
                if limit.is_some() {
                    return Err(ParseError::Twice(NUMBER.short));
                }
                limit = Some(usize::try_from(number).unwrap_or(LIST_MAX));
                rest = after;
                continue;
            }
            // A name after `label:` may have several words.
            let (word, after) = Filter::split_first(rest);
            match Filter::is_word(word) {
                true => filters.push(word.to_owned()),
                false => words.push(word.to_owned()),
            }
            rest = after;
        }
        words.retain(|word| word.chars().any(char::is_alphanumeric));
        if words.is_empty() {
            words = std::mem::take(&mut filters);
        }
        let letters: usize = words.iter().map(|word| word.chars().count()).sum();
        match words.len() {
            0 => Err(ParseError::Slip(
                "Type the words to look for: `find login safari`.".to_owned(),
            )),
            1..=WORDS_MAX if letters > LETTERS_MAX => Err(ParseError::Prose(format!(
                "I look for words of at most {LETTERS_MAX} letters in all: `find login safari`."
            ))),
            1..=WORDS_MAX => Ok(Find {
                limit,
                words,
                filter: Filter::read(&filters.join(" ")),
            }),
            _ => Err(ParseError::Prose(format!(
                "I look for at most {WORDS_MAX} words: `find login safari`."
            ))),
        }
    }

    fn decide(self, tx: &CommandTx<'_>, person: &Person, _context: &Context) -> Decided {
        let found = found(tx, person, &self.words, &self.filter)?;
        let limit = self.limit.unwrap_or(FOUND).min(LIST_MAX);
        let shown: Vec<&StoredTask> = found.tasks.iter().take(limit).collect();
        if shown.is_empty() {
            return Ok(Handled::Replied(Reply::from(nothing_found(
                &self,
                &found.reading,
            ))));
        }
        let rows: Vec<TaskRow> = shown.iter().map(|stored| stored.row).collect();
        let list = people::list(tx.db, person.id, &rows, None)?;
        let notes: BTreeMap<TaskRow, Text> = shown
            .iter()
            .filter_map(|stored| Some((stored.row, note(&stored.task)?)))
            .collect();
        let listed: Vec<(&Task, Option<&Text>)> = shown
            .iter()
            .map(|stored| (&stored.task, notes.get(&stored.row)))
            .collect();
        let after = below(&self, (found.tasks.len(), shown.len()), found.is_cut);
        let everything = Filter::default();
        let words = listing(&listed, shown.len(), &everything, tx.now, person.zone)
            .text("\n")
            .then(after.clone());
        let mut parts: Vec<CardPart> = (1..)
            .zip(&shown)
            .map(|(number, stored)| {
                let mut item = item(number, stored.row, &stored.task, tx.now, person.zone);
                item.note = notes.get(&stored.row).cloned();
                CardPart::Card(item)
            })
            .collect();
        parts.push(CardPart::Text(after));
        if found.tasks.len() > shown.len() && shown.len() < LIST_MAX {
            let longer = again(&self, found.tasks.len().min(LIST_MAX));
            let more = Button::new("More", ButtonAction::Say(longer));
            parts.push(CardPart::Buttons(vec![more]));
        }
        Ok(Handled::Replied(Reply {
            words,
            parts,
            list: Some(list),
            ..Reply::default()
        }))
    }
}

/// The words after `ivan find`.
#[derive(Debug, Args)]
struct FindWords {
    /// Words of titles, descriptions and comments, and filters: overdue, blocked, snoozed, clickup, github, label:NAME, milestone:NAME, type:NAME
    #[arg(required = true)]
    words: Vec<String>,
    /// The most tasks to show
    #[arg(short = 'n', long = "number", value_parser = clap::value_parser!(u16).range(1..=50))]
    number: Option<u16>,
}

impl Line for FindWords {
    fn call(self, _info: &Info) -> Call {
        let typed = self.words.join(" ");
        let mut path = format!("/find?words={}", encoded(&typed));
        if let Some(number) = self.number {
            path.push_str(&format!("&limit={number}"));
        }
        Call::get(path, AnswerKind::Found { words: typed })
    }
}

/// The tasks that match, best first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FoundTasks {
    /// Those that the person may see.
    pub tasks: Vec<StoredTask>,
    /// Whether there may be more: only so many matches are read.
    pub is_cut: bool,
    /// The sources that are being read for the first time.
    pub reading: Vec<FirstRead>,
}

/// Finds tasks of the mirror. A task that the person may not name is not found.
pub fn found(
    tx: &CommandTx<'_>,
    person: &Person,
    words: &[String],
    filter: &Filter,
) -> Result<FoundTasks, Stop> {
    let filter = with_clients(tx.db, &tx.settings.entities, filter)?;
    let matches = search::find(tx.db, words)?;
    let is_cut = matches.len() >= search::CANDIDATES_MAX;
    let blocked = match filter.blocked {
        true => open_tasks::waits(tx.db, tx.now)?.1.blocked().collect(),
        false => std::collections::BTreeSet::new(),
    };
    let snoozed = match filter.snoozed {
        true => snoozes::hidden(tx.db, person.id, tx.now)?,
        false => std::collections::BTreeSet::new(),
    };
    let mut tasks = Vec::new();
    for stored in matches {
        let is_open = stored.task.status != TaskStatus::Done;
        let fits = (!filter.blocked || blocked.contains(&stored.row))
            && (!filter.snoozed || snoozed.contains(&stored.row))
            && (!filter.overdue || is_open)
            && filter.fits(&stored.task, tx.now, person.zone);
        if fits && access::may_name(tx.db, person, &stored)? {
            tasks.push(stored);
        }
    }
    let reading = match tasks.is_empty() {
        true => {
            let open = completion::open(tx.db, person, tx.now, &tx.settings.weights)?;
            let why = why_empty(tx.db, person, &open, tx.settings.sources())?;
            why.reading().to_vec()
        }
        false => Vec::new(),
    };
    Ok(FoundTasks {
        tasks,
        is_cut,
        reading,
    })
}

/// The note of a finished task.
pub(crate) fn note(task: &Task) -> Option<Text> {
    (task.status == TaskStatus::Done).then(|| Text::new().text("✓ done"))
}

/// What was searched.
pub(crate) const SEARCHED: &str =
    "Only tasks that I follow are searched, and comments that I have seen.";

/// The end of an answer: the number of further tasks, of all and those shown, and what was searched. `cut`: there may be
/// more than all.
pub(crate) fn below(asked: &Find, (total, shown): (usize, usize), cut: bool) -> Text {
    let more = total.saturating_sub(shown);
    if more == 0 {
        return Text::new().text(SEARCHED);
    }
    let than = if cut { "More than " } else { "" };
    let words = Text::new().text(format!("{than}{more} more: "));
    let words = if shown >= LIST_MAX {
        words.text("another word or a filter shows fewer")
    } else if total <= LIST_MAX && !cut {
        words.code(again(asked, total)).text(" shows all")
    } else {
        let most = total.min(LIST_MAX);
        words
            .code(again(asked, most))
            .text(format!(" shows the first {most}"))
    };
    words.text(format!(". {SEARCHED}"))
}

/// The command with another number of tasks.
fn again(asked: &Find, number: usize) -> String {
    let typed = format!("find {} {}", asked.words.join(" "), asked.filter);
    format!("{} -n {number}", typed.trim_end())
}

/// No task matches.
pub(crate) fn nothing_found(asked: &Find, reading: &[FirstRead]) -> Text {
    let of = match asked.filter.is_empty() {
        true => String::new(),
        false => format!(" of `{}`", asked.filter),
    };
    let all = match asked.words.len() {
        1 => "the word",
        _ => "all the words",
    };
    let not_read = match reading {
        [] => String::new(),
        reading => {
            let names: Vec<&str> = reading.iter().map(|one| one.source.name()).collect();
            format!("I'm still reading {}. ", names.join(" and "))
        }
    };
    Text::new()
        .text(format!("No task{of} has {all} "))
        .code(asked.words.join(" "))
        .text(format!(". {not_read}{SEARCHED}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("login safari", "login safari", "", None)]
    #[case(" Login   GitHub overdue", "Login", "overdue github", None)]
    #[case("github", "github", "", None)]
    #[case("error 404 -n 20", "error 404", "", Some(20))]
    #[case("-n 5 “login”", "“login”", "", Some(5))]
    #[case("login - ! —", "login", "", None)]
    fn words_filters_and_a_number_are_told_apart(
        #[case] typed: &str,
        #[case] words: &str,
        #[case] filter: &str,
        #[case] limit: Option<usize>,
    ) {
        let read = Find::read(typed).unwrap();
        assert_eq!(read.words.join(" "), words);
        assert_eq!(read.filter.to_string(), filter);
        assert_eq!(read.limit, limit);
    }

    #[rstest]
    #[case("")]
    #[case(" …")]
    #[case("login -n")]
    #[case("login -n many")]
    #[case("login -n 2 -n 3")]
    #[case(&format!("login {}", "a-".repeat(20_000)))]
    #[case("out whether the customer of last week wants the same thing again or not")]
    fn a_text_without_a_search_gets_a_hint(#[case] typed: &str) {
        assert!(Find::read(typed).is_err());
    }
}
