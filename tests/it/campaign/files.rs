//! Files in messages of a channel: each link stands once, below the one text that it came with.

use fastrand::Rng;
use ivan::sandbox::slack::PostedMessage;
use serde_json::Value;

use super::driver::{Drive, Tally};
use super::history::{On, Step, System, Who};
use super::threads::{Made, outcomes};
use crate::harness::Ivan;

/// The channel of the messages.
const GENERAL: &str = "C0GEN01";
/// The titles of their tasks and their comments begin with it.
pub const TITLE: &str = "Shared ";

/// A command with files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WithFiles {
    Create(System),
    Comment(On),
}

/// A message with files.
#[derive(Debug)]
pub struct SentFiles {
    ts: String,
    number: usize,
    names: Vec<String>,
    what: WithFiles,
}

/// Adds such messages to a quarter of the histories, with its own random numbers, so that a seed's other steps stay the
/// same. The histories that get no command in a thread get none of these either, for the same reasons.
pub fn strewn(seed: u64, excluded: bool, (tasks, issues): (usize, usize), steps: &mut Vec<Step>) {
    let mut rng = Rng::with_seed(seed ^ 0x00f1_1e5e);
    if rng.u32(..4) != 0 || excluded {
        return;
    }
    for _ in 0..rng.usize(1..=3) {
        let system = [System::ClickUp, System::GitHub][rng.usize(..2)];
        let what = match (rng.bool(), system) {
            (true, _) => WithFiles::Create(system),
            (false, System::ClickUp) => WithFiles::Comment(On::Task(rng.usize(..tasks))),
            (false, _) => WithFiles::Comment(On::Issue(rng.usize(..issues))),
        };
        let who = Who::ALL[rng.usize(..2)];
        let place = rng.usize(..=steps.len());
        steps.insert(place, Step::WithFiles(who, what));
    }
}

/// A person sends files with this command. Every third message shows them by their ids only.
pub fn sent(ivan: &Ivan, number: usize, who: Who, what: WithFiles, tally: &Tally) -> SentFiles {
    let slack = ivan.slack();
    // No two messages share a file.
    let all = [format!("shot{number}.png"), format!("plan{number}.pdf")];
    let names = all[..=number % 2].to_vec();
    let text = match what {
        WithFiles::Create(System::GitHub) => {
            format!("create {TITLE}{number} -s github -d given")
        }
        WithFiles::Create(_) => format!("create {TITLE}{number} -d given"),
        WithFiles::Comment(on @ On::Task(_)) => {
            let id = ivan.clickup().task(on.title()).id().to_owned();
            format!("@ivan comment on clickup:{id}: {TITLE}{number}")
        }
        WithFiles::Comment(On::Issue(place)) => {
            format!("@ivan comment on #{}: {TITLE}{number}", place + 1)
        }
    };
    slack.files_are_foreign(number % 3 == 2);
    let shared: Vec<&str> = names.iter().map(String::as_str).collect();
    let sent = slack.try_shares(who.slack(), GENERAL, &shared, &text, None);
    slack.files_are_foreign(false);
    tally.fault("message with files", 1);
    SentFiles {
        ts: sent.unwrap(),
        number,
        names,
        what,
    }
}

/// The violations.
pub fn wrong(drive: &Drive<'_>, made: &[Made<'_>], gives_up: bool) -> Vec<String> {
    let slack = drive.ivan.slack();
    let mut wrong = Vec::new();
    for sent in &drive.files {
        let said = slack.replies_to(GENERAL, &sent.ts);
        let said: Vec<&PostedMessage> = said.iter().collect();
        let checked = linked(sent, &said, made, gives_up);
        let checked = checked.and_then(|()| copied(drive.ivan, sent, &said, gives_up));
        if let Err(why) = checked {
            let said: Vec<&str> = said.iter().map(|one| one.text.as_str()).collect();
            wrong.push(format!("{sent:?}: {why}; it says {said:#?}"));
        }
    }
    let is_sent = |text: &str| {
        let mut sent = drive.files.iter();
        sent.any(|sent| begins(text, sent.number))
    };
    let titles = made.iter().map(|one| one.title);
    let comments = made.iter().flat_map(|one| one.comments);
    let texts = titles.chain(comments.map(String::as_str));
    for text in texts.filter(|text| text.starts_with(TITLE) && !is_sent(text)) {
        wrong.push(format!("nobody has asked for `{text}`"));
    }
    wrong
}

/// Whether a title or a comment is of the message with that number.
fn begins(text: &str, number: usize) -> bool {
    let first = text.lines().next();
    first.is_some_and(|line| line == format!("{TITLE}{number}"))
}

fn linked(
    sent: &SentFiles,
    said: &[&PostedMessage],
    made: &[Made<'_>],
    gives_up: bool,
) -> Result<(), String> {
    let outcomes = outcomes(said);
    let &[outcome] = outcomes.as_slice() else {
        return Err(format!("{} outcomes", outcomes.len()));
    };
    let texts: Vec<&str> = match sent.what {
        WithFiles::Create(_) => {
            let made = made.iter().filter(|one| begins(one.title, sent.number));
            made.map(|one| one.description).collect()
        }
        WithFiles::Comment(on) => {
            let of = made.iter().filter(|one| one.title == on.title());
            let comments = of.flat_map(|one| one.comments);
            let own = comments.filter(|text| begins(text, sent.number));
            own.map(String::as_str).collect()
        }
    };
    let [text] = texts.as_slice() else {
        let given_up = gives_up && outcome.starts_with('✗') && texts.is_empty();
        return match given_up {
            true => Ok(()),
            false => Err(format!("there {} times", texts.len())),
        };
    };
    if !outcome.starts_with('✓') && !gives_up {
        return Err("there, and not said".to_owned());
    }
    let is_left_out = said.iter().any(|one| one.text.contains(" not added: "));
    for name in &sent.names {
        let links = text.matches(&format!("/{name}")).count();
        let named = outcome.contains(name.as_str());
        let least = usize::from(!is_left_out);
        if !(least..=1).contains(&links) {
            return Err(format!("{links} links to {name} in {text:?}"));
        }
        if outcome.starts_with('✓') && named != (links == 1) {
            return Err(format!("{name} is named: {named}; linked {links} times"));
        }
    }
    Ok(())
}

/// ClickUp has each copy that the answer tells of once, and no other.
fn copied(
    ivan: &Ivan,
    sent: &SentFiles,
    said: &[&PostedMessage],
    gives_up: bool,
) -> Result<(), String> {
    let outcomes = outcomes(said);
    let outcome = outcomes.first().copied().unwrap_or_default();
    let tasks = ivan.clickup().tasks();
    for name in &sent.names {
        let of = |task: &Value| task["attachments"].as_array().cloned().unwrap_or_default();
        let files = tasks.iter().flat_map(of);
        let there = files.filter(|file| file["title"] == **name).count();
        let is_told = outcome.contains(&format!("{name} is attached in ClickUp, too."));
        let may_be = outcome.starts_with('✗') || outcome.contains("may not be attached");
        let fits = there == usize::from(is_told) || gives_up && may_be && there <= 1;
        if !fits {
            return Err(format!(
                "{name} is attached {there} times, and told: {is_told}"
            ));
        }
    }
    Ok(())
}
