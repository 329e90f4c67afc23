//! `create` and `attach` in threads of a channel: one task with the thread's text, one link, and no comment shown twice.

use fastrand::Rng;
use ivan::sandbox::slack::PostedMessage;

use super::driver::{Drive, Tally};
use super::history::{On, Step, System, Who};
use crate::harness::Ivan;

/// The channel of the threads.
const GENERAL: &str = "C0GEN01";
/// The titles of their tasks begin with it.
pub const TITLE: &str = "Thread ";

/// A command in a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InThread {
    Create(System),
    Attach(On),
}

/// A thread with its command.
#[derive(Debug)]
pub struct Thread {
    root: String,
    number: usize,
    what: InThread,
}

/// Adds such commands to a quarter of the histories, with its own random numbers, so that a seed's other steps stay the
/// same. A message that Slack drops in a channel is not found again, so histories that drop messages get none; nor do
/// those after which an older store is put back.
pub fn strewn(seed: u64, excluded: bool, (tasks, issues): (usize, usize), steps: &mut Vec<Step>) {
    let mut rng = Rng::with_seed(seed ^ 0x0074_4ead);
    if rng.u32(..4) != 0 || excluded {
        return;
    }
    for _ in 0..rng.usize(1..=3) {
        let system = [System::ClickUp, System::GitHub][rng.usize(..2)];
        let what = match (rng.u8(..3), system) {
            (0 | 1, _) => InThread::Create(system),
            (_, System::ClickUp) => InThread::Attach(On::Task(rng.usize(..tasks))),
            (_, _) => InThread::Attach(On::Issue(rng.usize(..issues))),
        };
        let who = Who::ALL[rng.usize(..2)];
        let place = rng.usize(..=steps.len());
        steps.insert(place, Step::InThread(who, what));
    }
}

/// Two people talk in a new thread, and then this command is typed in it.
pub fn typed(ivan: &Ivan, number: usize, who: Who, what: InThread, tally: &Tally) -> Thread {
    let slack = ivan.slack();
    let root = slack.says(Who::Bo.slack(), GENERAL, &format!("Root {number} of it"));
    let says = |who: Who, text: &str| slack.says_in_thread(who.slack(), GENERAL, &root, text);
    says(Who::Ana, &format!("Reply {number} to it"));
    let command = match what {
        InThread::Create(System::GitHub) => format!("create {TITLE}{number} -s github -d given"),
        InThread::Create(_) => format!("create {TITLE}{number} -d given"),
        InThread::Attach(on @ On::Task(_)) => {
            format!(
                "@ivan attach clickup:{}",
                ivan.clickup().task(on.title()).id()
            )
        }
        InThread::Attach(On::Issue(place)) => format!("@ivan attach #{}", place + 1),
    };
    says(who, &command);
    tally.fault("command in a thread of a channel", 1);
    Thread { root, number, what }
}

/// A task at the end.
pub struct Made<'a> {
    pub title: &'a str,
    pub description: &'a str,
    pub comments: &'a [String],
}

/// The violations.
pub fn wrong(drive: &Drive<'_>, made: &[Made<'_>], gives_up: bool) -> Vec<String> {
    let slack = drive.ivan.slack();
    let mut wrong = Vec::new();
    for thread in &drive.threads {
        let said = slack.replies_to(GENERAL, &thread.root);
        let said: Vec<&PostedMessage> = said.iter().collect();
        let found = match thread.what {
            InThread::Create(_) => created(thread, &said, made, gives_up),
            InThread::Attach(on) => attached(drive.ivan, thread, on, &said, made),
        };
        if let Err(why) = found {
            let said: Vec<&str> = said.iter().map(|one| one.text.as_str()).collect();
            wrong.push(format!("{thread:?}: {why}; it says {said:#?}"));
        }
    }
    for one in made.iter().filter(|one| one.title.starts_with(TITLE)) {
        let of = |thread: &Thread| one.title == format!("{TITLE}{}", thread.number);
        if !drive.threads.iter().any(of) {
            wrong.push(format!("nobody has asked for `{}`", one.title));
        }
    }
    wrong
}

/// The outcomes among the answers in a thread.
pub fn outcomes<'a>(said: &[&'a PostedMessage]) -> Vec<&'a str> {
    const OTHERS: [&str; 2] = [
        "✗ I can't save anything right now, so nothing changed.",
        "so I set it aside",
    ];
    let texts = said.iter().map(|posted| posted.text.as_str());
    texts
        .filter(|text| text.starts_with(['✓', '✗', '…']))
        .filter(|text| !OTHERS.iter().any(|other| text.contains(other)))
        .collect()
}

fn created(
    thread: &Thread,
    said: &[&PostedMessage],
    made: &[Made<'_>],
    gives_up: bool,
) -> Result<(), String> {
    let title = format!("{TITLE}{}", thread.number);
    let made: Vec<&Made<'_>> = made.iter().filter(|one| one.title == title).collect();
    let outcomes = outcomes(said);
    let &[outcome] = outcomes.as_slice() else {
        return Err(format!("{} outcomes", outcomes.len()));
    };
    let unread = "The text of this thread was not added";
    let is_read = !said.iter().any(|posted| posted.text.starts_with(unread));
    let [task] = made.as_slice() else {
        let given_up = gives_up && outcome.starts_with('✗') && made.is_empty();
        return match given_up {
            true => Ok(()),
            false => Err(format!("made {} times", made.len())),
        };
    };
    if !outcome.starts_with('✓') && !gives_up {
        return Err("made, and not said".to_owned());
    }
    let number = thread.number;
    let quoted = [
        format!("> Root {number} of it"),
        format!("> Reply {number} to it"),
    ];
    let times = quoted.map(|line| task.description.matches(&line).count());
    let given = task.description.starts_with("given");
    let wanted = usize::from(is_read);
    match given && times == [wanted; 2] {
        true => Ok(()),
        false => Err(format!(
            "read: {is_read}, described as {:?}",
            task.description
        )),
    }
}

fn attached(
    ivan: &Ivan,
    thread: &Thread,
    on: On,
    said: &[&PostedMessage],
    made: &[Made<'_>],
) -> Result<(), String> {
    let outcomes = outcomes(said);
    let &[outcome] = outcomes.as_slice() else {
        return Err(format!("{} outcomes", outcomes.len()));
    };
    let links: i64 = ivan
        .store()
        .query_row(
            "SELECT count(*) FROM messages m JOIN commands c ON c.id = m.command_id
             WHERE c.verb = 'attach' AND m.thread = ?1 AND m.about IS NOT NULL",
            [&thread.root],
            |row| row.get(0),
        )
        .map_err(|error| error.to_string())?;
    let is_linked = outcome.starts_with("✓ Thread attached to ");
    // The task may be complete by then.
    if !is_linked && !outcome.starts_with("✗ Not attached: ") {
        return Err("an unknown outcome".to_owned());
    }
    if links != i64::from(is_linked) {
        return Err(format!("{links} links"));
    }
    let Some(task) = made.iter().find(|one| one.title == on.title()) else {
        return Err("its task is not there".to_owned());
    };
    for text in task.comments {
        let there = task.comments.iter().filter(|one| *one == text).count();
        let quoted = format!("“{text}”");
        let shown: usize = said
            .iter()
            .map(|one| one.text.matches(&quoted).count())
            .sum();
        if shown > there {
            return Err(format!(
                "`{text}` is shown {shown} times and there {there} times"
            ));
        }
    }
    Ok(())
}
