//! `ivan export`: tables of the store as JSON, one row a line, or as CSV (RFC 4180).

use std::io::{self, Write};
use std::path::PathBuf;

use chrono::{DateTime, SecondsFormat, Utc};
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};

use super::json::{self, OutputForm};
use super::look::StreamLook;
use crate::domain::controls::without_controls;
use crate::domain::export::{ExportTable, ExportValue, read_since};

/// The notes below the options.
pub const HELP: &str = "With --json each row is an object in a line of its own, and --jq is applied to each. A CSV file has one table, so \
     --csv needs --what. Times are in UTC. docs/operations.md#export describes the columns, and how cells are written \
     that a spreadsheet would take for formulas.";

/// The words after `ivan export`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct ExportOptions {
    /// Write one table as CSV
    #[arg(long, requires = "what", conflicts_with_all = ["json", "jq"])]
    pub csv: bool,
    /// Write this table only
    #[arg(long, value_name = "TABLE", value_parser = tables())]
    pub what: Option<ExportTable>,
    /// Write only tasks changed, writes asked for and actions done since then: a day, or an RFC 3339 time
    #[arg(long, value_name = "DATE", value_parser = read_since)]
    pub since: Option<DateTime<Utc>>,
    /// The file to write, with mode 0600; without one, the rows are printed
    #[arg(short = 'o', long = "out", value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Replace the file if it exists
    #[arg(long, requires = "out")]
    pub force: bool,
}

impl ExportOptions {
    /// The wanted tables, in their order.
    pub fn tables(&self) -> impl Iterator<Item = ExportTable> {
        let what = self.what;
        let all = ExportTable::ALL.into_iter();
        all.filter(move |table| what.is_none_or(|what| what == *table))
    }
}

fn tables() -> impl clap::builder::TypedValueParser<Value = ExportTable> {
    let names = PossibleValuesParser::new(ExportTable::ALL.map(ExportTable::as_str));
    names.try_map(|name| ExportTable::parse(&name).ok_or("an unknown table"))
}

/// The form of exported rows.
#[derive(Debug, Clone, Copy)]
pub enum ExportForm<'a> {
    /// A header, and the rows of one table.
    Csv,
    /// One object a line; each with its table. The expression of `--jq` may be applied to each.
    Json(&'a OutputForm),
}

impl ExportForm<'_> {
    /// The form that the options ask for; the reason if they name none.
    pub fn of<'a>(
        options: &ExportOptions,
        form: &'a OutputForm,
    ) -> Result<ExportForm<'a>, &'static str> {
        match (options.csv, form) {
            (true, _) => Ok(ExportForm::Csv),
            (false, OutputForm::Json(_)) => Ok(ExportForm::Json(form)),
            (false, OutputForm::Words) => Err("Add --json, or --csv and --what TABLE."),
        }
    }
}

/// Writes rows in a form.
pub struct ExportWriter<'a> {
    out: &'a mut dyn Write,
    form: ExportForm<'a>,
    /// The look of the stream.
    look: StreamLook,
}

impl<'a> ExportWriter<'a> {
    /// A writer to this stream.
    pub fn new(out: &'a mut dyn Write, form: ExportForm<'a>, look: StreamLook) -> ExportWriter<'a> {
        ExportWriter { out, form, look }
    }

    /// Begins a table. An empty one has its header, too.
    pub fn begin(&mut self, table: ExportTable) -> io::Result<()> {
        match self.form {
            ExportForm::Csv => self.line(table.columns().iter().copied().map(str::to_owned)),
            ExportForm::Json(_) => Ok(()),
        }
    }

    /// Writes a row with the columns of its table.
    pub fn row(&mut self, table: ExportTable, row: &[ExportValue]) -> io::Result<()> {
        match self.form {
            ExportForm::Csv => {
                let terminal = self.look.terminal;
                self.line(row.iter().map(|value| match terminal {
                    // On a terminal, strangers' text controls nothing.
                    true => without_controls(&cell(value)).into_owned(),
                    false => cell(value),
                }))
            }
            ExportForm::Json(form) => {
                let filter = match form {
                    OutputForm::Json(filter) => filter.as_ref(),
                    OutputForm::Words => None,
                };
                let shown = json::shown(&object(table, row), filter, self.look);
                self.out
                    .write_all(shown.map_err(io::Error::other)?.as_bytes())
            }
        }
    }

    /// Ends the export.
    pub fn end(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn line(&mut self, cells: impl Iterator<Item = String>) -> io::Result<()> {
        let cells: Vec<String> = cells.map(quoted).collect();
        write!(self.out, "{}\r\n", cells.join(","))
    }
}

/// A value as a cell. An apostrophe stands before a text that a spreadsheet would take for a formula.
fn cell(value: &ExportValue) -> String {
    match value {
        ExportValue::Nothing => String::new(),
        ExportValue::Text(text) => harmless(text.clone()),
        ExportValue::Texts(texts) => harmless(texts.join("; ")),
        ExportValue::Number(number) => number.to_string(),
        ExportValue::Time(at) => rfc3339(*at),
    }
}

/// Spreadsheets calculate cells that begin with these characters, in full width too; some skip a tab or a line break first.
fn harmless(text: String) -> String {
    const BEGIN_FORMULAS: [char; 11] = [
        '=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}',
    ];
    match text.starts_with(BEGIN_FORMULAS) {
        true => format!("'{text}"),
        false => text,
    }
}

/// A cell in quotation marks, if it needs them.
fn quoted(cell: String) -> String {
    match cell.contains(['"', ',', '\r', '\n']) || cell.starts_with(' ') || cell.ends_with(' ') {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell,
    }
}

/// A row as a JSON object, with its members in the order of the columns.
fn object(table: ExportTable, row: &[ExportValue]) -> String {
    let mut text = format!("{{\"table\":\"{}\"", table.as_str());
    for (name, value) in table.columns().iter().zip(row) {
        let value = match value {
            ExportValue::Nothing => serde_json::Value::Null,
            ExportValue::Text(text) => text.as_str().into(),
            ExportValue::Texts(texts) => texts.as_slice().into(),
            ExportValue::Number(number) => (*number).into(),
            ExportValue::Time(at) => rfc3339(*at).into(),
        };
        text.push_str(&format!(",\"{name}\":{value}"));
    }
    text.push('}');
    text
}

fn rfc3339(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, CliCommand, help};
    use proptest::prelude::*;
    use rstest::rstest;

    fn options(line: &[&str]) -> Result<(ExportOptions, OutputForm), clap::Error> {
        let cli: Cli = help::read([&["ivan", "export"], line].concat())?;
        let form = OutputForm::of(&cli.options).unwrap();
        match cli.command {
            CliCommand::Export(options) => Ok((options, form)),
            other => panic!("{other:?}"),
        }
    }

    /// The log's rows with these titles, as the line of an export prints them.
    fn written(line: &[&str], titles: &[&str]) -> String {
        let (options, form) = options(line).unwrap();
        let mut out = Vec::new();
        let form = ExportForm::of(&options, &form).unwrap();
        let mut writer = ExportWriter::new(&mut out, form, StreamLook::default());
        for table in options.tables() {
            writer.begin(table).unwrap();
            for title in titles {
                let value = |name: &&str| match *name {
                    "id" => ExportValue::Number(7),
                    "at" => ExportValue::Time(DateTime::UNIX_EPOCH),
                    "title" => ExportValue::text(*title),
                    _ => ExportValue::Nothing,
                };
                let row: Vec<ExportValue> = table.columns().iter().map(value).collect();
                writer.row(table, &row).unwrap();
            }
        }
        writer.end().unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn csv_has_a_header_and_quotes_what_needs_it() {
        let text = written(&["--csv", "--what", "log"], &["a \"b\", c\nd", "plain"]);
        let (header, rows) = text.split_once("\r\n").unwrap();
        assert_eq!(header, ExportTable::Log.columns().join(","));
        assert_eq!(
            rows,
            "7,1970-01-01T00:00:00.000Z,,,,,,,,,,\"a \"\"b\"\", c\nd\",,,,,\r\n\
             7,1970-01-01T00:00:00.000Z,,,,,,,,,,plain,,,,,\r\n"
        );
        assert_eq!(written(&["--csv", "--what", "log"], &[]).lines().count(), 1);
    }

    #[rstest]
    #[case("=1+1", "'=1+1")]
    #[case("+1", "'+1")]
    #[case("-1", "'-1")]
    #[case("@SUM(A1)", "'@SUM(A1)")]
    #[case("\t=1", "'\t=1")]
    #[case("＝1", "'＝1")]
    #[case("=HYPERLINK(\"x\")", "\"'=HYPERLINK(\"\"x\"\")\"")]
    #[case("a=1", "a=1")]
    #[case(" =1", "\" =1\"")]
    #[case("", "")]
    fn a_cell_is_no_formula(#[case] text: &str, #[case] shown: &str) {
        assert_eq!(quoted(cell(&ExportValue::text(text))), shown);
    }

    #[test]
    fn json_has_each_row_in_a_line() {
        let text = written(&["--json"], &["=1"]);
        let rows: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let tables: Vec<_> = rows.iter().map(|row| row["table"].as_str()).collect();
        assert_eq!(tables, [Some("tasks"), Some("operations"), Some("log")]);
        assert_eq!(rows[2]["title"], "=1");
        assert_eq!(rows[2]["at"], "1970-01-01T00:00:00.000Z");
        assert!(rows[2]["person"].is_null());
        assert!(text.contains("{\"table\":\"log\",\"id\":7,\"at\":"));
    }

    #[cfg(feature = "jq")]
    #[test]
    fn an_expression_is_applied_to_each_row() {
        let line = ["--what", "log", "--jq", "select(.title != \"b\") | .title"];
        assert_eq!(written(&line, &["a", "b", "c"]), "a\nc\n");
    }

    #[rstest]
    #[case(&["--csv"])]
    #[case(&["--csv", "--what", "people"])]
    #[case(&["--csv", "--json", "--what", "log"])]
    #[case(&["--json", "--since", "yesterday"])]
    #[case(&["--json", "--force"])]
    fn a_line_that_cannot_be_meant_so_is_refused(#[case] line: &[&str]) {
        assert_eq!(options(line).unwrap_err().exit_code(), 2);
    }

    #[test]
    fn a_form_has_to_be_named() {
        let (options, form) = options(&["--what", "log"]).unwrap();
        assert!(ExportForm::of(&options, &form).is_err());
    }

    /// The cells of one line, read as RFC 4180 says.
    fn cells(line: &str) -> Vec<String> {
        let (mut cells, mut quoted) = (vec![String::new()], false);
        let mut chars = line.chars().peekable();
        while let Some(c) = chars.next() {
            let cell = cells.last_mut().unwrap();
            match c {
                '"' if quoted && chars.next_if_eq(&'"').is_some() => cell.push('"'),
                '"' => quoted = !quoted,
                ',' if !quoted => cells.push(String::new()),
                c => cell.push(c),
            }
        }
        cells
    }

    proptest! {
        #[test]
        fn every_text_is_read_back(texts in proptest::collection::vec("[a\",\r\n =+-@é]{0,6}", 1..5)) {
            let mut out = Vec::new();
            let mut writer = ExportWriter::new(&mut out, ExportForm::Csv, StreamLook::default());
            let row: Vec<ExportValue> = texts.iter().map(ExportValue::text).collect();
            writer.row(ExportTable::Log, &row).unwrap();
            let line = String::from_utf8(out).unwrap();
            let read = cells(line.strip_suffix("\r\n").unwrap());
            let plain: Vec<String> = texts.iter().map(|text| harmless(text.clone())).collect();
            prop_assert_eq!(read, plain);
        }
    }
}
