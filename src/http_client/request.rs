//! A request to a source, and the words for its subject.

use reqwest::Method;
use serde_json::Value;
use url::Url;

/// One request.
pub(crate) struct Request {
    pub(super) method: Method,
    pub(super) target: RequestTarget,
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) body: Option<Value>,
    /// A file to send instead of a body of JSON.
    pub(super) file: Option<FormFile>,
    /// The subject in errors: `the task 86tst0001`.
    pub(crate) thing: String,
    /// The permission that the token needs beyond reading and writing tasks, in words.
    pub(crate) needs: Option<&'static str>,
    /// The ETag of the known response.
    pub(crate) known: Option<String>,
}

/// A file as the only field of a form (`multipart/form-data`).
#[derive(Clone)]
pub(crate) struct FormFile {
    /// The name of the field.
    pub(crate) field: &'static str,
    /// The name of the file, without quotation marks and control characters.
    pub(crate) name: String,
    pub(crate) content: Vec<u8>,
}

impl FormFile {
    /// The content type and the body of a form with this file.
    pub(super) fn form(&self) -> (String, Vec<u8>) {
        let mut boundary = format!("ivan-{:032x}", fastrand::u128(..));
        // A boundary within the content would end it.
        while memmem(&self.content, boundary.as_bytes()) {
            boundary = format!("ivan-{:032x}", fastrand::u128(..));
        }
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{}\"; filename=\"{}\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n",
            self.field, self.name
        );
        let tail = format!("\r\n--{boundary}--\r\n");
        let mut body = Vec::with_capacity(head.len() + self.content.len() + tail.len());
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(&self.content);
        body.extend_from_slice(tail.as_bytes());
        (format!("multipart/form-data; boundary={boundary}"), body)
    }
}

/// Whether a text occurs in bytes.
fn memmem(bytes: &[u8], text: &[u8]) -> bool {
    bytes
        .windows(text.len().max(1))
        .any(|window| window == text)
}

pub(super) enum RequestTarget {
    /// Below the API's base, escaped, with a leading slash.
    Path(String),
    /// A URL from the source, checked to be its own.
    Url(Url),
}

impl Request {
    fn new(
        method: Method,
        target: RequestTarget,
        thing: impl Into<String>,
        body: Option<Value>,
    ) -> Request {
        Request {
            method,
            target,
            query: Vec::new(),
            body,
            file: None,
            thing: thing.into(),
            needs: None,
            known: None,
        }
    }

    pub(crate) fn get(path: impl Into<String>, thing: impl Into<String>) -> Request {
        Request::new(Method::GET, RequestTarget::Path(path.into()), thing, None)
    }

    /// A read of a URL from the source, which must be one of its own.
    pub(crate) fn follow(url: Url, thing: impl Into<String>) -> Request {
        Request::new(Method::GET, RequestTarget::Url(url), thing, None)
    }

    pub(crate) fn put(path: impl Into<String>, thing: impl Into<String>, body: Value) -> Request {
        Request::new(
            Method::PUT,
            RequestTarget::Path(path.into()),
            thing,
            Some(body),
        )
    }

    pub(crate) fn patch(path: impl Into<String>, thing: impl Into<String>, body: Value) -> Request {
        Request::new(
            Method::PATCH,
            RequestTarget::Path(path.into()),
            thing,
            Some(body),
        )
    }

    pub(crate) fn post(path: impl Into<String>, thing: impl Into<String>, body: Value) -> Request {
        Request::new(
            Method::POST,
            RequestTarget::Path(path.into()),
            thing,
            Some(body),
        )
    }

    pub(crate) fn delete(path: impl Into<String>, thing: impl Into<String>) -> Request {
        Request::new(
            Method::DELETE,
            RequestTarget::Path(path.into()),
            thing,
            None,
        )
    }

    /// Sends a file.
    pub(crate) fn post_file(
        path: impl Into<String>,
        thing: impl Into<String>,
        file: FormFile,
    ) -> Request {
        let target = RequestTarget::Path(path.into());
        Request {
            file: Some(file),
            ..Request::new(Method::POST, target, thing, None)
        }
    }

    /// Adds a body to a deletion.
    pub(crate) fn with_body(mut self, body: Value) -> Request {
        self.body = Some(body);
        self
    }

    pub(crate) fn with(mut self, key: &'static str, value: impl ToString) -> Request {
        self.query.push((key, value.to_string()));
        self
    }

    /// Names the permission that the token needs, for a refusal.
    pub(crate) fn needing(mut self, what: &'static str) -> Request {
        self.needs = Some(what);
        self
    }

    /// Requests a response only if it differs from the one with this ETag.
    pub(crate) fn unless(mut self, known: Option<String>) -> Request {
        self.known = known;
        self
    }

    pub(crate) fn is_write(&self) -> bool {
        self.method != Method::GET
    }

    pub(crate) fn path(&self) -> &str {
        match &self.target {
            RequestTarget::Path(path) => path,
            RequestTarget::Url(url) => url.path(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_the_only_field_of_its_form() {
        let file = FormFile {
            field: "attachment",
            name: "plan für Bo.pdf".to_owned(),
            content: b"a\r\n--b\0\xff".to_vec(),
        };
        let (kind, body) = file.form();
        let boundary = kind.strip_prefix("multipart/form-data; boundary=").unwrap();
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"attachment\"; filename=\"plan für Bo.pdf\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        );
        let tail = format!("\r\n--{boundary}--\r\n");
        let content = &body[head.len()..body.len() - tail.len()];
        assert!(body.starts_with(head.as_bytes()) && body.ends_with(tail.as_bytes()));
        assert_eq!(content, file.content);
    }
}
