//! The description of an operation, placed beside its route: the parts that the types of its query, body and answer
//! lack.

use utoipa::openapi::path::{OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::SchemaType;
use utoipa::openapi::{
    Content, ObjectBuilder, Ref, RefOr, Required, ResponseBuilder, Schema, Type,
};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use super::WAIT_MAX;
use super::answers::WriteAnswer;
use super::request::WRITE_WAIT;
use crate::verbs::many::{filter_schema, refs_schema};
use crate::verbs::{Info, Row};

/// The description of one operation, placed beside its route.
pub(super) struct Description {
    pub operation: OperationBuilder,
    /// The schemas that it refers to.
    pub schemas: Vec<(String, RefOr<Schema>)>,
}

pub(super) fn operation(id: &str, summary: &str) -> Description {
    Description {
        operation: OperationBuilder::new()
            .operation_id(Some(id))
            .summary(Some(summary)),
        schemas: Vec::new(),
    }
}

/// The description of a verb's route; `named` if the path names the task.
pub(super) fn verb(row: &Row, named: bool) -> Description {
    let info = row.info;
    let mut described = operation(&id(info, named), &capitalized(info.effect));
    let mut body = (row.schema)(&mut described.schemas);
    let mut about = String::new();
    if let RefOr::T(Schema::Object(object)) = &mut body {
        about.extend(object.description.take());
        if info.many && !named {
            object.properties.insert("refs".to_owned(), refs_schema());
            object
                .properties
                .insert("filter".to_owned(), filter_schema());
        }
        if named {
            object.properties.remove("ref");
            object.required.retain(|field| field != "ref");
            about.push_str(" The path names the task.");
        }
    }
    let typed = info.examples.iter().map(|example| format!("`{example}`"));
    let typed: Vec<String> = typed.collect();
    let examples = format!("\n\nTyped: {}.", typed.join(", "));
    let takes_ref = info.http.task_path.is_some();
    let problems = [
        (takes_ref || info.http.conflicts, 404),
        (info.http.conflicts, 409),
        (info.writes || info.http.conflicts, 502),
    ];
    let problems = problems.iter().filter(|(may, _)| *may);
    let problems: Vec<u16> = problems.map(|(_, status)| *status).collect();
    described
        .about(&(about + &examples))
        .actor()
        .once()
        .wait(WRITE_WAIT.as_secs())
        .with_body(body)
        .answers::<WriteAnswer>("Done in the source")
        .answers_with::<WriteAnswer>(202, "Stored, and not yet accepted by the source")
        .problems(&[400, 413, 415, 422])
        .problems(&problems)
}

/// The id of a verb's operation, by which generated clients call it.
fn id(info: &Info, named: bool) -> String {
    match (info.http.path, info.http.task_path) {
        (_, Some("comment")) if named => "commentOnTask".to_owned(),
        (_, Some(path)) if named => format!("{path}Task"),
        (Some("tasks"), _) => "createTask".to_owned(),
        (path, _) => path.unwrap_or(info.name).to_owned(),
    }
}

fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(chars).collect()
}

impl Description {
    /// Text beyond the summary.
    pub fn about(self, text: &str) -> Description {
        self.map(|operation| operation.description(Some(text)))
    }

    /// It has an actor.
    pub fn actor(self) -> Description {
        self.map(|operation| operation.parameter_ref(parameter("actor")))
    }

    /// It accepts an `Idempotency-Key`.
    fn once(self) -> Description {
        self.map(|operation| operation.parameter_ref(parameter("idempotency_key")))
    }

    pub fn wait(self, default: u64) -> Description {
        let longest = WAIT_MAX.as_secs();
        let seconds = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(0))
            .default(Some(default.into()));
        let wait = ParameterBuilder::new()
            .name("wait")
            .parameter_in(ParameterIn::Query)
            .description(Some(format!(
                "Seconds to wait for the outcome before 202, {longest} at most."
            )))
            .schema(Some(seconds));
        self.map(|operation| operation.parameter(wait))
    }

    pub fn query<T: IntoParams>(self) -> Description {
        self.map(|operation| operation.parameters(Some(T::into_params(|| None))))
    }

    pub fn body<T: ToSchema>(mut self) -> Description {
        T::schemas(&mut self.schemas);
        self.with_body(T::schema())
    }

    /// A body without required fields may be absent, too.
    fn with_body(self, schema: RefOr<Schema>) -> Description {
        let required = match &schema {
            RefOr::T(Schema::Object(object)) if object.required.is_empty() => Required::False,
            _ => Required::True,
        };
        let body = RequestBodyBuilder::new()
            .required(Some(required))
            .content("application/json", Content::new(Some(schema)));
        self.map(|operation| operation.request_body(Some(body.build())))
    }

    /// The answer of a success.
    pub fn answers<T: ToSchema>(self, description: &str) -> Description {
        self.answers_with::<T>(200, description)
    }

    pub fn answers_with<T: ToSchema>(mut self, status: u16, description: &str) -> Description {
        let mut schemas = schemas_of::<T>();
        schemas
            .iter_mut()
            .for_each(|(_, schema)| require_nullable(schema));
        self.schemas.extend(schemas);
        let content = Content::new(Some(Ref::from_schema_name(T::name())));
        self.response(status, description, "application/json", content)
    }

    pub fn response(
        self,
        status: u16,
        description: &str,
        media_type: &str,
        content: Content,
    ) -> Description {
        let response = ResponseBuilder::new()
            .description(description)
            .content(media_type, content)
            .build();
        self.map(|operation| operation.response(status.to_string(), response))
    }

    /// A page of HTML.
    pub fn shows(self, status: u16, description: &str) -> Description {
        let html = Content::new(Some(String::schema()));
        self.response(status, description, "text/html", html)
    }

    /// An answer without a body.
    pub fn leads(self, status: u16, description: &str) -> Description {
        let response = ResponseBuilder::new().description(description).build();
        self.map(|operation| operation.response(status.to_string(), response))
    }

    /// The problems that it may have besides those of every operation with a token.
    pub fn problems(self, statuses: &[u16]) -> Description {
        let statuses = [401, 503].iter().chain(statuses);
        statuses.fold(self, |described, status| {
            let response = Ref::from_response_name(status.to_string());
            described.map(|operation| operation.response(status.to_string(), response))
        })
    }

    /// It needs no token.
    pub fn open(self) -> Description {
        self.map(|operation| operation.securities(Some([])))
    }

    fn map(self, change: impl FnOnce(OperationBuilder) -> OperationBuilder) -> Description {
        Description {
            operation: change(self.operation),
            schemas: self.schemas,
        }
    }
}

pub(super) fn parameter(name: &str) -> Ref {
    Ref::new(format!("#/components/parameters/{name}"))
}

/// A type's schema, and those that it refers to, by name.
pub(super) fn schemas_of<T: ToSchema>() -> Vec<(String, RefOr<Schema>)> {
    let mut schemas = vec![(T::name().into_owned(), T::schema())];
    T::schemas(&mut schemas);
    schemas
}

/// Marks nullable fields of an answer as required: an optional one is left out instead.
fn require_nullable(schema: &mut RefOr<Schema>) {
    match schema {
        RefOr::T(Schema::Object(object)) => {
            for (name, field) in &object.properties {
                if is_nullable(field) && !object.required.contains(name) {
                    object.required.push(name.clone());
                }
            }
        }
        RefOr::T(Schema::AllOf(parts)) => parts.items.iter_mut().for_each(require_nullable),
        _ => {}
    }
}

fn is_nullable(schema: &RefOr<Schema>) -> bool {
    let allows_null = |types: &SchemaType| match types {
        SchemaType::Type(only) => *only == Type::Null,
        SchemaType::Array(several) => several.contains(&Type::Null),
        SchemaType::AnyValue => false,
    };
    match schema {
        RefOr::T(Schema::Object(object)) => allows_null(&object.schema_type),
        RefOr::T(Schema::Array(array)) => allows_null(&array.schema_type),
        RefOr::T(Schema::OneOf(several)) => several.items.iter().any(is_nullable),
        _ => false,
    }
}
