//! The words of `token`: a person's own tokens of the API.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::Text;
use crate::domain::ids::TokenId;

/// A token in the list of its person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedToken {
    /// Its name, which the log shows.
    pub name: String,
    /// Whether it changes nothing.
    pub read_only: bool,
    /// When it was made.
    pub made_at: DateTime<Utc>,
    /// When it was used last, to a few minutes; `None`: never.
    pub used_at: Option<DateTime<Utc>>,
}

/// A person's tokens, and how to make and end them.
pub fn token_list(tokens: &[ListedToken], zone: Tz) -> Text {
    let mut words = match tokens {
        [] => Text::new().text("You have no API tokens."),
        _ => Text::new().text("Your API tokens. Each one is you:"),
    };
    for token in tokens {
        words = words.text("\n• ").code(&token.name);
        if token.read_only {
            words = words.text(" (read-only)");
        }
        words = words.text(", made ").moment(token.made_at, zone);
        words = match token.used_at {
            Some(at) => words.text(", last used ").moment(at, zone),
            None => words.text(", never used"),
        };
    }
    words = words
        .text("\nFor the command line, run ")
        .code("ivan login URL")
        .text(" on your computer. For scripts: ")
        .code("token new NAME")
        .text(", or ")
        .code("token new NAME read-only")
        .text(".");
    match tokens {
        [] => words,
        _ => words
            .text(" To end one: ")
            .code("token revoke NAME")
            .text("."),
    }
}

/// The one message that shows a new token.
pub fn token_made(id: TokenId, name: &str, read_only: bool) -> Text {
    let rights = match read_only {
        true => "It reads as you, and changes nothing",
        false => "It acts as you",
    };
    Text::new()
        .text("✓ Token ")
        .code(name)
        .text(format!(
            " made. {rights}. Copy it now, I show it only this once:\n"
        ))
        .token(id)
        .text("\nIts first use removes it from this message. To end it: ")
        .code(format!("token revoke {name}"))
        .text(".")
}

/// The same message after the first use of the token.
pub fn token_is_hidden(name: &str) -> Text {
    Text::new()
        .text("✓ Token ")
        .code(name)
        .text(" is in use, so I removed it from this message. To end it: ")
        .code(format!("token revoke {name}"))
        .text(".")
}

/// The same message if a restart came before it: nobody has the token.
pub fn token_lost(name: &str) -> Text {
    Text::new()
        .text("✗ I restarted before I could show token ")
        .code(name)
        .text(", so I revoked it. Type ")
        .code(format!("token new {name}"))
        .text(" again.")
}

/// After `token revoke`.
pub fn token_revoked(name: &str) -> Text {
    Text::new()
        .text("✓ Token ")
        .code(name)
        .text(" is revoked. It no longer works.")
}

/// A name that is no token of the person.
pub fn no_such_token(name: &str, others: &[String]) -> Text {
    let words = Text::new().text("You have no token ").code(name).text(".");
    match others {
        [] => words,
        others => words.text(format!(" Yours: {}.", others.join(", "))),
    }
}

/// A name that another token of the person has.
pub fn token_name_taken(name: &str) -> Text {
    Text::new()
        .text("You already have a token ")
        .code(name)
        .text(". Choose another name, or end that one first: ")
        .code(format!("token revoke {name}"))
        .text(".")
}

/// The person has as many as there may be.
pub fn too_many_tokens(most: usize) -> Text {
    Text::new()
        .text(format!(
            "You have {most} tokens, and more are not possible. End one first: "
        ))
        .code("token revoke NAME")
        .text(".")
}

/// `token` where others read along.
pub fn only_in_the_dm() -> Text {
    Text::new()
        .text("Tokens are between you and me. Type ")
        .code("token")
        .text(" in our direct messages.")
}

/// After `token allow`: what now acts as the person.
pub fn login_allowed(name: &str, read_only: bool, from: &str) -> Text {
    let rights = match read_only {
        true => "now reads as you, and changes nothing",
        false => "now acts as you",
    };
    Text::new()
        .text("✓ ")
        .code(name)
        .text(format!(
            " {rights}. Its login came from {from}. If that wasn't you: "
        ))
        .code(format!("token revoke {name}"))
        .text(".")
}

/// A code that nobody waits with.
pub fn no_such_login(code: &str) -> Text {
    Text::new()
        .text("No login waits with the code ")
        .code(code)
        .text(". A code is good for 10 minutes and once. Run ")
        .code("ivan login")
        .text(" again.")
}

/// After too many wrong codes.
pub fn too_many_codes(until: DateTime<Utc>, zone: Tz) -> Text {
    Text::new()
        .text("Those were too many wrong codes. Try again at ")
        .moment(until, zone)
        .text(".")
}
