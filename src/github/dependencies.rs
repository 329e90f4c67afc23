//! GitHub's own dependencies between issues → links (docs/contracts/github.md#issues).
//!
//! An issue has only the number of issues that it waits for; a further request returns them. It is sent only for issues
//! that wait for any, so that the cost of a poll grows with the number of changes.

use std::collections::BTreeSet;

use crate::domain::operation::WriteError;
use crate::domain::task::{Direction, LINKS_MAX, RelatedTask, Relation, RepoName, Task, TaskKey};

use super::GitHub;
use super::client::{ReadAnswer, Request};
use super::wire::{Blocker, Listed};
use super::writer::{named, parts};

impl GitHub {
    /// Adds the dependencies of its issue to a task, closed ones included: a closed issue may be reopened, and the
    /// waiting issue does not show that.
    pub(super) async fn add_dependencies(
        &self,
        task: &mut Task,
        name: &RepoName,
    ) -> Result<(), WriteError> {
        let (repository, number) = parts(&task.key)?;
        let path = format!("/repos/{name}/issues/{number}/dependencies/blocked_by");
        let thing = format!("the dependencies of {}", named(name, number));
        let request = Request::get(path, thing).with("per_page", 100);
        let got: Result<ReadAnswer<Listed<Blocker>>, _> = self.client.get(&request).await;
        let mut blockers = match got {
            Ok(got) => got.value.items,
            // The issue itself can still be used.
            Err(WriteError::Refused { why, .. }) => {
                tracing::debug!(source = "github", error = %why, "dependencies not read");
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        blockers.sort_by_key(Blocker::is_closed);
        let mut links: BTreeSet<Relation> = std::mem::take(&mut task.links).into_iter().collect();
        for blocker in blockers {
            if links.len() >= LINKS_MAX {
                break;
            }
            links.insert(Relation {
                way: Direction::BlockedBy,
                to: to(&blocker, repository, name),
            });
        }
        task.links = links.into_iter().collect();
        Ok(())
    }
}

/// The reference to the other issue: its key if that is known.
fn to(blocker: &Blocker, repository: u64, name: &RepoName) -> RelatedTask {
    let here = || RelatedTask::Task(TaskKey::github(repository, blocker.number));
    match (blocker.repository_id(), blocker.repository()) {
        (Some(id), _) => RelatedTask::Task(TaskKey::github(id, blocker.number)),
        (None, Some(other)) if !other.is(name) => RelatedTask::Issue {
            repo: other,
            number: blocker.number,
        },
        _ => here(),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::super::tests::{github, name, world};
    use super::*;
    use crate::domain::source::{SourceReader, SourceWriter};
    use crate::http_client::fake::{Fake, json as says};

    fn waiting(summary: Value) -> Value {
        json!({"number": 7, "state": "open", "title": "T", "body": "Blocked by #3",
            "updated_at": "2026-01-01T00:00:00Z", "issue_dependencies_summary": summary})
    }

    fn blocked_by(to: RelatedTask) -> Relation {
        Relation {
            way: Direction::BlockedBy,
            to,
        }
    }

    fn issue(repo: &str, number: u64) -> RelatedTask {
        RelatedTask::Issue {
            repo: name(repo),
            number,
        }
    }

    fn here(number: u64) -> RelatedTask {
        RelatedTask::Task(TaskKey::github(1001, number))
    }

    /// The listing of the dependencies, and the resulting blockers besides number 3 of its body.
    #[rstest]
    #[case::by_its_address(json!([{"number": 8, "repository_url": "https://api.github.com/repos/acme/widgets"}]), &[here(8)])]
    #[case::in_any_case(json!([{"number": 8, "repository_url": "https://x/repos/ACME/Widgets"}]), &[here(8)])]
    #[case::elsewhere(json!([{"number": 8, "repository_url": "https://api.github.com/repos/acme/api"}]), &[issue("acme/api", 8)])]
    #[case::by_the_page_for_people(json!([{"number": 8, "html_url": "https://github.com/acme/api/issues/8"}]), &[issue("acme/api", 8)])]
    #[case::with_its_repository(json!([{"number": 8, "repository": {"id": 2002, "full_name": "acme/gadgets"}}]),
        &[RelatedTask::Task(TaskKey::github(2002, 8))])]
    #[case::only_a_number(json!([{"number": 8}]), &[here(8)])]
    #[case::several_one_odd(json!([{"number": 8, "state": "closed"}, {"odd": true}, {"number": 9, "state": "open"}]),
        &[here(8), here(9)])]
    #[case::the_one_of_the_body(json!([{"number": 3}]), &[])]
    #[case::none(json!([]), &[])]
    #[tokio::test]
    async fn an_issue_waits_for_what_its_dependencies_name(
        #[case] listed: Value,
        #[case] expected: &[RelatedTask],
    ) {
        let fake = Fake::start(world(move |seen| match seen.line().as_str() {
            "GET /repos/acme/widgets/issues/7" => says(200, waiting(json!({"blocked_by": 1}))),
            "GET /repos/acme/widgets/issues/7/dependencies/blocked_by" => says(200, listed.clone()),
            line => panic!("{line}"),
        }))
        .await;
        let task = github(&fake.url).read(&TaskKey::github(1001, 7)).await;
        let mut links: BTreeSet<Relation> = expected.iter().cloned().map(blocked_by).collect();
        links.insert(blocked_by(here(3)));
        assert_eq!(task.unwrap().links, links.into_iter().collect::<Vec<_>>());
    }

    /// The content of the summary, and whether the dependencies are requested.
    #[rstest]
    #[case::it_waits(json!({"blocked_by": 1, "total_blocked_by": 1, "blocking": 0, "total_blocking": 0}), true)]
    #[case::what_it_waited_for_is_closed(json!({"blocked_by": 0, "total_blocked_by": 2}), true)]
    #[case::without_totals(json!({"blocked_by": 2}), true)]
    #[case::others_wait_for_it(json!({"blocked_by": 0, "total_blocked_by": 0, "blocking": 3, "total_blocking": 3}), false)]
    #[case::none(json!({"blocked_by": 0}), false)]
    #[case::odd(json!("odd"), false)]
    #[case::null(Value::Null, false)]
    #[tokio::test]
    async fn dependencies_are_asked_for_only_where_there_are_any(
        #[case] summary: Value,
        #[case] asks: bool,
    ) {
        let fake = Fake::start(world(move |seen| match seen.line().as_str() {
            "GET /repos/acme/widgets/issues" => says(200, json!([waiting(summary.clone())])),
            _ => says(200, json!([{"number": 8}])),
        }))
        .await;
        let github = github(&fake.url);
        let containers = github.containers().await;
        let container = containers[0].clone().unwrap();
        let page = github.page(&container, None, None).await.unwrap();
        let links = 1 + usize::from(asks);
        assert_eq!(page.tasks[0].links.len(), links);
        let asked = fake
            .lines()
            .iter()
            .filter(|line| line.contains("/dependencies/"))
            .count();
        assert_eq!(asked, usize::from(asks));
    }

    /// Requests about a closed issue wait until it is open again.
    #[tokio::test]
    async fn a_listing_asks_nothing_about_closed_issues() {
        let fake = Fake::start(world(|_| {
            let mut closed = waiting(json!({"blocked_by": 1}));
            closed["state"] = json!("closed");
            closed["closed_at"] = json!("2026-01-01T00:00:00Z");
            says(200, json!([closed]))
        }))
        .await;
        let github = github(&fake.url);
        let container = github.containers().await[0].clone().unwrap();
        github.page(&container, None, None).await.unwrap();
        assert!(
            !fake
                .lines()
                .iter()
                .any(|line| line.contains("/dependencies/"))
        );
    }

    /// After a refusal the issue has the links of its body only. A temporary error fails, and the page is read again.
    #[rstest]
    #[case::not_found(404, "Not Found", true)]
    #[case::not_allowed(403, "Resource not accessible by personal access token", true)]
    #[case::down(502, "Server Error", false)]
    #[tokio::test]
    async fn dependencies_that_cannot_be_read_hold_back_no_issue(
        #[case] status: u16,
        #[case] message: &'static str,
        #[case] read: bool,
    ) {
        let fake = Fake::start(world(move |seen| match seen.line().as_str() {
            "GET /repos/acme/widgets/issues/7" => says(200, waiting(json!({"blocked_by": 1}))),
            _ => says(status, json!({"message": message})),
        }))
        .await;
        let task = github(&fake.url).read(&TaskKey::github(1001, 7)).await;
        match task {
            Ok(task) => assert_eq!((read, task.links), (true, vec![blocked_by(here(3))])),
            Err(error) => assert!(
                !read && matches!(error, WriteError::NotTaken { .. }),
                "{error:?}"
            ),
        }
    }

    #[tokio::test]
    async fn so_many_links_are_kept_and_the_open_ones_first() {
        let fake = Fake::start(world(|seen| match seen.line().as_str() {
            "GET /repos/acme/widgets/issues/7" => says(200, waiting(json!({"blocked_by": 99}))),
            _ => {
                let of = |number: u64| json!({"number": number, "state": if number < 80 { "closed" } else { "open" }});
                says(200, json!((10..100).map(of).collect::<Vec<_>>()))
            }
        }))
        .await;
        let task = github(&fake.url)
            .read(&TaskKey::github(1001, 7))
            .await
            .unwrap();
        assert_eq!(task.links.len(), LINKS_MAX);
        for number in 80..100 {
            assert!(task.links.contains(&blocked_by(here(number))), "{number}");
        }
    }
}
