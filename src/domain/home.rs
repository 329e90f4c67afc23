//! The Home tab, which a person sees when they open Ivan in Slack.
//!
//! The mailbox gathers the content in a [`Home`], this module turns it into [`CardPart`]s, and `slack/home.rs` publishes them.

use chrono::NaiveTime;
use chrono_tz::Tz;

use super::card::{
    Button, ButtonAction, Card, CardPart, Control, Picker, PickerSetting, link_buttons,
};
use super::receipts::ReceiptMode;
use super::reply::{self, Text};
use super::schedule::{QuietHours, ScheduleSetting};
use super::task::Source;

/// Tasks of the queue that have a card there.
pub const CARDS_MAX: usize = 15;
/// Operations that are named; further ones are only counted.
pub const WAITING_MAX: usize = 5;

/// The content of a Home tab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// The card of the current task.
    pub current: Option<Card>,
    /// The tasks after it, in order.
    pub queue: Vec<Card>,
    /// All open tasks of the queue.
    pub open: usize,
    /// The text for an empty queue.
    pub empty: Text,
    /// Sources at which the person's account is not known.
    pub unlinked: Vec<Source>,
    /// Completed through Ivan since midnight.
    pub completed_today: i64,
    /// Operations without an outcome, and why.
    pub waiting: Vec<Text>,
    /// The number of all those operations.
    pub waiting_count: i64,
    /// Sources that cannot be read, and why.
    pub troubles: Vec<Text>,
    /// The person's account in each system.
    pub accounts: Vec<Text>,
    /// Whether notices are off.
    pub muted: bool,
    /// The time at which they want a briefing.
    pub briefing: Option<NaiveTime>,
    /// The hours in which notices are held; `None`: none.
    pub quiet: Option<QuietHours>,
    /// The zone of both times.
    pub zone: Tz,
    /// How outcomes are shown to them.
    pub receipts: ReceiptMode,
    /// The settings of their own; all others follow bot.toml.
    pub own: Vec<ScheduleSetting>,
}

/// The Home tab from top to bottom. The least important parts are last, because the end is cut if there is no room.
pub fn parts(home: Home) -> Vec<CardPart> {
    let mut parts = vec![CardPart::Text(reply::home_lead(
        home.open,
        home.completed_today,
    ))];
    if !home.waiting.is_empty() || !home.troubles.is_empty() {
        parts.push(CardPart::Heading(reply::HOME_WAITING.to_owned()));
        let more = usize::try_from(home.waiting_count).unwrap_or_default();
        let more = more.saturating_sub(home.waiting.len());
        parts.extend(home.troubles.into_iter().map(CardPart::Text));
        parts.extend(home.waiting.into_iter().map(CardPart::Text));
        parts.extend(reply::home_more(more).map(CardPart::Text));
    }
    let listed = home.queue.len() + usize::from(home.current.is_some());
    if let Some(current) = home.current {
        parts.push(CardPart::Heading(reply::HOME_CURRENT.to_owned()));
        parts.push(CardPart::Card(current));
    }
    parts.push(CardPart::Heading(reply::HOME_QUEUE.to_owned()));
    if home.queue.is_empty() && home.open == 0 {
        parts.push(CardPart::Text(home.empty));
    } else if home.queue.is_empty() {
        parts.push(CardPart::Text(reply::home_nothing_else()));
    }
    parts.extend(home.queue.into_iter().map(behind).map(CardPart::Card));
    parts.extend(reply::home_more(home.open.saturating_sub(listed)).map(CardPart::Text));
    parts.push(CardPart::Heading(reply::HOME_ACCOUNTS.to_owned()));
    parts.push(CardPart::Text(lines(home.accounts)));
    if !home.unlinked.is_empty() {
        parts.push(CardPart::Buttons(link_buttons(&home.unlinked)));
    }
    parts.push(CardPart::Heading(reply::HOME_SETTINGS.to_owned()));
    let settings = Settings {
        muted: home.muted,
        briefing: home.briefing,
        quiet: home.quiet,
        zone: home.zone,
        receipts: home.receipts,
        own: home.own,
    };
    parts.extend(settings.parts());
    parts
}

/// The settings of a person.
struct Settings {
    muted: bool,
    briefing: Option<NaiveTime>,
    quiet: Option<QuietHours>,
    zone: Tz,
    receipts: ReceiptMode,
    own: Vec<ScheduleSetting>,
}

impl Settings {
    /// Each setting as text, with its controls below.
    fn parts(self) -> Vec<CardPart> {
        let button = |label, press| Control::Button(Button::new(label, press));
        let time = |label: &str, picks, chosen| {
            Control::Time(Picker {
                label: label.to_owned(),
                picks,
                chosen,
            })
        };
        let notices = vec![match self.muted {
            true => button("Unmute", ButtonAction::Mute(false)),
            false => button("Mute", ButtonAction::Mute(true)),
        }];
        let mut briefing = vec![time("Briefing at", PickerSetting::Briefing, self.briefing)];
        if self.briefing.is_some() {
            briefing.push(button("Turn off", ButtonAction::Briefing(None)));
        }
        let mut quiet = match self.quiet {
            None => vec![button(
                "Quiet at night",
                ButtonAction::Quiet(Some(QuietHours::NIGHT)),
            )],
            Some(hours) => {
                vec![
                    time("From", PickerSetting::QuietFrom, Some(hours.from())),
                    time("Until", PickerSetting::QuietUntil, Some(hours.until())),
                    button("No quiet hours", ButtonAction::Quiet(None)),
                ]
            }
        };
        let mut receipts = vec![match self.receipts {
            ReceiptMode::Message => button(
                "Add reactions",
                ButtonAction::Receipts(ReceiptMode::Reactions),
            ),
            ReceiptMode::Reactions => button(
                "Messages only",
                ButtonAction::Receipts(ReceiptMode::Message),
            ),
        }];
        let own = |setting| self.own.contains(&setting);
        for (setting, controls) in [
            (ScheduleSetting::Briefing, &mut briefing),
            (ScheduleSetting::Quiet, &mut quiet),
            (ScheduleSetting::Receipts, &mut receipts),
        ] {
            if own(setting) {
                controls.push(button("Use team default", ButtonAction::Usual(setting)));
            }
        }
        let is_own = own(ScheduleSetting::Briefing);
        let briefing_is = reply::home_briefing(self.briefing, is_own, self.zone);
        let quiet_is = reply::home_quiet(self.quiet, own(ScheduleSetting::Quiet), self.zone);
        let receipts_are = reply::home_receipts(self.receipts, own(ScheduleSetting::Receipts));
        let rows = [
            (reply::home_notices(self.muted), notices),
            (briefing_is, briefing),
            (quiet_is, quiet),
            (receipts_are, receipts),
        ];
        rows.into_iter()
            .flat_map(|(words, controls)| [CardPart::Text(words), CardPart::Controls(controls)])
            .collect()
    }
}

/// The view for a person who may not give commands or is not configured: the reason.
pub fn nothing_for(why: Text) -> Vec<CardPart> {
    vec![
        CardPart::Heading(reply::HOME_NOBODY.to_owned()),
        CardPart::Text(why),
    ]
}

/// A card that is not the current task's, without a button to skip it.
fn behind(mut card: Card) -> Card {
    card.buttons
        .retain(|button| !matches!(button.press, ButtonAction::Next(_)));
    for button in &mut card.buttons {
        button.main = false;
    }
    card
}

fn lines(lines: Vec<Text>) -> Text {
    let mut words = Text::new();
    for (number, line) in lines.into_iter().enumerate() {
        if number > 0 {
            words = words.text("\n");
        }
        words = words.then(line);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::super::ids::TaskRow;
    use super::*;
    use crate::domain::card::TaskRef;
    use crate::domain::task::TaskKey;

    fn a_card(task: TaskRow) -> Card {
        let key = TaskRef::Key(TaskKey::clickup(format!("86a{task}")));
        Card {
            task,
            number: None,
            title: "Renew cert".into(),
            url: String::new(),
            facts: "ClickUp · to do".into(),
            note: None,
            why: None,
            line: None,
            struck: false,
            buttons: vec![
                Button {
                    main: true,
                    ..Button::new("Done", ButtonAction::Done(key.clone()))
                },
                Button::new("Next", ButtonAction::Next(key)),
            ],
        }
    }

    fn labels(parts: &[CardPart]) -> Vec<Vec<&str>> {
        parts
            .iter()
            .filter_map(|part| match part {
                CardPart::Card(card) => Some(card.buttons.as_slice()),
                CardPart::Buttons(buttons) => Some(buttons.as_slice()),
                _ => None,
            })
            .map(|buttons| buttons.iter().map(|one| one.label.as_str()).collect())
            .collect()
    }

    /// The controls, one row each; for a time, the chosen one.
    fn controls(parts: &[CardPart]) -> Vec<Vec<String>> {
        let rows = parts.iter().filter_map(|part| match part {
            CardPart::Controls(controls) => Some(controls),
            _ => None,
        });
        rows.map(|row| {
            row.iter()
                .map(|one| match one {
                    Control::Button(button) => format!("{} {}", button.label, button.press),
                    Control::Time(picker) => format!("{} {:?}", picker.picks, picker.chosen),
                })
                .collect()
        })
        .collect()
    }

    fn nothing() -> Home {
        Home {
            current: None,
            queue: Vec::new(),
            open: 0,
            empty: Text::new(),
            unlinked: Vec::new(),
            completed_today: 0,
            waiting: Vec::new(),
            waiting_count: 0,
            troubles: Vec::new(),
            accounts: Vec::new(),
            muted: false,
            briefing: None,
            quiet: None,
            zone: Tz::UTC,
            receipts: ReceiptMode::Message,
            own: Vec::new(),
        }
    }

    #[test]
    fn everything_can_be_set_and_set_back() {
        let at = |hour| NaiveTime::from_hms_opt(hour, 0, 0).unwrap();
        assert_eq!(
            controls(&parts(nothing())),
            [
                vec!["Mute mute:on"],
                vec!["pick:briefing None"],
                vec!["Quiet at night quiet:20:00-08:00"],
                vec!["Add reactions receipts:reactions"],
            ]
        );
        let all = Home {
            muted: true,
            briefing: Some(at(8)),
            quiet: Some(QuietHours::NIGHT),
            receipts: ReceiptMode::Reactions,
            own: vec![ScheduleSetting::Briefing, ScheduleSetting::Receipts],
            ..nothing()
        };
        assert_eq!(
            controls(&parts(all)),
            [
                vec!["Unmute mute:off"],
                vec![
                    "pick:briefing Some(08:00:00)",
                    "Turn off briefing:off",
                    "Use team default usual:briefing"
                ],
                vec![
                    "pick:quiet_from Some(20:00:00)",
                    "pick:quiet_until Some(08:00:00)",
                    "No quiet hours quiet:off"
                ],
                vec![
                    "Messages only receipts:message",
                    "Use team default usual:receipts"
                ],
            ]
        );
    }

    #[test]
    fn only_the_current_task_is_moved_on_from() {
        let home = Home {
            current: Some(a_card(TaskRow(1))),
            queue: vec![a_card(TaskRow(2))],
            open: 2,
            ..nothing()
        };
        let parts = parts(home);
        assert_eq!(labels(&parts), [vec!["Done", "Next"], vec!["Done"]]);
    }

    #[test]
    fn what_is_not_shown_is_counted() {
        let home = Home {
            queue: vec![a_card(TaskRow(2))],
            open: 3,
            waiting: vec![Text::new().text("Comment queued")],
            waiting_count: 2,
            muted: true,
            ..nothing()
        };
        let said: Vec<String> = parts(home)
            .iter()
            .filter_map(|part| match part {
                CardPart::Text(words) => Some(words.plain()),
                _ => None,
            })
            .collect();
        assert!(said.contains(&"and 1 more".to_owned()), "{said:?}");
        assert!(said.contains(&"and 2 more".to_owned()), "{said:?}");
    }

    #[test]
    fn an_empty_queue_says_why() {
        let home = Home {
            empty: Text::new().text("Your queue is empty."),
            ..nothing()
        };
        assert!(parts(home).contains(&CardPart::Text(Text::new().text("Your queue is empty."))));
    }
}
