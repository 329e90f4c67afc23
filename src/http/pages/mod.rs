//! The pages of the API's listener, for people with a browser: HTML made here, without a script.
//!
//! ```text
//! POST /ops (the operator's token) ─ a link, good once ─ GET /ops/{code} ─ a session, in a cookie ─ GET /
//! ```
//!
//! `GET /docs` shows the description of the API. The operator's token as a bearer works in place of the session. Without either a page says how to get a link, and
//! nothing else.

mod charts;
mod docs;
pub mod handoff;
mod html;
mod sessions;
mod status;
mod table;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::ApiState;
use super::answers::{PageLinkAnswer, StatusAnswer};
use super::problem::{Problem, ProblemKind};
use super::request::Caller;
use super::tokens::TokenGrant;
use html::Html;
pub(super) use sessions::PageSessions;
use sessions::{LINK_VALID, SESSION_VALID};

/// The headers of every page. Nothing is loaded but our style sheet, no script runs, and no other page frames it.
const HEADERS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
];
const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const STYLE: &str = include_str!("style.css");
/// The cookie of a session.
const COOKIE: &str = "ivan_ops";
/// The path of the links; the code follows.
const LINKS: &str = "/ops/";

/// The right of a request to see a page.
enum PageAccess {
    /// It has a session, or a token for any person.
    Operator,
    /// It has the token of one person.
    OnePerson,
    Nobody,
}

fn access(api: &ApiState, request: &Request) -> PageAccess {
    match request.extensions().get::<TokenGrant>() {
        Some(grant) if grant.of_any().is_ok() => PageAccess::Operator,
        _ if has_session(api, request.headers()) => PageAccess::Operator,
        Some(_) => PageAccess::OnePerson,
        None => PageAccess::Nobody,
    }
}

fn has_session(api: &ApiState, headers: &HeaderMap) -> bool {
    let now = api.clock.now();
    cookies(headers).any(|secret| api.pages.is_session(secret, now))
}

/// The values of our cookie. A browser may send several of one name.
fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let all = headers.get_all(header::COOKIE).into_iter();
    let pairs = all
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'));
    pairs.filter_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='))
}

/// `GET /`: the status page.
pub(super) async fn status(State(api): State<ApiState>, request: Request) -> Response {
    match access(&api, &request) {
        PageAccess::Operator => {}
        PageAccess::OnePerson => {
            let why = "This token acts as one person only. The page is for operators: it shows everybody's commands.";
            return refused(StatusCode::FORBIDDEN, "", why);
        }
        PageAccess::Nobody => {
            return refused(
                StatusCode::UNAUTHORIZED,
                "",
                "You need a link to see this page.",
            );
        }
    }
    let view = api.commands.overview().await;
    let levels = api.commands.service_levels().await;
    let now = api.clock.now();
    let answer = StatusAnswer::of(&view.health, levels.as_ref(), api.version, now);
    let why = view.store.as_ref().err().map(ToString::to_string);
    let store = view
        .store
        .as_ref()
        .map_err(|_| why.as_deref().unwrap_or_default());
    let main = Html::new("<main>\n")
        .then(status::page(&answer, store))
        .raw("</main>\n");
    page(StatusCode::OK, "Ivan: status", "", nav(true).then(main))
}

/// `GET /docs`: the page about the API, made of its description.
pub(super) async fn docs(State(api): State<ApiState>, request: Request) -> Response {
    if let PageAccess::Nobody = access(&api, &request) {
        return refused(
            StatusCode::UNAUTHORIZED,
            "",
            "You need a link to see this page.",
        );
    }
    match serde_json::to_value((api.document)(api.version)) {
        Ok(document) => {
            let main = Html::new("<main>\n")
                .then(docs::page(&document))
                .raw("</main>\n");
            page(StatusCode::OK, "Ivan: API", "", nav(false).then(main))
        }
        Err(error) => {
            tracing::error!(%error, "the description of the API cannot be shown");
            Problem::new(
                ProblemKind::Defect,
                "The description cannot be shown; see the log",
            )
            .into_response()
        }
    }
}

/// The links between the pages.
fn nav(status: bool) -> Html {
    Html::new("<nav aria-label=\"Pages\">").raw(match status {
        true => "<a href=\"./\" aria-current=\"page\">Status</a> <a href=\"docs\">API</a></nav>\n",
        false => "<a href=\"./\">Status</a> <a href=\"docs\" aria-current=\"page\">API</a></nav>\n",
    })
}

/// `POST /ops`: the path of a new link.
pub(super) async fn link(
    State(api): State<ApiState>,
    caller: Caller,
) -> Result<Json<PageLinkAnswer>, Problem> {
    caller.grant.of_any()?;
    let code = api
        .pages
        .link(api.clock.now())
        .map_err(without_randomness)?;
    Ok(Json(PageLinkAnswer {
        path: format!("{LINKS}{code}"),
        expires_in: LINK_VALID.num_seconds(),
    }))
}

fn without_randomness(error: getrandom::Error) -> Problem {
    tracing::error!(%error, "the system gives no random bytes");
    Problem::new(
        ProblemKind::Defect,
        "The system gives no random bytes; see the log",
    )
}

/// `GET /ops/{code}`: begins a session and leads to the status page. A look ahead does not use the link up: browsers and
/// messengers fetch addresses that nobody has opened yet.
pub(super) async fn begin(
    State(api): State<ApiState>,
    code: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    let headers = request.headers();
    if has_session(&api, headers) {
        return to_status(None);
    }
    let looks_ahead = *request.method() == Method::HEAD || is_prefetch(headers);
    let code = code.map_or_else(|_| String::new(), |Path(code)| code);
    let begun = match looks_ahead {
        true => Ok(None),
        false => api.pages.begin(&code, api.clock.now()),
    };
    match begun {
        Ok(Some(secret)) => {
            tracing::info!("a session of the status page begins");
            to_status(Some((secret, is_https(headers))))
        }
        Ok(None) => refused(
            StatusCode::UNAUTHORIZED,
            "../",
            "This link was used already, or it is older than 2 minutes.",
        ),
        Err(error) => without_randomness(error).into_response(),
    }
}

/// Leads to the status page; with a new session's secret, and whether the browser used https.
fn to_status(session: Option<(String, bool)>) -> Response {
    // Relative, for a proxy that adds a part to our paths.
    let location = HeaderValue::from_static("../");
    let mut response = (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response();
    if let Some((secret, https)) = session {
        let secure = if https { "; Secure" } else { "" };
        let age = SESSION_VALID.num_seconds();
        let cookie =
            format!("{COOKIE}={secret}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict{secure}");
        if let Ok(mut cookie) = HeaderValue::from_str(&cookie) {
            cookie.set_sensitive(true);
            response.headers_mut().insert(header::SET_COOKIE, cookie);
        }
    }
    with_headers(response)
}

fn is_prefetch(headers: &HeaderMap) -> bool {
    let purposes = ["sec-purpose", "purpose"].map(|name| headers.get(name));
    let mut purposes = purposes
        .into_iter()
        .flatten()
        .filter_map(|value| value.to_str().ok());
    purposes.any(|purpose| purpose.starts_with("prefetch"))
}

/// Whether a proxy says that the browser used https. A client that claims it itself restricts only its own cookie.
fn is_https(headers: &HeaderMap) -> bool {
    let proto = headers
        .get("x-forwarded-proto")
        .and_then(|value| value.to_str().ok());
    proto.is_some_and(|proto| proto.trim().eq_ignore_ascii_case("https"))
}

/// `GET /style.css`: the style sheet of all pages.
pub(super) async fn style() -> Response {
    let content = HeaderValue::from_static(CSS);
    with_headers(([(header::CONTENT_TYPE, content)], STYLE).into_response())
}

/// A page without any data: the reason, and how to get a link. `base` leads to the first page.
fn refused(status: StatusCode, base: &'static str, why: &'static str) -> Response {
    let main = Html::new("<main class=\"narrow\">\n<h1>Ivan</h1>\n<p class=\"state bad\">✗ ")
        .raw(why)
        .raw("</p>\n<p>On a machine with the operator's token, run</p>\n<pre><code>ivan open --ops</code></pre>\n")
        .raw("<p>and open the address that it prints. A link works once, within 2 minutes; the session that it begins lasts \
              8 hours. A program sends <code>Authorization: Bearer</code> with the token instead.</p>\n")
        .raw("<p>If you come from a link on another site, your browser has kept your session back: <a href=\"")
        .raw(if base.is_empty() { "./" } else { base })
        .raw("\">open the page again</a>.</p>\n</main>\n");
    let mut response = page(status, "Ivan: no access", base, main);
    if status == StatusCode::UNAUTHORIZED {
        let challenge = HeaderValue::from_static("Bearer");
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

/// A whole page; `base` leads from its address to the first page.
fn page(status: StatusCode, title: &'static str, base: &'static str, main: Html) -> Response {
    let html = Html::new("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n")
        .raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n")
        .raw("<meta name=\"color-scheme\" content=\"light dark\">\n<title>")
        .raw(title)
        .raw("</title>\n<link rel=\"stylesheet\" href=\"")
        .raw(base)
        .raw("style.css\">\n</head>\n<body>\n")
        .then(main)
        .raw("</body>\n</html>\n");
    let content = HeaderValue::from_static(HTML);
    let body = Body::from(html.into_string());
    with_headers((status, [(header::CONTENT_TYPE, content)], body).into_response())
}

fn with_headers(mut response: Response) -> Response {
    for (name, value) in HEADERS {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests;
