//! Listings of ClickUp → tasks for the mirror: the configured lists, and the changes page by page.

use std::collections::BTreeSet;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::domain::event::{Activity, ActivityKind};
use crate::domain::operation::WriteError;
use crate::domain::source::{
    CommentPage, CommentsOf, Container, Listing, Page, SourceComment, SourceReader,
};
use crate::domain::task::{Source, TaskKey};
use crate::http_client::refused;

use super::ClickUp;
use super::client::{Request, segment};
use super::wire::{Millis, WireComment, WireTaskPage};
use super::writer::COMMENTS_A_PAGE;

/// ClickUp's page size is fixed (docs/contracts/clickup.md#listing-tasks).
const TASKS_A_PAGE: usize = 100;

/// The position in a listing: `open:<ms>:3`.
///
/// There are two passes, because archived tasks are only listed separately (docs/contracts/clickup.md#listing-tasks). Within a pass the
/// next page starts at the time of the last task. Page numbers would shift while tasks change, and a task would be
/// missed (docs/contracts/clickup.md#polling). The number counts only if a whole page has one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cursor {
    archived: bool,
    /// Only tasks changed after this, in ms.
    after: Option<i64>,
    number: u32,
}

impl Cursor {
    fn first(archived: bool, since: Option<DateTime<Utc>>) -> Cursor {
        Cursor {
            archived,
            // Strictly greater there, inclusive here.
            after: since.map(|since| since.timestamp_millis() - 1),
            number: 0,
        }
    }

    fn parse(token: &str) -> Option<Cursor> {
        let mut parts = token.splitn(3, ':');
        let archived = match parts.next()? {
            "open" => false,
            "archived" => true,
            _ => return None,
        };
        let after = match parts.next()? {
            "" => None,
            ms => Some(ms.parse().ok()?),
        };
        let number = parts.next()?.parse().ok()?;
        Some(Cursor {
            archived,
            after,
            number,
        })
    }

    fn token(self) -> String {
        let pass = if self.archived { "archived" } else { "open" };
        let after = self.after.map(|ms| ms.to_string()).unwrap_or_default();
        format!("{pass}:{after}:{}", self.number)
    }

    /// The position after a page, or `None` at the end of the pass.
    fn after(self, page: &WireTaskPage) -> Option<Cursor> {
        if page.last_page == Some(true) || page.tasks.len() < TASKS_A_PAGE {
            return None;
        }
        let times: Vec<_> = page.tasks.iter().map(|task| task.date_updated).collect();
        let by_number = Cursor {
            number: self.number + 1,
            ..self
        };
        let last = times.last().copied().flatten();
        Some(match last.map(|last| last.0 - 1) {
            Some(ms) if times.is_sorted() && self.after.is_none_or(|after| ms > after) => Cursor {
                after: Some(ms),
                number: 0,
                ..self
            },
            _ => by_number,
        })
    }
}

#[async_trait]
impl SourceReader for ClickUp {
    fn source(&self) -> Source {
        Source::ClickUp
    }

    fn rest_until(&self) -> Option<DateTime<Utc>> {
        self.limits().rest_until(self.clock.now())
    }

    async fn containers(&self) -> Vec<Result<Container, WriteError>> {
        let mut seen = BTreeSet::new();
        let mut containers = Vec::new();
        self.owner_zone().await;
        for configured in &self.mapping.lists {
            match self.read_list(configured).await {
                Ok(list) => {
                    let id = list.id.to_string();
                    if seen.insert(id.clone()) {
                        containers.push(Ok(Container {
                            source: Source::ClickUp,
                            name: list.name.unwrap_or_else(|| id.clone()),
                            id,
                            configured: configured.clone(),
                            archived: list.archived,
                        }));
                    }
                }
                Err(error) => containers.push(Err(error)),
            }
        }
        containers
    }

    async fn page(
        &self,
        container: &Container,
        since: Option<DateTime<Utc>>,
        page: Option<&str>,
    ) -> Result<Page, WriteError> {
        let cursor = match page {
            None => Cursor::first(false, since),
            Some(token) => Cursor::parse(token)
                .ok_or_else(|| refused(format!("ClickUp's listing has no page `{token}`")))?,
        };
        let mut request = Request::get(
            format!("/list/{}/task", segment(&container.id)),
            format!("the list {}", container.name),
        )
        .with("page", cursor.number)
        .with("archived", cursor.archived)
        .with("include_closed", true)
        .with("subtasks", true)
        // Includes tasks that were added to the list and live in another.
        .with("include_timl", true)
        .with("order_by", "updated")
        // The default is newest first.
        .with("reverse", true);
        if let Some(after) = cursor.after {
            request = request.with("date_updated_gt", after);
        }
        let listed: WireTaskPage = self.client.send(&request).await?;
        let next = cursor
            .after(&listed)
            .or_else(|| (!cursor.archived).then(|| Cursor::first(true, since)));
        self.know_types(&listed.tasks).await?;
        let tasks = listed.tasks.into_iter().filter_map(|task| {
            task.into_task(&self.mapping, Some(&container.id))
                .inspect_err(|why| {
                    tracing::warn!(source = "clickup", list = container.id, error = %why, "skipped an unreadable task");
                })
                .ok()
        });
        Ok(Page {
            tasks: tasks.collect(),
            next: next.map(Cursor::token),
        })
    }

    /// A list's comments cannot be listed (docs/contracts/clickup.md#polling).
    fn comments_are_listed(&self) -> Listing {
        Listing::ByTask
    }

    /// The next page starts after the last comment, whose time and id are the token: `<ms>:<id>` (docs/contracts/clickup.md#comments). Replies in threads are not listed.
    async fn comments(
        &self,
        of: CommentsOf<'_>,
        since: Option<DateTime<Utc>>,
        page: Option<&str>,
    ) -> Result<CommentPage, WriteError> {
        let key = match of {
            CommentsOf::Task(key) => key,
            CommentsOf::Container(list) => {
                return Err(refused(format!(
                    "ClickUp lists comments by task, not for list {}",
                    list.name
                )));
            }
        };
        let start = match page {
            None => None,
            Some(token) => Some(
                behind(token)
                    .ok_or_else(|| refused(format!("ClickUp's comments have no page `{token}`")))?,
            ),
        };
        // Without our own id, our comments would count as another person's.
        self.me().await?;
        let listed = self.comment_page(key, start.as_ref()).await?;
        let count = listed.comments.len();
        let last = listed.comments.last();
        let last = last.and_then(|last| Some((last.date?, last.id.to_string())));
        let next = last.filter(|last| {
            let date = last.0.time();
            // A page that makes no progress would be read for ever.
            count >= COMMENTS_A_PAGE && date >= since && start.as_ref() != Some(last)
        });
        let comments: Vec<SourceComment> = listed
            .comments
            .iter()
            .filter_map(|comment| self.listed_comment(key, comment))
            .filter(|comment| since.is_none_or(|since| comment.act.at >= since))
            .collect();
        Ok(CommentPage {
            newest: comments.iter().map(|comment| comment.act.at).max(),
            comments,
            next: next.map(|(date, id)| format!("{}:{id}", date.0)),
        })
    }
}

impl ClickUp {
    /// Converts a comment to our own types; `None` if it has no time.
    fn listed_comment(&self, key: &TaskKey, comment: &WireComment) -> Option<SourceComment> {
        Some(SourceComment {
            task: key.clone(),
            // Only its author can change a comment.
            edited: false,
            act: Activity {
                by: comment.user.as_ref().map(|user| self.actor(user)),
                at: comment.date?.time()?,
                what: ActivityKind::Commented {
                    id: comment.id.to_string(),
                    text: comment.text(),
                    operation: None,
                },
            },
        })
    }
}

fn behind(token: &str) -> Option<(Millis, String)> {
    let (ms, id) = token.split_once(':')?;
    Some((Millis(ms.parse().ok()?), id.to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::tests::clickup;
    use super::*;
    use crate::domain::operation::Refusal;
    use crate::domain::task::TaskStatus;
    use crate::http_client::fake::{Fake, SeenRequest, json as says};

    fn inbox() -> Container {
        Container {
            source: Source::ClickUp,
            id: "901".into(),
            name: "Inbox".into(),
            configured: "901".into(),
            archived: false,
        }
    }

    fn task(n: i64, updated: i64) -> Value {
        json!({"id": format!("86t{n}"), "name": "T", "status": {"status": "to do", "type": "open"},
            "date_created": "5", "date_updated": updated.to_string(), "list": {"id": "901"}})
    }

    /// Answers as ClickUp would with these tasks, none of them archived, oldest change first.
    fn listing(seen: &SeenRequest, tasks: &[Value]) -> Value {
        if seen.query("archived").as_deref() == Some("true") {
            return json!({"tasks": [], "last_page": true});
        }
        let number = |name: &str| seen.query(name).map(|value| value.parse::<i64>().unwrap());
        let after = number("date_updated_gt").unwrap_or(i64::MIN);
        let skip = number("page").unwrap() as usize * TASKS_A_PAGE;
        let updated = |task: &Value| {
            let ms = task["date_updated"].as_str().unwrap();
            ms.parse::<i64>().unwrap()
        };
        let matching: Vec<_> = tasks.iter().filter(|task| updated(task) > after).collect();
        let page: Vec<_> = matching.iter().skip(skip).take(TASKS_A_PAGE).collect();
        json!({"tasks": page, "last_page": matching.len() <= skip + TASKS_A_PAGE})
    }

    async fn everything(clickup: &super::super::ClickUp) -> (Vec<String>, usize) {
        let (mut ids, mut pages, mut next) = (Vec::new(), 0, None);
        loop {
            let page = clickup.page(&inbox(), None, next.as_deref()).await.unwrap();
            ids.extend(page.tasks.iter().map(|task| task.key.as_str().to_owned()));
            pages += 1;
            assert!(pages < 20, "the listing has no end");
            match page.next {
                Some(token) => next = Some(token),
                None => return (ids, pages),
            }
        }
    }

    #[tokio::test]
    async fn lists_are_named_and_counted_once_and_fail_on_their_own() {
        let fake = Fake::start(|seen| match seen.line().as_str() {
            "GET /list/901" => says(200, json!({"id": 901, "name": "Inbox", "statuses": null})),
            _ => says(
                401,
                json!({"err": "Team not authorized", "ECODE": "OAUTH_027"}),
            ),
        })
        .await;
        let containers = clickup(&fake.url).containers().await;
        assert_eq!(containers.len(), 2);
        assert_eq!(containers[0].as_ref(), Ok(&inbox()));
        let error = containers[1].as_ref().unwrap_err();
        assert!(matches!(
            error,
            WriteError::Refused {
                what: Refusal::Invisible,
                ..
            }
        ));
        assert!(error.to_string().contains("the list 902"), "{error}");
    }

    #[tokio::test]
    async fn every_page_of_both_passes_is_read() {
        let fake = Fake::start(|seen| {
            let mut old = task(900, 7);
            old["archived"] = json!(true);
            let tasks: Vec<Value> = (0..250).map(|n| task(n, 1_000 + n)).collect();
            match seen.query("archived").as_deref() {
                Some("true") => says(200, json!({"tasks": [old], "last_page": true})),
                _ => says(200, listing(seen, &tasks)),
            }
        })
        .await;
        let clickup = clickup(&fake.url);
        let (mut ids, pages) = everything(&clickup).await;
        ids.sort();
        ids.dedup();
        assert_eq!((ids.len(), pages), (251, 4));
        for seen in fake.seen() {
            assert_eq!(seen.query("include_closed").as_deref(), Some("true"));
            assert_eq!(seen.query("subtasks").as_deref(), Some("true"));
            assert_eq!(seen.query("include_timl").as_deref(), Some("true"));
            assert_eq!(seen.query("order_by").as_deref(), Some("updated"));
            assert_eq!(seen.query("reverse").as_deref(), Some("true"));
        }
        let archived = clickup
            .page(&inbox(), None, Some("archived::0"))
            .await
            .unwrap();
        assert_eq!(archived.tasks[0].status, TaskStatus::Done);
        assert_eq!(archived.next, None);
    }

    /// A task that changes between two pages moves to the end. By page numbers, the next task would be missed.
    #[tokio::test]
    async fn a_change_while_paging_hides_no_other_task() {
        let asked = std::sync::atomic::AtomicUsize::new(0);
        let fake = Fake::start(move |seen| {
            let before = asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let mut tasks: Vec<Value> = (0..150).map(|n| task(n, 1_000 + n)).collect();
            if before > 0 {
                tasks.remove(50);
                tasks.push(task(50, 9_000));
            }
            says(200, listing(seen, &tasks))
        })
        .await;
        let (mut ids, _) = everything(&clickup(&fake.url)).await;
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 150);
    }

    #[tokio::test]
    async fn tasks_changed_in_one_instant_are_paged_by_number() {
        let fake = Fake::start(|seen| {
            let tasks: Vec<Value> = (0..230).map(|n| task(n, 1_000)).collect();
            says(200, listing(seen, &tasks))
        })
        .await;
        let (mut ids, _) = everything(&clickup(&fake.url)).await;
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 230);
    }

    #[tokio::test]
    async fn since_is_inclusive_in_both_passes() {
        let fake = Fake::start(|_| says(200, json!({"tasks": [], "last_page": true}))).await;
        let since = DateTime::from_timestamp_millis(1_767_225_600_123);
        let clickup = clickup(&fake.url);
        let page = clickup.page(&inbox(), since, None).await.unwrap();
        let page = clickup
            .page(&inbox(), since, page.next.as_deref())
            .await
            .unwrap();
        assert_eq!(page.next, None);
        let asked: Vec<_> = fake
            .seen()
            .iter()
            .map(|seen| {
                (
                    seen.query("archived").unwrap(),
                    seen.query("date_updated_gt").unwrap(),
                )
            })
            .collect();
        let gt = "1767225600122".to_owned();
        assert_eq!(
            asked,
            [("false".to_owned(), gt.clone()), ("true".to_owned(), gt)]
        );
    }

    #[tokio::test]
    async fn comments_are_paged_back_to_where_they_are_known() {
        let fake = Fake::start(|seen| {
            if seen.line() == "GET /user" {
                return says(200, json!({"user": {"id": 4200, "username": "Ivan"}}));
            }
            let from = seen.query("start_id").map_or(60, |id| id.parse().unwrap());
            let comments: Vec<Value> = (0..from)
                .rev()
                .take(25)
                .map(|n| {
                    let by = if n == 30 { 4200 } else { 4243 };
                    json!({"id": n, "comment_text": format!("{n}\n"), "date": (1_000 + n).to_string(),
                        "user": {"id": by, "username": "Bo"}})
                })
                .collect();
            says(200, json!({"comments": comments}))
        })
        .await;
        let clickup = clickup(&fake.url);
        let key = TaskKey::clickup("86t1");
        let since = DateTime::from_timestamp_millis(1_020);
        let (mut found, mut next) = (Vec::new(), None);
        loop {
            let page = clickup.comments(CommentsOf::Task(&key), since, next.as_deref());
            let page = page.await.unwrap();
            found.extend(page.comments);
            match page.next {
                Some(token) => next = Some(token),
                None => break,
            }
        }
        assert_eq!(found.len(), 40);
        let ours = found.iter().find(|one| {
            let by = one.act.by.as_ref().unwrap();
            by.us
        });
        let act = &ours.unwrap().act;
        assert_eq!(act.at.timestamp_millis(), 1_030);
        let what = ActivityKind::Commented {
            id: "30".into(),
            text: "30".into(),
            operation: None,
        };
        assert_eq!(act.what, what);
        assert!(found.iter().all(|one| one.task == key));
        assert_eq!(fake.lines().len(), 3, "who we are, and two pages");
        let page = clickup.comments(CommentsOf::Task(&key), since, Some("https://evil.example/"));
        assert!(page.await.is_err());
    }

    #[tokio::test]
    async fn a_foreign_token_is_refused() {
        let fake = Fake::start(|_| says(200, json!({}))).await;
        for token in ["", "open", "open:x:0", "https://evil.example/", "closed::1"] {
            let page = clickup(&fake.url).page(&inbox(), None, Some(token)).await;
            assert!(page.is_err(), "{token}");
        }
        assert_eq!(fake.lines(), Vec::<String>::new());
    }
}
