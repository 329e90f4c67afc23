//! Requests as they arrive.

use axum::body::Body;
use rstest::rstest;

use super::*;
use crate::domain::log::Via;
use crate::domain::person::PersonId;

fn ana() -> Person {
    Person {
        id: PersonId(31),
        name: "Ana".into(),
        slack: None,
        github: None,
        github_id: None,
        clickup: None,
        clickup_name: None,
        zone: chrono_tz::UTC,
        alone: true,
    }
}

pub(in crate::http) async fn sent(
    request: axum::http::request::Builder,
    body: &str,
) -> Result<WriteRequest, Problem> {
    let mut request = request.body(Body::from(body.to_owned())).unwrap();
    request.extensions_mut().insert(TokenGrant {
        name: None,
        person: None,
        read_only: false,
        via: Via::Http,
        own: None,
    });
    WriteRequest::from_request(request, &()).await
}

pub(in crate::http) fn post(path: &str) -> axum::http::request::Builder {
    Request::post(path).header("content-type", "application/json")
}

#[rstest]
#[case("0", 0)]
#[case("10", 10)]
#[case("300", 300)]
#[case("301", 300)]
#[case("18446744073709551615", 300)]
fn wait_is_whole_seconds_and_has_an_end(#[case] text: &str, #[case] seconds: u64) {
    assert_eq!(read_wait(text).unwrap(), Duration::from_secs(seconds));
}

#[rstest]
#[case("/done?wait=soon")]
#[case("/done?wait=-1")]
#[case("/done?wait=1.5")]
#[case("/done?wait=")]
#[case("/done?wiat=3")]
#[tokio::test]
async fn a_bad_wait_is_a_bad_query(#[case] path: &str) {
    let problem = sent(post(path), "").await.err().unwrap();
    assert_eq!(problem.kind(), ProblemKind::BadQuery);
}

#[tokio::test]
async fn a_repeated_request_is_recognised_by_all_that_it_asks() {
    let with_key = |path: &str| post(path).header("idempotency-key", "k1");
    let once = async |request, body: &str, person: &Person| {
        sent(request, body).await.unwrap().once(person).unwrap()
    };
    let ben = Person {
        id: PersonId(32),
        ..ana()
    };
    let first = once(with_key("/done"), "{}", &ana()).await;
    assert_eq!(first.key, "k1");
    assert_eq!(first, once(with_key("/done?wait=3"), "{}", &ana()).await);
    for other in [
        once(with_key("/done"), r#"{"comment":"a"}"#, &ana()).await,
        once(with_key("/next"), "{}", &ana()).await,
        once(with_key("/done"), "{}", &ben).await,
    ] {
        assert_ne!(first.fingerprint, other.fingerprint);
    }
    assert_eq!(sent(post("/done"), "{}").await.unwrap().once(&ana()), None);
}

#[tokio::test]
async fn headers_are_read_as_utf8_and_have_an_end() {
    let named = post("/done").header("x-ivan-actor", "Zoë".as_bytes());
    assert_eq!(
        sent(named, "").await.unwrap().caller.actor.as_deref(),
        Some("Zoë")
    );
    let blank = post("/done").header("x-ivan-actor", " ");
    assert_eq!(sent(blank, "").await.unwrap().caller.actor, None);
    let latin1 = post("/done").header("x-ivan-actor", &b"Zo\xeb"[..]);
    assert_eq!(
        sent(latin1, "").await.err().unwrap().kind(),
        ProblemKind::BadHeader
    );
    let long = post("/done").header("idempotency-key", "k".repeat(256));
    assert_eq!(
        sent(long, "").await.err().unwrap().kind(),
        ProblemKind::BadHeader
    );
}

#[test]
fn a_ref_that_names_nothing_is_a_bad_body() {
    assert_eq!(read_ref("2").unwrap(), Ref::Nth(2));
    assert_eq!(
        read_ref("the first").err().unwrap().kind(),
        ProblemKind::BadBody
    );
}
