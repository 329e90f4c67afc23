//! The services of `ivan init`, at their real addresses.

use std::path::Path;

use async_trait::async_trait;

use crate::cli::init::Addresses;
use crate::clickup::{self, directory::ClickUpDirectory};
use crate::clock::Clock;
use crate::config::Secret;
use crate::domain::checkup::{TokenFacts, TokenTrouble};
use crate::domain::directory::{ListedAccount, ListedList, ListedRepo};
use crate::domain::operation::WriteError;
use crate::domain::person::SlackMember;
use crate::domain::task::RepoName;
use crate::github::{self, directory::GitHubDirectory};
use crate::setup::Services;
use crate::slack::{self, SlackToken};
use crate::tls;

/// Slack, ClickUp and GitHub at these addresses.
#[derive(Debug, Clone)]
pub struct RealServices {
    addresses: Addresses,
    clock: Clock,
}

impl RealServices {
    /// Nothing is asked yet. `ca_file`: `tls.ca_file`.
    ///
    /// # Errors
    /// `ca_file` has no certificates.
    pub fn new(
        addresses: Addresses,
        ca_file: Option<&Path>,
        clock: Clock,
    ) -> Result<RealServices, String> {
        ca_file.map(tls::also_trust).transpose()?;
        Ok(RealServices { addresses, clock })
    }

    fn clickup(&self, token: &Secret) -> Result<ClickUpDirectory, String> {
        let address = &self.addresses.clickup;
        ClickUpDirectory::new(address, token.expose(), self.clock.clone())
    }

    fn github(&self, token: &Secret) -> Result<GitHubDirectory, String> {
        let address = &self.addresses.github;
        GitHubDirectory::new(address, token.expose(), self.clock.clone())
    }
}

fn of_slack(token: &Secret) -> SlackToken {
    SlackToken::new(token.expose())
}

fn sentence(error: WriteError) -> String {
    error.to_string()
}

#[async_trait]
impl Services for RealServices {
    async fn app_token(&self, token: &Secret) -> Result<TokenFacts, TokenTrouble> {
        slack::checkup::app_token(&self.addresses.slack, &of_slack(token)).await
    }

    async fn bot_token(&self, token: &Secret) -> Result<TokenFacts, TokenTrouble> {
        let clock = self.clock.clone();
        slack::checkup::bot_token(&self.addresses.slack, &of_slack(token), &clock).await
    }

    async fn members(&self, bot: &Secret, workspace: &str) -> Result<Vec<SlackMember>, String> {
        slack::directory::members(&self.addresses.slack, &of_slack(bot), workspace).await
    }

    async fn clickup_token(&self, token: &Secret) -> Result<TokenFacts, TokenTrouble> {
        let address = &self.addresses.clickup;
        clickup::checkup::token(address, token.expose(), self.clock.clone()).await
    }

    async fn lists(&self, token: &Secret, workspace: &str) -> Result<Vec<ListedList>, String> {
        let listed = self.clickup(token)?.lists(workspace).await;
        listed.map_err(sentence)
    }

    async fn clickup_members(
        &self,
        token: &Secret,
        workspace: &str,
    ) -> Result<Vec<ListedAccount>, String> {
        let listed = self.clickup(token)?.members(workspace).await;
        listed.map_err(sentence)
    }

    async fn github_token(&self, token: &Secret) -> Result<TokenFacts, TokenTrouble> {
        let address = &self.addresses.github;
        github::checkup::token(address, token.expose(), self.clock.clone()).await
    }

    async fn repos(&self, token: &Secret) -> Result<Vec<ListedRepo>, String> {
        self.github(token)?.repos().await.map_err(sentence)
    }

    async fn repo_people(
        &self,
        token: &Secret,
        repo: &RepoName,
    ) -> Result<Vec<ListedAccount>, String> {
        let listed = self.github(token)?.people(repo).await;
        listed.map_err(sentence)
    }
}
