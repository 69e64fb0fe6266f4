//! A tracker that runs, and what its operator does meanwhile: bans, requeues, the journal.

use crate::program::{folder, handed_in, imported, run, serve, text};

#[cfg(unix)]
#[test]
fn it_serves_while_jobs_come_in_and_results_go_out() {
    let folder = folder();
    let at = folder.path();
    let mut tracker = serve(at, &["--stage", "a=CPU"]);
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
    let none = run(at, &["export", "--stage", "b"], "");
    assert!(none.status.success() && none.stdout.is_empty());
    assert!(text(&none.stderr).contains("exported 0 results of stage b"));
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

#[test]
fn bans_are_made_listed_and_taken_back_while_the_tracker_runs() {
    let folder = folder();
    let at = folder.path();
    imported(at, &["--brace", "job {1..4}"], "");
    let tracker = serve(at, &["--stage", "a=CPU"]);
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
    let expected = ["Mal", "127.0.0.1", "-", "0 held", "1 completed"];
    assert_eq!(fields[2..7], expected, "without a key");
    assert_eq!(done(&["workers", "--stage", "b"]), "");
    let dry = done(&["requeue", "--nickname", "Mal", "--dry-run"]);
    let lines: Vec<_> = dry.lines().collect();
    assert_eq!(lines[0], "would requeue 1 job: 1");
    assert_eq!(lines[1], "1 result of stage a would be discarded");
    assert!(
        lines[2].starts_with("an address that is not known: 1 result from 2"),
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
        (vec!["ban"], "Say whom: --nickname, --address or --key."),
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
    let tracker = serve(at, &["--stage", "a=CPU"]);
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
    let dry = requeue(&["--job", "2", "--job", "1", "--dry-run"]);
    let first = "would requeue 2 jobs: 1, 2\n2 results of stage a would be discarded\n";
    assert!(dry.starts_with(first), "{dry}");
    std::fs::write(at.join("list.txt"), " 2\n\n3 - 1000\n").expect("a file");
    let dry = requeue(&["--jobs-from", "list.txt", "--state", "done", "--dry-run"]);
    assert!(dry.starts_with("would requeue 2 jobs: 2, 3\n"), "{dry}");
    let dry = requeue(&["--all", "--to", "a", "--dry-run"]);
    assert!(dry.starts_with("would requeue 3 jobs: 1, 2, 3\n"), "{dry}");
    for (flags, why) in [
        (["--job", "x"], "--job x: It is no number of a job"),
        (["--job", "9-3"], "3-9 would not"),
        (["--jobs-from", "none.txt"], "none.txt cannot be read"),
        (["--jobs-from", "-"], "names no job"),
        (["--state", "closed"], "set-aside"),
    ] {
        let refused = run(at, &[&["requeue", "--yes"], &flags[..]].concat(), "");
        let printed = text(&refused.stderr);
        assert!(
            !refused.status.success() && printed.contains(why),
            "{flags:?}: {printed}"
        );
    }
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
fn jobs_that_were_finished_before_a_stage_was_added_go_on_at_it() {
    let folder = folder();
    let at = folder.path();
    imported(at, &["--brace", "job {1..600}"], "");
    let tracker = serve(at, &["--stage", "a=CPU"]);
    let answer = tracker.get("/api/new?nickname=x&stage=a");
    let token = answer.split('"').nth(3).expect("a token");
    for data in ["one", "two", "three"] {
        assert_eq!(handed_in(&tracker, token, data), "200");
    }
    let status = |tracker: &crate::process::Serving| -> serde_json::Value {
        let answer = tracker.get("/api/status");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
        serde_json::from_str(body).expect("JSON")
    };
    assert_eq!(status(&tracker)["skipped"], serde_json::Value::Null);
    drop(tracker);

    let tracker = serve(at, &["--stage", "a=CPU", "--stage", "b=GPU"]);
    let before = status(&tracker);
    assert_eq!(
        (&before["closed"], &before["stages"][1]["open"]),
        (&3.into(), &0.into())
    );
    assert_eq!(
        (
            &before["skipped"][0]["stage"],
            &before["skipped"][0]["jobs"]
        ),
        (&"b".into(), &3.into())
    );
    assert!(
        tracker
            .get("/")
            .contains("3 jobs have not been through stage")
    );
    let change = |flags: &[&str]| {
        let done = run(at, flags, "");
        assert!(done.status.success(), "{}", text(&done.stderr));
        text(&done.stdout).to_owned()
    };
    let dry = change(&["reopen", "--stage", "b", "--dry-run"]);
    assert_eq!(dry, "3 jobs would go on at stage b\n");
    let done = change(&["reopen", "--stage", "b", "--yes"]);
    assert_eq!(
        done,
        "3 jobs go on at stage b, where the tracker has it enabled\n"
    );
    // The counts are right at once, also on the tracker that was running meanwhile.
    let after = status(&tracker);
    assert_eq!(
        (&after["closed"], &after["stages"][1]["open"]),
        (&0.into(), &3.into())
    );
    assert_eq!(after["skipped"], serde_json::Value::Null);
    let answer = tracker.get("/api/new?nickname=y&stage=b");
    let token = answer.split('"').nth(3).expect("a token");
    let job = tracker.send("POST /api/newJob", &format!("{{\"token\":\"{token}\"}}"));
    assert!(job.ends_with(r#"{"data":"one","number":1}"#), "{job}");
    // The stage is taken away again.
    let dry = change(&["close", "--stage", "b", "--dry-run"]);
    assert_eq!(
        dry,
        "would have finished 3 jobs of stage b, with the results of stage a\n"
    );
    let done = change(&["close", "--stage", "b", "--yes"]);
    assert_eq!(
        done,
        "finished 3 jobs of stage b, with the results of stage a\n"
    );
    assert_eq!(status(&tracker)["closed"], 3);
    for (flags, why) in [
        (
            ["reopen", "--stage", "a", "--yes"],
            "No stage comes before a",
        ),
        (
            ["close", "--stage", "x", "--yes"],
            "Invalid worker stage: 'x'",
        ),
        (
            ["reopen", "--stage", "b", "--dry-runs"],
            "unexpected argument",
        ),
    ] {
        let refused = run(at, &flags, "");
        let printed = text(&refused.stderr);
        assert!(
            !refused.status.success() && printed.contains(why),
            "{flags:?}: {printed}"
        );
    }
    let asked = run(at, &["reopen", "--stage", "b"], "");
    assert!(text(&asked.stderr).contains("Add --yes if that is meant"));
    let audit = change(&["audit"]);
    assert!(
        audit.contains("reopen\tjobs that were finished at stage a go on at stage b"),
        "{audit}"
    );
    assert!(audit.contains("close\t3 jobs were finished"), "{audit}");
}
