//! `hosts.toml`: the daemons that `ivan login` has a token of. The newest login is first, and is used by default.

use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, value};

use crate::config::Secret;

/// The first lines of the file.
const HEAD: &str = "# Written by `ivan login`. Each of these tokens acts as its person: keep this file to yourself.\n\n";

/// A daemon, and a token for it.
#[derive(Debug, Clone)]
pub struct KnownHost {
    /// The API's URL, without a slash at the end.
    pub url: String,
    /// The person whom the token is; `None` for a token of the daemon's configuration.
    pub person: Option<String>,
    /// The token's name at the daemon.
    pub name: Option<String>,
    /// The token.
    pub token: Secret,
}

/// The entries of the file. The error is a sentence without its content.
pub fn read(text: &str) -> Result<Vec<KnownHost>, String> {
    let document: DocumentMut = text.parse().map_err(|_| "it is not TOML".to_owned())?;
    let hosts = match document.get("hosts") {
        None => return Ok(Vec::new()),
        Some(hosts) => hosts
            .as_array_of_tables()
            .ok_or("`hosts` is no list of tables")?,
    };
    hosts
        .iter()
        .map(|host| {
            let text = |key: &str| host.get(key).and_then(Item::as_str).map(str::to_owned);
            let (Some(url), Some(token)) = (text("url"), text("token")) else {
                return Err("an entry lacks `url` or `token`".to_owned());
            };
            Ok(KnownHost {
                url,
                person: text("person"),
                name: text("name"),
                token: Secret::new(token),
            })
        })
        .collect()
}

/// The file with these entries.
pub fn written(hosts: &[KnownHost]) -> String {
    let mut tables = ArrayOfTables::new();
    for host in hosts {
        let mut table = Table::new();
        table.insert("url", value(&host.url));
        for (key, text) in [("person", &host.person), ("name", &host.name)] {
            if let Some(text) = text {
                table.insert(key, value(text));
            }
        }
        table.insert("token", value(host.token.expose()));
        tables.push(table);
    }
    let mut document = DocumentMut::new();
    document.insert("hosts", Item::ArrayOfTables(tables));
    format!("{HEAD}{document}")
}

/// The entries with a new one first, in place of an earlier one of its daemon; and that earlier one.
pub fn with(hosts: Vec<KnownHost>, new: KnownHost) -> (Vec<KnownHost>, Option<KnownHost>) {
    let (mut others, earlier) = without(hosts, &new.url);
    others.insert(0, new);
    (others, earlier)
}

/// The entries without that of a daemon; and that entry.
pub fn without(hosts: Vec<KnownHost>, url: &str) -> (Vec<KnownHost>, Option<KnownHost>) {
    let (mut these, others): (Vec<_>, Vec<_>) = hosts.into_iter().partition(|host| host.url == url);
    (others, these.pop())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(url: &str, token: &str) -> KnownHost {
        KnownHost {
            url: url.to_owned(),
            person: Some("Ana \"Lima\"".to_owned()),
            name: None,
            token: Secret::new(token),
        }
    }

    fn urls(hosts: &[KnownHost]) -> Vec<&str> {
        hosts.iter().map(|host| host.url.as_str()).collect()
    }

    #[test]
    fn the_newest_login_is_first_and_replaces_an_earlier_one() {
        let (hosts, earlier) = with(Vec::new(), host("https://a.example", "one"));
        assert!(earlier.is_none());
        let (hosts, _) = with(hosts, host("https://b.example", "two"));
        let (hosts, earlier) = with(hosts, host("https://a.example", "three"));
        assert_eq!(earlier.unwrap().token.expose(), "one");
        let read = read(&written(&hosts)).unwrap();
        assert_eq!(urls(&read), ["https://a.example", "https://b.example"]);
        assert_eq!(read[0].token.expose(), "three");
        assert_eq!(read[0].person.as_deref(), Some("Ana \"Lima\""));
        let (left, gone) = without(read, "https://a.example");
        assert_eq!(urls(&left), ["https://b.example"]);
        assert!(gone.is_some());
    }

    #[test]
    fn a_damaged_file_is_an_error_without_its_content() {
        for text in ["hosts = 1", "[[hosts]]\nurl = 'secret'", "secret = ["] {
            assert!(!read(text).unwrap_err().contains("secret"), "{text}");
        }
        assert!(read("").unwrap().is_empty());
        assert!(read(&written(&[])).unwrap().is_empty());
    }
}
