//! The full text of tasks: titles, clients, labels, descriptions, and the comments that Ivan has seen.
//!
//! Triggers of the schema keep the index equal to the mirror, so no write of a task has to name it.

use rusqlite::params;

use super::db::Db;
use super::tasks::{COLUMNS, FOLLOWED, StoredTask, stored};
use crate::domain::ids::TaskRow;
use crate::domain::task::Source;

/// The most characters of one comment, and of all comments on a task, that are searched. The newest stay.
const COMMENT_MAX: i64 = 4_096;
const TALK_MAX: i64 = 16_384;

/// The best matches that are read, whether or not the person may see them.
pub const CANDIDATES_MAX: usize = 300;

/// The most tokens of one search, and the most characters of one of `find`: longer searches would hold up the writer.
const TOKENS_MAX: usize = 32;
const TOKEN_MAX: usize = 64;

/// Adds a comment to the text of its task.
pub fn heard(tx: &Db, task: TaskRow, text: &str) -> rusqlite::Result<()> {
    tx.execute(
        "INSERT INTO talk (task_id, text) VALUES (?1, substr(?2, 1, ?3))
         ON CONFLICT DO UPDATE SET text = substr(excluded.text || char(10) || text, 1, ?4)",
        params![task, text, COMMENT_MAX, TALK_MAX],
    )?;
    Ok(())
}

/// The tasks that have a word with each of these beginnings, best first; those that were deleted or moved away are left
/// out. A match in the title counts most, then one in a client, label or custom id, in the description, in a comment.
pub fn find(connection: &Db, words: &[String]) -> rusqlite::Result<Vec<StoredTask>> {
    let words = first_tokens(words);
    let Some(expression) = expression(&words, " AND ", " *") else {
        return Ok(Vec::new());
    };
    connection.query_map(
        &format!(
            "SELECT {COLUMNS} FROM
                 (SELECT rowid AS found, bm25(task_words, 10, 5, 2, 1) AS place FROM task_words
                  WHERE task_words MATCH ?1 ORDER BY place LIMIT ?2)
             CROSS JOIN tasks ON tasks.id = found WHERE {FOLLOWED} ORDER BY place, tasks.id DESC"
        ),
        params![
            expression,
            i64::try_from(CANDIDATES_MAX).unwrap_or(i64::MAX)
        ],
        stored,
    )
}

/// Open tasks of a list or repository whose title has the first of these words, or of the words of one of the halves;
/// newest first.
/// Of each, only some of the newest of all places are looked at: this is asked in the write that ends a creation, which
/// must not take longer the more tasks have common words.
pub fn titled(
    connection: &Db,
    (source, container): (Source, &str),
    words: &[String],
    halves: &[Vec<String>; 2],
) -> rusqlite::Result<Vec<(TaskRow, String)>> {
    const LOOKED_AT: i64 = 50;
    let all = |words: &[String]| {
        // More words would leave out few others.
        let words: Vec<&str> = words.iter().take(TOKENS_MAX).map(String::as_str).collect();
        let words = expression(&words, " AND ", "")?;
        Some(format!("title : ({words})"))
    };
    let Some(whole) = all(words) else {
        return Ok(Vec::new());
    };
    let [first, second] = halves;
    let half = |words: &[String]| all(words).unwrap_or_else(|| whole.clone());
    let newest = |words: &str| {
        format!(
            "SELECT * FROM (SELECT rowid AS found FROM task_words WHERE task_words MATCH {words}
             ORDER BY rowid DESC LIMIT ?6)"
        )
    };
    let found = ["?1", "?2", "?3"].map(newest).join(" UNION ");
    connection.query_map(
        &format!(
            "SELECT tasks.id, title FROM ({found}) CROSS JOIN tasks ON tasks.id = found
             WHERE source = ?4 AND container = ?5 AND status <> 'done' AND {FOLLOWED} ORDER BY tasks.id DESC"
        ),
        params![
            whole,
            half(first),
            half(second),
            source.as_str(),
            container,
            LOOKED_AT
        ],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// The words in the index's own language, each with the same end: each is a quotation, so nothing in it is an operator.
fn expression(words: &[&str], between: &str, end: &str) -> Option<String> {
    let has_letters = |word: &&&str| word.chars().any(char::is_alphanumeric);
    let words = words.iter().filter(has_letters);
    let words: Vec<String> = words
        .map(|word| format!("\"{}\"{end}", word.replace('"', " ")))
        .collect();
    (!words.is_empty()).then(|| words.join(between))
}

/// The words up to the most tokens of one search. A word with signs in it, as `on-call`, is several.
fn first_tokens(words: &[String]) -> Vec<&str> {
    let mut left = TOKENS_MAX;
    let mut kept = Vec::new();
    for word in words {
        if left == 0 {
            break;
        }
        let (begin, tokens) = begin_of(word, left);
        left = left.saturating_sub(tokens);
        kept.push(begin);
    }
    kept
}

/// The beginning of a word, with at most so many tokens, and their number. A token that is too long is the last one: it
/// counts by its beginning. The index splits by some other signs than ASCII's too, which count as letters here.
fn begin_of(word: &str, most: usize) -> (&str, usize) {
    let (mut tokens, mut letters) = (0_usize, 0_usize);
    for (at, c) in word.char_indices() {
        if !c.is_alphanumeric() && c.is_ascii() {
            letters = 0;
            continue;
        }
        let is_first = letters == 0;
        if (is_first && tokens == most) || letters == TOKEN_MAX {
            return (word.get(..at).unwrap_or(word), tokens);
        }
        tokens += usize::from(is_first);
        letters += 1;
    }
    (word, tokens)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::spelling;

    fn store() -> Db {
        let db = Db::in_memory();
        db.execute_batch(
            "INSERT INTO containers (source, source_key, name, configured) VALUES ('clickup', '901', 'Inbox', '901');
             INSERT INTO tasks (id, source, source_key, task_id, container, title, description, created_ms, seen_ms, read_us)
             VALUES (1, 'clickup', 'a', 'clickup:a', '901', 'Login fails', 'on Safari', 0, 0, 0),
                    (2, 'clickup', 'b', 'clickup:b', '901', 'Renew the certificate', 'before the login breaks', 0, 0, 0);",
        )
        .unwrap();
        db
    }

    fn found(db: &Db, words: &str) -> Vec<i64> {
        let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
        let found = find(db, &words).unwrap();
        found.iter().map(|one| one.row.0).collect()
    }

    #[test]
    fn the_index_follows_every_change_of_a_task() {
        let db = store();
        assert_eq!(found(&db, "login"), [1, 2]);
        assert_eq!(found(&db, "LOG saf"), [1]);
        let change = |sql: &str| db.execute_batch(sql).unwrap();
        change("UPDATE tasks SET title = 'Sign-in fails', seen_ms = 1 WHERE id = 1");
        assert_eq!(found(&db, "login"), [2]);
        assert_eq!(found(&db, "sign-in"), [1]);
        change(
            "UPDATE tasks SET entity = 'acme', labels = '[\"bug\"]', custom_id = 'OPS-12' WHERE id = 2",
        );
        assert_eq!(found(&db, "acme bug ops-12 login"), [2]);
        // A change of nothing that is searched, and tasks that are not shown.
        change("UPDATE tasks SET status = 'done' WHERE id = 2");
        assert_eq!(found(&db, "acme"), [2]);
        change("UPDATE tasks SET gone = 1 WHERE id = 2");
        assert_eq!(found(&db, "acme"), [0_i64; 0]);
        // Signs of the index's language, and words without letters.
        for words in [
            "\"",
            "a\"b",
            "NOT",
            "acme*",
            "title:acme",
            "-",
            "(",
            "^fails",
        ] {
            found(&db, words);
        }
        assert_eq!(found(&db, "- fails *"), [1]);
    }

    #[test]
    fn a_search_has_a_bounded_number_of_tokens() {
        let of = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            first_tokens(&words).join(" ")
        };
        assert_eq!(of(&["on-call", "“login”", "-"]), "on-call “login” -");
        assert_eq!(of(&["a-".repeat(20_000).as_str()]), "a-".repeat(TOKENS_MAX));
        assert_eq!(
            of(&["a-".repeat(30).as_str(), "b-c-d", "e"]),
            "a-".repeat(30) + " b-c-"
        );
        assert_eq!(of(&["é".repeat(40_000).as_str()]), "é".repeat(TOKEN_MAX));
        assert_eq!(
            of(&["…".repeat(40_000).as_str(), "a"]),
            "…".repeat(TOKEN_MAX) + " a"
        );
        let db = store();
        assert_eq!(found(&db, &"login-".repeat(7_000)), [0_i64; 0]);
        assert_eq!(found(&db, "login-fails"), [1]);
        let words = vec!["login".to_owned(); 30_000];
        let place = (Source::ClickUp, "901");
        let all = titled(&db, place, &words, &Default::default()).unwrap();
        assert_eq!(all.len(), 1);
    }

    /// The rows of tasks with a title nearly like this one.
    fn like(db: &Db, title: &str) -> Vec<i64> {
        let place = (Source::ClickUp, "901");
        let words = spelling::words_of(title);
        let found = titled(db, place, &words, &spelling::halves_of(title)).unwrap();
        let found = found.into_iter();
        found
            .filter(|(_, other)| spelling::is_alike(title, other))
            .map(|(row, _)| row.0)
            .collect()
    }

    #[test]
    fn nearly_the_same_titles_are_found_among_many_with_common_words() {
        let db = store();
        db.execute_batch(
            "WITH RECURSIVE numbers (n) AS (SELECT 3 UNION ALL SELECT n + 1 FROM numbers WHERE n < 3000)
             INSERT INTO tasks (id, source, source_key, task_id, container, title, created_ms, seen_ms, read_us)
             SELECT n, 'clickup', n, 'clickup:' || n, '901',
                 CASE WHEN n % 2 THEN 'Errand ' || n || ' of the errands' ELSE 'Renew a lease before it ends' END, 0, 0, 0
             FROM numbers;",
        )
        .unwrap();
        assert_eq!(like(&db, "errand 7 of the errands"), [7]);
        assert_eq!(like(&db, "Errand 7 fo the errands"), [7]);
        assert_eq!(like(&db, "the errands: errand 2999 of"), [2999]);
        assert_eq!(like(&db, "Errand 8 of the errands"), [0_i64; 0]);
        assert_eq!(like(&db, "Renew teh certificate"), [2]);
        assert_eq!(like(&db, "Renew the certificates"), [2]);
        assert_eq!(like(&db, "Login fails!"), [1]);
        // Of thousands, the newest.
        let many = like(&db, "Renew a lease before it ends");
        assert_eq!(many.first(), Some(&3000));
        assert!((50..=150).contains(&many.len()), "{}", many.len());
    }

    #[test]
    fn a_task_keeps_a_bounded_text_of_its_comments() {
        let db = store();
        heard(&db, TaskRow(1), "the staging host is down").unwrap();
        assert_eq!(found(&db, "staging login"), [1]);
        heard(&db, TaskRow(1), &format!("{}beyond", "é ".repeat(3_000))).unwrap();
        assert_eq!(found(&db, "staging"), [1]);
        assert_eq!(found(&db, "beyond"), [0_i64; 0]);
        for number in 0..20 {
            heard(
                &db,
                TaskRow(1),
                &format!("n{number} {}", "x ".repeat(2_000)),
            )
            .unwrap();
        }
        let length: i64 = db
            .query_row("SELECT length(text) FROM talk", [], |row| row.get(0))
            .unwrap();
        assert_eq!(length, TALK_MAX);
        assert_eq!(found(&db, "n19"), [1]);
        assert_eq!(found(&db, "staging"), [0_i64; 0]);
        let whole = "INSERT INTO task_words (task_words) VALUES ('integrity-check')";
        db.execute_batch(whole).unwrap();
    }
}
