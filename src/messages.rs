//! A sample of every message that people can get, and `docs/messages.md`, which is made of them.
//!
//! `IVAN_DOCS=write cargo test --lib messages::` writes the file. Matches on enums have no `_`, so that a new variant
//! needs a sample; a test finds functions that return a message and have none.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;

use crate::domain::change::TaskChange;
use crate::domain::event::{Activity, ActivityKind, Actor, TaskField};
use crate::domain::filter::Filter;
use crate::domain::ids::{PersonId, TaskRow, TokenId};
use crate::domain::labels::{self, LabelChange};
use crate::domain::link::{AccountLink, LinkOrigin, LinkProof, LinkRequest};
use crate::domain::log::{self, ActivityResult, Entry, Via};
use crate::domain::morning::{BriefingContent, WaitingPerson};
use crate::domain::operation::{NewTask, Outcome, ParentTask, Place, Refusal, Write, WriteReceipt};
use crate::domain::person::{NotAllowed, Person};
use crate::domain::queue::{EmptyQueue, FirstRead, HeldBack};
use crate::domain::reason::{with_details, with_remedy};
use crate::domain::receipts::ReceiptMode;
use crate::domain::reply::{
    self, Hidden, ListedToken, Missing, Rank, Report, ReportState, SlackHealth, SourceHealth, Span,
    Step, StepState, TaskBrief, Text, ThreadUnread,
};
use crate::domain::schedule::QuietHours;
use crate::domain::scope;
use crate::domain::score::{Reason, Score};
use crate::domain::set_aside::{self, SetAside, Work};
use crate::domain::shared_file::SharedFile;
use crate::domain::source::Container;
use crate::domain::stats::{PeriodFigures, PeriodSums, QueueAge, StatsDay, StatsPeriod};
use crate::domain::task::{
    Account, Closed, DueDate, Priority, RepoName, Source, Task, TaskId, TaskKey, TaskStatus,
};
use crate::domain::undo::{UndoKind, UndoRequest};
use crate::domain::when::NotThen;
use crate::verbs;
use crate::verbs::ParseError;

const ZONE: Tz = chrono_tz::Europe::Madrid;

/// The messages of one group, with the event that each one follows.
struct Group {
    title: &'static str,
    rows: Vec<(String, Text)>,
}

impl Group {
    fn new(title: &'static str) -> Group {
        Group {
            title,
            rows: Vec::new(),
        }
    }

    fn row(&mut self, when: impl Into<String>, words: impl Into<Option<Text>>) {
        if let Some(words) = words.into() {
            self.rows.push((when.into(), words));
        }
    }

    fn text(&mut self, when: impl Into<String>, text: impl Into<String>) {
        self.row(when, Text::new().text(text));
    }

    /// A refusal, which begins with `✗`.
    fn refused(&mut self, when: impl Into<String>, words: Text) {
        self.row(when, reply::refusal(words));
    }
}

fn now() -> DateTime<Utc> {
    "2026-11-27T09:00:00Z".parse().unwrap()
}

fn ago(minutes: i64) -> DateTime<Utc> {
    now() - TimeDelta::minutes(minutes)
}

fn day() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 12, 1).unwrap()
}

fn time() -> NaiveTime {
    NaiveTime::from_hms_opt(8, 30, 0).unwrap()
}

fn account(id: &str, name: &str) -> Account {
    Account {
        id: id.to_owned(),
        name: name.to_owned(),
    }
}

fn task(source: Source, status: TaskStatus) -> Task {
    let word = |todo: &str, progress: &str, done: &str| {
        match status {
            TaskStatus::Todo => todo,
            TaskStatus::InProgress => progress,
            TaskStatus::Done => done,
        }
        .to_owned()
    };
    let (key, id, title, word) = match source {
        Source::ClickUp => (
            TaskKey::clickup("86a"),
            "clickup:86a",
            "Renew the certificate",
            word("to do", "in review", "complete"),
        ),
        Source::GitHub => (
            TaskKey::github(1001, 7),
            "github:acme/widgets#7",
            "Login fails",
            word("open", "open", "closed"),
        ),
    };
    Task {
        key,
        id: TaskId::parse(id).unwrap(),
        container: "1".to_owned(),
        home: None,
        milestone: None,
        task_type: None,
        parent: None,
        children: None,
        title: title.to_owned(),
        description: String::new(),
        url: "https://tasks.example/1".to_owned(),
        status,
        source_status: word,
        assignees: Vec::new(),
        labels: Vec::new(),
        entity: None,
        priority: None,
        due: Some(DueDate {
            at: now(),
            day: Some(day()),
        }),
        created_at: ago(900),
        updated_at: ago(60),
        commented_at: None,
        closed: (status == TaskStatus::Done).then(|| Closed {
            by: Some(account("4243", "Bo")),
            at: Some(ago(60)),
            by_us: Some(false),
            reason: None,
        }),
        reopened: false,
        custom_id: None,
        creator: None,
        links: Vec::new(),
    }
}

fn cert() -> Task {
    task(Source::ClickUp, TaskStatus::Todo)
}

fn login() -> Task {
    task(Source::GitHub, TaskStatus::Todo)
}

fn score() -> Score {
    Score {
        total: 1400,
        reasons: vec![(Reason::Client, 1000), (Reason::DueToday, 400)],
    }
}

fn person(alone: bool) -> Person {
    Person {
        id: PersonId(1),
        name: "Ana".to_owned(),
        slack: (!alone).then(|| "U0ANN01".to_owned()),
        github: None,
        github_id: None,
        clickup: None,
        clickup_name: None,
        zone: ZONE,
        alone,
    }
}

fn link(source: Source, origin: LinkOrigin) -> AccountLink {
    AccountLink {
        source,
        origin,
        id: Some("4242".to_owned()),
        name: Some("ana".to_owned()),
        by: None,
        at: Some(ago(6000)),
        seen_at: Some(now()),
        gone: false,
    }
}

fn repo() -> RepoName {
    RepoName::parse("acme/widgets").unwrap()
}

fn down() -> String {
    with_details("GitHub is not responding", "No answer (reset)")
}

// ---------------------------------------------------------------- outcomes

/// Every kind of write.
fn writes(task: &Task) -> Vec<Write> {
    let (key, source) = (task.key.clone(), task.key.source());
    let change = |change, said: &str| Write::Change {
        task: key.clone(),
        change,
        said: said.to_owned(),
    };
    let undo = |what| {
        Write::Undo(UndoRequest {
            operation: "01J".to_owned(),
            what,
            source,
            task: Some(key.clone()),
            title: task.title.clone(),
            copies: match (what, source) {
                (UndoKind::Comment, Source::ClickUp) => vec!["shot.png".to_owned()],
                _ => Vec::new(),
            },
            instead: None,
        })
    };
    let labels = LabelChange {
        add: vec!["bug".to_owned()],
        remove: vec!["wontfix".to_owned()],
    };
    let all = vec![
        Write::Complete { task: key.clone() },
        Write::Comment {
            task: key.clone(),
            text: "shipped".into(),
            files: Vec::new(),
        },
        Write::Create(NewTask {
            place: match source {
                Source::ClickUp => Place::List("1".to_owned()),
                Source::GitHub => Place::Repo(repo()),
            },
            title: "Buy milk".to_owned(),
            description: None,
            entity: None,
            due: None,
            assignee: None,
            under: None,
            files: Vec::new(),
        }),
        Write::Start { task: key.clone() },
        Write::Reopen { task: key.clone() },
        change(
            TaskChange::Assign {
                add: vec!["4243".to_owned()],
                remove: Vec::new(),
            },
            "assigned to Bo",
        ),
        change(TaskChange::Due(Some(now() + TimeDelta::days(4))), "due Tue"),
        change(TaskChange::Due(None), "without a due date"),
        change(TaskChange::DueOn(day()), "due Tue 1 Dec 2026"),
        change(
            TaskChange::Priority(Some(Priority::High)),
            "of high priority",
        ),
        change(TaskChange::Priority(None), "without a priority"),
        change(TaskChange::Labels(labels.clone()), &labels.result(source)),
        change(
            TaskChange::Milestone(Some("2.1".to_owned())),
            "in the milestone 2.1",
        ),
        change(TaskChange::Milestone(None), "without a milestone"),
        change(TaskChange::Type(Some("bug".to_owned())), "of the type bug"),
        change(TaskChange::Type(None), "without a type"),
        change(TaskChange::Pause { status: None }, "paused"),
        undo(UndoKind::Completion),
        undo(UndoKind::Comment),
        undo(UndoKind::Creation),
        undo(UndoKind::Start),
        undo(UndoKind::Reopening),
        undo(UndoKind::Change),
        Write::Upload {
            task: key.clone(),
            file: SharedFile::new("F1", "shot.png", None),
        },
    ];
    let kinds: BTreeSet<&str> = all.iter().map(kind).collect();
    assert_eq!(kinds.len(), KINDS, "{kinds:?}");
    all
}

/// The kinds that [`kind`] can name, but `Resume`, which only an undo makes.
const KINDS: usize = 21;

fn kind(write: &Write) -> &'static str {
    match write {
        Write::Complete { .. } => "done",
        Write::Comment { .. } => "comment",
        Write::Create(_) => "create",
        Write::Upload { .. } => "the copy of a file",
        Write::Start { .. } => "start",
        Write::Reopen { .. } => "reopen",
        Write::Change { change, .. } => match change {
            TaskChange::Assign { .. } => "assign, claim",
            TaskChange::Due(Some(_)) => "due with a time",
            TaskChange::Due(None) => "due none",
            TaskChange::DueOn(_) => "due",
            TaskChange::Priority(_) => "prio",
            TaskChange::PriorityLabels(_) => "undo of prio",
            TaskChange::Labels(_) => "label",
            TaskChange::Milestone(_) => "milestone",
            TaskChange::Type(_) => "type",
            TaskChange::Pause { .. } => "pause",
            TaskChange::Resume { .. } => "undo of pause",
        },
        Write::Undo(undo) => match undo.what {
            UndoKind::Completion => "undo of done",
            UndoKind::Comment => "undo of comment",
            UndoKind::Creation => "undo of create",
            UndoKind::Start => "undo of start",
            UndoKind::Reopening => "undo of reopen",
            UndoKind::Change => "undo of assign, due, prio, label, milestone, type, pause",
        },
    }
}

/// The status of the task after a write.
fn status_after(write: &Write) -> TaskStatus {
    match write {
        Write::Complete { .. } => TaskStatus::Done,
        Write::Start { .. } => TaskStatus::InProgress,
        Write::Undo(undo) if matches!(undo.what, UndoKind::Creation | UndoKind::Reopening) => {
            TaskStatus::Done
        }
        _ => TaskStatus::Todo,
    }
}

fn report(write: &Write, end: StepState<'_>, known: &Task, completed_here: bool) -> Report {
    let step = Step {
        operation_id: "01J",
        write,
        end,
        known: Some(known),
        called: "86a",
        completed_here,
    };
    reply::report(&[step], false, ZONE).unwrap()
}

fn with_comment(end: impl Fn() -> StepState<'static>) -> Text {
    let task = task(Source::ClickUp, TaskStatus::Done);
    let done = Write::Complete {
        task: task.key.clone(),
    };
    let comment = Write::Comment {
        task: task.key.clone(),
        text: "shipped".into(),
        files: Vec::new(),
    };
    let applied = Outcome::Applied(WriteReceipt {
        task: task.clone(),
        trace: None,
    });
    let step = |write, end| Step {
        operation_id: "01J",
        write,
        end,
        known: Some(&task),
        called: "86a",
        completed_here: false,
    };
    let steps = [
        step(&done, StepState::Well(&applied)),
        step(&comment, end()),
    ];
    reply::report(&steps, false, ZONE).unwrap().words()
}

fn outcomes() -> Vec<Group> {
    let mut done = Group::new("A command is done");
    let mut already = Group::new("It was done already, or changed since");
    let mut pending = Group::new("A command is waiting");
    let mut failed = Group::new("A command failed");
    for source in Source::ALL {
        for write in writes(&task(source, TaskStatus::Todo)) {
            let after = task(source, status_after(&write));
            let when = format!("`{}` in {}", kind(&write), source.name());
            let applied = Outcome::Applied(WriteReceipt {
                task: after.clone(),
                trace: None,
            });
            let so = Outcome::AlreadySo {
                task: after.clone(),
            };
            done.row(
                when.clone(),
                report(&write, StepState::Well(&applied), &after, false).words(),
            );
            if write.is_repeatable() {
                already.row(
                    when.clone(),
                    report(&write, StepState::Well(&so), &after, false).words(),
                );
            }
        }
    }
    let done_task = task(Source::ClickUp, TaskStatus::Done);
    let completion = Write::Complete {
        task: done_task.key.clone(),
    };
    let comment_on = Write::Comment {
        task: done_task.key.clone(),
        text: "shipped".into(),
        files: Vec::new(),
    };
    let reopening = Write::Reopen {
        task: done_task.key.clone(),
    };
    let applied = Outcome::Applied(WriteReceipt {
        task: done_task.clone(),
        trace: None,
    });
    let so = Outcome::AlreadySo {
        task: done_task.clone(),
    };
    let overtaken = Outcome::Overtaken {
        task: done_task.clone(),
    };
    let mut moved_on = report(&completion, StepState::Well(&applied), &done_task, false);
    moved_on.next = Some((&login()).into());
    done.row("`done`, with another task in the queue", moved_on.words());
    (moved_on.next, moved_on.emptied) = (None, true);
    done.row("`done` of the last task", moved_on.words());
    moved_on.held_back = HeldBack {
        blocked: 1,
        snoozed: 2,
    };
    done.row(
        "`done` of the last task that could be worked on",
        moved_on.words(),
    );
    moved_on.held_back = HeldBack::default();
    let part = |write: &Write, end: StepState<'_>, task: &Task| report(write, end, task, false);
    let closed = Outcome::Applied(WriteReceipt {
        task: login(),
        trace: None,
    });
    let close = Write::Complete { task: login().key };
    let both = vec![
        part(&completion, StepState::Well(&applied), &done_task),
        part(&close, StepState::Well(&closed), &login()),
    ];
    let mut receipt = reply::several(both.clone());
    receipt.next = Some((&login()).into());
    done.row("`done 1 3`", receipt.words());
    (receipt.next, receipt.emptied) = (None, true);
    done.row("`done 1 3`, with nothing left", receipt.words());
    let with_second = |second: Report| reply::several(vec![both[0].clone(), second]).words();
    let waits = StepState::Pending {
        why: None,
        turn: None,
    };
    pending.row("`done 1 3`", with_second(part(&close, waits, &login())));
    let refused = StepState::Refused(Refusal::Other, "must have admin rights");
    failed.row("`done 1 3`", with_second(part(&close, refused, &login())));
    let rejected = |task: &Task| Report {
        state: ReportState::Refused(Refusal::Other),
        message: verbs::due::no_due_in_github(),
        operation_id: None,
        task: Some(task.into()),
        ..both[1].clone()
    };
    failed.row("`due 1 3 fri`", with_second(rejected(&login())));
    failed.row(
        "`due 1 3 fri`, none of which can have one",
        reply::several(vec![rejected(&login()), rejected(&cert())]).words(),
    );
    done.row(
        "`done -c TEXT`",
        with_comment(|| StepState::Well(Box::leak(Box::new(Outcome::AlreadySo { task: cert() })))),
    );
    let unmarked = Outcome::Applied(WriteReceipt {
        task: login(),
        trace: None,
    });
    let start = Write::Start { task: login().key };
    let unstarted = report(&start, StepState::Well(&unmarked), &login(), false);
    done.row(
        "`start` where no label means work in progress",
        unstarted.words(),
    );
    let undo_start = reply::current_again(Text::new().text("Undone: …"));
    done.row(
        "the end of an undo that makes a task current again",
        undo_start,
    );
    let mut wanted = writes(&login()).remove(2);
    if let Write::Create(new) = &mut wanted {
        new.assignee = Some(account("12", "bo"));
    }
    done.row(
        "`create -a` where the source does not set the assignee",
        report(&wanted, StepState::Well(&unmarked), &login(), false).words(),
    );
    let mut sub_issue = writes(&login()).remove(2);
    let release = TaskKey::github(1001, 3);
    if let Write::Create(new) = &mut sub_issue {
        new.under = Some(ParentTask {
            task: release.clone(),
            title: "Release 2.1".to_owned(),
        });
    }
    let put_under = Outcome::Applied(WriteReceipt {
        task: Task {
            parent: Some(release),
            ..login()
        },
        trace: None,
    });
    done.row(
        "`create --under REF`",
        report(&sub_issue, StepState::Well(&put_under), &login(), false).words(),
    );
    done.row(
        "`create --under REF` where GitHub refuses the second part",
        report(&sub_issue, StepState::Well(&unmarked), &login(), false).words(),
    );
    let mut twin = report(&wanted, StepState::Well(&unmarked), &login(), false);
    twin.message = reply::with_twin(twin.message, &cert());
    done.row(
        "`create` beside an open task with nearly the same title",
        twin.words(),
    );
    let undone = writes(&cert())
        .into_iter()
        .find(|write| matches!(write, Write::Undo(undo) if undo.what == UndoKind::Creation));
    if let Some(undo) = undone {
        let left = Outcome::Applied(WriteReceipt {
            task: cert(),
            trace: None,
        });
        let mut instead = report(&undo, StepState::Well(&left), &cert(), false);
        instead.message = reply::other_is_current(instead.message);
        instead.next = Some(TaskBrief::from(&login()));
        done.row(
            "**Undo, use that one** below such an answer",
            instead.words(),
        );
    }
    for (when, names) in [
        ("`create` with a file", &["shot.png"][..]),
        ("`create` with files", &["a.png", "b.png", "c.png", "d.png"]),
    ] {
        let mut wanted = writes(&login()).remove(2);
        if let Write::Create(new) = &mut wanted {
            let url = Some("https://acme.slack.com/files/F1");
            let file = |name: &&str| SharedFile::new("F1", name, url);
            new.files = names.iter().map(file).collect();
        }
        done.row(
            when,
            report(&wanted, StepState::Well(&unmarked), &login(), false).words(),
        );
    }
    let made = Outcome::Applied(WriteReceipt {
        task: cert(),
        trace: None,
    });
    let comment = Write::Comment {
        task: cert().key,
        text: "see there".into(),
        files: Vec::new(),
    };
    let copy = Write::Upload {
        task: cert().key,
        file: SharedFile::new("F1", "shot.png", None),
    };
    let why = "I can't download it from Slack (HTTP 404)";
    for (when, end) in [
        ("the copy of its file is there", StepState::Well(&made)),
        (
            "the copy of its file is under way",
            StepState::Pending {
                why: None,
                turn: None,
            },
        ),
        (
            "the copy of its file is waiting",
            StepState::Pending {
                why: Some("ClickUp is not responding"),
                turn: None,
            },
        ),
        (
            "its file was not copied",
            StepState::Refused(Refusal::Other, why),
        ),
        (
            "the copy of its file was given up",
            StepState::GivenUp {
                why: "ClickUp is not responding",
                perhaps_applied: false,
            },
        ),
        (
            "the copy of its file was given up, and may be there",
            StepState::GivenUp {
                why: "ClickUp is not responding",
                perhaps_applied: true,
            },
        ),
        (
            "the copy of its file was set aside",
            StepState::SetAside {
                why: "It ended my process twice",
                perhaps_applied: false,
            },
        ),
        ("`undo` before its file was copied", StepState::Cancelled),
    ] {
        let step = |write, end| Step {
            operation_id: "01J",
            write,
            end,
            known: None,
            called: "86a",
            completed_here: false,
        };
        let steps = [step(&comment, StepState::Well(&made)), step(&copy, end)];
        let told = reply::report(&steps, false, ZONE).unwrap();
        done.row(format!("`comment`, and {when}"), told.words());
    }
    done.row(
        "`undo` before a command was sent",
        reply::not_sent(
            Text::new().link("Login fails", "https://tasks.example/1"),
            Source::GitHub,
        ),
    );
    already.row(
        "`done` of a task that Ivan has completed",
        report(&completion, StepState::Well(&so), &done_task, true).words(),
    );
    already.row(
        "`done`, and somebody reopened it before the answer arrived",
        report(&completion, StepState::Well(&overtaken), &done_task, false).words(),
    );
    already.row(
        "`reopen`, and somebody completed it before the answer arrived",
        report(&reopening, StepState::Well(&overtaken), &done_task, false).words(),
    );
    let (why, turn) = (down(), now());
    for write in writes(&login()) {
        let end = StepState::Pending {
            why: Some(&why),
            turn: None,
        };
        pending.row(
            format!("`{}`, and the source is down", kind(&write)),
            report(&write, end, &login(), false).words(),
        );
    }
    for (when, why, turn) in [
        ("no answer yet", None, None),
        ("the source limits writes", None, Some(turn)),
        (
            "the time of the next try is known",
            Some(why.as_str()),
            Some(turn),
        ),
    ] {
        let end = StepState::Pending { why, turn };
        pending.row(when, report(&comment_on, end, &cert(), false).words());
    }
    let waiting = with_comment(|| StepState::Pending {
        why: Some("GitHub is not responding"),
        turn: None,
    });
    pending.row("`done -c`, and only the comment is waiting", waiting);
    let rejected = with_remedy(
        "GitHub doesn't let me change acme/widgets#7 (Forbidden)",
        "Give github.token write access",
    );
    for write in writes(&login()) {
        let end = StepState::Refused(Refusal::Other, &rejected);
        failed.row(
            format!("`{}` is refused", kind(&write)),
            report(&write, end, &login(), false).words(),
        );
    }
    for perhaps_applied in [false, true] {
        let end = StepState::GivenUp {
            why: &why,
            perhaps_applied,
        };
        let when = match perhaps_applied {
            true => "given up after a write without an answer",
            false => "given up after `outbox.give_up_after`",
        };
        failed.row(when, report(&completion, end, &cert(), false).words());
        let aside = set_aside::why(true, "01J");
        let end = StepState::SetAside {
            why: &aside,
            perhaps_applied,
        };
        failed.row(
            "set aside",
            report(&completion, end, &cert(), false).words(),
        );
    }
    failed.text(
        "refused after a write without an answer",
        format!(
            "✗ Not completed: Login fails. {}.",
            reply::perhaps_applied_before(&down(), Source::GitHub)
        ),
    );
    let cancelled = report(&completion, StepState::Cancelled, &cert(), false).words();
    failed.row("undone before it was sent", cancelled);
    for (when, end) in [
        (
            "refused",
            StepState::Refused(Refusal::Other, "ClickUp rejected this (Bad text)"),
        ),
        (
            "given up",
            StepState::GivenUp {
                why: "ClickUp is not responding",
                perhaps_applied: false,
            },
        ),
        (
            "given up after a write without an answer",
            StepState::GivenUp {
                why: "ClickUp is not responding",
                perhaps_applied: true,
            },
        ),
        (
            "set aside",
            StepState::SetAside {
                why: "It crashed me twice, so I set it aside",
                perhaps_applied: false,
            },
        ),
    ] {
        failed.row(
            format!("`done -c`, and the comment is {when}"),
            with_comment(|| end),
        );
    }
    vec![done, already, pending, failed]
}

// ---------------------------------------------------------------- answers of verbs

fn answers() -> Vec<Group> {
    let mut queue = Group::new("Queue and current task");
    queue.row("`current`", reply::card(&cert(), &score(), now(), ZONE));
    queue.row(
        "`current`, completed elsewhere",
        reply::card(
            &task(Source::ClickUp, TaskStatus::Done),
            &score(),
            now(),
            ZONE,
        ),
    );
    let card = || reply::card(&cert(), &score(), now(), ZONE);
    queue.row("`next`", verbs::next::moved_on(card()));
    queue.row("`next` with one task", verbs::next::no_other(card()));
    queue.row(
        "a pressed Next of another card",
        verbs::next::not_current_any_more(card()),
    );
    queue.refused("`done` before a task was shown", reply::no_current(card()));
    queue.row("`hello`", reply::greeting(Some("Ana"), &cert()));
    queue.row(
        "`hello` before a task was shown",
        reply::greeting_with_card(Some("Ana"), card()),
    );
    queue.row(
        "`hello` with an empty queue",
        reply::hello(None).then(reply::empty(&EmptyQueue::Done)),
    );
    for why in [
        EmptyQueue::NotRead(vec![FirstRead {
            source: Source::ClickUp,
            tasks: 0,
        }]),
        EmptyQueue::NotRead(vec![
            FirstRead {
                source: Source::ClickUp,
                tasks: 1_234,
            },
            FirstRead {
                source: Source::GitHub,
                tasks: 1,
            },
        ]),
        EmptyQueue::NotLinked(vec![Source::GitHub, Source::ClickUp]),
        EmptyQueue::HeldBack(HeldBack {
            blocked: 1,
            snoozed: 2,
        }),
        EmptyQueue::HeldBack(HeldBack {
            blocked: 2,
            snoozed: 1,
        }),
        EmptyQueue::Done,
        EmptyQueue::NothingAssigned(Vec::new()),
        EmptyQueue::NothingAssigned(vec![Source::GitHub]),
    ] {
        let when = match &why {
            EmptyQueue::NotRead(_) => "empty: not read yet",
            EmptyQueue::NotLinked(_) => "empty: no account is known",
            EmptyQueue::HeldBack(_) => "empty: all are blocked or snoozed",
            EmptyQueue::Done => "empty, without `[[people]]`",
            EmptyQueue::NothingAssigned(_) => "empty: nothing is assigned",
        };
        queue.row(when, reply::empty(&why));
        if matches!(why, EmptyQueue::Done) {
            queue.refused(
                "`done` with an empty queue",
                reply::no_current_in(reply::empty(&why)),
            );
        }
    }
    let filter = Filter {
        blocked: true,
        ..Filter::default()
    };
    let labelled = Filter {
        labels: ["bug".to_owned()].into(),
        ..Filter::default()
    };
    let overdue = Filter {
        overdue: true,
        sources: [Source::GitHub].into(),
        ..Filter::default()
    };
    let (renew, fails) = (cert(), login());
    let ranked = [(&renew, None), (&fails, None)];
    let all = Filter::default();
    queue.row(
        "`list 2`",
        verbs::list::listing(&ranked, 62, &all, now(), ZONE),
    );
    queue.row("`list 3` of eight", reply::more_of(8, 3, &all));
    let find = |typed: &str| <verbs::Find as verbs::Verb>::read(typed).unwrap();
    queue.row(
        "`find`: a finished task",
        verbs::find::note(&Task {
            status: TaskStatus::Done,
            ..cert()
        }),
    );
    queue.row(
        "below `find login`",
        verbs::find::below(&find("login"), (10, 10), false),
    );
    queue.row(
        "below `find login github` with more",
        verbs::find::below(&find("login github"), (22, 10), false),
    );
    queue.row(
        "below `find login` with too many",
        verbs::find::below(&find("login"), (300, 10), true),
    );
    queue.row(
        "`find nothing`",
        verbs::find::nothing_found(&find("nothing"), &[]),
    );
    let reading = [FirstRead {
        source: Source::GitHub,
        tasks: 1,
    }];
    queue.row(
        "`find nothing here clickup` before GitHub was read",
        verbs::find::nothing_found(&find("nothing here clickup"), &reading),
    );
    queue.row("`list 50` of more", reply::more_of(99, 50, &all));
    queue.row(
        "`list blocked` without a task",
        verbs::list::nothing_to_list(&filter),
    );
    queue.row(
        "`list overdue github` without a task",
        verbs::list::nothing_to_list(&overdue),
    );
    queue.row(
        "`list label:bug` without a task",
        verbs::list::nothing_to_list(&labelled),
    );
    queue.row(
        "`list type:bug` without a task",
        verbs::list::nothing_to_list(&Filter::read("type:bug")),
    );
    let clients = ["acme".to_owned()];
    queue.refused("`list bogus`", verbs::list::no_client("bogus", &clients));
    queue.refused(
        "`list bogus` without clients",
        verbs::list::no_client("bogus", &[]),
    );
    let named = [(&fails, &score())].map(|(task, _)| task.clone());
    let why = |rank, is_current, first, circle: &[&Task]| {
        verbs::why::why_here(&renew, &score(), &rank, is_current, first, circle)
    };
    let at = |place, of, tie: Option<&str>| Rank::At {
        place,
        of,
        tie: tie.map(str::to_owned),
    };
    queue.row(
        "`why` of the only task",
        why(at(1, 1, None), true, None, &[]),
    );
    queue.row(
        "`why` of the first task",
        why(at(1, 3, None), true, None, &[]),
    );
    queue.row(
        "`why` with equal points",
        why(at(1, 3, Some("it is older")), true, None, &[]),
    );
    queue.row(
        "`why` of another task",
        why(at(2, 3, None), false, Some((&fails, 1500)), &[]),
    );
    queue.row(
        "`why` of the current task",
        why(at(2, 3, None), true, None, &[]),
    );
    queue.row(
        "`why` in a circle",
        why(at(1, 2, None), true, None, &[&fails]),
    );
    for hidden in [
        Hidden::Blocked(named.to_vec()),
        Hidden::Snoozed(now()),
        Hidden::Done("complete".to_owned()),
        Hidden::BeingCompleted,
        Hidden::Gone,
        Hidden::Away,
        Hidden::NotTheirs,
    ] {
        match &hidden {
            Hidden::Blocked(_)
            | Hidden::Snoozed(_)
            | Hidden::Done(_)
            | Hidden::BeingCompleted
            | Hidden::Gone
            | Hidden::Away
            | Hidden::NotTheirs => {}
        }
        let because = verbs::why::hidden_because(&[hidden], ZONE);
        queue.row(
            "`why` of a hidden task",
            why(Rank::Hidden(because), false, None, &[]),
        );
    }
    queue.row("`snooze`", verbs::snooze::put_off(&cert(), now(), ZONE));
    for (when, comments, in_channel) in [
        ("`attach`, replies are comments", true, true),
        ("`attach` in a channel", false, true),
        ("`attach` in the DM", false, false),
    ] {
        let words = verbs::attach::attached(&cert(), comments, in_channel);
        queue.row(when, words);
    }
    queue.row("`attach` again", verbs::attach::attached_already(&cert()));
    for task in [Some(&renew), None] {
        queue.row("`undo` of `attach`", verbs::attach::detached(task));
    }
    queue.row(
        "`undo` of `snooze`",
        verbs::undo::unsnoozed(&cert(), None, ZONE),
    );
    queue.row(
        "`undo` of a second `snooze`",
        verbs::undo::unsnoozed(&cert(), Some(now()), ZONE),
    );
    queue.row("a list's note: snoozed", reply::snoozed_until(now(), ZONE));
    queue.text(
        "a list's note: blocked",
        reply::waits_for(&[&fails, &renew]),
    );
    queue.text(
        "names of many tasks",
        reply::task_names(&[&fails, &renew, &fails, &renew]),
    );
    vec![
        queue,
        briefing(),
        settings(),
        identity(),
        history(),
        health(),
    ]
}

fn briefing() -> Group {
    let mut group = Group::new("Briefing");
    let morning = BriefingContent {
        now: now(),
        zone: ZONE,
        open: 5,
        top: vec![(TaskRow(1), cert(), score())],
        current: Some(cert()),
        overdue: vec![login(), cert(), login(), cert()],
        due_today: vec![login()],
        waits: vec![
            WaitingPerson {
                who: "Bo".to_owned(),
                task: cert(),
            };
            4
        ],
        queued: vec![reply::home_waiting(
            &writes(&login())[1],
            Some(&login()),
            "acme/widgets#7",
            Some(&down()),
            None,
            ZONE,
        )],
        queued_count: 3,
        troubles: vec![reply::home_trouble(Source::GitHub, &down())],
        empty: reply::empty(&EmptyQueue::Done),
    };
    group.row("`morning`: its first line", reply::morning_lead(&morning));
    for line in reply::morning_rest(&morning) {
        group.row("`morning`: a line", line);
    }
    let empty = BriefingContent { open: 0, ..morning };
    group.row("`morning` with an empty queue", reply::morning_lead(&empty));
    group.row(
        "below a briefing of the team default",
        reply::briefing_by_config(),
    );
    let notice = Text::new().text("Renew the certificate was completed in ClickUp by Bo");
    let mention = notice.clone();
    group.row("after quiet hours", reply::held(&[notice]).0);
    group.row(
        "mentions by people who are no collaborators, once an hour",
        reply::digest(&[mention]).0,
    );
    group
}

fn settings() -> Group {
    let mut group = Group::new("Settings");
    let night = Some(QuietHours::NIGHT);
    group.row("`mute`", reply::muted(true));
    group.row("`unmute`", reply::muted(false));
    let (at, next) = (Some(time()), Some(now()));
    group.row(
        "`briefing 8:30`",
        verbs::schedule::briefing_set(at, next, ZONE),
    );
    group.row(
        "`briefing off`",
        verbs::schedule::briefing_set(None, None, ZONE),
    );
    group.row(
        "`briefing default`",
        verbs::schedule::briefing_usual(at, next, ZONE),
    );
    group.row(
        "`briefing default`, off",
        verbs::schedule::briefing_usual(None, None, ZONE),
    );
    group.refused(
        "`briefing` without a DM",
        verbs::schedule::nowhere_to_tell(),
    );
    group.row(
        "`quiet 20:00-8:00`",
        verbs::schedule::quiet_set(night, ZONE),
    );
    group.row("`quiet off`", verbs::schedule::quiet_set(None, ZONE));
    group.row("`quiet default`", verbs::schedule::quiet_usual(night, ZONE));
    group.row(
        "`quiet default`, off",
        verbs::schedule::quiet_usual(None, ZONE),
    );
    group.row("`quiet`", verbs::quiet::hours_are(night, true, 1, ZONE));
    group.row(
        "`quiet`, team default",
        verbs::quiet::hours_are(night, false, 2, ZONE),
    );
    group.row("`quiet`, off", verbs::quiet::hours_are(None, true, 0, ZONE));
    for by in [ReceiptMode::Message, ReceiptMode::Reactions] {
        let typed = match by {
            ReceiptMode::Message => "messages",
            ReceiptMode::Reactions => "reactions",
        };
        group.row("`receipts`", verbs::receipts::told_by(by, true));
        group.row(
            "`receipts`, team default",
            verbs::receipts::told_by(by, false),
        );
        group.row(
            format!("`receipts {typed}`"),
            verbs::receipts::receipts_set(by),
        );
        group.row("`receipts default`", verbs::receipts::receipts_usual(by));
    }
    group
}

fn identity() -> Group {
    let mut group = Group::new("Accounts");
    let whoami = |links: Vec<(Source, Option<AccountLink>)>, email| {
        reply::whoami(&person(false), &links, email, now())
    };
    let (github, clickup) = (Source::GitHub, Source::ClickUp);
    for origin in [
        LinkOrigin::Config,
        LinkOrigin::Email,
        LinkOrigin::Typed,
        LinkOrigin::Unlinked,
    ] {
        let when = match origin {
            LinkOrigin::Config => "`whoami`: set in the configuration",
            LinkOrigin::Email => "`whoami`: found by e-mail",
            LinkOrigin::Typed => "`whoami`: linked",
            LinkOrigin::Unlinked => "`whoami`: unlinked",
        };
        group.row(
            when,
            whoami(vec![(github, Some(link(github, origin)))], None),
        );
        let gone = AccountLink {
            gone: true,
            ..link(github, origin)
        };
        if matches!(origin, LinkOrigin::Config | LinkOrigin::Typed) {
            group.row(
                format!("{when}, and gone"),
                whoami(vec![(github, Some(gone))], None),
            );
        }
    }
    let old = AccountLink {
        seen_at: Some(ago(90)),
        ..link(github, LinkOrigin::Typed)
    };
    let unseen = AccountLink {
        seen_at: None,
        ..link(github, LinkOrigin::Typed)
    };
    group.row(
        "`whoami`, and the source is down",
        whoami(vec![(github, Some(old))], None),
    );
    group.row(
        "`whoami`, never confirmed",
        whoami(vec![(github, Some(unseen))], None),
    );
    group.row("`whoami`: not linked", whoami(vec![(github, None)], None));
    group.row(
        "`whoami`: no such e-mail",
        whoami(vec![(clickup, None)], Some(true)),
    );
    group.row(
        "`whoami`: no e-mail in Slack",
        whoami(vec![(clickup, None)], Some(false)),
    );
    let unknown = Person {
        slack: None,
        ..person(false)
    };
    group.row(
        "`whoami` over HTTP, without Slack",
        reply::whoami(&unknown, &[], None, now()),
    );
    let alone = reply::whoami(&person(true), &[(clickup, None)], None, now());
    group.row("`whoami` without `[[people]]`", alone);
    let quiet = verbs::whoami::rhythm_of(Some(time()), true, Some(QuietHours::NIGHT), false);
    group.row("`whoami`: briefing and quiet hours", quiet);
    group.row(
        "`whoami`: both off",
        verbs::whoami::rhythm_of(None, true, None, true),
    );
    for by in [ReceiptMode::Message, ReceiptMode::Reactions] {
        for own in [true, false] {
            group.row("`whoami`: receipts", verbs::whoami::receipts_of(by, own));
        }
    }
    let ana = account("12", "ana");
    for many in 0..3 {
        group.row("`link`", verbs::link::linked(github, &ana, many));
    }
    group.refused(
        "`link`, refused by the source",
        reply::not_linked("GitHub has no user bo that I can see"),
    );
    group.refused(
        "`link`, and the source is down",
        reply::not_confirmed(github, &down()),
    );
    group.refused(
        "`link`, and no reason is known",
        reply::not_confirmed(github, ""),
    );
    group.refused(
        "`link` or `unlink` of a configured account",
        verbs::link::linked_by_config(&link(github, LinkOrigin::Config)),
    );
    group.refused(
        "`link` of another person's account",
        reply::linked_to_another(github, &ana, "Bo"),
    );
    for source in [github, clickup] {
        let request = LinkRequest {
            person: PersonId(1),
            source,
            account: ana.clone(),
            code: LinkRequest::code_of(&[0x5a; 10]),
            uid: String::new(),
            asked_at: now(),
            since: now(),
            tries: 1,
        };
        group.refused("`link`, to be proved", reply::prove_it(&request, ZONE));
        group.refused(
            "`link`, if only operators link",
            reply::link_waits(&request, ZONE),
        );
    }
    group.refused("`link`, too often", reply::too_many_tries(now(), ZONE));
    for proof in [
        LinkProof::Email,
        LinkProof::Profile,
        LinkProof::Comment,
        LinkProof::Operator,
    ] {
        match proof {
            LinkProof::Email | LinkProof::Profile | LinkProof::Comment | LinkProof::Operator => {}
        }
        group.row(
            "an account is proved",
            reply::link_proved(github, &ana, proof),
        );
    }
    group.row(
        "an operator refuses an account",
        reply::link_refused(github, &ana),
    );
    for approved in [true, false] {
        group.row(
            "an operator answers",
            reply::link_answered("Bo", github, &ana, approved),
        );
    }
    group.refused("an operator answers again", reply::no_such_request());
    group.refused("somebody else answers", reply::only_operators_link());
    group.refused("`link` without `[[people]]`", verbs::link::nobody_to_link());
    group.row(
        "`unlink`",
        verbs::unlink::unlinked(&link(github, LinkOrigin::Typed)),
    );
    group.refused(
        "`unlink` without an account",
        verbs::unlink::nothing_linked(github),
    );
    group
}

/// `stats`, with figures of all kinds.
fn figures(group: &mut Group) {
    let days = |first: &str, done: &[u32]| {
        let first: NaiveDate = first.parse().unwrap();
        let days = first.iter_days().zip(done.iter().copied());
        let days = days.map(|(day, done)| StatsDay {
            day,
            done,
            created: 0,
        });
        days.collect::<Vec<_>>()
    };
    let sums = |done, created, comments, commands, ms: Option<i64>| PeriodSums {
        done,
        created,
        comments,
        commands,
        median: ms.map(TimeDelta::milliseconds),
    };
    let week = PeriodFigures {
        days: days("2026-11-21", &[0, 0, 3, 2, 0, 5, 2]),
        sums: sums(12, 4, 7, 20, Some(1_240)),
        before: Some(sums(9, 5, 0, 14, Some(900))),
        complete_since: None,
    };
    let old = |days| Some(TimeDelta::days(days));
    let ages = |open, median, oldest| QueueAge {
        open,
        median,
        oldest,
    };
    let many = ages(14, old(6), old(41));
    let cert = task(Source::ClickUp, TaskStatus::Todo);
    let mut row = |when: &str, whose, period, figures: &PeriodFigures, age: &QueueAge, oldest| {
        let words = verbs::stats::figures_of(whose, period, (figures, age), oldest, ZONE);
        group.row(when, words);
    };
    let (own, all) = ("Your", "Everybody's");
    row("`stats`", own, StatsPeriod::Week, &week, &many, Some(&cert));
    row(
        "`stats` of an operator, below their own",
        all,
        StatsPeriod::Week,
        &week,
        &many,
        None,
    );
    let mut done = [0; 30];
    done.iter_mut()
        .zip([1, 0, 4, 8, 2, 0, 0, 3])
        .for_each(|(day, done)| *day = done);
    let month = PeriodFigures {
        days: days("2026-10-29", &done),
        sums: sums(18, 0, 1, 1, Some(125_000)),
        before: None,
        complete_since: Some(ago(60 * 24 * 20)),
    };
    let one = ages(1, old(1), old(1));
    row(
        "`stats month`, when the log is young",
        own,
        StatsPeriod::Month,
        &month,
        &one,
        Some(&cert),
    );
    let nothing = PeriodFigures {
        days: days("2026-11-21", &[0; 7]),
        sums: PeriodSums::default(),
        before: Some(sums(1, 0, 0, 0, None)),
        complete_since: None,
    };
    row(
        "`stats` without anything done",
        own,
        StatsPeriod::Week,
        &nothing,
        &QueueAge::default(),
        None,
    );
}

fn history() -> Group {
    let mut group = Group::new("Log and undo");
    figures(&mut group);
    group.row("`log`", verbs::log::log_lead(false, false, None));
    group.row("`log #12`", verbs::log::log_lead(false, true, None));
    group.row(
        "`log` without entries",
        verbs::log::log_lead(true, false, None),
    );
    group.row(
        "`log` of a deleted task",
        verbs::log::log_lead(true, true, Some(Source::ClickUp)),
    );
    let entry = |verb: &str, came, via, before: Option<&str>, after: Option<&str>| Entry {
        id: None,
        at: ago(60),
        person: Some("Ana".to_owned()),
        account: None,
        via,
        token: None,
        verb: verb.to_owned(),
        came,
        source: None,
        task: None,
        title: "Login fails".to_owned(),
        url: "https://tasks.example/1".to_owned(),
        change: log::LoggedChange {
            before: before.map(str::to_owned),
            after: after.map(str::to_owned),
            text: None,
        },
        detail: None,
    };
    for came in [
        ActivityResult::Pending,
        ActivityResult::Done,
        ActivityResult::AlreadySo,
        ActivityResult::Refused,
        ActivityResult::GivenUp,
        ActivityResult::TakenBack,
    ] {
        match came {
            ActivityResult::Pending
            | ActivityResult::Done
            | ActivityResult::AlreadySo
            | ActivityResult::Refused
            | ActivityResult::GivenUp
            | ActivityResult::TakenBack => {}
        }
        let (before, after) = match came {
            ActivityResult::AlreadySo => (None, Some("complete")),
            _ => (Some("to do"), Some("complete")),
        };
        let line = verbs::log::log_line(&entry("done", came, Via::Dm, before, after), false, ZONE);
        group.row("a line of `log`", line);
    }
    for via in [
        Via::Dm,
        Via::Channel,
        Via::Button,
        Via::Reaction,
        Via::Slash,
        Via::Form,
        Via::Http,
        Via::Cli,
        Via::Slack,
        Via::In(Source::GitHub),
    ] {
        match via {
            Via::Dm
            | Via::Channel
            | Via::Button
            | Via::Reaction
            | Via::Slash
            | Via::Form
            | Via::Http
            | Via::Cli
            | Via::Slack
            | Via::In(_) => {}
        }
        let line = verbs::log::log_line(
            &entry("create", ActivityResult::Done, via, None, None),
            true,
            ZONE,
        );
        group.row("a line of a task's history", line);
    }
    let by_token = Entry {
        token: Some("ci".to_owned()),
        ..entry("create", ActivityResult::Done, Via::Http, None, None)
    };
    group.row(
        "a line of a task's history",
        verbs::log::log_line(&by_token, true, ZONE),
    );
    for (verb, before, after) in [
        ("snooze", None, Some("2026-12-01T08:00:00Z")),
        ("rescheduled", None, Some("2026-12-01")),
        ("prioritized", Some("high"), None),
        ("prio", None, Some("of high priority")),
        ("label", None, Some("with the label “bug”")),
        ("milestone", None, Some("in the milestone 2.1")),
        ("type", None, Some("of the type bug")),
        ("assigned", None, Some("bo")),
        ("unassigned", Some("bo"), None),
    ] {
        let line = verbs::log::log_line(
            &entry(verb, ActivityResult::Done, Via::Dm, before, after),
            true,
            ZONE,
        );
        group.row("a line of a task's history", line);
    }
    group.row(
        "`log`, with more entries",
        verbs::log::log(&[Text::new().text("✓ …")], true),
    );
    group.refused(
        "`log` of another person's task",
        verbs::log::not_your_history(),
    );
    group.refused(
        "`log 2` over HTTP without a person",
        verbs::log::whose_list(),
    );
    group.refused(
        "a pressed Undo, too late",
        verbs::undo::cannot_be_undone(true),
    );
    group.refused(
        "a pressed Undo without an effect",
        verbs::undo::cannot_be_undone(false),
    );
    group.refused("a pressed Undo, twice", verbs::undo::undone_already());
    group.refused(
        "a pressed **Undo, use that one**, when that one is complete by now",
        verbs::undo::other_is_complete(&task(Source::ClickUp, TaskStatus::Done)),
    );
    group.refused(
        "`undo` after a restored backup",
        verbs::undo::last_is_not_known(),
    );
    group.refused(
        "a command that may have been carried out before a backup was restored",
        reply::perhaps_done_before(),
    );
    group.row(
        "✅ taken away from an open task",
        verbs::undo::not_complete(&cert()),
    );
    let done = task(Source::ClickUp, TaskStatus::Done);
    group.refused(
        "✅ taken away too late",
        verbs::undo::stays_complete(&done, true),
    );
    group.refused(
        "✅ taken away from another's",
        verbs::undo::stays_complete(&done, false),
    );
    group.row(
        "`undo` of `start` that changed nothing",
        verbs::undo::not_started(&cert()),
    );
    for (undone_before, too_old) in [(true, false), (false, true), (false, false)] {
        let words = verbs::undo::nothing_to_undo(undone_before, too_old);
        group.refused("`undo` with nothing to undo", words);
    }
    group
}

fn health() -> Group {
    let mut group = Group::new("Status and help");
    let well = SourceHealth {
        last_sync: Some(ago(2)),
        tasks: 6,
        ..SourceHealth::default()
    };
    let ill = SourceHealth {
        error: Some(down()),
        archived: vec!["acme/old".to_owned()],
        ..SourceHealth::default()
    };
    let sources: BTreeMap<Source, SourceHealth> =
        [(Source::ClickUp, well), (Source::GitHub, ill)].into();
    let slack = [
        Some(SlackHealth::Connected),
        Some(SlackHealth::Connecting),
        Some(SlackHealth::Trouble(
            "Slack rejected auth.test: token_revoked".to_owned(),
        )),
        None,
    ];
    for (queued, slack) in (0..).zip(slack) {
        match &slack {
            Some(SlackHealth::Connected | SlackHealth::Connecting | SlackHealth::Trouble(_))
            | None => {}
        }
        group.row(
            "`status`",
            verbs::status::status(slack.as_ref(), &sources, queued, ZONE),
        );
    }
    let uses = scope::ScopeInputs {
        mentions: true,
        bare: true,
        reacts: true,
        emails: true,
    };
    let missing = scope::missing(|_| false, uses);
    group.row(
        "`status` without any scope",
        verbs::status::missing_scopes(&missing),
    );
    group.row(
        "`status` without reactions",
        verbs::status::no_reactions("the app lacks the scope reactions:write"),
    );
    group.row(
        "`status` with work set aside",
        set_aside::listed(&[aside(None), aside(Some(now()))], ZONE),
    );
    group.row(
        "`status` after rejected messages",
        reply::lately_given_up(&[("invalid_blocks".to_owned(), ago(60))], ZONE),
    );
    group.row("`help`", verbs::help::help());
    let done = <verbs::Done as verbs::Verb>::INFO;
    group.row("`help done`, `done --help`", verbs::help::help_on(done));
    group.row("`help all`", verbs::help::help_all());
    group.row("a text that is no command", reply::no_command());
    group.row("`dnoe 2`", reply::did_you_mean("dnoe", "done 2"));
    group.row("`todo`", reply::which_title());
    group.row("only an emoji", reply::which_command());
    group.row("`stop`", reply::stop_what(Some(&cert())));
    group.row("`stop` without a current task", reply::stop_what(None));
    group.row("`thanks`", reply::thanked(Some(&cert())));
    group.row("`thanks` without a current task", reply::thanked(None));
    group
}

fn aside(until: Option<DateTime<Utc>>) -> SetAside {
    SetAside {
        work: Work::Operation("01J".to_owned()),
        about: "a comment in GitHub, asked for by Ana".to_owned(),
        ends: 2,
        since: ago(60),
        until,
    }
}

// ---------------------------------------------------------------- refusals

fn refusals() -> Vec<Group> {
    let mut typed = Group::new("Texts that are no command");
    for text in [
        "",
        "thanks",
        "dnoe",
        "next week",
        "done some",
        "done 2 shipped",
        "comment",
        "comment on #12 looks good",
        "create",
        "create -s jira x",
        "create -s github -s github x",
        "create -l 1 -r acme/widgets x",
        "create -r acme/widgets -s clickup x",
        "create -l 1 -s github x",
        "create -r widgets x",
        "create -l ../1 x",
        "create -e a]b x",
        "create x -d",
        "list 0",
        "start the engine",
        "snooze",
        "snooze never",
        "due",
        "due someday",
        "prio",
        "prio 2 higher",
        "label 2",
        "label 2 +bug -bug",
        "milestone",
        "type",
        "attach",
        "assign 2 @",
        "briefing early",
        "quiet please",
        "receipts loud",
        "link",
        "unlink",
    ] {
        let Err(error) = verbs::parse(text) else {
            continue;
        };
        // Each kind has a text above.
        match &error {
            ParseError::Empty
            | ParseError::UnknownVerb(_)
            | ParseError::NothingAfter { .. }
            | ParseError::NotARefOf { .. }
            | ParseError::EmptyComment
            | ParseError::NoValue(..)
            | ParseError::Twice(_)
            | ParseError::Slip(_)
            | ParseError::Prose(_) => {}
        }
        let when = match text {
            "" => "an empty message".to_owned(),
            text => format!("`{text}`"),
        };
        typed.text(when, format!("✗ {error}"));
    }
    let files = ["shot.png".to_owned()];
    let two = ["a.png".to_owned(), "b.png".to_owned()];
    typed.refused(
        "a long text",
        reply::no_command_with(Some("paste.txt"), &[], false),
    );
    typed.refused(
        "a forwarded message",
        reply::no_command_with(None, &[], true),
    );
    typed.refused("a file", reply::no_command_with(None, &files, false));
    typed.refused("files", reply::no_command_with(None, &two, false));
    for (when, files, forwarded) in [
        ("a command with a forwarded message", &[][..], true),
        ("a command with a file", &files[..], false),
        ("a command with files", &two[..], false),
        ("a command with both", &files[..], true),
    ] {
        typed.row(when, reply::not_taken_over(files, forwarded));
    }
    typed.row(
        "a file without a link",
        reply::files_without_address(&files),
    );
    typed.row("files without links", reply::files_without_address(&two));
    for (when, files) in [("a file", &files[..]), ("files", &two[..])] {
        typed.row(
            format!("{when} without a link, and the scope is missing"),
            reply::files_need_scope(files),
        );
    }
    for (when, more) in [("eleven files", 1), ("thirteen files", 3)] {
        typed.row(when, reply::files_left_out(more, 10));
    }
    for (when, why) in [
        ("Slack does not answer", ThreadUnread::NoAnswer),
        ("Slack's rate limit", ThreadUnread::Limited),
        ("the scope is missing", ThreadUnread::NoScope),
        ("Ivan is not in the channel", ThreadUnread::NotMember),
        (
            "another refusal of Slack",
            ThreadUnread::Refused("thread_not_found"),
        ),
        ("a long description", ThreadUnread::NoRoom),
    ] {
        let when = format!("`create` in a thread, {when}");
        typed.row(when, reply::thread_not_read(&why));
    }

    let mut unfit = Group::new("Commands that are not possible");
    let (clickup, github) = (Source::ClickUp, Source::GitHub);
    unfit.refused("a number before any list", reply::no_list_yet());
    unfit.refused("a number that is not in the list", reply::not_in_list(99));
    unfit.refused("`done 1-99`", reply::too_many_tasks(99, 50));
    unfit.row(
        "`done overdue`, or more than ten tasks",
        reply::asks_first("done", &[&cert(), &login()]),
    );
    unfit.row("*No* below that question", reply::nothing_was_done());
    unfit.refused("*Do it* once more, or too late", reply::question_is_over());
    unfit.refused("*Do it* by another person", reply::not_your_question());
    unfit.refused(
        "a number that only an issue has, with a button",
        reply::did_you_mean_issue(reply::not_in_list(7), "done #7", "Login fails"),
    );
    let id = TaskId::parse("github:acme/widgets#99").unwrap();
    unfit.refused("an unknown task", reply::names_no_task(&id));
    unfit.refused("a deleted task", reply::deleted(&cert()));
    unfit.refused(
        "a source that is not connected",
        reply::not_connected(github),
    );
    unfit.refused(
        "a repository before its first poll",
        reply::not_read_yet(&repo()),
    );
    unfit.refused(
        "`snooze` of a task that was never read",
        reply::not_mirrored(github, "acme/widgets#9"),
    );
    unfit.refused("a foreign repository", reply::repo_not_followed(&repo()));
    unfit.refused(
        "the link to an issue on another GitHub",
        reply::another_github("github.com", "git.acme.test"),
    );
    unfit.refused("a foreign list", reply::list_not_followed("901100000002"));
    unfit.refused("an archived list", verbs::create::list_archived("Roadmap"));
    let closed = task(github, TaskStatus::Done);
    unfit.refused(
        "`create --under` a finished task",
        verbs::create::parent_finished(&closed),
    );
    unfit.refused(
        "`create --under REF -r` another repository",
        verbs::create::parent_elsewhere(&login(), "acme/widgets"),
    );
    unfit.refused("a client's name", reply::odd_entity());
    unfit.refused(
        "an unknown client",
        verbs::create::unknown_client("acmee", &["acme"]),
    );
    unfit.refused(
        "an unknown client",
        verbs::create::unknown_client("zzz", &["acme", "globex"]),
    );
    unfit.refused("two clients", verbs::create::two_clients("acme", "globex"));
    unfit.refused("a long title", reply::title_too_long(github, 256, 300));
    unfit.refused("a long text", reply::text_too_long(60_001));
    unfit.refused(
        "`create -a zoe`",
        verbs::create::nobody_called("zoe", &["Ana", "Bo"]),
    );
    unfit.refused(
        "`create -a bo` without `[[people]]`",
        verbs::create::nobody_to_assign(),
    );
    unfit.refused(
        "`create -a bo` without an account",
        verbs::create::not_linked_there("Bo", github),
    );
    unfit.refused(
        "an assignee of a form without an account",
        reply::not_assignable(Some("Bo"), github),
    );
    unfit.refused(
        "an assignee of a form who is gone",
        reply::not_assignable(None, github),
    );
    unfit.refused(
        "`assign @zoe`",
        verbs::assign::no_such_person("zoe", &["Ana".to_owned(), "Bo".to_owned()]),
    );
    unfit.refused(
        "`assign @zoe` without `[[people]]`",
        verbs::assign::no_such_person("zoe", &[]),
    );
    unfit.refused(
        "`claim` without an account",
        reply::no_account(None, clickup),
    );
    unfit.refused(
        "`assign @bo` without an account",
        reply::no_account(Some("Bo"), github),
    );
    unfit.refused("`due` in GitHub", verbs::due::no_due_in_github());
    unfit.refused(
        "`prio low` in GitHub",
        verbs::prio::no_such_priority_in_github(Priority::Low),
    );
    unfit.refused(
        "`label +bgu`",
        Text::new().text(labels::unknown(
            "acme/widgets",
            github,
            &["bgu"],
            &["bug", "ops"],
        )),
    );
    unfit.refused(
        "`milestone 2.1` in ClickUp",
        verbs::milestone::no_milestones(clickup),
    );
    unfit.refused(
        "`type bgu`",
        Text::new().text(labels::not_there(
            "acme/widgets",
            github,
            github.profile().types,
            &["bgu"],
            &["Task", "Bug", "Feature"],
        )),
    );
    let finished = task(clickup, TaskStatus::Done);
    unfit.refused(
        "`attach` to a completed task",
        verbs::attach::is_finished(&finished),
    );
    unfit.refused(
        "`attach` in the thread of another task",
        verbs::attach::thread_taken(Some(&login())),
    );
    unfit.refused(
        "`attach` in the thread of a hidden task",
        verbs::attach::thread_taken(None),
    );
    unfit.refused(
        "`attach` outside of threads",
        verbs::attach::only_in_a_thread(),
    );
    unfit.refused(
        "`attach` from the command line",
        verbs::attach::only_in_slack(),
    );
    unfit.refused("`reopen` without a task", verbs::reopen::reopen_which());
    unfit.refused(
        "a reply without a known task",
        verbs::comment::no_task_here(),
    );
    unfit.refused("a thread without a known task", reply::unknown_thread());
    unfit.refused(
        "`snooze` of a completed task",
        verbs::snooze::nothing_to_snooze(&task(clickup, TaskStatus::Done)),
    );
    for why in [
        NotThen::Past {
            at: ago(60),
            text: "27 Nov 2026 09:00".to_owned(),
        },
        NotThen::PastDay("1 Jan 2026".to_owned()),
        NotThen::NoTime,
        NotThen::TooFar,
        NotThen::NoSuchDay,
    ] {
        match &why {
            NotThen::Past { .. }
            | NotThen::PastDay(_)
            | NotThen::NoTime
            | NotThen::TooFar
            | NotThen::NoSuchDay => {}
        }
        unfit.refused(
            "`snooze` until a wrong time",
            verbs::snooze::cannot_snooze(&why),
        );
        unfit.refused("`due` at a wrong time", verbs::due::not_due_then(&why));
    }

    let mut people = Group::new("People and limits");
    for why in [
        NotAllowed::NotFullMember,
        NotAllowed::NotNamed,
        NotAllowed::Unknown,
        NotAllowed::NotCertain,
    ] {
        let when = match why {
            NotAllowed::NotFullMember => "a guest",
            NotAllowed::NotNamed => "somebody outside `slack.allowed_users`",
            NotAllowed::Unknown => "somebody outside `[[people]]`",
            NotAllowed::NotCertain => "Slack does not say who it is",
        };
        people.refused(when, why.words(false));
    }
    people.refused(
        "somebody outside `[[people]]`, and operators are configured",
        NotAllowed::Unknown.words(true),
    );
    people.refused(
        "too many messages",
        reply::too_many_messages(100, "create Buy milk"),
    );
    people.refused("too many changes", reply::too_many_writes(500));
    people.row("the disk is full", reply::not_stored());
    people.row(
        "messages that arrived late",
        reply::received_late(&["done", "create Buy milk"]),
    );
    people.row(
        "after a backup was restored",
        reply::typed_in_lost_time(&["done", "create Buy milk"]),
    );
    people.row(
        "work of a person is set aside, operators are configured",
        set_aside::to_its_person(Text::new().text("your comment"), true, "01J"),
    );
    people.row(
        "work of a person is set aside",
        set_aside::to_its_person(Text::new().text("your comment"), false, "01J"),
    );
    people.text("an undo of set-aside work waits", set_aside::BEHIND);

    let mut forms = Group::new("Buttons, reactions and forms");
    forms.refused("a button of an older version", reply::not_a_button());
    forms.refused(
        "a reaction on an answer with two tasks",
        reply::reaction_on_outcome(),
    );
    forms.row("the form opened too late", reply::press_again());
    forms.row(
        "Slack opens no form",
        reply::form_refused("Slack rejected views.open: invalid_arguments"),
    );
    forms.text("a form of an older version", reply::not_a_form());
    forms.text("a form that is not saved", reply::not_kept());
    forms.text("a form that is perhaps not saved", reply::form_is_slow());
    forms.text(
        "a slash command that is perhaps not saved",
        reply::command_is_slow(),
    );
    forms.text("a field: comment", reply::no_comment());
    forms.text("a field: title", reply::no_title());
    forms.text("a field: place", reply::no_place());
    forms.row("a field: due date", reply::no_due_date());
    forms.text(
        "a field: under",
        verbs::create::not_a_parent_in_form("soon"),
    );
    forms.row("the same message again", reply::made_before(&cert()));
    forms.row(
        "the same message again, of another person's task",
        reply::made_by_another(),
    );
    forms.row(
        "the same message, at once again",
        verbs::create::being_made("Buy milk"),
    );
    vec![typed, unfit, people, forms]
}

// ---------------------------------------------------------------- notices, Home, operators

fn notices() -> Group {
    let mut group = Group::new("Notices");
    let bo = Actor {
        account: account("4243", "Bo"),
        bot: false,
        us: false,
        outside: false,
    };
    for what in [
        ActivityKind::Completed,
        ActivityKind::Reopened,
        ActivityKind::Assigned {
            to: account("1", "ana"),
        },
        ActivityKind::Unassigned {
            from: account("1", "ana"),
        },
        ActivityKind::Commented {
            id: "1".to_owned(),
            text: "looks good".into(),
            operation: None,
        },
        ActivityKind::Deleted,
        ActivityKind::Changed {
            field: TaskField::Title,
        },
        ActivityKind::Changed {
            field: TaskField::Due,
        },
        ActivityKind::Changed {
            field: TaskField::Priority,
        },
    ] {
        let when = match &what {
            ActivityKind::Completed => "completed",
            ActivityKind::Reopened => "reopened",
            ActivityKind::Assigned { .. } => "assigned",
            ActivityKind::Unassigned { .. } => "unassigned",
            ActivityKind::Commented { .. } => "commented",
            ActivityKind::Deleted => "deleted",
            ActivityKind::Changed { field } => match field {
                TaskField::Title => "renamed",
                TaskField::Due => "due date changed",
                TaskField::Priority => "priority removed",
            },
        };
        for by in [Some(bo.clone()), None] {
            let act = Activity {
                by,
                at: ago(60),
                what: what.clone(),
            };
            group.row(when, reply::notice(&cert(), &act, false, ZONE));
        }
    }
    let act = Activity {
        by: Some(bo),
        at: ago(60),
        what: ActivityKind::Completed,
    };
    group.row(
        "the current task is completed",
        reply::notice(&cert(), &act, true, ZONE),
    );
    group
}

fn home() -> Group {
    let mut group = Group::new("Welcome and Home tab");
    let both = [Source::ClickUp, Source::GitHub];
    group.row(
        "your messages are opened for the first time",
        reply::welcome(Some("Ana"), None, &[]),
    );
    group.row(
        "the same, if everyone shares one queue",
        reply::welcome(None, None, &[]),
    );
    group.row(
        "an operator has added you",
        reply::welcome(Some("Zoe"), Some("Olga"), &both),
    );
    for (open, completed) in [(0, 0), (5, 2)] {
        group.row("the first line", reply::home_lead(open, completed));
    }
    group.row("a longer queue", reply::home_more(3));
    group.row("no other task", reply::home_nothing_else());
    for alone in [true, false] {
        group.row("Slack", reply::home_in_slack("Ana", alone));
        group.row(
            "an account",
            reply::home_account(Source::GitHub, Some("ana"), alone),
        );
    }
    group.row(
        "no account",
        reply::home_account(Source::GitHub, None, false),
    );
    for own in [true, false] {
        for at in [Some(time()), None] {
            group.row("briefing", reply::home_briefing(at, own, ZONE));
        }
        for quiet in [Some(QuietHours::NIGHT), None] {
            group.row("quiet hours", reply::home_quiet(quiet, own, ZONE));
        }
        for by in [ReceiptMode::Message, ReceiptMode::Reactions] {
            group.row("receipts", reply::home_receipts(by, own));
        }
        group.row("notices", reply::home_notices(own));
    }
    group.text(
        "the headings",
        [
            reply::HOME_CURRENT,
            reply::HOME_QUEUE,
            reply::HOME_WAITING,
            reply::HOME_ACCOUNTS,
            reply::HOME_SETTINGS,
            reply::HOME_NOBODY,
        ]
        .join(" · "),
    );
    group.row(
        "Slack rejects the tab",
        reply::home_refused("invalid_blocks"),
    );
    group
}

fn operators() -> Group {
    let mut group = Group::new("Messages to operators");
    let token = with_remedy(
        "GitHub rejects the token (Bad credentials)",
        "Set a new github.token and restart. Queued work is safe",
    );
    let container = Container {
        source: Source::GitHub,
        id: "1001".to_owned(),
        name: "acme/widgets".to_owned(),
        configured: "acme/widgets".to_owned(),
        archived: true,
    };
    let github = Source::GitHub;
    group.row(
        "a source fails for long",
        reply::source_failing(github, ago(60), &down(), ZONE),
    );
    group.row("it works again", reply::source_well(github));
    let ana = account("12", "ana");
    group.row(
        "somebody wants to link an account",
        reply::link_asked("Ana", github, &ana),
    );
    for proof in [
        LinkProof::Email,
        LinkProof::Profile,
        LinkProof::Comment,
        LinkProof::Operator,
    ] {
        group.row(
            "somebody linked an account",
            reply::linked_news("Ana", github, &ana, proof),
        );
    }
    group.row("a token is rejected", reply::token_refused(&token));
    let suspended = with_remedy(
        "The installation of the GitHub App is suspended (This installation has been suspended)",
        "The owner of the installation must end the suspension (GitHub → Settings → GitHub Apps → Configure → Unsuspend). \
         Queued work is safe",
    );
    group.row(
        "a GitHub App is suspended",
        reply::token_refused(&suspended),
    );
    group.row("it is accepted again", reply::token_well(github));
    group.row("a rule is lifted", reply::rule_well(github, "acme"));
    group.row(
        "a token expires soon",
        reply::token_ends(github, now(), ZONE),
    );
    group.row("it was renewed", reply::token_stays(github));
    let url = "https://bot.example/webhooks/github";
    for back in [true, false] {
        let words = reply::hook_suspended(github, url, "last answer 502", back);
        group.row("a webhook is suspended", words);
    }
    group.row("it works again", reply::hook_well(github, url));
    group.row("a repository is archived", reply::archived(&container));
    group.row("it is restored", reply::unarchived(&container));
    group.row("another connection of the app", reply::app_is_shared(1));
    group.row("other connections of the app", reply::app_is_shared(2));
    group.row("there is none any more", reply::app_is_ours());
    group.row(
        "a member of the workspace who is no person comes",
        reply::arrival_asked("Zoe", "U0ZOE01"),
    );
    group.row("Add Zoe", reply::arrival_added("Zoe"));
    group.row("Not now", reply::arrival_refused("Zoe"));
    group.row("Remove Zoe", reply::arrival_removed("Zoe"));
    group.row(
        "another operator was first",
        reply::arrival_before("Zoe", Some("Bo")),
    );
    group.row(
        "they are a person already",
        reply::arrival_before("Zoe", None),
    );
    group.refused(
        "Remove, of a person in the configuration",
        reply::arrival_by_config("Zoe"),
    );
    let missing = Missing {
        shared: false,
        not_connected: vec![Source::ClickUp],
        unlinked: vec![(github, 1)],
    };
    group.row(
        "Slack is connected for the first time",
        reply::introduction(&missing),
    );
    let shared = Missing {
        shared: true,
        ..Missing::default()
    };
    group.row(
        "the same, if all share one queue",
        reply::introduction(&shared),
    );
    group.row(
        "Slack rejects a message",
        reply::unpostable(Some("Ana"), "invalid_blocks"),
    );
    group.row(
        "Slack rejects a message to nobody known",
        reply::unpostable(None, "invalid_blocks"),
    );
    group.row("the disk is full", reply::store_refuses("disk full"));
    group.row("it is writable again", reply::store_well());
    for until in [None, Some(now())] {
        group.row(
            "work is set aside",
            set_aside::to_operators(&aside(until), ZONE),
        );
    }
    group.row("it worked", set_aside::went_well("reading GitHub"));
    group.row(
        "`ivan retry`",
        set_aside::tried_again("a comment in GitHub"),
    );
    group.row(
        "`ivan retry` of an unknown id",
        set_aside::nothing_set_aside("01J"),
    );
    group
}

fn tokens() -> Group {
    let mut group = Group::new("API tokens");
    let listed = |name: &str, read_only, used_at| ListedToken {
        name: name.to_owned(),
        read_only,
        made_at: ago(90),
        used_at,
    };
    let notebook = listed("notebook", false, Some(ago(5)));
    let dash = listed("dashboard", true, None);
    group.row("`token` without one", reply::token_list(&[], ZONE));
    group.row("`token`", reply::token_list(&[dash, notebook], ZONE));
    for read_only in [false, true] {
        group.row(
            "`token new`",
            reply::token_made(TokenId(1), "scripts", read_only),
        );
        group.row(
            "`token allow`",
            reply::login_allowed("notebook", read_only, "192.0.2.7"),
        );
    }
    group.row(
        "the same message after the first use of the token",
        reply::token_is_hidden("scripts"),
    );
    group.row(
        "the same message after a restart before it",
        reply::token_lost("scripts"),
    );
    group.row("`token revoke`", reply::token_revoked("scripts"));
    group.refused("`token` in a channel", reply::only_in_the_dm());
    group.refused(
        "`token new` with the name of another",
        reply::token_name_taken("scripts"),
    );
    group.refused("`token new` with too many", reply::too_many_tokens(20));
    group.refused(
        "`token revoke` of an unknown one",
        reply::no_such_token("script", &["scripts".to_owned()]),
    );
    group.refused(
        "`token allow` with a wrong code",
        reply::no_such_login("BCDF-GHJK"),
    );
    group.refused(
        "`token allow` after ten wrong codes",
        reply::too_many_codes(ago(-5), ZONE),
    );
    group
}

fn groups() -> Vec<Group> {
    let mut groups = outcomes();
    groups.extend(answers());
    groups.push(tokens());
    groups.extend(refusals());
    groups.extend([notices(), home(), operators()]);
    groups
}

// ---------------------------------------------------------------- the file

/// A message in a cell of a Markdown table.
fn cell(words: &Text) -> String {
    let mut shown = String::new();
    for span in words.clone().mentioning(&["Olga".to_owned()]).spans() {
        let escaped = |text: &str| {
            let text = text.replace('|', "\\|").replace('<', "&lt;");
            text.replace('\n', "<br>").replace('*', "\\*")
        };
        let piece = match span {
            Span::Text(text) | Span::Said(text) | Span::Time { text, .. } => escaped(text),
            Span::Link { text, .. } => format!("*{}*", escaped(text)),
            Span::Struck { text, .. } => format!("~~{}~~", escaped(text)),
            Span::Code(text) => format!("`{}`", text.replace('|', "\\|")),
            Span::Operators(ids) => format!("@{}", ids.join(" or @")),
            Span::Token(_) => "`TOKEN`".to_owned(),
        };
        shown.push_str(&piece);
    }
    shown
}

fn file() -> String {
    let mut file = String::from(
        "# Messages\n\nEvery message that Ivan can send, as Slack shows it. Links are in *italics*; `@Olga` is the \
         mention of an operator.\nThis file is made from the code: `IVAN_DOCS=write cargo test --lib messages::` writes \
         it anew.\n",
    );
    for group in groups() {
        let _ = write!(
            file,
            "\n## {}\n\n| when | message |\n|---|---|\n",
            group.title
        );
        let mut told = BTreeSet::new();
        for (when, words) in group.rows {
            let line = format!("| {} | {} |\n", when.replace('|', "\\|"), cell(&words));
            if told.insert(line.clone()) {
                file.push_str(&line);
            }
        }
    }
    file
}

#[test]
fn the_table_of_messages_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/messages.md");
    let made = file();
    if std::env::var_os("IVAN_DOCS").is_some() {
        std::fs::write(path, &made).unwrap();
    }
    let there = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        there == made,
        "docs/messages.md is out of date: IVAN_DOCS=write cargo test --lib messages::"
    );
}

/// Functions that return parts of messages, or change one, but no message.
const NO_MESSAGES: &[&str] = &[
    "account",
    "and_more",
    "bars",
    "by_whom_and_when",
    "changed",
    "code",
    "copies_stay",
    "date",
    "due_at",
    "for_client",
    "given_up",
    "held_back",
    "hidden_by",
    "home_unlinked",
    "joined",
    "lead",
    "lines",
    "link",
    "mentioning",
    "revealing",
    "message",
    "missing",
    "moment",
    "moment_as",
    "moved",
    "new",
    "not_assigned",
    "not_then",
    "one_message",
    "heading",
    "lines",
    "receipt",
    "receipt_lines",
    "asks_first_lines",
    "nowhere_to_move",
    "opened",
    "operators",
    "queued",
    "reopened",
    "said",
    "set_aside",
    "started",
    "still",
    "stopped",
    "struck",
    "subject",
    "text",
    "then",
    "weeks",
    "time",
    "titles",
    "told",
    "undone",
    "well",
    "below",
    "when_due",
    "attached",
    "with_links",
    "with_status",
    "usage",
    "words",
    "with_what_was_filled_in",
];

/// A new function that returns a message needs a sample here.
#[test]
fn every_function_that_returns_a_message_has_a_sample() {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
    let here = include_str!("messages.rs");
    let mut files = vec![
        format!("{source}/domain/reply.rs"),
        format!("{source}/domain/set_aside.rs"),
    ];
    for folder in ["domain/reply", "verbs"] {
        let listed = std::fs::read_dir(format!("{source}/{folder}")).unwrap();
        files.extend(listed.map(|file| file.unwrap().path().display().to_string()));
    }
    let mut found = 0;
    for file in files.iter().filter(|file| !file.ends_with("tests.rs")) {
        let code = std::fs::read_to_string(file).unwrap();
        let code = code.split("#[cfg(test)]").next().unwrap_or_default();
        for function in code.split("fn ").skip(1) {
            let (signature, _) = function.split_once('{').unwrap_or_default();
            let (name, _) = signature.split_once('(').unwrap_or_default();
            let returned = signature
                .rsplit_once("->")
                .map(|(_, returned)| returned.trim());
            let returns = matches!(
                returned,
                Some("Text" | "Option<Text>" | "Vec<Text>" | "(Text, Vec<Text>)")
            );
            if !returns || NO_MESSAGES.contains(&name) {
                continue;
            }
            found += 1;
            assert!(
                here.contains(&format!("{name}(")),
                "{file}: {name} has no sample"
            );
        }
    }
    assert!(found > 120, "only {found} functions");
}

/// Marks that design and people rely on.
#[test]
fn no_message_names_a_key_to_people() {
    for group in groups() {
        if ["Messages to operators", "TaskStatus and help"].contains(&group.title) {
            continue;
        }
        for (when, words) in group.rows {
            let text = words.plain();
            for key in [
                "bot.toml",
                "[[",
                "slack.",
                "github.token",
                "clickup.token",
                "Whoever",
            ] {
                assert!(!text.contains(key), "{when}: {text}");
            }
        }
    }
}
