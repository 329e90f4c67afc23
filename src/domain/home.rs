//! The Home tab, which a person sees when they open Ivan in Slack.
//!
//! The mailbox gathers the content in a [`Home`], this module turns it into [`Part`]s, and `slack/home.rs` publishes them.

use chrono::NaiveTime;
use chrono_tz::Tz;

use super::card::{Button, Card, Control, Part, Picker, Picks, Press};
use super::receipts::Receipts;
use super::reply::{self, Words};
use super::rhythm::{Quiet, Setting};

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
    pub empty: Words,
    /// Completed through Ivan since midnight.
    pub completed_today: i64,
    /// Operations without an outcome, and why.
    pub waiting: Vec<Words>,
    /// The number of all those operations.
    pub waiting_count: i64,
    /// Sources that cannot be read, and why.
    pub troubles: Vec<Words>,
    /// The person's account in each system.
    pub accounts: Vec<Words>,
    pub muted: bool,
    /// The time at which they want a briefing.
    pub briefing: Option<NaiveTime>,
    pub quiet: Option<Quiet>,
    /// The zone of both times.
    pub zone: Tz,
    pub receipts: Receipts,
    /// The settings of their own; all others follow bot.toml.
    pub own: Vec<Setting>,
    /// The team settings of bot.toml.
    pub settings: Vec<Words>,
}

/// The Home tab from top to bottom. The least important parts are last, because the end is cut if there is no room.
pub fn parts(home: Home) -> Vec<Part> {
    let mut parts = vec![Part::Text(reply::home_lead(
        home.open,
        home.completed_today,
    ))];
    if !home.waiting.is_empty() || !home.troubles.is_empty() {
        parts.push(Part::Heading(reply::HOME_WAITING.to_owned()));
        let more = usize::try_from(home.waiting_count).unwrap_or_default();
        let more = more.saturating_sub(home.waiting.len());
        parts.extend(home.troubles.into_iter().map(Part::Text));
        parts.extend(home.waiting.into_iter().map(Part::Text));
        parts.extend(reply::home_more(more).map(Part::Text));
    }
    let listed = home.queue.len() + usize::from(home.current.is_some());
    if let Some(current) = home.current {
        parts.push(Part::Heading(reply::HOME_CURRENT.to_owned()));
        parts.push(Part::Card(current));
    }
    parts.push(Part::Heading(reply::HOME_QUEUE.to_owned()));
    if home.queue.is_empty() && home.open == 0 {
        parts.push(Part::Text(home.empty));
    } else if home.queue.is_empty() {
        parts.push(Part::Text(reply::home_nothing_else()));
    }
    parts.extend(home.queue.into_iter().map(behind).map(Part::Card));
    parts.extend(reply::home_more(home.open.saturating_sub(listed)).map(Part::Text));
    parts.push(Part::Heading(reply::HOME_ACCOUNTS.to_owned()));
    parts.push(Part::Text(lines(home.accounts)));
    parts.push(Part::Heading(reply::HOME_SETTINGS.to_owned()));
    let settings = Settings {
        muted: home.muted,
        briefing: home.briefing,
        quiet: home.quiet,
        zone: home.zone,
        receipts: home.receipts,
        own: home.own,
    };
    parts.extend(settings.parts());
    parts.push(Part::Text(lines(home.settings)));
    parts
}

/// The settings of a person.
struct Settings {
    muted: bool,
    briefing: Option<NaiveTime>,
    quiet: Option<Quiet>,
    zone: Tz,
    receipts: Receipts,
    own: Vec<Setting>,
}

impl Settings {
    /// Each setting as text, with its controls below.
    fn parts(self) -> Vec<Part> {
        let button = |label, press| Control::Button(Button::new(label, press));
        let time = |label: &str, picks, chosen| {
            Control::Time(Picker {
                label: label.to_owned(),
                picks,
                chosen,
            })
        };
        let notices = vec![match self.muted {
            true => button("Unmute", Press::Mute(false)),
            false => button("Mute", Press::Mute(true)),
        }];
        let mut briefing = vec![time("Briefing at", Picks::Briefing, self.briefing)];
        if self.briefing.is_some() {
            briefing.push(button("No briefing", Press::Briefing(None)));
        }
        let mut quiet = match self.quiet {
            None => vec![button("Quiet nights", Press::Quiet(Some(Quiet::NIGHT)))],
            Some(hours) => {
                vec![
                    time("From", Picks::QuietFrom, Some(hours.from())),
                    time("Until", Picks::QuietUntil, Some(hours.until())),
                    button("No quiet hours", Press::Quiet(None)),
                ]
            }
        };
        let mut receipts = vec![match self.receipts {
            Receipts::Message => button("Reactions too", Press::Receipts(Receipts::Reactions)),
            Receipts::Reactions => button("Messages only", Press::Receipts(Receipts::Message)),
        }];
        let own = |setting| self.own.contains(&setting);
        for (setting, controls) in [
            (Setting::Briefing, &mut briefing),
            (Setting::Quiet, &mut quiet),
            (Setting::Receipts, &mut receipts),
        ] {
            if own(setting) {
                controls.push(button("As for everybody", Press::Usual(setting)));
            }
        }
        let is_own = own(Setting::Briefing);
        let briefing_is = reply::home_briefing(self.briefing, is_own, self.zone);
        let quiet_is = reply::home_quiet(self.quiet, own(Setting::Quiet), self.zone);
        let receipts_are = reply::home_receipts(self.receipts, own(Setting::Receipts));
        let rows = [
            (reply::home_notices(self.muted), notices),
            (briefing_is, briefing),
            (quiet_is, quiet),
            (receipts_are, receipts),
        ];
        rows.into_iter()
            .flat_map(|(words, controls)| [Part::Text(words), Part::Controls(controls)])
            .collect()
    }
}

/// The view for a person who may not give commands or is not configured: the reason.
pub fn nothing_for(why: &str) -> Vec<Part> {
    vec![
        Part::Heading(reply::HOME_NOBODY.to_owned()),
        Part::Text(Words::new().text(why)),
    ]
}

/// A card that is not the current task's, without a button to skip it.
fn behind(mut card: Card) -> Card {
    card.buttons
        .retain(|button| !matches!(button.press, Press::Next(_)));
    for button in &mut card.buttons {
        button.main = false;
    }
    card
}

fn lines(lines: Vec<Words>) -> Words {
    let mut words = Words::new();
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
                    ..Button::new("Done", Press::Done(key.clone()))
                },
                Button::new("Next", Press::Next(key)),
            ],
        }
    }

    fn labels(parts: &[Part]) -> Vec<Vec<&str>> {
        parts
            .iter()
            .filter_map(|part| match part {
                Part::Card(card) => Some(card.buttons.as_slice()),
                Part::Buttons(buttons) => Some(buttons.as_slice()),
                _ => None,
            })
            .map(|buttons| buttons.iter().map(|one| one.label.as_str()).collect())
            .collect()
    }

    /// The controls, one row each; for a time, the chosen one.
    fn controls(parts: &[Part]) -> Vec<Vec<String>> {
        let rows = parts.iter().filter_map(|part| match part {
            Part::Controls(controls) => Some(controls),
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
            empty: Words::new(),
            completed_today: 0,
            waiting: Vec::new(),
            waiting_count: 0,
            troubles: Vec::new(),
            accounts: Vec::new(),
            muted: false,
            briefing: None,
            quiet: None,
            zone: Tz::UTC,
            receipts: Receipts::Message,
            own: Vec::new(),
            settings: Vec::new(),
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
                vec!["Quiet nights quiet:20:00-08:00"],
                vec!["Reactions too receipts:reactions"],
            ]
        );
        let all = Home {
            muted: true,
            briefing: Some(at(8)),
            quiet: Some(Quiet::NIGHT),
            receipts: Receipts::Reactions,
            own: vec![Setting::Briefing, Setting::Receipts],
            ..nothing()
        };
        assert_eq!(
            controls(&parts(all)),
            [
                vec!["Unmute mute:off"],
                vec![
                    "pick:briefing Some(08:00:00)",
                    "No briefing briefing:off",
                    "As for everybody usual:briefing"
                ],
                vec![
                    "pick:quiet_from Some(20:00:00)",
                    "pick:quiet_until Some(08:00:00)",
                    "No quiet hours quiet:off"
                ],
                vec![
                    "Messages only receipts:message",
                    "As for everybody usual:receipts"
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
            waiting: vec![Words::new().text("Comment queued")],
            waiting_count: 2,
            muted: true,
            ..nothing()
        };
        let said: Vec<String> = parts(home)
            .iter()
            .filter_map(|part| match part {
                Part::Text(words) => Some(words.plain()),
                _ => None,
            })
            .collect();
        assert!(said.contains(&"and 1 more".to_owned()), "{said:?}");
        assert!(said.contains(&"and 2 more".to_owned()), "{said:?}");
    }

    #[test]
    fn an_empty_queue_says_why() {
        let home = Home {
            empty: Words::new().text("Your queue is empty."),
            ..nothing()
        };
        assert!(parts(home).contains(&Part::Text(Words::new().text("Your queue is empty."))));
    }
}
