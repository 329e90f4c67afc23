//! A person's account status, read from `users.info` (docs/contracts/slack.md#methods). It fails closed. Pure.
//!
//! Other JSON from Slack is read leniently (`wire`), so that one odd field does not cost a person their message. These
//! fields decide who may give commands: a missing field or a wrong type makes the result uncertain, never a member.

use serde_json::{Map, Value};

use super::wire::User;
use crate::domain::controls::one_line;
use crate::domain::person::{Membership, SlackMember};

/// Flags that every account has, unless it is deactivated.
const PRESENT: [&str; 2] = ["is_bot", "is_restricted"];
/// Flags that some responses lack. `is_app_user` means that the account has authorized an app, as members may.
const OPTIONAL: [&str; 6] = [
    "is_ultra_restricted",
    "is_invited_user",
    "is_stranger",
    "is_workflow_bot",
    "is_connector_bot",
    "is_app_user",
];

/// Reads Slack's record of the account with this id.
pub fn member(id: &str, user: &Value) -> SlackMember {
    let of = User::read(user);
    let names = [
        of.profile.display_name,
        of.profile.real_name,
        of.real_name,
        of.name,
    ];
    let mut names = names.into_iter().flatten();
    let name = names.find(|name| !name.trim().is_empty());
    SlackMember {
        id: id.to_owned(),
        name: name.map_or_else(|| id.to_owned(), |name| one_line(&name)),
        email: email(user),
        zone: of.tz.and_then(|zone| zone.parse().ok()),
        standing: standing(id, user),
    }
}

/// An account that Slack does not show to the app.
pub fn hidden(id: &str) -> SlackMember {
    SlackMember {
        id: id.to_owned(),
        name: id.to_owned(),
        email: None,
        zone: None,
        standing: Membership::Hidden,
    }
}

/// The e-mail address of the profile. It links a ClickUp account, so an unconfirmed one does not count.
fn email(user: &Value) -> Option<String> {
    let is_confirmed = match user.get("is_email_confirmed") {
        None => true,
        Some(said) => *said == Value::Bool(true),
    };
    let email = user.pointer("/profile/email")?.as_str()?;
    (is_confirmed && !email.trim().is_empty()).then(|| email.to_owned())
}

fn standing(id: &str, user: &Value) -> Membership {
    read(id, user).unwrap_or_else(Membership::Uncertain)
}

/// Reads the status; the error is the reason for the doubt.
fn read(id: &str, user: &Value) -> Result<Membership, String> {
    let Value::Object(user) = user else {
        return Err("the answer has no user".to_owned());
    };
    if user.get("id").and_then(Value::as_str) != Some(id) {
        return Err("`id` is not the id that was asked for".to_owned());
    }
    // A deactivated account lacks most of the other flags.
    if required(user, "deleted")? {
        return Ok(Membership::Deactivated);
    }
    for name in PRESENT {
        required(user, name)?;
    }
    for name in OPTIONAL {
        optional(user, name)?;
    }
    let is = |name: &str| user.get(name) == Some(&Value::Bool(true));
    let teams = workspaces(user)?;
    let any = |names: &[&str]| names.iter().any(|name| is(name));
    Ok(if any(&["is_bot", "is_workflow_bot", "is_connector_bot"]) {
        Membership::Bot
    } else if is("is_stranger") {
        Membership::Stranger
    } else if any(&["is_restricted", "is_ultra_restricted", "is_invited_user"]) {
        Membership::Guest
    } else {
        Membership::Full { teams }
    })
}

/// The workspaces that an account belongs to. On Enterprise Grid `team_id` may name a sister workspace or the
/// organization, and `enterprise_user.teams` lists the workspaces. That list decides if there is one.
fn workspaces(user: &Map<String, Value>) -> Result<Vec<String>, String> {
    let id = |value: &Value| {
        let id = value.as_str().filter(|id| !id.is_empty());
        id.map(str::to_owned)
    };
    let team = user.get("team_id").and_then(id);
    let team = team.ok_or("`team_id` is not the id of a workspace")?;
    let teams = match user.get("enterprise_user") {
        None | Some(Value::Null) => None,
        Some(Value::Object(of_organisation)) => of_organisation.get("teams"),
        Some(_) => return Err("`enterprise_user` is no object".to_owned()),
    };
    match teams {
        None | Some(Value::Null) => Ok(vec![team]),
        Some(Value::Array(teams)) => {
            let teams = teams.iter().map(id).collect::<Option<_>>();
            teams.ok_or_else(|| "`enterprise_user.teams` is no list of workspaces".to_owned())
        }
        Some(_) => Err("`enterprise_user.teams` is no list of workspaces".to_owned()),
    }
}

fn required(user: &Map<String, Value>, name: &str) -> Result<bool, String> {
    optional(user, name)?.ok_or_else(|| format!("`{name}` is missing"))
}

fn optional(user: &Map<String, Value>, name: &str) -> Result<Option<bool>, String> {
    match user.get(name) {
        None => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(_) => Err(format!("`{name}` is no boolean")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::person::{AllowedUsers, NotAllowed, may_act};
    use proptest::prelude::*;
    use rstest::rstest;
    use serde_json::json;

    const ANN: &str = "U0ANN01";
    const TEAM: &str = "T0TEAM1";

    /// A full member as in docs/contracts/slack.md#methods, with some fields changed; `"absent"` removes one.
    fn ann(changes: Value) -> Value {
        let mut user = json!({"id": ANN, "team_id": TEAM, "name": "ann", "deleted": false, "is_bot": false,
            "is_restricted": false, "tz": "Europe/Berlin", "new_field": {},
            "profile": {"email": null, "display_name": "", "real_name": "Ann Lee"}});
        for (name, value) in changes.as_object().unwrap() {
            match value == "absent" {
                true => drop(user.as_object_mut().unwrap().remove(name)),
                false => user[name] = value.clone(),
            }
        }
        user
    }

    /// Every full member, and these people.
    fn members_and(named: &[&str]) -> AllowedUsers {
        AllowedUsers {
            members: true,
            named: named.iter().map(|&id| id.to_owned()).collect(),
        }
    }

    fn may(user: &Value, allowed: &[&str]) -> Result<(), NotAllowed> {
        may_act(&member(ANN, user), TEAM, &members_and(allowed))
    }

    #[test]
    fn reads_what_slack_says() {
        assert_eq!(
            member(ANN, &ann(json!({}))),
            SlackMember {
                id: ANN.into(),
                name: "Ann Lee".into(),
                email: None,
                zone: Some(chrono_tz::Europe::Berlin),
                standing: Membership::Full {
                    teams: vec![TEAM.into()],
                },
            }
        );
    }

    #[rstest]
    #[case::without_the_scope(json!({"profile": {}}), None)]
    #[case::told(json!({"profile": {"email": "ann@acme.test"}}), Some("ann@acme.test"))]
    #[case::confirmed(json!({"is_email_confirmed": true, "profile": {"email": "ann@acme.test"}}), Some("ann@acme.test"))]
    #[case::only_typed_in(json!({"is_email_confirmed": false, "profile": {"email": "ann@acme.test"}}), None)]
    #[case::confirmed_by_a_word(json!({"is_email_confirmed": "true", "profile": {"email": "ann@acme.test"}}), None)]
    #[case::confirmed_by_null(json!({"is_email_confirmed": null, "profile": {"email": "ann@acme.test"}}), None)]
    #[case::no_text(json!({"profile": {"email": ["ann@acme.test"]}}), None)]
    fn an_address_counts_if_it_is_confirmed(#[case] changes: Value, #[case] email: Option<&str>) {
        assert_eq!(member(ANN, &ann(changes)).email.as_deref(), email);
    }

    #[rstest]
    #[case::full(json!({}))]
    #[case::odd_zone(json!({"tz": "Mars/Olympus", "name": 7}))]
    #[case::every_flag(json!({"is_ultra_restricted": false, "is_stranger": false, "is_app_user": false, "is_invited_user": false,
        "is_workflow_bot": false, "is_connector_bot": false}))]
    #[case::who_authorised_an_app(json!({"is_app_user": true}))]
    #[case::whose_home_is_a_sister(json!({"team_id": "T0SISTER", "enterprise_user": {"id": "W0ANN01", "enterprise_id": "E0ORG1",
        "teams": [TEAM, "T0SISTER"]}}))]
    #[case::named_by_the_organisation(json!({"team_id": "E0ORG1", "enterprise_user": {"teams": ["T0SISTER", "T0COUSIN", TEAM]}}))]
    #[case::of_ours_alone(json!({"enterprise_user": {"teams": [TEAM]}}))]
    #[case::organisation_without_list(json!({"enterprise_user": {"id": "W0ANN01"}}))]
    #[case::no_organisation(json!({"enterprise_user": null}))]
    fn is_a_full_member(#[case] changes: Value) {
        assert_eq!(may(&ann(changes), &[]), Ok(()));
    }

    #[rstest]
    #[case::guest(json!({"is_restricted": true}))]
    #[case::single_channel_guest(json!({"is_ultra_restricted": true}))]
    #[case::invited(json!({"is_invited_user": true}))]
    #[case::of_another_team(json!({"team_id": "T0OTHER"}))]
    #[case::of_a_sister(json!({"team_id": "T0SISTER", "enterprise_user": {"teams": ["T0SISTER"]}}))]
    #[case::of_sisters(json!({"team_id": "E0ORG1", "enterprise_user": {"teams": ["T0SISTER", "T0COUSIN"]}}))]
    #[case::of_a_sister_without_list(json!({"team_id": "T0SISTER", "enterprise_user": {"id": "W0ANN01"}}))]
    #[case::who_left_our_workspace(json!({"enterprise_user": {"teams": ["T0SISTER"]}}))]
    #[case::of_no_workspace(json!({"enterprise_user": {"teams": []}}))]
    #[case::of_a_workspace_in_another_case(json!({"team_id": "E0ORG1", "enterprise_user": {"teams": ["t0team1"]}}))]
    #[case::guest_on_grid(json!({"is_restricted": true, "enterprise_user": {"teams": [TEAM]}}))]
    #[case::stranger_on_grid(json!({"is_stranger": true, "team_id": "T0SISTER", "enterprise_user": {"teams": [TEAM]}}))]
    #[case::stranger_of_our_team(json!({"is_stranger": true}))]
    #[case::stranger_of_another(json!({"is_stranger": true, "team_id": "T0OTHER"}))]
    #[case::deactivated(json!({"deleted": true}))]
    #[case::deactivated_without_flags(json!({"deleted": true, "is_restricted": "absent", "team_id": "absent"}))]
    #[case::bot(json!({"is_bot": true}))]
    #[case::workflow(json!({"is_workflow_bot": true}))]
    #[case::connector(json!({"is_connector_bot": true}))]
    fn is_certainly_no_full_member(#[case] changes: Value) {
        assert_eq!(may(&ann(changes), &[]), Err(NotAllowed::NotFullMember));
    }

    #[rstest]
    #[case::no_user(json!(null))]
    #[case::empty(json!({}))]
    #[case::text("U0ANN01".into())]
    #[case::list(json!([ann(json!({}))]))]
    #[case::restricted_by_a_word(ann(json!({"is_restricted": "true"})))]
    #[case::restricted_by_no_word(ann(json!({"is_restricted": "false"})))]
    #[case::deleted_by_a_number(ann(json!({"deleted": 1})))]
    #[case::not_deleted_by_a_number(ann(json!({"deleted": 0})))]
    #[case::bot_by_a_word(ann(json!({"is_bot": "true"})))]
    #[case::stranger_by_null(ann(json!({"is_stranger": null})))]
    #[case::another_id(ann(json!({"id": "U0BOB01"})))]
    #[case::id_in_another_case(ann(json!({"id": "u0ann01"})))]
    #[case::no_id(ann(json!({"id": "absent"})))]
    #[case::no_team(ann(json!({"team_id": "absent"})))]
    #[case::empty_team(ann(json!({"team_id": ""})))]
    #[case::team_in_a_list(ann(json!({"team_id": [TEAM]})))]
    #[case::no_organisation_but_a_text(ann(json!({"enterprise_user": "E0ORG1"})))]
    #[case::teams_by_a_text(ann(json!({"enterprise_user": {"teams": TEAM}})))]
    #[case::teams_by_number(ann(json!({"enterprise_user": {"teams": [TEAM, 7]}})))]
    #[case::empty_among_teams(ann(json!({"enterprise_user": {"teams": [TEAM, ""]}})))]
    #[case::sister_and_no_home(ann(json!({"team_id": null, "enterprise_user": {"teams": [TEAM]}})))]
    #[case::without_deleted(ann(json!({"deleted": "absent"})))]
    #[case::without_is_bot(ann(json!({"is_bot": "absent"})))]
    #[case::without_is_restricted(ann(json!({"is_restricted": "absent"})))]
    fn is_uncertain_named_or_not(#[case] user: Value) {
        for allowed in [&[][..], &[ANN]] {
            assert_eq!(may(&user, allowed), Err(NotAllowed::NotCertain), "{user}");
        }
    }

    #[test]
    fn a_hidden_account_may_not_act_even_if_named() {
        assert!(may_act(&hidden(ANN), TEAM, &members_and(&[ANN])).is_err());
        assert!(may_act(&hidden(ANN), TEAM, &members_and(&[])).is_err());
    }

    /// Any JSON, often similar to a right value.
    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(|number| json!(number)),
            any::<f64>().prop_map(|number| json!(number)),
            prop::sample::select(vec![
                "", "true", "false", "0", "1", "null", ANN, TEAM, "t0team1"
            ])
            .prop_map(Value::from),
            "\\PC{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(2, 8, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::hash_map("[a-z_]{1,6}", inner, 0..3).prop_map(Value::from_iter),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// Another value, of any type, in one field of a member's record never yields a member.
        #[test]
        fn no_other_value_makes_a_member(
            field in prop::sample::select(vec!["id", "team_id", "deleted", "is_bot", "is_restricted", "is_ultra_restricted",
                "is_stranger", "is_invited_user", "is_workflow_bot", "is_connector_bot"]),
            value in any_json(),
        ) {
            let right = match field { "id" => json!(ANN), "team_id" => json!(TEAM), _ => json!(false) };
            prop_assume!(value != right);
            let mut user = ann(json!({}));
            user[field] = value;
            prop_assert!(may(&user, &[]).is_err(), "{user}");
        }

        /// The same for a flag that members may have.
        #[test]
        fn no_other_type_makes_a_member(value in any_json()) {
            prop_assume!(!value.is_boolean());
            let mut user = ann(json!({}));
            user["is_app_user"] = value;
            prop_assert_eq!(may(&user, &[ANN]), Err(NotAllowed::NotCertain));
        }

        #[test]
        fn no_other_answer_makes_a_member(user in any_json()) {
            prop_assert_eq!(may(&user, &[ANN]), Err(NotAllowed::NotCertain));
        }
    }
}
