//! Requests that mean harm, against a real tracker: what its memory is afterwards, and whether others
//! were served.
#![cfg(target_os = "linux")]

mod process;

use std::{fs, process::Command, thread};

use self::process::{PROGRAM, Serving};

/// What the operator's guide promises, in KB.
const MEMORY_KB: u64 = 300 * 1024;

/// The most memory that a tracker ever had, in KB.
fn peak_kb(tracker: &Serving) -> u64 {
    let path = format!("/proc/{}/status", tracker.child.id());
    let status = fs::read_to_string(path).expect("its status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let figure = line.and_then(|line| line.split_whitespace().next());
    figure.expect("a figure").parse().expect("a number")
}

/// A body of about 15 MB: `begin`, and `item` again and again.
fn large(begin: &str, item: &str) -> Vec<u8> {
    let count = 15_000_000 / (item.len() + 1);
    let items = vec![item; count].join(",");
    format!("{begin}[{items}]}}").into_bytes()
}

#[test]
fn large_bodies_of_strangers_neither_fill_the_memory_nor_hold_up_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(PROGRAM);
    command.args([
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--database",
        "sqlite:jobs.db",
    ]);
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
                    // 503: it was told to come back.
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
