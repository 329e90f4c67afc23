//! The Home tabs that people have open, with their current content.
//!
//! `slack/home.rs` is woken whenever the content may have changed. It fetches the tabs here and publishes those that
//! differ.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use chrono::{DateTime, Duration, Utc};

use super::{Inner, Mailbox, WaitingMessage};
use crate::command_tx::why_empty;
use crate::commands::person_of;
use crate::completion::{open, shown};
use crate::domain::card::{Card, CardPart, card};
use crate::domain::home::{self, CARDS_MAX, Home, WAITING_MAX};
use crate::domain::person::{NotAllowed, Person, SlackMember};
use crate::domain::reply::{self, Text};
use crate::domain::schedule::ScheduleSetting;
use crate::domain::score::day_begins;
use crate::domain::task::{Source, TaskStatus};
use crate::store::{
    Db, DbResult, StoreError, Wake, access, homes, operations, people, schedules, slack_events,
    tasks,
};
use crate::verbs::morning::waiting;

/// How long a Home tab is kept up to date after it was opened.
const KEPT_UP_FOR: Duration = Duration::hours(24);

/// A Home tab to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HomeTab {
    /// Slack id.
    pub user: String,
    /// The content, from top to bottom.
    pub parts: Vec<CardPart>,
    /// Whether it is to be published even if unchanged, because it was opened.
    pub due: bool,
    /// The version to pass to `home_published`.
    pub version: i64,
    /// The last values passed to `home_published`.
    pub digest: Option<String>,
    /// Slack's hash of the last published view; `None` before the first, or if Slack returned none.
    pub hash: Option<String>,
}

impl Mailbox {
    /// Records that a person opened their Home tab, to be published. `refusal` is why they may not give commands.
    pub(super) async fn opened_home(
        &self,
        waiting: &WaitingMessage,
        member: &SlackMember,
        refusal: Option<NotAllowed>,
    ) -> Result<(), StoreError> {
        let now = self.inner.clock.now();
        let (id, heard, member) = (waiting.id, waiting.heard.clone(), member.clone());
        self.inner
            .store
            .write(move |tx| {
                if !slack_events::handle(tx, id, now)? {
                    return Ok(());
                }
                tx.wake(Wake::Heard);
                tx.wake(Wake::Homes);
                if let (Some(person), Some(zone)) = (person_of(tx, &member)?, member.zone)
                    && refusal.is_none()
                    && zone != person.zone
                {
                    people::moved_to_zone(tx, person.id, zone)?;
                    tx.wake(Wake::Rhythms);
                }
                let refusal = refusal.map(|why| why.to_string());
                homes::opened(tx, &heard.user, &heard.channel, refusal.as_deref(), now)
            })
            .await?;
        self.inner.homes_opened.fetch_add(1, Ordering::AcqRel);
        self.inner.store.signals().homes.notify_one();
        Ok(())
    }

    /// The Home tabs that were opened since they were published last, or `all` that are kept up to date; without those
    /// that may have ended the process.
    pub async fn homes(&self, all: bool) -> Result<Vec<HomeTab>, StoreError> {
        let (suspect, set_aside) = self.inner.store.suspect_homes();
        let left_out = move |user: &str| suspect.contains(user) || set_aside.contains(user);
        self.shown(move |home| (all || home.due) && !left_out(&home.user))
            .await
    }

    /// The people whose Home tab may have ended the process: they are fetched one by one.
    pub fn suspect_homes(&self) -> BTreeSet<String> {
        self.inner.store.suspect_homes().0.into_iter().collect()
    }

    /// A person's Home tab, if it is kept up to date.
    pub async fn home(&self, user: &str) -> Result<Option<HomeTab>, StoreError> {
        let user = user.to_owned();
        let mut shown = self.shown(move |home| home.user == user).await?;
        Ok(shown.pop())
    }

    async fn shown(
        &self,
        which: impl Fn(&homes::StoredHome) -> bool + Send + 'static,
    ) -> Result<Vec<HomeTab>, StoreError> {
        let inner = std::sync::Arc::clone(&self.inner);
        let now = inner.clock.now();
        // Most workspaces open no Home tab for days, and every command asks.
        let opened = inner.homes_opened.load(Ordering::Acquire);
        if inner.no_home_since.load(Ordering::Acquire) == opened {
            return Ok(Vec::new());
        }
        let store = &self.inner.store;
        let homes = store
            .read(move |connection| homes::since(connection, now - KEPT_UP_FOR))
            .await?;
        if homes.is_empty() {
            inner.no_home_since.store(opened, Ordering::Release);
        }
        let mut shown = Vec::new();
        for home in homes.into_iter().filter(which) {
            let inner = std::sync::Arc::clone(&inner);
            // The writer has the open tasks in memory. Between two tabs it commits other work.
            shown.push(store.write(move |tx| tab(tx, &inner, home, now)).await?);
        }
        Ok(shown)
    }

    /// A Home tab as its person may see it now: a person who may no longer act sees the reason instead.
    pub fn home_for(&self, home: HomeTab, member: &SlackMember, team: &str) -> HomeTab {
        match self.may_act(member, team) {
            Ok(()) => home,
            Err(why) => HomeTab {
                parts: home::nothing_for(
                    why.words(false)
                        .mentioning(&self.inner.settings.get().operators),
                ),
                ..home
            },
        }
    }

    /// Records the published view; without a digest the tab is empty, because Slack refuses it.
    pub async fn home_published(
        &self,
        user: &str,
        version: i64,
        digest: Option<String>,
        hash: Option<String>,
    ) -> Result<(), StoreError> {
        let user = user.to_owned();
        self.inner
            .store
            .write(move |tx| {
                homes::published(tx, &user, version, digest.as_deref(), hash.as_deref())
            })
            .await
    }
}

/// A Home tab with its current content.
fn tab(
    connection: &Db,
    inner: &Inner,
    home: homes::StoredHome,
    now: DateTime<Utc>,
) -> DbResult<HomeTab> {
    let mut parts = match &home.refusal {
        Some(why) => home::nothing_for(Text::new().text(why)),
        None => shown_to(connection, inner, &home.user, now)?,
    };
    for part in &mut parts {
        part.mention(&inner.settings.get().operators);
    }
    Ok(HomeTab {
        user: home.user,
        parts,
        due: home.due,
        version: home.version,
        digest: home.digest,
        hash: home.hash,
    })
}

fn shown_to(
    connection: &Db,
    inner: &Inner,
    user: &str,
    now: DateTime<Utc>,
) -> DbResult<Vec<CardPart>> {
    match people::of_slack(connection, user)? {
        Some(person) => Ok(home::parts(gathered(connection, inner, &person, now)?)),
        None => Ok(home::nothing_for(NotAllowed::Unknown.words(false))),
    }
}

fn gathered(connection: &Db, inner: &Inner, person: &Person, now: DateTime<Utc>) -> DbResult<Home> {
    let settings = inner.commands.settings();
    let weights = &settings.weights;
    let pinned = match people::current_pin(connection, person.id)?.and_then(|pin| pin.task) {
        Some(row) => access::shown(connection, person, tasks::by_row(connection, row)?)?,
        None => None,
    };
    let current = pinned
        .filter(|pinned| pinned.task.status != TaskStatus::Done && !pinned.gone && !pinned.away);
    let open = open(connection, person, now, weights)?;
    let why_empty = why_empty(connection, person, &open, settings.sources())?;
    let ranked = open.offered;
    let current_row = current.as_ref().map(|current| current.row);
    let behind: Vec<Card> = ranked
        .iter()
        .filter(|(row, ..)| Some(*row) != current_row)
        .take(CARDS_MAX)
        .map(|(row, task, score)| card(*row, task, score, now, person.zone))
        .collect();
    let in_queue = ranked.iter().any(|(row, ..)| Some(*row) == current_row);
    // A current task that was set by its REF, or reassigned since, is not in the queue.
    let besides = usize::from(current.is_some() && !in_queue);
    let (waiting, waiting_count) = waiting(connection, person, WAITING_MAX)?;
    let rhythm = schedules::of(connection, person.id)?;
    let receipts = people::receipts(connection, person.id)?;
    let accounts = [reply::home_in_slack(&person.name, person.alone)]
        .into_iter()
        .chain(Source::ALL.map(|source| {
            let account = person.account(source).map(|account| account.name);
            match settings.has(source) {
                true => reply::home_account(source, account.as_deref(), person.alone),
                false => reply::not_connected(source),
            }
        }))
        .collect();
    Ok(Home {
        current: current
            .map(|current| shown(connection, &current, person, now, weights))
            .transpose()?,
        queue: behind,
        open: ranked.len() + besides,
        empty: reply::empty(&why_empty),
        unlinked: settings
            .sources()
            .filter(|source| !person.alone && person.account(*source).is_none())
            .collect(),
        completed_today: operations::count_completed_since(
            connection,
            person.id,
            day_begins(now, person.zone),
        )?,
        waiting,
        waiting_count,
        // The reason why an operation waits is shown beside it.
        troubles: inner.commands.live_health().troubles(),
        accounts,
        muted: people::is_muted(connection, person.id)?,
        briefing: rhythm.briefing,
        quiet: rhythm.quiet,
        zone: person.zone,
        receipts: receipts.unwrap_or(settings.receipts),
        own: [
            (ScheduleSetting::Briefing, rhythm.own_briefing),
            (ScheduleSetting::Quiet, rhythm.own_quiet),
            (ScheduleSetting::Receipts, receipts.is_some()),
        ]
        .into_iter()
        .filter_map(|(setting, own)| own.then_some(setting))
        .collect(),
    })
}
