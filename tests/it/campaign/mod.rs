//! Exactly once, in order, through any fault: histories drawn from a seed. People type at the real binary with a real
//! store while it is killed at named instants and its surroundings fail. `docs/reliability.md` describes the method.
//!
//! `cargo test` runs the first few. `IVAN_CAMPAIGN=10000` runs that many, `IVAN_CAMPAIGN_FROM=n` begins with that
//! seed, `IVAN_CAMPAIGN_SEED=n` runs one, `IVAN_CAMPAIGN_AT_ONCE=n` sets the concurrency, and `IVAN_CAMPAIGN_APP=1` has all
//! of them speak to GitHub as an App whose tokens end at each step. The steps of a seed never change, but their
//! interleaving does: a failure may need a few repetitions.

mod aborts;
mod check;
mod driver;
mod drops;
mod everyday;
mod files;
mod gone;
mod history;
mod offers;
mod put_back;
mod stale;
mod threads;

use std::fmt::Write as _;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use ivan::sandbox::fault_server::RequestRecord;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::harness::*;
use check::Check;
use driver::{Drive, Tally};
use history::{History, ISSUES, TASKS, Who};

/// The number of histories by default.
const HISTORIES: u64 = 45;
/// Concurrent histories: most of their time is waiting.
const AT_ONCE: u64 = 24;

fn given(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_takes_effect_once_and_in_order_through_anything() {
    let _took = Took::begin();
    let all = given("IVAN_CAMPAIGN");
    let from = given("IVAN_CAMPAIGN_FROM").unwrap_or(0);
    let seeds = match given("IVAN_CAMPAIGN_SEED") {
        Some(seed) => seed..seed + 1,
        None => from..from + all.unwrap_or(HISTORIES),
    };
    let at_once = given("IVAN_CAMPAIGN_AT_ONCE").unwrap_or(AT_ONCE);
    let turns = Arc::new(Semaphore::new(usize::try_from(at_once).unwrap()));
    let tally = Arc::new(Tally::default());
    let began = Instant::now();
    let mut running = JoinSet::new();
    let mut failed = Vec::new();
    let mut done = 0_u64;
    for seed in seeds {
        let turn = Arc::clone(&turns).acquire_owned().await.unwrap();
        while let Some(ended) = running.try_join_next() {
            failed.extend(ended.unwrap());
            done += 1;
            if all.is_some() && done.is_multiple_of(500) {
                let (ran, failures) = (began.elapsed(), failed.len());
                println!("{done} histories after {ran:?}, {failures} failed");
            }
        }
        if !failed.is_empty() && all.is_none() {
            break;
        }
        let tally = Arc::clone(&tally);
        running.spawn(async move {
            let _turn = turn;
            let mut history = History::of(seed);
            history.app |= given("IVAN_CAMPAIGN_APP").is_some();
            let report = comes_out(&history, &tally).await.err()?;
            eprintln!("{report}");
            Some(seed)
        });
    }
    while let Some(ended) = running.join_next().await {
        failed.extend(ended.unwrap());
        done += 1;
    }
    println!(
        "{done} histories in {:?}\n{}",
        began.elapsed(),
        tally.words()
    );
    failed.sort_unstable();
    assert!(
        failed.is_empty(),
        "{} of {done} histories failed, reported above: seeds {failed:?}",
        failed.len()
    );
}

/// The initial state of a history.
fn setup(history: &History) -> Setup {
    let mut setup = Setup::new().disk_can_fill();
    let labels: &[&str] = match history.everyday {
        true => &everyday::OLD,
        false => &[],
    };
    for title in TASKS.iter().take(history.tasks) {
        let everybody = Who::ALL.map(Who::clickup);
        setup =
            setup.clickup_tasks([json!({"name": title, "assignees": everybody, "tags": labels})]);
    }
    for title in ISSUES.iter().take(history.issues) {
        let everybody = Who::ALL.map(Who::github);
        setup = setup
            .github_issues([json!({"title": title, "assignees": everybody, "labels": labels})]);
    }
    if history.everyday {
        setup = setup.before(everyday::prepare);
    }
    // With signatures, the texts of two people would never be equal.
    setup = setup.config("outbox.signature = false");
    if history.gives_up {
        setup = setup.config("outbox.give_up_after = \"1s\"");
    }
    if history.hooks {
        setup = setup.webhooks();
    }
    if history.drops {
        setup = setup.config(drops::CONFIG);
    }
    if history.app {
        setup = setup.github_app();
    }
    // Some include the very first start.
    if history.seed.is_multiple_of(10) {
        setup = setup.without_a_store();
    }
    match history.people {
        true => setup.people(),
        false => setup,
    }
}

/// Runs a history and checks it; an error has everything needed for the diagnosis.
async fn comes_out(history: &History, tally: &Tally) -> Result<(), String> {
    let mut ivan = setup(history).start().await;
    let happened = AssertUnwindSafe(async {
        ivan.start().await;
        let mut drive = Drive::new(&mut ivan, history, tally);
        drive.happens().await;
        drive.counts_faults();
        let mut wrong = Vec::new();
        let status = drive.ivan.stop().await;
        if !status.success() {
            wrong.push(format!("SIGTERM is a success, not {status}"));
        }
        wrong.extend(Check::new(&drive, history).wrong(&drive));
        wrong.extend(unexpected_errors(&drive, history));
        wrong.extend(damage(drive.ivan));
        if wrong.is_empty() && put_back::follows(history) {
            wrong.extend(put_back::follow(drive.ivan, history, tally).await);
            wrong.extend(unexpected_errors(&drive, history));
        }
        if wrong.is_empty() && offers::follows(history) {
            wrong.extend(offers::follow(drive.ivan, history, tally).await);
            wrong.extend(unexpected_errors(&drive, history));
            wrong.extend(damage(drive.ivan));
        }
        for round in 0..stale::rounds(history) {
            if wrong.is_empty() {
                wrong.extend(stale::follow(drive.ivan, history, tally, round).await);
                wrong.extend(unexpected_errors(&drive, history));
                wrong.extend(damage(drive.ivan));
            }
        }
        wrong.extend(drive.ivan.leaks());
        wrong
    });
    let wrong = match happened.catch_unwind().await {
        Ok(wrong) => wrong,
        Err(panic) => vec![in_words(panic.as_ref())],
    };
    if wrong.is_empty() {
        ivan.sandbox.close().await;
        return Ok(());
    }
    let report = report(&ivan, history, &wrong);
    ivan.sandbox.close().await;
    Err(report)
}

fn in_words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or(panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "a panic".to_owned())
}

/// Errors in the log without a cause in the history.
fn unexpected_errors(drive: &Drive<'_>, history: &History) -> Vec<String> {
    /// The message while the store cannot be written.
    const OF_THE_STORE: [&str; 1] = ["the store"];
    let explained = |line: &str| {
        (drive.store_failed > 0 && OF_THE_STORE.iter().any(|words| line.contains(words)))
            || (history.gives_up && line.contains("given up"))
    };
    let errors = drive.ivan.errors().into_iter();
    errors
        .filter(|line| !explained(line))
        .map(|line| format!("in the log: {line}"))
        .collect()
}

/// Damage of the store after the end.
fn damage(ivan: &Ivan) -> Vec<String> {
    let integrity: String = ivan.sql("SELECT * FROM pragma_integrity_check");
    let dangling: i64 = ivan.sql("SELECT count(*) FROM pragma_foreign_key_check");
    let mut wrong = Vec::new();
    if integrity != "ok" || dangling > 0 {
        wrong.push(format!("the store: {integrity}, {dangling} dangling rows"));
    }
    wrong
}

fn report(ivan: &Ivan, history: &History, wrong: &[String]) -> String {
    let seed = history.seed;
    let mut text = format!("==== seed {seed} failed:\n");
    for wrong in wrong {
        let _ = writeln!(text, "  ✗ {wrong}");
    }
    let _ = writeln!(
        text,
        "---- what was to happen\n{history}---- what was heard"
    );
    for heard in check::heard(ivan) {
        let _ = writeln!(text, "{heard:?}");
    }
    text.push_str("---- the DMs\n");
    for who in Who::ALL {
        for message in ivan.slack().messages(&ivan.slack().dm(who.slack())) {
            let _ = writeln!(
                text,
                "{} {}: {}",
                message["ts"], message["user"], message["text"]
            );
        }
    }
    for (name, front) in [
        ("Slack", ivan.slack().front()),
        ("ClickUp", ivan.clickup().front()),
        ("GitHub", ivan.github().front()),
    ] {
        let _ = writeln!(text, "---- the journal of {name}");
        for seen in front.journal() {
            let _ = writeln!(text, "{}", line(&seen));
        }
    }
    let _ = writeln!(
        text,
        "---- the log\n{}---- to repeat it: IVAN_CAMPAIGN_SEED={seed} cargo test --test it campaign -- --nocapture",
        ivan.logs_of_all()
    );
    text
}

fn line(seen: &RequestRecord) -> String {
    let status = seen
        .status
        .map_or("—".to_owned(), |status| status.to_string());
    let turn = seen.turn.map(|turn| format!(" applied as {turn}"));
    let fault = seen.fault.map(|fault| format!(" ({fault})"));
    format!(
        "{} {} {} {status}{}{} {}",
        seen.at_ms,
        seen.method,
        seen.path,
        turn.unwrap_or_default(),
        fault.unwrap_or_default(),
        seen.body
    )
}
