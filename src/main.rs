//! The binary: parses the command line, starts logging, turns errors into messages and exit codes.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;

use ivan::app::services::RealServices;
use ivan::app::{self, App, Reloading, SetLogLevel};
use ivan::cli::doctor::DoctorArgs;
use ivan::cli::export::{ExportForm, ExportOptions};
use ivan::cli::init::{InitEnd, InitInputs, InitOptions};
use ivan::cli::json::OutputForm;
use ivan::cli::look::StreamLook;
use ivan::cli::prompt::{Prompter as _, Terminal};
use ivan::cli::{self, Cli, CliCommand, ConfigCommand, Options, StoreCommand};
use ivan::clock::Clock;
use ivan::config::{Config, LogFormat};
use ivan::domain::finding::CheckupReport;
use ivan::mailbox::SlackNews;
use ivan::store::export::ExportError;
use tokio::sync::Notify;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    if let Some(exit) = app::standby::child() {
        return exit;
    }
    let undumpable = app::forbid_core_dumps();
    let asked = cli::complete::asked(|options| {
        let _ = rustls::crypto::ring::default_provider().install_default();
        target(options).ok()
    });
    if asked {
        return ExitCode::SUCCESS;
    }
    let cli = cli::help::parse();
    if let Err(why) = undumpable {
        eprintln!("! A crash may write secrets to a core dump: {why}");
    }
    // One TLS provider for all clients in the binary, installed before the first: two would panic at a handshake.
    if rustls::crypto::ring::default_provider()
        .install_default()
        .is_err()
    {
        return fail("TLS is set up twice; this is a bug in Ivan");
    }
    // A second one on a single processor would only be switched to.
    let workers =
        std::thread::available_parallelism().map_or(2, |processors| processors.get().min(2));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => {
            let exit = runtime.block_on(run(cli));
            // A pending terminal read would keep the process running. No other work is left.
            runtime.shutdown_background();
            exit
        }
        Err(e) => fail(&format!("cannot start the runtime: {e}")),
    }
}

async fn run(cli: Cli) -> ExitCode {
    // Before anything is sent: a wrong expression is a mistake of the line.
    let form = match OutputForm::of(&cli.options) {
        Ok(form) => form,
        Err(why) => {
            eprintln!("✗ {why}");
            return ExitCode::from(cli::EXIT_USAGE);
        }
    };
    let json = form.is_json();
    match cli.command {
        CliCommand::Init(init_options) => init(&init_options, cli.options.config).await,
        CliCommand::Serve => match load(&cli.options) {
            Ok(config) => serve(config, cli.options.config).await,
            Err(exit) => exit,
        },
        #[cfg(not(feature = "demo"))]
        CliCommand::Demo(_) | CliCommand::Sandbox(_) => fail(WITHOUT_DEMO),
        #[cfg(feature = "demo")]
        CliCommand::Sandbox(ports) => sandbox(ports).await,
        #[cfg(feature = "demo")]
        CliCommand::Demo(options) => {
            // Faults in the demo are intended and reported in the conversation.
            let _level = start_logging(&LogFormat::Pretty, "error");
            let demo = match options.web {
                true => ivan::demo::run_page(options.port.unwrap_or_default(), options.open),
                false => ivan::demo::run(),
            };
            match demo.await {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => fail(&error.to_string()),
            }
        }
        CliCommand::Config {
            command: ConfigCommand::Reload,
        } => reload(cli.options, &form).await,
        CliCommand::Config { command } => match load(&cli.options) {
            Ok(config) => match command {
                ConfigCommand::Show => {
                    print!("{}", config.show());
                    ExitCode::SUCCESS
                }
                ConfigCommand::Check | ConfigCommand::Reload => check(&config),
            },
            Err(exit) => exit,
        },
        CliCommand::Doctor(args) => doctor(cli.options, args, &form).await,
        CliCommand::Webhooks { command } => match load(&cli.options) {
            Ok(config) => match app::webhooks(&config, command, json, Clock::system()).await {
                Ok(printed) => ExitCode::from(cli::output(&printed, &form)),
                Err(error) => fail(&error.to_string()),
            },
            Err(exit) => exit,
        },
        CliCommand::Backup { file, force } => match load(&cli.options) {
            Ok(config) => backup(&config, &file, force, &form),
            Err(exit) => exit,
        },
        CliCommand::Export(asked) => match load(&cli.options) {
            Ok(config) => export(&config, &asked, &form),
            Err(exit) => exit,
        },
        CliCommand::Restore { file } => match load(&cli.options) {
            Ok(config) => restore(&config, &file, &form),
            Err(exit) => exit,
        },
        CliCommand::Store {
            command: StoreCommand::Rekey { to, lost },
        } => match load(&cli.options) {
            Ok(config) => rekey(&config, to.as_deref(), lost),
            Err(exit) => exit,
        },
        CliCommand::Token { command } => ExitCode::from(cli::output(
            &cli::token::token(command, std::io::stdin(), json),
            &form,
        )),
        CliCommand::Healthcheck { ready } => match address(&cli.options) {
            Ok(url) => {
                let printed = cli::healthcheck(url, ready).await;
                ExitCode::from(cli::output(&printed, &form))
            }
            Err(exit) => exit,
        },
        CliCommand::Manifest { link } => print_out(&match link {
            true => format!("{}\n", cli::manifest::link()),
            false => cli::manifest::MANIFEST.to_owned(),
        }),
        CliCommand::Login(args) => {
            let printed = cli::login::login(args, json, &mut Terminal::open()).await;
            ExitCode::from(cli::output(&printed, &form))
        }
        CliCommand::Logout(args) => {
            let printed = cli::login::logout(args, json).await;
            ExitCode::from(cli::output(&printed, &form))
        }
        CliCommand::Completions { shell } => {
            let mut script = Vec::new();
            match cli::complete::script(shell, &mut script) {
                Ok(()) => print_out(&String::from_utf8_lossy(&script)),
                Err(error) => fail(&error.to_string()),
            }
        }
        CliCommand::Man { folder } => man(folder.as_deref()),
        CliCommand::Task(command) => match target(cli.options) {
            Ok(target) => {
                let printed = cli::run(command, target).await;
                ExitCode::from(cli::output(&printed, &form))
            }
            Err(NoTarget { why, exit }) => {
                eprintln!("✗ {why}");
                ExitCode::from(exit)
            }
        },
    }
}

/// `man`: the page of `ivan`, or all pages in a folder.
fn man(folder: Option<&std::path::Path>) -> ExitCode {
    let Some(folder) = folder else {
        let mut page = Vec::new();
        return match cli::man::print(&mut page) {
            Ok(()) => print_out(&String::from_utf8_lossy(&page)),
            Err(error) => fail(&format!("cannot make the page: {error}")),
        };
    };
    match cli::man::write(folder) {
        Ok(pages) => print_out(&format!("✓ {pages} pages in {}\n", folder.display())),
        Err(error) => fail(&format!("cannot write to {}: {error}", folder.display())),
    }
}

/// Prints to the standard output, which may be a closed pipe.
fn print_out(text: &str) -> ExitCode {
    use std::io::Write as _;
    let mut out = std::io::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&format!("cannot print: {error}")),
    }
}

#[cfg(not(feature = "demo"))]
const WITHOUT_DEMO: &str = "This build has no demo and no sandbox (`--no-default-features`). Build with `cargo build --release` to get them.";

/// Runs the three sandbox services and their control API until a signal.
#[cfg(feature = "demo")]
async fn sandbox(ports: cli::SandboxPorts) -> ExitCode {
    use std::io::Write as _;
    let stop = match stop_signals(None) {
        Ok(stop) => stop,
        Err(error) => return fail(&format!("cannot install signal handlers: {error}")),
    };
    let (server, app) = (ports.github_server, ports.github_app);
    let ports = ivan::sandbox::Ports {
        slack: ports.slack_port,
        clickup: ports.clickup_port,
        github: ports.github_port,
        control: ports.control_port,
    };
    let sandbox = match ivan::sandbox::control::ControlledSandbox::start(ports).await {
        Ok(sandbox) => sandbox,
        Err(error) => return fail(&format!("cannot start the sandbox: {error}")),
    };
    let served = match &app {
        Some(file) => sandbox.serve_github_app(file),
        None if server => Ok(sandbox.serve_github_server()),
        None => Ok(String::new()),
    };
    let served = match served {
        Ok(served) => served,
        Err(error) => return fail(&format!("cannot write the key of the GitHub App: {error}")),
    };
    let mut out = std::io::stdout();
    let written = out.write_all(format!("{served}{}", sandbox.exports()).as_bytes());
    if let Err(error) = written.and_then(|()| out.flush()) {
        return fail(&format!("cannot print the addresses: {error}"));
    }
    stop.await;
    sandbox.close().await;
    ExitCode::SUCCESS
}

/// `init`: questions, checks, and the first start.
async fn init(options: &InitOptions, path: Option<std::path::PathBuf>) -> ExitCode {
    let variables: Vec<(String, String)> = variables().collect();
    let (path, text) = match Config::file_to_write(path.as_deref(), &variables) {
        Ok(found) => found,
        Err(errors) => return fail(&errors.located()),
    };
    let inputs = InitInputs {
        path,
        text,
        variables,
    };
    let addresses = match inputs.addresses(options) {
        Ok(addresses) => addresses,
        Err(why) => return fail(&why),
    };
    let ca_file = inputs.ca_file(options);
    let services = match RealServices::new(addresses, ca_file.as_deref(), clock()) {
        Ok(services) => services,
        Err(why) => return fail(&why),
    };
    let mut terminal = Terminal::open();
    let starts = match cli::init::init(options, &inputs, &services, &mut terminal).await {
        InitEnd::Ready { starts } => starts,
        InitEnd::Exit(status) => return ExitCode::from(status),
    };
    let config = match Config::load(Some(&inputs.path), inputs.variables.into_iter()) {
        Ok(config) => config,
        Err(errors) => return fail(&errors.located()),
    };
    checked_up(&config, &mut terminal).await;
    match starts {
        true => first_start(config, &mut terminal).await,
        false => {
            terminal.print(
                "\nStart Ivan with `ivan serve`; docs/operations.md installs it as a service.\n",
            );
            ExitCode::SUCCESS
        }
    }
}

/// The findings of the doctor that are to mend, and its verdict.
async fn checked_up(config: &Config, terminal: &mut Terminal) {
    let api_url = format!("http://{}", config.api.bind);
    let mut report = app::doctor(config, DoctorArgs::default(), api_url, clock()).await;
    report.findings.retain(|finding| finding.is_to_mend());
    terminal.print("\nChecks, as `ivan doctor` does them\n");
    for line in cli::doctor::printed(&report, false).out.lines() {
        let line = format!("  {line}");
        terminal.print(&format!("{}\n", line.trim_end()));
    }
}

/// Runs the daemon in this terminal, and says who writes first.
async fn first_start(config: Config, terminal: &mut Terminal) -> ExitCode {
    terminal.print("\nStart\n");
    if ivan::store::Store::is_held(&config.store.path) {
        terminal.print("  ✓ Ivan runs already. Restart it, so that it reads bot.toml again.\n");
        return ExitCode::SUCCESS;
    }
    // The conversation says what happens. Warnings are in the doctor's report.
    let _level = start_logging(&config.log.format, "error");
    let stop = match stop_signals(None) {
        Ok(stop) => stop,
        Err(error) => return fail(&format!("cannot install signal handlers: {error}")),
    };
    let app = match App::build(&config, clock()).await {
        Ok(app) => app,
        Err(error) => return fail(&error.to_string()),
    };
    drop(config);
    let news = app.news();
    let mut running = app.run(Box::pin(stop));
    let ended = tokio::select! {
        ended = &mut running => ended,
        () = tell(news, terminal) => running.await,
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error.to_string()),
    }
}

/// Says when Slack is connected and who writes first.
async fn tell(mut news: tokio::sync::watch::Receiver<SlackNews>, terminal: &mut Terminal) {
    let mut told: Option<String> = None;
    loop {
        let changed = news.wait_for(|now| now.connected || now.trouble != told);
        // Ivan stops before Slack was connected.
        let Ok(now) = changed.await else {
            return;
        };
        if now.connected {
            break;
        }
        told.clone_from(&now.trouble);
        drop(now);
        if let Some(why) = &told {
            terminal.print(&format!("  ✗ Slack: {why}. Ivan tries again by itself.\n"));
        }
    }
    terminal.print("  ✓ Slack is connected.\n  In Slack, open Ivan under Apps and write: help\n");
    let wrote = news.wait_for(|now| now.wrote.is_some()).await;
    let Some(name) = wrote.ok().and_then(|now| now.wrote.clone()) else {
        return;
    };
    terminal.print(&format!(
        "  ✓ {name} wrote to me.\n\nIvan runs here until Ctrl-C. docs/operations.md installs it as a service.\n"
    ));
}

/// `config reload`: asks the daemon. With a file that it would refuse, its address is not known either.
async fn reload(options: Options, form: &OutputForm) -> ExitCode {
    let mistakes = Config::load(options.config.as_deref(), variables()).err();
    match (mistakes, &options.api_url, &options.api_token) {
        (Some(errors), None, _) | (Some(errors), _, None) => fail(&format!(
            "{}\nNothing was reloaded: a running daemon keeps its configuration.",
            errors.located()
        )),
        _ => match target(options) {
            Ok(target) => ExitCode::from(cli::output(&cli::reload(target).await, form)),
            Err(NoTarget { why, exit }) => {
                eprintln!("✗ {why}");
                ExitCode::from(exit)
            }
        },
    }
}

async fn serve(config: Config, path: Option<std::path::PathBuf>) -> ExitCode {
    let level = start_logging(&config.log.format, &config.log.level);
    // Installed here so that a signal while the store is opened also stops the daemon.
    let asked = Arc::new(Notify::new());
    let stop = match stop_signals(Some(Arc::clone(&asked))) {
        Ok(stop) => stop,
        Err(error) => return fail(&format!("cannot install signal handlers: {error}")),
    };
    let mut stop: std::pin::Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(stop);
    let leads = tokio::select! {
        leads = app::standby::lead(&config, clock()) => leads,
        () = &mut stop => return ExitCode::SUCCESS,
    };
    let mut leading = match leads {
        Ok(leading) => leading,
        Err(error) => return fail(&error.to_string()),
    };
    let app = match App::build(&config, clock()).await {
        Ok(app) => app,
        Err(error) => {
            if let Some(leading) = leading {
                leading.ends().await;
            }
            return fail(&error.to_string());
        }
    };
    let app = match &mut leading {
        Some(leading) => {
            leading.replicates(&config);
            app.leading(leading)
        }
        None => app,
    };
    let load = Arc::new(move || Config::load(path.as_deref(), variables()));
    let app = app.reloading(&config, Reloading { load, level, asked });
    // The app has its own copies. With thousands of people this is megabytes.
    drop(config);
    let ended = app.run(stop).await;
    if let Some(leading) = leading {
        leading.ends().await;
    }
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        // The log has the reason already.
        Err(_) => ExitCode::FAILURE,
    }
}

/// The system's time. In a rehearsal it is shifted by `IVAN_CLOCK_SHIFT_S` seconds, back if negative.
fn clock() -> Clock {
    let clock = Clock::system();
    let shift = std::env::var("IVAN_CLOCK_SHIFT_S")
        .ok()
        .and_then(|seconds| seconds.parse().ok())
        .and_then(chrono::Duration::try_seconds);
    if let Some(shift) = shift {
        clock.shift(shift);
        tracing::warn!(
            shift_s = shift.num_seconds(),
            now = clock.now().to_rfc3339(),
            "the clock is shifted by IVAN_CLOCK_SHIFT_S"
        );
    }
    clock
}

/// The time between two lines about the same ignored signal.
#[cfg(unix)]
const SIGNALS_EVERY: std::time::Duration = std::time::Duration::from_secs(60);

/// What a signal does.
#[cfg(unix)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SignalEffect {
    Stops,
    Reloads,
    Ignored,
}

/// The signals that would end the process by default, with their names. Those of faults in the program itself (SIGSEGV,
/// SIGBUS, SIGFPE, SIGILL), SIGABRT, with which a watchdog ends a process that hangs, and SIGKILL are not among them. Real-time signals follow by number.
#[cfg(unix)]
fn signals() -> Vec<(tokio::signal::unix::SignalKind, String, SignalEffect)> {
    use tokio::signal::unix::SignalKind;
    let named = |kind: SignalKind, name: &str, effect| (kind, name.to_owned(), effect);
    let mut all = vec![
        named(SignalKind::terminate(), "SIGTERM", SignalEffect::Stops),
        named(SignalKind::interrupt(), "SIGINT", SignalEffect::Stops),
        named(SignalKind::quit(), "SIGQUIT", SignalEffect::Stops),
        named(SignalKind::hangup(), "SIGHUP", SignalEffect::Reloads),
        named(
            SignalKind::user_defined1(),
            "SIGUSR1",
            SignalEffect::Ignored,
        ),
        named(
            SignalKind::user_defined2(),
            "SIGUSR2",
            SignalEffect::Ignored,
        ),
        named(SignalKind::alarm(), "SIGALRM", SignalEffect::Ignored),
        named(SignalKind::io(), "SIGIO", SignalEffect::Ignored),
    ];
    #[cfg(target_os = "linux")]
    {
        let numbered =
            |number, name: &str, effect| (SignalKind::from_raw(number), name.to_owned(), effect);
        for (number, name) in [
            (5, "SIGTRAP"),
            (16, "SIGSTKFLT"),
            (24, "SIGXCPU"),
            (25, "SIGXFSZ"),
            (26, "SIGVTALRM"),
            (27, "SIGPROF"),
            (30, "SIGPWR"),
            (31, "SIGSYS"),
        ] {
            all.push(numbered(number, name, SignalEffect::Ignored));
        }
        all.extend(
            (34..=64)
                .map(|number| numbered(number, &format!("signal {number}"), SignalEffect::Ignored)),
        );
    }
    all
}

/// Installs signal handlers now; the result resolves on a signal that stops. SIGHUP asks for a reload, or stops a daemon
/// whose terminal is gone. All others are logged: by default they would end the process without a word.
#[cfg(unix)]
fn stop_signals(reload: Option<Arc<Notify>>) -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::signal;
    let (arrived, mut arrivals) = tokio::sync::mpsc::unbounded_channel();
    let mut streams = Vec::new();
    for (kind, name, effect) in signals() {
        match signal(kind) {
            Ok(stream) => streams.push((stream, name, effect)),
            // Some are reserved on some systems; these end the process.
            Err(_) if effect == SignalEffect::Ignored => {}
            Err(error) => return Err(error),
        }
    }
    for (mut stream, name, effect) in streams {
        let arrived = arrived.clone();
        tokio::spawn(async move {
            while stream.recv().await.is_some() && arrived.send((name.clone(), effect)).is_ok() {}
        });
    }
    let is_terminal = || std::io::stdin().is_terminal() || std::io::stderr().is_terminal();
    let began_at_a_terminal = is_terminal();
    let mut ignored = std::collections::HashMap::new();
    Ok(async move {
        while let Some((name, effect)) = arrivals.recv().await {
            let lost = effect == SignalEffect::Reloads && began_at_a_terminal && !is_terminal();
            match (effect, &reload) {
                (SignalEffect::Stops, _) => {}
                (SignalEffect::Reloads, _) if lost => {}
                (SignalEffect::Reloads, Some(reload)) => {
                    tracing::debug!(signal = name, "signal received: reading bot.toml again");
                    reload.notify_one();
                    continue;
                }
                (SignalEffect::Reloads, None) | (SignalEffect::Ignored, _) => {
                    // A full disk may send SIGXFSZ with every write.
                    let now = tokio::time::Instant::now();
                    let said = ignored.insert(name.clone(), now);
                    if said.is_none_or(|said| now - said >= SIGNALS_EVERY) {
                        tracing::info!(signal = name, "signal ignored");
                    }
                    continue;
                }
            }
            tracing::info!(signal = name, "signal received");
            return;
        }
        // No further signal can arrive.
        std::future::pending().await
    })
}

#[cfg(not(unix))]
fn stop_signals(_: Option<Arc<Notify>>) -> std::io::Result<impl Future<Output = ()>> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}

fn load(options: &Options) -> Result<Config, ExitCode> {
    Config::load(options.config.as_deref(), variables()).map_err(|errors| fail(&errors.located()))
}

/// The environment without variables that are not UTF-8: none of Ivan's settings can be among them.
fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// `doctor`: without a valid configuration, its mistakes are the report.
async fn doctor(options: Options, args: cli::doctor::DoctorArgs, form: &OutputForm) -> ExitCode {
    let report = match Config::load(options.config.as_deref(), variables()) {
        Ok(config) => {
            let api_url = options.api_url;
            let api_url = api_url.unwrap_or_else(|| format!("http://{}", config.api.bind));
            app::doctor(&config, args, api_url, clock()).await
        }
        Err(errors) => CheckupReport {
            findings: ivan::doctor::without_configuration(&errors),
            ..CheckupReport::default()
        },
    };
    let printed = cli::doctor::printed(&report, form.is_json());
    ExitCode::from(cli::output(&printed, form))
}

/// `config check`: fails while a value is still the example's.
fn check(config: &Config) -> ExitCode {
    let remarks = config.remarks();
    let on_a_network = ivan::store::on_a_network(&config.store.path);
    let exposed = remarks.exposed().into_iter().chain(on_a_network);
    for remark in exposed.chain(remarks.risks().iter().cloned()) {
        eprintln!("! {remark}");
    }
    if !remarks.untouched().is_empty() {
        return fail(&format!(
            "{} still from bot.toml.example; fill in your own:\n  {}",
            are(remarks.untouched().len()),
            remarks.untouched().join("\n  ")
        ));
    }
    println!("✓ {}", checked(config));
    ExitCode::SUCCESS
}

/// `store rekey`: says where the new key is, and what became of the secrets.
fn rekey(config: &Config, to: Option<&std::path::Path>, lost: bool) -> ExitCode {
    let done = match app::rekey(config, to, lost) {
        Ok(done) => done,
        Err(error) => return fail(&error.to_string()),
    };
    let encrypted = match done.secrets {
        1 => "1 secret is encrypted with it".to_owned(),
        many => format!("{many} secrets are encrypted with it"),
    };
    println!("✓ New key in {}; {encrypted}.", done.file.display());
    if done.lost > 0 {
        println!(
            "{} of a lost key removed. Register the webhooks again: `ivan webhooks register --url URL`.",
            match done.lost {
                1 => "1 secret".to_owned(),
                many => format!("{many} secrets"),
            }
        );
    }
    if to.is_some() {
        println!(
            "Set store.key_file = \"{}\" before the next start.",
            done.file.display()
        );
    }
    ExitCode::SUCCESS
}

/// `backup`: says what the copy has, and what it lacks.
fn backup(config: &Config, file: &std::path::Path, force: bool, form: &OutputForm) -> ExitCode {
    let copy = match app::back_up(config, file, force) {
        Ok(copy) => copy,
        Err(error) => return fail(&error.to_string()),
    };
    if form.is_json() {
        return said(format!("{}\n", copy_as_json(&copy, file)), form);
    }
    let mut words = format!(
        "✓ Copied {} to {}: {}, verified.\n",
        config.store.path.display(),
        file.display(),
        size(copy.bytes)
    );
    if let Some(key) = &copy.key {
        words.push_str(&format!(
            "  Its secrets are encrypted, and the key is not in the copy. Keep {} as well, in another place.\n",
            key.display()
        ));
    }
    said(words, form)
}

/// `export`: prints the rows, or says how many are in the file.
fn export(config: &Config, asked: &ExportOptions, form: &OutputForm) -> ExitCode {
    let form = match ExportForm::of(asked, form) {
        Ok(form) => form,
        Err(why) => {
            eprintln!("✗ {why}");
            return ExitCode::from(cli::EXIT_USAGE);
        }
    };
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let exported = app::export(config, asked, form, (&mut out, StreamLook::of_output()));
    match (exported, &asked.out) {
        (Ok(rows), Some(file)) => print_out(&format!(
            "✓ {} in {}\n",
            match rows {
                1 => "1 row".to_owned(),
                rows => format!("{rows} rows"),
            },
            file.display()
        )),
        (Ok(_), None) => ExitCode::SUCCESS,
        // A reader that needs no more rows is no error.
        (Err(ExportError::Output(error)), None)
            if error.kind() == std::io::ErrorKind::BrokenPipe =>
        {
            ExitCode::SUCCESS
        }
        (Err(error), _) => fail(&error.to_string()),
    }
}

/// `restore`: says where the former store is, and whether the key fits.
fn restore(config: &Config, file: &std::path::Path, form: &OutputForm) -> ExitCode {
    let restored = match app::restore(config, file, &clock()) {
        Ok(restored) => restored,
        Err(error) => return fail(&error.to_string()),
    };
    if form.is_json() {
        let answer = serde_json::json!({
            "copy": copy_as_json(&restored.copy, &config.store.path),
            "kept": restored.kept.map(|kept| kept.display().to_string()),
            "locked": restored.locked,
        });
        return said(format!("{answer}\n"), form);
    }
    let mut words = format!(
        "✓ Restored {} from {}: {}, verified.\n",
        config.store.path.display(),
        file.display(),
        size(restored.copy.bytes)
    );
    if let Some(kept) = &restored.kept {
        words.push_str(&format!(
            "  The store from before is kept: {}\n",
            kept.display()
        ));
    }
    if let Some(why) = &restored.locked {
        words.push_str(&format!("! Before the next start: {why}.\n"));
    }
    said(words, form)
}

/// Prints an answer, as JSON where that was asked for.
fn said(out: String, form: &OutputForm) -> ExitCode {
    let printed = cli::print::Printed {
        out,
        err: String::new(),
        exit: cli::EXIT_OK,
    };
    ExitCode::from(cli::output(&printed, form))
}

fn copy_as_json(copy: &ivan::store::StoreCopy, file: &std::path::Path) -> serde_json::Value {
    let key = copy.key.as_ref().map(|key| key.display().to_string());
    serde_json::json!({
        "file": file.display().to_string(),
        "bytes": copy.bytes,
        "schema_version": copy.version,
        "key_file": key,
    })
}

/// Bytes as people read them.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} KB", bytes.div_ceil(1_000)),
        1_000_000..1_000_000_000 => {
            format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000)
        }
        _ => format!(
            "{}.{} GB",
            bytes / 1_000_000_000,
            bytes % 1_000_000_000 / 100_000_000
        ),
    }
}

fn are(values: usize) -> String {
    match values {
        1 => "1 value is".to_owned(),
        many => format!("{many} values are"),
    }
}

fn checked(config: &Config) -> String {
    let parts = [
        ("Slack", config.slack.is_some()),
        ("ClickUp", config.clickup.is_some()),
        ("GitHub", config.github.is_some()),
    ];
    let names: Vec<&str> = parts
        .iter()
        .filter(|(_, configured)| *configured)
        .map(|(name, _)| *name)
        .collect();
    let file = config.file().map_or("the environment".to_owned(), |path| {
        path.display().to_string()
    });
    format!("{file} is valid. Configured: {}", names.join(", "))
}

/// The daemon's address, for requests without a token.
fn address(options: &Options) -> Result<String, ExitCode> {
    match &options.api_url {
        Some(url) => Ok(url.clone()),
        None => load(options).map(|config| format!("http://{}", config.api.bind)),
    }
}

/// Why there is no address or token of the daemon's API.
struct NoTarget {
    why: String,
    exit: u8,
}

/// The address and token of the daemon's API: from the command line, the environment, or bot.toml and the token file.
fn target(options: Options) -> Result<cli::DaemonTarget, NoTarget> {
    const GIVEN: &str = "--api-token (IVAN_API_TOKEN)";
    // A named configuration or token comes before a login.
    let is_named = options.config.is_some()
        || options.api_token.is_some()
        || std::env::var_os("IVAN_CONFIG").is_some();
    let login = match is_named {
        true => None,
        false => cli::login::logged_in(options.api_url.as_deref()).map_err(|why| NoTarget {
            why,
            exit: cli::EXIT_FAILED,
        })?,
    };
    let (url, token, token_from) = match (options.api_url, options.api_token, login) {
        (Some(url), Some(token), _) => (url, token, GIVEN.to_owned()),
        (_, _, Some(host)) => {
            let token = cli::ApiToken::new(host.token.expose());
            (host.url, token, "`ivan login`; run it again".to_owned())
        }
        (url, token, None) => {
            let config =
                Config::load(options.config.as_deref(), variables()).map_err(|errors| {
                    NoTarget {
                        why: format!("{errors}\n{WITHOUT_CONFIG}"),
                        exit: cli::EXIT_FAILED,
                    }
                })?;
            let url = url.unwrap_or_else(|| format!("http://{}", config.api.bind));
            let (token, from) = match (token, &config.api.token) {
                (Some(token), _) => (token, GIVEN.to_owned()),
                (None, Some(token)) => {
                    let file = config.file().map(|path| format!(" in {}", path.display()));
                    let from = format!("api.token{}", file.unwrap_or_default());
                    (cli::ApiToken::new(token.expose()), from)
                }
                (None, None) => {
                    let path = config.api_token_path();
                    let text = std::fs::read_to_string(&path).map_err(|e| NoTarget {
                        why: format!(
                            "Cannot read the API token {}: {e}. `ivan serve` creates it at its first start; run \
                                 this as the same user, or use --api-token",
                            path.display()
                        ),
                        exit: cli::EXIT_UNREACHABLE,
                    })?;
                    (cli::ApiToken::new(text.trim()), path.display().to_string())
                }
            };
            (url, token, from)
        }
    };
    Ok(cli::DaemonTarget {
        url,
        token,
        token_from,
        actor: options.actor,
        json: options.json || options.jq.is_some(),
        filtered: options.jq.is_some(),
        look: StreamLook::of_output(),
    })
}

const WITHOUT_CONFIG: &str =
    "Or use --api-url and --api-token (IVAN_API_URL, IVAN_API_TOKEN) to reach a running daemon.";

/// Logs go to standard error, so that answers can be piped.
/// Starts the log, and returns the means to change its level.
fn start_logging(format: &LogFormat, level: &str) -> SetLogLevel {
    let builder = tracing_subscriber::fmt()
        // A closed terminal takes no log line, and the error report about that would end the daemon.
        .log_internal_errors(false)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Json => {
            let builder = builder
                .json()
                .with_env_filter(log_filter(level))
                .with_filter_reloading();
            let handle = builder.reload_handle();
            builder.init();
            Box::new(move |level| level_changed(handle.reload(log_filter(level))))
        }
        LogFormat::Pretty => {
            let builder = builder
                .with_ansi(std::io::stderr().is_terminal())
                .with_target(false)
                .with_env_filter(log_filter(level))
                .with_filter_reloading();
            let handle = builder.reload_handle();
            builder.init();
            Box::new(move |level| level_changed(handle.reload(log_filter(level))))
        }
    }
}

fn level_changed(changed: Result<(), tracing_subscriber::reload::Error>) {
    if let Err(error) = changed {
        tracing::error!(%error, "the level of the log stays as it was");
    }
}

fn log_filter(level: &str) -> EnvFilter {
    // Dependencies log secrets at `trace`, such as the socket's address with its ticket.
    let level = match level {
        "debug" | "trace" => format!("info,ivan={level}"),
        other => other.to_owned(),
    };
    // Its message would repeat, as an error, our own line about the failed request.
    let quiet = "rustls_platform_verifier=off";
    EnvFilter::try_new(format!("{quiet},{level}"))
        .unwrap_or_else(|_| EnvFilter::new(format!("{quiet},info")))
}

fn fail(why: &str) -> ExitCode {
    eprintln!("✗ {why}");
    ExitCode::FAILURE
}
