//! The Web API (docs/contracts/slack.md#web-api): `/api/<method>` by GET query, form or JSON, and `/resp/<id>` for a `response_url`.
//! Requests pass Slack's checks in order (token, content type, scope, arguments), each with Slack's own error code.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::interact::home_id;
use super::pages::HistoryPage;
use super::world::{EphemeralPost, ErrorCode, PostDraft, SlackWorld, history_scope};
use super::{Inner, SandboxEvent, blocks, files, ids, merge, text};
use crate::sandbox::http_date;

/// The longest text of `chat.update` in characters; longer text is refused (docs/contracts/slack.md#limits).
const LONGEST_UPDATE: usize = 4_000;
/// The longest text of `chat.postEphemeral` in characters. Undocumented; assumed to be the limit of a post.
const LONGEST_EPHEMERAL: usize = 40_000;
/// The largest metadata of a message in bytes of JSON. Slack's own limit is not in the contract.
const LARGEST_METADATA: usize = 16_000;
/// The most messages on one page of history.
const LONGEST_PAGE: usize = 999;

/// Methods that read a query or form only (docs/contracts/slack.md#web-api); a JSON body is ignored.
const READS: [&str; 8] = [
    "bots.info",
    "files.info",
    "users.conversations",
    "users.info",
    "users.lookupByEmail",
    "conversations.history",
    "conversations.replies",
    "chat.getPermalink",
];

/// The reason for refusing a call.
#[derive(Debug)]
struct Refusal {
    error: String,
    messages: Vec<String>,
    needed: Option<&'static str>,
    /// `Retry-After` in seconds; makes the response a 429.
    retry_after: Option<i64>,
}

impl Refusal {
    fn wrong(message: String) -> Refusal {
        Refusal {
            messages: vec![message],
            ..Refusal::from("invalid_arguments")
        }
    }
}

impl From<ErrorCode> for Refusal {
    fn from(error: ErrorCode) -> Refusal {
        Refusal {
            error: error.to_owned(),
            messages: Vec::new(),
            needed: None,
            retry_after: None,
        }
    }
}

impl From<blocks::BlockRefusal> for Refusal {
    fn from(bad: blocks::BlockRefusal) -> Refusal {
        Refusal {
            messages: vec![bad.message],
            ..Refusal::from(bad.code)
        }
    }
}

type Reply = Result<Value, Refusal>;

/// `/api/<method>`.
pub(super) async fn call(
    State(inner): State<Arc<Inner>>,
    Path(name): Path<String>,
    method: Method,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let query = query.unwrap_or_default();
    let mut warnings = Vec::new();
    let reply = gate(
        &inner,
        &name,
        &method,
        &query,
        &headers,
        &body,
        &mut warnings,
    )
    .and_then(|args| dispatch(&inner, &name, &args));
    answer(&inner, &name, reply, warnings)
}

/// Checks token, method, content type and scope, then reads the arguments.
fn gate(
    inner: &Inner,
    name: &str,
    method: &Method,
    query: &str,
    headers: &HeaderMap,
    body: &[u8],
    warnings: &mut Vec<&'static str>,
) -> Result<Args, Refusal> {
    let opens = name == "apps.connections.open";
    if scope(name).is_none() {
        return Err("unknown_method".into());
    }
    let by_get = *method == Method::GET && !opens;
    if !by_get && *method != Method::POST {
        return Err("insecure_request".into());
    }
    let args = Args::read(name, method, query, headers, body, warnings)?;
    if opens && args.fields.contains_key("token") {
        return Err(Refusal::wrong(
            "[ERROR] the token goes into the header".to_owned(),
        ));
    }
    let world = inner.world();
    let token = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let Some(token) = token else {
        return Err(if opens { "missing_args" } else { "not_authed" }.into());
    };
    let (right, other) = match opens {
        true => (&world.app.app_token, &world.app.bot_token),
        false => (&world.app.bot_token, &world.app.app_token),
    };
    match token.strip_prefix("Bearer ") {
        Some(token) if token == right => {}
        Some(token) if token == other => return Err("not_allowed_token_type".into()),
        _ => return Err("invalid_auth".into()),
    }
    if let Some(error) = &world.app.refusing {
        return Err(Refusal {
            error: error.clone(),
            ..Refusal::from("")
        });
    }
    let needed = match scope(name) {
        // Each kind of channel has its own history scope.
        Some("*:history") => {
            let kind = world.channel_kind(args.given("channel").unwrap_or_default());
            history_scope(kind.unwrap_or_default())
        }
        // The list of channels has scopes by kind too.
        Some("*:read") => {
            let kinds = kinds(&args)?;
            let scopes = || kinds.iter().map(|(_, scope)| *scope);
            let missing = scopes().find(|scope| !world.app.scopes.contains(*scope));
            missing.or_else(|| scopes().next()).unwrap_or_default()
        }
        scope => scope.unwrap_or_default(),
    };
    if !needed.is_empty() && !world.app.scopes.contains(needed) {
        return Err(Refusal {
            needed: Some(needed),
            ..Refusal::from("missing_scope")
        });
    }
    Ok(args)
}

/// The scope that a method needs, empty for none; `None` if docs/contracts/slack.md#methods has no such method.
fn scope(name: &str) -> Option<&'static str> {
    Some(match name {
        "apps.connections.open"
        | "auth.test"
        | "chat.getPermalink"
        | "views.open"
        | "views.publish" => "",
        "chat.postMessage" | "chat.update" | "chat.postEphemeral" => "chat:write",
        "reactions.add" | "reactions.remove" => "reactions:write",
        "users.conversations" => "*:read",
        "bots.info" | "users.info" | "users.list" => "users:read",
        "users.lookupByEmail" => "users:read.email",
        "conversations.open" => "im:write",
        "files.info" => files::SCOPE,
        "files.getUploadURLExternal" | "files.completeUploadExternal" => files::UPLOAD_SCOPE,
        "conversations.history" | "conversations.replies" => "*:history",
        _ => return None,
    })
}

fn dispatch(inner: &Arc<Inner>, name: &str, args: &Args) -> Reply {
    match name {
        "apps.connections.open" => connections_open(inner),
        "auth.test" => Ok(auth_test(&inner.world())),
        "bots.info" => bots_info(inner, args),
        "chat.postMessage" => chat_post_message(inner, args),
        "chat.update" => chat_update(inner, args),
        "chat.postEphemeral" => chat_post_ephemeral(inner, args),
        "chat.getPermalink" => chat_get_permalink(inner, args),
        "reactions.add" => react(inner, args, true),
        "reactions.remove" => react(inner, args, false),
        "users.conversations" => users_conversations(inner, args),
        "users.info" => Ok(inner.world().user_info(&args.need("user")?)?),
        "users.list" => users_list(inner, args),
        "users.lookupByEmail" => users_lookup_by_email(inner, args),
        "conversations.open" => conversations_open(inner, args),
        "files.info" => Ok(inner.world().file_info(&args.need("file")?)?),
        "files.getUploadURLExternal" => files_get_upload_url(inner, args),
        "files.completeUploadExternal" => files_complete_upload(inner, args),
        "conversations.history" => conversations_history(inner, args),
        "conversations.replies" => conversations_replies(inner, args),
        "views.open" => views_open(inner, args),
        "views.publish" => views_publish(inner, args),
        _ => Err("unknown_method".into()),
    }
}

fn connections_open(inner: &Inner) -> Reply {
    let app = hex::encode(inner.world().app.id.as_bytes());
    let mut wire = inner.wire();
    let ticket = wire.ticket();
    let base = match &wire.knobs.links_at {
        Some(base) => base.clone(),
        None => format!("ws://{}", inner.authority()),
    };
    Ok(json!({"url": format!("{base}/link/?ticket={ticket}&app_id={app}")}))
}

fn auth_test(world: &SlackWorld) -> Value {
    json!({
        "url": format!("https://{}.slack.com/", world.team.domain), "team": world.team.name, "team_id": world.team.id,
        "user": world.bot.name, "user_id": world.bot.user, "bot_id": world.bot.id, "is_enterprise_install": false,
    })
}

fn bots_info(inner: &Inner, args: &Args) -> Reply {
    let id = args.need("bot")?;
    let world = inner.world();
    if id != world.bot.id {
        return Err("bot_not_found".into());
    }
    Ok(json!({"bot": {
        "id": world.bot.id, "deleted": false, "name": world.bot.name, "app_id": world.app.id, "user_id": world.bot.user,
    }}))
}

fn chat_post_message(inner: &Arc<Inner>, args: &Args) -> Reply {
    let channel = args.need("channel")?;
    let content = content(inner, args)?;
    let metadata = metadata(args)?;
    let thread_ts = args.ts("thread_ts")?;
    let broadcast = args.flag("reply_broadcast")?;
    for flag in ["unfurl_links", "unfurl_media", "link_names", "mrkdwn"] {
        args.flag(flag)?;
    }
    let mut world = inner.world();
    let channel = if world.knows(&channel) {
        world.open_dm(&channel)?.0
    } else {
        channel
    };
    world.may_post(&channel)?;
    let (text, list) = content.ok_or("no_text")?;
    if let Some(seconds) = world.limited("chat.postMessage", &channel) {
        return Err(Refusal {
            retry_after: Some(seconds),
            ..Refusal::from("ratelimited")
        });
    }
    let mut draft = PostDraft {
        author: world.bot.user.clone(),
        text,
        thread_ts,
        broadcast,
        ..PostDraft::default()
    };
    draft
        .extra
        .extend(list.map(|list| ("blocks".to_owned(), list)));
    draft
        .extra
        .extend(metadata.map(|metadata| ("metadata".to_owned(), metadata)));
    let changed = world.post(&channel, draft)?;
    drop(world);
    let reply = json!({"channel": channel, "ts": changed.ts, "message": changed.message});
    inner.announce(&channel, changed);
    Ok(reply)
}

fn chat_update(inner: &Arc<Inner>, args: &Args) -> Reply {
    let channel = args.need("channel")?;
    let ts = args.ts("ts")?.ok_or_else(|| missing("ts"))?;
    let content = content(inner, args)?;
    let metadata = metadata(args)?;
    let mut world = inner.world();
    world.bot_in(&channel)?;
    let (text, list) = content.ok_or("no_text")?;
    if text.chars().count() > LONGEST_UPDATE {
        return Err("msg_too_long".into());
    }
    let bot = world.bot.user.clone();
    // An update with text only removes the old blocks (docs/contracts/slack.md#limits).
    let mut fields = Map::from_iter([
        ("text".to_owned(), json!(text)),
        ("blocks".to_owned(), list.unwrap_or_default()),
    ]);
    fields.extend(metadata.map(|metadata| ("metadata".to_owned(), metadata)));
    let changed = world.edit(&channel, &ts, &bot, fields)?;
    drop(world);
    let reply =
        json!({"channel": channel, "ts": changed.ts, "text": text, "message": changed.message});
    inner.announce(&channel, changed);
    Ok(reply)
}

fn chat_post_ephemeral(inner: &Inner, args: &Args) -> Reply {
    let (channel, user) = (args.need("channel")?, args.need("user")?);
    let content = content(inner, args)?;
    let thread_ts = args.ts("thread_ts")?;
    let mut world = inner.world();
    world.bot_in(&channel)?;
    if world.channel_kind(&channel) == Some("im") && !world.app.messages_tab {
        return Err("messages_tab_disabled".into());
    }
    if !world.is_member(&channel, &user) {
        return Err("user_not_in_channel".into());
    }
    let (text, list) = content.ok_or("no_text")?;
    if text.chars().count() > LONGEST_EPHEMERAL {
        return Err("msg_too_long".into());
    }
    let ts = world.next_ts();
    drop(world);
    inner.whispered(EphemeralPost {
        ts: ts.clone(),
        channel,
        user,
        text,
        blocks: list.unwrap_or_default(),
        thread_ts,
        from: "post",
    });
    Ok(json!({"message_ts": ts}))
}

fn chat_get_permalink(inner: &Inner, args: &Args) -> Reply {
    let channel = args.need("channel")?;
    let ts = args
        .ts("message_ts")?
        .ok_or_else(|| missing("message_ts"))?;
    let world = inner.world();
    match world.bot_in(&channel) {
        Err("not_in_channel") | Ok(()) => {}
        Err(other) => return Err(other.into()),
    }
    Ok(json!({"channel": channel, "permalink": world.permalink(&channel, &ts)?}))
}

/// `reactions.add` and `reactions.remove`. The latter is not in the contract's table: it has the same arguments, scope
/// and errors, with `no_reaction` instead of `already_reacted`.
fn react(inner: &Arc<Inner>, args: &Args, adds: bool) -> Reply {
    let (channel, name) = (args.need("channel")?, args.need("name")?);
    let ts = args.ts("timestamp")?.ok_or_else(|| missing("timestamp"))?;
    let (emoji, tone) = name.split_once("::").unwrap_or((&name, "skin-tone-2"));
    let known = emoji
        .chars()
        .all(|next| next.is_ascii_lowercase() || next.is_ascii_digit() || "_+'-".contains(next));
    if emoji.is_empty() || !known || !tone.starts_with("skin-tone-") {
        return Err("invalid_name".into());
    }
    let mut world = inner.world();
    world.bot_in(&channel)?;
    let bot = world.bot.user.clone();
    let events = match adds {
        true => world.react(&channel, &ts, &bot, &name)?,
        false => world.unreact(&channel, &ts, &bot, &name)?,
    };
    drop(world);
    inner.reacted(&channel, &ts, &bot, &name, adds);
    inner.deliver_events(events);
    Ok(json!({}))
}

fn users_lookup_by_email(inner: &Inner, args: &Args) -> Reply {
    let email = args.need("email")?;
    let world = inner.world();
    let id = world.user_by_email(&email).ok_or("users_not_found")?;
    Ok(json!({"user": world.user(&id)?}))
}

fn conversations_open(inner: &Inner, args: &Args) -> Reply {
    args.flag("return_im")?;
    let users = args.list("users")?;
    if users.contains(',') {
        return Err(Refusal {
            needed: Some("mpim:write"),
            ..Refusal::from("missing_scope")
        });
    }
    let (id, there) = inner.world().open_dm(&users)?;
    Ok(match there {
        true => json!({"channel": {"id": id}, "no_op": true, "already_open": true}),
        false => json!({"channel": {"id": id}}),
    })
}

/// The requested kinds of channels, as the seed names them, with the scope of each.
fn kinds(args: &Args) -> Result<Vec<(&'static str, &'static str)>, Refusal> {
    let types = args.text("types")?.filter(|types| !types.is_empty());
    let types = types.unwrap_or_else(|| "public_channel".to_owned());
    let kind = |name: &str| match name.trim() {
        "public_channel" => Ok(("channel", "channels:read")),
        "private_channel" => Ok(("group", "groups:read")),
        "mpim" => Ok(("mpim", "mpim:read")),
        "im" => Ok(("im", "im:read")),
        _ => Err(Refusal::from("invalid_types")),
    };
    types.split(',').map(kind).collect()
}

/// The bot's own channels, by id. Other users' channels are not supported, because Ivan does not request them.
/// `users.list`: everybody who is visible, with bots and deactivated accounts (docs/contracts/slack.md#methods).
fn users_list(inner: &Inner, args: &Args) -> Reply {
    args.flag("include_locale")?;
    let (limit, after) = listing(args, "next_user:")?;
    let world = inner.world();
    let mut users = world.users_after(&after).into_iter();
    let members: Vec<Value> = users.by_ref().take(limit).collect();
    let last = members.last().and_then(|user| user["id"].as_str());
    let next = match (users.next(), last) {
        (Some(_), Some(last)) => format!("next_user:{last}"),
        _ => String::new(),
    };
    Ok(json!({
        "members": members, "cache_ts": 1_763_800_000, "response_metadata": {"next_cursor": next},
    }))
}

/// The length of a listing's page, and the id behind which it begins.
fn listing(args: &Args, prefix: &str) -> Result<(usize, String), Refusal> {
    let limit = match args.number_or_text("limit")? {
        None => 100,
        Some(text) => {
            let limit = text.parse::<usize>().ok();
            let limit = limit.filter(|limit| (1..=LONGEST_PAGE).contains(limit));
            limit.ok_or("invalid_limit")?
        }
    };
    let after = match args.text("cursor")?.filter(|cursor| !cursor.is_empty()) {
        None => String::new(),
        Some(cursor) => {
            let after = cursor.strip_prefix(prefix).map(str::to_owned);
            after.ok_or("invalid_cursor")?
        }
    };
    Ok((limit, after))
}

fn users_conversations(inner: &Inner, args: &Args) -> Reply {
    if args.get("user").is_some() || args.get("team_id").is_some() {
        return Err(Refusal::wrong(
            "[ERROR] the sandbox lists the bot's own [json-pointer:/user]".to_owned(),
        ));
    }
    let kinds = kinds(args)?;
    args.flag("exclude_archived")?;
    let (limit, after) = listing(args, "next_channel:")?;
    let world = inner.world();
    let mut own = world.own_channels().into_iter().filter(|(id, channel)| {
        let kind = channel.get("kind").and_then(Value::as_str);
        *id > after && kinds.iter().any(|(wanted, _)| kind == Some(*wanted))
    });
    let page: Vec<(String, Value)> = own.by_ref().take(limit).collect();
    let next = match (own.next(), page.last()) {
        (Some(_), Some((last, _))) => format!("next_channel:{last}"),
        _ => String::new(),
    };
    let channels = page.into_iter().map(|(_, mut channel)| {
        if let Some(fields) = channel.as_object_mut() {
            fields.remove("kind");
        }
        channel
    });
    Ok(json!({
        "channels": channels.collect::<Vec<Value>>(), "response_metadata": {"next_cursor": next},
    }))
}

fn conversations_history(inner: &Inner, args: &Args) -> Reply {
    let channel = args.need("channel")?;
    let page = page(args)?;
    let world = inner.world();
    world.bot_in(&channel)?;
    let (messages, next) = world.history(&channel, &page);
    let mut reply = paged(messages, next);
    merge(&mut reply, json!({"pin_count": 0}));
    Ok(reply)
}

fn conversations_replies(inner: &Inner, args: &Args) -> Reply {
    let channel = args.need("channel")?;
    let ts = args.ts("ts")?.ok_or_else(|| missing("ts"))?;
    let page = page(args)?;
    let world = inner.world();
    world.bot_in(&channel)?;
    let (messages, next) = world.replies(&channel, &ts, &page)?;
    Ok(paged(messages, next))
}

fn files_get_upload_url(inner: &Inner, args: &Args) -> Reply {
    let name = args.need("filename")?;
    let length = match args.get("length") {
        Some(Value::String(length)) => length.parse().ok(),
        Some(length) => length.as_u64(),
        None => return Err(missing("length")),
    };
    let length = length.and_then(|length| usize::try_from(length).ok());
    let alt = args.text("alt_txt")?;
    let base = format!("http://{}", inner.authority());
    let mut world = inner.world();
    Ok(world.begin_upload(name, length.unwrap_or_default(), alt, &base)?)
}

/// Sharing a file with it is not in the contract.
fn files_complete_upload(inner: &Inner, args: &Args) -> Reply {
    for name in [
        "channel_id",
        "channels",
        "thread_ts",
        "initial_comment",
        "blocks",
    ] {
        if args.get(name).is_some() {
            let message = format!("[ERROR] not in the contract [json-pointer:/{name}]");
            return Err(Refusal::wrong(message));
        }
    }
    let files = args.json("files")?.ok_or_else(|| missing("files"))?;
    let files = files.as_array().filter(|files| !files.is_empty());
    let files = files.ok_or_else(|| missing("files"))?;
    let base = format!("http://{}", inner.authority());
    let mut world = inner.world();
    let mut completed = Vec::new();
    for file in files {
        let id = file.get("id").and_then(Value::as_str);
        let id = id.ok_or_else(|| missing("files/id"))?;
        let title = file.get("title").and_then(Value::as_str);
        completed.push(world.complete_upload(id, title, &base)?);
    }
    Ok(json!({"files": completed}))
}

fn views_open(inner: &Inner, args: &Args) -> Reply {
    let trigger = args.need("trigger_id")?;
    let view = args.json("view")?.ok_or_else(|| missing("view"))?;
    let view = blocks::check_view(&view, "modal")?;
    let mut world = inner.world();
    let external_id = view
        .get("external_id")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if world.has_external_id(external_id) {
        return Err("duplicate_external_id".into());
    }
    let viewer = world.exchange(&trigger)?;
    let view = world.keep_view(view, None);
    if let Some(id) = view.get("id").and_then(Value::as_str) {
        world.viewers.insert(id.to_owned(), viewer);
    }
    drop(world);
    inner.tell(SandboxEvent::Viewed {
        view: Value::Object(view.clone()),
    });
    Ok(json!({ "view": view }))
}

fn views_publish(inner: &Inner, args: &Args) -> Reply {
    let user = args.need("user_id")?;
    let view = args.json("view")?.ok_or_else(|| missing("view"))?;
    let hash = args.text("hash")?;
    let view = blocks::check_view(&view, "home")?;
    let mut world = inner.world();
    if !world.app.home_tab {
        return Err("not_enabled".into());
    }
    if !world.knows(&user) {
        return Err(Refusal::wrong(
            "[ERROR] no such user [json-pointer:/user_id]".to_owned(),
        ));
    }
    let before = world
        .view(&home_id(&user))
        .and_then(|view| view.get("hash"))
        .and_then(Value::as_str);
    if hash.is_some() && hash.as_deref() != before {
        return Err("hash_conflict".into());
    }
    let view = world.keep_view(view, Some(home_id(&user)));
    drop(world);
    inner.tell(SandboxEvent::Viewed {
        view: Value::Object(view.clone()),
    });
    Ok(json!({ "view": view }))
}

/// `/resp/<id>`: a `response_url` (docs/contracts/slack.md#buttons-shortcuts-and-forms). It takes JSON by POST; Slack's real answers are unknown (docs/contracts/slack.md#to-be-confirmed).
pub(super) async fn respond(
    State(inner): State<Arc<Inner>>,
    Path(id): Path<String>,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let refuse = |status: StatusCode, error: &str| -> Response {
        (
            status,
            [(header::CONTENT_TYPE, JSON)],
            json!({"ok": false, "error": error}).to_string(),
        )
            .into_response()
    };
    if method != Method::POST {
        return refuse(StatusCode::METHOD_NOT_ALLOWED, "insecure_request");
    }
    let said = serde_json::from_slice::<Map<String, Value>>(&body)
        .ok()
        .filter(|_| mime(&headers) == "application/json");
    let Some(said) = said else {
        return refuse(StatusCode::BAD_REQUEST, "invalid_payload");
    };
    let responded = inner.world().respond(&id, &said);
    match responded {
        Ok(said) => {
            inner.announce_said(said);
            "ok".into_response()
        }
        Err(error @ ("no_such_url" | "expired_url")) => refuse(StatusCode::NOT_FOUND, error),
        Err(error) => refuse(StatusCode::BAD_REQUEST, error),
    }
}

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// HTTP 200 with `ok`, or 429 with `Retry-After` (docs/contracts/slack.md#web-api).
fn answer(inner: &Inner, name: &str, reply: Reply, warnings: Vec<&'static str>) -> Response {
    let (scopes, date) = {
        let world = inner.world();
        let scopes: Vec<String> = world.app.scopes.iter().cloned().collect();
        (scopes.join(","), http_date(world.ahead_ms))
    };
    let mut headers = HeaderMap::from_iter([(header::CONTENT_TYPE, JSON)]);
    if let Ok(date) = HeaderValue::from_str(&date) {
        headers.insert(header::DATE, date);
    }
    if let Ok(scopes) = HeaderValue::from_str(&scopes) {
        headers.insert("x-oauth-scopes", scopes);
    }
    let mut status = StatusCode::OK;
    let mut metadata = Map::new();
    let mut body = match reply {
        Ok(mut body) => {
            merge(&mut body, json!({"ok": true}));
            body
        }
        Err(refusal) => {
            let mut body = json!({"ok": false, "error": refusal.error});
            if refusal.error == "unknown_method" {
                merge(&mut body, json!({ "req_method": name }));
            }
            if let Some(needed) = refusal.needed {
                merge(&mut body, json!({"needed": needed, "provided": scopes}));
            }
            if !refusal.messages.is_empty() {
                metadata.insert("messages".to_owned(), json!(refusal.messages));
            }
            if let Some(seconds) = refusal.retry_after {
                status = StatusCode::TOO_MANY_REQUESTS;
                headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            }
            body
        }
    };
    if !warnings.is_empty() {
        merge(&mut body, json!({"warning": warnings.join(",")}));
        metadata.insert("warnings".to_owned(), json!(warnings));
    }
    if !metadata.is_empty() {
        merge(&mut body, json!({ "response_metadata": metadata }));
    }
    (status, headers, body.to_string()).into_response()
}

fn missing(name: &str) -> Refusal {
    Refusal::wrong(format!("[ERROR] missing required field: {name}"))
}

/// The media type of a body in lower case, without parameters.
fn mime(headers: &HeaderMap) -> String {
    let value = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    value
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}

/// The text in wire form, and the blocks as Slack stores them; `None` if both are missing.
fn content(inner: &Inner, args: &Args) -> Result<Option<(String, Option<Value>)>, Refusal> {
    let text = text::posted(&args.text("text")?.unwrap_or_default());
    let list = match args
        .json("blocks")
        .map_err(|_| Refusal::from("invalid_blocks_format"))?
    {
        None => None,
        Some(list) => Some(blocks::check(&list, blocks::IN_MESSAGE)?),
    };
    if let Some(list) = &list {
        inner.world().may_show(list)?;
    }
    let list = list.filter(|list| !list.is_empty()).map(Value::Array);
    let refusing = inner.world().app.refusing_blocks;
    if let Some(error) = refusing.filter(|_| list.is_some()) {
        return Err(error.into());
    }
    Ok((!text.is_empty() || list.is_some()).then_some((text, list)))
}

/// `metadata`, with its two fields (docs/contracts/slack.md#no-idempotency-key).
fn metadata(args: &Args) -> Result<Option<Value>, Refusal> {
    let format = || Refusal::from("invalid_metadata_format");
    let Some(metadata) = args.json("metadata").map_err(|_| format())? else {
        return Ok(None);
    };
    let kind = metadata
        .get("event_type")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if kind.is_empty() || !metadata.get("event_payload").is_some_and(Value::is_object) {
        return Err(format());
    }
    if metadata.to_string().len() > LARGEST_METADATA {
        return Err("metadata_too_large".into());
    }
    Ok(Some(
        json!({"event_type": kind, "event_payload": metadata.get("event_payload")}),
    ))
}

fn page(args: &Args) -> Result<HistoryPage, Refusal> {
    let bound = |name: &str, code: ErrorCode| -> Result<Option<i64>, Refusal> {
        let Some(text) = args.number_or_text(name)? else {
            return Ok(None);
        };
        // Short forms such as `0` and `1763800000` are accepted too.
        let whole = text
            .parse::<i64>()
            .ok()
            .and_then(|seconds| seconds.checked_mul(1_000_000));
        whole
            .or_else(|| ids::micros(&text))
            .map(Some)
            .ok_or_else(|| code.into())
    };
    let limit = match args.number_or_text("limit")? {
        None => 100,
        Some(text) => {
            let limit = text
                .parse::<usize>()
                .ok()
                .filter(|limit| (1..=LONGEST_PAGE).contains(limit));
            limit.ok_or("invalid_limit")?
        }
    };
    let cursor = match args.text("cursor")?.filter(|cursor| !cursor.is_empty()) {
        None => None,
        Some(cursor) => {
            let ts = cursor
                .strip_prefix("next_ts:")
                .and_then(|micros| micros.parse().ok());
            Some(ts.ok_or("invalid_cursor")?)
        }
    };
    Ok(HistoryPage {
        oldest: bound("oldest", "invalid_ts_oldest")?,
        latest: bound("latest", "invalid_ts_latest")?,
        inclusive: args.flag("inclusive")?,
        limit,
        cursor,
        metadata: args.flag("include_all_metadata")?,
    })
}

fn paged(messages: Vec<Value>, next: Option<i64>) -> Value {
    let mut reply = json!({"messages": messages, "has_more": next.is_some()});
    if let Some(next) = next {
        let metadata = json!({"next_cursor": format!("next_ts:{next}")});
        merge(&mut reply, json!({ "response_metadata": metadata }));
    }
    reply
}

/// The arguments of a call.
#[derive(Debug)]
struct Args {
    fields: Map<String, Value>,
    /// From JSON, where a string that looks like a number stays a string.
    typed: bool,
}

impl Args {
    fn read(
        name: &str,
        method: &Method,
        query: &str,
        headers: &HeaderMap,
        body: &[u8],
        warnings: &mut Vec<&'static str>,
    ) -> Result<Args, Refusal> {
        let mut fields = form(query.as_bytes());
        if *method == Method::GET || body.is_empty() {
            return Ok(Args {
                fields,
                typed: false,
            });
        }
        let kind = headers
            .get(header::CONTENT_TYPE)
            .ok_or("missing_post_type")?;
        let parameters = kind.to_str().unwrap_or_default().to_ascii_lowercase();
        let charset = parameters
            .split_once("charset=")
            .map(|(_, charset)| charset.trim_matches(['"', ' ']));
        if charset.is_some_and(|charset| charset != "utf-8" && charset != "utf8") {
            return Err("invalid_charset".into());
        }
        match mime(headers).as_str() {
            "application/json" => {
                if charset.is_none() {
                    warnings.push("missing_charset");
                }
                if READS.contains(&name) {
                    return Ok(Args {
                        fields,
                        typed: false,
                    });
                }
                let body: Value = serde_json::from_slice(body).map_err(|_| "invalid_json")?;
                let Value::Object(fields) = body else {
                    return Err("json_not_object".into());
                };
                Ok(Args {
                    fields,
                    typed: true,
                })
            }
            "application/x-www-form-urlencoded" => {
                if std::str::from_utf8(body).is_err() {
                    return Err("invalid_form_data".into());
                }
                fields.extend(form(body));
                Ok(Args {
                    fields,
                    typed: false,
                })
            }
            _ => Err("invalid_post_type".into()),
        }
    }

    /// An argument as given; `null` counts as missing.
    fn get(&self, name: &str) -> Option<&Value> {
        self.fields.get(name).filter(|value| !value.is_null())
    }

    fn given(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_str)
    }

    fn text(&self, name: &str) -> Result<Option<String>, Refusal> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(Refusal::wrong(format!(
                "[ERROR] must be provided a string [json-pointer:/{name}]"
            ))),
        }
    }

    fn need(&self, name: &str) -> Result<String, Refusal> {
        self.text(name)?
            .filter(|text| !text.is_empty())
            .ok_or_else(|| missing(name))
    }

    /// A list with commas; in JSON also an array of strings, as slack-morphism sends it.
    fn list(&self, name: &str) -> Result<String, Refusal> {
        match self.get(name) {
            Some(Value::Array(texts)) if self.typed && texts.iter().all(Value::is_string) => {
                let texts: Vec<&str> = texts.iter().filter_map(Value::as_str).collect();
                Ok(texts.join(","))
            }
            _ => self.need(name),
        }
    }

    fn ts(&self, name: &str) -> Result<Option<String>, Refusal> {
        let Some(text) = self.text(name)?.filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        match ids::micros(&text) {
            Some(_) => Ok(Some(text)),
            None => Err(Refusal::wrong(format!(
                "[ERROR] must be a message's ts [json-pointer:/{name}]"
            ))),
        }
    }

    fn number_or_text(&self, name: &str) -> Result<Option<String>, Refusal> {
        match self.get(name) {
            Some(Value::Number(number)) if self.typed => Ok(Some(number.to_string())),
            _ => Ok(self.text(name)?.filter(|text| !text.is_empty())),
        }
    }

    fn flag(&self, name: &str) -> Result<bool, Refusal> {
        match self.get(name) {
            None => Ok(false),
            Some(Value::Bool(on)) => Ok(*on),
            Some(Value::String(text)) if !self.typed && ["1", "true"].contains(&text.as_str()) => {
                Ok(true)
            }
            Some(Value::String(text))
                if !self.typed && ["0", "false", ""].contains(&text.as_str()) =>
            {
                Ok(false)
            }
            Some(_) => Err(Refusal::wrong(format!(
                "[ERROR] must be a boolean [json-pointer:/{name}]"
            ))),
        }
    }

    /// A structured argument. A form carries it as JSON text, and JSON may do so too.
    fn json(&self, name: &str) -> Result<Option<Value>, Refusal> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(Value::String(text)) => match serde_json::from_str(text) {
                Ok(value) => Ok(Some(value)),
                Err(_) => Err(Refusal::wrong(format!(
                    "[ERROR] must be JSON [json-pointer:/{name}]"
                ))),
            },
            Some(value) => Ok(Some(value.clone())),
        }
    }
}

fn form(body: &[u8]) -> Map<String, Value> {
    url::form_urlencoded::parse(body)
        .map(|(name, value)| (name.into_owned(), json!(value)))
        .collect()
}
