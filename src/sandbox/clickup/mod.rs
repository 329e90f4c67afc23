//! A sandbox ClickUp built from its contract: a workspace with lists, tasks, comments and webhooks behind the API v2.
//!
//! `api.rs` reads requests and refuses those that ClickUp refuses. `world.rs` holds the state, changes it, and makes a
//! delivery of every change. Actions of other people come in through the methods of [`SandboxClickUp`] and change the same
//! state. Where the contract calls a point unconfirmed, this is the stricter reading: a new comment does not change
//! `date_updated`, `done` tasks need `include_closed`, a status must be spelled exactly, a webhook's secret is shown
//! once.

#![expect(
    clippy::indexing_slicing,
    reason = "only JSON is indexed, by key: what it lacks reads as null, and only objects made here are written to"
)]

mod api;
mod refusal;
#[cfg(test)]
mod tests;
mod world;

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Response, header};
use serde_json::{Value, json};

use super::fault_server::FaultServer;
use super::webhook_sender::{
    AttemptEnd, DeliveryAttempt, DeliveryHandler, DeliveryRecord, WebhookSender,
};
use super::wire::ReadRequest;
use super::{http_date, locked, now};
pub use world::MentionsAs;
use world::{ClickUpWorld, RATE_WINDOW, TokenRate, WebhookPlace, list, text};

/// The time limit of an endpoint's answer (docs/contracts/clickup.md#delivery).
const HOOK_TIMEOUT: Duration = Duration::from_secs(7);

/// The delay between attempts of a delivery. The contract has no value (7.5); it is short for the tests.
const HOOK_RETRY: Duration = Duration::from_millis(100);

/// Attempts of a delivery before it is dropped (docs/contracts/clickup.md#delivery).
const HOOK_ATTEMPTS: u32 = 5;

/// Failed deliveries before a webhook is suspended (docs/contracts/clickup.md#delivery).
const HOOK_FAILURES: u64 = 100;

/// A ClickUp on loopback. Clones share it.
#[derive(Clone)]
pub struct SandboxClickUp {
    house: Arc<House>,
    front: FaultServer,
    token: Arc<str>,
    team: Arc<str>,
    list: Arc<str>,
}

/// A snapshot of one task.
pub struct TaskView {
    house: Arc<House>,
    id: String,
}

struct House {
    world: Arc<Mutex<ClickUpWorld>>,
    courier: WebhookSender,
}

impl SandboxClickUp {
    /// Starts a ClickUp with the state of a seed: `token`, `me` (the user of the token), `team`, `members`, `lists` and
    /// `tasks` (in the form of [`SandboxClickUp::add_task`]).
    ///
    /// # Errors
    /// When one of these is missing, or no port can be bound.
    pub async fn start(seed: &Value) -> io::Result<SandboxClickUp> {
        SandboxClickUp::start_at(seed, 0).await
    }

    /// Starts it on this port; 0 is any free port.
    ///
    /// # Errors
    /// As [`SandboxClickUp::start`].
    pub async fn start_at(seed: &Value, port: u16) -> io::Result<SandboxClickUp> {
        let world = Arc::new(Mutex::new(ClickUpWorld::new(seed)?));
        let courier = WebhookSender::start(HOOK_TIMEOUT, Carrying(Arc::clone(&world)));
        let house = Arc::new(House {
            world: Arc::clone(&world),
            courier,
        });
        let router = Router::new().fallback(serve).with_state(Arc::clone(&house));
        let front = FaultServer::open_at(router, port).await?;
        let (token, team, list) = {
            let world = locked(&world);
            (
                world.token.clone(),
                text(&world.team["id"]),
                world.default_list.clone(),
            )
        };
        let clickup = SandboxClickUp {
            house,
            front,
            token: token.into(),
            team: team.into(),
            list: list.into(),
        };
        for name in seed["types"].as_array().into_iter().flatten() {
            clickup.add_type(name.as_str().unwrap_or_default());
        }
        for task in seed["tasks"].as_array().into_iter().flatten() {
            clickup.add_task(task.clone());
        }
        Ok(clickup)
    }

    /// Base of the API, without a slash at the end.
    pub fn api_url(&self) -> String {
        format!("http://{}/api/v2", self.front.address())
    }

    /// The valid personal token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The workspace's id.
    pub fn team_id(&self) -> &str {
        &self.team
    }

    /// The id of the first list, "Inbox".
    pub fn list_id(&self) -> &str {
        &self.list
    }

    /// The user of the token.
    pub fn me(&self) -> i64 {
        locked(&self.house.world).me
    }

    /// The journal and faults of its HTTP side.
    pub fn front(&self) -> &FaultServer {
        &self.front
    }

    /// Stops listening.
    pub async fn close(&self) {
        self.front.close().await;
    }

    // State.

    /// The task with this id, or else with this name.
    ///
    /// # Panics
    /// When no task or several tasks match; the message lists the existing ones.
    #[track_caller]
    pub fn task(&self, name_or_id: &str) -> TaskView {
        let id = locked(&self.house.world).find(name_or_id);
        match id {
            Ok(id) => TaskView {
                house: Arc::clone(&self.house),
                id,
            },
            Err(wrong) => panic!("{wrong}"),
        }
    }

    /// Every existing task of that name, as `GET /task` shows it.
    pub fn tasks_named(&self, name: &str) -> Vec<Value> {
        let world = locked(&self.house.world);
        let tasks = world
            .tasks
            .values()
            .filter(|task| !task.deleted && task.json["name"] == name);
        tasks.map(|task| task.json.clone()).collect()
    }

    /// Every existing task in order of ids.
    pub fn tasks(&self) -> Vec<Value> {
        let world = locked(&self.house.world);
        world
            .tasks
            .values()
            .filter(|task| !task.deleted)
            .map(|task| task.json.clone())
            .collect()
    }

    // Actions of other people. Tasks are given by id or name; each method panics if there is no such task.

    /// Creates a task as a person would: `name`, and optionally `description`, `status`, `tags`, `priority` (1–4),
    /// `due_date` (ms) or `due_in_days`, `assignees` (ids), `list` (id), `parent`, `creator` (id), `custom_id`,
    /// `custom_item_id` (the number of a type), `dependencies` (wire form), `created_days_ago`, `updated_days_ago`. Returns its id.
    ///
    /// # Panics
    /// When ClickUp would refuse it.
    #[track_caller]
    pub fn add_task(&self, task: Value) -> String {
        let made = self.house.with(|world| world.add(&task));
        match made {
            Ok(id) => id,
            Err(no) => panic!("this task cannot be: {} ({task})", no.err),
        }
    }

    /// A user sets a status of the task's list.
    #[track_caller]
    pub fn set_status(&self, task: &str, status: &str, by: i64) {
        self.as_person(task, by, &json!({ "status": status }));
    }

    /// A user comments. Returns the comment's id.
    #[track_caller]
    pub fn comment_by(&self, task: &str, by: i64, text: &str) -> String {
        let id = self.task(task).id;
        self.house
            .with(|world| world.comment(&id, by, &[json!({ "text": text })], None).0)
    }

    /// A user comments with parts: `{"text": …}` and `{"type": "tag", "user": {"id": …}}`.
    #[track_caller]
    pub fn rich_comment_by(&self, task: &str, by: i64, parts: &[Value]) -> String {
        let id = self.task(task).id;
        self.house
            .with(|world| world.comment(&id, by, parts, None).0)
    }

    /// A user changes the text of a comment.
    pub fn edit_comment(&self, comment: &str, by: i64, text: &str) {
        self.house
            .with(|world| world.edit_comment(comment, by, Some(&[json!({ "text": text })]), None));
    }

    /// A user changes the parts of a comment.
    pub fn rich_edit_comment(&self, comment: &str, by: i64, parts: &[Value]) {
        self.house
            .with(|world| world.edit_comment(comment, by, Some(parts), None));
    }

    /// A user replies to a comment.
    ///
    /// # Panics
    /// When there is no such comment.
    #[track_caller]
    pub fn reply_by(&self, comment: &str, by: i64, text: &str) {
        let replied = self.house.with(|world| world.reply(comment, by, text));
        assert!(replied, "no comment {comment}");
    }

    /// A user attaches a file of 5 bytes to the task.
    #[track_caller]
    pub fn attach_by(&self, task: &str, by: i64, name: &str) {
        let id = self.task(task).id;
        self.house.with(|world| world.add_file(&id, by, name, 5));
    }

    /// A user adds an empty checklist to the task.
    #[track_caller]
    pub fn add_checklist(&self, task: &str, by: i64, name: &str) {
        let id = self.task(task).id;
        self.house.with(|world| world.add_checklist(&id, by, name));
    }

    /// Moves the task to the trash, where it keeps its id for [`SandboxClickUp::restore_task`].
    #[track_caller]
    pub fn delete_task(&self, task: &str) {
        let id = self.task(task).id;
        self.house.with(|world| world.delete(&id));
    }

    /// Restores a task from the trash by its id; there is no event (docs/contracts/clickup.md#events).
    pub fn restore_task(&self, id: &str) {
        self.house.with(|world| {
            let at = world.tick();
            if let Some(task) = world.tasks.get_mut(id) {
                task.deleted = false;
                task.json["date_updated"] = json!(at.to_string());
            }
        });
    }

    /// Moves the task to another list. A status that the list lacks becomes its first one.
    #[track_caller]
    pub fn move_task(&self, task: &str, list: &str) {
        let id = self.task(task).id;
        let moved = self.house.with(|world| world.move_to(&id, list));
        assert!(moved, "no list {list}");
    }

    /// Archives or restores the list. Its tasks do not change, and there is no webhook event (docs/contracts/clickup.md#events).
    #[track_caller]
    pub fn archive_list(&self, list: &str, archived: bool) {
        match locked(&self.house.world).lists.get_mut(list) {
            Some(list) => list["archived"] = json!(archived),
            None => panic!("no list {list}"),
        }
    }

    /// Adds the task to a further list, or removes it from there; its home list stays. The contract does not say
    /// whether that changes the task or sends an event; here it does neither.
    #[track_caller]
    pub fn add_to_list(&self, task: &str, list: &str, on: bool) {
        let id = self.task(task).id;
        let mut world = locked(&self.house.world);
        let Some(name) = world.lists.get(list).map(|list| list["name"].clone()) else {
            panic!("no list {list}")
        };
        let Some(task) = world.tasks.get_mut(&id) else {
            panic!("no task {id}")
        };
        assert_ne!(task.json["list"]["id"], list, "that is its home");
        let mut locations = world::list(&task.json["locations"]);
        locations.retain(|known| known["id"] != *list);
        if on {
            locations.push(json!({ "id": list, "name": name, "access": true }));
        }
        task.json["locations"] = json!(locations);
    }

    /// Renames the task.
    #[track_caller]
    pub fn rename_task(&self, task: &str, name: &str) {
        let by = locked(&self.house.world).somebody();
        self.as_person(task, by, &json!({ "name": name }));
    }

    /// A user changes any fields of `PUT /task`, in its format.
    #[track_caller]
    pub fn as_person(&self, task: &str, by: i64, change: &Value) {
        let id = self.task(task).id;
        let Some(fields) = change.as_object() else {
            panic!("a change is an object, not {change}")
        };
        let changed = self.house.with(|world| world.update(&id, by, fields));
        if let Err(no) = changed {
            panic!("this change cannot be: {} ({change})", no.err);
        }
    }

    /// Makes one task wait for another, or ends that. Both tasks list it.
    #[track_caller]
    pub fn wait_for(&self, task: &str, first: &str, waits: bool) {
        let (task, first) = (self.task(task).id, self.task(first).id);
        self.house.with(|world| world.depend(&task, &first, waits));
    }

    /// Adds a tag to the space of the default list. Tagging a task with a new one adds it too.
    pub fn add_tag(&self, tag: &str) {
        self.house.with(|world| {
            let list = world.lists.get(&world.default_list);
            let space = list
                .map(|list| text(&list["space"]["id"]))
                .unwrap_or_default();
            world.add_tag(&space, tag);
        });
    }

    /// Adds a type of tasks to the workspace.
    pub fn add_type(&self, name: &str) {
        self.house.with(|world| world.add_type(name));
    }

    /// Whether the token's user may not read the types of tasks.
    pub fn hide_types(&self, hidden: bool) {
        self.house.with(|world| world.types_hidden = hidden);
    }

    /// A user gives the task the type with this name, or makes it a plain task.
    ///
    /// # Panics
    /// When the workspace has no such type.
    #[track_caller]
    pub fn type_as(&self, task: &str, by: i64, name: Option<&str>) {
        let number = match name {
            None => 0,
            Some("Milestone") => 1,
            Some(name) => {
                let world = locked(&self.house.world);
                let mut types = world.types.iter();
                let found = types.find(|(_, known)| *known == name);
                match found {
                    Some((number, _)) => *number,
                    None => panic!("the workspace has no type {name}"),
                }
            }
        };
        self.as_person(task, by, &json!({ "custom_item_id": number }));
    }

    /// A user adds or removes a tag.
    #[track_caller]
    pub fn tag(&self, task: &str, tag: &str, on: bool, by: i64) {
        let id = self.task(task).id;
        self.house.with(|world| world.tag(&id, tag, on, by));
    }

    /// Sets one member of the task, in wire form, without an event: ClickUp itself would refuse some values.
    #[track_caller]
    pub fn set_member(&self, task: &str, member: &str, value: Value) {
        let id = self.task(task).id;
        if let Some(task) = locked(&self.house.world).tasks.get_mut(&id) {
            task.json[member] = value;
        }
    }

    /// Hides a task from the token's user, or shows it again. Hidden: 401 `OAUTH_027`, absent from listings.
    #[track_caller]
    pub fn hide_task(&self, task: &str, hidden: bool) {
        let id = self.task(task).id;
        if let Some(task) = locked(&self.house.world).tasks.get_mut(&id) {
            task.hidden = hidden;
        }
    }

    /// Revokes the token: 401 `OAUTH_025`.
    pub fn revoke_token(&self) {
        locked(&self.house.world).revoked = true;
    }

    /// Makes the revoked token valid again.
    pub fn accept_token(&self) {
        locked(&self.house.world).revoked = false;
    }

    /// Replaces the statuses of a list, in wire form; tasks in it keep theirs.
    pub fn set_statuses(&self, list: &str, statuses: Value) {
        self.house.with(|world| {
            if let Some(list) = world.lists.get_mut(list) {
                list["statuses"] = statuses;
            }
            world.tell(
                "listUpdated",
                json!({ "list_id": list }),
                WebhookPlace::of_list(world.lists.get(list)),
            );
        });
    }

    /// Sets whether a new comment changes `date_updated`; the contract does not say (8.4). Off by default.
    pub fn comments_touch_tasks(&self, touch: bool) {
        locked(&self.house.world).comments_touch = touch;
    }

    /// Sets whether the workspace has no room for files.
    pub fn storage_is_full(&self, full: bool) {
        locked(&self.house.world).storage_full = full;
    }

    /// Sets whether new comments and descriptions are parsed as formatted text: they come back without Markdown's
    /// signs, and a comment with a line break at its end. The contract says that comments are not parsed (6.3).
    pub fn shows_formatted(&self, on: bool) {
        locked(&self.house.world).formats = on;
    }

    /// Sets how mentions in new comments are shown; the contract does not say (6.3).
    pub fn shows_mentions(&self, way: MentionsAs) {
        locked(&self.house.world).mentions_as = way;
    }

    /// Makes listings lag: they show only tasks and comments that exist now.
    pub fn lag(&self, on: bool) {
        let mut world = locked(&self.house.world);
        world.lag = on.then_some(world.last);
    }

    /// Shifts ClickUp's clock ahead, or back if negative. Earlier times stay, and no two changes share a time.
    pub fn clock_is_ahead(&self, by_ms: i64) {
        locked(&self.house.world).ahead = by_ms;
    }

    /// Sets how many requests are left in the current minute, which ends in 60 s. Then the limit is full again.
    pub fn rate_limit(&self, remaining: u32) {
        self.rate_limit_for(remaining, Duration::from_millis(RATE_WINDOW.unsigned_abs()));
    }

    /// Sets how many requests are left for that long.
    pub fn rate_limit_for(&self, remaining: u32, window: Duration) {
        let window = i64::try_from(window.as_millis()).unwrap_or(RATE_WINDOW);
        let mut world = locked(&self.house.world);
        world.rate = TokenRate {
            remaining,
            ends: now() + window,
            ..world.rate
        };
    }

    // Webhooks.

    /// A webhook for all events of the workspace, created by hand. Returns its id.
    pub fn add_hook(&self, url: &str, secret: &str) -> String {
        self.house.with(|world| {
            world.hook(
                url,
                &json!(["*"]),
                [Value::Null, Value::Null, Value::Null, Value::Null],
                secret,
            )
        })
    }

    /// Deletes all webhooks, as a person can in ClickUp's settings.
    pub fn remove_hooks(&self) {
        locked(&self.house.world).hooks.clear();
    }

    /// The webhooks, each with its `health` and its `secret`, which only this method shows.
    pub fn hooks(&self) -> Vec<Value> {
        locked(&self.house.world).hooks.clone()
    }

    /// The deliveries and attempts so far.
    pub fn deliveries(&self) -> Vec<DeliveryRecord> {
        self.house.courier.deliveries()
    }

    /// Loses the next deliveries.
    pub fn lose_next(&self, n: u32) {
        self.house.courier.lose_next(n);
    }

    /// Delivers the next deliveries twice.
    pub fn repeat_next(&self, n: u32) {
        self.house.courier.repeat_next(n);
    }

    /// Holds deliveries from now on.
    pub fn hold(&self) {
        self.house.courier.hold();
    }

    /// Delivers the held ones in order, and ends the holding.
    pub fn release(&self) {
        self.house.courier.release(false);
    }

    /// Delivers the held ones in reverse order, and ends the holding.
    pub fn release_reversed(&self) {
        self.house.courier.release(true);
    }

    /// Loses the held ones, and ends the holding.
    pub fn lose_held(&self) {
        self.house.courier.lose_held();
    }

    /// Deliveries to an address that begins with `public` go to `local`, which is on loopback.
    pub fn tunnel(&self, public: &str, local: &str) {
        self.house.courier.tunnel(public, local);
    }

    /// Sets the time limit of an endpoint's answer. The default is 7 s.
    pub fn hook_timeout(&self, timeout: Duration) {
        self.house.courier.timeout(timeout);
    }

    /// Whether no delivery is under way, retries included.
    pub fn is_settled(&self) -> bool {
        self.house.courier.is_settled()
    }

    /// Waits until no delivery is under way, retries included.
    pub async fn settled(&self) {
        self.house.courier.settled().await;
    }
}

impl TaskView {
    /// The task's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The task as `GET /task` shows it.
    pub fn json(&self) -> Value {
        locked(&self.house.world)
            .tasks
            .get(&self.id)
            .map(|task| task.json.clone())
            .unwrap_or_default()
    }

    /// The name of its status.
    pub fn status(&self) -> String {
        text(&self.json()["status"]["status"])
    }

    /// The names of its tags.
    pub fn tags(&self) -> Vec<String> {
        self.json()["tags"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|tag| text(&tag["name"]))
            .collect()
    }

    /// The number of its type: 0 for a plain task.
    pub fn type_number(&self) -> i64 {
        self.json()["custom_item_id"].as_i64().unwrap_or_default()
    }

    /// The texts of its comments, oldest first.
    pub fn comments(&self) -> Vec<String> {
        let world = locked(&self.house.world);
        let comments = world
            .tasks
            .get(&self.id)
            .map(|task| task.comments.as_slice())
            .unwrap_or_default();
        comments
            .iter()
            .map(|comment| text(&comment.json["comment_text"]))
            .collect()
    }

    /// The names and sizes of its attachments, oldest first.
    pub fn attachments(&self) -> Vec<(String, u64)> {
        let task = self.json();
        let files = task["attachments"].as_array().into_iter().flatten();
        files
            .map(|file| {
                (
                    text(&file["title"]),
                    file["size"].as_u64().unwrap_or_default(),
                )
            })
            .collect()
    }

    /// The members mentioned in its comments, oldest first.
    pub fn mentions(&self) -> Vec<i64> {
        let world = locked(&self.house.world);
        let comments = world
            .tasks
            .get(&self.id)
            .map(|task| task.comments.as_slice());
        let parts = comments
            .unwrap_or_default()
            .iter()
            .flat_map(|comment| list(&comment.json["comment"]));
        parts
            .filter(|part| part["type"] == "tag")
            .filter_map(|part| part["user"]["id"].as_i64())
            .collect()
    }

    /// The ids of its comments, oldest first.
    pub fn comment_ids(&self) -> Vec<String> {
        let world = locked(&self.house.world);
        let task = world.tasks.get(&self.id);
        let comments = task
            .map(|task| task.comments.as_slice())
            .unwrap_or_default();
        comments
            .iter()
            .map(|comment| text(&comment.json["id"]))
            .collect()
    }

    /// The time of its newest comment in ms.
    pub fn commented_at(&self) -> Option<i64> {
        let world = locked(&self.house.world);
        let task = world.tasks.get(&self.id)?;
        task.comments.iter().map(|comment| comment.at).max()
    }

    /// Asserts its status.
    #[track_caller]
    pub fn is(&self, status: &str) -> &Self {
        assert_eq!(self.status(), status, "status of {}", self.json());
        self
    }

    /// Asserts its comments, oldest first.
    #[track_caller]
    pub fn has_comments<const N: usize>(&self, texts: [&str; N]) -> &Self {
        assert_eq!(
            self.comments(),
            texts,
            "comments of {}",
            self.json()["name"]
        );
        self
    }
}

impl House {
    /// Changes the state and queues the deliveries under one lock.
    fn with<T>(&self, change: impl FnOnce(&mut ClickUpWorld) -> T) -> T {
        let mut world = locked(&self.world);
        let result = change(&mut world);
        let outgoing = std::mem::take(&mut world.outgoing);
        self.courier.send(outgoing);
        result
    }
}

struct Carrying(Arc<Mutex<ClickUpWorld>>);

impl DeliveryHandler for Carrying {
    fn wanted(&self, parcel: &DeliveryAttempt) -> bool {
        locked(&self.0)
            .hooks
            .iter()
            .any(|hook| hook["id"] == *parcel.hook && hook["health"]["status"] != "suspended")
    }

    /// Contract 7.5.
    fn ended(&self, parcel: &DeliveryAttempt, ended: &AttemptEnd) -> Option<Duration> {
        let mut world = locked(&self.0);
        let hook = world
            .hooks
            .iter_mut()
            .find(|hook| hook["id"] == *parcel.hook)?;
        let health = &mut hook["health"];
        match ended {
            AttemptEnd::Lost => None,
            ended if ended.is_ok() => {
                *health = json!({ "status": "active", "fail_count": 0 });
                None
            }
            AttemptEnd::Answered(401 | 410, _) => {
                health["status"] = json!("suspended");
                None
            }
            _ if parcel.attempt < HOOK_ATTEMPTS => {
                health["status"] = json!("failing");
                Some(HOOK_RETRY)
            }
            _ => {
                let failures = health["fail_count"].as_u64().unwrap_or_default() + 1;
                health["fail_count"] = json!(failures);
                if failures >= HOOK_FAILURES {
                    health["status"] = json!("suspended");
                }
                None
            }
        }
    }
}

async fn serve(State(house): State<Arc<House>>, request: Request) -> Response<Body> {
    let Some(call) = ReadRequest::read(request).await else {
        return Response::new(Body::empty());
    };
    let (answer, [limit, remaining, reset], date) = house.with(|world| {
        let answer = world.answer(&call);
        let headers = world.rate.headers(world.ahead);
        (answer, headers, http_date(world.ahead))
    });
    let (status, body) = match answer {
        Ok(Value::Null) => (204, Body::empty()),
        Ok(body) => (200, Body::from(body.to_string())),
        Err(no) => (no.status, Body::from(no.body().to_string())),
    };
    Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
        .header(header::DATE, date)
        .header("x-ratelimit-limit", limit)
        .header("x-ratelimit-remaining", remaining)
        .header("x-ratelimit-reset", reset)
        .body(body)
        .expect("these are headers")
}
