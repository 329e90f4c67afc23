//! `ivan init`: asks for the tokens and the places, checks each answer at once, and writes bot.toml.
//!
//! Decisions are in `setup`; the services are behind [`Services`]. It writes nothing before it has shown the change and
//! got a yes, and it never asks without a terminal.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use zeroize::Zeroizing;

use super::prompt::{NoAnswer, Prompter};
use super::webhooks::BaseUrl;
use super::{EXIT_FAILED, EXIT_OK, EXIT_USAGE, manifest};
use crate::config::{Config, Secret, origin};
use crate::domain::address;
use crate::domain::checkup::{TokenFacts, TokenTrouble, TokenWorkspace};
use crate::domain::directory::ListedAccount;
use crate::domain::person::SlackMember;
use crate::domain::profile::ContainerKind;
use crate::domain::scope::{self, ScopeInputs};
use crate::domain::task::RepoName;
use crate::setup::bot_toml::{BotToml, token_of};
use crate::setup::choice::{ChoiceOption, Picked, listed, pick, pick_all};
use crate::setup::people::{self, FoundPerson};
use crate::setup::{
    AppFiles, ClickUpAnswers, GitHubAccessAnswer, GitHubAnswers, GivenToken, MadeApp, NewApp,
    Services, SetupAnswers,
};

/// The status after Ctrl-C, as shells have it.
const EXIT_INTERRUPTED: u8 = 130;

/// Answers that can be given ahead.
///
/// Tokens are no options: a command line stands in the shell's history, and other users of the machine can read it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct InitOptions {
    /// The file with the app-level token (xapp-…) [env: SLACK_APP_TOKEN has the token]
    #[arg(long, value_name = "FILE")]
    pub slack_app_token_file: Option<PathBuf>,
    /// The file with the bot token (xoxb-…) [env: SLACK_BOT_TOKEN has the token]
    #[arg(long, value_name = "FILE")]
    pub slack_bot_token_file: Option<PathBuf>,
    /// The operator: a name, e-mail address or Slack id; may be repeated
    #[arg(
        long,
        value_name = "PERSON",
        value_delimiter = ',',
        env = "IVAN__SLACK__OPERATORS",
        hide_env_values = true
    )]
    pub operator: Vec<String>,
    /// The file with the ClickUp token (pk_…) [env: CLICKUP_TOKEN has the token]
    #[arg(long, value_name = "FILE")]
    pub clickup_token_file: Option<PathBuf>,
    /// The ClickUp workspace: its name or id
    #[arg(
        long,
        value_name = "WORKSPACE",
        env = "IVAN__CLICKUP__TEAM_ID",
        hide_env_values = true
    )]
    pub clickup_workspace: Option<String>,
    /// A ClickUp list: its name, id or address; the first is for new tasks; may be repeated
    #[arg(
        long,
        value_name = "LIST",
        env = "IVAN__CLICKUP__LIST_ID",
        hide_env_values = true
    )]
    pub clickup_list: Vec<String>,
    /// Go without ClickUp
    #[arg(long, conflicts_with = "clickup_token_file")]
    pub no_clickup: bool,
    /// The file with the GitHub token (github_pat_…) [env: GITHUB_TOKEN has the token]
    #[arg(long, value_name = "FILE")]
    pub github_token_file: Option<PathBuf>,
    /// A GitHub repository, owner/name; the first is for new issues; may be repeated
    #[arg(
        long,
        value_name = "REPO",
        env = "IVAN__GITHUB__REPO",
        hide_env_values = true
    )]
    pub github_repo: Vec<String>,
    /// Make a GitHub App instead of using a token: it opens a page on this machine
    #[arg(long, conflicts_with_all = ["github_token_file", "no_github"])]
    pub github_app: bool,
    /// The organization that owns the new GitHub App [default: your own account]
    #[arg(long, value_name = "ORG", requires = "github_app")]
    pub github_org: Option<String>,
    /// The public URL of Ivan's webhook listener, for the webhook of the new GitHub App [default: none, it polls]
    #[arg(long, value_name = "URL", requires = "github_app")]
    pub webhook_url: Option<BaseUrl>,
    /// Go without GitHub
    #[arg(long, conflicts_with = "github_token_file")]
    pub no_github: bool,
    /// Make only the operators people; they add the others in Slack
    #[arg(long)]
    pub no_people: bool,
    /// Write bot.toml without asking
    #[arg(long)]
    pub yes: bool,
    /// Start the daemon afterwards [default: at a terminal]
    #[arg(long, overrides_with = "no_start")]
    pub start: bool,
    /// Only write bot.toml
    #[arg(long, overrides_with = "start")]
    pub no_start: bool,
    /// For GitHub Enterprise Server: the address of its pages, https://HOST
    #[arg(
        long,
        value_name = "URL",
        env = "IVAN__GITHUB__URL",
        hide_env_values = true
    )]
    pub github_url: Option<String>,
    /// For a proxy or a test
    #[arg(
        long,
        hide = true,
        value_name = "URL",
        env = "GITHUB_API_URL",
        hide_env_values = true
    )]
    pub github_api_url: Option<String>,
    /// Certificates (PEM) of a company's authority, trusted besides the system's
    #[arg(
        long,
        value_name = "FILE",
        env = "IVAN__TLS__CA_FILE",
        hide_env_values = true
    )]
    pub ca_file: Option<PathBuf>,
    /// For a proxy or a test
    #[arg(long, hide = true, value_name = "URL", env = "SLACK_API_URL")]
    pub slack_api_url: Option<String>,
    /// For a proxy or a test
    #[arg(long, hide = true, value_name = "URL", env = "CLICKUP_API_URL")]
    pub clickup_api_url: Option<String>,
}

/// The file of the configuration, and the environment.
pub struct InitInputs {
    /// The file to write.
    pub path: PathBuf,
    /// Its text, if it exists.
    pub text: Option<Zeroizing<String>>,
    /// The variables of the process.
    pub variables: Vec<(String, String)>,
}

impl InitInputs {
    fn text(&self) -> Option<&str> {
        self.text.as_ref().map(|text| text.as_str())
    }

    fn variable(&self, name: &str) -> Option<&str> {
        let found = self.variables.iter().find(|(known, _)| known == name);
        let value = found.map(|(_, value)| value.trim());
        value.filter(|value| !value.is_empty())
    }

    /// The addresses of the services: options, the daemon's variables, the file, or the real ones.
    pub fn addresses(&self, options: &InitOptions) -> Result<Addresses, String> {
        let file = BotToml::read(self.text())
            .map_err(|why| format!("{} is not TOML: {why}", self.path.display()))?;
        let given = |option: &Option<String>, section: &str, key: &str| {
            let variable = format!("IVAN__{}__{}", section.to_uppercase(), key.to_uppercase());
            let given = option.clone().filter(|address| !address.trim().is_empty());
            let given = given.or_else(|| self.variable(&variable).map(str::to_owned));
            let given = given.or_else(|| file.text_of(section, key));
            given.map(|address| address.trim().trim_end_matches('/').to_owned())
        };
        let one = |option: &Option<String>, section: &str, usual: &str| {
            let given = given(option, section, "api_url");
            given.unwrap_or_else(|| usual.to_owned())
        };
        let url = given(&options.github_url, "github", "url");
        let url = url.map(|url| origin(&url)).transpose();
        let url = url.map_err(|why| format!("github.url (--github-url) {why}"))?;
        let api = given(&options.github_api_url, "github", "api_url");
        let by_api = url.is_none() && api.is_some();
        let pages = match (url, &api) {
            (Some(url), _) => url,
            (None, Some(api)) => address::pages_of(api),
            (None, None) => address::GITHUB.to_owned(),
        };
        Ok(Addresses {
            slack: one(&options.slack_api_url, "slack", SLACK),
            clickup: one(&options.clickup_api_url, "clickup", CLICKUP),
            github: api.unwrap_or_else(|| address::api_of(&pages)),
            github_url: pages,
            by_api,
        })
    }

    /// `tls.ca_file`: the option, the variable, or the file's.
    pub fn ca_file(&self, options: &InitOptions) -> Option<PathBuf> {
        let given = options.ca_file.clone();
        let file = BotToml::read(self.text()).ok();
        given.or_else(|| file?.text_of("tls", "ca_file").map(PathBuf::from))
    }
}

const SLACK: &str = "https://slack.com/api";
const CLICKUP: &str = "https://api.clickup.com/api/v2";

/// The base addresses of the services, without a slash at their end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// `slack.api_url`
    pub slack: String,
    /// `clickup.api_url`
    pub clickup: String,
    /// `github.api_url`
    pub github: String,
    /// `github.url`: the origin of GitHub's pages.
    pub github_url: String,
    /// Only the API's address was given; the pages follow from it.
    by_api: bool,
}

impl Addresses {
    /// Those that bot.toml has to name: section, key and address.
    fn unusual(&self) -> Vec<(&'static str, &'static str, String)> {
        let pages = match self.by_api {
            true => address::GITHUB,
            false => &self.github_url,
        };
        let of_pages = address::api_of(pages);
        let all = [
            ("slack", "api_url", self.slack.as_str(), SLACK),
            ("clickup", "api_url", &self.clickup, CLICKUP),
            ("github", "url", pages, address::GITHUB),
            ("github", "api_url", &self.github, &of_pages),
        ];
        let unusual = all
            .into_iter()
            .filter(|(_, _, address, usual)| address != usual);
        unusual
            .map(|(section, key, address, _)| (section, key, address.to_owned()))
            .collect()
    }
}

/// The result of the questions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InitEnd {
    /// bot.toml is as answered; start the daemon if that is wanted.
    Ready {
        /// Whether to start the daemon.
        starts: bool,
    },
    /// It ended before, with this exit status.
    Exit(u8),
}

/// Why the questions end before the last.
enum InitStop {
    /// Ctrl-C or Ctrl-D.
    Interrupted,
    /// With a sentence.
    Failed(String),
}

impl From<NoAnswer> for InitStop {
    fn from(none: NoAnswer) -> InitStop {
        match none {
            NoAnswer::Stopped => InitStop::Interrupted,
            NoAnswer::Broken(why) => {
                InitStop::Failed(format!("The terminal cannot be read: {why}"))
            }
        }
    }
}

/// Asks, shows the change, and writes bot.toml.
pub async fn init(
    options: &InitOptions,
    inputs: &InitInputs,
    services: &dyn Services,
    prompter: &mut dyn Prompter,
) -> InitEnd {
    let mut dialogue = Dialogue {
        options,
        inputs,
        services,
        prompter,
        missing: Vec::new(),
        wants_app: false,
        made: None,
    };
    match dialogue.run().await {
        Ok(end) => end,
        Err(InitStop::Interrupted) => {
            let name = shown(&inputs.path);
            dialogue.say(&match dialogue.made.is_some() {
                true => format!("Stopped. {name} was not written."),
                false => "Stopped. Nothing was written.".to_owned(),
            });
            dialogue.left_behind();
            InitEnd::Exit(EXIT_INTERRUPTED)
        }
        Err(InitStop::Failed(why)) => {
            dialogue.say(&format!("✗ {why}"));
            dialogue.left_behind();
            InitEnd::Exit(EXIT_FAILED)
        }
    }
}

/// A token that is asked for.
struct TokenQuestion<'a> {
    section: &'static str,
    key: &'static str,
    /// The option that names its file.
    option: &'static str,
    file: &'a Option<PathBuf>,
    /// Its variable, beside that of bot.toml's key.
    variable: &'static str,
    /// Where to get it.
    how: String,
    prompt: &'static str,
    /// Enter means none.
    optional: bool,
    /// This word instead of a token asks for another way.
    instead: Option<&'static str>,
    /// The kind of token, or the reason against it.
    is_kind: fn(&str) -> Result<(), &'static str>,
}

struct Dialogue<'a> {
    options: &'a InitOptions,
    inputs: &'a InitInputs,
    services: &'a dyn Services,
    prompter: &'a mut dyn Prompter,
    /// The answers that nobody could be asked for.
    missing: Vec<String>,
    /// They typed the word for another way than a token.
    wants_app: bool,
    /// The GitHub App that was made, and its page.
    made: Option<(AppFiles, String)>,
}

impl Dialogue<'_> {
    fn say(&mut self, text: &str) {
        self.prompter.print(&format!("{text}\n"));
    }

    fn title(&mut self, text: &str) {
        self.prompter.print(&format!("\n{text}\n"));
    }

    async fn run(&mut self) -> Result<InitEnd, InitStop> {
        let path = &self.inputs.path;
        let not_toml =
            |why: String| InitStop::Failed(format!("{} is not TOML: {why}", path.display()));
        let mut file = BotToml::read(self.inputs.text()).map_err(not_toml)?;
        let addresses = self
            .inputs
            .addresses(self.options)
            .map_err(InitStop::Failed)?;
        let name = shown(path);
        self.say(&match &self.inputs.text {
            None => format!("This makes {name}. Nothing is written before you agree."),
            Some(_) => {
                format!("{name} exists. You see each change before it is written; the rest stays.")
            }
        });

        let slack = self.slack(&file).await?;
        let clickup = self.clickup(&file).await?;
        let github = self.github(&file).await?;
        if clickup.is_none() && github.is_none() && !self.lacks("clickup") && !self.lacks("github")
        {
            let why = "Ivan needs ClickUp or GitHub: --clickup-token-file or --github-token-file";
            self.missing.push(why.to_owned());
        }
        let found = match &slack {
            Some(slack) => self.people(&file, slack, &clickup, &github).await?,
            None => None,
        };
        let (Some(slack), Some((operators, people)), true) =
            (slack, found, self.missing.is_empty())
        else {
            return Ok(self.is_missing());
        };
        let github = match github {
            Some(found) => Some(self.access(found).await?),
            None => None,
        };
        file.answer(&SetupAnswers {
            app_token: slack.app_token,
            bot_token: slack.bot_token,
            operators,
            clickup: clickup.map(|clickup| clickup.answers),
            github,
            people,
            addresses: addresses.unusual(),
            ca_file: self.inputs.ca_file(self.options),
        });
        let end = self.write(&file)?;
        Ok(match end {
            InitEnd::Ready { .. } => self.install(end),
            InitEnd::Exit(_) => {
                self.left_behind();
                end
            }
        })
    }

    fn lacks(&self, option: &str) -> bool {
        let option = format!("--{option}");
        self.missing.iter().any(|one| one.starts_with(&option))
    }

    /// The answers that are missing, and the exit status.
    fn is_missing(&mut self) -> InitEnd {
        let many = match self.missing.len() {
            1 => "1 answer is missing".to_owned(),
            many => format!("{many} answers are missing"),
        };
        let mut text = format!("\n✗ {many}, and there is no terminal to ask at:\n");
        for one in &self.missing {
            let _ = writeln!(text, "  {}", one.trim_end().replace('\n', "\n    "));
        }
        text.push_str("Nothing was written.\n");
        self.prompter.print(&text);
        InitEnd::Exit(EXIT_USAGE)
    }

    // Slack

    async fn slack(&mut self, file: &BotToml) -> Result<Option<SlackFound>, InitStop> {
        self.title("Slack");
        let how = format!(
            "Open this address, choose your workspace and press Create. The form is filled in:\n  {}\n  Then Basic \
             Information → App-Level Tokens → Generate, with the scope connections:write.",
            manifest::link()
        );
        let question = TokenQuestion {
            section: "slack",
            key: "app_token",
            option: "--slack-app-token-file FILE, or SLACK_APP_TOKEN",
            file: &self.options.slack_app_token_file,
            variable: "SLACK_APP_TOKEN",
            how,
            prompt: "App-level token (xapp-…, not shown): ",
            optional: false,
            instead: None,
            is_kind: |token| match token {
                token if token.starts_with("xapp-") => Ok(()),
                token if token.starts_with("xoxb-") => {
                    Err("This is the bot token. The app-level token begins with xapp-")
                }
                _ => Err("The app-level token begins with xapp-"),
            },
        };
        let app = self.token(file, &question, TokenKind::App).await?;
        let question = TokenQuestion {
            section: "slack",
            key: "bot_token",
            option: "--slack-bot-token-file FILE, or SLACK_BOT_TOKEN",
            file: &self.options.slack_bot_token_file,
            variable: "SLACK_BOT_TOKEN",
            how: "Then Install App → Install to Workspace. It shows the Bot User OAuth Token."
                .to_owned(),
            prompt: "Bot token (xoxb-…, not shown): ",
            optional: false,
            instead: None,
            is_kind: |token| match token {
                token if token.starts_with("xoxb-") => Ok(()),
                token if token.starts_with("xoxe") => Err(
                    "This token rotates (xoxe.), and Ivan does not renew it. Make a new app from the manifest: \
                     rotation cannot be switched off again",
                ),
                token if token.starts_with("xapp-") => {
                    Err("This is the app-level token. The bot token begins with xoxb-")
                }
                _ => Err("The bot token begins with xoxb-"),
            },
        };
        let bot = self.token(file, &question, TokenKind::Bot).await?;
        let (Some((app_token, app)), Some((bot_token, bot))) = (app, bot) else {
            return Ok(None);
        };
        if let (Some(one), Some(other)) = (&app.app, &bot.app)
            && one != other
        {
            return Err(InitStop::Failed(format!(
                "The tokens belong to two apps: the app-level token to {one}, the bot token to {other}. Take both from \
                 one app"
            )));
        }
        let workspace = bot.workspaces.into_iter().next();
        Ok(Some(SlackFound {
            app_token,
            bot_token,
            workspace: workspace.map(|workspace| workspace.id).unwrap_or_default(),
        }))
    }

    // ClickUp

    async fn clickup(&mut self, file: &BotToml) -> Result<Option<ClickUpFound>, InitStop> {
        if self.options.no_clickup {
            return Ok(None);
        }
        self.title("ClickUp");
        let question = TokenQuestion {
            section: "clickup",
            key: "token",
            option: "--clickup-token-file FILE, or CLICKUP_TOKEN, or --no-clickup",
            file: &self.options.clickup_token_file,
            variable: "CLICKUP_TOKEN",
            how: "ClickUp → Settings → Apps → API Token. A seat of its own is best. Press Enter to go without ClickUp."
                .to_owned(),
            prompt: "API token (pk_…, not shown): ",
            optional: true,
            instead: None,
            is_kind: |_| Ok(()),
        };
        let Some((token, facts)) = self.token(file, &question, TokenKind::ClickUp).await? else {
            return Ok(None);
        };
        let Some(workspace) = self.workspace(file, &facts)? else {
            return Ok(None);
        };
        let lists = self.services.lists(token.secret(), &workspace.id).await;
        let lists = lists.map_err(InitStop::Failed)?;
        let options: Vec<ChoiceOption> = lists
            .into_iter()
            .map(|list| ChoiceOption {
                id: list.id,
                name: list.name,
                hint: list.path,
            })
            .collect();
        if options.is_empty() {
            return Err(InitStop::Failed(format!(
                "ClickUp shows no list of {} to this account. Give it access to one",
                workspace.name
            )));
        }
        let mut known = file
            .text_of("clickup", "list_id")
            .into_iter()
            .collect::<Vec<_>>();
        known.extend(file.texts_of("clickup", "lists"));
        let places = Places {
            given: &self.options.clickup_list,
            known,
            noun: "list",
            option: "--clickup-list LIST",
            first: "The list for new tasks",
            further: "Further lists to follow",
        };
        let Some(lists) = self.places(&options, &places)? else {
            return Ok(None);
        };
        let members = self
            .services
            .clickup_members(token.secret(), &workspace.id)
            .await;
        let members = self.listing(members);
        Ok(Some(ClickUpFound {
            answers: ClickUpAnswers {
                token,
                workspace: workspace.id,
                lists,
            },
            members,
            email: facts.email,
        }))
    }

    fn workspace(
        &mut self,
        file: &BotToml,
        facts: &TokenFacts,
    ) -> Result<Option<TokenWorkspace>, InitStop> {
        let options: Vec<ChoiceOption> = facts
            .workspaces
            .iter()
            .map(|workspace| ChoiceOption {
                id: workspace.id.clone(),
                name: workspace.name.clone(),
                hint: workspace.id.clone(),
            })
            .collect();
        if options.is_empty() {
            return Err(InitStop::Failed(
                "ClickUp shows no workspace to this account".to_owned(),
            ));
        }
        let given = self.options.clickup_workspace.clone();
        let given = given.or_else(|| file.text_of("clickup", "team_id"));
        let at = self.choose(
            &options,
            given.as_deref(),
            None,
            &Choosing {
                noun: "workspace",
                option: "--clickup-workspace WORKSPACE",
                prompt: "The workspace",
            },
        )?;
        Ok(at.and_then(|at| facts.workspaces.get(at).cloned()))
    }

    // GitHub

    async fn github(&mut self, file: &BotToml) -> Result<Option<GitHubFound>, InitStop> {
        if self.options.no_github {
            return Ok(None);
        }
        self.title("GitHub");
        if self.options.github_app {
            return self.new_app(file);
        }
        let question = TokenQuestion {
            section: "github",
            key: "token",
            option: "--github-token-file FILE, or GITHUB_TOKEN, or --github-app, or --no-github",
            file: &self.options.github_token_file,
            variable: "GITHUB_TOKEN",
            how: "GitHub → Settings → Developer settings → Fine-grained tokens: only your repositories, with Issues: \
                  read and write.\n  Or type app: Ivan makes a GitHub App with you. Press Enter to go without GitHub."
                .to_owned(),
            prompt: "Token (github_pat_…, not shown): ",
            optional: true,
            instead: Some("app"),
            is_kind: |_| Ok(()),
        };
        if let (Some(id), None) = (
            file.text_of("github", "app_id"),
            self.given(file, &question)?,
        ) {
            return self.known_app(file, &id);
        }
        let Some((token, _)) = self.token(file, &question, TokenKind::GitHub).await? else {
            return match std::mem::take(&mut self.wants_app) {
                true => self.new_app(file),
                false => Ok(None),
            };
        };
        let repos = self.services.repos(token.secret()).await;
        let repos = repos.map_err(InitStop::Failed)?;
        let options: Vec<ChoiceOption> = repos
            .iter()
            .map(|repo| ChoiceOption {
                id: repo.name.to_string(),
                name: repo.name.to_string(),
                hint: match repo.may_triage {
                    true => String::new(),
                    false => "may not close issues of others (needs Triage)".to_owned(),
                },
            })
            .collect();
        if options.is_empty() {
            return Err(InitStop::Failed(
                "GitHub shows no repository with issues to this token. Give it access to one"
                    .to_owned(),
            ));
        }
        let mut known = file
            .text_of("github", "repo")
            .into_iter()
            .collect::<Vec<_>>();
        known.extend(file.texts_of("github", "repos"));
        let places = Places {
            given: &self.options.github_repo,
            known,
            noun: "repository",
            option: "--github-repo REPO",
            first: "The repository for new issues",
            further: "Further repositories to follow",
        };
        let Some(chosen) = self.places(&options, &places)? else {
            return Ok(None);
        };
        let chosen: Vec<RepoName> = chosen
            .iter()
            .filter_map(|repo| RepoName::parse(repo))
            .collect();
        let mut people: Vec<ListedAccount> = Vec::new();
        for repo in &chosen {
            let found = self.services.repo_people(token.secret(), repo).await;
            people.extend(self.listing(found));
        }
        Ok(Some(GitHubFound {
            access: AccessFound::Token(token),
            repos: chosen,
            people,
        }))
    }

    /// The GitHub App that bot.toml names stays.
    fn known_app(&mut self, file: &BotToml, id: &str) -> Result<Option<GitHubFound>, InitStop> {
        self.say(&format!("  ✓ As before: the GitHub App {id}."));
        let repos = self.repositories(file)?;
        Ok(repos.map(|repos| GitHubFound {
            access: AccessFound::KnownApp,
            repos,
            people: Vec::new(),
        }))
    }

    /// The questions about a GitHub App. It is made once all other answers are there.
    fn new_app(&mut self, file: &BotToml) -> Result<Option<GitHubFound>, InitStop> {
        let Some(repos) = self.repositories(file)? else {
            return Ok(None);
        };
        let asks = self.prompter.is_asking();
        if !asks && !self.options.yes {
            self.missing.push("--yes".to_owned());
            return Ok(None);
        }
        let mut organization = self.options.github_org.clone();
        if organization.is_none() && asks && !self.options.github_app {
            let prompt = "  The organization that owns the App, or Enter for your own account: ";
            organization = Some(self.prompter.line(prompt)?);
        }
        let organization = organization.map(|name| name.trim().to_owned());
        let organization = organization.filter(|name| !name.is_empty());
        if let Some(name) = &organization
            && RepoName::parse(&format!("{name}/x")).is_none()
        {
            return Err(InitStop::Failed(format!(
                "`{name}` is not the name of an organization"
            )));
        }
        let mut hook = self.options.webhook_url.clone();
        while hook.is_none() && asks && !self.options.github_app {
            let prompt = "  Ivan's public address for webhooks (https://…), or Enter for none: ";
            let typed = self.prompter.line(prompt)?;
            if typed.is_empty() {
                break;
            }
            match typed.parse::<BaseUrl>() {
                Ok(url) => hook = Some(url),
                Err(why) => self.say(&format!("  ✗ `{typed}` {why}.")),
            }
        }
        self.say("  – The GitHub App is made at the end. GitHub shows its key only then, so that is stored at once.");
        Ok(Some(GitHubFound {
            access: AccessFound::NewApp(NewApp {
                organization,
                hook: hook.map(|url| url.of(ContainerKind::Repositories.source())),
            }),
            repos,
            people: Vec::new(),
        }))
    }

    /// The repositories for an App, which can list none before it is installed.
    fn repositories(&mut self, file: &BotToml) -> Result<Option<Vec<RepoName>>, InitStop> {
        let read = |names: &[String]| -> Result<Vec<RepoName>, String> {
            let named = names.iter().map(|name| {
                RepoName::parse(name).ok_or_else(|| format!("`{name}` is not owner/name"))
            });
            named.collect()
        };
        let mut known: Vec<String> = file.text_of("github", "repo").into_iter().collect();
        known.extend(file.texts_of("github", "repos"));
        let given = match self.options.github_repo.is_empty() {
            true => known,
            false => self.options.github_repo.clone(),
        };
        if !given.is_empty() {
            let repos = read(&given).map_err(InitStop::Failed)?;
            self.say(&format!("  ✓ Repositories: {}.", given.join(", ")));
            return Ok(Some(repos));
        }
        if !self.prompter.is_asking() {
            self.missing.push("--github-repo REPO".to_owned());
            return Ok(None);
        }
        loop {
            let prompt =
                "  The repository for new issues, and further ones (acme/widgets acme/api): ";
            let typed = self.prompter.line(prompt)?;
            let names: Vec<String> = typed.split_whitespace().map(str::to_owned).collect();
            match read(&names) {
                Ok(repos) if !repos.is_empty() => return Ok(Some(repos)),
                Ok(_) => {}
                Err(why) => self.say(&format!("  ✗ {why}.")),
            }
        }
    }

    /// The access to GitHub; a new App is made now.
    async fn access(&mut self, found: GitHubFound) -> Result<GitHubAnswers, InitStop> {
        let access = match found.access {
            AccessFound::Token(token) => GitHubAccessAnswer::Token(token),
            AccessFound::KnownApp => GitHubAccessAnswer::KnownApp,
            AccessFound::NewApp(app) => {
                GitHubAccessAnswer::NewApp(self.make_app(&app).await.map_err(InitStop::Failed)?)
            }
        };
        Ok(GitHubAnswers {
            access,
            repos: found.repos,
        })
    }

    /// Lets the person make the App, and stores its secrets at once: GitHub shows them only now.
    async fn make_app(&mut self, app: &NewApp) -> Result<AppFiles, String> {
        self.title("GitHub App");
        let page = self.services.app_page(app).await?;
        let address = page.address().to_owned();
        let port = address
            .split('/')
            .nth(2)
            .and_then(|host| host.rsplit(':').next());
        let port = port.unwrap_or_default();
        self.say(&format!(
            "  Open this address in a browser, and create the App at GitHub within an hour:\n  {address}\n  From another \
             machine, first: ssh -L {port}:127.0.0.1:{port} THIS_HOST. Ctrl-C stops."
        ));
        let made = page.made().await?;
        self.say(&format!(
            "  ✓ GitHub made the App {} ({}). It acts as {}[bot].",
            made.slug, made.id, made.slug
        ));
        let files = stored(&self.inputs.path, &made)
            .map_err(|why| format!("{why}. The App is there; delete it at {}", made.page))?;
        self.say(&format!(
            "  ✓ Its private key is in {}; other users of this machine cannot read it.",
            files.key.display()
        ));
        if let Some(secret) = &files.webhook_secret {
            let secret = secret.display();
            self.say(&match &app.hook {
                Some(hook) => format!("  ✓ Its webhook goes to {hook}; the secret is in {secret}."),
                None => format!(
                    "  ✓ Its webhook is not active, so Ivan polls; the secret for later is in {secret}."
                ),
            });
        }
        self.made = Some((files.clone(), made.page));
        Ok(files)
    }

    /// The next step after a new App: without an installation it sees no repository.
    fn install(&mut self, end: InitEnd) -> InitEnd {
        let Some((_, page)) = self.made.take() else {
            return end;
        };
        let text = format!(
            "\nInstall the App, for only the repositories that Ivan follows:\n  {page}/installations/new"
        );
        self.say(&text);
        if self.prompter.is_asking() {
            let answer = self.prompter.line("  Press Enter when it is installed: ");
            if answer.is_err() {
                self.say("Stopped. `ivan serve` starts Ivan.");
                return InitEnd::Exit(EXIT_INTERRUPTED);
            }
        }
        end
    }

    /// A new App that bot.toml does not name yet.
    fn left_behind(&mut self) {
        let Some((files, page)) = self.made.clone() else {
            return;
        };
        let mut lines = format!(
            "app_id = \"{}\"\n  app_key_file = \"{}\"",
            files.id,
            files.key.display()
        );
        if let Some(secret) = &files.webhook_secret {
            let _ = write!(lines, "\n  webhook_secret_file = \"{}\"", secret.display());
        }
        self.say(&format!(
            "The GitHub App exists ({page}). To use it, put this into [github] of {}:\n  {lines}",
            shown(&self.inputs.path)
        ));
    }

    /// The accounts that a service lists. Without them, people link their accounts themselves.
    fn listing(&mut self, listed: Result<Vec<ListedAccount>, String>) -> Vec<ListedAccount> {
        listed.unwrap_or_else(|why| {
            self.say(&format!("  ! People are not matched there: {why}"));
            Vec::new()
        })
    }

    // People

    async fn people(
        &mut self,
        file: &BotToml,
        slack: &SlackFound,
        clickup: &Option<ClickUpFound>,
        github: &Option<GitHubFound>,
    ) -> Result<Option<(Vec<String>, Vec<FoundPerson>)>, InitStop> {
        self.title("People");
        let bot = slack.bot_token.secret();
        let members = self.services.members(bot, &slack.workspace).await;
        let members: Vec<SlackMember> = members.map_err(InitStop::Failed)?;
        let Some(operators) = self.operators(file, &members, clickup)? else {
            return Ok(None);
        };
        if self.options.no_people {
            self.say("  The operators are people. They get a card about each other member who writes to Ivan.");
            return Ok(Some((operators, Vec::new())));
        }
        let (of_clickup, of_github) = (
            clickup.as_ref().map(|it| it.members.as_slice()),
            github.as_ref().map(|it| it.people.as_slice()),
        );
        let people = people::found(
            &members,
            of_clickup.unwrap_or_default(),
            of_github.unwrap_or_default(),
            &operators,
        );
        let names = people.iter().map(|person| person.name.chars().count());
        let width = names.max().unwrap_or_default();
        for person in &people {
            let gap = " ".repeat(width - person.name.chars().count());
            let of = |source: &str, is_used: bool, name: Option<&String>| {
                let name = name.map_or("not found", String::as_str);
                is_used.then(|| format!("{source} {name}"))
            };
            let accounts: Vec<String> = [
                of(
                    "ClickUp",
                    clickup.is_some(),
                    person.clickup.as_ref().map(|it| &it.name),
                ),
                of(
                    "GitHub",
                    github.is_some(),
                    person.github.as_ref().map(|it| &it.name),
                ),
            ]
            .into_iter()
            .flatten()
            .collect();
            let complete = (clickup.is_none() || person.clickup.is_some())
                && (github.is_none() || person.github.is_some());
            let sign = if complete { '✓' } else { '!' };
            self.say(&format!(
                "  {sign} {}{gap}  {}",
                person.name,
                accounts.join(", ")
            ));
        }
        let unlinked = people.iter().any(|person| {
            clickup.is_some() && person.clickup.is_none()
                || github.is_some() && person.github.is_none()
        });
        if unlinked {
            self.say("  Accounts that were not found: each person types `link github LOGIN` or `link clickup E-MAIL` to Ivan.");
        }
        let others = members.len() - people.len();
        if others > 0 {
            let many = match others {
                1 => "1 further member has".to_owned(),
                many => format!("{many} further members have"),
            };
            self.say(&format!(
                "  {many} no account with the same address, and no queue yet."
            ));
        }
        let known = file.people();
        let is_new = |person: &FoundPerson| !known.contains(&person.slack);
        let (new, there): (Vec<FoundPerson>, Vec<FoundPerson>) =
            people.into_iter().partition(is_new);
        Ok(Some((operators, [there, new].concat())))
    }

    fn operators(
        &mut self,
        file: &BotToml,
        members: &[SlackMember],
        clickup: &Option<ClickUpFound>,
    ) -> Result<Option<Vec<String>>, InitStop> {
        let known = file.texts_of("slack", "operators");
        if self.options.operator.is_empty() && !known.is_empty() {
            return Ok(Some(known));
        }
        let options: Vec<ChoiceOption> = members
            .iter()
            .map(|member| ChoiceOption {
                id: member.id.clone(),
                name: member.name.clone(),
                hint: member.email.clone().unwrap_or_default(),
            })
            .collect();
        let mut operators = Vec::new();
        for given in &self.options.operator {
            let by_email = members.iter().find(|member| {
                let email = member.email.as_deref();
                email.is_some_and(|email| email.eq_ignore_ascii_case(given.trim()))
            });
            match (by_email, pick(&options, given)) {
                (Some(member), _) => operators.push(member.id.clone()),
                (None, Picked::One(at)) => {
                    operators.extend(options.get(at).map(|option| option.id.clone()));
                }
                (None, Picked::Several(_) | Picked::Nothing) => {
                    return Err(InitStop::Failed(format!(
                        "`{given}` is not one full member of the workspace; use the Slack id (profile → ⋮ → Copy \
                         member ID)"
                    )));
                }
            }
        }
        if !operators.is_empty() {
            return Ok(Some(operators));
        }
        if options.is_empty() {
            return Err(InitStop::Failed(
                "Slack shows no full member of the workspace to the app".to_owned(),
            ));
        }
        // A token of one's own tells who is asking.
        let own = clickup
            .as_ref()
            .and_then(|clickup| clickup.email.as_deref());
        let own = own.and_then(|own| {
            let of = |member: &SlackMember| member.email.as_deref() == Some(own);
            members.iter().position(of)
        });
        let at = self.choose(
            &options,
            None,
            own,
            &Choosing {
                noun: "member",
                option: "--operator PERSON",
                prompt: "Who are you? The operator is told about trouble",
            },
        )?;
        let chosen = at.and_then(|at| options.get(at));
        Ok(chosen.map(|option| vec![option.id.clone()]))
    }

    // Questions

    /// A token from an option, the environment, the file or the terminal, and the facts about it. `None`: the person goes
    /// without, or nobody can be asked.
    async fn token(
        &mut self,
        file: &BotToml,
        question: &TokenQuestion<'_>,
        kind: TokenKind,
    ) -> Result<Option<(GivenToken, TokenFacts)>, InitStop> {
        let mut given = self.given(file, question)?;
        let mut is_explained = false;
        loop {
            let token = match given.take() {
                Some(token) => token,
                None if !self.prompter.is_asking() => {
                    match question.optional && self.has_other(file, question.section) {
                        true => self.say("  – Left out."),
                        false => {
                            self.missing.push(question.option.to_owned());
                            let key = question.key.replace('_', " ");
                            self.say(&format!("  – The {key} is missing."));
                        }
                    }
                    return Ok(None);
                }
                None => {
                    if !is_explained {
                        self.say(&format!("  {}", question.how));
                        is_explained = true;
                    }
                    let typed = self.prompter.secret(&format!("  {}", question.prompt))?;
                    let typed = unquoted(&typed);
                    if question.instead.is_some_and(|word| typed.expose() == word) {
                        self.wants_app = true;
                        return Ok(None);
                    }
                    if typed.expose().is_empty() {
                        match question.optional {
                            true => return Ok(None),
                            false => continue,
                        }
                    }
                    GivenToken::Text(typed)
                }
            };
            let checked = match (question.is_kind)(token.secret().expose()) {
                Ok(()) => self.check(kind, token.secret()).await,
                Err(why) => Err(TokenTrouble::Rejected(why.to_owned())),
            };
            match checked {
                Ok(facts) => {
                    self.facts(kind, &facts);
                    return Ok(Some((token, facts)));
                }
                Err(trouble) => {
                    self.say(&format!("  ✗ {}", for_init(trouble.why())));
                    if !self.prompter.is_asking() {
                        let result = match trouble {
                            TokenTrouble::Rejected(_) => "is not accepted",
                            TokenTrouble::NoAnswer(_) => "could not be checked",
                        };
                        return Err(InitStop::Failed(format!(
                            "{}.{} {result}. Nothing was written",
                            question.section, question.key
                        )));
                    }
                }
            }
        }
    }

    async fn check(&self, kind: TokenKind, token: &Secret) -> Result<TokenFacts, TokenTrouble> {
        match kind {
            TokenKind::App => self.services.app_token(token).await,
            TokenKind::Bot => self.services.bot_token(token).await,
            TokenKind::ClickUp => self.services.clickup_token(token).await,
            TokenKind::GitHub => self.services.github_token(token).await,
        }
    }

    /// A token that is there without asking.
    fn given(
        &self,
        file: &BotToml,
        question: &TokenQuestion<'_>,
    ) -> Result<Option<GivenToken>, InitStop> {
        if let Some(path) = question.file {
            let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            let secret = read_token(&path).map_err(InitStop::Failed)?;
            return Ok(Some(GivenToken::File(path, secret)));
        }
        let (section, key) = (question.section, question.key);
        let own = format!("IVAN__{}__{}", section.to_uppercase(), key.to_uppercase());
        if let Some(token) = self.inputs.variable(&own) {
            return Ok(Some(GivenToken::Variable(unquoted(&Secret::new(token)))));
        }
        if let Some(token) = self.inputs.variable(question.variable) {
            return Ok(Some(GivenToken::Text(unquoted(&Secret::new(token)))));
        }
        let read = |path: &str| read_token(Path::new(path));
        token_of(file, section, key, read).map_err(InitStop::Failed)
    }

    /// Whether the other source has a token, so that this one may be left out.
    fn has_other(&self, file: &BotToml, section: &str) -> bool {
        let has = |section: &str, option: &Option<PathBuf>, left_out: bool| {
            let name = section.to_uppercase();
            let variables = [format!("{name}_TOKEN"), format!("IVAN__{name}__TOKEN")];
            let in_file =
                ["token", "token_file", "app_id"].map(|key| file.text_of(section, key).is_some());
            !left_out
                && (option.is_some()
                    || variables
                        .iter()
                        .any(|name| self.inputs.variable(name).is_some())
                    || section == "github" && self.options.github_app
                    || in_file.contains(&true))
        };
        let InitOptions {
            clickup_token_file,
            no_clickup,
            github_token_file,
            no_github,
            ..
        } = self.options;
        match section {
            "clickup" => has("github", github_token_file, *no_github),
            _ => has("clickup", clickup_token_file, *no_clickup),
        }
    }

    /// Whose token it is, and what it may.
    fn facts(&mut self, kind: TokenKind, facts: &TokenFacts) {
        let account = facts.account.as_ref().map(|account| account.name.clone());
        let account = account.unwrap_or_else(|| "an app".to_owned());
        match kind {
            TokenKind::App => {
                let app = facts.app.as_deref().unwrap_or("the app");
                self.say(&format!("  ✓ It opens connections for {app}."));
            }
            TokenKind::Bot => {
                let workspace = facts.workspaces.first();
                let workspace = workspace.map_or("an unknown workspace", |it| it.name.as_str());
                self.say(&format!(
                    "  ✓ It is {account} in the workspace {workspace}."
                ));
                if let Some(granted) = &facts.scopes {
                    self.scopes(granted);
                }
            }
            TokenKind::ClickUp => {
                let email = facts.email.as_ref().map(|email| format!(" ({email})"));
                self.say(&format!(
                    "  ✓ It acts as {account}{}.",
                    email.unwrap_or_default()
                ));
            }
            TokenKind::GitHub => {
                let ends = facts
                    .ends
                    .map(|ends| format!(", until {}", ends.format("%-d %b %Y")));
                self.say(&format!(
                    "  ✓ It acts as {account}{}.",
                    ends.unwrap_or_default()
                ));
                if let Some(scopes) = &facts.scopes {
                    let is_enough = scopes.contains("repo") || scopes.contains("public_repo");
                    if !is_enough {
                        self.say(
                            "  ! It lacks the scope repo (public_repo for public repositories).",
                        );
                    }
                    let surplus = |scope: &&String| {
                        !matches!(scope.as_str(), "repo" | "public_repo" | "admin:repo_hook")
                    };
                    let surplus: Vec<&str> =
                        scopes.iter().filter(surplus).map(String::as_str).collect();
                    if !surplus.is_empty() {
                        self.say(&format!("  ! Ivan does not need {}.", surplus.join(", ")));
                    }
                }
            }
        }
    }

    fn scopes(&mut self, granted: &BTreeSet<String>) {
        let missing = scope::missing(|scope| granted.contains(scope), ScopeInputs::ALL);
        for one in &missing {
            self.say(&match one.optional {
                false => format!(
                    "  ! The scope {} is missing: {}. Install the app again.",
                    one.scope, one.without
                ),
                true => format!("  – Off without the scope {}: {}.", one.scope, one.without),
            });
        }
        let surplus = scope::surplus(granted);
        if !surplus.is_empty() {
            self.say(&format!("  ! Ivan does not need {}.", surplus.join(", ")));
        } else if missing.is_empty() {
            self.say("  ✓ It has the scopes that Ivan uses, and no other.");
        }
    }

    /// One of several. The only one is taken without a question.
    fn choose(
        &mut self,
        options: &[ChoiceOption],
        given: Option<&str>,
        usual: Option<usize>,
        question: &Choosing,
    ) -> Result<Option<usize>, InitStop> {
        let all: Vec<usize> = (0..options.len()).collect();
        if let Some(given) = given {
            let Picked::One(at) = pick(options, given) else {
                return Err(InitStop::Failed(format!(
                    "`{given}` is not one {} that the token shows:\n{}",
                    question.noun,
                    listed(options, &all).trim_end()
                )));
            };
            self.taken(options, at, question.noun, "");
            return Ok(Some(at));
        }
        if options.len() == 1 {
            self.taken(options, 0, question.noun, ", the only one");
            return Ok(Some(0));
        }
        if !self.prompter.is_asking() {
            let lines = listed(options, &all);
            self.missing.push(format!("{}\n{}", question.option, lines));
            return Ok(None);
        }
        self.prompter.print(&listed(options, &all));
        let usual_number = usual.map(|at| format!(" [{}]", at + 1)).unwrap_or_default();
        loop {
            let prompt = format!("  {}{usual_number}: ", question.prompt);
            let typed = self.prompter.line(&prompt)?;
            if let (true, Some(usual)) = (typed.is_empty(), usual) {
                return Ok(Some(usual));
            }
            match pick(options, &typed) {
                Picked::One(at) => return Ok(Some(at)),
                Picked::Several(some) => self.prompter.print(&listed(options, &some)),
                Picked::Nothing => self.say("  ✗ Type a number of the list, or a part of a name."),
            }
        }
    }

    fn taken(&mut self, options: &[ChoiceOption], at: usize, noun: &str, why: &str) {
        if let Some(option) = options.get(at) {
            let mut noun = noun.to_owned();
            if let Some(first) = noun.get_mut(..1) {
                first.make_ascii_uppercase();
            }
            self.say(&format!("  ✓ {noun} {}{why}.", option.name));
        }
    }

    /// The list or repository for new tasks, and further ones: their ids.
    fn places(
        &mut self,
        options: &[ChoiceOption],
        places: &Places<'_>,
    ) -> Result<Option<Vec<String>>, InitStop> {
        let id = |at: &usize| options.get(*at).map(|option| option.id.clone());
        let choosing = Choosing {
            noun: places.noun,
            option: places.option,
            prompt: places.first,
        };
        if !places.given.is_empty() {
            let mut chosen = Vec::new();
            for given in places.given {
                let at = self.choose(options, Some(given), None, &choosing)?;
                chosen.extend(at.as_ref().and_then(id));
            }
            return Ok(Some(chosen));
        }
        let known_at = |known: &String| match pick(options, known) {
            Picked::One(at) => Some(at),
            Picked::Several(_) | Picked::Nothing => None,
        };
        let known: Vec<usize> = places.known.iter().filter_map(known_at).collect();
        // Places in the file that the token does not list stay.
        let unlisted: Vec<String> = places
            .known
            .iter()
            .filter(|known| known_at(known).is_none())
            .cloned()
            .collect();
        let names = |at: &[usize]| {
            let names = at.iter().filter_map(|at| options.get(*at));
            names
                .map(|option| option.name.as_str())
                .collect::<Vec<_>>()
                .join(", ")
        };
        let is_settled = !self.prompter.is_asking() || options.len() == known.len();
        if !places.known.is_empty() && is_settled {
            let mut shown = vec![names(&known)];
            shown.extend(unlisted);
            shown.retain(|name| !name.is_empty());
            self.say(&format!("  ✓ As before: {}.", shown.join(", ")));
            return Ok(Some(places.known.clone()));
        }
        let Some(first) = self.choose(options, None, known.first().copied(), &choosing)? else {
            return Ok(None);
        };
        let mut chosen = vec![first];
        if options.len() > 1 && self.prompter.is_asking() {
            let usual = known.get(1..).unwrap_or_default();
            let hint = match usual {
                [] => "none".to_owned(),
                some => names(some),
            };
            loop {
                let prompt = format!(
                    "  {}, such as 2 3, or - for none [{hint}]: ",
                    places.further
                );
                let typed = self.prompter.line(&prompt)?;
                let further = match typed.as_str() {
                    "" => Ok(usual.to_vec()),
                    "-" => Ok(Vec::new()),
                    typed => pick_all(options, typed),
                };
                match further {
                    Ok(further) => {
                        chosen.extend(further.into_iter().filter(|at| *at != first));
                        break;
                    }
                    Err(part) => self.say(&format!("  ✗ `{part}` is not one of them.")),
                }
            }
        }
        let chosen: Vec<String> = chosen.iter().filter_map(id).collect();
        Ok(Some([chosen, unlisted].concat()))
    }

    // The file

    fn write(&mut self, file: &BotToml) -> Result<InitEnd, InitStop> {
        let path = &self.inputs.path;
        let starts = match (self.options.start, self.options.no_start) {
            (true, _) => true,
            (_, true) => false,
            _ => self.prompter.is_asking(),
        };
        let ready = InitEnd::Ready { starts };
        self.title(&shown(path));
        let text = file.text();
        let variables = self.inputs.variables.iter().cloned();
        if let Err(errors) = Config::read(Some((path, &text)), variables) {
            return Err(InitStop::Failed(format!("{errors}\nNothing was written")));
        }
        if !file.is_changed() {
            self.say("  ✓ It is as answered already.");
            return Ok(ready);
        }
        for line in file.diff() {
            self.say(format!("  {line}").trim_end());
        }
        if !self.options.yes {
            if !self.prompter.is_asking() {
                self.missing.push("--yes".to_owned());
                return Ok(self.is_missing());
            }
            loop {
                let typed = self.prompter.line("  Write it? [Y/n] ")?.to_lowercase();
                match typed.as_str() {
                    "" | "y" | "yes" => break,
                    "n" | "no" => {
                        self.say("Nothing was written.");
                        return Ok(InitEnd::Exit(EXIT_OK));
                    }
                    _ => {}
                }
            }
        }
        let written = replace(path, &text);
        written.map_err(|why| {
            InitStop::Failed(format!("{} cannot be written: {why}", path.display()))
        })?;
        self.say("  ✓ Written; other users of this machine cannot read it.");
        Ok(ready)
    }
}

/// Which token it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TokenKind {
    App,
    Bot,
    ClickUp,
    GitHub,
}

struct Choosing {
    noun: &'static str,
    option: &'static str,
    prompt: &'static str,
}

struct Places<'a> {
    given: &'a [String],
    /// Those in the file, the one for new tasks first.
    known: Vec<String>,
    noun: &'static str,
    option: &'static str,
    first: &'static str,
    further: &'static str,
}

struct SlackFound {
    app_token: GivenToken,
    bot_token: GivenToken,
    workspace: String,
}

struct ClickUpFound {
    answers: ClickUpAnswers,
    members: Vec<ListedAccount>,
    /// The address of the token's account.
    email: Option<String>,
}

struct GitHubFound {
    access: AccessFound,
    repos: Vec<RepoName>,
    people: Vec<ListedAccount>,
}

/// How Ivan will prove itself to GitHub.
enum AccessFound {
    Token(GivenToken),
    KnownApp,
    NewApp(NewApp),
}

/// Stores the secrets of a new App beside bot.toml, each in a new file that only its owner can read.
fn stored(bot_toml: &Path, made: &MadeApp) -> Result<AppFiles, String> {
    let beside = std::path::absolute(bot_toml).unwrap_or_else(|_| bot_toml.to_owned());
    let at = |end: &str| beside.with_file_name(format!("github-app-{}.{end}", made.id));
    let store = |path: PathBuf, secret: &Secret| match replace(&path, secret.expose()) {
        Ok(()) => Ok(path),
        Err(error) => Err(format!("{} cannot be written: {error}", path.display())),
    };
    let key = store(at("pem"), &made.key)?;
    let secret = made.webhook_secret.as_ref();
    let secret = secret.map(|secret| store(at("webhook-secret"), secret));
    Ok(AppFiles {
        id: made.id,
        key,
        webhook_secret: secret.transpose()?,
    })
}

/// The report about a token, without the advice for a running daemon.
fn for_init(report: &str) -> String {
    let report = report.split(" Set a new ").next().unwrap_or_default();
    format!("{}.", report.trim_end_matches('.'))
}

/// Without white space and quotation marks around it, as people paste it.
fn unquoted(token: &Secret) -> Secret {
    let marks: &[char] = &['"', '\'', '`', '“', '”'];
    Secret::new(token.expose().trim().trim_matches(marks).trim())
}

fn read_token(path: &Path) -> Result<Secret, String> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    match text.trim() {
        "" => Err(format!("{} is empty", path.display())),
        token => Ok(Secret::new(token)),
    }
}

/// The path without `./`.
fn shown(path: &Path) -> String {
    let path = path.strip_prefix("./").unwrap_or(path);
    path.display().to_string()
}

/// Replaces a file in one step. A new file can be read by its owner only; an existing one keeps its owner and group, and
/// loses the rights of everybody else.
pub(super) fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    // Through a link, so that the link stays.
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        std::fs::create_dir_all(folder)?;
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".new-{}", std::process::id()));
    let beside = path.with_file_name(name);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&beside).and_then(|mut file| {
        keep_owner(&path, &file)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&beside, &path)
    });
    if written.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    written
}

#[cfg(unix)]
fn keep_owner(path: &Path, file: &std::fs::File) -> std::io::Result<()> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
    let Ok(before) = std::fs::metadata(path) else {
        return Ok(());
    };
    let now = file.metadata()?;
    if (before.uid(), before.gid()) != (now.uid(), now.gid()) {
        fchown(file, Some(before.uid()), Some(before.gid()))?;
    }
    // A service that reads it through its group still can.
    let mode = 0o600 | before.mode() & 0o040;
    file.set_permissions(std::fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn keep_owner(_path: &Path, _file: &std::fs::File) -> std::io::Result<()> {
    Ok(())
}
