//! Reports about tasks from deliveries and polls, in our own types, and their consequences.
//!
//! Sources translate payloads and listings into [`SourceEvent`]s; the inbox and the reconciler apply them all the same
//! way (`inbox.rs`). The source's own clock decides, never the order of arrival (P4).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::mention_text::MentionText;
use super::task::{Account, RepoName, Task, TaskKey, TaskStatus};

/// One report of a delivery or a poll.
#[expect(
    clippy::large_enum_variant,
    reason = "a handful at a time, each used up at once"
)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceEvent {
    /// The task's state at its `updated_at`, except for the fields that the payload lacks.
    Seen {
        /// The task as reported.
        task: Task,
        /// Actions that the payload reports.
        acts: Vec<Activity>,
        /// The parts that the payload lacks and the source may have.
        lacks: MissingParts,
    },
    /// Something happened to the task and the payload says too little: read it (docs/contracts/clickup.md#repeated-deliveries).
    Look {
        /// The task to read.
        key: TaskKey,
        /// Reported actions on it.
        acts: Vec<Activity>,
    },
    /// It has another key now, perhaps in a place that is not followed (docs/contracts/github.md#names-that-change).
    Moved {
        /// The former key.
        key: TaskKey,
        /// The new key; `None` if the source does not report it.
        to: Option<TaskKey>,
        /// Reported actions on it.
        acts: Vec<Activity>,
    },
    /// A repository was renamed; its id, and so every key, stays.
    Renamed {
        /// GitHub's repository id, as text.
        container: String,
        /// The new name.
        name: RepoName,
    },
}

/// An action on a task, as the source reports it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// The actor; `None` if only a poll has seen the action.
    pub by: Option<Actor>,
    /// The source's own clock.
    pub at: DateTime<Utc>,
    /// The kind, with its details.
    pub what: ActivityKind,
}

/// The account that acted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The id and name at the source.
    pub account: Account,
    /// A GitHub `Bot`, or the account that Ivan writes with.
    pub bot: bool,
    /// The account that Ivan writes with: it may be our own write.
    pub us: bool,
    /// Somebody who is no collaborator of the repository: anyone may comment in a public one.
    #[serde(default)]
    pub outside: bool,
}

/// The kind of action. Only kinds that people are notified of are distinguished; the rest is in the task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "what")]
pub enum ActivityKind {
    /// The task was finished.
    Completed,
    /// The task was opened again.
    Reopened,
    /// An assignee was added.
    Assigned {
        /// The new assignee.
        to: Account,
    },
    /// An assignee was removed.
    Unassigned {
        /// The former assignee.
        from: Account,
    },
    /// `operation` is from our own marker at the end of the text, which `text` leaves out.
    Commented {
        /// The comment's id at the source.
        id: String,
        /// The text without our marker.
        text: MentionText,
        /// The ULID of our operation; `None` for a comment without a marker.
        operation: Option<String>,
    },
    /// The task was deleted.
    Deleted,
    /// A change of another important field. The old and new values are in the tasks.
    Changed {
        /// The changed field.
        field: TaskField,
    },
}

/// The important fields of a task besides its assignees and its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskField {
    /// The title; any difference counts.
    Title,
    /// The due time; a day instead of the same time is no difference.
    Due,
    /// The priority; in GitHub only together with a change of labels.
    Priority,
}

impl TaskField {
    const ALL: [TaskField; 3] = [TaskField::Title, TaskField::Due, TaskField::Priority];

    fn differs(self, before: &Task, after: &Task) -> bool {
        match self {
            TaskField::Title => before.title != after.title,
            // The same time may later turn out to mean a whole day.
            TaskField::Due => before.due.map(|due| due.at) != after.due.map(|due| due.at),
            // A label is a priority by our configuration, which may have changed instead of the task.
            TaskField::Priority => {
                let by_labels = after.key.source().profile().priority_labels;
                before.priority != after.priority && (!by_labels || before.labels != after.labels)
            }
        }
    }
}

/// The parts of a task that a payload lacks and its source may have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MissingParts {
    /// The dependencies on other tasks that are not in its text.
    pub dependencies: bool,
    /// The fields for its priority and its due day.
    pub fields: bool,
    /// Its type.
    pub types: bool,
}

impl MissingParts {
    /// Whether the stored task has data that this report lacks.
    pub fn hides(self, kept: &Task, told: &Task) -> bool {
        let linked = || kept.links.iter().any(|link| !told.links.contains(link));
        let set = || {
            (kept.due.is_some() && told.due.is_none())
                || (kept.priority.is_some() && told.priority.is_none())
        };
        // Only an issue that has a parent has a field for it.
        let is_part = || kept.parent.is_some() && told.parent.is_none();
        let is_typed = || kept.task_type.is_some() && told.task_type.is_none();
        (self.dependencies && linked())
            || (self.fields && set())
            || (self.types && is_typed())
            || is_part()
    }
}

/// The actions that people are notified of, from the difference between the stored task and the new one.
///
/// `before` is `None` for a new task. A reported action outranks one inferred from the difference, because it names its
/// actor. An action without a trace in the task (since undone, or old) is left out.
pub fn acts(before: Option<&Task>, after: &Task, told: Vec<Activity>) -> Vec<Activity> {
    let mut acts = Vec::new();
    let Some(before) = before else {
        // Comments on a new task are reported, its history is not.
        acts.extend(
            told.into_iter()
                .filter(|act| matches!(act.what, ActivityKind::Commented { .. })),
        );
        return acts;
    };
    let by = |wanted: &dyn Fn(&ActivityKind) -> bool| {
        told.iter().rev().find(|act| wanted(&act.what)).cloned()
    };
    let was_done = before.status == TaskStatus::Done;
    let is_done = after.status == TaskStatus::Done;
    if is_done && !was_done {
        let at = after.closed.as_ref().and_then(|closed| closed.at);
        let closed_by = after.closed.as_ref().and_then(|closed| {
            closed.by.clone().map(|account| Actor {
                account,
                bot: false,
                us: closed.by_us == Some(true),
                outside: false,
            })
        });
        acts.push(
            by(&|what| matches!(what, ActivityKind::Completed)).unwrap_or(Activity {
                by: closed_by,
                at: at.unwrap_or(after.updated_at),
                what: ActivityKind::Completed,
            }),
        );
    }
    if was_done && !is_done {
        acts.push(
            by(&|what| matches!(what, ActivityKind::Reopened)).unwrap_or(Activity {
                by: None,
                at: after.updated_at,
                what: ActivityKind::Reopened,
            }),
        );
    }
    // Reassigning a task sends one event for each of the two people, and either shows both changes.
    let reassigned = by(&|what| {
        matches!(
            what,
            ActivityKind::Assigned { .. } | ActivityKind::Unassigned { .. }
        )
    });
    let assignment = |what: ActivityKind| {
        by(&|told| *told == what).unwrap_or(Activity {
            by: reassigned.as_ref().and_then(|act| act.by.clone()),
            at: after.updated_at,
            what,
        })
    };
    let is_new = |account: &&Account| !before.assignees.contains(account);
    let has_left = |account: &&Account| !after.assignees.contains(account);
    acts.extend(after.assignees.iter().filter(is_new).map(|account| {
        assignment(ActivityKind::Assigned {
            to: account.clone(),
        })
    }));
    acts.extend(before.assignees.iter().filter(has_left).map(|account| {
        assignment(ActivityKind::Unassigned {
            from: account.clone(),
        })
    }));
    for field in TaskField::ALL {
        let what = ActivityKind::Changed { field };
        if field.differs(before, after) {
            acts.push(by(&|told| *told == what).unwrap_or(Activity {
                by: None,
                at: after.updated_at,
                what,
            }));
        }
    }
    acts.extend(
        told.into_iter()
            .filter(|act| matches!(act.what, ActivityKind::Commented { .. })),
    );
    acts
}

#[cfg(test)]
mod tests {
    use super::super::task::{DueDate, Priority, TaskId};
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    fn task(key: TaskKey) -> Task {
        Task {
            key,
            id: TaskId::clickup("86a").unwrap(),
            container: String::new(),
            title: "Renew cert".into(),
            description: String::new(),
            url: String::new(),
            status: TaskStatus::Todo,
            source_status: String::new(),
            assignees: Vec::new(),
            labels: vec!["P1".into()],
            entity: None,
            priority: Some(Priority::High),
            due: Some(DueDate::at(at(100))),
            created_at: at(1),
            updated_at: at(10),
            commented_at: None,
            closed: None,
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

    fn changed(field: TaskField, by: Option<&str>, second: i64) -> Activity {
        Activity {
            by: by.map(|name| Actor {
                account: Account {
                    id: name.into(),
                    name: name.into(),
                },
                bot: false,
                us: false,
                outside: false,
            }),
            at: at(second),
            what: ActivityKind::Changed { field },
        }
    }

    #[test]
    fn a_change_is_told_by_its_difference_and_dated_by_who_did_it() {
        let before = task(TaskKey::clickup("86a"));
        let after = Task {
            title: "Renew the cert".into(),
            due: None,
            updated_at: at(20),
            ..before.clone()
        };
        // A reported action without a trace is left out. A trace without a report is included, without an actor.
        let told = vec![
            changed(TaskField::Due, Some("Bo"), 15),
            changed(TaskField::Due, Some("Ana"), 18),
            changed(TaskField::Priority, Some("Bo"), 16),
        ];
        assert_eq!(
            acts(Some(&before), &after, told.clone()),
            [
                changed(TaskField::Title, None, 20),
                changed(TaskField::Due, Some("Ana"), 18)
            ]
        );
        assert_eq!(acts(Some(&after), &after, told.clone()), []);
        assert_eq!(acts(None, &after, told), []);
    }

    #[test]
    fn what_only_we_read_otherwise_nobody_has_changed() {
        let before = task(TaskKey::github(1001, 7));
        let mut after = before.clone();
        // github.priority_labels was changed, and not the issue; and the time turns out to mean a day.
        after.priority = Some(Priority::Urgent);
        after.due = after.due.map(|due| DueDate {
            day: Some(due.at.date_naive()),
            ..due
        });
        assert_eq!(acts(Some(&before), &after, vec![]), []);
        after.labels = vec!["P0".into()];
        assert_eq!(
            acts(Some(&before), &after, vec![]),
            [changed(TaskField::Priority, None, 10)]
        );
    }
}
