//! Checks for `ivan doctor` and `ivan init`: the token's account and workspaces.

use async_trait::async_trait;

use crate::clock::Clock;
use crate::domain::checkup::{
    SourceCheckup, SourceFindings, TokenFacts, TokenTrouble, TokenWorkspace, limits_finding,
    token_finding,
};
use crate::domain::controls::one_line;
use crate::domain::finding::{Finding, FindingArea};
use crate::domain::operation::WriteError;
use crate::domain::task::{Account, Source};

use super::ClickUp;
use super::client::{ClickUpClient, Request};
use super::wire::{Me, Teams, WireList, same_name};

const AREA: FindingArea = FindingArea::Source(Source::ClickUp);
const TOKEN_REMEDY: &str =
    "Copy your API token from ClickUp → Settings → Apps, set clickup.token, and restart Ivan";
/// The value of `clickup.complete_status` that nobody chose.
const USUAL_STATUS: &str = "complete";

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

#[async_trait]
impl SourceCheckup for ClickUp {
    fn source(&self) -> Source {
        Source::ClickUp
    }

    async fn check_up(&self, _live: bool) -> SourceFindings {
        let facts = match facts(&self.client).await {
            Ok(facts) => facts,
            Err(trouble) => {
                return SourceFindings {
                    findings: vec![trouble.finding(AREA, "clickup.token", TOKEN_REMEDY)],
                    token: None,
                };
            }
        };
        let mut findings = vec![
            token_finding(AREA, "clickup.token", &facts),
            self.workspace(&facts),
        ];
        for id in &self.mapping.lists {
            match self.read_list(id).await {
                Ok(list) => self.list_findings(id, &list, &mut findings),
                Err(error) => findings.push(unseen(id, &error)),
            }
        }
        let limits = self.client.rest.limits();
        findings.extend(limits_finding(AREA, "clickup.rate_limit", &limits));
        SourceFindings {
            findings,
            token: Some(facts),
        }
    }
}

impl ClickUp {
    fn workspace(&self, facts: &TokenFacts) -> Finding {
        let check = "clickup.workspace";
        let here = facts.workspaces.iter().find(|one| one.id == self.team_id);
        if let Some(here) = here {
            return Finding::well(
                AREA,
                check,
                format!("The workspace is {} ({})", here.name, here.id),
            );
        }
        let seen = facts.workspaces.iter();
        let seen: Vec<String> = seen
            .map(|one| format!("{} ({})", one.id, one.name))
            .collect();
        Finding::broken(
            AREA,
            check,
            format!("The token does not see the workspace {}", self.team_id),
            "Ivan reads its members and manages its webhooks",
            match seen.is_empty() {
                true => {
                    "Ask an owner of the workspace to add the account of clickup.token".to_owned()
                }
                false => format!(
                    "Set clickup.team_id to one that the token sees: {}",
                    seen.join(", ")
                ),
            },
        )
    }

    fn list_findings(&self, id: &str, list: &WireList, findings: &mut Vec<Finding>) {
        let name = list.name.as_deref().map_or_else(|| id.to_owned(), one_line);
        let of = format!("The list {name} ({id})");
        let before = findings.len();
        if list.archived {
            findings.push(Finding::warning(
                AREA,
                "clickup.list_archived",
                format!("{of} is archived"),
                "Its tasks are in nobody's queue",
                "Restore it in ClickUp, or take it out of clickup.list_id and clickup.lists",
            ));
        }
        if let Some(level @ ("read" | "comment" | "edit")) = list.permission_level.as_deref() {
            let lacks = match level {
                "read" => "comment on tasks, change them or create them",
                "comment" => "change tasks or create them",
                _ => "create tasks",
            };
            findings.push(Finding::broken(
                AREA,
                "clickup.list_rights",
                format!(
                    "In {}, the account of clickup.token may not {lacks}",
                    of.replacen('T', "t", 1)
                ),
                format!("Its permission there is `{level}`"),
                "Share the list with that account in ClickUp: the list's ⋯ → Sharing → full access",
            ));
        }
        findings.extend(self.closing(&of, list));
        findings.extend(self.starting(&of, list));
        if findings.len() == before {
            let closes = self.closing_status(list).unwrap_or_default();
            findings.push(Finding::well(
                AREA,
                "clickup.list",
                format!("{of} is there; `done` sets `{closes}`"),
            ));
        }
    }

    fn closing(&self, of: &str, list: &WireList) -> Option<Finding> {
        let wanted = &self.complete_status;
        let names: Vec<&str> = list
            .statuses
            .iter()
            .map(|one| one.status.as_str())
            .collect();
        let remedy = format!(
            "Set clickup.complete_status to one of: {}",
            names.join(", ")
        );
        match self.closing_status(list) {
            None => Some(Finding::broken(
                AREA,
                "clickup.complete_status",
                format!("{of} has no status for completed tasks"),
                "`done` is refused there",
                remedy,
            )),
            Some(found) if same_name(found, wanted) || wanted == USUAL_STATUS => None,
            Some(found) => Some(Finding::warning(
                AREA,
                "clickup.complete_status",
                format!("{of} has no status `{wanted}`"),
                format!("`done` sets `{found}` there instead"),
                remedy,
            )),
        }
    }

    fn starting(&self, of: &str, list: &WireList) -> Option<Finding> {
        let wanted = self.mapping.in_progress_status.as_deref()?;
        let mut statuses = list.statuses.iter();
        if statuses.any(|status| same_name(&status.status, wanted)) {
            return None;
        }
        let custom = list
            .statuses
            .iter()
            .filter(|status| status.kind == "custom");
        let custom: Vec<&str> = custom.map(|status| status.status.as_str()).collect();
        Some(Finding::warning(
            AREA,
            "clickup.in_progress_status",
            format!("{of} has no status `{wanted}`"),
            match custom.first() {
                Some(first) => format!("`start` sets `{first}` there instead"),
                None => "`start` sets no status there".to_owned(),
            },
            match custom.as_slice() {
                [] => "Add a status for work in progress to the list in ClickUp".to_owned(),
                custom => format!(
                    "Set clickup.in_progress_status to one of: {}",
                    custom.join(", ")
                ),
            },
        ))
    }
}

/// A list that cannot be read.
fn unseen(id: &str, error: &WriteError) -> Finding {
    let check = "clickup.list";
    match error {
        WriteError::Refused { .. } => Finding::broken(
            AREA,
            check,
            format!("The token does not see the list {id}"),
            "Its tasks are not read, and `create` fails there",
            "Use the number in the list's address, https://app.clickup.com/<team_id>/v/l/6-<list_id>-1, for clickup.list_id \
             or clickup.lists, or share the list with the account of clickup.token",
        ),
        WriteError::NotTaken { .. } | WriteError::Unknown { .. } => Finding::broken(
            AREA,
            check,
            format!("The list {id} cannot be read: {error}"),
            "Its tasks are not read",
            "Run `ivan doctor` again when ClickUp responds",
        ),
    }
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
    async fn a_list_without_the_rights_or_a_closing_status_is_found() {
        let list = |level: &str| {
            json!({"id": "901", "name": "Inbox", "permission_level": level,
                "statuses": [{"status": "to do", "type": "open"}, {"status": "doing", "type": "custom"}]})
        };
        let fake = Fake::start(move |seen| match seen.target.as_str() {
            "/user" => says(200, json!({"user": {"id": 42, "username": "Ana"}})),
            "/team" => says(200, json!({"teams": [{"id": "9001", "name": "Acme"}]})),
            "/list/901" => says(200, list("comment")),
            _ => says(
                401,
                json!({"err": "Team not authorized", "ECODE": "OAUTH_027"}),
            ),
        })
        .await;
        let found = super::super::tests::clickup(&fake.url)
            .check_up(false)
            .await;
        let to_mend = found.findings.iter().filter(|finding| finding.is_to_mend());
        let texts: Vec<String> = to_mend
            .map(|one| format!("{}: {}", one.check, one.text))
            .collect();
        assert_eq!(
            texts,
            [
                "clickup.list_rights: In the list Inbox (901), the account of clickup.token may not change tasks or create \
                 them",
                "clickup.complete_status: The list Inbox (901) has no status for completed tasks",
                "clickup.list: The token does not see the list 902",
            ]
        );
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
