//! The steps of a history, drawn from its seed and from nothing else.
//!
//! Commands name their task, and most texts occur once, so that their effects can be found in the sources; some texts
//! and titles repeat on purpose. Commands that depend on the shown task (`done` and `comment` without a task) are drawn
//! only where no person uses `next` over HTTP.

use std::fmt;
use std::time::Duration;

use fastrand::Rng;

use super::aborts::Abort;
use super::everyday::{self, Everyday};
use super::files::{self, WithFiles};
use super::threads::{self, InThread};
use super::{drops, gone};
use crate::harness::{ANA, ANA_CLICKUP, BO, BO_CLICKUP};

/// Names of the ClickUp tasks; a history has the first few.
pub const TASKS: [&str; 3] = ["Renew cert", "Write the runbook", "Order labels"];
/// Titles of the GitHub issues, numbers from 1.
pub const ISSUES: [&str; 3] = ["Login fails", "Update the docs", "Remove the importer"];
/// Texts and titles that occur more than once.
const AGAIN: [&str; 2] = ["shipped", "on it"];
const TITLES_AGAIN: [&str; 2] = ["Buy milk", "Fix login"];
/// Five answers go to a DM at once, and then one a second.
const ANSWERS_IN_A_DM: usize = 6;

/// One history before it runs.
#[derive(Debug, Clone)]
pub struct History {
    pub seed: u64,
    /// Ana and Bo are `[[people]]`; otherwise they share one queue.
    pub people: bool,
    /// Webhooks are on.
    pub hooks: bool,
    /// `outbox.give_up_after` is short, so that some commands are given up.
    pub gives_up: bool,
    /// Slack drops messages while the link is up.
    pub drops: bool,
    /// GitHub is used as a GitHub App, whose tokens end again and again.
    pub app: bool,
    /// It has commands of `everyday.rs`, and tasks begin with labels.
    pub everyday: bool,
    pub tasks: usize,
    pub issues: usize,
    pub steps: Vec<Step>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    Ana,
    Bo,
}

impl Who {
    pub const ALL: [Who; 2] = [Who::Ana, Who::Bo];

    /// The Slack id.
    pub fn slack(self) -> &'static str {
        match self {
            Who::Ana => ANA,
            Who::Bo => BO,
        }
    }

    pub fn clickup(self) -> i64 {
        match self {
            Who::Ana => ANA_CLICKUP,
            Who::Bo => BO_CLICKUP,
        }
    }

    pub fn github(self) -> &'static str {
        match self {
            Who::Ana => "ana",
            Who::Bo => "bo",
        }
    }

    /// The name in bot.toml.
    pub fn name(self) -> &'static str {
        match self {
            Who::Ana => "Ana",
            Who::Bo => "Bo",
        }
    }
}

/// One of the tasks that a history begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum On {
    Task(usize),
    Issue(usize),
}

impl On {
    pub fn title(self) -> &'static str {
        match self {
            On::Task(place) => TASKS[place],
            On::Issue(place) => ISSUES[place],
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum System {
    Slack,
    ClickUp,
    GitHub,
}

impl System {
    const SOURCES: [System; 2] = [System::ClickUp, System::GitHub];
}

/// A request of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    pub who: Who,
    pub by: Surface,
    pub what: Asks,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surface {
    Dm,
    /// With an `Idempotency-Key`, repeated until there is an answer.
    Http,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asks {
    Comment {
        on: On,
        text: String,
    },
    Done {
        on: On,
        comment: Option<String>,
    },
    Create {
        system: System,
        title: String,
        description: Option<String>,
    },
    Current,
    Next,
    CommentHere {
        text: String,
    },
    DoneHere {
        comment: Option<String>,
    },
    Everyday(Everyday),
}

/// The moment of SIGKILL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Instant {
    /// The message has been delivered and cannot be committed.
    BeforeCommit,
    /// It is in the store, and Slack gets no acknowledgement.
    AfterCommit,
    /// Slack has just got the acknowledgement.
    AfterAcknowledge,
    /// The write has gone out and is never applied.
    RequestSent,
    /// The write has gone out and is applied after its sender's death.
    AppliedLate,
    /// The source has applied the write and not answered.
    AppliedUnanswered,
    /// The source has answered, and the answer cannot be recorded.
    AnsweredUnrecorded,
    /// The answer was lost, and the source is being searched.
    Searching,
    /// The answer to the person has gone out and is never posted.
    RecordedUnposted,
    /// The answer to the person has gone out and is posted after its sender's death.
    PostedLate,
    /// It is posted, and Slack has not answered.
    PostedUnanswered,
    /// It is posted, and that cannot be recorded.
    PostedUnrecorded,
    /// The update with the final answer has gone out and is never applied.
    Updating,
    /// The update is applied, and Slack has not answered.
    UpdatedUnanswered,
}

impl Instant {
    const ALL: [Instant; 14] = [
        Instant::BeforeCommit,
        Instant::AfterCommit,
        Instant::AfterAcknowledge,
        Instant::RequestSent,
        Instant::AppliedLate,
        Instant::AppliedUnanswered,
        Instant::AnsweredUnrecorded,
        Instant::Searching,
        Instant::RecordedUnposted,
        Instant::PostedLate,
        Instant::PostedUnanswered,
        Instant::PostedUnrecorded,
        Instant::Updating,
        Instant::UpdatedUnanswered,
    ];

    /// Whether the instant involves Slack, so that the command has to come from there.
    pub fn is_of_slack(self) -> bool {
        !matches!(
            self,
            Instant::RequestSent
                | Instant::AppliedLate
                | Instant::AppliedUnanswered
                | Instant::AnsweredUnrecorded
                | Instant::Searching
        )
    }

    /// Whether a command gets there; a completion stops early if the task is complete already.
    fn is_reached_by(self, command: &Command) -> bool {
        match self {
            Instant::BeforeCommit
            | Instant::AfterCommit
            | Instant::AfterAcknowledge
            | Instant::RecordedUnposted
            | Instant::PostedLate
            | Instant::PostedUnanswered
            | Instant::PostedUnrecorded => true,
            _ => match &command.what {
                Asks::Comment { .. } | Asks::Create { .. } | Asks::Done { .. } => true,
                Asks::Everyday(asks) => asks.writes(),
                _ => false,
            },
        }
    }

    pub fn words(self) -> &'static str {
        match self {
            Instant::BeforeCommit => "before commit",
            Instant::AfterCommit => "after commit, before acknowledge",
            Instant::AfterAcknowledge => "after acknowledge",
            Instant::RequestSent => "request sent",
            Instant::AppliedLate => "request sent, applied after the kill",
            Instant::AppliedUnanswered => "applied but unanswered",
            Instant::AnsweredUnrecorded => "answered but unrecorded",
            Instant::Searching => "during the search",
            Instant::RecordedUnposted => "recorded but unreplied (not posted)",
            Instant::PostedLate => "recorded but unreplied (posted after the kill)",
            Instant::PostedUnanswered => "recorded but unreplied (posted)",
            Instant::PostedUnrecorded => "replied but unrecorded",
            Instant::Updating => "reply being replaced (not applied)",
            Instant::UpdatedUnanswered => "reply being replaced (applied)",
        }
    }
}

/// The fault that a request meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    Dropped,
    AppliedThenDropped,
    Answered(u16),
    AppliedThenAnswered(u16),
    /// No answer for this many milliseconds, then the connection breaks.
    Hangs(u64),
    AppliedThenHangs(u64),
    Late(u64),
    Limited,
    /// A proxy answers with a page of its own.
    InBetween,
    AppliedThenInBetween,
    /// GitHub reports that too much was created at once.
    TooQuick,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Types(Command),
    /// A command, and SIGKILL at that instant.
    DiesAt(Command, Instant),
    /// The daemon ends twice during one piece of work.
    Aborts(Command, Abort),
    /// SIGKILL after so many milliseconds, and perhaps again so long after the next start.
    Dies {
        after_ms: u64,
        again_ms: Option<u64>,
    },
    GoesWrong {
        system: System,
        method: &'static str,
        path: &'static str,
        what: Wrong,
        times: u32,
    },
    /// Every recent envelope arrives again, acknowledged or not.
    Redelivers,
    /// The last envelope arrives again unchanged.
    Twins,
    /// The next envelopes get lost.
    LosesEnvelopes(u32),
    /// The events of the next messages never come.
    DropsMessages(u32),
    /// Acknowledgements get lost for so many milliseconds.
    LosesAcks(u64),
    LinkDrops,
    LinkCloses,
    LinkRefreshes(&'static str),
    LosesHooks,
    RepeatsHooks,
    HoldsHooks,
    ReversesHooks,
    /// A task is made and deleted, and its deletion is delivered first.
    DeletesFirst(System),
    /// Listings are stale for a while.
    Lags(System),
    /// Slack refuses blocks for so many milliseconds.
    RefusesBlocks(u64),
    /// Down for so many milliseconds.
    Down(System, u64),
    Limits(System),
    /// The disk fills up, that many bytes before the end of the longest file; a command; and there is room again.
    DiskFills {
        back: u64,
        command: Command,
        for_ms: u64,
    },
    /// The clock of a system goes to so many seconds ahead.
    Clock(System, i64),
    /// The daemon is restarted with a corrected clock, which had been so many seconds ahead.
    OwnClock(i64),
    /// A person comments by hand, perhaps with the same text.
    CommentsByHand(Who, On, String),
    /// A person completes it by hand.
    CompletesByHand(Who, On),
    /// A command in a thread of a channel.
    InThread(Who, InThread),
    /// A command with files in a channel.
    WithFiles(Who, WithFiles),
    Reads,
    /// SIGTERM, and a start.
    Stops,
    Pauses(u64),
    /// Waits until everything typed so far is settled.
    Settles,
}

/// The largest clock error in seconds: the source's and the daemon's together stay within the slack of the searches,
/// which is a minute in GitHub.
const CLOCK_OFF: i64 = 25;

impl History {
    pub fn of(seed: u64) -> History {
        let mut draw = Draw {
            rng: Rng::with_seed(seed),
            said: 0,
            answers: [0; 2],
            tasks: 0,
            issues: 0,
            bare: false,
            gives_up: false,
            disk: false,
            put_right: false,
            clocks: false,
            hooks: false,
            hands: false,
        };
        draw.tasks = draw.rng.usize(1..=3);
        draw.issues = draw.rng.usize(1..=3);
        draw.bare = draw.one_in(3);
        draw.gives_up = draw.one_in(6);
        draw.disk = draw.one_in(4);
        draw.clocks = draw.one_in(4);
        draw.hooks = draw.one_in(3);
        draw.hands = draw.one_in(3);
        let people = draw.rng.bool();
        let mut steps = Vec::new();
        if draw.bare {
            for who in Who::ALL {
                steps.push(Step::Types(draw.dm(who, Asks::Current)));
            }
        }
        let wanted = draw.rng.usize(6..=15);
        while steps.len() < wanted {
            let step = draw.step();
            steps.extend(step);
        }
        // A history's subject must occur in it.
        if draw.clocks {
            draw.clock_is_moved(&mut steps);
        }
        if draw.disk {
            draw.disk_fills(&mut steps);
        }
        if draw.hooks {
            let trouble = draw.hook_trouble();
            draw.at_some_point(&mut steps, trouble);
        }
        if draw.one_in(4) {
            draw.aborts(&mut steps);
        }
        if draw.one_in(4) {
            let step = draw.in_between();
            draw.at_some_point(&mut steps, step);
        }
        if draw.one_in(6) {
            let step = Step::RefusesBlocks(draw.rng.u64(50..2_000));
            draw.at_some_point(&mut steps, step);
        }
        let drops = drops::strewn(seed, draw.bare, &mut steps);
        gone::strewn(seed, draw.hooks, draw.bare, &mut steps);
        // An older store may be put back after these.
        let is_put_back = seed % 8 == 1;
        let sizes = (draw.tasks, draw.issues);
        let excluded = drops || is_put_back || draw.bare;
        threads::strewn(seed, excluded, sizes, &mut steps);
        files::strewn(seed, excluded, sizes, &mut steps);
        let everyday = everyday::strewn(seed, excluded, sizes, &mut steps);
        History {
            drops,
            everyday,
            app: seed % 3 == 1,
            seed,
            people,
            hooks: draw.hooks,
            gives_up: draw.gives_up,
            tasks: draw.tasks,
            issues: draw.issues,
            steps,
        }
    }
}

impl History {
    /// Whether the daemon's clock is corrected in it.
    pub fn puts_right(&self) -> bool {
        let mut steps = self.steps.iter();
        steps.any(|step| matches!(step, Step::OwnClock(_)))
    }

    /// Whether people can go on after it: no clock was moved, and no work is given up early.
    pub fn ends_calmly(&self) -> bool {
        let moved = |step: &Step| matches!(step, Step::Clock(..) | Step::OwnClock(_));
        !self.gives_up && !self.steps.iter().any(moved)
    }
}

struct Draw {
    rng: Rng,
    said: usize,
    /// Numbers of answers for Ana and Bo.
    answers: [usize; 2],
    tasks: usize,
    issues: usize,
    bare: bool,
    gives_up: bool,
    disk: bool,
    put_right: bool,
    clocks: bool,
    hooks: bool,
    hands: bool,
}

impl Draw {
    fn one_in(&mut self, n: u32) -> bool {
        self.rng.u32(..n) == 0
    }

    fn who(&mut self) -> Who {
        Who::ALL[self.rng.usize(..2)]
    }

    fn source(&mut self) -> System {
        System::SOURCES[self.rng.usize(..2)]
    }

    fn on(&mut self) -> On {
        match self.rng.bool() {
            true => On::Task(self.rng.usize(..self.tasks)),
            false => On::Issue(self.rng.usize(..self.issues)),
        }
    }

    fn text(&mut self) -> String {
        self.said += 1;
        match self.rng.u8(..4) {
            0 => AGAIN[self.rng.usize(..2)].to_owned(),
            _ => format!("note {} of the log", self.said),
        }
    }

    fn dm(&mut self, who: Who, what: Asks) -> Command {
        self.answers[who as usize] += 1;
        Command {
            who,
            by: Surface::Dm,
            what,
        }
    }

    fn command(&mut self, has_to_be_dm: bool) -> Option<Command> {
        let who = self.who();
        let room = self.answers[who as usize] < ANSWERS_IN_A_DM;
        if has_to_be_dm && !room {
            return None;
        }
        let http = !has_to_be_dm && (!room || self.one_in(4));
        let what = match self.rng.u8(..10) {
            0..=3 => Asks::Comment {
                on: self.on(),
                text: self.text(),
            },
            // Over HTTP the pin moves on unseen in Slack.
            4..=6 if !(http && self.bare) => Asks::Done {
                on: self.on(),
                comment: match self.one_in(2) {
                    true => Some(self.text()),
                    false => None,
                },
            },
            7 if self.bare && !http => Asks::Next,
            8 if self.bare && !http => match self.one_in(3) {
                true => Asks::CommentHere { text: self.text() },
                false => Asks::DoneHere {
                    comment: self.one_in(3).then(|| "done here".to_owned()),
                },
            },
            _ => {
                self.said += 1;
                let title = match self.one_in(4) {
                    true => TITLES_AGAIN[self.rng.usize(..2)].to_owned(),
                    false => format!("New {} & more", self.said),
                };
                Asks::Create {
                    system: self.source(),
                    title,
                    description: self.one_in(3).then(|| format!("because of {}", self.said)),
                }
            }
        };
        Some(match http {
            true => Command {
                who,
                by: Surface::Http,
                what,
            },
            false => self.dm(who, what),
        })
    }

    fn wrong(&mut self) -> Wrong {
        match self.rng.u8(..9) {
            0 => Wrong::Dropped,
            1 | 2 => Wrong::AppliedThenDropped,
            3 => Wrong::Answered([500, 502, 503][self.rng.usize(..3)]),
            4 | 5 => Wrong::AppliedThenAnswered([500, 502, 504][self.rng.usize(..3)]),
            6 => Wrong::Hangs(self.rng.u64(50..800)),
            7 => Wrong::AppliedThenHangs(self.rng.u64(50..800)),
            _ => match self.rng.bool() {
                true => Wrong::Late(self.rng.u64(50..800)),
                false => Wrong::Limited,
            },
        }
    }

    fn goes_wrong(&mut self) -> Step {
        const REQUESTS: [(System, &str, &str); 13] = [
            (System::ClickUp, "POST", "/comment"),
            (System::ClickUp, "PUT", "/task/"),
            (System::ClickUp, "POST", "/list/"),
            (System::ClickUp, "GET", "/"),
            (System::GitHub, "POST", "/comments"),
            (System::GitHub, "PATCH", "/issues/"),
            (System::GitHub, "POST", "/issues"),
            (System::GitHub, "GET", "/"),
            (System::Slack, "POST", "chat.postMessage"),
            (System::Slack, "POST", "chat.postMessage"),
            (System::Slack, "POST", "chat.update"),
            (System::Slack, "POST", "apps.connections.open"),
            (System::Slack, "GET", "/api/"),
        ];
        let (system, method, path) = REQUESTS[self.rng.usize(..REQUESTS.len())];
        Step::GoesWrong {
            system,
            method,
            path,
            what: self.wrong(),
            times: self.rng.u32(1..=2),
        }
    }

    /// The answer of a firewall, or of GitHub's flood protection.
    fn in_between(&mut self) -> Step {
        const REQUESTS: [(System, &str, &str); 6] = [
            (System::ClickUp, "POST", "/comment"),
            (System::ClickUp, "PUT", "/task/"),
            (System::ClickUp, "GET", "/"),
            (System::GitHub, "POST", "/comments"),
            (System::GitHub, "POST", "/issues"),
            (System::GitHub, "GET", "/"),
        ];
        let (system, method, path) = REQUESTS[self.rng.usize(..REQUESTS.len())];
        let creates = (system, method) == (System::GitHub, "POST");
        Step::GoesWrong {
            system,
            method,
            path,
            what: match self.rng.u8(..3) {
                0 if creates => Wrong::TooQuick,
                1 if method != "GET" => Wrong::AppliedThenInBetween,
                _ => Wrong::InBetween,
            },
            times: 1,
        }
    }

    fn full_disk(&mut self) -> Option<Step> {
        Some(Step::DiskFills {
            back: match self.rng.u8(..3) {
                0 => self.rng.u64(..1_000_000),
                _ => 0,
            },
            command: self.command(true)?,
            for_ms: self.rng.u64(20..400),
        })
    }

    fn aborts(&mut self, steps: &mut Vec<Step>) {
        let source = self.source();
        let abort = Abort::of(&mut self.rng, source);
        if let Some(command) = self.command(abort != Abort::Write) {
            self.at_some_point(steps, Step::Aborts(command, abort));
        }
    }

    fn disk_fills(&mut self, steps: &mut Vec<Step>) {
        if let Some(step) = self.full_disk() {
            self.at_some_point(steps, step);
        }
    }

    fn at_some_point(&mut self, steps: &mut Vec<Step>, step: Step) {
        let place = self.rng.usize(..=steps.len());
        steps.insert(place, step);
    }

    fn hook_trouble(&mut self) -> Step {
        match self.rng.u8(..4) {
            0 => Step::LosesHooks,
            1 => Step::RepeatsHooks,
            2 => Step::HoldsHooks,
            _ => Step::ReversesHooks,
        }
    }

    fn own_clock(&mut self) -> Step {
        self.put_right = true;
        Step::OwnClock(self.rng.i64(-CLOCK_OFF..=CLOCK_OFF))
    }

    fn clock_is_moved(&mut self, steps: &mut Vec<Step>) {
        let system = [System::Slack, System::ClickUp, System::GitHub][self.rng.usize(..3)];
        let ahead_s = self.rng.i64(-CLOCK_OFF..=CLOCK_OFF);
        self.at_some_point(steps, Step::Clock(system, ahead_s));
        if !self.put_right && self.rng.bool() {
            let step = self.own_clock();
            self.at_some_point(steps, step);
        }
    }

    fn step(&mut self) -> Option<Step> {
        Some(match self.rng.u8(..40) {
            0..=9 => Step::Types(self.command(false)?),
            10..=18 => {
                let instant = Instant::ALL[self.rng.usize(..Instant::ALL.len())];
                let mut command = self.command(instant.is_of_slack())?;
                // Only writes get that far.
                while !instant.is_reached_by(&command) {
                    self.answers[command.who as usize] -= usize::from(command.by == Surface::Dm);
                    command = self.command(instant.is_of_slack())?;
                }
                Step::DiesAt(command, instant)
            }
            19 | 20 => Step::Dies {
                after_ms: self.rng.u64(..150),
                again_ms: self.one_in(2).then(|| self.rng.u64(..120)),
            },
            21..=27 => self.goes_wrong(),
            28 => match self.rng.u8(..3) {
                0 => Step::Twins,
                _ => Step::Redelivers,
            },
            29 => match self.rng.u8(..2) {
                0 => Step::LosesEnvelopes(self.rng.u32(1..=2)),
                _ => Step::LosesAcks(self.rng.u64(50..400)),
            },
            30 => match self.rng.u8(..4) {
                0 => Step::LinkDrops,
                1 => Step::LinkCloses,
                2 => Step::LinkRefreshes("warning"),
                _ => Step::LinkRefreshes("refresh_requested"),
            },
            31 if self.hooks => self.hook_trouble(),
            32 => Step::Lags(self.source()),
            33 => Step::Down(self.source(), self.rng.u64(100..1500)),
            // The source's clock determines the end of a window.
            34 if self.clocks => return None,
            34 => Step::Limits(self.source()),
            35 if self.disk => self.full_disk()?,
            36 if self.clocks => match self.rng.u8(..3) {
                0 if !self.put_right => self.own_clock(),
                _ => {
                    let system =
                        [System::Slack, System::ClickUp, System::GitHub][self.rng.usize(..3)];
                    Step::Clock(system, self.rng.i64(-CLOCK_OFF..=CLOCK_OFF))
                }
            },
            37 if self.hands => match self.rng.u8(..3) {
                0 => Step::CompletesByHand(self.who(), self.on()),
                _ => Step::CommentsByHand(self.who(), self.on(), AGAIN[self.rng.usize(..2)].into()),
            },
            38 => match self.rng.u8(..4) {
                0 => Step::Reads,
                1 => Step::Stops,
                _ => Step::Pauses(self.rng.u64(..200)),
            },
            39 if self.one_in(3) => Step::Settles,
            _ => return None,
        })
    }
}

/// The longest time that a history may hold something back in the background.
pub fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = match self.by {
            Surface::Dm => "types",
            Surface::Http => "asks over HTTP",
        };
        write!(f, "{} {by} ", self.who.name())?;
        match &self.what {
            Asks::Comment { on, text } => write!(f, "`comment on {}: {text}`", on.title()),
            Asks::Done { on, comment: None } => write!(f, "`done {}`", on.title()),
            Asks::Done {
                on,
                comment: Some(text),
            } => write!(f, "`done {} -c {text}`", on.title()),
            Asks::Create {
                system,
                title,
                description,
            } => write!(f, "`create {title}` in {system:?} ({description:?})"),
            Asks::Current => f.write_str("`current`"),
            Asks::Next => f.write_str("`next`"),
            Asks::CommentHere { text } => write!(f, "`comment {text}`"),
            Asks::DoneHere { comment } => write!(f, "`done` ({comment:?})"),
            Asks::Everyday(asks) => {
                let named = |on: On| format!("({})", on.title());
                write!(f, "`{}`", asks.words(named, asks.is_by_number()))
            }
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Types(command) => write!(f, "{command}"),
            Step::Aborts(command, abort) => {
                write!(f, "{command}, and SIGABRT twice while {abort}")
            }
            Step::DiesAt(command, instant) => {
                write!(f, "{command}, and SIGKILL: {}", instant.words())
            }
            Step::DiskFills {
                back,
                command,
                for_ms,
            } => write!(
                f,
                "the disk is full {back} bytes back, for {for_ms} ms; {command}"
            ),
            Step::CommentsByHand(who, on, text) => write!(
                f,
                "{} comments on {} by hand: {text}",
                who.name(),
                on.title()
            ),
            Step::CompletesByHand(who, on) => {
                write!(f, "{} completes {} by hand", who.name(), on.title())
            }
            other => write!(f, "{other:?}"),
        }
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}; webhooks: {}; gives up soon: {}; {} tasks, {} issues",
            match self.people {
                true => "Ana and Bo as [[people]]",
                false => "everything shared",
            },
            self.hooks,
            self.gives_up,
            self.tasks,
            self.issues
        )?;
        for (number, step) in (1..).zip(&self.steps) {
            writeln!(f, "{number:3}. {step}")?;
        }
        Ok(())
    }
}
