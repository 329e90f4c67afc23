//! Ephemeral replies. A `response_url` takes five posts within 30 minutes and cannot be looked up later (docs/contracts/slack.md#answers-through-response_url). A reply that cannot be sent so goes to the person's DM. `chat.update` does not work on it. Only the
//! `response_url` of a press on one of its buttons changes it. The ids of its blocks identify the message, because
//! Slack does not send it along.
//!
//! `post` sends every message that has such a URL through this module. The URL is a bearer secret: no error of this
//! file contains it.

use serde::Serialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use slack_morphism::blocks::SlackBlock;
use slack_morphism::errors::SlackClientError;

use super::exchange;
use super::web::{JSON, Web, WebError, meaning};
use super::wire::Action;
use crate::mailbox::{Ephemeral, URL_LIFE};
use crate::telemetry;
use chrono::{DateTime, Utc};

/// How many posts Slack accepts through one URL.
const USES_MAX: u32 = 5;

/// The name of such a call in logs.
pub const METHOD: &str = "response_url";
/// The server of Slack's own response URLs.
const HOOKS: &str = "https://hooks.slack.com";

/// The body of the request.
#[derive(Serialize)]
pub struct EphemeralBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    response_type: Option<&'static str>,
    text: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    blocks: Vec<Value>,
    /// Whether it replaces the message that the person pressed. Then it has the same readers as that.
    replace_original: bool,
}

impl<'a> EphemeralBody<'a> {
    pub fn new(
        text: &'a str,
        blocks: Vec<Value>,
        public: bool,
        replaces: bool,
    ) -> EphemeralBody<'a> {
        EphemeralBody {
            response_type: match (replaces, public) {
                (true, _) => None,
                (false, true) => Some("in_channel"),
                (false, false) => Some("ephemeral"),
            },
            text,
            blocks,
            replace_original: replaces,
        }
    }
}

impl Web {
    /// Posts through a `response_url`, which is a bearer secret. `Refused` is final for this URL.
    pub async fn respond(&self, url: &str, said: &EphemeralBody<'_>) -> Result<(), WebError> {
        let refused = |code: &str| WebError::Refused {
            method: METHOD,
            code: code.to_owned(),
        };
        let url = url::Url::parse(url).map_err(|_| refused("not_a_url"))?;
        // The text is for one person, so it goes to Slack alone, whatever an event says.
        if !self.is_of_slack(&url) {
            return Err(refused("not_a_url_of_slack"));
        }
        let body = serde_json::to_vec(said).map_err(|_| refused("invalid_json"))?;
        let call = exchange::post::<IgnoredAny>(&self.client, url.as_str(), None, JSON, body);
        let traced = telemetry::request_begins();
        let answer = match tokio::time::timeout(self.limit, call).await {
            // A 200 whose body is no JSON is a 200: `ok`.
            Ok(Ok(_) | Err(SlackClientError::ProtocolError(_))) => Ok(()),
            Ok(Err(SlackClientError::HttpError(error))) if error.status_code.is_client_error() => {
                Err(refused(&format!("HTTP {}", error.status_code.as_u16())))
            }
            Ok(Err(error)) => Err(meaning(METHOD, error)),
            Err(_) => Err(WebError::Unknown {
                method: METHOD,
                why: format!("no answer for {} s", self.limit.as_secs_f32()),
            }),
        };
        if let Some(traced) = traced {
            traced.ends(METHOD, None, answer.is_ok());
        }
        answer
    }
}

impl Web {
    /// Whether a `response_url` is at Slack, or at the server of `slack.api_url` with its scheme and port.
    pub(super) fn is_of_slack(&self, url: &url::Url) -> bool {
        let api = url::Url::parse(&self.api_url).map(|api| api.origin());
        let hooks = url::Url::parse(HOOKS).map(|hooks| hooks.origin());
        let origins = [api, hooks].into_iter().flatten();
        url.username().is_empty()
            && url.password().is_none()
            && origins.into_iter().any(|origin| origin == url.origin())
    }
}

/// The blocks with ids that name their message.
pub fn named(blocks: &[SlackBlock], uid: &str) -> Vec<Value> {
    let named = (1..).zip(blocks).map(|(number, block)| {
        let mut block = json!(block);
        if let Some(block) = block.as_object_mut() {
            block.insert("block_id".to_owned(), json!(format!("{uid}:{number}")));
        }
        block
    });
    named.collect()
}

/// The `uid` of the message that a button is in, if its block names it.
pub fn uid(action: &Action) -> Option<String> {
    let (uid, _) = action.block_id.as_deref()?.split_once(':')?;
    Some(uid.to_owned())
}

/// The URL to post to; `None` if it is used up or too old.
pub fn address(ephemeral: &Ephemeral, now: DateTime<Utc>) -> Option<&str> {
    let fresh = now - ephemeral.since < URL_LIFE && ephemeral.uses < USES_MAX;
    ephemeral
        .url
        .as_ref()
        .filter(|_| fresh)
        .map(crate::mailbox::ReplyUrl::as_str)
}

/// Whether this URL will never work again: Slack refuses it, or it has expired.
pub fn is_over(error: &WebError) -> bool {
    matches!(error, WebError::Refused { .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mailbox::ReplyUrl;
    use rstest::rstest;

    #[rstest]
    #[case::fresh(0, 0, true)]
    #[case::last_use(4, 28, true)]
    #[case::used_up(5, 0, false)]
    #[case::too_old(0, 29, false)]
    fn an_address_is_good_a_few_times_for_a_while(
        #[case] uses: u32,
        #[case] minutes: i64,
        #[case] good: bool,
    ) {
        let since = DateTime::UNIX_EPOCH;
        let ephemeral = Ephemeral {
            url: Some(ReplyUrl::new("https://hooks.slack.test/x")),
            uses,
            public: false,
            replaces: false,
            since,
        };
        let now = since + chrono::Duration::minutes(minutes);
        assert_eq!(address(&ephemeral, now).is_some(), good);
        let forgotten = Ephemeral {
            url: None,
            ..ephemeral
        };
        assert_eq!(address(&forgotten, now), None);
    }
}
