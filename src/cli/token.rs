//! `ivan token`: tokens for `[[api.tokens]]`, without a daemon.

use std::io::Read;

use clap::Subcommand;
use serde_json::json;

use super::EXIT_FAILED;
use super::print::Printed;
use crate::config::{TOKEN_MIN, TokenHash};

/// The longest input that is read, in bytes.
const INPUT_MAX: u64 = 64 * 1024;

/// Actions on tokens for the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum TokenCommand {
    /// Make a token, and print it with its hash for [[api.tokens]]
    New,
    /// Print the hash of a token, which is read from standard input
    Hash,
}

/// Runs `ivan token …` with this input.
pub fn token(command: TokenCommand, input: impl Read, json: bool) -> Printed {
    match command {
        TokenCommand::New => match made() {
            Ok((token, hash)) => Printed::ok(match json {
                true => format!("{}\n", json!({ "token": token, "hash": hash.to_string() })),
                false => format!(
                    "Token, for its user. It is shown only now:\n{token}\nFor [[api.tokens]] in bot.toml:\nhash = \"{hash}\"\n"
                ),
            }),
            Err(why) => Printed::failed(&why, EXIT_FAILED),
        },
        TokenCommand::Hash => {
            let mut token = String::new();
            if let Err(error) = input.take(INPUT_MAX).read_to_string(&mut token) {
                return Printed::failed(&format!("Cannot read the token: {error}."), EXIT_FAILED);
            }
            match TokenHash::of(&token) {
                Some(hash) => Printed::ok(match json {
                    true => format!("{}\n", json!({ "hash": hash.to_string() })),
                    false => format!("{hash}\n"),
                }),
                None => Printed::failed(
                    &format!(
                        "The token is shorter than {TOKEN_MIN} characters. `ivan token new` makes a good one."
                    ),
                    EXIT_FAILED,
                ),
            }
        }
    }
}

/// A token of 32 random bytes, and its hash.
pub(super) fn made() -> Result<(String, TokenHash), String> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|e| format!("No random numbers from the system: {e}."))?;
    let token = hex::encode(bytes);
    let hash = TokenHash::of(&token).ok_or("No token was made.")?;
    Ok((token, hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_token_has_the_hash_that_is_shown_with_it() {
        let made = token(TokenCommand::New, std::io::empty(), true);
        let answer: serde_json::Value = serde_json::from_str(&made.out).unwrap();
        let text = answer["token"].as_str().unwrap();
        let hashed = token(TokenCommand::Hash, text.as_bytes(), false);
        assert_eq!(hashed.out.trim(), answer["hash"].as_str().unwrap());
        assert_ne!(
            made.out,
            token(TokenCommand::New, std::io::empty(), true).out
        );
    }

    #[test]
    fn a_short_token_has_no_hash() {
        let short = token(TokenCommand::Hash, "0123456789abcde\n".as_bytes(), false);
        assert_eq!((short.exit, short.out.as_str()), (EXIT_FAILED, ""));
        assert!(short.err.contains("shorter than 16"), "{}", short.err);
    }
}
