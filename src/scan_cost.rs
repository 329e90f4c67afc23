//! For tests: the time of a scanner grows with its text, not with the square of it.

use std::time::Duration;

/// The sizes in bytes of two texts of the same pattern.
const SHORT: usize = 1024;
const LONG: usize = 16 * 1024;
/// The precision of the clock, and what a busy machine adds.
const FLOOR: Duration = Duration::from_millis(12);

/// Parts of which strangers could make a text.
const PARTS: [&str; 48] = [
    "[",
    "](",
    "[x](",
    "<",
    ">",
    "<!--",
    "<!-- ivan:op=",
    "<!-- ivan:op=a",
    " -->",
    "-->",
    "`",
    "`a",
    "``",
    "```",
    "```\n",
    "> ```\n",
    "> a\n",
    "> a\nb\n",
    ">>>",
    "~~",
    "*",
    "*a ",
    "_a",
    "&",
    "&a",
    "@",
    "@a ",
    "@U0ANN01",
    "blocks ",
    "blocks [",
    "blocks/",
    "blocked by ",
    "blocks ,",
    "and ",
    "\n",
    "\r\n",
    "- ",
    "- [ ] #1\n",
    "1. a\n",
    "|",
    "<@U1",
    "<!",
    "<https://",
    "https://a",
    "#1 ",
    "\\",
    "$a",
    ":x:",
];

/// Fails if the scan of any text takes a time that grows faster than the text.
pub(crate) fn is_linear<T>(scan: impl Fn(&str) -> T) {
    is_linear_in(&PARTS, scan);
}

/// The same for texts made of these parts.
pub(crate) fn is_linear_in<T>(parts: &[&str], scan: impl Fn(&str) -> T) {
    for part in parts {
        for end in ["", ")", "`"] {
            let text = |bytes: usize| format!("{}{end}", part.repeat(bytes / part.len()));
            let (short, long) = (text(SHORT), text(LONG));
            let mut costs = (Duration::MAX, Duration::ZERO);
            // What else the machine does may add to one measurement, and not to all of them.
            let is_linear = (0..5).any(|_| {
                // The same number of bytes in sixteen texts.
                let parts = cpu_time(|| {
                    for _ in 0..LONG / SHORT {
                        scan(&short);
                    }
                });
                let whole = cpu_time(|| {
                    scan(&long);
                });
                costs = (costs.0.min(whole), costs.1.max(parts));
                costs.0 <= costs.1 * 4 + FLOOR
            });
            let (whole, parts) = costs;
            assert!(
                is_linear,
                "{part:?} × {} and {end:?}: {whole:?}, in parts {parts:?}",
                LONG / part.len()
            );
        }
    }
}

/// The processor time that this thread takes for it; where the system does not tell, the time by the clock.
fn cpu_time(work: impl FnOnce()) -> Duration {
    let (begun, before) = (std::time::Instant::now(), on_cpu());
    work();
    match (before, on_cpu()) {
        (Some(before), Some(after)) => after.saturating_sub(before),
        _ => begun.elapsed(),
    }
}

fn on_cpu() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanos = text.split(' ').next()?.parse().ok()?;
    Some(Duration::from_nanos(nanos))
}

#[test]
#[should_panic(expected = "in parts")]
fn a_scanner_that_begins_again_is_found() {
    is_linear(|text| {
        let openings = text.match_indices("[x](");
        openings
            .filter(|(at, _)| text.get(*at..).is_some_and(|rest| rest.contains("!!")))
            .count()
    });
}
