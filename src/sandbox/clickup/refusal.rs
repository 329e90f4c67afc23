//! ClickUp's refusals and their answers (docs/contracts/clickup.md#errors).

use serde_json::{Value, json};

/// A refusal (docs/contracts/clickup.md#errors). If the contract has no `ECODE`, none is sent: both fields may be missing.
pub(super) struct ClickUpRefusal {
    pub status: u16,
    pub ecode: Option<&'static str>,
    pub err: String,
}

impl ClickUpRefusal {
    pub fn new(status: u16, ecode: &'static str, err: &str) -> ClickUpRefusal {
        ClickUpRefusal {
            status,
            ecode: Some(ecode),
            err: err.to_owned(),
        }
    }

    pub fn bad(err: impl Into<String>) -> ClickUpRefusal {
        ClickUpRefusal {
            status: 400,
            ecode: None,
            err: err.into(),
        }
    }

    /// Invisible to this token, or missing.
    pub fn invisible() -> ClickUpRefusal {
        ClickUpRefusal::new(401, "OAUTH_027", "Team not authorized")
    }

    pub fn body(&self) -> Value {
        match self.ecode {
            Some(ecode) => json!({ "err": self.err, "ECODE": ecode }),
            None => json!({ "err": self.err }),
        }
    }
}

pub(super) type ApiResult = Result<Value, ClickUpRefusal>;
