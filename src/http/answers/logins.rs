//! Logins of the command line.

use serde::Serialize;
use utoipa::ToSchema;

use crate::commands::TokenHolder;

/// A login that waits for its person.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Login)]
pub struct LoginAnswer {
    /// What the person types to Ivan in Slack: `token allow CODE`.
    pub code: String,
    /// How long the code is good, in seconds.
    pub expires_in: i64,
    /// The wait between two looks with GET /login, in seconds.
    pub interval: u64,
}

/// A link to the status page.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PageLink)]
pub struct PageLinkAnswer {
    /// The path of the link, behind the address of the API. It works once.
    #[schema(examples("/ops/CODE"))]
    pub path: String,
    /// How long the link is good, in seconds.
    pub expires_in: i64,
}

/// How far a login is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LoginProgress {
    /// Its person has not typed the code yet.
    Waiting,
    /// The token works.
    Allowed,
}

/// The state of a login, or of a token.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LoginState)]
pub struct LoginStateAnswer {
    state: LoginProgress,
    /// The person whom the token is; `null` while it waits.
    person: Option<String>,
    /// The token's name; `null` while it waits.
    name: Option<String>,
    /// Whether it changes nothing; `null` while it waits.
    read_only: Option<bool>,
    /// The wait before the next look, in seconds; `null` after the end.
    interval: Option<u64>,
}

impl LoginStateAnswer {
    /// It waits.
    pub fn waiting(interval: u64) -> LoginStateAnswer {
        LoginStateAnswer {
            state: LoginProgress::Waiting,
            person: None,
            name: None,
            read_only: None,
            interval: Some(interval),
        }
    }

    /// The token is this person.
    pub fn allowed(holder: &TokenHolder) -> LoginStateAnswer {
        LoginStateAnswer {
            state: LoginProgress::Allowed,
            person: Some(holder.person.name.clone()),
            name: Some(holder.name.clone()),
            read_only: Some(holder.read_only),
            interval: None,
        }
    }
}

/// The end of a token.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LoggedOut)]
pub struct LogoutAnswer {
    /// The name of the token, which no longer works.
    pub revoked: String,
}
