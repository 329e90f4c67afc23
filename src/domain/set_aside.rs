//! Work that a start begins again by itself, and the texts about work that ended the process twice.

use std::fmt;

use chrono::{DateTime, Duration, Utc};
use chrono_tz::Tz;

use super::ids::{DeliveryId, EventId, MessageId, PersonId, ReactionId};
use super::reply::Text;
use super::task::Source;

/// The number of unclean ends after which the work that was under way at them is set aside.
pub const ENDS_MAX: i64 = 2;
/// The first pause of recurring work; it doubles with each further unclean end.
const REST_FIRST: Duration = Duration::minutes(1);
/// The longest pause.
const REST_MAX: Duration = Duration::hours(6);
/// How many pieces of work `status` lists.
pub const LISTED_MAX: usize = 20;

/// A piece of work that a start begins again: from the store, or because a source or Slack shows the same again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Work {
    /// A message, a press or a form from Slack.
    Message(EventId),
    /// A webhook delivery.
    Delivery(DeliveryId),
    /// A write to a source, by its operation id.
    Operation(String),
    /// A message of ours, to be posted or updated.
    Post(MessageId),
    /// A reaction of ours.
    Reaction(ReactionId),
    /// A person's Home tab, by their Slack id.
    Home(String),
    /// The history of a DM, read after an outage.
    History(String),
    /// A person's briefing or their held notices.
    Briefing(PersonId),
    /// A poll of a source.
    Poll(Source),
    /// Reading the comments of single tasks of a source, between polls.
    Comments(Source),
    /// A check of a source's webhooks and their failed deliveries.
    Webhooks(Source),
    /// Reading the data that a source's payloads are parsed with.
    Payloads(Source),
}

impl Work {
    /// The name of its kind in the store and in ids: `message`, `poll`.
    pub fn kind(&self) -> &'static str {
        match self {
            Work::Message(_) => "message",
            Work::Delivery(_) => "delivery",
            Work::Operation(_) => "operation",
            Work::Post(_) => "post",
            Work::Reaction(_) => "reaction",
            Work::Home(_) => "home",
            Work::History(_) => "history",
            Work::Briefing(_) => "briefing",
            Work::Poll(_) => "poll",
            Work::Comments(_) => "comments",
            Work::Webhooks(_) => "webhooks",
            Work::Payloads(_) => "payloads",
        }
    }

    /// Its identity among its kind.
    pub fn item(&self) -> String {
        match self {
            Work::Message(id) => id.to_string(),
            Work::Delivery(id) => id.to_string(),
            Work::Post(id) => id.to_string(),
            Work::Reaction(id) => id.to_string(),
            Work::Briefing(id) => id.to_string(),
            Work::Operation(id) | Work::Home(id) | Work::History(id) => id.clone(),
            Work::Poll(source)
            | Work::Comments(source)
            | Work::Webhooks(source)
            | Work::Payloads(source) => source.to_string(),
        }
    }

    /// The work of a kind.
    pub fn of(kind: &str, item: &str) -> Option<Work> {
        let source = || Source::parse(item);
        let text = || (!item.is_empty()).then(|| item.to_owned());
        Some(match kind {
            "message" => Work::Message(item.parse().ok()?),
            "delivery" => Work::Delivery(item.parse().ok()?),
            "operation" => Work::Operation(text()?),
            "post" => Work::Post(item.parse().ok()?),
            "reaction" => Work::Reaction(item.parse().ok()?),
            "home" => Work::Home(text()?),
            "history" => Work::History(text()?),
            "briefing" => Work::Briefing(item.parse().ok()?),
            "poll" => Work::Poll(source()?),
            "comments" => Work::Comments(source()?),
            "webhooks" => Work::Webhooks(source()?),
            "payloads" => Work::Payloads(source()?),
            _ => return None,
        })
    }

    /// Parses the id that `status` shows: `message-12`, or the operation id of an operation.
    pub fn parse(id: &str) -> Option<Work> {
        match id.split_once('-') {
            Some((kind, item)) if kind != "operation" => Work::of(kind, item),
            Some(_) => None,
            None => Work::of("operation", id),
        }
    }

    /// Whether it recurs by itself: it pauses for a while and is then tried again.
    pub fn comes_again(&self) -> bool {
        match self {
            Work::Message(_)
            | Work::Delivery(_)
            | Work::Operation(_)
            | Work::Post(_)
            | Work::Reaction(_)
            | Work::Home(_) => false,
            Work::History(_)
            | Work::Briefing(_)
            | Work::Poll(_)
            | Work::Comments(_)
            | Work::Webhooks(_)
            | Work::Payloads(_) => true,
        }
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Work::Operation(id) => f.write_str(id),
            other => write!(f, "{}-{}", other.kind(), other.item()),
        }
    }
}

/// Work that is set aside, as `status` lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// The work. Its `Display` is the id for `ivan retry`.
    pub work: Work,
    /// A description without any person's text: `a comment in GitHub, asked for by Ana`.
    pub about: String,
    /// The number of unclean ends at which it was under way.
    pub ends: i64,
    /// The time of the start that set it aside.
    pub since: DateTime<Utc>,
    /// The time when it is tried again by itself; `None` if only `retry` does that.
    pub until: Option<DateTime<Utc>>,
}

/// The pause of recurring work.
pub fn rest(ends: i64) -> Duration {
    let doublings = u32::try_from(ends - ENDS_MAX).unwrap_or(0).min(16);
    (REST_FIRST * 2_i32.pow(doublings)).min(REST_MAX)
}

/// The end of a text about set-aside work: whether the operators were told.
fn told(operators: bool, id: &str) -> Text {
    match operators {
        true => Text::new().text(" I've told the operators."),
        false => Text::new()
            .text(" An operator can retry it with ")
            .code(format!("ivan retry {id}"))
            .text("."),
    }
}

/// The message to a person about their work that is set aside; `what` follows "Not finished: ".
pub fn to_its_person(what: Text, operators: bool, id: &str) -> Text {
    Text::new()
        .text("✗ Not finished: ")
        .then(what)
        .text(" crashed me twice, so I set it aside.")
        .then(told(operators, id))
}

/// The reason stored with an unfinished operation.
pub fn why(operators: bool, id: &str) -> String {
    format!(
        "It crashed me twice, so I set it aside.{}",
        told(operators, id).plain()
    )
}

/// The reason for an unfinished undo whose command is set aside.
pub const BEHIND: &str = "The command to undo is set aside, so this waits until that is retried";

/// The message to operators about work that is set aside.
pub fn to_operators(set_aside: &SetAside, zone: Tz) -> Text {
    let SetAside {
        work, about, ends, ..
    } = set_aside;
    let words = Text::new()
        .text("✗ I crashed ")
        .text(match ends {
            ..=2 => "twice".to_owned(),
            more => format!("{more} times"),
        })
        .text(" during this work: ")
        .said(about)
        .text(". I set it aside and went on with everything else. ");
    let words = match set_aside.until {
        Some(until) => words
            .text("Next try at ")
            .moment(until, zone)
            .text(", or now with "),
        None => words.text("Retry it with "),
    };
    words
        .code(format!("ivan retry {work}"))
        .text("; ")
        .code("ivan status")
        .text(" lists such work, and the log before the last two starts may show the cause.")
}

/// The message that recurring work succeeded after it had been set aside.
pub fn went_well(about: &str) -> Text {
    Text::new()
        .text("✓ Worked this time: ")
        .said(about)
        .text(". It is no longer set aside.")
}

/// The part of `status` about work that is set aside.
pub fn listed(all: &[SetAside], zone: Tz) -> Option<Text> {
    if all.is_empty() {
        return None;
    }
    let mut words = Text::new().text("\nSet aside after two crashes:");
    for one in all.iter().take(LISTED_MAX) {
        words = words
            .text("\n✗ ")
            .code(one.work.to_string())
            .text(" ")
            .said(&one.about)
            .text(", since ")
            .moment(one.since, zone);
        if let Some(until) = one.until {
            words = words.text("; next try at ").moment(until, zone);
        }
    }
    if all.len() > LISTED_MAX {
        words = words.text(format!("\nand {} more", all.len() - LISTED_MAX));
    }
    Some(words.text("\n").code("ivan retry ID").text(" retries one."))
}

/// The answer to `retry`.
pub fn tried_again(about: &str) -> Text {
    Text::new()
        .text("✓ Retrying: ")
        .said(about)
        .text(". ")
        .code("ivan status")
        .text(" shows whether it worked.")
}

/// The answer to `retry` for an unknown id.
pub fn nothing_set_aside(id: &str) -> Text {
    Text::new()
        .text("Nothing with the id ")
        .code(id.chars().take(80).collect::<String>())
        .text(" is set aside. ")
        .code("ivan status")
        .text(" lists such work.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_kind() -> [Work; 12] {
        [
            Work::Message(EventId(12)),
            Work::Delivery(DeliveryId(7)),
            Work::Operation("01KDVZBG003YBZ0GX3ZV3RB6R9".to_owned()),
            Work::Post(MessageId(5)),
            Work::Reaction(ReactionId(3)),
            Work::Home("U0ANA01".to_owned()),
            Work::History("D0ANA01".to_owned()),
            Work::Briefing(PersonId(2)),
            Work::Poll(Source::GitHub),
            Work::Comments(Source::ClickUp),
            Work::Webhooks(Source::GitHub),
            Work::Payloads(Source::ClickUp),
        ]
    }

    #[test]
    fn an_id_that_is_shown_is_one_that_is_read() {
        for work in every_kind() {
            assert_eq!(Work::parse(&work.to_string()), Some(work.clone()));
            assert_eq!(Work::of(work.kind(), &work.item()), Some(work));
        }
        assert_eq!(Work::Message(EventId(12)).to_string(), "message-12");
        assert_eq!(Work::Poll(Source::GitHub).to_string(), "poll-github");
        for id in [
            "",
            "message-",
            "message-x",
            "poll-jira",
            "stars-1",
            "operation-1",
        ] {
            assert_eq!(Work::parse(id), None, "{id}");
        }
    }

    #[test]
    fn rests_double_up_to_the_longest() {
        let minutes = |ends| rest(ends).num_minutes();
        assert_eq!([2, 3, 4, 10, 11, 60].map(minutes), [1, 2, 4, 256, 360, 360]);
        assert_eq!(minutes(0), 1);
    }

    #[test]
    fn people_and_operators_are_told_in_plain_words() {
        let command = Text::new().text("your command ").code("done #1");
        assert_eq!(
            to_its_person(command.clone(), true, "message-12").plain(),
            "✗ Not finished: your command done #1 crashed me twice, so I set it aside. I've told the operators."
        );
        assert_eq!(
            to_its_person(command, false, "message-12").plain(),
            "✗ Not finished: your command done #1 crashed me twice, so I set it aside. An operator can retry it with \
             ivan retry message-12."
        );
        let mut set_aside = SetAside {
            work: Work::Message(EventId(12)),
            about: "a message of Ana".to_owned(),
            ends: 2,
            since: DateTime::UNIX_EPOCH,
            until: None,
        };
        assert_eq!(
            to_operators(&set_aside, Tz::UTC).plain(),
            "✗ I crashed twice during this work: a message of Ana. I set it aside and went on with everything else. \
             Retry it with ivan retry message-12; ivan status lists such work, and the log before the last two starts \
             may show the cause."
        );
        set_aside.until = Some(DateTime::UNIX_EPOCH + Duration::hours(1));
        let words = to_operators(&set_aside, Tz::UTC).plain();
        assert!(words.contains("Next try at "), "{words}");
        let many = vec![set_aside; LISTED_MAX + 3];
        let words = listed(&many, Tz::UTC).unwrap().plain();
        assert!(words.contains("\nand 3 more\n"), "{words}");
        assert_eq!(listed(&[], Tz::UTC), None);
    }
}
