//! A tracker in a process of its own, which is stopped when the test ends.

#![allow(dead_code)] // Each test program uses its own part of this.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// The path of the program.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_distcompute-tracker");

/// The maximum time that anything may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// A running tracker.
pub(crate) struct Serving {
    pub(crate) child: Child,
    pub(crate) address: String,
}

/// The response to a request.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The head in lower case.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Serving {
    /// Starts a command that serves, and waits until it has printed its address.
    pub(crate) fn start(command: &mut Command) -> Self {
        Self::start_with_log(command, Stdio::null())
    }

    /// Does the same, and writes the log to `log`.
    pub(crate) fn start_with_log(command: &mut Command, log: impl Into<Stdio>) -> Self {
        let mut child = command
            .env_remove("DISTCOMPUTE_CONFIG")
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("a process");
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().expect("standard output"));
        out.read_line(&mut line).expect("a line");
        let address = line.trim().strip_prefix("listening on http://");
        let address = address.unwrap_or_else(|| panic!("it printed {line:?}"));
        Self {
            address: address.to_owned(),
            child,
        }
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).expect("a connection");
        stream.set_read_timeout(Some(DEADLINE)).expect("a deadline");
        stream
    }

    /// Sends a request, such as `POST /api/bye`, on a connection of its own.
    pub(crate) fn ask(&self, request: &str, body: &[u8]) -> Answer {
        let mut stream = self.connect();
        let head = format!(
            "{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).expect("sent");
        // If a body is refused because of its size, the tracker may not read it to its end.
        let _ = stream.write_all(body);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        Answer {
            status: status.expect("a status"),
            head: head.to_lowercase(),
            body: body.to_owned(),
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
