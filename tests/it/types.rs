//! `type`: GitHub's issue types and ClickUp's task types, changed once, and undone only if they are still as Ivan left them.
//!
//! | situation                                   | outcome                                              |
//! |---------------------------------------------|------------------------------------------------------|
//! | plain                                       | changed, in the source's spelling                    |
//! | already so                                  | success and `conflict`, nothing is sent              |
//! | unknown name                                | refused with the nearest ones, nothing is sent       |
//! | the types cannot be read                    | sent as typed, and GitHub decides                    |
//! | a repository of a person                    | refused: only organizations have types               |
//! | answer lost, killed, source down            | changed once                                         |
//! | changed by others since                     | `undo` leaves it                                     |
//! | dropped by GitHub without a word            | refused                                              |
//! | changed by others, by webhook or by poll    | lists and the API have it                            |

use ivan::sandbox::fault_server::{Fault, FaultKind, FaultServer};
use ivan::sandbox::github::TypesShown;
use rstest::rstest;
use serde_json::{Value, json};

use crate::harness::*;

/// The actor of a request.
const AS_ANA: &[(&str, &str)] = &[("X-Ivan-Actor", "Ana")];

/// A task and two issues of Ana's without types, and the types of both places.
fn of_two() -> Setup {
    with_both(Setup::new())
}

fn with_both(setup: Setup) -> Setup {
    setup
        .people()
        .clickup_tasks([json!({"name": "Renew cert", "assignees": [ANA_CLICKUP], "priority": 1})])
        .github_issues([
            json!({"title": "Login fails", "assignees": ["ana"]}),
            json!({"title": "Update the docs", "assignees": ["ana"]}),
        ])
        .before(|sandbox| {
            for (name, enabled) in [
                ("Task", true),
                ("Bug", true),
                ("Feature", true),
                ("Epic", false),
            ] {
                sandbox.github.add_type(REPO, name, enabled);
            }
            for name in ["Bug", "Customer request"] {
                sandbox.clickup.add_type(name);
            }
        })
}

fn cert(ivan: &Ivan) -> String {
    format!("clickup:{}", ivan.clickup().task("Renew cert").id())
}

fn of_issue(ivan: &Ivan, number: u64) -> Option<String> {
    ivan.github().issue(REPO, number).issue_type()
}

/// The number of its type in ClickUp: 0 for a plain task, 1 for a milestone, 1300 for a bug.
fn of_cert(ivan: &Ivan) -> i64 {
    ivan.clickup().task("Renew cert").type_number()
}

const PLAIN: i64 = 0;
const BUG: i64 = 1300;

/// The changes that a source was sent.
fn sent(front: &FaultServer) -> usize {
    let seen = front.journal();
    let is_change = |method: &str| ["PATCH", "PUT"].contains(&method);
    seen.iter().filter(|seen| is_change(&seen.method)).count()
}

fn writes(ivan: &Ivan) -> usize {
    sent(ivan.github().front()) + sent(ivan.clickup().front())
}

/// A command in one of the sources, the path of its request, and the words of its success.
const BOTH: [(&str, &str, &str); 2] = [
    ("type #1 bug", "/issues/1", "✓ Type is now bug: Login fails"),
    ("type CERT bug", "/task/", "✓ Type is now bug: Renew cert"),
];

fn front<'a>(ivan: &'a Ivan, typed: &str) -> &'a FaultServer {
    match typed.contains('#') {
        true => ivan.github().front(),
        false => ivan.clickup().front(),
    }
}

fn method(typed: &str) -> &'static str {
    match typed.contains('#') {
        true => "PATCH",
        false => "PUT",
    }
}

/// Whether both have the type, or neither.
fn both_are(ivan: &Ivan, typed: bool) {
    let wanted = match typed {
        true => (Some("Bug".to_owned()), BUG),
        false => (None, PLAIN),
    };
    assert_eq!((of_issue(ivan, 1), of_cert(ivan)), wanted);
}

async fn shown(ivan: &Ivan, id: &str) -> Value {
    let path = format!("/tasks/{}", encoded(id));
    let (status, task) = ivan.http_with("GET", &path, None, AS_ANA).await;
    assert_eq!(status, 200, "{task}");
    task["type"].clone()
}

fn encoded(id: &str) -> String {
    let id = id.replace(':', "%3A").replace('/', "%2F");
    id.replace('#', "%23")
}

#[tokio::test]
async fn types_are_changed_and_put_back_from_every_surface() {
    ivan_test(of_two(), async |ivan| {
        let cert = cert(ivan);
        ivan.dm(ANA, "type #1 bug")
            .await
            .replies("✓ Type is now bug: Login fails");
        assert_eq!(of_issue(ivan, 1).as_deref(), Some("Bug"));
        ivan.dm(ANA, "undo")
            .await
            .replies("✓ Undone: Login fails is as it was before in GitHub");
        assert_eq!(of_issue(ivan, 1), None);
        ivan.dm(ANA, &format!("type {cert} customer request"))
            .await
            .replies("✓ Type is now customer request: Renew cert");
        assert_eq!(of_cert(ivan), 1301);
        assert_eq!(shown(ivan, &cert).await, "Customer request");
        // A plain task has a name there, and every workspace has milestones.
        ivan.dm(ANA, &format!("type {cert} Task"))
            .await
            .replies("✓ Type is now task: Renew cert");
        assert_eq!(of_cert(ivan), PLAIN);
        ivan.dm(ANA, &format!("type {cert} none"))
            .await
            .replies("✓ Already of the type task in ClickUp: Renew cert");
        ivan.dm(ANA, &format!("type {cert} milestone"))
            .await
            .begins("✓ Type is now milestone");
        assert_eq!(of_cert(ivan), 1);
        let ran = ivan.cli(&["--as", "Ana", "undo"]).await;
        assert_eq!(ran.exit, 0, "{}", ran.err);
        assert_eq!(of_cert(ivan), PLAIN);
        let ran = ivan.cli(&["--as", "Ana", "type", "#2", "feature"]).await;
        let said = "✓ Type is now feature: Update the docs";
        assert_eq!((ran.exit, ran.out.lines().next()), (0, Some(said)));
        let path = "/tasks/github%3Aacme%2Fwidgets%232/type";
        for (name, conflict) in [
            ("task", false),
            ("Task", true),
            ("none", false),
            ("none", true),
        ] {
            let before = writes(ivan);
            let body = json!({ "type": name });
            let (status, answer) = ivan.http_with("POST", path, Some(body), AS_ANA).await;
            assert_eq!(
                (status, &answer["conflict"]),
                (200, &json!(conflict)),
                "{name}: {answer}"
            );
            assert_eq!(writes(ivan), before + usize::from(!conflict), "{name}");
        }
        ivan.dm(ANA, "type #2 none")
            .await
            .replies("✓ Already without a type in GitHub: Update the docs");
        ivan.dm(ANA, "log")
            .await
            .mentions(" · type: Renew cert (now of the type milestone)");
    })
    .await;
}

#[tokio::test]
async fn several_tasks_get_it_at_once() {
    ivan_test(of_two(), async |ivan| {
        ivan.dm(ANA, "list").await.begins("1. Renew cert");
        ivan.dm(ANA, "type 1-3 bug").await.replies(
            "✓ 3 of 3 tasks:\n✓ Type is now bug: Renew cert\n✓ Type is now bug: Login fails\n\
             ✓ Type is now bug: Update the docs",
        );
        both_are(ivan, true);
        ivan.dm(ANA, "undo")
            .await
            .begins("✓ 3 of 3 tasks:\n✓ Undone: ");
        both_are(ivan, false);
        let ran = ivan
            .cli(&["--as", "Ana", "type", "2", "3", "feature"])
            .await;
        assert_eq!(ran.exit, 0, "{}", ran.err);
        assert_eq!(of_issue(ivan, 2).as_deref(), Some("Feature"));
        let question = ivan.dm(ANA, "type type:feature bug").await;
        question.begins("`type bug` for these 2 tasks?");
        ivan.presses(ANA, &question, "Do it")
            .answers()
            .await
            .begins("✓ 2 of 2 tasks:");
        assert_eq!(of_issue(ivan, 2).as_deref(), Some("Bug"));
        let body = json!({"refs": ["#1", "#2"], "type": "none"});
        let (status, answer) = ivan.http_with("POST", "/type", Some(body), AS_ANA).await;
        assert_eq!(
            (status, &answer["success"]),
            (200, &json!(true)),
            "{answer}"
        );
        both_are(ivan, false);
    })
    .await;
}

#[tokio::test]
async fn an_unknown_name_is_refused_with_the_nearest_ones() {
    ivan_test(of_two(), async |ivan| {
        let cert = cert(ivan);
        for (typed, refusal) in [
            (
                "type #1 bgu".to_owned(),
                "✗ Type not changed: Login fails. acme/widgets has no issue type “bgu” in GitHub. Did you mean “Bug”?",
            ),
            // A type that the organization has turned off cannot be used.
            (
                "type #1 epic".to_owned(),
                "✗ Type not changed: Login fails. acme/widgets has no issue type “epic” in GitHub. Its issue types: \
                 Task, Bug, Feature",
            ),
            (
                format!("type {cert} bugs"),
                "✗ Type not changed: Renew cert. The workspace has no task type “bugs” in ClickUp. Did you mean “Bug”?",
            ),
            (
                format!("type {cert} story"),
                "✗ Type not changed: Renew cert. The workspace has no task type “story” in ClickUp. Its task types: \
                 Milestone, Bug, Customer request",
            ),
        ] {
            ivan.dm(ANA, &typed).await.begins(refusal);
        }
        assert_eq!(writes(ivan), 0);
        both_are(ivan, false);
        let (status, answer) = ivan
            .http_with("POST", "/type", Some(json!({"type": ""})), AS_ANA)
            .await;
        assert_eq!(status, 422, "{answer}");
    })
    .await;
}

#[rstest]
#[case::of_the_organization(TypesShown::InTheOrganization, "Did you mean “Bug”?")]
#[case::hidden(TypesShown::Nowhere, "I can't see which ones it has")]
#[tokio::test]
async fn a_token_that_may_not_read_the_types_can_set_them(
    #[case] shown: TypesShown,
    #[case] advice: &str,
) {
    ivan_test(of_two(), async |ivan| {
        ivan.github().show_types(shown);
        ivan.dm(ANA, "type #1 bug")
            .await
            .replies("✓ Type is now bug: Login fails");
        assert_eq!(of_issue(ivan, 1).as_deref(), Some("Bug"));
        let refused = ivan.dm(ANA, "type #1 bgu").await;
        refused.begins(
            "✗ Type not changed: Login fails. acme/widgets has no issue type “bgu” in GitHub",
        );
        refused.mentions(advice);
        assert_eq!(of_issue(ivan, 1).as_deref(), Some("Bug"));
    })
    .await;
}

#[tokio::test]
async fn an_app_sets_types_with_the_permissions_that_it_has() {
    ivan_test(with_both(Setup::new().github_app()), async |ivan| {
        ivan.dm(ANA, "type #1 bug")
            .await
            .replies("✓ Type is now bug: Login fails");
        ivan.dm(ANA, "type #1 bgu")
            .await
            .mentions("Did you mean “Bug”?");
    })
    .await;
}

#[tokio::test]
async fn a_repository_of_a_person_has_no_types() {
    let setup = Setup::new().config("github.repos = [\"bo/notes\"]");
    let setup = with_both(setup).before(|sandbox| {
        sandbox.github.add_repo("bo/notes", 6001);
        let issue = json!({"title": "Read the news", "assignees": ["bo"]});
        sandbox.github.add_issue("bo/notes", issue);
    });
    ivan_test(setup, async |ivan| {
        ivan.dm(BO, "type bo/notes#1 bug").await.begins(
            "✗ Type not changed: Read the news. bo/notes belongs to a person, and only issues of an organization have \
             types in GitHub. Use `label` instead",
        );
        ivan.dm(BO, "type bo/notes#1 none")
            .await
            .replies("✓ Already without a type in GitHub: Read the news");
    })
    .await;
}

/// The names of task types cannot be read: a type is called by its number, and nothing else suffers.
#[tokio::test]
async fn hidden_names_of_clickup_keep_nothing_back() {
    let setup = of_two().before(|sandbox| {
        sandbox.clickup.hide_types(true);
        sandbox
            .clickup
            .type_as("Renew cert", BO_CLICKUP, Some("Bug"));
    });
    ivan_test(setup, async |ivan| {
        let cert = cert(ivan);
        assert_eq!(shown(ivan, &cert).await, "type 1300");
        ivan.dm(ANA, &format!("type {cert} customer request"))
            .await
            .begins("✗ Type not changed: Renew cert. ");
        ivan.dm(ANA, &format!("done {cert}"))
            .await
            .begins("✓ Task completed in ClickUp");
        assert_eq!(of_cert(ivan), BUG);
    })
    .await;
}

#[rstest]
#[case::lost(FaultKind::ApplyThenDrop, 1)]
#[case::never_arrived(FaultKind::Drop, 2)]
#[tokio::test]
async fn a_lost_answer_is_looked_for_and_a_source_that_is_down_is_waited_for(
    #[case] kind: FaultKind,
    #[case] requests: usize,
) {
    ivan_test(of_two(), async |ivan| {
        let cert = cert(ivan);
        for (typed, path, said) in BOTH {
            let front = front(ivan, typed);
            front.fault(Fault::new(kind.clone()).on(method(typed), path));
            ivan.dm(ANA, &typed.replace("CERT", &cert))
                .await
                .replies(said);
            assert_eq!(sent(front), requests, "{typed}");
        }
        both_are(ivan, true);
        for (typed, ..) in BOTH.into_iter().rev() {
            let front = front(ivan, typed);
            front.down();
            let undo = ivan.says(ANA, "undo").answers().await;
            undo.begins("… Undo for ");
            front.up();
            undo.settles().await.begins("✓ Undone: ");
        }
        both_are(ivan, false);
    })
    .await;
}

#[rstest]
#[case::applied(FaultKind::ApplyThenHang)]
#[case::never_arrived(FaultKind::Hang)]
#[tokio::test]
async fn a_kill_at_any_instant_loses_and_doubles_nothing(#[case] kind: FaultKind) {
    ivan_test(of_two(), async |ivan| {
        let cert = cert(ivan);
        for (place, (typed, path, said)) in BOTH.into_iter().enumerate() {
            let front = front(ivan, typed).clone();
            let method = method(typed);
            front.fault(Fault::new(kind.clone()).on(method, path));
            ivan.says(ANA, &typed.replace("CERT", &cert));
            match kind {
                FaultKind::Hang => ivan.asks(&front, method, path, 1).await,
                _ => ivan.applies(&front, method, path, 1).await,
            };
            ivan.kill_and_restart().await;
            ivan.answer(ANA, place).settles().await.replies(said);
        }
        both_are(ivan, true);
        for _ in BOTH {
            ivan.dm(ANA, "undo").await.begins("✓ Undone: ");
        }
        both_are(ivan, false);
    })
    .await;
}

#[tokio::test]
async fn what_somebody_changed_since_is_left_as_it_is() {
    ivan_test(of_two(), async |ivan| {
        let cert = cert(ivan);
        ivan.dm(ANA, "type #1 bug").await.begins("✓ Type is now");
        ivan.github().type_as(REPO, 1, "bo", Some("Feature"));
        ivan.dm(ANA, "undo").await.replies(
            "✗ Not undone: Login fails. It changed in GitHub since (its type changed), so I left it as it is.",
        );
        assert_eq!(of_issue(ivan, 1).as_deref(), Some("Feature"));
        ivan.dm(ANA, &format!("type {cert} bug"))
            .await
            .begins("✓ Type is now");
        ivan.clickup()
            .type_as("Renew cert", BO_CLICKUP, Some("Customer request"));
        ivan.dm(ANA, "undo").await.replies(
            "✗ Not undone: Renew cert. It changed in ClickUp since (its type changed), so I left it as it is.",
        );
        assert_eq!(of_cert(ivan), 1301);
        // A new issue to which somebody has given a type is not taken back.
        ivan.dm(ANA, "create Fix login -s github")
            .await
            .begins("✓ Issue created");
        ivan.github().type_as(REPO, 3, "bo", Some("Bug"));
        ivan.dm(ANA, "undo").await.mentions("its type changed");
        ivan.github().issue(REPO, 3).is("open");
    })
    .await;
}

#[tokio::test]
async fn what_is_dropped_without_a_word_is_said() {
    ivan_test(of_two(), async |ivan| {
        // The author may edit an issue without push access, but not its type.
        ivan.dm(ANA, "create Fix login -s github")
            .await
            .begins("✓ Issue created");
        ivan.github().permit(REPO, false, false);
        ivan.dm(ANA, "type #3 bug").await.begins(
            "✗ Type not changed: Fix login. GitHub did not change the type of acme/widgets#3. Give the account of \
             github.token write access",
        );
        assert_eq!(of_issue(ivan, 3), None);
        // ClickUp is not known to do so: an answer with the task as it was.
        let cert = ivan.clickup().task("Renew cert");
        let dropped = FaultKind::Answer {
            status: 200,
            headers: Vec::new(),
            body: cert.json().to_string(),
        };
        ivan.clickup()
            .front()
            .fault(Fault::new(dropped).on("PUT", "/task/"));
        ivan.dm(ANA, &format!("type clickup:{} bug", cert.id()))
            .await
            .begins("✗ Type not changed: Renew cert. ClickUp did not change the type");
    })
    .await;
}

/// With payloads that have all of an issue, and with those that lack its type.
#[rstest]
#[case::whole(true)]
#[case::without_types(false)]
#[tokio::test]
async fn lists_follow_the_changes_of_others(#[case] whole: bool) {
    ivan_test(with_both(Setup::new().webhooks()), async |ivan| {
        ivan.github().payloads_tell_all(whole);
        ivan.hook_up();
        ivan.dm(ANA, "list type:bug")
            .await
            .replies("No task in your queue is of the type bug.");
        // By webhooks.
        ivan.github().type_as(REPO, 2, "bo", Some("Bug"));
        ivan.clickup()
            .type_as("Renew cert", BO_CLICKUP, Some("Customer request"));
        ivan.until_deliveries_are_applied().await;
        ivan.dm(ANA, "list type:bug")
            .await
            .begins("1. Update the docs");
        let wanted = "type:\"customer request\"";
        let ran = ivan.cli(&["--as", "Ana", "list", wanted]).await;
        assert!(ran.out.contains("Renew cert"), "{}{}", ran.out, ran.err);
        // Another change of the issue leaves its type alone.
        ivan.github().label_as(REPO, 2, "bo", &["ops"]);
        ivan.until_deliveries_are_applied().await;
        assert_eq!(shown(ivan, "github:acme/widgets#2").await, "Bug");
        // By a poll.
        ivan.github().hold();
        ivan.clickup().hold();
        ivan.github().type_as(REPO, 1, "bo", Some("Task"));
        ivan.github().type_as(REPO, 2, "bo", None);
        ivan.clickup().type_as("Renew cert", BO_CLICKUP, None);
        ivan.sync().await;
        for (path, titles) in [
            (
                "/queue?filter=type%3Atask",
                vec!["Login fails", "Renew cert"],
            ),
            (
                "/tasks?filter=type%3Anone",
                vec!["Renew cert", "Update the docs"],
            ),
        ] {
            let (status, answer) = ivan.http_with("GET", path, None, AS_ANA).await;
            assert_eq!(status, 200, "{answer}");
            let tasks = answer["tasks"].as_array().unwrap().iter();
            let mut found: Vec<&str> = tasks.filter_map(|task| task["title"].as_str()).collect();
            found.sort_unstable();
            assert_eq!(found, titles, "{answer}");
        }
        ivan.dm(ANA, "find login type:task")
            .await
            .begins("1. Login fails");
        ivan.dm(ANA, "find docs type:bug")
            .await
            .begins("No task of `type:bug` has");
        ivan.github().release();
        ivan.clickup().release();
        ivan.until_deliveries_are_applied().await;
        assert_eq!(shown(ivan, "github:acme/widgets#2").await, Value::Null);
    })
    .await;
}
