//! The connection to a PostgreSQL, whose password goes to nobody else.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use crate::process::DEADLINE;
use crate::program::{folder, program, refused, text};

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
