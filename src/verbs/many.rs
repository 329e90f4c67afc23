//! One command for several tasks: `done 1 3 5`, `snooze 2-4 mon`.
//!
//! A text is read as such a command only if the verb cannot read it by itself, so that `due 1 2 dec` stays one task. Each
//! task gets a command of its own, which its verb decides as always; one receipt shows them all.
//!
//! A filter in place of the REFs (`snooze overdue mon`), or more than ten tasks, asks first. What a filter matches is
//! decided when it asks.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde::de::Error;
use serde_json::{Map, Value, json};
use utoipa::openapi::{ArrayBuilder, RefOr, Schema};

use super::body::read_ref;
use super::grammar::{ParseError, before, digits, excerpt, parse_ref, split_word, trim};
use super::list::{filtered, nothing_listed};
use super::{Assign, Command, Done, Info, Names, ShownContext, Verb, names_no_task, parse, schema};
use crate::command_tx::{CommandTx, Context, Decided, Handled, Rejection, Stop};
use crate::domain::command::{AskedCommand, Ref};
use crate::domain::filter::Filter;
use crate::domain::person::Person;
use crate::domain::reply::{self, LIST_MAX, Text};
use crate::domain::shared_file::SharedFile;
use crate::domain::task::Task;
use crate::store::tasks::{self, StoredTask};

/// The most tasks of one command.
pub const TASKS_MAX: usize = LIST_MAX;
/// More tasks than these are asked about first.
pub const WITHOUT_ASKING: usize = 10;
/// The most clients in a filter: a longer text may be prose.
const CLIENTS_MAX: usize = 2;
/// The most words of a filter that are read.
const FILTER_MAX: usize = 16;
/// The most REFs that are read; a longer text is no command.
const TYPED_MAX: usize = 100;

/// One or more tasks, as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refs {
    /// One task.
    One(Ref),
    /// Numbers of the last list, from the first to the last one.
    Range(usize, usize),
}

impl Refs {
    /// Parses a REF, or a range of numbers: `2-4`.
    pub fn parse(text: &str) -> Option<Refs> {
        if let Some((first, last)) = text.split_once(['-', '–', '—']) {
            let number = |text: &str| usize::try_from(digits(text)?).ok();
            if let (Some(first), Some(last)) = (number(first), number(last)) {
                return (first <= last).then_some(Refs::Range(first, last));
            }
        }
        parse_ref(text).map(Refs::One)
    }

    fn count(&self) -> usize {
        match self {
            Refs::One(_) => 1,
            Refs::Range(first, last) => (last - first).saturating_add(1),
        }
    }

    fn all(&self) -> Vec<Ref> {
        match self {
            Refs::One(task) => vec![task.clone()],
            Refs::Range(first, last) => (*first..=*last).map(Ref::Nth).collect(),
        }
    }

    fn is_number(&self) -> bool {
        match self {
            Refs::One(task) => names_no_task(Some(task)),
            Refs::Range(..) => true,
        }
    }
}

/// The tasks of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Tasks {
    /// By their REFs.
    Named(Vec<Refs>),
    /// Those of the person's queue that match.
    Filter(Filter),
}

/// A verb for several tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Many {
    tasks: Tasks,
    /// The command without a task.
    each: Box<Command>,
    /// The text after the verb and its tasks.
    rest: String,
}

/// The tasks of a command as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Typed<'a> {
    /// REFs and ranges.
    Refs(Vec<&'a str>),
    /// Words of a filter.
    Filter(&'a str),
}

impl From<Many> for Command {
    fn from(many: Many) -> Command {
        Command::Many(many)
    }
}

/// Parses the text after a verb: as one command, else as one for several tasks.
pub fn read<V: Verb + Into<Command>>(rest: &str) -> Result<Command, ParseError> {
    match V::read(rest) {
        Ok(verb) => Ok(verb.into()),
        Err(error) if V::INFO.many => {
            let Some((typed, verb, rest)) = split::<V>(rest) else {
                return Err(error);
            };
            let tasks = match typed {
                Typed::Refs(refs) => {
                    Tasks::Named(refs.into_iter().filter_map(Refs::parse).collect())
                }
                Typed::Filter(words) => Tasks::Filter(Filter::read(words)),
            };
            Ok(Command::Many(Many {
                tasks,
                each: Box::new(verb.into()),
                rest: rest.to_owned(),
            }))
        }
        Err(error) => Err(error),
    }
}

/// Splits `1 3-5 REST` into the REFs as typed and the command without a task that `REST` is. The longest such rest counts:
/// `1 2 3 dec` is the third of December for two tasks. `None` for a single task.
pub fn split<V: Verb>(rest: &str) -> Option<(Typed<'_>, V, &str)> {
    if let Some(filtered) = split_filter(trim(rest)) {
        return Some(filtered);
    }
    let mut typed: Vec<&str> = Vec::new();
    let mut rest = trim(rest);
    let mut has_range = false;
    while let Some((found, after)) = next_refs(rest) {
        let is_range = |text: &&str| matches!(Refs::parse(text), Some(Refs::Range(..)));
        has_range |= found.iter().any(is_range);
        typed.extend(found);
        rest = after;
        if typed.len() > TYPED_MAX {
            return None;
        }
        if (typed.len() > 1 || has_range)
            && let Ok(verb) = V::read(rest)
            && verb.task().is_none()
        {
            return Some((Typed::Refs(typed), verb, rest));
        }
    }
    None
}

/// Splits `overdue acme REST`. The first word is one of a filter; the others may be clients.
fn split_filter<V: Verb>(text: &str) -> Option<(Typed<'_>, V, &str)> {
    let (mut rest, mut clients) = (text, 0);
    for _ in 0..FILTER_MAX {
        let (word, after) = split_word(rest);
        let word = word.trim_end_matches([',', '.', '!']).to_lowercase();
        if !Filter::is_word(&word) {
            clients += 1;
            if word.is_empty() || rest == text || clients > CLIENTS_MAX {
                return None;
            }
        }
        rest = trim(after);
        if let Ok(verb) = V::read(rest)
            && verb.task().is_none()
        {
            let words = trim(before(text, rest)).trim_end_matches([',', '.', '!']);
            return Some((Typed::Filter(words), verb, rest));
        }
    }
    None
}

/// The REFs of the next word, which commas may separate, and the text after it. `and` before it is left out.
fn next_refs(text: &str) -> Option<(Vec<&str>, &str)> {
    let (word, after) = split_word(text);
    let after = trim(after);
    if word.eq_ignore_ascii_case("and") || word == "&" {
        let (word, _) = split_word(after);
        // Two of them are no list.
        return match word.eq_ignore_ascii_case("and") || word == "&" {
            true => None,
            false => next_refs(after),
        };
    }
    let end = if after.is_empty() {
        &['.', '!', ','][..]
    } else {
        &[','][..]
    };
    let word = word.trim_end_matches(end);
    if word.is_empty() {
        return None;
    }
    if Refs::parse(word).is_some() {
        return Some((vec![word], after));
    }
    let found: Vec<&str> = word.split(',').collect();
    let all = found.iter().all(|one| Refs::parse(one).is_some());
    all.then_some((found, after))
}

/// Reads the body of a request. `refs` in place of `ref` names several tasks, and `filter` those that match.
pub fn body<V: Verb + Into<Command>>(json: &str) -> serde_json::Result<Command> {
    // Only a body that may have the members is read twice, because the errors of the other way name a position.
    if !V::INFO.many || !json.contains("refs") && !json.contains("filter") {
        return serde_json::from_str::<V>(json).map(Into::into);
    }
    let mut members: Map<String, Value> = serde_json::from_str(json)?;
    let error = |why: String| serde_json::Error::custom(why);
    let tasks = match (members.remove("refs"), members.remove("filter")) {
        (None, None) => return serde_json::from_str::<V>(json).map(Into::into),
        (Some(_), Some(_)) => {
            return Err(error("`refs` and `filter` exclude each other".to_owned()));
        }
        (Some(refs), None) => {
            let named = Vec::<String>::deserialize(refs)?;
            if named.is_empty() {
                return Err(error("`refs` is empty. Name at least one task".to_owned()));
            }
            let refs = |text: &String| match Refs::parse(trim(text)) {
                Some(refs) => Ok(refs),
                None => read_ref(text).map(Refs::One),
            };
            let named: Result<Vec<Refs>, String> = named.iter().map(refs).collect();
            Tasks::Named(named.map_err(error)?)
        }
        (None, Some(filter)) => match Filter::read(&String::deserialize(filter)?) {
            filter if filter.is_empty() => {
                return Err(error(
                    "`filter` is empty. Give at least one word".to_owned(),
                ));
            }
            filter => Tasks::Filter(filter),
        },
    };
    if members.contains_key("ref") {
        return Err(error("`ref` and `refs` exclude each other".to_owned()));
    }
    let rest: Vec<&str> = members.values().filter_map(Value::as_str).collect();
    let rest = rest.join(" ");
    Ok(Command::Many(Many {
        tasks,
        each: Box::new(serde_json::from_value::<V>(Value::Object(members))?.into()),
        rest,
    }))
}

/// The member `refs`, for the API's description.
pub fn refs_schema() -> RefOr<Schema> {
    let item = schema::text(
        "As `ref`; or numbers of the last list from the first to the last one.",
        &["2", "2-4", "clickup:86tst0001"],
    );
    ArrayBuilder::new()
        .items(item)
        .min_items(Some(1))
        .description(Some(format!(
            "Several tasks, {TASKS_MAX} at most, instead of `ref`. The answer has `results`, one for each. With more \
             than {WITHOUT_ASKING}, nothing is done before `POST /confirm`."
        )))
        .into()
}

/// The member `filter`, for the API's description.
pub fn filter_schema() -> RefOr<Schema> {
    schema::text(
        "Words of `list`, instead of `ref`. Nothing is done before `POST /confirm`.",
        &["overdue", "github acme"],
    )
    .into()
}

/// The body of a command line for several tasks: `member` is the rest of the words. `None` for one task.
pub fn of_line<V: Verb>(words: &str, member: &str) -> Option<Value> {
    if V::read(words).is_ok() {
        return None;
    }
    let (typed, _, rest) = split::<V>(words)?;
    let rest = rest.strip_prefix("to ").unwrap_or(rest);
    let mut body = match typed {
        Typed::Refs(refs) => json!({ "refs": refs }),
        Typed::Filter(words) => json!({ "filter": words }),
    };
    if let Some(members) = body.as_object_mut().filter(|_| !rest.is_empty()) {
        members.insert(member.to_owned(), rest.into());
    }
    Some(body)
}

impl Many {
    /// The name, the help and the routes of its verb.
    pub fn info(&self) -> &'static Info {
        self.each.info()
    }

    /// It has several tasks.
    pub fn task(&self) -> Option<&Ref> {
        None
    }

    /// The verb for this one task.
    #[must_use]
    pub fn about(self, task: Ref) -> Many {
        Many {
            tasks: Tasks::Named(vec![Refs::One(task)]),
            ..self
        }
    }

    /// Whether its meaning depends on the list that its author had been shown.
    pub fn depends_on_what_was_shown(&self) -> bool {
        self.info().shown != ShownContext::Never && self.has_numbers()
    }

    /// Whether it changes tasks of the list that its author was shown last.
    pub fn changes_what_was_shown(&self) -> bool {
        self.info().shown == ShownContext::WithoutRef && self.has_numbers()
    }

    fn has_numbers(&self) -> bool {
        match &self.tasks {
            Tasks::Named(refs) => refs.iter().any(Refs::is_number),
            Tasks::Filter(_) => false,
        }
    }

    /// Whether its verb accepts words that only the store can resolve.
    pub fn takes_any_word(&self) -> bool {
        self.each.takes_any_word()
    }

    /// The same with people's names.
    #[must_use]
    pub fn with_names(self, names: &Names<'_>) -> Many {
        Many {
            each: Box::new(self.each.with_names(names.is_person, names.name_of)),
            ..self
        }
    }

    /// Appends pieces to the text of its verb.
    pub fn add(&mut self, pieces: &[String]) -> bool {
        self.each.add(pieces)
    }

    /// Adds links to files below the text of its verb.
    pub fn add_files(&mut self, files: &[SharedFile]) -> bool {
        self.each.add_files(files)
    }

    /// Decides it. If one of the tasks is unknown, nothing is done.
    pub fn decide(self, tx: &CommandTx<'_>, person: &Person, context: &Context) -> Decided {
        let mut targets = match &self.tasks {
            Tasks::Named(refs) => targets(refs, tx, person, context)?,
            Tasks::Filter(filter) => {
                let matching = matching(filter, tx, person)?;
                return self.ask(matching, tx, person, context);
            }
        };
        if targets.len() > WITHOUT_ASKING {
            let mut stored = Vec::new();
            for (task, _) in targets {
                stored.push(tx.known(person, Some(task), context)?);
            }
            return self.ask(stored, tx, person, context);
        }
        match (targets.pop(), targets.is_empty()) {
            (Some((only, _)), true) => self.each.about(only).decide(tx, person, context),
            (last, _) => {
                targets.extend(last);
                each_of(&self.each, targets, tx, person, context)
            }
        }
    }

    /// Asks before it acts on these tasks.
    fn ask(
        self,
        stored: Vec<StoredTask>,
        tx: &CommandTx<'_>,
        person: &Person,
        context: &Context,
    ) -> Decided {
        if stored.len() > TASKS_MAX {
            let words = reply::too_many_tasks(stored.len(), TASKS_MAX);
            return Err(Rejection::Unfit(words).into());
        }
        let name = self.info().name;
        let mut files = Vec::new();
        let (text, typed) = match *self.each {
            Command::Done(Done {
                comment,
                files: of_comment,
                ..
            }) => {
                files = of_comment;
                let typed = comment.as_ref().map(|text| format!("-c {}", excerpt(text)));
                (comment, typed)
            }
            Command::Assign(Assign { to, .. }) => (Some(to.clone()), Some(format!("@{to}"))),
            each => {
                let text = as_typed(&each, &self.rest).ok_or_else(|| {
                    Rejection::Unfit(Text::new().text(format!(
                        "I can't ask about this `{name}` first. Name {WITHOUT_ASKING} tasks or fewer."
                    )))
                })?;
                (Some(text.clone()), Some(text))
            }
        };
        let typed = typed.map_or(name.to_owned(), |rest| format!("{name} {rest}"));
        let tasks: Vec<&Task> = stored.iter().map(|stored| &stored.task).collect();
        let asked = AskedCommand {
            verb: name.to_owned(),
            text,
            tasks: tasks.iter().map(|task| task.key.clone()).collect(),
            files,
        };
        tx.ask(
            person,
            context,
            &asked,
            &reply::asks_first_lines(&typed, &tasks),
        )
    }
}

/// The text after the verb that reads as this command. The value of a request may need quotation marks (`3 weeks` names
/// the third task of the list), or a comma after a label that ends with a full stop.
fn as_typed(each: &Command, value: &str) -> Option<String> {
    let name = each.info().name;
    [
        value.to_owned(),
        format!("\"{value}\""),
        format!("{value},"),
    ]
    .into_iter()
    .find(|text| parse(&format!("{name} {text}")).as_ref() == Ok(each))
}

/// The tasks that REFs name, each once, in the order of their naming.
fn targets(
    refs: &[Refs],
    tx: &CommandTx<'_>,
    person: &Person,
    context: &Context,
) -> Result<Vec<(Ref, Option<StoredTask>)>, Stop> {
    let count = refs.iter().map(Refs::count).fold(0, usize::saturating_add);
    if count > TASKS_MAX {
        return Err(Rejection::Unfit(reply::too_many_tasks(count, TASKS_MAX)).into());
    }
    let mut seen = BTreeSet::new();
    let mut targets = Vec::new();
    for task in refs.iter().flat_map(Refs::all) {
        let target = tx.target(person, Some(task.clone()), context)?;
        if !seen.insert(target.key.clone()) {
            continue;
        }
        let task = match &target.stored {
            Some(_) => Ref::Key(target.key),
            None => task,
        };
        targets.push((task, target.stored));
    }
    Ok(targets)
}

/// The tasks that a filter matches, in the order of the list.
fn matching(filter: &Filter, tx: &CommandTx<'_>, person: &Person) -> Result<Vec<StoredTask>, Stop> {
    let found = filtered(tx, person, filter)?;
    if found.is_empty() {
        let words = nothing_listed(tx, person, filter)?.words();
        return Err(Rejection::Unfit(words).into());
    }
    if found.len() > TASKS_MAX {
        let words = reply::too_many_tasks(found.len(), TASKS_MAX);
        return Err(Rejection::Unfit(words).into());
    }
    let mut stored = Vec::new();
    for (row, ..) in found {
        stored.extend(tasks::by_row(tx.db, row)?);
    }
    Ok(stored)
}

/// Carries out a command that asked first, on the tasks that its question named.
pub fn carry_out(
    asked: &AskedCommand,
    tx: &CommandTx<'_>,
    person: &Person,
    context: &Context,
) -> Decided {
    let text = asked.text.clone();
    let each = match (asked.verb.as_str(), text) {
        ("done", comment) => Some(Command::from(Done {
            task: None,
            comment,
            files: asked.files.clone(),
        })),
        ("assign", Some(to)) => Some(Command::from(Assign { task: None, to })),
        (verb, text) => parse(&format!("{verb} {}", text.unwrap_or_default())).ok(),
    };
    let Some(each) = each else {
        return Err(Rejection::Unfit(reply::question_is_over()).into());
    };
    let mut targets = Vec::new();
    for key in &asked.tasks {
        let stored = tasks::by_key(tx.db, key)?;
        targets.push((Ref::Key(key.clone()), stored));
    }
    each_of(&each, targets, tx, person, context)
}

/// Decides a command for each of several tasks, as parts of one.
fn each_of(
    command: &Command,
    targets: Vec<(Ref, Option<StoredTask>)>,
    tx: &CommandTx<'_>,
    person: &Person,
    context: &Context,
) -> Decided {
    let whole = tx.command(person, context, command.info().name)?;
    let context = CommandTx::part_of(whole, context);
    let mut first = None;
    for (task, stored) in targets {
        let part = command.clone().about(task);
        match part.decide(tx, person, &context) {
            Ok(Handled::Accepted { operation_id, .. }) => {
                first.get_or_insert(operation_id);
            }
            // No verb of this kind only replies.
            Ok(Handled::Settled { .. } | Handled::Replied(_)) => {}
            Err(stop) => {
                let words = stop.rejection()?.words();
                let task = stored.as_ref().map(|stored| &stored.task);
                tx.rejected_part(person, &context, words, task)?;
            }
        }
    }
    tx.accept_parts(person, whole, first)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::parse;
    use super::*;

    /// The tasks of a command and its verb without them, as `Debug` shows them.
    fn many(text: &str) -> Option<(Vec<Refs>, Command)> {
        match parse(text) {
            Ok(Command::Many(Many {
                tasks: Tasks::Named(refs),
                each,
                ..
            })) => Some((refs, *each)),
            _ => None,
        }
    }

    fn nth(numbers: &[usize]) -> Vec<Refs> {
        let one = |number: &usize| Refs::One(Ref::Nth(*number));
        numbers.iter().map(one).collect()
    }

    #[rstest]
    #[case("done 1 3 5", "done", &[1, 3, 5])]
    #[case("done 1, 3 and 5.", "done", &[1, 3, 5])]
    #[case("Finished 1,3", "done", &[1, 3])]
    #[case("done 1 & 3!", "done", &[1, 3])]
    #[case("done 1 3 -c shipped in 2", "done -c shipped in 2", &[1, 3])]
    #[case("due 1 3 fri", "due fri", &[1, 3])]
    // The longest time counts: the third of December, for two tasks.
    #[case("due 1 2 3 dec", "due 3 dec", &[1, 2])]
    #[case("snooze 1 2 3d", "snooze 3d", &[1, 2])]
    #[case("snooze 1 2 mon 9:00", "snooze mon 9:00", &[1, 2])]
    #[case("prio 1 3 high", "prio high", &[1, 3])]
    #[case("priority 1 3 none", "prio none", &[1, 3])]
    #[case("assign 1 3 @bo", "assign @bo", &[1, 3])]
    #[case("assign 1 3 to bo", "assign bo", &[1, 3])]
    #[case("assign 1 3 bo", "assign bo", &[1, 3])]
    #[case("assign 1 3 @Bo Diaz", "assign @Bo Diaz", &[1, 3])]
    fn several_numbers_are_several_tasks(
        #[case] text: &str,
        #[case] each: &str,
        #[case] numbers: &[usize],
    ) {
        assert_eq!(
            many(text),
            Some((nth(numbers), parse(each).unwrap())),
            "{text}"
        );
    }

    #[rstest]
    #[case("done 2-4", vec![Refs::Range(2, 4)])]
    #[case("done 2–4", vec![Refs::Range(2, 4)])]
    #[case("done 7 2-4", vec![Refs::One(Ref::Nth(7)), Refs::Range(2, 4)])]
    #[case("done #12 2-2", vec![Refs::One(Ref::Issue(12)), Refs::Range(2, 2)])]
    fn a_range_has_its_first_and_last_number(#[case] text: &str, #[case] tasks: Vec<Refs>) {
        assert_eq!(many(text), Some((tasks, parse("done").unwrap())), "{text}");
    }

    #[rstest]
    #[case("done overdue", "overdue", "done")]
    #[case("done GitHub overdue.", "overdue github", "done")]
    #[case("snooze overdue mon", "overdue", "snooze mon")]
    #[case("snooze overdue acme mon 9:00", "overdue acme", "snooze mon 9:00")]
    #[case("due clickup, overdue 2 dec", "overdue clickup", "due 2 dec")]
    #[case("prio blocked high", "blocked", "prio high")]
    #[case("assign github @bo", "github", "assign @bo")]
    #[case("assign github overdue to bo", "overdue github", "assign bo")]
    fn a_filter_names_its_tasks(#[case] text: &str, #[case] filter: &str, #[case] each: &str) {
        let Ok(Command::Many(many)) = parse(text) else {
            panic!("{text}: {:?}", parse(text));
        };
        assert_eq!(many.tasks, Tasks::Filter(Filter::read(filter)), "{text}");
        assert_eq!(*many.each, parse(each).unwrap(), "{text}");
    }

    /// What a verb reads by itself stays as it was.
    #[rstest]
    #[case("done 1")]
    #[case("done -c 1 3 5")]
    #[case("done 1 -c 3 5")]
    #[case("due 1 2 dec")]
    #[case("due 2 dec")]
    #[case("snooze 1 2 dec 9:00")]
    #[case("snooze 2026-12-01")]
    #[case("assign 1 3")]
    #[case("comment 1 2 3")]
    #[case("comment on 1: 2-4")]
    #[case("create 1 2 3")]
    #[case("list 5")]
    fn one_task_stays_one(#[case] text: &str) {
        let read = parse(text);
        assert!(
            matches!(&read, Ok(command) if !matches!(command, Command::Many(_))),
            "{read:?}"
        );
    }

    /// A text that is no command, or lacks a part, is none for several tasks either.
    #[rstest]
    #[case("due 3 5")]
    #[case("due 1-2")]
    #[case("snooze 1 2")]
    #[case("prio 1 3")]
    #[case("prio 1 3 huge")]
    #[case("assign 1 3 @")]
    #[case("done 4-2")]
    #[case("done 0-3")]
    #[case("done 1 to 3")]
    #[case("done 1 3 of them")]
    #[case("done and 3")]
    #[case("start 1 3")]
    #[case("start overdue")]
    #[case("done acme")]
    #[case("done overdue stuff is gone")]
    #[case("done 1 overdue")]
    #[case("snooze overdue")]
    #[case("due github 3")]
    #[case("reopen 1-3")]
    fn others_are_hints(#[case] text: &str) {
        assert!(parse(text).is_err(), "{text}");
    }

    #[test]
    fn a_very_long_list_is_no_command() {
        assert!(parse(&format!("done {}", "1 ".repeat(TYPED_MAX))).is_ok());
        assert!(parse(&format!("done {}", "1 ".repeat(20_000))).is_err());
    }

    #[rstest]
    #[case(r#"{"refs": ["1", "3-4"], "due": "fri"}"#, "due 1 3-4 fri")]
    #[case(r##"{"due": "fri", "refs": ["#12"]}"##, "due #12 #12 fri")]
    fn a_body_names_several_tasks(#[case] json: &str, #[case] typed: &str) {
        let mut read = body::<super::super::Due>(json).unwrap();
        let mut wanted = parse(typed).unwrap();
        for command in [&mut read, &mut wanted] {
            if let Command::Many(Many {
                tasks: Tasks::Named(refs),
                ..
            }) = command
            {
                refs.dedup();
            }
        }
        assert_eq!(read, wanted);
    }

    /// The text of a question is read again when it is confirmed.
    #[rstest]
    #[case::a_number(r#"{"filter": "github", "milestone": "3 weeks"}"#, "\"3 weeks\"")]
    #[case::a_mark(r#"{"filter": "github", "milestone": "2.1!"}"#, "\"2.1!\"")]
    #[case::plain(
        r#"{"filter": "github", "milestone": "Spring release"}"#,
        "Spring release"
    )]
    #[case::none(r#"{"filter": "github", "milestone": "none"}"#, "none")]
    #[case::called_none(r#"{"filter": "github", "milestone": "\"none\""}"#, "\"none\"")]
    fn what_is_asked_about_reads_as_the_same(#[case] json: &str, #[case] typed: &str) {
        let Command::Many(many) = body::<super::super::Milestone>(json).unwrap() else {
            panic!("one task: {json}");
        };
        assert_eq!(as_typed(&many.each, &many.rest).as_deref(), Some(typed));
    }

    #[test]
    fn a_full_stop_belongs_to_the_label() {
        let json = r#"{"filter": "github", "labels": "+v1."}"#;
        let Command::Many(many) = body::<super::super::Relabel>(json).unwrap() else {
            panic!("one task");
        };
        assert_eq!(as_typed(&many.each, &many.rest).as_deref(), Some("+v1.,"));
    }

    #[rstest]
    #[case(
        r#"{"refs": ["1"], "ref": "2"}"#,
        "`ref` and `refs` exclude each other"
    )]
    #[case(
        r#"{"refs": ["1"], "filter": "overdue"}"#,
        "`refs` and `filter` exclude each other"
    )]
    #[case(r#"{"filter": " "}"#, "`filter` is empty. Give at least one word")]
    #[case(r#"{"refs": []}"#, "`refs` is empty. Name at least one task")]
    #[case(r#"{"refs": ["soon"]}"#, "`soon` is not a task. ")]
    #[case(r#"{"refs": "1"}"#, "invalid type: string \"1\", expected a sequence")]
    fn a_bad_body_says_why(#[case] json: &str, #[case] why: &str) {
        let error = body::<super::super::Done>(json).unwrap_err().to_string();
        assert!(error.starts_with(why), "{error}");
    }
}
