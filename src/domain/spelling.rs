//! Misspelled words: the known word that a person probably meant.

/// The edit distance: letters to insert, delete, change, or swap with their neighbour.
pub fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    // The rows for the previous one and two letters of `a`.
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, &x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, &y) in b.iter().enumerate() {
            let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX - 1);
            let mut best = (at(&last, j) + usize::from(x != y))
                .min(at(&last, j + 1) + 1)
                .min(at(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(&y) && b.get(j - 1) == Some(&x);
            if swapped {
                best = best.min(at(&before_last, j - 1) + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

/// The known word that a misspelled one stands for: one typo away, in a word of six or more letters two.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let letters = word.chars().count();
    let typos = match letters {
        ..3 => return None,
        3..6 => 1,
        _ => 2,
    };
    // Words of other lengths are farther away: a long text is not compared letter by letter.
    let known = known.into_iter();
    let alike = known.filter(|one| one.chars().count().abs_diff(letters) <= typos);
    let near = alike.map(|one| (distance(word, one), one));
    let (_, nearest) = near.filter(|(far, _)| *far <= typos).min()?;
    Some(nearest)
}

/// The known names that a person may have meant, the nearest first: with a typo, or with more or fewer words. In any case.
pub fn similar<'a>(name: &str, known: &[&'a str]) -> Vec<&'a str> {
    /// A shorter part of a name means nothing.
    const PART_MIN: usize = 3;
    const FEW: usize = 3;
    let name = name.to_lowercase();
    let letters = name.chars().count();
    let is_part =
        |part: &str, whole: &str| part.chars().count() >= PART_MIN && whole.contains(part);
    let mut near: Vec<(usize, &str)> = known
        .iter()
        .filter_map(|one| {
            let lower = one.to_lowercase();
            let typo = nearest(&name, [lower.as_str()]).map(|_| distance(&name, &lower));
            let part = (is_part(&name, &lower) || is_part(&lower, &name))
                .then(|| lower.chars().count().abs_diff(letters).saturating_add(2));
            Some((typo.or(part)?, *one))
        })
        .collect();
    near.sort_unstable();
    near.into_iter().take(FEW).map(|(_, one)| one).collect()
}

/// Longer titles are compared by their words alone.
const COMPARED_MAX: usize = 100;

/// The longest title that is compared with others at all, in characters.
const TITLE_MAX: usize = 1_000;

/// The most letters that differ between titles that are nearly the same.
const DIFFER_MAX: usize = 2;

/// One letter may differ for each of so many.
const LETTERS_FOR_ONE: usize = 10;

/// Whether two titles are nearly the same: the same words in any order, or one or two letters apart.
pub fn is_alike(a: &str, b: &str) -> bool {
    if !is_compared(a) || !is_compared(b) {
        return false;
    }
    let (mut one, mut other) = (words_of(a), words_of(b));
    if one.is_empty() || other.is_empty() {
        return false;
    }
    let (text, text_of_other) = (one.join(" "), other.join(" "));
    one.sort_unstable();
    other.sort_unstable();
    if one == other {
        return true;
    }
    // “Invoice 12” is not “Invoice 13”.
    let numbers = |words: &[String]| -> Vec<String> {
        let numbers = words.iter().filter(|word| has_digits(word));
        numbers.cloned().collect()
    };
    let [length, of_other] = [&text, &text_of_other].map(|text| text.chars().count());
    let may_differ = (length.min(of_other) / LETTERS_FOR_ONE).min(DIFFER_MAX);
    length.max(of_other) <= COMPARED_MAX
        && length.abs_diff(of_other) <= may_differ
        && numbers(&one) == numbers(&other)
        && distance(&text, &text_of_other) <= may_differ
}

/// Whether a title is short enough to be compared with others. Longer ones would take too long.
pub fn is_compared(title: &str) -> bool {
    title.chars().nth(TITLE_MAX).is_none()
}

/// The halves of the words of a title: another title that is nearly the same, but for one word or two beside each other,
/// mostly has all words of one half. Words with digits must be the same, so they are in both. Titles that are too short or
/// too long to differ have none.
pub fn halves_of(title: &str) -> [Vec<String>; 2] {
    let words = words_of(title);
    let letters = words.join(" ").chars().count();
    if letters < LETTERS_FOR_ONE || letters > COMPARED_MAX.saturating_add(DIFFER_MAX) {
        return Default::default();
    }
    let (numbers, words): (Vec<String>, Vec<String>) =
        words.into_iter().partition(|word| has_digits(word));
    let (first, second) = words.split_at(words.len().div_ceil(2));
    [first, second].map(|half| numbers.iter().chain(half).cloned().collect())
}

fn has_digits(word: &str) -> bool {
    word.chars().any(|c| c.is_ascii_digit())
}

/// The words of a title, in lower case and without signs.
pub fn words_of(title: &str) -> Vec<String> {
    let words = title.split(|c: char| !c.is_alphanumeric());
    let words = words.filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("bot_token", "bot_token", 0)]
    #[case("bot_tokne", "bot_token", 1)]
    #[case("bot_tokn", "bot_token", 1)]
    #[case("botttoken", "bot_token", 1)]
    #[case("", "abc", 3)]
    #[case("abc", "", 3)]
    fn letters_between_two_words(#[case] a: &str, #[case] b: &str, #[case] letters: usize) {
        assert_eq!(distance(a, b), letters);
    }

    #[rstest]
    #[case("Fix login", "fix  LOGIN!", true)]
    #[case("Login: fix", "Fix login", true)]
    #[case("Renew the certificate", "Renew teh certificate", true)]
    #[case("Renew the certificate", "Renew the certificates", true)]
    #[case("Fix login", "Fix logout", false)]
    #[case("Fix it", "Fix if", false)]
    #[case("Invoice of customer 12", "Invoice of customer 13", false)]
    #[case("Renew the certificate", "Revoke the certificate", false)]
    #[case("…", "!", false)]
    #[case(&"a ".repeat(500), &"A ".repeat(500), true)]
    #[case(&"a ".repeat(501), &"A ".repeat(501), false)]
    fn titles_are_nearly_the_same(#[case] a: &str, #[case] b: &str, #[case] alike: bool) {
        assert_eq!(is_alike(a, b), alike);
        assert_eq!(is_alike(b, a), alike);
    }

    #[rstest]
    #[case("Fix it", "", "")]
    #[case("Documentation", "documentation", "")]
    #[case("Renew the certificate", "renew the", "certificate")]
    #[case("Invoice 12 of May", "12 invoice of", "12 may")]
    #[case("Call 2 times", "2 call", "2 times")]
    fn halves_of_which_one_stays(#[case] title: &str, #[case] first: &str, #[case] second: &str) {
        assert_eq!(
            halves_of(title).map(|words| words.join(" ")),
            [first, second]
        );
    }

    #[rstest]
    #[case("bgu", &["bug"])]
    #[case("BUGS", &["bug"])]
    #[case("first issue", &["good first issue"])]
    #[case("wont fix", &["wontfix"])]
    #[case("ops", &["ops", "devops"])]
    #[case("en", &[])]
    #[case("design", &[])]
    fn names_that_may_be_meant(#[case] name: &str, #[case] meant: &[&str]) {
        let known = [
            "bug",
            "enhancement",
            "devops",
            "ops",
            "good first issue",
            "wontfix",
        ];
        assert_eq!(similar(name, &known), meant);
    }

    #[rstest]
    #[case("dnoe", Some("done"))]
    #[case("don", Some("done"))]
    #[case("commnet", Some("comment"))]
    #[case("snoooze", Some("snooze"))]
    #[case("hello", None)]
    #[case("do", None)]
    #[case("", None)]
    fn a_typo_is_recognised(#[case] word: &str, #[case] meant: Option<&str>) {
        assert_eq!(nearest(word, ["done", "comment", "due", "snooze"]), meant);
    }
}
