//! Which part of `src/` may use which (docs/architecture.md). A crate has no inner walls: this test reads the source.
//!
//! It reads paths: `crate::<room>`, `super::<room>` from the top of a room, and `<crate>::`. Test-only code is left
//! out.
#![allow(
    clippy::string_slice,
    reason = "positions come from searching the text itself"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The other rooms of `src/` that a room may use.
enum Rooms {
    /// These, and itself.
    Only(&'static [&'static str]),
    /// All rooms: for the wiring only.
    All,
}
use Rooms::{All, Only};

/// Every room of `src/`. The domain is in the middle; sources and surfaces do not use each other.
const MAY_USE: &[(&str, Rooms)] = &[
    ("domain", Only(&[])),
    ("runtime", Only(&[])),
    ("limits", Only(&["runtime"])),
    ("clock", Only(&[])),
    ("telemetry", Only(&["clock", "domain"])),
    ("config", Only(&["domain"])),
    (
        "store",
        Only(&["limits", "clock", "domain", "runtime", "telemetry"]),
    ),
    ("tls", Only(&["runtime"])),
    ("standby", Only(&["runtime", "tls"])),
    ("lenient", Only(&["limits", "domain"])),
    (
        "http_client",
        Only(&["limits", "clock", "domain", "runtime", "tls", "telemetry"]),
    ),
    (
        "clickup",
        Only(&[
            "limits",
            "clock",
            "domain",
            "lenient",
            "http_client",
            "runtime",
        ]),
    ),
    (
        "github",
        Only(&[
            "limits",
            "clock",
            "domain",
            "lenient",
            "http_client",
            "runtime",
        ]),
    ),
    ("notices", Only(&["domain", "store"])),
    ("completion", Only(&["clock", "domain", "notices", "store"])),
    (
        "set_aside",
        Only(&["clock", "domain", "completion", "runtime", "store"]),
    ),
    ("cards", Only(&["domain", "store"])),
    ("linking", Only(&["domain", "store"])),
    ("ingest", Only(&["cards", "domain", "notices", "store"])),
    (
        "inbox",
        Only(&[
            "limits",
            "ingest",
            "clock",
            "domain",
            "linking",
            "store",
            "runtime",
            "telemetry",
        ]),
    ),
    (
        "command_tx",
        Only(&[
            "limits",
            "clock",
            "domain",
            "completion",
            "store",
            "runtime",
        ]),
    ),
    (
        "verbs",
        Only(&[
            "limits",
            "linking",
            "command_tx",
            "domain",
            "completion",
            "store",
            "runtime",
        ]),
    ),
    (
        "commands",
        Only(&[
            "linking",
            "verbs",
            "limits",
            "clock",
            "command_tx",
            "domain",
            "completion",
            "store",
            "runtime",
        ]),
    ),
    (
        "outbox",
        Only(&[
            "ingest",
            "limits",
            "cards",
            "clock",
            "domain",
            "completion",
            "store",
            "runtime",
            "telemetry",
        ]),
    ),
    (
        "reconcile",
        Only(&[
            "limits", "ingest", "clock", "domain", "linking", "store", "runtime",
        ]),
    ),
    (
        "recovery",
        Only(&[
            "limits",
            "clock",
            "domain",
            "inbox",
            "reconcile",
            "store",
            "runtime",
        ]),
    ),
    // Beside the commands it adds to the outgoing messages; `settle` is what a Home tab shows of a queue.
    (
        "mailbox",
        Only(&[
            "verbs",
            "limits",
            "clock",
            "command_tx",
            "commands",
            "domain",
            "runtime",
            "completion",
            "store",
        ]),
    ),
    (
        "slack",
        Only(&[
            "limits",
            "clock",
            "domain",
            "lenient",
            "mailbox",
            "runtime",
            "tls",
            "verbs",
            "telemetry",
        ]),
    ),
    (
        "http",
        Only(&[
            "limits", "clock", "commands", "domain", "inbox", "lenient", "runtime", "verbs",
        ]),
    ),
    ("setup", Only(&["config", "domain"])),
    (
        "cli",
        Only(&["clock", "config", "domain", "setup", "verbs"]),
    ),
    // It asks every system how it is.
    (
        "doctor",
        Only(&[
            "cli",
            "clock",
            "config",
            "domain",
            "http_client",
            "slack",
            "store",
        ]),
    ),
    // Only with the feature `otel`.
    (
        "traces",
        Only(&["domain", "http_client", "runtime", "store", "telemetry"]),
    ),
    // The other side of the wire, written from the contracts alone.
    ("sandbox", Only(&[])),
    ("app", All),
    ("demo", All),
    // Hands inputs to the readers of all surfaces and sources.
    ("fuzzing", All),
    ("lib", All),
    ("main", All),
];

/// All external crates of the domain: no IO, no clock, nothing of Slack, HTTP or SQL.
const DOMAIN_CRATES: &[&str] = &["async_trait", "chrono", "chrono_tz", "serde", "thiserror"];
/// Parts of `std` that the domain may not use for the same reason.
const NOT_IN_DOMAIN: &[&str] = &["env", "fs", "io", "net", "process", "thread"];

/// Crates whose types stay inside these rooms.
const AT_HOME_IN: &[(&str, &[&str])] = &[
    ("anstream", &["cli"]),
    ("anstyle", &["cli"]),
    ("axum", &["demo", "http", "sandbox"]),
    ("clap", &["cli", "main", "verbs"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
    ("config", &["config"]),
    ("hyper_rustls", &["slack", "tls"]),
    ("jaq_core", &["cli"]),
    ("jaq_json", &["cli"]),
    ("jaq_std", &["cli"]),
    // Rooms count through the facade; the domain has no counters.
    (
        "metrics",
        &[
            "limits",
            "http",
            "inbox",
            "outbox",
            "reconcile",
            "http_client",
            "slack",
            "store",
        ],
    ),
    ("opentelemetry", &["traces"]),
    ("opentelemetry_http", &["traces"]),
    ("opentelemetry_otlp", &["traces"]),
    ("opentelemetry_sdk", &["traces"]),
    // The sandbox delivers webhooks with it.
    (
        "reqwest",
        &[
            "cli",
            "clickup",
            "doctor",
            "github",
            "http_client",
            "sandbox",
            "slack",
            "standby",
            "traces",
        ],
    ),
    ("rusqlite", &["store"]),
    ("rusty_s3", &["standby"]),
    ("similar", &["setup"]),
    ("slack_morphism", &["slack"]),
    ("tokio_tungstenite", &["sandbox", "slack"]),
    ("tokio_util", &["runtime", "sandbox"]),
    ("toml_edit", &["setup"]),
    ("tracing_subscriber", &["main"]),
    ("utoipa", &["http", "verbs"]),
    ("webbrowser", &["cli"]),
];

#[test]
fn rooms_use_only_what_they_may() {
    let source = Source::read();
    let broken: Vec<String> = source
        .files
        .iter()
        .flat_map(|(path, text)| source.violations(path, text))
        .collect();
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

#[test]
fn every_room_has_its_row_and_every_row_its_room() {
    let source = Source::read();
    let mut rooms: Vec<&str> = source.files.keys().map(|path| room(path)).collect();
    rooms.dedup();
    for room in &rooms {
        let row = MAY_USE.iter().any(|(name, _)| name == room);
        assert!(row, "src/{room} has no row in MAY_USE: say what it may use");
    }
    for (name, _) in MAY_USE {
        assert!(
            rooms.contains(name),
            "MAY_USE has a row for `{name}`, which is not in src/"
        );
    }
    for (name, homes) in AT_HOME_IN {
        let known = source.crates.contains(&(*name).to_owned());
        assert!(
            known,
            "AT_HOME_IN names `{name}`, which is not in Cargo.toml"
        );
        for home in *homes {
            assert!(
                rooms.contains(home),
                "`{name}` is at home in `{home}`, which is not in src/"
            );
        }
    }
}

/// The checks must find each kind of violation, with its line.
#[test]
fn a_broken_rule_is_found() {
    let source = Source::read();
    let found = |path: &str, text: &str| source.violations(Path::new(path), text);
    let cases: &[(&str, &str, &[&str])] = &[
        (
            "domain/task.rs",
            "use rusqlite::Row;",
            &["src/domain/task.rs:1: `domain` uses `rusqlite`"],
        ),
        (
            "domain/task.rs",
            "use std::fs;",
            &["src/domain/task.rs:1: `domain` uses `std::fs`"],
        ),
        (
            "domain/task.rs",
            "use std::{fmt, fs::File};",
            &["src/domain/task.rs:1: `domain` uses `std::fs`"],
        ),
        (
            "domain/task.rs",
            "use std::fmt;\nuse chrono::{DateTime, Utc};\nuse super::person::Person;",
            &[],
        ),
        (
            "slack/post.rs",
            "\nuse crate::{mailbox::Mailbox, store::Store, domain::{reply::Words, task}};",
            &["src/slack/post.rs:2: `slack` uses `store`"],
        ),
        (
            "slack/post.rs",
            "use super::super::http;",
            &["src/slack/post.rs:1: `slack` uses `http`"],
        ),
        (
            "slack/mod.rs",
            "use super::http;",
            &["src/slack/mod.rs:1: `slack` uses `http`"],
        ),
        (
            "slack/mod.rs",
            "use super::{mailbox, http};",
            &["src/slack/mod.rs:1: `slack` uses `http`"],
        ),
        ("slack/post.rs", "use super::http;", &[]),
        (
            "slack.rs",
            "fn f() { super::http::serve() }",
            &["src/slack.rs:1: `slack` uses `http`"],
        ),
        (
            "http/api.rs",
            "fn f() -> ::rusqlite::Result<()> {}\nuse reqwest;",
            &[
                "src/http/api.rs:1: `http` uses `rusqlite`",
                "src/http/api.rs:2: `http` uses `reqwest`",
            ],
        ),
        (
            "http/api.rs",
            "pub(crate) fn f() {}\n// crate::store\n/// [`crate::store`]\nlet my_rusqlite::X;",
            &[],
        ),
        (
            "sandbox/mod.rs",
            "use crate::domain::task::Task;",
            &["src/sandbox/mod.rs:1: `sandbox` uses `domain`"],
        ),
        // The module, where the crate has the same name.
        (
            "cli/mod.rs",
            "use crate::config;\nconfig::Config::load();",
            &[],
        ),
        (
            "cli/mod.rs",
            "use ::config::File;",
            &["src/cli/mod.rs:1: `cli` uses `config`"],
        ),
        (
            "commands/mod.rs",
            "#[cfg(test)]\nmod fake;\nuse crate::slack;\n#[cfg(test)]\nmod tests {\n use crate::http;\n}",
            &["src/commands/mod.rs:3: `commands` uses `slack`"],
        ),
        ("app.rs", "use crate::slack; use rustls::X;", &[]),
    ];
    for (path, text, expected) in cases {
        assert_eq!(&found(path, text), expected, "{path}: {text}");
    }
}

/// So many lines outside the sources' own folders, the configuration and the wiring may name a source. Other code asks for
/// a trait (`Source::profile`) or calls a method of the traits in `domain/source.rs`.
const LINES_THAT_NAME_A_SOURCE: usize = 20;
/// The comment with the reason, at most so many lines above.
const REASON: (&str, usize) = ("// Names a source:", 6);

#[test]
fn few_lines_name_a_source_and_each_says_why() {
    let files = Source::read().files;
    let named = lines_that_name_a_source(&files);
    assert!(
        named.len() <= LINES_THAT_NAME_A_SOURCE,
        "{} lines name a source, {LINES_THAT_NAME_A_SOURCE} may:\n{}\n",
        named.len(),
        named.join("\n")
    );
    let silent: Vec<&String> = named.iter().filter(|line| !line.ends_with(')')).collect();
    assert!(
        silent.is_empty(),
        "lines without the comment `{}`: {silent:#?}",
        REASON.0
    );
}

#[test]
fn a_line_that_names_a_source_is_found_with_its_reason() {
    let text = "fn f() {\n    // Names a source: it is its column.\n    let one = Source::GitHub;\n}\n\
                // Source::ClickUp\n\n\n\nfn g(source: Source) -> bool {\n    source == Source::ClickUp\n}\n\
                #[cfg(test)]\nmod tests {\n    use super::Source::GitHub;\n}\n";
    let found = |path: &str| {
        let files = BTreeMap::from([(PathBuf::from(path), text.to_owned())]);
        lines_that_name_a_source(&files)
    };
    assert_eq!(
        found("domain/task.rs"),
        [
            "src/domain/task.rs:3 (it is its column.)",
            "src/domain/task.rs:10"
        ]
    );
    assert_eq!(found("github/hook.rs"), [""; 0]);
    assert_eq!(found("app.rs"), [""; 0]);
}

/// The lines of code that name a source: file, number, and the reason in brackets if there is one.
fn lines_that_name_a_source(files: &BTreeMap<PathBuf, String>) -> Vec<String> {
    let mut named = Vec::new();
    for (path, text) in files {
        if ["clickup", "github", "config", "app"].contains(&room(path)) {
            continue;
        }
        let code = without_tests(&without_comments(text));
        let lines: Vec<&str> = text.lines().collect();
        for (at, line) in code.lines().enumerate() {
            if !line.contains("Source::GitHub") && !line.contains("Source::ClickUp") {
                continue;
            }
            let above = lines[at.saturating_sub(REASON.1)..at].iter().rev();
            let reason = above
                .filter_map(|line| line.trim_start().strip_prefix(REASON.0))
                .next();
            let reason = reason.map_or(String::new(), |reason| format!(" ({})", reason.trim()));
            named.push(format!("src/{}:{}{reason}", path.display(), at + 1));
        }
    }
    named
}

/// A file in a circle cannot be understood, tested or moved without the others. A module and the files inside it may
/// name each other: a `mod.rs` lists its files, and they use its shared items.
#[test]
fn no_files_use_each_other_in_a_circle() {
    let circles = circles(&Source::read().files);
    let named: Vec<String> = circles.iter().map(Circle::to_string).collect();
    assert!(
        named.is_empty(),
        "files use each other in a circle:\n{}\n",
        named.join("\n\n")
    );
}

#[test]
fn a_planted_circle_is_found_and_named() {
    let found = |planted: &[(&str, &str)]| {
        let files = planted
            .iter()
            .map(|(path, text)| (PathBuf::from(path), (*text).to_owned()))
            .collect();
        let found = circles(&files).into_iter();
        found.map(|circle| circle.to_string()).collect::<Vec<_>>()
    };
    let none: [String; 0] = [];
    let task = (
        "domain/task.rs",
        "\nuse crate::domain::{person::Person, when};\n",
    );
    let person = ("domain/person.rs", "use super::queue::Pin;");
    let queue = ("domain/queue.rs", "fn f() -> crate::domain::task::Task {}");
    assert_eq!(
        found(&[task, person, queue]),
        [
            "  src/domain/person.rs:1 uses src/domain/queue.rs\n  src/domain/queue.rs:1 uses src/domain/task.rs\n  \
             src/domain/task.rs:2 uses src/domain/person.rs"
        ]
    );
    assert_eq!(found(&[task, person]), none);
    let in_tests = (
        "domain/queue.rs",
        "#[cfg(test)]\nmod tests {\n use super::super::task::Task;\n}",
    );
    assert_eq!(found(&[task, person, in_tests]), none);
    // A module and a file inside it.
    let mod_rs = (
        "domain/mod.rs",
        "mod task;\nuse task::Task;\nuse self::person::Person;",
    );
    let inside = (
        "domain/task/due.rs",
        "use super::super::Words;\nuse super::Task;",
    );
    let outside = (
        "domain/task.rs",
        "mod due;\nuse self::due::Due;\nuse super::Words;",
    );
    assert_eq!(
        found(&[mod_rs, inside, outside, ("domain/person.rs", "")]),
        none
    );
    // Through the folder of another.
    let store = ("store/mod.rs", "use crate::commands::Commands;");
    let commands = ("commands/mod.rs", "mod turn;");
    let turn = (
        "commands/turn.rs",
        "use crate::store::{Db, people::{self, Row}};",
    );
    assert_eq!(
        found(&[store, commands, turn]),
        none,
        "only `commands::turn` uses the store"
    );
    let commands = ("commands/mod.rs", "use crate::store;");
    assert_eq!(
        found(&[store, commands, turn]),
        [
            "  src/commands/mod.rs:1 uses src/store/mod.rs\n  src/store/mod.rs:1 uses src/commands/mod.rs"
        ]
    );
}

/// One name, one type. A reader who sees `Draft` knows which one. Only the `wire.rs` files of different systems may share
/// names, because each system has users, comments and webhooks, and no file uses two of them.
#[test]
fn no_public_type_name_is_used_twice() {
    let source = Source::read();
    let files = source
        .files
        .iter()
        .map(|(path, text)| (path.as_path(), without_tests(&without_comments(text))));
    let repeated = repeated_types(files);
    assert!(repeated.is_empty(), "\n{}\n", repeated.join("\n"));
}

#[test]
fn a_repeated_type_name_is_found() {
    let repeated = |files: &[(&str, &str)]| {
        repeated_types(
            files
                .iter()
                .map(|(path, text)| (Path::new(*path), (*text).to_owned())),
        )
    };
    let task = ("domain/task.rs", "pub struct Link {}\npub type Row = u8;");
    let verb = ("verbs/link.rs", "pub(crate) enum Link<T> {}");
    assert_eq!(
        repeated(&[task, verb]),
        ["`Link` is in domain/task.rs and verbs/link.rs"]
    );
    let private = (
        "verbs/link.rs",
        "struct Link;\nimpl A for B { type Row = u8; }",
    );
    assert!(repeated(&[task, private]).is_empty());
    // Two variants of one type, for two systems.
    let variants = (
        "demo.rs",
        "#[cfg(unix)]\npub struct A;\n#[cfg(not(unix))]\npub struct A;",
    );
    assert!(repeated(&[variants]).is_empty());
    let wires = [
        ("clickup/wire.rs", "pub(super) struct User;"),
        ("github/wire.rs", "pub(super) struct User;"),
    ];
    assert!(repeated(&wires).is_empty());
    let person = ("domain/person.rs", "pub struct User;");
    assert_eq!(
        repeated(&[wires[0], person]),
        ["`User` is in clickup/wire.rs and domain/person.rs"]
    );
}

/// One line for each name that two files declare.
fn repeated_types<'a>(files: impl Iterator<Item = (&'a Path, String)>) -> Vec<String> {
    let mut declared: BTreeMap<String, Vec<&Path>> = BTreeMap::new();
    for (path, text) in files {
        for name in public_types(&text) {
            let paths = declared.entry(name).or_default();
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
    }
    declared
        .retain(|_, paths| paths.len() > 1 && !paths.iter().all(|path| path.ends_with("wire.rs")));
    declared
        .iter()
        .map(|(name, paths)| {
            let paths: Vec<String> = paths
                .iter()
                .map(|path| path.display().to_string())
                .collect();
            format!("`{name}` is in {}", paths.join(" and "))
        })
        .collect()
}

/// The names of the types that other files can use.
fn public_types(text: &str) -> impl Iterator<Item = String> {
    text.lines().filter_map(|line| {
        let line = line.trim_start().strip_prefix("pub")?;
        let line = match line.strip_prefix('(') {
            Some(scope) => scope.split_once(')')?.1,
            None => line,
        };
        let (word, rest) = line.trim_start().split_once(' ')?;
        ["enum", "struct", "trait", "type"]
            .contains(&word)
            .then(|| name_at(rest))
    })
}

/// A result inside a result is a missing `?`. One error type with a variant for each reason carries both:
/// `commands::CommandError`, or `Stop` inside a transaction.
#[test]
fn no_result_is_nested() {
    let source = Source::read();
    let nested: Vec<String> = source
        .files
        .iter()
        .flat_map(|(path, text)| nested_results(path, &without_tests(&without_comments(text))))
        .collect();
    assert!(nested.is_empty(), "\n{}\n", nested.join("\n"));
}

#[test]
fn a_nested_result_is_found() {
    let cases = [
        ("fn f() -> Result<Result<A, B>, C> {}", true),
        ("fn f() -> DbResult<\n    Result<A, B>,\n> {}", true),
        ("type Decided = rusqlite::Result<super::DbResult<A>>;", true),
        ("fn f() -> Result<A, B> {}", false),
        ("fn f() -> Result<Vec<Result<A, B>>, C> {}", false),
        ("fn f() -> Result<ResultOf<A>, B> {}", false),
    ];
    for (text, nested) in cases {
        let found = nested_results(Path::new("commands/mod.rs"), text);
        let expected = nested.then(|| "src/commands/mod.rs:1: a result in a result".to_owned());
        assert_eq!(found, Vec::from_iter(expected), "{text}");
    }
}

fn nested_results(path: &Path, text: &str) -> Vec<String> {
    let found = text.match_indices("Result<").filter(|(at, outer)| {
        let inner = text[at + outer.len()..].trim_start();
        let name = inner.split_once('<').map_or("", |(name, _)| name);
        let is_path = name
            .chars()
            .all(|c| c.is_alphanumeric() || "_:".contains(c));
        is_path && name.ends_with("Result")
    });
    found
        .map(|(at, _)| {
            let line = text[..at].matches('\n').count() + 1;
            format!("src/{}:{line}: a result in a result", path.display())
        })
        .collect()
}

/// The id of a row has a type of its kind (`domain/ids.rs`), so that a task's row cannot be taken for a message's. Ids of
/// the sources' own, and numbers that count, are no row ids.
#[test]
fn no_row_id_is_a_bare_number() {
    let source = Source::read();
    let bare: Vec<String> = source
        .files
        .iter()
        .filter(|(path, _)| !NO_ROWS_IN.contains(&room(path)) && *path != Path::new(IDS))
        .flat_map(|(path, text)| bare_ids(path, &without_tests(&without_comments(text))))
        .collect();
    assert!(bare.is_empty(), "\n{}\n", bare.join("\n"));
}

/// These rooms know no rows. A source's own ids are numbers as it sends them.
const NO_ROWS_IN: &[&str] = &["clickup", "github", "sandbox"];

/// Names of row ids, alone or as the last word of a longer name: `task`, `next_pin`.
const ID_NAMES: &[&str] = &[
    "about", "after", "before", "card", "command", "delivery", "entry", "event", "id", "list",
    "message", "new", "of", "old", "person", "pin", "reaction", "row", "seq", "task", "undo",
];

/// Functions that return a number which is no id, by the first word of their names, or by the whole.
const COUNTS: &[&str] = &["count", "integer", "pending", "version"];

const IDS: &str = "domain/ids.rs";

/// The store reads ids from its rows, and `FromStr` parses those that stand in a text. Elsewhere a number is no id.
#[test]
fn ids_are_made_in_the_store_alone() {
    let source = Source::read();
    let ids = ids(&source.files[Path::new(IDS)]);
    assert!(ids.len() > 5, "the ids of {IDS} were not found: {ids:?}");
    let made: Vec<String> = source
        .files
        .iter()
        .filter(|(path, _)| room(path) != "store" && *path != Path::new(IDS))
        .flat_map(|(path, text)| made_ids(path, &without_tests(&without_comments(text)), &ids))
        .collect();
    assert!(made.is_empty(), "\n{}\n", made.join("\n"));
}

#[test]
fn an_id_that_is_made_elsewhere_is_found() {
    let ids = ids("ids! {\n    /// A task.\n    TaskRow;\n    PinId;\n}\n");
    assert_eq!(ids, ["TaskRow", "PinId"]);
    let found = |text: &str| made_ids(Path::new("commands/mod.rs"), text, &ids);
    let named = "\nlet row = TaskRow(number);";
    let made = "src/commands/mod.rs:2: a `TaskRow` is made of a number";
    assert_eq!(found(named), [made]);
    assert_eq!(found("numbers.map(PinId)").len(), 1);
    assert!(found("fn f(row: TaskRow) -> Option<PinId>;").is_empty());
}

/// The names in the list of `ids!`.
fn ids(text: &str) -> Vec<&str> {
    let list = text
        .split_once("\nids! {")
        .or_else(|| text.split_once("ids! {"));
    let (list, _) = list.and_then(|(_, list)| list.split_once("\n}")).unwrap();
    let lines = list
        .lines()
        .filter_map(|line| line.trim().strip_suffix(';'));
    lines.filter(|name| name.chars().all(is_of_name)).collect()
}

fn made_ids(path: &Path, text: &str, ids: &[&str]) -> Vec<String> {
    let mut made = Vec::new();
    for id in ids {
        let (call, passed) = (format!("{id}("), format!("({id})"));
        let calls = text
            .match_indices(&call)
            .filter(|(at, _)| !text[..*at].ends_with(is_of_name));
        let passed = text
            .match_indices(&passed)
            .filter(|(at, _)| !is_declared(&text[..*at]));
        for (at, _) in calls.chain(passed) {
            let line = text[..at].matches('\n').count() + 1;
            made.push(format!(
                "src/{}:{line}: a `{id}` is made of a number",
                path.display()
            ));
        }
    }
    made
}

/// Whether the text before `(TaskRow)` declares a variant or a function that takes one.
fn is_declared(before: &str) -> bool {
    let name = last_name(before);
    name.starts_with(char::is_uppercase) || name == "fn"
}

#[test]
fn a_bare_row_id_is_found() {
    let cases = [
        ("pub struct Draft { pub pin: Option<i64> }", Some("pin")),
        (
            "enum Fate {\n    Moved { next_pin: i64 },\n}",
            Some("next_pin"),
        ),
        ("pub(super) fn by_row(db: &Db, row: i64) {}", Some("row")),
        ("fn dropped(\n    tx: &Tx,\n    id: i64,\n) {}", Some("id")),
        ("pub rows: BTreeMap<i64, Task>,", Some("BTreeMap<i64")),
        ("fn of(rows: &[i64]) {}", Some("[i64")),
        (
            "pub type Ranked = Vec<(i64, Task, Score)>;",
            Some("Vec<(i64"),
        ),
        ("enum Ref {\n    Row(i64),\n}", Some("Row(i64)")),
        ("pub struct Row(pub(crate) i64);", Some("Row(i64)")),
        ("fn add(tx: &Tx) -> rusqlite::Result<i64> {", Some("add")),
        (
            "fn known(\n    tx: &Tx,\n) -> DbResult<Option<i64>> {",
            Some("known"),
        ),
        (
            "fn show(&self) -> DbResult<(i64, Option<Task>)> {",
            Some("show"),
        ),
        (
            "pub struct Draft { pub pin: Option<PinId>, version: i64, at_ms: i64 }",
            None,
        ),
        ("fn count_open(db: &Db) -> DbResult<i64> {", None),
        ("fn unmet(db: &Db) -> DbResult<Vec<(TaskKey, i64)>> {", None),
        (
            "let limit = i64::try_from(most); row.get::<_, Option<i64>>(2)?;",
            None,
        ),
    ];
    for (text, named) in cases {
        let found = bare_ids(Path::new("store/tasks.rs"), text);
        let named: Vec<&str> = named.into_iter().collect();
        assert_eq!(found.len(), named.len(), "{text}: {found:?}");
        for (found, named) in found.iter().zip(named) {
            assert!(found.contains(&format!("`{named}`")), "{text}: {found}");
        }
    }
}

fn bare_ids(path: &Path, text: &str) -> Vec<String> {
    let found = text.match_indices(BARE).filter_map(|(at, _)| {
        let (before, behind) = (&text[..at], &text[at + BARE.len()..]);
        let is_type = !before.ends_with(is_of_name)
            && !before.ends_with("as ")
            && !behind.starts_with(is_of_name)
            && !behind.starts_with("::");
        let declared = declared_with(before, behind).filter(|_| is_type)?;
        let line = before.matches('\n').count() + 1;
        Some(format!(
            "src/{}:{line}: `{declared}` is a row id and a bare number",
            path.display()
        ))
    });
    found.collect()
}

const BARE: &str = "i64";

/// The name that is declared with a bare number between these texts, or the type that holds it; `None` if it is no id.
fn declared_with(before: &str, behind: &str) -> Option<String> {
    // A collection of ids, or one that is looked up by an id.
    let holder = HOLDERS.iter().find(|holder| before.ends_with(**holder));
    if let Some(holder) = holder {
        return Some(format!("{holder}{BARE}"));
    }
    if behind.starts_with(')') {
        let public = ["pub ", "pub(super) ", "pub(crate) "];
        let inner = public
            .iter()
            .find_map(|public| before.strip_suffix(public))
            .unwrap_or(before);
        let name = last_name(inner.strip_suffix('(').unwrap_or_default());
        if name.starts_with(char::is_uppercase) {
            return (!name.starts_with("Fn")).then(|| format!("{name}({BARE})"));
        }
    }
    let mut declared = before;
    loop {
        declared = declared.trim_end_matches(|c: char| is_of_name(c) || "<( &\n".contains(c));
        match declared.strip_suffix("::") {
            Some(path) => declared = path,
            None => break,
        }
    }
    if let Some(signature) = declared.strip_suffix("->") {
        let (_, name) = signature.rsplit_once("fn ")?;
        let name = name_at(name);
        let is_count = COUNTS.contains(&name.split('_').next()?);
        return (!is_count).then_some(name);
    }
    let name = last_name(declared.strip_suffix(':')?);
    let last = name.rsplit('_').next()?;
    ID_NAMES.contains(&last).then(|| name.to_owned())
}

const HOLDERS: &[&str] = &[
    "BTreeMap<",
    "BTreeSet<",
    "HashMap<",
    "HashSet<",
    "JoinSet<(",
    "Vec<",
    "Vec<(",
    "[",
    "[(",
];

fn last_name(text: &str) -> &str {
    let start = text.trim_end_matches(is_of_name).len();
    &text[start..]
}

/// A story's sandbox runs in the thread of the story. A call that blocks it stops Slack, the sources and the object store,
/// on a busy machine for long enough that daemons give them up.
#[test]
fn no_story_waits_for_a_program_with_its_thread() {
    let mut stories = BTreeMap::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    read_folder(&folder, Path::new(""), &mut stories);
    assert!(stories.len() > 50, "{} files", stories.len());
    let mut found = Vec::new();
    for (path, text) in &stories {
        if path.ends_with("architecture.rs") {
            continue;
        }
        let text = without_comments(text);
        found.extend(blocking_calls(&text).map(|call| format!("{}: {call}", path.display())));
    }
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn a_story_that_waits_with_its_thread_is_found() {
    let planted = "let mut child = std::process::Command::new(\"true\");";
    assert_eq!(blocking_calls(planted).count(), 1);
    let awaited = "use std::process::Stdio;\ntokio::process::Command::new(\"true\");";
    assert_eq!(blocking_calls(awaited).count(), 0);
}

/// The parts of a text that name `Command` of `std`.
fn blocking_calls(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().map(str::trim);
    lines.filter(|line| line.contains("std::process") && line.contains("Command"))
}

/// `cargo test` does not look for examples in doc comments (`doctest = false` in Cargo.toml).
#[test]
fn no_doc_comment_has_an_example_that_would_not_be_run() {
    let mut found = Vec::new();
    let mut texts = 0;
    for (path, text) in &Source::read().files {
        let examples = examples(text);
        texts += examples.len();
        let runs = examples.into_iter().filter(|language| *language != "text");
        found.extend(runs.map(|language| format!("{}: ```{language}", path.display())));
    }
    assert!(texts > 0, "no drawing was found either");
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

/// The languages of the code blocks in doc comments; empty for Rust without a name.
fn examples(text: &str) -> Vec<&str> {
    let doc = |line: &'_ str| -> Option<usize> {
        let rest = line.trim_start();
        let rest = rest.strip_prefix("///").or(rest.strip_prefix("//!"))?;
        let rest = rest.trim_start().strip_prefix("```")?;
        Some(line.len() - rest.len())
    };
    let fences = text.lines().filter_map(|line| Some(&line[doc(line)?..]));
    fences.step_by(2).map(str::trim).collect()
}

#[test]
fn examples_in_doc_comments_are_read() {
    let planted = "/// ```\n/// f();\n/// ```\n//! ```text\n//! a\n//! ```\nlet fence = \"```\";";
    assert_eq!(examples(planted), ["", "text"]);
}

/// A field called `message` replaces the sentence in the JSON log. A value that is both a field and part of the sentence
/// is read twice. A reason is a field, so that it can be searched for.
#[test]
fn no_log_line_loses_its_sentence_or_says_a_thing_twice() {
    let source = Source::read();
    let mut lines = 0;
    let mut odd = Vec::new();
    for (path, text) in &source.files {
        for call in log_calls(&without_tests(&without_comments(text))) {
            lines += 1;
            odd.extend(wrong_with(&call).map(|why| format!("{}: {why}: {call}", path.display())));
        }
    }
    assert!(lines > 100, "only {lines} lines are logged");
    assert!(odd.is_empty(), "\n{}\n", odd.join("\n"));
}

#[test]
fn log_lines_are_read() {
    let cases = [
        (r#"warn!("a ({b}) c")"#, None),
        (
            r#"info!(%source, ms, "read {source} in {ms} ms")"#,
            Some("says `source` twice"),
        ),
        (r#"info!(%source, ms, "read")"#, None),
        (r#"error!(error = %why, "no: {other}")"#, None),
        (
            r#"error!(error = %why, "no: {why}")"#,
            Some("says `why` twice"),
        ),
        (
            r#"warn!(%why, place, "no ({why}) there")"#,
            Some("says `why` twice"),
        ),
        (
            r#"warn!(why = %self.why, "no: {}", self.why)"#,
            Some("says `self.why` twice"),
        ),
        (
            r#"info!(message = message.id, "posted")"#,
            Some("has a field `message`"),
        ),
        (
            r#"info!(place, message, "posted")"#,
            Some("has a field `message`"),
        ),
        (
            r#"info!(%message, "posted")"#,
            Some("has a field `message`"),
        ),
        (
            r#"info!(message_id = message.id, "message {} posted", message.id)"#,
            Some("says `message.id` twice"),
        ),
        (
            r#"warn!("cannot post: {error}")"#,
            Some("has `error` in its sentence"),
        ),
    ];
    for (call, wrong) in cases {
        let read = log_calls(&format!("fn f() {{ tracing::{call}; }}"));
        assert_eq!(read.len(), 1, "{call}");
        assert_eq!(wrong_with(&read[0]).as_deref(), wrong, "{call}");
    }
}

/// The text between the brackets of each `tracing::warn!(…)` and its siblings.
fn log_calls(text: &str) -> Vec<String> {
    let levels = ["trace!(", "debug!(", "info!(", "warn!(", "error!("];
    text.split("tracing::")
        .skip(1)
        .filter_map(|after| levels.iter().find_map(|level| after.strip_prefix(level)))
        .map(|after| {
            let (mut depth, mut quoted, mut escaped) = (1, false, false);
            let end = after.char_indices().find(|&(_, c)| {
                match c {
                    _ if escaped => escaped = false,
                    '\\' if quoted => escaped = true,
                    '"' => quoted = !quoted,
                    '(' if !quoted => depth += 1,
                    ')' if !quoted => depth -= 1,
                    _ => {}
                }
                depth == 0
            });
            after[..end.map_or(after.len(), |(at, _)| at)].to_owned()
        })
        .collect()
}

fn wrong_with(call: &str) -> Option<String> {
    let (fields, sentence) = call.split_at(call.find('"').unwrap_or(call.len()));
    for field in fields
        .split(',')
        .map(str::trim)
        .filter(|field| !field.is_empty())
    {
        let (name, value) = field.split_once(" = ").unwrap_or((field, field));
        let (name, value) = (
            name.trim_start_matches(['%', '?']),
            value.trim_start_matches(['%', '?']),
        );
        if name == "message" {
            return Some("has a field `message`".to_owned());
        }
        let again = sentence.contains(&format!("{{{value}}}"))
            || sentence
                .split([',', '\n'])
                .skip(1)
                .any(|argument| argument.trim() == value);
        if again {
            return Some(format!("says `{value}` twice"));
        }
    }
    let reasons = ["error", "why", "reason", "trouble"];
    let said = reasons
        .into_iter()
        .find(|reason| sentence.contains(&format!("{{{reason}}}")));
    if let Some(said) = said {
        return Some(format!("has `{said}` in its sentence"));
    }
    None
}

/// A chain of files, each using the next, that ends with its first file.
struct Circle(Vec<(PathBuf, usize)>);

impl std::fmt::Display for Circle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let next = self.0.iter().cycle().skip(1);
        let lines = self.0.iter().zip(next).map(|((path, line), (used, _))| {
            format!(
                "  src/{}:{line} uses src/{}",
                path.display(),
                used.display()
            )
        });
        f.write_str(&lines.collect::<Vec<_>>().join("\n"))
    }
}

/// The shortest circle of each group of files that use each other, without test-only code.
fn circles(files: &BTreeMap<PathBuf, String>) -> Vec<Circle> {
    let modules: BTreeMap<Vec<String>, &Path> = files
        .keys()
        .map(|path| (module(path), path.as_path()))
        .collect();
    // File → the files that it uses, with the first line of each use.
    let uses: BTreeMap<&Path, BTreeMap<&Path, usize>> = files
        .iter()
        .map(|(path, text)| (path.as_path(), files_used(path, text, &modules)))
        .collect();
    let mut circles: Vec<Circle> = Vec::new();
    for &start in uses.keys() {
        let is_known = |circle: &Circle| circle.0.iter().any(|(path, _)| path == start);
        if circles.iter().any(is_known) {
            continue;
        }
        // Breadth first, so that the first way back is the shortest.
        let mut ways: Vec<Vec<&Path>> = vec![vec![start]];
        let mut seen = BTreeSet::new();
        let mut at = 0;
        while let Some(way) = ways.get(at).cloned() {
            at += 1;
            let last = way[way.len() - 1];
            if uses[last].contains_key(start) {
                let next = way.iter().cycle().skip(1);
                let lines = way
                    .iter()
                    .zip(next)
                    .map(|(path, next)| (path.to_path_buf(), uses[path][next]));
                circles.push(Circle(lines.collect()));
                break;
            }
            for &next in uses[last].keys() {
                if seen.insert(next) {
                    ways.push(way.iter().copied().chain([next]).collect());
                }
            }
        }
    }
    circles
}

/// The files that a file uses, each with the first line of its use; without files inside the file's own module and the
/// modules that contain it.
fn files_used<'a>(
    path: &Path,
    text: &str,
    modules: &BTreeMap<Vec<String>, &'a Path>,
) -> BTreeMap<&'a Path, usize> {
    let here = module(path);
    let text = without_tests(&without_comments(text));
    let mut used = BTreeMap::new();
    for (at, mut named) in paths(&here, &text) {
        while !named.is_empty() && !modules.contains_key(&named) {
            named.pop();
        }
        if named.is_empty() || here.starts_with(&named) || named.starts_with(&here) {
            continue;
        }
        let line = text[..at].matches('\n').count() + 1;
        used.entry(modules[&named]).or_insert(line);
    }
    used
}

/// Every path that begins with `crate::` or `super::`, resolved from the crate's root, with its position.
fn paths(here: &[String], text: &str) -> Vec<(usize, Vec<String>)> {
    let mut found = Vec::new();
    let above = &here[..here.len().saturating_sub(1)];
    for (prefix, base) in [("crate::", &here[..0]), ("super::", above)] {
        for (at, _) in text.match_indices(prefix) {
            let before = text[..at].trim_end_matches("self::");
            if before.ends_with(|c| is_of_name(c) || c == ':') {
                continue;
            }
            let (mut rest, mut base) = (&text[at + prefix.len()..], base);
            while let Some(up) = rest.strip_prefix("super::") {
                (rest, base) = (up, &base[..base.len().saturating_sub(1)]);
            }
            let mut leaves = Vec::new();
            expand(rest, base, &mut leaves);
            found.extend(leaves.into_iter().map(|leaf| (at, leaf)));
        }
    }
    found.sort();
    found
}

/// Expands `a::{b, c::d}` below a base into single paths; returns the rest of the text.
fn expand<'a>(text: &'a str, base: &[String], leaves: &mut Vec<Vec<String>>) -> &'a str {
    let Some(mut group) = text.strip_prefix('{') else {
        let name = name_at(text);
        let rest = &text[name.len()..];
        let below = [base, &[name]].concat();
        return match rest.strip_prefix("::") {
            Some(rest) => expand(rest, &below, leaves),
            None => {
                leaves.push(below);
                rest
            }
        };
    };
    loop {
        group = group.trim_start_matches(|c: char| !is_of_name(c) && !matches!(c, '{' | '}'));
        match group.strip_prefix('}') {
            Some(rest) => return rest,
            None if group.is_empty() => return group,
            None => group = expand(group, base, leaves),
        }
        if let Some(alias) = group.strip_prefix(" as ") {
            group = &alias[name_at(alias).len()..];
        }
    }
}

/// `domain/task.rs` and `domain/task/mod.rs` are the module `domain::task`.
fn module(path: &Path) -> Vec<String> {
    let mut names: Vec<String> = path
        .with_extension("")
        .iter()
        .map(|name| name.to_str().unwrap().to_owned())
        .collect();
    if names
        .last()
        .is_some_and(|name| name == "mod" || name == "lib")
    {
        names.pop();
    }
    names
}

/// The source: file by path from `src/`, without comments and test-only code.
struct Source {
    files: BTreeMap<PathBuf, String>,
    /// Names of the crates as code spells them.
    crates: Vec<String>,
}

impl Source {
    fn read() -> Source {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut files = BTreeMap::new();
        read_folder(&root.join("src"), Path::new(""), &mut files);
        let tests: Vec<PathBuf> = files
            .iter()
            .flat_map(|(path, text)| test_modules(path, text))
            .collect();
        files.retain(|path, _| {
            !tests
                .iter()
                .any(|test| path.starts_with(test) || *path == test.with_extension("rs"))
        });
        assert!(files.len() > 20, "src/ was not found: {files:?}");
        let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
        let dependencies = manifest
            .split("\n[")
            .find(|section| section.starts_with("dependencies]"))
            .unwrap();
        let crates = dependencies
            .lines()
            .filter_map(|line| line.split_once(" = "))
            .map(|(name, _)| name.replace('-', "_"))
            .collect();
        Source { files, crates }
    }

    /// One line for each use that is not allowed.
    fn violations(&self, path: &Path, text: &str) -> Vec<String> {
        let room = room(path);
        let text = without_tests(&without_comments(text));
        let mut broken: Vec<(usize, String)> = Vec::new();
        for (at, used) in rooms_used(path, &text) {
            let allowed = match MAY_USE.iter().find(|(name, _)| *name == room) {
                Some((_, All)) => true,
                Some((_, Only(rooms))) => used == room || rooms.contains(&used.as_str()),
                None => false,
            };
            // `crate::Thing` is a room only if a room has that name.
            if !allowed && MAY_USE.iter().any(|(name, _)| *name == used) {
                broken.push((at, used));
            }
        }
        for name in &self.crates {
            let is_room = MAY_USE.iter().any(|(room, _)| room == name);
            let allowed = match AT_HOME_IN.iter().find(|(guest, _)| guest == name) {
                Some((_, homes)) => homes.contains(&room),
                None => true,
            } && (room != "domain" || DOMAIN_CRATES.contains(&name.as_str()));
            if !allowed {
                let uses = crate_uses(&text, name, is_room).into_iter();
                broken.extend(uses.map(|at| (at, name.clone())));
            }
        }
        if room == "domain" {
            let parts = after(&text, "std::").into_iter();
            broken.extend(
                parts
                    .filter(|(_, part)| NOT_IN_DOMAIN.contains(&part.as_str()))
                    .map(|(at, part)| (at, format!("std::{part}"))),
            );
        }
        broken.sort();
        broken
            .into_iter()
            .map(|(at, used)| {
                let line = text[..at].matches('\n').count() + 1;
                format!("src/{}:{line}: `{room}` uses `{used}`", path.display())
            })
            .collect()
    }
}

/// The first part of a path from `src/`.
fn room(path: &Path) -> &str {
    let first = path.iter().next().unwrap().to_str().unwrap();
    first.trim_end_matches(".rs")
}

/// The rooms that a file names, with positions: by `crate::`, or by as many `super::` as lead to the crate's root.
fn rooms_used(path: &Path, text: &str) -> Vec<(usize, String)> {
    let is_root_of_folder = path.file_name().is_some_and(|name| name == "mod.rs");
    let depth = path.iter().count() - usize::from(is_root_of_folder);
    let mut used = after(text, "crate::");
    for (at, name) in after(text, &"super::".repeat(depth)) {
        let is_longer = text[..at].ends_with("super::") || name == "super";
        if !is_longer {
            used.push((at, name));
        }
    }
    used
}

/// The names that directly follow a prefix (each one inside braces), with the prefix's position.
fn after(text: &str, prefix: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices(prefix) {
        if text[..at].ends_with(is_of_name) {
            continue;
        }
        let rest = &text[at + prefix.len()..];
        let Some(group) = rest.strip_prefix('{') else {
            found.push((at, name_at(rest)));
            continue;
        };
        let (mut depth, mut expects_name) = (1, true);
        for (offset, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 1 => expects_name = true,
                c if depth == 1 && expects_name && is_of_name(c) => {
                    found.push((at, name_at(&group[offset..])));
                    expects_name = false;
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    found
}

/// Positions at which a path begins with a crate's name. If a room has the same name, only `::name` is the crate.
fn crate_uses(text: &str, name: &str, is_room: bool) -> Vec<usize> {
    text.match_indices(name)
        .filter(|(at, _)| {
            let (before, rest) = (&text[..*at], &text[at + name.len()..]);
            let names_it = rest.starts_with("::")
                || (before.ends_with("use ") && rest.starts_with([';', ' ']));
            match before.strip_suffix("::") {
                Some(before) => names_it && !before.ends_with(|c| is_of_name(c) || c == '>'),
                None => names_it && !is_room && !before.ends_with(is_of_name),
            }
        })
        .map(|(at, _)| at)
        .collect()
}

fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn name_at(text: &str) -> String {
    text.chars().take_while(|&c| is_of_name(c)).collect()
}

/// Keeps the line breaks, so that line numbers stay.
fn without_comments(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let comment = line
            .match_indices("//")
            .find(|(at, _)| !line[..*at].ends_with(':'));
        comment.map_or(line, |(at, _)| &line[..at])
    });
    lines.collect::<Vec<_>>().join("\n")
}

const TEST_ONLY: &str = "#[cfg(test)]";

/// Removes test-only items: up to their closing brace, or to the `;` if they have none.
fn without_tests(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some((before, item)) = rest.split_once(TEST_ONLY) {
        kept.push_str(before);
        let mut depth = 0;
        let end = item.char_indices().find(|&(_, c)| {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            depth == 0 && matches!(c, '}' | ';')
        });
        let (item, after) = item.split_at(end.map_or(item.len(), |(at, _)| at + 1));
        kept.extend(item.matches('\n'));
        rest = after;
    }
    kept.push_str(rest);
    kept
}

/// The files of test-only modules, without extension.
fn test_modules(path: &Path, text: &str) -> Vec<PathBuf> {
    let folder = match path.file_name() {
        Some(name) if name == "mod.rs" || name == "lib.rs" => path.parent().unwrap().to_owned(),
        _ => path.with_extension(""),
    };
    text.split(TEST_ONLY)
        .skip(1)
        .filter_map(|item| {
            let item = item.trim_start();
            let shown = ["pub(crate) ", "pub(super) "];
            let inner = shown.iter().find_map(|shown| item.strip_prefix(shown));
            let (name, _) = inner
                .unwrap_or(item)
                .strip_prefix("mod ")?
                .split_once(';')?;
            name.chars().all(is_of_name).then(|| folder.join(name))
        })
        .collect()
}

fn read_folder(folder: &Path, from_src: &Path, files: &mut BTreeMap<PathBuf, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let from_src = from_src.join(path.file_name().unwrap());
        if path.is_dir() {
            read_folder(&path, &from_src, files);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.insert(from_src, fs::read_to_string(&path).unwrap());
        }
    }
}
