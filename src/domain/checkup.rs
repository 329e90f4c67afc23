//! Facts that a service tells about a token: for `ivan doctor` and `ivan init`.

use std::collections::BTreeSet;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use super::finding::{Finding, FindingArea};
use super::source::{Limits, Source};
use super::task::Account;

/// A token that its service accepts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenFacts {
    /// The account that the token acts as. `None` if the service does not tell: Slack's app-level token, a GitHub App.
    pub account: Option<Account>,
    /// The e-mail address of that account (ClickUp).
    pub email: Option<String>,
    /// The workspaces that the token can see: one in Slack, all of the person in ClickUp, none in GitHub.
    pub workspaces: Vec<TokenWorkspace>,
    /// The id of the Slack app.
    pub app: Option<String>,
    /// The scopes, in the service's names. `None` if the service does not list them: ClickUp has none, and GitHub hides
    /// the permissions of fine-grained tokens.
    pub scopes: Option<BTreeSet<String>>,
    /// When the token expires (GitHub).
    pub ends: Option<DateTime<Utc>>,
    /// The rate limit of the token (ClickUp, GitHub).
    pub limits: Limits,
    /// How far this machine's clock is ahead of the service's; negative if it is behind.
    pub ahead: Option<TimeDelta>,
}

/// A workspace that a token can see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenWorkspace {
    /// Slack's team id (`T…`), ClickUp's workspace id.
    pub id: String,
    /// Its name, as people see it.
    pub name: String,
}

/// Why a service tells nothing about a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenTrouble {
    /// The service does not accept it: it is wrong, revoked, of another kind, or lacks the right to be asked at all.
    #[error("{0}")]
    Rejected(String),
    /// The service did not say: no connection, a rate limit, a proxy.
    #[error("{0}")]
    NoAnswer(String),
}

impl TokenTrouble {
    /// The reason, as a sentence for an operator.
    pub fn why(&self) -> &str {
        match self {
            TokenTrouble::Rejected(why) | TokenTrouble::NoAnswer(why) => why,
        }
    }

    /// The finding about the token; `remedy` is for a token that is rejected.
    pub fn finding(&self, area: FindingArea, check: &'static str, remedy: &str) -> Finding {
        let name = area.title();
        match self {
            TokenTrouble::Rejected(why) => Finding::broken(
                area,
                check,
                format!("{name} does not accept the token"),
                why.clone(),
                remedy,
            ),
            TokenTrouble::NoAnswer(why) => Finding::broken(
                area,
                check,
                format!("{name} cannot be asked"),
                why.clone(),
                format!("Check that this machine reaches {name}: its network, proxy and firewall"),
            ),
        }
    }
}

/// The finding about a token that is accepted.
pub fn token_finding(area: FindingArea, check: &'static str, facts: &TokenFacts) -> Finding {
    let text = match &facts.account {
        Some(account) => format!("The token is accepted; Ivan acts as {}", account.name),
        None => "The token is accepted; it is an app's".to_owned(),
    };
    Finding::well(area, check, text)
}

/// The finding about a rate limit, if the service told one.
pub fn limits_finding(area: FindingArea, check: &'static str, limits: &Limits) -> Option<Finding> {
    /// One of this many requests is the part that polls leave to people.
    const RESERVE: u64 = 10;
    let (limit, remaining) = (limits.limit?, limits.remaining?);
    let text = format!("{remaining} of {limit} requests are left in this window of the rate limit");
    Some(match remaining.saturating_mul(RESERVE) < limit {
        false => Finding::well(area, check, text),
        true => Finding::warning(
            area,
            check,
            text,
            "Polls wait, and at 0 writes wait too",
            "Find the other program that uses this token, or give Ivan a token of its own account. The limit resets by \
             itself",
        ),
    })
}

/// The checks of a source for `ivan doctor`.
#[async_trait]
pub trait SourceCheckup: Send + Sync {
    /// The source that it checks.
    fn source(&self) -> Source;

    /// Checks the token, and each list or repository with the rights that the verbs need. It only reads; with `live` it
    /// also sends requests that the source refuses for another reason, to learn whether it would take them.
    async fn check_up(&self, live: bool) -> SourceFindings;
}

/// The result of [`SourceCheckup::check_up`].
#[derive(Debug, Default)]
pub struct SourceFindings {
    /// The findings about the source.
    pub findings: Vec<Finding>,
    /// The facts about the token, if the source accepts it.
    pub token: Option<TokenFacts>,
}
