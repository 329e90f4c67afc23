//! Undoing an operation: its effect, and whether the source is still as it was left.
//!
//! The verb creates a `Write::Undo` for each operation to undo. The effect is looked up when its turn comes
//! ([`UndoTarget`]), after the operation in the same lane. As for every write, each source only translates.

use std::collections::BTreeSet;

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};

use super::change::TaskChange;
use super::mention_text::MentionText;
use super::profile::Profile;
use super::task::{Source, Task, TaskKey, TaskStatus};

/// The time limit for `undo`, from the outcome of the command that it takes back.
pub const UNDO_WITHIN: Duration = Duration::minutes(15);

/// The request to undo an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndoRequest {
    /// The operation to undo.
    pub operation: String,
    /// The kind of that operation.
    pub what: UndoKind,
    /// The source that it was sent to.
    pub source: Source,
    /// `None` for a task whose creation is still under way.
    pub task: Option<TaskKey>,
    /// The task's title, for a task that is not in the mirror yet.
    pub title: String,
    /// The names of the files that came with a comment and were copied to the task. The copies stay there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub copies: Vec<String>,
    /// The task that becomes the person's current one when a creation is undone, which nearly repeats it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead: Option<TaskKey>,
}

/// The kind of operation to undo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UndoKind {
    /// `done`: the task was completed.
    Completion,
    /// `comment`: a comment was added.
    Comment,
    /// `create`: a task was created.
    Creation,
    /// `start`: the task was put in progress.
    Start,
    /// `reopen`: a finished task was opened again.
    Reopening,
    /// `assign`, `claim`, `due`, `prio`, `label`, `milestone`, `type` or `pause`: a property was changed.
    Change,
}

/// The result of the operation to undo, as known when the undo's turn comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UndoTarget {
    /// It had this effect.
    Effect(Effect),
    /// It was taken back before it was sent.
    NotSent,
    /// It had no effect, and why.
    Nothing(&'static str),
}

/// The effect of an operation in its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// A task was finished.
    Completed {
        /// The source's status before, in its own word; `None` if it is not known.
        before: Option<String>,
        /// The source's status right after, in its own word.
        left: String,
        /// The time of the completion at the source; `None` if the source reports none.
        at: Option<DateTime<Utc>>,
    },
    /// A finished task was opened again.
    Reopened {
        /// The source's status before, in its own word; `None` if it is not known.
        before: Option<String>,
        /// The source's status right after, in its own word.
        left: String,
    },
    /// A task was put in progress.
    Started {
        /// The source's status before, in its own word; `None` if it is not known.
        before: Option<String>,
        /// The source's status right after, in its own word.
        left: String,
    },
    /// A comment was added.
    Commented {
        /// The source's id of it, as text.
        id: String,
        /// Its text with the mentions and the signature, without a marker.
        text: MentionText,
        /// The operation in its marker.
        operation: String,
        /// The earliest time at which it can have been written.
        since: DateTime<Utc>,
    },
    /// A task was created.
    Created {
        /// The task right after its creation.
        left: Box<Task>,
        /// The parts of the creation that this task does not show.
        own: OwnCreation,
    },
    /// A property of a task was changed.
    Changed {
        /// The change that was made.
        left: TaskChange,
        /// The change that restores the earlier state.
        back: TaskChange,
    },
}

/// The parts of a creation of ours that no [`Task`] shows. They are no changes by others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnCreation {
    /// The whole description as it was sent, without a marker. A task has its first few thousand characters.
    pub description: String,
    /// The operation that created the task, which its marker names.
    pub operation: String,
    /// The source's ids of the files that we attached since.
    pub uploads: BTreeSet<String>,
}

/// The current state of an effect at its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EffectState {
    /// The effect stands, as Ivan left it.
    AsLeft,
    /// It is gone: undone already, by us or by another actor.
    Gone,
    /// It was changed: the difference, as the end of a sentence about it.
    Changed(String),
}

impl Effect {
    /// Whether its reversal takes several requests, so that an interrupted attempt may have sent some of them.
    pub(super) fn has_parts(&self) -> bool {
        matches!(
            self,
            Effect::Changed {
                left: TaskChange::Labels(_) | TaskChange::PriorityLabels(_),
                ..
            }
        )
    }

    /// The state as far as the task itself shows it.
    pub(super) fn stands(&self, now: &Task) -> EffectState {
        let is_now = || EffectState::Changed(format!("it is now {}", now.source_status));
        match self {
            Effect::Completed { left, at, .. } => {
                let closed = now.closed.as_ref();
                let again = at.is_some() && closed.and_then(|closed| closed.at) != *at
                    || closed.and_then(|closed| closed.by_us) == Some(false);
                match now.status {
                    TaskStatus::Done if !same(left, &now.source_status) => is_now(),
                    TaskStatus::Done if again => {
                        let by = closed.and_then(|closed| closed.by.as_ref());
                        EffectState::Changed(match by {
                            Some(by) => format!("{} completed it again", by.name),
                            None => "it was completed again".to_owned(),
                        })
                    }
                    TaskStatus::Done => EffectState::AsLeft,
                    TaskStatus::Todo | TaskStatus::InProgress => EffectState::Gone,
                }
            }
            Effect::Reopened { left, .. } => match now.status {
                TaskStatus::Done => EffectState::Gone,
                _ if same(left, &now.source_status) => EffectState::AsLeft,
                _ => is_now(),
            },
            Effect::Started { before, left } => match now.status {
                TaskStatus::InProgress if same(left, &now.source_status) => EffectState::AsLeft,
                TaskStatus::Todo | TaskStatus::InProgress
                    if before
                        .as_ref()
                        .is_none_or(|before| same(before, &now.source_status)) =>
                {
                    EffectState::Gone
                }
                _ => is_now(),
            },
            Effect::Commented { .. } => EffectState::AsLeft,
            Effect::Changed { left, .. } if left.holds_in(now) => EffectState::AsLeft,
            Effect::Changed { back, .. } if back.holds_in(now) => EffectState::Gone,
            Effect::Changed { left, .. } => EffectState::Changed(left.difference(now.key.source())),
            Effect::Created { left, .. } => match difference(left, now) {
                // The task that is to be closed was closed by another actor.
                _ if now.status == TaskStatus::Done && !profile(now).deletes_tasks => {
                    EffectState::Gone
                }
                None => EffectState::AsLeft,
                Some(difference) => EffectState::Changed(difference),
            },
        }
    }
}

fn profile(task: &Task) -> &'static Profile {
    task.key.source().profile()
}

/// The changes that others made to a task since we created it.
fn difference(left: &Task, now: &Task) -> Option<String> {
    let said = |words: &str| Some(words.to_owned());
    if left.title != now.title {
        said("its title changed")
    } else if left.description != now.description {
        said("its description changed")
    } else if home(left) != home(now) {
        // Another list has other statuses, so this comes before them.
        Some(format!("it was moved to another {}", profile(now).home))
    } else if has_another_parent(left, now) {
        said("its parent changed")
    } else if !same(&left.source_status, &now.source_status) {
        Some(format!("it is now {}", now.source_status))
    } else if left.assignees != now.assignees {
        said("its assignees changed")
    } else if left.labels != now.labels {
        Some(format!("its {} changed", profile(now).labels))
    } else if left.milestone != now.milestone {
        said("its milestone changed")
    } else if left.task_type != now.task_type {
        said("its type changed")
    } else if left.due.map(|due| due.at) != now.due.map(|due| due.at) {
        said("its due date changed")
    } else if left.priority != now.priority {
        said("its priority changed")
    } else if now.links.iter().any(|link| !left.links.contains(link)) {
        // A creation makes none. A removed one was added by others before.
        said("its dependencies changed")
    } else {
        None
    }
}

/// The place that a task lives in. Its container may be another one that it was added to.
fn home(task: &Task) -> &str {
    task.home.as_ref().unwrap_or(&task.container)
}

/// Whether a task was put under another one, or taken out from under its parent.
fn has_another_parent(left: &Task, now: &Task) -> bool {
    match &now.parent {
        Some(_) => left.parent != now.parent,
        // An issue may lack its parent: it is in another repository, or the server is older.
        None => left.parent.is_some() && profile(now).deletes_tasks,
    }
}

fn same(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::task::{Account, Closed, Direction, RelatedTask, Relation, TaskId};
    use rstest::rstest;

    fn at(second: i64) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp(second, 0)
    }

    fn issue(status: TaskStatus, word: &str) -> Task {
        Task {
            key: TaskKey::github(1001, 7),
            id: TaskId::parse("github:acme/widgets#7").unwrap(),
            container: "1001".into(),
            title: "Login fails".into(),
            description: String::new(),
            url: String::new(),
            status,
            source_status: word.into(),
            assignees: Vec::new(),
            labels: Vec::new(),
            entity: None,
            priority: None,
            due: None,
            created_at: at(0).unwrap(),
            updated_at: at(0).unwrap(),
            closed: None,
            reopened: false,
            commented_at: None,
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

    fn task(status: TaskStatus, word: &str) -> Task {
        Task {
            key: TaskKey::clickup("86a"),
            ..issue(status, word)
        }
    }

    fn done(second: i64, by_us: Option<bool>) -> Task {
        Task {
            closed: Some(Closed {
                by: Some(Account {
                    id: "32".into(),
                    name: "bo".into(),
                }),
                at: at(second),
                by_us,
                reason: None,
            }),
            ..task(TaskStatus::Done, "Complete")
        }
    }

    fn completed() -> Effect {
        Effect::Completed {
            before: Some("in review".into()),
            left: "complete".into(),
            at: at(10),
        }
    }

    fn started() -> Effect {
        Effect::Started {
            before: Some("to do".into()),
            left: "in review".into(),
        }
    }

    fn labelled() -> Effect {
        Effect::Started {
            before: Some("open".into()),
            left: "open".into(),
        }
    }

    fn reopened() -> Effect {
        Effect::Reopened {
            before: Some("complete".into()),
            left: "to do".into(),
        }
    }

    fn created(left: Task) -> Effect {
        Effect::Created {
            left: Box::new(left),
            own: OwnCreation {
                description: String::new(),
                operation: "01J00000000000000000000001".into(),
                uploads: BTreeSet::new(),
            },
        }
    }

    fn new_task() -> Task {
        task(TaskStatus::Todo, "to do")
    }

    fn new_issue() -> Task {
        issue(TaskStatus::Todo, "open")
    }

    fn waits_for(task: Task, other: TaskKey) -> Task {
        let link = Relation {
            way: Direction::BlockedBy,
            to: RelatedTask::Task(other),
        };
        Task {
            links: vec![link],
            ..task
        }
    }

    fn part_of(task: Task, parent: TaskKey) -> Task {
        Task {
            parent: Some(parent),
            ..task
        }
    }

    fn changed(how: &str) -> EffectState {
        EffectState::Changed(how.into())
    }

    #[rstest]
    #[case::done(completed(), done(10, None), EffectState::AsLeft)]
    #[case::done_by_us(completed(), done(10, Some(true)), EffectState::AsLeft)]
    #[case::done_anew(completed(), done(11, None), changed("bo completed it again"))]
    #[case::done_by_another(completed(), done(10, Some(false)), changed("bo completed it again"))]
    #[case::done_otherwise(
        completed(),
        Task { source_status: "shipped".into(), ..done(10, None) },
        changed("it is now shipped")
    )]
    #[case::open_again(completed(), task(TaskStatus::Todo, "to do"), EffectState::Gone)]
    #[case::started(
        started(),
        task(TaskStatus::InProgress, "In Review"),
        EffectState::AsLeft
    )]
    #[case::stopped(started(), task(TaskStatus::Todo, "to do"), EffectState::Gone)]
    #[case::moved_on(
        started(),
        task(TaskStatus::InProgress, "testing"),
        changed("it is now testing")
    )]
    #[case::started_and_done(
        started(),
        task(TaskStatus::Done, "complete"),
        changed("it is now complete")
    )]
    #[case::labelled(labelled(), issue(TaskStatus::InProgress, "open"), EffectState::AsLeft)]
    #[case::label_removed(labelled(), issue(TaskStatus::Todo, "open"), EffectState::Gone)]
    #[case::labelled_and_closed(
        labelled(),
        issue(TaskStatus::Done, "closed"),
        changed("it is now closed")
    )]
    #[case::reopened(reopened(), task(TaskStatus::Todo, "to do"), EffectState::AsLeft)]
    #[case::reopened_and_started(
        reopened(),
        task(TaskStatus::InProgress, "in review"),
        changed("it is now in review")
    )]
    #[case::done_again(reopened(), task(TaskStatus::Done, "complete"), EffectState::Gone)]
    #[case::created(
        created(issue(TaskStatus::Todo, "open")),
        issue(TaskStatus::Todo, "open"),
        EffectState::AsLeft
    )]
    #[case::created_and_closed(
        created(issue(TaskStatus::Todo, "open")),
        issue(TaskStatus::Done, "closed"),
        EffectState::Gone
    )]
    #[case::created_and_done(
        created(task(TaskStatus::Todo, "to do")),
        task(TaskStatus::Done, "complete"),
        changed("it is now complete")
    )]
    #[case::created_and_renamed(
        created(task(TaskStatus::Todo, "to do")),
        Task { title: "Login works".into(), ..task(TaskStatus::Todo, "to do") },
        changed("its title changed")
    )]
    #[case::created_and_tagged(
        created(task(TaskStatus::Todo, "to do")),
        Task { labels: vec!["ops".into()], ..task(TaskStatus::Todo, "to do") },
        changed("its tags changed")
    )]
    #[case::created_and_moved(
        created(new_task()),
        Task { container: "1002".into(), ..task(TaskStatus::Todo, "open") },
        changed("it was moved to another list")
    )]
    #[case::created_moved_away_and_added_to_its_list(
        created(new_task()),
        Task { home: Some("1002".into()), ..new_task() },
        changed("it was moved to another list")
    )]
    #[case::created_and_its_list_is_archived(
        created(new_task()),
        Task { container: "1002".into(), home: Some("1001".into()), ..new_task() },
        EffectState::AsLeft
    )]
    #[case::created_under_another(
        created(part_of(new_task(), TaskKey::clickup("86p"))),
        part_of(new_task(), TaskKey::clickup("86p")),
        EffectState::AsLeft
    )]
    #[case::created_and_put_under_another(
        created(new_task()),
        part_of(new_task(), TaskKey::clickup("86p")),
        changed("its parent changed")
    )]
    #[case::created_under_another_and_taken_out(
        created(part_of(new_task(), TaskKey::clickup("86p"))),
        new_task(),
        changed("its parent changed")
    )]
    #[case::an_issue_under_another(
        created(part_of(new_issue(), TaskKey::github(1001, 3))),
        part_of(new_issue(), TaskKey::github(1001, 4)),
        changed("its parent changed")
    )]
    #[case::an_issue_without_its_parent(
        created(part_of(new_issue(), TaskKey::github(1001, 3))),
        new_issue(),
        EffectState::AsLeft
    )]
    #[case::created_with_a_link(
        created(waits_for(new_issue(), TaskKey::github(1001, 3))),
        waits_for(new_issue(), TaskKey::github(1001, 3)),
        EffectState::AsLeft
    )]
    #[case::created_and_linked(
        created(new_task()),
        waits_for(new_task(), TaskKey::clickup("86b")),
        changed("its dependencies changed")
    )]
    #[case::found_with_a_link_that_is_gone(
        created(waits_for(new_task(), TaskKey::clickup("86b"))),
        new_task(),
        EffectState::AsLeft
    )]
    fn stands(#[case] effect: Effect, #[case] now: Task, #[case] expected: EffectState) {
        assert_eq!(effect.stands(&now), expected);
    }
}
