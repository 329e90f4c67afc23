//! Checks for `ivan doctor` and `ivan init`: the token's account, scopes and end.

use std::collections::BTreeSet;

use async_trait::async_trait;
use chrono::TimeDelta;
use serde::de::IgnoredAny;
use serde_json::json;

use crate::clock::Clock;
use crate::domain::address;
use crate::domain::checkup::{
    SourceCheckup, SourceFindings, TokenFacts, TokenTrouble, limits_finding, token_finding,
};
use crate::domain::finding::{Finding, FindingArea};
use crate::domain::operation::{Refusal, WriteError};
use crate::domain::reason::{for_operators, with_remedy};
use crate::domain::task::{Account, RepoName, Source};

use super::GitHub;
use super::app::{AppAccess, AppFailure};
use super::client::{GitHubClient, NoToken, Request, segment, token_ends};
use super::manifest::PERMISSIONS;
use super::wire::{Listed, Repository, User, WireApp, WireInstallation, WireMeta};

const AREA: FindingArea = FindingArea::Source(Source::GitHub);
const TOKEN_REMEDY: &str = "Make a new token (GitHub → Settings → Developer settings → Personal access tokens → Fine-grained \
     tokens) for the repositories, with Issues: read and write, set github.token, and restart Ivan";
const APP_REMEDY: &str = "See the line above; docs/getting-started.md#github-app has each step of making and installing a GitHub App";
const SERVER_REMEDY: &str =
    "Check github.url: the address of the server's pages, such as https://github.example.com";
const TOKEN_ISSUES: &str =
    "Give the token the permission Issues: read and write for this repository";
const APP_ISSUES: &str = "Give the App the permission Issues: read and write (the App's settings → Permissions & events), and let the owner of \
     the installation accept it";
/// How long before its end a token is reported.
const ENDS_SOON: TimeDelta = TimeDelta::days(14);
/// The scopes of a classic token that Ivan uses. One of the first two is needed.
const ISSUES: [&str; 2] = ["repo", "public_repo"];
const HOOKS: [&str; 4] = [
    "admin:repo_hook",
    "write:repo_hook",
    "read:repo_hook",
    "read:user",
];

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

#[async_trait]
impl SourceCheckup for GitHub {
    fn source(&self) -> Source {
        Source::GitHub
    }

    async fn check_up(&self, live: bool) -> SourceFindings {
        let (facts, mut findings) = match &self.app {
            Some(app) => match self.app_findings(app).await {
                Ok(checked) => checked,
                Err(trouble) => {
                    let mut found = only(app_trouble(&trouble));
                    found.findings.extend(self.unanswered_server(&trouble));
                    return found;
                }
            },
            None => match facts(&self.client).await {
                Ok(facts) => {
                    let mut findings = vec![token_finding(AREA, "github.token", &facts)];
                    findings.extend(self.end(&facts));
                    findings.extend(scopes(&facts, &self.mapping.pages));
                    (facts, findings)
                }
                Err(trouble) => {
                    let mut found = only(trouble.finding(AREA, "github.token", TOKEN_REMEDY));
                    found.findings.extend(self.unanswered_server(&trouble));
                    return found;
                }
            },
        };
        findings.extend(self.server_finding().await);
        let configured: Vec<RepoName> = {
            let followed = self.lock_followed();
            followed.iter().map(|one| one.configured.clone()).collect()
        };
        for name in configured {
            match self.repository(&name).await {
                Ok(found) => {
                    self.repository_findings(&name, &found, live, &mut findings)
                        .await
                }
                Err(error) => findings.push(self.unseen(&name, &error)),
            }
        }
        let limits = self.client.rest.limits();
        findings.extend(limits_finding(AREA, "github.rate_limit", &limits));
        SourceFindings {
            findings,
            token: Some(facts),
        }
    }
}

/// The only finding where nothing else can be asked.
fn only(finding: Finding) -> SourceFindings {
    SourceFindings {
        findings: vec![finding],
        token: None,
    }
}

/// The finding about an App that cannot work.
fn app_trouble(trouble: &TokenTrouble) -> Finding {
    let check = "github.app";
    match trouble {
        TokenTrouble::Rejected(why) => Finding::broken(
            AREA,
            check,
            "The GitHub App cannot work",
            for_operators(why),
            APP_REMEDY,
        ),
        TokenTrouble::NoAnswer(_) => trouble.finding(AREA, check, APP_REMEDY),
    }
}

impl GitHub {
    /// The App, its installation and its permissions. Fails where it gets no token.
    async fn app_findings(
        &self,
        app: &AppAccess,
    ) -> Result<(TokenFacts, Vec<Finding>), TokenTrouble> {
        let trouble = |failure: AppFailure| match NoToken::from(failure) {
            NoToken::Refused(why) => TokenTrouble::Rejected(why),
            NoToken::NotNow(error) => TokenTrouble::NoAnswer(error.to_string()),
        };
        let identity = app.identity().await.map_err(trouble)?;
        let installation = app.installation().await.map_err(trouble)?;
        if installation.suspended_at.is_some() {
            let page = &installation.html_url;
            return Err(TokenTrouble::Rejected(with_remedy(
                format_args!(
                    "The installation {} of {} is suspended",
                    installation.id, identity.slug
                ),
                format_args!("Its owner must end the suspension at {page}. Queued work is safe"),
            )));
        }
        // With a token of the installation.
        let bot = self.me().await;
        let bot = bot.map_err(|error| self.client.rest.token_trouble(&error))?;
        let facts = TokenFacts {
            account: bot.map(User::account),
            limits: self.client.rest.limits(),
            ahead: self.client.rest.skew(),
            ..TokenFacts::default()
        };
        let mut findings = vec![Finding::well(
            AREA,
            "github.app",
            in_words(&identity, &installation),
        )];
        findings.extend(permissions(&identity, &installation));
        Ok((facts, findings))
    }

    /// A server that does not answer as GitHub may have another address.
    fn unanswered_server(&self, trouble: &TokenTrouble) -> Option<Finding> {
        let pages = &self.mapping.pages;
        let is_silent = matches!(trouble, TokenTrouble::NoAnswer(_));
        (is_silent && address::is_server(pages)).then(|| {
            let api = self.client.rest.at("");
            Finding::warning(
                AREA,
                "github.url",
                format!("github.url is {pages}, so its API is looked for at {api}"),
                "No GitHub Enterprise Server answers there",
                SERVER_REMEDY,
            )
        })
    }

    /// The version of a GitHub Enterprise Server; `None` for github.com, which has none.
    async fn server_finding(&self) -> Option<Finding> {
        let pages = &self.mapping.pages;
        if !address::is_server(pages) {
            return None;
        }
        let (host, check) = (address::host_of(pages), "github.url");
        let remedy = SERVER_REMEDY;
        let request = Request::get("/meta", format!("the version of {host}"));
        let answered = self.client.get::<WireMeta>(&request).await;
        Some(match answered.map(|meta| meta.value.installed_version) {
            Ok(Some(version)) => Finding::well(
                AREA,
                check,
                format!("{host} is GitHub Enterprise Server {version}"),
            ),
            Ok(None) => Finding::warning(
                AREA,
                check,
                format!("{host} does not say that it is a GitHub Enterprise Server"),
                "Addresses of its API and pages may be others than Ivan assumes",
                remedy,
            ),
            Err(error) => Finding::warning(
                AREA,
                check,
                format!(
                    "{host} does not tell its version ({})",
                    for_operators(&error.to_string())
                ),
                "It may be no GitHub Enterprise Server",
                remedy,
            ),
        })
    }

    fn issues_remedy(&self) -> &'static str {
        match self.app {
            Some(_) => APP_ISSUES,
            None => TOKEN_ISSUES,
        }
    }

    fn end(&self, facts: &TokenFacts) -> Option<Finding> {
        let ends = facts.ends?;
        let day = ends.format("%-d %B %Y");
        let check = "github.token_end";
        Some(match ends - self.client.rest.now() > ENDS_SOON {
            true => Finding::well(AREA, check, format!("The token is valid until {day}")),
            false => Finding::warning(
                AREA,
                check,
                format!("The token ends on {day}"),
                "After that nothing is read or written. Queued writes wait for a new token",
                TOKEN_REMEDY,
            ),
        })
    }

    async fn repository_findings(
        &self,
        name: &RepoName,
        found: &Repository,
        live: bool,
        findings: &mut Vec<Finding>,
    ) {
        let before = findings.len();
        if !RepoName::parse(&found.full_name).is_some_and(|now| now.is(name)) {
            findings.push(Finding::warning(
                AREA,
                "github.repository_name",
                format!("{name} is called {} now", found.full_name),
                "The old name leads there only until somebody makes a repository of that name",
                format!("Set github.repo or github.repos to {}", found.full_name),
            ));
        }
        if found.archived {
            findings.push(Finding::warning(
                AREA,
                "github.repository_archived",
                format!("{name} is archived"),
                "Its issues are read-only, and in nobody's queue",
                format!("Unarchive it (`gh repo unarchive {name}`), or take it out of github.repo and github.repos"),
            ));
        }
        let has_issues = found.has_issues != Some(false);
        if !has_issues {
            findings.push(Finding::broken(
                AREA,
                "github.issues_off",
                format!("Issues are turned off in {name}"),
                "Nothing can be read or created there",
                format!("Turn them on (`gh repo edit {name} --enable-issues`), or take it out of github.repo and github.repos"),
            ));
        }
        // For an App they say nothing: its own permissions count, whatever they are of.
        if self.app.is_none()
            && found
                .permissions
                .as_ref()
                .is_some_and(|may| !may.push && !may.triage)
        {
            findings.push(Finding::broken(
                AREA,
                "github.repository_rights",
                format!("The account of github.token may not change issues in {name}"),
                "Without that right, GitHub drops labels and assignees silently, and `done` fails",
                "Give the account the role Write (the repository's Settings → Collaborators and teams)",
            ));
        }
        if has_issues && !found.archived {
            findings.extend(self.may_read(name).await);
            findings.extend(self.label(name).await);
            if live {
                findings.extend(self.may_write(name).await);
            }
        }
        if findings.len() == before {
            findings.push(Finding::well(
                AREA,
                "github.repository",
                format!("{name} is there, with the rights that Ivan needs"),
            ));
        }
    }

    async fn may_read(&self, name: &RepoName) -> Option<Finding> {
        let request = Request::get(
            format!("/repos/{name}/issues"),
            format!("the issues of {name}"),
        );
        let request = request.with("per_page", 1);
        let asked = self.client.get::<Listed<IgnoredAny>>(&request).await;
        let error = asked.err()?;
        Some(Finding::broken(
            AREA,
            "github.issues",
            format!("The issues of {name} cannot be read"),
            error.to_string(),
            self.issues_remedy(),
        ))
    }

    /// The label that `start` adds.
    async fn label(&self, name: &RepoName) -> Option<Finding> {
        let label = &self.mapping.in_progress_label;
        let path = format!("/repos/{name}/labels/{}", segment(label));
        let request = Request::get(path, format!("the label {label} of {name}"));
        match self.client.is_so(&request).await {
            Ok(false) => Some(Finding::warning(
                AREA,
                "github.label",
                format!("{name} has no label `{label}`"),
                "`start` makes an issue the person's current task, and GitHub does not show that it is in work",
                format!(
                    "gh label create \"{label}\" --repo {name}; or set github.in_progress_label to one that is there"
                ),
            )),
            // What else is wrong shows elsewhere.
            Ok(true) | Err(_) => None,
        }
    }

    /// Sends an issue without a title. GitHub refuses it as invalid to those who may write, and as forbidden to others
    /// (docs/contracts/github.md#calls).
    async fn may_write(&self, name: &RepoName) -> Option<Finding> {
        let path = format!("/repos/{name}/issues");
        let request = Request::post(path, format!("the issues of {name}"), json!({}));
        let url = self.client.rest.address(&request);
        let why = match self.client.exchange(&request, url).await {
            Ok(answer) if answer.status == 422 => return None,
            Ok(answer) => format!("GitHub answers an issue with HTTP {}", answer.status),
            Err(error) => error.to_string(),
        };
        Some(Finding::broken(
            AREA,
            "github.issues_write",
            format!("Issues of {name} cannot be written"),
            why,
            self.issues_remedy(),
        ))
    }

    /// A repository that cannot be read.
    fn unseen(&self, name: &RepoName, error: &WriteError) -> Finding {
        let check = "github.repository";
        match (error, &self.app) {
            (
                WriteError::Refused {
                    what: Refusal::Invisible,
                    ..
                },
                Some(_),
            ) => Finding::broken(
                AREA,
                check,
                format!("The GitHub App does not see the repository {name}"),
                "Its issues are not read, and nothing can be created there",
                "Correct github.repo or github.repos, or add the repository to the App's installation (GitHub → Settings → \
                 GitHub Apps → Configure → Repository access)",
            ),
            _ => unseen(name, error),
        }
    }
}

/// The App in the words of a finding.
fn in_words(app: &WireApp, installation: &WireInstallation) -> String {
    let at = installation.account.as_ref();
    let at = at.map_or(String::new(), |account| format!(" ({})", account.login));
    format!(
        "The GitHub App is accepted; Ivan acts as {}[bot] in the installation {}{at}",
        app.slug, installation.id
    )
}

/// The permission that an App must have, and those that Ivan does not use.
fn permissions(app: &WireApp, installation: &WireInstallation) -> Option<Finding> {
    // Those that Ivan uses, and one that GitHub adds to each App.
    let is_used = |name: &&str| PERMISSIONS.iter().any(|(used, _)| used == name);
    let check = "github.app_permissions";
    let granted = &installation.permissions;
    if granted.get("issues").is_none_or(|level| level == "read") {
        return Some(Finding::broken(
            AREA,
            check,
            format!("The GitHub App {} may not write issues", app.slug),
            "Nothing can be completed, commented on or created in GitHub",
            APP_ISSUES,
        ));
    }
    let surplus = granted.keys().map(String::as_str);
    let surplus: Vec<&str> = surplus.filter(|name| !is_used(name)).collect();
    (!surplus.is_empty()).then(|| {
        Finding::warning(
            AREA,
            check,
            format!(
                "The GitHub App has permissions that Ivan does not use: {}",
                surplus.join(", ")
            ),
            "Who steals the App's key can do more than Ivan",
            "Take them away in the App's settings → Permissions & events",
        )
    })
}

/// Classic tokens list their scopes.
fn scopes(facts: &TokenFacts, pages: &str) -> Option<Finding> {
    let granted = facts.scopes.as_ref()?;
    let check = "github.scopes";
    if !ISSUES.iter().any(|scope| granted.contains(*scope)) {
        return Some(Finding::broken(
            AREA,
            check,
            "The classic token lacks the scope `repo`",
            "Without it, issues of private repositories are invisible, and none can be written",
            format!(
                "Tick `repo` at {pages}/settings/tokens (or `public_repo`, if all repositories are public)"
            ),
        ));
    }
    let is_used = |scope: &str| ISSUES.contains(&scope) || HOOKS.contains(&scope);
    let surplus: Vec<&str> = granted
        .iter()
        .map(String::as_str)
        .filter(|scope| !is_used(scope))
        .collect();
    (!surplus.is_empty()).then(|| {
        Finding::warning(
            AREA,
            check,
            format!("The classic token has scopes that Ivan does not use: {}", surplus.join(", ")),
            "Who steals the token can do more than Ivan",
            format!("Use a fine-grained token for the repositories alone, or take these scopes away at {pages}/settings/tokens"),
        )
    })
}

/// A repository that cannot be read.
fn unseen(name: &RepoName, error: &WriteError) -> Finding {
    let check = "github.repository";
    match error {
        WriteError::Refused {
            what: Refusal::Invisible,
            ..
        } => Finding::broken(
            AREA,
            check,
            format!("The token does not see the repository {name}"),
            "Its issues are not read, and nothing can be created there",
            "Correct github.repo or github.repos, or add the repository to the token (GitHub → Settings → Developer settings \
             → Fine-grained tokens → Edit → Repository access)",
        ),
        _ => Finding::broken(
            AREA,
            check,
            format!("The repository {name} cannot be read"),
            error.to_string(),
            "Run `ivan doctor` again when GitHub responds",
        ),
    }
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

    #[rstest]
    #[case::enough(&["repo", "admin:repo_hook"], None)]
    #[case::public_only(&["public_repo"], None)]
    #[case::too_few(&["gist"], Some("lacks the scope `repo`"))]
    #[case::too_many(&["repo", "delete_repo"], Some("does not use: delete_repo"))]
    fn the_scopes_of_a_classic_token_are_judged(
        #[case] granted: &[&str],
        #[case] text: Option<&str>,
    ) {
        let facts = TokenFacts {
            scopes: Some(granted.iter().map(|&scope| scope.to_owned()).collect()),
            ..TokenFacts::default()
        };
        let found = scopes(&facts, address::GITHUB);
        assert_eq!(found.is_some(), text.is_some());
        if let (Some(found), Some(text)) = (found, text) {
            assert!(found.text.contains(text), "{}", found.text);
        }
        assert_eq!(scopes(&TokenFacts::default(), address::GITHUB), None);
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
