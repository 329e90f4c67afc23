//! The repositories of a token, and the people who can be assigned issues there, for `ivan init`.

use crate::clock::Clock;
use crate::domain::directory::{ListedAccount, ListedRepo};
use crate::domain::operation::WriteError;
use crate::domain::task::RepoName;

use super::client::{GitHubClient, Request, segment};
use super::wire::{ListedRepository, PublicProfile, User};

/// How many pages of a hundred are read.
const PAGES_MAX: usize = 5;
/// How many profiles are read for their public address.
const PROFILES_MAX: usize = 60;

/// What a token shows.
pub struct GitHubDirectory {
    client: GitHubClient,
}

impl GitHubDirectory {
    /// `api_url` has no slash at its end. The error names an invalid setting.
    pub fn new(api_url: &str, token: &str, clock: Clock) -> Result<GitHubDirectory, String> {
        let client = GitHubClient::new(api_url, token, 0.0, clock);
        let client = client.map_err(|error| error.to_string())?;
        Ok(GitHubDirectory { client })
    }

    /// The repositories with issues that are not archived, the one with the last push first.
    pub async fn repos(&self) -> Result<Vec<ListedRepo>, WriteError> {
        let mut repos = Vec::new();
        for page in 1..=PAGES_MAX {
            let request = Request::get("/user/repos", "the repositories of github.token")
                .with("sort", "pushed")
                .with("direction", "desc")
                .with("per_page", 100)
                .with("page", page);
            let found: Vec<ListedRepository> = self.client.get(&request).await?.value;
            let is_last = found.len() < 100;
            let usable = found.into_iter().filter(|repo| repo.takes_issues());
            repos.extend(usable.filter_map(|repo| {
                Some(ListedRepo {
                    name: RepoName::parse(&repo.full_name)?,
                    may_triage: repo.permissions.triage || repo.permissions.push,
                })
            }));
            if is_last {
                break;
            }
        }
        Ok(repos)
    }

    /// The people who can be assigned issues in a repository, with their public addresses.
    pub async fn people(&self, repo: &RepoName) -> Result<Vec<ListedAccount>, WriteError> {
        let path = format!(
            "/repos/{}/{}/assignees",
            segment(repo.owner()),
            segment(repo.name())
        );
        let request = Request::get(path, format!("the people of {repo}")).with("per_page", 100);
        let found: Vec<User> = self.client.get(&request).await?.value;
        let mut people = Vec::new();
        for user in found.into_iter().filter(|user| user.kind == "User") {
            // The list has no addresses. Beyond the bound an account stays without one.
            let email = match people.len() < PROFILES_MAX {
                true => self.email(&user.login).await?,
                false => None,
            };
            people.push(ListedAccount {
                account: user.account(),
                email,
            });
        }
        Ok(people)
    }

    async fn email(&self, login: &str) -> Result<Option<String>, WriteError> {
        let path = format!("/users/{}", segment(login));
        let request = Request::get(path, format!("the profile of {login}"));
        let profile: PublicProfile = self.client.get(&request).await?.value;
        Ok(profile.email)
    }
}
