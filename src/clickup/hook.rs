//! Payloads of ClickUp → source events; and the webhook itself: creating, adopting and reactivating it.
//!
//! A payload is a hint: it names a task and an action. Only a read returns the current state (docs/contracts/clickup.md#repeated-deliveries), so
//! every event here is a `Look`.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;
use url::Url;

use crate::domain::event::{Activity, ActivityKind, Actor, SourceEvent, TaskField};
use crate::domain::operation::WriteError;
use crate::domain::source::{
    Delivery, DeliveryRefusal, Headers, Places, SignatureCheck, SignedDelivery, UnreadablePayload,
    Webhook, WebhookFacts, WebhookKeeper, WebhookReader, WebhookRules,
};
use crate::domain::task::{Source, TaskId, TaskKey};
use crate::http_client::webhook::{self, Signature, is_name};
use crate::lenient::{self, Name, first, lenient};

use super::ClickUp;
use super::client::{Request, segment};
use super::wire::{
    HistoryItem, HookPayload, KeptWebhook, User, Webhooks, WireHook, WireRef, WireStatus,
};

/// The events that we subscribe to. `taskUpdated` duplicates the others, but only it reports a new title (docs/contracts/clickup.md#events). Time estimates and tracking are left out.
const EVENTS: [&str; 11] = [
    "taskCreated",
    "taskUpdated",
    "taskDeleted",
    "taskPriorityUpdated",
    "taskStatusUpdated",
    "taskAssigneeUpdated",
    "taskDueDateUpdated",
    "taskTagUpdated",
    "taskMoved",
    "taskCommentPosted",
    "taskCommentUpdated",
];

/// Events without any effect, by prefix.
const IGNORED: [&str; 6] = ["folder", "goal", "keyResult", "list", "space", "taskTime"];

/// Contract clickup 7.4. The second name is not real, and documented in many places.
const SIGNATURE: Signature = Signature {
    headers: &["x-signature", "x-clickup-signature"],
    prefix: "",
};

pub(crate) const FACTS: WebhookFacts = WebhookFacts {
    chooses_secret: true,
    on_unknown_secret: "ClickUp shows the secret only when a webhook is created. Set it as clickup.webhook_secret, or delete the \
         webhook (DELETE /webhook/<id> in ClickUp's API) and register again",
    on_refusal: "The user of clickup.token must be a member of the workspace clickup.team_id, not a guest",
};

/// How many history items are searched for ids.
const ITEMS_MAX: usize = 100;
/// How many ids a dedupe key shows; the rest is in its hash.
const IDS_SHOWN: usize = 4;
/// Repeated events without history items are identical: after this many seconds a repetition counts as a new event
/// (docs/contracts/clickup.md#repeated-deliveries).
const SAME_FOR: i64 = 600;

impl ClickUp {
    /// Replaces a webhook whose secret is lost: ClickUp cannot set another secret.
    pub async fn renew(&self, hook: &Webhook) -> Result<Webhook, WriteError> {
        WebhookKeeper::remove(self, hook).await?;
        self.make_hook(&hook.url).await
    }
}

// ---------------------------------------------------------------- requests and payloads

/// The fields of ClickUp's envelope that are read (docs/contracts/clickup.md#payloads), and those of the flat form.
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

/// An id for a key, or a dash for an invalid one. The key has the hash of everything anyway.
fn short(id: &str) -> &str {
    if is_name(id) { id } else { "-" }
}

#[async_trait]
impl WebhookReader for ClickUp {
    fn source(&self) -> Source {
        Source::ClickUp
    }

    /// ClickUp documents no largest body: its events are a few thousand bytes, plus a comment. The first 401 suspends a
    /// webhook (docs/contracts/clickup.md#delivery).
    fn terms(&self) -> WebhookRules {
        WebhookRules {
            body_max: 1024 * 1024,
            signature: "X-Signature: <64 hex digits>",
            suspends_at_401: true,
        }
    }

    fn has_signature(&self, headers: &Headers<'_>) -> bool {
        SIGNATURE.is_claimed(headers)
    }

    /// Only the body names it (docs/contracts/clickup.md#managing-webhooks).
    fn hook_id(&self, _: &Headers<'_>, body: &[u8]) -> Option<String> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Peek {
            webhook_id: Name,
        }
        let peek: Peek = webhook::object(body).ok()?;
        peek.webhook_id.0.filter(|id| is_name(id))
    }

    fn check(&self, headers: &Headers<'_>, secret: &str) -> Box<dyn SignatureCheck> {
        SIGNATURE.check(headers, secret)
    }

    fn delivery(
        &self,
        _: &Headers<'_>,
        body: Vec<u8>,
        now: DateTime<Utc>,
    ) -> Result<Delivery, DeliveryRefusal> {
        let envelope: Envelope = webhook::object(&body)?;
        let event = envelope.event.0.filter(|event| is_name(event));
        let event =
            event.ok_or_else(|| DeliveryRefusal::Unreadable("It names no event".to_owned()))?;
        let ignored = IGNORED.iter().any(|beginning| event.starts_with(beginning));
        webhook::is_read(&event, &EVENTS, ignored)?;
        let items = envelope.history_items.into_iter();
        let ids: Vec<String> = items.filter_map(|item| item.id.0).collect();
        let hook = envelope.webhook_id.0.unwrap_or_default();
        let (hook, hash) = (short(&hook), webhook::hash(&body));
        // Two events of one action share their items, and an edited comment keeps the item of the first (docs/contracts/clickup.md#repeated-deliveries): so the event and the body belong to the key.
        let dedupe_key = if ids.is_empty() {
            let task = envelope.task_id.0.or(envelope.task.id.0);
            let task = task.unwrap_or_default();
            let when = now.timestamp().div_euclid(SAME_FOR);
            format!("{hook}:{event}:{}:{hash}:{when}", short(&task))
        } else {
            let shown: Vec<&str> = ids.iter().take(IDS_SHOWN).map(|id| short(id)).collect();
            format!("{hook}:{event}:{}:{hash}", shown.join(","))
        };
        Ok(Delivery {
            source: Source::ClickUp,
            dedupe_key,
            event,
            payload: body,
        })
    }

    async fn prepare(&self) -> Result<(), WriteError> {
        self.me().await.map(|_| ())
    }

    fn read(&self, delivery: &Delivery) -> Result<Vec<SourceEvent>, UnreadablePayload> {
        if !EVENTS.contains(&delivery.event.as_str()) {
            return Ok(Vec::new());
        }
        let unreadable = |why: String| UnreadablePayload {
            event: delivery.event.clone(),
            why,
        };
        let text = lenient::payload(&delivery.payload);
        let payload: HookPayload<'_> = webhook::payload(delivery, &text)?;
        let id = payload.task_id.or(payload.task.map(|task| task.id));
        let id = id.ok_or_else(|| unreadable("it names no task".to_owned()))?;
        let id = id.to_string();
        if TaskId::clickup(&id).is_none() {
            return Err(unreadable("its task id is malformed".to_owned()));
        }
        if self.is_elsewhere(&payload.history_items) && !self.mapping.is_guest(&id) {
            return Ok(Vec::new());
        }
        let items = payload.history_items.iter();
        Ok(vec![SourceEvent::Look {
            key: TaskKey::clickup(id),
            acts: items
                .filter_map(|item| self.act(&delivery.event, item))
                .collect(),
        }])
    }
}

impl ClickUp {
    /// Whether the task's home is not followed, and was not before. The webhook covers the whole workspace, and each
    /// look costs a request.
    fn is_elsewhere(&self, items: &[HistoryItem<'_>]) -> bool {
        let elsewhere = |item: &HistoryItem<'_>| {
            lists(item).is_some_and(|lists| !lists.iter().any(|list| self.mapping.follows(list)))
        };
        !items.is_empty() && items.iter().all(elsewhere)
    }

    fn act(&self, event: &str, item: &HistoryItem<'_>) -> Option<Activity> {
        let what = match item.field.as_str() {
            "status" => change_of_status(item)?,
            // For a removal the account is in `after`, too: only the field tells the two apart (docs/contracts/clickup.md#payloads).
            "assignee_add" => ActivityKind::Assigned {
                to: assignee(item)?.account(),
            },
            "assignee_rem" => ActivityKind::Unassigned {
                from: assignee(item)?.account(),
            },
            "name" => ActivityKind::Changed {
                field: TaskField::Title,
            },
            "due_date" => ActivityKind::Changed {
                field: TaskField::Due,
            },
            "priority" => ActivityKind::Changed {
                field: TaskField::Priority,
            },
            // An edit is no new comment.
            "comment" if event == "taskCommentPosted" => return self.comment(item),
            _ => return None,
        };
        Some(Activity {
            by: item.user.as_ref().map(|user| self.actor(user)),
            at: item.date?.time()?,
            what,
        })
    }

    fn comment(&self, item: &HistoryItem<'_>) -> Option<Activity> {
        let comment = item.comment();
        let by = item.user.as_ref().or(comment.user.as_ref());
        Some(Activity {
            by: by.map(|user| self.actor(user)),
            at: item.date.or(comment.date)?.time()?,
            what: ActivityKind::Commented {
                text: comment.text(),
                id: comment.id?.to_string(),
                // Ours carry no marker in ClickUp: they are recognized by their id.
                operation: None,
            },
        })
    }

    pub(super) fn actor(&self, user: &User) -> Actor {
        let mut account = user.account();
        let us = self.me.get() == Some(&account.id);
        // No member has a negative id: that is ClickUp itself.
        let is_automation = account.id.starts_with('-');
        if is_automation && account.name == account.id {
            account.name = "ClickUp's automation".to_owned();
        }
        Actor {
            bot: us || is_automation,
            us,
            outside: false,
            account,
        }
    }
}

/// Distinguished by the types of the statuses, never by their names (docs/contracts/clickup.md#lists-and-statuses). If they are missing, the
/// read decides.
fn change_of_status(item: &HistoryItem<'_>) -> Option<ActivityKind> {
    let before: Option<WireStatus> = item.before();
    let after: WireStatus = item.after()?;
    if after.kind.is_empty() {
        return None;
    }
    // The first status of a new task is no change.
    if before
        .as_ref()
        .is_some_and(|before| before.kind == "removed")
    {
        return None;
    }
    let was_finished = before.as_ref().is_some_and(WireStatus::is_finished);
    match (was_finished, after.is_finished()) {
        (false, true) => Some(ActivityKind::Completed),
        (true, false) => Some(ActivityKind::Reopened),
        _ => None,
    }
}

fn assignee(item: &HistoryItem<'_>) -> Option<User> {
    item.after().or_else(|| item.before())
}

/// The lists that an item names: the task's list, and for a move the former one. `None` if it names none.
fn lists(item: &HistoryItem<'_>) -> Option<Vec<String>> {
    let mut lists = vec![item.parent_id.as_ref()?.to_string()];
    if item.field == "section_moved" {
        let moved: [WireRef; 2] = [item.before()?, item.after()?];
        lists.extend(moved.map(|list| list.id.to_string()));
    }
    Some(lists)
}

// ---------------------------------------------------------------- the webhook

#[async_trait]
impl WebhookKeeper for ClickUp {
    fn source(&self) -> Source {
        Source::ClickUp
    }

    fn facts(&self) -> WebhookFacts {
        FACTS
    }

    /// ClickUp lists those that the token's account created (docs/contracts/clickup.md#managing-webhooks).
    async fn list(&self) -> Places<Webhook> {
        self.here(self.all_hooks().await)
    }

    async fn register(&self, url: &str, _secret: &str) -> Places<Webhook> {
        self.here(self.registered(url).await.map(|hook| vec![hook]))
    }

    async fn reactivate(&self, hook: &Webhook) -> Result<(), WriteError> {
        let events: Vec<&str> = if hook.events.is_empty() {
            EVENTS.to_vec()
        } else {
            hook.events.iter().map(String::as_str).collect()
        };
        self.put_hook(&hook.id, &hook.url, &events)
            .await
            .map(|_| ())
    }

    async fn remove(&self, hook: &Webhook) -> Result<(), WriteError> {
        let path = format!("/webhook/{}", segment(&hook.id));
        let request = Request::delete(path, self.webhook_named());
        let IgnoredAny = self.client.send(&request).await?;
        Ok(())
    }

    /// An event about a list, which Ivan does not read.
    fn test_delivery(&self, hook: &Webhook, secret: &str) -> SignedDelivery {
        let body = json!({"event": "listUpdated", "webhook_id": hook.id}).to_string();
        let body = body.into_bytes();
        SignedDelivery {
            headers: SIGNATURE.sign(secret, &body).into_iter().collect(),
            body,
        }
    }

    async fn missed(&self, _: &Webhook, _: DateTime<Utc>) -> Result<Vec<Delivery>, WriteError> {
        Ok(Vec::new())
    }
}

impl ClickUp {
    /// The workspace is the only place.
    fn here(&self, result: Result<Vec<Webhook>, WriteError>) -> Places<Webhook> {
        match result {
            Ok(found) => Places {
                found,
                ..Places::default()
            },
            Err(error) => Places {
                refused: vec![(format!("the workspace {}", self.team_id), error)],
                ..Places::default()
            },
        }
    }

    async fn all_hooks(&self) -> Result<Vec<Webhook>, WriteError> {
        let path = format!("/team/{}/webhook", segment(&self.team_id));
        let thing = format!("the webhooks of the workspace {}", self.team_id);
        let listed: Webhooks = self.client.send(&Request::get(path, thing)).await?;
        let hooks = listed.webhooks.into_iter();
        Ok(hooks.map(|hook| self.hook(hook)).collect())
    }

    async fn registered(&self, url: &str) -> Result<Webhook, WriteError> {
        match self.existing(url).await? {
            Some(hook) => self.adopt(hook, url).await,
            None => match self.make_hook(url).await {
                // It may have been created since the listing (`OAUTH_171`).
                Err(refusal @ WriteError::Refused { .. }) => match self.existing(url).await? {
                    Some(hook) => self.adopt(hook, url).await,
                    None => Err(refusal),
                },
                made => made,
            },
        }
    }

    /// The webhook of the whole workspace for this URL. If there are several, one that works.
    async fn existing(&self, url: &str) -> Result<Option<Webhook>, WriteError> {
        let place = &self.team_id;
        let hooks = self.all_hooks().await?.into_iter();
        let mut here = hooks.filter(|hook| hook.place == *place && is_same(&hook.url, url));
        let first = here.next();
        Ok(match first {
            Some(hook) if !hook.active => here.find(|other| other.active).or(Some(hook)),
            first => first,
        })
    }

    /// Changes the differences. A failing webhook recovers by itself (docs/contracts/clickup.md#delivery).
    async fn adopt(&self, hook: Webhook, url: &str) -> Result<Webhook, WriteError> {
        let is_ours = hook.events.len() == EVENTS.len()
            && EVENTS
                .iter()
                .all(|event| hook.events.iter().any(|e| e == event));
        if hook.active && is_ours {
            return Ok(hook);
        }
        let changed = self.put_hook(&hook.id, url, &EVENTS).await?;
        Ok(Webhook {
            secret: changed.secret.or(hook.secret),
            ..changed
        })
    }

    async fn make_hook(&self, url: &str) -> Result<Webhook, WriteError> {
        let path = format!("/team/{}/webhook", segment(&self.team_id));
        let body = json!({"endpoint": url, "events": EVENTS});
        let request = Request::post(path, self.webhook_named(), body);
        let made: KeptWebhook = self.client.send(&request).await?;
        Ok(self.hook(made.webhook))
    }

    /// ClickUp requires all three together. It reactivates a suspended webhook, which keeps its secret (docs/contracts/clickup.md#managing-webhooks).
    async fn put_hook(&self, id: &str, url: &str, events: &[&str]) -> Result<Webhook, WriteError> {
        let body = json!({"endpoint": url, "events": events, "status": "active"});
        let path = format!("/webhook/{}", segment(id));
        let request = Request::put(path, self.webhook_named(), body);
        let kept: KeptWebhook = self.client.send(&request).await?;
        Ok(self.hook(kept.webhook))
    }

    fn webhook_named(&self) -> String {
        format!("a webhook of the workspace {}", self.team_id)
    }

    fn hook(&self, hook: WireHook) -> Webhook {
        let part = [
            ("space", hook.space_id),
            ("folder", hook.folder_id),
            ("list", hook.list_id),
            ("task", hook.task_id),
        ]
        .into_iter()
        .find_map(|(kind, id)| id.map(|id| format!("{kind} {id}")));
        let health = &hook.health;
        Webhook {
            source: Source::ClickUp,
            id: hook.id.to_string(),
            place: match part {
                Some(part) => format!("{}, {part}", self.team_id),
                None => self.team_id.clone(),
            },
            url: hook.endpoint,
            events: hook.events,
            active: matches!(health.status.as_str(), "active" | "failing"),
            health: match health.fail_count {
                0 => health.status.clone(),
                1 => format!("{}, 1 failure", health.status),
                failures => format!("{}, {failures} failures", health.status),
            },
            secret: hook.secret.filter(|secret| !secret.is_empty()),
        }
    }
}

/// Compares URLs: without a scheme it is https (docs/contracts/clickup.md#managing-webhooks).
fn is_same(one: &str, other: &str) -> bool {
    let read = |text: &str| {
        if text.contains("://") {
            Url::parse(text).ok()
        } else {
            Url::parse(&format!("https://{text}")).ok()
        }
    };
    one == other || read(one).is_some_and(|one| read(other) == Some(one))
}

#[cfg(test)]
#[cfg(feature = "demo")]
mod tests {
    use std::collections::BTreeSet;

    use axum::Router;
    use rstest::rstest;
    use serde_json::Value;

    use super::super::ClickUpSettings;
    use super::super::tests::settings;
    use super::*;
    use crate::clock::Clock;
    use crate::domain::operation::Refusal;
    use crate::domain::task::Account;
    use crate::http_client::damage::{damaged, fixtures};
    use crate::http_client::fake::{Fake, FakeResponse, json as says, provider};
    use crate::sandbox::Seed;
    use crate::sandbox::clickup::SandboxClickUp as Sandbox;
    use crate::sandbox::fault_server::{Fault, FaultKind, FaultServer};

    const INBOX: &str = "901100000001";
    const ROADMAP: &str = "901100000002";
    const URL: &str = "https://bot.example/webhooks/clickup";

    /// Follows the Inbox of the fixtures, and is the user `me`.
    fn reader(me: &str) -> ClickUp {
        provider();
        let settings = ClickUpSettings {
            list_id: INBOX.into(),
            ..settings("http://127.0.0.1:1")
        };
        let clickup = ClickUp::new(settings, Clock::system()).unwrap();
        clickup.me.set(me.into()).unwrap();
        clickup
    }

    fn delivery(event: &str, payload: impl Into<Vec<u8>>) -> Delivery {
        Delivery {
            source: Source::ClickUp,
            dedupe_key: "k".into(),
            event: event.into(),
            payload: payload.into(),
        }
    }

    fn read(event: &str, payload: &Value) -> Result<Vec<SourceEvent>, UnreadablePayload> {
        WebhookReader::read(&reader("4200"), &delivery(event, payload.to_string()))
    }

    /// The actions that a payload reports about the task 86tst0001.
    fn acts(event: &str, payload: &Value) -> Vec<Activity> {
        match read(event, payload).unwrap().as_slice() {
            [SourceEvent::Look { key, acts }] if *key == TaskKey::clickup("86tst0001") => {
                acts.clone()
            }
            other => panic!("{event}: {other:?}"),
        }
    }

    fn member(id: i64, name: &str) -> Account {
        Account {
            id: id.to_string(),
            name: name.into(),
        }
    }

    fn by_ana(what: ActivityKind) -> Activity {
        Activity {
            by: Some(Actor {
                account: member(4242, "Ana"),
                bot: false,
                us: false,
                outside: false,
            }),
            at: DateTime::from_timestamp_millis(1_767_229_200_123).unwrap(),
            what,
        }
    }

    fn commented(text: &str) -> ActivityKind {
        ActivityKind::Commented {
            id: "90110000000001".into(),
            text: text.into(),
            operation: None,
        }
    }

    fn changed_in(field: TaskField) -> ActivityKind {
        ActivityKind::Changed { field }
    }

    /// A payload with one change of the field, by Ana.
    fn changed(item: Value) -> Value {
        let mut whole = json!({"id": "4100000000000000001", "date": "1767229200123", "parent_id": INBOX,
            "user": {"id": 4242, "username": "Ana"}});
        for (field, value) in item.as_object().unwrap() {
            whole[field] = value.clone();
        }
        json!({"event": "x", "task_id": "86tst0001", "history_items": [whole]})
    }

    #[test]
    fn every_payload_is_read() {
        let bo = || member(4243, "Bo");
        let expected: Vec<(&str, Vec<Activity>)> = vec![
            (
                "taskAssigneeUpdated",
                vec![by_ana(ActivityKind::Assigned { to: bo() })],
            ),
            (
                "taskAssigneeUpdated__removal",
                vec![by_ana(ActivityKind::Unassigned { from: bo() })],
            ),
            ("taskCommentPosted", vec![by_ana(commented("café ✓"))]),
            ("taskCommentUpdated", vec![]),
            ("taskCreated", vec![]),
            ("taskDeleted", vec![]),
            (
                "taskDueDateUpdated",
                vec![by_ana(changed_in(TaskField::Due))],
            ),
            ("taskMoved", vec![]),
            (
                "taskPriorityUpdated",
                vec![by_ana(changed_in(TaskField::Priority))],
            ),
            ("taskStatusUpdated", vec![by_ana(ActivityKind::Completed)]),
            ("taskStatusUpdated__by_automation", vec![]),
            ("taskStatusUpdated__of_creation", vec![]),
            ("taskTagUpdated", vec![]),
            ("taskUpdated__content", vec![]),
            (
                "taskUpdated__name",
                vec![by_ana(changed_in(TaskField::Title))],
            ),
            ("taskUpdated__status", vec![by_ana(ActivityKind::Completed)]),
            // The flat form has neither time nor type.
            ("task_in_event__unreal", vec![]),
        ];
        let fixtures = fixtures("clickup", &["task"]);
        let names: Vec<_> = fixtures.iter().map(|(name, _)| name.as_str()).collect();
        let tested: Vec<_> = expected.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, tested);
        for ((name, text), (_, told)) in fixtures.iter().zip(expected) {
            let payload: Value = serde_json::from_str(text).unwrap();
            let event = payload["event"].as_str().unwrap();
            assert_eq!(acts(event, &payload), told, "{name}");
        }
    }

    #[rstest]
    #[case::of_an_automation("", include_str!("../../fixtures/clickup/automation__unsigned.json"))]
    #[case::unknown("taskRestored", include_str!("../../fixtures/clickup/taskStatusUpdated.json"))]
    #[case::of_a_list("listUpdated", r#"{"list_id": "901100000001"}"#)]
    #[case::of_time("taskTimeTrackedUpdated", r#"{"task_id": "86tst0001"}"#)]
    #[case::unknown_and_broken("taskRestored", "{")]
    fn other_events_are_no_concern(#[case] event: &str, #[case] payload: &str) {
        let read = WebhookReader::read(&reader("4200"), &delivery(event, payload));
        assert_eq!(read, Ok(vec![]));
    }

    #[rstest]
    #[case::completed("custom", "closed", Some(ActivityKind::Completed))]
    #[case::done_is_completed("open", "done", Some(ActivityKind::Completed))]
    #[case::reopened("closed", "open", Some(ActivityKind::Reopened))]
    #[case::from_done_to_closed("done", "closed", None)]
    #[case::started("open", "custom", None)]
    #[case::of_creation("removed", "closed", None)]
    #[case::to_nothing("closed", "", None)]
    fn a_status_tells_by_its_type(
        #[case] before: &str,
        #[case] after: &str,
        #[case] what: Option<ActivityKind>,
    ) {
        // The names suggest the opposite.
        let payload = changed(
            json!({"field": "status", "before": {"status": "complete", "type": before},
            "after": {"status": "to do", "type": after}}),
        );
        let told: Vec<Activity> = what.into_iter().map(by_ana).collect();
        assert_eq!(acts("taskStatusUpdated", &payload), told);
    }

    #[rstest]
    #[case::an_object(json!({"id": 90110000000001i64, "text_content": "hi\n"}))]
    #[case::its_parts(json!({"id": "90110000000001", "comment": [{"text": "h"}, {"text": "i\n"}]}))]
    #[case::an_array(json!([{"id": "90110000000001", "text_content": "hi"}]))]
    #[case::an_array_of_parts(json!([{"text": "hi"}, {"text": "\n"}]))]
    #[case::with_no_text(json!({"id": "90110000000001", "comment": [{"text": "h"}, {"text": null}, {"text": "i"}, 7]}))]
    fn a_comment_comes_in_several_shapes(#[case] comment: Value) {
        let payload =
            changed(json!({"field": "comment", "after": "90110000000001", "comment": comment}));
        assert_eq!(
            acts("taskCommentPosted", &payload),
            [by_ana(commented("hi"))]
        );
        // The same item comes with other events, and is no second comment.
        assert_eq!(acts("taskUpdated", &payload), []);
    }

    #[rstest]
    #[case::with_its_text(json!({"type": "tag", "user": {"id": 4243, "username": "Bo"}, "text": "@Bo Lind"}), "@Bo Lind, look")]
    #[case::with_the_member(json!({"type": "tag", "user": {"id": 4243, "username": "Bo"}}), "@Bo, look")]
    #[case::with_the_id(json!({"type": "tag", "user": {"id": 4243}}), "@4243, look")]
    fn a_mention_in_a_comment_is_read(#[case] tag: Value, #[case] shown: &str) {
        let parts = json!([tag, {"text": ", look"}, {"text": "\n"}]);
        let comment = json!({"id": "90110000000001", "text_content": ", look\n", "comment": parts});
        let payload =
            changed(json!({"field": "comment", "after": "90110000000001", "comment": comment}));
        let acts = acts("taskCommentPosted", &payload);
        let ActivityKind::Commented { text, .. } = &acts[0].what else {
            panic!("{acts:?}");
        };
        let mentions: Vec<&str> = text.mentions().collect();
        assert_eq!((text.to_string().as_str(), mentions), (shown, vec!["4243"]));
    }

    #[test]
    fn our_own_acts_are_known_once_we_know_who_we_are() {
        let text = include_str!("../../fixtures/clickup/taskStatusUpdated.json");
        let delivery = delivery("taskStatusUpdated", text);
        let by = |clickup: &ClickUp| {
            let events = WebhookReader::read(clickup, &delivery).unwrap();
            let [SourceEvent::Look { acts, .. }] = events.as_slice() else {
                panic!("{events:?}")
            };
            acts[0].by.clone().map(|by| (by.us, by.bot))
        };
        assert_eq!(by(&reader("4242")), Some((true, true)));
        assert_eq!(by(&reader("4200")), Some((false, false)));
        provider();
        let settings = ClickUpSettings {
            list_id: INBOX.into(),
            ..settings("http://127.0.0.1:1")
        };
        let nobody_yet = ClickUp::new(settings, Clock::system()).unwrap();
        assert_eq!(by(&nobody_yet), Some((false, false)));
    }

    #[rstest]
    #[case::here(json!({"parent_id": INBOX}), true)]
    #[case::here_as_a_number(json!({"parent_id": 901_100_000_001_i64}), true)]
    #[case::elsewhere(json!({"parent_id": ROADMAP}), false)]
    #[case::moved_away(json!({"parent_id": ROADMAP, "field": "section_moved",
        "before": {"id": INBOX}, "after": {"id": ROADMAP}}), true)]
    #[case::moved_elsewhere(json!({"parent_id": ROADMAP, "field": "section_moved",
        "before": {"id": "77"}, "after": {"id": ROADMAP}}), false)]
    #[case::moved_from_nobody_knows(json!({"parent_id": ROADMAP, "field": "section_moved"}), true)]
    #[case::nobody_knows(json!({"parent_id": null}), true)]
    fn a_task_of_another_list_is_no_concern(#[case] item: Value, #[case] looked_at: bool) {
        let events = read("taskMoved", &changed(item)).unwrap();
        assert_eq!(events.len(), usize::from(looked_at));
    }

    /// It is followed in a list that its webhooks do not name.
    #[test]
    fn a_task_that_stands_in_a_followed_list_is_looked_at() {
        let reader = reader("4200");
        let item = || changed(json!({"parent_id": ROADMAP}));
        let events = || {
            let delivery = delivery("taskUpdated", item().to_string());
            WebhookReader::read(&reader, &delivery).unwrap().len()
        };
        assert_eq!(events(), 0);
        reader.remember(vec!["86tst0001".into()]);
        assert_eq!(events(), 1);
    }

    #[rstest]
    #[case::no_task(json!({"history_items": []}))]
    #[case::an_odd_id(json!({"task_id": "86/../x"}))]
    #[case::null(json!({"task_id": null, "task": null}))]
    #[case::no_object(json!("odd"))]
    fn a_payload_without_a_task_cannot_be_read(#[case] payload: Value) {
        let error = read("taskUpdated", &payload).unwrap_err();
        assert_eq!(error.event, "taskUpdated");
    }

    #[test]
    fn a_payload_that_is_cut_anywhere_cannot_be_read() {
        let reader = reader("4200");
        for (name, text) in fixtures("clickup", &["task"]) {
            let whole = text.trim_end().as_bytes();
            for end in 0..whole.len() {
                let cut = WebhookReader::read(&reader, &delivery("taskUpdated", &whole[..end]));
                assert!(cut.is_err(), "{name} cut at {end}");
            }
        }
    }

    /// A damaged payload is about the same task and reports no action that the whole one does not, or it is unreadable.
    #[test]
    fn a_damaged_payload_tells_nothing_wrong() {
        let reader = reader("4200");
        let kinds = |acts: &[Activity]| -> BTreeSet<String> {
            let words = acts.iter().map(|act| format!("{:?}", act.what));
            words
                .map(|text| text.split([' ', '{']).next().unwrap().to_owned())
                .collect()
        };
        let mut read = 0;
        for (name, text) in fixtures("clickup", &["task"]) {
            let whole: Value = serde_json::from_str(&text).unwrap();
            let event = whole["event"].as_str().unwrap();
            let told = kinds(&acts(event, &whole));
            for (how, payload) in damaged(&whole) {
                let events = WebhookReader::read(&reader, &delivery(event, payload.to_string()));
                for event in events.unwrap_or_default() {
                    let SourceEvent::Look { key, acts } = event else {
                        panic!("{name}, {how}: {event:?}")
                    };
                    let is_same = key == TaskKey::clickup("86tst0001")
                        // A number is as valid an id as a text.
                        || (key == TaskKey::clickup("-7") && how.contains("id is -7"));
                    assert!(is_same, "{name}, {how}: {key:?}");
                    assert!(kinds(&acts).is_subset(&told), "{name}, {how}: {acts:?}");
                    read += 1;
                }
            }
        }
        assert!(read > 1_000, "only {read} were read");
    }

    // ------------------------------------------------------------ the webhook

    fn keeper(sandbox: &Sandbox) -> ClickUp {
        provider();
        let settings = ClickUpSettings {
            token: sandbox.token().into(),
            team_id: sandbox.team_id().into(),
            list_id: sandbox.list_id().into(),
            lists: vec![],
            api_url: sandbox.api_url(),
            ..settings("")
        };
        ClickUp::new(settings, Clock::system()).unwrap()
    }

    async fn sandbox() -> Sandbox {
        Sandbox::start(&Seed::demo().clickup).await.unwrap()
    }

    #[tokio::test]
    async fn a_webhook_is_made_once() {
        let sandbox = sandbox().await;
        let clickup = keeper(&sandbox);
        let made = clickup.register(URL, "ignored").await.whole().unwrap();
        assert_eq!(made.len(), 1);
        let hook = &made[0];
        assert_eq!((hook.place.as_str(), hook.url.as_str()), ("9001", URL));
        assert_eq!((hook.active, hook.health.as_str()), (true, "active"));
        assert_eq!(hook.events, EVENTS);
        let secret = sandbox.hooks()[0]["secret"].as_str().map(str::to_owned);
        assert_eq!(hook.secret, secret);
        let again = clickup.register(URL, "").await.whole().unwrap();
        assert_eq!(again[0].id, hook.id);
        assert_eq!(again[0].secret, None, "it is shown once");
        let listed = WebhookKeeper::list(&clickup).await.whole().unwrap();
        assert_eq!(listed, again);
        let missed = clickup.missed(hook, DateTime::UNIX_EPOCH).await;
        assert_eq!(missed, Ok(vec![]));
        let writes = sandbox.front().journal().into_iter();
        let writes: Vec<_> = writes.filter(|seen| seen.method != "GET").collect();
        assert_eq!(writes.len(), 1, "{writes:?}");
    }

    #[tokio::test]
    async fn a_webhook_made_by_hand_is_adopted_with_our_events() {
        let sandbox = sandbox().await;
        let id = sandbox.add_hook("bot.example/webhooks/clickup", "s");
        let adopted = keeper(&sandbox).register(URL, "").await.whole().unwrap();
        assert_eq!(adopted[0].id, id);
        let hooks = sandbox.hooks();
        assert_eq!(hooks.len(), 1);
        assert_eq!(hooks[0]["events"], json!(EVENTS));
        assert_eq!(hooks[0]["secret"], "s");
    }

    #[tokio::test]
    async fn a_suspended_webhook_is_put_back_to_work_and_keeps_its_secret() {
        let sandbox = sandbox().await;
        let end = FaultServer::open(Router::new().fallback(async || "ok"))
            .await
            .unwrap();
        let url = format!("http://{}/webhooks/clickup", end.address());
        let clickup = keeper(&sandbox);
        let secret = clickup.register(&url, "").await.whole().unwrap()[0]
            .secret
            .clone();
        let suspend = async || {
            end.fault(Fault::new(FaultKind::answer(401, "")));
            sandbox.add_task(json!({"name": "New"}));
            sandbox.settled().await;
            WebhookKeeper::list(&clickup)
                .await
                .whole()
                .unwrap()
                .remove(0)
        };
        let hook = suspend().await;
        assert_eq!((hook.active, hook.health.as_str()), (false, "suspended"));
        clickup.reactivate(&hook).await.unwrap();
        let listed = WebhookKeeper::list(&clickup).await.whole().unwrap();
        assert!(listed[0].active);
        assert_eq!(listed[0].events, EVENTS);
        // Registering it again has the same effect.
        suspend().await;
        assert!(clickup.register(&url, "").await.whole().unwrap()[0].active);
        let hooks = sandbox.hooks();
        assert_eq!(hooks.len(), 1);
        assert_eq!(hooks[0]["secret"].as_str(), secret.as_deref());
    }

    #[tokio::test]
    async fn a_webhook_whose_secret_is_lost_is_replaced() {
        let sandbox = sandbox().await;
        let clickup = keeper(&sandbox);
        let lost = clickup.register(URL, "").await.whole().unwrap().remove(0);
        let renewed = clickup.renew(&lost).await.unwrap();
        assert_ne!((&renewed.id, &renewed.secret), (&lost.id, &lost.secret));
        assert!(renewed.secret.is_some());
        assert_eq!(sandbox.hooks().len(), 1);
    }

    fn hook(id: &str, status: &str, place: Value) -> Value {
        let mut hook = json!({"id": id, "endpoint": URL, "events": EVENTS,
            "health": {"status": status, "fail_count": 100}, "list_id": null, "secret": "s"});
        for (key, value) in place.as_object().unwrap() {
            hook[key] = value.clone();
        }
        hook
    }

    #[tokio::test]
    async fn of_several_a_working_one_for_the_whole_workspace_is_adopted() {
        let fake = Fake::start(|_| {
            let of_a_list = hook("1", "active", json!({"list_id": 901}));
            let elsewhere = hook("2", "active", json!({"endpoint": "https://other.example/"}));
            let dead = hook("3", "suspended", json!({}));
            let working = hook("4", "failing", json!({}));
            says(
                200,
                json!({"webhooks": [of_a_list, elsewhere, dead, working]}),
            )
        })
        .await;
        provider();
        let clickup = ClickUp::new(settings(&fake.url), Clock::system()).unwrap();
        let adopted = clickup.register(URL, "").await.whole().unwrap();
        assert_eq!(adopted[0].id, "4");
        assert_eq!(adopted[0].health, "failing, 100 failures");
        assert_eq!(adopted[0].secret.as_deref(), Some("s"));
        assert_eq!(fake.lines(), ["GET /team/9001/webhook"]);
        let listed = WebhookKeeper::list(&clickup).await.whole().unwrap();
        let places: Vec<_> = listed.iter().map(|hook| hook.place.as_str()).collect();
        assert_eq!(places, ["9001, list 901", "9001", "9001", "9001"]);
    }

    /// Another client created one at the same time, or with another account.
    #[rstest]
    #[case::just_now(true)]
    #[case::by_another_account(false)]
    #[tokio::test]
    async fn one_that_is_there_already_is_looked_for(#[case] shown: bool) {
        let asked = std::sync::atomic::AtomicUsize::new(0);
        let fake = Fake::start(move |seen| {
            if seen.method == "POST" {
                let twin = include_str!("../../fixtures/clickup/post_webhook__400_OAUTH_171.json");
                return FakeResponse::Text(400, vec![], twin.into());
            }
            let before = asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let hooks = if shown && before > 0 {
                json!([hook("5", "active", json!({}))])
            } else {
                json!([])
            };
            says(200, json!({"webhooks": hooks}))
        })
        .await;
        provider();
        let clickup = ClickUp::new(settings(&fake.url), Clock::system()).unwrap();
        match clickup.register(URL, "").await.whole() {
            Ok(hooks) => assert_eq!((shown, hooks[0].id.as_str()), (true, "5")),
            Err(error) => {
                assert!(!shown);
                assert!(error.to_string().contains("another address"), "{error}");
            }
        }
        let posts = fake.lines().into_iter();
        assert_eq!(posts.filter(|line| line.starts_with("POST")).count(), 1);
    }

    #[rstest]
    #[case::not_allowed(403, json!({"err": "No permission"}), "doesn't let me")]
    #[case::not_shown(401, json!({"err": "Team not authorized", "ECODE": "OAUTH_027"}), "or I may not see it")]
    #[tokio::test]
    async fn a_workspace_that_refuses_is_named(
        #[case] status: u16,
        #[case] body: Value,
        #[case] why: &'static str,
    ) {
        let fake = Fake::start(move |_| says(status, body.clone())).await;
        provider();
        let clickup = ClickUp::new(settings(&fake.url), Clock::system()).unwrap();
        for error in [
            WebhookKeeper::list(&clickup).await.whole().unwrap_err(),
            clickup.register(URL, "").await.whole().unwrap_err(),
        ] {
            assert!(matches!(
                error,
                WriteError::Refused {
                    what: Refusal::Invisible | Refusal::Other,
                    ..
                }
            ));
            let text = error.to_string();
            assert!(text.contains(why), "{text}");
            assert!(text.contains("the workspace 9001"), "{text}");
            assert!(text.contains("clickup.token"), "{text}");
        }
    }

    #[rstest]
    #[case("https://bot.example/x", "bot.example/x", true)]
    #[case("https://Bot.example:443/x", "https://bot.example/x", true)]
    #[case("https://bot.example/x", "http://bot.example/x", false)]
    #[case("https://bot.example/x", "https://bot.example/y", false)]
    #[case("odd address", "odd address", true)]
    fn addresses_are_compared(#[case] one: &str, #[case] other: &str, #[case] same: bool) {
        assert_eq!(is_same(one, other), same);
    }

    /// The responses as the contract shows them.
    #[tokio::test]
    async fn the_fixtures_are_read() {
        let fake = Fake::start(|seen| {
            let text = match seen.method.as_str() {
                "GET" => include_str!("../../fixtures/clickup/get_webhook.json"),
                _ => include_str!("../../fixtures/clickup/post_webhook.json"),
            };
            FakeResponse::Text(200, vec![], text.into())
        })
        .await;
        provider();
        let clickup = ClickUp::new(settings(&fake.url), Clock::system()).unwrap();
        let health: Vec<_> = WebhookKeeper::list(&clickup)
            .await
            .whole()
            .unwrap()
            .into_iter()
            .map(|hook| (hook.active, hook.health))
            .collect();
        let expected = [
            (true, "active".to_owned()),
            (false, "suspended, 100 failures".to_owned()),
        ];
        assert_eq!(health, expected);
        let made = clickup
            .register("https://new.example/", "")
            .await
            .whole()
            .unwrap();
        assert_eq!(made[0].secret.as_ref().map(String::len), Some(64));
        let asked = fake.seen().pop().unwrap();
        assert_eq!(
            asked.json(),
            json!({"endpoint": "https://new.example/", "events": EVENTS})
        );
    }
}
