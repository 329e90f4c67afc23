//! People's identity in each system: `whoami`, `link`, `unlink`, and the link by e-mail address.
//!
//! A source is asked here, as `dyn Accounts`, before a command's transaction: a link counts only if its source
//! confirms it. The result is stored in that transaction, or beside it if no person asked.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::timeout;

use super::{Commands, StoreError, person_of};
use crate::command_tx::{CommandError, Rejection};
use crate::domain::link::{AccountLink, Accounts, LinkOrigin, LinkProof, LinkRule, TRIES_MAX};
use crate::domain::operation::WriteError;
use crate::domain::person::{Membership, Person, PersonId, SlackMember};
use crate::domain::reply::{self, Text};
use crate::domain::task::{Account, Source};
use crate::linking;
use crate::runtime::lock;
use crate::store::{Db, Wake, link_requests, links, people};
use crate::verbs::whoami::{accounts_of, told_how};
use crate::verbs::{self, Command};

/// How long a person who types `link` waits for the source.
const CONFIRM_WITHIN: Duration = Duration::from_secs(10);
/// How long all other callers wait for a source's accounts before they go on without.
const ASIDE_WITHIN: Duration = Duration::from_secs(3);
/// How long to wait before a person whose address is not in ClickUp is looked up again; after an error, one minute.
const LOOK_AGAIN: TimeDelta = TimeDelta::minutes(10);
const AFTER_TROUBLE: TimeDelta = TimeDelta::minutes(1);

/// How many members are remembered as linked before all are asked for again.
const LINKED_MAX: usize = 10_000;

/// The look-ups of people by e-mail address.
#[derive(Debug, Default)]
pub(super) struct EmailLookups(Mutex<Lookups>);

#[derive(Debug, Default)]
struct Lookups {
    /// The people who were looked up, and the time of the next attempt.
    later: HashMap<PersonId, DateTime<Utc>>,
    /// Slack ids of people who were linked or unlinked before, which ends the look-ups for good.
    linked: HashSet<String>,
}

impl EmailLookups {
    fn lock(&self) -> MutexGuard<'_, Lookups> {
        lock(&self.0)
    }

    fn is_linked(&self, slack: &str) -> bool {
        self.lock().linked.contains(slack)
    }

    fn remember_linked(&self, slack: &str) {
        let mut lookups = self.lock();
        if lookups.linked.len() >= LINKED_MAX {
            lookups.linked.clear();
        }
        lookups.linked.insert(slack.to_owned());
    }
}

/// A person's identity, for `whoami` and `GET /whoami`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The person, with the names that the sources reported last.
    pub person: Person,
    /// The configured sources, and the person's link at each.
    pub accounts: Vec<(Source, Option<AccountLink>)>,
    /// The answer of `whoami` in words, with the settings for briefings, quiet hours and outcomes.
    pub message: Text,
}

impl Commands {
    /// A person's identity, with current names from the sources.
    pub async fn identity(&self, person: &Person) -> Result<Identity, StoreError> {
        self.refresh(person).await?;
        let (inner, id) = (Arc::clone(&self.inner), person.id);
        let now = self.inner.clock.now();
        self.inner
            .store
            .read(move |connection| {
                let person = people::by_id(connection, id)?;
                let accounts = accounts_of(connection, &person, inner.settings.get().sources())?;
                let rhythm = told_how(connection, person.id, inner.settings.get().receipts)?;
                let message = reply::whoami(&person, &accounts, None, now).then(rhythm);
                Ok(Identity {
                    person,
                    accounts,
                    message,
                })
            })
            .await
    }

    /// Fetches the facts that a command needs from a source before its transaction: a link is confirmed, accounts get
    /// their current names. Other errors show in the transaction.
    pub(super) async fn found_out(
        &self,
        person: &Person,
        command: Command,
        email: Option<&str>,
    ) -> Result<Command, CommandError> {
        match command {
            Command::Whoami(whoami) => {
                self.refresh(person).await?;
                Ok(whoami.into())
            }
            Command::Stats(stats) => Ok(self.with_figures(person, stats).await?.into()),
            Command::Link(link) if link.answer.is_none() => {
                let source = link.source;
                let id = person.id;
                let before = self
                    .inner
                    .store
                    .read(move |connection| links::of(connection, id, source))
                    .await?;
                let open = !person.alone && !is_configured(before.as_ref());
                let Some(accounts) = self.accounts(source).filter(|_| open) else {
                    return Ok(link.into());
                };
                let confirmed = in_time(CONFIRM_WITHIN, accounts.confirm(&link.account));
                let rejection = match confirmed.await {
                    Ok(account) => {
                        let proof = self.proof(person, accounts, &account, email).await?;
                        let confirmed = Some(account);
                        let link = verbs::Link {
                            confirmed,
                            proof,
                            ..link
                        };
                        return Ok(link.into());
                    }
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

    /// The same for a Slack member. An unknown person is refused in the transaction.
    pub(crate) async fn found_out_for(
        &self,
        member: &SlackMember,
        team: &str,
        command: Command,
    ) -> Result<Command, CommandError> {
        if !matches!(
            command,
            Command::Whoami(_) | Command::Link(_) | Command::Stats(_)
        ) {
            return Ok(command);
        }
        let asking = member.clone();
        let person = self
            .inner
            .store
            .read(move |connection| person_of(connection, &asking))
            .await?;
        match person {
            Some(person) => {
                let email = confirmed(member, team);
                self.found_out(&person, command, email).await
            }
            None => Ok(command),
        }
    }

    /// Why a confirmed account is the person's, if that can be seen now: by the e-mail address, or by the code in its
    /// profile. A source that does not answer proves nothing.
    async fn proof(
        &self,
        person: &Person,
        accounts: &dyn Accounts,
        account: &Account,
        email: Option<&str>,
    ) -> Result<Option<LinkProof>, StoreError> {
        if self.settings().link != LinkRule::Proof {
            return Ok(None);
        }
        if let Some(email) = email {
            let found = in_time(ASIDE_WITHIN, accounts.by_email(email)).await;
            if found.is_ok_and(|found| found.is_some_and(|found| found.id == account.id)) {
                return Ok(Some(LinkProof::Email));
            }
        }
        let (id, source) = (person.id, accounts.source());
        let request = self
            .inner
            .store
            .read(move |connection| link_requests::of(connection, id, source))
            .await?;
        let now = self.inner.clock.now();
        let request = request.filter(|one| {
            one.account.id == account.id && one.is_valid(now) && one.tries < TRIES_MAX
        });
        let Some(request) = request else {
            return Ok(None);
        };
        let has = in_time(CONFIRM_WITHIN, accounts.profile_has(account, &request.code)).await;
        Ok(has.unwrap_or(false).then_some(LinkProof::Profile))
    }

    /// Links a person to the ClickUp member with their Slack profile's e-mail address, if there is exactly one, it is
    /// not another person's, and ClickUp was not linked or unlinked before. Callers wait only a short time.
    pub async fn introduce(&self, member: &SlackMember, team: &str) -> Result<(), StoreError> {
        let finds = |source: &Source| source.profile().finds_by_email;
        let Some(source) = Source::ALL.into_iter().find(finds) else {
            return Ok(());
        };
        let (Some(email), Some(accounts)) = (confirmed(member, team), self.accounts(source)) else {
            return Ok(());
        };
        if self.inner.introduced.is_linked(&member.id) || self.settings().link != LinkRule::Proof {
            return Ok(());
        }
        let asking = member.clone();
        let found = move |connection: &Db| {
            let person = person_of(connection, &asking)?.filter(|person| !person.alone);
            person
                .map(|person| Ok((links::of(connection, person.id, source)?, person)))
                .transpose()
        };
        let person = match self.inner.store.read_short(found).await? {
            None => return Ok(()),
            Some((Some(_), _)) => {
                self.inner.introduced.remember_linked(&member.id);
                return Ok(());
            }
            Some((None, person)) => person,
        };
        let now = self.inner.clock.now();
        let later = self.inner.introduced.lock().later.get(&person.id).copied();
        if later.is_some_and(|later| now < later) {
            return Ok(());
        }
        let again = |after| {
            let mut lookups = self.inner.introduced.lock();
            lookups.later.insert(person.id, now + after);
        };
        let account = match in_time(ASIDE_WITHIN, accounts.by_email(email)).await {
            Ok(Some(account)) => account,
            Ok(None) => {
                again(LOOK_AGAIN);
                return Ok(());
            }
            Err(error) => {
                again(AFTER_TROUBLE);
                let name = source.name();
                tracing::info!(person = %person.name, source = name, %error, "cannot look up the account by e-mail; will try again");
                return Ok(());
            }
        };
        let id = person.id;
        let (slack, called) = (member.id.clone(), member.name.clone());
        let linked = self
            .inner
            .store
            .write(move |tx| {
                people::learn_name(tx, &slack, &called)?;
                let taken = links::owner_besides(tx, id, source, &account)?.is_some();
                if taken || links::of(tx, id, source)?.is_some() {
                    return Ok(false);
                }
                links::set(tx, id, source, LinkOrigin::Email, &account, None, now)?;
                links::proved(tx, id, source, LinkProof::Email)?;
                link_requests::remove(tx, id, source)?;
                linking::tell_of_email(tx, id, source, &account, now)?;
                tx.wake(Wake::Homes);
                Ok(true)
            })
            .await?;
        match linked {
            true => {
                let name = source.name();
                tracing::info!(person = %person.name, source = name, "account linked by e-mail");
            }
            false => again(LOOK_AGAIN),
        }
        Ok(())
    }

    /// Updates the names of a person's accounts. A source that does not answer changes nothing.
    async fn refresh(&self, person: &Person) -> Result<(), StoreError> {
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
            let Some(link) = link.filter(|link| link.origin != LinkOrigin::Unlinked) else {
                return Ok(());
            };
            let answer = accounts.look_up(link.id.as_deref(), link.shown());
            let found = match in_time(ASIDE_WITHIN, answer).await {
                Ok(found) => found,
                Err(error) => {
                    tracing::info!(%source, %error, "account not confirmed; showing the last known name");
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

/// The e-mail address of a full member of this `team`, which Slack has confirmed. The one of a stranger is as good as
/// their workspace.
fn confirmed<'a>(member: &'a SlackMember, team: &str) -> Option<&'a str> {
    match &member.standing {
        Membership::Full { teams } if teams.iter().any(|theirs| theirs == team) => {
            member.email.as_deref()
        }
        _ => None,
    }
}

async fn in_time<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, WriteError>>,
) -> Result<T, WriteError> {
    let late = |_| WriteError::Unknown {
        why: "no answer in time".to_owned(),
    };
    timeout(limit, answer).await.map_err(late)?
}

fn is_configured(link: Option<&AccountLink>) -> bool {
    link.is_some_and(|link| link.origin == LinkOrigin::Config)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn full(teams: &[&str]) -> Membership {
        let teams = teams.iter().map(|&team| team.into()).collect();
        Membership::Full { teams }
    }

    #[rstest]
    #[case::ours(full(&["T0TEAM1"]), true)]
    #[case::ours_and_a_sister(full(&["T0SISTER", "T0TEAM1"]), true)]
    #[case::another(full(&["T0OTHER"]), false)]
    #[case::none(full(&[]), false)]
    #[case::guest(Membership::Guest, false)]
    #[case::stranger(Membership::Stranger, false)]
    fn an_address_counts_for_members_of_our_team(
        #[case] standing: Membership,
        #[case] counts: bool,
    ) {
        let member = SlackMember {
            id: "U0ANN01".into(),
            name: "Ana".into(),
            email: Some("ana@acme.test".into()),
            zone: None,
            standing,
        };
        assert_eq!(confirmed(&member, "T0TEAM1").is_some(), counts);
    }
}
