//! The pictures of `docs/slack.md` and the film, drawn from the page of the demo.
//!
//! `IVAN_PICTURES=write cargo test --test it demo_pictures::` draws them with Chromium. `docs/pictures/shown.txt` then has a
//! digest of the rows of `docs/messages.md` that each of them shows: a picture is too old when its rows have changed.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::demo_browser::{Browser, LAST, button, draws, switch};
use crate::demo_page::DemoPage;

/// Each picture, and the rows of `docs/messages.md` that it shows, by their first column.
const PICTURES: [(&str, &[&str]); 14] = [
    (
        "typing.png",
        &["`current`", "`done`, with another task in the queue"],
    ),
    ("waiting.png", &[WAITS]),
    ("channel.png", &["`create` in ClickUp"]),
    ("mention.png", &["`create` in ClickUp"]),
    ("thread.png", &["`current`", "`comment` in GitHub"]),
    ("slash.png", &["`list 2`"]),
    (
        "button.png",
        &[
            "`current`",
            "`done`, with another task in the queue",
            "`undo of done` in ClickUp",
        ],
    ),
    ("form.png", &["a field: comment"]),
    (
        "reaction.png",
        &["`current`", "`done`, with another task in the queue"],
    ),
    (
        "shortcut.png",
        &["a field: title", "a field: place", "a field: due date"],
    ),
    (
        "message.png",
        &["a field: title", "a field: place", "a field: due date"],
    ),
    (
        "home.png",
        &[
            "the first line",
            "the headings",
            "briefing",
            "quiet hours",
            "receipts",
            "notices",
        ],
    ),
    ("notice.png", &["commented"]),
    (FILM, &["`create` in ClickUp", "`done` in ClickUp", WAITS]),
];
const FILM: &str = "film.webp";
/// The row of a command whose source does not answer.
const WAITS: &str = "`done`, and the source is down";
/// The most bytes of a picture, and of the film.
const PICTURE_MAX: usize = 200_000;
const FILM_MAX: usize = 1_000_000;
/// The size of the page for pictures: so narrow that it shows one part at a time.
const SIZE: (u32, u32) = (660, 1600);
const FILM_SIZE: (u32, u32) = (640, 560);

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/pictures")
}

/// The digest of the rows that a picture shows.
fn digest(rows: &[&str]) -> String {
    let messages = include_str!("../../docs/messages.md");
    let mut shown = Sha256::new();
    for row in rows {
        let begin = format!("| {row} | ");
        let mut found = messages
            .lines()
            .filter(|line| line.starts_with(&begin))
            .peekable();
        assert!(found.peek().is_some(), "docs/messages.md has no row {row}");
        found.for_each(|line| shown.update(line));
    }
    let hex = hex::encode(shown.finalize());
    hex.get(..16).unwrap().to_owned()
}

fn digests() -> String {
    let mut lines = String::new();
    for (name, rows) in PICTURES {
        writeln!(lines, "{name} {}", digest(rows)).unwrap();
    }
    lines
}

/// The names behind `](pictures/` or `](docs/pictures/` in a page.
fn named_in(page: &str) -> impl Iterator<Item = &str> {
    let behind = page.split("pictures/").skip(1);
    behind.filter_map(|rest| rest.split(')').next())
}

#[tokio::test]
async fn the_pictures_are_there_and_as_young_as_their_messages() {
    if draws() {
        Box::pin(draw_pictures()).await;
        Box::pin(draw_film()).await;
        std::fs::write(folder().join("shown.txt"), digests()).unwrap();
    }
    let shown = std::fs::read_to_string(folder().join("shown.txt")).unwrap();
    assert!(
        shown == digests(),
        "Messages in docs/pictures have changed; draw the pictures again with \
         `IVAN_PICTURES=write cargo test --test it demo_pictures::`. Drawn with:\n{shown}Now:\n{}",
        digests()
    );
    let names: BTreeSet<&str> = PICTURES.iter().map(|(name, _)| *name).collect();
    let pages = [
        include_str!("../../README.md"),
        include_str!("../../docs/slack.md"),
        include_str!("../../docs/getting-started.md"),
    ];
    let named: BTreeSet<&str> = pages.into_iter().flat_map(named_in).collect();
    assert_eq!(named, names);
    for name in &names {
        let bytes = std::fs::read(folder().join(name)).unwrap();
        let (begins, most) = match *name {
            FILM => (bytes.starts_with(b"RIFF"), FILM_MAX),
            _ => (bytes.starts_with(b"\x89PNG"), PICTURE_MAX),
        };
        assert!(begins && bytes.len() < most, "{name}: {}", bytes.len());
    }
    for entry in std::fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let known = name == "shown.txt" || names.contains(name.as_str());
        assert!(known, "no page shows docs/pictures/{name}");
    }
    let film = std::fs::read(folder().join(FILM)).unwrap();
    let frames = durations(&film);
    let lasts: u32 = frames.iter().sum();
    assert!(frames.len() > 10, "{frames:?}");
    assert!((18_000..22_000).contains(&lasts), "{lasts} ms");
}

/// A browser and a demo at the beginning, in Ana's direct messages, without the elements of a selector.
async fn begin((width, height): (u32, u32), hidden: &str) -> (Browser, DemoPage) {
    let mut browser = Browser::start().await.expect("Chromium draws them");
    let demo = DemoPage::start(&[]).await;
    browser.is_sized(width, height).await;
    browser.is_colored("light").await;
    browser.opens(&demo).await;
    browser.hears("Hi Ana").await;
    let rule = json!(format!("{hidden} {{ display: none }}"));
    browser
        .value(&format!(
            "((sheet) => sheet.insertRule({rule}, sheet.cssRules.length))(document.styleSheets[0])"
        ))
        .await;
    (browser, demo)
}

/// Draws the elements that an expression finds.
async fn keeps(browser: &mut Browser, name: &str, elements: &str) {
    // Scrolled and drawn, and nothing has the focus.
    let clip = browser
        .value(&format!(
            "new Promise((done) => {{
                document.activeElement.blur();
                requestAnimationFrame(() => requestAnimationFrame(() => {{
                    const boxes = {elements}.map((one) => one.getBoundingClientRect());
                    const [left, top] = [Math.min(...boxes.map((one) => one.left)), Math.min(...boxes.map((one) => one.top))];
                    const [right, bottom] = [Math.max(...boxes.map((one) => one.right)), Math.max(...boxes.map((one) => one.bottom))];
                    done({{ x: left, y: top, width: right - left, height: bottom - top, scale: 1 }});
                }}));
            }})"
        ))
        .await;
    let drawn = browser.picture(Some(clip)).await;
    std::fs::write(folder().join(name), drawn).unwrap();
}

/// The newest messages in view.
fn last(count: usize) -> String {
    format!("[...document.querySelectorAll('#messages article')].slice(-{count})")
}

const DIALOG: &str = "[document.querySelector('dialog[open]')]";

async fn goes_to(browser: &mut Browser, name: &str) {
    browser
        .value(&format!(
            "go(state.conversations.find((one) => one.name === '{name}').id); true"
        ))
        .await;
}

async fn draw_pictures() {
    std::fs::create_dir_all(folder()).unwrap();
    // Slack has no lists of requests, and shows the tools of a message only under the pointer.
    let (mut browser, demo) = begin(SIZE, ".tools, .sent").await;
    let browser = &mut browser;
    browser.says("current").await;
    browser.hears("Renew the certificate").await;
    browser.says("done").await;
    browser.hears("✓ Task completed in ClickUp").await;
    keeps(browser, "typing.png", &last(4)).await;
    browser.presses(&button("Undo")).await;
    browser.hears("✓ Undone").await;
    browser.says("current").await;
    browser.hears("Renew the certificate").await;
    browser.presses(&button("Done")).await;
    browser.hears("✓ Task completed in ClickUp").await;
    let struck = format!("{LAST}.previousElementSibling.querySelector('s')");
    browser.until(&struck).await;
    keeps(browser, "button.png", &last(2)).await;
    browser.presses(&button("Undo")).await;
    browser.hears("✓ Undone").await;
    browser.says("current").await;
    browser.hears("Renew the certificate").await;
    browser.presses(&button("Comment")).await;
    let field = "document.querySelector('dialog[open] [data-block]')";
    browser.until(field).await;
    browser.types(" ").await;
    let send = "document.querySelector('dialog[open] .primary')";
    browser.presses(send).await;
    browser
        .until("document.querySelector('dialog[open] .error').textContent.includes('needs text')")
        .await;
    keeps(browser, "form.png", DIALOG).await;
    browser
        .presses("document.querySelector('dialog[open] button[type=button]')")
        .await;
    browser.until("!document.querySelector('dialog')").await;
    let react = format!("{LAST}.querySelector('[data-focus=\"sign white_check_mark\"]').click()");
    browser.value(&react).await;
    browser.hears("✓ Task completed in ClickUp").await;
    let reacted = format!("{LAST}.previousElementSibling.querySelector('.reactions')");
    browser.until(&reacted).await;
    browser.until(&struck).await;
    keeps(browser, "reaction.png", &last(2)).await;
    let waits = switch("github down");
    browser.value(&format!("{waits}.click()")).await;
    browser
        .until("document.getElementById('pill-github').textContent === 'down'")
        .await;
    browser.says("done").await;
    browser.hears("… ").await;
    keeps(browser, "waiting.png", &last(2)).await;
    browser.value(&format!("{waits}.click()")).await;
    browser.hears("✓ Issue closed in GitHub").await;
    let commented = "(() => {
        const task = state.sources[0].tasks.find((one) => one.open && one.assignees.includes('Ana'));
        return post('others', { user: 'U0BOB01', system: 'clickup', key: task.key, text: 'I can take it over tomorrow.' }, 'Bo comments');
    })()";
    browser.value(commented).await;
    browser.hears("commented on").await;
    keeps(browser, "notice.png", &last(1)).await;
    browser.says("current").await;
    browser.hears("why:").await;
    let reply = format!("{LAST}.querySelector('[data-focus=reply]').click()");
    browser.value(&reply).await;
    browser.says("comment The supplier has answered").await;
    browser.hears("✓ Comment added").await;
    keeps(browser, "thread.png", &last(3)).await;
    browser.value("go(state.conversations[0].id); true").await;
    browser.says("/ivan list 3").await;
    browser.hears("Only visible to you").await;
    keeps(browser, "slash.png", &last(1)).await;
    browser
        .value("document.getElementById('new-task').click()")
        .await;
    browser.until(field).await;
    browser.types("Order a second screen").await;
    keeps(browser, "shortcut.png", DIALOG).await;
    browser
        .presses("document.querySelector('dialog[open] button[type=button]')")
        .await;
    browser.until("!document.querySelector('dialog')").await;
    goes_to(browser, "random").await;
    let door = "The door of the second floor sticks";
    browser.says(door).await;
    browser.hears(door).await;
    let create = format!("{LAST}.querySelector('[data-focus=create]').click()");
    browser.value(&create).await;
    browser.until(field).await;
    keeps(browser, "message.png", DIALOG).await;
    browser
        .presses("document.querySelector('dialog[open] button[type=button]')")
        .await;
    browser.until("!document.querySelector('dialog')").await;
    goes_to(browser, "general").await;
    browser.says("@ivan create Oil the door").await;
    browser.hears("Oil the door").await;
    let reply = format!("{LAST}?.querySelector('[data-focus=thread]')");
    browser.presses(&reply).await;
    browser.hears("✓ Task created in ClickUp").await;
    keeps(browser, "mention.png", &last(2)).await;
    goes_to(browser, "general").await;
    browser.says("create Order the new badges").await;
    browser.hears("Order the new badges").await;
    let reply = format!("{LAST}?.querySelector('[data-focus=thread]')");
    browser.presses(&reply).await;
    browser.hears("✓ Task created in ClickUp").await;
    keeps(browser, "channel.png", &last(2)).await;
    browser.value("go('home')").await;
    browser
        .until("document.querySelectorAll('#messages .home button').length > 3")
        .await;
    keeps(
        browser,
        "home.png",
        "[document.querySelector('#messages .home')]",
    )
    .await;
    assert!(browser.faults.is_empty(), "{:#?}", browser.faults);
    demo.ends().await;
}

/// The film: a task created in a channel, one completed, a source that is down, and its `…` that becomes `✓`.
async fn draw_film() {
    let (mut browser, demo) = begin(FILM_SIZE, ".tools").await;
    let mut film = Film::default();
    let browser = &mut browser;
    goes_to(browser, "general").await;
    film.typed(browser, "create Order the new badges").await;
    browser
        .until(&format!("{LAST}?.querySelector('[data-focus=thread]')"))
        .await;
    film.takes(browser, 1200).await;
    browser
        .presses(&format!("{LAST}?.querySelector('[data-focus=thread]')"))
        .await;
    browser.hears("✓ Task created in ClickUp").await;
    film.takes(browser, 2600).await;
    browser.value("go(state.conversations[0].id); true").await;
    browser.hears("Hi Ana").await;
    film.typed(browser, "current").await;
    browser.hears("Renew the certificate").await;
    film.takes(browser, 1800).await;
    browser.presses(&button("Done")).await;
    browser.hears("✓ Task completed in ClickUp").await;
    film.takes(browser, 2600).await;
    browser.value("show('world')").await;
    film.takes(browser, 1000).await;
    browser.presses(&switch("github down")).await;
    browser
        .until("document.getElementById('pill-github').textContent === 'down'")
        .await;
    film.takes(browser, 1400).await;
    browser.value("show('talk')").await;
    film.typed(browser, "done").await;
    browser.hears("… ").await;
    film.takes(browser, 2200).await;
    browser.value("show('world')").await;
    browser.presses(&switch("github down")).await;
    browser
        .until("document.getElementById('pill-github').textContent === 'up'")
        .await;
    film.takes(browser, 1200).await;
    browser.value("show('talk')").await;
    browser.hears("✓ Issue closed in GitHub").await;
    film.takes(browser, 3000).await;
    assert!(browser.faults.is_empty(), "{:#?}", browser.faults);
    demo.ends().await;
    std::fs::write(folder().join(FILM), film.webp()).unwrap();
}

/// Frames of WebP, each with its duration in milliseconds.
#[derive(Default)]
struct Film {
    frames: Vec<(Vec<u8>, u32)>,
}

impl Film {
    /// Takes the page as it is now, after it was drawn.
    async fn takes(&mut self, browser: &mut Browser, lasts: u32) {
        browser
            .value("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))")
            .await;
        let frame = browser
            .drawn(json!({"format": "webp", "quality": 70}))
            .await;
        self.frames.push((frame, lasts));
    }

    /// Types a line in two pieces, and sends it.
    async fn typed(&mut self, browser: &mut Browser, line: &str) {
        browser
            .value("document.getElementById('text').focus()")
            .await;
        let (first, rest) = line.split_at(line.len() / 2);
        for piece in [first, rest] {
            browser.types(piece).await;
            self.takes(browser, 500).await;
        }
        browser.key("Enter", 13, "\r").await;
    }

    /// An animated WebP: <https://developers.google.com/speed/webp/docs/riff_container>.
    fn webp(&self) -> Vec<u8> {
        let (width, height) = FILM_SIZE;
        let size = [three(width - 1), three(height - 1)].concat();
        // Animated, and nothing else; no background; shown again and again.
        let mut chunks = chunk(b"VP8X", &[&[2_u8, 0, 0, 0][..], size.as_slice()].concat());
        chunks.extend(chunk(b"ANIM", &[0; 6]));
        for (frame, lasts) in &self.frames {
            // At the corner, of full size, in the place of the frame before.
            let head = [
                &[0_u8; 6][..],
                size.as_slice(),
                three(*lasts).as_slice(),
                &[2_u8][..],
            ]
            .concat();
            let image =
                parts(frame).find(|(name, _)| name.starts_with(b"VP8") && *name != *b"VP8X");
            let (name, image) = image.expect("an image");
            chunks.extend(chunk(b"ANMF", &[head, chunk(&name, image)].concat()));
        }
        chunk(b"RIFF", &[b"WEBP".to_vec(), chunks].concat())
    }
}

/// The lowest three bytes, the lowest first.
fn three(number: u32) -> Vec<u8> {
    let [a, b, c, _] = number.to_le_bytes();
    vec![a, b, c]
}

/// A chunk of RIFF: its name, its size and its bytes, to an even length.
fn chunk(name: &[u8; 4], bytes: &[u8]) -> Vec<u8> {
    let size = u32::try_from(bytes.len()).unwrap().to_le_bytes();
    let mut chunk = [name.as_slice(), size.as_slice(), bytes].concat();
    if bytes.len() % 2 == 1 {
        chunk.push(0);
    }
    chunk
}

/// The chunks of a WebP.
fn parts(webp: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    let mut rest = webp.get(12..).unwrap();
    std::iter::from_fn(move || {
        let (name, behind) = rest.split_first_chunk::<4>()?;
        let (size, behind) = behind.split_first_chunk::<4>()?;
        let size = usize::try_from(u32::from_le_bytes(*size)).unwrap();
        let bytes = behind.get(..size).unwrap();
        rest = behind.get(size + size % 2..).unwrap_or_default();
        Some((*name, bytes))
    })
}

/// The durations of the frames of a film, in milliseconds.
fn durations(film: &[u8]) -> Vec<u32> {
    let frames = parts(film).filter(|(name, _)| name == b"ANMF");
    frames
        .map(|(_, frame)| u32::from_le_bytes([frame[12], frame[13], frame[14], 0]))
        .collect()
}
