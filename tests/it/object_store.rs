//! A small S3 server, as strict as the real one about what a lease needs: signatures, conditional writes, ETags. It is
//! written from Amazon's documentation and shares nothing with the daemon.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub const BUCKET: &str = "acme-ivan";
pub const KEY_ID: &str = "AKIDACME";
pub const SECRET: &str = "a-secret-key-of-the-tests";
const REGION: &str = "eu-west-1";

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum S3Fault {
    /// It is carried out, and the connection ends without an answer.
    AnswerLost,
    /// It is not carried out, and answered with 503.
    SlowDown,
    /// It is not carried out, and answered as if another write were under way.
    Conflict,
}

#[derive(Default)]
struct Shelf {
    objects: Mutex<BTreeMap<String, (Bytes, String)>>,
    faults: Mutex<Vec<S3Fault>>,
    is_down: Mutex<bool>,
}

pub struct ObjectStore {
    pub url: String,
    shelf: Arc<Shelf>,
    server: JoinHandle<()>,
}

impl Drop for ObjectStore {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl ObjectStore {
    pub async fn start() -> ObjectStore {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shelf = Arc::<Shelf>::default();
        let router = Router::new()
            .fallback(answers)
            .with_state(Arc::clone(&shelf));
        let server = tokio::spawn(async move {
            axum::serve(listener, router).await.unwrap();
        });
        ObjectStore { url, shelf, server }
    }

    /// The next requests have these faults.
    pub fn faults(&self, faults: &[S3Fault]) {
        self.shelf
            .faults
            .lock()
            .unwrap()
            .extend(faults.iter().rev());
    }

    /// From now on everything is answered with 503, or no longer.
    pub fn is_down(&self, down: bool) {
        *self.shelf.is_down.lock().unwrap() = down;
    }

    pub fn removes(&self, key: &str) {
        self.shelf.objects.lock().unwrap().remove(key);
    }

    pub fn object(&self, key: &str) -> Option<serde_json::Value> {
        let objects = self.shelf.objects.lock().unwrap();
        objects
            .get(key)
            .map(|(body, _)| serde_json::from_slice(body).unwrap())
    }
}

fn error(status: StatusCode, code: &str) -> Response {
    let body =
        format!("<?xml version=\"1.0\"?>\n<Error><Code>{code}</Code><Message>no</Message></Error>");
    (status, [(header::CONTENT_TYPE, "application/xml")], body).into_response()
}

async fn answers(
    State(shelf): State<Arc<Shelf>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if *shelf.is_down.lock().unwrap() {
        return error(StatusCode::SERVICE_UNAVAILABLE, "SlowDown");
    }
    if let Err(code) = is_signed(&method, &uri, &headers) {
        return error(StatusCode::FORBIDDEN, code);
    }
    let fault = shelf.faults.lock().unwrap().pop();
    match fault {
        Some(S3Fault::SlowDown) => return error(StatusCode::SERVICE_UNAVAILABLE, "SlowDown"),
        Some(S3Fault::Conflict) => {
            return error(StatusCode::CONFLICT, "ConditionalRequestConflict");
        }
        _ => {}
    }
    let answer = carries_out(&shelf, &method, uri.path(), &headers, body);
    match fault {
        // A panic in a handler closes its connection.
        Some(S3Fault::AnswerLost) => std::panic::resume_unwind(Box::new("the answer is lost")),
        _ => answer,
    }
}

fn carries_out(
    shelf: &Shelf,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
    body: Bytes,
) -> Response {
    let Some(key) = path.strip_prefix(&format!("/{BUCKET}/")) else {
        return error(StatusCode::NOT_FOUND, "NoSuchBucket");
    };
    let mut objects = shelf.objects.lock().unwrap();
    let present = objects.get(key).cloned();
    if method == Method::GET {
        return match present {
            Some((body, tag)) => ([(header::ETAG, tag)], body).into_response(),
            None => error(StatusCode::NOT_FOUND, "NoSuchKey"),
        };
    }
    if method != Method::PUT {
        return error(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed");
    }
    let condition = |name| {
        headers
            .get(name)
            .map(|value| value.to_str().unwrap().to_owned())
    };
    match (
        condition(header::IF_MATCH),
        condition(header::IF_NONE_MATCH),
        present,
    ) {
        (Some(wanted), None, Some((_, tag))) if wanted == tag => {}
        (Some(_), None, Some(_)) => {
            return error(StatusCode::PRECONDITION_FAILED, "PreconditionFailed");
        }
        (Some(_), None, None) => return error(StatusCode::NOT_FOUND, "NoSuchKey"),
        (None, Some(any), None) if any == "*" => {}
        (None, Some(any), Some(_)) if any == "*" => {
            return error(StatusCode::PRECONDITION_FAILED, "PreconditionFailed");
        }
        // A lease is never written without a condition.
        _ => return error(StatusCode::NOT_IMPLEMENTED, "NotImplemented"),
    }
    // As the real one: equal contents have equal tags.
    let tag = format!("\"{}\"", hex::encode(Sha256::digest(&body)));
    objects.insert(key.to_owned(), (body, tag.clone()));
    [(header::ETAG, tag)].into_response()
}

/// Checks a presigned request (Signature Version 4).
fn is_signed(method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), &'static str> {
    let query: Vec<(&str, &str)> = uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .collect();
    let get = |name: &str| {
        query
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| *value)
    };
    let denied = "AccessDenied";
    let credential = get("X-Amz-Credential").ok_or(denied)?.replace("%2F", "/");
    let date = get("X-Amz-Date").ok_or(denied)?;
    let day = date.get(..8).ok_or(denied)?;
    let scope = format!("{day}/{REGION}/s3/aws4_request");
    if credential != format!("{KEY_ID}/{scope}") {
        return Err("InvalidAccessKeyId");
    }
    let signed: Vec<String> = get("X-Amz-SignedHeaders")
        .ok_or(denied)?
        .replace("%3B", ";")
        .split(';')
        .map(str::to_owned)
        .collect();
    // A condition that is not signed could be left out on the way.
    for condition in ["if-match", "if-none-match"] {
        if headers.contains_key(condition) && !signed.iter().any(|name| name == condition) {
            return Err(denied);
        }
    }
    let mut sorted: Vec<String> = query
        .iter()
        .filter(|(name, _)| *name != "X-Amz-Signature")
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    sorted.sort();
    let mut canonical = format!("{method}\n{}\n{}\n", uri.path(), sorted.join("&"));
    for name in &signed {
        let value = headers.get(name.as_str()).ok_or(denied)?.to_str().unwrap();
        canonical.push_str(&format!("{name}:{}\n", value.trim()));
    }
    canonical.push_str(&format!("\n{}\nUNSIGNED-PAYLOAD", signed.join(";")));
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n{date}\n{scope}\n{}",
        hex::encode(Sha256::digest(canonical.as_bytes()))
    );
    let mac = |key: &[u8], text: &str| {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().to_vec()
    };
    let mut key = format!("AWS4{SECRET}").into_bytes();
    for part in [day, REGION, "s3", "aws4_request"] {
        key = mac(&key, part);
    }
    let signature = hex::encode(mac(&key, &to_sign));
    match get("X-Amz-Signature") == Some(signature.as_str()) {
        true => Ok(()),
        false => Err("SignatureDoesNotMatch"),
    }
}
