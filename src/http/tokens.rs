//! The tokens of the API: who a request may act as, and what it may do.
//!
//! Only digests of the tokens are stored, which can be compared in constant time and never shown.

use std::fmt;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::problem::{Problem, ProblemKind};
use crate::domain::log::Via;

/// The header with which the command line shows that it is one: `cli` and a proof that needs the token's text.
const SURFACE: &str = "x-ivan-surface";
/// The text that the command line signs with its token. `cli/client.rs` has the same.
const CLI: &[u8] = b"ivan command line";

/// A token of `[[api.tokens]]`.
#[derive(Clone, PartialEq, Eq)]
pub struct NamedToken {
    /// Its name, which the log shows.
    pub name: String,
    /// The person whom it acts as; `None` for any.
    pub person: Option<String>,
    /// Whether it may only read.
    pub read_only: bool,
    /// The SHA-256 of the token.
    pub digest: [u8; 32],
}

/// All tokens of the API. Clones share them.
#[derive(Clone)]
pub struct ApiTokens {
    tokens: Arc<[Token]>,
    /// The header of the command line that has the single token.
    cli: Hmac<Sha256>,
}

struct Token {
    digest: Hmac<Sha256>,
    grant: TokenGrant,
}

/// The rights of a request by its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TokenGrant {
    /// The name in `[[api.tokens]]`; `None` for the single token, which is the operator's.
    pub name: Option<String>,
    /// The only person whom it acts as.
    pub person: Option<String>,
    /// Whether it may change nothing.
    pub read_only: bool,
    /// How the log says that the request came.
    pub via: Via,
}

impl ApiTokens {
    /// The single token, which may act as every person. `None` for a blank one: without a token there is no API (P6).
    pub fn new(secret: &str) -> Option<ApiTokens> {
        let secret = secret.trim();
        let grant = TokenGrant {
            name: None,
            person: None,
            read_only: false,
            via: Via::Http,
        };
        (!secret.is_empty()).then(|| ApiTokens {
            tokens: Arc::new([Token {
                digest: comparable(&sha256(secret.as_bytes())),
                grant,
            }]),
            cli: comparable(&proof_of_the_command_line(secret)),
        })
    }

    /// The same with these tokens.
    pub fn with(self, named: Vec<NamedToken>) -> ApiTokens {
        let single = self.tokens.iter().map(|token| Token {
            digest: token.digest.clone(),
            grant: token.grant.clone(),
        });
        let named = named.into_iter().map(|token| Token {
            digest: comparable(&token.digest),
            grant: TokenGrant {
                name: Some(token.name),
                person: token.person,
                read_only: token.read_only,
                via: Via::Http,
            },
        });
        ApiTokens {
            tokens: single.chain(named).collect(),
            cli: self.cli,
        }
    }

    /// The rights of the presented token. All tokens are compared, so that the time tells nothing about them.
    fn grant(&self, headers: &HeaderMap) -> Option<TokenGrant> {
        let presented = comparable(&sha256(bearer(headers)?));
        let mut found = None;
        for token in self.tokens.iter() {
            if is_same(&presented, &token.digest) {
                found = Some(&token.grant);
            }
        }
        let mut grant = found?.clone();
        if grant.name.is_none() && self.is_command_line(headers) {
            grant.via = Via::Cli;
        }
        Some(grant)
    }

    /// Whether the request is from the command line: a word alone does not say so, because any caller can choose it.
    fn is_command_line(&self, headers: &HeaderMap) -> bool {
        let value = headers.get(SURFACE).and_then(|value| value.to_str().ok());
        let proof = value.and_then(|value| hex::decode(value.strip_prefix("cli ")?).ok());
        proof.is_some_and(|proof| is_same(&comparable(&proof), &self.cli))
    }
}

impl fmt::Debug for ApiTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiTokens(…)")
    }
}

impl TokenGrant {
    /// Refuses a request that is for no single person: those are for tokens of any.
    pub(super) fn of_any(&self) -> Result<(), Problem> {
        match &self.person {
            None => Ok(()),
            Some(person) => Err(forbidden(format!(
                "This token acts as {person} only. Use one for any person"
            ))),
        }
    }
}

/// Requires a token for all paths except the two probes, unknown paths included.
pub(super) async fn authorize(
    State(tokens): State<ApiTokens>,
    mut request: Request,
    next: Next,
) -> Response {
    let open = matches!(request.uri().path(), "/healthz" | "/readyz");
    let grant = match tokens.grant(request.headers()) {
        Some(grant) => grant,
        None if open => return next.run(request).await,
        None => return not_authorized().into_response(),
    };
    let reads = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    if grant.read_only && !reads {
        return forbidden("This token may only read").into_response();
    }
    request.extensions_mut().insert(grant);
    next.run(request).await
}

pub(super) fn not_authorized() -> Problem {
    Problem::new(
        ProblemKind::NotAuthorized,
        "Missing or wrong token. Send `Authorization: Bearer <token>` with api.token, or the content of the file \
             api-token beside the store",
    )
}

pub(super) fn forbidden(why: impl Into<String>) -> Problem {
    Problem::new(ProblemKind::Forbidden, why)
}

/// The credentials of the bearer scheme, whose name has no case (RFC 9110, 11.1).
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, credentials) = value.split_at_checked("Bearer ".len())?;
    scheme
        .eq_ignore_ascii_case(b"Bearer ")
        .then_some(credentials.trim_ascii())
}

fn sha256(secret: &[u8]) -> [u8; 32] {
    Sha256::digest(secret).into()
}

fn proof_of_the_command_line(token: &str) -> [u8; 32] {
    // Keys of any length are accepted.
    let mut mac = comparable(b"");
    if let Ok(keyed) = Hmac::<Sha256>::new_from_slice(token.as_bytes()) {
        mac = keyed;
    }
    mac.update(CLI);
    mac.finalize().into_bytes().into()
}

/// A digest that is compared in constant time. The key only separates these digests from others.
fn comparable(secret: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new(&Default::default());
    mac.update(secret);
    mac
}

fn is_same(one: &Hmac<Sha256>, other: &Hmac<Sha256>) -> bool {
    let other = other.clone().finalize().into_bytes();
    one.clone().verify_slice(&other).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn headers(bearer: &str, surface: Option<&str>) -> HeaderMap {
        let value = |text: &str| HeaderValue::from_str(text).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, value(&format!("bearer {bearer}")));
        if let Some(surface) = surface {
            headers.insert(SURFACE, value(surface));
        }
        headers
    }

    fn tokens() -> ApiTokens {
        ApiTokens::new("the-operators-own")
            .unwrap()
            .with(vec![NamedToken {
                name: "ci".into(),
                person: Some("Ana".into()),
                read_only: true,
                digest: sha256(b"the-token-of-ci"),
            }])
    }

    #[test]
    fn a_token_has_its_own_rights() {
        let tokens = tokens();
        let grant = |bearer| tokens.grant(&headers(bearer, None));
        let single = grant("the-operators-own").unwrap();
        assert_eq!((single.name, single.person), (None, None));
        let ci = grant("the-token-of-ci").unwrap();
        assert_eq!(ci.name.as_deref(), Some("ci"));
        assert_eq!(ci.person.as_deref(), Some("Ana"));
        assert!(ci.read_only && !single.read_only);
        for other in [
            "",
            "the-token-of-c",
            "the-token-of-ci2",
            "the-token-of-cj",
            "ci",
        ] {
            assert_eq!(grant(other), None, "{other}");
        }
        let spaced = ApiTokens::new(" the-operators-own\n").unwrap();
        assert!(spaced.grant(&headers("the-operators-own", None)).is_some());
        assert_eq!(tokens.grant(&HeaderMap::new()), None);
        assert!(!format!("{tokens:?}").contains("ci"));
    }

    /// A caller cannot choose the surface that the log shows: it takes a signature with the token's text, and only the
    /// single token has one.
    #[test]
    fn the_surface_is_proved() {
        let tokens = tokens();
        let via = |bearer: &str, surface: &str| {
            tokens.grant(&headers(bearer, Some(surface))).unwrap().via
        };
        let proof = |token: &str| format!("cli {}", hex::encode(proof_of_the_command_line(token)));
        let own = "the-operators-own";
        assert_eq!(via(own, &proof(own)), Via::Cli);
        let others = [
            "cli".to_owned(),
            "slack".to_owned(),
            "cli 00".to_owned(),
            "cli xx".to_owned(),
            proof("the-token-of-ci"),
        ];
        for surface in others {
            assert_eq!(via(own, &surface), Via::Http, "{surface}");
        }
        let ci = "the-token-of-ci";
        assert_eq!(via(ci, &proof(ci)), Via::Http);
        assert_eq!(via(ci, &proof(own)), Via::Http);
    }

    #[test]
    fn a_blank_token_is_none() {
        assert!(ApiTokens::new("").is_none());
        assert!(ApiTokens::new(" \n").is_none());
    }
}
