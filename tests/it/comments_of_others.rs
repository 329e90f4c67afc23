//! Comments by others reach the people concerned once: by webhook, or by a poll where that was lost, never by both.

use ivan::sandbox::fault_server::{Fault, FaultKind};
use rstest::rstest;
use serde_json::{Value, json};

use crate::harness::*;

/// One of the two sources, and its first task, which is current.
#[derive(Clone, Copy)]
struct At {
    setup: fn() -> Setup,
    title: &'static str,
    source: &'static str,
}

const CLICKUP: At = At {
    setup: two_tasks,
    title: "Renew cert",
    source: "clickup",
};
const GITHUB: At = At {
    setup: two_issues,
    title: "Login fails",
    source: "github",
};

impl At {
    fn is_clickup(self) -> bool {
        self.source == "clickup"
    }

    /// Bo comments on the first task; returns the comment's id.
    fn comments(self, ivan: &Ivan, text: &str) -> String {
        match self.is_clickup() {
            true => ivan.clickup().comment_by(self.title, BO_CLICKUP, text),
            false => ivan.github().comment_as(REPO, 1, "bo", text).to_string(),
        }
    }

    fn edits(self, ivan: &Ivan, comment: &str, text: &str) {
        match self.is_clickup() {
            true => ivan.clickup().edit_comment(comment, BO_CLICKUP, text),
            false => ivan
                .github()
                .edit_comment_as(comment.parse().unwrap(), "bo", text),
        }
    }

    fn loses(self, ivan: &Ivan, deliveries: u32) {
        match self.is_clickup() {
            true => ivan.clickup().lose_next(deliveries),
            false => ivan.github().lose_next(deliveries),
        }
    }

    fn holds(self, ivan: &Ivan) {
        match self.is_clickup() {
            true => ivan.clickup().hold(),
            false => ivan.github().hold(),
        }
    }

    fn releases(self, ivan: &Ivan) {
        match self.is_clickup() {
            true => ivan.clickup().release(),
            false => ivan.github().release(),
        }
    }

    /// The text of the notice.
    fn said(self, text: &str) -> String {
        let (who, where_to) = match self.is_clickup() {
            true => ("Bo", "ClickUp"),
            false => ("bo", "GitHub"),
        };
        format!("{who} commented on {} in {where_to}: “{text}”", self.title)
    }
}

/// No further notice follows: a second one would be in the same message. The answer to Ana's question comes after all
/// of them.
async fn and_no_more(ivan: &Ivan, notice: &Answer<'_>, words: &str) {
    ivan.dm(ANA, "status").await;
    let text = notice.text();
    assert_eq!(text.matches("commented on").count(), 1, "{text}");
    assert!(text.contains(words), "{text}");
}

#[rstest]
#[case(CLICKUP)]
#[case(GITHUB)]
#[tokio::test]
async fn a_comment_whose_webhook_is_lost_is_told_by_the_next_poll(#[case] at: At) {
    ivan_test((at.setup)().webhooks(), async |ivan| {
        ivan.hook_up();
        ivan.dm(ANA, "current").await.mentions(at.title);
        at.loses(ivan, 10);
        at.comments(ivan, "Seen on 17.4 too");
        ivan.until_deliveries_are_applied().await;
        at.loses(ivan, 0);
        ivan.sync().await;
        let notice = ivan.is_told(ANA).answers().await;
        ivan.sync().await;
        and_no_more(ivan, &notice, &at.said("Seen on 17.4 too")).await;
    })
    .await;
}

#[rstest]
#[case(CLICKUP)]
#[case(GITHUB)]
#[tokio::test]
async fn a_comment_that_a_webhook_told_of_is_not_told_by_a_poll(#[case] at: At) {
    ivan_test((at.setup)().webhooks(), async |ivan| {
        ivan.hook_up();
        ivan.dm(ANA, "current").await.mentions(at.title);
        at.comments(ivan, "Seen on 17.4 too");
        let notice = ivan.is_told(ANA).answers().await;
        ivan.until_deliveries_are_applied().await;
        ivan.sync().await;
        and_no_more(ivan, &notice, &at.said("Seen on 17.4 too")).await;
    })
    .await;
}

#[rstest]
#[case(CLICKUP)]
#[case(GITHUB)]
#[tokio::test]
async fn a_comment_that_a_poll_told_of_is_not_told_by_a_late_webhook(#[case] at: At) {
    ivan_test((at.setup)().webhooks(), async |ivan| {
        ivan.hook_up();
        ivan.dm(ANA, "current").await.mentions(at.title);
        at.holds(ivan);
        at.comments(ivan, "Seen on 17.4 too");
        ivan.sync().await;
        let notice = ivan.is_told(ANA).answers().await;
        at.releases(ivan);
        ivan.until_deliveries_are_applied().await;
        assert!(ivan.sql::<i64>("SELECT count(*) FROM deliveries") > 0);
        and_no_more(ivan, &notice, &at.said("Seen on 17.4 too")).await;
    })
    .await;
}

#[rstest]
#[case(CLICKUP)]
#[case(GITHUB)]
#[tokio::test]
async fn the_first_start_tells_no_old_comments_and_then_tells_new_ones(#[case] at: At) {
    // Ana can be told from the first moment on: her Slack id is known.
    let setup = Setup::new()
        .people()
        .clickup_tasks([json!({"name": "Renew cert", "assignees": [ANA_CLICKUP]})])
        .github_issues([
            json!({"title": "Login fails", "assignees": ["ana"], "labels": ["client"]}),
        ]);
    let mut ivan = setup.start().await;
    let old = at.comments(&ivan, "long ago");
    at.comments(&ivan, "of this very second");
    ivan.start().await;
    ivan.dm(ANA, "status").await;
    ivan.sync().await;
    at.edits(&ivan, &old, "long ago, and better said now");
    ivan.sync().await;
    ivan.dm(ANA, "status").await;
    at.comments(&ivan, "Seen on 17.4 too");
    ivan.sync().await;
    let notice = ivan.is_told(ANA).answers().await;
    ivan.sync().await;
    and_no_more(&ivan, &notice, &at.said("Seen on 17.4 too")).await;
    ivan.finish().await;
}

#[rstest]
#[case(CLICKUP)]
#[case(GITHUB)]
#[tokio::test]
async fn an_edited_comment_is_not_told_again(#[case] at: At) {
    ivan_test((at.setup)(), async |ivan| {
        ivan.dm(ANA, "current").await.mentions(at.title);
        let comment = at.comments(ivan, "Seen on 17.4 too");
        ivan.sync().await;
        let notice = ivan.is_told(ANA).answers().await;
        at.edits(ivan, &comment, "Seen on 17.5 too");
        ivan.sync().await;
        and_no_more(ivan, &notice, &at.said("Seen on 17.4 too")).await;
    })
    .await;
}

#[rstest]
#[case(CLICKUP)]
#[case(GITHUB)]
#[tokio::test]
async fn what_was_written_during_an_outage_is_told_once(#[case] at: At) {
    ivan_test((at.setup)(), async |ivan| {
        ivan.dm(ANA, "current").await.mentions(at.title);
        ivan.stop().await;
        at.comments(ivan, "Seen on 17.4 too");
        ivan.start().await;
        let _ = ivan.is_told(ANA);
        ivan.kill_and_restart().await;
        let notice = ivan.answer(ANA, 1).answers().await;
        ivan.sync().await;
        and_no_more(ivan, &notice, &at.said("Seen on 17.4 too")).await;
    })
    .await;
}

#[rstest]
#[case(CLICKUP)]
#[case(GITHUB)]
#[tokio::test]
async fn a_crash_between_the_poll_and_its_notice_loses_and_doubles_nothing(#[case] at: At) {
    ivan_test((at.setup)(), async |ivan| {
        ivan.dm(ANA, "current").await.mentions(at.title);
        let slack = ivan.slack().front();
        slack.fault(
            Fault::new(FaultKind::Hang)
                .on("POST", "chat.postMessage")
                .always(),
        );
        at.comments(ivan, "Seen on 17.4 too");
        ivan.sync().await;
        ivan.kill().await;
        ivan.slack().front().clear_faults();
        ivan.start().await;
        let notice = ivan.is_told(ANA).answers().await;
        ivan.sync().await;
        and_no_more(ivan, &notice, &at.said("Seen on 17.4 too")).await;
    })
    .await;
}

#[rstest]
#[case(CLICKUP)]
#[case(GITHUB)]
#[tokio::test]
async fn our_own_comments_are_told_to_nobody_by_a_poll(#[case] at: At) {
    ivan_test((at.setup)(), async |ivan| {
        ivan.dm(ANA, "current").await.mentions(at.title);
        ivan.dm(ANA, "comment on its way").await;
        ivan.sync().await;
        // The harness fails on an unexpected message.
        ivan.dm(ANA, "status").await;
    })
    .await;
}

#[rstest]
#[case(CLICKUP)]
#[case(GITHUB)]
#[tokio::test]
async fn what_somebody_writes_in_the_source_itself_is_told_to_others_only(#[case] at: At) {
    let setup = Setup::new()
        .people()
        .clickup_tasks([json!({"name": "Renew cert", "assignees": [ANA_CLICKUP, BO_CLICKUP]})])
        .github_issues([json!({"title": "Login fails", "assignees": ["ana", "bo"]})]);
    ivan_test(setup, async |ivan| {
        // They are told in the place where they have written to Ivan.
        ivan.dm(ANA, "status").await;
        ivan.dm(BO, "status").await;
        at.comments(ivan, "Seen on 17.4 too");
        ivan.sync().await;
        let notice = ivan.is_told(ANA).answers().await;
        ivan.dm(BO, "status").await;
        and_no_more(ivan, &notice, &at.said("Seen on 17.4 too")).await;
    })
    .await;
}

#[tokio::test]
async fn comments_on_pull_requests_are_not_ours() {
    let mut ivan = two_issues().start().await;
    let pull = ivan.github().add_pull_request(REPO, "Bump the widgets");
    ivan.github().comment_as(REPO, pull, "bo", "long ago");
    ivan.start().await;
    ivan.dm(ANA, "current").await.mentions("Login fails");
    ivan.github().comment_as(REPO, pull, "bo", "LGTM");
    GITHUB.comments(&ivan, "Seen on 17.4 too");
    ivan.github().comment_as(REPO, pull, "bo", "Merging");
    ivan.sync().await;
    let notice = ivan.is_told(ANA).answers().await;
    and_no_more(&ivan, &notice, &GITHUB.said("Seen on 17.4 too")).await;
    ivan.finish().await;
}

#[tokio::test]
async fn a_comment_is_activity_even_where_it_does_not_move_the_task() {
    ivan_test(two_tasks(), async |ivan| {
        let id = ivan.clickup().task("Write the runbook").id().to_owned();
        let path = format!("/tasks/clickup:{id}");
        let times = async || -> (Value, Value) {
            let (_, task) = ivan.http("GET", &path, None).await;
            (task["updated_at"].clone(), task["last_activity"].clone())
        };
        let (updated, active) = times().await;
        assert_eq!(updated, active);
        ivan.clickup().comment_by(&id, BO_CLICKUP, "on it");
        ivan.sync().await;
        // It concerns Ana, who stands for everyone here, but Ivan has no DM with her yet.
        let (still, active) = times().await;
        assert_eq!(updated, still);
        let active = active.as_str().unwrap().parse().unwrap();
        let commented = ivan.clickup().task(&id).commented_at().unwrap();
        assert_eq!(
            chrono::DateTime::<chrono::Utc>::timestamp_millis(&active),
            commented
        );
    })
    .await;
}

#[tokio::test]
async fn nothing_that_did_not_change_is_listed_anew() {
    ivan_test(two_issues(), async |ivan| {
        // There is no comment here: recent ones would be listed again, because a listing may be incomplete.
        ivan.sync().await;
        ivan.sync().await;
        let journal = ivan.github().front().journal();
        let listings = journal
            .iter()
            .filter(|seen| seen.is("GET", "/issues/comments") && seen.query.contains("since="));
        assert_eq!(listings.count(), 1);
    })
    .await;
}
