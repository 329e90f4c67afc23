//! Logins of the command line. It makes a token of its own and sends its hash; the person allows it in Slack, and from
//! then on the token is them. So no answer has a token in it, and a lost answer loses none.

use std::net::{IpAddr, Ipv4Addr};

use axum::Json;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio::time::timeout;
use utoipa::ToSchema;

use super::answers::{LoginAnswer, LoginStateAnswer, LogoutAnswer};
use super::connections::counted;
use super::problem::{Problem, ProblemKind};
use super::request::Caller;
use super::serving::PeerAddress;
use super::tokens::{TokenGrant, digest_of, forbidden};
use super::{ApiState, BODY_WITHIN};
use crate::commands::{LoginState, NewLogin};
use crate::verbs::token::is_name;

/// The largest body of a login, in bytes: strangers send it.
const LOGIN_BODY_MAX: usize = 4096;
/// The first letters of a hash.
const SCHEME: &str = "sha256:";
/// The wait between two looks, in seconds.
const INTERVAL_S: u64 = 2;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LoginBody {
    /// `sha256:` and the SHA-256 of a new token in 64 hexadecimal digits. The token has at least 32 random bytes and
    /// is sent with GET /login and all later requests.
    hash: String,
    /// The name for the token: up to 64 letters, digits, `-`, `_` and `.`
    name: String,
    /// Whether the token is to change nothing.
    #[serde(default)]
    #[schema(default = false)]
    read_only: bool,
}

/// A login begins to wait. Strangers may ask, so it is small, and few.
pub(super) async fn begin(
    State(api): State<ApiState>,
    request: Request,
) -> Result<Json<LoginAnswer>, Problem> {
    let peer = request.extensions().get::<PeerAddress>();
    let from = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| counted(peer.0));
    let bad = |why: &str| Problem::new(ProblemKind::BadBody, format!("Bad body: {why}"));
    let body = timeout(BODY_WITHIN, to_bytes(request.into_body(), LOGIN_BODY_MAX)).await;
    let body = body
        .map_err(|_| Problem::new(ProblemKind::SlowBody, "The body arrives too slowly"))?
        .map_err(|_| bad("it is incomplete, or larger than 4096 bytes"))?;
    let body: LoginBody = serde_json::from_slice(&body).map_err(|error| bad(&error.to_string()))?;
    let mut digest = [0; 32];
    let digits = body.hash.strip_prefix(SCHEME).unwrap_or_default();
    hex::decode_to_slice(digits, &mut digest)
        .map_err(|_| bad("`hash` is `sha256:` and 64 hexadecimal digits"))?;
    if !is_name(&body.name) {
        return Err(bad("`name` is up to 64 letters, digits, `-`, `_` and `.`"));
    }
    let new = NewLogin {
        digest,
        name: body.name,
        read_only: body.read_only,
        from,
    };
    let (code, valid) = api.commands.login(new).map_err(|_| {
        Problem::new(
            ProblemKind::TooManyLogins,
            "Too many logins were tried. Wait 10 minutes and try again",
        )
    })?;
    Ok(Json(LoginAnswer {
        code,
        expires_in: valid.num_seconds(),
        interval: INTERVAL_S,
    }))
}

/// Whether the token of a login works already.
pub(super) async fn look(
    State(api): State<ApiState>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Problem> {
    let grant = request.extensions().get::<TokenGrant>();
    if let Some(holder) = grant.and_then(|grant| grant.own.as_deref()) {
        return Ok(Json(LoginStateAnswer::allowed(holder)).into_response());
    }
    if grant.is_some() {
        return Err(forbidden(
            "This token is in the configuration, and is no person's own",
        ));
    }
    let state = digest_of(&headers).map(|digest| api.commands.login_state(&digest));
    match state {
        Some(LoginState::Waits(_)) => {
            let answer = LoginStateAnswer::waiting(INTERVAL_S);
            Ok((StatusCode::ACCEPTED, Json(answer)).into_response())
        }
        Some(LoginState::Over) | None => Err(Problem::new(
            ProblemKind::LoginOver,
            "No login waits with this token. It may have expired, or Ivan has restarted: run `ivan login` again",
        )),
    }
}

/// Revokes the token of the request.
pub(super) async fn end(
    State(api): State<ApiState>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Json<LogoutAnswer>, Problem> {
    let (Some(holder), Some(digest)) = (caller.grant.own, digest_of(&headers)) else {
        return Err(forbidden(
            "This token is in the configuration, and only its operator can end it",
        ));
    };
    let revoked = holder.name.clone();
    api.commands.log_out(*holder, digest).await?;
    Ok(Json(LogoutAnswer { revoked }))
}
