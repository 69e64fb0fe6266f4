//! Malicious requests against a real tracker on a database: its memory afterwards, and whether
//! other clients were served.

use std::{
    fs,
    io::Write as _,
    net::TcpStream,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::process::{PROGRAM, Serving};

/// The maximum memory that the operator's guide promises, in KB.
const MEMORY_KB: u64 = 300 * 1024;

/// The peak memory of a tracker, in KB.
fn peak_kb(tracker: &Serving) -> u64 {
    let path = format!("/proc/{}/status", tracker.child.id());
    let status = fs::read_to_string(path).expect("its status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let figure = line.and_then(|line| line.split_whitespace().next());
    figure.expect("a figure").parse().expect("a number")
}

/// A body of about 15 MB: `begin`, then `item` repeated.
fn large(begin: &str, item: &str) -> Vec<u8> {
    let count = 15_000_000 / (item.len() + 1);
    let items = vec![item; count].join(",");
    format!("{begin}[{items}]}}").into_bytes()
}

pub(crate) fn large_bodies_of_strangers_neither_fill_the_memory_nor_hold_up_others(database: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(PROGRAM);
    command.args(["serve", "--listen", "127.0.0.1:0", "--database", database]);
    let tracker = Serving::start(command.current_dir(folder.path()));
    let bodies = [
        (
            "/api/sync",
            large(r#"{"token":"x","seq":1,"z":"#, r#"{"":0}"#),
            404,
        ),
        (
            "/api/sync",
            large(r#"{"token":"x","seq":1,"holding":"#, r#""""#),
            422,
        ),
        (
            "/api/sync",
            large(
                r#"{"token":"x","seq":1,"done":"#,
                r#"{"lease":"","data":""}"#,
            ),
            422,
        ),
        ("/api/sync", large(r#"{"token":"#, "[]"), 422),
        (
            "/api/completeJob",
            large(r#"{"token":"x","data":"","z":"#, "0"),
            404,
        ),
        (
            "/api/completeJob",
            large(r#"{"token":"x","data":"#, "[1]"),
            422,
        ),
        ("/api/bye", large(r#"{"token":"x","z":"#, "0"), 413),
    ];
    let served = &tracker;
    thread::scope(|scope| {
        for (path, body, expected) in &bodies {
            scope.spawn(move || {
                for _ in 0..2 {
                    let status = served.ask(&format!("POST {path}"), body).status;
                    let begin = String::from_utf8_lossy(&body[..40]);
                    // 503: the client was asked to retry.
                    assert!(
                        [*expected, 503].contains(&status),
                        "{status}: {path} {begin}"
                    );
                }
            });
        }
        for _ in 0..20 {
            let status = served
                .ask("POST /api/validateWorker", br#"{"token":"x"}"#)
                .status;
            assert_eq!(status, 200);
        }
    });
    let peak = peak_kb(&tracker);
    assert!(peak < MEMORY_KB, "it took {peak} KB");
}

pub(crate) fn nobody_registers_without_the_join_key_and_nothing_shows_it(database: &str) {
    const KEY: &str = "only-for-the-invited";
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("key"), KEY).expect("a file");
    let log = folder.path().join("log");
    let mut command = Command::new(PROGRAM);
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--database", database])
        .args(["--join-key-file", "key", "--log", "trace"])
        .current_dir(folder.path());
    let tracker = Serving::start_with_log(&mut command, fs::File::create(&log).expect("a log"));
    let new = "api/new?nickname=Eve&stage=a";
    let other = "only-for-the-invitee";
    for path in [
        format!("/{new}"),
        format!("/join/{other}/{new}"),
        format!("/join/{}/{new}", &KEY[..KEY.len() - 1]),
        format!("/join/{KEY}x/{new}"),
        format!("/join/%6fnly-for-the-invited/{new}"),
        format!("/join//{new}"),
        format!("/{new}&join_key={KEY}"),
    ] {
        let answer = tracker.ask(&format!("GET {path}"), b"");
        assert_eq!(answer.status, 401, "{path}: {}", answer.body);
        let code = "distcompute-error: join_key_required";
        assert!(answer.head.contains(code), "{path}: {}", answer.head);
        assert!(answer.body.contains("join key"), "{}", answer.body);
    }
    let workers = || -> serde_json::Value {
        let status = tracker.ask("GET /api/status", b"").body;
        let status: serde_json::Value = serde_json::from_str(&status).expect("JSON");
        status["stages"][0]["workers"].clone()
    };
    assert_eq!(workers(), 0);
    let answer = tracker.ask(
        &format!("GET /join/{KEY}/api/new?nickname=Ann&stage=a"),
        b"",
    );
    assert_eq!(answer.status, 200, "{}", answer.body);
    let ann: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
    let body = json!({ "token": ann["token"] }).to_string();
    let known = tracker.ask(
        &format!("POST /join/{KEY}/api/validateWorker"),
        body.as_bytes(),
    );
    assert_eq!((known.status, known.body.as_str()), (200, "True"));
    assert_eq!(workers(), 1);
    for path in [
        "/",
        "/leaderboard",
        "/api/project",
        "/api/status",
        "/api/openapi.json",
    ] {
        let answer = tracker.ask(&format!("GET {path}"), b"");
        assert!(!answer.body.contains(KEY), "{path}");
    }
    let page = tracker.ask(&format!("GET /join/{KEY}/worker/cpu/x"), b"");
    assert_eq!(page.status, 307);
    let place = "location: ../../../../worker/cpu/x\r\n";
    assert!(page.head.contains(place), "{}", page.head);
    drop(tracker);
    let log = fs::read_to_string(log).expect("the log");
    assert!(log.contains("path=\"/api/validateWorker\""), "{log}");
    assert!(!log.contains(KEY), "{log}");
}

/// Sends a request from an address of its own and does not read the response. The connection stays
/// open as long as the returned stream.
fn unread(tracker: &Serving, from: usize, request: &str, body: &str) -> TcpStream {
    let mut stream = tracker.connect();
    let head = format!(
        "{request} HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 192.0.2.{from}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).expect("sent");
    stream
}

pub(crate) fn clients_that_do_not_read_or_do_not_end_neither_fill_the_memory_nor_hold_up_others(
    database: &str,
) {
    let folder = tempfile::tempdir().expect("a folder");
    // Inputs of 60 KB, a hundred of which fit into one sync, and results of half a megabyte.
    let inputs: Vec<String> = (0..300).map(|job| format!("{job:060000}")).collect();
    fs::write(folder.path().join("jobs.txt"), inputs.join("\n")).expect("a file");
    let imported = Command::new(PROGRAM)
        .args(["import", "--database", database, "--txt", "jobs.txt"])
        .current_dir(folder.path())
        .output();
    assert!(imported.expect("imported").status.success());
    let tracker = Serving::start(
        Command::new(PROGRAM)
            .args(["serve", "--listen", "127.0.0.1:0", "--public-results"])
            .args(["--database", database, "--limit-bytes", "0"])
            .current_dir(folder.path()),
    );
    let register = || -> serde_json::Value {
        let answer = tracker.ask("GET /api/new?nickname=None&stage=a", b"");
        serde_json::from_str(&answer.body).expect("JSON")
    };
    let worker = register()["token"].clone();
    let result = "x".repeat(500_000);
    for _ in 0..40 {
        let taken = json!({ "token": worker }).to_string();
        let taken = tracker.ask("POST /api/newJob", taken.as_bytes());
        assert_eq!(taken.status, 200, "{}", taken.body);
        let done = json!({ "token": worker, "data": result }).to_string();
        let done = tracker.ask("POST /api/completeJob", done.as_bytes());
        assert_eq!(done.status, 200, "{}", done.body);
    }
    let mut held = Vec::new();
    for at in 0..300 {
        let call = "GET /api/results?stage=a&limit=10000";
        held.push(unread(&tracker, at % 50, call, ""));
    }
    let greedy = register()["token"].clone();
    for at in 0..150 {
        let sync = json!({ "token": greedy, "seq": 7, "want": 512, "want_bytes": 2_000_000 });
        held.push(unread(
            &tracker,
            50 + at % 50,
            "POST /api/sync",
            &sync.to_string(),
        ));
    }
    let begin = format!("{{\"token\":\"x\",\"data\":\"{}", "x".repeat(1_000_000));
    let over = &AtomicBool::new(false);
    thread::scope(|scope| {
        for at in 0..100 {
            let (tracker, begin) = (&tracker, &begin);
            scope.spawn(move || {
                let mut stream = tracker.connect();
                let head = format!(
                    "POST /api/completeJob HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 192.0.2.{}\r\n\
                     content-type: application/json\r\ncontent-length: 16000000\r\n\r\n",
                    100 + at % 50
                );
                // The connection of a refused client is closed.
                let mut sent = stream.write_all(head.as_bytes());
                sent = sent.and_then(|()| stream.write_all(begin.as_bytes()));
                while sent.is_ok() && !over.load(Ordering::SeqCst) {
                    thread::sleep(Duration::from_millis(500));
                    sent = stream.write_all(b"x");
                }
            });
        }
        let honest = register()["token"].clone();
        let (mut slowest, began) = (Duration::ZERO, Instant::now());
        for seq in 1..=40 {
            let sync = json!({ "token": honest, "seq": seq, "want": 0 }).to_string();
            let asked = Instant::now();
            let answer = tracker.ask("POST /api/sync", sync.as_bytes());
            assert_eq!(answer.status, 200, "{seq}: {}", answer.body);
            slowest = slowest.max(asked.elapsed());

            thread::sleep(Duration::from_millis(100));
        }
        over.store(true, Ordering::SeqCst);
        let took = began.elapsed();
        assert!(slowest < Duration::from_secs(5), "{slowest:?} of {took:?}");
    });
    let peak = peak_kb(&tracker);
    assert!(peak < MEMORY_KB, "it took {peak} KB");
    drop(held);
}
