//! Whether an event is a new message of a person that is meant for us (docs/contracts/slack.md#messages). Pure.
//!
//! The socket calls this before anything is stored: channel messages that are not for us are never stored, and no key
//! counts as seen before the decision (docs/contracts/slack.md#duplicates).

use super::ChannelCommands;
use super::attached;
use super::text::{self, is_invisible};
use super::wire::{Action, Callback, Event, Interaction};
use crate::domain::card::{ButtonAction, PickerSetting};
use crate::domain::schedule::time_of_day;
use crate::mailbox::{Attachments, Gesture, IncomingMessage};
use crate::verbs::{self, Command, Comment, ParseError};

/// Our identity, from `auth.test`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BotIdentity {
    pub team: String,
    /// The bot's user id, as in mentions.
    pub user: String,
    /// The bot's handle.
    pub name: Option<String>,
}

/// The reason why an event is ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ignored {
    /// Neither `message` nor `app_mention`.
    OtherEvent,
    /// An edit, a deletion, a join, an unfurl, another bot: any event that is not a plain message.
    Subtype,
    /// Slack marks it as hidden.
    Hidden,
    /// Another bot's or app's message.
    Bot,
    /// Our own message.
    Own,
    /// It lacks the sender, the channel or the `ts`.
    Incomplete,
    /// A channel message that is not addressed to us.
    NotForUs,
    /// A person's profile or account status changed: noted, without further action.
    PersonChanged,
}

impl Ignored {
    /// The name in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Ignored::OtherEvent => "other_event",
            Ignored::Subtype => "subtype",
            Ignored::Hidden => "hidden",
            Ignored::Bot => "bot",
            Ignored::Own => "own",
            Ignored::Incomplete => "incomplete",
            Ignored::NotForUs => "not_for_us",
            Ignored::PersonChanged => "person_changed",
        }
    }
}

/// The message in an event, if it is for us.
pub fn pass(
    callback: &Callback,
    own: &BotIdentity,
    channel_commands: ChannelCommands,
) -> Result<IncomingMessage, Ignored> {
    let heard = said(callback, own)?;
    let event = &callback.event;
    if !heard.direct {
        let wire = event.text.as_deref().unwrap_or_default();
        let mention = event.kind.as_deref() == Some("app_mention");
        let addressed = mention || text::mentions(wire, &own.user);
        match channel_commands {
            ChannelCommands::Off => return Err(Ignored::NotForUs),
            ChannelCommands::Mention if !addressed => return Err(Ignored::NotForUs),
            ChannelCommands::Bare if !addressed && !is_create(&heard.text) => {
                return Err(Ignored::NotForUs);
            }
            ChannelCommands::Mention | ChannelCommands::Bare => {}
        }
    }
    Ok(heard)
}

/// A message in a channel's thread that is not addressed to us: a comment on the thread's task, if the store has one
/// (`slack.thread_replies`). In channels no bare verb is read except `comment`, which has the same effect.
pub fn replied(callback: &Callback, own: &BotIdentity) -> Result<IncomingMessage, Ignored> {
    let heard = said(callback, own)?;
    let is_comment = match verbs::parse(&heard.text) {
        Ok(read) => matches!(read, Command::Comment(Comment { task: None, .. })),
        // An image alone counts as well.
        Err(ParseError::Empty) => !heard.attached.is_empty(),
        Err(slip) => slip.is_prose(),
    };
    if heard.direct || heard.thread.is_none() || !is_comment {
        return Err(Ignored::NotForUs);
    }
    Ok(IncomingMessage {
        gesture: Gesture::Replied,
        ..heard
    })
}

/// The new message of a person in an event, from any conversation.
fn said(callback: &Callback, own: &BotIdentity) -> Result<IncomingMessage, Ignored> {
    let event = &callback.event;
    if !matches!(event.kind.as_deref(), Some("message" | "app_mention")) {
        return Err(Ignored::OtherEvent);
    }
    is_newly_said(callback, own)?;
    let (Some(user), Some(channel), Some(ts)) = (&event.user, &event.channel, &event.ts) else {
        return Err(Ignored::Incomplete);
    };
    let said_at = text::instant(ts).ok_or(Ignored::Incomplete)?;
    let wire = text::with_emoji(event.text.as_deref().unwrap_or_default(), &event.blocks);
    let typed = text::heard(&wire, &own.user);
    let direct = is_direct(event, channel);
    Ok(IncomingMessage {
        keys: keys(callback, own, channel, ts),
        user: user.clone(),
        channel: channel.clone(),
        direct,
        text: typed,
        ts: ts.clone(),
        said_at,
        thread: event.thread_ts.clone().filter(|root| root != ts),
        gesture: Gesture::Said,
        attached: attached::along_with(event),
    })
}

/// The pressed button of a message of ours, if it has a command (docs/contracts/slack.md#buttons-shortcuts-and-forms).
pub fn pressed(interaction: &Interaction) -> Result<IncomingMessage, Ignored> {
    let action = interaction.actions.first().ok_or(Ignored::Incomplete)?;
    let press = pressed_with(action)?;
    let message = &interaction.message;
    // The Home tab has no channel: the mailbox finds the place for the answer.
    let at_home = interaction.container.kind.as_deref() == Some("view");
    // A choice in a form has no effect until the form is submitted.
    let in_form = interaction
        .view
        .callback_id
        .as_ref()
        .is_some_and(|id| !id.is_empty());
    let asks = verbs::gestures::pressed(&press).is_some()
        || matches!(press, ButtonAction::Arrival { .. })
        || press == ButtonAction::Unknown && !in_form;
    if !asks {
        return Err(Ignored::NotForUs);
    }
    let channel = match at_home {
        true => interaction.user.id.as_ref(),
        false => interaction.channel.id.as_ref(),
    };
    let (Some(user), Some(channel), Some(ts), Some(trigger)) = (
        &interaction.user.id,
        channel.or(interaction.container.channel_id.as_ref()),
        interaction
            .container
            .message_ts
            .as_ref()
            .or(message.ts.as_ref())
            .or(action.action_ts.as_ref().filter(|_| at_home)),
        &interaction.trigger_id,
    ) else {
        return Err(Ignored::Incomplete);
    };
    let acted = action.action_ts.as_deref().and_then(text::instant);
    let root = message.thread_ts.as_ref();
    Ok(IncomingMessage {
        // A double click has two triggers; the mailbox finds the second one already done.
        keys: vec![format!("trigger:{trigger}")],
        user: user.clone(),
        channel: channel.clone(),
        direct: at_home
            || channel.starts_with('D')
            || interaction.channel.name.as_deref() == Some("directmessage"),
        text: press.to_string(),
        ts: ts.clone(),
        said_at: acted.ok_or(Ignored::Incomplete)?,
        thread: root
            .or(interaction.container.thread_ts.as_ref())
            .filter(|root| *root != ts)
            .cloned(),
        gesture: Gesture::Pressed(press),
        attached: Attachments::default(),
    })
}

/// The press of an action. Only our own buttons arrive here, so an unknown one is on a message of another version, and
/// the person is told so.
fn pressed_with(action: &Action) -> Result<ButtonAction, Ignored> {
    let id = action.action_id.as_deref().ok_or(Ignored::Incomplete)?;
    let Ok(picks) = id.parse::<PickerSetting>() else {
        return Ok(id.parse().unwrap_or(ButtonAction::Unknown));
    };
    match action.selected_time.as_deref() {
        None => Ok(picks.press(None)),
        Some(time) => match time_of_day(time) {
            Some(at) => Ok(picks.press(Some(at))),
            None => Err(Ignored::NotForUs),
        },
    }
}

/// Whether an earlier message of a conversation was typed as a command to us. `direct`: it is a DM with us.
pub fn is_command(event: &Event, own: &BotIdentity, direct: bool) -> bool {
    let wire = event.text.as_deref().unwrap_or_default();
    let typed = text::heard(wire, &own.user);
    let addressed = direct || text::mentions(wire, &own.user);
    is_create(&typed) || addressed && verbs::parse(&typed).is_ok()
}

/// Whether a person wrote it just now: no edit, no bot, not ourselves.
fn is_newly_said(callback: &Callback, own: &BotIdentity) -> Result<(), Ignored> {
    let event = &callback.event;
    let said = matches!(
        event.subtype.as_deref(),
        None | Some("file_share" | "thread_broadcast")
    );
    if !said {
        return Err(Ignored::Subtype);
    }
    if event.hidden == Some(true) {
        return Err(Ignored::Hidden);
    }
    let user = event.user.as_deref().filter(|user| !user.is_empty());
    // Our own replies carry no subtype: without this check Ivan would answer them.
    let our_app = event.app_id.is_some() && event.app_id == callback.api_app_id;
    if our_app || user == Some(own.user.as_str()) {
        return Err(Ignored::Own);
    }
    // Slackbot has no bot_id.
    if event.bot_id.is_some() || user == Some("USLACKBOT") {
        return Err(Ignored::Bot);
    }
    user.map(|_| ()).ok_or(Ignored::Incomplete)
}

/// A DM with the bot, its App Home tab included; a group DM (`mpim`) counts as a channel.
fn is_direct(event: &Event, channel: &str) -> bool {
    match event.channel_type.as_deref() {
        Some(kind) => matches!(kind, "im" | "app_home"),
        None => channel.starts_with('D'),
    }
}

/// Whether the first word is `create`, as leniently as the parser reads it.
fn is_create(typed: &str) -> bool {
    let is_space = |c: char| c.is_whitespace() || is_invisible(c);
    typed
        .trim_start_matches(is_space)
        .split(is_space)
        .next()
        .is_some_and(|word| {
            word.trim_matches(['*', '_', '~', '`'])
                .eq_ignore_ascii_case("create")
        })
}

/// Every key that the same gesture may arrive under (docs/contracts/slack.md#duplicates). A `message` and its `app_mention` twin share
/// all but the first. The team is always ours, even if the event has none, so that twins cannot differ in it.
fn keys(callback: &Callback, own: &BotIdentity, channel: &str, ts: &str) -> Vec<String> {
    let event_id = callback.event_id.iter().map(|id| format!("event:{id}"));
    let message = format!("message:{}:{channel}:{ts}", own.team);
    let client = callback.event.client_msg_id.iter();
    event_id
        .chain([message])
        .chain(client.map(|id| format!("client:{id}")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::{Value, json};

    fn own() -> BotIdentity {
        BotIdentity {
            team: "T0TEAM1".into(),
            user: "U0BOT01".into(),
            name: Some("ivan".into()),
        }
    }

    fn callback(event: Value) -> Callback {
        Callback::read(json!({
            "team_id": "T0TEAM1", "api_app_id": "A0APP1", "type": "event_callback", "event_id": "Ev0ABC123",
            "event": event,
        }))
    }

    fn verdict(event: Value, commands: ChannelCommands) -> Result<IncomingMessage, Ignored> {
        pass(&callback(event), &own(), commands)
    }

    /// The contract's event with some fields changed; null removes one.
    fn dm(changes: Value) -> Value {
        with(
            json!({"type": "message", "channel": "D0DM001", "channel_type": "im", "user": "U0ANN01", "team": "T0TEAM1",
                "text": "done", "ts": "1763800000.123459", "event_ts": "1763800000.123459",
                "client_msg_id": "4f0c0d7e", "blocks": [{"type": "rich_text"}]}),
            changes,
        )
    }

    fn in_channel(text: &str) -> Value {
        with(
            dm(json!({})),
            json!({"channel": "C0PROJ1", "channel_type": "channel", "text": text}),
        )
    }

    fn with(mut event: Value, changes: Value) -> Value {
        for (key, value) in changes.as_object().unwrap() {
            event[key] = value.clone();
        }
        event
    }

    #[rstest]
    #[case::title("create :rocket: Launch page", "create \u{1f680} Launch page")]
    #[case::command("done :rocket:", "done \u{1f680}")]
    #[case::code("comment run `:rocket:`", "comment run `:rocket:`")]
    fn emoji_are_heard_as_the_characters_that_people_see(#[case] wire: &str, #[case] heard: &str) {
        let blocks = json!([{"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [
            {"type": "emoji", "name": "rocket", "unicode": "1f680"},
        ]}]}]);
        let event = dm(json!({"text": wire, "blocks": blocks}));
        assert_eq!(verdict(event, ChannelCommands::Off).unwrap().text, heard);
    }

    /// The rules of docs/slack.md for programs and group DMs.
    #[rstest]
    #[case::an_app(json!({"bot_id": "B0OTHER"}), Err(Ignored::Bot))]
    #[case::a_workflow(json!({"bot_id": "B0FLOW", "subtype": "bot_message", "user": null}), Err(Ignored::Subtype))]
    #[case::an_app_in_a_channel(json!({"bot_id": "B0OTHER", "channel": "C0PROJ1", "channel_type": "channel", "text": "create X"}), Err(Ignored::Bot))]
    #[case::a_group_dm(json!({"channel": "G0GROUP", "channel_type": "mpim"}), Err(Ignored::NotForUs))]
    #[case::a_mention_in_one(json!({"channel": "G0GROUP", "channel_type": "mpim", "type": "app_mention", "text": "<@U0BOT01> done"}), Ok("done"))]
    fn programs_and_group_dms_are_not_heard_but_for_mentions(
        #[case] changes: Value,
        #[case] heard: Result<&str, Ignored>,
    ) {
        let read = verdict(dm(changes), ChannelCommands::Bare);
        assert_eq!(
            read.map(|heard| heard.text).as_deref(),
            heard.as_ref().copied()
        );
    }

    #[test]
    fn a_dm_is_heard() {
        let heard = verdict(dm(json!({})), ChannelCommands::Off).unwrap();
        assert_eq!(
            heard,
            IncomingMessage {
                keys: vec![
                    "event:Ev0ABC123".into(),
                    "message:T0TEAM1:D0DM001:1763800000.123459".into(),
                    "client:4f0c0d7e".into(),
                ],
                user: "U0ANN01".into(),
                channel: "D0DM001".into(),
                direct: true,
                text: "done".into(),
                ts: "1763800000.123459".into(),
                said_at: chrono::DateTime::from_timestamp_micros(1_763_800_000_123_459).unwrap(),
                thread: None,
                gesture: crate::mailbox::Gesture::Said,
                attached: Attachments::default(),
            }
        );
    }

    #[rstest]
    #[case::edit(json!({"subtype": "message_changed", "hidden": true, "message": {"user": "U0ANN01", "text": "done!"}}), Ignored::Subtype)]
    #[case::unfurl(json!({"subtype": "message_changed"}), Ignored::Subtype)]
    #[case::deletion(json!({"subtype": "message_deleted", "hidden": true}), Ignored::Subtype)]
    #[case::join(json!({"subtype": "channel_join"}), Ignored::Subtype)]
    #[case::me(json!({"subtype": "me_message"}), Ignored::Subtype)]
    #[case::a_new_subtype(json!({"subtype": "hologram"}), Ignored::Subtype)]
    #[case::other_bot(json!({"subtype": "bot_message", "bot_id": "B0OTHER", "user": null}), Ignored::Subtype)]
    #[case::bot_without_subtype(json!({"bot_id": "B0OTHER"}), Ignored::Bot)]
    #[case::slackbot(json!({"user": "USLACKBOT"}), Ignored::Bot)]
    #[case::own_message(json!({"user": "U0BOT01", "bot_id": "B0BOT01", "app_id": "A0APP1"}), Ignored::Own)]
    #[case::own_user(json!({"user": "U0BOT01"}), Ignored::Own)]
    #[case::own_app(json!({"app_id": "A0APP1"}), Ignored::Own)]
    #[case::hidden(json!({"hidden": true}), Ignored::Hidden)]
    #[case::no_user(json!({"user": null}), Ignored::Incomplete)]
    #[case::empty_user(json!({"user": ""}), Ignored::Incomplete)]
    #[case::no_ts(json!({"ts": null}), Ignored::Incomplete)]
    #[case::odd_ts(json!({"ts": "soon"}), Ignored::Incomplete)]
    #[case::no_channel(json!({"channel": null}), Ignored::Incomplete)]
    #[case::reaction(json!({"type": "reaction_added"}), Ignored::OtherEvent)]
    #[case::home(json!({"type": "app_home_opened"}), Ignored::OtherEvent)]
    #[case::nothing(json!({"type": null}), Ignored::OtherEvent)]
    fn is_ignored(#[case] changes: Value, #[case] why: Ignored) {
        assert_eq!(verdict(dm(changes), ChannelCommands::Bare), Err(why));
    }

    #[rstest]
    #[case::with_a_file(json!({"subtype": "file_share", "text": "create Broken page"}), "create Broken page")]
    #[case::other_app_of_a_person(json!({"app_id": "A0OTHER"}), "done")]
    #[case::mention(json!({"text": "<@U0BOT01>: done"}), "done")]
    #[case::no_text(json!({"text": null}), "")]
    #[case::chatter(json!({"text": "how are you"}), "how are you")]
    #[case::home_tab(json!({"channel_type": "app_home"}), "done")]
    #[case::no_channel_type(json!({"channel_type": null}), "done")]
    fn every_text_of_a_dm_is_heard(#[case] changes: Value, #[case] text: &str) {
        let heard = verdict(dm(changes), ChannelCommands::Off).unwrap();
        assert_eq!((heard.text.as_str(), heard.direct), (text, true));
    }

    #[rstest]
    #[case::create("create Fix login", true, false)]
    #[case::shouted("  *CREATE*\u{a0}Fix login", true, false)]
    #[case::create_alone("create", true, false)]
    #[case::done("done", false, false)]
    #[case::creates("creates trouble", false, false)]
    #[case::chatter("we should create one", false, false)]
    #[case::mentioned("<@U0BOT01> done", true, true)]
    #[case::mentioned_later("hey <@U0BOT01> done", true, true)]
    #[case::somebody_else("<@U0BOB01> done", false, false)]
    #[case::empty("", false, false)]
    fn in_a_channel(#[case] text: &str, #[case] bare: bool, #[case] mention: bool) {
        let heard = |commands| verdict(in_channel(text), commands);
        assert_eq!(heard(ChannelCommands::Bare).is_ok(), bare);
        assert_eq!(heard(ChannelCommands::Mention).is_ok(), mention);
        assert_eq!(heard(ChannelCommands::Off), Err(Ignored::NotForUs));
    }

    #[test]
    fn a_group_dm_counts_as_a_channel() {
        let group = with(
            in_channel("done"),
            json!({"channel": "G0GROUP", "channel_type": "mpim"}),
        );
        assert_eq!(
            verdict(group.clone(), ChannelCommands::Bare),
            Err(Ignored::NotForUs)
        );
        let create = with(group, json!({"text": "create it"}));
        assert!(!verdict(create, ChannelCommands::Bare).unwrap().direct);
    }

    #[test]
    fn twins_share_a_key_and_their_text() {
        let message = in_channel("<@U0BOT01> create Fix login");
        let twin = with(
            message.clone(),
            json!({"type": "app_mention", "channel_type": null}),
        );
        let mut other = callback(twin);
        other.event_id = Some("Ev0OTHER".into());
        let message = verdict(message, ChannelCommands::Mention).unwrap();
        let twin = pass(&other, &own(), ChannelCommands::Mention).unwrap();
        assert_eq!(message.text, "create Fix login");
        assert_eq!(twin.keys.get(1..), message.keys.get(1..));
        assert_eq!(
            IncomingMessage {
                keys: vec![],
                ..twin
            },
            IncomingMessage {
                keys: vec![],
                ..message
            }
        );
    }

    #[rstest]
    #[case::reply(json!({"thread_ts": "1763700000.000100"}), Some("1763700000.000100"))]
    #[case::broadcast(json!({"subtype": "thread_broadcast", "thread_ts": "1763700000.000100"}), Some("1763700000.000100"))]
    #[case::root_of_its_thread(json!({"thread_ts": "1763800000.123459"}), None)]
    fn knows_its_thread(#[case] changes: Value, #[case] thread: Option<&str>) {
        let heard = verdict(dm(changes), ChannelCommands::Bare).unwrap();
        assert_eq!(heard.thread.as_deref(), thread);
    }

    #[rstest]
    #[case(
        "comment ask <@U0BOB01>, not <@U0BOT01> &amp; co",
        "comment ask @U0BOB01, not @U0BOT01 & co"
    )]
    #[case("<@U0BOT01> Assign 2 <@U0BOB01>", "Assign 2 @U0BOB01")]
    #[case("create Fix login -a <@U0BOB01|Ann>", "create Fix login -a @U0BOB01")]
    #[case("done -c <@W0BOB01|> knows", "done -c @W0BOB01 knows")]
    fn whom_it_mentions_stays_an_id(#[case] wire: &str, #[case] text: &str) {
        let heard = verdict(dm(json!({ "text": wire })), ChannelCommands::Bare);
        assert_eq!(heard.unwrap().text, text);
    }

    #[test]
    fn an_org_wide_install_names_no_team() {
        let mut callback = callback(dm(json!({})));
        callback.event_id = None;
        callback.event.client_msg_id = None;
        let heard = pass(&callback, &own(), ChannelCommands::Bare).unwrap();
        assert_eq!(heard.keys, ["message:T0TEAM1:D0DM001:1763800000.123459"]);
    }

    fn picked(action: &str, time: Value) -> Result<String, Ignored> {
        let payload = json!({"type": "block_actions", "user": {"id": "U0ANN01"}, "trigger_id": "1.2.abc",
            "container": {"type": "view", "view_id": "V0HOME1"},
            "actions": [{"type": "timepicker", "action_id": action, "selected_time": time,
                "action_ts": "1763800710.000100"}]});
        pressed(&Interaction::read(payload)).map(|heard| heard.text)
    }

    #[rstest]
    #[case("pick:briefing", json!("08:30"), Ok("briefing:08:30"))]
    #[case("pick:briefing", json!(null), Ok("briefing:off"))]
    #[case("pick:quiet_from", json!("22:00"), Ok("quiet_from:22:00"))]
    #[case("pick:quiet_until", json!("06:00"), Ok("quiet_until:06:00"))]
    #[case("pick:quiet_until", json!(null), Ok("quiet:off"))]
    #[case::no_time("pick:briefing", json!("half past"), Err(Ignored::NotForUs))]
    #[case::nothing_of_ours("pick:lunch", json!("12:00"), Ok("unknown:"))]
    fn a_time_that_is_chosen_is_heard(
        #[case] action: &str,
        #[case] time: Value,
        #[case] heard: Result<&str, Ignored>,
    ) {
        assert_eq!(picked(action, time), heard.map(str::to_owned));
    }
}
