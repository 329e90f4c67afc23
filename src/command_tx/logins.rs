//! Logins of the command line that wait for their person, and tokens that a message is about to show. Both are only in
//! memory: a restart ends the logins, and revokes the tokens.
//!
//! A login brings the hash of a token that the command line made itself, so that the token never leaves that machine
//! before its person has allowed it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard};

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::ids::{MessageId, TokenId};
use crate::limits::Limit;
use crate::runtime::lock;
use crate::store::personal_tokens::PlainToken;

/// How long a code is good.
pub const LOGIN_VALID: TimeDelta = TimeDelta::minutes(10);
/// The most logins that wait at a time.
const LOGINS_MAX: usize = 100;
/// The most logins of one address within [`LOGIN_VALID`].
const OF_ADDRESS_MAX: usize = 10;
/// The most wrong codes of one member within [`LOGIN_VALID`].
const WRONG_MAX: u32 = 10;
/// The most members whose wrong codes are counted.
const GUESSERS_MAX: usize = 1_000;

/// A login of the command line.
#[derive(Clone, PartialEq, Eq)]
pub struct LoginRequest {
    /// The code that its person types: `BCDF-GHJK`.
    pub code: String,
    /// The SHA-256 of its token.
    pub digest: [u8; 32],
    /// The name for its token.
    pub name: String,
    /// Whether the token is to change nothing.
    pub read_only: bool,
    /// Where it came from.
    pub from: IpAddr,
    /// When it came.
    pub asked_at: DateTime<Utc>,
}

/// Why a login cannot wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoLogin {
    /// Too many of this address came lately.
    OfAddress,
    /// Too many wait.
    OfAll,
}

/// The answer to a code.
#[derive(Clone, PartialEq, Eq)]
pub enum CodeAnswer {
    /// It is the code of this login, which it ends.
    Login(LoginRequest),
    /// It is no login's code.
    Wrong,
    /// The member may try again then.
    TooMany(DateTime<Utc>),
}

/// A token that a message is about to show.
struct Unshown {
    plain: PlainToken,
    message: Option<MessageId>,
}

/// Wrong codes since a time.
type WrongCodes = (u32, DateTime<Utc>);

#[derive(Default)]
struct InMemory {
    waiting: Vec<LoginRequest>,
    /// The addresses of all logins lately, ended ones included.
    addresses: Vec<(IpAddr, DateTime<Utc>)>,
    wrong: HashMap<String, WrongCodes>,
    unshown: HashMap<TokenId, Unshown>,
}

/// The logins that wait, and the tokens that are not shown yet.
#[derive(Default)]
pub struct Logins(Mutex<InMemory>);

impl Logins {
    /// Lets a login wait for its person.
    pub fn wait(&self, login: LoginRequest) -> Result<(), NoLogin> {
        let mut now = self.at(login.asked_at);
        let from = login.from;
        let of_address = now.addresses.iter().filter(|(one, _)| *one == from).count();
        if of_address >= OF_ADDRESS_MAX {
            Limit::Logins.reached(format_args!(
                "one address asked for {OF_ADDRESS_MAX} logins within 10 minutes; another one is answered 429"
            ));
            return Err(NoLogin::OfAddress);
        }
        if now.addresses.len() >= LOGINS_MAX {
            Limit::Logins.reached(format_args!(
                "{LOGINS_MAX} logins within 10 minutes; another one is answered 429"
            ));
            return Err(NoLogin::OfAll);
        }
        now.addresses.push((from, login.asked_at));
        now.waiting.push(login);
        Ok(())
    }

    /// Until when a login with this token waits; `None` if there is none.
    pub fn waits_until(&self, digest: &[u8; 32], at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let now = self.at(at);
        let waiting = now.waiting.iter().find(|login| login.digest == *digest);
        waiting.map(|login| login.asked_at + LOGIN_VALID)
    }

    /// The login that a member means by a code. Each code is good once.
    pub fn typed(&self, slack: &str, code: &str, at: DateTime<Utc>) -> CodeAnswer {
        let mut now = self.at(at);
        let (wrong, since) = now.wrong.get(slack).copied().unwrap_or((0, at));
        if wrong >= WRONG_MAX {
            Limit::LoginCodes.reached(format_args!(
                "a person typed {WRONG_MAX} wrong codes of logins; they have to wait"
            ));
            return CodeAnswer::TooMany(since + LOGIN_VALID);
        }
        match now.waiting.iter().position(|login| login.code == code) {
            Some(position) => {
                now.wrong.remove(slack);
                CodeAnswer::Login(now.waiting.remove(position))
            }
            None => {
                if now.wrong.len() < GUESSERS_MAX {
                    now.wrong.insert(slack.to_owned(), (wrong + 1, since));
                }
                CodeAnswer::Wrong
            }
        }
    }

    /// Keeps a new token for the message that will show it.
    pub fn keep(&self, id: TokenId, plain: PlainToken) {
        let message = None;
        lock(&self.0).unshown.insert(id, Unshown { plain, message });
    }

    /// Remembers the message of a token.
    pub fn shows(&self, id: TokenId, message: MessageId) {
        if let Some(token) = lock(&self.0).unshown.get_mut(&id) {
            token.message = Some(message);
        }
    }

    /// The text of a token that is still to be shown.
    pub fn plain(&self, id: TokenId) -> Option<String> {
        let now = lock(&self.0);
        Some(now.unshown.get(&id)?.plain.expose().to_owned())
    }

    /// The token that a message is to show.
    pub fn shown_by(&self, message: MessageId) -> Option<TokenId> {
        let now = lock(&self.0);
        let mut tokens = now.unshown.iter();
        let (id, _) = tokens.find(|(_, token)| token.message == Some(message))?;
        Some(*id)
    }

    /// Forgets the text of a token: it was shown, or is revoked.
    pub fn forget(&self, id: TokenId) {
        lock(&self.0).unshown.remove(&id);
    }

    /// The memory at a time, without all that is over.
    fn at(&self, now: DateTime<Utc>) -> MutexGuard<'_, InMemory> {
        let mut memory = lock(&self.0);
        let is_recent = |since: DateTime<Utc>| now < since + LOGIN_VALID;
        memory.waiting.retain(|login| is_recent(login.asked_at));
        memory.addresses.retain(|(_, since)| is_recent(*since));
        memory.wrong.retain(|_, (_, since)| is_recent(*since));
        memory
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(number: u8, from: u8, asked_at: DateTime<Utc>) -> LoginRequest {
        LoginRequest {
            code: format!("BCDF-{number}"),
            digest: [number; 32],
            name: "notebook".to_owned(),
            read_only: false,
            from: IpAddr::from([192, 0, 2, from]),
            asked_at,
        }
    }

    #[test]
    fn a_code_is_good_once_and_for_ten_minutes() {
        let logins = Logins::default();
        let then = DateTime::UNIX_EPOCH;
        assert_eq!(logins.wait(login(1, 1, then)), Ok(()));
        assert_eq!(logins.wait(login(2, 1, then)), Ok(()));
        assert_eq!(logins.waits_until(&[1; 32], then), Some(then + LOGIN_VALID));
        assert_eq!(logins.waits_until(&[3; 32], then), None);
        assert!(logins.typed("U1", "BCDF-1", then) == CodeAnswer::Login(login(1, 1, then)));
        assert!(logins.typed("U1", "BCDF-1", then) == CodeAnswer::Wrong);
        assert_eq!(logins.waits_until(&[1; 32], then), None);
        let late = then + LOGIN_VALID;
        assert_eq!(logins.waits_until(&[2; 32], late), None);
        assert!(logins.typed("U1", "BCDF-2", late) == CodeAnswer::Wrong);
    }

    #[test]
    fn an_address_asks_ten_times_and_all_a_hundred_times() {
        let logins = Logins::default();
        let then = DateTime::UNIX_EPOCH;
        for number in 0..10 {
            assert_eq!(logins.wait(login(number, 1, then)), Ok(()));
        }
        // Ended logins count.
        assert!(logins.typed("U1", "BCDF-1", then) == CodeAnswer::Login(login(1, 1, then)));
        assert_eq!(logins.wait(login(10, 1, then)), Err(NoLogin::OfAddress));
        for from in 2..11 {
            for number in 0..10 {
                assert_eq!(logins.wait(login(number, from, then)), Ok(()));
            }
        }
        assert_eq!(logins.wait(login(0, 12, then)), Err(NoLogin::OfAll));
        assert_eq!(logins.wait(login(0, 1, then + LOGIN_VALID)), Ok(()));
    }

    #[test]
    fn a_guesser_has_to_wait() {
        let logins = Logins::default();
        let then = DateTime::UNIX_EPOCH;
        assert_eq!(logins.wait(login(1, 1, then)), Ok(()));
        for _ in 0..WRONG_MAX {
            assert!(logins.typed("U1", "BCDF-X", then) == CodeAnswer::Wrong);
        }
        let until = then + LOGIN_VALID;
        assert!(logins.typed("U1", "BCDF-1", then) == CodeAnswer::TooMany(until));
        assert!(logins.typed("U2", "BCDF-1", then) == CodeAnswer::Login(login(1, 1, then)));
        assert!(logins.typed("U1", "BCDF-X", until) == CodeAnswer::Wrong);
    }
}
