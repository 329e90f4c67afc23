//! Tasks that are made and deleted, with the deletion reported first: they must never be open.

use fastrand::Rng;
use rusqlite::Connection;
use serde_json::json;

use super::driver::Tally;
use super::history::{Step, System};
use crate::harness::{Ivan, REPO};

/// The title of such a task.
const TITLE: &str = "Typo";

/// Adds such tasks to half of the histories with webhooks, with its own random numbers, so that a seed's other steps
/// stay the same. Histories that could show such a task as the next one get none: a lost deletion leaves it open until
/// the next full walk.
pub fn strewn(seed: u64, hooks: bool, bare: bool, steps: &mut Vec<Step>) {
    let mut rng = Rng::with_seed(seed ^ 0x0601_e000);
    if !hooks || bare || rng.bool() {
        return;
    }
    for _ in 0..rng.usize(1..=3) {
        let system = [System::ClickUp, System::GitHub][rng.usize(..2)];
        let place = rng.usize(..=steps.len());
        steps.insert(place, Step::DeletesFirst(system));
    }
}

/// Makes one and deletes it; all held deliveries then arrive in reverse order.
pub fn first(ivan: &Ivan, system: System, tally: &Tally) {
    match system {
        System::ClickUp => {
            let clickup = ivan.clickup();
            clickup.hold();
            let id = clickup.add_task(json!({ "name": TITLE }));
            clickup.delete_task(&id);
            clickup.release_reversed();
        }
        _ => {
            let github = ivan.github();
            github.hold();
            let number = github.add_issue(REPO, json!({ "title": TITLE }));
            github.delete_issue(REPO, number);
            github.release_reversed();
        }
    }
    tally.fault(format!("{system:?}: deleted before opened"), 1);
}

/// The keys of tasks that are open although their deletion was delivered.
pub fn that_came_back(store: &Connection) -> Vec<String> {
    let told = "SELECT source_key FROM tasks AS task
        WHERE title = ?1 AND gone = 0 AND away = 0 AND EXISTS
            (SELECT 1 FROM deliveries WHERE deliveries.source = task.source AND handled_ms IS NOT NULL AND
                 (event = 'taskDeleted' AND CAST(payload AS TEXT) ->> '$.task_id' = task.source_key
                  OR event = 'issues' AND CAST(payload AS TEXT) ->> '$.action' = 'deleted'
                     AND (CAST(payload AS TEXT) ->> '$.repository.id') || ':' || (CAST(payload AS TEXT) ->> '$.issue.number') = task.source_key))";
    let mut told = store.prepare(told).unwrap();
    let keys = told.query_map([TITLE], |row| row.get(0)).unwrap();
    keys.map(Result::unwrap).collect()
}
