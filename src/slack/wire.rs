//! Slack's JSON as it arrives, read leniently: a field that is missing, null or of another type is `None`, and new
//! fields or block types are ignored (docs/contracts/slack.md#messages, docs/contracts/slack.md#why-ivan-holds-its-own-connection).
//!
//! `socket` reads [`Frame`]s, `gate` decides on their [`Event`]s, `web` reads the responses of the Web API.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::mailbox::ReplyUrl;

/// The most values in a frame, and in one message, file or user of an answer. A form with all its choices comes back with
/// some thousand.
pub(super) const VALUES_MAX: usize = 100_000;
/// How many reactions of a message are read, and how many people of one.
const REACTIONS_MAX: usize = 100;

/// Treats a value of the wrong type as missing, so that one odd field does not cost a person their message.
fn lenient<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Default,
{
    let value = Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}

/// One text frame of a Socket Mode link (docs/contracts/slack.md#frames).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Frame {
    #[serde(rename = "type", deserialize_with = "lenient")]
    pub kind: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub envelope_id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub accepts_response_payload: Option<bool>,
    #[serde(deserialize_with = "lenient")]
    pub retry_attempt: Option<u32>,
    #[serde(deserialize_with = "lenient")]
    pub retry_reason: Option<String>,
    /// Of a `disconnect`.
    #[serde(deserialize_with = "lenient")]
    pub reason: Option<String>,
    /// Of a `hello`: all live links of the app, ghosts included.
    #[serde(deserialize_with = "lenient")]
    pub num_connections: Option<u32>,
    pub payload: Value,
}

impl Frame {
    /// Reads a text frame; `None` if it is not a JSON object, or has more values than any frame from Slack.
    pub fn read(text: &str) -> Option<Frame> {
        serde_json::from_value(crate::lenient::frame(text, VALUES_MAX)?).ok()
    }
}

/// The payload of an `events_api` envelope.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Callback {
    /// `event_callback`, or `app_rate_limited`, which has no event.
    #[serde(rename = "type", deserialize_with = "lenient")]
    pub kind: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub api_app_id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub event_id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub event: Event,
    /// Of `user_change` and its kind, whose event has a whole user where others have an id.
    #[serde(skip)]
    pub changed_user: Option<String>,
}

impl Callback {
    /// Reads a payload; a value that is no object counts as empty.
    pub fn read(payload: Value) -> Callback {
        let changed = payload.pointer("/event/user/id").and_then(Value::as_str);
        let changed_user = changed.map(str::to_owned);
        Callback {
            changed_user,
            ..serde_json::from_value(payload).unwrap_or_default()
        }
    }
}

/// The event itself, as far as a command can be in it.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub struct Event {
    #[serde(rename = "type", deserialize_with = "lenient")]
    pub kind: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub subtype: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub hidden: Option<bool>,
    #[serde(deserialize_with = "lenient")]
    pub user: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub bot_id: Option<String>,
    /// The name under which an app posted it, if it chose one.
    #[serde(deserialize_with = "lenient")]
    pub username: Option<String>,
    /// The app that posted it.
    #[serde(deserialize_with = "lenient")]
    pub bot_profile: Named,
    #[serde(deserialize_with = "lenient")]
    pub app_id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub channel: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub channel_type: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub text: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub ts: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub thread_ts: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub client_msg_id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub event_ts: Option<String>,
    /// Of a reaction: its name, without colons.
    #[serde(deserialize_with = "lenient")]
    pub reaction: Option<String>,
    /// Of a reaction: its message, and the author of that.
    #[serde(deserialize_with = "lenient")]
    pub item: Item,
    #[serde(deserialize_with = "lenient")]
    pub item_user: Option<String>,
    /// Of `app_home_opened`.
    #[serde(deserialize_with = "lenient")]
    pub tab: Option<String>,
    /// The text again, as rich text: it has the characters of emoji.
    pub blocks: Value,
    #[serde(deserialize_with = "each")]
    pub attachments: Vec<Attachment>,
    #[serde(deserialize_with = "each")]
    pub files: Vec<File>,
}

/// An attachment of a message: a forwarded message, an alert, the preview of a link.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub struct Attachment {
    /// Whether a person forwarded it.
    #[serde(deserialize_with = "lenient")]
    pub is_share: Option<bool>,
    #[serde(deserialize_with = "lenient")]
    pub author_name: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub from_url: Option<String>,
    /// Of the preview of a link.
    #[serde(deserialize_with = "lenient")]
    pub original_url: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub app_unfurl_url: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub pretext: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub title: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub title_link: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub text: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub fallback: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub image_url: Option<String>,
    #[serde(deserialize_with = "each")]
    pub fields: Vec<AttachmentField>,
    pub blocks: Value,
    /// Of a forwarded message: its own blocks.
    #[serde(deserialize_with = "each")]
    pub message_blocks: Vec<ForwardedBlocks>,
    #[serde(deserialize_with = "each")]
    pub files: Vec<File>,
}

/// The blocks of a forwarded message.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub struct ForwardedBlocks {
    #[serde(deserialize_with = "lenient")]
    pub message: BlocksOfMessage,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub struct BlocksOfMessage {
    pub blocks: Value,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub struct AttachmentField {
    #[serde(deserialize_with = "lenient")]
    pub title: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub value: Option<String>,
}

/// A file that was shared.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub struct File {
    #[serde(deserialize_with = "lenient")]
    pub id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub name: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub title: Option<String>,
    /// `hosted`, `snippet`, `tombstone`, …
    #[serde(deserialize_with = "lenient")]
    pub mode: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub permalink: Option<String>,
    /// The address of the content, for the bot's token.
    #[serde(deserialize_with = "lenient")]
    pub url_private: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub mimetype: Option<String>,
    /// In bytes.
    #[serde(deserialize_with = "lenient")]
    pub size: Option<u64>,
}

/// The target of a reaction.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub struct Item {
    #[serde(rename = "type", deserialize_with = "lenient")]
    pub kind: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub channel: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub ts: Option<String>,
}

/// The payload of an `interactive` envelope (docs/contracts/slack.md#buttons-shortcuts-and-forms).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Interaction {
    /// `block_actions`, `message_action`, `shortcut`, `view_submission`, …
    #[serde(rename = "type", deserialize_with = "lenient")]
    pub kind: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub user: Named,
    #[serde(deserialize_with = "lenient")]
    pub channel: Named,
    #[serde(deserialize_with = "lenient")]
    pub container: WireContainer,
    /// The message that has the button.
    #[serde(deserialize_with = "lenient")]
    pub message: Event,
    #[serde(deserialize_with = "lenient")]
    pub actions: Vec<Action>,
    #[serde(deserialize_with = "lenient")]
    pub trigger_id: Option<String>,
    /// Of shortcuts.
    #[serde(deserialize_with = "lenient")]
    pub callback_id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub team: Team,
    /// Of an interaction in a conversation: a bearer secret.
    #[serde(deserialize_with = "lenient")]
    pub response_url: Option<ReplyUrl>,
    /// A form that was submitted.
    #[serde(deserialize_with = "lenient")]
    pub view: View,
}

/// The workspace of an interaction.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Team {
    /// `acme`, as in acme.slack.com.
    #[serde(deserialize_with = "lenient")]
    pub domain: Option<String>,
}

/// A submitted form (docs/contracts/slack.md#buttons-shortcuts-and-forms).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct View {
    #[serde(deserialize_with = "lenient")]
    pub id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub hash: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub callback_id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub private_metadata: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub state: Values,
}

/// The input of a form.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Values {
    /// By block and action.
    pub values: Value,
}

impl View {
    /// The value of a field: its text, its date, or the value of the chosen option.
    pub fn field(&self, id: &str) -> Option<&str> {
        let field = self.state.values.get(id)?.get(id)?;
        let chosen = field
            .get("selected_option")
            .and_then(|one| one.get("value"));
        let date = field.get("selected_date");
        chosen.or(date).or_else(|| field.get("value"))?.as_str()
    }
}

/// The payload of a `slash_commands` envelope (docs/contracts/slack.md#slash-commands).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Slash {
    #[serde(deserialize_with = "lenient")]
    pub user_id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub channel_id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub channel_name: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub text: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub trigger_id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub response_url: Option<ReplyUrl>,
}

impl Slash {
    /// Reads a payload; a value that is no object counts as empty.
    pub fn read(payload: Value) -> Slash {
        serde_json::from_value(payload).unwrap_or_default()
    }
}

impl Interaction {
    /// Reads a payload; a value that is no object counts as empty.
    pub fn read(payload: Value) -> Interaction {
        serde_json::from_value(payload).unwrap_or_default()
    }
}

/// A user or a channel in an interaction; the app of a message.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub struct Named {
    #[serde(deserialize_with = "lenient")]
    pub id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub name: Option<String>,
}

/// The place of an interaction.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct WireContainer {
    /// `message`, `message_attachment` or `view`.
    #[serde(rename = "type", deserialize_with = "lenient")]
    pub kind: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub message_ts: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub channel_id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub thread_ts: Option<String>,
    /// Whether the message is ephemeral.
    #[serde(deserialize_with = "lenient")]
    pub is_ephemeral: Option<bool>,
}

/// A button that was pressed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Action {
    #[serde(deserialize_with = "lenient")]
    pub action_id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub block_id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub action_ts: Option<String>,
    /// The time chosen with a `timepicker`: `08:30`.
    #[serde(deserialize_with = "lenient")]
    pub selected_time: Option<String>,
}

// ---------------------------------------------------------------- responses of the Web API (docs/contracts/slack.md#methods)

/// `apps.connections.open`. No `Debug`: the URL is a bearer secret.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Opened {
    #[serde(deserialize_with = "crate::lenient::lenient")]
    pub url: Option<String>,
}

/// `auth.test`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct AuthTested {
    /// The name of the workspace.
    #[serde(deserialize_with = "crate::lenient::lenient")]
    pub team: Option<String>,
    #[serde(deserialize_with = "crate::lenient::lenient")]
    pub team_id: Option<String>,
    #[serde(deserialize_with = "crate::lenient::lenient")]
    pub bot_id: Option<String>,
    #[serde(deserialize_with = "crate::lenient::lenient")]
    pub user_id: Option<String>,
    /// The bot's handle.
    #[serde(deserialize_with = "crate::lenient::lenient")]
    pub user: Option<String>,
    /// Whether the app is installed for an organization of Enterprise Grid. Then `team_id` is that organization.
    #[serde(deserialize_with = "crate::lenient::lenient")]
    pub is_enterprise_install: bool,
}

/// `bots.info`
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct BotAsked {
    #[serde(deserialize_with = "crate::lenient::lenient")]
    pub bot: BotRecord,
}

/// A bot, as Slack lists it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct BotRecord {
    /// The app that it belongs to.
    #[serde(deserialize_with = "crate::lenient::lenient")]
    pub app_id: Option<String>,
}

/// `users.info`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct UserInfo {
    #[serde(deserialize_with = "crate::lenient::lenient")]
    pub ok: bool,
    #[serde(deserialize_with = "in_tree")]
    pub user: Value,
}

/// The fields of `users.info` that decide nothing: names and the time zone. `standing` reads the others, strictly.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct User {
    #[serde(deserialize_with = "lenient")]
    pub name: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub real_name: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub tz: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub profile: UserProfile,
}

impl User {
    /// Reads a user; a value that is no object counts as empty.
    pub fn read(user: &Value) -> User {
        User::deserialize(user).unwrap_or_default()
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct UserProfile {
    #[serde(deserialize_with = "lenient")]
    pub display_name: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub real_name: Option<String>,
}

/// `chat.postMessage` and `chat.update`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Posted {
    #[serde(deserialize_with = "crate::lenient::lenient")]
    pub ok: bool,
    #[serde(deserialize_with = "crate::lenient::lenient")]
    pub ts: Option<String>,
    /// Slack's id of it: for a post addressed to a person, their DM.
    #[serde(deserialize_with = "crate::lenient::lenient")]
    pub channel: Option<String>,
    #[serde(deserialize_with = "crate::lenient::lenient")]
    pub message: Message,
}

/// `chat.getPermalink`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Permalink {
    #[serde(deserialize_with = "crate::lenient::lenient")]
    pub permalink: Option<String>,
}

/// `files.info`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct FileInfo {
    #[serde(deserialize_with = "in_tree")]
    pub file: File,
}

/// `files.getUploadURLExternal`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct UploadPlace {
    #[serde(deserialize_with = "crate::lenient::lenient")]
    pub upload_url: Option<String>,
    #[serde(deserialize_with = "crate::lenient::lenient")]
    pub file_id: Option<String>,
}

/// `files.completeUploadExternal`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct UploadDone {
    #[serde(deserialize_with = "crate::lenient::lenient")]
    pub ok: bool,
}

/// `conversations.open`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct DmOpened {
    #[serde(deserialize_with = "crate::lenient::lenient")]
    pub channel: Dm,
}

/// The conversation with one person.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Dm {
    #[serde(deserialize_with = "crate::lenient::lenient")]
    pub id: Option<String>,
}

/// `views.open`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ViewOpened {
    #[serde(deserialize_with = "crate::lenient::lenient")]
    pub ok: bool,
}

/// `reactions.add` and `reactions.remove`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Reacted {
    #[serde(deserialize_with = "crate::lenient::lenient")]
    pub ok: bool,
}

/// `views.publish`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Published {
    #[serde(deserialize_with = "crate::lenient::lenient")]
    pub ok: bool,
    #[serde(deserialize_with = "crate::lenient::lenient")]
    pub view: PublishedView,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct PublishedView {
    #[serde(deserialize_with = "crate::lenient::lenient")]
    pub hash: Option<String>,
}

/// A message in a response.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Message {
    #[serde(deserialize_with = "crate::lenient::lenient")]
    pub ts: Option<String>,
    #[serde(deserialize_with = "crate::lenient::lenient")]
    pub user: Option<String>,
    #[serde(deserialize_with = "crate::lenient::lenient")]
    pub text: Option<String>,
    #[serde(deserialize_with = "crate::lenient::lenient")]
    pub edited: Edited,
    #[serde(deserialize_with = "crate::lenient::lenient")]
    pub metadata: Metadata,
    #[serde(deserialize_with = "crate::lenient::first::<_, _, REACTIONS_MAX>")]
    pub reactions: Vec<PlacedReaction>,
}

/// A reaction to a message, with the people who put it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct PlacedReaction {
    #[serde(deserialize_with = "crate::lenient::lenient")]
    pub name: String,
    #[serde(deserialize_with = "crate::lenient::first::<_, _, REACTIONS_MAX>")]
    pub users: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Edited {
    #[serde(deserialize_with = "crate::lenient::lenient")]
    pub ts: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Metadata {
    #[serde(deserialize_with = "crate::lenient::lenient")]
    pub event_type: Option<String>,
    #[serde(deserialize_with = "crate::lenient::lenient")]
    pub event_payload: MetadataPayload,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct MetadataPayload {
    #[serde(deserialize_with = "crate::lenient::lenient")]
    pub uid: Option<String>,
}

/// `conversations.history` and `conversations.replies`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct History {
    #[serde(deserialize_with = "crate::lenient::lenient")]
    pub ok: bool,
    #[serde(deserialize_with = "crate::lenient::each")]
    pub messages: Vec<Message>,
    #[serde(deserialize_with = "crate::lenient::lenient")]
    pub response_metadata: Cursor,
}

/// `conversations.history` with the raw messages, each as its JSON text.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct RawHistory {
    #[serde(deserialize_with = "crate::lenient::lenient")]
    pub ok: bool,
    #[serde(deserialize_with = "crate::lenient::each")]
    pub messages: Vec<Box<RawValue>>,
    #[serde(deserialize_with = "crate::lenient::lenient")]
    pub response_metadata: Cursor,
}

/// `users.conversations`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Conversations {
    #[serde(deserialize_with = "crate::lenient::lenient")]
    pub ok: bool,
    #[serde(deserialize_with = "crate::lenient::each")]
    pub channels: Vec<ListedDm>,
    #[serde(deserialize_with = "crate::lenient::lenient")]
    pub response_metadata: Cursor,
}

/// A DM of the app.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ListedDm {
    #[serde(deserialize_with = "crate::lenient::lenient")]
    pub id: Option<String>,
    #[serde(deserialize_with = "crate::lenient::lenient")]
    pub user: Option<String>,
    #[serde(deserialize_with = "crate::lenient::lenient")]
    pub is_user_deleted: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Cursor {
    #[serde(deserialize_with = "crate::lenient::lenient")]
    pub next_cursor: Option<String>,
}

/// Reads a field of an answer through a tree with a limited number of values; the default if it has more.
fn in_tree<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Default,
{
    let field = <&RawValue>::deserialize(deserializer)?;
    let mut left = VALUES_MAX;
    let tree = crate::lenient::tree(field.get(), &mut left);
    let read = tree.and_then(|tree| serde_json::from_value(tree).ok());
    Ok(read.unwrap_or_default())
}

/// Reads a list and leaves out unreadable elements.
fn each<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let Value::Array(all) = Value::deserialize(deserializer)? else {
        return Ok(Vec::new());
    };
    Ok(all
        .into_iter()
        .filter_map(|one| serde_json::from_value(one).ok())
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case::not_json("hello")]
    #[case::not_an_object("[1]")]
    #[case::empty("")]
    fn a_frame_is_an_object(#[case] text: &str) {
        assert!(Frame::read(text).is_none());
    }

    #[test]
    fn a_frame_needs_nothing_but_its_type() {
        let frame = Frame::read(r#"{"type":"disconnect"}"#).unwrap();
        assert_eq!(frame.kind.as_deref(), Some("disconnect"));
        assert_eq!(frame.reason, None);
    }

    #[test]
    fn odd_fields_are_missing_fields() {
        let frame = Frame::read(
            r#"{"type":"hello","num_connections":"many","retry_attempt":-1,"new":{"a":[]}}"#,
        )
        .unwrap();
        assert_eq!(frame.kind.as_deref(), Some("hello"));
        assert_eq!(frame.num_connections, None);
        assert_eq!(frame.retry_attempt, None);
    }

    #[test]
    fn a_message_survives_null_ids_and_unknown_blocks() {
        let callback = Callback::read(json!({
            "type": "event_callback", "team_id": null, "event_id": "Ev1",
            "authorizations": [{"team_id": null, "user_id": "U0BOT01"}],
            "event": {"type": "message", "text": "done", "ts": "1.2", "user": "U0ANN01", "hidden": null,
                "metadata": {"event_type": "x", "event_payload": {"n": 7}},
                "files": [{"url_private": ""}], "attachments": [{"id": "one"}],
                "blocks": [{"type": "never_seen", "elements": 3}]},
        }));
        assert_eq!(callback.event.text.as_deref(), Some("done"));
        assert_eq!(callback.event.hidden, None);
    }

    #[test]
    fn a_payload_that_is_no_object_has_nothing_in_it() {
        assert!(Callback::read(Value::Null).kind.is_none());
        assert!(
            Callback::read(json!({"type": "event_callback", "event": "?"}))
                .event
                .kind
                .is_none()
        );
    }

    #[test]
    fn one_odd_message_does_not_hide_the_others() {
        let history = json!({
            "ok": true,
            "messages": [7, {"ts": "1.2", "metadata": {"event_type": "ivan_message", "event_payload": {"uid": "u1"}}}],
        });
        let history: History = serde_json::from_str(&history.to_string()).unwrap();
        let found = history.messages.first().unwrap();
        assert_eq!(found.metadata.event_payload.uid.as_deref(), Some("u1"));
    }
}
