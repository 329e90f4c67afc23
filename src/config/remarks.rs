//! Warnings of `config check` and at the start: values that are valid but suspicious, and exposed secret files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::layers::{GivenValue, Layers};

const EXAMPLE: &str = include_str!("../../bot.toml.example");

/// The warnings about a valid configuration.
#[derive(Debug, Clone, Default)]
pub struct ConfigWarnings {
    untouched: Vec<String>,
    secrets: BTreeMap<PathBuf, Vec<String>>,
    risks: Vec<String>,
}

impl ConfigWarnings {
    pub(super) fn new(
        untouched: Vec<String>,
        secrets: BTreeMap<PathBuf, Vec<String>>,
        risks: Vec<String>,
    ) -> ConfigWarnings {
        ConfigWarnings {
            untouched,
            secrets,
            risks,
        }
    }

    /// The keys that still have the value of bot.toml.example, which cannot work.
    pub fn untouched(&self) -> &[String] {
        &self.untouched
    }

    /// Secrets that can be guessed and listeners that everybody reaches, as sentences.
    pub fn risks(&self) -> &[String] {
        &self.risks
    }

    /// The secret files that every user of the machine can read now, as sentences.
    pub fn exposed(&self) -> Vec<String> {
        let files = self.exposed_files().into_iter();
        files
            .map(|(path, mode, keys)| {
                format!(
                    "{} has mode {mode:04o}, so every user of this machine can read {}: run `chmod 600 {}`",
                    path.display(),
                    keys.join(", "),
                    path.display()
                )
            })
            .collect()
    }

    /// The secret files that every user of the machine can read now: path, mode, and the keys of the secrets.
    pub fn exposed_files(&self) -> Vec<(&PathBuf, u32, &[String])> {
        let files = self.secrets.iter();
        files
            .filter_map(|(path, keys)| {
                let mode = mode(path).filter(|mode| mode & 0o007 != 0)?;
                Some((path, mode, keys.as_slice()))
            })
            .collect()
    }
}

#[cfg(unix)]
fn mode(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path).ok()?.permissions().mode();
    Some(mode & 0o7777)
}

#[cfg(not(unix))]
fn mode(_path: &Path) -> Option<u32> {
    None
}

/// The keys with the value of bot.toml.example. Keys that it shows only behind a `#` count if they are secrets, since
/// the values are public. Names are excluded: real people may have them.
pub fn like_the_example(given: &Layers) -> Vec<String> {
    let (live, shown) = (read(EXAMPLE), read(&uncommented(EXAMPLE)));
    shown
        .into_iter()
        .filter(|(key, text)| {
            let counts = match live.contains_key(key) {
                true => !key.ends_with(".name"),
                false => key.ends_with("token") || key.ends_with("secret"),
            };
            let same = |given: &GivenValue| given.value.to_string().trim() == text;
            counts && given.values.get(key).is_some_and(same)
        })
        .map(|(key, _)| key)
        .collect()
}

fn read(text: &str) -> BTreeMap<String, String> {
    let file = Some((Path::new("bot.toml.example"), text));
    match Layers::read(file, std::iter::empty()) {
        Ok(layers) => layers
            .values
            .into_iter()
            .map(|(key, given)| (key, given.value.to_string()))
            .collect(),
        Err(_) => BTreeMap::new(),
    }
}

/// The example including the keys and sections that it only shows: lines that begin with `#` and no space.
pub(super) fn uncommented(example: &str) -> String {
    let lines = example.lines().map(|line| match line.strip_prefix('#') {
        Some(key) if key.starts_with(|c: char| c.is_ascii_lowercase() || c == '[') => key,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}
