//! Parses flat keys into typed values. Every key that is read becomes known; keys left over at the end are unknown.
//! A bad value is recorded and reading continues, so that all mistakes are reported at once.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use ::config::{Value, ValueKind};
use zeroize::{Zeroize, Zeroizing};

use super::layers::{GivenValue, Layers, ValueOrigin, variable};
use super::secret::Secret;
use super::token::TOKEN_MIN;
use crate::domain::spelling::distance;

/// One mistake: the key, the reason, and the origin of the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The dotted key, as `slack.bot_token`; empty for the configuration as a whole.
    pub key: String,
    /// The end of a sentence that begins with the key.
    pub why: String,
    /// The place of the wrong value, or the places for a missing one.
    pub origin: ValueOrigin,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.why)?;
        match &self.origin {
            ValueOrigin::Whole => Ok(()),
            origin => write!(f, " ({origin})"),
        }
    }
}

/// The parser and the formatter of one type.
pub struct ValueFormat<T> {
    /// Parses a value. The error is the end of a sentence that begins with the key.
    pub parse: fn(&Value) -> Result<T, String>,
    /// Formats it as TOML.
    pub show: fn(&T) -> String,
}

/// One line of [`show`].
#[derive(Debug, Clone)]
pub struct Shown {
    key: String,
    /// The value as TOML; `None` if it is not set: then `note` states the effect.
    value: Option<String>,
    note: Note,
}

impl Shown {
    /// The dotted key, and its value as TOML.
    pub(super) fn key_and_value(&self) -> (&str, Option<&str>) {
        (&self.key, self.value.as_deref())
    }
}

/// The comment of a line.
#[derive(Debug, Clone)]
enum Note {
    Origin(ValueOrigin),
    Text(String),
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Note::Origin(origin) => origin.fmt(f),
            Note::Text(text) => f.write_str(text),
        }
    }
}

pub struct Reader {
    layers: Layers,
    known: BTreeSet<String>,
    origins: BTreeMap<String, ValueOrigin>,
    shown: Vec<Shown>,
    errors: Vec<ConfigError>,
    /// The files with secrets, and the keys of those secrets.
    secrets: BTreeMap<PathBuf, Vec<String>>,
    /// The keys of secrets that are short enough to be guessed.
    short: Vec<String>,
}

impl Reader {
    pub fn new(layers: Layers) -> Reader {
        Reader {
            layers,
            known: BTreeSet::new(),
            origins: BTreeMap::new(),
            shown: Vec::new(),
            errors: Vec::new(),
            secrets: BTreeMap::new(),
            short: Vec::new(),
        }
    }

    /// The files with secrets, each with the keys of those secrets.
    pub fn secrets_by_file(&self) -> BTreeMap<PathBuf, Vec<String>> {
        self.secrets.clone()
    }

    /// The keys of secrets that are short enough to be guessed.
    pub fn short_secrets(&self) -> &[String] {
        &self.short
    }

    /// Whether any key of a section was given. A section without keys counts as not configured.
    pub fn has(&self, section: &str) -> bool {
        self.layers.values.keys().any(|key| {
            key.strip_prefix(section)
                .is_some_and(|k| k.starts_with('.'))
        })
    }

    /// Whether a key was given and is not read yet.
    pub fn is_there(&self, key: &str) -> bool {
        self.layers.values.contains_key(key)
    }

    /// The positions of the given tables of a list.
    pub fn positions(&self, section: &str) -> BTreeSet<usize> {
        self.layers
            .values
            .keys()
            .filter_map(|key| {
                let (at, _) = key
                    .strip_prefix(section)?
                    .strip_prefix('.')?
                    .split_once('.')?;
                at.parse().ok()
            })
            .collect()
    }

    /// Reads a key with a default.
    pub fn or<T>(&mut self, key: &str, kind: &ValueFormat<T>, default: T) -> T {
        match self.given(key, kind) {
            Some(value) => value,
            None => {
                self.origins
                    .entry(key.to_owned())
                    .or_insert(ValueOrigin::Default);
                self.shown.push(Shown {
                    key: key.to_owned(),
                    value: Some((kind.show)(&default)),
                    note: Note::Origin(ValueOrigin::Default),
                });
                default
            }
        }
    }

    /// Reads an optional key; `without` states the effect of leaving it out.
    pub fn optional<T>(&mut self, key: &str, kind: &ValueFormat<T>, without: &str) -> Option<T> {
        let value = self.given(key, kind);
        if value.is_none() {
            self.show_unset(key, without);
        }
        value
    }

    /// Reads a key that is required if `needed`; `hint` describes the value to enter.
    pub fn required<T>(
        &mut self,
        key: &str,
        kind: &ValueFormat<T>,
        needed: bool,
        hint: &str,
    ) -> Option<T> {
        let missing = needed && !self.layers.values.contains_key(key);
        let value = self.given(key, kind);
        if missing {
            self.missing(key, hint);
        }
        value
    }

    /// Reads a secret from the key itself, or from the file named by `<key>_file`. It must begin with `prefix`.
    pub fn secret(&mut self, key: &str, prefix: &str, without: &str) -> Option<Secret> {
        let secret = self.given_secret(key, |text| token(text, prefix));
        if secret.is_none() {
            self.show_unset(key, without);
        }
        secret
    }

    /// Reads a webhook secret, which both sides agreed on. It may have any characters, and may come from a file too.
    pub fn phrase(&mut self, key: &str, without: &str) -> Option<Secret> {
        let secret = self.given_secret(key, phrase);
        if secret.is_none() {
            self.show_unset(key, without);
        }
        secret
    }

    /// Reads the secret in the file that this key names.
    pub fn secret_file(&mut self, key: &str, without: &str) -> Option<Secret> {
        let Some(named) = self.take(key) else {
            self.show_unset(key, without);
            return None;
        };
        self.origins.insert(key.to_owned(), named.origin.clone());
        let read = text(&named.value).and_then(|path| {
            let path = PathBuf::from(path);
            let secret = std::fs::read_to_string(&path)
                .map(Zeroizing::new)
                .map_err(|err| format!("cannot read {}: {err}", path.display()))?;
            Ok((path, Secret::new(secret.trim())))
        });
        match read {
            Ok((path, secret)) => {
                self.shown.push(Shown {
                    key: key.to_owned(),
                    value: Some(quote(&path.display().to_string())),
                    note: Note::Origin(named.origin),
                });
                self.secrets.entry(path).or_default().push(key.to_owned());
                Some(secret)
            }
            Err(why) => {
                self.fail(key, why, named.origin);
                None
            }
        }
    }

    /// Reads a secret that is required if `needed`.
    pub fn required_secret(
        &mut self,
        key: &str,
        prefix: &str,
        needed: bool,
        hint: &str,
    ) -> Option<Secret> {
        let given = |key: &str| self.layers.values.contains_key(key);
        let missing = needed && !given(key) && !given(&format!("{key}_file"));
        let secret = self.given_secret(key, |text| token(text, prefix));
        if missing {
            self.missing(key, hint);
        }
        secret
    }

    /// Records a mistake among several keys, with the origin of `key`, or of the whole file.
    pub fn error(&mut self, key: &str, why: impl Into<String>) {
        let file = || {
            self.layers
                .file
                .clone()
                .map_or(ValueOrigin::Whole, ValueOrigin::File)
        };
        let origin = self.origins.get(key).cloned().unwrap_or_else(file);
        self.fail(key, why.into(), origin);
    }

    /// Records that a key has no value, or an empty one, although one is needed.
    pub fn unset(&mut self, key: &str, why: &str) {
        match self.was_given(key) {
            true => self.error(key, why),
            false => {
                let origin = self.nowhere(key);
                self.fail(key, why.to_owned(), origin);
            }
        }
    }

    /// Shows a section as not configured.
    pub fn hide(&mut self, section: &str) {
        self.shown.retain(|shown| {
            !shown
                .key
                .strip_prefix(section)
                .is_some_and(|k| k.starts_with('.'))
        });
        self.shown.push(Shown {
            key: format!("{section}."),
            value: None,
            note: Note::Text(String::new()),
        });
    }

    /// Removes a table of a list of sections from the output, because it was not given.
    pub fn forget(&mut self, section: &str) {
        self.shown.retain(|shown| {
            !shown
                .key
                .strip_prefix(section)
                .is_some_and(|k| k.starts_with('.'))
        });
    }

    /// Whether this section already has a mistake, so that a missing key in it needs no second one.
    pub fn has_errors_in(&self, section: &str) -> bool {
        self.errors.iter().any(|error| {
            error
                .key
                .strip_prefix(section)
                .is_some_and(|k| k.starts_with('.'))
        })
    }

    /// Whether this key's value has a mistake.
    pub fn has_error(&self, key: &str) -> bool {
        self.errors.iter().any(|error| error.key == key)
    }

    /// Whether this key was given, rather than left to its default.
    pub fn was_given(&self, key: &str) -> bool {
        self.origins
            .get(key)
            .is_some_and(|origin| *origin != ValueOrigin::Default)
    }

    /// Ends the reading; keys left over are unknown. Returns the mistakes, the lines of `config show`, the known keys.
    pub fn finish(mut self) -> (Vec<ConfigError>, Vec<Shown>, BTreeSet<String>) {
        for (key, given) in std::mem::take(&mut self.layers.values) {
            let why = self.unknown(&key);
            self.fail(&key, why, given.origin);
        }
        (self.errors, self.shown, self.known)
    }

    fn take(&mut self, key: &str) -> Option<GivenValue> {
        self.known.insert(key.to_owned());
        self.layers.values.remove(key)
    }

    fn given<T>(&mut self, key: &str, kind: &ValueFormat<T>) -> Option<T> {
        let GivenValue { value, origin } = self.take(key)?;
        self.origins.insert(key.to_owned(), origin.clone());
        let quoted = matches!(origin, ValueOrigin::Variable(_)) && is_quoted(&value);
        let parsed = match quoted {
            true => Err(IN_QUOTES.to_owned()),
            false => (kind.parse)(&value),
        };
        match parsed {
            Ok(value) => {
                self.shown.push(Shown {
                    key: key.to_owned(),
                    value: Some((kind.show)(&value)),
                    note: Note::Origin(origin),
                });
                Some(value)
            }
            Err(why) => {
                self.fail(key, why, origin);
                None
            }
        }
    }

    fn given_secret(
        &mut self,
        key: &str,
        read: impl Fn(String) -> Result<Secret, String>,
    ) -> Option<Secret> {
        let key_file = format!("{key}_file");
        let (direct, file) = (self.take(key), self.take(&key_file));
        let from_environment =
            |given: &GivenValue| matches!(given.origin, ValueOrigin::Variable(_));
        let (given, file) = match (direct, file) {
            (Some(direct), Some(file)) => {
                match (from_environment(&direct), from_environment(&file)) {
                    (true, false) => (Some(direct), None),
                    (false, true) => (None, Some(file)),
                    _ => {
                        let why = format!("also given as {key_file}; keep one");
                        self.fail(key, why, direct.origin);
                        return None;
                    }
                }
            }
            given => given,
        };
        let (text, origin) = match (given, file) {
            (Some(given), _) => {
                let secret = text(&given.value);
                wipe(given.value);
                (secret, given.origin)
            }
            (None, Some(file)) => {
                let named_by = Box::new(file.origin);
                let path = match text(&file.value) {
                    Ok(path) => PathBuf::from(path),
                    Err(why) => {
                        self.fail(&key_file, why, *named_by);
                        return None;
                    }
                };
                match std::fs::read_to_string(&path) {
                    Ok(text) => {
                        let text = Zeroizing::new(text).trim().to_owned();
                        (Ok(text), ValueOrigin::SecretFile { path, named_by })
                    }
                    Err(err) => {
                        let why = format!("cannot read {}: {err}", path.display());
                        self.fail(&key_file, why, *named_by);
                        return None;
                    }
                }
            }
            (None, None) => return None,
        };
        self.origins.insert(key.to_owned(), origin.clone());
        if let ValueOrigin::File(path) | ValueOrigin::SecretFile { path, .. } = &origin {
            let keys = self.secrets.entry(path.clone()).or_default();
            keys.push(key.to_owned());
        }
        let quoted = matches!(&text, Ok(text) if in_quotes(text));
        // A phrase in a file may have any characters. An env file keeps the quotation marks around a value.
        let text = match quoted && matches!(origin, ValueOrigin::Variable(_)) {
            true => Err(IN_QUOTES.to_owned()),
            false => text,
        };
        match text.and_then(read) {
            Ok(secret) => {
                if secret.expose().chars().count() < TOKEN_MIN {
                    self.short.push(key.to_owned());
                }
                self.shown.push(Shown {
                    key: key.to_owned(),
                    value: Some(quote(&secret.to_string())),
                    note: Note::Origin(origin),
                });
                Some(secret)
            }
            Err(why) => {
                self.fail(key, why, origin);
                None
            }
        }
    }

    fn show_unset(&mut self, key: &str, without: &str) {
        self.shown.push(Shown {
            key: key.to_owned(),
            value: None,
            note: Note::Text(without.to_owned()),
        });
    }

    fn missing(&mut self, key: &str, hint: &str) {
        let origin = self.nowhere(key);
        self.fail(key, format!("missing: {hint}"), origin);
    }

    /// The places where a missing key can be set.
    fn nowhere(&self, key: &str) -> ValueOrigin {
        ValueOrigin::Missing {
            file: self.layers.file.clone(),
            variable: variable(key),
        }
    }

    fn fail(&mut self, key: &str, why: String, origin: ValueOrigin) {
        self.errors.push(ConfigError {
            key: key.to_owned(),
            why,
            origin,
        });
    }

    fn unknown(&self, key: &str) -> String {
        let section = format!("{key}.");
        if self.known.iter().any(|known| known.starts_with(&section)) {
            return format!("this is a section; write its keys below `[{key}]`");
        }
        match suggestions(key, &self.known).as_slice() {
            [] => "unknown key; bot.toml.example lists all keys".to_owned(),
            near => format!("unknown key; did you mean {}?", near.join(" or ")),
        }
    }
}

/// Overwrites a text that was a secret.
fn wipe(value: Value) {
    if let ValueKind::String(mut text) = value.kind {
        text.zeroize();
    }
}

/// A text. Numbers are accepted, because ids are often written without quotation marks.
pub fn text(value: &Value) -> Result<String, String> {
    let text = match &value.kind {
        ValueKind::String(text) => text.trim().to_owned(),
        ValueKind::I64(number) => number.to_string(),
        other => {
            return Err(format!("expected a text in quotes, found {}", noun(other)));
        }
    };
    if text.is_empty() {
        return Err("empty; set a value or remove the key".to_owned());
    }
    Ok(text)
}

/// A list of texts: a TOML list, or a text with commas from the environment.
pub fn texts(value: &Value) -> Result<Vec<String>, String> {
    match &value.kind {
        ValueKind::Array(values) => values.iter().map(text).collect(),
        ValueKind::String(list) => Ok(list
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(str::to_owned)
            .collect()),
        ValueKind::I64(number) => Ok(vec![number.to_string()]),
        other => Err(format!(
            "expected a list such as [\"a\", \"b\"], found {}",
            noun(other)
        )),
    }
}

/// A whole number.
pub fn boolean(value: &Value) -> Result<bool, String> {
    match &value.kind {
        ValueKind::Boolean(on) => Ok(*on),
        ValueKind::String(text) => text
            .trim()
            .parse()
            .map_err(|_| format!("expected true or false, found `{text}`")),
        other => Err(format!("expected true or false, found {}", noun(other))),
    }
}

pub fn integer(value: &Value) -> Result<i64, String> {
    match &value.kind {
        ValueKind::I64(number) => Ok(*number),
        ValueKind::String(text) => text
            .trim()
            .parse()
            .map_err(|_| format!("expected a whole number, found `{text}`")),
        other => Err(format!("expected a whole number, found {}", noun(other))),
    }
}

const IN_QUOTES: &str = "remove the quotes; here they count as part of the value";

/// Whether a text is in quotation marks: `docker --env-file` and other tools keep them around a value.
fn in_quotes(text: &str) -> bool {
    let (mut left, mut right) = (text.chars(), text.chars());
    text.chars().nth(1).is_some()
        && matches!(
            (left.next(), right.next_back()),
            (Some('"'), Some('"'))
                | (Some('\''), Some('\''))
                | (Some('`'), Some('`'))
                | (Some('“' | '”' | '„'), Some('”' | '“'))
                | (Some('‘' | '’' | '‚'), Some('’' | '‘'))
        )
}

fn is_quoted(value: &Value) -> bool {
    match &value.kind {
        ValueKind::String(text) => in_quotes(text.trim()),
        ValueKind::Array(values) => values.iter().any(is_quoted),
        _ => false,
    }
}

/// A token must be visible ASCII, because it is sent in a header. Errors do not repeat the token.
fn token(text: String, prefix: &str) -> Result<Secret, String> {
    if text.is_empty() {
        return Err("empty".to_owned());
    }
    if in_quotes(&text) {
        return Err(IN_QUOTES.to_owned());
    }
    if !text.chars().all(|c| c.is_ascii_graphic()) {
        return Err("contains a space or a character that no token has".to_owned());
    }
    if let Some(kind) = rotating(&text, prefix) {
        return Err(format!(
            "found {kind} of an app with token rotation, which expires within 12 hours. Ivan does not renew \
                 tokens, and rotation cannot be turned off: create a new app from deploy/slack-manifest.yaml"
        ));
    }
    if !text.starts_with(prefix) {
        let found = match KINDS.iter().find(|(prefix, _)| text.starts_with(prefix)) {
            Some((prefix, kind)) => format!("{kind} ({prefix}…)"),
            None => "another kind of token".to_owned(),
        };
        let kind = KINDS.iter().find(|(own, _)| *own == prefix);
        let kind = kind.map_or("a token", |(_, kind)| kind);
        return Err(format!("expected {kind} ({prefix}…), found {found}"));
    }
    Ok(Secret::new(text))
}

/// The kinds of tokens by how they begin.
const KINDS: &[(&str, &str)] = &[
    ("xapp-", "an app-level token"),
    ("xoxb-", "a bot token"),
    ("xoxp-", "a user token"),
    ("pk_", "a ClickUp token"),
    ("ghp_", "a classic GitHub token"),
    ("github_pat_", "a fine-grained GitHub token"),
];

/// Tokens of Slack apps with token rotation: `xoxe.xoxb-…` and `xoxe.xoxp-…`, and the refresh token `xoxe-…`.
fn rotating(text: &str, prefix: &str) -> Option<&'static str> {
    let of_slack = prefix.starts_with("xox") || prefix.starts_with("xapp");
    match text {
        _ if !of_slack => None,
        _ if text.starts_with("xoxe-") => Some("the refresh token"),
        _ if text.starts_with("xoxe.") => Some("a token"),
        _ => None,
    }
}

/// A phrase may contain spaces, as in GitHub's own example.
fn phrase(text: String) -> Result<Secret, String> {
    if text.is_empty() {
        return Err("empty".to_owned());
    }
    if text.chars().any(char::is_control) {
        return Err("contains a line break or another control character".to_owned());
    }
    Ok(Secret::new(text))
}

fn noun(kind: &ValueKind) -> &'static str {
    match kind {
        ValueKind::Nil => "nothing",
        ValueKind::Boolean(_) => "a boolean",
        ValueKind::Float(_) => "a number with a fraction",
        ValueKind::String(_) => "a text",
        ValueKind::Table(_) => "a section",
        ValueKind::Array(_) => "a list",
        _ => "a number",
    }
}

/// A text as TOML.
pub fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A list of texts as TOML.
pub fn quote_all<T: AsRef<str>>(texts: &[T]) -> String {
    let quoted: Vec<String> = texts.iter().map(|text| quote(text.as_ref())).collect();
    format!("[{}]", quoted.join(", "))
}

/// Formats TOML with a comment after each value. A key ending in a dot is a section that is not configured.
pub fn show(lines: &[Shown]) -> String {
    let mut shown = String::new();
    let mut open = String::new();
    for line in lines {
        let (section, name) = line.key.rsplit_once('.').unwrap_or(("", &line.key));
        let space = if shown.is_empty() { "" } else { "\n" };
        if name.is_empty() {
            shown.push_str(&format!("{space}# {} is not configured\n", header(section)));
            continue;
        }
        if open != section {
            shown.push_str(&format!("{space}{}\n", header(section)));
            open = section.to_owned();
        }
        match &line.value {
            Some(value) => shown.push_str(&format!("{name} = {value}  # {}\n", line.note)),
            None => shown.push_str(&format!("# {name} is not set: {}\n", line.note)),
        }
    }
    shown
}

/// `[slack]`; `[[people]]` for an item of a list of sections, whose key contains a position.
fn header(section: &str) -> String {
    match section.rsplit_once('.') {
        Some((list, at)) if at.bytes().all(|b| b.is_ascii_digit()) => format!("[[{list}]]"),
        _ => format!("[{section}]"),
    }
}

/// At most two known keys that are similar to `key`.
fn suggestions<'a>(key: &str, known: &'a BTreeSet<String>) -> Vec<&'a str> {
    const MOST: usize = 2;
    let near = known
        .iter()
        .map(|known| (distance(key, known), known.as_str()))
        .min();
    if let Some((distance, nearest)) = near
        && distance <= 2.max(key.len() / 5)
    {
        return vec![nearest];
    }
    let (section, name) = key.rsplit_once('.').unwrap_or(("", key));
    known
        .iter()
        .filter(|known| {
            let (its_section, its_name) = known.rsplit_once('.').unwrap_or(("", known));
            its_name == name
                || (its_section == section
                    && name.len() >= 4
                    && !its_name.ends_with("_file")
                    && (its_name.contains(name) || name.contains(its_name)))
        })
        .take(MOST)
        .map(String::as_str)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("slak.bot_token", &["slack.bot_token"])]
    #[case("slack.token", &["slack.app_token", "slack.bot_token"])]
    #[case("api.retry_max", &["outbox.retry_max"])]
    #[case("github.colour", &[])]
    fn a_near_miss_is_recognised(#[case] key: &str, #[case] meant: &[&str]) {
        let known = [
            "outbox.retry_max",
            "slack.app_token",
            "slack.app_token_file",
            "slack.bot_token",
        ];
        let known: BTreeSet<String> = known.iter().map(|&key| key.to_owned()).collect();
        assert_eq!(suggestions(key, &known), meant);
    }
}
