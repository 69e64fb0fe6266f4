//! Starting and stopping: signals, and what is already in use.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Command, Stdio},
    time::Instant,
};

use crate::process::DEADLINE;
use crate::program::{folder, imported, program, run, serve, text};

#[cfg(unix)]
#[test]
fn it_can_be_stopped_as_soon_as_it_has_printed_its_address() {
    let folder = folder();
    imported(folder.path(), &["--txt", "-"], "a\n");
    for _ in 0..10 {
        let mut tracker = serve(folder.path(), &[]);
        tracker.signal("-TERM");
        assert_eq!(tracker.wait(), Some(0));
    }
}

#[cfg(unix)]
#[test]
fn a_hangup_is_ignored_and_logged() {
    let folder = folder();
    // Without files, of which the log would say how much of the disk they may fill.
    let mut child = program(folder.path())
        .args(["serve", "--listen", "127.0.0.1:0", "--object-store", "off"])
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
    let mut tracker = serve(folder.path(), &[]);
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
fn a_second_tracker_on_the_same_file_is_refused() {
    let folder = folder();
    let _first = serve(folder.path(), &[]);
    let second = run(folder.path(), &["serve", "--listen", "127.0.0.1:0"], "");
    assert!(!second.status.success());
    assert!(text(&second.stderr).contains("Another tracker serves jobs.db."));
    assert_eq!(text(&second.stdout), "");
}

#[test]
fn a_taken_port_is_an_error_with_a_sentence() {
    let folder = folder();
    let first = serve(folder.path(), &[]);
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
