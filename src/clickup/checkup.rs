//! Checks for `ivan doctor` and `ivan init`: the token's account and workspaces.

use crate::clock::Clock;
use crate::domain::checkup::{TokenFacts, TokenTrouble, TokenWorkspace};
use crate::domain::controls::one_line;
use crate::domain::operation::WriteError;
use crate::domain::task::Account;

use super::client::{ClickUpClient, Request};
use super::wire::{Me, Teams};

/// Asks ClickUp about a token: its account, and the workspaces that it can see.
///
/// `api_url` has no slash at its end: `https://api.clickup.com/api/v2`.
pub async fn token(api_url: &str, token: &str, clock: Clock) -> Result<TokenFacts, TokenTrouble> {
    let client = ClickUpClient::new(api_url, token, clock)
        .map_err(|error| TokenTrouble::Rejected(error.to_string()))?;
    facts(&client).await
}

/// The facts about the client's token.
pub(super) async fn facts(client: &ClickUpClient) -> Result<TokenFacts, TokenTrouble> {
    let trouble = |error: WriteError| client.rest.token_trouble(&error);
    let request = Request::get("/user", "the account of clickup.token");
    let answer = client.send::<Me>(&request).await;
    let me = answer.map_err(|error| trouble(error.into()))?.user;
    let request = Request::get("/team", "the workspaces");
    let answer = client.send::<Teams>(&request).await;
    let teams = answer.map_err(|error| trouble(error.into()))?.teams;
    let id = me.id.to_string();
    let workspaces = teams.into_iter().map(|team| {
        let id = team.id.to_string();
        let name = team.name.filter(|name| !name.trim().is_empty());
        let name = name.map_or_else(|| id.clone(), |name| one_line(&name));
        TokenWorkspace { id, name }
    });
    Ok(TokenFacts {
        account: Some(Account {
            name: me
                .username
                .map_or_else(|| id.clone(), |name| one_line(&name)),
            id,
        }),
        email: me.email,
        workspaces: workspaces.collect(),
        limits: client.rest.limits(),
        ahead: client.rest.skew(),
        ..TokenFacts::default()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::http_client::fake::{self, Fake, json as says};

    async fn ask(fake: &Fake) -> Result<TokenFacts, TokenTrouble> {
        fake::provider();
        token(&fake.url, "pk_1_SESAME", Clock::system()).await
    }

    #[tokio::test]
    async fn a_token_tells_its_account_and_workspaces() {
        let fake = Fake::start(|seen| match seen.target.as_str() {
            "/user" => says(
                200,
                json!({"user": {"id": 42, "username": "Ana", "email": "ana@acme.test"}}),
            ),
            _ => says(
                200,
                json!({"teams": [{"id": "9001", "name": "Acme"}, {"id": "9002"}]}),
            ),
        })
        .await;
        let facts = ask(&fake).await.unwrap();
        assert_eq!(facts.account.unwrap().name, "Ana");
        assert_eq!(facts.email.as_deref(), Some("ana@acme.test"));
        let names = facts.workspaces.iter().map(|one| one.name.as_str());
        assert_eq!(names.collect::<Vec<_>>(), ["Acme", "9002"]);
    }

    #[tokio::test]
    async fn a_dead_token_differs_from_no_answer() {
        let dead = json!({"err": "Token invalid", "ECODE": "OAUTH_025"});
        let fake = Fake::start(move |_| says(401, dead.clone())).await;
        let trouble = ask(&fake).await.unwrap_err();
        assert!(matches!(&trouble, TokenTrouble::Rejected(why) if why.contains("OAUTH_025")));
        let fake = Fake::start(|_| says(503, json!({}))).await;
        let trouble = ask(&fake).await.unwrap_err();
        assert!(matches!(trouble, TokenTrouble::NoAnswer(_)), "{trouble}");
    }
}
