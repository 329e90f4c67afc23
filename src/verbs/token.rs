//! `token`: the person's own tokens of the API: `token`, `token new NAME [read-only]`, `token allow CODE`,
//! `token revoke NAME`. Only in the DM, because one answer shows a token.

use serde::Deserialize;
use utoipa::ToSchema;

use super::grammar::{ParseError, trim};
use super::{Info, Verb};
use crate::command_tx::{
    CodeAnswer, CommandTx, Context, Decided, Handled, LoginRequest, Rejection, Reply, Stop,
};
use crate::domain::card::{Button, ButtonAction, CardPart};
use crate::domain::person::Person;
use crate::domain::reply::{self, ListedToken};
use crate::limits::Limit;
use crate::store::personal_tokens::{self, NewPersonalToken, PersonalToken, PlainToken};
use crate::store::{DbResult, Wake, messages};

/// The most tokens of one person.
const TOKENS_MAX: usize = 20;
/// The longest name of a token, in characters.
const NAME_MAX: usize = 64;
const HINT: &str = "Type `token`, `token new NAME`, `token new NAME read-only`, `token allow CODE` or `token revoke NAME`.";

/// The person's own tokens of the API. Only in the DM.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// What is to be done with them.
    #[serde(skip)]
    pub action: TokenAction,
}

/// What is to be done with a person's tokens.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum TokenAction {
    /// Lists them.
    #[default]
    List,
    /// Makes one, and shows it once.
    New {
        /// Its name.
        name: String,
        /// Whether it changes nothing.
        read_only: bool,
    },
    /// Allows the login of a command line.
    Allow {
        /// The code that the command line shows.
        code: String,
        /// Whether its token changes nothing, whatever it asked for.
        read_only: bool,
    },
    /// Ends one.
    Revoke {
        /// Its name.
        name: String,
    },
}

impl Verb for Token {
    const INFO: &'static Info = &Info {
        name: "token",
        aliases: &["tokens"],
        usage: "token · token new NAME [read-only] · token allow CODE · token revoke NAME",
        effect: "your own tokens for the command line and the HTTP API",
        examples: &["token", "token new dashboard read-only"],
        ..Info::SHOWS
    };

    fn read(rest: &str) -> Result<Token, ParseError> {
        let hint = || ParseError::Prose(HINT.to_owned());
        let slip = |why: String| ParseError::Slip(why);
        let mut words = trim(rest).split_whitespace();
        let action = words.next().map(str::to_lowercase);
        let word = words.next().map(|word| word.trim_matches('`'));
        let further: Vec<String> = words.map(str::to_lowercase).collect();
        let read_only = match further.join(" ").trim_start_matches(['-', '—', '–']) {
            "" if further.is_empty() => Some(false),
            "read-only" | "readonly" | "read only" | "(read-only)" => Some(true),
            _ => None,
        };
        let action = match (action.as_deref(), word) {
            (None | Some("list"), None) => TokenAction::List,
            (Some("new" | "add" | "create"), Some(name)) => TokenAction::New {
                name: named(name)?,
                read_only: read_only.ok_or_else(hint)?,
            },
            (Some("allow" | "approve"), Some(code)) => TokenAction::Allow {
                code: spelled(code),
                read_only: read_only.ok_or_else(hint)?,
            },
            (Some("revoke" | "delete" | "remove"), Some(name)) if further.is_empty() => {
                TokenAction::Revoke {
                    name: name.to_owned(),
                }
            }
            (Some("new" | "add" | "create"), None) => {
                return Err(slip(
                    "What is the token for? `token new NAME`, or `token new NAME read-only`."
                        .into(),
                ));
            }
            (Some("allow" | "approve"), None) => {
                return Err(slip(
                    "Which code? `ivan login URL` shows one on your computer: `token allow CODE`."
                        .into(),
                ));
            }
            (Some("revoke" | "delete" | "remove"), None) => {
                return Err(slip(
                    "Revoke which token? `token` lists them: `token revoke NAME`.".into(),
                ));
            }
            _ => return Err(hint()),
        };
        Ok(Token { action })
    }

    fn decide(self, tx: &CommandTx<'_>, person: &Person, context: &Context) -> Decided {
        let Some(slack) = &context.alone_with else {
            return Err(Rejection::Unfit(reply::only_in_the_dm()).into());
        };
        let own = personal_tokens::of(tx.db, slack)?;
        let said = match self.action {
            TokenAction::List => {
                let listed: Vec<ListedToken> = own.into_iter().map(listed).collect();
                reply::token_list(&listed, person.zone).into()
            }
            TokenAction::New { name, read_only } => {
                make(tx, (person, slack), &own, &name, read_only)?
            }
            TokenAction::Allow { code, read_only } => match tx.logins.typed(slack, &code, tx.now) {
                CodeAnswer::Login(login) => {
                    let login = LoginRequest {
                        read_only: login.read_only || read_only,
                        ..login
                    };
                    allow(tx, (person, slack), &own, &login)?
                }
                CodeAnswer::Wrong => {
                    return Err(Rejection::Unfit(reply::no_such_login(&code)).into());
                }
                CodeAnswer::TooMany(until) => {
                    let words = reply::too_many_codes(until, person.zone);
                    return Err(Rejection::Unfit(words).into());
                }
            },
            TokenAction::Revoke { name } => {
                let Some(token) = own.iter().find(|one| one.name.eq_ignore_ascii_case(&name))
                else {
                    let names: Vec<String> = own.into_iter().map(|one| one.name).collect();
                    return Err(Rejection::Unfit(reply::no_such_token(&name, &names)).into());
                };
                revoke(tx, person, token)?;
                reply::token_revoked(&token.name).into()
            }
        };
        Ok(Handled::Replied(said))
    }

    fn takes_any_word(&self) -> bool {
        self.action != TokenAction::List
    }
}

/// Ends a token at once.
pub fn revoke(tx: &CommandTx<'_>, person: &Person, token: &PersonalToken) -> DbResult<()> {
    personal_tokens::remove(tx.db, token.id)?;
    tx.logins.forget(token.id);
    if let Some(message) = token.message
        && messages::reword(tx.db, message, &reply::token_revoked(&token.name))?
    {
        tx.db.wake(Wake::Messages);
    }
    tracing::info!(person = %person.name, token = token.name, "API token revoked");
    Ok(())
}

/// Who makes a token: the person, and the Slack id of the member.
type Maker<'a> = (&'a Person, &'a str);

fn make(
    tx: &CommandTx<'_>,
    (person, slack): Maker<'_>,
    own: &[PersonalToken],
    name: &str,
    read_only: bool,
) -> Result<Reply, Stop> {
    has_room(person, own)?;
    if own.iter().any(|one| one.name.eq_ignore_ascii_case(name)) {
        return Err(Rejection::Unfit(reply::token_name_taken(name)).into());
    }
    let plain = PlainToken::random()?;
    let new = NewPersonalToken {
        person: person.id,
        slack,
        name,
        digest: plain.digest(),
        read_only,
        is_known: false,
    };
    let id = personal_tokens::add(tx.db, &new, tx.now)?;
    tx.logins.keep(id, plain);
    tracing::info!(person = %person.name, token = name, read_only, "API token made");
    Ok(Reply {
        token: Some(id),
        ..Reply::from(reply::token_made(id, name, read_only))
    })
}

fn allow(
    tx: &CommandTx<'_>,
    (person, slack): Maker<'_>,
    own: &[PersonalToken],
    login: &LoginRequest,
) -> Result<Reply, Stop> {
    has_room(person, own)?;
    if personal_tokens::by_digest(tx.db, &login.digest)?.is_some() {
        return Err(Rejection::Unfit(reply::no_such_login(&login.code)).into());
    }
    let name = free_name(&login.name, own);
    let new = NewPersonalToken {
        person: person.id,
        slack,
        name: &name,
        digest: login.digest,
        read_only: login.read_only,
        is_known: true,
    };
    personal_tokens::add(tx.db, &new, tx.now)?;
    let from = login.from.to_string();
    tracing::info!(person = %person.name, token = name, read_only = login.read_only, from, "login allowed");
    let words = reply::login_allowed(&name, login.read_only, &from);
    let revoke = ButtonAction::Say(format!("token revoke {name}"));
    let buttons = vec![Button::new("Revoke", revoke)];
    Ok(Reply {
        parts: vec![CardPart::Text(words.clone()), CardPart::Buttons(buttons)],
        ..Reply::from(words)
    })
}

fn has_room(person: &Person, own: &[PersonalToken]) -> Result<(), Stop> {
    if own.len() < TOKENS_MAX {
        return Ok(());
    }
    Limit::PersonalTokens.reached(format_args!(
        "{} has {TOKENS_MAX} tokens of the API; another one is refused",
        person.name
    ));
    Err(Rejection::Unfit(reply::too_many_tokens(TOKENS_MAX)).into())
}

/// A name that no token of the person has: `notebook`, `notebook-2`.
fn free_name(name: &str, own: &[PersonalToken]) -> String {
    let is_free = |name: &str| !own.iter().any(|one| one.name.eq_ignore_ascii_case(name));
    let cut: String = name.chars().take(NAME_MAX - 3).collect();
    let numbered = (2..).map(|number| format!("{cut}-{number}"));
    let mut names = std::iter::once(name.to_owned()).chain(numbered);
    names.find(|name| is_free(name)).unwrap_or_default()
}

/// Whether a text can be the name of a token. It stands in logs and in commands.
pub fn is_name(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !text.is_empty() && text.len() <= NAME_MAX && text.chars().all(is_part)
}

fn named(text: &str) -> Result<String, ParseError> {
    match is_name(text) {
        true => Ok(text.to_owned()),
        false => Err(ParseError::Slip(format!(
            "A token's name has up to {NAME_MAX} letters, digits, `-`, `_` and `.`, such as `notebook`."
        ))),
    }
}

/// A code as it is shown, however it was typed.
fn spelled(typed: &str) -> String {
    let letters = typed.chars().filter(char::is_ascii_alphanumeric);
    let mut code: String = letters.take(NAME_MAX).collect();
    code.make_ascii_uppercase();
    if code.len() > 4 {
        code.insert(4, '-');
    }
    code
}

fn listed(token: PersonalToken) -> ListedToken {
    ListedToken {
        name: token.name,
        read_only: token.read_only,
        made_at: token.made_at,
        used_at: token.used_at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn new(name: &str, read_only: bool) -> TokenAction {
        let name = name.to_owned();
        TokenAction::New { name, read_only }
    }

    fn allow(code: &str, read_only: bool) -> TokenAction {
        let code = code.to_owned();
        TokenAction::Allow { code, read_only }
    }

    #[rstest]
    #[case("", TokenAction::List)]
    #[case(" list", TokenAction::List)]
    #[case(" new notebook", new("notebook", false))]
    #[case(" new Dash.1 read-only", new("Dash.1", true))]
    #[case(" new dash --read-only", new("dash", true))]
    #[case(" new dash read only", new("dash", true))]
    #[case(" allow BCDF-GHJK", allow("BCDF-GHJK", false))]
    #[case(" allow `bcdfghjk` read-only", allow("BCDF-GHJK", true))]
    #[case(" revoke notebook", TokenAction::Revoke { name: "notebook".into() })]
    fn it_is_read(#[case] rest: &str, #[case] action: TokenAction) {
        assert_eq!(Token::read(rest), Ok(Token { action }));
    }

    #[rstest]
    #[case(" new")]
    #[case(" new a/b")]
    #[case(" new dash for me")]
    #[case(" allow")]
    #[case(" revoke")]
    #[case(" revoke my old one")]
    #[case(" for github is missing")]
    fn other_texts_are_no_command(#[case] rest: &str) {
        assert!(Token::read(rest).is_err());
    }
}
