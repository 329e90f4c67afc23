//! `ivan demo` at a terminal: pasted, early and interrupted input in a pseudoterminal.
#![cfg(target_os = "linux")]

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rstest::rstest;
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Child;
use tokio::sync::watch;

use ivan::verbs::VERBS;

use crate::demo::{README_LINES, any_day, from_the_readme};
use crate::harness::{Took, binary};

pub const CTRL_C: &str = "\u{3}";
pub const CTRL_D: &str = "\u{4}";
/// Wide and high enough that nothing is wrapped.
const SIZE: Winsize = Winsize {
    ws_row: 200,
    ws_col: 250,
    ws_xpixel: 0,
    ws_ypixel: 0,
};
const PATIENCE: Duration = Duration::from_secs(60);

/// A command in a terminal of its own.
pub struct Terminal {
    demo: Child,
    keyboard: File,
    /// The test's end of the demo's terminal.
    tty: File,
    /// All output so far.
    output: watch::Receiver<Vec<u8>>,
    _took: Took,
}

impl Terminal {
    /// The demo. Needs a runtime.
    fn open() -> Terminal {
        Terminal::running(&["demo"], None, &[])
    }

    /// `ivan` with these words, in a folder, with further variables. Needs a runtime.
    pub fn running(
        words: &[&str],
        folder: Option<&Path>,
        variables: &[(&str, String)],
    ) -> Terminal {
        Terminal::session(env!("CARGO_BIN_EXE_ivan"), words, folder, variables)
    }

    /// A line in a shell, which outlives the commands in it: at its end the terminal hangs up on all that still runs.
    pub fn running_in_a_shell(
        line: &str,
        folder: Option<&Path>,
        variables: &[(&str, String)],
    ) -> Terminal {
        Terminal::session("sh", &["-c", line], folder, variables)
    }

    fn session(
        program: &str,
        words: &[&str],
        folder: Option<&Path>,
        variables: &[(&str, String)],
    ) -> Terminal {
        let _took = Took::begin();
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let keyboard = openpt(flags).unwrap();
        grantpt(&keyboard).unwrap();
        unlockpt(&keyboard).unwrap();
        let tty = File::from(ioctl_tiocgptpeer(&keyboard, flags).unwrap());
        tcsetwinsize(&tty, SIZE).unwrap();
        let side = || Stdio::from(tty.try_clone().unwrap());
        // So that Ctrl-C there is a signal to the demo, as at every terminal.
        let mut command = crate::harness::program("setsid");
        command
            .args(["--ctty", program])
            .args(words)
            .env("TERM", "xterm")
            .env("NO_COLOR", "1")
            .envs(variables.iter().map(|(name, value)| (*name, value)));
        if let Some(folder) = folder {
            command.current_dir(folder);
        }
        let demo = command
            .stdin(side())
            .stdout(side())
            .stderr(side())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let keyboard = File::from(keyboard);
        let (written, output) = watch::channel(Vec::new());
        let mut screen = keyboard.try_clone().unwrap();
        std::thread::spawn(move || {
            let mut some = [0; 4096];
            // It fails once the other side is closed everywhere.
            while let Ok(n) = screen.read(&mut some) {
                written.send_modify(|all| all.extend(&some[..n]));
            }
        });
        Terminal {
            demo,
            keyboard,
            tty,
            output,
            _took,
        }
    }

    pub fn types(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    fn screen(&self) -> String {
        screen(&self.output.borrow())
    }

    /// Waits until the screen satisfies `holds`.
    pub async fn until(&mut self, what: &str, holds: impl Fn(&str) -> bool) {
        let holds = |all: &Vec<u8>| holds(&screen(all));
        let waited = tokio::time::timeout(PATIENCE, self.output.wait_for(holds));
        let held = waited.await.is_ok_and(|waited| waited.is_ok());
        assert!(held, "{what}, on:\n{}", self.screen());
    }

    pub async fn shows(&mut self, words: &str) {
        self.until(words, |screen| screen.contains(words)).await;
    }

    /// Waits until it has ended; returns the screen.
    pub async fn ends(self) -> (ExitStatus, String) {
        let (exit, output) = self.output_at_its_end().await;
        (exit, screen(&output))
    }

    /// Waits until it has ended; returns all that it wrote.
    pub async fn ends_with_bytes(self) -> (ExitStatus, String) {
        let (exit, output) = self.output_at_its_end().await;
        (exit, String::from_utf8_lossy(&output).into_owned())
    }

    async fn output_at_its_end(mut self) -> (ExitStatus, Vec<u8>) {
        let ended = tokio::time::timeout(PATIENCE, self.demo.wait()).await;
        let exit = ended.unwrap_or_else(|_| panic!("it does not end:\n{}", self.screen()));
        let modes = tcgetattr(&self.tty).unwrap().local_modes;
        let as_before = LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
        assert!(
            modes.contains(as_before),
            "the terminal is left as {modes:?}"
        );
        drop(self.tty);
        // The reader ends after all output has been read.
        let read = tokio::time::timeout(PATIENCE, async {
            while self.output.changed().await.is_ok() {}
        });
        read.await.expect("the other side is closed");
        (exit.unwrap(), self.output.borrow().clone())
    }
}

/// The screen after these bytes: a terminal that can edit lines but never wraps.
fn screen(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut rows: Vec<Vec<char>> = vec![Vec::new()];
    let (mut row, mut column) = (0_usize, 0_usize);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\r' => column = 0,
            '\n' => {
                row += 1;
                if row == rows.len() {
                    rows.push(Vec::new());
                }
            }
            '\u{8}' => column = column.saturating_sub(1),
            '\u{1b}' => {
                if chars.next() != Some('[') {
                    continue;
                }
                let mut number = String::new();
                let end = loop {
                    match chars.next() {
                        Some(c) if c.is_ascii_digit() || "?;".contains(c) => number.push(c),
                        end => break end,
                    }
                };
                let n = number.parse().unwrap_or(1);
                match end {
                    Some('A') => row = row.saturating_sub(n),
                    Some('B') => row = (row + n).min(rows.len() - 1),
                    Some('C') => column += n,
                    Some('D') => column = column.saturating_sub(n),
                    Some('G') => column = n.saturating_sub(1),
                    Some('K') => rows[row].truncate(column),
                    Some('J') => {
                        rows[row].truncate(column);
                        rows.truncate(row + 1);
                    }
                    _ => {}
                }
            }
            c if c.is_control() => {}
            c => {
                let line = &mut rows[row];
                if line.len() <= column {
                    line.resize(column + 1, ' ');
                }
                line[column] = c;
                column += 1;
            }
        }
    }
    let lines = rows.into_iter().map(|row| {
        let line: String = row.into_iter().collect();
        line.trim_end().to_owned()
    });
    lines.collect::<Vec<String>>().join("\n")
}

/// Without the prompt at which Ctrl-D was pressed.
fn without_last_prompt(screen: &str) -> String {
    let (before, after) = screen.rsplit_once("Ana  ›\n").expect("a last prompt");
    any_day(&format!("{before}{after}"))
}

/// Six lines of the README at once, with each terminal's line ending: each is answered below itself.
#[rstest]
#[case::enter("\r")]
#[case::line_feed("\n")]
#[tokio::test]
async fn pasted_lines_are_taken_one_by_one(#[case] end: &str) {
    let mut terminal = Terminal::open();
    let paste: String = README_LINES
        .iter()
        .map(|line| format!("{line}{end}"))
        .collect();
    terminal.types(&format!("{paste}{CTRL_D}"));
    let (exit, screen) = terminal.ends().await;
    // Before the demo begins, the terminal itself echoes the input.
    let begins = screen.find("You are Ana").expect("a banner");
    let (_, shown) = screen.split_at(begins);
    assert_eq!(without_last_prompt(shown), any_day(&from_the_readme()));
    assert!(exit.success());
}

/// The same at the prompt, and with a terminal's paste marks, requested or not.
#[rstest]
#[case::plain("", "")]
#[case::bracketed("\u{1b}[200~", "\u{1b}[201~\r")]
#[tokio::test]
async fn lines_pasted_at_the_prompt_are_not_joined(#[case] before: &str, #[case] behind: &str) {
    let mut terminal = Terminal::open();
    terminal
        .until("a prompt", |screen| screen.ends_with("Ana  ›"))
        .await;
    let paste = README_LINES.join("\r");
    terminal.types(&format!("{before}{paste}\r{behind}"));
    terminal
        .shows("9. Book the room for the review · ClickUp · to do  [9 Done]")
        .await;
    terminal.types(CTRL_D);
    let (exit, screen) = terminal.ends().await;
    let expected = any_day(&from_the_readme());
    let (_, answers) = expected
        .split_once("\n\n")
        .expect("an empty line behind the banner");
    let shown = without_last_prompt(&screen);
    assert!(shown.contains(answers), "{shown}\ndoes not have\n{answers}");
    assert!(exit.success());
}

#[tokio::test]
async fn lines_typed_while_an_answer_is_awaited_are_answered_after_it() {
    let mut terminal = Terminal::open();
    terminal.types("current\r!clickup slow\rdone\r");
    // The next lines are typed while the demo waits for this answer.
    terminal.shows("Ana  › done\n").await;
    terminal.types("comment on #7: nearly\r");
    terminal.types("li");
    terminal.types("st 1\r");
    terminal.shows("Ana  › list 1\nIvan › 1. ").await;
    terminal.types(CTRL_D);
    let (_, screen) = terminal.ends().await;
    let lines: Vec<&str> = screen.lines().collect();
    let at = |words: &str| {
        let found: Vec<usize> = (0..lines.len())
            .filter(|at| lines[*at].starts_with(words))
            .collect();
        assert_eq!(found.len(), 1, "`{words}` in:\n{screen}");
        found[0]
    };
    let order = [
        at("Ana  › done"),
        at("Ivan › … Completion of Renew the certificate"),
        at("Ana  › comment on #7: nearly"),
        at("Ivan › ✓ Comment added in GitHub: Login fails on Safari"),
        at("Ana  › list 1"),
    ];
    assert!(order.is_sorted(), "{order:?} in:\n{screen}");
}

#[tokio::test]
async fn ctrl_c_ends_a_wait_and_ctrl_d_the_demo() {
    for attempt in 1.. {
        let mut terminal = Terminal::open();
        terminal.types("current\r!clickup slow\r");
        terminal
            .shows("(ClickUp will take 6 s for the next write)")
            .await;
        // Ivan says after 2 s that it is queued.
        terminal.types("done\r");
        terminal.shows("Ana  › done\n").await;
        terminal.types(CTRL_C);
        let over = |screen: &str| {
            screen.contains("(interrupted)") || screen.contains("Ivan › … Completion queued")
        };
        terminal.until("the end of the wait", over).await;
        if !terminal.screen().contains("(interrupted)") {
            assert!(
                attempt < 5,
                "it is never interrupted:\n{}",
                terminal.screen()
            );
            continue;
        }
        assert!(
            !terminal.screen().contains(" is waiting: "),
            "{}",
            terminal.screen()
        );
        // The command is not withdrawn, and the next line is taken.
        terminal.types("comment on #7: nearly\r");
        terminal
            .shows("✓ Comment added in GitHub: Login fails on Safari")
            .await;
        terminal
            .shows("Ivan › … Completion of Renew the certificate")
            .await;
        terminal.types(CTRL_D);
        let (exit, screen) = terminal.ends().await;
        let outcome = "Ivan › ✓ Task completed in ClickUp: Renew the certificate";
        assert!(screen.contains(outcome), "{screen}");
        assert!(exit.success());
        return;
    }
}

/// Before the first prompt, at it, and while a line is edited.
#[rstest]
#[case::at_the_prompt("")]
#[case::in_a_line("curre")]
#[tokio::test]
async fn ctrl_c_at_the_prompt_ends_the_demo(#[case] typed: &str) {
    let mut terminal = Terminal::open();
    terminal
        .until("a prompt", |screen| screen.ends_with("Ana  ›"))
        .await;
    terminal.types(typed);
    let prompt = format!("Ana  › {typed}");
    terminal
        .until("it", |screen| screen.ends_with(prompt.trim_end()))
        .await;
    terminal.types(CTRL_C);
    let (exit, screen) = terminal.ends().await;
    assert!(
        screen.contains("Nothing has changed in ClickUp and GitHub."),
        "{screen}"
    );
    assert!(exit.success());
}

/// Piped lines, and a pipe that stays open: while an answer is awaited, while none is, and before any output. Lines
/// after the interruption are not done.
#[rstest]
#[case::in_a_wait("current\n!clickup slow\ndone\nlist\n", "Ana  › done\n")]
#[case::at_rest("current\n", "[5 Open]\n")]
#[case::at_the_beginning("", "Ctrl-D ends.\n")]
#[tokio::test]
async fn ctrl_c_ends_a_demo_that_is_piped_to(#[case] lines: &str, #[case] until: &str) {
    let _took = Took::begin();
    let mut demo = binary()
        .arg("demo")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let (mut stdin, mut stdout) = (demo.stdin.take().unwrap(), demo.stdout.take().unwrap());
    stdin.write_all(lines.as_bytes()).await.unwrap();
    let mut printed = Vec::new();
    let ended = tokio::time::timeout(PATIENCE, async {
        let mut signalled = false;
        let mut some = [0; 4096];
        loop {
            let n = stdout.read(&mut some).await.unwrap();
            if n == 0 {
                return demo.wait().await.unwrap();
            }
            printed.extend(&some[..n]);
            if String::from_utf8_lossy(&printed).contains(until) && !signalled {
                let id = i32::try_from(demo.id().unwrap()).unwrap();
                let pid = rustix::process::Pid::from_raw(id).unwrap();
                rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
                signalled = true;
            }
        }
    });
    let exit = ended.await.unwrap_or_else(|_| panic!("it does not end"));
    drop(stdin);
    let printed = String::from_utf8(printed).unwrap();
    assert!(exit.success(), "{exit}");
    assert!(!printed.contains("Ana  › list"), "{printed}");
    let end =
        "\nNothing has changed in ClickUp and GitHub.\n\nConnect the real ones: `ivan init`\n";
    assert!(printed.ends_with(end), "{printed}");
}

/// Every verb with both sources up, and with both down. Each part of them has a terminal, because Ivan posts one message
/// a second in a conversation. All lines of a part are pasted at once.
#[tokio::test]
async fn every_verb_is_answered_in_every_state() {
    const PARTS: usize = 4;
    let parts = (0..PARTS).map(|part| async move {
        let verbs = VERBS.iter().skip(part).step_by(PARTS);
        let examples = verbs.map(|row| *row.info.examples.first().expect("an example"));
        let examples: Vec<&str> = examples.collect();
        let mut lines = vec!["current".to_owned()];
        lines.extend(examples.iter().map(|&example| example.to_owned()));
        lines.extend(["!down clickup", "!down github", "shortcut new_task"].map(str::to_owned));
        lines.extend(examples.iter().map(|example| format!("/ivan {example}")));
        lines.extend(["cancel", "home", "!poll", "!close Book"].map(str::to_owned));
        let mut terminal = Terminal::open();
        terminal
            .until("a prompt", |screen| screen.ends_with("Ana  ›"))
            .await;
        terminal.types(&format!("{}\r{CTRL_D}", lines.join("\r")));
        let (exit, screen) = terminal.ends().await;
        assert!(exit.success());
        let typed: Vec<&str> = screen
            .lines()
            .filter_map(|line| line.strip_prefix("Ana  › "))
            .collect();
        assert_eq!(typed, lines, "{screen}");
        let says_nothing = screen.contains("(Ivan says nothing to that)");
        assert!(!says_nothing, "{screen}");
        let end = "Connect the real ones: `ivan init`";
        assert!(screen.trim_end().ends_with(end), "{screen}");
    });
    futures_util::future::join_all(parts).await;
}

#[rstest]
#[case::narrow(40, 40)]
#[case::wide(200, 120)]
#[tokio::test]
async fn lines_break_at_the_width_of_the_terminal(#[case] columns: u16, #[case] limit: usize) {
    let mut terminal = Terminal::open();
    let size = Winsize {
        ws_col: columns,
        ..SIZE
    };
    tcsetwinsize(&terminal.tty, size).unwrap();
    terminal.types(&format!("list\rcurrent\rlog\r!help\r{CTRL_D}"));
    let (exit, screen) = terminal.ends().await;
    assert!(exit.success());
    let too_wide: Vec<&str> = screen
        .lines()
        .filter(|row| row.chars().count() > limit)
        .collect();
    assert!(too_wide.is_empty(), "{too_wide:#?} on:\n{screen}");
    if columns == 40 {
        let wrapped = "       [1 Done] [2 Next] [3 Comment]\n       [4 Snooze] [5 Open]\n";
        assert!(screen.contains(wrapped), "{screen}");
    }
}

#[tokio::test]
async fn tab_completes_verbs_people_and_buttons() {
    let mut terminal = Terminal::open();
    terminal.types("curr\t\r");
    terminal
        .shows("Ana  › current\nIvan › Renew the certificate")
        .await;
    terminal.types("press sn\t\r");
    terminal.shows("Ana  › press Snooze\nIvan › ✓ ").await;
    terminal.types("as b\t lis\t\r");
    terminal.shows("Ana  › as bo list\nIvan to Bo › 1. ").await;
    terminal.types("#gen\t cre\t Buy milk\r");
    terminal.shows("Ana  › #general create Buy milk\n").await;
    terminal.types(CTRL_D);
    let (exit, _) = terminal.ends().await;
    assert!(exit.success());
}
