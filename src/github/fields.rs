//! Fields of an organization's issues → priority and due day (docs/contracts/github.md#issues).
//!
//! A value comes with its field's name: `issue_field_name` as documented, or others that are accepted as well. Values
//! of other fields are left out. A priority label outranks a field.

use chrono::{DateTime, NaiveDate, NaiveTime};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::domain::task::{DueDate, Priority};
use crate::domain::when::plausible;
use crate::lenient::lenient;

use super::{PriorityLabels, same_name};

/// Fields for the due date; the first of them with a value counts.
const DATES: [&str; 4] = ["target date", "due date", "due", "deadline"];

/// The value of an issue's field.
#[derive(Debug, Deserialize)]
pub(super) struct FieldValue {
    #[serde(default, deserialize_with = "lenient")]
    issue_field_name: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    field_name: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    name: Option<String>,
    #[serde(default, alias = "issue_field", deserialize_with = "lenient")]
    field: Option<Named>,
    #[serde(default, deserialize_with = "lenient")]
    value: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    single_select_option: Option<Named>,
}

#[derive(Debug, Deserialize)]
struct Named {
    name: String,
}

impl FieldValue {
    fn is_of(&self, field: &str) -> bool {
        let names = [&self.issue_field_name, &self.field_name, &self.name];
        let mut names = names.into_iter().flatten().map(String::as_str);
        let name = names
            .next()
            .or(self.field.as_ref().map(|field| field.name.as_str()));
        name.is_some_and(|name| same_name(name.trim(), field))
    }

    /// The chosen option by its name, or the text.
    fn chosen(&self) -> Option<&str> {
        let option = self.single_select_option.as_ref();
        option
            .map(|option| option.name.as_str())
            .or(self.value.as_deref())
    }
}

/// The priority in the fields. Options are matched with the usual words, and with those of the configuration.
pub(super) fn priority(values: &[FieldValue], labels: &PriorityLabels) -> Option<Priority> {
    let chosen = values
        .iter()
        .find(|value| value.is_of("priority"))?
        .chosen()?;
    // It may have an emoji beside it.
    let word = chosen.trim_matches(|c: char| !c.is_alphanumeric());
    let is_in = |labels: &[String]| {
        labels
            .iter()
            .any(|label| same_name(label, chosen.trim()) || same_name(label, word))
    };
    if is_in(&labels.urgent) {
        return Some(Priority::Urgent);
    }
    if is_in(&labels.high) {
        return Some(Priority::High);
    }
    match word.to_lowercase().as_str() {
        "urgent" | "critical" | "p0" => Some(Priority::Urgent),
        "high" | "p1" => Some(Priority::High),
        "normal" | "medium" | "p2" => Some(Priority::Normal),
        "low" | "p3" => Some(Priority::Low),
        _ => None,
    }
}

/// The day in the fields.
pub(super) fn due(values: &[FieldValue]) -> Option<DueDate> {
    DATES.iter().find_map(|field| {
        let value = values.iter().find(|value| value.is_of(field))?;
        let day = day(value.value.as_deref()?)?;
        Some(DueDate {
            at: plausible(day.and_time(NaiveTime::MIN).and_utc())?,
            day: Some(day),
        })
    })
}

/// `2026-12-01`, or a time on that day.
fn day(text: &str) -> Option<NaiveDate> {
    let text = text.trim();
    let timed = || {
        DateTime::parse_from_rfc3339(text)
            .ok()
            .map(|at| at.date_naive())
    };
    text.parse().ok().or_else(timed)
}

/// The values of an issue; `None` if it has no fields, or unreadable ones.
pub(super) fn values<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<FieldValue>>, D::Error> {
    #[derive(Deserialize)]
    struct Values(#[serde(deserialize_with = "crate::lenient::each")] Vec<FieldValue>);
    let text = <&RawValue>::deserialize(deserializer)?.get();
    let is_list = text.trim_start().starts_with('[');
    let values = is_list.then(|| serde_json::from_str::<Values>(text).ok());
    Ok(values.flatten().map(|values| values.0))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn read(values: Value) -> Vec<FieldValue> {
        serde_json::from_str(&values.to_string()).unwrap()
    }

    fn labels() -> PriorityLabels {
        PriorityLabels {
            urgent: vec!["P0".into(), "on fire".into()],
            high: vec!["P1".into()],
        }
    }

    fn of(name: &str, value: &str) -> Value {
        json!({"issue_field_id": 1, "issue_field_name": name, "node_id": "IFSS_1", "data_type": "single_select",
            "value": value, "single_select_option": {"id": 3, "name": value, "color": "red"}})
    }

    #[rstest]
    #[case::as_documented(of("Priority", "Urgent"), Some(Priority::Urgent))]
    #[case::in_any_case(of("PRIORITY", "high"), Some(Priority::High))]
    #[case::medium(of("Priority", "Medium"), Some(Priority::Normal))]
    #[case::low(of("Priority", "Low"), Some(Priority::Low))]
    #[case::with_a_picture(of("Priority", "🔥 Urgent"), Some(Priority::Urgent))]
    #[case::as_the_labels_are_called(of("Priority", "on fire"), Some(Priority::Urgent))]
    #[case::by_number(of("Priority", "P1"), Some(Priority::High))]
    #[case::another_word(of("Priority", "Someday"), None)]
    #[case::another_field(of("Effort", "High"), None)]
    #[case::without_an_option(json!({"issue_field_name": "Priority", "value": "High"}), Some(Priority::High))]
    #[case::the_option_is_null(json!({"issue_field_name": "Priority", "value": "High", "single_select_option": null}),
        Some(Priority::High))]
    #[case::the_value_is_an_id(json!({"name": "Priority", "value": 7, "single_select_option": {"name": "High"}}),
        Some(Priority::High))]
    #[case::another_shape(json!({"field": {"id": 1, "name": "Priority"}, "value": "Low"}), Some(Priority::Low))]
    #[case::a_third(json!({"issue_field": {"name": "Priority"}, "value": "Low"}), Some(Priority::Low))]
    #[case::nameless(json!({"issue_field_id": 1, "value": "High"}), None)]
    #[case::empty(json!({}), None)]
    fn a_priority_is_read(#[case] value: Value, #[case] expected: Option<Priority>) {
        let values = read(json!([of("Effort", "Low"), value]));
        assert_eq!(priority(&values, &labels()), expected);
    }

    fn date(name: &str, value: Value) -> Value {
        json!({"issue_field_id": 2, "issue_field_name": name, "node_id": "IFD_1", "data_type": "date", "value": value})
    }

    #[rstest]
    #[case::as_documented(json!([date("Target date", json!("2026-12-01"))]), Some("2026-12-01"))]
    #[case::with_a_time(json!([date("Target date", json!("2026-12-01T00:00:00Z"))]), Some("2026-12-01"))]
    #[case::due_date(json!([date("Due date", json!("2026-12-02"))]), Some("2026-12-02"))]
    #[case::deadline(json!([date("deadline", json!("2026-12-03"))]), Some("2026-12-03"))]
    #[case::the_target_first(json!([date("Deadline", json!("2026-12-03")), date("Target date", json!("2026-12-01"))]),
        Some("2026-12-01"))]
    #[case::the_start(json!([date("Start date", json!("2026-12-01"))]), None)]
    #[case::no_day(json!([date("Target date", json!("2026-02-30"))]), None)]
    #[case::cleared(json!([date("Target date", Value::Null)]), None)]
    #[case::odd(json!([date("Target date", json!({"a": 1}))]), None)]
    #[case::none(json!([]), None)]
    fn a_day_is_read(#[case] values: Value, #[case] expected: Option<&str>) {
        let due = due(&read(values));
        let expected = expected.map(|day| day.parse::<NaiveDate>().unwrap());
        assert_eq!(due.and_then(|due| due.day), expected);
    }
}
