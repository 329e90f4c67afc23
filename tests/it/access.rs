//! `[access]`: with "own" a person names the tasks that are theirs, and a task of others is answered like an unknown one.

use ivan::sandbox::Sandbox;
use rstest::rstest;
use serde_json::{Value, json};

use crate::gestures::{modals, whispers};
use crate::harness::*;

/// Titles that only Bo may read.
const OF_BO: [&str; 2] = ["Raise the salaries", "Close the Berlin office"];

/// Ana and Bo with a task and an issue each, one task of nobody, and one task of Bo's that waits for another.
fn world(access: &str) -> Setup {
    Setup::new()
        .webhooks()
        .config(access)
        .people()
        .clickup_tasks([
            json!({"name": "Renew cert", "assignees": [ANA_CLICKUP]}),
            json!({"name": "Raise the salaries", "assignees": [BO_CLICKUP], "creator": BO_CLICKUP, "tags": ["client:globex"]}),
            json!({"name": "Water the plants"}),
        ])
        .github_issues([
            json!({"title": "Login fails", "assignees": ["ana"]}),
            json!({"title": "Close the Berlin office", "assignees": ["bo"], "user": "bo"}),
        ])
}

fn own() -> Setup {
    world("access.tasks = \"own\"")
}

fn id(ivan: &Ivan, name: &str) -> String {
    format!("clickup:{}", ivan.clickup().task(name).id())
}

/// The path of a task in the API.
fn path(id: &str) -> String {
    id.replace(':', "%3A")
        .replace('/', "%2F")
        .replace('#', "%23")
}

fn writes(ivan: &Ivan) -> usize {
    let seen = [
        ivan.clickup().front().journal(),
        ivan.github().front().journal(),
    ];
    let all = seen.iter().flatten();
    all.filter(|seen| seen.method != "GET").count()
}

#[track_caller]
fn tells_nothing(told: &str) {
    for title in OF_BO {
        assert!(!told.contains(title), "{told}");
    }
}

/// Every command that takes a REF, with its words before and after it.
const NAMED: [(&str, &str); 13] = [
    ("done ", ""),
    ("done ", " -c seen"),
    ("comment on ", ": seen"),
    ("start ", ""),
    ("pause ", ""),
    ("snooze ", " 2h"),
    ("reopen ", ""),
    ("assign ", " @bo"),
    ("claim ", ""),
    ("prio ", " high"),
    ("label ", " +bug"),
    ("why ", ""),
    ("log ", ""),
];

#[tokio::test]
async fn a_task_of_others_is_answered_like_an_unknown_one() {
    ivan_test(own(), async |ivan| {
        let salaries = id(ivan, "Raise the salaries");
        let in_words = |told: &str, id: &str| told.replace(id, "ID");
        for (before, after) in NAMED {
            let nowhere = "clickup:86nosuch1";
            for named in [salaries.as_str(), nowhere] {
                let typed = format!("{before}{named}{after}");
                let told = ivan.dm(ANA, &typed).await.text();
                assert_eq!(
                    in_words(&told, named),
                    "✗ I don't know a task ID",
                    "{typed}"
                );
            }
            for (named, number) in [("#2", 2), ("acme/widgets#2", 2), ("#99", 99)] {
                ivan.dm(ANA, &format!("{before}{named}{after}"))
                    .await
                    .replies(&format!(
                        "✗ I don't know a task github:acme/widgets#{number}"
                    ));
            }
        }
        assert_eq!(writes(ivan), 0);
        // Her own, and that of nobody.
        let cert = id(ivan, "Renew cert");
        ivan.dm(ANA, &format!("due {cert} 2030-01-01")).await;
        let plants = id(ivan, "Water the plants");
        ivan.dm(ANA, &format!("done {plants}"))
            .await
            .begins("✓ Task completed in ClickUp: Water the plants");
        ivan.dm(BO, &format!("comment on {salaries}: by ten percent"))
            .await
            .begins("✓ Comment added");
    })
    .await;
}

#[tokio::test]
async fn the_api_and_the_command_line_show_and_change_no_task_of_others() {
    ivan_test(own(), async |ivan| {
        let ana = [("x-ivan-actor", "Ana")];
        let salaries = id(ivan, "Raise the salaries");
        for theirs in [salaries.as_str(), "github:acme/widgets#2"] {
            let at = path(theirs);
            for (method, under, body) in [
                ("GET", "", None),
                ("POST", "/complete", Some(json!({}))),
                ("POST", "/comment", Some(json!({"text": "seen"}))),
                ("POST", "/start", Some(json!({}))),
                ("POST", "/claim", Some(json!({}))),
            ] {
                let path = format!("/tasks/{at}{under}");
                let (status, problem) = ivan.http_with(method, &path, body, &ana).await;
                assert_eq!(status, 404, "{path}: {problem}");
                tells_nothing(&problem.to_string());
            }
            for path in [format!("/why?ref={at}"), format!("/log?task={at}")] {
                let (status, problem) = ivan.http_with("GET", &path, None, &ana).await;
                assert_eq!(status, 404, "{path}: {problem}");
                tells_nothing(&problem.to_string());
            }
            let ran = ivan.cli(&["done", theirs, "--as", "Ana"]).await;
            assert_ne!(ran.exit, 0, "{}", ran.out);
            tells_nothing(&format!("{}{}", ran.out, ran.err));
        }
        for (who, titles) in [
            ("Ana", ["Login fails", "Renew cert", "Water the plants"]),
            (
                "Bo",
                [
                    "Close the Berlin office",
                    "Raise the salaries",
                    "Water the plants",
                ],
            ),
        ] {
            let mut found: Vec<String> = Vec::new();
            let mut cursor = String::new();
            loop {
                let path = format!("/tasks?limit=1{cursor}");
                let (_, page) = ivan
                    .http_with("GET", &path, None, &[("x-ivan-actor", who)])
                    .await;
                let tasks = page["tasks"].as_array().unwrap().iter();
                found.extend(tasks.map(|task| task["title"].as_str().unwrap().to_owned()));
                match page["next_cursor"].as_str() {
                    Some(next) => cursor = format!("&cursor={}", path_of(next)),
                    None => break,
                }
            }
            // Which source is read first is chance.
            found.sort();
            assert_eq!(found, titles, "{who}");
        }
        // The operator's log is that of all tasks.
        let (status, _) = ivan
            .http("GET", &format!("/log?task={}", path(&salaries)), None)
            .await;
        assert_eq!(status, 200);
        assert_eq!(writes(ivan), 0);
    })
    .await;
}

fn path_of(cursor: &str) -> String {
    cursor.replace(':', "%3A").replace('~', "%7E")
}

/// Gives Bo's task in ClickUp to these people, as Bo does it there.
async fn is_given(ivan: &Ivan, task: &str, add: &[i64], rem: &[i64]) {
    let change = json!({"assignees": {"add": add, "rem": rem}});
    ivan.clickup().as_person(task, BO_CLICKUP, &change);
    ivan.until_deliveries_are_applied().await;
}

/// A task that was hers and is another's now: cards, list numbers, the pin, the log and the Home tab have it no more.
#[tokio::test]
async fn a_task_that_is_hers_no_more_is_out_of_her_sight() {
    let setup = Setup::new()
        .webhooks()
        .config("access.tasks = \"own\"")
        .people()
        .clickup_tasks([
            json!({"name": "Salaries", "assignees": [ANA_CLICKUP], "creator": BO_CLICKUP, "priority": 1}),
            json!({"name": "Renew cert", "assignees": [ANA_CLICKUP]}),
        ]);
    ivan_test(setup, async |ivan| {
        ivan.hook_up();
        let salaries = id(ivan, "Salaries");
        ivan.opens_home(ANA).await;
        let card = ivan.dm(ANA, "current").await;
        card.mentions("Salaries");
        let list = ivan.dm(ANA, "list").await;
        list.begins("1. Salaries");
        is_given(ivan, "Salaries", &[BO_CLICKUP], &[ANA_CLICKUP]).await;
        ivan.is_told(ANA)
            .answers()
            .await
            .begins("Bo unassigned you from Salaries in ClickUp, ");
        let renamed = json!({"name": "Raise the salaries"});
        ivan.clickup().as_person("Salaries", BO_CLICKUP, &renamed);
        ivan.until_deliveries_are_applied().await;
        ivan.dm(BO, &format!("start {salaries}")).await.begins("✓");
        let home = ivan.opens_home(ANA).await;
        tells_nothing(&home);
        assert!(home.contains("Renew cert"), "{home}");
        // The pin and the number mean it no more, and no button does.
        ivan.dm(ANA, "done")
            .await
            .begins("✗ No current task, so nothing changed. Current now: Renew cert");
        ivan.dm(ANA, "done 1")
            .await
            .replies("✗ Your last list has no number 1. Type `list` to see it again.");
        ivan.presses(ANA, &card, "Done")
            .settles()
            .await
            .begins("✗ That button is from an older version.");
        ivan.signs(ANA, &card, "white_check_mark")
            .settles()
            .await
            .begins("✗ That button is from an older version.");
        let forms = modals(ivan.slack()).len();
        let told = whispers(ivan.slack(), ANA).len();
        let (dm, comment) = (ivan.slack().dm(ANA), card.action("Comment"));
        ivan.slack().clicks(ANA, &dm, &card.ts(), &comment);
        let is_refusal = |text: &str| text.contains("That button is from an older version.");
        ivan.is_whispered(ANA, told, is_refusal).await;
        assert_eq!(modals(ivan.slack()).len(), forms);
        for typed in ["current", "list", "morning", "log", "why", "hi"] {
            tells_nothing(&ivan.dm(ANA, typed).await.text());
        }
        let history: Vec<Value> = ivan.slack().messages(&ivan.slack().dm(ANA));
        tells_nothing(&json!(history).to_string());
        ivan.clickup().task("Raise the salaries").is("in review");
    })
    .await;
}

/// A blocker or a task in a circle that a person may not name has no title.
#[tokio::test]
async fn a_task_that_hers_waits_for_has_no_title() {
    let setup = own().before(|sandbox: &Sandbox| {
        let clickup = &sandbox.clickup;
        clickup.wait_for("Renew cert", "Raise the salaries", true);
    });
    ivan_test(setup, async |ivan| {
        ivan.dm(ANA, "list blocked")
            .await
            .mentions("1. Renew cert")
            .mentions("waits for another task (hidden)");
        let cert = id(ivan, "Renew cert");
        let why = ivan.dm(ANA, &format!("why {cert}")).await.text();
        assert!(why.contains("waits for another task (hidden)"), "{why}");
        tells_nothing(&why);
        // Clients of tasks that she may not name are not listed either.
        ivan.dm(ANA, "list initech")
            .await
            .begins("✗ I can't filter by `initech`.");
        assert!(!ivan.dm(ANA, "list initech").await.text().contains("globex"));
    })
    .await;
}

/// She may name what she created, through Ivan or there, and what mentions her.
#[tokio::test]
async fn created_and_mentioned_is_own() {
    let setup = own().github_issues([
        json!({"title": "Written by her", "user": "ana", "assignees": ["bo"]}),
        json!({"title": "Asked of her", "body": "@ana, what do you think?", "assignees": ["bo"], "user": "bo"}),
    ]);
    ivan_test(setup, async |ivan| {
        ivan.hook_up();
        ivan.dm(BO, "mute").await;
        ivan.dm(ANA, "create Order the cake -a @bo")
            .await
            .begins("✓ Task created in ClickUp");
        let cake = id(ivan, "Order the cake");
        ivan.dm(ANA, &format!("comment on {cake}: with cherries"))
            .await
            .begins("✓");
        ivan.dm(ANA, &format!("log {cake}"))
            .await
            .mentions("Ana comment");
        ivan.dm(ANA, "why #3").await.mentions("Written by her");
        ivan.dm(ANA, "log #3").await.mentions("No entries yet.");
        ivan.dm(ANA, "why #4").await.mentions("Asked of her");
        // A mention in a comment, in each source and through Ivan.
        ivan.dm(ANA, "why #2").await.begins("✗ I don't know a task");
        ivan.github()
            .comment_as(REPO, 2, "bo", "what do you think, @ana?");
        ivan.until_deliveries_are_applied().await;
        ivan.is_told(ANA)
            .answers()
            .await
            .mentions("Close the Berlin office");
        ivan.dm(ANA, "why #2")
            .await
            .mentions("Close the Berlin office");
        let salaries = id(ivan, "Raise the salaries");
        ivan.dm(ANA, &format!("why {salaries}")).await.begins("✗");
        ivan.dm(BO, &format!("comment on {salaries}: @Ana how much?"))
            .await
            .begins("✓");
        ivan.is_told(ANA)
            .answers()
            .await
            .mentions("Raise the salaries");
        // It stays so after a restart.
        ivan.kill_and_restart().await;
        ivan.dm(ANA, &format!("why {salaries}"))
            .await
            .mentions("Raise the salaries");
        // A mention shows the task, and not its history.
        ivan.dm(ANA, &format!("log {salaries}"))
            .await
            .begins("✗ That task isn't yours");
    })
    .await;
}

/// The value of a single repository or list, beside that of all others.
#[rstest]
#[case::one_is_own(
    "access.places = [{ repo = \"Acme/Widgets\", tasks = \"own\" }]",
    false
)]
#[case::one_is_open(
    "access.tasks = \"own\"\naccess.places = [{ repo = \"acme/widgets\", tasks = \"all\" }]",
    true
)]
#[tokio::test]
async fn a_place_has_its_own_value(#[case] lines: &str, #[case] issues_are_open: bool) {
    ivan_test(world(lines), async |ivan| {
        let salaries = id(ivan, "Raise the salaries");
        let of_clickup = ivan.dm(ANA, &format!("why {salaries}")).await.text();
        let of_github = ivan.dm(ANA, "why #2").await.text();
        assert_eq!(of_github.contains("Berlin"), issues_are_open, "{of_github}");
        assert_eq!(
            of_clickup.contains("salaries"),
            !issues_are_open,
            "{of_clickup}"
        );
    })
    .await;
}

/// The default: any person may name any followed task, but its history is for its assignees and creator.
#[tokio::test]
async fn by_default_every_task_can_be_named_and_start_opens_no_history() {
    ivan_test(world(""), async |ivan| {
        let salaries = id(ivan, "Raise the salaries");
        ivan.dm(BO, "mute").await;
        ivan.dm(BO, &format!("comment on {salaries}: by ten percent"))
            .await
            .begins("✓");
        ivan.dm(ANA, &format!("start {salaries}")).await.begins("✓");
        let told = ivan.dm(ANA, &format!("log {salaries}")).await.text();
        assert!(told.contains("Ana start"), "{told}");
        assert!(!told.contains("ten percent"), "{told}");
        ivan.dm(BO, &format!("log {salaries}"))
            .await
            .mentions("ten percent");
    })
    .await;
}
