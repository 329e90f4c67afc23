//! Checks for `ivan doctor` and `ivan init`: the token's account, scopes and end.

use std::collections::BTreeSet;

use crate::clock::Clock;
use crate::domain::checkup::{TokenFacts, TokenTrouble};
use crate::domain::operation::WriteError;
use crate::domain::task::Account;

use super::client::{GitHubClient, Request, token_ends};
use super::wire::User;

/// The scopes of a classic token; other kinds have no such header (docs/contracts/github.md#tokens).
const SCOPES: &str = "x-oauth-scopes";

/// Asks GitHub about a token: its account, its end, and the scopes of a classic one.
///
/// `api_url` has no slash at its end: `https://api.github.com`.
pub async fn token(api_url: &str, token: &str, clock: Clock) -> Result<TokenFacts, TokenTrouble> {
    let client = GitHubClient::new(api_url, token, 0.0, clock)
        .map_err(|error| TokenTrouble::Rejected(error.to_string()))?;
    facts(&client).await
}

/// The facts about the client's token.
pub(super) async fn facts(client: &GitHubClient) -> Result<TokenFacts, TokenTrouble> {
    let trouble = |error: &WriteError| client.rest.token_trouble(error);
    let request = Request::get("/user", "the account of github.token");
    let mut facts = match client.reach(&request).await {
        Ok((answer, _)) => {
            let user: Result<User, _> = client.rest.parse(&request, &answer.body);
            let user = user.map_err(|error| trouble(&error))?;
            let scopes = answer.headers.get(SCOPES).and_then(|it| it.to_str().ok());
            TokenFacts {
                account: Some(Account {
                    id: user.id.to_string(),
                    name: user.login,
                }),
                scopes: scopes.map(listed),
                ends: token_ends(&answer.headers),
                ..TokenFacts::default()
            }
        }
        // The token of an app has no account (docs/contracts/github.md#tokens). The rate limit is there for every token.
        Err(WriteError::Refused { .. }) => {
            let request = Request::get("/rate_limit", "the rate limit of github.token");
            let answer = client.reach(&request).await;
            let (answer, _) = answer.map_err(|error| trouble(&error))?;
            TokenFacts {
                ends: token_ends(&answer.headers),
                ..TokenFacts::default()
            }
        }
        Err(error) => return Err(trouble(&error)),
    };
    facts.limits = client.rest.limits();
    facts.ahead = client.rest.skew();
    Ok(facts)
}

fn listed(scopes: &str) -> BTreeSet<String> {
    let names = scopes.split(',').map(str::trim);
    let names = names.filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;
    use crate::http_client::fake::{self, Fake, FakeResponse, json as says};

    async fn ask(fake: &Fake) -> Result<TokenFacts, TokenTrouble> {
        fake::provider();
        token(&fake.url, "ghp_SESAME", Clock::system()).await
    }

    #[rstest]
    #[case::classic(Some("repo, admin:repo_hook"), Some(2))]
    #[case::without_scopes(Some(""), Some(0))]
    #[case::fine_grained(None, None)]
    #[tokio::test]
    async fn a_token_tells_its_account_and_scopes(
        #[case] scopes: Option<&'static str>,
        #[case] count: Option<usize>,
    ) {
        let fake = Fake::start(move |_| {
            let headers = scopes.map(|scopes| ("x-oauth-scopes", scopes.to_owned()));
            let body = json!({"login": "ivan-bot", "id": 7}).to_string();
            FakeResponse::Text(200, headers.into_iter().collect(), body)
        })
        .await;
        let facts = ask(&fake).await.unwrap();
        assert_eq!(facts.account.unwrap().name, "ivan-bot");
        assert_eq!(facts.scopes.map(|scopes| scopes.len()), count);
    }

    #[tokio::test]
    async fn the_token_of_an_app_has_no_account() {
        let fake = Fake::start(|seen| match seen.target.as_str() {
            "/user" => says(
                403,
                json!({"message": "Resource not accessible by integration"}),
            ),
            _ => says(200, json!({"resources": {}})),
        })
        .await;
        assert_eq!(ask(&fake).await.unwrap().account, None);
    }

    #[tokio::test]
    async fn a_dead_token_differs_from_no_answer() {
        let fake = Fake::start(|_| says(401, json!({"message": "Bad credentials"}))).await;
        let trouble = ask(&fake).await.unwrap_err();
        assert!(matches!(&trouble, TokenTrouble::Rejected(why) if why.contains("Bad credentials")));
        let fake = Fake::start(|_| says(502, json!({}))).await;
        let trouble = ask(&fake).await.unwrap_err();
        assert!(matches!(trouble, TokenTrouble::NoAnswer(_)), "{trouble}");
    }
}
