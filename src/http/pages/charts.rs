//! Small charts as SVG: a pure function of values. They have neither text nor styles in them; the caption and a table say
//! the same in words, for readers without pictures.

use chrono::Duration;

use super::html::Html;
use crate::domain::overview::{DayFigures, Figures, HourFigures};

/// The size of a drawing, in its own units: it is stretched to the width of the page.
const WIDTH: f64 = 240.0;
const HEIGHT: f64 = 60.0;
/// The least height of something that is there.
const VISIBLE: f64 = 1.5;
/// The share of a bar in its place.
const BAR: f64 = 0.8;
/// Times up to this are at the foot of the chart of times.
const FOOT_MS: f64 = 10.0;

/// A part of a bar: its kind, and its lower and upper end in the height of the chart (0 to 1).
type Part = (&'static str, f64, f64);

/// The number of commands in each hour.
pub(super) fn commands(day: &DayFigures) -> Html {
    let most = day.hours.iter().map(|hour| hour.figures.commands).max();
    let most = most.unwrap_or(0).max(1) as f64;
    drawn(&day.hours, |figures| {
        vec![("bar", 0.0, figures.commands as f64 / most)]
    })
}

/// The share of each outcome in each hour.
pub(super) fn outcomes(day: &DayFigures) -> Html {
    drawn(&day.hours, |figures| {
        let all = figures.commands.max(1) as f64;
        let done = figures.done as f64 / all;
        let refused = done + figures.refused as f64 / all;
        let dropped = refused + figures.dropped as f64 / all;
        vec![
            ("done", 0.0, done),
            ("refused", done, refused),
            ("dropped", refused, dropped),
        ]
    })
}

/// The times to the outcome in each hour, on a logarithmic scale: behind p99, before it p50.
pub(super) fn times(day: &DayFigures) -> Html {
    let longest = day.hours.iter().filter_map(|hour| hour.figures.p99).max();
    let top = scale(longest.unwrap_or_default()).max(1.0);
    drawn(&day.hours, |figures| {
        let part = |kind, time: Option<Duration>| {
            let height = time.map(|time| (scale(time) / top).max(VISIBLE / HEIGHT));
            height.map(|height| (kind, 0.0, height))
        };
        let both = [part("p99", figures.p99), part("p50", figures.p50)];
        both.into_iter().flatten().collect()
    })
}

/// The decades of a time above the foot.
fn scale(time: Duration) -> f64 {
    let ms = time.num_milliseconds().max(1) as f64;
    (ms / FOOT_MS).max(1.0).log10()
}

fn drawn(hours: &[HourFigures], parts: impl Fn(&Figures) -> Vec<Part>) -> Html {
    let place = WIDTH / hours.len().max(1) as f64;
    let mut drawing = Html::new("<svg viewBox=\"0 0 ")
        .number(WIDTH)
        .raw(" ")
        .number(HEIGHT)
        .raw("\" preserveAspectRatio=\"none\" aria-hidden=\"true\" focusable=\"false\">");
    for (number, hour) in hours.iter().enumerate() {
        for (kind, lower, upper) in parts(&hour.figures) {
            let height = (upper - lower) * HEIGHT;
            if height <= 0.0 {
                continue;
            }
            let height = height.max(VISIBLE);
            let top = (HEIGHT * (1.0 - lower) - height).max(0.0);
            drawing = drawing
                .raw("<rect class=\"")
                .raw(kind)
                .raw("\" x=\"")
                .number((number as f64 + (1.0 - BAR) / 2.0) * place)
                .raw("\" y=\"")
                .number(top)
                .raw("\" width=\"")
                .number(place * BAR)
                .raw("\" height=\"")
                .number(height)
                .raw("\"/>");
        }
    }
    drawing.raw("</svg>")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::log::ActivityResult;
    use crate::domain::overview::EndedCommand;
    use chrono::{DateTime, Utc};

    fn day() -> DayFigures {
        let now: DateTime<Utc> = "2026-03-03T12:30:00Z".parse().unwrap();
        let command = |hours: i64, seconds: i64, came| EndedCommand {
            asked_at: now - Duration::hours(hours) - Duration::seconds(seconds),
            ended_at: now - Duration::hours(hours),
            came,
        };
        let commands = [
            command(0, 1, ActivityResult::Done),
            command(0, 100, ActivityResult::Refused),
            command(23, 0, ActivityResult::Done),
        ];
        DayFigures::of(&commands, now)
    }

    fn bars(drawing: Html) -> Vec<String> {
        let drawing = drawing.into_string();
        let rects = drawing.split("<rect ").skip(1);
        rects
            .map(|rect| rect.split("/>").next().unwrap().replace('"', ""))
            .collect()
    }

    #[test]
    fn bars_are_as_high_as_their_values() {
        assert_eq!(
            bars(commands(&day())),
            [
                "class=bar x=1.0 y=30.0 width=8.0 height=30.0",
                "class=bar x=231.0 y=0.0 width=8.0 height=60.0",
            ]
        );
        assert_eq!(
            bars(outcomes(&day())),
            [
                "class=done x=1.0 y=0.0 width=8.0 height=60.0",
                "class=done x=231.0 y=30.0 width=8.0 height=30.0",
                "class=refused x=231.0 y=0.0 width=8.0 height=30.0",
            ]
        );
        // 1 s is two decades above 10 ms, 100 s four.
        assert_eq!(
            bars(times(&day())),
            [
                "class=p99 x=1.0 y=58.5 width=8.0 height=1.5",
                "class=p50 x=1.0 y=58.5 width=8.0 height=1.5",
                "class=p99 x=231.0 y=0.0 width=8.0 height=60.0",
                "class=p50 x=231.0 y=30.0 width=8.0 height=30.0",
            ]
        );
    }

    #[test]
    fn a_drawing_has_neither_text_nor_styles() {
        let empty = DayFigures::of(&[], "2026-03-03T12:30:00Z".parse().unwrap());
        for drawing in [
            commands(&day()),
            times(&day()),
            outcomes(&empty),
            times(&empty),
        ] {
            let drawing = drawing.into_string();
            assert!(drawing.starts_with("<svg ") && drawing.ends_with("</svg>"));
            assert!(
                !drawing.contains("style") && !drawing.contains("NaN"),
                "{drawing}"
            );
            let between = drawing.split('>').filter(|rest| !rest.starts_with('<'));
            assert_eq!(between.collect::<String>(), "", "{drawing}");
        }
    }
}
