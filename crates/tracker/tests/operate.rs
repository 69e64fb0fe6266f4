//! What an operator relies on: health checks, metrics, request ids, the admin token, time limits,
//! headers.

mod support;

use std::time::{Duration, Instant};

use axum::http::Method;
use distcompute_tracker::state::Timeouts;
use serde_json::json;
use support::Tracker;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

const TOKEN: &str = "a secret of some length";
const SHOWN: (&str, &str) = ("authorization", "Bearer a secret of some length");

#[tokio::test]
async fn health_and_readiness_differ() {
    let tracker = Tracker::start(&[]).await;
    assert_eq!(tracker.get("/healthz").await.text(), "alive");
    assert_eq!(tracker.get("/readyz").await.text(), "ready");
    tracker.store.close().await;
    assert_eq!(tracker.get("/healthz").await.text(), "alive");
    let answer = tracker.get("/readyz").await;
    assert_eq!(answer.refusal().0, 503);
    assert_eq!(answer.refusal().1, Some("unavailable"));
    assert_eq!(answer.header("retry-after"), Some("5"));
}

#[tokio::test]
async fn metrics_require_the_admin_token() {
    let tracker = Tracker::start(&["--admin-token", TOKEN])
        .await
        .with_jobs(&["1", "2", "3"])
        .await;
    let token = tracker.join("a", "Ann").await;
    tracker.take(&token).await;
    tracker.get("/no/such/page").await;
    assert_eq!(tracker.get("/metrics").await.refusal().0, 401);
    let wrong = [("authorization", "Bearer a secret of some lengtH")];
    let answer = tracker.request(Method::GET, "/metrics", &wrong).await;
    assert_eq!(answer.refusal().1, Some("not_allowed"));
    let answer = tracker.request(Method::GET, "/metrics", &[SHOWN]).await;
    let kind = answer.header("content-type").expect("a type");
    assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
    for line in [
        "distcompute_jobs{stage=\"a\",state=\"open\"} 2",
        "distcompute_jobs{stage=\"a\",state=\"held\"} 1",
        "distcompute_workers{stage=\"a\"} 1",
        "distcompute_database_up 1",
        "distcompute_leases_granted_total{stage=\"a\"} 1",
        "distcompute_results_accepted_total{stage=\"a\"} 0",
        "distcompute_http_request_duration_seconds_count{method=\"POST\",route=\"/api/newJob\",status=\"200\"} 1",
        "distcompute_http_request_duration_seconds_count{method=\"GET\",route=\"none\",status=\"404\"} 1",
        "distcompute_http_request_duration_seconds_count{method=\"GET\",route=\"/metrics\",status=\"401\"} 2",
    ] {
        assert!(
            answer.text().lines().any(|other| other == line),
            "{line}:\n{}",
            answer.text()
        );
    }
}

#[tokio::test]
async fn a_project_that_is_not_for_everybody_takes_those_who_show_its_key() {
    let tracker = Tracker::start(&["--join-key", "Only-for.my_friends~"]).await;
    let new = "/api/new?nickname=Ann&stage=a";
    for shown in ["Only-for.my_friends", "only-for.my_friends~", "", "ä"] {
        let key = [("distcompute-join-key", shown)];
        let answer = tracker.request(Method::GET, new, &key).await;
        let (status, code, text) = answer.refusal();
        assert_eq!((status, code), (401, Some("join_key_required")), "{shown}");
        assert!(
            text.contains("takes volunteers who have its join key"),
            "{text}"
        );
    }
    // What is wrong besides is told to those with the key.
    assert_eq!(tracker.get("/api/new?stage=zzz").await.refusal().0, 401);
    let key = [("distcompute-join-key", "Only-for.my_friends~")];
    let answer = tracker.request(Method::GET, new, &key).await;
    assert_eq!(answer.status, 200);
    let token = answer.json()["token"].clone();
    let sync = tracker
        .post("sync", json!({ "token": token, "seq": 1 }))
        .await;
    assert_eq!(sync.status, 200, "{}", sync.text());
    let asked = [
        ("origin", "https://example.org"),
        ("access-control-request-method", "GET"),
        ("access-control-request-headers", "distcompute-join-key"),
    ];
    let preflight = tracker.request(Method::OPTIONS, new, &asked).await;
    let allowed = preflight.header("access-control-allow-headers");
    assert!(allowed.is_some_and(|names| names.contains("distcompute-join-key")));
    // A project for everybody takes clients that show a key, too.
    let open = Tracker::start(&[]).await;
    assert_eq!(open.request(Method::GET, new, &key).await.status, 200);
    assert_eq!(open.get(&format!("/join/any-key{new}")).await.status, 200);
}

#[tokio::test]
async fn without_a_token_there_is_no_admin() {
    let tracker = Tracker::start(&[]).await;
    for shown in ["Bearer ", "Bearer", "bearer x", "Basic x"] {
        let headers = [("authorization", shown)];
        let answer = tracker.request(Method::GET, "/metrics", &headers).await;
        assert_eq!(answer.refusal().0, 401, "{shown:?}");
        assert!(answer.text().contains("has none"), "{}", answer.text());
    }
}

/// Sends `request` and returns everything that the other side sends until it closes.
async fn talk(stream: &mut TcpStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    answer
}

#[tokio::test]
async fn loopback_reads_metrics_where_that_is_wanted_but_not_through_a_proxy() {
    let ask = "GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n";
    for (who, direct, proxied) in [("loopback", "200", "401"), ("token", "401", "401")] {
        let tracker = Tracker::start(&["--metrics", who]).await;
        let served = tracker.listen(support::SHORT).await;
        for (more, status) in [("", direct), ("x-forwarded-for: 127.0.0.1\r\n", proxied)] {
            let mut stream = TcpStream::connect(served.address).await.expect("connected");
            let answer = talk(&mut stream, &format!("{ask}{more}\r\n")).await;
            let line = answer.lines().next().unwrap_or_default();
            assert!(line.contains(status), "{who} {more:?}: {line}");
        }
    }
}

#[tokio::test]
async fn a_request_keeps_its_name_or_gets_one() {
    let tracker = Tracker::start(&[]).await;
    let named = [("x-request-id", "abc-123")];
    let answer = tracker.request(Method::GET, "/healthz", &named).await;
    assert_eq!(answer.header("x-request-id"), Some("abc-123"));
    let odd = [("x-request-id", "<script> level=error")];
    let first = tracker.request(Method::GET, "/nowhere", &odd).await;
    let second = tracker.get("/healthz").await;
    let ids = [&first, &second].map(|answer| answer.header("x-request-id").expect("an id"));
    assert!(ids.iter().all(|id| id.len() == 36), "{ids:?}");
    assert_ne!(ids[0], ids[1]);
}

#[tokio::test]
async fn every_answer_says_what_it_may_do_in_a_browser() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("worker.js"), "1").expect("a script");
    let files = format!("/v={}", folder.path().display());
    let tracker = Tracker::start(&["--files", &files]).await;
    for (address, word) in [
        ("/v/worker.js", "worker-src 'self'"),
        ("/v/worker.js", "script-src 'self' 'wasm-unsafe-eval'"),
        ("/v/nothing", "frame-ancestors 'self'"),
        ("/", "script-src 'self'"),
        ("/api/project", "default-src 'none'"),
        ("/nowhere", "default-src 'none'"),
    ] {
        let answer = tracker.get(address).await;
        let policy = answer.header("content-security-policy").expect("a policy");
        assert!(policy.contains(word), "{address}: {policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    }
    let tracker = Tracker::start(&["--files", &files, "--files-policy", "img-src *"]).await;
    let answer = tracker.get("/v/worker.js").await;
    assert_eq!(answer.header("content-security-policy"), Some("img-src *"));
}

#[tokio::test]
async fn every_page_has_the_headers_that_keep_others_out() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("index.html"), "<p>").expect("a page");
    let files = format!("/v={}", folder.path().display());
    let tracker = Tracker::start(&["--files", &files])
        .await
        .with_jobs(&["1"])
        .await;
    let pages = ["/", "/leaderboard", "/job/1", "/assets/style.css"];
    for address in pages
        .iter()
        .chain(&["/v/", "/v/nothing", "/nowhere", "/api/project"])
    {
        let answer = tracker.get(address).await;
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{address} {name}");
        }
        let devices = answer.header("permissions-policy").unwrap_or_default();
        assert!(devices.contains("camera=()"), "{address}: {devices}");
        assert!(answer.header("content-security-policy").is_some());
    }
    let resource = "cross-origin-resource-policy";
    for address in pages {
        let answer = tracker.get(address).await;
        assert_eq!(answer.header(resource), Some("same-origin"), "{address}");
    }
    let answer = tracker.get("/api/project").await;
    assert_eq!(answer.header(resource), Some("cross-origin"));
}

#[tokio::test]
async fn a_tracker_that_has_names_answers_to_no_other() {
    let tracker = Tracker::start(&["--host", "tracker.example.org"]).await;
    for (host, address, status) in [
        ("tracker.example.org", "/api/project", 200),
        ("Tracker.example.org:443", "/", 200),
        ("rebound.example", "/api/project", 421),
        ("rebound.example", "/", 421),
        ("192.0.2.1:8080", "/healthz", 200),
        ("192.0.2.1:8080", "/readyz", 200),
    ] {
        let answer = tracker
            .request(Method::GET, address, &[("host", host)])
            .await;
        assert_eq!(answer.status, status, "{host} {address}");
        if status == 421 {
            assert_eq!(answer.header("distcompute-error"), Some("wrong_host"));
        }
    }
    assert_eq!(tracker.get("/").await.status, 421, "no name at all");
    let any = Tracker::start(&[]).await;
    let answer = any.request(Method::GET, "/", &[("host", "anything")]).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn an_empty_policy_means_no_such_header_on_files_and_nowhere_else() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("index.html"), "<p>").expect("a page");
    let files = format!("/v={}", folder.path().display());
    let tracker = Tracker::start(&["--files", &files, "--files-policy="]).await;
    for address in ["/v/", "/v/index.html", "/v", "/v/nothing"] {
        let answer = tracker.get(address).await;
        assert_eq!(answer.header("content-security-policy"), None, "{address}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    }
    for address in ["/", "/api/project", "/nowhere"] {
        let answer = tracker.get(address).await;
        assert!(
            answer.header("content-security-policy").is_some(),
            "{address}"
        );
    }
}

#[tokio::test]
async fn a_connection_without_a_request_is_closed() {
    let tracker = Tracker::start(&[]).await;
    let served = tracker.listen(support::SHORT).await;
    let mut silent = TcpStream::connect(served.address).await.expect("connected");
    let mut slow = TcpStream::connect(served.address).await.expect("connected");
    let started = Instant::now();
    slow.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nx-a: ")
        .await
        .expect("sent");
    // Sending a byte now and then does not help: the limit is for the whole head.
    let (mut reads, mut writes) = slow.split();
    let trickle = async {
        while writes.write_all(b"a").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        std::future::pending::<()>().await;
    };
    let mut answer = Vec::new();
    tokio::select! {
        read = reads.read_to_end(&mut answer) => {
            // Some systems report a reset instead of a close; either way the connection has ended.
            assert!(read.is_err() || !answer.starts_with(b"HTTP/1.1 200"));
        }
        () = trickle => {}
    }
    let mut nothing = Vec::new();
    silent.read_to_end(&mut nothing).await.expect("closed");
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let tracker = Tracker::start(&[]).await;
    let served = tracker.listen(support::SHORT).await;
    let mut stream = TcpStream::connect(served.address).await.expect("connected");
    let head = "POST /api/bye HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{";
    let answer = talk(&mut stream, head).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("distcompute-error: too_slow"), "{answer}");
}

#[tokio::test]
async fn a_connection_that_reads_no_response_is_closed_and_an_idle_one_is_not() {
    let jobs = ["x".repeat(15_000_000)];
    let jobs: Vec<&str> = jobs.iter().map(String::as_str).collect();
    let tracker = Tracker::start(&[]).await.with_jobs(&jobs).await;
    let token = tracker.join("a", "Ann").await;
    // Long enough for a reader that is held up by other processes.
    let served = tracker
        .listen(Timeouts {
            unread: Duration::from_secs(2),
            ..support::LONG
        })
        .await;
    let body = json!({ "token": token }).to_string();
    let head = format!(
        "POST /api/newJob HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(served.address).await.expect("connected");
    stream.write_all(head.as_bytes()).await.expect("sent");
    // The response has begun, and is not read.
    assert!(stream.peek(&mut [0]).await.expect("an answer") > 0);
    // A byte that arrives at a closed connection is answered with a reset.
    let closed = async {
        while stream.write_all(b" ").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let closed = tokio::time::timeout(Duration::from_secs(60), closed).await;
    closed.expect("the connection was closed");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(answer.starts_with(b"HTTP/1.1 200"));
    assert!(answer.len() < 15_000_000, "{}", answer.len());
    // The same response, read at once, arrives in full.
    let mut stream = TcpStream::connect(served.address).await.expect("connected");
    let closing = head.replace("host: x", "host: x\r\nconnection: close");
    let answer = talk(&mut stream, &closing).await;
    assert!(answer.len() > 15_000_000, "{}", answer.len());
}

#[tokio::test]
async fn a_request_in_flight_is_finished_when_the_tracker_stops() {
    let tracker = Tracker::start(&[]).await.with_jobs(&["1"]).await;
    let token = tracker.join("a", "Ann").await;
    tracker.take(&token).await;
    let served = tracker.listen(support::SHORT).await;
    let body = json!({ "token": token, "data": "done" }).to_string();
    let (first, rest) = body.split_at(10);
    let mut stream = TcpStream::connect(served.address).await.expect("connected");
    let mut idle = TcpStream::connect(served.address).await.expect("connected");
    let head = format!(
        "POST /api/completeJob HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    // "Continue" is sent when the handler reads the body, so the request is in flight now.
    let mut word = [0; 12];
    stream.read_exact(&mut word).await.expect("continue");
    assert_eq!(&word, b"HTTP/1.1 100");
    stream.write_all(first.as_bytes()).await.expect("sent");
    served.stop.send(()).expect("told to stop");
    let mut nothing = Vec::new();
    idle.read_to_end(&mut nothing).await.expect("closed");
    let answer = talk(&mut stream, rest).await;
    assert!(answer.contains("HTTP/1.1 200"), "{answer}");
    served.task.await.expect("stopped");
    assert_eq!(
        tracker.store.status().await.expect("a status").stages[0].done,
        1
    );
}

#[tokio::test]
async fn what_no_client_sends_is_refused_exactly() {
    let tracker = Tracker::start(&["--max-body", "2000000"])
        .await
        .with_jobs(&["1"])
        .await;
    let token = tracker.join("a", "Ann").await;
    tracker.take(&token).await;
    let json = "application/json";
    let deep = format!(
        "{{\"token\":{}1{}}}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let items: Vec<_> = (0..10_000).map(|item| json!({ "lease": item })).collect();
    let many = json!({ "token": items }).to_string();
    let cases: [(&str, Vec<u8>, u16); 8] = [
        (json, b"{\"token\":\"\xff\xfe\"}".to_vec(), 422),
        (json, deep.into_bytes(), 422),
        (json, many.into_bytes(), 422),
        (json, b"{\"token\":\"\\ud800\"}".to_vec(), 422),
        (json, b"{\"token\":1e999}".to_vec(), 422),
        (json, vec![b' '; 2_000_001], 413),
        ("text/plain", b"{\"token\":\"x\"}".to_vec(), 422),
        (
            json,
            b"{\"data\":\"\",\"token\":\"x\",\"token\":\"y\"}".to_vec(),
            404,
        ),
    ];
    for (kind, body, status) in cases {
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        let answer = tracker.post_raw("completeJob", kind, body).await;
        assert_eq!(answer.status, status, "{shown}: {}", answer.text());
        assert!(answer.header("distcompute-error").is_some(), "{shown}");
        assert!(
            answer.bytes.len() < 2_000,
            "{shown}: what was sent is not sent back"
        );
    }
    for address in [
        "/api/new?nickname=%ff%fe&stage=a",
        "/api/new?nickname=x&stage=%00",
    ] {
        let status = tracker.get(address).await.status.as_u16();
        assert!((200..500).contains(&status), "{address}: {status}");
    }
    for number in ["-1", "1.5", "\"1\"", "18446744073709551616", "[]"] {
        let body = format!("{{\"token\":\"{token}\",\"data\":\"x\",\"number\":{number}}}");
        let answer = tracker
            .post_raw("completeJob", json, body.into_bytes())
            .await;
        assert_eq!(answer.refusal().0, 422, "{number}");
    }
    let answer = tracker
        .post(
            "completeJob",
            json!({ "token": token, "data": "x", "number": u64::MAX }),
        )
        .await;
    assert_eq!(answer.refusal().1, Some("wrong_job"));
    assert_eq!(
        tracker.hand_in(&token, "good").await.status,
        200,
        "nothing was lost"
    );
}
