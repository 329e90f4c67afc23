//! Slack, ClickUp and GitHub on loopback, for `ivan demo` and the tests.
//!
//! Each service implements its contract and uses nothing else of this crate. It refuses the same requests as the real
//! one, with the same codes and bodies. A [`fault_server::FaultServer`] before each keeps the journal and injects the faults.

pub mod clickup;
pub mod control;
pub mod fault_server;
pub mod github;
pub mod slack;
pub mod webhook_sender;
mod wire;

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use clickup::SandboxClickUp;
use github::SandboxGitHub;
use slack::SandboxSlack;

/// All three services, each on its own port. Clones share them.
#[derive(Clone)]
pub struct Sandbox {
    /// The sandbox of Slack: its Web API and sockets.
    pub slack: SandboxSlack,
    /// The sandbox of ClickUp.
    pub clickup: SandboxClickUp,
    /// The sandbox of GitHub.
    pub github: SandboxGitHub,
}

impl Sandbox {
    /// Starts all three services.
    ///
    /// # Errors
    /// When a seed is incomplete, or no port can be bound.
    pub async fn start(seed: Seed) -> io::Result<Sandbox> {
        Sandbox::start_at(seed, Ports::default()).await
    }

    /// Starts them on these ports.
    ///
    /// # Errors
    /// As [`Sandbox::start`]; names the service.
    pub async fn start_at(seed: Seed, ports: Ports) -> io::Result<Sandbox> {
        let slack = SandboxSlack::start_at(&seed.slack, ports.slack).await;
        let clickup = SandboxClickUp::start_at(&seed.clickup, ports.clickup).await;
        let github = SandboxGitHub::start_at(&seed.github, ports.github).await;
        Ok(Sandbox {
            slack: slack.map_err(|error| cannot_listen("Slack", ports.slack, error))?,
            clickup: clickup.map_err(|error| cannot_listen("ClickUp", ports.clickup, error))?,
            github: github.map_err(|error| cannot_listen("GitHub", ports.github, error))?,
        })
    }

    /// Stops listening and drops every connection.
    pub async fn close(&self) {
        tokio::join!(
            self.slack.close(),
            self.clickup.close(),
            self.github.close()
        );
    }
}

/// The ports of the services on 127.0.0.1; 0 is any free port.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ports {
    /// The port of Slack's Web API and sockets.
    pub slack: u16,
    /// The port of ClickUp.
    pub clickup: u16,
    /// The port of GitHub.
    pub github: u16,
    /// The port of the control API; unused by a [`Sandbox`] alone.
    pub control: u16,
}

fn cannot_listen(service: &str, port: u16, error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::InvalidData {
        return error;
    }
    let option = service.to_lowercase();
    let text = format!(
        "{service} cannot listen on 127.0.0.1:{port}: {error}. Choose another --{option}-port"
    );
    io::Error::new(error.kind(), text)
}

/// The initial state of the services; each service documents its part.
#[derive(Debug, Clone)]
pub struct Seed {
    /// JSON in the form of `fixtures/seed/slack.json`.
    pub slack: Value,
    /// JSON in the form of `fixtures/seed/clickup.json`.
    pub clickup: Value,
    /// JSON in the form of `fixtures/seed/github.json`.
    pub github: Value,
}

impl Seed {
    /// The state for `ivan demo`: six open tasks and a completed one in ClickUp's Inbox; five open issues, a closed one
    /// and a pull request in acme/widgets. Dates are relative to the start.
    pub fn demo() -> Seed {
        Seed {
            slack: fixture(include_str!("../../fixtures/seed/slack.json")),
            clickup: fixture(include_str!("../../fixtures/seed/clickup.json")),
            github: fixture(include_str!("../../fixtures/seed/github.json")),
        }
    }

    /// The same people, lists and repository, without tasks and their types.
    pub fn empty() -> Seed {
        let mut seed = Seed::demo();
        for (part, things) in [(&mut seed.clickup, "tasks"), (&mut seed.github, "issues")] {
            if let Some(part) = part.as_object_mut() {
                part.insert(things.to_owned(), json!([]));
                part.remove("types");
            }
        }
        seed
    }
}

fn fixture(text: &str) -> Value {
    serde_json::from_str(text).expect("the seeds are JSON, and a test starts from them")
}

/// The time in milliseconds since the epoch. The only place in the sandbox that reads a clock.
#[expect(
    clippy::disallowed_methods,
    reason = "the sandbox is another machine: it has a clock of its own"
)]
pub fn now() -> i64 {
    chrono::Utc::now().timestamp_millis()
}

/// The header `Date` of an answer, by a clock that is `ahead` by so many milliseconds.
fn http_date(ahead: i64) -> String {
    let at = chrono::DateTime::from_timestamp_millis(now() + ahead).unwrap_or_default();
    at.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// A client for loopback, for webhooks and the sandbox's own tests.
fn http_client() -> reqwest::Client {
    // Fails if the process already has a provider, which also works.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        // Loopback is plain HTTP. Reading the system's certificates takes a while, so it is skipped.
        .tls_certs_only([])
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .expect("a client that needs nothing of the system")
}

/// Takes a lock even after another holder panicked: that test has failed already.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An endpoint that takes every webhook delivery, and its address.
#[cfg(test)]
async fn hook_end() -> (fault_server::FaultServer, String) {
    let end = fault_server::FaultServer::open(axum::Router::new().fallback(async || "ok"))
        .await
        .expect("a port");
    let url = format!("http://{}/webhooks/x", end.address());
    (end, url)
}

/// Checks that each key of the fixture is in the answer, with a value of the same type; nulls match anything.
#[cfg(test)]
fn shaped_like(fixture: &Value, answer: &Value, at: &str) {
    match (fixture, answer) {
        (Value::Null, _) | (_, Value::Null) if at != "$" => {}
        (Value::Object(wanted), Value::Object(found)) => {
            for (key, value) in wanted {
                let found = found
                    .get(key)
                    .unwrap_or_else(|| panic!("{at}.{key} is missing"));
                shaped_like(value, found, &format!("{at}.{key}"));
            }
        }
        (Value::Array(wanted), Value::Array(found)) => {
            if let (Some(wanted), Some(found)) = (wanted.first(), found.first()) {
                shaped_like(wanted, found, &format!("{at}[0]"));
            }
        }
        _ => assert_eq!(
            std::mem::discriminant(fixture),
            std::mem::discriminant(answer),
            "type of {at}"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn starts_and_closes_with_either_seed() {
        let demo = Sandbox::start(Seed::demo()).await.unwrap();
        assert_eq!(
            (
                demo.clickup.tasks().len(),
                demo.github.issues("acme/widgets").len()
            ),
            (7, 7)
        );
        demo.close().await;
        let empty = Sandbox::start(Seed::empty()).await.unwrap();
        assert_eq!(
            (
                empty.clickup.tasks().len(),
                empty.github.issues("acme/widgets").len()
            ),
            (0, 0)
        );
        empty.close().await;
    }

    #[test]
    fn the_people_are_the_same_everywhere() {
        let seed = Seed::demo();
        let members = seed.clickup["members"].as_array().unwrap();
        assert!(
            members
                .iter()
                .any(|user| user["id"] == 4242 && user["username"] == "Ana")
        );
        assert!(members.iter().any(|user| user["id"] == seed.clickup["me"]));
        let users = seed.github["users"].as_array().unwrap();
        assert!(
            users
                .iter()
                .any(|user| user["login"] == "ana" && user["id"] == 31)
        );
        assert!(users.iter().any(|user| user["login"] == seed.github["me"]));
    }
}
