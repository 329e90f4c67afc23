//! The work of one command in the store: the statements that are prepared and that run, and the commits. It does not grow
//! with the people and their tasks.
//!
//! The daemon counts (`GET /metrics`). Other work in the background, and a machine that is busy with other things, only
//! add to the counters, so each figure is the smallest of several rounds. `IVAN_COST=1` prints the figures.

use crate::harness::*;
use serde_json::json;

/// Commands of a round.
const ROUND: usize = 4;
/// Rounds at most, until the limits are kept.
const ROUNDS: usize = 25;

/// A daemon with many people, of whom Ana has many tasks.
struct Scale {
    people: usize,
    tasks: usize,
}

const SMALL: Scale = Scale {
    people: 60,
    tasks: 120,
};
const LARGE: Scale = Scale {
    people: 600,
    tasks: 600,
};

/// The work of a round.
#[derive(Debug, Clone, Copy)]
struct Work {
    prepared: u64,
    /// Without the statement of each commit that changes the store's mark (`store/generation.rs`): how many commits there
    /// are depends on what comes at the same time, and the least of each figure may come from another round.
    executed: u64,
    committed: u64,
}

impl Work {
    async fn so_far(ivan: &Ivan) -> Work {
        let metrics = ivan.metrics().await;
        let sum = |name: &str| -> u64 {
            let lines = metrics.lines().filter(|line| line.starts_with(name));
            let counts = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
            counts.sum()
        };
        let committed = sum("ivan_store_commits_total");
        Work {
            prepared: sum("ivan_store_prepared_total"),
            executed: sum("ivan_store_statements_total") - committed,
            committed,
        }
    }

    fn since(self, before: Work) -> Work {
        Work {
            prepared: self.prepared - before.prepared,
            executed: self.executed - before.executed,
            committed: self.committed - before.committed,
        }
    }
}

impl Scale {
    fn setup(&self) -> Setup {
        let mut people = Setup::new().config("sync.interval = \"24h\"").people();
        for number in 2..self.people {
            people = people.config(&format!(
                "[[people]]\nname = \"Person {number}\"\nslack = \"U0COST{number:04}\""
            ));
        }
        people
    }

    async fn start(&self) -> Ivan {
        let mut ivan = self.setup().start().await;
        for number in 1..=self.tasks {
            let issue = json!({"title": format!("Issue {number}"), "assignees": ["ana"]});
            ivan.github().add_issue(REPO, issue);
        }
        ivan.start().await;
        ivan
    }

    /// The least work of a round of this command.
    async fn least(ivan: &Ivan, command: &Command) -> Work {
        let mut least: Option<Work> = None;
        for round in 0..ROUNDS {
            let before = Work::so_far(ivan).await;
            for number in 1..=ROUND {
                let text = (command.text)(round * ROUND + number);
                ivan.dm(ANA, &text).await;
            }
            ivan.until_messages_are_recorded().await;
            let work = Work::so_far(ivan).await.since(before);
            let so_far = least.get_or_insert(work);
            so_far.prepared = so_far.prepared.min(work.prepared);
            so_far.executed = so_far.executed.min(work.executed);
            so_far.committed = so_far.committed.min(work.committed);
            if command.keeps(*so_far) {
                break;
            }
        }
        least.unwrap()
    }

    async fn of(&self, commands: &[Command]) -> Vec<Work> {
        let ivan = self.start().await;
        let mut all = Vec::new();
        for command in commands {
            all.push(Scale::least(&ivan, command).await);
        }
        ivan.finish().await;
        all
    }
}

/// A command with its limits.
struct Command {
    /// Its text, for the number of an issue.
    text: fn(usize) -> String,
    statements: u64,
    commits: u64,
}

impl Command {
    /// Whether a round of it did no more than it may.
    fn keeps(&self, round: Work) -> bool {
        let times = ROUND as u64;
        round.prepared == 0
            && round.executed <= self.statements * times
            && round.committed <= self.commits * times
    }
}

const COMMANDS: [Command; 4] = [
    Command {
        text: |number| format!("done #{number}"),
        statements: 56,
        // Five, and one more if the list is redrawn by itself.
        commits: 6,
    },
    Command {
        text: |_| "next".to_owned(),
        statements: 27,
        commits: 3,
    },
    Command {
        text: |_| "current".to_owned(),
        statements: 23,
        commits: 3,
    },
    Command {
        // Its title shares words with those of all tasks.
        text: |number| format!("create Issue again {number} of many"),
        statements: 44,
        commits: 4,
    },
];

#[tokio::test]
async fn a_command_prepares_nothing_and_runs_few_statements() {
    let (small, large) = tokio::join!(SMALL.of(&COMMANDS), LARGE.of(&COMMANDS));
    for ((command, small), large) in COMMANDS.iter().zip(small).zip(large) {
        let name = (command.text)(1);
        if std::env::var_os("IVAN_COST").is_some() {
            println!("{ROUND} × {name}: {small:?} with few, {large:?} with many");
        }
        for work in [small, large] {
            assert!(command.keeps(work), "{ROUND} × {name}: {work:?}");
        }
    }
}
