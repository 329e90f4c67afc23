//! The key of the secrets in the store: made, changed, wrong, and lost.

use std::process::ExitStatus;

use crate::harness::*;

const PLAIN: &str = "INSERT INTO hooks (source, hook_id, url, secret, made_ms) \
     VALUES ('github', '42', 'https://bot.example/webhooks/github', 'canary-of-a-webhook', 1)";

/// Runs `ivan store rekey` in the folder of bot.toml.
async fn rekey(ivan: &Ivan, more: &[&str]) -> Ran {
    let mut command = binary();
    command.args(["store", "rekey"]).args(more);
    ran(command.current_dir(ivan.folder())).await
}

/// Whether a file of the store has this text.
fn is_in_the_store(ivan: &Ivan, text: &str) -> bool {
    let files = ["ivan.db", "ivan.db-wal"].map(|name| ivan.folder().join(name));
    let read = files.iter().filter_map(|file| std::fs::read(file).ok());
    let mut bytes = read.map(|bytes| {
        bytes
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    });
    bytes.any(|found| found)
}

#[tokio::test]
async fn the_secrets_of_the_store_follow_their_key() {
    let mut ivan = two_tasks().start().await;
    // As an earlier version stored it.
    ivan.store().execute(PLAIN, []).unwrap();
    assert!(is_in_the_store(&ivan, "canary-of-a-webhook"));
    ivan.start().await;
    assert_eq!(ivan.sql::<i64>("SELECT sealed FROM hooks"), 1);
    assert!(!is_in_the_store(&ivan, "canary-of-a-webhook"));
    let sealed = || ivan.sql::<String>("SELECT secret FROM hooks");
    let first = sealed();
    let running = rekey(&ivan, &[]).await;
    assert_eq!(running.exit, 1);
    assert!(
        running.err.contains("another `ivan serve` is using it"),
        "{running:?}"
    );
    assert_eq!(sealed(), first);
    assert!(ExitStatus::success(&ivan.stop().await));

    let done = rekey(&ivan, &[]).await;
    assert_eq!(
        done.out, "✓ New key in ivan.db.key; 1 secret is encrypted with it.\n",
        "{done:?}"
    );
    assert_ne!(ivan.sql::<String>("SELECT secret FROM hooks"), first);
    ivan.launch().await;
    ivan.stop().await;

    // A wrong key changes nothing, and the right one opens the store again.
    let file = ivan.folder().join("ivan.db.key");
    let right = std::fs::read(&file).unwrap();
    std::fs::write(&file, "ab".repeat(32)).unwrap();
    let bot_toml = ivan.bot_toml().to_owned();
    let refused = ivan.another_serve(&bot_toml).await;
    assert_eq!(refused.exit, 1);
    let why = "is not the one that its secrets are encrypted with";
    assert!(refused.err.contains(why), "{refused:?}");
    assert!(rekey(&ivan, &[]).await.err.contains(why));
    std::fs::write(&file, right).unwrap();
    ivan.launch().await;
    ivan.stop().await;

    // A lost one costs the secrets.
    std::fs::remove_file(&file).unwrap();
    assert!(rekey(&ivan, &[]).await.err.contains("is missing"));
    let lost = rekey(&ivan, &["--lost"]).await;
    assert!(
        lost.out.contains("1 secret of a lost key removed."),
        "{lost:?}"
    );
    assert_eq!(ivan.sql::<i64>("SELECT count(*) FROM hooks"), 0);
    ivan.launch().await;
    ivan.finish().await;
}
