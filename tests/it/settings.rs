//! Personal settings in the Home tab: notices, the briefing, quiet hours, receipts.

use crate::harness::*;

#[tokio::test]
async fn times_are_chosen_at_home() {
    ivan_test(two_tasks(), async |ivan| {
        ivan.opens_home(ANA).await;
        ivan.picks_at_home(ANA, "Briefing at", Some("08:15"))
            .settles()
            .await
            .begins("✓ Briefing at 8:15 on working days");
        ivan.shows_at_home(ANA, "[Briefing at 08:15] [No briefing] [As for everybody]")
            .await;
        ivan.presses_at_home(ANA, "Quiet nights", 0)
            .settles()
            .await
            .begins("✓ Quiet from 20:00-08:00");
        ivan.shows_at_home(
            ANA,
            "[From 20:00] [Until 08:00] [No quiet hours] [As for everybody]",
        )
        .await;
        // One end is changed, and the other stays.
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
        // A typed command changes the same setting.
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
        ivan.shows_at_home(
            ANA,
            "Receipts: messages, and a reaction on yours, as you set.",
        )
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
async fn the_home_tab_says_whose_setting_is_in_force_and_leads_back() {
    let config =
        "slack.briefing = \"8:30\"\nslack.quiet = \"22:00-7:00\"\nslack.receipts = \"reactions\"";
    let setup = two_tasks().config(config);
    ivan_test(setup, async |ivan| {
        let home = ivan.opens_home(ANA).await;
        for words in [
            "Briefing: 8:30 on working days (Europe/Madrid), as for everybody here.\n[Briefing at 08:30] [No briefing]\n",
            "Quiet hours: 22:00-07:00 (Europe/Madrid), as for everybody here.\n",
            "Receipts: messages, and a reaction on yours, as for everybody here.",
        ] {
            assert!(home.contains(words), "`{words}` is not in:\n{home}");
        }
        assert!(!home.contains("[As for everybody]"), "{home}");
        for (press, own, words, back, usual) in [
            (
                "No briefing",
                "Briefing: off, as you set.",
                "✓ No briefing any more.",
                "✓ As bot.toml has it for everybody: a briefing at 8:30 on working days",
                "Briefing: 8:30 on working days (Europe/Madrid), as for everybody here.",
            ),
            (
                "No quiet hours",
                "Quiet hours: none, as you set.",
                "✓ No quiet hours any more.",
                "✓ As bot.toml has it for everybody: quiet from 22:00-07:00 (Europe/Madrid).",
                "Quiet hours: 22:00-07:00 (Europe/Madrid), as for everybody here.",
            ),
            (
                "Messages only",
                "Receipts: messages, as you set.",
                "✓ From now on I answer in words alone.",
                "✓ As bot.toml has it for everybody: I answer in words and react to what you type.",
                "Receipts: messages, and a reaction on yours, as for everybody here.",
            ),
        ] {
            ivan.presses_at_home(ANA, press, 0).settles().await.begins(words);
            ivan.shows_at_home(ANA, own).await;
            ivan.presses_at_home(ANA, "As for everybody", 0).settles().await.begins(back);
            ivan.shows_at_home(ANA, usual).await;
        }
        let home = ivan.opens_home(ANA).await;
        assert!(!home.contains("[As for everybody]"), "{home}");
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
        ivan.dm(BO, "whoami").await.mentions("\nReceipts: messages and reactions, as bot.toml sets.");
        ivan.dm(ANA, "receipts").await.replies(
            "I answer in words and react to what you type, as bot.toml has it for everybody. `receipts messages` ends \
             that for you.",
        );
        ivan.dm(ANA, "receipts messages").await.replies("✓ From now on I answer in words alone.");
        ivan.dm(ANA, "whoami").await.mentions("\nReceipts: messages, as you set.");
        ivan.until_reactions_are_placed().await;
        let dm = ivan.slack().dm(ANA);
        let asked = ivan.says(ANA, "comment nearly");
        let ts = asked.ts.clone();
        asked.settles().await.begins("✓ Comment added");
        ivan.until_reactions_are_placed().await;
        assert!(ivan.our_reactions(&dm, &ts).is_empty());
        ivan.dm(ANA, "receipts loud").await.begins("✗ `loud` is no way to answer you.");
        ivan.dm(ANA, "receipts default").await.replies(
            "✓ As bot.toml has it for everybody: I answer in words and react to what you type.",
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
            (vec!["receipts", "messages"], "✓ From now on I answer in words alone."),
            (vec!["receipts"], "I answer in words alone, as you set. receipts reactions has me react to what you type, too."),
            (vec!["receipts", "default"], "✓ As bot.toml has it for everybody: I answer in words and react to what you type."),
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
        ivan.presses_at_home(ANA, "Reactions too", 0)
            .settles()
            .await
            .begins("✓ From now on I also react");
        ivan.kill_and_restart().await;
        ivan.logs("reactions:write").await;
        ivan.dm(ANA, "status")
            .await
            .mentions("✗ Slack scope reactions:write is missing: ");
        // And a message replaces the reaction.
        ivan.dm(ANA, "current").await;
        ivan.dm(ANA, "comment nearly")
            .await
            .begins("✓ Comment added in ClickUp");
    })
    .await;
}
