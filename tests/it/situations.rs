//! Situations of tasks, places and tokens in the sources, by verb: the outcome and its words (docs/contracts/github.md#errors, docs/contracts/github.md#names-that-change;
//! clickup 4). A source's refusal is passed on with its reason and a remedy; work that only an operator can unblock
//! waits and is done afterwards; a wrong target is never written to.
//!
//! | situation                          | `done`        | `comment`     | `create`      |
//! |------------------------------------|---------------|---------------|---------------|
//! | GitHub: repository renamed         | done          | done          | done          |
//! | … transferred to another owner     | done          | done          | done          |
//! | … its old name is a stranger's     | done          | done          | refused       |
//! | … archived, issues off, invisible  | refused       | refused       | refused       |
//! | … may not push any more            | refused       | done          | done          |
//! | … single sign-on lapsed            | waits         | waits         | waits         |
//! | issue deleted, or transferred away | refused       | refused       | done          |
//! | issue transferred to one followed  | refused: where| refused: where| done          |
//! | issue locked                       | done          | refused       | done          |
//! | token revoked                      | waits         | waits         | waits         |
//! | ClickUp: task deleted, invisible   | refused       | refused       | done          |
//! | … moved to a list not followed     | refused       | refused       | done          |
//! | … archived                         | already so    | done          | done          |
//! | list invisible                     | done          | done          | refused       |
//! | list without a finishing status    | refused       | done          | done          |
//! | permission lost                    | refused       | refused       | refused       |
//! | token revoked                      | waits         | waits         | waits         |

use std::time::Duration;

use ivan::sandbox::Sandbox;
use ivan::sandbox::fault_server::{Fault, FaultKind, RequestRecord};
use rstest::rstest;
use serde_json::json;

use crate::harness::*;

const OTHER_LIST: &str = "901100000002";

const DONE: &str = "✓ Issue closed in GitHub: Login fails";
const COMMENTED: &str = "✓ Comment added in GitHub: Update the docs";
const CREATED: &str = "✓ Issue created in GitHub: Fix login";
const NOT_DONE: &str = "✗ Not completed: Login fails. ";
const NOT_COMMENTED: &str = "✗ Comment not added: Update the docs. ";
const NOT_CREATED: &str = "✗ Not created: Fix login. ";

/// The beginning of an answer, and a text that it contains.
type Said = (&'static str, &'static str);

fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> FaultKind {
    FaultKind::Answer {
        status,
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        body: body.to_owned(),
    }
}

/// Each of three commands gets its answer.
async fn all_are_answered(ivan: &Ivan, typed: [&str; 3], said: [Said; 3]) {
    for (typed, (begins, mentions)) in typed.into_iter().zip(said) {
        let answer = ivan.dm(ANA, typed).await;
        answer.begins(begins).mentions(mentions);
    }
}

// ------------------------------------------------------------ GitHub

const ON_GITHUB: [&str; 3] = [
    "done #1",
    "comment on #2: shipped",
    "create Fix login -s github",
];

#[rstest]
#[case::renamed(
    |ivan: &Ivan| ivan.github().rename_repo(REPO, "acme/gears"),
    [(DONE, ""), (COMMENTED, ""), (CREATED, "acme/gears#3")], "acme/gears", true, 1
)]
#[case::transferred_to_another_owner(
    |ivan: &Ivan| ivan.github().rename_repo(REPO, "initech/widgets"),
    [(DONE, ""), (COMMENTED, ""), (CREATED, "initech/widgets#3")], "initech/widgets", true, 1
)]
#[case::its_old_name_is_a_strangers(
    |ivan: &Ivan| {
        ivan.github().rename_repo(REPO, "acme/gears");
        ivan.github().add_repo(REPO, 6666);
        for title in ["Theirs", "Theirs too"] {
            ivan.github().add_issue(REPO, json!({"title": title}));
        }
    },
    [(DONE, ""), (COMMENTED, ""), (NOT_CREATED, "acme/widgets is now a different repository in GitHub")],
    "acme/gears", true, 1
)]
#[case::archived(
    |ivan: &Ivan| ivan.github().archive_repo(REPO, true),
    [
        (NOT_DONE, "Unarchive the repository in GitHub first"),
        (NOT_COMMENTED, "Unarchive the repository in GitHub first"),
        (NOT_CREATED, "Unarchive the repository in GitHub first"),
    ],
    REPO, false, 0
)]
#[case::issues_are_switched_off(
    |ivan: &Ivan| ivan.github().enable_issues(REPO, false),
    [
        (NOT_DONE, "Turn them on in its settings"),
        (NOT_COMMENTED, "Turn them on in its settings"),
        (NOT_CREATED, "Turn them on in its settings"),
    ],
    REPO, false, 0
)]
#[case::out_of_sight(
    |ivan: &Ivan| ivan.github().hide_repo(REPO, true),
    [
        (NOT_DONE, "or give github.token access to the repository"),
        (NOT_COMMENTED, "or give github.token access to the repository"),
        (NOT_CREATED, "or give github.token access to the repository"),
    ],
    REPO, false, 0
)]
#[case::may_not_push_any_more(
    |ivan: &Ivan| ivan.github().permit(REPO, false, false),
    [(NOT_DONE, "Give github.token the permission issues=write"), (COMMENTED, ""), (CREATED, "acme/widgets#3")],
    REPO, false, 1
)]
#[case::locked(
    |ivan: &Ivan| {
        let refused = r#"{"message":"Unable to create comment because issue is locked."}"#;
        let fault = Fault::new(answer(403, &[], refused)).on("POST", "/issues/2/comments");
        ivan.github().front().fault(fault);
    },
    [(DONE, ""), (NOT_COMMENTED, "Unlock the conversation in GitHub first"), (CREATED, "")],
    REPO, true, 0
)]
#[case::deleted(
    |ivan: &Ivan| {
        ivan.github().add_repo("acme/bin", 6002);
        for number in [1, 2] {
            ivan.github().delete_issue(REPO, number);
        }
    },
    [(NOT_DONE, "was deleted"), (NOT_COMMENTED, "was deleted"), (CREATED, "acme/widgets#3")],
    "acme/bin", false, 0
)]
#[case::transferred_out_of_sight(
    |ivan: &Ivan| {
        ivan.github().add_repo("other/place", 6001);
        for number in [1, 2] {
            ivan.github().transfer_issue(REPO, number, "other/place");
        }
    },
    [
        (NOT_DONE, "add other/place to github.repos"),
        (NOT_COMMENTED, "which I don't follow"),
        (CREATED, "acme/widgets#3"),
    ],
    "other/place", false, 0
)]
#[tokio::test]
async fn what_befalls_in_github(
    #[case] befalls: fn(&Ivan),
    #[case] said: [Said; 3],
    #[case] now_in: &str,
    #[case] closed: bool,
    #[case] comments: usize,
) {
    ivan_test(two_issues(), async |ivan| {
        befalls(ivan);
        all_are_answered(ivan, ON_GITHUB, said).await;
        // Only the commands have been written; nothing to the stranger's repository.
        for (place, issue) in ivan.github().issues(now_in).iter().take(2).enumerate() {
            let expected = if closed && place == 0 {
                "closed"
            } else {
                "open"
            };
            assert_eq!(issue["state"], expected, "{issue}");
            let expected = if place == 1 { comments } else { 0 };
            assert_eq!(issue["comments"], expected, "{issue}");
        }
        if now_in == "acme/gears" && said[2].0 == NOT_CREATED {
            let theirs = ivan.github().issues(REPO);
            assert_eq!(theirs.len(), 2, "{theirs:#?}");
            assert!(
                theirs
                    .iter()
                    .all(|one| one["state"] == "open" && one["comments"] == 0),
                "{theirs:#?}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn an_issue_that_moved_to_another_followed_repository_is_named_anew() {
    let mut ivan = two_issues()
        .config("github.repos = [\"acme/gadgets\"]")
        .start()
        .await;
    ivan.github().add_repo("acme/gadgets", 6003);
    ivan.start().await;
    let [one, two] =
        [1, 2].map(|number| ivan.github().transfer_issue(REPO, number, "acme/gadgets"));
    for (typed, begins, number) in [
        (ON_GITHUB[0], NOT_DONE, one),
        (ON_GITHUB[1], NOT_COMMENTED, two),
    ] {
        let answer = ivan.dm(ANA, typed).await;
        answer.begins(begins);
        answer.mentions(&format!(
            "was transferred in GitHub. It is now github:acme/gadgets#{number}, so use that"
        ));
    }
    ivan.dm(ANA, ON_GITHUB[2]).await.begins(CREATED);
    ivan.dm(ANA, &format!("done github:acme/gadgets#{one}"))
        .await
        .begins(DONE);
    ivan.github().issue("acme/gadgets", one).is("closed");
    ivan.github().issue("acme/gadgets", two).has_comments([]);
    ivan.finish().await;
}

// ------------------------------------------------------------ ClickUp

const CU_DONE: &str = "✓ Task completed in ClickUp: Renew cert";
const CU_COMMENTED: &str = "✓ Comment added in ClickUp: Write the runbook";
const CU_CREATED: &str = "✓ Task created in ClickUp: Buy milk";
const CU_NOT_DONE: &str = "✗ Not completed: Renew cert. ";
const CU_NOT_COMMENTED: &str = "✗ Comment not added: Write the runbook. ";
const CU_NOT_CREATED: &str = "✗ Not created: Buy milk. ";

fn forbids(ivan: &Ivan, method: &str, path: &str, status: u16, code: &str) {
    let body = json!({"err": "Team not authorized", "ECODE": code}).to_string();
    let fault = Fault::new(FaultKind::answer(status, body)).on(method, path);
    ivan.clickup().front().fault(fault.always());
}

#[rstest]
#[case::deleted(
    |ivan: &Ivan| {
        ivan.clickup().delete_task("Renew cert");
        ivan.clickup().delete_task("Write the runbook");
    },
    [(CU_NOT_DONE, "was deleted"), (CU_NOT_COMMENTED, "Restore it from ClickUp's Trash"), (CU_CREATED, "")]
)]
#[case::out_of_sight(
    |ivan: &Ivan| {
        ivan.clickup().hide_task("Renew cert", true);
        ivan.clickup().hide_task("Write the runbook", true);
    },
    [
        (CU_NOT_DONE, "share it with the account of clickup.token"),
        (CU_NOT_COMMENTED, "share it with the account of clickup.token"),
        (CU_CREATED, ""),
    ]
)]
#[case::moved_to_a_list_that_is_not_followed(
    |ivan: &Ivan| {
        ivan.clickup().move_task("Renew cert", OTHER_LIST);
        ivan.clickup().move_task("Write the runbook", OTHER_LIST);
    },
    [
        (CU_NOT_DONE, "I don't follow the list of"),
        (CU_NOT_COMMENTED, "I don't follow the list of"),
        (CU_CREATED, ""),
    ]
)]
#[case::archived(
    |ivan: &Ivan| {
        for task in ["Renew cert", "Write the runbook"] {
            ivan.clickup().as_person(task, BO_CLICKUP, &json!({"archived": true}));
        }
    },
    [("✓ Note: Renew cert was already archived in ClickUp", "completed externally"), (CU_COMMENTED, ""), (CU_CREATED, "")]
)]
#[case::the_list_is_out_of_sight(
    |ivan: &Ivan| forbids(ivan, "POST", "/list/", 401, "OAUTH_027"),
    [(CU_DONE, ""), (CU_COMMENTED, ""), (CU_NOT_CREATED, "or I may not see it")]
)]
#[case::the_list_finishes_nothing(
    |ivan: &Ivan| {
        let list = ivan.clickup().list_id().to_owned();
        let open = json!([{"status": "to do", "orderindex": 0, "color": "#d3d3d3", "type": "open"}]);
        ivan.clickup().set_statuses(&list, open);
    },
    [(CU_NOT_DONE, "has no status for completed tasks"), (CU_COMMENTED, ""), (CU_CREATED, "")]
)]
#[case::permission_lost(
    |ivan: &Ivan| {
        for (method, path) in [("PUT", "/task/"), ("POST", "/comment"), ("POST", "/list/")] {
            forbids(ivan, method, path, 403, "ACCESS_007");
        }
    },
    [
        (CU_NOT_DONE, "give the account of clickup.token the permission"),
        (CU_NOT_COMMENTED, "give the account of clickup.token the permission"),
        (CU_NOT_CREATED, "give the account of clickup.token the permission"),
    ]
)]
#[tokio::test]
async fn what_befalls_in_clickup(#[case] befalls: fn(&Ivan), #[case] said: [Said; 3]) {
    ivan_test(two_tasks(), async |ivan| {
        let [cert, runbook] =
            ["Renew cert", "Write the runbook"].map(|name| ivan.clickup().task(name));
        befalls(ivan);
        let typed = [
            format!("done clickup:{}", cert.id()),
            format!("comment on clickup:{}: shipped", runbook.id()),
            "create Buy milk".to_owned(),
        ];
        all_are_answered(ivan, typed.each_ref().map(String::as_str), said).await;
        let [done, commented, created] = said.map(|(begins, _)| begins.starts_with('✓'));
        assert_eq!(cert.status() == "complete", done && said[0].0 == CU_DONE);
        assert_eq!(runbook.comments().len(), usize::from(commented));
        let made = ivan.clickup().tasks_named("Buy milk").len();
        assert_eq!(made, usize::from(created));
    })
    .await;
}

// ------------------------------------------------------------ problems for an operator

/// Both tokens, by the names that errors use.
const KEYS: [&str; 2] = ["github.token", "clickup.token"];

/// Bo, who never wrote to Ivan, is the operator; GitHub's token ends soon.
fn a_token_that_ends() -> Setup {
    two_issues()
        .before(|sandbox| {
            let days = 3 * 24 * 60 * 60;
            sandbox
                .github
                .token_expires_in(Some(Duration::from_secs(days)));
        })
        .config("slack.operators = [\"U0BOB01\"]")
}

/// The next post is applied, and its answer never comes.
fn posts_unheard(sandbox: &Sandbox) {
    let fault = Fault::new(FaultKind::ApplyThenHang).on("POST", "chat.postMessage");
    sandbox.slack.front().fault(fault);
}

/// Kills the daemon between such a post and its record.
async fn dies_before_it_hears_of_its_post(ivan: &mut Ivan) {
    let stands = |journal: &[RequestRecord]| {
        let mut posts = journal
            .iter()
            .filter(|seen| seen.is("POST", "chat.postMessage"));
        posts.any(|seen| seen.applied && !seen.done)
    };
    let standing = ivan.slack().front().until(stands);
    ivan.within("the message stands there", standing).await;
    ivan.kill_and_restart().await;
}

#[tokio::test]
async fn a_token_that_ends_soon_is_said_to_operators_once_and_once_when_there_is_another() {
    let world = a_token_that_ends().before(posts_unheard);
    ivan_test(world, async |ivan| {
        dies_before_it_hears_of_its_post(ivan).await;
        let told = ivan.is_told(BO).answers().await;
        told.begins("✗ GitHub token expires on ")
            .mentions("set github.token and restart");
        // The notice is not repeated.
        ivan.stop().await;
        ivan.start().await;
        ivan.sync().await;
        ivan.github().token_expires_in(None);
        ivan.sync().await;
        let told = ivan.is_told(BO).answers().await;
        told.begins("✓ GitHub token renewed");
        ivan.dm(ANA, "done github:1").await.begins("✓ ");
    })
    .await;
}

#[tokio::test]
async fn without_the_scope_to_open_a_dm_the_first_message_shows_where_it_is() {
    let world = a_token_that_ends().before(|sandbox| sandbox.slack.revoke_scope("im:write"));
    ivan_test(world, async |ivan| {
        let told = ivan.is_told(BO).answers().await;
        told.begins("✗ GitHub token expires on ");
        posts_unheard(&ivan.sandbox);
        ivan.github().token_expires_in(None);
        ivan.sync().await;
        dies_before_it_hears_of_its_post(ivan).await;
        let told = ivan.is_told(BO).answers().await;
        told.begins("✓ GitHub token renewed");
        // Once: the next message there is the answer to Bo's question.
        ivan.dm(BO, "status").await.begins("Slack: connected");
    })
    .await;
}

#[tokio::test]
async fn a_revoked_token_stops_its_lane_and_is_said_to_operators_once_and_once_when_it_is_well() {
    let world = two_tasks()
        .github_issues([
            json!({"title": "Login fails"}),
            json!({"title": "Update the docs"}),
        ])
        .config("slack.operators = [\"U0BOB01\"]");
    ivan_test(world, async |ivan| {
        let [cert, runbook] =
            ["Renew cert", "Write the runbook"].map(|name| ivan.clickup().task(name));
        ivan.github().revoke_token();
        ivan.clickup().revoke_token();
        let (on_clickup, on_github) = (
            [
                format!("done clickup:{}", cert.id()),
                format!("comment on clickup:{}: shipped", runbook.id()),
                "create Buy milk".to_owned(),
            ],
            ON_GITHUB.map(str::to_owned),
        );
        // The first command for each source meets the refusal; the others need not ask.
        for (typed, key) in [(&on_github, KEYS[0]), (&on_clickup, KEYS[1])] {
            let answer = ivan.says(ANA, &typed[0]).answers().await;
            answer.begins("… ").mentions(key);
            let told = ivan.is_told(BO).answers().await;
            told.begins("✗ ")
                .mentions("rejects the token")
                .mentions(key);
            told.mentions("I'll post here when it works");
        }
        let writes = || {
            let seen = [
                ivan.github().front().journal(),
                ivan.clickup().front().journal(),
            ];
            let of_tasks = |path: &str| path.contains("/issues/2") || path.contains("/comment");
            seen.iter()
                .flatten()
                .filter(|one| one.method != "GET" || of_tasks(&one.path))
                .count()
        };
        let before = writes();
        for typed in on_github.iter().skip(1).chain(on_clickup.iter().skip(1)) {
            let answer = ivan.says(ANA, typed).answers().await;
            answer.begins("… ").mentions("rejects the token");
        }
        assert_eq!(writes(), before, "nobody asks in vain");
        // A crash meanwhile changes none of it, and sends the operator no further notice.
        ivan.kill().await;
        ivan.launch().await;
        ivan.logs("poll failed … source=clickup").await;
        ivan.logs("poll failed … source=github").await;
        // Polls find out by themselves.
        ivan.github().accept_token();
        ivan.clickup().accept_token();
        for _ in KEYS {
            let told = ivan.is_told(BO).answers().await;
            told.begins("✓ ").mentions(" accepts the token again");
        }
        for place in 0..6 {
            ivan.answer(ANA, place).settles().await.begins("✓ ");
        }
        cert.is("complete");
        runbook.has_comments(["shipped"]);
        assert_eq!(ivan.clickup().tasks_named("Buy milk").len(), 1);
        ivan.github().issue(REPO, 1).is("closed");
        ivan.github().issue(REPO, 2).has_comments(["shipped"]);
        assert_eq!(ivan.github().issues_titled(REPO, "Fix login").len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_lapsed_single_sign_on_loses_nothing_and_says_where_to_renew_it() {
    ivan_test(two_issues(), async |ivan| {
        let url = "https://github.com/orgs/acme/sso?authorization_request=A1";
        let sso = format!("required; url={url}");
        let said = r#"{"message":"Resource protected by organization SAML enforcement. You must grant your Personal Access token access to this organization."}"#;
        let fault = Fault::new(answer(403, &[("X-GitHub-SSO", &sso)], said));
        ivan.github().front().fault(fault.always());
        let mut asked = Vec::new();
        for typed in ON_GITHUB {
            let answer = ivan.says(ANA, typed).answers().await;
            answer.begins("… ").mentions("single sign-on").mentions(url);
            asked.push(answer);
        }
        ivan.github().front().clear_faults();
        ivan.sync().await;
        for (answer, begins) in asked.into_iter().zip([DONE, COMMENTED, CREATED]) {
            answer.settles().await.begins(begins);
        }
    })
    .await;
}

// ------------------------------------------------------------ administrators' settings, and temporary obstacles

#[rstest]
#[case::address(
    "Although you appear to have the correct authorization credentials, the `acme` organization has an IP allow list enabled, and your IP address is not permitted to access this resource.",
    "to the organization's IP allow list"
)]
#[case::lifetime(
    "The 'acme' organization forbids access via a fine-grained personal access tokens if the token's lifetime is greater than 366 days. Please adjust your token's lifetime at the following URL: https://github.com/settings/personal-access-tokens/1",
    "https://github.com/settings/personal-access-tokens/1)"
)]
#[tokio::test]
async fn a_rule_of_the_organization_loses_nothing_and_is_said_to_operators(
    #[case] rule: &str,
    #[case] remedy: &str,
) {
    let setup = two_issues().config("slack.operators = [\"U0BOB01\"]");
    ivan_test(setup, async |ivan| {
        let said = json!({"message": rule}).to_string();
        let fault = Fault::new(answer(403, &[], &said)).always();
        ivan.github().front().fault(Fault {
            path: Some("/issues".to_owned()),
            ..fault
        });
        let told = ivan.is_told(BO);
        let mut asked = Vec::new();
        for typed in ON_GITHUB {
            let answer = ivan.says(ANA, typed).answers().await;
            answer.begins("… ").mentions(remedy);
            asked.push(answer);
        }
        told.answers()
            .await
            .begins("✗ GitHub doesn't let me access")
            .mentions(remedy);
        let well = ivan.is_told(BO);
        ivan.github().front().clear_faults();
        ivan.sync().await;
        for (answer, begins) in asked.into_iter().zip([DONE, COMMENTED, CREATED]) {
            answer.settles().await.begins(begins);
        }
        well.answers()
            .await
            .begins("✓ GitHub lets me access acme again");
    })
    .await;
}

/// A firewall, a proxy, a login page: reads are repeated, and writes are searched for.
#[rstest]
#[case::firewall(403, "text/html", "<html>Blocked by policy</html>")]
#[case::gateway(404, "text/plain", "no healthy upstream")]
#[case::portal(401, "text/html; charset=utf-8", "<html>Log in</html>")]
#[tokio::test]
async fn a_page_of_something_in_between_is_no_answer(
    #[case] status: u16,
    #[case] kind: &str,
    #[case] page: &str,
) {
    let setup = two_tasks().github_issues([json!({"title": "Login fails"})]);
    ivan_test(setup, async |ivan| {
        let page = || answer(status, &[("content-type", kind)], page);
        let task = ivan.clickup().task("Renew cert");
        let fronts = [ivan.github().front(), ivan.clickup().front()];
        let typed = [
            "comment on #1: shipped".to_owned(),
            format!("comment on clickup:{}: shipped", task.id()),
        ];
        for (front, typed) in fronts.iter().zip(&typed) {
            // The read, and then the write, which worked although its answer is an error.
            front.fault(Fault::new(page()).on("GET", "/").times(2));
            front.fault(Fault::new(page().once_applied()).on("POST", "/comment"));
            ivan.dm(ANA, typed).await.begins("✓ Comment added");
        }
        ivan.github().issue(REPO, 1).has_comments(["shipped"]);
        task.has_comments(["shipped"]);
    })
    .await;
}

/// Nothing was created, so the request is repeated, but only after a minute.
#[tokio::test]
async fn what_was_submitted_too_quickly_is_repeated_after_a_minute() {
    ivan_test(two_issues(), async |ivan| {
        let said = json!({"message": "Validation Failed", "errors": [{"resource": "Issue", "code": "custom",
            "field": "body", "message": "was submitted too quickly"}]});
        let fault = Fault::new(answer(422, &[], &said.to_string())).on("POST", "/comments");
        ivan.github().front().fault(fault);
        let queued = ivan.says(ANA, "comment on #2: shipped").answers().await;
        queued.begins("… ");
        drop(queued);
        let (_, operations) = ivan.http("GET", "/status", None).await;
        assert_eq!(operations["queued_operations"], 1);
        let wait: i64 = ivan.sql("SELECT max(not_before_ms) - max(created_ms) FROM operations");
        assert!((60_000..=130_000).contains(&wait), "{wait} ms");
        ivan.github().issue(REPO, 2).has_comments([]);
        // The stored pause would outlast this test: the story lets the minute pass.
        ivan.within("the pause is kept", async {
            while ivan.sql::<i64>("SELECT count(*) FROM pauses WHERE source = 'github'") == 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
        ivan.kill().await;
        ivan.store().execute("DELETE FROM pauses", []).unwrap();
        ivan.start().await;
        ivan.answer(ANA, 0).settles().await.begins(COMMENTED);
        ivan.github().issue(REPO, 2).has_comments(["shipped"]);
    })
    .await;
}
