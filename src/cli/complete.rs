//! Shell completion: words of the command line, and tasks and people of the running daemon.
//!
//! The script of `ivan completions SHELL` runs `ivan` again with `VARIABLE` for each completion. It must be fast, and
//! neither print a mistake nor wait for a daemon that is not there.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use clap::FromArgMatches as _;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate, ValueCompleter};
use clap_complete::env::Shells;
use clap_complete::{CompleteEnv, Shell};
use serde_json::Value;

use super::client::DaemonClient;
use super::print::clean;
use super::{DaemonTarget, Options, help};
use crate::domain::filter::Filter;
use crate::verbs::line::{AnswerKind, Call};

/// The variable that asks for completions instead of running a command.
const VARIABLE: &str = "_IVAN_COMPLETE";
/// How long a completion waits for the daemon.
const WITHIN: Duration = Duration::from_millis(500);
/// The most tasks to offer.
const TASKS: usize = 50;

/// Finds the daemon for the options of a line; `None` without a configuration.
pub type FindTarget = fn(Options) -> Option<DaemonTarget>;

/// Bash splits words at colons.
const BASH_COLONS: &str = include_str!("complete.bash");

/// Prints the script that makes a shell complete `ivan`.
pub fn script(shell: Shell, out: &mut dyn Write) -> io::Result<()> {
    let shells = Shells::builtins();
    let completer = shells
        .completer(&shell.to_string())
        .ok_or_else(|| io::Error::other("this shell is not known"))?;
    completer.write_registration(VARIABLE, "ivan", "ivan", "ivan", out)?;
    match shell {
        Shell::Bash => out.write_all(BASH_COLONS.as_bytes()),
        _ => Ok(()),
    }
}

/// Prints completions, if the shell asks for them; returns whether it did.
pub fn asked(find: FindTarget) -> bool {
    if std::env::var_os(VARIABLE).is_none() {
        return false;
    }
    let words: Vec<OsString> = std::env::args_os().collect();
    let daemon = Daemon {
        line: line(&words),
        find,
    };
    let daemon = Arc::new(daemon);
    let here = std::env::current_dir().ok();
    let done = CompleteEnv::with_factory(|| completed(help::command(), &daemon))
        .var(VARIABLE)
        .bin("ivan")
        .try_complete(words, here.as_deref());
    // A mistake would be printed into the line that the person types.
    done.unwrap_or(true)
}

/// The line that is completed: it stands after `--`.
fn line(words: &[OsString]) -> Vec<OsString> {
    let before = words.iter().position(|word| word == "--");
    let line = words.iter().skip(before.map_or(0, |at| at + 1));
    line.cloned().collect()
}

/// The command line, with completers for the arguments that name tasks and people.
fn completed(command: clap::Command, daemon: &Arc<Daemon>) -> clap::Command {
    let command = command.mut_args(|arg| completed_arg(arg, daemon));
    command.mut_subcommands(|command| match help::asks_the_daemon(command.get_name()) {
        true => command.mut_args(|arg| completed_arg(arg, daemon)),
        false => command,
    })
}

fn completed_arg(arg: clap::Arg, daemon: &Arc<Daemon>) -> clap::Arg {
    let names = arg.get_value_names().unwrap_or_default();
    let named = |word: &str| names.iter().any(|name| name.contains(word));
    let completer = NameCompleter {
        tasks: named("REF"),
        people: named("PERSON"),
        filters: named("FILTER"),
        daemon: daemon.clone(),
    };
    match completer.tasks || completer.people || completer.filters {
        true => arg.add(ArgValueCompleter::new(completer)),
        false => arg,
    }
}

/// The running daemon, as the line names it.
struct Daemon {
    line: Vec<OsString>,
    find: FindTarget,
}

impl Daemon {
    /// The answer to a `GET`; `None` if there is none soon.
    fn ask(&self, path: &str) -> Option<Value> {
        let command = help::command().ignore_errors(true);
        let matches = command.try_get_matches_from(&self.line).ok()?;
        let target = (self.find)(Options::from_arg_matches(&matches).ok()?)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .ok()?;
        let asked = async {
            let client = DaemonClient::new(&target).ok()?;
            client
                .ask_once(&Call::get(path, AnswerKind::Words), WITHIN)
                .await
        };
        let answer = runtime.block_on(async { tokio::time::timeout(WITHIN, asked).await });
        // Looking up a name may go on in another thread.
        runtime.shutdown_background();
        answer.ok()?
    }

    /// The ids of the person's tasks in the order of their queue, with their titles.
    fn tasks(&self) -> Vec<(String, Option<String>)> {
        let answer = self.ask(&format!("/queue?limit={TASKS}&peek=true"));
        named(answer, "tasks", "task_id", "title")
    }

    fn people(&self) -> Vec<(String, Option<String>)> {
        named(self.ask("/people"), "people", "name", "")
    }
}

fn named(
    answer: Option<Value>,
    list: &str,
    name: &str,
    about: &str,
) -> Vec<(String, Option<String>)> {
    let text = |one: &Value, member: &str| one.get(member)?.as_str().map(clean);
    let list = answer
        .as_ref()
        .and_then(|answer| answer.get(list)?.as_array());
    let entries = list.into_iter().flatten();
    entries
        .filter_map(|one| Some((text(one, name)?, text(one, about))))
        .collect()
}

/// Completes an argument that names a task, a person or a filter.
struct NameCompleter {
    tasks: bool,
    people: bool,
    filters: bool,
    daemon: Arc<Daemon>,
}

impl ValueCompleter for NameCompleter {
    fn complete(&self, current: &OsStr) -> Vec<CompletionCandidate> {
        self.complete_at(0, current)
    }

    /// A task is the first of several words.
    fn complete_at(&self, index: usize, current: &OsStr) -> Vec<CompletionCandidate> {
        let Some(typed) = current.to_str() else {
            return Vec::new();
        };
        let mut offers = Vec::new();
        if self.filters {
            offers.extend(Filter::WORDS.iter().map(|word| ((*word).to_owned(), None)));
        }
        if self.tasks && (index == 0 || !self.people) {
            offers.extend(self.daemon.tasks());
        }
        if self.people {
            offers.extend(self.daemon.people());
        }
        matching(&offers, typed)
            .into_iter()
            .map(|(offer, about)| CompletionCandidate::new(offer).help(about.map(Into::into)))
            .collect()
    }
}

/// The offers that begin as typed. An issue may be typed without its source.
fn matching(offers: &[(String, Option<String>)], typed: &str) -> Vec<(String, Option<String>)> {
    let begins = |offer: &str| offer.to_lowercase().starts_with(&typed.to_lowercase());
    let whole: Vec<_> = offers
        .iter()
        .filter(|(offer, _)| begins(offer))
        .cloned()
        .collect();
    if !whole.is_empty() {
        return whole;
    }
    let rests = offers.iter().filter_map(|(offer, about)| {
        let rest = offer.strip_prefix("github:")?;
        begins(rest).then(|| (rest.to_owned(), about.clone()))
    });
    rests.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offers(names: &[&str]) -> Vec<(String, Option<String>)> {
        names
            .iter()
            .map(|name| ((*name).to_owned(), None))
            .collect()
    }

    #[test]
    fn offers_begin_as_typed() {
        let all = offers(&["clickup:86a", "github:acme/widgets#7", "Ana"]);
        assert_eq!(matching(&all, ""), all);
        assert_eq!(matching(&all, "an"), offers(&["Ana"]));
        assert_eq!(
            matching(&all, "github:acme"),
            offers(&["github:acme/widgets#7"])
        );
        assert_eq!(matching(&all, "acme/w"), offers(&["acme/widgets#7"]));
        assert_eq!(matching(&all, "zoe"), []);
    }

    #[test]
    fn an_unexpected_answer_offers_nothing() {
        assert_eq!(named(None, "tasks", "task_id", "title"), []);
        let answer = serde_json::json!({ "tasks": [{ "task_id": 7 }, { "task_id": "a\u{7}" }] });
        let found = named(Some(answer), "tasks", "task_id", "title");
        assert_eq!(found, offers(&["a"]));
    }

    #[test]
    fn every_shell_has_a_script() {
        for shell in [
            Shell::Bash,
            Shell::Elvish,
            Shell::Fish,
            Shell::PowerShell,
            Shell::Zsh,
        ] {
            let mut out = Vec::new();
            script(shell, &mut out).unwrap();
            let script = String::from_utf8(out).unwrap();
            assert!(
                script.contains(VARIABLE) && script.contains("ivan"),
                "{script}"
            );
        }
    }

    #[test]
    fn the_line_stands_after_the_dashes() {
        let words: Vec<OsString> = ["ivan", "--", "ivan", "done", "--", "x"]
            .map(Into::into)
            .into();
        let expected: Vec<OsString> = ["ivan", "done", "--", "x"].map(Into::into).into();
        assert_eq!(line(&words), expected);
    }
}
