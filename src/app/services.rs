//! The services of `ivan init`, at their real addresses.

use std::path::Path;
use std::time::Duration;

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
use crate::github::manifest::{self, AppPlan};
use crate::github::{self, directory::GitHubDirectory};
use crate::http::{Handoff, HandoffEnd, HandoffForm};
use crate::setup::{AppPage, MadeApp, NewApp, Services};
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

/// GitHub's codes are valid for so long.
const HOUR: Duration = Duration::from_secs(3_600);

/// The page where a person makes a GitHub App, and the exchange of the code afterwards.
struct OpenAppPage {
    handoff: Handoff,
    addresses: Addresses,
    clock: Clock,
}

#[async_trait]
impl AppPage for OpenAppPage {
    fn address(&self) -> &str {
        self.handoff.address()
    }

    async fn made(self: Box<Self>) -> Result<MadeApp, String> {
        let OpenAppPage {
            handoff,
            addresses,
            clock,
        } = *self;
        let code = match handoff.end(HOUR).await {
            Some(HandoffEnd::Code(code)) => code,
            Some(HandoffEnd::Cancelled) => {
                return Err("You pressed Cancel. No GitHub App was made".to_owned());
            }
            None => {
                return Err(
                    "No answer of GitHub came within the hour. Run `ivan init` again".to_owned(),
                );
            }
        };
        let Addresses {
            github, github_url, ..
        } = &addresses;
        let made = manifest::convert(github, github_url, &code, clock).await?;
        Ok(MadeApp {
            id: made.id,
            slug: made.slug,
            page: made.html_url,
            key: Secret::new(made.pem.as_str()),
            webhook_secret: made
                .webhook_secret
                .map(|secret| Secret::new(secret.as_str())),
        })
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

    async fn app_page(&self, app: &NewApp) -> Result<Box<dyn AppPage>, String> {
        let pages = self.addresses.github_url.clone();
        let form = |back: &str| {
            let plan = AppPlan {
                pages: &pages,
                organization: app.organization.as_deref(),
                hook: app.hook.as_deref(),
                back,
            };
            HandoffForm {
                site: pages.clone(),
                action: plan.form_address(),
                field: "manifest",
                value: plan.manifest(),
                title: "Make a GitHub App for Ivan",
                words: vec![
                    "GitHub shows you its name, which you can change, and a button that creates it.".to_owned(),
                    format!("Its permissions: {}. It is not public.", plan.permissions()),
                ],
                button: "Go on at GitHub",
            }
        };
        let opened = Handoff::open(form).await;
        let handoff =
            opened.map_err(|error| format!("No page can be opened on 127.0.0.1: {error}"))?;
        Ok(Box::new(OpenAppPage {
            handoff,
            addresses: self.addresses.clone(),
            clock: self.clock.clone(),
        }))
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
