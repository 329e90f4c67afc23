//! Parts of a Slack message besides its text: an alert, a forwarded message, a picture, a text turned into a file.

use ivan::sandbox::Sandbox;
use ivan::sandbox::fault_server::{Fault, FaultKind, RequestRecord};
use ivan::sandbox::slack::SandboxSlack;
use rstest::rstest;
use serde_json::{Value, json};

use crate::harness::*;

const GENERAL: &str = "C0GEN01";
const SHARED: &str = "https://acme.slack.com/archives/C0GEN01/p1763800000123459";
const PICTURE: &str = "https://acme.slack.com/files/U0ANN01/F0FILE1/shot.png";

fn one_issue() -> Setup {
    Setup::new().github_issues([json!({"title": "Login fails", "assignees": ["ana"]})])
}

fn forwarded() -> Value {
    json!({"attachments": [{"is_share": true, "is_msg_unfurl": true, "author_name": "Bo", "from_url": SHARED,
        "text": "Login is broken since noon\nask <@U0BOB01> &amp; co", "fallback": "…"}]})
}

fn file(changes: Value) -> Value {
    let mut file =
        json!({"id": "F0FILE1", "name": "shot.png", "mode": "hosted", "permalink": PICTURE});
    for (key, value) in changes.as_object().unwrap() {
        file[key] = value.clone();
    }
    json!({"subtype": "file_share", "files": [file]})
}

/// Ana sends a message with further fields in her DM.
fn says<'a>(ivan: &'a Ivan, text: &str, fields: Value) -> Asked<'a> {
    ivan.hears(ANA, |slack: &SandboxSlack, dm| {
        slack.says_with(ANA, dm, text, fields)
    })
}

#[rstest]
#[case::alert(json!({"attachments": [{"title": "[FIRING] disk full", "title_link": "https://alerts.example/1",
    "text": "db-1 at 97 %", "fallback": "disk"}]}),
    "[FIRING] disk full", "[FIRING] disk full\nhttps://alerts.example/1\ndb-1 at 97 %")]
#[case::blocks(json!({"blocks": [{"type": "header", "text": {"type": "plain_text", "text": "Deploy failed"}},
    {"type": "section", "text": {"type": "mrkdwn", "text": "of <https://ci.example/7|build 7>"}}]}),
    "Deploy failed", "Deploy failed\nof build 7 (https://ci.example/7)")]
#[case::picture(file(json!({})), "shot.png", "shot.png: https://acme.slack.com/files/U0ANN01/F0FILE1/shot.png")]
#[case::picture_without_a_name(file(json!({"name": ""})), PICTURE, "")]
#[case::picture_with_a_mention(file(json!({"name": "for @bo.png"})), "for @\u{2060}bo.png",
    "for @\u{2060}bo.png: https://acme.slack.com/files/U0ANN01/F0FILE1/shot.png")]
#[case::forwarded(json!({"attachments": [{"is_share": true, "is_msg_unfurl": true, "author_name": "Bo", "from_url": SHARED,
    "text": "Login is broken\nsince noon"}]}), "Login is broken",
    "Login is broken\nsince noon\nhttps://acme.slack.com/archives/C0GEN01/p1763800000123459")]
#[case::forwarded_alert(json!({"attachments": [{"is_share": true, "is_msg_unfurl": true, "from_url": SHARED, "text": "Alert",
    "message_blocks": [{"team": "T0TEAM1", "channel": "C0GEN01", "ts": "1763800000.123459", "message": {"blocks": [
        {"type": "header", "text": {"type": "plain_text", "text": "[FIRING] disk full"}},
        {"type": "section", "text": {"type": "mrkdwn", "text": "db-1 at 97 %"}}]}}]}]}),
    "[FIRING] disk full", "[FIRING] disk full\ndb-1 at 97 %\nhttps://acme.slack.com/archives/C0GEN01/p1763800000123459")]
#[tokio::test]
async fn a_form_from_a_message_holds_what_people_see_of_it(
    #[case] fields: Value,
    #[case] title: &str,
    #[case] description: &str,
) {
    ivan_test(Setup::new(), async |ivan| {
        let ts = ivan.slack().says_with(BO, GENERAL, "", fields);
        ivan.slack()
            .message_action(ANA, GENERAL, &ts, "create_task");
        let form = ivan.form(1).await;
        assert_eq!(form.holds("title"), title);
        assert_eq!(form.holds("description"), description);
    })
    .await;
}

/// A hundred forwarded messages, each of which mentions ten people.
#[tokio::test]
async fn of_much_that_is_forwarded_some_people_are_looked_up() {
    ivan_test(one_issue(), async |ivan| {
        let shared = |piece: usize| {
            let ids = (0..10).map(|n| format!("<@U0P{piece:03}{n}>"));
            let text = ids.collect::<Vec<_>>().join(" ");
            json!({"is_share": true, "is_msg_unfurl": true, "author_name": "Bo", "from_url": SHARED, "text": text})
        };
        let attachments: Vec<Value> = (0..100).map(shared).collect();
        says(ivan, "create Fix this -s github", json!({"attachments": attachments}))
            .settles()
            .await
            .begins("✓ Issue created in GitHub: Fix this");
        let journal = ivan.slack().front().journal();
        let strangers = journal
            .iter()
            .filter(|seen| seen.is("GET", "users.info") && seen.query.contains("U0P"));
        let strangers = strangers.count();
        assert!(strangers <= 10, "{strangers} people were looked up");
    })
    .await;
}

#[tokio::test]
async fn what_is_forwarded_with_a_command_goes_where_its_text_goes() {
    ivan_test(one_issue(), async |ivan| {
        says(ivan, "create Fix this -s github", forwarded())
            .settles()
            .await
            .replies("✓ Issue created in GitHub: Fix this (acme/widgets#2)");
        let body = ivan.github().issue(REPO, 2).json()["body"].as_str().unwrap().to_owned();
        let wanted = format!("> Login is broken since noon\n> ask @\u{2060}bo & co\n\n— Bo, {SHARED}");
        assert!(body.starts_with(&wanted), "{body}");
        says(ivan, "comment on #1: the same?", forwarded())
            .settles()
            .await
            .replies("✓ Comment added in GitHub: Login fails");
        let comments = ivan.github().issue(REPO, 1).comments();
        assert!(comments[0].starts_with("the same?\n> Login is broken since noon"), "{comments:?}");
        assert!(comments[0].contains(SHARED), "{comments:?}");
        // A pasted link unfolds, and is in the text already.
        let unfolded = json!({"attachments": [{"from_url": SHARED, "is_msg_unfurl": true, "text": "Login is broken"}]});
        says(ivan, "comment on #1: see above", unfolded)
            .settles()
            .await
            .begins("✓ ");
        let comments = ivan.github().issue(REPO, 1).comments();
        assert_eq!(comments[1], "see above");
        // Without a command the intent is unclear.
        says(ivan, "", forwarded())
            .settles()
            .await
            .begins("✗ This is a forwarded message without a command");
    })
    .await;
}

const OPENS: &str = "(it opens for people who can see it in Slack)";

#[tokio::test]
async fn a_picture_goes_along_as_a_link() {
    ivan_test(one_issue(), async |ivan| {
        let link = format!("[shot.png]({PICTURE})");
        for (typed, comment, said) in [
            (
                "comment on #1: see the picture",
                format!("see the picture\n\n{link}"),
                "Comment added in GitHub: Login fails, with a link to shot.png",
            ),
            (
                "comment on #1:",
                link.clone(),
                "Comment added in GitHub: Login fails, with a link to shot.png",
            ),
            (
                "done #1 -c > so",
                format!("> so\n\n{link}"),
                "Issue closed in GitHub: Login fails, with your comment and a link to shot.png",
            ),
        ] {
            says(ivan, typed, file(json!({})))
                .settles()
                .await
                .begins(&format!("✓ {said} {OPENS}"));
            let comments = ivan.github().issue(REPO, 1).comments();
            assert_eq!(comments.last(), Some(&comment));
        }
        says(
            ivan,
            "create Fix logout\nIt hangs",
            file(json!({"name": "a_[b](c)* @bo.png"})),
        )
        .settles()
        .await
        .replies(&format!(
            "✓ Task created in ClickUp: Fix logout, with a link to aˍ[b](c)∗ @bo.png {OPENS}. aˍ[b](c)∗ @bo.png is not \
             attached in ClickUp, so only the link stands. Slack doesn't give it to me (file_not_found)."
        ));
        let made = ivan.clickup().task("Fix logout").json();
        let plain = format!("It hangs\na_[b](c)* @\u{2060}bo.png: {PICTURE}");
        assert_eq!(
            made["description"].as_str().map(str::trim_end),
            Some(plain.as_str())
        );
        says(
            ivan,
            "create Fix it -s github",
            file(json!({"name": "a_[b](c)* @bo.png"})),
        )
        .settles()
        .await
        .begins("✓ Issue created in GitHub: Fix it (acme/widgets#2), with a link to ");
        let body = ivan.github().issue(REPO, 2).json()["body"]
            .as_str()
            .unwrap()
            .to_owned();
        let written = format!("[a\\_\\[b\\](c)\\* @\u{2060}bo.png]({PICTURE})");
        assert!(body.starts_with(&written), "{body}");
    })
    .await;
}

/// Several files, in a channel and in a thread there. Names and addresses are those of Slack.
#[tokio::test]
async fn files_go_along_in_channels_and_threads() {
    ivan_test(one_issue(), async |ivan| {
        let slack = ivan.slack();
        let names = ["a.png", "b.pdf", "c.txt", "d.csv"];
        let shares = |text: &str, thread: Option<&str>| {
            slack.try_shares(ANA, GENERAL, &names, text, thread).unwrap()
        };
        let told = async |root: &str, count: usize| {
            let is_told = |slack: &SandboxSlack| {
                let said = slack.replies_to(GENERAL, root);
                said.len() >= count && said.iter().all(|one| !one.text.starts_with('…'))
            };
            ivan.within("it is answered in the thread", ivan.slack().until(is_told)).await;
            shown(&ivan.slack().replies_to(GENERAL, root)[count - 1].text)
        };
        let root = shares("create Fix login -s github", None);
        let said = told(&root, 1).await;
        assert_eq!(
            said,
            "✓ Issue created in GitHub: Fix login (acme/widgets#2), with links to a.png, b.pdf, c.txt and 1 more \
             (they open for people who can see them in Slack)"
        );
        let body = ivan.github().issue(REPO, 2).json()["body"].as_str().unwrap().to_owned();
        for name in names {
            let line = format!("[{name}](https://acme.slack.com/files/{ANA}/");
            assert_eq!(body.matches(&line).count(), 1, "{body}");
        }
        shares("<@U0BOT01> comment look here", Some(&root));
        let said = told(&root, 2).await;
        assert!(said.starts_with("✓ Comment added in GitHub: Fix login, with links to a.png"), "{said}");
        let comments = ivan.github().issue(REPO, 2).comments();
        assert!(comments[0].starts_with("look here\n\n[a.png]("), "{comments:?}");
        assert_eq!(comments[0].matches("](https://acme.slack.com/files/").count(), 4);
        // Without words it is answered with what to type.
        let alone = shares("<@U0BOT01>", None);
        let said = told(&alone, 1).await;
        assert!(said.starts_with("✗ These are files without a command. Add `create TITLE`"), "{said}");
    })
    .await;
}

#[tokio::test]
async fn what_is_not_taken_over_is_said() {
    ivan_test(one_issue(), async |ivan| {
        says(ivan, "done #1", file(json!({})))
            .settles()
            .await
            .begins("✓ Issue closed");
        ivan.is_told(ANA)
            .answers()
            .await
            .begins("The file `shot.png` was not used: this command takes no text");
        // Slack knows no such file.
        let unknown =
            file(json!({"name": null, "permalink": null, "file_access": "check_file_info"}));
        says(ivan, "comment on #1: look", unknown)
            .settles()
            .await
            .begins("✓ Comment added");
        ivan.is_told(ANA)
            .answers()
            .await
            .begins("The file `F0FILE1` was not added: Slack gives me no link");
        ivan.github().issue(REPO, 1).has_comments(["look"]);
    })
    .await;
}

/// A message shows a file of another workspace by its id: Slack is asked for the rest.
#[tokio::test]
async fn a_file_of_another_workspace_is_looked_up() {
    let setup = one_issue().before(|sandbox| sandbox.slack.files_are_foreign(true));
    ivan_test(setup, async |ivan| {
        ivan.hears(ANA, |slack, dm| {
            slack.shares_file(ANA, dm, "shot.png", "comment on #1: look")
        })
        .settles()
        .await
        .replies(&format!(
            "✓ Comment added in GitHub: Login fails, with a link to shot.png {OPENS}"
        ));
        let comments = ivan.github().issue(REPO, 1).comments();
        assert!(
            comments[0].starts_with("look\n\n[shot.png](https://acme.slack.com/files/"),
            "{comments:?}"
        );
        // A file without a command is named as well.
        ivan.hears(ANA, |slack, dm| slack.shares_file(ANA, dm, "plan.pdf", ""))
            .settles()
            .await
            .begins("✗ This is a file (`plan.pdf`) without a command");
    })
    .await;
}

/// Without `files:read` Slack shows ids only. The command acts, and the answer says what is missing.
#[tokio::test]
async fn without_the_scope_the_command_acts_and_the_answer_says_what_is_missing() {
    let setup = one_issue().before(|sandbox| sandbox.slack.revoke_scope("files:read"));
    ivan_test(setup, async |ivan| {
        for (typed, said) in [
            ("comment on #1: look", "✓ Comment added in GitHub: Login fails"),
            ("create Fix logout", "✓ Task created in ClickUp: Fix logout"),
        ] {
            ivan.hears(ANA, |slack, dm| slack.shares_file(ANA, dm, "shot.png", typed))
                .settles()
                .await
                .replies(said);
            let told = ivan.is_told(ANA).answers().await;
            told.begins("The file `F0");
            told.mentions("was not added: Slack gave me no link, and I may not ask for it. To add the scope `files:read` to the Slack app's manifest");
        }
        ivan.github().issue(REPO, 1).has_comments(["look"]);
        ivan.hears(ANA, |slack, dm| slack.shares_file(ANA, dm, "shot.png", "comment on #1:"))
            .settles()
            .await
            .mentions("files:read");
        let status = ivan.dm(ANA, "status").await;
        status.mentions("Off without the Slack scope files:read: ");
    })
    .await;
}

/// The links are part of the text that is searched for after a lost answer, and after a kill.
#[rstest]
#[tokio::test]
async fn a_comment_with_a_link_is_found_after_a_lost_answer(
    #[values(false, true)] on_github: bool,
    #[values(false, true)] killed: bool,
) {
    let setup = one_issue().clickup_tasks([json!({"name": "Renew cert"})]);
    ivan_test(setup, async |ivan| {
        let task = ivan.clickup().task("Renew cert").id().to_owned();
        let (front, path, asked) = match on_github {
            true => (
                ivan.github().front(),
                "/issues/1/comments".to_owned(),
                "#1".to_owned(),
            ),
            false => (
                ivan.clickup().front(),
                format!("/task/{task}/comment"),
                format!("clickup:{task}"),
            ),
        };
        let front = front.clone();
        let what = match killed {
            true => FaultKind::ApplyThenHang,
            false => FaultKind::ApplyThenDrop,
        };
        front.fault(Fault::new(what).on("POST", &path));
        let text = format!("comment on {asked}: see there");
        ivan.hears(ANA, |slack, dm| {
            slack.shares_file(ANA, dm, "shot.png", &text)
        });
        if killed {
            let is_applied = |seen: &[RequestRecord]| {
                let mut posts = seen.iter().filter(|one| one.method == "POST");
                posts.any(|one| one.applied && one.path.ends_with(&path))
            };
            ivan.within("it is applied", front.until(is_applied)).await;
            ivan.kill_and_restart().await;
        }
        let told = ivan.answer(ANA, 0).settles().await;
        told.begins("✓ Comment added in ");
        told.mentions(", with a link to shot.png (it opens for");
        let copied = told
            .text()
            .ends_with("shot.png is attached in ClickUp, too.");
        assert_eq!(copied, !on_github, "{}", told.text());
        let (comments, link) = match on_github {
            true => (ivan.github().issue(REPO, 1).comments(), "\n\n[shot.png]("),
            false => (ivan.clickup().task("Renew cert").comments(), "\nshot.png: "),
        };
        let begin = format!("see there{link}https://acme.slack.com/files/{ANA}/");
        assert_eq!(comments.len(), 1, "{comments:?}");
        assert!(comments[0].starts_with(&begin), "{comments:?}");
    })
    .await;
}

// ------------------------------------------------------------ copies in ClickUp

const CONTENT: &str = "The content of shot.png.\n";
const COPIED: &str = "shot.png is attached in ClickUp, too.";

fn one_task() -> Setup {
    Setup::new().clickup_tasks([json!({"name": "Renew cert"})])
}

fn shares<'a>(ivan: &'a Ivan, text: &str) -> Asked<'a> {
    ivan.hears(ANA, |slack, dm| {
        slack.shares_file(ANA, dm, "shot.png", text)
    })
}

/// The attachment that a message with the file leaves.
fn the_copy() -> Vec<(String, u64)> {
    vec![("shot.png".to_owned(), CONTENT.len() as u64)]
}

#[tokio::test]
async fn a_file_is_copied_to_clickup_beside_its_link() {
    ivan_test(one_task(), async |ivan| {
        shares(ivan, "create Fix login")
            .settles()
            .await
            .replies(&format!(
                "✓ Task created in ClickUp: Fix login, with a link to shot.png {OPENS}. {COPIED}"
            ));
        assert_eq!(ivan.clickup().task("Fix login").attachments(), the_copy());
        let task = ivan.clickup().task("Renew cert").id().to_owned();
        shares(ivan, &format!("done clickup:{task} -c see there"))
            .settles()
            .await
            .begins(&format!(
                "✓ Task completed in ClickUp: Renew cert, with your comment and a link to shot.png {OPENS}. {COPIED}"
            ));
        assert_eq!(ivan.clickup().task("Renew cert").attachments(), the_copy());
        // The task goes with its file.
        shares(ivan, "create Fix logout").settles().await.begins("✓ ");
        ivan.says(ANA, "undo")
            .settles()
            .await
            .begins("✓ Undone: Fix logout was deleted");
    })
    .await;
}

/// The copy of a comment's file stays when the comment is deleted, and then goes with the task.
#[tokio::test]
async fn a_task_goes_with_the_copies_of_its_comments() {
    ivan_test(one_task(), async |ivan| {
        ivan.dm(ANA, "create Fix login").await.begins("✓ ");
        let task = ivan.clickup().task("Fix login").id().to_owned();
        shares(ivan, &format!("comment on clickup:{task}: see there"))
            .settles()
            .await
            .mentions(COPIED);
        for undone in [
            "✓ Undone: your comment on Fix login",
            "✓ Undone: Fix login was deleted",
        ] {
            ivan.says(ANA, "undo").settles().await.begins(undone);
        }
    })
    .await;
}

/// No program can take an attachment away, and `undo` of its comment says so.
#[rstest]
#[case::a_comment("comment on REF: see there", " was deleted in ClickUp")]
#[case::with_a_completion("done REF -c see there", ", and your comment was deleted")]
#[tokio::test]
async fn an_undone_comment_leaves_the_copy(#[case] typed: &str, #[case] undone: &str) {
    ivan_test(one_task(), async |ivan| {
        let task = ivan.clickup().task("Renew cert").id().to_owned();
        let text = typed.replace("REF", &format!("clickup:{task}"));
        shares(ivan, &text).settles().await.mentions(COPIED);
        let told = ivan.says(ANA, "undo").settles().await.text();
        assert!(
            told.starts_with("✓ Undone: ")
                && told.ends_with(&format!("{undone}. shot.png stays attached")),
            "{told}"
        );
        let task = ivan.clickup().task("Renew cert");
        assert_eq!(task.comments(), Vec::<String>::new());
        assert_eq!(task.attachments(), the_copy());
    })
    .await;
}

/// Each way in which ClickUp may lose the answer, and the daemon its life.
#[rstest]
#[case::applied_and_dropped(FaultKind::ApplyThenDrop, false)]
#[case::dropped(FaultKind::Drop, false)]
#[case::overloaded(FaultKind::answer(503, "{}"), false)]
#[case::applied_and_a_proxy_answers(FaultKind::ApplyThenAnswer { status: 502, headers: Vec::new(), body: "<html>".into() }, false)]
#[case::killed_while_it_is_sent(FaultKind::Hang, true)]
#[case::killed_when_it_is_applied(FaultKind::ApplyThenHang, true)]
#[tokio::test]
async fn a_file_is_copied_once(#[case] what: FaultKind, #[case] killed: bool) {
    ivan_test(one_task(), async |ivan| {
        let front = ivan.clickup().front().clone();
        front.fault(Fault::new(what.clone()).on("POST", "/attachment"));
        let task = ivan.clickup().task("Renew cert").id().to_owned();
        shares(ivan, &format!("comment on clickup:{task}: see there"));
        if killed {
            let applies = matches!(what, FaultKind::ApplyThenHang);
            let is_sent = |seen: &[RequestRecord]| {
                let mut posts = seen.iter().filter(|one| one.path.ends_with("/attachment"));
                posts.any(|one| one.applied == applies)
            };
            ivan.within("it is sent", front.until(is_sent)).await;
            ivan.kill_and_restart().await;
        }
        let told = ivan.answer(ANA, 0).settles().await;
        told.begins("✓ Comment added in ClickUp: Renew cert, with a link to shot.png");
        told.mentions(COPIED);
        let task = ivan.clickup().task("Renew cert");
        assert_eq!(task.attachments(), the_copy());
        assert_eq!(task.comments().len(), 1);
    })
    .await;
}

fn too_large(sandbox: &Sandbox) {
    sandbox.slack.files_have_size(Some(30 << 20));
}

fn no_room(sandbox: &Sandbox) {
    sandbox.clickup.storage_is_full(true);
}

/// Slack answers the download with this.
fn sends(sandbox: &Sandbox, status: u16, kind: &str, body: &str) {
    let what = FaultKind::Answer {
        status,
        headers: vec![("content-type".to_owned(), kind.to_owned())],
        body: body.to_owned(),
    };
    let fault = Fault::new(what).on("GET", "/files-pri/");
    sandbox.slack.front().fault(fault);
}

fn a_page(sandbox: &Sandbox) {
    sends(sandbox, 200, "text/html", "<html>");
}

fn another_content(sandbox: &Sandbox) {
    sends(sandbox, 200, "image/png", "x");
}

fn gone(sandbox: &Sandbox) {
    sends(sandbox, 404, "text/plain", "");
}

/// The text and its link stand, and the answer says why the file is not there.
#[rstest]
#[case::too_large(too_large, "It is larger than 20 MB.")]
#[case::no_room(no_room, "Storage limit exceeded")]
#[case::a_page(a_page, "It needs the scope files:read")]
#[case::another_content(another_content, "It has changed in Slack since.")]
#[case::gone(gone, "Slack doesn't send it (HTTP 404).")]
#[tokio::test]
async fn a_file_that_is_not_copied_keeps_its_link(#[case] before: fn(&Sandbox), #[case] why: &str) {
    ivan_test(one_task().before(before), async |ivan| {
        let task = ivan.clickup().task("Renew cert").id().to_owned();
        let told = shares(ivan, &format!("comment on clickup:{task}: see there"))
            .settles()
            .await;
        told.begins("✓ Comment added in ClickUp: Renew cert, with a link to shot.png");
        told.mentions("shot.png is not attached in ClickUp, so only the link stands. ");
        told.mentions(why);
        let task = ivan.clickup().task("Renew cert");
        assert_eq!((task.attachments().len(), task.comments().len()), (0, 1));
    })
    .await;
}

/// A transfer that is held when the daemon stops ends with it, and the next start copies the file, once.
#[rstest]
#[case::the_download(true, FaultKind::Hang)]
#[case::the_upload(false, FaultKind::Hang)]
#[case::an_applied_upload(false, FaultKind::ApplyThenHang)]
#[tokio::test]
async fn a_held_transfer_ends_with_the_daemon(#[case] downloads: bool, #[case] what: FaultKind) {
    ivan_test(one_task(), async |ivan| {
        let (front, method, path) = match downloads {
            true => (ivan.slack().front().clone(), "GET", "/files-pri/"),
            false => (ivan.clickup().front().clone(), "POST", "/attachment"),
        };
        front.fault(Fault::new(what.clone()).on(method, path));
        let task = ivan.clickup().task("Renew cert").id().to_owned();
        shares(ivan, &format!("comment on clickup:{task}: see there"));
        let applies = matches!(what, FaultKind::ApplyThenHang);
        let is_held = |seen: &[RequestRecord]| {
            let mut asked = seen.iter().filter(|one| one.path.contains(path));
            asked.any(|one| one.method == method && one.applied == applies)
        };
        ivan.within("it is held", front.until(is_held)).await;
        let begun = std::time::Instant::now();
        assert!(ivan.stop().await.success());
        let took = begun.elapsed();
        assert!(took < std::time::Duration::from_secs(5), "{took:?}");
        let logged = ivan.logs_of_all();
        assert!(!logged.contains("stopped before everything"), "{logged}");
        assert!(
            logged.contains("file cut off by the end of the daemon"),
            "{logged}"
        );
        ivan.start().await;
        let told = ivan.answer(ANA, 0).settles().await;
        told.begins("✓ Comment added in ClickUp: Renew cert, with a link to shot.png");
        told.mentions(COPIED);
        let task = ivan.clickup().task("Renew cert");
        assert_eq!(task.attachments(), the_copy());
        assert_eq!(task.comments().len(), 1);
    })
    .await;
}

/// A download that fails for a while is tried again.
#[tokio::test]
async fn a_download_is_tried_three_times() {
    ivan_test(one_task(), async |ivan| {
        let fails = Fault::new(FaultKind::answer(503, "")).on("GET", "/files-pri/");
        ivan.slack().front().fault(fails.times(2));
        shares(ivan, "create Fix login")
            .settles()
            .await
            .mentions(COPIED);
        assert_eq!(ivan.clickup().task("Fix login").attachments(), the_copy());
    })
    .await;
}

#[rstest]
#[case::snippet(json!({"mode": "snippet", "name": "paste.txt"}), "✗ Slack turned your long text into a file (`paste.txt`)")]
#[case::picture(json!({}), "✗ This is a file (`shot.png`) without a command")]
#[tokio::test]
async fn a_file_without_a_command_is_named(#[case] changes: Value, #[case] said: &str) {
    ivan_test(one_issue(), async |ivan| {
        says(ivan, "", file(changes)).settles().await.begins(said);
    })
    .await;
}

/// A picture alone counts as a comment where replies in a task's thread do, in channels as well.
#[tokio::test]
async fn a_picture_alone_in_the_thread_of_a_task_is_a_comment() {
    let setup = one_issue().config("slack.thread_replies = \"comment\"");
    ivan_test(setup, async |ivan| {
        let made = ivan.says_in("general", ANA, "create Fix login -s github");
        let root = made.ts.clone();
        made.settles().await.begins("✓ Issue created in GitHub");
        let mut fields = file(json!({}));
        fields["thread_ts"] = json!(root);
        let ts = ivan.slack().says_with(ANA, GENERAL, "", fields);
        ivan.carries(GENERAL, &ts, &["white_check_mark"]).await;
        let link = format!("[shot.png]({PICTURE})");
        ivan.github().issue(REPO, 2).has_comments([link.as_str()]);
        let card = ivan.dm(ANA, "current").await.ts();
        let mut fields = file(json!({}));
        fields["thread_ts"] = json!(card);
        let dm = ivan.slack().dm(ANA);
        let ts = ivan.slack().says_with(ANA, &dm, "", fields);
        ivan.carries(&dm, &ts, &["white_check_mark"]).await;
        ivan.github().issue(REPO, 1).has_comments([link.as_str()]);
    })
    .await;
}
