//! Direct messages in Slack: a steady rate, and many at once; the start and the memory of the daemon beside them.
//!
//! Each message creates a task in ClickUp: it is stored, acknowledged, written to the source, and answered.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;

use super::fake::{Fake, LIST, user};
use super::machine::{Server, write_private};
use super::report::{Table, quantile};
use super::{folder, ivan, this_program};

/// The people in bot.toml, and so in the store.
const PEOPLE: usize = 2_100;
const STEADY_PER_SECOND: usize = 25;
const STEADY_SECONDS: usize = 10;
const BURSTS: [usize; 2] = [500, 2_000];
/// The time limit for the answers to a burst.
const ANSWERED_WITHIN: Duration = Duration::from_secs(90);
/// The time from the last work to a measurement of idle memory.
const REST: Duration = Duration::from_secs(5);

/// Slack and ClickUp, and 2,100 people with accounts in both.
pub fn bot_toml(fake: &Fake) -> String {
    let base = fake.base();
    let mut text = format!(
        "log.format = \"json\"\nlog.level = \"info\"\nstore.path = \"ivan.db\"\napi.bind = \"127.0.0.1:0\"\n\
         api.token = \"load\"\nwebhooks.bind = \"127.0.0.1:0\"\n\
         slack.app_token = \"xapp-1-A0LOAD-1-load\"\nslack.bot_token = \"xoxb-1-1-load\"\n\
         slack.api_url = \"{base}/api\"\n\
         clickup.token = \"pk_1_LOAD\"\nclickup.team_id = \"9001\"\nclickup.list_id = \"{LIST}\"\n\
         clickup.api_url = \"{base}/clickup\"\n"
    );
    for number in 0..PEOPLE {
        let (slack, clickup) = (user(number), 500_000 + number);
        let _ = write!(
            text,
            "\n[[people]]\nname = \"Person {number:04}\"\nslack = \"{slack}\"\nclickup = \"{clickup}\"\n"
        );
    }
    text
}

#[derive(Clone, Copy)]
enum Who {
    Ivan,
    Bare,
}

/// Starts it; returns the milliseconds until it is connected.
async fn start(who: Who, fake: &Fake, folder: &Path) -> (Server, f64) {
    let config = folder.join("bot.toml");
    if matches!(who, Who::Ivan) {
        write_private(&config, &bot_toml(fake));
    }
    fake.expects_a_link();
    let begun = Instant::now();
    let server = match who {
        Who::Ivan => {
            let arguments = ["--config", config.to_str().unwrap(), "serve"];
            Server::start(&ivan(), &arguments, folder)
        }
        Who::Bare => {
            let store = folder.join("bare.db");
            let arguments = ["bare-slack", store.to_str().unwrap(), fake.base()];
            Server::start(&this_program(), &arguments, folder)
        }
    };
    let connected = fake.is_connected().await;
    (server, (connected - begun).as_secs_f64() * 1_000.0)
}

/// One repetition.
pub async fn measure(table: &mut Table, fake: &Fake, turn: usize) {
    let mut order = [Who::Ivan, Who::Bare];
    order.rotate_left(turn % 2);
    for who in order {
        let put = |table: &mut Table, name: &str, unit, value| match who {
            Who::Ivan => table.add(name, unit, Some(value), None),
            Who::Bare => table.add(name, unit, None, Some(value)),
        };
        let folder = folder();
        if matches!(who, Who::Ivan) {
            // The first start makes the store, with all people.
            let (server, _) = start(who, fake, folder.path()).await;
            server.is_still(ANSWERED_WITHIN).await;
            server.stop().await;
        }
        let (mut server, took) = start(who, fake, folder.path()).await;
        put(table, "start → connected", "ms", took);
        server.is_still(ANSWERED_WITHIN).await;
        tokio::time::sleep(REST).await;
        let idle = server.memory();
        put(table, "memory, idle", "MiB", idle.all);
        put(
            table,
            "memory, idle, without the program's file",
            "MiB",
            idle.own,
        );

        fake.begins();
        let before = server.processor_time();
        let messages = STEADY_PER_SECOND * STEADY_SECONDS;
        let between = Duration::from_secs(1) / STEADY_PER_SECOND as u32;
        let begun = Instant::now();
        for number in 0..messages {
            tokio::time::sleep_until(begun + between * number as u32).await;
            fake.says(&user(number), &format!("create Steady errand {number}"));
        }
        let answered = fake.are_answered(messages, ANSWERED_WITHIN).await;
        assert_eq!(
            answered,
            messages,
            "{:#?}",
            server.lines_with(&["ERROR", "WARN"])
        );
        let (took, _) = fake.outcome();
        put(
            table,
            "25 DMs/s, message → answer: p50",
            "ms",
            quantile(&took, 0.5).unwrap(),
        );
        put(
            table,
            "25 DMs/s, message → answer: p99",
            "ms",
            quantile(&took, 0.99).unwrap(),
        );
        // What follows an answer is a part of its cost.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let used = server.processor_time() - before;
        put(
            table,
            "25 DMs/s: processor time per 1,000",
            "s",
            used * 1e3 / messages as f64,
        );

        for burst in BURSTS {
            fake.begins();
            let begun = Instant::now();
            for number in 0..burst {
                fake.says(&user(number), &format!("create Errand {number} of {burst}"));
            }
            let answered = fake.are_answered(burst, ANSWERED_WITHIN).await;
            let took = begun.elapsed().as_secs_f64();
            let (_, again) = fake.outcome();
            let name = format!("{burst} DMs at once");
            put(
                table,
                &format!("{name}: commands/s"),
                "",
                answered as f64 / took,
            );
            put(
                table,
                &format!("{name}: envelopes sent again"),
                "",
                again as f64,
            );
            let never = burst - answered;
            put(
                table,
                &format!("{name}: messages never answered"),
                "",
                never as f64,
            );
            tokio::time::sleep(REST).await;
        }
        let now = server.memory();
        put(table, "memory, highest", "MiB", now.highest);
        put(table, "memory, 5 s after the bursts", "MiB", now.all);
        let complaints = server.lines_with(&["\"ERROR\"", "\"WARN\""]);
        if !complaints.is_empty() {
            eprintln!(
                "{} lines of warnings, the first: {}",
                complaints.len(),
                complaints.first().unwrap()
            );
        }
        server.stop().await;
    }
}
