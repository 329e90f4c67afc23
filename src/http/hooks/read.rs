//! What a request says about itself: which webhook, which event, and the key that all its repetitions share.
//!
//! Only as much of a payload is read here as that takes; what it means is read later, by the source's `HookReader`.

use axum::http::{HeaderMap, header};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use sha2::{Digest, Sha256};

use super::Why;
use crate::domain::source::Delivery;
use crate::domain::task::Source;
use crate::lenient::{Name, first, lenient};

/// Events that say something about a task (contract github 9.4).
const GITHUB_EVENTS: [&str; 4] = [
    "issue_comment",
    "issue_dependencies",
    "issues",
    "repository",
];
/// Events that a webhook with "send me everything" sends as well, and those of every webhook or app.
const GITHUB_IGNORED: [&str; 27] = [
    "check_run",
    "check_suite",
    "commit_comment",
    "create",
    "delete",
    "deployment",
    "deployment_status",
    "discussion",
    "fork",
    "installation",
    "installation_repositories",
    "label",
    "meta",
    "milestone",
    "ping",
    "public",
    "pull_request",
    "pull_request_review",
    "pull_request_review_comment",
    "push",
    "release",
    "star",
    "status",
    "sub_issues",
    "watch",
    "workflow_job",
    "workflow_run",
];
/// Events that say something about a task (contract clickup 7.2).
const CLICKUP_EVENTS: [&str; 11] = [
    "taskAssigneeUpdated",
    "taskCommentPosted",
    "taskCommentUpdated",
    "taskCreated",
    "taskDeleted",
    "taskDueDateUpdated",
    "taskMoved",
    "taskPriorityUpdated",
    "taskStatusUpdated",
    "taskTagUpdated",
    "taskUpdated",
];
/// Events of which nothing follows, by their beginnings.
const CLICKUP_IGNORED: [&str; 6] = ["folder", "goal", "keyResult", "list", "space", "taskTime"];

/// The longest id, key or event name that is believed to be one, in bytes.
const NAME_MAX: usize = 128;
/// So many history items are looked at for their ids.
const ITEMS_MAX: usize = 100;
/// So many ids are shown in a dedupe key; the rest is in its hash.
const IDS_SHOWN: usize = 4;
/// An event without history items says the same each time that it happens: after so long it counts as another
/// (contract clickup 7.6). In seconds.
const SAME_FOR: i64 = 600;

/// Whose secret to look up, where the headers say it (contract github 9.2). Not verified.
pub(super) fn hook_in_headers(source: Source, headers: &HeaderMap) -> Option<String> {
    match source {
        Source::GitHub => header(headers, "x-github-hook-id"),
        Source::ClickUp => None,
    }
}

/// Whose secret to look up, where only the body says it (contract clickup 7.1). Not verified: nothing else of it is
/// read, nor is anything built from it but this name.
pub(super) fn hook_in_body(source: Source, body: &[u8]) -> Option<String> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Peek {
        webhook_id: Name,
    }
    match source {
        Source::GitHub => None,
        Source::ClickUp => {
            let peek: Peek = object(body).ok()?;
            peek.webhook_id.0.filter(|id| is_name(id))
        }
    }
}

/// The delivery in a request whose signature holds.
pub(super) fn delivery(
    source: Source,
    headers: &HeaderMap,
    body: Vec<u8>,
    now: DateTime<Utc>,
) -> Result<Delivery, Why> {
    match source {
        Source::GitHub => github(headers, body),
        Source::ClickUp => clickup(body, now),
    }
}

fn github(headers: &HeaderMap, body: Vec<u8>) -> Result<Delivery, Why> {
    let event = header(headers, "x-github-event")
        .ok_or_else(|| Why::Unreadable("The header X-GitHub-Event is missing".to_owned()))?;
    if !GITHUB_EVENTS.contains(&event.as_str()) {
        return Err(of_no_concern(
            GITHUB_IGNORED.contains(&event.as_str()),
            event,
        ));
    }
    let key = match header(headers, "x-github-delivery") {
        // The same for every repetition, and for every webhook that got the event (contract github 9.5).
        Some(guid) => guid,
        None => format!("sha256:{}", hex::encode(Sha256::digest(&body))),
    };
    let payload = if is_form(headers) {
        form_payload(&body)?
    } else {
        body
    };
    let IgnoredAny = object(&payload).map_err(Why::Unreadable)?;
    Ok(Delivery {
        source: Source::GitHub,
        dedupe_key: key,
        event,
        payload,
    })
}

/// What is read of ClickUp's envelope (contract clickup 7.3), and of the shape of design 5.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Envelope {
    event: Name,
    webhook_id: Name,
    task_id: Name,
    #[serde(deserialize_with = "first::<_, _, ITEMS_MAX>")]
    history_items: Vec<Item>,
    #[serde(deserialize_with = "lenient")]
    task: Item,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Item {
    id: Name,
}

fn clickup(body: Vec<u8>, now: DateTime<Utc>) -> Result<Delivery, Why> {
    let envelope: Envelope = object(&body).map_err(Why::Unreadable)?;
    let event = envelope.event.0.filter(|event| is_name(event));
    let event = event.ok_or_else(|| Why::Unreadable("It names no event".to_owned()))?;
    if !CLICKUP_EVENTS.contains(&event.as_str()) {
        let known = CLICKUP_IGNORED
            .iter()
            .any(|beginning| event.starts_with(beginning));
        return Err(of_no_concern(known, event));
    }
    let ids: Vec<String> = envelope
        .history_items
        .into_iter()
        .filter_map(|item| item.id.0)
        .collect();
    let hook = envelope.webhook_id.0.unwrap_or_default();
    let hash = hex::encode(Sha256::digest(&body));
    // Two events of one act share their items, an edited comment keeps the item of the first (contract clickup 1.6):
    // the event and the body belong to the key.
    let key = if ids.is_empty() {
        let task = envelope.task_id.0.or(envelope.task.id.0);
        let when = now.timestamp().div_euclid(SAME_FOR);
        format!(
            "{}:{event}:{}:{hash}:{when}",
            short(&hook),
            short(&task.unwrap_or_default())
        )
    } else {
        let shown: Vec<&str> = ids.iter().take(IDS_SHOWN).map(|id| short(id)).collect();
        format!("{}:{event}:{}:{hash}", short(&hook), shown.join(","))
    };
    Ok(Delivery {
        source: Source::ClickUp,
        dedupe_key: key,
        event,
        payload: body,
    })
}

fn of_no_concern(known: bool, event: String) -> Why {
    if known {
        Why::Ignored(event)
    } else {
        Why::Unknown(event)
    }
}

/// `payload` of a form (contract github 9.3).
fn form_payload(body: &[u8]) -> Result<Vec<u8>, Why> {
    let mut fields = body.split(|&byte| byte == b'&');
    let payload = fields.find_map(|field| field.strip_prefix(b"payload="));
    let payload =
        payload.ok_or_else(|| Why::Unreadable("The form has no field `payload`".to_owned()))?;
    Ok(form_decoded(payload))
}

/// A value out of a form, written once: it may be as large as a body may be.
fn form_decoded(value: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((&byte, after)) = rest.split_first() {
        let mut escaped = [0_u8];
        let digits = after.get(..2).filter(|_| byte == b'%');
        let is_escaped =
            digits.is_some_and(|digits| hex::decode_to_slice(digits, &mut escaped).is_ok());
        rest = after;
        decoded.push(match (byte, escaped) {
            (b'%', [escaped]) if is_escaped => {
                rest = after.get(2..).unwrap_or_default();
                escaped
            }
            (b'+', _) => b' ',
            (byte, _) => byte,
        });
    }
    decoded
}

fn is_form(headers: &HeaderMap) -> bool {
    let content = headers.get(header::CONTENT_TYPE);
    let content = content.and_then(|value| value.to_str().ok());
    let essence = content.and_then(|value| value.split(';').next());
    essence.is_some_and(|essence| {
        essence
            .trim()
            .eq_ignore_ascii_case("application/x-www-form-urlencoded")
    })
}

/// A JSON object, all of it. The reason why it is none does not repeat it.
fn object<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    let text = std::str::from_utf8(body).map_err(|_| "The body is not UTF-8".to_owned())?;
    if !text.trim_start().starts_with('{') {
        return Err("The body is not a JSON object".to_owned());
    }
    serde_json::from_str(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        format!("The body is not JSON as expected (line {line}, column {column})")
    })
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?.trim();
    is_name(value).then(|| value.to_owned())
}

fn is_name(text: &str) -> bool {
    (1..=NAME_MAX).contains(&text.len()) && text.chars().all(|c| c.is_ascii_graphic())
}

/// What is no name stands for nothing in a key, which has the hash of everything in it anyway.
fn short(id: &str) -> &str {
    if is_name(id) { id } else { "-" }
}
