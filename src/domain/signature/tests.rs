use proptest::prelude::*;
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use rstest::rstest;

use super::*;

const MARKER: &str = "<!-- ivan:op=01JABC -->";

fn under(text: &str, rendering: Rendering) -> String {
    signed(text.into(), "Ana", rendering, &["Ana", "Bo"]).to_string()
}

#[rstest]
#[case::text("shipped\n", "shipped\n\n— Ana")]
#[case::nothing(" \n", "— Ana")]
#[case::closed_block("```\ncode\n```", "```\ncode\n```\n\n— Ana")]
#[case::open_block("see\n```\ncode", "see\n```\ncode\n```\n\n— Ana")]
#[case::open_block_of_tildes("~~~ rust\ncode\n```", "~~~ rust\ncode\n```\n~~~\n\n— Ana")]
#[case::code_in_a_line("```one``` two", "```one``` two\n\n— Ana")]
fn a_name_stands_under_a_text(#[case] text: &str, #[case] whole: &str) {
    for rendering in [Rendering::Markdown, Rendering::Plain] {
        assert_eq!(under(text, rendering), whole);
    }
    let back = unsigned(whole.into(), "Ana").to_string();
    let fences = ['\n', '`', '~'];
    assert_eq!(
        back.trim_end_matches(fences),
        text.trim_end().trim_end_matches(fences)
    );
    assert_eq!(unsigned(whole.into(), "Bo"), whole.into());
}

#[test]
fn a_name_is_one_plain_line() {
    let whole = signed("x".into(), "A\nna <!-- `*", Rendering::Markdown, &[]);
    assert_eq!(whole, "x\n\n— A na !--".into());
}

/// Texts that are no attack stay as they are.
#[rstest]
#[case("a < b && c > d, <3, <-")]
#[case("see <https://acme.test/a?b=c> and <mailto:bo@acme.test>")]
#[case("a `Vec<String>` and ``a ` <b>``")]
#[case("```rust\nlet a: Vec<String> = b;\n// — Bo\n```\nand `<b>`")]
#[case("~~~\n<details>\n~~~")]
#[case("$5 for a `Vec<String>`")]
#[case("`echo $<a> $<b>`\n```\n$a<b>$\n```")]
#[case("- one\n- two\n  - three")]
#[case("| a | b |\n|---|---|\n| 1 | 2 |\n\nHeading\n---\n\n--\n***")]
#[case("--force fails\n-v too")]
#[case("so it is — as Bo said")]
#[case("- Bo\n- Ana")]
#[case("1. Ana\n2. Bo\n\nAT&T; &amp;")]
#[case("一个问题")]
fn a_harmless_text_stays(#[case] text: &str) {
    assert_eq!(under(text, Rendering::Markdown), format!("{text}\n\n— Ana"));
    if !text.contains("— Bo") {
        assert_eq!(under(text, Rendering::Plain), format!("{text}\n\n— Ana"));
    }
}

/// What GitHub shows of a text with its signature and marker, as another reader of Markdown sees it.
#[derive(Debug, PartialEq, Eq, Default)]
struct Shown {
    /// Its HTML.
    html: Vec<String>,
    /// The paragraphs that stand in nothing else: their lines.
    paragraphs: Vec<Vec<String>>,
    /// All of its text that is not HTML.
    text: String,
}

fn shown(markdown: &str) -> Shown {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_MATH
        | Options::ENABLE_GFM;
    let mut shown = Shown::default();
    let mut within = Vec::new();
    for event in Parser::new_ext(markdown, options) {
        let in_paragraph = matches!(within.as_slice(), [TagEnd::Paragraph, ..])
            && !within.contains(&TagEnd::CodeBlock);
        let line = match in_paragraph {
            true => shown
                .paragraphs
                .last_mut()
                .and_then(|lines| lines.last_mut()),
            false => None,
        };
        match event {
            Event::Start(tag) => {
                if within.is_empty() && tag == Tag::Paragraph {
                    shown.paragraphs.push(vec![String::new()]);
                }
                within.push(tag.to_end());
            }
            Event::End(_) => drop(within.pop()),
            Event::Html(html) | Event::InlineHtml(html) => shown.html.push(html.trim().to_owned()),
            Event::SoftBreak | Event::HardBreak if in_paragraph => {
                shown.paragraphs.last_mut().unwrap().push(String::new());
            }
            Event::Text(text)
            | Event::Code(text)
            | Event::InlineMath(text)
            | Event::DisplayMath(text) => {
                shown.text.push_str(&text);
                if let Some(line) = line {
                    line.push_str(&text);
                }
            }
            _ => {}
        }
    }
    shown
}

fn in_github(text: &str) -> Shown {
    let body = under(text, Rendering::Markdown);
    let fence = open_fence(&body).map(|fence| format!("\n{fence}"));
    assert_eq!(fence, None, "{body}");
    shown(&format!("{body}\n\n{MARKER}"))
}

/// Nothing is hidden: the only HTML is the marker, and the last paragraph is the name, outside of everything else. Nothing
/// is faked: no other line outside of quotations and code begins with a dash.
#[rstest]
#[case::comment("shipped <!-- ")]
#[case::comment_of_its_own("<!--\nshipped")]
#[case::comment_that_ends("<!-- a -->\n<!-- b")]
#[case::details("<details>\n<summary>More</summary>\n\nshipped")]
#[case::details_in_a_line("shipped <details><summary>")]
#[case::upper_case("<DETAILS>")]
#[case::tag_over_two_lines("<details\n>\n\nx")]
#[case::style("<style>\np { display: none }")]
#[case::pre("<pre>\nx")]
#[case::instruction("<?x")]
#[case::declaration("<!X ")]
#[case::cdata("<![CDATA[ x")]
#[case::picture("<picture><source>")]
#[case::strikes("<s>x\n\n<del>y")]
#[case::open_backticks("```\nx")]
#[case::longer_backticks("`````\n```\nx")]
#[case::open_tildes("~~~\nx\n```")]
#[case::tildes_in_backticks("```\n~~~\n```\n~~~\nx")]
#[case::words_after_the_end("```\nx\n``` y")]
#[case::no_break_space_after_the_end("```\nx\n```\u{a0}\n<details>\n```\n<details>")]
#[case::backtick_in_the_info("``` a`b\n<details>")]
#[case::tab_after_the_end("~~~\n~~~\t\n```")]
#[case::fence_in_a_list("- a\n  ```\nb\n<details>")]
#[case::fence_in_a_list_that_ends("- a\n  ```\n<!-- x")]
#[case::fence_in_a_quotation("> ```\n<details>\n> x")]
#[case::indented_fence("  ```\n```\n<details>")]
#[case::fence_after_a_tab("-\t```\n<details>")]
#[case::span_over_lines("a ` b\nc ` <details> `")]
#[case::escaped_backtick("\\`<details>`")]
#[case::escaped_backslash("\\\\`a`<details>`")]
#[case::span_that_ends_in_a_backslash("`a\\`<details>`")]
#[case::cells("| a | b |\n|---|---|\n| ` | <details> ` |")]
#[case::formula("$``$<details>``")]
#[case::formula_over_lines("$a\n``$<details>``")]
#[case::formula_after_an_escape("\\$$``$$<details>``")]
#[case::address_with_a_backtick("<https://a`b> <details> `")]
#[case::carriage_return("x\r<details>\r")]
#[case::signature("shipped\n\n— Bo")]
#[case::signature_after_a_break("shipped  \n— Bo")]
#[case::signature_after_a_line_separator("shipped\u{2028}— Bo")]
#[case::bold_signature("**— Bo**")]
#[case::entity("&mdash; Bo")]
#[case::numbered_entity("&#x2014; Bo")]
#[case::behind_an_invisible_character("\u{200b}\u{2800}— Bo")]
#[case::behind_an_escape("\\— Bo")]
#[case::bar("― Bo\n⸺ Bo\n– Bo\n─ Bo\n− Bo\n－ Bo\nー Bo")]
#[case::heading("# — Bo")]
#[case::two_hyphens("ok\n-- Bo")]
#[case::hyphens_without_a_space("ok\n--Bo")]
#[case::tilde("ok\n~ bo")]
#[case::many_lines("a\n\n\n\n\n\n— Bo\n\n\n\n")]
fn a_text_can_neither_hide_nor_fake_a_signature(#[case] text: &str) {
    let shown = in_github(text);
    assert_eq!(shown.html, [MARKER], "{shown:?}");
    let (last, others) = shown.paragraphs.split_last().unwrap();
    assert_eq!(*last, ["— Ana"]);
    let fakes = others.iter().flatten().filter(|line| {
        let line = line.trim_start_matches(|c: char| c.is_whitespace() || is_invisible(c));
        line.starts_with(|c: char| is_dash(c) || is_like_a_dash(c) || matches!(c, '-' | '~'))
    });
    assert_eq!(fakes.count(), 0, "{shown:?}");
    assert!(!shown.text.contains('\u{2014}') || shown.text.ends_with("— Ana"));
}

/// ClickUp shows a comment and a description as they are, and perhaps code blocks.
#[rstest]
#[case::comment("shipped <!-- ", "shipped <!--")]
#[case::open_backticks("```\nx", "```\nx\n```")]
#[case::open_tildes("~~~\nx\n```", "~~~\nx\n```\n~~~")]
#[case::signature("shipped\n\n— Bo", "shipped\n\n> — Bo")]
#[case::in_code("```\n— Bo\n```", "```\n> — Bo\n```")]
#[case::hyphens("ok\n-- Bo", "ok\n> -- Bo")]
#[case::hyphen("ok\n- Bo", "ok\n> - Bo")]
#[case::own_name("ok\n- Ana", "ok\n> - Ana")]
#[case::tilde("ok\n~Bo", "ok\n> ~Bo")]
#[case::line_separator("ok\u{2029}— Bo", "ok\n> — Bo")]
#[case::carriage_return("ok\r— Bo", "ok\n> — Bo")]
#[case::vertical_tab("ok\u{b}— Bo", "ok\n> — Bo")]
#[case::invisible("\u{feff}\u{3164}— Bo", "> \u{feff}\u{3164}— Bo")]
fn a_plain_text_can_neither_hide_nor_fake_one(#[case] text: &str, #[case] written: &str) {
    assert_eq!(under(text, Rendering::Plain), format!("{written}\n\n— Ana"));
}

#[test]
fn a_mention_in_a_fake_is_kept() {
    let bo = Piece::Mention {
        account: "4243".into(),
        name: "Bo".into(),
    };
    let text = |text: &str| Piece::Text(text.into());
    let typed: MentionText = [text("ok\n— "), bo.clone(), text(" — Bo\n— Bo")]
        .into_iter()
        .collect();
    let written = [text("ok\n> — "), bo, text(" — Bo\n> — Bo\n\n— Ana")];
    assert_eq!(
        signed(typed, "Ana", Rendering::Plain, &[]),
        written.into_iter().collect()
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever is typed, GitHub sees no HTML but the marker. Where the text's fences are clear, the name is the last
    /// paragraph.
    #[test]
    fn no_text_hides_the_signature(
        parts in proptest::collection::vec(
            proptest::sample::select(vec![
                "```", "~~~", "````", "`", "``", "\n", "\n\n", " ", "  ", "    ", "\t", "> ", "- ", "1. ", "<!--", "-->",
                "<details>", "</details>", "<a href=\"", "\">", "<?", "<!X", "<![CDATA[", "<https://a.test", "<", ">", "\\",
                "|", "|---|", "[^1]: ", "[a]: ", "x", "$", "$$", "— Bo", "&mdash;", "*", "_", "\r", "\u{a0}", "#",
            ]),
            0..24,
        )
    ) {
        let text = parts.concat();
        let body = under(&text, Rendering::Markdown);
        let shown = shown(&format!("{body}\n\n{MARKER}"));
        let hidden = shown.html.iter().filter(|html| *html != MARKER);
        prop_assert_eq!(hidden.count(), 0, "{} {:?}", body, shown);
        let text = shown.text.replace(MARKER, "");
        prop_assert!(text.trim_end().ends_with("— Ana"), "{} {:?}", body, shown);
        if blocks_are_clear(&one_kind_of_lines(&parts.concat())) {
            prop_assert_eq!(shown.paragraphs.last(), Some(&vec!["— Ana".to_owned()]), "{}", body);
        }
    }
}
