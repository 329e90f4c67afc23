//! `ivan demo --web` in a browser: headless Chromium, driven over its DevTools protocol. Skipped where there is none.
//!
//! Where axe-core is installed (`npm install --global axe-core`, or its `axe.min.js` named by `IVAN_AXE`), it looks for
//! faults of accessibility. `IVAN_PICTURES=write cargo test --test it demo_browser::` leaves pictures of the page at three
//! widths, light and dark, in `target/tmp/page`, to be looked at.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use base64::Engine as _;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::Child;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::demo::{README_LINES, from_the_readme};
use crate::demo_page::{DemoPage, PATIENCE};
use crate::harness::{client, program};

/// The names of the program in Debian, Fedora and elsewhere.
const CHROMIUM: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
/// The variable that makes a missing browser an error.
const NEEDED: &str = "IVAN_NEEDS_CHROMIUM";
/// The variable that names the file of axe-core.
const AXE: &str = "IVAN_AXE";
/// The files of axe-core that npm installs globally.
const AXE_INSTALLED: [&str; 2] = [
    "/usr/lib/node_modules/axe-core/axe.min.js",
    "/usr/local/lib/node_modules/axe-core/axe.min.js",
];
/// The widths and heights at which the page is looked at.
const SIZES: [(u32, u32); 3] = [(375, 812), (768, 1024), (1440, 900)];

/// The script of axe-core, if it is installed.
fn axe() -> Option<String> {
    let named = std::env::var_os(AXE).map(PathBuf::from);
    let mut known = AXE_INSTALLED.iter().map(PathBuf::from);
    let file = match named {
        Some(named) => Some(named),
        None => known.find(|file| file.exists()),
    };
    let Some(file) = file else {
        eprintln!("SKIPPED: axe-core is not installed, so accessibility was not checked");
        return None;
    };
    let read = std::fs::read_to_string(&file);
    Some(read.unwrap_or_else(|error| panic!("{}: {error}", file.display())))
}

/// Whether pictures are to be drawn.
pub fn draws() -> bool {
    std::env::var_os("IVAN_PICTURES").is_some_and(|it| it == "write")
}

/// A browser with one tab.
pub struct Browser {
    tab: WebSocketStream<MaybeTlsStream<TcpStream>>,
    calls: u64,
    /// Exceptions of the script, and what the browser refused or could not load.
    pub faults: Vec<String>,
    axe: Option<String>,
    _child: Child,
    _folder: TempDir,
}

impl Browser {
    /// Starts it; `None` where it is not installed.
    pub async fn start() -> Option<Browser> {
        let folder = tempfile::tempdir().unwrap();
        let profile = format!("--user-data-dir={}", folder.path().display());
        let spawned = CHROMIUM.into_iter().find_map(|name| {
            program(name)
                .args(["--headless=new", "--no-sandbox", "--disable-gpu"])
                .args(["--disable-dev-shm-usage", "--remote-debugging-port=0"])
                .args([&profile, "about:blank"])
                .env("HOME", folder.path())
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .kill_on_drop(true)
                .spawn()
                .ok()
        });
        let Some(mut child) = spawned else {
            assert!(std::env::var_os(NEEDED).is_none(), "there is no Chromium");
            eprintln!("SKIPPED: no Chromium is installed, so the page was not tried in a browser");
            return None;
        };
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let listening = async {
            loop {
                let line = lines.next_line().await.unwrap().expect("it starts");
                if let Some((_, rest)) = line.split_once("DevTools listening on ws://") {
                    return rest.split('/').next().unwrap().to_owned();
                }
            }
        };
        let address = tokio::time::timeout(PATIENCE, listening).await.unwrap();
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let url = format!("http://{address}/json/list");
        let tabs: Value = client()
            .get(url)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        let mut tabs = tabs.as_array().unwrap().iter();
        let tab = tabs.find(|tab| tab["type"] == "page").expect("a tab");
        let (tab, _) = connect_async(tab["webSocketDebuggerUrl"].as_str().unwrap())
            .await
            .unwrap();
        let mut browser = Browser {
            tab,
            calls: 0,
            faults: Vec::new(),
            axe: axe(),
            _child: child,
            _folder: folder,
        };
        for domain in ["Page", "Runtime", "Log"] {
            browser.call(&format!("{domain}.enable"), json!({})).await;
        }
        Some(browser)
    }

    /// Calls a method of the protocol.
    pub async fn call(&mut self, method: &str, params: Value) -> Value {
        self.calls += 1;
        let id = self.calls;
        let call = json!({"id": id, "method": method, "params": params});
        self.tab
            .send(Message::text(call.to_string()))
            .await
            .unwrap();
        loop {
            let frame = self.tab.next().await.expect("the tab is open").unwrap();
            let Ok(text) = frame.to_text() else { continue };
            let got: Value = serde_json::from_str(text).unwrap_or_default();
            match got["method"].as_str() {
                Some("Runtime.exceptionThrown" | "Log.entryAdded") => {
                    self.faults.push(got["params"].to_string());
                }
                _ if got["id"] == id => {
                    assert!(got["error"].is_null(), "{method}: {got}");
                    return got["result"].clone();
                }
                _ => {}
            }
        }
    }

    /// The value of an expression, or of its promise.
    pub async fn value(&mut self, expression: &str) -> Value {
        let call = self.call(
            "Runtime.evaluate",
            json!({"expression": expression, "awaitPromise": true, "returnByValue": true}),
        );
        let got = tokio::time::timeout(PATIENCE, call).await;
        let got = got.unwrap_or_else(|_| panic!("not in time: {expression}"));
        assert!(got["exceptionDetails"].is_null(), "{expression}: {got}");
        got["result"]["value"].clone()
    }

    /// Waits until an expression holds: now, or after a change of the page.
    pub async fn until(&mut self, expression: &str) {
        let wait = format!(
            "new Promise((done) => {{
                const look = () => {{ if ({expression}) {{ changes.disconnect(); done(true); }} }};
                const changes = new MutationObserver(look);
                changes.observe(document, {{ subtree: true, childList: true, attributes: true, characterData: true }});
                look();
            }})"
        );
        self.value(&wait).await;
    }

    /// Waits until the newest message says that.
    pub async fn hears(&mut self, words: &str) {
        let words = json!(words);
        self.until(&format!("{LAST}?.textContent.includes({words})"))
            .await;
    }

    pub async fn key(&mut self, key: &str, code: u64, text: &str) {
        let key = json!({"type": "keyDown", "key": key, "code": key, "windowsVirtualKeyCode": code, "text": text});
        self.call("Input.dispatchKeyEvent", key.clone()).await;
        let mut up = key;
        up["type"] = json!("keyUp");
        self.call("Input.dispatchKeyEvent", up).await;
    }

    /// Types into the element in focus.
    pub async fn types(&mut self, text: &str) {
        self.call("Input.insertText", json!({ "text": text })).await;
    }

    /// Types a line into the message box, and sends it with Enter.
    pub async fn says(&mut self, line: &str) {
        self.value("document.getElementById('text').focus()").await;
        self.types(line).await;
        self.key("Enter", 13, "\r").await;
    }

    /// Presses the button that an expression finds, by the keyboard.
    pub async fn presses(&mut self, button: &str) {
        self.until(&format!("{button} && !{button}.disabled")).await;
        self.value(&format!("{button}.focus()")).await;
        self.key("Enter", 13, "\r").await;
    }

    pub async fn is_sized(&mut self, width: u32, height: u32) {
        let size =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.call("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// Chooses light or dark, and no animations.
    pub async fn is_colored(&mut self, scheme: &str) {
        let features = json!([
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]);
        self.call("Emulation.setEmulatedMedia", json!({"features": features}))
            .await;
    }

    /// Opens the page of a demo, and waits until it is drawn.
    pub async fn opens(&mut self, demo: &DemoPage) {
        self.call("Page.navigate", json!({"url": demo.url})).await;
        self.until("document.querySelectorAll('#conversations button').length > 2")
            .await;
    }

    /// A PNG of the page, or of a part of it.
    pub async fn picture(&mut self, clip: Option<Value>) -> Vec<u8> {
        let mut shot = json!({"format": "png"});
        if let Some(clip) = clip {
            shot["clip"] = clip;
        }
        self.drawn(shot).await
    }

    /// A picture of the page.
    pub async fn drawn(&mut self, how: Value) -> Vec<u8> {
        let drawn = self.call("Page.captureScreenshot", how).await;
        let drawn = drawn["data"].as_str().unwrap();
        base64::engine::general_purpose::STANDARD
            .decode(drawn)
            .unwrap()
    }

    /// Leaves pictures of each part of the page at each width, light and dark, if pictures are to be drawn.
    async fn is_drawn(&mut self, name: &str) {
        if !draws() {
            return;
        }
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("page");
        std::fs::create_dir_all(&folder).unwrap();
        for scheme in ["light", "dark"] {
            self.is_colored(scheme).await;
            for (width, height) in SIZES {
                self.is_sized(width, height).await;
                let parts: &[&str] = match width {
                    1440 => &["talk"],
                    768 => &["talk", "sources", "world"],
                    _ => &["places", "talk", "sources", "world"],
                };
                for part in parts {
                    self.value(&format!("show('{part}')")).await;
                    let file = folder.join(format!("{name}-{width}-{part}-{scheme}.png"));
                    std::fs::write(file, self.picture(None).await).unwrap();
                }
            }
        }
        self.is_colored("light").await;
        self.value("show('talk')").await;
    }

    /// Looks for faults of accessibility, light and dark; without axe-core nothing is looked for.
    pub async fn is_accessible(&mut self, place: &str) {
        let Some(axe) = self.axe.clone() else { return };
        self.call("Runtime.evaluate", json!({ "expression": axe }))
            .await;
        for scheme in ["light", "dark"] {
            self.is_colored(scheme).await;
            let found = self
                .value(
                    "axe.run(document, { resultTypes: ['violations'] }).then((found) => found.violations.map((one) =>
                        [one.id, one.help, one.nodes.map((node) => [node.target, node.failureSummary])]))",
                )
                .await;
            assert_eq!(found, json!([]), "{place}, {scheme}: {found:#}");
        }
        self.is_colored("light").await;
    }
}

/// The newest message.
pub const LAST: &str = "document.querySelector('#messages article:last-child')";

/// The button of the newest message with that name.
pub fn button(label: &str) -> String {
    let label = json!(label);
    format!(
        "[...document.querySelectorAll('#messages article:last-child .said button')].find((one) => one.textContent === {label})"
    )
}

pub fn switch(name: &str) -> String {
    format!(
        "document.querySelector('#switches [data-focus={}]')",
        json!(name)
    )
}

#[tokio::test]
async fn a_newcomer_works_in_the_page_by_keyboard() {
    let Some(mut browser) = Browser::start().await else {
        return;
    };
    let demo = DemoPage::start(&[]).await;
    browser.is_sized(1440, 900).await;
    browser.opens(&demo).await;
    browser.says("current").await;
    browser.presses(&button("Done")).await;
    browser.hears("✓ Task completed in ClickUp").await;
    let done = "[...document.querySelectorAll('.task.done')].some((one) => one.textContent.includes('Renew the certificate'))";
    browser.until(done).await;
    browser.presses(&button("Undo")).await;
    browser.hears("✓ Undone").await;
    browser.until(&format!("!{done}")).await;
    // A form: empty, then without words, then right.
    browser.says("current").await;
    browser.presses(&button("Comment")).await;
    let field = "document.querySelector('dialog[open] [data-block]')";
    let error = "document.querySelector('dialog[open] .error')";
    browser.until(field).await;
    browser
        .presses("document.querySelector('dialog[open] .primary')")
        .await;
    browser
        .until(&format!("{error}.textContent.includes('required')"))
        .await;
    browser.is_accessible("a form with an error").await;
    browser.is_drawn("form").await;
    browser.is_sized(1440, 900).await;
    browser.value(&format!("{field}.focus()")).await;
    browser.types(" ").await;
    browser
        .presses("document.querySelector('dialog[open] .primary')")
        .await;
    browser
        .until(&format!("{error}.textContent === 'A comment needs text.'"))
        .await;
    browser.types("shipped in 2.1").await;
    browser
        .presses("document.querySelector('dialog[open] .primary')")
        .await;
    browser.until("!document.querySelector('dialog')").await;
    browser.hears("✓ Comment added in ClickUp").await;
    // An outage, healed in the same message.
    browser.presses(&switch("clickup down")).await;
    browser
        .until("document.getElementById('pill-clickup').textContent === 'down'")
        .await;
    browser.says("done").await;
    browser.hears("… ").await;
    browser.is_accessible("an outage").await;
    browser.is_drawn("outage").await;
    browser.is_sized(1440, 900).await;
    let marked = format!("{LAST}.previousElementSibling.dataset.before = 'yes'");
    browser.value(&marked).await;
    browser.presses(&switch("clickup down")).await;
    browser.hears("✓ Task completed in ClickUp").await;
    browser
        .until(&format!(
            "{LAST}.previousElementSibling.dataset.before === 'yes'"
        ))
        .await;
    // `kill -9` and a new start.
    browser.presses(&switch("kill")).await;
    browser.presses(&switch("start")).await;
    browser
        .until("document.getElementById('daemon').textContent.includes('start 2')")
        .await;
    browser.says("whoami").await;
    browser.hears("Slack").await;
    // The Home tab, and no sideways scrolling at any width.
    browser
        .presses("[...document.querySelectorAll('#conversations button')].at(-1)")
        .await;
    browser
        .until("document.querySelectorAll('#messages .home button').length > 3")
        .await;
    browser.is_accessible("the Home tab").await;
    browser.is_drawn("home").await;
    for (width, height) in SIZES {
        browser.is_sized(width, height).await;
        for view in ["places", "talk", "sources", "world"] {
            let wide = browser
                .value(&format!(
                    "show('{view}'); document.documentElement.scrollWidth - innerWidth"
                ))
                .await;
            assert!(wide.as_i64().unwrap() <= 0, "{view} at {width} px: {wide}");
        }
    }
    let scrolled = browser
        .value("document.getElementById('messages').scrollTop")
        .await;
    assert_eq!(scrolled, 0, "the Home tab begins at its top at each width");
    assert!(browser.faults.is_empty(), "{:#?}", browser.faults);
    demo.ends().await;
}

/// The first line of each answer in the README, without the numbers of its buttons.
fn answers_of_the_readme() -> Vec<String> {
    let printed = from_the_readme();
    let answers = printed
        .lines()
        .filter_map(|line| line.strip_prefix("Ivan › "));
    let words = |line: &str| line.split("  [").next().unwrap_or_default().to_owned();
    answers.map(words).collect()
}

#[tokio::test]
async fn the_lines_of_the_readme_have_their_answers_and_their_requests() {
    let Some(mut browser) = Browser::start().await else {
        return;
    };
    let demo = DemoPage::start(&[]).await;
    browser.is_sized(1440, 900).await;
    browser.opens(&demo).await;
    // The welcome of somebody who opens the conversation for the first time.
    browser.hears("Hi Ana").await;
    let answers = answers_of_the_readme();
    assert_eq!(answers.len(), README_LINES.len());
    for (line, answer) in README_LINES.into_iter().zip(&answers) {
        browser.says(line).await;
        browser.hears(answer).await;
    }
    let in_github = "[...document.querySelectorAll('#tasks-github .title')].some((one) => one.textContent.includes('[CLIENT:acme] Fix login'))";
    browser.until(in_github).await;
    browser.is_accessible("the lines of the README").await;
    browser.is_drawn("readme").await;
    // Each request is below the message that it belongs to, and leads to its entry and back.
    browser.is_sized(1440, 900).await;
    let created = "[...document.querySelectorAll('#messages article')].find((one) => one.textContent.includes('Issue created'))";
    let request = format!("{created}.querySelector('.sent button')");
    browser
        .until(&format!(
            "{request}?.textContent === 'GitHub POST /repos/acme/widgets/issues → 201'"
        ))
        .await;
    browser.presses(&request).await;
    let entry = "document.activeElement.closest('#log .request')";
    browser
        .until(&format!("{entry}?.querySelector('details').open"))
        .await;
    let body = browser
        .value(&format!("{entry}.querySelector('pre').textContent"))
        .await;
    assert!(body.as_str().unwrap().contains("[CLIENT:acme] Fix login"));
    browser
        .presses(&format!("{entry}.querySelector('p button')"))
        .await;
    browser
        .until(&format!("document.activeElement === {created}"))
        .await;
    // Of a narrow page, the part with the other end is shown.
    browser.is_sized(375, 812).await;
    browser.presses(&request).await;
    browser
        .until("document.body.dataset.view === 'sources'")
        .await;
    browser
        .presses(&format!("{entry}.querySelector('p button')"))
        .await;
    browser
        .until(&format!(
            "document.body.dataset.view === 'talk' && document.activeElement === {created}"
        ))
        .await;
    // A message with a file.
    browser.is_sized(1440, 900).await;
    browser.presses("document.getElementById('attach')").await;
    browser
        .until("document.getElementById('hint').textContent.includes('shot.png')")
        .await;
    browser.says("create Fix the header").await;
    browser.hears("shot.png is attached in ClickUp, too").await;
    let shared = "[...document.querySelectorAll('#messages article')].some((one) => one.textContent.includes('File: shot.png'))";
    browser.until(shared).await;
    // The next message has none.
    browser
        .until("document.getElementById('attach').getAttribute('aria-pressed') === 'false'")
        .await;
    // An ephemeral answer has its requests, too.
    browser.says("/ivan create Sell milk").await;
    let own = "document.querySelector('#messages article.own')";
    browser
        .until(&format!(
            "{own}?.textContent.includes('✓ Task created') && {own}.querySelector('.sent')?.textContent.includes('ClickUp POST ')"
        ))
        .await;
    assert!(browser.faults.is_empty(), "{:#?}", browser.faults);
    demo.ends().await;
}
