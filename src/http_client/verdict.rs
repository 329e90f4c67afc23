//! The meanings of a response that the sources share. Each `client.rs` classifies the responses of its source.

use std::fmt;
use std::time::Duration;

use reqwest::header::HeaderMap;

use super::{OPERATOR_WAIT, Request, SourceFacts, not_taken};
use crate::domain::operation::{Refusal, WriteError};
use crate::domain::reason::{with_details, with_remedy};

/// The meaning of a response. `Own` is the part of one source alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict<Own> {
    Taken,
    /// Refused for the rate limit: nothing is sent for that long. `None` if the source gives no time.
    Wait {
        why: String,
        wait: Option<Duration>,
    },
    /// The token is rejected: nothing was done, and nothing will be until an operator replaces it.
    DeadToken(String),
    /// A rule of an account refuses: nothing was done, and an administrator must change it.
    Ruled(String),
    Failed(WriteError),
    Own(Own),
}

/// A failure that is more than a [`WriteError`].
#[derive(Debug)]
pub(crate) enum SourceError<Own> {
    Own(Own),
    Failed(WriteError),
}

impl<Own> From<WriteError> for SourceError<Own> {
    fn from(error: WriteError) -> SourceError<Own> {
        SourceError::Failed(error)
    }
}

impl<Own> Verdict<Own> {
    pub(crate) fn refused(what: Refusal, why: String) -> Verdict<Own> {
        Verdict::Failed(WriteError::Refused { what, why })
    }

    /// Queued work is not refused for a dead token or a rule: it is sent when that is fixed.
    pub(crate) fn taken(self) -> Result<(), SourceError<Own>> {
        let error = match self {
            Verdict::Taken => return Ok(()),
            Verdict::Own(own) => return Err(SourceError::Own(own)),
            Verdict::Wait { why, wait } => not_taken(why, wait),
            Verdict::DeadToken(why) | Verdict::Ruled(why) => not_taken(why, Some(OPERATOR_WAIT)),
            Verdict::Failed(error) => error,
        };
        Err(SourceError::Failed(error))
    }
}

impl SourceFacts {
    /// The verdict when something between us and the source has answered.
    pub(crate) fn another_answered<Own>(
        &self,
        request: &Request,
        status: u16,
        headers: &HeaderMap,
    ) -> Verdict<Own> {
        let (name, thing) = (self.name, &request.thing);
        let kind = if is_page(headers) { ", a web page" } else { "" };
        Verdict::Failed(without_answer(
            request,
            with_remedy(
                format_args!("I can't reach {name}: something else answered in its place"),
                format_args!(
                    "HTTP {status}{kind} about {thing}, from a firewall, a proxy or a login page. Let Ivan's host reach \
                 {name}'s API"
                ),
            ),
        ))
    }

    /// The verdict when the server gave up on the request.
    pub(crate) fn failed<Own>(
        &self,
        request: &Request,
        status: u16,
        said: &impl fmt::Display,
    ) -> Verdict<Own> {
        let (name, thing) = (self.name, &request.thing);
        let why = with_details(
            format_args!("{name} is having problems"),
            format_args!("HTTP {status} about {thing}: {said}"),
        );
        Verdict::Failed(without_answer(request, why))
    }

    /// The verdict when the source refuses for an unknown reason.
    pub(crate) fn refused<Own>(
        &self,
        request: &Request,
        status: u16,
        said: &impl fmt::Display,
    ) -> Verdict<Own> {
        let (name, thing) = (self.name, &request.thing);
        let why = with_details(
            format_args!("{name} rejected this ({said})"),
            format_args!("HTTP {status} about {thing}"),
        );
        Verdict::refused(Refusal::Other, why)
    }
}

/// The error for an unknown effect: a write may have arrived, and a read has done nothing.
pub(super) fn without_answer(request: &Request, why: String) -> WriteError {
    match request.is_write() {
        true => WriteError::Unknown { why },
        false => not_taken(why, None),
    }
}

/// Whether a response is a page for a browser: sources' APIs have none.
pub(crate) fn is_page(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(reqwest::header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.to_lowercase().contains("html"))
}
