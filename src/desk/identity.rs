//! Who somebody is in each system: `whoami`, `link`, `unlink`, and the link that an e-mail address makes.
//!
//! The desk asks a source here, as `dyn Accounts`, before a command has its turn: a link that its source does not
//! confirm is none. What was found out is kept in the turn's transaction, or beside it where nobody asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::timeout;

use super::{Desk, StoreTrouble, person_of};
use crate::bounds::Bound;
use crate::command_tx::{CommandError, Rejection, Stop};
use crate::command_tx::{CommandTx, Context, Handled, Reply, local};
use crate::domain::command::{Assignee, Command, NOBODY};
use crate::domain::link::{Accounts, Link, Origin};
use crate::domain::markdown;
use crate::domain::operation::WriteError;
use crate::domain::person::{self, Member, Person, PersonId};
use crate::domain::prose::{self, Addressee, MENTIONS_MAX, Piece, Prose};
use crate::domain::receipts::Receipts;
use crate::domain::reply::{self, Words};
use crate::domain::task::{Account, Source};
use crate::runtime::lock;
use crate::settle::queue;
use crate::store::operations::Surface;
use crate::store::{Db, DbResult, Wake, links, people, rhythms, tasks};

/// How long a person who types `link` waits for the source.
const CONFIRM_WITHIN: Duration = Duration::from_secs(10);
/// How long anything else waits for what a source says of accounts: it goes on without.
const ASIDE_WITHIN: Duration = Duration::from_secs(3);
/// A person whose address nobody has in ClickUp is not looked for again for so long; after trouble for a minute.
const LOOK_AGAIN: TimeDelta = TimeDelta::minutes(10);
const AFTER_TROUBLE: TimeDelta = TimeDelta::minutes(1);

/// Whom an e-mail address was looked for, and when that makes sense again.
#[derive(Debug, Default)]
pub(super) struct Introduced(Mutex<HashMap<PersonId, DateTime<Utc>>>);

impl Introduced {
    fn lock(&self) -> MutexGuard<'_, HashMap<PersonId, DateTime<Utc>>> {
        lock(&self.0)
    }
}

/// Who somebody is: what `whoami` shows and `GET /whoami` answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub person: Person,
    /// The configured sources, and what the person has there.
    pub accounts: Vec<(Source, Option<Link>)>,
    pub message: Words,
}

impl Desk {
    /// Who a person is, as fresh as the sources tell it now.
    pub async fn identity(&self, person: &Person) -> Result<Identity, StoreTrouble> {
        self.refresh(person).await?;
        let (inner, id) = (Arc::clone(&self.inner), person.id);
        let now = self.inner.clock.now();
        self.inner
            .store
            .read(move |connection| {
                let person = people::by_id(connection, id)?;
                let accounts = accounts_of(connection, &person, inner.settings.sources())?;
                let rhythm = told_how(connection, person.id, inner.settings.receipts)?;
                let message = reply::whoami(&person, &accounts, None, now).then(rhythm);
                Ok(Identity {
                    person,
                    accounts,
                    message,
                })
            })
            .await
    }

    /// What a command needs to know of a source before its turn, found out: a link is confirmed, accounts are shown with
    /// their present names. Whatever else may be wrong with it, the turn says.
    pub(super) async fn found_out(
        &self,
        person: &Person,
        command: Command,
    ) -> Result<Command, CommandError> {
        match command {
            Command::Whoami => {
                self.refresh(person).await?;
                Ok(Command::Whoami)
            }
            Command::Link { source, account } => {
                let id = person.id;
                let link = self
                    .inner
                    .store
                    .read(move |connection| links::of(connection, id, source))
                    .await?;
                let open = !person.alone && !is_configured(link.as_ref());
                let Some(accounts) = self.accounts(source).filter(|_| open) else {
                    return Ok(Command::Link { source, account });
                };
                let confirmed = in_time(CONFIRM_WITHIN, accounts.confirm(&account));
                let rejection = match confirmed.await {
                    Ok(account) => return Ok(Command::Linked { source, account }),
                    Err(WriteError::Refused { why, .. }) => {
                        Rejection::Unfit(reply::not_linked(&why))
                    }
                    Err(WriteError::NotTaken { why, .. } | WriteError::Unknown { why }) => {
                        Rejection::NoAnswer(reply::not_confirmed(source, &why))
                    }
                };
                Err(rejection.into())
            }
            other => Ok(other),
        }
    }

    /// The same for somebody in Slack. Who nobody knows learns that in the turn.
    pub(crate) async fn found_out_for(
        &self,
        member: &Member,
        command: Command,
    ) -> Result<Command, CommandError> {
        if !matches!(command, Command::Whoami | Command::Link { .. }) {
            return Ok(command);
        }
        let asking = member.clone();
        let person = self
            .inner
            .store
            .read(move |connection| person_of(connection, &asking))
            .await?;
        match person {
            Some(person) => self.found_out(&person, command).await,
            None => Ok(command),
        }
    }

    /// Links somebody to the ClickUp member with the e-mail address of their Slack profile, if there is exactly one, it is
    /// nobody else's, and nothing else was said about ClickUp. Whoever waits for this goes on without it before long.
    pub async fn introduce(&self, member: &Member) -> Result<(), StoreTrouble> {
        let source = Source::ClickUp;
        let (Some(email), Some(accounts)) = (&member.email, self.accounts(source)) else {
            return Ok(());
        };
        let asking = member.clone();
        let unlinked = move |connection: &Db| {
            let person = person_of(connection, &asking)?.filter(|person| !person.alone);
            match person {
                Some(person) if links::of(connection, person.id, source)?.is_none() => {
                    Ok(Some(person))
                }
                _ => Ok(None),
            }
        };
        let Some(person) = self.inner.store.read(unlinked).await? else {
            return Ok(());
        };
        let now = self.inner.clock.now();
        let later = self.inner.introduced.lock().get(&person.id).copied();
        if later.is_some_and(|later| now < later) {
            return Ok(());
        }
        let again = |after| {
            self.inner.introduced.lock().insert(person.id, now + after);
        };
        let account = match in_time(ASIDE_WITHIN, accounts.by_email(email)).await {
            Ok(Some(account)) => account,
            Ok(None) => {
                again(LOOK_AGAIN);
                return Ok(());
            }
            Err(error) => {
                again(AFTER_TROUBLE);
                tracing::info!(person = %person.name, "{} is looked for in ClickUp later: {error}", person.name);
                return Ok(());
            }
        };
        let id = person.id;
        let linked = self
            .inner
            .store
            .write(move |tx| {
                let taken = links::owner_besides(tx, id, source, &account)?.is_some();
                if taken || links::of(tx, id, source)?.is_some() {
                    return Ok(false);
                }
                links::set(tx, id, source, Origin::Email, &account, None, now)?;
                tx.wake(Wake::Homes);
                Ok(true)
            })
            .await?;
        match linked {
            true => {
                tracing::info!(person = %person.name, "{} is linked to the ClickUp member with their e-mail address", person.name);
            }
            false => again(LOOK_AGAIN),
        }
        Ok(())
    }

    /// Asks the sources what a person's accounts are called now. One that does not answer changes nothing.
    async fn refresh(&self, person: &Person) -> Result<(), StoreTrouble> {
        let id = person.id;
        let asked = Source::ALL.map(async |source| {
            let Some(accounts) = self.accounts(source) else {
                return Ok(());
            };
            let link = self
                .inner
                .store
                .read(move |connection| links::of(connection, id, source))
                .await?;
            let Some(link) = link.filter(|link| link.origin != Origin::Unlinked) else {
                return Ok(());
            };
            let answer = accounts.look_up(link.id.as_deref(), link.shown());
            let found = match in_time(ASIDE_WITHIN, answer).await {
                Ok(found) => found,
                Err(error) => {
                    tracing::info!(%source, "an account is shown as it was known: {error}");
                    return Ok(());
                }
            };
            let now = self.inner.clock.now();
            self.inner
                .store
                .write(move |tx| links::told(tx, id, source, found.as_ref(), now))
                .await
        });
        for answered in futures_util::future::join_all(asked).await {
            answered?;
        }
        Ok(())
    }

    fn accounts(&self, source: Source) -> Option<&dyn Accounts> {
        self.inner.accounts.get(&source).map(Arc::as_ref)
    }
}

async fn in_time<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, WriteError>>,
) -> Result<T, WriteError> {
    let late = |_| WriteError::Unknown {
        why: "it did not answer in time".to_owned(),
    };
    timeout(limit, answer).await.map_err(late)?
}

/// How somebody is mentioned in a source; their mere name where they have no account there, for an `@` before it would
/// call a stranger.
fn mention(person: &Person, source: Source) -> Piece {
    match (source, person.account(source)) {
        (Source::GitHub, Some(account)) => Piece::Text(format!("@{}", account.name)),
        (Source::ClickUp, Some(account)) if !account.id.is_empty() => Piece::Mention {
            name: called(person, Some(&account)),
            account: account.id,
        },
        _ => Piece::Text(person.name.clone()),
    }
}

/// What people call somebody who has this account: a member id is no name.
fn called(person: &Person, account: Option<&Account>) -> String {
    let named = account.filter(|account| account.name != account.id);
    named.map_or_else(|| person.name.clone(), |account| account.name.clone())
}

/// What a person has at the configured sources.
fn accounts_of(
    connection: &Db,
    person: &Person,
    sources: impl Iterator<Item = Source>,
) -> DbResult<Vec<(Source, Option<Link>)>> {
    sources
        .map(|source| Ok((source, links::of(connection, person.id, source)?)))
        .collect()
}

fn is_configured(link: Option<&Link>) -> bool {
    link.is_some_and(|link| link.origin == Origin::Config)
}

impl CommandTx<'_> {
    /// `whoami`
    pub(super) fn whoami(&self, person: &Person, context: &Context) -> DbResult<Reply> {
        let accounts = accounts_of(self.db, person, self.settings.sources())?;
        let told = told_how(self.db, person.id, self.settings.receipts)?;
        let words = reply::whoami(person, &accounts, context.email, self.now);
        Ok(words.then(told).into())
    }

    /// The person's link, if it may be changed.
    pub(super) fn own_link(&self, person: &Person, source: Source) -> Result<Option<Link>, Stop> {
        let words = if !self.settings.has(source) {
            reply::not_connected(source)
        } else if person.alone {
            reply::nobody_to_link()
        } else {
            match links::of(self.db, person.id, source)? {
                Some(link) if link.origin == Origin::Config => reply::linked_by_config(&link),
                link => return Ok(link),
            }
        };
        Err(Rejection::Unfit(words).into())
    }

    /// `link`, confirmed by the source: what is assigned to the account is in the person's queue from now on.
    pub(super) fn link(
        &self,
        person: &Person,
        source: Source,
        account: &Account,
        context: &Context,
    ) -> Result<Handled, Stop> {
        self.own_link(person, source)?;
        if let Some(owner) = links::owner_besides(self.db, person.id, source, account)? {
            let words = reply::linked_to_another(source, account, &owner);
            return Err(Rejection::Unfit(words).into());
        }
        let by = Some(person.id);
        links::set(
            self.db,
            person.id,
            source,
            Origin::Typed,
            account,
            by,
            self.now,
        )?;
        let (person, pin) = self.as_linked_now(person, context)?;
        let ranked = queue(self.db, &person, self.now, &self.settings.weights)?;
        let theirs = ranked
            .iter()
            .filter(|(_, task, _)| task.key.source() == source);
        let report = local(reply::linked(source, account, theirs.count()), None);
        let command = self.command(&person, context, "link")?;
        self.settled(&person, command, report, pin, None)
    }

    /// `unlink`
    pub(super) fn unlink(
        &self,
        person: &Person,
        source: Source,
        context: &Context,
    ) -> Result<Handled, Stop> {
        let link = self.own_link(person, source)?;
        let Some(link) = link.filter(|link| link.origin != Origin::Unlinked) else {
            return Err(Rejection::Unfit(reply::nothing_linked(source)).into());
        };
        links::unlink(self.db, person.id, source, self.now)?;
        let (person, pin) = self.as_linked_now(person, context)?;
        let report = local(reply::unlinked(&link), None);
        let command = self.command(&person, context, "unlink")?;
        self.settled(&person, command, report, pin, None)
    }

    /// Whether what somebody writes is signed: where several people write by one account, and bot.toml does not say no.
    pub(super) fn signs(&self, person: &Person) -> DbResult<bool> {
        let asked = self.settings.signature && !person.alone;
        Ok(asked && people::present(self.db)?.len() > 1)
    }

    /// A text of theirs as it is written to a source: with those whom it addresses as they are mentioned there, and with
    /// their own name under it. GitHub shows Markdown, which text of Slack's is not.
    pub(super) fn signed(
        &self,
        person: &Person,
        source: Source,
        text: &str,
        typed_in: Surface,
    ) -> DbResult<Prose> {
        let text = self.addressed(text, |one| mention(one, source))?;
        let text = match (source, typed_in) {
            // Nobody is more than text there.
            (Source::GitHub, Surface::Slack) => markdown::from_slack(&text.to_string()).into(),
            _ => text,
        };
        Ok(match self.signs(person)? {
            true => prose::signed(text, &called(person, person.account(source).as_ref())),
            false => text,
        })
    }

    /// A text with people by their names, where nobody can be mentioned.
    pub(super) fn named(&self, text: &str) -> DbResult<String> {
        let named = self.addressed(text, |one| Piece::Text(one.name.clone()))?;
        Ok(named.to_string())
    }

    fn addressed(&self, text: &str, written: impl Fn(&Person) -> Piece) -> DbResult<Prose> {
        if !text.contains('@') {
            return Ok(text.into());
        }
        let addressees: Vec<Addressee> = people::present(self.db)?
            .iter()
            .filter(|one| !one.alone)
            .map(|one| Addressee {
                called: one.slack.iter().chain([&one.name]).cloned().collect(),
                written: written(one),
                name: one.name.clone(),
            })
            .collect();
        let addressed = prose::addressed(text, &addressees);
        if addressed.only_named > 0 {
            Bound::Mentions.reached(format_args!(
                "of one text {MENTIONS_MAX} mentions are sent as mentions and {} as names",
                addressed.only_named
            ));
        }
        Ok(addressed.prose)
    }

    /// To whom a new task is assigned: its creator, as far as they have an account there, or whom they name.
    pub(super) fn assignee(
        &self,
        person: &Person,
        whose: Option<&Assignee>,
        source: Source,
    ) -> Result<Option<Account>, Stop> {
        let unfit = |words| Stop::from(Rejection::Unfit(words));
        let named = match whose {
            None => return Ok(person.account(source)),
            Some(whom @ (Assignee::Chosen(_) | Assignee::Person(_))) => {
                // They may have gone since the form was opened, or have no account any more.
                let people = people::present(self.db)?;
                let chosen = people.iter().find(|other| match whom {
                    Assignee::Chosen(handle) => other.handle() == *handle,
                    Assignee::Person(id) => other.id == *id,
                    Assignee::Called(_) => false,
                });
                let account = chosen.and_then(|one| one.account(source));
                let name = chosen.map(|one| one.name.as_str());
                return account
                    .map(Some)
                    .ok_or_else(|| unfit(reply::not_assignable(name, source)));
            }
            Some(Assignee::Called(named)) => named.trim().trim_start_matches('@'),
        };
        if named.eq_ignore_ascii_case(NOBODY) {
            return Ok(None);
        }
        if person.alone {
            return Err(unfit(reply::nobody_to_assign()));
        }
        let people = people::present(self.db)?;
        let Some(other) = person::called(&people, named) else {
            let names: Vec<&str> = people.iter().map(|other| other.name.as_str()).collect();
            return Err(unfit(reply::nobody_called(named, &names)));
        };
        let account = other.account(source).map(Some);
        account.ok_or_else(|| unfit(reply::not_linked_there(&other.name, source)))
    }

    /// The person after a change of their accounts. What was pinned, and was theirs only by an account that is not theirs
    /// any more, is their current task no longer from when they see the answer: that pin of nothing comes with the person.
    fn as_linked_now(&self, before: &Person, context: &Context) -> DbResult<(Person, Option<i64>)> {
        let person = Person {
            zone: before.zone,
            ..people::by_id(self.db, before.id)?
        };
        let mut pin = None;
        let pinned = people::pins(self.db, person.id)?
            .last()
            .and_then(|pin| pin.task);
        if let Some(row) = pinned
            && let Some(stored) = tasks::by_row(self.db, row)?
            && before.is_concerned(&stored.task)
            && !person.is_concerned(&stored.task)
        {
            let shown_at = (context.surface == Surface::Api).then_some(self.now);
            pin = Some(people::pin(self.db, person.id, None, self.now, shown_at)?);
        }
        self.db.wake(Wake::Homes);
        Ok((person, pin))
    }
}

/// When somebody is told what they have not just asked for, how they learn of outcomes, and who has set that.
fn told_how(connection: &Db, person: PersonId, usual: Receipts) -> DbResult<Words> {
    let now = rhythms::of(connection, person)?;
    let lines = reply::rhythm_of(now.briefing, now.own_briefing, now.quiet, now.own_quiet);
    let chosen = people::receipts(connection, person)?;
    let receipts = reply::receipts_of(chosen.unwrap_or(usual), chosen.is_some());
    let lines = lines.into_iter().chain(receipts);
    Ok(lines.fold(Words::new(), |words, line| words.text("\n").then(line)))
}
