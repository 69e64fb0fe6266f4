//! Files of jobs over HTTP, kept in a folder: uploading, fetching, what results may name, and what
//! strangers try.

mod support;

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::{
    body::Body,
    http::{Method, Request},
};
use distcompute_tracker::{
    files::{
        location::Location,
        objects::{Check, Objects, Progress},
        sweep::sweep,
    },
    rules::{file_grants::Cut, secrets::fingerprint},
    store::{NewFile, Recorded},
};
use serde_json::{Value, json};
use support::{Answer, Tracker};

const TOKEN: &str = "Bearer a secret of some length";
const FLAG: &str = "--admin-token=a secret of some length";
const MARK: &str = "<!json!>";
const PART: usize = 4 << 20;
const DAY: i64 = 86_400_000;
const HOUR: i64 = 3_600_000;

fn hash(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    digest.as_ref().iter().map(|b| format!("{b:02x}")).collect()
}

fn name(bytes: &[u8]) -> String {
    format!("sha256-{}", hash(bytes))
}

fn reference(bytes: &[u8]) -> Value {
    json!({ "$file": name(bytes), "bytes": bytes.len() })
}

/// A worker with a job under a lease.
struct Worker {
    token: String,
    lease: String,
    seq: u64,
    data: String,
}

impl Worker {
    async fn begin(tracker: &Tracker, stage: &str, nickname: &str) -> Self {
        let token = tracker.join(stage, nickname).await;
        let body = json!({ "token": token, "seq": 1, "want": 1 });
        let answer = tracker.post("sync", body).await.json();
        let job = &answer["jobs"][0];
        Self {
            token,
            lease: job["lease"].as_str().expect("a lease").to_owned(),
            seq: 1,
            data: job["data"].as_str().expect("data").to_owned(),
        }
    }

    /// Hands in a result.
    async fn deliver(&mut self, tracker: &Tracker, json: &Value) -> Value {
        self.seq += 1;
        let done = json!([{ "lease": self.lease, "data": format!("{MARK}{json}") }]);
        let body = json!({ "token": self.token, "seq": self.seq, "done": done });
        tracker.post("sync", body).await.json()
    }

    async fn call(&self, tracker: &Tracker, call: &str, mut body: Value) -> Answer {
        body["token"] = json!(self.token);
        body["lease"] = json!(self.lease);
        tracker.post(call, body).await
    }

    async fn begun(&self, tracker: &Tracker, bytes: usize) -> Value {
        let answer = self
            .call(tracker, "uploads", json!({ "bytes": bytes }))
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    /// Finishes an upload, however long its check takes.
    async fn finish(&self, tracker: &Tracker, upload: &Value, sha256: &str) -> Answer {
        loop {
            let body = json!({ "upload": upload["upload"], "sha256": sha256 });
            let answer = self.call(tracker, "uploads/finish", body).await;
            if answer.status != 202 {
                return answer;
            }
            assert!(answer.json()["checked_bytes"].is_u64());
            assert_eq!(answer.header("retry-after"), Some("1"));
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Uploads a file.
    async fn put(&self, tracker: &Tracker, bytes: &[u8]) -> Answer {
        let upload = self.begun(tracker, bytes.len()).await;
        for part in upload["parts"].as_array().expect("parts") {
            let number = usize::try_from(part["number"].as_u64().expect("a number"));
            let begin = number.expect("small") * PART;
            let chunk = &bytes[begin..bytes.len().min(begin + PART)];
            let answer = send_part(tracker, part, chunk.to_vec()).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
        self.finish(tracker, &upload, &hash(bytes)).await
    }
}

fn address(of: &Value) -> String {
    let url = of["url"].as_str().expect("an address");
    assert!(url.starts_with("api/"), "relative to the tracker: {url}");
    format!("/{url}")
}

async fn send_part(tracker: &Tracker, part: &Value, bytes: Vec<u8>) -> Answer {
    put(tracker, &address(part), Body::from(bytes)).await
}

async fn put(tracker: &Tracker, address: &str, body: Body) -> Answer {
    let request = Request::put(address).body(body).expect("a request");
    tracker.send(request).await
}

async fn fetch(tracker: &Tracker, address: &str, headers: &[(&str, &str)]) -> Answer {
    tracker.request(Method::GET, address, headers).await
}

fn code(answer: &Answer) -> (u16, &str) {
    let (status, code, _) = answer.refusal();
    (status, code.unwrap_or_default())
}

/// What a tracker with these flags keeps.
fn folder(tracker: &Tracker) -> PathBuf {
    match &tracker.settings.object_store {
        Location::Folder(folder) => folder.clone(),
        other => panic!("{other}"),
    }
}

fn kept(tracker: &Tracker, place: &str) -> Vec<String> {
    let entries = std::fs::read_dir(folder(tracker).join(place));
    let mut names: Vec<_> = entries
        .into_iter()
        .flatten()
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("text")
        })
        .collect();
    names.sort();
    names
}

async fn swept(tracker: &Tracker) -> u64 {
    let swept = sweep(tracker.store.as_ref(), &tracker.files).await;
    swept.expect("a sweep").files
}

#[tokio::test]
async fn a_file_goes_from_one_stage_to_the_next() {
    let tracker = Tracker::start(&[]).await.with_jobs(&["in"]).await;
    let new = tracker.get("/api/new?nickname=x&stage=a").await.json();
    assert_eq!(new["extensions"], json!(["sync", "files"]));
    let mut ann = Worker::begin(&tracker, "a", "Ann").await;
    for bytes in [&b""[..], b"x", &vec![7; 70_000]] {
        let upload = ann.put(&tracker, bytes).await;
        assert_eq!(upload.status, 200, "{}", upload.text());
        assert_eq!(upload.json()["file"], reference(bytes));
    }
    let out = json!({ "a": [reference(b""), { "b": reference(b"x") }], "n": 1 });
    let accepted = ann.deliver(&tracker, &out).await["accepted"].clone();
    assert_eq!(accepted, json!([ann.lease]));
    let bob = Worker::begin(&tracker, "b", "Bob").await;
    let data: Value =
        serde_json::from_str(bob.data.strip_prefix(MARK).expect("JSON")).expect("JSON");
    assert_eq!(data["n"], 1);
    for (at, bytes) in [(&data["a"][0], &b""[..]), (&data["a"][1]["b"], b"x")] {
        assert_eq!(
            (&at["$file"], &at["bytes"]),
            (&json!(name(bytes)), &json!(bytes.len()))
        );
        let answer = fetch(&tracker, &address(at), &[]).await;
        assert_eq!((answer.status.as_u16(), &answer.bytes[..]), (200, bytes));
    }
    // The text is stored as it came.
    let stored = tracker
        .store
        .results(distcompute_protocol::Stage::A, 0, 1)
        .await
        .expect("results");
    assert_eq!(stored[0].data, format!("{MARK}{out}"));
    // The first protocol gets addresses too.
    let token = tracker.join("b", "Old").await;
    let body = json!({ "token": bob.token, "seq": 2, "released": [bob.lease] });
    tracker.post("sync", body).await;
    let job = tracker
        .post("newJob", json!({ "token": token }))
        .await
        .json();
    assert_eq!(
        job["data"]
            .as_str()
            .expect("data")
            .matches("\"url\"")
            .count(),
        2
    );
}

#[tokio::test]
async fn a_file_is_sent_in_parts_and_read_in_ranges() {
    let tracker = Tracker::start(&["--base-path=/t"])
        .await
        .with_jobs(&["in"])
        .await;
    let mut ann = Worker::begin(&tracker, "a", "Ann").await;
    let bytes: Vec<u8> = (0..2 * PART + 5).map(|at| (at % 251) as u8).collect();
    let upload = ann.begun(&tracker, bytes.len()).await;
    assert_eq!(upload["part_bytes"], PART);
    let parts = upload["parts"].as_array().expect("parts");
    assert_eq!(parts.len(), 3);
    let missing = ann.finish(&tracker, &upload, &hash(&bytes)).await;
    assert_eq!(code(&missing), (409, "upload_incomplete"));
    // One is sent twice, one is too short, one is missing.
    for _ in 0..2 {
        let sent = send_part(&tracker, &parts[0], bytes[..PART].to_vec()).await;
        assert_eq!(sent.status, 200);
    }
    let short = send_part(&tracker, &parts[1], vec![0; 3]).await;
    assert_eq!(code(&short), (409, "upload_incomplete"));
    let state = json!({ "upload": upload["upload"], "from": 0 });
    let state = ann.call(&tracker, "uploads/parts", state).await.json();
    assert_eq!(state["stored"], json!([0]));
    let numbers: Vec<_> = state["parts"]
        .as_array()
        .expect("parts")
        .iter()
        .map(|one| one["number"].clone())
        .collect();
    assert_eq!(numbers, [1, 2]);
    let missing = ann.finish(&tracker, &upload, &hash(&bytes)).await;
    assert!(missing.text().contains("Part 1"), "{}", missing.text());
    send_part(&tracker, &state["parts"][0], bytes[PART..2 * PART].to_vec()).await;
    send_part(&tracker, &state["parts"][1], vec![0; 5]).await;
    let wrong = ann.finish(&tracker, &upload, &hash(&bytes)).await;
    assert_eq!(code(&wrong), (409, "upload_wrong_hash"));
    assert!(kept(&tracker, "files").is_empty());
    send_part(&tracker, &state["parts"][1], bytes[2 * PART..].to_vec()).await;
    let right = ann.finish(&tracker, &upload, &name(&bytes)).await;
    assert_eq!(right.status, 200, "{}", right.text());
    let again = ann.finish(&tracker, &upload, &hash(&bytes)).await;
    assert_eq!(
        again.bytes, right.bytes,
        "as before, although the parts are gone"
    );
    assert_eq!(kept(&tracker, "files"), [name(&bytes)]);
    // The parts are deleted after the answer to the call that found the file stored.
    while !kept(&tracker, "uploads").is_empty() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert!(kept(&tracker, "temporary").is_empty());

    ann.deliver(&tracker, &json!([reference(&bytes)])).await;
    let bob = Worker::begin(&tracker, "b", "Bob").await;
    let data: Value =
        serde_json::from_str(bob.data.strip_prefix(MARK).expect("JSON")).expect("JSON");
    let url = address(&data[0]);
    let tag = format!("\"{}\"", name(&bytes));
    let whole = fetch(&tracker, &url, &[("accept-encoding", "gzip, br")]).await;
    assert!(whole.bytes == bytes);
    for (header, value) in [
        ("etag", tag.as_str()),
        ("accept-ranges", "bytes"),
        ("content-length", &bytes.len().to_string()),
        ("cache-control", "private, max-age=31536000, immutable"),
        ("cross-origin-resource-policy", "cross-origin"),
    ] {
        assert_eq!(whole.header(header), Some(value), "{header}");
    }
    assert_eq!(whole.header("content-encoding"), None);
    let from = PART as u64 - 3;
    let range = format!("bytes={from}-");
    let rest = fetch(&tracker, &url, &[("range", &range), ("if-range", &tag)]).await;
    assert_eq!(rest.status, 206);
    assert_eq!(
        rest.header("content-range"),
        Some(format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len()).as_str())
    );
    assert!(rest.bytes == bytes[PART - 3..]);
    let other = fetch(&tracker, &url, &[("range", &range), ("if-range", "\"x\"")]).await;
    assert_eq!(
        (other.status.as_u16(), other.bytes.len()),
        (200, bytes.len())
    );
    let beyond = fetch(&tracker, &url, &[("range", "bytes=99999999-")]).await;
    assert_eq!(beyond.status, 416);
    let known = fetch(&tracker, &url, &[("if-none-match", &tag)]).await;
    assert_eq!((known.status.as_u16(), known.bytes.len()), (304, 0));
    // A page of another origin may do all this.
    let asks = [
        ("origin", "https://example.org"),
        ("access-control-request-method", "PUT"),
        (
            "access-control-request-headers",
            "content-type,range,if-range",
        ),
    ];
    let preflight = tracker
        .request(Method::OPTIONS, &address(&parts[0]), &asks)
        .await;
    let allowed = preflight
        .header("access-control-allow-methods")
        .expect("methods");
    assert!(allowed.contains("PUT"), "{allowed}");
}

#[tokio::test]
async fn what_a_volunteer_stores_never_runs_as_a_page_of_the_tracker() {
    let tracker = Tracker::start(&[]).await.with_jobs(&["in"]).await;
    let mut ann = Worker::begin(&tracker, "a", "Mallory").await;
    let page = b"<!doctype html><script>alert(document.domain)</script>";
    ann.put(&tracker, page).await;
    let mut named = reference(page);
    named["type"] = json!("text/html");
    ann.deliver(&tracker, &json!([named])).await;
    let bob = Worker::begin(&tracker, "b", "Bob").await;
    let data: Value =
        serde_json::from_str(bob.data.strip_prefix(MARK).expect("JSON")).expect("JSON");
    let answer = fetch(&tracker, &address(&data[0]), &[("accept", "text/html")]).await;
    assert_eq!(answer.status, 200);
    for (header, value) in [
        ("content-type", "application/octet-stream"),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "sandbox; default-src 'none'"),
        ("content-disposition", "attachment"),
    ] {
        assert_eq!(answer.header(header), Some(value), "{header}");
    }
}

#[tokio::test]
async fn a_result_names_only_what_is_its_own() {
    let tracker = Tracker::start(&[
        "--max-attempts=99",
        "--pause-after=0",
        "--slow-failing=false",
    ])
    .await
    .with_jobs(&[
        "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12",
    ])
    .await;
    let mut ann = Worker::begin(&tracker, "a", "Ann").await;
    assert_eq!(ann.put(&tracker, b"secret").await.status, 200);
    assert_eq!(ann.put(&tracker, b"named").await.status, 200);
    let mut wrong_size = reference(b"named");
    wrong_size["bytes"] = json!(6);
    let upper = json!({ "$file": name(b"named").to_uppercase(), "bytes": 5 });
    let secret = reference(b"secret");
    let deep = format!("{}{secret}{}", "[".repeat(10_000), "]".repeat(10_000));
    let escaped = secret.to_string().replace("$file", r"\u0024file");
    let many: Vec<_> = (0..10_000)
        .map(|at: u32| reference(&at.to_be_bytes()))
        .collect();
    for output in [
        json!([reference(b"secret")]).to_string(),
        deep,
        escaped,
        json!([reference(b"nobody has this")]).to_string(),
        json!(many).to_string(),
        json!([upper]).to_string(),
        json!([{ "$file": "../../jobs.db", "bytes": 1 }]).to_string(),
        json!([{ "$file": name(b"secret") }]).to_string(),
        json!([{ "$file": 7, "bytes": 1 }]).to_string(),
    ] {
        let mallory = Worker::begin(&tracker, "a", "Mallory").await;
        let done = json!([{ "lease": mallory.lease, "data": format!("{MARK}{output}") }]);
        let body = json!({ "token": mallory.token, "seq": 2, "done": done });
        for _ in 0..2 {
            let answer = tracker.post("sync", body.clone()).await.json();
            let rejected = json!([{ "lease": mallory.lease, "why": "invalid" }]);
            assert_eq!(
                (&answer["rejected"], &answer["accepted"]),
                (&rejected, &json!([])),
                "{output:.80}"
            );
        }
    }
    // It counts as a failure of the job, and says why.
    let failures = tracker.store.failures(100).await.expect("failures");
    assert_eq!(failures.len(), 9);
    let said = |text: &str| {
        failures
            .iter()
            .filter(|row| row.error.contains(text))
            .count()
    };
    assert_eq!(said("The output was refused: "), 9);
    assert_eq!(said("file_not_granted"), 3 + 1);
    assert_eq!(said("at most 4096"), 1);

    let refused = ann.deliver(&tracker, &json!([wrong_size])).await;
    assert_eq!(refused["rejected"][0]["why"], "invalid");
    let mut ann = Worker::begin(&tracker, "a", "Ann").await;
    ann.put(&tracker, b"named").await;
    // With the address that the client was given.
    let mut named = reference(b"named");
    named["url"] = json!("https://elsewhere.example/");
    assert_eq!(
        ann.deliver(&tracker, &json!([named])).await["accepted"],
        json!([ann.lease])
    );
    let stored = tracker
        .store
        .results(distcompute_protocol::Stage::A, 0, 9)
        .await
        .expect("results");
    assert_eq!(
        stored.last().expect("one").data,
        format!("{MARK}[{}]", reference(b"named"))
    );
    // What the input names may be named again, by the first protocol too.
    let token = tracker.join("b", "Old").await;
    tracker.post("newJob", json!({ "token": token })).await;
    let other = tracker
        .hand_in(&token, &format!("{MARK}[{}]", reference(b"secret")))
        .await;
    assert_eq!(code(&other), (403, "file_not_granted"));
    let same = tracker
        .hand_in(&token, &format!("{MARK}[{}]", reference(b"named")))
        .await;
    assert_eq!(same.status, 200, "{}", same.text());
}

#[tokio::test]
async fn nobody_uploads_without_a_lease_or_with_that_of_another() {
    let tracker = Tracker::start(&[FLAG]).await.with_jobs(&["1", "2"]).await;
    let ann = Worker::begin(&tracker, "a", "Ann").await;
    let bob = Worker::begin(&tracker, "a", "Bob").await;
    let try_it = async |token: &str, lease: &str| {
        let body = json!({ "token": token, "lease": lease, "bytes": 1 });
        let answer = tracker.post("uploads", body).await;
        let (status, code) = code(&answer);
        (status, code.to_owned())
    };
    let is = |status, code: &str| (status, code.to_owned());
    assert_eq!(try_it("", "").await, is(401, "not_allowed"));
    assert_eq!(
        try_it("nobody", &ann.lease).await,
        is(404, "worker_unknown")
    );
    let (id, secret) = ann.lease.split_once('-').expect("a lease");
    for lease in [
        "",
        "x",
        "1-x",
        &format!("{id}-"),
        &format!("0{id}-{secret}"),
        &fingerprint(secret),
    ] {
        assert_eq!(
            try_it(&ann.token, lease).await,
            is(403, "file_not_granted"),
            "{lease}"
        );
    }
    // Whoever has the secret of a lease may deliver for it, under any registration.
    assert_eq!(try_it(&bob.token, &ann.lease).await.0, 200);
    let upload = ann.begun(&tracker, 1).await;
    let state = json!({ "upload": upload["upload"] });
    let stolen = bob.call(&tracker, "uploads/parts", state.clone()).await;
    assert_eq!(code(&stolen), (403, "file_not_granted"));
    let stolen = bob.finish(&tracker, &upload, &hash(b"x")).await;
    assert_eq!(code(&stolen), (403, "file_not_granted"));
    for upload in ["", "x", &"A".repeat(100), &"A".repeat(9_000)] {
        let body = json!({ "upload": upload });
        let forged = ann.call(&tracker, "uploads/parts", body).await;
        assert_eq!(code(&forged), (404, "file_unknown"), "{upload:.20}");
    }
    let body = json!({ "token": ann.token, "seq": 2, "released": [ann.lease] });
    tracker.post("sync", body).await;
    let gone = ann.call(&tracker, "uploads/parts", state).await;
    assert_eq!(code(&gone), (403, "file_not_granted"));
    let mine = bob
        .finish(&tracker, &bob.begun(&tracker, 1).await, "ABC")
        .await;
    assert_eq!(code(&mine), (422, "invalid_request"));
}

#[tokio::test]
async fn addresses_hold_for_what_they_say_and_for_as_long() {
    let tracker = Tracker::start(&["--lease-s=999999"])
        .await
        .with_jobs(&["1"])
        .await;
    let mut ann = Worker::begin(&tracker, "a", "Ann").await;
    let upload = ann.begun(&tracker, 10).await;
    let part = address(&upload["parts"][0]);
    let place = part
        .split("upload=")
        .nth(1)
        .expect("a place")
        .split('&')
        .next()
        .expect("one");
    let too_long = put(&tracker, &part, Body::from(vec![0; 11])).await;
    assert_eq!(code(&too_long), (413, "upload_too_large"));
    let chunks = futures_util::stream::iter([Ok::<_, std::io::Error>(vec![0; 6]), Ok(vec![0; 6])]);
    let streamed = put(&tracker, &part, Body::from_stream(chunks)).await;
    assert_eq!(code(&streamed), (413, "upload_too_large"));
    let chunks = futures_util::stream::iter([Ok(vec![0; 6]), Err(std::io::Error::other("cut"))]);
    let broken = put(&tracker, &part, Body::from_stream(chunks)).await;
    assert_eq!(code(&broken), (409, "upload_incomplete"));
    let empty = put(&tracker, &part, Body::empty()).await;
    assert_eq!(code(&empty), (409, "upload_incomplete"));
    for (of, to) in [
        ("number=0", "number=1"),
        ("number=0", "number=../../x"),
        ("number=0", "number=-1"),
        ("bytes=10", "bytes=99999999999"),
        ("bytes=10", "bytes="),
        ("until=1", "until=2"),
        (place, "..%2f..%2f..%2fetc%2fpasswd"),
        (place, &"0".repeat(32)),
        ("signature=", "signature=A"),
        ("signature=", "signature=&x="),
    ] {
        let forged = put(&tracker, &part.replace(of, to), Body::from(vec![0; 10])).await;
        assert_eq!(code(&forged), (404, "file_unknown"), "{to}");
    }
    let lacking = put(&tracker, "/api/uploads/part", Body::empty()).await;
    assert_eq!(code(&lacking), (422, "invalid_request"));
    assert!(kept(&tracker, "uploads").is_empty() && kept(&tracker, "temporary").is_empty());

    tracker.clock.advance(HOUR);
    let late = put(&tracker, &part, Body::from(vec![1; 10])).await;
    assert_eq!(code(&late), (410, "upload_expired"));
    let state = json!({ "upload": upload["upload"] });
    let state = ann.call(&tracker, "uploads/parts", state).await.json();
    let fresh = send_part(&tracker, &state["parts"][0], vec![1; 10]).await;
    assert_eq!(fresh.status, 200);
    let file = ann.finish(&tracker, &upload, &hash(&[1; 10])).await;
    assert_eq!(file.status, 200);
    let other = ann.begun(&tracker, 3).await;
    ann.deliver(&tracker, &json!([reference(&[1; 10])])).await;
    let bob = Worker::begin(&tracker, "b", "Bob").await;
    let data: Value =
        serde_json::from_str(bob.data.strip_prefix(MARK).expect("JSON")).expect("JSON");
    let url = address(&data[0]);
    let unsigned = url.split('?').next().expect("a path").to_owned();
    for forged in [
        unsigned.clone(),
        format!("{url}x"),
        url.replace("until=1", "until=2"),
        url.replace(&name(&[1; 10]), &name(b"x")),
        url.replace(&name(&[1; 10]), "..%2f..%2fjobs.db"),
        url.replace(&name(&[1; 10]), "%ff"),
        url.replace(&name(&[1; 10]), &name(&[1; 10]).to_uppercase()),
    ] {
        assert_eq!(
            code(&fetch(&tracker, &forged, &[]).await),
            (404, "file_unknown"),
            "{forged}"
        );
    }
    assert_eq!(fetch(&tracker, &url, &[]).await.status, 200);
    tracker.clock.advance(2 * HOUR + 1_000_000_000);
    assert_eq!(fetch(&tracker, &url, &[]).await.status, 404);
    let state = json!({ "upload": other["upload"] });
    let over = bob.call(&tracker, "uploads/parts", state).await;
    assert_eq!(code(&over), (410, "upload_expired"));
}

#[tokio::test]
async fn sizes_are_limited() {
    let flags = [
        "--max-file=100",
        "--files-per-job=150",
        "--files-total=400",
        "--files-per-day=600",
    ];
    let tracker = Tracker::start(&flags)
        .await
        .with_jobs(&["1", "2", "3", "4", "5"])
        .await;
    let ann = Worker::begin(&tracker, "a", "Ann").await;
    for bytes in [101, 1 << 40, u64::MAX >> 11, u64::MAX] {
        let answer = ann
            .call(&tracker, "uploads", json!({ "bytes": bytes }))
            .await;
        assert_eq!(code(&answer), (413, "upload_too_large"), "{bytes}");
    }
    for bytes in [json!(-1), json!(1.5), json!("1"), json!(1e30)] {
        let answer = ann
            .call(&tracker, "uploads", json!({ "bytes": bytes }))
            .await;
        assert_eq!(code(&answer), (422, "invalid_request"), "{bytes}");
    }
    assert_eq!(ann.put(&tracker, &[1; 100]).await.status, 200);
    assert_eq!(
        ann.put(&tracker, &[1; 100]).await.status,
        200,
        "the same counts once"
    );
    assert_eq!(ann.put(&tracker, &[2; 50]).await.status, 200);
    assert_eq!(
        code(&ann.put(&tracker, &[3; 1]).await),
        (413, "upload_too_large")
    );
    for (at, nickname) in (4..).zip(["Bob", "Cid"]) {
        let other = Worker::begin(&tracker, "a", nickname).await;
        assert_eq!(other.put(&tracker, &[at; 100]).await.status, 200);
    }
    let dan = Worker::begin(&tracker, "a", "Dan").await;
    let full = dan.call(&tracker, "uploads", json!({ "bytes": 51 })).await;
    assert_eq!(code(&full), (507, "files_full"));
    assert_eq!(dan.put(&tracker, &[9; 50]).await.status, 200);

    // By address: each has bytes of its own.
    // The least ones count as 65,536 bytes.
    let flags = ["--files-per-day=100000"];
    let small = Tracker::start(&flags).await.with_jobs(&["1"]).await;
    let eve = Worker::begin(&small, "a", "Eve").await;
    let ask = async |address: &str, bytes: u64| {
        let peer = std::net::SocketAddr::from(([127, 0, 0, 1], 50_000));
        let body = json!({ "token": eve.token, "lease": eve.lease, "bytes": bytes });
        let request = Request::post("/api/uploads")
            .header("content-type", "application/json")
            .header("x-forwarded-for", address)
            .extension(axum::extract::ConnectInfo(peer));
        let body = Body::from(body.to_string());
        small.send(request.body(body).expect("a request")).await
    };
    assert_eq!(ask("192.0.2.1", 10).await.status, 200);
    assert_eq!(ask("192.0.2.3", 90_000).await.status, 200);
    let refused = ask("192.0.2.1", 1).await;
    assert_eq!(code(&refused), (429, "too_many_requests"));
    let after: u64 = refused
        .header("retry-after")
        .expect("a time")
        .parse()
        .expect("seconds");
    assert!((86_000..=86_400).contains(&after), "{after}");
    assert_eq!(ask("192.0.2.2", 10).await.status, 200);
    assert_eq!(code(&ask("192.0.2.3", 0).await).0, 429);
}

#[tokio::test]
async fn what_nothing_names_is_deleted_and_what_a_job_names_stays_until_it_is_pruned() {
    let tracker = Tracker::start(&[FLAG]).await.with_jobs(&["1", "2"]).await;
    let mut ann = Worker::begin(&tracker, "a", "Ann").await;
    let mut bob = Worker::begin(&tracker, "a", "Bob").await;
    for bytes in [&b"named"[..], b"both", b"unnamed"] {
        assert_eq!(ann.put(&tracker, bytes).await.status, 200);
    }
    assert_eq!(bob.put(&tracker, b"both").await.status, 200);
    let names = |list: &[&[u8]]| {
        let mut names: Vec<_> = list.iter().map(|bytes| name(bytes)).collect();
        names.sort();
        names
    };
    assert_eq!(
        kept(&tracker, "files"),
        names(&[b"named", b"both", b"unnamed"])
    );
    ann.deliver(&tracker, &json!([reference(b"named"), reference(b"both")]))
        .await;
    tracker.clock.advance(DAY);
    assert_eq!(swept(&tracker).await, 0, "a day is not over");
    tracker.clock.advance(2 * HOUR);
    assert_eq!(
        swept(&tracker).await,
        0,
        "within an hour, others may need it"
    );
    // Bob holds his lease; the grant lasts.
    tracker.clock.advance(2 * HOUR);
    assert_eq!(swept(&tracker).await, 1);
    assert_eq!(kept(&tracker, "files"), names(&[b"named", b"both"]));
    let delivered = bob.deliver(&tracker, &json!([reference(b"both")])).await;
    assert_eq!(delivered["accepted"], json!([bob.lease]));
    let prune = async |before: u64| {
        let request = Request::post("/api/prune").header("authorization", TOKEN);
        let body = json!({ "stage": "b", "before": before }).to_string();
        let answer = tracker
            .send(request.body(Body::from(body)).expect("a request"))
            .await;
        answer.json()["pruned"].as_u64()
    };
    let _ = prune(0).await;
    for job in [1, 2] {
        let files = tracker.store.files_of_job(job, 10).await.expect("files");
        assert!(!files.is_empty());
    }
    // The jobs go on to stage b; nobody prunes what is not finished.
    tracker.clock.advance(3 * DAY);
    assert_eq!(swept(&tracker).await, 0);
    let mut closer = Worker::begin(&tracker, "b", "Cid").await;
    closer.deliver(&tracker, &json!({})).await;
    assert_eq!(prune(99).await, Some(1));
    tracker.clock.advance(2 * HOUR);
    let mut closer = Worker::begin(&tracker, "b", "Dan").await;
    let left = kept(&tracker, "files");
    swept(&tracker).await;
    assert!(
        kept(&tracker, "files").contains(&name(b"both")),
        "the other job names it too: {left:?}"
    );
    closer.deliver(&tracker, &json!({})).await;
    assert_eq!(prune(99).await, Some(1));
    swept(&tracker).await;
    tracker.clock.advance(2 * HOUR);
    swept(&tracker).await;
    assert!(kept(&tracker, "files").is_empty());
    let totals = tracker.store.file_totals().await.expect("totals");
    assert_eq!((totals.files, totals.bytes), (0, 0));
}

#[tokio::test]
async fn the_owner_uploads_files_and_adds_jobs_that_name_them() {
    let tracker = Tracker::start(&[FLAG]).await;
    let call = async |call: &str, body: String| {
        let request = Request::post(format!("/api/{call}"))
            .header("content-type", "application/json")
            .header("authorization", TOKEN);
        tracker
            .send(request.body(Body::from(body)).expect("a request"))
            .await
    };
    let jobs = format!(
        "{}\n{}\n",
        json!([1]),
        json!({ "x": [reference(b"table")] })
    );
    let refused = call("jobs", jobs.clone()).await;
    assert_eq!(code(&refused), (422, "invalid_request"));
    assert!(
        refused.text().contains("Job 2 names sha256-"),
        "{}",
        refused.text()
    );
    let wrong = call("jobs", json!([{ "$file": "x" }]).to_string()).await;
    assert_eq!(wrong.refusal().0, 422);
    let begun = call("uploads", json!({ "bytes": 5 }).to_string())
        .await
        .json();
    send_part(&tracker, &begun["parts"][0], b"table".to_vec()).await;
    let finish = json!({ "upload": begun["upload"], "sha256": hash(b"table") }).to_string();
    while call("uploads/finish", finish.clone()).await.status == 202 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(call("jobs", jobs).await.json()["added"], 2);
    tracker.clock.advance(3 * DAY);
    assert_eq!(swept(&tracker).await, 0);
    let admin = [("authorization", TOKEN)];
    let path = format!("/api/files/{}", name(b"table"));
    assert_eq!(fetch(&tracker, &path, &admin).await.bytes, b"table");
    assert_eq!(fetch(&tracker, &path, &[]).await.status, 404);
    let page = fetch(&tracker, "/job/2", &admin).await;
    let link = page
        .text()
        .split("href=\"../api/files/")
        .nth(1)
        .expect("a link");
    let link = link
        .split('"')
        .next()
        .expect("an address")
        .replace("&amp;", "&");
    assert_eq!(
        fetch(&tracker, &format!("/api/files/{link}"), &[])
            .await
            .bytes,
        b"table"
    );
    assert!(!tracker.get("/job/2").await.text().contains("api/files"));
    let metrics = fetch(&tracker, "/metrics", &admin).await;
    assert!(
        metrics.text().contains("distcompute_files 1\n"),
        "{}",
        metrics.text()
    );
    assert!(metrics.text().contains("distcompute_files_size_bytes 5\n"));
}

#[tokio::test]
async fn a_tracker_without_files_leaves_texts_alone_and_says_so() {
    let tracker = Tracker::start(&["--object-store=off"])
        .await
        .with_jobs(&["1"])
        .await;
    let new = tracker.get("/api/new?nickname=x&stage=a").await.json();
    assert_eq!(new["extensions"], json!(["sync"]));
    let mut ann = Worker::begin(&tracker, "a", "Ann").await;
    let answer = ann.call(&tracker, "uploads", json!({ "bytes": 1 })).await;
    assert_eq!(code(&answer), (404, "files_off"));
    let answer = tracker.get(&format!("/api/files/{}", name(b"x"))).await;
    assert_eq!(code(&answer), (404, "files_off"));
    let out = json!([{ "$file": "https://example.org/x" }]);
    ann.deliver(&tracker, &out).await;
    let bob = Worker::begin(&tracker, "b", "Bob").await;
    assert_eq!(bob.data, format!("{MARK}{out}"));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_store_that_fails_is_said() {
    let tracker = Tracker::start(&["--object-store=/dev/full/files"])
        .await
        .with_jobs(&["1"])
        .await;
    let ann = Worker::begin(&tracker, "a", "Ann").await;
    let upload = ann.begun(&tracker, 1).await;
    let answer = send_part(&tracker, &upload["parts"][0], vec![1]).await;
    assert_eq!(
        code(&answer),
        (503, "unavailable"),
        "no folder can be made there"
    );
    assert_eq!(answer.header("retry-after"), Some("5"));
}

#[tokio::test]
async fn public_results_have_addresses_and_what_no_result_names_stays_secret() {
    let tracker = Tracker::start(&["--public-results"]).await;
    let tracker = tracker.with_jobs(&["1"]).await;
    let mut ann = Worker::begin(&tracker, "a", "Ann").await;
    for bytes in [&b"named"[..], b"unnamed"] {
        assert_eq!(ann.put(&tracker, bytes).await.status, 200);
        let path = format!("/api/files/{}", name(bytes));
        assert_eq!(fetch(&tracker, &path, &[]).await.status, 404);
    }
    ann.deliver(&tracker, &json!([reference(b"named")])).await;
    for path in ["results?stage=a", "results?stage=a&numbers=1"] {
        let line = tracker.get(&format!("/api/{path}")).await.json();
        let data = line["data"].as_str().expect("an output");
        let output: Value =
            serde_json::from_str(data.strip_prefix(MARK).expect("JSON")).expect("JSON");
        let address = output[0]["url"].as_str().expect("an address");
        let answer = fetch(&tracker, &format!("/{address}"), &[]).await;
        assert_eq!(answer.bytes, b"named");
    }
}

/// More than any disk has.
const NEVER: &str = "--files-keep-free=9223372036854775807";

#[tokio::test]
async fn a_disk_that_is_nearly_full_takes_nothing_and_loses_nothing() {
    let tracker = Tracker::start(&[]).await.with_jobs(&["1"]).await;
    let mut ann = Worker::begin(&tracker, "a", "Ann").await;
    let bytes = vec![5; PART + 1];
    let upload = ann.begun(&tracker, bytes.len()).await;
    let parts = upload["parts"].as_array().expect("parts").clone();
    let sent = send_part(&tracker, &parts[0], bytes[..PART].to_vec()).await;
    assert_eq!(sent.status, 200);

    let tracker = tracker.restarted(&["serve", NEVER]).await;
    let full = (507, "store_full");
    let begun = ann.call(&tracker, "uploads", json!({ "bytes": 1 })).await;
    assert_eq!(code(&begun), full);
    let sent = send_part(&tracker, &parts[1], bytes[PART..].to_vec()).await;
    assert_eq!(code(&sent), full);
    let state = json!({ "upload": upload["upload"], "from": 0 });
    let state = ann.call(&tracker, "uploads/parts", state).await.json();
    assert_eq!(state["stored"], json!([0]));

    let tracker = tracker.restarted(&["serve"]).await;
    let sent = send_part(&tracker, &parts[1], bytes[PART..].to_vec()).await;
    assert_eq!(sent.status, 200, "{}", sent.text());
    // Both parts are written once more as one file.
    let tracker = tracker.restarted(&["serve", NEVER]).await;
    let finished = ann.finish(&tracker, &upload, &hash(&bytes)).await;
    assert_eq!(code(&finished), full);
    assert!(kept(&tracker, "temporary").is_empty() && kept(&tracker, "files").is_empty());
    let tracker = tracker.restarted(&["serve"]).await;
    let finished = ann.finish(&tracker, &upload, &hash(&bytes)).await;
    assert_eq!(finished.status, 200, "{}", finished.text());
    let delivered = ann.deliver(&tracker, &json!([reference(&bytes)])).await;
    assert_eq!(delivered["accepted"], json!([ann.lease]));
}

#[tokio::test]
async fn what_has_begun_and_is_not_finished_is_limited() {
    let flags = ["--files-per-job=100000", "--files-unfinished=600000", FLAG];
    let tracker = Tracker::start(&flags)
        .await
        .with_jobs(&["1", "2", "3", "4"])
        .await;
    let ann = Worker::begin(&tracker, "a", "Ann").await;
    let bob = Worker::begin(&tracker, "a", "Bob").await;
    let begins = async |worker: &Worker, bytes: usize| {
        let answer = worker
            .call(&tracker, "uploads", json!({ "bytes": bytes }))
            .await;
        (answer.status.as_u16(), code(&answer).1.to_owned())
    };
    let full = (507, "store_full".to_owned());
    // One that is finished counts no more, and neither does another of the same file.
    let other = ann.begun(&tracker, 90_000).await;
    send_part(&tracker, &other["parts"][0], vec![1; 90_000]).await;
    assert_eq!(ann.put(&tracker, &[1; 90_000]).await.status, 200);
    assert_eq!(begins(&ann, 90_000).await.0, 200);
    assert_eq!(begins(&ann, 90_000).await, full);
    let done = ann.finish(&tracker, &other, &hash(&[1; 90_000])).await;
    assert_eq!(done.status, 200);
    assert!(kept(&tracker, "uploads").is_empty());
    assert_eq!(tracker.files.unfinished_bytes(), 90_000);
    assert_eq!(begins(&ann, 90_000).await.0, 200);
    // Of nothing of the second one something comes.
    let upload = bob.begun(&tracker, 100_000).await;
    send_part(&tracker, &upload["parts"][0], vec![2; 100_000]).await;
    assert_eq!(begins(&bob, 100_000).await.0, 200);
    assert_eq!(begins(&bob, 1).await, full);
    let cid = Worker::begin(&tracker, "a", "Cid").await;
    assert_eq!(begins(&cid, 100_000).await.0, 200);
    assert_eq!(begins(&cid, 100_000).await.0, 200);
    let dan = Worker::begin(&tracker, "a", "Dan").await;
    assert_eq!(begins(&dan, 1).await, full, "it is full for all");
    let owner = Request::post("/api/uploads")
        .header("content-type", "application/json")
        .header("authorization", TOKEN);
    let owner = owner.body(Body::from("{\"bytes\":9999999}"));
    assert_eq!(tracker.send(owner.expect("a request")).await.status, 200);
    // What was only announced is forgotten.
    tracker.clock.advance(HOUR + HOUR / 6);
    assert_eq!(begins(&dan, 1).await.0, 200);
    assert_eq!(tracker.files.unfinished_bytes(), 100_000 + 65_536);

    // After a restart, what is there counts.
    let tracker = tracker.restarted(&[&["serve"], &flags[..]].concat()).await;
    assert_eq!(tracker.files.unfinished_bytes(), 0);
    swept(&tracker).await;
    assert_eq!(tracker.files.unfinished_bytes(), 100_000);
    let state = json!({ "upload": upload["upload"] });
    assert_eq!(bob.call(&tracker, "uploads/parts", state).await.status, 200);
    assert_eq!(tracker.files.unfinished_bytes(), 100_000);
    let done = bob.finish(&tracker, &upload, &hash(&[2; 100_000])).await;
    assert_eq!(done.status, 200, "{}", done.text());
    assert_eq!(tracker.files.unfinished_bytes(), 0);
}

#[tokio::test]
async fn a_file_counts_when_it_is_stored_and_not_when_that_was_broken_off() {
    let tracker = Tracker::start(&[FLAG]).await.with_jobs(&["1"]).await;
    let mut ann = Worker::begin(&tracker, "a", "Ann").await;
    let named = vec![ann.lease.clone()];
    let leases = tracker.store.file_leases(named).await.expect("leases");
    // A tracker that died between two steps.
    let file = NewFile {
        job: 1,
        lease: leases[0].1.id,
        hash: name(b"half"),
        bytes: 4,
        most_of_lease: 100,
        most_files: 9,
        most: 0,
    };
    let recorded = tracker.store.record_file(file).await.expect("recorded");
    assert_eq!(recorded, Recorded::Yes);
    let job = json!([reference(b"half")]).to_string();
    let request = Request::post("/api/jobs")
        .header("content-type", "application/json")
        .header("authorization", TOKEN);
    let added = tracker.send(request.body(Body::from(job)).expect("a request"));
    assert_eq!(code(&added.await), (422, "invalid_request"));
    // The client repeats what was not answered.
    assert_eq!(ann.put(&tracker, b"half").await.status, 200);
    let delivered = ann.deliver(&tracker, &json!([reference(b"half")])).await;
    assert_eq!(delivered["accepted"], json!([ann.lease]));
}

#[tokio::test]
async fn an_upload_that_waited_long_is_not_swept_while_it_is_stored() {
    let folder = tempfile::tempdir().expect("a folder");
    let location = Location::Folder(folder.path().to_owned());
    let objects = Objects::open(&location).expect("a store").expect("one");
    let upload = "0".repeat(32);
    let mut part = objects
        .folder()
        .expect("one")
        .new_part(&upload, 0)
        .await
        .expect("a part");
    part.write(b"old").await.expect("written");
    part.finish().await.expect("there");
    let path = folder.path().join("uploads").join(&upload).join("0");
    let file = std::fs::File::options().write(true).open(path);
    let old = SystemTime::now() - Duration::from_secs(90_000);
    file.expect("a part").set_modified(old).expect("old");
    let cut = Cut {
        bytes: 3,
        part: objects.part_bytes(),
    };
    let progress = Arc::<Progress>::default();
    let check = objects.check(&upload, cut, &name(b"old"), &progress).await;
    let Ok(Check::Right(checked)) = check else {
        panic!("{check:?}");
    };
    let age = Duration::from_secs(86_400);
    let old = objects.delete_old_uploads(age).await.expect("a sweep");
    assert_eq!((old.deleted, old.left.len()), (0, 1));
    objects
        .publish(checked, &name(b"old"))
        .await
        .expect("published");
    assert_eq!(objects.size(&name(b"old")).await, Ok(Some(3)));
}

#[tokio::test]
async fn only_files_of_the_job_get_addresses() {
    let tracker = Tracker::start(&["--object-store=off"])
        .await
        .with_jobs(&["1", "2"])
        .await;
    // From the time before there were files, results name what they like, at any address.
    let mut mallory = Worker::begin(&tracker, "a", "Mallory").await;
    let mut secret = reference(b"secret");
    secret["url"] = json!("https://elsewhere.example/");
    mallory.deliver(&tracker, &json!([secret, 1])).await;
    let tracker = tracker
        .restarted(&[
            "serve",
            "--stage=a=CPU",
            "--stage=b=GPU",
            "--public-results",
        ])
        .await;
    // Its source of tokens begins anew; those of before are taken.
    for _ in 0..9 {
        tracker.get("/api/new?nickname=x&stage=a").await;
    }
    let mut ann = Worker::begin(&tracker, "a", "Ann").await;
    assert_eq!(ann.put(&tracker, b"secret").await.status, 200);
    let bob = Worker::begin(&tracker, "b", "Bob").await;
    let bare = format!("{MARK}[{},1]", reference(b"secret"));
    assert_eq!(bob.data, bare);
    let token = tracker.join("b", "Old").await;
    let body = json!({ "token": bob.token, "seq": 2, "released": [bob.lease] });
    tracker.post("sync", body).await;
    let job = tracker.post("newJob", json!({ "token": token })).await;
    assert_eq!(job.json()["data"], bare);
    for path in ["results?stage=a", "results?stage=a&numbers=1"] {
        let line = tracker.get(&format!("/api/{path}")).await.json();
        assert_eq!(line["data"], bare);
    }
    ann.deliver(&tracker, &json!([reference(b"secret")])).await;
    let other = Worker::begin(&tracker, "b", "Cid").await;
    assert!(
        other.data.contains("\"url\":\"api/files/"),
        "{}",
        other.data
    );
}

#[tokio::test]
async fn results_that_name_very_many_files_are_sent_apart() {
    let tracker = Tracker::start(&[]).await.with_jobs(&["1"]).await;
    let ann = Worker::begin(&tracker, "a", "Ann").await;
    let files: Vec<_> = (0..4_096_u32)
        .map(|at| reference(&at.to_be_bytes()))
        .collect();
    let data = format!("{MARK}{}", Value::from(files));
    let all: Vec<_> = (0..5)
        .map(|at| json!({ "lease": format!("{at}-x"), "data": data }))
        .collect();
    let sync = |done: &[Value]| json!({ "token": ann.token, "seq": 2, "done": done });
    let refused = tracker.post("sync", sync(&all)).await;
    assert_eq!(code(&refused), (413, "too_large"));
    let answer = tracker.post("sync", sync(&all[1..])).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}
