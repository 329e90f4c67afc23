//! Personal settings in the Home tab: notices, the briefing, quiet hours, receipts.

use crate::harness::*;

#[tokio::test]
async fn times_are_chosen_at_home() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.opens_home(ANA).await;
        ivan.picks_at_home(ANA, "Briefing at", Some("08:15"))
            .settles()
            .await
            .begins("✓ Briefing on working days at 8:15");
        ivan.shows_at_home(ANA, "[Briefing at 08:15] [Turn off] [Use team default]")
            .await;
        ivan.presses_at_home(ANA, "Quiet at night", 0)
            .settles()
            .await
            .begins("✓ Quiet hours 20:00-08:00");
        ivan.shows_at_home(
            ANA,
            "[From 20:00] [Until 08:00] [No quiet hours] [Use team default]",
        )
        .await;
        // One end is changed, and the other stays.
        ivan.picks_at_home(ANA, "From", Some("22:30"))
            .settles()
            .await
            .begins("✓ Quiet hours 22:30-08:00");
        ivan.shows_at_home(ANA, "[From 22:30]").await;
        ivan.picks_at_home(ANA, "Until", Some("06:45"))
            .settles()
            .await
            .begins("✓ Quiet hours 22:30-06:45");
        ivan.shows_at_home(ANA, "[From 22:30] [Until 06:45]").await;
        // Both at once, before the Home tab has followed: neither is lost.
        let from = ivan.picks_at_home(ANA, "From", Some("21:00"));
        let until = ivan.picks_at_home(ANA, "Until", Some("07:00"));
        from.settles().await;
        until.settles().await.begins("✓ Quiet hours 21:00-07:00");
        ivan.shows_at_home(ANA, "[From 21:00] [Until 07:00]").await;
        // A typed command changes the same setting.
        ivan.dm(ANA, "briefing 9:00")
            .await
            .begins("✓ Briefing on working days at 9:00");
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
            .replies("✓ Quiet hours off.");
        ivan.shows_at_home(ANA, "[Quiet at night]").await;
        ivan.picks_at_home(ANA, "Briefing at", None)
            .settles()
            .await
            .begins("✓ Briefing off.");
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
        ivan.presses_at_home(ANA, "Add reactions", 0)
            .settles()
            .await
            .begins("✓ I'll confirm with reactions too");
        ivan.shows_at_home(ANA, "Receipts: reactions and messages")
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
            .begins("✓ I'll confirm with messages.");
        let asked = ivan.says(ANA, "comment there");
        let ts = asked.ts.clone();
        asked.settles().await.begins("✓ Comment added");
        ivan.until_reactions_are_placed().await;
        assert!(ivan.our_reactions(&dm, &ts).is_empty());
    })
    .await;
}

#[tokio::test]
async fn the_home_tab_says_whose_setting_is_in_force_and_leads_back() {
    let config =
        "slack.briefing = \"8:30\"\nslack.quiet = \"22:00-7:00\"\nslack.receipts = \"reactions\"";
    let setup = two_tasks().config(config);
    ivan_test(setup, async |ivan| {
        let home = ivan.opens_home(ANA).await;
        for words in [
            "Briefing: 8:30 on working days (Europe/Madrid) (team default)\n[Briefing at 08:30] [Turn off]\n",
            "Quiet hours: 22:00-07:00 (Europe/Madrid) (team default)\n",
            "Receipts: reactions and messages (team default)",
        ] {
            assert!(home.contains(words), "`{words}` is not in:\n{home}");
        }
        assert!(!home.contains("[Use team default]"), "{home}");
        for (press, own, words, back, usual) in [
            (
                "Turn off",
                "Briefing: off",
                "✓ Briefing off.",
                "✓ Team default: briefing on working days at 8:30",
                "Briefing: 8:30 on working days (Europe/Madrid) (team default)",
            ),
            (
                "No quiet hours",
                "Quiet hours: none",
                "✓ Quiet hours off.",
                "✓ Team default: quiet hours 22:00-07:00 (Europe/Madrid).",
                "Quiet hours: 22:00-07:00 (Europe/Madrid) (team default)",
            ),
            (
                "Messages only",
                "Receipts: messages",
                "✓ I'll confirm with messages.",
                "✓ Team default: I'll confirm with reactions and messages.",
                "Receipts: reactions and messages (team default)",
            ),
        ] {
            ivan.presses_at_home(ANA, press, 0).settles().await.begins(words);
            ivan.shows_at_home(ANA, own).await;
            ivan.presses_at_home(ANA, "Use team default", 0).settles().await.begins(back);
            ivan.shows_at_home(ANA, usual).await;
        }
        let home = ivan.opens_home(ANA).await;
        assert!(!home.contains("[Use team default]"), "{home}");
    })
    .await;
}

#[tokio::test]
async fn receipts_are_typed_too_on_every_surface() {
    let setup = Setup::new()
        .config("slack.receipts = \"reactions\"")
        .people();
    let setup = setup.clickup_tasks([
        serde_json::json!({"name": "Renew cert", "assignees": [ANA_CLICKUP]}),
        serde_json::json!({"name": "Write the runbook", "assignees": [BO_CLICKUP]}),
    ]);
    ivan_test(setup, async |ivan| {
        ivan.dm(ANA, "current").await;
        ivan.dm(BO, "whoami").await.mentions("\nReceipts: reactions and messages (team default)");
        ivan.dm(ANA, "receipts").await.replies(
            "I confirm with reactions and messages (team default). `receipts messages` turns reactions off.",
        );
        ivan.dm(ANA, "receipts messages").await.replies("✓ I'll confirm with messages.");
        ivan.dm(ANA, "whoami").await.mentions("\nReceipts: messages");
        ivan.until_reactions_are_placed().await;
        let dm = ivan.slack().dm(ANA);
        let asked = ivan.says(ANA, "comment nearly");
        let ts = asked.ts.clone();
        asked.settles().await.begins("✓ Comment added");
        ivan.until_reactions_are_placed().await;
        assert!(ivan.our_reactions(&dm, &ts).is_empty());
        ivan.dm(ANA, "receipts loud").await.begins("✗ I can't confirm with `loud`.");
        ivan.dm(ANA, "receipts default").await.replies(
            "✓ Team default: I'll confirm with reactions and messages.",
        );
        let ts = ivan.slack().says(ANA, &dm, "comment there");
        ivan.carries(&dm, &ts, &["white_check_mark"]).await;
        // The same over HTTP and from the command line; Bo's settings stay his own.
        let ana: &[(&str, &str)] = &[("X-Ivan-Actor", "Ana")];
        for (by, receipts, own) in [
            ("message", "message", true),
            ("messages", "message", true),
            ("reactions", "reactions", true),
            ("default", "reactions", false),
        ] {
            let body = Some(serde_json::json!({"by": by}));
            let (status, chosen) = ivan.http_with("POST", "/receipts", body, ana).await;
            assert_eq!(status, 200, "{chosen}");
            let (_, again) = ivan.http_with("GET", "/receipts", None, ana).await;
            for chosen in [chosen, again] {
                assert_eq!((&chosen["receipts"], &chosen["own"]), (&receipts.into(), &own.into()), "{chosen}");
            }
        }
        for body in [serde_json::json!({"by": "loud"}), serde_json::json!({})] {
            let (status, problem) = ivan.http_with("POST", "/receipts", Some(body), ana).await;
            assert_eq!(status, 422, "{problem}");
        }
        for (words, said) in [
            (vec!["receipts", "messages"], "✓ I'll confirm with messages."),
            (vec!["receipts"], "I confirm with messages. receipts reactions adds reactions."),
            (vec!["receipts", "default"], "✓ Team default: I'll confirm with reactions and messages."),
        ] {
            let ran = ivan.cli(&[vec!["--as", "Ana"], words].concat()).await;
            assert_eq!((ran.exit, ran.out.trim()), (0, said), "{}", ran.err);
        }
        let (_, chosen) = ivan.http_with("GET", "/receipts", None, &[("X-Ivan-Actor", "Bo")]).await;
        assert_eq!(chosen["own"], false);
    })
    .await;
}

#[tokio::test]
async fn who_chooses_reactions_learns_which_scope_is_missing() {
    let setup = two_tasks().before(|sandbox| sandbox.slack.revoke_scope("reactions:write"));
    ivan_test(setup, async |ivan| {
        ivan.opens_home(ANA).await;
        ivan.presses_at_home(ANA, "Add reactions", 0)
            .settles()
            .await
            .begins("✓ I'll confirm with reactions too");
        ivan.kill_and_restart().await;
        ivan.logs("reactions:write").await;
        ivan.dm(ANA, "status")
            .await
            .mentions("Off without the Slack scope reactions:write: ");
        // And a message replaces the reaction.
        ivan.dm(ANA, "current").await;
        ivan.dm(ANA, "comment nearly")
            .await
            .begins("✓ Comment added in ClickUp");
    })
    .await;
}
