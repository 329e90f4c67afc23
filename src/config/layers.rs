//! Flattens `bot.toml` and the environment into dotted keys with values and origins. `reader.rs` parses the values.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use ::config::{Environment, File, FileFormat, Source, Value, ValueKind};

/// Environment variables with this prefix are keys: `IVAN__SLACK__BOT_TOKEN`.
const PREFIX: &str = "IVAN";
const SEPARATOR: &str = "__";

/// The origin of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueOrigin {
    /// The default, because no value was given.
    Default,
    /// The path of `bot.toml`.
    File(PathBuf),
    /// The name of an environment variable, as `IVAN__SLACK__BOT_TOKEN`.
    Variable(String),
    /// A secret's own file, given by the key `named_by`.
    SecretFile {
        /// The file with the secret.
        path: PathBuf,
        /// The origin of the key that names the file.
        named_by: Box<ValueOrigin>,
    },
    /// A missing key, with the places where it can be set.
    Missing {
        /// The file that was read; `None` without a `bot.toml`.
        file: Option<PathBuf>,
        /// The name of the environment variable for the key.
        variable: String,
    },
    /// The configuration as a whole, rather than a single key.
    Whole,
}

impl fmt::Display for ValueOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ValueOrigin::Default => f.write_str("default"),
            ValueOrigin::File(path) => write!(f, "{}", path.display()),
            ValueOrigin::Variable(name) => write!(f, "environment variable {name}"),
            ValueOrigin::SecretFile { path, named_by } => {
                write!(f, "{}, given by {named_by}", path.display())
            }
            ValueOrigin::Missing {
                file: Some(file),
                variable,
            } => write!(f, "set it in {} or {variable}", file.display()),
            ValueOrigin::Missing {
                file: None,
                variable,
            } => write!(f, "no bot.toml; set it there or in {variable}"),
            ValueOrigin::Whole => Ok(()),
        }
    }
}

/// A value as given.
pub struct GivenValue {
    pub value: Value,
    pub origin: ValueOrigin,
}

/// All given values by dotted key: `slack.bot_token`, `people.0.name`. The environment overrides the file.
#[derive(Default)]
pub struct Layers {
    pub values: BTreeMap<String, GivenValue>,
    /// The file that was read.
    pub file: Option<PathBuf>,
}

/// The keys of lists of tables, such as `[[people]]`. An empty list does not show that its items are tables.
pub(super) const LISTS_OF_TABLES: [&str; 5] = [
    "access.places",
    "api.tokens",
    "entities",
    "people",
    "slack.channels",
];

impl Layers {
    /// Fails with the position and the reason if the file is not TOML. The error omits the text, which has secrets.
    pub fn read(
        file: Option<(&Path, &str)>,
        env: impl Iterator<Item = (String, String)>,
    ) -> Result<Layers, (ValueOrigin, String)> {
        let mut layers = Layers::default();
        if let Some((path, text)) = file {
            let origin = ValueOrigin::File(path.to_owned());
            let table = File::from_str(text, FileFormat::Toml)
                .collect()
                .map_err(|err| (origin.clone(), without_text(&err.to_string())))?;
            for (key, value) in table {
                layers.flatten(key, value, &origin);
            }
            layers.file = Some(path.to_owned());
        }
        layers.overlay(env)?;
        Ok(layers)
    }

    /// Adds tables to the key, and lists of tables by position; other lists are values.
    fn flatten(&mut self, key: String, value: Value, origin: &ValueOrigin) {
        match value.kind {
            ValueKind::Table(table) => {
                for (name, value) in table {
                    self.flatten(format!("{key}.{name}"), value, origin);
                }
            }
            // An empty list of tables means no tables: `slack.channels = []`.
            ValueKind::Array(list)
                if list.is_empty() && LISTS_OF_TABLES.contains(&key.as_str()) => {}
            ValueKind::Array(list)
                if !list.is_empty()
                    && list.iter().all(|v| matches!(v.kind, ValueKind::Table(_))) =>
            {
                for (at, value) in list.into_iter().enumerate() {
                    self.flatten(format!("{key}.{at}"), value, origin);
                }
            }
            kind => {
                let value = Value::new(None, kind);
                let origin = origin.clone();
                self.values.insert(key, GivenValue { value, origin });
            }
        }
    }

    fn overlay(
        &mut self,
        env: impl Iterator<Item = (String, String)>,
    ) -> Result<(), (ValueOrigin, String)> {
        let env: HashMap<String, String> = env.collect();
        let names: HashMap<String, String> = env
            .keys()
            .map(|name| (name.to_lowercase(), name.clone()))
            .collect();
        let given = Environment::with_prefix(PREFIX)
            .prefix_separator(SEPARATOR)
            .separator(SEPARATOR)
            .source(Some(env))
            .collect()
            .map_err(|err| (ValueOrigin::Whole, err.to_string()))?;
        let is_empty = |value: &Value| match &value.kind {
            ValueKind::String(text) => matches!(text.trim(), "" | "[]"),
            _ => false,
        };
        for (key, value) in given {
            if LISTS_OF_TABLES.contains(&key.as_str()) && is_empty(&value) {
                // The environment overrides the file here too.
                let of_list = format!("{key}.");
                self.values.retain(|key, given| {
                    !key.starts_with(&of_list) || matches!(given.origin, ValueOrigin::Variable(_))
                });
                continue;
            }
            let variable = variable(&key);
            let origin = ValueOrigin::Variable(
                names
                    .get(&variable.to_lowercase())
                    .cloned()
                    .unwrap_or(variable),
            );
            self.values.insert(key, GivenValue { value, origin });
        }
        Ok(())
    }
}

/// The environment variable of a key.
pub fn variable(key: &str) -> String {
    let key = key.replace('.', SEPARATOR).to_uppercase();
    format!("{PREFIX}{SEPARATOR}{key}")
}

/// A parser's error without its excerpt, which may contain a token.
fn without_text(complaint: &str) -> String {
    let lines: Vec<&str> = complaint
        .lines()
        .filter(|line| !line.contains('|'))
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    lines.join(": ")
}

/// Finds and reads `bot.toml`: the named file, or the first one in the usual places.
///
/// Fails if a named file is missing, or a file cannot be read.
pub fn find(
    named: Option<&Path>,
    env: &[(String, String)],
) -> Result<Option<(PathBuf, String)>, (ValueOrigin, String)> {
    let (places, is_named) = places(named, env);
    for path in places {
        match std::fs::read_to_string(&path) {
            Ok(text) => return Ok(Some((path, text))),
            Err(err) if err.kind() == ErrorKind::NotFound && !is_named => {}
            Err(err) => return Err((ValueOrigin::File(path), format!("cannot be read: {err}"))),
        }
    }
    Ok(None)
}

/// The file to write, and its text if it exists. A named file need not exist yet.
pub fn to_write(
    named: Option<&Path>,
    env: &[(String, String)],
) -> Result<(PathBuf, Option<String>), (ValueOrigin, String)> {
    let (places, _) = places(named, env);
    for path in &places {
        match std::fs::read_to_string(path) {
            Ok(text) => return Ok((path.clone(), Some(text))),
            Err(err) if err.kind() == ErrorKind::NotFound => {}
            Err(err) => {
                let origin = ValueOrigin::File(path.clone());
                return Err((origin, format!("cannot be read: {err}")));
            }
        }
    }
    let first = places.into_iter().next();
    Ok((first.unwrap_or_else(|| "bot.toml".into()), None))
}

/// The places where `bot.toml` is looked for.
pub fn looked_at(named: Option<&Path>, env: &[(String, String)]) -> Vec<String> {
    let (places, _) = places(named, env);
    places
        .iter()
        .map(|path| path.display().to_string())
        .collect()
}

/// The places for `bot.toml` in order, and whether the place was given explicitly.
fn places(named: Option<&Path>, env: &[(String, String)]) -> (Vec<PathBuf>, bool) {
    let variable = |name: &str| {
        env.iter()
            .find(|(key, value)| key == name && !value.is_empty())
            .map(|(_, value)| PathBuf::from(value))
    };
    if let Some(path) = named.map(Path::to_owned).or(variable("IVAN_CONFIG")) {
        return (vec![path], true);
    }
    let user =
        variable("XDG_CONFIG_HOME").or_else(|| variable("HOME").map(|home| home.join(".config")));
    let mut places = vec![PathBuf::from("./bot.toml")];
    places.extend(user.map(|dir| dir.join("ivan/bot.toml")));
    places.push(PathBuf::from("/etc/ivan/bot.toml"));
    (places, false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::named(Some("a.toml"), &[("IVAN_CONFIG", "b.toml")], &["a.toml"])]
    #[case::by_variable(None, &[("IVAN_CONFIG", "b.toml"), ("HOME", "/home/ana")], &["b.toml"])]
    #[case::xdg(
        None,
        &[("XDG_CONFIG_HOME", "/xdg"), ("HOME", "/home/ana")],
        &["./bot.toml", "/xdg/ivan/bot.toml", "/etc/ivan/bot.toml"]
    )]
    #[case::home(
        None,
        &[("IVAN_CONFIG", ""), ("HOME", "/home/ana")],
        &["./bot.toml", "/home/ana/.config/ivan/bot.toml", "/etc/ivan/bot.toml"]
    )]
    #[case::nobody_s_home(None, &[], &["./bot.toml", "/etc/ivan/bot.toml"])]
    fn the_file_is_looked_for_where_design_5_says(
        #[case] named: Option<&str>,
        #[case] env: &[(&str, &str)],
        #[case] expected: &[&str],
    ) {
        let env: Vec<(String, String)> = env
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let (places, _) = places(named.map(Path::new), &env);
        let expected: Vec<PathBuf> = expected.iter().map(PathBuf::from).collect();
        assert_eq!(places, expected);
    }
}
