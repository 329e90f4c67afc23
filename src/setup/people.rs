//! The members of the Slack workspace and their accounts in ClickUp and GitHub, matched by e-mail address.

use std::collections::{HashMap, HashSet};

use crate::domain::directory::ListedAccount;
use crate::domain::person::SlackMember;
use crate::domain::task::Account;

/// A member of the Slack workspace with the accounts that were found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundPerson {
    /// The Slack id.
    pub slack: String,
    /// The name, unlike that of every other person here.
    pub name: String,
    /// The ClickUp account.
    pub clickup: Option<Account>,
    /// The GitHub account.
    pub github: Option<Account>,
}

/// The members who have an account with the same address in ClickUp or GitHub, and `always`, in the order of `members`.
/// An address that two members or two accounts share matches nobody.
pub fn found(
    members: &[SlackMember],
    clickup: &[ListedAccount],
    github: &[ListedAccount],
    always: &[String],
) -> Vec<FoundPerson> {
    let (clickup, github) = (by_email(clickup), by_email(github));
    let mut addresses: HashMap<String, usize> = HashMap::new();
    for email in members.iter().filter_map(|member| member.email.as_deref()) {
        *addresses.entry(same(email)).or_default() += 1;
    }
    let mut names: HashSet<String> = HashSet::new();
    let mut people = Vec::new();
    for member in members {
        let email = member.email.as_deref().map(same);
        let email = email.filter(|email| addresses.get(email) == Some(&1));
        let at = |accounts: &HashMap<String, Option<Account>>| {
            accounts.get(email.as_ref()?).cloned().flatten()
        };
        let (clickup, github) = (at(&clickup), at(&github));
        let is_found = clickup.is_some() || github.is_some() || always.contains(&member.id);
        if !is_found {
            continue;
        }
        let name = match names.insert(same(&member.name)) {
            true => member.name.clone(),
            false => format!("{} {}", member.name, member.id),
        };
        people.push(FoundPerson {
            slack: member.id.clone(),
            name,
            clickup,
            github,
        });
    }
    people
}

/// The accounts by address; `None` for an address of several.
fn by_email(accounts: &[ListedAccount]) -> HashMap<String, Option<Account>> {
    let mut found: HashMap<String, Option<Account>> = HashMap::new();
    for listed in accounts {
        let Some(email) = listed.email.as_deref().map(same) else {
            continue;
        };
        if email.is_empty() {
            continue;
        }
        found
            .entry(email)
            .and_modify(|known| {
                if known
                    .as_ref()
                    .is_some_and(|one| one.id != listed.account.id)
                {
                    *known = None;
                }
            })
            .or_insert_with(|| Some(listed.account.clone()));
    }
    found
}

/// Addresses and names are compared without case.
fn same(text: &str) -> String {
    text.trim().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::person::Membership;

    fn member(id: &str, name: &str, email: Option<&str>) -> SlackMember {
        SlackMember {
            id: id.to_owned(),
            name: name.to_owned(),
            email: email.map(str::to_owned),
            zone: None,
            standing: Membership::Full { teams: Vec::new() },
        }
    }

    fn listed(id: &str, email: Option<&str>) -> ListedAccount {
        let account = Account {
            id: id.to_owned(),
            name: format!("name{id}"),
        };
        ListedAccount {
            account,
            email: email.map(str::to_owned),
        }
    }

    type Ids<'a> = (&'a str, Option<&'a str>, Option<&'a str>);

    fn ids(people: &[FoundPerson]) -> Vec<Ids<'_>> {
        fn id(account: &Option<Account>) -> Option<&str> {
            account.as_ref().map(|account| account.id.as_str())
        }
        let people = people.iter();
        people
            .map(|one| (one.slack.as_str(), id(&one.clickup), id(&one.github)))
            .collect()
    }

    #[test]
    fn people_are_matched_by_their_address() {
        let members = [
            member("U1", "Ann", Some("Ann@Acme.test")),
            member("U2", "Bo", Some("bo@acme.test")),
            member("U3", "Cy", Some("cy@acme.test")),
            member("U4", "Di", None),
        ];
        let clickup = [
            listed("1", Some("ann@acme.test")),
            listed("2", Some("bo@acme.test ")),
            listed("3", None),
            listed("9", Some("")),
        ];
        let github = [listed("31", Some("ann@acme.test"))];
        let people = found(&members, &clickup, &github, &[]);
        assert_eq!(
            ids(&people),
            [("U1", Some("1"), Some("31")), ("U2", Some("2"), None)]
        );
        // The operator is one of them in every case.
        let people = found(&members, &clickup, &github, &["U4".to_owned()]);
        assert_eq!(ids(&people)[2], ("U4", None, None));
    }

    #[test]
    fn an_address_of_two_matches_nobody() {
        let members = [
            member("U1", "Ann", Some("team@acme.test")),
            member("U2", "Bo", Some("team@acme.test")),
            member("U3", "Cy", Some("cy@acme.test")),
        ];
        let clickup = [
            listed("1", Some("team@acme.test")),
            listed("3", Some("cy@acme.test")),
            listed("4", Some("cy@acme.test")),
        ];
        assert_eq!(found(&members, &clickup, &[], &[]), []);
        // The same account in two repositories is one.
        let github = [
            listed("33", Some("cy@acme.test")),
            listed("33", Some("cy@acme.test")),
        ];
        let people = found(&members, &[], &github, &[]);
        assert_eq!(ids(&people), [("U3", None, Some("33"))]);
    }

    #[test]
    fn two_of_one_name_are_told_apart() {
        let members = [member("U1", "Ann", None), member("U2", "ann", None)];
        let all = ["U1".to_owned(), "U2".to_owned()];
        let people = found(&members, &[], &[], &all);
        let names: Vec<&str> = people.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["Ann", "ann U2"]);
    }
}
