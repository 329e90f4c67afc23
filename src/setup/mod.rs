//! The decisions of `ivan init`, without input, output or network: choices, people, and the text of bot.toml.
//!
//! `cli/init.rs` asks the questions; `app/services.rs` asks the services.

pub mod bot_toml;
pub mod choice;
pub mod hosts;
pub mod people;

use std::path::PathBuf;

use async_trait::async_trait;

use crate::config::Secret;
use crate::domain::checkup::{TokenFacts, TokenTrouble};
use crate::domain::directory::{ListedAccount, ListedList, ListedRepo};
use crate::domain::person::SlackMember;
use crate::domain::task::RepoName;

/// The services, as far as their tokens show them. Errors are sentences.
#[async_trait]
pub trait Services: Send + Sync {
    /// Whose app-level token it is, and whether it opens connections.
    async fn app_token(&self, token: &Secret) -> Result<TokenFacts, TokenTrouble>;
    /// The bot of a token, its workspace and scopes.
    async fn bot_token(&self, token: &Secret) -> Result<TokenFacts, TokenTrouble>;
    /// The full members of the bot's workspace.
    async fn members(&self, bot: &Secret, workspace: &str) -> Result<Vec<SlackMember>, String>;
    /// The account of a ClickUp token, and its workspaces.
    async fn clickup_token(&self, token: &Secret) -> Result<TokenFacts, TokenTrouble>;
    /// The lists of a ClickUp workspace.
    async fn lists(&self, token: &Secret, workspace: &str) -> Result<Vec<ListedList>, String>;
    /// The members of a ClickUp workspace.
    async fn clickup_members(
        &self,
        token: &Secret,
        workspace: &str,
    ) -> Result<Vec<ListedAccount>, String>;
    /// The account of a GitHub token, its scopes and its end.
    async fn github_token(&self, token: &Secret) -> Result<TokenFacts, TokenTrouble>;
    /// The repositories of a GitHub token.
    async fn repos(&self, token: &Secret) -> Result<Vec<ListedRepo>, String>;
    /// The people who can be assigned issues in a repository.
    async fn repo_people(
        &self,
        token: &Secret,
        repo: &RepoName,
    ) -> Result<Vec<ListedAccount>, String>;
}

/// A token, and the key of bot.toml that holds it.
#[derive(Debug, Clone)]
pub enum GivenToken {
    /// The token itself: `bot_token = "…"`.
    Text(Secret),
    /// The file that holds it: `bot_token_file = "…"`.
    File(PathBuf, Secret),
    /// A variable that the daemon reads too, such as `IVAN__SLACK__BOT_TOKEN`: nothing is written.
    Variable(Secret),
}

impl GivenToken {
    /// The token.
    pub fn secret(&self) -> &Secret {
        match self {
            GivenToken::Text(secret)
            | GivenToken::File(_, secret)
            | GivenToken::Variable(secret) => secret,
        }
    }
}

/// All answers.
#[derive(Debug, Clone)]
pub struct SetupAnswers {
    /// `xapp-…`
    pub app_token: GivenToken,
    /// `xoxb-…`
    pub bot_token: GivenToken,
    /// The Slack ids of operators.
    pub operators: Vec<String>,
    /// `None`: no ClickUp.
    pub clickup: Option<ClickUpAnswers>,
    /// `None`: no GitHub.
    pub github: Option<GitHubAnswers>,
    /// The people with a queue of their own.
    pub people: Vec<people::FoundPerson>,
    /// Addresses that differ from the default: the section, the key and the address.
    pub addresses: Vec<(&'static str, &'static str, String)>,
    /// The file of further authorities, if any.
    pub ca_file: Option<std::path::PathBuf>,
}

/// The answers about ClickUp.
#[derive(Debug, Clone)]
pub struct ClickUpAnswers {
    /// The token.
    pub token: GivenToken,
    /// The id of the workspace.
    pub workspace: String,
    /// The ids of the followed lists; the one for new tasks first.
    pub lists: Vec<String>,
}

/// The answers about GitHub.
#[derive(Debug, Clone)]
pub struct GitHubAnswers {
    /// The token.
    pub token: GivenToken,
    /// The followed repositories; the default one first.
    pub repos: Vec<RepoName>,
}
