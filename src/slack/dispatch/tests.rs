use super::*;
use crate::domain::ids::EventId;
use crate::domain::person::{AllowedUsers, NotAllowed, may_act};
use rstest::rstest;
use serde_json::{Value, json};

/// Slack's record of a full member, with a name.
fn full(id: &str, name: &str) -> SlackMember {
    member(
        id,
        &json!({"id": id, "team_id": "T0TEAM1", "name": name, "deleted": false, "is_bot": false,
            "is_restricted": false}),
    )
}

#[test]
fn a_person_is_believed_for_so_long_and_no_longer() {
    let keep_for = Timings::default().member_for;
    assert_eq!(keep_for, Duration::from_secs(300));
    let members = Members::new(keep_for);
    let start = Instant::now();
    assert_eq!(members.get("U0ANN01", start), None);
    members.learn(full("U0ANN01", "ann"), members.changes(), start);
    assert!(members.get("U0ANN01", start + keep_for / 2).is_some());
    assert!(members.get("U0ANN01", start + keep_for).is_none());
    assert_eq!(members.name_of("U0ANN01").as_deref(), Some("ann"));
    assert_eq!(members.name_of("U0BOB01"), None);
    let old = Members::new(Duration::ZERO);
    old.learn(full("U0ANN01", "ann"), old.changes(), start);
    assert_eq!((old.name_of("U0ANN01"), old.fresh("U0ANN01")), (None, None));
}

#[test]
fn who_has_changed_is_forgotten_and_so_is_what_was_asked_before() {
    let members = Members::new(Duration::from_secs(300));
    let now = Instant::now();
    for id in ["U0ANN01", "U0BOB01"] {
        members.learn(full(id, "x"), members.changes(), now);
    }
    let asked_at = members.changes();
    members.forget(Some("U0ANN01"));
    assert_eq!(members.get("U0ANN01", now), None);
    assert!(members.get("U0BOB01", now).is_some());
    // The answer may be older than the change.
    members.learn(full("U0ANN01", "x"), asked_at, now);
    assert_eq!(members.get("U0ANN01", now), None);
    members.learn(full("U0ANN01", "x"), members.changes(), now);
    assert!(members.get("U0ANN01", now).is_some());
    members.forget(None);
    assert_eq!(members.get("U0BOB01", now), None);
}

#[test]
fn a_doubt_is_said_once_an_hour_for_each_person() {
    let members = Members::new(Duration::from_secs(300));
    let now = Instant::now();
    let hour = Duration::from_secs(3_600);
    assert!(members.doubts("U0ANN01", now));
    assert!(!members.doubts("U0ANN01", now + hour / 2));
    assert!(members.doubts("U0BOB01", now + hour / 2));
    assert!(members.doubts("U0ANN01", now + hour));
    assert!(!members.doubts("U0ANN01", now + hour));
    for number in 0..=MEMBERS_MAX {
        members.doubts(&format!("U{number}"), now);
    }
    assert!(members.known().doubts.len() <= MEMBERS_MAX);
}

#[test]
fn remembers_a_bounded_number_of_people() {
    let before = Limit::Members.times();
    let members = Members::new(Duration::from_secs(3_600));
    for number in 0..=MEMBERS_MAX {
        let id = format!("U{number}");
        members.learn(hidden(&id), members.changes(), Instant::now());
    }
    assert!(members.known().members.len() <= MEMBERS_MAX);
    assert!(Limit::Members.times() > before);
}

// ---------------------------------------------------------------- the loop

mod working_off {
    use std::sync::atomic::{AtomicBool, Ordering};

    use async_trait::async_trait;
    use axum::Router;
    use axum::extract::{Query, State};
    use axum::http::StatusCode;
    use axum::response::{IntoResponse, Response};
    use axum::routing::any;
    use tokio::net::TcpListener;
    use tokio::sync::{Notify, Semaphore, mpsc};
    use tokio::task::JoinHandle;
    use tokio::time::timeout;

    use super::*;
    use crate::clock::Clock;
    use crate::commands::{CommandSettings, Commands};
    use crate::domain::task::Source;
    use crate::mailbox::{IncomingMessage, MailboxSettings};
    use crate::slack::SlackToken;
    use crate::store::{Store, StoreSettings};

    /// The first answers of `users.info`, before it answers well; `None` hangs.
    type Answers = Arc<Mutex<Vec<Option<Response>>>>;

    #[derive(Clone, Default)]
    struct Directory {
        answers: Answers,
        asked: Arc<Mutex<Vec<String>>>,
    }

    impl Directory {
        async fn serve(&self) -> Web {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}/api", listener.local_addr().unwrap());
            // Nothing of ours stands in a DM.
            let history = any(async || axum::Json(json!({"ok": true, "messages": []})));
            let router = Router::new()
                .route("/api/conversations.history", history)
                .fallback(info)
                .with_state(self.clone());
            tokio::spawn(async move { axum::serve(listener, router).await });
            let (app, bot) = (SlackToken::new("xapp"), SlackToken::new("xoxb"));
            Web::new(&url, &app, &bot, Duration::from_secs(30)).unwrap()
        }
    }

    async fn info(
        State(directory): State<Directory>,
        Query(query): Query<HashMap<String, String>>,
    ) -> Response {
        let id = query.get("user").unwrap().clone();
        directory.asked.lock().unwrap().push(id.clone());
        let answer = directory.answers.lock().unwrap().pop();
        match answer {
            None => axum::Json(
                json!({"ok": true, "user": {"id": id, "team_id": "T0TEAM1", "name": id, "deleted": false, "is_bot": false,
                    "is_restricted": false}}),
            )
            .into_response(),
            Some(Some(answer)) => answer,
            Some(None) => std::future::pending().await,
        }
    }

    fn refusing(code: &str) -> Option<Response> {
        Some(axum::Json(json!({"ok": false, "error": code})).into_response())
    }

    /// The mailbox's side. `stuck` waits for a permit, `panic` panics, and a full disk fails everything once.
    struct Kept {
        waiting: Mutex<Vec<WaitingMessage>>,
        heard: Notify,
        permits: Semaphore,
        stuck: Notify,
        disk_full: AtomicBool,
        acted: mpsc::UnboundedSender<(String, SlackMember)>,
    }

    fn full() -> StoreError {
        StoreError {
            path: "ivan.db".into(),
            why: "disk full".into(),
        }
    }

    #[async_trait]
    impl Inbound for Kept {
        async fn waiting(&self, at_most: usize) -> Result<Vec<WaitingMessage>, StoreError> {
            if self.disk_full.swap(false, Ordering::SeqCst) {
                return Err(full());
            }
            let mut people = HashSet::new();
            let waiting = self.waiting.lock().unwrap();
            let oldest = waiting
                .iter()
                .filter(|next| people.insert(next.heard.user.clone()));
            Ok(oldest.take(at_most).cloned().collect())
        }
        async fn something_heard(&self) {
            self.heard.notified().await;
        }
        async fn act(
            &self,
            next: &WaitingMessage,
            member: &SlackMember,
            team: &str,
        ) -> Result<(), StoreError> {
            assert_eq!(team, "T0TEAM1");
            if self.disk_full.swap(false, Ordering::SeqCst) {
                return Err(full());
            }
            match next.heard.text.as_str() {
                "stuck" => {
                    self.stuck.notify_one();
                    self.permits.acquire().await.unwrap().forget();
                }
                "panic" => panic!("acted badly"),
                "disk full afterwards" => self.disk_full.store(true, Ordering::SeqCst),
                _ => {}
            }
            self.waiting
                .lock()
                .unwrap()
                .retain(|waiting| waiting.id != next.id);
            let _ = self.acted.send((next.heard.text.clone(), member.clone()));
            Ok(())
        }
    }

    /// Of a store that is empty.
    fn mailbox(folder: &tempfile::TempDir) -> Mailbox {
        let (clock, path) = (Clock::system(), folder.path().join("ivan.db"));
        let (store, settings) = (
            Store::open(&path, StoreSettings::default()).unwrap(),
            CommandSettings::new(Source::GitHub),
        );
        let commands = Commands::new(store.clone(), settings, Vec::new(), clock.clone());
        let settings = MailboxSettings {
            allowed_users: AllowedUsers::every_member(),
            ..MailboxSettings::default()
        };
        Mailbox::new(store, commands, settings, clock)
    }

    struct Listening {
        kept: Arc<Kept>,
        acted: mpsc::UnboundedReceiver<(String, SlackMember)>,
        stop: CancellationToken,
        daemon: JoinHandle<Result<(), SlackError>>,
        _folder: tempfile::TempDir,
    }

    fn said(id: i64, user: &str, text: &str) -> WaitingMessage {
        WaitingMessage {
            id: EventId(id),
            heard: IncomingMessage {
                keys: vec![],
                user: user.into(),
                channel: "D0DM001".into(),
                direct: true,
                text: text.into(),
                ts: format!("1763800000.{id:06}"),
                said_at: chrono::DateTime::from_timestamp(1_763_800_000, 0).unwrap(),
                thread: None,
                gesture: crate::mailbox::Gesture::Said,
                attached: crate::mailbox::Attachments::default(),
            },
            names: Vec::new(),
            thread: None,
            more: true,
            doubted: false,
        }
    }

    impl Listening {
        async fn to(
            directory: &Directory,
            waiting: impl IntoIterator<Item = WaitingMessage>,
        ) -> Listening {
            let (acted_is, acted) = mpsc::unbounded_channel();
            let kept = Arc::new(Kept {
                waiting: Mutex::new(waiting.into_iter().collect()),
                heard: Notify::new(),
                permits: Semaphore::new(0),
                stuck: Notify::new(),
                disk_full: AtomicBool::new(false),
                acted: acted_is,
            });
            let stop = CancellationToken::new();
            let timings = Arc::new(Timings {
                retry_first: Duration::from_millis(10),
                retry_max: Duration::from_millis(50),
                ..Timings::default()
            });
            let folder = tempfile::tempdir().unwrap();
            let web = directory.serve().await;
            let members = Arc::new(Members::new(timings.member_for));
            let daemon = tokio::spawn(run(
                kept.clone(),
                mailbox(&folder),
                web,
                members,
                BotIdentity {
                    team: "T0TEAM1".into(),
                    user: "U0BOT01".into(),
                    name: None,
                },
                timings,
                stop.clone(),
            ));
            Listening {
                kept,
                acted,
                stop,
                daemon,
                _folder: folder,
            }
        }

        fn hears(&self, next: WaitingMessage) {
            self.kept.waiting.lock().unwrap().push(next);
            self.kept.heard.notify_one();
        }

        async fn acts(&mut self) -> (String, SlackMember) {
            let acted = timeout(Duration::from_secs(60), self.acted.recv()).await;
            acted.expect("nothing was acted on").unwrap()
        }

        async fn acts_on(&mut self, text: &str) {
            assert_eq!(self.acts().await.0, text);
        }

        async fn ends(self) -> Result<(), SlackError> {
            let ended = timeout(Duration::from_secs(60), self.daemon).await;
            ended.expect("it did not end").unwrap()
        }

        async fn stops(self) {
            self.stop.cancel();
            assert_eq!(self.ends().await, Ok(()));
        }
    }

    #[tokio::test]
    async fn an_author_is_looked_up_once_while_the_message_is_stored() {
        let directory = Directory::default();
        let web = directory.serve().await;
        let members = Arc::new(Members::new(Duration::from_secs(300)));
        members.look_ahead(&web, "U0ANN01");
        members.look_ahead(&web, "U0ANN01");
        let member = member_of(&web, &members, "U0ANN01").await.unwrap();
        assert!(matches!(member.standing, Membership::Full { .. }));
        members.look_ahead(&web, "U0ANN01");
        assert_eq!(*directory.asked.lock().unwrap(), ["U0ANN01"]);
        assert!(members.known().ahead.is_empty());

        // One that fails is repeated by the one who needs it.
        directory
            .answers
            .lock()
            .unwrap()
            .push(refusing("ratelimited"));
        members.look_ahead(&web, "U0BOB01");
        assert!(member_of(&web, &members, "U0BOB01").await.is_ok());

        // No more than a few at once.
        for number in 0..LOOKS_AHEAD + 3 {
            members.look_ahead(&web, &format!("U0CY{number:03}"));
        }
        assert_eq!(members.known().ahead.len(), LOOKS_AHEAD);
    }

    #[tokio::test]
    async fn what_was_kept_before_the_start_and_what_comes_after() {
        let directory = Directory::default();
        let mut listening = Listening::to(&directory, [said(1, "U0ANN01", "done")]).await;
        listening.acts_on("done").await;
        listening.hears(said(2, "U0ANN01", "list"));
        listening.acts_on("list").await;
        assert_eq!(*directory.asked.lock().unwrap(), ["U0ANN01"], "asked once");
        listening.stops().await;
    }

    #[tokio::test]
    async fn a_person_in_order_and_people_independent_of_each_other() {
        let waiting = [
            said(1, "U0ANN01", "stuck"),
            said(2, "U0ANN01", "after it"),
            said(3, "U0BOB01", "one"),
            said(4, "U0BOB01", "two"),
        ];
        let mut listening = Listening::to(&Directory::default(), waiting).await;
        listening.acts_on("one").await;
        listening.acts_on("two").await;
        listening.kept.permits.add_permits(1);
        listening.acts_on("stuck").await;
        listening.acts_on("after it").await;
        listening.stops().await;
    }

    #[tokio::test]
    async fn so_many_people_are_acted_for_at_once_and_the_others_wait() {
        let before = Limit::PeopleAtOnce.times();
        let people = 0..i64::try_from(PEOPLE_AT_ONCE).unwrap() + 1;
        let waiting = people.map(|n| said(n, &format!("U0STUCK{n}"), "stuck"));
        let mut listening = Listening::to(&Directory::default(), waiting).await;
        Limit::PeopleAtOnce.until_reached(before + 1).await;
        listening.kept.permits.add_permits(PEOPLE_AT_ONCE + 1);
        for _ in 0..=PEOPLE_AT_ONCE {
            listening.acts_on("stuck").await;
        }
        listening.stops().await;
    }

    #[tokio::test]
    async fn waits_for_slack_to_say_who_it_is() {
        let directory = Directory::default();
        directory.answers.lock().unwrap().extend([
            Some((StatusCode::BAD_GATEWAY, "").into_response()),
            refusing("internal_error"),
            refusing("ratelimited"),
        ]);
        let mut listening = Listening::to(&directory, [said(1, "U0ANN01", "done")]).await;
        let (text, member) = listening.acts().await;
        assert_eq!(text, "done");
        assert_eq!(
            may_act(&member, "T0TEAM1", &AllowedUsers::every_member()),
            Ok(())
        );
        assert_eq!(directory.asked.lock().unwrap().len(), 4);
        listening.stops().await;
    }

    /// A hundred forwarded messages, each of which mentions ten people.
    fn with_much_forwarded() -> WaitingMessage {
        let mut message = said(1, "U0ANN01", "create Fix this");
        let mentions = |piece: usize| {
            let ids = (0..10).map(|n| format!("{QUIET_AT}U0P{piece:03}{n}"));
            ids.collect::<Vec<_>>().join(" ")
        };
        message.heard.attached.pieces = (0..100).map(mentions).collect();
        message
    }

    #[tokio::test]
    async fn of_all_that_is_forwarded_ten_people_are_looked_up() {
        let directory = Directory::default();
        let mut listening = Listening::to(&directory, [with_much_forwarded()]).await;
        listening.acts_on("create Fix this").await;
        // And its author.
        assert_eq!(directory.asked.lock().unwrap().len(), MENTIONS_MAX + 1);
        listening.stops().await;
    }

    #[tokio::test]
    async fn the_first_limited_answer_ends_the_look_ups() {
        let directory = Directory::default();
        let author = json!({"ok": true, "user": {"id": "U0ANN01", "team_id": "T0TEAM1", "name": "ann", "deleted": false,
            "is_bot": false, "is_restricted": false}});
        let limited = (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "30")], "");
        // The last one comes first.
        directory.answers.lock().unwrap().extend([
            Some(limited.into_response()),
            Some(axum::Json(author).into_response()),
        ]);
        let mut listening = Listening::to(&directory, [with_much_forwarded()]).await;
        listening.acts_on("create Fix this").await;
        assert_eq!(directory.asked.lock().unwrap().len(), 2);
        listening.stops().await;
    }

    /// Every full member, and Ann whether she is one or not.
    fn ann_is_named() -> AllowedUsers {
        AllowedUsers {
            named: vec!["U0ANN01".into()],
            ..AllowedUsers::every_member()
        }
    }

    #[rstest]
    #[case("user_not_found")]
    #[case("user_not_visible")]
    #[tokio::test]
    async fn somebody_unknown_is_answered_and_may_not_act(#[case] code: &str) {
        let directory = Directory::default();
        directory.answers.lock().unwrap().push(refusing(code));
        let mut listening = Listening::to(&directory, [said(1, "U0ANN01", "done")]).await;
        let (_, member) = listening.acts().await;
        assert!(may_act(&member, "T0TEAM1", &ann_is_named()).is_err());
        listening.stops().await;
    }

    /// A person with an uncertain account may not act, and is looked up again with the next message.
    #[rstest]
    #[case::empty(json!({"ok": true, "user": {}}))]
    #[case::no_user(json!({"ok": true}))]
    #[case::not_ok(json!({"ok": false, "user": {"id": "U0ANN01", "team_id": "T0TEAM1", "deleted": false, "is_bot": false,
        "is_restricted": false}}))]
    #[tokio::test]
    async fn an_uncertain_answer_is_not_remembered(#[case] answer: Value) {
        let directory = Directory::default();
        let odd = Some(axum::Json(answer).into_response());
        directory.answers.lock().unwrap().push(odd);
        let mut listening = Listening::to(&directory, [said(1, "U0ANN01", "done")]).await;
        let (_, member) = listening.acts().await;
        let may = may_act(&member, "T0TEAM1", &ann_is_named());
        assert_eq!(may, Err(NotAllowed::NotCertain));
        listening.hears(said(2, "U0ANN01", "done"));
        let (_, member) = listening.acts().await;
        assert_eq!(
            may_act(&member, "T0TEAM1", &AllowedUsers::every_member()),
            Ok(())
        );
        assert_eq!(directory.asked.lock().unwrap().len(), 2);
        listening.stops().await;
    }

    #[tokio::test]
    async fn a_full_disk_is_waited_out() {
        let mut listening = Listening::to(&Directory::default(), []).await;
        listening.kept.disk_full.store(true, Ordering::SeqCst);
        listening.hears(said(1, "U0ANN01", "done"));
        listening.acts_on("done").await;
        // Ana's next message finds the store full when it is processed; it is tried again.
        listening.hears(said(2, "U0ANN01", "disk full afterwards"));
        listening.acts_on("disk full afterwards").await;
        listening.hears(said(3, "U0ANN01", "done again"));
        listening.acts_on("done again").await;
        listening.stops().await;
    }

    #[tokio::test]
    async fn a_stop_finishes_what_is_being_acted_on_and_begins_nothing() {
        let waiting = [said(1, "U0ANN01", "stuck"), said(2, "U0ANN01", "after it")];
        let mut listening = Listening::to(&Directory::default(), waiting).await;
        let kept = Arc::clone(&listening.kept);
        timeout(Duration::from_secs(60), kept.stuck.notified())
            .await
            .unwrap();
        listening.stop.cancel();
        kept.permits.add_permits(1);
        listening.acts_on("stuck").await;
        listening.stops().await;
        assert_eq!(kept.waiting.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_stop_does_not_wait_for_slack() {
        let directory = Directory::default();
        directory.answers.lock().unwrap().push(None);
        let mut listening = Listening::to(&directory, [said(1, "U0ANN01", "done")]).await;
        // Bo is looked up after Ana, whose answer hangs.
        listening.hears(said(2, "U0BOB01", "done"));
        listening.acts_on("done").await;
        listening.stops().await;
    }

    #[tokio::test]
    async fn a_panic_surfaces() {
        let listening = Listening::to(&Directory::default(), [said(1, "U0ANN01", "panic")]).await;
        assert_eq!(
            listening.ends().await,
            Err(SlackError::Panicked {
                task: "listen",
                why: "acted badly".into()
            })
        );
    }
}
