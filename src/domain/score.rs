//! Points with their reasons, and the order of a queue.
//!
//! [`rank`] orders a person's open tasks for lists; the first and the next task come from queues that are kept in this
//! order ([`QueuePlace`]). `why` shows the reasons of [`score`]. Ivan's own changes to a task earn no points, so ranking never feeds on itself.

use std::cmp::Reverse;
use std::fmt;

use chrono::{DateTime, Days, Duration, NaiveDate, NaiveTime, Offset, TimeZone, Utc};
use chrono_tz::Tz;

use super::task::{Priority, Task, TaskId, TaskKey};

/// How long a change counts as activity.
const RECENT: Duration = Duration::hours(24);
/// How many days from today are the coming week.
const WEEK: Days = Days::new(7);

/// The points; every one is configurable under `[queue.score]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weights {
    /// For a task of a client, or with a label about revenue or a deal.
    pub revenue: i64,
    /// For each person who waits for the task.
    pub blocking: i64,
    /// For a due day in the past.
    pub overdue: i64,
    /// For a due day of today.
    pub due_today: i64,
    /// For a due day within 7 days after today.
    pub due_week: i64,
    /// For a later due day, or none.
    pub due_later: i64,
    /// For the priority `Urgent`.
    pub urgent: i64,
    /// For the priority `High`.
    pub high: i64,
    /// For a change or comment within 24 hours.
    pub recent: i64,
}

impl Default for Weights {
    /// The default points.
    fn default() -> Weights {
        Weights {
            revenue: 1000,
            blocking: 500,
            overdue: 500,
            due_today: 400,
            due_week: 300,
            due_later: 100,
            urgent: 200,
            high: 100,
            recent: 1,
        }
    }
}

/// The points of a task.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Score {
    /// The sum of all points; the queue is ordered by it.
    pub total: i64,
    /// The reasons to show, in the order of the table in `docs/commands.md`. Points for a later or no due date, and weights of zero,
    /// are in `total` only.
    pub reasons: Vec<(Reason, i64)>,
}

impl Score {
    /// All points with their reasons: they add up to `total`.
    pub fn points(&self) -> Vec<(String, i64)> {
        let told = self.reasons.iter();
        let mut points: Vec<(String, i64)> = told
            .map(|(reason, points)| (reason.to_string(), *points))
            .collect();
        let told = points
            .iter()
            .fold(0_i64, |sum, (_, points)| sum.saturating_add(*points));
        let rest = self.total.saturating_sub(told);
        if rest != 0 || points.is_empty() {
            points.push(("due later or never".to_owned(), rest));
        }
        points
    }
}

/// The reason for points. `Display` is the word that people read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// It has a client, or a label that contains `client`.
    Client,
    /// A label contains `revenue`.
    Revenue,
    /// A label contains `deal`.
    Deal,
    /// The number of people who wait for it.
    Blocking(usize),
    /// The due day is over.
    Overdue,
    /// The due day is today, in the person's zone.
    DueToday,
    /// The due day is within 7 days after today.
    DueThisWeek,
    /// The priority is `Urgent`.
    Urgent,
    /// The priority is `High`.
    HighPriority,
    /// It changed or got a comment within 24 hours.
    ActiveToday,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::Blocking(1) => "blocks 1 person",
            Reason::Blocking(people) => return write!(f, "blocks {people} people"),
            Reason::Client => "client",
            Reason::Revenue => "revenue",
            Reason::Deal => "deal",
            Reason::Overdue => "overdue",
            Reason::DueToday => "due today",
            Reason::DueThisWeek => "due this week",
            Reason::Urgent => "urgent",
            Reason::HighPriority => "high priority",
            Reason::ActiveToday => "active today",
        })
    }
}

/// The points of a task at `now`, for a person in `zone`; `waiting` people wait for it.
pub fn score(
    task: &Task,
    waiting: usize,
    now: DateTime<Utc>,
    zone: Tz,
    weights: &Weights,
) -> Score {
    let earned = [
        revenue(task).map(|reason| (Some(reason), weights.revenue)),
        blocking(waiting, weights),
        Some(urgency(task, now, zone, weights)),
        priority(task, weights),
        is_recent(task, now).then_some((Some(Reason::ActiveToday), weights.recent)),
    ];
    let mut score = Score {
        total: 0,
        reasons: Vec::new(),
    };
    for (reason, points) in earned.into_iter().flatten() {
        score.total = score.total.saturating_add(points);
        if let Some(reason) = reason.filter(|_| points != 0) {
            score.reasons.push((reason, points));
        }
    }
    score
}

/// A queue in its order: most points first, then oldest, then by id. The same tasks give the same order. Each task
/// comes with the number of people who wait for it.
pub fn rank(
    tasks: impl IntoIterator<Item = (Task, usize)>,
    now: DateTime<Utc>,
    zone: Tz,
    weights: &Weights,
) -> Vec<(Task, Score)> {
    let mut ranked: Vec<(Task, Score)> = tasks
        .into_iter()
        .map(|(task, waiting)| {
            let score = score(&task, waiting, now, zone, weights);
            (task, score)
        })
        .collect();
    ranked.sort_by_cached_key(|(task, score)| QueuePlace::of(task, score.total));
    ranked
}

/// The place of a task in a queue.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct QueuePlace {
    points: Reverse<i64>,
    created_at: DateTime<Utc>,
    id: TaskId,
    key: TaskKey,
}

impl QueuePlace {
    /// The place of a task with these points.
    pub fn of(task: &Task, points: i64) -> QueuePlace {
        QueuePlace {
            points: Reverse(points),
            created_at: task.created_at,
            id: task.id.clone(),
            key: task.key.clone(),
        }
    }
}

/// A tag or label that contains `client`, `revenue` or `deal`, or a client named otherwise.
fn revenue(task: &Task) -> Option<Reason> {
    let labels: Vec<String> = task
        .labels
        .iter()
        .map(|label| label.to_lowercase())
        .collect();
    let labelled = |word: &str| labels.iter().any(|label| label.contains(word));
    if task.entity.is_some() || labelled("client") {
        Some(Reason::Client)
    } else if labelled("revenue") {
        Some(Reason::Revenue)
    } else if labelled("deal") {
        Some(Reason::Deal)
    } else {
        None
    }
}

fn blocking(waiting: usize, weights: &Weights) -> Option<(Option<Reason>, i64)> {
    let people = i64::try_from(waiting).unwrap_or(i64::MAX);
    let points = weights.blocking.saturating_mul(people);
    (waiting > 0).then_some((Some(Reason::Blocking(waiting)), points))
}

/// The points for the due date, by days. Most due dates have no time, so a task is overdue on the next day.
fn urgency(task: &Task, now: DateTime<Utc>, zone: Tz, weights: &Weights) -> (Option<Reason>, i64) {
    let today = day(now, zone);
    let week = today.checked_add_days(WEEK);
    match task.due.map(|due| due.day_in(zone)) {
        Some(day) if day < today => (Some(Reason::Overdue), weights.overdue),
        Some(day) if day == today => (Some(Reason::DueToday), weights.due_today),
        Some(day) if week.is_some_and(|week| day <= week) => {
            (Some(Reason::DueThisWeek), weights.due_week)
        }
        _ => (None, weights.due_later),
    }
}

/// Whether the day on which a task is due is over.
pub fn is_overdue(task: &Task, now: DateTime<Utc>, zone: Tz) -> bool {
    let today = day(now, zone);
    task.due.is_some_and(|due| due.day_in(zone) < today)
}

/// The start of the day of `now` in a zone. If the clocks go forward at midnight, that is right after the gap.
pub fn day_begins(now: DateTime<Utc>, zone: Tz) -> DateTime<Utc> {
    let today = day(now, zone);
    (0..=8)
        .filter_map(|half_hours| NaiveTime::from_hms_opt(half_hours / 2, half_hours % 2 * 30, 0))
        .find_map(|time| today.and_time(time).and_local_timezone(zone).earliest())
        .map_or(now, |begins| begins.to_utc())
}

/// The calendar day of a time in a zone. At the limits of chrono's range, where its own conversion would panic on a
/// value from a source, it is the day in UTC.
pub fn day(at: DateTime<Utc>, zone: Tz) -> NaiveDate {
    let utc = at.naive_utc();
    let offset = zone.offset_from_utc_datetime(&utc).fix();
    utc.checked_add_offset(offset).unwrap_or(utc).date()
}

fn priority(task: &Task, weights: &Weights) -> Option<(Option<Reason>, i64)> {
    match task.priority? {
        Priority::Urgent => Some((Some(Reason::Urgent), weights.urgent)),
        Priority::High => Some((Some(Reason::HighPriority), weights.high)),
        Priority::Normal | Priority::Low => None,
    }
}

/// Whether the task changed lately. A source's clock may be ahead of ours: a change in the future counts as new.
fn is_recent(task: &Task, now: DateTime<Utc>) -> bool {
    now.signed_duration_since(task.last_activity()) < RECENT
}

/// The time from which a task that changed lately no longer has points for that.
pub fn recent_until(task: &Task, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let until = task.last_activity().checked_add_signed(RECENT)?;
    is_recent(task, now).then_some(until)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::task::{DueDate, TaskId, TaskKey, TaskStatus};
    use chrono_tz::{
        America::Havana, America::New_York, Asia::Beirut, Europe::Berlin, Pacific::Apia, UTC,
    };
    use proptest::prelude::*;
    use rstest::rstest;

    fn at(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(text).unwrap().to_utc()
    }

    fn now() -> DateTime<Utc> {
        at("2026-11-23T12:00:00Z")
    }

    /// A task with no points except those for no due date.
    fn task() -> Task {
        Task {
            key: TaskKey::clickup("86tst0001"),
            id: TaskId::clickup("86tst0001").unwrap(),
            container: "901100000001".into(),
            title: "Renew the certificate".into(),
            description: String::new(),
            url: String::new(),
            status: TaskStatus::Todo,
            source_status: "to do".into(),
            assignees: Vec::new(),
            labels: Vec::new(),
            entity: None,
            priority: None,
            due: None,
            created_at: at("2026-10-01T00:00:00Z"),
            updated_at: at("2026-11-01T00:00:00Z"),
            closed: None,
            commented_at: None,
            reopened: false,
            custom_id: None,
            creator: None,
            links: Vec::new(),
            home: None,
            milestone: None,
            task_type: None,
            parent: None,
            children: None,
        }
    }

    fn labelled(label: &str) -> Task {
        Task {
            labels: vec!["ops".into(), label.into()],
            ..task()
        }
    }

    fn due(text: &str) -> Task {
        Task {
            due: Some(DueDate::at(at(text))),
            ..task()
        }
    }

    fn updated(text: &str) -> Task {
        Task {
            updated_at: at(text),
            ..task()
        }
    }

    fn with_priority(priority: Priority) -> Task {
        Task {
            priority: Some(priority),
            ..task()
        }
    }

    #[rstest]
    #[case::nothing(task(), 100, "")]
    #[case::client_tag(labelled("client:acme"), 1100, "client 1000")]
    #[case::within_a_word(labelled("BigClients"), 1100, "client 1000")]
    #[case::revenue_label(labelled("Revenue"), 1100, "revenue 1000")]
    #[case::deal_label(labelled("new-deal"), 1100, "deal 1000")]
    #[case::entity(Task { entity: Some("acme".into()), ..task() }, 1100, "client 1000")]
    #[case::once(
        Task { entity: Some("acme".into()), ..labelled("deal") },
        1100,
        "client 1000"
    )]
    #[case::urgent(with_priority(Priority::Urgent), 300, "urgent 200")]
    #[case::high(with_priority(Priority::High), 200, "high priority 100")]
    #[case::normal(with_priority(Priority::Normal), 100, "")]
    #[case::low(with_priority(Priority::Low), 100, "")]
    #[case::recent(updated("2026-11-22T12:00:01Z"), 101, "active today 1")]
    #[case::a_day_ago(updated("2026-11-22T12:00:00Z"), 100, "")]
    #[case::clock_ahead(updated("2026-11-23T12:00:05Z"), 101, "active today 1")]
    #[case::started(Task { status: TaskStatus::InProgress, ..task() }, 100, "")]
    #[case::everything(
        Task {
            priority: Some(Priority::Urgent),
            due: Some(DueDate::at(now())),
            updated_at: now(),
            ..labelled("client")
        },
        1601,
        "client 1000, due today 400, urgent 200, active today 1"
    )]
    fn earns(#[case] task: Task, #[case] total: i64, #[case] why: &str) {
        let score = score(&task, 0, now(), UTC, &Weights::default());
        let told: Vec<String> = score
            .reasons
            .iter()
            .map(|(reason, points)| format!("{reason} {points}"))
            .collect();
        assert_eq!((score.total, told.join(", ").as_str()), (total, why));
        let points: i64 = score.points().iter().map(|(_, points)| points).sum();
        assert_eq!(points, total);
    }

    #[rstest]
    #[case::nobody(0, 100, "")]
    #[case::one(1, 600, "blocks 1 person 500")]
    #[case::three(3, 1600, "blocks 3 people 1500")]
    fn earns_for_each_who_waits(#[case] waiting: usize, #[case] total: i64, #[case] why: &str) {
        let score = score(&task(), waiting, now(), UTC, &Weights::default());
        let told: Vec<String> = score
            .reasons
            .iter()
            .map(|(reason, points)| format!("{reason} {points}"))
            .collect();
        assert_eq!((score.total, told.join(", ").as_str()), (total, why));
    }

    /// Each factor alone and all together, with numbers whose sum shows which were added.
    #[rstest]
    #[case::none(task(), 0, 1_000)]
    #[case::revenue(labelled("deal"), 0, 1_001)]
    #[case::blocking(task(), 2, 1_020)]
    #[case::overdue(due("2026-11-22T12:00:00Z"), 0, 100)]
    #[case::due_today(due("2026-11-23T12:00:00Z"), 0, 200)]
    #[case::due_this_week(due("2026-11-24T12:00:00Z"), 0, 300)]
    #[case::due_later(due("2026-12-24T12:00:00Z"), 0, 1_000)]
    #[case::urgent(with_priority(Priority::Urgent), 0, 11_000)]
    #[case::high(with_priority(Priority::High), 0, 21_000)]
    #[case::recent(updated("2026-11-23T11:00:00Z"), 0, 101_000)]
    #[case::all(
        Task {
            priority: Some(Priority::High),
            due: Some(DueDate::at(at("2026-11-22T12:00:00Z"))),
            updated_at: now(),
            ..labelled("client")
        },
        4,
        120_141
    )]
    fn every_factor_has_its_weight(#[case] task: Task, #[case] waiting: usize, #[case] total: i64) {
        let weights = Weights {
            revenue: 1,
            blocking: 10,
            overdue: 100,
            due_today: 200,
            due_week: 300,
            due_later: 1_000,
            urgent: 10_000,
            high: 20_000,
            recent: 100_000,
        };
        let score = score(&task, waiting, now(), UTC, &weights);
        assert_eq!(score.total, total);
        let points: i64 = score.points().iter().map(|(_, points)| points).sum();
        assert_eq!(points, total);
    }

    #[rstest]
    #[case::utc(UTC, "2026-11-23T12:00:00Z", "2026-11-23T00:00:00Z")]
    #[case::berlin(Berlin, "2026-11-23T23:30:00Z", "2026-11-23T23:00:00Z")]
    #[case::long_day(Berlin, "2026-10-25T22:30:00Z", "2026-10-24T22:00:00Z")]
    #[case::short_day(Berlin, "2026-03-29T21:30:00Z", "2026-03-28T23:00:00Z")]
    // In Beirut the clocks go forward at midnight: the day begins at 01:00, and is preceded by 23:59.
    #[case::no_midnight(Beirut, "2026-03-29T10:00:00Z", "2026-03-28T22:00:00Z")]
    // In Havana they go back at 01:00: midnight comes twice, and the first counts.
    #[case::two_midnights(Havana, "2026-11-01T12:00:00Z", "2026-11-01T04:00:00Z")]
    fn a_day_begins(#[case] zone: Tz, #[case] now: &str, #[case] begins: &str) {
        assert_eq!(day_begins(at(now), zone), at(begins));
        let before = at(begins) - Duration::milliseconds(1);
        for (due, overdue) in [(before, true), (at(begins), false)] {
            let task = Task {
                due: Some(DueDate::at(due)),
                ..task()
            };
            assert_eq!(is_overdue(&task, at(now), zone), overdue);
        }
    }

    const OVERDUE: Option<Reason> = Some(Reason::Overdue);
    const TODAY: Option<Reason> = Some(Reason::DueToday);
    const WEEK: Option<Reason> = Some(Reason::DueThisWeek);

    #[rstest]
    #[case::earlier_today(UTC, "2026-11-23T12:00:00Z", "2026-11-23T00:00:00Z", TODAY)]
    #[case::yesterday(UTC, "2026-11-23T12:00:00Z", "2026-11-22T23:59:59Z", OVERDUE)]
    #[case::tonight(UTC, "2026-11-23T12:00:00Z", "2026-11-23T23:59:59Z", TODAY)]
    #[case::tomorrow(UTC, "2026-11-23T12:00:00Z", "2026-11-24T00:00:00Z", WEEK)]
    #[case::seventh_day(UTC, "2026-11-23T12:00:00Z", "2026-11-30T23:59:59Z", WEEK)]
    #[case::eighth_day(UTC, "2026-11-23T12:00:00Z", "2026-12-01T00:00:00Z", None)]
    // 00:30 on the 24th in Berlin.
    #[case::berlin_is_a_day_on(Berlin, "2026-11-23T23:30:00Z", "2026-11-23T22:59:00Z", OVERDUE)]
    #[case::berlin_today(Berlin, "2026-11-23T23:30:00Z", "2026-11-23T23:00:00Z", TODAY)]
    // 23:30 on the 23rd in New York.
    #[case::new_york_is_a_day_back(New_York, "2026-11-24T04:30:00Z", "2026-11-23T05:00:00Z", TODAY)]
    #[case::new_york_tomorrow(New_York, "2026-11-24T04:30:00Z", "2026-11-24T05:00:00Z", WEEK)]
    // The clocks went back at 03:00 on 25 October: the day has 25 hours, and its last is 22:00–23:00 UTC.
    #[case::long_day_ends(Berlin, "2026-10-24T22:00:00Z", "2026-10-25T22:59:59Z", TODAY)]
    #[case::long_day_is_over(Berlin, "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", WEEK)]
    #[case::week_over_the_long_day(Berlin, "2026-10-20T10:00:00Z", "2026-10-27T22:59:59Z", WEEK)]
    #[case::beyond_that_week(Berlin, "2026-10-20T10:00:00Z", "2026-10-27T23:00:00Z", None)]
    // The clocks went forward at 02:00 on 29 March: the day has 23 hours.
    #[case::short_day_ends(Berlin, "2026-03-28T23:00:00Z", "2026-03-29T21:59:59Z", TODAY)]
    #[case::short_day_is_over(Berlin, "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", WEEK)]
    // Samoa had no 30 December 2011: the day after the 29th was the 31st.
    #[case::a_day_that_never_was(Apia, "2011-12-30T11:00:00Z", "2011-12-30T09:59:59Z", OVERDUE)]
    fn urgency_is_of_the_persons_day(
        #[case] zone: Tz,
        #[case] now: &str,
        #[case] day: &str,
        #[case] reason: Option<Reason>,
    ) {
        let score = score(&due(day), 0, at(now), zone, &Weights::default());
        let mut told = score.reasons.iter().map(|(reason, _)| *reason);
        let urgency = told.find(|&reason| reason != Reason::ActiveToday);
        assert_eq!(urgency, reason);
    }

    #[test]
    fn a_day_without_a_time_is_the_same_day_everywhere() {
        // 04:00 in Madrid, which is 22:00 of the day before in New York.
        let task = Task {
            due: Some(DueDate {
                at: at("2026-11-24T03:00:00Z"),
                day: NaiveDate::from_ymd_opt(2026, 11, 24),
            }),
            ..task()
        };
        for (zone, now, reason) in [
            (New_York, "2026-11-24T04:59:00Z", Some(Reason::DueThisWeek)),
            (New_York, "2026-11-24T05:01:00Z", TODAY),
            (New_York, "2026-11-25T04:59:00Z", TODAY),
            (New_York, "2026-11-25T05:01:00Z", OVERDUE),
            (Apia, "2026-11-24T10:59:00Z", TODAY),
            (Apia, "2026-11-24T11:01:00Z", OVERDUE),
        ] {
            let score = score(&task, 0, at(now), zone, &Weights::default());
            let found = score.reasons.first().map(|(reason, _)| *reason);
            assert_eq!(found, reason, "{zone} {now}");
            assert_eq!(is_overdue(&task, at(now), zone), reason == OVERDUE);
        }
    }

    #[test]
    fn the_ends_of_time_are_no_trouble() {
        let task = Task {
            due: Some(DueDate::at(DateTime::<Utc>::MAX_UTC)),
            updated_at: DateTime::<Utc>::MIN_UTC,
            ..task()
        };
        let weights = Weights {
            due_later: i64::MAX,
            revenue: i64::MAX,
            ..Weights::default()
        };
        let client = Task {
            entity: Some("acme".into()),
            ..task
        };
        let score = score(&client, usize::MAX, now(), Berlin, &weights);
        assert_eq!(score.total, i64::MAX);
    }

    #[test]
    fn a_weight_of_zero_is_no_reason() {
        let weights = Weights {
            urgent: 0,
            ..Weights::default()
        };
        let score = score(&with_priority(Priority::Urgent), 0, now(), UTC, &weights);
        assert_eq!((score.total, score.reasons), (100, Vec::new()));
    }

    #[test]
    fn equal_scores_go_by_age_then_by_id() {
        let named = |id: &str, created: &str| Task {
            key: TaskKey::clickup(id),
            id: TaskId::clickup(id).unwrap(),
            created_at: at(created),
            ..task()
        };
        let urgent = Task {
            priority: Some(Priority::Urgent),
            ..named("d", "2026-10-09T00:00:00Z")
        };
        let tasks = [
            named("c", "2026-10-02T00:00:00Z"),
            named("b", "2026-10-02T00:00:00Z"),
            urgent,
            named("a", "2026-10-03T00:00:00Z"),
        ];
        let order: Vec<String> = rank(tasks.map(|task| (task, 0)), now(), UTC, &Weights::default())
            .into_iter()
            .map(|(task, _)| task.id.short())
            .collect();
        assert_eq!(order, ["d", "b", "c", "a"]);
    }

    /// Tasks that differ in little, so that many are equal in all but their key.
    fn tasks() -> impl Strategy<Value = Vec<(Task, usize)>> {
        let one = (0..3u8, 0..3i64, 0..2u8, 0..3usize);
        proptest::collection::vec(one, 0..12).prop_map(|drawn| {
            let tasks = drawn.into_iter().zip(1u64..);
            tasks
                .map(|((priority, days, same_id, waiting), number)| {
                    let task = Task {
                        key: TaskKey::github(1001, number),
                        id: TaskId::github(None, if same_id == 1 { 1 } else { number }).unwrap(),
                        priority: [None, Some(Priority::High), Some(Priority::Urgent)]
                            [usize::from(priority)],
                        created_at: at("2026-10-01T00:00:00Z") + Duration::days(days),
                        ..task()
                    };
                    (task, waiting)
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn the_order_does_not_depend_on_the_order_of_asking(
            (tasks, shuffled) in tasks().prop_flat_map(|tasks| (Just(tasks.clone()), Just(tasks).prop_shuffle()))
        ) {
            let weights = Weights::default();
            let ranked = rank(tasks, now(), Berlin, &weights);
            prop_assert_eq!(&ranked, &rank(shuffled, now(), Berlin, &weights));
            for pair in ranked.windows(2) {
                let [(a, of_a), (b, of_b)] = pair else { continue };
                let place = |task: &Task, score: &Score| {
                    (Reverse(score.total), task.created_at, task.id.clone(), task.key.clone())
                };
                prop_assert!(place(a, of_a) < place(b, of_b));
            }
        }
    }
}
