//! For fuzzing: both listeners' routers behind a connection that sends these bytes.

use std::sync::Arc;

use async_trait::async_trait;
use axum::routing::{any, get};
use axum::{Json, Router};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::hooks::{DeliveryStore, hooks_router};
use super::{guard, tokens::ApiTokens};
use crate::clock::Clock;
use crate::commands::StoreError;
use crate::domain::source::{Delivery, WebhookReader};
use crate::domain::task::Source;
use crate::inbox::{Inserted, NotKept};

/// The largest request head, in bytes, as for the listeners.
const HEAD_MAX: usize = 64 * 1024;
/// The secret that signs deliveries here. No input has a signature by it.
const SECRET: &str = "fuzzing-1f0c9a1e5d";

/// A store that is given no delivery: none has a valid signature.
struct Unused;

#[async_trait]
impl DeliveryStore for Unused {
    async fn keep(&self, delivery: Delivery) -> Result<Inserted, NotKept> {
        panic!("a delivery without a valid signature is stored: {delivery:?}")
    }
    async fn secrets(&self, _: Source, _: Option<&str>) -> Result<Vec<String>, StoreError> {
        Ok(vec![SECRET.to_owned()])
    }
    async fn learn_secrets(&self, _: Source) -> Result<(), StoreError> {
        Ok(())
    }
}

/// The routers of both listeners: the webhooks' as it is, the API's with its guard and one route that needs a token.
pub(crate) fn routers(readers: Vec<Arc<dyn WebhookReader>>) -> [Router; 2] {
    let hooks = hooks_router(Unused, readers, Clock::system());
    let routes: Router = Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/tasks/{id}/done", any(without_body))
        .route("/echo", any(with_body));
    let api = ApiTokens::new(SECRET).map(|tokens| guard(routes, tokens));
    [hooks, api.unwrap_or_default()]
}

async fn without_body() -> &'static str {
    panic!("a request without a token is carried out")
}

async fn with_body(Json(_): Json<serde_json::Value>) -> &'static str {
    without_body().await
}

/// Sends the bytes on a connection, ends it, and reads the answers to their end.
pub(crate) async fn connection(router: Router, sent: &[u8]) {
    let (mut client, server) = duplex(HEAD_MAX);
    let service = TowerToHyperService::new(router);
    let serving = http1::Builder::new()
        .max_buf_size(HEAD_MAX)
        .serve_connection(TokioIo::new(server), service);
    let (_ended, answers) = tokio::join!(serving, exchanged(&mut client, sent));
    if let Some(status) = answers.strip_prefix(b"HTTP/1.") {
        let is_probe = sent.windows(8).any(|path| path == b"/healthz");
        let is_success = status.get(2..3) == Some(b"2");
        assert!(is_probe || !is_success, "answered with a success");
    }
}

async fn exchanged(client: &mut DuplexStream, sent: &[u8]) -> Vec<u8> {
    let (mut reading, mut writing) = tokio::io::split(client);
    let mut answers = Vec::new();
    let write = async {
        // A refused connection may end before everything is written.
        let _ = writing.write_all(sent).await;
        let _ = writing.shutdown().await;
    };
    let (_read, ()) = tokio::join!(reading.read_to_end(&mut answers), write);
    answers
}
