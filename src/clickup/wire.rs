//! ClickUp's JSON, read leniently, and its conversion to our own types.
//!
//! Ids may be text or number, numbers may be text, objects may be null, unknown fields and values are accepted
//! (docs/contracts/clickup.md#errors). These types stay within the parent module.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Mutex, MutexGuard, OnceLock};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::de::{Error, IgnoredAny, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::domain::controls::one_line;
use crate::domain::mention_text::{MentionText, Piece, same_words};
use crate::domain::task::{
    Account, Closed, Direction, LINKS_MAX, Priority, RelatedTask, Relation, Task, TaskId, TaskKey,
    TaskStatus,
};
use crate::domain::when::plausible;

use super::due::due;
pub(super) use crate::lenient::lenient;
use crate::lenient::{each, first, items};
use crate::runtime::lock;

/// The longest description in the mirror, in characters.
const DESCRIPTION_MAX: usize = 4_000;

/// An id: text or number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Id {
    Text(String),
    Number(i64),
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Id, D::Error> {
        struct Ids;
        impl Visitor<'_> for Ids {
            type Value = Id;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an id")
            }
            fn visit_str<E>(self, text: &str) -> Result<Id, E> {
                Ok(Id::Text(text.to_owned()))
            }
            fn visit_i64<E>(self, number: i64) -> Result<Id, E> {
                Ok(Id::Number(number))
            }
            fn visit_u64<E: Error>(self, number: u64) -> Result<Id, E> {
                i64::try_from(number).map(Id::Number).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Ids)
    }
}

impl Id {
    /// As a number.
    pub(super) fn number(&self) -> Option<i64> {
        match self {
            Id::Text(text) => text.parse().ok(),
            Id::Number(number) => Some(*number),
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Id::Text(text) => f.write_str(text),
            Id::Number(number) => write!(f, "{number}"),
        }
    }
}

/// Milliseconds since 1970, until 9999: text in most responses, a number in some (docs/contracts/clickup.md#tasks, docs/contracts/clickup.md#writing).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Millis(pub(super) i64);

impl<'de> Deserialize<'de> for Millis {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Millis, D::Error> {
        let ms = match Id::deserialize(deserializer)? {
            Id::Number(ms) => ms,
            Id::Text(text) => text.parse::<i64>().map_err(D::Error::custom)?,
        };
        match Millis(ms).time() {
            Some(_) => Ok(Millis(ms)),
            None => Err(D::Error::custom("it is not a time from 1970 to 9999")),
        }
    }
}

impl Millis {
    pub(super) fn time(self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp_millis(self.0).and_then(plausible)
    }
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct User {
    pub(super) id: Id,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) username: Option<String>,
}

impl User {
    pub(super) fn account(&self) -> Account {
        let id = self.id.to_string();
        Account {
            // A pending invitation has no name yet (docs/contracts/clickup.md#users-and-members).
            name: match &self.username {
                Some(name) => one_line(name),
                None => id.clone(),
            },
            id,
        }
    }
}

/// `GET /team`: the workspaces visible to the token, with their members (docs/contracts/clickup.md#users-and-members).
#[derive(Debug, Deserialize)]
pub(super) struct Teams {
    #[serde(default, deserialize_with = "each")]
    pub(super) teams: Vec<Team>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Team {
    pub(super) id: Id,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) name: Option<String>,
    #[serde(default, deserialize_with = "each")]
    pub(super) members: Vec<OfTeam>,
}

#[derive(Debug, Deserialize)]
pub(super) struct OfTeam {
    pub(super) user: WireMember,
}

/// `GET /list/{id}/member`
#[derive(Debug, Deserialize)]
pub(super) struct ListMembers {
    #[serde(default, deserialize_with = "each")]
    pub(super) members: Vec<User>,
}

/// A member as only the workspace lists it: with the e-mail address.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct WireMember {
    pub(super) id: Id,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) username: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) email: Option<String>,
}

/// A space, a folder or a list in a listing.
#[derive(Debug, Deserialize)]
pub(super) struct ListedNode {
    pub(super) id: Id,
    #[serde(default, deserialize_with = "lenient")]
    name: Option<String>,
    /// Only of a folder.
    #[serde(default, deserialize_with = "each")]
    pub(super) lists: Vec<ListedNode>,
}

impl ListedNode {
    /// Its name in one line, or its id.
    pub(super) fn shown(&self) -> String {
        let name = self.name.as_deref().filter(|name| !name.trim().is_empty());
        name.map_or_else(|| self.id.to_string(), one_line)
    }
}

/// `GET /team/{id}/space`
#[derive(Debug, Deserialize)]
pub(super) struct Spaces {
    #[serde(default, deserialize_with = "each")]
    pub(super) spaces: Vec<ListedNode>,
}

/// `GET /space/{id}/folder`
#[derive(Debug, Deserialize)]
pub(super) struct Folders {
    #[serde(default, deserialize_with = "each")]
    pub(super) folders: Vec<ListedNode>,
}

/// `GET /space/{id}/list`
#[derive(Debug, Deserialize)]
pub(super) struct NamedLists {
    #[serde(default, deserialize_with = "each")]
    pub(super) lists: Vec<ListedNode>,
}

/// `GET /user`
#[derive(Debug, Deserialize)]
pub(super) struct Me {
    pub(super) user: Owner,
}

/// The token's owner.
#[derive(Debug, Deserialize)]
pub(super) struct Owner {
    pub(super) id: Id,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) username: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) email: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    timezone: Option<String>,
}

impl Owner {
    /// `None` for an unknown zone.
    pub(super) fn zone(&self) -> Option<Tz> {
        self.timezone.as_ref()?.parse().ok()
    }
}

/// `GET /list/{id}`. Its `status` is a colour; `statuses` are those of its tasks (docs/contracts/clickup.md#lists-and-statuses).
#[derive(Debug, Clone, Deserialize)]
pub(super) struct WireList {
    pub(super) id: Id,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) name: Option<String>,
    /// Its tasks do not show this, and are listed all the same (docs/contracts/clickup.md#lists-and-statuses).
    #[serde(default, deserialize_with = "lenient")]
    pub(super) archived: bool,
    /// The right of the token's person: `create`, `edit`, `comment`, `read`.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) permission_level: Option<String>,
    #[serde(default, deserialize_with = "each")]
    pub(super) statuses: Vec<WireStatus>,
    /// Its tags belong to the space.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) space: Option<SpaceRef>,
}

/// The space of a list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct SpaceRef {
    pub(super) id: Id,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) name: Option<String>,
}

/// `GET /space/{id}/tag`
#[derive(Debug, Deserialize)]
pub(super) struct SpaceTags {
    #[serde(default, deserialize_with = "each")]
    pub(super) tags: Vec<Tag>,
}

/// `GET /team/{id}/custom_item`: the types of tasks.
#[derive(Debug, Deserialize)]
pub(super) struct CustomItems {
    #[serde(default, deserialize_with = "each")]
    pub(super) custom_items: Vec<CustomItem>,
}

/// A type of tasks.
#[derive(Debug, Deserialize)]
pub(super) struct CustomItem {
    pub(super) id: Id,
    pub(super) name: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub(super) struct WireStatus {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) status: String,
    #[serde(default, rename = "type", deserialize_with = "lenient")]
    pub(super) kind: String,
}

impl WireStatus {
    pub(super) fn is_finished(&self) -> bool {
        matches!(self.kind.as_str(), "done" | "closed")
    }
}

/// `GET /list/{id}/task`
#[derive(Debug, Deserialize)]
pub(super) struct WireTaskPage {
    #[serde(default, deserialize_with = "each")]
    pub(super) tasks: Vec<WireTask>,
    /// Undocumented (docs/contracts/clickup.md#listing-tasks).
    #[serde(default, deserialize_with = "lenient")]
    pub(super) last_page: Option<bool>,
}

/// `GET /task/{id}` with its subtasks: the parts of a task that no [`Task`] has.
#[derive(Debug, Deserialize)]
pub(super) struct TaskExtras {
    #[serde(default, deserialize_with = "each")]
    pub(super) subtasks: Vec<IgnoredAny>,
    #[serde(default, deserialize_with = "each")]
    pub(super) checklists: Vec<IgnoredAny>,
    #[serde(default, deserialize_with = "each")]
    pub(super) attachments: Vec<Attached>,
    #[serde(default, deserialize_with = "lenient")]
    text_content: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    description: Option<String>,
}

impl TaskExtras {
    /// Whether the task's whole text is this description.
    pub(super) fn is_described(&self, description: &str) -> bool {
        is_one_of([&self.description, &self.text_content], description)
    }
}

/// Whether a task's description may be only the beginning of its text.
pub(super) fn is_cut(description: &str) -> bool {
    description.chars().count() >= DESCRIPTION_MAX
}

/// Whether one of a task's two texts is this description.
fn is_one_of(texts: [&Option<String>; 2], description: &str) -> bool {
    let mut texts = texts.into_iter();
    texts.any(|text| same_words(description, text.as_deref().unwrap_or_default()))
}

/// `GET /task/{id}/comment`: newest first, 25 a page (docs/contracts/clickup.md#comments).
#[derive(Debug, Deserialize)]
pub(super) struct WireCommentPage {
    #[serde(default, deserialize_with = "each")]
    pub(super) comments: Vec<WireComment>,
}

#[derive(Debug, Deserialize)]
pub(super) struct WireComment {
    pub(super) id: Id,
    #[serde(default, deserialize_with = "lenient")]
    comment_text: String,
    #[serde(default, deserialize_with = "each")]
    comment: Vec<CommentPart>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) user: Option<User>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) date: Option<Millis>,
    /// The number of replies in its thread, which no list of comments has.
    #[serde(default, deserialize_with = "lenient")]
    reply_count: Option<Id>,
}

impl WireComment {
    pub(super) fn has_replies(&self) -> bool {
        let count = self.reply_count.as_ref().and_then(Id::number);
        count.is_some_and(|count| count > 0)
    }

    /// The text without the line break that ClickUp appends.
    pub(super) fn text(&self) -> MentionText {
        text_of(Some(&self.comment_text), &self.comment)
    }

    /// Whether it has this text, flat or in its parts. The flat text may have Markdown's signs, or be missing.
    pub(super) fn says(&self, text: &MentionText) -> bool {
        text.is_shown_as(&self.text()) || text.is_shown_as(&text_of(None, &self.comment))
    }
}

/// A part of a comment: text, or a mention (docs/contracts/clickup.md#writing).
#[derive(Debug, Deserialize)]
struct CommentPart {
    #[serde(default, deserialize_with = "lenient")]
    text: String,
    #[serde(default, deserialize_with = "lenient", rename = "type")]
    kind: String,
    #[serde(default, deserialize_with = "lenient")]
    user: Option<User>,
}

impl CommentPart {
    fn piece(&self) -> Piece {
        match &self.user {
            Some(user) if self.kind == "tag" => Piece::Mention {
                account: user.id.to_string(),
                name: match self.text.trim().trim_start_matches('@') {
                    "" => user.account().name,
                    name => name.to_owned(),
                },
            },
            _ => Piece::Text(self.text.clone()),
        }
    }
}

/// The text of a comment without the line break that ClickUp appends. If it mentions people, its parts are used,
/// because the form of mentions in the flat text is not documented.
fn text_of(flat: Option<&str>, parts: &[CommentPart]) -> MentionText {
    let whole: MentionText = parts.iter().map(CommentPart::piece).collect();
    let text = match flat {
        Some(flat) if whole.mentions().next().is_none() => flat.into(),
        _ => whole,
    };
    text.trim_end()
}

/// The request body for a text with mentions.
pub(super) fn rich(text: &MentionText) -> Value {
    let parts = text.pieces().iter().map(|piece| match piece {
        Piece::Text(text) => json!({"text": text}),
        Piece::Mention { account, name } => match account.parse::<i64>() {
            Ok(member) => json!({"type": "tag", "user": {"id": member}}),
            // Members have numeric ids.
            Err(_) => json!({"text": name}),
        },
    });
    parts.collect()
}

/// The response to `POST /task/{id}/comment`.
#[derive(Debug, Deserialize)]
pub(super) struct Posted {
    pub(super) id: Id,
}

/// The response to `POST /task/{id}/attachment` (docs/contracts/clickup.md#attachments).
#[derive(Debug, Deserialize)]
pub(super) struct UploadedFile {
    pub(super) id: Id,
}

/// `GET /task/{id}` with its attachments.
#[derive(Debug, Deserialize)]
pub(super) struct TaskFiles {
    #[serde(default, deserialize_with = "each")]
    pub(super) attachments: Vec<Attached>,
}

/// An attachment of a task.
#[derive(Debug, Deserialize)]
pub(super) struct Attached {
    pub(super) id: Id,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) title: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) size: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) date: Option<Millis>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) deleted: bool,
}

/// A task in `GET /task/{id}` and in listings (docs/contracts/clickup.md#tasks).
#[derive(Debug, Deserialize)]
pub(super) struct WireTask {
    pub(super) id: Id,
    #[serde(default, deserialize_with = "lenient")]
    custom_id: Option<String>,
    /// The number of its type; 0 or null for a plain task.
    #[serde(default, deserialize_with = "lenient")]
    custom_item_id: Option<Id>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) name: String,
    #[serde(default, deserialize_with = "lenient")]
    text_content: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    description: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    status: WireStatus,
    #[serde(default, deserialize_with = "lenient")]
    archived: bool,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) date_created: Option<Millis>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) date_updated: Option<Millis>,
    #[serde(default, deserialize_with = "lenient")]
    date_closed: Option<Millis>,
    #[serde(default, deserialize_with = "lenient")]
    date_done: Option<Millis>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) creator: Option<User>,
    #[serde(default, deserialize_with = "each")]
    assignees: Vec<User>,
    #[serde(default, deserialize_with = "each")]
    tags: Vec<Tag>,
    #[serde(default, deserialize_with = "lenient")]
    priority: Option<WirePriority>,
    #[serde(default, deserialize_with = "lenient")]
    due_date: Option<Millis>,
    #[serde(default, deserialize_with = "lenient")]
    list: Option<WireRef>,
    /// The task that it is a subtask of.
    #[serde(default, deserialize_with = "lenient")]
    parent: Option<Id>,
    /// The lists besides its home that it was added to.
    #[serde(default, deserialize_with = "each")]
    locations: Vec<WireRef>,
    #[serde(default, deserialize_with = "each")]
    dependencies: Vec<Dependency>,
}

/// `task_id` waits for `depends_on`. Either of the two tasks may list it.
#[derive(Debug, Deserialize)]
struct Dependency {
    task_id: Id,
    depends_on: Id,
}

impl Dependency {
    /// The link for the task with this id.
    fn link(&self, id: &str) -> Option<Relation> {
        let (waits, first) = (self.task_id.to_string(), self.depends_on.to_string());
        let (way, other) = match (waits == id, first == id) {
            (true, false) => (Direction::BlockedBy, first),
            (false, true) => (Direction::Blocks, waits),
            _ => return None,
        };
        Some(Relation {
            way,
            to: RelatedTask::Task(TaskKey::clickup(other)),
        })
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Tag {
    pub(super) name: String,
}

#[derive(Debug, Deserialize)]
struct WirePriority {
    #[serde(default, deserialize_with = "lenient")]
    id: Option<Id>,
    #[serde(default, deserialize_with = "lenient")]
    priority: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct WireRef {
    pub(super) id: Id,
}

/// `GET /team/{id}/webhook`. It holds secrets, so it has no `Debug`.
#[derive(Deserialize)]
pub(super) struct Webhooks {
    #[serde(default, deserialize_with = "each")]
    pub(super) webhooks: Vec<WireHook>,
}

/// The response to creating or changing a webhook.
#[derive(Deserialize)]
pub(super) struct KeptWebhook {
    pub(super) webhook: WireHook,
}

/// A webhook (docs/contracts/clickup.md#managing-webhooks). Without a place of its own it is for the whole workspace.
#[derive(Deserialize)]
pub(super) struct WireHook {
    pub(super) id: Id,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) endpoint: String,
    #[serde(default, deserialize_with = "names")]
    pub(super) events: Vec<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) space_id: Option<Id>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) folder_id: Option<Id>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) list_id: Option<Id>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) task_id: Option<Id>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) health: Health,
    /// Returned on creation, perhaps later.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) secret: Option<String>,
}

/// Contract clickup 7.5: `active`, `failing` or `suspended`.
#[derive(Default, Deserialize)]
pub(super) struct Health {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) status: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) fail_count: u64,
}

/// Names in an array, or a single one: `*` (docs/contracts/clickup.md#managing-webhooks).
fn names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let names = <&RawValue>::deserialize(deserializer)?.get();
    Ok(match serde_json::from_str(names) {
        Ok(one) => vec![one],
        Err(_) => serde_json::from_str(names).unwrap_or_default(),
    })
}

/// The payload of a webhook (docs/contracts/clickup.md#payloads), or of its flat form: a task with its id.
#[derive(Deserialize)]
pub(super) struct HookPayload<'a> {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) task_id: Option<Id>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) task: Option<WireRef>,
    #[serde(borrow, default, deserialize_with = "first::<_, _, HISTORY_ITEMS_MAX>")]
    pub(super) history_items: Vec<HistoryItem<'a>>,
}

/// How many changes of one webhook are read; ClickUp sends one or two. The task is read anyway.
const HISTORY_ITEMS_MAX: usize = 100;

/// One change. `before` and `after` may be of any type, or missing.
#[derive(Deserialize)]
pub(super) struct HistoryItem<'a> {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) date: Option<Millis>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) field: String,
    /// The list that the task is in.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) parent_id: Option<Id>,
    /// Absent or odd for automations.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) user: Option<User>,
    #[serde(borrow, default)]
    before: Option<&'a RawValue>,
    #[serde(borrow, default)]
    after: Option<&'a RawValue>,
    #[serde(borrow, default)]
    comment: Option<&'a RawValue>,
}

/// Reads a value of any type as `T`, if it fits.
fn as_a<'a, T: Deserialize<'a>>(value: Option<&'a RawValue>) -> Option<T> {
    serde_json::from_str(value?.get()).ok()
}

/// The comment of a history item.
#[derive(Default, Deserialize)]
pub(super) struct HookComment {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) id: Option<Id>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) date: Option<Millis>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) user: Option<User>,
    #[serde(default, deserialize_with = "lenient")]
    text_content: Option<String>,
    #[serde(default, deserialize_with = "each")]
    comment: Vec<CommentPart>,
}

impl<'a> HistoryItem<'a> {
    pub(super) fn before<T: Deserialize<'a>>(&self) -> Option<T> {
        as_a(self.before)
    }

    pub(super) fn after<T: Deserialize<'a>>(&self) -> Option<T> {
        as_a(self.after)
    }

    /// The comment: an object, or in some samples an array, of comments or of the parts of one (docs/contracts/clickup.md#payloads).
    pub(super) fn comment(&self) -> HookComment {
        let mut comment = match as_a::<Several<HookComment>>(self.comment) {
            None => as_a(self.comment).unwrap_or_default(),
            Some(Several(comments)) => {
                let mut comments = comments.into_iter();
                comments.find(|one| one.id.is_some()).unwrap_or_else(|| {
                    let parts = as_a::<Several<CommentPart>>(self.comment);
                    HookComment {
                        comment: parts.map(|parts| parts.0).unwrap_or_default(),
                        ..HookComment::default()
                    }
                })
            }
        };
        if comment.id.is_none() {
            comment.id = self.after();
        }
        comment
    }
}

/// A list of `T`; any other value is an error.
#[derive(Deserialize)]
#[serde(transparent, bound = "T: Deserialize<'de>")]
struct Several<T>(#[serde(deserialize_with = "items")] Vec<T>);

impl HookComment {
    /// The text without the line break that ClickUp appends.
    pub(super) fn text(&self) -> MentionText {
        text_of(self.text_content.as_deref(), &self.comment)
    }
}

/// The facts for the mapping, from the configuration, the token and the lists.
#[derive(Debug, Default)]
pub(super) struct Mapping {
    pub(super) in_progress_status: Option<String>,
    /// The zone of the token's owner, once it was requested.
    pub(super) owner_zone: OnceLock<Tz>,
    /// The ids of the lists that are mirrored, without repetition, in the order configured.
    pub(super) lists: Vec<String>,
    places: Mutex<Places>,
    /// The names of types, once they were read.
    pub(super) types: Mutex<Option<KnownTypes>>,
}

/// The number of the type of a plain task.
pub(super) const PLAIN: i64 = 0;
/// The type that every workspace has.
pub(super) const MILESTONE: (i64, &str) = (1, "Milestone");

/// The names of types by their numbers, as they were last read.
#[derive(Debug)]
pub(super) struct KnownTypes {
    pub(super) read_at: DateTime<Utc>,
    pub(super) names: BTreeMap<i64, String>,
}

/// The known facts about lists, and about tasks that are in several.
#[derive(Debug, Default)]
struct Places {
    /// The lists that were archived when last read.
    archived: BTreeSet<String>,
    /// The tasks that are followed in a list that is not their home: their webhooks name only the home.
    guests: BTreeSet<String>,
}

impl Mapping {
    pub(super) fn new(lists: Vec<String>, in_progress_status: Option<String>) -> Mapping {
        Mapping {
            lists,
            in_progress_status,
            ..Mapping::default()
        }
    }

    /// The name of the type with this number; `None` for a plain task.
    fn type_name(&self, number: Option<i64>) -> Option<String> {
        let number = number.filter(|&number| number != PLAIN)?;
        let known = lock(&self.types);
        let named = known.as_ref().and_then(|known| known.names.get(&number));
        Some(match named {
            Some(name) => name.clone(),
            None if number == MILESTONE.0 => MILESTONE.1.to_owned(),
            None => format!("type {number}"),
        })
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        lock(&self.places)
    }

    /// Whether a list is mirrored.
    pub(super) fn follows(&self, list: &str) -> bool {
        self.lists.iter().any(|followed| followed == list)
    }

    /// Records a list that was read.
    pub(super) fn list_is(&self, list: &str, archived: bool) {
        let mut places = self.places();
        match archived {
            true => places.archived.insert(list.to_owned()),
            false => places.archived.remove(list),
        };
    }

    /// Records tasks that are followed in a list that is not their home.
    pub(super) fn remember_guests(&self, tasks: impl IntoIterator<Item = String>) {
        self.places().guests.extend(tasks);
    }

    pub(super) fn is_guest(&self, task: &str) -> bool {
        self.places().guests.contains(task)
    }

    /// The list that a task counts as being in, among its home and its other lists. A followed list goes first, then
    /// one that is not archived, then its home.
    fn container(&self, task: &str, home: Option<&str>, others: &[String]) -> Option<String> {
        let mut places = self.places();
        let standing = || home.into_iter().chain(others.iter().map(String::as_str));
        let followed = || standing().filter(|list| self.follows(list));
        let container = followed()
            .find(|list| !places.archived.contains(*list))
            .or_else(|| followed().next())
            .or(home)?
            .to_owned();
        match home.is_some_and(|home| home != container) {
            true => places.guests.insert(task.to_owned()),
            false => places.guests.remove(task),
        };
        Some(container)
    }

    /// By type first; by name only if the type is unknown.
    fn status(&self, status: &WireStatus) -> TaskStatus {
        match status.kind.as_str() {
            "open" => TaskStatus::Todo,
            "custom" => TaskStatus::InProgress,
            "done" | "closed" => TaskStatus::Done,
            _ => match &self.in_progress_status {
                Some(name) if same_name(name, &status.status) => TaskStatus::InProgress,
                _ => TaskStatus::Todo,
            },
        }
    }
}

/// Compares names of statuses without case (docs/contracts/clickup.md#writing).
pub(super) fn same_name(one: &str, other: &str) -> bool {
    one.trim().to_lowercase() == other.trim().to_lowercase()
}

/// A title as one line, in which no-break spaces are spaces.
pub(super) fn plain_title(title: &str) -> String {
    one_line(&title.replace('\u{a0}', " "))
}

impl WireTask {
    /// The number of its type, if it names one.
    pub(super) fn type_number(&self) -> Option<i64> {
        self.custom_item_id.as_ref()?.number()
    }

    /// Whether the task has this title, apart from signs and white space that ClickUp changes.
    pub(super) fn is_titled(&self, title: &str) -> bool {
        same_words(title, &self.name)
    }

    /// Whether the task's text is this description.
    pub(super) fn is_described(&self, description: &str) -> bool {
        is_one_of([&self.description, &self.text_content], description)
    }

    /// Whether the task has the tag of another client than this one. Then another person requested it.
    pub(super) fn is_for_another(&self, tag: Option<&str>) -> bool {
        let own = |name: &str| tag.is_some_and(|tag| same_name(tag, name));
        let clients = || {
            let names = self.tags.iter().map(|tag| tag.name.as_str());
            names.filter(|name| name.to_lowercase().starts_with("client:"))
        };
        clients().next().is_some() && !clients().any(own)
    }

    /// Whether it is a subtask of this task, or of none.
    pub(super) fn is_under(&self, parent: Option<&TaskKey>) -> bool {
        let own = self.parent.as_ref().map(Id::to_string);
        own.as_deref() == parent.map(TaskKey::as_str)
    }

    /// Converts it to our own types. `list` is the list of the request, if the task does not name its own.
    pub(super) fn into_task(self, mapping: &Mapping, list: Option<&str>) -> Result<Task, String> {
        let task_type = mapping.type_name(self.type_number());
        let id = self.id.to_string();
        let shown = TaskId::clickup(&id).ok_or_else(|| format!("it has the odd id `{id}`"))?;
        let home = self.list.map(|list| list.id.to_string());
        let home = home.or_else(|| list.map(str::to_owned));
        let others = self.locations.iter().map(|list| list.id.to_string());
        // The list of the listing counts, even if the task does not name it.
        let others: Vec<String> = others.chain(list.map(str::to_owned)).collect();
        let container = mapping
            .container(&id, home.as_deref(), &others)
            .ok_or_else(|| format!("the task {id} is in no list"))?;
        let home = home.filter(|home| *home != container);
        let created = self.date_created.and_then(Millis::time);
        let updated = self.date_updated.and_then(Millis::time).or(created);
        let labels: Vec<String> = self.tags.into_iter().map(|tag| tag.name).collect();
        let finished = self.status.is_finished();
        let closed = finished.then(|| Closed {
            // ClickUp does not return the person.
            by: None,
            at: self.date_closed.or(self.date_done).and_then(Millis::time),
            by_us: None,
            reason: None,
        });
        let text = self.text_content.or(self.description).unwrap_or_default();
        let links = self.dependencies.iter().filter_map(|d| d.link(&id));
        let links = links.collect::<BTreeSet<Relation>>();
        Ok(Task {
            milestone: None,
            task_type,
            parent: self
                .parent
                .map(|parent| TaskKey::clickup(parent.to_string())),
            // Its subtasks are counted in the mirror.
            children: None,
            title: plain_title(&self.name),
            description: text.trim_end().chars().take(DESCRIPTION_MAX).collect(),
            // Made here: an address in an answer could lead anywhere.
            url: format!("https://app.clickup.com/t/{id}"),
            key: TaskKey::clickup(id),
            id: shown,
            container,
            home,
            // An archived task is not open here, with any status (docs/contracts/clickup.md#listing-tasks).
            status: if self.archived {
                TaskStatus::Done
            } else {
                mapping.status(&self.status)
            },
            source_status: if self.archived && !finished {
                "archived".to_owned()
            } else {
                self.status.status
            },
            assignees: self.assignees.iter().map(User::account).collect(),
            entity: Task::entity_of_labels(&labels),
            labels,
            priority: self.priority.as_ref().and_then(WirePriority::read),
            due: self
                .due_date
                .and_then(Millis::time)
                .map(|at| due(at, mapping.owner_zone.get().copied())),
            created_at: created.or(updated).unwrap_or_default(),
            updated_at: updated.unwrap_or_default(),
            closed,
            commented_at: None,
            reopened: false,
            custom_id: self.custom_id.filter(|custom| !custom.is_empty()),
            creator: self.creator.as_ref().map(User::account),
            links: links.into_iter().take(LINKS_MAX).collect(),
        })
    }
}

impl WirePriority {
    /// By its name, else by its number: 1 is urgent, 4 low (docs/contracts/clickup.md#tasks).
    fn read(&self) -> Option<Priority> {
        let named = self.priority.as_deref().map(str::to_lowercase);
        named.as_deref().and_then(Priority::parse).or_else(|| {
            match self.id.as_ref()?.to_string().as_str() {
                "1" => Some(Priority::Urgent),
                "2" => Some(Priority::High),
                "3" => Some(Priority::Normal),
                "4" => Some(Priority::Low),
                _ => None,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::task::DueDate;
    use rstest::rstest;
    use serde_json::json;

    fn mapping() -> Mapping {
        Mapping::new(Vec::new(), Some("Doing".into()))
    }

    fn read(value: Value) -> Task {
        let task: WireTask = serde_json::from_str(&value.to_string()).unwrap();
        task.into_task(&mapping(), None).unwrap()
    }

    /// The task's lists, the archived ones of the lists 1, 2 and 3, and the list of the listing; then its container,
    /// and its home if that differs.
    #[rstest]
    #[case::at_home("1", &[], &[], None, ("1", None))]
    #[case::at_home_and_elsewhere("1", &["2"], &[], None, ("1", None))]
    #[case::a_guest("9", &["2"], &[], None, ("2", Some("9")))]
    #[case::a_guest_of_several("9", &["8", "2", "3"], &[], None, ("2", Some("9")))]
    #[case::listed_without_saying_so("9", &[], &[], Some("3"), ("3", Some("9")))]
    #[case::a_stranger("9", &["8"], &[], None, ("9", None))]
    #[case::its_home_is_archived("1", &["2"], &["1"], None, ("2", Some("1")))]
    #[case::both_are_archived("1", &["2"], &["1", "2"], None, ("1", None))]
    #[case::the_other_is_archived("9", &["2", "3"], &["2"], None, ("3", Some("9")))]
    #[case::archived_and_the_other_not_followed("1", &["8"], &["1"], None, ("1", None))]
    fn a_task_counts_as_being_in_a_list_that_is_followed(
        #[case] home: &str,
        #[case] others: &[&str],
        #[case] archived: &[&str],
        #[case] listed: Option<&str>,
        #[case] expected: (&str, Option<&str>),
    ) {
        let mapping = Mapping::new(["1", "2", "3"].map(str::to_owned).to_vec(), None);
        for list in archived {
            mapping.list_is(list, true);
        }
        let others: Vec<Value> = others.iter().map(|id| json!({"id": id})).collect();
        let task = json!({"id": "86a", "name": "T", "list": {"id": home}, "locations": others});
        let task: WireTask = serde_json::from_str(&task.to_string()).unwrap();
        let task = task.into_task(&mapping, listed).unwrap();
        assert_eq!((task.container.as_str(), task.home.as_deref()), expected);
        assert_eq!(mapping.is_guest("86a"), expected.1.is_some());
    }

    #[test]
    fn a_guest_that_goes_home_is_none_any_more() {
        let mapping = Mapping::new(vec!["1".into()], None);
        for (home, guest) in [("9", true), ("1", false)] {
            let task = json!({"id": "86a", "list": {"id": home}, "locations": [{"id": 1}, null]});
            let task: WireTask = serde_json::from_str(&task.to_string()).unwrap();
            assert_eq!(task.into_task(&mapping, None).unwrap().container, "1");
            assert_eq!(mapping.is_guest("86a"), guest);
        }
    }

    /// The task of docs/contracts/clickup.md#tasks.
    fn renew_cert() -> Value {
        json!({"id":"86tst0001","custom_id":"OPS-12","custom_item_id":0,"name":"Renew\u{a0}cert",
            "text_content":"body\n","description":"body\n",
            "status":{"id":"p9_a","status":"in review","color":"#7C4DFF","orderindex":1,"type":"custom"},
            "orderindex":"12345.00000000000000000000000000000000","archived":false,
            "date_created":"1767225600000","date_updated":"1767229200123","date_closed":null,"date_done":null,
            "creator":{"id":4242,"username":"Ana","color":"#112233","email":"a@x.test","profilePicture":null},
            "assignees":[{"id":4243,"username":"Bo"}],
            "tags":[{"name":"ops","tag_fg":"#fff"},{"name":"client:acme"}],
            "parent":null,"priority":{"id":"2","priority":"high","color":"#ffcc00","orderindex":"2"},
            "due_date":"1767312000000","url":"https://app.clickup.com/t/86tst0001",
            "list":{"id":"901100000001","name":"Inbox","access":true}})
    }

    #[test]
    fn a_task_is_read_as_the_contract_shows_it() {
        let task = read(renew_cert());
        let at = |ms| DateTime::from_timestamp_millis(ms).unwrap();
        assert_eq!(
            task,
            Task {
                key: TaskKey::clickup("86tst0001"),
                id: TaskId::clickup("86tst0001").unwrap(),
                container: "901100000001".into(),
                title: "Renew cert".into(),
                description: "body".into(),
                url: "https://app.clickup.com/t/86tst0001".into(),
                status: TaskStatus::InProgress,
                source_status: "in review".into(),
                assignees: vec![Account {
                    id: "4243".into(),
                    name: "Bo".into()
                }],
                labels: vec!["ops".into(), "client:acme".into()],
                entity: Some("acme".into()),
                priority: Some(Priority::High),
                due: Some(DueDate::at(at(1_767_312_000_000))),
                created_at: at(1_767_225_600_000),
                updated_at: at(1_767_229_200_123),
                closed: None,
                commented_at: None,
                reopened: false,
                custom_id: Some("OPS-12".into()),
                creator: Some(Account {
                    id: "4242".into(),
                    name: "Ana".into()
                }),
                links: Vec::new(),
                home: None,
                milestone: None,
                task_type: None,
                parent: None,
                children: None,
            }
        );
    }

    #[test]
    fn ids_numbers_and_nulls_are_read_as_they_come() {
        let task = read(
            json!({"id":8600001,"name":null,"status":{"status":"complete","type":"closed"},
            "date_created":1767225600000i64,"date_updated":null,"date_closed":1767229200123i64,
            "assignees":[{"id":"4243","username":null},"odd"],"tags":null,"priority":{"id":1},"due_date":"soon",
            "list":{"id":901100000001i64}}),
        );
        assert_eq!(task.key, TaskKey::clickup("8600001"));
        assert_eq!(task.container, "901100000001");
        assert_eq!(task.status, TaskStatus::Done);
        assert_eq!(task.assignees[0].name, "4243");
        assert_eq!(task.assignees.len(), 1);
        assert_eq!(task.priority, Some(Priority::Urgent));
        assert_eq!((task.due, task.labels.len()), (None, 0));
        assert_eq!(task.updated_at, task.created_at);
        let closed = task.closed.unwrap();
        assert_eq!(
            closed.at,
            DateTime::from_timestamp_millis(1_767_229_200_123)
        );
        assert_eq!((closed.by, closed.by_us), (None, None));
    }

    #[rstest]
    #[case::the_last(json!("8210266876799999"))]
    #[case::the_last_as_a_number(json!(8_210_266_876_799_999_i64))]
    #[case::the_first(json!("-8334601228800000"))]
    #[case::before_1970(json!("-1"))]
    #[case::after_9999(json!("253402300800000"))]
    #[case::beyond_chrono(json!(i64::MIN))]
    fn times_that_nobody_means_are_absent(#[case] odd: Value) {
        for zone in [chrono_tz::Asia::Tokyo, chrono_tz::America::New_York] {
            let mapping = mapping();
            mapping.owner_zone.set(zone).unwrap();
            let mut task = renew_cert();
            for field in ["due_date", "date_updated", "date_closed", "date_done"] {
                task[field] = odd.clone();
            }
            task["status"] = json!({"status": "complete", "type": "closed"});
            let task: WireTask = serde_json::from_str(&task.to_string()).unwrap();
            let task = task.into_task(&mapping, None).unwrap();
            assert_eq!(task.due, None);
            assert_eq!(task.updated_at, task.created_at);
            assert_eq!(task.closed.unwrap().at, None);
        }
        let comment = json!({"id": "1", "date": odd});
        let comment: WireComment = serde_json::from_str(&comment.to_string()).unwrap();
        assert_eq!(comment.date, None);
        let item = json!({"date": odd}).to_string();
        let item: HistoryItem<'_> = serde_json::from_str(&item).unwrap();
        assert_eq!(item.date, None);
    }

    #[rstest]
    #[case("open", "to do", TaskStatus::Todo)]
    #[case("custom", "to do", TaskStatus::InProgress)]
    #[case("done", "shipped", TaskStatus::Done)]
    #[case("closed", "to do", TaskStatus::Done)]
    #[case("unstarted", "backlog", TaskStatus::Todo)]
    #[case("unstarted", "doing", TaskStatus::InProgress)]
    #[case("open", "doing", TaskStatus::Todo)]
    #[case("", "complete", TaskStatus::Todo)]
    fn the_type_decides_before_the_name(
        #[case] kind: &str,
        #[case] name: &str,
        #[case] status: TaskStatus,
    ) {
        let mut task = renew_cert();
        task["status"] = json!({"status": name, "type": kind});
        let task = read(task);
        assert_eq!((task.status, task.source_status.as_str()), (status, name));
    }

    #[test]
    fn dependencies_are_read_from_either_side() {
        let mut task = renew_cert();
        task["dependencies"] = json!([
            {"task_id": "86tst0001", "depends_on": "86tst0009", "type": 1, "date_created": "1767225600000", "userid": "4242"},
            {"task_id": "86tst0008", "depends_on": "86tst0001", "type": 1},
            {"task_id": 8600007, "depends_on": "86tst0001"},
            {"task_id": "86tst0008", "depends_on": "86tst0001", "type": 0},
            {"task_id": "86tst0001", "depends_on": "86tst0001"},
            {"task_id": "86tst0003", "depends_on": "86tst0004"},
            {"task_id": null}, "odd",
        ]);
        let link = |way, other: &str| Relation {
            way,
            to: RelatedTask::Task(TaskKey::clickup(other)),
        };
        assert_eq!(
            read(task).links,
            [
                link(Direction::Blocks, "8600007"),
                link(Direction::Blocks, "86tst0008"),
                link(Direction::BlockedBy, "86tst0009"),
            ]
        );
    }

    #[test]
    fn an_archived_task_is_not_open() {
        let mut task = renew_cert();
        task["archived"] = json!(true);
        let task = read(task);
        assert_eq!(
            (task.status, task.source_status.as_str()),
            (TaskStatus::Done, "archived")
        );
    }

    #[test]
    fn a_long_description_is_cut_between_characters() {
        let mut task = renew_cert();
        task["text_content"] = json!("é".repeat(5_000));
        assert_eq!(read(task).description, "é".repeat(4_000));
    }

    #[test]
    fn a_task_without_a_usable_id_or_list_is_no_task() {
        for (field, value) in [("id", json!("86/../x")), ("list", Value::Null)] {
            let mut task = renew_cert();
            task[field] = value;
            let task: WireTask = serde_json::from_str(&task.to_string()).unwrap();
            assert!(task.into_task(&mapping(), None).is_err(), "{field}");
        }
    }
}
