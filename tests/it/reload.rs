//! Changes of bot.toml while the daemon runs: SIGHUP, and `ivan config reload`.

use std::time::Instant;

use ivan::sandbox::Sandbox;
use serde_json::{Value, json};

use crate::harness::*;

const CEM: &str = "U0CEM01";

fn with_cem() -> Setup {
    let task = json!({"name": "Renew cert", "assignees": [ANA_CLICKUP]});
    let world = Setup::new().clickup_tasks([task]).people();
    world.before(|sandbox: &Sandbox| sandbox.slack.add_person(CEM, "Cem"))
}

fn write(ivan: &Ivan, text: &str) {
    std::fs::write(ivan.folder().join("bot.toml"), text).unwrap();
}

/// Ana comments and Bo looks, before and after the signal. Every command has its answer, and every comment is in ClickUp
/// once.
#[tokio::test]
async fn sighup_adds_a_person_within_a_second_and_loses_nothing_under_load() {
    const EACH: usize = 15;
    ivan_test(with_cem(), async |ivan| {
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        let comment = |n: usize| format!("comment load {n}");
        let before: Vec<_> = (0..EACH).map(|n| ivan.says(ANA, &comment(n))).collect();
        let text = ivan.config_text();
        write(
            ivan,
            &format!("{text}[[people]]\nname = \"Cem\"\nslack = \"{CEM}\"\nclickup = \"4244\"\n"),
        );
        let begun = Instant::now();
        ivan.signal("-HUP").await;
        let after: Vec<_> = (EACH..2 * EACH)
            .map(|n| ivan.says(ANA, &comment(n)))
            .collect();
        ivan.logs("configuration reloaded changed=people … people_added=1 people_removed=0")
            .await;
        let took = begun.elapsed();
        ivan.dm(CEM, "create Order a desk")
            .await
            .begins("✓ Task created in ClickUp");
        println!("SIGHUP added a person in {} ms", took.as_millis());
        // By the daemon's clock: a busy machine wakes this one late.
        let log = ivan.log();
        let line = log
            .lines()
            .find(|line| line.contains("configuration reloaded"));
        let line: Value = serde_json::from_str(line.unwrap()).unwrap();
        let ms: u64 = line["fields"]["ms"]
            .to_string()
            .trim_matches('"')
            .parse()
            .unwrap();
        assert!(ms < 1000, "{line}");
        for asked in before.into_iter().chain(after) {
            asked.settles().await.begins("✓ Comment added");
        }
        let comments: Vec<String> = (0..2 * EACH)
            .map(|n| format!("load {n}\n\n— Ana"))
            .collect();
        assert_eq!(ivan.clickup().task("Renew cert").comments(), comments);

        // Bo leaves.
        let text = ivan.config_text();
        let (ana, rest) = text.split_once("[[people]]\nname = \"Bo\"").unwrap();
        let (_, cem) = rest.split_once("[[people]]").unwrap();
        write(ivan, &format!("{ana}[[people]]{cem}"));
        ivan.signal("-HUP").await;
        ivan.logs("configuration reloaded changed=people … people_added=0 people_removed=1")
            .await;
        ivan.dm(BO, "current").await.mentions("not set up yet");
    })
    .await;
}

#[tokio::test]
async fn config_reload_says_what_is_in_force_and_what_needs_a_restart() {
    ivan_test(with_cem(), async |ivan| {
        let text = ivan.config_text();
        let changed = text.replace("log.level = \"info\"", "log.level = \"debug\"").replace(
            "clickup.list_id",
            "queue.score.overdue = 77\nslack.operators = [\"U0BOB01\"]\nclickup.complete_status = \"shipped\"\nclickup.list_id",
        );
        write(ivan, &changed);
        let ran = ivan.cli(&["config", "reload"]).await;
        let file = ivan.folder().join("bot.toml");
        let out = ran.out.replace(&file.display().to_string(), "bot.toml");
        assert!(out.starts_with("✓ bot.toml is in force.\n"), "{out}");
        for line in [
            "  log.level: \"info\" → \"debug\"\n",
            "  queue.score.overdue: ",
            " → 77\n",
            "  slack.operators: [] → [\"U0BOB01\"]\n",
            "! Restart Ivan to apply: clickup.complete_status\n",
        ] {
            assert!(out.contains(line), "{line}: {out}");
        }
        assert_eq!((ran.err.as_str(), ran.exit), ("", 0));
        ivan.http("GET", "/status", None).await;
        ivan.logs("request … path=/status").await;

        // What still waits for a restart is said again, and nothing else.
        let again = ivan.cli(&["config", "reload"]).await;
        assert!(again.out.contains("  Nothing changed.\n"), "{}", again.out);
        assert!(again.out.contains("clickup.complete_status"), "{}", again.out);
    })
    .await;
}

#[tokio::test]
async fn a_broken_file_is_refused_with_its_line_and_the_former_stays() {
    ivan_test(with_cem(), async |ivan| {
        ivan.forgive("configuration not reloaded");
        let text = ivan.config_text();
        let broken = text.replace("log.level = \"info\"", "log.level = \"loud\"");
        let broken = broken.replace("name = \"Bo\"", "nam = \"Bo\"");
        write(ivan, &broken);
        let line = |of: &str| {
            broken
                .lines()
                .position(|line| line.starts_with(of))
                .unwrap()
                + 1
        };
        let ran = ivan.cli(&["config", "reload"]).await;
        assert_eq!((ran.out.as_str(), ran.exit), ("", 1));
        for place in [
            format!("bot.toml:{})", line("log.level")),
            format!("bot.toml:{})", line("nam = ")),
        ] {
            assert!(ran.err.contains(&place), "{place}: {}", ran.err);
        }
        assert!(ran.err.ends_with("Nothing was reloaded.\n"), "{}", ran.err);
        ivan.signal("-HUP").await;
        ivan.logs_times("configuration not reloaded; the former stays in force", 2)
            .await;
        write(ivan, "people = [");
        let ran = ivan.cli(&["config", "reload"]).await;
        assert_eq!(ran.exit, 1);
        ivan.dm(BO, "current").await.mentions("Your queue is empty");
        write(ivan, &text);
        let ran = ivan.cli(&["config", "reload"]).await;
        assert!(ran.out.contains("  Nothing changed.\n"), "{}", ran.out);
    })
    .await;
}

/// Before the first message of a person who is added meanwhile, Slack's zone counts, as for those of the start.
#[tokio::test]
async fn a_person_who_is_added_is_in_the_zone_that_slack_knows() {
    let setup = with_cem().before(|sandbox| sandbox.slack.moves_to(CEM, "Asia/Tokyo"));
    ivan_test(setup, async |ivan| {
        ivan.dm(ANA, "current").await.mentions("Renew cert");
        let text = ivan.config_text();
        write(
            ivan,
            &format!("{text}[[people]]\nname = \"Cem\"\nslack = \"{CEM}\"\nclickup = \"4244\"\n"),
        );
        ivan.signal("-HUP").await;
        ivan.logs("configuration reloaded changed=people … people_added=1")
            .await;
        let zone = async || {
            let actor = [("X-Ivan-Actor", "Cem")];
            let (_, told) = ivan.http_with("GET", "/rhythm", None, &actor).await;
            told["zone"].as_str().unwrap_or_default().to_owned()
        };
        ivan.within("Cem's zone is known", async {
            while zone().await != "Asia/Tokyo" {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        })
        .await;
    })
    .await;
}

/// A token of one person, or one that may only read, reloads nothing.
#[tokio::test]
async fn only_an_operators_token_reloads() {
    let hash = ivan::config::TokenHash::of("a-token-of-bo-that-is-long-enough").unwrap();
    let tokens = format!("[[api.tokens]]\nname = \"bos\"\nperson = \"Bo\"\nhash = \"{hash}\"");
    ivan_test(with_cem().config(&tokens), async |ivan| {
        let answer = client()
            .post(format!("{}/config/reload", ivan.api_url()))
            .bearer_auth("a-token-of-bo-that-is-long-enough")
            .json(&json!({}))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 403);
    })
    .await;
}
