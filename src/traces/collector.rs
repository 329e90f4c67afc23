//! The batch of spans and the requests to the collector, by the client that all of Ivan uses.

use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use opentelemetry::{Key, KeyValue};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchSpanProcessor, SpanProcessor};
use tokio::runtime::Handle;
use tokio::time::Instant;
use url::Url;

use crate::http_client::{connector, reason};
use crate::runtime::{LastingFailure, lock};

/// How long the collector may take for a batch, its repetitions included.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// The longest answer that is read: it has a few words about spans that were not taken.
const ANSWER_MAX: usize = 64 * 1024;

/// A batch that goes to the collector at this address. `OTEL_BSP_…`, `OTEL_EXPORTER_OTLP_HEADERS` and
/// `OTEL_RESOURCE_ATTRIBUTES` of the environment apply, as in every exporter.
pub(super) fn processor(otlp_url: &str) -> Result<BatchSpanProcessor, String> {
    let endpoint = format!("{}/v1/traces", otlp_url.trim_end_matches('/'));
    let base = Url::parse(&endpoint).map_err(|error| error.to_string())?;
    let http = connector(&base)?.timeout(ANSWER_WITHIN).build();
    let client = CollectorClient {
        http: http.map_err(|error| reason(&error))?,
        runtime: Handle::current(),
        begun: Instant::now(),
        failing: Mutex::default(),
    };
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(endpoint)
        .with_timeout(ANSWER_WITHIN)
        .build()
        .map_err(|error| error.to_string())?;
    let mut processor = BatchSpanProcessor::builder(exporter).build();
    processor.set_resource(&resource());
    Ok(processor)
}

/// The name of the service is `ivan`, unless the environment has another.
fn resource() -> Resource {
    const NAME: Key = Key::from_static_str("service.name");
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let found = Resource::builder().build().get(&NAME);
    let is_named = found.is_some_and(|name| !name.as_str().starts_with("unknown_service"));
    let builder = Resource::builder().with_attribute(version);
    match is_named {
        true => builder.build(),
        false => builder.with_service_name("ivan").build(),
    }
}

/// Sends batches on the runtime of the daemon: the thread of the batch has none.
struct CollectorClient {
    http: reqwest::Client,
    runtime: Handle,
    begun: Instant,
    failing: Mutex<LastingFailure>,
}

impl fmt::Debug for CollectorClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CollectorClient")
    }
}

#[async_trait]
impl HttpClient for CollectorClient {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let sending = exchange(self.http.clone(), request);
        let sent = match self.runtime.spawn(sending).await {
            Ok(sent) => sent,
            Err(error) => Err(error.to_string()),
        };
        let error = match &sent {
            Ok(response) if !response.status().is_success() => {
                Some(format!("HTTP {}", response.status().as_u16()))
            }
            Ok(_) => None,
            Err(error) => Some(error.clone()),
        };
        self.says(error.as_deref());
        sent.map_err(HttpError::from)
    }
}

impl CollectorClient {
    /// Logs the first failure, and its end.
    fn says(&self, error: Option<&str>) {
        let lasted = lock(&self.failing).went(self.begun.elapsed(), error);
        match (error, lasted) {
            (Some(error), Some(failing)) => {
                tracing::warn!(
                    failing,
                    error,
                    "the collector takes no traces; commands do not wait for it"
                );
            }
            (None, Some(failed)) => tracing::info!(failed, "the collector takes traces again"),
            (_, None) => {}
        }
    }
}

async fn exchange(
    http: reqwest::Client,
    request: Request<Bytes>,
) -> Result<Response<Bytes>, String> {
    let request = reqwest::Request::try_from(request).map_err(|error| reason(&error))?;
    let mut response = http
        .execute(request)
        .await
        .map_err(|error| reason(&error))?;
    let (status, mut body) = (response.status(), Vec::new());
    while let Some(part) = response.chunk().await.map_err(|error| reason(&error))? {
        if body.len() + part.len() > ANSWER_MAX {
            return Err("the answer is too long".to_owned());
        }
        body.extend_from_slice(&part);
    }
    let mut answer = Response::new(Bytes::from(body));
    *answer.status_mut() = status;
    Ok(answer)
}
