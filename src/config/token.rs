//! The hash of an API token, by which `bot.toml` knows it without having it.

use std::fmt;

use sha2::{Digest, Sha256};

/// The first letters of a hash in `bot.toml`.
const SCHEME: &str = "sha256:";

/// The shortest token, in characters. Its hash is no protection if the token can be guessed.
pub const TOKEN_MIN: usize = 16;

/// The SHA-256 of a token. A token is random, so that a slow hash would protect nothing more.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The hash of this token, without white space around it. `None` if it is too short.
    pub fn of(token: &str) -> Option<TokenHash> {
        let token = token.trim();
        let hash = || TokenHash(Sha256::digest(token.as_bytes()).into());
        (token.chars().count() >= TOKEN_MIN).then(hash)
    }

    /// Reads `sha256:` and 64 hexadecimal digits.
    pub fn parse(text: &str) -> Option<TokenHash> {
        let digits = text.strip_prefix(SCHEME)?;
        let mut hash = [0; 32];
        hex::decode_to_slice(digits, &mut hash).ok()?;
        Some(TokenHash(hash))
    }

    /// The digest itself.
    pub fn bytes(&self) -> [u8; 32] {
        self.0
    }
}

/// As in `bot.toml`.
impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}", hex::encode(self.0))
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_read_back_and_does_not_hold_the_token() {
        let hash = TokenHash::of(" correct-horse-battery\n").unwrap();
        let text = hash.to_string();
        assert_eq!(TokenHash::parse(&text), Some(hash));
        assert!(!text.contains("horse"), "{text}");
        assert_eq!(
            TokenHash::of("0123456789abcdef").unwrap().to_string(),
            "sha256:9f9f5111f7b27a781f1f1ddde5ebc2dd2b796bfc7365c9c28b548e564176929f"
        );
    }

    #[test]
    fn what_is_no_hash_is_refused() {
        assert_eq!(TokenHash::of("0123456789abcde"), None);
        for text in ["", "sha256:", "sha256:00", "0123456789abcdef", "md5:00"] {
            assert_eq!(TokenHash::parse(text), None, "{text}");
        }
    }
}
