//! Flags, environment and file, their faults, and the secrets among them.

use crate::process::Serving;
use crate::program::{folder, program, run, text};

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
        "pause",
        "resume",
    ] {
        for flag in ["--help", "-h"] {
            let done = program(folder.path())
                .args([command, flag])
                .env("DISTCOMPUTE_DATABASE", "postgres://ann:s3cret@db.example/x")
                .env("DISTCOMPUTE_ADMIN_TOKEN", "s3cret of some length")
                .env("DISTCOMPUTE_JOIN_KEY", "s3cret-for-volunteers")
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

#[test]
fn flags_go_before_the_environment_and_that_before_the_file() {
    let folder = folder();
    let file = "project = 'file'\ndescription = 'file'\ninvalid_after = 3\n";
    std::fs::write(folder.path().join("tracker.toml"), file).expect("a file");
    let tracker = Serving::start(
        program(folder.path())
            .args(["serve", "--listen", "127.0.0.1:0", "--project", "flag"])
            .args(["--config", "tracker.toml"])
            .env("DISTCOMPUTE_PROJECT", "environment")
            .env("DISTCOMPUTE_DESCRIPTION", "environment")
            .env("DISTCOMPUTE_STAGE", "a=One;b=Two"),
    );
    let project = tracker.get("/api/project");
    assert!(
        project.ends_with(
            r#"{"project":"flag","description":"environment","stages":[{"stage":"a","name":"One"},{"stage":"b","name":"Two"}]}"#
        ),
        "{project}"
    );
}
