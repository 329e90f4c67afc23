//! Every kind of message, form and Home tab of Ivan's, with odd titles: the sandbox refuses a payload that Slack would
//! refuse, and a refused one never arrives.

use ivan::sandbox::slack::SandboxSlack;
use serde_json::{Value, json};

use crate::harness::*;

const RANDOM: &str = "C0RND01";
const GENERAL: &str = "C0GEN01";

/// Titles and descriptions as people write them.
fn odd(number: usize) -> String {
    let odd = [
        "<!channel> & <@U0BOB01> \"quoted\" `code` *bold* ~struck~ _slanted_".to_owned(),
        "a|b>c <https://evil.example|click here>".to_owned(),
        "תיקון הכניסה \u{202e}של המשתמש مرحبا".to_owned(),
        "👩‍👩‍👧‍👦🎉".repeat(60),
        "é".repeat(300),
        "&".repeat(900),
        "```\n> one\n- two".to_owned(),
        "x".repeat(3_000),
        "\u{200b}zero\u{2028}width\u{0}".to_owned(),
        "Plain".to_owned(),
        "\u{1b}[31mRed\u{7}\u{8}\u{c} \u{9b}2J\u{85}\u{7f}\u{0}bell".to_owned(),
    ];
    format!("{} {number}", odd[number % odd.len()])
}

/// A hundred tasks and thirty issues of Ana's, and a colleague with a long name.
fn an_odd_world() -> Setup {
    Setup::new().webhooks().people().before(|sandbox| {
        for number in 0..100 {
            let described = match number % 3 {
                0 => String::new(),
                1 => "\n \n".to_owned(),
                _ => format!("\n\n{}\nmore", odd(number)),
            };
            let due = 1_700_000_000_000_i64 + 864_000_000 * number as i64;
            sandbox
                .clickup
                .add_task(json!({"name": odd(number), "description": described,
                "assignees": [ANA_CLICKUP], "due_date": due, "tags": ["client:acme"]}));
        }
        for number in 0..30 {
            let title: String = odd(number).chars().take(250).collect();
            sandbox.github.add_issue(
                REPO,
                json!({"title": title, "assignees": ["ana"], "body": odd(number)}),
            );
        }
    })
}

#[tokio::test]
async fn whatever_things_are_called_every_message_form_and_home_is_one_that_slack_takes() {
    ivan_test(an_odd_world(), async |ivan| {
        ivan.hook_up();
        let home = ivan.opens_home(ANA).await;
        assert!(home.contains("130 open"), "{home}");
        assert!(
            home.ends_with("[Add reactions]\n"),
            "all of it has room: {home}"
        );
        // Ephemeral messages have the same layout, and no pace of a conversation delays them.
        for typed in [
            "current",
            "next",
            "list 50",
            "list overdue",
            "list github 50",
            "morning",
            "why",
            "status",
            "whoami",
            "help",
            "dnoe",
            "done 1",
            "done -c `x` <!channel>",
            "start 3",
            "snooze 4 tomorrow",
            "reopen 1",
            "undo",
            "log 50",
            "list snoozed",
            "why 4",
            "due 5 tomorrow",
            "prio 5 high",
            "assign 6 Bo",
            "quiet 20:00-8:00",
            "quiet",
            "briefing 8:00",
            "briefing off",
            "quiet off",
            "briefing default",
            "quiet default",
            "receipts reactions",
            "receipts",
            "receipts default",
            "whoami",
            "link github nobody-here",
            "mute",
            "unmute",
        ] {
            ivan.slash(ANA, RANDOM, typed).await;
        }
        let dm = ivan.slack().dm(ANA);
        for typed in [
            format!("comment {}", odd(5)),
            format!("create {}", odd(0)),
            format!("create {}", "x".repeat(3_900)),
            format!("create {} -e <!here>", odd(6)),
            format!("create Fix {} -s github", odd(3)),
        ] {
            ivan.slash(ANA, &dm, &typed).await;
        }
        for said in ["@ivan list 50", "@ivan current", "create <!channel> `x`"] {
            ivan.says_in("general", ANA, said).settles().await;
        }
        for typed in ["list 50", "done"] {
            ivan.dm(ANA, typed).await;
        }
        // Changes by others, announced at once and held.
        for number in [11, 16] {
            ivan.clickup()
                .comment_by(&odd(number), BO_CLICKUP, &odd(number + 1));
            ivan.is_told(ANA).answers().await;
        }
        ivan.slash(ANA, RANDOM, "quiet 0:00-23:59").await;
        for number in 20..50 {
            ivan.clickup()
                .comment_by(&odd(number), BO_CLICKUP, &odd(number + 1));
        }
        ivan.until_deliveries_are_applied().await;
        let held = ivan.is_told(ANA);
        ivan.slash(ANA, RANDOM, "quiet off").await;
        held.answers().await.begins("While you were in quiet hours:");
        // Forms: empty, of a message, and of cards.
        ivan.slack().shortcut(ANA, "new_task");
        ivan.form(1).await;
        let text = format!("{}\n{}", odd(4), odd(7).repeat(3));
        let said = ivan.slack().says(BO, GENERAL, &text);
        ivan.slack()
            .message_action(ANA, GENERAL, &said, "create_task");
        ivan.form(2).await;
        for nth in 0..10 {
            ivan.slash(ANA, RANDOM, "next").await;
            let shown = ivan.slack().whispers().pop().unwrap();
            let key: String = ivan.sql(
                "SELECT source || ':' || source_key FROM tasks JOIN pins ON pins.task_id = tasks.id
                 WHERE person_id = (SELECT id FROM people WHERE name = 'Ana') ORDER BY pins.id DESC",
            );
            ivan.slack()
                .clicks_whisper(&shown.ts, &format!("comment:{key}"));
            ivan.form(3 + nth).await;
        }
        ivan.opens_home(ANA).await;
        for words in [&["list", "50"][..], &["list", "clickup", "100"], &["morning"], &["log", "50"]] {
            let ran = ivan.cli(&[words, &["--as", "Ana"]].concat()).await;
            let commands = |c: char| c.is_control() && c != '\n';
            assert!(!ran.out.contains(commands), "{words:?}: {:?}", ran.out);
        }
        let kept: i64 = ivan.sql(
            "SELECT count(*) FROM tasks WHERE title GLOB '*' || char(27) || '*' OR title GLOB '*' || char(7) || '*'",
        );
        assert_eq!(kept, 0, "what comes in has lost them");
        everything_was_taken(ivan);
    })
    .await;
}

/// No payload was refused, none mentions a person, and the text without blocks has the same content.
fn everything_was_taken(ivan: &Ivan) {
    let refused: i64 = ivan.sql("SELECT count(*) FROM messages WHERE dropped IS NOT NULL");
    assert_eq!(refused, 0, "{}", ivan.log());
    let slack: &SandboxSlack = ivan.slack();
    let mut said: Vec<(String, Value)> = Vec::new();
    for channel in [
        slack.dm(ANA),
        slack.dm(BO),
        GENERAL.to_owned(),
        RANDOM.to_owned(),
    ] {
        let messages = slack.bot_messages(&channel).into_iter();
        said.extend(messages.map(|posted| (posted.text, posted.blocks)));
    }
    let whispers = slack.whispers().into_iter();
    said.extend(whispers.map(|whisper| (whisper.text, whisper.blocks)));
    assert!(said.len() > 50, "{}", said.len());
    for (text, blocks) in &said {
        assert!(!text.trim().is_empty(), "no text beside {blocks:#}");
    }
    let mut shown: Vec<String> = said
        .iter()
        .map(|(text, blocks)| format!("{text}{blocks}"))
        .collect();
    shown.extend(slack.views().iter().map(|view| view["blocks"].to_string()));
    for text in &shown {
        let commands = |c: char| c.is_control() && c != '\n';
        // In JSON they are escaped.
        let is_tame = !text.contains(commands) && !text.contains("\\u00");
        assert!(is_tame, "a control character in {text:?}");
        for ping in ["<!channel", "<!here", "<@U", "<https://evil"] {
            assert!(!text.contains(ping), "{ping} in {text}");
        }
        assert!(!text.contains("```"), "a title opens code: {text}");
    }
}
