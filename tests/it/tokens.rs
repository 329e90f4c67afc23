//! The tokens of the API: one person's, and those that may only read.

use ivan::config::TokenHash;
use serde_json::{Value, json};

use crate::harness::*;

const DASHBOARD: &str = "the-token-of-the-dashboard";
const ANAS: &str = "the-token-of-anas-script";

fn setup() -> Setup {
    let token = |name: &str, person: &str, read_only: bool, token: &str| {
        format!(
            "[[api.tokens]]\nname = \"{name}\"\nperson = \"{person}\"\nread_only = {read_only}\nhash = \"{}\"\n",
            TokenHash::of(token).unwrap()
        )
    };
    Setup::new()
        .github_issues([
            json!({"title": "Login fails", "assignees": ["ana"]}),
            json!({"title": "Update the docs", "assignees": ["bo"]}),
        ])
        .people()
        .config(&token("dashboard", "any", true, DASHBOARD))
        .config(&token("anas", "Ana", false, ANAS))
}

async fn asked(
    ivan: &Ivan,
    token: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> (u16, Value) {
    let url = format!("{}{path}", ivan.api_url());
    let mut request = client()
        .request(method.parse().unwrap(), url)
        .bearer_auth(token);
    if method == "POST" {
        request = request.json(&json!({}));
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

const AS_ANA: &[(&str, &str)] = &[("x-ivan-actor", "Ana")];
const AS_BO: &[(&str, &str)] = &[("x-ivan-actor", "Bo")];

/// A task that only a dashboard has shown is nobody's current task, so that `done` completes nothing that Ana has not
/// seen; and its numbers do not count.
#[tokio::test]
async fn a_token_that_reads_changes_nothing() {
    ivan_test(setup(), async |ivan| {
        for path in ["/current", "/why", "/morning", "/queue"] {
            let (status, answer) = asked(ivan, DASHBOARD, "GET", path, AS_ANA).await;
            assert_eq!(status, 200, "{path} {answer}");
        }
        let (_, current) = asked(ivan, DASHBOARD, "GET", "/current", AS_ANA).await;
        let first = current["title"].as_str().unwrap();
        for table in ["pins", "lists"] {
            let rows = format!("SELECT count(*) FROM {table}");
            assert_eq!(ivan.sql::<i64>(&rows), 0, "{table}");
        }
        for path in ["/next", "/undo", "/sync", "/operations/01J/retry"] {
            let (status, problem) = asked(ivan, DASHBOARD, "POST", path, AS_ANA).await;
            assert_eq!(status, 403, "{path} {problem}");
            assert_eq!(problem["type"], "urn:ivan:problem:forbidden");
        }
        // Her own look counts.
        ivan.dm(ANA, "done").await.begins("✗ No current task");
        ivan.dm(ANA, "current").await.mentions(first);
        let (_, shown) = asked(ivan, DASHBOARD, "GET", "/current", AS_ANA).await;
        assert_eq!(shown["title"], first);
    })
    .await;
}

#[tokio::test]
async fn the_log_has_the_name_of_the_token_and_a_surface_that_nobody_chose() {
    ivan_test(setup(), async |ivan| {
        let cli = &[("x-ivan-surface", "cli")];
        let (status, answer) = asked(
            ivan,
            ANAS,
            "POST",
            "/tasks/github:acme%2Fwidgets%231/complete",
            cli,
        )
        .await;
        assert_eq!(status, 200, "{answer}");
        let operation = answer["operation_id"].as_str().unwrap().to_owned();
        let own = ivan.token();
        let path = "/tasks/github:acme%2Fwidgets%232/complete";
        let headers = &[("x-ivan-surface", "cli"), ("x-ivan-actor", "Bo")];
        let (status, answer) = asked(ivan, &own, "POST", path, headers).await;
        assert_eq!(status, 200, "{answer}");
        let bos = answer["operation_id"].as_str().unwrap().to_owned();
        let reopened = ivan.cli(&["--as", "Bo", "reopen", "#2"]).await;
        assert_eq!(reopened.exit, 0, "{reopened:?}");
        let (_, log) = asked(ivan, &own, "GET", "/log", &[]).await;
        let entries = log["entries"].as_array().unwrap();
        let came: Vec<_> = entries
            .iter()
            .map(|entry| {
                (
                    entry["person"].as_str().unwrap(),
                    &entry["surface"],
                    &entry["token"],
                )
            })
            .collect();
        let (http, cli) = (json!("http"), json!("cli"));
        assert_eq!(
            came,
            [
                ("Bo", &cli, &Value::Null),
                ("Bo", &http, &Value::Null),
                ("Ana", &http, &json!("anas")),
            ]
        );
        ivan.dm(ANA, "log #1")
            .await
            .mentions("over HTTP (token anas)");
        // Her token shows what is hers: without an actor too.
        let (_, log) = asked(ivan, ANAS, "GET", "/log", &[]).await;
        assert_eq!(log["entries"].as_array().unwrap().len(), 1, "{log}");
        let (status, _) = asked(ivan, ANAS, "GET", &format!("/operations/{operation}"), &[]).await;
        assert_eq!(status, 200);
        let (status, _) = asked(ivan, ANAS, "GET", &format!("/operations/{bos}"), &[]).await;
        assert_eq!(status, 404);
        let (status, _) = asked(ivan, ANAS, "POST", &format!("/operations/{bos}/retry"), &[]).await;
        assert_eq!(status, 403);
        for actor in [AS_BO, &[("x-ivan-actor", "Zoe")]] {
            let (status, problem) = asked(ivan, ANAS, "GET", "/log", actor).await;
            assert_eq!(status, 403, "{problem}");
        }
        for same in ["Ana", "ana", ANA] {
            let (status, problem) =
                asked(ivan, ANAS, "GET", "/whoami", &[("x-ivan-actor", same)]).await;
            assert_eq!(status, 200, "{problem}");
        }
    })
    .await;
}

/// Tokens as the command line makes them, one given by its hash and one by its file.
#[tokio::test]
async fn a_new_token_is_used() {
    let made = async || -> Value {
        let mut ivan = binary();
        let made = ran(ivan.args(["token", "new", "--json"])).await;
        assert_eq!(made.exit, 0, "{made:?}");
        serde_json::from_str(&made.out).unwrap()
    };
    let (one, other) = (made().await, made().await);
    let mut ivan = two_issues().people().start().await;
    let file = ivan.folder().join("token");
    std::fs::write(&file, format!("{}\n", other["token"].as_str().unwrap())).unwrap();
    let by_hash = format!("hash = {}", one["hash"]);
    let by_file = format!("token_file = \"{}\"", file.display());
    let token = |name: &str, how: &str| {
        format!("[[api.tokens]]\nname = \"{name}\"\nperson = \"Ana\"\n{how}\n")
    };
    ivan.reconfigure(|setup| {
        setup
            .config(&token("one", &by_hash))
            .config(&token("other", &by_file))
    });
    ivan.start().await;
    for made in [&one, &other] {
        let token = made["token"].as_str().unwrap();
        let (status, answer) = asked(&ivan, token, "GET", "/whoami", &[]).await;
        assert_eq!((status, &answer["name"]), (200, &json!("Ana")), "{answer}");
        let (status, _) = asked(&ivan, made["hash"].as_str().unwrap(), "GET", "/whoami", &[]).await;
        assert_eq!(status, 401, "the hash is no token");
    }
    ivan.finish().await;
}
