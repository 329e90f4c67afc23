//! Links between open tasks → the people who are blocked, and by which task.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::db::Db;
use rusqlite::{OptionalExtension, params};

use super::columns::{corrupt, from_json};
use super::tasks::FOLLOWED;
use super::{people, tasks};
use crate::domain::blocking::{BlockingPair, WaitGraph, WaitingAccount};
use crate::domain::ids::TaskRow;
use crate::domain::task::{
    Account, Direction, RelatedTask, Relation, RepoName, Source, Task, TaskKey,
};

/// The people who are blocked now. A link counts if its task is open, in a followed container, and not being completed.
/// Tasks outside the mirror block nothing, since their completion is never reported. A transferred issue also matches
/// by its old key.
///
/// Also returns the tasks that this depends on.
pub(super) fn waits(
    connection: &Db,
    leaving: &BTreeSet<TaskRow>,
) -> rusqlite::Result<(WaitGraph, Involved)> {
    let mut lookup = Lookup {
        connection,
        leaving,
        repositories: BTreeMap::new(),
        accounts: BTreeMap::new(),
        involved: Involved::default(),
    };
    let mut pairs = BTreeSet::new();
    for (row, links) in told(connection)? {
        lookup.involved.rows.insert(row);
        if leaving.contains(&row) {
            continue;
        }
        for link in links {
            let Some(other) = lookup.open(&link.to)? else {
                continue;
            };
            let (first, then) = match link.way {
                Direction::Blocks => (row, other),
                Direction::BlockedBy => (other, row),
            };
            lookup.waiting_at(then)?;
            pairs.insert(BlockingPair { first, then });
        }
    }
    let whose = lookup.whose()?;
    Ok((WaitGraph::of(&pairs, &whose), lookup.involved))
}

/// The tasks with links, and the tasks that they name: a change of another task changes no waiting relation.
#[derive(Debug, Default)]
pub(super) struct Involved {
    rows: HashSet<TaskRow>,
    /// Keys that name no stored task yet.
    missing: HashSet<TaskKey>,
}

impl Involved {
    /// Whether a change of this task, open or not, may change a waiting relation.
    pub(super) fn has(&self, row: TaskRow, open: Option<&Task>) -> bool {
        let is_new = |task: &Task| !task.links.is_empty() || self.missing.contains(&task.key);
        self.rows.contains(&row) || open.is_some_and(is_new)
    }

    /// The same for the set of tasks that are being completed.
    pub(super) fn has_one_of(&self, rows: &BTreeSet<TaskRow>) -> bool {
        rows.iter().any(|row| self.rows.contains(row))
    }
}

/// The open tasks that have links to others.
fn told(connection: &Db) -> rusqlite::Result<Vec<(TaskRow, Vec<Relation>)>> {
    connection.query_map(
        &format!(
            "SELECT id, links FROM tasks INDEXED BY tasks_linked
             WHERE links <> '[]' AND status <> 'done' AND {FOLLOWED} ORDER BY id"
        ),
        [],
        |row| Ok((row.get(0)?, from_json(row, 1)?)),
    )
}

struct Lookup<'a> {
    connection: &'a Db,
    leaving: &'a BTreeSet<TaskRow>,
    repositories: BTreeMap<RepoName, Option<u64>>,
    /// The accounts that wait for each task: its assignees, or its creator if it has none.
    accounts: BTreeMap<TaskRow, (Source, Vec<Account>)>,
    involved: Involved,
}

impl Lookup<'_> {
    /// The row of a task, if the mirror has it open.
    fn open(&mut self, linked: &RelatedTask) -> rusqlite::Result<Option<TaskRow>> {
        let key = match linked {
            RelatedTask::Task(key) => key.clone(),
            RelatedTask::Issue { repo, number } => {
                let repository = match self.repositories.get(repo) {
                    Some(known) => *known,
                    None => {
                        let found = tasks::repository(self.connection, repo)?;
                        self.repositories.insert(repo.clone(), found);
                        found
                    }
                };
                match repository {
                    Some(repository) => TaskKey::github(repository, *number),
                    None => return Ok(None),
                }
            }
        };
        let found: Option<(TaskRow, TaskRow, bool)> = self
            .connection
            .query_row(
                &format!(
                    "SELECT named, tasks.id, status <> 'done' AND {FOLLOWED}
                     FROM (SELECT id AS named, ifnull(successor, id) AS now FROM tasks
                           WHERE source = ?1 AND source_key = ?2)
                     JOIN tasks ON tasks.id = now"
                ),
                params![key.source().as_str(), key.as_str()],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )
            .optional()?;
        let Some((named, row, is_open)) = found else {
            self.involved.missing.insert(key);
            return Ok(None);
        };
        self.involved.rows.extend([named, row]);
        Ok(Some(row).filter(|row| is_open && !self.leaving.contains(row)))
    }

    /// Reads the accounts that wait for this task.
    fn waiting_at(&mut self, row: TaskRow) -> rusqlite::Result<()> {
        if self.accounts.contains_key(&row) {
            return Ok(());
        }
        let (source, assignees, creator): (String, Vec<Account>, Option<String>) =
            self.connection.query_row(
                "SELECT source, assignees, creator FROM tasks WHERE id = ?1",
                [row],
                |row| Ok((row.get(0)?, from_json(row, 1)?, row.get(2)?)),
            )?;
        let source = Source::parse(&source).ok_or_else(|| corrupt(0))?;
        let creator: Option<Account> = creator
            .map(|json| serde_json::from_str(&json).map_err(|_| corrupt(2)))
            .transpose()?;
        let accounts = match assignees.is_empty() {
            true => creator.into_iter().collect(),
            false => assignees,
        };
        self.accounts.insert(row, (source, accounts));
        Ok(())
    }

    /// The owners of those accounts.
    fn whose(&self) -> rusqlite::Result<BTreeMap<TaskRow, BTreeSet<WaitingAccount>>> {
        let mut people = BTreeMap::new();
        for source in Source::ALL {
            let waiting = self.accounts.values().filter(|(at, _)| *at == source);
            let accounts: Vec<&Account> = waiting.flat_map(|(_, accounts)| accounts).collect();
            let found = match accounts.is_empty() {
                true => Vec::new(),
                false => people::among(self.connection, &[], source, &accounts)?,
            };
            people.insert(source, found);
        }
        let owner = |source: Source, account: &Account| {
            let people = people.get(&source).map_or(&[][..], Vec::as_slice);
            WaitingAccount::of(people, source, account)
        };
        let whose = self.accounts.iter().map(|(row, (source, accounts))| {
            let owners = accounts.iter().map(|account| owner(*source, account));
            (*row, owners.collect())
        });
        Ok(whose.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::source::Container;
    use crate::domain::task::{TaskId, TaskStatus};
    use chrono::DateTime;
    use rstest::rstest;

    fn at(second: i64) -> chrono::DateTime<chrono::Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    fn account(id: &str, name: &str) -> Account {
        Account {
            id: id.into(),
            name: name.into(),
        }
    }

    /// Ana, who is 4242 in ClickUp and `ana` in GitHub; a list, and two repositories.
    fn mirror() -> Db {
        let connection = Db::in_memory();
        let ana = people::Configured {
            name: "Ana".into(),
            slack: None,
            github: Some("ana".into()),
            clickup: Some("4242".into()),
        };
        people::configure(&connection, &[ana]).unwrap();
        for (source, id, name) in [
            (Source::ClickUp, "901", "Inbox"),
            (Source::GitHub, "1001", "acme/widgets"),
            (Source::GitHub, "1002", "acme/api"),
        ] {
            let container = Container {
                source,
                id: id.into(),
                name: name.into(),
                configured: name.into(),
                archived: false,
            };
            tasks::keep_container(&connection, &container).unwrap();
        }
        connection
    }

    fn task(key: TaskKey, container: &str) -> Task {
        Task {
            id: match key.github_parts() {
                Some((_, number)) => TaskId::github(None, number).unwrap(),
                None => TaskId::clickup(key.as_str()).unwrap(),
            },
            key,
            container: container.into(),
            title: String::new(),
            description: String::new(),
            url: String::new(),
            status: TaskStatus::Todo,
            source_status: String::new(),
            assignees: Vec::new(),
            labels: Vec::new(),
            entity: None,
            priority: None,
            due: None,
            created_at: at(1),
            updated_at: at(1),
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

    fn issue(number: u64) -> Task {
        task(TaskKey::github(1001, number), "1001")
    }

    fn in_clickup(id: &str) -> Task {
        task(TaskKey::clickup(id), "901")
    }

    fn keep(connection: &Db, task: &Task) -> TaskRow {
        tasks::keep_anew(connection, task, at(2)).unwrap().0
    }

    fn link(way: Direction, to: RelatedTask) -> Relation {
        Relation { way, to }
    }

    fn number(number: u64) -> RelatedTask {
        RelatedTask::Task(TaskKey::github(1001, number))
    }

    fn named(repo: &str, number: u64) -> RelatedTask {
        RelatedTask::Issue {
            repo: RepoName::parse(repo).unwrap(),
            number,
        }
    }

    #[test]
    fn each_who_waits_counts_once_over_both_sources() {
        let connection = mirror();
        let issue_of_ana = Task {
            assignees: vec![account("12", "Ana")],
            links: vec![link(Direction::BlockedBy, number(7))],
            ..issue(8)
        };
        // No assignee: its creator waits.
        let issue_of_bo = Task {
            creator: Some(account("13", "bo")),
            links: vec![link(Direction::BlockedBy, named("Acme/Widgets", 7))],
            ..issue(9)
        };
        let seven = Task {
            links: vec![link(Direction::Blocks, named("acme/api", 3))],
            ..issue(7)
        };
        let of_ana_too = Task {
            assignees: vec![account("12", "ana"), account("14", "cem")],
            creator: Some(account("15", "dee")),
            ..task(TaskKey::github(1002, 3), "1002")
        };
        let [eight, nine, seven, three] =
            [issue_of_ana, issue_of_bo, seven, of_ana_too].map(|task| keep(&connection, &task));
        let waits = super::waits(&connection, &BTreeSet::new()).unwrap().0;
        assert_eq!(waits.people_waiting_for(seven), 3);
        assert_eq!(waits.blocked().collect::<Vec<_>>(), [eight, nine, three]);
        assert_eq!(waits.blockers_of(three), [seven]);
    }

    #[test]
    fn a_dependency_of_clickup_counts_whichever_of_the_two_tells_it() {
        let connection = mirror();
        let to = |id| RelatedTask::Task(TaskKey::clickup(id));
        let first = Task {
            links: vec![link(Direction::Blocks, to("86b"))],
            ..in_clickup("86a")
        };
        let third = Task {
            assignees: vec![account("4242", "Ana")],
            links: vec![link(Direction::BlockedBy, to("86a"))],
            ..in_clickup("86c")
        };
        let [a, b, c] = [first, in_clickup("86b"), third].map(|task| keep(&connection, &task));
        let waits = super::waits(&connection, &BTreeSet::new()).unwrap().0;
        assert_eq!(waits.blocked().collect::<Vec<_>>(), [b, c]);
        assert_eq!(waits.people_waiting_for(a), 1);
    }

    /// A change to number 7, which number 8 names as its blocker, and whether number 8 is still blocked.
    #[rstest]
    #[case::nothing(|_: &Db, _: Task| (), true)]
    #[case::finished(|c: &Db, seven: Task| { keep(c, &Task { status: TaskStatus::Done, ..seven }); }, false)]
    #[case::deleted(|c: &Db, seven: Task| tasks::mark_gone(c, &seven.key, at(3)).unwrap(), false)]
    #[case::moved_out_of_sight(|c: &Db, seven: Task| tasks::mark_away(c, &seven.key, at(3)).unwrap(), false)]
    #[case::not_followed_any_more(|c: &Db, _: Task| tasks::follow_only(c, Source::GitHub, &["acme/api".into()]).unwrap(), false)]
    #[case::transferred(|c: &Db, seven: Task| transfer(c, &seven, TaskStatus::Todo), true)]
    #[case::transferred_and_finished(|c: &Db, seven: Task| transfer(c, &seven, TaskStatus::Done), false)]
    #[case::there_and_back(|c: &Db, seven: Task| {
        transfer(c, &seven, TaskStatus::Done);
        tasks::keep_anew(c, &Task { updated_at: at(9), ..seven }, at(9)).unwrap();
    }, true)]
    #[case::renamed(|c: &Db, _: Task| tasks::rename_repository(c, "1001", &RepoName::parse("acme/gadgets").unwrap()).unwrap(), true)]
    fn what_was_blocked_is_free_when_the_other_is_not_open_here(
        #[case] change: fn(&Db, Task),
        #[case] blocked: bool,
    ) {
        let connection = mirror();
        keep(&connection, &issue(7));
        let by_name = Task {
            links: vec![link(Direction::BlockedBy, named("acme/widgets", 7))],
            ..task(TaskKey::github(1002, 8), "1002")
        };
        let eight = keep(&connection, &by_name);
        change(&connection, issue(7));
        assert_eq!(
            super::waits(&connection, &BTreeSet::new())
                .unwrap()
                .0
                .is_blocked(eight),
            blocked
        );
    }

    /// The issue moves to acme/api as number 5.
    fn transfer(connection: &Db, old: &Task, status: TaskStatus) {
        let new = Task {
            status,
            ..task(TaskKey::github(1002, 5), "1002")
        };
        let old_row = keep(connection, old);
        let new_row = keep(connection, &new);
        tasks::succeed(connection, old_row, new_row).unwrap();
        tasks::mark_away(connection, &old.key, at(3)).unwrap();
    }

    #[test]
    fn what_names_nothing_here_blocks_nothing() {
        let connection = mirror();
        let told = Task {
            links: vec![
                link(Direction::BlockedBy, named("acme/secret", 1)),
                link(Direction::BlockedBy, number(99)),
                link(Direction::BlockedBy, number(8)),
            ],
            ..issue(8)
        };
        let eight = keep(&connection, &told);
        let waits = super::waits(&connection, &BTreeSet::new()).unwrap().0;
        assert!(!waits.is_blocked(eight));
        assert_eq!(waits.people_waiting_for(eight), 0);
    }
}
