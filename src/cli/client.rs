//! The client of our own HTTP API: one request, repeated if that is safe, and the errors without an answer.

use std::error::Error;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect;
use serde_json::Value;
use sha2::Sha256;
use tokio::time::sleep;
use url::Url;

use super::DaemonTarget;
use crate::verbs::line::{AnswerKind, Call};

/// The time limit for connecting.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// Pauses before a request whose connection was lost is repeated: together about as long as a restart takes.
const PAUSES: [Duration; 3] = [
    Duration::from_millis(250),
    Duration::from_millis(750),
    Duration::from_secs(2),
];

/// The reason why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The daemon's address, token or `--as` name is unusable. The reason, as a sentence.
    #[error("{0}")]
    Usage(String),
    /// No request was sent.
    #[error("The Ivan daemon is not reachable at {url}: {why}. Start it with `ivan serve`.")]
    Unreachable {
        /// The daemon's address, without a trailing slash.
        url: String,
        /// The innermost error: `Connection refused`.
        why: String,
    },
    /// A request may have been sent.
    #[error(
        "The Ivan daemon at {url} did not answer: {why}. It may have accepted the command: check `ivan log` \
             before you repeat it."
    )]
    Lost {
        /// The daemon's address, without a trailing slash.
        url: String,
        /// The innermost error of the last attempt.
        why: String,
    },
    /// The answer is no JSON object.
    #[error(
        "{url} answered {status}, but is not Ivan's API. Check --api-url, IVAN_API_URL or api.bind."
    )]
    NotIvan {
        /// The address that answered, without a trailing slash.
        url: String,
        /// The HTTP status of the answer.
        status: u16,
    },
    /// The HTTP client or a request could not be built. The innermost error.
    #[error("Cannot set up the connection: {0}")]
    Client(String),
}

/// The daemon's answer.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The raw body.
    pub text: String,
    /// The same body, parsed: always an object.
    pub json: Value,
}

/// The connection to one daemon for one run of the command line: all its requests have the same `Idempotency-Key`.
pub(super) struct DaemonClient {
    http: reqwest::Client,
    base: String,
    pauses: Vec<Duration>,
}

impl DaemonClient {
    pub(super) fn new(target: &DaemonTarget) -> Result<DaemonClient, ClientError> {
        let url = read_url(&target.url)?;
        let mut headers = HeaderMap::new();
        let bearer = format!("Bearer {}", target.token.expose());
        let mut bearer = header("the API token", &bearer)?;
        bearer.set_sensitive(true);
        headers.insert(AUTHORIZATION, bearer);
        if let Some(actor) = &target.actor {
            let actor = header("the name in --as or IVAN_AS", actor)?;
            headers.insert(HeaderName::from_static("x-ivan-actor"), actor);
        }
        let mut cli = header(
            "the API token",
            &format!("cli {}", proof(target.token.expose())),
        )?;
        cli.set_sensitive(true);
        headers.insert(HeaderName::from_static("x-ivan-surface"), cli);
        let key = header("the key", &fresh_key()?)?;
        headers.insert(HeaderName::from_static("idempotency-key"), key);
        let http = builder(&url, headers)
            .build()
            .map_err(|e| ClientError::Client(cause(&e)))?;
        let base = url.as_str().trim_end_matches('/').to_owned();
        let pauses = PAUSES.to_vec();
        Ok(DaemonClient { http, base, pauses })
    }

    /// Sends the request. If the connection is lost it is sent again under the same key, so that the daemon answers a
    /// request that it had accepted without doing it twice.
    pub(super) async fn send(
        &self,
        call: &Call,
        within: Duration,
    ) -> Result<ApiAnswer, ClientError> {
        let url = || self.base.clone();
        let mut pauses = self.pauses.iter();
        let mut sent = false;
        loop {
            let error = match self.send_once(call, within).await {
                Ok((status, text)) => return self.read(status, text),
                Err(error) => error,
            };
            let why = cause(&error);
            if error.is_connect() && !sent {
                return Err(ClientError::Unreachable { url: url(), why });
            }
            if error.is_builder() {
                return Err(ClientError::Client(why));
            }
            sent = true;
            let repeatable = error.is_connect() || !error.is_timeout();
            match pauses.next() {
                Some(pause) if repeatable => sleep(*pause).await,
                _ => return Err(ClientError::Lost { url: url(), why }),
            }
        }
    }

    /// The whole address of a path.
    pub(super) fn address(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// The answer to a request that is sent once; `None` without a good one in time.
    pub(super) async fn ask_once(&self, call: &Call, within: Duration) -> Option<Value> {
        let (status, text) = self.send_once(call, within).await.ok()?;
        let answer = self.read(status, text).ok()?;
        (status == 200).then_some(answer.json)
    }

    async fn send_once(
        &self,
        call: &Call,
        within: Duration,
    ) -> Result<(u16, String), reqwest::Error> {
        let url = format!("{}{}", self.base, call.path);
        let request = match &call.body {
            Some(body) => {
                let json = HeaderValue::from_static("application/json");
                let request = self.http.post(url).header(CONTENT_TYPE, json);
                request.body(body.to_string())
            }
            None => self.http.get(url),
        };
        let response = request.timeout(within).send().await?;
        let status = response.status().as_u16();
        Ok((status, response.text().await?))
    }

    fn read(&self, status: u16, text: String) -> Result<ApiAnswer, ClientError> {
        match serde_json::from_str::<Value>(&text) {
            Ok(json) if json.is_object() => Ok(ApiAnswer { status, text, json }),
            _ => Err(ClientError::NotIvan {
                url: self.base.clone(),
                status,
            }),
        }
    }
}

/// The base of the API's addresses, without a slash at the end.
pub(super) fn base_of(url: &str) -> Result<String, ClientError> {
    Ok(read_url(url)?.as_str().trim_end_matches('/').to_owned())
}

/// One `GET` without a token, which is not repeated.
pub(super) async fn probe(
    url: &str,
    path: &str,
    within: Duration,
) -> Result<ApiAnswer, ClientError> {
    let url = read_url(url)?;
    let http = builder(&url, HeaderMap::new())
        .build()
        .map_err(|error| ClientError::Client(cause(&error)))?;
    let client = DaemonClient {
        http,
        base: base_of(url.as_str())?,
        pauses: Vec::new(),
    };
    let call = Call::get(path, AnswerKind::Status);
    client
        .send(&call, within)
        .await
        .map_err(|error| match error {
            // Nothing was asked for that could have happened.
            ClientError::Lost { url, why } => ClientError::Unreachable { url, why },
            other => other,
        })
}

fn builder(url: &Url, headers: HeaderMap) -> reqwest::ClientBuilder {
    let builder = reqwest::Client::builder()
        .default_headers(headers)
        .connect_timeout(CONNECT_WITHIN)
        .redirect(redirect::Policy::none())
        // The daemon is ours: its token must not go to a proxy.
        .no_proxy();
    match url.scheme() {
        // Without TLS the system's certificates are not loaded, and may be missing.
        "http" => builder.tls_certs_only([]),
        _ => builder,
    }
}

fn read_url(text: &str) -> Result<Url, ClientError> {
    let wrong = |why: &str| {
        ClientError::Usage(format!(
            "The daemon's address (--api-url, IVAN_API_URL) {why}. Example: http://127.0.0.1:8787"
        ))
    };
    let mut url = Url::parse(text).map_err(|error| wrong(&format!("is not a URL: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("must be http or https"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong(
            "must not contain a name or password; put the token into IVAN_API_TOKEN",
        ));
    }
    url.set_query(None);
    url.set_fragment(None);
    Ok(url)
}

fn header(what: &str, text: &str) -> Result<HeaderValue, ClientError> {
    HeaderValue::from_bytes(text.as_bytes())
        .map_err(|_| ClientError::Usage(format!("{what} contains characters that cannot be sent")))
}

/// Shows the daemon that this is the command line: its log says so only where the token's text was at hand.
/// `http/tokens.rs` compares it.
fn proof(token: &str) -> String {
    let keyed = Hmac::<Sha256>::new_from_slice(token.as_bytes());
    keyed.map_or_else(
        |_| String::new(),
        |mac| {
            hex::encode(
                mac.chain_update(b"ivan command line")
                    .finalize()
                    .into_bytes(),
            )
        },
    )
}

fn fresh_key() -> Result<String, ClientError> {
    let mut key = [0; 16];
    getrandom::fill(&mut key).map_err(|error| ClientError::Client(error.to_string()))?;
    Ok(hex::encode(key))
}

/// The innermost reason, which is the useful one: `Connection refused`.
fn cause(error: &dyn Error) -> String {
    let mut innermost = error;
    while let Some(inner) = innermost.source() {
        innermost = inner;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use super::super::{
        ApiToken, EXIT_FAILED, EXIT_OK, EXIT_QUEUED, EXIT_REJECTED, EXIT_UNREACHABLE, EXIT_USAGE,
        TaskCommand, failed, perform,
    };
    use super::*;
    use rstest::rstest;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::task::JoinHandle;

    /// The behaviour of a fake daemon.
    enum Does {
        Answers(u16, &'static str),
        /// Closes the connection after it has read the request.
        Drops,
    }

    /// A fake daemon: treats each connection's request as given, then ends. Returns the requests.
    async fn daemon(doings: Vec<Does>) -> (String, JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = tokio::spawn(async move {
            let mut requests = Vec::new();
            let count = doings.len();
            let mut listener = Some(listener);
            for (nth, does) in doings.into_iter().enumerate() {
                let (mut stream, _) = listener.as_ref().unwrap().accept().await.unwrap();
                if nth + 1 == count {
                    listener = None;
                }
                requests.push(request(&mut stream).await);
                if let Does::Answers(status, body) = does {
                    let length = body.len();
                    let answer = format!(
                        "HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
                    );
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            }
            requests
        });
        (url, requests)
    }

    /// Reads one request to its end.
    async fn request(stream: &mut TcpStream) -> String {
        let mut read = Vec::new();
        loop {
            let text = String::from_utf8_lossy(&read).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length: "))
                    .map_or(0, |length| length.parse().unwrap());
                if body.len() >= length {
                    return text;
                }
            }
            assert_ne!(stream.read_buf(&mut read).await.unwrap(), 0, "{text}");
        }
    }

    fn target(url: &str) -> DaemonTarget {
        let _ = rustls::crypto::ring::default_provider().install_default();
        DaemonTarget {
            url: url.to_owned(),
            token: ApiToken::new("correct-horse\n"),
            token_from: "--api-token".to_owned(),
            actor: None,
            json: false,
            filtered: false,
            look: super::super::look::StreamLook::default(),
        }
    }

    fn client(url: &str) -> DaemonClient {
        let mut client = DaemonClient::new(&target(url)).unwrap();
        client.pauses = vec![Duration::ZERO; 3];
        client
    }

    fn done() -> Call {
        Call::post("/done", serde_json::json!({}))
    }

    fn key(request: &str) -> &str {
        let key = |line: &'_ str| line.starts_with("idempotency-key: ");
        request.lines().find(|line| key(line)).unwrap()
    }

    const COMPLETED: &str = r#"{"success":true,"message":"Task completed in ClickUp: Renew the certificate",
        "completed_task_id":"clickup:86a","conflict":false,"current_state":"complete","operation_id":"01J",
        "task_id":"clickup:86a","next_task":{"task_id":"github:7","title":"Login fails","url":"","source":"github"}}"#;

    #[tokio::test]
    async fn an_effect_is_printed_with_the_next_task() {
        let (url, requests) = daemon(vec![Does::Answers(200, COMPLETED)]).await;
        let target = DaemonTarget {
            actor: Some("Zoë".into()),
            ..target(&url)
        };
        let printed = perform(TaskCommand::Verb(done()), &target).await;
        assert_eq!(
            printed.out,
            "✓ Task completed in ClickUp: Renew the certificate\nNext: Login fails\n"
        );
        assert_eq!((printed.err.as_str(), printed.exit), ("", EXIT_OK));
        let request = requests.await.unwrap().remove(0);
        assert!(request.starts_with("POST /done HTTP/1.1\r\n"), "{request}");
        assert!(
            request.contains("authorization: Bearer correct-horse\r\n"),
            "{request}"
        );
        assert!(request.contains("x-ivan-actor: Zoë\r\n"), "{request}");
        assert!(
            request.contains("content-type: application/json\r\n"),
            "{request}"
        );
        assert!(request.ends_with("\r\n\r\n{}"), "{request}");
    }

    #[tokio::test]
    async fn with_json_the_answer_is_printed_as_it_is() {
        let (url, _requests) = daemon(vec![Does::Answers(200, COMPLETED)]).await;
        let target = DaemonTarget {
            json: true,
            ..target(&url)
        };
        let printed = perform(TaskCommand::Verb(done()), &target).await;
        assert_eq!(printed.out, COMPLETED);
        assert_eq!(printed.exit, EXIT_OK);
    }

    #[rstest]
    #[case::queued(
        202,
        r#"{"success":false,"queued":true,"message":"ClickUp is down"}"#,
        EXIT_QUEUED
    )]
    #[case::refused(
        502,
        r#"{"title":"Refused","status":502,"detail":"ClickUp says no"}"#,
        EXIT_FAILED
    )]
    #[case::unauthorized(
        401,
        r#"{"title":"Not authorized","status":401,"detail":"no"}"#,
        EXIT_REJECTED
    )]
    #[case::somebody_else(200, "<html>Welcome to nginx</html>", EXIT_FAILED)]
    #[case::somebody_elses_json(200, r#"{"hello":"world"}"#, EXIT_FAILED)]
    #[case::redirect(302, "", EXIT_FAILED)]
    #[tokio::test]
    async fn the_exit_status_says_how_it_went(
        #[case] status: u16,
        #[case] body: &'static str,
        #[case] exit: u8,
    ) {
        let (url, requests) = daemon(vec![Does::Answers(status, body)]).await;
        let printed = perform(TaskCommand::Verb(done()), &target(&url)).await;
        assert_eq!(printed.exit, exit, "{printed:?}");
        assert_eq!(requests.await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_lost_connection_is_tried_again_with_the_same_key() {
        let doings = vec![Does::Drops, Does::Drops, Does::Answers(200, COMPLETED)];
        let (url, requests) = daemon(doings).await;
        let reply = client(&url)
            .send(&done(), Duration::from_secs(30))
            .await
            .unwrap();
        assert_eq!(reply.status, 200);
        let requests = requests.await.unwrap();
        assert_eq!(requests.len(), 3);
        assert!(
            requests
                .iter()
                .all(|request| key(request) == key(&requests[0]))
        );
    }

    #[tokio::test]
    async fn each_invocation_has_a_key_of_its_own() {
        let answer = || Does::Answers(200, COMPLETED);
        let (url, requests) = daemon(vec![answer(), answer()]).await;
        for _ in 0..2 {
            assert_eq!(
                perform(TaskCommand::Verb(done()), &target(&url)).await.exit,
                EXIT_OK
            );
        }
        let requests = requests.await.unwrap();
        assert_ne!(key(&requests[0]), key(&requests[1]));
    }

    #[tokio::test]
    async fn a_daemon_that_died_under_the_request_is_not_called_unreachable() {
        let (url, _requests) = daemon(vec![Does::Drops]).await;
        let trouble = client(&url)
            .send(&done(), Duration::from_secs(30))
            .await
            .unwrap_err();
        assert!(matches!(trouble, ClientError::Lost { .. }), "{trouble:?}");
        let printed = failed(&trouble);
        assert_eq!(printed.exit, EXIT_UNREACHABLE);
        assert!(
            printed.err.contains("It may have accepted the command"),
            "{}",
            printed.err
        );
    }

    #[tokio::test]
    async fn nobody_there_is_said_with_what_to_do() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let printed = perform(TaskCommand::Verb(done()), &target(&format!("{url}/"))).await;
        assert_eq!(printed.exit, EXIT_UNREACHABLE);
        assert_eq!(printed.out, "");
        let start = format!("✗ The Ivan daemon is not reachable at {url}: Connection refused");
        assert!(printed.err.starts_with(&start), "{}", printed.err);
        let end = ". Start it with `ivan serve`.\n";
        assert!(printed.err.ends_with(end), "{}", printed.err);
    }

    #[rstest]
    #[case::no_url("127.0.0.1:8787")]
    #[case::scheme("ftp://127.0.0.1")]
    #[case::password("http://me:secret@127.0.0.1:8787")]
    #[tokio::test]
    async fn an_address_that_cannot_be_is_a_usage_error(#[case] url: &str) {
        let printed = perform(TaskCommand::Verb(done()), &target(url)).await;
        assert_eq!(printed.exit, EXIT_USAGE);
        assert!(!printed.err.contains("secret"), "{}", printed.err);
    }

    #[test]
    fn a_name_that_cannot_be_sent_is_a_usage_error() {
        let target = DaemonTarget {
            actor: Some("Ana\nX-Other: 1".into()),
            ..target("http://127.0.0.1:8787")
        };
        assert!(matches!(
            DaemonClient::new(&target),
            Err(ClientError::Usage(_))
        ));
    }
}
