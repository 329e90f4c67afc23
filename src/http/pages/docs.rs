//! The page about the API: `GET /openapi.json` → HTML. A pure function. It knows the parts of OpenAPI and JSON Schema that
//! our description uses.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::html::Html;
use super::table::Table;

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// The main part of the page.
pub(super) fn page(document: &Value) -> Html {
    let operations = operations(document);
    let info = |name: &str| text(&document["info"], name);
    let mut page = Html::new("<h1>The HTTP API of Ivan</h1>\n<p class=\"soft\">Version ")
        .text(info("version"))
        .raw(" · <a href=\"openapi.json\">openapi.json</a> has the same for programs</p>\n")
        .then(prose(info("description")))
        .raw("<p>In the examples <code>$IVAN</code> is the address of the daemon, as ")
        .raw("<code>http://127.0.0.1:8787</code>, and <code>$TOKEN</code> the API's token.</p>\n")
        .raw("<nav aria-label=\"Operations\">\n<h2>Operations</h2>\n<ul class=\"contents\">\n");
    for one in &operations {
        page = page
            .raw("<li><a href=\"#")
            .text(one.id)
            .raw("\">")
            .code(format!("{} {}", one.method, one.path))
            .raw("</a> ")
            .then(line(text(one.description, "summary")))
            .raw("</li>\n");
    }
    page = page.raw("</ul>\n</nav>\n");
    for one in &operations {
        page = page.then(operation(document, one));
    }
    page.then(problems(document)).then(schemas(document))
}

/// An operation of the description.
struct Described<'a> {
    id: &'a str,
    method: String,
    path: &'a str,
    /// The parameters of its path.
    in_path: &'a Value,
    description: &'a Value,
}

fn operations(document: &Value) -> Vec<Described<'_>> {
    let paths = document["paths"].as_object().into_iter().flatten();
    let of_path = paths.flat_map(|(path, item)| {
        METHODS.iter().filter_map(move |method| {
            let description = item.get(method)?;
            Some(Described {
                id: text(description, "operationId"),
                method: method.to_uppercase(),
                path,
                in_path: &item["parameters"],
                description,
            })
        })
    });
    of_path.collect()
}

fn operation(document: &Value, one: &Described<'_>) -> Html {
    let about = one.description;
    let mut section = Html::new("<section id=\"")
        .text(one.id)
        .raw("\">\n<h2>")
        .code(format!("{} {}", one.method, one.path))
        .raw("</h2>\n<p><strong>")
        .then(line(text(about, "summary")))
        .raw(".</strong>");
    if about["security"].as_array().is_some_and(Vec::is_empty) {
        section = section.raw(" No token is needed.");
    }
    section = section
        .raw("</p>\n")
        .then(prose(text(about, "description")))
        .then(parameters(document, one))
        .then(body(about))
        .then(answers(document, about));
    let samples = about["x-codeSamples"].as_array().into_iter().flatten();
    for sample in samples {
        section = section
            .raw("<h3>Example</h3>\n<pre><code>")
            .lines(text(sample, "source"))
            .raw("</code></pre>\n");
    }
    section.then(example(about)).raw("</section>\n")
}

/// The answer of the example, with its status.
fn example(about: &Value) -> Html {
    let responses = about["responses"].as_object().into_iter().flatten();
    for (status, response) in responses {
        let contents = response["content"].as_object().into_iter().flatten();
        for (_, content) in contents {
            let answer = match content.get("example") {
                None => continue,
                Some(Value::String(text)) => text.clone(),
                Some(json) => serde_json::to_string_pretty(json).unwrap_or_default(),
            };
            return Html::new("<p>Its answer, with status ")
                .text(status)
                .raw(":</p>\n<pre><code>")
                .lines(&answer)
                .raw("</code></pre>\n");
        }
    }
    Html::default()
}

fn parameters(document: &Value, one: &Described<'_>) -> Html {
    let own = one.description["parameters"].as_array();
    let all = [one.in_path.as_array(), own];
    let mut table = Table::new(&["Parameter", "In", "Type", "Meaning"]);
    let mut none = true;
    for parameter in all.into_iter().flatten().flatten() {
        let parameter = resolved(document, parameter);
        let required = match parameter["required"].as_bool() {
            Some(true) => ", required",
            _ => "",
        };
        table.row([
            Html::default().code(text(parameter, "name")),
            Html::default().text(text(parameter, "in")).raw(required),
            kind(&parameter["schema"]),
            line(text(parameter, "description")),
        ]);
        none = false;
    }
    match none {
        true => Html::default(),
        false => table.html(),
    }
}

fn body(about: &Value) -> Html {
    let Some(contents) = at(about, "/requestBody/content").as_object() else {
        return Html::default();
    };
    let schema = contents.values().next().map(|content| &content["schema"]);
    let Some(fields) = schema.and_then(fields) else {
        return Html::new("<p>The body is an empty JSON object, or absent.</p>\n");
    };
    Html::new("<h3>Body</h3>\n").then(fields)
}

fn answers(document: &Value, about: &Value) -> Html {
    let mut table = Table::new(&["Status", "Meaning", "Body"]);
    for (status, response) in about["responses"].as_object().into_iter().flatten() {
        if response.get("$ref").is_some() {
            let link = Html::new("<a href=\"#problem-")
                .text(status)
                .raw("\">problem</a>");
            let all = resolved(document, response);
            let title = text(all, "description");
            let title = title.split(" (`").next().unwrap_or_default();
            table.row([
                Html::default().text(status),
                Html::default().text(title).raw(", or the like"),
                link,
            ]);
            continue;
        }
        let contents = response["content"].as_object();
        let content = contents.and_then(|contents| contents.iter().next());
        let content = content.map_or_else(
            || Html::new("–"),
            |(media, content)| {
                let is_text = at(content, "/schema/type") == "string";
                match is_text {
                    true => Html::default().text(media),
                    false => kind(&content["schema"]),
                }
            },
        );
        table.row([
            Html::default().text(status),
            line(text(response, "description")),
            content,
        ]);
    }
    Html::new("<h3>Answers</h3>\n").then(table.html())
}

fn problems(document: &Value) -> Html {
    let mut section = Html::new("<section id=\"problems\">\n<h2>Problems</h2>\n<p>")
        .raw("A failure is a problem document (RFC 9457): <a href=\"#schema-Problem\">Problem</a>.</p>\n");
    let responses = at(document, "/components/responses").as_object();
    for (status, response) in responses.into_iter().flatten() {
        section = section
            .raw("<h3 id=\"problem-")
            .text(status)
            .raw("\">")
            .text(status)
            .raw("</h3>\n<ul>\n");
        for meaning in text(response, "description").split("; ") {
            section = section.raw("<li>").then(line(meaning)).raw("</li>\n");
        }
        section = section.raw("</ul>\n");
    }
    section.raw("</section>\n")
}

fn schemas(document: &Value) -> Html {
    let mut section = Html::new("<section id=\"schemas\">\n<h2>Types</h2>\n");
    let schemas = at(document, "/components/schemas").as_object();
    for (name, schema) in schemas.into_iter().flatten() {
        section = section
            .raw("<h3 id=\"schema-")
            .text(name)
            .raw("\">")
            .text(name)
            .raw("</h3>\n")
            .then(prose(text(schema, "description")));
        section = match fields(schema) {
            Some(fields) => section.then(fields),
            None => section.raw("<p>").then(kind(schema)).raw("</p>\n"),
        };
    }
    section.raw("</section>\n")
}

/// The fields of an object; `None` if it is none, or has none.
fn fields(schema: &Value) -> Option<Html> {
    let mut all: BTreeMap<&str, (&Value, bool)> = BTreeMap::new();
    let mut others = Html::default();
    collect(schema, &mut all, &mut others);
    if all.is_empty() {
        return None;
    }
    let mut table = Table::new(&["Field", "Type", "Always", "Meaning"]);
    for (name, (field, required)) in all {
        let required = if required { "yes" } else { "no" };
        table.row([
            Html::default().code(name),
            kind(field),
            Html::new(required),
            line(text(field, "description")),
        ]);
    }
    Some(table.html().then(others))
}

/// The fields of a schema and of its parts; parts with a name of their own are linked.
fn collect<'a>(
    schema: &'a Value,
    all: &mut BTreeMap<&'a str, (&'a Value, bool)>,
    others: &mut Html,
) {
    let required = schema["required"].as_array();
    let is_required = |name: &str| {
        required.is_some_and(|required| required.iter().any(|one| one.as_str() == Some(name)))
    };
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        all.insert(name, (field, is_required(name)));
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        match part.get("$ref") {
            Some(_) => {
                let before = std::mem::take(others);
                *others = before
                    .raw("<p>And the fields of ")
                    .then(kind(part))
                    .raw(".</p>\n");
            }
            None => collect(part, all, others),
        }
    }
}

/// The type of a value.
fn kind(schema: &Value) -> Html {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap_or_default();
        return Html::new("<a href=\"#schema-")
            .text(name)
            .raw("\">")
            .text(name)
            .raw("</a>");
    }
    for (parts, word) in [("oneOf", " or "), ("anyOf", " or "), ("allOf", " and ")] {
        if let Some(parts) = schema[parts].as_array() {
            return joined(parts.iter().map(kind), word);
        }
    }
    if let Some(words) = schema["enum"].as_array() {
        return joined(words.iter().map(value), " or ");
    }
    if let Some(only) = schema.get("const") {
        return value(only);
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(only) => vec![only],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => vec!["any value"],
    };
    let named = joined(types.iter().map(|name| one_type(name, schema)), " or ");
    match schema["format"].as_str() {
        Some(format) => named.raw(" (").text(format).raw(")"),
        None => named,
    }
}

fn one_type(name: &str, schema: &Value) -> Html {
    match (
        name,
        schema.get("items"),
        schema.get("additionalProperties"),
    ) {
        ("array", Some(items), _) => Html::new("list of ").then(kind(items)),
        ("object", _, Some(others)) if others.is_object() => {
            Html::new("object of ").then(kind(others))
        }
        ("object", ..)
            if schema["properties"]
                .as_object()
                .is_some_and(|all| !all.is_empty()) =>
        {
            Html::new("object with ").then(names(&schema["properties"]))
        }
        _ => Html::default().text(name),
    }
}

fn names(fields: &Value) -> Html {
    let names = fields.as_object().into_iter().flat_map(Map::keys);
    joined(names.map(|name| Html::default().code(name)), ", ")
}

fn value(json: &Value) -> Html {
    match json.as_str() {
        Some(word) => Html::default().code(word),
        None => Html::default().code(json),
    }
}

fn joined(parts: impl Iterator<Item = Html>, word: &'static str) -> Html {
    let parts = parts.enumerate();
    parts.fold(Html::default(), |all, (number, part)| match number {
        0 => part,
        _ => all.raw(word).then(part),
    })
}

/// A reference's target in the document, or the value itself.
fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let to = value["$ref"].as_str().and_then(|to| to.strip_prefix('#'));
    to.and_then(|to| document.pointer(to)).unwrap_or(value)
}

/// The value at a place; `null` if there is none.
fn at<'a>(value: &'a Value, place: &str) -> &'a Value {
    value.pointer(place).unwrap_or(&Value::Null)
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// Paragraphs, with code in backticks.
fn prose(text: &str) -> Html {
    let paragraphs = text
        .split("\n\n")
        .filter(|paragraph| !paragraph.trim().is_empty());
    paragraphs.fold(Html::default(), |all, paragraph| {
        all.raw("<p>").then(line(paragraph)).raw("</p>\n")
    })
}

/// A line, with code in backticks.
fn line(text: &str) -> Html {
    let pieces = text.split('`').enumerate();
    pieces.fold(Html::default(), |line, (number, piece)| match number % 2 {
        0 => line.text(piece),
        _ => line.code(piece),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case(json!({ "type": "string" }), "string")]
    #[case(json!({ "type": ["string", "null"], "format": "date-time" }), "string or null (date-time)")]
    #[case(json!({ "type": "array", "items": { "type": "integer" } }), "list of integer")]
    #[case(json!({ "enum": ["a", "b"] }), "<code>a</code> or <code>b</code>")]
    #[case(json!({ "const": true }), "<code>true</code>")]
    #[case(
        json!({ "oneOf": [{ "type": "null" }, { "$ref": "#/components/schemas/Task" }] }),
        "null or <a href=\"#schema-Task\">Task</a>"
    )]
    #[case(json!({ "type": "object", "additionalProperties": { "type": "string" } }), "object of string")]
    #[case(json!({}), "any value")]
    fn types_are_words(#[case] schema: Value, #[case] words: &str) {
        assert_eq!(kind(&schema).into_string(), words);
    }

    #[test]
    fn text_of_the_description_is_text() {
        let html = prose("Takes `a < b`.\n\n<b>Second</b>").into_string();
        assert_eq!(
            html,
            "<p>Takes <code>a &lt; b</code>.</p>\n<p>&lt;b&gt;Second&lt;/b&gt;</p>\n"
        );
    }

    #[test]
    fn every_operation_and_type_of_our_description_is_on_the_page_and_every_link_leads_somewhere() {
        let document = serde_json::to_value(crate::http::openapi::document("1")).unwrap();
        let html = page(&document).into_string();
        let operations = operations(&document);
        assert!(operations.len() > 50, "{}", operations.len());
        for one in operations {
            let heading = format!("<h2><code>{} {}</code></h2>", one.method, one.path);
            assert!(html.contains(&heading), "{heading}");
        }
        for link in html.split("href=\"#").skip(1) {
            let id = link.split('"').next().unwrap();
            assert_eq!(html.matches(&format!("id=\"{id}\"")).count(), 1, "{id}");
        }
        assert!(!html.contains("any value"), "a type is not understood");
        super::super::tests::is_well_formed(&html);
    }
}
