//! The Home tab: what a person finds when they open Ivan in Slack.
//!
//! The desk gathers what is in a [`Home`], here it becomes [`Part`]s, and `slack/home.rs` publishes them.

use chrono::NaiveTime;

use super::card::{Button, Card, Part, Press};
use super::reply::{self, Words};
use super::rhythm::Quiet;

/// Tasks of the queue that have a card there.
pub const CARDS_MAX: usize = 15;
/// Hours at which a button offers a briefing; any other time is typed.
const BRIEFINGS: [u32; 3] = [7, 8, 9];
/// Operations that are named; of more, only how many.
pub const WAITING_MAX: usize = 5;

/// What a Home tab shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Home {
    /// The current task's.
    pub current: Option<Card>,
    /// Those behind it, in order.
    pub queue: Vec<Card>,
    /// All open tasks of the queue.
    pub open: usize,
    /// What is said where there is none.
    pub empty: Words,
    /// Completed through Ivan since midnight.
    pub completed_today: i64,
    /// What has no outcome yet, and why.
    pub waiting: Vec<Words>,
    /// How many those are in all.
    pub waiting_count: i64,
    /// Sources that cannot be read, and why.
    pub troubles: Vec<Words>,
    /// Who the person is to each system.
    pub accounts: Vec<Words>,
    pub muted: bool,
    /// At what time they want a briefing.
    pub briefing: Option<NaiveTime>,
    pub quiet: Option<Quiet>,
    /// Both in words.
    pub rhythm: Vec<Words>,
    /// What bot.toml has chosen for all.
    pub settings: Vec<Words>,
}

/// The Home tab from top to bottom. What matters least stands last: there what has no room is left out.
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
    parts.push(Part::Text(lines(
        [reply::home_notices(home.muted)]
            .into_iter()
            .chain(home.rhythm)
            .chain(home.settings)
            .collect(),
    )));
    let label = match home.muted {
        true => "Unmute",
        false => "Mute",
    };
    let mut buttons = vec![Button::new(label, Press::Mute(!home.muted))];
    for hour in BRIEFINGS {
        let at = NaiveTime::from_hms_opt(hour, 0, 0);
        if at.is_some() && at != home.briefing {
            buttons.push(Button::new(
                &format!("Briefing {hour}:00"),
                Press::Briefing(at),
            ));
        }
    }
    if home.briefing.is_some() {
        buttons.push(Button::new("No briefing", Press::Briefing(None)));
    }
    buttons.push(match home.quiet {
        None => Button::new("Quiet nights", Press::Quiet(Some(Quiet::NIGHT))),
        Some(_) => Button::new("No quiet hours", Press::Quiet(None)),
    });
    parts.push(Part::Buttons(buttons));
    parts
}

/// For somebody who may not command, or whom nobody has named: why there is nothing here.
pub fn nothing_for(why: &str) -> Vec<Part> {
    vec![
        Part::Heading(reply::HOME_NOBODY.to_owned()),
        Part::Text(Words::new().text(why)),
    ]
}

/// A card that is not the current task's: there is nothing to move on from.
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
    use super::*;

    fn a_card(task: i64) -> Card {
        Card {
            task,
            number: None,
            title: "Renew cert".into(),
            url: String::new(),
            facts: "ClickUp · to do".into(),
            why: None,
            line: None,
            struck: false,
            buttons: vec![
                Button {
                    main: true,
                    ..Button::new("Done", Press::Done(task))
                },
                Button::new("Next", Press::Next(task)),
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

    #[test]
    fn only_the_current_task_is_moved_on_from() {
        let home = Home {
            current: Some(a_card(1)),
            queue: vec![a_card(2)],
            open: 2,
            ..Home::default()
        };
        let parts = parts(home);
        assert_eq!(
            labels(&parts),
            [
                vec!["Done", "Next"],
                vec!["Done"],
                vec![
                    "Mute",
                    "Briefing 7:00",
                    "Briefing 8:00",
                    "Briefing 9:00",
                    "Quiet nights"
                ]
            ]
        );
    }

    #[test]
    fn what_is_not_shown_is_counted() {
        let home = Home {
            queue: vec![a_card(2)],
            open: 3,
            waiting: vec![Words::new().text("Comment queued")],
            waiting_count: 2,
            muted: true,
            ..Home::default()
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
            ..Home::default()
        };
        assert!(parts(home).contains(&Part::Text(Words::new().text("Your queue is empty."))));
    }
}
