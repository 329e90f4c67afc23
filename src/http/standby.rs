//! The API's listener of a daemon that stands by: it is alive, it shows its metrics, and everything else is answered with
//! the leader's name.

use std::sync::Arc;

use axum::routing::get;
use axum::{Router, middleware};
use chrono::{DateTime, Utc};
use tokio::sync::watch;

use super::problem::{Problem, ProblemKind};
use super::{daemon, metrics, observe};
use crate::clock::Clock;

/// A daemon that leads by a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaderStatus {
    /// Its name: `standby.holder`.
    pub holder: String,
    /// When it began to lead.
    pub since: DateTime<Utc>,
    /// The number of its term.
    pub term: u64,
    /// Why its store is not replicated; `None` if it is.
    pub replication: Option<String>,
}

/// The present state of the daemon that leads.
pub type Leader = Arc<dyn Fn() -> LeaderStatus + Send + Sync>;

/// The routes while another daemon leads. `standing` is the state in words. Its metrics need no token: they are zeros but
/// for the version and the start, and people's tokens are in the store that it does not have yet.
pub fn standby_router(
    standing: watch::Receiver<String>,
    version: &'static str,
    clock: Clock,
) -> Router {
    let measured = async move || {
        let all = metrics::install();
        metrics::shows_process(version, clock.now(), false);
        metrics::exposition(&all)
    };
    let elsewhere = move || {
        let detail = standing.borrow().clone();
        async move { Problem::new(ProblemKind::NotReady, detail) }
    };
    Router::new()
        .route("/healthz", get(daemon::healthz))
        .route("/metrics", get(measured))
        .fallback(elsewhere)
        .layer(middleware::from_fn(observe))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::Request;
    use rstest::rstest;
    use tower_service::Service;

    use super::*;
    use crate::http::writes::tests::json_of;

    #[tokio::test]
    async fn it_shows_its_metrics() {
        let (_standing, told) = watch::channel(String::new());
        let mut router = standby_router(told, "0", Clock::system());
        let request = Request::get("/metrics").body(Body::empty()).unwrap();
        assert_eq!(router.call(request).await.unwrap().status(), 200);
    }

    #[rstest]
    #[case("/healthz", 200)]
    #[case("/readyz", 503)]
    #[case("/status", 503)]
    #[case("/current", 503)]
    #[tokio::test]
    async fn it_says_who_leads(#[case] path: &str, #[case] status: u16) {
        let (standing, told) = watch::channel(String::new());
        let mut router = standby_router(told, "0", Clock::system());
        standing.send_replace("ivan-b stands by: ivan-a leads".to_owned());
        let request = Request::get(path).body(Body::empty()).unwrap();
        let (answered, body) = json_of(router.call(request).await.unwrap()).await;
        assert_eq!(answered, status);
        if status == 503 {
            assert_eq!(body["detail"], "ivan-b stands by: ivan-a leads");
        }
    }
}
