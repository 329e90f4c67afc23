//! What one person alone sees, said through a `response_url` (contract slack 2.4): five times within half an hour, and
//! never found again. What cannot be said so is said in the person's DM. `chat.update` does not reach it: it is changed by
//! the address that a press on one of its buttons brings, and by the names of its blocks we know which message that is, for
//! Slack does not send it along.
//!
//! `post` comes here with every message that has such an address. The address is a bearer secret: no error of this file
//! holds it.

use serde::Serialize;
use serde_json::{Value, json};
use slack_morphism::blocks::SlackBlock;
use slack_morphism::errors::SlackClientError;
use slack_morphism::{SlackClientApiCallContext, SlackClientHttpConnector};

use super::web::{Web, WebError, meaning};
use super::wire::Action;
use crate::desk::{URL_LIFE, Whisper};
use chrono::{DateTime, Utc};

/// How often Slack takes anything through one address.
const USES_MAX: u32 = 5;

/// The name of such a call in logs.
pub const METHOD: &str = "response_url";

/// What goes to the address.
#[derive(Serialize)]
pub struct Said<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    response_type: Option<&'static str>,
    text: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    blocks: Vec<Value>,
    /// Whether it takes the place of what the person pressed. Then it is seen by whom that was seen by.
    replace_original: bool,
}

impl<'a> Said<'a> {
    pub fn new(text: &'a str, blocks: Vec<Value>, public: bool, replaces: bool) -> Said<'a> {
        Said {
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
    /// Says something through a `response_url`, which is a bearer secret. Refused: not by this address, and never.
    pub async fn respond(&self, url: &str, said: &Said<'_>) -> Result<(), WebError> {
        let refused = |code: &str| WebError::Refused {
            method: METHOD,
            code: code.to_owned(),
        };
        let url = url::Url::parse(url).map_err(|_| refused("no address"))?;
        // Slack's own addresses are as safe as the API's; anything less is not Slack's.
        if url.scheme() != self.scheme {
            return Err(refused("not an address of Slack's"));
        }
        let span = tracing::Span::none();
        let context = SlackClientApiCallContext {
            rate_control_params: None,
            token: None,
            tracing_span: &span,
            is_sensitive_url: true,
        };
        let connector = &self.client.http_api.connector;
        let call = connector.http_post_uri::<_, Value>(url, said, context);
        match tokio::time::timeout(self.limit, call).await {
            // A 200 whose body is no JSON is a 200: `ok`.
            Ok(Ok(_) | Err(SlackClientError::ProtocolError(_))) => Ok(()),
            Ok(Err(SlackClientError::HttpError(error))) if error.status_code.is_client_error() => {
                Err(refused(&format!("HTTP {}", error.status_code.as_u16())))
            }
            Ok(Err(error)) => Err(meaning(METHOD, error)),
            Err(_) => Err(WebError::Unknown {
                method: METHOD,
                why: format!("nothing for {} s", self.limit.as_secs_f32()),
            }),
        }
    }
}

/// Blocks that say of which message they are.
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

/// The `uid` of the message that a button stands in, if its block tells.
pub fn uid(action: &Action) -> Option<String> {
    let (uid, _) = action.block_id.as_deref()?.split_once(':')?;
    Some(uid.to_owned())
}

/// The address to say it by; `None` if it is used up or too old.
pub fn address(whisper: &Whisper, now: DateTime<Utc>) -> Option<&str> {
    let fresh = now - whisper.since < URL_LIFE && whisper.uses < USES_MAX;
    whisper
        .url
        .as_ref()
        .filter(|_| fresh)
        .map(crate::desk::ReplyUrl::as_str)
}

/// Whether it will never work by this address: Slack refuses it, or will not know it any more.
pub fn is_over(error: &WebError) -> bool {
    matches!(error, WebError::Refused { .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desk::ReplyUrl;
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
        let whisper = Whisper {
            url: Some(ReplyUrl::new("https://hooks.slack.test/x")),
            uses,
            public: false,
            replaces: false,
            since,
        };
        let now = since + chrono::Duration::minutes(minutes);
        assert_eq!(address(&whisper, now).is_some(), good);
        let forgotten = Whisper {
            url: None,
            ..whisper
        };
        assert_eq!(address(&forgotten, now), None);
    }
}
