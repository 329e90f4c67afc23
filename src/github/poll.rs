//! Listings of GitHub → tasks for the mirror: the configured repositories, and the changes page by page.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::MutexGuard;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;

use crate::domain::event::{Activity, ActivityKind, Actor};
use crate::domain::operation::WriteError;
use crate::domain::source::{
    CommentPage, CommentsOf, Container, Listing, Page, SourceComment, SourceReader,
};
use crate::domain::task::{RepoName, Source, TaskKey};
use crate::http_client::refused;
use crate::runtime::lock;

use super::GitHub;
use super::client::{ReadAnswer, Request};
use super::wire::{self, Listed, WireIssue, lenient_time};
use super::writer::seconds;

/// How long a probe may miss a change of the same time or before: `updated_at` is in whole seconds, and listings lag
/// (docs/contracts/github.md#conditional-requests-and-polling: two minutes of overlap).
const SETTLES: TimeDelta = TimeDelta::minutes(2);

/// The kind of listing of a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ListingKind {
    Issues,
    Comments,
}

impl ListingKind {
    /// The request below the repository. Comments have no state.
    fn listing(self, name: &RepoName, thing: &str) -> Request {
        match self {
            ListingKind::Issues => {
                Request::get(format!("/repos/{name}/issues"), thing).with("state", "all")
            }
            ListingKind::Comments => Request::get(format!("/repos/{name}/issues/comments"), thing),
        }
        .with("sort", "updated")
    }
}

/// The ETag of a probe, which belongs to one URL (docs/contracts/github.md#conditional-requests-and-polling).
#[derive(Debug, Clone, PartialEq, Eq)]
struct Tag {
    name: RepoName,
    etag: String,
}

/// The probes of a repository.
#[derive(Debug, Default)]
pub(super) struct Probed {
    /// From the last probe whose poll is stored.
    kept: Option<Tag>,
    /// From the probe whose poll is being read.
    reading: Option<Tag>,
}

/// The issue or comment that changed last, as far as a probe reads it.
#[derive(Deserialize)]
struct Newest {
    #[serde(default, deserialize_with = "lenient_time")]
    updated_at: Option<DateTime<Utc>>,
}

impl GitHub {
    /// Whether anything changed since the last stored poll; if not, it costs no rate limit (docs/contracts/github.md#conditional-requests-and-polling). It
    /// keeps returning `true` until [`SourceReader::walked`].
    async fn has_changed(
        &self,
        id: u64,
        what: ListingKind,
        thing: &str,
    ) -> Result<bool, WriteError> {
        let name = self.name_of(id).await?;
        let kept = {
            let mut probes = self.lock_probes();
            let probed = probes.entry((id, what)).or_default();
            probed.reading = None;
            probed.kept.clone().filter(|tag| tag.name == name)
        };
        // The URL stays the same, without a `since` that moves.
        let request = what
            .listing(&name, thing)
            .with("direction", "desc")
            .with("per_page", 1)
            .unless(kept.map(|tag| tag.etag));
        let now = self.client.rest.now();
        let Some((newest, etag)) = self.client.get_if_new::<Listed<Newest>>(&request).await? else {
            return Ok(false);
        };
        // The time of a change that cannot be read may be now.
        let settled = newest
            .items
            .iter()
            .all(|newest| newest.updated_at.is_some_and(|at| at + SETTLES < now));
        if let Some(etag) = etag.filter(|_| settled) {
            let mut probes = self.lock_probes();
            probes.entry((id, what)).or_default().reading = Some(Tag { name, etag });
        }
        Ok(true)
    }

    /// Records that the poll after a successful probe is stored.
    fn keep_probe(&self, container: &Container, what: ListingKind) {
        let Ok(id) = container.id.parse::<u64>() else {
            return;
        };
        if let Some(probed) = self.lock_probes().get_mut(&(id, what))
            && let Some(tag) = probed.reading.take()
        {
            probed.kept = Some(tag);
        }
    }

    fn lock_probes(&self) -> MutexGuard<'_, BTreeMap<(u64, ListingKind), Probed>> {
        lock(&self.probes)
    }

    /// Converts a comment to our own types; `None` if it is on a pull request, or has no time.
    fn comment(&self, repository: u64, comment: &wire::WireComment) -> Option<SourceComment> {
        let at = comment.created_at?;
        let (text, operation) = comment.text();
        let user = comment.user.as_ref();
        Some(SourceComment {
            task: TaskKey::github(repository, comment.issue()?),
            edited: comment.is_edited(),
            act: Activity {
                by: user.map(|user| Actor {
                    outside: comment.is_by_an_outsider(),
                    ..self.known(user, user.is_bot())
                }),
                at,
                what: ActivityKind::Commented {
                    id: comment.id.to_string(),
                    text: text.into(),
                    operation,
                },
            },
        })
    }
}

fn repository_of(container: &Container, thing: &str) -> Result<u64, WriteError> {
    let parsed = container.id.parse();
    parsed.map_err(|_| refused(format!("{thing} has no GitHub id")))
}

#[async_trait]
impl SourceReader for GitHub {
    fn source(&self) -> Source {
        Source::GitHub
    }

    fn walked(&self, container: &Container) {
        self.keep_probe(container, ListingKind::Issues);
    }

    fn listened(&self, container: &Container) {
        self.keep_probe(container, ListingKind::Comments);
    }

    async fn moved_to(&self, key: &TaskKey) -> Result<Option<TaskKey>, WriteError> {
        self.successor(key).await
    }

    fn rest_until(&self) -> Option<DateTime<Utc>> {
        self.limits().rest_until(self.client.rest.now())
    }

    async fn containers(&self) -> Vec<Result<Container, WriteError>> {
        let mut seen = BTreeSet::new();
        let mut containers = Vec::new();
        for (configured, resolved) in self.resolve_all().await {
            let located = match resolved {
                Ok((id, _)) => self.locate(id).await.map(|name| (id, name)),
                Err(error) => Err(error),
            };
            match located {
                // Two names of one repository, perhaps the old and the new one.
                Ok((id, _)) if !seen.insert(id) => {}
                Ok((id, name)) => containers.push(Ok(Container {
                    source: Source::GitHub,
                    id: id.to_string(),
                    name: name.to_string(),
                    configured: configured.to_string(),
                    archived: self.is_archived(id),
                })),
                Err(error) => containers.push(Err(error)),
            }
        }
        containers
    }

    /// Pages follow GitHub's own links (docs/contracts/github.md#calls): their form is its own, and they do not shift.
    async fn page(
        &self,
        container: &Container,
        since: Option<DateTime<Utc>>,
        page: Option<&str>,
    ) -> Result<Page, WriteError> {
        let thing = format!("the repository {}", container.name);
        let id = repository_of(container, &thing)?;
        if page.is_none()
            && since.is_some()
            && !self.has_changed(id, ListingKind::Issues, &thing).await?
        {
            return Ok(Page {
                tasks: Vec::new(),
                next: None,
            });
        }
        let (name, request) = match page {
            // A name is verified before a listing begins.
            None => {
                let name = self.locate(id).await?;
                let mut request = ListingKind::Issues
                    .listing(&name, &thing)
                    .with("direction", "asc")
                    .with("per_page", 100);
                if let Some(since) = since {
                    request = request.with("since", seconds(since));
                }
                (name, request)
            }
            Some(link) => (
                self.name_of(id).await?,
                self.client.follow(link, thing.as_str())?,
            ),
        };
        let me = self.me().await?;
        let got: ReadAnswer<Listed<WireIssue>> = self.client.get(&request).await?;
        let mut tasks = Vec::new();
        for issue in got.value.items {
            if issue.is_pull_request() {
                continue;
            }
            let waits = issue.is_open() && issue.waits();
            match issue.into_task(&self.mapping, id, &name, me) {
                Ok(mut task) => {
                    if waits {
                        self.add_dependencies(&mut task, &name).await?;
                    }
                    tasks.push(task);
                }
                Err(why) => {
                    tracing::warn!(source = "github", repository = id, error = %why, "skipped an unreadable issue")
                }
            }
        }
        Ok(Page {
            tasks,
            next: got.next,
        })
    }

    fn comments_are_listed(&self) -> Listing {
        Listing::ByContainer
    }

    async fn comments(
        &self,
        of: CommentsOf<'_>,
        since: Option<DateTime<Utc>>,
        page: Option<&str>,
    ) -> Result<CommentPage, WriteError> {
        let container = match of {
            CommentsOf::Container(container) => container,
            CommentsOf::Task(task) => {
                return Err(refused(format!(
                    "GitHub lists comments by repository, not by {}",
                    task.as_str()
                )));
            }
        };
        let thing = format!("the comments of {}", container.name);
        let id = repository_of(container, &thing)?;
        let what = ListingKind::Comments;
        if page.is_none() && since.is_some() && !self.has_changed(id, what, &thing).await? {
            return Ok(CommentPage {
                comments: Vec::new(),
                newest: None,
                next: None,
            });
        }
        let request = match page {
            None => {
                let request = what.listing(&self.locate(id).await?, &thing);
                match since {
                    Some(since) => request
                        .with("direction", "asc")
                        .with("per_page", 100)
                        .with("since", seconds(since)),
                    None => request.with("direction", "desc").with("per_page", 100),
                }
            }
            Some(link) => self.client.follow(link, thing.as_str())?,
        };
        // Without our own id, our comments would count as another person's.
        self.me().await?;
        let got: ReadAnswer<Listed<wire::WireComment>> = self.client.get(&request).await?;
        let listed = got.value.items.iter();
        Ok(CommentPage {
            newest: listed
                .clone()
                .filter_map(wire::WireComment::changed_at)
                .max(),
            comments: listed.filter_map(|one| self.comment(id, one)).collect(),
            next: got.next.filter(|_| since.is_some()),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, Mutex as StdMutex};

    use rstest::rstest;
    use serde_json::{Value, json};

    use crate::clock::Clock;

    use super::super::tests::{github, repository, world};
    use super::*;
    use crate::http_client::fake::{Fake, FakeResponse, json as says};

    fn widgets() -> Container {
        Container {
            source: Source::GitHub,
            id: "1001".into(),
            name: "acme/widgets".into(),
            configured: "acme/widgets".into(),
            archived: false,
        }
    }

    fn issue(number: u64) -> Value {
        json!({"number": number, "state": "open", "title": "T", "updated_at": "2026-01-01T00:00:00Z"})
    }

    #[tokio::test]
    async fn repositories_are_named_and_counted_once_and_fail_on_their_own() {
        let fake = Fake::start(|seen| match seen.line().as_str() {
            "GET /repos/acme/widgets" => says(200, repository(1001, "acme/widgets")),
            _ => says(404, json!({"message": "Not Found"})),
        })
        .await;
        let containers = github(&fake.url).containers().await;
        assert_eq!(containers.len(), 2);
        assert_eq!(containers[0].as_ref(), Ok(&widgets()));
        let error = containers[1].as_ref().unwrap_err();
        assert!(
            error.to_string().contains("the repository acme/gadgets"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn the_old_and_the_new_name_are_one_repository() {
        let fake = Fake::start(|seen| match seen.line().as_str() {
            "GET /repos/acme/widgets" => {
                let to = vec![("Location", "/repositories/1001".to_owned())];
                FakeResponse::Text(301, to, String::new())
            }
            _ => says(200, repository(1001, "acme/gadgets")),
        })
        .await;
        let containers = github(&fake.url).containers().await;
        assert_eq!(containers.len(), 1);
        let one = containers[0].as_ref().unwrap();
        assert_eq!(
            (one.name.as_str(), one.configured.as_str()),
            ("acme/gadgets", "acme/widgets")
        );
    }

    #[tokio::test]
    async fn pages_follow_the_links_and_leave_pull_requests_out() {
        let fake = Fake::start(world(|seen| match seen.query("page").as_deref() {
            None => {
                let host = seen.header("host").unwrap();
                let next = format!("<http://{host}/repositories/1001/issues?page=2>; rel=\"next\"");
                let mut pull = issue(2);
                pull["pull_request"] = json!({"url": "x"});
                let items = json!([issue(1), pull, {"odd": true}, issue(3)]);
                FakeResponse::Text(200, vec![("Link", next)], items.to_string())
            }
            Some(_) => says(200, json!([issue(4)])),
        }))
        .await;
        let github = github(&fake.url);
        github.containers().await;
        let first = github.page(&widgets(), None, None).await.unwrap();
        let second = github
            .page(&widgets(), None, first.next.as_deref())
            .await
            .unwrap();
        assert_eq!(second.next, None);
        let tasks = first.tasks.iter().chain(&second.tasks);
        let ids: Vec<_> = tasks.map(|task| task.id.to_string()).collect();
        assert_eq!(
            ids,
            [
                "github:acme/widgets#1",
                "github:acme/widgets#3",
                "github:acme/widgets#4"
            ]
        );
        let seen = fake.seen();
        let listing = seen
            .iter()
            .find(|seen| seen.line() == "GET /repos/acme/widgets/issues");
        let listing = listing.unwrap();
        for (key, value) in [
            ("state", "all"),
            ("sort", "updated"),
            ("direction", "asc"),
            ("per_page", "100"),
        ] {
            assert_eq!(listing.query(key).as_deref(), Some(value));
        }
        assert_eq!(listing.query("since"), None);
    }

    #[tokio::test]
    async fn since_is_in_whole_seconds() {
        let fake = Fake::start(world(|_| says(200, json!([])))).await;
        let since = DateTime::from_timestamp_millis(1_767_225_600_999);
        let github = github(&fake.url);
        github.containers().await;
        let page = github.page(&widgets(), since, None).await.unwrap();
        assert_eq!((page.tasks.len(), page.next), (0, None));
        let asked = fake.seen().pop().unwrap();
        assert_eq!(
            asked.query("since").as_deref(),
            Some("2026-01-01T00:00:00Z")
        );
    }

    /// `acme/widgets` with an ETag for its newest issue: 304 if the request has it. `listing` answers listings.
    async fn tagged(
        etag: Arc<StdMutex<&'static str>>,
        newest: DateTime<Utc>,
        listing: impl Fn() -> FakeResponse + Send + Sync + 'static,
    ) -> Fake {
        Fake::start(world(move |seen| {
            let etag = *etag.lock().unwrap();
            match (
                seen.query("per_page").as_deref(),
                seen.header("if-none-match"),
            ) {
                (Some("1"), Some(known)) if known == etag => {
                    FakeResponse::Text(304, Vec::new(), String::new())
                }
                (Some("1"), _) => {
                    let mut issue = issue(1);
                    issue["updated_at"] = json!(newest);
                    let tag = vec![("ETag", etag.to_owned())];
                    FakeResponse::Text(200, tag, json!([issue]).to_string())
                }
                _ => listing(),
            }
        }))
        .await
    }

    fn some_time_ago() -> DateTime<Utc> {
        DateTime::from_timestamp(1_767_225_600, 0).unwrap()
    }

    /// Polls once, as the reconciler does; returns the number of tasks, and the requests for issues.
    async fn poll(github: &GitHub, fake: &Fake) -> (Result<usize, WriteError>, Vec<String>) {
        let before = fake.seen().len();
        let since = Some(some_time_ago());
        let page = github.page(&widgets(), since, None).await;
        if page.as_ref().is_ok_and(|page| page.next.is_none()) {
            github.walked(&widgets());
        }
        let asked = fake.seen().into_iter().skip(before);
        let asked = asked.filter_map(|seen| seen.query("per_page")).collect();
        (page.map(|page| page.tasks.len()), asked)
    }

    fn asked(sizes: &[&str]) -> Vec<String> {
        sizes.iter().map(|size| (*size).to_owned()).collect()
    }

    #[tokio::test]
    async fn what_did_not_change_is_not_listed_again() {
        let etag = Arc::new(StdMutex::new("W/\"one\""));
        let list = || says(200, json!([issue(1)]));
        let fake = tagged(etag.clone(), some_time_ago(), list).await;
        let github = github(&fake.url);
        github.containers().await;
        assert_eq!(poll(&github, &fake).await, (Ok(1), asked(&["1", "100"])));
        let before = fake.lines().len();
        assert_eq!(poll(&github, &fake).await, (Ok(0), asked(&["1"])));
        assert_eq!(fake.lines().len(), before + 1, "one request, and no other");
        let probe = fake.seen().pop().unwrap();
        assert_eq!(
            probe.target,
            "/repos/acme/widgets/issues?state=all&sort=updated&direction=desc&per_page=1"
        );
        assert_eq!(probe.header("if-none-match"), Some("W/\"one\""));
        *etag.lock().unwrap() = "W/\"two\"";
        assert_eq!(poll(&github, &fake).await, (Ok(1), asked(&["1", "100"])));
        assert_eq!(poll(&github, &fake).await, (Ok(0), asked(&["1"])));
    }

    #[tokio::test]
    async fn a_full_walk_asks_nobody_whether_it_is_needed() {
        let etag = Arc::new(StdMutex::new("W/\"one\""));
        let list = || says(200, json!([issue(1)]));
        let fake = tagged(etag, some_time_ago(), list).await;
        let github = github(&fake.url);
        github.containers().await;
        poll(&github, &fake).await.0.unwrap();
        let before = fake.seen().len();
        let page = github.page(&widgets(), None, None).await.unwrap();
        assert_eq!(page.tasks.len(), 1);
        let seen = fake.seen().into_iter().skip(before);
        let sizes: Vec<_> = seen.filter_map(|seen| seen.query("per_page")).collect();
        assert_eq!(sizes, ["100"]);
    }

    #[tokio::test]
    async fn a_change_whose_listing_failed_is_listed_again() {
        let etag = Arc::new(StdMutex::new("W/\"one\""));
        let fails = Arc::new(AtomicBool::new(true));
        let failing = fails.clone();
        let list = move || match failing.load(Ordering::SeqCst) {
            true => says(502, json!({"message": "Server Error"})),
            false => says(200, json!([issue(1)])),
        };
        let fake = tagged(etag, some_time_ago(), list).await;
        let github = github(&fake.url);
        github.containers().await;
        let (failed, _) = poll(&github, &fake).await;
        assert!(failed.is_err(), "{failed:?}");
        fails.store(false, Ordering::SeqCst);
        // Read, but not stored: the walk as a whole failed after it.
        let since = Some(some_time_ago());
        let page = github.page(&widgets(), since, None).await.unwrap();
        assert_eq!(page.tasks.len(), 1);
        assert_eq!(poll(&github, &fake).await, (Ok(1), asked(&["1", "100"])));
        assert_eq!(poll(&github, &fake).await, (Ok(0), asked(&["1"])));
    }

    #[tokio::test]
    async fn a_change_of_this_moment_may_hide_another_one() {
        let etag = Arc::new(StdMutex::new("W/\"one\""));
        let list = || says(200, json!([issue(1)]));
        let fake = tagged(etag, Clock::system().now(), list).await;
        let github = github(&fake.url);
        github.containers().await;
        for _ in 0..2 {
            assert_eq!(poll(&github, &fake).await, (Ok(1), asked(&["1", "100"])));
        }
    }

    #[tokio::test]
    async fn polls_leave_the_last_tenth_of_the_rate_limit_alone() {
        let left = Arc::new(StdMutex::new(500));
        let remaining = left.clone();
        let reset = Clock::system().now().timestamp() + 600;
        let fake = Fake::start(move |_| {
            let headers = vec![
                ("x-ratelimit-limit", "5000".to_owned()),
                (
                    "x-ratelimit-remaining",
                    remaining.lock().unwrap().to_string(),
                ),
                ("x-ratelimit-reset", reset.to_string()),
            ];
            FakeResponse::Text(200, headers, repository(1001, "acme/widgets").to_string())
        })
        .await;
        let github = github(&fake.url);
        assert_eq!(github.rest_until(), None, "nothing is known yet");
        github.containers().await;
        assert_eq!(github.rest_until(), None);
        *left.lock().unwrap() = 499;
        github.containers().await;
        assert_eq!(github.rest_until(), DateTime::from_timestamp(reset, 0));
    }

    fn comment(id: u64, page: &str, by: Value) -> Value {
        let issue = "https://api.github.com/repos/acme/widgets/issues/7";
        json!({"id": id, "body": "Seen on 17.4 too", "user": by, "issue_url": issue,
            "html_url": format!("https://github.com/acme/widgets/{page}/7#issuecomment-{id}"),
            "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-02T00:00:00Z"})
    }

    #[tokio::test]
    async fn comments_are_read_by_their_last_change_and_say_who_wrote_them() {
        let bo = json!({"login": "bo", "id": 12, "type": "User"});
        let bot = json!({"login": "builds", "id": 13, "type": "Bot"});
        let us = json!({"login": "ivan-bot", "id": 40, "type": "User"});
        let mut ours = comment(904, "issues", us);
        ours["body"] = json!("shipped\n\n<!-- ivan:op=01JX -->");
        let mut timeless = comment(905, "issues", bo.clone());
        timeless["created_at"] = Value::Null;
        let mut ghosts = comment(906, "issues", Value::Null);
        ghosts["updated_at"] = Value::Null;
        let mut of_pull = comment(902, "pull", bo.clone());
        of_pull["updated_at"] = json!("2026-01-03T00:00:00Z");
        let listed = json!([
            comment(901, "issues", bo),
            of_pull,
            comment(903, "issues", bot),
            ours,
            timeless,
            ghosts,
            {"odd": true}
        ]);
        let fake = Fake::start(world(move |seen| {
            let next = format!(
                "<http://{}/next>; rel=\"next\"",
                seen.header("host").unwrap()
            );
            FakeResponse::Text(200, vec![("Link", next)], listed.to_string())
        }))
        .await;
        let github = github(&fake.url);
        github.containers().await;
        let since = DateTime::from_timestamp(1_767_225_600, 0);
        let container = widgets();
        let of = CommentsOf::Container(&container);
        let page = github.comments(of, since, None).await.unwrap();
        assert!(page.next.unwrap().ends_with("/next"));
        let newest = page.newest.unwrap().to_rfc3339();
        assert_eq!(newest, "2026-01-03T00:00:00+00:00", "of the pull request");
        let told: Vec<_> = page
            .comments
            .iter()
            .map(|comment| {
                assert_eq!(comment.task, TaskKey::github(1001, 7));
                assert_eq!(Some(comment.act.at), since);
                let by = comment.act.by.as_ref();
                let by = by.map(|by| (by.account.name.as_str(), by.bot, by.us));
                let ActivityKind::Commented {
                    id,
                    text,
                    operation,
                } = &comment.act.what
                else {
                    panic!("{comment:?}");
                };
                (id.as_str(), by, text.to_string(), operation.clone())
            })
            .collect();
        assert_eq!(
            told.iter()
                .map(|(id, by, text, operation)| (*id, *by, text.as_str(), operation.as_deref()))
                .collect::<Vec<_>>(),
            [
                ("901", Some(("bo", false, false)), "Seen on 17.4 too", None),
                (
                    "903",
                    Some(("builds", true, false)),
                    "Seen on 17.4 too",
                    None
                ),
                (
                    "904",
                    Some(("ivan-bot", true, true)),
                    "shipped",
                    Some("01JX")
                ),
                ("906", None, "Seen on 17.4 too", None),
            ]
        );
        let asked = fake.seen().pop().unwrap();
        assert_eq!(asked.line(), "GET /repos/acme/widgets/issues/comments");
        for (key, value) in [
            ("sort", "updated"),
            ("direction", "asc"),
            ("per_page", "100"),
            ("since", "2026-01-01T00:00:00Z"),
        ] {
            assert_eq!(asked.query(key).as_deref(), Some(value));
        }
        // The first time, only the newest page is read.
        let first = github.comments(of, None, None).await.unwrap();
        assert_eq!((first.comments.len(), first.next), (4, None));
        let asked = fake.seen().pop().unwrap();
        assert_eq!(asked.query("direction").as_deref(), Some("desc"));
        assert_eq!(asked.query("since"), None);
    }

    #[tokio::test]
    async fn unchanged_comments_are_asked_for_by_their_etag_apart_from_issues() {
        let etag = Arc::new(StdMutex::new("W/\"one\""));
        let fake = tagged(etag, DateTime::from_timestamp(1, 0).unwrap(), || {
            says(200, json!([]))
        })
        .await;
        let github = github(&fake.url);
        github.containers().await;
        let since = DateTime::from_timestamp(1_767_225_600, 0);
        let container = widgets();
        let before = fake.lines().len();
        for _ in 0..2 {
            let page = github
                .comments(CommentsOf::Container(&container), since, None)
                .await;
            assert_eq!(page.unwrap().next, None);
            github.listened(&container);
        }
        let asked: Vec<_> = fake.seen()[before..]
            .iter()
            .filter(|seen| seen.line().ends_with("/issues/comments"))
            .map(|seen| {
                (
                    seen.query("per_page"),
                    seen.header("if-none-match").is_some(),
                )
            })
            .collect();
        let of = |pages: &str, known| (Some(pages.to_owned()), known);
        assert_eq!(asked, [of("1", false), of("100", false), of("1", true)]);
        github.page(&container, since, None).await.unwrap();
        let issues = fake.seen();
        let issues = issues.iter().find(|seen| seen.line().ends_with("/issues"));
        assert_eq!(issues.unwrap().header("if-none-match"), None);
    }

    /// A proxy at `github.api_url` passes on GitHub's own URLs: path and query are requested from the proxy.
    #[rstest]
    #[case::of_github(
        "",
        "https://api.github.com/repositories/1001/issues?state=all&page=2",
        "/repositories/1001/issues?state=all&page=2"
    )]
    #[case::by_name(
        "",
        "https://api.github.com/repos/acme/widgets/issues?page=2",
        "/repos/acme/widgets/issues?page=2"
    )]
    #[case::below_a_path(
        "/github",
        "https://api.github.com/repositories/1001/issues?page=2",
        "/github/repositories/1001/issues?page=2"
    )]
    #[case::of_an_enterprise_server(
        "",
        "https://ghe.example/api/v3/repositories/1001/issues?page=2",
        "/repositories/1001/issues?page=2"
    )]
    #[case::its_own_below_a_path("/api/v3", "", "/api/v3/repositories/1001/issues?page=2")]
    #[case::another_port(
        "",
        "http://127.0.0.1:1/repositories/1001/issues?page=2",
        "/repositories/1001/issues?page=2"
    )]
    #[tokio::test]
    async fn pages_behind_a_proxy_are_asked_of_the_proxy(
        #[case] base: &str,
        #[case] link: &str,
        #[case] asked: &str,
    ) {
        let (below, next, goes_on) = (base.to_owned(), link.to_owned(), asked.to_owned());
        let answers = world(move |seen| {
            if seen.target == goes_on {
                return says(200, json!([issue(8)]));
            }
            let next = match next.as_str() {
                "" => format!("http://{}{goes_on}", seen.header("host").unwrap()),
                next => next.to_owned(),
            };
            let link = vec![("Link", format!("<{next}>; rel=\"next\""))];
            FakeResponse::Text(200, link, json!([issue(7)]).to_string())
        });
        let fake = Fake::start(move |seen| {
            let inner = seen.without_base(&below);
            match inner.target.ends_with("page=2") {
                true => answers(seen),
                false => answers(&inner),
            }
        })
        .await;
        let github = github(&format!("{}{base}", fake.url));
        github.containers().await;
        let first = github.page(&widgets(), None, None).await.unwrap();
        let next = github.page(&widgets(), None, first.next.as_deref()).await;
        let numbers = |page: &Page| {
            page.tasks
                .iter()
                .map(|task| task.key.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(numbers(&first), [TaskKey::github(1001, 7)]);
        assert_eq!(numbers(&next.unwrap()), [TaskKey::github(1001, 8)]);
    }

    #[tokio::test]
    async fn a_page_elsewhere_is_not_asked_for() {
        let fake = Fake::start(world(|_| says(200, json!([])))).await;
        let github = github(&fake.url);
        github.containers().await;
        let before = fake.lines().len();
        for link in [
            "https://evil.example/login?page=2",
            "https://evil.example/repos",
            "ftp://evil.example/repos/acme/widgets/issues?page=2",
            "open:3",
            "",
        ] {
            let page = github.page(&widgets(), None, Some(link)).await;
            assert!(page.is_err(), "{link}");
        }
        assert_eq!(fake.lines().len(), before);
    }
}
