use chrono::NaiveTime;
use proptest::prelude::*;
use rstest::rstest;

use super::briefing::BriefingAt;
use super::quiet::QuietChange;
use super::receipts::ReceiptsBy;
use super::*;
use crate::domain::command::TaskDraft;
use crate::domain::filter::Filter;
use crate::domain::task::{Priority, RepoName, Source, TaskId};
use crate::domain::when::{DueWhen, When};
use crate::domain::{receipts, schedule};

fn done(task: Option<Ref>, comment: Option<&str>) -> Command {
    let comment = comment.map(str::to_owned);
    Done {
        task,
        comment,
        ..Done::default()
    }
    .into()
}

fn comment(task: Option<Ref>, text: &str) -> Command {
    Comment {
        task,
        text: text.to_owned(),
        ..Comment::default()
    }
    .into()
}

fn link(source: Source, account: &str) -> Command {
    Link {
        source,
        account: account.to_owned(),
        confirmed: None,
        proof: None,
        answer: None,
    }
    .into()
}

fn titled(title: &str) -> TaskDraft {
    TaskDraft {
        title: title.to_owned(),
        ..TaskDraft::default()
    }
}

fn on_github(title: &str) -> TaskDraft {
    TaskDraft {
        source: Some(Source::GitHub),
        ..titled(title)
    }
}

fn described(title: &str, description: &str) -> TaskDraft {
    TaskDraft {
        description: Some(description.to_owned()),
        ..titled(title)
    }
}

fn id(text: &str) -> Option<Ref> {
    Some(Ref::Id(TaskId::parse(text).unwrap()))
}

/// The issue of a link to github.com.
fn page(text: &str) -> Option<Ref> {
    let id = TaskId::parse(text).unwrap();
    Some(Ref::Page("github.com".to_owned(), id))
}

fn snoozed(task: Option<Ref>, until: &str) -> Command {
    let until = When::parse(until).unwrap();
    Snooze { task, until }.into()
}

const NTH_2: Option<Ref> = Some(Ref::Nth(2));

#[rstest]
#[case::plain("done", done(None, None))]
#[case::shouted("  DONE! ", done(None, None))]
#[case::full_stop("Done.", done(None, None))]
#[case::spaced_mark("done !", done(None, None))]
#[case::bold("*done*", done(None, None))]
#[case::italic("_done_", done(None, None))]
#[case::code("`done`", done(None, None))]
#[case::code_block("```done```", done(None, None))]
#[case::bold_italic("*_Done_*", done(None, None))]
#[case::bold_and_a_mark("*done*!", done(None, None))]
#[case::bold_verb("*done* 2", done(NTH_2, None))]
#[case::copied_from_help("`done 2 -c shipped`", done(NTH_2, Some("shipped")))]
#[case::no_break_spaces("\u{a0}done\u{a0}2\u{202f}-c\u{3000}x", done(NTH_2, Some("x")))]
#[case::zero_width("\u{200b}done\u{feff}", done(None, None))]
#[case::finished("finished", done(None, None))]
#[case::completed("Completed 2", done(NTH_2, None))]
#[case::issue("done #12", done(Some(Ref::Issue(12)), None))]
#[case::copied_from_a_reply(
    "done Renew (the) cert (https://app.clickup.com/t/86tst0001) -c x",
    done(id("clickup:86tst0001"), Some("x"))
)]
#[case::clickup("done clickup:86tst0001", done(id("clickup:86tst0001"), None))]
#[case::github("done github:acme/widgets#7", done(id("github:acme/widgets#7"), None))]
#[case::default_repo("done github:7", done(id("github:7"), None))]
#[case::as_replies_show_it("done acme/widgets#7", done(id("github:acme/widgets#7"), None))]
#[case::address(
    "done https://app.clickup.com/t/86tst0001",
    done(id("clickup:86tst0001"), None)
)]
#[case::address_without_scheme(
    "done github.com/acme/widgets/issues/7",
    done(page("github:acme/widgets#7"), None)
)]
#[case::commented("done -c shipped in 2.1", done(None, Some("shipped in 2.1")))]
#[case::long_form("done 2 --comment shipped", done(NTH_2, Some("shipped")))]
#[case::em_dash("done —comment shipped", done(None, Some("shipped")))]
#[case::en_dash("done –c shipped", done(None, Some("shipped")))]
#[case::equals("done --comment=shipped", done(None, Some("shipped")))]
#[case::quoted("done -c \"shipped\"", done(None, Some("shipped")))]
#[case::smart_quotes("done -c “it’s shipped”", done(None, Some("it’s shipped")))]
#[case::quoted_then_ref("done -c \"shipped\" 2", done(NTH_2, Some("shipped")))]
#[case::quotes_within("done -c \"a\" and \"b\"", done(None, Some("\"a\" and \"b\"")))]
#[case::dash_in_the_comment("done -c use -c here", done(None, Some("use -c here")))]
#[case::lines("done 2 -c one\n\n  two", done(NTH_2, Some("one\n\n  two")))]
fn reads_done(#[case] typed: &str, #[case] command: Command) {
    assert_eq!(parse(typed), Ok(command));
}

#[rstest]
#[case::plain("comment shipped", comment(None, "shipped"))]
#[case::shouted("COMMENT Shipped!", comment(None, "Shipped!"))]
#[case::only_a_mark("comment !", comment(None, "!"))]
#[case::lines("comment one\n  two\n", comment(None, "one\n  two"))]
#[case::from_the_next_line("comment\none\ntwo", comment(None, "one\ntwo"))]
#[case::own_characters("comment  “don’t” — a\u{a0}b ", comment(None, "“don’t” — a\u{a0}b"))]
#[case::quotes_stay("comment \"shipped\"", comment(None, "\"shipped\""))]
#[case::no_option("comment done -c x", comment(None, "done -c x"))]
#[case::on_ref("comment on 2: shipped", comment(NTH_2, "shipped"))]
#[case::on_issue("comment ON #12:\nshipped", comment(Some(Ref::Issue(12)), "shipped"))]
#[case::on_id(
    "comment on github:acme/widgets#7: a: b",
    comment(id("github:acme/widgets#7"), "a: b")
)]
#[case::on_address(
    "comment on https://app.clickup.com/t/86tst0001: shipped",
    comment(id("clickup:86tst0001"), "shipped")
)]
#[case::on_with_no_break_space("comment on\u{a0}2:\u{a0}shipped", comment(NTH_2, "shipped"))]
#[case::not_a_ref("comment on hold: see 2: x", comment(None, "on hold: see 2: x"))]
#[case::no_colon("comment on 2 we agree", comment(None, "on 2 we agree"))]
#[case::no_space("comment on 2:shipped", comment(None, "on 2:shipped"))]
#[case::not_on("comment once 2: x", comment(None, "once 2: x"))]
fn reads_comment(#[case] typed: &str, #[case] command: Command) {
    assert_eq!(parse(typed), Ok(command));
}

#[rstest]
#[case::plain("create Buy milk", titled("Buy milk"))]
#[case::shouted("CREATE Buy milk", titled("Buy milk"))]
#[case::bold("*create* Buy *milk*", titled("Buy *milk*"))]
#[case::own_spelling("create Don’t panic — ever!", titled("Don’t panic — ever!"))]
#[case::no_break_space("create\u{a0}Buy\u{a0}milk", titled("Buy milk"))]
#[case::quoted("create \"Buy milk\"", titled("Buy milk"))]
#[case::smart_quotes("create “Buy milk” -s github", on_github("Buy milk"))]
#[case::single_quotes("create 'Don't panic'", titled("Don't panic"))]
#[case::quoted_words("create \"Buy\" and \"milk\"", titled("\"Buy\" and \"milk\""))]
#[case::open_quote("create \"Buy milk", titled("\"Buy milk"))]
#[case::option_in_quotes("create \"Handle -s flag\" -s github", on_github("Handle -s flag"))]
#[case::source("create Fix login -s github", on_github("Fix login"))]
#[case::source_first("create -s GitHub Fix login", on_github("Fix login"))]
#[case::source_within("create Fix  -s github  login", on_github("Fix login"))]
#[case::long_form("create Fix login --source github", on_github("Fix login"))]
#[case::equals("create Fix login --source=github", on_github("Fix login"))]
#[case::em_dash("create Fix login —source github", on_github("Fix login"))]
#[case::en_dash("create Fix login –s “github”", on_github("Fix login"))]
#[case::unknown_option("create Support -x and --force", titled("Support -x and --force"))]
#[case::no_option("create Top-down e-mail -", titled("Top-down e-mail -"))]
#[case::entity(
    "create Fix login -e acme",
    TaskDraft { entity: Some("acme".into()), ..titled("Fix login") }
)]
#[case::entity_of_words(
    "create -e ‘Acme Corp’ Fix login",
    TaskDraft { entity: Some("Acme Corp".into()), ..titled("Fix login") }
)]
#[case::repo_implies_github(
    "create Fix login -r acme/widgets",
    TaskDraft { repo: RepoName::parse("acme/widgets"), ..on_github("Fix login") }
)]
#[case::list_implies_clickup(
    "create Buy milk --list 901100000002",
    TaskDraft {
        source: Some(Source::ClickUp),
        list: Some("901100000002".into()),
        ..titled("Buy milk")
    }
)]
#[case::described("create Buy milk -d two litres", described("Buy milk", "two litres"))]
#[case::described_first("create -d “two litres” Buy milk", described("Buy milk", "two litres"))]
#[case::described_in_quotes(
    "create Buy -d \"two -s litres\" milk",
    described("Buy milk", "two -s litres")
)]
#[case::described_over_lines(
    "create Buy milk -d \"two\nlitres\" -s github",
    TaskDraft { source: Some(Source::GitHub), ..described("Buy milk", "two\nlitres") }
)]
#[case::described_up_to_an_option(
    "create Buy milk -d two litres -s github",
    TaskDraft { source: Some(Source::GitHub), ..described("Buy milk", "two litres") }
)]
#[case::described_with_an_unknown_option(
    "create Buy milk -d two -x litres",
    described("Buy milk", "two -x litres")
)]
#[case::described_with_an_open_quote(
    "create Buy milk -d \"two\nlitres",
    described("Buy milk", "\"two\nlitres")
)]
#[case::lines(
    "create Buy milk\n\n- two\n- litres -s github\n",
    described("Buy milk", "- two\n- litres -s github")
)]
#[case::both("create Buy milk -d two\nlitres", described("Buy milk", "two\nlitres"))]
#[case::everything(
    "create -e acme Fix login -d it fails -r acme/widgets -s github\non Safari",
    TaskDraft {
        entity: Some("acme".into()),
        repo: RepoName::parse("acme/widgets"),
        source: Some(Source::GitHub),
        ..described("Fix login", "it fails\non Safari")
    }
)]
fn reads_create(#[case] typed: &str, #[case] create: TaskDraft) {
    assert_eq!(parse(typed), Ok(Command::from(Create::from(create))));
    assert!(is_bare_create(typed));
}

#[rstest]
#[case("create Write a test --under 2", Ref::Nth(2))]
#[case("create -u #12 Write a test", Ref::Issue(12))]
#[case("create Write a test —under=#12", Ref::Issue(12))]
#[case("create Write –u clickup:86tst0001 a test", Ref::Id(TaskId::clickup("86tst0001").unwrap()))]
fn a_new_task_may_be_a_part_of_another(#[case] typed: &str, #[case] under: Ref) {
    let create = Create {
        under: Some(under.clone()),
        ..Create::from(titled("Write a test"))
    };
    let read = parse(typed).unwrap();
    assert_eq!(read, Command::from(create), "{typed}");
    let by_number = matches!(under, Ref::Nth(_));
    assert_eq!(read.depends_on_what_was_shown(), by_number);
}

#[rstest]
#[case("create Write a test --under", "--under")]
#[case("create Write a test --under soon", "`soon` is not a task")]
#[case("create Write a test -u 1 -u 2", "-u")]
fn a_parent_is_one_task(#[case] typed: &str, #[case] hint: &str) {
    let said = parse(typed).unwrap_err().to_string();
    assert!(said.contains(hint) || said.contains("-u"), "{said}");
}

fn assigned(task: Option<Ref>, to: &str) -> Command {
    Command::from(Assign {
        task,
        to: to.to_owned(),
    })
}

fn listed(limit: Option<usize>, filter: &str) -> Command {
    Command::from(List {
        limit,
        filter: Filter::read(filter),
    })
}

#[rstest]
#[case("current", Command::from(Current {}))]
#[case("What should I work on?", Command::from(Current {}))]
#[case("what  should i work on", Command::from(Current {}))]
#[case("next", Command::from(Next::default()))]
#[case("Skip!", Command::from(Next::default()))]
#[case("later.", Command::from(Next::default()))]
#[case("Not\u{a0}now!", Command::from(Next::default()))]
#[case("list", listed(None, ""))]
#[case("list.", listed(None, ""))]
#[case("tasks 5", listed(Some(5), ""))]
#[case("Show my tasks", listed(None, ""))]
#[case("list overdue", listed(None, "overdue"))]
#[case("List GitHub, overdue 3.", listed(Some(3), "overdue github"))]
#[case("list 3 snoozed clickup Acme", listed(Some(3), "snoozed clickup acme"))]
#[case("list blocked!", listed(None, "blocked"))]
#[case("list acme bolt", listed(None, "acme bolt"))]
#[case(
    "tasks Acme, bolt 5 overdue globex",
    listed(Some(5), "overdue acme bolt globex")
)]
#[case("start", Command::from(Start { task: None }))]
#[case("Start 2", Command::from(Start { task: NTH_2 }))]
#[case("reopen #12.", Command::from(Reopen { task: Some(Ref::Issue(12)) }))]
#[case("reopen", Command::from(Reopen { task: None }))]
#[case("assign @bo", assigned(None, "bo"))]
#[case("assign Bo", assigned(None, "Bo"))]
#[case("Assign 2 @Ana Lima.", assigned(NTH_2, "Ana Lima"))]
#[case("assign 2 to @U0BOB01", assigned(NTH_2, "U0BOB01"))]
#[case("assign 2 @\u{2060}Bo", assigned(NTH_2, "@\u{2060}Bo"))]
#[case("assign 2 to bo", assigned(NTH_2, "bo"))]
#[case("assign 2 me", assigned(NTH_2, "me"))]
#[case("claim #12", Command::from(Claim { task: Some(Ref::Issue(12)) }))]
#[case("claim", Command::from(Claim { task: None }))]
#[case("due fri", Command::from(Due { task: None, at: When::parse("fri").map(DueWhen::Day) }))]
#[case("due 2 1 dec 17:00", Command::from(Due { task: NTH_2, at: When::parse("1 dec 17:00").map(DueWhen::Time) }))]
#[case("due 2 None.", Command::from(Due { task: NTH_2, at: None }))]
#[case("prio high", Command::from(Prio { task: None, priority: Some(Priority::High) }))]
#[case("Priority 2 URGENT!", Command::from(Prio { task: NTH_2, priority: Some(Priority::Urgent) }))]
#[case("prio acme/widgets#7 none", Command::from(Prio { task: id("github:acme/widgets#7"), priority: None }))]
#[case("undo!", Command::from(Undo::default()))]
#[case("who am I", Command::from(Whoami {}))]
#[case("link GitHub ana-lee", link(Source::GitHub, "ana-lee"))]
#[case("link clickup Ana Lee", link(Source::ClickUp, "Ana Lee"))]
#[case("link clickup “Ana Lee”", link(Source::ClickUp, "Ana Lee"))]
#[case("unlink GitHub.", Command::from(Unlink { source: Source::GitHub }))]
#[case("why", Command::from(Why { task: None }))]
#[case("Why?", Command::from(Why { task: None }))]
#[case("why clickup:86tst0001", Command::from(Why { task: id("clickup:86tst0001") }))]
#[case("snooze 2h", snoozed(None, "2h"))]
#[case("snooze 2 2h", snoozed(NTH_2, "2h"))]
#[case("snooze 2 hours", snoozed(None, "2 hours"))]
#[case("snooze 2 dec", snoozed(None, "2 dec"))]
#[case("snooze 2 mon 9:00", snoozed(NTH_2, "mon 9:00"))]
#[case(
    "snooze #12 until tomorrow.",
    snoozed(Some(Ref::Issue(12)), "tomorrow")
)]
#[case(
    "snooze Login (https://github.com/acme/widgets/issues/7) 3d",
    snoozed(page("github:acme/widgets#7"), "3d")
)]
#[case("log", Command::from(Log { task: None, limit: None }))]
#[case("log 3.", Command::from(Log { task: None, limit: Some(3) }))]
#[case("Log #12", Command::from(Log { task: Some(Ref::Issue(12)), limit: None }))]
#[case("log 5 clickup:86tst0001", Command::from(Log { task: id("clickup:86tst0001"), limit: Some(5) }))]
#[case("morning", Command::from(Morning {}))]
#[case("Brief me!", Command::from(Morning {}))]
#[case("briefing", Command::from(Briefing { at: None }))]
#[case("briefing 8:30", Command::from(Briefing { at: NaiveTime::from_hms_opt(8, 30, 0).map(BriefingAt::Time) }))]
#[case(
    "Briefing at 9 am.",
    Command::from(Briefing { at: NaiveTime::from_hms_opt(9, 0, 0).map(BriefingAt::Time) })
)]
#[case("briefing OFF", Command::from(Briefing { at: Some(BriefingAt::Off) }))]
#[case("quiet", Command::from(Quiet { change: None }))]
#[case("quiet 20:00 – 8:00", Command::from(Quiet { change: Some(QuietChange::Hours(schedule::QuietHours::NIGHT)) }))]
#[case("quiet off!", Command::from(Quiet { change: Some(QuietChange::Off) }))]
#[case("briefing Default", Command::from(Briefing { at: Some(BriefingAt::Default) }))]
#[case("quiet default.", Command::from(Quiet { change: Some(QuietChange::Default) }))]
#[case("receipts default", Command::from(Receipts { by: Some(ReceiptsBy::Default) }))]
#[case("receipts", Command::from(Receipts { by: None }))]
#[case("Receipts reactions!", Command::from(Receipts { by: Some(ReceiptsBy::Own(receipts::ReceiptMode::Reactions)) }))]
#[case("receipts messages", Command::from(Receipts { by: Some(ReceiptsBy::Own(receipts::ReceiptMode::Message)) }))]
#[case("receipts message", Command::from(Receipts { by: Some(ReceiptsBy::Own(receipts::ReceiptMode::Message)) }))]
#[case("status", Command::from(Status {}))]
#[case("help", Command::from(Help::default()))]
#[case("help me please", Command::from(Help::default()))]
#[case("help me", Command::from(Help::default()))]
#[case("help Done!", Help::about(Done::INFO).into())]
#[case("done --help", Help::about(Done::INFO).into())]
#[case("list —help", Help::about(List::INFO).into())]
#[case("?", Command::from(Help::default()))]
#[case("`commands`", Command::from(Help::default()))]
fn reads_the_rest(#[case] typed: &str, #[case] command: Command) {
    assert_eq!(parse(typed), Ok(command));
    assert!(!is_bare_create(typed));
}

#[rstest]
#[case(
    "",
    "Type a command, such as `done`, `comment TEXT` or `create TITLE`. `help` lists them all."
)]
#[case(
    " \u{200b}\n",
    "Type a command, such as `done`, `comment TEXT` or `create TITLE`. `help` lists them all."
)]
#[case(
    "hello there",
    "I don't know `hello`. Try `done`, `comment TEXT` or `create TITLE`. `help` lists them all."
)]
#[case("done?", "I don't know `done?`. Did you mean `done`?")]
#[case(
    "ab`defghij0123456789abcdefghij0123456789too-long",
    "I don't know `ab'defghij0123456789abcdefghij0123456789…`. Try `done`, `comment TEXT` or `create TITLE`. `help` lists them all."
)]
#[case(
    "done some words",
    "`some` is not a task. After `done`, type a number of your last list, `#12`, a task id or a task's link. For a \
     comment: `done -c TEXT`."
)]
#[case(
    "done 0",
    "`0` is not a task. After `done`, type a number of your last list, `#12`, a task id or a task's link. For a \
     comment: `done -c TEXT`."
)]
#[case(
    "done 2\nshipped it",
    "`2` is the task, but what is `shipped it`? For a comment: `done 2 -c TEXT`."
)]
#[case("done 2 -c", "`-c` needs a value after it: `-c TEXT`.")]
#[case("done -c \"\"", "`-c` needs a value after it: `-c TEXT`.")]
#[case(
    "comment",
    "What is the comment? `comment TEXT`, or `comment on REF: TEXT`."
)]
#[case(
    "comment.",
    "What is the comment? `comment TEXT`, or `comment on REF: TEXT`."
)]
#[case(
    "comment on 2: ",
    "What is the comment? `comment TEXT`, or `comment on REF: TEXT`."
)]
#[case("create", "What is the task called? `create Buy milk`")]
#[case("create “ ”", "What is the task called? `create Buy milk`")]
#[case("create -s github", "What is the task called? `create Buy milk`")]
#[case("create\nBuy milk", "What is the task called? `create Buy milk`")]
#[case(
    "create T -s jira",
    "I don't know the source `jira`. Use `-s clickup` or `-s github`."
)]
#[case(
    "create T -s",
    "`-s` needs a value after it: `-s clickup` or `-s github`."
)]
#[case(
    "create T -s\ngithub",
    "`-s` needs a value after it: `-s clickup` or `-s github`."
)]
#[case("create T -e -s github", "`-e` needs a value after it: `-e ENTITY`.")]
#[case("create T -d -s github", "`-d` needs a value after it: `-d TEXT`.")]
#[case("create T -r", "`-r` needs a value after it: `-r owner/repo`.")]
#[case("create T --list", "`-l` needs a value after it: `-l LIST`.")]
#[case("create T -s github -s clickup", "`-s` is there twice. Keep one.")]
#[case(
    "create T -r widgets",
    "`widgets` is not a repository. Try `-r owner/repo`."
)]
#[case(
    "create T -l ../team",
    "`../team` is not the id of a ClickUp list. Use the number in the list's address: `-l 901100000001`."
)]
#[case(
    "create T -e a]b",
    "`a]b` can't be a client's name: no brackets or line breaks."
)]
#[case(
    "create T -r acme/widgets -l 9",
    "`-r` is a GitHub repository and `-l` a ClickUp list. Keep one of them."
)]
#[case(
    "create T -r acme/widgets -s clickup",
    "`-r` is a GitHub repository, but `-s` says ClickUp. Keep one of them."
)]
#[case(
    "create T -l 9 -s github",
    "`-l` is a ClickUp list, but `-s` says GitHub. Keep one of them."
)]
#[case(
    "list 0",
    "I can't filter by `0`. Type `list`, `list 5`, or a filter: overdue, blocked, snoozed, clickup, github, \
     label:NAME, milestone:NAME, type:NAME, or a client."
)]
#[case(
    "start the engine",
    "`the engine` is not a task. After `start`, type a number of your last list, `#12`, a task id or a task's link."
)]
#[case(
    "snooze 2",
    "Until when? Try `snooze 2h`, `snooze tomorrow`, `snooze mon 9:00` or `snooze 1 dec`."
)]
#[case(
    "snooze for a bit",
    "I can't read `for a bit` as a time. Try `2h`, `tomorrow`, `mon 9:00` or `2026-12-01`."
)]
#[case(
    "assign 2 @",
    "Assign it to whom? `assign @bo`, or `assign 2 @bo` for number 2 of your list."
)]
#[case(
    "assign the rest @bo",
    "`the rest` is not a task. After `assign`, type a number of your last list, `#12`, a task id or a task's link."
)]
#[case(
    "due 2",
    "When is it due? Try `due fri`, `due tomorrow 17:00`, `due 1 dec` or `due none`."
)]
#[case(
    "due soon",
    "I can't read `soon` as a date. Try `due fri`, `due tomorrow 17:00`, `due 1 dec` or `due none`."
)]
#[case(
    "prio 2 higher",
    "`higher` is not a priority. Try urgent, high, normal, low or none."
)]
#[case(
    "log of yesterday",
    "`of yesterday` is not a task. After `log`, type a number of your last list, `#12`, a task id or a task's link."
)]
#[case(
    "briefing tomorrow",
    "`tomorrow` is not a time. Try `briefing 8:30`, `briefing off` or `briefing default`."
)]
#[case(
    "quiet please",
    "`please` are not hours. Try `quiet 20:00-8:00`, `quiet off` or `quiet default`."
)]
#[case(
    "receipts loud",
    "I can't confirm with `loud`. Try `receipts reactions`, `receipts messages` or `receipts default`."
)]
#[case("undo that", "Type `undo` alone, without `that`.")]
#[case("next week\nwe ship", "Type `next` alone, without `week we ship`.")]
fn hints(#[case] typed: &str, #[case] hint: &str) {
    assert_eq!(parse(typed).unwrap_err().to_string(), hint);
}

/// An emoji at the end of a command is no part of it, in any notation.
#[rstest]
#[case("done :white_check_mark:", done(None, None))]
#[case("done :+1::skin-tone-3:", done(None, None))]
#[case("done \u{1f44d}\u{1f3fd}", done(None, None))]
#[case("done ✅", done(None, None))]
#[case("done ✔️!", done(None, None))]
#[case("done \u{1f469}\u{200d}\u{1f4bb}", done(None, None))]
#[case("done:tada:", done(None, None))]
#[case("done\u{1f389}", done(None, None))]
#[case("Done! :tada: :tada:", done(None, None))]
#[case("done :tada:!", done(None, None))]
#[case("done :)", done(None, None))]
#[case("done <3", done(None, None))]
#[case("done \u{2764}\u{fe0f} :P", done(None, None))]
#[case("done \u{25b6}\u{fe0f}", done(None, None))]
#[case("next :'(", Command::from(Next::default()))]
#[case("done 2 :100:", done(NTH_2, None))]
#[case("done #12 :-1:", done(Some(Ref::Issue(12)), None))]
#[case("next :eyes:", Command::from(Next::default()))]
#[case("help :pray:", Command::from(Help::default()))]
#[case("start #12 :rocket:", Command::from(Start { task: Some(Ref::Issue(12)) }))]
#[case("prio high :fire:", Command::from(Prio { task: None, priority: Some(Priority::High) }))]
#[case("snooze 2h :zzz:", snoozed(None, "2h"))]
#[case("list 5 :eyes:", Command::from(List { limit: Some(5), filter: Filter::default() }))]
#[case("link github ana \u{1f600}", link(Source::GitHub, "ana"))]
fn a_smile_at_the_end_is_no_part_of_a_command(#[case] typed: &str, #[case] command: Command) {
    assert_eq!(parse(typed), Ok(command));
}

/// In free text the emoji stays.
#[rstest]
#[case("comment shipped :tada:", comment(None, "shipped :tada:"))]
#[case("comment :tada:", comment(None, ":tada:"))]
#[case("comment on 2: \u{1f389}", comment(NTH_2, "\u{1f389}"))]
#[case("done -c shipped :tada:", done(None, Some("shipped :tada:")))]
#[case("done 2 -c \u{1f389}", done(NTH_2, Some("\u{1f389}")))]
#[case(
    "create Launch page :rocket:",
    Command::from(Create::from(titled("Launch page :rocket:")))
)]
#[case(
    "create :rocket: Launch page",
    Command::from(Create::from(titled(":rocket: Launch page")))
)]
fn a_smile_in_a_text_stays(#[case] typed: &str, #[case] command: Command) {
    assert_eq!(parse(typed), Ok(command));
}

#[rstest]
#[case("done the first half :tada:")]
#[case("thanks :tada:")]
#[case(":tada:")]
#[case("prio 9:30:")]
#[case("done ::")]
#[case("done :two:")]
#[case("done 2\u{fe0f}\u{20e3}")]
#[case("done \u{1f51f}")]
fn with_a_smile_what_is_no_command_is_none(#[case] typed: &str) {
    assert!(parse(typed).is_err());
}

/// No hint quotes an empty text.
#[rstest]
#[case("prio")]
#[case("prio !")]
#[case("priority 2")]
#[case("prio #12")]
#[case("due")]
#[case("snooze")]
#[case("assign")]
#[case("link")]
#[case("unlink")]
#[case("reopen :tada:")]
#[case("create T -s \"\"")]
#[case("create T -r ''")]
fn no_hint_has_empty_backticks(#[case] typed: &str) {
    if let Err(hint) = parse(typed) {
        assert!(
            !hint.to_string().replace("```", "").contains("``"),
            "{hint}"
        );
    }
}

#[rstest]
#[case("prio")]
#[case("Priority!")]
#[case("prio 2")]
#[case("prio acme/widgets#7")]
#[case("prio :fire:")]
fn a_priority_that_is_not_given_is_asked_for(#[case] typed: &str) {
    assert_eq!(parse(typed), Err(ParseError::Slip(prio::WHICH.to_owned())));
}

#[rstest]
#[case("comment on 1", "1", "")]
#[case("comment on #7.", "#7", "")]
#[case("Comment On #7 looks good", "#7", "looks good")]
#[case(
    "comment on acme/widgets#7 - looks good",
    "acme/widgets#7",
    "looks good"
)]
#[case("comment on #7:looks good", "#7", "looks good")]
#[case(
    "comment on clickup:86tst0001 ships today",
    "clickup:86tst0001",
    "ships today"
)]
#[case(
    "comment on https://github.com/acme/widgets/issues/7 ships today",
    "https://github.com/acme/widgets/issues/7",
    "ships today"
)]
#[case("comment on 2\nlooks good", "2", "looks good")]
fn a_forgotten_colon_is_asked_about(#[case] typed: &str, #[case] task: &str, #[case] text: &str) {
    let hint = parse(typed).unwrap_err();
    let said = match text {
        "" => "TEXT",
        text => text,
    };
    let asked = format!("Is this a comment on `{task}`? Add a colon: `comment on {task}: {said}`.");
    assert!(hint.to_string().starts_with(&asked), "{hint}");
    assert!(!hint.is_prose());
}

#[rstest]
#[case("comment on 7 August we ship", comment(None, "on 7 August we ship"))]
#[case("comment on it", comment(None, "on it"))]
#[case("comment on 2:30 we meet", comment(None, "on 2:30 we meet"))]
#[case("comment on hold until monday", comment(None, "on hold until monday"))]
#[case("comment \"on #7 we are late\"", comment(None, "on #7 we are late"))]
#[case("comment \"on 1\"", comment(None, "on 1"))]
#[case("comment \"on it\"", comment(None, "\"on it\""))]
#[case("comment on #7: \"on 1\"", comment(Some(Ref::Issue(7)), "\"on 1\""))]
fn what_merely_begins_with_on_is_a_comment(#[case] typed: &str, #[case] command: Command) {
    assert_eq!(parse(typed), Ok(command));
}

#[rstest]
#[case("create", true)]
#[case("*Create* Buy milk", true)]
#[case("`create Buy milk`", true)]
#[case("created a task", false)]
#[case("\"create Buy milk\"", false)]
#[case("please create", false)]
#[case("done", false)]
fn a_channel_hears_only_create(#[case] said: &str, #[case] heard: bool) {
    assert_eq!(is_bare_create(said), heard);
}

#[test]
fn every_name_alias_usage_and_example_is_read_as_its_verb() {
    for row in VERBS {
        let info = row.info;
        for name in std::iter::once(&info.name).chain(info.aliases) {
            let (read, rest) = split_verb(name).expect(name);
            assert_eq!((read.info.name, rest), (info.name, ""), "{name}");
        }
        for usage in info.usage.split(" · ") {
            let (read, _) = split_verb(usage).expect(usage);
            assert_eq!(read.info.name, info.name, "{usage}");
        }
        assert!(
            !info.effect.is_empty() && !info.examples.is_empty(),
            "{}",
            info.name
        );
        for example in info.examples {
            let read = parse(example).map(|command| command.info().name);
            assert_eq!(read, Ok(info.name), "{example}");
        }
    }
}

/// A verb with an HTTP route has it once, and its body accepts its own form only.
#[test]
fn no_two_verbs_have_one_route() {
    let mut paths: Vec<&str> = VERBS.iter().filter_map(|row| row.info.http.path).collect();
    paths.sort_unstable();
    let all = paths.len();
    paths.dedup();
    assert_eq!(paths.len(), all);
    for row in VERBS {
        let read = (row.body)(r#"{"no such field": 1}"#)
            .unwrap_err()
            .to_string();
        let is_serdes = read.starts_with("unknown field") || read.starts_with("missing field");
        assert!(is_serdes, "{}: {read}", row.info.name);
    }
}

#[test]
fn a_line_of_quotation_marks_is_read_in_a_moment() {
    let title = "\"a ".repeat(20_000);
    assert!(parse(&format!("create {title}")).is_ok());
}

/// Text of the parser's special characters, with anything in between.
fn typed() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        proptest::sample::select(vec![
            "create",
            "done",
            "comment",
            "on",
            "list",
            "not now",
            "*",
            "_",
            "`",
            "\"",
            "“",
            "’",
            "'",
            "-c",
            "-d",
            "-s",
            "—source",
            "--list=",
            "-r",
            "github",
            "acme/widgets",
            "#7",
            "2",
            ":",
            ".",
            "!",
            "?",
            " ",
            "\n",
            "\u{a0}",
            "\u{200b}",
            "«",
            "ß",
            "İ",
        ])
        .prop_map(str::to_owned),
        "(?s).{0,6}",
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_text_is_a_command_or_a_hint_of_one_line(text in typed()) {
        match parse(&text) {
            Ok(Command::Create(Create { draft: create, .. })) => {
                prop_assert!(is_bare_create(&text));
                prop_assert_eq!(create.title.trim(), &create.title);
                prop_assert!(!create.title.is_empty() && !create.title.contains('\n'));
            }
            Ok(Command::Comment(Comment { text: said, .. })) => {
                prop_assert!(text.contains(&said) && !said.is_empty());
            }
            Ok(_) => prop_assert!(!is_bare_create(&text)),
            Err(hint) => {
                prop_assert!(!hint.to_string().contains('\n'));
                if let ParseError::UnknownVerb(_) | ParseError::Empty = hint {
                    prop_assert!(!is_bare_create(&text));
                }
            }
        }
    }

    #[test]
    fn what_begins_with_create_is_heard_in_a_channel(rest in "(?s)[ \n\u{a0}].{0,30}") {
        let text = format!("Create{rest}");
        prop_assert!(is_bare_create(&text));
    }
}

#[rstest]
#[case("Hi", true)]
#[case("hello! :wave:", true)]
#[case("Good morning.", true)]
#[case("hello world", false)]
#[case("", false)]
fn a_greeting_stands_alone(#[case] text: &str, #[case] is: bool) {
    assert_eq!(is_greeting(text), is);
}

/// A message of the greatest length is read at once. Each part could begin a search to the end of the text.
#[rstest]
#[case("snooze")]
#[case("due")]
#[case("done")]
#[case("assign")]
#[case("prio")]
#[case("milestone")]
#[case("label")]
#[case("list")]
#[case("find")]
#[case("comment")]
#[case("done -c \"\n")]
#[case("create x -d \"\n")]
fn a_long_text_is_read_in_one_go(#[case] before: &str) {
    const PARTS: [&str; 9] = [
        "overdue ", "tag:a ", "1 ", "1,", "and ", "+\"a ", "\"", "\n\"", "-d ",
    ];
    crate::scan_cost::is_linear_in(&PARTS, |text| parse(&format!("{before} {text}")));
}
