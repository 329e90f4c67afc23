//! Logins of GitHub: whether an account exists, and whether issues can be assigned to it.
//!
//! `GET /users/{login}` returns the id, which stays when the login changes; `GET /user/{id}` returns the current login
//! (docs.github.com/rest/users/users: "their durable user ID instead of their login, which can change over time"). Both
//! are 404 for an account that does not exist, and for a managed account (Enterprise Managed Users) of an organization
//! that the token does not belong to. An old login is 404 as well, and can be claimed by others: there is no redirect
//! (docs.github.com, "Changing your GitHub username"). So once an id is known, only the id is used. Logins and names of
//! repositories are compared without case.
//!
//! `GET /repos/{o}/{r}/assignees/{login}` answers 204 without a body if issues can be assigned to that account, else
//! 404 (docs.github.com/rest/issues/assignees); a renamed repository redirects (docs/contracts/github.md#redirects).

use async_trait::async_trait;

use crate::domain::link::Accounts;
use crate::domain::operation::{Refusal, WriteError};
use crate::domain::task::{Account, RepoName, Source};
use crate::http_client::refused;

use super::GitHub;
use super::client::{ReadAnswer, Request, segment};
use super::wire::User;

/// The longest login.
const LOGIN_MAX: usize = 39;

#[async_trait]
impl Accounts for GitHub {
    fn source(&self) -> Source {
        Source::GitHub
    }

    async fn confirm(&self, called: &str) -> Result<Account, WriteError> {
        let login = called.trim().trim_start_matches('@');
        if !is_login(login) {
            return Err(refused(format!(
                "`{}` is not a GitHub login. Use the name in the profile's address, {}/LOGIN",
                called.chars().take(80).collect::<String>(),
                self.mapping.pages
            )));
        }
        let Some(user) = self
            .user_at(format!("/users/{}", segment(login)), login)
            .await?
        else {
            return Err(refused(format!(
                "GitHub has no user {login} that I can see. Use the name in the profile's address, {}/LOGIN",
                self.mapping.pages
            )));
        };
        if user.kind != "User" {
            return Err(refused(format!(
                "{} is not a person's account in GitHub ({}). Type your own login",
                user.login,
                user.kind.to_lowercase()
            )));
        }
        let mut here = Vec::new();
        let mut trouble = None;
        for (_, resolved) in self.resolve_all().await {
            let asked = match resolved {
                Ok((_, name)) => self
                    .can_be_assigned(&name, &user.login)
                    .await
                    .map(|can| (can, name)),
                Err(error) => Err(error),
            };
            match asked {
                Ok((true, _)) => return Ok(user.account()),
                Ok((false, name)) => here.push(name.to_string()),
                Err(error) => trouble = Some(error),
            }
        }
        // One of the unavailable repositories may be the one where they work.
        Err(trouble.unwrap_or_else(|| {
            refused(format!(
                "{} can't be assigned issues in any repository that I follow ({}). Get access to one in GitHub, \
                     then link again",
                user.login,
                here.join(", ")
            ))
        }))
    }

    async fn look_up(&self, id: Option<&str>, name: &str) -> Result<Option<Account>, WriteError> {
        let path = match id {
            Some(id) => format!("/user/{}", segment(id)),
            None => format!("/users/{}", segment(name)),
        };
        let user = self.user_at(path, name).await?;
        Ok(user.map(|user| user.account()))
    }

    async fn profile_has(&self, account: &Account, code: &str) -> Result<bool, WriteError> {
        let path = format!("/user/{}", segment(&account.id));
        let user = self.user_at(path, &account.name).await?;
        let bio = user.and_then(|user| user.bio).unwrap_or_default();
        Ok(bio.contains(code))
    }

    async fn by_email(&self, _: &str) -> Result<Option<Account>, WriteError> {
        // GitHub shows an address only if its owner publishes it, confirmed or not.
        Ok(None)
    }
}

impl GitHub {
    async fn user_at(&self, path: String, called: &str) -> Result<Option<User>, WriteError> {
        let request = Request::get(path, format!("the user {called}"));
        match self.client.get(&request).await {
            Ok(ReadAnswer { value, .. }) => Ok(Some(value)),
            Err(WriteError::Refused {
                what: Refusal::Invisible | Refusal::Gone,
                ..
            }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether issues in the repository can be assigned to this login.
    pub(super) async fn can_be_assigned(
        &self,
        name: &RepoName,
        login: &str,
    ) -> Result<bool, WriteError> {
        let path = format!("/repos/{name}/assignees/{}", segment(login));
        let thing = format!("{login} as an assignee in {name}");
        self.client.is_so(&Request::get(path, thing)).await
    }
}

/// Whether a text is a login, those of managed accounts (`ana_acme`) included.
fn is_login(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    !text.is_empty() && text.len() <= LOGIN_MAX && text.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::super::tests::{github, world};
    use super::*;
    use crate::http_client::fake::{Fake, FakeResponse, SeenRequest, json as says};

    fn users(seen: &SeenRequest) -> FakeResponse {
        let user = |login: &str, id: u64, kind: &str| {
            says(200, json!({"login": login, "id": id, "type": kind}))
        };
        match seen.line().as_str() {
            "GET /users/Ana" | "GET /users/ana" | "GET /user/31" => user("ana", 31, "User"),
            "GET /users/mia" => user("mia", 34, "User"),
            // The repository was renamed.
            "GET /repos/acme/gadgets/assignees/mia" => {
                let to = ("location", "/moved/assignees/mia".to_owned());
                FakeResponse::Text(
                    301,
                    vec![to],
                    json!({"message": "Moved Permanently"}).to_string(),
                )
            }
            "GET /users/outside" => user("outside", 33, "User"),
            "GET /users/acme" => user("acme", 21, "Organization"),
            "GET /users/busy" => says(502, json!({"message": "Server Error"})),
            "GET /repos/acme/gadgets/assignees/ana" | "GET /moved/assignees/mia" => {
                FakeResponse::Text(204, Vec::new(), String::new())
            }
            _ => says(404, json!({"message": "Not Found"})),
        }
    }

    #[rstest]
    #[case::as_it_is("ana", Ok("31 ana"))]
    #[case::in_another_case_with_an_at(" @Ana ", Ok("31 ana"))]
    #[case::in_a_repository_that_was_renamed("mia", Ok("34 mia"))]
    #[case::nobody("nobody", Err("GitHub has no user nobody that I can see"))]
    #[case::no_login("../repos", Err("`../repos` is not a GitHub login"))]
    #[case::an_organisation("acme", Err("acme is not a person's account in GitHub (organization)"))]
    #[case::not_from_here(
        "outside",
        Err(
            "outside can't be assigned issues in any repository that I follow (acme/widgets, acme/gadgets)"
        )
    )]
    #[case::no_answer("busy", Err("502"))]
    #[tokio::test]
    async fn a_login_is_confirmed(#[case] called: &str, #[case] found: Result<&str, &str>) {
        let fake = Fake::start(world(users)).await;
        let confirmed = github(&fake.url).confirm(called).await;
        match (confirmed, found) {
            (Ok(account), Ok(shown)) => {
                assert_eq!(format!("{} {}", account.id, account.name), shown)
            }
            (Err(error), Err(why)) => {
                assert!(error.to_string().contains(why), "{error}");
                let passes = matches!(error, WriteError::NotTaken { .. });
                assert_eq!(passes, called == "busy", "{error:?}");
            }
            (confirmed, _) => panic!("{confirmed:?}"),
        }
    }

    #[tokio::test]
    async fn an_account_is_looked_up_by_its_id_and_without_one_by_its_name() {
        let fake = Fake::start(world(users)).await;
        let github = github(&fake.url);
        let by_id = github.look_up(Some("31"), "ana-old").await.unwrap();
        assert_eq!(by_id.map(|account| account.name).as_deref(), Some("ana"));
        let by_name = github.look_up(None, "Ana").await.unwrap();
        assert_eq!(by_name.map(|account| account.id).as_deref(), Some("31"));
        assert_eq!(github.look_up(Some("99"), "ana").await, Ok(None));
        assert!(github.look_up(None, "busy").await.is_err());
        assert_eq!(github.by_email("ana@acme.test").await, Ok(None));
    }
}
