//! Examples of the API's operations: requests with their answers, as a story sent them to the real daemon and wrote them
//! into `examples.json` (`tests/it/api_examples.rs`). The description of the API has them, and so the page about it.

use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::openapi::path::Operation;
use utoipa::openapi::{Content, RefOr};

const EXAMPLES: &str = include_str!("examples.json");

/// A request with its answer.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Example {
    /// The id of its operation.
    operation: String,
    method: String,
    /// The path, with its query.
    path: String,
    /// The token that was sent; `null` for none.
    token: Option<String>,
    /// The person who acts.
    actor: Option<String>,
    body: Option<Value>,
    status: u16,
    /// JSON, or the beginning of a text.
    answer: Value,
}

/// All examples, by the id of their operation.
pub(super) struct Examples(Vec<Example>);

impl Examples {
    pub fn read() -> Examples {
        // A test reads them, too.
        Examples(serde_json::from_str(EXAMPLES).unwrap_or_default())
    }

    /// Adds its example to the description of an operation.
    pub fn add(&self, operation: &mut Operation) {
        let id = operation.operation_id.as_deref();
        let Some(example) = self.0.iter().find(|one| Some(one.operation.as_str()) == id) else {
            return;
        };
        let sample = json!([{ "lang": "Shell", "source": example.command() }]);
        let extensions = operation.extensions.get_or_insert_default();
        extensions.insert("x-codeSamples".to_owned(), sample);
        let status = example.status.to_string();
        if let Some(RefOr::T(response)) = operation.responses.responses.get_mut(&status)
            && let Some(RefOr::T(content)) = response.content.values_mut().next()
        {
            content.example = Some(example.answer.clone());
        }
        if let (Some(RefOr::T(body)), Some(sent)) = (&mut operation.request_body, &example.body) {
            let contents = body.content.values_mut();
            contents.for_each(|content| add_body(content, sent));
        }
    }
}

fn add_body(content: &mut RefOr<Content>, sent: &Value) {
    if let RefOr::T(content) = content {
        content.example = Some(sent.clone());
    }
}

impl Example {
    /// The request as a command of a shell.
    fn command(&self) -> String {
        let mut command = String::from("curl -s");
        if self.method != "GET" && self.body.is_none() {
            command.push_str(&format!(" -X {}", self.method));
        }
        command.push_str(&format!(" {}", quoted(&format!("$IVAN{}", self.path))));
        if let Some(token) = &self.token {
            command.push_str(&format!(
                " \\\n  -H {}",
                quoted(&format!("Authorization: Bearer {token}"))
            ));
        }
        if let Some(actor) = &self.actor {
            command.push_str(&format!(
                " \\\n  -H {}",
                quoted(&format!("X-Ivan-Actor: {actor}"))
            ));
        }
        if let Some(body) = &self.body {
            let body = body.to_string().replace('\'', "'\\''");
            command.push_str(&format!(" \\\n  --json '{body}'"));
        }
        command
    }
}

/// In double quotes: only variables are replaced. No example has quotes or backslashes outside its body.
fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_a_command_of_a_shell() {
        let example = |text: &str| serde_json::from_str::<Example>(text).unwrap();
        let read = example(
            r#"{"operation": "why", "method": "GET", "path": "/why?ref=2", "token": "$TOKEN", "actor": "Ana",
                "body": null, "status": 200, "answer": {}}"#,
        );
        assert_eq!(
            read.command(),
            "curl -s \"$IVAN/why?ref=2\" \\\n  -H \"Authorization: Bearer $TOKEN\" \\\n  -H \"X-Ivan-Actor: Ana\""
        );
        let write = example(
            r#"{"operation": "comment", "method": "POST", "path": "/comment", "token": null, "actor": null,
                "body": {"text": "it's done"}, "status": 200, "answer": {}}"#,
        );
        assert_eq!(
            write.command(),
            "curl -s \"$IVAN/comment\" \\\n  --json '{\"text\":\"it'\\''s done\"}'"
        );
        let bare = example(
            r#"{"operation": "next", "method": "POST", "path": "/next", "token": null, "actor": null,
                "body": null, "status": 200, "answer": {}}"#,
        );
        assert_eq!(bare.command(), "curl -s -X POST \"$IVAN/next\"");
    }

    #[test]
    fn the_examples_can_be_read() {
        let examples: Vec<Example> = serde_json::from_str(EXAMPLES).unwrap();
        for example in &examples {
            assert!(!example.path.contains(['"', '\\', '`']), "{}", example.path);
        }
    }
}
