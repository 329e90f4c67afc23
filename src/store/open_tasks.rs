//! Open tasks in memory, in the order of each person's queue: its first task costs the same among ten and ten thousand.
//!
//! Only the writer's connection has them, because all changes pass through it: SQLite reports each row that a statement
//! changes, and those tasks are read again before the next use. After a rollback everything is read again. A person's
//! order is made when it is first needed. It holds until their day ends; a task whose change is no longer recent gets its
//! new place. The waiting relations hold until a task that has a link or is named by one changes. Of more open tasks than
//! `TASKS_MAX` only the orders are kept, and a new order is made from the rows. Readers read and sort all tasks instead.

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
/// Places in all orders at most, not counting that of the person who asked last.
const PLACES_MAX: usize = 150_000;

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
pub(super) struct QueueCache {
    tasks: OpenTasks,
    /// [`TASKS_MAX`].
    tasks_max: usize,
    /// The followed containers as they were when the tasks were read.
    containers: String,
    queues: HashMap<PersonId, Queue>,
    /// Tasks with a pending completion; `None` if they may have changed.
    leaving: Option<BTreeSet<TaskRow>>,
    waits: Option<KnownWaits>,
}

/// What is kept of all open tasks.
enum OpenTasks {
    /// Nothing was needed yet.
    Unread,
    Kept(HashMap<TaskRow, Task>),
    TooMany,
}

impl Default for QueueCache {
    fn default() -> QueueCache {
        QueueCache {
            tasks: OpenTasks::Unread,
            tasks_max: TASKS_MAX,
            containers: String::new(),
            queues: HashMap::new(),
            leaving: None,
            waits: None,
        }
    }
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
    /// The latest moment for which it is in order.
    made: DateTime<Utc>,
    day: NaiveDate,
    order: BTreeMap<QueuePlace, TaskRow>,
    places: HashMap<TaskRow, QueuePlace>,
    /// Tasks with the time from which their change is no longer recent.
    recent: BTreeSet<(DateTime<Utc>, TaskRow)>,
}

impl QueueCache {
    /// The queue of a person in order.
    fn queue(&mut self, db: &Db, person: &Person, at: Moment<'_>) -> rusqlite::Result<&Queue> {
        self.bring_up_to_date(db, at.now)?;
        let mut queue = match self.queues.remove(&person.id) {
            Some(queue) if queue.holds_for(person, at) => queue,
            _ => {
                let places: usize = self.queues.values().map(|queue| queue.places.len()).sum();
                if self.queues.len() >= QUEUES_MAX || places >= PLACES_MAX {
                    self.queues.clear();
                }
                self.queue_of(db, person, at)?
            }
        };
        for row in queue.no_longer_recent(at.now) {
            match &self.tasks {
                OpenTasks::Kept(tasks) => queue.changed(row, tasks.get(&row), at.now),
                _ => queue.changed(row, tasks::open_one(db, row)?.as_ref(), at.now),
            }
        }
        queue.made = at.now;
        Ok(self.queues.entry(person.id).insert_entry(queue).into_mut())
    }

    fn queue_of(&self, db: &Db, person: &Person, at: Moment<'_>) -> rusqlite::Result<Queue> {
        let mut queue = Queue::empty(person, at);
        match &self.tasks {
            OpenTasks::Kept(tasks) => {
                for (row, task) in tasks {
                    queue.add(*row, task, at.now);
                }
            }
            _ => tasks::each_open_light(db, |row, task| queue.add(row, &task, at.now))?,
        }
        Ok(queue)
    }

    fn bring_up_to_date(&mut self, db: &Db, now: DateTime<Utc>) -> rusqlite::Result<()> {
        let mut changes = db.take_changes()?;
        let is_read = !matches!(self.tasks, OpenTasks::Unread);
        if changes.containers && is_read && followed(db)? != self.containers {
            changes.all = true;
        }
        if changes.all || changes.operations || !changes.tasks.is_empty() {
            self.leaving = None;
        }
        if changes.all || changes.containers || changes.people {
            self.waits = None;
        }
        if changes.all || !is_read {
            return self.read_all(db);
        }
        for row in changes.tasks {
            let task = tasks::open_one(db, row)?;
            let involved = |waits: &KnownWaits| waits.involved.has(row, task.as_ref());
            if self.waits.as_ref().is_some_and(involved) {
                self.waits = None;
            }
            for queue in self.queues.values_mut() {
                queue.changed(row, task.as_ref(), now);
            }
            let OpenTasks::Kept(tasks) = &mut self.tasks else {
                continue;
            };
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
        self.tasks = OpenTasks::Unread;
        self.containers = followed(db)?;
        if tasks::more_are_open_than(db, self.tasks_max)? {
            self.tasks = OpenTasks::TooMany;
            return Ok(());
        }
        let mut kept = HashMap::new();
        tasks::each_open_light(db, |row, task| drop(kept.insert(row, task)))?;
        self.tasks = OpenTasks::Kept(kept);
        Ok(())
    }
}

impl Queue {
    fn empty(person: &Person, at: Moment<'_>) -> Queue {
        Queue {
            person: person.clone(),
            weights: *at.weights,
            waits: Arc::clone(at.waits),
            made: at.now,
            day: day(at.now, person.zone),
            order: BTreeMap::new(),
            places: HashMap::new(),
            recent: BTreeSet::new(),
        }
    }

    fn holds_for(&self, person: &Person, at: Moment<'_>) -> bool {
        self.made <= at.now
            && day(at.now, person.zone) == self.day
            && self.person == *person
            && self.weights == *at.weights
            && (Arc::ptr_eq(&self.waits, at.waits) || self.waits == *at.waits)
    }

    /// Takes out the tasks whose last known change is no longer recent.
    fn no_longer_recent(&mut self, now: DateTime<Utc>) -> Vec<TaskRow> {
        let rest = self.recent.split_off(&(now, TaskRow(i64::MAX)));
        let over = std::mem::replace(&mut self.recent, rest);
        over.into_iter().map(|(_, row)| row).collect()
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
            self.recent.insert((until, row));
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
        let queue = open.queue(db, person, at)?;
        let behind = after
            .filter(|after| offers(*after))
            .and_then(|after| queue.places.get(&after));
        let rest = match behind {
            Some(place) => queue.order.range((Excluded(place), Unbounded)),
            None => queue.order.range::<QueuePlace, _>(..),
        };
        let again = queue.order.values().filter(|_| behind.is_some());
        let mut all = rest.map(|(_, row)| row).chain(again).copied();
        Ok::<_, rusqlite::Error>(all.find(|row| Some(*row) != after && offers(*row)))
    });
    next.unwrap_or_else(|| sorted(db, person, at, after, offers))
}

/// The open tasks that concern a person, in the order of their rows. The cost depends on their number.
pub fn of(db: &Db, person: &Person, at: Moment<'_>) -> rusqlite::Result<Vec<StoredTask>> {
    let rows = db.with_cache(|open: &mut QueueCache| {
        let queue = open.queue(db, person, at)?;
        Ok::<_, rusqlite::Error>(queue.places.keys().copied().collect())
    });
    match rows.transpose()? {
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
    let mut queue = Queue::empty(person, at);
    tasks::each_open_light(db, |row, task| {
        if offers(row) {
            queue.add(row, &task, at.now);
        }
    })?;
    let rows: Vec<TaskRow> = queue.order.into_values().collect();
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
            task_type: None,
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
        for seed in 0..60 {
            let rng = &mut Rng::with_seed(seed);
            let (db, people) = store();
            keeps_at_most(&db, [TASKS_MAX, 5, 0][seed as usize % 3]);
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

    fn keeps_at_most(db: &Db, tasks: usize) {
        db.with_cache(|open: &mut QueueCache| open.tasks_max = tasks);
    }

    #[rstest::rstest]
    #[case::all_kept(TASKS_MAX)]
    #[case::too_many(5)]
    fn among_many_tasks_it_reads_only_those_that_changed(#[case] tasks_max: usize) {
        let rng = &mut Rng::with_seed(1);
        let (db, people) = store();
        keeps_at_most(&db, tasks_max);
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

    #[rstest::rstest]
    #[case::all_kept(TASKS_MAX, 1)]
    #[case::too_many(5, 2)]
    fn a_task_that_is_no_longer_recent_gets_its_new_place_alone(
        #[case] tasks_max: usize,
        #[case] statements: u64,
    ) {
        let (db, people) = store();
        keeps_at_most(&db, tasks_max);
        let (weights, waits) = (Weights::default(), Arc::default());
        let next = |now| {
            let at = Moment {
                now,
                weights: &weights,
                waits: &waits,
            };
            next(&db, &people[0], at, None, &|_| true).unwrap()
        };
        let alike = |number: i64| Task {
            status: TaskStatus::Todo,
            assignees: vec![Account {
                id: "id of ana".into(),
                name: "ana".into(),
            }],
            labels: Vec::new(),
            priority: None,
            due: None,
            created_at: noon() - Duration::days(30 - number),
            updated_at: noon() - Duration::days(5),
            ..task(number.unsigned_abs(), noon(), &mut Rng::with_seed(1))
        };
        for number in 1..20 {
            tasks::keep_anew(&db, &alike(number), noon()).unwrap();
        }
        let oldest = next(noon()).unwrap();
        let lately = Task {
            updated_at: noon() - Duration::hours(23),
            ..alike(9)
        };
        tasks::keep_anew(&db, &lately, noon()).unwrap();
        assert_ne!(next(noon()), Some(oldest));
        let before = db.counts().executed();
        assert_eq!(next(noon() + Duration::hours(2)), Some(oldest));
        assert_eq!(db.counts().executed() - before, statements);
    }
}
