use super::*;
use rstest::rstest;
use std::collections::BTreeMap;
use std::fs;

const FILE: &str = "./bot.toml";

/// A minimal valid configuration.
const CLICKUP: &str = r#"
[clickup]
token = "pk_1_sesame"
team_id = "9001"
list_id = "901100000001"
"#;

fn read(toml: &str, env: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    let env = env
        .iter()
        .map(|&(name, value)| (name.to_owned(), value.to_owned()));
    Config::read(Some((Path::new(FILE), toml)), env)
}

/// The single mistake in a configuration that is valid without the given lines.
fn mistake(toml: &str, env: &[(&str, &str)]) -> String {
    // Keys outside sections come before all sections.
    let toml = match toml.starts_with('[') {
        true => format!("{CLICKUP}\n{toml}"),
        false => format!("{toml}\n{CLICKUP}"),
    };
    let errors = read(&toml, env).unwrap_err();
    let lines: Vec<String> = errors.iter().map(ConfigError::to_string).collect();
    assert_eq!(lines.len(), 1, "{lines:#?}");
    lines.concat()
}

#[test]
fn what_is_left_out_has_its_default() {
    let config = read(CLICKUP, &[]).unwrap();
    let clickup = config.clickup.unwrap();
    assert_eq!(clickup.token.expose(), "pk_1_sesame");
    assert_eq!(clickup.complete_status, "complete");
    assert_eq!(clickup.in_progress_status, None);
    assert_eq!(clickup.api_url, "https://api.clickup.com/api/v2");
    assert_eq!(clickup.all_lists(), ["901100000001"]);
    assert!(config.slack.is_none() && config.github.is_none() && config.people.is_empty());
    assert_eq!(config.store.path, Path::new("ivan.db"));
    assert_eq!(config.store.retention, days(30));
    assert_eq!(config.store.log_retention, days(365));
    assert_eq!(config.queue.default_source, Source::ClickUp);
    assert_eq!(config.queue.score, Weights::default());
    assert_eq!(config.api.bind.to_string(), "127.0.0.1:8787");
    assert!(config.api.token.is_none() && config.api.default_person.is_none());
    assert_eq!(config.webhooks.bind.to_string(), "127.0.0.1:8788");
    let proxies = config.http.trusted_proxies.iter();
    let proxies: Vec<String> = proxies.map(Network::to_string).collect();
    assert_eq!(proxies, ["127.0.0.1", "::1"]);
    assert_eq!(config.sync.interval, Duration::from_secs(3600));
    assert_eq!(config.sync.full_interval, days(1));
    assert!(clickup.webhook_secret.is_none());
    assert_eq!(config.outbox.retry_initial, Duration::from_secs(1));
    assert_eq!(config.outbox.retry_max, Duration::from_secs(60));
    assert_eq!(config.outbox.give_up_after, days(1));
    assert_eq!(config.log.format, LogFormat::Pretty);
    assert_eq!(config.log.level, "info");
}

#[test]
fn the_environment_alone_is_enough_and_wins_over_the_file() {
    let env = [
        ("IVAN__SLACK__APP_TOKEN", "xapp-1"),
        ("IVAN__SLACK__BOT_TOKEN", "xoxb-1"),
        ("IVAN__SLACK__ALLOWED_USERS", "U0ANN01, U0BOB01"),
        ("IVAN__SLACK__OPERATORS", "U0ANN01"),
        ("IVAN__SLACK__CATCH_UP_AFTER", "10m"),
        ("IVAN__SLACK__BRIEFING", "9am"),
        ("IVAN__SLACK__QUIET", "8pm-8am"),
        ("IVAN__GITHUB__TOKEN", "github_pat_1"),
        ("IVAN__GITHUB__REPO", "acme/widgets"),
        ("IVAN__GITHUB__REPOS", "acme/api,ACME/Widgets"),
        ("IVAN__GITHUB__PRIORITY_LABELS__URGENT", "sev1,sev2"),
        ("IVAN__GITHUB__WRITES_PER_SECOND", "0"),
        ("IVAN__QUEUE__SCORE__REVENUE", "7"),
        ("IVAN__PEOPLE__0__NAME", "Ana"),
        ("IVAN_API_URL", "http://127.0.0.1:1"),
        ("PATH", "/bin"),
    ];
    let variables = env.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let config = Config::read(None, variables.into_iter()).unwrap();
    let (slack, github) = (config.slack.unwrap(), config.github.unwrap());
    assert_eq!(slack.allowed_users.named, ["U0ANN01", "U0BOB01"]);
    assert!(!slack.allowed_users.members);
    assert_eq!(slack.operators, ["U0ANN01"]);
    assert_eq!(slack.catch_up_after, Duration::from_secs(600));
    assert_eq!(slack.rhythm.briefing, NaiveTime::from_hms_opt(9, 0, 0));
    assert_eq!(slack.rhythm.quiet, Some(QuietHours::NIGHT));
    assert_eq!(slack.channel_commands, ChannelCommandsConfig::Bare);
    assert_eq!(slack.thread_replies, ThreadRepliesConfig::Hint);
    assert_eq!(slack.receipts, ReceiptsConfig::Message);
    let repos: Vec<String> = github.all_repos().iter().map(|r| r.to_string()).collect();
    assert_eq!(repos, ["acme/widgets", "acme/api"]);
    assert_eq!(github.priority_labels.urgent, ["sev1", "sev2"]);
    assert_eq!(github.priority_labels.high, ["P1"]);
    assert_eq!(github.writes_per_second, 0);
    assert_eq!(config.queue.score.revenue, 7);
    assert_eq!(config.queue.default_source, Source::GitHub);
    assert_eq!(config.people[0].name, "Ana");

    let both = read(
        &format!("{CLICKUP}lists = [1, '2']\n[queue]\nscore = {{ revenue = 5 }}"),
        &[
            ("IVAN__QUEUE__SCORE__REVENUE", "6"),
            ("IVAN__CLICKUP__TOKEN", "pk_2"),
        ],
    )
    .unwrap();
    let clickup = both.clickup.unwrap();
    assert_eq!(both.queue.score.revenue, 6);
    assert_eq!(clickup.token.expose(), "pk_2");
    assert_eq!(clickup.all_lists(), ["901100000001", "1", "2"]);
}

#[test]
fn five_mistakes_are_told_at_once_with_key_reason_and_origin() {
    let errors = read(
        r#"
        [slack]
        app_token = "xoxb-sesame-in-the-wrong-place"
        allowed_users = ["*"]

        [clickup]
        token = "pk_1_sesame"
        team_id = "9001"
        list_id = "901100000001"
        complete_staus = "closed"

        [outbox]
        retry_max = "60"
        "#,
        &[
            ("IVAN__GITHUB__TOKEN", "github_pat_sesame"),
            ("IVAN__GITHUB__REPO", "widgets"),
        ],
    )
    .unwrap_err();
    insta::assert_snapshot!(errors, @r"
    5 errors in the configuration:
      slack.app_token: expected an app-level token (xapp-…), found a bot token (xoxb-…) (./bot.toml)
      slack.bot_token: missing: the bot token, from OAuth & Permissions of the Slack app (set it in ./bot.toml or IVAN__SLACK__BOT_TOKEN)
      github.repo: expected a repository as owner/name, found `widgets` (environment variable IVAN__GITHUB__REPO)
      outbox.retry_max: expected a whole number with a unit, such as 500ms, 1s, 5m, 24h or 30d, found `60` (./bot.toml)
      clickup.complete_staus: unknown key; did you mean clickup.complete_status? (./bot.toml)
    ");
    assert!(!errors.to_string().contains("sesame"));
}

#[rstest]
#[case::not_a_text(
    "[log]\nlevel = true",
    "log.level: expected a text in quotes, found a boolean (./bot.toml)"
)]
#[case::empty(
    "[log]\nlevel = ' '",
    "log.level: empty; set a value or remove the key (./bot.toml)"
)]
#[case::level(
    "[log]\nlevel = 'loud'",
    "log.level: expected off, error, warn, info, debug or trace, found `loud` (./bot.toml)"
)]
#[case::format(
    "[log]\nformat = 'xml'",
    "log.format: expected pretty or json, found `xml` (./bot.toml)"
)]
#[case::channel(
    "[slack]\napp_token = 'xapp-1'\nbot_token = 'xoxb-1'\nallowed_users = ['*']\nchannel_commands = 'all'",
    "slack.channel_commands: expected bare, mention or off, found `all` (./bot.toml)"
)]
#[case::thread_replies(
    "[slack]\napp_token = 'xapp-1'\nbot_token = 'xoxb-1'\nallowed_users = ['*']\nthread_replies = 'yes'",
    "slack.thread_replies: expected hint or comment, found `yes` (./bot.toml)"
)]
#[case::receipts(
    "[slack]\napp_token = 'xapp-1'\nbot_token = 'xoxb-1'\nallowed_users = ['*']\nreceipts = 'both'",
    "slack.receipts: expected message or reactions, found `both` (./bot.toml)"
)]
#[case::briefing(
    "[slack]\napp_token = 'xapp-1'\nbot_token = 'xoxb-1'\nallowed_users = ['*']\nbriefing = 'early'",
    "slack.briefing: expected a time such as 8:30 or 9am, or off, found `early` (./bot.toml)"
)]
#[case::briefing_as_a_number(
    "[slack]\napp_token = 'xapp-1'\nbot_token = 'xoxb-1'\nallowed_users = ['*']\nbriefing = 8",
    "slack.briefing: expected a time such as 8:30 or 9am, or off, found `8` (./bot.toml)"
)]
#[case::quiet(
    "[slack]\napp_token = 'xapp-1'\nbot_token = 'xoxb-1'\nallowed_users = ['*']\nquiet = '20:00'",
    "slack.quiet: expected hours such as 20:00-8:00 or 8pm-8am, or off, found `20:00` (./bot.toml)"
)]
#[case::quiet_of_no_length(
    "[slack]\napp_token = 'xapp-1'\nbot_token = 'xoxb-1'\nallowed_users = ['*']\nquiet = '8:00-8am'",
    "slack.quiet: expected hours such as 20:00-8:00 or 8pm-8am, or off, found `8:00-8am` (./bot.toml)"
)]
#[case::user(
    "[slack]\napp_token = 'xapp-1'\nbot_token = 'xoxb-1'\nallowed_users = ['@ana']",
    "slack.allowed_users: expected a Slack id such as U0ANN01 (in the profile: ⋮ → Copy member ID), found `@ana` \
     (./bot.toml)"
)]
#[case::space_in_a_token(
    "[api]\ntoken = 'open sesame'",
    "api.token: contains a space or a character that no token has (./bot.toml)"
)]
#[case::duration_unit(
    "[store]\nretention = '30 weeks'",
    "store.retention: expected a whole number with a unit, such as 500ms, 1s, 5m, 24h or 30d, found `30 weeks` \
     (./bot.toml)"
)]
#[case::duration_number(
    "[store]\nretention = 30",
    "store.retention: expected a whole number with a unit, such as 500ms, 1s, 5m, 24h or 30d, found `30` (./bot.toml)"
)]
#[case::duration_zero(
    "[store]\nretention = '0d'",
    "store.retention: expected a whole number with a unit, such as 500ms, 1s, 5m, 24h or 30d, found `0d` (./bot.toml)"
)]
#[case::duration_too_long(
    "[store]\nretention = '99999999999999999999d'",
    "store.retention: expected a whole number with a unit, such as 500ms, 1s, 5m, 24h or 30d, found \
     `99999999999999999999d` (./bot.toml)"
)]
#[case::retry_order(
    "[outbox]\nretry_initial = '2m'",
    "outbox.retry_max: must not be shorter than outbox.retry_initial (2m) (default)"
)]
#[case::full_sync_order(
    "[sync]\ninterval = '2d'",
    "sync.full_interval: must not be shorter than sync.interval (2d) (default)"
)]
#[case::operator(
    "[slack]\napp_token = 'xapp-1'\nbot_token = 'xoxb-1'\nallowed_users = ['*']\noperators = ['#ops']",
    "slack.operators: expected a Slack id such as U0ANN01 (in the profile: ⋮ → Copy member ID), found `#ops` \
     (./bot.toml)"
)]
#[case::webhooks_where_the_api_is(
    "[webhooks]\nbind = '127.0.0.1:8787'",
    "webhooks.bind: `127.0.0.1:8787` is the address of the API (api.bind); webhooks need their own, since it is \
     exposed (./bot.toml)"
)]
#[case::webhook_secret_of_two_lines(
    "[github]\ntoken = 't'\nrepo = 'a/b'\nwebhook_secret = \"open\\nsesame\"",
    "github.webhook_secret: contains a line break or another control character (./bot.toml)"
)]
#[case::address_scheme(
    "[github]\ntoken = 't'\nrepo = 'a/b'\napi_url = 'api.github.com'",
    "github.api_url: expected an address with https:// or http://, found `api.github.com` (./bot.toml)"
)]
#[case::address_slash(
    "[github]\ntoken = 't'\nrepo = 'a/b'\napi_url = 'https://ghe.test/api/v3/'",
    "github.api_url: remove the slash at the end: `https://ghe.test/api/v3` (./bot.toml)"
)]
#[case::address_user(
    "[github]\ntoken = 't'\nrepo = 'a/b'\napi_url = 'https://u:p@ghe.test'",
    "github.api_url: contains an @; an address must not have a name or password (./bot.toml)"
)]
#[case::url_scheme(
    "[github]\ntoken = 't'\nrepo = 'a/b'\nurl = 'ghe.test'",
    "github.url: expected the address of GitHub's pages, such as https://github.example.com, found `ghe.test` (./bot.toml)"
)]
#[case::url_of_the_api(
    "[github]\ntoken = 't'\nrepo = 'a/b'\nurl = 'https://ghe.test/api/v3'",
    "github.url: expected the address of GitHub's pages without a path, found `https://ghe.test/api/v3`; write \
     `https://ghe.test`. The API's address follows from it (./bot.toml)"
)]
#[case::url_of_the_public_api(
    "[github]\ntoken = 't'\nrepo = 'a/b'\nurl = 'https://api.github.com'",
    "github.url: expected the address of GitHub's pages without a path, found `https://api.github.com`; write \
     `https://github.com`. The API's address follows from it (./bot.toml)"
)]
#[case::url_user(
    "[github]\ntoken = 't'\nrepo = 'a/b'\nurl = 'https://u:p@ghe.test'",
    "github.url: contains an @; an address must not have a name or password (./bot.toml)"
)]
#[case::url_unencrypted(
    "[github]\ntoken = 't'\nrepo = 'a/b'\nurl = 'http://ghe.test'",
    "github.url: `http://ghe.test` would get the token unencrypted; use https:// (http:// is for this machine only) \
     (./bot.toml)"
)]
#[case::rate(
    "[github]\ntoken = 't'\nrepo = 'a/b'\nwrites_per_second = -1",
    "github.writes_per_second: expected a whole number up to 1000, or 0 for no limit, found -1 (./bot.toml)"
)]
#[case::fraction(
    "[github]\ntoken = 't'\nrepo = 'a/b'\nwrites_per_second = 0.5",
    "github.writes_per_second: expected a whole number, found a number with a fraction (./bot.toml)"
)]
#[case::repos(
    "[github]\ntoken = 't'\nrepo = 'a/b'\nrepos = ['https://github.com/a/c']",
    "github.repos: expected a repository as owner/name, found `https://github.com/a/c`; write `a/c` (./bot.toml)"
)]
#[case::labels(
    "[github]\ntoken = 't'\nrepo = 'a/b'\n[github.priority_labels]\nurgent = true",
    "github.priority_labels.urgent: expected a list such as [\"a\", \"b\"], found a boolean (./bot.toml)"
)]
#[case::socket(
    "[api]\nbind = 'localhost'",
    "api.bind: expected an IP address with a port, such as 127.0.0.1:8787, found `localhost` (./bot.toml)"
)]
#[case::points(
    "[queue.score]\nrevenue = 99999999999",
    "queue.score.revenue: expected points up to 1000000, found 99999999999 (./bot.toml)"
)]
#[case::source(
    "[queue]\ndefault_source = 'jira'",
    "queue.default_source: expected clickup or github, found `jira` (./bot.toml)"
)]
#[case::source_that_is_absent(
    "[queue]\ndefault_source = 'github'",
    "queue.default_source: `github` is not configured; fill in [github] (./bot.toml)"
)]
#[case::person_unknown(
    "[api]\ndefault_person = 'Bo'\n[[people]]\nname = 'Ana'",
    "api.default_person: `Bo` is not the name, slack or github of any of [[people]] (./bot.toml)"
)]
#[case::person_twice(
    "[[people]]\nslack = 'U1'\ngithub = 'ana'\n[[people]]\nslack = 'U2'\ngithub = 'Ana'",
    "people.1.github: `Ana` is used by another of [[people]]; names and ids must be unique (./bot.toml)"
)]
#[case::person_of_anothers_name(
    "[[people]]\nname = 'bo'\n[[people]]\nname = 'Bodo'\ngithub = 'Bo'",
    "people.1.github: `Bo` is used by another of [[people]]; names and ids must be unique (./bot.toml)"
)]
#[case::login(
    "[[people]]\ngithub = '@ana'",
    "people.0.github: expected a GitHub login without @, found `@ana` (./bot.toml)"
)]
#[case::unknown_key(
    "[api]\nport = 8787",
    "api.port: unknown key; bot.toml.example lists all keys (./bot.toml)"
)]
#[case::unknown_section(
    "[[peeple]]\nslack = 'U1'",
    "peeple.0.slack: unknown key; did you mean people.0.slack? (./bot.toml)"
)]
#[case::another_section(
    "[api]\nretry_max = '1s'",
    "api.retry_max: unknown key; did you mean outbox.retry_max? (./bot.toml)"
)]
#[case::section_as_key(
    "queue = 'clickup'",
    "queue: this is a section; write its keys below `[queue]` (./bot.toml)"
)]
fn a_bad_value_is_told(#[case] toml: &str, #[case] told: &str) {
    assert_eq!(mistake(toml, &[]), told);
}

const NOBODY: &str = "nobody may command yet; name yourself in slack.operators and add the others in Slack, or add [[people]], \
                      or list Slack ids here, or write [\"*\"] to allow every full member of the workspace. Those listed here \
                      share one queue without [[people]]";

/// Operators are people, and add the others in Slack, unless `allowed_users` says that everybody shares one queue.
#[rstest]
#[case::operators_alone("operators = ['U0ANN01']", true)]
#[case::and_an_empty_list("operators = ['U0ANN01']\nallowed_users = []", true)]
#[case::one_queue("operators = ['U0ANN01']\nallowed_users = ['*']", false)]
#[case::people(
    "operators = ['U0ANN01']\nallowed_users = ['*']\n[[people]]\nslack = 'U0BOB01'",
    true
)]
fn operators_are_enough(#[case] lines: &str, #[case] add: bool) {
    let toml = format!("{CLICKUP}\n[slack]\napp_token = 'xapp-1'\nbot_token = 'xoxb-1'\n{lines}");
    let slack = read(&toml, &[]).unwrap().slack.unwrap();
    assert_eq!(
        (slack.operators_add, slack.allowed_users.members),
        (add, true)
    );
}

/// `[slack]` without people is refused until an operator says who may command.
#[rstest]
#[case::left_out("", "set it in ./bot.toml or IVAN__SLACK__ALLOWED_USERS")]
#[case::empty("allowed_users = []", "./bot.toml")]
fn somebody_has_to_be_allowed(#[case] lines: &str, #[case] place: &str) {
    let toml = format!("[slack]\napp_token = 'xapp-1'\nbot_token = 'xoxb-1'\n{lines}");
    assert_eq!(
        mistake(&toml, &[]),
        format!("slack.allowed_users: {NOBODY} ({place})")
    );
}

#[test]
fn a_missing_token_does_not_hide_that_nobody_is_allowed() {
    let told = |lines: &str| {
        let toml = format!("{CLICKUP}\n[slack]\napp_token = 'xapp-1'\n{lines}");
        read(&toml, &[]).unwrap_err().to_string()
    };
    assert!(told("").contains(NOBODY));
    assert!(!told("allowed_users = ['*']").contains(NOBODY));
    // A mistake among the people is told alone.
    assert!(!told("[[people]]\nslack = '@ana'").contains(NOBODY));
}

#[rstest]
#[case::all("allowed_users = ['*']", true, &[])]
#[case::all_and_a_guest("allowed_users = ['*', 'U0GST01']", true, &["U0GST01"])]
#[case::named("allowed_users = ['U0ANN01']", false, &["U0ANN01"])]
#[case::people("[[people]]\nslack = 'U0ANN01'", true, &[])]
#[case::people_and_an_empty_list("allowed_users = []\n[[people]]\nslack = 'U0ANN01'", true, &[])]
#[case::people_and_a_guest("allowed_users = ['U0GST01']\n[[people]]\nslack = 'U0GST01'", false, &["U0GST01"])]
fn who_is_allowed(#[case] lines: &str, #[case] members: bool, #[case] named: &[&str]) {
    let toml = format!("{CLICKUP}\n[slack]\napp_token = 'xapp-1'\nbot_token = 'xoxb-1'\n{lines}");
    let allowed = read(&toml, &[]).unwrap().slack.unwrap().allowed_users;
    assert_eq!(
        (allowed.members, allowed.named.as_slice()),
        (
            members,
            &named.iter().map(|&id| id.to_owned()).collect::<Vec<_>>()[..]
        )
    );
}

#[rstest]
#[case::link_rule(
    "[identity]\nlink = 'email'",
    "identity.link: expected proof or operators, found `email` (./bot.toml)"
)]
#[case::link_rule_without_operators(
    "[identity]\nlink = 'operators'",
    "identity.link: `operators` needs slack.operators: nobody could approve a link (./bot.toml)"
)]
#[case::word(
    "[access]\ntasks = 'mine'",
    "access.tasks: expected all or own, found `mine` (./bot.toml)"
)]
#[case::without_people(
    "[access]\ntasks = 'own'",
    "access.tasks: `own` needs [[people]] or slack.operators: without them everybody shares one queue (./bot.toml)"
)]
#[case::place_without_people(
    "[[access.places]]\nlist = '901100000001'\ntasks = 'own'",
    "access.places.0.tasks: `own` needs [[people]] or slack.operators: without them everybody shares one queue (./bot.toml)"
)]
#[case::another_list(
    "[[access.places]]\nlist = '77'\ntasks = 'all'",
    "access.places.0.list: `77` is not a configured list; add it to clickup.lists (./bot.toml)"
)]
#[case::without_its_source(
    "[[access.places]]\nrepo = 'acme/widgets'\ntasks = 'all'",
    "access.places.0.repo: needs github, but [github] is not configured (./bot.toml)"
)]
#[case::two_places(
    "[[access.places]]\nlist = '901100000001'\nrepo = 'acme/widgets'\ntasks = 'all'\n[github]\ntoken = 't'\nrepo = 'acme/widgets'",
    "access.places.0.repo: conflicts with the list; keep one of them (./bot.toml)"
)]
#[case::no_place(
    "[[access.places]]\ntasks = 'all'",
    "access.places.0.tasks: has no place; add the list or the repo that it is about (./bot.toml)"
)]
#[case::no_value(
    "[[access.places]]\nlist = '901100000001'",
    "access.places.0.tasks: missing: `all` or `own` (set it in ./bot.toml or IVAN__ACCESS__PLACES__0__TASKS)"
)]
#[case::twice(
    "[[access.places]]\nlist = '901100000001'\ntasks = 'all'\n[[access.places]]\nlist = '901100000001'\ntasks = 'all'",
    "access.places.1.list: is used by another of [[access.places]]; keep one (./bot.toml)"
)]
fn an_access_that_cannot_be_is_told(#[case] toml: &str, #[case] told: &str) {
    assert_eq!(mistake(toml, &[]), told);
}

#[test]
fn access_is_read_for_all_and_for_single_places() {
    let toml = format!(
        "{CLICKUP}\n[github]\ntoken = 't'\nrepo = 'acme/widgets'\n[[people]]\nslack = 'U0ANN01'\n
         [access]\ntasks = 'own'\n[[access.places]]\nrepo = 'Acme/Widgets'\ntasks = 'all'\n
         [[access.places]]\nlist = 'https://app.clickup.com/9001/v/li/901100000001'\ntasks = 'own'"
    );
    let access = read(&toml, &[]).unwrap().access;
    assert_eq!(access.tasks, Access::Own);
    assert_eq!(access.of(Source::GitHub, "acme/widgets"), Access::All);
    assert_eq!(access.of(Source::ClickUp, "901100000001"), Access::Own);
    let open = read(CLICKUP, &[]).unwrap().access;
    assert_eq!(open, TaskAccess::default());
}

#[rstest]
#[case::channel_of_another_list(
    "[[slack.channels]]\nid = 'C0GENERAL'\nlist = '77'",
    "slack.channels.0.list: `77` is not a configured list; add it to clickup.lists (./bot.toml)"
)]
#[case::channel_without_its_source(
    "[[slack.channels]]\nid = 'C0GENERAL'\nrepo = 'acme/widgets'",
    "slack.channels.0.repo: needs github, but [github] is not configured (./bot.toml)"
)]
#[case::channel_with_a_source_that_is_not_there(
    "[[slack.channels]]\nid = 'C0GENERAL'\nsource = 'github'",
    "slack.channels.0.source: needs github, but [github] is not configured (./bot.toml)"
)]
#[case::channel_of_two_minds(
    "[[slack.channels]]\nid = 'C0GENERAL'\nsource = 'clickup'\nrepo = 'acme/widgets'",
    "slack.channels.0.source: `clickup` does not match: repo belongs to github (./bot.toml)"
)]
#[case::channel_without_an_id(
    "[[slack.channels]]\nentity = 'acme'",
    "slack.channels.0.id: missing: the channel's id, at the end of its details (click its name) (set it in \
     ./bot.toml or IVAN__SLACK__CHANNELS__0__ID)"
)]
#[case::channel_by_its_name(
    "[[slack.channels]]\nid = '#general'",
    "slack.channels.0.id: expected a channel's id such as C0GENERAL (click the channel's name; it is at the end), \
     found `#general` (./bot.toml)"
)]
#[case::channel_twice(
    "[[slack.channels]]\nid = 'C1'\n[[slack.channels]]\nid = 'C1'",
    "slack.channels.1.id: `C1` is used by another of [[slack.channels]]; keep one (./bot.toml)"
)]
#[case::channel_with_an_odd_client(
    "[[slack.channels]]\nid = 'C1'\nentity = 'a[b]'",
    "slack.channels.0.entity: expected a client's name (up to 64 characters, no brackets or commas), found `a[b]` \
     (./bot.toml)"
)]
fn a_channel_that_cannot_be_is_told(#[case] toml: &str, #[case] told: &str) {
    let slack = "[slack]\napp_token = 'xapp-1'\nbot_token = 'xoxb-1'\nallowed_users = ['*']";
    assert_eq!(mistake(&format!("{slack}\n{toml}"), &[]), told);
}

#[rstest]
#[case::channels("slack.channels = []", &[])]
#[case::channels_in_their_section("[slack]\nchannels = []", &[])]
#[case::no_table("slack.channels = {}", &[])]
#[case::people("people = []", &[])]
#[case::clients("entities = []", &[])]
#[case::all_lists(
    "people = []\nentities = []\nslack = { channels = [], operators = [], allowed_users = ['U0ANN01'] }
     clickup = { lists = [] }\ngithub = { repos = [], priority_labels = { urgent = [], high = [] } }",
    &[]
)]
#[case::empty_sections("[queue.score]\n[api]\n[log]\n[outbox]\n[sync]\n[store]", &[])]
#[case::variables(
    "[[slack.channels]]\nid = 'C1'",
    &[("IVAN__SLACK__CHANNELS", ""), ("IVAN__PEOPLE", "[]"), ("IVAN__ENTITIES", " ")]
)]
fn an_empty_list_of_tables_is_none(#[case] toml: &str, #[case] variables: &[(&str, &str)]) {
    let tokens = [
        ("IVAN__SLACK__APP_TOKEN", "xapp-1"),
        ("IVAN__SLACK__BOT_TOKEN", "xoxb-1"),
        ("IVAN__SLACK__ALLOWED_USERS", "U0ANN01"),
        ("IVAN__GITHUB__TOKEN", "github_pat_1"),
        ("IVAN__GITHUB__REPO", "acme/widgets"),
        ("IVAN__CLICKUP__TOKEN", "pk_1"),
        ("IVAN__CLICKUP__TEAM_ID", "9001"),
        ("IVAN__CLICKUP__LIST_ID", "901100000001"),
    ];
    let config = read(toml, &[&tokens[..], variables].concat()).unwrap();
    assert!(config.people.is_empty());
    assert!(config.entities.is_empty());
    assert!(config.slack.unwrap().channels.is_empty());
}

#[test]
fn a_channel_has_the_source_of_its_place() {
    let toml = format!(
        "{CLICKUP}\n[slack]\napp_token = 'xapp-1'\nbot_token = 'xoxb-1'\nallowed_users = ['*']
         [[slack.channels]]\nid = 'C1'\nlist = '901100000001'\nentity = 'acme'
         [[slack.channels]]\nid = 'C2'"
    );
    let config = read(&toml, &[]).unwrap();
    assert!(config.show().contains("[[slack.channels]]\nid = \"C1\""));
    let channels = config.slack.unwrap().channels;
    assert_eq!(channels[0].source, Some(Source::ClickUp));
    assert_eq!(channels[0].entity.as_deref(), Some("acme"));
    assert_eq!(channels[1].source, None);
}

#[rstest]
#[case(("IVAN__QUEUE__SCORE__URGENT", "many"), "queue.score.urgent: expected a whole number, found `many` (environment variable IVAN__QUEUE__SCORE__URGENT)")]
#[case(("IVAN__SLACK", "off"), "slack: this is a section; write its keys below `[slack]` (environment variable IVAN__SLACK)")]
#[case(("IVAN__LOG__LEVL", "info"), "log.levl: unknown key; did you mean log.level? (environment variable IVAN__LOG__LEVL)")]
#[case(("ivan__log__level", "loud"), "log.level: expected off, error, warn, info, debug or trace, found `loud` (environment variable ivan__log__level)")]
#[case(("IVAN__API__TOKEN_FILE", "/nowhere/token"), "api.token_file: cannot read /nowhere/token: No such file or directory (os error 2) (environment variable IVAN__API__TOKEN_FILE)")]
fn a_variable_is_named_as_it_was_set(#[case] variable: (&str, &str), #[case] told: &str) {
    assert_eq!(mistake("", &[variable]), told);
}

#[test]
fn without_any_source_the_first_steps_are_told() {
    let errors = Config::read(None, std::iter::empty()).unwrap_err();
    insta::assert_snapshot!(errors, @r"
    1 error in the configuration:
      no source is configured; fill in [clickup], [github] or both
    ");
    let errors = read("[log]\nlevel = 'info'", &[]).unwrap_err();
    insta::assert_snapshot!(errors, @r"
    1 error in the configuration:
      no source is configured; fill in [clickup], [github] or both (./bot.toml)
    ");
}

#[test]
fn a_file_that_is_no_toml_is_named_and_not_repeated() {
    let errors = read("[slack]\nbot_token = xoxb-sesame\n", &[]).unwrap_err();
    insta::assert_snapshot!(errors, @r"
    1 error in the configuration:
      TOML parse error at line 2, column 13: string values must be quoted, expected literal string (./bot.toml)
    ");
}

#[test]
fn a_secret_can_have_its_own_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token");
    fs::write(&path, "pk_from_file\n").unwrap();
    let path = path.to_str().unwrap();
    let file = |token: &str| format!("[clickup]\nteam_id = 1\nlist_id = 2\n{token}");
    let token = |config: Result<Config, ConfigErrors>| {
        let clickup = config.unwrap().clickup.unwrap();
        clickup.token.expose().to_owned()
    };

    let by_key = read(&file(&format!("token_file = '{path}'")), &[]);
    assert_eq!(token(by_key), "pk_from_file");
    let env = [("IVAN__CLICKUP__TOKEN_FILE", path)];
    assert_eq!(token(read(&file(""), &env)), "pk_from_file");
    assert_eq!(token(read(&file("token = 'pk_1'"), &env)), "pk_from_file");
    let env = [("IVAN__CLICKUP__TOKEN", "pk_2")];
    let by_variable = read(&file(&format!("token_file = '{path}'")), &env);
    assert_eq!(token(by_variable), "pk_2");

    let twice = read(
        &file(&format!("token = 'pk_1'\ntoken_file = '{path}'")),
        &[],
    );
    assert_eq!(
        twice.unwrap_err().to_string(),
        "1 error in the configuration:\n  clickup.token: also given as clickup.token_file; keep one (./bot.toml)"
    );
    fs::write(path, "\n").unwrap();
    let empty = read(&file(&format!("token_file = '{path}'")), &[]);
    assert_eq!(
        empty.unwrap_err().to_string(),
        format!(
            "1 error in the configuration:\n  clickup.token: empty ({path}, given by ./bot.toml)"
        )
    );
}

#[test]
fn a_webhook_secret_may_be_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("secret");
    fs::write(&path, "open sesame\n").unwrap();
    let toml = format!(
        "{CLICKUP}webhook_secret_file = '{}'\n[github]\ntoken = 't'\nrepo = 'a/b'\n\
         webhook_secret = \"It's a Secret to Everybody\"",
        path.display()
    );
    let config = read(&toml, &[]).unwrap();
    let printed = format!("{} {config:?}", config.show());
    assert!(
        !printed.contains("sesame") && !printed.contains("Everybody"),
        "{printed}"
    );
    let (clickup, github) = (config.clickup.unwrap(), config.github.unwrap());
    let exposed = |secret: Option<Secret>| secret.map(|secret| secret.expose().to_owned());
    assert_eq!(
        exposed(clickup.webhook_secret).as_deref(),
        Some("open sesame")
    );
    assert_eq!(
        exposed(github.webhook_secret).as_deref(),
        Some("It's a Secret to Everybody")
    );
}

#[test]
fn each_listener_may_have_any_port() {
    let toml = format!("{CLICKUP}[api]\nbind = '127.0.0.1:0'\n[webhooks]\nbind = '127.0.0.1:0'");
    assert!(read(&toml, &[]).is_ok());
}

#[test]
fn a_named_file_is_read_and_has_to_be_there() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ivan.toml");
    fs::write(&path, CLICKUP).unwrap();
    let config = Config::load(Some(&path), std::iter::empty()).unwrap();
    assert_eq!(config.file(), Some(path.as_path()));
    let variable = ("IVAN_CONFIG".to_owned(), path.to_str().unwrap().to_owned());
    let config = Config::load(None, std::iter::once(variable.clone())).unwrap();
    assert_eq!(config.file(), Some(path.as_path()));

    fs::remove_file(&path).unwrap();
    let errors = Config::load(None, std::iter::once(variable)).unwrap_err();
    assert_eq!(
        errors.to_string(),
        format!(
            "1 error in the configuration:\n  cannot be read: No such file or directory (os error 2) ({})",
            path.display()
        )
    );
}

#[test]
fn what_is_in_force_can_be_shown() {
    let toml = r#"
        [slack]
        app_token = "xapp-sesame"
        bot_token = "xoxb-sesame"
        allowed_users = ["U0ANN01"]
        [clickup]
        team_id = 9001
        list_id = 901100000001
        complete_status = 'so "done"'
        [[people]]
        name = "Ana"
        slack = "U0ANN01"
        [[people]]
        github = "bo"
    "#;
    let env = [
        ("IVAN__CLICKUP__TOKEN", "pk_sesame"),
        ("IVAN__STORE__RETENTION", "90m"),
    ];
    let config = read(toml, &env).unwrap();
    insta::assert_snapshot!(config.show(), @r#"
    [slack]
    app_token = "***"  # ./bot.toml
    bot_token = "***"  # ./bot.toml
    api_url = "https://slack.com/api"  # default
    channel_commands = "bare"  # default
    thread_replies = "hint"  # default
    receipts = "message"  # default
    allowed_users = ["U0ANN01"]  # ./bot.toml
    operators = []  # default
    catch_up_after = "5m"  # default
    compare_every = "3m"  # default
    briefing = "off"  # default
    quiet = "off"  # default

    [clickup]
    token = "***"  # environment variable IVAN__CLICKUP__TOKEN
    team_id = "9001"  # ./bot.toml
    list_id = "901100000001"  # ./bot.toml
    lists = []  # default
    complete_status = "so \"done\""  # ./bot.toml
    # in_progress_status is not set: the first custom status of the list
    # webhook_secret is not set: webhooks from `ivan webhooks register` have their own secrets, in the store
    api_url = "https://api.clickup.com/api/v2"  # default

    # [github] is not configured

    [store]
    path = "ivan.db"  # default
    retention = "90m"  # environment variable IVAN__STORE__RETENTION
    log_retention = "365d"  # default
    # key_file is not set: a key beside the database, made at first start

    [queue]
    default_source = "clickup"  # default

    [queue.score]
    revenue = 1000  # default
    blocking = 500  # default
    overdue = 500  # default
    due_today = 400  # default
    due_week = 300  # default
    due_later = 100  # default
    urgent = 200  # default
    high = 100  # default
    recent = 1  # default

    [[people]]
    name = "Ana"  # ./bot.toml
    slack = "U0ANN01"  # ./bot.toml
    # github is not set: none, unless they link one
    # clickup is not set: found by e-mail, or linked by the person

    [[people]]
    # name is not set: the GitHub login, or the Slack or ClickUp id
    # slack is not set: this person can't use Slack
    github = "bo"  # ./bot.toml
    # clickup is not set: found by e-mail, or linked by the person

    [access]
    tasks = "all"  # default

    [identity]
    link = "proof"  # default

    # [[entities]] is not configured

    [api]
    bind = "127.0.0.1:8787"  # default
    # token is not set: created at first start, in the file api-token beside the store
    # default_person is not set: the only person; with several, requests must name one

    # [[api.tokens]] is not configured

    [webhooks]
    bind = "127.0.0.1:8788"  # default

    [http]
    trusted_proxies = ["127.0.0.1", "::1"]  # default

    [tls]
    # ca_file is not set: the authorities that this system trusts

    [sync]
    interval = "1h"  # default
    full_interval = "24h"  # default

    [outbox]
    retry_initial = "1s"  # default
    retry_max = "60s"  # default
    give_up_after = "24h"  # default
    signature = true  # default

    [telemetry]
    # otlp_url is not set: no traces

    [log]
    format = "pretty"  # default
    level = "info"  # default
    "#);
    let printed = format!("{} {config:?}", config.show());
    assert!(!printed.contains("sesame"), "{printed}");
    let shown = Layers::read(Some((Path::new(FILE), &config.show())), std::iter::empty());
    assert!(shown.is_ok(), "what is shown is TOML");
}

/// The forms of a list's address in ClickUp.
#[rstest]
#[case::todays_view("6-901100000001-1")]
#[case::board("6-901100000001-2")]
#[case::address("https://app.clickup.com/9001/v/l/6-901100000001-1")]
#[case::address_of_a_board("https://app.clickup.com/9001/v/b/6-901100000001-2?pr=90110000001")]
#[case::old_address("https://app.clickup.com/9001/v/li/901100000001")]
#[case::old_address_of_a_view("https://app.clickup.com/9001/v/l/li/901100000001#top")]
#[case::without_its_scheme("app.clickup.com/9001/v/l/6-901100000001-1/")]
#[case::part_of_it("/v/li/901100000001")]
#[case::plain("901100000001")]
fn a_list_is_taken_from_its_address(#[case] given: &str) {
    let env = [
        ("IVAN__CLICKUP__LIST_ID", given),
        ("IVAN__CLICKUP__LISTS", &format!("77,{given}, 6-78-1")),
    ];
    let toml = format!("{CLICKUP}\n[[entities]]\nid = 'acme'\nlist = '{given}'");
    let config = read(&toml, &env).unwrap();
    let clickup = config.clickup.as_ref().unwrap();
    assert_eq!(clickup.all_lists(), ["901100000001", "77", "78"]);
    assert_eq!(config.entities[0].list.as_deref(), Some("901100000001"));
    assert!(config.show().contains("list_id = \"901100000001\""));
}

#[rstest]
#[case::view("8cdu22c-913", "is the id of a view")]
#[case::address_of_a_view("https://app.clickup.com/9001/v/l/8cdu22c-913", "does not name a list")]
#[case::folder("https://app.clickup.com/9001/v/l/5-90110-1", "is a folder")]
#[case::space("4-90110-1", "is a space")]
#[case::everything("https://app.clickup.com/9001/v/l/7-9001-1", "is a whole workspace")]
#[case::task("https://app.clickup.com/t/86tst0001", "does not name a list")]
#[case::old_folder("https://app.clickup.com/9001/v/f/90110/90120", "does not name a list")]
#[case::half("6-901100000001", "is the id of a view")]
#[case::name("Our inbox", "is not a ClickUp id")]
fn what_names_no_list_is_refused_with_what_to_write(#[case] given: &str, #[case] told: &str) {
    let errors = read(CLICKUP, &[("IVAN__CLICKUP__LIST_ID", given)]).unwrap_err();
    let errors = errors.to_string();
    assert!(errors.contains(&format!("`{given}` {told}")), "{errors}");
    assert!(
        given == "Our inbox" || errors.contains("/v/l/6-<id>-1"),
        "{errors}"
    );
}

#[rstest]
#[case("https://app.clickup.com/9001/v/l/6-901100000001-1")]
#[case("https://app.clickup.com/9001/home")]
#[case("app.clickup.com/9001")]
fn a_workspace_is_taken_from_an_address(#[case] given: &str) {
    let config = read(CLICKUP, &[("IVAN__CLICKUP__TEAM_ID", given)]).unwrap();
    assert_eq!(config.clickup.unwrap().team_id, "9001");
}

#[rstest]
#[case("https://github.com/acme/widgets")]
#[case("https://github.com/acme/widgets.git")]
#[case("acme/widgets.git")]
#[case("https://ghe.test/acme/widgets/issues?q=1")]
#[case("git@github.com:acme/widgets.git")]
fn an_address_of_a_repository_is_refused_with_what_to_write(#[case] given: &str) {
    let env = [("IVAN__GITHUB__TOKEN", "t"), ("IVAN__GITHUB__REPO", given)];
    let told = mistake("", &env);
    assert!(told.contains("; write `acme/widgets`"), "{told}");
}

/// Quotation marks that env files, shells and chat programs keep around a value. The error omits the value itself.
#[rstest]
#[case::double("IVAN__GITHUB__TOKEN", "\"github_pat_x\"", "github.token")]
#[case::single("IVAN__GITHUB__TOKEN", "'github_pat_x'", "github.token")]
#[case::typographic("IVAN__GITHUB__TOKEN", "“github_pat_x”", "github.token")]
#[case::backticks("IVAN__SLACK__BOT_TOKEN", "`xoxb-x`", "slack.bot_token")]
#[case::phrase("IVAN__GITHUB__WEBHOOK_SECRET", "\"pat_x\"", "github.webhook_secret")]
#[case::text("IVAN__GITHUB__REPO", "\"acme/widgets\"", "github.repo")]
#[case::list("IVAN__GITHUB__REPOS", "\"acme/api\",\"acme/web\"", "github.repos")]
#[case::duration("IVAN__SYNC__INTERVAL", "'1h'", "sync.interval")]
#[case::path("IVAN__STORE__PATH", "\"ivan.db\"", "store.path")]
fn a_value_in_quotation_marks_is_told(
    #[case] variable: &str,
    #[case] value: &str,
    #[case] key: &str,
) {
    let toml = format!(
        "{CLICKUP}[slack]\napp_token = 'xapp-1'\nbot_token = 'xoxb-1'\nallowed_users = ['*']\n\
         [github]\ntoken = 't'\nrepo = 'acme/widgets'"
    );
    let errors = read(&toml, &[(variable, value)]).unwrap_err().to_string();
    let told = format!("{key}: remove the quotes; here they count");
    assert!(errors.contains(&told), "{errors}");
    assert!(
        !errors.contains("pat_x") && !errors.contains("xoxb-x"),
        "{errors}"
    );
}

#[test]
fn a_token_in_quotation_marks_is_told_wherever_it_stands() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token");
    fs::write(&path, "\"pk_sesame\"\n").unwrap();
    let file = path.to_str().unwrap();
    for toml in [
        format!("[clickup]\nteam_id = 1\nlist_id = 2\ntoken_file = '{file}'"),
        "[clickup]\nteam_id = 1\nlist_id = 2\ntoken = '\"pk_sesame\"'".to_owned(),
    ] {
        let errors = read(&toml, &[]).unwrap_err().to_string();
        assert!(
            errors.contains("clickup.token: remove the quotes"),
            "{errors}"
        );
        assert!(!errors.contains("sesame"), "{errors}");
    }
    // A phrase in a file is taken unchanged, and so is a single mark.
    let toml = format!("{CLICKUP}webhook_secret_file = '{file}'\n[api]\ntoken = 'a\"'");
    let config = read(&toml, &[]).unwrap();
    assert_eq!(config.api.token.unwrap().expose(), "a\"");
    let secret = config.clickup.unwrap().webhook_secret.unwrap();
    assert_eq!(secret.expose(), "\"pk_sesame\"");
}

#[rstest]
#[case::bot("bot_token", "xoxe.xoxb-1-abc", "a token")]
#[case::user("bot_token", "xoxe.xoxp-1-abc", "a token")]
#[case::refresh("bot_token", "xoxe-1-abc", "the refresh token")]
#[case::in_the_other_place("app_token", "xoxe.xoxb-1-abc", "a token")]
fn a_token_that_rotates_is_told(#[case] key: &str, #[case] token: &str, #[case] kind: &str) {
    let variable = format!("IVAN__SLACK__{}", key.to_uppercase());
    let told = mistake(
        "[slack]\napp_token = 'xapp-1'\nbot_token = 'xoxb-1'\nallowed_users = ['*']",
        &[(&variable, token)],
    );
    let begins = format!("slack.{key}: found {kind} of an app with token rotation");
    assert!(told.starts_with(&begins), "{told}");
    assert!(
        told.contains("deploy/slack-manifest.yaml") && !told.contains("abc"),
        "{told}"
    );
}

#[cfg(unix)]
#[rstest]
#[case(0o644, true)]
#[case(0o604, true)]
#[case(0o666, true)]
#[case(0o640, false)]
#[case(0o600, false)]
fn files_with_secrets_that_others_can_read_are_named(#[case] mode: u32, #[case] told: bool) {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let with = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    };
    let secret = with("secret", "sesame");
    let file = with(
        "bot.toml",
        &format!("{CLICKUP}webhook_secret_file = '{}'", secret.display()),
    );
    let config = Config::load(Some(&file), std::iter::empty()).unwrap();
    let exposed = config.remarks().exposed();
    if !told {
        assert!(exposed.is_empty(), "{exposed:?}");
        return;
    }
    let of = |path: &Path, key: &str| {
        let path = path.display();
        format!(
            "{path} has mode {mode:04o}, so every user of this machine can read {key}: run `chmod 600 {path}`"
        )
    };
    assert_eq!(
        exposed,
        [
            of(&file, "clickup.token"),
            of(&secret, "clickup.webhook_secret")
        ]
    );
    // A file without secrets may be readable by all.
    let plain = with("plain.toml", "[clickup]\nteam_id = 1\nlist_id = 2");
    let env = ("IVAN__CLICKUP__TOKEN".to_owned(), "pk_1".to_owned());
    let config = Config::load(Some(&plain), std::iter::once(env)).unwrap();
    assert!(config.remarks().exposed().is_empty());
}

#[rstest]
#[case("500ms", 500)]
#[case("1s", 1000)]
#[case("5m", 300_000)]
#[case("1h", 3_600_000)]
#[case("24h", 86_400_000)]
#[case("30 d", 30 * 86_400_000)]
fn a_duration_is_read_and_shown(#[case] typed: &str, #[case] ms: u64) {
    let duration = parse_duration(typed).unwrap();
    assert_eq!(duration, Duration::from_millis(ms));
    assert_eq!(parse_duration(&show_duration(&duration)), Some(duration));
}

mod example {
    use super::*;

    const EXAMPLE: &str = include_str!("../../bot.toml.example");

    fn with_every_key() -> String {
        remarks::uncommented(EXAMPLE)
    }

    #[test]
    fn what_nobody_filled_in_is_named() {
        let config = read(EXAMPLE, &[]).unwrap();
        assert_eq!(
            config.remarks().untouched(),
            [
                "clickup.list_id",
                "clickup.team_id",
                "clickup.token",
                "github.repo",
                "github.token",
                "people.0.clickup",
                "people.0.github",
                "people.0.slack",
                "slack.app_token",
                "slack.bot_token",
            ]
        );
    }

    /// Each possible origin, one key at a time.
    #[rstest]
    #[case(&[("IVAN__CLICKUP__TEAM_ID", "1234567")], &["clickup.team_id"])]
    #[case(&[("IVAN__CLICKUP__TOKEN", "pk_1_0123456789ABCDEF")], &["clickup.token"])]
    #[case(&[("IVAN__API__TOKEN", "0123456789abcdef0123456789abcdef")], &["api.token"])]
    #[case(&[("IVAN__CLICKUP__WEBHOOK_SECRET", "0123456789ABCDEF0123456789ABCDEF")], &["clickup.webhook_secret"])]
    #[case(&[("IVAN__PEOPLE__0__NAME", "Ana"), ("IVAN__STORE__PATH", "ivan.db")], &[])]
    fn one_value_of_the_example_is_named(#[case] env: &[(&str, &str)], #[case] untouched: &[&str]) {
        let config = read(CLICKUP, env).unwrap();
        assert_eq!(config.remarks().untouched(), untouched);
    }

    #[test]
    fn it_loads_as_it_is() {
        let config = read(EXAMPLE, &[]).unwrap();
        assert!(config.slack.is_some() && config.clickup.is_some() && config.github.is_some());
        assert_eq!(config.people.len(), 1);
    }

    #[test]
    fn it_has_every_key_and_no_other() {
        let text = with_every_key();
        let file = Some((Path::new(FILE), text.as_str()));
        let Ok(layers) = Layers::read(file, std::iter::empty()) else {
            panic!("not TOML:\n{text}")
        };
        let shown: BTreeSet<String> = layers.values.into_keys().collect();
        let (_, known) = Config::read_known(file, std::iter::empty(), &[]);
        assert_eq!(shown, known);
    }

    /// The keys that the example only shows are valid as they stand, except for secret files, a channel's list beside its
    /// repository, the keys of a GitHub App beside a token, and the collector in a build without traces.
    #[test]
    fn what_it_only_shows_is_valid() {
        let text: Vec<String> = with_every_key()
            .lines()
            .filter(|line| !line.contains("_file = ") && !line.starts_with("list = "))
            .filter(|line| {
                !line.starts_with("app_id = ") && !line.starts_with("installation_id = ")
            })
            .filter(|line| cfg!(feature = "otel") || !line.starts_with("otlp_url = "))
            .map(str::to_owned)
            .collect();
        if let Err(errors) = read(&text.join("\n"), &[]) {
            panic!("{errors}");
        }
    }

    #[test]
    fn the_defaults_that_it_names_are_the_defaults() {
        let values = |text: &str| -> BTreeMap<String, String> {
            let file = Some((Path::new(FILE), text));
            let layers = Layers::read(file, std::iter::empty()).ok().unwrap();
            let values = layers.values.into_iter();
            values
                .map(|(key, given)| (key, given.value.to_string()))
                .collect()
        };
        let named = values(&with_every_key());
        let config = read(EXAMPLE, &[]).unwrap();
        let defaults: String = config
            .show()
            .lines()
            .filter(|line| line.starts_with('[') || line.ends_with("  # default"))
            .map(|line| format!("{line}\n"))
            .collect();
        let defaults = values(&defaults);
        assert!(defaults.len() > 20, "{defaults:?}");
        for (key, default) in defaults {
            assert_eq!(named.get(&key), Some(&default), "{key}");
        }
    }
}

/// A build that exports no traces says so, instead of ignoring the key.
#[test]
fn the_collector_is_refused_by_a_build_without_traces() {
    let text = format!("telemetry.otlp_url = \"http://127.0.0.1:4318\"\n{CLICKUP}");
    let read = read(&text, &[]).map(|config| config.otlp_url);
    match cfg!(feature = "otel") {
        true => assert_eq!(read.unwrap().as_deref(), Some("http://127.0.0.1:4318")),
        false => assert_eq!(
            read.unwrap_err().to_string(),
            "1 error in the configuration:\n  telemetry.otlp_url: this build exports no traces; build Ivan with \
             `--features otel`, or remove the key (./bot.toml)"
        ),
    }
}

mod standby {
    use super::*;
    use rstest::rstest;

    const KEYS: &[(&str, &str)] = &[
        ("lease", "\"s3://acme-ivan/teams/lease\""),
        ("holder", "\"ivan-a\""),
        ("access_key_id", "\"AKIDACME\""),
        ("secret_access_key", "\"a-secret-of-the-tests\""),
        ("restore", "[\"restore\", \"{file}\"]"),
    ];

    /// `[standby]` with all required keys, but another value of one, or without it.
    fn standby(key: &str, value: Option<&str>) -> Result<StandbyConfig, String> {
        let mut text = format!("{CLICKUP}\n[standby]\n");
        let others = KEYS.iter().filter(|(known, _)| *known != key);
        let this = value.map(|value| (key, value));
        for (key, value) in others.copied().chain(this) {
            text.push_str(&format!("{key} = {value}\n"));
        }
        let config = read(&text, &[]).map_err(|errors| errors.to_string())?;
        Ok(config.standby.unwrap())
    }

    #[test]
    fn it_is_read_and_the_rest_has_defaults() {
        let standby = standby("", None).unwrap();
        assert_eq!(
            (&*standby.bucket, &*standby.key),
            ("acme-ivan", "teams/lease")
        );
        assert_eq!(standby.ttl, Duration::from_secs(15));
        assert_eq!(standby.region, "us-east-1");
        assert_eq!(standby.endpoint, None);
        assert_eq!(standby.restore, ["restore", "{file}"]);
        assert!(standby.replicate.is_empty());
        assert!(read(CLICKUP, &[]).unwrap().standby.is_none());
    }

    #[rstest]
    #[case("lease", None, "standby.lease: missing")]
    #[case("holder", None, "standby.holder: missing")]
    #[case("access_key_id", None, "standby.access_key_id: missing")]
    #[case("secret_access_key", None, "standby.secret_access_key: missing")]
    #[case("restore", None, "standby.restore: missing")]
    #[case("restore", Some("[]"), "standby.restore: empty")]
    #[case("lease", Some("\"acme-ivan/lease\""), "expected s3://BUCKET/PATH")]
    #[case("lease", Some("\"s3://acme-ivan/\""), "expected s3://BUCKET/PATH")]
    #[case("ttl", Some("\"500ms\""), "expected 1s to 5m")]
    #[case("ttl", Some("\"1h\""), "expected 1s to 5m")]
    #[case("endpoint", Some("\"http://s3.acme.test\""), "unencrypted")]
    fn mistakes_are_named(#[case] key: &str, #[case] value: Option<&str>, #[case] why: &str) {
        let error = standby(key, value).unwrap_err();
        assert!(error.contains(why), "{error}");
        assert!(!error.contains("a-secret-of-the-tests"), "{error}");
    }
}

mod github_app {
    use super::*;
    use rstest::rstest;

    const KEY: &str = include_str!("../../fixtures/github/app-key.pem");
    const KEY_IN_PKCS8: &str = include_str!("../../fixtures/github/app-key-other.pem");

    /// Reads `[github]` with these lines; `KEY_FILE` is the path of a file with this text.
    fn github(lines: &str, key: &str) -> Result<GitHubConfig, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("app.pem");
        std::fs::write(&file, key).unwrap();
        let path = file.display().to_string();
        let toml = format!("[github]\nrepo = 'acme/widgets'\n{lines}").replace("KEY_FILE", &path);
        let read = read(&toml, &[]).map_err(|errors| errors.to_string().replace(&path, "KEY_FILE"));
        Ok(read?.github.unwrap())
    }

    #[rstest]
    #[case::by_number("app_id = 123456", "123456", None)]
    #[case::by_client_id("app_id = 'Iv23liABCdef.1'", "Iv23liABCdef.1", None)]
    #[case::of_one_installation("app_id = 1\ninstallation_id = 42", "1", Some(42))]
    fn an_app_is_read(
        #[case] lines: &str,
        #[case] id: &str,
        #[case] installation: Option<u64>,
        #[values(KEY, KEY_IN_PKCS8)] key: &str,
    ) {
        let github = github(&format!("{lines}\napp_key_file = 'KEY_FILE'"), key).unwrap();
        assert!(github.token().is_none());
        assert_eq!(github.app_key().unwrap().expose(), key.trim());
        let printed = format!("{github:?}");
        assert!(!printed.contains("PRIVATE KEY"), "{printed}");
        let GitHubAccessConfig::App(app) = github.access else {
            panic!("{printed}");
        };
        assert_eq!(
            (app.app_id.as_str(), app.installation_id),
            (id, installation)
        );
    }

    #[rstest]
    #[case::both(
        "token = 'github_pat_x'\napp_id = 1\napp_key_file = 'KEY_FILE'",
        KEY,
        "github.token: github.app_id is set as well: Ivan works with a token or as a GitHub App, not with both"
    )]
    #[case::a_token_and_an_installation(
        "token = 'github_pat_x'\ninstallation_id = 1",
        KEY,
        "github.token: github.installation_id is set as well"
    )]
    #[case::neither("", KEY, "github.token: missing: a fine-grained token")]
    #[case::without_the_id("app_key_file = 'KEY_FILE'", KEY, "github.app_id: missing: the App ID")]
    #[case::without_the_key("app_id = 1", KEY, "github.app_key_file: missing: the file with")]
    #[case::no_id("app_id = 'a b'\napp_key_file = 'KEY_FILE'", KEY, "found `a b`")]
    #[case::no_installation(
        "app_id = 1\ninstallation_id = 'acme'\napp_key_file = 'KEY_FILE'",
        KEY,
        "github.installation_id: expected a whole number, found `acme`"
    )]
    #[case::no_file(
        "app_id = 1\napp_key_file = 'KEY_FILE.gone'",
        KEY,
        "github.app_key_file: cannot read KEY_FILE.gone"
    )]
    #[case::a_token_in_the_file(
        "app_id = 1\napp_key_file = 'KEY_FILE'",
        "ghp_SESAME",
        "github.app_key_file: holds no private key in PEM form"
    )]
    #[case::a_public_key(
        "app_id = 1\napp_key_file = 'KEY_FILE'",
        "-----BEGIN PUBLIC KEY-----\nSESAME",
        "github.app_key_file: holds a public key"
    )]
    #[case::a_passphrase(
        "app_id = 1\napp_key_file = 'KEY_FILE'",
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nSESAME",
        "github.app_key_file: holds a key with a passphrase"
    )]
    fn a_mistake_is_told(#[case] lines: &str, #[case] key: &str, #[case] why: &str) {
        let errors = github(lines, key).unwrap_err();
        assert!(errors.contains(why), "{errors}");
        assert!(!errors.contains("SESAME"), "{errors}");
    }

    #[cfg(unix)]
    #[test]
    fn a_key_that_others_can_read_is_named() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("app.pem");
        std::fs::write(&file, KEY).unwrap();
        let toml = format!(
            "[github]\nrepo = 'acme/widgets'\napp_id = 1\napp_key_file = '{}'",
            file.display()
        );
        let config = read(&toml, &[]).unwrap();
        let set = |mode| std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode));
        set(0o644).unwrap();
        let exposed = config.remarks().exposed();
        assert!(
            exposed[0].contains("can read github.app_key_file"),
            "{exposed:?}"
        );
        set(0o600).unwrap();
        assert_eq!(config.remarks().exposed(), Vec::<String>::new());
        let shown = config.show();
        assert!(shown.contains("app_key_file = "), "{shown}");
        assert!(!shown.contains("PRIVATE KEY"), "{shown}");
    }
}

const HASH: &str = "sha256:9f9f5111f7b27a781f1f1ddde5ebc2dd2b796bfc7365c9c28b548e564176929f";

#[test]
fn api_tokens_are_read_by_their_hashes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "the-token-of-the-ci\n").unwrap();
    let toml = format!(
        "{CLICKUP}[[people]]\nname = 'Ana'\nclickup = '1'\n
         [[api.tokens]]\nname = 'dashboard'\nperson = 'any'\nread_only = true\nhash = '{HASH}'\n
         [[api.tokens]]\nname = 'ci'\nperson = 'ana'\ntoken_file = '{}'",
        file.display()
    );
    let config = read(&toml, &[]).unwrap();
    let tokens = &config.api.tokens;
    assert_eq!(
        tokens[0],
        ApiTokenConfig {
            name: "dashboard".into(),
            person: None,
            read_only: true,
            hash: TokenHash::of("0123456789abcdef").unwrap(),
        }
    );
    assert_eq!(
        tokens[1],
        ApiTokenConfig {
            name: "ci".into(),
            person: Some("ana".into()),
            read_only: false,
            hash: TokenHash::of("the-token-of-the-ci").unwrap(),
        }
    );
    let shown = config.show();
    assert!(
        shown.contains(HASH) && !shown.contains("the-token"),
        "{shown}"
    );
}

#[rstest]
#[case::no_hash(
    "name = 'ci'\nperson = 'any'",
    "api.tokens.0.hash: missing: the hash that `ivan token new` prints, or a token_file (set it in ./bot.toml or \
     IVAN__API__TOKENS__0__HASH)"
)]
#[case::no_person(
    "name = 'ci'\nhash = 'HASH'",
    "api.tokens.0.person: missing: one of [[people]], or `any` (set it in ./bot.toml or IVAN__API__TOKENS__0__PERSON)"
)]
#[case::the_token_itself(
    "name = 'ci'\nperson = 'any'\nhash = 'sesame-sesame-sesame'",
    "api.tokens.0.hash: expected sha256: and 64 digits, as `ivan token new` or `ivan token hash` prints it (./bot.toml)"
)]
#[case::unknown_person(
    "name = 'ci'\nperson = 'zoe'\nhash = 'HASH'",
    "api.tokens.0.person: `zoe` is not `any`, and not the name, slack or github of any of [[people]] (./bot.toml)"
)]
#[case::name(
    "name = 'c i'\nperson = 'any'\nhash = 'HASH'",
    "api.tokens.0.name: expected up to 64 letters, digits, `-`, `_` and `.`, found `c i` (./bot.toml)"
)]
#[case::twice(
    "name = 'ci'\nperson = 'any'\nhash = 'HASH'\n[[api.tokens]]\nname = 'cd'\nperson = 'any'\nhash = 'HASH'",
    "api.tokens.1.hash: is the token of another of [[api.tokens]]; each needs its own (./bot.toml)"
)]
#[case::same_name(
    "name = 'ci'\nperson = 'any'\nhash = 'HASH'\n[[api.tokens]]\nname = 'ci'\nperson = 'any'\nhash = 'sha256:0000000000000000000000000000000000000000000000000000000000000000'",
    "api.tokens.1.name: is used by another of [[api.tokens]]; names must differ (./bot.toml)"
)]
fn an_api_token_that_cannot_be_is_told(#[case] token: &str, #[case] told: &str) {
    let toml = format!("[[api.tokens]]\n{}", token.replace("HASH", HASH));
    assert_eq!(mistake(&toml, &[]), told);
}

#[rstest]
#[case::this_machine("http://127.0.0.1:8080", true)]
#[case::all_of_loopback("http://127.8.9.1", true)]
#[case::sixth_version("http://[::1]:8080/api", true)]
#[case::its_name("http://LocalHost:8080", true)]
#[case::encrypted("https://github.acme.test/api/v3", true)]
#[case::another("http://github.acme.test/api/v3", false)]
#[case::named_like_it("http://localhost.acme.test", false)]
#[case::address("http://10.0.0.7:8080", false)]
#[case::address_in_a_name("http://127.0.0.1.acme.test", false)]
#[case::another_of_the_sixth_version("http://[2001:db8::1]", false)]
fn a_token_is_sent_unencrypted_on_this_machine_only(#[case] address: &str, #[case] fits: bool) {
    let toml = format!("{CLICKUP}api_url = '{address}'");
    match read(&toml, &[]) {
        Ok(_) => assert!(fits, "{address}"),
        Err(errors) => {
            let told = format!(
                "clickup.api_url: `{address}` would get the token unencrypted; use https:// (http:// is for this \
                 machine only) (./bot.toml)"
            );
            assert!(!fits && errors.to_string().contains(&told), "{errors}");
        }
    }
}

/// One address of GitHub is enough; the other follows.
#[rstest]
#[case::neither("", "https://github.com", "https://api.github.com")]
#[case::server(
    "url = 'https://ghe.test'",
    "https://ghe.test",
    "https://ghe.test/api/v3"
)]
#[case::residency(
    "url = 'https://acme.ghe.com'",
    "https://acme.ghe.com",
    "https://api.acme.ghe.com"
)]
#[case::api(
    "api_url = 'https://ghe.test/api/v3'",
    "https://ghe.test",
    "https://ghe.test/api/v3"
)]
#[case::proxy(
    "api_url = 'http://127.0.0.1:4000'",
    "https://github.com",
    "http://127.0.0.1:4000"
)]
#[case::both(
    "url = 'https://ghe.test'\napi_url = 'https://proxy.test/ghe'",
    "https://ghe.test",
    "https://proxy.test/ghe"
)]
#[case::here(
    "url = 'http://127.0.0.1:4000'",
    "http://127.0.0.1:4000",
    "http://127.0.0.1:4000/api/v3"
)]
fn the_addresses_of_github_follow(#[case] given: &str, #[case] url: &str, #[case] api: &str) {
    let config = read(
        &format!("[github]\ntoken = 't'\nrepo = 'a/b'\n{given}"),
        &[],
    );
    let github = config.unwrap().github.unwrap();
    assert_eq!((github.url.as_str(), github.api_url.as_str()), (url, api));
}

const SHORT: &str = "0123456789abcde";

/// The risks of a configuration, or its mistakes.
fn risks(toml: &str) -> Result<Vec<String>, Vec<String>> {
    let clickup = "clickup.token = 'pk_1_sesame_sesame'\nclickup.team_id = '9001'\nclickup.list_id = '901100000001'";
    match read(&format!("{toml}\n{clickup}"), &[]) {
        Ok(config) => Ok(config.remarks().risks().to_vec()),
        Err(errors) => Err(errors.iter().map(ConfigError::to_string).collect()),
    }
}

#[test]
fn secrets_that_can_be_guessed_are_named() {
    assert_eq!(risks(""), Ok(vec![]));
    let guessed = "has fewer than 16 characters and can be guessed; use a longer one";
    let short = format!("api.token = '{SHORT}'");
    assert_eq!(risks(&short), Ok(vec![format!("api.token {guessed}")]));
    assert_eq!(risks(&format!("api.token = '{SHORT}f'")), Ok(vec![]));
    let config = read(CLICKUP, &[]).unwrap();
    assert_eq!(
        config.remarks().risks(),
        [format!("clickup.token {guessed}")]
    );
}

#[rstest]
#[case::api("api", "api.token")]
#[case::webhooks("webhooks", "clickup.webhook_secret")]
fn a_listener_that_others_reach_needs_a_secret_that_cannot_be_guessed(
    #[case] section: &str,
    #[case] secret: &str,
) {
    let with =
        |bind: &str, text: &str| risks(&format!("{section}.bind = '{bind}'\n{secret} = '{text}'"));
    let good = "0123456789abcdef";
    assert_eq!(with("127.0.0.1:1", good), Ok(vec![]));
    assert_eq!(with("[::1]:1", good), Ok(vec![]));
    assert_eq!(with("10.0.0.7:1", good), Ok(vec![]));
    for all in ["0.0.0.0:1", "[::]:1"] {
        let told = with(all, good).unwrap();
        let wanted = format!("{section}.bind is {all}: every network of this machine reaches it");
        assert!(told.len() == 1 && told[0].starts_with(&wanted), "{told:?}");
    }
    for bind in ["10.0.0.7:1", "0.0.0.0:1"] {
        let told = with(bind, SHORT).unwrap_err();
        let wanted = format!(
            "{section}.bind: `{bind}` is reachable by others, and {secret} has fewer than 16 characters"
        );
        assert!(told.len() == 1 && told[0].starts_with(&wanted), "{told:?}");
    }
}
