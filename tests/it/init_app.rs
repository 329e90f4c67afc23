//! `ivan init --github-app`: a person makes a GitHub App with a page on this machine. The browser is an HTTP client here.
#![cfg(target_os = "linux")]

use std::cell::RefCell;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use ivan::sandbox::fault_server::{Fault, FaultKind};
use rstest::rstest;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout};

use crate::demo_terminal::{CTRL_C, Terminal};
use crate::harness::{BO, Took, binary, client};
use crate::init::World;

const PATIENCE: Duration = Duration::from_secs(60);
/// The answers besides the App.
const WORDS: [&str; 6] = [
    "--no-clickup",
    "--operator",
    "bo@acme.test",
    "--github-repo",
    "acme/widgets",
    "--yes",
];

/// A GitHub Enterprise Server, where pages and API are on one host.
async fn world() -> World {
    let world = World::new().await;
    world.sandbox.github.become_server();
    world
}

fn variables(world: &World) -> Vec<(&'static str, String)> {
    let mut variables = world.variables();
    variables.extend(world.tokens());
    variables.extend([
        ("GITHUB_TOKEN", String::new()),
        ("GITHUB_API_URL", String::new()),
        ("IVAN__GITHUB__URL", world.sandbox.github.url()),
    ]);
    variables
}

/// `ivan init` while it runs.
struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    said: String,
    _took: Took,
}

impl Running {
    fn start(world: &World, words: &[&str]) -> Running {
        let mut child = binary()
            .arg("init")
            .arg("--github-app")
            .args(WORDS)
            .args(words)
            .current_dir(world.folder.path())
            .envs(variables(world))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Running {
            child,
            lines,
            said: String::new(),
            _took: Took::begin(),
        }
    }

    async fn line(&mut self) -> Option<String> {
        let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await;
        let line = line.expect("it goes on").unwrap()?;
        self.said.push_str(&line);
        self.said.push('\n');
        Some(line)
    }

    /// The address of the page.
    async fn page(&mut self) -> String {
        loop {
            let line = self.line().await;
            let line = line.unwrap_or_else(|| panic!("it ended: {}", self.said));
            if let Some(page) = line.strip_prefix("  http://127.0.0.1:") {
                return format!("http://127.0.0.1:{page}");
            }
        }
    }

    async fn ends(mut self) -> (ExitStatus, String) {
        while self.line().await.is_some() {}
        (self.child.wait().await.unwrap(), self.said)
    }
}

/// A form of a page: its address and its fields.
#[derive(Debug)]
struct Form {
    action: String,
    fields: Vec<(String, String)>,
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, after) = tag.split_once(&format!(" {name}=\""))?;
    let value = after.split('"').next()?;
    let value = value.replace("&quot;", "\"").replace("&lt;", "<");
    let value = value.replace("&gt;", ">").replace("&#39;", "'");
    Some(value.replace("&amp;", "&"))
}

/// The first form of a page at this address.
fn form(address: &str, html: &str) -> Form {
    let (_, form) = html
        .split_once("<form")
        .unwrap_or_else(|| panic!("no form: {html}"));
    let (form, _) = form.split_once("</form>").unwrap();
    let tag = form.split('>').next().unwrap();
    let address = reqwest::Url::parse(address).unwrap();
    let action = attribute(tag, "action").unwrap_or_default();
    let inputs = form.split("<input").skip(1);
    let fields = inputs.filter_map(|input| {
        let input = input.split('>').next()?;
        Some((attribute(input, "name")?, attribute(input, "value")?))
    });
    Form {
        action: address.join(&action).unwrap().to_string(),
        fields: fields.collect(),
    }
}

async fn get(address: &str) -> (u16, String) {
    let got = client().get(address).send().await.unwrap();
    (got.status().as_u16(), got.text().await.unwrap())
}

async fn press(form: &Form) -> reqwest::Response {
    let mut encoded = reqwest::Url::parse("http://form.test").unwrap();
    encoded.query_pairs_mut().extend_pairs(&form.fields);
    let body = encoded.query().unwrap_or_default().to_owned();
    let sent = client()
        .post(&form.action)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body);
    sent.send().await.unwrap()
}

/// From the page of `ivan init` to the address that GitHub sends the person back to.
async fn creates(page: &str, named: &str) -> String {
    let (status, html) = get(page).await;
    assert_eq!(status, 200, "{html}");
    let ours = form(page, &html);
    let asked = press(&ours).await;
    assert_eq!(asked.status(), 200);
    let mut theirs = form(&ours.action, &asked.text().await.unwrap());
    for (name, value) in &mut theirs.fields {
        if name.as_str() == "name" && !named.is_empty() {
            named.clone_into(value);
        }
    }
    let made = press(&theirs).await;
    assert_eq!(made.status(), 302, "{theirs:?}");
    made.headers()["location"].to_str().unwrap().to_owned()
}

/// The names of the files in the folder.
fn files(world: &World) -> Vec<String> {
    let all = fs::read_dir(world.folder.path()).unwrap();
    let mut names: Vec<String> = all
        .map(|file| file.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name == "bot.toml" || name.starts_with("github-app"))
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn an_app_is_made_installed_and_used() {
    let world = world().await;
    let github = &world.sandbox.github;
    let hook = [
        "--github-org",
        "acme",
        "--webhook-url",
        "https://bot.example",
    ];
    let mut init = Running::start(&world, &hook);
    let page = init.page().await;
    // Nobody without the page's address sees it, and answers of others are not used.
    let root = page.rsplit_once('/').unwrap().0;
    assert_eq!(get(&format!("{root}/other")).await.0, 404);
    assert_eq!(get(&format!("{root}/made?code=c&state=other")).await.0, 400);
    let back = creates(&page, "").await;
    assert!(back.starts_with(&format!("{root}/made?code=")), "{back}");
    let (status, said) = get(&back).await;
    assert_eq!(status, 200, "{said}");
    let (exit, said) = init.ends().await;
    assert!(exit.success(), "{said}");

    let server = github.url();
    for words in [
        "✓ GitHub made the App ivan-app (123456). It acts as ivan-app[bot].",
        "Its webhook goes to https://bot.example/webhooks/github",
        &format!(
            "for only the repositories that Ivan follows:\n  {server}/apps/ivan-app/installations/new\n"
        ),
        "is installed nowhere",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let key = fs::read_to_string(world.path("github-app-123456.pem")).unwrap();
    assert_eq!(key.trim(), github.app_key().trim());
    let secret = fs::read_to_string(world.path("github-app-123456.webhook-secret")).unwrap();
    assert!(
        github.hook_secrets().contains(&secret),
        "the App's secret is stored"
    );
    for secret in [secret.as_str(), "PRIVATE KEY"] {
        assert!(!said.contains(secret), "{said}");
    }
    for name in files(&world) {
        let mode = fs::metadata(world.path(&name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let written = world.file().unwrap();
    for line in [
        "app_id = \"123456\"".to_owned(),
        format!("app_key_file = \"{}\"", world.path("github-app-123456.pem")),
        format!(
            "webhook_secret_file = \"{}\"",
            world.path("github-app-123456.webhook-secret")
        ),
        format!("url = \"{server}\""),
        "repo = \"acme/widgets\"".to_owned(),
    ] {
        assert!(written.contains(&line), "{line}: {written}");
    }
    assert!(
        !written.contains(&secret) && !written.contains("token = \"github"),
        "{written}"
    );

    // GitHub was asked for what the docs say, by the organization.
    let made = github.app_made().unwrap();
    assert_eq!(
        made["permissions"],
        json!({"issues": "write", "metadata": "read"})
    );
    assert_eq!(
        made["events"],
        json!(["issues", "issue_comment", "repository"])
    );
    assert_eq!(
        (&made["owner"]["login"], &made["name"]),
        (&json!("acme"), &json!("Ivan for acme"))
    );

    // The code was used; it gives nothing more.
    let code = back
        .split("code=")
        .nth(1)
        .unwrap()
        .split('&')
        .next()
        .unwrap();
    let again = client()
        .post(format!("{server}/api/v3/app-manifests/{code}/conversions"))
        .header("user-agent", "a-story")
        .send()
        .await
        .unwrap();
    assert_eq!(again.status(), 404);

    let install = format!("{server}/apps/ivan-app/installations/new");
    let (_, html) = get(&install).await;
    assert_eq!(press(&form(&install, &html)).await.status(), 200);
    let doctor = binary()
        .arg("doctor")
        .current_dir(world.folder.path())
        .envs(variables(&world))
        .output()
        .await
        .unwrap();
    let doctor = String::from_utf8(doctor.stdout).unwrap();
    assert!(
        doctor.contains("Ivan acts as ivan-app[bot] in the installation"),
        "{doctor}"
    );

    // The App stays when `init` runs again.
    let again = world.piped(&["--no-clickup"], &variables(&world)).await;
    let said = String::from_utf8(again.stdout).unwrap();
    assert!(again.status.success(), "{said}");
    assert!(
        said.contains("✓ As before: the GitHub App 123456."),
        "{said}"
    );
    assert!(said.contains("✓ It is as answered already."), "{said}");
    assert_eq!(world.file().unwrap(), written);
}

/// Without a public address the webhook is not active. The App belongs to the person, who names it.
#[tokio::test]
async fn an_app_without_a_webhook_polls() {
    let world = world().await;
    let mut init = Running::start(&world, &[]);
    let page = init.page().await;
    let back = creates(&page, "Ivan of Bo").await;
    get(&back).await;
    let (exit, said) = init.ends().await;
    assert!(exit.success(), "{said}");
    assert!(
        said.contains("Its webhook is not active, so Ivan polls"),
        "{said}"
    );
    let made = world.sandbox.github.app_made().unwrap();
    assert_eq!(made["name"], "Ivan of Bo");
    assert_eq!(made["owner"]["login"], world.sandbox.github.me());
    assert_eq!(world.sandbox.github.deliveries().len(), 0);
}

#[derive(Debug, PartialEq, Eq)]
enum Mishap {
    Cancel,
    Late,
    Refused,
    Lost,
}

#[rstest]
#[case::cancelled(Mishap::Cancel, "✗ You pressed Cancel. No GitHub App was made\n")]
#[case::after_an_hour(Mishap::Late, "it was used already, or is older than an hour")]
#[case::refused(
    Mishap::Refused,
    "✗ GitHub refuses to hand the new App over (Validation Failed)"
)]
#[case::answer_lost(Mishap::Lost, "✗ GitHub did not hand the new App over")]
#[tokio::test]
async fn a_mishap_is_said_and_leaves_nothing(#[case] mishap: Mishap, #[case] words: &str) {
    let world = world().await;
    let github = &world.sandbox.github;
    let mut init = Running::start(&world, &["--github-org", "acme"]);
    let page = init.page().await;
    if mishap == Mishap::Cancel {
        let cancel = Form {
            action: format!("{page}/cancel"),
            fields: Vec::new(),
        };
        assert_eq!(press(&cancel).await.status(), 200);
    } else {
        let back = creates(&page, "").await;
        let body = json!({"message": "Validation Failed"}).to_string();
        match mishap {
            Mishap::Late => github.clock_is_ahead(3_600_000),
            Mishap::Refused => {
                let refused = Fault::new(FaultKind::answer(422, body));
                github.front().fault(refused.on("POST", "/conversions"));
            }
            _ => {
                let lost = Fault::new(FaultKind::ApplyThenDrop);
                github.front().fault(lost.on("POST", "/conversions"));
            }
        }
        assert_eq!(get(&back).await.0, 200);
    }
    let (exit, said) = init.ends().await;
    assert_eq!(exit.code(), Some(1), "{said}");
    assert!(said.contains(words), "{said}");
    if mishap != Mishap::Cancel {
        let look = format!("Look at {}/settings/apps", github.url());
        assert!(said.contains(&look), "{said}");
    }
    assert_eq!(files(&world), Vec::<String>::new());
}

/// A manifest that GitHub does not take is shown by GitHub; the page here can be used again.
#[tokio::test]
async fn a_page_can_be_used_again_after_github_refused() {
    let world = world().await;
    let mut init = Running::start(&world, &["--github-org", "nobody-of-here"]);
    let page = init.page().await;
    let (_, html) = get(&page).await;
    assert_eq!(press(&form(&page, &html)).await.status(), 404);
    let mut own = form(&page, &html);
    own.action = own.action.replace("/organizations/nobody-of-here", "");
    let (name, manifest) = own.fields[0].clone();
    assert_eq!(name, "manifest");
    let mut wrong: Value = serde_json::from_str(&manifest).unwrap();
    wrong["hook_attributes"] = json!({"active": false});
    own.fields[0].1 = wrong.to_string();
    let refused = press(&own).await;
    assert_eq!(refused.status(), 422);
    let refused = refused.text().await.unwrap();
    assert!(
        refused.contains("&quot;url&quot; wasn't supplied"),
        "{refused}"
    );
    assert_eq!(get(&page).await.0, 200);
}

#[tokio::test]
async fn nothing_is_made_while_answers_are_missing() {
    let world = world().await;
    let words = ["--github-app", "--no-clickup", "--operator", "bo@acme.test"];
    let ran = world.piped(&words, &variables(&world)).await;
    let said = String::from_utf8(ran.stdout).unwrap();
    assert_eq!(ran.status.code(), Some(2), "{said}");
    assert!(said.contains("--github-repo REPO"), "{said}");
    let words = [&words[..], &["--github-repo", "acme/widgets"]].concat();
    let ran = world.piped(&words, &variables(&world)).await;
    let said = String::from_utf8(ran.stdout).unwrap();
    assert_eq!(ran.status.code(), Some(2), "{said}");
    assert!(said.contains("  --yes\n"), "{said}");
    assert!(!said.contains("http://127.0.0.1:"), "{said}");
}

/// At a terminal: the word `app` in place of a token, then questions; a No keeps the App and says how to use it.
#[rstest]
#[case::yes(true)]
#[case::no(false)]
#[tokio::test]
async fn at_a_terminal_app_is_an_answer(#[case] writes: bool) {
    let world = world().await;
    let words = ["init", "--no-clickup", "--operator", "bo@acme.test"];
    let mut terminal = Terminal::running(&words, Some(world.folder.path()), &variables(&world));
    for (prompt, answer) in [
        ("Token (github_pat_…, not shown):", "app"),
        ("further ones (acme/widgets acme/api):", "acme/widgets"),
        ("or Enter for your own account:", "acme"),
        ("or Enter for none:", ""),
    ] {
        terminal
            .until(prompt, |screen| screen.trim_end().ends_with(prompt))
            .await;
        terminal.types(&format!("{answer}\r"));
    }
    let page = RefCell::new(String::new());
    terminal
        .until("the address of the page", |screen| {
            let mut lines = screen.lines();
            let line = lines.find(|line| line.starts_with("  http://127.0.0.1:"));
            page.replace(line.unwrap_or_default().trim().to_owned());
            screen.contains("Ctrl-C stops.")
        })
        .await;
    let back = creates(&page.take(), "").await;
    get(&back).await;
    terminal.shows("Write it? [Y/n]").await;
    if !writes {
        terminal.types("n\r");
        let (exit, screen) = terminal.ends().await;
        assert!(exit.success(), "{screen}");
        let words = "To use it, put this into [github] of bot.toml:\n  app_id = \"123456\"\n  app_key_file = ";
        assert!(screen.contains(words), "{screen}");
        assert_eq!(files(&world).len(), 2);
        return;
    }
    terminal.types("y\r");
    terminal.shows("Press Enter when it is installed:").await;
    world.sandbox.github.install_app("acme");
    terminal.types("\r");
    terminal.shows("write: help\n").await;
    let slack = &world.sandbox.slack;
    slack.says(BO, &slack.dm(BO), "help");
    terminal.shows("until Ctrl-C").await;
    terminal.types(CTRL_C);
    let (exit, screen) = terminal.ends().await;
    assert!(exit.success(), "{screen}");
    assert!(!screen.contains("PRIVATE KEY"), "{screen}");
    assert_eq!(files(&world).len(), 3);
}
