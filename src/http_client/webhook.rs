//! Webhook requests, as far as the sources share them: the signature, names, and the JSON of a payload.

use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::domain::source::{
    Delivery, DeliveryRefusal, Headers, SignatureCheck, UnreadablePayload,
};

/// The longest valid id, key or event name, in bytes.
const NAME_MAX: usize = 128;

/// The headers that may have the signature, an HMAC-SHA256 of the body: hex digits after a prefix.
pub(crate) struct Signature {
    pub(crate) headers: &'static [&'static str],
    pub(crate) prefix: &'static str,
}

impl Signature {
    /// The signatures in a request, not verified yet.
    fn claimed<'a>(&'a self, headers: &'a Headers<'_>) -> impl Iterator<Item = [u8; 32]> + 'a {
        self.headers.iter().filter_map(|name| {
            let digits = headers.get(name)?.strip_prefix(self.prefix)?;
            let mut signature = [0; 32];
            hex::decode_to_slice(digits, &mut signature).ok()?;
            Some(signature)
        })
    }

    pub(crate) fn is_claimed(&self, headers: &Headers<'_>) -> bool {
        self.claimed(headers).next().is_some()
    }

    /// The header with the signature that the owner of `secret` makes for a body.
    pub(crate) fn sign(&self, secret: &str, body: &[u8]) -> Option<(&'static str, String)> {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
        mac.update(body);
        let digits = hex::encode(mac.finalize().into_bytes());
        Some((self.headers.first()?, format!("{}{digits}", self.prefix)))
    }

    /// Begins to verify that the owner of `secret` signed a body.
    pub(crate) fn check(&self, headers: &Headers<'_>, secret: &str) -> Box<dyn SignatureCheck> {
        Box::new(Check {
            mac: Hmac::new_from_slice(secret.as_bytes()).ok(),
            claimed: self.claimed(headers).collect(),
        })
    }
}

struct Check {
    /// `None` if the secret cannot be a key.
    mac: Option<Hmac<Sha256>>,
    claimed: Vec<[u8; 32]>,
}

impl SignatureCheck for Check {
    fn update(&mut self, piece: &[u8]) {
        if let Some(mac) = &mut self.mac {
            mac.update(piece);
        }
    }

    fn holds(&self) -> bool {
        let Some(mac) = &self.mac else {
            return false;
        };
        let mut claimed = self.claimed.iter();
        claimed.any(|signature| mac.clone().verify_slice(signature).is_ok())
    }
}

/// The value of a header, if it can be a name.
pub(crate) fn header(headers: &Headers<'_>, name: &str) -> Option<String> {
    let value = headers.get(name)?.trim();
    is_name(value).then(|| value.to_owned())
}

pub(crate) fn is_name(text: &str) -> bool {
    (1..=NAME_MAX).contains(&text.len()) && text.chars().all(|c| c.is_ascii_graphic())
}

/// The hash of a body, for a dedupe key.
pub(crate) fn hash(body: &[u8]) -> String {
    hex::encode(Sha256::digest(body))
}

/// Accepts an event that is read; the others are known and irrelevant, or new.
pub(crate) fn is_read(event: &str, read: &[&str], ignored: bool) -> Result<(), DeliveryRefusal> {
    match (read.contains(&event), ignored) {
        (true, _) => Ok(()),
        (false, true) => Err(DeliveryRefusal::Ignored(event.to_owned())),
        (false, false) => Err(DeliveryRefusal::Unknown(event.to_owned())),
    }
}

/// A complete JSON object. The error does not repeat the body.
pub(crate) fn object<T: DeserializeOwned>(body: &[u8]) -> Result<T, DeliveryRefusal> {
    let text = std::str::from_utf8(body)
        .map_err(|_| DeliveryRefusal::Unreadable("The body is not UTF-8".to_owned()))?;
    if !text.trim_start().starts_with('{') {
        let why = "The body is not a JSON object".to_owned();
        return Err(DeliveryRefusal::Unreadable(why));
    }
    serde_json::from_str(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        DeliveryRefusal::Unreadable(format!("Unexpected JSON (line {line}, column {column})"))
    })
}

/// The payload of a stored delivery, from its `text`.
pub(crate) fn payload<'a, T: Deserialize<'a>>(
    delivery: &Delivery,
    text: &'a str,
) -> Result<T, UnreadablePayload> {
    serde_json::from_str(text).map_err(|error| UnreadablePayload {
        event: delivery.event.clone(),
        why: format!(
            "unexpected JSON (line {}, column {})",
            error.line(),
            error.column()
        ),
    })
}
