//! Code shared by the sandbox's REST services: request parsing and signatures.

use axum::body::Bytes;
use axum::http::{HeaderMap, Method, Request, header};
use hmac::{Hmac, KeyInit as _, Mac as _};
use percent_encoding::percent_decode_str;
use sha2::{Digest as _, Sha256};

/// A request, read completely.
pub(super) struct ReadRequest {
    pub method: Method,
    /// The segments of the path, percent-decoded. A trailing slash adds an empty one.
    path: Vec<String>,
    query: Vec<(String, String)>,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl ReadRequest {
    /// Reads a request; `None` if the body breaks off.
    pub async fn read(request: Request<axum::body::Body>) -> Option<ReadRequest> {
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.ok()?;
        let path = parts.uri.path().trim_start_matches('/').split('/');
        let query = parts.uri.query().unwrap_or_default();
        Some(ReadRequest {
            method: parts.method,
            path: path
                .map(|step| percent_decode_str(step).decode_utf8_lossy().into_owned())
                .collect(),
            query: url::form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect(),
            headers: parts.headers,
            body,
        })
    }

    /// Takes these segments away from the beginning of the path; false if it begins otherwise.
    pub fn strip(&mut self, prefix: &[&str]) -> bool {
        let begins = self.path.len() > prefix.len()
            && self
                .path
                .iter()
                .zip(prefix)
                .all(|(step, given)| step == given);
        if begins {
            self.path.drain(..prefix.len());
        }
        begins
    }

    pub fn steps(&self) -> Vec<&str> {
        self.path.iter().map(String::as_str).collect()
    }

    pub fn query(&self) -> &[(String, String)] {
        &self.query
    }

    /// The query, encoded.
    pub fn query_string(&self) -> String {
        url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&self.query)
            .finish()
    }

    /// The first value of a query parameter.
    pub fn one(&self, key: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.as_str())
    }

    /// Every value of a query parameter.
    pub fn all(&self, key: &str) -> Vec<&str> {
        self.query
            .iter()
            .filter(|(name, _)| name == key)
            .map(|(_, value)| value.as_str())
            .collect()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The fields of a form.
    pub fn form(&self) -> std::collections::BTreeMap<String, String> {
        url::form_urlencoded::parse(&self.body)
            .into_owned()
            .collect()
    }

    /// Whether the content type is JSON.
    pub fn is_json(&self) -> bool {
        self.header(header::CONTENT_TYPE.as_str())
            .and_then(|kind| kind.split(';').next())
            .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
    }
}

/// HMAC-SHA256 of `message`, in lower case hex.
pub(super) fn hmac_sha256(secret: &str, message: &[u8]) -> String {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any key length will do");
    mac.update(message);
    hex::encode(mac.finalize().into_bytes())
}

/// A random text.
pub(super) fn random() -> String {
    fastrand::u128(..).to_string()
}

/// 64 pseudo-random hex digits.
pub(super) fn digest(of: &str) -> String {
    hex::encode(Sha256::digest(of.as_bytes()))
}

/// A UUID (in the form of version 4) made from such digits.
pub(super) fn uuid(of: &str) -> String {
    let digits: Vec<char> = digest(of).chars().collect();
    let mut uuid = String::new();
    for (place, digit) in digits.iter().take(32).enumerate() {
        if [8, 12, 16, 20].contains(&place) {
            uuid.push('-');
        }
        uuid.push(match place {
            12 => '4',
            16 => 'a',
            _ => *digit,
        });
    }
    uuid
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_as_the_contracts_say() {
        // clickup 7.4
        let deleted = r#"{"event":"taskDeleted","task_id":"86tst0001","webhook_id":"11111111-2222-4333-8444-555555555555"}"#;
        assert_eq!(
            hmac_sha256("clickup-test-secret", deleted.as_bytes()),
            "c508d40b762d2e7677b831c9516725222364618af0220de4b59d58f3dbbe200d"
        );
        let posted = r#"{"event":"taskCommentPosted","task_id":"86tst0001","note":"café ✓","webhook_id":"11111111-2222-4333-8444-555555555555"}"#;
        assert_eq!(
            hmac_sha256("clickup-test-secret", posted.as_bytes()),
            "f2578a156cdb03c1cbdf85636f77a0d30fa8b75d22da3367b43daef68e7b2857"
        );
        // github 9.3
        for (body, signature) in [
            (
                "Hello, World!",
                "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
            ),
            (
                r#"{"action":"closed","issue":{"number":7},"repository":{"id":1001,"full_name":"acme/widgets"}}"#,
                "844b3651f5c6d41cccc1f712fea1c16552ebfdf3d049622aeaf752a4e77de1c4",
            ),
            (
                "payload=%7B%22zen%22%3A%22x%22%7D",
                "9e518bab52dd49be0a3cab84bf12fed8157f4905144554e29e99e7d137ca8e5c",
            ),
        ] {
            assert_eq!(
                hmac_sha256("It's a Secret to Everybody", body.as_bytes()),
                signature
            );
        }
    }

    #[test]
    fn makes_uuids() {
        let uuid = uuid("a");
        assert_eq!(uuid.len(), 36);
        assert_eq!(
            uuid.split('-').map(str::len).collect::<Vec<_>>(),
            [8, 4, 4, 4, 12]
        );
    }
}
