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
    /// Opens a page on this machine where a person makes a GitHub App.
    async fn app_page(&self, app: &NewApp) -> Result<Box<dyn AppPage>, String>;
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

/// How Ivan proves itself to GitHub.
#[derive(Debug, Clone)]
pub enum GitHubAccessAnswer {
    /// With a token.
    Token(GivenToken),
    /// With a GitHub App that was made now.
    NewApp(AppFiles),
    /// With the GitHub App that bot.toml names.
    KnownApp,
}

/// A new GitHub App, and the files with its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppFiles {
    /// The App ID.
    pub id: u64,
    /// The file with the private key.
    pub key: PathBuf,
    /// The file with the secret of its webhook, if it has one.
    pub webhook_secret: Option<PathBuf>,
}

/// A GitHub App that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewApp {
    /// The organization that owns it; `None`: the person's own account.
    pub organization: Option<String>,
    /// The address of its webhook; `None`: the webhook is not active.
    pub hook: Option<String>,
}

/// A GitHub App that GitHub handed over.
#[derive(Debug, Clone)]
pub struct MadeApp {
    /// The App ID.
    pub id: u64,
    /// Its name in addresses.
    pub slug: String,
    /// Its page.
    pub page: String,
    /// The private key as PEM.
    pub key: Secret,
    /// The secret of its webhook.
    pub webhook_secret: Option<Secret>,
}

/// The page where a person makes a GitHub App.
#[async_trait]
pub trait AppPage: Send {
    /// Its address, on this machine.
    fn address(&self) -> &str;
    /// Waits for the person, at most an hour. The error is a sentence.
    async fn made(self: Box<Self>) -> Result<MadeApp, String>;
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
    /// How Ivan proves itself.
    pub access: GitHubAccessAnswer,
    /// The followed repositories; the default one first.
    pub repos: Vec<RepoName>,
}
