//! The chapter about people: their Slack accounts, and their accounts at the sources.

use std::collections::BTreeSet;

use super::{CheckedSource, Patient};
use crate::config::Config;
use crate::domain::finding::{Finding, FindingArea};
use crate::domain::link::LinkOrigin;
use crate::domain::operation::WriteError;
use crate::domain::person::{Membership, NotAllowed, may_act};
use crate::domain::task::{Account, Source};
use crate::slack::checkup::{PEOPLE_MAX, SlackFindings};
use crate::store::checkup::StoreRows;

const AREA: FindingArea = FindingArea::People;
const DEACTIVATED: &str = "people.deactivated";

/// A person, as far as the configuration and the store know them.
#[derive(Default)]
struct CheckedPerson {
    name: String,
    slack: Option<String>,
    accounts: Vec<(Source, Account)>,
    /// The sources that the person wants no account at.
    declined: BTreeSet<Source>,
}

/// The Slack ids of the people.
pub(super) fn slack_ids(config: &Config, rows: Option<&StoreRows>) -> Vec<String> {
    let people = people(config, rows);
    people
        .into_iter()
        .filter_map(|person| person.slack)
        .collect()
}

/// The people of the configuration, which counts at the next start, and those who are only in the store. Without either,
/// one person stands for all.
fn people(config: &Config, rows: Option<&StoreRows>) -> Vec<CheckedPerson> {
    let stored = rows.map(|rows| rows.people.as_slice()).unwrap_or_default();
    let mut stored: Vec<CheckedPerson> = stored
        .iter()
        .filter(|(person, _)| !person.alone)
        .map(|(person, links)| CheckedPerson {
            name: person.name.clone(),
            slack: person.slack.clone(),
            accounts: Source::ALL
                .into_iter()
                .filter_map(|source| Some((source, person.account(source)?)))
                .collect(),
            declined: links
                .iter()
                .filter(|link| link.origin == LinkOrigin::Unlinked)
                .map(|link| link.source)
                .collect(),
        })
        .collect();
    let mut all = Vec::new();
    for person in &config.people {
        let is_same = |known: &CheckedPerson| match (&known.slack, &person.slack) {
            (Some(known), Some(id)) => known == id,
            _ => known.name == person.name,
        };
        let known = stored
            .iter()
            .position(is_same)
            .map(|at| stored.swap_remove(at));
        let known = known.unwrap_or_default();
        let mut accounts = known.accounts;
        for (source, id, name) in person.accounts() {
            if let Some(shown) = name.as_ref().or(id.as_ref()) {
                let is_it = |(at, known): &(Source, Account)| {
                    *at == source && (known.name.eq_ignore_ascii_case(shown) || known.id == *shown)
                };
                if !accounts.iter().any(is_it) {
                    accounts.retain(|(at, _)| *at != source);
                    let name = shown.clone();
                    let id = id.unwrap_or_default();
                    accounts.push((source, Account { id, name }));
                }
            }
        }
        all.push(CheckedPerson {
            name: person.name.clone(),
            slack: person.slack.clone(),
            accounts,
            declined: known.declined,
        });
    }
    all.extend(stored);
    for operator in config.operators_without_section() {
        let is_known = |one: &CheckedPerson| one.slack.as_ref() == Some(operator);
        if !all.iter().any(is_known) {
            all.push(CheckedPerson {
                name: operator.clone(),
                slack: Some(operator.clone()),
                ..CheckedPerson::default()
            });
        }
    }
    all
}

/// The findings about all people, and about the operators.
pub(super) async fn findings(
    patient: &Patient<'_>,
    rows: Option<&StoreRows>,
    slack: &SlackFindings,
) -> Vec<Finding> {
    let people = people(patient.config, rows);
    let mut findings = operators(patient.config, slack);
    if people.is_empty() {
        findings.push(Finding::well(
            AREA,
            "people.one_queue",
            "Nobody is listed: everybody who may command shares one queue",
        ));
        return findings;
    }
    let before = findings.len();
    let mut unasked = patient.config.slack.is_some() && slack.token.is_none();
    for person in people.iter().take(PEOPLE_MAX) {
        let in_slack = membership(patient, person, slack);
        let has_left = in_slack
            .as_ref()
            .is_some_and(|found| found.check == DEACTIVATED);
        findings.extend(in_slack);
        if has_left {
            continue;
        }
        for source in &patient.sources {
            match at_source(person, source, slack).await {
                Ok(found) => findings.extend(found),
                Err(NotAsked) => unasked = true,
            }
        }
    }
    if unasked {
        findings.push(Finding::unknown(
            AREA,
            "people.not_asked",
            "Not every account could be checked, since a service did not answer",
            "Run `ivan doctor` again when the other findings are mended",
        ));
    }
    if findings.len() == before {
        let count = match people.len() {
            1 => "1 person is".to_owned(),
            many => format!("{many} people are"),
        };
        findings.push(Finding::well(
            AREA,
            "people.linked",
            format!("{count} known to Slack and to each source"),
        ));
    }
    if people.len() > PEOPLE_MAX {
        findings.push(Finding::unknown(
            AREA,
            "people.many",
            format!("{} more people were not checked", people.len() - PEOPLE_MAX),
            "`ivan --as NAME whoami` shows one person's accounts",
        ));
    }
    findings
}

fn operators(config: &Config, slack: &SlackFindings) -> Vec<Finding> {
    let operators = config.slack.iter().flat_map(|slack| &slack.operators);
    let gone = operators.filter(|id| match slack.people.get(*id) {
        Some(None) => true,
        Some(Some(member)) => !matches!(member.standing, Membership::Full { .. }),
        None => false,
    });
    gone.map(|id| {
        Finding::warning(
            AREA,
            "people.operator",
            format!("The operator {id} is no active member of the workspace"),
            "Nobody reads the alerts that go there",
            "Take the id out of slack.operators, or set it to that of somebody else",
        )
    })
    .collect()
}

/// The person's account in Slack.
fn membership(
    patient: &Patient<'_>,
    person: &CheckedPerson,
    slack: &SlackFindings,
) -> Option<Finding> {
    let config = patient.config.slack.as_ref()?;
    let id = person.slack.as_ref()?;
    let name = &person.name;
    let Some(member) = slack.people.get(id)? else {
        return Some(Finding::warning(
            AREA,
            "people.slack_unknown",
            format!("Slack has no account {id}, which {name} is listed with"),
            "They cannot use Ivan from Slack",
            "Copy the member's id in Slack (profile → ⋮ → Copy member ID) to `slack` in [[people]]",
        ));
    };
    let team = slack.token.as_ref()?.workspaces.first()?;
    let refusal = may_act(member, &team.id, &config.allowed_users).err()?;
    Some(match (&member.standing, refusal) {
        (Membership::Deactivated, _) => Finding::warning(
            AREA,
            DEACTIVATED,
            format!("The Slack account of {name} is deactivated"),
            "Their tasks stay in a queue that nobody works",
            format!("Take {name} out of [[people]], and give their tasks to somebody else"),
        ),
        (_, NotAllowed::NotNamed) => Finding::warning(
            AREA,
            "people.not_allowed",
            format!("{name} is not in slack.allowed_users"),
            "Ivan refuses their commands",
            format!("Add {id} to slack.allowed_users"),
        ),
        _ => Finding::warning(
            AREA,
            "people.not_a_member",
            format!("{name} is no full member of the workspace"),
            "Guests and people of other workspaces may command only if they are listed",
            format!("Add {id} to slack.allowed_users, or take {name} out of [[people]]"),
        ),
    })
}

/// A source did not answer about a person.
struct NotAsked;

/// The person's account at a source.
async fn at_source(
    person: &CheckedPerson,
    source: &CheckedSource,
    slack: &SlackFindings,
) -> Result<Option<Finding>, NotAsked> {
    let of = source.accounts.source();
    let (name, system) = (&person.name, of.name());
    if person.declined.contains(&of) {
        return Ok(None);
    }
    let account = person.accounts.iter().find(|(at, _)| *at == of);
    if let Some((_, account)) = account {
        let id = (!account.id.is_empty()).then_some(account.id.as_str());
        let found = source.accounts.look_up(id, &account.name).await;
        let is_gone = found.map_err(|_| NotAsked)?.is_none();
        return Ok(is_gone.then(|| {
            Finding::warning(
                AREA,
                "people.account_gone",
                format!(
                    "{system} has no account {}, which {name} is listed with",
                    account.name
                ),
                format!("{name} has no tasks from {system}"),
                link(name, of),
            )
        }));
    }
    let member = person
        .slack
        .as_ref()
        .and_then(|id| slack.people.get(id)?.as_ref());
    if let Some(email) = member.and_then(|member| member.email.as_deref()) {
        match source.accounts.by_email(email).await {
            // It is linked by itself when the person first writes.
            Ok(Some(_)) => return Ok(None),
            Err(WriteError::NotTaken { .. } | WriteError::Unknown { .. }) => return Err(NotAsked),
            Ok(None) | Err(WriteError::Refused { .. }) => {}
        }
        if let Err(error) = source.accounts.confirm(email).await
            && error.to_string().contains(" members called ")
        {
            return Ok(Some(Finding::warning(
                AREA,
                "people.ambiguous",
                format!("Several accounts of {system} have the e-mail address of {name}"),
                format!("Ivan does not guess which one is {name}'s"),
                link(name, of),
            )));
        }
    }
    // The address in Slack may lead to an account.
    if slack.token.is_none() && person.slack.is_some() {
        return Err(NotAsked);
    }
    Ok(Some(Finding::warning(
        AREA,
        "people.unlinked",
        format!("{name} has no account in {system}"),
        format!("{name}'s queue has no tasks from {system}"),
        link(name, of),
    )))
}

fn link(name: &str, source: Source) -> String {
    let word = source.as_str();
    format!(
        "{name} types `link {word} NAME` to Ivan in Slack, or `unlink {word}` if they want none; or set `{word}` of {name} \
         in [[people]] and restart Ivan"
    )
}
