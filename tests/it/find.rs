//! `find WORDS`: full text over the mirror, best first, on every surface; nobody finds a task that they may not name.

use serde_json::{Value, json};

use crate::harness::*;

const SEARCHED: &str = "Only tasks that I follow are searched, and comments that I have seen.";

fn world() -> Setup {
    world_with("")
}

fn world_with(access: &str) -> Setup {
    Setup::new()
        .webhooks()
        .config(access)
        .people()
        .clickup_tasks([
            json!({"name": "Renew cert", "assignees": [ANA_CLICKUP], "description": "It breaks the login of the shop"}),
            json!({"name": "Login page", "assignees": [BO_CLICKUP], "creator": BO_CLICKUP, "status": "complete"}),
            json!({"name": "Invoice of May", "assignees": [BO_CLICKUP], "creator": BO_CLICKUP, "tags": ["client:globex"]}),
        ])
        .github_issues([
            json!({"title": "Login fails on Safari", "assignees": ["ana"]}),
            json!({"title": "Crème brûlée", "assignees": ["bo"], "user": "bo"}),
        ])
}

#[tokio::test]
async fn tasks_are_found_by_their_words_best_first_and_the_numbers_work() {
    ivan_test(world(), async |ivan| {
        let found = ivan.dm(ANA, "find login").await;
        let lines: Vec<String> = found.text().lines().map(str::to_owned).collect();
        // Two titles, the shorter first, and then a description. Finished ones are marked.
        assert_eq!(
            lines,
            [
                "1. Login page · ClickUp · complete · ✓ done",
                "2. Login fails on Safari · GitHub acme/widgets#1 · open",
                "3. Renew cert · ClickUp · to do",
                SEARCHED,
            ]
        );
        ivan.dm(ANA, "comment on 3: found it")
            .await
            .replies("✓ Comment added in ClickUp: Renew cert");
        // All words count, each by its beginning; case and accents do not.
        ivan.dm(ANA, "search SAF log")
            .await
            .begins("1. Login fails on Safari");
        ivan.dm(ANA, "find creme brul")
            .await
            .begins("1. Crème brûlée");
        // A client is a word, and filters are those of `list`.
        ivan.dm(ANA, "find globex")
            .await
            .begins("1. Invoice of May");
        let filtered = ivan.dm(ANA, "find login github").await;
        assert_eq!(filtered.text().lines().count(), 2, "{}", filtered.text());
        filtered.begins("1. Login fails on Safari");
        let first = ivan.dm(ANA, "find login -n 1").await;
        first.mentions("2 more: `find login -n 3` shows all. Only tasks");
        let all = ivan.presses(ANA, &first, "More").answers().await;
        all.mentions("3. Renew cert");
        ivan.dm(ANA, "find login overdue").await.replies(&format!(
            "No task of `overdue` has the word `login`. {SEARCHED}"
        ));
        ivan.dm(ANA, "find \"quo\"tes\" OR (NEAR* - ^")
            .await
            .begins("No task has ");
        ivan.dm(ANA, "find")
            .await
            .replies("✗ Type the words to look for: `find login safari`.");
    })
    .await;
}

#[tokio::test]
async fn changes_and_comments_are_found_at_once_and_gone_tasks_are_not() {
    let mut ivan = world().start().await;
    ivan.start().await;
    ivan.hook_up();
    ivan.github()
        .comment_as(REPO, 2, "bo", "The staging host is down");
    ivan.github()
        .comment_as(REPO, 2, "bo", "It needs more sugar");
    ivan.github().rename_issue(REPO, 1, "Sign-in fails");
    ivan.until_deliveries_are_applied().await;
    // Words of the title and of two comments.
    ivan.dm(ANA, "find creme staging sugar")
        .await
        .begins("1. Crème brûlée");
    ivan.dm(ANA, "find safari").await.begins("No task has ");
    ivan.dm(ANA, "find sign-in")
        .await
        .begins("1. Sign-in fails");
    // A store that was closed and opened again.
    ivan.kill().await;
    ivan.start().await;
    ivan.dm(ANA, "find staging").await.begins("1. Crème brûlée");
    let task = ivan.clickup().task("Invoice of May").id().to_owned();
    ivan.clickup().delete_task(&task);
    ivan.sync().await;
    ivan.until_deliveries_are_applied().await;
    ivan.dm(ANA, "find invoice").await.begins("No task has ");
    ivan.finish().await;
}

#[tokio::test]
async fn nobody_finds_a_task_that_they_may_not_name() {
    let setup = world_with("access.tasks = \"own\"");
    ivan_test(setup, async |ivan| {
        for words in ["invoice", "globex", "creme"] {
            ivan.dm(ANA, &format!("find {words}"))
                .await
                .begins("No task has ");
            ivan.dm(BO, &format!("find {words}")).await.begins("1. ");
        }
        let found = ivan.dm(ANA, "find login").await.text();
        assert!(!found.contains("Login page"), "{found}");
        let actor = [("X-Ivan-Actor", "Ana")];
        let (status, answer) = ivan
            .http_with("GET", "/find?words=invoice", None, &actor)
            .await;
        assert_eq!((status, &answer["total"]), (200, &json!(0)), "{answer}");
    })
    .await;
}

#[tokio::test]
async fn the_command_line_and_the_api_find_the_same() {
    ivan_test(world(), async |ivan| {
        let actor = [("X-Ivan-Actor", "Ana")];
        let (status, found) = ivan
            .http_with("GET", "/find?words=login&limit=2", None, &actor)
            .await;
        assert_eq!((status, &found["total"]), (200, &json!(3)), "{found}");
        assert_eq!(found["tasks"][0]["status"], "done");
        assert_eq!(found["tasks"][1]["number"], 2);
        assert_eq!(found["message"], SEARCHED);
        let (status, filtered) = ivan
            .http_with("GET", "/find?words=login&filter=clickup", None, &actor)
            .await;
        assert_eq!((status, &filtered["total"]), (200, &json!(2)), "{filtered}");
        for query in ["", "?words=", "?words=login&limit=0", "?words=-"] {
            let path = format!("/find{query}");
            let (status, answer) = ivan.http_with("GET", &path, None, &actor).await;
            assert_eq!(status, 400, "{query}: {answer}");
        }
        let found = ivan.cli(&["--as", "ana", "find", "login", "-n", "2"]).await;
        assert_eq!(found.exit, 0, "{found:?}");
        assert_eq!(
            found.out,
            format!(
                "1. Login page · ClickUp · complete · ✓ done\n\
                 2. Login fails on Safari · GitHub acme/widgets#1 · open\n\
                 1 more: `ivan find login -n 3` shows all\n{SEARCHED}\n"
            )
        );
        let json = ivan.cli(&["--as", "ana", "find", "login", "--json"]).await;
        let json: Value = serde_json::from_str(&json.out).unwrap();
        assert_eq!(json["total"], 3);
        // The numbers of the last answer.
        let done = ivan.cli(&["--as", "ana", "comment", "on 3: seen"]).await;
        assert_eq!(done.exit, 0, "{done:?}");
        let none = ivan.cli(&["--as", "ana", "find", "nothing"]).await;
        assert_eq!(none.exit, 0, "{none:?}");
        assert!(none.out.starts_with("No task has"), "{none:?}");
    })
    .await;
}

/// The most words, long ones, and signs of the index's own language.
#[tokio::test]
async fn whatever_is_looked_for_has_an_answer() {
    ivan_test(world(), async |ivan| {
        let long = "x".repeat(3_000);
        for typed in [
            "AND OR NOT",
            "* - + : ^ a",
            "title:login",
            "{a b} : c",
            "\u{202e}login",
            &long,
            "日本 語",
        ] {
            let answer = ivan.dm(ANA, &format!("find {typed}")).await.text();
            assert!(answer.ends_with(SEARCHED), "{typed}: {answer}");
        }
        ivan.dm(
            ANA,
            "find out whether the customer of last week wants the same thing again or not",
        )
        .await
        .mentions("at most 12 words");
    })
    .await;
}

/// A creation is never stopped; the answer names the open task that is nearly the same.
#[tokio::test]
async fn a_creation_names_an_open_task_with_nearly_the_same_title() {
    ivan_test(world(), async |ivan| {
        let made = ivan.dm(ANA, "create renew cert!").await;
        made.replies(
            "✓ Task created in ClickUp: renew cert! There already is Renew cert (ClickUp · to do). `undo` takes the \
             new one back.",
        );
        ivan.presses(ANA, &made, "Undo")
            .settles()
            .await
            .begins("✓ Undone");
        // In another place, or finished, it is another task.
        for typed in ["create Renew cert -s github", "create Login page"] {
            let made = ivan.dm(ANA, typed).await.text();
            assert!(!made.contains("There already is"), "{made}");
        }
        let body = Some(json!({"title": "Fails on Safari: login", "source": "github"}));
        let actor = [("X-Ivan-Actor", "Ana")];
        let (status, made) = ivan.http_with("POST", "/tasks", body, &actor).await;
        assert_eq!(status, 200, "{made}");
        let message = made["message"].as_str().unwrap();
        assert!(
            message.contains("There already is Login fails on Safari"),
            "{message}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_creation_names_no_task_that_the_person_may_not_name() {
    let setup = world_with("access.tasks = \"own\"");
    ivan_test(setup, async |ivan| {
        let made = ivan.dm(ANA, "create Invoice of May").await;
        made.replies("✓ Task created in ClickUp: Invoice of May");
        // Who reads the channel might not know of the task.
        let made = ivan.says_in("general", ANA, "create Renew cert");
        made.settles()
            .await
            .replies("✓ Task created in ClickUp: Renew cert");
    })
    .await;
}

#[tokio::test]
async fn a_text_that_is_too_long_for_a_search_is_answered() {
    ivan_test(world(), async |ivan| {
        let long = "a-".repeat(20_000);
        let answer = ivan.dm(ANA, &format!("find {long}")).await.text();
        assert!(!answer.is_empty());
        let actor = [("X-Ivan-Actor", "Ana")];
        let path = format!("/find?words={long}");
        let (status, answer) = ivan.http_with("GET", &path, None, &actor).await;
        assert!((400..500).contains(&status), "{status} {answer}");
        // As many tokens as fit.
        let dashes = "a-".repeat(1_500);
        ivan.dm(ANA, &format!("find {dashes}"))
            .await
            .begins("No task has ");
        ivan.dm(ANA, "find login").await.begins("1. Login page");
    })
    .await;
}
