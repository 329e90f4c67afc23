//! A token type that prevents accidental logging.

use std::fmt;

use zeroize::Zeroizing;

/// A token or password. All formatting prints `***`; only [`Secret::expose`] returns the text. Its memory is overwritten
/// when it is dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text as it is.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(Zeroizing::new(text.into()))
    }

    /// The text, only for the request that carries it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print() {
        let secret = Secret::new("xoxb-1-sesame");
        let printed = format!("{secret} {secret:?} {:#?}", Some(secret.clone()));
        assert!(!printed.contains("sesame"), "{printed}");
        assert_eq!(secret.expose(), "xoxb-1-sesame");
    }
}
