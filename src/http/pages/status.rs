//! The status page for operators: the answer of `GET /status` and the facts of the store → HTML. A pure function.

use chrono::{DateTime, Duration, SecondsFormat, Utc};

use super::charts;
use super::html::{Html, short};
use super::table::Table;
use crate::commands::StoreOverview;
use crate::domain::log::{ActivityResult, Entry};
use crate::domain::overview::{DayFigures, Figures, SourceWebhooks, WaitingWrite};
use crate::domain::reason::for_operators;
use crate::http::answers::{SlackState, StatusAnswer};
use crate::verbs::log::{from_where, who};

/// The most names that are listed.
const NAMES_MAX: usize = 50;

/// The main part of the page. Without the facts of the store, the reason.
pub(super) fn page(status: &StatusAnswer, store: Result<&StoreOverview, &str>) -> Html {
    let now = status.now;
    let troubles = troubles(status, store);
    let state = match troubles.len() {
        0 => Html::new("<p class=\"state good\">✓ All is well</p>\n"),
        1 => Html::new("<p class=\"state bad\">✗ 1 thing needs attention</p>\n"),
        more => Html::new("<p class=\"state bad\">✗ ")
            .text(more)
            .raw(" things need attention</p>\n"),
    };
    let mut page = Html::new("<h1>Ivan</h1>\n")
        .then(state)
        .raw("<p class=\"soft\">Version ")
        .text(status.version)
        .raw(" · up ")
        .text(age(now - status.started_at))
        .raw(", since ")
        .then(time(status.started_at))
        .raw(" · as of ")
        .then(time(now))
        .raw(" · all times are UTC</p>\n");
    if !troubles.is_empty() {
        page = page.raw("<section>\n<h2>Needs attention</h2>\n<ul class=\"troubles\">\n");
        for trouble in troubles {
            page = page.raw("<li>✗ ").then(trouble).raw("</li>\n");
        }
        page = page.raw("</ul>\n</section>\n");
    }
    page = page.then(connections(status)).then(reads(status));
    let Ok(store) = store else {
        return page;
    };
    page.then(queue(status, store))
        .then(webhooks(&store.webhooks, now))
        .then(people(store))
        .then(figures(&store.day, store.cut))
        .then(levels(status))
        .then(log(&store.entries))
}

/// The same parts that `ivan status --check` fails for, and the open alarms.
fn troubles(status: &StatusAnswer, store: Result<&StoreOverview, &str>) -> Vec<Html> {
    let mut troubles = Vec::new();
    if !status.store.writable {
        troubles.push(Html::new("The store is not writable"));
    }
    if let Err(why) = store {
        troubles.push(Html::new("The store cannot be read: ").text(why));
    }
    if let Some(slack) = &status.slack {
        match (slack.state, &slack.detail) {
            (_, Some(detail)) => troubles.push(Html::new("Slack: ").text(detail)),
            (SlackState::Connected, None) => {}
            (_, None) => troubles.push(Html::new("Slack is not connected")),
        }
        for missing in slack.missing_scopes.iter().filter(|one| !one.optional) {
            troubles.push(
                Html::new("Missing Slack scope ")
                    .code(missing.scope)
                    .raw(": ")
                    .text(missing.without),
            );
        }
        if slack.other_links > 0 {
            troubles.push(
                Html::new("")
                    .text(slack.other_links)
                    .raw(" connections of this Slack app elsewhere: is another daemon using the same app token?"),
            );
        }
    }
    for (source, health) in &status.sources {
        if let Some(error) = &health.error {
            troubles.push(Html::default().text(short(error)));
        }
        for name in &health.archived {
            let container = Html::new("The ").text(source.container()).raw(" ");
            troubles.push(container.said(name).raw(" is archived"));
        }
    }
    for one in &status.set_aside {
        troubles.push(
            Html::default()
                .text(short(&one.about))
                .raw(", set aside since ")
                .then(time(one.since))
                .raw(": ")
                .code(format!("ivan retry {}", one.id))
                .raw(" retries it"),
        );
    }
    for (about, since) in store
        .map(|store| store.alarms.as_slice())
        .unwrap_or_default()
    {
        troubles.push(
            Html::new("Operators were told of: ")
                .text(short(about))
                .raw(", since ")
                .then(time(*since)),
        );
    }
    troubles
}

fn section(heading: &'static str) -> Html {
    Html::new("<section>\n<h2>").raw(heading).raw("</h2>\n")
}

fn connections(status: &StatusAnswer) -> Html {
    let mut table = Table::new(&["Part", "State", "Since"]);
    let store = match status.store.writable {
        true => good("writable"),
        false => bad("not writable"),
    };
    table.row([Html::new("Store"), store, Html::new("–")]);
    let (state, since) = match &status.slack {
        None => (Html::new("not configured"), None),
        Some(slack) => {
            let state = match slack.state {
                SlackState::Connected => good("connected"),
                SlackState::Connecting => bad("connecting"),
                SlackState::Trouble => bad("not connected"),
            };
            (state, slack.since)
        }
    };
    let since = since.map_or_else(|| Html::new("–"), |since| moment(since, status.now));
    table.row([Html::new("Slack"), state, since]);
    let mut off = Vec::new();
    for missing in status.slack.iter().flat_map(|slack| &slack.missing_scopes) {
        if missing.optional {
            off.push(
                Html::new("<p class=\"soft\">Off without the Slack scope ")
                    .code(missing.scope)
                    .raw(": ")
                    .text(missing.without)
                    .raw(".</p>\n"),
            );
        }
    }
    let section = section("Connections").then(table.html());
    off.into_iter()
        .fold(section, Html::then)
        .raw("</section>\n")
}

fn reads(status: &StatusAnswer) -> Html {
    let mut table = Table::new(&["Source", "Last read", "State", "Open tasks"]);
    for (source, health) in &status.sources {
        let read = match health.last_sync {
            Some(at) => moment(at, status.now),
            None => Html::new("never"),
        };
        let state = match (&health.error, &health.reading) {
            (Some(_), _) => bad("failing"),
            (None, Some(reading)) => Html::new("reading: ")
                .text(reading.tasks)
                .raw(" tasks so far"),
            (None, None) if health.last_sync.is_none() => Html::new("not read yet"),
            (None, None) => good("well"),
        };
        let tasks = Html::default().text(health.tasks);
        table.row([Html::default().text(source.name()), read, state, tasks]);
    }
    section("Last reads").then(table.html()).raw("</section>\n")
}

fn queue(status: &StatusAnswer, store: &StoreOverview) -> Html {
    let now = status.now;
    let section = section("Queue");
    let waiting = &store.waiting;
    if waiting.is_empty() {
        return section.raw("<p>Nothing waits.</p>\n</section>\n");
    }
    let all = usize::try_from(status.queued_operations).unwrap_or(0);
    let all = all.max(waiting.len());
    let mut head = section.raw("<p>").text(match all {
        1 => "1 write waits.".to_owned(),
        all => format!("{all} writes wait."),
    });
    if all > waiting.len() {
        head = head.raw(" The oldest are:");
    }
    let mut table = Table::new(&["Write", "Person", "Age", "Why it waits", "Next attempt"]);
    for one in waiting {
        table.row(waiting_row(one, now));
    }
    head.raw("</p>\n").then(table.html()).raw("</section>\n")
}

fn waiting_row(one: &WaitingWrite, now: DateTime<Utc>) -> [Html; 5] {
    let mut write = Html::default().text(one.kind);
    if !one.title.is_empty() {
        write = write.raw(": ").link(&one.title, &one.url);
    }
    let write = write.raw(" in ").text(one.source.name());
    let mut why = Html::default().text(short(&one.reason(now)));
    if one.attempts > 0 {
        why = why.raw(" (attempts: ").text(one.attempts).raw(")");
    }
    let next = match one.next(now) {
        Some(at) => Html::new("in ").text(age(at - now)),
        None => Html::new("not known"),
    };
    [
        write,
        Html::default().said(&one.person),
        moment(one.since, now),
        why,
        next,
    ]
}

fn webhooks(all: &[SourceWebhooks], now: DateTime<Utc>) -> Html {
    let mut table = Table::new(&["Source", "Address", "State", "Last delivery"]);
    for of_source in all {
        let source = || Html::default().text(of_source.source.name());
        let last = || match of_source.last_delivery {
            Some(at) => moment(at, now),
            None => Html::new("none lately"),
        };
        if of_source.hooks.is_empty() {
            let none = Html::new("none registered; polls find changes");
            table.row([source(), Html::new("–"), none, last()]);
        }
        for hook in &of_source.hooks {
            let state = match hook.broken_since {
                Some(since) => bad("broken").raw(" since ").then(time(since)),
                None => good("well"),
            };
            table.row([source(), Html::default().said(&hook.url), state, last()]);
        }
    }
    section("Webhooks").then(table.html()).raw("</section>\n")
}

fn people(store: &StoreOverview) -> Html {
    let section = section("People without an account");
    let lacking: Vec<_> = store
        .unlinked
        .iter()
        .filter(|(_, names)| !names.is_empty())
        .collect();
    if lacking.is_empty() {
        return section.raw("<p>Everybody is linked.</p>\n</section>\n");
    }
    let mut table = Table::new(&["Source", "People", "Names"]);
    for (source, names) in lacking {
        let mut list = Html::default();
        for (number, name) in names.iter().take(NAMES_MAX).enumerate() {
            if number > 0 {
                list = list.raw(", ");
            }
            list = list.said(name);
        }
        if names.len() > NAMES_MAX {
            list = list.raw(" and ").text(names.len() - NAMES_MAX).raw(" more");
        }
        let number = Html::default().text(names.len());
        table.row([Html::default().text(source.name()), number, list]);
    }
    section.then(table.html()).raw("</section>\n")
}

fn figures(day: &DayFigures, cut: bool) -> Html {
    let section = section("The last 24 hours");
    let all = &day.all;
    if all.commands == 0 {
        return section.raw("<p>No command had an outcome.</p>\n</section>\n");
    }
    let most = day.hours.iter().max_by_key(|hour| hour.figures.commands);
    let mut said = Html::new("Commands: ").text(all.commands);
    if let Some(most) = most {
        said = said
            .raw(", at most ")
            .text(most.figures.commands)
            .raw(" in an hour, from ")
            .text(clock(most.begins));
    }
    let commands = chart("Commands", charts::commands(day), said, day);
    let said = Html::new("Outcomes: ")
        .raw("<span class=\"key done\">done ")
        .text(all.done)
        .raw("</span>, <span class=\"key refused\">refused ")
        .text(all.refused)
        .raw("</span>, <span class=\"key dropped\">given up or taken back ")
        .text(all.dropped)
        .raw("</span>");
    let outcomes = chart("Outcomes", charts::outcomes(day), said, day);
    let said = Html::new("Time to the outcome: ")
        .raw("<span class=\"key p50\">p50 ")
        .text(took(all.p50))
        .raw("</span>, <span class=\"key p99\">p99 ")
        .text(took(all.p99))
        .raw("</span> (logarithmic)");
    let times = chart("Time to the outcome", charts::times(day), said, day);
    let section = section.raw("<div class=\"charts\">\n");
    let section = section
        .then(commands)
        .then(outcomes)
        .then(times)
        .raw("</div>\n");
    let section = match cut {
        true => section
            .raw("<p class=\"soft\">Only the newest 20,000 entries of the log are counted.</p>\n"),
        false => section,
    };
    section
        .raw("<details>\n<summary>The same by the hour</summary>\n")
        .then(by_hour(day))
        .raw("</details>\n</section>\n")
}

/// How soon commands had their outcome in the days before, as `ivan status` has it.
fn levels(status: &StatusAnswer) -> Html {
    let levels = status.service_levels.as_ref();
    let Some(levels) = levels.filter(|levels| levels.commands > 0) else {
        return Html::default();
    };
    Html::new("<p class=\"soft\">Since ")
        .then(time(levels.since))
        .raw(": ")
        .text(levels.within_2s)
        .raw(" of ")
        .text(levels.commands)
        .raw(" commands that write had their outcome within 2 s, ")
        .text(levels.late)
        .raw(" took over 10 minutes with their source there, ")
        .text(levels.given_up)
        .raw(" were given up.</p>\n")
}

/// A drawing with its caption, and the first and last hour below it.
fn chart(name: &'static str, drawing: Html, said: Html, day: &DayFigures) -> Html {
    let begins = |hour: Option<DateTime<Utc>>| hour.map(clock).unwrap_or_default();
    let first = begins(day.hours.first().map(|hour| hour.begins));
    let last = begins(day.hours.last().map(|hour| hour.begins));
    Html::new("<figure aria-label=\"")
        .raw(name)
        .raw("\">\n<figcaption>")
        .then(said)
        .raw("</figcaption>\n")
        .then(drawing)
        .raw("\n<div class=\"axis\" data-first=\"")
        .text(first)
        .raw("\" data-last=\"")
        .text(last)
        .raw("\"></div>\n</figure>\n")
}

/// The hours with commands, newest first.
fn by_hour(day: &DayFigures) -> Html {
    let heads = &[
        "Hour",
        "Commands",
        "Done",
        "Refused",
        "Given up or taken back",
        "p50",
        "p99",
    ];
    let mut table = Table::new(heads);
    let busy = |figures: &Figures| figures.commands > 0;
    for hour in day.hours.iter().rev().filter(|hour| busy(&hour.figures)) {
        let figures = &hour.figures;
        let number = |number: usize| Html::default().text(number);
        table.row([
            time(hour.begins),
            number(figures.commands),
            number(figures.done),
            number(figures.refused),
            number(figures.dropped),
            Html::default().text(took(figures.p50)),
            Html::default().text(took(figures.p99)),
        ]);
    }
    table.html()
}

fn log(entries: &[Entry]) -> Html {
    let section = section("Log");
    if entries.is_empty() {
        return section.raw("<p>No entries yet.</p>\n</section>\n");
    }
    let mut table = Table::new(&["Time", "Who", "What", "Task", "Result", "How"]);
    for entry in entries {
        let task = match entry.title.is_empty() {
            true => Html::new("–"),
            false => Html::default().link(&entry.title, &entry.url),
        };
        let mut how = Html::default().text(from_where(entry.via));
        if let Some(token) = &entry.token {
            how = how.raw(" (token ").said(token).raw(")");
        }
        table.row([
            time(entry.at),
            Html::default().said(&who(entry)),
            Html::default().text(short(&entry.verb)),
            task,
            result(entry),
            how,
        ]);
    }
    section
        .raw("<p class=\"soft\">The newest first; <code>ivan log</code> shows more.</p>\n")
        .then(table.html())
        .raw("</section>\n")
}

fn result(entry: &Entry) -> Html {
    let result = match entry.came {
        ActivityResult::Done => good("done"),
        ActivityResult::AlreadySo => good("already so"),
        ActivityResult::Refused => bad("refused"),
        ActivityResult::GivenUp => bad("given up"),
        ActivityResult::TakenBack => Html::new("taken back"),
        ActivityResult::Pending => Html::new("… pending"),
    };
    match &entry.detail {
        Some(detail) => result.raw(": ").text(short(&for_operators(detail))),
        None => result,
    }
}

fn good(state: &'static str) -> Html {
    Html::new("<span class=\"good\">✓ ")
        .raw(state)
        .raw("</span>")
}

fn bad(state: &'static str) -> Html {
    Html::new("<span class=\"bad\">✗ ")
        .raw(state)
        .raw("</span>")
}

/// A time, with its age.
fn moment(at: DateTime<Utc>, now: DateTime<Utc>) -> Html {
    Html::default()
        .text(age(now - at))
        .raw(" <span class=\"soft\">(")
        .then(time(at))
        .raw(")</span>")
}

fn time(at: DateTime<Utc>) -> Html {
    Html::new("<time datetime=\"")
        .text(at.to_rfc3339_opts(SecondsFormat::Secs, true))
        .raw("\">")
        .text(at.format("%-d %b %H:%M"))
        .raw("</time>")
}

fn clock(at: DateTime<Utc>) -> String {
    at.format("%H:%M").to_string()
}

/// A length of time in its two largest units.
fn age(length: Duration) -> String {
    let seconds = length.num_seconds().max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let parts = match seconds {
        ..60 => return format!("{seconds} s"),
        60..3600 => return format!("{minutes} min"),
        3600..86_400 => [(hours, "h"), (minutes % 60, "min")],
        _ => [(days, "d"), (hours % 24, "h")],
    };
    let parts = parts.iter().filter(|(number, _)| *number > 0);
    let parts: Vec<String> = parts
        .map(|(number, unit)| format!("{number} {unit}"))
        .collect();
    parts.join(" ")
}

/// The time that something took.
fn took(time: Option<Duration>) -> String {
    let Some(time) = time else {
        return "–".to_owned();
    };
    match time.num_milliseconds() {
        ms @ ..1000 => format!("{ms} ms"),
        ms @ 1000..60_000 => format!("{:.1} s", ms as f64 / 1000.0),
        _ => age(time),
    }
}
