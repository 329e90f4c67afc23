//! Unasked messages: the briefing of working days, and the notices held in quiet hours.
//!
//! `slack/schedule.rs` reads here who is due and waits for the next time. The final decision is made here, in the
//! transaction that claims the message. So a briefing is sent once a day however often the daemon dies (P2), and held
//! notices move from the table into a message atomically.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::{MailTx, Mailbox};
use crate::domain::card::CardPart;
use crate::domain::person::{Person, PersonId, SlackMember, may_act};
use crate::domain::reply;
use crate::domain::schedule::{NextBriefing, briefing, over_with};
use crate::store::messages::MessageDraft;
use crate::store::schedules::{self, Scheduled};
use crate::store::{DbResult, StoreError, Tx, Wake, people};
use crate::verbs::morning::gather;

/// Blocks of one message of held notices; the rest goes into the next message.
const BLOCKS: usize = 40;

/// A person who is due for a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DuePerson {
    /// The row of the person.
    pub person: PersonId,
    /// Their Slack id, if they have one of their own.
    pub slack: Option<String>,
}

/// The people who are due, and the time of the next ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schedules {
    /// People with a message due now.
    pub due: Vec<DuePerson>,
    /// The next time at which one is due, UTC; `None` if there is none.
    pub next: Option<DateTime<Utc>>,
}

impl Mailbox {
    /// The people who are due now, and the time of the next ones.
    pub async fn rhythms(&self) -> Result<Schedules, StoreError> {
        let now = self.inner.clock.now();
        let beginners = self.inner.store.read(schedules::beginners).await?;
        if !beginners.is_empty() {
            self.inner
                .store
                .write(move |tx| beginners.iter().try_for_each(|one| begin(tx, *one, now)))
                .await?;
        }
        self.inner
            .store
            .read(move |connection| {
                let mut all = Schedules::default();
                for one in schedules::concerned(connection)? {
                    let (is_due, next) = when(&one, now);
                    if is_due {
                        all.due.push(DuePerson {
                            person: one.person,
                            slack: one.slack,
                        });
                    }
                    all.next = all.next.into_iter().chain(next).min();
                }
                Ok(all)
            })
            .await
    }

    /// The Slack ids of people without a known time zone, who have not written to Ivan yet. If Ivan has one user only,
    /// the first configured id counts until a person writes.
    pub async fn without_zone(&self) -> Result<Vec<(PersonId, String)>, StoreError> {
        let first_named = self
            .inner
            .settings
            .get()
            .allowed_users
            .named
            .first()
            .cloned();
        let people = self.inner.store.read(people::without_zone).await?;
        let with_id = people.into_iter().filter_map(|person| {
            let slack = match person.alone {
                true => first_named.clone(),
                false => person.slack,
            };
            Some((person.id, slack?))
        });
        Ok(with_id.collect())
    }

    /// Stores the time zone of a person without a known one.
    pub async fn learn_zone(&self, person: PersonId, zone: Tz) -> Result<(), StoreError> {
        self.inner
            .store
            .write(move |tx| {
                // They may have written meanwhile.
                if people::by_id(tx, person)?.zone == Tz::UTC {
                    people::moved_to_zone(tx, person, zone)?;
                    tx.wake(Wake::Rhythms);
                    tx.wake(Wake::Homes);
                }
                Ok(())
            })
            .await
    }

    /// Sends the due messages of a person; none if they turn out not to be due, or not allowed. `member` is their
    /// current Slack account: they may be in another zone, or have left.
    pub async fn tell_due(
        &self,
        person: PersonId,
        member: Option<(SlackMember, String)>,
    ) -> Result<(), StoreError> {
        self.write(move |mail| {
            let mut person = people::by_id(mail.db, person)?;
            let mut may = true;
            if let Some((member, team)) = &member {
                may = may_act(member, team, &mail.inner.settings.get().allowed_users).is_ok();
                if let Some(zone) = member.zone.filter(|zone| *zone != person.zone) {
                    people::moved_to_zone(mail.db, person.id, zone)?;
                    person.zone = zone;
                }
            }
            mail.tell_due(&person, may)
        })
        .await
    }
}

impl MailTx<'_> {
    /// Held notices come first, then the briefing: each is claimed in this transaction.
    fn tell_due(&self, person: &Person, may: bool) -> DbResult<()> {
        let chosen = schedules::of(self.db, person.id)?;
        let is_quiet = chosen
            .quiet
            .and_then(|quiet| quiet.ends(self.now, person.zone))
            .is_some();
        if !is_quiet {
            let held = schedules::take_held(self.db, person.id, self.now)?;
            // A person who turned notices off gets none of these.
            if let Some(channel) = people::told_in(self.db, person.id)?.filter(|_| may)
                && !held.is_empty()
            {
                let (digest, quiet): (Vec<_>, Vec<_>) =
                    held.into_iter().partition(|(_, digest)| *digest);
                self.tell_held(person, &channel, quiet, reply::held)?;
                self.tell_held(person, &channel, digest, reply::digest)?;
            }
        }
        let Some(at) = chosen.briefing else {
            return Ok(());
        };
        let Some(NextBriefing::Now(day)) = briefing(at, chosen.briefed_on, self.now, person.zone)
        else {
            return Ok(());
        };
        if !schedules::claim(self.db, person.id, day)? || !may {
            return Ok(());
        }
        if let Some(channel) = people::reached_in(self.db, person.id)? {
            let (_, mut said) = gather(&self.command_tx(), person)?;
            if !chosen.own_briefing {
                // A briefing by default names its origin, and how to end it.
                let words = reply::briefing_by_config();
                said.words = said.words.text("\n").then(words.clone());
                said.parts.push(CardPart::Text(words));
            }
            self.post(&MessageDraft {
                channel,
                person: Some(person.id),
                pin: said.pin,
                list: said.list,
                words: Some(said.words),
                parts: said.parts,
                ..MessageDraft::default()
            })?;
        }
        Ok(())
    }

    fn tell_held(
        &self,
        person: &Person,
        channel: &str,
        held: Vec<(reply::Text, bool)>,
        told: fn(&[reply::Text]) -> (reply::Text, Vec<reply::Text>),
    ) -> DbResult<()> {
        let held: Vec<reply::Text> = held.into_iter().map(|(words, _)| words).collect();
        for held in held.chunks(BLOCKS * reply::HELD_BLOCK) {
            let (words, parts) = told(held);
            self.post(&MessageDraft {
                channel: channel.to_owned(),
                person: Some(person.id),
                words: Some(words),
                parts: parts.into_iter().map(CardPart::Text).collect(),
                ..MessageDraft::default()
            })?;
        }
        Ok(())
    }
}

/// A person's first briefing by bot.toml is the next one, not that of a morning that has begun.
fn begin(tx: &Tx<'_>, person: PersonId, now: DateTime<Utc>) -> DbResult<()> {
    let zone = people::by_id(tx, person)?.zone;
    let mut chosen = schedules::of(tx, person)?;
    chosen.briefed_on = chosen.briefing.and_then(|at| over_with(at, now, zone));
    schedules::set(tx, person, &chosen)
}

/// Whether a person is due now; and when they are next.
fn when(scheduled: &Scheduled, now: DateTime<Utc>) -> (bool, Option<DateTime<Utc>>) {
    let Scheduled { schedule, zone, .. } = scheduled;
    let mut due = false;
    let mut next = None;
    if let Some(until) = scheduled.held_until {
        let quiet = schedule.quiet.and_then(|quiet| quiet.ends(now, *zone));
        let later = (until > now).then_some(until);
        match quiet.into_iter().chain(later).max() {
            Some(then) => next = Some(then),
            None => due = true,
        }
    }
    if let Some(at) = schedule.briefing {
        match briefing(at, schedule.briefed_on, now, *zone) {
            Some(NextBriefing::Now(_)) => due = true,
            Some(NextBriefing::At(then)) => next = next.into_iter().chain([then]).min(),
            None => {}
        }
    }
    (due, next)
}
