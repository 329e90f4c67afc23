//! Input and output of the demo: a terminal with editing and history, or a pipe.
//!
//! A line is read only on request. Text that is typed or pasted meanwhile stays in the terminal or in the editor's
//! buffer. The terminal is kept in a special mode for that: no echo, raw bytes, Ctrl-C still a signal.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::io::{BufRead, IsTerminal, Write};

use rustyline::completion::Completer;
use rustyline::error::{ReadlineError, Signal};
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::Validator;
use rustyline::{CompletionType, Config, Context, Editor, ExternalPrinter, Helper};
use tokio::sync::{mpsc, watch};

use super::BOLD;
use super::complete::{Known, completed};
use super::wrap::folded;

/// Lines are broken at the terminal's width within these bounds.
const NARROW: usize = 40;
const WIDE: usize = 120;

/// The output.
pub(super) struct Screen {
    pub(super) color: bool,
    /// Lines are typed at a terminal, so they are on the screen already.
    pub(super) echoes: bool,
    /// Prints above the prompt without changing the line being typed.
    above: Option<std::sync::mpsc::Sender<String>>,
    /// The prompt is shown and a line is being typed.
    at_prompt: bool,
    /// Text that is collected to be printed together.
    gathered: Option<String>,
}

impl Screen {
    fn new(color: bool, echoes: bool, above: Option<Box<dyn ExternalPrinter + Send>>) -> Screen {
        Screen {
            color,
            echoes,
            above: above.map(printer),
            at_prompt: false,
            gathered: None,
        }
    }

    pub(super) fn print(&mut self, text: &str) {
        let folded = match width() {
            Some(width) => Cow::Owned(folded(text, width)),
            None => Cow::Borrowed(text),
        };
        let text = &*folded;
        if let Some(gathered) = &mut self.gathered {
            gathered.push_str(text);
            gathered.push('\n');
            return;
        }
        self.write(format!("{text}\n"));
    }

    /// Sets whether the prompt is shown.
    pub(super) fn at_prompt(&mut self, is: bool) {
        self.at_prompt = is;
    }

    /// Collects further output until [`Screen::print_gathered`] prints it.
    pub(super) fn gather(&mut self) {
        self.gathered.get_or_insert_default();
    }

    pub(super) fn print_gathered(&mut self) {
        match self.gathered.take() {
            Some(gathered) if !gathered.is_empty() => self.write(gathered),
            _ => {}
        }
    }

    fn write(&mut self, text: String) {
        let left = match &self.above {
            Some(above) if self.at_prompt => above.send(text).map_err(|unsent| unsent.0),
            _ => Err(text),
        };
        if let Err(text) = left {
            // A closed pipe also ends the reading; the error needs no report.
            let mut out = std::io::stdout().lock();
            let _ = out.write_all(text.as_bytes());
            let _ = out.flush();
        }
    }
}

/// The width to break lines at, if the output is a terminal.
#[cfg(unix)]
fn width() -> Option<usize> {
    let stdout = std::io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    let columns = rustix::termios::tcgetwinsize(&stdout).ok()?.ws_col;
    // A terminal that does not know its size says 0.
    (columns > 0).then(|| usize::from(columns).clamp(NARROW, WIDE))
}

#[cfg(not(unix))]
fn width() -> Option<usize> {
    None
}

/// Prints through the editor. The editor takes one text at a time and only while it reads, so a thread waits for it.
fn printer(mut above: Box<dyn ExternalPrinter + Send>) -> std::sync::mpsc::Sender<String> {
    let (texts, to_print) = std::sync::mpsc::channel::<String>();
    std::thread::spawn(move || {
        while let Ok(text) = to_print.recv() {
            let _ = above.print(text);
        }
    });
    texts
}

/// Completes with Tab.
struct Completes(watch::Receiver<Known>);

impl Completer for Completes {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        cursor: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let before = line.get(..cursor).unwrap_or_default();
        Ok(completed(before, &self.0.borrow()))
    }
}

impl Helper for Completes {}
impl Highlighter for Completes {}
impl Validator for Completes {}
impl Hinter for Completes {
    type Hint = String;
}

/// One line, or the end: Ctrl-D, Ctrl-C at the prompt, the end of a pipe.
type Read = std::io::Result<Option<String>>;

/// The source of lines.
pub(super) struct Input {
    lines: mpsc::Receiver<Read>,
    /// At a terminal: requests a prompt.
    wanted: Option<std::sync::mpsc::Sender<String>>,
    asked: bool,
    prompt: String,
    /// At a terminal: what Tab completes.
    known: Option<watch::Sender<Known>>,
    color: bool,
    /// Lines that were entered together, and whether the next of them must be printed before its answer.
    ahead: VecDeque<String>,
    /// Restores the terminal's mode at the end.
    _mode: Option<mode::TerminalMode>,
}

impl Input {
    /// Opens the terminal, or the pipe.
    pub(super) fn open() -> (Input, Screen) {
        let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        let color = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        // Each line of a paste counts as a typed line.
        let config = Config::builder()
            .bracketed_paste(false)
            .completion_type(CompletionType::List)
            .build();
        if terminal && let Ok(mut editor) = Editor::with_config(config) {
            let (known, to_complete) = watch::channel(Known::default());
            editor.set_helper(Some(Completes(to_complete)));
            let above = editor.create_external_printer().ok();
            // Without a printer the terminal cannot edit, and its mode stays unchanged.
            let kept = above.is_some().then(mode::TerminalMode::begin).flatten();
            let above = above.map(|above| Box::new(above) as Box<dyn ExternalPrinter + Send>);
            return (
                Input::typed(editor, known, color, kept),
                Screen::new(color, true, above),
            );
        }
        (Input::piped(color), Screen::new(color, false, None))
    }

    /// Starts a thread for the editor, which blocks while it reads. It shows its prompt on request only.
    fn typed(
        mut editor: Editor<Completes, DefaultHistory>,
        known: watch::Sender<Known>,
        color: bool,
        kept: Option<mode::TerminalMode>,
    ) -> Input {
        let (wanted, asked) = std::sync::mpsc::channel::<String>();
        let (send, lines) = mpsc::channel(1);
        std::thread::spawn(move || {
            while let Ok(prompt) = asked.recv() {
                let line = match editor.readline(&prompt) {
                    Ok(line) => {
                        for line in line.lines() {
                            let _ = editor.add_history_entry(line);
                        }
                        Ok(Some(line))
                    }
                    Err(ReadlineError::Eof | ReadlineError::Interrupted) => Ok(None),
                    Err(ReadlineError::Signal(signal)) if signal != Signal::Resize => Ok(None),
                    // Keys that are not UTF-8 cannot be part of a message.
                    Err(ReadlineError::Io(error))
                        if error.kind() == std::io::ErrorKind::InvalidData =>
                    {
                        Ok(Some(String::new()))
                    }
                    Err(error) => Err(std::io::Error::other(error)),
                };
                if send.blocking_send(line).is_err() {
                    return;
                }
            }
        });
        Input {
            lines,
            wanted: Some(wanted),
            known: Some(known),
            asked: false,
            prompt: String::new(),
            color,
            ahead: VecDeque::new(),
            _mode: kept,
        }
    }

    /// Starts a thread that reads one line ahead and does not delay the end of the process.
    fn piped(color: bool) -> Input {
        let (send, lines) = mpsc::channel(1);
        std::thread::spawn(move || {
            let mut stdin = std::io::stdin().lock();
            loop {
                let mut line = Vec::new();
                let read = match stdin.read_until(b'\n', &mut line) {
                    Ok(0) => Ok(None),
                    Ok(_) => Ok(Some(String::from_utf8_lossy(&line).into_owned())),
                    Err(error) => Err(error),
                };
                let over = !matches!(read, Ok(Some(_)));
                if send.blocking_send(read).is_err() || over {
                    return;
                }
            }
        });
        Input {
            lines,
            wanted: None,
            known: None,
            asked: false,
            prompt: String::new(),
            color,
            ahead: VecDeque::new(),
            _mode: None,
        }
    }

    /// Sets the person whose line is read next. A prompt that is shown stays.
    pub(super) fn prompt(&mut self, name: &str) {
        let prompt = super::prompt(name);
        self.prompt = match self.color {
            true => format!("\u{1b}[{BOLD}m{prompt}\u{1b}[0m"),
            false => prompt,
        };
    }

    /// Sets what Tab completes.
    pub(super) fn completes(&self, known: impl FnOnce() -> Known) {
        if let Some(completes) = &self.known {
            completes.send_replace(known());
        }
    }

    /// The next line, and whether it is on the screen already; `None` at the end. Cancel-safe: a dropped call loses no
    /// line.
    pub(super) async fn line(&mut self) -> std::io::Result<Option<(String, bool)>> {
        if let Some(line) = self.ahead.pop_front() {
            return Ok(Some((line, false)));
        }
        if let Some(wanted) = &self.wanted
            && !self.asked
        {
            let _ = wanted.send(self.prompt.clone());
            self.asked = true;
        }
        let read = self.lines.recv().await;
        self.asked = false;
        let Some(text) = read.unwrap_or(Ok(None))? else {
            return Ok(None);
        };
        let mut entered = text.lines().map(str::to_owned);
        let first = entered.next().unwrap_or_default();
        self.ahead.extend(entered);
        if self.ahead.is_empty() {
            return Ok(Some((first, self.wanted.is_some())));
        }
        // Several lines were entered at once: print each again above its answer.
        Ok(Some((first, false)))
    }

    /// Whether a further line was entered already.
    pub(super) fn has_more(&self) -> bool {
        !self.ahead.is_empty()
    }

    /// Discards lines that were entered together with an interrupted one.
    pub(super) fn forget(&mut self) {
        self.ahead.clear();
    }
}

#[cfg(unix)]
mod mode {
    use rustix::termios::{
        InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
    };

    /// The terminal's mode at the start. Our own mode neither echoes nor changes text typed between reads, and keeps
    /// Ctrl-C as a signal. The editor switches to its mode for a read and returns to ours.
    pub(in crate::demo) struct TerminalMode(Termios);

    impl TerminalMode {
        pub(in crate::demo) fn begin() -> Option<TerminalMode> {
            let stdin = std::io::stdin();
            let before = tcgetattr(&stdin).ok()?;
            let mut own = before.clone();
            own.local_modes &= !(LocalModes::ECHO | LocalModes::ICANON | LocalModes::IEXTEN);
            own.input_modes &= !(InputModes::ICRNL | InputModes::IXON);
            own.special_codes[SpecialCodeIndex::VMIN] = 1;
            own.special_codes[SpecialCodeIndex::VTIME] = 0;
            // Before this mode began, the kernel stored a NUL for each typed Ctrl-D. The editor takes the key set here
            // for an interruption. At the prompt that ends the demo, as Ctrl-D does.
            own.special_codes[SpecialCodeIndex::VQUIT] = 0;
            tcsetattr(&stdin, OptionalActions::Drain, &own).ok()?;
            Some(TerminalMode(before))
        }
    }

    impl Drop for TerminalMode {
        fn drop(&mut self) {
            // The terminal may be closed; then there is no mode to restore.
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Drain, &self.0);
        }
    }
}

#[cfg(not(unix))]
mod mode {
    pub(in crate::demo) struct TerminalMode;

    impl TerminalMode {
        pub(in crate::demo) fn begin() -> Option<TerminalMode> {
            None
        }
    }
}

/// A signal that ends a wait, or the demo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Interrupt {
    /// Ctrl-C.
    Interrupt,
    /// SIGTERM.
    End,
}

/// Receives Ctrl-C and SIGTERM from its creation on.
#[cfg(unix)]
pub(super) struct Interrupts {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Interrupts {
    pub(super) fn listen() -> std::io::Result<Interrupts> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Interrupts {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    pub(super) async fn next(&mut self) -> Interrupt {
        tokio::select! {
            _ = self.interrupt.recv() => Interrupt::Interrupt,
            _ = self.terminate.recv() => Interrupt::End,
        }
    }
}

#[cfg(not(unix))]
pub(super) struct Interrupts;

#[cfg(not(unix))]
impl Interrupts {
    pub(super) fn listen() -> std::io::Result<Interrupts> {
        Ok(Interrupts)
    }

    pub(super) async fn next(&mut self) -> Interrupt {
        let _ = tokio::signal::ctrl_c().await;
        Interrupt::Interrupt
    }
}
