//! The lease's object in an S3 store: `If-None-Match: *` makes it, `If-Match` replaces it.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::{ETAG, HeaderMap};
use reqwest::{Method, Response};
use rustls::ClientConfig;
use rusty_s3::actions::{GetObject, PutObject, S3Action};
use rusty_s3::{Bucket, Credentials, UrlStyle};
use url::{Host, Url};

use super::lease::{LeaseRecord, LeaseStore, NotWritten};
use crate::tls;

/// How long the signature of a request is valid.
const SIGNED_FOR: Duration = Duration::from_secs(60);
/// The longest content that is read.
const LEASE_MAX: usize = 16 * 1024;

/// Where the lease is.
pub struct S3Settings {
    /// The bucket, which Litestream may use, too.
    pub bucket: String,
    /// The key of the object.
    pub key: String,
    /// The region of the bucket.
    pub region: String,
    /// The address of the server; `None`: Amazon S3 of that region.
    pub endpoint: Option<String>,
    /// The id of the access key.
    pub access_key_id: String,
    /// The secret of the access key.
    pub secret_access_key: String,
    /// The time limit of a request.
    pub limit: Duration,
}

/// The lease's object.
pub struct S3Lease {
    http: reqwest::Client,
    bucket: Bucket,
    credentials: Credentials,
    key: String,
}

impl S3Lease {
    /// Nothing is sent yet.
    ///
    /// # Errors
    /// The address or the bucket's name is no part of a URL.
    pub fn new(settings: S3Settings) -> Result<S3Lease, String> {
        let amazon = || format!("https://s3.{}.amazonaws.com", settings.region);
        let endpoint = settings.endpoint.clone().unwrap_or_else(amazon);
        let endpoint = Url::parse(&endpoint).map_err(|e| format!("`{endpoint}`: {e}"))?;
        // Servers elsewhere may have no name for each bucket.
        let style = match settings.endpoint {
            Some(_) => UrlStyle::Path,
            None => UrlStyle::VirtualHost,
        };
        let is_here = match endpoint.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        let tls = match endpoint.scheme() {
            "http" => tls::without_certificates()?,
            _ => ClientConfig::clone(&*tls::with_system_certificates()?),
        };
        let mut builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .timeout(settings.limit)
            .http1_only()
            .tls_backend_preconfigured(tls);
        if is_here {
            builder = builder.no_proxy();
        }
        let bucket = Bucket::new(endpoint, style, settings.bucket, settings.region);
        Ok(S3Lease {
            http: builder.build().map_err(|e| e.to_string())?,
            bucket: bucket.map_err(|e| e.to_string())?,
            credentials: Credentials::new(settings.access_key_id, settings.secret_access_key),
            key: settings.key,
        })
    }

    async fn send(
        &self,
        method: Method,
        url: Url,
        headers: &[(&'static str, &str)],
        body: Vec<u8>,
    ) -> Result<Response, String> {
        let mut request = self.http.request(method, url).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        // The URL has the signature, so it stays out of the text.
        request
            .send()
            .await
            .map_err(|error| reason(&error.without_url()))
    }
}

#[async_trait]
impl LeaseStore for S3Lease {
    async fn read(&self) -> Result<Option<(LeaseRecord, String)>, String> {
        let action = GetObject::new(&self.bucket, Some(&self.credentials), &self.key);
        let url = action.sign(SIGNED_FOR);
        let mut answer = self.send(Method::GET, url, &[], Vec::new()).await?;
        match answer.status().as_u16() {
            200 => {}
            404 => {
                let (code, why) = refusal(&mut answer).await;
                return match code.as_str() {
                    "NoSuchKey" => Ok(None),
                    _ => Err(why),
                };
            }
            _ => return Err(refusal(&mut answer).await.1),
        }
        let tag = tag(answer.headers()).ok_or("its answer has no ETag")?;
        let text = text(&mut answer).await?;
        let record = serde_json::from_str(&text)
            .map_err(|error| format!("the object is no lease ({error}); remove it"))?;
        Ok(Some((record, tag)))
    }

    async fn write(&self, record: &LeaseRecord, over: Option<&str>) -> Result<String, NotWritten> {
        let unclear = NotWritten::Unclear;
        let body = serde_json::to_vec(record).map_err(|error| unclear(error.to_string()))?;
        let condition = match over {
            Some(tag) => ("if-match", tag),
            None => ("if-none-match", "*"),
        };
        let mut action = PutObject::new(&self.bucket, Some(&self.credentials), &self.key);
        // Signed, so that nothing on the way can leave it out.
        action.headers_mut().insert(condition.0, condition.1);
        let url = action.sign(SIGNED_FOR);
        let sent = self.send(Method::PUT, url, &[condition], body).await;
        let mut answer = sent.map_err(unclear)?;
        match answer.status().as_u16() {
            200 => {
                tag(answer.headers()).ok_or_else(|| unclear("its answer has no ETag".to_owned()))
            }
            412 => Err(NotWritten::Changed),
            // With If-Match: the object was removed.
            404 if over.is_some() => match refusal(&mut answer).await {
                (code, _) if code == "NoSuchKey" => Err(NotWritten::Changed),
                (_, why) => Err(unclear(why)),
            },
            // 409: another write is under way, and either may win.
            _ => Err(unclear(refusal(&mut answer).await.1)),
        }
    }
}

fn tag(headers: &HeaderMap) -> Option<String> {
    let tag = headers.get(ETAG)?.to_str().ok()?;
    (!tag.is_empty()).then(|| tag.to_owned())
}

async fn text(answer: &mut Response) -> Result<String, String> {
    let mut bytes = Vec::new();
    while let Some(part) = answer
        .chunk()
        .await
        .map_err(|error| reason(&error.without_url()))?
    {
        if bytes.len() + part.len() > LEASE_MAX {
            return Err("its answer is too long".to_owned());
        }
        bytes.extend_from_slice(&part);
    }
    String::from_utf8(bytes).map_err(|_| "its answer is no text".to_owned())
}

/// The code of an error, and the reason in words.
async fn refusal(answer: &mut Response) -> (String, String) {
    let status = answer.status().as_u16();
    let text = text(answer).await.unwrap_or_default();
    let code = text
        .split_once("<Code>")
        .and_then(|(_, rest)| rest.split_once("</Code>"))
        .map(|(code, _)| {
            code.chars()
                .filter(char::is_ascii_alphanumeric)
                .take(60)
                .collect()
        })
        .unwrap_or_else(String::new);
    let why = match code.as_str() {
        "" => format!("HTTP {status}"),
        code => format!("HTTP {status}, {code}"),
    };
    (code, why)
}

/// The innermost cause.
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
