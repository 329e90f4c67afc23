//! Clients that tasks are for: their names, and the default place of their tasks.
//!
//! `[[entities]]` of bot.toml lists them. If the list is empty, any name is a client, stored as it was typed.

use super::spelling::distance;
use super::task::{RepoName, Source, Task};

/// One of `[[entities]]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entity {
    /// The id at the sources: tag `client:<id>`, prefix `[CLIENT:<id>] `.
    pub id: String,
    /// The name that people use.
    pub name: Option<String>,
    /// Other names that people type for it; often none.
    pub aliases: Vec<String>,
    /// The source of its new tasks, unless one is typed; with a list and a repository it selects one.
    pub source: Option<Source>,
    /// The ClickUp list of its new tasks, by id.
    pub list: Option<String>,
    /// The GitHub repository of its new tasks.
    pub repo: Option<RepoName>,
}

/// All known clients.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entities(Vec<Entity>);

/// How many names are offered in place of an unknown one.
const OFFERED: usize = 5;

impl Entity {
    /// Whether this text, from a person or a source, names this client.
    pub fn is_called(&self, text: &str) -> bool {
        let wanted = plain(text);
        self.names().any(|name| plain(name) == wanted)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        let own = std::iter::once(self.id.as_str()).chain(self.name.as_deref());
        own.chain(self.aliases.iter().map(String::as_str))
    }
}

impl Entities {
    /// The clients of `[[entities]]`, in their order; if there are none, every name is a client.
    pub fn new(entities: Vec<Entity>) -> Entities {
        Entities(entities)
    }

    /// Whether the list is empty, so that every name is a client.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The client with this id, name or alias, in any case and with any spaces.
    pub fn resolve(&self, text: &str) -> Option<&Entity> {
        self.0.iter().find(|entity| entity.is_called(text))
    }

    /// The ids of similar clients, the nearest first, or some of all if none is similar.
    pub fn near(&self, text: &str) -> Vec<&str> {
        let wanted = plain(text);
        let mut by_distance: Vec<(usize, &str)> = self
            .0
            .iter()
            .filter_map(|entity| {
                let near = entity
                    .names()
                    .filter_map(|name| nearness(&wanted, &plain(name)));
                Some((near.min()?, entity.id.as_str()))
            })
            .collect();
        by_distance.sort();
        if by_distance.is_empty() {
            by_distance = self
                .0
                .iter()
                .map(|entity| (0, entity.id.as_str()))
                .collect();
        }
        by_distance
            .into_iter()
            .map(|(_, id)| id)
            .take(OFFERED)
            .collect()
    }
}

/// Splits a title from the client that it names: `[CLIENT:acme] Fix login`, or a tag `client:acme` as its first or last
/// word. Without `[[entities]]` a tag needs `-e`, because a colon may mean anything.
pub fn split_title(title: &str, known: &Entities) -> (Option<String>, String) {
    let unsplit = || (None, title.to_owned());
    let trimmed = title.trim();
    if let Some((prefix, rest)) = trimmed.split_once(']')
        && let Some(upper) = prefix.get(.."[CLIENT:".len())
        && upper.eq_ignore_ascii_case("[CLIENT:")
    {
        // Parsed the same way as the title that the source returns.
        let entity = Task::entity_of_title(&format!(
            "[CLIENT:{}]",
            prefix.get(upper.len()..).unwrap_or_default()
        ));
        return match entity {
            Some(entity) => (Some(entity), rest.trim().to_owned()),
            None => unsplit(),
        };
    }
    let tag = |word: &str| {
        let (kind, entity) = word.trim_start_matches('#').split_once(':')?;
        let named = kind.eq_ignore_ascii_case("client") && known.resolve(entity).is_some();
        named.then(|| entity.to_owned())
    };
    let first = trimmed.split_once(char::is_whitespace);
    let last = trimmed.rsplit_once(char::is_whitespace);
    if let Some((word, rest)) = first
        && let Some(entity) = tag(word)
    {
        return (Some(entity), rest.trim().to_owned());
    }
    if let Some((rest, word)) = last
        && let Some(entity) = tag(word)
    {
        return (Some(entity), rest.trim().to_owned());
    }
    unsplit()
}

fn plain(text: &str) -> String {
    let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
    words.join(" ")
}

/// How near two names are: one is a prefix of the other, or they differ by a typo or two. `None` if they are not.
fn nearness(wanted: &str, name: &str) -> Option<usize> {
    if wanted.is_empty() {
        return None;
    }
    let slips = distance(wanted, name);
    let begins = name.starts_with(wanted) || wanted.starts_with(name);
    (begins || slips <= 2 && slips < wanted.chars().count()).then_some(slips)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn known() -> Entities {
        let entity = |id: &str, name: Option<&str>, aliases: &[&str]| Entity {
            id: id.into(),
            name: name.map(Into::into),
            aliases: aliases.iter().map(|&alias| alias.into()).collect(),
            ..Entity::default()
        };
        Entities::new(vec![
            entity("acme", Some("Acme  Corporation"), &["ac", "Roadrunner"]),
            entity("globex", None, &[]),
            entity("initech", None, &[]),
        ])
    }

    #[rstest]
    #[case::id("acme", Some("acme"))]
    #[case::shouted(" ACME ", Some("acme"))]
    #[case::name("acme corporation", Some("acme"))]
    #[case::alias("AC", Some("acme"))]
    #[case::part_of_a_name("corporation", None)]
    #[case::nothing("", None)]
    fn one_is_known_by_all_its_names(#[case] text: &str, #[case] id: Option<&str>) {
        let entities = known();
        assert_eq!(entities.resolve(text).map(|entity| entity.id.as_str()), id);
    }

    #[rstest]
    #[case::slip("acmee", &["acme"])]
    #[case::beginning("glo", &["globex"])]
    #[case::alias("roadruner", &["acme"])]
    #[case::far("zzz", &["acme", "globex", "initech"])]
    #[case::nothing("", &["acme", "globex", "initech"])]
    fn what_may_have_been_meant_is_offered(#[case] text: &str, #[case] ids: &[&str]) {
        assert_eq!(known().near(text), ids);
    }

    #[rstest]
    #[case::prefix("[CLIENT:acme] Fix login", Some("acme"), "Fix login")]
    #[case::prefix_in_small_letters("[client: Acme ]Fix login", Some("Acme"), "Fix login")]
    #[case::unknown_prefix("[CLIENT:zoe] Fix", Some("zoe"), "Fix")]
    #[case::empty_prefix("[CLIENT:] Fix", None, "[CLIENT:] Fix")]
    #[case::tag_first("client:AC Fix login", Some("AC"), "Fix login")]
    #[case::tag_last("Fix login #client:globex", Some("globex"), "Fix login")]
    #[case::unknown_tag("Fix client:port", None, "Fix client:port")]
    #[case::tag_within("Fix client:acme now", None, "Fix client:acme now")]
    #[case::no_title("client:acme", None, "client:acme")]
    #[case::brackets("[WIP] Fix", None, "[WIP] Fix")]
    #[case::short("é]x", None, "é]x")]
    fn a_title_may_name_its_client(
        #[case] title: &str,
        #[case] entity: Option<&str>,
        #[case] rest: &str,
    ) {
        let (found, left) = split_title(title, &known());
        assert_eq!((found.as_deref(), left.as_str()), (entity, rest));
        if !title.starts_with('[') {
            assert_eq!(
                split_title(title, &Entities::default()),
                (None, title.to_owned())
            );
        }
    }

    #[test]
    fn slips_are_counted() {
        for (one, other, slips) in [("", "abc", 3), ("abc", "abc", 0), ("kitten", "sitting", 3)] {
            assert_eq!(distance(one, other), slips);
            assert_eq!(distance(other, one), slips);
        }
    }
}
