//! The command line, and the client of our own HTTP API.
//!
//! `main` parses [`Cli`]; task commands go through [`run`] to the daemon and return text and an exit status. This
//! module uses the daemon's API only, none of its internals. The exceptions are `webhooks.rs` and `init.rs`, which call
//! the services directly, because they work beside a daemon or before there is one.

#![allow(
    rustdoc::broken_intra_doc_links,
    rustdoc::invalid_html_tags,
    reason = "comments here are the text of --help, which has no Markdown"
)]

pub mod browse;
pub mod client;
pub mod complete;
pub mod doctor;
pub mod export;
pub mod help;
pub mod init;
pub mod jq;
pub mod json;
pub mod login;
pub mod look;
pub mod man;
pub mod manifest;
pub mod print;
pub mod prompt;
pub mod token;
pub mod webhooks;

use std::convert::Infallible;
use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{ArgMatches, Args, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use crate::verbs::line::{AnswerKind, Call, CommandLine, encoded};
use crate::verbs::{Info, VERBS};
use client::{ApiAnswer, ClientError, DaemonClient};
use doctor::DoctorArgs;
use export::ExportOptions;
use init::InitOptions;
use json::OutputForm;
use login::{LoginArgs, LogoutArgs};
use look::StreamLook;
use print::Printed;
use prompt::{Prompter, Terminal};
use token::TokenCommand;
use webhooks::WebhooksCommand;

/// Exit statuses: success, conflict included.
pub const EXIT_OK: u8 = 0;
/// Refused or failed.
pub const EXIT_FAILED: u8 = 1;
/// The command line is invalid.
pub const EXIT_USAGE: u8 = 2;
/// The daemon is not reachable.
pub const EXIT_UNREACHABLE: u8 = 3;
/// The daemon rejected the API's token.
pub const EXIT_REJECTED: u8 = 4;
/// Accepted, but still queued.
pub const EXIT_QUEUED: u8 = 75;

/// How long the daemon may take beyond the requested wait.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// How many tasks of all people are listed, as of a queue.
const LIST_SHOWN: usize = 20;
/// The same for a line of a prompt, which appears with each command.
const LINE_WITHIN: Duration = Duration::from_secs(2);
/// The daemon's default wait for a write.
const WRITE_WAIT: Duration = Duration::from_secs(10);
/// How long a synchronization is awaited: the longest wait of the daemon.
const SYNC_WAIT: Duration = Duration::from_secs(300);

/// Work your ClickUp and GitHub tasks from Slack and the terminal
#[derive(Debug, Parser)]
#[command(name = "ivan", version, max_term_width = 100)]
#[command(
    after_help = "Exit status: 0 success, 1 refused or failed, 2 usage, 3 the daemon is not reachable, 4 it rejected the \
         token, 75 accepted but still queued, or not read yet."
)]
pub struct Cli {
    /// The global options, which any command accepts.
    #[command(flatten)]
    pub options: Options,
    /// The subcommand, with its own arguments.
    #[command(subcommand)]
    pub command: CliCommand,
}

/// Options of every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct Options {
    /// The configuration file, instead of the first of $IVAN_CONFIG, ./bot.toml,
    /// $XDG_CONFIG_HOME/ivan/bot.toml and /etc/ivan/bot.toml
    #[arg(long, global = true, value_name = "PATH")]
    pub config: Option<PathBuf>,
    /// The daemon's URL [default: api.bind of the configuration]
    #[arg(long, global = true, value_name = "URL", env = "IVAN_API_URL")]
    pub api_url: Option<String>,
    /// The API's token [default: api.token of the configuration, or the file api-token beside the store]
    #[arg(
        long,
        global = true,
        value_name = "TOKEN",
        env = "IVAN_API_TOKEN",
        hide_env_values = true
    )]
    pub api_token: Option<ApiToken>,
    /// Who is acting: a name, Slack id or GitHub login of [[people]]
    #[arg(long = "as", global = true, value_name = "PERSON", env = "IVAN_AS")]
    pub actor: Option<String>,
    /// Print the answer as JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// Print the parts of the JSON that a jq expression selects
    #[arg(long, global = true, value_name = "EXPR")]
    pub jq: Option<String>,
}

/// The API's token, which is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiToken(String);

impl ApiToken {
    /// Takes the token as given; white space around it is ignored when it is sent.
    pub fn new(token: impl Into<String>) -> ApiToken {
        ApiToken(token.into())
    }

    /// The plain token, only for the header.
    pub fn expose(&self) -> &str {
        self.0.trim()
    }
}

impl fmt::Debug for ApiToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiToken(…)")
    }
}

impl FromStr for ApiToken {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<ApiToken, Infallible> {
        Ok(ApiToken::new(text))
    }
}

/// The subcommands of `ivan`.
#[derive(Debug, PartialEq, Eq, Subcommand)]
pub enum CliCommand {
    /// Connect Slack, ClickUp and GitHub: asks, checks each answer, writes bot.toml and starts
    #[command(after_help = INIT_HELP)]
    Init(Box<InitOptions>),
    /// Run the daemon
    Serve,
    /// Try Ivan without accounts or network, against a simulated Slack, ClickUp and GitHub
    #[command(hide = cfg!(not(feature = "demo")))]
    Demo(DemoOptions),
    /// Run the simulated services of the demo alone, to test your own Slack bot
    #[command(hide = cfg!(not(feature = "demo")), after_help = SANDBOX_HELP)]
    Sandbox(SandboxPorts),
    /// Get a token of your own, which you allow in Slack
    #[command(after_help = login::LOGIN_HELP)]
    Login(LoginArgs),
    /// Revoke and forget the token of a login
    Logout(LogoutArgs),
    /// A command to the running daemon, by HTTP.
    #[command(flatten)]
    Task(TaskCommand),
    /// List, register and repair webhooks
    #[command(after_help = "--json prints the result without secrets.")]
    Webhooks {
        /// The action on the webhooks.
        #[command(subcommand)]
        command: WebhooksCommand,
    },
    /// Ask the running daemon whether it is well, for containers and monitors
    Healthcheck {
        /// Whether it is ready for commands too: the store takes writes, and Slack is connected
        #[arg(long)]
        ready: bool,
    },
    /// Check everything that Ivan needs, and say what mends it
    #[command(after_help = doctor::HELP)]
    Doctor(DoctorArgs),
    /// Check or print the configuration
    Config {
        /// The action on the configuration.
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Copy the store to a file, beside the running daemon
    #[command(
        after_help = "The key of its secrets is not in the copy. docs/operations.md#back-up has more."
    )]
    Backup {
        /// The file for the copy
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Replace the file if it exists
        #[arg(long)]
        force: bool,
    },
    /// Write tasks, operations and the log as JSON or CSV, beside the running daemon
    #[command(after_help = export::HELP)]
    Export(ExportOptions),
    /// Put a copy in the place of the store; the daemon must not run
    #[command(
        after_help = "The store from before is kept under another name. docs/operations.md#restore has more."
    )]
    Restore {
        /// A copy that `ivan backup` or another tool has made
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Work on the store while the daemon is stopped
    Store {
        /// The action on the store.
        #[command(subcommand)]
        command: StoreCommand,
    },
    /// Make or hash tokens for the API
    #[command(after_help = "docs/api.md#tokens describes their rights.")]
    Token {
        /// The action on tokens.
        #[command(subcommand)]
        command: TokenCommand,
    },
    /// Print the manifest of the Slack app
    Manifest {
        /// Print the address of Slack's page for a new app instead, with the manifest filled in
        #[arg(long)]
        link: bool,
    },
    /// Print the script that completes commands, tasks and people in a shell
    Completions {
        /// The shell to complete for
        shell: Shell,
    },
    /// Print the manual page, or write all pages into a folder
    #[command(hide = true)]
    Man {
        /// The folder for a page of each command: ivan.1, ivan-done.1 and so on
        #[arg(value_name = "DIR")]
        folder: Option<PathBuf>,
    },
}

/// The form of the demo.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Args)]
pub struct DemoOptions {
    /// Show Slack, ClickUp and GitHub as a page in the browser, on this machine alone
    #[arg(long)]
    pub web: bool,
    /// The port of the page; by default any free one
    #[arg(long, value_name = "N", requires = "web")]
    pub port: Option<u16>,
    /// Open the page in the browser
    #[arg(long, requires = "web")]
    pub open: bool,
}

/// The ports of the sandbox on 127.0.0.1 (0 is any free port), and the kind of its GitHub.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct SandboxPorts {
    /// The port of Slack: its Web API, and the sockets
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub slack_port: u16,
    /// The port of GitHub
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub github_port: u16,
    /// The port of ClickUp
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub clickup_port: u16,
    /// The port of the control API, for acting as people in Slack and causing faults
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub control_port: u16,
    /// GitHub is a GitHub Enterprise Server with pages, where `ivan init --github-app` makes an App
    #[arg(long)]
    pub github_server: bool,
    /// That server has an App, whose private key is written to FILE; the lines for bot.toml are printed
    #[arg(long, value_name = "FILE")]
    pub github_app: Option<PathBuf>,
}

/// Actions on the configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum ConfigCommand {
    /// Check the configuration
    Check,
    /// Print the configuration, with secrets masked
    Show,
    /// Apply changes of bot.toml to the running daemon, and say which need a restart
    Reload,
}

/// Actions on the store; the daemon must not run.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum StoreCommand {
    /// Encrypt the secrets in the store with a new key
    Rekey {
        /// The file for the new key, instead of replacing the old one; set store.key_file to it then
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
        /// Remove secrets whose key is lost
        #[arg(long)]
        lost: bool,
    },
}

/// Commands to the running daemon: the verbs, and two for operators.
///
/// REF is a number of the last list, a task id (clickup:<id>, github:<owner>/<repo>#<number>), '#12' for an issue of
/// the default repository, or the URL of a task's page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskCommand {
    /// A verb, as the request that its line becomes.
    Verb(Call),
    /// A command for operators, which is no verb.
    Operator(OperatorCommand),
}

/// The commands for operators.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum OperatorCommand {
    /// Open the page of the current task, or REF, or the status page, in the browser
    #[command(after_help = OPEN_HELP)]
    Open {
        /// A task other than the current one
        #[arg(value_name = "REF")]
        task: Option<String>,
        /// Open the daemon's status page instead, by a link that works once
        #[arg(long, conflicts_with = "task")]
        ops: bool,
        /// Print the address instead
        #[arg(short, long)]
        no_browser: bool,
    },
    /// Read changes from the sources
    Sync {
        /// Read everything, not only changes
        #[arg(long)]
        full: bool,
    },
    /// Retry work that crashed the daemon twice and was set aside
    Retry {
        /// The id in `ivan status`: message-12, delivery-7, or the id of an operation
        #[arg(value_name = "ID")]
        id: String,
    },
}

/// The subcommands follow from the table of verbs, which a derive cannot read.
impl Subcommand for TaskCommand {
    fn augment_subcommands(cli: clap::Command) -> clap::Command {
        let lines = VERBS
            .iter()
            .filter_map(|row| Some((row.info, row.info.line?)));
        let cli = cli.subcommands(lines.map(|(info, line)| line.command(info)));
        OperatorCommand::augment_subcommands(cli)
    }

    fn augment_subcommands_for_update(cli: clap::Command) -> clap::Command {
        TaskCommand::augment_subcommands(cli)
    }

    fn has_subcommand(name: &str) -> bool {
        line_of(name).is_some() || OperatorCommand::has_subcommand(name)
    }
}

impl FromArgMatches for TaskCommand {
    fn from_arg_matches(matches: &ArgMatches) -> Result<TaskCommand, clap::Error> {
        let verb = matches
            .subcommand()
            .and_then(|(name, words)| Some((line_of(name)?, words)));
        match verb {
            Some(((info, line), words)) => line.call(info, words).map(TaskCommand::Verb),
            None => OperatorCommand::from_arg_matches(matches).map(TaskCommand::Operator),
        }
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = TaskCommand::from_arg_matches(matches)?;
        Ok(())
    }
}

fn line_of(name: &str) -> Option<(&'static Info, CommandLine)> {
    let row = VERBS.iter().find(|row| row.info.name == name)?;
    Some((row.info, row.info.line?))
}

const INIT_HELP: &str = "Run again, it shows what would change, and keeps all other keys and comments. Without a terminal it never asks: it \
     names the missing answers and exits with 2. Tokens come from the prompt, a file or the environment (also \
     IVAN__SLACK__BOT_TOKEN and its like); their options name files, because a command line stays in the shell's \
     history. docs/getting-started.md shows a whole run.";

const OPEN_HELP: &str = "Without a terminal, or without a browser, the address is printed. $BROWSER names the browser. REF is as for \
     `ivan done`. --ops takes the API's token, or a named one for any person; its link is good for 2 minutes.";

const SANDBOX_HELP: &str = "Prints addresses and tokens as `export` lines and runs until Ctrl-C. docs/sandbox.md describes the control API. \
     Port 0 picks a free port.";

/// The daemon's address, and the actor.
#[derive(Debug, Clone)]
pub struct DaemonTarget {
    /// The API's base URL: `http://127.0.0.1:8787`.
    pub url: String,
    /// The bearer token of the API.
    pub token: ApiToken,
    /// The origin of the token: `--api-token`, or the path of its file.
    pub token_from: String,
    /// A name of `[[people]]`, a Slack id or a GitHub login; `None` for `api.default_person`.
    pub actor: Option<String>,
    /// Print the API's answer instead of words.
    pub json: bool,
    /// The JSON is for an expression, to which only a success is given.
    pub filtered: bool,
    /// The look of the standard output.
    pub look: StreamLook,
}

/// Sends a command to the daemon, and returns its answer.
#[inline(never)]
pub fn run(command: TaskCommand, target: DaemonTarget) -> BoxFuture<'static, Printed> {
    Box::pin(run_command(command, target))
}

async fn run_command(command: TaskCommand, target: DaemonTarget) -> Printed {
    let opens = match &command {
        TaskCommand::Operator(OperatorCommand::Open { no_browser, .. }) => !no_browser,
        _ => false,
    };
    let printed = perform(command, &target).await;
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let found = opens && !target.json && printed.exit == EXIT_OK;
    match found && browse::has_browser(target.look, is_set) {
        true => browse::open(printed.out.trim_end(), browse::start),
        false => printed,
    }
}

/// How long a daemon that is well takes to say so, at most.
const WELL_WITHIN: Duration = Duration::from_secs(3);

/// Asks the daemon at `url` whether it runs, or is ready.
#[inline(never)]
pub fn healthcheck(url: String, ready: bool) -> BoxFuture<'static, Printed> {
    Box::pin(async move { health(&url, ready).await })
}

async fn health(url: &str, ready: bool) -> Printed {
    let (path, well) = match ready {
        true => ("/readyz", "ready"),
        false => ("/healthz", "running"),
    };
    match client::probe(url, path, WELL_WITHIN).await {
        Ok(answer) if answer.status == 200 => Printed::ok(format!("{well}\n")),
        Ok(answer) => {
            let why = answer.json.get("detail").and_then(Value::as_str);
            let why = why.map_or_else(|| format!("it answered {}", answer.status), str::to_owned);
            Printed::failed(&format!("Ivan at {url} is not {well}: {why}"), EXIT_FAILED)
        }
        Err(trouble) => failed(&trouble),
    }
}

/// Prints an answer in its form, and returns the exit status.
pub fn output(printed: &Printed, form: &OutputForm) -> u8 {
    let look = StreamLook::of_output();
    let shown = match form {
        OutputForm::Json(filter) if !printed.out.is_empty() => {
            json::shown(&printed.out, filter.as_ref(), look)
        }
        _ => Ok(look.marked(&printed.out)),
    };
    let (out, err, exit) = match shown {
        Ok(out) => (out, printed.err.clone(), printed.exit),
        Err(why) => {
            let failed = Printed::failed(&why, EXIT_FAILED);
            (failed.out, failed.err, failed.exit)
        }
    };
    // A closed output is no error.
    let _ = std::io::stdout().write_all(out.as_bytes());
    let _ = std::io::stdout().flush();
    let err = StreamLook::of_errors().marked(&err);
    let _ = std::io::stderr().write_all(err.as_bytes());
    exit
}

async fn perform(command: TaskCommand, target: &DaemonTarget) -> Printed {
    let (call, within) = command.request();
    let answer = asked(&call, within, target).await;
    let question = answer.as_ref().ok().and_then(print::question);
    let mut terminal = Terminal::open();
    match question {
        Some(question) if !target.json && terminal.is_asking() => {
            confirms(&question, within, target, &mut terminal).await
        }
        _ => printed(&call, answer, target),
    }
}

/// Shows a question of the daemon's, and does what it asks about if the person says so.
async fn confirms(
    question: &print::ConfirmQuestion,
    within: Duration,
    target: &DaemonTarget,
    person: &mut dyn Prompter,
) -> Printed {
    person.print(&question.words);
    match person.line("Do it? [y/N] ") {
        Ok(line) if matches!(line.to_lowercase().as_str(), "y" | "yes") => {
            let call = Call::post("/confirm", json!({ "id": question.id }));
            perform_call(call, within, target).await
        }
        _ => Printed::failed("Nothing is done", EXIT_FAILED),
    }
}

/// Asks the daemon to read bot.toml again, for the changes.
#[inline(never)]
pub fn reload(target: DaemonTarget) -> BoxFuture<'static, Printed> {
    Box::pin(async move {
        let call = Call {
            answer: AnswerKind::Reload,
            ..Call::post("/config/reload", json!({}))
        };
        perform_call(call, WRITE_WAIT + ANSWER_WITHIN, &target).await
    })
}

async fn perform_call(call: Call, within: Duration, target: &DaemonTarget) -> Printed {
    let answer = asked(&call, within, target).await;
    printed(&call, answer, target)
}

async fn asked(
    call: &Call,
    within: Duration,
    target: &DaemonTarget,
) -> Result<ApiAnswer, ClientError> {
    let client = DaemonClient::new(target)?;
    let sending = client.send(call, within);
    let shows = call.answer == AnswerKind::Sync
        && !target.json
        && std::io::IsTerminal::is_terminal(&std::io::stderr());
    let reply = match shows {
        true => with_progress(sending, target).await?,
        false => sending.await?,
    };
    let reply = match call.answer {
        AnswerKind::Page => with_address(reply, &client),
        _ => reply,
    };
    match call.all_pages {
        true => all_pages(&client, call, within, reply).await,
        false if names_nobody(call, &reply) => client.send(&of_all_people(call), within).await,
        false => Ok(reply),
    }
}

fn printed(call: &Call, answer: Result<ApiAnswer, ClientError>, target: &DaemonTarget) -> Printed {
    match answer {
        Ok(reply) => {
            let words = match reply.status {
                NOT_AUTHORIZED => Printed::failed(&rejected(target), EXIT_REJECTED),
                _ => print::words(&call.answer, &reply, &chrono::Local, target.look),
            };
            // An expression is written for an answer. A refusal would give it the wrong members.
            let answered = matches!(reply.status, 200 | 202);
            match target.json && (answered || !target.filtered) {
                true => print::as_json(words, &reply),
                false => words,
            }
        }
        Err(trouble) => failed(&trouble),
    }
}

/// The answer with the whole address of its page. The daemon does not know by which one it is reached.
fn with_address(mut reply: ApiAnswer, client: &DaemonClient) -> ApiAnswer {
    let path = reply.json.get("path").and_then(Value::as_str);
    if let Some(url) = path.map(|path| client.address(path))
        && let Some(members) = reply.json.as_object_mut()
    {
        members.insert("url".to_owned(), url.into());
        reply.text = reply.json.to_string();
    }
    reply
}

/// Whether a list has no person whose queue it could be.
fn names_nobody(call: &Call, reply: &ApiAnswer) -> bool {
    let kind = reply.json.get("type").and_then(Value::as_str);
    matches!(call.answer, AnswerKind::List { .. })
        && reply.status == 422
        && call.path.starts_with("/queue")
        && kind == Some("urn:ivan:problem:no-actor")
}

/// The same list of all followed tasks. An unknown person is refused there, too.
fn of_all_people(call: &Call) -> Call {
    let query = call.path.trim_start_matches("/queue");
    let query = match query.contains("limit=") {
        true => query.to_owned(),
        false if query.is_empty() => format!("?limit={LIST_SHOWN}"),
        false => format!("{query}&limit={LIST_SHOWN}"),
    };
    Call {
        path: format!("/tasks{query}"),
        ..call.clone()
    }
}

/// The period of asking how far a sync is.
const LOOKS_EVERY: Duration = Duration::from_millis(400);

/// Waits for the end of a sync, and shows on the terminal how far it is.
async fn with_progress(
    sending: impl Future<Output = Result<ApiAnswer, ClientError>>,
    target: &DaemonTarget,
) -> Result<ApiAnswer, ClientError> {
    let looks = async {
        let client = DaemonClient::new(target)?;
        let status = Call::get("/status", AnswerKind::Status);
        loop {
            tokio::time::sleep(LOOKS_EVERY).await;
            // Without an answer the sync itself says why.
            if let Ok(reply) = client.send(&status, ANSWER_WITHIN).await {
                let line = print::progress_line(&reply.json).unwrap_or_default();
                eprint!("\r\x1b[K{line}");
            }
        }
    };
    let answer = tokio::select! {
        answer = sending => answer,
        failed = looks => failed,
    };
    eprint!("\r\x1b[K");
    answer
}

/// The status for a wrong token.
const NOT_AUTHORIZED: u16 = 401;

fn rejected(
    DaemonTarget {
        url, token_from, ..
    }: &DaemonTarget,
) -> String {
    format!("The daemon at {url} rejected the token from {token_from}.")
}

/// The first page of a log with all further ones, as one answer.
async fn all_pages(
    client: &DaemonClient,
    call: &Call,
    within: Duration,
    first: ApiAnswer,
) -> Result<ApiAnswer, ClientError> {
    let mut whole = first;
    let next = |reply: &ApiAnswer| {
        let cursor = reply.json.get("next_cursor").and_then(Value::as_str);
        cursor.map(ToOwned::to_owned)
    };
    while let Some(cursor) = next(&whole) {
        let page = Call::get(
            format!("{}&cursor={cursor}", call.path),
            call.answer.clone(),
        );
        let mut page = client.send(&page, within).await?;
        let (Some(entries), Some(more)) = (
            whole.json.get_mut("entries").and_then(Value::as_array_mut),
            page.json.get_mut("entries").and_then(Value::as_array_mut),
        ) else {
            return Ok(page);
        };
        entries.append(more);
        let next = page.json.get("next_cursor").cloned().unwrap_or_default();
        if let Some(cursor) = whole.json.get_mut("next_cursor") {
            *cursor = next;
        }
    }
    whole.text = whole.json.to_string();
    Ok(whole)
}

fn failed(trouble: &ClientError) -> Printed {
    let exit = match trouble {
        ClientError::Usage(_) => EXIT_USAGE,
        ClientError::Unreachable { .. } | ClientError::Lost { .. } => EXIT_UNREACHABLE,
        ClientError::NotIvan { .. } | ClientError::Client(_) => EXIT_FAILED,
    };
    Printed::failed(&trouble.to_string(), exit)
}

impl TaskCommand {
    /// The request, and how long its answer is awaited.
    fn request(self) -> (Call, Duration) {
        match self {
            TaskCommand::Verb(call) if matches!(call.answer, AnswerKind::Line(_)) => {
                (call, LINE_WITHIN)
            }
            TaskCommand::Verb(call) => {
                let wait = call.body.as_ref().map_or(Duration::ZERO, |_| WRITE_WAIT);
                (call, wait + ANSWER_WITHIN)
            }
            TaskCommand::Operator(OperatorCommand::Open { ops: true, .. }) => {
                let call = Call {
                    answer: AnswerKind::Page,
                    ..Call::post("/ops", json!({}))
                };
                (call, ANSWER_WITHIN)
            }
            TaskCommand::Operator(OperatorCommand::Open { task, .. }) => {
                let path = match task {
                    Some(task) => format!("/why?ref={}", encoded(&task)),
                    None => "/current".to_owned(),
                };
                (Call::get(path, AnswerKind::Address), ANSWER_WITHIN)
            }
            TaskCommand::Operator(OperatorCommand::Sync { full }) => {
                let path = format!("/sync?wait={}", SYNC_WAIT.as_secs());
                let call = Call {
                    answer: AnswerKind::Sync,
                    ..Call::post(&path, json!({ "full": full }))
                };
                (call, SYNC_WAIT + ANSWER_WITHIN)
            }
            TaskCommand::Operator(OperatorCommand::Retry { id }) => {
                let call = Call::post(&format!("/operations/{}/retry", encoded(&id)), json!({}));
                (call, WRITE_WAIT + ANSWER_WITHIN)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn verify_cli() {
        help::command().debug_assert();
    }

    #[test]
    fn global_options_follow_those_of_the_command() {
        let mut cli = help::command();
        cli.build();
        for command in cli.get_subcommands_mut() {
            let help = command.render_long_help().to_string();
            if command.get_name() == "help" {
                continue;
            }
            let Some((own, global)) = help.split_once("Global options:") else {
                assert!(!help.contains("--api-url"), "{help}");
                continue;
            };
            assert!(!own.contains("--api-url"), "{help}");
            assert!(
                own.contains("--help") && !global.contains("--help"),
                "{help}"
            );
        }
    }

    fn parse(line: &[&str]) -> Result<Cli, clap::Error> {
        help::read([&["ivan"], line].concat())
    }

    fn task(line: &[&str]) -> TaskCommand {
        match parse(line).unwrap().command {
            CliCommand::Task(command) => command,
            other => panic!("{line:?} is {other:?}"),
        }
    }

    fn body(line: &[&str]) -> Value {
        task(line).request().0.body.unwrap()
    }

    #[rstest]
    #[case(&["done"], "/done", json!({}))]
    #[case(&["completed", "2"], "/done", json!({ "ref": "2" }))]
    #[case(&["done", "-c", "all good", "#12"], "/done", json!({ "ref": "#12", "comment": "all good" }))]
    #[case(&["comment", "all", "good"], "/comment", json!({ "text": "all good" }))]
    #[case(&["comment", "one\ntwo"], "/comment", json!({ "text": "one\ntwo" }))]
    #[case(&["comment", "--", "- item"], "/comment", json!({ "text": "- item" }))]
    #[case(&["comment", "on", "2:", "all", "good"], "/comment", json!({ "ref": "2", "text": "all good" }))]
    #[case(&["next"], "/next", json!({}))]
    #[case(&["start"], "/start", json!({}))]
    #[case(&["start", "2"], "/start", json!({ "ref": "2" }))]
    #[case(&["snooze", "tomorrow", "14:00"], "/snooze", json!({ "until": "tomorrow 14:00" }))]
    #[case(&["snooze", "#12", "2h"], "/snooze", json!({ "ref": "#12", "until": "2h" }))]
    #[case(&["reopen", "#12"], "/reopen", json!({ "ref": "#12" }))]
    #[case(&["assign", "bo"], "/assign", json!({ "person": "bo" }))]
    #[case(&["assign", "2", "Ana", "Lima"], "/assign", json!({ "ref": "2", "person": "Ana Lima" }))]
    #[case(&["assign", "Ana", "Lima"], "/assign", json!({ "person": "Ana Lima" }))]
    #[case(&["claim", "#12"], "/claim", json!({ "ref": "#12" }))]
    #[case(&["due", "2", "fri", "17:00"], "/due", json!({ "ref": "2", "due": "fri 17:00" }))]
    #[case(&["due", "none"], "/due", json!({ "due": "none" }))]
    #[case(&["done", "1", "3-5"], "/done", json!({ "refs": ["1", "3-5"] }))]
    #[case(&["done", "2-4", "-c", "shipped"], "/done", json!({ "refs": ["2-4"], "comment": "shipped" }))]
    #[case(&["due", "1", "3", "fri"], "/due", json!({ "refs": ["1", "3"], "due": "fri" }))]
    #[case(&["due", "1", "2", "dec"], "/due", json!({ "ref": "1", "due": "2 dec" }))]
    #[case(&["snooze", "2-4", "mon", "9:00"], "/snooze", json!({ "refs": ["2-4"], "until": "mon 9:00" }))]
    #[case(&["snooze", "overdue", "mon"], "/snooze", json!({ "filter": "overdue", "until": "mon" }))]
    #[case(&["done", "overdue", "github"], "/done", json!({ "filter": "overdue github" }))]
    #[case(&["confirm", "01J"], "/confirm", json!({ "id": "01J" }))]
    #[case(&["prio", "1,3", "high"], "/priority", json!({ "refs": ["1", "3"], "priority": "high" }))]
    #[case(&["assign", "1", "3", "to", "Ana", "Lima"], "/assign", json!({ "refs": ["1", "3"], "person": "Ana Lima" }))]
    #[case(&["prio", "2", "high"], "/priority", json!({ "ref": "2", "priority": "high" }))]
    #[case(&["prio", "none"], "/priority", json!({ "priority": "none" }))]
    #[case(&["undo"], "/undo", json!({}))]
    #[case(&["sync", "--full"], "/sync?wait=300", json!({ "full": true }))]
    fn a_line_becomes_a_request(#[case] line: &[&str], #[case] path: &str, #[case] body: Value) {
        let (call, _) = task(line).request();
        assert_eq!(call.path, path);
        assert_eq!(call.body, Some(body));
    }

    #[rstest]
    #[case(&["list"], "/tasks?limit=20")]
    #[case(&["list", "5"], "/tasks?limit=5")]
    #[case(&["list", "overdue"], "/tasks?filter=overdue&limit=20")]
    fn without_a_person_all_tasks_are_listed(#[case] line: &[&str], #[case] path: &str) {
        let (call, _) = task(line).request();
        let refused = json!({ "type": "urn:ivan:problem:no-actor" });
        let reply = |status| ApiAnswer {
            status,
            text: String::new(),
            json: refused.clone(),
        };
        assert!(names_nobody(&call, &reply(422)) && !names_nobody(&call, &reply(200)));
        assert_eq!(of_all_people(&call).path, path);
        let (other, _) = task(&["current"]).request();
        assert!(!names_nobody(&other, &reply(422)));
    }

    #[rstest]
    #[case(&["current"], "/current")]
    #[case(&["list"], "/queue")]
    #[case(&["list", "overdue", "5", "Müller"], "/queue?limit=5&filter=overdue%20M%C3%BCller")]
    #[case(&["tasks", "5"], "/queue?limit=5")]
    #[case(&["status"], "/status")]
    #[case(&["why"], "/why")]
    #[case(&["why", "#12"], "/why?ref=%2312")]
    #[case(&["open"], "/current")]
    #[case(&["open", "#12", "-n"], "/why?ref=%2312")]
    #[case(&["current", "--format", "{title}"], "/current?peek=true")]
    fn reading_has_no_body(#[case] line: &[&str], #[case] path: &str) {
        let (call, _) = task(line).request();
        assert_eq!((call.path.as_str(), call.body), (path, None));
    }

    #[test]
    fn a_link_to_the_status_page_is_made() {
        let (call, _) = task(&["open", "--ops"]).request();
        assert_eq!(call.path, "/ops");
        assert_eq!(call.answer, AnswerKind::Page);
        assert!(call.body.is_some());
        assert!(parse(&["open", "--ops", "2"]).is_err());
    }

    #[test]
    fn a_task_is_created_as_it_was_typed() {
        assert_eq!(
            body(&["create", "Buy", "milk"]),
            json!({ "title": "Buy milk" })
        );
        assert_eq!(
            body(&[
                "create",
                "Fix",
                "login",
                "-s",
                "GitHub",
                "-e",
                "acme",
                "-d",
                "On Safari",
                "-r",
                "acme/widgets"
            ]),
            json!({
                "title": "Fix login",
                "source": "github",
                "entity_id": "acme",
                "description": "On Safari",
                "repo": "acme/widgets",
            })
        );
        assert_eq!(
            body(&["create", "Buy milk\n\n- oat\n- soy\n", "-l", "901"]),
            json!({ "title": "Buy milk", "description": "- oat\n- soy", "list": "901" })
        );
    }

    #[test]
    fn options_stand_before_or_after_the_command() {
        for line in [
            ["--as", "Ana", "--json", "comment", "all", "good"],
            ["comment", "all", "good", "--json", "--as", "Ana"],
        ] {
            let cli = parse(&line).unwrap();
            assert!(cli.options.json);
            assert_eq!(cli.options.actor.as_deref(), Some("Ana"));
            let CliCommand::Task(TaskCommand::Verb(call)) = cli.command else {
                panic!("{line:?} is {:?}", cli.command);
            };
            assert_eq!(call.body, Some(json!({ "text": "all good" })));
        }
    }

    #[test]
    fn commands_that_need_no_daemon_are_told_apart() {
        let command = |line: &[&str]| parse(line).unwrap().command;
        assert_eq!(command(&["serve"]), CliCommand::Serve);
        assert_eq!(command(&["demo"]), CliCommand::Demo(DemoOptions::default()));
        let page = DemoOptions {
            web: true,
            port: Some(8000),
            open: true,
        };
        assert_eq!(
            command(&["demo", "--web", "--port", "8000", "--open"]),
            CliCommand::Demo(page)
        );
        assert!(parse(&["demo", "--port", "8000"]).is_err());
        assert!(parse(&["demo", "--open"]).is_err());
        let ports = SandboxPorts {
            github_port: 8081,
            ..SandboxPorts::default()
        };
        assert_eq!(
            command(&["sandbox", "--github-port", "8081"]),
            CliCommand::Sandbox(ports)
        );
        let check = ConfigCommand::Check;
        assert_eq!(
            command(&["config", "check"]),
            CliCommand::Config { command: check }
        );
        let shell = Shell::Fish;
        assert_eq!(
            command(&["completions", "fish"]),
            CliCommand::Completions { shell }
        );
        assert_eq!(command(&["manifest"]), CliCommand::Manifest { link: false });
        assert_eq!(
            command(&["manifest", "--link"]),
            CliCommand::Manifest { link: true }
        );
    }

    #[test]
    fn webhooks_are_registered_for_a_base_address() {
        let command = |line: &[&str]| match parse(line).unwrap().command {
            CliCommand::Webhooks { command } => command,
            other => panic!("{line:?} is {other:?}"),
        };
        assert_eq!(command(&["webhooks", "list"]), WebhooksCommand::List);
        assert_eq!(command(&["webhooks", "repair"]), WebhooksCommand::Repair);
        let url = "https://bot.example/".parse().unwrap();
        assert_eq!(
            command(&["webhooks", "register", "--url", "https://bot.example"]),
            WebhooksCommand::Register { url }
        );
    }

    #[rstest]
    #[case::webhooks_alone(&["webhooks"])]
    #[case::no_url(&["webhooks", "register"])]
    #[case::not_encrypted(&["webhooks", "register", "--url", "http://bot.example"])]
    #[case::no_command(&[])]
    #[case::unknown(&["frobnicate"])]
    #[case::empty_comment(&["comment"])]
    #[case::no_title(&["create"])]
    #[case::two_places(&["create", "a", "-r", "acme/widgets", "-l", "901"])]
    #[case::unknown_source(&["create", "a", "-s", "jira"])]
    #[case::none_at_all(&["list", "0"])]
    #[case::unknown_field(&["current", "--format", "{titel}"])]
    #[case::two_forms(&["current", "--format", "{title}", "--json"])]
    #[case::no_json(&["config", "show", "--jq", "."])]
    fn a_line_that_cannot_be_meant_so_is_a_usage_error(#[case] line: &[&str]) {
        assert_eq!(parse(line).unwrap_err().exit_code(), i32::from(EXIT_USAGE));
    }

    #[test]
    fn the_token_does_not_print() {
        let cli = parse(&["--api-token", "correct-horse", "status"]).unwrap();
        assert_eq!(cli.options.api_token, Some(ApiToken::new("correct-horse")));
        assert!(!format!("{cli:?}").contains("horse"));
    }
}
