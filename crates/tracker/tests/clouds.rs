//! Files of jobs in a cloud's object store: an S3 server, whose address is in the environment
//! (`AWS_ENDPOINT` and its secrets, the bucket in `DISTCOMPUTE_TEST_BUCKET`). `npm run test:more -- clouds`
//! starts one.

mod support;

use axum::http::Method;
use distcompute_protocol::Stage;
use distcompute_tracker::files::{
    FileError, Files, Limits,
    location::Location,
    objects::{Check, ObjectError, Objects, Progress},
    sweep::sweep,
};
use distcompute_tracker::rules::file_grants::Cut;
use serde_json::{Value, json};
use support::{Answer, Tracker};

const MARK: &str = "<!json!>";
const PAGE: &str = "https://volunteers.example.org";

fn place(prefix: &str) -> String {
    let bucket = std::env::var("DISTCOMPUTE_TEST_BUCKET").expect("the name of a bucket");
    format!("s3://{bucket}/{prefix}")
}

fn name(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    let digits = digest.as_ref().iter().map(|byte| format!("{byte:02x}"));
    format!("sha256-{}", digits.collect::<String>())
}

/// A browser, as far as the store is concerned: it says which page it shows.
async fn send(client: &reqwest::Client, part: &Value, bytes: Vec<u8>) -> u16 {
    let url = part["url"].as_str().expect("an address");
    let sent = client
        .put(url)
        .header("origin", PAGE)
        .body(bytes)
        .send()
        .await;
    let answer = sent.expect("an answer of the store");
    if answer.status() == 200 {
        let allowed = answer.headers().get("access-control-allow-origin");
        assert!(allowed.is_some(), "a page may not read this answer");
    }
    answer.status().as_u16()
}

async fn call(tracker: &Tracker, by: &Value, call: &str, mut body: Value) -> Answer {
    body["token"] = by["token"].clone();
    body["lease"] = by["lease"].clone();
    loop {
        let answer = tracker.post(call, body.clone()).await;
        if answer.status != 202 {
            return answer;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

async fn begin(tracker: &Tracker, stage: &str, nickname: &str) -> (Value, String) {
    let token = tracker.join(stage, nickname).await;
    let body = json!({ "token": token, "seq": 1, "want": 1 });
    let answer = tracker.post("sync", body).await.json();
    let job = &answer["jobs"][0];
    let data = job["data"].as_str().expect("data").to_owned();
    (json!({ "token": token, "lease": job["lease"] }), data)
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_send_files_to_the_store_and_fetch_them_from_it() {
    let flag = format!("--object-store={}", place("project/a"));
    let tracker = Tracker::start(&[&flag]).await.with_jobs(&["in"]).await;
    let client = reqwest::Client::builder();
    let client = client
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .expect("a client");
    let (ann, _) = begin(&tracker, "a", "Ann").await;
    let large: Vec<u8> = (0..(16 << 20) + 7)
        .map(|at: u32| (at % 251) as u8)
        .collect();
    let mut named = Vec::new();
    for bytes in [Vec::new(), b"x".to_vec(), large.clone()] {
        let size = json!({ "bytes": bytes.len() });
        let begun = call(&tracker, &ann, "uploads", size).await.json();
        let part_bytes = usize::try_from(begun["part_bytes"].as_u64().expect("a size"));
        let mut chunks: Vec<_> = bytes.chunks(part_bytes.expect("small")).collect();
        if chunks.is_empty() {
            chunks.push(&[]);
        }
        let parts = begun["parts"].as_array().expect("parts");
        assert_eq!(parts.len(), chunks.len());
        let finish = json!({ "upload": begun["upload"], "sha256": name(&bytes) });
        let early = call(&tracker, &ann, "uploads/finish", finish.clone()).await;
        assert_eq!(early.header("distcompute-error"), Some("upload_incomplete"));
        for (part, chunk) in parts.iter().zip(&chunks) {
            assert_eq!(send(&client, part, chunk.to_vec()).await, 200);
        }
        // What is larger than it was said to be is no part.
        let last = &parts[parts.len() - 1];
        let rest = chunks[chunks.len() - 1];
        send(&client, last, [rest, b"more"].concat()).await;
        let large = call(&tracker, &ann, "uploads/finish", finish.clone()).await;
        assert_eq!(large.header("distcompute-error"), Some("upload_incomplete"));
        let state = json!({ "upload": begun["upload"], "from": 0 });
        let state = call(&tracker, &ann, "uploads/parts", state).await.json();
        assert_eq!(
            state["stored"].as_array().map(Vec::len),
            Some(parts.len() - 1)
        );
        let mut other = rest.to_vec();
        if let Some(first) = other.first_mut() {
            *first ^= 1;
            send(&client, &state["parts"][0], other).await;
            let wrong = call(&tracker, &ann, "uploads/finish", finish.clone()).await;
            assert_eq!(wrong.header("distcompute-error"), Some("upload_wrong_hash"));
        }
        assert_eq!(send(&client, &state["parts"][0], rest.to_vec()).await, 200);
        for _ in 0..2 {
            let done = call(&tracker, &ann, "uploads/finish", finish.clone()).await;
            assert_eq!(done.status, 200, "{}", done.text());
            assert_eq!(done.json()["file"]["$file"], name(&bytes));
        }
        named.push(json!({ "$file": name(&bytes), "bytes": bytes.len() }));
    }
    let forged = json!({ "url": place("x").replace("s3://", "http://127.0.0.1:1/") });
    assert!(
        client
            .put(forged["url"].as_str().expect("one"))
            .send()
            .await
            .is_err()
    );
    let data = format!("{MARK}{}", Value::from(named));
    let done = json!([{ "lease": ann["lease"], "data": data }]);
    let body = json!({ "token": ann["token"], "seq": 2, "done": done });
    let answer = tracker.post("sync", body).await.json();
    assert_eq!(answer["accepted"], json!([ann["lease"]]));
    assert_eq!(
        tracker
            .store
            .results(Stage::A, 0, 9)
            .await
            .expect("results")
            .len(),
        1
    );

    let (_, data) = begin(&tracker, "b", "Bob").await;
    let data: Value = serde_json::from_str(data.strip_prefix(MARK).expect("JSON")).expect("JSON");
    let url = format!("/{}", data[2]["url"].as_str().expect("an address"));
    let answer = tracker.request(Method::GET, &url, &[]).await;
    assert_eq!(answer.status, 307);
    let store = answer.header("location").expect("an address");
    let get = client
        .get(store)
        .header("origin", PAGE)
        .header("range", "bytes=16777210-");
    let rest = get.send().await.expect("an answer");
    assert_eq!(rest.status(), 206);
    assert_eq!(rest.headers()["content-type"], "application/octet-stream");
    assert_eq!(rest.headers()["content-disposition"], "attachment");
    assert!(rest.headers().contains_key("access-control-allow-origin"));
    assert!(rest.bytes().await.expect("bytes") == large[16_777_210..]);
    let forged = store.replace("X-Amz-Expires=900", "X-Amz-Expires=90000");
    assert_ne!(forged, store);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_is_written_read_swept_and_missed() {
    let location: Location = place("project/b").parse().expect("a location");
    let objects = Objects::open(&location).expect("a store").expect("one");
    objects.probe().await.expect("it can be written");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("x");
    let bytes = vec![3; (8 << 20) + 1];
    std::fs::write(&file, &bytes).expect("a file");
    for _ in 0..2 {
        let (copy, name_of_it, size) = objects.copy_of(&file).await.expect("read");
        assert_eq!((&name_of_it, size), (&name(&bytes), bytes.len() as u64));
        let published = objects.publish(copy, &name_of_it).await;
        published.expect("published");
    }
    let mut read = Vec::new();
    let mut stream = objects.read(&name(&bytes)).await.expect("a file");
    while let Some(chunk) = futures_util::StreamExt::next(&mut stream).await {
        read.extend_from_slice(&chunk.expect("bytes"));
    }
    assert!(read == bytes);
    objects.delete(&name(&bytes)).await.expect("deleted");
    objects.delete(&name(&bytes)).await.expect("deleted before");
    assert_eq!(objects.size(&name(&bytes)).await, Ok(None));
    assert!(matches!(
        objects.read(&name(&bytes)).await,
        Err(ObjectError::Missing)
    ));
    assert!(matches!(
        objects.size("../x").await,
        Err(ObjectError::Missing)
    ));
    let cut = Cut {
        bytes: 1,
        part: objects.part_bytes(),
    };
    let progress = std::sync::Arc::<Progress>::default();
    let check = objects.check("0123", cut, &name(b"x"), &progress).await;
    assert!(matches!(check, Ok(Check::Incomplete(0))));
    let tracker = Tracker::start(&[]).await;
    let files = Files::new(&location, Limits::default()).expect("files");
    sweep(tracker.store.as_ref(), &files)
        .await
        .expect("a sweep");
    // A bucket that is not there.
    let other: Location = "s3://there-is-no-such-bucket/x"
        .parse()
        .expect("a location");
    let none = Files::new(&other, Limits::default()).expect("files");
    let probed = none.there().expect("one").probe().await;
    let probed = FileError::from(probed.expect_err("nothing is there"));
    assert!(matches!(probed, FileError::Away(_) | FileError::Unknown));
}

/// How many files the store has begun to write below `project/c` and has not ended. Other tests write to the
/// same bucket.
async fn being_written(client: &reqwest::Client) -> usize {
    let endpoint = std::env::var("AWS_ENDPOINT").expect("an address");
    let bucket = std::env::var("DISTCOMPUTE_TEST_BUCKET").expect("the name of a bucket");
    let listed = client.get(format!("{endpoint}/{bucket}?uploads"));
    let listed = listed.send().await.expect("an answer");
    assert_eq!(listed.status(), 200);
    let text = listed.text().await.expect("a list");
    text.matches("<Key>project/c/").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_leaves_nothing_behind_that_is_paid_for() {
    let flags = [
        format!("--object-store={}", place("project/c")),
        "--files-per-job=25000000".to_owned(),
    ];
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let tracker = Tracker::start(&flags).await.with_jobs(&["in"]).await;
    let client = reqwest::Client::new();
    let before = being_written(&client).await;
    let (ann, _) = begin(&tracker, "a", "Ann").await;
    let mut statuses = Vec::new();
    for byte in 1..=2 {
        let bytes = vec![byte; 17 << 20];
        let size = json!({ "bytes": bytes.len() });
        let begun = call(&tracker, &ann, "uploads", size).await.json();
        let parts = begun["parts"].as_array().expect("parts");
        for (part, chunk) in parts.iter().zip(bytes.chunks(8 << 20)) {
            assert_eq!(send(&client, part, chunk.to_vec()).await, 200);
        }
        let finish = json!({ "upload": begun["upload"], "sha256": name(&bytes) });
        let done = call(&tracker, &ann, "uploads/finish", finish).await;
        statuses.push(done.status.as_u16());
    }
    assert_eq!(statuses, [200, 413]);
    assert_eq!(being_written(&client).await, before);

    // One that is checked and then refused.
    let objects = tracker.files.there().expect("a store");
    let upload = "0".repeat(32);
    let cut = Cut {
        bytes: 9 << 20,
        part: objects.part_bytes(),
    };
    let bytes = vec![3; 9 << 20];
    for (number, chunk) in bytes.chunks(8 << 20).enumerate() {
        let number = u32::try_from(number).expect("few");
        let place = part_address(objects, &upload, number).await;
        let sent = client.put(place).body(chunk.to_vec()).send().await;
        assert_eq!(sent.expect("an answer").status(), 200);
    }
    let progress = std::sync::Arc::<Progress>::default();
    let check = objects.check(&upload, cut, &name(&bytes), &progress).await;
    let Ok(Check::Right(checked)) = check else {
        panic!("{check:?}");
    };
    assert_eq!(being_written(&client).await, before + 1);
    objects.discard(checked).await;
    assert_eq!(being_written(&client).await, before);
}

async fn part_address(objects: &Objects, upload: &str, number: u32) -> String {
    let Objects::Cloud(cloud) = objects else {
        panic!("{objects:?}");
    };
    let lasts = std::time::Duration::from_secs(60);
    cloud
        .part_address(upload, number, lasts)
        .await
        .expect("an address")
}
