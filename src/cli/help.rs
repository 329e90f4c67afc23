//! `ivan --help`: the groups of commands, their examples, and the global options that each one heeds.
//!
//! A verb brings its examples along; `GROUPS` names its group. Any other command is an `Entry`.

use std::fmt::Write as _;

use clap::builder::{StyledStr, Styles};
use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches};

use super::{Cli, line_of};

/// The widest line of `ivan --help`, in columns.
const WIDTH: usize = 80;

/// The groups of `ivan --help`, with the names of their commands in the order of use.
const GROUPS: [(&str, &[&str]); 4] = [
    (
        "Tasks",
        &[
            "current",
            "next",
            "list",
            "find",
            "why",
            "open",
            "done",
            "comment",
            "create",
            "start",
            "pause",
            "snooze",
            "reopen",
            "claim",
            "assign",
            "due",
            "prio",
            "label",
            "milestone",
            "type",
            "attach",
            "undo",
            "confirm",
            "log",
            "stats",
            "morning",
        ],
    ),
    ("People", &["login", "logout", "whoami", "link", "unlink"]),
    (
        "Settings",
        &["briefing", "quiet", "receipts", "completions"],
    ),
    (
        "Running it",
        &[
            "init",
            "doctor",
            "serve",
            "healthcheck",
            "status",
            "sync",
            "retry",
            "webhooks",
            "config",
            "backup",
            "restore",
            "export",
            "store",
            "token",
            "manifest",
            "demo",
            "sandbox",
        ],
    ),
];

/// A command that is no verb.
struct Entry {
    name: &'static str,
    /// The global options that it heeds; the others are not in its help.
    heeds: &'static [&'static str],
    /// Whole lines, as they are typed in a shell.
    examples: &'static [&'static str],
}

const CONFIG: &str = "config";
const API_URL: &str = "api_url";
const API_TOKEN: &str = "api_token";
const ACTOR: &str = "actor";
const JSON: &str = "json";
const JQ: &str = "jq";

/// The global options of a command that asks the daemon without a person.
const DAEMON: &[&str] = &[CONFIG, API_URL, API_TOKEN, JSON, JQ];
/// The global options of a command that reads the configuration itself.
const FILES: &[&str] = &[CONFIG, JSON, JQ];

const ENTRIES: &[Entry] = &[
    Entry {
        name: "open",
        heeds: &[CONFIG, API_URL, API_TOKEN, ACTOR, JSON, JQ],
        examples: &[
            "ivan open",
            "ivan open 2",
            "ivan open '#12' --no-browser",
            "ivan open --ops",
        ],
    },
    Entry {
        name: "init",
        heeds: &[CONFIG],
        examples: &[
            "ivan init",
            "ivan init --clickup-list Inbox --github-repo acme/widgets --operator ana --yes",
            "ivan init --github-app --github-org acme --github-repo acme/widgets",
        ],
    },
    Entry {
        name: "doctor",
        heeds: &[CONFIG, API_URL, JSON, JQ],
        examples: &["ivan doctor", "ivan doctor --live", "ivan doctor --fix"],
    },
    Entry {
        name: "login",
        heeds: &[JSON, JQ],
        examples: &[
            "ivan login https://ivan.example.com",
            "ivan login 127.0.0.1:8787 --name notebook --read-only",
            "ivan login https://ivan.example.com --with-token < token.txt",
        ],
    },
    Entry {
        name: "logout",
        heeds: &[JSON, JQ],
        examples: &["ivan logout", "ivan logout https://ivan.example.com"],
    },
    Entry {
        name: "serve",
        heeds: &[CONFIG],
        examples: &["ivan serve", "ivan serve --config /etc/ivan/bot.toml"],
    },
    Entry {
        name: "healthcheck",
        heeds: &[CONFIG, API_URL],
        examples: &["ivan healthcheck", "ivan healthcheck --ready"],
    },
    Entry {
        name: "sync",
        heeds: DAEMON,
        examples: &["ivan sync", "ivan sync --full"],
    },
    Entry {
        name: "retry",
        heeds: DAEMON,
        examples: &["ivan retry message-12"],
    },
    Entry {
        name: "webhooks",
        heeds: FILES,
        examples: &[
            "ivan webhooks list",
            "ivan webhooks register --url https://bot.example",
            "ivan webhooks repair",
        ],
    },
    Entry {
        name: "config",
        heeds: &[CONFIG, API_URL, API_TOKEN],
        examples: &[
            "ivan config check",
            "ivan config show",
            "ivan config reload",
        ],
    },
    Entry {
        name: "backup",
        heeds: FILES,
        examples: &[
            "ivan backup /backup/ivan.db",
            "ivan backup /backup/ivan.db --force",
        ],
    },
    Entry {
        name: "restore",
        heeds: FILES,
        examples: &["ivan restore /backup/ivan.db"],
    },
    Entry {
        name: "export",
        heeds: FILES,
        examples: &[
            "ivan export --json > rows.jsonl",
            "ivan export --csv --what tasks -o tasks.csv",
            "ivan export --csv --what log --since 2026-11-01 -o log.csv --force",
            "ivan export --what operations --jq 'select(.state == \"given_up\")'",
        ],
    },
    Entry {
        name: "store",
        heeds: &[CONFIG],
        examples: &["ivan store rekey", "ivan store rekey --to ivan.key"],
    },
    Entry {
        name: "token",
        heeds: &[JSON, JQ],
        examples: &["ivan token new", "ivan token hash < token.txt"],
    },
    Entry {
        name: "manifest",
        heeds: &[],
        examples: &["ivan manifest > manifest.yaml", "ivan manifest --link"],
    },
    Entry {
        name: "completions",
        heeds: &[],
        examples: &[
            "ivan completions bash > ~/.local/share/bash-completion/completions/ivan",
            "ivan completions zsh > ~/.ivan-completion.zsh",
            "ivan completions fish > ~/.config/fish/completions/ivan.fish",
        ],
    },
    Entry {
        name: "man",
        heeds: &[],
        examples: &["ivan man | man -l -", "ivan man ~/.local/share/man/man1"],
    },
    Entry {
        name: "demo",
        heeds: &[],
        examples: &[
            "ivan demo",
            "ivan demo --web --open",
            "ivan demo < lines.txt",
        ],
    },
    Entry {
        name: "sandbox",
        heeds: &[],
        examples: &[
            "ivan sandbox > sandbox.env",
            "ivan sandbox --slack-port 9000 --control-port 9009 > sandbox.env",
            "ivan sandbox --github-app sandbox-app.pem",
        ],
    },
];

fn entry_of(name: &str) -> Option<&'static Entry> {
    ENTRIES.iter().find(|entry| entry.name == name)
}

/// Whether a command heeds a global option. Verbs heed all of them.
fn heeds(command: &str, option: &str) -> bool {
    entry_of(command).is_none_or(|entry| entry.heeds.contains(&option))
}

/// Whether a command asks the running daemon.
pub fn asks_the_daemon(command: &str) -> bool {
    heeds(command, API_TOKEN)
}

fn examples_of(name: &str) -> &'static [&'static str] {
    match line_of(name) {
        Some((_, line)) => line.examples(),
        None => entry_of(name).map_or(&[], |entry| entry.examples),
    }
}

/// The whole command line, with its help.
pub fn command() -> clap::Command {
    let root = Cli::command();
    let globals: Vec<clap::Arg> = root
        .get_arguments()
        .filter(|arg| arg.is_global_set())
        .cloned()
        .collect();
    let root = root.mut_subcommands(|command| described(command, &globals));
    let template = template(&root);
    root.help_template(template)
}

/// Reads the command line of the process. Prints the help or the mistake, and exits, if there is no command in it.
pub fn parse() -> Cli {
    read(std::env::args_os()).unwrap_or_else(|error| error.exit())
}

/// Reads a command line.
pub fn read<I, T>(words: I) -> Result<Cli, clap::Error>
where
    I: IntoIterator<Item = T>,
    T: Into<std::ffi::OsString> + Clone,
{
    let mut command = command();
    let matches = command.try_get_matches_from_mut(words)?;
    let cli = Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
    match matches.subcommand_name() {
        Some(name) if cli.options.json && !heeds(name, JSON) => {
            Err(no_json(&mut command, name, "--json"))
        }
        Some(name) if cli.options.jq.is_some() && !heeds(name, JQ) => {
            Err(no_json(&mut command, name, "--jq"))
        }
        _ => Ok(cli),
    }
}

fn no_json(command: &mut clap::Command, name: &str, option: &str) -> clap::Error {
    command.error(
        ErrorKind::ArgumentConflict,
        format!("`ivan {name}` prints no JSON; leave out {option}"),
    )
}

/// A command with its examples, and without the global options that it does not heed.
fn described(command: clap::Command, globals: &[clap::Arg]) -> clap::Command {
    let name = command.get_name().to_owned();
    let examples = examples_of(&name);
    let unheeded = globals
        .iter()
        .filter(|arg| !heeds(&name, arg.get_id().as_str()));
    let after = after_help(&command, examples);
    command
        .args(unheeded.map(|arg| arg.clone().hide(true)))
        .after_help(after)
        .mut_subcommands(|action| {
            let line = format!("ivan {name} {}", action.get_name());
            let of_action = examples.iter().filter(|example| example.starts_with(&line));
            let after = after_help(&action, &of_action.copied().collect::<Vec<_>>());
            action.after_help(after)
        })
}

/// The notes of a command, its other names, and its examples.
fn after_help(command: &clap::Command, examples: &[&str]) -> StyledStr {
    let mut after = String::new();
    if let Some(notes) = command.get_after_help() {
        let _ = write!(after, "{}\n\n", notes.ansi());
    }
    let aliases: Vec<&str> = command.get_visible_aliases().collect();
    if !aliases.is_empty() {
        let _ = write!(after, "{}\n\n", header("Other names:", &aliases.join(", ")));
    }
    if !examples.is_empty() {
        after.push_str(&header("Examples:", ""));
        for example in examples {
            let _ = write!(after, "\n  {example}");
        }
    }
    StyledStr::from(after.trim_end().to_owned())
}

fn header(title: &str, rest: &str) -> String {
    let style = Styles::styled();
    let style = style.get_header();
    format!("{style}{title}{style:#} {rest}")
        .trim_end()
        .to_owned()
}

/// The help of `ivan` itself.
fn template(root: &clap::Command) -> String {
    let style = Styles::styled();
    let literal = *style.get_literal();
    let names = root
        .get_subcommands()
        .map(|command| command.get_name().len());
    let width = names.max().unwrap_or_default();
    let mut text = "{about}\n\n{usage-heading} {usage}\n".to_owned();
    for (title, names) in groups(root) {
        let _ = write!(text, "\n{}\n", header(&format!("{title}:"), ""));
        for (name, about) in names {
            let about = summary(&about, WIDTH - width - 4);
            let _ = writeln!(text, "  {literal}{name:<width$}{literal:#}  {about}");
        }
    }
    let _ = write!(
        text,
        "\n`ivan COMMAND --help` shows a command with examples.\n\n{}\n{{options}}{{after-help}}",
        header("Options:", "")
    );
    text
}

/// The visible commands with their descriptions, by groups. A command without a group is in the last one.
fn groups(root: &clap::Command) -> Vec<(&'static str, Vec<(String, String)>)> {
    let shown = |command: &clap::Command| {
        let about = command.get_about().map(ToString::to_string);
        (command.get_name().to_owned(), about.unwrap_or_default())
    };
    let mut groups: Vec<(&str, Vec<(String, String)>)> = Vec::new();
    for (title, names) in GROUPS {
        let found = names.iter().filter_map(|name| root.find_subcommand(name));
        let visible = found.filter(|command| !command.is_hide_set());
        groups.push((title, visible.map(shown).collect()));
    }
    let grouped = |name: &str| GROUPS.iter().any(|(_, names)| names.contains(&name));
    let others = root
        .get_subcommands()
        .filter(|command| !command.is_hide_set() && !grouped(command.get_name()));
    if let Some((_, last)) = groups.last_mut() {
        last.extend(others.map(shown));
    }
    groups
}

/// The beginning of a description that fits into one line.
fn summary(about: &str, width: usize) -> String {
    let fits = |text: &str| text.chars().count() <= width;
    if fits(about) {
        return about.to_owned();
    }
    let beginnings = ["; ", ": ", ", "].into_iter().filter_map(|between| {
        let (beginning, _) = about.split_once(between)?;
        Some(beginning.to_owned())
    });
    let fitting = beginnings.into_iter().find(|beginning| fits(beginning));
    fitting.unwrap_or_else(|| about.chars().take(width).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use insta::assert_snapshot;
    use std::collections::BTreeSet;

    fn help_of(words: &[&str]) -> String {
        read([&["ivan"], words, &["--help"]].concat())
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn every_command_has_one_group_and_examples() {
        let root = command();
        let shown = root
            .get_subcommands()
            .filter(|command| !command.is_hide_set());
        let commands: BTreeSet<&str> = shown.map(clap::Command::get_name).collect();
        let grouped: Vec<&str> = GROUPS
            .iter()
            .flat_map(|(_, names)| *names)
            .copied()
            .collect();
        assert_eq!(grouped.len(), grouped.iter().collect::<BTreeSet<_>>().len());
        assert_eq!(commands, grouped.into_iter().collect());
        for name in commands {
            assert!(!examples_of(name).is_empty(), "{name} has no examples");
            let either = line_of(name).is_some() ^ entry_of(name).is_some();
            assert!(either, "{name} is a verb or has an entry in ENTRIES");
        }
        assert!(
            ENTRIES
                .iter()
                .all(|entry| root.find_subcommand(entry.name).is_some())
        );
    }

    #[test]
    fn every_option_that_an_entry_heeds_exists() {
        let root = Cli::command();
        let ids: BTreeSet<&str> = root
            .get_arguments()
            .map(|arg| arg.get_id().as_str())
            .collect();
        for entry in ENTRIES {
            assert!(
                entry.heeds.iter().all(|id| ids.contains(id)),
                "{}",
                entry.name
            );
        }
    }

    /// The words of a line, as a shell splits it, before a pipe or a redirection.
    fn words(line: &str) -> Vec<String> {
        let line = [" | ", " > ", " < "]
            .iter()
            .fold(line, |line, end| line.split(end).next().unwrap());
        let (mut words, mut quote) = (vec![String::new()], None);
        for c in line.chars() {
            match (c, quote) {
                (c, Some(open)) if c == open => quote = None,
                ('\'' | '"', None) => quote = Some(c),
                (' ', None) => words.push(String::new()),
                (c, _) => words.last_mut().unwrap().push(c),
            }
        }
        words
    }

    #[test]
    fn every_example_can_be_typed() {
        for command in command().get_subcommands() {
            let name = command.get_name();
            for example in examples_of(name) {
                let words = words(example);
                assert_eq!(words[1], name, "{example}");
                if let Err(error) = read(&words) {
                    panic!("{example}: {error}");
                }
                assert!(example.chars().count() <= WIDTH - 2, "{example}");
            }
        }
    }

    #[test]
    fn the_help_has_groups() {
        let help = help_of(&[]);
        assert!(
            help.lines().all(|line| line.chars().count() <= 100),
            "{help}"
        );
        let at = |text: &str| {
            help.find(text)
                .unwrap_or_else(|| panic!("no {text:?} in {help}"))
        };
        let titles = GROUPS.map(|(title, _)| at(&format!("\n{title}:\n")));
        assert!(
            titles.is_sorted() && titles.last() < Some(&at("\nOptions:\n")),
            "{help}"
        );
        at("\n  done         Complete the current task, or REF; -c adds a comment\n");
        at("\n  prio         Set the priority of the current task, or of REF\n");
    }

    #[test]
    fn a_verb_shows_its_own_options_first_and_examples_last() {
        assert_snapshot!(help_of(&["done"]), @r"
        Complete the current task, or REF; -c adds a comment

        Usage: ivan done [OPTIONS] [REF]...

        Arguments:
          [REF]...  Tasks other than the current one

        Options:
          -c, --comment <TEXT>  Add a comment
          -h, --help            Print help

        Global options:
              --config <PATH>      The configuration file, instead of the first of $IVAN_CONFIG, ./bot.toml,
                                   $XDG_CONFIG_HOME/ivan/bot.toml and /etc/ivan/bot.toml
              --api-url <URL>      The daemon's URL [default: api.bind of the configuration] [env:
                                   IVAN_API_URL=]
              --api-token <TOKEN>  The API's token [default: api.token of the configuration, or the file
                                   api-token beside the store] [env: IVAN_API_TOKEN]
              --as <PERSON>        Who is acting: a name, Slack id or GitHub login of [[people]] [env:
                                   IVAN_AS=]
              --json               Print the answer as JSON
              --jq <EXPR>          Print the parts of the JSON that a jq expression selects

        REF is a number of the last list, a task id (clickup:<id>, github:<owner>/<repo>#<number>), '#12'
        for an issue of the default repository, or a task's link.

        Other names: finished, completed, finish, complete, close

        Examples:
          ivan done
          ivan done 2 -c 'shipped in 2.1'
          ivan done github:acme/widgets#7
          ivan done 1 3-5
        ");
    }

    #[test]
    fn options_that_make_no_sense_are_not_shown() {
        assert_snapshot!(help_of(&["token", "new"]), @r"
        Make a token, and print it with its hash for [[api.tokens]]

        Usage: ivan token new [OPTIONS]

        Options:
          -h, --help  Print help

        Global options:
              --json       Print the answer as JSON
              --jq <EXPR>  Print the parts of the JSON that a jq expression selects

        Examples:
          ivan token new
        ");
        let sandbox = help_of(&["sandbox"]);
        for absent in ["--api-url", "--api-token", "--as", "--json", "--config"] {
            assert!(!sandbox.contains(absent), "{sandbox}");
        }
        let sync = help_of(&["sync"]);
        assert!(
            sync.contains("--api-token") && !sync.contains("--as"),
            "{sync}"
        );
    }

    #[test]
    fn actions_have_examples_too() {
        for command in command().get_subcommands() {
            for action in command.get_subcommands() {
                let help = help_of(&[command.get_name(), action.get_name()]);
                assert!(help.contains("Examples:\n  ivan "), "{help}");
            }
        }
    }

    #[test]
    fn json_is_refused_where_there_is_none() {
        let refused = read(["ivan", "serve", "--json"]).unwrap_err();
        assert_eq!(refused.exit_code(), 2);
        assert!(
            refused.to_string().contains("`ivan serve` prints no JSON"),
            "{refused}"
        );
        assert!(
            read(["ivan", "token", "new", "--json"])
                .unwrap()
                .options
                .json
        );
    }

    #[test]
    fn a_long_description_is_cut_at_a_pause() {
        assert_eq!(summary("Show it: one, two; three", 20), "Show it: one, two");
        assert_eq!(summary("Show it: one, two; three", 10), "Show it");
        assert_eq!(summary("Show", 10), "Show");
    }
}
