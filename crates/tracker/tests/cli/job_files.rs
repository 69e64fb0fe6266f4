//! Importing jobs with the files that they name, and exporting those that results name.

use crate::program::{folder, handed_in, imported, refused, run, serve, text};

#[test]
fn files_are_imported_with_their_jobs_and_exported_with_their_results() {
    let folder = folder();
    let at = folder.path();
    std::fs::create_dir_all(at.join("in/sub")).expect("a folder");
    std::fs::write(at.join("in/sub/a.txt"), "one").expect("a file");
    std::fs::write(at.join("in/sub/b.txt"), "two").expect("a file");
    let hash = "sha256-7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed";
    let other = "sha256-3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3";
    let job = r#"{"x":{"$file":"./sub/a.txt"},"y":{"$file":"./sub/b.txt"}}"#;
    let missing = refused(
        at,
        &["--jsonl", "-", "--files", "in"],
        r#"[{"$file":"./b.txt"}]"#,
    );
    assert!(
        missing.contains("in/b.txt, which is not there"),
        "{missing}"
    );
    let outside = refused(
        at,
        &["--jsonl", "-", "--files", "in"],
        r#"[{"$file":"./../jobs.db"}]"#,
    );
    assert!(outside.contains("no name within in"), "{outside}");
    let unknown = format!(r#"[{{"$file":"{hash}","bytes":3}}]"#);
    let why = refused(at, &["--jsonl", "-"], &unknown);
    assert!(
        why.contains("no such file is stored") && why.contains("--files"),
        "{why}"
    );
    let one = imported(at, &["--jsonl", "-", "--files", "in"], job);
    assert_eq!(one, "imported 1 jobs, numbers 1 to 1");
    let output = format!(r#"[{{"$file":"{hash}","bytes":3}},{{"$file":"{other}","bytes":3}}]"#);
    assert_eq!(
        imported(at, &["--jsonl", "-"], &output),
        "imported 1 jobs, numbers 2 to 2"
    );
    let tracker = serve(at, &["--public-results"]);
    let answer = tracker.get("/api/new?nickname=Ann&stage=a");
    let token = answer
        .split("\"token\":\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next());
    let token = token.expect("a token");
    let body = format!("{{\"token\":\"{token}\"}}");
    let job = tracker.send("POST /api/newJob", &body);
    let named = format!(r#"{{\"x\":{{\"$file\":\"{hash}\",\"bytes\":3,\"url\":\"api/files/"#);
    assert!(job.contains(&named), "{job}");
    let address = job.split(r#"\"url\":\""#).nth(1);
    let address = address.and_then(|rest| rest.split('\\').next());
    let address = format!("/{}", address.expect("an address"));
    assert!(tracker.get(&address).ends_with("one"), "{address}");
    let page = tracker.get("/job/1");
    assert!(page.contains(hash) && !page.contains("Downloads"), "{page}");
    assert_eq!(
        handed_in(&tracker, token, &format!("<!json!>{output}")),
        "200"
    );
    let export = |more: &[&str]| {
        let flags = [&["export", "--stage", "a", "--files", "out"], more].concat();
        let done = run(at, &flags, "");
        assert!(text(&done.stdout).contains(&output), "{done:?}");
        let code = done.status.code();
        (code == Some(0), text(&done.stderr).to_owned())
    };
    let (_, said) = export(&[]);
    assert!(said.contains("wrote 2 files"), "{said}");
    assert_eq!(
        std::fs::read_to_string(at.join("out").join(hash)).expect("a file"),
        "one"
    );
    let (_, said) = export(&[]);
    assert!(!said.contains("wrote"), "it is there: {said}");
    let stored = at.join("jobs.db-files/files").join(hash);
    std::fs::write(&stored, "two").expect("a damaged file");
    std::fs::remove_file(at.join("out").join(hash)).expect("removed");
    let (done, said) = export(&[]);
    assert!(!done && said.contains("damaged"), "{said}");
    // One that is missing keeps the other from nothing.
    std::fs::remove_file(stored).expect("removed");
    std::fs::remove_file(at.join("out").join(other)).expect("removed");
    let (done, said) = export(&[]);
    assert!(
        !done && said.contains(&format!("{hash} is not in the store of files")),
        "{said}"
    );
    assert!(
        said.contains("wrote 1 files") && said.contains("A file that results name was not written"),
        "{said}"
    );
    let out = std::fs::read_dir(at.join("out")).expect("a folder");
    let out: Vec<_> = out.map(|one| one.expect("one").file_name()).collect();
    assert_eq!(out, [other]);
}

#[test]
fn what_cannot_keep_files_is_named() {
    let folder = folder();
    let at = folder.path();
    std::fs::write(at.join("taken"), "").expect("a file");
    let check = |place: &str| {
        let done = run(at, &["check-config", "--object-store", place], "");
        format!("{}{}", text(&done.stdout), text(&done.stderr))
    };
    assert!(!check("").contains("files of jobs"));
    assert!(!at.join("jobs.db-files").exists());
    assert!(check("ftp://x/y").contains("object_store is"));
    #[cfg(not(feature = "clouds"))]
    assert!(check("s3://bucket/x").contains("--features clouds"));
    let why = refused(
        at,
        &["--jsonl", "-", "--files", ".", "--object-store", "off"],
        "[1]",
    );
    assert!(why.contains("object_store is off"), "{why}");
}
