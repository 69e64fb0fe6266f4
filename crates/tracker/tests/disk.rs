//! A disk that fills up while volunteers submit results: they are asked to retry, accepted results
//! are kept, and once there is room the work continues.
#![cfg(unix)]

mod process;

use std::{
    path::Path,
    process::{Command, Output},
};

use serde_json::{Value, json};

use self::process::{Answer, PROGRAM, Serving};

/// The maximum size of a file, in units of 1,024 bytes: a write beyond it fails as on a full disk.
const ROOM: &str = "3000";

/// The size of an output; a few of them fill the disk.
const OUTPUT: usize = 200_000;

/// A tracker with a limited disk.
struct Cramped(Serving);

impl Cramped {
    /// The signal is ignored with `trap`, so that the write fails instead of ending the process.
    fn start(folder: &Path, room: &str) -> Self {
        let script = format!("trap '' XFSZ; ulimit -f {room}; exec \"$0\" \"$@\"");
        let mut command = Command::new("bash");
        command
            .args(["-c", &script, PROGRAM, "serve", "--listen", "127.0.0.1:0"])
            .args(["--database", "sqlite:jobs.db"])
            .current_dir(folder);
        Self(Serving::start(&mut command))
    }

    /// Returns status, head and body of the response.
    fn ask(&self, request: &str, body: &str) -> (u16, String, String) {
        let Answer { status, head, body } = self.0.ask(request, body.as_bytes());
        (status, head, body)
    }

    fn call(&self, call: &str, body: &Value) -> (u16, String, String) {
        self.ask(&format!("POST /api/{call}"), &body.to_string())
    }

    fn join(&self) -> String {
        let (_, _, body) = self.ask("GET /api/new?nickname=Ann&stage=a", "");
        let worker: Value = serde_json::from_str(&body).expect("a worker");
        worker["token"].as_str().expect("a token").to_owned()
    }

    fn status(&self) -> Value {
        serde_json::from_str(&self.ask("GET /api/status", "").2).expect("a status")
    }
}

fn run(folder: &Path, flags: &[&str]) -> String {
    let done = Command::new(PROGRAM)
        .args(flags)
        .args(["--database", "sqlite:jobs.db"])
        .current_dir(folder)
        .output()
        .expect("a process");
    assert!(done.status.success(), "{flags:?}");
    String::from_utf8(done.stdout).expect("text")
}

/// Runs a command with the same limit as the tracker.
fn run_with_room(folder: &Path, room: &str, flags: &[&str]) -> Output {
    let script = format!("trap '' XFSZ; ulimit -f {room}; exec \"$0\" \"$@\"");
    Command::new("bash")
        .args(["-c", &script, PROGRAM])
        .args(flags)
        .args(["--database", "sqlite:jobs.db"])
        .current_dir(folder)
        .output()
        .expect("bash")
}

#[test]
fn pruning_makes_room_on_a_full_disk() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    run(at, &["import", "--brace", "job {1..60}"]);
    let tracker = Cramped::start(at, ROOM);
    let token = tracker.join();
    let work = || {
        let (status, _, body) = tracker.call("newJob", &json!({ "token": token }));
        if status != 200 {
            return status;
        }
        let job: Value = serde_json::from_str(&body).expect("a job");
        let data = "x".repeat(OUTPUT);
        let done = json!({ "token": token, "number": job["number"], "data": data });
        tracker.call("completeJob", &done).0
    };
    let mut done = 0;
    while work() == 200 {
        done += 1;
        assert!(done < 60, "the disk never filled up");
    }
    let exported = run_with_room(
        at,
        ROOM,
        &["export", "--stage", "a", "--output", "out.jsonl"],
    );
    let printed = String::from_utf8(exported.stderr).expect("text");
    assert!(exported.status.success(), "{printed}");
    let before = printed
        .trim()
        .rsplit(' ')
        .next()
        .expect("a cursor")
        .to_owned();
    let pruned = run_with_room(at, ROOM, &["prune", "--stage", "a", "--before", &before]);
    let printed = String::from_utf8_lossy(&pruned.stderr);
    assert!(pruned.status.success(), "{printed}");
    assert_eq!(
        String::from_utf8_lossy(&pruned.stdout),
        format!("pruned {done} jobs\n")
    );
    // Clients that retry as they are asked to find room for as many results again.
    let (mut again, mut attempts) = (0, 0);
    while again < done {
        attempts += 1;
        assert!(attempts < 3 * done, "{again} of {done}");
        again += usize::from(work() == 200);
    }
    let audit = run(at, &["audit"]);
    assert!(
        audit.contains(&format!("{done} jobs were pruned")),
        "{audit}"
    );
}

#[test]
fn a_full_disk_loses_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    run(at, &["import", "--brace", "job {1..60}"]);
    let tracker = Cramped::start(at, ROOM);
    let token = tracker.join();
    let mut accepted = Vec::new();
    let refused = loop {
        let (status, head, body) = tracker.call("newJob", &json!({ "token": token }));
        if status != 200 {
            break (status, head);
        }
        let job: Value = serde_json::from_str(&body).expect("a job");
        let data = "x".repeat(OUTPUT);
        let done = json!({ "token": token, "number": job["number"], "data": data });
        let (status, head, _) = tracker.call("completeJob", &done);
        if status != 200 {
            break (status, head);
        }
        accepted.push(job["number"].as_u64().expect("a number"));
        assert!(accepted.len() < 60, "the disk never filled up");
    };
    assert_eq!(refused.0, 503, "{}", refused.1);
    assert!(refused.1.contains("retry-after: 5"), "{}", refused.1);
    assert!(
        refused.1.contains("distcompute-error: unavailable"),
        "{}",
        refused.1
    );
    assert!(!accepted.is_empty(), "there was room for some");
    // The readiness probe reports the problem, and the process lives.
    assert_eq!(tracker.ask("GET /readyz", "").0, 503);
    assert_eq!(tracker.ask("GET /healthz", "").0, 200);
    // Reading still works and returns correct data.
    let done = &tracker.status()["stages"][0]["done"];
    assert_eq!(done, &json!(accepted.len()));
    assert_eq!(tracker.ask("GET /", "").0, 200);
    drop(tracker);

    // With room again, all accepted results are there, and the remaining jobs can be done.
    let tracker = Cramped::start(at, "unlimited");
    assert_eq!(tracker.ask("GET /readyz", "").0, 200);
    let exported = run(at, &["export", "--stage", "a"]);
    let exported: Vec<u64> = exported
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("a line"))
        .map(|line| line["number"].as_u64().expect("a number"))
        .collect();
    assert_eq!(exported, accepted);
    let token = tracker.join();
    let stage = &tracker.status()["stages"][0];
    let count = |key: &str| stage[key].as_u64().expect("a count");
    assert_eq!(count("open") + count("held") + count("done"), 60);
    let (status, _, _) = tracker.call("newJob", &json!({ "token": token }));
    assert_eq!(status, 200);
    let data = "x".repeat(OUTPUT);
    let (status, _, _) = tracker.call("completeJob", &json!({ "token": token, "data": data }));
    assert_eq!(status, 200);
}
