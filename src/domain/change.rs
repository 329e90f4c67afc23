//! The changes to a task by `assign`, `claim`, `due`, `prio`, `label`, `milestone` and `type`, and their opposites.
//!
//! Such a change is idempotent: sending it twice has one effect, and the task shows whether it holds. So a lost
//! response needs no search. `undo` checks the same two states: the one that we left, and the one before.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::labels::{LabelChange, on_task, same_label};
use super::profile::HandleKind;
use super::task::{Account, Priority, Source, Task, TaskStatus};

/// One change of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskChange {
    /// The assignees by their ids at the source: a ClickUp member id, a GitHub login.
    Assign {
        /// Handles to assign. The other assignees stay.
        add: Vec<String>,
        /// Handles to remove.
        remove: Vec<String>,
    },
    /// The due time; `None`: never.
    Due(Option<DateTime<Utc>>),
    /// The due day, without a time.
    DueOn(NaiveDate),
    /// The priority; `None` for the source's "no priority".
    Priority(Option<Priority>),
    /// The labels that stand for a priority in GitHub, all of them: only an undo sets them.
    PriorityLabels(LabelChange),
    /// The labels by their names, or ClickUp's tags. The others stay.
    Labels(LabelChange),
    /// The milestone by its title, in any case; `None` for none.
    Milestone(Option<String>),
    /// The type by its name, in any case; `None` for none.
    Type(Option<String>),
    /// Not in progress any more: in the status before `start`; `None` for the source's first status.
    Pause {
        /// In the source's own word; `None` for its first status.
        status: Option<String>,
    },
    /// In progress again, in this status.
    Resume {
        /// In the source's own word.
        status: String,
    },
}

impl TaskChange {
    /// Whether the task, as just read from the source, is already so.
    pub fn holds_in(&self, task: &Task) -> bool {
        let source = task.key.source();
        let has = |handle: &String| {
            let mut assignees = task.assignees.iter();
            assignees.any(|account| is_handle(source, account, handle))
        };
        match self {
            TaskChange::Assign { add, remove } => add.iter().all(has) && !remove.iter().any(has),
            // ClickUp counts milliseconds, a person minutes.
            TaskChange::Due(due) => {
                due.map(|due| due.timestamp_millis())
                    == task.due.map(|due| due.at.timestamp_millis())
            }
            TaskChange::DueOn(day) => task.due.and_then(|due| due.day) == Some(*day),
            TaskChange::Priority(priority) => *priority == task.priority,
            TaskChange::Labels(labels) | TaskChange::PriorityLabels(labels) => {
                labels.holds_in(task)
            }
            TaskChange::Milestone(title) => is_same(title.as_ref(), task.milestone.as_ref()),
            TaskChange::Type(name) => is_same(name.as_ref(), task.task_type.as_ref()),
            TaskChange::Pause { .. } => task.status == TaskStatus::Todo,
            TaskChange::Resume { .. } => task.status == TaskStatus::InProgress,
        }
    }

    /// The change that restores the task's current state, as far as the task shows it (`SourceWriter::back_to`).
    pub fn back_to(&self, now: &Task) -> TaskChange {
        let source = now.key.source();
        let has = |handle: &&String| {
            let mut assignees = now.assignees.iter();
            assignees.any(|account| is_handle(source, account, handle))
        };
        match self {
            TaskChange::Assign { add, remove } => TaskChange::Assign {
                add: remove.iter().filter(has).cloned().collect(),
                remove: add.iter().filter(|handle| !has(handle)).cloned().collect(),
            },
            TaskChange::Due(_) | TaskChange::DueOn(_) => match now.due.and_then(|due| due.day) {
                Some(day) => TaskChange::DueOn(day),
                None => TaskChange::Due(now.due.map(|due| due.at)),
            },
            TaskChange::Priority(_) => TaskChange::Priority(now.priority),
            TaskChange::PriorityLabels(labels) => TaskChange::PriorityLabels(labels.as_in(now)),
            TaskChange::Milestone(_) => TaskChange::Milestone(now.milestone.clone()),
            TaskChange::Type(_) => TaskChange::Type(now.task_type.clone()),
            TaskChange::Labels(LabelChange { add, remove }) => TaskChange::Labels(LabelChange {
                add: remove
                    .iter()
                    .filter_map(|name| on_task(now, name))
                    .cloned()
                    .collect(),
                remove: add
                    .iter()
                    .filter(|name| on_task(now, name).is_none())
                    .cloned()
                    .collect(),
            }),
            TaskChange::Pause { .. } => TaskChange::Resume {
                status: now.source_status.clone(),
            },
            TaskChange::Resume { .. } => TaskChange::Pause {
                status: Some(now.source_status.clone()),
            },
        }
    }

    /// A change that restores the current state, after earlier attempts that may have made a part of the change:
    /// `earlier` restores the state before them.
    pub fn with_earlier(self, earlier: Option<TaskChange>) -> TaskChange {
        match (self, earlier) {
            (TaskChange::Labels(back), Some(TaskChange::Labels(earlier))) => {
                TaskChange::Labels(back.with(earlier))
            }
            (TaskChange::PriorityLabels(back), Some(TaskChange::PriorityLabels(earlier))) => {
                let LabelChange { add, mut remove } = back.with(earlier);
                // An attempt takes labels off first, so a label that was on at any time was there before.
                remove.retain(|name| !add.iter().any(|label| same_label(label, name)));
                TaskChange::PriorityLabels(LabelChange { add, remove })
            }
            (back, _) => back,
        }
    }

    /// The state that this change left, to compare the task with before an undo. `back` is the change that restores the
    /// earlier state, and `after` the task right after the change.
    pub fn as_left(&self, back: &TaskChange, after: &Task) -> TaskChange {
        match back {
            TaskChange::PriorityLabels(labels) => TaskChange::PriorityLabels(labels.as_in(after)),
            _ => self.clone(),
        }
    }

    /// All names of [`kind`](TaskChange::kind).
    pub const KINDS: &[&str] = &[
        "assign",
        "due",
        "priority",
        "label",
        "milestone",
        "type",
        "pause",
    ];

    /// The name in metrics and logs.
    pub fn kind(&self) -> &'static str {
        match self {
            TaskChange::Assign { .. } => "assign",
            TaskChange::Due(_) | TaskChange::DueOn(_) => "due",
            TaskChange::Priority(_) | TaskChange::PriorityLabels(_) => "priority",
            TaskChange::Labels(_) => "label",
            TaskChange::Milestone(_) => "milestone",
            TaskChange::Type(_) => "type",
            TaskChange::Pause { .. } | TaskChange::Resume { .. } => "pause",
        }
    }

    /// Whether it only makes sense for a task that is not complete.
    pub fn needs_an_open_task(&self) -> bool {
        match self {
            TaskChange::Assign { .. }
            | TaskChange::Due(_)
            | TaskChange::DueOn(_)
            | TaskChange::Priority(_)
            | TaskChange::PriorityLabels(_)
            | TaskChange::Labels(_)
            | TaskChange::Milestone(_)
            | TaskChange::Type(_) => false,
            TaskChange::Pause { .. } | TaskChange::Resume { .. } => true,
        }
    }

    /// The start of `… is waiting`, and the words for a change that failed.
    pub(super) fn words(&self, source: Source) -> (&'static str, &'static str) {
        match self {
            TaskChange::Labels(_) => source.profile().label_change,
            TaskChange::Milestone(_) => ("Milestone of ", "Milestone not changed"),
            TaskChange::Type(_) => ("Type of ", "Type not changed"),
            TaskChange::Assign { .. } => ("Assignment of ", "Not assigned"),
            TaskChange::Due(_) | TaskChange::DueOn(_) => ("Due date of ", "Due date not changed"),
            TaskChange::Priority(_) | TaskChange::PriorityLabels(_) => {
                ("Priority of ", "Priority not changed")
            }
            TaskChange::Pause { .. } | TaskChange::Resume { .. } => ("Pause of ", "Not paused"),
        }
    }

    /// How the task differs from the state that we left, as the end of a sentence.
    pub fn difference(&self, source: Source) -> String {
        format!("its {} changed", self.what(source))
    }

    /// What it changes of a task, as a noun.
    pub fn what(&self, source: Source) -> &'static str {
        match self {
            TaskChange::Assign { .. } => "assignees",
            TaskChange::Due(_) | TaskChange::DueOn(_) => "due date",
            TaskChange::Priority(_) => "priority",
            TaskChange::PriorityLabels(_) => "priority labels",
            TaskChange::Labels(_) => source.profile().labels,
            TaskChange::Milestone(_) => "milestone",
            TaskChange::Type(_) => "type",
            TaskChange::Pause { .. } | TaskChange::Resume { .. } => "status",
        }
    }
}

/// Whether a wanted name, in any case, or none is the one that is there.
fn is_same(wanted: Option<&String>, now: Option<&String>) -> bool {
    match (wanted, now) {
        (Some(wanted), Some(now)) => same_label(wanted, now),
        (wanted, now) => wanted.is_none() && now.is_none(),
    }
}

/// Whether this is the handle of the account at the source.
pub fn is_handle(source: Source, account: &Account, handle: &str) -> bool {
    match source.profile().handles {
        HandleKind::Ids => account.id == handle,
        HandleKind::Logins => account.name.eq_ignore_ascii_case(handle),
    }
}

/// Whether one of these is the handle of the account at the source.
pub fn is_one_of(source: Source, account: &Account, handles: &[String]) -> bool {
    handles
        .iter()
        .any(|handle| is_handle(source, account, handle))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::task::{DueDate, TaskId, TaskKey, TaskStatus};
    use rstest::rstest;

    fn task(key: TaskKey, assignees: &[(&str, &str)]) -> Task {
        Task {
            key,
            id: TaskId::clickup("86a").unwrap(),
            container: String::new(),
            title: String::new(),
            description: String::new(),
            url: String::new(),
            status: TaskStatus::Todo,
            source_status: String::new(),
            assignees: assignees
                .iter()
                .map(|(id, name)| Account {
                    id: (*id).into(),
                    name: (*name).into(),
                })
                .collect(),
            labels: Vec::new(),
            entity: None,
            priority: Some(Priority::Low),
            due: None,
            created_at: DateTime::default(),
            updated_at: DateTime::default(),
            closed: None,
            commented_at: None,
            reopened: false,
            custom_id: None,
            creator: None,
            links: Vec::new(),
            home: None,
            milestone: None,
            task_type: None,
            parent: None,
            children: None,
        }
    }

    fn assign(add: &[&str], remove: &[&str]) -> TaskChange {
        let all = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        TaskChange::Assign {
            add: all(add),
            remove: all(remove),
        }
    }

    #[rstest]
    #[case::there(assign(&["4243"], &[]), true, assign(&[], &[]))]
    #[case::not_there(assign(&["4242"], &[]), false, assign(&[], &["4242"]))]
    #[case::handed_over(assign(&["4242"], &["4243"]), false, assign(&["4243"], &["4242"]))]
    #[case::nothing_to_take_off(assign(&["4243"], &["4242"]), true, assign(&[], &[]))]
    #[case::a_name_is_no_id(assign(&["Bo"], &[]), false, assign(&[], &["Bo"]))]
    #[case::due(
        TaskChange::Due(DateTime::from_timestamp(60, 0)),
        false,
        TaskChange::Due(None)
    )]
    #[case::never_due(TaskChange::Due(None), true, TaskChange::Due(None))]
    #[case::priority(
        TaskChange::Priority(Some(Priority::High)),
        false,
        TaskChange::Priority(Some(Priority::Low))
    )]
    #[case::same_priority(
        TaskChange::Priority(Some(Priority::Low)),
        true,
        TaskChange::Priority(Some(Priority::Low))
    )]
    fn what_holds_and_what_was(
        #[case] change: TaskChange,
        #[case] holds: bool,
        #[case] back: TaskChange,
    ) {
        let task = task(TaskKey::clickup("86a"), &[("4243", "Bo")]);
        assert_eq!(change.holds_in(&task), holds);
        assert_eq!(change.back_to(&task), back);
        // A state that already holds needs no restoring; a restored one holds.
        assert!(change.back_to(&task).holds_in(&task));
    }

    fn labels(add: &[&str], remove: &[&str]) -> LabelChange {
        let all = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        LabelChange {
            add: all(add),
            remove: all(remove),
        }
    }

    #[rstest]
    #[case::new(labels(&["bug"], &[]), false, labels(&[], &["bug"]))]
    #[case::there(labels(&["OPS"], &[]), true, labels(&[], &[]))]
    #[case::taken_off(labels(&[], &["ops"]), false, labels(&["Ops"], &[]))]
    #[case::was_not_there(labels(&[], &["bug"]), true, labels(&[], &[]))]
    #[case::both(labels(&["bug", "ops"], &["ops", "p1"]), false, labels(&["Ops"], &["bug"]))]
    fn labels_hold_in_any_case(
        #[case] change: LabelChange,
        #[case] holds: bool,
        #[case] back: LabelChange,
    ) {
        let task = Task {
            labels: vec!["Ops".to_owned()],
            ..task(TaskKey::github(1001, 7), &[])
        };
        let change = TaskChange::Labels(change);
        assert_eq!(change.holds_in(&task), holds);
        assert_eq!(change.back_to(&task), TaskChange::Labels(back));
    }

    #[rstest]
    #[case::another("Task", false)]
    #[case::in_any_case("bug", true)]
    fn a_type_holds_in_any_case(#[case] wanted: &str, #[case] holds: bool) {
        let task = Task {
            task_type: Some("Bug".to_owned()),
            ..task(TaskKey::github(1001, 7), &[])
        };
        let change = TaskChange::Type(Some(wanted.to_owned()));
        assert_eq!(change.holds_in(&task), holds);
        assert_eq!(
            change.back_to(&task),
            TaskChange::Type(Some("Bug".to_owned()))
        );
        assert!(!TaskChange::Type(None).holds_in(&task));
        let plain = Task {
            task_type: None,
            ..task
        };
        assert!(TaskChange::Type(None).holds_in(&plain) && !change.holds_in(&plain));
    }

    #[test]
    fn what_an_interrupted_attempt_has_made_is_put_back_too() {
        let change = TaskChange::Labels(labels(&["bug", "urgent"], &["ops", "p1"]));
        let mut task = task(TaskKey::github(1001, 7), &[]);
        task.labels = vec!["ops".to_owned(), "p1".to_owned()];
        let earlier = change.back_to(&task);
        task.labels = vec!["p1".to_owned(), "bug".to_owned()];
        let back = change.back_to(&task).with_earlier(Some(earlier));
        assert_eq!(
            back,
            TaskChange::Labels(labels(&["p1", "ops"], &["urgent", "bug"]))
        );
        let back = change.back_to(&task);
        assert_eq!(back.clone().with_earlier(None), back);
    }

    fn priority_labels(add: &[&str], remove: &[&str]) -> TaskChange {
        TaskChange::PriorityLabels(labels(add, remove))
    }

    #[test]
    fn priority_labels_are_as_left_only_if_each_of_them_is() {
        let mut task = task(TaskKey::github(1001, 7), &[]);
        task.labels = vec!["ops".to_owned(), "critical".to_owned()];
        let back = priority_labels(&["critical"], &["P0", "P1"]);
        assert!(back.holds_in(&task));
        task.labels = vec!["ops".to_owned(), "P1".to_owned()];
        let change = TaskChange::Priority(Some(Priority::High));
        let left = change.as_left(&back, &task);
        assert_eq!(left, priority_labels(&["P1"], &["critical", "P0"]));
        assert!(left.holds_in(&task) && !back.holds_in(&task));
        // Another label of the task is no difference, another priority label is.
        task.labels.push("bug".to_owned());
        assert!(left.holds_in(&task));
        task.labels.push("P0".to_owned());
        assert!(!left.holds_in(&task) && !back.holds_in(&task));
        // A source without priority labels is compared by its priority.
        let back = TaskChange::Priority(Some(Priority::Low));
        assert_eq!(change.as_left(&back, &task), change);
    }

    #[test]
    fn priority_labels_that_an_interrupted_attempt_took_off_are_put_back() {
        let earlier = priority_labels(&["critical"], &["P0", "P1"]);
        let now = priority_labels(&[], &["P0", "critical", "P1"]);
        assert_eq!(now.with_earlier(Some(earlier.clone())), earlier);
        // Another person has put one on since.
        let now = priority_labels(&["P0"], &["critical", "P1"]);
        assert_eq!(
            now.with_earlier(Some(earlier)),
            priority_labels(&["P0", "critical"], &["P1"])
        );
    }

    #[test]
    fn the_stored_form_of_a_priority_stays_readable() {
        let stored = r#"{"priority":"high"}"#;
        let read: TaskChange = serde_json::from_str(stored).unwrap();
        assert_eq!(read, TaskChange::Priority(Some(Priority::High)));
        let stored = r#"{"priority_labels":{"add":["P0"],"remove":[]}}"#;
        let read: TaskChange = serde_json::from_str(stored).unwrap();
        assert_eq!(read, priority_labels(&["P0"], &[]));
    }

    #[test]
    fn a_day_is_put_back_as_a_day() {
        let day = |day| NaiveDate::from_ymd_opt(2026, 12, day).unwrap();
        let mut task = task(TaskKey::clickup("86a"), &[]);
        task.due = Some(DueDate {
            at: "2026-12-01T03:00:00Z".parse().unwrap(),
            day: Some(day(1)),
        });
        assert!(TaskChange::DueOn(day(1)).holds_in(&task));
        assert!(!TaskChange::DueOn(day(2)).holds_in(&task));
        for change in [TaskChange::DueOn(day(2)), TaskChange::Due(None)] {
            assert_eq!(change.back_to(&task), TaskChange::DueOn(day(1)));
        }
        // The same time, but not as a whole day.
        task.due = task.due.map(|due| DueDate::at(due.at));
        assert!(!TaskChange::DueOn(day(1)).holds_in(&task));
        let back = TaskChange::DueOn(day(2)).back_to(&task);
        assert_eq!(back, TaskChange::Due(task.due.map(|due| due.at)));
    }

    #[test]
    fn github_knows_people_by_their_login_in_any_case() {
        let task = task(TaskKey::github(1001, 7), &[("12", "Bo")]);
        assert!(assign(&["bo"], &["12"]).holds_in(&task));
    }
}
