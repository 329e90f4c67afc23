//! Ivan under load, beside bare baselines in the same run (docs/performance.md).
//!
//! ```text
//! cargo bench --bench load                               # everything, five repetitions
//! cargo bench --bench load -- webhooks --repetitions 3   # one part: webhooks or slack
//! cargo bench --bench load -- --write                    # and writes the tables of docs/performance.md
//! cargo bench --bench load -- scale                      # large stores; with --million also one of a million tasks
//! benches/instructions.sh                                # instructions under callgrind
//! ```
//!
//! The daemon is the release binary. The loader, with its fakes of Slack, ClickUp and GitHub, is a process of its own on
//! the last processor; the server has the first. The baseline ([`bare`]) takes turns with the daemon.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation
)]

mod bare;
mod fake;
mod instructions;
mod machine;
mod report;
mod scale;
mod slack;
mod webhooks;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use report::{Table, shown};

/// The release binary. `IVAN_LOAD_BINARY` names another build of it.
fn ivan() -> PathBuf {
    let other = std::env::var_os("IVAN_LOAD_BINARY");
    other.map_or_else(|| env!("CARGO_BIN_EXE_ivan").into(), PathBuf::from)
}

const REPETITIONS: usize = 5;

fn main() {
    let arguments = std::env::args().skip(1).filter(|one| one != "--bench");
    let arguments: Vec<String> = arguments.collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    match words.as_slice() {
        ["bare-webhooks", store] => {
            runtime.block_on(bare::webhooks(Path::new(store), webhooks::SECRET));
        }
        ["bare-slack", store, base] => runtime.block_on(bare::slack(Path::new(store), base)),
        ["instructions"] => runtime.block_on(instructions::measure()),
        words => {
            machine::pin_the_loader();
            runtime.block_on(load(&Asked::read(words)));
        }
    }
}

/// The command line.
struct Asked {
    parts: Vec<String>,
    repetitions: usize,
    write: bool,
    million: bool,
}

impl Asked {
    fn read(words: &[&str]) -> Asked {
        let mut asked = Asked {
            parts: Vec::new(),
            repetitions: REPETITIONS,
            write: false,
            million: false,
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match *word {
                "--write" => asked.write = true,
                "--million" => asked.million = true,
                "--repetitions" => {
                    let number = words.next().and_then(|number| number.parse().ok());
                    asked.repetitions = number.expect("--repetitions NUMBER");
                }
                "webhooks" | "slack" | "scale" => asked.parts.push((*word).to_owned()),
                other => {
                    panic!("unknown argument {other}; see the first lines of benches/load/main.rs")
                }
            }
        }
        if asked.parts.is_empty() {
            asked.parts = vec!["webhooks".to_owned(), "slack".to_owned()];
        }
        asked
    }
}

async fn load(asked: &Asked) {
    let fake = fake::Fake::start().await;
    let deliveries = match asked.parts.iter().any(|part| part == "webhooks") {
        true => Some(Arc::new(webhooks::Deliveries::make())),
        false => None,
    };
    let size = std::fs::metadata(ivan()).unwrap().len() as f64 / (1024.0 * 1024.0);
    let pinned = match machine::is_pinned() {
        true => "server on the first processor, loader on the last",
        false => "nothing pinned: `taskset` is missing, or there is one processor",
    };
    let head = format!(
        "{}; {} processors; {pinned}; medians of {} repetitions. Binary: {} MiB.\n\n",
        machine::processor(),
        machine::processors(),
        asked.repetitions,
        shown(size),
    );
    print!("{head}");
    for part in &asked.parts {
        if part == "scale" {
            let text = scale::measure(&fake, asked.million).await;
            println!("{text}");
            if asked.write {
                report::write_into_the_docs("load: scale", &text);
            }
            continue;
        }
        let mut table = Table::default();
        for turn in 0..asked.repetitions {
            eprintln!("{part}: {} of {}", turn + 1, asked.repetitions);
            match &deliveries {
                Some(deliveries) if part == "webhooks" => {
                    webhooks::measure(&mut table, &fake, deliveries, turn).await;
                }
                _ => slack::measure(&mut table, &fake, turn).await,
            }
        }
        let text = table.markdown(part);
        println!("{text}");
        if asked.write {
            report::write_into_the_docs(&format!("load: {part}"), &format!("{head}{text}"));
        }
    }
}

/// A folder for a store, on the disk of the build and not in memory.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// This program, which has the baselines too.
fn this_program() -> PathBuf {
    std::env::current_exe().unwrap()
}
