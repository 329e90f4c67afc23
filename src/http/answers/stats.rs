//! Figures of a period.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::commands::StatsView;
use crate::domain::stats::{PeriodFigures, PeriodSums, QueueAge, StatsPeriod};

/// Figures of a person, and of everybody.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StatsReport)]
pub struct StatsAnswer {
    /// The same as text.
    message: String,
    #[schema(value_type = StatsPeriod)]
    period: &'static str,
    /// The person's own. Null for a request of the operator that names none of several people.
    own: Option<FiguresAnswer>,
    /// Everybody's: for operators, and for requests of the operator that name nobody. Null for others.
    everybody: Option<FiguresAnswer>,
}

/// Figures of some days, in the person's time zone; without a person in UTC.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Figures)]
pub struct FiguresAnswer {
    #[serde(flatten)]
    sums: SumsAnswer,
    /// The sums of as many days before. Null if the log does not have all of them.
    before: Option<SumsAnswer>,
    /// The time since when the log has everything, if that is within these days or those before.
    complete_since: Option<DateTime<Utc>>,
    /// Oldest first, today last.
    days: Vec<DayAnswer>,
    open: OpenAnswer,
}

/// Sums of some days.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FigureSums)]
pub struct SumsAnswer {
    /// Tasks that were completed and not reopened since, through Ivan or in the source. Each counts once.
    done: u32,
    /// Tasks that were created through Ivan.
    created: u32,
    /// Comments, through Ivan or in the source.
    comments: u32,
    /// Commands that a source took, or that were already so there.
    commands: u32,
    /// The median time from asking to the outcome of these commands, in milliseconds.
    median_ms: Option<i64>,
}

/// A day.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DayFigure)]
pub struct DayAnswer {
    day: NaiveDate,
    /// The tasks that were done on it.
    done: u32,
    /// The tasks that were created on it through Ivan.
    created: u32,
}

/// The ages of open tasks.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenAges)]
pub struct OpenAnswer {
    /// The number of open tasks, those that are blocked or snoozed included.
    tasks: usize,
    /// Whole days. Null without a task.
    median_days: Option<i64>,
    oldest_days: Option<i64>,
}

impl From<StatsView> for StatsAnswer {
    fn from(view: StatsView) -> StatsAnswer {
        StatsAnswer {
            message: view.message.plain(),
            period: view.period.as_str(),
            own: view.own.map(FiguresAnswer::of),
            everybody: view.everybody.map(FiguresAnswer::of),
        }
    }
}

impl FiguresAnswer {
    fn of((figures, age): (PeriodFigures, QueueAge)) -> FiguresAnswer {
        let days = figures.days.into_iter();
        FiguresAnswer {
            sums: SumsAnswer::of(&figures.sums),
            before: figures.before.as_ref().map(SumsAnswer::of),
            complete_since: figures.complete_since,
            days: days
                .map(|of| DayAnswer {
                    day: of.day,
                    done: of.done,
                    created: of.created,
                })
                .collect(),
            open: OpenAnswer {
                tasks: age.open,
                median_days: age.median.map(|age| age.num_days()),
                oldest_days: age.oldest.map(|age| age.num_days()),
            },
        }
    }
}

impl SumsAnswer {
    fn of(sums: &PeriodSums) -> SumsAnswer {
        SumsAnswer {
            done: sums.done,
            created: sums.created,
            comments: sums.comments,
            commands: sums.commands,
            median_ms: sums.median.map(|time| time.num_milliseconds()),
        }
    }
}
