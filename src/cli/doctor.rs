//! `ivan doctor`: its options, and its report as text and as JSON.

use std::fmt::Write as _;

use clap::Args;
use serde_json::{Value, json};

use super::print::{Printed, clean};
use super::{EXIT_FAILED, EXIT_OK};
use crate::domain::finding::{CheckupReport, Finding};

/// The options of `ivan doctor`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Args)]
pub struct DoctorArgs {
    /// Also do the checks that send something: a signed test delivery to each webhook's public address, and an empty
    /// issue to GitHub, which refuses it
    #[arg(long)]
    pub live: bool,
    /// Mend what is safe to mend: file modes, missing or suspended webhooks, a webhook that is there twice
    #[arg(long)]
    pub fix: bool,
}

/// The end of `ivan doctor --help`.
pub const HELP: &str = "It only reads, unless --live or --fix is given, and works beside a running daemon or without one.\n\
     Exit status: 0 if nothing is to mend, else 1.";

/// The report, as text or as JSON, and the exit status.
pub fn printed(report: &CheckupReport, as_json: bool) -> Printed {
    let out = match as_json {
        true => format!("{}\n", in_json(report)),
        false => in_words(report),
    };
    Printed {
        out,
        err: String::new(),
        exit: match report.to_mend() {
            0 => EXIT_OK,
            _ => EXIT_FAILED,
        },
    }
}

/// docs/doctor.md#json describes it.
fn in_json(report: &CheckupReport) -> Value {
    let text = |text: &str| match text.is_empty() {
        true => Value::Null,
        false => text.into(),
    };
    let finding = |finding: &Finding| {
        json!({
            "area": finding.area.as_str(),
            "check": finding.check,
            "level": finding.level.as_str(),
            "text": finding.text,
            "why": text(&finding.why),
            "remedy": text(&finding.remedy),
            "fixable": finding.mend.is_some(),
        })
    };
    let findings: Vec<Value> = report.findings.iter().map(finding).collect();
    json!({
        "well": report.to_mend() == 0,
        "to_mend": report.to_mend(),
        "fixable": report.fixable(),
        "findings": findings,
        "mended": report.mended,
        "not_mended": report.not_mended,
    })
}

fn in_words(report: &CheckupReport) -> String {
    let mut out = String::new();
    for done in &report.mended {
        let _ = writeln!(out, "✓ Mended: {}", clean(done));
    }
    for failed in &report.not_mended {
        let _ = writeln!(out, "✗ Not mended: {}", clean(failed));
    }
    if !out.is_empty() {
        out.push('\n');
    }
    let mut area = None;
    for finding in &report.findings {
        if area.replace(finding.area) != Some(finding.area) {
            let _ = writeln!(out, "{}", finding.area.title());
        }
        let _ = writeln!(out, "  {} {}", finding.level.mark(), clean(&finding.text));
        for (label, text) in [("Why", &finding.why), ("Mend", &finding.remedy)] {
            if !text.is_empty() {
                let label = match (label, finding.is_to_mend()) {
                    ("Mend", false) => "See",
                    (label, _) => label,
                };
                let _ = writeln!(out, "      {label}: {}", clean(text));
            }
        }
    }
    let _ = writeln!(out, "\n{}", verdict(report));
    out
}

fn verdict(report: &CheckupReport) -> String {
    let all = match report.to_mend() {
        0 => return "Your Ivan is well.".to_owned(),
        1 => "1 thing to mend".to_owned(),
        many => format!("{many} things to mend"),
    };
    match report.fixable() {
        0 => format!("{all}."),
        fixable if fixable == report.to_mend() => format!("{all}: `ivan doctor --fix` does it."),
        fixable => format!("{all}; `ivan doctor --fix` mends {fixable} of them."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::finding::{FindingArea, SafeMend};

    fn report() -> CheckupReport {
        CheckupReport {
            findings: vec![
                Finding::well(
                    FindingArea::Configuration,
                    "config.valid",
                    "bot.toml is valid",
                ),
                Finding::warning(
                    FindingArea::Configuration,
                    "config.mode",
                    "bot.toml has mode 0644",
                    "Every user of this machine can read the tokens",
                    "chmod 600 bot.toml",
                )
                .mended_by(SafeMend::KeepPrivate("bot.toml".into())),
                Finding::unknown(
                    FindingArea::Slack,
                    "slack.delayed_events",
                    "Slack does not tell whether \"Delayed Events\" is on",
                    "Event Subscriptions",
                ),
            ],
            ..CheckupReport::default()
        }
    }

    #[test]
    fn a_report_has_areas_reasons_and_remedies() {
        let printed = printed(&report(), false);
        assert_eq!(printed.exit, EXIT_FAILED);
        assert_eq!(
            printed.out,
            "Configuration\n  ✓ bot.toml is valid\n  ! bot.toml has mode 0644\n      Why: Every user of this machine can \
             read the tokens\n      Mend: chmod 600 bot.toml\nSlack\n  ? Slack does not tell whether \"Delayed Events\" is \
             on\n      See: Event Subscriptions\n\n1 thing to mend: `ivan doctor --fix` does it.\n"
        );
    }

    #[test]
    fn what_is_unknown_is_nothing_to_mend() {
        let mut report = report();
        report.findings.remove(1);
        report.mended.push("bot.toml has mode 0600".to_owned());
        let words = printed(&report, false);
        assert_eq!(words.exit, EXIT_OK);
        assert!(
            words
                .out
                .starts_with("✓ Mended: bot.toml has mode 0600\n\n")
        );
        assert!(
            words.out.ends_with("\nYour Ivan is well.\n"),
            "{}",
            words.out
        );
        let json: Value = serde_json::from_str(&printed(&report, true).out).unwrap();
        assert_eq!(json["well"], true);
        assert_eq!(json["findings"][1]["level"], "unknown");
        assert_eq!(json["findings"][1]["why"], Value::Null);
    }
}
