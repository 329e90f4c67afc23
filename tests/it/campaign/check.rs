//! Checks a history's outcome in the sandbox, which holds the truth; the store only gives the times of messages.
//!
//! The check does not use Ivan's code. For each command it reads the final answer and then looks at the sources: each
//! reported effect is there exactly once; an effect that was given up is absent, or its answer says that it may be
//! there; nothing else is there; the effects of one person on one task came in the order of typing.

use std::collections::{BTreeMap, BTreeSet};

use ivan::sandbox::fault_server::RequestRecord;
use ivan::sandbox::slack::PostedMessage;
use serde_json::Value;

use super::driver::{ByHand, Drive, Typed, envelope, lane};
use super::everyday::{self, Everyday, ForEach, Marks, Reported};
use super::files;
use super::gone;
use super::history::{Asks, History, On, Surface, System, Who};
use super::threads::{self, Made};
use crate::harness::*;

/// The notice for a message that cannot be stored. It is not the answer, which still comes.
const NOT_STORED: &str = "✗ I can't save anything right now, so nothing changed.";

/// The notice for work that was set aside: its answer comes with the retry.
const SET_ASIDE: &str = "so I set it aside";

/// Collects violations as sentences; none if all is well.
pub struct Check<'a> {
    history: &'a History,
    typed: &'a [Typed],
    by_hand: &'a [ByHand],
    put_right: bool,
    store_failed: usize,
    things: BTreeMap<String, Thing>,
    heard: Vec<Heard>,
    /// Answers, without notices that were posted past the store.
    dms: BTreeMap<Who, Vec<PostedMessage>>,
    unkept: BTreeMap<Who, Vec<PostedMessage>>,
    journal: BTreeMap<System, Vec<RequestRecord>>,
    /// By the place of a command for several tasks: the answer for each.
    parts: BTreeMap<usize, Vec<Told>>,
    wrong: Vec<String>,
}

/// A task or an issue in its source's final state.
#[derive(Debug, Clone)]
struct Thing {
    /// `clickup:…` or `github:…`, as in the API.
    id: String,
    /// A part of the path of each request about it.
    path: String,
    system: System,
    title: String,
    description: String,
    complete: bool,
    comments: Vec<String>,
    marks: Marks,
    /// The id of the task that it is a part of, as `id`.
    parent: Option<String>,
}

/// A message of a person as the store has it, in the order of answers.
#[derive(Debug)]
pub struct Heard {
    id: i64,
    /// Slack's ids of the message and of the answer.
    ts: String,
    answer: String,
    kept: i64,
    handled: i64,
}

/// The final answer to a command.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Told {
    what: Verdict,
    /// The task that the answer names: its address in Slack, its id over HTTP.
    about: Option<String>,
    comment: Comment,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Completed by Ivan.
    Done,
    /// It was complete already, by Ivan.
    Already,
    /// It was complete already, by another person.
    Externally,
    GivenUp,
    GivenUpPerhapsDone,
    NoCurrent,
    /// A task was shown.
    Shown,
    /// Each of several tasks has an answer of its own.
    Several,
    /// The task that it was to be created under is complete.
    Refused,
}

/// The answer's statement about the comment of a `done -c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comment {
    None,
    Added,
    NotAdded,
    PerhapsAdded,
}

/// An effect and the least and greatest number of times that it must be there.
#[derive(Debug, Default, Clone, Copy)]
struct Times {
    surely: usize,
    perhaps: usize,
    by_hand: usize,
}

impl<'a> Check<'a> {
    pub fn new(drive: &'a Drive<'_>, history: &'a History) -> Check<'a> {
        let ivan = &*drive.ivan;
        let (mut dms, mut unkept) = (BTreeMap::new(), BTreeMap::new());
        for who in Who::ALL {
            let channel = ivan.slack().dm(who.slack());
            let posted = ivan.slack().bot_messages(&channel).into_iter();
            let (past_the_store, answers): (Vec<_>, Vec<_>) =
                posted.partition(|posted| posted.text.starts_with(NOT_STORED));
            let answers = answers.into_iter();
            let answers = answers.filter(|posted| !posted.text.contains(SET_ASIDE));
            dms.insert(who, answers.collect());
            unkept.insert(who, past_the_store);
        }
        let journal = [
            (System::ClickUp, ivan.clickup().front().journal()),
            (System::GitHub, ivan.github().front().journal()),
        ];
        Check {
            history,
            typed: &drive.typed,
            by_hand: &drive.by_hand,
            put_right: drive.put_right,
            store_failed: drive.store_failed,
            things: things(ivan),
            heard: heard(ivan),
            dms,
            unkept,
            journal: journal.into_iter().collect(),
            parts: BTreeMap::new(),
            wrong: Vec::new(),
        }
    }

    /// All violations.
    pub fn wrong(mut self, drive: &Drive<'_>) -> Vec<String> {
        self.one_answer_each();
        self.told_of_the_store();
        let told = self.told();
        self.finds();
        self.effects(&told);
        self.marks(&told);
        self.order(&told, drive);
        let made: Vec<Made<'_>> = self
            .things
            .values()
            .map(|thing| Made {
                title: &thing.title,
                description: &thing.description,
                comments: &thing.comments,
            })
            .collect();
        let in_threads = threads::wrong(drive, &made, self.history.gives_up);
        self.wrong.extend(in_threads);
        let with_files = files::wrong(drive, &made, self.history.gives_up);
        self.wrong.extend(with_files);
        for key in gone::that_came_back(&drive.ivan.store()) {
            self.says(format!("{key} is open, and its deletion was told"));
        }
        self.wrong
    }

    fn says(&mut self, wrong: impl Into<String>) {
        self.wrong.push(wrong.into());
    }

    // ------------------------------------------------------------ answers

    /// Each message in a DM has one answer there, and there are no others.
    fn one_answer_each(&mut self) {
        for who in Who::ALL {
            let asked: Vec<&Typed> = self
                .typed
                .iter()
                .filter(|typed| typed.command.by == Surface::Dm && typed.command.who == who)
                .collect();
            let answers = &self.dms[&who];
            if asked.len() != answers.len() {
                let texts: Vec<&str> = answers.iter().map(|one| one.text.as_str()).collect();
                let wrong = format!(
                    "{} was answered {} times and had asked {} times: {texts:#?}",
                    who.name(),
                    answers.len(),
                    asked.len()
                );
                self.says(wrong);
            }
        }
    }

    /// A DM has one notice for each failure of the store, for no earlier message, and it is never changed.
    fn told_of_the_store(&mut self) {
        for who in Who::ALL {
            let asked = self
                .typed
                .iter()
                .filter(|typed| typed.command.by == Surface::Dm && typed.command.who == who);
            let first = asked.map(|typed| typed.ts.as_str()).min();
            let said = &self.unkept[&who];
            let changed = said.iter().any(|posted| posted.history.len() != 1);
            let unasked = said
                .iter()
                .any(|posted| first.is_none_or(|ts| posted.ts.as_str() < ts));
            let (times, failed) = (said.len(), self.store_failed);
            if times > failed || changed || unasked {
                self.says(format!(
                    "{} was told {times} times that the store takes nothing, which it did {failed} times",
                    who.name()
                ));
            }
        }
    }

    fn answer_to(&self, typed: &Typed) -> Option<&PostedMessage> {
        let heard = self.heard.iter().find(|heard| heard.ts == typed.ts)?;
        let answers = &self.dms[&typed.command.who];
        answers.iter().find(|posted| posted.ts == heard.answer)
    }

    /// The final answer to each command; `None` where it cannot be read, which is a violation.
    fn told(&mut self) -> Vec<Option<Told>> {
        let typed = self.typed;
        let mut all = Vec::new();
        for (place, typed) in typed.iter().enumerate() {
            let told = match (&typed.command.what, typed.command.by) {
                (Asks::Everyday(Everyday::Several { .. }), _) => {
                    self.told_of_each(typed).map(|parts| {
                        self.parts.insert(place, parts);
                        Told {
                            what: Verdict::Several,
                            about: None,
                            comment: Comment::None,
                        }
                    })
                }
                (Asks::Everyday(Everyday::Part { on, .. }), _)
                    if self.is_refused_under(typed, *on) =>
                {
                    Ok(Told {
                        what: Verdict::Refused,
                        about: None,
                        comment: Comment::None,
                    })
                }
                (_, Surface::Dm) => self
                    .final_text(typed)
                    .and_then(|text| read(&text))
                    .and_then(|told| self.fits(typed, told)),
                (_, Surface::Http) => told_over_http(typed).and_then(|told| self.fits(typed, told)),
            };
            match told {
                Ok(told) => all.push(Some(told)),
                Err(why) => {
                    self.says(format!("{}: {why}", typed.command));
                    all.push(None);
                }
            }
        }
        all
    }

    /// Whether the answer refuses a new task because the task above it is complete, as it is in the end.
    fn is_refused_under(&self, typed: &Typed, on: On) -> bool {
        let text = self.final_text(typed).unwrap_or_default();
        text.starts_with('✗') && text.contains("`reopen` opens it again") && self.at(on).complete
    }

    /// The answers to a command for several tasks. Numbers mean those of a list that its author was shown before; if they
    /// mean none, it is refused as a whole.
    fn told_of_each(&self, typed: &Typed) -> Result<Vec<Told>, String> {
        let Asks::Everyday(Everyday::Several { tasks, each, .. }) = &typed.command.what else {
            return Ok(Vec::new());
        };
        let receipt = self.final_text(typed)?;
        let by_number = everyday::has_numbers(&typed.words);
        let Some(lines) = everyday::lines_of(&receipt) else {
            return match by_number && receipt.starts_with('✗') {
                true => Ok(Vec::new()),
                false => Err(format!("it was told `{receipt}`")),
            };
        };
        if lines.len() != tasks.len() {
            return Err(format!("it has {} lines: `{receipt}`", lines.len()));
        }
        let mut parts = Vec::new();
        for (place, line) in lines.into_iter().enumerate() {
            let told = read(line)?;
            let url = told.about.as_deref().unwrap_or_default();
            let thing = self.things.get(url);
            let thing = thing.ok_or_else(|| format!("`{line}` is about nothing"))?;
            let is_meant = match by_number {
                true => self.was_listed(typed, place, url),
                false => tasks.get(place).is_some_and(|on| on.title() == thing.title),
            };
            let fits = match told.what {
                Verdict::Done | Verdict::Already => true,
                Verdict::Externally => *each == ForEach::Done,
                Verdict::GivenUp | Verdict::GivenUpPerhapsDone => self.history.gives_up,
                Verdict::NoCurrent | Verdict::Shown | Verdict::Several | Verdict::Refused => false,
            };
            if !is_meant || !fits {
                return Err(format!("it was told `{line}`"));
            }
            parts.push(Told {
                about: Some(thing.id.clone()),
                ..told
            });
        }
        Ok(parts)
    }

    /// Whether a task had that place, from 0, in a list that the author of a command had been shown.
    fn was_listed(&self, typed: &Typed, place: usize, url: &str) -> bool {
        let lists = self.dms[&typed.command.who].iter();
        lists
            .filter(|posted| posted.ts < typed.ts)
            .flat_map(|posted| &posted.history)
            .any(|text| everyday::numbered(text).get(place) == Some(&url))
    }

    /// A search finds the task whose title it was for. A mirror that is read for the first time may lack it.
    fn finds(&mut self) {
        let typed = self.typed;
        let read_before = !self.history.seed.is_multiple_of(10);
        for typed in typed.iter().filter(|_| read_before) {
            let Asks::Everyday(Everyday::Find(on)) = &typed.command.what else {
                continue;
            };
            let Ok(text) = self.final_text(typed) else {
                continue;
            };
            let found = links(&text)
                .filter_map(|url| self.things.get(url))
                .any(|thing| thing.title == on.title());
            if !found {
                self.says(format!("{}: it was not found: `{text}`", typed.command));
            }
        }
    }

    /// The labels and priorities are those that the answers report.
    fn marks(&mut self, told: &[Option<Told>]) {
        let mut reported = Reported::new();
        let mut report = |told: &Told, what: &str| {
            let key = (told.about.clone().unwrap_or_default(), what.to_owned());
            let (surely, perhaps) = reported.entry(key).or_default();
            match told.what {
                Verdict::Done | Verdict::Already | Verdict::Externally => *surely += 1,
                Verdict::GivenUpPerhapsDone => *perhaps += 1,
                _ => {}
            }
        };
        for (place, (typed, told)) in self.typed.iter().zip(told).enumerate() {
            match (&typed.command.what, told) {
                (Asks::Everyday(Everyday::Label { add, remove, .. }), Some(told)) => {
                    for name in add.iter().chain(remove) {
                        report(told, name);
                    }
                }
                (Asks::Everyday(Everyday::Type { name, .. }), Some(told)) => {
                    report(told, &everyday::of_type(name));
                }
                (
                    Asks::Everyday(Everyday::Several {
                        each: ForEach::High,
                        ..
                    }),
                    _,
                ) => {
                    for told in self.parts.get(&place).into_iter().flatten() {
                        report(told, everyday::PRIORITY);
                    }
                }
                _ => {}
            }
        }
        let mut wrong = Vec::new();
        for thing in self.things.values() {
            let first = |titles: &[&str]| titles.contains(&thing.title.as_str());
            let is_first = first(&super::history::TASKS) || first(&super::history::ISSUES);
            let begins_with_labels = self.history.everyday && is_first;
            let about = (thing.id.as_str(), thing.title.as_str());
            wrong.extend(everyday::wrong(
                about,
                &thing.marks,
                begins_with_labels,
                &reported,
            ));
        }
        self.wrong.extend(wrong);
    }

    /// The last text of the answer. All earlier ones say that it waits.
    fn final_text(&self, typed: &Typed) -> Result<String, String> {
        let posted = self
            .answer_to(typed)
            .ok_or_else(|| "it has no answer".to_owned())?;
        let mut history = posted.history.clone();
        // A card follows its task, so its later states count as the same answer.
        history.dedup_by(|later, earlier| up_to_its_card(later) == up_to_its_card(earlier));
        let last = history.pop().unwrap_or_default();
        let waits = |text: &str| text.starts_with('…') || text.contains(SET_ASIDE);
        if let Some(early) = history.iter().find(|text| !waits(text)) {
            return Err(format!("it was answered `{early}` before `{last}`"));
        }
        Ok(last)
    }

    /// Whether an answer fits its command; returns it with the task's address replaced by its id.
    fn fits(&self, typed: &Typed, told: Told) -> Result<Told, String> {
        let about = match &told.about {
            Some(about) => Some(
                self.things
                    .get(about)
                    .or_else(|| self.things.values().find(|thing| thing.id == *about))
                    .ok_or_else(|| format!("it was about {about}, which is not there"))?,
            ),
            None => None,
        };
        let given_up = matches!(told.what, Verdict::GivenUp | Verdict::GivenUpPerhapsDone);
        if (given_up || matches!(told.comment, Comment::NotAdded | Comment::PerhapsAdded))
            && !self.history.gives_up
        {
            return Err(format!("it was given up: {told:?}"));
        }
        let is_on = |on: On| about.is_some_and(|thing| thing.title == on.title());
        let right = match &typed.command.what {
            Asks::Comment { on, .. } => is_on(*on) && (given_up || told.what == Verdict::Done),
            Asks::Done { on, comment } => {
                is_on(*on)
                    && (given_up
                        || matches!(
                            told.what,
                            Verdict::Done | Verdict::Already | Verdict::Externally
                        ))
                    && comment.is_some() == (told.comment != Comment::None)
            }
            Asks::Create {
                title,
                system,
                description,
            } => match about {
                Some(thing) => {
                    thing.title == *title
                        && thing.system == *system
                        && thing.description.trim() == description.as_deref().unwrap_or_default()
                        && told.what == Verdict::Done
                }
                None => given_up,
            },
            Asks::Current | Asks::Next => told.what == Verdict::Shown,
            Asks::Everyday(Everyday::Label { on, .. } | Everyday::Type { on, .. }) => {
                is_on(*on) && (given_up || matches!(told.what, Verdict::Done | Verdict::Already))
            }
            Asks::Everyday(Everyday::Part { on, title, .. }) => match about {
                Some(thing) => {
                    thing.title == *title
                        && thing.parent.as_ref() == Some(&self.at(*on).id)
                        && told.what == Verdict::Done
                }
                None => given_up,
            },
            Asks::Everyday(_) => told.what == Verdict::Shown,
            Asks::CommentHere { .. } | Asks::DoneHere { .. } => match told.what {
                Verdict::NoCurrent => !self.has_been_shown_something(typed),
                Verdict::Shown => false,
                _ => about.is_some_and(|thing| self.had_been_shown(typed, thing)),
            },
        };
        match right {
            true => Ok(Told {
                about: about.map(|thing| thing.id.clone()),
                ..told
            }),
            false => Err(format!("it was told {told:?}")),
        }
    }

    /// Tasks shown as current in the DMs that share this one's pin, before the command was typed.
    fn shown_before(&self, typed: &Typed) -> impl Iterator<Item = &str> {
        let own = lane(self.history, typed.command.who);
        let dms = self
            .dms
            .iter()
            .filter(move |(who, _)| lane(self.history, **who) == own);
        dms.flat_map(|(_, posted)| posted)
            .filter(|posted| posted.ts < typed.ts)
            .flat_map(|posted| &posted.history)
            .map(String::as_str)
    }

    fn had_been_shown(&self, typed: &Typed, thing: &Thing) -> bool {
        self.shown_before(typed).any(|text| {
            shown_as_current(text)
                .any(|url| self.things.get(url).is_some_and(|one| one.id == thing.id))
        })
    }

    /// Whether a task must have been current: one was shown in this very DM, and the queue was never empty. Only the
    /// first text of a message counts, because the time of a replacement is unknown.
    fn has_been_shown_something(&self, typed: &Typed) -> bool {
        let emptied =
            |text: &str| text.contains("Nothing is left") || text.contains("queue is empty");
        let mut shown = self.dms[&typed.command.who]
            .iter()
            .filter(|posted| posted.ts < typed.ts)
            .filter_map(|posted| posted.history.first());
        shown.any(|text| shown_as_current(text).next().is_some())
            && !self.shown_before(typed).any(emptied)
    }

    // ------------------------------------------------------------ effects

    /// Each reported effect is there once, and there are no others.
    fn effects(&mut self, told: &[Option<Told>]) {
        let mut comments: BTreeMap<(String, String), Times> = BTreeMap::new();
        let mut completions: BTreeMap<String, Times> = BTreeMap::new();
        let mut created: BTreeMap<(System, String), Times> = BTreeMap::new();
        let mut made = BTreeSet::new();
        let mut wrong = Vec::new();
        for act in self.by_hand {
            match act {
                ByHand::Commented(on, text) => {
                    let key = (self.at(*on).id.clone(), text.clone());
                    comments.entry(key).or_default().by_hand += 1;
                }
                ByHand::Completed(on) => {
                    let key = self.at(*on).id.clone();
                    completions.entry(key).or_default().by_hand += 1;
                }
            }
        }
        for (place, (typed, told)) in self.typed.iter().zip(told).enumerate() {
            let Some(told) = told else { continue };
            let count = |times: &mut Times| match told.what {
                Verdict::GivenUpPerhapsDone => times.perhaps += 1,
                Verdict::Done | Verdict::Already | Verdict::Externally => times.surely += 1,
                Verdict::GivenUp
                | Verdict::NoCurrent
                | Verdict::Shown
                | Verdict::Several
                | Verdict::Refused => {}
            };
            let about = told.about.clone().unwrap_or_default();
            match &typed.command.what {
                Asks::Comment { text, .. } | Asks::CommentHere { text } => {
                    count(comments.entry((about, text.clone())).or_default());
                }
                Asks::Done { comment, .. } | Asks::DoneHere { comment } => {
                    if !about.is_empty() {
                        let times = completions.entry(about.clone()).or_default();
                        count(times);
                    }
                    if let Some(text) = comment {
                        let times = comments.entry((about, text.clone())).or_default();
                        match told.comment {
                            Comment::Added => times.surely += 1,
                            Comment::PerhapsAdded => times.perhaps += 1,
                            Comment::NotAdded | Comment::None => {}
                        }
                    }
                }
                Asks::Create { system, title, .. } => {
                    count(created.entry((*system, title.clone())).or_default());
                    if !about.is_empty() && !made.insert(about.clone()) {
                        wrong.push(format!("{about} is the answer to two creations"));
                    }
                }
                Asks::Everyday(Everyday::Part { on, title, .. }) => {
                    let key = (self.at(*on).system, (*title).to_owned());
                    count(created.entry(key).or_default());
                    if !about.is_empty() && !made.insert(about.clone()) {
                        wrong.push(format!("{about} is the answer to two creations"));
                    }
                }
                Asks::Everyday(Everyday::Several {
                    each: ForEach::Done,
                    ..
                }) => {
                    for part in self.parts.get(&place).into_iter().flatten() {
                        let about = part.about.clone().unwrap_or_default();
                        let times = completions.entry(about).or_default();
                        match part.what {
                            Verdict::GivenUpPerhapsDone => times.perhaps += 1,
                            Verdict::Done | Verdict::Already | Verdict::Externally => {
                                times.surely += 1;
                            }
                            _ => {}
                        }
                    }
                }
                Asks::Current | Asks::Next | Asks::Everyday(_) => {}
            }
        }
        for thing in self.things.values() {
            let mut texts: BTreeMap<&str, usize> = BTreeMap::new();
            for text in &thing.comments {
                *texts.entry(text.as_str()).or_default() += 1;
            }
            for ((about, text), times) in &comments {
                if *about == thing.id {
                    let there = texts.remove(text.as_str()).unwrap_or_default();
                    wrong.extend(times.differ(there, &format!("`{text}` on {}", thing.title)));
                }
            }
            for (text, there) in texts {
                if text.starts_with(files::TITLE) {
                    continue;
                }
                wrong.push(format!(
                    "`{text}` is {there} times on {} and nobody has said it",
                    thing.title
                ));
            }
            let times = completions.get(&thing.id).copied().unwrap_or_default();
            let may = times.surely + times.perhaps + times.by_hand > 0;
            let must = times.surely + times.by_hand > 0;
            if thing.complete && !may || !thing.complete && must {
                wrong.push(format!(
                    "{} is {}complete, and was completed {times:?}",
                    thing.title,
                    if thing.complete { "" } else { "not " }
                ));
            }
        }
        wrong.extend(self.who_completed(told, &completions));
        let ours = |thing: &&Thing| {
            let first = |titles: &[&str]| titles.contains(&thing.title.as_str());
            !first(&super::history::TASKS)
                && !first(&super::history::ISSUES)
                && !thing.title.starts_with(threads::TITLE)
                && !thing.title.starts_with(files::TITLE)
        };
        let mut there: BTreeMap<(System, String), usize> = BTreeMap::new();
        for thing in self.things.values().filter(ours) {
            *there
                .entry((thing.system, thing.title.clone()))
                .or_default() += 1;
        }
        for ((system, title), times) in &created {
            let there = there.remove(&(*system, title.clone())).unwrap_or_default();
            wrong.extend(times.differ(there, &format!("`{title}` in {system:?}")));
        }
        for ((system, title), there) in there {
            wrong.push(format!(
                "`{title}` is {there} times in {system:?} and nobody has asked for it"
            ));
        }
        self.wrong.extend(wrong);
    }

    /// `completed externally` is said only if a person did it by hand, `already` only if Ivan did it.
    fn who_completed(
        &self,
        told: &[Option<Told>],
        completions: &BTreeMap<String, Times>,
    ) -> Vec<String> {
        let mut by_ivan: BTreeMap<&str, usize> = BTreeMap::new();
        let mut of_completions: Vec<(&Typed, &Told, &str)> = Vec::new();
        for (place, (typed, told)) in self.typed.iter().zip(told).enumerate() {
            let told: Vec<&Told> = match &typed.command.what {
                Asks::Done { .. } | Asks::DoneHere { .. } => told.iter().collect(),
                Asks::Everyday(Everyday::Several {
                    each: ForEach::Done,
                    ..
                }) => self.parts.get(&place).into_iter().flatten().collect(),
                _ => continue,
            };
            for told in told {
                let id = told.about.as_deref();
                of_completions.extend(id.map(|id| (typed, told, id)));
            }
        }
        let told = of_completions;
        for (_, told, id) in &told {
            if matches!(told.what, Verdict::Done | Verdict::GivenUpPerhapsDone) {
                *by_ivan.entry(id).or_default() += 1;
            }
        }
        let mut wrong = Vec::new();
        for (typed, told, id) in told {
            let times = completions.get(id).copied().unwrap_or_default();
            let by_ivan = by_ivan.get(id).copied().unwrap_or_default();
            let is_true = match told.what {
                Verdict::Externally => times.by_hand > 0,
                Verdict::Already => by_ivan > 0,
                _ => true,
            };
            if !is_true {
                wrong.push(format!(
                    "{}: it was told {:?}; by hand it was completed {} times, by Ivan {by_ivan} times",
                    typed.command, told.what, times.by_hand
                ));
            }
        }
        wrong
    }

    fn at(&self, on: On) -> &Thing {
        self.things
            .values()
            .find(|thing| thing.title == on.title())
            .expect("what a history begins with stays")
    }

    // ------------------------------------------------------------ order

    /// Effects of one person on one task, and their answers, came in the order of typing.
    fn order(&mut self, told: &[Option<Told>], drive: &Drive<'_>) {
        let mut wrong = Vec::new();
        let effects: Vec<(usize, Effect)> = self
            .typed
            .iter()
            .zip(told)
            .enumerate()
            .filter_map(|(place, (_, told))| Some((place, told.as_ref()?)))
            .flat_map(|(place, told)| self.effects_of(place, told).map(move |one| (place, one)))
            .collect();
        for (first, one) in &effects {
            for (second, other) in &effects {
                if first >= second || one.lane != other.lane || one.turn <= other.turn {
                    continue;
                }
                if self.surely_before(*first, *second, drive, &mut wrong) {
                    wrong.push(format!(
                        "`{}` took effect before `{}`, which was typed earlier",
                        self.typed[*second].command, self.typed[*first].command
                    ));
                }
            }
        }
        for who in Who::ALL {
            let of_dm: Vec<(usize, usize)> = self
                .typed
                .iter()
                .enumerate()
                .filter(|(_, typed)| typed.command.who == who && typed.command.by == Surface::Dm)
                .filter_map(|(place, typed)| {
                    let heard = self.heard.iter().position(|heard| heard.ts == typed.ts)?;
                    Some((place, heard))
                })
                .collect();
            for (first, one) in &of_dm {
                for (second, other) in &of_dm {
                    if first < second
                        && one > other
                        && self.surely_before(*first, *second, drive, &mut wrong)
                    {
                        wrong.push(format!(
                            "`{}` was answered before `{}`, which was typed earlier",
                            self.typed[*second].command, self.typed[*first].command
                        ));
                    }
                }
            }
        }
        self.wrong.extend(wrong);
    }

    /// Whether Ivan must have received the first before it processed the second.
    fn surely_before(
        &self,
        first: usize,
        second: usize,
        drive: &Drive<'_>,
        wrong: &mut Vec<String>,
    ) -> bool {
        if drive.set_aside.contains(&first) {
            return false;
        }
        let (one, other) = (&self.typed[first], &self.typed[second]);
        match (one.command.by, other.command.by) {
            // The first was answered before the second was typed.
            (Surface::Http, _) => one.accepted.is_some_and(|accepted| accepted <= second),
            (Surface::Dm, Surface::Http) => false,
            (Surface::Dm, Surface::Dm) if one.command.who != other.command.who => false,
            (Surface::Dm, Surface::Dm) => {
                let find = |ts: &str| self.heard.iter().find(|heard| heard.ts == ts);
                let (Some(one_heard), Some(other_heard)) = (find(&one.ts), find(&other.ts)) else {
                    return false;
                };
                // Slack delivered the second first, and it was processed before the first came.
                // If times were moved in between, only the order of arrival is certain.
                let late = one_heard.id > other_heard.id
                    && (self.put_right || one_heard.kept >= other_heard.handled);
                if late && envelope(drive.ivan.slack(), &one.ts).is_some_and(|one| one.attempt == 0)
                {
                    wrong.push(format!(
                        "`{}` was kept late, and Slack had brought it in time",
                        one.command
                    ));
                }
                !late
            }
        }
    }

    /// Effects of a command with a known moment: those that only this command can have caused.
    fn effects_of(&self, place: usize, told: &Told) -> impl Iterator<Item = Effect> + use<> {
        let typed = &self.typed[place];
        let own = lane(self.history, typed.command.who);
        let thing = told
            .about
            .as_ref()
            .and_then(|id| self.things.values().find(|thing| thing.id == *id));
        let mut effects = Vec::new();
        let mut is_there = |thing: &Thing, turn: Option<u64>, lane: String| {
            if let Some(turn) = turn {
                effects.push(Effect {
                    lane: format!("{own:?} {lane} {:?}", thing.system),
                    turn,
                });
            }
        };
        let is_done = told.what == Verdict::Done;
        if let Some(thing) = thing {
            match &typed.command.what {
                Asks::Comment { .. } | Asks::CommentHere { .. } | Asks::Create { .. }
                    if !is_done => {}
                Asks::Comment { text, .. } | Asks::CommentHere { text } => {
                    is_there(thing, self.turn_of_comment(thing, text), thing.id.clone());
                }
                Asks::Done { comment, .. } | Asks::DoneHere { comment } => {
                    if is_done {
                        is_there(thing, self.turn_of_completion(thing), thing.id.clone());
                    }
                    if let Some(text) = comment
                        && told.comment == Comment::Added
                    {
                        is_there(thing, self.turn_of_comment(thing, text), thing.id.clone());
                    }
                }
                Asks::Create { title, .. } => {
                    is_there(thing, self.turn_of_creation(thing, title), "new".to_owned());
                }
                Asks::Everyday(Everyday::Part { title, .. }) if is_done => {
                    is_there(thing, self.turn_of_creation(thing, title), "new".to_owned());
                }
                Asks::Everyday(Everyday::Label { add: Some(add), .. }) if is_done => {
                    is_there(thing, self.turn_of_label(thing, add), thing.id.clone());
                }
                Asks::Everyday(Everyday::Type { name, .. }) if is_done => {
                    is_there(thing, self.turn_of_type(thing, name), thing.id.clone());
                }
                Asks::Current | Asks::Next | Asks::Everyday(_) => {}
            }
        }
        if let Asks::Everyday(Everyday::Several {
            each: ForEach::Done,
            ..
        }) = &typed.command.what
        {
            let parts = self.parts.get(&place).into_iter().flatten();
            for part in parts.filter(|part| part.what == Verdict::Done) {
                let mut things = self.things.values();
                if let Some(thing) = things.find(|thing| part.about.as_ref() == Some(&thing.id)) {
                    is_there(thing, self.turn_of_completion(thing), thing.id.clone());
                }
            }
        }
        effects.into_iter()
    }

    fn applied(&self, system: System) -> impl Iterator<Item = (&RequestRecord, u64, Value)> {
        self.journal[&system].iter().filter_map(|seen| {
            let turn = seen.turn?;
            Some((seen, turn, serde_json::from_str(&seen.body).ok()?))
        })
    }

    fn only(mut turns: impl Iterator<Item = u64>) -> Option<u64> {
        let first = turns.next()?;
        turns.next().is_none().then_some(first)
    }

    fn turn_of_comment(&self, thing: &Thing, text: &str) -> Option<u64> {
        let turns = self.applied(thing.system).filter(|(seen, _, body)| {
            let said = body["body"].as_str().or(body["comment_text"].as_str());
            let is_there = [
                format!("{}/comment", thing.path),
                format!("{}/comments", thing.path),
            ]
            .iter()
            .any(|path| seen.path.ends_with(path));
            let marked = format!("{text}\n\n<!--");
            is_there && said.is_some_and(|said| said == text || said.starts_with(&marked))
        });
        let said_by_hand = self.by_hand.iter().any(|act| match act {
            ByHand::Commented(on, words) => on.title() == thing.title && words == text,
            ByHand::Completed(_) => false,
        });
        match said_by_hand {
            false => Self::only(turns.map(|(_, turn, _)| turn)),
            true => None,
        }
    }

    /// Only where a single command asked for it, and no person did it by hand.
    fn turn_of_completion(&self, thing: &Thing) -> Option<u64> {
        let asked = self.typed.iter().filter(|typed| match &typed.command.what {
            Asks::Done { on, .. } => on.title() == thing.title,
            Asks::DoneHere { .. } => true,
            Asks::Everyday(Everyday::Several {
                each: ForEach::Done,
                tasks,
                by_number,
            }) => *by_number || tasks.iter().any(|on| on.title() == thing.title),
            _ => false,
        });
        let by_hand = self.by_hand.iter().any(|act| match act {
            ByHand::Completed(on) => on.title() == thing.title,
            ByHand::Commented(..) => false,
        });
        if asked.count() != 1 || by_hand {
            return None;
        }
        self.applied(thing.system)
            .filter(|(seen, _, body)| {
                let sets_status = !body["status"].is_null() || !body["state"].is_null();
                matches!(seen.method.as_str(), "PUT" | "PATCH")
                    && seen.path.ends_with(&thing.path)
                    && sets_status
            })
            .map(|(_, turn, _)| turn)
            .min()
    }

    /// When a label was first put on. Only one command does that.
    fn turn_of_label(&self, thing: &Thing, label: &str) -> Option<u64> {
        let tag = format!("{}/tag/{}", thing.path, label.replace(' ', "%20"));
        let labels = format!("{}/labels", thing.path);
        let puts_on = |seen: &&RequestRecord| {
            seen.method == "POST"
                && (seen.path.ends_with(&tag)
                    || seen.path.ends_with(&labels) && seen.body.contains(label))
        };
        let seen = self.journal[&thing.system].iter();
        seen.filter(puts_on).filter_map(|seen| seen.turn).min()
    }

    /// When a type was first given. Only one command does that.
    fn turn_of_type(&self, thing: &Thing, name: &str) -> Option<u64> {
        let gives = |body: &Value| {
            let number = body["custom_item_id"].as_i64();
            body["type"] == *name || number.is_some() && number == everyday::number_of(name)
        };
        let applied = self.applied(thing.system);
        let gives =
            applied.filter(|(seen, _, body)| seen.path.ends_with(&thing.path) && gives(body));
        gives.map(|(_, turn, _)| turn).min()
    }

    fn turn_of_creation(&self, thing: &Thing, title: &str) -> Option<u64> {
        let key = match thing.system {
            System::GitHub => "title",
            _ => "name",
        };
        Self::only(
            self.applied(thing.system)
                .filter(|(seen, _, body)| seen.method == "POST" && body[key] == *title)
                .map(|(_, turn, _)| turn),
        )
    }
}

/// A change in a source, and its place among all changes there.
#[derive(Debug)]
struct Effect {
    lane: String,
    turn: u64,
}

impl Times {
    fn differ(self, there: usize, what: &str) -> Option<String> {
        let least = self.surely + self.by_hand;
        let most = least + self.perhaps;
        (!(least..=most).contains(&there))
            .then(|| format!("{what} is there {there} times, and was done {self:?}"))
    }
}

/// Everything in the sources, by its address.
fn things(ivan: &Ivan) -> BTreeMap<String, Thing> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let tasks = ivan.clickup().tasks().into_iter().map(|task| {
        let id = text(&task["id"]);
        let done = ["done", "closed"].contains(&text(&task["status"]["type"]).as_str());
        let thing = Thing {
            id: format!("clickup:{id}"),
            path: format!("/task/{id}"),
            system: System::ClickUp,
            title: text(&task["name"]),
            description: text(&task["description"]),
            complete: done,
            marks: Marks::of(&task),
            parent: task["parent"].as_str().map(|id| format!("clickup:{id}")),
            comments: ivan.clickup().task(&id).comments(),
        };
        (text(&task["url"]), thing)
    });
    let issues = ivan.github().issues(REPO).into_iter().map(|issue| {
        let number = issue["number"].as_u64().unwrap_or_default();
        let body = text(&issue["body"]);
        let thing = Thing {
            id: format!("github:{REPO}#{number}"),
            path: format!("/issues/{number}"),
            system: System::GitHub,
            title: text(&issue["title"]),
            description: body.split("<!--").next().unwrap_or_default().to_owned(),
            complete: issue["state"] == "closed",
            marks: Marks::of(&issue),
            parent: ivan
                .github()
                .issue(REPO, number)
                .parent()
                .map(|number| format!("github:{REPO}#{number}")),
            comments: ivan.github().issue(REPO, number).comments(),
        };
        (text(&issue["html_url"]), thing)
    });
    tasks.chain(issues).collect()
}

/// The messages in the store, in the order of the answers. One transaction handles a message and reserves the place of
/// its answer.
pub fn heard(ivan: &Ivan) -> Vec<Heard> {
    let store = ivan.store();
    let mut heard = store
        .prepare(
            "WITH events AS (SELECT *, row_number() OVER (PARTITION BY channel, handled_ms ORDER BY said_us, id) AS nth
                             FROM slack_events),
                  answers AS (SELECT *, row_number() OVER (PARTITION BY channel, created_ms ORDER BY id) AS nth
                              FROM messages WHERE tells_set_aside = 0)
             SELECT events.id, json_extract(events.heard, '$.ts'), ifnull(answers.ts, ''), events.kept_ms, events.handled_ms
             FROM events JOIN answers ON answers.channel = events.channel AND answers.created_ms = events.handled_ms
                  AND answers.nth = events.nth
             ORDER BY answers.id",
        )
        .unwrap();
    let heard = heard.query_map([], |row| {
        Ok(Heard {
            id: row.get(0)?,
            ts: row.get(1)?,
            answer: row.get(2)?,
            kept: row.get(3)?,
            handled: row.get(4)?,
        })
    });
    heard.unwrap().map(Result::unwrap).collect()
}

/// The text up to its card, and the card's task without its state.
fn up_to_its_card(text: &str) -> String {
    let plain = text.replace("~<", "<").replace(">~", ">");
    match plain.split_once("> · ") {
        Some((before, _)) => before.to_owned(),
        None => plain,
    }
}

/// A final answer in Slack.
fn read(wire: &str) -> Result<Told, String> {
    let text = shown(wire);
    let what = match text.split_once(' ') {
        Some(("✓", _)) => done(&text),
        Some(("✗", rest)) if rest.starts_with("No current task") => Verdict::NoCurrent,
        Some(("✗", rest)) if rest.contains(" I gave up: ") => given_up(&text),
        Some(("✗" | "…", _)) => return Err(format!("in the end it was told `{text}`")),
        _ => Verdict::Shown,
    };
    let about = match what {
        Verdict::NoCurrent | Verdict::Shown => None,
        // Behind the colon and before the next task.
        _ => links(wire.split("Next: ").next().unwrap_or_default()).next(),
    };
    Ok(Told {
        what,
        about: about.map(str::to_owned),
        comment: comment_of(&text),
    })
}

fn told_over_http(typed: &Typed) -> Result<Told, String> {
    let answer = &typed.outcome["answer"];
    let message = answer["message"].as_str().unwrap_or_default();
    let what = match typed.outcome["state"].as_str().unwrap_or_default() {
        "applied" | "already_so" => done(message),
        "given_up" => given_up(message),
        _ => return Err(format!("in the end it was told {}", typed.outcome)),
    };
    let about = answer["task_id"].as_str();
    Ok(Told {
        what,
        about: about.map(str::to_owned),
        comment: comment_of(message),
    })
}

fn done(text: &str) -> Verdict {
    if text.contains("(completed externally)") {
        Verdict::Externally
    } else if text.contains("Already ") {
        Verdict::Already
    } else {
        Verdict::Done
    }
}

fn given_up(text: &str) -> Verdict {
    match text.contains("It may have worked") {
        true => Verdict::GivenUpPerhapsDone,
        false => Verdict::GivenUp,
    }
}

fn comment_of(text: &str) -> Comment {
    if text.contains(", with your comment") {
        Comment::Added
    } else if text.contains("Your comment may not have been added") {
        Comment::PerhapsAdded
    } else if text.contains("Your comment was") {
        Comment::NotAdded
    } else {
        Comment::None
    }
}

/// The addresses that a text links to.
fn links(wire: &str) -> impl Iterator<Item = &str> {
    wire.split('<')
        .skip(1)
        .filter_map(|link| Some(link.split_once('|')?.0))
}

/// The tasks that a text shows as current.
fn shown_as_current(wire: &str) -> impl Iterator<Item = &str> {
    let part = match wire.chars().next() {
        Some('✓' | '…' | '✗') => ["Next: ", "Current now: "]
            .iter()
            .find_map(|words| Some(wire.split_once(words)?.1))
            .unwrap_or_default(),
        _ => wire,
    };
    links(part)
}
