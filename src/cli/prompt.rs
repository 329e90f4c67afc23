//! Questions at a terminal. Tokens are read without echo.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use crate::config::Secret;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoAnswer {
    /// Ctrl-C, Ctrl-D or a closed terminal.
    Stopped,
    /// The terminal cannot be read, or cannot hide what is typed.
    Broken(String),
}

/// Asks a person.
pub trait Prompter: Send {
    /// Whether somebody can be asked. Otherwise all answers have to be given as options or in the environment.
    fn is_asking(&self) -> bool;
    /// Prints a text.
    fn print(&mut self, text: &str);
    /// Reads a line, without white space around it.
    fn line(&mut self, prompt: &str) -> Result<String, NoAnswer>;
    /// Reads a line that the terminal does not show.
    fn secret(&mut self, prompt: &str) -> Result<Secret, NoAnswer>;
}

/// The terminal of the process.
#[derive(Debug)]
pub struct Terminal {
    asks: bool,
}

impl Terminal {
    /// It asks only if input and output are a terminal.
    pub fn open() -> Terminal {
        Terminal {
            asks: std::io::stdin().is_terminal() && std::io::stdout().is_terminal(),
        }
    }
}

impl Prompter for Terminal {
    fn is_asking(&self) -> bool {
        self.asks
    }

    fn print(&mut self, text: &str) {
        let mut out = std::io::stdout().lock();
        // A closed output ends the questions at the next one.
        let _ = out.write_all(text.as_bytes());
        let _ = out.flush();
    }

    fn line(&mut self, prompt: &str) -> Result<String, NoAnswer> {
        self.print(prompt);
        let mut line = String::new();
        match std::io::stdin().lock().read_line(&mut line) {
            Ok(0) => {
                self.print("\n");
                Err(NoAnswer::Stopped)
            }
            Ok(_) => Ok(line.trim().to_owned()),
            Err(error) => Err(NoAnswer::Broken(error.to_string())),
        }
    }

    fn secret(&mut self, prompt: &str) -> Result<Secret, NoAnswer> {
        let read = hidden::line(|| self.print(prompt));
        self.print("\n");
        read
    }
}

#[cfg(unix)]
mod hidden {
    use std::io::Read as _;

    use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
    use zeroize::Zeroizing;

    use super::{NoAnswer, Secret};

    const CTRL_C: u8 = 3;
    const CTRL_D: u8 = 4;
    const BACKSPACES: [u8; 2] = [8, 127];
    const CTRL_U: u8 = 21;
    /// Longer than any token.
    const LONGEST: usize = 4096;

    /// Restores the terminal's mode when it is dropped.
    struct Mode(Termios);

    impl Drop for Mode {
        fn drop(&mut self) {
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &self.0);
        }
    }

    /// Asks, and reads a line byte by byte. Nothing is shown from before the question on. Ctrl-C is read too, because a
    /// signal would leave the terminal without echo.
    pub(super) fn line(ask: impl FnOnce()) -> Result<Secret, NoAnswer> {
        let broken = |error: &dyn std::fmt::Display| NoAnswer::Broken(error.to_string());
        let before = tcgetattr(std::io::stdin()).map_err(|error| broken(&error))?;
        let mut quiet = before.clone();
        quiet.local_modes -= LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
        let _mode = Mode(before);
        tcsetattr(std::io::stdin(), OptionalActions::Now, &quiet)
            .map_err(|error| broken(&error))?;
        ask();
        let mut typed = Zeroizing::new(Vec::with_capacity(LONGEST));
        let mut input = std::io::stdin().lock();
        let mut byte = Zeroizing::new([0_u8]);
        loop {
            match input.read(&mut *byte) {
                Ok(0) => return Err(NoAnswer::Stopped),
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(broken(&error)),
            }
            let [byte] = *byte;
            match byte {
                b'\r' | b'\n' => break,
                CTRL_C | CTRL_D => return Err(NoAnswer::Stopped),
                CTRL_U => typed.clear(),
                one if BACKSPACES.contains(&one) => drop(typed.pop()),
                one if typed.len() < LONGEST => typed.push(one),
                _ => {}
            }
        }
        let text = std::str::from_utf8(&typed).map_err(|error| broken(&error))?;
        Ok(Secret::new(text.trim()))
    }
}

#[cfg(not(unix))]
mod hidden {
    use super::{NoAnswer, Secret};

    pub(super) fn line(_ask: impl FnOnce()) -> Result<Secret, NoAnswer> {
        Err(NoAnswer::Broken(
            "this terminal cannot hide what is typed; give the token in a file or in the environment".to_owned(),
        ))
    }
}
