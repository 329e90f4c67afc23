//! Checks of the Slack app for `ivan doctor` and `ivan init`: who each token is, its scopes, and Slack's clock.
//!
//! Only reads: `apps.connections.open` asks for an address and opens no connection, so a running daemon keeps all events.

use std::collections::BTreeMap;
use std::time::Duration;

use super::web::{Web, WebError};
use super::wire::{AuthTested, BotAsked, History};
use super::{SlackToken, membership};
use crate::clock::Clock;
use crate::domain::checkup::{TokenFacts, TokenTrouble, TokenWorkspace, token_finding};
use crate::domain::finding::{Finding, FindingArea};
use crate::domain::person::SlackMember;
use crate::domain::scope::{self, ScopeInputs};
use crate::domain::task::Account;

/// How long each call may take.
const LIMIT: Duration = Duration::from_secs(15);
/// How many people are asked about: Slack allows 100 a minute.
pub const PEOPLE_MAX: usize = 60;

const AREA: FindingArea = FindingArea::Slack;
const APPS: &str = "https://api.slack.com/apps";

/// The app, and the things to check in Slack.
#[derive(Debug)]
pub struct SlackCheck {
    /// `xapp-…`
    pub app_token: SlackToken,
    /// `xoxb-…`
    pub bot_token: SlackToken,
    /// Without a slash at its end.
    pub api_url: String,
    /// The parts of the configuration that need scopes.
    pub uses: ScopeInputs,
    /// The ids of the channels that the configuration names.
    pub channels: Vec<String>,
    /// The ids of the people to ask about; at most [`PEOPLE_MAX`] are.
    pub people: Vec<String>,
}

/// The result of [`check_up`].
#[derive(Debug, Default)]
pub struct SlackFindings {
    /// The findings about the app.
    pub findings: Vec<Finding>,
    /// The facts about the bot's token, if Slack accepts it.
    pub token: Option<TokenFacts>,
    /// Slack's answer about each person: `None` if it knows no such account.
    pub people: BTreeMap<String, Option<SlackMember>>,
}

/// Checks the app: both tokens, its scopes, and the channels and people of the configuration. It only reads.
pub async fn check_up(check: &SlackCheck, clock: &Clock) -> SlackFindings {
    let mut found = SlackFindings::default();
    let app = match app_token(&check.api_url, &check.app_token).await {
        Ok(facts) => {
            found.findings.push(Finding::well(
                AREA,
                "slack.app_token",
                "The app-level token may open Socket Mode connections",
            ));
            facts.app
        }
        Err(trouble) => {
            found.findings.push(trouble.finding(
                AREA,
                "slack.app_token",
                &format!(
                    "Turn on Socket Mode at {APPS} → the app, make a token with connections:write under Basic Information → \
                     App-Level Tokens, set slack.app_token, and restart Ivan"
                ),
            ));
            if matches!(trouble, TokenTrouble::NoAnswer(_)) {
                return found;
            }
            app_of(&check.app_token)
        }
    };
    let facts = match bot_token(&check.api_url, &check.bot_token, clock).await {
        Ok(facts) => facts,
        Err(trouble) => {
            found.findings.push(trouble.finding(
                AREA,
                "slack.bot_token",
                &format!(
                    "Copy the Bot User OAuth Token (xoxb-…) from {APPS} → the app → OAuth & Permissions, set slack.bot_token, \
                     and restart Ivan"
                ),
            ));
            return found;
        }
    };
    found.findings.push(bot_finding(&facts));
    found.findings.extend(same_app(app.as_deref(), &facts));
    scope_findings(check, &facts, &mut found.findings);
    if let Ok(web) = client(&check.api_url, &check.app_token, &check.bot_token) {
        for channel in &check.channels {
            found.findings.extend(channel_finding(&web, channel).await);
        }
        for id in check.people.iter().take(PEOPLE_MAX) {
            match web.user(id).await {
                Ok(user) => {
                    found
                        .people
                        .insert(id.clone(), Some(membership::member(id, &user)));
                }
                Err(error) if matches!(error.code(), "user_not_found" | "user_not_visible") => {
                    found.people.insert(id.clone(), None);
                }
                // Not known, and nothing about this person.
                Err(_) => {}
            }
        }
    }
    found.findings.push(Finding::unknown(
        AREA,
        "slack.delayed_events",
        "Slack tells no app whether its \"Delayed Events\" are on",
        format!(
            "{APPS} → the app → Event Subscriptions → Delayed Events. With them, messages from hours without Ivan arrive \
             later. Without them, Ivan finds those of direct messages in the history"
        ),
    ));
    found.token = Some(facts);
    found
}

fn bot_finding(facts: &TokenFacts) -> Finding {
    match facts.workspaces.first() {
        Some(team) => {
            let name = facts
                .account
                .as_ref()
                .map_or("the bot", |bot| bot.name.as_str());
            let text = format!(
                "The bot token is accepted: @{name} in {} ({})",
                team.name, team.id
            );
            Finding::well(AREA, "slack.bot_token", text)
        }
        None => token_finding(AREA, "slack.bot_token", facts),
    }
}

/// Both tokens have to be of one app: otherwise messages arrive in one app and answers come from another.
fn same_app(app: Option<&str>, facts: &TokenFacts) -> Option<Finding> {
    let (of_app, of_bot) = (app?, facts.app.as_deref()?);
    (of_app != of_bot).then(|| {
        Finding::broken(
            AREA,
            "slack.same_app",
            format!("The two tokens are of different apps: slack.app_token of {of_app}, slack.bot_token of {of_bot}"),
            "Messages reach one app, and answers come from the other",
            format!("Take both tokens from the same app at {APPS}"),
        )
    })
}

fn scope_findings(check: &SlackCheck, facts: &TokenFacts, findings: &mut Vec<Finding>) {
    let Some(granted) = &facts.scopes else {
        findings.push(Finding::unknown(
            AREA,
            "slack.scopes",
            "Slack did not list the scopes of the bot token",
            format!("Compare {APPS} → the app → OAuth & Permissions with `ivan manifest`"),
        ));
        return;
    };
    let page = match &facts.app {
        Some(app) => format!("{APPS}/{app}/oauth"),
        None => format!("{APPS} → the app → OAuth & Permissions"),
    };
    let missing = scope::missing(|scope| granted.contains(scope), check.uses);
    for unmet in &missing {
        let add = format!("Add it to the Bot Token Scopes at {page}, and reinstall the app there");
        findings.push(match unmet.optional {
            true => Finding::unknown(
                AREA,
                "slack.scope_optional",
                format!(
                    "The app does without the scope {}: {}",
                    unmet.scope, unmet.without
                ),
                format!("{add}; or leave it, if your administrators do not allow it"),
            ),
            false => Finding::broken(
                AREA,
                "slack.scope_missing",
                format!("The app lacks the scope {}", unmet.scope),
                format!("Without it, {}", unmet.without),
                add,
            ),
        });
    }
    let surplus = scope::surplus(granted);
    if !surplus.is_empty() {
        findings.push(Finding::warning(
            AREA,
            "slack.scope_surplus",
            format!("The app has scopes that Ivan does not use: {}", surplus.join(", ")),
            "Who steals the token can do more than Ivan",
            format!(
                "Remove them at {page}, then remove the app from the workspace and install it again: a token keeps the \
                 scopes that it has once got. Set the new slack.bot_token, and restart Ivan"
            ),
        ));
    }
    if missing.is_empty() && surplus.is_empty() {
        findings.push(Finding::well(
            AREA,
            "slack.scopes",
            "The app has the scopes that this configuration needs, and no other",
        ));
    }
}

/// Whether the bot is in a channel that the configuration names. Only its history tells that with the scopes of the
/// manifest (docs/contracts/slack.md#methods).
async fn channel_finding(web: &Web, channel: &str) -> Option<Finding> {
    let query = [("channel", channel), ("limit", "1")];
    let error = web
        .get::<History>("conversations.history", &query)
        .await
        .err()?;
    let check = "slack.channel";
    match error.code() {
        "not_in_channel" | "channel_not_found" => Some(Finding::warning(
            AREA,
            check,
            match error.code() {
                "not_in_channel" => {
                    format!("Ivan is not in the channel {channel} of [[slack.channels]]")
                }
                _ => format!("Ivan does not see the channel {channel} of [[slack.channels]]"),
            },
            "Commands that people type there do not reach Ivan",
            "Type `/invite @ivan` in that channel, or take it out of [[slack.channels]]",
        )),
        // A missing scope is a finding of its own.
        "missing_scope" => None,
        _ => Some(Finding::unknown(
            AREA,
            check,
            format!("The channel {channel} cannot be checked: {error}"),
            "Run `ivan doctor` again",
        )),
    }
}

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

    #[test]
    fn tokens_of_two_apps_are_found() {
        let facts = TokenFacts {
            app: Some("A0APP1".to_owned()),
            ..TokenFacts::default()
        };
        assert_eq!(same_app(Some("A0APP1"), &facts), None);
        assert_eq!(same_app(None, &facts), None);
        let found = same_app(Some("A0APP2"), &facts).unwrap();
        assert!(
            found.text.contains("slack.app_token of A0APP2"),
            "{}",
            found.text
        );
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
