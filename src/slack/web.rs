//! Slack's Web API (docs/contracts/slack.md#web-api): one function per call, with a time limit and typed errors. `exchange` sends
//! it and reads the answer.
//!
//! Requests are slack-morphism's types if it has them. Responses are our own lenient structs (`wire`): its typed models
//! fail on Slack's additions and silently lose text beside metadata that they do not know (docs/contracts/slack.md#why-ivan-holds-its-own-connection).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::rt::TokioExecutor;
use rustls::ClientConfig;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use slack_morphism::api::{
    SlackApiChatPostMessageRequest, SlackApiChatUpdateRequest, SlackApiViewsOpenRequest,
};
use slack_morphism::blocks::{SlackBlock, SlackView};
use slack_morphism::errors::SlackClientError;
use slack_morphism::{SlackMessageContent, SlackMessageMetadata};
use tokio::time::Instant;

use super::exchange::{self, AnswerTooLong, WebClient};
use super::filter::BotIdentity;
use super::proxy::ProxyConnector;
use super::text::instant;
use super::wire::{
    AuthTested, Conversations, DmOpened, File, FileInfo, History, Message, Opened, Permalink,
    PlacedReaction, Posted, RawHistory, UserInfo, VALUES_MAX, ViewOpened,
};
use super::{SlackError, SlackToken};
use crate::domain::controls;
use crate::domain::reaction::{DONE, REFUSED};
use crate::lenient;
use crate::limits::Limit;
use crate::mailbox::{Post, Traces};
use crate::runtime::RateLimiter;
use crate::telemetry;
use crate::tls;

/// The methods that `post` limits the rate of.
pub const POST: &str = "chat.postMessage";
pub const UPDATE: &str = "chat.update";

/// The `event_type` of our posts; its payload holds the `uid` (docs/contracts/slack.md#no-idempotency-key).
const METADATA: &str = "ivan_message";
/// The content type of requests.
pub(super) const JSON: &str = "application/json; charset=utf-8";
/// Longer than Slack ever asks to wait; a longer value is an error.
const PAUSE_MAX: Duration = Duration::from_secs(3_600);
/// Messages on one page of a history.
const PAGE: &str = "200";
/// How many pages are searched for a message that may have been posted.
const PAGES_MAX: usize = 5;
/// The most JSON values in the messages of all pages that are read for one thread or DM.
const PAGES_VALUES_MAX: usize = 500_000;
const HISTORY: &str = "conversations.history";
const REPLIES: &str = "conversations.replies";
/// Between two pages of DMs' histories, once a burst is used up: Slack allows 50 a minute (Tier 3), and some are left
/// to the search for a lost post.
const HISTORY_EVERY: Duration = Duration::from_millis(1_500);
/// How many pages are read at once.
const HISTORY_BURST: u32 = 8;
/// The age of the oldest root whose thread is read.
const ROOTS_FOR: chrono::Duration = chrono::Duration::days(14);
/// How many threads of a DM are read at once.
const THREADS_MAX: usize = 20;
const DMS: &str = "users.conversations";
/// How many pages of the app's DMs are read.
const DM_PAGES_MAX: usize = 25;
/// Between two of them, once a burst is used up: Slack allows 20 a minute (Tier 2).
const DMS_EVERY: Duration = Duration::from_secs(3);
const DMS_BURST: u32 = 4;

/// The failure of a call. The variants differ in the allowed next step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebError {
    /// Certainly not done: repeat it, not before `after`.
    #[error("Slack rate limit for {method}")]
    Limited {
        method: &'static str,
        after: Option<Duration>,
    },
    /// Certainly not done, and may work later.
    #[error("{method} failed: {why}")]
    NotTaken { method: &'static str, why: String },
    /// Perhaps done: no response, or an ambiguous one (docs/contracts/slack.md#web-api).
    #[error("no clear answer to {method}: {why}")]
    Unknown { method: &'static str, why: String },
    /// The token is invalid, or lacks a scope: nothing will work until a person repairs it.
    #[error("Slack rejected {method}: {code}; {}", remedy(.code))]
    Credentials { method: &'static str, code: String },
    /// Refused, and would be again.
    #[error("Slack rejected {method}: {code}")]
    Refused { method: &'static str, code: String },
}

impl WebError {
    /// Whether the app lacks the scope of the method.
    pub fn lacks_scope(&self) -> bool {
        matches!(self, WebError::Credentials { code, .. } if code == "missing_scope")
    }

    /// Slack's error code of a refusal; empty if there is none.
    pub fn code(&self) -> &str {
        match self {
            WebError::Refused { code, .. } | WebError::Credentials { code, .. } => code,
            WebError::Limited { .. } | WebError::NotTaken { .. } | WebError::Unknown { .. } => "",
        }
    }
}

/// Counts a refusal of Slack and its result.
pub fn count_refusal(code: &str, result: &'static str) {
    metrics::counter!("ivan_slack_refusals_total", "code" => code.to_owned(), "result" => result)
        .increment(1);
}

/// Whether an error code is about the blocks and not about the destination. For a `response_url` Slack returns only a
/// status.
pub fn is_about_blocks(code: &str) -> bool {
    code.contains("block")
        || code.contains("attachment")
        || matches!(
            code,
            "view_too_large"
                | "invalid_arguments"
                | "invalid_arg_name"
                | "invalid_form_data"
                | "invalid_array_arg"
                | "invalid_json"
                | "HTTP 400"
        )
}

/// The operator's remedy for a refused token.
fn remedy(code: &str) -> &'static str {
    match code {
        "missing_scope" | "no_permission" => {
            "give the app the scopes of deploy/slack-manifest.yaml (the app token: connections:write) and reinstall it"
        }
        "not_allowed_token_type" => {
            "slack.app_token must be the xapp-… token and slack.bot_token the xoxb-… one"
        }
        "account_inactive" | "token_revoked" | "token_expired" => {
            "create a new token at api.slack.com/apps and set slack.app_token or slack.bot_token"
        }
        "team_disabled" | "user_removed_from_team" | "forbidden_team" => {
            "ask the workspace's administrators whether the app is still allowed"
        }
        _ => "check slack.app_token (xapp-…) and slack.bot_token (xoxb-…)",
    }
}

/// A message that was found or posted, as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenMessage {
    pub ts: String,
    /// The time of the last edit, if it was edited.
    pub edited_ts: Option<String>,
    /// The text that Slack has.
    pub text: Option<String>,
    /// Slack's id of the conversation that it was posted to.
    pub channel: Option<String>,
}

/// The Web API with the two tokens of one app. Clones share their connections.
#[derive(Clone)]
pub struct Web {
    pub(super) client: WebClient,
    app_token: SlackToken,
    bot_token: SlackToken,
    pub(super) limit: Duration,
    /// One key for each method.
    histories: Arc<RateLimiter>,
    listings: Arc<RateLimiter>,
    /// Without a trailing slash.
    pub(super) api_url: String,
    /// For the only call whose headers are read.
    pub(super) heads: legacy::Client<HttpsConnector<ProxyConnector>, String>,
    pub(super) way: ProxyConnector,
}

impl Web {
    /// `api_url` has no trailing slash, as in `https://slack.com/api`; `limit` is for each call.
    pub fn new(
        api_url: &str,
        app_token: &SlackToken,
        bot_token: &SlackToken,
        limit: Duration,
    ) -> Result<Web, SlackError> {
        let setup = |why: String| SlackError::Setup { why };
        let url = url::Url::parse(api_url)
            .map_err(|error| setup(format!("slack.api_url `{api_url}`: {error}")))?;
        let way = ProxyConnector::from_env();
        let tls = match url.scheme() {
            "http" => tls::without_certificates().map_err(setup)?,
            "https" => ClientConfig::clone(&*tls::with_system_certificates().map_err(setup)?),
            _ => {
                return Err(setup(format!(
                    "slack.api_url `{api_url}` must begin with https:// (http:// for a sandbox)"
                )));
            }
        };
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls);
        // HTTP/1, and plain http for a sandbox.
        let connector = connector
            .https_or_http()
            .enable_http1()
            .wrap_connector(way.clone());
        let heads = legacy::Client::builder(TokioExecutor::new()).build(connector.clone());
        let client = legacy::Client::builder(TokioExecutor::new()).build(connector);
        Ok(Web {
            client,
            app_token: app_token.clone(),
            bot_token: bot_token.clone(),
            limit,
            histories: Arc::new(RateLimiter::new(HISTORY_EVERY, HISTORY_BURST)),
            listings: Arc::new(RateLimiter::new(DMS_EVERY, DMS_BURST)),
            api_url: api_url.trim_end_matches('/').to_owned(),
            heads,
            way,
        })
    }

    /// The bot's authorization header.
    pub(super) fn bearer(&self) -> String {
        bearer(&self.bot_token)
    }

    /// `apps.connections.open`: a fresh URL for one Socket Mode link. It is a secret.
    pub async fn open(&self, limit: Duration) -> Result<String, WebError> {
        let method = "apps.connections.open";
        let opened: Opened = self
            .post_with(&self.app_token, method, &json!({}), limit)
            .await?;
        let url = opened.url.ok_or_else(|| unclear(method))?;
        match is_fit_socket(&self.api_url, &url) {
            true => Ok(url),
            false => Err(unclear(method)),
        }
    }

    /// `auth.test`: our identity.
    pub async fn who_am_i(&self) -> Result<BotIdentity, WebError> {
        let method = "auth.test";
        let answer: AuthTested = self.get(method, &[]).await?;
        if answer.is_enterprise_install {
            tracing::warn!(
                team = answer.team_id,
                "the Slack app is installed for a whole organisation, but Ivan serves one workspace: only people in \
                 slack.allowed_users may give commands; install the app in that workspace"
            );
        }
        match (answer.team_id, answer.user_id) {
            (Some(team), Some(user)) => Ok(BotIdentity {
                team,
                user,
                name: answer.user,
            }),
            _ => Err(unclear(method)),
        }
    }

    /// `users.info`: the raw `user` of a response with `"ok": true`; `Null` if there is none.
    pub async fn user(&self, id: &str) -> Result<Value, WebError> {
        let answer: UserInfo = self.get("users.info", &[("user", id)]).await?;
        Ok(match answer.ok {
            true => answer.user,
            false => Value::Null,
        })
    }

    /// `conversations.open`: Slack's id of the DM with a person. It can be repeated, and the person does not notice.
    pub async fn open_dm(&self, user: &str) -> Result<String, WebError> {
        let method = "conversations.open";
        let opened: DmOpened = self.send(method, &json!({"users": user})).await?;
        let id = opened.channel.id.filter(|id| id.starts_with('D'));
        id.ok_or_else(|| unclear(method))
    }

    /// `chat.postMessage`, with `uid` in its metadata and nothing unfurled.
    pub async fn post(
        &self,
        channel: &str,
        thread: Option<&str>,
        text: &str,
        blocks: Vec<SlackBlock>,
        uid: &str,
    ) -> Result<SeenMessage, WebError> {
        let method = POST;
        let metadata = SlackMessageMetadata::new(METADATA.to_owned())
            .with_event_payload(HashMap::from([("uid".to_owned(), uid.to_owned())]));
        let content = SlackMessageContent::new()
            .with_text(text.to_owned())
            .opt_blocks(some(blocks))
            .with_metadata(metadata);
        let request = SlackApiChatPostMessageRequest::new(channel.into(), content)
            .opt_thread_ts(thread.map(Into::into))
            .with_unfurl_links(false)
            .with_unfurl_media(false);
        let posted: Posted = self.send(method, &request).await?;
        seen(method, posted)
    }

    /// `chat.update`: can be repeated.
    pub async fn update(
        &self,
        channel: &str,
        ts: &str,
        text: &str,
        blocks: Vec<SlackBlock>,
    ) -> Result<SeenMessage, WebError> {
        let method = UPDATE;
        // Without blocks, the earlier ones are removed (docs/contracts/slack.md#limits).
        let content = SlackMessageContent::new()
            .with_text(text.to_owned())
            .opt_blocks(some(blocks));
        let request = SlackApiChatUpdateRequest::new(channel.into(), content, ts.into());
        let posted: Posted = self.send(method, &request).await?;
        seen(method, posted)
    }

    /// Searches for our message with `uid` in its metadata. `None` if the search was complete and found nothing.
    ///
    /// Channels are read newest first, threads from their root, without a time bound: Slack's clock differs from ours.
    pub async fn find(
        &self,
        channel: &str,
        thread: Option<&str>,
        uid: &str,
    ) -> Result<Option<SeenMessage>, WebError> {
        let method = match thread {
            Some(_) => "conversations.replies",
            None => "conversations.history",
        };
        let mut cursor: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let mut query = vec![
                ("channel", channel),
                ("include_all_metadata", "true"),
                ("limit", PAGE),
            ];
            query.extend(thread.map(|root| ("ts", root)));
            query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
            let page: History = self.get(method, &query).await?;
            if !page.ok {
                return Err(unclear(method));
            }
            if let Some(found) = page.messages.into_iter().find(|message| is(message, uid))
                && let Some(ts) = found.ts
            {
                return Ok(Some(SeenMessage {
                    ts,
                    edited_ts: found.edited.ts,
                    text: found.text,
                    channel: None,
                }));
            }
            cursor = page
                .response_metadata
                .next_cursor
                .filter(|cursor| !cursor.is_empty());
            if cursor.is_none() {
                return Ok(None);
            }
        }
        Limit::Pages.reached(
            "a message that may have been posted is not among the newest of its conversation; it is posted, \
                 perhaps again",
        );
        Ok(None)
    }

    /// Our posts among the newest of a conversation; in a thread, among its first.
    pub async fn own_posts(
        &self,
        channel: &str,
        thread: Option<&str>,
    ) -> Result<Vec<Post>, WebError> {
        Ok(self.traces(channel, thread).await?.posts)
    }

    /// The same, with people's messages that have a reaction of ours for their outcome.
    pub async fn traces(&self, channel: &str, thread: Option<&str>) -> Result<Traces, WebError> {
        let method = match thread {
            Some(_) => "conversations.replies",
            None => "conversations.history",
        };
        let mut query = vec![
            ("channel", channel),
            ("include_all_metadata", "true"),
            ("limit", PAGE),
        ];
        query.extend(thread.map(|root| ("ts", root)));
        let page: History = self.get(method, &query).await?;
        if !page.ok {
            return Err(unclear(method));
        }
        let mut traces = Traces::default();
        for message in page.messages {
            let Some(ts) = message.ts else {
                continue;
            };
            let by_another = |one: &PlacedReaction| {
                one.users
                    .iter()
                    .any(|who| Some(who) != message.user.as_ref())
            };
            let shows_outcome = |one: &PlacedReaction| [DONE, REFUSED].contains(&one.name.as_str());
            if message
                .reactions
                .iter()
                .any(|one| shows_outcome(one) && by_another(one))
            {
                traces.marked.insert(ts.clone());
            }
            let ours = message.metadata.event_type.as_deref() == Some(METADATA);
            // Posts that bypassed the store have no such uid.
            if let (Some(uid), Some(at)) = (message.metadata.event_payload.uid, instant(&ts))
                && ours
                && uid.parse::<ulid::Ulid>().is_ok()
            {
                let text = message.text.as_deref().unwrap_or_default();
                traces.posts.push(Post {
                    uid,
                    ts,
                    at,
                    edited: message.edited.ts.is_some(),
                    is_final: is_final(text),
                    is_done: text.starts_with('✓'),
                });
            }
        }
        Ok(traces)
    }

    /// The messages in a DM since then, oldest first, in threads too; at most as many pages as a search reads. It waits
    /// for its turn, within Slack's rate limit for histories.
    ///
    /// A history lists roots only (docs/contracts/slack.md#methods): a reply shows in the `latest_reply` of its root. Roots
    /// of the last two weeks are read: all of them if `far_back`, else those on the pages that are read anyway.
    pub async fn said_since(
        &self,
        channel: &str,
        since: DateTime<Utc>,
        far_back: bool,
    ) -> Result<Vec<Value>, WebError> {
        let is_since = |ts: Option<&str>| ts.and_then(instant).is_some_and(|ts| ts > since);
        let mut said = Vec::new();
        let mut threads = Vec::new();
        let oldest = ts_of(since - ROOTS_FOR);
        let query = [("channel", channel), ("oldest", &oldest)];
        // Pages come newest first: after a page without wanted messages no further one is needed.
        let left_out = "a DM has more new messages; the newest is read";
        let mut values = PAGES_VALUES_MAX;
        self.pages(HISTORY, &query, left_out, &mut values, |message| {
            let is_wanted = is_since(text_in(&message, "ts"));
            let latest = text_in(&message, "latest_reply");
            if is_since(latest) || latest.is_none() && has_replies(&message) {
                let root = text_in(&message, "ts").map(str::to_owned);
                threads.extend(root.map(|root| (latest.and_then(instant), root)));
            }
            if is_wanted {
                said.push(message);
            }
            far_back || is_wanted
        })
        .await?;
        threads.sort_by(|(one, _), (other, _)| other.cmp(one));
        if threads.len() > THREADS_MAX {
            Limit::Pages.reached(format_args!("more than {THREADS_MAX} threads of a DM have new messages; those with the newest replies are read"));
            threads.truncate(THREADS_MAX);
        }
        let oldest = ts_of(since);
        for (_, root) in &threads {
            let query = [("channel", channel), ("ts", root), ("oldest", &oldest)];
            let left_out = "a DM has more new messages; the oldest is read";
            self.pages(REPLIES, &query, left_out, &mut values, |message| {
                if is_since(text_in(&message, "ts")) {
                    said.push(message);
                }
                true
            })
            .await?;
        }
        // A root is in its thread as well, and so is a reply that was sent to the DM too.
        let key = |message: &Value| text_in(message, "ts").and_then(instant);
        said.sort_by_key(key);
        said.dedup_by_key(|message| key(message));
        Ok(said)
    }

    /// `users.conversations`: the app's DMs with active people.
    pub async fn dms(&self) -> Result<Vec<String>, WebError> {
        let mut dms = Vec::new();
        let mut cursor: Option<String> = None;
        for _ in 0..DM_PAGES_MAX {
            let mut query = vec![("types", "im"), ("limit", PAGE)];
            query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
            self.listings.turn(DMS).await;
            let page: Result<Conversations, WebError> = self.get(DMS, &query).await;
            if let Err(WebError::Limited { after, .. }) = &page {
                self.listings
                    .pause(DMS, Instant::now() + after.unwrap_or(DMS_EVERY));
            }
            let page = page?;
            if !page.ok {
                return Err(unclear(DMS));
            }
            let people = page
                .channels
                .into_iter()
                .filter(|dm| !dm.is_user_deleted && dm.user.as_deref() != Some("USLACKBOT"));
            let ids = people.filter_map(|dm| dm.id);
            dms.extend(ids.filter(|id| id.starts_with('D')));
            cursor = page
                .response_metadata
                .next_cursor
                .filter(|cursor| !cursor.is_empty());
            if cursor.is_none() {
                return Ok(dms);
            }
        }
        Limit::Pages.reached(format_args!("the app has more DMs than {DM_PAGES_MAX} pages of {DMS}; first messages in the others are not found"));
        Ok(dms)
    }

    /// The messages of a thread before `before`, oldest first, and whether these are all of them: as many pages are read
    /// as a search reads.
    pub async fn thread(
        &self,
        channel: &str,
        root: &str,
        before: &str,
    ) -> Result<(Vec<Value>, bool), WebError> {
        let mut messages = Vec::new();
        let query = [("channel", channel), ("ts", root), ("latest", before)];
        let left_out = "a thread has more messages than go into a task; its oldest are read";
        let mut values = PAGES_VALUES_MAX;
        let whole = self
            .pages(REPLIES, &query, left_out, &mut values, |message| {
                messages.push(message);
                true
            })
            .await?;
        let key = |message: &Value| text_in(message, "ts").and_then(instant);
        let end = instant(before);
        messages.retain(|message| key(message).is_some_and(|ts| end.is_none_or(|end| ts < end)));
        messages.sort_by_key(key);
        // Every page begins with the root.
        messages.dedup_by_key(|message| key(message));
        Ok((messages, whole))
    }

    /// Passes each message of a listing to `take`, page by page, until a page has none for which it returns `true`.
    /// `values` is the number of JSON values that may still be read. Returns whether there were no further messages to read.
    async fn pages(
        &self,
        method: &'static str,
        query: &[(&str, &str)],
        left_out: &str,
        values: &mut usize,
        mut take: impl FnMut(Value) -> bool + Send,
    ) -> Result<bool, WebError> {
        let mut cursor: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let mut query = query.to_vec();
            query.push(("limit", PAGE));
            query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
            self.histories.turn(method).await;
            let page: Result<RawHistory, WebError> = self.get(method, &query).await;
            if let Err(WebError::Limited { after, .. }) = &page {
                self.histories
                    .pause(method, Instant::now() + after.unwrap_or(HISTORY_EVERY));
            }
            let page = page?;
            if !page.ok {
                return Err(unclear(method));
            }
            let mut goes_on = page.messages.is_empty();
            for message in &page.messages {
                let most = VALUES_MAX.min(*values);
                let mut left = most;
                let message = lenient::tree(message.get(), &mut left);
                *values -= most - left;
                goes_on |= message.is_some_and(&mut take);
                if *values == 0 {
                    Limit::FrameValues.reached(format_args!(
                        "{PAGES_VALUES_MAX} values of {method} were read: {left_out}"
                    ));
                    return Ok(false);
                }
            }
            cursor = page
                .response_metadata
                .next_cursor
                .filter(|cursor| goes_on && !cursor.is_empty());
            if cursor.is_none() {
                return Ok(true);
            }
        }
        Limit::Pages.reached(format_args!(
            "{PAGES_MAX} pages of {method} were read: {left_out}"
        ));
        Ok(false)
    }

    /// `chat.getPermalink`: the URL of a message.
    pub async fn permalink(&self, channel: &str, ts: &str) -> Result<String, WebError> {
        let method = "chat.getPermalink";
        let query = [("channel", channel), ("message_ts", ts)];
        let answer: Permalink = self.get(method, &query).await?;
        let link = answer
            .permalink
            .filter(|link| link.starts_with("https://") || link.starts_with("http://"));
        link.ok_or_else(|| unclear(method))
    }

    /// `files.info`: a file that the app can see.
    pub async fn file(&self, id: &str) -> Result<File, WebError> {
        let method = "files.info";
        let answer: FileInfo = self.get(method, &[("file", id)]).await?;
        let is_it = answer.file.id.as_deref() == Some(id);
        is_it.then_some(answer.file).ok_or_else(|| unclear(method))
    }

    /// `views.open`: a trigger works for 3 s and once.
    pub async fn open_view(&self, trigger: &str, view: SlackView) -> Result<(), WebError> {
        let method = "views.open";
        let request = SlackApiViewsOpenRequest::new(trigger.into(), view);
        let opened: ViewOpened = self.send(method, &request).await?;
        opened.ok.then_some(()).ok_or_else(|| unclear(method))
    }

    pub(super) async fn get<A>(
        &self,
        method: &'static str,
        query: &[(&str, &str)],
    ) -> Result<A, WebError>
    where
        A: DeserializeOwned + Send,
    {
        let mut url = self.url_of(method)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let token = self.bearer();
        let call = exchange::get(&self.client, url.as_str(), &token);
        answered(method, self.limit, call).await
    }

    pub(super) async fn send<R, A>(&self, method: &'static str, request: &R) -> Result<A, WebError>
    where
        R: Serialize + Send + Sync,
        A: DeserializeOwned + Send,
    {
        self.post_with(&self.bot_token, method, request, self.limit)
            .await
    }

    async fn post_with<R, A>(
        &self,
        token: &SlackToken,
        method: &'static str,
        request: &R,
        limit: Duration,
    ) -> Result<A, WebError>
    where
        R: Serialize + Send + Sync,
        A: DeserializeOwned + Send,
    {
        let url = self.url_of(method)?;
        let body = serde_json::to_vec(request).map_err(|_| WebError::NotTaken {
            method,
            why: "the request is not JSON".to_owned(),
        })?;
        let token = bearer(token);
        let call = exchange::post(&self.client, url.as_str(), Some(&token), JSON, body);
        answered(method, limit, call).await
    }

    fn url_of(&self, method: &'static str) -> Result<url::Url, WebError> {
        let url = url::Url::parse(&format!("{}/{method}", self.api_url));
        url.map_err(|_| WebError::NotTaken {
            method,
            why: "slack.api_url is not a URL".to_owned(),
        })
    }
}

fn bearer(token: &SlackToken) -> String {
    format!("Bearer {}", token.0)
}

/// The `ts` of a time.
fn ts_of(at: DateTime<Utc>) -> String {
    format!("{}.{:06}", at.timestamp(), at.timestamp_subsec_micros())
}

/// Whether a message of a history is the root of a thread.
fn has_replies(message: &Value) -> bool {
    let count = message.get("reply_count").and_then(Value::as_u64);
    count.is_some_and(|count| count > 0)
}

fn text_in<'a>(message: &'a Value, name: &str) -> Option<&'a str> {
    message.get(name).and_then(Value::as_str)
}

fn some(blocks: Vec<SlackBlock>) -> Option<Vec<SlackBlock>> {
    (!blocks.is_empty()).then_some(blocks)
}

/// The provider that the whole binary uses.
/// Whether a text of ours waits for nothing more: neither for an outcome nor for `ivan retry`.
fn is_final(text: &str) -> bool {
    !text.starts_with('…') && !text.contains("ivan retry")
}

fn is(message: &Message, uid: &str) -> bool {
    message.metadata.event_payload.uid.as_deref() == Some(uid)
        && message.metadata.event_type.as_deref() == Some(METADATA)
}

fn seen(method: &'static str, posted: Posted) -> Result<SeenMessage, WebError> {
    let ts = posted.ts.or(posted.message.ts);
    match ts {
        Some(ts) if posted.ok => Ok(SeenMessage {
            ts,
            edited_ts: posted.message.edited.ts,
            text: posted.message.text,
            channel: posted.channel,
        }),
        _ => Err(unclear(method)),
    }
}

pub(super) fn unclear(method: &'static str) -> WebError {
    WebError::Unknown {
        method,
        why: "an incomplete answer".to_owned(),
    }
}

/// Awaits a call no longer than `limit`, and converts its failure.
async fn answered<A>(
    method: &'static str,
    limit: Duration,
    call: impl Future<Output = Result<A, SlackClientError>>,
) -> Result<A, WebError> {
    let traced = telemetry::request_begins();
    let answer = match tokio::time::timeout(limit, call).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(meaning(method, error)),
        Err(_) => Err(WebError::Unknown {
            method,
            why: format!("no answer for {} s", limit.as_secs_f32()),
        }),
    };
    if let Some(traced) = traced {
        traced.ends(method, None, answer.is_ok());
    }
    answer
}

/// Converts slack-morphism's error (docs/contracts/slack.md#web-api). Its own `Display` prints bodies, which hold people's text.
pub(super) fn meaning(method: &'static str, error: SlackClientError) -> WebError {
    let unknown = |why: &str| WebError::Unknown {
        method,
        why: why.to_owned(),
    };
    match error {
        SlackClientError::ApiError(error) => code_meaning(method, error.code),
        SlackClientError::RateLimitError(error) => WebError::Limited {
            method,
            after: error.retry_after.map(|after| after.min(PAUSE_MAX)),
        },
        SlackClientError::HttpError(error) if error.status_code.is_server_error() => {
            unknown(&format!("HTTP {}", error.status_code.as_u16()))
        }
        // These codes never come from Slack but from a proxy, so the request may have been done.
        SlackClientError::HttpError(error)
            if matches!(error.status_code.as_u16(), 401 | 403 | 407 | 451) =>
        {
            unknown(&format!(
                "HTTP {} from a firewall or a proxy; let Ivan's host reach Slack",
                error.status_code.as_u16()
            ))
        }
        SlackClientError::HttpError(error) => WebError::NotTaken {
            method,
            why: format!("HTTP {}; check slack.api_url", error.status_code.as_u16()),
        },
        SlackClientError::HttpProtocolError(error) => {
            let never_sent = error
                .cause
                .as_ref()
                .and_then(|cause| cause.downcast_ref::<legacy::Error>())
                .filter(|cause| cause.is_connect());
            match never_sent {
                Some(cause) => WebError::NotTaken {
                    method,
                    why: format!("no connection ({})", innermost(cause)),
                },
                None => unknown("the connection broke"),
            }
        }
        SlackClientError::ProtocolError(_) => unknown("an answer that is not the API's JSON"),
        SlackClientError::SystemError(error)
            if error
                .cause
                .as_ref()
                .is_some_and(|cause| cause.is::<AnswerTooLong>()) =>
        {
            unknown(&AnswerTooLong.to_string())
        }
        SlackClientError::EndOfStream(_)
        | SlackClientError::SystemError(_)
        | SlackClientError::SocketModeProtocolError(_) => unknown("the answer broke off"),
    }
}

/// The root cause of an error: a refused connection, an unresolved name, an invalid certificate.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .last()
        .map(ToString::to_string)
        .unwrap_or_default()
}

/// Whether a socket is as safe as the API: without TLS only beside an API without TLS, as in a sandbox.
fn is_fit_socket(api_url: &str, url: &str) -> bool {
    url.starts_with("wss://") || (api_url.starts_with("http://") && url.starts_with("ws://"))
}

/// Converts an `error` code in a 200 (docs/contracts/slack.md#opening-a-connection, docs/contracts/slack.md#web-api).
fn code_meaning(method: &'static str, code: String) -> WebError {
    match code.as_str() {
        "ratelimited" | "rate_limited" => WebError::Limited {
            method,
            after: None,
        },
        "service_unavailable" | "team_added_to_org" | "request_timeout" => {
            WebError::NotTaken { method, why: code }
        }
        "internal_error" | "fatal_error" => WebError::Unknown { method, why: code },
        "invalid_auth"
        | "not_authed"
        | "account_inactive"
        | "token_revoked"
        | "token_expired"
        | "missing_scope"
        | "no_permission"
        | "not_allowed_token_type"
        | "access_denied"
        | "accesslimited"
        | "ekm_access_denied"
        | "org_login_required"
        | "team_access_not_granted"
        | "two_factor_setup_required"
        | "team_disabled"
        | "user_removed_from_team"
        | "forbidden_team" => WebError::Credentials { method, code },
        _ => WebError::Refused {
            method,
            code: controls::code(&code).to_owned(),
        },
    }
}

#[cfg(test)]
mod tests;
