//! `list`, `find`, `label`, `type`, `create --under`, and `done` and `prio` for several tasks, in a third of the histories. Each label is put
//! on or taken off by one command, and each type is given by one, so that a label or type at the end shows whether that
//! command took effect.

use std::collections::BTreeMap;

use fastrand::Rng;
use ivan::sandbox::Sandbox;
use serde_json::{Value, json};

use super::history::{Asks, Command, Instant, On, Step, Surface, System, Who, Wrong};
use crate::harness::REPO;

/// The labels, or tags, that each task begins with.
pub const OLD: [&str; LABELS] = ["old 1", "old 2", "old 3", "old 4"];
/// Labels of the repository, and tags of the space, that no task has at first.
pub const NEW: [&str; LABELS] = ["new 1", "new 2", "new 3", "new 4"];
/// A history has at most so many commands that change labels.
const LABELS: usize = 4;
/// The titles of tasks under others; each is given once.
pub const PARTS: [&str; LABELS] = ["Part 1", "Part 2", "Part 3", "Part 4"];
/// The types that the organization and the workspace have; each is given by one command.
pub const TYPES: [&str; 4] = ["Bug", "Chore", "Feature", "Spike"];
/// The number of the first of them in ClickUp.
const FIRST_TYPE: i64 = 1300;
/// The label that means a high priority in GitHub.
const HIGH: &str = "P1";

/// A command of every day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Everyday {
    List,
    Find(On),
    Label {
        on: On,
        add: Option<&'static str>,
        remove: Option<&'static str>,
    },
    /// A type for a task, by its name.
    Type {
        on: On,
        name: &'static str,
    },
    /// A new task under another one.
    Part {
        on: On,
        title: &'static str,
        /// Faults and kills come at the second of GitHub's two requests.
        second: bool,
    },
    /// One command for several tasks.
    Several {
        tasks: Vec<On>,
        /// By the numbers 1 and 2 of a list, if the person has just been shown one.
        by_number: bool,
        each: ForEach,
    },
}

/// The command for each of several tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForEach {
    Done,
    High,
}

impl Everyday {
    /// Whether it writes to a source.
    pub fn writes(&self) -> bool {
        match self {
            Everyday::List | Everyday::Find(_) => false,
            Everyday::Label { .. }
            | Everyday::Type { .. }
            | Everyday::Part { .. }
            | Everyday::Several { .. } => true,
        }
    }

    /// The names of labels with their signs.
    pub fn signed(&self) -> String {
        let Everyday::Label { add, remove, .. } = self else {
            return String::new();
        };
        let names = [("+", add), ("-", remove)];
        let names = names
            .iter()
            .filter_map(|(sign, name)| name.map(|name| format!("{sign}{name}")));
        names.collect::<Vec<_>>().join(" ")
    }

    /// The text for Slack. `named` is the REF of a task.
    pub fn words(&self, named: impl Fn(On) -> String, numbers: bool) -> String {
        match self {
            Everyday::List => "list".to_owned(),
            Everyday::Find(on) => format!("find {}", on.title()),
            Everyday::Label { on, .. } => format!("label {} {}", named(*on), self.signed()),
            Everyday::Type { on, name } => format!("type {} {name}", named(*on)),
            Everyday::Part { on, title, .. } => format!("create {title} --under {}", named(*on)),
            Everyday::Several { tasks, each, .. } => {
                let names: Vec<String> = tasks.iter().map(|on| named(*on)).collect();
                match (each, numbers) {
                    (ForEach::Done, true) => "done 1 2".to_owned(),
                    (ForEach::High, true) => "prio 1-2 high".to_owned(),
                    (ForEach::Done, false) => format!("done {}", names.join(" ")),
                    (ForEach::High, false) => format!("prio {} high", names.join(" ")),
                }
            }
        }
    }

    pub fn is_by_number(&self) -> bool {
        matches!(
            self,
            Everyday::Several {
                by_number: true,
                ..
            }
        )
    }
}

/// Whether these words name tasks by their numbers in a list.
pub fn has_numbers(words: &str) -> bool {
    ["done 1 2", "prio 1-2 high"].contains(&words)
}

/// Adds such commands to a third of the histories, with its own random numbers, so that a seed's other steps stay the
/// same. Returns whether it did. `excluded`: a list would count as a task that was shown, a message that is found later
/// would mean an older list, or an older store is put back after these.
pub fn strewn(
    seed: u64,
    excluded: bool,
    (tasks, issues): (usize, usize),
    steps: &mut Vec<Step>,
) -> bool {
    let mut rng = Rng::with_seed(seed ^ 0x0e7e_4da1);
    if rng.u32(..3) != 0 || excluded {
        return false;
    }
    let mut labels = 0..LABELS;
    for _ in 0..rng.usize(2..=3) {
        let task = On::Task(rng.usize(..tasks));
        let issue = On::Issue(rng.usize(..issues));
        let any = if rng.bool() { task } else { issue };
        let each = [ForEach::Done, ForEach::High][rng.usize(..2)];
        let asks = match rng.u8(..8) {
            0..=2 => {
                let name = labels.next().unwrap_or_default();
                let both = rng.u8(..3);
                Everyday::Label {
                    on: any,
                    add: (both != 0).then_some(NEW[name]),
                    remove: (both != 1).then_some(OLD[name]),
                }
            }
            3 => Everyday::Find(any),
            6 | 7 => Everyday::Part {
                on: any,
                title: PARTS[labels.next().unwrap_or_default()],
                second: rng.bool(),
            },
            kind => Everyday::Several {
                tasks: vec![task, issue],
                by_number: kind == 5,
                each,
            },
        };
        let added = steps_of(&mut rng, asks);
        let place = rng.usize(..=steps.len());
        steps.splice(place..place, added);
    }
    strew_types(seed, (tasks, issues), steps);
    true
}

/// Adds commands that give types, with random numbers of their own again.
fn strew_types(seed: u64, (tasks, issues): (usize, usize), steps: &mut Vec<Step>) {
    let mut rng = Rng::with_seed(seed ^ 0x7e57_7e57);
    let mut names = TYPES;
    rng.shuffle(&mut names);
    for name in names.into_iter().take(rng.usize(..=2)) {
        let on = match rng.bool() {
            true => On::Task(rng.usize(..tasks)),
            false => On::Issue(rng.usize(..issues)),
        };
        let added = steps_of(&mut rng, Everyday::Type { on, name });
        let place = rng.usize(..=steps.len());
        steps.splice(place..place, added);
    }
}

/// The steps with a command: perhaps a list before it, a fault, or SIGKILL.
fn steps_of(rng: &mut Rng, asks: Everyday) -> Vec<Step> {
    const OF_SLACK: [Instant; 7] = [
        Instant::BeforeCommit,
        Instant::AfterCommit,
        Instant::AfterAcknowledge,
        Instant::RecordedUnposted,
        Instant::PostedLate,
        Instant::PostedUnanswered,
        Instant::PostedUnrecorded,
    ];
    const OF_THE_SOURCE: [Instant; 4] = [
        Instant::RequestSent,
        Instant::AppliedLate,
        Instant::AppliedUnanswered,
        Instant::AnsweredUnrecorded,
    ];
    let who = Who::ALL[rng.usize(..2)];
    let of: &[Target] = match asks {
        Everyday::Label { .. } => &OF_LABELS,
        Everyday::Type { .. } => &OF_TYPES,
        Everyday::Part { .. } => &OF_PARTS,
        _ => &OF_SEVERAL,
    };
    let is_of_http = matches!(asks, Everyday::Label { .. } | Everyday::Type { .. });
    let by = match is_of_http && rng.bool() {
        true => Surface::Http,
        false => Surface::Dm,
    };
    let command = |what: Everyday, by| Command {
        who,
        by,
        what: Asks::Everyday(what),
    };
    let mut steps = Vec::new();
    let by_number = asks.is_by_number();
    if by_number {
        steps.push(Step::Types(command(Everyday::List, Surface::Dm)));
    }
    let writes = asks.writes();
    let command = command(asks, by);
    let in_slack = by == Surface::Dm && (!writes || rng.bool());
    let step = match rng.u8(..3) {
        0 if in_slack => Step::DiesAt(command, OF_SLACK[rng.usize(..OF_SLACK.len())]),
        0 if !by_number => Step::DiesAt(command, OF_THE_SOURCE[rng.usize(..OF_THE_SOURCE.len())]),
        1 if writes => {
            steps.push(fault(rng, of));
            Step::Types(command)
        }
        _ => Step::Types(command),
    };
    steps.push(step);
    steps
}

type Target = (System, &'static str, &'static str);

const OF_LABELS: [Target; 5] = [
    (System::GitHub, "POST", "/labels"),
    (System::GitHub, "DELETE", "/labels/"),
    (System::GitHub, "GET", "/labels"),
    (System::ClickUp, "POST", "/tag/"),
    (System::ClickUp, "DELETE", "/tag/"),
];
const OF_TYPES: [Target; 4] = [
    (System::GitHub, "PATCH", "/issues/"),
    (System::GitHub, "GET", "/issue-types"),
    (System::ClickUp, "PUT", "/task/"),
    (System::ClickUp, "GET", "/custom_item"),
];
const OF_PARTS: [Target; 4] = [
    (System::GitHub, "POST", "/sub_issues"),
    (System::GitHub, "POST", "/sub_issues"),
    (System::GitHub, "POST", "/issues"),
    (System::ClickUp, "POST", "/list/"),
];
const OF_SEVERAL: [Target; 3] = [
    (System::GitHub, "POST", "/labels"),
    (System::GitHub, "PATCH", "/issues/"),
    (System::ClickUp, "PUT", "/task/"),
];

/// A fault that one of these requests meets.
fn fault(rng: &mut Rng, of: &[Target]) -> Step {
    let (system, method, path) = of[rng.usize(..of.len())];
    Step::GoesWrong {
        system,
        method,
        path,
        what: match rng.u8(..4) {
            0 => Wrong::Dropped,
            1 => Wrong::AppliedThenAnswered(502),
            2 => Wrong::Limited,
            _ => Wrong::AppliedThenDropped,
        },
        times: rng.u32(1..=2),
    }
}

/// The labels that the repository and the space have, and the types of both.
pub fn prepare(sandbox: &Sandbox) {
    for name in TYPES {
        sandbox.github.add_type(REPO, name, true);
        sandbox.clickup.add_type(name);
    }
    for label in NEW {
        sandbox.github.add_label(REPO, label);
        sandbox.clickup.add_tag(label);
    }
    sandbox.github.add_label(REPO, HIGH);
}

/// The addresses of the tasks of a list, by their numbers from 1.
pub fn numbered(wire: &str) -> Vec<&str> {
    let address = |line: &str| -> Option<(usize, usize, usize)> {
        let (number, rest) = line.split_once(". ")?;
        let number = number.parse().ok()?;
        let begin = line.len() - rest.len() + rest.find('<')? + 1;
        Some((number, begin, begin + line.get(begin..)?.find('|')?))
    };
    let mut found: Vec<&str> = Vec::new();
    for line in wire.lines() {
        if let Some((number, begin, end)) = address(line)
            && number == found.len() + 1
        {
            found.extend(line.get(begin..end));
        }
    }
    found
}

/// The lines of a receipt for several tasks; `None` if the command was refused as a whole.
pub fn lines_of(receipt: &str) -> Option<Vec<&str>> {
    let (heading, lines) = receipt.split_once('\n')?;
    let of_tasks = heading.ends_with(" tasks:");
    let is_line = |line: &&str| line.starts_with(['✓', '✗', '…']);
    of_tasks.then(|| lines.lines().filter(is_line).collect())
}

/// The number in ClickUp of a type.
pub fn number_of(name: &str) -> Option<i64> {
    let place = TYPES.iter().position(|known| *known == name)?;
    Some(FIRST_TYPE + i64::try_from(place).ok()?)
}

/// The labels, the priority and the type of a task at its source.
#[derive(Debug, Clone, Default)]
pub struct Marks {
    pub labels: Vec<String>,
    pub is_high: bool,
    pub task_type: Option<String>,
}

impl Marks {
    /// Of a task in ClickUp or an issue in GitHub, as its source shows it.
    pub fn of(thing: &Value) -> Marks {
        let all = |key: &str| {
            let items = thing[key].as_array().into_iter().flatten();
            items.filter_map(|item| item["name"].as_str().map(str::to_owned))
        };
        let mut labels: Vec<String> = all("tags").chain(all("labels")).collect();
        let before = labels.len();
        labels.retain(|label| label != HIGH);
        let number = thing["custom_item_id"].as_i64();
        let mut known = TYPES.iter();
        let known = known.find(|name| number.is_some() && number_of(name) == number);
        let name = thing["type"]["name"].as_str().or(known.copied());
        Marks {
            task_type: name.map(str::to_owned),
            is_high: labels.len() < before || thing["priority"]["priority"] == *"high",
            labels,
        }
    }
}

/// How often a change of a task was reported: surely, and perhaps.
pub type Reported = BTreeMap<(String, String), (usize, usize)>;

/// The word for a high priority in [`Reported`], beside the names of labels.
pub const PRIORITY: &str = "the priority high";

/// The word for a type in [`Reported`].
pub fn of_type(name: &str) -> String {
    format!("the type {name}")
}

/// The violations of one task: each change that was reported is there, and no other.
pub fn wrong(
    (id, title): (&str, &str),
    marks: &Marks,
    begins_with_labels: bool,
    reported: &Reported,
) -> Vec<String> {
    let of = |what: &str| {
        let key = (id.to_owned(), what.to_owned());
        reported.get(&key).copied().unwrap_or_default()
    };
    let mut wrong = Vec::new();
    let mut check = |what: &str, is_done: bool| {
        let (surely, perhaps) = of(what);
        if is_done && surely + perhaps == 0 || !is_done && surely > 0 {
            wrong.push(format!(
                "{title}: {what} is {}changed, and {surely} changes were reported, and perhaps {perhaps}",
                if is_done { "" } else { "not " }
            ));
        }
    };
    let has = |label: &str| marks.labels.iter().any(|known| known == label);
    for label in NEW {
        check(label, has(label));
    }
    if begins_with_labels {
        for label in OLD {
            check(label, !has(label));
        }
    }
    check(PRIORITY, marks.is_high);
    // Another command may have given it a later type, and none takes it off.
    let times = |name: &&str| of(&of_type(name));
    let is_reported = TYPES.iter().any(|name| times(name).0 > 0);
    match &marks.task_type {
        Some(name) if times(&name.as_str()) == (0, 0) => {
            wrong.push(format!("{title}: nobody has given it the type {name}"));
        }
        None if is_reported => wrong.push(format!("{title}: it has no type, and one was reported")),
        _ => {}
    }
    let is_known = |label: &&String| {
        let label = label.as_str();
        NEW.contains(&label) || begins_with_labels && OLD.contains(&label)
    };
    for label in marks.labels.iter().filter(|label| !is_known(label)) {
        wrong.push(format!("{title}: nobody has put on {label}"));
    }
    wrong
}

/// The body of a request with the command over HTTP.
pub fn body(asks: &Everyday) -> Value {
    match asks {
        Everyday::Type { name, .. } => json!({ "type": name }),
        _ => json!({ "labels": asks.signed() }),
    }
}
