//! The words about files that come with a command.

use super::{Report, ReportState, Step, StepState, Text, code, sentence, stopped};
use crate::domain::shared_file::SharedFile;
use crate::domain::task::Source;

/// The end of a receipt for a text that links to these files, behind `before`. Empty without files.
pub(super) fn with_links(before: &str, files: &[SharedFile]) -> Text {
    /// How many are named.
    const NAMED: usize = 3;
    let (what, opens) = match files.len() {
        0 => return Text::new(),
        1 => ("a link to ", "it opens for people who can see it in Slack"),
        _ => (
            "links to ",
            "they open for people who can see them in Slack",
        ),
    };
    let mut words = Text::new().text(format!("{before}{what}"));
    let named = files.len().min(NAMED);
    let more = files.len() - named;
    for (place, file) in files.iter().take(named).enumerate() {
        let is_last = place + 1 == named && more == 0;
        words = words.text(match (place, is_last) {
            (0, _) => "",
            (_, true) => " and ",
            (_, false) => ", ",
        });
        words = words.said(&file.name);
    }
    if more > 0 {
        words = words.text(format!(" and {more} more"));
    }
    words.text(format!(" ({opens})"))
}

/// The start of a report about the copy of a file alone.
pub(super) fn attached(file: &SharedFile, source: Source) -> Text {
    let words = Text::new().said(&file.name);
    words.text(format!(" attached in {}: ", source.name()))
}

/// Adds the copy of a file to the report of the text that links to it. The text stands, whatever becomes of the copy.
pub(super) fn copied(report: &mut Report, file: &SharedFile, step: &Step<'_>) {
    let source = step.write.source().name();
    let words = stopped(std::mem::take(&mut report.message))
        .text(" ")
        .said(&file.name);
    report.message = match step.end {
        StepState::Well(_) => words.text(format!(" is attached in {source}, too.")),
        StepState::Pending { why, .. } => {
            if report.state == ReportState::Done {
                report.state = ReportState::Queued;
            }
            match why {
                Some(why) => words.text(format!(
                    " is not attached in {source} yet. {}",
                    sentence(why)
                )),
                None => words.text(format!(" is being attached in {source}.")),
            }
        }
        StepState::Refused(_, why) => words.text(format!(
            " is not attached in {source}, so only the link stands. {}",
            sentence(why)
        )),
        StepState::GivenUp {
            why,
            perhaps_applied,
        } => {
            let may = match perhaps_applied {
                true => "may not be attached",
                false => "is not attached",
            };
            words.text(format!(
                " {may} in {source}; the link stands. I gave up: {}",
                sentence(why)
            ))
        }
        StepState::SetAside { why, .. } => {
            report.state = ReportState::SetAside;
            words.text(format!(" is not attached in {source}. {}", sentence(why)))
        }
        StepState::Cancelled => words.text(format!(" was not attached in {source}.")),
    };
}

/// Files or forwarded messages came with a command without a text to add them to. `None` if there were none.
pub fn not_taken_over(files: &[String], forwarded: bool) -> Option<Text> {
    let what = match (files, forwarded) {
        ([], false) => return None,
        ([], true) => "The forwarded message was".to_owned(),
        ([file], false) => format!("The file {} was", code(file)),
        (_, false) => "The files were".to_owned(),
        (_, true) => "The forwarded message and its files were".to_owned(),
    };
    Some(Text::new().text(format!(
        "{what} not used: this command takes no text. To add a link to it, send it with `comment on REF: TEXT`."
    )))
}

/// Files without a URL from Slack. `None` if there are none.
pub fn files_without_address(names: &[String]) -> Option<Text> {
    let what = not_added(names)?;
    Some(Text::new().text(format!("{what}: Slack gives me no link for it.")))
}

/// The same, if the app lacks the scope to ask Slack for them.
pub fn files_need_scope(names: &[String]) -> Option<Text> {
    let what = not_added(names)?;
    Some(
        Text::new()
            .text(format!(
                "{what}: Slack gave me no link, and I may not ask for it. To add the scope "
            ))
            .code("files:read")
            .text(" to the Slack app's manifest and to install the app again, ask ")
            .operators()
            .text("."),
    )
}

/// A message has more files than are linked. `None` if it has not.
pub fn files_left_out(left_out: usize, most: usize) -> Option<Text> {
    let files = match left_out {
        0 => return None,
        1 => "1 more file was".to_owned(),
        more => format!("{more} more files were"),
    };
    Some(Text::new().text(format!(
        "{files} not linked: I link at most {most} of one message."
    )))
}

fn not_added(names: &[String]) -> Option<String> {
    Some(match names {
        [] => return None,
        [name] => format!("The file {} was not added", code(name)),
        _ => "Some of the files were not added".to_owned(),
    })
}

/// A message without text, with only a file or a forwarded message, is no command.
pub fn no_command_with(snippet: Option<&str>, files: &[String], forwarded: bool) -> Text {
    let hint = "Add `create TITLE` or `comment on REF: TEXT` to it.";
    Text::new().text(match (snippet, files) {
        (Some(name), _) => format!(
            "Slack turned your long text into a file ({}), and I don't read files. Send shorter messages, or send the file with \
             `comment on REF:` to add a link to it.",
            code(name)
        ),
        (None, []) if forwarded => {
            format!("This is a forwarded message without a command. {hint}")
        }
        (None, [name]) => format!("This is a file ({}) without a command. {hint}", code(name)),
        (None, _) => format!("These are files without a command. {hint}"),
    })
}
