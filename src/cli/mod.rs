//! The command line, and the client of our own HTTP API.
//!
//! `main` parses [`Cli`]; task commands go through [`run`] to the daemon and return text and an exit status. This
//! module uses the daemon's API only, none of its internals. The exception is `webhooks.rs`, which calls the sources
//! directly, because it works beside a daemon or before there is one.

pub mod client;
pub mod print;
pub mod webhooks;

use std::convert::Infallible;
use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use futures_util::future::BoxFuture;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::verbs::comment::split_on;
use crate::verbs::grammar::split_when;
use crate::verbs::log::split_log;
use crate::verbs::parse_ref;
use client::{ApiAnswer, ClientError, DaemonClient};
use print::{AnswerKind, Printed};
use webhooks::WebhooksCommand;

/// Exit statuses: success, conflict included.
pub const EXIT_OK: u8 = 0;
/// Refused or failed.
pub const EXIT_FAILED: u8 = 1;
/// The command line is invalid.
pub const EXIT_USAGE: u8 = 2;
/// The daemon is not reachable.
pub const EXIT_UNREACHABLE: u8 = 3;
/// Accepted, but still queued.
pub const EXIT_QUEUED: u8 = 75;

/// How long the daemon may take beyond the requested wait.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// The daemon's default wait for a write.
const WRITE_WAIT: Duration = Duration::from_secs(10);
/// How long a synchronization is awaited: the longest wait of the daemon.
const SYNC_WAIT: Duration = Duration::from_secs(300);
/// The default number of log entries.
const LOG: usize = 50;
/// Entries per request if all are wanted: the most that the daemon returns.
const PAGE: usize = 200;

/// Work your ClickUp and GitHub tasks from Slack and the terminal
#[derive(Debug, Parser)]
#[command(name = "ivan", version, max_term_width = 100)]
#[command(
    after_help = "Exit status: 0 success, 1 refused or failed, 2 usage, 3 the daemon is not reachable, 75 accepted but still \
         queued, or not read yet."
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
    #[arg(long = "as", global = true, value_name = "PERSON")]
    pub actor: Option<String>,
    /// Print the API's answer as JSON
    #[arg(long, global = true)]
    pub json: bool,
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
    /// Run the daemon
    Serve,
    /// Try Ivan without accounts or network, against a simulated Slack, ClickUp and GitHub
    #[command(hide = cfg!(not(feature = "demo")))]
    Demo,
    /// Run the simulated Slack, ClickUp and GitHub alone, to test your own Slack bot
    #[command(hide = cfg!(not(feature = "demo")), after_help = SANDBOX_HELP)]
    Sandbox(SandboxPorts),
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
    /// Check or print the configuration
    Config {
        /// The action on the configuration.
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Print shell completions
    Completions {
        /// The shell to complete for
        shell: Shell,
    },
}

/// The ports of the sandbox on 127.0.0.1; 0 is any free port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args)]
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
}

/// Actions on the configuration file; the daemon need not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum ConfigCommand {
    /// Check the configuration
    Check,
    /// Print the configuration, with secrets masked
    Show,
}

/// Commands to the running daemon.
///
/// REF is a number of the last list, a task id (clickup:<id>, github:<owner>/<repo>#<number>), '#12' for an issue of
/// the default repository, or the URL of a task's page.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum TaskCommand {
    /// Complete the current task, or REF
    #[command(visible_aliases = ["finished", "completed"], after_help = REF_HELP)]
    Done {
        /// A task other than the current one
        #[arg(value_name = "REF")]
        task: Option<String>,
        /// Add a comment
        #[arg(short, long, value_name = "TEXT")]
        comment: Option<String>,
    },
    /// Comment on the current task, or with `on REF: TEXT` on another
    #[command(after_help = REF_HELP)]
    Comment {
        /// The comment; text that begins with a hyphen goes after `--`
        #[arg(required = true, value_name = "TEXT")]
        text: Vec<String>,
    },
    /// Create a task in ClickUp or an issue in GitHub
    Create(CreateArgs),
    /// Show the current task
    Current,
    /// Move on to the next task without completing
    #[command(visible_aliases = ["skip", "later"])]
    Next,
    /// Make the task current and mark it as in progress
    #[command(after_help = REF_HELP)]
    Start {
        /// A task other than the current one
        #[arg(value_name = "REF")]
        task: Option<String>,
    },
    /// Put the current task, or REF, back to its status before it was started
    #[command(after_help = REF_HELP)]
    Pause {
        /// A task other than the current one
        #[arg(value_name = "REF")]
        task: Option<String>,
    },
    /// Hide the current task, or REF, from your queue until WHEN
    #[command(after_help = WHEN_AND_REF_HELP, override_usage = "ivan snooze [REF] WHEN")]
    Snooze {
        /// A task other than the current one, and the end of the snooze
        #[arg(required = true, value_name = "[REF] WHEN")]
        words: Vec<String>,
    },
    /// Reopen REF
    #[command(after_help = REF_HELP)]
    Reopen {
        /// The task to reopen
        #[arg(value_name = "REF")]
        task: String,
    },
    /// Assign the current task, or REF, to another person
    #[command(after_help = REF_HELP, override_usage = "ivan assign [REF] PERSON")]
    Assign {
        /// A task other than the current one, and the new assignee
        #[arg(required = true, value_name = "[REF] PERSON")]
        words: Vec<String>,
    },
    /// Assign the current task, or REF, to yourself
    #[command(after_help = REF_HELP)]
    Claim {
        /// A task other than the current one
        #[arg(value_name = "REF")]
        task: Option<String>,
    },
    /// Set the due date of the current task, or REF, in ClickUp
    #[command(after_help = WHEN_AND_REF_HELP, override_usage = "ivan due [REF] WHEN|none")]
    Due {
        /// A task other than the current one, and its due date
        #[arg(required = true, value_name = "[REF] WHEN")]
        words: Vec<String>,
    },
    /// Set the priority of the current task, or of REF: urgent, high, normal, low or none
    #[command(after_help = REF_HELP, override_usage = "ivan prio [REF] LEVEL", visible_alias = "priority")]
    Prio {
        /// A task other than the current one, and its priority
        #[arg(required = true, num_args = 1..=2, value_name = "[REF] LEVEL")]
        words: Vec<String>,
    },
    /// Undo your last command, within 15 minutes
    Undo,
    /// Explain the place of the current task, or REF, in your queue
    #[command(after_help = REF_HELP)]
    Why {
        /// A task other than the current one
        #[arg(value_name = "REF")]
        task: Option<String>,
    },
    /// Show your briefing: top three tasks, due dates, people waiting, stuck items
    Morning,
    /// Get the briefing in Slack on working days at that time, or turn it off; without arguments: show it now
    Briefing {
        /// 8:30, 9am, off, or default: the team default
        #[arg(value_name = "TIME")]
        at: Option<String>,
    },
    /// Hold notices during quiet hours; without arguments: show the setting
    Quiet {
        /// 20:00-8:00, off, or default: the team default
        #[arg(value_name = "HOURS")]
        hours: Option<String>,
    },
    /// Choose confirmations in Slack: reactions, messages or the team default; without arguments: show the setting
    Receipts {
        /// reactions, messages, or default: the team default
        #[arg(value_name = "HOW")]
        by: Option<String>,
    },
    /// Show the activity log, newest first: of everyone, of one person (--as), or of REF
    #[command(after_help = LOG_HELP, override_usage = "ivan log [OPTIONS] [N] [REF]")]
    Log {
        /// The number of entries, and the task
        #[arg(value_name = "[N] [REF]")]
        words: Vec<String>,
        /// All entries, not only the newest
        #[arg(long)]
        all: bool,
    },
    /// List the queue, numbered; the numbers work as REF until the next list
    #[command(visible_alias = "tasks")]
    List {
        /// The number of tasks, and filters: overdue, blocked, snoozed, clickup, github, or a client
        #[arg(value_name = "N|FILTER")]
        words: Vec<ListWord>,
    },
    /// Show your linked accounts and settings
    Whoami,
    /// Link your account, so its tasks are in your queue
    Link {
        /// The system of the account
        #[arg(value_parser = ["clickup", "github"], ignore_case = true)]
        source: String,
        /// A GitHub login; a ClickUp name, e-mail address or member id
        #[arg(required = true, value_name = "ACCOUNT")]
        account: Vec<String>,
    },
    /// Unlink your account
    Unlink {
        /// The system of the account
        #[arg(value_parser = ["clickup", "github"], ignore_case = true)]
        source: String,
    },
    /// Read changes from the sources
    Sync {
        /// Read everything, not only changes
        #[arg(long)]
        full: bool,
    },
    /// Show connections, last sync, queued and set-aside work
    Status,
    /// Retry work that crashed the daemon twice and was set aside
    Retry {
        /// The id in `ivan status`: message-12, delivery-7, or the id of an operation
        #[arg(value_name = "ID")]
        id: String,
    },
}

/// A word after `ivan list`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListWord {
    /// The number of tasks, 1 to 200.
    Limit(u16),
    /// A word of the filter, as typed.
    Filter(String),
}

impl FromStr for ListWord {
    type Err = String;

    fn from_str(text: &str) -> Result<ListWord, String> {
        match text.parse::<i64>() {
            Err(_) => Ok(ListWord::Filter(text.to_owned())),
            Ok(number) => u16::try_from(number)
                .ok()
                .filter(|number| (1..=200).contains(number))
                .map(ListWord::Limit)
                .ok_or_else(|| format!("{number} is not in 1..=200")),
        }
    }
}

const SANDBOX_HELP: &str = "Prints addresses and tokens as `export` lines and runs until Ctrl-C. docs/sandbox.md describes the control API. \
     Port 0 picks a free port.";

const REF_HELP: &str = "REF is a number of the last list, a task id (clickup:<id>, github:<owner>/<repo>#<number>), '#12' for an issue \
     of the default repository, or a task's link.";

const WHEN_AND_REF_HELP: &str = "WHEN is 2h, 3d, 1w, 15:30, tomorrow, tomorrow 14:00, mon 9:00, 1 dec or 2026-12-01, in \
                                 your time zone. REF is as for `ivan done`.";

const LOG_HELP: &str = "N is the number of entries, 50 by default. REF is as for `ivan done`, but not a bare number. To export: `ivan \
     log --all --json`.";

/// The arguments of `ivan create`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct CreateArgs {
    /// The title; further lines are the description
    #[arg(required = true, value_name = "TITLE")]
    pub title: Vec<String>,
    /// Where to create it [default: queue.default_source of the configuration]
    #[arg(short, long, value_parser = ["clickup", "github"], ignore_case = true)]
    pub source: Option<String>,
    /// The client it is for
    #[arg(short, long)]
    pub entity: Option<String>,
    /// The description
    #[arg(short, long, value_name = "TEXT")]
    pub description: Option<String>,
    /// A GitHub repository other than the default one
    #[arg(short, long, value_name = "OWNER/REPO", conflicts_with = "list")]
    pub repo: Option<String>,
    /// A ClickUp list other than the default one, by its id
    #[arg(short, long)]
    pub list: Option<String>,
    /// The assignee: a name of [[people]], or `nobody` [default: you]
    #[arg(short, long, value_name = "PERSON")]
    pub assignee: Option<String>,
}

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
}

/// Sends a command to the daemon, prints the answer, and returns the exit status.
#[inline(never)]
pub fn run(command: TaskCommand, target: DaemonTarget) -> BoxFuture<'static, u8> {
    Box::pin(run_command(command, target))
}

async fn run_command(command: TaskCommand, target: DaemonTarget) -> u8 {
    let printed = perform(&command, &target).await;
    // A closed output is no error.
    let _ = std::io::stdout().write_all(printed.out.as_bytes());
    let _ = std::io::stdout().flush();
    let _ = std::io::stderr().write_all(printed.err.as_bytes());
    printed.exit
}

/// Prints the completions of `shell`.
pub fn completions(shell: Shell, out: &mut dyn Write) {
    clap_complete::generate(shell, &mut Cli::command(), "ivan", out);
}

async fn perform(command: &TaskCommand, target: &DaemonTarget) -> Printed {
    let asked = async {
        let client = DaemonClient::new(target)?;
        let call = Call::of(command);
        let reply = client.send(&call).await?;
        match command {
            TaskCommand::Log { all: true, .. } => all_pages(&client, &call, reply).await,
            _ => Ok(reply),
        }
    };
    match asked.await {
        Ok(reply) => {
            let words = match reply.status {
                NOT_AUTHORIZED => Printed::failed(&rejected(target), EXIT_FAILED),
                _ => print::words(command.what(), &reply, &chrono::Local),
            };
            if target.json {
                print::as_json(words, &reply)
            } else {
                words
            }
        }
        Err(trouble) => failed(&trouble),
    }
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
    first: ApiAnswer,
) -> Result<ApiAnswer, ClientError> {
    let mut whole = first;
    let next = |reply: &ApiAnswer| {
        let cursor = reply.json.get("next_cursor").and_then(Value::as_str);
        cursor.map(ToOwned::to_owned)
    };
    while let Some(cursor) = next(&whole) {
        let page = Call::get(&format!("{}&cursor={cursor}", call.path));
        let mut page = client.send(&page).await?;
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
    fn what(&self) -> AnswerKind {
        match self {
            TaskCommand::Done { .. }
            | TaskCommand::Comment { .. }
            | TaskCommand::Create(_)
            | TaskCommand::Start { .. }
            | TaskCommand::Pause { .. }
            | TaskCommand::Snooze { .. }
            | TaskCommand::Reopen { .. }
            | TaskCommand::Assign { .. }
            | TaskCommand::Claim { .. }
            | TaskCommand::Due { .. }
            | TaskCommand::Prio { .. }
            | TaskCommand::Undo
            | TaskCommand::Link { .. }
            | TaskCommand::Unlink { .. }
            | TaskCommand::Retry { .. }
            | TaskCommand::Next => AnswerKind::Write,
            TaskCommand::Why { .. } => AnswerKind::Why,
            TaskCommand::Log { .. } => AnswerKind::Log,
            TaskCommand::Morning
            | TaskCommand::Briefing { .. }
            | TaskCommand::Quiet { .. }
            | TaskCommand::Receipts { .. } => AnswerKind::Words,
            TaskCommand::Whoami => AnswerKind::Whoami,
            TaskCommand::Current => AnswerKind::Current,
            TaskCommand::List { .. } => AnswerKind::List,
            TaskCommand::Sync { .. } => AnswerKind::Sync,
            TaskCommand::Status => AnswerKind::Status,
        }
    }
}

/// A request to the API.
#[derive(Debug, Clone, PartialEq)]
struct Call {
    /// With its query.
    path: String,
    /// The body of a `POST`; `None` is `GET`.
    body: Option<Value>,
    /// How long to wait for the answer.
    within: Duration,
}

impl Call {
    fn of(command: &TaskCommand) -> Call {
        match command {
            TaskCommand::Done { task, comment } => {
                let body = json!({ "ref": task, "comment": comment });
                Call::post("/done", body, WRITE_WAIT)
            }
            TaskCommand::Comment { text } => {
                let (task, text) = split_comment(&text.join(" "));
                let body = json!({ "ref": task, "text": text });
                Call::post("/comment", body, WRITE_WAIT)
            }
            TaskCommand::Create(args) => Call::post("/tasks", args.body(), WRITE_WAIT),
            TaskCommand::Next => Call::post("/next", json!({}), WRITE_WAIT),
            TaskCommand::Start { task } => Call::post("/start", json!({ "ref": task }), WRITE_WAIT),
            TaskCommand::Pause { task } => Call::post("/pause", json!({ "ref": task }), WRITE_WAIT),
            TaskCommand::Snooze { words } => {
                let words = words.join(" ");
                let (task, until) = split_when(&words);
                let body = json!({ "ref": task, "until": until });
                Call::post("/snooze", body, WRITE_WAIT)
            }
            TaskCommand::Reopen { task } => {
                Call::post("/reopen", json!({ "ref": task }), WRITE_WAIT)
            }
            TaskCommand::Assign { words } => {
                let (task, person) = match words.as_slice() {
                    // A name may be of several words; a REF is one.
                    [task, person @ ..] if !person.is_empty() && parse_ref(task).is_some() => {
                        (Some(task), person)
                    }
                    person => (None, person),
                };
                let body = json!({ "ref": task, "person": person.join(" ") });
                Call::post("/assign", body, WRITE_WAIT)
            }
            TaskCommand::Claim { task } => Call::post("/claim", json!({ "ref": task }), WRITE_WAIT),
            TaskCommand::Due { words } => {
                let words = words.join(" ");
                let (task, due) = split_when(&words);
                Call::post("/due", json!({ "ref": task, "due": due }), WRITE_WAIT)
            }
            TaskCommand::Prio { words } => {
                let (task, level) = match words.as_slice() {
                    [task, level] => (Some(task), Some(level)),
                    [level] => (None, Some(level)),
                    _ => (None, None),
                };
                let body = json!({ "ref": task, "priority": level });
                Call::post("/priority", body, WRITE_WAIT)
            }
            TaskCommand::Undo => Call::post("/undo", json!({}), WRITE_WAIT),
            TaskCommand::Whoami => Call::get("/whoami"),
            TaskCommand::Link { source, account } => {
                let body = json!({ "source": source, "account": account.join(" ") });
                Call::post("/link", body, WRITE_WAIT)
            }
            TaskCommand::Unlink { source } => {
                Call::post("/unlink", json!({ "source": source }), WRITE_WAIT)
            }
            TaskCommand::Why { task: None } => Call::get("/why"),
            TaskCommand::Why { task: Some(task) } => {
                let task = utf8_percent_encode(task, NON_ALPHANUMERIC);
                Call::get(&format!("/why?ref={task}"))
            }
            TaskCommand::Morning | TaskCommand::Briefing { at: None } => Call::get("/morning"),
            TaskCommand::Briefing { at } => {
                Call::post("/briefing", json!({ "at": at }), WRITE_WAIT)
            }
            TaskCommand::Receipts { by: None } => Call::get("/receipts"),
            TaskCommand::Receipts { by } => {
                Call::post("/receipts", json!({ "by": by }), WRITE_WAIT)
            }
            TaskCommand::Quiet { hours: None } => Call::get("/rhythm"),
            TaskCommand::Quiet { hours } => {
                Call::post("/quiet", json!({ "hours": hours }), WRITE_WAIT)
            }
            TaskCommand::Log { words, all } => {
                let words = words.join(" ");
                let (limit, task) = split_log(&words);
                let task = utf8_percent_encode(task, NON_ALPHANUMERIC).to_string();
                let limit = limit.filter(|_| !all).unwrap_or(match all {
                    true => PAGE,
                    false => LOG,
                });
                let of = match task.is_empty() {
                    true => String::new(),
                    false => format!("&task={task}"),
                };
                Call::get(&format!("/log?limit={limit}{of}"))
            }
            TaskCommand::Sync { full } => {
                let path = format!("/sync?wait={}", SYNC_WAIT.as_secs());
                Call::post(&path, json!({ "full": full }), SYNC_WAIT)
            }
            TaskCommand::Current => Call::get("/current"),
            TaskCommand::List { words } => {
                let filters = words.iter().filter_map(|word| match word {
                    ListWord::Filter(word) => Some(word.as_str()),
                    ListWord::Limit(_) => None,
                });
                let filter = filters.collect::<Vec<_>>().join(" ");
                let filter = (!filter.is_empty())
                    .then(|| format!("filter={}", utf8_percent_encode(&filter, NON_ALPHANUMERIC)));
                let limit = words.iter().find_map(|word| match word {
                    ListWord::Limit(limit) => Some(format!("limit={limit}")),
                    ListWord::Filter(_) => None,
                });
                let asked: Vec<String> = limit.into_iter().chain(filter).collect();
                Call::get(format!("/queue?{}", asked.join("&")).trim_end_matches('?'))
            }
            TaskCommand::Status => Call::get("/status"),
            TaskCommand::Retry { id } => {
                let id = utf8_percent_encode(id, NON_ALPHANUMERIC);
                Call::post(&format!("/operations/{id}/retry"), json!({}), WRITE_WAIT)
            }
        }
    }

    fn get(path: &str) -> Call {
        Call {
            path: path.to_owned(),
            body: None,
            within: ANSWER_WITHIN,
        }
    }

    /// A `POST` whose body leaves out options that were not given.
    fn post(path: &str, mut body: Value, wait: Duration) -> Call {
        if let Some(members) = body.as_object_mut() {
            members.retain(|_, value| !value.is_null());
        }
        Call {
            path: path.to_owned(),
            body: Some(body),
            within: wait + ANSWER_WITHIN,
        }
    }
}

impl CreateArgs {
    fn body(&self) -> Value {
        let text = self.title.join(" ");
        let (title, further) = text.trim().split_once('\n').unwrap_or((text.trim(), ""));
        let further = Some(further.trim()).filter(|lines| !lines.is_empty());
        let parts: Vec<&str> = self
            .description
            .as_deref()
            .into_iter()
            .chain(further)
            .collect();
        let description = (!parts.is_empty()).then(|| parts.join("\n"));
        json!({
            "title": title.trim(),
            "description": description,
            "source": self.source.as_ref().map(|source| source.to_ascii_lowercase()),
            "entity_id": self.entity,
            "repo": self.repo,
            "list": self.list,
            "assignee": self.assignee,
        })
    }
}

/// The task named in `on REF: TEXT`, and the text; otherwise all is text for the current task.
fn split_comment(text: &str) -> (Option<String>, String) {
    match split_on(text.trim_start()) {
        Some((task, comment)) => (Some(task.trim().to_owned()), comment.trim().to_owned()),
        None => (None, text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn verify_cli() {
        Cli::command().debug_assert();
    }

    #[test]
    fn global_options_follow_those_of_the_command() {
        let mut cli = Cli::command();
        cli.build();
        for command in cli.get_subcommands_mut() {
            let help = command.render_long_help().to_string();
            if command.get_name() == "help" {
                continue;
            }
            let (own, global) = help.split_once("Global options:").unwrap();
            assert!(!own.contains("--api-url"), "{help}");
            assert!(
                own.contains("--help") && !global.contains("--help"),
                "{help}"
            );
        }
    }

    fn parse(line: &[&str]) -> Result<Cli, clap::Error> {
        Cli::try_parse_from([&["ivan"], line].concat())
    }

    fn task(line: &[&str]) -> TaskCommand {
        match parse(line).unwrap().command {
            CliCommand::Task(command) => command,
            other => panic!("{line:?} is {other:?}"),
        }
    }

    fn body(line: &[&str]) -> Value {
        Call::of(&task(line)).body.unwrap()
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
    #[case(&["prio", "2", "high"], "/priority", json!({ "ref": "2", "priority": "high" }))]
    #[case(&["prio", "none"], "/priority", json!({ "priority": "none" }))]
    #[case(&["undo"], "/undo", json!({}))]
    #[case(&["sync", "--full"], "/sync?wait=300", json!({ "full": true }))]
    fn a_line_becomes_a_request(#[case] line: &[&str], #[case] path: &str, #[case] body: Value) {
        let call = Call::of(&task(line));
        assert_eq!(call.path, path);
        assert_eq!(call.body, Some(body));
    }

    #[rstest]
    #[case(&["current"], "/current")]
    #[case(&["list"], "/queue")]
    #[case(&["list", "overdue", "5", "Müller"], "/queue?limit=5&filter=overdue%20M%C3%BCller")]
    #[case(&["tasks", "5"], "/queue?limit=5")]
    #[case(&["status"], "/status")]
    #[case(&["why"], "/why")]
    #[case(&["why", "#12"], "/why?ref=%2312")]
    fn reading_has_no_body(#[case] line: &[&str], #[case] path: &str) {
        let call = Call::of(&task(line));
        assert_eq!((call.path.as_str(), call.body), (path, None));
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

    #[rstest]
    #[case("on 2: yes", Some("2"), "yes")]
    #[case("on 2:", Some("2"), "")]
    #[case("On #12: one: two", Some("#12"), "one: two")]
    #[case("on github:acme/widgets#7: yes", Some("github:acme/widgets#7"), "yes")]
    #[case(
        "on https://app.clickup.com/t/86a: yes",
        Some("https://app.clickup.com/t/86a"),
        "yes"
    )]
    #[case("on time: yes", None, "on time: yes")]
    #[case("on 2:yes", None, "on 2:yes")]
    #[case("on 2", None, "on 2")]
    #[case("only 2: yes", None, "only 2: yes")]
    #[case("", None, "")]
    fn a_comment_may_name_its_task(
        #[case] typed: &str,
        #[case] task: Option<&str>,
        #[case] text: &str,
    ) {
        let split = split_comment(typed);
        assert_eq!((split.0.as_deref(), split.1.as_str()), (task, text));
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
            let text = vec!["all".to_owned(), "good".to_owned()];
            assert_eq!(cli.command, CliCommand::Task(TaskCommand::Comment { text }));
        }
    }

    #[test]
    fn commands_that_need_no_daemon_are_told_apart() {
        let command = |line: &[&str]| parse(line).unwrap().command;
        assert_eq!(command(&["serve"]), CliCommand::Serve);
        assert_eq!(command(&["demo"]), CliCommand::Demo);
        let ports = SandboxPorts {
            slack_port: 0,
            github_port: 8081,
            clickup_port: 0,
            control_port: 0,
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
    #[case::unknown(&["finish"])]
    #[case::empty_comment(&["comment"])]
    #[case::no_title(&["create"])]
    #[case::two_places(&["create", "a", "-r", "acme/widgets", "-l", "901"])]
    #[case::unknown_source(&["create", "a", "-s", "jira"])]
    #[case::two_refs(&["done", "1", "2"])]
    #[case::none_at_all(&["list", "0"])]
    fn a_line_that_cannot_be_meant_so_is_a_usage_error(#[case] line: &[&str]) {
        assert_eq!(parse(line).unwrap_err().exit_code(), i32::from(EXIT_USAGE));
    }

    #[test]
    fn the_token_does_not_print() {
        let cli = parse(&["--api-token", "correct-horse", "status"]).unwrap();
        assert_eq!(cli.options.api_token, Some(ApiToken::new("correct-horse")));
        assert!(!format!("{cli:?}").contains("horse"));
    }

    #[test]
    fn completions_know_the_commands() {
        let mut out = Vec::new();
        completions(Shell::Bash, &mut out);
        let script = String::from_utf8(out).unwrap();
        assert!(script.contains("comment") && script.contains("--api-token"));
    }
}
