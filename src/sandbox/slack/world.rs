//! The workspace: people, channels, messages. Each change is immediate and returns the events that Slack would send for
//! it (docs/contracts/slack.md#messages); `wire` delivers them to the bot. No IO.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use serde_json::{Map, Value, json};

use super::{ids, merge, text};
use crate::sandbox::now;

/// Slack's error code (docs/contracts/slack.md#methods).
pub(super) type ErrorCode = &'static str;

/// The longest text of a post in characters; longer text is cut off (docs/contracts/slack.md#limits).
const LONGEST_POST: usize = 40_000;

/// A `trigger_id`.
pub(super) struct Trigger {
    /// The person who acted.
    pub(super) user: String,
    pub(super) made_ms: i64,
    pub(super) used: bool,
}

/// A `response_url`.
pub(super) struct Response {
    pub(super) user: String,
    pub(super) channel: String,
    pub(super) message: Option<String>,
    pub(super) made_ms: i64,
    pub(super) uses: u32,
}

/// The state of a workspace.
pub(super) struct SlackWorld {
    pub(super) team: Workspace,
    pub(super) app: SlackApp,
    pub(super) bot: Bot,
    people: BTreeMap<String, Person>,
    /// Overridden answers of `users.info`, by user.
    answers_about: BTreeMap<String, Value>,
    pub(super) channels: BTreeMap<String, SlackChannel>,
    last_ts: i64,
    /// How far its clock is ahead, in milliseconds.
    pub(super) ahead_ms: i64,
    pub(super) whispers: Vec<EphemeralPost>,
    pub(super) triggers: BTreeMap<String, Trigger>,
    pub(super) responses: BTreeMap<String, Response>,
    pub(super) views: BTreeMap<String, Map<String, Value>>,
    /// The person who sees a modal, by its id.
    pub(super) viewers: BTreeMap<String, String>,
    /// The last post in each channel, and the end of each method's block, in milliseconds (docs/contracts/slack.md#limits).
    last_post: BTreeMap<String, i64>,
    blocked: BTreeMap<String, i64>,
    pub(super) enforce_rate: bool,
    /// How many messages the bot has posted.
    pub(super) bot_posts: usize,
    /// The shared files, by their ids.
    pub(super) files: BTreeMap<String, StoredFile>,
    /// Whether files are shared from another workspace, so that messages show their ids only.
    pub(super) files_are_foreign: bool,
    /// Uploads that were begun, by the ids of their files.
    pub(super) uploads: BTreeMap<String, BegunUpload>,
    /// How many posts that show a file are still refused, because Slack has not looked at the file yet.
    pub(super) pictures_refused: u32,
    /// The size that files have from now on; `None` for that of their content.
    pub(super) file_size: Option<u64>,
}

pub(super) struct Workspace {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) domain: String,
}

pub(super) struct SlackApp {
    pub(super) id: String,
    pub(super) app_token: String,
    pub(super) bot_token: String,
    pub(super) scopes: BTreeSet<String>,
    pub(super) commands: BTreeSet<String>,
    pub(super) messages_tab: bool,
    pub(super) home_tab: bool,
    /// The error that answers all calls, as for a revoked installation.
    pub(super) refusing: Option<String>,
    /// The error that answers messages with blocks, even if they meet the contract.
    pub(super) refusing_blocks: Option<&'static str>,
}

pub(super) struct Bot {
    pub(super) user: String,
    pub(super) id: String,
    pub(super) name: String,
}

/// A user in the form of the seed.
struct Person {
    seed: Map<String, Value>,
}

impl Person {
    fn text(&self, name: &str) -> Option<&str> {
        self.seed.get(name).and_then(Value::as_str)
    }

    fn is(&self, name: &str) -> bool {
        self.seed.get(name).and_then(Value::as_bool) == Some(true)
    }

    /// Whether it is a person with an active account who is visible here.
    fn acts(&self) -> bool {
        !["is_bot", "deleted", "is_hidden"]
            .iter()
            .any(|flag| self.is(flag))
    }

    /// Whether the account belongs to that workspace. On Enterprise Grid `teams` lists its workspaces, and `team_id`
    /// may differ.
    fn belongs_to(&self, team: &str) -> bool {
        match self.seed.get("teams").and_then(Value::as_array) {
            Some(teams) => teams.iter().any(|one| one == team),
            None => self.text("team_id").is_none_or(|home| home == team),
        }
    }
}

pub(super) struct SlackChannel {
    name: String,
    /// `channel`, `group`, `im` or `mpim`, as in `channel_type`.
    kind: String,
    members: BTreeSet<String>,
    archived: bool,
    pub(super) messages: Vec<StoredMessage>,
}

pub(super) struct StoredMessage {
    /// The message as history shows it, with all metadata.
    pub(super) body: Map<String, Value>,
    /// Every text it had, the current one last.
    texts: Vec<String>,
    /// The reactions, each with its user.
    pub(super) reactions: Vec<(String, String)>,
}

impl StoredMessage {
    pub(super) fn text(&self, name: &str) -> &str {
        self.body
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    pub(super) fn ts(&self) -> &str {
        self.text("ts")
    }

    /// The root of its thread; `None` for a root.
    pub(super) fn root(&self) -> Option<&str> {
        let root = self.text("thread_ts");
        (!root.is_empty() && root != self.ts()).then_some(root)
    }
}

/// An upload that was begun with `files.getUploadURLExternal`.
pub(super) struct BegunUpload {
    pub(super) name: String,
    pub(super) alt: Option<String>,
    pub(super) length: usize,
    /// `None` until it was sent to its address.
    pub(super) content: Option<Vec<u8>>,
}

/// A file that was shared in a conversation, or uploaded by the app.
pub(super) struct StoredFile {
    /// The object as `files.info` shows it.
    pub(super) object: Value,
    /// Empty for a file that the app uploaded and shared nowhere.
    pub(super) channel: String,
    pub(super) content: Vec<u8>,
}

/// An ephemeral message: `chat.postEphemeral`, an answer to a slash command, or Slack's own error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EphemeralPost {
    /// Empty for an error from Slack itself.
    pub ts: String,
    /// The Slack id of the channel.
    pub channel: String,
    /// The Slack id of the only reader.
    pub user: String,
    /// The current text; empty once deleted.
    pub text: String,
    /// `null` when it has none.
    pub blocks: Value,
    /// The `ts` of the thread's root; `None` outside of threads.
    pub thread_ts: Option<String>,
    /// `post` (`chat.postEphemeral`), `ack`, `response_url`, or `slack` for an error from Slack itself.
    pub from: &'static str,
}

/// A message from the bot, with its history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostedMessage {
    /// Slack's id of the message within its channel.
    pub ts: String,
    /// The current text in wire form.
    pub text: String,
    /// The `ts` of the thread's root; `None` for a root.
    pub thread_ts: Option<String>,
    /// Whether Slack marks it as edited.
    pub edited: bool,
    /// Every text it had, the first one first.
    pub history: Vec<String>,
    /// `null` when it has none.
    pub blocks: Value,
}

/// A message to post.
#[derive(Default)]
pub(super) struct PostDraft {
    pub(super) author: String,
    /// In wire form.
    pub(super) text: String,
    pub(super) thread_ts: Option<String>,
    pub(super) broadcast: bool,
    /// `blocks`, `metadata`, `client_msg_id`, `subtype`, `files`.
    pub(super) extra: Map<String, Value>,
}

/// The result of a change.
pub(super) struct Changed {
    pub(super) ts: String,
    pub(super) message: Value,
    /// The message before an edit.
    pub(super) previous: Option<Value>,
    /// The events for the bot; none where the bot is no member.
    pub(super) events: Vec<Value>,
}

/// The scope for receiving and reading messages in a conversation of this kind (docs/contracts/slack.md#scopes-and-manifest).
pub(super) fn history_scope(kind: &str) -> &'static str {
    match kind {
        "im" => "im:history",
        "group" => "groups:history",
        "mpim" => "mpim:history",
        _ => "channels:history",
    }
}

impl SlackWorld {
    /// The workspace of a seed (`fixtures/seed/slack.json`).
    ///
    /// # Errors
    /// `InvalidData` naming the missing part of the seed.
    pub(super) fn new(seed: &Value) -> io::Result<SlackWorld> {
        let mut world = SlackWorld {
            team: Workspace {
                id: text_at(seed, "/team/id")?,
                name: text_at(seed, "/team/name")?,
                domain: text_at(seed, "/team/domain")?,
            },
            app: SlackApp {
                id: text_at(seed, "/app/id")?,
                app_token: text_at(seed, "/app/app_token")?,
                bot_token: text_at(seed, "/app/bot_token")?,
                scopes: texts_at(seed, "/app/scopes"),
                commands: texts_at(seed, "/app/commands"),
                messages_tab: seed
                    .pointer("/app/messages_tab")
                    .is_none_or(|on| on == true),
                home_tab: seed.pointer("/app/home_tab").is_none_or(|on| on == true),
                refusing: None,
                refusing_blocks: None,
            },
            bot: Bot {
                user: text_at(seed, "/bot/user_id")?,
                id: text_at(seed, "/bot/bot_id")?,
                name: text_at(seed, "/bot/name")?,
            },
            people: BTreeMap::new(),
            answers_about: BTreeMap::new(),
            channels: BTreeMap::new(),
            last_ts: 0,
            ahead_ms: 0,
            whispers: Vec::new(),
            triggers: BTreeMap::new(),
            responses: BTreeMap::new(),
            views: BTreeMap::new(),
            viewers: BTreeMap::new(),
            last_post: BTreeMap::new(),
            blocked: BTreeMap::new(),
            enforce_rate: false,
            bot_posts: 0,
            files: BTreeMap::new(),
            files_are_foreign: false,
            uploads: BTreeMap::new(),
            pictures_refused: 0,
            file_size: None,
        };
        let bot = json!({"id": world.bot.user, "name": world.bot.name, "real_name": world.bot.name, "is_bot": true});
        let people = seed
            .get("users")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        for person in people.chain([&bot]) {
            let id = text_at(person, "/id")?;
            let seed = person.as_object().cloned().unwrap_or_default();
            world.people.insert(id, Person { seed });
        }
        for channel in seed
            .get("channels")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let is = |name: &str| channel.get(name).is_some_and(|on| on == true);
            let kept = SlackChannel {
                name: text_at(channel, "/name")?,
                kind: if is("is_private") { "group" } else { "channel" }.to_owned(),
                members: texts_at(channel, "/members"),
                archived: is("is_archived"),
                messages: Vec::new(),
            };
            world.channels.insert(text_at(channel, "/id")?, kept);
        }
        Ok(world)
    }

    /// A new `ts`: the current time, and later than every other.
    pub(super) fn next_ts(&mut self) -> String {
        let time = now() + self.ahead_ms;
        self.last_ts = time.saturating_mul(1_000).max(self.last_ts + 1);
        ids::ts(self.last_ts)
    }

    // People and channels.

    /// Adds a full member to the workspace.
    pub(super) fn add_person(&mut self, id: &str, name: &str) {
        let seed = json!({"id": id, "name": name, "real_name": name, "tz": "Europe/Madrid"});
        let seed = seed.as_object().cloned().unwrap_or_default();
        self.people.insert(id.to_owned(), Person { seed });
    }

    /// Changes a person's account (`tz`, `is_restricted`, `deleted`, `teams`, …); returns the event for the app if it
    /// has the scope. `None` if there is no such person.
    pub(super) fn change(&mut self, user: &str, fields: &Map<String, Value>) -> Option<Vec<Value>> {
        let person = self.people.get_mut(user)?;
        person.seed.extend(fields.clone());
        let ts = self.next_ts();
        let changed = self.user(user).ok();
        let changed = changed.filter(|_| self.app.scopes.contains("users:read"));
        let event = |user: Value| json!({"type": "user_change", "user": user, "cache_ts": now() / 1_000, "event_ts": ts});
        Some(changed.map(event).into_iter().collect())
    }

    /// Overrides the answer of `users.info` about a user; `None` restores the real one.
    pub(super) fn answers_about(&mut self, user: &str, answer: Option<Value>) {
        match answer {
            Some(answer) => self.answers_about.insert(user.to_owned(), answer),
            None => self.answers_about.remove(user),
        };
    }

    /// The answer of `users.info` without its `ok`.
    pub(super) fn user_info(&self, id: &str) -> Result<Value, ErrorCode> {
        match self.answers_about.get(id) {
            Some(answer) => Ok(answer.clone()),
            None => Ok(json!({"user": self.user(id)?})),
        }
    }

    /// A user as `users.info` shows it; the address only if it exists and the scope allows it (docs/contracts/slack.md#methods).
    pub(super) fn user(&self, id: &str) -> Result<Value, ErrorCode> {
        let person = self.people.get(id).ok_or("user_not_found")?;
        if person.is("is_hidden") {
            return Err("user_not_visible");
        }
        let team = person.text("team_id").unwrap_or(&self.team.id);
        let name = person.text("name").unwrap_or_default();
        let real_name = person.text("real_name").unwrap_or(name);
        let mut user = json!({
            "id": id, "team_id": team, "name": name, "real_name": real_name, "deleted": person.is("deleted"),
            "is_bot": person.is("is_bot"), "is_app_user": false, "updated": 1_763_800_000,
            "profile": {"real_name": real_name, "display_name": name, "team": team},
        });
        let member = person.belongs_to(&self.team.id);
        if let Some(fields) = user.as_object_mut() {
            if let Some(teams) = person.seed.get("teams") {
                let of_organisation = json!({
                    "id": id, "enterprise_id": "E0ORG1", "enterprise_name": "Acme Group", "is_admin": false,
                    "is_owner": false, "teams": teams,
                });
                fields.insert("enterprise_user".to_owned(), of_organisation);
            }
            if !person.is("deleted") {
                let tz = person.text("tz").unwrap_or("America/Los_Angeles");
                fields.insert("tz".to_owned(), json!(tz));
                for flag in [
                    "is_admin",
                    "is_owner",
                    "is_restricted",
                    "is_ultra_restricted",
                ] {
                    fields.insert(flag.to_owned(), json!(person.is(flag)));
                }
            }
            if !member {
                fields.insert("is_stranger".to_owned(), json!(true));
            }
        }
        let may_see =
            member && !person.is("is_bot") && self.app.scopes.contains("users:read.email");
        if let (true, Some(email), Some(profile)) =
            (may_see, person.text("email"), user.get_mut("profile"))
        {
            merge(profile, json!({ "email": email }));
        }
        Ok(user)
    }

    /// The visible users behind an id, in the order of ids.
    pub(super) fn users_after(&self, id: &str) -> Vec<Value> {
        let ids = self.people.keys().filter(|known| known.as_str() > id);
        ids.filter_map(|id| self.user(id).ok()).collect()
    }

    /// The id of the active member with that address.
    pub(super) fn user_by_email(&self, email: &str) -> Option<String> {
        let found = self.people.iter().find(|(_, person)| {
            person
                .text("email")
                .is_some_and(|own| own.eq_ignore_ascii_case(email))
                && !person.is("deleted")
                && person.belongs_to(&self.team.id)
        });
        found.map(|(id, _)| id.clone())
    }

    pub(super) fn knows(&self, user: &str) -> bool {
        self.people.contains_key(user)
    }

    /// The id of an active person, by id or name.
    pub(super) fn person(&self, who: &str) -> Result<String, String> {
        let mut people = self.people.iter();
        let found = people.find(|(id, person)| *id == who || person.text("name") == Some(who));
        match found {
            None => Err(format!("nobody in this workspace is called {who}")),
            Some((id, person)) if person.acts() => Ok(id.clone()),
            Some(_) => Err(format!(
                "{who} is a bot, deactivated or hidden, and does nothing here"
            )),
        }
    }

    /// The id of a conversation that a person is in, by id or name; without one, their DM with the bot.
    pub(super) fn conversation(
        &mut self,
        user: &str,
        named: Option<&str>,
    ) -> Result<String, String> {
        let Some(named) = named else {
            let opened = self.open_dm(user).map(|(id, _)| id);
            return opened.map_err(|why| format!("{user} has no DM with the bot: {why}"));
        };
        let name = named.trim_start_matches('#');
        let known = self.channels.contains_key(name).then(|| name.to_owned());
        let id = known.or_else(|| self.channel_named(name));
        let id = id.ok_or_else(|| format!("there is no channel {named}"))?;
        match self.is_member(&id, user) {
            true => Ok(id),
            false => Err(format!("{user} is not in {named}")),
        }
    }

    /// The active people, and the channels with their members, without DMs.
    pub(super) fn directory(&self) -> Value {
        let acting = self.people.iter().filter(|(_, person)| person.acts());
        let people: Vec<Value> = acting
            .map(|(id, person)| {
                json!({"id": id, "name": person.text("name"), "real_name": person.text("real_name"),
                    "tz": person.text("tz")})
            })
            .collect();
        let named = self
            .channels
            .iter()
            .filter(|(_, channel)| channel.kind != "im");
        let channels: Vec<Value> = named
            .map(
                |(id, channel)| json!({"id": id, "name": channel.name, "members": channel.members}),
            )
            .collect();
        json!({"people": people, "channels": channels, "bot": self.bot.user})
    }

    /// The name in mentions of a person.
    pub(super) fn name_of(&self, user: &str) -> String {
        self.people
            .get(user)
            .and_then(|person| person.text("name"))
            .unwrap_or(user)
            .to_owned()
    }

    /// The team that a person belongs to.
    fn team_of(&self, user: &str) -> String {
        let team = self
            .people
            .get(user)
            .and_then(|person| person.text("team_id"));
        team.unwrap_or(&self.team.id).to_owned()
    }

    /// The direct conversation of a person with the bot, and whether it already existed.
    pub(super) fn open_dm(&mut self, user: &str) -> Result<(String, bool), ErrorCode> {
        let person = self.people.get(user).ok_or("user_not_found")?;
        if person.is("deleted") {
            return Err("user_disabled");
        }
        if person.is("is_hidden") {
            return Err("user_not_visible");
        }
        if person.is("is_bot") {
            return Err("user_not_found");
        }
        let there = self
            .channels
            .iter()
            .find(|(_, channel)| channel.kind == "im" && channel.members.contains(user))
            .map(|(id, _)| id.clone());
        if let Some(id) = there {
            return Ok((id, true));
        }
        let id = format!("D{}", user.trim_start_matches(['U', 'W']));
        let members = [user.to_owned(), self.bot.user.clone()].into();
        let channel = SlackChannel {
            name: "directmessage".to_owned(),
            kind: "im".to_owned(),
            members,
            archived: false,
            messages: Vec::new(),
        };
        self.channels.insert(id.clone(), channel);
        Ok((id, false))
    }

    /// The id of a channel by its name.
    pub(super) fn channel_named(&self, name: &str) -> Option<String> {
        let found = self
            .channels
            .iter()
            .find(|(_, channel)| channel.kind != "im" && channel.name == name);
        found.map(|(id, _)| id.clone())
    }

    pub(super) fn channel_name(&self, channel: &str) -> String {
        self.channels
            .get(channel)
            .map(|channel| channel.name.clone())
            .unwrap_or_default()
    }

    pub(super) fn channel_kind(&self, channel: &str) -> Option<&str> {
        self.channels
            .get(channel)
            .map(|channel| channel.kind.as_str())
    }

    /// The bot's channels as a list shows them, by id; `kind` is the sandbox's own field.
    pub(super) fn own_channels(&self) -> Vec<(String, Value)> {
        let own = self
            .channels
            .iter()
            .filter(|(_, channel)| channel.members.contains(&self.bot.user));
        let shown = own.map(|(id, channel)| {
            let mut shown = json!({
                "id": id, "kind": channel.kind, "created": 1_763_800_000, "is_archived": channel.archived,
                "is_org_shared": false,
            });
            let other = channel.members.iter().find(|user| **user != self.bot.user);
            let about = match (channel.kind.as_str(), other) {
                ("im", Some(user)) => {
                    let deleted = self.people.get(user).is_some_and(|person| person.is("deleted"));
                    json!({"is_im": true, "user": user, "is_user_deleted": deleted, "priority": 0})
                }
                (kind, _) => json!({
                    "name": channel.name, "is_channel": kind == "channel", "is_private": kind == "group",
                    "is_mpim": kind == "mpim", "is_im": false, "is_member": true,
                }),
            };
            merge(&mut shown, about);
            (id.clone(), shown)
        });
        let mut shown: Vec<(String, Value)> = shown.collect();
        shown.sort_by(|(one, _), (other, _)| one.cmp(other));
        shown
    }

    pub(super) fn is_member(&self, channel: &str, user: &str) -> bool {
        self.channels
            .get(channel)
            .is_some_and(|channel| channel.members.contains(user))
    }

    /// Creates a channel with these members.
    pub(super) fn add_channel(&mut self, id: &str, name: &str, private: bool, members: &[&str]) {
        let channel = SlackChannel {
            name: name.to_owned(),
            kind: if private { "group" } else { "channel" }.to_owned(),
            members: members.iter().map(|&member| member.to_owned()).collect(),
            archived: false,
            messages: Vec::new(),
        };
        self.channels.insert(id.to_owned(), channel);
    }

    pub(super) fn archive(&mut self, channel: &str) {
        if let Some(channel) = self.channels.get_mut(channel) {
            channel.archived = true;
        }
    }

    /// Adds a user to a channel; the event is the `channel_join` message (docs/contracts/slack.md#messages, ignored subtypes).
    pub(super) fn join(&mut self, channel: &str, user: &str) -> Vec<Value> {
        let Some(joined) = self.channels.get_mut(channel) else {
            return Vec::new();
        };
        joined.members.insert(user.to_owned());
        let mut draft = PostDraft {
            author: user.to_owned(),
            text: format!("<@{user}> has joined the channel"),
            ..PostDraft::default()
        };
        draft
            .extra
            .insert("subtype".to_owned(), json!("channel_join"));
        self.post(channel, draft)
            .map(|changed| changed.events)
            .unwrap_or_default()
    }

    /// Whether the bot can see the channel and is in it.
    pub(super) fn bot_in(&self, channel: &str) -> Result<(), ErrorCode> {
        let found = self.channels.get(channel).ok_or("channel_not_found")?;
        match found.members.contains(&self.bot.user) {
            true => Ok(()),
            false if found.kind == "channel" => Err("not_in_channel"),
            false => Err("channel_not_found"),
        }
    }

    /// Whether the bot may post there (docs/contracts/slack.md#methods, chat.postMessage).
    pub(super) fn may_post(&self, channel: &str) -> Result<(), ErrorCode> {
        let found = self.channels.get(channel).ok_or("channel_not_found")?;
        match self.bot_in(channel) {
            Err("not_in_channel") if self.app.scopes.contains("chat:write.public") => {}
            other => other?,
        }
        if found.archived {
            return Err("is_archived");
        }
        if found.kind == "im" && !self.app.messages_tab {
            return Err("messages_tab_disabled");
        }
        Ok(())
    }

    // Messages.

    /// Posts as a person or as the bot. The caller has checked the permission.
    ///
    /// # Errors
    /// `cannot_reply_to_message` if `thread_ts` is not the root of a thread here.
    pub(super) fn post(&mut self, channel: &str, draft: PostDraft) -> Result<Changed, ErrorCode> {
        let held = self.channels.get(channel).ok_or("channel_not_found")?;
        let root = match &draft.thread_ts {
            None => None,
            Some(ts) => {
                let root = held
                    .messages
                    .iter()
                    .find(|message| message.ts() == ts && message.root().is_none());
                Some(root.ok_or("cannot_reply_to_message")?)
            }
        };
        let parent_user = root.map(|root| root.text("user").to_owned());
        let ts = self.next_ts();
        let team = self.team_of(&draft.author);
        let own = draft.author == self.bot.user;
        let mut body = draft.extra;
        body.insert("type".to_owned(), json!("message"));
        body.insert("user".to_owned(), json!(draft.author));
        body.insert("text".to_owned(), json!(cut(&draft.text)));
        body.insert("ts".to_owned(), json!(ts));
        body.insert("team".to_owned(), json!(team));
        if own {
            self.bot_posts += 1;
            body.insert("bot_id".to_owned(), json!(self.bot.id));
            body.insert("app_id".to_owned(), json!(self.app.id));
            body.insert(
                "bot_profile".to_owned(),
                json!({"id": self.bot.id, "app_id": self.app.id, "name": self.bot.name, "team_id": self.team.id,
                       "user_id": self.bot.user, "updated": 1_763_800_000}),
            );
        }
        if let Some(root) = &draft.thread_ts {
            body.insert("thread_ts".to_owned(), json!(root));
            body.insert("parent_user_id".to_owned(), json!(parent_user));
            if draft.broadcast {
                body.insert("subtype".to_owned(), json!("thread_broadcast"));
                body.insert("root".to_owned(), json!({"ts": root, "thread_ts": root}));
            }
        }
        let message = StoredMessage {
            texts: vec![cut(&draft.text)],
            body: body.clone(),
            reactions: Vec::new(),
        };
        if let Some(held) = self.channels.get_mut(channel) {
            held.messages.push(message);
        }
        let events = self.events_of(channel, &body);
        Ok(Changed {
            ts,
            message: Value::Object(body),
            previous: None,
            events,
        })
    }

    /// The events that announce a message: `message`, and `app_mention` if a person mentions the bot in a channel.
    fn events_of(&self, channel: &str, body: &Map<String, Value>) -> Vec<Value> {
        let Some(held) = self.channels.get(channel) else {
            return Vec::new();
        };
        if !held.members.contains(&self.bot.user) {
            return Vec::new();
        }
        let mut event = body.clone();
        event.insert("channel".to_owned(), json!(channel));
        event.insert(
            "event_ts".to_owned(),
            body.get("ts").cloned().unwrap_or_default(),
        );
        let said = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
        let mentions = held.kind != "im"
            && !body.contains_key("subtype")
            && said("user") != self.bot.user
            && text::mentions(said("text"), &self.bot.user);
        let mention = mentions.then(|| {
            let mut mention = event.clone();
            mention.insert("type".to_owned(), json!("app_mention"));
            Value::Object(mention)
        });
        event.insert("channel_type".to_owned(), json!(held.kind));
        let scopes = &self.app.scopes;
        let message = scopes
            .contains(history_scope(&held.kind))
            .then_some(Value::Object(event));
        let mention = mention.filter(|_| scopes.contains("app_mentions:read"));
        [message, mention].into_iter().flatten().collect()
    }

    /// The events that announced a message, created again.
    pub(super) fn announced(&self, channel: &str, ts: &str) -> Vec<Value> {
        self.message(channel, ts)
            .map(|message| self.events_of(channel, &message.body))
            .unwrap_or_default()
    }

    /// Changes a message. `fields` replaces text, blocks and metadata; `null` removes.
    ///
    /// # Errors
    /// `message_not_found`, and `cant_update_message` for another author's message.
    pub(super) fn edit(
        &mut self,
        channel: &str,
        ts: &str,
        editor: &str,
        fields: Map<String, Value>,
    ) -> Result<Changed, ErrorCode> {
        let edited_ts = self.next_ts();
        let (kind, heard) = self.heard(channel)?;
        let message = self.message_mut(channel, ts).ok_or("message_not_found")?;
        if message.text("user") != editor {
            return Err("cant_update_message");
        }
        let previous = Value::Object(message.body.clone());
        for (name, value) in fields {
            if value.is_null() {
                message.body.remove(&name);
            } else {
                message.body.insert(name, value);
            }
        }
        let seconds = edited_ts
            .split_once('.')
            .map_or(edited_ts.as_str(), |(seconds, _)| seconds);
        let edited = json!({"user": editor, "ts": format!("{seconds}.000000")});
        message.body.insert("edited".to_owned(), edited);
        message.texts.push(message.text("text").to_owned());
        let message = Value::Object(message.body.clone());
        let event = json!({
            "type": "message", "subtype": "message_changed", "hidden": true, "channel": channel, "channel_type": kind,
            "ts": edited_ts, "event_ts": edited_ts, "message": message, "previous_message": previous,
        });
        let events = heard.then_some(event).into_iter().collect();
        Ok(Changed {
            ts: ts.to_owned(),
            message,
            previous: Some(previous),
            events,
        })
    }

    /// Deletes a message of any author.
    pub(super) fn delete(&mut self, channel: &str, ts: &str) -> Result<Changed, ErrorCode> {
        let event_ts = self.next_ts();
        let (kind, heard) = self.heard(channel)?;
        let held = self.channels.get_mut(channel).ok_or("channel_not_found")?;
        let number = held
            .messages
            .iter()
            .position(|message| message.ts() == ts)
            .ok_or("message_not_found")?;
        let previous = Value::Object(held.messages.remove(number).body);
        let event = json!({
            "type": "message", "subtype": "message_deleted", "hidden": true, "channel": channel, "channel_type": kind,
            "deleted_ts": ts, "ts": event_ts, "event_ts": event_ts, "previous_message": previous,
        });
        let events = heard.then_some(event).into_iter().collect();
        Ok(Changed {
            ts: ts.to_owned(),
            message: previous,
            previous: None,
            events,
        })
    }

    /// Attaches a link preview to a message: `message_changed` without `edited` (docs/contracts/slack.md#messages).
    pub(super) fn unfurl(
        &mut self,
        channel: &str,
        ts: &str,
        url: &str,
    ) -> Result<Changed, ErrorCode> {
        let event_ts = self.next_ts();
        let (kind, heard) = self.heard(channel)?;
        let message = self.message_mut(channel, ts).ok_or("message_not_found")?;
        let previous = Value::Object(message.body.clone());
        message.body.insert(
            "attachments".to_owned(),
            json!([{"id": 1, "from_url": url, "fallback": url}]),
        );
        let message = Value::Object(message.body.clone());
        let event = json!({
            "type": "message", "subtype": "message_changed", "hidden": true, "channel": channel, "channel_type": kind,
            "ts": event_ts, "event_ts": event_ts, "message": message, "previous_message": previous,
        });
        let events = heard.then_some(event).into_iter().collect();
        Ok(Changed {
            ts: ts.to_owned(),
            message,
            previous: Some(previous),
            events,
        })
    }

    /// Adds a reaction; the event is `reaction_added`.
    ///
    /// # Errors
    /// `message_not_found`, `already_reacted`.
    pub(super) fn react(
        &mut self,
        channel: &str,
        ts: &str,
        user: &str,
        name: &str,
    ) -> Result<Vec<Value>, ErrorCode> {
        let event_ts = self.next_ts();
        let (_, heard) = self.membership(channel)?;
        let message = self.message_mut(channel, ts).ok_or("message_not_found")?;
        let reaction = (user.to_owned(), name.to_owned());
        if message.reactions.contains(&reaction) {
            return Err("already_reacted");
        }
        message.reactions.push(reaction);
        let event = json!({
            "type": "reaction_added", "user": user, "reaction": name, "event_ts": event_ts,
            "item": {"type": "message", "channel": channel, "ts": ts}, "item_user": message.text("user"),
        });
        let heard = heard && self.app.scopes.contains("reactions:read");
        Ok(heard.then_some(event).into_iter().collect())
    }

    /// Removes a reaction; the event is `reaction_removed`, with the shape of `reaction_added`.
    ///
    /// # Errors
    /// `message_not_found`, `no_reaction`.
    pub(super) fn unreact(
        &mut self,
        channel: &str,
        ts: &str,
        user: &str,
        name: &str,
    ) -> Result<Vec<Value>, ErrorCode> {
        let event_ts = self.next_ts();
        let (_, heard) = self.membership(channel)?;
        let message = self.message_mut(channel, ts).ok_or("message_not_found")?;
        let reaction = (user.to_owned(), name.to_owned());
        let there = message.reactions.iter().position(|one| *one == reaction);
        message.reactions.remove(there.ok_or("no_reaction")?);
        let event = json!({
            "type": "reaction_removed", "user": user, "reaction": name, "event_ts": event_ts,
            "item": {"type": "message", "channel": channel, "ts": ts}, "item_user": message.text("user"),
        });
        let heard = heard && self.app.scopes.contains("reactions:read");
        Ok(heard.then_some(event).into_iter().collect())
    }

    /// The reactions in order, each with its user.
    pub(super) fn reactions(&self, channel: &str, ts: &str) -> Vec<(String, String)> {
        self.message(channel, ts)
            .map(|message| message.reactions.clone())
            .unwrap_or_default()
    }

    /// A channel's kind, and whether the bot receives its messages: as a member with the scope for that kind (docs/contracts/slack.md#scopes-and-manifest).
    fn heard(&self, channel: &str) -> Result<(String, bool), ErrorCode> {
        let (kind, member) = self.membership(channel)?;
        let heard = member && self.app.scopes.contains(history_scope(&kind));
        Ok((kind, heard))
    }

    /// A channel's kind, and whether the bot is in it.
    fn membership(&self, channel: &str) -> Result<(String, bool), ErrorCode> {
        let held = self.channels.get(channel).ok_or("channel_not_found")?;
        Ok((held.kind.clone(), held.members.contains(&self.bot.user)))
    }

    pub(super) fn message(&self, channel: &str, ts: &str) -> Option<&StoredMessage> {
        self.channels
            .get(channel)?
            .messages
            .iter()
            .find(|message| message.ts() == ts)
    }

    fn message_mut(&mut self, channel: &str, ts: &str) -> Option<&mut StoredMessage> {
        self.channels
            .get_mut(channel)?
            .messages
            .iter_mut()
            .find(|message| message.ts() == ts)
    }

    pub(super) fn body(&self, channel: &str, ts: &str) -> Option<Value> {
        self.message(channel, ts)
            .map(|message| Value::Object(message.body.clone()))
    }

    /// All messages, oldest first.
    pub(super) fn messages(&self, channel: &str) -> Vec<Value> {
        let held = self.channels.get(channel);
        held.into_iter()
            .flat_map(|held| &held.messages)
            .map(|message| Value::Object(message.body.clone()))
            .collect()
    }

    /// The bot's messages, oldest first.
    pub(super) fn posted(&self, channel: &str) -> Vec<PostedMessage> {
        let held = self.channels.get(channel);
        held.into_iter()
            .flat_map(|held| &held.messages)
            .filter(|message| message.text("user") == self.bot.user)
            .map(|message| PostedMessage {
                ts: message.ts().to_owned(),
                text: message.text("text").to_owned(),
                thread_ts: message.root().map(str::to_owned),
                edited: message.body.contains_key("edited"),
                history: message.texts.clone(),
                blocks: message.body.get("blocks").cloned().unwrap_or_default(),
            })
            .collect()
    }

    /// `https://acme.slack.com/archives/C…/p1763800000123459`, with the thread if it is a reply.
    pub(super) fn permalink(&self, channel: &str, ts: &str) -> Result<String, ErrorCode> {
        let message = self.message(channel, ts).ok_or("message_not_found")?;
        let link = format!(
            "https://{}.slack.com/archives/{channel}/p{}",
            self.team.domain,
            ts.replace('.', "")
        );
        Ok(match message.root() {
            Some(root) => format!("{link}?thread_ts={root}&cid={channel}"),
            None => link,
        })
    }

    /// Whether a post exceeds the rate of one a second; returns `Retry-After` in seconds. The method is then blocked
    /// for the whole workspace (docs/contracts/slack.md#limits).
    pub(super) fn limited(&mut self, method: &str, channel: &str) -> Option<i64> {
        if !self.enforce_rate {
            return None;
        }
        let at = now();
        let early = self
            .last_post
            .get(channel)
            .is_some_and(|last| at - last < 1_000);
        if early || self.blocked.get(method).is_some_and(|until| at < *until) {
            if early {
                self.blocked.insert(method.to_owned(), at + 1_000);
            }
            return Some(1);
        }
        self.last_post.insert(channel.to_owned(), at);
        None
    }
}

fn cut(text: &str) -> String {
    text.chars().take(LONGEST_POST).collect()
}

fn text_at(seed: &Value, pointer: &str) -> io::Result<String> {
    let text = seed.pointer(pointer).and_then(Value::as_str);
    text.map(str::to_owned).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("Slack's seed has no text at {pointer}"),
        )
    })
}

fn texts_at(seed: &Value, pointer: &str) -> BTreeSet<String> {
    let list = seed
        .pointer(pointer)
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    list.filter_map(|text| text.as_str().map(str::to_owned))
        .collect()
}
