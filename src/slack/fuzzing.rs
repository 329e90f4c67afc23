//! For fuzzing: a frame of the socket up to the gesture in it, and Slack's text both ways.

use chrono::DateTime;
use serde_json::Value;

use super::ChannelCommands;
use super::filter::{self, BotIdentity};
use super::wire::{Callback, Frame};
use super::{attached, blocks, forms, gestures, membership, text, thread};
use crate::domain::controls::without_controls;
use crate::domain::reply::Text;

fn own() -> BotIdentity {
    BotIdentity {
        team: "T0TEAM1".into(),
        user: "U0BOT01".into(),
        name: Some("ivan".into()),
    }
}

/// Reads a text frame, and its payload as every kind of envelope.
pub(crate) fn frame(raw: &str) {
    let audit = forms::without_secrets(raw);
    let audit: Value = serde_json::from_str(&audit).unwrap_or_default();
    for secret in ["response_url", "response_urls", "token", "trigger_id"] {
        let payload = audit.get("payload").and_then(Value::as_object);
        assert!(payload.is_none_or(|payload| !payload.contains_key(secret)));
    }
    let Some(frame) = Frame::read(raw) else {
        return;
    };
    let own = own();
    let name_of = |id: &str| Some(format!("name of {id}"));
    for kind in ["slash_commands", "interactive"] {
        for speaks in [true, false] {
            let payload = frame.payload.clone();
            let now = DateTime::UNIX_EPOCH;
            let faults = |_: &_| Vec::new();
            let _read = forms::understand(kind, payload, &own, name_of, faults, speaks, now);
        }
    }
    let user = frame.payload.pointer("/event/user");
    let _member = membership::member("U0ANN01", user.unwrap_or(&Value::Null));
    let message = frame.payload.pointer("/event").cloned();
    let thread = thread::of(message.into_iter().cycle().take(3).collect(), &own);
    assert!(thread.chars().count() < 30_000);
    let callback = Callback::read(frame.payload);
    let _gesture = gestures::reacted(&callback, &own);
    let _gesture = gestures::opened(&callback);
    for commands in [
        ChannelCommands::Off,
        ChannelCommands::Mention,
        ChannelCommands::Bare,
    ] {
        if let Ok(heard) = filter::pass(&callback, &own, commands) {
            assert_ne!(heard.user, own.user, "it hears itself");
            assert!(callback.event.bot_id.is_none(), "it hears a bot");
        }
    }
    let _gesture = filter::replied(&callback, &own);
    let _seen = attached::seen(&callback.event, &name_of);
}

/// Reads wire text with its blocks, and writes the text back as each kind of span. The text and the blocks are divided
/// by a zero byte.
pub(crate) fn text(input: &str) {
    let (wire, drawn) = input.split_once('\0').unwrap_or((input, ""));
    let drawn: Value = serde_json::from_str(drawn).unwrap_or_default();
    let wire = text::with_emoji(wire, &drawn);
    let typed = text::heard(&wire, "U0BOT01");
    let _mentioned = text::mentions(&wire, "U0BOT01");
    let _at = text::instant(&wire);
    let read = text::unescape(&text::escape(&typed), |_| None);
    assert_eq!(read, without_controls(&typed));
    let words = Text::new()
        .text("New: ")
        .said(&*typed)
        .link(&*typed, "https://example.org/1")
        .link("a title", &*typed)
        .code(&*typed)
        .struck(&*typed, "https://example.org/2");
    for most in [4_000, 150, 2] {
        let shown = blocks::mrkdwn_within(&words, most);
        assert!(shown.chars().count() <= most, "over {most}: {shown}");
        let pings = ["<@", "<!", "<#"];
        assert!(!pings.iter().any(|ping| shown.contains(ping)), "{shown}");
    }
}
