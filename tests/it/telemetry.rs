//! Traces for an OpenTelemetry collector (cargo feature `otel`): one for each command, from the moment it was typed to the
//! webhook that shows its write.
//!
//! With the feature: `cargo test --locked --features otel --test it -- telemetry`. Without it, only the refusal of the key
//! is here to be tried.

use crate::harness::*;

/// Two issues, webhooks, and a collector at this address.
fn traced(url: &str) -> Setup {
    let key = format!("telemetry.otlp_url = \"{url}\"");
    two_issues().webhooks().config(&key)
}

#[cfg(not(feature = "otel"))]
#[tokio::test]
async fn a_build_without_traces_refuses_their_key_and_says_what_to_do() {
    let ivan = traced("http://127.0.0.1:4318").start().await;
    let mut serve = binary();
    serve.arg("serve").current_dir(ivan.folder());
    let told = ran(&mut serve).await;
    assert_eq!((told.exit, told.out.as_str()), (1, ""));
    let words = "telemetry.otlp_url: this build exports no traces; build Ivan with `--features otel`, or remove the key";
    assert!(told.err.contains(words), "{told:?}");
}

#[cfg(feature = "otel")]
mod with_a_collector {
    use ivan::sandbox::fault_server::{Fault, FaultKind};
    use rstest::rstest;
    use serde_json::json;

    use super::collector::{Collector, Span};
    use super::*;

    /// A daemon that exports at once to this collector.
    async fn started(setup: Setup) -> Ivan {
        let mut ivan = setup.start().await;
        ivan.env("OTEL_BSP_SCHEDULE_DELAY", "20");
        ivan.start().await;
        ivan.hook_up();
        ivan
    }

    /// The only span with this name in the trace.
    fn one<'s>(trace: &[&'s Span], name: &str) -> &'s Span {
        let mut named = trace.iter().filter(|span| span.name == name);
        let (first, second) = (named.next(), named.next());
        assert!(second.is_none(), "{name} twice: {trace:#?}");
        first.unwrap_or_else(|| panic!("no {name}: {trace:#?}"))
    }

    #[tokio::test]
    async fn one_trace_shows_the_command_its_write_its_answer_and_its_echo() {
        let collector = Collector::start().await;
        let ivan = started(traced(&collector.url)).await;
        ivan.dm(ANA, "current").await.mentions("Login fails");
        ivan.dm(ANA, "done").await.begins("✓ Issue closed");
        collector.has(&ivan, &["done", "webhook github"]).await;
        ivan.dm(ANA, "done").await.begins("✓ Issue closed");
        ivan.until_deliveries_are_applied().await;
        ivan.finish().await;
        let spans = collector.spans();
        let done = spans.iter().find(|span| span.name == "done").unwrap();
        let of_it = |span: &&Span| span.trace == done.trace;
        let trace: Vec<&Span> = spans.iter().filter(of_it).collect();
        let (write, echo) = (
            one(&trace, "complete github"),
            one(&trace, "webhook github"),
        );
        let (sent, said) = (one(&trace, "PATCH"), one(&trace, "chat.postMessage"));
        assert_eq!(done.parent, "");
        for (child, parent) in [(write, done), (said, done), (sent, write), (echo, write)] {
            assert_eq!(child.parent, parent.id, "{child:?} below {parent:?}");
        }
        let says = |span: &Span, key: &str| span.says.get(key).cloned().unwrap_or_default();
        assert_eq!(says(done, "ivan.verb"), "done");
        assert_eq!(says(done, "ivan.surface"), "slack");
        assert_eq!(says(write, "ivan.outcome"), "applied");
        assert_eq!(says(write, "ivan.attempt"), "1");
        assert_eq!(says(sent, "http.response.status_code"), "200");
        let operation = says(write, "ivan.operation.id");
        assert_eq!(operation.len(), 26, "a ULID");
        assert_eq!(says(echo, "ivan.operation.id"), operation);
        // The store has the end of a command in milliseconds.
        let ms = |time: u64| time / 1_000_000;
        assert!(
            write.begun >= done.begun && ms(write.ended) <= ms(done.ended),
            "{write:?} in {done:?}"
        );
        assert!(
            sent.begun >= write.begun && sent.ended <= write.ended,
            "{sent:?} in {write:?}"
        );
        // The next command has a trace of its own.
        let mut all = spans.iter().filter(|span| span.name == "done");
        assert!(all.any(|span| span.trace != done.trace), "{spans:#?}");
    }

    /// What people wrote, titles, names and tokens are in no span.
    #[rstest]
    #[case::by_its_marker("comment on #1: Zebra crossing", "comment github")]
    #[case::by_its_id("comment on {cert}: Zebra crossing", "comment clickup")]
    #[case::as_a_new_issue("create Zebra crossing -r acme/widgets", "create github")]
    #[case::as_a_new_task("create Zebra crossing -s clickup", "create clickup")]
    #[case::as_completed("done {cert}", "complete clickup")]
    #[case::by_the_changed_field("prio {cert} urgent", "priority clickup")]
    #[tokio::test]
    async fn an_echo_is_found(#[case] text: &str, #[case] write: &str) {
        let collector = Collector::start().await;
        let setup = traced(&collector.url).clickup_tasks([json!({"name": "Renew cert"})]);
        let ivan = started(setup).await;
        ivan.dm(ANA, "current").await;
        let text = text.replace("{cert}", &cert(&ivan));
        ivan.dm(ANA, &text).await.begins("✓");
        let source = write.split_once(' ').unwrap().1;
        let echo = format!("webhook {source}");
        collector.has(&ivan, &[write, &echo]).await;
        let spans = collector.spans();
        let find = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
        assert_eq!(find(&echo).parent, find(write).id, "{spans:#?}");
        let canaries = ivan.canaries();
        let words = [
            "Zebra", "Login", "Renew", "acme", "widgets", "Inbox", "Ana", "U0",
        ];
        for body in collector.bodies() {
            let body = String::from_utf8_lossy(&body).into_owned();
            let leaks = canaries.leaks("a trace", &body);
            assert!(leaks.is_empty(), "{leaks:?}");
            let told = words.iter().find(|word| body.contains(**word));
            assert_eq!(told, None, "{body}");
        }
        ivan.finish().await;
    }

    #[tokio::test]
    async fn a_crash_in_the_middle_goes_on_with_the_trace() {
        let collector = Collector::start().await;
        let mut ivan = started(traced(&collector.url)).await;
        ivan.dm(ANA, "current").await.mentions("Login fails");
        let front = ivan.github().front();
        front.fault(Fault::new(FaultKind::ApplyThenHang).on("PATCH", "/issues/1"));
        let asked = ivan.says(ANA, "done");
        drop(asked);
        // GitHub's webhook comes before its answer, which never comes.
        collector.has(&ivan, &["webhook github"]).await;
        ivan.kill_and_restart().await;
        ivan.answer(ANA, 1).settles().await.begins("✓ Issue closed");
        collector.has(&ivan, &["done"]).await;
        ivan.finish().await;
        let spans = collector.spans();
        let find = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
        let (done, echo, write) = (
            find("done"),
            find("webhook github"),
            find("complete github"),
        );
        assert_eq!(echo.trace, done.trace, "{spans:#?}");
        assert_eq!(echo.parent, write.id, "{spans:#?}");
        assert_eq!(write.parent, done.id, "{spans:#?}");
    }

    #[tokio::test]
    async fn a_collector_that_is_down_delays_nothing_and_costs_one_warning() {
        let url = format!("http://127.0.0.1:{}", lasting_port());
        let ivan = started(traced(&url)).await;
        ivan.dm(ANA, "current").await.mentions("Login fails");
        ivan.dm(ANA, "done").await.begins("✓ Issue closed");
        ivan.logs("the collector takes no traces").await;
        ivan.dm(ANA, "done").await.begins("✓ Issue closed");
        let warned = ivan.messages_logged();
        let warned = warned.iter().filter(|line| line.contains("collector"));
        assert_eq!(warned.count(), 1);
        ivan.finish().await;
    }

    #[tokio::test]
    async fn a_collector_that_never_answers_delays_neither_commands_nor_the_stop() {
        let collector = Collector::silent().await;
        let ivan = started(traced(&collector.url)).await;
        ivan.dm(ANA, "current").await.mentions("Login fails");
        ivan.dm(ANA, "done").await.begins("✓ Issue closed");
        collector.is_asked(&ivan).await;
        ivan.dm(ANA, "done").await.begins("✓ Issue closed");
        ivan.finish().await;
    }
}

/// A collector on loopback. It reads the wire format by itself, so that the encoding has a second opinion.
#[cfg(feature = "otel")]
mod collector {
    use std::collections::BTreeMap;

    use axum::Router;
    use axum::body::Bytes;
    use axum::extract::State;
    use axum::routing::post;
    use tokio::sync::watch;

    use super::*;

    pub struct Collector {
        pub url: String,
        taken: watch::Receiver<Vec<Vec<u8>>>,
    }

    /// What a span says.
    #[derive(Debug, Clone)]
    pub struct Span {
        pub trace: String,
        pub id: String,
        pub parent: String,
        pub name: String,
        pub begun: u64,
        pub ended: u64,
        pub says: BTreeMap<String, String>,
    }

    #[derive(Clone)]
    struct Desk {
        taken: watch::Sender<Vec<Vec<u8>>>,
        answers: bool,
    }

    impl Collector {
        pub async fn start() -> Collector {
            Collector::listening(true).await
        }

        /// It takes requests and never answers.
        pub async fn silent() -> Collector {
            Collector::listening(false).await
        }

        async fn listening(answers: bool) -> Collector {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}", listener.local_addr().unwrap());
            let (taken, receiver) = watch::channel(Vec::new());
            let router = Router::new()
                .route("/v1/traces", post(take))
                .with_state(Desk { taken, answers });
            tokio::spawn(async move { axum::serve(listener, router).await });
            Collector {
                url,
                taken: receiver,
            }
        }

        /// All bodies so far.
        pub fn bodies(&self) -> Vec<Vec<u8>> {
            self.taken.borrow().clone()
        }

        pub fn spans(&self) -> Vec<Span> {
            self.bodies().iter().flat_map(|body| spans(body)).collect()
        }

        /// Waits for spans with these names.
        pub async fn has(&self, ivan: &Ivan, names: &[&str]) {
            let mut taken = self.taken.clone();
            let all = taken.wait_for(|bodies| {
                let known: Vec<Span> = bodies.iter().flat_map(|body| spans(body)).collect();
                names
                    .iter()
                    .all(|name| known.iter().any(|span| span.name == **name))
            });
            let what = format!("spans {names:?}");
            ivan.within(&what, async { drop(all.await.unwrap()) }).await;
        }

        pub async fn is_asked(&self, ivan: &Ivan) {
            let mut taken = self.taken.clone();
            let asked = taken.wait_for(|bodies| !bodies.is_empty());
            ivan.within("the collector is asked", async {
                drop(asked.await.unwrap())
            })
            .await;
        }
    }

    async fn take(State(desk): State<Desk>, body: Bytes) {
        desk.taken.send_modify(|taken| taken.push(body.to_vec()));
        if !desk.answers {
            std::future::pending::<()>().await;
        }
    }

    /// A field of a message in the wire format of Protocol Buffers.
    enum Field<'b> {
        Number(u64),
        Bytes(&'b [u8]),
    }

    /// The fields of a message, by their numbers.
    fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
        let mut found = Vec::new();
        while !bytes.is_empty() {
            let tag = varint(&mut bytes);
            let field = match tag & 7 {
                0 => Field::Number(varint(&mut bytes)),
                1 => Field::Number(u64::from_le_bytes(cut(&mut bytes, 8).try_into().unwrap())),
                2 => {
                    let length = varint(&mut bytes);
                    Field::Bytes(cut(&mut bytes, usize::try_from(length).unwrap()))
                }
                5 => {
                    let four = cut(&mut bytes, 4).try_into().unwrap();
                    Field::Number(u32::from_le_bytes(four).into())
                }
                other => panic!("wire type {other}"),
            };
            found.push((tag >> 3, field));
        }
        found
    }

    fn cut<'b>(bytes: &mut &'b [u8], length: usize) -> &'b [u8] {
        let (cut, rest) = bytes.split_at(length);
        *bytes = rest;
        cut
    }

    fn varint(bytes: &mut &[u8]) -> u64 {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = cut(bytes, 1)[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        value
    }

    /// The inner messages with this number.
    fn inner(bytes: &[u8], number: u64) -> impl Iterator<Item = &[u8]> {
        fields(bytes)
            .into_iter()
            .filter_map(move |(of, field)| match field {
                Field::Bytes(bytes) if of == number => Some(bytes),
                _ => None,
            })
    }

    fn text(bytes: &[u8], number: u64) -> String {
        let found = inner(bytes, number).next().unwrap_or_default();
        String::from_utf8(found.to_vec()).unwrap()
    }

    fn number(bytes: &[u8], number: u64) -> u64 {
        let found = fields(bytes)
            .into_iter()
            .find_map(|(of, field)| match field {
                Field::Number(value) if of == number => Some(value),
                _ => None,
            });
        found.unwrap_or_default()
    }

    /// The spans of an `ExportTraceServiceRequest`.
    fn spans(body: &[u8]) -> Vec<Span> {
        let scopes = inner(body, 1).flat_map(|resource| inner(resource, 2));
        let spans = scopes.flat_map(|scope| inner(scope, 2));
        spans.map(span).collect()
    }

    fn span(bytes: &[u8]) -> Span {
        let id = |number| hex::encode(inner(bytes, number).next().unwrap_or_default());
        let says = inner(bytes, 9).map(|pair| {
            let value = inner(pair, 2).next().unwrap_or_default();
            let said = match text(value, 1) {
                text if text.is_empty() => number(value, 3).to_string(),
                text => text,
            };
            (text(pair, 1), said)
        });
        Span {
            trace: id(1),
            id: id(2),
            parent: id(4),
            name: text(bytes, 5),
            begun: number(bytes, 7),
            ended: number(bytes, 8),
            says: says.collect(),
        }
    }
}
