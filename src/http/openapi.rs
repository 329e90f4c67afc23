//! `GET /openapi.json`: the API's description, OpenAPI 3.1, made from the table of routes.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use utoipa::ToSchema;
use utoipa::openapi::path::{ParameterBuilder, ParameterIn};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Components, ComponentsBuilder, Content, InfoBuilder, LicenseBuilder, ObjectBuilder, OpenApi,
    OpenApiBuilder, Paths, Ref, RefOr, Required, ResponseBuilder, Schema, ServerBuilder, Type,
};

use super::BODY_MAX;
use super::describe::{Description, parameter, schemas_of};
use super::examples::Examples;
use super::problem::{PROBLEM_JSON, ProblemDocument, ProblemKind};
use super::request::KEY_MAX;
use super::routes::routes;
use crate::domain::command;
use crate::domain::task::{Source, TaskId};
use crate::domain::when::{DueWhen, When};

/// The whole document, for a daemon of this version.
pub fn document(version: &str) -> OpenApi {
    let mut paths = Paths::new();
    let mut components = components();
    let examples = Examples::read();
    for route in routes() {
        let Description { operation, schemas } = (route.describe)();
        components.schemas.extend(schemas);
        let mut operation = operation.build();
        examples.add(&mut operation);
        paths.add_path_operation(&route.path, vec![route.method], operation);
    }
    for (path, item) in &mut paths.paths {
        let in_path: Vec<_> = path.split(['{', '}']).skip(1).step_by(2).collect();
        if !in_path.is_empty() {
            let references = in_path.into_iter().map(parameter).map(RefOr::Ref);
            item.parameters = Some(references.collect());
        }
    }
    let license = LicenseBuilder::new()
        .name("Apache-2.0 OR MIT")
        .identifier(Some("Apache-2.0 OR MIT"));
    let info = InfoBuilder::new()
        .title("Ivan")
        .version(version)
        .license(Some(license.build()))
        .description(Some(format!(
            "ClickUp tasks and GitHub issues: the current task, the queue, and commands on them. A write is \
                 stored before it is answered and takes effect in the source exactly once; with an `Idempotency-Key`, \
                 a repeated request is the same operation. Bodies are JSON of at most {BODY_MAX} bytes. Errors are \
                 problem documents (RFC 9457)."
        )));
    OpenApiBuilder::new()
        .info(info.build())
        .servers(Some([ServerBuilder::new().url("/").build()]))
        .security(Some([SecurityRequirement::new("token", [""; 0])]))
        .paths(paths)
        .components(Some(components))
        .build()
}

/// The components that operations refer to by name.
fn components() -> Components {
    let token = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some(
            "`api.token` of the configuration, or the content of the file `api-token` beside the store.",
        ));
    let actor = header("X-Ivan-Actor", text()).description(Some(
        "Who is acting: a name of `[[people]]`, a Slack id or a GitHub login. Required with several people and no \
             `api.default_person`.",
    ));
    let key = header("Idempotency-Key", text().max_length(Some(KEY_MAX))).description(Some(
        "The same key with the same request is the same operation; with another request it is rejected.",
    ));
    let task_id = in_path("task_id", Ref::from_schema_name(TaskId::name()))
        .description(Some("Percent-encoded: `github:acme%2Fwidgets%237`."));
    let operation_id = in_path("operation_id", text());
    let code = in_path("code", text()).description(Some("From `path` of the link."));
    let components = ComponentsBuilder::new()
        .security_scheme("token", SecurityScheme::Http(token.build()))
        .parameter("actor", actor.build())
        .parameter("idempotency_key", key.build())
        .parameter("task_id", task_id.build())
        .parameter("operation_id", operation_id.build())
        .parameter("code", code.build())
        .schemas_from_iter(schemas_of::<TaskId>())
        .schemas_from_iter(schemas_of::<command::Ref>())
        .schemas_from_iter(schemas_of::<When>())
        .schemas_from_iter(schemas_of::<DueWhen>())
        .schemas_from_iter(schemas_of::<Source>())
        .schemas_from_iter(schemas_of::<ProblemDocument>());
    problems()
        .into_iter()
        .fold(components, |components, (status, description)| {
            let content = Content::new(Some(Ref::from_schema_name(ProblemDocument::name())));
            let response = ResponseBuilder::new()
                .description(description)
                .content(PROBLEM_JSON, content);
            components.response(status.as_str(), response.build())
        })
        .build()
}

/// Each status of a problem, with its possible meanings.
fn problems() -> BTreeMap<StatusCode, String> {
    let mut problems: BTreeMap<StatusCode, String> = BTreeMap::new();
    for kind in ProblemKind::ALL {
        let meaning = format!("{} (`{}`)", kind.title(), kind.uri());
        problems
            .entry(kind.status())
            .and_modify(|others| *others = format!("{others}; {meaning}"))
            .or_insert(meaning);
    }
    problems
}

fn header(name: &str, schema: ObjectBuilder) -> ParameterBuilder {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .schema(Some(schema))
}

fn in_path(name: &str, schema: impl Into<RefOr<Schema>>) -> ParameterBuilder {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .schema(Some(schema))
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::http::queries::TASKS_MAX;

    const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

    fn json() -> Value {
        serde_json::to_value(document("1")).unwrap()
    }

    fn operations(document: &Value) -> Vec<(String, String, Value)> {
        let paths = document["paths"].as_object().unwrap();
        let of_path = |(path, item): (&String, &Value)| {
            let members = item.as_object().unwrap().clone().into_iter();
            let path = path.clone();
            members
                .filter(|(name, _)| METHODS.contains(&name.as_str()))
                .map(move |(method, operation)| (method, path.clone(), operation))
                .collect::<Vec<_>>()
        };
        paths.iter().flat_map(of_path).collect()
    }

    #[test]
    fn every_route_is_described_and_nothing_else() {
        let described: BTreeSet<(String, String)> = operations(&json())
            .into_iter()
            .map(|(method, path, _)| (method, path))
            .collect();
        let method = |method| match serde_json::to_value(method).unwrap() {
            Value::String(word) => word,
            other => panic!("{other}"),
        };
        let routed: Vec<(String, String)> = routes()
            .into_iter()
            .map(|route| (method(route.method), route.path))
            .collect();
        assert_eq!(routed.len(), described.len());
        assert_eq!(described, routed.into_iter().collect());
    }

    /// A further path in a cell that begins a row has the last part of the one before it replaced.
    #[test]
    fn the_docs_list_every_route_and_nothing_else() {
        let page = include_str!("../../docs/api.md");
        let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
        let mut listed = BTreeSet::new();
        for row in rows.filter(|row| row.starts_with("GET ") || row.starts_with("POST ")) {
            let (cell, _) = row.split_once(" | ").unwrap();
            let (mut method, mut path) = (String::new(), String::new());
            for route in cell.split("`, `") {
                let route = route.trim_end_matches('`').split('?').next().unwrap();
                match route.split_once(' ') {
                    Some((verb, of)) => (method, path) = (verb.to_lowercase(), of.to_owned()),
                    None => path = format!("{}{route}", path.rsplit_once('/').unwrap().0),
                }
                listed.insert((method.clone(), path.clone()));
            }
        }
        let described: BTreeSet<(String, String)> = operations(&json())
            .into_iter()
            .map(|(method, path, _)| (method, path))
            .collect();
        assert_eq!(listed, described);
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_component_is_referred_to() {
        fn references(value: &Value, found: &mut BTreeSet<String>) {
            match value {
                Value::Object(members) => {
                    if let Some(Value::String(to)) = members.get("$ref") {
                        found.insert(to.clone());
                    }
                    members
                        .values()
                        .for_each(|member| references(member, found));
                }
                Value::Array(items) => items.iter().for_each(|item| references(item, found)),
                _ => {}
            }
        }
        let document = json();
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        for to in &found {
            let pointer = to.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{to}");
        }
        for kind in ["parameters", "schemas"] {
            for name in document["components"][kind].as_object().unwrap().keys() {
                let to = format!("#/components/{kind}/{name}");
                assert!(found.contains(&to), "nothing refers to {to}");
            }
        }
    }

    #[test]
    fn the_parameters_of_a_path_are_declared() {
        let document = json();
        for (path, item) in document["paths"].as_object().unwrap() {
            let named: Vec<&str> = path.split(['{', '}']).skip(1).step_by(2).collect();
            let declared = item["parameters"].as_array().map_or(0, Vec::len);
            assert_eq!(declared, named.len(), "{path}");
            for name in named {
                let reference = serde_json::to_value(parameter(name)).unwrap();
                assert!(
                    item["parameters"].as_array().unwrap().contains(&reference),
                    "{path}"
                );
                let declared = &document["components"]["parameters"][name];
                assert_eq!(
                    (&declared["in"], &declared["required"]),
                    (&"path".into(), &true.into())
                );
            }
        }
    }

    #[test]
    fn operations_have_ids_of_their_own_and_only_probes_and_logins_need_no_token() {
        let document = json();
        let operations = operations(&document);
        let ids: BTreeSet<&str> = operations
            .iter()
            .map(|(_, _, operation)| operation["operationId"].as_str().unwrap())
            .collect();
        assert_eq!(ids.len(), operations.len());
        let open: Vec<&str> = operations
            .iter()
            .filter(|(_, _, operation)| operation.get("security").is_some())
            .map(|(_, path, _)| path.as_str())
            .collect();
        assert_eq!(
            open,
            ["/healthz", "/login", "/ops/{code}", "/readyz", "/style.css"]
        );
    }

    /// The rules of OpenAPI 3.1 for a document besides references, ids and parameters in paths.
    #[test]
    fn the_document_is_openapi_3_1() {
        let document = json();
        assert_eq!(document["openapi"], "3.1.0");
        assert_eq!(document["info"]["title"], "Ivan");
        assert_eq!(document["info"]["version"], "1");
        assert_eq!(
            document["components"]["securitySchemes"]["token"]["scheme"],
            "bearer"
        );
        for (method, path, operation) in operations(&document) {
            let responses = operation["responses"].as_object().unwrap();
            let succeeds = ["200", "303"]
                .iter()
                .any(|status| responses.contains_key(*status));
            assert!(succeeds, "{method} {path}");
            for (status, response) in responses {
                let described = response["description"].is_string();
                assert!(described || response["$ref"].is_string(), "{path} {status}");
            }
            let mut names = BTreeSet::new();
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let parameter = match parameter["$ref"].as_str() {
                    Some(to) => document.pointer(to.trim_start_matches('#')).unwrap(),
                    None => parameter,
                };
                let name = (
                    parameter["in"].as_str().unwrap(),
                    parameter["name"].as_str().unwrap(),
                );
                assert!(parameter["schema"].is_object(), "{path} {name:?}");
                assert!(
                    names.insert((name.0.to_owned(), name.1.to_owned())),
                    "{path} {name:?}"
                );
            }
            assert!(
                operation.get("requestBody").is_none() || method == "post",
                "{path}"
            );
            assert!(operation["summary"].is_string(), "{path}");
        }
    }

    /// The attribute of a query's field accepts no constant.
    #[test]
    fn limits_are_described_as_they_are() {
        let document = json();
        let limits: Vec<_> = operations(&document)
            .into_iter()
            .flat_map(|(_, _, operation)| operation["parameters"].as_array().cloned())
            .flatten()
            .filter(|parameter| parameter["name"] == "limit")
            .collect();
        assert_eq!(limits.len(), 4);
        for limit in limits {
            assert_eq!(limit["schema"]["maximum"], TASKS_MAX, "{limit}");
        }
    }
}
