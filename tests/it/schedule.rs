//! Unrequested messages: the briefing on working days, and the notices that quiet hours held back.
//!
//! Stories begin at a set time: the daemon's clock is set at its start, and Ana is in Madrid.

use chrono::{DateTime, Datelike, Days, Duration, NaiveDate, TimeZone, Utc, Weekday};
use chrono_tz::Tz;
use ivan::clock::Clock;
use ivan::sandbox::fault_server::{Fault, FaultKind, Gate, RequestRecord};
use serde_json::json;

use crate::harness::*;

const MADRID: Tz = chrono_tz::Europe::Madrid;

/// A Monday in the future, however long the tests take.
fn monday() -> NaiveDate {
    let mut day = Clock::system().now().date_naive() + Days::new(3);
    while day.weekday() != Weekday::Mon {
        day = day.succ_opt().unwrap();
    }
    day
}

fn on(day: NaiveDate, time: &str, zone: Tz) -> DateTime<Utc> {
    let time = time.parse().unwrap();
    zone.from_local_datetime(&day.and_time(time))
        .unwrap()
        .to_utc()
}

/// Sets the daemon's clock to about this time for its next start.
fn it_will_be(ivan: &mut Ivan, then: DateTime<Utc>) {
    let shift = (then - Clock::system().now()).num_seconds();
    ivan.env("IVAN_CLOCK_SHIFT_S", shift.to_string());
}

/// Kills the daemon and starts it again at that time.
async fn is_back(ivan: &mut Ivan, then: DateTime<Utc>) {
    ivan.kill().await;
    it_will_be(ivan, then);
    ivan.start().await;
}

/// A story that begins at that time.
async fn story_at(setup: Setup, then: DateTime<Utc>, story: impl AsyncFnOnce(&mut Ivan)) {
    let mut ivan = setup.start().await;
    it_will_be(&mut ivan, then);
    ivan.start().await;
    story(&mut ivan).await;
    ivan.finish().await;
}

/// Waits until the store has a start time for a person's schedule from bot.toml.
async fn has_a_rhythm(ivan: &Ivan, name: &str) {
    let begun = format!(
        "SELECT count(*) FROM rhythms JOIN people ON people.id = person_id WHERE name = '{name}'"
    );
    ivan.within("it has begun", async {
        while ivan.sql::<i64>(&begun) == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
}

fn task() -> Setup {
    task_with("")
}

/// The same, with further lines of bot.toml.
fn task_with(lines: &str) -> Setup {
    Setup::new()
        .config(lines)
        .people()
        .clickup_tasks([json!({"name": "Renew cert", "assignees": [ANA_CLICKUP]})])
}

/// The answer that names the next briefing.
fn asked_for(day: NaiveDate, time: &str) -> String {
    format!(
        "✓ Briefing on working days at {time} (Europe/Madrid), next on {}.",
        day.format("%a %-d %b")
    )
}

// ------------------------------------------------------------ the briefing

#[tokio::test]
async fn a_briefing_comes_once_a_working_day_at_its_time_and_survives_kills() {
    let monday = monday();
    story_at(task(), on(monday, "06:00:00", MADRID), async |ivan| {
        ivan.dm(ANA, "briefing 8:30")
            .await
            .replies(&asked_for(monday, "8:30"));
        // It waits for the time; it does not look back.
        is_back(ivan, on(monday, "08:29:58", MADRID)).await;
        let told = ivan.is_told(ANA).answers().await;
        told.mentions(": 1 open\n1. Renew cert · ClickUp");
        for later in ["08:30:01", "09:00:00", "11:29:00"] {
            is_back(ivan, on(monday, later, MADRID)).await;
        }
        let tuesday = monday.succ_opt().unwrap();
        is_back(ivan, on(tuesday, "08:31:00", MADRID)).await;
        ivan.is_told(ANA).answers().await.mentions("1 open");
        // Its card works, and the task that it showed is current.
        ivan.dm(ANA, "done")
            .await
            .begins("✓ Task completed in ClickUp: Renew cert");
    })
    .await;
}

#[tokio::test]
async fn a_daemon_that_was_down_sends_it_while_it_is_still_the_morning() {
    let monday = monday();
    let tuesday = monday.succ_opt().unwrap();
    story_at(task(), on(monday, "08:00:00", MADRID), async |ivan| {
        ivan.dm(ANA, "briefing 8:30").await.begins("✓");
        is_back(ivan, on(monday, "11:00:00", MADRID)).await;
        ivan.is_told(ANA).answers().await.mentions("1 open");
        // Three and a half hours later the briefing is no longer useful: it is skipped.
        is_back(ivan, on(tuesday, "12:00:00", MADRID)).await;
        ivan.dm(ANA, "status").await.begins("Slack: connected");
        assert_eq!(
            ivan.sql::<String>("SELECT briefed_on FROM rhythms"),
            monday.to_string()
        );
    })
    .await;
}

#[tokio::test]
async fn a_briefing_that_is_under_way_at_two_ends_rests_and_is_told_when_it_is_tried_again() {
    let monday = monday();
    story_at(task(), on(monday, "08:00:00", MADRID), async |ivan| {
        ivan.dm(ANA, "briefing 8:30").await.begins("✓");
        ivan.stop().await;
        it_will_be(ivan, on(monday, "08:31:00", MADRID));
        let slack = ivan.slack().front().clone();
        slack.fault(Fault::new(FaultKind::Hang).on("GET", "users.info").always());
        for _ in 0..2 {
            let asked = ivan.slack().front().journal().len();
            ivan.start().await;
            let is_held = |seen: &[RequestRecord]| {
                let mut since = seen.iter().skip(asked);
                since.any(|one| one.is("GET", "users.info") && !one.done)
            };
            ivan.within("it asks who Ana is", slack.until(is_held))
                .await;
            ivan.aborts().await;
        }
        slack.clear_faults();
        ivan.start().await;
        let told = ivan.is_told(ANA).answers().await;
        told.begins("✗ Not finished: sending your briefing or notices crashed me twice");
        let (_, status) = ivan.http("GET", "/status", None).await;
        let id = status["set_aside"][0]["id"].as_str().unwrap().to_owned();
        told.mentions(&format!("ivan retry {id}"));
        let ran = ivan.cli(&["retry", &id]).await;
        assert_eq!(ran.exit, 0, "{ran:?}");
        ivan.is_told(ANA).answers().await.mentions("1 open");
    })
    .await;
}

#[tokio::test]
async fn nobody_gets_one_on_a_day_that_is_free_or_without_having_asked() {
    let monday = monday();
    let saturday = monday + Days::new(5);
    story_at(task(), on(monday, "09:00:00", MADRID), async |ivan| {
        // Its time is over today: the next one is tomorrow's.
        ivan.dm(ANA, "briefing 8:30")
            .await
            .replies(&asked_for(monday.succ_opt().unwrap(), "8:30"));
        ivan.dm(BO, "status").await;
        for day in [saturday, saturday.succ_opt().unwrap()] {
            is_back(ivan, on(day, "08:30:01", MADRID)).await;
            ivan.dm(ANA, "status").await.begins("Slack: connected");
        }
        ivan.dm(ANA, "briefing off").await.begins("✓ Briefing off.");
        is_back(ivan, on(monday + Days::new(7), "08:30:01", MADRID)).await;
        ivan.dm(ANA, "status").await.begins("Slack: connected");
    })
    .await;
}

#[tokio::test]
async fn a_kill_while_it_is_being_posted_makes_no_second_one_and_loses_none() {
    let monday = monday();
    story_at(task(), on(monday, "08:00:00", MADRID), async |ivan| {
        ivan.dm(ANA, "briefing 8:30").await.begins("✓");
        // Slack posts it, and its answer never comes.
        ivan.slack()
            .front()
            .fault(Fault::new(FaultKind::ApplyThenHang).on("POST", "chat.postMessage"));
        is_back(ivan, on(monday, "08:30:00", MADRID)).await;
        ivan.is_told(ANA).answers().await.mentions("1 open");
        is_back(ivan, on(monday, "08:31:00", MADRID)).await;
        ivan.logs("poll done … source=clickup").await;
        ivan.dm(ANA, "status").await;
        // It is claimed, and the daemon dies before Slack has it.
        let gate = Gate::new();
        ivan.slack()
            .front()
            .fault(Fault::new(FaultKind::Wait(gate)).on("POST", "chat.postMessage"));
        let tuesday = monday.succ_opt().unwrap();
        is_back(ivan, on(tuesday, "08:30:00", MADRID)).await;
        ivan.asks(ivan.slack().front(), "POST", "chat.postMessage", 4)
            .await;
        ivan.slack().front().clear_faults();
        is_back(ivan, on(tuesday, "08:32:00", MADRID)).await;
        ivan.is_told(ANA).answers().await.mentions("1 open");
    })
    .await;
}

#[tokio::test]
async fn whoever_travels_gets_it_at_their_new_time() {
    let monday = monday();
    story_at(task(), on(monday, "06:00:00", MADRID), async |ivan| {
        ivan.dm(ANA, "briefing 8:30").await.begins("✓");
        // She sends nothing from New York, where it is half past two when her time comes.
        ivan.slack().moves_to(ANA, "America/New_York");
        is_back(ivan, on(monday, "08:30:01", MADRID)).await;
        ivan.within("Slack was asked", async {
            while ivan.sql::<String>("SELECT zone FROM people WHERE name = 'Ana'")
                != "America/New_York"
            {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        })
        .await;
        ivan.dm(ANA, "status").await.begins("Slack: connected");
        is_back(ivan, on(monday, "08:29:59", chrono_tz::America::New_York)).await;
        ivan.is_told(ANA).answers().await.mentions("1 open");
    })
    .await;
}

/// A person whose membership Slack does not confirm gets nothing, and keeps the schedule.
#[tokio::test]
async fn a_briefing_waits_until_slack_says_who_somebody_is() {
    let monday = monday();
    story_at(task(), on(monday, "06:00:00", MADRID), async |ivan| {
        ivan.dm(ANA, "briefing 8:30").await.begins("✓");
        ivan.slack()
            .answers_about(ANA, Some(json!({"user": {"id": ANA}})));
        let front = ivan.slack().front();
        let asked = |front: &ivan::sandbox::fault_server::FaultServer| {
            front
                .journal()
                .iter()
                .filter(|seen| seen.is("GET", "users.info"))
                .count()
        };
        let before = asked(front);
        is_back(ivan, on(monday, "08:30:01", MADRID)).await;
        let front = ivan.slack().front();
        ivan.asks(front, "GET", "users.info", before + 2).await;
        ivan.dm(BO, "status").await.begins("Slack: connected");
        let dm = ivan.slack().dm(ANA);
        assert_eq!(ivan.slack().bot_messages(&dm).len(), 1);
        // A missing answer counts like an odd one.
        front.fault(Fault::new(FaultKind::Drop).on("GET", "users.info"));
        ivan.slack().answers_about(ANA, None);
        let before = asked(front);
        ivan.asks(front, "GET", "users.info", before + 2).await;
        assert_eq!(ivan.slack().bot_messages(&dm).len(), 1);
        front.clear_faults();
        ivan.is_told(ANA).answers().await.mentions("1 open");
    })
    .await;
}

#[tokio::test]
async fn bot_toml_chooses_for_those_who_have_not() {
    let monday = monday();
    let setup = task_with("slack.briefing = \"8:30\"\nslack.quiet = \"22:00-7:00\"");
    story_at(setup, on(monday, "12:00:00", MADRID), async |ivan| {
        ivan.dm(BO, "briefing off").await.begins("✓ Briefing off");
        ivan.dm(ANA, "whoami").await.mentions(
            "\nBriefing: 8:30 on working days (team default)\nQuiet hours: 22:00-07:00 (team default)",
        );
        ivan.dm(ANA, "quiet").await.replies(
            "Quiet hours 22:00-07:00 (Europe/Madrid), the team default. `quiet off` turns them off for you.",
        );
        // As if bot.toml had been changed on a morning that has begun: the first briefing is the next one.
        ivan.kill().await;
        ivan.store()
            .execute("DELETE FROM rhythms WHERE no_briefing = 0", [])
            .unwrap();
        it_will_be(ivan, on(monday, "09:00:00", MADRID));
        ivan.start().await;
        // Without a stored start by then, Ana would start tomorrow, and get no briefing after a late start.
        has_a_rhythm(ivan, "Ana").await;
        ivan.dm(ANA, "status").await.begins("Slack: connected");
        let tuesday = monday.succ_opt().unwrap();
        is_back(ivan, on(tuesday, "08:29:58", MADRID)).await;
        let told = ivan.is_told(ANA).answers().await;
        told.mentions(": 1 open\n1. Renew cert · ClickUp");
        told.mentions("\nThis is the team default. `briefing off` stops it");
        is_back(ivan, on(tuesday, "08:31:00", MADRID)).await;
        // A personal choice wins, and off is a choice.
        ivan.dm(ANA, "quiet off").await.replies("✓ Quiet hours off.");
        ivan.dm(ANA, "briefing 9:30")
            .await
            .replies(&asked_for(tuesday, "9:30").replace(
                &tuesday.format("%a %-d %b").to_string(),
                &tuesday.succ_opt().unwrap().format("%a %-d %b").to_string(),
            ));
        let whoami = ivan.dm(ANA, "whoami").await.text();
        assert!(
            whoami.ends_with("\nBriefing: 9:30 on working days\nQuiet hours: none"),
            "{whoami}"
        );
        let ana: &[(&str, &str)] = &[("X-Ivan-Actor", "Ana")];
        let (_, chosen) = ivan.http_with("GET", "/rhythm", None, ana).await;
        assert_eq!(chosen["own"], json!({"briefing": true, "quiet": true}));
        let wednesday = tuesday.succ_opt().unwrap();
        is_back(ivan, on(wednesday, "08:31:00", MADRID)).await;
        ivan.dm(ANA, "status").await.begins("Slack: connected");
        is_back(ivan, on(wednesday, "09:30:00", MADRID)).await;
        let told = ivan.is_told(ANA).answers().await.text();
        assert!(told.contains(": 1 open") && !told.contains("bot.toml"), "{told}");
        // Bo, who chose none, got none all the while.
    })
    .await;
}

#[tokio::test]
async fn an_own_choice_is_left_to_bot_toml_again() {
    let monday = monday();
    let setup = task_with("slack.briefing = \"8:30\"\nslack.quiet = \"22:00-7:00\"");
    story_at(setup, on(monday, "12:00:00", MADRID), async |ivan| {
        ivan.dm(ANA, "briefing 6:00").await.begins("✓ Briefing on working days at 6:00");
        ivan.dm(ANA, "quiet off").await.begins("✓ Quiet hours off");
        let tuesday = monday.succ_opt().unwrap();
        ivan.dm(ANA, "briefing default").await.replies(&format!(
            "✓ Team default: briefing on working days at 8:30 (Europe/Madrid), next on {}.",
            tuesday.format("%a %-d %b")
        ));
        ivan.dm(ANA, "quiet default").await.replies(
            "✓ Team default: quiet hours 22:00-07:00 (Europe/Madrid).",
        );
        ivan.dm(ANA, "whoami").await.mentions(
            "\nBriefing: 8:30 on working days (team default)\nQuiet hours: 22:00-07:00 (team default)",
        );
        let ana: &[(&str, &str)] = &[("X-Ivan-Actor", "Ana")];
        let (_, chosen) = ivan.http_with("GET", "/rhythm", None, ana).await;
        assert_eq!(chosen["own"], json!({"briefing": false, "quiet": false}));
        // No longer at 6:00, and marked as bot.toml's choice.
        is_back(ivan, on(tuesday, "06:01:00", MADRID)).await;
        ivan.dm(ANA, "status").await.begins("Slack: connected");
        is_back(ivan, on(tuesday, "08:30:00", MADRID)).await;
        let told = ivan.is_told(ANA).answers().await;
        told.mentions("\nThis is the team default.");
        // A time that is over today is not repeated: switching off and on causes no second briefing.
        ivan.dm(ANA, "briefing off").await.begins("✓ Briefing off");
        ivan.dm(ANA, "briefing default").await.begins("✓ Team default");
        is_back(ivan, on(tuesday, "08:40:00", MADRID)).await;
        ivan.dm(ANA, "status").await.begins("Slack: connected");
        // It follows bot.toml from then on.
        ivan.kill().await;
        it_will_be(ivan, on(tuesday, "12:00:00", MADRID));
        ivan.reconfigure(|_| task());
        ivan.start().await;
        let (_, chosen) = ivan.http_with("GET", "/rhythm", None, ana).await;
        assert_eq!((&chosen["briefing"], &chosen["quiet"]), (&json!(null), &json!(null)));
    })
    .await;
}

#[tokio::test]
async fn whoever_left_out_the_briefing_gets_that_of_bot_toml_from_the_next_on() {
    let monday = monday();
    let setup = task_with("slack.briefing = \"8:30\"");
    story_at(setup, on(monday, "06:00:00", MADRID), async |ivan| {
        ivan.dm(ANA, "briefing off").await.begins("✓ Briefing off");
        ivan.dm(BO, "briefing off").await.begins("✓ Briefing off");
        is_back(ivan, on(monday, "09:00:00", MADRID)).await;
        // The morning has begun: the next one is tomorrow's.
        let tuesday = monday.succ_opt().unwrap();
        ivan.dm(ANA, "briefing default")
            .await
            .mentions(&format!("on {}", tuesday.format("%a %-d %b")));
        is_back(ivan, on(monday, "09:05:00", MADRID)).await;
        ivan.dm(ANA, "status").await.begins("Slack: connected");
        is_back(ivan, on(tuesday, "08:30:00", MADRID)).await;
        ivan.is_told(ANA).answers().await.mentions(": 1 open");
    })
    .await;
}

#[tokio::test]
async fn the_default_is_gone_back_to_over_http_and_from_the_command_line_too() {
    ivan_test(task(), async |ivan| {
        ivan.dm(ANA, "briefing 8:30").await.begins("✓");
        ivan.dm(ANA, "quiet 20:00-8:00").await.begins("✓");
        let ana: &[(&str, &str)] = &[("X-Ivan-Actor", "Ana")];
        let ran = ivan.cli(&["--as", "Ana", "briefing", "default"]).await;
        assert_eq!(
            (ran.exit, ran.out.trim()),
            (
                0,
                "✓ Team default: briefing off. morning shows it at any time."
            ),
            "{}",
            ran.err
        );
        let quiet = Some(json!({"hours": "default"}));
        let (status, chosen) = ivan.http_with("POST", "/quiet", quiet, ana).await;
        assert_eq!(status, 200);
        assert_eq!(chosen["message"], "✓ Team default: no quiet hours.");
        assert_eq!(
            (&chosen["briefing"], &chosen["quiet"]),
            (&json!(null), &json!(null))
        );
        assert_eq!(chosen["own"], json!({"briefing": false, "quiet": false}));
        let ran = ivan.cli(&["--as", "Ana", "quiet", "off"]).await;
        assert_eq!(ran.exit, 0);
        let ran = ivan.cli(&["--as", "Ana", "quiet", "default"]).await;
        assert_eq!(ran.exit, 0, "{}", ran.err);
        let at = Some(json!({"at": "default"}));
        let (status, _) = ivan.http_with("POST", "/briefing", at, ana).await;
        assert_eq!(status, 200);
        let (_, chosen) = ivan.http_with("GET", "/rhythm", None, ana).await;
        assert_eq!(chosen["own"], json!({"briefing": false, "quiet": false}));
    })
    .await;
}

#[tokio::test]
async fn quiet_hours_of_bot_toml_hold_what_another_gives_through_ivan_too() {
    let monday = monday();
    let setup = task_with("slack.quiet = \"22:00-7:00\"");
    story_at(setup, on(monday, "23:00:00", MADRID), async |ivan| {
        let cert = ivan.clickup().task("Renew cert").id().to_owned();
        ivan.dm(ANA, "status").await;
        for to in ["Bo", "Ana"] {
            ivan.dm(BO, &format!("assign clickup:{cert} {to}"))
                .await
                .begins("✓ Now assigned to ");
        }
        assert_eq!(ivan.sql::<i64>("SELECT count(*) FROM held"), 1);
        ivan.dm(ANA, "quiet off").await.begins("✓ Quiet hours off");
        ivan.is_told(ANA)
            .answers()
            .await
            .mentions("Renew cert was assigned to you in ClickUp by Bo");
    })
    .await;
}

#[tokio::test]
async fn it_is_set_over_http_and_from_the_command_line_too() {
    let monday = monday();
    story_at(task(), on(monday, "06:00:00", MADRID), async |ivan| {
        ivan.dm(ANA, "status").await;
        let ran = ivan.cli(&["--as", "Ana", "briefing", "8:30"]).await;
        assert_eq!(
            (ran.exit, ran.out.trim()),
            (0, asked_for(monday, "8:30").as_str()),
            "{}",
            ran.err
        );
        let ana: &[(&str, &str)] = &[("X-Ivan-Actor", "Ana")];
        let (status, chosen) = ivan.http_with("GET", "/rhythm", None, ana).await;
        assert_eq!(status, 200);
        let next = on(monday, "08:30:00", MADRID)
            .format("%Y-%m-%dT%H:%M:%SZ")
            .to_string();
        assert_eq!(
            (&chosen["briefing"], &chosen["next_briefing"]),
            (&json!("08:30"), &json!(next))
        );
        assert_eq!(chosen["zone"], "Europe/Madrid");
        let (_, chosen) = ivan
            .http_with("POST", "/quiet", Some(json!({"hours": "22:00-7:00"})), ana)
            .await;
        assert_eq!(chosen["quiet"], "22:00-07:00");
        let ran = ivan.cli(&["--as", "Ana", "quiet"]).await;
        assert!(
            ran.out
                .starts_with("Quiet hours 22:00-07:00 (Europe/Madrid)"),
            "{}",
            ran.out
        );
        let ran = ivan.cli(&["--as", "Ana", "quiet", "off"]).await;
        assert_eq!(ran.exit, 0);
        let (_, chosen) = ivan
            .http_with("POST", "/briefing", Some(json!({"at": "off"})), ana)
            .await;
        assert_eq!(
            (&chosen["briefing"], &chosen["quiet"]),
            (&json!(null), &json!(null))
        );
        for (path, body) in [
            ("/briefing", json!({"at": "soon"})),
            ("/quiet", json!({"hours": "8:00-8:00"})),
            ("/briefing", json!({})),
        ] {
            let (status, problem) = ivan.http_with("POST", path, Some(body), ana).await;
            assert_eq!(status, 422, "{problem}");
        }
        // Bo's schedule is unaffected.
        let (_, chosen) = ivan
            .http_with("GET", "/rhythm", None, &[("X-Ivan-Actor", "Bo")])
            .await;
        assert_eq!(chosen["briefing"], json!(null));
    })
    .await;
}

#[tokio::test]
async fn whoever_cannot_be_told_is_told_so() {
    ivan_test(two_tasks(), async |ivan| {
        let ran = ivan.cli(&["briefing", "8:30"]).await;
        assert_eq!(ran.exit, 1);
        assert!(
            ran.err.contains("Write to me in Slack first"),
            "{}",
            ran.err
        );
        assert_eq!(ivan.sql::<i64>("SELECT count(*) FROM rhythms"), 0);
    })
    .await;
}

#[tokio::test]
async fn it_is_chosen_at_home_with_buttons() {
    let monday = monday();
    story_at(task(), on(monday, "06:00:00", MADRID), async |ivan| {
        let home = ivan.opens_home(ANA).await;
        assert!(home.contains("Briefing: off (team default)"), "{home}");
        assert!(home.contains("Quiet hours: none (team default)"), "{home}");
        ivan.picks_at_home(ANA, "Briefing at", Some("08:00"))
            .settles()
            .await
            .replies(&asked_for(monday, "8:00"));
        ivan.shows_at_home(ANA, "Briefing: 8:00 on working days (Europe/Madrid)")
            .await;
        ivan.presses_at_home(ANA, "Quiet at night", 0)
            .settles()
            .await
            .begins("✓ Quiet hours 20:00-08:00");
        ivan.shows_at_home(ANA, "Quiet hours: 20:00-08:00 (Europe/Madrid)")
            .await;
        ivan.presses_at_home(ANA, "No quiet hours", 0)
            .settles()
            .await
            .begins("✓ Quiet hours off");
        ivan.presses_at_home(ANA, "Turn off", 0)
            .settles()
            .await
            .begins("✓ Briefing off");
        ivan.shows_at_home(ANA, "Briefing: off").await;
    })
    .await;
}

// ------------------------------------------------------------ quiet hours

/// Ana's tasks, with webhooks.
fn hooked() -> Setup {
    Setup::new().webhooks().people().clickup_tasks([
        json!({"name": "Renew cert", "assignees": [ANA_CLICKUP]}),
        json!({"name": "Write the runbook", "assignees": [ANA_CLICKUP]}),
    ])
}

/// Waits until this many notices are held.
async fn holds(ivan: &Ivan, notices: i64) {
    ivan.until_deliveries_are_applied().await;
    ivan.within("they are held", async {
        while ivan.sql::<i64>("SELECT count(*) FROM held") != notices {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn notices_wait_until_it_is_not_quiet_any_more_and_are_one_message() {
    let monday = monday();
    let tuesday = monday.succ_opt().unwrap();
    story_at(hooked(), on(monday, "21:00:00", MADRID), async |ivan| {
        ivan.hook_up();
        ivan.dm(ANA, "quiet 20:00-8:00")
            .await
            .begins("✓ Quiet hours 20:00-08:00 (Europe/Madrid)");
        ivan.clickup()
            .comment_by("Renew cert", BO_CLICKUP, "how far is it?");
        holds(ivan, 1).await;
        ivan.clickup()
            .set_status("Write the runbook", "complete", BO_CLICKUP);
        holds(ivan, 2).await;
        // Her commands are answered at any time.
        ivan.dm(ANA, "quiet").await.mentions("2 notices are held.");
        ivan.dm(ANA, "list")
            .await
            .replies("1. Renew cert · ClickUp · to do");
        is_back(ivan, on(tuesday, "03:00:00", MADRID)).await;
        ivan.dm(ANA, "status").await.begins("Slack: connected");
        is_back(ivan, on(tuesday, "07:59:58", MADRID)).await;
        let told = ivan.is_told(ANA).answers().await;
        let text = told.text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert_eq!(lines[0], "While you were in quiet hours:");
        assert_eq!(
            lines[1],
            "• Bo commented on Renew cert in ClickUp: “how far is it?”"
        );
        assert!(
            lines[2].starts_with("• Write the runbook was completed in ClickUp by Bo, "),
            "{text}"
        );
        // Nothing twice; and by day notices come at once.
        is_back(ivan, on(tuesday, "08:10:00", MADRID)).await;
        ivan.clickup()
            .comment_by("Renew cert", BO_CLICKUP, "hello?");
        ivan.is_told(ANA)
            .answers()
            .await
            .begins("Bo commented on Renew cert");
    })
    .await;
}

#[tokio::test]
async fn what_was_held_comes_before_the_briefing() {
    let monday = monday();
    let tuesday = monday.succ_opt().unwrap();
    story_at(hooked(), on(monday, "21:00:00", MADRID), async |ivan| {
        ivan.hook_up();
        ivan.dm(ANA, "quiet 20:00-8:00").await.begins("✓");
        ivan.dm(ANA, "briefing 8:00").await.begins("✓");
        ivan.clickup()
            .comment_by("Renew cert", BO_CLICKUP, "how far is it?");
        holds(ivan, 1).await;
        is_back(ivan, on(tuesday, "08:00:00", MADRID)).await;
        let held = ivan.is_told(ANA);
        let briefing = ivan.is_told(ANA);
        held.answers()
            .await
            .begins("While you were in quiet hours:");
        briefing.answers().await.mentions(": 2 open");
    })
    .await;
}

#[tokio::test]
async fn quiet_off_tells_at_once_what_was_held_and_mute_tells_nothing() {
    story_at(hooked(), on(monday(), "21:00:00", MADRID), async |ivan| {
        ivan.hook_up();
        ivan.dm(ANA, "quiet 20:00-8:00").await.begins("✓");
        ivan.clickup()
            .comment_by("Renew cert", BO_CLICKUP, "how far is it?");
        holds(ivan, 1).await;
        ivan.dm(ANA, "quiet off").await.begins("✓ Quiet hours off.");
        ivan.is_told(ANA).answers().await.mentions("how far is it?");
        ivan.dm(ANA, "quiet 8pm-8am").await.begins("✓");
        ivan.clickup()
            .comment_by("Renew cert", BO_CLICKUP, "hello?");
        holds(ivan, 1).await;
        ivan.dm(ANA, "mute").await.begins("✓");
        ivan.dm(ANA, "quiet off").await.begins("✓");
        holds(ivan, 0).await;
    })
    .await;
}

#[tokio::test]
async fn operators_alarms_are_not_held() {
    let setup = two_tasks().config("slack.operators = [\"U0ANN01\"]");
    story_at(setup, on(monday(), "21:00:00", MADRID), async |ivan| {
        ivan.dm(ANA, "quiet 20:00-8:00").await.begins("✓");
        ivan.clickup().revoke_token();
        let (status, _) = ivan.http("POST", "/sync", None).await;
        assert_eq!(status, 200);
        ivan.is_told(ANA)
            .answers()
            .await
            .mentions("rejects the token");
        ivan.clickup().accept_token();
        ivan.sync().await;
        ivan.is_told(ANA)
            .answers()
            .await
            .mentions("accepts the token again");
    })
    .await;
}

#[tokio::test]
async fn many_held_notices_are_one_message_that_slack_takes() {
    let monday = monday();
    story_at(hooked(), on(monday, "21:00:00", MADRID), async |ivan| {
        ivan.hook_up();
        ivan.dm(ANA, "quiet 20:00-8:00").await.begins("✓");
        let long = "ü".repeat(400);
        for _ in 0..30 {
            ivan.clickup().comment_by("Renew cert", BO_CLICKUP, &long);
        }
        holds(ivan, 30).await;
        is_back(ivan, on(monday, "20:00:00", MADRID) + Duration::hours(13)).await;
        let told = ivan.is_told(ANA).answers().await;
        let blocks = told.posted().blocks;
        let said: usize = blocks
            .as_array()
            .unwrap()
            .iter()
            .map(|block| {
                block["text"]["text"]
                    .as_str()
                    .unwrap()
                    .matches("commented on")
                    .count()
            })
            .sum();
        assert_eq!(said, 30);
    })
    .await;
}
