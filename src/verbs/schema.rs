//! The JSON form of the values of a body, for the API's description: the domain itself does not use OpenAPI.

use serde_json::Value;
use utoipa::openapi::{Object, ObjectBuilder, Type};

use crate::domain::command::Ref;
use crate::domain::task::{Priority, Source};
use crate::domain::when::{DueWhen, WHEN_HELP, When};

macro_rules! describe {
    ($($type:ty as $name:literal: $schema:expr;)*) => {$(
        impl utoipa::PartialSchema for $type {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                $schema.into()
            }
        }

        impl utoipa::ToSchema for $type {
            fn name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }
        }
    )*};
}

pub(crate) use describe;

describe! {
    Ref as "Ref": text(
        "A number of the last list, `#12` for an issue of the default repository, a task id, or a task's link.",
        &["2", "#12", "clickup:86tst0001"],
    );
    When as "When": text(
        &format!("{WHEN_HELP}, in the person's time zone; or an RFC 3339 time. Ahead, and within a year."),
        &["2h", "tomorrow 14:00", "mon", "2026-12-01T10:00:00+01:00"],
    );
    DueWhen as "DueWhen": text(
        &format!("{WHEN_HELP}, in the person's time zone; an RFC 3339 time; or `none`."),
        &["2h", "tomorrow 14:00", "mon", "2026-12-01T10:00:00+01:00", "none"],
    );
    Source as "Source": words(Source::ALL.map(Source::as_str));
    Priority as "Priority": words(PRIORITIES.map(Priority::as_str));
}

const PRIORITIES: [Priority; 4] = [
    Priority::Urgent,
    Priority::High,
    Priority::Normal,
    Priority::Low,
];

/// A string with this description and these examples.
pub fn text(description: &str, examples: &[&str]) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(description))
        .examples(examples.iter().copied().map(Value::from))
}

/// A string that is one of these words.
pub fn words(words: impl IntoIterator<Item = &'static str>) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(words))
}

/// A priority in a body, with the word that clears it.
pub fn priority_or_none() -> Object {
    let priorities = PRIORITIES.map(Priority::as_str);
    words(priorities.into_iter().chain(["none"])).build()
}
