//! Tests of both sources' clients, in shared tables: responses, lost responses, rate limits, redirects, settings.

use std::collections::BTreeSet;

use rstest::rstest;
use serde_json::{Value, json};

use super::fake::{Fake, FakeResponse, SeenRequest, json as says, provider};
use super::*;
use crate::clickup::{self, ClickUp};
use crate::domain::controls::is_control;
use crate::domain::operation::{Operation, OperationHistory, Write};
use crate::domain::reason::for_operators;
use crate::domain::source::SourceWriter;
use crate::domain::task::{Source, TaskKey};
use crate::github::{self, GitHub, GitHubAccess};

// ---------------------------------------------------------------- answers

const NOW: i64 = 1_767_225_600;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(NOW, 0).unwrap()
}

/// The word for a verdict of one source alone.
pub(crate) trait OwnVerdict {
    fn word(&self) -> &'static str;
}

impl OwnVerdict for clickup::ClickUpOnly {
    fn word(&self) -> &'static str {
        match self {
            clickup::ClickUpOnly::UnknownStatus(_) => "unknown status",
            clickup::ClickUpOnly::Unfamiliar => "unfamiliar",
        }
    }
}

impl OwnVerdict for github::MovedElsewhere {
    fn word(&self) -> &'static str {
        "moved"
    }
}

/// A verdict in one word, and how long to wait.
pub(crate) fn word<T: OwnVerdict>(verdict: &Verdict<T>) -> (&'static str, Option<u64>) {
    let seconds = |wait: &Option<Duration>| wait.map(|wait| wait.as_secs());
    match verdict {
        Verdict::Taken => ("taken", None),
        Verdict::Own(own) => (own.word(), None),
        Verdict::Wait { wait, .. } => ("wait", seconds(wait)),
        Verdict::DeadToken(_) => ("dead token", None),
        Verdict::Ruled(_) => ("ruled", None),
        Verdict::Failed(WriteError::Refused { what, .. }) => (
            match what {
                Refusal::Gone => "gone",
                Refusal::Invisible => "invisible",
                Refusal::NotMirrored => "not mirrored",
                Refusal::Changed | Refusal::Other => "refused",
            },
            None,
        ),
        Verdict::Failed(WriteError::NotTaken { retry_after, .. }) => {
            ("not taken", seconds(retry_after))
        }
        Verdict::Failed(WriteError::Unknown { .. }) => ("unknown", None),
    }
}

/// The verdict on a response: its name, how long to wait, and the text of a failure.
struct Judged {
    word: (&'static str, Option<u64>),
    said: String,
}

fn judge(
    source: Source,
    request: &Request,
    status: u16,
    headers: &HeaderMap,
    body: &str,
) -> Judged {
    fn judged<T: OwnVerdict>(verdict: &Verdict<T>) -> Judged {
        Judged {
            word: word(verdict),
            said: match verdict {
                Verdict::Failed(error) => error.to_string(),
                Verdict::Wait { why, .. } | Verdict::DeadToken(why) | Verdict::Ruled(why) => {
                    for_operators(why)
                }
                Verdict::Taken | Verdict::Own(_) => String::new(),
            },
        }
    }
    match source {
        Source::ClickUp => judged(&clickup::classify(request, status, headers, body, now())),
        Source::GitHub => judged(&github::classify(request, status, headers, body, now())),
    }
}

fn a_write(source: Source) -> Request {
    let (path, thing) = address(source);
    Request::post(format!("{path}/comment"), thing, json!({}))
}

fn a_read(source: Source) -> Request {
    let (path, thing) = address(source);
    Request::get(path, thing)
}

fn address(source: Source) -> (&'static str, &'static str) {
    match source {
        Source::ClickUp => ("/task/86tst0001", "the task 86tst0001"),
        Source::GitHub => ("/repos/acme/widgets/issues/7", "the issue acme/widgets#7"),
    }
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&'static str, &str)| {
        let name = reqwest::header::HeaderName::from_static(name);
        (name, value.parse().unwrap())
    };
    pairs.iter().map(pair).collect()
}

/// A body of ClickUp's with that code.
fn code(code: &str) -> String {
    json!({"err": "said so", "ECODE": code}).to_string()
}

/// A body of GitHub's with those words.
fn message(text: &str) -> String {
    json!({"message": text, "documentation_url": "https://docs.example"}).to_string()
}

/// The words for the response to a write, and to a read.
type Made = ((&'static str, Option<u64>), (&'static str, Option<u64>));

const fn both(word: &'static str) -> Option<Made> {
    Some(((word, None), (word, None)))
}

const fn waits(word: &'static str, seconds: u64) -> Option<Made> {
    Some(((word, Some(seconds)), (word, Some(seconds))))
}

/// A response from something other than the source: a write may have arrived, a read is repeated.
const LOST: Option<Made> = Some((("unknown", None), ("not taken", None)));
/// A response that this source never sends.
const NEVER: Option<Made> = None;

/// Every row of the contracts' tables, and the responses of proxies and firewalls.
#[rstest]
// Of both.
#[case::ok(200, "{}", both("taken"), both("taken"))]
#[case::created(201, "{}", both("taken"), both("taken"))]
#[case::gave_up(408, "", LOST, LOST)]
#[case::server(500, &code("ITEMV2_003"), LOST, LOST)]
#[case::server_in_words(500, &message("Server Error"), LOST, LOST)]
#[case::server_with_a_known_code(500, &code("ITEM_013"), LOST, LOST)]
#[case::edge(502, "<html>Bad gateway</html>", LOST, LOST)]
#[case::unavailable(503, "", LOST, LOST)]
#[case::timeout_at_the_edge(504, "", LOST, LOST)]
#[case::proxy(407, "", LOST, LOST)]
#[case::network_login(511, "<html>Log in</html>", LOST, LOST)]
#[case::page_of_a_portal(401, "<html>Log in</html>", LOST, LOST)]
#[case::page_of_a_firewall(403, "<html>Blocked</html>", LOST, LOST)]
#[case::words_of_a_firewall(403, "Forbidden by policy", LOST, LOST)]
#[case::page_of_a_gateway(404, "<h1>404</h1>", LOST, LOST)]
#[case::words_of_a_gateway(404, "no healthy upstream", LOST, LOST)]
#[case::json_of_a_firewall(
    403,
    r#"{"error":"blocked","category":"social"}"#,
    both("refused"),
    LOST
)]
#[case::silence(404, "", both("invisible"), LOST)]
#[case::limited_at_the_edge(429, "<html>", waits("wait", 65), both("wait"))]
#[case::moved(301, "", waits("not taken", 60), both("moved"))]
#[case::moved_in_words(301, &message("Moved Permanently"), waits("not taken", 60), both("moved"))]
#[case::moved_for_now(302, "", waits("not taken", 60), both("moved"))]
#[case::moved_with_method(307, "", waits("not taken", 60), both("moved"))]
#[case::page_that_redirects(302, "<html>Log in</html>", waits("not taken", 60), LOST)]
#[case::odd_code(400, r#"{"err":null,"ECODE":7}"#, both("refused"), LOST)]
#[case::odd_shape(422, r#"["no"]"#, both("refused"), LOST)]
#[case::odd_body(
    400,
    r#"{"message":7,"errors":"no"}"#,
    both("refused"),
    both("refused")
)]
// Of ClickUp.
#[case::unknown_status(400, &code("CRTSK_001"), both("unknown status"), NEVER)]
#[case::bad_list(400, &code("INPUT_003"), both("refused"), NEVER)]
#[case::no_name(400, &code("INPUT_005"), both("refused"), NEVER)]
#[case::bad_date(400, &code("INPUT_006"), both("refused"), NEVER)]
#[case::plan(400, &code("FIELD_033"), both("refused"), NEVER)]
#[case::no_header(401, &code("OAUTH_017"), both("dead token"), NEVER)]
#[case::bad_token_19(401, &code("OAUTH_019"), both("dead token"), NEVER)]
#[case::bad_token_21(401, &code("OAUTH_021"), both("dead token"), NEVER)]
#[case::bad_token_25(401, &code("OAUTH_025"), both("dead token"), NEVER)]
#[case::bad_token_77(401, &code("OAUTH_077"), both("dead token"), NEVER)]
#[case::workspace(401, &code("OAUTH_023"), both("invisible"), NEVER)]
#[case::invisible_26(401, &code("OAUTH_026"), both("invisible"), NEVER)]
#[case::invisible_27(401, &code("OAUTH_027"), both("invisible"), NEVER)]
#[case::invisible_29(401, &code("OAUTH_029"), both("invisible"), NEVER)]
#[case::invisible_45(401, &code("OAUTH_045"), both("invisible"), NEVER)]
#[case::unfamiliar_28(401, &code("OAUTH_028"), both("unfamiliar"), NEVER)]
#[case::unfamiliar_46(401, &code("OAUTH_046"), both("unfamiliar"), NEVER)]
#[case::unfamiliar_silence(401, "", both("unfamiliar"), NEVER)]
#[case::forbidden(403, &code("ACCESS_001"), both("refused"), NEVER)]
#[case::deleted_in_clickup(404, &code("ITEM_013"), both("gone"), NEVER)]
#[case::no_view(404, &code("ACCESS_118"), both("invisible"), NEVER)]
#[case::limited(429, &code("APP_002"), waits("wait", 65), NEVER)]
#[case::limited_by_code(400, &code("APP_002"), waits("wait", 65), NEVER)]
// Of GitHub.
#[case::bad_json(400, &message("Problems parsing JSON"), NEVER, both("refused"))]
#[case::bad_token(401, &message("Bad credentials"), NEVER, both("dead token"))]
#[case::primary(403, &message("API rate limit exceeded for user ID 1."), NEVER, both("wait"))]
#[case::secondary(403, &message("You have exceeded a secondary rate limit."), NEVER, both("wait"))]
#[case::abuse(403, &message("You have triggered an abuse detection mechanism. Please wait."), NEVER, both("wait"))]
#[case::app(403, &message("Resource not accessible by integration"), NEVER, both("refused"))]
#[case::pat(403, &message("Resource not accessible by personal access token"), NEVER, both("refused"))]
#[case::locked(403, &message("Unable to create comment because issue is locked."), NEVER, both("refused"))]
#[case::archived(403, &message("Repository was archived so is read-only."), NEVER, both("refused"))]
#[case::not_found(404, &message("Not Found"), NEVER, both("invisible"))]
#[case::disabled(410, &message("Issues are disabled for this repo"), NEVER, both("refused"))]
#[case::disabled_otherwise(410, &message("Issues has been disabled in this repository."), NEVER, both("refused"))]
#[case::deleted_in_github(410, &message("This issue was deleted"), NEVER, both("gone"))]
#[case::invalid(422, &message("Validation Failed"), NEVER, both("refused"))]
#[case::too_quick(422, &json!({"message": "Validation Failed", "errors": [{"resource": "Issue", "code": "custom", "field": "body", "message": "was submitted too quickly"}]}).to_string(), NEVER, both("wait"))]
#[case::too_quick_in_a_sentence(422, &json!({"message": "Validation Failed", "errors": ["Body was submitted too quickly"]}).to_string(), NEVER, both("wait"))]
#[case::too_quick_in_short(422, &message("was submitted too quickly after a previous comment"), NEVER, both("wait"))]
fn an_answer_is_classified(
    #[case] status: u16,
    #[case] body: &str,
    #[case] by_clickup: Option<Made>,
    #[case] by_github: Option<Made>,
) {
    let none = HeaderMap::new();
    for (source, made) in [(Source::ClickUp, by_clickup), (Source::GitHub, by_github)] {
        let Some((write, read)) = made else {
            continue;
        };
        let judged = |request: &Request| judge(source, request, status, &none, body).word;
        assert_eq!(judged(&a_write(source)), write, "a write to {source}");
        assert_eq!(judged(&a_read(source)), read, "a read of {source}");
    }
}

#[rstest]
#[case::to_the_reset(Source::ClickUp, 429, &[("x-ratelimit-reset", "1767225612")], Some(13))]
#[case::reset_is_past(Source::ClickUp, 429, &[("x-ratelimit-reset", "1767225588")], Some(1))]
#[case::reset_is_absurd(Source::ClickUp, 429, &[("x-ratelimit-reset", "1767312000")], Some(65))]
#[case::retry_after_wins(Source::ClickUp, 429, &[("x-ratelimit-reset", "1767225612"), ("retry-after", "90")], Some(90))]
#[case::retry_after_is_absurd(Source::ClickUp, 429, &[("retry-after", "86400")], Some(600))]
#[case::says_nothing(Source::ClickUp, 429, &[], Some(65))]
#[case::retry_after(Source::GitHub, 403, &[("retry-after", "30")], Some(30))]
#[case::retry_after_first(Source::GitHub, 429, &[("retry-after", "30"), ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1767225700")], Some(30))]
#[case::to_the_reset(Source::GitHub, 403, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1767225700")], Some(101))]
#[case::reset_is_past(Source::GitHub, 429, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1767225500")], Some(1))]
#[case::reset_is_absurd(Source::GitHub, 403, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1967225500")], Some(3660))]
#[case::no_reset(Source::GitHub, 403, &[("x-ratelimit-remaining", "0")], None)]
#[case::immediately(Source::GitHub, 403, &[("retry-after", "0")], Some(1))]
fn a_rate_limit_says_how_long(
    #[case] source: Source,
    #[case] status: u16,
    #[case] said: &[(&'static str, &str)],
    #[case] seconds: Option<u64>,
) {
    let body = match source {
        Source::ClickUp => code("APP_002"),
        Source::GitHub => message("Forbidden"),
    };
    let judged = judge(source, &a_write(source), status, &headers(said), &body);
    assert_eq!(judged.word, ("wait", seconds));
}

#[rstest]
#[case(Source::ClickUp, 400, &code("INPUT_006"), &["said so"])]
#[case(Source::ClickUp, 401, &code("OAUTH_027"), &["said so", "clickup.token"])]
#[case(Source::ClickUp, 403, "", &["no reason", "clickup.token"])]
#[case(Source::ClickUp, 404, &code("ITEM_013"), &["said so", "Trash"])]
#[case(Source::GitHub, 403, &message("Unable to create comment because issue is locked."), &["because issue is locked", "Unlock the conversation"])]
#[case(Source::GitHub, 403, &message("Repository was archived so is read-only."), &["so is read-only", "Unarchive the repository"])]
#[case(Source::GitHub, 403, &message("Resource not accessible by integration"), &["not accessible by integration", "permission issues=write"])]
#[case(Source::GitHub, 404, &message("Not Found"), &["Not Found", "github.token access"])]
#[case(Source::GitHub, 410, &message("Issues are disabled for this repo"), &["disabled for this repo", "Turn them on"])]
#[case::field(Source::GitHub, 422, &json!({"message": "Validation Failed", "errors": [{"resource": "Issue", "field": "title", "code": "missing_field"}]}).to_string(), &["Validation Failed title missing_field"])]
fn a_refusal_names_system_thing_reason_and_remedy(
    #[case] source: Source,
    #[case] status: u16,
    #[case] body: &str,
    #[case] parts: &[&str],
) {
    let needed = headers(&[("x-accepted-github-permissions", "issues=write")]);
    for request in [a_write(source), a_read(source)] {
        let said = judge(source, &request, status, &needed, body).said;
        for part in [source.name(), request.thing.as_str()].iter().chain(parts) {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
}

/// The error texts of a source reach people and the log.
#[rstest]
#[case(Source::ClickUp)]
#[case(Source::GitHub)]
fn a_sentence_of_a_source_is_one_short_line(#[case] source: Source) {
    let hostile = format!(
        "No.\r\n2026 ERROR faked\u{2028}\u{1b}[2J\u{9b}K \u{202e}gnp.\u{2066}exe {}",
        "long ".repeat(2_000)
    );
    let detail = json!({"field": hostile, "code": hostile, "message": hostile});
    let body =
        json!({"err": hostile, "ECODE": hostile, "message": hostile, "errors": [detail, detail]});
    let body = body.to_string();
    let mut shown = 0;
    for status in [400, 401, 403, 404, 408, 409, 410, 422, 429, 451, 500, 503] {
        for request in [a_write(source), a_read(source)] {
            let said = judge(source, &request, status, &headers(&[]), &body).said;
            let is_break = |c| matches!(c, '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}');
            let fits = |c| !is_break(c) && !is_control(c);
            assert!(said.chars().all(fits), "{status}: {said:?}");
            assert!(said.chars().count() < 600, "{status}: {said:?}");
            shown += usize::from(said.contains("No.  2026 ERROR faked"));
        }
    }
    assert!(shown >= 10, "{shown}");
}

// ---------------------------------------------------------------- settings

enum Client {
    ClickUp(ClickUp),
    GitHub(GitHub),
}

impl Client {
    fn new(source: Source, url: &str, clock: Clock) -> Client {
        Client::with(source, url, None, clock).ok().unwrap()
    }

    fn with(
        source: Source,
        url: &str,
        token: Option<&str>,
        clock: Clock,
    ) -> Result<Client, InvalidSettings> {
        provider();
        Ok(match source {
            Source::ClickUp => {
                let mut settings = clickup::tests::settings(url);
                settings.token = token.map_or(settings.token, str::to_owned);
                Client::ClickUp(ClickUp::new(settings, clock)?)
            }
            Source::GitHub => {
                let mut settings = github::tests::settings(url);
                if let Some(token) = token {
                    settings.access = GitHubAccess::Token(token.to_owned());
                }
                Client::GitHub(GitHub::new(settings, clock)?)
            }
        })
    }

    fn writer(&self) -> &dyn SourceWriter {
        match self {
            Client::ClickUp(client) => client,
            Client::GitHub(client) => client,
        }
    }

    fn limits(&self) -> Limits {
        match self {
            Client::ClickUp(client) => client.limits(),
            Client::GitHub(client) => client.limits(),
        }
    }
}

#[test]
fn settings_do_not_print_the_token() {
    let clickup = clickup::tests::settings("http://127.0.0.1:1");
    assert!(!format!("{clickup:?}").contains(&clickup.token));
    let github = github::tests::settings("http://127.0.0.1:1");
    assert!(!format!("{github:?}").contains("github_pat_SECRET"));
}

#[rstest]
fn unusable_settings_name_their_key(
    #[values(Source::ClickUp, Source::GitHub)] source: Source,
    #[values("ftp://api", "api.github.com")] url: &str,
) {
    let refused = |url, token| {
        let refused = Client::with(source, url, token, Clock::system());
        refused.err().unwrap()
    };
    assert_eq!(refused(url, None).key, format!("{source}.api_url"));
    let error = refused("http://127.0.0.1:1", Some("pk_1\n2"));
    assert_eq!(error.key, format!("{source}.token"));
    assert!(!error.to_string().contains("pk_1"), "{error}");
}

#[rstest]
#[case::personal(Source::ClickUp, "pk_1_abc", "pk_1_abc")]
#[case::oauth(Source::ClickUp, "oauthtoken", "Bearer oauthtoken")]
#[case::github(Source::GitHub, "ghs_1_a.b-c", "Bearer ghs_1_a.b-c")]
#[tokio::test]
async fn the_token_is_sent_as_the_source_wants_it(
    #[case] source: Source,
    #[case] token: &str,
    #[case] sent: &str,
) {
    let fake = Fake::start(|_| says(404, json!({}))).await;
    let client = Client::with(source, &fake.url, Some(token), Clock::system());
    let _refused = client.ok().unwrap().writer().read(&key(source)).await;
    assert_eq!(fake.seen()[0].header("authorization"), Some(sent));
    provider();
    let rest = HttpClient::new(SYSTEM, &fake.url, sent, Clock::system()).unwrap();
    assert!(!format!("{:?}", rest.authorization).contains(token));
}

const SYSTEM: SourceFacts = SourceFacts {
    name: "A source",
    label: "source",
    window: Duration::from_secs(60),
    pause_max: Duration::from_secs(60),
    api_url_key: "source.api_url",
    token_key: "source.token",
    headers: &[],
};

// ---------------------------------------------------------------- on the wire

fn key(source: Source) -> TaskKey {
    match source {
        Source::ClickUp => TaskKey::clickup("86a"),
        Source::GitHub => TaskKey::github(1001, 7),
    }
}

fn comment(source: Source) -> Operation {
    Operation {
        id: "op-1".into(),
        write: Write::Comment {
            task: key(source),
            text: "hi".into(),
            files: Vec::new(),
        },
        begun_at: None,
        interrupted: false,
        looks: 0,
        looks_first: false,
        claimed: BTreeSet::new(),
        past: OperationHistory::default(),
    }
}

/// Answers the requests that a client sends besides; `reply` answers those for the task.
fn world(
    reply: impl Fn(&SeenRequest) -> FakeResponse + Send + Sync + 'static,
) -> impl Fn(&SeenRequest) -> FakeResponse + Send + Sync + 'static {
    move |seen| match seen.line().as_str() {
        "GET /repos/acme/widgets" | "GET /repositories/1001" => {
            says(200, github::tests::repository(1001, "acme/widgets"))
        }
        "GET /repos/acme/gadgets" => says(200, github::tests::repository(2002, "acme/gadgets")),
        "GET /user" => says(
            200,
            json!({"login": "ivan-bot", "id": 40, "user": {"id": 4200}}),
        ),
        _ => reply(seen),
    }
}

/// The task as its source returns it.
fn task(source: Source) -> Value {
    match source {
        Source::ClickUp => json!({
            "id": "86a", "name": "Renew cert", "status": {"status": "to do", "type": "open"},
            "list": {"id": "901"}, "date_created": "1767225600000", "date_updated": "1767225600000",
            "url": "https://app.clickup.com/t/86a",
        }),
        Source::GitHub => json!({
            "id": 1, "number": 7, "title": "Renew cert", "state": "open", "labels": [], "assignees": [],
            "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
            "html_url": "https://github.com/acme/widgets/issues/7",
            "repository_url": "https://api.github.com/repos/acme/widgets",
        }),
    }
}

/// The requests for the task, or the writes to it.
fn asked(fake: &Fake, method: &str) -> usize {
    let about = |seen: &&SeenRequest| {
        let line = seen.line();
        line.starts_with(method) && (line.contains("/task/") || line.contains("/issues/"))
    };
    fake.seen().iter().filter(about).count()
}

#[rstest]
#[case::dropped(|_: &SeenRequest| FakeResponse::Drop)]
#[case::answer_cut(|_: &SeenRequest| FakeResponse::Cut(200))]
#[case::made_and_cut(|_: &SeenRequest| FakeResponse::Cut(201))]
#[case::not_json(|_: &SeenRequest| FakeResponse::Text(200, Vec::new(), "<html>".into()))]
#[case::bad_gateway(|_: &SeenRequest| FakeResponse::Text(502, Vec::new(), "<html>".into()))]
#[tokio::test]
async fn a_write_without_a_usable_answer_is_unknown_and_a_read_is_not_taken(
    #[values(Source::ClickUp, Source::GitHub)] source: Source,
    #[case] reply: fn(&SeenRequest) -> FakeResponse,
) {
    let whole = task(source);
    let fake = Fake::start(world(move |seen| match seen.method.as_str() {
        "GET" => says(200, whole.clone()),
        _ => reply(seen),
    }))
    .await;
    let client = Client::new(source, &fake.url, Clock::system());
    let write = client
        .writer()
        .send(&comment(source), None)
        .await
        .unwrap_err();
    assert!(matches!(write, WriteError::Unknown { .. }), "{write:?}");
    assert_eq!(asked(&fake, "POST"), 1, "nothing is repeated");
    let fake = Fake::start(world(reply)).await;
    let client = Client::new(source, &fake.url, Clock::system());
    let read = client.writer().read(&key(source)).await.unwrap_err();
    assert!(matches!(read, WriteError::NotTaken { .. }), "{read:?}");
    assert_eq!(asked(&fake, "GET"), 1, "nothing is repeated");
}

#[rstest]
#[tokio::test]
async fn no_connection_means_not_taken(#[values(Source::ClickUp, Source::GitHub)] source: Source) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let client = Client::new(source, &url, Clock::system());
    let error = client
        .writer()
        .send(&comment(source), None)
        .await
        .unwrap_err();
    assert!(matches!(error, WriteError::NotTaken { .. }), "{error:?}");
    assert!(!error.to_string().contains("127.0.0.1"), "{error}");
}

/// Neither the token nor a write goes to another host.
#[rstest]
#[tokio::test]
async fn no_redirect_leads_to_another_host(
    #[values(Source::ClickUp, Source::GitHub)] source: Source,
) {
    let other = Fake::start(move |_| says(200, task(source))).await;
    let to = format!("{}/task/86a", other.url);
    let whole = task(source);
    let fake = Fake::start(world(move |seen| match seen.method.as_str() {
        "GET" => says(200, whole.clone()),
        _ => {
            let location = vec![("Location", to.clone())];
            FakeResponse::Text(301, location, message("Moved Permanently"))
        }
    }))
    .await;
    let client = Client::new(source, &fake.url, Clock::system());
    let error = client
        .writer()
        .send(&comment(source), None)
        .await
        .unwrap_err();
    assert!(matches!(error, WriteError::NotTaken { .. }), "{error:?}");
    assert_eq!(other.lines(), Vec::<String>::new());
}

/// The refusal, its headers, and the seconds to wait.
#[rstest]
#[case::to_the_reset(Source::ClickUp, 429, &code("APP_002"), None, (100, 0), 20)]
#[case::retry_after(Source::GitHub, 403, &message("You have exceeded a secondary rate limit."), Some(30), (5_000, 4_990), 30)]
#[tokio::test]
async fn while_a_rate_limit_holds_nothing_is_sent(
    #[case] source: Source,
    #[case] status: u16,
    #[case] body: &str,
    #[case] retry_after: Option<u64>,
    #[case] (limit, remaining): (u64, u64),
    #[case] seconds: u64,
) {
    let clock = Clock::system();
    let reset = clock.now().timestamp() + 20;
    let (body, whole) = (body.to_owned(), task(source));
    let fake = Fake::start(world(move |seen| {
        if seen.method == "GET" {
            return says(200, whole.clone());
        }
        let mut headers = vec![
            ("X-RateLimit-Limit", limit.to_string()),
            ("X-RateLimit-Remaining", remaining.to_string()),
            ("X-RateLimit-Reset", reset.to_string()),
        ];
        headers.extend(retry_after.map(|seconds| ("Retry-After", seconds.to_string())));
        FakeResponse::Text(status, headers, body.clone())
    }))
    .await;
    let client = Client::new(source, &fake.url, clock.clone());
    let now = client.writer().read(&key(source)).await.unwrap();
    for _ in 0..2 {
        let error = client
            .writer()
            .send(&comment(source), Some(&now))
            .await
            .unwrap_err();
        let WriteError::NotTaken {
            retry_after: Some(wait),
            ..
        } = error
        else {
            panic!("{error:?}");
        };
        let expected = seconds - 1..=seconds + 2;
        assert!(expected.contains(&wait.as_secs()), "{wait:?}");
    }
    assert_eq!(asked(&fake, "POST"), 1);
    let before = fake.lines().len();
    let read = client.writer().read(&key(source)).await;
    assert!(read.is_err(), "reading is no less banned");
    assert_eq!(fake.lines().len(), before);
    assert!(client.writer().standing().paused_until.is_some());
    let limits = client.limits();
    assert_eq!(
        (limits.limit, limits.remaining),
        (Some(limit), Some(remaining))
    );
    assert_eq!(limits.reset_at.unwrap().timestamp(), reset);
    clock.shift(TimeDelta::seconds(40));
    let _limited_again = client.writer().send(&comment(source), Some(&now)).await;
    assert_eq!(asked(&fake, "POST"), 2, "asked again after the wait");
}
