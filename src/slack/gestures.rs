//! Events that make a request and are no message (docs/contracts/slack.md#messages): reactions, and the Home tab. Pure.
//!
//! The socket calls this as it calls `gate` for messages; the results go the same way. Only the store can tell whether
//! a reaction is on a card of ours: the mailbox looks that up before anything is stored.

use super::filter::{BotIdentity, Ignored};
use super::text;
use super::wire::Callback;
use crate::mailbox::{Attachments, Gesture, IncomingMessage};
use crate::verbs::gestures::asks;

/// A reaction that may be on a card of ours, added or removed.
pub fn reacted(callback: &Callback, own: &BotIdentity) -> Result<IncomingMessage, Ignored> {
    let event = &callback.event;
    let put = event.kind.as_deref() == Some("reaction_added");
    let (Some(user), Some(reaction), Some(channel), Some(ts)) = (
        event.user.as_ref().filter(|user| !user.is_empty()),
        &event.reaction,
        &event.item.channel,
        &event.item.ts,
    ) else {
        return Err(Ignored::Incomplete);
    };
    if *user == own.user {
        return Err(Ignored::Own);
    }
    // Slack may leave out the message's author.
    let on_ours = event.item_user.as_ref().is_none_or(|of| *of == own.user);
    // Its task is looked up later. Whether the reaction has a command does not depend on that.
    if !on_ours || !asks(reaction, put) {
        return Err(Ignored::NotForUs);
    }
    let event_ts = event.event_ts.as_deref().unwrap_or_default();
    let said_at = text::instant(event_ts).ok_or(Ignored::Incomplete)?;
    let what = if put { "put" } else { "taken" };
    Ok(IncomingMessage {
        keys: event_key(callback)
            .chain([format!(
                "reaction:{channel}:{ts}:{user}:{reaction}:{what}:{event_ts}"
            )])
            .collect(),
        user: user.clone(),
        channel: channel.clone(),
        direct: channel.starts_with('D'),
        text: format!(":{reaction}:"),
        ts: ts.clone(),
        said_at,
        thread: None,
        gesture: Gesture::Signed {
            reaction: reaction.clone(),
            put,
            task: None,
        },
        attached: Attachments::default(),
    })
}

/// A person opened the Home tab, or their DM.
pub fn opened(callback: &Callback) -> Result<IncomingMessage, Ignored> {
    let event = &callback.event;
    let (gesture, kind) = match event.tab.as_deref() {
        Some("home") => (Gesture::OpenedHome, "home"),
        Some("messages") => (Gesture::OpenedDm, "dm"),
        _ => return Err(Ignored::NotForUs),
    };
    let (Some(user), Some(channel), Some(event_ts)) =
        (&event.user, &event.channel, &event.event_ts)
    else {
        return Err(Ignored::Incomplete);
    };
    Ok(IncomingMessage {
        keys: event_key(callback)
            .chain([format!("{kind}:{user}:{event_ts}")])
            .collect(),
        user: user.clone(),
        channel: channel.clone(),
        direct: true,
        text: String::new(),
        ts: event_ts.clone(),
        said_at: text::instant(event_ts).ok_or(Ignored::Incomplete)?,
        thread: None,
        gesture,
        attached: Attachments::default(),
    })
}

fn event_key(callback: &Callback) -> impl Iterator<Item = String> {
    callback.event_id.iter().map(|id| format!("event:{id}"))
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

    fn callback(mut event: Value, changes: Value) -> Callback {
        for (key, value) in changes.as_object().unwrap() {
            event[key] = value.clone();
        }
        Callback::read(json!({"type": "event_callback", "event_id": "Ev1", "event": event}))
    }

    /// The contract's event, on a message of ours, with some fields changed; null removes one.
    fn reaction(changes: Value) -> Result<IncomingMessage, Ignored> {
        let event = json!({"type": "reaction_added", "user": "U0ANN01", "reaction": "white_check_mark",
            "item": {"type": "message", "channel": "C0PROJ1", "ts": "1763800000.000100"}, "item_user": "U0BOT01",
            "event_ts": "1763800800.000900"});
        reacted(&callback(event, changes), &own())
    }

    #[test]
    fn a_reaction_is_heard_where_it_was_put() {
        let heard = reaction(json!({})).unwrap();
        assert_eq!(heard.channel, "C0PROJ1");
        assert_eq!(heard.ts, "1763800000.000100");
        assert!(!heard.direct);
        assert_eq!(
            heard.keys,
            [
                "event:Ev1",
                "reaction:C0PROJ1:1763800000.000100:U0ANN01:white_check_mark:put:1763800800.000900"
            ]
        );
    }

    #[rstest]
    #[case::skin_tone(json!({"reaction": "white_check_mark::skin-tone-3"}), Ok(()))]
    #[case::nobody_says_whose(json!({"item_user": null}), Ok(()))]
    #[case::another(json!({"reaction": "tada"}), Err(Ignored::NotForUs))]
    #[case::on_a_persons(json!({"item_user": "U0BOB01"}), Err(Ignored::NotForUs))]
    #[case::our_own(json!({"user": "U0BOT01"}), Err(Ignored::Own))]
    #[case::nobodys(json!({"user": null}), Err(Ignored::Incomplete))]
    #[case::on_a_file(json!({"item": {"type": "file", "file": "F0"}}), Err(Ignored::Incomplete))]
    #[case::of_no_time(json!({"event_ts": null}), Err(Ignored::Incomplete))]
    fn only_signs_on_ours_count(#[case] changes: Value, #[case] verdict: Result<(), Ignored>) {
        assert_eq!(reaction(changes).map(|_| ()), verdict);
    }

    #[rstest]
    #[case::home(json!({}), Ok(()))]
    #[case::messages(json!({"tab": "messages"}), Ok(()))]
    #[case::another(json!({"tab": "about"}), Err(Ignored::NotForUs))]
    #[case::no_tab(json!({"tab": null}), Err(Ignored::NotForUs))]
    #[case::nobodys(json!({"user": null}), Err(Ignored::Incomplete))]
    fn openings_of_two_tabs_are_heard(
        #[case] changes: Value,
        #[case] verdict: Result<(), Ignored>,
    ) {
        let event = json!({"type": "app_home_opened", "user": "U0ANN01", "channel": "D0DM001", "tab": "home",
            "event_ts": "1763800900.001000"});
        let heard = opened(&callback(event, changes));
        assert_eq!(heard.map(|_| ()), verdict);
    }
}
