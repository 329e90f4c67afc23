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
use crate::commands::{Commands, TokenCheck, TokenHolder};
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
    /// Knows the tokens that people made for themselves.
    people: Option<Commands>,
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
    /// The person and the token, if the person made it.
    pub own: Option<Box<TokenHolder>>,
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
            own: None,
        };
        (!secret.is_empty()).then(|| ApiTokens {
            tokens: Arc::new([Token {
                digest: comparable(&sha256(secret.as_bytes())),
                grant,
            }]),
            cli: comparable(&proof_of_the_command_line(secret)),
            people: None,
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
                own: None,
            },
        });
        ApiTokens {
            tokens: single.chain(named).collect(),
            cli: self.cli,
            people: self.people,
        }
    }

    /// The same, with the tokens that people made for themselves.
    pub(super) fn and_of_people(self, commands: Commands) -> ApiTokens {
        ApiTokens {
            people: Some(commands),
            ..self
        }
    }

    /// The rights of the presented token, if a person made it. Its hash is looked up: the time tells nothing that leads
    /// to a token.
    async fn grant_of_person(&self, headers: &HeaderMap) -> Result<Option<TokenGrant>, Problem> {
        let (Some(people), Some(digest)) = (&self.people, digest_of(headers)) else {
            return Ok(None);
        };
        match people.holder(digest).await? {
            TokenCheck::Is(holder) => Ok(Some(TokenGrant {
                name: Some(holder.name.clone()),
                person: Some(holder.person.name.clone()),
                read_only: holder.read_only,
                via: match bearer(headers)
                    .is_some_and(|token| proves_the_command_line(headers, token))
                {
                    true => Via::Cli,
                    false => Via::Http,
                },
                own: Some(holder),
            })),
            TokenCheck::Nobody => Ok(None),
            TokenCheck::Unconfirmed => Err(Problem::new(
                ProblemKind::NotReady,
                "Slack has not confirmed yet that you may use Ivan. Try again in a minute",
            )),
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
        presented_proof(headers).is_some_and(|proof| is_same(&comparable(&proof), &self.cli))
    }
}

/// Whether the command line shows with this token that it is one.
fn proves_the_command_line(headers: &HeaderMap, token: &[u8]) -> bool {
    let Ok(token) = std::str::from_utf8(token) else {
        return false;
    };
    let own = comparable(&proof_of_the_command_line(token));
    presented_proof(headers).is_some_and(|proof| is_same(&comparable(&proof), &own))
}

fn presented_proof(headers: &HeaderMap) -> Option<Vec<u8>> {
    let value = headers.get(SURFACE)?.to_str().ok()?;
    hex::decode(value.strip_prefix("cli ")?).ok()
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

/// Requires a token for all paths except the two probes and logins, unknown paths included. Pages refuse by themselves.
pub(super) async fn authorize(
    State(tokens): State<ApiTokens>,
    mut request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path();
    let is_probe = matches!(path, "/healthz" | "/readyz");
    let is_open = is_probe || path == "/login" || is_page(path);
    let found = match tokens.grant(request.headers()) {
        Some(grant) => Ok(Some(grant)),
        None if is_probe => Ok(None),
        None => tokens.grant_of_person(request.headers()).await,
    };
    let grant = match found {
        Ok(Some(grant)) => grant,
        Ok(None) if is_open => return next.run(request).await,
        Ok(None) => return not_authorized().into_response(),
        Err(problem) => return problem.into_response(),
    };
    let path = request.uri().path();
    let reads = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    // Its holder may end it.
    if grant.read_only && !reads && path != "/logout" {
        return forbidden("This token may only read").into_response();
    }
    request.extensions_mut().insert(grant);
    next.run(request).await
}

/// Whether a path belongs to a page, which answers a request without a token itself.
fn is_page(path: &str) -> bool {
    matches!(path, "/" | "/docs" | "/style.css") || path.starts_with("/ops/")
}

pub(super) fn not_authorized() -> Problem {
    Problem::new(
        ProblemKind::NotAuthorized,
        "Missing or wrong token. `ivan login URL` gets you one. The operator's is api.token, or the content of the file \
             api-token beside the store: send `Authorization: Bearer <token>`",
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

/// The SHA-256 of the presented token.
pub(super) fn digest_of(headers: &HeaderMap) -> Option<[u8; 32]> {
    bearer(headers).map(sha256)
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
