//! Backups, and commands that only read.

use std::{
    path::Path,
    process::{Command, Output},
};

use crate::program::{folder, handed_in, imported, program, run, serve, text};

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
    let tracker = serve(at, &["--stage", "a=CPU"]);
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
        let printed = text(&dry.stdout);
        assert!(printed.starts_with("would requeue 1 job: 1\n"), "{printed}");
        let dry = command(&["reopen", "--stage", "b", "--dry-run"]);
        assert_eq!(text(&dry.stdout), "1 job would go on at stage b\n");
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
    let tracker = serve(at, &["--stage", "a=CPU"]);
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
