//! A service on loopback for the tests of the sources: it records requests, and a function returns the responses, or
//! none. The sandbox enforces the contracts; this one does not.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct SeenRequest {
    pub(crate) method: String,
    /// With its query.
    pub(crate) target: String,
    head: String,
    pub(crate) body: String,
}

impl SeenRequest {
    /// The request without the path of the API's base.
    pub(crate) fn without_base(&self, base: &str) -> SeenRequest {
        let target = self.target.strip_prefix(base).unwrap_or(&self.target);
        SeenRequest {
            target: target.to_owned(),
            ..self.clone()
        }
    }

    /// `GET /task/1`, without the query.
    pub(crate) fn line(&self) -> String {
        let path = self.target.split('?').next().unwrap();
        format!("{} {path}", self.method)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(crate) fn query(&self, name: &str) -> Option<String> {
        let url = url::Url::parse("http://fake").unwrap().join(&self.target);
        let url = url.unwrap();
        let mut pairs = url.query_pairs();
        pairs.find_map(|(key, value)| (key == name).then(|| value.into_owned()))
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// The response.
pub(crate) enum FakeResponse {
    Text(u16, Vec<(&'static str, String)>, String),
    /// The connection is closed without a response.
    Drop,
    /// The head arrives, the body does not.
    Cut(u16),
}

pub(crate) fn json(status: u16, body: serde_json::Value) -> FakeResponse {
    FakeResponse::Text(status, Vec::new(), body.to_string())
}

/// The service; it ends with the test's runtime.
pub(crate) struct Fake {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<SeenRequest>>>,
}

impl Fake {
    pub(crate) async fn start(
        answer: impl Fn(&SeenRequest) -> FakeResponse + Send + Sync + 'static,
    ) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (kept, answer) = (seen.clone(), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (kept, answer) = (kept.clone(), answer.clone());
                tokio::spawn(async move {
                    let _gone = serve(stream, &kept, &*answer).await;
                });
            }
        });
        Fake { url, seen }
    }

    pub(crate) fn seen(&self) -> Vec<SeenRequest> {
        self.seen.lock().unwrap().clone()
    }

    /// The requests in order, without queries.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.seen().iter().map(SeenRequest::line).collect()
    }
}

async fn serve(
    mut stream: TcpStream,
    kept: &Mutex<Vec<SeenRequest>>,
    answer: &(impl Fn(&SeenRequest) -> FakeResponse + ?Sized),
) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..head_end]).into_owned();
    let mut first = head.split(' ');
    let mut seen = SeenRequest {
        method: first.next().unwrap().to_owned(),
        target: first.next().unwrap().to_owned(),
        head: head.clone(),
        body: String::new(),
    };
    let length: usize = seen
        .header("content-length")
        .map_or(0, |length| length.parse().unwrap());
    while bytes.len() < head_end + 4 + length {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
    }
    seen.body = String::from_utf8_lossy(&bytes[head_end + 4..]).into_owned();
    kept.lock().unwrap().push(seen.clone());
    let (status, headers, body, length) = match answer(&seen) {
        FakeResponse::Text(status, headers, body) => {
            let length = body.len();
            (status, headers, body, length)
        }
        FakeResponse::Cut(status) => (status, Vec::new(), "{".to_owned(), 100),
        FakeResponse::Drop => return Ok(()),
    };
    let mut text =
        format!("HTTP/1.1 {status} Said\r\ncontent-length: {length}\r\nconnection: close\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    text.push_str(&body);
    stream.write_all(text.as_bytes()).await?;
    stream.shutdown().await
}

/// A client requires a TLS provider, even for http.
pub(crate) fn provider() {
    let _already = rustls::crypto::ring::default_provider().install_default();
}
