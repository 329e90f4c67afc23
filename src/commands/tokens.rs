//! People's own tokens of the API, and the logins that bring them.
//!
//! A token counts only while its person is one of ours and may act in Slack, which is looked up at each use: the caches
//! of the members follow Slack's events.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use super::{Commands, StoreError};
use crate::command_tx::{LOGIN_VALID, LoginRequest, Logins, NoLogin};
use crate::domain::ids::TokenId;
use crate::domain::person::Person;
use crate::domain::reply;
use crate::runtime::lock;
use crate::store::personal_tokens::{self, PersonalToken};
use crate::store::{Wake, messages, people};
use crate::verbs::token::revoke;

/// While Slack does not answer, a member counts as before for so long.
const CONFIRMED_FOR: TimeDelta = TimeDelta::hours(1);
/// The shortest time between two records of a token's use.
const USED_EVERY: TimeDelta = TimeDelta::minutes(5);
/// How many members are remembered as confirmed.
const CONFIRMED_MAX: usize = 10_000;

/// Whether a member may act, as far as Slack says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admitted {
    /// They may.
    Yes,
    /// They may not.
    No,
    /// Slack's answer is ambiguous, which is a refusal.
    Uncertain,
    /// Slack does not answer.
    NoAnswer,
}

/// Whether members of the workspace may act, as Slack says now.
#[async_trait]
pub trait Admission: Send + Sync {
    /// Whether this member may act.
    async fn may_act(&self, slack: &str) -> Admitted;
}

/// When members were last confirmed to be ones.
#[derive(Debug, Default)]
pub(super) struct Confirmed(Mutex<Confirmations>);

#[derive(Debug, Default)]
struct Confirmations {
    since: HashMap<String, DateTime<Utc>>,
    /// Counts changes of people: an earlier look-up may return data from before the change.
    changes: u64,
}

impl Confirmed {
    fn is_recent(&self, slack: &str, now: DateTime<Utc>) -> bool {
        let since = lock(&self.0).since.get(slack).copied();
        since.is_some_and(|since| now < since + CONFIRMED_FOR)
    }

    fn changes(&self) -> u64 {
        lock(&self.0).changes
    }

    /// Records a confirmation by a look-up that began after this many `changes`, unless a person has changed since.
    fn confirm(&self, slack: &str, changes: u64, now: DateTime<Utc>) {
        let mut confirmed = lock(&self.0);
        if confirmed.changes != changes {
            return;
        }
        if confirmed.since.len() >= CONFIRMED_MAX {
            confirmed.since.clear();
        }
        confirmed.since.insert(slack.to_owned(), now);
    }

    fn remove(&self, slack: &str) {
        lock(&self.0).since.remove(slack);
    }

    /// Removes a person who changed in Slack. Without an id, removes all.
    fn changed(&self, slack: Option<&str>) {
        let mut confirmed = lock(&self.0);
        confirmed.changes += 1;
        match slack {
            Some(slack) => {
                confirmed.since.remove(slack);
            }
            None => confirmed.since.clear(),
        }
    }
}

/// The person whom a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenHolder {
    /// The token's row.
    pub token: TokenId,
    /// The token's name, for the log.
    pub name: String,
    /// The person.
    pub person: Person,
    /// Whether it changes nothing.
    pub read_only: bool,
}

/// The result of a look at a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenCheck {
    /// It is this person.
    Is(Box<TokenHolder>),
    /// It is nobody's, or its person may no longer act.
    Nobody,
    /// Slack has to confirm the person first, and does not answer, or not clearly.
    Unconfirmed,
}

/// A login that begins to wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLogin {
    /// The SHA-256 of its token.
    pub digest: [u8; 32],
    /// The name for its token.
    pub name: String,
    /// Whether the token is to change nothing.
    pub read_only: bool,
    /// Where it came from.
    pub from: IpAddr,
}

/// The state of a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoginState {
    /// It waits for its person for so many more seconds.
    Waits(u64),
    /// It never was, or it is over.
    Over,
}

impl Commands {
    /// Says how to see whether members may act, once Slack knows us.
    pub(crate) fn admits_by(&self, admission: Arc<dyn Admission>) {
        // Slack is set up once a process.
        let _ = self.inner.admission.set(admission);
    }

    /// Records that a person changed in Slack and has to be confirmed again. Without an id, everybody has to.
    pub(crate) fn person_changed(&self, slack: Option<&str>) {
        self.inner.confirmed.changed(slack);
    }

    /// The logins that wait, and the tokens that are not shown yet.
    pub(crate) fn logins(&self) -> &Logins {
        &self.inner.logins
    }

    /// The person whom the token with this SHA-256 is.
    pub async fn holder(&self, digest: [u8; 32]) -> Result<TokenCheck, StoreError> {
        let found = self.inner.store.read_short(move |db| {
            let Some(token) = personal_tokens::by_digest(db, &digest)? else {
                return Ok(None);
            };
            let person = people::of_slack(db, &token.slack)?;
            // Another person may have got this Slack id since.
            let same = person.filter(|person| person.id == token.person);
            Ok(same.map(|person| (token, person)))
        });
        let Some((token, person)) = found.await? else {
            return Ok(TokenCheck::Nobody);
        };
        let now = self.inner.clock.now();
        let confirmed = &self.inner.confirmed;
        let changes = confirmed.changes();
        let admitted = match self.inner.admission.get() {
            Some(admission) => admission.may_act(&token.slack).await,
            None => Admitted::NoAnswer,
        };
        match admitted {
            Admitted::Yes => confirmed.confirm(&token.slack, changes, now),
            Admitted::NoAnswer if confirmed.is_recent(&token.slack, now) => {}
            Admitted::NoAnswer => return Ok(TokenCheck::Unconfirmed),
            Admitted::Uncertain => {
                confirmed.remove(&token.slack);
                return Ok(TokenCheck::Unconfirmed);
            }
            Admitted::No => {
                confirmed.remove(&token.slack);
                tracing::info!(person = %person.name, token = token.name, "API token refused: its person may not act in Slack");
                return Ok(TokenCheck::Nobody);
            }
        }
        self.note_use(&token, now);
        Ok(TokenCheck::Is(Box::new(TokenHolder {
            token: token.id,
            name: token.name,
            person,
            read_only: token.read_only,
        })))
    }

    /// Records that a token was used. The first use takes it out of the message that showed it.
    fn note_use(&self, token: &PersonalToken, now: DateTime<Utc>) {
        if token.used_at.is_some_and(|used| now < used + USED_EVERY) {
            return;
        }
        let token = token.clone();
        self.later(Duration::ZERO, move |commands| async move {
            let noted = commands.inner.store.write_soon(move |tx| {
                personal_tokens::used(tx, token.id, now)?;
                if token.used_at.is_none()
                    && let Some(message) = token.message
                    && messages::reword(tx, message, &reply::token_is_hidden(&token.name))?
                {
                    tx.wake(Wake::Messages);
                }
                Ok(())
            });
            if let Err(trouble) = noted.await {
                tracing::debug!(error = %trouble, "the use of a token is not recorded");
            }
        });
    }

    /// Lets a login wait for its person; returns its code.
    pub fn login(&self, new: NewLogin) -> Result<(String, TimeDelta), NoLogin> {
        let code = personal_tokens::new_code().map_err(|_| NoLogin::OfAll)?;
        let login = LoginRequest {
            code: code.clone(),
            digest: new.digest,
            name: new.name,
            read_only: new.read_only,
            from: new.from,
            asked_at: self.inner.clock.now(),
        };
        self.inner.logins.wait(login)?;
        Ok((code, LOGIN_VALID))
    }

    /// The state of the login with this token.
    pub fn login_state(&self, digest: &[u8; 32]) -> LoginState {
        let now = self.inner.clock.now();
        match self.inner.logins.waits_until(digest, now) {
            Some(until) => {
                let left = (until - now).num_seconds();
                LoginState::Waits(u64::try_from(left).unwrap_or_default())
            }
            None => LoginState::Over,
        }
    }

    /// Revokes the token that a request came with.
    pub async fn log_out(&self, holder: TokenHolder, digest: [u8; 32]) -> Result<(), StoreError> {
        self.turn(
            move |turn| match personal_tokens::by_digest(turn.db, &digest)? {
                Some(token) => revoke(turn, &holder.person, &token),
                None => Ok(()),
            },
        )
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_confirmation_counts_for_an_hour_and_until_its_person_changes() {
        let confirmed = Confirmed::default();
        let now = DateTime::UNIX_EPOCH;
        for slack in ["U0ANN01", "U0BOB01"] {
            confirmed.confirm(slack, confirmed.changes(), now);
        }
        assert!(confirmed.is_recent("U0ANN01", now + CONFIRMED_FOR / 2));
        assert!(!confirmed.is_recent("U0ANN01", now + CONFIRMED_FOR));
        let asked_at = confirmed.changes();
        confirmed.changed(Some("U0ANN01"));
        assert!(!confirmed.is_recent("U0ANN01", now));
        assert!(confirmed.is_recent("U0BOB01", now));
        // The answer may be older than the change.
        confirmed.confirm("U0ANN01", asked_at, now);
        assert!(!confirmed.is_recent("U0ANN01", now));
        confirmed.confirm("U0ANN01", confirmed.changes(), now);
        assert!(confirmed.is_recent("U0ANN01", now));
        confirmed.remove("U0ANN01");
        assert!(!confirmed.is_recent("U0ANN01", now));
        confirmed.changed(None);
        assert!(!confirmed.is_recent("U0BOB01", now));
    }
}
