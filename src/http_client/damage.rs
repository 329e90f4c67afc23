//! Damaged payloads for the tests of both sources: every field is removed, null, or of another type.

use serde_json::{Value, json};

/// The replacements of a field, if it is not of that type already.
fn others() -> [Value; 6] {
    [
        Value::Null,
        json!(true),
        json!(-7),
        json!("odd"),
        json!([]),
        json!({}),
    ]
}

/// Every damaged version of a payload, with its damage: `issue.user.id is null`.
pub(crate) fn damaged(whole: &Value) -> Vec<(String, Value)> {
    let mut damaged = Vec::new();
    for pointer in pointers(whole, "") {
        let path = pointer.trim_start_matches('/').replace('/', ".");
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        let mut without = whole.clone();
        if let Some(Value::Object(fields)) = without.pointer_mut(parent) {
            fields.remove(field);
            damaged.push((format!("{path} is gone"), without));
        }
        let was = whole.pointer(&pointer).unwrap();
        for other in others() {
            if std::mem::discriminant(was) != std::mem::discriminant(&other) {
                let mut odd = whole.clone();
                *odd.pointer_mut(&pointer).unwrap() = other.clone();
                damaged.push((format!("{path} is {other}"), odd));
            }
        }
    }
    damaged
}

/// JSON pointers to everything below.
fn pointers(value: &Value, at: &str) -> Vec<String> {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| (format!("{at}/{key}"), value))
            .collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(n, value)| (format!("{at}/{n}"), value))
            .collect(),
        _ => Vec::new(),
    };
    children
        .into_iter()
        .flat_map(|(at, value)| {
            let below = pointers(value, &at);
            std::iter::once(at).chain(below)
        })
        .collect()
}

/// The fixtures of a source with these prefixes, in order, without their ending.
pub(crate) fn fixtures(source: &str, begins: &[&str]) -> Vec<(String, String)> {
    let folder = format!("{}/fixtures/{source}", env!("CARGO_MANIFEST_DIR"));
    let mut fixtures: Vec<(String, String)> = std::fs::read_dir(folder)
        .unwrap()
        .filter_map(|entry| {
            let path = entry.unwrap().path();
            let name = path
                .file_name()?
                .to_str()?
                .strip_suffix(".json")?
                .to_owned();
            let wanted = begins.iter().any(|begins| name.starts_with(begins));
            wanted.then(|| (name, std::fs::read_to_string(&path).unwrap()))
        })
        .collect();
    fixtures.sort();
    fixtures
}
