//! The text of bot.toml: reads known answers, and changes only the keys of answers. Other keys, comments and the order
//! stay as they are.

use similar::{ChangeTag, TextDiff};
use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Table, TableLike, Value};

use super::people::FoundPerson;
use super::{AppFiles, GitHubAccessAnswer, GivenToken, SetupAnswers};
use crate::config::Secret;

const EXAMPLE: &str = include_str!("../../bot.toml.example");
/// The comment above a new file.
const HEADER: &str = "\
# Ivan's configuration, made by `ivan init`. Run it again to change an answer: it shows each change and keeps the rest.
# docs/configuration.md explains the keys, bot.toml.example shows all of them.

";

/// A configuration file that is being changed.
pub struct BotToml {
    before: String,
    /// Stands above the keys: a new file's header, or comments without any key.
    head: String,
    doc: DocumentMut,
}

impl BotToml {
    /// Reads the text of a file; `None` for a new one. The error has no part of the text, which has secrets.
    pub fn read(text: Option<&str>) -> Result<BotToml, String> {
        let before = text.unwrap_or_default();
        let doc: DocumentMut = before.parse().map_err(|error: toml_edit::TomlError| {
            let line = error.span().map(|span| {
                let read = before.get(..span.start).unwrap_or_default();
                format!("line {}: ", read.lines().count().max(1))
            });
            format!("{}{}", line.unwrap_or_default(), error.message())
        })?;
        let (head, doc) = match (text, doc.is_empty()) {
            (None, _) => (HEADER.to_owned(), DocumentMut::new()),
            (Some(comments), true) if comments.trim().is_empty() => {
                (HEADER.to_owned(), DocumentMut::new())
            }
            (Some(comments), true) => (format!("{}\n\n", comments.trim_end()), DocumentMut::new()),
            (Some(_), false) => (String::new(), doc),
        };
        Ok(BotToml {
            before: before.to_owned(),
            head,
            doc,
        })
    }

    /// The text of a key of a section; `None` if it is empty or still the example's.
    pub fn text_of(&self, section: &str, key: &str) -> Option<String> {
        let text = self.doc.get(section)?.get(key)?.as_str()?.trim();
        let example: Option<DocumentMut> = EXAMPLE.parse().ok();
        let of_example = example.as_ref().and_then(|doc| doc.get(section)?.get(key));
        let is_example = of_example.and_then(Item::as_str) == Some(text);
        (!text.is_empty() && !is_example).then(|| text.to_owned())
    }

    /// The texts of a list of a section.
    pub fn texts_of(&self, section: &str, key: &str) -> Vec<String> {
        let list = self.doc.get(section).and_then(|section| section.get(key));
        let texts = list.and_then(Item::as_array).into_iter().flatten();
        texts.filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// The Slack ids of `[[people]]`.
    pub fn people(&self) -> Vec<String> {
        let people = self.doc.get("people").map(tables).unwrap_or_default();
        let slack = people.into_iter().filter_map(|person| {
            let id = person.get("slack")?.as_str()?;
            (id != example_person()).then(|| id.to_owned())
        });
        slack.collect()
    }

    /// Sets the keys of all answers.
    pub fn answer(&mut self, answers: &SetupAnswers) {
        self.edit("slack", |slack| {
            put_token(slack, "app_token", &answers.app_token);
            put_token(slack, "bot_token", &answers.bot_token);
            let known = slack.get("operators").and_then(Item::as_array);
            let known = known.into_iter().flatten().filter_map(Value::as_str);
            let mut operators: Vec<String> = known.map(str::to_owned).collect();
            for operator in &answers.operators {
                if !operators.contains(operator) {
                    operators.push(operator.clone());
                }
            }
            put_list(slack, "operators", &operators);
        });
        if let Some(clickup) = &answers.clickup {
            self.edit("clickup", |section| {
                put_token(section, "token", &clickup.token);
                put(section, "team_id", clickup.workspace.as_str());
                let (first, further) = split(&clickup.lists);
                put_place(section, "list_id", &first);
                put_list(section, "lists", &further);
            });
        }
        if let Some(github) = &answers.github {
            self.edit("github", |section| {
                // A token or a GitHub App, not both.
                match &github.access {
                    GitHubAccessAnswer::Token(token) => {
                        put_token(section, "token", token);
                        for key in ["app_id", "app_key_file", "installation_id"] {
                            section.remove(key);
                        }
                    }
                    GitHubAccessAnswer::NewApp(app) => put_app(section, app),
                    GitHubAccessAnswer::KnownApp => {}
                }
                let repos: Vec<String> = github.repos.iter().map(ToString::to_string).collect();
                let (first, further) = split(&repos);
                put(section, "repo", first.as_str());
                put_list(section, "repos", &further);
            });
        }
        for (section, key, address) in &answers.addresses {
            if self.doc.contains_key(section) {
                self.edit(section, |section| put(section, key, address.as_str()));
            }
        }
        if let Some(file) = &answers.ca_file {
            self.edit("tls", |tls| put(tls, "ca_file", file.display().to_string()));
        }
        self.add_people(&answers.people);
        self.forget_examples(answers);
    }

    /// The whole text.
    pub fn text(&self) -> String {
        format!("{}{}", self.head, self.doc)
    }

    /// Whether the text differs from the file's.
    pub fn is_changed(&self) -> bool {
        self.text() != self.before
    }

    /// The changed lines with their sections, each with its sign; secrets are shortened.
    pub fn diff(&self) -> Vec<String> {
        let after = self.text();
        let secrets = [secrets(&self.doc), {
            let before: Option<DocumentMut> = self.before.parse().ok();
            before.as_ref().map(secrets).unwrap_or_default()
        }]
        .concat();
        let masked = |line: &str| {
            let line = line.trim_end();
            secrets.iter().fold(line.to_owned(), |line, secret| {
                line.replace(secret.as_str(), &shortened(secret))
            })
        };
        let mut lines = Vec::new();
        let (mut section, mut shown) = (String::new(), String::new());
        let compared = TextDiff::from_lines(self.before.as_str(), after.as_str());
        for change in compared.iter_all_changes() {
            let line = masked(change.value());
            let is_header = line.starts_with('[');
            if is_header {
                section.clone_from(&line);
            }
            let sign = match change.tag() {
                ChangeTag::Equal => continue,
                ChangeTag::Insert => '+',
                ChangeTag::Delete => '-',
            };
            if !is_header && section != shown && !section.is_empty() {
                lines.push(format!("  {section}"));
            }
            shown.clone_from(&section);
            lines.push(format!("{sign} {line}").trim_end().to_owned());
        }
        lines
    }

    fn edit(&mut self, section: &str, edit: impl FnOnce(&mut dyn TableLike)) {
        let item = self.doc.entry(section).or_insert_with(toml_edit::table);
        if let Some(table) = item.as_table_like_mut() {
            edit(table);
        }
    }

    /// Adds people who are not there, and fills in accounts of those who are. The first new one takes the place of the
    /// example's person.
    fn add_people(&mut self, people: &[FoundPerson]) {
        if people.is_empty() {
            return;
        }
        let item = self
            .doc
            .entry("people")
            .or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
        let example = example_person();
        for person in people {
            let mut known = tables_mut(item);
            let position =
                |is: &dyn Fn(&dyn TableLike) -> bool| known.iter().position(|one| is(&**one));
            let free = position(&|one| has(one, "slack", &example));
            let own = position(&|one| has(one, "slack", &person.slack));
            // Somebody who is there without a Slack id.
            let own = own.or_else(|| {
                let accounts = accounts(person);
                position(&|one| {
                    let is_same = accounts.iter().any(|(key, value)| has(one, key, value));
                    one.get("slack").is_none() && (is_same || has(one, "name", &person.name))
                })
            });
            let place = own.or(free).and_then(|at| known.get_mut(at));
            match (place, own) {
                (Some(table), Some(_)) => {
                    let slack = [("slack", person.slack.as_str())].into_iter();
                    for (key, value) in slack.chain(accounts(person)) {
                        if table.get(key).is_none() {
                            put(&mut **table, key, value);
                        }
                    }
                }
                (Some(table), None) => {
                    put(&mut **table, "name", person.name.as_str());
                    put(&mut **table, "slack", person.slack.as_str());
                    let accounts = accounts(person);
                    for key in ["github", "clickup"] {
                        match accounts.iter().find(|(of, _)| *of == key) {
                            Some((_, value)) => put(&mut **table, key, *value),
                            None => drop(table.remove(key)),
                        }
                    }
                }
                (None, _) => push(item, person),
            }
        }
    }

    /// Removes the example's person and the sections that still are the example's and were not answered.
    fn forget_examples(&mut self, answers: &SetupAnswers) {
        if let Some(Item::ArrayOfTables(people)) = self.doc.get_mut("people") {
            people.retain(|one| one.get("slack").and_then(Item::as_str) != Some(&example_person()));
        }
        let unanswered = [
            ("clickup", answers.clickup.is_none()),
            ("github", answers.github.is_none()),
        ];
        for (section, unanswered) in unanswered {
            let there = self.doc.get(section).and_then(|it| it.get("token"));
            let of_example = there.is_some() && self.text_of(section, "token").is_none();
            if unanswered && of_example {
                self.doc.remove(section);
            }
        }
    }
}

/// The Slack id of the example's person.
fn example_person() -> String {
    let example: Option<DocumentMut> = EXAMPLE.parse().ok();
    let person = example.and_then(|doc| {
        let people = doc.get("people")?.as_array_of_tables()?;
        Some(people.get(0)?.get("slack")?.as_str()?.to_owned())
    });
    person.unwrap_or_default()
}

/// Whether a text of a table is this one, without case.
fn has(table: &dyn TableLike, key: &str, text: &str) -> bool {
    let known = table.get(key).and_then(Item::as_str);
    known.is_some_and(|known| known.to_lowercase() == text.to_lowercase())
}

fn accounts(person: &FoundPerson) -> Vec<(&'static str, &str)> {
    let github = person.github.as_ref();
    let github = github.map(|account| ("github", account.name.as_str()));
    let clickup = person.clickup.as_ref();
    let clickup = clickup.map(|account| ("clickup", account.id.as_str()));
    github.into_iter().chain(clickup).collect()
}

fn push(item: &mut Item, person: &FoundPerson) {
    let mut table = Table::new();
    put(&mut table, "name", person.name.as_str());
    put(&mut table, "slack", person.slack.as_str());
    for (key, value) in accounts(person) {
        put(&mut table, key, value);
    }
    match item {
        Item::ArrayOfTables(people) => people.push(table),
        Item::Value(Value::Array(people)) => people.push(table.into_inline_table()),
        _ => {}
    }
}

fn tables(item: &Item) -> Vec<&dyn TableLike> {
    match item {
        Item::ArrayOfTables(all) => all.iter().map(|table| table as &dyn TableLike).collect(),
        Item::Value(Value::Array(all)) => {
            let tables = all.iter().filter_map(Value::as_inline_table);
            tables.map(|table| table as &dyn TableLike).collect()
        }
        _ => Vec::new(),
    }
}

fn tables_mut(item: &mut Item) -> Vec<&mut dyn TableLike> {
    match item {
        Item::ArrayOfTables(all) => {
            let tables = all.iter_mut();
            tables.map(|table| table as &mut dyn TableLike).collect()
        }
        Item::Value(Value::Array(all)) => {
            let tables = all.iter_mut().filter_map(Value::as_inline_table_mut);
            tables.map(|table| table as &mut dyn TableLike).collect()
        }
        _ => Vec::new(),
    }
}

/// The first, and the others.
fn split(all: &[String]) -> (String, Vec<String>) {
    match all {
        [first, further @ ..] => (first.clone(), further.to_vec()),
        [] => Default::default(),
    }
}

/// Sets a value, unless it is the same; the comments around it stay.
fn put(table: &mut dyn TableLike, key: &str, value: impl Into<Value>) {
    let mut value = value.into();
    match table.get_mut(key) {
        Some(Item::Value(known)) => {
            if plain(known) != plain(&value) {
                *value.decor_mut() = known.decor().clone();
                *known = value;
            }
        }
        _ => drop(table.insert(key, Item::Value(value))),
    }
}

/// Sets a list's id, unless the address that is there has the same id.
fn put_place(table: &mut dyn TableLike, key: &str, id: &str) {
    let known = table.get(key).and_then(Item::as_str);
    let same = known.is_some_and(|known| known.split(['/', '-']).any(|part| part == id));
    if !same {
        put(table, key, id);
    }
}

/// Sets a list. An empty one is not written where there is none.
fn put_list(table: &mut dyn TableLike, key: &str, texts: &[String]) {
    if !texts.is_empty() || table.get(key).is_some() {
        put(
            table,
            key,
            texts.iter().map(String::as_str).collect::<Array>(),
        );
    }
}

/// Sets a token, or the file that holds it; the other key goes.
fn put_token(table: &mut dyn TableLike, key: &str, token: &GivenToken) {
    let file_key = format!("{key}_file");
    let (set, gone, value) = match token {
        // The daemon reads it there too.
        GivenToken::Variable(_) => return,
        GivenToken::Text(secret) => (key, file_key.as_str(), secret.expose().to_owned()),
        GivenToken::File(path, _) => (file_key.as_str(), key, path.display().to_string()),
    };
    let comments = table.key(gone).map(|key| key.leaf_decor().clone());
    if table.remove(gone).is_none() || table.get(set).is_some() {
        put(table, set, value);
        return;
    }
    put(table, set, value);
    if let (Some(comments), Some(mut key)) = (comments, table.key_mut(set)) {
        *key.leaf_decor_mut() = comments;
    }
}

/// Sets a GitHub App in place of a token or of another App.
fn put_app(section: &mut dyn TableLike, app: &AppFiles) {
    for key in ["token", "token_file", "installation_id"] {
        section.remove(key);
    }
    put(section, "app_id", app.id.to_string());
    put(section, "app_key_file", app.key.display().to_string());
    if let Some(secret) = &app.webhook_secret {
        section.remove("webhook_secret");
        put(section, "webhook_secret_file", secret.display().to_string());
    }
}

/// A value without the text around it, for comparison.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.value().clone(),
        Value::Array(list) => list.iter().map(|one| format!("{}\n", plain(one))).collect(),
        other => other.to_string().trim().to_owned(),
    }
}

/// The texts of all keys that hold secrets.
fn secrets(doc: &DocumentMut) -> Vec<String> {
    fn collect(table: &dyn TableLike, found: &mut Vec<String>) {
        for (key, item) in table.iter() {
            if let Some(text) = item.as_str() {
                let is_secret = ["token", "secret"].iter().any(|end| key.ends_with(end));
                if is_secret && !text.is_empty() {
                    found.push(text.to_owned());
                }
            }
            for table in tables(item) {
                collect(table, found);
            }
            if let Some(table) = item.as_table_like() {
                collect(table, found);
            }
        }
    }
    let mut found = Vec::new();
    collect(doc.as_table(), &mut found);
    found
}

/// The kind of a token, without the rest: `xoxb-…`.
fn shortened(secret: &str) -> String {
    const KINDS: [&str; 5] = ["xapp-", "xoxb-", "pk_", "github_pat_", "ghp_"];
    let kind = KINDS.iter().find(|kind| secret.starts_with(**kind));
    format!("{}…", kind.copied().unwrap_or_default())
}

/// A token from the file that bot.toml names, or from bot.toml.
pub fn token_of(
    file: &BotToml,
    section: &str,
    key: &str,
    read: impl Fn(&str) -> Result<Secret, String>,
) -> Result<Option<GivenToken>, String> {
    if let Some(path) = file.text_of(section, &format!("{key}_file")) {
        let secret = read(&path)?;
        return Ok(Some(GivenToken::File(path.into(), secret)));
    }
    let text = file.text_of(section, key);
    Ok(text.map(|text| GivenToken::Text(Secret::new(text))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::task::{Account, RepoName};
    use crate::setup::{AppFiles, ClickUpAnswers, GitHubAccessAnswer, GitHubAnswers};

    fn token(text: &str) -> GivenToken {
        GivenToken::Text(Secret::new(text))
    }

    fn answers() -> SetupAnswers {
        let account = |id: &str, name: &str| {
            Some(Account {
                id: id.to_owned(),
                name: name.to_owned(),
            })
        };
        SetupAnswers {
            app_token: token("xapp-1-A0APP1-1-new"),
            bot_token: token("xoxb-1-1-new"),
            operators: vec!["U0ANN01".to_owned()],
            clickup: Some(ClickUpAnswers {
                token: token("pk_1_NEW"),
                workspace: "9001".to_owned(),
                lists: vec!["901100000001".to_owned(), "901100000002".to_owned()],
            }),
            github: Some(GitHubAnswers {
                access: GitHubAccessAnswer::Token(token("github_pat_new")),
                repos: vec![RepoName::parse("acme/widgets").unwrap()],
            }),
            people: vec![FoundPerson {
                slack: "U0ANN01".to_owned(),
                name: "Ann".to_owned(),
                clickup: account("4242", "Ann"),
                github: account("31", "ann"),
            }],
            addresses: Vec::new(),
            ca_file: None,
        }
    }

    fn answered(text: Option<&str>) -> BotToml {
        let mut file = BotToml::read(text).unwrap();
        file.answer(&answers());
        file
    }

    #[test]
    fn a_new_file_has_the_answers_and_nothing_of_the_example() {
        let file = answered(None);
        let text = file.text();
        insta::assert_snapshot!(text, @r#"
        # Ivan's configuration, made by `ivan init`. Run it again to change an answer: it shows each change and keeps the rest.
        # docs/configuration.md explains the keys, bot.toml.example shows all of them.

        [slack]
        app_token = "xapp-1-A0APP1-1-new"
        bot_token = "xoxb-1-1-new"
        operators = ["U0ANN01"]

        [clickup]
        token = "pk_1_NEW"
        team_id = "9001"
        list_id = "901100000001"
        lists = ["901100000002"]

        [github]
        token = "github_pat_new"
        repo = "acme/widgets"

        [[people]]
        name = "Ann"
        slack = "U0ANN01"
        github = "ann"
        clickup = "4242"
        "#);
        // Written again, it stays as it is.
        let again = answered(Some(&text));
        assert!(!again.is_changed(), "{}", again.text());
        let diff = file.diff().join("\n");
        assert!(diff.contains("+ bot_token = \"xoxb-…\""), "{diff}");
        assert!(!diff.contains("new\""), "{diff}");
    }

    #[test]
    fn an_app_takes_the_place_of_a_token() {
        let before = answered(None).text();
        let mut answers = answers();
        let app = AppFiles {
            id: 7,
            key: "/etc/ivan/github-app-7.pem".into(),
            webhook_secret: Some("/etc/ivan/github-app-7.secret".into()),
        };
        if let Some(github) = &mut answers.github {
            github.access = GitHubAccessAnswer::NewApp(app);
        }
        let mut file = BotToml::read(Some(&before)).unwrap();
        file.answer(&answers);
        let expected = "[github]\nrepo = \"acme/widgets\"\napp_id = \"7\"\n\
                        app_key_file = \"/etc/ivan/github-app-7.pem\"\n\
                        webhook_secret_file = \"/etc/ivan/github-app-7.secret\"\n";
        assert!(file.text().contains(expected), "{}", file.text());
        // Later answers about other things leave it alone.
        if let Some(github) = &mut answers.github {
            github.access = GitHubAccessAnswer::KnownApp;
        }
        let mut again = BotToml::read(Some(&file.text())).unwrap();
        again.answer(&answers);
        assert!(!again.is_changed(), "{}", again.text());
    }

    #[test]
    fn the_configuration_accepts_it() {
        let text = answered(None).text();
        let path = std::path::Path::new("bot.toml");
        let config = crate::config::Config::read(Some((path, &text)), std::iter::empty());
        let config = config.unwrap();
        assert_eq!(config.people.len(), 1);
        assert!(config.remarks().untouched().is_empty());
    }

    #[test]
    fn other_keys_and_comments_stay() {
        let before = "\
# Ours.
[slack] # here
app_token = \"xapp-1-A0APP1-1-old\" # the app's
# The bot.
bot_token = \"xoxb-1-1-new\"
operators = [\"U0BOB01\"]
future_key = 7

[clickup]
token = \"pk_1_NEW\"
team_id = \"9001\"
# As copied from the browser.
list_id = \"https://app.clickup.com/9001/v/l/6-901100000001-1\"
lists = [
  \"901100000002\", # the roadmap
]

[[people]]
name = \"Annie\"
slack = \"U0ANN01\"
clickup = \"7\"
# The end.
";
        let file = answered(Some(before));
        let diff = file.diff().join("\n");
        insta::assert_snapshot!(diff, @r#"
          [slack] # here
        - app_token = "xapp-…" # the app's
        + app_token = "xapp-…" # the app's
        - operators = ["U0BOB01"]
        + operators = ["U0BOB01", "U0ANN01"]
          [[people]]
        + github = "ann"
        +
        + [github]
        + token = "github_pat_…"
        + repo = "acme/widgets"
        "#);
        let text = file.text();
        for kept in [
            "# Ours.\n[slack] # here\n",
            "-new\" # the app's\n# The bot.\n",
            "future_key = 7\n",
            "# As copied from the browser.\nlist_id = \"https://",
            "  \"901100000002\", # the roadmap\n",
            "name = \"Annie\"\n",
            "# The end.\n",
        ] {
            assert!(text.contains(kept), "{kept}\n{text}");
        }
    }

    #[test]
    fn a_copy_of_the_example_loses_its_person_and_what_was_not_answered() {
        let mut file = BotToml::read(Some(EXAMPLE)).unwrap();
        assert_eq!(file.text_of("slack", "bot_token"), None);
        assert_eq!(file.people(), Vec::<String>::new());
        let mut answers = answers();
        answers.github = None;
        file.answer(&answers);
        let text = file.text();
        assert!(!text.contains("name = \"Ana\""), "{text}");
        assert!(
            !text.contains("your-org/your-repo\"\n\n# Further mirrored"),
            "{text}"
        );
        assert!(text.contains("name = \"Ann\"\n"), "{text}");
        assert!(text.contains("# Slack id. Unset:"), "{text}");
        let path = std::path::Path::new("bot.toml");
        let config = crate::config::Config::read(Some((path, &text)), std::iter::empty());
        let config = config.unwrap();
        assert!(config.remarks().untouched().is_empty());
        assert!(config.github.is_none());
    }

    #[test]
    fn a_token_in_a_file_stays_there() {
        let mut file = BotToml::read(Some(
            "[slack]\n# Ours.\napp_token = \"xapp-old\"\nbot_token_file = \"/run/bot\"\n",
        ))
        .unwrap();
        let mut answers = answers();
        answers.app_token = GivenToken::File("/run/app".into(), Secret::new("xapp-1"));
        answers.bot_token = GivenToken::Variable(Secret::new("xoxb-1"));
        file.answer(&answers);
        let text = file.text();
        assert!(
            text.contains("# Ours.\napp_token_file = \"/run/app\"\n"),
            "{text}"
        );
        assert!(text.contains("bot_token_file = \"/run/bot\"\n"), "{text}");
        assert!(!text.contains("xapp-") && !text.contains("xoxb-"), "{text}");
    }

    #[test]
    fn a_file_of_comments_keeps_them_and_a_broken_one_is_refused_without_its_text() {
        let text = answered(Some("# Mine.\n#slack = 1\n")).text();
        assert!(
            text.starts_with("# Mine.\n#slack = 1\n\n[slack]\n"),
            "{text}"
        );
        let Err(why) = BotToml::read(Some("[slack]\nbot_token = \"xoxb-secret\n")) else {
            panic!("it is no TOML");
        };
        assert!(
            why.starts_with("line 2: ") && !why.contains("secret"),
            "{why}"
        );
    }

    #[test]
    fn a_person_without_a_slack_id_gets_theirs() {
        let file = answered(Some("[[people]]\nname = \"The boss\"\ngithub = \"Ann\"\n"));
        let text = file.text();
        let person = "[[people]]\nname = \"The boss\"\ngithub = \"Ann\"\nslack = \"U0ANN01\"\nclickup = \"4242\"\n";
        assert!(text.contains(person), "{text}");
        assert_eq!(text.matches("[[people]]").count(), 1);
    }

    #[test]
    fn people_in_one_line_get_others_beside_them() {
        let file = answered(Some("people = [{ name = \"Bo\", slack = \"U0BOB01\" }]\n"));
        let text = file.text();
        assert!(
            text.contains("{ name = \"Bo\", slack = \"U0BOB01\" }"),
            "{text}"
        );
        assert!(text.contains("slack = \"U0ANN01\""), "{text}");
        assert_eq!(file.people(), ["U0BOB01", "U0ANN01"]);
    }
}
