//! Actions of people in the workspace. The bot gets the events that Slack would send for them.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::interact::home_id;
use super::world::{Changed, EphemeralPost, PostDraft, SlackWorld};
use super::{Ack, EnvelopeKind, Inner, SandboxSlack, blocks, files, ids, merge, text};

const CANNOT_SAY: &str = "cannot say that";

/// Panics: a test or the demo requested something impossible, which is its own mistake.
#[track_caller]
fn must<T>(result: Result<T, impl std::fmt::Display>, what: &str) -> T {
    match result {
        Ok(value) => value,
        Err(why) => panic!("{what}: {why}"),
    }
}

impl SandboxSlack {
    /// The direct conversation of a person with the bot, created if missing: a `D…` id.
    ///
    /// # Panics
    /// When the person does not exist, is deactivated, or is a bot.
    #[track_caller]
    pub fn dm(&self, user: &str) -> String {
        let opened = self.inner.world().open_dm(user);
        must(opened, &format!("no DM with {user}")).0
    }

    /// The id of a channel, by its name without `#`.
    ///
    /// # Panics
    /// When no channel has that name.
    #[track_caller]
    pub fn channel(&self, name: &str) -> String {
        let found = self.inner.world().channel_named(name);
        must(found.ok_or("no channel of that name"), name)
    }

    /// The id of an active person, by id or name.
    ///
    /// # Errors
    /// When no user has that name, or the user is a bot, deactivated or hidden.
    pub fn person(&self, who: &str) -> Result<String, String> {
        self.inner.world().person(who)
    }

    /// The id of a conversation that a person is in, by id or name; without one, their DM with the bot.
    ///
    /// # Errors
    /// When it does not exist, or the person is not in it.
    pub fn conversation(&self, user: &str, named: Option<&str>) -> Result<String, String> {
        self.inner.world().conversation(user, named)
    }

    /// The active people, and the channels with their members.
    pub fn directory(&self) -> Value {
        self.inner.world().directory()
    }

    /// Gives the app a slash command.
    pub fn add_command(&self, command: &str) {
        let mut world = self.inner.world();
        world.app.commands.insert(command.to_owned());
    }

    /// A full member joins the workspace.
    pub fn add_person(&self, id: &str, name: &str) {
        self.inner.world().add_person(id, name);
    }

    /// Changes the time zone in a person's profile.
    ///
    /// # Panics
    /// When the person does not exist.
    #[track_caller]
    pub fn moves_to(&self, user: &str, zone: &str) {
        self.changes(user, json!({ "tz": zone }));
    }

    /// Changes a person's account (`is_restricted`, `deleted`, `name`, `email`, …); the bot gets a `user_change`.
    ///
    /// # Panics
    /// When the person does not exist.
    #[track_caller]
    pub fn changes(&self, user: &str, fields: Value) {
        self.inner.deliver_events(self.changed(user, fields));
    }

    /// Changes a person's account without an event.
    ///
    /// # Panics
    /// When the person does not exist.
    #[track_caller]
    pub fn changes_silently(&self, user: &str, fields: Value) {
        self.changed(user, fields);
    }

    #[track_caller]
    fn changed(&self, user: &str, fields: Value) -> Vec<Value> {
        let fields = fields.as_object().cloned().unwrap_or_default();
        let events = self.inner.world().change(user, &fields);
        must(events.ok_or("nobody has that id"), user)
    }

    /// Sets the answer of `users.info` about a person, apart from `"ok": true`; `None` restores the real one. No event
    /// is sent.
    pub fn answers_about(&self, user: &str, answer: Option<Value>) {
        self.inner.world().answers_about(user, answer);
    }

    /// Creates a channel with these members. The bot is in it only if listed.
    pub fn add_channel(&self, id: &str, name: &str, private: bool, members: &[&str]) {
        self.inner.world().add_channel(id, name, private, members);
    }

    /// Archives a channel.
    pub fn archive(&self, channel: &str) {
        self.inner.world().archive(channel);
    }

    /// Adds a person or the bot to a channel; the bot gets a `channel_join`.
    pub fn join(&self, channel: &str, user: &str) {
        let events = self.inner.world().join(channel, user);
        self.inner.deliver_events(events);
    }

    /// A person types a message; returns its `ts`. Typed text becomes wire text as in Slack: entities, links, bare
    /// domains, a few emoji, and `@name` of the bot. Text in wire form (`<@U…>`) stays.
    ///
    /// In a channel with the bot, the bot gets a `message`, and for a mention an `app_mention` too.
    ///
    /// # Panics
    /// When the person is not in that channel.
    #[track_caller]
    pub fn says(&self, user: &str, channel: &str, text: &str) -> String {
        must(self.try_says(user, channel, text, None), CANNOT_SAY)
    }

    /// A person types a message, in a thread if one is given.
    ///
    /// # Errors
    /// When the person is not in that channel, or the thread's root does not exist.
    pub fn try_says(
        &self,
        user: &str,
        channel: &str,
        text: &str,
        thread_ts: Option<&str>,
    ) -> Result<String, String> {
        self.post(user, channel, text, thread_ts, false)
    }

    /// A person replies in a thread.
    ///
    /// # Panics
    /// When the person is not in that channel, or the thread's root does not exist.
    #[track_caller]
    pub fn says_in_thread(&self, user: &str, channel: &str, thread_ts: &str, text: &str) -> String {
        must(
            self.try_says(user, channel, text, Some(thread_ts)),
            CANNOT_SAY,
        )
    }

    /// A person replies in a thread, "also to the channel": `thread_broadcast`.
    ///
    /// # Panics
    /// As [`SandboxSlack::says_in_thread`].
    #[track_caller]
    pub fn broadcasts(&self, user: &str, channel: &str, thread_ts: &str, text: &str) -> String {
        must(
            self.post(user, channel, text, Some(thread_ts), true),
            CANNOT_SAY,
        )
    }

    fn post(
        &self,
        user: &str,
        channel: &str,
        typed: &str,
        thread_ts: Option<&str>,
        broadcast: bool,
    ) -> Result<String, String> {
        let wire = {
            let world = self.inner.world();
            text::typed(typed, &world.bot.name, &world.bot.user)
        };
        let mut extra = typed_by_hand();
        extra.insert(
            "blocks".to_owned(),
            json!([{"type": "rich_text", "block_id": ids::short(5), "elements": [
                {"type": "rich_text_section", "elements": text::elements(typed)}]}]),
        );
        let thread_ts = thread_ts.map(str::to_owned);
        self.drafts(
            channel,
            PostDraft {
                author: user.to_owned(),
                text: wire,
                thread_ts,
                broadcast,
                extra,
            },
        )
    }

    /// A message arrives with exactly this wire text: no-break spaces, `&amp;lt;`, `<http://foo.rs|foo.rs>`.
    ///
    /// # Panics
    /// When the person is not in that channel.
    #[track_caller]
    pub fn says_wire(&self, user: &str, channel: &str, wire: &str) -> String {
        let extra = typed_by_hand();
        let said = self.drafts(
            channel,
            PostDraft {
                author: user.to_owned(),
                text: wire.to_owned(),
                extra,
                ..PostDraft::default()
            },
        );
        must(said, CANNOT_SAY)
    }

    /// A person shares a file with a comment: `file_share`.
    ///
    /// # Panics
    /// When the person is not in that channel.
    #[track_caller]
    pub fn shares_file(&self, user: &str, channel: &str, name: &str, text: &str) -> String {
        must(
            self.try_shares(user, channel, &[name], text, None),
            CANNOT_SAY,
        )
    }

    /// A person shares files, perhaps with words, and in a thread if one is given: `file_share`.
    ///
    /// # Errors
    /// When the person is not in that channel, the thread's root does not exist, or there are more than ten files.
    pub fn try_shares(
        &self,
        user: &str,
        channel: &str,
        names: &[&str],
        text: &str,
        thread_ts: Option<&str>,
    ) -> Result<String, String> {
        if names.is_empty() || names.len() > files::FILES_MAX {
            return Err(format!("a message has 1 to {} files", files::FILES_MAX));
        }
        let base = self.base();
        let (wire, shared) = {
            let mut world = self.inner.world();
            if !world.is_member(channel, user) {
                return Err(format!("{user} is not in {channel}"));
            }
            let wire = text::typed(text, &world.bot.name, &world.bot.user);
            (wire, world.share(user, channel, names, &base))
        };
        let mut draft = PostDraft {
            author: user.to_owned(),
            text: wire,
            thread_ts: thread_ts.map(str::to_owned),
            ..PostDraft::default()
        };
        draft.extra.extend([
            ("subtype".to_owned(), json!("file_share")),
            ("upload".to_owned(), json!(false)),
            ("display_as_bot".to_owned(), json!(false)),
            ("files".to_owned(), Value::Array(shared)),
        ]);
        self.drafts(channel, draft)
    }

    /// A person types or forwards a message with further fields in Slack's form (`attachments`, `files`, `subtype`,
    /// `blocks`, `thread_ts`).
    ///
    /// # Panics
    /// When the person is not in that channel, or the fields are not an object.
    #[track_caller]
    pub fn says_with(&self, user: &str, channel: &str, text: &str, fields: Value) -> String {
        let Value::Object(fields) = fields else {
            panic!("fields of a message: {fields}");
        };
        let mut extra = typed_by_hand();
        extra.extend(fields);
        let thread_ts = extra.remove("thread_ts");
        let said = self.drafts(
            channel,
            PostDraft {
                author: user.to_owned(),
                text: text::posted(text),
                thread_ts: thread_ts.and_then(|ts| ts.as_str().map(str::to_owned)),
                extra,
                ..PostDraft::default()
            },
        );
        must(said, CANNOT_SAY)
    }

    /// Another app's bot posts: `bot_message`, without a `user`.
    pub fn other_bot_says(&self, channel: &str, username: &str, text: &str) {
        let event = {
            let mut world = self.inner.world();
            let ts = world.next_ts();
            json!({"type": "message", "subtype": "bot_message", "channel": channel,
                "channel_type": world.channel_kind(channel), "bot_id": "B0OTHER", "username": username,
                "text": text::posted(text), "ts": ts, "event_ts": ts})
        };
        self.send_event(event);
    }

    fn drafts(&self, channel: &str, draft: PostDraft) -> Result<String, String> {
        let posted = {
            let mut world = self.inner.world();
            if !world.is_member(channel, &draft.author) {
                return Err(format!("{} is not in {channel}", draft.author));
            }
            world.post(channel, draft)
        };
        let changed = posted.map_err(|why| format!("cannot post to {channel}: {why}"))?;
        let ts = changed.ts.clone();
        self.inner.announce(channel, changed);
        Ok(ts)
    }

    /// The events of a message, created again so that a test can change and send them with [`SandboxSlack::send_event`].
    pub fn events_of(&self, channel: &str, ts: &str) -> Vec<Value> {
        self.inner.world().announced(channel, ts)
    }

    /// Sets whether `app_mention` is the first of a mention's two events. Slack has no fixed order (docs/contracts/slack.md#redelivery).
    pub fn mention_first(&self, on: bool) {
        self.inner.wire().knobs.mention_first = on;
    }

    /// A person edits their own message: `message_changed`.
    ///
    /// # Panics
    /// When the message does not exist or has another author.
    #[track_caller]
    pub fn edits(&self, user: &str, channel: &str, ts: &str, text: &str) {
        let changed = {
            let mut world = self.inner.world();
            let wire = text::typed(text, &world.bot.name, &world.bot.user);
            let fields = Map::from_iter([
                ("text".to_owned(), json!(wire)),
                ("blocks".to_owned(), Value::Null),
            ]);
            world.edit(channel, ts, user, fields)
        };
        self.announces(channel, changed);
    }

    /// Deletes a message: `message_deleted`.
    ///
    /// # Panics
    /// When the message does not exist.
    #[track_caller]
    pub fn deletes(&self, channel: &str, ts: &str) {
        let changed = self.inner.world().delete(channel, ts);
        let changed = must(changed, "cannot delete");
        self.inner.deliver_events(changed.events);
    }

    /// Unfurls a link in a message: `message_changed` without `edited`.
    ///
    /// # Panics
    /// When the message does not exist.
    #[track_caller]
    pub fn unfurls(&self, channel: &str, ts: &str, url: &str) {
        let changed = self.inner.world().unfurl(channel, ts, url);
        self.announces(channel, changed);
    }

    #[track_caller]
    fn announces(&self, channel: &str, changed: Result<Changed, &'static str>) {
        self.inner
            .announce(channel, must(changed, "cannot change the message"));
    }

    /// A person reacts: `reaction_added`. The name has no colons.
    ///
    /// # Panics
    /// When the message does not exist, or the person already reacted with it.
    #[track_caller]
    pub fn reacts(&self, user: &str, channel: &str, ts: &str, name: &str) {
        must(
            self.try_reacts(user, channel, ts, name, true),
            "cannot react",
        );
    }

    /// A person removes their reaction: `reaction_removed`.
    ///
    /// # Panics
    /// When the message does not exist, or has no such reaction from the person.
    #[track_caller]
    pub fn unreacts(&self, user: &str, channel: &str, ts: &str, name: &str) {
        let taken = self.try_reacts(user, channel, ts, name, false);
        must(taken, "cannot take a reaction away");
    }

    /// A person adds or removes a reaction.
    ///
    /// # Errors
    /// Slack's error code.
    pub fn try_reacts(
        &self,
        user: &str,
        channel: &str,
        ts: &str,
        name: &str,
        adds: bool,
    ) -> Result<(), &'static str> {
        let mut world = self.inner.world();
        let events = match adds {
            true => world.react(channel, ts, user, name)?,
            false => world.unreact(channel, ts, user, name)?,
        };
        drop(world);
        self.inner.reacted(channel, ts, user, name, adds);
        self.inner.deliver_events(events);
        Ok(())
    }

    /// A person sends a slash command; returns the envelope's id. Its visible effect is in [`SandboxSlack::whispers`].
    ///
    /// # Panics
    /// When the app has no such command.
    #[track_caller]
    pub fn commands(&self, user: &str, channel: &str, command: &str, text: &str) -> String {
        let base = self.base();
        let payload = {
            let mut world = self.inner.world();
            assert!(
                world.app.commands.contains(command),
                "the app has no command {command}"
            );
            let text = text::typed(text, &world.bot.name, &world.bot.user);
            world.slash(user, channel, command, &text, &base)
        };
        self.inner.deliver(EnvelopeKind::SlashCommands, payload, 0)
    }

    /// A person presses a button of a message from the bot; returns the envelope's id.
    ///
    /// # Panics
    /// When the message does not exist or has no such button.
    #[track_caller]
    pub fn clicks(&self, user: &str, channel: &str, ts: &str, action_id: &str) -> String {
        must(self.try_clicks(user, channel, ts, action_id), CANNOT_PRESS)
    }

    /// [`SandboxSlack::clicks`] with errors.
    ///
    /// # Errors
    /// When the message does not exist or has no such button.
    pub fn try_clicks(
        &self,
        user: &str,
        channel: &str,
        ts: &str,
        action_id: &str,
    ) -> Result<String, String> {
        self.try_picks(user, channel, ts, action_id, None)
    }

    /// A person uses an element of a message from the bot; returns the envelope's id. `pick` is the value of an option of a
    /// menu, a day (`2026-11-30`) or a time (`08:30`) of a picker, empty to clear the picker, and `None` for a button.
    ///
    /// # Errors
    /// When the message does not exist, has no such element, or the element takes no such value.
    pub fn try_picks(
        &self,
        user: &str,
        channel: &str,
        ts: &str,
        action_id: &str,
        pick: Option<&str>,
    ) -> Result<String, String> {
        let base = self.base();
        let payload = {
            let mut world = self.inner.world();
            let message = world.body(channel, ts).ok_or_else(|| no_message(ts))?;
            let buttons = message.get("blocks").cloned().unwrap_or_default();
            let (block, button) =
                blocks::button(&buttons, action_id).ok_or_else(|| no_button(action_id))?;
            let picked = picked(button, pick)?;
            let response = world.response(user, channel, Some(ts));
            let own = json!({
                "container":
                    {"type": "message", "message_ts": ts, "channel_id": channel, "is_ephemeral": false},
                "channel": {"id": channel, "name": world.channel_name(channel)}, "message": message,
                "state": {"values": {}}, "response_url": format!("{base}/resp/{response}"),
                "actions": [used(block, button, &world.next_ts(), picked)],
            });
            interaction(&mut world, "block_actions", user, own)
        };
        Ok(self.inner.deliver(EnvelopeKind::Interactive, payload, 0))
    }

    /// A person presses a button of an ephemeral message, by its `ts`; returns the envelope's id. Such a payload has no
    /// message.
    ///
    /// # Panics
    /// When it does not exist or has no such button.
    #[track_caller]
    pub fn clicks_whisper(&self, ts: &str, action_id: &str) -> String {
        must(self.try_clicks_whisper(ts, action_id), CANNOT_PRESS)
    }

    /// [`SandboxSlack::clicks_whisper`] with errors.
    ///
    /// # Errors
    /// When it does not exist or has no such button.
    pub fn try_clicks_whisper(&self, ts: &str, action_id: &str) -> Result<String, String> {
        self.try_picks_whisper(ts, action_id, None)
    }

    /// A person uses an element of an ephemeral message, as in [`SandboxSlack::try_picks`].
    ///
    /// # Errors
    /// As [`SandboxSlack::try_picks`].
    pub fn try_picks_whisper(
        &self,
        ts: &str,
        action_id: &str,
        pick: Option<&str>,
    ) -> Result<String, String> {
        let base = self.base();
        let payload = {
            let mut world = self.inner.world();
            let whisper = world.whispers.iter().find(|one| one.ts == ts).cloned();
            let whisper = whisper.ok_or_else(|| no_message(ts))?;
            let (block, button) =
                blocks::button(&whisper.blocks, action_id).ok_or_else(|| no_button(action_id))?;
            let picked = picked(button, pick)?;
            let (user, channel) = (whisper.user.as_str(), whisper.channel.as_str());
            let response = world.response(user, channel, Some(ts));
            let own = json!({
                "container":
                    {"type": "message", "message_ts": ts, "channel_id": channel, "is_ephemeral": true},
                "channel": {"id": channel, "name": world.channel_name(channel)},
                "state": {"values": {}}, "response_url": format!("{base}/resp/{response}"),
                "actions": [used(block, button, &world.next_ts(), picked)],
            });
            interaction(&mut world, "block_actions", user, own)
        };
        Ok(self.inner.deliver(EnvelopeKind::Interactive, payload, 0))
    }

    /// The `ts` of the newest message with such a button in a conversation, ephemeral messages to the person included.
    pub fn newest_with(&self, user: &str, channel: &str, action_id: &str) -> Option<String> {
        let world = self.inner.world();
        let messages = world.messages(channel).into_iter();
        let messages = messages.map(|message| {
            (
                message.get("ts").cloned().unwrap_or_default(),
                message.get("blocks").cloned().unwrap_or_default(),
            )
        });
        let own = |whisper: &&EphemeralPost| whisper.user == user && whisper.channel == channel;
        let whispers = world.whispers.iter().filter(own);
        let whispers = whispers.map(|whisper| (json!(whisper.ts), whisper.blocks.clone()));
        messages
            .chain(whispers)
            .filter(|(_, blocks)| blocks::button(blocks, action_id).is_some())
            .filter_map(|(ts, _)| ts.as_str().map(str::to_owned))
            .max_by_key(|ts| ids::micros(ts))
    }

    /// A person presses a button of their Home tab; returns the envelope's id.
    ///
    /// # Panics
    /// When the person has no published Home tab, or it has no such button.
    #[track_caller]
    pub fn clicks_home(&self, user: &str, action_id: &str) -> String {
        must(self.try_clicks_home(user, action_id), CANNOT_PRESS)
    }

    /// [`SandboxSlack::clicks_home`] with errors.
    ///
    /// # Errors
    /// When the person has no published Home tab, or it has no such button.
    pub fn try_clicks_home(&self, user: &str, action_id: &str) -> Result<String, String> {
        self.try_picks_at_home(user, action_id, None)
    }

    /// A person picks a time of day in their Home tab (`08:30`) or clears it; returns the envelope's id.
    ///
    /// # Panics
    /// When the person has no published Home tab, or it has no such `timepicker`.
    #[track_caller]
    pub fn picks_at_home(&self, user: &str, action_id: &str, time: Option<&str>) -> String {
        let picked = self.try_picks_at_home(user, action_id, Some(time.unwrap_or_default()));
        must(picked, "cannot choose a time")
    }

    /// A person uses an element of their Home tab, as in [`SandboxSlack::try_picks`].
    ///
    /// # Errors
    /// When the person has no published Home tab, it has no such element, or the element takes no such value.
    pub fn try_picks_at_home(
        &self,
        user: &str,
        action_id: &str,
        pick: Option<&str>,
    ) -> Result<String, String> {
        let payload = {
            let mut world = self.inner.world();
            let view = world.view(&home_id(user)).cloned();
            let view = view.ok_or_else(|| format!("{user} has no Home tab"))?;
            let buttons = view.get("blocks").cloned().unwrap_or_default();
            let (block, button) =
                blocks::button(&buttons, action_id).ok_or_else(|| no_button(action_id))?;
            let action = used(block, button, &world.next_ts(), picked(button, pick)?);
            let own = json!({
                "container": {"type": "view", "view_id": view.get("id")}, "view": view,
                "actions": [action],
            });
            interaction(&mut world, "block_actions", user, own)
        };
        Ok(self.inner.deliver(EnvelopeKind::Interactive, payload, 0))
    }

    /// A person uses a message shortcut; returns the envelope's id.
    ///
    /// # Panics
    /// When the message does not exist.
    #[track_caller]
    pub fn message_action(&self, user: &str, channel: &str, ts: &str, callback_id: &str) -> String {
        let used = self.try_message_action(user, channel, ts, callback_id);
        must(used, "cannot use the shortcut")
    }

    /// [`SandboxSlack::message_action`] with errors.
    ///
    /// # Errors
    /// When the message does not exist.
    pub fn try_message_action(
        &self,
        user: &str,
        channel: &str,
        ts: &str,
        callback_id: &str,
    ) -> Result<String, String> {
        let base = self.base();
        let payload = {
            let mut world = self.inner.world();
            let message = world.body(channel, ts).ok_or_else(|| no_message(ts))?;
            let response = world.response(user, channel, None);
            let own = json!({
                "callback_id": callback_id, "action_ts": world.next_ts(), "message_ts": ts,
                "channel": {"id": channel, "name": world.channel_name(channel)}, "message": message,
                "response_url": format!("{base}/resp/{response}"),
            });
            interaction(&mut world, "message_action", user, own)
        };
        Ok(self.inner.deliver(EnvelopeKind::Interactive, payload, 0))
    }

    /// A person uses a global shortcut; returns the envelope's id.
    pub fn shortcut(&self, user: &str, callback_id: &str) -> String {
        let payload = {
            let mut world = self.inner.world();
            let own = json!({"callback_id": callback_id, "action_ts": world.next_ts()});
            interaction(&mut world, "shortcut", user, own)
        };
        self.inner.deliver(EnvelopeKind::Interactive, payload, 0)
    }

    /// A person submits a modal with these `state.values`; returns the envelope's id.
    ///
    /// # Panics
    /// When no such modal is open.
    #[track_caller]
    pub fn submits(&self, user: &str, view_id: &str, values: Value) -> String {
        must(self.try_submits(user, view_id, values), "cannot submit")
    }

    /// [`SandboxSlack::submits`] with errors.
    ///
    /// # Errors
    /// When no such modal is open.
    pub fn try_submits(&self, user: &str, view_id: &str, values: Value) -> Result<String, String> {
        let payload = {
            let mut world = self.inner.world();
            let view = world.view(view_id).cloned();
            let mut view = view.ok_or_else(|| format!("no modal {view_id} is open"))?;
            view.insert("state".to_owned(), json!({"values": values}));
            let own = json!({"view": view, "response_urls": []});
            interaction(&mut world, "view_submission", user, own)
        };
        Ok(self.inner.deliver(EnvelopeKind::Interactive, payload, 0))
    }

    /// The answer to a command or an interaction, once it is there: the acknowledgement that counts. `None` if it did not
    /// come in time, so that the person has seen an error, or if there is no such envelope.
    pub async fn answered(&self, envelope_id: &str) -> Option<Ack> {
        let mut changed = self.inner.changed.subscribe();
        loop {
            changed.borrow_and_update();
            {
                let wire = self.inner.wire();
                let envelope = wire.envelope(envelope_id)?;
                if envelope.over {
                    return None;
                }
                if envelope.acked {
                    let is_it = |ack: &&Ack| ack.counts && ack.envelope_id == envelope_id;
                    return wire.acks.iter().rfind(is_it).cloned();
                }
            }
            changed.changed().await.ok()?;
        }
    }

    /// The open modals that a person sees.
    pub fn modals_of(&self, user: &str) -> Vec<Value> {
        self.inner.world().modals_of(user)
    }

    /// A person closes a modal without submitting it; the app gets no event.
    pub fn closes(&self, view_id: &str) {
        self.inner.world().close_view(view_id);
    }

    /// A person opens a tab of the app, `home` or `messages`: `app_home_opened`; returns the envelope's id.
    ///
    /// # Panics
    /// As [`SandboxSlack::dm`].
    #[track_caller]
    pub fn opens_tab(&self, user: &str, tab: &str) -> String {
        let channel = self.dm(user);
        let event = {
            let mut world = self.inner.world();
            let mut event = json!({"type": "app_home_opened", "user": user, "channel": channel, "tab": tab,
                "event_ts": world.next_ts()});
            if let Some(view) = world.view(&home_id(user)).filter(|_| tab == "home") {
                merge(&mut event, json!({ "view": view }));
            }
            event
        };
        self.send_event(event)
    }

    /// A new `trigger_id`, as an interaction has it.
    pub fn trigger(&self) -> String {
        self.inner.world().trigger("")
    }

    /// `http://127.0.0.1:port`.
    fn base(&self) -> String {
        let inner: &Arc<Inner> = &self.inner;
        format!("http://{}", inner.authority())
    }
}

const CANNOT_PRESS: &str = "cannot press that";

fn no_message(ts: &str) -> String {
    format!("there is no message {ts}")
}

fn no_button(action_id: &str) -> String {
    format!("it has no button with the action_id {action_id}")
}

/// Fields that only posts from Slack's own clients have.
fn typed_by_hand() -> Map<String, Value> {
    Map::from_iter([("client_msg_id".to_owned(), json!(ids::uuid()))])
}

/// An interaction payload: the fields that all kinds share (docs/contracts/slack.md#buttons-shortcuts-and-forms), and its own.
fn interaction(world: &mut SlackWorld, kind: &str, user: &str, own: Value) -> Value {
    let name = world.name_of(user);
    let mut payload = json!({
        "type": kind, "team": {"id": world.team.id, "domain": world.team.domain}, "enterprise": null,
        "is_enterprise_install": false, "api_app_id": world.app.id, "token": "sandbox", "trigger_id": world.trigger(user),
        "user": {"id": user, "username": name, "name": name, "team_id": world.team.id},
    });
    merge(&mut payload, own);
    payload
}

/// An element as an entry of `actions`, with the value that was picked.
fn used(block: &str, element: &Value, action_ts: &str, picked: Value) -> Value {
    let mut action = element.clone();
    merge(
        &mut action,
        json!({"block_id": block, "action_ts": action_ts}),
    );
    merge(&mut action, picked);
    action
}

/// The field with the value that was picked; none for a button.
fn picked(element: &Value, pick: Option<&str>) -> Result<Value, String> {
    let kind = element.get("type").and_then(Value::as_str);
    let some = |pick: &str| (!pick.is_empty()).then(|| pick.to_owned());
    match (kind.unwrap_or_default(), pick) {
        ("timepicker", Some(time)) if time.is_empty() || blocks::is_time(time) => {
            Ok(json!({"selected_time": some(time)}))
        }
        ("datepicker", Some(day)) if day.is_empty() || blocks::is_day(day) => {
            Ok(json!({"selected_date": some(day)}))
        }
        ("static_select", Some(value)) => {
            let option = blocks::option(element, value);
            let option = option.ok_or_else(|| format!("the menu has no option {value}"))?;
            Ok(json!({"selected_option": option}))
        }
        ("button", None) => Ok(json!({})),
        ("button", Some(_)) => Err("a button takes no value".to_owned()),
        (_, None) => Err("it needs a value, and is not pressed".to_owned()),
        (kind, Some(value)) => Err(format!("`{value}` is no value of a {kind}")),
    }
}
