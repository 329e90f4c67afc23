//! What everybody sets for themselves in the Home tab: notices, the briefing, quiet hours, receipts.

use crate::harness::*;

#[tokio::test]
async fn times_are_chosen_at_home() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.opens_home(ANA).await;
        ivan.picks_at_home(ANA, "Briefing at", Some("08:15"))
            .settles()
            .await
            .begins("✓ Briefing at 8:15 on working days");
        ivan.shows_at_home(ANA, "[Briefing at 08:15] [No briefing]")
            .await;
        ivan.presses_at_home(ANA, "Quiet nights", 0)
            .settles()
            .await
            .begins("✓ Quiet from 20:00-08:00");
        ivan.shows_at_home(ANA, "[From 20:00] [Until 08:00] [No quiet hours]")
            .await;
        // One end is moved, and the other stays.
        ivan.picks_at_home(ANA, "From", Some("22:30"))
            .settles()
            .await
            .begins("✓ Quiet from 22:30-08:00");
        ivan.shows_at_home(ANA, "[From 22:30]").await;
        ivan.picks_at_home(ANA, "Until", Some("06:45"))
            .settles()
            .await
            .begins("✓ Quiet from 22:30-06:45");
        ivan.shows_at_home(ANA, "[From 22:30] [Until 06:45]").await;
        // Both at once, before the Home tab has followed: neither is lost.
        let from = ivan.picks_at_home(ANA, "From", Some("21:00"));
        let until = ivan.picks_at_home(ANA, "Until", Some("07:00"));
        from.settles().await;
        until.settles().await.begins("✓ Quiet from 21:00-07:00");
        ivan.shows_at_home(ANA, "[From 21:00] [Until 07:00]").await;
        // What is typed is the same setting.
        ivan.dm(ANA, "briefing 9:00")
            .await
            .begins("✓ Briefing at 9:00");
        ivan.shows_at_home(ANA, "[Briefing at 09:00]").await;
        ivan.kill_and_restart().await;
        let home = ivan.opens_home(ANA).await;
        assert!(home.contains("[Briefing at 09:00]"), "{home}");
        assert!(home.contains("[From 21:00] [Until 07:00]"), "{home}");
    })
    .await;
}

#[tokio::test]
async fn hours_that_end_where_they_begin_are_none_and_no_time_is_no_briefing() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.dm(ANA, "quiet 20:00-8:00").await.begins("✓");
        ivan.dm(ANA, "briefing 8:00").await.begins("✓");
        ivan.opens_home(ANA).await;
        ivan.picks_at_home(ANA, "Until", Some("20:00"))
            .settles()
            .await
            .replies("✓ No quiet hours any more.");
        ivan.shows_at_home(ANA, "[Quiet nights]").await;
        ivan.picks_at_home(ANA, "Briefing at", None)
            .settles()
            .await
            .begins("✓ No briefing any more.");
        ivan.shows_at_home(ANA, "[Briefing at …]").await;
    })
    .await;
}

#[tokio::test]
async fn receipts_are_each_ones_own_choice() {
    let setup = Setup::new().people().clickup_tasks([
        serde_json::json!({"name": "Renew cert", "assignees": [ANA_CLICKUP]}),
        serde_json::json!({"name": "Write the runbook", "assignees": [BO_CLICKUP]}),
    ]);
    ivan_test(setup, async |ivan| {
        ivan.dm(ANA, "current").await;
        ivan.dm(BO, "current").await;
        ivan.opens_home(ANA).await;
        ivan.presses_at_home(ANA, "Reactions too", 0)
            .settles()
            .await
            .begins("✓ From now on I also react");
        ivan.shows_at_home(ANA, "Receipts: messages, and a reaction on yours.")
            .await;
        ivan.kill_and_restart().await;
        // A comment that arrived has the reaction alone.
        let dm = ivan.slack().dm(ANA);
        let ts = ivan.slack().says(ANA, &dm, "comment nearly");
        ivan.carries(&dm, &ts, &["white_check_mark"]).await;
        let asked = ivan.says(ANA, "done 99");
        let ts = asked.ts.clone();
        asked.settles().await.begins("✗ ");
        ivan.carries(&dm, &ts, &["x"]).await;
        // Bo has chosen nothing, and bot.toml says messages.
        let asked = ivan.says(BO, "comment nearly");
        let ts = asked.ts.clone();
        asked.settles().await.begins("✓ Comment added");
        ivan.until_reactions_are_placed().await;
        assert!(ivan.our_reactions(&ivan.slack().dm(BO), &ts).is_empty());
        ivan.presses_at_home(ANA, "Messages only", 0)
            .settles()
            .await
            .begins("✓ From now on I answer in words alone.");
        let asked = ivan.says(ANA, "comment there");
        let ts = asked.ts.clone();
        asked.settles().await.begins("✓ Comment added");
        ivan.until_reactions_are_placed().await;
        assert!(ivan.our_reactions(&dm, &ts).is_empty());
    })
    .await;
}

#[tokio::test]
async fn who_chooses_reactions_learns_which_scope_is_missing() {
    let setup = two_tasks().before(|sandbox| sandbox.slack.revoke_scope("reactions:write"));
    ivan_test(setup, async |ivan| {
        ivan.opens_home(ANA).await;
        ivan.presses_at_home(ANA, "Reactions too", 0)
            .settles()
            .await
            .begins("✓ From now on I also react");
        ivan.kill_and_restart().await;
        ivan.logs("reactions:write").await;
        ivan.dm(ANA, "status")
            .await
            .mentions("✗ Slack scope reactions:write is missing: ");
        // And what a reaction would have said is said.
        ivan.dm(ANA, "current").await;
        ivan.dm(ANA, "comment nearly")
            .await
            .begins("✓ Comment added in ClickUp");
    })
    .await;
}
