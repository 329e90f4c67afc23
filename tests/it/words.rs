//! Comments are plain sentences. Those that turn on `what`, `whoever`, `somebody` and their kind are counted.

use std::fs;
use std::path::Path;

/// Words that stand for a noun and leave the reader to guess it.
const VAGUE: [&str; 10] = [
    "what",
    "whatever",
    "whoever",
    "whom",
    "whomever",
    "somebody",
    "nobody",
    "anybody",
    "everybody",
    "whosever",
];

/// The comments of a file, a paragraph each, without code in backticks.
fn paragraphs(text: &str) -> Vec<String> {
    let mut paragraphs = vec![String::new()];
    for line in text.lines() {
        let comment = line.trim_start().strip_prefix("//");
        let words = comment.map_or("", |comment| comment.trim_start_matches(['/', '!']).trim());
        match (words, paragraphs.last_mut()) {
            ("", _) => paragraphs.push(String::new()),
            (words, Some(last)) => {
                last.push_str(words);
                last.push(' ');
            }
            (_, None) => {}
        }
    }
    let without_code = |paragraph: String| {
        let prose = paragraph.split('`').step_by(2);
        prose.collect::<Vec<_>>().join("X")
    };
    paragraphs.into_iter().map(without_code).collect()
}

/// The sentences of a file's comments, and those of them that are vague.
fn count(text: &str) -> (usize, usize) {
    let paragraphs = paragraphs(text);
    let sentences = paragraphs
        .iter()
        .flat_map(|paragraph| paragraph.split_inclusive(['.', ':', ';', '!', '?']))
        .filter(|sentence| sentence.split_whitespace().count() > 1);
    let is_vague = |sentence: &&str| {
        let lower = sentence.to_lowercase();
        let mut words = lower.split(|c: char| !c.is_alphanumeric());
        words.any(|word| VAGUE.contains(&word))
    };
    let (vague, plain): (Vec<&str>, Vec<&str>) = sentences.partition(is_vague);
    (vague.len() + plain.len(), vague.len())
}

#[test]
fn few_comments_turn_on_a_vague_word() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("src"), root.join("tests")];
    let (mut all, mut vague) = (0, 0);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let (of_all, of_vague) = count(&fs::read_to_string(&path).unwrap());
                all += of_all;
                vague += of_vague;
            }
        }
    }
    assert!(all > 5000, "only {all} sentences were found");
    assert!(
        vague * 100 < all * 3,
        "{vague} of {all} sentences are vague"
    );
}

#[test]
fn vague_sentences_are_found() {
    let text =
        "/// Returns the task. Fails with what was wrong.\nlet what = 1;\n\n//! Nobody knows.";
    assert_eq!(count(text), (3, 2));
}
