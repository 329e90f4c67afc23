//! `stats [week|month]`: what a person did, how soon commands had their ✓, and how old the open tasks are.
//!
//! The log is read before the transaction, on a connection that only reads (`commands::stats`): a month of a large team
//! holds up no other command. Only the ages of the person's own queue are read in the transaction, which has the queue in
//! memory.

use chrono::{DateTime, Datelike, Duration, Utc};
use chrono_tz::Tz;
use clap::Args;
use serde::Deserialize;
use utoipa::ToSchema;

use super::grammar::{ParseError, excerpt, spoken, trim};
use super::line::{AnswerKind, Call, CommandLine, Line};
use super::{Info, VERBS, Verb};
use crate::command_tx::{CommandTx, Context, Decided, Handled, Reply};
use crate::completion;
use crate::domain::card::{BarChart, CardPart};
use crate::domain::person::Person;
use crate::domain::reply::Text;
use crate::domain::stats::{
    PeriodFigures, PeriodSums, QueueAge, StatsDay, StatsPeriod, StatsTally,
};
use crate::domain::task::Task;
use crate::store::{Db, DbResult, log, tasks};

/// The entries of a person, and of everybody, that are counted at most: the newest.
const OWN_COUNTED: i64 = 10_000;
const ALL_COUNTED: i64 = 50_000;
/// The open tasks whose ages are looked at for everybody.
const OPEN_COUNTED: i64 = 50_000;
/// The longest bar of a day, in characters.
const BAR: u32 = 12;

/// Shows figures; it has no body.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Stats {
    /// The days that count.
    #[serde(skip)]
    pub period: StatsPeriod,
    /// The figures, if they were read before.
    #[serde(skip)]
    pub read: Option<Box<StatsActivity>>,
}

/// For whom figures are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatsReader {
    /// The person whose own figures are read; `None` for a request of the operator that names none.
    pub person: Option<Person>,
    /// Whether those of everybody are read, too: for operators.
    pub everybody: bool,
    /// The days that count.
    pub period: StatsPeriod,
}

/// The figures that are read before the transaction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StatsActivity {
    /// The person's own.
    pub own: Option<PeriodFigures>,
    /// Everybody's, with the ages of all open tasks.
    pub everybody: Option<(PeriodFigures, QueueAge)>,
}

/// All figures of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatsView {
    /// The same as text.
    pub message: Text,
    /// The same with bars that can be drawn; empty without any.
    pub parts: Vec<CardPart>,
    /// The days that count.
    pub period: StatsPeriod,
    /// The person's own, with the ages of their open tasks.
    pub own: Option<(PeriodFigures, QueueAge)>,
    /// Everybody's, with the ages of all open tasks.
    pub everybody: Option<(PeriodFigures, QueueAge)>,
}

impl Verb for Stats {
    const INFO: &'static Info = &Info {
        name: "stats",
        aliases: &["statistics", "my stats"],
        usage: "stats [week|month]",
        effect: "show your figures of 7 or 30 days: done, created, comments, time to ✓, age of your tasks",
        examples: &["stats", "stats month"],
        line: Some(CommandLine::of::<StatsWords>(&[
            "ivan stats",
            "ivan stats month --as bo",
            "ivan stats --jq .own.done",
        ])),
        ..Info::SHOWS
    };

    fn read(rest: &str) -> Result<Stats, ParseError> {
        let said = spoken(trim(rest));
        let word = match said.split_once(' ') {
            // "this week", "last month"
            Some(("this" | "last" | "my", word)) => word,
            _ => said.as_str(),
        };
        let period = match word {
            "" => StatsPeriod::default(),
            word => StatsPeriod::parse(word).ok_or_else(|| {
                ParseError::Prose(format!(
                    "I have no figures of `{}`. Try `stats`, `stats week` or `stats month`.",
                    excerpt(trim(rest))
                ))
            })?,
        };
        Ok(Stats { period, read: None })
    }

    fn decide(self, tx: &CommandTx<'_>, person: &Person, _context: &Context) -> Decided {
        let activity = match self.read {
            Some(read) => *read,
            None => activity(
                tx.db,
                &StatsReader::of(tx.db, person.clone(), self.period),
                tx.now,
            )?,
        };
        let view = view(tx, Some(person), self.period, activity)?;
        Ok(Handled::Replied(Reply {
            parts: view.parts,
            ..Reply::from(view.message)
        }))
    }
}

impl StatsReader {
    /// A person reads their own, and everybody's if they are an operator.
    pub fn of(connection: &Db, person: Person, period: StatsPeriod) -> StatsReader {
        let operators = connection.operators();
        let is_operator = person
            .slack
            .as_ref()
            .is_some_and(|id| operators.contains(id));
        StatsReader {
            everybody: is_operator && !person.alone,
            person: Some(person),
            period,
        }
    }
}

/// The words after `ivan stats`.
#[derive(Debug, Args)]
struct StatsWords {
    /// The last 7 or 30 days
    #[arg(value_name = "PERIOD", value_parser = ["week", "month"], default_value = "week")]
    period: String,
}

impl Line for StatsWords {
    fn call(self, _info: &Info) -> Call {
        Call::get(format!("/stats?period={}", self.period), AnswerKind::Words)
    }
}

/// Reads the figures that the log has.
pub fn activity(
    connection: &Db,
    reader: &StatsReader,
    now: DateTime<Utc>,
) -> DbResult<StatsActivity> {
    let zone = reader.person.as_ref().map_or(Tz::UTC, |person| person.zone);
    let figures = |of: Option<&Person>, at_most: i64| -> DbResult<PeriodFigures> {
        let mut tally = StatsTally::new(reader.period, now, zone, waits);
        let (since, of) = (tally.since(), of.map(|person| person.id));
        let complete = log::acts_since(connection, of, since, at_most, &mut |act| tally.add(act))?;
        Ok(tally.finished(complete.min(now)))
    };
    let own = match &reader.person {
        Some(person) => Some(figures(Some(person), OWN_COUNTED)?),
        None => None,
    };
    let everybody = match reader.everybody {
        true => {
            let open = tasks::open_since(connection, OPEN_COUNTED)?;
            Some((figures(None, ALL_COUNTED)?, QueueAge::of(open, now)))
        }
        false => None,
    };
    Ok(StatsActivity { own, everybody })
}

/// Whether a command waits for a source, so that the time to its ✓ says something.
fn waits(verb: &str) -> bool {
    let mut rows = VERBS.iter();
    rows.any(|row| row.info.name == verb && row.info.writes)
}

/// The figures, with the ages of the person's tasks, as text too.
pub fn view(
    tx: &CommandTx<'_>,
    person: Option<&Person>,
    period: StatsPeriod,
    activity: StatsActivity,
) -> DbResult<StatsView> {
    let mut message = Text::new();
    let mut parts = Vec::new();
    let mut own = None;
    if let (Some(person), Some(figures)) = (person, activity.own) {
        let open = completion::open(tx.db, person, tx.now, &tx.settings.weights)?;
        let open: Vec<&Task> = open
            .offered
            .iter()
            .chain(&open.held_back)
            .map(|(_, task, _)| task)
            .collect();
        let created = open.iter().map(|task| task.created_at).collect();
        let oldest = open.into_iter().min_by_key(|task| task.created_at);
        let age = QueueAge::of(created, tx.now);
        let lead = sums_of("Your", period, (&figures, &age), oldest, person.zone);
        parts.extend(drawn(lead.clone(), period, &figures));
        message = message.then(with_bars(lead, period, &figures));
        own = Some((figures, age));
    }
    if let Some((figures, age)) = &activity.everybody {
        if !message.is_empty() {
            message = message.text("\n\n");
        }
        let zone = person.map_or(Tz::UTC, |person| person.zone);
        let lead = sums_of("Everybody's", period, (figures, age), None, zone);
        parts.extend(drawn(lead.clone(), period, figures));
        message = message.then(with_bars(lead, period, figures));
    }
    let has_bars = |part: &CardPart| matches!(part, CardPart::Picture(_));
    if !parts.iter().any(has_bars) {
        parts.clear();
    }
    Ok(StatsView {
        message,
        parts,
        period,
        own,
        everybody: activity.everybody,
    })
}

/// Figures as lines: sums, ages of open tasks, and a bar for each day.
#[cfg(test)]
pub(crate) fn figures_of(
    whose: &str,
    period: StatsPeriod,
    (figures, age): (&PeriodFigures, &QueueAge),
    oldest: Option<&Task>,
    zone: Tz,
) -> Text {
    let lead = sums_of(whose, period, (figures, age), oldest, zone);
    with_bars(lead, period, figures)
}

/// The sums as text, and the bars that can be drawn.
fn drawn(lead: Text, period: StatsPeriod, figures: &PeriodFigures) -> Vec<CardPart> {
    let lead = CardPart::Text(lead);
    let days = &figures.days;
    if days.iter().all(|day| day.done == 0 && day.created == 0) {
        return vec![lead];
    }
    let chart = BarChart {
        days: days.clone(),
        alt: in_words(days),
        text: bars_of(period, figures).unwrap_or_default(),
    };
    vec![lead, CardPart::Picture(chart)]
}

/// The values of each day, for people who do not see the bars.
fn in_words(days: &[StatsDay]) -> String {
    let days = days.iter().map(|day| {
        let named = day.day.format("%-d %b");
        format!("{named} {} and {}", day.done, day.created)
    });
    let days: Vec<String> = days.collect();
    format!("Tasks done and created per day: {}", days.join(", "))
}

/// The sums with the bars below.
fn with_bars(lead: Text, period: StatsPeriod, figures: &PeriodFigures) -> Text {
    match bars_of(period, figures) {
        Some(bars) => lead.text("\n").then(bars),
        None => lead,
    }
}

/// The bars as text; `None` if nothing was done.
fn bars_of(period: StatsPeriod, figures: &PeriodFigures) -> Option<Text> {
    if figures.sums.done == 0 {
        return None;
    }
    Some(match period {
        StatsPeriod::Week => bars(Text::new().text("Done per day:"), &figures.days),
        StatsPeriod::Month => weeks(
            Text::new().text("Done per day, a line for each week from Monday on:"),
            &figures.days,
        ),
    })
}

/// Sums, with those of the period before in brackets, and the ages of open tasks.
fn sums_of(
    whose: &str,
    period: StatsPeriod,
    (figures, age): (&PeriodFigures, &QueueAge),
    oldest: Option<&Task>,
    zone: Tz,
) -> Text {
    let days = period.days();
    let mut words = Text::new().text(format!("{whose} last {days} days{}", range(&figures.days)));
    words = match (&figures.before, figures.complete_since) {
        (Some(_), _) => words.text(format!("; in brackets the {days} days before:")),
        (None, Some(since)) => words
            .text(". My log begins ")
            .moment(since, zone)
            .text(", so there is nothing to compare with:"),
        (None, None) => words.text(":"),
    };
    let (sums, before) = (&figures.sums, figures.before.as_ref());
    let number = |of: fn(&PeriodSums) -> u32| match before {
        Some(before) => format!("{} ({})", of(sums), of(before)),
        None => of(sums).to_string(),
    };
    words = words.text(format!(
        "\nDone: {}\nCreated: {}\nComments: {}\nFrom asked to ✓: {}\nOpen: ",
        number(|sums| sums.done),
        number(|sums| sums.created),
        number(|sums| sums.comments),
        until_outcome(sums, before),
    ));
    opened(words, age, oldest)
}

/// ` (24–30 Nov)`.
fn range(days: &[StatsDay]) -> String {
    let (Some(first), Some(last)) = (days.first(), days.last()) else {
        return String::new();
    };
    let (first, last) = (first.day, last.day);
    let from = match first.month() == last.month() {
        true => first.format("%-d").to_string(),
        false => first.format("%-d %b ").to_string(),
    };
    let space = if from.ends_with(' ') { " " } else { "" };
    format!(" ({from}–{space}{})", last.format("%-d %b"))
}

/// `1.2 s, the median of 20 commands (1.4 s)`
fn until_outcome(sums: &PeriodSums, before: Option<&PeriodSums>) -> String {
    let of = match (sums.median, sums.commands) {
        (None, _) => "no commands".to_owned(),
        (Some(one), 1) => format!("{}, 1 command", took(one)),
        (Some(median), many) => format!("{}, the median of {many} commands", took(median)),
    };
    match before.map(|before| before.median) {
        Some(Some(before)) => format!("{of} ({})", took(before)),
        Some(None) => format!("{of} (no commands)"),
        None => of,
    }
}

/// A short time in its largest unit.
fn took(time: Duration) -> String {
    match time.num_milliseconds() {
        ms @ ..1_000 => format!("{ms} ms"),
        ms @ 1_000..60_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        ms @ 60_000..7_200_000 => format!("{} min", ms / 60_000),
        ms @ 7_200_000..172_800_000 => format!("{} h", ms / 3_600_000),
        ms => format!("{} days", ms / 86_400_000),
    }
}

/// The number and the ages of open tasks.
fn opened(words: Text, age: &QueueAge, oldest: Option<&Task>) -> Text {
    let (Some(median), Some(greatest)) = (age.median, age.oldest) else {
        return words.text("no tasks");
    };
    let words = match age.open {
        1 => words.text(format!("1 task, {} old", in_days(greatest))),
        many => words.text(format!(
            "{many} tasks; their median age is {}, the oldest is {} old",
            in_days(median),
            in_days(greatest)
        )),
    };
    match oldest {
        Some(task) => words.text(": ").link(&task.title, &task.url),
        None => words,
    }
}

fn in_days(age: Duration) -> String {
    match age.num_days() {
        ..1 => "less than a day".to_owned(),
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    }
}

/// A line for each day.
fn bars(mut words: Text, days: &[StatsDay]) -> Text {
    let most = days.iter().map(|day| day.done).max().unwrap_or_default();
    for StatsDay { day, done, .. } in days {
        let length = match most {
            0..=BAR => *done,
            most => (done * BAR).div_ceil(most),
        };
        let bar = match length {
            0 => "·".to_owned(),
            length => "█".repeat(length as usize),
        };
        words = words
            .text("\n")
            .code(format!("{} {bar}", day.format("%a")))
            .text(format!(" {done}"));
    }
    words
}

/// A line for each week, with a bar for each of its days.
fn weeks(mut words: Text, days: &[StatsDay]) -> Text {
    const BARS: [char; 9] = ['·', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = days.iter().map(|day| day.done).max().unwrap_or_default();
    let weeks = days.chunk_by(|_, next| next.day.weekday() != chrono::Weekday::Mon);
    for week in weeks {
        let Some(first) = week.first().map(|first| first.day) else {
            continue;
        };
        let missing = first.weekday().num_days_from_monday() as usize;
        let mut line = " ".repeat(missing);
        for StatsDay { done, .. } in week {
            let height = (done * 8).div_ceil(most.max(1)) as usize;
            line.push(BARS.get(height).copied().unwrap_or('█'));
        }
        let done: u32 = week.iter().map(|day| day.done).sum();
        let begins = first.format("%-d %b").to_string();
        words = words
            .text("\n")
            .code(format!("{begins:>6} {line}"))
            .text(format!(" {done}"));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn days(first: &str, done: &[u32]) -> Vec<StatsDay> {
        let first: chrono::NaiveDate = first.parse().unwrap();
        let days = first.iter_days().zip(done.iter().copied());
        let days = days.map(|(day, done)| StatsDay {
            day,
            done,
            created: done % 2,
        });
        days.collect()
    }

    #[test]
    fn the_values_of_bars_are_said_in_words() {
        let shown = in_words(&days("2026-11-29", &[3, 0, 1]));
        assert_eq!(
            shown,
            "Tasks done and created per day: 29 Nov 3 and 1, 30 Nov 0 and 0, 1 Dec 1 and 1"
        );
        // Slack allows 2,000 characters.
        assert!(in_words(&days("2026-11-01", &[u32::MAX; 30])).len() < 1_500);
    }

    #[rstest]
    #[case("", StatsPeriod::Week)]
    #[case(" week.", StatsPeriod::Week)]
    #[case(" this week", StatsPeriod::Week)]
    #[case(" MONTH", StatsPeriod::Month)]
    #[case(" last month!", StatsPeriod::Month)]
    #[case(" 30d", StatsPeriod::Month)]
    fn a_period_is_read(#[case] typed: &str, #[case] period: StatsPeriod) {
        assert_eq!(Stats::read(typed).unwrap().period, period);
    }

    #[test]
    fn another_period_gets_a_hint() {
        let why = Stats::read(" of the year").unwrap_err();
        assert!(why.is_prose());
        assert!(why.to_string().contains("`stats month`"), "{why}");
    }

    #[test]
    fn a_week_has_a_line_for_each_day() {
        let shown = bars(Text::new(), &days("2026-11-24", &[3, 0, 1])).plain();
        assert_eq!(shown, "\nTue ███ 3\nWed · 0\nThu █ 1");
        let many = bars(Text::new(), &days("2026-11-24", &[240, 1, 120])).plain();
        assert_eq!(many, "\nTue ████████████ 240\nWed █ 1\nThu ██████ 120");
    }

    #[test]
    fn a_month_has_a_line_for_each_week() {
        let done: Vec<u32> = (0..12).collect();
        let shown = weeks(Text::new(), &days("2026-11-27", &done)).plain();
        assert_eq!(shown, "\n27 Nov     ·▁▂ 3\n30 Nov ▃▃▄▅▆▆▇ 42\n 7 Dec ██ 21");
    }

    #[rstest]
    #[case("2026-11-24", 7, " (24–30 Nov)")]
    #[case("2026-11-01", 30, " (1–30 Nov)")]
    #[case("2026-10-27", 7, " (27 Oct – 2 Nov)")]
    fn the_days_are_named(#[case] first: &str, #[case] length: usize, #[case] named: &str) {
        assert_eq!(range(&days(first, &vec![0; length])), named);
    }

    #[rstest]
    #[case(340, "340 ms")]
    #[case(1_250, "1.2 s")]
    #[case(59_999, "59.9 s")]
    #[case(61_000, "1 min")]
    #[case(7_200_000, "2 h")]
    #[case(200_000_000, "2 days")]
    fn times_have_one_unit(#[case] ms: i64, #[case] shown: &str) {
        assert_eq!(took(Duration::milliseconds(ms)), shown);
    }

    #[test]
    fn commands_that_a_source_takes_are_timed() {
        assert!(waits("done") && waits("comment") && waits("create"));
        assert!(!waits("stats") && !waits("snooze") && !waits("completed"));
    }
}
