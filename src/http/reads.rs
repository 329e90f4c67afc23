//! The handlers of the routes that read tasks, the log, and people's settings.

use axum::Json;
use axum::extract::State;
use axum::http::Uri;

use super::ApiState;
use super::answers::{
    BriefingAnswer, CurrentJson, FoundAnswer, LogAnswer, PeopleAnswer, QueueAnswer, ReceiptsAnswer,
    ScheduleAnswer, StatsAnswer, TaskJson, TaskPageAnswer, WhoamiAnswer, WhyAnswer,
};
use super::problem::Problem;
use super::queries::{
    CurrentQuery, FindQuery, LogQuery, QueueQuery, StatsQuery, TasksQuery, WhyQuery,
};
use super::request::{Caller, TaskPath};
use crate::commands::{CurrentView, LogRequest, TaskReader};

pub(super) async fn current(
    State(api): State<ApiState>,
    caller: Caller,
    uri: Uri,
) -> Result<Json<CurrentJson>, Problem> {
    let shows = caller.shows(CurrentQuery::read(&uri)?.peek);
    let person = api.who(&caller).await?;
    Ok(Json(match api.commands.current(&person, shows).await? {
        CurrentView::Task(current) => CurrentJson::of(&current),
        CurrentView::Nothing(why) => CurrentJson::without(&why),
    }))
}

pub(super) async fn why(
    State(api): State<ApiState>,
    caller: Caller,
    uri: Uri,
) -> Result<Json<WhyAnswer>, Problem> {
    let task = WhyQuery::read(&uri)?;
    let person = api.who(&caller).await?;
    Ok(Json(
        api.commands
            .why(&person, task, caller.shows(false))
            .await?
            .into(),
    ))
}

/// A request without an actor is the operator's, and shows everyone's activity, unless its token acts as one person.
pub(super) async fn log(
    State(api): State<ApiState>,
    caller: Caller,
    uri: Uri,
) -> Result<Json<LogAnswer>, Problem> {
    let asked = LogQuery::read(&uri)?;
    let person = match caller.names_a_person() {
        true => Some(api.who(&caller).await?),
        false => None,
    };
    let asked = LogRequest { person, ..asked };
    Ok(Json(api.commands.log(asked).await?.into()))
}

/// A request without an actor is the operator's, and shows everybody's figures, unless its token acts as one person.
pub(super) async fn stats(
    State(api): State<ApiState>,
    caller: Caller,
    uri: Uri,
) -> Result<Json<StatsAnswer>, Problem> {
    let period = StatsQuery::read(&uri)?;
    let is_operators = !caller.names_a_person();
    let person = match api.who(&caller).await {
        Ok(person) => Some(person),
        Err(_) if is_operators => None,
        Err(problem) => return Err(problem),
    };
    let view = api.commands.stats(person, is_operators, period).await?;
    Ok(Json(StatsAnswer::from(view)))
}

pub(super) async fn morning(
    State(api): State<ApiState>,
    caller: Caller,
) -> Result<Json<BriefingAnswer>, Problem> {
    let person = api.who(&caller).await?;
    let view = api.commands.morning(&person, caller.shows(false)).await?;
    Ok(Json(BriefingAnswer::from(&view)))
}

pub(super) async fn rhythm(
    State(api): State<ApiState>,
    caller: Caller,
) -> Result<Json<ScheduleAnswer>, Problem> {
    let person = api.who(&caller).await?;
    Ok(Json(api.commands.rhythm(&person, None).await?.into()))
}

pub(super) async fn receipts(
    State(api): State<ApiState>,
    caller: Caller,
) -> Result<Json<ReceiptsAnswer>, Problem> {
    let person = api.who(&caller).await?;
    Ok(Json(api.commands.receipts(&person, None).await?.into()))
}

pub(super) async fn whoami(
    State(api): State<ApiState>,
    caller: Caller,
) -> Result<Json<WhoamiAnswer>, Problem> {
    let person = api.who(&caller).await?;
    Ok(Json(api.commands.identity(&person).await?.into()))
}

/// The names of all people, as `assign` takes them. The answer is the same for everybody.
pub(super) async fn people(
    State(api): State<ApiState>,
    _caller: Caller,
) -> Result<Json<PeopleAnswer>, Problem> {
    Ok(Json(PeopleAnswer::of(api.commands.names().await?)))
}

pub(super) async fn task(
    State(api): State<ApiState>,
    TaskPath(id): TaskPath,
    caller: Caller,
) -> Result<Json<TaskJson>, Problem> {
    let person = api.who(&caller).await?;
    let scored = api.commands.task(&person, &id).await?;
    Ok(Json(TaskJson::of(&scored)))
}

/// A request without an actor is the operator's, and shows all tasks, unless its token acts as one person.
pub(super) async fn tasks(
    State(api): State<ApiState>,
    caller: Caller,
    uri: Uri,
) -> Result<Json<TaskPageAnswer>, Problem> {
    let wanted = TasksQuery::read(&uri)?;
    let reader = match api.who(&caller).await {
        Ok(person) if caller.names_a_person() => TaskReader::Person(person),
        Ok(person) => TaskReader::Operator(Some(person)),
        Err(_) if !caller.names_a_person() => TaskReader::Operator(None),
        Err(problem) => return Err(problem),
    };
    let (tasks, next_cursor) = api.commands.tasks(reader, &wanted).await?;
    let tasks = tasks.iter().map(TaskJson::of).collect();
    Ok(Json(TaskPageAnswer { tasks, next_cursor }))
}

pub(super) async fn queue(
    State(api): State<ApiState>,
    caller: Caller,
    uri: Uri,
) -> Result<Json<QueueAnswer>, Problem> {
    let asked = QueueQuery::read(&uri)?;
    let person = api.who(&caller).await?;
    let listed = api
        .commands
        .list(
            &person,
            asked.limit,
            &asked.filter,
            caller.shows(asked.peek),
        )
        .await?;
    Ok(Json(QueueAnswer::from(&listed)))
}

pub(super) async fn find(
    State(api): State<ApiState>,
    caller: Caller,
    uri: Uri,
) -> Result<Json<FoundAnswer>, Problem> {
    let asked = FindQuery::read(&uri)?;
    let person = api.who(&caller).await?;
    let shows = caller.shows(asked.peek);
    let found = api
        .commands
        .find(&person, asked.find, asked.limit, shows)
        .await?;
    Ok(Json(FoundAnswer::from(&found)))
}
