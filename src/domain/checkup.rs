//! Facts that a service tells about a token: for `ivan doctor` and `ivan init`.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};

use super::source::Limits;
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
}
