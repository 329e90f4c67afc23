//! The queries of the reading routes: their descriptions and checks.

use axum::http::Uri;
use serde::Deserialize;
use utoipa::IntoParams;

use super::problem::{Problem, ProblemKind};
use super::request::{query, read_ref};
use crate::commands::{LogRequest, StatusFilter, TaskFilter};
use crate::domain::command::Ref;
use crate::domain::filter::Filter;
use crate::domain::stats::StatsPeriod;
use crate::domain::task::{Source, TaskStatus};
use crate::verbs::body::start_of;
use crate::verbs::{Find, Verb as _};

/// How many tasks `GET /tasks` lists without `?limit=`.
const TASKS_LIMIT: usize = 50;
/// The largest `?limit=`.
pub(super) const TASKS_MAX: usize = 200;
/// How many tasks `GET /queue` shows without `?limit=`.
const QUEUE_LIMIT: usize = 20;
/// How many tasks `GET /find` shows without `?limit=`.
const FOUND_LIMIT: usize = 10;
/// How many entries `GET /log` shows without `?limit=`.
const LOG_LIMIT: usize = 50;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct CurrentQuery {
    /// Nobody sees the answer, as for a prompt or a completion: nothing is pinned.
    #[serde(default)]
    #[param(required = false, default = false)]
    pub peek: bool,
}

impl CurrentQuery {
    pub fn read(uri: &Uri) -> Result<CurrentQuery, Problem> {
        query(uri)
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct WhyQuery {
    /// A task other than the current one.
    #[param(value_type = Option<Ref>)]
    r#ref: Option<String>,
}

impl WhyQuery {
    pub fn read(uri: &Uri) -> Result<Option<Ref>, Problem> {
        let asked: WhyQuery = query(uri)?;
        asked.r#ref.as_deref().map(read_ref).transpose()
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct LogQuery {
    /// The most entries to return.
    #[param(value_type = Option<usize>, minimum = 1, maximum = 200, default = json!(LOG_LIMIT))]
    limit: Option<String>,
    /// `next_cursor` of the previous page.
    cursor: Option<String>,
    /// Only activity on this task.
    #[param(value_type = Option<Ref>)]
    task: Option<String>,
}

impl LogQuery {
    pub fn read(uri: &Uri) -> Result<LogRequest, Problem> {
        let asked: LogQuery = query(uri)?;
        Ok(LogRequest {
            person: None,
            task: asked.task.as_deref().map(read_ref).transpose()?,
            limit: asked.limit.as_deref().map_or(Ok(LOG_LIMIT), read_limit)?,
            cursor: asked.cursor,
        })
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct StatsQuery {
    /// The last 7 or 30 days, today included.
    #[param(value_type = Option<StatsPeriod>, inline)]
    period: Option<String>,
}

impl StatsQuery {
    pub fn read(uri: &Uri) -> Result<StatsPeriod, Problem> {
        let asked: StatsQuery = query(uri)?;
        let Some(word) = asked.period else {
            return Ok(StatsPeriod::default());
        };
        StatsPeriod::parse(&word).ok_or_else(|| {
            let why = format!("`period` must be week or month, not `{}`", start_of(&word));
            Problem::new(ProblemKind::BadQuery, why)
        })
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct QueueQuery {
    /// The most tasks to return.
    #[param(value_type = Option<usize>, minimum = 1, maximum = 200, default = json!(QUEUE_LIMIT))]
    limit: Option<String>,
    /// Words separated by spaces, all of which must match: `overdue`, `blocked`, `snoozed`, `clickup`, `github`, or the
    /// name of a client. Two sources or two clients match either.
    filter: Option<String>,
    /// Nobody sees the answer, as for a completion: the numbers do not work as `ref`, and those of the last list still do.
    #[serde(default)]
    #[param(required = false, default = false)]
    peek: bool,
}

/// What `GET /queue` is asked for.
pub(super) struct QueueRequest {
    pub limit: usize,
    pub filter: Filter,
    pub peek: bool,
}

impl QueueQuery {
    pub fn read(uri: &Uri) -> Result<QueueRequest, Problem> {
        let asked: QueueQuery = query(uri)?;
        Ok(QueueRequest {
            limit: asked.limit.as_deref().map_or(Ok(QUEUE_LIMIT), read_limit)?,
            filter: Filter::read(&asked.filter.unwrap_or_default()),
            peek: asked.peek,
        })
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct FindQuery {
    /// At most 12 words, each by its beginning, in any order. The words of `filter` count as filters here, too.
    words: String,
    /// As for `GET /queue`.
    filter: Option<String>,
    /// The most tasks to return.
    #[param(value_type = Option<usize>, minimum = 1, maximum = 200, default = json!(FOUND_LIMIT))]
    limit: Option<String>,
    /// Nobody sees the answer: the numbers do not work as `ref`, and those of the last list still do.
    #[serde(default)]
    #[param(required = false, default = false)]
    peek: bool,
}

/// What `GET /find` is asked for.
pub(super) struct FindRequest {
    pub find: Find,
    pub limit: usize,
    pub peek: bool,
}

impl FindQuery {
    pub fn read(uri: &Uri) -> Result<FindRequest, Problem> {
        let asked: FindQuery = query(uri)?;
        let mut find = Find::read(&asked.words)
            .map_err(|why| Problem::new(ProblemKind::BadQuery, why.to_string()))?;
        if let Some(filter) = asked.filter {
            find.filter = Filter::read(&format!("{} {filter}", find.filter));
        }
        let limit = asked.limit.as_deref().map(read_limit).transpose()?;
        Ok(FindRequest {
            limit: limit.or(find.limit).unwrap_or(FOUND_LIMIT).min(TASKS_MAX),
            find,
            peek: asked.peek,
        })
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct TasksQuery {
    /// Open tasks, those of one state, or all.
    #[param(value_type = Option<StatusFilter>, inline)]
    status: Option<String>,
    /// Only tasks of this source.
    #[param(value_type = Option<Source>)]
    source: Option<String>,
    /// Words separated by spaces, all of which must match: `overdue`, `blocked`, `snoozed`, `clickup`, `github`, or the
    /// name of a client. Two sources or two clients match either.
    filter: Option<String>,
    /// The most tasks to return.
    #[param(value_type = Option<usize>, minimum = 1, maximum = 200, default = json!(TASKS_LIMIT))]
    limit: Option<String>,
    /// `next_cursor` of the previous page.
    cursor: Option<String>,
}

impl TasksQuery {
    pub fn read(uri: &Uri) -> Result<TaskFilter, Problem> {
        let asked: TasksQuery = query(uri)?;
        let bad = |word: &str, is: &str, not: &str| {
            let why = format!("`{word}` must be {is}, not `{}`", start_of(not));
            Problem::new(ProblemKind::BadQuery, why)
        };
        let status = match asked.status.as_deref() {
            None | Some("open") => StatusFilter::Open,
            Some("all") => StatusFilter::All,
            Some(text) => StatusFilter::Is(
                TaskStatus::parse(text)
                    .ok_or_else(|| bad("status", "open, todo, in_progress, done or all", text))?,
            ),
        };
        let read_source = |text: &str| {
            Source::parse(text).ok_or_else(|| bad("source", "clickup or github", text))
        };
        Ok(TaskFilter {
            status,
            source: asked.source.as_deref().map(read_source).transpose()?,
            filter: Filter::read(&asked.filter.unwrap_or_default()),
            limit: asked.limit.as_deref().map_or(Ok(TASKS_LIMIT), read_limit)?,
            cursor: asked.cursor,
        })
    }
}

fn read_limit(text: &str) -> Result<usize, Problem> {
    let limit = text.parse().ok();
    limit
        .filter(|limit| (1..=TASKS_MAX).contains(limit))
        .ok_or_else(|| {
            let why = format!("`limit` must be 1 to {TASKS_MAX}, not `{}`", start_of(text));
            Problem::new(ProblemKind::BadQuery, why)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn tasks_are_the_open_ones_unless_asked_otherwise() {
        let wanted = |query: &str| TasksQuery::read(&query.parse().unwrap()).unwrap();
        assert_eq!(
            wanted("/tasks"),
            TaskFilter {
                status: StatusFilter::Open,
                source: None,
                filter: Filter::default(),
                limit: 50,
                cursor: None,
            }
        );
        assert_eq!(
            wanted(
                "/tasks?status=in_progress&source=github&filter=overdue+acme&limit=200&cursor=a%20b"
            ),
            TaskFilter {
                status: StatusFilter::Is(TaskStatus::InProgress),
                source: Some(Source::GitHub),
                filter: Filter::read("acme overdue"),
                limit: 200,
                cursor: Some("a b".into()),
            }
        );
        assert_eq!(wanted("/tasks?status=all").status, StatusFilter::All);
    }

    #[rstest]
    #[case("/tasks?status=closed", "status")]
    #[case("/tasks?source=jira", "source")]
    #[case("/tasks?limit=0", "limit")]
    #[case("/tasks?limit=201", "limit")]
    #[case("/tasks?limit=many", "limit")]
    #[case("/tasks?state=open", "state")]
    fn a_bad_query_says_which_word(#[case] uri: &str, #[case] word: &str) {
        let problem = TasksQuery::read(&uri.parse().unwrap()).err().unwrap();
        assert_eq!(problem.kind(), ProblemKind::BadQuery);
        let detail = problem.document()["detail"].to_string();
        assert!(detail.contains(&format!("`{word}`")), "{detail}");
    }
}
