//! Importing jobs, and importing again what was exported or interrupted.

use std::{
    io::{Read as _, Write as _},
    path::Path,
    process::Stdio,
    time::Instant,
};

use crate::process::DEADLINE;
use crate::program::{folder, handed_in, imported, program, refused, run, serve, text};

#[test]
fn all_forms_of_jobs_are_imported_and_numbered_on() {
    let folder = folder();
    let at = folder.path();
    assert_eq!(
        imported(at, &["--txt", "-"], "a\nb\n"),
        "imported 2 jobs, numbers 1 to 2"
    );
    std::fs::write(at.join("list.json"), "[\"c\",\n{\"d\": 1}]").expect("a file");
    assert_eq!(
        imported(at, &["--json", "list.json"], ""),
        "imported 2 jobs, numbers 3 to 4"
    );
    assert_eq!(
        imported(at, &["--jsonl", "-"], "[5]\n"),
        "imported 1 jobs, numbers 5 to 5"
    );
    let brace = imported(at, &["--brace", "s_{000..12000}.tar"], "");
    assert_eq!(brace, "imported 12001 jobs, numbers 6 to 12006");
    assert_eq!(
        imported(at, &["--txt", "-"], ""),
        "imported 0 jobs: the source is empty"
    );
}

#[test]
fn a_bad_line_is_named_and_nothing_is_imported() {
    let folder = folder();
    let at = folder.path();
    let lines = "\"fine\"\n".repeat(20_000);
    std::fs::write(at.join("jobs.jsonl"), format!("{lines}7\n\"fine\"\n")).expect("a file");
    let why = refused(at, &["--jsonl", "jobs.jsonl"], "");
    assert!(
        why.contains("jobs.jsonl, line 20001: A job is a string"),
        "{why}"
    );
    let why = refused(at, &["--jsonl", "-"], "\"fine\"\n{");
    assert!(why.contains("standard input, line 2:"), "{why}");
    assert!(refused(at, &["--txt", "none.txt"], "").contains("none.txt cannot be read"));
    assert!(refused(at, &["--brace", "plain"], "").contains("no braces"));
    assert!(!refused(at, &["--txt", "-", "--brace", "{1..2}"], "").is_empty());
    assert!(!refused(at, &[], "").is_empty());
    assert_eq!(
        imported(at, &["--txt", "-"], "x"),
        "imported 1 jobs, numbers 1 to 1"
    );
}

#[test]
fn a_reset_must_be_confirmed() {
    let folder = folder();
    let at = folder.path();
    imported(at, &["--txt", "-"], "a\nb\n");
    std::fs::write(at.join("one.txt"), "c\n").expect("a file");
    let why = refused(at, &["--txt", "one.txt", "--reset"], "yes\n");
    assert!(why.contains("--yes"), "{why}");
    assert_eq!(
        imported(at, &["--txt", "-"], "x"),
        "imported 1 jobs, numbers 3 to 3"
    );
    let done = imported(at, &["--txt", "one.txt", "--reset", "--yes"], "");
    assert_eq!(done, "imported 1 jobs, numbers 1 to 1");
}

#[test]
fn what_was_accepted_and_exported_can_be_imported_again() {
    let folder = folder();
    let at = folder.path();
    imported(at, &["--brace", "job {1..20}"], "");
    let tracker = serve(at, &["--stage", "a=CPU"]);
    let answer = tracker.get("/api/new?nickname=x&stage=a");
    let token = answer.split('"').nth(3).expect("a token");
    let deep = format!("<!json!>{}{}", "[".repeat(200), "]".repeat(200));
    let accepted = [
        "text",
        "",
        " \u{feff}\u{2028}\u{1}\n\"quoted\" ",
        "[1, 2] without a mark",
        "<!json!>[1e400]",
        r#"<!json!>["a\ud800b", "\u0000"]"#,
        "<!json!>{\"b\":1,\"a\":12345678901234567890123}",
        &deep,
    ];
    for data in accepted {
        assert_eq!(handed_in(&tracker, token, data), "200", "{data:.60}");
    }
    for data in [
        "a\0b",
        "<!json!>7",
        "<!json!>[NaN]",
        "<!json!>",
        "<!json!>[1] x",
    ] {
        assert_eq!(handed_in(&tracker, token, data), "422", "{data:.60}");
    }
    let exported = run(at, &["export", "--stage", "a"], "");
    let lines = text(&exported.stdout);
    assert_eq!(lines.lines().count(), accepted.len());
    let printed = imported(
        at,
        &["--database", "sqlite:again.db", "--results", "-"],
        lines,
    );
    assert_eq!(printed, "imported 8 jobs, numbers 1 to 8");
    drop(tracker);
    // The same texts, except for white space between the tokens of a JSON document.
    let tracker = serve(at, &["--database", "sqlite:again.db", "--stage", "a=CPU"]);
    let answer = tracker.get("/api/new?nickname=x&stage=a");
    let token = answer.split('"').nth(3).expect("a token");
    for data in accepted {
        let body = format!("{{\"token\":\"{token}\"}}");
        let job = tracker.send("POST /api/newJob", &body);
        let (_, job) = job.split_once("\r\n\r\n").expect("a body");
        let job: serde_json::Value = serde_json::from_str(job).expect("a job");
        let same = if data.starts_with("<!json!>") {
            distcompute_tracker::rules::payload::compact(data)
        } else {
            data.to_owned()
        };
        assert_eq!(job["data"], same.as_str());
        let done = format!("{{\"token\":\"{token}\",\"data\":\"\"}}");
        tracker.send("POST /api/completeJob", &done);
    }
    // Each whole line can be a job too.
    let whole = imported(
        at,
        &["--database", "sqlite:whole.db", "--jsonl", "-"],
        lines,
    );
    assert_eq!(whole, "imported 8 jobs, numbers 1 to 8");
}

/// The number of jobs in a database, and the number of their distinct texts.
fn jobs_in(folder: &Path) -> (u64, u64) {
    let file = rusqlite::Connection::open(folder.join("jobs.db")).expect("the database");
    let counts = "select count(*), count(distinct data) from inputs where stage = 0";
    file.query_row(counts, (), |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
    })
    .map(|(all, distinct)| (all.unsigned_abs(), distinct.unsigned_abs()))
    .unwrap_or_default()
}

/// Waits until some of the jobs are stored.
fn wait_for_some(folder: &Path) -> u64 {
    let begun = Instant::now();
    loop {
        let (jobs, _) = jobs_in(folder);
        if jobs > 0 {
            return jobs;
        }
        assert!(begun.elapsed() < DEADLINE, "nothing is imported");
        std::thread::yield_now();
    }
}

#[test]
fn an_import_that_is_killed_and_repeated_doubles_no_jobs() {
    let folder = folder();
    let at = folder.path();
    imported(at, &["--brace", "before {1..3}", "--reset", "--yes"], "");
    imported(at, &["--txt", "-", "--reset", "--yes"], "");
    let jobs: String = (0..50_000).map(|n| format!("job {n}\n")).collect();
    std::fs::write(at.join("jobs.txt"), &jobs).expect("a file");
    let mut killed = program(at)
        .args(["import", "--txt", "jobs.txt"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a process");
    wait_for_some(at);
    killed.kill().expect("killed");
    killed.wait().expect("an end");
    let (there, _) = jobs_in(at);
    assert!(
        (1..50_000).contains(&there),
        "it was killed half way: {there}"
    );
    let audit = run(at, &["audit"], "");
    let printed = format!("not finished: {there} of 50000 jobs from jobs.txt are there");
    assert!(
        text(&audit.stdout).contains(&printed),
        "{}",
        text(&audit.stdout)
    );

    // The same jobs in a file of another format are the same import.
    let list: Vec<String> = (0..50_000).map(|n| format!("\"job {n}\"")).collect();
    std::fs::write(at.join("jobs.json"), format!("[{}]", list.join(",\n"))).expect("a file");
    let rest = 50_000 - there;
    let printed = imported(at, &["--json", "jobs.json"], "");
    assert_eq!(
        printed,
        format!("imported {rest} jobs, numbers {} to 50000", there + 1)
    );
    assert_eq!(jobs_in(at), (50_000, 50_000));
    let audit = run(at, &["audit"], "");
    assert!(
        !text(&audit.stdout).contains("not finished"),
        "{}",
        text(&audit.stdout)
    );
    assert!(text(&audit.stdout).contains(&format!("goes on after {there} jobs")));
    // After it has finished, importing the same file adds the same jobs once more.
    let printed = imported(at, &["--txt", "jobs.txt"], "");
    assert_eq!(printed, "imported 50000 jobs, numbers 50001 to 100000");
}

#[test]
fn jobs_that_were_sent_to_a_tracker_that_died_are_sent_again_and_doubled_by_nothing() {
    let folder = folder();
    let at = folder.path();
    let flags = ["--admin-token", "a secret of some length"];
    let jobs: String = (0..50_000).map(|n| format!("\"job {n}\"\n")).collect();
    let head = "POST /api/jobs HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
                authorization: Bearer a secret of some length";
    let mut tracker = serve(at, &flags);
    let mut stream = tracker.connect();
    let length = jobs.len();
    write!(stream, "{head}\r\ncontent-length: {length}\r\n\r\n{jobs}").expect("sent");
    wait_for_some(at);
    tracker.child.kill().expect("killed");
    tracker.wait();
    let (there, _) = jobs_in(at);
    assert!(
        (1..50_000).contains(&there),
        "it was killed half way: {there}"
    );
    let tracker = serve(at, &flags);
    let mut stream = tracker.connect();
    write!(stream, "{head}\r\ncontent-length: {length}\r\n\r\n{jobs}").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let added = format!("{{\"added\":{}", 50_000 - there);
    assert!(answer.contains(&added), "{answer}");
    assert_eq!(jobs_in(at), (50_000, 50_000));
}
