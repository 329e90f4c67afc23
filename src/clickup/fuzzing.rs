//! For fuzzing: ClickUp's webhooks and answers.

use super::client::classify;
use super::wire::{
    ListMembers, Me, Posted, Teams, Webhooks, WireCommentPage, WireList, WireTask, WireTaskPage,
};
use super::{ClickUp, ClickUpSettings};
use crate::clock::Clock;
use crate::domain::mention_text::MentionText;
use crate::http_client::{RawResponse, Request, Verdict, fuzzing};

/// ClickUp with two followed lists and a known account of the token.
pub(crate) fn clickup() -> Option<ClickUp> {
    fuzzing::provider();
    let settings = ClickUpSettings {
        token: "pk_4200_fuzzing".into(),
        team_id: "9001".into(),
        list_id: "901".into(),
        lists: vec!["902".into()],
        complete_status: "complete".into(),
        in_progress_status: None,
        api_url: "http://127.0.0.1:1".into(),
    };
    let clickup = ClickUp::new(settings, Clock::system()).ok()?;
    clickup.remember(vec!["86guest01".into()]);
    let _known = clickup.me.set("4200".into());
    Some(clickup)
}

/// Reads an answer as every kind that ClickUp may send it as.
pub(crate) fn answer(clickup: &ClickUp, answer: &RawResponse) {
    let client = &clickup.client.rest;
    fuzzing::learns(client, answer);
    let there = client.answered_at(answer);
    let thing = "the task 86tst0001";
    let body = serde_json::json!({});
    for request in [Request::get("/", thing), Request::post("/", thing, body)] {
        let (status, headers) = (answer.status, &answer.headers);
        let verdict = classify(&request, status, headers, &answer.body, there);
        if let Verdict::Wait {
            wait: Some(wait), ..
        } = &verdict
        {
            assert!(*wait <= fuzzing::longest_wait(client), "{wait:?}");
        }
    }
    let body = answer.body.as_str();
    let request = Request::get("/", "the tasks of the list 901");
    let _read = client.parse::<Teams>(&request, body).is_ok();
    let _read = client.parse::<ListMembers>(&request, body).is_ok();
    let _read = client.parse::<WireList>(&request, body).is_ok();
    let _read = client.parse::<Webhooks>(&request, body).is_ok();
    let _read = client.parse::<Posted>(&request, body).is_ok();
    if let Ok(me) = client.parse::<Me>(&request, body) {
        let _zone = me.user.zone();
    }
    if let Ok(page) = client.parse::<WireCommentPage>(&request, body) {
        for comment in page.comments {
            let said = comment.text();
            assert!(comment.says(&said), "{said}");
            let _other = comment.says(&MentionText::from("done"));
        }
    }
    let one = client.parse::<WireTask>(&request, body).into_iter();
    let page = client.parse::<WireTaskPage>(&request, body).into_iter();
    for task in one.chain(page.flat_map(|page| page.tasks)) {
        if let Ok(task) = task.into_task(&clickup.mapping, Some("901")) {
            assert!(!task.title.contains('\n'), "{:?}", task.title);
        }
    }
}
