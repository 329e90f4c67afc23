//! Parsing of bodies, and answers to reports.

use axum::body::to_bytes;
use axum::http::Request;
use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::domain::command::TaskDraft;
use crate::domain::reply::Text;
use crate::domain::task::{RepoName, Source};
use crate::http::BODY_MAX;
use crate::http::answers::tests::completed;
use crate::http::problem::PROBLEM_JSON;
use crate::http::request::tests::{post, sent};
use crate::verbs::VERBS;

pub(in crate::http) async fn json_of(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), BODY_MAX).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap())
}

async fn answered(report: Report) -> (u16, Value) {
    json_of(answer(&report, false).into_response()).await
}

#[tokio::test]
async fn a_completed_task_is_answered_with_all_fields() {
    let (status, body) = answered(completed()).await;
    assert_eq!(status, 200);
    assert_eq!(
        body,
        json!({
            "success": true,
            "message": "Task completed in ClickUp: Renew the certificate",
            "completed_task_id": "clickup:86tst0001",
            "conflict": false,
            "current_state": "complete",
            "operation_id": "01JOP",
            "task_id": "clickup:86tst0001",
            "next_task": {
                "task_id": "github:acme/widgets#7",
                "title": "Login fails on Safari",
                "url": "https://github.com/acme/widgets/issues/7",
                "source": "github",
            },
        })
    );
}

#[tokio::test]
async fn a_queued_write_is_no_success_yet() {
    let queued = Report {
        state: ReportState::Queued,
        completed: false,
        next: None,
        ..completed()
    };
    let (status, body) = answered(queued).await;
    assert_eq!(status, 202);
    assert_eq!(body["queued"], true);
    assert_eq!(body["success"], false);
    assert_eq!(body["completed_task_id"], Value::Null);
    assert_eq!(body["next_task"], Value::Null);
}

#[tokio::test]
async fn a_comment_completes_nothing() {
    let commented = Report {
        completed: false,
        ..completed()
    };
    let (status, body) = answered(commented).await;
    assert_eq!(status, 200);
    assert_eq!(body["completed_task_id"], Value::Null);
    assert_eq!(body["task_id"], "clickup:86tst0001");
}

#[rstest]
#[case::gone(ReportState::Refused(Refusal::Gone), 404, "gone")]
#[case::invisible(ReportState::Refused(Refusal::Invisible), 502, "source-refused")]
#[case::elsewhere(ReportState::Refused(Refusal::NotMirrored), 502, "source-refused")]
#[case::other(ReportState::Refused(Refusal::Other), 502, "source-refused")]
#[case::given_up(ReportState::GivenUp, 502, "given-up")]
#[tokio::test]
async fn a_failed_write_is_a_problem_with_the_sources_words(
    #[case] state: ReportState,
    #[case] status: u16,
    #[case] kind: &str,
) {
    let failed = Report {
        state,
        message: Text::new().text("ClickUp says: no access"),
        completed: false,
        ..completed()
    };
    let response = answer(&failed, false).into_response();
    assert_eq!(response.headers()["content-type"], PROBLEM_JSON);
    let (answered, body) = json_of(response).await;
    assert_eq!(answered, status);
    assert_eq!(body["type"], format!("urn:ivan:problem:{kind}"));
    assert_eq!(body["detail"], "ClickUp says: no access");
    assert_eq!(body["operation_id"], "01JOP");
    assert_eq!(body["success"], false);
}

/// A task that was never mirrored and is invisible does not exist. An unreachable place of a creation is different.
#[rstest]
#[case::task(Refusal::Invisible, false, 404, "unknown-task")]
#[case::place(Refusal::Invisible, true, 502, "source-refused")]
#[case::elsewhere(Refusal::NotMirrored, false, 502, "source-refused")]
#[case::forbidden(Refusal::Other, false, 502, "source-refused")]
#[tokio::test]
async fn a_task_that_was_never_known_is_unknown(
    #[case] refusal: Refusal,
    #[case] creates: bool,
    #[case] status: u16,
    #[case] kind: &str,
) {
    let failed = Report {
        state: ReportState::Refused(refusal),
        task: None,
        ..completed()
    };
    let response = answer(&failed, creates).into_response();
    let (answered, body) = json_of(response).await;
    assert_eq!(answered, status);
    assert_eq!(body["type"], format!("urn:ivan:problem:{kind}"));
}

fn row(path: &str) -> &'static Row {
    let mut rows = VERBS.iter();
    rows.find(|row| row.info.http.path == Some(path)).unwrap()
}

async fn asked(path: &str, body: &str) -> Result<Command, Problem> {
    let request = post(&format!("/{path}"));
    sent(request, body).await.unwrap().command(row(path))
}

#[tokio::test]
async fn a_body_may_be_absent_where_nothing_is_wanted() {
    let done = asked("done", "").await.unwrap();
    assert_eq!(done, verbs::Done::default().into());
    let done = asked("done", r##"{"ref":"#12"}"##).await.unwrap();
    assert_eq!(done.task(), Some(&Ref::Issue(12)));
}

#[rstest]
#[case::named(r##"{"ref": "#12"}"##)]
#[case::null(r#"{"ref": null}"#)]
#[tokio::test]
async fn a_path_that_names_the_task_has_no_ref_in_its_body(#[case] body: &str) {
    let about = async |body| {
        let request = post("/tasks/github:7/complete");
        let sent = sent(request, body).await.unwrap();
        sent.command_about(row("done"), Ref::Issue(7))
    };
    let problem = about(body).await.err().unwrap();
    assert_eq!(problem.kind(), ProblemKind::BadBody);
    let detail = problem.document()["detail"].to_string();
    assert!(detail.contains("unknown field `ref`"), "{detail}");
    assert_eq!(about("").await.unwrap().task(), Some(&Ref::Issue(7)));
}

#[rstest]
#[case::empty("", ProblemKind::BadBody)]
#[case::not_json("{text", ProblemKind::BadBody)]
#[case::other_shape("[]", ProblemKind::BadBody)]
#[case::missing("{}", ProblemKind::BadBody)]
#[case::wrong_type(r#"{"text": 5}"#, ProblemKind::BadBody)]
#[case::unknown_field(r#"{"text": "a", "task_id": "clickup:1"}"#, ProblemKind::BadBody)]
#[case::two(r#"{"text": "a"}{"text": "b"}"#, ProblemKind::BadBody)]
#[tokio::test]
async fn a_bad_body_is_refused(#[case] body: &str, #[case] kind: ProblemKind) {
    assert_eq!(asked("comment", body).await.err().unwrap().kind(), kind);
}

#[rstest]
#[case::charset(Some("application/json; charset=utf-8"), true)]
#[case::loud(Some("Application/JSON"), true)]
#[case::relative(Some("application/problem+json"), true)]
#[case::form(Some("application/x-www-form-urlencoded"), false)]
#[case::text(Some("text/json+json"), false)]
#[case::none(None, false)]
#[tokio::test]
async fn a_body_must_say_that_it_is_json(#[case] content_type: Option<&str>, #[case] is: bool) {
    let mut request = Request::post("/comment");
    if let Some(content_type) = content_type {
        request = request.header("content-type", content_type);
    }
    let read = sent(request, r#"{"text":"a"}"#)
        .await
        .unwrap()
        .command(row("comment"));
    match read {
        Ok(body) => assert!(is, "{body:?}"),
        Err(problem) => assert!(!is && problem.kind() == ProblemKind::NotJson, "{problem:?}"),
    }
}

#[tokio::test]
async fn what_is_to_be_created_is_read() {
    let body = json!({
        "title": " Fix\u{a0}login ",
        "description": "One.\n\nTwo.",
        "source": "GitHub",
        "entity_id": " acme ",
        "repo": "acme/gadgets",
    });
    let draft = TaskDraft {
        title: "Fix login".into(),
        description: Some("One.\n\nTwo.".into()),
        source: Some(Source::GitHub),
        entity: Some("acme".into()),
        repo: RepoName::parse("acme/gadgets"),
        list: None,
        due: None,
        assignee: None,
    };
    let read = asked("tasks", &body.to_string()).await.unwrap();
    assert_eq!(read, verbs::Create::from(draft).into());
}

/// The text is the verb's own, about one field, without lines and columns.
#[rstest]
#[case::blank("tasks", json!({ "title": " \u{a0}" }), "The title is empty")]
#[case::two_lines("tasks", json!({ "title": "Fix\nlogin" }), "The title must be one line")]
#[case::tab("tasks", json!({ "title": "Fix\tlogin" }), "The title must be one line")]
#[case::source("tasks", json!({ "title": "a", "source": "jira" }), "`jira` is not a source")]
#[case::repo("tasks", json!({ "title": "a", "repo": "acme" }), "`acme` is not a repository")]
#[case::reference("start", json!({ "ref": "the first" }), "`the first` is not a task")]
#[case::text("comment", json!({ "text": " \n" }), "The text is empty")]
#[case::comment("done", json!({ "comment": "" }), "The comment is empty")]
#[case::until("snooze", json!({ "until": "soon" }), "`soon` is not a time")]
#[case::due("due", json!({ "due": "soon" }), "`soon` is not a time")]
#[case::priority("priority", json!({ "priority": "huge" }), "`huge` is not a priority")]
#[case::account("link", json!({ "source": "github", "account": "" }), "The account is empty")]
#[tokio::test]
async fn what_is_wrong_with_a_field_is_said(
    #[case] path: &str,
    #[case] body: Value,
    #[case] begins: &str,
) {
    let problem = asked(path, &body.to_string()).await.err().unwrap();
    assert_eq!(problem.kind(), ProblemKind::BadBody);
    let document = problem.document();
    let detail = document["detail"].as_str().unwrap();
    assert!(detail.starts_with(begins), "{detail}");
    assert!(!detail.contains(" at line "), "{detail}");
}

#[tokio::test]
async fn a_comment_says_something_and_keeps_its_characters() {
    let text = " one\u{a0}\n two ";
    let body = json!({ "text": text }).to_string();
    let Command::Comment(comment) = asked("comment", &body).await.unwrap() else {
        panic!("no comment");
    };
    assert_eq!(comment.text, text);
}
