//! Entry points for fuzzing. Each takes bytes from outside, runs the code that reads them, and checks the result.
//!
//! `fuzz/` has a program for each (CONTRIBUTING.md says how to run them). The same entry points are property tests
//! here, over the corpus in `fuzz/corpus` and over changed pieces of it.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use chrono::{DateTime, TimeDelta};
use chrono_tz::Tz;
use serde_json::Value;

use crate::clickup::{self, ClickUp};
use crate::config::Config;
use crate::domain::card::{ButtonAction, PickerSetting};
use crate::domain::controls::{is_control, json_without_controls, one_line, without_controls};
use crate::domain::filter::Filter;
use crate::domain::mention_text::{Addressee, MentionText, Piece, addressed, same_words};
use crate::domain::schedule::QuietHours;
use crate::domain::source::{Headers, WebhookReader};
use crate::domain::task::{RepoName, TaskId, TaskKey};
use crate::domain::when::When;
use crate::domain::{markdown, mention};
use crate::github::{self, GitHub};
use crate::http_client::fuzzing::answer;
use crate::verbs::{self, grammar};
use crate::{http, slack};

/// An entry point.
pub type EntryPoint = fn(&[u8]);

/// All entry points by name.
pub const TARGETS: [(&str, EntryPoint); 8] = [
    ("commands", commands),
    ("slack_frame", slack_frame),
    ("slack_text", slack_text),
    ("webhooks", webhooks),
    ("prose", prose),
    ("requests", requests),
    ("answers", answers),
    ("configuration", configuration),
];

/// Longer inputs are cut. Bodies and frames may be longer, and have limits of their own.
const INPUT_MAX: usize = 64 * 1024;

const ZONES: [Tz; 5] = [
    Tz::UTC,
    chrono_tz::Europe::Madrid,
    chrono_tz::America::New_York,
    chrono_tz::Australia::Lord_Howe,
    chrono_tz::Pacific::Apia,
];

fn text(data: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(data.get(..INPUT_MAX).unwrap_or(data))
}

/// A command as typed, the times in it, filters, task ids, and the ids of buttons.
pub fn commands(data: &[u8]) {
    let text = text(data);
    match verbs::parse(&text) {
        Ok(command) => {
            let _task = command.task();
            let _named = command.with_names(&|_| false, &|id| Some(format!("name of {id}")));
        }
        Err(slip) => assert!(!slip.to_string().is_empty()),
    }
    let _create = (verbs::is_bare_create(&text), verbs::is_create_alone(&text));
    let _greeting = verbs::is_greeting(&text);
    let _label = grammar::labelled(&text);
    let _filter = Filter::read(&text);
    let _hours = QuietHours::parse(&text);
    let _task = (TaskId::parse(&text), TaskId::from_url(&text));
    let _task = (TaskKey::parse(&text), RepoName::parse(&text));
    let _pick = text.parse::<PickerSetting>();
    if let Ok(button) = text.parse::<ButtonAction>() {
        assert_eq!(button.to_string().parse(), Ok(button));
    }
    for line in text.lines().take(64) {
        times(line);
    }
}

fn times(line: &str) {
    let seed = line.len();
    let now = DateTime::UNIX_EPOCH + TimeDelta::seconds(1_700_000_000);
    let now = now + TimeDelta::minutes(i64::try_from(seed * 7_919 % 600_000).unwrap_or_default());
    let zone = ZONES.get(seed % ZONES.len()).copied().unwrap_or(Tz::UTC);
    let (when, _rest) = grammar::split_when(line);
    for text in [when.unwrap_or_default(), line] {
        if let Some(Ok(at)) = When::parse(text).map(|when| when.after(now, zone)) {
            assert!(at > now, "{text}: {at} is not after {now}");
        }
        let _due = When::parse_due(text).map(|due| due.after(now, zone));
    }
}

/// A frame from Slack's socket.
pub fn slack_frame(data: &[u8]) {
    slack::fuzzing::frame(&text(data));
}

/// Slack's wire text and its blocks.
pub fn slack_text(data: &[u8]) {
    slack::fuzzing::text(&text(data));
}

fn sources() -> Option<&'static (Arc<GitHub>, Arc<ClickUp>)> {
    static SOURCES: OnceLock<Option<(Arc<GitHub>, Arc<ClickUp>)>> = OnceLock::new();
    let made = SOURCES.get_or_init(|| {
        let github = github::fuzzing::github()?;
        let clickup = clickup::fuzzing::clickup()?;
        Some((Arc::new(github), Arc::new(clickup)))
    });
    made.as_ref()
}

/// Headers, an empty line and the body of a delivery, for both sources' decoders.
pub fn webhooks(data: &[u8]) {
    const SECRET: &str = "fuzzing-1f0c9a1e5d";
    let Some((github, clickup)) = sources() else {
        unreachable!("the sources' settings are valid");
    };
    let request = answer(data.get(..INPUT_MAX).unwrap_or(data));
    let headers = request.headers.iter();
    let pairs = headers.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let headers: Headers<'_> = pairs.collect();
    let body = request.body.as_bytes();
    let now = DateTime::UNIX_EPOCH;
    let readers: [&dyn WebhookReader; 2] = [&**github, &**clickup];
    for reader in readers {
        assert!(
            !reader.is_signed(&headers, body, SECRET),
            "a forged signature"
        );
        let _hook = (
            reader.has_signature(&headers),
            reader.hook_id(&headers, body),
        );
        let Ok(delivery) = reader.delivery(&headers, body.to_vec(), now) else {
            continue;
        };
        let again = reader.delivery(&headers, body.to_vec(), now);
        assert_eq!(
            again.as_ref().ok(),
            Some(&delivery),
            "the key is the same each time"
        );
        let _events = reader.read(&delivery);
    }
}

/// A person's text on its way to a source and back: Markdown, mentions, signatures, our marker, control characters.
pub fn prose(data: &[u8]) {
    let text = text(data);
    let written = markdown::from_slack(&text);
    let _plain = markdown::plain(&written);
    let _plain = markdown::plain(&text);
    github::fuzzing::text(&text);
    assert!(!one_line(&text).contains(is_control));
    let free = without_controls(&text);
    assert!(
        !free.contains(|c| is_control(c) && !matches!(c, '\n' | '\t')),
        "{free:?}"
    );
    if let Ok(value) = serde_json::from_str::<Value>(&text) {
        let free = serde_json::from_str::<Value>(&json_without_controls(&text));
        assert!(
            free.is_ok(),
            "JSON without control characters is no JSON: {value}"
        );
    }
    let quiet = mention::quiet(&text);
    let _named = mention::named(&quiet, |_| false, |id| Some(format!("@{id}")));
    let _ids = mention::mentioned(&text);
    mentions(&text);
}

fn mentions(text: &str) {
    let people = ["ana", "Ana Lima", "bo"].map(|name| Addressee {
        called: vec![name.to_owned()],
        written: Piece::Mention {
            account: "4242".to_owned(),
            name: name.to_owned(),
        },
        name: name.to_owned(),
    });
    let written = addressed(text, &people).prose;
    assert!(written.is_shown_as(&written), "it is not shown as itself");
    let stored = serde_json::to_string(&written).unwrap_or_default();
    let read: Option<MentionText> = serde_json::from_str(&stored).ok();
    assert_eq!(read.as_ref(), Some(&written), "{stored}");
    let (one, other) = text.split_once('\0').unwrap_or((text, text));
    let _same = same_words(one, other);
    let _shown = written.is_shown_as(&MentionText::from(other));
}

/// Requests on one connection of each listener.
pub fn requests(data: &[u8]) {
    let Some((github, clickup)) = sources() else {
        unreachable!("the sources' settings are valid");
    };
    let data = data.get(..INPUT_MAX).unwrap_or(data);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    let Ok(runtime) = runtime else {
        unreachable!("a runtime needs no more than a clock");
    };
    let readers: Vec<Arc<dyn WebhookReader>> = vec![github.clone(), clickup.clone()];
    for router in http::fuzzing::routers(readers) {
        runtime.block_on(http::fuzzing::connection(router, data));
    }
}

/// A status, headers, an empty line and the body of an answer, for both sources' clients.
pub fn answers(data: &[u8]) {
    let Some((github, clickup)) = sources() else {
        unreachable!("the sources' settings are valid");
    };
    let read = answer(data.get(..INPUT_MAX).unwrap_or(data));
    github::fuzzing::answer(github, &read);
    clickup::fuzzing::answer(clickup, &read);
}

/// The text of a `bot.toml`. It names no files: reading them is no part of this.
pub fn configuration(data: &[u8]) {
    let text = text(data).replace("_file", "_fill");
    match Config::read(Some((Path::new("bot.toml"), &text)), std::iter::empty()) {
        Ok(config) => {
            let _shown = config.show();
            let _remarks = config.remarks().untouched();
        }
        Err(errors) => assert!(errors.iter().next().is_some()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;

    /// The stack of a thread in the daemon.
    const STACK: usize = 2 * 1024 * 1024;
    /// The most that the corpus may take in the repository.
    const CORPUS_BYTES_MAX: u64 = 500_000;

    fn folder() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
    }

    fn corpus(target: &str) -> Vec<Vec<u8>> {
        let files = fs::read_dir(folder().join("corpus").join(target)).unwrap();
        let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        paths.sort();
        paths.iter().map(|path| fs::read(path).unwrap()).collect()
    }

    /// The words of the dictionary.
    fn dictionary() -> Vec<Vec<u8>> {
        let text = fs::read_to_string(folder().join("dictionary")).unwrap();
        let quoted = |line: &str| Some(unescaped(line.strip_prefix('"')?.strip_suffix('"')?));
        text.lines().filter_map(quoted).collect()
    }

    /// `\"`, `\\` and `\x0a` as bytes.
    fn unescaped(word: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut rest = word.bytes();
        while let Some(byte) = rest.next() {
            bytes.push(match (byte, rest.clone().next()) {
                (b'\\', Some(b'x')) => {
                    let digits: Vec<u8> = rest.by_ref().take(3).skip(1).collect();
                    u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
                }
                (b'\\', Some(escaped)) => {
                    rest.next();
                    escaped
                }
                _ => byte,
            });
        }
        bytes
    }

    /// A change of an input.
    #[derive(Debug, Clone)]
    enum Edit {
        Cut(Index, Index),
        Insert(Index, Vec<u8>),
        Repeat(Index, Index, usize),
        Flip(Index, u8),
    }

    fn edit(words: Vec<Vec<u8>>) -> impl Strategy<Value = Edit> {
        let place = any::<Index>;
        prop_oneof![
            (place(), place()).prop_map(|(from, to)| Edit::Cut(from, to)),
            (place(), proptest::sample::select(words))
                .prop_map(|(at, word)| Edit::Insert(at, word)),
            (place(), place(), 2_usize..300).prop_map(|(from, to, n)| Edit::Repeat(from, to, n)),
            (place(), any::<u8>()).prop_map(|(at, byte)| Edit::Flip(at, byte)),
        ]
    }

    fn edited(mut input: Vec<u8>, edits: &[Edit]) -> Vec<u8> {
        for edit in edits {
            let places = input.len() + 1;
            let range = |one: &Index, other: &Index| {
                let (one, other) = (one.index(places), other.index(places));
                one.min(other)..one.max(other)
            };
            match edit {
                Edit::Cut(from, to) => drop(input.drain(range(from, to))),
                Edit::Insert(at, word) => {
                    let at = at.index(places);
                    input.splice(at..at, word.iter().copied());
                }
                Edit::Repeat(from, to, n) => {
                    let mut range = range(from, to);
                    range.end = range.end.min(range.start + 40);
                    let piece = input[range.clone()].repeat(*n);
                    input.splice(range, piece);
                }
                Edit::Flip(at, byte) => {
                    let at = at.index(places).min(input.len().saturating_sub(1));
                    if let Some(there) = input.get_mut(at) {
                        *there = *byte;
                    }
                }
            }
        }
        input.truncate(INPUT_MAX);
        input
    }

    /// Runs on a thread with the stack of the daemon's.
    fn on_a_small_stack(run: impl FnOnce() + Send + 'static) {
        let thread = std::thread::Builder::new().stack_size(STACK);
        if let Err(panic) = thread.spawn(run).unwrap().join() {
            std::panic::resume_unwind(panic);
        }
    }

    /// The whole corpus, which has the input of each fault that was found, and changed inputs of it.
    fn takes_anything(target: &'static str, cases: u32) {
        let run = TARGETS.iter().find(|(name, _)| *name == target).unwrap().1;
        let inputs = corpus(target);
        assert!(!inputs.is_empty());
        on_a_small_stack(move || {
            inputs.iter().for_each(|input| run(input));
            let begun = prop_oneof![
                9 => proptest::sample::select(inputs),
                1 => proptest::collection::vec(any::<u8>(), 0..200),
            ];
            let edits = proptest::collection::vec(edit(dictionary()), 0..6);
            let config = ProptestConfig {
                cases,
                failure_persistence: None,
                ..ProptestConfig::default()
            };
            proptest!(config, |(begun in begun, edits in edits)| {
                run(&edited(begun, &edits));
            });
        });
    }

    #[test]
    fn any_text_is_a_command_or_has_a_hint() {
        takes_anything("commands", 200);
    }

    #[test]
    fn any_frame_of_slack_is_read() {
        takes_anything("slack_frame", 150);
    }

    #[test]
    fn any_text_of_slack_is_read_and_written() {
        takes_anything("slack_text", 150);
    }

    #[test]
    fn any_delivery_is_read_or_refused() {
        takes_anything("webhooks", 150);
    }

    #[test]
    fn any_prose_is_written_and_recognized() {
        takes_anything("prose", 100);
    }

    #[test]
    fn any_request_without_a_token_or_a_signature_is_refused() {
        takes_anything("requests", 60);
    }

    #[test]
    fn any_answer_of_a_source_is_read() {
        takes_anything("answers", 150);
    }

    #[test]
    fn any_configuration_is_read_or_has_its_mistakes_named() {
        takes_anything("configuration", 100);
    }

    #[test]
    fn every_target_has_a_program_and_a_small_corpus() {
        let programs = fs::read_to_string(folder().join("Cargo.toml")).unwrap();
        let mut bytes = 0;
        for (target, _) in TARGETS {
            assert!(
                programs.contains(&format!("name = \"{target}\"")),
                "{target}"
            );
            assert!(folder().join(format!("targets/{target}.rs")).exists());
            for input in corpus(target) {
                assert!(input.len() <= INPUT_MAX, "{target} has a long input");
                bytes += u64::try_from(input.len()).unwrap();
            }
        }
        assert!(bytes <= CORPUS_BYTES_MAX, "{bytes}");
        assert!(dictionary().len() > 100);
    }
}
