//! People: their accounts, their settings, and the log of their activity.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::commands::{Identity, LogPage, ReceiptsView, ScheduleView};
use crate::domain::ids::EntryId;
use crate::domain::link::{AccountLink, LinkOrigin};
use crate::domain::log::{ActivityResult, Entry, Via};
use crate::domain::receipts::ReceiptMode;
use crate::domain::task::{Source, TaskId};

/// A person's identity.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Whoami)]
pub struct WhoamiAnswer {
    /// The same as text, with the missing links.
    message: String,
    name: String,
    slack: Option<String>,
    /// Whether Ivan has one user only, without `[[people]]`. Then no accounts are needed.
    alone: bool,
    accounts: Vec<LinkedAccount>,
}

/// The people.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = People)]
pub struct PeopleAnswer {
    people: Vec<NamedPerson>,
}

/// A person whom others can name.
#[derive(Debug, Serialize, ToSchema)]
pub struct NamedPerson {
    name: String,
}

impl PeopleAnswer {
    pub(in crate::http) fn of(names: Vec<String>) -> PeopleAnswer {
        let people = names.into_iter().map(|name| NamedPerson { name });
        PeopleAnswer {
            people: people.collect(),
        }
    }
}

/// A configured source, and the person's account there.
#[derive(Debug, Serialize, ToSchema)]
pub struct LinkedAccount {
    source: Source,
    id: Option<String>,
    name: Option<String>,
    #[schema(value_type = Option<LinkOrigin>)]
    origin: Option<&'static str>,
    linked_by: Option<String>,
    linked_at: Option<DateTime<Utc>>,
    confirmed_at: Option<DateTime<Utc>>,
    /// Whether the source no longer has the account.
    gone: bool,
}

impl LinkedAccount {
    fn of((source, known): &(Source, Option<AccountLink>)) -> LinkedAccount {
        let known = known.as_ref();
        let linked = known.filter(|link| link.origin != LinkOrigin::Unlinked);
        LinkedAccount {
            source: *source,
            id: linked.and_then(|link| link.id.clone()),
            name: linked.map(|link| link.shown().to_owned()),
            origin: known.map(|link| link.origin.as_str()),
            linked_by: known.and_then(|link| link.by.clone()),
            linked_at: known.and_then(|link| link.at),
            confirmed_at: linked.and_then(|link| link.seen_at),
            gone: linked.is_some_and(|link| link.gone),
        }
    }
}

impl From<Identity> for WhoamiAnswer {
    fn from(identity: Identity) -> WhoamiAnswer {
        let accounts = match identity.person.alone {
            true => Vec::new(),
            false => identity.accounts.iter().map(LinkedAccount::of).collect(),
        };
        WhoamiAnswer {
            message: identity.message.plain(),
            name: identity.person.name,
            slack: identity.person.slack,
            alone: identity.person.alone,
            accounts,
        }
    }
}

/// A person's schedule of unasked messages.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Rhythm)]
pub struct ScheduleAnswer {
    /// The change, or the current setting.
    message: String,
    #[schema(examples("08:30"))]
    briefing: Option<String>,
    next_briefing: Option<DateTime<Utc>>,
    #[schema(examples("20:00-08:00"))]
    quiet: Option<String>,
    own: OwnSchedule,
    /// The person's time zone, as last reported by Slack.
    #[schema(examples("Europe/Madrid"))]
    zone: &'static str,
    /// Notices that wait for the end of quiet hours.
    #[schema(minimum = 0)]
    held: i64,
}

/// Whether each setting is the person's own choice.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OwnRhythm)]
pub struct OwnSchedule {
    /// Whether it is their own choice; else it is `slack.briefing`.
    briefing: bool,
    /// Whether it is their own choice; else it is `slack.quiet`.
    quiet: bool,
}

impl From<ScheduleView> for ScheduleAnswer {
    fn from(view: ScheduleView) -> ScheduleAnswer {
        ScheduleAnswer {
            message: view.message.plain(),
            briefing: view.briefing.map(|at| at.format("%H:%M").to_string()),
            next_briefing: view.next_briefing,
            quiet: view.quiet.map(|quiet| quiet.to_string()),
            own: OwnSchedule {
                briefing: view.own_briefing,
                quiet: view.own_quiet,
            },
            zone: view.zone.name(),
            held: view.held,
        }
    }
}

/// How a person learns of outcomes in Slack.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Receipts)]
pub struct ReceiptsAnswer {
    /// The change, or the current setting.
    message: String,
    receipts: ReceiptMode,
    /// Whether it is their own choice; else it is `slack.receipts`.
    own: bool,
}

impl From<ReceiptsView> for ReceiptsAnswer {
    fn from(view: ReceiptsView) -> ReceiptsAnswer {
        ReceiptsAnswer {
            message: view.message.plain(),
            receipts: view.receipts,
            own: view.own,
        }
    }
}

/// A page of the log, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LogPage)]
pub struct LogAnswer {
    entries: Vec<LogEntry>,
    /// The `cursor` of the next page; null on the last page.
    next_cursor: Option<String>,
}

impl From<LogPage> for LogAnswer {
    fn from(page: LogPage) -> LogAnswer {
        LogAnswer {
            entries: page.entries.into_iter().map(LogEntry::from).collect(),
            next_cursor: page.next_cursor,
        }
    }
}

/// One activity.
#[derive(Debug, Serialize, ToSchema)]
pub struct LogEntry {
    /// The number of the entry.
    #[schema(minimum = 1, value_type = i64)]
    id: Option<EntryId>,
    /// The time of the request; for activity at a source, by its clock.
    at: DateTime<Utc>,
    /// The person of `[[people]]` who did it.
    person: Option<String>,
    /// The account, for activity at a source.
    account: Option<String>,
    #[schema(value_type = Via)]
    surface: &'static str,
    /// The name of the API token in `[[api.tokens]]`; `null` for the single token, and elsewhere.
    token: Option<String>,
    #[schema(examples(
        "done",
        "comment",
        "create",
        "start",
        "snooze",
        "reopen",
        "undo",
        "completed",
        "commented",
        "rescheduled",
        "prioritized",
        "renamed",
        "deleted"
    ))]
    verb: String,
    #[schema(value_type = ActivityResult)]
    outcome: &'static str,
    source: Option<Source>,
    #[schema(value_type = Option<TaskId>)]
    task_id: Option<String>,
    title: String,
    url: String,
    /// In the source's words.
    before: Option<String>,
    /// In the source's words; for a snooze, its end; for a due date, an RFC 3339 time or a day.
    after: Option<String>,
    /// The comment's text, shortened to 300 characters.
    text: Option<String>,
    /// Why it failed.
    detail: Option<String>,
}

impl From<Entry> for LogEntry {
    fn from(entry: Entry) -> LogEntry {
        LogEntry {
            id: entry.id,
            at: entry.at,
            person: entry.person,
            account: entry.account,
            surface: entry.via.as_str(),
            token: entry.token,
            verb: entry.verb,
            outcome: entry.came.as_str(),
            source: entry.source,
            task_id: entry.task,
            title: entry.title,
            url: entry.url,
            before: entry.change.before,
            after: entry.change.after,
            text: entry.change.text,
            detail: entry.detail,
        }
    }
}
