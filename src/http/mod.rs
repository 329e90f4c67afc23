//! The two HTTP listeners. The API is a surface: requests → commands, reports → JSON. The other, at an
//! address that may be exposed, receives the sources' webhooks: signed requests → deliveries in the inbox.
//!
//! ```text
//! connection ─ serve ─ guard (log, time limit, token, size) ─ reads.rs, writes.rs ─ commands ─ answers ─ JSON
//!           │                                     │             └─ problem.rs ─ problem document
//!           │                                     └─ pages/ (a link, a session) ─ overview ─ HTML
//!           └─ serve_hooks ─ hooks.rs (size and time limits, signature) ─ inbox ─ accepted, duplicate, ignored
//! ```
//!
//! This module uses no source and no table: a request becomes the same `Command` as in Slack.

pub mod answers;
mod connections;
mod daemon;
mod describe;
mod examples;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
pub mod hooks;
mod logins;
pub mod metrics;
pub mod openapi;
mod pages;
pub mod problem;
mod queries;
mod reads;
mod recorder;
mod reload;
mod request;
mod routes;
mod schemas;
mod serving;
mod standby;
mod tokens;
mod writes;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use utoipa::ToSchema;
use utoipa::openapi::OpenApi;

use crate::clock::Clock;
use crate::commands::Commands;
use crate::domain::task::Source;
use crate::limits::Limit;
use crate::runtime::CancellationToken;
use pages::PageSessions;
pub use pages::handoff::{Handoff, HandoffEnd, HandoffForm};
use problem::{Problem, ProblemKind};
pub use reload::{ChangedKey, Reload, ReloadRefusal, ReloadReport};
pub use serving::IsProxy;
use serving::{Serving, serve_as};
pub use standby::{Leader, LeaderStatus, standby_router};
use tokens::authorize;
pub use tokens::{ApiTokens, NamedToken};

/// The longest `?wait=`; longer ones are cut to it.
pub const WAIT_MAX: Duration = Duration::from_secs(300);
/// The largest request body, in bytes.
pub const BODY_MAX: usize = 1024 * 1024;
/// The time limit of a request: the longest wait, and some time to process it.
const REQUEST_WITHIN: Duration = Duration::from_secs(WAIT_MAX.as_secs() + 30);
/// How long a body may take to arrive.
const BODY_WITHIN: Duration = Duration::from_secs(30);
/// How long a head may take to arrive.
const HEAD_WITHIN: Duration = Duration::from_secs(5);
/// The limits of the API's listener.
const API: Serving = Serving {
    name: "the API",
    connections: 256,
    bound: Limit::ApiConnections,
    per_address: 64,
    head_within: HEAD_WITHIN,
    closes_refused: false,
};
/// The limits of the webhooks' listener, which strangers reach.
const HOOKS: Serving = Serving {
    name: "the webhook listener",
    connections: 256,
    bound: Limit::HookConnections,
    per_address: 64,
    head_within: HEAD_WITHIN,
    closes_refused: true,
};
/// How many `POST /sync` run at once.
const SYNCS_MAX: usize = 4;

/// The state of the handlers.
#[derive(Clone)]
pub struct ApiState {
    commands: Commands,
    tokens: ApiTokens,
    pages: PageSessions,
    sync: Arc<dyn Synchronize>,
    /// `None` where no file is read again: in the demo.
    reload: Option<Arc<dyn Reload>>,
    /// `None` without a standby.
    leader: Option<Leader>,
    clock: Clock,
    version: &'static str,
    /// Builds the API's description. It names the handlers, which must not name it.
    document: fn(&str) -> OpenApi,
    syncs: Arc<Semaphore>,
}

impl ApiState {
    /// `version` is the daemon's, as `/status` and the API's description show it.
    pub fn new(
        commands: Commands,
        tokens: ApiTokens,
        sync: Arc<dyn Synchronize>,
        clock: Clock,
        version: &'static str,
    ) -> ApiState {
        ApiState {
            tokens: tokens.and_of_people(commands.clone()),
            commands,
            pages: PageSessions::default(),
            sync,
            reload: None,
            leader: None,
            clock,
            version,
            document: openapi::document,
            syncs: Arc::new(Semaphore::new(SYNCS_MAX)),
        }
    }

    /// The same with reloads of `bot.toml`.
    pub fn with_reload(self, reload: Arc<dyn Reload>) -> ApiState {
        ApiState {
            reload: Some(reload),
            ..self
        }
    }
}

impl ApiState {
    /// The same of a daemon that leads by a lease.
    pub fn with_leader(self, leader: Leader) -> ApiState {
        ApiState {
            leader: Some(leader),
            ..self
        }
    }
}

/// Brings the mirror up to date with its sources; implemented by the app.
#[async_trait]
pub trait Synchronize: Send + Sync {
    /// Reads the changes of every configured source, or everything if `full`. A failure is in the source's row and does
    /// not affect the others. It continues in the background when the caller stops waiting.
    async fn sync(&self, full: bool) -> BTreeMap<Source, SyncOutcome>;
}

/// The result of synchronizing one source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Synced)]
pub struct SyncOutcome {
    /// The number of tasks that changed.
    pub changed: u64,
    /// The reason of the failure; `null` after a success.
    pub error: Option<String>,
}

/// The API's routes behind the guard.
pub fn router(state: ApiState) -> Router {
    all(state.tokens.clone()).with_state(state)
}

fn all(tokens: ApiTokens) -> Router<ApiState> {
    let routes = routes::routes()
        .into_iter()
        .fold(Router::new(), |router, route| {
            router.route(&route.path, route.handler)
        });
    guard(routes, tokens)
}

/// Adds the checks for every request: one log line, a time limit, the token, a size limit, and problem documents for
/// unknown routes.
fn guard<S: Clone + Send + Sync + 'static>(routes: Router<S>, tokens: ApiTokens) -> Router<S> {
    routes
        .fallback(no_such_path)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(middleware::from_fn_with_state(tokens, authorize))
        .layer(middleware::from_fn(observe))
}

async fn no_such_path() -> Problem {
    Problem::new(
        ProblemKind::NoSuchPath,
        "No such path. GET /openapi.json lists all paths. Percent-encode task ids in a path \
             (github:acme%2Fwidgets%237)",
    )
}

async fn method_not_allowed(request: Request) -> Problem {
    Problem::new(
        ProblemKind::MethodNotAllowed,
        format!(
            "This path does not support {}; see the Allow header",
            request.method()
        ),
    )
}

/// Logs one line per request, without any person's text, and limits its time.
async fn observe(request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let path = request.extensions().get::<MatchedPath>().cloned();
    let path = path.as_ref().map_or("(none)", MatchedPath::as_str);
    let begun = Instant::now();
    let response = match timeout(REQUEST_WITHIN, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(
            ProblemKind::TimedOut,
            "The daemon did not answer in time. Repeat the request with the same Idempotency-Key",
        )
        .into_response(),
    };
    let (status, ms) = (response.status().as_u16(), begun.elapsed().as_millis());
    tracing::debug!(%method, path, status, ms, "request");
    response
}

/// Serves the API's `router` until `shutdown`: stops accepting, answers open requests within 8 s, closes.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    is_proxy: IsProxy,
    shutdown: CancellationToken,
) -> io::Result<()> {
    serve_as(API, listener, router, is_proxy, shutdown).await
}

/// Serves the webhooks' router ([`hooks::hooks_router`]) in the same way, on its own listener.
pub async fn serve_hooks(
    listener: TcpListener,
    router: Router,
    is_proxy: IsProxy,
    shutdown: CancellationToken,
) -> io::Result<()> {
    serve_as(HOOKS, listener, router, is_proxy, shutdown).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::extract::Extension;
    use axum::http::{StatusCode, header};
    use axum::routing::{get, post};
    use rstest::rstest;
    use serde_json::Value;
    use tokio::task::JoinHandle;

    const SECRET: &str = "correct-horse";

    /// A guarded router of a few test routes, served for real.
    struct Served {
        url: String,
        stop: CancellationToken,
        server: JoinHandle<io::Result<()>>,
    }

    async fn served(routes: Router) -> Served {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let router = guard(routes, ApiTokens::new(SECRET).unwrap());
        let server = tokio::spawn(serve(listener, router, Arc::new(|_| true), stop.clone()));
        Served { url, stop, server }
    }

    fn some_routes() -> Router {
        Router::new()
            .route("/healthz", get(async || "well"))
            .route("/current", get(async || "the current task"))
            .route(
                "/tasks",
                post(async |sent: request::WriteRequest| sent.path),
            )
            .route(
                "/tasks/{task_id}",
                get(async |request::TaskPath(id): request::TaskPath| id.to_string()),
            )
    }

    fn client() -> reqwest::Client {
        let _ = rustls::crypto::ring::default_provider().install_default();
        reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([])
            .build()
            .unwrap()
    }

    async fn problem(response: reqwest::Response) -> Value {
        assert_eq!(
            response.headers()[header::CONTENT_TYPE],
            problem::PROBLEM_JSON
        );
        let status = response.status().as_u16();
        let document: Value = response.json().await.unwrap();
        assert_eq!(document["status"], status);
        for member in ["type", "title", "detail"] {
            assert!(document[member].is_string(), "{member} of {document}");
        }
        document
    }

    #[rstest]
    #[case::none(None)]
    #[case::wrong(Some("Bearer wrong-horse"))]
    #[case::empty(Some("Bearer "))]
    #[case::no_scheme(Some("correct-horse"))]
    #[case::other_scheme(Some("Basic correct-horse"))]
    #[tokio::test]
    async fn without_the_token_only_the_probes_answer(#[case] authorization: Option<&str>) {
        let server = served(some_routes()).await;
        let ask = async |path: &str| {
            let mut request = client().get(format!("{}{path}", server.url));
            if let Some(value) = authorization {
                request = request.header(header::AUTHORIZATION, value);
            }
            request.send().await.unwrap()
        };
        assert_eq!(ask("/healthz").await.status(), StatusCode::OK);
        for path in ["/current", "/tasks", "/nothing", "/healthz/", "//healthz"] {
            let response = ask(path).await;
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{path}");
            assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Bearer");
            assert_eq!(
                problem(response).await["type"],
                "urn:ivan:problem:not-authorized"
            );
        }
    }

    #[tokio::test]
    async fn the_scheme_of_the_token_has_no_case() {
        let server = served(some_routes()).await;
        let request = client().get(format!("{}/current", server.url));
        let response = request
            .header(header::AUTHORIZATION, format!("bEARER {SECRET}"))
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn an_unknown_path_and_a_wrong_method_are_problem_documents() {
        let server = served(some_routes()).await;
        let unknown = client().get(format!("{}/nothing", server.url));
        let unknown = unknown.bearer_auth(SECRET).send().await.unwrap();
        assert_eq!(problem(unknown).await["status"], 404);
        let wrong = client().delete(format!("{}/tasks", server.url));
        let wrong = wrong.bearer_auth(SECRET).send().await.unwrap();
        assert_eq!(wrong.headers()[header::ALLOW], "POST");
        assert_eq!(problem(wrong).await["status"], 405);
    }

    #[rstest]
    #[case::encoded("github:acme%2Fwidgets%237", 200, "github:acme/widgets#7")]
    #[case::bare("clickup:86tst0001", 200, "clickup:86tst0001")]
    #[case::no_id("86tst0001", 400, "malformed-task-id")]
    #[case::climbing("clickup:..%2F..%2Fteam", 400, "malformed-task-id")]
    #[case::not_utf8("clickup:%FF", 400, "malformed-task-id")]
    #[case::not_encoded("github:acme/widgets%237", 404, "no-such-path")]
    #[tokio::test]
    async fn a_task_id_in_a_path_is_decoded(
        #[case] id: &str,
        #[case] status: u16,
        #[case] said: &str,
    ) {
        let server = served(some_routes()).await;
        let request = client().get(format!("{}/tasks/{id}", server.url));
        let response = request.bearer_auth(SECRET).send().await.unwrap();
        assert_eq!(response.status().as_u16(), status);
        if status == 200 {
            assert_eq!(response.text().await.unwrap(), said);
        } else {
            let kind = format!("urn:ivan:problem:{said}");
            assert_eq!(problem(response).await["type"], kind);
        }
    }

    /// A duplicate or ambiguous path panics here.
    #[test]
    fn the_routes_fit_together() {
        assert!(all(ApiTokens::new(SECRET).unwrap()).has_routes());
    }

    #[tokio::test]
    async fn a_body_over_the_limit_is_refused() {
        let server = served(some_routes()).await;
        let send = async |size: usize| {
            let request = client().post(format!("{}/tasks", server.url));
            let request = request.bearer_auth(SECRET).body(vec![b'x'; size]);
            request.send().await.unwrap()
        };
        assert_eq!(send(BODY_MAX).await.status(), StatusCode::OK);
        let before = Limit::ApiBody.times();
        let refused = problem(send(BODY_MAX + 1).await).await;
        assert_eq!(refused["status"], 413);
        assert!(Limit::ApiBody.times() > before);
    }

    #[tokio::test]
    async fn connections_are_bounded_and_the_others_wait() {
        let (entered, mut inside) = tokio::sync::mpsc::unbounded_channel();
        let let_go = CancellationToken::new();
        let held = let_go.clone();
        let routes = Router::new().route(
            "/healthz",
            get(async move || {
                let _ = entered.send(());
                held.cancelled().await;
                "well"
            }),
        );
        let server = served(routes).await;
        let before = Limit::ApiConnections.times();
        let asked: Vec<_> = (0..API.connections + 3)
            .map(|_| tokio::spawn(client().get(format!("{}/healthz", server.url)).send()))
            .collect();
        for _ in 0..API.connections {
            inside.recv().await.unwrap();
        }
        // Any further connection finds no room, and waits.
        Limit::ApiConnections.until_reached(before + 1).await;
        assert!(inside.try_recv().is_err());
        let_go.cancel();
        for answer in asked {
            assert_eq!(answer.await.unwrap().unwrap().status(), StatusCode::OK);
        }
    }

    #[tokio::test]
    async fn what_was_asked_before_the_end_is_answered_and_then_nobody_listens() {
        let (entered, mut inside) = tokio::sync::mpsc::channel::<()>(1);
        let routes = Router::new().route(
            "/slow",
            get(
                async move |Extension(shutdown): Extension<CancellationToken>| {
                    let _ = entered.send(()).await;
                    shutdown.cancelled().await;
                    "answered"
                },
            ),
        );
        let server = served(routes).await;
        let request = client().get(format!("{}/slow", server.url));
        let asked = tokio::spawn(request.bearer_auth(SECRET).send());
        inside.recv().await.unwrap();
        server.stop.cancel();
        let answer = asked.await.unwrap().unwrap();
        assert_eq!(answer.text().await.unwrap(), "answered");
        server.server.await.unwrap().unwrap();
        let late = client().get(&server.url).send().await;
        assert!(late.unwrap_err().is_connect());
    }
}
