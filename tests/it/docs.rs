//! The documentation agrees with the code, and its links lead somewhere.
#![allow(
    clippy::string_slice,
    reason = "positions come from searching the text itself"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use ivan::domain::export::ExportTable;
use ivan::verbs::VERBS;

use crate::harness::{binary, ran};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Markdown page of the repository.
fn pages() -> Vec<PathBuf> {
    let mut pages = Vec::new();
    let mut folders = vec![root().join("docs"), root().join("tests")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "md") {
                pages.push(path);
            }
        }
    }
    for entry in fs::read_dir(root()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "md") {
            pages.push(path);
        }
    }
    pages.sort();
    pages
}

/// Without blocks of code.
fn prose(text: &str) -> String {
    let mut in_code = false;
    let is_prose = |line: &&str| {
        let is_fence = line.trim_start().starts_with("```");
        in_code ^= is_fence;
        !in_code && !is_fence
    };
    let lines: Vec<&str> = text.lines().filter(is_prose).collect();
    lines.join("\n")
}

/// The anchors of a page's headings, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    prose(text)
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| {
            line.trim_start_matches('#')
                .trim()
                .to_lowercase()
                .chars()
                .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
                .map(|c| if c == ' ' { '-' } else { c })
                .collect()
        })
        .collect()
}

/// The targets of `[…](target)`.
fn links(text: &str) -> Vec<String> {
    let text = prose(text);
    text.match_indices("](")
        .filter_map(|(at, _)| {
            let target = &text[at + 2..];
            Some(target[..target.find(')')?].to_owned())
        })
        .collect()
}

/// The broken links of a page.
fn broken(page: &Path, text: &str) -> Vec<String> {
    let leads_nowhere = |link: &String| {
        if link.contains("://") || link.starts_with("mailto:") {
            return false;
        }
        let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
        let file = match file {
            "" => page.to_owned(),
            file => page.parent().unwrap().join(file),
        };
        let Ok(found) = fs::metadata(&file) else {
            return true;
        };
        !anchor.is_empty()
            && (found.is_dir() || !anchors(&fs::read_to_string(&file).unwrap()).contains(anchor))
    };
    links(text).into_iter().filter(leads_nowhere).collect()
}

#[test]
fn every_link_of_the_documentation_leads_somewhere() {
    let mut broken_links = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let name = page.strip_prefix(root()).unwrap().display().to_string();
        let links = broken(&page, &text).into_iter();
        broken_links.extend(links.map(|link| format!("{name}: {link}")));
    }
    assert!(broken_links.is_empty(), "{broken_links:#?}");
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let page = root().join("docs/README.md");
    let found = broken(
        &page,
        "[a](commands.md#arguments) [b](no-page.md) [c](commands.md#no-heading) [d](#the-documentation)\n```\n[e](none)\n```",
    );
    assert_eq!(found, ["no-page.md", "commands.md#no-heading"]);
}

#[test]
fn every_page_is_in_the_index() {
    let index = fs::read_to_string(root().join("docs/README.md")).unwrap();
    let linked: BTreeSet<String> = links(&index).into_iter().collect();
    for page in pages() {
        if page.parent() == Some(&root().join("docs")) && !page.ends_with("README.md") {
            let name = page.file_name().unwrap().to_string_lossy().into_owned();
            assert!(linked.contains(&name), "docs/README.md lacks {name}");
        }
    }
}

#[test]
fn the_readme_is_short() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.lines().count() <= 150);
}

/// The keys of bot.toml.example with their defaults. A key behind `#` without a space shows its default, or an example
/// if it has none. Files of secrets are an option of their keys.
fn example_keys() -> BTreeMap<String, String> {
    let example = fs::read_to_string(root().join("bot.toml.example")).unwrap();
    let mut section = String::new();
    let mut keys = BTreeMap::new();
    for line in example.lines() {
        let line = match line.strip_prefix('#') {
            Some(shown) if !shown.starts_with(' ') => shown,
            Some(_) => continue,
            None => line,
        };
        if let Some(name) = line.strip_prefix('[') {
            name.trim_matches(['[', ']']).clone_into(&mut section);
        } else if let Some((key, value)) = line.split_once(" = ")
            && (!key.ends_with("_file") || key == "ca_file")
        {
            keys.insert(format!("{section}.{key}"), value.to_owned());
        }
    }
    keys
}

#[test]
fn the_table_of_keys_is_the_one_of_the_example() {
    let page = fs::read_to_string(root().join("docs/configuration.md")).unwrap();
    let example = example_keys();
    let mut documented = BTreeSet::new();
    for row in page.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, key, default, ..] = cells.as_slice() else {
            panic!("a row without cells: {row}");
        };
        let key = key.trim_matches('`');
        let shown = example.get(key);
        assert!(shown.is_some(), "bot.toml.example lacks {key}");
        if *default != "–" {
            assert_eq!(shown.unwrap(), default.trim_matches('`'), "{key}");
        }
        documented.insert(key.to_owned());
    }
    let all: BTreeSet<String> = example.into_keys().collect();
    assert_eq!(documented, all);
}

/// The command lines of `ivan` in a page: those of its blocks of code, and those in backticks.
fn command_lines(text: &str) -> Vec<String> {
    let mut in_block = false;
    let mut lines = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if in_block {
            lines.push(line.trim_start().trim_start_matches("$ ").to_owned());
        }
    }
    lines.extend(in_code(&prose(text).replace('\n', " ")));
    let is_ours = |line: &String| {
        let rest = line.trim_start_matches("sudo ").strip_prefix("ivan ");
        rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '-'))
    };
    lines.into_iter().filter(is_ours).collect()
}

/// The arguments of a command line as a shell reads them, without brackets around what may be left out, and up to what the
/// shell does with the output.
fn arguments(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in line.trim_start_matches("sudo ").chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            (None, '#' | '|' | '>' | '&') if word.is_none() => break,
            (None, '[' | ']') => {}
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words.remove(0);
    words
}

#[test]
fn a_command_line_is_read_as_a_shell_does() {
    let page = "Type `ivan log\n--all`, not `ivandone`.\n```\n$ ivan done -c \"shipped in 2.1\" | tee out # yes\n```\n";
    let read: Vec<_> = command_lines(page)
        .iter()
        .map(|line| arguments(line))
        .collect();
    let done = ["done", "-c", "shipped in 2.1"].map(str::to_owned);
    assert_eq!(read, [done.to_vec(), vec!["log".into(), "--all".into()]]);
    assert_eq!(arguments("sudo ivan open [REF]"), ["open", "REF"]);
}

/// With `--help` the binary reads all other arguments, refuses those that it does not know, and does nothing.
#[tokio::test]
async fn every_command_line_of_the_documentation_is_one() {
    let mut seen = BTreeSet::new();
    for page in pages() {
        let lines = command_lines(&fs::read_to_string(&page).unwrap());
        seen.extend(lines.iter().map(|line| arguments(line)));
    }
    assert!(seen.len() > 40, "{seen:?}");
    let mut wrong = Vec::new();
    for arguments in seen {
        let ran = ran(binary().args(&arguments).arg("--help")).await;
        if ran.exit != 0 {
            wrong.push((arguments, ran.err));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The pieces of a text that stand in backticks, as a table escapes them.
fn in_code(text: &str) -> Vec<String> {
    let text = text.replace("\\|", "¦");
    let pieces = text.split('`').skip(1).step_by(2);
    pieces.map(|piece| piece.replace('¦', "|")).collect()
}

#[test]
fn the_tables_of_commands_and_routes_have_every_verb() {
    let page = fs::read_to_string(root().join("docs/commands.md")).unwrap();
    let rows = page.lines().skip_while(|line| *line != "|---|---|---|");
    let rows: Vec<String> = rows
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .map(|row| row.replace("\\|", "¦"))
        .collect();
    let cells = |column: usize| {
        let of = |row: &String| in_code(row.split('|').nth(column).unwrap());
        rows.iter().flat_map(of).collect::<Vec<String>>()
    };
    let usages: Vec<String> = cells(1)
        .iter()
        .map(|usage| usage.replace('¦', "|"))
        .collect();
    let also: Vec<String> = cells(2).iter().map(|alias| alias.to_lowercase()).collect();
    for usage in &usages {
        let word = usage.split(' ').next().unwrap();
        let is_a_verb = VERBS.iter().any(|row| row.info.name == word);
        assert!(
            is_a_verb,
            "docs/commands.md has `{usage}`, which is no verb"
        );
    }
    let api = fs::read_to_string(root().join("docs/api.md")).unwrap();
    let routes = in_code(&prose(&api));
    for row in VERBS {
        let info = row.info;
        for usage in info.usage.split(" · ") {
            let is_there = usages.iter().any(|one| one == usage);
            assert!(is_there, "docs/commands.md lacks `{usage}`");
        }
        for alias in info.aliases {
            let is_there = also.contains(&alias.to_lowercase());
            assert!(is_there, "docs/commands.md lacks the alias `{alias}`");
        }
        for path in info.http.path.iter().chain(&info.http.task_path) {
            let is_there = routes
                .iter()
                .any(|route| route.ends_with(&format!("/{path}")));
            assert!(is_there, "docs/api.md lacks POST …/{path}");
        }
    }
}

/// The list below `## Export` names the columns of each table.
#[test]
fn every_exported_column_is_described() {
    let page = fs::read_to_string(root().join("docs/operations.md")).unwrap();
    let (_, section) = page.split_once("\n## Export\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    for table in ExportTable::ALL {
        let item = format!("\n- `{}`: ", table.as_str());
        let (_, item) = section.split_once(&item).unwrap();
        let item = item.split("\n- ").next().unwrap();
        let item = item.split("\n\n").next().unwrap();
        let named = in_code(item);
        let columns = table.columns();
        let listed: Vec<&str> = named
            .iter()
            .map(String::as_str)
            .filter(|name| columns.contains(name))
            .collect();
        let missing: Vec<_> = columns
            .iter()
            .filter(|name| !listed.contains(name))
            .collect();
        assert!(
            missing.is_empty(),
            "docs/operations.md lacks {missing:?} of {table:?}"
        );
    }
}

/// `docs/adding-a-source.md` lists the traits of a source with all their methods, in the order of the code.
#[test]
fn the_page_about_sources_lists_the_methods_of_their_traits() {
    let page = fs::read_to_string(root().join("docs/adding-a-source.md")).unwrap();
    let mut listed: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut current = None;
    for line in page.lines() {
        if line.starts_with('#') {
            let name = line
                .strip_prefix("### `")
                .and_then(|rest| rest.strip_suffix('`'));
            current = name.map(str::to_owned);
        }
        let method = line
            .strip_prefix("| `")
            .and_then(|rest| rest.split('`').next());
        if let (Some(name), Some(method)) = (&current, method) {
            listed
                .entry(name.clone())
                .or_default()
                .push(method.to_owned());
        }
    }
    let mut written = BTreeMap::new();
    for file in ["source.rs", "writes.rs", "link.rs", "checkup.rs"] {
        let code = fs::read_to_string(root().join("src/domain").join(file)).unwrap();
        for item in code.split("\npub trait ").skip(1) {
            let name: String = item.chars().take_while(|c| c.is_alphanumeric()).collect();
            let (body, _) = item.split_once("\n}").unwrap();
            let methods = body.lines().filter_map(|line| {
                let line = line.strip_prefix("    ")?;
                let rest = line
                    .strip_prefix("async fn ")
                    .or(line.strip_prefix("fn "))?;
                Some(rest.split('(').next()?.to_owned())
            });
            written.insert(name, methods.collect::<Vec<_>>());
        }
    }
    assert_eq!(listed, written);
}

/// The references in comments to headings of `docs/`: `docs/contracts/slack.md#frames`.
fn references(text: &str) -> Vec<&str> {
    text.match_indices("docs/")
        .map(|(at, _)| {
            let is_path =
                |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | '#');
            let rest = &text[at..];
            let end = rest.find(|c| !is_path(c)).unwrap_or(rest.len());
            rest[..end].trim_end_matches('.')
        })
        .filter(|path| path.contains(".md"))
        .collect()
}

/// The lines of comments that refer to a section by its number, or to a page of contracts without a heading.
fn dead_ends(text: &str) -> impl Iterator<Item = &str> {
    let is_number = |rest: &str| rest.trim_start().starts_with(|c: char| c.is_ascii_digit());
    text.lines().map(str::trim).filter(move |line| {
        let comment = line.strip_prefix("//");
        comment.is_some_and(|comment| {
            let mut by_number = [
                "contract ",
                "contract slack ",
                "contract clickup ",
                "contract github ",
            ]
            .into_iter();
            by_number.any(|words| comment.split(words).skip(1).any(is_number))
                || comment.ends_with("(contract")
                || comment.split("docs/contracts/").skip(1).any(|page| {
                    let end = page.split_once(".md").map(|(_, end)| end);
                    end.is_some_and(|end| end.is_empty() || end.starts_with([' ', ',']))
                })
        })
    })
}

#[test]
fn a_reference_by_number_is_found() {
    let text = "/// As is (contract slack 1.6).\n// (contract 3.2)\n//! (docs/contracts/github.md, second round)\n/// A good one (docs/contracts/github.md#events).";
    assert_eq!(dead_ends(text).count(), 3);
}

#[test]
fn every_reference_to_the_docs_leads_somewhere() {
    let mut folders = vec![root().join("src"), root().join("tests")];
    let mut broken_references = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            if path.extension().is_none_or(|end| end != "rs") || path.ends_with("docs.rs") {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            broken_references
                .extend(dead_ends(&text).map(|end| format!("{}: {end}", path.display())));
            for reference in references(&text) {
                let link = format!("[x]({reference})");
                if !broken(&root().join("README.md"), &link).is_empty() {
                    broken_references.push(format!("{}: {reference}", path.display()));
                }
            }
        }
    }
    assert!(broken_references.is_empty(), "{broken_references:#?}");
}

#[test]
fn a_reference_is_read() {
    let text = "(docs/contracts/slack.md#frames), docs/commands.md.";
    assert_eq!(
        references(text),
        ["docs/contracts/slack.md#frames", "docs/commands.md"]
    );
}

/// The tests that a page names, as `` `callers.rs::every_verb` ``, and that are not in that file of `tests/it` or `src`.
fn missing_tests(page: &str) -> Vec<String> {
    let named = in_code(page)
        .into_iter()
        .filter(|code| code.contains(".rs::"));
    named
        .filter(|code| {
            let (file, test) = code.split_once("::").unwrap();
            let places = ["tests/it", "src"].map(|folder| root().join(folder).join(file));
            let texts = places
                .iter()
                .filter_map(|path| fs::read_to_string(path).ok());
            !texts
                .into_iter()
                .any(|text| text.contains(&format!("fn {test}(")))
        })
        .collect()
}

#[test]
fn every_test_that_the_page_on_security_names_exists() {
    let page = fs::read_to_string(root().join("docs/security.md")).unwrap();
    assert_eq!(missing_tests(&page), [""; 0]);
    assert!(
        page.matches(".rs::").count() > 20,
        "each attack has its test"
    );
    let planted = "`docs.rs::no_such_test` and `no_file.rs::the_map_has_every_file`, `docs.rs::the_map_has_every_file`";
    assert_eq!(missing_tests(planted).len(), 2);
}

/// The files of `src/` that a text does not name.
fn unmapped(map: &str) -> Vec<String> {
    let source = root().join("src");
    let mut folders = vec![source.clone()];
    let mut missing = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let is_code = name.ends_with(".rs") && !matches!(name.as_str(), "mod.rs" | "tests.rs");
            let is_of_tests = path.components().any(|part| part.as_os_str() == "tests");
            let mut named = map.match_indices(&name);
            let begins = |at: usize| map[..at].ends_with([' ', '/']);
            if is_code && !is_of_tests && !named.any(|(at, _)| begins(at)) {
                missing.push(path.strip_prefix(&source).unwrap().display().to_string());
            }
        }
    }
    missing
}

#[test]
fn the_map_has_every_file() {
    let text = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let (map, _) = text.split_once("# Allowed dependencies").unwrap();
    assert_eq!(unmapped(map), [""; 0]);
    assert!(unmapped(&map.replace("pause.rs", "")).contains(&"verbs/pause.rs".to_owned()));
}
