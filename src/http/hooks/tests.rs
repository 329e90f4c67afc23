use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::super::HOOKS;
use super::super::connections::FIRST_WAIT;
use super::super::serving::{Serving, serve_as};
use super::*;
use crate::clickup::{ClickUp, ClickUpSettings};
use crate::domain::event::SourceEvent;
use crate::domain::operation::WriteError;
use crate::domain::source::{UnreadablePayload, WebhookRules};
use crate::domain::task::RepoName;
use crate::github::{GitHub, GitHubAccess, GitHubSettings, PriorityLabels};
use crate::limits::Limit;
use crate::runtime::CancellationToken;
use axum::body::to_bytes;
use axum::http::request::Builder;
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use rstest::rstest;
use sha2::Sha256;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;

const GITHUB_SECRET: &str = "It's a Secret to Everybody";
const CLICKUP_SECRET: &str = "clickup-test-secret";
const HOOK: &str = "11111111-2222-4333-8444-555555555555";

/// A minimal inbox: the stored deliveries by key, and the known secrets.
#[derive(Clone, Default)]
struct Shelf(Arc<Inner>);

#[derive(Default)]
struct Inner {
    kept: Mutex<BTreeMap<String, Delivery>>,
    secrets: Mutex<BTreeMap<(Source, Option<String>), String>>,
    /// The disk is full.
    full: AtomicBool,
    /// The disk does not answer.
    stuck: AtomicBool,
    /// How often the secrets were read again.
    learned: AtomicUsize,
}

impl Shelf {
    /// Has both sources' secrets: GitHub's for any webhook, ClickUp's for one.
    fn new() -> Shelf {
        let shelf = Shelf::default();
        shelf.learn(Source::GitHub, None, GITHUB_SECRET);
        shelf.learn(Source::ClickUp, Some(HOOK), CLICKUP_SECRET);
        shelf
    }

    fn learn(&self, source: Source, hook: Option<&str>, secret: &str) {
        let mut secrets = self.0.secrets.lock().unwrap();
        secrets.insert((source, hook.map(str::to_owned)), secret.to_owned());
    }

    fn kept(&self) -> Vec<Delivery> {
        self.0.kept.lock().unwrap().values().cloned().collect()
    }
}

#[async_trait]
impl DeliveryStore for Shelf {
    async fn keep(&self, delivery: Delivery) -> Result<Inserted, NotKept> {
        if self.0.stuck.load(Ordering::Acquire) {
            std::future::pending::<()>().await;
        }
        if self.0.full.load(Ordering::Acquire) {
            return Err(NotKept::Store(StoreError {
                path: "ivan.db".into(),
                why: "disk full".into(),
            }));
        }
        let mut kept = self.0.kept.lock().unwrap();
        match kept.insert(delivery.dedupe_key.clone(), delivery) {
            None => Ok(Inserted::New),
            Some(_) => Ok(Inserted::Duplicate),
        }
    }

    async fn secrets(&self, source: Source, hook: Option<&str>) -> Result<Vec<String>, StoreError> {
        let secrets = self.0.secrets.lock().unwrap();
        let of_source = secrets.iter().filter(|((of, _), _)| *of == source);
        let fitting = of_source
            .filter(|((_, of), _)| hook.is_none() || of.is_none() || of.as_deref() == hook);
        Ok(fitting.map(|(_, secret)| secret.clone()).collect())
    }

    async fn learn_secrets(&self, _: Source) -> Result<(), StoreError> {
        self.0.learned.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }
}

fn sign(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body);
    hex::encode(mac.finalize().into_bytes())
}

fn github(event: &str, guid: &str, body: &[u8]) -> Builder {
    let signature = sign(GITHUB_SECRET, body);
    Request::post("/webhooks/github")
        .header("content-type", "application/json")
        .header("x-github-event", event)
        .header("x-github-delivery", guid)
        .header("x-github-hook-id", "42")
        .header("x-hub-signature-256", format!("sha256={signature}"))
}

fn clickup(body: &[u8]) -> Builder {
    Request::post("/webhooks/clickup")
        .header("content-type", "application/json")
        .header("x-signature", sign(CLICKUP_SECRET, body))
}

/// The real source, which sends no requests here.
fn reader(source: Source) -> Arc<dyn WebhookReader> {
    let _already = rustls::crypto::ring::default_provider().install_default();
    let api_url = "http://127.0.0.1:1".to_owned();
    match source {
        Source::GitHub => {
            let settings = GitHubSettings {
                access: GitHubAccess::Token("t".into()),
                repo: RepoName::parse("acme/widgets").unwrap(),
                repos: Vec::new(),
                url: crate::domain::address::GITHUB.into(),
                api_url,
                in_progress_label: String::new(),
                priority_labels: PriorityLabels::default(),
                writes_per_second: 0.0,
            };
            Arc::new(GitHub::new(settings, Clock::system()).unwrap())
        }
        Source::ClickUp => {
            let settings = ClickUpSettings {
                token: "t".into(),
                team_id: "9001".into(),
                list_id: "901".into(),
                lists: Vec::new(),
                complete_status: String::new(),
                in_progress_status: None,
                api_url,
            };
            Arc::new(ClickUp::new(settings, Clock::system()).unwrap())
        }
    }
}

/// A source whose largest body a test can reach.
struct Small(Arc<dyn WebhookReader>);

impl Small {
    fn body_max(source: Source) -> usize {
        match source {
            Source::GitHub => 512 * 1024,
            Source::ClickUp => 256 * 1024,
        }
    }
}

#[async_trait]
impl WebhookReader for Small {
    fn source(&self) -> Source {
        self.0.source()
    }
    fn terms(&self) -> WebhookRules {
        WebhookRules {
            body_max: Small::body_max(self.source()),
            ..self.0.terms()
        }
    }
    fn has_signature(&self, headers: &Headers<'_>) -> bool {
        self.0.has_signature(headers)
    }
    fn hook_id(&self, headers: &Headers<'_>, body: &[u8]) -> Option<String> {
        self.0.hook_id(headers, body)
    }
    fn check(&self, headers: &Headers<'_>, secret: &str) -> Box<dyn SignatureCheck> {
        self.0.check(headers, secret)
    }
    fn delivery(
        &self,
        headers: &Headers<'_>,
        body: Vec<u8>,
        now: DateTime<Utc>,
    ) -> Result<Delivery, DeliveryRefusal> {
        self.0.delivery(headers, body, now)
    }
    async fn prepare(&self) -> Result<(), WriteError> {
        self.0.prepare().await
    }
    fn read(&self, delivery: &Delivery) -> Result<Vec<SourceEvent>, UnreadablePayload> {
        self.0.read(delivery)
    }
}

/// One source's route without a socket.
fn door(source: Source, shelf: &Shelf) -> Arc<Route> {
    let hooks = Hooks::new(shelf.clone(), Clock::system(), Limits::default());
    Arc::new(Route::new(reader(source), Arc::new(hooks)))
}

/// The answer to a request, as `200 accepted`; only the status for a refusal.
async fn answer(door: &Arc<Route>, request: Builder, body: impl Into<Body>) -> String {
    let request = request.body(body.into()).unwrap();
    let response = take(State(Arc::clone(door)), request).await;
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    match body["status"].as_str().unwrap() {
        "refused" => status.to_string(),
        word => format!("{status} {word}"),
    }
}

fn fixture(path: &str) -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    fs::read(root.join(path)).unwrap()
}

// ---------------------------------------------------------------- signatures

#[rstest]
#[case(
    GITHUB_SECRET,
    "Hello, World!",
    "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
)]
#[case(
    GITHUB_SECRET,
    r#"{"action":"closed","issue":{"number":7},"repository":{"id":1001,"full_name":"acme/widgets"}}"#,
    "844b3651f5c6d41cccc1f712fea1c16552ebfdf3d049622aeaf752a4e77de1c4"
)]
#[case(
    GITHUB_SECRET,
    "payload=%7B%22zen%22%3A%22x%22%7D",
    "9e518bab52dd49be0a3cab84bf12fed8157f4905144554e29e99e7d137ca8e5c"
)]
#[case(
    CLICKUP_SECRET,
    r#"{"event":"taskDeleted","task_id":"86tst0001","webhook_id":"11111111-2222-4333-8444-555555555555"}"#,
    "c508d40b762d2e7677b831c9516725222364618af0220de4b59d58f3dbbe200d"
)]
#[case(
    CLICKUP_SECRET,
    r#"{"event":"taskCommentPosted","task_id":"86tst0001","note":"café ✓","webhook_id":"11111111-2222-4333-8444-555555555555"}"#,
    "f2578a156cdb03c1cbdf85636f77a0d30fa8b75d22da3367b43daef68e7b2857"
)]
fn the_vectors_of_the_contracts_hold(
    #[case] secret: &str,
    #[case] body: &str,
    #[case] signature: &str,
) {
    let source = match secret {
        GITHUB_SECRET => Source::GitHub,
        _ => Source::ClickUp,
    };
    let (name, prefix) = match source {
        Source::GitHub => ("x-hub-signature-256", "sha256="),
        Source::ClickUp => ("x-signature", ""),
    };
    let reader = reader(source);
    let is_signed = |secret: &str, body: &[u8], signature: &str| {
        let claimed = format!("{prefix}{signature}");
        let headers = Headers::from_iter([(name, claimed.as_str())]);
        assert!(reader.has_signature(&headers));
        reader.is_signed(&headers, body, secret)
    };
    assert!(is_signed(secret, body.as_bytes(), signature));
    assert!(!is_signed("another", body.as_bytes(), signature));
    assert!(!is_signed(secret, &body.as_bytes()[1..], signature));
    let mut altered = hex::decode(signature).unwrap();
    altered[31] ^= 1;
    assert!(!is_signed(secret, body.as_bytes(), &hex::encode(altered)));
}

#[rstest]
#[case::none(None)]
#[case::empty(Some(""))]
#[case::no_digest(Some("sha256="))]
#[case::bare("757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17".into())]
#[case::sha1(Some("sha1=757107ea0eb2509fc211221cce984b8a37570b6d"))]
#[case::short(Some("sha256=757107ea"))]
#[case::long(Some("sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e1700"))]
#[case::no_hex(Some("sha256=zz7107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"))]
#[case::another(Some("sha256=857107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"))]
#[tokio::test]
async fn github_learns_of_a_bad_signature_by_a_401(#[case] signature: Option<&str>) {
    let shelf = Shelf::new();
    let door = door(Source::GitHub, &shelf);
    let mut request = Request::post("/webhooks/github")
        .header("x-github-event", "issues")
        .header("x-github-delivery", "a-guid");
    if let Some(signature) = signature {
        request = request.header("x-hub-signature-256", signature);
    }
    let body = fixture("github/issues__closed.json");
    assert_eq!(answer(&door, request, body.clone()).await, "401");
    assert!(shelf.kept().is_empty());
    // It has not used up the id of the real one.
    let real = github("issues", "a-guid", &body);
    assert_eq!(answer(&door, real, body).await, "200 accepted");
}

/// The first 401 would suspend the webhook (docs/contracts/clickup.md#delivery).
#[rstest]
#[case::none(&[])]
#[case::empty(&[("x-signature", "")])]
#[case::with_a_prefix(&[("x-signature", "sha256=c508d40b762d2e7677b831c9516725222364618af0220de4b59d58f3dbbe200d")])]
#[case::of_another_body(&[("x-signature", "c508d40b762d2e7677b831c9516725222364618af0220de4b59d58f3dbbe200d")])]
#[case::twice_wrong(&[("x-signature", "00"), ("x-clickup-signature", "01")])]
#[tokio::test]
async fn clickup_learns_of_a_bad_signature_by_a_403(#[case] headers: &[(&str, &str)]) {
    let shelf = Shelf::new();
    let mut request = Request::post("/webhooks/clickup");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let door = door(Source::ClickUp, &shelf);
    let body = fixture("clickup/taskStatusUpdated.json");
    assert_eq!(answer(&door, request, body).await, "403");
    assert!(shelf.kept().is_empty());
}

#[rstest]
#[case::as_clickup_sends_it("x-signature")]
#[case::as_others_write_it("x-clickup-signature")]
#[tokio::test]
async fn clickup_may_sign_under_two_names(#[case] name: &str) {
    let shelf = Shelf::new();
    let body = fixture("clickup/taskStatusUpdated.json");
    let signed = Request::post("/webhooks/clickup").header(name, sign(CLICKUP_SECRET, &body));
    let answered = answer(&door(Source::ClickUp, &shelf), signed, body).await;
    assert_eq!(answered, "200 accepted");
}

#[tokio::test]
async fn each_clickup_webhook_has_its_own_secret() {
    let shelf = Shelf::new();
    shelf.learn(Source::ClickUp, Some("hook-b"), "secret-b");
    let door = door(Source::ClickUp, &shelf);
    let body = br#"{"event":"taskDeleted","task_id":"86a","webhook_id":"hook-b"}"#;
    let own = Request::post("/").header("x-signature", sign("secret-b", body));
    let others = Request::post("/").header("x-signature", sign(CLICKUP_SECRET, body));
    assert_eq!(answer(&door, others, &body[..]).await, "403");
    assert_eq!(answer(&door, own, &body[..]).await, "200 accepted");
    let unknown = br#"{"event":"taskDeleted","task_id":"86a","webhook_id":"hook-c"}"#;
    let forged = Request::post("/").header("x-signature", sign("guessed", unknown));
    assert_eq!(answer(&door, forged, &unknown[..]).await, "403");
    // The secret of bot.toml may have signed any delivery.
    shelf.learn(Source::ClickUp, None, "by-hand");
    let by_hand = Request::post("/").header("x-signature", sign("by-hand", body));
    assert_eq!(answer(&door, by_hand, &body[..]).await, "200 duplicate");
}

#[rstest]
#[case::github(Source::GitHub)]
#[case::clickup(Source::ClickUp)]
#[tokio::test]
async fn without_a_secret_there_is_no_route_and_an_empty_one_is_none(#[case] source: Source) {
    let shelf = Shelf::default();
    shelf.learn(source, None, "");
    let door = door(source, &shelf);
    let body = br#"{"event":"taskDeleted","task_id":"86a"}"#;
    let empty = sign("", body);
    let signed = Request::post("/")
        .header("x-github-event", "issues")
        .header("x-hub-signature-256", format!("sha256={empty}"))
        .header("x-signature", empty);
    assert_eq!(answer(&door, signed, &body[..]).await, "404");
    assert_eq!(answer(&door, Request::post("/"), &body[..]).await, "404");
    assert!(shelf.kept().is_empty());
}

/// Counts the secrets that bodies are compared with.
struct Counting(Arc<dyn WebhookReader>, Arc<AtomicUsize>);

#[async_trait]
impl WebhookReader for Counting {
    fn source(&self) -> Source {
        self.0.source()
    }
    fn terms(&self) -> WebhookRules {
        self.0.terms()
    }
    fn has_signature(&self, headers: &Headers<'_>) -> bool {
        self.0.has_signature(headers)
    }
    fn hook_id(&self, headers: &Headers<'_>, body: &[u8]) -> Option<String> {
        self.0.hook_id(headers, body)
    }
    fn check(&self, headers: &Headers<'_>, secret: &str) -> Box<dyn SignatureCheck> {
        self.1.fetch_add(1, Ordering::AcqRel);
        self.0.check(headers, secret)
    }
    fn delivery(
        &self,
        headers: &Headers<'_>,
        body: Vec<u8>,
        now: DateTime<Utc>,
    ) -> Result<Delivery, DeliveryRefusal> {
        self.0.delivery(headers, body, now)
    }
    async fn prepare(&self) -> Result<(), WriteError> {
        self.0.prepare().await
    }
    fn read(&self, delivery: &Delivery) -> Result<Vec<SourceEvent>, UnreadablePayload> {
        self.0.read(delivery)
    }
}

#[rstest]
#[case::unknown_hook(
    r#"{"event":"taskDeleted","task_id":"86a","webhook_id":"hook-x"}"#,
    "guessed",
    "403"
)]
#[case::no_hook(r#"{"event":"taskDeleted","task_id":"86a"}"#, "guessed", "403")]
#[case::known_hook(
    r#"{"event":"taskDeleted","task_id":"86a","webhook_id":"hook-7"}"#,
    "guessed",
    "403"
)]
#[case::signed(
    r#"{"event":"taskDeleted","task_id":"86a","webhook_id":"hook-7"}"#,
    "secret-7",
    "200 accepted"
)]
#[tokio::test]
async fn a_body_is_compared_with_three_secrets_at_most(
    #[case] body: &'static str,
    #[case] secret: &str,
    #[case] expected: &str,
) {
    let shelf = Shelf::new();
    for n in 0..10 {
        shelf.learn(
            Source::ClickUp,
            Some(&format!("hook-{n}")),
            &format!("secret-{n}"),
        );
    }
    let compared = Arc::new(AtomicUsize::new(0));
    let reader = Arc::new(Counting(reader(Source::ClickUp), Arc::clone(&compared)));
    let hooks = Hooks::new(shelf, Clock::system(), Limits::default());
    let door = Arc::new(Route::new(reader, Arc::new(hooks)));
    let request = Request::post("/").header("x-signature", sign(secret, body.as_bytes()));
    assert_eq!(answer(&door, request, body).await, expected);
    let compared = compared.load(Ordering::Acquire);
    assert!((1..=SECRETS_MAX).contains(&compared), "{compared}");
}

/// Otherwise each forged request would read the store.
#[tokio::test]
async fn forged_requests_have_the_secrets_read_again_some_times_a_second() {
    let shelf = Shelf::new();
    let door = door(Source::GitHub, &shelf);
    let forged = || {
        let signature = format!("sha256={}", "0".repeat(64));
        Request::post("/").header("x-hub-signature-256", signature)
    };
    for _ in 0..100 {
        assert_eq!(answer(&door, forged(), "{}").await, "401");
    }
    let learned = shelf.0.learned.load(Ordering::Acquire);
    assert!((10..50).contains(&learned), "{learned}");
}

#[test]
fn refusals_are_a_line_a_minute_for_each_address() {
    let refusals = Refusals::default();
    let now = Instant::now();
    let of = |n: u32| Some(IpAddr::from(n.to_be_bytes()));
    let logged = |seconds: u64, address| {
        let now = now + Duration::from_secs(seconds);
        refusals.pass(address, now).is_some()
    };
    assert!(logged(0, of(1)) && !logged(1, of(1)));
    assert!(logged(1, of(2)) && !logged(59, of(1)) && logged(61, of(1)));
    // Of a crowd of addresses the later ones share a line.
    let crowd = (1_000..10_000).filter(|&n| logged(62, of(n))).count();
    assert!(crowd <= ADDRESSES_MAX + 1, "{crowd} lines");
    assert!(lock(&refusals.of).len() <= ADDRESSES_MAX);
    // Later others have lines of their own again.
    assert!(logged(200, of(20_000)) && !logged(201, of(20_000)));
}

// ---------------------------------------------------------------- stored deliveries

#[tokio::test]
async fn a_repetition_is_a_duplicate_and_its_guid_decides() {
    let shelf = Shelf::new();
    let door = door(Source::GitHub, &shelf);
    let body = fixture("github/issues__closed.json");
    let send = async |guid: &str| answer(&door, github("issues", guid, &body), body.clone()).await;
    assert_eq!(send("guid-1").await, "200 accepted");
    assert_eq!(send("guid-1").await, "200 duplicate");
    assert_eq!(send("guid-2").await, "200 accepted");
    let kept = shelf.kept();
    let kept: Vec<&str> = kept.iter().map(|one| one.dedupe_key.as_str()).collect();
    assert_eq!(kept, ["guid-1", "guid-2"]);
}

#[tokio::test]
async fn a_form_is_kept_as_the_json_in_it() {
    let shelf = Shelf::new();
    let door = door(Source::GitHub, &shelf);
    let form = fixture("github/issues__closed.form");
    let form = form.trim_ascii_end();
    let mut request = github("issues", "a-guid", form);
    let headers = request.headers_mut().unwrap();
    let content = HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, content);
    assert_eq!(answer(&door, request, form.to_vec()).await, "200 accepted");
    let payload: Value = serde_json::from_slice(&shelf.kept()[0].payload).unwrap();
    let json: Value = serde_json::from_slice(&fixture("github/issues__closed.json")).unwrap();
    assert_eq!(payload, json);
}

/// Every payload of the contracts is stored byte by byte, or known to be irrelevant.
#[tokio::test]
async fn every_fixture_is_answered_as_the_contracts_say() {
    let shelf = Shelf::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let names = |folder: &str| -> Vec<String> {
        let files = fs::read_dir(root.join(folder)).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.ends_with(".json")).collect()
    };
    let (at_github, at_clickup) = (door(Source::GitHub, &shelf), door(Source::ClickUp, &shelf));
    let mut seen = 0;
    for name in names("github") {
        let event = name.split("__").next().unwrap().trim_end_matches(".json");
        let expected = match event {
            "issues" | "issue_comment" | "repository" => "200 accepted",
            "ping" => "200 ignored",
            _ => continue,
        };
        let body = fixture(&format!("github/{name}"));
        let request = github(event, &name, &body);
        assert_eq!(answer(&at_github, request, body).await, expected, "{name}");
        seen += 1;
    }
    for name in names("clickup")
        .iter()
        .filter(|name| name.starts_with("task"))
    {
        let body = fixture(&format!("clickup/{name}"));
        shelf.learn(Source::ClickUp, None, CLICKUP_SECRET);
        let answered = answer(&at_clickup, clickup(&body), body.clone()).await;
        assert_eq!(answered, "200 accepted", "{name}");
        assert!(
            shelf.kept().iter().any(|kept| kept.payload == body),
            "{name}"
        );
        seen += 1;
    }
    assert!(seen > 30, "{seen} fixtures");
}

#[rstest]
#[case::ping(Source::GitHub, "ping", r#"{"zen":"x","hook_id":42}"#)]
#[case::push(Source::GitHub, "push", r#"{"ref":"refs/heads/main"}"#)]
#[case::new_event(Source::GitHub, "teleported", "{}")]
#[case::time(
    Source::ClickUp,
    "",
    r#"{"event":"taskTimeTrackedUpdated","task_id":"86a"}"#
)]
#[case::list(Source::ClickUp, "", r#"{"event":"listUpdated","list_id":"1"}"#)]
#[case::new_event(Source::ClickUp, "", r#"{"event":"taskTeleported","task_id":"86a"}"#)]
#[case::automation(Source::ClickUp, "", r#"{"auto_id":"1","payload":{"id":"86a"}}"#)]
#[case::no_event(Source::GitHub, "", r#"{"action":"closed"}"#)]
#[case::no_json(Source::GitHub, "issues", "Hello, World!")]
#[case::half(Source::GitHub, "issues", r#"{"action":"clo"#)]
#[case::two(Source::GitHub, "issues", "{}{}")]
#[case::no_object(Source::GitHub, "issues", r#"["closed"]"#)]
#[case::empty(Source::GitHub, "issues", "")]
#[case::no_object(Source::ClickUp, "", r#"["taskDeleted"]"#)]
#[case::null(Source::ClickUp, "", "null")]
#[case::event_of_another_type(Source::ClickUp, "", r#"{"event":{"name":"taskDeleted"}}"#)]
#[case::event_that_is_none(Source::ClickUp, "", r#"{"event":"task\nDeleted"}"#)]
#[tokio::test]
async fn what_nothing_follows_from_is_answered_and_not_kept(
    #[case] source: Source,
    #[case] event: &str,
    #[case] body: &str,
) {
    let shelf = Shelf::new();
    shelf.learn(Source::ClickUp, None, CLICKUP_SECRET);
    let request = match source {
        Source::GitHub => github(event, "a-guid", body.as_bytes()),
        Source::ClickUp => clickup(body.as_bytes()),
    };
    let answered = answer(&door(source, &shelf), request, body.to_owned()).await;
    assert_eq!(answered, "200 ignored");
    assert!(shelf.kept().is_empty());
}

#[tokio::test]
async fn a_body_that_is_not_utf8_is_ignored() {
    let shelf = Shelf::new();
    let body = b"{\"action\":\"\xff\"}";
    let request = github("issues", "a-guid", body);
    let answered = answer(&door(Source::GitHub, &shelf), request, &body[..]).await;
    assert_eq!(answered, "200 ignored");
}

/// Whatever a source reads in its payloads, a signed one gets a 2xx, and none panics.
#[tokio::test]
async fn a_signed_payload_that_is_cut_or_altered_is_answered() {
    let shelf = Shelf::new();
    shelf.learn(Source::ClickUp, None, CLICKUP_SECRET);
    let door = door(Source::ClickUp, &shelf);
    let whole = fixture("clickup/taskStatusUpdated.json");
    for end in 0..whole.trim_ascii_end().len() {
        let cut = &whole[..end];
        let answered = answer(&door, clickup(cut), cut.to_vec()).await;
        assert_eq!(answered, "200 ignored", "cut at {end}");
    }
    let payload: Value = serde_json::from_slice(&whole).unwrap();
    let odd = [
        Value::Null,
        json!(7),
        json!(-7),
        json!(0.5),
        json!(true),
        json!("x"),
        json!([]),
        json!([null, 3]),
        json!({"id": []}),
    ];
    for field in payload.as_object().unwrap().keys() {
        let mut without = payload.clone();
        without.as_object_mut().unwrap().remove(field);
        let mut altered = vec![without];
        altered.extend(odd.iter().map(|value| {
            let mut altered = payload.clone();
            altered[field] = value.clone();
            altered
        }));
        for altered in altered {
            let body = altered.to_string().into_bytes();
            let answered = answer(&door, clickup(&body), body.clone()).await;
            let expected = match field.as_str() {
                "event" => "200 ignored",
                _ => "200 accepted",
            };
            assert_eq!(answered, expected, "{altered}");
        }
    }
}

#[tokio::test]
async fn a_full_disk_asks_to_be_asked_again() {
    let shelf = Shelf::new();
    shelf.0.full.store(true, Ordering::Release);
    let door = door(Source::GitHub, &shelf);
    let body = fixture("github/issues__closed.json");
    let request = || github("issues", "a-guid", &body);
    let response = {
        let request = request().body(Body::from(body.clone())).unwrap();
        take(State(Arc::clone(&door)), request).await
    };
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()[header::RETRY_AFTER], RETRY_AFTER);
    shelf.0.full.store(false, Ordering::Release);
    assert_eq!(answer(&door, request(), body.clone()).await, "200 accepted");
}

#[tokio::test]
async fn a_store_that_is_stuck_is_not_waited_for() {
    let shelf = Shelf::new();
    shelf.0.stuck.store(true, Ordering::Release);
    let impatient = Limits {
        store_within: Duration::from_millis(50),
        ..Limits::default()
    };
    let hooks = Hooks::new(shelf.clone(), Clock::system(), impatient);
    let door = Arc::new(Route::new(reader(Source::GitHub), Arc::new(hooks)));
    let body = fixture("github/issues__closed.json");
    let request = github("issues", "a-guid", &body);
    let answered = timeout(
        Duration::from_secs(60),
        answer(&door, request, body.clone()),
    )
    .await;
    assert_eq!(answered.unwrap(), "503");
    // The secret and the delivery together: ClickUp waits for seven seconds (docs/contracts/clickup.md#delivery).
    assert!(Limits::default().store_within * 2 < Duration::from_secs(7));
}

#[tokio::test]
async fn a_large_body_keeps_its_share_of_the_room_until_its_write_has_ended() {
    let shelf = Shelf::new();
    shelf.0.stuck.store(true, Ordering::Release);
    let impatient = Limits {
        store_within: Duration::from_millis(50),
        small: 0,
        ..Limits::default()
    };
    let hooks = Arc::new(Hooks::new(shelf.clone(), Clock::system(), impatient));
    let door = Arc::new(Route::new(reader(Source::GitHub), Arc::clone(&hooks)));
    let body = fixture("github/issues__closed.json");
    let taken = || impatient.room - hooks.room.available_permits();
    for times in 1..=3 {
        let request = github("issues", &format!("guid {times}"), &body);
        assert_eq!(answer(&door, request, body.clone()).await, "503");
        assert!(taken() >= times * body.len(), "{times}: {}", taken());
    }
    shelf.0.stuck.store(false, Ordering::Release);
    let request = github("issues", "another guid", &body);
    assert_eq!(answer(&door, request, body.clone()).await, "200 accepted");
    assert_eq!(taken() / body.len(), 3);
}

// ---------------------------------------------------------------- dedupe keys (docs/contracts/clickup.md#repeated-deliveries)

fn key_of(body: &Value, at: &str) -> String {
    let body = body.to_string().into_bytes();
    let read = reader(Source::ClickUp).delivery(&Headers::default(), body, at.parse().unwrap());
    read.unwrap().dedupe_key
}

#[test]
fn two_events_of_one_act_are_two_deliveries() {
    let status = json!({"event": "taskStatusUpdated", "task_id": "86a", "webhook_id": "w", "history_items": [{"id": "41"}]});
    let mut update = status.clone();
    update["event"] = json!("taskUpdated");
    let mut edited = status.clone();
    edited["history_items"][0]["comment"] = json!("edited");
    let (noon, evening) = ("2026-01-01T12:00:00Z", "2026-01-01T19:00:00Z");
    let key = key_of(&status, noon);
    assert!(key.starts_with("w:taskStatusUpdated:41:"), "{key}");
    assert_eq!(key, key_of(&status, evening));
    assert_ne!(key, key_of(&update, noon));
    assert_ne!(key, key_of(&edited, noon));
}

#[test]
fn a_deletion_says_the_same_each_time_and_is_the_same_only_for_minutes() {
    let deleted = json!({"event": "taskDeleted", "task_id": "86a", "webhook_id": "w"});
    let key = key_of(&deleted, "2026-01-01T12:00:00Z");
    assert!(key.starts_with("w:taskDeleted:86a:"), "{key}");
    assert_eq!(key, key_of(&deleted, "2026-01-01T12:09:59Z"));
    assert_ne!(key, key_of(&deleted, "2026-01-01T12:10:00Z"));
    let of_design = json!({"event": "taskStatusUpdated", "task": {"id": "86b", "status": {"status": "complete"}}});
    let key = key_of(&of_design, "2026-01-01T12:00:00Z");
    assert!(key.starts_with("-:taskStatusUpdated:86b:"), "{key}");
}

#[test]
fn a_key_does_not_grow_with_what_is_in_a_payload() {
    let many: Vec<Value> = (0..10_000).map(|id| json!({ "id": id })).collect();
    let long =
        json!({"event": "taskUpdated", "webhook_id": "w".repeat(100_000), "history_items": many});
    assert!(key_of(&long, "2026-01-01T12:00:00Z").len() < 1024);
}

#[test]
fn without_a_guid_the_body_is_the_key() {
    let headers = Headers::from_iter([("x-github-event", "issues"), ("x-github-delivery", "")]);
    let now = "2026-01-01T12:00:00Z".parse().unwrap();
    let read = reader(Source::GitHub).delivery(&headers, b"{}".to_vec(), now);
    let read = read.unwrap();
    assert!(
        read.dedupe_key.starts_with("sha256:44136fa3"),
        "{}",
        read.dedupe_key
    );
}

// ---------------------------------------------------------------- the log, the numbers

#[test]
fn every_end_is_counted_under_a_word_of_its_own() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    metrics::with_local_recorder(&recorder, || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let shelf = Shelf::new();
            let door = door(Source::GitHub, &shelf);
            let body = fixture("github/issues__closed.json");
            for _ in 0..3 {
                answer(&door, github("issues", "a-guid", &body), body.clone()).await;
            }
            answer(&door, github("ping", "b-guid", &body), body.clone()).await;
            answer(&door, github("new", "c-guid", &body), body.clone()).await;
            answer(&door, github("issues", "d-guid", b""), body.clone()).await;
            answer(&door, Request::post("/"), body.clone()).await;
        });
    });
    let text = handle.render();
    let mut lines: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("ivan_deliveries_total{source=\"github\",result="))
        .collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "\"accepted\"} 1",
            "\"bad_signature\"} 1",
            "\"duplicate\"} 2",
            "\"ignored\"} 1",
            "\"unknown\"} 1",
            "\"unsigned\"} 1",
        ]
    );
}

// ---------------------------------------------------------------- on the wire

/// The listener, served for real with limits that a test can reach.
struct Listener {
    address: SocketAddr,
    _server: JoinHandle<std::io::Result<()>>,
}

const SHORT: Limits = Limits {
    body_within: Duration::from_millis(300),
    store_within: Duration::from_secs(3),
    small: 1024,
    room: 200 * 1024,
};

async fn listener(shelf: &Shelf, limits: Limits, serving: Serving) -> Listener {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let sources =
        Source::ALL.map(|source| Arc::new(Small(reader(source))) as Arc<dyn WebhookReader>);
    let router = router(shelf.clone(), sources, Clock::system(), limits);
    let server = tokio::spawn(serve_as(
        serving,
        listener,
        router,
        Arc::new(|address| address == IpAddr::from([127, 0, 0, 1])),
        CancellationToken::new(),
    ));
    Listener {
        address,
        _server: server,
    }
}

impl Listener {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends raw bytes, and returns the status of the answer.
    async fn ask(&self, head: &str, body: &[u8]) -> u16 {
        let mut stream = self.connect().await;
        let head = format!(
            "{head}\r\nHost: ivan\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body).await.unwrap();
        status(&mut stream).await
    }
}

/// The status of the next answer; 0 if the connection ends without one.
async fn status(stream: &mut TcpStream) -> u16 {
    let mut answer = Vec::new();
    let mut some = [0; 1024];
    while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut some).await {
            Ok(0) | Err(_) => return 0,
            Ok(read) => answer.extend_from_slice(&some[..read]),
        }
    }
    let head = String::from_utf8_lossy(&answer);
    head.split(' ').nth(1).unwrap().parse().unwrap()
}

fn signed(body: &[u8]) -> String {
    format!(
        "POST /webhooks/clickup HTTP/1.1\r\nX-Signature: {}",
        sign(CLICKUP_SECRET, body)
    )
}

/// An event with this many bytes.
fn event_of(bytes: usize) -> Vec<u8> {
    let mut event = json!({"event": "taskUpdated", "webhook_id": HOOK, "note": ""});
    let short = event.to_string().len();
    event["note"] = json!("x".repeat(bytes - short));
    event.to_string().into_bytes()
}

#[rstest]
#[case("GET /healthz", 200)]
#[case("POST /healthz", 404)]
#[case("GET /", 404)]
#[case("GET /readyz", 404)]
#[case("GET /metrics", 404)]
#[case("GET /current", 404)]
#[case("POST /sync", 404)]
#[case("GET /webhooks/github", 404)]
#[case("DELETE /webhooks/clickup", 404)]
#[case("POST /webhooks/github/", 404)]
#[case("POST /webhooks", 404)]
#[case("POST /webhooks/jira", 404)]
#[case("POST /webhooks/github", 401)]
#[tokio::test]
async fn nothing_else_is_exposed(#[case] asked: &str, #[case] expected: u16) {
    let server = listener(&Shelf::new(), SHORT, HOOKS).await;
    let answered = server.ask(&format!("{asked} HTTP/1.1"), b"").await;
    assert_eq!(answered, expected);
}

#[tokio::test]
async fn a_source_that_is_not_configured_has_no_route() {
    let clickup = [reader(Source::ClickUp)];
    let router = router(Shelf::new(), clickup, Clock::system(), SHORT);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stopping = CancellationToken::new();
    let _server = tokio::spawn(serve_as(
        HOOKS,
        listener,
        router,
        Arc::new(|_| true),
        stopping,
    ));
    for (path, expected) in [("/webhooks/github", 404), ("/webhooks/clickup", 403)] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!("POST {path} HTTP/1.1\r\nHost: ivan\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        assert_eq!(status(&mut stream).await, expected, "{path}");
    }
}

#[tokio::test]
async fn a_route_without_a_secret_cannot_be_told_from_none() {
    let server = listener(&Shelf::default(), SHORT, HOOKS).await;
    let mut answers = Vec::new();
    for path in [
        "POST /webhooks/github",
        "GET /webhooks/github",
        "POST /nothing",
    ] {
        let mut stream = server.connect().await;
        let head = format!("{path} HTTP/1.1\r\nHost: ivan\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let lines = answer.lines().filter(|line| !line.starts_with("date: "));
        answers.push(lines.map(str::to_owned).collect::<Vec<_>>());
    }
    assert_eq!(answers[0][0], "HTTP/1.1 404 Not Found");
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0], answers[2]);
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_and_the_sender_learns_it() {
    let shelf = Shelf::new();
    let roomy = Limits {
        room: 1 << 20,
        body_within: Duration::from_secs(60),
        ..SHORT
    };
    let server = listener(&shelf, roomy, HOOKS).await;
    let fits = event_of(Small::body_max(Source::ClickUp));
    assert_eq!(server.ask(&signed(&fits), &fits).await, 200);
    let over = event_of(Small::body_max(Source::ClickUp) + 1);
    assert_eq!(server.ask(&signed(&over), &over).await, 413);
    // Without a content length.
    let mut stream = server.connect().await;
    let head = format!(
        "{}\r\nHost: ivan\r\nTransfer-Encoding: chunked\r\n\r\n",
        signed(&over)
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = [
        format!("{:x}\r\n", over.len()).as_bytes(),
        &over,
        b"\r\n0\r\n\r\n",
    ]
    .concat();
    stream.write_all(&chunk).await.unwrap();
    assert_eq!(status(&mut stream).await, 413);
    // An unsigned one of that size is not buffered, and refused as well.
    assert_eq!(
        server.ask("POST /webhooks/github HTTP/1.1", &fits).await,
        401
    );
    assert_eq!(shelf.kept().len(), 1);
    // GitHub's may be larger.
    let ask = async |body: &[u8]| {
        let head = format!(
            "POST /webhooks/github HTTP/1.1\r\nX-GitHub-Event: issues\r\nX-Hub-Signature-256: sha256={}",
            sign(GITHUB_SECRET, body)
        );
        server.ask(&head, body).await
    };
    assert_eq!(ask(&over).await, 200);
    assert_eq!(ask(&event_of(Small::body_max(Source::GitHub))).await, 200);
    assert_eq!(
        ask(&event_of(Small::body_max(Source::GitHub) + 1)).await,
        413
    );
}

#[tokio::test]
async fn large_bodies_share_a_room_and_small_ones_always_fit() {
    let shelf = Shelf::new();
    let patient = Limits {
        body_within: Duration::from_secs(30),
        ..SHORT
    };
    let server = listener(&shelf, patient, HOOKS).await;
    let large = event_of(150 * 1024);
    let (most, last) = large.split_at(large.len() - 1);
    let head = format!(
        "{}\r\nHost: ivan\r\nContent-Length: {}\r\n\r\n",
        signed(&large),
        large.len()
    );
    let mut first = server.connect().await;
    first.write_all(head.as_bytes()).await.unwrap();
    first.write_all(most).await.unwrap();
    // Once the first has arrived, there is no room for a second.
    let second = loop {
        match server.ask(&signed(&large), &large).await {
            200 => tokio::task::yield_now().await,
            answered => break answered,
        }
    };
    assert_eq!(second, 503);
    let small = event_of(1000);
    assert_eq!(server.ask(&signed(&small), &small).await, 200);
    first.write_all(last).await.unwrap();
    assert_eq!(status(&mut first).await, 200);
    assert_eq!(server.ask(&signed(&large), &large).await, 200);
}

#[tokio::test]
async fn who_is_slow_with_a_body_is_cut_off() {
    let shelf = Shelf::new();
    let server = listener(&shelf, SHORT, HOOKS).await;
    let body = event_of(1000);
    let mut stream = server.connect().await;
    let head = format!(
        "{}\r\nHost: ivan\r\nContent-Length: 1000\r\n\r\n",
        signed(&body)
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&body[..999]).await.unwrap();
    assert_eq!(status(&mut stream).await, 408);
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    assert!(shelf.kept().is_empty());
}

#[tokio::test]
async fn who_is_slow_with_a_head_is_cut_off() {
    let impatient = Serving {
        head_within: Duration::from_millis(200),
        ..HOOKS
    };
    let server = listener(&Shelf::new(), SHORT, impatient).await;
    let mut stream = server.connect().await;
    stream.write_all(b"POST /webhooks/github HT").await.unwrap();
    let mut rest = Vec::new();
    let ended = timeout(Duration::from_secs(60), stream.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "the connection is still open");
}

/// A connection to the listener from this address of loopback.
async fn connect_from(server: &Listener, last: u8) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket
        .bind(SocketAddr::from(([127, 0, 0, last], 0)))
        .unwrap();
    socket.connect(server.address).await.unwrap()
}

/// Whether the other end has closed the connection, which is not sent to.
async fn is_closed(stream: &mut TcpStream) -> bool {
    let mut rest = Vec::new();
    let ended = timeout(Duration::from_secs(60), stream.read_to_end(&mut rest)).await;
    ended.is_ok() && rest.is_empty()
}

#[tokio::test]
async fn a_full_listener_closes_the_connection_that_waited_longest() {
    let three = Serving {
        connections: 3,
        head_within: Duration::from_secs(60),
        ..HOOKS
    };
    let patient = Limits {
        body_within: Duration::from_secs(60),
        ..SHORT
    };
    let shelf = Shelf::new();
    let server = listener(&shelf, patient, three).await;
    let before = Limit::HookConnections.times();
    let body = event_of(1000);
    let head = format!(
        "{}\r\nHost: ivan\r\nContent-Length: 1000\r\n\r\n",
        signed(&body)
    );
    // One has sent a half body, one a half head, and one stays after an answer.
    let mut half_body = server.connect().await;
    half_body.write_all(head.as_bytes()).await.unwrap();
    half_body.write_all(&body[..500]).await.unwrap();
    let mut half_head = server.connect().await;
    half_head.write_all(b"POST /webhooks/git").await.unwrap();
    let mut idle = server.connect().await;
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: ivan\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(status(&mut idle).await, 200);
    assert_eq!(Limit::HookConnections.times(), before);
    // Time is what makes the first two ready to be closed.
    tokio::time::sleep(FIRST_WAIT).await;
    let mut more = Vec::new();
    for asked in 1..=2 {
        let mut next = server.connect().await;
        next.write_all(head.as_bytes()).await.unwrap();
        next.write_all(&body).await.unwrap();
        assert_eq!(status(&mut next).await, 200);
        assert!(Limit::HookConnections.times() >= before + asked);
        more.push(next);
    }
    assert!(is_closed(&mut half_body).await);
    assert!(is_closed(&mut half_head).await);
}

#[tokio::test]
async fn an_address_has_so_many_connections_and_a_proxy_has_more() {
    let two = Serving {
        per_address: 2,
        ..HOOKS
    };
    let server = listener(&Shelf::new(), SHORT, two).await;
    let before = Limit::AddressConnections.times();
    let mut theirs = [
        connect_from(&server, 2).await,
        connect_from(&server, 2).await,
    ];
    let ours = [(); 3].map(|()| server.connect());
    let mut ours = futures_util::future::join_all(ours).await;
    // The third is closed at once: the first two wait for less than half a second.
    let mut third = connect_from(&server, 2).await;
    assert!(is_closed(&mut third).await);
    assert_eq!(Limit::AddressConnections.times(), before + 1);
    let other = connect_from(&server, 3).await;
    for stream in theirs.iter_mut().chain(&mut ours).chain([other].iter_mut()) {
        stream
            .write_all(b"GET /healthz HTTP/1.1\r\nHost: ivan\r\n\r\n")
            .await
            .unwrap();
        assert_eq!(status(stream).await, 200);
    }
}

#[tokio::test]
async fn a_body_that_drips_is_cut_off_before_its_time_is_over() {
    let patient = Limits {
        body_within: Duration::from_secs(60),
        ..SHORT
    };
    let server = listener(&Shelf::new(), patient, HOOKS).await;
    let body = event_of(1000);
    let mut stream = server.connect().await;
    let head = format!(
        "{}\r\nHost: ivan\r\nContent-Length: 1000\r\n\r\n",
        signed(&body)
    );
    let begun = Instant::now();
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut reads, mut writes) = stream.into_split();
    let drips = tokio::spawn(async move {
        for byte in body.chunks(1) {
            if writes.write_all(byte).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let mut answer = [0; 12];
    reads.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
    assert!(begun.elapsed() < Duration::from_secs(30));
    drips.abort();
}

/// The sender of a refused request gets the answer, but only the first part of its body is read.
#[tokio::test]
async fn a_refused_request_is_read_for_64_kb_and_its_connection_closed() {
    let server = listener(&Shelf::new(), SHORT, HOOKS).await;
    let stream = server.connect().await;
    let (mut reads, mut writes) = stream.into_split();
    let head = "POST /webhooks/github HTTP/1.1\r\nHost: ivan\r\nContent-Length: 100000000\r\n\r\n";
    writes.write_all(head.as_bytes()).await.unwrap();
    let sends = tokio::spawn(async move {
        let piece = vec![b'x'; 64 * 1024];
        let mut sent = 0;
        while writes.write_all(&piece).await.is_ok() {
            sent += piece.len();
        }
        sent
    });
    let mut answer = [0; 512];
    let read = reads.read(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..read]).to_lowercase();
    assert!(answer.starts_with("http/1.1 413 "), "{answer}");
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    // The rest fills the buffers of the two systems, until the connection is cut.
    let sent = timeout(Duration::from_secs(60), sends)
        .await
        .unwrap()
        .unwrap();
    assert!(sent < 50_000_000, "{sent} bytes");
}

#[tokio::test]
async fn a_deliverer_that_hangs_up_leaves_nothing() {
    let shelf = Shelf::new();
    let server = listener(&shelf, SHORT, HOOKS).await;
    let body = event_of(1000);
    let mut stream = server.connect().await;
    let head = format!(
        "{}\r\nHost: ivan\r\nContent-Length: 1000\r\n\r\n",
        signed(&body)
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&body[..500]).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    assert!(shelf.kept().is_empty());
    assert_eq!(server.ask(&signed(&body), &body).await, 200);
}
