//! Open tasks in memory, in the order of each person's queue: its first task costs the same among ten and ten thousand.
//!
//! Only the writer's connection has them, because all changes pass through it: SQLite reports each row that a statement
//! changes, and those tasks are read again before the next use. After a rollback everything is read again. A person's
//! order is made when it is first needed. It holds until their day ends or a change of a task is no longer recent. The
//! waiting relations hold until a task that has a link or is named by one changes. Readers, and a store with more open
//! tasks than `TASKS_MAX`, read and sort all tasks instead.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use rusqlite::OptionalExtension;

use super::blocking::{self, Involved};
use super::db::Db;
use super::tasks::StoredTask;
use super::{operations, tasks};
use crate::domain::blocking::WaitGraph;
use crate::domain::ids::TaskRow;
use crate::domain::person::{Person, PersonId};
use crate::domain::score::{QueuePlace, Weights, day, recent_until, score};
use crate::domain::task::Task;

/// Open tasks that are kept in memory at most: some 70 MB.
const TASKS_MAX: usize = 100_000;
/// People whose order is kept at most.
const QUEUES_MAX: usize = 256;

/// The moment and the settings for which a queue is in order.
#[derive(Clone, Copy)]
pub struct Moment<'a> {
    /// UTC.
    pub now: DateTime<Utc>,
    /// The points.
    pub weights: &'a Weights,
    /// The waiting relations.
    pub waits: &'a Arc<WaitGraph>,
}

/// See the module.
#[derive(Default)]
pub(super) struct QueueCache {
    /// `None` until they are first needed, or if there are too many.
    tasks: Option<HashMap<TaskRow, Task>>,
    too_many: bool,
    /// The followed containers as they were when the tasks were read.
    containers: String,
    queues: HashMap<PersonId, Queue>,
    /// Tasks with a pending completion; `None` if they may have changed.
    leaving: Option<BTreeSet<TaskRow>>,
    waits: Option<KnownWaits>,
}

/// The waiting relations, with the tasks that they depend on.
struct KnownWaits {
    graph: Arc<WaitGraph>,
    involved: Involved,
    leaving: BTreeSet<TaskRow>,
}

/// A person's open tasks in their order.
struct Queue {
    person: Person,
    weights: Weights,
    waits: Arc<WaitGraph>,
    made: DateTime<Utc>,
    day: NaiveDate,
    /// From then on a task is no longer recent.
    until: DateTime<Utc>,
    order: BTreeMap<QueuePlace, TaskRow>,
    places: HashMap<TaskRow, QueuePlace>,
}

impl QueueCache {
    /// The queue of a person in order; `None` if there are too many tasks.
    fn queue(
        &mut self,
        db: &Db,
        person: &Person,
        at: Moment<'_>,
    ) -> rusqlite::Result<Option<&Queue>> {
        self.bring_up_to_date(db, at.now)?;
        let Some(tasks) = &self.tasks else {
            return Ok(None);
        };
        let holds = |queue: &Queue| queue.holds_for(person, at);
        if !self.queues.get(&person.id).is_some_and(holds) {
            if self.queues.len() >= QUEUES_MAX {
                self.queues.clear();
            }
            self.queues.insert(person.id, Queue::of(person, tasks, at));
        }
        Ok(self.queues.get(&person.id))
    }

    fn bring_up_to_date(&mut self, db: &Db, now: DateTime<Utc>) -> rusqlite::Result<()> {
        let mut changes = db.take_changes()?;
        if changes.containers && self.tasks.is_some() && followed(db)? != self.containers {
            changes.all = true;
        }
        if changes.all || changes.operations || !changes.tasks.is_empty() {
            self.leaving = None;
        }
        if changes.all || changes.containers || changes.people {
            self.waits = None;
        }
        if changes.all || (self.tasks.is_none() && (!self.too_many || changes.containers)) {
            return self.read_all(db);
        }
        for row in changes.tasks {
            let task = tasks::open_one(db, row)?;
            let involved = |waits: &KnownWaits| waits.involved.has(row, task.as_ref());
            if self.waits.as_ref().is_some_and(involved) {
                self.waits = None;
            }
            let Some(tasks) = &mut self.tasks else {
                continue;
            };
            for queue in self.queues.values_mut() {
                queue.changed(row, task.as_ref(), now);
            }
            match task {
                Some(task) => tasks.insert(row, task),
                None => tasks.remove(&row),
            };
        }
        Ok(())
    }

    /// Tasks with a pending completion.
    fn leaving(&mut self, db: &Db) -> rusqlite::Result<&BTreeSet<TaskRow>> {
        let leaving = match self.leaving.take() {
            Some(known) => known,
            None => operations::being_completed(db)?,
        };
        Ok(self.leaving.insert(leaving))
    }

    fn waits(&mut self, db: &Db) -> rusqlite::Result<Arc<WaitGraph>> {
        let leaving = self.leaving(db)?.clone();
        if let Some(known) = &self.waits {
            let changed = &known.leaving ^ &leaving;
            if !known.involved.has_one_of(&changed) {
                return Ok(Arc::clone(&known.graph));
            }
        }
        let (graph, involved) = blocking::waits(db, &leaving)?;
        let graph = Arc::new(graph);
        self.waits = Some(KnownWaits {
            graph: Arc::clone(&graph),
            involved,
            leaving,
        });
        Ok(graph)
    }

    fn read_all(&mut self, db: &Db) -> rusqlite::Result<()> {
        self.queues.clear();
        self.tasks = None;
        self.containers = followed(db)?;
        let read = tasks::open_light(db, TASKS_MAX + 1)?;
        self.too_many = read.len() > TASKS_MAX;
        if !self.too_many {
            self.tasks = Some(read.into_iter().collect());
        }
        Ok(())
    }
}

impl Queue {
    fn of(person: &Person, tasks: &HashMap<TaskRow, Task>, at: Moment<'_>) -> Queue {
        let mut queue = Queue {
            person: person.clone(),
            weights: *at.weights,
            waits: Arc::clone(at.waits),
            made: at.now,
            day: day(at.now, person.zone),
            until: DateTime::<Utc>::MAX_UTC,
            order: BTreeMap::new(),
            places: HashMap::new(),
        };
        for (row, task) in tasks {
            queue.add(*row, task, at.now);
        }
        queue
    }

    fn holds_for(&self, person: &Person, at: Moment<'_>) -> bool {
        self.made <= at.now
            && at.now < self.until
            && day(at.now, person.zone) == self.day
            && self.person == *person
            && self.weights == *at.weights
            && (Arc::ptr_eq(&self.waits, at.waits) || self.waits == *at.waits)
    }

    fn changed(&mut self, row: TaskRow, task: Option<&Task>, now: DateTime<Utc>) {
        if let Some(place) = self.places.remove(&row) {
            self.order.remove(&place);
        }
        if let Some(task) = task {
            self.add(row, task, now);
        }
    }

    fn add(&mut self, row: TaskRow, task: &Task, now: DateTime<Utc>) {
        if !self.person.is_concerned(task) {
            return;
        }
        let waiting = self.waits.people_waiting_for(row);
        let points = score(task, waiting, now, self.person.zone, &self.weights);
        if let Some(until) = recent_until(task, now) {
            self.until = self.until.min(until);
        }
        let place = QueuePlace::of(task, points.total);
        self.order.insert(place.clone(), row);
        self.places.insert(row, place);
    }
}

/// The tasks with a pending completion, which are in no queue, and the waiting relations among the other open tasks.
pub fn waits(db: &Db, now: DateTime<Utc>) -> rusqlite::Result<(BTreeSet<TaskRow>, Arc<WaitGraph>)> {
    let known = db.with_cache(|open: &mut QueueCache| {
        open.bring_up_to_date(db, now)?;
        let graph = open.waits(db)?;
        Ok((open.leaving(db)?.clone(), graph))
    });
    known.unwrap_or_else(|| {
        let leaving = operations::being_completed(db)?;
        let (graph, _) = blocking::waits(db, &leaving)?;
        Ok((leaving, Arc::new(graph)))
    })
}

/// The first task of a person's queue that `offers` allows, behind the task `after` if that is in it; the end leads back
/// to the first. `None` if there is none, not counting `after`.
pub fn next(
    db: &Db,
    person: &Person,
    at: Moment<'_>,
    after: Option<TaskRow>,
    offers: &dyn Fn(TaskRow) -> bool,
) -> rusqlite::Result<Option<TaskRow>> {
    let next = db.with_cache(|open: &mut QueueCache| {
        let Some(queue) = open.queue(db, person, at)? else {
            return Ok::<_, rusqlite::Error>(None);
        };
        let behind = after
            .filter(|after| offers(*after))
            .and_then(|after| queue.places.get(&after));
        let rest = match behind {
            Some(place) => queue.order.range((Excluded(place), Unbounded)),
            None => queue.order.range::<QueuePlace, _>(..),
        };
        let again = queue.order.values().filter(|_| behind.is_some());
        let mut all = rest.map(|(_, row)| row).chain(again).copied();
        Ok(Some(all.find(|row| Some(*row) != after && offers(*row))))
    });
    match next.transpose()?.flatten() {
        Some(next) => Ok(next),
        None => sorted(db, person, at, after, offers),
    }
}

/// The open tasks that concern a person, in the order of their rows. The cost depends on their number.
pub fn of(db: &Db, person: &Person, at: Moment<'_>) -> rusqlite::Result<Vec<StoredTask>> {
    let rows = db.with_cache(|open: &mut QueueCache| {
        let queue = open.queue(db, person, at)?;
        Ok::<_, rusqlite::Error>(queue.map(|queue| queue.places.keys().copied().collect()))
    });
    match rows.transpose()?.flatten() {
        Some(rows) => tasks::by_rows(db, rows),
        None => {
            let mut all = tasks::open(db)?;
            all.retain(|stored| person.is_concerned(&stored.task));
            Ok(all)
        }
    }
}

/// [`next`] without the tasks in memory.
fn sorted(
    db: &Db,
    person: &Person,
    at: Moment<'_>,
    after: Option<TaskRow>,
    offers: &dyn Fn(TaskRow) -> bool,
) -> rusqlite::Result<Option<TaskRow>> {
    let tasks = tasks::open_light(db, usize::MAX)?;
    let places = tasks
        .iter()
        .filter(|(row, task)| offers(*row) && person.is_concerned(task));
    let ranked: BTreeSet<(QueuePlace, TaskRow)> = places
        .map(|(row, task)| {
            let waiting = at.waits.people_waiting_for(*row);
            let points = score(task, waiting, at.now, person.zone, at.weights);
            (QueuePlace::of(task, points.total), *row)
        })
        .collect();
    let rows: Vec<TaskRow> = ranked.into_iter().map(|(_, row)| row).collect();
    Ok(crate::domain::queue::following(&rows, after))
}

/// The containers whose tasks are open here.
fn followed(db: &Db) -> rusqlite::Result<String> {
    let containers: Option<Option<String>> = db
        .query_row(
            "SELECT group_concat(source || ' ' || source_key, char(10) ORDER BY id) FROM containers
             WHERE followed = 1 AND archived = 0",
            [],
            |row| row.get(0),
        )
        .optional()?;
    Ok(containers.flatten().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use chrono::Duration;
    use fastrand::Rng;

    use super::super::people::{self, Configured};
    use super::*;
    use crate::domain::source::Container;
    use crate::domain::task::{
        Account, DueDate, Priority, RepoName, Source, TaskId, TaskKey, TaskStatus,
    };

    fn noon() -> DateTime<Utc> {
        DateTime::from_timestamp(1_764_000_000, 0).unwrap()
    }

    fn container(archived: bool) -> Container {
        Container {
            source: Source::GitHub,
            id: "1001".into(),
            name: "acme/widgets".into(),
            configured: "acme/widgets".into(),
            archived,
        }
    }

    fn store() -> (Db, Arc<Vec<Person>>) {
        let db = Db::in_memory();
        let configured = ["ana", "bo"].map(|name| Configured {
            name: name.into(),
            slack: None,
            github: Some(name.into()),
            clickup: None,
        });
        people::configure(&db, &configured).unwrap();
        tasks::keep_container(&db, &container(false)).unwrap();
        let people = people::present(&db).unwrap();
        (db, people)
    }

    /// A task with random points.
    fn task(number: u64, now: DateTime<Utc>, rng: &mut Rng) -> Task {
        let repo = RepoName::parse("acme/widgets").unwrap();
        let mut names = vec!["ana", "bo"];
        names.retain(|_| rng.bool());
        Task {
            key: TaskKey::github(1001, number),
            id: TaskId::github(Some(repo), number).unwrap(),
            container: "1001".into(),
            home: None,
            milestone: None,
            parent: None,
            children: None,
            title: format!("Task {number}"),
            description: "Long".into(),
            url: String::new(),
            status: match rng.u8(..5) {
                0 => TaskStatus::Done,
                _ => TaskStatus::Todo,
            },
            source_status: "open".into(),
            assignees: names
                .into_iter()
                .map(|name| Account {
                    id: format!("id of {name}"),
                    name: name.into(),
                })
                .collect(),
            labels: ["client", "other"].map(String::from)[..rng.usize(..3)].to_vec(),
            entity: None,
            priority: rng.bool().then_some(Priority::Urgent),
            due: rng
                .bool()
                .then(|| DueDate::at(noon() + Duration::hours(rng.i64(0..200)))),
            created_at: noon() - Duration::hours(rng.i64(0..5)),
            updated_at: now,
            commented_at: None,
            closed: None,
            reopened: false,
            custom_id: None,
            creator: None,
            links: Vec::new(),
        }
    }

    /// Whatever changes, and however far the clock goes on, the next task is that of the whole queue, sorted, and a
    /// person's tasks are those that a reader finds.
    #[test]
    fn the_next_task_is_that_of_all_tasks_sorted() {
        for seed in 0..40 {
            let rng = &mut Rng::with_seed(seed);
            let (db, people) = store();
            let mut now = noon();
            let (weights, waits) = (Weights::default(), Arc::<WaitGraph>::default());
            for step in 0..60 {
                let number = rng.u64(1..12);
                let key = TaskKey::github(1001, number);
                match rng.u8(..12) {
                    0 => tasks::mark_gone(&db, &key, now).unwrap(),
                    1 => drop(tasks::keep_container(&db, &container(rng.bool())).unwrap()),
                    2 => now += Duration::hours(rng.i64(1..30)),
                    3 => {
                        let transaction = db.begin().unwrap();
                        tasks::mark_away(&db, &key, now).unwrap();
                        same(&db, &people, now, (&weights, &waits), rng, (seed, step));
                        drop(transaction);
                    }
                    _ => drop(tasks::keep_anew(&db, &task(number, now, rng), now).unwrap()),
                }
                now += Duration::seconds(1);
                if rng.bool() {
                    same(&db, &people, now, (&weights, &waits), rng, (seed, step));
                }
            }
        }
    }

    fn same(
        db: &Db,
        people: &[Person],
        now: DateTime<Utc>,
        (weights, waits): (&Weights, &Arc<WaitGraph>),
        rng: &mut Rng,
        place: (u64, i32),
    ) {
        let at = Moment {
            now,
            weights,
            waits,
        };
        for person in people {
            let after = rng.bool().then(|| TaskRow(rng.i64(1..12)));
            let hidden = TaskRow(rng.i64(1..12));
            let offers = |row| row != hidden;
            let found = next(db, person, at, after, &offers).unwrap();
            let sorted = sorted(db, person, at, after, &offers).unwrap();
            assert_eq!(found, sorted, "{place:?}: {} after {after:?}", person.name);
            let theirs = of(db, person, at).unwrap();
            let mut all = tasks::open(db).unwrap();
            all.retain(|stored| person.is_concerned(&stored.task));
            assert_eq!(theirs, all, "{place:?}: {}", person.name);
        }
    }

    #[test]
    fn among_many_tasks_it_reads_only_those_that_changed() {
        let rng = &mut Rng::with_seed(1);
        let (db, people) = store();
        let (weights, waits) = (Weights::default(), Arc::default());
        let at = Moment {
            now: noon(),
            weights: &weights,
            waits: &waits,
        };
        for number in 1..200 {
            tasks::keep_anew(&db, &task(number, noon(), rng), noon()).unwrap();
        }
        let next = || next(&db, &people[0], at, None, &|_| true).unwrap().unwrap();
        let first = next();
        let key = tasks::by_row(&db, first).unwrap().unwrap().task.key;
        tasks::mark_gone(&db, &key, noon()).unwrap();
        let before = db.counts().executed();
        assert_ne!(next(), first);
        assert_eq!(
            db.counts().executed() - before,
            2,
            "the version and the row"
        );
    }
}
