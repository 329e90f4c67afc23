//! `ivan login` and `ivan logout`: a token of one's own for a daemon.
//!
//! The token is made here, and only its hash is sent. Its person allows it in Slack, by a code. It is kept in
//! `hosts.toml`, which only its owner can read.

#![allow(
    rustdoc::bare_urls,
    reason = "comments here are the text of --help, which has no Markdown"
)]

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::client::{ApiAnswer, ClientError, DaemonClient, base_of};
use super::init::replace;
use super::print::Printed;
use super::prompt::{NoAnswer, Prompter};
use super::token::made;
use super::{
    ANSWER_WITHIN, ApiToken, DaemonTarget, EXIT_FAILED, EXIT_REJECTED, EXIT_USAGE, failed,
};
use crate::config::Secret;
use crate::setup::hosts::{self, KnownHost};
use crate::verbs::line::{AnswerKind, Call};

/// The longest token that is read from standard input, in bytes.
const TOKEN_BYTES_MAX: u64 = 4096;
/// The name of a token if the machine has none.
const NAMELESS: &str = "command-line";
/// The longest name of a token.
const NAME_MAX: usize = 64;

/// The words after `ivan login`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct LoginArgs {
    /// The daemon's URL, such as https://ivan.example.com or http://127.0.0.1:8787
    #[arg(value_name = "URL")]
    pub url: String,
    /// The token's name, which the list of `token` and the log show [default: this machine's name]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Ask for a token that changes nothing
    #[arg(long)]
    pub read_only: bool,
    /// Read a token instead, from standard input or without echo: one that `token new` in Slack has shown
    #[arg(long, conflicts_with_all = ["name", "read_only"])]
    pub with_token: bool,
}

/// The words after `ivan logout`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct LogoutArgs {
    /// The daemon's URL [default: that of the last login]
    #[arg(value_name = "URL")]
    pub url: Option<String>,
}

/// The help below the arguments of `login`.
pub const LOGIN_HELP: &str = "Shows a code. In a direct message to Ivan, type `token allow CODE`; then this machine acts as you. Later commands \
     need no --api-url and --api-token; --config, --api-url and --api-token come before the login. `ivan logout` ends it.";

/// Why a login or a logout failed: a sentence, and the exit status.
type Failure = Printed;

/// The file with the tokens: `$XDG_CONFIG_HOME/ivan/hosts.toml`, or in `~/.config`.
pub fn hosts_file() -> Option<PathBuf> {
    let variable = |name: &str| {
        let path = std::env::var_os(name).filter(|path| !path.is_empty());
        path.map(PathBuf::from)
    };
    let folder =
        variable("XDG_CONFIG_HOME").or_else(|| variable("HOME").map(|home| home.join(".config")));
    folder.map(|folder| folder.join("ivan").join("hosts.toml"))
}

/// The daemon that commands go to: the one with this URL, or that of the newest login. `None` without such a login. An
/// unreadable file is an error, a sentence.
pub fn logged_in(url: Option<&str>) -> Result<Option<KnownHost>, String> {
    let Some(file) = hosts_file() else {
        return Ok(None);
    };
    let mut known = known_in(&file)?.into_iter();
    Ok(match url {
        None => known.next(),
        Some(url) => {
            let url = url.trim_end_matches('/');
            known.find(|host| host.url == url)
        }
    })
}

/// Gets a token, and keeps it.
pub async fn login(args: LoginArgs, json: bool, terminal: &mut dyn Prompter) -> Printed {
    match try_login(args, json, terminal).await {
        Ok(printed) | Err(printed) => printed,
    }
}

async fn try_login(
    args: LoginArgs,
    json: bool,
    terminal: &mut dyn Prompter,
) -> Result<Printed, Failure> {
    let file = hosts_file().ok_or_else(|| usage("HOME is not set, so a token has no place."))?;
    let known = known_in(&file).map_err(|why| Printed::failed(&why, EXIT_FAILED))?;
    let url = base_of(&with_scheme(&args.url)).map_err(|error| failed(&error))?;
    if is_exposed(&url) {
        say(&format!(
            "! {url} is not encrypted, so others in the network can read your token.\n"
        ));
    }
    let (token, state) = match args.with_token {
        true => typed_token(&url, terminal).await?,
        false => allowed_token(&url, &args).await?,
    };
    let text = |key: &str| state.get(key).and_then(Value::as_str).map(str::to_owned);
    let new = KnownHost {
        url: url.clone(),
        person: text("person"),
        name: text("name"),
        token: Secret::new(token.expose()),
    };
    let (all, earlier) = hosts::with(known, new.clone());
    if let Err(error) = replace(&file, &hosts::written(&all)) {
        // A token that nobody has is revoked.
        let revoked = revoke(&new).await.is_ok();
        let rest = match revoked {
            true => " The token is revoked.",
            false => "",
        };
        let why = format!("Cannot write {}: {error}.{rest}", file.display());
        return Err(Printed::failed(&why, EXIT_FAILED));
    }
    // Nobody uses it any more. A token that the configuration has stays.
    if let Some(earlier) = earlier.filter(|earlier| earlier.token.expose() != token.expose()) {
        let _ = revoke(&earlier).await;
    }
    let read_only = state.get("read_only").and_then(Value::as_bool) == Some(true);
    Ok(Printed::ok(match (json, &new.person, &new.name) {
        (true, person, name) => format!(
            "{}\n",
            json!({ "url": url, "person": person, "name": name, "read_only": read_only })
        ),
        (false, Some(person), Some(name)) => format!(
            "✓ You are {person} at {url}{}. The token {name} is in {}.\n",
            if read_only {
                ", and change nothing"
            } else {
                ""
            },
            file.display()
        ),
        _ => format!("✓ The token works at {url}. It is in {}.\n", file.display()),
    }))
}

/// Makes a token, and waits until its person has allowed it.
async fn allowed_token(url: &str, args: &LoginArgs) -> Result<(ApiToken, Value), Failure> {
    let (token, hash) = made().map_err(|why| Printed::failed(&why, EXIT_FAILED))?;
    let token = ApiToken::new(token);
    let name = args.name.clone().unwrap_or_else(machine_name);
    let body = json!({ "hash": hash.to_string(), "name": name, "read_only": args.read_only });
    let client = client(url, &token)?;
    let begun = client
        .send(&Call::post("/login", body), ANSWER_WITHIN)
        .await;
    let begun = begun.map_err(|error| failed(&error))?;
    let code = begun.json.get("code").and_then(Value::as_str);
    let (200, Some(code)) = (begun.status, code) else {
        return Err(refused(url, &begun));
    };
    let seconds = |key: &str, or: u64| {
        let seconds = begun.json.get(key).and_then(Value::as_u64).unwrap_or(or);
        Duration::from_secs(seconds)
    };
    let (valid, interval) = (seconds("expires_in", 600), seconds("interval", 2));
    let interval = interval.clamp(Duration::from_secs(1), Duration::from_secs(30));
    say(&format!(
        "In a direct message to Ivan, type:  token allow {code}\nWaiting for it. The code is good for {} minutes, and once.\n",
        valid.as_secs() / 60
    ));
    let end = Instant::now() + valid;
    let look = Call::get("/login", AnswerKind::Words);
    while Instant::now() < end {
        sleep(interval).await;
        match client.send(&look, ANSWER_WITHIN).await {
            Ok(answer) if answer.status == 200 => return Ok((token, answer.json)),
            // Not allowed yet, or the daemon cannot look now.
            Ok(answer) if matches!(answer.status, 202 | 429 | 503 | 504) => {}
            Ok(answer) => return Err(refused(url, &answer)),
            // It may be restarting.
            Err(ClientError::Unreachable { .. } | ClientError::Lost { .. }) => {}
            Err(error) => return Err(failed(&error)),
        }
    }
    let why = "Nobody typed the code in time. Run `ivan login` again.";
    Err(Printed::failed(why, EXIT_FAILED))
}

/// Says something beside the result. A closed output is no error.
fn say(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// Reads a token, and sees whose it is.
async fn typed_token(url: &str, terminal: &mut dyn Prompter) -> Result<(ApiToken, Value), Failure> {
    let token = match terminal.is_asking() {
        true => match terminal.secret("Token: ") {
            Ok(token) => ApiToken::new(token.expose()),
            Err(NoAnswer::Stopped) => return Err(usage("No token was typed.")),
            Err(NoAnswer::Broken(why)) => {
                return Err(usage(&format!("Cannot read the token: {why}.")));
            }
        },
        false => {
            let mut text = String::new();
            let read = std::io::stdin()
                .take(TOKEN_BYTES_MAX)
                .read_to_string(&mut text);
            read.map_err(|error| usage(&format!("Cannot read the token: {error}.")))?;
            ApiToken::new(text)
        }
    };
    if token.expose().is_empty() {
        return Err(usage("The token is empty."));
    }
    let client = client(url, &token)?;
    let look = Call::get("/login", AnswerKind::Words);
    let answer = client.send(&look, ANSWER_WITHIN).await;
    let answer = answer.map_err(|error| failed(&error))?;
    match answer.status {
        200 => Ok((token, answer.json)),
        // One of the configuration: it works, and is no person's own.
        403 => Ok((token, json!({}))),
        410 => Err(Printed::failed(
            &format!("The daemon at {url} rejected the token."),
            EXIT_REJECTED,
        )),
        _ => Err(refused(url, &answer)),
    }
}

/// Ends a login: the daemon revokes its token, and the file forgets it.
pub async fn logout(args: LogoutArgs, json: bool) -> Printed {
    match try_logout(args, json).await {
        Ok(printed) | Err(printed) => printed,
    }
}

async fn try_logout(args: LogoutArgs, json: bool) -> Result<Printed, Failure> {
    let nowhere = || Printed::failed("You are not logged in.", EXIT_FAILED);
    let file = hosts_file().ok_or_else(nowhere)?;
    let known = known_in(&file).map_err(|why| Printed::failed(&why, EXIT_FAILED))?;
    let url = match &args.url {
        Some(url) => base_of(&with_scheme(url)).map_err(|error| failed(&error))?,
        None => known.first().ok_or_else(nowhere)?.url.clone(),
    };
    let (others, this) = hosts::without(known, &url);
    let Some(this) = this else {
        let why = format!("You are not logged in at {url}.");
        return Err(Printed::failed(&why, EXIT_FAILED));
    };
    let ended = revoke(&this).await;
    let written = match others.is_empty() {
        true => std::fs::remove_file(&file),
        false => replace(&file, &hosts::written(&others)),
    };
    written.map_err(|error| {
        let why = format!("Cannot write {}: {error}.", file.display());
        Printed::failed(&why, EXIT_FAILED)
    })?;
    let revoked = ended.is_ok();
    if json {
        let answer = json!({ "url": url, "revoked": revoked });
        return Ok(Printed::ok(format!("{answer}\n")));
    }
    Ok(match ended {
        Ok(()) => Printed::ok(format!("✓ Logged out of {url}; the token is revoked.\n")),
        Err(Some(why)) => Printed {
            err: format!("! {why} Revoke the token in Slack: `token`.\n"),
            ..Printed::ok(format!("✓ Logged out of {url}.\n"))
        },
        // It was revoked before, or is of the configuration.
        Err(None) => Printed::ok(format!("✓ Logged out of {url}.\n")),
    })
}

/// Revokes a token at its daemon. `None`: there is nothing to revoke.
async fn revoke(host: &KnownHost) -> Result<(), Option<String>> {
    let token = ApiToken::new(host.token.expose());
    let Ok(client) = client(&host.url, &token) else {
        return Err(None);
    };
    let end = Call::post("/logout", json!({}));
    match client.send(&end, ANSWER_WITHIN).await {
        Ok(answer) if answer.status == 200 => Ok(()),
        Ok(answer) if matches!(answer.status, 401 | 403) => Err(None),
        Ok(answer) => Err(Some(detail(&host.url, &answer))),
        Err(error) => Err(Some(error.to_string())),
    }
}

fn client(url: &str, token: &ApiToken) -> Result<DaemonClient, Failure> {
    let target = DaemonTarget {
        url: url.to_owned(),
        token: token.clone(),
        token_from: "the login".to_owned(),
        actor: None,
        json: false,
        filtered: false,
        look: super::look::StreamLook::default(),
    };
    DaemonClient::new(&target).map_err(|error| failed(&error))
}

fn known_in(file: &Path) -> Result<Vec<KnownHost>, String> {
    let unreadable = |why: String| format!("Cannot read {}: {why}.", file.display());
    match std::fs::read_to_string(file) {
        Ok(text) => hosts::read(&text).map_err(unreadable),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(unreadable(error.to_string())),
    }
}

fn usage(why: &str) -> Failure {
    Printed::failed(why, EXIT_USAGE)
}

fn refused(url: &str, answer: &ApiAnswer) -> Failure {
    Printed::failed(&detail(url, answer), EXIT_FAILED)
}

fn detail(url: &str, answer: &ApiAnswer) -> String {
    match answer.json.get("detail").and_then(Value::as_str) {
        Some(detail) => format!("{detail}."),
        None => format!("{url} answered {}.", answer.status),
    }
}

/// An address as typed. Other machines are reached by https, if nothing else is said.
fn with_scheme(url: &str) -> String {
    match url.contains("://") {
        true => url.to_owned(),
        false if is_this_machine(url.split(['/', ':']).next().unwrap_or_default()) => {
            format!("http://{url}")
        }
        false => format!("https://{url}"),
    }
}

fn is_this_machine(host: &str) -> bool {
    let ip = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
}

/// Whether others in the network can read what is sent there.
fn is_exposed(url: &str) -> bool {
    let Ok(url) = url::Url::parse(url) else {
        return false;
    };
    url.scheme() == "http" && !url.host_str().is_some_and(is_this_machine)
}

/// This machine's name, as far as it can be a token's.
fn machine_name() -> String {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = kernel.or_else(|| std::env::var("HOSTNAME").ok());
    let name = name.unwrap_or_default();
    let first = name.trim().split('.').next().unwrap_or_default();
    let is_part = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let name: String = first.chars().filter(is_part).take(NAME_MAX).collect();
    match name.is_empty() {
        true => NAMELESS.to_owned(),
        false => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("ivan.example.com", "https://ivan.example.com")]
    #[case("localhost:8787", "http://localhost:8787")]
    #[case("127.0.0.1:8787", "http://127.0.0.1:8787")]
    #[case("http://10.0.0.5", "http://10.0.0.5")]
    fn an_address_gets_a_scheme(#[case] typed: &str, #[case] url: &str) {
        assert_eq!(with_scheme(typed), url);
    }

    #[rstest]
    #[case("http://10.0.0.5:8787", true)]
    #[case("http://127.0.0.1:8787", false)]
    #[case("http://[::1]:8787", false)]
    #[case("http://localhost", false)]
    #[case("https://ivan.example.com", false)]
    fn unencrypted_addresses_of_others_are_exposed(#[case] url: &str, #[case] exposed: bool) {
        assert_eq!(is_exposed(url), exposed);
    }
}
