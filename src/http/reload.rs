//! `POST /config/reload`: applies changes of `bot.toml` that need no restart.

use async_trait::async_trait;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::ApiState;
use super::problem::{Problem, ProblemKind};
use super::request::Caller;

/// Reads `bot.toml` again; implemented by the app.
#[async_trait]
pub trait Reload: Send + Sync {
    /// Applies the changes that need no restart, and reports all. A file with a mistake changes nothing.
    async fn reload(&self) -> Result<ReloadReport, ReloadRefusal>;
}

/// The reason why the former configuration stays in force.
#[derive(Debug, thiserror::Error)]
pub enum ReloadRefusal {
    /// The mistakes in the file, each with its key and line.
    #[error("{0}")]
    Refused(String),
    /// The store did not take the people.
    #[error("{0}")]
    Failed(String),
}

/// The result of a reload.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ReloadReport {
    /// The file that was read; `null` if the environment has all keys.
    pub file: Option<String>,
    /// Changed keys that are in force now.
    pub applied: Vec<ChangedKey>,
    /// Keys that differ from those of the start, and need a restart.
    pub restart: Vec<ChangedKey>,
    /// The names of people who are new, or have another name.
    pub people_added: Vec<String>,
    /// The names that nobody has any more.
    pub people_removed: Vec<String>,
    /// The time that the reload took, in milliseconds.
    pub ms: u64,
}

/// A key whose value is another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ChangedKey {
    /// The dotted key, or the name of a list of tables: `people`.
    pub key: String,
    /// The former value as TOML; `null` for secrets, lists of tables and unset keys.
    pub from: Option<String>,
    /// The new value as TOML; `null` for secrets, lists of tables and unset keys.
    pub to: Option<String>,
}

pub(super) async fn reload(
    State(api): State<ApiState>,
    caller: Caller,
) -> Result<Json<ReloadReport>, Problem> {
    caller.grant.of_any()?;
    let Some(reload) = &api.reload else {
        return Err(Problem::new(
            ProblemKind::Unfit,
            "This daemon has no configuration file to read again",
        ));
    };
    reload.reload().await.map(Json).map_err(|refusal| {
        let kind = match refusal {
            ReloadRefusal::Refused(_) => ProblemKind::Unfit,
            ReloadRefusal::Failed(_) => ProblemKind::StoreTrouble,
        };
        Problem::new(kind, refusal.to_string())
    })
}
