//! Metrics for Prometheus: `GET /metrics` of the API.
//!
//! Every module counts through the `metrics` facade. This module has the names, their descriptions, and the recorder
//! behind the facade. Labels are words of ours, or of a protocol, never a person's or a task's: their number is bounded
//! (P8).

use std::sync::{LazyLock, OnceLock};

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use tokio::time::Instant;

use super::recorder::Recorder;
use crate::domain::change::TaskChange;
use crate::domain::operation::Write;
use crate::domain::task::Source;
use crate::limits::Limit;

/// The media type of Prometheus' text format.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// From a write that is answered at once to one that waits for a source for a day. In seconds.
/// The service levels are at 2 s and at 10 minutes (docs/operations.md#service-levels).
const OPERATION_BUCKETS: &[f64] = &[
    0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0, 3_600.0, 86_400.0,
];
/// From a poll without news to a full walk over years. In seconds.
const SYNC_BUCKETS: &[f64] = &[0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1_800.0];
/// From a change reported by a webhook to one that only a poll found. In seconds.
const LAG_BUCKETS: &[f64] = &[
    0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3_600.0, 86_400.0,
];

/// The histograms and their buckets.
const HISTOGRAMS: &[(&str, &[f64])] = &[
    ("ivan_operation_seconds", OPERATION_BUCKETS),
    ("ivan_sync_seconds", SYNC_BUCKETS),
    ("ivan_event_lag_seconds", LAG_BUCKETS),
];

/// The metrics so far. Clones show the same.
#[derive(Clone)]
pub struct Handle(Recorder);

impl Handle {
    /// All metrics, in Prometheus' text format.
    pub fn render(&self) -> String {
        self.0.render()
    }
}

/// Installs the recorder, once per process; further calls return the same handle.
pub fn install() -> Handle {
    static INSTALLED: OnceLock<Handle> = OnceLock::new();
    let installed = INSTALLED.get_or_init(|| {
        let recorder = Recorder::new(HISTOGRAMS);
        let handle = Handle(recorder.clone());
        // Only a foreign recorder could be installed already: then ours stays empty, and logs that.
        match metrics::set_global_recorder(recorder) {
            Ok(()) => {
                describe();
                start_at_zero();
            }
            Err(error) => tracing::error!(%error, "metrics are off"),
        }
        handle
    });
    installed.clone()
}

/// The answer to `GET /metrics`.
pub(super) fn exposition(handle: &Handle) -> Response {
    let content = HeaderValue::from_static(TEXT);
    ([(header::CONTENT_TYPE, content)], handle.render()).into_response()
}

/// The version, the start of the process, and whether it leads.
pub(super) fn shows_process(version: &'static str, now: DateTime<Utc>, leads: bool) {
    gauge!("ivan_build_info", "version" => version).set(1.0);
    gauge!("ivan_leader").set(f64::from(u8::from(leads)));
    // Exact to the second for the next million years.
    gauge!("ivan_start_timestamp_seconds").set(started_at(now).timestamp() as f64);
}

/// The start of the process, to a second.
pub(super) fn started_at(now: DateTime<Utc>) -> DateTime<Utc> {
    let up = STARTED.elapsed().as_secs_f64();
    let started = (now.timestamp() as f64 - up).round();
    DateTime::from_timestamp(started as i64, 0).unwrap_or(now)
}

/// The start of the process, as far as the metrics know it.
static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Makes each series exist from the start, so that the first event of a kind is an increase. Those with an open set of
/// values begin with the first value: the code of a refusal, the status of an answer, and the requests that are left, of
/// which 0 would be wrong.
fn start_at_zero() {
    LazyLock::force(&STARTED);
    for source in Source::ALL.map(Source::as_str) {
        for result in DELIVERY_RESULTS {
            counter!("ivan_deliveries_total", "source" => source, "result" => *result).absolute(0);
        }
        for kind in Write::KINDS.iter().chain(TaskChange::KINDS) {
            for outcome in OPERATION_OUTCOMES {
                counter!("ivan_operations_total", "source" => source, "kind" => *kind, "outcome" => *outcome)
                    .absolute(0);
            }
        }
        counter!("ivan_sync_changes_total", "source" => source).absolute(0);
        let _lag = histogram!("ivan_event_lag_seconds", "source" => source);
    }
    for kind in ["events_api", "interactive", "slash_commands"] {
        for result in ["kept", "duplicate", "not_kept", "dropped"] {
            counter!("ivan_slack_envelopes_total", "type" => kind, "result" => result).absolute(0);
        }
    }
    for result in ["acted_on", "asked_about"] {
        counter!("ivan_slack_found_in_history_total", "result" => result).absolute(0);
    }
    for bound in Limit::ALL {
        counter!("ivan_bounds_reached_total", "bound" => bound.word()).absolute(0);
    }
    for kind in WORK_KINDS {
        counter!("ivan_set_aside_total", "kind" => *kind).absolute(0);
    }
    for table in TABLES_FORGOTTEN {
        counter!("ivan_rows_forgotten_total", "table" => *table).absolute(0);
    }
    counter!("ivan_store_refused_total").absolute(0);
    gauge!("ivan_set_aside").set(0.0);
    gauge!("ivan_store_writable").set(1.0);
    let _operations = histogram!("ivan_operation_seconds");
    let _syncs = histogram!("ivan_sync_seconds");
}

const DELIVERY_RESULTS: &[&str] = &[
    "accepted",
    "duplicate",
    "ignored",
    "unknown",
    "unreadable",
    "bad_signature",
    "unsigned",
    "no_route",
    "too_large",
    "slow",
    "cut_off",
    "busy",
    "full",
    "store",
];
const OPERATION_OUTCOMES: &[&str] = &[
    "applied",
    "already_so",
    "overtaken",
    "refused",
    "given_up",
    "cancelled",
];
const WORK_KINDS: &[&str] = &[
    "message",
    "delivery",
    "operation",
    "post",
    "reaction",
    "home",
    "history",
    "briefing",
    "poll",
    "comments",
    "webhooks",
    "payloads",
];
const TABLES_FORGOTTEN: &[&str] = &[
    "slack_events",
    "messages",
    "operations",
    "reactions",
    "homes",
    "commands",
    "deliveries",
    "comments",
    "log",
];

/// Registers names, units and descriptions.
fn describe() {
    describe_counter!(
        "ivan_deliveries_total",
        Unit::Count,
        "Webhook requests by source and result: accepted, duplicate, ignored, unknown (unknown event), \
             unreadable, bad_signature, unsigned, no_route, too_large, slow, cut_off, busy, full, store"
    );
    describe_counter!(
        "ivan_operations_total",
        Unit::Count,
        "Finished writes by outcome: applied, already_so, overtaken, refused, given_up, cancelled"
    );
    describe_histogram!(
        "ivan_operation_seconds",
        Unit::Seconds,
        "Time from a command to the outcome of its write"
    );
    describe_gauge!(
        "ivan_operations_pending",
        Unit::Count,
        "Writes without an outcome yet"
    );
    describe_counter!(
        "ivan_slack_envelopes_total",
        Unit::Count,
        "Slack envelopes by type and result: kept, duplicate, not_kept, dropped, answered, unanswered, \
             rate_limited, or the reason for ignoring them"
    );
    describe_counter!(
        "ivan_slack_found_in_history_total",
        Unit::Count,
        "Messages that Slack did not deliver, found in the history of a DM: acted_on or asked_about"
    );
    describe_counter!(
        "ivan_slack_refusals_total",
        Unit::Count,
        "Messages that Slack rejected, by code and result: said_plainly (sent as text without blocks), given_up"
    );
    describe_gauge!(
        "ivan_operations_oldest_seconds",
        Unit::Seconds,
        "Age of the oldest write that waits for its source; 0 if none waits"
    );
    describe_gauge!(
        "ivan_alerts_open",
        Unit::Count,
        "Problems that operators were told about in Slack, and that are not over"
    );
    describe_gauge!(
        "ivan_source_readable",
        Unit::Count,
        "1 if the last poll of a source succeeded, else 0; absent before the first"
    );
    describe_gauge!(
        "ivan_source_last_read_timestamp_seconds",
        Unit::Seconds,
        "Unix time of the end of the last complete read of a source; 0 before the first"
    );
    describe_gauge!(
        "ivan_people_unlinked",
        Unit::Count,
        "People without an account at a source"
    );
    describe_gauge!(
        "ivan_webhook_healthy",
        Unit::Count,
        "0 while a registered webhook of a source does not deliver, else 1"
    );
    describe_gauge!(
        "ivan_store_bytes",
        Unit::Bytes,
        "Size of the database with its write-ahead log"
    );
    describe_gauge!("ivan_build_info", Unit::Count, "Always 1, with the version");
    describe_gauge!(
        "ivan_leader",
        Unit::Count,
        "1 if this daemon leads, as one without [standby] always does; 0 while it stands by"
    );
    describe_gauge!(
        "ivan_start_timestamp_seconds",
        Unit::Seconds,
        "Unix time of the start of this process"
    );
    describe_gauge!(
        "ivan_slack_connected",
        Unit::Count,
        "1 while connected to Slack, else 0"
    );
    describe_histogram!(
        "ivan_sync_seconds",
        Unit::Seconds,
        "Duration of a poll of a source"
    );
    describe_counter!(
        "ivan_sync_changes_total",
        Unit::Count,
        "Changed tasks found by polls"
    );
    describe_counter!(
        "ivan_source_requests_total",
        Unit::Count,
        "Requests to a source by method and HTTP status; `none` without an answer"
    );
    describe_gauge!(
        "ivan_source_ratelimit_remaining",
        Unit::Count,
        "Requests left in the source's current rate-limit window"
    );
    describe_counter!(
        "ivan_bounds_reached_total",
        Unit::Count,
        "How often a limit was reached, by name (docs/reliability.md)"
    );
    describe_gauge!(
        "ivan_set_aside",
        Unit::Count,
        "Work that was in progress at two crashes and is set aside"
    );
    describe_counter!(
        "ivan_set_aside_total",
        Unit::Count,
        "Work set aside, by kind: message, delivery, operation, post, reaction, home, history, briefing, poll, \
             comments, webhooks, payloads"
    );
    describe_gauge!(
        "ivan_store_writable",
        Unit::Count,
        "1 while the store is writable, else 0"
    );
    describe_counter!(
        "ivan_store_statements_total",
        Unit::Count,
        "SQL statements that ran, by the connection: writer, reader"
    );
    describe_counter!(
        "ivan_store_prepared_total",
        Unit::Count,
        "SQL statements that were parsed and planned, by the connection. It stands still once each has run"
    );
    describe_counter!(
        "ivan_store_commits_total",
        Unit::Count,
        "Commits of the store that changed rows: each waits for the disk once"
    );
    describe_counter!(
        "ivan_store_refused_total",
        Unit::Count,
        "Writes lost because the disk is full or the store failed"
    );
    describe_counter!(
        "ivan_rows_forgotten_total",
        Unit::Count,
        "Rows deleted after store.retention, by table"
    );
    describe_histogram!(
        "ivan_event_lag_seconds",
        Unit::Seconds,
        "Time from a change, by the source's clock, until it was known here"
    );
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;
    use metrics::with_local_recorder;

    /// The documented ones, and those of the limits and the store.
    const DESIGN: [&str; 32] = [
        "ivan_source_readable",
        "ivan_alerts_open",
        "ivan_build_info",
        "ivan_operations_oldest_seconds",
        "ivan_people_unlinked",
        "ivan_source_last_read_timestamp_seconds",
        "ivan_start_timestamp_seconds",
        "ivan_store_bytes",
        "ivan_webhook_healthy",
        "ivan_bounds_reached_total",
        "ivan_deliveries_total",
        "ivan_event_lag_seconds",
        "ivan_leader",
        "ivan_operation_seconds",
        "ivan_operations_pending",
        "ivan_operations_total",
        "ivan_rows_forgotten_total",
        "ivan_set_aside",
        "ivan_set_aside_total",
        "ivan_slack_connected",
        "ivan_slack_envelopes_total",
        "ivan_slack_found_in_history_total",
        "ivan_slack_refusals_total",
        "ivan_source_ratelimit_remaining",
        "ivan_source_requests_total",
        "ivan_store_refused_total",
        "ivan_store_writable",
        "ivan_sync_changes_total",
        "ivan_sync_seconds",
        "ivan_store_commits_total",
        "ivan_store_prepared_total",
        "ivan_store_statements_total",
    ];

    fn kind_of(name: &str) -> &'static str {
        match name {
            _ if name.ends_with("_total") => "counter",
            _ if HISTOGRAMS.iter().any(|(histogram, _)| *histogram == name) => "histogram",
            _ => "gauge",
        }
    }

    /// `docs/metrics.md` has a row for each: name, type, unit, labels, meaning, example.
    #[test]
    fn the_page_has_each_with_its_type_and_an_example() {
        let page = include_str!("../../docs/metrics.md");
        let rows: Vec<Vec<&str>> = page
            .lines()
            .filter(|line| line.starts_with("| `ivan_"))
            .map(|line| line.split('|').map(str::trim).collect())
            .collect();
        let named: BTreeSet<&str> = rows.iter().map(|row| row[1].trim_matches('`')).collect();
        assert_eq!(
            named,
            DESIGN.into_iter().collect(),
            "names of docs/metrics.md"
        );
        for row in &rows {
            let name = row[1].trim_matches('`');
            assert_eq!(row[2], kind_of(name), "type of {name}");
            assert!(!row[3].is_empty(), "unit of {name}");
            assert!(
                row[6].starts_with(&format!("`{name}")),
                "example of {name}: {}",
                row[6]
            );
        }
    }

    #[test]
    fn every_series_with_known_labels_is_zero_at_the_start() {
        let recorder = Recorder::new(HISTOGRAMS);
        with_local_recorder(&recorder, start_at_zero);
        let text = Handle(recorder).render();
        for line in [
            "ivan_operations_total{source=\"github\",kind=\"create\",outcome=\"given_up\"} 0\n",
            "ivan_deliveries_total{source=\"clickup\",result=\"bad_signature\"} 0\n",
            "ivan_operation_seconds_bucket{le=\"2\"} 0\n",
            "ivan_bounds_reached_total{bound=\"inbox\"} 0\n",
            "ivan_store_refused_total 0\n",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
    }

    #[test]
    fn names_and_units_are_those_of_the_design() {
        let recorder = Recorder::new(HISTOGRAMS);
        let handle = Handle(recorder.clone());
        with_local_recorder(&recorder, || {
            describe();
            for name in DESIGN {
                match kind_of(name) {
                    "counter" => counter!(name).increment(1),
                    "histogram" => histogram!(name).record(1.5),
                    _ => gauge!(name).set(3.0),
                }
            }
        });
        let text = handle.render();
        let types: BTreeSet<(&str, &str)> = text
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
            .collect();
        let expected: BTreeSet<(&str, &str)> = DESIGN
            .into_iter()
            .map(|name| (name, kind_of(name)))
            .collect();
        assert_eq!(types, expected, "{text}");
        for name in DESIGN {
            assert!(text.contains(&format!("# HELP {name} ")), "{name}: {text}");
        }
        assert!(
            text.contains("ivan_operation_seconds_bucket{le=\"2\"} 1\n"),
            "{text}"
        );
    }

    /// A name that is counted and not described would be misspelt.
    #[test]
    fn what_is_counted_anywhere_is_described() {
        let mut counted = BTreeSet::new();
        names_in(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
            &mut counted,
        );
        let design: BTreeSet<String> = DESIGN.iter().map(|&name| name.to_owned()).collect();
        assert!(counted.is_subset(&design), "{counted:?}");
        for ours in [
            "ivan_deliveries_total",
            "ivan_operation_seconds",
            "ivan_operations_pending",
            "ivan_operations_total",
            "ivan_slack_connected",
            "ivan_slack_envelopes_total",
            "ivan_source_ratelimit_remaining",
            "ivan_source_requests_total",
        ] {
            assert!(counted.contains(ours), "nothing counts {ours}");
        }
    }

    /// The names in `counter!("…"`, `gauge!("…"` and `histogram!("…"` of the code.
    fn names_in(folder: &Path, names: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                names_in(&path, names);
                continue;
            }
            if path.ends_with("http/metrics.rs") || path.ends_with("http/recorder.rs") {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            for call in ["counter!(", "gauge!(", "histogram!("] {
                for argument in text.split(call).skip(1) {
                    if let Some(name) = argument.trim_start().strip_prefix('"') {
                        names.extend(name.split('"').next().map(str::to_owned));
                    }
                }
            }
        }
    }

    #[test]
    fn it_is_installed_once() {
        let (first, second) = (install(), install());
        // A label of its own: other tests count in the same process.
        counter!("ivan_deliveries_total", "source" => "test", "result" => "accepted").increment(2);
        let line = "ivan_deliveries_total{source=\"test\",result=\"accepted\"} 2\n";
        assert!(first.render().contains(line));
        assert!(second.render().contains(line));
    }

    #[tokio::test]
    async fn it_is_answered_as_text() {
        let response = exposition(&install());
        assert_eq!(response.headers()[header::CONTENT_TYPE], TEXT);
    }
}
