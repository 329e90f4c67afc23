//! `ivan init`: from nothing to the first message, as docs/getting-started.md shows it.
#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Output, Stdio};

use ivan::clock::Clock;
use ivan::sandbox::Sandbox;
use tempfile::TempDir;

use crate::demo_terminal::{CTRL_C, Terminal};
use crate::harness::{ANA, binary, seed_of_its_own};

/// Variables that would be answers.
const ANSWERS: [&str; 4] = [
    "SLACK_APP_TOKEN",
    "SLACK_BOT_TOKEN",
    "CLICKUP_TOKEN",
    "GITHUB_TOKEN",
];

pub struct World {
    pub sandbox: Sandbox,
    pub folder: TempDir,
}

impl World {
    pub async fn new() -> World {
        World {
            sandbox: Sandbox::start(seed_of_its_own()).await.unwrap(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// The addresses of the sandbox, and ports that are free.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let Sandbox {
            slack,
            clickup,
            github,
        } = &self.sandbox;
        let mut variables = vec![
            ("SLACK_API_URL", slack.api_url()),
            ("CLICKUP_API_URL", clickup.api_url()),
            ("GITHUB_API_URL", github.api_url()),
            ("IVAN__API__BIND", "127.0.0.1:0".to_owned()),
            ("IVAN__WEBHOOKS__BIND", "127.0.0.1:0".to_owned()),
            ("XDG_CONFIG_HOME", self.path("none")),
            ("IVAN_CONFIG", String::new()),
        ];
        variables.extend(ANSWERS.map(|name| (name, String::new())));
        variables
    }

    /// All tokens, as variables.
    pub fn tokens(&self) -> [(&'static str, String); 4] {
        let Sandbox {
            slack,
            clickup,
            github,
        } = &self.sandbox;
        [
            ("SLACK_APP_TOKEN", slack.app_token().to_owned()),
            ("SLACK_BOT_TOKEN", slack.bot_token().to_owned()),
            ("CLICKUP_TOKEN", clickup.token().to_owned()),
            ("GITHUB_TOKEN", github.token().to_owned()),
        ]
    }

    pub fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    pub fn file(&self) -> Option<String> {
        fs::read_to_string(self.folder.path().join("bot.toml")).ok()
    }

    /// `ivan init` with these words, without a terminal.
    pub async fn piped(&self, words: &[&str], further: &[(&str, String)]) -> Output {
        let variables = [self.variables().as_slice(), further].concat();
        let ran = binary()
            .arg("init")
            .args(words)
            .current_dir(self.folder.path())
            .envs(variables)
            .stdin(Stdio::null())
            .output();
        ran.await.unwrap()
    }
}

fn out(ran: &Output) -> String {
    assert_eq!(String::from_utf8_lossy(&ran.stderr), "");
    String::from_utf8(ran.stdout.clone()).unwrap()
}

/// The guide's transcript of `ivan init`.
fn from_the_guide() -> String {
    let guide = include_str!("../../docs/getting-started.md");
    let (_, shown) = guide
        .split_once("```\n$ ivan init\n")
        .expect("a transcript");
    let (shown, _) = shown.split_once("```\n").expect("its end");
    shown.to_owned()
}

/// Without addresses of this run, and with the guide's date.
fn any_run(screen: &str, world: &World) -> String {
    let ends = Clock::system().now() + chrono::Duration::days(90);
    let mut text = screen.replace(&world.path(""), "/home/ana/ivan/");
    for days in [-1, 0, 1] {
        let day = ends + chrono::Duration::days(days);
        let day = day.format("%-d %b %Y").to_string();
        text = text.replace(&format!("until {day}."), "until 27 Feb 2027.");
    }
    let lines = text.lines().filter(|line| !line.contains("api_url = "));
    let lines = lines.map(|line| match line.split_once("manifest_yaml=") {
        Some((before, _)) => format!("{before}manifest_yaml=…"),
        None => line.trim_end().to_owned(),
    });
    let mut text = lines.collect::<Vec<_>>().join("\n");
    text.push('\n');
    text
}

/// Every answer is typed, and the first message arrives.
#[tokio::test]
async fn a_newcomer_sees_what_the_guide_shows() {
    let world = World::new().await;
    let mut terminal = Terminal::running(&["init"], Some(world.folder.path()), &world.variables());
    let [app, bot, clickup, github] = world.tokens().map(|(_, token)| token);
    for (prompt, answer) in [
        ("App-level token (xapp-…, not shown):", app.as_str()),
        ("Bot token (xoxb-…, not shown):", &bot),
        ("API token (pk_…, not shown):", &clickup),
        ("The list for new tasks:", "1"),
        ("or - for none [none]:", "2"),
        ("Token (github_pat_…, not shown):", &github),
        ("about trouble:", "ana"),
        ("Write it? [Y/n]", "y"),
    ] {
        terminal
            .until(prompt, |screen| screen.trim_end().ends_with(prompt))
            .await;
        terminal.types(&format!("{answer}\r"));
    }
    terminal.shows("write: help\n").await;
    let slack = &world.sandbox.slack;
    slack.says(ANA, &slack.dm(ANA), "help");
    terminal.shows("wrote to me.\n").await;
    terminal.shows("until Ctrl-C").await;
    terminal.types(CTRL_C);
    let (exit, screen) = terminal.ends().await;
    assert!(exit.success(), "{exit}\n{screen}");
    for token in [&app, &bot, &clickup, &github] {
        assert!(!screen.contains(token.as_str()), "{screen}");
    }
    let shown = any_run(&screen, &world);
    let shown = shown.strip_suffix("^C\n").unwrap_or(&shown);
    let expected = from_the_guide();
    assert!(
        shown == expected,
        "docs/getting-started.md shows\n{expected}\ninstead of\n{shown}"
    );
    let path = world.folder.path().join("bot.toml");
    let mode = fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let written = world.file().unwrap();
    assert!(
        written.contains(&bot) && !written.contains("U0EXAMPLE"),
        "{written}"
    );
}

#[tokio::test]
async fn without_a_terminal_it_names_the_missing_answers() {
    let world = World::new().await;
    let ran = world.piped(&[], &[]).await;
    let said = out(&ran);
    assert_eq!(ran.status.code(), Some(2), "{said}");
    for missing in [
        "--slack-app-token-file FILE, or SLACK_APP_TOKEN",
        "--slack-bot-token-file FILE, or SLACK_BOT_TOKEN",
        "--clickup-token-file FILE, or CLICKUP_TOKEN, or --no-clickup",
        "--github-token-file FILE, or GITHUB_TOKEN, or --github-app, or --no-github",
    ] {
        assert!(said.contains(missing), "{said}");
    }
    // With the tokens it names the choices.
    let ran = world.piped(&[], &world.tokens()).await;
    let said = out(&ran);
    assert_eq!(ran.status.code(), Some(2), "{said}");
    assert!(said.contains("✗ 2 answers are missing"), "{said}");
    assert!(
        said.contains("--clickup-list LIST\n      1  Inbox    Ops\n"),
        "{said}"
    );
    assert!(
        said.contains("--operator PERSON\n      1  ana  ana@acme.test\n"),
        "{said}"
    );
    assert_eq!(world.file(), None);
    // An answer of a source that is left out does no harm.
    let list = ("IVAN__CLICKUP__LIST_ID", "901100000001".to_owned());
    let given = [world.tokens().as_slice(), &[list]].concat();
    let ran = world.piped(&["--no-clickup"], &given).await;
    let said = out(&ran);
    assert!(said.contains("✗ 1 answer is missing"), "{said}");
}

#[tokio::test]
async fn with_every_answer_given_it_asks_nothing_and_runs_again_without_harm() {
    let world = World::new().await;
    let bot = world.path("bot-token");
    fs::write(&bot, format!("{}\n", world.tokens()[1].1)).unwrap();
    let [app, _, clickup, github] = world.tokens();
    let tokens = [app, clickup, github];
    let given = [
        "--slack-bot-token-file",
        "bot-token",
        "--clickup-list",
        "inbox",
        "--operator",
        "bo@acme.test",
    ];
    let shown = world.piped(&given, &tokens).await;
    assert_eq!(shown.status.code(), Some(2), "{}", out(&shown));
    assert!(out(&shown).contains("--yes"), "{}", out(&shown));
    assert_eq!(world.file(), None);

    let ran = world
        .piped(&[&given[..], &["--yes"]].concat(), &tokens)
        .await;
    let said = out(&ran);
    assert!(ran.status.success(), "{said}");
    assert!(
        said.ends_with("docs/operations.md installs it as a service.\n"),
        "{said}"
    );
    let written = world.file().unwrap();
    assert!(
        written.contains(&format!("bot_token_file = \"{bot}\"\n")),
        "{written}"
    );
    assert!(written.contains("operators = [\"U0BOB01\"]\n"), "{written}");
    assert!(!written.contains("lists ="), "{written}");

    // Everything is there now.
    let again = world.piped(&[], &[]).await;
    let said = out(&again);
    assert!(again.status.success(), "{said}");
    assert!(said.contains("✓ It is as answered already."), "{said}");
    assert_eq!(world.file().as_ref(), Some(&written));

    // A change is shown, and only the changed key is written.
    let commented = written.replace("operators", "# Ours.\noperators");
    let path = world.folder.path().join("bot.toml");
    fs::write(&path, &commented).unwrap();
    let change = ["--clickup-list", "inbox", "--clickup-list", "Roadmap"];
    let ran = world.piped(&change, &[]).await;
    assert_eq!(ran.status.code(), Some(2), "{}", out(&ran));
    let added = "  [clickup]\n  + lists = [\"901100000002\"]\n";
    assert!(out(&ran).contains(added), "{}", out(&ran));
    assert_eq!(world.file().as_ref(), Some(&commented));
    let ran = world.piped(&[&change[..], &["--yes"]].concat(), &[]).await;
    assert!(ran.status.success(), "{}", out(&ran));
    let changed = world.file().unwrap();
    assert_eq!(
        changed.replace("lists = [\"901100000002\"]\n", ""),
        commented
    );
}

#[tokio::test]
async fn a_token_that_does_not_fit_is_refused_at_once() {
    let world = World::new().await;
    let mut tokens = world.tokens();
    tokens[1].1 = tokens[0].1.clone();
    let ran = world.piped(&[], &tokens).await;
    let said = out(&ran);
    assert_eq!(ran.status.code(), Some(1), "{said}");
    let why = "  ✗ This is the app-level token. The bot token begins with xoxb-.\n";
    assert!(said.contains(why), "{said}");
    assert!(
        said.contains("✓ It opens connections for A0APP1."),
        "{said}"
    );
    world.sandbox.slack.revoke_scope("users:read");
    world.sandbox.slack.revoke_scope("reactions:write");
    let ran = world.piped(&[], &world.tokens()).await;
    let said = out(&ran);
    assert!(
        said.contains("  ! The scope users:read is missing: "),
        "{said}"
    );
    assert!(
        said.contains("  – Off without the scope reactions:write: "),
        "{said}"
    );
    assert!(
        said.contains("✗ Slack rejected users.list: missing_scope"),
        "{said}"
    );
    assert_eq!(ran.status.code(), Some(1), "{said}");
    assert_eq!(world.file(), None);
}

/// Ctrl-C while a token is typed leaves the terminal as it was; a No writes nothing.
#[tokio::test]
async fn a_person_can_stop_and_say_no() {
    let world = World::new().await;
    let folder = Some(world.folder.path());
    let mut terminal = Terminal::running(&["init"], folder, &world.variables());
    terminal.shows("App-level token (xapp-…, not shown):").await;
    terminal.types("xapp-1");
    terminal.types(CTRL_C);
    let (exit, screen) = terminal.ends().await;
    assert_eq!(exit.code(), Some(130), "{screen}");
    assert!(
        screen.ends_with("Stopped. Nothing was written.\n"),
        "{screen}"
    );

    let variables = [world.variables().as_slice(), &world.tokens()].concat();
    let words = ["init", "--clickup-list", "1", "--operator", "U0ANN01"];
    let mut terminal = Terminal::running(&words, folder, &variables);
    terminal.shows("Write it? [Y/n]").await;
    terminal.types("n\r");
    let (exit, screen) = terminal.ends().await;
    assert!(exit.success(), "{screen}");
    assert!(screen.ends_with("Nothing was written.\n"), "{screen}");
    assert!(!Path::new(&world.path("bot.toml")).exists());
}

#[tokio::test]
async fn without_people_only_the_operators_are_some() {
    let world = World::new().await;
    let given = [
        "--clickup-list",
        "inbox",
        "--operator",
        "bo@acme.test",
        "--no-people",
        "--yes",
    ];
    let ran = world.piped(&given, &world.tokens()).await;
    let said = out(&ran);
    assert!(ran.status.success(), "{said}");
    assert!(said.contains("  The operators are people."), "{said}");
    let written = world.file().unwrap();
    assert!(written.contains("operators = [\"U0BOB01\"]\n"), "{written}");
    assert!(!written.contains("[[people]]"), "{written}");
}
