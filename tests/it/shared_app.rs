//! Two daemons with one Slack app would take each other's messages: the lock of the app token, and the warnings if the
//! lock cannot see the other daemon.

use futures_util::StreamExt;
use serde_json::{Value, json};

use crate::harness::*;

/// The link of another daemon, which cannot see this one's lock (`PrivateTmp=yes`).
async fn another_link(ivan: &Ivan) -> impl Sized + use<> {
    let open = format!("{}/apps.connections.open", ivan.slack().api_url());
    let asked = client().post(open).bearer_auth(ivan.slack().app_token());
    let answer: Value = asked.send().await.unwrap().json().await.unwrap();
    let url = answer["url"].as_str().unwrap().to_owned();
    let (mut link, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    let hello = link.next().await.unwrap().unwrap().into_text().unwrap();
    assert!(hello.contains("hello"), "{hello}");
    link
}

/// After 20 s the links are counted again, and then the result is certain.
#[tokio::test]
async fn another_daemon_with_the_same_app_is_told_to_operators_and_in_status() {
    let setup = two_tasks().config("slack.operators = [\"U0ANN01\"]");
    let mut ivan = setup.start().await;
    let other = another_link(&ivan).await;
    ivan.start().await;
    let (_, status) = ivan.http("GET", "/status", None).await;
    assert_eq!(status["slack"]["other_links"], 1, "{status}");
    let ran = ivan.cli(&["status"]).await;
    assert!(
        ran.out.contains("1 connection of this app elsewhere"),
        "{}",
        ran.out
    );
    ivan.is_told(ANA)
        .answers()
        .await
        .begins("✗ Slack counts 1 more connection of this app than I have open");
    drop(other);
    ivan.finish().await;
}

#[tokio::test]
async fn one_daemon_alone_counts_no_other_links() {
    ivan_test(two_tasks(), async |ivan| {
        let (_, status) = ivan.http("GET", "/status", None).await;
        assert_eq!(status["slack"]["other_links"], json!(0));
    })
    .await;
}

/// Only the folder of the store is writable.
#[tokio::test]
async fn without_a_folder_for_temporary_files_the_lock_is_beside_the_store() {
    let mut ivan = two_tasks().start().await;
    ivan.env("TMPDIR", "/nonexistent");
    ivan.env("XDG_RUNTIME_DIR", "/nonexistent/run");
    ivan.start().await;
    ivan.logs("cannot lock the Slack app token … path=/nonexistent/ivan-slack-")
        .await;
    ivan.dm(ANA, "current").await.mentions("Renew cert");
    let files = std::fs::read_dir(ivan.folder()).unwrap();
    let locks = files.filter(|file| {
        let name = file.as_ref().unwrap().file_name();
        name.to_string_lossy().starts_with("ivan-slack-")
    });
    assert_eq!(locks.count(), 1);
    ivan.finish().await;
}
