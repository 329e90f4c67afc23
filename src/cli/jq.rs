//! `--jq`: a jq expression, run by jaq. A build without the feature `jq` refuses it.

#[cfg(feature = "jq")]
use jaq_core::data::JustLut;
#[cfg(feature = "jq")]
use jaq_json::Val;

/// An output of an expression.
#[derive(Debug, PartialEq, Eq)]
pub enum JqOutput {
    /// A string, without its quotation marks.
    Text(String),
    /// Another value, as JSON.
    Json(String),
}

/// The expression after `--jq`.
#[cfg(feature = "jq")]
pub struct JqFilter(jaq_core::Filter<JustLut<Val>>);

/// The expression after `--jq`, which this build cannot run.
#[cfg(not(feature = "jq"))]
pub struct JqFilter(std::convert::Infallible);

impl std::fmt::Debug for JqFilter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JqFilter")
    }
}

#[cfg(not(feature = "jq"))]
impl JqFilter {
    /// Refuses the expression.
    pub fn read(_: &str) -> Result<JqFilter, String> {
        let why = "This build has no --jq (`--no-default-features`). Use --json, and jq itself.";
        Err(why.to_owned())
    }

    /// Never called.
    pub fn run(&self, _: &str) -> Result<Vec<JqOutput>, String> {
        match self.0 {}
    }
}

#[cfg(feature = "jq")]
impl JqFilter {
    /// Compiles an expression; the mistake as a sentence.
    pub fn read(code: &str) -> Result<JqFilter, String> {
        use jaq_core::Compiler;
        use jaq_core::load::{Arena, File, Loader};
        let defs = jaq_core::defs()
            .chain(jaq_std::defs())
            .chain(jaq_json::defs());
        let funs = jaq_core::funs()
            .chain(jaq_std::funs())
            .chain(jaq_json::funs());
        let arena = Arena::default();
        let modules = Loader::new(defs)
            .load(&arena, File { code, path: () })
            .map_err(|errors| {
                let mistake = errors.into_iter().find_map(|(_, error)| mistake(error));
                wrong(&mistake.unwrap_or_else(|| "it cannot be read".to_owned()))
            })?;
        let filter = Compiler::default().with_funs(funs).compile(modules);
        filter.map(JqFilter).map_err(|errors| {
            let unknown = errors.into_iter().flat_map(|(_, errors)| errors).next();
            let unknown = unknown.map(|(name, kind)| format!("unknown {} `{name}`", kind.as_str()));
            wrong(&unknown.unwrap_or_else(|| "it cannot be compiled".to_owned()))
        })
    }

    /// The outputs for a JSON text. The error is a sentence.
    pub fn run(&self, text: &str) -> Result<Vec<JqOutput>, String> {
        use jaq_core::{Ctx, Vars, unwrap_valr};
        use jaq_json::write::{Pp, write};
        let value = jaq_json::read::parse_single(text.as_bytes())
            .map_err(|error| format!("The answer is no JSON: {error}."))?;
        let context = Ctx::<JustLut<Val>>::new(&self.0.lut, Vars::new([]));
        let outputs = self.0.id.run((context, value)).map(unwrap_valr);
        let output = |value: Result<Val, _>| match value {
            Ok(Val::TStr(text)) => Ok(JqOutput::Text(String::from_utf8_lossy(&text).into_owned())),
            Ok(value) => {
                let mut json = Vec::new();
                write(&mut json, &Pp::default(), 0, &value)
                    .map_err(|error| format!("--jq: {error}."))?;
                Ok(JqOutput::Json(String::from_utf8_lossy(&json).into_owned()))
            }
            Err(error) => {
                let error: jaq_core::Error<Val> = error;
                Err(format!("--jq: {error}."))
            }
        };
        outputs.map(output).collect()
    }
}

#[cfg(feature = "jq")]
fn wrong(why: &str) -> String {
    format!("The expression after --jq is wrong: {why}.")
}

#[cfg(feature = "jq")]
fn mistake(error: jaq_core::load::Error<&str>) -> Option<String> {
    use jaq_core::load::Error;
    let at = |found: &str| match found.trim() {
        "" => "at its end".to_owned(),
        found => format!("before `{}`", found.chars().take(40).collect::<String>()),
    };
    match error {
        Error::Io(errors) => errors.into_iter().next().map(|(_, why)| why),
        Error::Lex(errors) => {
            let (expected, found) = errors.into_iter().next()?;
            Some(format!("expected a {} {}", expected.as_str(), at(found)))
        }
        Error::Parse(errors) => {
            let (expected, found) = errors.into_iter().next()?;
            Some(format!("expected a {} {}", expected.as_str(), at(found)))
        }
    }
}

#[cfg(all(test, feature = "jq"))]
mod tests {
    use super::super::json::shown;
    use super::super::look::StreamLook;
    use super::*;
    use rstest::rstest;

    const QUEUE: &str = r#"{"tasks":[{"number":1,"title":"Renew the certificate","due":null},
        {"number":2,"title":"Login","due":"2026-03-03T23:30:00Z"}],"total":2}"#;

    fn printed(jq: &str) -> Result<String, String> {
        shown(QUEUE, Some(&JqFilter::read(jq)?), StreamLook::default())
    }

    #[rstest]
    #[case(".total", "2\n")]
    #[case(".tasks[].title", "Renew the certificate\nLogin\n")]
    #[case("[.tasks[] | select(.due != null) | .number]", "[2]\n")]
    #[case(".tasks[0] | \"\\(.number) \\(.title)\"", "1 Renew the certificate\n")]
    #[case(".tasks | map(.number) | add", "3\n")]
    #[case(".tasks[].due | select(.) | fromdateiso8601", "1772580600\n")]
    #[case(".tasks[] | select(.title | test(\"^Log\")) | .title", "Login\n")]
    #[case(".nothing", "null\n")]
    #[case("{\"b\": 1, \"a\": \"x\"}", "{\"b\":1,\"a\":\"x\"}\n")]
    #[case("empty", "")]
    fn an_expression_filters(#[case] jq: &str, #[case] out: &str) {
        assert_eq!(printed(jq).unwrap(), out);
    }

    #[rstest]
    #[case(".tasks[", "expected a closing bracket at its end")]
    #[case("nonsense", "unknown filter `nonsense`")]
    #[case("$x", "unknown variable")]
    fn a_wrong_expression_is_told(#[case] jq: &str, #[case] why: &str) {
        let told = JqFilter::read(jq).unwrap_err();
        assert!(told.contains(why), "{told}");
    }

    #[test]
    fn an_expression_that_does_not_fit_is_an_error() {
        let why = printed(".total[0]").unwrap_err();
        assert!(why.starts_with("--jq: "), "{why}");
    }
}
