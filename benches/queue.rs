//! Response time of `current` and `list` for a person with 5,000 open tasks (docs/performance.md).
//!
//! It uses the real commands and a real store in a temporary file. The tasks are realistic: descriptions of every length,
//! assignees, labels, dependencies in both sources, and many tasks already done. The same run measures the same
//! commands with 50 tasks and a bare `SELECT` of the rows, which shows the share of the machine and its disk. After
//! criterion's figures, `main` prints the ratios.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use chrono::Utc;
use criterion::{BenchmarkId, Criterion};
use ivan::clock::Clock;
use ivan::commands::{CommandSettings, Commands, CurrentView, Shows};
use ivan::domain::filter::Filter;
use ivan::domain::person::Person;
use ivan::domain::source::Container;
use ivan::domain::task::{
    Account, Direction, DueDate, Priority, RelatedTask, Relation, RepoName, Source, Task, TaskId,
    TaskKey, TaskStatus,
};
use ivan::store::people::{self, Configured};
use ivan::store::{Store, StoreSettings, tasks};
use tokio::runtime::Runtime;

const MANY: u64 = 5_000;
const FEW: u64 = 50;
/// The number of done tasks per open task, as in a mirror after some time.
const DONE: u64 = 2;

/// Commands over a store with that many open tasks assigned to Ana.
struct Office {
    _folder: tempfile::TempDir,
    store: Store,
    commands: Commands,
    ana: Person,
}

fn office(runtime: &Runtime, open: u64) -> Office {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("ivan.db"), StoreSettings::default()).unwrap();
    let settings = CommandSettings {
        lists: vec!["901".into()],
        repos: vec![RepoName::parse("acme/widgets").unwrap()],
        ..CommandSettings::new(Source::ClickUp)
    };
    let commands = Commands::new(store.clone(), settings, Vec::new(), Clock::system());
    let ana = runtime.block_on(async {
        let fill = store.write(move |tx| {
            let ana = Configured {
                name: "Ana".into(),
                slack: Some("U0ANN01".into()),
                github: Some("ana".into()),
                clickup: Some("4242".into()),
            };
            people::configure(tx, &[ana])?;
            for (source, id, name) in [
                (Source::ClickUp, "901", "Inbox"),
                (Source::GitHub, "1001", "acme/widgets"),
            ] {
                let container = Container {
                    source,
                    id: id.into(),
                    name: name.into(),
                    configured: name.into(),
                    archived: false,
                };
                tasks::keep_container(tx, &container)?;
                tasks::walked(tx, &container, None, Utc::now())?;
            }
            for number in 1..=open * (1 + DONE) {
                tasks::keep(tx, &task(number, number > open), Utc::now(), None)?;
            }
            people::present(tx)
        });
        fill.await.unwrap().first().unwrap().clone()
    });
    Office {
        _folder: folder,
        store,
        commands,
        ana,
    }
}

/// Task number `number`. All differ, and none is random.
fn task(number: u64, done: bool) -> Task {
    let now = Utc::now();
    let ago = |days: u64| now - Duration::from_secs(days * 86_400);
    let of_github = number.is_multiple_of(2);
    let key = match of_github {
        true => TaskKey::github(1001, number),
        false => TaskKey::clickup(format!("86t{number:06}")),
    };
    // One in ten waits for the one two before it, which is in the same source.
    let links = match number % 10 == 3 && number > 10 {
        true => vec![Relation {
            way: Direction::BlockedBy,
            to: RelatedTask::Task(TaskKey::clickup(format!("86t{:06}", number - 2))),
        }],
        false => Vec::new(),
    };
    let days = |step: u64| i64::try_from(number % step).unwrap_or_default();
    Task {
        id: match of_github {
            true => TaskId::github(RepoName::parse("acme/widgets"), number).unwrap(),
            false => TaskId::clickup(key.as_str()).unwrap(),
        },
        key,
        container: if of_github { "1001" } else { "901" }.into(),
        home: None,
        milestone: None,
        task_type: None,
        parent: None,
        children: None,
        title: format!("Number {number} of the many that are still to do"),
        description: "A sentence of some length. ".repeat(usize::try_from(number % 100).unwrap()),
        url: format!("https://app.example/t/{number}"),
        status: match (done, number % 5) {
            (true, _) => TaskStatus::Done,
            (false, 0) => TaskStatus::InProgress,
            (false, _) => TaskStatus::Todo,
        },
        source_status: "open".into(),
        assignees: vec![match of_github {
            true => account("31", "ana"),
            false => account("4242", "Ana"),
        }],
        labels: vec!["ops".into(), format!("label-{}", number % 7)],
        entity: number.is_multiple_of(50).then(|| "acme".into()),
        priority: [
            None,
            Some(Priority::Urgent),
            Some(Priority::High),
            Some(Priority::Low),
        ]
        .get(usize::try_from(number % 4).unwrap())
        .copied()
        .flatten(),
        due: number
            .is_multiple_of(3)
            .then(|| DueDate::at(now + chrono::Duration::days(days(40) - 5))),
        created_at: ago(number % 900),
        updated_at: ago(number % 60),
        closed: None,
        commented_at: None,
        reopened: false,
        custom_id: None,
        creator: Some(account("4243", "Bo")),
        links,
    }
}

fn account(id: &str, name: &str) -> Account {
    Account {
        id: id.into(),
        name: name.into(),
    }
}

impl Office {
    /// `current` before any card was shown: the first task of the queue has to be found.
    async fn first_current(&self) {
        self.store
            .write(|tx| tx.execute("DELETE FROM pins", []))
            .await
            .unwrap();
        let current = self
            .commands
            .current(&self.ana, Shows::Person)
            .await
            .unwrap();
        assert!(matches!(black_box(current), CurrentView::Task(_)));
    }

    async fn list(&self, filter: &Filter) {
        let listed = self
            .commands
            .list(&self.ana, 20, filter, Shows::Person)
            .await
            .unwrap();
        assert!(!black_box(listed).tasks.is_empty());
    }

    /// Reads every column of all open tasks, without building tasks.
    async fn select(&self) {
        let rows = self.store.read(|connection| {
            let sql = "SELECT * FROM tasks WHERE status <> 'done' AND gone = 0 AND away = 0";
            connection.query(sql, [], |rows| {
                let mut bytes = 0;
                while let Some(row) = rows.next()? {
                    for column in 0..row.as_ref().column_count() {
                        if let rusqlite::types::ValueRef::Text(text) = row.get_ref(column)? {
                            bytes += text.len();
                        }
                    }
                }
                Ok(bytes)
            })
        });
        assert!(black_box(rows.await.unwrap()) > 0);
    }
}

fn main() {
    let runtime = Runtime::new().unwrap();
    let mut criterion = Criterion::default()
        .measurement_time(Duration::from_secs(5))
        .sample_size(30)
        .configure_from_args();
    let offices = [FEW, MANY].map(|open| (open, office(&runtime, open)));
    let mut group = criterion.benchmark_group("queue");
    for (open, office) in &offices {
        group.bench_function(BenchmarkId::new("current", open), |b| {
            b.iter(|| runtime.block_on(office.first_current()));
        });
        for filter in ["", "overdue github", "blocked"] {
            let name = format!("list {filter}");
            let filter = Filter::read(filter);
            group.bench_function(BenchmarkId::new(name.trim_end(), open), |b| {
                b.iter(|| runtime.block_on(office.list(&filter)));
            });
        }
        group.bench_function(BenchmarkId::new("bare select", open), |b| {
            b.iter(|| runtime.block_on(office.select()));
        });
    }
    group.finish();
    let [(_, few), (_, many)] = &offices;
    let list = Filter::default();
    let figures = [
        (
            "current",
            median(&runtime, async || few.first_current().await),
            median(&runtime, async || many.first_current().await),
        ),
        (
            "list",
            median(&runtime, async || few.list(&list).await),
            median(&runtime, async || many.list(&list).await),
        ),
    ];
    let select = median(&runtime, async || many.select().await);
    println!("{MANY} open tasks, a bare SELECT of them: {select:.1?}");
    for (name, few, many) in figures {
        println!(
            "{name}: {many:.1?}, which is {:.1} times the bare SELECT, and {:.1} times the same with {FEW} ({few:.1?})",
            many.as_secs_f64() / select.as_secs_f64(),
            many.as_secs_f64() / few.as_secs_f64(),
        );
    }
    criterion.final_summary();
}

/// The median time of one piece of work, in the same process as all others.
fn median(runtime: &Runtime, work: impl AsyncFn()) -> Duration {
    const TIMES: usize = 31;
    let mut times: Vec<Duration> = (0..TIMES)
        .map(|_| {
            let begun = Instant::now();
            runtime.block_on(work());
            begun.elapsed()
        })
        .collect();
    times.sort_unstable();
    times.get(TIMES / 2).copied().unwrap_or_default()
}
