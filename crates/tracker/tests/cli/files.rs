//! Files: what is served of a folder, and who may read what the tracker keeps.

use crate::program::{folder, imported, run, serve, text};

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
        (
            &["--files=/v=www", "--join-key-file=www/deep/token"],
            "holds the join key",
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

    let tracker = serve(at, &flags);
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
    let tracker = serve(at, &[]);
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
