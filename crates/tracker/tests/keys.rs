//! Volunteers with keys: registration with a proof, and what a key is for.

mod support;

use axum::{
    body::Body,
    http::{Method, Request, header},
};
use distcompute_tracker::{
    clock::Clock as _,
    rules::{jwk::PublicKey, link, nonce, receipt},
};
use ring::hmac;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use support::{Answer, Key, Tracker};

const ADMIN: &str = "--admin-token=a secret of some length";

const HTU: &str = "http://tracker.example/api/new";

async fn nonce_of(tracker: &Tracker) -> String {
    let answer = tracker.get("/api/nonce").await;
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    answer.header("dpop-nonce").expect("a nonce").to_owned()
}

async fn register(tracker: &Tracker, nickname: &str, proof: &str) -> Answer {
    let address = format!("/api/new?nickname={nickname}&stage=a");
    tracker
        .request(Method::GET, &address, &[("dpop", proof)])
        .await
}

/// Registers with a key and returns the token.
async fn join(tracker: &Tracker, nickname: &str, key: &Key) -> String {
    let nonce = nonce_of(tracker).await;
    let answer = register(tracker, nickname, &key.proof(HTU, Some(&nonce))).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["token"].as_str().expect("a token").to_owned()
}

async fn operate(tracker: &Tracker, call: &str, body: Value) -> Answer {
    let request = Request::post(format!("/api/{call}"))
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::AUTHORIZATION, "Bearer a secret of some length");
    let body = Body::from(body.to_string());
    tracker.send(request.body(body).expect("a request")).await
}

#[tokio::test]
async fn a_registration_proves_a_key_with_a_nonce_once() {
    let tracker = Tracker::start(&[]).await;
    let key = Key::new(1);
    let without = register(&tracker, "Ann", &key.proof(HTU, None)).await;
    let (status, code, _) = without.refusal();
    assert_eq!((status, code), (401, Some("use_dpop_nonce")));
    let challenge = without.header("www-authenticate").expect("a challenge");
    assert!(challenge.starts_with("DPoP "), "{challenge}");
    let nonce = without.header("dpop-nonce").expect("a nonce").to_owned();
    let proof = key.proof(HTU, Some(&nonce));
    let answer = register(&tracker, "Ann", &proof).await;
    assert_eq!(answer.status, 200);
    let next = answer.header("dpop-nonce").expect("a nonce").to_owned();
    // Neither the same proof nor another one with its nonce is accepted again.
    for repeated in [proof, Key::new(2).proof(HTU, Some(&nonce))] {
        let answer = register(&tracker, "Ann", &repeated).await;
        let (status, code, _) = answer.refusal();
        assert_eq!((status, code), (401, Some("use_dpop_nonce")));
    }
    let answer = register(&tracker, "Ann", &key.proof(HTU, Some(&next))).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_nonce_ends_and_is_one_of_the_tracker() {
    let tracker = Tracker::start(&[]).await;
    let key = Key::new(1);
    let old = nonce_of(&tracker).await;
    tracker.clock.advance(nonce::LASTS);
    let secret = hmac::Key::new(hmac::HMAC_SHA256, &[1; 32]);
    let foreign = nonce::issue(&secret, tracker.clock.now(), 1);
    for wrong in [&foreign, &old, "", "x"] {
        let answer = register(&tracker, "Ann", &key.proof(HTU, Some(wrong))).await;
        assert_eq!(answer.status, 401, "{wrong}");
        assert!(answer.header("dpop-nonce").is_some());
    }
    join(&tracker, "Ann", &key).await;
}

#[tokio::test]
async fn a_used_nonce_is_remembered_after_a_restart_and_forgotten_after_its_time() {
    let tracker = Tracker::start(&[]).await;
    let nonce = nonce_of(&tracker).await;
    let proof = Key::new(1).proof(HTU, Some(&nonce));
    assert_eq!(register(&tracker, "Ann", &proof).await.status, 200);
    let flags = ["serve", "--project", "x"];
    let tracker = tracker.restarted(&flags).await;
    assert_eq!(register(&tracker, "Ann", &proof).await.status, 401);
    let used = || {
        let database = rusqlite::Connection::open(tracker.database()).expect("the database");
        let count = "select count(*) from used_nonces";
        database
            .query_row(count, (), |row| row.get::<_, i64>(0))
            .expect("a count")
    };
    assert_eq!(used(), 1);
    tracker.store.end_leases(0).await.expect("swept");
    assert_eq!(used(), 1);
    tracker.clock.advance(nonce::LASTS + 3_600_001);
    tracker.store.end_leases(0).await.expect("swept");
    assert_eq!(used(), 0);
}

#[tokio::test]
async fn a_wrong_proof_is_refused_with_its_reason_and_none_is_needed() {
    let tracker = Tracker::start(&["--public-url", "https://example.org/t/"]).await;
    let key = Key::new(1);
    let nonce = nonce_of(&tracker).await;
    let public = "https://example.org/t/api/new";
    for (proof, word) in [
        (key.proof(HTU, Some(&nonce)), "htu"),
        ("x".to_owned(), "JWS"),
        (String::new(), "JWS"),
        ("\u{fc}".to_owned(), "characters"),
        ("a".repeat(5_000), "4 KB"),
    ] {
        let answer = register(&tracker, "Ann", &proof).await;
        let (status, code, text) = answer.refusal();
        assert_eq!((status, code), (400, Some("invalid_dpop_proof")));
        assert!(text.contains(word), "{text}");
    }
    let proof = key.proof(public, Some(&nonce));
    let twice = [("dpop", proof.as_str()), ("dpop", proof.as_str())];
    let address = "/api/new?nickname=Ann&stage=a";
    let answer = tracker.request(Method::GET, address, &twice).await;
    assert_eq!(answer.status, 400);
    assert_eq!(register(&tracker, "Ann", &proof).await.status, 200);
    tracker.join("a", "Ann").await;
}

#[tokio::test]
async fn a_page_of_another_origin_may_send_a_proof_and_read_the_nonce() {
    let tracker = Tracker::start(&[]).await;
    let asked = [
        ("origin", "https://example.org"),
        ("access-control-request-method", "GET"),
        ("access-control-request-headers", "dpop"),
    ];
    let answer = tracker.request(Method::OPTIONS, "/api/new", &asked).await;
    let allowed = answer
        .header("access-control-allow-headers")
        .expect("headers");
    assert!(allowed.contains("dpop"), "{allowed}");
    let origin = [("origin", "https://example.org")];
    let answer = tracker.request(Method::GET, "/api/nonce", &origin).await;
    let exposed = answer
        .header("access-control-expose-headers")
        .expect("headers");
    assert!(exposed.contains("dpop-nonce"), "{exposed}");
}

#[tokio::test]
async fn a_nickname_belongs_to_the_key_that_used_it_first() {
    let tracker = Tracker::start(&[])
        .await
        .with_jobs(&["1", "2", "3", "4", "5"])
        .await;
    let (ann, mallory) = (Key::new(1), Key::new(2));
    let work = async |token: &str| {
        tracker.take(token).await;
        assert_eq!(tracker.hand_in(token, "result").await.status, 200);
    };
    // Nobody's yet: nothing is said about it.
    let plain = tracker.join("a", "Ann").await;
    work(&plain).await;
    let board = tracker.get("/leaderboard").await;
    assert!(!board.text().contains("unverified"), "{}", board.text());
    let first = join(&tracker, "Ann", &ann).await;
    work(&first).await;
    let second = join(&tracker, "Ann", &mallory).await;
    work(&second).await;
    let board = tracker.get("/leaderboard").await;
    assert!(board.text().contains("(2 unverified)"), "{}", board.text());
    let found = tracker.get("/leaderboard?name=ann").await;
    assert!(found.text().contains("(2 unverified)"), "{}", found.text());
    // Two of the three workers are not the owner's.
    let dashboard = tracker.get("/").await;
    assert_eq!(dashboard.text().matches("(unverified)").count(), 2);
    // The anonymous name is nobody's.
    let unnamed = join(&tracker, "", &ann).await;
    work(&unnamed).await;
    let dashboard = tracker.get("/").await;
    assert_eq!(dashboard.text().matches("(unverified)").count(), 2);
}

#[tokio::test]
async fn a_volunteer_gets_receipts_that_the_key_of_the_tracker_verifies() {
    let tracker = Tracker::start(&[]).await.with_jobs(&["1", "2", "3"]).await;
    let key = Key::new(1);
    let token = join(&tracker, "Ann", &key).await;
    for _ in 0..2 {
        tracker.take(&token).await;
        tracker.hand_in(&token, "result").await;
    }
    let receipts = async |token: &str, query: &str| {
        let bearer = format!("Bearer {token}");
        let address = format!("/api/receipts{query}");
        let headers = [("authorization", bearer.as_str())];
        tracker.request(Method::GET, &address, &headers).await
    };
    let answer = receipts(&token, "?limit=1").await.json();
    let next = answer["next"].as_u64().expect("a cursor");
    let rest = receipts(&token, &format!("?after={next}")).await.json();
    let end = rest["next"].as_u64().expect("a cursor");
    let nothing = receipts(&token, &format!("?after={end}")).await.json();
    assert_eq!(nothing, json!({"receipts": [], "next": null}));
    let set = tracker.get("/api/receipts/key").await.json();
    let public = PublicKey::parse(&set["keys"][0].to_string()).expect("a key");
    for (answer, job) in [(&answer, 1), (&rest, 2)] {
        let text = answer["receipts"][0].as_str().expect("a receipt");
        let receipt = receipt::verify(text, &public).expect("a receipt");
        assert_eq!((receipt.job, receipt.project.as_str()), (job, "Test & Co"));
        let input = Sha256::digest(job.to_string());
        assert_eq!(receipt.input, receipt::hash(&input));
        assert_eq!(receipt.output, receipt::hash(&Sha256::digest("result")));
        assert_eq!(
            receipt.sub,
            PublicKey::parse(&key.jwk().to_string())
                .expect("a key")
                .thumbprint()
        );
    }
    // Nobody gets those of others, and without a key there are none.
    let plain = tracker.join("a", "Ann").await;
    assert_eq!(receipts(&plain, "").await.json(), nothing);
    assert_eq!(
        receipts("nobody", "").await.refusal().1,
        Some("worker_unknown")
    );
    assert_eq!(
        tracker.get("/api/receipts").await.refusal().1,
        Some("not_allowed")
    );
    // The key is the same one after a restart.
    let tracker = tracker.restarted(&["serve", "--project", "x"]).await;
    assert_eq!(tracker.get("/api/receipts/key").await.json(), set);
}

/// Calls with a proof of a key.
async fn call(tracker: &Tracker, call: &str, key: &Key, more: Value) -> Answer {
    let nonce = nonce_of(tracker).await;
    let proof = key.proof_for(call, &nonce, &more);
    let address = format!("/api/{call}");
    tracker
        .request(Method::POST, &address, &[("dpop", proof.as_str())])
        .await
}

#[tokio::test]
async fn a_device_is_linked_by_the_code_that_it_shows() {
    let tracker = Tracker::start(&[]).await.with_jobs(&["1", "2"]).await;
    let (old, new) = (Key::new(1), Key::new(2));
    let token = join(&tracker, "Ann", &old).await;
    let other = join(&tracker, "Ann", &new).await;
    for token in [&token, &other] {
        tracker.take(token).await;
        tracker.hand_in(token, "x").await;
    }
    let offered = call(&tracker, "linkCode", &new, json!({})).await;
    assert_eq!(offered.status, 200, "{}", offered.text());
    let offer = offered.json();
    assert_eq!(offer["expires_s"], 600);
    let code = offer["code"]
        .as_str()
        .expect("a code")
        .to_lowercase()
        .replace('-', " ");
    // A signature of another device, of another call, or over no code links nothing.
    for (device, claims) in [
        (&new, json!({"link": code})),
        (&old, json!({})),
        (&old, json!({"link": "AAAAA-AAAAA"})),
        (&old, json!({"link": code, "htm": "GET"})),
        (
            &old,
            json!({"link": code, "htu": "http://tracker.example/api/linkCode"}),
        ),
        (&old, json!({"link": code, "nonce": "x"})),
    ] {
        let refused = call(&tracker, "link", device, claims.clone()).await;
        assert!(refused.status.is_client_error(), "{claims}");
    }
    let linked = call(&tracker, "link", &old, json!({"link": code})).await;
    assert_eq!((linked.status.as_u16(), linked.text()), (200, "200 OK"));
    let again = call(&tracker, "link", &old, json!({"link": code})).await;
    assert_eq!(again.refusal().1, Some("link_code_unknown"));
    let dashboard = tracker.get("/").await;
    assert!(!dashboard.text().contains("(unverified)"));
    // Codes end.
    let late = call(&tracker, "linkCode", &Key::new(3), json!({}))
        .await
        .json();
    tracker.clock.advance(link::LASTS);
    let ended = call(&tracker, "link", &old, json!({"link": late["code"]})).await;
    assert_eq!(ended.refusal().1, Some("link_code_unknown"));
    let without = tracker.request(Method::POST, "/api/linkCode", &[]).await;
    assert_eq!(without.refusal().1, Some("invalid_dpop_proof"));
}

#[tokio::test]
async fn a_key_is_banned_whatever_nickname_it_uses() {
    let tracker = Tracker::start(&[ADMIN]).await;
    let (key, other) = (Key::new(1), Key::new(2));
    join(&tracker, "Ann", &key).await;
    join(&tracker, "Ann", &other).await;
    let admin = [("authorization", "Bearer a secret of some length")];
    let list = tracker.request(Method::GET, "/api/workers", &admin).await;
    let thumbprint = list.json()["workers"][0]["key"]
        .as_str()
        .expect("a key")
        .to_owned();
    let answer = operate(
        &tracker,
        "ban",
        json!({"key": thumbprint, "reason": "junk"}),
    )
    .await;
    assert_eq!(answer.json(), json!({"ended": 1}));
    let nonce = nonce_of(&tracker).await;
    let refused = register(&tracker, "Bob", &key.proof(HTU, Some(&nonce))).await;
    assert_eq!(refused.refusal().1, Some("banned"));
    let bans = tracker.request(Method::GET, "/api/bans", &admin).await;
    assert_eq!(bans.json()[0]["key"], json!(thumbprint));
    join(&tracker, "Ann", &other).await;
    let answer = operate(&tracker, "pardon", json!({"key": thumbprint})).await;
    assert_eq!(answer.json(), json!({"pardoned": true}));
    join(&tracker, "Bob", &key).await;
    for wrong in ["", "Ann", "k:x"] {
        assert_eq!(
            operate(&tracker, "ban", json!({"key": wrong})).await.status,
            422
        );
    }
}
