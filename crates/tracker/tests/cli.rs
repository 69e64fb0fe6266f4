//! The program as scripts and operators use it: its commands, its output, its exit codes.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// Longer than anything here takes; a test that reaches it has failed.
const DEADLINE: Duration = Duration::from_secs(60);

fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_distcompute-tracker"));
    command.current_dir(folder);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("DISTCOMPUTE_")) {
        command.env_remove(name);
    }
    command
}

/// Runs a command to its end, with `input` on standard input.
fn run(folder: &Path, flags: &[&str], input: &str) -> Output {
    let mut child = program(folder)
        .args(flags)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a process");
    // A program that refuses its flags does not read standard input.
    let _ = child
        .stdin
        .take()
        .expect("standard input")
        .write_all(input.as_bytes());
    child.wait_with_output().expect("an end")
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).expect("text")
}

fn imported(folder: &Path, flags: &[&str], input: &str) -> String {
    let done = run(folder, &[&["import"], flags].concat(), input);
    assert!(done.status.success(), "{}", text(&done.stderr));
    text(&done.stdout).trim().to_owned()
}

/// Runs an import that must fail, and returns its error message.
fn refused(folder: &Path, flags: &[&str], input: &str) -> String {
    let done = run(folder, &[&["import"], flags].concat(), input);
    assert!(!done.status.success());
    text(&done.stderr).trim().to_owned()
}

/// A tracker that is stopped when the test ends.
struct Serving {
    child: Child,
    address: String,
}

impl Serving {
    fn start(folder: &Path, flags: &[&str]) -> Self {
        let mut child = program(folder)
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(flags)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a process");
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().expect("standard output"));
        out.read_line(&mut line).expect("a line");
        let address = line
            .trim()
            .strip_prefix("listening on http://")
            .map(str::to_owned);
        Self {
            address: address.unwrap_or_else(|| panic!("it printed {line:?}")),
            child,
        }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).expect("a connection");
        stream.set_read_timeout(Some(DEADLINE)).expect("a deadline");
        stream
    }

    fn send(&self, head: &str, body: &str) -> String {
        let mut stream = self.connect();
        let length = body.len();
        write!(
            stream,
            "{head} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    }

    fn get(&self, address: &str) -> String {
        self.send(&format!("GET {address}"), "")
    }

    #[cfg(unix)]
    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args([name, &id])
                .status()
                .expect("kill")
                .success()
        );
    }

    /// Returns the exit code; the test fails if the process does not end in time.
    fn wait(&mut self) -> Option<i32> {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a status") {
                return status.code();
            }
            assert!(begun.elapsed() < DEADLINE, "it does not end");
            std::thread::yield_now();
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // If the test passed, the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

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

#[cfg(unix)]
#[test]
fn it_serves_while_jobs_come_in_and_results_go_out() {
    let folder = folder();
    let at = folder.path();
    let mut tracker = Serving::start(at, &["--stage", "a=CPU"]);
    assert!(tracker.get("/api/jobCount?stage=a").ends_with("\r\n\r\n0"));
    let jobs = "{\"n\": 1}\n".repeat(30_000);
    imported(at, &["--jsonl", "-"], &jobs);
    assert!(
        tracker
            .get("/api/jobCount?stage=a")
            .ends_with("\r\n\r\n30000")
    );

    let answer = tracker.get("/api/new?nickname=x&stage=a");
    let token = answer.split('"').nth(3).expect("a token");
    let job = tracker.send("POST /api/newJob", &format!("{{\"token\":\"{token}\"}}"));
    assert!(
        job.ends_with(r#"{"data":"<!json!>{\"n\":1}","number":1}"#),
        "{job}"
    );
    let done = format!(r#"{{"token":"{token}","data":"<!json!>[1, 2]"}}"#);
    assert!(
        tracker
            .send("POST /api/completeJob", &done)
            .ends_with("200 OK")
    );
    let exported = run(at, &["export", "--stage", "a"], "");
    assert_eq!(text(&exported.stdout), "{\"number\":1,\"data\":[1,2]}\n");
    let to_file = run(at, &["export", "--stage", "a", "--output", "out.jsonl"], "");
    assert!(to_file.status.success());
    assert_eq!(
        std::fs::read(at.join("out.jsonl")).expect("a file"),
        exported.stdout
    );

    tracker.signal("-TERM");
    assert_eq!(tracker.wait(), Some(0));
}

/// Claims a job, submits a result and returns the status.
fn handed_in(tracker: &Serving, token: &str, data: &str) -> String {
    let body = format!("{{\"token\":\"{token}\"}}");
    tracker.send("POST /api/newJob", &body);
    let data = serde_json::to_string(data).expect("JSON");
    let done = format!("{{\"token\":\"{token}\",\"data\":{data}}}");
    let answer = tracker.send("POST /api/completeJob", &done);
    answer.split(' ').nth(1).expect("a status").to_owned()
}

#[test]
fn what_was_accepted_and_exported_can_be_imported_again() {
    let folder = folder();
    let at = folder.path();
    imported(at, &["--brace", "job {1..20}"], "");
    let tracker = Serving::start(at, &["--stage", "a=CPU"]);
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
    let tracker = Serving::start(at, &["--database", "sqlite:again.db", "--stage", "a=CPU"]);
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

#[test]
fn bans_are_made_listed_and_taken_back_while_the_tracker_runs() {
    let folder = folder();
    let at = folder.path();
    imported(at, &["--brace", "job {1..4}"], "");
    let tracker = Serving::start(at, &["--stage", "a=CPU"]);
    let done = |arguments: &[&str]| {
        let done = run(at, arguments, "");
        assert!(done.status.success(), "{}", text(&done.stderr));
        text(&done.stdout).to_owned()
    };
    let refused = |arguments: &[&str]| {
        let done = run(at, arguments, "");
        assert!(!done.status.success(), "{}", text(&done.stdout));
        text(&done.stderr).to_owned()
    };
    let answer = tracker.get("/api/new?nickname=Mal&stage=a");
    let token = answer.split('"').nth(3).expect("a token");
    assert_eq!(handed_in(&tracker, token, "junk"), "200");
    let listed = done(&["workers", "--nickname", "Mal"]);
    let fields: Vec<_> = listed.trim_end().split('\t').collect();
    assert_eq!(fields[0], "a");
    assert_eq!(fields[2..6], ["Mal", "127.0.0.1", "0 held", "1 completed"]);
    assert_eq!(done(&["workers", "--stage", "b"]), "");
    let dry = done(&["requeue", "--nickname", "Mal", "--dry-run"]);
    let lines: Vec<_> = dry.lines().collect();
    assert_eq!(lines[0], "would requeue 1 job: 1");
    assert!(
        lines[1].starts_with("an address that is not known: 1 result from 2"),
        "{dry}"
    );
    let since = ["requeue", "--since", "2100-01-01", "--dry-run"];
    assert_eq!(done(&since), "would requeue 0 jobs\n");

    let banned = done(&["ban", "--nickname", "Mal", "--reason", "junk\tand\nmore"]);
    assert!(
        banned.starts_with("banned the nickname \"Mal\"; 1 worker was ended"),
        "{banned}"
    );
    assert_eq!(handed_in(&tracker, token, "junk"), "404");
    let answer = tracker.get("/api/new?nickname=Mal&stage=a");
    assert!(answer.contains("distcompute-error: banned"), "{answer}");
    let network = done(&["ban", "--address", "192.0.2.9/24"]);
    assert!(
        network.contains("banned the address 192.0.2.0/24; 0 workers were"),
        "{network}"
    );
    let list = done(&["ban", "--list"]);
    let lines: Vec<Vec<_>> = list
        .lines()
        .map(|line| line.split('\t').skip(1).collect())
        .collect();
    assert_eq!(
        lines,
        [
            vec!["address", "192.0.2.0/24", ""],
            vec!["nickname", "Mal", r"junk\u{9}and\u{a}more"]
        ]
    );
    assert_eq!(
        done(&["pardon", "--nickname", "Mal"]),
        "pardoned the nickname \"Mal\"\n"
    );
    let none = refused(&["pardon", "--nickname", "Mal"]);
    assert!(
        none.contains("There is no ban of the nickname \"Mal\""),
        "{none}"
    );
    tracker.get("/api/new?nickname=Mal&stage=a");
    let ended = ["workers", "--nickname", "Mal", "--end", "--yes"];
    assert_eq!(done(&ended), "1 worker was ended\n");

    for (arguments, why) in [
        (vec!["ban"], "Say whom: --nickname or --address."),
        (
            vec!["ban", "--list", "--nickname", "Mal"],
            "cannot be used with",
        ),
        (vec!["ban", "--nickname", ""], "name an address"),
        (vec!["ban", "--address", "127.0.0.1"], "trusted_proxies"),
        (vec!["ban", "--address", "192.0.2.1/8"], "/32, /24, /16"),
        (
            vec!["requeue", "--address", "192.0.2.0/24", "--dry-run"],
            "is a network",
        ),
        (vec!["requeue", "--since", "now", "--dry-run"], "is no time"),
        (vec!["workers", "--end"], "Add --yes"),
    ] {
        let printed = refused(&arguments);
        assert!(printed.contains(why), "{arguments:?}: {printed}");
    }
    let log = done(&["audit"]);
    let actions: Vec<_> = log.lines().map(|line| line.split('\t').nth(2)).collect();
    assert_eq!(
        actions,
        [
            "import", "import", "ban", "ban", "pardon", "pardon", "end", "end"
        ]
        .map(Some)
    );
}

#[test]
fn a_finished_job_is_requeued_by_number_and_what_stays_is_explained() {
    let folder = folder();
    let at = folder.path();
    imported(at, &["--brace", "job {1..4}"], "");
    let tracker = Serving::start(at, &["--stage", "a=CPU"]);
    let answer = tracker.get("/api/new?nickname=x&stage=a");
    let token = answer.split('"').nth(3).expect("a token");
    for data in ["right", "wrong 7", "right"] {
        assert_eq!(handed_in(&tracker, token, data), "200");
    }
    let requeue = |flags: &[&str]| {
        let done = run(at, &[&["requeue"], flags].concat(), "");
        assert!(done.status.success(), "{}", text(&done.stderr));
        text(&done.stdout).to_owned()
    };
    let dry = requeue(&["--result-contains", "wrong", "--dry-run"]);
    assert_eq!(dry.lines().next(), Some("would requeue 1 job: 2"));
    assert_eq!(
        requeue(&["--job", "2", "--job", "1", "--dry-run"]),
        "would requeue 2 jobs: 1, 2\n"
    );
    assert_eq!(
        requeue(&["--result-contains", "wrong", "--yes"]),
        "requeued 1 job\n"
    );
    assert_eq!(requeue(&["--job", "1", "--yes"]), "requeued 1 job\n");
    let prune = run(at, &["prune", "--stage", "a", "--before", "1000"], "");
    assert_eq!(text(&prune.stdout), "pruned 1 jobs\n");
    let printed = requeue(&["--job", "3", "--job", "4", "--job", "5", "--yes"]);
    let lines: Vec<_> = printed.lines().collect();
    assert_eq!(lines[0], "requeued 0 jobs");
    assert!(
        lines[1].starts_with("job 3: It is finished and its texts were pruned"),
        "{printed}"
    );
    assert!(
        lines[2].starts_with("job 4: It is open at stage a"),
        "{printed}"
    );
    assert_eq!(lines[3], "job 5: There is no such job.");
}

#[cfg(unix)]
#[test]
fn it_can_be_stopped_as_soon_as_it_has_printed_its_address() {
    let folder = folder();
    imported(folder.path(), &["--txt", "-"], "a\n");
    for _ in 0..10 {
        let mut tracker = Serving::start(folder.path(), &[]);
        tracker.signal("-TERM");
        assert_eq!(tracker.wait(), Some(0));
    }
}

#[cfg(unix)]
#[test]
fn a_hangup_is_ignored_and_logged() {
    let folder = folder();
    let mut child = program(folder.path())
        .args(["serve", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a process");
    let mut line = String::new();
    let mut out = BufReader::new(child.stdout.take().expect("standard output"));
    out.read_line(&mut line).expect("a line");
    let mut log = BufReader::new(child.stderr.take().expect("standard error"));
    let id = child.id().to_string();
    let hang_up = || {
        Command::new("kill")
            .args(["-HUP", &id])
            .status()
            .expect("kill")
    };
    // One at a time, because pending signals of one kind are merged.
    for _ in 0..3 {
        assert!(hang_up().success());
        line.clear();
        log.read_line(&mut line).expect("a line");
        assert!(line.contains("SIGHUP is ignored"), "{line:?}");
    }
    assert_eq!(child.try_wait().expect("a status"), None, "it still runs");
    child.kill().expect("ended");
    child.wait().expect("an end");
}

#[cfg(unix)]
#[test]
fn shutdown_finishes_the_request_in_flight() {
    let folder = folder();
    imported(folder.path(), &["--txt", "-"], "a\n");
    let mut tracker = Serving::start(folder.path(), &[]);
    let answer = tracker.get("/api/new?nickname=x&stage=a");
    let token = answer.split('"').nth(3).expect("a token");
    let body = format!("{{\"token\":\"{token}\"}}");
    let (first, rest) = body.split_at(5);
    let mut stream = tracker.connect();
    let length = body.len();
    // With `100-continue`, the server reports when it has begun to handle the request.
    write!(
        stream,
        "POST /api/newJob HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
         expect: 100-continue\r\ncontent-length: {length}\r\n\r\n"
    )
    .expect("sent");
    let mut begun = [0; 12];
    stream.read_exact(&mut begun).expect("an interim answer");
    assert_eq!(&begun, b"HTTP/1.1 100");
    write!(stream, "{first}").expect("sent");
    tracker.signal("-INT");
    // From now on, it accepts no new connections.
    let begun = Instant::now();
    while TcpStream::connect(&tracker.address).is_ok() {
        assert!(begun.elapsed() < DEADLINE, "it still takes connections");
        std::thread::yield_now();
    }
    write!(stream, "{rest}").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(
        answer.contains("HTTP/1.1 200 OK") && answer.contains("\"number\":1"),
        "{answer}"
    );
    assert_eq!(tracker.wait(), Some(0));
}

#[test]
fn what_the_operator_did_is_written_down_and_outlives_a_reset() {
    let folder = folder();
    let at = folder.path();
    imported(at, &["--brace", "job {1..3}"], "");
    run(at, &["export", "--stage", "a"], "");
    let pruned = run(at, &["prune", "--stage", "a", "--before", "9"], "");
    assert_eq!(text(&pruned.stdout), "pruned 0 jobs\n");
    imported(at, &["--txt", "-", "--reset", "--yes"], "one\n");
    let audit = run(at, &["audit"], "");
    assert!(audit.status.success());
    let lines: Vec<Vec<&str>> = text(&audit.stdout)
        .lines()
        .map(|line| line.split('\t').collect())
        .collect();
    let recorded: Vec<_> = lines.iter().map(|line| (line[2], line[3])).collect();
    assert_eq!(
        recorded,
        [
            ("import", "3 jobs from a pattern"),
            ("import", "numbers 1 to 3 were imported"),
            ("export", "results of stage a"),
            ("prune", "results of stage a before cursor 9"),
            ("prune", "0 jobs were pruned"),
            ("reset", "all jobs and results are forgotten"),
            ("import", "1 jobs from standard input"),
            ("import", "numbers 1 to 1 were imported"),
        ]
    );
    assert!(
        lines
            .iter()
            .all(|line| line[1] == "command line" && line[0].ends_with('Z'))
    );
    let none = run(at, &["audit", "--database", "sqlite:none.db"], "");
    assert!(text(&none.stderr).contains("there is no file"));
}

#[test]
fn all_faults_of_a_configuration_are_reported_at_once() {
    let folder = folder();
    let at = folder.path();
    let fine = run(at, &["check-config"], "");
    assert_eq!(fine.status.code(), Some(0));
    assert_eq!(text(&fine.stdout), "the configuration is fine\n");
    assert!(!at.join("jobs.db").exists(), "looking changes nothing");
    let flags = [
        "--stage=b=GPU",
        "--cors-origin=nowhere",
        "--admin-token=short",
        "--database=sqlite:no/such/jobs.db",
        "--files=/x=missing",
    ];
    for command in ["check-config", "serve"] {
        let wrong = run(at, &[&[command], &flags[..]].concat(), "");
        assert_eq!(wrong.status.code(), Some(1));
        let why = text(&wrong.stderr);
        for word in [
            "5 things",
            "stage a is not",
            "\"nowhere\" is no origin",
            "at least 16",
            "does not exist",
            "no folder",
        ] {
            assert!(why.contains(word), "{command}, {word}: {why}");
        }
    }
}

#[test]
fn a_folder_that_holds_what_no_visitor_may_read_is_not_served() {
    let folder = folder();
    let at = folder.path();
    for name in ["www", "data", "etc", "www/deep"] {
        std::fs::create_dir(at.join(name)).expect("a folder");
    }
    for name in ["etc/tracker.toml", "www/tracker.toml"] {
        std::fs::write(at.join(name), "project = 'p'").expect("a file");
    }
    for name in ["etc/token", "www/deep/token"] {
        std::fs::write(at.join(name), "correct horse battery").expect("a file");
    }
    for (flags, word) in [
        (&["--files=/v=."][..], "holds the database jobs.db"),
        (
            &["--files=/v=data", "--database=sqlite:data/x.db"],
            "holds the database data/x.db",
        ),
        (
            &["--files=/v=www", "--config=www/tracker.toml"],
            "holds the configuration",
        ),
        (
            &["--files=/v=www", "--admin-token-file=www/deep/token"],
            "holds the admin token",
        ),
    ] {
        for command in ["check-config", "serve"] {
            let wrong = run(
                at,
                &[&[command, "--listen=127.0.0.1:0"], flags].concat(),
                "",
            );
            assert_eq!(wrong.status.code(), Some(1), "{flags:?}");
            let why = text(&wrong.stderr);
            assert!(
                why.contains(word) && why.contains("keep it elsewhere"),
                "{why}"
            );
        }
    }
    let apart = [
        "--files=/v=www",
        "--config=etc/tracker.toml",
        "--admin-token-file=etc/token",
    ];
    let fine = run(at, &[&["check-config"], &apart[..]].concat(), "");
    assert!(fine.status.success(), "{}", text(&fine.stderr));
}

#[cfg(unix)]
#[test]
fn a_database_behind_a_link_is_not_served_either() {
    let folder = folder();
    let at = folder.path();
    std::fs::create_dir(at.join("www")).expect("a folder");
    std::os::unix::fs::symlink("www/real.db", at.join("jobs.db")).expect("a link");
    std::fs::write(at.join("www/real.db"), "").expect("a file");
    let wrong = run(at, &["check-config", "--files=/v=www"], "");
    assert!(
        text(&wrong.stderr).contains("holds the database jobs.db"),
        "{}",
        text(&wrong.stderr)
    );
}

#[cfg(unix)]
#[test]
fn a_served_folder_shows_nothing_that_is_hidden_and_nothing_from_outside() {
    use std::os::unix::fs::symlink;
    let folder = folder();
    let at = folder.path();
    for name in [
        "www/.git",
        "www/.well-known",
        "www/trap",
        "www/real",
        "data",
    ] {
        std::fs::create_dir_all(at.join(name)).expect("a folder");
    }
    for (name, text) in [
        ("www/index.html", "the page"),
        ("www/.env", "secret"),
        ("www/.git/config", "secret"),
        ("www/.well-known/security.txt", "Contact: x"),
        ("www/real/index.html", "real"),
        ("data/secret.html", "secret"),
        ("data/index.html", "secret"),
    ] {
        std::fs::write(at.join(name), text).expect("a file");
    }
    symlink(at.join("data/secret.html"), at.join("www/trap/index.html")).expect("a link");
    symlink(at.join("data"), at.join("www/out")).expect("a link");
    symlink("real", at.join("www/inside")).expect("a link");
    let flags = ["--files=/v=www", "--database=sqlite:data/jobs.db"];
    let looked = run(at, &[&["check-config"], &flags[..]].concat(), "");
    assert!(looked.status.success());
    for link in ["www/trap/index.html", "www/out"] {
        let sentence = format!("{link} is not served: it is a link that leads out of www.");
        assert!(
            text(&looked.stdout).contains(&sentence),
            "{}",
            text(&looked.stdout)
        );
    }
    assert!(!text(&looked.stdout).contains("www/inside"));

    let tracker = Serving::start(at, &flags);
    let status = |address: &str| {
        let answer = tracker.get(address);
        assert!(!answer.contains("secret"), "{address}: {answer}");
        answer.split(' ').nth(1).expect("a status").to_owned()
    };
    for address in [
        "/v/.env",
        "/v/%2eenv",
        "/v/%2Eenv",
        "/v/.git/config",
        "/v/real/..%2f.env",
        "/v/.git",
        "/v/trap/",
        "/v/trap/index.html",
        "/v/out/",
        "/v/out/index.html",
        "/v/out/jobs.db",
        "/v/out/jobs.db-wal",
    ] {
        assert_eq!(status(address), "404", "{address}");
    }
    for address in [
        "/v/",
        "/v/index.html",
        "/v/.well-known/security.txt",
        "/v/inside/",
        "/v/inside/index.html",
    ] {
        assert_eq!(status(address), "200", "{address}");
    }

    // Replaced while it is being served: a subfolder by a link that leads outside, and then the
    // folder itself by a link, first to another version of it and then to private files.
    std::fs::remove_dir_all(at.join("www/real")).expect("gone");
    symlink(at.join("data"), at.join("www/real")).expect("a link");
    assert_eq!(status("/v/real/"), "404");
    std::fs::rename(at.join("www"), at.join("old")).expect("moved");
    symlink("old", at.join("www")).expect("a link");
    assert_eq!(status("/v/index.html"), "200");
    std::fs::remove_file(at.join("www")).expect("gone");
    symlink("data", at.join("www")).expect("a link");
    assert_eq!(status("/v/index.html"), "404");
    assert_eq!(status("/v/jobs.db"), "404");
}

#[cfg(unix)]
#[test]
fn what_the_tracker_keeps_is_for_its_own_user() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = folder();
    let at = folder.path();
    imported(at, &["--brace", "job {1..3}"], "");
    let tracker = Serving::start(at, &[]);
    assert!(tracker.get("/api/new?nickname=x&stage=a").contains("token"));
    assert!(
        run(at, &["backup", "--to", "backup.db"], "")
            .status
            .success()
    );
    let mut found: Vec<(String, u32)> = std::fs::read_dir(at)
        .expect("a folder")
        .map(|entry| {
            let entry = entry.expect("an entry");
            let mode = entry.metadata().expect("a mode").permissions().mode();
            (
                entry.file_name().to_string_lossy().into_owned(),
                mode & 0o777,
            )
        })
        .collect();
    found.sort();
    let files = [
        "backup.db",
        "jobs.db",
        "jobs.db-lock",
        "jobs.db-shm",
        "jobs.db-wal",
    ];
    assert_eq!(found, files.map(|file| (file.to_owned(), 0o600)));
    // The operator is warned of a file created by an earlier version, which is left unchanged.
    std::fs::set_permissions(at.join("jobs.db"), std::fs::Permissions::from_mode(0o644))
        .expect("a mode");
    let looked = run(at, &["check-config"], "");
    assert!(
        text(&looked.stdout).contains("chmod o= jobs.db"),
        "{}",
        text(&looked.stdout)
    );
}

#[test]
fn no_help_shows_a_secret_of_the_environment() {
    let folder = folder();
    for command in [
        "serve",
        "check-config",
        "import",
        "export",
        "backup",
        "prune",
        "audit",
        "requeue",
        "resume",
    ] {
        for flag in ["--help", "-h"] {
            let done = program(folder.path())
                .args([command, flag])
                .env("DISTCOMPUTE_DATABASE", "postgres://ann:s3cret@db.example/x")
                .env("DISTCOMPUTE_ADMIN_TOKEN", "s3cret of some length")
                .output()
                .expect("an end");
            assert!(done.status.success());
            assert!(
                text(&done.stdout).contains("DISTCOMPUTE_DATABASE"),
                "{command} {flag}"
            );
            assert!(
                !text(&done.stdout).contains("s3cret"),
                "{command} {flag}: {}",
                text(&done.stdout)
            );
        }
    }
}

#[cfg(unix)]
#[test]
fn a_secret_that_every_user_of_the_machine_can_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = folder();
    let at = folder.path();
    let token = "correct horse battery";
    let inside = format!("admin_token = '{token}'");
    for (file, content, flag) in [
        ("token", token, "--admin-token-file=token"),
        ("with-token.toml", &inside, "--config=with-token.toml"),
        (
            "with-password.toml",
            "database = 'postgres://a:b@127.0.0.1/x'",
            "--config=with-password.toml",
        ),
        (
            "plain.toml",
            "database = 'postgres://a@127.0.0.1/x'",
            "--config=plain.toml",
        ),
    ] {
        std::fs::write(at.join(file), content).expect("a file");
        for (mode, warned) in [(0o644, file != "plain.toml"), (0o640, false)] {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(at.join(file), permissions).expect("a mode");
            let looked = run(at, &["check-config", flag], "");
            let printed = text(&looked.stdout);
            assert!(looked.status.success(), "{}", text(&looked.stderr));
            let remedy = format!("chmod o= {file}");
            assert_eq!(
                printed.contains(&remedy),
                warned,
                "{file} {mode:o}: {printed}"
            );
            assert!(!printed.contains(token));
        }
    }
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
    let mut tracker = Serving::start(at, &flags);
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
    let tracker = Serving::start(at, &flags);
    let mut stream = tracker.connect();
    write!(stream, "{head}\r\ncontent-length: {length}\r\n\r\n{jobs}").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let added = format!("{{\"added\":{}", 50_000 - there);
    assert!(answer.contains(&added), "{answer}");
    assert_eq!(jobs_in(at), (50_000, 50_000));
}

/// Runs a command as a user without write permission, because root may write everywhere.
#[cfg(unix)]
fn run_unprivileged(folder: &Path, flags: &[&str]) -> Output {
    use std::os::unix::process::CommandExt as _;
    let who = Command::new("id").arg("-u").output().expect("id");
    let mut command = program(folder);
    if text(&who.stdout).trim() == "0" {
        command.uid(65_534).gid(65_534);
    }
    command.args(flags).output().expect("an end")
}

#[cfg(unix)]
#[test]
fn what_only_reads_works_on_a_read_only_copy() {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("a mode");
    };
    let folder = folder();
    let at = folder.path();
    mode(at, 0o755);
    imported(at, &["--brace", "job {1..3}"], "");
    let tracker = Serving::start(at, &["--stage", "a=CPU"]);
    let answer = tracker.get("/api/new?nickname=x&stage=a");
    let token = answer.split('"').nth(3).expect("a token");
    assert_eq!(handed_in(&tracker, token, "out"), "200");
    let copies = at.join("copies");
    std::fs::create_dir(&copies).expect("a folder");
    assert!(
        run(at, &["backup", "--to", "copies/backup.db"], "")
            .status
            .success()
    );
    drop(tracker);
    // After a crash, the last transactions are in a separate file, the write-ahead log.
    assert!(run(at, &["export", "--stage", "a"], "").status.success());
    std::fs::copy(at.join("jobs.db"), copies.join("plain.db")).expect("a copy");
    for file in ["backup.db", "plain.db"] {
        mode(&copies.join(file), 0o444);
    }
    mode(&copies, 0o555);
    for file in ["backup.db", "plain.db"] {
        let database = format!("sqlite:copies/{file}");
        let command = |flags: &[&str]| {
            let done = run_unprivileged(at, &[flags, &["--database", &database]].concat());
            assert!(
                done.status.success(),
                "{file} {flags:?}: {}",
                text(&done.stderr)
            );
            done
        };
        let exported = command(&["export", "--stage", "a"]);
        assert_eq!(
            text(&exported.stdout),
            "{\"number\":1,\"data\":\"out\"}\n",
            "{file}"
        );
        assert!(text(&exported.stderr).contains("not in the log of actions"));
        let audit = command(&["audit"]);
        assert!(text(&audit.stdout).contains("numbers 1 to 3 were imported"));
        let dry = command(&["requeue", "--job", "1", "--dry-run"]);
        assert_eq!(text(&dry.stdout), "would requeue 1 job: 1\n");
        let checked = command(&["check-config"]);
        assert!(text(&checked.stdout).starts_with("the configuration is fine\n"));
        assert!(
            text(&checked.stdout).contains("cannot be written"),
            "{}",
            text(&checked.stdout)
        );
        // Commands that write report that they cannot, and `serve` refuses to start.
        for flags in [
            &["import", "--brace", "{1..2}"][..],
            &["prune", "--stage", "a", "--before", "9"],
            &["requeue", "--job", "1", "--yes"],
            &["serve", "--listen", "127.0.0.1:0"],
        ] {
            let done = run_unprivileged(at, &[flags, &["--database", &database]].concat());
            assert!(!done.status.success(), "{flags:?}");
        }
    }
    let left = std::fs::read_dir(&copies).expect("a folder").count();
    assert_eq!(left, 2, "nothing was written beside them");
    mode(&copies, 0o755);
}

/// The numbers of the jobs that are done at stage a in the copy of a database.
fn done_in(folder: &Path, file: &str) -> std::collections::BTreeSet<u64> {
    let database = format!("sqlite:{file}");
    let flags = ["export", "--stage", "a", "--database", &database];
    let exported = run(folder, &flags, "");
    assert!(exported.status.success(), "{}", text(&exported.stderr));
    text(&exported.stdout)
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("a line"))
        .map(|line| line["number"].as_u64().expect("a number"))
        .collect()
}

#[test]
fn a_backup_is_whole_while_volunteers_hand_results_in_and_writes_over_nothing() {
    let folder = folder();
    let at = folder.path();
    imported(at, &["--brace", "job {1..20000}"], "");
    let tracker = Serving::start(at, &["--stage", "a=CPU"]);
    let enough = std::sync::atomic::AtomicBool::new(false);
    let accepted = std::sync::Mutex::new(std::collections::BTreeSet::new());
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let answer = tracker.get("/api/new?nickname=x&stage=a");
                let token = answer.split('"').nth(3).expect("a token");
                while !enough.load(std::sync::atomic::Ordering::SeqCst) {
                    let body = format!("{{\"token\":\"{token}\"}}");
                    let job = tracker.send("POST /api/newJob", &body);
                    let number = job
                        .rsplit(':')
                        .next()
                        .expect("a number")
                        .trim_end_matches('}');
                    let number: u64 = number.parse().expect("a number");
                    let data = "x".repeat(2_000);
                    let done = format!(
                        "{{\"token\":\"{token}\",\"number\":{number},\"data\":\"{data}\"}}"
                    );
                    assert!(
                        tracker
                            .send("POST /api/completeJob", &done)
                            .ends_with("200 OK")
                    );
                    accepted.lock().expect("a list").insert(number);
                }
            });
        }
        let known = || accepted.lock().expect("a list").clone();
        while known().len() < 20 {
            std::thread::yield_now();
        }
        for copy in ["one.db", "two.db", "three.db"] {
            let before = known();
            let done = run(at, &["backup", "--to", copy], "");
            assert!(done.status.success(), "{}", text(&done.stderr));
            assert!(text(&done.stdout).starts_with(&format!("wrote {copy}, ")));
            let after = done_in(at, copy);
            assert!(
                before.is_subset(&after),
                "what was accepted before is in the copy"
            );
        }
        enough.store(true, std::sync::atomic::Ordering::SeqCst);
    });
    drop(tracker);
    assert!(done_in(at, "three.db").is_subset(&done_in(at, "jobs.db")));

    let again = run(at, &["backup", "--to", "one.db"], "");
    assert!(!again.status.success());
    assert!(
        text(&again.stderr).contains("not written over"),
        "{}",
        text(&again.stderr)
    );
    let nowhere = run(at, &["backup", "--to", "no/such/folder.db"], "");
    assert!(text(&nowhere.stderr).contains("cannot be written"));
    let nothing = run(
        at,
        &["backup", "--database", "sqlite:none.db", "--to", "x.db"],
        "",
    );
    assert!(text(&nothing.stderr).contains("There is no database none.db"));
    assert!(!at.join("none.db").exists() && !at.join("x.db").exists());
    let server = run(
        at,
        &[
            "backup",
            "--database",
            "postgres://ann:secret@db/x",
            "--to",
            "x",
        ],
        "",
    );
    assert!(
        text(&server.stderr).contains("pg_dump"),
        "{}",
        text(&server.stderr)
    );
    assert!(!text(&server.stderr).contains("secret"));
    let left = std::fs::read_dir(at)
        .expect("a folder")
        .filter_map(|entry| {
            let name = entry.expect("an entry").file_name();
            name.to_str()
                .expect("a name")
                .starts_with(".distcompute")
                .then_some(name)
        });
    assert_eq!(left.count(), 0, "nothing of an unfinished copy is left");
}

#[test]
fn a_second_tracker_on_the_same_file_is_refused() {
    let folder = folder();
    let _first = Serving::start(folder.path(), &[]);
    let second = run(folder.path(), &["serve", "--listen", "127.0.0.1:0"], "");
    assert!(!second.status.success());
    assert!(text(&second.stderr).contains("Another tracker serves jobs.db."));
    assert_eq!(text(&second.stdout), "");
}

#[test]
fn a_database_that_cannot_be_had_is_refused_without_its_password() {
    let folder = folder();
    let jobs = ["--brace", "shard_{0..9}.tar"];
    let import = |database| {
        refused(
            folder.path(),
            &[&["--database", database], &jobs[..]].concat(),
            "",
        )
    };
    // Nothing listens on port 1 of this machine.
    let away = import("postgres://ann:secret@127.0.0.1:1/jobs");
    assert!(
        away.contains("postgres://ann@127.0.0.1:1/jobs cannot be opened"),
        "{away}"
    );
    assert!(!away.contains("secret"), "{away}");
    let unknown = import("mysql://ann:secret@db/jobs");
    assert!(
        unknown.contains("sqlite:FILE or postgres://USER@HOST/NAME"),
        "{unknown}"
    );
    assert!(!unknown.contains("secret"), "{unknown}");
}

/// Runs a server that poses as PostgreSQL, refuses TLS and asks for the password in clear text.
/// Returns its port, and everything that one client sends.
fn impostor() -> (u16, std::thread::JoinHandle<Vec<u8>>) {
    let listener = std::net::TcpListener::bind("0.0.0.0:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let received = std::thread::spawn(move || {
        let Ok((mut stream, _)) = listener.accept() else {
            return Vec::new();
        };
        stream.set_read_timeout(Some(DEADLINE)).expect("a deadline");
        let mut received = Vec::new();
        let mut message = [0; 1024];
        loop {
            let count = stream.read(&mut message).unwrap_or(0);
            if count == 0 {
                return received;
            }
            received.extend_from_slice(&message[..count]);
            let asks_for_tls = message[4..8] == 80_877_103_u32.to_be_bytes();
            let answer: &[u8] = if asks_for_tls {
                b"N"
            } else {
                b"R\0\0\0\x08\0\0\0\x03"
            };
            // The client hangs up when it has seen enough.
            if received.ends_with(b"secret\0") || stream.write_all(answer).is_err() {
                return received;
            }
        }
    });
    (port, received)
}

#[test]
fn a_server_that_refuses_tls_gets_no_password_unless_it_is_on_this_machine() {
    let folder = folder();
    // 0.0.0.0 reaches this machine but is not a loopback address.
    for (host, query, variable, sends_password) in [
        ("0.0.0.0", "", None, false),
        ("0.0.0.0", "?sslmode=require", None, false),
        ("127.0.0.1", "?sslmode=verify-full", Some("disable"), false),
        ("127.0.0.1", "", Some("verify-full"), false),
        ("127.0.0.1", "", None, true),
        ("0.0.0.0", "", Some("prefer"), true),
        ("0.0.0.0", "?sslmode=disable", Some("verify-full"), true),
    ] {
        for command in [
            &["export", "--stage", "a"][..],
            &["import", "--brace", "x_{0..1}"],
            &["audit"],
        ] {
            let (port, received) = impostor();
            let mut program = program(folder.path());
            match variable {
                Some(mode) => program.env("PGSSLMODE", mode),
                None => program.env_remove("PGSSLMODE"),
            };
            let done = program
                .args(command)
                .args([
                    "--database",
                    &format!("postgres://ann:secret@{host}:{port}/x{query}"),
                ])
                .output()
                .expect("an end");
            // If the program did not connect, the test has failed; this connection ends the
            // server's wait.
            drop(TcpStream::connect(("127.0.0.1", port)));
            let (received, why) = (received.join().expect("received"), text(&done.stderr));
            let case = format!("{host}{query}, {variable:?}, {command:?}: {why}");
            assert!(!done.status.success(), "{case}");
            let has_sent = received.windows(6).any(|bytes| bytes == b"secret");
            assert_eq!(has_sent, sends_password, "{case}");
            assert!(!why.contains("secret"), "{case}");
            assert_eq!(why.contains("?sslrootcert=FILE"), !sends_password, "{case}");
        }
    }
}

#[test]
fn a_taken_port_is_an_error_with_a_sentence() {
    let folder = folder();
    let first = Serving::start(folder.path(), &[]);
    let flags = [
        "serve",
        "--listen",
        &first.address,
        "--database",
        "sqlite:other.db",
    ];
    let second = run(folder.path(), &flags, "");
    assert!(!second.status.success());
    let why = text(&second.stderr);
    assert!(
        why.contains(&format!("Cannot listen on {}", first.address)),
        "{why}"
    );
    assert!(!folder.path().join("other.db").exists());
}

#[test]
fn flags_go_before_the_environment_and_that_before_the_file() {
    let folder = folder();
    let file = "project = 'file'\ndescription = 'file'\ninvalid_after = 3\n";
    std::fs::write(folder.path().join("tracker.toml"), file).expect("a file");
    let mut child = program(folder.path())
        .args(["serve", "--listen", "127.0.0.1:0", "--project", "flag"])
        .args(["--config", "tracker.toml"])
        .env("DISTCOMPUTE_PROJECT", "environment")
        .env("DISTCOMPUTE_DESCRIPTION", "environment")
        .env("DISTCOMPUTE_STAGE", "a=One;b=Two")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("a process");
    let mut line = String::new();
    let mut out = BufReader::new(child.stdout.take().expect("standard output"));
    out.read_line(&mut line).expect("a line");
    let address = line
        .trim()
        .trim_start_matches("listening on http://")
        .to_owned();
    let tracker = Serving { child, address };
    let project = tracker.get("/api/project");
    assert!(
        project.ends_with(
            r#"{"project":"flag","description":"environment","stages":[{"stage":"a","name":"One"},{"stage":"b","name":"Two"}]}"#
        ),
        "{project}"
    );
}
