//! The limits of each address, over sockets. The test acts as a proxy on this machine, which
//! reports callers in `X-Forwarded-For`.

mod support;

use axum::http::Method;
use futures_util::future::join_all;
use serde_json::{Value, json};
use support::{Served, Tracker};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// A caller on this machine without a proxy in between.
const NOBODY: &str = "";

struct Reply {
    status: u16,
    head: String,
    body: String,
}

impl Reply {
    fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.head.lines().filter_map(|line| line.split_once(": "));
        let found = headers.find(|(of, _)| of.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value)
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }
}

/// Sends a request on a connection of its own. `from` is the caller's address as the proxy reports
/// it.
async fn ask(served: &Served, request: &str, from: &str, more: &str, body: &str) -> Reply {
    let mut stream = TcpStream::connect(served.address).await.expect("connected");
    let forwarded = match from {
        NOBODY => String::new(),
        from => format!("x-forwarded-for: {from}\r\n"),
    };
    let kind = "content-type: application/json\r\n";
    let length = body.len();
    let head = format!(
        "{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{forwarded}{more}{kind}\
         content-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    Reply {
        status: status.expect("a status"),
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

async fn get(served: &Served, from: &str) -> Reply {
    ask(served, "GET /api/jobCount?stage=a", from, "", "").await
}

#[tokio::test]
async fn a_refusal_of_too_many_requests_has_a_retry_after() {
    let tracker = Tracker::start(&["--limit-requests", "1"]).await;
    let served = tracker.listen(support::LONG).await;
    let origin = "origin: https://pages.example\r\n";
    let mut refused = None;
    for _ in 0..20 {
        let call = "GET /api/jobCount?stage=a";
        let reply = ask(&served, call, "192.0.2.1", origin, "").await;
        if reply.status != 200 {
            refused = Some(reply);
        }
    }
    let refused = refused.expect("ten may come at once");
    assert_eq!(refused.status, 429);
    let code = refused.header("distcompute-error");
    assert_eq!(code, Some("too_many_requests"));
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert!(
        refused.body.contains("Try again in 1 s"),
        "{}",
        refused.body
    );
    // Without these headers, a browser does not let a page of another origin read the response.
    assert_eq!(refused.header("access-control-allow-origin"), Some("*"));
    let exposed = refused.header("access-control-expose-headers");
    assert!(exposed.is_some_and(|names| names.contains("retry-after")));
    assert_eq!(get(&served, "192.0.2.2").await.status, 200);
}

#[tokio::test]
async fn what_a_caller_claims_does_not_change_its_address() {
    let tracker = Tracker::start(&["--limit-requests", "1"]).await;
    let served = tracker.listen(support::LONG).await;
    let mut refused = 0;
    for at in 0..20 {
        // The rightmost address is the one added by the proxy on this machine.
        let claimed = format!("198.51.100.{at}, 192.0.2.1");
        refused += u32::from(get(&served, &claimed).await.status == 429);
    }
    assert!(refused >= 5, "{refused}");
    let mut refused = 0;
    for at in 0..20 {
        // All from one IPv6 network.
        let address = format!("2001:db8:0:1::{at}");
        refused += u32::from(get(&served, &address).await.status == 429);
    }
    assert!(refused >= 5, "{refused}");
}

#[tokio::test]
async fn this_machine_without_a_proxy_and_the_operator_are_not_limited() {
    let token = "a secret of some length";
    let tracker = Tracker::start(&["--limit-requests", "1", "--admin-token", token]).await;
    let served = tracker.listen(support::LONG).await;
    let shown = format!("authorization: Bearer {token}\r\n");
    let wrong = "authorization: Bearer a guess of some length\r\n";
    let call = "GET /api/jobCount?stage=a";
    let mut refused = [0; 4];
    for _ in 0..20 {
        let replies = [
            ask(&served, call, NOBODY, "", "").await,
            ask(&served, call, "192.0.2.1", &shown, "").await,
            ask(&served, call, "192.0.2.2", wrong, "").await,
            // A proxy that reports a caller on this machine is still a proxy.
            ask(&served, call, "127.0.0.1", "", "").await,
        ];
        for (count, reply) in refused.iter_mut().zip(replies) {
            *count += u32::from(reply.status == 429);
        }
    }
    let [local, operator, guessing, proxied] = refused;
    assert_eq!([local, operator], [0, 0]);
    assert!(guessing >= 5 && proxied >= 5, "{refused:?}");
}

#[tokio::test]
async fn registrations_and_bytes_have_limits_of_their_own() {
    let tracker = Tracker::start(&["--limit-registrations", "1", "--limit-bytes", "2048"]).await;
    let served = tracker.listen(support::LONG).await;
    let register = "GET /api/new?nickname=None&stage=a";
    let mut refused = 0;
    for _ in 0..15 {
        let reply = ask(&served, register, "192.0.2.1", "", "").await;
        if reply.status == 429 {
            let wait: u64 = reply
                .header("retry-after")
                .map_or(0, |s| s.parse().expect("s"));
            assert!((2..=60).contains(&wait), "{wait}");
            refused += 1;
        }
    }
    assert!(refused >= 4, "{refused}");
    assert_eq!(get(&served, "192.0.2.1").await.status, 200);
    let body = json!({ "token": "x", "data": "x".repeat(100_000) }).to_string();
    let hand_in = "POST /api/completeJob";
    let reply = ask(&served, hand_in, "192.0.2.2", "", &body).await;
    assert_eq!(reply.status, 404, "one may be as large as it likes");
    let reply = get(&served, "192.0.2.2").await;
    assert_eq!(reply.status, 429);
    let wait = reply.header("retry-after").map(|s| s.parse().expect("s"));
    assert!(wait.is_some_and(|wait: u64| (30..=45).contains(&wait)));
    assert_eq!(get(&served, "192.0.2.3").await.status, 200);
}

#[tokio::test]
async fn limits_of_0_are_none() {
    let flags = [
        ["--limit-registrations", "0"],
        ["--limit-requests", "0"],
        ["--limit-bytes", "0"],
        ["--limit-connections", "0"],
    ];
    let tracker = Tracker::start(&flags.concat()).await;
    let served = tracker.listen(support::LONG).await;
    let register = "GET /api/new?nickname=None&stage=a";
    for _ in 0..1_300 {
        let reply = ask(&served, register, "192.0.2.1", "", "").await;
        assert_eq!(reply.status, 200);
    }
}

/// A school class behind one address, all anonymous, with jobs that are done at once: as many
/// requests as browsers make at most.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_class_of_forty_browsers_is_never_asked_to_wait() {
    const BROWSERS: usize = 40;
    const ROUNDS: u64 = 30;
    let jobs: Vec<String> = (0..50_000).map(|job: u32| job.to_string()).collect();
    let jobs: Vec<&str> = jobs.iter().map(String::as_str).collect();
    let tracker = Tracker::start(&[]).await.with_jobs(&jobs).await;
    let served = tracker.listen(support::LONG).await;
    let browser = |_| async {
        let from = "192.0.2.1";
        let register = "GET /api/new?nickname=None&stage=a";
        let reply = ask(&served, register, from, "", "").await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        let token = reply.json()["token"].clone();
        let (mut done, mut accepted) = (Vec::new(), 0);
        for seq in 1..=ROUNDS {
            let body = json!({ "token": token, "seq": seq, "done": done, "want": 8 });
            let reply = ask(&served, "POST /api/sync", from, "", &body.to_string()).await;
            assert_eq!(reply.status, 200, "{}", reply.body);
            let answer = reply.json();
            accepted += answer["accepted"].as_array().expect("a list").len();
            let jobs = answer["jobs"].as_array().expect("a list");
            let result = |job: &Value| json!({ "lease": job["lease"], "data": "done" });
            done = jobs.iter().map(result).collect();
        }
        accepted
    };
    let accepted = join_all((0..BROWSERS).map(browser)).await;
    // Each works as if it were alone: none gets less because others share the address.
    assert!(accepted.iter().all(|count| *count > 0), "{accepted:?}");
    let (least, most) = (accepted.iter().min(), accepted.iter().max());
    assert!(
        most <= least.map(|least| 2 * least).as_ref(),
        "{accepted:?}"
    );
}

#[tokio::test]
async fn a_picture_of_a_foreign_page_registers_nobody() {
    let tracker = Tracker::start(&[]).await;
    let new = "/api/new?nickname=Ann&stage=a";
    let by_a_page = [
        vec![("sec-fetch-dest", "image"), ("sec-fetch-mode", "no-cors")],
        vec![
            ("sec-fetch-dest", "document"),
            ("sec-fetch-mode", "navigate"),
        ],
        vec![("sec-fetch-dest", "empty"), ("sec-fetch-mode", "no-cors")],
        vec![("sec-fetch-dest", "script")],
    ];
    for headers in by_a_page {
        let answer = tracker.request(Method::GET, new, &headers).await;
        assert_eq!(answer.refusal().0, 403, "{headers:?}");
        assert_eq!(answer.refusal().1, Some("not_a_fetch"), "{headers:?}");
    }
    let workers = || async { tracker.store.status().await.expect("a status").stages[0].workers };
    assert_eq!(workers().await, 0);
    let by_scripts = [
        vec![("sec-fetch-dest", "empty"), ("sec-fetch-mode", "cors")],
        vec![
            ("sec-fetch-dest", "empty"),
            ("sec-fetch-mode", "same-origin"),
        ],
        vec![],
    ];
    for headers in by_scripts {
        let answer = tracker.request(Method::GET, new, &headers).await;
        assert_eq!(answer.status, 200, "{headers:?}: {}", answer.text());
    }
    assert_eq!(workers().await, 3);
}
