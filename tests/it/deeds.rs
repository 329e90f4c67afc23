//! Ivan's six writes, each on a task of its own, so that a story can break all of them at once.
//!
//! Each has a lane of its own and needs no pin, so none waits for another.

use ivan::sandbox::fault_server::{Fault, FaultKind, FaultServer, RequestRecord};
use serde_json::json;

use crate::harness::*;

/// One write: its command, its request, and the count of its effects.
#[derive(Debug, Clone, Copy)]
pub struct Deed {
    typed: &'static str,
    on_clickup: bool,
    method: &'static str,
    /// A part of its request's path. No other deed's path after it in [`DEEDS`] contains it.
    path: &'static str,
    /// The beginning of its answer after success.
    said: &'static str,
    effects: fn(&Ivan) -> usize,
}

/// A request that matches two of them belongs to the first.
pub const DEEDS: [Deed; 6] = [
    Deed {
        typed: "comment on clickup:{Write the runbook}: shipped",
        on_clickup: true,
        method: "POST",
        path: "/comment",
        said: "✓ Comment added in ClickUp: Write the runbook",
        effects: |ivan| {
            let comments = ivan.clickup().task("Write the runbook").comments();
            comments.iter().filter(|text| *text == "shipped").count()
        },
    },
    Deed {
        typed: "done clickup:{Renew cert}",
        on_clickup: true,
        method: "PUT",
        path: "/task/",
        said: "✓ Task completed in ClickUp: Renew cert",
        effects: |ivan| {
            ivan.clickup().task("Renew cert").is("complete");
            applied(ivan.clickup().front(), "PUT", "/task/")
        },
    },
    Deed {
        typed: "create Buy milk",
        on_clickup: true,
        method: "POST",
        path: "/list/",
        said: "✓ Task created in ClickUp: Buy milk",
        effects: |ivan| ivan.clickup().tasks_named("Buy milk").len(),
    },
    Deed {
        typed: "comment on #2: shipped",
        on_clickup: false,
        method: "POST",
        path: "/issues/2/comments",
        said: "✓ Comment added in GitHub: Update the docs",
        effects: |ivan| {
            let comments = ivan.github().issue(REPO, 2).comments();
            comments.iter().filter(|text| *text == "shipped").count()
        },
    },
    Deed {
        typed: "done #1",
        on_clickup: false,
        method: "PATCH",
        path: "/issues/1",
        said: "✓ Issue closed in GitHub: Login fails",
        effects: |ivan| {
            ivan.github().issue(REPO, 1).is("closed");
            applied(ivan.github().front(), "PATCH", "/issues/1")
        },
    },
    Deed {
        typed: "create Fix login -s github",
        on_clickup: false,
        method: "POST",
        path: "/issues",
        said: "✓ Issue created in GitHub: Fix login (acme/widgets#",
        effects: |ivan| ivan.github().issues_titled(REPO, "Fix login").len(),
    },
];

/// The tasks for the deeds, and one that stays open.
pub fn six_deeds() -> Setup {
    Setup::new()
        .clickup_tasks([
            json!({"name": "Write the runbook"}),
            json!({"name": "Renew cert"}),
        ])
        .github_issues([
            json!({"title": "Login fails"}),
            json!({"title": "Update the docs"}),
        ])
}

fn applied(front: &FaultServer, method: &str, path: &str) -> usize {
    let seen = front.journal();
    let applied = seen.iter().filter(|one| one.applied);
    applied.filter(|one| one.is(method, path)).count()
}

impl Deed {
    pub fn front<'a>(&self, ivan: &'a Ivan) -> &'a FaultServer {
        if self.on_clickup {
            ivan.clickup().front()
        } else {
            ivan.github().front()
        }
    }

    /// The next write of this deed meets this fault.
    pub fn goes_wrong(&self, ivan: &Ivan, what: FaultKind) {
        self.front(ivan)
            .fault(Fault::new(what).on(self.method, self.path));
    }

    /// Ana types its command.
    pub fn is_typed<'a>(&self, ivan: &'a Ivan) -> Asked<'a> {
        let typed = match self.typed.split_once('{') {
            Some((before, rest)) => {
                let (name, after) = rest.split_once('}').expect("a name ends");
                format!("{before}{}{after}", ivan.clickup().task(name).id())
            }
            None => self.typed.to_owned(),
        };
        ivan.says(ANA, &typed)
    }

    fn is_mine(&self, seen: &RequestRecord) -> bool {
        let first = DEEDS
            .iter()
            .filter(|deed| deed.on_clickup == self.on_clickup)
            .find(|deed| seen.is(deed.method, deed.path));
        first.is_some_and(|deed| deed.typed == self.typed)
    }

    /// Waits until its write has arrived, with any outcome.
    pub async fn arrives(&self, ivan: &Ivan) {
        let arrived = self
            .front(ivan)
            .until(|seen| seen.iter().any(|one| self.is_mine(one)));
        ivan.within("it arrives", arrived).await;
    }

    /// Waits until its write was applied.
    pub async fn is_applied(&self, ivan: &Ivan) {
        let applied = self
            .front(ivan)
            .until(|seen| seen.iter().any(|one| one.applied && self.is_mine(one)));
        ivan.within("it is applied", applied).await;
    }

    /// Waits for the outcome in the DM's answer number `place`, which must be success with exactly one effect.
    #[track_caller]
    pub fn happens_once<'a>(
        &'a self,
        ivan: &'a Ivan,
        place: usize,
    ) -> impl Future<Output = Answer<'a>> + 'a {
        let settled = ivan.answer(ANA, place).settles();
        async move {
            let answer = settled.await;
            answer.begins(self.said);
            assert_eq!((self.effects)(ivan), 1, "effects of `{}`", self.typed);
            answer
        }
    }
}

/// Ana types all six.
pub fn all_are_typed(ivan: &Ivan) {
    for deed in &DEEDS {
        deed.is_typed(ivan);
    }
}

/// All six have had their effect once, and Ana has their answers.
pub async fn all_happen_once(ivan: &Ivan) {
    for (place, deed) in DEEDS.iter().enumerate() {
        deed.happens_once(ivan, place).await;
    }
}
