//! Running the program: commands to their end, and trackers that serve.

use std::{
    io::{Read as _, Write as _},
    path::Path,
    process::{Command, Output, Stdio},
    time::Instant,
};

use tempfile::TempDir;

use crate::process::{DEADLINE, PROGRAM, Serving};

pub(crate) fn program(folder: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    command.current_dir(folder);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("DISTCOMPUTE_")) {
        command.env_remove(name);
    }
    command
}

/// Runs a command to its end, with `input` on standard input.
pub(crate) fn run(folder: &Path, flags: &[&str], input: &str) -> Output {
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

pub(crate) fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).expect("text")
}

pub(crate) fn imported(folder: &Path, flags: &[&str], input: &str) -> String {
    let done = run(folder, &[&["import"], flags].concat(), input);
    assert!(done.status.success(), "{}", text(&done.stderr));
    text(&done.stdout).trim().to_owned()
}

/// Runs an import that must fail, and returns its error message.
pub(crate) fn refused(folder: &Path, flags: &[&str], input: &str) -> String {
    let done = run(folder, &[&["import"], flags].concat(), input);
    assert!(!done.status.success());
    text(&done.stderr).trim().to_owned()
}

pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

/// Claims a job, submits a result and returns the status.
pub(crate) fn handed_in(tracker: &Serving, token: &str, data: &str) -> String {
    let body = format!("{{\"token\":\"{token}\"}}");
    tracker.send("POST /api/newJob", &body);
    let data = serde_json::to_string(data).expect("JSON");
    let done = format!("{{\"token\":\"{token}\",\"data\":{data}}}");
    let answer = tracker.send("POST /api/completeJob", &done);
    answer.split(' ').nth(1).expect("a status").to_owned()
}

/// Starts a tracker in this folder, on a free port.
pub(crate) fn serve(folder: &Path, flags: &[&str]) -> Serving {
    Serving::start(
        program(folder)
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(flags),
    )
}

impl Serving {
    pub(crate) fn send(&self, head: &str, body: &str) -> String {
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

    pub(crate) fn get(&self, address: &str) -> String {
        self.send(&format!("GET {address}"), "")
    }

    #[cfg(unix)]
    pub(crate) fn signal(&self, name: &str) {
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
    pub(crate) fn wait(&mut self) -> Option<i32> {
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
