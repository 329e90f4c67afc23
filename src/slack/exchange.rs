//! One exchange with Slack's Web API. An answer is read up to a limit, and parsed without a tree of its values.
//!
//! The errors are slack-morphism's. Its own client reads bodies without a limit.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use hyper::{Request, StatusCode};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use slack_morphism::errors::{
    SlackClientApiError, SlackClientError, SlackClientHttpError, SlackClientHttpProtocolError,
    SlackClientProtocolError, SlackClientSystemError, SlackRateLimitError,
};

use super::proxy::ProxyConnector;
use crate::limits::Limit;

/// The longest answer that is read. A page of two hundred messages is a few megabytes.
pub(super) const ANSWER_MAX: usize = 10 * 1024 * 1024;

/// A client with its connections. Clones share them.
pub(super) type WebClient = legacy::Client<HttpsConnector<ProxyConnector>, SentBody>;

/// The body of a request, sent in one piece.
pub(super) struct SentBody(Bytes);

impl Body for SentBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let content = std::mem::take(&mut self.0);
        Poll::Ready((!content.is_empty()).then(|| Ok(Frame::data(content))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.len() as u64)
    }
}

/// The answer is longer than [`ANSWER_MAX`].
#[derive(Debug, thiserror::Error)]
#[error("the answer is longer than {} bytes", ANSWER_MAX)]
pub(super) struct AnswerTooLong;

/// The fields that every answer has.
#[derive(Deserialize)]
struct AnswerHead {
    #[serde(rename = "ok")]
    _ok: bool,
    error: Option<String>,
}

/// Sends a GET and parses the answer. `authorization` is the value of that header.
pub(super) async fn get<A: DeserializeOwned>(
    client: &WebClient,
    url: &str,
    authorization: &str,
) -> Result<A, SlackClientError> {
    let request = Request::get(url)
        .header(AUTHORIZATION, authorization)
        .body(SentBody(Bytes::new()))
        .map_err(|error| broken(Box::new(error)))?;
    exchange(client, request).await
}

/// Sends a POST with a body of that content type and parses the answer. Without `authorization`, the address is secret.
pub(super) async fn post<A: DeserializeOwned>(
    client: &WebClient,
    url: &str,
    authorization: Option<&str>,
    kind: &str,
    body: Vec<u8>,
) -> Result<A, SlackClientError> {
    let mut request = Request::post(url).header(CONTENT_TYPE, kind);
    if let Some(authorization) = authorization {
        request = request.header(AUTHORIZATION, authorization);
    }
    let request = request
        .body(SentBody(Bytes::from(body)))
        .map_err(|error| broken(Box::new(error)))?;
    exchange(client, request).await
}

async fn exchange<A: DeserializeOwned>(
    client: &WebClient,
    request: Request<SentBody>,
) -> Result<A, SlackClientError> {
    let answer = client
        .request(request)
        .await
        .map_err(|error| broken(Box::new(error)))?;
    let status = answer.status();
    let is_json = is_json(answer.headers());
    let after = retry_after(answer.headers());
    let body = read(answer.into_body()).await;
    // A refusal is valid without its body.
    match status {
        StatusCode::OK if is_json => {
            let body = body?;
            match parsed::<AnswerHead>(&body)?.error {
                None => parsed(&body),
                Some(code) => Err(SlackClientError::ApiError(SlackClientApiError::new(code))),
            }
        }
        StatusCode::OK | StatusCode::NO_CONTENT => {
            body?;
            parsed("{}")
        }
        StatusCode::TOO_MANY_REQUESTS => {
            let limited = SlackRateLimitError::new().opt_retry_after(after);
            Err(SlackClientError::RateLimitError(limited))
        }
        _ => Err(SlackClientError::HttpError(SlackClientHttpError::new(
            status,
        ))),
    }
}

/// Reads a body up to the limit.
async fn read(mut body: Incoming) -> Result<String, SlackClientError> {
    let mut content = Vec::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let frame = frame.map_err(|error| lost(Box::new(error)))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if content.len() + data.len() > ANSWER_MAX {
            Limit::Answer.reached(format_args!(
                "an answer of Slack is longer than {ANSWER_MAX} bytes and is dropped"
            ));
            return Err(lost(Box::new(AnswerTooLong)));
        }
        content.extend_from_slice(&data);
    }
    String::from_utf8(content).map_err(|error| lost(Box::new(error.utf8_error())))
}

fn parsed<A: DeserializeOwned>(body: &str) -> Result<A, SlackClientError> {
    serde_json::from_str(body).map_err(|error| {
        let error = SlackClientProtocolError {
            json_error: error,
            json_body: None,
        };
        SlackClientError::ProtocolError(error)
    })
}

type Cause = Box<dyn std::error::Error + Sync + Send + 'static>;

/// The request was not sent, or the connection ended before an answer.
fn broken(cause: Cause) -> SlackClientError {
    SlackClientError::HttpProtocolError(SlackClientHttpProtocolError { cause: Some(cause) })
}

/// The body of the answer did not arrive.
fn lost(cause: Cause) -> SlackClientError {
    SlackClientError::SystemError(SlackClientSystemError {
        message: None,
        cause: Some(cause),
    })
}

/// Whether the body is JSON. An answer without a readable content type counts as JSON.
fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE);
    let Some(kind) = kind.and_then(|kind| kind.to_str().ok()) else {
        return true;
    };
    let kind = kind.split(';').next().unwrap_or_default().trim();
    !kind.contains('/') || kind.eq_ignore_ascii_case("application/json")
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?;
    seconds.parse().ok().map(Duration::from_secs)
}
