//! Tests the sandbox over HTTP: GitHub's behaviour, refusals and deliveries.

use reqwest::Method;
use rstest::rstest;
use serde_json::json;

use super::*;
use crate::sandbox::fault_server::{Fault, FaultKind};
use crate::sandbox::wire::hmac_sha256;
use crate::sandbox::{Seed, hook_end, http_client, shaped_like};

const REPO: &str = "acme/widgets";

macro_rules! fixture {
    ($name:literal) => {
        serde_json::from_str::<Value>(include_str!(concat!(
            "../../../fixtures/github/",
            $name,
            ".json"
        )))
        .unwrap()
    };
}

async fn github() -> SandboxGitHub {
    SandboxGitHub::start(&Seed::empty().github).await.unwrap()
}

struct Got {
    status: u16,
    headers: reqwest::header::HeaderMap,
    body: Value,
}

impl Got {
    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map(|value| value.to_str().unwrap())
            .unwrap_or_default()
    }
}

impl SandboxGitHub {
    async fn ask_with(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Got {
        let url = if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("{}{path}", self.api_url())
        };
        let mut request = http_client()
            .request(Method::from_bytes(method.as_bytes()).unwrap(), url)
            .bearer_auth(self.token())
            .header("user-agent", "test")
            .header("accept", "application/vnd.github+json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Got {
            status,
            headers,
            body: serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default(),
        }
    }

    async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Got {
        self.ask_with(method, path, body, &[]).await
    }

    async fn numbers(&self, query: &str) -> Vec<u64> {
        let got = self
            .ask("GET", &format!("/repos/{REPO}/issues{query}"), None)
            .await;
        assert_eq!(got.status, 200, "{}", got.body);
        got.body
            .as_array()
            .unwrap()
            .iter()
            .map(|issue| issue["number"].as_u64().unwrap())
            .collect()
    }
}

#[tokio::test]
async fn answers_have_the_shape_of_the_fixtures() {
    let github = github().await;
    let wish = json!({"title": "Fix login", "body": "Seen twice.", "labels": ["client"], "assignees": ["ana"]});
    let made = github
        .ask("POST", "/repos/acme/widgets/issues", Some(wish))
        .await;
    assert_eq!(made.status, 201);
    shaped_like(&fixture!("post_issue__201"), &made.body, "$");
    github.add_pull_request(REPO, "Bump");
    let path = "/repos/acme/widgets/issues/1";
    shaped_like(
        &fixture!("get_issue"),
        &github.ask("GET", path, None).await.body,
        "$",
    );
    shaped_like(
        &fixture!("list_issues"),
        &github
            .ask("GET", "/repos/acme/widgets/issues?direction=asc", None)
            .await
            .body,
        "$",
    );
    let posted = github
        .ask(
            "POST",
            &format!("{path}/comments"),
            Some(json!({"body": "shipped"})),
        )
        .await;
    assert_eq!(posted.status, 201);
    shaped_like(&fixture!("post_comment__201"), &posted.body, "$");
    shaped_like(
        &fixture!("list_comments"),
        &github
            .ask("GET", &format!("{path}/comments"), None)
            .await
            .body,
        "$",
    );
    let close = json!({"state": "closed", "state_reason": "completed"});
    let closed = github.ask("PATCH", path, Some(close)).await;
    assert_eq!(
        (closed.status, &closed.body["closed_by"]["login"]),
        (200, &json!("ivan-bot"))
    );
    shaped_like(&fixture!("patch_issue"), &closed.body, "$");
    shaped_like(
        &fixture!("get_repo"),
        &github.ask("GET", "/repos/acme/widgets", None).await.body,
        "$",
    );
    shaped_like(
        &fixture!("get_user"),
        &github.ask("GET", "/user", None).await.body,
        "$",
    );
    shaped_like(
        &fixture!("get_rate_limit"),
        &github.ask("GET", "/rate_limit", None).await.body,
        "$",
    );
    let hook = json!({"name": "web", "active": true, "events": ["issues"],
                      "config": {"url": "https://bot.example/x", "content_type": "json", "secret": "s", "insecure_ssl": "0"}});
    let hook = github
        .ask("POST", "/repos/acme/widgets/hooks", Some(hook))
        .await;
    assert_eq!(hook.status, 201, "{}", hook.body);
    shaped_like(&fixture!("post_hook__201"), &hook.body, "$");
    shaped_like(
        &fixture!("list_hooks"),
        &github
            .ask("GET", "/repos/acme/widgets/hooks", None)
            .await
            .body,
        "$",
    );
}

#[rstest]
#[case::no_token(&[], 401)]
#[case::other_token(&[("authorization", "Bearer ghp_other"), ("user-agent", "test")], 401)]
#[case::no_bearer(&[("authorization", "github_pat_sandbox_GITHUBTOKEN"), ("user-agent", "test")], 401)]
#[case::no_user_agent(&[("authorization", "Bearer github_pat_sandbox_GITHUBTOKEN")], 403)]
#[case::no_such_version(&[("authorization", "Bearer github_pat_sandbox_GITHUBTOKEN"), ("user-agent", "test"),
                          ("x-github-api-version", "2021-01-01")], 400)]
#[tokio::test]
async fn refuses_who_does_not_introduce_himself(
    #[case] headers: &[(&str, &str)],
    #[case] status: u16,
) {
    let github = github().await;
    let mut request = http_client().get(format!("{}/user", github.api_url()));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if headers.is_empty() {
        request = request.header("user-agent", "test");
    }
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status().as_u16(), status);
    let body: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    assert_eq!(body["status"], status.to_string());
    assert!(body["message"] != "Bad credentials" || body == fixture!("401"));
}

#[rstest]
#[case::no_route("GET", "/repos/acme/widgets/nothing", None, 404, "Not Found")]
#[case::trailing_slash("GET", "/repos/acme/widgets/issues/", None, 404, "Not Found")]
#[case::no_repo("GET", "/repos/acme/other", None, 404, "Not Found")]
#[case::hidden_repo("GET", "/repos/acme/hidden", None, 404, "Not Found")]
#[case::no_issue("GET", "/repos/acme/widgets/issues/99", None, 404, "Not Found")]
#[case::deleted(
    "GET",
    "/repos/acme/widgets/issues/2",
    None,
    410,
    "This issue was deleted"
)]
#[case::disabled(
    "GET",
    "/repos/acme/silent/issues",
    None,
    410,
    "Issues are disabled for this repo"
)]
#[case::archived("POST", "/repos/acme/old/issues", Some(json!({"title": "x"})), 403, "Repository was archived so is read-only.")]
#[case::locked("POST", "/repos/acme/widgets/issues/3/comments", Some(json!({"body": "x"})), 403,
               "Unable to create comment because issue is locked.")]
#[case::no_push("PATCH", "/repos/acme/read/issues/1", Some(json!({"state": "closed"})), 403,
                "Resource not accessible by personal access token")]
#[case::no_admin(
    "GET",
    "/repos/acme/read/hooks",
    None,
    403,
    "Resource not accessible by personal access token"
)]
#[case::no_title("POST", "/repos/acme/widgets/issues", Some(json!({"body": "x"})), 422, "Validation Failed")]
#[case::long_title("POST", "/repos/acme/widgets/issues", Some(json!({"title": "é".repeat(257)})), 422, "Validation Failed")]
#[case::long_body("POST", "/repos/acme/widgets/issues", Some(json!({"title": "x", "body": "x".repeat(65_537)})), 422,
                  "Validation Failed")]
#[case::unknown_assignee("POST", "/repos/acme/widgets/issues", Some(json!({"title": "x", "assignees": ["nobody"]})), 422,
                         "Validation Failed")]
#[case::unknown_state("PATCH", "/repos/acme/widgets/issues/1", Some(json!({"state": "done"})), 422, "Validation Failed")]
#[case::empty_comment("POST", "/repos/acme/widgets/issues/1/comments", Some(json!({"body": " "})), 422, "Validation Failed")]
#[case::no_object("POST", "/repos/acme/widgets/issues", Some(json!([])), 400, "Body should be a JSON object")]
#[case::no_json(
    "POST",
    "/repos/acme/widgets/issues",
    None,
    415,
    "Unsupported Media Type"
)]
#[case::unknown_label(
    "DELETE",
    "/repos/acme/widgets/issues/1/labels/none",
    None,
    404,
    "Label does not exist"
)]
#[case::loopback_hook("POST", "/repos/acme/widgets/hooks",
                      Some(json!({"events": ["issues"], "config": {"url": "http://127.0.0.1:9/x"}})), 422, "Validation Failed")]
#[case::unknown_event("POST", "/repos/acme/widgets/hooks",
                      Some(json!({"events": ["issue"], "config": {"url": "https://bot.example"}})), 422, "Validation Failed")]
#[tokio::test]
async fn refuses(
    #[case] method: &str,
    #[case] path: &str,
    #[case] body: Option<Value>,
    #[case] status: u16,
    #[case] message: &str,
) {
    let github = github().await;
    for (name, id) in [
        ("old", 1005),
        ("silent", 1006),
        ("read", 1007),
        ("hidden", 1008),
    ] {
        github.add_repo(&format!("acme/{name}"), id);
    }
    github.add_issue("acme/read", json!({"title": "Theirs"}));
    github.archive_repo("acme/old", true);
    github.enable_issues("acme/silent", false);
    github.permit("acme/read", false, false);
    github.hide_repo("acme/hidden", true);
    for title in ["One", "Two", "Three"] {
        github.add_issue(REPO, json!({"title": title}));
    }
    github.delete_issue(REPO, 2);
    github.lock_issue(REPO, 3, true);
    let before = github.issues(REPO);
    let got = github.ask(method, path, body).await;
    assert_eq!(
        (got.status, got.body["message"].as_str()),
        (status, Some(message)),
        "{}",
        got.body
    );
    let words = [
        fixture!("403_permission"),
        fixture!("403_locked"),
        fixture!("403_archived"),
        fixture!("404"),
        fixture!("410_disabled"),
        fixture!("410_deleted"),
        fixture!("422_title_missing"),
        fixture!("422_title_too_long"),
    ];
    assert!(
        status == 422
            || !words.iter().any(|known| known["message"] == message)
            || words.contains(&got.body)
    );
    assert!(
        !path.ends_with("/issues") || status != 422 || got.body["errors"][0]["resource"] == "Issue"
    );
    assert_eq!(github.issues(REPO), before);
    github.issue(REPO, 1).has_comments([]);
}

#[tokio::test]
async fn broken_json_is_refused() {
    let github = github().await;
    let url = format!("{}/repos/{REPO}/issues", github.api_url());
    let request = http_client()
        .post(url)
        .bearer_auth(github.token())
        .header("user-agent", "test");
    let answer = request
        .header("content-type", "application/json")
        .body("{")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status().as_u16(), 400);
    assert_eq!(
        serde_json::from_str::<Value>(&answer.text().await.unwrap()).unwrap(),
        fixture!("400_parsing")
    );
}

#[tokio::test]
async fn listings_have_pull_requests_pages_and_a_since_that_is_inclusive() {
    let github = github().await;
    for number in 1..=31 {
        github.add_issue(
            REPO,
            json!({"title": format!("issue {number}"), "created_days_ago": 40 - number}),
        );
    }
    github.add_pull_request(REPO, "Bump");
    github.close_as(REPO, 5, "ana");
    let first = github.ask("GET", "/repos/acme/widgets/issues", None).await;
    let issues = first.body.as_array().unwrap();
    assert_eq!((issues.len(), &issues[0]["number"]), (30, &json!(32)));
    assert!(issues[0]["pull_request"].is_object());
    let next = first
        .header("link")
        .split(';')
        .next()
        .unwrap()
        .trim_matches(['<', '>'])
        .to_owned();
    assert!(next.contains("/repositories/1001/issues?page=2"), "{next}");
    let second = github.ask("GET", &next, None).await;
    assert_eq!(second.body.as_array().unwrap().len(), 1);
    assert!(!second.header("link").contains("rel=\"next\""));
    assert_eq!(github.numbers("?state=closed").await, [5]);
    assert_eq!(github.numbers("?state=all&per_page=500").await.len(), 32);
    let since = github.issue(REPO, 30).json()["updated_at"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        github
            .numbers(&format!(
                "?state=all&sort=updated&direction=asc&since={since}"
            ))
            .await,
        [30, 31, 5, 32]
    );
    assert_eq!(github.numbers("?state=all&creator=ivan-bot").await, [0; 0]);
}

#[tokio::test]
async fn an_etag_saves_the_answer_until_something_changes() {
    let github = github().await;
    github.add_issue(REPO, json!({"title": "One"}));
    let path = "/repos/acme/widgets/issues?state=all&per_page=1";
    let first = github.ask("GET", path, None).await;
    let tag = first.header("etag").to_owned();
    let second = github
        .ask_with("GET", path, None, &[("if-none-match", &tag)])
        .await;
    assert_eq!((second.status, &second.body), (304, &Value::Null));
    assert_eq!(
        second.header("x-ratelimit-remaining"),
        first.header("x-ratelimit-remaining")
    );
    github.rename_issue(REPO, 1, "Other");
    assert_eq!(
        github
            .ask_with("GET", path, None, &[("if-none-match", &tag)])
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn the_newer_version_has_no_singular_assignee() {
    let github = github().await;
    github.add_issue(REPO, json!({"title": "One", "assignees": ["ana"]}));
    let path = "/repos/acme/widgets/issues/1";
    assert_eq!(
        github.ask("GET", path, None).await.body["assignee"]["login"],
        "ana"
    );
    let new = [("x-github-api-version", "2026-03-10")];
    assert_eq!(
        github
            .ask_with("GET", path, None, &new)
            .await
            .body
            .get("assignee"),
        None
    );
}

#[tokio::test]
async fn closing_what_is_closed_changes_nothing() {
    let github = github().await;
    github.add_issue(REPO, json!({"title": "One", "updated_days_ago": 3}));
    github.close_as(REPO, 1, "ana");
    let before = github.issue(REPO, 1).is("closed").json();
    let again = json!({"state": "closed", "state_reason": "not_planned"});
    assert_eq!(
        github
            .ask("PATCH", "/repos/acme/widgets/issues/1", Some(again))
            .await
            .status,
        200
    );
    assert_eq!(github.issue(REPO, 1).json(), before);
    github
        .ask(
            "PATCH",
            "/repos/acme/widgets/issues/1",
            Some(json!({"state": "open"})),
        )
        .await;
    assert_eq!(
        github.issue(REPO, 1).is("open").json()["state_reason"],
        "reopened"
    );
}

#[tokio::test]
async fn without_push_labels_and_assignees_are_dropped_in_silence() {
    let github = github().await;
    github.permit(REPO, false, false);
    let wish = json!({"title": "One", "labels": ["x"], "assignees": ["ana"]});
    let made = github
        .ask("POST", "/repos/acme/widgets/issues", Some(wish))
        .await;
    assert_eq!(
        (made.status, &made.body["labels"], &made.body["assignees"]),
        (201, &json!([]), &json!([]))
    );
}

#[tokio::test]
async fn a_type_is_one_of_the_organization_and_without_push_it_is_dropped_in_silence() {
    let github = github().await;
    github.add_type(REPO, "Bug", true);
    github.add_type(REPO, "Epic", false);
    github.add_repo("bo/notes", 1900);
    for repo in [REPO, "bo/notes"] {
        github.add_issue(repo, json!({"title": "One"}));
    }
    let path = format!("/repos/{REPO}/issues/1");
    let set = |name: Value| Some(json!({ "type": name }));
    let made = github.ask("PATCH", &path, set(json!("bug"))).await;
    assert_eq!(
        (made.status, &made.body["type"]["name"]),
        (200, &json!("Bug"))
    );
    for (path, name) in [
        (path.as_str(), json!("Epic")),
        (path.as_str(), json!("Task")),
        (path.as_str(), json!(7)),
        ("/repos/bo/notes/issues/1", json!("Bug")),
    ] {
        let refused = github.ask("PATCH", path, set(name.clone())).await;
        assert_eq!(refused.status, 422, "{name}");
    }
    for (shown, statuses) in [
        (TypesShown::Everywhere, [200, 200, 404, 404]),
        (TypesShown::InTheOrganization, [404, 200, 404, 404]),
        (TypesShown::Nowhere, [404, 403, 404, 404]),
    ] {
        github.show_types(shown);
        let mut got = Vec::new();
        for path in [
            "/repos/acme/widgets/issue-types",
            "/orgs/acme/issue-types",
            "/repos/bo/notes/issue-types",
            "/orgs/bo/issue-types",
        ] {
            got.push(github.ask("GET", path, None).await.status);
        }
        assert_eq!(got, statuses, "{shown:?}");
    }
    github.permit(REPO, false, false);
    github.add_issue(REPO, json!({"title": "Two", "user": "ivan-bot"}));
    let own = format!("/repos/{REPO}/issues/2");
    let dropped = github.ask("PATCH", &own, set(json!("Bug"))).await;
    assert_eq!((dropped.status, &dropped.body["type"]), (200, &Value::Null));
    github.permit(REPO, true, false);
    let cleared = github.ask("PATCH", &path, set(Value::Null)).await;
    assert_eq!((cleared.status, &cleared.body["type"]), (200, &Value::Null));
}

#[tokio::test]
async fn assignees_go_by_any_case_and_without_push_nowhere() {
    let github = github().await;
    github.add_issue(REPO, json!({"title": "One"}));
    let path = format!("/repos/{REPO}/issues/1/assignees");
    let ana = || Some(json!({"assignees": ["ANA"]}));
    let added = github.ask("POST", &path, ana()).await;
    assert_eq!(
        (added.status, github.issue(REPO, 1).assignees()),
        (201, vec!["ana".to_owned()])
    );
    github.permit(REPO, false, false);
    let ignored = github.ask("DELETE", &path, ana()).await;
    assert_eq!(
        (ignored.status, github.issue(REPO, 1).assignees().len()),
        (200, 1)
    );
    github.permit(REPO, true, false);
    github.ask("DELETE", &path, ana()).await;
    github.permit(REPO, false, false);
    let ignored = github.ask("POST", &path, ana()).await;
    assert_eq!(
        (ignored.status, github.issue(REPO, 1).assignees().len()),
        (201, 0)
    );
}

#[tokio::test]
async fn labels_and_assignees_are_added_and_taken_away() {
    let github = github().await;
    github.add_issue(REPO, json!({"title": "One", "labels": ["bug"]}));
    let path = "/repos/acme/widgets/issues/1";
    github
        .ask(
            "POST",
            &format!("{path}/labels"),
            Some(json!({"labels": ["in progress", "bug"]})),
        )
        .await;
    assert_eq!(github.issue(REPO, 1).labels(), ["bug", "in progress"]);
    assert_eq!(
        github
            .ask("DELETE", &format!("{path}/labels/in%20progress"), None)
            .await
            .status,
        200
    );
    assert_eq!(github.issue(REPO, 1).labels(), ["bug"]);
    github
        .ask(
            "POST",
            &format!("{path}/assignees"),
            Some(json!({"assignees": ["ana", "nobody"]})),
        )
        .await;
    assert_eq!(github.issue(REPO, 1).assignees(), ["ana"]);
    github
        .ask(
            "DELETE",
            &format!("{path}/assignees"),
            Some(json!({"assignees": ["ana"]})),
        )
        .await;
    assert_eq!(github.issue(REPO, 1).assignees(), [""; 0]);
}

#[tokio::test]
async fn sub_issues_are_added_once_and_counted() {
    let github = github().await;
    for title in ["Release", "Login fails", "Update the docs"] {
        github.add_issue(REPO, json!({"title": title}));
    }
    let at = |number: u64, tail: &str| format!("/repos/{REPO}/issues/{number}{tail}");
    let whole = github.ask("GET", &at(1, ""), None).await.body;
    let part = github.ask("GET", &at(2, ""), None).await.body;
    assert_eq!(whole["sub_issues_summary"]["total"], 0);
    assert!(part.get("parent_issue_url").is_none());
    let body = json!({"sub_issue_id": part["id"]});
    let post = async |number: u64, body: Value| {
        let path = at(number, "/sub_issues");
        github.ask("POST", &path, Some(body)).await
    };
    for (odd, status) in [
        (json!({}), 422),
        (json!({"sub_issue_id": part["id"].to_string()}), 422),
        (json!({"sub_issue_id": 2}), 404),
        (json!({"sub_issue_id": whole["id"]}), 422),
    ] {
        assert_eq!(post(1, odd.clone()).await.status, status, "{odd}");
    }
    assert_eq!(post(1, body.clone()).await.status, 201);
    let again = post(1, body.clone()).await;
    assert_eq!(again.status, 422);
    let message = again.body["message"].as_str().unwrap();
    assert!(message.ends_with(
        "Issue may not contain duplicate sub-issues and Sub issue may only have one parent"
    ));
    assert_eq!(post(3, body.clone()).await.status, 422);
    // In a circle.
    assert_eq!(
        post(2, json!({"sub_issue_id": whole["id"]})).await.status,
        422
    );
    github.close_as(REPO, 2, "bo");
    let whole = github.ask("GET", &at(1, ""), None).await.body;
    let summary = json!({"total": 1, "completed": 1, "percent_completed": 100});
    assert_eq!(whole["sub_issues_summary"], summary);
    let part = github.ask("GET", &at(2, ""), None).await.body;
    assert_eq!(part["parent_issue_url"], whole["url"]);
    let parent = github.ask("GET", &at(2, "/parent"), None).await;
    assert_eq!((parent.status, &parent.body["number"]), (200, &json!(1)));
    assert_eq!(github.ask("GET", &at(1, "/parent"), None).await.status, 404);
    let parts = github.ask("GET", &at(1, "/sub_issues"), None).await.body;
    assert_eq!(parts[0]["number"], 2);
    let replaced = json!({"sub_issue_id": part["id"], "replace_parent": true});
    assert_eq!(post(3, replaced).await.status, 201);
    assert_eq!(github.issue(REPO, 2).parent(), Some(3));
    let path = at(3, "/sub_issue");
    assert_eq!(
        github.ask("DELETE", &path, Some(body.clone())).await.status,
        200
    );
    assert_eq!(
        github.ask("DELETE", &path, Some(body.clone())).await.status,
        404
    );
    github.permit(REPO, false, false);
    assert_eq!(post(1, body).await.status, 403);
}

#[tokio::test]
async fn a_renamed_repository_redirects_until_somebody_takes_its_name() {
    let github = github().await;
    github.add_issue(REPO, json!({"title": "One"}));
    github.rename_repo(REPO, "acme/gizmos");
    let path = "/repos/acme/widgets/issues/1";
    let read = github.ask("GET", path, None).await;
    assert_eq!(
        (read.status, read.header("location")),
        (
            301,
            format!("{}/repositories/1001/issues/1", github.api_url()).as_str()
        )
    );
    assert_eq!(
        github.ask("GET", read.header("location"), None).await.body["title"],
        "One"
    );
    let write = github
        .ask(
            "POST",
            &format!("{path}/comments"),
            Some(json!({"body": "x"})),
        )
        .await;
    assert_eq!(write.status, 307);
    github.issue("acme/gizmos", 1).has_comments([]);
    github.add_repo(REPO, 1999);
    assert_eq!(github.ask("GET", path, None).await.status, 404);
    assert_eq!(
        github.ask("GET", "/repos/acme/widgets", None).await.body["id"],
        1999
    );
}

#[tokio::test]
async fn a_transferred_issue_redirects_and_has_its_comments() {
    let github = github().await;
    github.add_repo("acme/gadgets", 1002);
    github.add_issue(REPO, json!({"title": "One"}));
    github.comment_as(REPO, 1, "bo", "hi");
    let (end, url) = hook_end().await;
    github.add_hook(&url, "s");
    let number = github.transfer_issue(REPO, 1, "acme/gadgets");
    let got = github
        .ask(
            "PATCH",
            "/repos/acme/widgets/issues/1",
            Some(json!({"state": "closed"})),
        )
        .await;
    assert_eq!(got.status, 301);
    assert!(
        got.header("location")
            .ends_with("/repositories/1002/issues/1")
    );
    github
        .issue("acme/gadgets", number)
        .is("open")
        .has_comments(["hi"]);
    github.settled().await;
    let bodies: Vec<Value> = end
        .journal()
        .iter()
        .map(|seen| serde_json::from_str(&seen.body).unwrap())
        .collect();
    let [_, _, left, came] = bodies.as_slice() else {
        panic!("two pings and two events: {bodies:?}")
    };
    shaped_like(&fixture!("issues__transferred"), left, "$");
    shaped_like(&fixture!("issues__opened__by_transfer"), came, "$");
}

#[tokio::test]
async fn listings_lag_when_told_to() {
    let github = github().await;
    github.add_issue(REPO, json!({"title": "Old"}));
    github.lag(true);
    github.add_issue(REPO, json!({"title": "New"}));
    github.comment_as(REPO, 1, "bo", "new");
    let comments = "/repos/acme/widgets/issues/1/comments";
    assert_eq!(github.numbers("").await, [1]);
    assert_eq!(github.ask("GET", comments, None).await.body, json!([]));
    github.lag(false);
    assert_eq!(github.numbers("").await, [2, 1]);
    assert_eq!(
        github.ask("GET", comments, None).await.body[0]["body"],
        "new"
    );
}

#[tokio::test]
async fn limits_say_what_the_contract_says() {
    let github = github().await;
    github.secondary_limit(1, Some(7));
    let limited = github.ask("GET", "/user", None).await;
    assert_eq!((limited.status, limited.header("retry-after")), (403, "7"));
    assert_eq!(limited.body, fixture!("403_secondary_rate_limit"));
    let expires = github
        .ask("GET", "/user", None)
        .await
        .header("github-authentication-token-expiration")
        .to_owned();
    assert!(
        expires.starts_with("20") && expires.ends_with(" UTC") && expires.len() == 23,
        "{expires}"
    );
    github.rate_limit(1);
    assert_eq!(
        github
            .ask("GET", "/user", None)
            .await
            .header("x-ratelimit-remaining"),
        "0"
    );
    let limited = github.ask("GET", "/user", None).await;
    assert_eq!(
        (limited.status, limited.header("x-ratelimit-remaining")),
        (403, "0")
    );
    assert_eq!(limited.body, fixture!("403_primary_rate_limit"));
    github.rate_limit_for(0, Duration::ZERO);
    assert_eq!(github.ask("GET", "/user", None).await.status, 200);
}

#[tokio::test]
async fn eighty_creations_a_minute_are_the_most() {
    let github = github().await;
    github.add_issue(REPO, json!({"title": "One"}));
    for number in 0..81 {
        let comment = json!({"body": format!("comment {number}")});
        let got = github
            .ask(
                "POST",
                "/repos/acme/widgets/issues/1/comments",
                Some(comment),
            )
            .await;
        assert_eq!(got.status, if number < 80 { 201 } else { 403 });
    }
    assert_eq!(github.issue(REPO, 1).comments().len(), 80);
    github.enforce_secondary(false);
    assert_eq!(
        github
            .ask(
                "POST",
                "/repos/acme/widgets/issues",
                Some(json!({"title": "x"}))
            )
            .await
            .status,
        201
    );
}

#[tokio::test]
async fn a_comment_that_was_applied_and_lost_is_found_by_its_marker() {
    let github = github().await;
    github.add_issue(REPO, json!({"title": "One"}));
    github.front().fault(Fault::new(FaultKind::ApplyThenAnswer {
        status: 502,
        headers: vec![],
        body: String::new(),
    }));
    let body = "shipped\n\n<!-- ivan:op=01J -->";
    assert_eq!(
        github
            .ask(
                "POST",
                "/repos/acme/widgets/issues/1/comments",
                Some(json!({"body": body}))
            )
            .await
            .status,
        502
    );
    github.issue(REPO, 1).has_comments(["shipped"]);
    let since = github.issue(REPO, 1).json()["updated_at"]
        .as_str()
        .unwrap()
        .to_owned();
    let found = github
        .ask(
            "GET",
            &format!("/repos/acme/widgets/issues/1/comments?since={since}&per_page=100"),
            None,
        )
        .await;
    assert_eq!(found.body[0]["body"], body);
    let all = github
        .ask(
            "GET",
            "/repos/acme/widgets/issues/comments?sort=updated&direction=asc",
            None,
        )
        .await;
    assert!(
        all.body[0]["issue_url"]
            .as_str()
            .unwrap()
            .ends_with("/issues/1")
    );
}

#[tokio::test]
async fn every_change_is_delivered_signed() {
    let github = github().await;
    let (end, url) = hook_end().await;
    github.add_hook(&url, "It's a Secret to Everybody");
    github.add_issue(REPO, json!({"title": "One", "labels": ["client"]}));
    github
        .ask(
            "PATCH",
            "/repos/acme/widgets/issues/1",
            Some(json!({"state": "closed"})),
        )
        .await;
    github
        .ask(
            "PATCH",
            "/repos/acme/widgets/issues/1",
            Some(json!({"state": "closed"})),
        )
        .await;
    github.reopen_as(REPO, 1, "bo");
    github.rename_issue(REPO, 1, "Other");
    let comment = github.comment_as(REPO, 1, "bo", "thanks ✓");
    github.edit_comment_as(comment, "bo", "more");
    github.delete_comment_as(comment, "bo");
    github.add_pull_request(REPO, "Bump");
    github.archive_repo(REPO, true);
    github.archive_repo(REPO, false);
    github.rename_repo(REPO, "acme/gizmos");
    github.delete_issue("acme/gizmos", 1);
    github.settled().await;
    let deliveries = github.deliveries();
    let events: Vec<_> = deliveries
        .iter()
        .map(|delivery| delivery.parcel.event.as_str())
        .collect();
    assert_eq!(
        events,
        [
            "ping",
            "issues.opened",
            "issues.labeled",
            "issues.closed",
            "issues.reopened",
            "issues.edited",
            "issue_comment.created",
            "issue_comment.edited",
            "issue_comment.deleted",
            "repository.archived",
            "repository.unarchived",
            "repository.renamed",
            "issues.deleted",
        ]
    );
    let seen = end.journal();
    for seen in &seen {
        let signature = format!(
            "sha256={}",
            hmac_sha256("It's a Secret to Everybody", seen.body.as_bytes())
        );
        assert_eq!(seen.header("x-hub-signature-256"), Some(signature.as_str()));
        assert_eq!(
            seen.header("x-github-hook-installation-target-id"),
            Some("1001")
        );
        assert!(
            seen.header("user-agent")
                .unwrap()
                .starts_with("GitHub-Hookshot/")
        );
    }
    assert_eq!(seen[3].header("x-github-event"), Some("issues"));
    let body = |at: usize| serde_json::from_str::<Value>(&seen[at].body).unwrap();
    shaped_like(&fixture!("ping"), &body(0), "$");
    shaped_like(&fixture!("issues__opened"), &body(1), "$");
    shaped_like(&fixture!("issues__labeled"), &body(2), "$");
    shaped_like(&fixture!("issues__closed"), &body(3), "$");
    assert_eq!(body(3)["sender"]["login"], "ivan-bot");
    shaped_like(&fixture!("issues__edited"), &body(5), "$");
    shaped_like(&fixture!("issue_comment__created"), &body(6), "$");
    shaped_like(&fixture!("issue_comment__edited"), &body(7), "$");
    shaped_like(&fixture!("repository__renamed"), &body(11), "$");
}

#[tokio::test]
async fn a_hook_without_a_content_type_gets_forms() {
    let github = github().await;
    let (end, url) = hook_end().await;
    github.tunnel("https://bot.example", url.trim_end_matches("/webhooks/x"));
    let hook = json!({"events": ["issues"], "config": {"url": "https://bot.example/webhooks/x", "secret": "s"}});
    let made = github
        .ask("POST", "/repos/acme/widgets/hooks", Some(hook.clone()))
        .await;
    assert_eq!(
        (made.status, &made.body["config"]["content_type"]),
        (201, &json!("form"))
    );
    assert_eq!(
        github
            .ask("POST", "/repos/acme/widgets/hooks", Some(hook))
            .await
            .status,
        422
    );
    github.add_issue(REPO, json!({"title": "café ✓"}));
    github.settled().await;
    let seen = end.journal()[1].clone();
    assert_eq!(
        seen.header("content-type"),
        Some("application/x-www-form-urlencoded")
    );
    let (_, payload) = url::form_urlencoded::parse(seen.body.as_bytes())
        .next()
        .unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(&payload).unwrap()["issue"]["title"],
        "café ✓"
    );
}

#[tokio::test]
async fn a_failed_delivery_is_not_repeated_and_can_be_asked_for() {
    let github = github().await;
    let (end, url) = hook_end().await;
    let hook = github.add_hook(&url, "s");
    github.settled().await;
    end.fault(Fault::new(FaultKind::answer(500, "")));
    github.add_issue(REPO, json!({"title": "One"}));
    github.lose_next(1);
    github.close_as(REPO, 1, "ana");
    github.settled().await;
    assert_eq!(end.journal().len(), 2);
    let path = format!("/repos/acme/widgets/hooks/{hook}/deliveries");
    let failed = github
        .ask("GET", &format!("{path}?status=failure&per_page=100"), None)
        .await
        .body;
    shaped_like(&fixture!("list_deliveries"), &failed, "$");
    let states: Vec<_> = failed
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (&one["action"], &one["status_code"]))
        .collect();
    assert_eq!(
        states,
        [
            (&json!("closed"), &json!(0)),
            (&json!("opened"), &json!(500))
        ]
    );
    let one = format!("{path}/{}", failed[0]["id"]);
    assert_eq!(
        github.ask("GET", &one, None).await.body["request"]["payload"]["action"],
        "closed"
    );
    assert_eq!(
        github
            .ask("POST", &format!("{one}/attempts"), None)
            .await
            .status,
        202
    );
    github.settled().await;
    let again = end.journal()[2].clone();
    assert_eq!(
        again.header("x-github-delivery"),
        failed[0]["guid"].as_str()
    );
    let newest = github.ask("GET", &format!("{path}?per_page=1"), None).await;
    assert_eq!(
        (&newest.body[0]["redelivery"], &newest.body[0]["status"]),
        (&json!(true), &json!("OK"))
    );
    let next = newest
        .header("link")
        .split(';')
        .next()
        .unwrap()
        .trim_matches(['<', '>'])
        .to_owned();
    assert_eq!(
        github.ask("GET", &next, None).await.body[0]["id"],
        failed[0]["id"]
    );
}

#[tokio::test]
async fn the_demo_has_its_five_issues_and_twelve_comes_next() {
    let github = SandboxGitHub::start(&Seed::demo().github).await.unwrap();
    let open = github.numbers("").await;
    assert_eq!(open.len(), 6, "five issues and a pull request");
    assert_eq!(github.issues_titled(REPO, "Login fails on Safari").len(), 1);
    let made = github
        .ask(
            "POST",
            "/repos/acme/widgets/issues",
            Some(json!({"title": "Fix login"})),
        )
        .await;
    assert_eq!(made.body["number"], 12);
}

#[test]
fn markers_are_not_for_people() {
    assert_eq!(without_marker("a\n\n<!-- ivan:op=1 -->"), "a");
    assert_eq!(without_marker("a <!-- b --> c"), "a <!-- b --> c");
}

#[tokio::test]
async fn repositories_and_assignable_people_are_listed() {
    let github = github().await;
    let repos = github.ask("GET", "/user/repos?per_page=100", None).await;
    assert_eq!(repos.status, 200);
    assert_eq!(repos.body[0]["full_name"], REPO);
    assert_eq!(repos.body[0]["permissions"]["pull"], true);
    let people = github
        .ask("GET", &format!("/repos/{REPO}/assignees"), None)
        .await;
    let logins = people.body.as_array().unwrap().iter();
    let logins: Vec<&str> = logins.map(|one| one["login"].as_str().unwrap()).collect();
    assert_eq!(logins, ["ana", "bo", "ivan-bot"]);
    assert!(people.body[0].get("email").is_none());
    let ana = github.ask("GET", "/users/ana", None).await;
    assert_eq!(ana.body["email"], "ana@acme.test");
    let bo = github.ask("GET", "/users/bo", None).await;
    assert_eq!(bo.body["email"], Value::Null);
}

mod app {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{PrivatePkcs1KeyDer, PrivatePkcs8KeyDer};

    use super::*;

    fn key() -> RsaKeyPair {
        let key = include_bytes!("../../../fixtures/github/app-key.pem");
        let der = PrivatePkcs1KeyDer::from_pem_slice(key).unwrap();
        RsaKeyPair::from_der(der.secret_pkcs1_der()).unwrap()
    }

    fn another_key() -> RsaKeyPair {
        let key = include_bytes!("../../../fixtures/github/app-key-other.pem");
        let der = PrivatePkcs8KeyDer::from_pem_slice(key).unwrap();
        RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).unwrap()
    }

    fn signed(key: &RsaKeyPair, head: &Value, claims: &Value) -> String {
        let [head, claims] = [head, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let text = format!("{head}.{claims}");
        let mut signature = vec![0; key.public().modulus_len()];
        let random = ring::rand::SystemRandom::new();
        key.sign(&RSA_PKCS1_SHA256, &random, text.as_bytes(), &mut signature)
            .unwrap();
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn seconds() -> i64 {
        now() / 1000
    }

    fn rs256() -> Value {
        json!({"alg": "RS256", "typ": "JWT"})
    }

    /// A JWT as GitHub asks for one.
    fn jwt() -> String {
        let claims = json!({"iat": seconds() - 60, "exp": seconds() + 540, "iss": "123456"});
        signed(&key(), &rs256(), &claims)
    }

    impl SandboxGitHub {
        async fn asked_by(
            &self,
            token: &str,
            method: &str,
            path: &str,
            body: Option<Value>,
        ) -> Got {
            let url = format!("{}{path}", self.api_url());
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let mut request = http_client()
                .request(method, url)
                .bearer_auth(token)
                .header("user-agent", "test");
            if let Some(body) = body {
                request = request.json(&body);
            }
            let answer = request.send().await.unwrap();
            let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
            let body = serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default();
            Got {
                status,
                headers,
                body,
            }
        }

        async fn granted(&self, installation: u64) -> String {
            let path = format!("/app/installations/{installation}/access_tokens");
            let got = self.asked_by(&jwt(), "POST", &path, None).await;
            assert_eq!(got.status, 201, "{}", got.body);
            got.body["token"].as_str().unwrap().to_owned()
        }
    }

    #[tokio::test]
    async fn an_app_sees_itself_and_its_installations() {
        let github = github().await;
        let id = github.install_app("acme");
        let app = github.asked_by(&jwt(), "GET", "/app", None).await;
        assert_eq!((app.status, &app.body["slug"]), (200, &json!("ivan-app")));
        assert_eq!(
            app.body["permissions"],
            json!({"issues": "write", "metadata": "read"})
        );
        let all = github
            .asked_by(&jwt(), "GET", "/app/installations", None)
            .await;
        assert_eq!(all.body[0]["id"], id);
        let path = format!("/app/installations/{id}");
        let one = github.asked_by(&jwt(), "GET", &path, None).await;
        assert_eq!(one.body, all.body[0]);
        let of_repo = "/repos/acme/widgets/installation";
        let of_repo = github.asked_by(&jwt(), "GET", of_repo, None).await;
        assert_eq!(of_repo.body["id"], id);
        let nowhere = "/repos/other/widgets/installation";
        let nowhere = github.asked_by(&jwt(), "GET", nowhere, None).await;
        assert_eq!(nowhere.status, 404);
    }

    #[tokio::test]
    async fn a_jwt_is_checked() {
        let github = github().await;
        github.install_app("acme");
        let now = seconds();
        let claims =
            |iat: Value, exp: Value, iss: Value| json!({"iat": iat, "exp": exp, "iss": iss});
        let well = claims(json!(now), json!(now + 500), json!("123456"));
        let undecodable = "A JSON web token could not be decoded";
        let iat = "'Issued at' claim";
        let exp = "must be a numeric value";
        for (token, status, words) in [
            (signed(&key(), &rs256(), &well), 200, ""),
            (
                signed(
                    &key(),
                    &rs256(),
                    &claims(json!(now), json!(now + 500), json!(123_456)),
                ),
                200,
                "",
            ),
            (
                signed(
                    &key(),
                    &rs256(),
                    &claims(json!(now), json!(now + 500), json!("Iv23liSANDBOX0APP001")),
                ),
                200,
                "",
            ),
            (signed(&another_key(), &rs256(), &well), 401, undecodable),
            (
                signed(&key(), &json!({"alg": "HS256"}), &well),
                401,
                undecodable,
            ),
            (
                signed(&key(), &json!({"alg": "none"}), &well),
                401,
                undecodable,
            ),
            ("a.b.c".to_owned(), 401, undecodable),
            (
                signed(
                    &key(),
                    &rs256(),
                    &claims(json!(now), json!(now + 500), json!("999")),
                ),
                404,
                "Integration",
            ),
            (
                signed(
                    &key(),
                    &rs256(),
                    &claims(json!(now + 90), json!(now + 500), json!("123456")),
                ),
                401,
                iat,
            ),
            (
                signed(
                    &key(),
                    &rs256(),
                    &claims(json!("now"), json!(now + 500), json!("123456")),
                ),
                401,
                iat,
            ),
            (
                signed(
                    &key(),
                    &rs256(),
                    &claims(json!(now), json!(now + 660), json!("123456")),
                ),
                401,
                "too far in the future",
            ),
            (
                signed(
                    &key(),
                    &rs256(),
                    &claims(json!(now), json!(now - 1), json!("123456")),
                ),
                401,
                exp,
            ),
            (
                signed(
                    &key(),
                    &rs256(),
                    &claims(json!(now), Value::Null, json!("123456")),
                ),
                401,
                exp,
            ),
            (github.token().to_owned(), 401, undecodable),
        ] {
            let got = github.asked_by(&token, "GET", "/app", None).await;
            let said = got.body["message"].as_str().unwrap_or_default();
            assert_eq!(got.status, status, "{said}");
            assert!(said.contains(words), "{said}");
        }
        // And its own clock decides.
        github.clock_is_ahead(20 * 60 * 1000);
        let got = github.asked_by(&jwt(), "GET", "/app", None).await;
        assert_eq!(got.status, 401);
    }

    #[tokio::test]
    async fn a_token_of_an_installation_acts_as_the_bot_for_an_hour() {
        let github = github().await;
        let id = github.install_app("acme");
        let token = github.granted(id).await;
        assert!(token.starts_with("ghs_"), "{token}");
        let path = "/repos/acme/widgets/issues";
        let body = json!({"title": "x", "labels": ["bug"], "assignees": ["ana"]});
        let made = github.asked_by(&token, "POST", path, Some(body)).await;
        assert_eq!(made.body["user"]["login"], "ivan-app[bot]");
        assert_eq!(made.body["labels"][0]["name"], "bug");
        assert!(
            !made
                .headers
                .contains_key("github-authentication-token-expiration")
        );
        for path in ["/user", "/user/repos", "/issues"] {
            let got = github.asked_by(&token, "GET", path, None).await;
            let message = &got.body["message"];
            assert_eq!(
                (got.status, message),
                (403, &json!("Resource not accessible by integration"))
            );
        }
        let bot = github
            .asked_by(&token, "GET", "/users/ivan-app%5Bbot%5D", None)
            .await;
        assert_eq!(
            (&bot.body["type"], &bot.body["id"]),
            (&json!("Bot"), &json!(9001))
        );
        let got = github.asked_by(&token, "GET", "/user/31", None).await;
        assert_eq!(got.body["login"], "ana");
        let hooks = "/repos/acme/widgets/hooks";
        assert_eq!(
            github.asked_by(&token, "GET", hooks, None).await.status,
            403
        );
        // A JWT is for the App alone, and a token for the rest.
        assert_eq!(github.asked_by(&jwt(), "GET", path, None).await.status, 401);
        assert_eq!(
            github.asked_by(&token, "GET", "/app", None).await.status,
            401
        );
        github.clock_is_ahead(59 * 60 * 1000);
        assert_eq!(github.asked_by(&token, "GET", path, None).await.status, 200);
        github.clock_is_ahead(60 * 60 * 1000 + 1000);
        let ended = github.asked_by(&token, "GET", path, None).await;
        assert_eq!(
            (ended.status, &ended.body["message"]),
            (401, &json!("Bad credentials"))
        );
    }

    #[tokio::test]
    async fn an_installation_reaches_its_own_repositories_with_its_permissions() {
        let github = github().await;
        github.add_repo("other/things", 7001);
        let token = github.granted(github.install_app("acme")).await;
        let got = github
            .asked_by(&token, "GET", "/repos/other/things", None)
            .await;
        assert_eq!(got.status, 404);
        let path = "/repos/acme/widgets/issues";
        github.permit_app("issues", Some("read"));
        assert_eq!(github.asked_by(&token, "GET", path, None).await.status, 200);
        let refused = github
            .asked_by(&token, "POST", path, Some(json!({"title": "x"})))
            .await;
        assert_eq!(refused.status, 403);
        assert_eq!(
            refused.header("x-accepted-github-permissions"),
            "issues=write"
        );
        github.permit_app("issues", None);
        assert_eq!(github.asked_by(&token, "GET", path, None).await.status, 403);
    }

    #[tokio::test]
    async fn a_suspended_installation_and_a_removed_one_have_no_tokens() {
        let github = github().await;
        let id = github.install_app("acme");
        let token = github.granted(id).await;
        let grant = format!("/app/installations/{id}/access_tokens");
        let path = "/repos/acme/widgets";
        github.suspend_app(id, true);
        for (token, method, path) in [(&token, "GET", path), (&jwt(), "POST", grant.as_str())] {
            let got = github.asked_by(token, method, path, None).await;
            assert_eq!(got.status, 403);
            assert_eq!(got.body["message"], "This installation has been suspended");
        }
        let listed = github
            .asked_by(&jwt(), "GET", "/app/installations", None)
            .await;
        assert!(listed.body[0]["suspended_at"].is_string());
        github.suspend_app(id, false);
        assert_eq!(github.asked_by(&token, "GET", path, None).await.status, 200);
        github.uninstall_app(id);
        assert_eq!(github.asked_by(&token, "GET", path, None).await.status, 401);
        assert_eq!(
            github.asked_by(&jwt(), "POST", &grant, None).await.status,
            404
        );
    }

    #[tokio::test]
    async fn the_webhook_of_the_app_gets_the_events_of_all_its_repositories() {
        let github = github().await;
        github.add_repo("acme/gadgets", 7001);
        github.add_repo("other/things", 7002);
        let id = github.install_app("acme");
        let (end, url) = hook_end().await;
        let hook = github.add_app_hook(&url, "sesame");
        for repo in ["acme/widgets", "acme/gadgets", "other/things"] {
            github.add_issue(repo, json!({"title": "x"}));
        }
        github.settled().await;
        let sent = end.journal();
        assert_eq!(sent.len(), 3, "the ping and two issues");
        for seen in &sent {
            let signature = format!("sha256={}", hmac_sha256("sesame", seen.body.as_bytes()));
            let target = seen.header("x-github-hook-installation-target-type");
            assert_eq!(seen.header("x-hub-signature-256"), Some(signature.as_str()));
            assert_eq!(
                seen.header("x-github-hook-id"),
                Some(hook.to_string().as_str())
            );
            assert_eq!(target, Some("integration"));
        }
        for seen in sent.iter().skip(1) {
            let body: Value = serde_json::from_str(&seen.body).unwrap();
            assert_eq!(body["installation"]["id"], id);
        }
        let got = github
            .asked_by(&jwt(), "GET", "/app/hook/config", None)
            .await;
        assert_eq!(
            (&got.body["url"], &got.body["secret"]),
            (&json!(url), &json!("********"))
        );
    }
}
