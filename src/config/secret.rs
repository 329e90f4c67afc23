//! A token that cannot get into a log by accident.

use std::fmt;

/// A token or password. It shows as `***`, however it is printed; [`Secret::expose`] is the only way to its text.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The text itself: for the request that carries it, and for nothing else.
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
