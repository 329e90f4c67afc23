//! Tests the sandbox over HTTP: ClickUp's behaviour, refusals and deliveries.

use reqwest::Method;
use rstest::rstest;

use super::world::{DAY, millis};
use super::*;
use crate::sandbox::fault_server::{Fault, FaultKind};
use crate::sandbox::wire::hmac_sha256;
use crate::sandbox::{Seed, hook_end, http_client, shaped_like};

const ANA: i64 = 4242;
const BO: i64 = 4243;

async fn clickup() -> SandboxClickUp {
    SandboxClickUp::start(&Seed::empty().clickup).await.unwrap()
}

impl SandboxClickUp {
    async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let mut request = http_client()
            .request(
                Method::from_bytes(method.as_bytes()).unwrap(),
                format!("{}{path}", self.api_url()),
            )
            .header("authorization", self.token())
            .header("content-type", "application/json");
        if let Some(body) = body {
            request = request.body(body.to_string());
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (
            status,
            serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default(),
        )
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask("GET", path, None).await;
        assert_eq!(status, 200, "{body}");
        body
    }

    async fn names(&self, path: &str) -> Vec<String> {
        self.get(path).await["tasks"]
            .as_array()
            .unwrap()
            .iter()
            .map(|task| text(&task["name"]))
            .collect()
    }
}

macro_rules! fixture {
    ($name:literal) => {
        serde_json::from_str::<Value>(include_str!(concat!(
            "../../../fixtures/clickup/",
            $name,
            ".json"
        )))
        .unwrap()
    };
}

#[tokio::test]
async fn answers_have_the_shape_of_the_fixtures() {
    let clickup = clickup().await;
    let list = format!("/list/{}", clickup.list_id());
    let task = json!({"name": "A", "priority": 2, "due_date": 1_767_312_000_000_i64, "assignees": [BO], "tags": ["ops"]});
    let (status, made) = clickup
        .ask("POST", &format!("{list}/task"), Some(task))
        .await;
    assert_eq!(status, 200);
    shaped_like(&fixture!("post_task"), &made, "$");
    let path = format!("/task/{}", text(&made["id"]));
    shaped_like(&fixture!("get_task"), &clickup.get(&path).await, "$");
    shaped_like(&fixture!("get_list"), &clickup.get(&list).await, "$");
    shaped_like(
        &fixture!("get_list_task"),
        &clickup.get(&format!("{list}/task")).await,
        "$",
    );
    shaped_like(&fixture!("get_user"), &clickup.get("/user").await, "$");
    shaped_like(&fixture!("get_team"), &clickup.get("/team").await, "$");
    let comment = json!({"comment_text": "hi", "notify_all": false});
    let (_, posted) = clickup
        .ask("POST", &format!("{path}/comment"), Some(comment))
        .await;
    shaped_like(&fixture!("post_comment"), &posted, "$");
    shaped_like(
        &fixture!("get_comment"),
        &clickup.get(&format!("{path}/comment")).await,
        "$",
    );
    let (_, done) = clickup
        .ask("PUT", &path, Some(json!({"status": "complete"})))
        .await;
    shaped_like(&fixture!("put_task"), &done, "$");
    let hook = json!({"endpoint": "bot.example/x", "events": ["*"]});
    let (_, hook) = clickup.ask("POST", "/team/9001/webhook", Some(hook)).await;
    shaped_like(&fixture!("post_webhook"), &hook, "$");
    shaped_like(
        &fixture!("get_webhook"),
        &clickup.get("/team/9001/webhook").await,
        "$",
    );
}

#[rstest]
#[case::none(None, "OAUTH_017")]
#[case::wrong(Some("pk_other"), "OAUTH_025")]
#[case::with_bearer(Some("Bearer pk_sandbox_4200_CLICKUPTOKEN"), "OAUTH_019")]
#[tokio::test]
async fn refuses_a_token_that_is_not_its_own(#[case] token: Option<&str>, #[case] ecode: &str) {
    let clickup = clickup().await;
    let mut request = http_client().get(format!("{}/user", clickup.api_url()));
    if let Some(token) = token {
        request = request.header("authorization", token);
    }
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 401);
    let answer: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    assert_eq!(answer["ECODE"], ecode);
    let words = [fixture!("401_OAUTH_017"), fixture!("401_OAUTH_025")];
    assert!(ecode == "OAUTH_019" || words.contains(&answer), "{answer}");
}

#[rstest]
#[case::no_route("GET", "/tasks", None, 404, None)]
#[case::trailing_slash("GET", "/user/", None, 404, None)]
#[case::bad_list("GET", "/list/x", None, 400, Some("INPUT_003"))]
#[case::no_list("GET", "/list/7", None, 401, Some("OAUTH_027"))]
#[case::other_team("GET", "/team/7/task", None, 401, Some("OAUTH_027"))]
#[case::no_task("GET", "/task/86none", None, 401, Some("OAUTH_027"))]
#[case::deleted("GET", "/task/86tst0002", None, 404, Some("ITEM_013"))]
#[case::hidden("GET", "/task/86tst0003", None, 401, Some("OAUTH_027"))]
#[case::no_name("POST", "/list/901100000001/task", Some(json!({})), 400, Some("INPUT_005"))]
#[case::unknown_status("POST", "/list/901100000001/task", Some(json!({"name": "x", "status": "done"})), 400, Some("CRTSK_001"))]
#[case::status_in_capitals("PUT", "/task/86tst0001", Some(json!({"status": "Complete"})), 400, Some("CRTSK_001"))]
#[case::due_as_text("PUT", "/task/86tst0001", Some(json!({"due_date": "1767312000000"})), 400, Some("INPUT_006"))]
#[case::flat_assignees("PUT", "/task/86tst0001", Some(json!({"assignees": [4242]})), 400, None)]
#[case::stranger("PUT", "/task/86tst0001", Some(json!({"assignees": {"add": [1]}})), 400, None)]
#[case::priority_by_name("PUT", "/task/86tst0001", Some(json!({"priority": "high"})), 400, None)]
#[case::no_json("PUT", "/task/86tst0001", None, 400, None)]
#[case::no_notify_all("POST", "/task/86tst0001/comment", Some(json!({"comment_text": "x"})), 400, None)]
#[case::no_text("POST", "/task/86tst0001/comment", Some(json!({"notify_all": false})), 400, None)]
#[case::no_parts("POST", "/task/86tst0001/comment", Some(json!({"comment": [], "notify_all": false})), 400, None)]
#[case::a_strangers_tag("POST", "/task/86tst0001/comment", Some(json!({"comment": [{"type": "tag", "user": {"id": 1}}], "notify_all": false})), 400, None)]
#[case::a_tag_by_text("POST", "/task/86tst0001/comment", Some(json!({"comment": [{"type": "tag", "user": {"id": "4243"}}], "notify_all": false})), 400, None)]
#[case::an_odd_part("POST", "/task/86tst0001/comment", Some(json!({"comment": [{"type": "mention", "text": "@Bo"}], "notify_all": false})), 400, None)]
#[case::half_a_cursor("GET", "/task/86tst0001/comment?start=1", None, 400, None)]
#[case::order_by_closed(
    "GET",
    "/list/901100000001/task?order_by=closed",
    None,
    500,
    Some("ITEMV2_003")
)]
#[case::custom_id_without_team("GET", "/task/OPS-1?custom_task_ids=true", None, 400, None)]
#[case::unknown_event("POST", "/team/9001/webhook", Some(json!({"endpoint": "x.example", "events": ["taskDone"]})), 400, None)]
#[case::hook_put_without_status("PUT", "/webhook/1", Some(json!({"endpoint": "x.example", "events": "*"})), 400, None)]
#[tokio::test]
async fn refuses(
    #[case] method: &str,
    #[case] path: &str,
    #[case] body: Option<Value>,
    #[case] status: u16,
    #[case] ecode: Option<&str>,
) {
    let clickup = clickup().await;
    for name in ["One", "Two", "Three"] {
        clickup.add_task(json!({"name": name}));
    }
    clickup.delete_task("Two");
    clickup.hide_task("Three", true);
    let before = clickup.tasks();
    let (answered, answer) = clickup.ask(method, path, body).await;
    assert_eq!(
        (answered, answer["ECODE"].as_str()),
        (status, ecode),
        "{answer}"
    );
    assert!(answer["err"].is_string());
    let words = [
        fixture!("401_OAUTH_027"),
        fixture!("404_ITEM_013"),
        fixture!("post_task__400_CRTSK_001"),
        fixture!("put_task__400_CRTSK_001"),
        fixture!("post_task__400_INPUT_005"),
    ];
    let same_code = |known: &&Value| known["ECODE"] == answer["ECODE"];
    assert!(
        words.iter().filter(same_code).count() == 0 || words.contains(&answer),
        "{answer}"
    );
    assert_eq!(clickup.tasks(), before);
    clickup.task("One").has_comments([]);
}

#[tokio::test]
async fn a_form_is_refused() {
    let clickup = clickup().await;
    let url = format!("{}/list/{}/task", clickup.api_url(), clickup.list_id());
    let request = http_client()
        .post(url)
        .header("authorization", clickup.token())
        .body("name=x");
    let answer = request
        .header("content-type", "application/x-www-form-urlencoded")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status().as_u16(), 400);
    assert!(clickup.tasks().is_empty());
}

#[tokio::test]
async fn done_sets_the_dates_and_a_repeated_done_changes_nothing() {
    let clickup = clickup().await;
    let id = clickup.add_task(json!({"name": "Renew", "status": "in review"}));
    let done = Some(json!({"status": "complete", "tags": ["ignored"]}));
    let (_, first) = clickup
        .ask("PUT", &format!("/task/{id}"), done.clone())
        .await;
    assert_eq!(first["status"]["type"], "closed");
    assert_eq!(first["date_closed"], first["date_updated"]);
    assert_eq!(first["tags"], json!([]));
    let (_, second) = clickup.ask("PUT", &format!("/task/{id}"), done).await;
    assert_eq!(first, second);
    clickup.set_status("Renew", "shipped", ANA);
    let task = clickup.task("Renew").is("shipped").json();
    assert!(task["date_closed"].is_null() && task["date_done"].is_string());
}

#[tokio::test]
async fn a_listing_hides_what_it_is_not_asked_for() {
    let clickup = clickup().await;
    for (name, status) in [
        ("open", "to do"),
        ("active", "in review"),
        ("shipped", "shipped"),
        ("closed", "complete"),
    ] {
        clickup.add_task(json!({"name": name, "status": status}));
    }
    let parent = clickup.task("open").id().to_owned();
    clickup.add_task(json!({"name": "part", "parent": parent}));
    clickup.add_task(json!({"name": "elsewhere", "list": "901100000002"}));
    clickup.add_task(json!({"name": "archived"}));
    clickup.as_person("archived", ANA, &json!({"archived": true}));
    let list = format!("/list/{}/task", clickup.list_id());
    assert_eq!(clickup.names(&list).await, ["active", "open"]);
    assert_eq!(
        clickup
            .names(&format!("{list}?limit=1&query=nothing"))
            .await,
        ["active", "open"]
    );
    assert_eq!(
        clickup.names(&format!("{list}?include_closed=true")).await,
        ["closed", "shipped", "active", "open"]
    );
    assert_eq!(
        clickup
            .names(&format!("{list}?subtasks=true&reverse=true"))
            .await,
        ["open", "active", "part"]
    );
    assert_eq!(
        clickup
            .names(&format!(
                "{list}?statuses[]=complete&statuses[]=in%20review"
            ))
            .await,
        ["closed", "active"]
    );
    assert_eq!(
        clickup.names(&format!("{list}?archived=true")).await,
        ["archived"]
    );
    let team = "/team/9001/task?list_ids[]=901100000002";
    assert_eq!(clickup.names(team).await, ["elsewhere"]);
    let last = text(&clickup.task("elsewhere").json()["date_updated"]);
    assert!(
        clickup
            .names(&format!("{team}&date_updated_gt={last}"))
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn pages_have_a_hundred_tasks() {
    let clickup = clickup().await;
    for number in 0..101 {
        clickup.add_task(json!({"name": format!("task {number}")}));
    }
    let list = format!("/list/{}/task", clickup.list_id());
    let first = clickup.get(&list).await;
    assert_eq!(
        (
            first["tasks"].as_array().unwrap().len(),
            &first["last_page"]
        ),
        (100, &json!(false))
    );
    let second = clickup.get(&format!("{list}?page=1")).await;
    assert_eq!(
        (
            second["tasks"].as_array().unwrap().len(),
            &second["last_page"]
        ),
        (1, &json!(true))
    );
}

#[tokio::test]
async fn comments_come_newest_first_in_pages_of_25() {
    let clickup = clickup().await;
    let id = clickup.add_task(json!({"name": "Talk"}));
    for number in 0..26 {
        clickup.comment_by("Talk", BO, &format!("comment {number}"));
    }
    let path = format!("/task/{id}/comment");
    let page = clickup.get(&path).await;
    let page = page["comments"].as_array().unwrap();
    assert_eq!(
        (page.len(), &page[0]["comment_text"]),
        (25, &json!("comment 25"))
    );
    let next = format!(
        "{path}?start={}&start_id={}",
        text(&page[24]["date"]),
        text(&page[24]["id"])
    );
    let next = clickup.get(&next).await;
    assert_eq!(next["comments"].as_array().unwrap().len(), 1);
    assert_eq!(next["comments"][0]["comment_text"], "comment 0");
}

#[tokio::test]
async fn others_reply_and_add_files_and_checklists() {
    let clickup = clickup().await;
    clickup.add_task(json!({"name": "A"}));
    let task = clickup.task("A").id().to_owned();
    let comment = clickup.comment_by("A", ANA, "shipped");
    clickup.reply_by(&comment, BO, "to both?");
    clickup.attach_by("A", BO, "shop.png");
    clickup.add_checklist("A", BO, "Shops");
    let listed = clickup.get(&format!("/task/{task}/comment")).await;
    assert_eq!(listed["comments"].as_array().unwrap().len(), 1);
    assert_eq!(listed["comments"][0]["reply_count"], "1");
    let replies = clickup.get(&format!("/comment/{comment}/reply")).await;
    assert_eq!(replies["comments"][0]["comment_text"], "to both?");
    let shown = clickup.get(&format!("/task/{task}")).await;
    assert_eq!(shown["attachments"][0]["user"]["id"], BO);
    assert_eq!(shown["checklists"][0]["name"], "Shops");
}

#[tokio::test]
async fn a_file_comes_in_a_form_and_shows_at_its_task() {
    let clickup = clickup().await;
    clickup.add_task(json!({"name": "A"}));
    let task = clickup.task("A").id().to_owned();
    let path = format!("/task/{task}/attachment");
    let send = async |kind: &str, body: &str| {
        let request = http_client()
            .post(format!("{}{path}", clickup.api_url()))
            .header("authorization", clickup.token())
            .header("content-type", kind);
        let answer = request.body(body.to_owned()).send().await.unwrap();
        let status = answer.status().as_u16();
        let body: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        (status, body)
    };
    let part = "Content-Disposition: form-data; name=\"attachment\"; filename=\"a b.png\"";
    let form = format!("--x\r\n{part}\r\n\r\nbytes\r\n--x--\r\n");
    for (kind, body) in [
        ("application/json", "{}"),
        ("multipart/form-data", form.as_str()),
        ("multipart/form-data; boundary=y", form.as_str()),
        (
            "multipart/form-data; boundary=x",
            "--x\r\n\r\nbytes\r\n--x--\r\n",
        ),
    ] {
        assert_eq!(send(kind, body).await.0, 400, "{kind}: {body}");
    }
    let kind = "multipart/form-data; boundary=x";
    let (status, made) = send(kind, &form).await;
    assert_eq!((status, &made["title"]), (200, &json!("a b.png")));
    let shown = clickup.get(&format!("/task/{task}")).await["attachments"][0].clone();
    assert_eq!((&shown["id"], &shown["size"]), (&made["id"], &json!(5)));
    assert_eq!(clickup.task("A").attachments(), [("a b.png".to_owned(), 5)]);
    clickup.storage_is_full(true);
    let (status, refused) = send(kind, &form).await;
    assert_eq!((status, &refused["ECODE"]), (400, &json!("GBUSED_005")));
}

#[tokio::test]
async fn a_comment_that_was_applied_and_lost_is_there() {
    let clickup = clickup().await;
    let id = clickup.add_task(json!({"name": "Talk"}));
    clickup
        .front()
        .fault(Fault::new(FaultKind::ApplyThenDrop).on("POST", "/comment"));
    let url = format!("{}/task/{id}/comment", clickup.api_url());
    let request = http_client()
        .post(url)
        .header("authorization", clickup.token());
    let request = request
        .header("content-type", "application/json")
        .body(r#"{"comment_text":"shipped","notify_all":true}"#);
    request.send().await.unwrap_err();
    clickup.task("Talk").has_comments(["shipped"]);
    assert_eq!(
        clickup.task("Talk").json()["date_updated"],
        clickup.task("Talk").json()["date_created"]
    );
}

/// A written mention reads back in its parts, independent of its form in the flat text.
#[rstest]
#[case::called(MentionsAs::Called, json!("@Bo"), "ask @Bo, now")]
#[case::named(MentionsAs::Named, Value::Null, "ask Bo, now")]
#[case::nothing(MentionsAs::Nothing, Value::Null, "ask , now")]
#[tokio::test]
async fn a_mention_reads_back(#[case] way: MentionsAs, #[case] inside: Value, #[case] flat: &str) {
    let clickup = clickup().await;
    clickup.shows_mentions(way);
    let id = clickup.add_task(json!({"name": "Talk"}));
    let path = format!("/task/{id}/comment");
    let parts = json!([{"text": "ask "}, {"type": "tag", "user": {"id": 4243}}, {"text": ", now"}]);
    let body = json!({"comment": parts, "notify_all": false});
    let (status, _) = clickup.ask("POST", &path, Some(body)).await;
    assert_eq!(status, 200);
    let comments = clickup.get(&path).await;
    let comment = &comments["comments"][0];
    assert_eq!(comment["comment_text"], flat);
    let parts = &comment["comment"];
    assert_eq!([&parts[0]["text"], &parts[2]["text"]], ["ask ", ", now"]);
    let tag = &parts[1];
    assert_eq!(
        (&tag["type"], &tag["user"]["id"], &tag["text"]),
        (&json!("tag"), &json!(4243), &inside)
    );
    assert_eq!(clickup.task("Talk").mentions(), [4243]);
}

#[tokio::test]
async fn what_is_written_comes_back_formatted_when_told_to() {
    let clickup = clickup().await;
    clickup.shows_formatted(true);
    let body = json!({"name": "Talk", "description": "- **one**\n- see [docs](https://a.test/x)"});
    let list = format!("/list/{}/task", clickup.list_id());
    let (status, task) = clickup.ask("POST", &list, Some(body)).await;
    assert_eq!(
        (status, task["text_content"].as_str()),
        (200, Some("one\nsee docs\n"))
    );
    let path = format!("/task/{}/comment", task["id"].as_str().unwrap());
    let body = json!({"comment_text": "run `make test`", "notify_all": false});
    assert_eq!(clickup.ask("POST", &path, Some(body)).await.0, 200);
    let comments = clickup.get(&path).await;
    let comment = &comments["comments"][0];
    assert_eq!(comment["comment_text"], "run make test\n");
    assert_eq!(comment["comment"][0]["text"], "run make test");
    assert_eq!(comment["comment"][1]["text"], "\n");
}

#[tokio::test]
async fn a_subtask_is_created_in_the_list_of_its_parent() {
    let clickup = clickup().await;
    let id = clickup.add_task(json!({"name": "Whole"}));
    let body = |parent: Value| Some(json!({"name": "Part", "parent": parent}));
    let list = format!("/list/{}/task", clickup.list_id());
    let (status, part) = clickup.ask("POST", &list, body(json!(id))).await;
    assert_eq!((status, &part["parent"]), (200, &json!(id)));
    let refused = json!({"err": "Parent not child of list", "ECODE": "ITEM_137"});
    for (path, parent) in [
        ("/list/901100000002/task", json!(id)),
        (list.as_str(), json!("86zzz")),
        (list.as_str(), json!(7)),
    ] {
        let answer = clickup.ask("POST", path, body(parent)).await;
        assert_eq!(answer, (400, refused.clone()), "{path}");
    }
}

#[tokio::test]
async fn a_type_is_plain_or_one_of_the_workspace() {
    let clickup = clickup().await;
    let id = clickup.add_task(json!({"name": "Renew"}));
    clickup.add_type("Bug");
    let team = clickup.get("/team").await["teams"][0]["id"].clone();
    let types = format!("/team/{}/custom_item", text(&team));
    let listed = clickup.get(&types).await;
    let bug = listed["custom_items"][1].clone();
    assert_eq!(bug["name"], "Bug");
    let path = format!("/task/{id}");
    for (number, status) in [
        (bug["id"].clone(), 200),
        (json!(1), 200),
        (json!(9), 400),
        (json!("1"), 400),
        (json!(0), 200),
        (json!(null), 200),
    ] {
        let body = json!({ "custom_item_id": number });
        let (got, task) = clickup.ask("PUT", &path, Some(body)).await;
        assert_eq!(got, status, "{number}");
        if got == 200 {
            let shown = number.as_i64().unwrap_or_default();
            assert_eq!(task["custom_item_id"], shown, "{number}");
        }
    }
    clickup.hide_types(true);
    assert_eq!(clickup.ask("GET", &types, None).await.0, 401);
}

#[tokio::test]
async fn listings_lag_when_told_to() {
    let clickup = clickup().await;
    let id = clickup.add_task(json!({"name": "Old"}));
    clickup.lag(true);
    clickup.add_task(json!({"name": "New"}));
    clickup.comment_by("Old", ANA, "new");
    let (tasks, comments) = (
        format!("/list/{}/task", clickup.list_id()),
        format!("/task/{id}/comment"),
    );
    assert_eq!(clickup.names(&tasks).await, ["Old"]);
    assert_eq!(clickup.get(&comments).await["comments"], json!([]));
    clickup.lag(false);
    assert_eq!(clickup.names(&tasks).await, ["New", "Old"]);
    assert_eq!(
        clickup.get(&comments).await["comments"][0]["comment_text"],
        "new"
    );
}

#[tokio::test]
async fn rate_limits_are_on_every_answer_and_hold() {
    let clickup = clickup().await;
    clickup.rate_limit(1);
    let ask = || {
        http_client()
            .get(format!("{}/user", clickup.api_url()))
            .header("authorization", clickup.token())
            .send()
    };
    let first = ask().await.unwrap();
    assert_eq!(first.status().as_u16(), 200);
    assert_eq!(first.headers()["x-ratelimit-remaining"], "0");
    let second = ask().await.unwrap();
    assert_eq!(second.status().as_u16(), 429);
    let reset: i64 = second.headers()["x-ratelimit-reset"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=61).contains(&(reset - now() / 1000)), "seconds");
    assert_eq!(
        serde_json::from_str::<Value>(&second.text().await.unwrap()).unwrap(),
        fixture!("429_APP_002")
    );
    clickup.rate_limit_for(0, Duration::ZERO);
    assert_eq!(ask().await.unwrap().status().as_u16(), 200);
}

#[tokio::test]
async fn every_change_is_delivered_signed() {
    let clickup = clickup().await;
    let (end, url) = hook_end().await;
    clickup.add_hook(&url, "clickup-test-secret");
    let id = clickup.add_task(json!({"name": "Renew", "status": "in review"}));
    clickup
        .ask(
            "PUT",
            &format!("/task/{id}"),
            Some(json!({"status": "complete"})),
        )
        .await;
    let comment = clickup.comment_by("Renew", ANA, "café ✓");
    clickup.edit_comment(&comment, ANA, "more");
    clickup.as_person("Renew", ANA, &json!({"assignees": {"add": [BO]}}));
    clickup.move_task("Renew", "901100000002");
    clickup.delete_task("Renew");
    clickup.settled().await;
    let seen = end.journal();
    let bodies: Vec<Value> = seen
        .iter()
        .map(|seen| serde_json::from_str(&seen.body).unwrap())
        .collect();
    let events: Vec<_> = bodies.iter().map(|body| text(&body["event"])).collect();
    assert_eq!(
        events,
        [
            "taskCreated",
            "taskStatusUpdated",
            "taskStatusUpdated",
            "taskUpdated",
            "taskCommentPosted",
            "taskUpdated",
            "taskCommentUpdated",
            "taskAssigneeUpdated",
            "taskUpdated",
            "taskMoved",
            "taskUpdated",
            "spaceUpdated",
            "taskDeleted",
        ]
    );
    for seen in &seen {
        assert_eq!(
            seen.header("x-signature"),
            Some(hmac_sha256("clickup-test-secret", seen.body.as_bytes()).as_str())
        );
        assert_eq!(seen.header("content-type"), Some("application/json"));
    }
    shaped_like(&fixture!("taskCreated"), &bodies[0], "$");
    assert_eq!(bodies[1]["history_items"][0], bodies[0]["history_items"][0]);
    shaped_like(&fixture!("taskStatusUpdated"), &bodies[2], "$");
    assert_eq!(bodies[2]["history_items"], bodies[3]["history_items"]);
    assert_eq!(bodies[2]["history_items"][0]["user"]["id"], 4200);
    shaped_like(&fixture!("taskCommentPosted"), &bodies[4], "$");
    assert_eq!(
        bodies[4]["history_items"][0]["id"],
        bodies[6]["history_items"][0]["id"]
    );
    shaped_like(&fixture!("taskAssigneeUpdated"), &bodies[7], "$");
    shaped_like(&fixture!("taskMoved"), &bodies[9], "$");
    assert_eq!(
        clickup.task(&id).is("backlog").json()["list"]["name"],
        "Roadmap"
    );
    shaped_like(&fixture!("taskDeleted"), &bodies[12], "$");
    assert!(bodies[12].get("history_items").is_none());
}

#[tokio::test]
async fn deliveries_are_lost_repeated_and_reordered() {
    let clickup = clickup().await;
    let (end, url) = hook_end().await;
    let hook =
        json!({"endpoint": url, "events": ["taskStatusUpdated"], "list_id": 901_100_000_001_i64});
    clickup
        .ask("POST", "/team/9001/webhook", Some(hook.clone()))
        .await;
    assert_eq!(
        clickup
            .ask("POST", "/team/9001/webhook", Some(hook))
            .await
            .1["ECODE"],
        "OAUTH_171"
    );
    clickup.lose_next(1);
    clickup.add_task(json!({"name": "A"}));
    clickup.repeat_next(1);
    clickup.set_status("A", "in review", ANA);
    clickup.add_task(json!({"name": "not in that list", "list": "901100000002"}));
    clickup.settled().await;
    clickup.hold();
    clickup.set_status("A", "shipped", ANA);
    clickup.set_status("A", "complete", ANA);
    clickup.release_reversed();
    clickup.settled().await;
    let status = |body: &str| {
        text(&serde_json::from_str::<Value>(body).unwrap()["history_items"][0]["after"]["status"])
    };
    let arrived: Vec<_> = end
        .journal()
        .iter()
        .map(|seen| status(&seen.body))
        .collect();
    assert_eq!(arrived, ["in review", "in review", "complete", "shipped"]);
}

#[tokio::test]
async fn an_endpoint_that_fails_is_tried_five_times_and_one_that_answers_401_is_suspended() {
    let clickup = clickup().await;
    let (end, url) = hook_end().await;
    let (_, hook) = clickup
        .ask(
            "POST",
            "/team/9001/webhook",
            Some(json!({"endpoint": url, "events": ["taskDeleted"]})),
        )
        .await;
    let health = || clickup.hooks()[0]["health"].clone();
    for name in ["A", "B", "C", "D"] {
        clickup.add_task(json!({"name": name}));
    }
    end.fault(Fault::new(FaultKind::answer(500, "")).times(5));
    clickup.delete_task("A");
    clickup.settled().await;
    assert_eq!(
        (end.journal().len(), health()),
        (5, json!({"status": "failing", "fail_count": 1}))
    );
    clickup.delete_task("B");
    clickup.settled().await;
    assert_eq!(health(), json!({"status": "active", "fail_count": 0}));
    end.fault(Fault::new(FaultKind::answer(401, "")));
    clickup.delete_task("C");
    clickup.settled().await;
    clickup.delete_task("D");
    clickup.settled().await;
    assert_eq!(
        (end.journal().len(), &health()["status"]),
        (7, &json!("suspended"))
    );
    let repair = json!({"endpoint": url, "events": "*", "status": "active"});
    clickup
        .ask(
            "PUT",
            &format!("/webhook/{}", text(&hook["id"])),
            Some(repair),
        )
        .await;
    assert_eq!(health()["status"], "active");
}

#[tokio::test]
async fn the_demo_has_its_seven_tasks() {
    let clickup = SandboxClickUp::start(&Seed::demo().clickup).await.unwrap();
    assert_eq!(clickup.tasks().len(), 7);
    let task = clickup.task("Renew the certificate").is("in review").json();
    assert_eq!(task["id"], "86tst0001");
    assert!((millis(&task["due_date"]).unwrap() - now()).abs() < DAY);
}

#[tokio::test]
async fn lists_are_found_by_space_and_folder() {
    let clickup = clickup().await;
    let names = |found: &Value| -> Vec<String> {
        let found = found.as_array().unwrap().iter();
        found.map(|one| text(&one["name"])).collect()
    };
    let team = clickup.team_id();
    let spaces = clickup
        .get(&format!("/team/{team}/space?archived=false"))
        .await;
    assert_eq!(names(&spaces["spaces"]), ["Ops"]);
    let space = text(&spaces["spaces"][0]["id"]);
    let folders = clickup
        .get(&format!("/space/{space}/folder?archived=false"))
        .await;
    assert_eq!(names(&folders["folders"]), ["Product"]);
    assert_eq!(names(&folders["folders"][0]["lists"]), ["Roadmap"]);
    let loose = clickup
        .get(&format!("/space/{space}/list?archived=false"))
        .await;
    assert_eq!(names(&loose["lists"]), ["Inbox"]);
    let archived = clickup
        .get(&format!("/space/{space}/list?archived=true"))
        .await;
    assert_eq!(archived["lists"], json!([]));
    for path in ["/space/1/list", "/space/1/folder", "/team/1/space"] {
        assert_eq!(clickup.ask("GET", path, None).await.0, 401, "{path}");
    }
}
