//! Checks of the Slack app for `ivan doctor` and `ivan init`: who each token is, its scopes, and Slack's clock.
//!
//! Only reads: `apps.connections.open` asks for an address and opens no connection, so a running daemon keeps all events.

use std::time::Duration;

use super::SlackToken;
use super::web::{Web, WebError};
use super::wire::{AuthTested, BotAsked};
use crate::clock::Clock;
use crate::domain::checkup::{TokenFacts, TokenTrouble, TokenWorkspace};
use crate::domain::task::Account;

/// How long each call may take.
const LIMIT: Duration = Duration::from_secs(15);

/// Asks Slack about a bot token (`xoxb-…`): its bot, workspace, app and scopes.
///
/// `api_url` has no slash at its end: `https://slack.com/api`.
pub async fn bot_token(
    api_url: &str,
    token: &SlackToken,
    clock: &Clock,
) -> Result<TokenFacts, TokenTrouble> {
    let web = client(api_url, &SlackToken::new(""), token)?;
    let tested: AuthTested = web.get("auth.test", &[]).await.map_err(trouble)?;
    let sent = clock.now();
    let heads = web.auth_heads().await.map_err(trouble)?;
    let received = clock.now();
    let mut facts = TokenFacts {
        scopes: heads.scopes,
        // Halfway between request and answer. The date has whole seconds, so half a second is added to it.
        ahead: heads.date.map(|date| {
            let middle = sent + (received - sent) / 2;
            middle - date - chrono::TimeDelta::milliseconds(500)
        }),
        ..TokenFacts::default()
    };
    if let (Some(id), Some(name)) = (tested.user_id, tested.user) {
        facts.account = Some(Account { id, name });
    }
    if let Some(id) = tested.team_id {
        let name = tested.team.unwrap_or_else(|| id.clone());
        facts.workspaces.push(TokenWorkspace { id, name });
    }
    if let Some(bot) = tested.bot_id {
        // It needs users:read. Without it the app stays unknown.
        let asked = web.get::<BotAsked>("bots.info", &[("bot", &bot)]).await;
        facts.app = asked.ok().and_then(|asked| asked.bot.app_id);
    }
    Ok(facts)
}

/// Asks Slack about an app-level token (`xapp-…`): whether it may open Socket Mode connections. None is opened.
pub async fn app_token(api_url: &str, token: &SlackToken) -> Result<TokenFacts, TokenTrouble> {
    let web = client(api_url, token, &SlackToken::new(""))?;
    web.open(LIMIT).await.map_err(trouble)?;
    Ok(TokenFacts {
        app: app_of(token),
        ..TokenFacts::default()
    })
}

/// The id of the app in an app-level token: `xapp-1-A0APP1-…` (docs/contracts/slack.md#scopes-and-manifest).
fn app_of(token: &SlackToken) -> Option<String> {
    let mut parts = token.0.split('-').skip(2);
    let app = parts.next().filter(|part| part.starts_with('A'))?;
    Some(app.to_owned())
}

fn client(api_url: &str, app: &SlackToken, bot: &SlackToken) -> Result<Web, TokenTrouble> {
    let web = Web::new(api_url, app, bot, LIMIT);
    web.map_err(|error| TokenTrouble::NoAnswer(error.to_string()))
}

fn trouble(error: WebError) -> TokenTrouble {
    let why = error.to_string();
    match error {
        WebError::Credentials { .. } | WebError::Refused { .. } => TokenTrouble::Rejected(why),
        WebError::Limited { .. } | WebError::NotTaken { .. } | WebError::Unknown { .. } => {
            TokenTrouble::NoAnswer(why)
        }
    }
}

#[cfg(test)]
#[cfg(feature = "demo")]
mod tests {
    use super::*;
    use crate::sandbox::{Sandbox, Seed};

    async fn sandbox() -> Sandbox {
        crate::http_client::fake::provider();
        Sandbox::start(Seed::empty()).await.unwrap()
    }

    #[tokio::test]
    async fn a_bot_token_tells_its_workspace_app_and_scopes() {
        let sandbox = sandbox().await;
        let slack = &sandbox.slack;
        slack.clock_is_ahead(-120_000);
        let token = SlackToken::new(slack.bot_token());
        let facts = bot_token(&slack.api_url(), &token, &Clock::system()).await;
        let facts = facts.unwrap();
        let account = facts.account.unwrap();
        assert_eq!(
            (account.id.as_str(), account.name.as_str()),
            ("U0BOT01", "ivan")
        );
        assert_eq!(facts.workspaces[0].id, "T0TEAM1");
        assert_eq!(facts.app.as_deref(), Some("A0APP1"));
        assert!(facts.scopes.unwrap().contains("chat:write"));
        let ahead = facts.ahead.unwrap().num_seconds();
        assert!((118..=122).contains(&ahead), "{ahead}");
        sandbox.close().await;
    }

    #[tokio::test]
    async fn an_app_token_is_tried_without_a_connection() {
        let sandbox = sandbox().await;
        let slack = &sandbox.slack;
        let token = SlackToken::new(slack.app_token());
        let facts = app_token(&slack.api_url(), &token).await.unwrap();
        assert_eq!(facts.app.as_deref(), Some("A0APP1"));
        assert_eq!(slack.links(), 0);
        let other = SlackToken::new(slack.bot_token());
        let refused = app_token(&slack.api_url(), &other).await.unwrap_err();
        assert!(refused.why().contains("not_allowed_token_type"));
        assert!(matches!(refused, TokenTrouble::Rejected(_)));
        sandbox.close().await;
        let gone = app_token(&slack.api_url(), &token).await.unwrap_err();
        assert!(matches!(gone, TokenTrouble::NoAnswer(_)), "{gone}");
    }
}
