//! A page on this machine that sends a person with a form to another site, and takes the code that the site returns.
//!
//! ```text
//! GET /{secret} ─ the form ─ the other site ─ GET /made?code=…&state=… ─ the code, once
//! ```
//!
//! `ivan init` makes a GitHub App with it. Only somebody who knows the page's address can open it. An answer counts only
//! with the state that the form carried, and only the first one.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::html::Html;
use super::{HEADERS, HTML};
use crate::http::serve;
use crate::runtime::{CancellationToken, lock};

/// The path that the other site sends the person back to.
const RETURN: &str = "/made";
/// The longest code in bytes.
const CODE_MAX: usize = 200;

/// The form, and the words around it.
#[derive(Debug, Clone)]
pub struct HandoffForm {
    /// The origin of the other site: `https://github.com`.
    pub site: String,
    /// The address that takes the form; the state is added.
    pub action: String,
    /// The name of the form's only field.
    pub field: &'static str,
    /// Its value.
    pub value: String,
    /// The heading.
    pub title: &'static str,
    /// A paragraph each.
    pub words: Vec<String>,
    /// The words on the button.
    pub button: &'static str,
}

/// How the person ended it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HandoffEnd {
    /// The other site returned this code.
    Code(String),
    /// They pressed Cancel.
    Cancelled,
}

/// An open page.
#[derive(Debug)]
pub struct Handoff {
    address: String,
    ended: oneshot::Receiver<HandoffEnd>,
    stop: CancellationToken,
    server: JoinHandle<io::Result<()>>,
}

struct Page {
    /// `127.0.0.1:4711`: a name of somebody else's that leads here is refused.
    host: String,
    secret: String,
    state: String,
    form: HandoffForm,
    end: Mutex<Option<oneshot::Sender<HandoffEnd>>>,
}

impl Handoff {
    /// Opens the page on a free port of 127.0.0.1. `form` gets the address that the other site has to return to.
    ///
    /// # Errors
    /// No port or no random numbers.
    pub async fn open(form: impl FnOnce(&str) -> HandoffForm) -> io::Result<Handoff> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let host = listener.local_addr()?.to_string();
        let (secret, state) = (random()?, random()?);
        let address = format!("http://{host}/{secret}");
        let (end, ended) = oneshot::channel();
        let page = Arc::new(Page {
            form: form(&format!("http://{host}{RETURN}")),
            host,
            secret,
            state,
            end: Mutex::new(Some(end)),
        });
        let router = Router::new()
            .route(RETURN, get(returned))
            .route("/{secret}", get(shown))
            .route("/{secret}/cancel", post(cancelled))
            .layer(middleware::from_fn_with_state(
                Arc::clone(&page),
                of_this_host,
            ))
            .with_state(page);
        let stop = CancellationToken::new();
        let server = serve(listener, router, Arc::new(|_| false), stop.clone());
        Ok(Handoff {
            address,
            ended,
            stop,
            server: tokio::spawn(server),
        })
    }

    /// The address for the person.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Waits for the end, and closes the page. `None`: nothing came within this time.
    pub async fn end(self, within: Duration) -> Option<HandoffEnd> {
        let ended = tokio::time::timeout(within, self.ended).await;
        self.stop.cancel();
        // The last answer is sent before the listener closes.
        let _ = self.server.await;
        ended.ok()?.ok()
    }
}

impl Page {
    /// Hands the end over; false if there was one before.
    fn ends(&self, end: HandoffEnd) -> bool {
        let sender = lock(&self.end).take();
        sender.is_some_and(|sender| sender.send(end).is_ok())
    }
}

/// 128 random bits as text.
fn random() -> io::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(hex::encode(bytes))
}

/// Refuses requests under another name: a page of somebody else's that resolves to this machine.
async fn of_this_host(State(page): State<Arc<Page>>, request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST);
    match host.is_some_and(|host| host.as_bytes() == page.host.as_bytes()) {
        true => next.run(request).await,
        false => said(
            StatusCode::MISDIRECTED_REQUEST,
            "This page has another address.",
        ),
    }
}

async fn shown(State(page): State<Arc<Page>>, Path(secret): Path<String>) -> Response {
    if secret != page.secret {
        return unknown();
    }
    if lock(&page.end).is_none() {
        return said(
            StatusCode::GONE,
            "This page was used. Go on in the terminal.",
        );
    }
    let form = &page.form;
    let words = form.words.iter();
    let words = words.fold(Html::default(), |all, one| {
        all.raw("<p>").text(one).raw("</p>")
    });
    let body = Html::new("<h1>")
        .text(form.title)
        .raw("</h1>")
        .then(words)
        .raw("<form method=\"post\" action=\"")
        .text(format_args!("{}?state={}", form.action, page.state))
        .raw("\"><input type=\"hidden\" name=\"")
        .text(form.field)
        .raw("\" value=\"")
        .text(&form.value)
        .raw("\"><button>")
        .text(form.button)
        .raw("</button></form><form method=\"post\" action=\"/")
        .text(&page.secret)
        .raw("/cancel\"><button>Cancel</button></form>");
    let mut response = html(StatusCode::OK, form.title, body);
    let policy = format!(
        "default-src 'none'; base-uri 'none'; form-action 'self' {}; frame-ancestors 'none'",
        form.site
    );
    if let Ok(policy) = HeaderValue::try_from(policy) {
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

async fn cancelled(
    State(page): State<Arc<Page>>,
    Path(secret): Path<String>,
    headers: HeaderMap,
) -> Response {
    // A browser says where a form comes from; no other site can cancel.
    let origin = headers.get(header::ORIGIN);
    let own = format!("http://{}", page.host);
    let foreign = origin.is_some_and(|origin| origin.as_bytes() != own.as_bytes());
    if secret != page.secret || foreign {
        return unknown();
    }
    match page.ends(HandoffEnd::Cancelled) {
        true => said(StatusCode::OK, "Cancelled. Nothing was made."),
        false => said(
            StatusCode::GONE,
            "This page was used. Go on in the terminal.",
        ),
    }
}

#[derive(Deserialize)]
struct Returned {
    code: Option<String>,
    state: Option<String>,
}

async fn returned(State(page): State<Arc<Page>>, Query(answer): Query<Returned>) -> Response {
    if answer.state.as_deref() != Some(page.state.as_str()) {
        return said(
            StatusCode::BAD_REQUEST,
            "This answer does not belong to the page of `ivan init`, so it was not used. Open the address that it printed.",
        );
    }
    let fits = |code: &String| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        !code.is_empty() && code.len() <= CODE_MAX && code.chars().all(is_plain)
    };
    let Some(code) = answer.code.filter(fits) else {
        return said(
            StatusCode::BAD_REQUEST,
            "This answer has no usable code, so it was not used. Go back, and press the button again.",
        );
    };
    match page.ends(HandoffEnd::Code(code)) {
        true => said(
            StatusCode::OK,
            "Ivan has the answer. Go on in the terminal.",
        ),
        false => said(
            StatusCode::GONE,
            "This page was used. Go on in the terminal.",
        ),
    }
}

fn unknown() -> Response {
    said(
        StatusCode::NOT_FOUND,
        "There is nothing here. Open the address that `ivan init` printed.",
    )
}

fn said(status: StatusCode, words: &'static str) -> Response {
    html(status, words, Html::new("<p>").raw(words).raw("</p>"))
}

fn html(status: StatusCode, title: &str, body: Html) -> Response {
    let page = Html::new("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>")
        .text(title)
        .raw("</title></head><body>")
        .then(body)
        .raw("</body></html>");
    let mut response = (status, [(header::CONTENT_TYPE, HTML)], page.into_string()).into_response();
    for (name, value) in HEADERS {
        let headers = response.headers_mut();
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    async fn open() -> Handoff {
        let form = |back: &str| HandoffForm {
            site: "https://github.example".to_owned(),
            action: "https://github.example/new".to_owned(),
            field: "manifest",
            value: format!("{{\"redirect_url\":\"{back}\"}}"),
            title: "Make it",
            words: vec!["Some <words>.".to_owned()],
            button: "Go",
        };
        Handoff::open(form).await.unwrap()
    }

    /// The answer to a request, sent by hand.
    async fn asked(host: &str, method: &str, path: &str, headers: &str) -> String {
        let port = host.rsplit(':').next().unwrap();
        let mut stream = TcpStream::connect(format!("127.0.0.1:{port}"))
            .await
            .unwrap();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: 0\r\nconnection: close\r\n{headers}\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    fn parts(page: &Handoff) -> (String, String) {
        let (host, path) = page
            .address()
            .trim_start_matches("http://")
            .split_once('/')
            .unwrap();
        (host.to_owned(), format!("/{path}"))
    }

    fn state(page: &str) -> String {
        let (_, after) = page.split_once("?state=").unwrap();
        after.split('"').next().unwrap().to_owned()
    }

    #[tokio::test]
    async fn a_code_counts_with_its_state_and_once() {
        let page = open().await;
        let (host, path) = parts(&page);
        let form = asked(&host, "GET", &path, "").await;
        assert!(form.contains("Some &lt;words&gt;."), "{form}");
        assert!(
            form.contains("form-action 'self' https://github.example;"),
            "{form}"
        );
        assert!(form.contains("no-store"), "{form}");
        let state = state(&form);
        for (answer, status) in [
            ("/made?code=c1".to_owned(), 400),
            ("/made?code=c1&state=other".to_owned(), 400),
            (format!("/made?state={state}"), 400),
            (format!("/made?code=a%2Fb&state={state}"), 400),
            ("/another".to_owned(), 404),
        ] {
            let said = asked(&host, "GET", &answer, "").await;
            assert!(
                said.starts_with(&format!("HTTP/1.1 {status} ")),
                "{answer}: {said}"
            );
        }
        let right = format!("/made?code=c1&state={state}");
        let said = asked(&host, "GET", &right, "").await;
        assert!(said.starts_with("HTTP/1.1 200 "), "{said}");
        let again = asked(&host, "GET", &right, "").await;
        assert!(again.starts_with("HTTP/1.1 410 "), "{again}");
        let end = page.end(Duration::from_secs(10)).await;
        assert_eq!(end, Some(HandoffEnd::Code("c1".to_owned())));
    }

    #[tokio::test]
    async fn only_the_page_itself_cancels() {
        let page = open().await;
        let (host, path) = parts(&page);
        let port = host.rsplit(':').next().unwrap();
        let named = format!("evil.test:{port}");
        let foreign = asked(&named, "GET", &path, "").await;
        assert!(foreign.starts_with("HTTP/1.1 421 "), "{foreign}");
        let cancel = format!("{path}/cancel");
        let foreign = asked(&host, "POST", &cancel, "origin: https://evil.test\r\n").await;
        assert!(foreign.starts_with("HTTP/1.1 404 "), "{foreign}");
        let said = asked(&host, "POST", &cancel, "").await;
        assert!(said.contains("Cancelled. Nothing was made."), "{said}");
        assert_eq!(
            page.end(Duration::from_secs(10)).await,
            Some(HandoffEnd::Cancelled)
        );
    }

    #[tokio::test]
    async fn it_waits_no_longer_than_it_may() {
        assert_eq!(open().await.end(Duration::ZERO).await, None);
    }
}
