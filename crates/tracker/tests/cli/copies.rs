//! Copying a project as an operator does it.

use std::process::{Command, Stdio};

use crate::program::{folder, handed_in, imported, program, run, serve, text};

fn copy(at: &std::path::Path, from: &str, to: &str) -> (bool, String) {
    let done = run(at, &["copy", "--from", from, "--to", to], "");
    let printed = format!("{}{}", text(&done.stdout), text(&done.stderr));
    (done.status.success(), printed)
}

#[test]
fn a_copy_says_what_it_has_copied_and_a_tracker_serves_it() {
    let folder = folder();
    let at = folder.path();
    imported(at, &["--brace", "job {1..4}"], "");
    let tracker = serve(at, &["--stage", "a=CPU"]);
    let answer = tracker.get("/api/new?nickname=x&stage=a");
    let token = answer.split('"').nth(3).expect("a token").to_owned();
    assert_eq!(handed_in(&tracker, &token, "one"), "200");
    let (copied, why) = copy(at, "sqlite:jobs.db", "sqlite:copy.db");
    assert!(
        !copied && why.contains("A tracker serves jobs.db. Stop it first"),
        "{why}"
    );
    drop(tracker);

    let (copied, printed) = copy(at, "sqlite:jobs.db", "sqlite:copy.db");
    assert!(copied, "{printed}");
    for line in [
        "copied jobs.db to copy.db, and compared every row:",
        "  jobs: 4 rows",
        "  jobs at stage a: 1 finished, 3 open",
        "Now set database = \"sqlite:copy.db\" in the configuration",
    ] {
        assert!(printed.contains(line), "{line}: {printed}");
    }
    let audit = run(at, &["audit", "--database", "sqlite:copy.db"], "");
    let audit = text(&audit.stdout);
    assert!(
        audit.contains("command line\tcopy\t4 jobs from jobs.db"),
        "{audit}"
    );
    // The volunteer goes on with its token.
    let served = serve(at, &["--stage", "a=CPU", "--database", "sqlite:copy.db"]);
    assert_eq!(handed_in(&served, &token, "two"), "200");
    drop(served);
    let (copied, why) = copy(at, "sqlite:jobs.db", "sqlite:copy.db");
    assert!(!copied && why.contains("copy.db is there already"), "{why}");
    let same = copy(at, "sqlite:jobs.db", "sqlite:jobs.db");
    assert!(same.1.contains("are the same database"), "{}", same.1);
    let away = copy(at, "sqlite:jobs.db", "postgres://ann:secret@127.0.0.1:1/x");
    assert!(
        away.1
            .contains("Nothing can be copied to postgres://ann@127.0.0.1:1/x"),
        "{}",
        away.1
    );
    assert!(!away.0 && !away.1.contains("secret"));
}

#[cfg(unix)]
#[test]
fn a_copy_that_is_killed_can_be_made_again() {
    let folder = folder();
    let at = folder.path();
    let jobs = format!("\"{}\"\n", "x".repeat(1_000)).repeat(40_000);
    imported(at, &["--jsonl", "-"], &jobs);
    let flags = ["copy", "--from", "sqlite:jobs.db", "--to", "sqlite:copy.db"];
    let half = at.join("copy.db-copying");
    for signal in ["-INT", "-KILL"] {
        let mut child = program(at)
            .args(flags)
            .stderr(Stdio::piped())
            .spawn()
            .expect("a process");
        while !std::fs::metadata(&half).is_ok_and(|file| file.len() > 1 << 20) {
            std::thread::yield_now();
            assert!(
                child.try_wait().expect("a status").is_none(),
                "it was too fast"
            );
        }
        let id = child.id().to_string();
        let killed = Command::new("kill").args([signal, &id]).status();
        assert!(killed.expect("kill").success());
        let ended = child.wait_with_output().expect("an end");
        assert!(!ended.status.success() && !at.join("copy.db").exists());
        if signal == "-INT" {
            let why = text(&ended.stderr);
            assert!(why.contains("Interrupted. Nothing was copied"), "{why}");
            assert!(!half.exists(), "what was there of it is deleted");
        }
    }
    let (copied, printed) = copy(at, "sqlite:jobs.db", "sqlite:copy.db");
    assert!(copied && printed.contains("jobs: 40000 rows"), "{printed}");
    assert!(!half.exists());
}
