//! People: their accounts in each system, their tasks, and who may give commands.
//!
//! The mailbox calls [`may_act`] before it reads a command; the queue calls [`Person::is_concerned`].

use std::fmt;

use chrono_tz::Tz;

pub use super::ids::PersonId;
use super::mention;
use super::profile::HandleKind;
use super::reply::Text;
use super::task::{Account, Source, Task};

/// A person in Slack, linked to a GitHub login and a ClickUp member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The row in this store.
    pub id: PersonId,
    /// The name in bot.toml, or `me` without `[[people]]`.
    pub name: String,
    /// Slack id: `U0ANN01`. `None` if bot.toml has none.
    pub slack: Option<String>,
    /// GitHub login, as GitHub showed it last.
    pub github: Option<String>,
    /// GitHub's own id of that account, which stays when the login changes. `None` while GitHub has not reported the
    /// login from bot.toml.
    pub github_id: Option<String>,
    /// ClickUp member id, as text.
    pub clickup: Option<String>,
    /// That member's name, as ClickUp showed it last.
    pub clickup_name: Option<String>,
    /// From Slack; UTC until it is known.
    pub zone: Tz,
    /// Whether Ivan has one user only, without `[[people]]`. Every task concerns them.
    pub alone: bool,
}

impl Person {
    /// Their handle, valid in every store: `slack:U0ANN01`, or `name:Ann` without Slack. A row means another person in
    /// another store.
    pub fn handle(&self) -> String {
        match &self.slack {
            Some(id) => format!("slack:{id}"),
            None => format!("name:{}", self.name),
        }
    }

    /// Whether a task belongs in this person's queue: it is assigned to them, or they are the only user.
    pub fn is_concerned(&self, task: &Task) -> bool {
        let source = task.key.source();
        self.alone
            || task
                .assignees
                .iter()
                .any(|account| self.has(source, account))
    }

    /// Whether an account is theirs. The id decides; a login only while no id is known, since it can change hands.
    pub fn has(&self, source: Source, account: &Account) -> bool {
        match self.known(source) {
            (Some(id), _) => *id == account.id,
            (None, Some(name)) => {
                source.profile().handles == HandleKind::Logins
                    && name.eq_ignore_ascii_case(&account.name)
            }
            (None, None) => false,
        }
    }

    /// The id and the name of their account at a source.
    fn known(&self, source: Source) -> (Option<&String>, Option<&String>) {
        match source {
            // Names a source: the fields are the columns of the stored table.
            Source::ClickUp => (self.clickup.as_ref(), self.clickup_name.as_ref()),
            Source::GitHub => (self.github_id.as_ref(), self.github.as_ref()),
        }
    }

    /// The id or the login by which a source assigns a task to them.
    pub fn handle_at(&self, source: Source) -> Option<String> {
        let (id, name) = self.known(source);
        match source.profile().handles {
            HandleKind::Ids => id.cloned(),
            HandleKind::Logins => name.cloned(),
        }
    }

    /// Their account at a source, as far as it is known.
    pub fn account(&self, source: Source) -> Option<Account> {
        let (id, name) = self.known(source);
        Some(Account {
            id: id.cloned().unwrap_or_default(),
            name: name.or(id)?.clone(),
        })
    }
}

/// The person with this Slack id, name or GitHub login, tried in this order: a login may be any text, even another person's
/// name. A text in the form of a Slack id is nothing else.
pub fn called<'a>(people: &'a [Person], named: &str) -> Option<&'a Person> {
    let mut of_slack = people.iter();
    let by_id = of_slack.find(|one| one.slack.as_deref() == Some(named));
    if by_id.is_some() || mention::is_id(named) {
        return by_id;
    }
    let has_name = |one: &&Person| one.name.eq_ignore_ascii_case(named);
    let has_login = |one: &&Person| {
        let login = one.github.as_deref();
        login.is_some_and(|login| login.eq_ignore_ascii_case(named))
    };
    people
        .iter()
        .find(has_name)
        .or_else(|| people.iter().find(has_login))
}

/// Slack's record of a message's sender (docs/contracts/slack.md#methods, `users.info`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlackMember {
    /// Slack id: `U0ANN01`.
    pub id: String,
    /// The display name, else the real name, else the id; without control characters.
    pub name: String,
    /// Set if the app may see it and the person has confirmed it (docs/contracts/slack.md#methods).
    pub email: Option<String>,
    /// The time zone in Slack; `None` if unknown.
    pub zone: Option<Tz>,
    /// The status of the account.
    pub standing: Membership,
}

/// The status of an account in a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Membership {
    /// A full member of these workspaces, by their ids: on Enterprise Grid there may be several.
    Full {
        /// Ids of workspaces: `T0TEAM1`.
        teams: Vec<String>,
    },
    /// A single- or multi-channel guest, or an invited person who has not joined.
    Guest,
    /// A member of another workspace, met through Slack Connect.
    Stranger,
    /// A bot, a workflow or a connector.
    Bot,
    /// A deleted account.
    Deactivated,
    /// Slack does not show this account to the app.
    Hidden,
    /// Slack's response is ambiguous. The text is the reason, for the log.
    Uncertain(String),
}

/// The reason why a person may not act (P6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotAllowed {
    /// Not a full member of the workspace: a guest, a bot, a deactivated account, or one of another workspace.
    NotFullMember,
    /// Not in `slack.allowed_users`, which does not allow every full member.
    NotNamed,
    /// Not one of `[[people]]`.
    Unknown,
    /// The account's status is ambiguous, so it may change with the next look-up.
    NotCertain,
}

impl NotAllowed {
    /// The refusal. `told`: the operators are told of this person.
    pub fn words(&self, told: bool) -> Text {
        let words = Text::new();
        match self {
            NotAllowed::NotFullMember => words
                .text("I only take commands from full members of this workspace. Ask ")
                .operators()
                .text(" to allow you."),
            NotAllowed::NotNamed => words
                .text("You're not on the list of people who may use Ivan here. Ask ")
                .operators()
                .text(" to add you."),
            NotAllowed::Unknown if told => words
                .text("You're not set up yet. I've asked ")
                .operators()
                .text(" to add you."),
            NotAllowed::Unknown => words
                .text("You're not set up yet. Ask ")
                .operators()
                .text(" to add you."),
            NotAllowed::NotCertain => words
                .text(
                    "Slack hasn't told me who you are yet, so nothing changed. Try again in a minute. If it keeps \
                     failing, tell ",
                )
                .operators()
                .text("."),
        }
    }
}

impl fmt::Display for NotAllowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words(false).plain())
    }
}

/// The accounts that `slack.allowed_users` allows to command. The default allows none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedUsers {
    /// Whether every full member of the workspace may command.
    pub members: bool,
    /// The Slack ids that are listed.
    pub named: Vec<String>,
}

impl AllowedUsers {
    /// Every full member, and no one else.
    pub fn every_member() -> AllowedUsers {
        AllowedUsers {
            members: true,
            named: Vec::new(),
        }
    }
}

/// Whether Slack's `member` may act in the workspace `team`. Bots and deactivated accounts never may; guests and
/// strangers only if `allowed` names them. An ambiguous account may not act, even if it is named.
pub fn may_act(member: &SlackMember, team: &str, allowed: &AllowedUsers) -> Result<(), NotAllowed> {
    match &member.standing {
        Membership::Uncertain(_) => return Err(NotAllowed::NotCertain),
        Membership::Bot | Membership::Deactivated | Membership::Hidden => {
            return Err(NotAllowed::NotFullMember);
        }
        Membership::Full { .. } | Membership::Guest | Membership::Stranger => {}
    }
    if allowed.named.contains(&member.id) {
        return Ok(());
    }
    match &member.standing {
        _ if !allowed.members => Err(NotAllowed::NotNamed),
        Membership::Full { teams } if teams.iter().any(|theirs| theirs == team) => Ok(()),
        _ => Err(NotAllowed::NotFullMember),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn with(standing: Membership) -> SlackMember {
        SlackMember {
            id: "U0ANN01".into(),
            name: "Ana".into(),
            email: None,
            zone: None,
            standing,
        }
    }

    fn full(team: &str) -> Membership {
        of(&[team])
    }

    fn of(teams: &[&str]) -> Membership {
        let teams = teams.iter().map(|&team| team.into()).collect();
        Membership::Full { teams }
    }

    const NOT_FULL: Result<(), NotAllowed> = Err(NotAllowed::NotFullMember);
    const NOT_CERTAIN: Result<(), NotAllowed> = Err(NotAllowed::NotCertain);

    #[rstest]
    #[case::nobody_is_allowed(full("T0TEAM1"), &[], Err(NotAllowed::NotNamed))]
    #[case::full_member(full("T0TEAM1"), &["*"], Ok(()))]
    #[case::of_another_team(full("T0OTHER"), &["*"], NOT_FULL)]
    #[case::of_no_team(full(""), &["*"], NOT_FULL)]
    #[case::of_ours_and_a_sister(of(&["T0SISTER", "T0TEAM1"]), &["*"], Ok(()))]
    #[case::of_sisters_only(of(&["T0SISTER", "T0COUSIN"]), &["*"], NOT_FULL)]
    #[case::of_none(of(&[]), &["*"], NOT_FULL)]
    #[case::named_of_a_sister(of(&["T0SISTER"]), &["U0ANN01"], Ok(()))]
    #[case::guest(Membership::Guest, &["*"], NOT_FULL)]
    #[case::guest_beside_a_named_one(Membership::Guest, &["*", "U0GST01"], NOT_FULL)]
    #[case::guest_named_beside_all(Membership::Guest, &["*", "U0ANN01"], Ok(()))]
    #[case::named_guest(Membership::Guest, &["U0ANN01"], Ok(()))]
    #[case::stranger(Membership::Stranger, &["*"], NOT_FULL)]
    #[case::named_stranger(Membership::Stranger, &["U0ANN01"], Ok(()))]
    #[case::not_named(full("T0TEAM1"), &["U0BOB01"], Err(NotAllowed::NotNamed))]
    #[case::named_bot(Membership::Bot, &["U0ANN01"], NOT_FULL)]
    #[case::deactivated(Membership::Deactivated, &["*"], NOT_FULL)]
    #[case::named_and_deactivated(Membership::Deactivated, &["U0ANN01"], NOT_FULL)]
    #[case::hidden(Membership::Hidden, &["U0ANN01"], NOT_FULL)]
    #[case::uncertain(Membership::Uncertain("odd".into()), &["*"], NOT_CERTAIN)]
    #[case::named_and_uncertain(Membership::Uncertain("odd".into()), &["U0ANN01"], NOT_CERTAIN)]
    fn acts_only_if_allowed(
        #[case] standing: Membership,
        #[case] allowed: &[&str],
        #[case] verdict: Result<(), NotAllowed>,
    ) {
        let (all, named): (Vec<&str>, Vec<&str>) = allowed.iter().partition(|&&id| id == "*");
        let allowed = AllowedUsers {
            members: !all.is_empty(),
            named: named.into_iter().map(str::to_owned).collect(),
        };
        assert_eq!(may_act(&with(standing), "T0TEAM1", &allowed), verdict);
    }
}
