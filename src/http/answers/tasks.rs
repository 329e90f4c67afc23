//! Tasks, lists of them, and the briefing.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::NextTask;
use crate::commands::{EmptyList, Explained, FoundView, MorningView, QueueView, Scored};
use crate::domain::queue::{EmptyQueue, FirstRead};
use crate::domain::reply::{self, Text};
use crate::domain::task::{Priority, Source, Task, TaskId, TaskStatus};

/// A task; all null is no task.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
#[schema(as = Task)]
pub struct TaskJson {
    task_id: Option<TaskId>,
    source: Option<Source>,
    /// ClickUp's task id; GitHub's issue number.
    source_id: Option<String>,
    title: Option<String>,
    status: Option<TaskStatus>,
    #[schema(format = "uri")]
    url: Option<String>,
    assignees: Option<Vec<String>>,
    /// GitHub's labels or ClickUp's tags, in the source's spelling.
    labels: Option<Vec<String>>,
    /// The title of its milestone in GitHub; null without one.
    milestone: Option<String>,
    /// The name of its issue type in GitHub, or of its task type in ClickUp; null without one.
    #[serde(rename = "type")]
    task_type: Option<String>,
    /// Its sub-issues in GitHub, or its subtasks in ClickUp; null without any.
    children: Option<ChildrenAnswer>,
    due: Option<DateTime<Utc>>,
    /// The due day, for a task without a due time. It is the same day in every time zone. ClickUp stores it as 04:00 in
    /// the setter's zone, which is the value of `due`.
    due_day: Option<NaiveDate>,
    priority: Option<Priority>,
    entity: Option<String>,
    score: Option<i64>,
    updated_at: Option<DateTime<Utc>>,
    last_activity: Option<DateTime<Utc>>,
    /// Present only for a single requested task, while the person has snoozed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = DateTime<Utc>)]
    snoozed_until: Option<DateTime<Utc>>,
}

/// The number of a task's parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Children)]
pub struct ChildrenAnswer {
    /// Those that are not finished.
    open: usize,
    /// All of them.
    all: usize,
}

impl TaskJson {
    pub(in crate::http) fn of(scored: &Scored) -> TaskJson {
        let task = &scored.task;
        TaskJson {
            task_id: Some(task.id.clone()),
            source: Some(task.key.source()),
            source_id: Some(source_id(task)),
            title: Some(task.title.clone()),
            status: Some(task.status),
            url: Some(task.url.clone()),
            assignees: Some(task.assignees.iter().map(|a| a.name.clone()).collect()),
            labels: Some(task.labels.clone()),
            milestone: task.milestone.clone(),
            task_type: task.task_type.clone(),
            children: task.children.map(|children| ChildrenAnswer {
                open: children.open,
                all: children.all,
            }),
            due: task.due.map(|due| due.at),
            due_day: task.due.and_then(|due| due.day),
            priority: task.priority,
            entity: task.entity.clone(),
            score: Some(scored.score),
            updated_at: Some(task.updated_at),
            last_activity: Some(task.last_activity()),
            snoozed_until: scored.snoozed_until,
        }
    }
}

fn source_id(task: &Task) -> String {
    match task.key.github_parts() {
        Some((_, number)) => number.to_string(),
        None => task.key.as_str().to_owned(),
    }
}

/// A page of tasks.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TaskPage)]
pub struct TaskPageAnswer {
    /// At most `limit` tasks, in a fixed order.
    pub tasks: Vec<TaskJson>,
    /// The `cursor` of the next page; null on the last page.
    pub next_cursor: Option<String>,
}

/// A task with the reasons for its place in the queue.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
#[schema(as = ShownTask)]
pub struct RankedTask {
    #[serde(flatten)]
    task: TaskJson,
    /// The source's own word for `status`.
    source_status: Option<String>,
    /// Each part of `score`; they add up to it.
    reasons: Option<Vec<ReasonAnswer>>,
}

/// A reason and its points.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Reason)]
pub struct ReasonAnswer {
    reason: String,
    points: i64,
}

fn reasons(points: &[(String, i64)]) -> Vec<ReasonAnswer> {
    let reason = |(reason, points): &(String, i64)| ReasonAnswer {
        reason: reason.clone(),
        points: *points,
    };
    points.iter().map(reason).collect()
}

impl RankedTask {
    pub(in crate::http) fn of(scored: &Scored) -> RankedTask {
        RankedTask {
            task: TaskJson::of(scored),
            source_status: Some(scored.task.source_status.clone()),
            reasons: Some(reasons(&scored.reasons)),
        }
    }
}

/// A task of a list.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct NumberedTask {
    /// The number for a `ref` until the queue is shown again.
    #[schema(minimum = 1)]
    number: usize,
    #[serde(flatten)]
    task: RankedTask,
    /// Why the queue leaves it out. Present only if `filter` asks for such tasks.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String)]
    hidden: Option<String>,
}

fn numbered(tasks: &[Scored]) -> Vec<NumberedTask> {
    let numbered = |(scored, number): (&Scored, usize)| NumberedTask {
        number,
        task: RankedTask::of(scored),
        hidden: scored.hidden.clone(),
    };
    tasks.iter().zip(1..).map(numbered).collect()
}

/// The current task. All fields are null without one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
#[schema(as = CurrentTask)]
pub struct CurrentJson {
    #[serde(flatten)]
    task: RankedTask,
    /// Why there is none, unless there is simply nothing to do: the sources were not read yet; no account of the person
    /// is known; all of their tasks are blocked, snoozed, or one of the two; none is assigned to the known accounts.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = EmptyQueue)]
    reason: Option<&'static str>,
    /// The same as a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String)]
    message: Option<String>,
    /// With `not_read`: how far the first read is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    reading: Vec<ReadingAnswer>,
}

/// How far the first read of a source is.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = FirstRead)]
pub struct ReadingAnswer {
    source: Source,
    /// The tasks read so far, counted up to 50,000.
    tasks: usize,
}

fn reading(why: &EmptyQueue) -> Vec<ReadingAnswer> {
    let answer = |read: &FirstRead| ReadingAnswer {
        source: read.source,
        tasks: read.tasks,
    };
    why.reading().iter().map(answer).collect()
}

impl CurrentJson {
    pub(in crate::http) fn of(current: &Scored) -> CurrentJson {
        CurrentJson {
            task: RankedTask::of(current),
            ..CurrentJson::default()
        }
    }

    pub(in crate::http) fn without(why: &EmptyQueue) -> CurrentJson {
        let added = !why.is_plain();
        CurrentJson {
            task: RankedTask::default(),
            reason: added.then(|| why.word()),
            message: added.then(|| reply::empty(why).plain()),
            reading: reading(why),
        }
    }
}

/// The first tasks of the queue.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Queue)]
pub struct QueueAnswer {
    tasks: Vec<NumberedTask>,
    /// The total number, with those that `limit` leaves out.
    total: usize,
    /// Why it is empty, as in `GET /current`; `no_match`: no task matches `filter`. Null if it is not empty.
    #[schema(value_type = Option<EmptyList>)]
    reason: Option<&'static str>,
    /// The same as a sentence, unless there simply is nothing to do.
    message: Option<String>,
    /// With `not_read`: how far the first read is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    reading: Vec<ReadingAnswer>,
}

impl From<&QueueView> for QueueAnswer {
    fn from(listed: &QueueView) -> QueueAnswer {
        let empty = listed.empty.as_ref();
        QueueAnswer {
            tasks: numbered(&listed.tasks),
            total: listed.total,
            reason: empty.map(EmptyList::word),
            message: empty.and_then(EmptyList::message).as_ref().map(Text::plain),
            reading: match empty {
                Some(EmptyList::Queue(why)) => reading(why),
                _ => Vec::new(),
            },
        }
    }
}

/// The best matches of a search.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Found)]
pub struct FoundAnswer {
    /// Finished ones too.
    tasks: Vec<NumberedTask>,
    /// The number of matches, with those that `limit` leaves out; counted up to 300.
    total: usize,
    /// What was searched, or that nothing matches.
    message: String,
}

impl From<&FoundView> for FoundAnswer {
    fn from(found: &FoundView) -> FoundAnswer {
        FoundAnswer {
            tasks: numbered(&found.tasks),
            total: found.total,
            message: found.message.plain(),
        }
    }
}

/// The explanation of a task's place in the queue.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Why)]
pub struct WhyAnswer {
    /// The same as text.
    message: String,
    /// Null: the queue is empty.
    task: Option<RankedTask>,
    /// They add up to the task's score.
    points: Vec<ReasonAnswer>,
    /// Null: it is not in the queue.
    #[schema(minimum = 1)]
    place: Option<usize>,
    /// The number of tasks in the queue.
    of: usize,
    /// Why it is not in the queue.
    hidden: Option<String>,
}

impl From<Explained> for WhyAnswer {
    fn from(explained: Explained) -> WhyAnswer {
        WhyAnswer {
            message: explained.message.plain(),
            task: explained.task.as_ref().map(RankedTask::of),
            points: reasons(&explained.points),
            place: explained.place,
            of: explained.of,
            hidden: explained.hidden,
        }
    }
}

/// The briefing.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Briefing)]
pub struct BriefingAnswer {
    /// The same as text.
    message: String,
    /// The number of tasks in the queue.
    open: usize,
    /// The first tasks of the queue.
    top: Vec<NumberedTask>,
    /// The current task, if it is none of those.
    current: Option<NextTask>,
    overdue: Vec<NextTask>,
    due_today: Vec<NextTask>,
    /// People who wait for a task of theirs.
    waiting: Vec<WaitingAnswer>,
    /// Their requests without an outcome, and why.
    queued: Vec<String>,
    /// The number of all those requests.
    queued_count: usize,
    /// Sources that cannot be read, and why.
    troubles: Vec<String>,
}

/// A person who waits for a task to be finished.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Waiting)]
pub struct WaitingAnswer {
    who: String,
    task: NextTask,
}

impl From<&MorningView> for BriefingAnswer {
    fn from(view: &MorningView) -> BriefingAnswer {
        let morning = &view.morning;
        let tasks = |tasks: &[Task]| tasks.iter().map(NextTask::from).collect();
        let plain = |words: &[Text]| words.iter().map(Text::plain).collect();
        let waits = morning.waits.iter().map(|waits| WaitingAnswer {
            who: waits.who.clone(),
            task: NextTask::from(&waits.task),
        });
        BriefingAnswer {
            message: view.message.plain(),
            open: morning.open,
            top: numbered(&view.top),
            current: morning.current.as_ref().map(NextTask::from),
            overdue: tasks(&morning.overdue),
            due_today: tasks(&morning.due_today),
            waiting: waits.collect(),
            queued: plain(&morning.queued),
            queued_count: morning.queued_count,
            troubles: plain(&morning.troubles),
        }
    }
}
