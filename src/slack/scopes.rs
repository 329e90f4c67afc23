//! Reads the app's scopes from Slack now and then, so that `status` can show the features that lack one.
//!
//! Slack sends them with every answer, in a header (docs/contracts/slack.md#methods) that slack-morphism does not expose. This is
//! the only call of ours that reads it.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use hyper::Request;

use super::web::{Web, WebError};
use super::{ChannelCommands, SlackChoices, SlackError, Timings, millis, wait_after};
use crate::domain::scope::UnmetScope;
use crate::domain::when::plausible;
use crate::mailbox::{ListenedChannels, Mailbox};
use crate::runtime::{Backoff, CancellationToken, Reloadable, slept};

const METHOD: &str = "auth.test";
const HEADER: &str = "x-oauth-scopes";

/// The headers of an answer to `auth.test`.
pub(super) struct AuthHeads {
    /// The scopes of the bot's token; `None` if Slack does not return them.
    pub(super) scopes: Option<BTreeSet<String>>,
    /// Slack's clock, in whole seconds.
    pub(super) date: Option<DateTime<Utc>>,
}

impl Web {
    /// The scopes of the bot's token; `None` if Slack does not return them.
    pub async fn scopes(&self) -> Result<Option<BTreeSet<String>>, WebError> {
        Ok(self.auth_heads().await?.scopes)
    }

    /// The headers that Slack sends with every answer.
    pub(super) async fn auth_heads(&self) -> Result<AuthHeads, WebError> {
        let not_taken = |why: String| WebError::NotTaken {
            method: METHOD,
            why,
        };
        let request = Request::post(format!("{}/{METHOD}", self.api_url))
            .header("authorization", self.bearer())
            .header("content-type", "application/x-www-form-urlencoded")
            .body(String::new())
            .map_err(|_| not_taken("slack.api_url is not a URL".to_owned()))?;
        let answer = match tokio::time::timeout(self.limit, self.heads.request(request)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(not_taken(error.to_string())),
            Err(_) => {
                return Err(not_taken(format!(
                    "no answer for {} s",
                    self.limit.as_secs_f32()
                )));
            }
        };
        let status = answer.status();
        if !status.is_success() {
            return Err(not_taken(format!("HTTP {}", status.as_u16())));
        }
        let header = |name| {
            let text = answer.headers().get(name)?;
            text.to_str().ok().filter(|text| !text.is_empty())
        };
        let date = header("date").and_then(|date| DateTime::parse_from_rfc2822(date).ok());
        Ok(AuthHeads {
            scopes: header(HEADER).map(|names| {
                let names = names.split(',').map(str::trim);
                names.map(str::to_owned).collect()
            }),
            date: date.and_then(|date| plausible(date.to_utc())),
        })
    }
}

/// Updates the mailbox until told to stop. While a scope is missing it checks more often, for a quick repair.
///
/// # Errors
/// None: failures are retried.
pub async fn run(
    mailbox: Mailbox,
    web: Web,
    choices: Reloadable<SlackChoices>,
    timings: Arc<Timings>,
    shutdown: CancellationToken,
) -> Result<(), SlackError> {
    let mut backoff = Backoff::new(timings.retry_first, timings.retry_max);
    let mut missed: Option<Vec<UnmetScope>> = None;
    loop {
        let wait = match web.scopes().await {
            Ok(None) => timings.scopes_every,
            Ok(Some(granted)) => {
                backoff.reset();
                let channels = choices.get().channel_commands;
                let listens = ListenedChannels {
                    mentions: channels != ChannelCommands::Off,
                    bare: channels == ChannelCommands::Bare,
                };
                let missing = mailbox.scopes_are(|scope| granted.contains(scope), listens);
                let missing = match missing.await {
                    Ok(missing) => missing,
                    Err(trouble) => {
                        let wait = backoff.next();
                        tracing::warn!(wait_ms = millis(wait), error = %trouble, "cannot read which scopes are needed");
                        if !slept(wait, &shutdown).await {
                            return Ok(());
                        }
                        continue;
                    }
                };
                if missed.as_ref() != Some(&missing) {
                    log_missing(&missing);
                }
                let wait = match missing.is_empty() {
                    true => timings.scopes_every,
                    false => timings.alarm_retry,
                };
                missed = Some(missing);
                wait
            }
            Err(error) => {
                let wait = wait_after(&error, &mut backoff, &timings);
                tracing::info!(wait_ms = millis(wait), %error, "cannot read the app's scopes yet");
                wait
            }
        };
        if !slept(wait, &shutdown).await {
            return Ok(());
        }
    }
}

/// Logs missing scopes: a warning about required ones. Without an optional one its feature is off.
fn log_missing(missing: &[UnmetScope]) {
    let names = |optional: bool| {
        let kind = missing.iter().filter(|one| one.optional == optional);
        kind.map(|one| one.scope).collect::<Vec<_>>().join(", ")
    };
    let (required, optional) = (names(false), names(true));
    if !required.is_empty() {
        tracing::warn!(
            scopes = required,
            "the Slack app lacks scopes; see `ivan status` and docs/slack.md"
        );
    }
    if !optional.is_empty() {
        tracing::info!(
            scopes = optional,
            "features are off without optional scopes; see `ivan status` and docs/slack.md"
        );
    }
}
