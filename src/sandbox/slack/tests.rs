//! The sandbox Slack, used as the bot uses Slack: over HTTP and WebSocket on loopback.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use rstest::rstest;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::*;

const ANA: &str = "U0ANN01";
const BO: &str = "U0BOB01";
const GENERAL: &str = "C0GEN01";
const RANDOM: &str = "C0RND01";

fn seed() -> Value {
    serde_json::from_str(include_str!("../../../fixtures/seed/slack.json")).unwrap()
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future)
        .await
        .expect("in time")
}

/// A Slack and a minimal bot.
struct Bot {
    slack: SandboxSlack,
    http: reqwest::Client,
}

impl Bot {
    async fn new() -> Bot {
        let slack = SandboxSlack::start(&seed()).await.unwrap();
        Bot {
            slack,
            http: crate::sandbox::http_client(),
        }
    }

    fn post(&self, method: &str) -> reqwest::RequestBuilder {
        self.http.post(format!("{}/{method}", self.slack.api_url()))
    }

    /// A call with a JSON body, used for writes.
    async fn call(&self, method: &str, args: Value) -> Value {
        let request = self
            .post(method)
            .bearer_auth(self.slack.bot_token())
            .body(args.to_string());
        read(request.header("content-type", "application/json; charset=utf-8"))
            .await
            .1
    }

    /// A call with a query, used for reads.
    async fn get(&self, method: &str, args: &[(&str, &str)]) -> Value {
        let url = format!("{}/{method}", self.slack.api_url());
        read(
            self.http
                .get(url)
                .query(args)
                .bearer_auth(self.slack.bot_token()),
        )
        .await
        .1
    }

    async fn open(&self) -> String {
        let (status, reply) = read(
            self.post("apps.connections.open")
                .bearer_auth(self.slack.app_token()),
        )
        .await;
        assert_eq!((status, &reply["ok"]), (200, &json!(true)), "{reply}");
        reply["url"].as_str().unwrap().to_owned()
    }

    /// Opens a link and reads its hello.
    async fn connect(&self) -> Link {
        let (stream, _) = tokio_tungstenite::connect_async(self.open().await)
            .await
            .unwrap();
        let mut link = Link(stream);
        assert_eq!(link.next().await["type"], "hello");
        link
    }
}

async fn read(request: reqwest::RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let body = answer.text().await.unwrap();
    (
        status,
        serde_json::from_str(&body).unwrap_or(Value::String(body)),
    )
}

struct Link(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Link {
    async fn frame(&mut self) -> Option<Result<Message, Error>> {
        within(self.0.next()).await
    }

    /// The next text frame as JSON; pings are skipped.
    async fn next(&mut self) -> Value {
        loop {
            match self.frame().await.unwrap().unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("no envelope: {other:?}"),
            }
        }
    }

    async fn say(&mut self, text: Value) {
        self.0.send(Message::text(text.to_string())).await.unwrap();
    }

    async fn ack(&mut self, envelope: &Value) {
        self.say(json!({"envelope_id": envelope["envelope_id"]}))
            .await;
    }
}

/// The names in an object and its nested objects, as paths.
fn shape(value: &Value, at: &str, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                names.insert(format!("{at}/{name}"));
                shape(value, &format!("{at}/{name}"), names);
            }
        }
        Value::Array(list) => list
            .iter()
            .for_each(|value| shape(value, &format!("{at}/0"), names)),
        _ => {}
    }
}

#[track_caller]
fn has_shape_of(value: &Value, fixture: &str) {
    let fixture: Value = serde_json::from_str(fixture).unwrap();
    let (mut own, mut other) = (BTreeSet::new(), BTreeSet::new());
    shape(value, "", &mut own);
    shape(&fixture, "", &mut other);
    assert_eq!(own, other);
}

#[rstest]
#[case::no_token(
    "POST",
    "chat.postMessage",
    None,
    "application/json; charset=utf-8",
    "{}",
    "not_authed"
)]
#[case::no_app_token("POST", "apps.connections.open", None, "", "", "missing_args")]
#[case::wrong_token("POST", "auth.test", Some("xoxb-other"), "", "", "invalid_auth")]
#[case::app_token_for_a_method("POST", "auth.test", Some("APP"), "", "", "not_allowed_token_type")]
#[case::bot_token_for_a_link(
    "POST",
    "apps.connections.open",
    Some("BOT"),
    "",
    "",
    "not_allowed_token_type"
)]
#[case::token_in_the_body(
    "POST",
    "apps.connections.open",
    Some("APP"),
    "application/x-www-form-urlencoded",
    "token=x",
    "invalid_arguments"
)]
#[case::token_in_json_only(
    "POST",
    "chat.postMessage",
    None,
    "application/json; charset=utf-8",
    r#"{"token":"x"}"#,
    "not_authed"
)]
#[case::link_by_get(
    "GET",
    "apps.connections.open",
    Some("APP"),
    "",
    "",
    "insecure_request"
)]
#[case::unknown_method("POST", "chat.shout", Some("BOT"), "", "", "unknown_method")]
#[case::no_content_type("POST", "chat.postMessage", Some("BOT"), "", "{}", "missing_post_type")]
#[case::plain_text(
    "POST",
    "chat.postMessage",
    Some("BOT"),
    "text/plain",
    "{}",
    "invalid_post_type"
)]
#[case::charset(
    "POST",
    "chat.postMessage",
    Some("BOT"),
    "application/json; charset=latin-1",
    "{}",
    "invalid_charset"
)]
#[case::broken_json(
    "POST",
    "chat.postMessage",
    Some("BOT"),
    "application/json; charset=utf-8",
    "{",
    "invalid_json"
)]
#[case::a_list(
    "POST",
    "chat.postMessage",
    Some("BOT"),
    "application/json; charset=utf-8",
    "[]",
    "json_not_object"
)]
#[case::read_by_json(
    "POST",
    "users.info",
    Some("BOT"),
    "application/json; charset=utf-8",
    r#"{"user":"U0ANN01"}"#,
    "invalid_arguments"
)]
#[tokio::test]
async fn the_door_refuses(
    #[case] method: &str,
    #[case] name: &str,
    #[case] token: Option<&str>,
    #[case] content_type: &str,
    #[case] body: &'static str,
    #[case] error: &str,
) {
    let bot = Bot::new().await;
    let url = format!("{}/{name}", bot.slack.api_url());
    let mut request = bot.http.request(method.parse().unwrap(), url).body(body);
    if !content_type.is_empty() {
        request = request.header("content-type", content_type);
    }
    if let Some(token) = token {
        request = request.bearer_auth(match token {
            "APP" => bot.slack.app_token(),
            "BOT" => bot.slack.bot_token(),
            other => other,
        });
    }
    let (status, reply) = read(request).await;
    assert_eq!(
        (status, reply["ok"].clone(), reply["error"].as_str()),
        (200, json!(false), Some(error))
    );
}

#[tokio::test]
async fn a_slash_too_many_is_no_method() {
    let bot = Bot::new().await;
    let url = format!("{}//auth.test", bot.slack.api_url());
    assert_eq!(
        read(bot.http.post(url).bearer_auth(bot.slack.bot_token()))
            .await
            .0,
        404
    );
}

#[tokio::test]
async fn auth_test_names_the_bot() {
    let bot = Bot::new().await;
    has_shape_of(
        &bot.get("auth.test", &[]).await,
        include_str!("../../../fixtures/slack/auth_test.json"),
    );
    let answer = bot
        .post("auth.test")
        .bearer_auth(bot.slack.bot_token())
        .send()
        .await
        .unwrap();
    assert!(
        answer.headers()["x-oauth-scopes"]
            .to_str()
            .unwrap()
            .contains("chat:write")
    );
}

#[tokio::test]
async fn json_without_a_charset_is_taken_with_a_warning() {
    let bot = Bot::new().await;
    let request = bot
        .post("chat.postMessage")
        .bearer_auth(bot.slack.bot_token());
    let body = json!({"channel": GENERAL, "text": "x"}).to_string();
    let (_, reply) = read(
        request
            .header("content-type", "application/json")
            .body(body),
    )
    .await;
    assert_eq!(
        (&reply["ok"], &reply["warning"]),
        (&json!(true), &json!("missing_charset"))
    );
}

#[tokio::test]
async fn a_ticket_opens_one_link() {
    let bot = Bot::new().await;
    let url = bot.open().await;
    let (first, _) = tokio_tungstenite::connect_async(&url).await.unwrap();
    let mut first = Link(first);
    has_shape_of(
        &first.next().await,
        include_str!("../../../fixtures/slack/hello.json"),
    );
    let Err(Error::Http(refused)) = tokio_tungstenite::connect_async(&url).await else {
        panic!("refused")
    };
    assert_eq!(refused.status().as_u16(), 403);
    let plain = url.replace("ws://", "http://");
    assert_eq!(read(bot.http.get(plain)).await.0, 400);
}

#[tokio::test]
async fn the_upgrade_can_answer_something_else() {
    let bot = Bot::new().await;
    let url = bot.open().await;
    bot.slack
        .front()
        .fault(Fault::new(FaultKind::answer(408, "")).on("GET", "/link/"));
    let Err(Error::Http(refused)) = tokio_tungstenite::connect_async(&url).await else {
        panic!("refused")
    };
    assert_eq!(refused.status().as_u16(), 408);
}

#[tokio::test]
async fn a_word_in_a_dm_arrives_and_is_acknowledged_once() {
    let bot = Bot::new().await;
    let mut link = bot.connect().await;
    let dm = bot.slack.dm(ANA);
    let ts = bot.slack.says(ANA, &dm, "ship it & close");
    let envelope = link.next().await;
    has_shape_of(
        &envelope,
        include_str!("../../../fixtures/slack/message__im.json"),
    );
    let event = &envelope["payload"]["event"];
    assert_eq!(event["text"], "ship it &amp; close");
    assert_eq!(
        (&event["channel"], &event["ts"], &event["event_ts"]),
        (&json!(dm), &json!(ts), &json!(ts))
    );
    assert_eq!(
        (&envelope["retry_attempt"], &envelope["retry_reason"]),
        (&json!(0), &json!(""))
    );
    link.ack(&envelope).await;
    link.ack(&envelope).await;
    link.say(json!({"envelope_id": "nobody's"})).await;
    within(
        bot.slack
            .until(|slack| slack.acks().len() == 2 && slack.strays().len() == 1),
    )
    .await;
    let counts: Vec<bool> = bot.slack.acks().iter().map(|ack| ack.counts).collect();
    assert_eq!(counts, [true, false]);
    assert!(bot.slack.unacked().is_empty());
}

#[rstest]
#[case::message_first(false, ["message", "app_mention"])]
#[case::mention_first(true, ["app_mention", "message"])]
#[tokio::test]
async fn a_mention_in_a_channel_arrives_twice(
    #[case] mention_first: bool,
    #[case] kinds: [&str; 2],
) {
    let bot = Bot::new().await;
    let mut link = bot.connect().await;
    bot.slack.mention_first(mention_first);
    bot.slack.says(ANA, GENERAL, "@ivan create Fix login");
    let twins = [link.next().await, link.next().await];
    let [first, second] = &twins;
    assert_eq!(
        twins
            .each_ref()
            .map(|twin| twin["payload"]["event"]["type"].as_str().unwrap()),
        kinds
    );
    assert_ne!(first["payload"]["event_id"], second["payload"]["event_id"]);
    for same in ["ts", "client_msg_id", "text"] {
        assert_eq!(
            first["payload"]["event"][same],
            second["payload"]["event"][same]
        );
    }
    assert_eq!(
        first["payload"]["event"]["text"],
        "<@U0BOT01> create Fix login"
    );
    let mention = twins
        .iter()
        .find(|twin| twin["payload"]["event"]["type"] == "app_mention")
        .unwrap();
    has_shape_of(
        mention,
        include_str!("../../../fixtures/slack/app_mention.json"),
    );
}

#[tokio::test]
async fn where_the_bot_is_no_member_it_neither_hears_nor_speaks() {
    let bot = Bot::new().await;
    bot.slack.says(ANA, RANDOM, "@ivan done");
    assert!(bot.slack.envelopes().is_empty());
    let args = json!({"channel": RANDOM, "text": "hello"});
    assert_eq!(
        bot.call("chat.postMessage", args.clone()).await["error"],
        "not_in_channel"
    );
    assert_eq!(
        bot.get("conversations.history", &[("channel", RANDOM)])
            .await["error"],
        "not_in_channel"
    );
    bot.slack.grant_scope("chat:write.public");
    assert_eq!(bot.call("chat.postMessage", args).await["ok"], true);
    bot.slack.add_channel("G0SEC01", "secret", true, &[ANA]);
    let args = json!({"channel": "G0SEC01", "text": "hello"});
    assert_eq!(
        bot.call("chat.postMessage", args).await["error"],
        "channel_not_found"
    );
}

#[tokio::test]
async fn the_bots_own_post_and_its_update_come_back() {
    let bot = Bot::new().await;
    let mut link = bot.connect().await;
    let dm = bot.slack.dm(ANA);
    let posted = bot
        .call(
            "chat.postMessage",
            json!({"channel": ANA, "text": "… a <b> & c"}),
        )
        .await;
    assert_eq!(
        (&posted["ok"], &posted["channel"]),
        (&json!(true), &json!(dm))
    );
    let own = link.next().await;
    has_shape_of(
        &own,
        include_str!("../../../fixtures/slack/message__own_reply.json"),
    );
    assert_eq!(own["payload"]["event"]["text"], "… a &lt;b&gt; &amp; c");
    let updated = bot
        .call(
            "chat.update",
            json!({"channel": dm, "ts": posted["ts"], "text": "✓ done"}),
        )
        .await;
    assert_eq!(
        (&updated["text"], &updated["message"]["edited"]["user"]),
        (&json!("✓ done"), &json!("U0BOT01"))
    );
    let event = link.next().await["payload"]["event"].clone();
    assert_eq!(
        (&event["subtype"], &event["message"]["text"]),
        (&json!("message_changed"), &json!("✓ done"))
    );
    assert_eq!(event["previous_message"]["text"], "… a &lt;b&gt; &amp; c");
    let mine = bot.slack.bot_messages(&dm);
    assert_eq!(mine[0].history, ["… a &lt;b&gt; &amp; c", "✓ done"]);
    assert_eq!((mine[0].text.as_str(), mine[0].edited), ("✓ done", true));
}

#[tokio::test]
async fn posts_are_refused_with_slacks_words() {
    let bot = Bot::new().await;
    let ana = bot.slack.says(ANA, GENERAL, "hello");
    let reply = bot.slack.says_in_thread(BO, GENERAL, &ana, "hi");
    bot.slack
        .add_channel("C0OLD01", "old", false, &[ANA, "U0BOT01"]);
    bot.slack.archive("C0OLD01");
    let long = "x".repeat(4_001);
    let own = bot
        .call(
            "chat.postMessage",
            json!({"channel": GENERAL, "text": "mine"}),
        )
        .await["ts"]
        .clone();
    for (method, args, error) in [
        (
            "chat.postMessage",
            json!({"text": "x"}),
            "invalid_arguments",
        ),
        ("chat.postMessage", json!({"channel": GENERAL}), "no_text"),
        (
            "chat.postMessage",
            json!({"channel": GENERAL, "text": 7}),
            "invalid_arguments",
        ),
        (
            "chat.postMessage",
            json!({"channel": "C0NONE", "text": "x"}),
            "channel_not_found",
        ),
        (
            "chat.postMessage",
            json!({"channel": "#general", "text": "x"}),
            "channel_not_found",
        ),
        (
            "chat.postMessage",
            json!({"channel": "C0OLD01", "text": "x"}),
            "is_archived",
        ),
        (
            "chat.postMessage",
            json!({"channel": "U0OLD01", "text": "x"}),
            "user_disabled",
        ),
        (
            "chat.postMessage",
            json!({"channel": GENERAL, "text": "x", "thread_ts": reply}),
            "cannot_reply_to_message",
        ),
        (
            "chat.postMessage",
            json!({"channel": GENERAL, "text": "x", "thread_ts": 17.5}),
            "invalid_arguments",
        ),
        (
            "chat.postMessage",
            json!({"channel": GENERAL, "text": "x", "metadata": {"event_type": "a"}}),
            "invalid_metadata_format",
        ),
        (
            "chat.postMessage",
            json!({"channel": GENERAL, "text": "x", "blocks": [{"type": "b"}]}),
            "invalid_blocks",
        ),
        (
            "chat.postMessage",
            json!({"channel": GENERAL, "text": "x", "blocks": "{"}),
            "invalid_blocks_format",
        ),
        (
            "chat.update",
            json!({"channel": GENERAL, "ts": own, "text": long}),
            "msg_too_long",
        ),
        (
            "chat.update",
            json!({"channel": GENERAL, "ts": ana, "text": "x"}),
            "cant_update_message",
        ),
        (
            "chat.update",
            json!({"channel": GENERAL, "ts": "1.000000", "text": "x"}),
            "message_not_found",
        ),
        (
            "chat.update",
            json!({"channel": ANA, "ts": own, "text": "x"}),
            "channel_not_found",
        ),
        (
            "chat.postEphemeral",
            json!({"channel": GENERAL, "user": "U0CIB01", "text": "x"}),
            "user_not_in_channel",
        ),
        (
            "reactions.add",
            json!({"channel": GENERAL, "timestamp": ana, "name": ":tada:"}),
            "invalid_name",
        ),
        (
            "reactions.add",
            json!({"channel": GENERAL, "timestamp": "1.000000", "name": "tada"}),
            "message_not_found",
        ),
        (
            "conversations.open",
            json!({"users": "U0HID01"}),
            "user_not_visible",
        ),
        (
            "conversations.open",
            json!({"users": "U0NONE"}),
            "user_not_found",
        ),
        (
            "views.open",
            json!({"trigger_id": "1.2.3", "view": {"type": "modal", "title": {"type": "plain_text", "text": "T"}, "blocks": []}}),
            "invalid_trigger_id",
        ),
        (
            "views.publish",
            json!({"user_id": ANA, "view": {"type": "home", "blocks": []}, "hash": "x"}),
            "hash_conflict",
        ),
    ] {
        let reply = bot.call(method, args.clone()).await;
        assert_eq!(reply["error"], error, "{method} {args}: {reply}");
    }
    assert_eq!(bot.slack.messages(GENERAL).len(), 3);
}

#[tokio::test]
async fn answers_look_like_the_fixtures() {
    let bot = Bot::new().await;
    let dm = bot.slack.dm(ANA);
    let ts = bot.slack.says(ANA, &dm, "done");
    let metadata = json!({"event_type": "ivan_reply", "event_payload": {"op_id": "17"}});
    let args = json!({"channel": dm, "text": "✓", "metadata": metadata});
    let posted = bot.call("chat.postMessage", args).await;
    has_shape_of(
        &posted,
        include_str!("../../../fixtures/slack/chat_postMessage.json"),
    );
    let args = json!({"channel": dm, "ts": posted["ts"], "text": "✓ done"});
    has_shape_of(
        &bot.call("chat.update", args).await,
        include_str!("../../../fixtures/slack/chat_update.json"),
    );
    bot.slack.says(ANA, &dm, "next");
    let args = json!({"channel": dm, "text": "…", "thread_ts": ts});
    bot.call("chat.postMessage", args).await;
    let args = [("channel", dm.as_str()), ("ts", &ts)];
    has_shape_of(
        &bot.get("conversations.replies", &args).await,
        include_str!("../../../fixtures/slack/conversations_replies.json"),
    );
    let args = json!({"channel": RANDOM, "text": "x"});
    has_shape_of(
        &bot.call("chat.postMessage", args.clone()).await,
        include_str!("../../../fixtures/slack/chat_postMessage__not_in_channel.json"),
    );
    bot.slack.revoke_scope("chat:write");
    has_shape_of(
        &bot.call("chat.postMessage", args).await,
        include_str!("../../../fixtures/slack/chat_postMessage__missing_scope.json"),
    );
}

#[tokio::test]
async fn an_acknowledgement_may_come_in_pieces() {
    let bot = Bot::new().await;
    let mut link = bot.connect().await;
    let dm = bot.slack.dm(ANA);
    bot.slack.says(ANA, &dm, "done");
    let id = link.next().await["envelope_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let pieces = [
        Frame::message("{\"envelope_id\":", OpCode::Data(Data::Text), false),
        Frame::ping("in between"),
        Frame::message(format!("\"{id}\"}}"), OpCode::Data(Data::Continue), true),
    ];
    for piece in pieces {
        link.0.send(Message::Frame(piece)).await.unwrap();
    }
    within(bot.slack.until(|slack| slack.unacked().is_empty())).await;
    link.0.send(Message::binary(vec![0])).await.unwrap();
    within(bot.slack.until(|slack| slack.strays().len() == 1)).await;
}

#[tokio::test]
async fn tcp_may_stay_open_after_the_close_handshake() {
    let bot = Bot::new().await;
    bot.slack.leave_tcp_open(true);
    bot.slack.say_hello(false);
    let (stream, _) = tokio_tungstenite::connect_async(bot.open().await)
        .await
        .unwrap();
    let mut link = Link(stream);
    link.0.close(None).await.unwrap();
    within(bot.slack.until(|slack| slack.links() == 0)).await;
    // The first frame answers the Close: no hello was sent.
    assert!(matches!(link.frame().await, Some(Ok(Message::Close(_)))));
    // The server should close TCP but does not.
    let still_open = tokio::time::timeout(Duration::from_millis(50), link.0.next()).await;
    assert!(still_open.is_err());
}

#[tokio::test]
async fn an_over_long_post_is_cut() {
    let bot = Bot::new().await;
    let text = "é".repeat(40_001);
    bot.call(
        "chat.postMessage",
        json!({"channel": GENERAL, "text": text}),
    )
    .await;
    assert_eq!(
        bot.slack.bot_messages(GENERAL)[0].text.chars().count(),
        40_000
    );
}

#[tokio::test]
async fn a_form_says_the_same_as_json() {
    let bot = Bot::new().await;
    let blocks = json!([{"type": "section", "text": {"type": "mrkdwn", "text": "hi"}}]).to_string();
    let body = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([
            ("channel", GENERAL),
            ("text", "hi"),
            ("blocks", &blocks),
            ("unfurl_links", "false"),
        ])
        .finish();
    let request = bot
        .post("chat.postMessage")
        .bearer_auth(bot.slack.bot_token())
        .body(body);
    let (_, reply) =
        read(request.header("content-type", "application/x-www-form-urlencoded")).await;
    assert_eq!(reply["message"]["blocks"][0]["type"], "section", "{reply}");
}

#[tokio::test]
async fn a_dm_is_opened_once() {
    let bot = Bot::new().await;
    let first = bot.call("conversations.open", json!({"users": ANA})).await;
    assert!(first.get("already_open").is_none());
    let again = bot
        .call("conversations.open", json!({"users": [ANA]}))
        .await;
    has_shape_of(
        &again,
        include_str!("../../../fixtures/slack/conversations_open.json"),
    );
    assert_eq!(first["channel"]["id"], bot.slack.dm(ANA));
    let two = bot
        .call("conversations.open", json!({"users": [ANA, BO]}))
        .await;
    assert_eq!(two["needed"], "mpim:write");
}

#[tokio::test]
async fn every_ts_is_later_than_the_one_before() {
    let bot = Bot::new().await;
    let mut all = Vec::new();
    for _ in 0..20 {
        all.push(bot.slack.says(ANA, GENERAL, "hello"));
        let posted = bot
            .call("chat.postMessage", json!({"channel": GENERAL, "text": "x"}))
            .await;
        all.push(posted["ts"].as_str().unwrap().to_owned());
    }
    assert!(all.is_sorted_by(|one, next| ids::micros(one).unwrap() < ids::micros(next).unwrap()));
}

#[tokio::test]
async fn what_is_not_acknowledged_comes_again_three_times() {
    let bot = Bot::new().await;
    bot.slack.time_scale(0.001);
    let mut link = bot.connect().await;
    let dm = bot.slack.dm(ANA);
    bot.slack.says(ANA, &dm, "done");
    let first = link.next().await;
    for attempt in 1..=3 {
        let again = link.next().await;
        assert_eq!(
            (&again["retry_attempt"], &again["retry_reason"]),
            (&json!(attempt), &json!("timeout"))
        );
        assert_eq!(again["envelope_id"], first["envelope_id"]);
        assert_eq!(again["payload"], first["payload"]);
    }
    assert_eq!(bot.slack.unacked()[0].links.len(), 4);
}

#[tokio::test]
async fn what_is_said_while_nobody_listens_arrives_as_a_retry() {
    let bot = Bot::new().await;
    let dm = bot.slack.dm(ANA);
    bot.slack.says(ANA, &dm, "done");
    let mut link = bot.connect().await;
    bot.slack.redeliver_unacked();
    let envelope = link.next().await;
    assert_eq!(envelope["retry_attempt"], 1);
    link.ack(&envelope).await;
    within(bot.slack.until(|slack| slack.unacked().is_empty())).await;
    bot.slack.lose_next(1);
    let lost = bot
        .slack
        .send_event(json!({"type": "message", "text": "odd"}));
    bot.slack.redeliver(&lost);
    bot.slack.repeat(&lost);
    bot.slack
        .send_event_as(json!({"type": "message", "text": "late"}), 3);
    for attempt in [1, 1, 3] {
        assert_eq!(link.next().await["retry_attempt"], attempt);
    }
}

#[tokio::test]
async fn events_are_spread_and_acknowledged_where_they_came() {
    let bot = Bot::new().await;
    let (mut one, mut two) = (bot.connect().await, bot.connect().await);
    let dm = bot.slack.dm(ANA);
    bot.slack.says(ANA, &dm, "a");
    bot.slack.says(ANA, &dm, "b");
    let (on_one, on_two) = (one.next().await, two.next().await);
    assert_ne!(on_one["envelope_id"], on_two["envelope_id"]);
    one.ack(&on_two).await;
    two.ack(&on_two).await;
    within(bot.slack.until(|slack| slack.acks().len() == 2)).await;
    for ack in bot.slack.acks() {
        assert_eq!(ack.counts, ack.link == 2, "{ack:?}");
    }
    bot.slack.route_to(Some(1));
    bot.slack.says(ANA, &dm, "c");
    bot.slack.says(ANA, &dm, "d");
    assert_eq!(one.next().await["payload"]["event"]["text"], "c");
    assert_eq!(one.next().await["payload"]["event"]["text"], "d");
}

#[tokio::test]
async fn the_eleventh_link_is_turned_away() {
    let bot = Bot::new().await;
    let mut links = Vec::new();
    for _ in 0..10 {
        links.push(bot.connect().await);
    }
    let (stream, _) = tokio_tungstenite::connect_async(bot.open().await)
        .await
        .unwrap();
    assert_eq!(Link(stream).next().await["reason"], "too_many_websockets");
    assert_eq!(bot.slack.links(), 10);
}

#[tokio::test]
async fn pings_and_pongs_can_be_withheld() {
    let bot = Bot::new().await;
    bot.slack.ping_every(Duration::from_millis(20));
    let mut link = bot.connect().await;
    let Message::Ping(payload) = link.frame().await.unwrap().unwrap() else {
        panic!("a ping")
    };
    assert_eq!(&payload[..], b"Ping from applink-1");
    bot.slack.stop_pinging();
    link.0.send(Message::Ping("one".into())).await.unwrap();
    loop {
        match link.frame().await.unwrap().unwrap() {
            Message::Pong(payload) => break assert_eq!(&payload[..], b"one"),
            Message::Ping(_) => {}
            other => panic!("{other:?}"),
        }
    }
    bot.slack.ignore_pings();
    link.0.send(Message::Ping("two".into())).await.unwrap();
    bot.slack.send_raw("[1]");
    assert_eq!(link.frame().await.unwrap().unwrap(), Message::text("[1]"));
    bot.slack.send_binary(&[1, 2]);
    assert_eq!(
        link.frame().await.unwrap().unwrap(),
        Message::binary(vec![1, 2])
    );
}

#[tokio::test]
async fn a_ghost_is_counted_and_takes_events_until_it_is_cut() {
    let bot = Bot::new().await;
    let mut link = bot.connect().await;
    bot.slack.half_open();
    link.0.send(Message::Ping("anybody?".into())).await.unwrap();
    let dm = bot.slack.dm(ANA);
    bot.slack.says(ANA, &dm, "lost");
    assert_eq!(
        (bot.slack.links(), bot.slack.unacked()[0].links.clone()),
        (1, vec![1])
    );
    let next = tokio_tungstenite::connect_async(bot.open().await)
        .await
        .unwrap()
        .0;
    assert_eq!(Link(next).next().await["num_connections"], 2);
    bot.slack.cut_link(1);
    assert!(link.frame().await.is_none_or(|frame| frame.is_err()));
    within(bot.slack.until(|slack| !slack.link_ids().contains(&1))).await;
}

#[tokio::test]
async fn a_link_ends_by_a_cut_by_a_close_and_by_word() {
    let bot = Bot::new().await;
    let mut happenings = bot.slack.subscribe();
    let mut link = bot.connect().await;
    bot.slack.cut();
    assert!(link.frame().await.unwrap().is_err());
    let mut link = bot.connect().await;
    bot.slack.close_frame();
    assert!(matches!(
        link.frame().await,
        Some(Ok(Message::Close(Some(_))))
    ));
    assert!(link.frame().await.is_none(), "both have closed");
    let mut link = bot.connect().await;
    let dm = bot.slack.dm(ANA);
    bot.slack.says(ANA, &dm, "done");
    bot.slack.disconnect("refresh_requested");
    assert_eq!(link.next().await["type"], "events_api");
    let goodbye = link.next().await;
    has_shape_of(
        &goodbye,
        include_str!("../../../fixtures/slack/disconnect__refresh_requested.json"),
    );
    // The link stays until it is cut; then the bot closes.
    bot.slack.says(ANA, &dm, "next");
    assert_eq!(link.next().await["payload"]["event"]["text"], "next");
    link.0.close(None).await.unwrap();
    within(bot.slack.until(|slack| slack.links() == 0)).await;
    let mut ends = 0;
    while let Ok(happening) = happenings.try_recv() {
        ends += usize::from(matches!(happening, SandboxEvent::Disconnected { .. }));
    }
    assert_eq!(ends, 3);
    let mut link = bot.connect().await;
    bot.slack.disconnect("link_disabled");
    assert_eq!(link.next().await["reason"], "link_disabled");
    assert!(matches!(link.frame().await, Some(Ok(Message::Close(_)))));
    let mut link = bot.connect().await;
    bot.slack.close().await;
    assert!(link.frame().await.is_none_or(|frame| frame.is_err()));
}

#[tokio::test]
async fn a_command_is_answered_with_its_acknowledgement() {
    let bot = Bot::new().await;
    let dm = bot.slack.dm(ANA);
    bot.slack.commands(ANA, &dm, "/ivan", "done");
    assert_eq!(bot.slack.whispers()[0].text, "dispatch_failed");
    let mut link = bot.connect().await;
    bot.slack.commands(ANA, &dm, "/ivan", "list & more");
    let envelope = link.next().await;
    has_shape_of(
        &envelope,
        include_str!("../../../fixtures/slack/slash_commands.json"),
    );
    assert_eq!(envelope["payload"]["text"], "list &amp; more");
    link.say(json!({"envelope_id": envelope["envelope_id"], "payload": {"text": "nothing to do"}}))
        .await;
    within(bot.slack.until(|slack| slack.whispers().len() == 2)).await;
    let last = bot.slack.whispers().pop().unwrap();
    assert_eq!(
        (last.text.as_str(), last.user.as_str(), last.from),
        ("nothing to do", ANA, "ack")
    );
    bot.slack.time_scale(0.001);
    bot.slack.commands(ANA, &dm, "/ivan", "list");
    within(bot.slack.until(|slack| slack.whispers().len() == 3)).await;
    assert_eq!(
        bot.slack.whispers().pop().unwrap().text,
        "operation_timeout"
    );
    let late = link.next().await;
    link.ack(&late).await;
    within(bot.slack.until(|slack| slack.acks().len() == 2)).await;
    assert!(!bot.slack.acks()[1].counts);
}

#[tokio::test]
async fn a_button_is_pressed_and_its_response_url_is_good_five_times() {
    let bot = Bot::new().await;
    let mut link = bot.connect().await;
    let dm = bot.slack.dm(ANA);
    let undo = json!({"type": "button", "action_id": "undo", "value": "op_17",
        "text": {"type": "plain_text", "text": "Undo", "emoji": true}});
    let blocks = json!([{"type": "actions", "elements": [undo]}]);
    let posted = bot
        .call(
            "chat.postMessage",
            json!({"channel": dm, "text": "✓", "blocks": blocks}),
        )
        .await;
    let echo = link.next().await;
    link.ack(&echo).await;
    bot.slack
        .clicks(ANA, &dm, posted["ts"].as_str().unwrap(), "undo");
    let envelope = link.next().await;
    has_shape_of(
        &envelope,
        include_str!("../../../fixtures/slack/block_actions.json"),
    );
    assert_eq!(envelope["payload"]["actions"][0]["value"], "op_17");
    link.ack(&envelope).await;
    let url = envelope["payload"]["response_url"].as_str().unwrap();
    let said = |body: Value| {
        bot.http
            .post(url)
            .header("content-type", "application/json")
            .body(body.to_string())
    };
    assert_eq!(
        read(said(json!({"replace_original": true, "text": "undone"}))).await,
        (200, json!("ok"))
    );
    assert_eq!(bot.slack.bot_messages(&dm)[0].text, "undone");
    assert_eq!(
        read(said(json!({"delete_original": true, "text": "x"})))
            .await
            .0,
        400
    );
    for _ in 0..4 {
        assert_eq!(read(said(json!({"text": "for you"}))).await.0, 200);
    }
    assert_eq!(bot.slack.whispers().len(), 4);
    assert_eq!(read(said(json!({"text": "for you"}))).await.0, 404);
}

#[tokio::test]
async fn a_trigger_opens_one_modal_in_time() {
    let bot = Bot::new().await;
    let mut link = bot.connect().await;
    let view = json!({"type": "modal", "callback_id": "create_task_modal", "private_metadata": "{}",
        "title": {"type": "plain_text", "text": "Create a task"}, "submit": {"type": "plain_text", "text": "Create"},
        "blocks": [{"type": "input", "block_id": "title_b", "label": {"type": "plain_text", "text": "Title"},
            "element": {"type": "plain_text_input", "action_id": "title_a"}}]});
    bot.slack.shortcut(ANA, "new_task");
    let envelope = link.next().await;
    has_shape_of(
        &envelope,
        include_str!("../../../fixtures/slack/shortcut.json"),
    );
    link.ack(&envelope).await;
    let args = json!({"trigger_id": envelope["payload"]["trigger_id"], "view": view});
    let opened = bot.call("views.open", args.clone()).await;
    assert_eq!(opened["ok"], true, "{opened}");
    assert_eq!(
        bot.call("views.open", args).await["error"],
        "exchanged_trigger_id"
    );
    let id = opened["view"]["id"].as_str().unwrap();
    bot.slack.submits(
        ANA,
        id,
        json!({"title_b": {"title_a": {"type": "plain_text_input", "value": "Fix login"}}}),
    );
    let envelope = link.next().await;
    has_shape_of(
        &envelope,
        include_str!("../../../fixtures/slack/view_submission.json"),
    );
    link.ack(&envelope).await;
    let old = bot.slack.trigger();
    bot.slack.age_triggers(Duration::from_secs(4));
    let late = bot
        .call("views.open", json!({"trigger_id": old, "view": view}))
        .await;
    assert_eq!(late["error"], "expired_trigger_id");
}

#[tokio::test]
async fn a_home_tab_is_published_and_opened() {
    let bot = Bot::new().await;
    let mut link = bot.connect().await;
    let args = json!({"user_id": ANA, "view": {"type": "home", "blocks": []}});
    let published = bot.call("views.publish", args.clone()).await;
    has_shape_of(
        &published,
        include_str!("../../../fixtures/slack/views_publish.json"),
    );
    bot.slack.opens_tab(ANA, "home");
    has_shape_of(
        &link.next().await,
        include_str!("../../../fixtures/slack/app_home_opened.json"),
    );
    bot.slack.tabs(false, false);
    assert_eq!(
        bot.call("views.publish", args).await["error"],
        "not_enabled"
    );
    let args = json!({"channel": ANA, "text": "x"});
    assert_eq!(
        bot.call("chat.postMessage", args).await["error"],
        "messages_tab_disabled"
    );
}

#[tokio::test]
async fn history_comes_in_pages_with_metadata_when_asked() {
    let bot = Bot::new().await;
    let dm = bot.slack.dm(ANA);
    let root = bot.slack.says(ANA, &dm, "one");
    bot.slack.says(ANA, &dm, "two");
    let metadata = json!({"event_type": "ivan_reply", "event_payload": {"op_id": "17"}});
    let args = json!({"channel": dm, "text": "three", "thread_ts": root, "metadata": metadata});
    bot.call("chat.postMessage", args.clone()).await;
    let last = bot
        .call(
            "chat.postMessage",
            json!({"channel": dm, "text": "four", "metadata": metadata}),
        )
        .await;

    let page = bot
        .get("conversations.history", &[("channel", &dm), ("limit", "2")])
        .await;
    let texts = |page: &Value| -> Vec<String> {
        page["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["text"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        (texts(&page), &page["has_more"]),
        (vec!["four".to_owned(), "two".to_owned()], &json!(true))
    );
    has_shape_of(
        &page,
        include_str!("../../../fixtures/slack/conversations_history.json"),
    );
    assert_eq!(
        page["messages"][0]["metadata"],
        json!({"event_type": "ivan_reply"})
    );
    let cursor = page["response_metadata"]["next_cursor"].as_str().unwrap();
    let rest = bot
        .get(
            "conversations.history",
            &[("channel", &dm), ("limit", "2"), ("cursor", cursor)],
        )
        .await;
    assert_eq!(
        (texts(&rest), &rest["has_more"]),
        (vec!["one".to_owned()], &json!(false))
    );
    assert_eq!(rest["messages"][0]["reply_count"], 1);
    let all = [
        ("channel", dm.as_str()),
        ("ts", &root),
        ("include_all_metadata", "true"),
    ];
    let thread = bot.get("conversations.replies", &all).await;
    assert_eq!(texts(&thread), ["one", "three"]);
    assert_eq!(thread["messages"][1]["metadata"], metadata);

    let after = |oldest: &str| [("channel", dm.clone()), ("oldest", oldest.to_owned())];
    let since = after(last["ts"].as_str().unwrap());
    let since: Vec<(&str, &str)> = since
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    assert!(texts(&bot.get("conversations.history", &since).await).is_empty());
    let error = |args: &'static [(&str, &str)]| {
        let mut all = vec![("channel", dm.as_str())];
        all.extend(args);
        let bot = &bot;
        async move {
            bot.get("conversations.history", &all).await["error"]
                .as_str()
                .unwrap()
                .to_owned()
        }
    };
    assert_eq!(error(&[("cursor", "abc")]).await, "invalid_cursor");
    assert_eq!(error(&[("oldest", "yesterday")]).await, "invalid_ts_oldest");
    assert_eq!(error(&[("limit", "1000")]).await, "invalid_limit");
    let nowhere = [("channel", dm.as_str()), ("ts", "1.000000")];
    assert_eq!(
        bot.get("conversations.replies", &nowhere).await["error"],
        "thread_not_found"
    );
}

#[tokio::test]
async fn the_bots_dms_are_listed_as_the_scopes_allow() {
    let bot = Bot::new().await;
    for user in [ANA, BO] {
        bot.slack.says(user, &bot.slack.dm(user), "hello");
    }
    let list = async |args: &[(&str, &str)]| bot.get("users.conversations", args).await;
    let page = list(&[("types", "im"), ("limit", "1")]).await;
    has_shape_of(
        &page,
        include_str!("../../../fixtures/slack/users_conversations.json"),
    );
    assert_eq!(page["channels"][0]["user"], ANA);
    let cursor = page["response_metadata"]["next_cursor"].as_str().unwrap();
    let rest = list(&[("types", "im"), ("limit", "1"), ("cursor", cursor)]).await;
    assert_eq!(rest["channels"][0]["user"], BO);
    assert_eq!(rest["response_metadata"]["next_cursor"], "");
    for (args, error) in [
        (&[("types", "dm")][..], "invalid_types"),
        (&[("types", "im"), ("limit", "1000")], "invalid_limit"),
        (&[("types", "im"), ("cursor", "abc")], "invalid_cursor"),
        (&[("types", "im"), ("user", ANA)], "invalid_arguments"),
    ] {
        assert_eq!(list(args).await["error"], error, "{args:?}");
    }
    // Public channels, the default, and public channels with DMs: each kind has its own scope.
    for args in [&[][..], &[("types", "im,public_channel")]] {
        let refused = list(args).await;
        assert_eq!(
            (&refused["error"], &refused["needed"]),
            (&json!("missing_scope"), &json!("channels:read"))
        );
    }
    bot.slack.revoke_scope("im:read");
    let refused = list(&[("types", "im")]).await;
    assert_eq!(
        (&refused["error"], &refused["needed"]),
        (&json!("missing_scope"), &json!("im:read"))
    );
}

#[tokio::test]
async fn files_are_shown_and_read_as_the_scope_allows() {
    let bot = Bot::new().await;
    let mut link = bot.connect().await;
    let dm = bot.slack.dm(ANA);
    bot.slack.shares_file(ANA, &dm, "My Shot.png", "look");
    let shared = link.next().await["payload"]["event"]["files"][0].clone();
    let info = async |id: &Value| {
        let id = id.as_str().unwrap();
        bot.get("files.info", &[("file", id)]).await
    };
    let whole = info(&shared["id"]).await;
    assert_eq!(whole["file"]["permalink"], shared["permalink"]);
    assert_eq!(whole["file"]["ims"], json!([dm]));
    assert_eq!(info(&json!("F0NONE")).await["error"], "file_not_found");
    let fetched = async |token: &str| {
        let url = shared["url_private"].as_str().unwrap();
        let answer = bot.http.get(url).bearer_auth(token).send().await.unwrap();
        (answer.status().as_u16(), answer.bytes().await.unwrap())
    };
    let (status, content) = fetched(bot.slack.bot_token()).await;
    assert_eq!(
        (status, json!(content.len())),
        (200, shared["size"].clone())
    );
    assert_eq!(fetched("xoxb-other").await.0, 302);
    // The bot is not in this channel.
    bot.slack.shares_file(ANA, RANDOM, "plan.pdf", "");
    let elsewhere = bot.slack.messages(RANDOM).pop().unwrap();
    let refused = info(&elsewhere["files"][0]["id"]).await;
    assert_eq!(refused["error"], "file_not_found");
    // Of another workspace a message shows the id.
    bot.slack.files_are_foreign(true);
    bot.slack.shares_file(ANA, &dm, "shot.png", "");
    let foreign = link.next().await["payload"]["event"]["files"][0].clone();
    assert_eq!(foreign["file_access"], "check_file_info");
    assert!(foreign.get("permalink").is_none(), "{foreign}");
    assert_eq!(info(&foreign["id"]).await["file"]["name"], "shot.png");
    bot.slack.files_are_foreign(false);
    bot.slack.revoke_scope("files:read");
    bot.slack.shares_file(ANA, &dm, "shot.png", "");
    let unknown = link.next().await["payload"]["event"]["files"][0].clone();
    assert_eq!(unknown["file_access"], "check_file_info");
    let refused = info(&unknown["id"]).await;
    assert_eq!(
        (&refused["error"], &refused["needed"]),
        (&json!("missing_scope"), &json!("files:read"))
    );
    assert_eq!(fetched(bot.slack.bot_token()).await.0, 302);
    let many = ["a"; 11];
    assert!(bot.slack.try_shares(ANA, &dm, &many, "", None).is_err());
}

#[tokio::test]
async fn an_upload_is_a_file_that_messages_of_the_app_show() {
    let bot = Bot::new().await;
    let base = bot.slack.api_url();
    let client = &bot.http;
    let png = b"\x89PNG\r\n\x1a\n and more".to_vec();
    let length = png.len().to_string();
    let begin = [
        ("filename", "a.png"),
        ("length", length.as_str()),
        ("alt_txt", "bars"),
    ];
    let begun = bot.get("files.getUploadURLExternal", &begin).await;
    let (url, id) = (
        begun["upload_url"].as_str().unwrap(),
        begun["file_id"].as_str().unwrap(),
    );
    assert!(url.starts_with(base.trim_end_matches("/api")), "{url}");
    let complete = json!({"files": [{"id": id, "title": "Bars"}]});
    let early = bot
        .call("files.completeUploadExternal", complete.clone())
        .await;
    assert_eq!(early["error"], "file_not_found");
    let send = async |body: Vec<u8>| {
        let sent = client.post(url).body(body).send().await.unwrap();
        sent.status().as_u16()
    };
    assert_eq!(send(png[1..].to_vec()).await, 400);
    let with_token = client
        .post(url)
        .bearer_auth(bot.slack.bot_token())
        .body(png.clone());
    assert_eq!(with_token.send().await.unwrap().status(), 400);
    let dm = bot.slack.dm(ANA);
    let shows = |file: &str| {
        let blocks = json!([{"type": "image", "alt_text": "bars", "slack_file": {"id": file}}]);
        json!({"channel": dm, "text": "bars", "blocks": blocks})
    };
    assert_eq!(
        bot.call("chat.postMessage", shows(id)).await["error"],
        "invalid_blocks"
    );
    assert_eq!(send(png.clone()).await, 200);
    assert_eq!(send(png.clone()).await, 400);
    let done = bot
        .call("files.completeUploadExternal", complete.clone())
        .await;
    assert_eq!(done["files"][0]["id"], id);
    assert_eq!(
        bot.call("files.completeUploadExternal", complete).await["error"],
        "file_not_found"
    );
    bot.slack.refuse_pictures(1);
    assert_eq!(
        bot.call("chat.postMessage", shows(id)).await["error"],
        "invalid_blocks"
    );
    assert_eq!(bot.call("chat.postMessage", shows(id)).await["ok"], true);
    assert_eq!(bot.slack.uploaded(id), Some(png));
    for file in ["F0NOTHERE1", "f0small", "F1"] {
        let refused = bot.call("chat.postMessage", shows(file)).await;
        assert_eq!(refused["error"], "invalid_blocks", "{file}");
    }
    bot.slack.revoke_scope("files:write");
    let refused = bot.get("files.getUploadURLExternal", &begin).await;
    assert_eq!(
        (&refused["error"], &refused["needed"]),
        (&json!("missing_scope"), &json!("files:write"))
    );
}

#[tokio::test]
async fn people_are_shown_as_the_scopes_allow() {
    let bot = Bot::new().await;
    let user = async |id: &str| bot.get("users.info", &[("user", id)]).await;
    has_shape_of(
        &user(ANA).await,
        include_str!("../../../fixtures/slack/users_info.json"),
    );
    assert_eq!(user("U0GST01").await["user"]["is_restricted"], true);
    has_shape_of(
        &user("U0STR01").await,
        include_str!("../../../fixtures/slack/users_info__stranger.json"),
    );
    assert_eq!(user("U0OLD01").await["user"]["deleted"], true);
    assert_eq!(user("U0CIB01").await["user"]["is_bot"], true);
    assert_eq!(user("U0HID01").await["error"], "user_not_visible");
    assert_eq!(user("U0NONE").await["error"], "user_not_found");
    let by_email = async |email: &str| bot.get("users.lookupByEmail", &[("email", email)]).await;
    assert_eq!(by_email("Ana@acme.test").await["user"]["id"], ANA);
    assert_eq!(by_email("dee@acme.test").await["error"], "users_not_found");
    bot.slack.revoke_scope("users:read.email");
    assert!(user(ANA).await["user"]["profile"].get("email").is_none());
    let refused = by_email("ana@acme.test").await;
    assert_eq!(
        (&refused["error"], &refused["needed"]),
        (&json!("missing_scope"), &json!("users:read.email"))
    );
    bot.slack.refuse_tokens(Some("token_revoked"));
    assert_eq!(user(ANA).await["error"], "token_revoked");
}

#[tokio::test]
async fn a_reaction_is_added_once() {
    let bot = Bot::new().await;
    let mut link = bot.connect().await;
    let ts = bot.slack.says(BO, GENERAL, "hello");
    link.next().await;
    let args = json!({"channel": GENERAL, "timestamp": ts, "name": "white_check_mark"});
    assert_eq!(bot.call("reactions.add", args.clone()).await["ok"], true);
    has_shape_of(
        &link.next().await,
        include_str!("../../../fixtures/slack/reaction_added.json"),
    );
    assert_eq!(
        bot.call("reactions.add", args).await["error"],
        "already_reacted"
    );
    assert_eq!(
        bot.slack.reactions(GENERAL, &ts),
        [("U0BOT01".to_owned(), "white_check_mark".to_owned())]
    );
    let link = bot
        .get(
            "chat.getPermalink",
            &[("channel", GENERAL), ("message_ts", &ts)],
        )
        .await;
    let end = format!("/archives/{GENERAL}/p{}", ts.replace('.', ""));
    assert!(link["permalink"].as_str().unwrap().ends_with(&end));
}

#[tokio::test]
async fn a_reaction_is_taken_away_once() {
    let bot = Bot::new().await;
    let mut link = bot.connect().await;
    let ts = bot.slack.says(BO, GENERAL, "hello");
    bot.slack.reacts(BO, GENERAL, &ts, "eyes");
    bot.slack.unreacts(BO, GENERAL, &ts, "eyes");
    link.next().await;
    link.next().await;
    has_shape_of(
        &link.next().await,
        include_str!("../../../fixtures/slack/reaction_removed.json"),
    );
    let args = json!({"channel": GENERAL, "timestamp": ts, "name": "eyes"});
    assert_eq!(bot.call("reactions.add", args.clone()).await["ok"], true);
    assert_eq!(bot.call("reactions.remove", args.clone()).await["ok"], true);
    assert_eq!(bot.slack.reactions(GENERAL, &ts), []);
    assert_eq!(
        bot.call("reactions.remove", args.clone()).await["error"],
        "no_reaction"
    );
    bot.slack.revoke_scope("reactions:write");
    assert_eq!(
        bot.call("reactions.remove", args).await["needed"],
        "reactions:write"
    );
}

#[tokio::test]
async fn who_may_not_read_reactions_hears_of_none() {
    let bot = Bot::new().await;
    let mut link = bot.connect().await;
    bot.slack.revoke_scope("reactions:read");
    let ts = bot.slack.says(BO, GENERAL, "hello");
    bot.slack.reacts(BO, GENERAL, &ts, "eyes");
    bot.slack.unreacts(BO, GENERAL, &ts, "eyes");
    bot.slack.says(BO, GENERAL, "again");
    link.next().await;
    assert_eq!(link.next().await["payload"]["event"]["text"], "again");
}

#[tokio::test]
async fn what_people_do_with_their_messages_arrives() {
    let bot = Bot::new().await;
    let mut link = bot.connect().await;
    let dm = bot.slack.dm(ANA);
    let ts = bot.slack.says(ANA, &dm, "https://x.test/1");
    link.next().await;
    bot.slack.unfurls(&dm, &ts, "https://x.test/1");
    has_shape_of(
        &link.next().await,
        include_str!("../../../fixtures/slack/message__unfurl.json"),
    );
    let ts = bot.slack.says(ANA, &dm, "done");
    link.next().await;
    bot.slack.edits(ANA, &dm, &ts, "done!");
    has_shape_of(
        &link.next().await,
        include_str!("../../../fixtures/slack/message__message_changed.json"),
    );
    bot.slack
        .shares_file(ANA, &dm, "shot.png", "create Broken page");
    has_shape_of(
        &link.next().await,
        include_str!("../../../fixtures/slack/message__file_share.json"),
    );
    let root = bot.slack.says(BO, GENERAL, "hello");
    has_shape_of(
        &link.next().await,
        include_str!("../../../fixtures/slack/message__channel.json"),
    );
    bot.slack.says_in_thread(ANA, GENERAL, &root, "comment x");
    has_shape_of(
        &link.next().await,
        include_str!("../../../fixtures/slack/message__thread_reply.json"),
    );
    bot.slack.broadcasts(ANA, GENERAL, &root, "done");
    has_shape_of(
        &link.next().await,
        include_str!("../../../fixtures/slack/message__thread_broadcast.json"),
    );
    bot.slack.other_bot_says(GENERAL, "ci", "done");
    has_shape_of(
        &link.next().await,
        include_str!("../../../fixtures/slack/message__bot_message.json"),
    );
    bot.slack.join(GENERAL, BO);
    has_shape_of(
        &link.next().await,
        include_str!("../../../fixtures/slack/message__channel_join.json"),
    );
    bot.slack.message_action(ANA, GENERAL, &root, "create_task");
    has_shape_of(
        &link.next().await,
        include_str!("../../../fixtures/slack/message_action.json"),
    );
    let other = bot.slack.says(ANA, &dm, "to be deleted");
    link.next().await;
    bot.slack.deletes(&dm, &other);
    has_shape_of(
        &link.next().await,
        include_str!("../../../fixtures/slack/message__message_deleted.json"),
    );
    assert!(
        bot.slack
            .messages(&dm)
            .iter()
            .all(|message| message["ts"] != other.as_str())
    );
}

#[tokio::test]
async fn a_post_too_early_is_limited_and_not_posted() {
    let bot = Bot::new().await;
    bot.slack.enforce_rate(true);
    let args = json!({"channel": GENERAL, "text": "x"});
    assert_eq!(bot.call("chat.postMessage", args.clone()).await["ok"], true);
    let request = bot
        .post("chat.postMessage")
        .bearer_auth(bot.slack.bot_token())
        .body(args.to_string());
    let answer = request
        .header("content-type", "application/json; charset=utf-8")
        .send()
        .await
        .unwrap();
    assert_eq!(
        (
            answer.status().as_u16(),
            answer.headers()["retry-after"].to_str().unwrap()
        ),
        (429, "1")
    );
    // The method is blocked for the whole workspace.
    let other = json!({"channel": ANA, "text": "x"});
    assert_eq!(
        bot.call("chat.postMessage", other).await["error"],
        "ratelimited"
    );
    assert_eq!(bot.slack.bot_messages(GENERAL).len(), 1);
}

/// A call that is answered by a fault changes only the journal, which wakes the waiting tests.
#[tokio::test]
async fn a_call_that_is_answered_in_our_place_wakes_those_who_wait_for_it() {
    let bot = Bot::new().await;
    let dm = bot.slack.dm(ANA);
    bot.slack.errors("chat.update", "cant_update_message", 1);
    let asked = |slack: &SandboxSlack| {
        let journal = slack.front().journal();
        journal.iter().any(|seen| seen.is("POST", "chat.update"))
    };
    let mut waits = Box::pin(bot.slack.until(asked));
    assert!(futures_util::poll!(waits.as_mut()).is_pending());
    let update = json!({"channel": dm, "ts": "1.2", "text": "…"});
    let refused = bot.call("chat.update", update).await;
    assert_eq!(refused["error"], "cant_update_message");
    within(waits).await;
}

#[tokio::test]
async fn a_call_can_fail_before_and_after_it_is_applied() {
    let bot = Bot::new().await;
    let args = json!({"channel": GENERAL, "text": "x"});
    bot.slack.errors("chat.postMessage", "internal_error", 1);
    assert_eq!(
        bot.call("chat.postMessage", args.clone()).await["error"],
        "internal_error"
    );
    bot.slack.limits("chat.postMessage", 7, 1);
    assert_eq!(
        bot.call("chat.postMessage", args.clone()).await["error"],
        "ratelimited"
    );
    assert!(bot.slack.bot_messages(GENERAL).is_empty());
    bot.slack
        .front()
        .fault(Fault::new(FaultKind::ApplyThenDrop).on("POST", "/api/chat.postMessage"));
    let request = bot
        .post("chat.postMessage")
        .bearer_auth(bot.slack.bot_token())
        .body(args.to_string());
    assert!(
        request
            .header("content-type", "application/json; charset=utf-8")
            .send()
            .await
            .is_err()
    );
    assert_eq!(bot.slack.bot_messages(GENERAL).len(), 1);
}

#[tokio::test]
async fn a_seed_that_lacks_something_says_what() {
    let mut seed = seed();
    seed["bot"]["user_id"] = Value::Null;
    let Err(error) = SandboxSlack::start(&seed).await else {
        panic!("refused")
    };
    assert_eq!(
        error.to_string(),
        "Slack's seed has no text at /bot/user_id"
    );
}

#[test]
fn every_fixture_is_json() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/slack");
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(
            serde_json::from_str::<Value>(&text).is_ok(),
            "{}",
            path.display()
        );
    }
}

#[tokio::test]
async fn what_is_said_is_heard_as_the_scopes_allow() {
    let bot = Bot::new().await;
    let kinds = |events: Vec<Value>| -> Vec<String> {
        events
            .iter()
            .filter_map(|event| event["type"].as_str().map(str::to_owned))
            .collect()
    };
    let said = bot.slack.says(ANA, GENERAL, "@ivan create Fix login");
    let announced = || kinds(bot.slack.events_of(GENERAL, &said));
    assert_eq!(announced(), ["message", "app_mention"]);
    bot.slack.revoke_scope("channels:history");
    assert_eq!(announced(), ["app_mention"]);
    bot.slack.revoke_scope("app_mentions:read");
    assert!(announced().is_empty());
    let dm = bot.slack.dm(ANA);
    let said = bot.slack.says(ANA, &dm, "done");
    assert_eq!(kinds(bot.slack.events_of(&dm, &said)), ["message"]);
    bot.slack.revoke_scope("im:history");
    assert!(bot.slack.events_of(&dm, &said).is_empty());
}

#[tokio::test]
async fn everybody_who_is_visible_is_listed() {
    let bot = Bot::new().await;
    let list = async |args: &[(&str, &str)]| bot.get("users.list", args).await;
    let ids = |page: &Value| -> Vec<String> {
        let members = page["members"].as_array().unwrap().iter();
        members
            .map(|user| user["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let whole = list(&[]).await;
    let all = ids(&whole);
    assert!(all.contains(&ANA.to_owned()) && all.contains(&"U0OLD01".to_owned()));
    assert!(!all.contains(&"U0HID01".to_owned()), "{all:?}");
    assert_eq!(whole["response_metadata"]["next_cursor"], "");
    let first = list(&[("limit", "2")]).await;
    let cursor = first["response_metadata"]["next_cursor"].as_str().unwrap();
    let second = list(&[("limit", "200"), ("cursor", cursor)]).await;
    assert_eq!([ids(&first), ids(&second)].concat(), all);
    assert_eq!(
        list(&[("cursor", "next_channel:C1")]).await["error"],
        "invalid_cursor"
    );
    bot.slack.revoke_scope("users:read");
    assert_eq!(list(&[]).await["error"], "missing_scope");
}
