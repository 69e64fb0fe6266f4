//! Requests that mean harm, against a real tracker: what its memory is afterwards, and whether others
//! were served.
#![cfg(target_os = "linux")]

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Child, Command, Stdio},
    thread,
};

/// What the operator's guide promises, in KB.
const MEMORY_KB: u64 = 300 * 1024;

struct Serving {
    child: Child,
    address: String,
}

impl Serving {
    fn start(folder: &std::path::Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_distcompute-tracker"))
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(["--database", "sqlite:jobs.db"])
            .current_dir(folder)
            .env_remove("DISTCOMPUTE_CONFIG")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the tracker starts");
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().expect("standard output"));
        out.read_line(&mut line).expect("a line");
        let address = line.trim().strip_prefix("listening on http://");
        let address = address.expect("an address").to_owned();
        Self { child, address }
    }

    /// The status of the answer to a POST.
    fn post(address: &str, path: &str, body: &[u8]) -> u16 {
        let mut stream = TcpStream::connect(address).expect("connected");
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).expect("sent");
        // A tracker that refuses a body by its size need not read it.
        let _ = stream.write_all(body);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        let status = answer.split(' ').nth(1).expect("a status line");
        status.parse().expect("a status")
    }

    /// The most memory that it ever had, in KB.
    fn peak_kb(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = fs::read_to_string(path).expect("its status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let figure = line.and_then(|line| line.split_whitespace().next());
        figure.expect("a figure").parse().expect("a number")
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
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
    let tracker = Serving::start(folder.path());
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
    let address = &tracker.address;
    thread::scope(|scope| {
        for (path, body, expected) in &bodies {
            scope.spawn(move || {
                for _ in 0..2 {
                    let status = Serving::post(address, path, body);
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
            let status = Serving::post(address, "/api/validateWorker", br#"{"token":"x"}"#);
            assert_eq!(status, 200);
        }
    });
    let peak = tracker.peak_kb();
    assert!(peak < MEMORY_KB, "it took {peak} KB");
}
