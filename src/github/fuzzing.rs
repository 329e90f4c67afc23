//! For fuzzing: GitHub's webhooks and answers, and the texts that carry our marker.

use serde_json::value::RawValue;

use super::client::{classify, next_link, token_ends};
use super::hook;
use super::links::links;
use super::wire::{
    self, Attempt, AttemptDetail, Blocker, Listed, Repository, WireComment, WireHook, WireIssue,
};
use super::{GitHub, GitHubAccess, GitHubSettings, PriorityLabels, User};
use crate::clock::Clock;
use crate::domain::source::Container;
use crate::domain::task::{RepoName, Source};
use crate::http_client::{RawResponse, Request, Verdict, fuzzing};

/// GitHub with one followed repository, `acme/widgets`, and a known account of the token.
pub(crate) fn github() -> Option<GitHub> {
    fuzzing::provider();
    let settings = GitHubSettings {
        access: GitHubAccess::Token("github_pat_fuzzing".into()),
        repo: RepoName::parse("acme/widgets")?,
        repos: vec![RepoName::parse("acme/gadgets")?],
        url: crate::domain::address::GITHUB.into(),
        api_url: "http://127.0.0.1:1".into(),
        in_progress_label: "in progress".into(),
        priority_labels: PriorityLabels {
            urgent: vec!["P0".into()],
            high: vec!["P1".into()],
        },
        writes_per_second: 0.0,
    };
    let github = GitHub::new(settings, Clock::system()).ok()?;
    github.remember(&[Container {
        source: Source::GitHub,
        id: "1001".into(),
        name: "acme/widgets".into(),
        configured: "acme/widgets".into(),
        archived: false,
    }]);
    let us = User {
        id: 40,
        login: "ivan-bot".into(),
        kind: "Bot".into(),
        bio: Default::default(),
    };
    let _known = github.me.set(Some(us));
    Some(github)
}

/// Reads an answer as every kind that GitHub may send it as.
pub(crate) fn answer(github: &GitHub, answer: &RawResponse) {
    let client = &github.client.rest;
    fuzzing::learns(client, answer);
    let there = client.answered_at(answer);
    for request in requests() {
        let verdict = classify(
            &request,
            answer.status,
            &answer.headers,
            &answer.body,
            there,
        );
        if let Verdict::Wait {
            wait: Some(wait), ..
        } = &verdict
        {
            assert!(*wait <= fuzzing::longest_wait(client), "{wait:?}");
        }
    }
    let _ends = token_ends(&answer.headers);
    if let Some(next) = next_link(&answer.headers)
        && let Ok(request) = github.client.follow(&next, "the issues of acme/widgets")
    {
        let address = client.address(&request);
        assert!(client.is_own(&address), "the token is sent to {address}");
    }
    let body = answer.body.as_str();
    let request = Request::get("/", "the issues of acme/widgets");
    let _read = client.parse::<Repository>(&request, body).is_ok();
    let _read = client.parse::<User>(&request, body).is_ok();
    let _read = client.parse::<Listed<Blocker>>(&request, body).is_ok();
    let _read = client.parse::<Listed<WireHook>>(&request, body).is_ok();
    let _read = client.parse::<Listed<Attempt>>(&request, body).is_ok();
    if let Ok(attempt) = client.parse::<AttemptDetail>(&request, body) {
        let _payload = attempt.into_payload();
    }
    if let Ok(comments) = client.parse::<Listed<WireComment>>(&request, body) {
        for comment in comments.items {
            let _read = (comment.issue(), comment.changed_at(), comment.text());
        }
    }
    let one = client.parse::<WireIssue>(&request, body).into_iter();
    let listed = client.parse::<Listed<WireIssue>>(&request, body);
    let whole: Option<&RawValue> = serde_json::from_str(body).ok();
    let whole = whole.and_then(wire::whole_issue);
    let name = RepoName::parse("acme/widgets");
    let me = github.me.get().and_then(Option::as_ref);
    for issue in one
        .chain(whole)
        .chain(listed.into_iter().flat_map(|listed| listed.items))
    {
        let Some(name) = &name else { return };
        if let Ok(task) = issue.into_task(&github.mapping, 1001, name, me) {
            assert!(!task.title.contains('\n'), "{:?}", task.title);
        }
    }
}

fn requests() -> [Request; 2] {
    let thing = "the issue acme/widgets#7";
    let body = serde_json::json!({});
    [Request::get("/", thing), Request::post("/", thing, body)]
}

/// A text with our marker is recognised by its operation alone, and shown without the marker.
pub(crate) fn text(text: &str) {
    const OPERATION: &str = "01J00000000000000000000001";
    let marked = wire::marked(text, OPERATION);
    assert!(wire::is_marked(&marked, OPERATION));
    assert!(wire::is_still(&marked, text, OPERATION));
    assert_eq!(
        marked.matches("<!-- ivan:op=").count(),
        1,
        "a typed copy of the marker stayed: {marked}"
    );
    let _links = links(text, 1001, crate::domain::address::GITHUB);
    let _form = hook::form_decoded(text.as_bytes());
}
