//! Choosing from a numbered list by number, id, name or a part of the name.

use std::fmt::Write as _;

/// How many options are shown at once. Of more, a part of a name finds the others.
const SHOWN_MAX: usize = 20;

/// One of the options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChoiceOption {
    /// The id, as bot.toml has it.
    pub id: String,
    /// The name.
    pub name: String,
    /// What tells it from others of the same name; may be empty.
    pub hint: String,
}

/// The meaning of a typed choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Picked {
    /// This one.
    One(usize),
    /// Several fit.
    Several(Vec<usize>),
    /// None fits.
    Nothing,
}

/// Reads a typed choice: a number of the list, an id, an address that ends with an id, a name, or a part of one name.
pub fn pick(options: &[ChoiceOption], typed: &str) -> Picked {
    let typed = typed.trim();
    if typed.is_empty() {
        return Picked::Nothing;
    }
    let number = typed.parse::<usize>().ok();
    if let Some(at) = number.filter(|number| (1..=options.len()).contains(number)) {
        return Picked::One(at - 1);
    }
    let lower = typed.to_lowercase();
    let all = |fits: &dyn Fn(&ChoiceOption) -> bool| -> Vec<usize> {
        let numbered = options.iter().enumerate();
        numbered
            .filter(|(_, option)| fits(option))
            .map(|(at, _)| at)
            .collect()
    };
    let ways: [&dyn Fn(&ChoiceOption) -> bool; 4] = [
        &|option| option.id.eq_ignore_ascii_case(typed),
        &|option| typed.contains('/') && typed.split(['/', '-']).any(|part| part == option.id),
        &|option| option.name.to_lowercase() == lower,
        &|option| option.name.to_lowercase().contains(&lower),
    ];
    for way in ways {
        match all(way).as_slice() {
            [] => {}
            [only] => return Picked::One(*only),
            several => return Picked::Several(several.to_vec()),
        }
    }
    Picked::Nothing
}

/// Reads several choices, separated by commas or, if all are numbers, by spaces. The error is the part that does not fit.
pub fn pick_all(options: &[ChoiceOption], typed: &str) -> Result<Vec<usize>, String> {
    let is_number = |word: &str| word.parse::<usize>().is_ok();
    let separators: &[char] = match typed
        .split([' ', ','])
        .all(|w| w.is_empty() || is_number(w))
    {
        true => &[' ', ','],
        false => &[','],
    };
    let mut picked = Vec::new();
    for part in typed.split(separators).map(str::trim) {
        if part.is_empty() {
            continue;
        }
        match pick(options, part) {
            Picked::One(at) if picked.contains(&at) => {}
            Picked::One(at) => picked.push(at),
            Picked::Several(_) | Picked::Nothing => return Err(part.to_owned()),
        }
    }
    Ok(picked)
}

/// The numbered options at these positions, a line each, in columns.
pub fn listed(options: &[ChoiceOption], at: &[usize]) -> String {
    let shown: Vec<(usize, &ChoiceOption)> = at
        .iter()
        .take(SHOWN_MAX)
        .filter_map(|&at| Some((at + 1, options.get(at)?)))
        .collect();
    let wide = |option: &ChoiceOption| option.name.chars().count();
    let width = shown.iter().map(|(_, option)| wide(option)).max();
    let width = width.unwrap_or_default();
    let mut text = String::new();
    for (number, option) in shown {
        let gap = " ".repeat(width - wide(option) + 2);
        let line = format!("{number:>3}  {}{gap}{}", option.name, option.hint);
        let _ = writeln!(text, "{}", line.trim_end());
    }
    if at.len() > SHOWN_MAX {
        let more = at.len() - SHOWN_MAX;
        let _ = writeln!(text, "     {more} more: type a part of the name");
    }
    text
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn options() -> Vec<ChoiceOption> {
        let option = |id: &str, name: &str| ChoiceOption {
            id: id.to_owned(),
            name: name.to_owned(),
            hint: String::new(),
        };
        vec![
            option("901100000001", "Inbox"),
            option("901100000002", "Roadmap"),
            option("901100000003", "Roadmap 2027"),
        ]
    }

    #[rstest]
    #[case::number("1", Picked::One(0))]
    #[case::number_too_high("4", Picked::Nothing)]
    #[case::id("901100000002", Picked::One(1))]
    #[case::address("https://app.clickup.com/9001/v/l/6-901100000003-1", Picked::One(2))]
    #[case::older_address("https://app.clickup.com/9001/v/li/901100000001", Picked::One(0))]
    #[case::name(" inbox ", Picked::One(0))]
    #[case::whole_name_before_part("roadmap", Picked::One(1))]
    #[case::part("2027", Picked::One(2))]
    #[case::several("road", Picked::Several(vec![1, 2]))]
    #[case::none("backlog", Picked::Nothing)]
    #[case::empty("  ", Picked::Nothing)]
    fn a_choice_is_read(#[case] typed: &str, #[case] picked: Picked) {
        assert_eq!(pick(&options(), typed), picked);
    }

    #[rstest]
    #[case("", Ok(vec![]))]
    #[case("2 3", Ok(vec![1, 2]))]
    #[case("3,1,3", Ok(vec![2, 0]))]
    #[case("roadmap 2027, inbox", Ok(vec![2, 0]))]
    #[case("1 9", Err("9".to_owned()))]
    #[case("inbox, road", Err("road".to_owned()))]
    fn several_choices_are_read(#[case] typed: &str, #[case] picked: Result<Vec<usize>, String>) {
        assert_eq!(pick_all(&options(), typed), picked);
    }

    #[test]
    fn options_stand_in_columns_and_a_long_list_is_cut() {
        let mut options = options();
        options[0].hint = "Ops".to_owned();
        let text = listed(&options, &[0, 2]);
        assert_eq!(text, "  1  Inbox         Ops\n  3  Roadmap 2027\n");
        let many: Vec<ChoiceOption> = std::iter::repeat_n(options[0].clone(), 25).collect();
        let all: Vec<usize> = (0..25).collect();
        let text = listed(&many, &all);
        assert_eq!(text.lines().count(), SHOWN_MAX + 1);
        assert!(
            text.ends_with("5 more: type a part of the name\n"),
            "{text}"
        );
    }
}
