//! The handlers of the routes that write: a body → a `Command`, its outcome → an answer or a [`Problem`].

#[cfg(test)]
pub(super) mod tests;

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::ToSchema;

use super::answers::{Answered, ReceiptsAnswer, Rhythm};
use super::problem::{Extension, FailedWrite, Kind, Problem};
use super::request::{Sent, TaskPath, WRITE_WAIT, read_ref, start_of};
use super::{Api, schemas};
use crate::commands::{Answer, Asked, Report, ReportState, RhythmChange};
use crate::domain::command::{Assignee, Ref, TaskDraft};
use crate::domain::operation::Refusal;
use crate::domain::receipts::Receipts;
use crate::domain::rhythm::{DEFAULT, HOURS_HELP, Quiet, TIME_HELP, time_of_day};
use crate::domain::task::{Priority, RepoName, Source};
use crate::domain::when::{DueWhen, WHEN_HELP, When};
use crate::verbs::grammar::is_none;
use crate::verbs::receipts::ReceiptsBy;
use crate::verbs::{self, Command};

/// Any task by its REF; without one the current task.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DoneBody {
    /// Another task than the current one.
    #[schema(value_type = Option<Ref>)]
    r#ref: Option<String>,
    #[schema(min_length = 1)]
    comment: Option<String>,
}

pub(super) async fn done(State(api): State<Api>, sent: Sent) -> Result<Response, Problem> {
    let body: DoneBody = sent.json_or_default()?;
    let command = verbs::Done {
        task: body.r#ref.as_deref().map(read_ref).transpose()?,
        comment: body
            .comment
            .map(|text| written("comment", text))
            .transpose()?,
    };
    write(&api, sent, command.into()).await
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CommentBody {
    /// Another task than the current one.
    #[schema(value_type = Option<Ref>)]
    r#ref: Option<String>,
    #[schema(min_length = 1)]
    text: String,
}

pub(super) async fn comment(State(api): State<Api>, sent: Sent) -> Result<Response, Problem> {
    let body: CommentBody = sent.json()?;
    let command = verbs::Comment {
        task: body.r#ref.as_deref().map(read_ref).transpose()?,
        text: written("text", body.text)?,
        in_thread: false,
    };
    write(&api, sent, command.into()).await
}

pub(super) async fn next(State(api): State<Api>, sent: Sent) -> Result<Response, Problem> {
    let _: Nothing = sent.json_or_default()?;
    write(&api, sent, verbs::Next::default().into()).await
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RefBody {
    /// Another task than the current one.
    #[schema(value_type = Option<Ref>)]
    r#ref: Option<String>,
}

impl RefBody {
    fn task(&self) -> Result<Option<Ref>, Problem> {
        self.r#ref.as_deref().map(read_ref).transpose()
    }
}

pub(super) async fn start(State(api): State<Api>, sent: Sent) -> Result<Response, Problem> {
    let task = sent.json_or_default::<RefBody>()?.task()?;
    write(&api, sent, verbs::Start { task }.into()).await
}

pub(super) async fn start_task(
    State(api): State<Api>,
    TaskPath(id): TaskPath,
    sent: Sent,
) -> Result<Response, Problem> {
    let _: Nothing = sent.json_or_default()?;
    let task = Some(Ref::Id(id));
    write(&api, sent, verbs::Start { task }.into()).await
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReopenBody {
    #[schema(value_type = Ref)]
    r#ref: Option<String>,
}

pub(super) async fn reopen(State(api): State<Api>, sent: Sent) -> Result<Response, Problem> {
    let body: ReopenBody = sent.json_or_default()?;
    let task = body.r#ref.as_deref().map(read_ref).transpose()?;
    write(&api, sent, verbs::Reopen { task }.into()).await
}

pub(super) async fn reopen_task(
    State(api): State<Api>,
    TaskPath(id): TaskPath,
    sent: Sent,
) -> Result<Response, Problem> {
    let _: Nothing = sent.json_or_default()?;
    let task = Some(Ref::Id(id));
    write(&api, sent, verbs::Reopen { task }.into()).await
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SnoozeBody {
    /// Another task than the current one.
    #[schema(value_type = Option<Ref>)]
    r#ref: Option<String>,
    #[schema(value_type = When)]
    until: String,
}

pub(super) async fn snooze(State(api): State<Api>, sent: Sent) -> Result<Response, Problem> {
    let body: SnoozeBody = sent.json()?;
    let command = verbs::Snooze {
        task: body.r#ref.as_deref().map(read_ref).transpose()?,
        until: read_when(&body.until)?,
    };
    write(&api, sent, command.into()).await
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SnoozeTaskBody {
    #[schema(value_type = When)]
    until: String,
}

pub(super) async fn snooze_task(
    State(api): State<Api>,
    TaskPath(id): TaskPath,
    sent: Sent,
) -> Result<Response, Problem> {
    let body: SnoozeTaskBody = sent.json()?;
    let command = verbs::Snooze {
        task: Some(Ref::Id(id)),
        until: read_when(&body.until)?,
    };
    write(&api, sent, command.into()).await
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AssignBody {
    /// Another task than the current one.
    #[schema(value_type = Option<Ref>)]
    r#ref: Option<String>,
    /// A name of `[[people]]`, a Slack id or a GitHub login.
    #[schema(min_length = 1)]
    person: String,
}

pub(super) async fn assign(State(api): State<Api>, sent: Sent) -> Result<Response, Problem> {
    let body: AssignBody = sent.json()?;
    let command = verbs::Assign {
        task: body.r#ref.as_deref().map(read_ref).transpose()?,
        to: read_person(&body.person)?,
    };
    write(&api, sent, command.into()).await
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AssignTaskBody {
    /// A name of `[[people]]`, a Slack id or a GitHub login.
    #[schema(min_length = 1)]
    person: String,
}

pub(super) async fn assign_task(
    State(api): State<Api>,
    TaskPath(id): TaskPath,
    sent: Sent,
) -> Result<Response, Problem> {
    let body: AssignTaskBody = sent.json()?;
    let command = verbs::Assign {
        task: Some(Ref::Id(id)),
        to: read_person(&body.person)?,
    };
    write(&api, sent, command.into()).await
}

pub(super) async fn claim(State(api): State<Api>, sent: Sent) -> Result<Response, Problem> {
    let task = sent.json_or_default::<RefBody>()?.task()?;
    write(&api, sent, verbs::Claim { task }.into()).await
}

pub(super) async fn claim_task(
    State(api): State<Api>,
    TaskPath(id): TaskPath,
    sent: Sent,
) -> Result<Response, Problem> {
    let _: Nothing = sent.json_or_default()?;
    let task = Some(Ref::Id(id));
    write(&api, sent, verbs::Claim { task }.into()).await
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DueBody {
    /// Another task than the current one.
    #[schema(value_type = Option<Ref>)]
    r#ref: Option<String>,
    #[schema(value_type = DueWhen)]
    due: String,
}

pub(super) async fn due(State(api): State<Api>, sent: Sent) -> Result<Response, Problem> {
    let body: DueBody = sent.json()?;
    let command = verbs::Due {
        task: body.r#ref.as_deref().map(read_ref).transpose()?,
        at: read_due(&body.due)?,
    };
    write(&api, sent, command.into()).await
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DueTaskBody {
    #[schema(value_type = DueWhen)]
    due: String,
}

pub(super) async fn due_task(
    State(api): State<Api>,
    TaskPath(id): TaskPath,
    sent: Sent,
) -> Result<Response, Problem> {
    let body: DueTaskBody = sent.json()?;
    let command = verbs::Due {
        task: Some(Ref::Id(id)),
        at: read_due(&body.due)?,
    };
    write(&api, sent, command.into()).await
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PriorityBody {
    /// Another task than the current one.
    #[schema(value_type = Option<Ref>)]
    r#ref: Option<String>,
    #[schema(schema_with = schemas::priority_or_none)]
    priority: String,
}

pub(super) async fn priority(State(api): State<Api>, sent: Sent) -> Result<Response, Problem> {
    let body: PriorityBody = sent.json()?;
    let command = verbs::Prio {
        task: body.r#ref.as_deref().map(read_ref).transpose()?,
        priority: read_priority(&body.priority)?,
    };
    write(&api, sent, command.into()).await
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PriorityTaskBody {
    #[schema(schema_with = schemas::priority_or_none)]
    priority: String,
}

pub(super) async fn priority_task(
    State(api): State<Api>,
    TaskPath(id): TaskPath,
    sent: Sent,
) -> Result<Response, Problem> {
    let body: PriorityTaskBody = sent.json()?;
    let command = verbs::Prio {
        task: Some(Ref::Id(id)),
        priority: read_priority(&body.priority)?,
    };
    write(&api, sent, command.into()).await
}

pub(super) async fn undo(State(api): State<Api>, sent: Sent) -> Result<Response, Problem> {
    let _: Nothing = sent.json_or_default()?;
    write(&api, sent, verbs::Undo::default().into()).await
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BriefingBody {
    /// A time of day in the person's zone, `off`, or `default`: as `slack.briefing` has it.
    #[schema(examples("8:30", "9am", "off", "default"))]
    at: String,
}

pub(super) async fn briefing(State(api): State<Api>, sent: Sent) -> Result<Json<Rhythm>, Problem> {
    let body: BriefingBody = sent.json()?;
    let change = match body.at.trim() {
        "off" => RhythmChange::Briefing(None),
        DEFAULT => RhythmChange::UsualBriefing,
        time => RhythmChange::Briefing(Some(time_of_day(time).ok_or_else(|| {
            let why = format!(
                "`at` is {TIME_HELP}, `off` or `default`; not `{}`",
                start_of(time)
            );
            Problem::new(Kind::BadBody, why)
        })?)),
    };
    change_rhythm(&api, &sent, change).await
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReceiptsBody {
    /// `message`, `reactions`, or `default`: as `slack.receipts` has it.
    #[schema(examples("reactions", "message", "default"))]
    by: String,
}

pub(super) async fn set_receipts(
    State(api): State<Api>,
    sent: Sent,
) -> Result<Json<ReceiptsAnswer>, Problem> {
    let body: ReceiptsBody = sent.json()?;
    let by = match body.by.trim() {
        DEFAULT => ReceiptsBy::Default,
        by => ReceiptsBy::Own(Receipts::typed(by).ok_or_else(|| {
            let by = start_of(by);
            let why = format!("`by` is `reactions`, `message` or `default`; not `{by}`");
            Problem::new(Kind::BadBody, why)
        })?),
    };
    let person = api.commands.who(sent.actor.as_deref()).await?;
    Ok(Json(api.commands.receipts(&person, Some(by)).await?.into()))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct QuietBody {
    /// Hours of the day in the person's zone, `off`, or `default`: as `slack.quiet` has it.
    #[schema(examples("20:00-8:00", "off", "default"))]
    hours: String,
}

pub(super) async fn quiet(State(api): State<Api>, sent: Sent) -> Result<Json<Rhythm>, Problem> {
    let body: QuietBody = sent.json()?;
    let change = match body.hours.trim() {
        "off" => RhythmChange::Quiet(None),
        DEFAULT => RhythmChange::UsualQuiet,
        hours => RhythmChange::Quiet(Some(Quiet::parse(hours).ok_or_else(|| {
            let why = format!(
                "`hours` are {HOURS_HELP}, `off` or `default`; not `{}`",
                start_of(hours)
            );
            Problem::new(Kind::BadBody, why)
        })?)),
    };
    change_rhythm(&api, &sent, change).await
}

/// It is idempotent.
async fn change_rhythm(
    api: &Api,
    sent: &Sent,
    change: RhythmChange,
) -> Result<Json<Rhythm>, Problem> {
    let person = api.commands.who(sent.actor.as_deref()).await?;
    Ok(Json(
        api.commands.rhythm(&person, Some(change)).await?.into(),
    ))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LinkBody {
    #[schema(value_type = Source)]
    source: String,
    /// GitHub login; ClickUp name, e-mail address or member id.
    #[schema(min_length = 1)]
    account: String,
}

pub(super) async fn link(State(api): State<Api>, sent: Sent) -> Result<Response, Problem> {
    let body: LinkBody = sent.json()?;
    let command = verbs::Link {
        source: read_source(&body.source)?,
        account: written("account", body.account)?,
        confirmed: None,
    };
    write(&api, sent, command.into()).await
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UnlinkBody {
    #[schema(value_type = Source)]
    source: String,
}

pub(super) async fn unlink(State(api): State<Api>, sent: Sent) -> Result<Response, Problem> {
    let body: UnlinkBody = sent.json()?;
    let source = read_source(&body.source)?;
    write(&api, sent, verbs::Unlink { source }.into()).await
}

/// A body that may be absent or `{}`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateBody {
    /// One line.
    #[schema(min_length = 1)]
    title: String,
    description: Option<String>,
    /// Default: `queue.default_source`.
    #[schema(value_type = Option<Source>)]
    source: Option<String>,
    /// The client that it is for: ClickUp tag `client:<entity>`, GitHub title prefix `[CLIENT:<entity>] `.
    entity_id: Option<String>,
    /// GitHub `owner/name`.
    #[schema(pattern = "^[^/]+/[^/]+$")]
    repo: Option<String>,
    /// ClickUp list id.
    list: Option<String>,
    /// The person that it is assigned to: a name of `[[people]]`, a Slack id, a GitHub login, or `nobody`. Default: the
    /// person who creates it, as far as their account is known. A source that does not assign it says so in `message`.
    assignee: Option<String>,
}

pub(super) async fn create(State(api): State<Api>, sent: Sent) -> Result<Response, Problem> {
    let body: CreateBody = sent.json()?;
    let command = verbs::Create::from(read_create(body)?);
    write(&api, sent, command.into()).await
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CompleteBody {
    #[schema(min_length = 1)]
    comment: Option<String>,
}

pub(super) async fn complete(
    State(api): State<Api>,
    TaskPath(id): TaskPath,
    sent: Sent,
) -> Result<Response, Problem> {
    let body: CompleteBody = sent.json_or_default()?;
    let command = verbs::Done {
        task: Some(Ref::Id(id)),
        comment: body
            .comment
            .map(|text| written("comment", text))
            .transpose()?,
    };
    write(&api, sent, command.into()).await
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CommentOnBody {
    #[schema(min_length = 1)]
    text: String,
}

pub(super) async fn comment_on(
    State(api): State<Api>,
    TaskPath(id): TaskPath,
    sent: Sent,
) -> Result<Response, Problem> {
    let body: CommentOnBody = sent.json()?;
    let command = verbs::Comment {
        task: Some(Ref::Id(id)),
        text: written("text", body.text)?,
        in_thread: false,
    };
    write(&api, sent, command.into()).await
}

/// Runs a command and waits for its outcome.
async fn write(api: &Api, sent: Sent, command: Command) -> Result<Response, Problem> {
    let person = api.commands.who(sent.actor.as_deref()).await?;
    let once = sent.once(&person);
    let creates = matches!(command, Command::Create(_));
    let asked = Asked {
        person,
        command,
        once,
        via: sent.via,
    };
    let (command, operation_id) = match api.commands.ask(asked).await? {
        Answer::Accepted {
            command,
            operation_id,
        } => (command, operation_id),
        Answer::Moved { message, current } => {
            return Ok(Json(Answered::moved(message.plain(), current.as_deref())).into_response());
        }
        Answer::Settled(report) => return answer(&report, creates),
    };
    let wait = sent.wait.unwrap_or(WRITE_WAIT);
    let mut report = tokio::select! {
        report = api.commands.outcome(command, wait) => report?,
        () = sent.stopping() => api.commands.outcome(command, Duration::ZERO).await?,
    };
    report.operation_id.get_or_insert(operation_id);
    answer(&report, creates)
}

/// The answer to a report: 200 with an outcome, 202 queued, else a problem. `creates`: the command names no task.
fn answer(report: &Report, creates: bool) -> Result<Response, Problem> {
    let answered = Answered::of(report);
    let kind = match &report.state {
        ReportState::Done => return Ok(Json(answered).into_response()),
        ReportState::Queued | ReportState::SetAside => {
            return Ok((StatusCode::ACCEPTED, Json(answered)).into_response());
        }
        ReportState::Refused(Refusal::Gone) => Kind::Gone,
        ReportState::Refused(Refusal::Changed) => Kind::Changed,
        // It was never mirrored, and its source has no such task, or hides it.
        ReportState::Refused(Refusal::Invisible) if report.task.is_none() && !creates => {
            Kind::UnknownTask
        }
        ReportState::Refused(Refusal::Invisible | Refusal::NotMirrored | Refusal::Other) => {
            Kind::SourceRefused
        }
        ReportState::GivenUp => Kind::GivenUp,
    };
    let failed = FailedWrite {
        success: false,
        operation_id: answered.operation_id,
        task_id: answered.task_id,
        current_state: answered.current_state,
    };
    Err(Problem::new(kind, answered.message).with(Extension::Write(failed)))
}

fn read_source(text: &str) -> Result<Source, Problem> {
    Source::parse(text.trim()).ok_or_else(|| {
        let why = format!("`source` is clickup or github; not `{}`", start_of(text));
        Problem::new(Kind::BadBody, why)
    })
}

fn read_when(text: &str) -> Result<When, Problem> {
    When::parse(text).ok_or_else(|| {
        let why = format!(
            "`until`: `{}` is no time that I understand. It is {WHEN_HELP}, or an RFC 3339 time with its offset",
            start_of(text)
        );
        Problem::new(Kind::BadBody, why)
    })
}

fn read_person(text: &str) -> Result<String, Problem> {
    let name = text.trim().trim_start_matches('@');
    written("person", name.to_owned())
}

fn read_due(text: &str) -> Result<Option<DueWhen>, Problem> {
    if is_none(text) {
        return Ok(None);
    }
    When::parse_due(text).map(Some).ok_or_else(|| {
        let why = format!(
            "`due`: `{}` is no time that I understand. It is {WHEN_HELP}, an RFC 3339 time with its offset, or none",
            start_of(text)
        );
        Problem::new(Kind::BadBody, why)
    })
}

fn read_priority(text: &str) -> Result<Option<Priority>, Problem> {
    if is_none(text) {
        return Ok(None);
    }
    Priority::parse(text).map(Some).ok_or_else(|| {
        let why = format!(
            "`priority` is urgent, high, normal, low or none; not `{}`",
            start_of(text)
        );
        Problem::new(Kind::BadBody, why)
    })
}

/// A text that must not be empty; it is stored unchanged.
fn written(field: &str, text: String) -> Result<String, Problem> {
    if text.trim().is_empty() {
        let why = format!("`{field}` is empty; say something in it");
        return Err(Problem::new(Kind::BadBody, why));
    }
    Ok(text)
}

fn read_create(body: CreateBody) -> Result<TaskDraft, Problem> {
    let bad = |why: String| Problem::new(Kind::BadBody, why);
    // A no-break space in a title is a space (design 10).
    let title = written("title", body.title)?.replace('\u{a0}', " ");
    let title = title.trim();
    if title.chars().any(char::is_control) {
        let why =
            "`title` is one line without control characters; the rest belongs into `description`";
        return Err(bad(why.to_owned()));
    }
    let said = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
    let short = |text| said(text).map(|text| text.trim().to_owned());
    let read_source = |text: String| read_source(&text);
    let read_repo = |text: String| {
        let wrong = || bad(format!("`repo` is owner/name; not `{}`", start_of(&text)));
        RepoName::parse(&text).ok_or_else(wrong)
    };
    Ok(TaskDraft {
        title: title.to_owned(),
        description: said(body.description),
        source: short(body.source).map(read_source).transpose()?,
        entity: short(body.entity_id),
        repo: short(body.repo).map(read_repo).transpose()?,
        list: short(body.list),
        due: None,
        assignee: short(body.assignee).map(Assignee::Called),
    })
}
