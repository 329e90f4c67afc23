//! Members of the workspace: their e-mail addresses and current names.
//!
//! The only listing of members is inside of `GET /team` (docs/contracts/clickup.md#users-and-members). An invitation that was not accepted is
//! a member without a name. Its address was typed by the inviting person, and confirms nothing.

use async_trait::async_trait;
use chrono::Duration;

use crate::domain::link::Accounts;
use crate::domain::operation::WriteError;
use crate::domain::task::{Account, Source};
use crate::http_client::refused;
use crate::runtime::lock;

use super::ClickUp;
use super::client::{Request, segment};
use super::wire::{ListMembers, Teams, WireMember};

/// How long the members are cached, except after a person typed the name of one.
const MEMBERS_TTL: Duration = Duration::minutes(10);

#[async_trait]
impl Accounts for ClickUp {
    fn source(&self) -> Source {
        Source::ClickUp
    }

    async fn confirm(&self, called: &str) -> Result<Account, WriteError> {
        let called = called.trim().trim_start_matches('@');
        let members = self.read_members().await?;
        let by = |is: &dyn Fn(&WireMember) -> bool| -> Vec<Account> {
            let found = members.iter().filter(|member| is(member));
            found.filter_map(WireMember::account).collect()
        };
        let same = |known: &Option<String>| known.as_deref().is_some_and(|known| is(known, called));
        let found = [
            by(&|member| member.id.to_string() == called),
            by(&|member| same(&member.email)),
            by(&|member| same(&member.username)),
        ]
        .into_iter()
        .find(|found| !found.is_empty())
        .unwrap_or_default();
        let shown: String = called.chars().take(80).collect();
        match found.as_slice() {
            [only] => Ok(only.clone()),
            [] => Err(refused(format!(
                "ClickUp has no member `{shown}` in workspace {}. Try the member's e-mail address; they must have \
                     accepted their invitation",
                self.team_id
            ))),
            several => Err(refused(format!(
                "ClickUp has {} members called `{shown}`. Type the e-mail address instead",
                several.len()
            ))),
        }
    }

    async fn look_up(&self, id: Option<&str>, _: &str) -> Result<Option<Account>, WriteError> {
        let members = self.members().await?;
        let found = members
            .iter()
            .find(|member| Some(member.id.to_string().as_str()) == id);
        Ok(found.and_then(WireMember::account))
    }

    async fn profile_has(&self, _: &Account, _: &str) -> Result<bool, WriteError> {
        // Members write no text about themselves.
        Ok(false)
    }

    async fn by_email(&self, email: &str) -> Result<Option<Account>, WriteError> {
        let members = self.members().await?;
        let mut found = members
            .iter()
            .filter(|member| {
                member
                    .email
                    .as_deref()
                    .is_some_and(|theirs| is(theirs, email))
            })
            .filter_map(WireMember::account);
        Ok(match (found.next(), found.next()) {
            (only, None) => only,
            (_, Some(_)) => None,
        })
    }
}

impl ClickUp {
    /// The members, from the cache or from ClickUp.
    async fn members(&self) -> Result<Vec<WireMember>, WriteError> {
        let remembered = lock(&self.members).clone();
        match remembered {
            Some((read_at, members)) if self.clock.now() - read_at < MEMBERS_TTL => Ok(members),
            _ => self.read_members().await,
        }
    }

    /// Whether tasks of the list can be assigned to a member.
    pub(super) async fn is_in_list(&self, list: &str, member: i64) -> Result<bool, WriteError> {
        let path = format!("/list/{}/member", segment(list));
        let request = Request::get(path, format!("the members of the list {list}"));
        let answer: ListMembers = self.client.send(&request).await?;
        let mut members = answer.members.iter();
        Ok(members.any(|one| one.id.to_string() == member.to_string()))
    }

    pub(super) async fn read_members(&self) -> Result<Vec<WireMember>, WriteError> {
        let request = Request::get("/team", format!("the workspace {}", self.team_id));
        let answer: Teams = self.client.send(&request).await?;
        let mut teams = answer.teams.into_iter();
        let Some(team) = teams.find(|team| team.id.to_string() == self.team_id) else {
            return Err(refused(format!(
                "ClickUp does not show the workspace {} to the account of clickup.token. Correct clickup.team_id",
                self.team_id
            )));
        };
        let members: Vec<WireMember> = team.members.into_iter().map(|one| one.user).collect();
        *lock(&self.members) = Some((self.clock.now(), members.clone()));
        Ok(members)
    }
}

impl WireMember {
    /// `None` for an invitation that was not accepted.
    fn account(&self) -> Option<Account> {
        Some(Account {
            id: self.id.to_string(),
            name: self.username.clone()?,
        })
    }
}

/// Compares addresses and names without case.
fn is(one: &str, other: &str) -> bool {
    one.trim().to_lowercase() == other.trim().to_lowercase()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::super::tests::clickup;
    use super::*;
    use crate::http_client::fake::{Fake, json as says};

    fn workspace() -> Value {
        let member = |id: i64, name: Value, email: &str| json!({"user": {"id": id, "username": name, "email": email}});
        json!({"teams": [
            {"id": "1", "members": [member(1, json!("Ana"), "elsewhere@x.test")]},
            {"id": "9001", "members": [
                member(4242, json!("Ana"), "ana@acme.test"),
                member(4243, json!("Bo"), "bo@acme.test"),
                member(4244, json!("Bo"), "bo.two@acme.test"),
                member(4245, Value::Null, "invited@acme.test"),
                member(4246, json!("One"), "shared@acme.test"),
                member(4247, json!("Two"), "shared@acme.test"),
                "odd",
            ]},
        ]})
    }

    #[rstest]
    #[case::by_name(" ana ", Ok("4242"))]
    #[case::by_address("BO@acme.test", Ok("4243"))]
    #[case::by_id("4244", Ok("4244"))]
    #[case::two_of_a_name("Bo", Err("ClickUp has 2 members called `Bo`"))]
    #[case::an_invitation("invited@acme.test", Err("no member `invited@acme.test`"))]
    #[case::of_another_workspace("elsewhere@x.test", Err("no member"))]
    #[tokio::test]
    async fn a_member_is_confirmed(#[case] called: &str, #[case] found: Result<&str, &str>) {
        let fake = Fake::start(|_| says(200, workspace())).await;
        let confirmed = clickup(&fake.url).confirm(called).await;
        match (confirmed, found) {
            (Ok(account), Ok(id)) => assert_eq!(account.id, id),
            (Err(error), Err(why)) => assert!(error.to_string().contains(why), "{error}"),
            (confirmed, _) => panic!("{confirmed:?}"),
        }
    }

    #[rstest]
    #[case::one("Ana@Acme.test", Some("4242"))]
    #[case::shared("shared@acme.test", None)]
    #[case::an_invitation("invited@acme.test", None)]
    #[case::nobody("zoe@acme.test", None)]
    #[tokio::test]
    async fn an_address_is_one_members_or_nobodys(#[case] email: &str, #[case] id: Option<&str>) {
        let fake = Fake::start(|_| says(200, workspace())).await;
        let clickup = clickup(&fake.url);
        let found = clickup.by_email(email).await.unwrap();
        assert_eq!(found.map(|account| account.id).as_deref(), id);
        // The second call uses the cache.
        clickup.by_email(email).await.unwrap();
        assert_eq!(
            clickup
                .look_up(Some("4243"), "")
                .await
                .unwrap()
                .unwrap()
                .name,
            "Bo"
        );
        assert_eq!(clickup.look_up(Some("9"), "").await.unwrap(), None);
        assert_eq!(fake.seen().len(), 1);
    }

    #[tokio::test]
    async fn a_workspace_that_is_not_shown_is_named() {
        let fake = Fake::start(|_| says(200, json!({"teams": []}))).await;
        let error = clickup(&fake.url).confirm("Ana").await.unwrap_err();
        assert!(error.to_string().contains("clickup.team_id"), "{error}");
    }
}
