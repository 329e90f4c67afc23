//! The sandbox's GitHub App: its JWTs, its installations, and their tokens (docs/contracts/github.md#github-apps).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use rustls::pki_types::PrivatePkcs1KeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};

use crate::sandbox::wire::{digest, random};

/// The App's private key, for programs that run against the sandbox as this App. It is public, and opens nothing else.
pub(super) const KEY: &str = include_str!("../../../fixtures/github/app-key.pem");
const APP_ID: u64 = 123_456;
const CLIENT_ID: &str = "Iv23liSANDBOX0APP001";
const SLUG: &str = "ivan-app";
const BOT_ID: u64 = 9_001;
/// How far a JWT's `iat` may be in the future, and its `exp` at most, in seconds.
const IAT_AHEAD: i64 = 60;
const EXP_AHEAD: i64 = 600;
/// The life of an installation's token in milliseconds.
const TOKEN_LIFE: i64 = 3_600_000;

/// A refusal: its status and its message.
pub(super) type AppRefusal = (u16, &'static str);
pub(super) const BAD: AppRefusal = (401, "Bad credentials");
pub(super) const UNDECODABLE: AppRefusal = (401, "A JSON web token could not be decoded");
pub(super) const NO_APP: AppRefusal = (404, "Integration not found");
pub(super) const SUSPENDED: AppRefusal = (403, "This installation has been suspended");

/// The sender of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GitHubCaller {
    /// The user of the personal access token.
    User,
    /// The App itself, with a JWT.
    App,
    /// An installation, with its token.
    Installation(u64),
}

/// The App. It exists from the first installation on.
pub(super) struct SandboxApp {
    public_key: Vec<u8>,
    pub installations: BTreeMap<u64, SandboxInstallation>,
    tokens: Vec<GrantedToken>,
    pub events: Vec<String>,
    /// The permissions that installations get.
    pub permissions: BTreeMap<String, String>,
    pub name: String,
    /// The account that made it.
    pub owner: String,
    /// Its home page.
    pub url: String,
    created_at: String,
}

pub(super) struct SandboxInstallation {
    /// The account that installed it, and owns the repositories.
    pub account: String,
    pub suspended_at: Option<String>,
    pub permissions: BTreeMap<String, String>,
}

/// A code that was handed out for a new App.
pub(super) struct ManifestCode {
    pub code: String,
    /// When, in milliseconds since the epoch, by GitHub's clock.
    pub at: i64,
    pub used: bool,
}

struct GrantedToken {
    token: String,
    installation: u64,
    /// In milliseconds since the epoch, by GitHub's clock.
    expires: i64,
}

impl SandboxApp {
    pub fn new(created_at: String) -> SandboxApp {
        let der = PrivatePkcs1KeyDer::from_pem_slice(KEY.as_bytes());
        let der = der.expect("the fixture is a key in PKCS#1");
        let key = RsaKeyPair::from_der(der.secret_pkcs1_der()).expect("the fixture is an RSA key");
        SandboxApp {
            public_key: key.public_key().as_ref().to_vec(),
            installations: BTreeMap::new(),
            tokens: Vec::new(),
            events: [
                "issues",
                "issue_comment",
                "issue_dependencies",
                "repository",
                "sub_issues",
            ]
            .map(str::to_owned)
            .to_vec(),
            permissions: [("issues", "write"), ("metadata", "read")]
                .map(|(name, level)| (name.to_owned(), level.to_owned()))
                .into(),
            name: "Ivan App".to_owned(),
            owner: "acme".to_owned(),
            url: "https://ivan.test".to_owned(),
            created_at,
        }
    }

    /// The sender of a request with this credential, at a time in milliseconds.
    pub fn caller_of(&self, token: &str, now: i64) -> Result<GitHubCaller, AppRefusal> {
        if is_jwt(token) {
            self.check_jwt(token, now / 1000)?;
            return Ok(GitHubCaller::App);
        }
        let known = self.tokens.iter().find(|one| one.token == token);
        let known = known.filter(|one| now < one.expires).ok_or(BAD)?;
        let installation = self.installations.get(&known.installation);
        match installation.ok_or(BAD)?.suspended_at {
            Some(_) => Err(SUSPENDED),
            None => Ok(GitHubCaller::Installation(known.installation)),
        }
    }

    /// RS256 with the App's key, and the claims `iss`, `iat` and `exp`, at a time in seconds.
    fn check_jwt(&self, token: &str, now: i64) -> Result<(), AppRefusal> {
        let (signed, signature) = token.rsplit_once('.').ok_or(UNDECODABLE)?;
        let (head, claims) = signed.split_once('.').ok_or(UNDECODABLE)?;
        let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| UNDECODABLE);
        let object = |part: &str| {
            let value: Option<Value> = serde_json::from_slice(&decoded(part)?).ok();
            value.filter(Value::is_object).ok_or(UNDECODABLE)
        };
        let (head, claims) = (object(head)?, object(claims)?);
        if head["alg"] != "RS256" {
            return Err(UNDECODABLE);
        }
        let iss = match &claims["iss"] {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return Err(UNDECODABLE),
        };
        if iss != app_id() && iss != CLIENT_ID {
            return Err(NO_APP);
        }
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.public_key);
        key.verify(signed.as_bytes(), &decoded(signature)?)
            .map_err(|_| UNDECODABLE)?;
        if seconds(&claims, "iat").is_none_or(|at| at > now + IAT_AHEAD) {
            return Err((
                401,
                "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued",
            ));
        }
        match seconds(&claims, "exp") {
            Some(at) if at > now + EXP_AHEAD => Err((
                401,
                "'Expiration time' claim ('exp') is too far in the future",
            )),
            Some(at) if at > now => Ok(()),
            _ => Err((
                401,
                "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion \
                 expires",
            )),
        }
    }

    /// A new token of an installation, granted at a time in milliseconds, and its end.
    pub fn grant(&mut self, installation: u64, now: i64) -> (String, i64) {
        let expires = now + TOKEN_LIFE;
        let digits: String = digest(&random()).chars().take(36).collect();
        let token = format!("ghs_{digits}");
        self.tokens.push(GrantedToken {
            token: token.clone(),
            installation,
            expires,
        });
        (token, expires)
    }

    /// The App in wire form.
    pub fn json(&self, owner: Value, pages: &str) -> Value {
        let owner = match owner.is_null() {
            true => json!({"login": self.owner, "id": 20, "type": "Organization"}),
            false => owner,
        };
        json!({
            "id": APP_ID, "slug": SLUG, "client_id": CLIENT_ID, "node_id": format!("A_{APP_ID}"), "owner": owner,
            "name": self.name, "description": "", "external_url": self.url,
            "html_url": format!("{pages}/apps/{SLUG}"), "created_at": self.created_at,
            "updated_at": self.created_at, "permissions": self.permissions,
            "events": self.events, "installations_count": self.installations.len(),
        })
    }

    /// An installation in wire form.
    pub fn installation_json(
        &self,
        (id, one): (u64, &SandboxInstallation),
        account: Value,
        (base, pages): (&str, &str),
    ) -> Value {
        let account = match account.is_null() {
            true => json!({"login": one.account, "id": 20, "type": "Organization"}),
            false => account,
        };
        json!({
            "id": id, "account": account, "app_id": APP_ID, "app_slug": SLUG, "client_id": CLIENT_ID,
            "target_type": account["type"], "target_id": account["id"], "repository_selection": "all",
            "permissions": one.permissions, "events": self.events, "created_at": self.created_at,
            "updated_at": self.created_at, "single_file_name": null, "suspended_at": one.suspended_at,
            "suspended_by": null, "access_tokens_url": format!("{base}/app/installations/{id}/access_tokens"),
            "repositories_url": format!("{base}/installation/repositories"),
            "html_url": format!("{pages}/organizations/{}/settings/installations/{id}", one.account),
        })
    }

    /// The tokens that were granted so far.
    pub fn granted(&self) -> Vec<String> {
        self.tokens.iter().map(|one| one.token.clone()).collect()
    }

    /// Ends all tokens.
    pub fn expire_tokens(&mut self) {
        for token in &mut self.tokens {
            token.expires = 0;
        }
    }
}

/// The App ID.
pub(super) fn app_id() -> String {
    APP_ID.to_string()
}

/// The client ID, which a JWT may name instead.
pub(super) fn client_id() -> &'static str {
    CLIENT_ID
}

/// The login that the App's installations act as.
pub(super) fn bot() -> String {
    format!("{SLUG}[bot]")
}

/// A claim's number of seconds. GitHub takes no text.
fn seconds(claims: &Value, name: &str) -> Option<i64> {
    claims.get(name)?.as_i64()
}

/// Whether a credential has the form of a JWT.
pub(super) fn is_jwt(token: &str) -> bool {
    token.split('.').count() == 3
}

/// The bot in wire form.
pub(super) fn bot_json() -> Value {
    json!({"login": bot(), "id": BOT_ID, "node_id": format!("BOT_{BOT_ID}"), "type": "Bot", "site_admin": false})
}

/// Its name in addresses.
pub(super) fn slug() -> &'static str {
    SLUG
}

/// An installation for an account, with the permissions that the App asks for.
pub(super) fn installed_by(
    account: &str,
    permissions: &BTreeMap<String, String>,
) -> SandboxInstallation {
    SandboxInstallation {
        account: account.to_owned(),
        suspended_at: None,
        permissions: permissions.clone(),
    }
}
