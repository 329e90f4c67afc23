//! The state of the sandbox's workspace, its changes, and their events.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use serde_json::{Map, Value, json};

use super::refusal::{ApiResult, ClickUpRefusal};
use crate::sandbox::now;
use crate::sandbox::webhook_sender::DeliveryAttempt;
use crate::sandbox::wire::{hmac_sha256, random, uuid};

/// Requests per minute of a Business Plus workspace (docs/contracts/clickup.md#rate-limits).
const RATE_LIMIT: u32 = 1000;

/// The length of a rate limit's window in milliseconds.
pub(super) const RATE_WINDOW: i64 = 60_000;

pub(super) const DAY: i64 = 24 * 3600 * 1000;

pub(super) struct ClickUpWorld {
    pub token: String,
    pub revoked: bool,
    pub me: i64,
    pub team: Value,
    /// Members of the workspace, by id, as `GET /team` shows them.
    pub members: BTreeMap<i64, Value>,
    pub lists: BTreeMap<String, Value>,
    pub default_list: String,
    pub tasks: BTreeMap<String, ClickUpTask>,
    /// The tags of each space, by its id. Using a new tag on a task adds it.
    pub tags: BTreeMap<String, BTreeSet<String>>,
    /// The workspace's own types of tasks, by their numbers.
    pub types: BTreeMap<i64, String>,
    /// Whether the token may not read the types.
    pub types_hidden: bool,
    pub hooks: Vec<Value>,
    pub outgoing: Vec<DeliveryAttempt>,
    pub rate: TokenRate,
    pub comments_touch: bool,
    pub mentions_as: MentionsAs,
    /// Text is parsed as formatted text and comes back without Markdown's signs.
    pub formats: bool,
    /// The start of the listings' lag: newer tasks and comments are not shown.
    pub lag: Option<i64>,
    /// The last time used: no two changes share one.
    pub last: i64,
    /// How far its clock is ahead, in milliseconds.
    pub ahead: i64,
    /// The last number used for ids of all kinds.
    pub number: u64,
    /// Whether the workspace has no room for files.
    pub storage_full: bool,
}

pub(super) struct ClickUpTask {
    /// The time of its creation by the sandbox's clock; its own fields may differ.
    pub born: i64,
    /// The wire form.
    pub json: Value,
    pub deleted: bool,
    pub hidden: bool,
    /// Oldest first.
    pub comments: Vec<TaskComment>,
}

/// How a mention in a comment reads back. The contract has only the written form (6.3).
#[derive(Debug, Clone, Copy, Default)]
pub enum MentionsAs {
    /// `@Name`, in the part and in the flat text.
    #[default]
    Called,
    /// The member alone in the part, the name without `@` in the flat text.
    Named,
    /// The member alone in the part, nothing in the flat text.
    Nothing,
}

pub(super) struct TaskComment {
    pub json: Value,
    /// The history item of its creation, which its edits reuse (docs/contracts/clickup.md#repeated-deliveries).
    pub history: String,
    /// The time in that history item.
    pub at: i64,
    /// The comments in its thread, oldest first.
    pub replies: Vec<Value>,
}

#[derive(Clone, Copy)]
pub(super) struct TokenRate {
    pub limit: u32,
    pub remaining: u32,
    /// The end of the window in milliseconds since the epoch.
    pub ends: i64,
}

impl TokenRate {
    pub fn take(&mut self) -> Result<(), ClickUpRefusal> {
        if now() >= self.ends {
            *self = TokenRate {
                remaining: self.limit,
                ends: now() + RATE_WINDOW,
                ..*self
            };
        }
        if self.remaining == 0 {
            return Err(ClickUpRefusal::new(429, "APP_002", "Rate limit reached"));
        }
        self.remaining -= 1;
        Ok(())
    }

    /// The limit, the remaining requests, and the reset in seconds, rounded up, by a clock that is `ahead`.
    pub fn headers(self, ahead: i64) -> [String; 3] {
        [
            self.limit.to_string(),
            self.remaining.to_string(),
            ((self.ends + ahead + 999) / 1000).to_string(),
        ]
    }
}

/// The place of an object, for webhooks limited to one place.
#[derive(Default, Clone)]
pub(super) struct WebhookPlace {
    pub space: String,
    pub folder: String,
    pub list: String,
    pub task: String,
}

impl WebhookPlace {
    pub fn of_list(list: Option<&Value>) -> WebhookPlace {
        let Some(list) = list else {
            return WebhookPlace::default();
        };
        WebhookPlace {
            space: text(&list["space"]["id"]),
            folder: text(&list["folder"]["id"]),
            list: text(&list["id"]),
            task: String::new(),
        }
    }
}

impl ClickUpWorld {
    pub fn new(seed: &Value) -> io::Result<ClickUpWorld> {
        let missing = |what: &str| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("the ClickUp seed lacks {what}"),
            )
        };
        let each = |key: &str| seed[key].as_array().cloned().unwrap_or_default();
        let members = each("members");
        let lists = each("lists");
        Ok(ClickUpWorld {
            token: seed["token"]
                .as_str()
                .ok_or_else(|| missing("token"))?
                .to_owned(),
            revoked: false,
            me: seed["me"].as_i64().ok_or_else(|| missing("me"))?,
            team: seed.get("team").cloned().ok_or_else(|| missing("team"))?,
            members: members
                .into_iter()
                .filter_map(|user| Some((user["id"].as_i64()?, user)))
                .collect(),
            default_list: lists
                .first()
                .map(|list| text(&list["id"]))
                .ok_or_else(|| missing("lists"))?,
            lists: lists
                .into_iter()
                .map(|list| (text(&list["id"]), list))
                .collect(),
            tasks: BTreeMap::new(),
            tags: BTreeMap::new(),
            types: BTreeMap::new(),
            types_hidden: false,
            hooks: Vec::new(),
            outgoing: Vec::new(),
            rate: TokenRate {
                limit: RATE_LIMIT,
                remaining: RATE_LIMIT,
                ends: now() + RATE_WINDOW,
            },
            comments_touch: false,
            mentions_as: MentionsAs::default(),
            formats: false,
            lag: None,
            last: 0,
            ahead: 0,
            // A store outlives the sandbox that filled it: ids must not repeat.
            number: fastrand::u64(..1_000_000) * 1000,
            storage_full: false,
        })
    }

    /// The current time, always later than the last one returned.
    pub fn tick(&mut self) -> i64 {
        self.last = (now() + self.ahead).max(self.last + 1);
        self.last
    }

    fn next(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    fn next_history(&mut self) -> String {
        (4_100_000_000_000_000_000 + self.next()).to_string()
    }

    /// A member who is not the bot.
    pub fn somebody(&self) -> i64 {
        self.members
            .keys()
            .copied()
            .find(|id| *id != self.me)
            .unwrap_or(self.me)
    }

    pub fn list(&self, id: &str) -> Result<&Value, ClickUpRefusal> {
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ClickUpRefusal::new(400, "INPUT_003", "List ID invalid"));
        }
        self.lists.get(id).ok_or_else(ClickUpRefusal::invisible)
    }

    /// A user as tasks, comments and history show one.
    pub fn user(&self, id: i64) -> Value {
        let known = self.members.get(&id);
        let field = |key: &str| known.map(|user| user[key].clone()).unwrap_or_default();
        json!({
            "id": id, "username": field("username"), "email": field("email"), "color": field("color"),
            "initials": field("initials"), "profilePicture": null,
        })
    }

    pub fn optional_user(
        &self,
        body: &Map<String, Value>,
        key: &str,
    ) -> Result<Option<i64>, ClickUpRefusal> {
        match body.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(id) => self.member(id).map(Some),
        }
    }

    pub fn member(&self, id: &Value) -> Result<i64, ClickUpRefusal> {
        let id = id
            .as_i64()
            .ok_or_else(|| ClickUpRefusal::bad("A user id must be an integer"))?;
        if self.members.contains_key(&id) {
            Ok(id)
        } else {
            Err(ClickUpRefusal::bad(format!("User {id} is no member")))
        }
    }

    pub fn add(&mut self, wish: &Value) -> Result<String, ClickUpRefusal> {
        let Some(wish) = wish.as_object() else {
            return Err(ClickUpRefusal::bad("A task is an object"));
        };
        let list = wish
            .get("list")
            .map_or_else(|| self.default_list.clone(), text);
        let list = self.list(&list)?.clone();
        let name = wish
            .get("name")
            .and_then(Value::as_str)
            .map(str::trim)
            .unwrap_or_default()
            .to_owned();
        if name.is_empty() {
            return Err(ClickUpRefusal::new(400, "INPUT_005", "Task name invalid"));
        }
        let creator = self
            .optional_user(wish, "creator")?
            .unwrap_or_else(|| self.somebody());
        let status = match wish.get("status") {
            None | Some(Value::Null) => open_status(&list),
            Some(status) => status_of(&list, status, "Status not found")?,
        };
        let description = match wish.get("markdown_content") {
            Some(markdown) => Some(markdown),
            None => wish.get("description"),
        };
        let mut body = String::new();
        if let Some(description) = description.filter(|given| !given.is_null()) {
            body = string(description, "description")?.to_owned();
        }
        let assignees = match wish.get("assignees") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(ids)) => ids
                .iter()
                .map(|id| self.member(id))
                .collect::<Result<_, _>>()?,
            Some(_) => {
                return Err(ClickUpRefusal::bad(
                    "assignees must be an array of user ids",
                ));
            }
        };
        let tags = match wish.get("tags") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(tags)) => tags
                .iter()
                .map(|tag| string(tag, "a tag").map(str::to_owned))
                .collect::<Result<Vec<_>, _>>()?,
            Some(_) => return Err(ClickUpRefusal::bad("tags must be an array of names")),
        };
        for tag in &tags {
            self.add_tag(&text(&list["space"]["id"]), tag);
        }
        let item = self.item_of(wish)?.unwrap_or_default();
        let at = self.tick();
        let parent = self.parent_in(wish, &list)?;
        let ago = |key: &str| {
            wish.get(key)
                .and_then(Value::as_i64)
                .map(|days| (at - days * DAY).to_string())
        };
        let created = ago("created_days_ago").unwrap_or_else(|| at.to_string());
        let mut json = json!({
            "custom_id": wish.get("custom_id"), "custom_item_id": item, "name": name,
            "text_content": "", "description": "",
            "status": status, "orderindex": format!("{}.00000000000000000000000000000000", self.number),
            "archived": false, "date_created": created, "date_updated": ago("updated_days_ago").unwrap_or(created),
            "date_closed": null, "date_done": null, "creator": self.user(creator),
            "assignees": assignees.iter().map(|id| self.user(*id)).collect::<Vec<_>>(),
            "group_assignees": [], "watchers": [], "checklists": [],
            "tags": tags.iter().map(|tag| tag_object(tag, creator)).collect::<Vec<_>>(),
            "parent": parent, "priority": null, "due_date": null, "start_date": null, "points": null,
            "time_estimate": null, "time_spent": 0, "custom_fields": [],
            "dependencies": wish.get("dependencies").cloned().unwrap_or_else(|| json!([])),
            "linked_tasks": [], "locations": [], "team_id": self.team["id"], "permission_level": "create",
        });
        put_in(&mut json, &list);
        describe(&mut json, &self.formatted(&body));
        finish_dates(&mut json, at);
        if let Some(priority) = wish.get("priority") {
            json["priority"] = priority_object(priority)?;
        }
        for key in ["due_date", "start_date"] {
            if let Some(date) = wish.get(key) {
                json[key] = date_string(date, key)?;
            }
        }
        if let Some(days) = wish.get("due_in_days").and_then(Value::as_i64) {
            json["due_date"] = json!(due_in_days(at, days).to_string());
        }
        check_types(
            wish,
            &[
                ("notify_all", "boolean"),
                ("check_required_custom_fields", "boolean"),
                ("due_date_time", "boolean"),
                ("start_date_time", "boolean"),
                ("custom_fields", "array"),
            ],
        )?;

        let id = format!("86tst{:04}", self.tasks.len() + 1);
        json["id"] = json!(id);
        json["url"] = json!(format!("https://app.clickup.com/t/{id}"));
        let list_id = text(&list["id"]);
        let first =
            json!({ "status": null, "color": "#000000", "type": "removed", "orderindex": -1 });
        let status_item = self.item("status", &list_id, creator, at, first, status);
        let creation = self.item(
            "task_creation",
            &list_id,
            creator,
            at,
            Value::Null,
            Value::Null,
        );
        self.tasks.insert(
            id.clone(),
            ClickUpTask {
                born: at,
                json,
                deleted: false,
                hidden: false,
                comments: Vec::new(),
            },
        );
        self.tell_of(&id, "taskCreated", vec![status_item.clone(), creation]);
        self.tell_of(&id, "taskStatusUpdated", vec![status_item]);
        Ok(id)
    }

    /// The parent of a new task, which has to be in the same list (docs/contracts/clickup.md#writing).
    fn parent_in(&self, wish: &Map<String, Value>, list: &Value) -> Result<Value, ClickUpRefusal> {
        let is_there = |id: &String| {
            let task = self.tasks.get(id).filter(|task| !task.deleted);
            task.is_some_and(|task| task.json["list"]["id"] == list["id"])
        };
        match wish.get("parent") {
            None | Some(Value::Null) => Ok(Value::Null),
            Some(Value::String(id)) if is_there(id) => Ok(json!(id)),
            Some(_) => Err(ClickUpRefusal::new(
                400,
                "ITEM_137",
                "Parent not child of list",
            )),
        }
    }

    fn parent_for(&self, wish: &Map<String, Value>) -> Result<Value, ClickUpRefusal> {
        match wish.get("parent") {
            None | Some(Value::Null) => Ok(Value::Null),
            Some(Value::String(id)) if self.tasks.get(id).is_some_and(|task| !task.deleted) => {
                Ok(json!(id))
            }
            Some(_) => Err(ClickUpRefusal::bad("Parent not found")),
        }
    }

    /// Contract 6.1. `change` is the body of `PUT /task`; it is checked completely before any part is applied.
    pub fn update(
        &mut self,
        id: &str,
        by: i64,
        change: &Map<String, Value>,
    ) -> Result<(), ClickUpRefusal> {
        let task = self
            .tasks
            .get(id)
            .map(|task| task.json.clone())
            .ok_or_else(ClickUpRefusal::invisible)?;
        let list_id = text(&task["list"]["id"]);
        let list = self.lists.get(&list_id).cloned().unwrap_or_default();
        check_types(
            change,
            &[
                ("archived", "boolean"),
                ("due_date_time", "boolean"),
                ("start_date_time", "boolean"),
                ("time_estimate", "number"),
                ("points", "number"),
                ("custom_item_id", "number"),
                ("group_assignees", "object"),
                ("watchers", "object"),
            ],
        )?;
        let mut next = task.clone();
        if let Some(name) = change.get("name") {
            let name = string(name, "name")?.trim();
            if name.is_empty() {
                return Err(ClickUpRefusal::new(400, "INPUT_005", "Task name invalid"));
            }
            next["name"] = json!(name);
        }
        if let Some(text) = change
            .get("markdown_content")
            .or_else(|| change.get("description"))
        {
            let text = string(text, "description")?;
            // An empty text changes nothing; a single space clears the description.
            if !text.is_empty() {
                let text = if text == " " { "" } else { text };
                describe(&mut next, &self.formatted(text));
            }
        }
        if let Some(status) = change.get("status") {
            next["status"] = status_of(&list, status, "Status does not exist")?;
        }
        if let Some(priority) = change.get("priority") {
            next["priority"] = priority_object(priority)?;
        }
        for key in ["due_date", "start_date"] {
            if let Some(date) = change.get(key) {
                next[key] = date_string(date, key)?;
            }
        }
        // A due date without a time is a day in its setter's time zone (docs/contracts/clickup.md#tasks).
        if change.get("due_date_time") == Some(&json!(false))
            && let Some(due) = change.get("due_date").and_then(Value::as_i64)
        {
            next["due_date"] = json!(day_of(due).to_string());
        }
        for key in ["archived", "points", "time_estimate"] {
            if let Some(value) = change.get(key) {
                next[key] = value.clone();
            }
        }
        if let Some(item) = self.item_of(change)? {
            next["custom_item_id"] = json!(item);
        }
        if change.contains_key("parent") {
            next["parent"] = self.parent_for(change)?;
        }
        let (added, removed) = match change.get("assignees") {
            None => Default::default(),
            Some(Value::Object(delta)) => (self.delta(delta, "add")?, self.delta(delta, "rem")?),
            Some(_) => {
                return Err(ClickUpRefusal::bad(
                    "assignees must be an object with add and rem",
                ));
            }
        };
        let mut assignees = task["assignees"].as_array().cloned().unwrap_or_default();
        assignees.retain(|user| !removed.iter().any(|id| user["id"] == *id));
        for id in &added {
            if !assignees.iter().any(|user| user["id"] == *id) {
                assignees.push(self.user(*id));
            }
        }
        next["assignees"] = json!(assignees);
        // `tags` does nothing here (docs/contracts/clickup.md#writing).
        if next == task {
            return Ok(());
        }
        let at = self.tick();
        next["date_updated"] = json!(at.to_string());
        if next["status"] != task["status"] {
            finish_dates(&mut next, at);
        }
        if let Some(known) = self.tasks.get_mut(id) {
            known.json = next.clone();
        }
        self.tell_changes(id, by, at, &task, &next);
        Ok(())
    }

    fn delta(&self, delta: &Map<String, Value>, key: &str) -> Result<Vec<i64>, ClickUpRefusal> {
        match delta.get(key) {
            None => Ok(Vec::new()),
            Some(Value::Array(ids)) => ids.iter().map(|id| self.member(id)).collect(),
            Some(_) => Err(ClickUpRefusal::bad(format!(
                "assignees.{key} must be an array of user ids"
            ))),
        }
    }

    /// One event per field that has its own, and `taskUpdated` with the same history item for all (docs/contracts/clickup.md#payloads).
    fn tell_changes(&mut self, id: &str, by: i64, at: i64, before: &Value, after: &Value) {
        let list = text(&after["list"]["id"]);
        let fields = [
            ("name", "name", None),
            ("description", "content", None),
            ("status", "status", Some("taskStatusUpdated")),
            ("priority", "priority", Some("taskPriorityUpdated")),
            ("due_date", "due_date", Some("taskDueDateUpdated")),
            (
                "time_estimate",
                "time_estimate",
                Some("taskTimeEstimateUpdated"),
            ),
            // The name of the field is not certain (docs/contracts/clickup.md#task-types).
            ("custom_item_id", "custom_type", None),
        ];
        for (key, field, event) in fields {
            if before[key] == after[key] {
                continue;
            }
            let (old, new) = if field == "content" {
                // A Quill delta, as a string (docs/contracts/clickup.md#payloads).
                let delta =
                    |text: &Value| json!(json!({ "ops": [{ "insert": text }] }).to_string());
                (delta(&before[key]), delta(&after[key]))
            } else {
                (before[key].clone(), after[key].clone())
            };
            let mut item = self.item(field, &list, by, at, old, new);
            match field {
                "status" => item["data"] = json!({ "status_type": after["status"]["type"] }),
                "due_date" => {
                    item["data"] = json!({ "due_date_time": has_time(&after["due_date"]),
                        "old_due_date_time": has_time(&before["due_date"]) });
                }
                _ => {}
            }
            self.tell_both(id, event, item);
        }
        let people = |task: &Value| task["assignees"].as_array().cloned().unwrap_or_default();
        let (old, new) = (people(before), people(after));
        let gone: Vec<_> = old
            .iter()
            .filter(|user| !new.contains(user))
            .map(|user| ("assignee_rem", user.clone()))
            .collect();
        let come = new
            .iter()
            .filter(|user| !old.contains(user))
            .map(|user| ("assignee_add", user.clone()));
        for (field, user) in gone.into_iter().chain(come) {
            let mut item = self.item(field, &list, by, at, Value::Null, user);
            if let Some(item) = item.as_object_mut() {
                // No such key in a captured removal (docs/contracts/clickup.md#payloads).
                item.remove("before");
            }
            self.tell_both(id, Some("taskAssigneeUpdated"), item);
        }
    }

    /// Makes `waits` wait for `first`, or ends that. Both tasks change; the only event is `taskUpdated`.
    pub fn depend(&mut self, waits: &str, first: &str, on: bool) {
        let at = self.tick();
        let by = self.somebody();
        let is_it = |known: &Value| known["task_id"] == *waits && known["depends_on"] == *first;
        for id in [waits, first] {
            let Some(task) = self.tasks.get_mut(id) else {
                continue;
            };
            let mut known = task.json["dependencies"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            known.retain(|known| !is_it(known));
            if on {
                known.push(json!({
                    "task_id": waits, "depends_on": first, "type": 1, "date_created": at.to_string(),
                    "userid": by.to_string(),
                }));
            }
            task.json["dependencies"] = json!(known);
            task.json["date_updated"] = json!(at.to_string());
            let list = text(&task.json["list"]["id"]);
            let item = self.item("dependency", &list, by, at, Value::Null, json!(first));
            self.tell_both(id, None, item);
        }
    }

    /// Adds a type of tasks to the workspace, and returns its number.
    pub fn add_type(&mut self, name: &str) -> i64 {
        let last = self.types.keys().next_back();
        let number = last.map_or(1300, |last| last + 1);
        self.types.insert(number, name.to_owned());
        number
    }

    /// The number of the type that a body names: 0 or null for a plain task, 1 for a milestone, or one of the workspace's
    /// own. That another one is refused is not certain (docs/contracts/clickup.md#task-types).
    fn item_of(&self, body: &Map<String, Value>) -> Result<Option<i64>, ClickUpRefusal> {
        let item = match body.get("custom_item_id") {
            None => return Ok(None),
            Some(Value::Null) => Some(0),
            Some(item) => item.as_i64(),
        };
        let known = item.filter(|item| [0, 1].contains(item) || self.types.contains_key(item));
        match known {
            Some(item) => Ok(Some(item)),
            None => Err(ClickUpRefusal::bad("Custom item not found")),
        }
    }

    /// Adds a tag to a space.
    pub fn add_tag(&mut self, space: &str, tag: &str) {
        let tags = self.tags.entry(space.to_owned()).or_default();
        tags.insert(tag.to_owned());
    }

    pub fn tag(&mut self, id: &str, tag: &str, on: bool, by: i64) {
        if on {
            self.add_tag(&self.place(id).space, tag);
        }
        let at = self.tick();
        let Some(task) = self.tasks.get_mut(id) else {
            return;
        };
        let mut tags = task.json["tags"].as_array().cloned().unwrap_or_default();
        let had = tags.iter().any(|known| known["name"] == *tag);
        if had == on {
            return;
        }
        let object = tag_object(tag, by);
        if on {
            tags.push(object.clone());
        } else {
            tags.retain(|known| known["name"] != *tag);
        }
        task.json["tags"] = json!(tags);
        task.json["date_updated"] = json!(at.to_string());
        let list = text(&task.json["list"]["id"]);
        let item = if on {
            self.item("tag", &list, by, at, Value::Null, json!([object]))
        } else {
            // The name of this field is unconfirmed (docs/contracts/clickup.md#to-be-confirmed).
            self.item("tag_removed", &list, by, at, json!([object]), Value::Null)
        };
        self.tell_both(id, Some("taskTagUpdated"), item);
    }

    pub fn delete(&mut self, id: &str) {
        let at = self.tick();
        let Some(task) = self.tasks.get_mut(id) else {
            return;
        };
        task.deleted = true;
        task.json["date_updated"] = json!(at.to_string());
        let place = self.place(id);
        self.tell("taskDeleted", json!({ "task_id": id }), place);
    }

    pub fn move_to(&mut self, id: &str, list: &str) -> bool {
        let at = self.tick();
        let by = self.somebody();
        let Some(target) = self.lists.get(list).cloned() else {
            return false;
        };
        let Some(task) = self.tasks.get_mut(id) else {
            return false;
        };
        let place = |list: &Value, task: &Value| {
            let (folder, space) = (&task["folder"], &task["space"]);
            json!({ "id": list["id"], "name": list["name"],
                    "category": { "id": folder["id"], "name": folder["name"], "hidden": folder["hidden"] },
                    "project": { "id": space["id"], "name": null } })
        };
        let before = place(&task.json["list"], &task.json);
        put_in(&mut task.json, &target);
        // A list is added once only.
        if let Some(locations) = task.json["locations"].as_array_mut() {
            locations.retain(|known| known["id"] != *list);
        }
        if status_of(&target, &task.json["status"]["status"].clone(), "").is_err() {
            task.json["status"] = open_status(&target);
            finish_dates(&mut task.json, at);
        }
        task.json["date_updated"] = json!(at.to_string());
        let after = place(&target, &task.json);
        let space = task.json["space"]["id"].clone();
        let item = self.item("section_moved", list, by, at, before, after);
        self.tell_both(id, Some("taskMoved"), item);
        let place = self.place(id);
        self.tell("spaceUpdated", json!({ "space_id": space }), place);
        true
    }

    /// Returns the new comment's id, history item and time.
    pub fn comment(
        &mut self,
        id: &str,
        by: i64,
        parts: &[Value],
        assignee: Option<i64>,
    ) -> (String, String, i64) {
        let at = self.tick();
        let (parts, words) = self.shown(parts);
        let comment = (90_110_000_000_000 + self.next()).to_string();
        let history = self.next_history();
        let json = json!({
            "id": comment, "comment": parts, "comment_text": words, "user": self.user(by),
            "resolved": false, "assignee": assignee.map(|id| self.user(id)),
            "assigned_by": assignee.map(|_| self.user(by)), "reactions": [], "date": at.to_string(), "reply_count": "0",
        });
        let touch = self.comments_touch;
        if let Some(task) = self.tasks.get_mut(id) {
            task.comments.push(TaskComment {
                json,
                history: history.clone(),
                at,
                replies: Vec::new(),
            });
            if touch {
                task.json["date_updated"] = json!(at.to_string());
            }
        }
        let item = self.comment_item(id, &comment, by);
        self.tell_both(id, Some("taskCommentPosted"), item);
        (comment, history, at)
    }

    /// Replies to a comment. The contract does not say whether that sends an event; here it sends none.
    pub fn reply(&mut self, comment: &str, by: i64, words: &str) -> bool {
        let Some((id, place)) = self.where_is_comment(comment) else {
            return false;
        };
        let at = self.tick();
        let (parts, words) = self.shown(&[json!({ "text": words })]);
        let reply = json!({
            "id": (90_110_000_000_000 + self.next()).to_string(), "comment": parts, "comment_text": words,
            "user": self.user(by), "resolved": false, "assignee": null, "assigned_by": null, "reactions": [],
            "date": at.to_string(), "reply_count": "0",
        });
        let known = self.tasks.get_mut(&id);
        let Some(known) = known.and_then(|task| task.comments.get_mut(place)) else {
            return false;
        };
        known.replies.push(reply);
        let count = known.replies.len().to_string();
        known.json["reply_count"] = json!(count);
        true
    }

    /// Attaches a file (docs/contracts/clickup.md#attachments). Returns the answer to its upload. No webhook tells of it.
    pub fn add_file(&mut self, id: &str, by: i64, name: &str, size: usize) -> Value {
        let at = self.tick();
        let user = self.user(by);
        let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
        let file = format!("{}.{extension}", uuid(&random()));
        let url = format!("https://t9001.p.clickup-attachments.com/t9001/{file}");
        let answer = json!({
            "id": file, "version": "0", "date": at, "title": name, "extension": extension,
            "thumbnail_small": null, "thumbnail_large": null, "url": url,
        });
        let stored = json!({
            "id": file, "version": 0, "date": at.to_string(), "title": name, "type": 1, "source": 1,
            "extension": extension, "size": size, "parent_id": id, "user": user, "deleted": false, "url": url,
        });
        if let Some(task) = self.tasks.get_mut(id) {
            match task.json["attachments"].as_array_mut() {
                Some(files) => files.push(stored),
                None => task.json["attachments"] = json!([stored]),
            }
        }
        answer
    }

    /// Adds an empty checklist to a task. Which event that sends is not certain; here it sends none.
    pub fn add_checklist(&mut self, id: &str, by: i64, name: &str) {
        let at = self.tick();
        let Some(task) = self.tasks.get_mut(id) else {
            return;
        };
        let mut checklists = list(&task.json["checklists"]);
        checklists.push(json!({
            "id": uuid(&random()), "task_id": id, "name": name, "orderindex": checklists.len(), "creator": by,
            "date_created": at.to_string(), "resolved": 0, "unresolved": 0, "items": [],
        }));
        task.json["checklists"] = json!(checklists);
        task.json["date_updated"] = json!(at.to_string());
    }

    fn formatted(&self, text: &str) -> String {
        match self.formats {
            true => formatted(text),
            false => text.to_owned(),
        }
    }

    /// The parts of a comment as they read back, and its flat text.
    fn shown(&self, parts: &[Value]) -> (Vec<Value>, String) {
        let end = json!({ "text": "\n", "attributes": { "block-id": "block-1" } });
        let end = Some(&end).filter(|_| self.formats);
        let shown = parts.iter().chain(end).map(|part| {
            if part["type"] != "tag" {
                let mut part = part.clone();
                if self.formats {
                    part["text"] = json!(formatted(&text(&part["text"])));
                }
                let words = text(&part["text"]);
                return (part, words);
            }
            let user = self.user(part["user"]["id"].as_i64().unwrap_or_default());
            let name = text(&user["username"]);
            let (inside, flat) = match self.mentions_as {
                MentionsAs::Called => (Some(format!("@{name}")), format!("@{name}")),
                MentionsAs::Named => (None, name),
                MentionsAs::Nothing => (None, String::new()),
            };
            let mut tag = json!({ "type": "tag", "user": user });
            if let Some(inside) = inside {
                tag["text"] = json!(inside);
            }
            (tag, flat)
        });
        let (parts, flat): (Vec<Value>, Vec<String>) = shown.unzip();
        (parts, flat.concat())
    }

    pub fn edit_comment(
        &mut self,
        comment: &str,
        by: i64,
        parts: Option<&[Value]>,
        resolved: Option<bool>,
    ) {
        let shown = parts.map(|parts| self.shown(parts));
        let Some((id, place)) = self.where_is_comment(comment) else {
            return;
        };
        let Some(known) = self
            .tasks
            .get_mut(&id)
            .and_then(|task| task.comments.get_mut(place))
        else {
            return;
        };
        let mut changed = false;
        if let Some((parts, words)) = shown {
            changed = known.json["comment"] != json!(parts);
            known.json["comment_text"] = json!(words);
            known.json["comment"] = json!(parts);
        }
        if let Some(resolved) = resolved {
            known.json["resolved"] = json!(resolved);
        }
        if changed {
            // The history id and date of its creation (docs/contracts/clickup.md#payloads).
            let item = self.comment_item(&id, comment, by);
            self.tell_of(&id, "taskCommentUpdated", vec![item]);
        }
    }

    pub fn where_is_comment(&self, comment: &str) -> Option<(String, usize)> {
        self.tasks
            .iter()
            .filter(|(_, task)| !task.deleted && !task.hidden)
            .find_map(|(id, task)| {
                let place = task
                    .comments
                    .iter()
                    .position(|known| known.json["id"] == *comment)?;
                Some((id.clone(), place))
            })
    }

    fn item(
        &mut self,
        field: &str,
        list: &str,
        by: i64,
        at: i64,
        before: Value,
        after: Value,
    ) -> Value {
        json!({
            "id": self.next_history(), "type": 1, "date": at.to_string(), "field": field, "parent_id": list,
            "data": {}, "source": null, "user": self.user(by), "before": before, "after": after,
        })
    }

    fn comment_item(&self, id: &str, comment: &str, by: i64) -> Value {
        let Some(task) = self.tasks.get(id) else {
            return Value::Null;
        };
        let Some(known) = task
            .comments
            .iter()
            .find(|known| known.json["id"] == *comment)
        else {
            return Value::Null;
        };
        let words = text(&known.json["comment_text"]);
        let mut parts: Vec<Value> = list(&known.json["comment"]);
        for part in &mut parts {
            if part["type"] != "tag" && part["attributes"].is_null() {
                part["attributes"] = json!({});
            }
        }
        parts.push(
            json!({ "text": "\n", "attributes": { "block-id": format!("block-{comment}") } }),
        );
        json!({
            "id": known.history, "type": 1, "date": known.at.to_string(), "field": "comment",
            "parent_id": task.json["list"]["id"], "data": {}, "source": null, "user": self.user(by),
            "before": null, "after": comment,
            "comment": {
                "id": comment, "date": known.at.to_string(), "parent": id, "type": 1,
                "comment": parts, "text_content": format!("{words}\n"), "user": known.json["user"], "threaded_replies": 0,
                "assignee": null, "reactions": [], "resolved": known.json["resolved"],
            },
        })
    }

    /// The change's own event, if it has one, and `taskUpdated`, both with the same item (docs/contracts/clickup.md#repeated-deliveries).
    fn tell_both(&mut self, id: &str, event: Option<&str>, item: Value) {
        if let Some(event) = event {
            self.tell_of(id, event, vec![item.clone()]);
        }
        self.tell_of(id, "taskUpdated", vec![item]);
    }

    fn tell_of(&mut self, id: &str, event: &str, items: Vec<Value>) {
        let place = self.place(id);
        self.tell(
            event,
            json!({ "task_id": id, "history_items": items }),
            place,
        );
    }

    pub fn place(&self, id: &str) -> WebhookPlace {
        let Some(task) = self.tasks.get(id) else {
            return WebhookPlace::default();
        };
        let place = |key: &str| text(&task.json[key]["id"]);
        WebhookPlace {
            space: place("space"),
            folder: place("folder"),
            list: place("list"),
            task: id.to_owned(),
        }
    }

    /// Makes a delivery for each webhook that subscribes to the event.
    pub fn tell(&mut self, event: &str, mut body: Value, place: WebhookPlace) {
        body["event"] = json!(event);
        for hook in &self.hooks {
            let events = hook["events"]
                .as_array()
                .map(Vec::as_slice)
                .unwrap_or_default();
            let wanted = events.iter().any(|name| name == event || name == "*");
            let within = |key: &str, id: &str| hook[key].is_null() || text(&hook[key]) == id;
            // The most specific location wins (docs/contracts/clickup.md#managing-webhooks).
            let here = if !hook["task_id"].is_null() {
                within("task_id", &place.task)
            } else if !hook["list_id"].is_null() {
                within("list_id", &place.list)
            } else if !hook["folder_id"].is_null() {
                within("folder_id", &place.folder)
            } else {
                within("space_id", &place.space)
            };
            if !wanted || !here || hook["health"]["status"] == "suspended" {
                continue;
            }
            body["webhook_id"] = hook["id"].clone();
            let raw = body.to_string();
            let signature = hmac_sha256(&text(&hook["secret"]), raw.as_bytes());
            self.outgoing.push(DeliveryAttempt {
                hook: text(&hook["id"]),
                event: event.to_owned(),
                url: text(&hook["endpoint"]),
                headers: vec![
                    ("content-type".to_owned(), "application/json".to_owned()),
                    ("x-signature".to_owned(), signature),
                ],
                body: raw,
                attempt: 1,
            });
        }
    }

    pub fn hook(
        &mut self,
        endpoint: &str,
        events: &Value,
        location: [Value; 4],
        secret: &str,
    ) -> String {
        let id = uuid(&random());
        let [space, folder, list, task] = location;
        let team: Value = text(&self.team["id"])
            .parse::<u64>()
            .map_or(Value::Null, Value::from);
        self.hooks.push(json!({
            "id": id, "userid": self.me, "team_id": team, "endpoint": endpoint, "client_id": "",
            "events": events, "task_id": task, "list_id": list, "folder_id": folder, "space_id": space,
            "health": { "status": "active", "fail_count": 0 }, "secret": secret,
        }));
        id
    }

    pub fn find(&self, name_or_id: &str) -> Result<String, String> {
        if self.tasks.contains_key(name_or_id) {
            return Ok(name_or_id.to_owned());
        }
        let named: BTreeSet<_> = self
            .tasks
            .iter()
            .filter(|(_, task)| !task.deleted && task.json["name"] == *name_or_id)
            .map(|(id, _)| id)
            .collect();
        match (named.first(), named.len()) {
            (Some(id), 1) => Ok((*id).clone()),
            (Some(_), _) => Err(format!(
                "several ClickUp tasks are named {name_or_id:?}: {named:?}"
            )),
            (None, _) => {
                let known: Vec<_> = self
                    .tasks
                    .iter()
                    .map(|(id, task)| format!("{id} {}", task.json["name"]))
                    .collect();
                Err(format!(
                    "no ClickUp task is {name_or_id:?}; there are: {}",
                    known.join(", ")
                ))
            }
        }
    }
}

/// The items of an array; none for other values.
pub(super) fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

pub(super) fn millis(value: &Value) -> Option<i64> {
    value.as_str().and_then(|digits| digits.parse().ok())
}

pub(super) fn string<'a>(value: &'a Value, what: &str) -> Result<&'a str, ClickUpRefusal> {
    value
        .as_str()
        .ok_or_else(|| ClickUpRefusal::bad(format!("{what} must be a string")))
}

fn check_types(body: &Map<String, Value>, kinds: &[(&str, &str)]) -> Result<(), ClickUpRefusal> {
    for (key, kind) in kinds {
        let fits = match body.get(*key) {
            None | Some(Value::Null) => true,
            Some(Value::Bool(_)) => *kind == "boolean",
            Some(Value::Number(_)) => *kind == "number",
            Some(Value::Array(_)) => *kind == "array",
            Some(Value::Object(_)) => *kind == "object",
            Some(Value::String(_)) => false,
        };
        if !fits {
            return Err(ClickUpRefusal::bad(format!("{key} must be of type {kind}")));
        }
    }
    Ok(())
}

/// A status of that list, spelled exactly (docs/contracts/clickup.md#errors, docs/contracts/clickup.md#writing).
fn status_of(list: &Value, status: &Value, err: &str) -> Result<Value, ClickUpRefusal> {
    let name = string(status, "status")?;
    let known = list["statuses"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|known| known["status"] == *name);
    let mut known = known
        .cloned()
        .ok_or_else(|| ClickUpRefusal::new(400, "CRTSK_001", err))?;
    if let Some(known) = known.as_object_mut() {
        known.remove("hide_label");
    }
    Ok(known)
}

fn open_status(list: &Value) -> Value {
    let statuses = list["statuses"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let open = statuses
        .iter()
        .find(|status| status["type"] == "open")
        .or_else(|| statuses.first());
    open.cloned().unwrap_or_default()
}

/// Contract 5.4: sets the closed date for the type closed, the done date for both types.
fn finish_dates(task: &mut Value, at: i64) {
    let at = json!(at.to_string());
    let kind = task["status"]["type"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    task["date_closed"] = if kind == "closed" {
        at.clone()
    } else {
        Value::Null
    };
    task["date_done"] = if kind == "closed" || kind == "done" {
        at
    } else {
        Value::Null
    };
}

fn priority_object(priority: &Value) -> ApiResult {
    if priority.is_null() {
        return Ok(Value::Null);
    }
    let (name, color) = match priority.as_i64() {
        Some(1) => ("urgent", "#f50000"),
        Some(2) => ("high", "#ffcc00"),
        Some(3) => ("normal", "#6fddff"),
        Some(4) => ("low", "#d8d8d8"),
        _ => {
            return Err(ClickUpRefusal::bad(
                "priority must be an integer from 1 to 4, or null",
            ));
        }
    };
    let digit = text(priority);
    Ok(json!({ "id": digit, "priority": name, "color": color, "orderindex": digit }))
}

fn date_string(date: &Value, key: &str) -> ApiResult {
    match date {
        Value::Null => Ok(Value::Null),
        _ => match date.as_i64().filter(|date| *date > 0) {
            Some(date) => Ok(json!(date.to_string())),
            None if key == "due_date" => {
                Err(ClickUpRefusal::new(400, "INPUT_006", "Due date invalid"))
            }
            None => Err(ClickUpRefusal::bad(format!(
                "{key} must be an integer of milliseconds"
            ))),
        },
    }
}

/// A date-only due date: 04:00 of that day in its setter's time zone (docs/contracts/clickup.md#tasks), here Madrid.
pub(super) fn day_of(at: i64) -> i64 {
    due_in_days(at, 0)
}

/// Whether a task's due date has a time: 04:00 here means a day.
fn has_time(due: &Value) -> bool {
    let ms = due.as_str().and_then(|ms| ms.parse::<i64>().ok());
    ms.is_some_and(|ms| day_of(ms) != ms)
}

/// A date-only due date, that many days later.
fn due_in_days(at: i64, days: i64) -> i64 {
    let day = chrono::DateTime::from_timestamp_millis(at + days * DAY).unwrap_or_default();
    let day = day.with_timezone(&chrono_tz::Europe::Madrid).date_naive();
    day.and_hms_opt(4, 0, 0)
        .and_then(|due| due.and_local_timezone(chrono_tz::Europe::Madrid).earliest())
        .map_or(at, |due| due.timestamp_millis())
}

/// The line with one of its links replaced by its label; `None` if it has no link.
fn without_a_link(line: &str) -> Option<String> {
    let (before, after) = line.split_once("](")?;
    let (before, label) = before.rsplit_once('[')?;
    let (_, after) = after.split_once(')')?;
    Some(format!("{before}{label}{after}"))
}

/// A text as an editor with some Markdown shows it: code, emphasis, items, quotations, headings, blocks, links.
fn formatted(text: &str) -> String {
    let mut lines = Vec::new();
    for line in text.split('\n').filter(|line| !line.starts_with("```")) {
        let signs = [
            "> ", "## ", "# ", "- [ ] ", "- [x] ", "- ", "* ", "1. ", "2. ",
        ];
        let line = signs
            .iter()
            .find_map(|sign| line.strip_prefix(sign))
            .unwrap_or(line);
        let mut line = line.replace("**", "").replace('`', "").replace("~~", "");
        while let Some(shown) = without_a_link(&line) {
            line = shown;
        }
        lines.push(line);
    }
    lines.join("\n")
}

fn describe(task: &mut Value, words: &str) {
    let words = if words.is_empty() || words.ends_with('\n') {
        words.to_owned()
    } else {
        format!("{words}\n")
    };
    task["text_content"] = json!(words);
    task["description"] = json!(words);
}

fn put_in(task: &mut Value, list: &Value) {
    task["list"] = json!({ "id": list["id"], "name": list["name"], "access": true });
    task["folder"] = list["folder"].clone();
    task["project"] = list["folder"].clone();
    task["space"] = json!({ "id": list["space"]["id"] });
}

fn tag_object(tag: &str, by: i64) -> Value {
    json!({ "name": tag, "tag_fg": "#fff", "tag_bg": "#000", "creator": by })
}
