//! Rows of a table: ours, the baseline, the ratio, and the spread of the repetitions.

use std::fmt::Write as _;

/// One figure, measured several times for both.
pub struct Row {
    pub name: String,
    pub unit: &'static str,
    pub ours: Vec<f64>,
    pub bare: Vec<f64>,
}

/// Rows in the order in which they were first added.
#[derive(Default)]
pub struct Table {
    pub rows: Vec<Row>,
}

impl Table {
    /// Adds one measurement.
    pub fn add(&mut self, name: &str, unit: &'static str, ours: Option<f64>, bare: Option<f64>) {
        let found = self.rows.iter_mut().position(|row| row.name == name);
        let place = found.unwrap_or_else(|| {
            self.rows.push(Row {
                name: name.to_owned(),
                unit,
                ours: Vec::new(),
                bare: Vec::new(),
            });
            self.rows.len() - 1
        });
        let row = self.rows.get_mut(place).unwrap();
        row.ours.extend(ours);
        row.bare.extend(bare);
    }

    /// The table as Markdown.
    pub fn markdown(&self, title: &str) -> String {
        let mut text = format!(
            "| {title} | Ivan | bare loop | ratio | spread of Ivan · of the loop |\n|---|---|---|---|---|\n"
        );
        for row in &self.rows {
            let (ours, bare) = (median(&row.ours), median(&row.bare));
            let ratio = match (ours, bare) {
                (Some(ours), Some(bare)) if bare > 0.0 => shown(ours / bare),
                _ => String::new(),
            };
            let value = |value: Option<f64>| match value {
                Some(value) if row.unit.is_empty() => shown(value),
                Some(value) => format!("{} {}", shown(value), row.unit),
                None => String::new(),
            };
            let (name, ours, bare) = (&row.name, value(ours), value(bare));
            let spread = [&row.ours, &row.bare].map(|values| spread(values));
            let spread = spread.join(" · ");
            let _ = writeln!(text, "| {name} | {ours} | {bare} | {ratio} | {spread} |");
        }
        text
    }
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

pub fn median(values: &[f64]) -> Option<f64> {
    quantile(values, 0.5)
}

/// The value below which this share of the values is.
pub fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let sorted = sorted(values);
    let last = sorted.len().checked_sub(1)?;
    sorted.get((last as f64 * share).round() as usize).copied()
}

fn spread(values: &[f64]) -> String {
    let sorted = sorted(values);
    match (sorted.first(), sorted.last()) {
        (Some(least), Some(most)) if least != most => format!("{}–{}", shown(*least), shown(*most)),
        (Some(_), Some(_)) => "none".to_owned(),
        _ => String::new(),
    }
}

/// Three digits that count, thousands with a comma.
pub fn shown(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size >= 1_000.0 => {
            let whole = value.round() as i64;
            format!("{},{:03}", whole / 1_000, (whole % 1_000).abs())
        }
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Replaces the text between the two marks of a part in docs/performance.md.
pub fn write_into_the_docs(part: &str, text: &str) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/performance.md");
    let docs = std::fs::read_to_string(path).unwrap();
    let (begin, end) = (
        format!("<!-- {part} -->\n"),
        format!("<!-- end of {part} -->"),
    );
    let (before, rest) = docs.split_once(&begin).expect("the part begins");
    let (_, after) = rest.split_once(&end).expect("the part ends");
    std::fs::write(path, format!("{before}{begin}{text}{end}{after}")).unwrap();
}
