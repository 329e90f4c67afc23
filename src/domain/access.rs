//! Which tasks people may name: every followed one, or only their own.
//!
//! The store reads the facts about a task, and this file decides.

use super::mention_text;
use super::operation::Place;
use super::person::{Person, PersonId};
use super::profile::HandleKind;
use super::task::{RepoName, Source, Task};

/// The tasks of a place that a person may name, and whose titles they may read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Access {
    /// Every task.
    #[default]
    All,
    /// Tasks assigned to, created by, or mentioning them, and unassigned ones.
    Own,
}

/// `[access]`: one value for all lists and repositories, and those of single ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskAccess {
    /// For places without a value of their own.
    pub tasks: Access,
    /// Lists and repositories with a value of their own.
    pub places: Vec<(Place, Access)>,
}

impl TaskAccess {
    /// Whether every person may name every task.
    pub fn is_open(&self) -> bool {
        let mut own = self.places.iter().map(|(_, access)| *access);
        self.tasks == Access::All && own.all(|access| access == Access::All)
    }

    /// The value for the list or repository with this name in bot.toml.
    pub fn of(&self, source: Source, configured: &str) -> Access {
        let is_it = |place: &Place| {
            place.source() == source
                && match place {
                    Place::List(list) => list == configured,
                    Place::Repo(repo) => {
                        RepoName::parse(configured).is_some_and(|other| repo.is(&other))
                    }
                }
        };
        let mut own = self.places.iter().filter(|(place, _)| is_it(place));
        own.next().map_or(self.tasks, |(_, access)| *access)
    }

    /// The value for a task whose place is unknown or not followed: the strictest of its source.
    pub fn strictest(&self, source: Source) -> Access {
        let own =
            |(place, access): &(Place, Access)| place.source() == source && *access == Access::Own;
        match self.tasks == Access::Own || self.places.iter().any(own) {
            true => Access::Own,
            false => Access::All,
        }
    }
}

/// A person's relations to a task that the task itself does not show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Relations {
    /// The person who created it through Ivan. Then the source names Ivan's account as its creator.
    pub creator: Option<PersonId>,
    /// Whether a comment mentioned the person.
    pub mentioned: bool,
}

/// Whether a person may name a task where only their own are open to them.
pub fn is_own(person: &Person, task: &Task, relations: Relations) -> bool {
    task.assignees.is_empty()
        || person.is_concerned(task)
        || has_created(person, task, relations.creator)
        || relations.mentioned
        || is_mentioned(person, task)
}

/// Whether a person created a task, through Ivan or at its source.
pub fn has_created(person: &Person, task: &Task, creator: Option<PersonId>) -> bool {
    match (creator, &task.creator) {
        (Some(creator), _) => creator == person.id,
        (None, Some(account)) => person.has(task.key.source(), account),
        (None, None) => false,
    }
}

/// Whether the description mentions the person's login. ClickUp's descriptions name no accounts.
fn is_mentioned(person: &Person, task: &Task) -> bool {
    let source = task.key.source();
    let login = match source.profile().handles {
        HandleKind::Logins => person.account(source).map(|account| account.name),
        HandleKind::Ids => None,
    };
    login.is_some_and(|login| {
        mention_text::addresses(&task.description, [login.as_str()].into_iter())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::task::{Account, TaskId, TaskKey, TaskStatus};
    use rstest::rstest;

    fn repo(name: &str) -> RepoName {
        RepoName::parse(name).unwrap()
    }

    fn rules() -> TaskAccess {
        TaskAccess {
            tasks: Access::All,
            places: vec![
                (Place::Repo(repo("acme/payroll")), Access::Own),
                (Place::List("901".into()), Access::All),
            ],
        }
    }

    #[test]
    fn a_place_has_its_own_value_or_that_of_all() {
        let rules = rules();
        assert_eq!(rules.of(Source::GitHub, "Acme/Payroll"), Access::Own);
        assert_eq!(rules.of(Source::GitHub, "acme/widgets"), Access::All);
        assert_eq!(rules.of(Source::ClickUp, "901"), Access::All);
        let own = TaskAccess {
            tasks: Access::Own,
            ..rules
        };
        assert_eq!(own.of(Source::ClickUp, "901"), Access::All);
        assert_eq!(own.of(Source::ClickUp, "902"), Access::Own);
    }

    #[test]
    fn an_unknown_place_is_as_strict_as_any_of_its_source() {
        let rules = rules();
        assert_eq!(rules.strictest(Source::GitHub), Access::Own);
        assert_eq!(rules.strictest(Source::ClickUp), Access::All);
        assert!(!rules.is_open());
        assert!(TaskAccess::default().is_open());
        let open = TaskAccess {
            places: vec![(Place::List("901".into()), Access::All)],
            ..TaskAccess::default()
        };
        assert!(open.is_open());
        let own = TaskAccess {
            tasks: Access::Own,
            ..open
        };
        assert!(!own.is_open());
        assert_eq!(own.strictest(Source::ClickUp), Access::Own);
    }

    fn ana() -> Person {
        Person {
            id: PersonId(1),
            name: "Ana".into(),
            slack: Some("U0ANN01".into()),
            github: Some("ana".into()),
            github_id: Some("11".into()),
            clickup: None,
            clickup_name: None,
            zone: chrono_tz::Tz::UTC,
            alone: false,
        }
    }

    fn account(id: &str, name: &str) -> Account {
        Account {
            id: id.into(),
            name: name.into(),
        }
    }

    /// An issue of Bo's, which somebody else wrote.
    fn of_bo() -> Task {
        let then = chrono::DateTime::from_timestamp(1_764_000_000, 0).unwrap();
        Task {
            key: TaskKey::github(1001, 7),
            id: TaskId::github(Some(repo("acme/widgets")), 7).unwrap(),
            container: "1001".into(),
            home: None,
            milestone: None,
            task_type: None,
            parent: None,
            children: None,
            title: "Raise the salaries".into(),
            description: "Ask anabel".into(),
            url: String::new(),
            status: TaskStatus::Todo,
            source_status: "open".into(),
            assignees: vec![account("12", "bo")],
            labels: Vec::new(),
            entity: None,
            priority: None,
            due: None,
            created_at: then,
            updated_at: then,
            commented_at: None,
            closed: None,
            reopened: false,
            custom_id: None,
            creator: Some(account("13", "cem")),
            links: Vec::new(),
        }
    }

    const NONE: Relations = Relations {
        creator: None,
        mentioned: false,
    };

    #[rstest]
    #[case::of_another(of_bo(), NONE, false)]
    #[case::unassigned(Task { assignees: vec![], ..of_bo() }, NONE, true)]
    #[case::assigned(Task { assignees: vec![account("12", "bo"), account("11", "ana-now")], ..of_bo() }, NONE, true)]
    #[case::of_an_account_that_took_the_login(Task { assignees: vec![account("99", "ana")], ..of_bo() }, NONE, false)]
    #[case::created(Task { creator: Some(account("11", "ana")), ..of_bo() }, NONE, true)]
    #[case::created_through_ivan(of_bo(), Relations { creator: Some(PersonId(1)), ..NONE }, true)]
    #[case::created_by_another_through_her_account(
        Task { creator: Some(account("11", "ana")), ..of_bo() },
        Relations { creator: Some(PersonId(2)), ..NONE },
        false
    )]
    #[case::mentioned_in_a_comment(of_bo(), Relations { mentioned: true, ..NONE }, true)]
    #[case::mentioned_in_the_description(Task { description: "Ask @Ana.".into(), ..of_bo() }, NONE, true)]
    #[case::named_like_her(Task { description: "Ask @anabel or ana".into(), ..of_bo() }, NONE, false)]
    fn a_task_is_own(#[case] task: Task, #[case] relations: Relations, #[case] is: bool) {
        assert_eq!(is_own(&ana(), &task, relations), is);
    }
}
