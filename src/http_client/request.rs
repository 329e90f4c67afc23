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
    /// The subject in errors: `the task 86tst0001`.
    pub(crate) thing: String,
    /// The permission that the token needs beyond reading and writing tasks, in words.
    pub(crate) needs: Option<&'static str>,
    /// The ETag of the known response.
    pub(crate) known: Option<String>,
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
