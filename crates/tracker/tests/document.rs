//! The OpenAPI document: it describes every route, and the tracker answers as it says.

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use axum::{
    body::Body,
    http::{Method, Request},
};
use serde_json::{Value, json};
use support::{Answer, Key, Tracker};

const TOKEN: &str = "Bearer a secret of some length";
const FLAG: &str = "--admin-token=a secret of some length";

/// Statuses by "METHOD /path".
type Statuses = BTreeMap<String, BTreeSet<String>>;

async fn document(tracker: &Tracker) -> Value {
    let answer = tracker.get("/api/openapi.json").await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    answer.json()
}

fn operations(document: &Value) -> impl Iterator<Item = (String, &Value)> {
    let paths = document["paths"].as_object().expect("paths");
    paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().expect("methods").iter();
        methods.map(move |(method, operation)| {
            (format!("{} {path}", method.to_uppercase()), operation)
        })
    })
}

#[tokio::test]
async fn every_route_of_the_api_describes_itself() {
    let tracker = Tracker::start(&[]).await;
    let document = document(&tracker).await;
    assert!(
        document["openapi"]
            .as_str()
            .expect("a version")
            .starts_with("3.1")
    );
    let named: Vec<_> = operations(&document).map(|(name, _)| name).collect();
    for name in ["GET /api/new", "POST /api/completeJob", "POST /api/jobs"] {
        assert!(named.iter().any(|other| other == name), "{name}: {named:?}");
    }
    // Only `routes!` adds to the document, so a route added in any other way would be missing.
    let http = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http");
    let folders = [http.clone(), http.join("handlers"), http.join("pages")];
    let entries = folders
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).expect("a folder"))
        .map(|entry| entry.expect("an entry").path());
    for path in entries.filter(|path| path.is_file()) {
        let text = std::fs::read_to_string(&path).expect("text");
        let shipped = text.split("#[cfg(test)]").next().unwrap_or_default();
        let by_hand = shipped.split(".route(").skip(1);
        for rest in by_hand {
            let address = rest.trim_start().trim_start_matches('"');
            assert!(
                !address.starts_with("/api"),
                "{}: {address:.40}",
                path.display()
            );
        }
    }
}

#[tokio::test]
async fn every_refusal_says_its_code_and_every_reference_leads_somewhere() {
    let tracker = Tracker::start(&[]).await;
    let document = document(&tracker).await;
    for (name, operation) in operations(&document) {
        for (status, response) in operation["responses"].as_object().expect("responses") {
            if !status.starts_with(['2', '3']) {
                let codes = &response["headers"]["distcompute-error"]["schema"]["enum"];
                assert!(
                    !codes.as_array().expect(&name).is_empty(),
                    "{name} {status}"
                );
            }
        }
    }
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1) {
        let pointer = reference.split('"').next().expect("a pointer");
        assert!(document.pointer(pointer).is_some(), "{pointer}");
    }
}

/// The requests made and their statuses.
struct Log<'a> {
    tracker: &'a Tracker,
    seen: Statuses,
    code: Value,
}

impl Log<'_> {
    fn note(&mut self, method: &str, address: &str, answer: &Answer) {
        let path = address.split('?').next().expect("a path");
        let path = match path.strip_prefix("/api/files/") {
            Some(_) => "/api/files/{name}",
            None => path,
        };
        let name = format!("{method} {path}");
        let status = answer.status.as_u16().to_string();
        self.seen.entry(name).or_default().insert(status);
    }

    async fn get(&mut self, address: &str) -> Answer {
        let answer = self.tracker.get(address).await;
        self.note("GET", address, &answer);
        answer
    }

    async fn post(&mut self, call: &str, body: Value) {
        let answer = self.tracker.post(call, body).await;
        self.note("POST", &format!("/api/{call}"), &answer);
    }

    /// Requests an address as the operator.
    async fn asked(&mut self, address: &str) {
        let operator = [("authorization", TOKEN)];
        let answer = self.tracker.request(Method::GET, address, &operator).await;
        self.note("GET", address, &answer);
    }

    /// Calls with a proof of a key. The claim "link" is the last code that was answered.
    async fn prove(&mut self, call: &str, key: &Key, mut claims: Value) {
        let answer = self.tracker.get("/api/nonce").await;
        let nonce = answer.header("dpop-nonce").expect("a nonce");
        if claims.get("link").is_some() {
            claims["link"] = self.code.clone();
        }
        let proof = key.proof_for(call, nonce, &claims);
        let address = format!("/api/{call}");
        let headers = [("dpop", proof.as_str())];
        let answer = self.tracker.request(Method::POST, &address, &headers).await;
        self.note("POST", &address, &answer);
        if (call, answer.status.as_u16()) == ("linkCode", 200) {
            self.code = answer.json()["code"].clone();
        }
    }

    /// Asks for the receipts of a worker.
    async fn receipts(&mut self, token: &str, query: &str) {
        let bearer = format!("Bearer {token}");
        let address = format!("/api/receipts{query}");
        let headers = [("authorization", bearer.as_str())];
        let answer = self.tracker.request(Method::GET, &address, &headers).await;
        self.note("GET", &address, &answer);
    }

    /// Sends a body that never ends.
    async fn stall(&mut self, call: &str) {
        let chunks = futures_util::stream::once(async { Ok::<_, std::io::Error>("{") });
        let never = futures_util::StreamExt::chain(chunks, futures_util::stream::pending());
        self.raw(call, Body::from_stream(never)).await;
    }

    async fn raw(&mut self, call: &str, body: Body) {
        self.raw_with(call, &[], body).await;
    }

    async fn raw_with(&mut self, call: &str, headers: &[(&str, &str)], body: Body) {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(format!("/api/{call}"))
            .header("content-type", "application/json")
            .header("authorization", TOKEN);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = self
            .tracker
            .send(request.body(body).expect("a request"))
            .await;
        self.note("POST", &format!("/api/{call}"), &answer);
    }
}

/// Calls about files, each with every answer that it may have.
async fn call_about_files(log: &mut Log<'_>) {
    let flags = [
        FLAG,
        "--max-body=1000",
        "--max-file=9",
        "--files-per-job=12",
        "--files-total=14",
    ];
    let tracker = Tracker::start(&flags)
        .await
        .with_jobs(&["1", "2", "3"])
        .await;
    let mut workers = Vec::new();
    for nickname in ["Ann", "Bob", "Cid"] {
        let token = tracker.join("a", nickname).await;
        let body = json!({ "token": token, "seq": 1, "want": 1 });
        let jobs = tracker.post("sync", body).await.json();
        workers.push((token, jobs["jobs"][0]["lease"].clone()));
    }
    let body = |by: usize, mut more: Value| {
        more["token"] = json!(workers[by].0);
        more["lease"] = workers[by].1.clone();
        more
    };
    let hash = |bytes: &[u8]| {
        let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
        let digits = digest.as_ref().iter().map(|byte| format!("{byte:02x}"));
        digits.collect::<String>()
    };
    let post = async |log: &mut Log<'_>, call: &str, body: Value| {
        let answer = tracker.post(call, body).await;
        log.note("POST", &format!("/api/{call}"), &answer);
        answer
    };
    let put = async |log: &mut Log<'_>, address: &str, bytes: Body| {
        let request = Request::put(address).body(bytes).expect("a request");
        let answer = tracker.send(request).await;
        log.note("PUT", address, &answer);
    };
    let address = |begun: &Value| format!("/{}", begun["parts"][0]["url"].as_str().expect("one"));
    let uploaded = async |log: &mut Log<'_>, by: usize, bytes: &[u8]| {
        let begun = post(log, "uploads", body(by, json!({ "bytes": bytes.len() })))
            .await
            .json();
        put(log, &address(&begun), Body::from(bytes.to_vec())).await;
        begun
    };
    let finish = async |log: &mut Log<'_>, by: usize, begun: &Value, bytes: &[u8]| {
        let body = body(
            by,
            json!({ "upload": begun["upload"], "sha256": hash(bytes) }),
        );
        while post(log, "uploads/finish", body.clone()).await.status == 202 {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    };
    for call in ["uploads", "uploads/parts", "uploads/finish"] {
        let known = json!({ "bytes": 1, "upload": "", "sha256": hash(b"") });
        for (token, lease) in [("", ""), ("nobody", "1-x"), (&workers[0].0, "1-x")] {
            let mut body = known.clone();
            body["token"] = json!(token);
            body["lease"] = json!(lease);
            post(log, call, body).await;
        }
        for known in [
            known,
            json!({ "bytes": "x" }),
            json!({ "upload": "x".repeat(2_000) }),
        ] {
            post(log, call, body(0, known)).await;
        }
        log.stall(call).await;
    }
    // Another upload is begun before there are too many bytes, and finished when there are.
    let early = uploaded(log, 0, b"early").await;
    let begun = uploaded(log, 0, b"12345678").await;
    finish(log, 0, &begun, b"another").await;
    finish(log, 0, &begun, b"12345678").await;
    finish(log, 0, &early, b"early").await;
    post(log, "uploads", body(0, json!({ "bytes": 10 }))).await;
    let lacking = post(log, "uploads", body(1, json!({ "bytes": 3 })))
        .await
        .json();
    let part = address(&lacking);
    put(log, &part, Body::from("a")).await;
    put(log, &part, Body::from("abcd")).await;
    finish(log, 1, &lacking, b"abc").await;
    post(
        log,
        "uploads/parts",
        body(1, json!({ "upload": lacking["upload"] })),
    )
    .await;
    let late = uploaded(log, 2, b"xyz").await;
    let begun = uploaded(log, 1, b"123456").await;
    finish(log, 1, &begun, b"123456").await;
    finish(log, 2, &late, b"xyz").await;
    post(log, "uploads", body(2, json!({ "bytes": 1 }))).await;
    put(log, &part, Body::from("abc")).await;
    put(
        log,
        &part.replace("number=0", "number=1"),
        Body::from("abc"),
    )
    .await;
    put(log, "/api/uploads/part", Body::empty()).await;
    let file = format!("/api/files/sha256-{}", hash(b"12345678"));
    let tag = format!("\"sha256-{}\"", hash(b"12345678"));
    for headers in [
        &[][..],
        &[("authorization", TOKEN)],
        &[("authorization", TOKEN), ("range", "bytes=1-2")],
        &[("authorization", TOKEN), ("if-none-match", &tag)],
    ] {
        let answer = tracker.request(Method::GET, &file, headers).await;
        log.note("GET", &file, &answer);
    }
    let roomy = Tracker::start(&[]).await.with_jobs(&["1"]).await;
    let token = roomy.join("a", "Ann").await;
    let jobs = roomy
        .post("sync", json!({ "token": token, "seq": 1, "want": 1 }))
        .await
        .json();
    let begun = json!({ "token": token, "lease": jobs["jobs"][0]["lease"], "bytes": 3 });
    let begun = roomy.post("uploads", begun).await.json();
    let never = futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>();
    let stalled = Request::put(address(&begun)).body(Body::from_stream(never));
    let answer = roomy.send(stalled.expect("a request")).await;
    log.note("PUT", "/api/uploads/part", &answer);
    let begun =
        json!({ "token": token, "lease": jobs["jobs"][0]["lease"], "upload": begun["upload"] });
    let narrow = roomy.restarted(&["serve", "--files-unfinished=1"]).await;
    let answer = narrow.post("uploads/parts", begun).await;
    log.note("POST", "/api/uploads/parts", &answer);
    tracker.clock.advance(200_000);
    // A lease that has lapsed may still deliver.
    tracker.clock.advance(86_400_000);
    put(log, &part, Body::from("abc")).await;
    for call in ["uploads/parts", "uploads/finish"] {
        let body = json!({ "upload": lacking["upload"], "sha256": hash(b"abc") });
        let request = Request::post(format!("/api/{call}")).header("authorization", TOKEN);
        let request = request.header("content-type", "application/json");
        let answer = tracker
            .send(request.body(Body::from(body.to_string())).expect("one"))
            .await;
        log.note("POST", &format!("/api/{call}"), &answer);
    }
    tracker.store.close().await;
    for call in ["uploads", "uploads/parts", "uploads/finish"] {
        let known = json!({ "bytes": 1, "upload": "", "sha256": hash(b"") });
        post(log, call, body(0, known)).await;
    }
    let away = Tracker::start(&[]).await;
    away.store.close().await;
    let answer = away.get(&format!("{file}?until=1&signature=x")).await;
    log.note("GET", &file, &answer);
    let request = Request::put(&part).body(Body::empty()).expect("a request");
    let answer = away.send(request).await;
    log.note("PUT", &part, &answer);
}

const CALLS: [&str; 7] = [
    "validateWorker",
    "newJob",
    "updateProgress",
    "completeJob",
    "flagInvalidData",
    "bye",
    "sync",
];

/// The progress line of a worker, or the lines of a sync.
fn progress_for(call: &str) -> Value {
    if call == "sync" { json!([]) } else { json!("") }
}

#[tokio::test]
async fn what_is_documented_occurs_and_nothing_else() {
    let tracker = Tracker::start(&[FLAG, "--max-body=1000", "--public-results"])
        .await
        .with_jobs(&["1", "2", "3"])
        .await;
    let hidden = Tracker::start(&[]).await;
    let document = document(&tracker).await;
    let [ann, bob] = [
        tracker.join("a", "Ann").await,
        tracker.join("b", "Bob").await,
    ];
    let mut log = Log {
        tracker: &tracker,
        seen: Statuses::new(),
        code: Value::Null,
    };
    for address in ["/api/project", "/api/status", "/api/openapi.json"] {
        log.get(address).await;
    }
    for call in [
        "/api/new?nickname=x&",
        "/api/jobCount?",
        "/api/results?",
        "/api/retractions?",
    ] {
        for query in ["stage=a", "stage=x", "stage=e", ""] {
            log.get(&format!("{call}{query}")).await;
        }
    }
    for call in ["/api/results", "/api/retractions"] {
        let answer = hidden.get(&format!("{call}?stage=a")).await;
        log.note("GET", call, &answer);
    }
    for call in ["/api/nonce", "/api/receipts/key"] {
        let answer = hidden.get(call).await;
        log.note("GET", call, &answer);
    }
    log.get("/api/receipts").await;
    for (token, query) in [
        (ann.as_str(), ""),
        ("nobody", ""),
        (ann.as_str(), "?limit=0"),
    ] {
        log.receipts(token, query).await;
    }
    let closed = Tracker::start(&["--join-key", "not-for-everybody"]).await;
    let answer = closed.get("/api/new?nickname=x&stage=a").await;
    log.note("GET", "/api/new", &answer);
    let keys = [Key::new(1), Key::new(2)];
    for (call, by, claims) in [
        ("linkCode", 1, json!({})),
        ("link", 0, json!({})),
        ("link", 0, json!({"link": "code"})),
        ("linkCode", 0, json!({})),
        ("link", 0, json!({"link": "code"})),
        ("linkCode", 0, json!({"htm": "GET"})),
        ("link", 0, json!({"htm": "GET"})),
        ("linkCode", 0, json!({"nonce": "x"})),
        ("link", 0, json!({"nonce": "x"})),
    ] {
        log.prove(call, &keys[by], claims).await;
    }
    log.post("newJob", json!({ "token": ann })).await;
    log.post("newJob", json!({ "token": bob })).await;
    log.post("updateProgress", json!({ "token": ann, "progress": "1" }))
        .await;
    log.post("validateWorker", json!({ "token": ann })).await;
    log.post("completeJob", json!({ "token": ann, "data": "1" }))
        .await;
    log.post("completeJob", json!({ "token": bob, "data": "1" }))
        .await;
    log.post("flagInvalidData", json!({ "token": ann })).await;
    log.post("newJob", json!({ "token": ann })).await;
    log.post("flagInvalidData", json!({ "token": ann })).await;
    for seq in [2, 1] {
        log.post("sync", json!({ "token": ann, "seq": seq })).await;
    }
    log.post("bye", json!({ "token": ann })).await;
    for call in CALLS {
        let mut unknown = json!({ "token": "nobody", "data": "", "seq": 1 });
        unknown["progress"] = progress_for(call);
        log.post(call, unknown).await;
        log.post(call, json!({})).await;
        log.post(call, json!({ "token": "x".repeat(70_000) })).await;
        log.stall(call).await;
    }
    log.raw("jobs", Body::from("\"one\"\n{\"two\": 2}\n")).await;
    log.raw("jobs", Body::from("nonsense")).await;
    for body in ["[1]", "[2]"] {
        let key = [("idempotency-key", "one")];
        log.raw_with("jobs", &key, Body::from(body)).await;
    }
    log.stall("jobs").await;
    for body in [
        r#"{"stage":"a","before":1}"#,
        r#"{"stage":"x","before":1}"#,
        r#"{"stage":"e","before":1}"#,
        "{}",
    ] {
        log.raw("prune", Body::from(body)).await;
    }
    log.raw("prune", Body::from("x".repeat(2_000))).await;
    log.stall("prune").await;
    log.post("prune", json!("no token")).await;
    log.post("jobs", json!("no token")).await;
    for body in ["{}", r#"{"stage":"x"}"#] {
        log.raw("requeue", Body::from(body)).await;
    }
    for body in ["{}", r#"{"stage":"x"}"#] {
        log.raw("resume", Body::from(body)).await;
        log.raw("pause", Body::from(body)).await;
    }
    for call in ["ban", "pardon"] {
        for body in ["{}", r#"{"nickname":"Mal"}"#, r#"{"address":"192.0.2.7"}"#] {
            log.raw(call, Body::from(body)).await;
        }
    }
    for body in ["{}", r#"{"nickname":"Mal"}"#, r#"{"address":"nowhere"}"#] {
        log.raw("endWorkers", Body::from(body)).await;
    }
    log.get("/api/new?nickname=Mal&stage=a").await;
    log.post("ban", json!("no token")).await;
    for address in ["/api/bans", "/api/workers", "/api/setAside"] {
        for query in ["", "?after=%00", "?limit=0&after=-1&from=-1"] {
            log.asked(&format!("{address}{query}")).await;
        }
        log.get(address).await;
    }
    for call in ["requeue", "pause", "resume", "ban", "pardon", "endWorkers"] {
        log.raw(call, Body::from("x".repeat(2_000))).await;
        log.stall(call).await;
        log.post(call, json!("no token")).await;
    }
    call_about_files(&mut log).await;
    tracker.store.close().await;
    log.raw("requeue", Body::from("{}")).await;
    log.raw("resume", Body::from("{}")).await;
    log.raw("pause", Body::from("{}")).await;
    log.raw("endWorkers", Body::from(r#"{"stage":"a"}"#)).await;
    for call in ["ban", "pardon"] {
        log.raw(call, Body::from(r#"{"nickname":"Mal"}"#)).await;
    }
    for address in ["/api/bans", "/api/workers", "/api/setAside"] {
        log.asked(address).await;
    }
    for call in CALLS {
        let mut body = json!({ "token": "x", "data": "", "seq": 1 });
        body["progress"] = progress_for(call);
        log.post(call, body).await;
    }
    log.raw("jobs", Body::from("\"one\"")).await;
    log.raw("prune", Body::from(r#"{"stage":"a","before":1}"#))
        .await;
    for address in [
        "/api/status",
        "/api/new?nickname=x&stage=a",
        "/api/jobCount?stage=a",
        "/api/results?stage=a",
        "/api/retractions?stage=a",
    ] {
        log.get(address).await;
    }
    log.receipts(&bob, "").await;
    // These read the database once.
    let away = Tracker::start(&[]).await;
    away.store.close().await;
    for call in ["/api/nonce", "/api/receipts/key"] {
        let answer = away.get(call).await;
        log.note("GET", call, &answer);
    }
    for call in ["linkCode", "link"] {
        let proof = keys[0].proof_for(call, "x", &json!({}));
        let address = format!("/api/{call}");
        let headers = [("dpop", proof.as_str())];
        let answer = away.request(Method::POST, &address, &headers).await;
        log.note("POST", &address, &answer);
    }
    let by_a_page = [("sec-fetch-dest", "image")];
    let new = "/api/new?nickname=x&stage=a";
    let answer = tracker.request(Method::GET, new, &by_a_page).await;
    log.note("GET", new, &answer);
    let crowded = Tracker::start(&["--limit-requests", "1"]).await;
    for (name, _) in operations(&document) {
        let (method, address) = name.split_once(' ').expect("a method");
        let mut answer = crowded.proxied(method, address).await;
        while answer.status != 429 {
            answer = crowded.proxied(method, address).await;
        }
        log.note(method, address, &answer);
    }
    let documented: Statuses = operations(&document)
        .map(|(name, operation)| {
            let statuses = operation["responses"].as_object().expect("responses");
            (name, statuses.keys().cloned().collect())
        })
        .collect();
    for (name, statuses) in &documented {
        assert_eq!(Some(statuses), log.seen.get(name), "{name}");
    }
    assert_eq!(documented.len(), log.seen.len());
}

#[tokio::test]
async fn jobs_are_added_whole_or_not_at_all() {
    let tracker = Tracker::start(&[FLAG]).await;
    let send = async |body: &'static [u8]| {
        let request = Request::post("/api/jobs").header("authorization", TOKEN);
        tracker
            .send(request.body(Body::from(body)).expect("a request"))
            .await
    };
    let answer = send(b"\"one\"\r\n\n[\"two\"]\n{\"three\":  3}").await;
    let numbers = json!({ "added": 3, "numbers": [{ "first": 1, "last": 3 }] });
    assert_eq!(answer.json(), numbers);
    for (body, line) in [
        (&b"\"fine\"\n\n7\n"[..], "line 3"),
        (b"\"fine\"\n\"\xff\"", "line 2"),
        (b"{\"a\":", "line 1"),
        (b"\"a\\u0000b\"", "line 1"),
    ] {
        let answer = send(body).await;
        assert_eq!(answer.refusal().0, 422);
        assert_eq!(answer.json()["detail"][0]["loc"], json!(["body", line]));
    }
    let status = tracker.store.status().await.expect("a status");
    assert_eq!((status.jobs, status.stages[0].open), (3, 3));
    let token = tracker.join("a", "Ann").await;
    let job = tracker
        .post("newJob", json!({ "token": token }))
        .await
        .json();
    assert_eq!(job, json!({ "number": 1, "data": "one" }));
    let answer = send(b"").await;
    assert_eq!(answer.json(), json!({ "added": 0, "numbers": [] }));
    let job = tracker
        .post("newJob", json!({ "token": token }))
        .await
        .json();
    assert_eq!(job["data"], "<!json!>[\"two\"]");
}

#[tokio::test]
async fn jobs_with_an_idempotency_key_are_added_once() {
    let tracker = Tracker::start(&[FLAG]).await;
    let send = async |keys: &[&str], body: &'static str| {
        let mut request = Request::post("/api/jobs").header("authorization", TOKEN);
        for key in keys {
            request = request.header("idempotency-key", *key);
        }
        tracker
            .send(request.body(Body::from(body)).expect("a request"))
            .await
    };
    let one = json!({ "added": 2, "numbers": [{ "first": 1, "last": 2 }] });
    for _ in 0..3 {
        assert_eq!(send(&["one"], "[1]\n[2]\n").await.json(), one);
    }
    // The same jobs under another key are other jobs.
    let two = json!({ "added": 2, "numbers": [{ "first": 3, "last": 4 }] });
    assert_eq!(send(&["two"], "[1]\n[2]").await.json(), two);
    let answer = send(&["one"], "[1]\n[3]\n").await;
    assert_eq!(answer.header("distcompute-error"), Some("key_reused"));
    assert_eq!(answer.refusal().0, 409);
    // An invalid body uses up no key.
    assert_eq!(send(&["three"], "[1]\n7\n").await.refusal().0, 422);
    let three = json!({ "added": 1, "numbers": [{ "first": 5, "last": 5 }] });
    assert_eq!(send(&["three"], "[1]").await.json(), three);
    let none = json!({ "added": 0, "numbers": [] });
    for _ in 0..2 {
        assert_eq!(send(&["empty"], "").await.json(), none);
    }
    let long = "x".repeat(129);
    for keys in [&[""][..], &["a b"], &["\u{e4}"], &["a", "b"], &[&long]] {
        let answer = send(keys, "[1]").await;
        assert_eq!(answer.refusal().0, 422, "{keys:?}");
        let loc = json!(["header", "idempotency-key"]);
        assert_eq!(answer.json()["detail"][0]["loc"], loc);
    }
    // Requests that arrive at the same time, as when a client gives up waiting and repeats one.
    let at_once = (0..8).map(|_| send(&["concurrent"], "[1]\n[2]\n[3]"));
    let answers = futures_util::future::join_all(at_once).await;
    let last = json!({ "added": 3, "numbers": [{ "first": 6, "last": 8 }] });
    for answer in answers {
        assert_eq!(answer.json(), last);
    }
    let status = tracker.store.status().await.expect("a status");
    assert_eq!(status.jobs, 8);
}

#[tokio::test]
async fn a_hundred_thousand_jobs_come_in_one_request() {
    let tracker = Tracker::start(&[FLAG]).await;
    let lines = futures_util::stream::iter((0..100).map(|part| {
        let jobs = (0..1_000).map(|job| format!("\"job {part} {job}\"\n"));
        Ok::<_, std::io::Error>(jobs.collect::<String>())
    }));
    let request = Request::post("/api/jobs").header("authorization", TOKEN);
    let body = Body::from_stream(lines);
    let answer = tracker.send(request.body(body).expect("a request")).await;
    let numbers = json!({ "added": 100_000, "numbers": [{ "first": 1, "last": 100_000 }] });
    assert_eq!(answer.json(), numbers);
}

#[tokio::test]
async fn the_operator_fetches_results_that_are_not_public() {
    let tracker = Tracker::start(&[FLAG]).await.with_jobs(&["in"]).await;
    let token = tracker.join("a", "Ann").await;
    tracker.take(&token).await;
    tracker.hand_in(&token, "out").await;
    let address = "/api/results?stage=a";
    assert_eq!(tracker.get(address).await.refusal().0, 401);
    let shown = [("authorization", TOKEN)];
    let answer = tracker.request(Method::GET, address, &shown).await;
    assert!(
        answer.text().contains("\"data\":\"out\""),
        "{}",
        answer.text()
    );
}

#[tokio::test]
async fn exported_jobs_are_pruned_and_the_counters_stay_right() {
    let tracker = Tracker::start(&[FLAG])
        .await
        .with_jobs(&["1", "2", "3", "4"])
        .await;
    let [ann, bob] = [
        tracker.join("a", "Ann").await,
        tracker.join("b", "Bob").await,
    ];
    for _ in 0..3 {
        tracker.take(&ann).await;
        tracker.hand_in(&ann, "middle").await;
    }
    for _ in 0..2 {
        tracker.take(&bob).await;
        tracker.hand_in(&bob, "end").await;
    }
    let before = tracker.store.status().await.expect("a status");
    let prune = async |stage: &str, before: u64| {
        let request = Request::post("/api/prune").header("authorization", TOKEN);
        let body = json!({ "stage": stage, "before": before }).to_string();
        tracker
            .send(request.body(Body::from(body)).expect("a request"))
            .await
            .json()
    };
    // Job 3 is not finished: its first result stays, because it is the input of the next stage.
    assert_eq!(prune("a", 2).await, json!({ "pruned": 1 }));
    assert_eq!(prune("a", 100).await, json!({ "pruned": 1 }));
    assert_eq!(prune("b", 100).await, json!({ "pruned": 0 }));
    assert_eq!(tracker.store.status().await.expect("a status"), before);
    let results = async |stage| {
        let left = tracker.store.results(stage, 0, 10).await.expect("results");
        left.into_iter()
            .map(|output| output.number)
            .collect::<Vec<_>>()
    };
    assert_eq!(results(distcompute_protocol::Stage::A).await, [3]);
    assert_eq!(results(distcompute_protocol::Stage::B).await, [0; 0]);
    let job = tracker.post("newJob", json!({ "token": bob })).await.json();
    assert_eq!(job, json!({ "number": 3, "data": "middle" }));
    assert_eq!(tracker.hand_in(&bob, "end").await.status, 200);
    let ranks = tracker.get("/leaderboard").await;
    assert!(ranks.text().contains("Ann") && ranks.text().contains("Bob"));
    let actions = tracker.store.actions(0, 100).await.expect("a log");
    let recorded: Vec<_> = actions
        .iter()
        .map(|row| (row.action.as_str(), row.detail.as_str()))
        .collect();
    assert_eq!(
        recorded[..2],
        [
            ("prune", "results of stage a before cursor 2"),
            ("prune", "1 jobs were pruned")
        ]
    );
}

#[tokio::test]
async fn bans_and_workers_are_the_operators() {
    let tracker = Tracker::start(&[FLAG]).await.with_jobs(&["1", "2"]).await;
    let mallory = tracker.join("a", "Mallory").await;
    tracker.join("a", "Ann").await;
    tracker.take(&mallory).await;
    let operator = [("authorization", TOKEN)];
    let asked = async |address: &str| tracker.request(Method::GET, address, &operator).await;
    let call_api = async |call: &str, body: Value| {
        let request = Request::post(format!("/api/{call}")).header("authorization", TOKEN);
        let body = Body::from(body.to_string());
        tracker.send(request.body(body).expect("a request")).await
    };
    for address in ["/api/bans", "/api/workers"] {
        assert_eq!(tracker.get(address).await.refusal().0, 401);
    }
    let workers = asked("/api/workers?nickname=Mallory").await.json();
    assert_eq!(workers["next"], Value::Null);
    assert_eq!(workers["workers"].as_array().map(Vec::len), Some(1));
    assert_eq!(workers["workers"][0]["held"], 1);
    assert_eq!(workers["workers"][0].get("token"), None);
    assert_eq!(asked("/api/workers?stage=x").await.refusal().0, 422);

    let body = json!({ "nickname": "Mallory", "reason": "junk" });
    assert_eq!(call_api("ban", body).await.json()["ended"], 1);
    assert_eq!(
        call_api("ban", json!({ "address": "192.0.2.7" }))
            .await
            .json()["ended"],
        0
    );
    let refused = tracker.get("/api/new?nickname=Mallory&stage=a").await;
    let (status, code, _) = refused.refusal();
    assert_eq!((status, code), (403, Some("banned")));
    let bans = asked("/api/bans").await.json();
    assert_eq!(bans[0]["address"], "192.0.2.7");
    assert_eq!(
        (&bans[1]["nickname"], &bans[1]["reason"]),
        (&json!("Mallory"), &json!("junk"))
    );
    let cursor = bans[0]["cursor"].as_str().expect("a cursor");
    let rest = asked(&format!("/api/bans?after={cursor}")).await.json();
    assert_eq!(rest.as_array().map(Vec::len), Some(1));
    let body = json!({ "nickname": "Mallory" });
    assert_eq!(
        call_api("pardon", body.clone()).await.json()["pardoned"],
        true
    );
    assert_eq!(call_api("pardon", body).await.json()["pardoned"], false);
    tracker.join("a", "Mallory").await;

    assert_eq!(
        call_api("endWorkers", json!({ "stage": "a" })).await.json()["ended"],
        2
    );
    for (call, body) in [
        ("endWorkers", json!({})),
        ("ban", json!({})),
        ("ban", json!({ "nickname": "a", "address": "192.0.2.7" })),
        ("ban", json!({ "nickname": "a", "reason": "\u{0}" })),
        ("ban", json!({ "nickname": "anonymous" })),
        ("pardon", json!({ "address": "127.0.0.1" })),
        ("requeue", json!({ "since": "now" })),
        ("requeue", json!({ "address": "192.0.2.0/24" })),
        ("requeue", json!({ "states": ["finished"] })),
        ("requeue", json!({ "ranges": [[1, 2, 3]] })),
    ] {
        assert_eq!(
            call_api(call, body.clone()).await.refusal().0,
            422,
            "{call} {body}"
        );
    }
}

#[tokio::test]
async fn a_job_that_was_set_aside_is_requeued() {
    let tracker = Tracker::start(&[FLAG, "--invalid-after=1"])
        .await
        .with_jobs(&["1"])
        .await;
    let ann = tracker.join("a", "Ann").await;
    tracker.take(&ann).await;
    tracker
        .post("flagInvalidData", json!({ "token": ann }))
        .await;
    let stage = async || tracker.store.status().await.expect("a status").stages[0];
    assert_eq!((stage().await.aside, stage().await.open), (1, 0));
    let requeue = async |body: &'static str| {
        let request = Request::post("/api/requeue").header("authorization", TOKEN);
        tracker
            .send(request.body(Body::from(body)).expect("a request"))
            .await
    };
    let requeued = async |body| requeue(body).await.json()["requeued"].as_u64();
    let answer = requeue(r#"{"numbers":[1,7],"dry_run":true}"#).await.json();
    assert_eq!(answer["requeued"], 1);
    assert_eq!(answer["numbers"], json!([1]));
    assert_eq!(answer["left"][0]["number"], 7);
    assert_eq!(answer["left"][0]["why"], "There is no such job.");
    assert_eq!(
        (stage().await.aside, stage().await.open),
        (1, 0),
        "nothing changed"
    );
    assert_eq!(requeue(r#"{"nickname":"a\u0000"}"#).await.refusal().0, 422);
    assert_eq!(
        requeue(r#"{"result_contains":"\u0000"}"#).await.refusal().0,
        422
    );
    assert_eq!(requeued(r#"{"numbers":[7]}"#).await, Some(0));
    assert_eq!(requeued(r#"{"stage":"b"}"#).await, Some(0));
    assert_eq!(
        requeued(r#"{"older_than_s":18446744073709551615}"#).await,
        Some(0)
    );
    assert_eq!(requeue(r#"{"number":[1]}"#).await.refusal().0, 422);
    assert_eq!(requeued(r#"{"stage":"a","numbers":[1]}"#).await, Some(1));
    assert_eq!((stage().await.aside, stage().await.open), (0, 1));
    let actions = tracker.store.actions(0, 100).await.expect("a log");
    let last = actions.last().expect("an action");
    assert_eq!(
        (last.action.as_str(), last.detail.as_str()),
        ("requeue", "1 jobs were requeued")
    );
}

#[tokio::test]
async fn jobs_set_aside_are_listed_with_their_inputs_and_errors() {
    let tracker = Tracker::start(&[FLAG, "--max-attempts=1"])
        .await
        .with_jobs(&["1", "2", "3"])
        .await;
    let list = async |from: u64| {
        let operator = [("authorization", TOKEN)];
        let address = format!("/api/setAside?from={from}");
        tracker
            .request(Method::GET, &address, &operator)
            .await
            .json()
    };
    assert_eq!(tracker.get("/api/setAside").await.refusal().0, 401);
    assert_eq!(list(1).await, json!({ "jobs": [], "next": null }));
    let ann = tracker.join("a", "Ann").await;
    let body = json!({ "token": ann, "seq": 1, "want": 2 });
    let jobs = tracker.post("sync", body).await.json();
    let failed = jobs["jobs"].as_array().expect("jobs").iter().map(|job| {
        let error = format!("TypeError: {}", job["number"]);
        json!({ "lease": job["lease"], "error": error })
    });
    let failed: Vec<_> = failed.collect();
    assert_eq!(failed.len(), 2);
    let body = json!({ "token": ann, "seq": 2, "failed": failed });
    tracker.post("sync", body).await;
    let aside = list(0).await;
    assert_eq!(aside["next"], Value::Null);
    let of = |at: usize| {
        let job = &aside["jobs"][at];
        (
            job["number"].clone(),
            job["stage"].clone(),
            job["input"].clone(),
        )
    };
    assert_eq!(of(0), (json!(1), json!("a"), json!("1")));
    assert_eq!(of(1), (json!(2), json!("a"), json!("2")));
    let errors = &aside["jobs"][1]["errors"];
    assert_eq!(errors.as_array().map(Vec::len), Some(1));
    assert_eq!(errors[0]["nickname"], "Ann");
    assert_eq!(errors[0]["error"], "TypeError: 2");
    assert_eq!(list(2).await["jobs"].as_array().map(Vec::len), Some(1));
    assert_eq!(list(3).await["jobs"].as_array().map(Vec::len), Some(0));
}
