//! The chapter about the configuration.

use std::path::Path;

use crate::config::{Config, ConfigErrors, ValueOrigin, line_in};
use crate::domain::finding::{Finding, FindingArea, SafeMend};

const AREA: FindingArea = FindingArea::Configuration;

/// The findings about a valid configuration.
pub fn configuration_findings(config: &Config) -> Vec<Finding> {
    let remarks = config.remarks();
    let mut findings: Vec<Finding> = remarks
        .untouched()
        .iter()
        .map(|key| {
            Finding::broken(
                AREA,
                "config.example",
                format!(
                    "{key} still has the value of bot.toml.example{}",
                    place(config.file(), key)
                ),
                "It is nobody's value, and cannot work",
                format!("`ivan init` asks for the values; or write your own one for {key}"),
            )
        })
        .collect();
    for (file, mode, keys) in remarks.exposed_files() {
        let shown = file.display();
        findings.push(
            Finding::warning(
                AREA,
                "config.mode",
                format!("{shown} has mode {mode:04o}"),
                format!("Every user of this machine can read {}", keys.join(", ")),
                format!("chmod 600 {shown}"),
            )
            .mended_by(SafeMend::KeepPrivate(file.clone())),
        );
    }
    for risk in remarks.risks() {
        findings.push(Finding::warning(
            AREA,
            "config.risk",
            risk.clone(),
            "Others may act through Ivan",
            "Change it in bot.toml, and restart Ivan",
        ));
    }
    findings.extend(list_is_workspace(config));
    if findings.is_empty() {
        findings.push(Finding::well(AREA, "config.valid", valid(config)));
    }
    findings
}

fn valid(config: &Config) -> String {
    let parts = [
        ("Slack", config.slack.is_some()),
        ("ClickUp", config.clickup.is_some()),
        ("GitHub", config.github.is_some()),
    ];
    let names = parts.iter().filter(|(_, configured)| *configured);
    let names: Vec<&str> = names.map(|(name, _)| *name).collect();
    let file = config.file().map(|path| path.display().to_string());
    format!(
        "{} is valid. Configured: {}",
        file.as_deref().unwrap_or("The environment"),
        names.join(", ")
    )
}

/// The first number of a list's address is the workspace's.
fn list_is_workspace(config: &Config) -> Option<Finding> {
    let clickup = config.clickup.as_ref()?;
    let is_it = clickup.all_lists().contains(&clickup.team_id.as_str());
    is_it.then(|| {
        Finding::broken(
            AREA,
            "config.list_id",
            format!(
                "{} is the workspace's id, and stands for a list",
                clickup.team_id
            ),
            "ClickUp has no list with that number",
            "Use the long number after `6-` in the list's address, \
             https://app.clickup.com/<team_id>/v/l/6-<list_id>-1",
        )
    })
}

/// The findings about a configuration that is not valid. Nothing else can be checked then.
pub fn without_configuration(errors: &ConfigErrors) -> Vec<Finding> {
    let mistakes = errors.iter().map(|error| {
        let (at, remedy) = match &error.origin {
            ValueOrigin::File(file) => (
                place(Some(file), &error.key),
                format!(
                    "Correct it in {}, then run `ivan doctor` again",
                    file.display()
                ),
            ),
            ValueOrigin::Variable(name) => (
                format!(" ({name})"),
                format!("Correct the environment variable {name}"),
            ),
            ValueOrigin::SecretFile { path, .. } => (
                format!(" ({})", path.display()),
                format!("Correct the file {}", path.display()),
            ),
            ValueOrigin::Missing {
                file: Some(file),
                variable,
            } => (
                String::new(),
                format!("Set it in {} or in {variable}", file.display()),
            ),
            ValueOrigin::Missing {
                file: None,
                variable,
            } => (
                String::new(),
                format!("`ivan init` makes a bot.toml; or set {variable}"),
            ),
            ValueOrigin::Default | ValueOrigin::Whole => (
                String::new(),
                "`ivan init` makes a bot.toml with all that is needed".to_owned(),
            ),
        };
        let text = match error.key.as_str() {
            "" => error.why.clone(),
            key => format!("{key}: {}", error.why),
        };
        Finding::broken(
            AREA,
            "config.mistake",
            format!("{text}{at}"),
            "Ivan does not start with it, and nothing else can be checked",
            remedy,
        )
    });
    mistakes.collect()
}

/// ` (bot.toml:12)`
fn place(file: Option<&Path>, key: &str) -> String {
    let Some(file) = file else {
        return String::new();
    };
    match line_in(file, key) {
        Some(line) => format!(" ({}:{line})", file.display()),
        None => format!(" ({})", file.display()),
    }
}
