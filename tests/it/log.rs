//! `log`: the person, action, time, place and outcome of each change; each person sees their own.

use ivan::sandbox::fault_server::{Fault, FaultKind, Gate};
use serde_json::{Value, json};

use crate::harness::*;

/// Ana's task, Bo's, and one of both; and an issue of Bo's.
fn shared(setup: Setup) -> Setup {
    setup
        .people()
        .clickup_tasks([
            json!({"name": "Renew cert", "assignees": [ANA_CLICKUP], "priority": 1}),
            json!({"name": "Pay the rent", "assignees": [BO_CLICKUP], "creator": BO_CLICKUP, "priority": 1}),
            json!({"name": "Plan the party", "assignees": [ANA_CLICKUP, BO_CLICKUP], "priority": 4}),
        ])
        .github_issues([json!({"title": "Update the docs", "assignees": ["bo"], "user": "bo"})])
}

/// The lines of a log without the heading and without times, which are today's.
fn lines(text: &str) -> Vec<String> {
    let without_time = |line: &str| match line.split_once(" · ") {
        Some((mark, rest)) => format!("{} {rest}", mark.chars().next().unwrap()),
        None => line.to_owned(),
    };
    let (lead, lines) = text.split_once('\n').unwrap();
    assert!(lead.ends_with(", newest first:"), "{text}");
    lines.lines().map(without_time).collect()
}

async fn entries(ivan: &Ivan, query: &str, who: Option<&str>) -> Vec<Value> {
    let headers: Vec<(&str, &str)> = who.map(|who| ("X-Ivan-Actor", who)).into_iter().collect();
    let (status, page) = ivan
        .http_with("GET", &format!("/log{query}"), None, &headers)
        .await;
    assert_eq!(status, 200, "{page}");
    page["entries"].as_array().unwrap().clone()
}

fn id(ivan: &Ivan, name: &str) -> String {
    format!("clickup:{}", ivan.clickup().task(name).id())
}

#[tokio::test]
async fn it_says_what_was_done_from_where_and_what_it_changed() {
    ivan_test(
        two_issues()
            .clickup_tasks([json!({"name": "Renew cert", "tags": ["deal"], "priority": 1})]),
        async |ivan| {
            ivan.dm(ANA, "log").await.replies("No entries yet.");
            let card = ivan.dm(ANA, "current").await;
            ivan.presses(ANA, &card, "Done")
                .settles()
                .await
                .begins("✓ Task completed");
            ivan.dm(BO, "comment on #1: shipped\nit")
                .await
                .begins("✓ Comment added");
            let general = ivan.says_in("general", ANA, "create Buy milk");
            general.settles().await.begins("✓ Task created");
            ivan.dm(BO, "snooze #2 2030-01-01").await.begins("✗");
            ivan.dm(BO, "start #1").await.begins("✓ Issue started");
            ivan.dm(ANA, "undo").await.begins("✓ Undone");
            let cli = ivan.cli(&["comment", "on #2: from here"]).await;
            assert_eq!(cli.exit, 0, "{}", cli.err);
            let told = ivan.dm(BO, "log").await.text();
            assert_eq!(
                lines(&told),
                [
                    "✓ comment: Update the docs “from here”, from the command line",
                    "✓ undo: Login fails, in the DM",
                    "✓ start: Login fails, in the DM",
                    "✓ create: Buy milk, in a channel",
                    "✓ comment: Login fails “shipped it”, in the DM",
                    "✓ done: Renew cert (to do → complete), with a button",
                ]
            );
            let newest = ivan.dm(BO, "log 1").await.text();
            assert_eq!(
                lines(&newest),
                [
                    "✓ comment: Update the docs “from here”, from the command line",
                    "More: `log 50`"
                ]
            );
        },
    )
    .await;
}

#[tokio::test]
async fn every_way_of_asking_is_told_apart() {
    ivan_test(
        two_tasks().clickup_tasks([json!({"name": "Sweep"}), json!({"name": "Mop"})]),
        async |ivan| {
            let card = ivan.dm(ANA, "current").await;
            ivan.signs(ANA, &card, "white_check_mark")
                .settles()
                .await
                .begins("✓ Task completed");
            let (status, _) = ivan
                .http("POST", "/tasks", Some(json!({"title": "Over HTTP"})))
                .await;
            assert_eq!(status, 200);
            assert_eq!(ivan.cli(&["create", "By CLI"]).await.exit, 0);
            let sweep = id(ivan, "Sweep");
            let channel = ivan.slack().dm(ANA);
            ivan.slack()
                .commands(ANA, &channel, "/ivan", &format!("done {sweep}"));
            ivan.asks(ivan.clickup().front(), "PUT", "/task/", 2).await;
            ivan.until_nothing_is_queued().await;
            let surfaces: Vec<(String, String)> = entries(ivan, "", None)
                .await
                .iter()
                .map(|entry| {
                    let word = |name: &str| entry[name].as_str().unwrap().to_owned();
                    (word("surface"), word("title"))
                })
                .collect();
            let surfaces: Vec<(&str, &str)> = surfaces
                .iter()
                .map(|(a, b)| (a.as_str(), b.as_str()))
                .collect();
            assert_eq!(
                surfaces,
                [
                    ("slash", "Sweep"),
                    ("cli", "By CLI"),
                    ("http", "Over HTTP"),
                    ("reaction", "Renew cert")
                ]
            );
        },
    )
    .await;
}

#[tokio::test]
async fn what_waits_stands_first_and_what_failed_says_so() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.dm(ANA, "current").await;
        ivan.clickup().front().down();
        let queued = ivan.says(ANA, "done").answers().await;
        let told = ivan.dm(ANA, "log").await.text();
        assert_eq!(lines(&told), ["… done: Renew cert, pending, in the DM"]);
        assert!(
            entries(ivan, "", None).await.is_empty(),
            "it is written down with its outcome"
        );
        ivan.clickup().front().up();
        queued.until(|posted| posted.text.starts_with('✓')).await;
        ivan.clickup().front().fault(
            Fault::new(FaultKind::answer(400, "{\"err\":\"No\",\"ECODE\":\"X_1\"}"))
                .on("POST", "/comment"),
        );
        ivan.dm(ANA, "comment no")
            .await
            .begins("✗ Comment not added");
        let told = ivan.dm(ANA, "log").await.text();
        assert_eq!(
            lines(&told),
            [
                "✗ comment: Write the runbook “no”, refused, in the DM",
                "✓ done: Renew cert (to do → complete), in the DM",
            ]
        );
        let newest = entries(ivan, "?limit=1", None).await;
        assert_eq!(newest[0]["outcome"], "refused");
        assert!(
            newest[0]["detail"].as_str().unwrap().contains("ClickUp"),
            "{newest:#?}"
        );
    })
    .await;
}

#[tokio::test]
async fn what_others_did_in_the_source_is_in_a_tasks_history_as_theirs() {
    ivan_test(shared(Setup::new().webhooks()), async |ivan| {
        ivan.hook_up();
        let party = id(ivan, "Plan the party");
        ivan.dm(ANA, &format!("comment on {party}: cake?"))
            .await
            .begins("✓");
        ivan.is_told(BO).answers().await.mentions("“cake?”");
        // Bo makes this change in ClickUp itself.
        ivan.clickup()
            .comment_by("Plan the party", BO_CLICKUP, "yes, cake");
        ivan.is_told(ANA).answers().await.mentions("yes, cake");
        ivan.clickup()
            .set_status("Plan the party", "complete", BO_CLICKUP);
        ivan.is_told(ANA).answers().await.mentions("was completed");
        let told = ivan.dm(ANA, &format!("log {party}")).await.text();
        assert_eq!(
            lines(&told),
            [
                "✓ Bo completed (to do → complete), in ClickUp",
                "✓ Bo commented “yes, cake”, in ClickUp",
                "✓ Ana comment “cake? — Ana”, in the DM",
            ]
        );
        // Ivan's own comment, coming back, is no second entry; in Bo's own log he is the author.
        let bo = ivan.dm(BO, "log").await.text();
        assert_eq!(
            lines(&bo),
            [
                "✓ completed: Plan the party (to do → complete), in ClickUp",
                "✓ commented: Plan the party “yes, cake”, in ClickUp",
            ]
        );
    })
    .await;
}

#[tokio::test]
async fn nobody_is_told_what_is_the_others_business() {
    ivan_test(shared(Setup::new()), async |ivan| {
        let (cert, rent) = (id(ivan, "Renew cert"), id(ivan, "Pay the rent"));
        ivan.dm(ANA, &format!("comment on {cert}: the secret of Ana"))
            .await
            .begins("✓");
        ivan.dm(BO, &format!("comment on {rent}: the secret of Bo"))
            .await
            .begins("✓");
        for (who, name, own, theirs) in [(ANA, "Ana", &cert, &rent), (BO, "Bo", &rent, &cert)] {
            let other = if name == "Ana" { "Bo" } else { "Ana" };
            let log = ivan.dm(who, "log").await.text();
            assert!(log.contains(&format!("secret of {name}")), "{log}");
            assert!(!log.contains(other), "{log}");
            ivan.dm(who, &format!("log {own}"))
                .await
                .mentions(&format!("secret of {name}"));
            let refused = ivan.dm(who, &format!("log {theirs}")).await.text();
            assert!(refused.starts_with("✗ That task isn't yours"), "{refused}");
            for told in ["Pay the rent", "Renew cert", "secret"] {
                assert!(!refused.contains(told), "{refused}");
            }
            let over_http = entries(ivan, "", Some(name)).await;
            assert_eq!(over_http.len(), 1);
            assert_eq!(over_http[0]["person"], name);
            let path = format!("/log?task={}", theirs.replace(':', "%3A"));
            let (status, problem) = ivan
                .http_with("GET", &path, None, &[("X-Ivan-Actor", name)])
                .await;
            assert_eq!(status, 404, "{problem}");
            assert!(!problem.to_string().contains("secret"), "{problem}");
            let ran = ivan.cli(&["--as", name, "log", theirs]).await;
            assert_eq!(ran.exit, 1);
            assert!(ran.err.contains("That task isn't yours"), "{}", ran.err);
        }
        // A person who changed another's task sees that change, and nothing else about it.
        ivan.dm(BO, &format!("comment on {cert}: hello"))
            .await
            .begins("✓");
        ivan.is_told(ANA)
            .answers()
            .await
            .replies("Bo commented on Renew cert in ClickUp: “hello”");
        let own = ivan.dm(BO, &format!("log {cert}")).await.text();
        assert_eq!(lines(&own), ["✓ Bo comment “hello — Bo”, in the DM"]);
        ivan.dm(ANA, &format!("log {cert}"))
            .await
            .mentions("Bo comment “hello — Bo”");
        // The operator's token sees all, with names.
        let all = entries(ivan, "", None).await;
        let names: Vec<&str> = all
            .iter()
            .map(|entry| entry["person"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["Bo", "Bo", "Ana"]);
        let of_cert = entries(ivan, &format!("?task={}", cert.replace(':', "%3A")), None).await;
        assert_eq!(of_cert.len(), 2);
    })
    .await;
}

#[tokio::test]
async fn in_a_thread_it_is_that_tasks_history() {
    ivan_test(two_tasks(), async |ivan| {
        let card = ivan.dm(ANA, "current").await.ts();
        ivan.dm(ANA, "comment shipped").await.begins("✓");
        ivan.dm(ANA, "create Buy milk").await.begins("✓");
        let told = ivan.says_under(ANA, &card, "log").settles().await.text();
        assert_eq!(lines(&told), ["✓ me comment “shipped”, in the DM"]);
    })
    .await;
}

#[tokio::test]
async fn all_of_it_is_exported_page_by_page() {
    ivan_test(two_tasks(), async |ivan| {
        for n in 0..3 {
            let (status, _) = ivan
                .http(
                    "POST",
                    "/tasks",
                    Some(json!({"title": format!("Task {n}")})),
                )
                .await;
            assert_eq!(status, 200);
        }
        let (_, first) = ivan.http("GET", "/log?limit=2", None).await;
        assert_eq!(first["entries"].as_array().unwrap().len(), 2);
        let cursor = first["next_cursor"].as_str().unwrap();
        let (_, second) = ivan
            .http("GET", &format!("/log?limit=2&cursor={cursor}"), None)
            .await;
        assert_eq!(second["entries"][0]["title"], "Task 0");
        assert_eq!(second["next_cursor"], Value::Null);
        let (status, _) = ivan.http("GET", "/log?cursor=x", None).await;
        assert_eq!(status, 422);
        // More than a page of the export.
        ivan.store()
            .execute_batch(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400)
                 INSERT INTO log (kept_ms, at_ms, surface, verb, outcome, title)
                 SELECT 4102444800000, 1767229406000, 'http', 'create', 'done', 'Old ' || i FROM n",
            )
            .unwrap();
        let ran = ivan.cli(&["log", "--all", "--json"]).await;
        assert_eq!(ran.exit, 0, "{}", ran.err);
        let export: Value = serde_json::from_str(&ran.out).unwrap();
        let ids: Vec<i64> = export["entries"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["id"].as_i64().unwrap())
            .collect();
        assert_eq!(ids, (1..=403).rev().collect::<Vec<_>>());
        let words = ivan.cli(&["log", "2"]).await.out;
        assert_eq!(words.lines().count(), 2, "{words}");
    })
    .await;
}

#[tokio::test]
async fn it_survives_a_kill_and_has_one_entry_for_one_effect() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.dm(ANA, "current").await;
        ivan.clickup()
            .front()
            .fault(Fault::new(FaultKind::ApplyThenDrop).on("PUT", "/task/"));
        ivan.dm(ANA, "done").await.begins("✓ Task completed");
        ivan.kill_and_restart().await;
        ivan.sync().await;
        let told = ivan.dm(ANA, "log").await.text();
        assert_eq!(lines(&told).len(), 1, "{told}");
        assert!(told.contains("done: Renew cert"), "{told}");
    })
    .await;
}

/// A task of Ana's, with a due date and a priority.
fn dated(setup: Setup) -> Setup {
    setup.people().clickup_tasks([
        json!({"name": "Renew cert", "assignees": [ANA_CLICKUP], "priority": 3, "due_date": 1_893_495_600_000_i64}),
    ])
}

/// Bo's changes to it in ClickUp itself.
const CHANGES: [&str; 3] = [
    r#"{"priority": 1}"#,
    r#"{"due_date": 1893679200000, "due_date_time": true}"#,
    r#"{"name": "Renew the cert"}"#,
];

#[tokio::test]
async fn what_others_change_is_there_once_with_what_it_was() {
    ivan_test(dated(Setup::new().webhooks()), async |ivan| {
        ivan.hook_up();
        let cert = id(ivan, "Renew cert");
        let card = ivan.dm(ANA, "current").await;
        card.mentions("due 1 Jan 2030");
        // A moved day causes a notice; the rest is on the card.
        let told = ivan.is_told(ANA);
        for change in CHANGES {
            let change = serde_json::from_str(change).unwrap();
            ivan.clickup().as_person("Renew cert", BO_CLICKUP, &change);
            ivan.until_deliveries_are_applied().await;
        }
        told.answers()
            .await
            .replies("Bo changed the due date of Renew cert in ClickUp to Thu 3 Jan 2030 15:00");
        card.until(|posted| {
            let blocks = posted.blocks.to_string();
            blocks.contains("Renew the cert") && blocks.contains("due 3 Jan 2030")
        })
        .await;
        ivan.until_deliveries_are_applied().await;
        ivan.sync().await;
        let told = ivan.dm(ANA, &format!("log {cert}")).await.text();
        assert_eq!(
            lines(&told),
            [
                "✓ Bo renamed (Renew cert → Renew the cert), in ClickUp",
                "✓ Bo rescheduled (1 Jan 12:00 → 3 Jan 15:00), in ClickUp",
                "✓ Bo prioritized (normal → urgent), in ClickUp",
            ]
        );
        let of_bo = entries(ivan, "?limit=1", Some("Bo")).await;
        let entry = json!([
            of_bo[0]["verb"],
            of_bo[0]["before"],
            of_bo[0]["after"],
            of_bo[0]["surface"]
        ]);
        assert_eq!(
            entry,
            json!(["renamed", "Renew cert", "Renew the cert", "clickup"])
        );
    })
    .await;
}

#[tokio::test]
async fn who_did_it_is_known_though_the_first_look_shows_it_all() {
    ivan_test(dated(Setup::new().webhooks()), async |ivan| {
        ivan.hook_up();
        let cert = id(ivan, "Renew cert");
        ivan.dm(ANA, "mute").await;
        // The first webhook causes a read of the task, whose answer is late: meanwhile the others come.
        let gate = Gate::new();
        ivan.clickup()
            .front()
            .fault(Fault::new(FaultKind::Wait(gate.clone())).on("GET", "/task/"));
        for change in CHANGES {
            let change = serde_json::from_str(change).unwrap();
            ivan.clickup().as_person("Renew cert", BO_CLICKUP, &change);
        }
        ivan.within("all webhooks are there", async {
            // Each change has an event of its own and a taskUpdated; a new name only that.
            while ivan.sql::<i64>("SELECT count(*) FROM deliveries") < 5 {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        })
        .await;
        gate.open();
        ivan.until_deliveries_are_applied().await;
        let told = ivan.dm(ANA, &format!("log {cert}")).await.text();
        let mut told = lines(&told);
        told.sort();
        assert_eq!(
            told,
            [
                "✓ Bo prioritized (normal → urgent), in ClickUp",
                "✓ Bo renamed (Renew cert → Renew the cert), in ClickUp",
                "✓ Bo rescheduled (1 Jan 12:00 → 3 Jan 15:00), in ClickUp",
            ]
        );
    })
    .await;
}

#[tokio::test]
async fn a_poll_brings_it_once_too_and_does_not_know_by_whom() {
    ivan_test(dated(Setup::new()), async |ivan| {
        let cert = id(ivan, "Renew cert");
        ivan.dm(ANA, "current").await;
        for change in CHANGES {
            let change = serde_json::from_str(change).unwrap();
            ivan.clickup().as_person("Renew cert", BO_CLICKUP, &change);
        }
        ivan.sync().await;
        ivan.sync().await;
        // It may have been Ana herself, so no notice is sent.
        let told = ivan.dm(ANA, &format!("log {cert}")).await.text();
        assert_eq!(
            lines(&told),
            [
                "✓ someone prioritized (normal → urgent), in ClickUp",
                "✓ someone rescheduled (1 Jan 12:00 → 3 Jan 15:00), in ClickUp",
                "✓ someone renamed (Renew cert → Renew the cert), in ClickUp",
            ]
        );
    })
    .await;
}

#[tokio::test]
async fn in_github_a_title_and_a_label_that_ranks_are_changes_too() {
    let setup = Setup::new()
        .webhooks()
        .people()
        .github_issues([json!({"title": "Update the docs", "assignees": ["ana"]})])
        .before(|sandbox| {
            for label in ["P0", "ops"] {
                sandbox.github.add_label(REPO, label);
            }
        });
    ivan_test(setup, async |ivan| {
        ivan.hook_up();
        ivan.dm(ANA, "current").await;
        ivan.github().label_as(REPO, 1, "bo", &["ops"]);
        ivan.until_deliveries_are_applied().await;
        ivan.github().label_as(REPO, 1, "bo", &["ops", "P0"]);
        ivan.until_deliveries_are_applied().await;
        ivan.github().rename_issue(REPO, 1, "Update all docs");
        ivan.until_deliveries_are_applied().await;
        ivan.sync().await;
        let told = ivan.dm(ANA, "log #1").await.text();
        let told = lines(&told);
        assert_eq!(told.len(), 2, "{told:?}");
        let renamed = " renamed (Update the docs → Update all docs), in GitHub";
        assert!(
            told[0].ends_with(renamed) && !told[0].contains("someone"),
            "{told:?}"
        );
        assert_eq!(told[1], "✓ Bo prioritized (none → urgent), in GitHub");
    })
    .await;
}

#[tokio::test]
async fn our_own_change_coming_back_before_its_answer_is_no_act_of_anybodys() {
    ivan_test(dated(Setup::new().webhooks()), async |ivan| {
        ivan.hook_up();
        let cert = id(ivan, "Renew cert");
        ivan.dm(BO, "mute").await;
        for (typed, kept) in [
            (format!("due {cert} 2 dec 17:00"), "now due"),
            (format!("due {cert} 3 dec"), "now due"),
            (format!("prio {cert} high"), "now of high priority"),
            (format!("assign {cert} Bo"), "now assigned to Bo"),
            ("undo".to_owned(), ""),
        ] {
            // The webhook arrives long before the search for the answer.
            ivan.clickup()
                .front()
                .fault(Fault::new(FaultKind::ApplyThenDrop).on("PUT", "/task/"));
            let front = ivan.clickup().front();
            let asked = ivan
                .asks_anew(front, "PUT", "/task/", async || ivan.says(ANA, &typed))
                .await;
            ivan.until_deliveries_are_applied().await;
            asked.settles().await.begins("✓ ");
            let newest = ivan.dm(ANA, "log 1").await.text();
            assert!(newest.contains(kept), "{newest}");
        }
        let all = entries(ivan, "", None).await;
        let verbs: Vec<&str> = all
            .iter()
            .map(|one| one["verb"].as_str().unwrap())
            .collect();
        assert_eq!(verbs, ["undo", "assign", "prio", "due", "due"]);
    })
    .await;
}

#[tokio::test]
async fn what_another_did_right_before_our_write_is_in_the_history() {
    ivan_test(shared(Setup::new()), async |ivan| {
        let party = id(ivan, "Plan the party");
        ivan.dm(BO, "list").await;
        ivan.clickup()
            .as_person("Plan the party", BO_CLICKUP, &json!({"priority": 2}));
        // The answer to Ivan's own write is the first to show it: no poll will.
        ivan.dm(ANA, &format!("start {party}")).await.begins("✓");
        ivan.sync().await;
        let told = ivan.dm(ANA, &format!("log {party}")).await.text();
        let told = lines(&told);
        assert!(told[0].starts_with("✓ Ana start"), "{told:?}");
        assert_eq!(
            told[1..],
            ["✓ someone prioritized (low → high), in ClickUp"]
        );
    })
    .await;
}

#[tokio::test]
async fn a_deleted_task_keeps_its_history_and_ends_with_the_deletion() {
    ivan_test(shared(Setup::new().webhooks()), async |ivan| {
        ivan.hook_up();
        let cert = id(ivan, "Renew cert");
        ivan.dm(ANA, &format!("comment on {cert}: shipped"))
            .await
            .begins("✓");
        ivan.clickup().delete_task("Renew cert");
        ivan.until_deliveries_are_applied().await;
        ivan.github().delete_issue(REPO, 1);
        ivan.until_deliveries_are_applied().await;
        ivan.sync().await;
        let told = ivan.dm(ANA, &format!("log {cert}")).await.text();
        assert!(
            told.starts_with("This task was deleted in ClickUp. History of this task"),
            "{told}"
        );
        assert_eq!(
            lines(&told),
            [
                "✓ someone deleted, in ClickUp",
                "✓ Ana comment “shipped — Ana”, in the DM",
            ]
        );
        let told = ivan.dm(BO, "log #1").await.text();
        assert!(lines(&told)[0].ends_with(" deleted, in GitHub"), "{told}");
        // The deletion makes it visible to no one else.
        ivan.dm(BO, &format!("log {cert}"))
            .await
            .begins("✗ That task isn't yours");
        let path = format!("?task={}", cert.replace(':', "%3A"));
        assert_eq!(entries(ivan, &path, None).await.len(), 2);
        // Every other command on it is still refused.
        ivan.dm(ANA, &format!("done {cert}"))
            .await
            .begins("✗ Renew cert was deleted in ClickUp");
    })
    .await;
}

#[tokio::test]
async fn a_form_is_a_way_of_its_own() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.slack().shortcut(ANA, "new_task");
        let form = ivan.form(1).await;
        let answer = ivan.is_told(ANA);
        assert!(form.submits(ANA, &[("title", "Fix login")]).await.is_null());
        answer.settles().await.begins("✓ Task created in ClickUp");
        let told = ivan.dm(ANA, "log").await.text();
        assert_eq!(lines(&told), ["✓ create: Fix login, with a form"]);
        assert_eq!(entries(ivan, "", None).await[0]["surface"], "form");
    })
    .await;
}
