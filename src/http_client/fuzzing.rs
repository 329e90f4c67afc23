//! For fuzzing: an answer with its headers, made of bytes, and the reading of the headers that both sources share.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::{HttpClient, RawResponse};

/// The TLS provider that clients need, even for http.
pub(crate) fn provider() {
    let _already = rustls::crypto::ring::default_provider().install_default();
}

/// Reads lines up to an empty one: `name: value` is a header, a number is the status. The rest is the body.
pub(crate) fn answer(data: &[u8]) -> RawResponse {
    let mut status = 200;
    let mut headers = HeaderMap::new();
    let mut rest = data;
    loop {
        let (line, after) = split_at(rest, b'\n');
        rest = after;
        let line = line.trim_ascii();
        if line.is_empty() {
            return RawResponse {
                status,
                headers,
                body: String::from_utf8_lossy(rest).into_owned(),
            };
        }
        let number = std::str::from_utf8(line).ok();
        if let Some(number) = number.and_then(|line| line.parse().ok()) {
            status = number;
            continue;
        }
        let (name, value) = split_at(line, b':');
        let name = HeaderName::from_bytes(name.trim_ascii());
        let value = HeaderValue::from_bytes(value.trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
}

fn split_at(bytes: &[u8], byte: u8) -> (&[u8], &[u8]) {
    let at = bytes.iter().position(|one| *one == byte);
    let (before, after) = bytes.split_at(at.unwrap_or(bytes.len()));
    (before, after.get(1..).unwrap_or_default())
}

/// Reads the headers of an answer as [`HttpClient::exchange`] does. Rate limits hold for an hour or so, not for ever.
pub(crate) fn learns(client: &HttpClient, answer: &RawResponse) {
    client.learn(&answer.headers);
    let _there = client.answered_at(answer);
    let until = client.limits().refused_until;
    let latest = client.now() + client.system.pause_max;
    assert!(until.is_none_or(|until| until <= latest), "{until:?}");
    let _open = client.check_open();
}

/// The longest wait that an answer can ask for.
pub(crate) fn longest_wait(client: &HttpClient) -> std::time::Duration {
    client.system.pause_max
}
