//! `ivan status` shows how soon commands had their outcome: from the store, so that it survives a restart.

use serde_json::{Value, json};

use crate::harness::*;

/// The service levels of `GET /status`.
async fn levels(ivan: &Ivan) -> Value {
    let (_, status) = ivan.http("GET", "/status", None).await;
    status["service_levels"].clone()
}

/// The row of `ivan status`.
async fn row(ivan: &Ivan) -> String {
    let ran = ivan.cli(&["status"]).await;
    assert_eq!(ran.exit, 0, "{ran:?}");
    let row = ran.out.lines().find(|line| line.starts_with("service "));
    row.unwrap_or_else(|| panic!("{}", ran.out)).to_owned()
}

/// Moves the waiting writes this many minutes into the past.
fn grows_old(ivan: &Ivan, minutes: i64) {
    let sql = "UPDATE operations SET created_ms = created_ms - ?1 WHERE state = 'pending'";
    ivan.store().execute(sql, [minutes * 60_000]).unwrap();
}

/// The machine of the stories may be busy: each outcome so far came after a second.
fn each_took_a_second(ivan: &Ivan) {
    let sql = "UPDATE operations SET ended_ms = created_ms + 1000 WHERE ended_ms IS NOT NULL";
    ivan.store().execute(sql, []).unwrap();
}

/// ClickUp is away for half an hour while a command waits. A write that waits for no source is late.
#[tokio::test]
async fn status_says_how_soon_commands_had_their_outcome() {
    ivan_test(two_tasks(), async |ivan| {
        assert_eq!(
            row(ivan).await,
            "service  no commands that write in the last 7 days"
        );
        ivan.dm(ANA, "current").await;
        ivan.dm(ANA, "comment on its way").await.begins("✓");
        // Two writes, one command.
        ivan.dm(ANA, "done -c renewed").await.begins("✓");
        each_took_a_second(ivan);
        assert_eq!(
            row(ivan).await,
            "service  100 % of 2 commands had their outcome within 2 s, all within 10 minutes of the source being back (last 7 days)"
        );
        ivan.clickup().front().down();
        let asked = ivan.says(ANA, "comment the page is empty");
        asked.answers().await.begins("…");
        grows_old(ivan, 30);
        let waits = levels(ivan).await;
        assert_eq!(
            (&waits["commands"], &waits["within_2s"], &waits["late"]),
            (&json!(3), &json!(2), &json!(0)),
            "the one that waits counts, too: {waits}"
        );
        ivan.clickup().front().up();
        ivan.answer(ANA, 3).settles().await.begins("✓");
        ivan.until_nothing_is_queued().await;
        let now = levels(ivan).await;
        assert_eq!(
            (&now["commands"], &now["within_2s"], &now["late"], &now["given_up"]),
            (&json!(3), &json!(2), &json!(0), &json!(0)),
            "{now}"
        );
        let said = "service  66.6 % of 3 commands had their outcome within 2 s, all within 10 minutes of the source being \
                    back (last 7 days)";
        assert_eq!(row(ivan).await, said);
        ivan.kill_and_restart().await;
        assert_eq!(row(ivan).await, said);
        // As if its source had been asked again for the last time half an hour before.
        let sql = "UPDATE operations SET not_before_ms = created_ms, turn_ms = NULL WHERE attempts > 1";
        assert_eq!(ivan.store().execute(sql, []).unwrap(), 1);
        assert_eq!(levels(ivan).await["late"], 1);
        assert!(row(ivan).await.contains("1 took over 10 minutes with the source there"));
    })
    .await;
}
