//! Processes under load: pinned to a processor, their time and memory read from `/proc`.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

/// The environment variable by which a loader knows that it is pinned already.
const PINNED: &str = "IVAN_LOAD_PINNED";
/// The time limit for a server to start, and for one to stop.
const PATIENCE: Duration = Duration::from_secs(60);
/// A server has nothing to do when its processor time stands still for so long.
const STILL: Duration = Duration::from_secs(1);
/// The clock ticks of `/proc/<pid>/stat` in a second; Linux shows 100 on every platform.
const TICKS: f64 = 100.0;

/// Runs this program again on the last processor, if `taskset` exists and there is more than one.
pub fn pin_the_loader() {
    if std::env::var_os(PINNED).is_some() || last_processor() == 0 {
        return;
    }
    let Ok(program) = std::env::current_exe() else {
        return;
    };
    let again = std::process::Command::new("taskset")
        .args(["-c", &last_processor().to_string()])
        .arg(program)
        .args(std::env::args_os().skip(1))
        .env(PINNED, "1")
        .status();
    // Without taskset everything runs here, unpinned.
    if let Ok(status) = again {
        std::process::exit(status.code().unwrap_or(1));
    }
}

/// Whether the loader and the servers have a processor each.
pub fn is_pinned() -> bool {
    std::env::var_os(PINNED).is_some()
}

fn last_processor() -> usize {
    std::thread::available_parallelism().map_or(0, |count| count.get() - 1)
}

/// The processor of this machine, as the kernel names it.
pub fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = info.lines().find(|line| line.starts_with("model name"));
    let name = line.and_then(|line| line.split_once(':'));
    name.map_or_else(|| "unknown".to_owned(), |(_, name)| name.trim().to_owned())
}

/// Writes a file that only its owner can read, as a bot.toml with tokens should be.
pub fn write_private(path: &Path, text: &str) {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    let options = options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// The number of its processors.
pub fn processors() -> usize {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    info.lines()
        .filter(|line| line.starts_with("processor"))
        .count()
}

/// The memory of a process, in MiB.
pub struct Memory {
    /// All that is resident, with the pages of the program's file that it has read. The system takes those back at will.
    pub all: f64,
    /// What is in no file: heap, stacks, changed data.
    pub own: f64,
    /// The most that ever was resident.
    pub highest: f64,
}

/// A server, and the lines of its standard error.
pub struct Server {
    child: Child,
    lines: mpsc::UnboundedReceiver<String>,
    said: Vec<String>,
}

impl Server {
    /// Starts a program on the first processor.
    pub fn start(program: &Path, arguments: &[&str], folder: &Path) -> Server {
        let mut command = match is_pinned() {
            true => {
                let mut command = Command::new("taskset");
                command.args(["-c", "0"]).arg(program);
                command
            }
            false => Command::new(program),
        };
        Server::spawn(command.args(arguments), folder)
    }

    /// Starts a command, whose first process is the server.
    pub fn spawn(command: &mut Command, folder: &Path) -> Server {
        let mut child = command
            .current_dir(folder)
            .env("XDG_RUNTIME_DIR", folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut errors = BufReader::new(child.stderr.take().unwrap()).lines();
        let (line, lines) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok(Some(text)) = errors.next_line().await {
                if line.send(text).is_err() {
                    return;
                }
            }
        });
        let said = Vec::new();
        Server { child, lines, said }
    }

    /// Waits for a line that contains these words.
    pub async fn says(&mut self, words: &str) -> String {
        let waits = async {
            loop {
                let Some(line) = self.lines.recv().await else {
                    panic!("ended before it said `{words}`: {:#?}", self.said);
                };
                self.said.push(line.clone());
                if line.contains(words) {
                    return line;
                }
            }
        };
        match timeout(PATIENCE, waits).await {
            Ok(line) => line,
            Err(_) => panic!("did not say `{words}`"),
        }
    }

    /// Its lines so far that contain one of these words.
    pub fn lines_with(&mut self, words: &[&str]) -> Vec<String> {
        while let Ok(line) = self.lines.try_recv() {
            self.said.push(line);
        }
        let said = self.said.iter();
        let found = said.filter(|line| words.iter().any(|words| line.contains(words)));
        found.cloned().collect()
    }

    pub fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// The processor time that it has used.
    pub fn processor_time(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        // The name of the program may contain spaces; it ends with the last parenthesis.
        let (_, fields) = stat.rsplit_once(')').unwrap();
        let fields = fields.split_whitespace().skip(11).take(2);
        let ticks = fields.map(|ticks| ticks.parse::<f64>().unwrap());
        ticks.sum::<f64>() / TICKS
    }

    /// Waits until it has nothing to do: its processor time stands still, but for pings and timers.
    pub async fn is_still(&self, within: Duration) {
        let begun = Instant::now();
        let mut last = self.processor_time();
        loop {
            tokio::time::sleep(STILL).await;
            let now = self.processor_time();
            if now - last < 0.1 {
                return;
            }
            assert!(begun.elapsed() < within, "it does not come to rest");
            last = now;
        }
    }

    /// Its resident memory.
    pub fn memory(&self) -> Memory {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let kib = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            let number = line.split_whitespace().nth(1).unwrap();
            number.parse::<f64>().unwrap() / 1_024.0
        };
        Memory {
            all: kib("VmRSS:"),
            own: kib("RssAnon:"),
            highest: kib("VmHWM:"),
        }
    }

    /// Stops it, and waits for its end.
    pub async fn stop(mut self) {
        let pid = self.pid().to_string();
        let told = Command::new("kill").args(["-TERM", &pid]).status().await;
        assert!(told.unwrap().success());
        timeout(PATIENCE, self.child.wait()).await.unwrap().unwrap();
    }
}
