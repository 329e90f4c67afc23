//! The handlers of the routes that read tasks, the log, and people's settings.

use axum::Json;
use axum::extract::State;
use axum::http::Uri;

use super::Api;
use super::answers::{
    Briefing, CurrentJson, LogAnswer, Queue, ReceiptsAnswer, Rhythm, TaskJson, TaskPage, Whoami,
    Why,
};
use super::problem::Problem;
use super::queries::{LogQuery, QueueQuery, TasksQuery, WhyQuery};
use super::request::{Actor, TaskPath};
use crate::commands::{Current, LogAsked};

pub(super) async fn current(
    State(api): State<Api>,
    Actor(actor): Actor,
) -> Result<Json<CurrentJson>, Problem> {
    let person = api.commands.who(actor.as_deref()).await?;
    Ok(Json(match api.commands.current(&person).await? {
        Current::Task(current) => CurrentJson::of(&current),
        Current::Nothing(why) => CurrentJson::without(&why),
    }))
}

pub(super) async fn why(
    State(api): State<Api>,
    Actor(actor): Actor,
    uri: Uri,
) -> Result<Json<Why>, Problem> {
    let task = WhyQuery::read(&uri)?;
    let person = api.commands.who(actor.as_deref()).await?;
    Ok(Json(api.commands.why(&person, task).await?.into()))
}

/// A request without an actor is the operator's, and shows everyone's activity.
pub(super) async fn log(
    State(api): State<Api>,
    Actor(actor): Actor,
    uri: Uri,
) -> Result<Json<LogAnswer>, Problem> {
    let asked = LogQuery::read(&uri)?;
    let person = match &actor {
        Some(actor) => Some(api.commands.who(Some(actor)).await?),
        None => None,
    };
    let asked = LogAsked { person, ..asked };
    Ok(Json(api.commands.log(asked).await?.into()))
}

pub(super) async fn morning(
    State(api): State<Api>,
    Actor(actor): Actor,
) -> Result<Json<Briefing>, Problem> {
    let person = api.commands.who(actor.as_deref()).await?;
    let view = api.commands.morning(&person).await?;
    Ok(Json(Briefing::from(&view)))
}

pub(super) async fn rhythm(
    State(api): State<Api>,
    Actor(actor): Actor,
) -> Result<Json<Rhythm>, Problem> {
    let person = api.commands.who(actor.as_deref()).await?;
    Ok(Json(api.commands.rhythm(&person, None).await?.into()))
}

pub(super) async fn receipts(
    State(api): State<Api>,
    Actor(actor): Actor,
) -> Result<Json<ReceiptsAnswer>, Problem> {
    let person = api.commands.who(actor.as_deref()).await?;
    Ok(Json(api.commands.receipts(&person, None).await?.into()))
}

pub(super) async fn whoami(
    State(api): State<Api>,
    Actor(actor): Actor,
) -> Result<Json<Whoami>, Problem> {
    let person = api.commands.who(actor.as_deref()).await?;
    Ok(Json(api.commands.identity(&person).await?.into()))
}

pub(super) async fn task(
    State(api): State<Api>,
    TaskPath(id): TaskPath,
    Actor(actor): Actor,
) -> Result<Json<TaskJson>, Problem> {
    let person = api.commands.who(actor.as_deref()).await?;
    let scored = api.commands.task(&person, &id).await?;
    Ok(Json(TaskJson::of(&scored)))
}

pub(super) async fn tasks(
    State(api): State<Api>,
    Actor(actor): Actor,
    uri: Uri,
) -> Result<Json<TaskPage>, Problem> {
    let wanted = TasksQuery::read(&uri)?;
    let person = api.commands.who(actor.as_deref()).await?;
    let (tasks, next_cursor) = api.commands.tasks(&person, &wanted).await?;
    let tasks = tasks.iter().map(TaskJson::of).collect();
    Ok(Json(TaskPage { tasks, next_cursor }))
}

pub(super) async fn queue(
    State(api): State<Api>,
    Actor(actor): Actor,
    uri: Uri,
) -> Result<Json<Queue>, Problem> {
    let (limit, filter) = QueueQuery::read(&uri)?;
    let person = api.commands.who(actor.as_deref()).await?;
    let listed = api.commands.list(&person, limit, &filter).await?;
    Ok(Json(Queue::from(&listed)))
}
