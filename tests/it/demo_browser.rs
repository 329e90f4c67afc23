//! `ivan demo --web` in a browser: headless Chromium, driven over its DevTools protocol. Skipped where there is none.

use std::process::Stdio;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::Child;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::demo_page::{DemoPage, PATIENCE};
use crate::harness::{client, program};

/// The names of the program in Debian, Fedora and elsewhere.
const CHROMIUM: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
/// The variable that makes a missing browser an error.
const NEEDED: &str = "IVAN_NEEDS_CHROMIUM";

/// A browser with one tab.
struct Browser {
    tab: WebSocketStream<MaybeTlsStream<TcpStream>>,
    calls: u64,
    /// Exceptions of the script, and what the browser refused or could not load.
    faults: Vec<String>,
    _child: Child,
    _folder: TempDir,
}

impl Browser {
    /// Starts it; `None` where it is not installed.
    async fn start() -> Option<Browser> {
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
            _child: child,
            _folder: folder,
        };
        for domain in ["Page", "Runtime", "Log"] {
            browser.call(&format!("{domain}.enable"), json!({})).await;
        }
        Some(browser)
    }

    /// Calls a method of the protocol.
    async fn call(&mut self, method: &str, params: Value) -> Value {
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
    async fn value(&mut self, expression: &str) -> Value {
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
    async fn until(&mut self, expression: &str) {
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
    async fn hears(&mut self, words: &str) {
        let words = json!(words);
        self.until(&format!("{LAST}?.textContent.includes({words})"))
            .await;
    }

    async fn key(&mut self, key: &str, code: u64, text: &str) {
        let key = json!({"type": "keyDown", "key": key, "code": key, "windowsVirtualKeyCode": code, "text": text});
        self.call("Input.dispatchKeyEvent", key.clone()).await;
        let mut up = key;
        up["type"] = json!("keyUp");
        self.call("Input.dispatchKeyEvent", up).await;
    }

    /// Types into the element in focus.
    async fn types(&mut self, text: &str) {
        self.call("Input.insertText", json!({ "text": text })).await;
    }

    /// Types a line into the message box, and sends it with Enter.
    async fn says(&mut self, line: &str) {
        self.value("document.getElementById('text').focus()").await;
        self.types(line).await;
        self.key("Enter", 13, "\r").await;
    }

    /// Presses the button that an expression finds, by the keyboard.
    async fn presses(&mut self, button: &str) {
        self.until(&format!("{button} && !{button}.disabled")).await;
        self.value(&format!("{button}.focus()")).await;
        self.key("Enter", 13, "\r").await;
    }

    async fn is_sized(&mut self, width: u32, height: u32) {
        let size =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.call("Emulation.setDeviceMetricsOverride", size).await;
    }
}

/// The newest message.
const LAST: &str = "document.querySelector('#messages article:last-child')";

/// The button of the newest message with that name.
fn button(label: &str) -> String {
    let label = json!(label);
    format!(
        "[...document.querySelectorAll('#messages article:last-child .said button')].find((one) => one.textContent === {label})"
    )
}

fn switch(name: &str) -> String {
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
    browser
        .call("Page.navigate", json!({"url": demo.url}))
        .await;
    browser
        .until("document.querySelectorAll('#conversations button').length > 2")
        .await;
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
    for (width, height) in [(375, 812), (768, 1024), (1440, 900)] {
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
    assert!(browser.faults.is_empty(), "{:#?}", browser.faults);
    demo.ends().await;
}
